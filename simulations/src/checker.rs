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
    operations::Operation,
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
}

/// Follows a run and collects violations.
#[derive(Debug, Clone, Default)]
pub struct Checker {
    bounds: Bounds,
    records_seen: usize,
    writes_seen: usize,
    attempts: Vec<(Timestamp, String, String, Operation)>,
    changes: BTreeMap<String, Seen>,
    approved: BTreeSet<String>,
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
        for write in &new_writes {
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
                };
                self.opened(&change.id, seen, world);
            }
            Entry::Change { change_id, event } => self.event(change_id, event, record.at, world),
            Entry::Started { .. } | Entry::Configured { .. } => {}
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
            let open = matches!(other.state, State::Queued | State::Executing | State::Undoing);
            let recent = other.ended_at.is_some_and(|ended| at.duration_since(ended) < pause);
            let touched = other.state != State::Undone || recent;
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
            Action::MigrateVolumeType | Action::TuneVolume => false,
            Action::ResizeInstance
            | Action::StopIdleInstance
            | Action::DeleteUnattachedVolume
            | Action::TuneFunctionMemory
            | Action::TuneGroupCapacity => true,
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
                self.attempts.push((at, change_id.to_owned(), step.clone(), operation.clone()));
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
            | Event::NextRung { .. } => {}
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
        let live = world.true_spec(&seen.id, at);
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
        let attempt =
            self.attempts.iter().position(|(when, _, _, asked)| asked == operation && *when <= at);
        match attempt {
            Some(index) => {
                self.attempts.remove(index);
            }
            None => self.violate(format!(
                "{} on {arn} at {at} has no journalled attempt before it",
                operation.iam_action()
            )),
        }
        if let Operation::ModifyVolume { spec, .. } = operation {
            let grew = self.changes.values().any(|seen| {
                seen.arn.0 == arn && matches!(&seen.expected, Spec::Volume(before) if before.size_gib != spec.size_gib)
            });
            if grew {
                self.violate(format!("the size of {arn} changed"));
            }
        }
    }

    /// No machine that the agent stopped is off without an open change, unless it was meant to stay off.
    fn machines(&mut self, world: &World, now: Timestamp) {
        let off: Vec<_> = self
            .changes
            .iter()
            .filter(|(_, seen)| seen.action == Action::ResizeInstance)
            .filter(|(_, seen)| {
                let open = matches!(seen.state, State::Queued | State::Executing | State::Undoing);
                !open
                    && matches!(
                        world.true_state(&seen.id, now),
                        Some(InstanceState::Stopped | InstanceState::Stopping)
                    )
            })
            .map(|(id, seen)| format!("{} is off although {id} is no longer open", seen.arn))
            .collect();
        self.violations.extend(off);
    }
}
