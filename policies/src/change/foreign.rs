//! Somebody else's doing: how it is told beyond what a step sees, and what is still written once it is seen.
//!
//! Nothing more, but for what this change owes. Not here: how a step sorts what it sees (`steps`).

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{resource::InstanceState, spec::Spec};

use super::{
    Change, Next, Progress, State,
    next::{BACKOFF_MAX_S, later, remaining_s, written_at},
    owed::reason_started_blind,
    withdraw::withdrawal,
};
use crate::{
    operations::Operation,
    record::Event,
    steps::{LAG, Seen, Sighting, StepKind, same_volume},
};

/// Why what is seen is somebody else's doing, where the step itself does not tell.
pub(super) fn reason_foreign(change: &Change, progress: &Progress, seen: &Seen) -> Option<String> {
    reason_type_foreign(change, progress, seen)
        .or_else(|| reason_volume_foreign(change, progress, seen))
}

/// Somebody else's doing: write nothing more. The exceptions are the start that we owe, and the share of an alias's calls
/// that is still exactly what we set.
pub(super) fn foreign(
    change: &Change,
    progress: &Progress,
    seen: &Seen,
    reason: &str,
    now: Timestamp,
) -> Next {
    if change.is_unwritten() {
        return not_begun(progress, reason);
    }
    if let Some(instance_id) = stopped_by_us(change, seen) {
        return owed_start(change, instance_id, now);
    }
    if let Some(reason) = reason_started_blind(change, seen) {
        return Next::Record(Event::Finished { state: State::Stuck, reason, provisional: false });
    }
    if let (Some(_), Some(failed)) = (&change.undo_reason, change.failed()) {
        // What looks foreign here follows from our own step that failed before it.
        let reason = format!("undo failed at `{}`, and then: {reason}", failed.step.name);
        return Next::Record(Event::Finished { state: State::Stuck, reason, provisional: false });
    }
    if let Some(left) = lag_left(change, seen, now) {
        return Next::Poll(later(now, remaining_s(left, SignedDuration::ZERO)));
    }
    let reason =
        format!("somebody else changed the resource at `{}`: {reason}", progress.step.name);
    if let Some(step) = withdrawal(change, seen) {
        return Next::Record(Event::UndoBegun { reason, steps: vec![step] });
    }
    Next::Record(Event::Finished { state: State::Conflicted, reason, provisional: false })
}

/// Somebody else came first: this change has touched nothing, so that nothing is left to a person and nothing failed.
fn not_begun(progress: &Progress, reason: &str) -> Next {
    let step = &progress.step.name;
    Next::Record(Event::Finished {
        state: State::Undone,
        reason: format!(
            "nothing was written: somebody else changed the resource before `{step}` ({reason}); what is still worth doing \
             is proposed anew by the next cycle"
        ),
        provisional: false,
    })
}

/// Whether the machine whose status checks are awaited runs on a type that this change did not leave it on: the checks
/// would then speak of somebody else's machine.
fn reason_type_foreign(change: &Change, progress: &Progress, seen: &Seen) -> Option<String> {
    let StepKind::AwaitStatusChecks { .. } = &progress.step.kind else {
        return None;
    };
    let start = change.direction().iter().find_map(|other| other.step.kind.as_start());
    let left = start.and_then(|(_, ladder)| ladder.get(change.rung))?;
    let Sighting::Present(resource) = &seen.resource else {
        return None;
    };
    let instance = resource.instance().filter(|one| one.state == InstanceState::Running)?;
    (instance.instance_type != *left)
        .then(|| format!("its type is {}, this change left {left}", instance.instance_type))
}

/// Whether a volume that is to be deleted is no longer what it was when that was decided: somebody has plans for it.
fn reason_volume_foreign(change: &Change, progress: &Progress, seen: &Seen) -> Option<String> {
    let (StepKind::CreateSnapshot { .. } | StepKind::DeleteVolume { .. }) = &progress.step.kind
    else {
        return None;
    };
    let Spec::Volume(expected) = &change.recommendation.expected else { return None };
    let Sighting::Present(resource) = &seen.resource else { return None };
    let volume = resource.volume().filter(|volume| volume.state == "available")?;
    (!same_volume(&volume.spec, expected))
        .then(|| format!("it is {:?}, and was {expected:?} when its end was decided", volume.spec))
}

/// How much longer what is seen may be from before our own last write, once we have touched a machine's power: what looks like
/// somebody else's doing then is not believed yet. Nothing is written meanwhile.
fn lag_left(change: &Change, seen: &Seen, now: Timestamp) -> Option<SignedDuration> {
    let Sighting::Present(resource) = &seen.resource else { return None };
    let instance = resource.instance()?;
    let mut types = change.steps.iter().filter_map(|progress| progress.step.kind.as_set_type());
    // Only what the machine was, or was to be, can be an older answer.
    if types.next().is_some_and(|(_, ladder)| !ladder.contains(&instance.instance_type)) {
        return None;
    }
    let left = LAG - now.duration_since(written_at(change)?);
    let is_start = |other: &&Progress| other.step.kind.as_start().is_some();
    let has_started = change.direction().iter().filter(is_start).any(|other| other.attempts > 0);
    ((change.owes_a_start() || has_started) && left.is_positive()).then_some(left)
}

/// The instance's id when it is off, or on its way there, because we stopped it.
fn stopped_by_us(change: &Change, seen: &Seen) -> Option<String> {
    let Sighting::Present(resource) = &seen.resource else {
        return None;
    };
    let instance = resource.instance()?;
    let off = matches!(
        instance.state,
        InstanceState::Stopped | InstanceState::Stopping | InstanceState::Pending
    );
    (off && change.owes_a_start()).then(|| resource.id.clone())
}

fn owed_start(change: &Change, instance_id: String, now: Timestamp) -> Next {
    let start = change
        .direction()
        .iter()
        .find(|other| matches!(other.step.kind, StepKind::StartInstance { .. }));
    let Some(start) = start else {
        return Next::Poll(later(now, BACKOFF_MAX_S));
    };
    let pause =
        if start.failure.is_some() { SignedDuration::from_secs(BACKOFF_MAX_S) } else { LAG };
    match start.attempted_at {
        Some(at) if now.duration_since(at) < pause => {
            Next::Poll(later(now, remaining_s(pause, now.duration_since(at)).min(5)))
        }
        Some(_) | None => Next::Act {
            step: start.step.name.clone(),
            operation: Operation::StartInstance { instance_id },
        },
    }
}
