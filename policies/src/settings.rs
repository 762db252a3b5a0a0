//! The validated settings that decisions depend on.
//!
//! Not here: how they are written in a file and what their defaults are (`trimtab-config`).

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Time, tz::TimeZone};
use serde::{Deserialize, Serialize};
use trimtab_models::{money::Usd, recommendation::Action, resource::Arn};

use crate::{
    authority::Approvers,
    mode::{Matcher, Modes},
    quorum::QuorumRules,
};

/// Everything the gate needs to know of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Modes and their rules.
    pub modes: Modes,
    /// How fresh and how long evidence must be.
    pub evidence: EvidenceRules,
    /// How many changes may happen.
    pub limits: Limits,
    /// When changes may begin. Without any window, every time is allowed outside freezes.
    pub windows: Vec<Window>,
    /// When no change may begin.
    pub freezes: Vec<Freeze>,
    /// Tags that name an owner outside Trimtab.
    pub ownership: Vec<OwnershipRule>,
    /// How approvals work.
    pub approvals: Approvals,
    /// What counts as healthy.
    pub health: HealthRules,
    /// Who and what is never touched.
    pub protected: Protected,
    /// Whether autopilot has to be earned, and how.
    #[serde(default)]
    pub autonomy: Autonomy,
}

/// Whether autopilot has to be earned, and how. It is never more than the rules on modes say.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Autonomy {
    /// Whether it has to be earned at all.
    pub enabled: bool,
    /// Outcomes that must be known of a scope.
    pub min_outcomes: u32,
    /// Highest upper 95 % bound of the share of changes that fail there, 0–1.
    pub max_failure_ratio: f64,
    /// Successes after which a failure is made up for.
    pub regain_outcomes: u32,
    /// Whether sizes that were never seen may be tried without a person.
    pub explore: bool,
}

/// How fresh and how long evidence must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvidenceRules {
    /// Time between two collections, seconds.
    pub collection_interval_s: u32,
    /// Least share of the observed running time that the decisive series must cover, 0–1.
    pub min_coverage_ratio: f64,
    /// Least days to recommend anything.
    pub min_days: f64,
    /// Least days to act downwards without two full weeks.
    pub min_days_decrease: f64,
    /// Least invocations of a function in the look-back.
    pub min_invocations: u64,
    /// Least distinct days with invocations.
    pub min_invocation_days: u32,
    /// Highest probability that a proposed size is too small in the coming week; `None` where sizes go by a quantile.
    pub max_risk: Option<f64>,
    /// Least change of capacity or cost worth making, as a ratio (0.1 = 10 %).
    pub min_change_ratio: f64,
    /// Least saving a month worth a change.
    pub min_saving: Usd,
    /// Most that one decision may lower a capacity by, as a ratio (0.5 = half).
    pub max_step_ratio: f64,
}

/// How many changes may happen. A budget of 0 allows nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The tag whose value names the group of a resource outside Auto Scaling.
    pub group_tag: Option<String>,
    /// Most members of a group that may be in flight at once, as a ratio of its members; at least one.
    pub group_ratio: f64,
    /// Disruptive changes an hour in one account and region.
    pub disruptive_per_hour: u32,
    /// Other changes an hour in one account and region.
    pub other_per_hour: u32,
    /// Disruptive changes in flight in one account.
    pub disruptive_in_flight: u32,
    /// Days between two changes to one resource.
    pub cooldown_days: f64,
    /// Days for which a desired spec is barred after an undo; doubles with each undo.
    pub barred_days: f64,
    /// Volume modifications in a rolling day (AWS allows four).
    pub volume_modifications_per_day: u32,
    /// Days for which a volume must have been seen unattached before it may be deleted.
    pub unattached_days: f64,
    /// Days after which what is held back by the same checks is told as recurring.
    #[serde(default)]
    pub recurring_days: f64,
    /// Cycles in a row after which it is.
    #[serde(default)]
    pub recurring_cycles: u32,
    /// Actions that are off altogether.
    pub disabled_actions: BTreeSet<Action>,
}

/// A day of the week, Monday first.
pub type Weekday = jiff::civil::Weekday;

/// A weekly recurring stretch in which changes may begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its name in reasons.
    pub name: String,
    /// What it applies to; an empty matcher applies to everything that no other window names.
    pub matcher: Matcher,
    /// The days on which it opens.
    #[serde(with = "weekdays")]
    pub days: Vec<Weekday>,
    /// Opening time on the wall clock of `time_zone`.
    pub from: Time,
    /// Closing time; at or before `from` it means the next day.
    pub until: Time,
    /// The time zone in which both are read. `None`: the zone could not be resolved, and the window is closed.
    #[serde(with = "jiff::fmt::serde::tz::optional")]
    pub time_zone: Option<TimeZone>,
}

/// A stretch in which no change may begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Freeze {
    /// Its name in reasons.
    pub name: String,
    /// What it applies to; an empty matcher applies to everything.
    pub matcher: Matcher,
    /// Its start.
    pub from: Timestamp,
    /// Its end (exclusive).
    pub until: Timestamp,
}

/// A tag that says who owns a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnershipRule {
    /// The tag's key.
    pub tag_key: String,
    /// The tag's value; `None` means any.
    pub tag_value: Option<String>,
    /// Who owns what carries it: `terraform`, `cloudformation`, …
    pub owner: String,
    /// Whether the owner lets Trimtab change it.
    pub delegated: bool,
}

/// How approvals work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approvals {
    /// How long an approval is good for, days.
    pub expiry_days: f64,
    /// How long a proposal is good for after it was last confirmed by a cycle, hours.
    pub plan_expiry_hours: f64,
    /// How long after the change an unasked undo is still allowed, days.
    pub undo_days: f64,
    /// When one yes is not enough.
    #[serde(default)]
    pub quorum: QuorumRules,
    /// Everybody of the configuration; only what they say counts, unless there is nobody.
    #[serde(default)]
    pub approvers: Approvers,
    /// How long an exception holds that names no end, days.
    #[serde(default = "exception_days")]
    pub exception_days: f64,
}

/// A quarter: long enough to be left in peace, short enough that whoever made it remembers why.
const fn exception_days() -> f64 {
    90.0
}

/// What counts as healthy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HealthRules {
    /// Names of alarms that must exist and be OK in the resource's account and region before anything disruptive begins.
    pub stop_alarms: Vec<String>,
}

/// Who and what is never touched.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Protected {
    /// ARNs that are never changed.
    pub arns: BTreeSet<Arn>,
    /// The instance Trimtab itself runs on.
    pub own_instance_id: Option<String>,
}

/// Days of the week as numbers, Monday 1: jiff has no form of its own for them.
mod weekdays {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::Weekday;

    pub(super) fn serialize<S: Serializer>(days: &[Weekday], to: S) -> Result<S::Ok, S::Error> {
        let numbers: Vec<i8> = days.iter().map(|day| day.to_monday_one_offset()).collect();
        numbers.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Weekday>, D::Error> {
        let numbers = Vec::<i8>::deserialize(from)?;
        let days = numbers.into_iter().map(Weekday::from_monday_one_offset);
        days.collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}
