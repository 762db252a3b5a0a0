//! The start that is owed to a machine which this change stopped: since when it is off, and what is done while it cannot be seen.
//!
//! Not here: the ordinary way to a start (`next`).

use jiff::{SignedDuration, Timestamp};
use trimtab_models::resource::InstanceState;

use super::{Change, Next, Progress, State, StepState, next, undo::put_back, undo_steps};
use crate::{
    operations::Operation,
    record::Event,
    steps::{Seen, Sighting},
};

/// How long a start waits for a describe: a call that starts what already runs does nothing, so that little speaks for
/// waiting, and a hiccup of the API is over by then.
const BLIND_MAX: SignedDuration = SignedDuration::from_mins(5);
/// How long a machine is off in an ordinary resize at most: the budgets of stop, type and start. Longer is told loudly.
const OFF_MAX: SignedDuration = SignedDuration::from_mins(25);

/// How much longer than its budget a step may take before it is told loudly: an outage of an API is shorter as a rule.
const HELD_UP_AFTER: SignedDuration = SignedDuration::from_hours(1);

impl Change {
    /// Since when the machine is off by this change's doing, while its start is owed.
    #[must_use]
    pub fn off_since(&self) -> Option<Timestamp> {
        if !self.state.is_open() || !self.owes_a_start() {
            return None;
        }
        // The stop of the present run: an undo stops the machine anew.
        let all = self.steps.iter().chain(&self.undo_steps);
        let stops = all.filter(|it| it.step.kind.is_stop() && it.attempts > 0);
        stops.filter_map(|it| it.begun_at).max()
    }

    /// Whether the machine has been off for longer than any resize takes: a person should know.
    #[must_use]
    pub fn is_off_too_long(&self, now: Timestamp) -> bool {
        self.off_since().is_some_and(|since| now.duration_since(since) > OFF_MAX)
    }

    /// Whether the present step goes on long after its time is over, because its calls are refused or its resource cannot be
    /// read: a person should know, whatever the change is about.
    #[must_use]
    pub fn is_held_up(&self, now: Timestamp) -> bool {
        let Some(current) = self.current().filter(|_| self.state.is_open()) else { return false };
        let before = self.direction().iter().filter(|it| it.step.name != current.step.name);
        // The first step of an undo is entered when the undo begins.
        let entered = before.filter_map(|it| it.at).chain(current.begun_at.or(current.at)).max();
        let budget = SignedDuration::from_secs(i64::from(current.step.budget_s));
        now.duration_since(entered.unwrap_or(self.opened_at)) > budget + HELD_UP_AFTER
    }

    /// The step by which the present direction starts the machine.
    fn start_step(&self) -> Option<&Progress> {
        self.direction().iter().find(|it| it.step.kind.as_start().is_some())
    }

    /// Whether a start was called while an earlier step was still to be seen through.
    pub(super) fn started_blind(&self) -> bool {
        let ahead = |it: &Progress| it.attempts > 0 && it.state == StepState::Attempted;
        let is_current =
            |it: &Progress| self.current().is_some_and(|current| current.step.name == it.step.name);
        self.start_step().is_some_and(|it| ahead(it) && !is_current(it))
    }
}

/// What is done about a machine that cannot be described: service first. We stopped it, nothing foreign was seen, and a start
/// changes nothing of a machine that runs; so after a while it is started without being seen, on whatever type it has.
pub(super) fn unseen(change: &Change, progress: &Progress, now: Timestamp) -> Next {
    let look_again = Next::Poll(next::later(now, 5));
    let Some(start) = change.start_step().filter(|_| change.owes_a_start()) else {
        return look_again;
    };
    let is_start = progress.step.kind.as_start().is_some();
    let last = change.direction().iter().filter_map(|it| it.at).max().unwrap_or(change.opened_at);
    let patience = if is_start || change.undo_reason.is_some() {
        BLIND_MAX
    } else {
        SignedDuration::from_secs(i64::from(progress.step.budget_s))
    };
    if now.duration_since(last) < patience {
        return look_again;
    }
    if !is_start && change.undo_reason.is_none() {
        let reason = "the machine is off and cannot be described".to_owned();
        return Next::Record(Event::UndoBegun { reason, steps: undo_steps(change) });
    }
    let Some((instance_id, _)) = start.step.kind.as_start() else {
        return look_again;
    };
    let instance_id = instance_id.to_owned();
    Next::Act { step: start.step.name.clone(), operation: Operation::StartInstance { instance_id } }
}

/// On the way back the machine would have to leave its load balancer although no other target there is healthy: that is
/// waited for, and in the end the machine stays as it is. What was taken out already is put back.
pub(super) fn nobody_takes_over(
    change: &Change,
    progress: &Progress,
    reason: &str,
    now: Timestamp,
) -> Next {
    let entered = change.direction().iter().filter_map(|it| it.at).max();
    let waited = now.duration_since(entered.unwrap_or(change.opened_at));
    if waited < SignedDuration::from_secs(i64::from(progress.step.budget_s)) {
        return Next::Poll(next::later(now, 30));
    }
    let asked = change.undo_reason.as_deref().unwrap_or_default();
    let reason = format!("{asked}: not taken back, because {reason}");
    let steps = put_back(change);
    if steps.is_empty() {
        return Next::Record(Event::Finished { state: State::Stuck, reason, provisional: false });
    }
    Next::Record(Event::UndoBegun { reason, steps })
}

/// Why a machine that runs on a type it should have left is no stranger's doing: we started it without seeing it.
pub(super) fn reason_started_blind(change: &Change, seen: &Seen) -> Option<String> {
    let Sighting::Present(resource) = &seen.resource else {
        return None;
    };
    let instance = resource.instance().filter(|it| it.state == InstanceState::Running)?;
    change.started_blind().then(|| {
        let instance_type = &instance.instance_type;
        format!("it was started while it could not be described, and runs on {instance_type}")
    })
}
