//! What a change does next, decided from its state and from what was just observed.
//!
//! One rule for carrying out, for resuming after a crash, and for undoing. Service first: an instance that we stopped
//! is started again whatever else has gone wrong. Not here: what somebody else's doing means (`foreign`), observing,
//! journalling, acting.

use jiff::{SignedDuration, Timestamp};
use trimtab_models::resource::InstanceState;

use super::{
    Change, Progress, State, StepState,
    call::{operation, poll_interval_s},
    foreign::{foreign, reason_foreign},
    mark,
    owed::{nobody_takes_over, unseen},
    undo::reason_no_way_back,
    undo_steps,
};
use crate::{
    operations::{FailureKind, Operation},
    record::Event,
    steps::{LAG, Reached, Seen, Sight, Sighting, StepKind, sort},
};

/// How long a stopped machine's state reason may still be the one from before our start.
const REASON_LAG: SignedDuration = SignedDuration::from_secs(30);
/// How often a call is made before its step is given up; a start that restores service is never given up.
const ATTEMPTS_MAX: u32 = 3;
/// The longest pause between two tries.
pub(super) const BACKOFF_MAX_S: i64 = 30;
/// How long an intent stands before its first write. What the checks saw is older by then than any fact that they
/// accept, so the gate must be asked again; reads that fail for an hour are no reason to write unasked.
const INTENT_MAX: SignedDuration = SignedDuration::from_hours(1);
/// How long a step back is repeated while AWS answers with server errors and no machine is kept off by it: an outage of
/// an API is shorter as a rule, and a person can do no more than repeat the call.
const UNDO_PATIENCE: SignedDuration = SignedDuration::from_hours(1);
/// How often a limit that AWS names no end for is tried again while undoing.
const LIMIT_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// The state reasons by which EC2 says that a start fell back for lack of capacity.
const CAPACITY_REASONS: [&str; 2] =
    ["Server.InsufficientInstanceCapacity", "Client.VolumeLimitExceeded"];

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Journal the attempt, then make this call.
    Act {
        /// The step's name.
        step: String,
        /// The call.
        operation: Operation,
    },
    /// Journal this event and decide again.
    Record(Event),
    /// Look again at this time.
    Poll(Timestamp),
    /// The engine has nothing to do (the change is watched, or has ended).
    Rest,
}

/// Decides the next move of `change`, from one observation made at `now`.
#[must_use]
pub fn next(change: &Change, seen: &Seen, now: Timestamp) -> Next {
    if !change.state.is_open() {
        return mark::next(change, seen, now);
    }
    let Some(progress) = change.current() else {
        return Next::Record(ended(change));
    };
    if is_stale(change, now) {
        let reason = "the checks were asked more than an hour before the first write".to_owned();
        return nothing_changed(&reason);
    }
    if let Some(reason) = reason_foreign(change, progress, seen) {
        return foreign(change, progress, seen, &reason, now);
    }
    let kind = &progress.step.kind;
    let reached = Reached {
        rung: change.rung,
        attempted_at: progress.attempted_at,
        mark: change.mark_of(kind),
        is_undo: change.undo_reason.is_some(),
        entered_at: Some(entered(change)),
        written_at: written_at(change),
    };
    match sort(&progress.step, seen, &reached) {
        Sight::Done if change.is_unwritten() && !kind.is_mark() => {
            let reason = "it already is what this change would have made of it";
            foreign(change, progress, seen, reason, now)
        }
        Sight::Done => Next::Record(Event::Done {
            step: progress.step.name.clone(),
            created_id: seen.made.clone().flatten().map(|made| made.id),
        }),
        Sight::Unknown(_) => unseen(change, progress, now),
        Sight::InProgress => in_progress(change, progress, now),
        Sight::Ready => ready(change, progress, seen, now),
        Sight::Failed(reason) if reached.is_undo && kind.as_registration().is_some() => {
            nobody_takes_over(change, progress, &reason, now)
        }
        Sight::Failed(reason) => give_up(change, progress, reason),
        Sight::Foreign(reason) => back_to_rung(change, progress, seen)
            .unwrap_or_else(|| foreign(change, progress, seen, &reason, now)),
    }
}

