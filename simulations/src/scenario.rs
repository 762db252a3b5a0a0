//! Scenarios: a fleet, the settings it is run with, an approver who answers by rule, and faults, as one TOML file.
//!
//! Not here: what the settings mean; they are an opaque table that the agent hands to `trimtab-config`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;
use trimtab_models::recommendation::Action;

use crate::{fleet::Archetype, world::Faults};

/// The scenario that the demo runs.
pub const FIRST_LOOK: &str = include_str!("../scenarios/first-look.toml");

/// A scenario that cannot be read.
#[derive(Debug, Error)]
#[error("the scenario cannot be read: {0}")]
pub struct ScenarioError(#[from] toml::de::Error);

/// A scenario.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// The virtual time at which it begins.
    pub start: Timestamp,
    /// Days of metrics that exist before the start.
    #[serde(default = "default_history_days")]
    pub history_days: u32,
    /// The account's id.
    #[serde(default = "default_account")]
    pub account: String,
    /// The regions over which the fleet is spread.
    #[serde(default = "default_regions")]
    pub regions: Vec<String>,
    /// How many resources of each archetype there are.
    pub fleet: BTreeMap<Archetype, u32>,
    /// Whether every machine stands behind a load balancer of its region, beside a healthy target that is not of the fleet.
    #[serde(default)]
    pub balanced: bool,
    /// The agent's settings: an opaque table.
    #[serde(default)]
    pub settings: toml::Table,
    /// Who approves.
    #[serde(default)]
    pub approver: Option<Approver>,
    /// Who approves beside them.
    #[serde(default)]
    pub approvers: Vec<Approver>,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Faults,
}

/// A person who answers by rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approver {
    /// The name under which decisions are journalled.
    pub name: String,
    /// Actions that are approved; everything else is left alone.
    pub approves: Vec<Action>,
    /// Whether every approval says not to wait for a quiet hour.
    #[serde(default)]
    pub now: bool,
    /// Actions that are rejected.
    #[serde(default)]
    pub rejects: Vec<Action>,
    /// Hours for which such a rejection holds for whatever is proposed there; without them it is about that one size.
    #[serde(default)]
    pub rejects_for_hours: Option<u32>,
    /// Hours after the proposal at which the answer comes.
    #[serde(default)]
    pub after_hours: u32,
}

const fn default_history_days() -> u32 {
    30
}

fn default_account() -> String {
    "111122223333".to_owned()
}

fn default_regions() -> Vec<String> {
    vec!["us-east-1".to_owned()]
}

impl Scenario {
    /// Everybody who answers.
    pub fn people(&self) -> impl Iterator<Item = &Approver> {
        self.approver.iter().chain(&self.approvers)
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// With line and column when the text is not a scenario.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        Ok(toml::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_is_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let mut read = 0;
        for file in std::fs::read_dir(folder).expect("the folder is there") {
            let path = file.expect("a readable entry").path();
            let text = std::fs::read_to_string(&path).expect("a readable file");
            let scenario = Scenario::parse(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(!scenario.fleet.is_empty(), "{}", path.display());
            read += 1;
        }
        assert!(read >= 3, "at least three scenarios are shipped, found {read}");
    }

    #[test]
    fn unknown_keys_are_errors() {
        let error = Scenario::parse("name = 'x'\ncolour = 1\n").expect_err("colour is no key");
        assert!(error.to_string().contains("colour"), "{error}");
    }
}
