//! A change: a recommendation being carried out, as a state machine that survives anything.
//!
//! The state is the fold of its journalled events; `next` decides, the agent only observes, journals, acts and loops.
//! Not here: any I/O, and whether the change may begin (`plan`).

mod adopt;
mod call;
mod foreign;
mod mark;
mod next;
mod owed;
#[cfg(test)]
mod tests;
mod undo;
mod withdraw;

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{recommendation::Recommendation, saving::Realized};

use crate::{
    mode::Mode,
    operations::Failure,
    record::Event,
    steps::{Step, StepKind},
};

pub use adopt::{Adoption, adopted};
pub use next::{Next, next};
pub use undo::{reason_not_undoable, undo_steps};

/// Where a change stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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
    /// Somebody else changed the resource after our first write; nothing more is written.
    Conflicted,
    /// Taking it back failed; a person is needed.
    Stuck,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The availability zone of the resource, where it has one: a restored volume is made there.
    pub zone: Option<String>,
    /// The mode in which it began.
    pub mode: Mode,
    /// Who approved it, if a person did.
    pub approver: Option<String>,
    /// How the account is reached, should the settings no longer say.
    pub access: Access,
    /// The customer's keys that encrypt the volumes which it starts or makes: its session may use these and no other.
    #[serde(default)]
    pub keys: Vec<String>,
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
    /// Why the undo that runs or ran began.
    pub undo_reason: Option<String>,
    /// When it was first to be taken back, which it did not only to give way to somebody else: it failed, whatever becomes of
    /// its undo.
    #[serde(default)]
    pub turned_at: Option<Timestamp>,
    /// Ids of what the steps made, by step name.
    pub created: BTreeMap<String, String>,
    /// The digest of the record that the decision to begin can be replayed from.
    #[serde(default)]
    pub record: Option<String>,
    /// The outcome, first provisional.
    pub outcome: Option<Outcome>,
    /// The agent that the change's mark names; absent in changes from before there were marks.
    #[serde(default)]
    pub agent_id: Option<String>,
    /// The removal of the mark, once the outcome allows it.
    #[serde(default)]
    pub unmark: Option<Progress>,
    /// Whether its approval included taking it back without asking again.
    #[serde(default)]
    pub auto_undo: bool,
    /// Why it is to be taken back, once something spoke against it that had to wait.
    #[serde(default)]
    pub undo_wanted: Option<UndoWanted>,
    /// What it has saved since it was applied, as last measured.
    #[serde(default)]
    pub realized: Option<Realized>,
}

/// A change that is to be taken back, and waits for its time or for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UndoWanted {
    /// Since when.
    pub at: Timestamp,
    /// What speaks against it.
    pub reason: String,
    /// Whether it is taken back by itself, at the next quiet hour in a window; else a person is asked.
    pub automatic: bool,
}

/// How the account was reached when a change began: its recovery needs no settings but these.
///
/// None of it is a secret: an external id only keeps a role from being assumed for a stranger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The role that reads; absent, the agent's own credentials.
    pub role_arn: Option<String>,
    /// The role that writes; absent, what reads.
    pub apply_role_arn: Option<String>,
    /// Sent whenever a role is assumed.
    pub external_id: Option<String>,
}

/// What a new change is made of, beside its recommendation.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// The recommendation's id.
    pub recommendation_id: String,
    /// The recommendation's digest.
    pub digest: String,
    /// The group of the resource.
    pub group: String,
    /// The availability zone of the resource, where it has one.
    pub zone: Option<String>,
    /// The mode in which it begins.
    pub mode: Mode,
    /// Who approved it, if a person did.
    pub approver: Option<String>,
    /// How the account is reached.
    pub access: Access,
    /// The customer's keys that encrypt the volumes which it starts or makes.
    pub keys: Vec<String>,
    /// The agent, for marks.
    pub agent_id: String,
    /// Whether its approval included taking it back without asking again.
    pub auto_undo: bool,
    /// The steps.
    pub steps: Vec<Step>,
}