/// Whether an intent has waited too long for its first write.
fn is_stale(change: &Change, now: Timestamp) -> bool {
    change.is_unwritten() && now.duration_since(change.opened_at) > INTENT_MAX
}

fn nothing_changed(reason: &str) -> Next {
    Next::Record(Event::Finished {
        state: State::Undone,
        reason: format!("nothing was changed: {reason}"),
        provisional: false,
    })
}

/// A start of ours on an earlier rung took effect after it had been given up: the machine runs on a type of the ladder,
/// so that rung is the one reached.
fn back_to_rung(change: &Change, progress: &Progress, seen: &Seen) -> Option<Next> {
    let (_, ladder) = progress.step.kind.as_set_type()?;
    let Sighting::Present(resource) = &seen.resource else {
        return None;
    };
    let instance = resource.instance().filter(|one| one.state == InstanceState::Running)?;
    let rung =
        ladder.iter().take(change.rung).position(|tried| *tried == instance.instance_type)?;
    Some(Next::Record(Event::NextRung { rung }))
}

pub(super) fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}

/// What the end of the present direction's steps means.
fn ended(change: &Change) -> Event {
    let finished = |state, reason: String| Event::Finished { state, reason, provisional: false };
    let failed = change.failed();
    let last_rung = change
        .direction()
        .iter()
        .filter_map(|progress| progress.step.kind.as_set_type())
        // Forward, the last rung is the old type; backward, every rung but the first is one that was to be left.
        .any(|(_, ladder)| {
            change.rung > 0 && (change.undo_reason.is_some() || change.rung + 1 == ladder.len())
        });
    match (&change.undo_reason, failed) {
        (None, _) if last_rung => finished(
            State::Undone,
            "no capacity for any of the types listed: the instance runs on its old type again"
                .to_owned(),
        ),
        (None, _) => Event::Applied,
        (Some(reason), Some(failed)) => finished(
            State::Stuck,
            format!(
                "undo ({reason}) failed at `{}`: {}",
                failed.step.name,
                failed.error.as_deref().unwrap_or("no reason given")
            ),
        ),
        (Some(reason), None) if change.gives_way() => finished(
            State::Conflicted,
            format!("{reason}; the share that this change had set is taken away, and nothing else"),
        ),
        (Some(reason), None) if last_rung => finished(
            State::Stuck,
            format!("undo ({reason}) found no capacity for the old type: it runs on the new one"),
        ),
        (Some(reason), None) => match reason_no_way_back(change) {
            Some(missing) => finished(State::Stuck, format!("undo ({reason}): {missing}")),
            None => finished(State::Undone, reason.clone()),
        },
    }
}

fn in_progress(change: &Change, progress: &Progress, now: Timestamp) -> Next {
    let began = progress.attempted_at.or(progress.begun_at).unwrap_or_else(|| entered(change));
    let overdue =
        now.duration_since(began) > SignedDuration::from_secs(i64::from(progress.step.budget_s));
    if !overdue {
        return Next::Poll(later(now, poll_interval_s(&progress.step.kind)));
    }
    let reason =
        format!("`{}` took longer than its {} s", progress.step.name, progress.step.budget_s);
    let must_go_on = change.undo_reason.is_some() && change.owes_a_start();
    if must_go_on && !matches!(progress.step.kind, StepKind::AwaitStatusChecks { .. }) {
        return Next::Poll(later(now, BACKOFF_MAX_S));
    }
    give_up(change, progress, reason)
}

/// When the current step became current: the end of the one before it.
fn entered(change: &Change) -> Timestamp {
    change.direction().iter().filter_map(|progress| progress.at).max().unwrap_or(change.opened_at)
}

