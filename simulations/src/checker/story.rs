//! What has happened so far, folded from records and writes: the checkers' own memory, not the engine's.
//!
//! Not here: what must hold.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trimtab_models::{
    recommendation::Action,
    resource::{Arn, Kind},
    spec::Spec,
};
use trimtab_policies::{
    approval::{Decision, Verdict},
    change::{Change, State},
    circuit::Circuit,
    exception::Exception,
    mode::Mode,
    operations::{FailureKind, Operation},
    record::{Entry, Event, Record},
};

use crate::world::{World, Write};

/// What is remembered of a change.
#[derive(Debug, Clone)]
pub struct Told {
    /// The resource.
    pub arn: Arn,
    /// The resource's id in AWS's calls.
    pub id: String,
    /// Its kind.
    pub kind: Kind,
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// What is done.
    pub action: Action,
    /// The digest.
    pub digest: String,
    /// The mode in which it began.
    pub mode: Mode,
    /// The configuration before.
    pub expected: Spec,
    /// The configuration asked for.
    pub desired: Spec,
    /// The types that may stand in for the desired one.
    pub alternates: Vec<String>,
    /// When it began, by the agent's clock.
    pub opened_at: Timestamp,
    /// When it began, in true time.
    pub opened_true: Timestamp,
    /// Where it stands.
    pub state: State,
    /// When its steps were done or it ended, by the agent's clock.
    pub ended_at: Option<Timestamp>,
    /// When it went wrong, by the agent's clock.
    pub failed_at: Option<Timestamp>,
    /// Whether it was being taken back at some time.
    pub is_undone: bool,
    /// Calls journalled as attempted.
    pub attempts: u32,
    /// Writes that the account accepted.
    pub writes: u32,
    /// Whether it stopped the machine and has not started it since.
    pub owes_start: bool,
}

impl Told {
    fn of(change: &Change, at: Timestamp, now: Timestamp) -> Self {
        let recommendation = &change.recommendation;
        let reference = &recommendation.resource;
        Self {
            arn: reference.arn.clone(),
            id: recommendation.resource_id.clone(),
            kind: reference.kind,
            account: reference.account.clone(),
            region: reference.region.clone(),
            action: recommendation.action,
            digest: change.digest.clone(),
            mode: change.mode,
            expected: recommendation.expected.clone(),
            desired: recommendation.desired.clone(),
            alternates: recommendation.alternates.clone(),
            opened_at: at,
            opened_true: now,
            state: change.state,
            ended_at: None,
            failed_at: None,
            is_undone: change.state == State::Undoing,
            attempts: 0,
            writes: 0,
            owes_start: false,
        }
    }

    /// Whether it still counts in the budgets.
    #[must_use]
    pub fn in_flight(&self) -> bool {
        self.state.is_open() || self.state == State::Watching
    }
}

/// A journalled attempt that no write was found for yet.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The change.
    pub change_id: String,
    /// The step.
    pub step: String,
    /// Whether it takes the change back: the steps back may have the names of the steps forward.
    pub back: bool,
    /// The call.
    pub operation: Operation,
}

/// A write that the account accepted.
#[derive(Debug, Clone)]
pub struct Done {
    /// The write.
    pub write: Write,
    /// The id that its call names.
    pub target: String,
    /// The attempt that was journalled before it.
    pub attempt: Option<Attempt>,
}

/// A yes that was not used yet; the time is the agent's clock's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yes {
    /// Whose.
    pub by: String,
    /// When it was given.
    pub at: Timestamp,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// What has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// Whose it is.
    pub agent: u32,
    /// Changes by id.
    pub changes: BTreeMap<String, Told>,
    /// Approvals that were not used yet, by digest.
    pub approvals: BTreeMap<String, Vec<Yes>>,
    /// What people have said is to be left alone, by id.
    pub exceptions: BTreeMap<String, Exception>,
    /// Since when the stop switch is set, in true time.
    pub stopped: Option<Timestamp>,
    /// When each circuit was last reset, by the agent's clock.
    pub resets: BTreeMap<Circuit, Timestamp>,
    attempts: Vec<Attempt>,
}

impl Story {
    /// The empty story of an agent.
    #[must_use]
    pub fn of(agent: u32) -> Self {
        Self { agent, ..Self::default() }
    }

