//! What one review decided: every candidate with its mode, its checks and the decision, immutable and printable.
//!
//! Not here: the rules themselves (`check`) and carrying out (`change`).

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    catalog::Catalog,
    recommendation::Recommendation,
    resource::{Arn, Resource},
};

use crate::{
    approval::Decision, change::Change, facts::Facts, mode::Mode, settings::Policy, steps::Step,
};

/// The safety rules, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// The series are present and fresh.
    Evidence,
    /// The look-back is long enough.
    History,
    /// The change is worth making.
    Material,
    /// Nobody opted out.
    OptOut,
    /// The time is allowed.
    Window,
    /// The resource was left alone long enough.
    Cooldown,
    /// Not too much changes at once.
    BlastRadius,
    /// Nothing related is being changed.
    Conflict,
    /// The step is small enough.
    StepSize,
    /// The resource is healthy.
    Health,
    /// The resource is as it was when the recommendation was made.
    Drift,
    /// Nobody else owns it.
    Ownership,
    /// The resource can be what is desired.
    Compatibility,
    /// No data or address is lost.
    DataLoss,
    /// The calls are allowed.
    Permission,
    /// The prices are known.
    Price,
    /// The stop switch is off.
    Stop,
    /// Approval and proposal are young enough.
    Expiry,
}

/// What a check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// Go.
    Pass,
    /// Not now.
    Wait,
    /// No.
    Fail,
}

/// One check's verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Which check.
    pub check: CheckName,
    /// What it says.
    pub verdict: CheckVerdict,
    /// When a wait ends, where known.
    pub until: Option<Timestamp>,
    /// Why, naming the value and the limit.
    pub reason: String,
}

/// What is done with a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Shown, nothing else (datapilot).
    Recommend,
    /// Waits for an approver, or, once approved, for a check that says wait.
    AwaitApproval,
    /// Carried out.
    Apply,
    /// Held back, with the reasons in the checks.
    Withheld,
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recommend => "recommend",
            Self::AwaitApproval => "await_approval",
            Self::Apply => "apply",
            Self::Withheld => "withheld",
        })
    }
}

/// When a review happens; some checks need facts that exist only later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// A cycle proposes.
    Proposal,
    /// A person approves.
    Approval,
    /// The first write is about to happen, on fresh data and state.
    FirstWrite,
}

/// A recommendation with everything its review needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The first 12 hex digits of the digest.
    pub id: String,
    /// SHA-256, hex.
    pub digest: String,
    /// The recommendation.
    pub recommendation: Recommendation,
    /// The steps that carry it out.
    pub steps: Vec<Step>,
    /// When a cycle last confirmed it.
    pub confirmed_at: Timestamp,
    /// What probing found out.
    pub facts: Facts,
    /// The newest word of a person on this digest or, for rejections, on this ARN and action.
    pub decision: Option<Decision>,
}

/// Everything else a review depends on.
#[derive(Debug)]
pub struct Context<'a> {
    /// The settings.
    pub policy: &'a Policy,
    /// The catalogue of instance types.
    pub catalog: &'a Catalog,
    /// Every resource as last discovered.
    pub inventory: &'a BTreeMap<Arn, Resource>,
    /// Every change that is kept, open or ended, by id.
    pub changes: &'a BTreeMap<String, Change>,
    /// Whether the stop switch is set, and by whom.
    pub stopped: Option<String>,
    /// The time.
    pub now: Timestamp,
    /// When the review happens.
    pub moment: Moment,
}

/// One candidate, decided. The JSON form is the one that the command line and the API show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanEntry {
    /// The first 12 hex digits of the digest.
    pub id: String,
    /// SHA-256, hex.
    pub digest: String,
    /// The recommendation's own fields.
    #[serde(flatten)]
    pub recommendation: Recommendation,
    /// The mode of this resource and action.
    pub mode: Mode,
    /// Which rule decided the mode, in words.
    pub mode_reason: String,
    /// What is done with it.
    pub decision: Disposition,
    /// When a wait is over, where every wait says so.
    pub until: Option<Timestamp>,
    /// Every check that applies, with its verdict.
    pub checks: Vec<CheckResult>,
    /// The steps, each with its undo.
    pub steps: Vec<Step>,
}

/// What one review decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// When.
    pub at: Timestamp,
    /// The candidates, by saving (largest first), then by ARN.
    pub entries: Vec<PlanEntry>,
}
