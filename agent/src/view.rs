//! What the store, the API, the page and the command line show: one schema for all.
//!
//! Not here: how it is rendered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    recommendation::{Action, ForecastSeen, NotSized},
    resource::ResourceRef,
    saving::Realized,
    spec::Spec,
};
use trimtab_policies::{
    change::{Change, Outcome, Progress, State, StepState, UndoWanted},
    plan::{CheckName, Disposition, PlanEntry},
};

use crate::follow::BandHour;

/// Where a recommendation stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RecommendationState {
    /// Shown only.
    Proposed,
    /// An approver is asked.
    AwaitingApproval,
    /// An approver said yes; it waits for its time.
    Approved,
    /// An approver said no.
    Rejected,
    /// No cycle has confirmed it for too long, or its approval ran out.
    Expired,
    /// Another recommendation took its place.
    Superseded,
    /// A change was made of it.
    Changed,
}

impl RecommendationState {
    /// All of them, in the order in which one is passed through.
    pub const ALL: [Self; 7] = [
        Self::Proposed,
        Self::AwaitingApproval,
        Self::Approved,
        Self::Rejected,
        Self::Expired,
        Self::Superseded,
        Self::Changed,
    ];

    /// The name used in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
            Self::Changed => "changed",
        }
    }

    /// Whether it can still become a change.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Proposed | Self::AwaitingApproval | Self::Approved)
    }
}

/// A recommendation with its last review and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecommendationView {
    /// The last review's entry.
    #[serde(flatten)]
    pub entry: PlanEntry,
    /// Where it stands.
    pub state: RecommendationState,
    /// When it was first proposed.
    pub first_seen_at: Timestamp,
    /// When a cycle last confirmed it.
    pub confirmed_at: Timestamp,
    /// The availability zone of the resource, which a restored volume needs.
    #[serde(default)]
    pub zone: Option<String>,
    /// The newest decision, in words.
    #[serde(default)]
    pub decided: Option<String>,
    /// The change that was made of it.
    #[serde(default)]
    pub change_id: Option<String>,
    /// What has held it back for how long.
    #[serde(default)]
    pub held: Option<HeldSince>,
    /// Its forecast carried on to the present, for charts; told of a single recommendation only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast_now: Option<ForecastSeen>,
}

/// The same checks holding a recommendation back, cycle after cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldSince {
    /// The checks that do not pass.
    pub by: Vec<CheckName>,
    /// Since when.
    pub since: Timestamp,
    /// In how many cycles.
    pub cycles: u32,
    /// Whether that is so long that a person should look.
    pub recurring: bool,
}

impl RecommendationView {
    /// The checks that stand in the way, as `name: reason`.
    #[must_use]
    pub fn held_by(&self) -> Vec<String> {
        held_by(&self.entry)
    }

    /// The state that a review's disposition gives.
    #[must_use]
    pub const fn state_of(
        disposition: Disposition,
        approved: bool,
        rejected: bool,
    ) -> RecommendationState {
        match (disposition, approved, rejected) {
            (_, _, true) => RecommendationState::Rejected,
            (Disposition::AwaitApproval | Disposition::Apply, true, _) => {
                RecommendationState::Approved
            }
            (Disposition::AwaitApproval, false, _) => RecommendationState::AwaitingApproval,
            (Disposition::Recommend | Disposition::Apply | Disposition::Withheld, _, _) => {
                RecommendationState::Proposed
            }
        }
    }
}

/// The checks of an entry that stand in the way, as `name: reason`.
#[must_use]
pub fn held_by(entry: &PlanEntry) -> Vec<String> {
    entry
        .checks
        .iter()
        .filter(|result| result.verdict != trimtab_policies::plan::CheckVerdict::Pass)
        .map(|result| format!("{}: {}", check_name(result.check), result.reason))
        .collect()
}

/// A check's name as JSON has it.
#[must_use]
pub fn check_name(check: trimtab_policies::plan::CheckName) -> String {
    serde_json::to_value(check)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_else(|| format!("{check:?}"))
}