/// When a call of this change was last journalled, in either direction.
pub(super) fn written_at(change: &Change) -> Option<Timestamp> {
    let steps = change.steps.iter().chain(&change.undo_steps);
    steps.filter_map(|progress| progress.attempted_at).max()
}

fn ready(change: &Change, progress: &Progress, seen: &Seen, now: Timestamp) -> Next {
    let Some(attempted_at) = progress.attempted_at else {
        return act(change, progress, seen);
    };
    let since = now.duration_since(attempted_at);
    let wait = |pause: SignedDuration| {
        (since < pause).then(|| Next::Poll(later(now, remaining_s(pause, since))))
    };
    let backoff = SignedDuration::from_secs(backoff_s(progress.attempts));
    let is_start = matches!(progress.step.kind, StepKind::StartInstance { .. });
    match progress.failure.as_ref().map(|failure| &failure.kind) {
        Some(FailureKind::Throttled) => {
            wait(backoff).unwrap_or_else(|| act(change, progress, seen))
        }
        Some(FailureKind::Capacity) if is_start => next_rung(change, progress)
            .or_else(|| wait(backoff))
            .unwrap_or_else(|| act(change, progress, seen)),
        // Another type would need the same right: the machine waits for it on the type that was asked for.
        Some(FailureKind::Denied) if is_start => {
            wait(backoff).unwrap_or_else(|| act(change, progress, seen))
        }
        Some(FailureKind::Conflict) if progress.attempts < ATTEMPTS_MAX => {
            wait(SignedDuration::from_secs(BACKOFF_MAX_S))
                .unwrap_or_else(|| act(change, progress, seen))
        }
        Some(FailureKind::Uncertain) | None => {
            // After a rung, the reason may still be that of the start before: a start that perhaps never arrived says
            // nothing about this type.
            let is_old = change.rung > 0 && progress.failure.is_some() && progress.attempts < 2;
            let no_capacity =
                is_start && !is_old && since >= REASON_LAG && fell_back_for_capacity(seen);
            no_capacity
                .then(|| next_rung(change, progress))
                .flatten()
                .or_else(|| wait(LAG))
                .unwrap_or_else(|| again(change, progress, seen, now))
        }
        Some(FailureKind::Limit { until }) if change.undo_reason.is_some() && !is_start => {
            limited(change, progress, seen, *until, now)
        }
        Some(
            FailureKind::Capacity
            | FailureKind::Conflict
            | FailureKind::Limit { .. }
            | FailureKind::Denied
            | FailureKind::NotFound
            | FailureKind::Rejected,
        ) => again_or_give_up(change, progress, seen, now),
    }
}