    /// Takes in a record; `now` is the true time.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a rule looks at a few kinds of records only"
    )]
    pub fn fold(&mut self, record: &Record, now: Timestamp) {
        match &record.entry {
            Entry::Stopped { .. } => self.stopped = self.stopped.or(Some(now)),
            Entry::Resumed => self.stopped = None,
            Entry::Decided { decision, exception, .. } => {
                match decision.verdict {
                    Verdict::Approved => {
                        let Decision { by, at, until, .. } = decision.clone();
                        let given = self.approvals.entry(decision.digest.clone()).or_default();
                        given.push(Yes { by, at, until });
                    }
                    Verdict::Rejected => {
                        self.approvals.remove(&decision.digest);
                    }
                }
                if let Some(exception) = exception {
                    self.except(exception);
                }
            }
            Entry::Excepted { exception } => {
                self.except(exception);
            }
            Entry::Voided { digest, .. } => {
                self.approvals.remove(digest);
            }
            Entry::ExceptionEnded { id } => {
                self.exceptions.remove(id);
            }
            Entry::Opened { change } => {
                // An approval is good for one change.
                self.approvals.remove(&change.digest);
                let told = Told::of(change, record.at, now);
                self.changes.insert(change.id.clone(), told);
            }
            Entry::Change { change_id, event } => self.event(change_id, event, record.at),
            Entry::CircuitReset { circuit } => {
                self.resets.insert(circuit.clone(), record.at);
            }
            _ => {}
        }
    }

    fn except(&mut self, exception: &Exception) {
        self.approvals.retain(|digest, _| !exception.voids.contains(digest));
        self.exceptions.insert(exception.id.clone(), exception.clone());
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a rule looks at a few kinds of records only"
    )]
    fn event(&mut self, change_id: &str, event: &Event, at: Timestamp) {
        let Some(told) = self.changes.get_mut(change_id) else { return };
        match event {
            Event::Attempted { step, operation } => {
                told.attempts += u32::from(!is_mark(operation));
                let back = told.state == State::Undoing;
                if told.state == State::Queued {
                    told.state = State::Executing;
                }
                self.attempts.push(Attempt {
                    change_id: change_id.to_owned(),
                    step: step.clone(),
                    back,
                    operation: operation.clone(),
                });
            }
            // Nothing happened, so that this attempt excuses no later write.
            Event::Refused { step, failure } if failure.kind != FailureKind::Uncertain => {
                let refused = self
                    .attempts
                    .iter()
                    .rposition(|attempt| attempt.change_id == change_id && attempt.step == *step);
                if let Some(index) = refused {
                    self.attempts.remove(index);
                }
            }
            Event::UndoBegun { .. } => {
                told.state = State::Undoing;
                told.is_undone = true;
            }
            Event::Applied => {
                told.state = State::Watching;
                told.ended_at = told.ended_at.or(Some(at));
            }
            Event::Finished { state, .. } => {
                told.state = *state;
                told.ended_at = told.ended_at.or(Some(at));
                let failed = *state == State::Stuck || *state == State::Undone && told.is_undone;
                told.failed_at = failed.then_some(at);
            }
            _ => {}
        }
    }

    /// Finds the attempt of a write and uses it up.
    pub fn explain(&mut self, write: &Write) -> Done {
        let attempt = self
            .attempts
            .iter()
            .position(|attempt| attempt.operation == write.operation)
            .map(|index| self.attempts.remove(index));
        let (_, target) = World::name(&write.operation);
        Done { write: write.clone(), target, attempt }
    }

    /// Takes in a write.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a rule looks at a few kinds of records only"
    )]
    pub fn fold_write(&mut self, done: Done) {
        let told = done.attempt.and_then(|attempt| self.changes.get_mut(&attempt.change_id));
        let Some(told) = told else { return };
        told.writes += u32::from(!is_mark(&done.write.operation));
        match done.write.operation {
            Operation::StopInstance { .. } => told.owes_start = true,
            Operation::StartInstance { .. } => told.owes_start = false,
            _ => {}
        }
    }

    /// The change of a write.
    #[must_use]
    pub fn told_of(&self, done: &Done) -> Option<&Told> {
        self.changes.get(&done.attempt.as_ref()?.change_id)
    }
}

/// Whether a write only marks a resource as ours, or takes the mark away: that changes nothing.
pub(crate) const fn is_mark(operation: &Operation) -> bool {
    matches!(operation, Operation::TagResource { .. } | Operation::UntagResource { .. })
}
