//! Independent checkers: invariants of what an agent did, from the account's own log and the agent's journal.
//!
//! They share no code with the gate or the engine: they look at effects only. Not here: judging whether a change was wise.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{
    recommendation::Action,
    resource::{Arn, InstanceState, Kind},
    spec::Spec,
};
use trimtab_policies::{
    approval::Verdict,
    change::State,
    mode::Mode,
    operations::{FailureKind, Operation},
    record::{Entry, Event, Record},
};

use crate::world::World;

/// The budgets that the checkers hold the agent to; the shipped defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Disruptive changes begun in any hour of one account and region.
    pub disruptive_per_hour: usize,
    /// Other changes begun in any hour of one account and region.
    pub other_per_hour: usize,
    /// Days between the end of a change and the next one to the same resource (volumes aside).
    pub cooldown_days: i64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { disruptive_per_hour: 4, other_per_hour: 20, cooldown_days: 7 }
    }
}

/// What is remembered of a change.
#[derive(Debug, Clone)]
struct Seen {
    arn: Arn,
    action: Action,
    kind: Kind,
    digest: String,
    mode: Mode,
    opened_at: Timestamp,
    region: String,
    expected: Spec,
    id: String,
    state: State,
    ended_at: Option<Timestamp>,
    change_id: String,
}

/// A journalled attempt that no write was found for yet.
#[derive(Debug, Clone)]
struct Attempt {
    at: Timestamp,
    change_id: String,
    step: String,
    /// Whether it takes the change back: the steps back may have the names of the steps forward.
    back: bool,
    operation: Operation,
}

/// Follows a run and collects violations.
#[derive(Debug, Clone, Default)]
pub struct Checker {
    bounds: Bounds,
    records_seen: usize,
    writes_seen: usize,
    attempts: Vec<Attempt>,
    /// Steps of changes that had an effect: the change, the step, and whether it was a step back.
    effects: BTreeSet<(String, String, bool)>,
    /// Instances by ARN that the agent stopped and did not start since, with their ids and the change that did it.
    off: BTreeMap<String, (String, Option<String>)>,
    changes: BTreeMap<String, Seen>,
    approved: BTreeSet<String>,
    /// Changes that called anything but their mark: the others left their resource alone.
    written: BTreeSet<String>,
    stopped: bool,
    violations: BTreeSet<String>,
}