/// While undoing, a limit is waited out within the step's budget: leaving the new configuration behind is no alternative.
fn limited(
    change: &Change,
    progress: &Progress,
    seen: &Seen,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Next {
    let budget = SignedDuration::from_secs(i64::from(progress.step.budget_s));
    if progress.begun_at.is_some_and(|begun| now.duration_since(begun) > budget) {
        return again_or_give_up(change, progress, seen, now);
    }
    let attempted_at = progress.attempted_at.unwrap_or(now);
    let retry_at = later(attempted_at, LIMIT_PAUSE.as_secs());
    // No earlier than the lag after the last try, whatever the clocks of both sides say.
    let due = until.unwrap_or(retry_at).max(later(attempted_at, LAG.as_secs()));
    if now < due { Next::Poll(due) } else { act(change, progress, seen) }
}

/// After the lag: once more, unless the step has had its tries.
fn again(change: &Change, progress: &Progress, seen: &Seen, now: Timestamp) -> Next {
    let begun_at = progress.begun_at.unwrap_or(now);
    let budget = SignedDuration::from_secs(i64::from(progress.step.budget_s));
    let is_patient = change.undo_reason.is_some()
        && !progress.step.kind.is_mark()
        && !change.owes_a_start()
        && now.duration_since(begun_at) < UNDO_PATIENCE.max(budget);
    if progress.attempts < ATTEMPTS_MAX || is_patient {
        return act(change, progress, seen);
    }
    again_or_give_up(change, progress, seen, now)
}

fn again_or_give_up(change: &Change, progress: &Progress, seen: &Seen, now: Timestamp) -> Next {
    let is_start = progress.step.kind.as_start().is_some();
    let is_owed = progress.step.kind.is_owed() && (is_start || change.undo_reason.is_some());
    if !is_owed {
        let reason = progress.error.clone().unwrap_or_else(|| {
            format!("`{}` had no effect after {} calls", progress.step.name, progress.attempts)
        });
        if change.undo_reason.is_none() && is_whole(change, progress, now) {
            return nothing_changed(&reason);
        }
        return give_up(change, progress, reason);
    }
    if let Some(rung) = next_rung(change, progress) {
        return rung;
    }
    let due = progress.attempted_at.map_or(now, |at| later(at, BACKOFF_MAX_S));
    if now < due { Next::Poll(due) } else { act(change, progress, seen) }
}

/// The next rung of the ladder, if there is one below the present.
fn next_rung(change: &Change, progress: &Progress) -> Option<Next> {
    let StepKind::StartInstance { ladder, .. } = &progress.step.kind else {
        return None;
    };
    let has_set_type = change
        .direction()
        .iter()
        .any(|other| matches!(other.step.kind, StepKind::SetInstanceType { .. }));
    (has_set_type && change.rung + 1 < ladder.len())
        .then(|| Next::Record(Event::NextRung { rung: change.rung + 1 }))
}

fn fell_back_for_capacity(seen: &Seen) -> bool {
    match &seen.resource {
        Sighting::Present(resource) => resource
            .instance()
            .and_then(|instance| instance.state_reason.as_deref())
            .is_some_and(|reason| CAPACITY_REASONS.contains(&reason)),
        Sighting::Absent | Sighting::Unknown(_) => false,
    }
}

fn backoff_s(attempts: u32) -> i64 {
    (1_i64 << attempts.min(5)).min(BACKOFF_MAX_S)
}

pub(super) fn remaining_s(pause: SignedDuration, since: SignedDuration) -> i64 {
    (pause - since).as_secs().clamp(1, BACKOFF_MAX_S)
}

fn act(change: &Change, progress: &Progress, seen: &Seen) -> Next {
    match operation(change, &progress.step.kind, seen) {
        Some(operation) => Next::Act { step: progress.step.name.clone(), operation },
        None => Next::Record(Event::GaveUp {
            step: progress.step.name.clone(),
            reason: format!("`{}` lacks what its call needs", progress.step.name),
        }),
    }
}

/// Whether a step that is seen as before its call, and is given up, leaves nothing behind: nothing before it was done,
/// and its own call can have no effect that a describe does not show yet.
fn is_whole(change: &Change, progress: &Progress, now: Timestamp) -> bool {
    let nothing_done = change
        .steps
        .iter()
        .all(|other| other.state != StepState::Done || other.step.kind.is_mark());
    let refused = matches!(
        progress.failure.as_ref().map(|failure| &failure.kind),
        Some(
            FailureKind::Denied
                | FailureKind::Rejected
                | FailureKind::Limit { .. }
                | FailureKind::NotFound
        )
    );
    let settled = progress.attempted_at.is_none_or(|at| now.duration_since(at) >= LAG);
    nothing_done && (refused || settled)
}

/// A step that cannot succeed: forward, everything is taken back; backward, the rest is still tried, and a person is called.
///
/// What is on its way or went wrong half way is never called unchanged: describing alone tells, once the undo looks.
fn give_up(change: &Change, progress: &Progress, reason: String) -> Next {
    if change.undo_reason.is_some() {
        return Next::Record(Event::GaveUp { step: progress.step.name.clone(), reason });
    }
    if change.is_unwritten() {
        return nothing_changed(&reason);
    }
    Next::Record(Event::UndoBegun { reason, steps: undo_steps(change) })
}