impl State {
    /// Whether the engine still has something to do.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Queued | Self::Executing | Self::Undoing => true,
            Self::Watching
            | Self::Kept
            | Self::Undone
            | Self::Inconclusive
            | Self::Conflicted
            | Self::Stuck => false,
        }
    }

    /// Whether the change still counts in the budgets: until its provisional verdict.
    #[must_use]
    pub const fn in_flight(self) -> bool {
        self.is_open() || matches!(self, Self::Watching)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Queued => "queued",
            Self::Executing => "executing",
            Self::Watching => "watching",
            Self::Kept => "kept",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::Inconclusive => "inconclusive",
            Self::Conflicted => "conflicted",
            Self::Stuck => "stuck",
        })
    }
}

impl Progress {
    /// A step that has not begun.
    #[must_use]
    pub const fn new(step: Step) -> Self {
        Self {
            step,
            state: StepState::Pending,
            begun_at: None,
            at: None,
            attempted_at: None,
            attempts: 0,
            failure: None,
            error: None,
        }
    }
}

impl Change {
    /// A change that is about to begin. Its id follows from the digest and the time, so that it needs no randomness.
    #[must_use]
    pub fn open(opening: Opening, recommendation: Recommendation, now: Timestamp) -> Self {
        let seed = format!("{} {}", opening.digest, now.as_nanosecond());
        Self {
            id: format!("chg-{}", crate::digest::id(&crate::digest::sha256_hex(&seed))),
            recommendation_id: opening.recommendation_id,
            digest: opening.digest,
            recommendation,
            group: opening.group,
            zone: opening.zone,
            mode: opening.mode,
            approver: opening.approver,
            access: opening.access,
            keys: opening.keys,
            state: State::Queued,
            steps: opening.steps.into_iter().map(Progress::new).collect(),
            undo_steps: Vec::new(),
            rung: 0,
            opened_at: now,
            applied_at: None,
            undo_reason: None,
            turned_at: None,
            created: BTreeMap::new(),
            record: None,
            outcome: None,
            agent_id: Some(opening.agent_id),
            unmark: None,
            auto_undo: opening.auto_undo,
            undo_wanted: None,
            realized: None,
        }
    }

    /// The steps of the present direction.
    #[must_use]
    pub fn direction(&self) -> &[Progress] {
        if self.undo_reason.is_some() { &self.undo_steps } else { &self.steps }
    }

    /// The first step of the present direction that is neither done nor given up.
    #[must_use]
    pub fn current(&self) -> Option<&Progress> {
        self.direction()
            .iter()
            .find(|progress| !matches!(progress.state, StepState::Done | StepState::Failed))
    }