/// A step of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: StepState,
    /// When its state last changed.
    pub at: Option<Timestamp>,
    /// The last failure.
    pub error: Option<String>,
}

impl From<&Progress> for StepView {
    fn from(progress: &Progress) -> Self {
        Self {
            name: progress.step.name.clone(),
            state: progress.state,
            at: progress.at,
            error: progress.error.clone(),
        }
    }
}

/// A change as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeView {
    /// Its id.
    pub id: String,
    /// The recommendation it carries out.
    pub recommendation_id: String,
    /// The resource.
    pub resource: ResourceRef,
    /// The action.
    pub action: Action,
    /// Where it stands.
    pub state: State,
    /// The steps, first forward, then those back, then the removal of the mark.
    pub steps: Vec<StepView>,
    /// The outcome, first provisional.
    pub outcome: Option<Outcome>,
    /// The configuration before.
    pub expected: Spec,
    /// The configuration asked for.
    pub desired: Spec,
    /// Promised saving a month.
    pub saving_usd_monthly: Option<trimtab_models::money::Usd>,
    /// The mode in which it began.
    pub mode: trimtab_policies::mode::Mode,
    /// Who approved it.
    pub approver: Option<String>,
    /// When it began.
    pub opened_at: Timestamp,
    /// When its last step forward was done.
    pub applied_at: Option<Timestamp>,
    /// Why it was or is taken back.
    pub undo_reason: Option<String>,
    /// Since when the machine is off by this change's doing: it is owed a start, and gets it.
    #[serde(default)]
    pub off_since: Option<Timestamp>,
    /// Whether its approval included taking it back without asking again.
    #[serde(default)]
    pub auto_undo: bool,
    /// Why it is to be taken back, when that waits for its time or for a person.
    #[serde(default)]
    pub undo_wanted: Option<UndoWanted>,
    /// What it has saved since it was applied, as last measured, beside what was promised.
    #[serde(default)]
    pub realized: Option<Realized>,
    /// What would have been without it, hour by hour since it was applied; told of a single change only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_have_been: Vec<BandHour>,
}

fn steps_of(change: &Change) -> Vec<StepView> {
    let all = change.steps.iter().chain(&change.undo_steps).chain(&change.unmark);
    all.map(StepView::from).collect()
}

impl From<&Change> for ChangeView {
    fn from(change: &Change) -> Self {
        Self {
            id: change.id.clone(),
            recommendation_id: change.recommendation_id.clone(),
            resource: change.recommendation.resource.clone(),
            action: change.recommendation.action,
            state: change.state,
            steps: steps_of(change),
            outcome: change.outcome.clone(),
            expected: change.recommendation.expected.clone(),
            desired: change.recommendation.desired.clone(),
            saving_usd_monthly: change.recommendation.saving,
            mode: change.mode,
            approver: change.approver.clone(),
            opened_at: change.opened_at,
            applied_at: change.applied_at,
            undo_reason: change.undo_reason.clone(),
            off_since: change.off_since(),
            auto_undo: change.auto_undo,
            undo_wanted: change.undo_wanted.clone(),
            realized: change.realized,
            would_have_been: Vec::new(),
        }
    }
}

/// A call that failed, with everything else of the cycle still done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceFailure {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The service or kind.
    pub service: String,
    /// What happened and what to do.
    pub error: String,
}

/// What one cycle did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CycleView {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Resources found, by kind.
    pub resources: BTreeMap<String, u64>,
    /// Series asked for.
    pub series_requested: u64,
    /// Points received.
    pub points_received: u64,
    /// Metrics that CloudWatch bills for.
    pub billed_metrics: u64,
    /// What could not be asked, by name.
    pub failures: Vec<ServiceFailure>,
    /// Resources that were looked at and not sized, with the reason.
    pub not_sized: Vec<NotSized>,
    /// Changes that were begun.
    pub begun: Vec<String>,
}

/// The plan of one cycle: what `once` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanView {
    /// The cycle.
    pub cycle: CycleView,
    /// Every candidate with its decision.
    pub recommendations: Vec<PlanEntry>,
}
