//! What can still be read of a configuration that is refused: where the state lies, and where AWS is reached.
//!
//! It serves one purpose: to finish changes that an earlier process began. Not here: settings, which are whole or not at
//! all (`load`).

use std::{collections::BTreeMap, path::PathBuf};

use toml::de::{DeTable, DeValue};

use crate::validate::DEFAULT_STATE_DIR;

/// The little that recovery needs; the rest is in the intents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    /// Where the journal lies.
    pub state_dir: PathBuf,
    /// An emulator's address instead of AWS's own endpoints.
    pub endpoint_url: Option<String>,
}

/// Reads what it can of a text, whatever else is wrong with it; a folder that is not named is the default one.
///
/// `None` for a simulated account, which leaves nothing behind.
#[must_use]
pub fn salvage(text: &str, environment: &BTreeMap<String, String>) -> Option<Salvaged> {
    let (table, _) = DeTable::parse_recoverable(text);
    let table = table.get_ref();
    let read = |section: &str, key: &str| {
        let variable = format!("TRIMTAB_{}__{}", section.to_uppercase(), key.to_uppercase());
        environment.get(&variable).cloned().or_else(|| written(table, section, key))
    };
    if read("cloud", "provider").is_some_and(|provider| provider != "aws") {
        return None;
    }
    let state_dir = read("agent", "state_dir");
    Some(Salvaged {
        state_dir: PathBuf::from(state_dir.as_deref().unwrap_or(DEFAULT_STATE_DIR)),
        endpoint_url: read("cloud", "endpoint_url"),
    })
}

fn written(table: &DeTable<'_>, section: &str, key: &str) -> Option<String> {
    let DeValue::Table(inner) = table.get(section)?.get_ref() else { return None };
    let DeValue::String(text) = inner.get(key)?.get_ref() else { return None };
    Some(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_around_what_is_wrong() {
        let aws = |state_dir: &str, endpoint: Option<&str>| {
            let endpoint_url = endpoint.map(str::to_owned);
            Some(Salvaged { state_dir: state_dir.into(), endpoint_url })
        };
        let cases = [
            ("", aws(DEFAULT_STATE_DIR, None)),
            ("[agent]\nstate_dir = \"/s\"\nnonsense = 3\n[modes]\ndefault = 7", aws("/s", None)),
            ("[modes]\ndefault = \n[agent]\nstate_dir = \"/s\"", aws("/s", None)),
            (
                "[agent]\nstate_dir = \"/s\"\n[cloud]\nendpoint_url = \"http://e\"\n[[account",
                aws("/s", Some("http://e")),
            ),
            ("[cloud]\nprovider = \"simulated\"\nscenario = 3", None),
        ];
        for (text, expect) in cases {
            assert_eq!(salvage(text, &BTreeMap::new()), expect, "{text}");
        }
    }

    #[test]
    fn the_environment_wins() {
        let environment =
            BTreeMap::from([("TRIMTAB_AGENT__STATE_DIR".to_owned(), "/e".to_owned())]);
        let found = salvage("[agent]\nstate_dir = \"/s\"", &environment);
        assert_eq!(found.map(|one| one.state_dir), Some(PathBuf::from("/e")));
    }
}
