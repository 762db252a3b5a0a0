//! The three modes, and which rule decides the mode of a resource.
//!
//! Not here: what a mode lets through (`plan`).

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use trimtab_models::{recommendation::Action, resource::Kind};

/// How far Trimtab may go by itself. The order is from the most to the least conservative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Recommends only.
    Datapilot,
    /// Applies what an approver approved.
    Copilot,
    /// Applies what passes every check.
    Autopilot,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Datapilot => "datapilot",
            Self::Copilot => "copilot",
            Self::Autopilot => "autopilot",
        })
    }
}

/// What a rule matches; every given key must match, and each tag counts as one key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Matcher {
    /// An account's 12-digit id (configuration resolves names to ids).
    pub account: Option<String>,
    /// A region.
    pub region: Option<String>,
    /// A kind.
    pub kind: Option<Kind>,
    /// An exact ARN.
    pub arn: Option<String>,
    /// Tags, key and exact value.
    pub tags: BTreeMap<String, String>,
    /// A group as the glossary defines it.
    pub group: Option<String>,
    /// An action.
    pub action: Option<Action>,
}

/// A rule: resources and actions that match run in this mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What it matches. A matcher without keys matches nothing.
    pub matcher: Matcher,
    /// The mode.
    pub mode: Mode,
}

/// How much service a change takes away while it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disruption {
    /// Nothing is noticed.
    None,
    /// Environments recycle.
    Brief,
    /// A machine goes down and comes back.
    Restart,
    /// Members are replaced one after another.
    Rolling,
    /// Something is gone afterwards.
    Destructive,
}

impl Disruption {
    /// The disruption of an action, per the design's table of actions.
    #[must_use]
    pub const fn of(action: Action) -> Self {
        match action {
            Action::ResizeInstance | Action::StopIdleInstance => Self::Restart,
            Action::MigrateVolumeType | Action::TuneVolume => Self::None,
            Action::DeleteUnattachedVolume => Self::Destructive,
            Action::TuneFunctionMemory => Self::Brief,
            Action::TuneGroupCapacity => Self::Rolling,
        }
    }
}

impl fmt::Display for Disruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Brief => "brief",
            Self::Restart => "restart",
            Self::Rolling => "rolling",
            Self::Destructive => "destructive",
        })
    }
}

/// What autopilot may do without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Autopilot {
    /// The most disruption it may cause by itself.
    pub max_disruption: Disruption,
    /// Whether it may lower a performance dimension by itself.
    pub allow_decrease: bool,
}

/// The modes section of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modes {
    /// Where no rule matches.
    pub default: Mode,
    /// The rules, in the file's order.
    pub rules: Vec<Rule>,
    /// Tag keys that may raise a mode, because who may set them is controlled elsewhere.
    pub trusted_tag_keys: Vec<String>,
    /// The highest mode possible in an account, by id: datapilot where no apply role exists. An account that is not listed is datapilot.
    pub ceilings: BTreeMap<String, Mode>,
    /// The caps of autopilot.
    pub autopilot: Autopilot,
}