impl Checker {
    /// A checker with the shipped budgets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every violation so far.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.violations.iter().cloned().collect()
    }

    /// Looks at everything that is new in the account's log and the journal.
    pub fn observe(&mut self, world: &World, records: &[Record], now: Timestamp) {
        let new_records = &records[self.records_seen.min(records.len())..];
        for record in new_records {
            self.record(record, world);
        }
        self.records_seen = records.len();
        let new_writes = world.log()[self.writes_seen..].to_vec();
        for write in new_writes.iter().filter(|write| !write.foreign) {
            self.write(&write.operation, &write.arn, write.at);
        }
        self.writes_seen = world.log().len();
        self.machines(world, now);
    }

    fn violate(&mut self, text: String) {
        self.violations.insert(text);
    }

    fn record(&mut self, record: &Record, world: &World) {
        match &record.entry {
            Entry::Stopped { .. } => self.stopped = true,
            Entry::Resumed => self.stopped = false,
            Entry::Decided { decision, .. } => match decision.verdict {
                Verdict::Approved => {
                    self.approved.insert(decision.digest.clone());
                }
                Verdict::Rejected => {
                    self.approved.remove(&decision.digest);
                }
            },
            Entry::Opened { change } => {
                let recommendation = &change.recommendation;
                let seen = Seen {
                    arn: recommendation.resource.arn.clone(),
                    action: recommendation.action,
                    kind: recommendation.resource.kind,
                    digest: change.digest.clone(),
                    mode: change.mode,
                    opened_at: record.at,
                    region: recommendation.resource.region.clone(),
                    expected: recommendation.expected.clone(),
                    id: recommendation.resource_id.clone(),
                    state: State::Queued,
                    ended_at: None,
                    change_id: change.id.clone(),
                };
                if change.state == State::Undoing {
                    // Adopted: a person asked for the way back of a lost agent's change, which no check gates.
                    self.changes.insert(change.id.clone(), Seen { state: State::Undoing, ..seen });
                } else {
                    self.opened(&change.id, seen, world);
                }
            }
            Entry::Change { change_id, event } => self.event(change_id, event, record.at, world),
            Entry::Started { .. } | Entry::Configured { .. } | Entry::CircuitReset { .. } => {}
        }
    }

    fn opened(&mut self, change_id: &str, seen: Seen, world: &World) {
        let at = seen.opened_at;
        if self.stopped {
            self.violate(format!("{change_id} began while the stop switch was set"));
        }
        match seen.mode {
            Mode::Datapilot => self.violate(format!("{change_id} began in datapilot")),
            // An approval is good for one change.
            Mode::Copilot if !self.approved.remove(&seen.digest) => {
                self.violate(format!(
                    "{change_id} began in copilot without an approval of its digest"
                ));
            }
            Mode::Copilot | Mode::Autopilot => {}
        }
        let opted_out =
            world.tags_of(&seen.arn.0).is_some_and(|tags| tags.contains_key("trimtab:exclude"));
        if opted_out {
            self.violate(format!("{change_id} began on {}, which opted out", seen.arn));
        }
        self.check_cooldown(change_id, &seen, at);
        self.check_budget(change_id, &seen, at);
        if world.is_silent(&seen.id) && seen.action != Action::DeleteUnattachedVolume {
            self.violate(format!("{change_id} began on {}, which shows no usage", seen.arn));
        }
        self.changes.insert(change_id.to_owned(), seen);
    }

    fn check_cooldown(&mut self, change_id: &str, seen: &Seen, at: Timestamp) {
        let pause = SignedDuration::from_hours(24 * self.bounds.cooldown_days);
        let others: Vec<_> =
            self.changes.values().filter(|other| other.arn == seen.arn).cloned().collect();
        for other in others {
            let open = other.state.is_open();
            let recent = other.ended_at.is_some_and(|ended| at.duration_since(ended) < pause);
            let touched = other.state != State::Undone || self.written.contains(&other.change_id);
            if open || (seen.kind != Kind::Volume && recent && touched) {
                self.violate(format!(
                    "{change_id} began on {} too soon after another change",
                    seen.arn
                ));
            }
        }
    }

    fn check_budget(&mut self, change_id: &str, seen: &Seen, at: Timestamp) {
        let disruptive = |action: Action| match action {
            Action::MigrateVolumeType | Action::TuneVolume | Action::ScheduleGroup => false,
            Action::ResizeInstance
            | Action::StopIdleInstance
            | Action::DeleteUnattachedVolume
            | Action::TuneFunctionMemory
            | Action::TuneGroupCapacity
            | Action::ResizeGroupInstances => true,
        };
        let hour = SignedDuration::from_hours(1);
        let same = self.changes.values().filter(|other| {
            other.region == seen.region
                && disruptive(other.action) == disruptive(seen.action)
                && at.duration_since(other.opened_at) < hour
        });
        let most = if disruptive(seen.action) {
            self.bounds.disruptive_per_hour
        } else {
            self.bounds.other_per_hour
        };
        if same.count() >= most {
            self.violate(format!(
                "{change_id} was one more than {most} changes in an hour in {}",
                seen.region
            ));
        }
    }

    fn event(&mut self, change_id: &str, event: &Event, at: Timestamp, world: &World) {
        match event {
            Event::Attempted { step, operation } => {
                if !matches!(
                    operation,
                    Operation::TagResource { .. } | Operation::UntagResource { .. }
                ) {
                    self.written.insert(change_id.to_owned());
                }
                let back =
                    self.changes.get(change_id).is_some_and(|seen| seen.state == State::Undoing);
                self.attempts.push(Attempt {
                    at,
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
            Event::UndoBegun { .. } => self.move_to(change_id, State::Undoing, None),
            Event::Applied => self.move_to(change_id, State::Watching, Some(at)),
            Event::Finished { state, .. } => {
                let undoing =
                    self.changes.get(change_id).is_some_and(|seen| seen.state == State::Undoing);
                if undoing && *state == State::Undone {
                    self.check_restored(change_id, at, world);
                }
                self.move_to(change_id, *state, Some(at));
            }
            Event::Accepted { .. }
            | Event::Refused { .. }
            | Event::Done { .. }
            | Event::GaveUp { .. }
            | Event::NextRung { .. }
            | Event::UndoWanted { .. }
            | Event::Measured { .. } => {}
        }
    }

    fn move_to(&mut self, change_id: &str, state: State, at: Option<Timestamp>) {
        if let Some(seen) = self.changes.get_mut(change_id) {
            seen.state = state;
            seen.ended_at = seen.ended_at.or(at);
        }
    }

    /// An undo restores the configuration exactly (a deleted volume comes back under another id).
    fn check_restored(&mut self, change_id: &str, at: Timestamp, world: &World) {
        let Some(seen) = self.changes.get(change_id).cloned() else { return };
        if seen.action == Action::DeleteUnattachedVolume {
            return;
        }
        let live = world.true_spec_like(&seen.id, &seen.expected, at);
        let same = match (&live, &seen.expected) {
            (
                Some(Spec::Group { min_size, max_size, .. }),
                Spec::Group { min_size: expected_min, max_size: expected_max, .. },
            ) => (min_size, max_size) == (expected_min, expected_max),
            (live, expected) => live.as_ref() == Some(expected),
        };
        if !same {
            self.violate(format!(
                "{change_id} was undone, but {} is {live:?}, not {:?}",
                seen.arn, seen.expected
            ));
        }
    }

    /// Every accepted write has its own journalled attempt before it, and is never a second effect of one step.
    fn write(&mut self, operation: &Operation, arn: &str, at: Timestamp) {
        let attempt = self
            .attempts
            .iter()
            .position(|attempt| attempt.operation == *operation && attempt.at <= at)
            .map(|index| self.attempts.remove(index));
        match &attempt {
            Some(attempt) => self.check_once(attempt),
            None => self.violate(format!(
                "{} on {arn} at {at} has no journalled attempt before it",
                operation.iam_action()
            )),
        }
        let change_id = attempt.map(|attempt| attempt.change_id);
        match operation {
            Operation::ModifyVolume { spec, .. } => {
                self.check_size(arn, spec.size_gib, change_id.as_deref());
            }
            Operation::StopInstance { instance_id } => {
                self.off.insert(arn.to_owned(), (instance_id.clone(), change_id));
            }
            Operation::StartInstance { .. } => {
                self.off.remove(arn);
            }
            Operation::SetInstanceType { .. }
            | Operation::CreateSnapshot { .. }
            | Operation::DeleteVolume { .. }
            | Operation::CreateVolume { .. }
            | Operation::SetFunctionMemory { .. }
            | Operation::SetGroupBounds { .. }
            | Operation::TagResource { .. }
            | Operation::UntagResource { .. }
            | Operation::PutSchedule { .. }
            | Operation::DeleteSchedule { .. }
            | Operation::CreateTemplateVersion { .. }
            | Operation::StartRefresh { .. }
            | Operation::RollbackRefresh { .. } => {}
        }
    }

    /// A step has one effect. Stops and starts are idempotent, and the type is set anew on each rung of the ladder.
    fn check_once(&mut self, attempt: &Attempt) {
        let repeatable = matches!(
            attempt.operation,
            Operation::StopInstance { .. }
                | Operation::StartInstance { .. }
                | Operation::SetInstanceType { .. }
                | Operation::TagResource { .. }
                | Operation::UntagResource { .. }
        );
        let effect = (attempt.change_id.clone(), attempt.step.clone(), attempt.back);
        if !repeatable && !self.effects.insert(effect) {
            self.violate(format!(
                "{} was a second effect of step {} of {}",
                attempt.operation.iam_action(),
                attempt.step,
                attempt.change_id
            ));
        }
    }

    /// A volume keeps the size from which its change began; what others did to it before is not the agent's.
    fn check_size(&mut self, arn: &str, size_gib: u32, change_id: Option<&str>) {
        let of_change = change_id.and_then(|change_id| self.changes.get(change_id));
        let changed = of_change.is_some_and(
            |seen| matches!(&seen.expected, Spec::Volume(before) if before.size_gib != size_gib),
        );
        if changed {
            self.violate(format!("the size of {arn} changed"));
        }
    }

    /// No machine that the agent stopped is off without an open change, unless it was meant to stay off.
    fn machines(&mut self, world: &World, now: Timestamp) {
        let off: Vec<_> = self
            .off
            .iter()
            .filter(|(_, (id, _))| {
                matches!(
                    world.true_state(id, now),
                    Some(InstanceState::Stopped | InstanceState::Stopping)
                )
            })
            .filter(|(arn, _)| {
                !self.changes.values().any(|seen| seen.arn.0 == **arn && seen.state.is_open())
            })
            .filter_map(|(arn, (_, change_id))| {
                let change_id = change_id.as_deref().unwrap_or("no change");
                let meant = self
                    .changes
                    .get(change_id)
                    .is_some_and(|seen| seen.action == Action::StopIdleInstance);
                (!meant).then(|| format!("{arn} is off although {change_id} is no longer open"))
            })
            .collect();
        self.violations.extend(off);
    }
}

#[cfg(test)]
mod tests;