    /// Whether no call of this change but its mark was ever journalled, so that nothing seen now can be its doing.
    ///
    /// A mark is two tags: it changes nothing that the checks guard, and it is removed again whatever happens.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        let untouched =
            |progress: &Progress| progress.attempts == 0 || progress.step.kind.is_mark();
        self.undo_reason.is_none() && self.steps.iter().all(untouched)
    }

    /// Whether it came to rest after it was taken back or was to be: it has failed, even where somebody else's doing ended its
    /// undo.
    #[must_use]
    pub fn was_taken_back(&self) -> bool {
        let undone = self.state == State::Undone && self.undo_reason.is_some();
        !self.state.in_flight() && (undone || self.turned_at.is_some())
    }

    /// The first step of the present direction that was given up. A mark does not count: that it could not be set is no
    /// reason to leave a machine as it is.
    fn failed(&self) -> Option<&Progress> {
        let given_up = |progress: &&Progress| {
            progress.state == StepState::Failed && !progress.step.kind.is_mark()
        };
        self.direction().iter().find(given_up)
    }

    /// Whether we stopped the instance, and no start of ours has been seen through since: then nothing may keep it off.
    ///
    /// An instance that was stopped because it does nothing is meant to stay off once that step is done.
    #[must_use]
    pub fn owes_a_start(&self) -> bool {
        let mut owed = false;
        for progress in self.steps.iter().chain(&self.undo_steps) {
            if progress.step.kind.is_stop() && progress.attempts > 0 {
                owed = true;
            }
            if progress.step.kind.as_start().is_some() && progress.state == StepState::Done {
                owed = false;
            }
        }
        owed && self
            .direction()
            .iter()
            .any(|progress| matches!(progress.step.kind, StepKind::StartInstance { .. }))
    }

    /// Whether anything that this change took away is still to be given back: a machine's start, or its place at a load
    /// balancer. Then a shutdown waits.
    #[must_use]
    pub fn owes_service(&self) -> bool {
        let mut out = std::collections::BTreeSet::new();
        for progress in self.steps.iter().chain(&self.undo_steps) {
            let Some(registration) = progress.step.kind.as_registration() else { continue };
            let back = progress.step.kind.is_owed();
            if !back && progress.attempts > 0 {
                out.insert((&registration.group_arn, registration.port));
            } else if back && progress.state == StepState::Done {
                out.remove(&(&registration.group_arn, registration.port));
            }
        }
        self.owes_a_start() || !out.is_empty()
    }

    /// Folds one journalled event into the state. Live and after a crash, this is the only way in which a change moves.
    pub fn apply(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Attempted { step, .. } => {
                if self.state == State::Queued {
                    self.state = State::Executing;
                }
                self.update(step, at, |progress| {
                    progress.state = StepState::Attempted;
                    progress.attempted_at = Some(at);
                    progress.attempts += 1;
                    progress.failure = None;
                });
            }
            Event::Accepted { step, created_id } => {
                if let Some(id) = created_id {
                    self.created.insert(step.clone(), id.clone());
                }
                self.update(step, at, |_| {});
            }
            Event::Refused { step, failure } => self.update(step, at, |progress| {
                progress.error = Some(failure.to_string());
                progress.failure = Some(failure.clone());
            }),
            Event::Done { step, created_id } => {
                if self.state == State::Queued {
                    self.state = State::Executing;
                }
                if let Some(id) = created_id {
                    self.created.insert(step.clone(), id.clone());
                }
                self.update(step, at, |progress| progress.state = StepState::Done);
            }
            Event::GaveUp { step, reason } => self.update(step, at, |progress| {
                progress.state = StepState::Failed;
                progress.error = Some(reason.clone());
            }),
            Event::NextRung { rung } => self.next_rung(at, *rung),
            Event::Applied => {
                self.state = State::Watching;
                self.applied_at = Some(at);
            }
            Event::UndoBegun { reason, steps } => {
                self.state = State::Undoing;
                self.undo_reason = Some(reason.clone());
                self.rung = 0;
                let begin = |step: &Step| Progress { at: Some(at), ..Progress::new(step.clone()) };
                self.undo_steps = steps.iter().map(begin).collect();
                self.unmark = None;
                if !self.gives_way() {
                    self.turned_at.get_or_insert(at);
                }
            }
            Event::Finished { state, reason, provisional } => {
                if self.unmark.is_none() {
                    self.unmark = self.unmark_after(*state);
                }
                self.state = *state;
                self.outcome = Some(Outcome {
                    state: *state,
                    at,
                    reason: reason.clone(),
                    provisional: *provisional,
                });
            }
            Event::UndoWanted { reason, automatic } => {
                let (reason, automatic) = (reason.clone(), *automatic);
                self.undo_wanted = Some(UndoWanted { at, reason, automatic });
            }
            Event::Measured { realized } => self.realized = Some(*realized),
        }
    }

    fn direction_mut(&mut self) -> &mut Vec<Progress> {
        if self.undo_reason.is_some() { &mut self.undo_steps } else { &mut self.steps }
    }

    fn update(&mut self, step: &str, at: Timestamp, change: impl FnOnce(&mut Progress)) {
        let ended = self.unmark.as_mut().filter(|progress| progress.step.name == step);
        let steps = if self.undo_reason.is_some() { &mut self.undo_steps } else { &mut self.steps };
        let found = ended.or_else(|| steps.iter_mut().find(|it| it.step.name == step));
        if let Some(progress) = found {
            progress.begun_at.get_or_insert(at);
            progress.at = Some(at);
            change(progress);
        }
    }

    fn next_rung(&mut self, at: Timestamp, rung: usize) {
        self.rung = rung;
        for progress in self.direction_mut() {
            if matches!(
                progress.step.kind,
                StepKind::SetInstanceType { .. } | StepKind::StartInstance { .. }
            ) {
                let error = progress.error.take();
                *progress =
                    Progress { error, at: Some(at), ..Progress::new(progress.step.clone()) };
            }
        }
    }
}
