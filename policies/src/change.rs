//! A change: a recommendation being carried out, as a state machine that survives anything.
//!
//! The state is the fold of its journalled events; `next` decides, the agent only observes, journals, acts and loops.
//! Not here: any I/O, and whether the change may begin (`plan`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_models::recommendation::Recommendation;

use crate::{mode::Mode, operations::Failure, steps::Step};

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The intent is journalled, nothing was written yet.
    Queued,
    /// Steps are being carried out.
    Executing,
    /// All steps are done; what follows is compared with what was promised.
    Watching,
    /// It stays (first provisional, then final).
    Kept,
    /// It is being taken back.
    Undoing,
    /// It was taken back, or nothing was changed.
    Undone,
    /// Nobody can tell whether it was good; a person is asked.
    Inconclusive,
    /// Somebody else changed the resource; nothing more is written.
    Conflicted,
    /// Taking it back failed; a person is needed.
    Stuck,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// The call was journalled, its effect is not seen yet.
    Attempted,
    /// The effect was observed.
    Done,
    /// Given up.
    Failed,
}

/// A step of a change, with what has happened to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// Where it stands.
    pub state: StepState,
    /// When it first became the current step or was first attempted.
    pub begun_at: Option<Timestamp>,
    /// When its state last changed.
    pub at: Option<Timestamp>,
    /// When the call was last journalled.
    pub attempted_at: Option<Timestamp>,
    /// How often the call was journalled.
    pub attempts: u32,
    /// The last failure of its call, until a later attempt.
    pub failure: Option<Failure>,
    /// The last failure in words; it stays visible after the step has gone through.
    pub error: Option<String>,
}

/// What is known at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// `kept`, `undone`, `inconclusive`, `conflicted` or `stuck`.
    pub state: State,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Whether a kept change can still turn out wrong, because the weekly peak has not passed.
    pub provisional: bool,
}

/// A recommendation being carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// `chg-` and 12 hex digits.
    pub id: String,
    /// The recommendation's id.
    pub recommendation_id: String,
    /// The recommendation's digest.
    pub digest: String,
    /// What is carried out.
    pub recommendation: Recommendation,
    /// The group of the resource, for budgets.
    pub group: String,
    /// The mode in which it began.
    pub mode: Mode,
    /// Who approved it, if a person did.
    pub approver: Option<String>,
    /// Where it stands.
    pub state: State,
    /// The steps forward.
    pub steps: Vec<Progress>,
    /// The steps back, once an undo has begun.
    pub undo_steps: Vec<Progress>,
    /// Which rung of the ladder of instance types is tried (0 is the desired type).
    pub rung: usize,
    /// When the intent was journalled.
    pub opened_at: Timestamp,
    /// When the last step forward was done.
    pub applied_at: Option<Timestamp>,
    /// When the undo began, and why.
    pub undo_reason: Option<String>,
    /// Ids of what the steps made, by step name.
    pub created: std::collections::BTreeMap<String, String>,
    /// The outcome, first provisional.
    pub outcome: Option<Outcome>,
}
