//! Lambda functions as they are observed: what callers get, and what `$LATEST` holds.
//!
//! Not here: which of them may be changed (`trimtab-policies`) and what memory they need (`sizing`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Lambda function: its unpublished version (`$LATEST`), and what is published beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Function {
    /// Memory of `$LATEST`, MB.
    pub memory_mb: u32,
    /// Configured timeout, seconds.
    pub timeout_s: u32,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The runtime's name; `None` for container images.
    #[serde(default)]
    pub runtime: Option<String>,
    /// `Active`, `Inactive`, `Pending` or `Failed`.
    pub state: String,
    /// `Successful`, `InProgress` or `Failed`.
    pub last_update_status: String,
    /// Changes with every update; makes the next one conditional.
    #[serde(default)]
    pub revision_id: Option<String>,
    /// The code's SHA-256 as Lambda states it, of `$LATEST`.
    #[serde(default)]
    pub code_sha256: Option<String>,
    /// Aliases; callers of one get the version that it names, not `$LATEST`.
    #[serde(default)]
    pub aliases: Vec<Alias>,
    /// How many versions are published.
    pub published_versions: u32,
    /// The version that the only alias names; `None` without one, with several, or where it could not be read.
    #[serde(default)]
    pub served: Option<Published>,
    /// The newest published version, where there is an alias.
    #[serde(default)]
    pub newest: Option<Published>,
    /// Aliases and versions with provisioned concurrency; `None` where that is not known.
    #[serde(default)]
    pub provisioned: Option<Vec<String>>,
    /// Whether a capacity provider (managed instances) runs it.
    pub capacity_provider: bool,
}

impl Function {
    /// Memory that callers get, MB: that of the version which the only alias names, else of `$LATEST`.
    #[must_use]
    pub fn served_memory_mb(&self) -> u32 {
        self.served.as_ref().map_or(self.memory_mb, |served| served.memory_mb)
    }
}

/// A name for a version, which callers use instead of its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Told")]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// The version that it names, a number or `$LATEST`; empty where that is not known.
    pub version: String,
    /// Versions that get a share of its calls beside, each as a ratio; empty in ordinary service.
    pub weights: BTreeMap<String, f64>,
    /// Changes with every update of the alias; makes the next one conditional.
    pub revision_id: Option<String>,
}

/// An alias as it is stored: older inventories and records hold its name alone.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Told {
    Name(String),
    Whole {
        name: String,
        version: String,
        #[serde(default)]
        weights: BTreeMap<String, f64>,
        #[serde(default)]
        revision_id: Option<String>,
    },
}

impl From<Told> for Alias {
    fn from(told: Told) -> Self {
        match told {
            Told::Name(name) => {
                let (version, weights) = (String::new(), BTreeMap::new());
                Self { name, version, weights, revision_id: None }
            }
            Told::Whole { name, version, weights, revision_id } => {
                Self { name, version, weights, revision_id }
            }
        }
    }
}

/// A published version, whose code and configuration never change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Published {
    /// Its number.
    pub version: String,
    /// Memory, MB.
    pub memory_mb: u32,
    /// Its code's SHA-256 as Lambda states it.
    pub code_sha256: Option<String>,
    /// `Active`, `Inactive`, `Pending` or `Failed`.
    pub state: String,
    /// The parts of the configuration, beside memory and description, in which `$LATEST` differs from it: their names only,
    /// because an environment may hold secrets.
    pub differs: Vec<String>,
}

impl Published {
    /// Its number, by which versions are ordered.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        self.version.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_read_from_its_name_alone_and_written_whole() {
        let told: Vec<Alias> = serde_json::from_str(
            r#"["live", {"name": "blue", "version": "7", "weights": {"8": 0.1}}]"#,
        )
        .expect("both forms are read");
        let whole = Alias {
            name: "blue".to_owned(),
            version: "7".to_owned(),
            weights: BTreeMap::from([("8".to_owned(), 0.1)]),
            revision_id: None,
        };
        assert_eq!((told[0].name.as_str(), told[0].version.as_str()), ("live", ""));
        assert_eq!(told[1], whole);
        let text = serde_json::to_string(&whole).expect("plain fields");
        assert_eq!(serde_json::from_str::<Alias>(&text).expect("its own form"), whole);
    }
}
