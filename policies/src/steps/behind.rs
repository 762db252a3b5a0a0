//! The words of steps on a function behind an alias: the version that was served, and how far the alias has come.
//!
//! Not here: building the steps (`build`) and sorting what they see (`sight`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::resource::{Function, Published};

/// What callers of the alias got when the change was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Behind {
    /// The alias.
    pub alias: String,
    /// The version that it named.
    pub version: String,
    /// The SHA-256 of that version's code, which `$LATEST` had too.
    pub code_sha256: String,
}

/// How an alias shares its calls between the version from before the change and the one that the change publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "share")]
pub enum Stage {
    /// All of them go to the version from before the change.
    Old,
    /// Some of them go to the new version.
    Canary {
        /// So many of a hundred.
        percent: u32,
    },
    /// All of them go to the new version.
    New,
}

/// How the new version is tried out before it gets every call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bake {
    /// How long it gets its share at least, seconds.
    pub bake_s: u32,
    /// How many of its runs must be seen.
    pub runs_min: u32,
    /// Memory before, MB: by it the CPU that runs had.
    pub from_mb: u32,
    /// Memory of the new version, MB.
    pub to_mb: u32,
    /// Alarms that speak against it.
    pub alarms: Vec<String>,
}

impl Behind {
    /// The version behind a function's only alias; `None` where callers reach `$LATEST`, or where it cannot be told.
    #[must_use]
    pub fn of(function: &Function) -> Option<Self> {
        let [alias] = function.aliases.as_slice() else { return None };
        let served = function.served.as_ref().filter(|one| one.version == alias.version)?;
        Some(Self {
            alias: alias.name.clone(),
            version: served.version.clone(),
            code_sha256: served.code_sha256.clone()?,
        })
    }

    /// The version that publishing `$LATEST` with `memory_mb` has made: newer than the one served, with its code and its
    /// configuration but for the memory. Lambda makes no second one while `$LATEST` stays as it is.
    #[must_use]
    pub fn published<'a>(&self, function: &'a Function, memory_mb: u32) -> Option<&'a Published> {
        let newest = function.newest.as_ref()?;
        let before = self.version.parse::<u64>().ok()?;
        let is_next = newest.number().is_some_and(|number| number > before);
        let is_same = newest.code_sha256.as_deref() == Some(&self.code_sha256)
            && newest.memory_mb == memory_mb
            && newest.differs.is_empty();
        (is_next && is_same).then_some(newest)
    }
}
