//! `cooldown`: the resource was left alone long enough, and what was undone is not tried again soon.
//!
//! Not here: changes that are still open (`conflict`).

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{recommendation::Action, resource::ModificationState};

use super::{Reason, Subject, result};
use crate::{
    change::{Change, State},
    plan::{CheckName, CheckResult},
    window::after_days,
};

/// EC2 counts a volume's modifications over a rolling day.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// After this many doublings the bar outlasts any installation; more would only overflow.
const MAX_DOUBLINGS: i32 = 10;

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let mut reasons: Vec<Reason> = reason_barred(subject).into_iter().collect();
    match subject.action() {
        Action::MigrateVolumeType | Action::TuneVolume => {
            reasons.extend(reason_modified_often(subject));
            reasons.extend(reason_modifying(subject));
        }
        Action::ResizeInstance
        | Action::StopIdleInstance
        | Action::DeleteUnattachedVolume
        | Action::TuneFunctionMemory
        | Action::TuneGroupCapacity
        | Action::ScheduleGroup
        | Action::ResizeGroupInstances => reasons.extend(reason_changed_lately(subject)),
    }
    result(CheckName::Cooldown, reasons, "left alone long enough")
}

/// When a change ended; one that wrote nothing left the resource alone.
fn ended_at(change: &Change) -> Option<Timestamp> {
    if change.state == State::Undone && change.is_unwritten() {
        return None;
    }
    let outcome = change.outcome.as_ref()?;
    (!change.state.in_flight()).then_some(outcome.at)
}

fn reason_changed_lately(subject: &Subject<'_>) -> Option<Reason> {
    let days = subject.context.policy.limits.cooldown_days;
    let (ended, change) = subject
        .past_changes()
        .filter_map(|change| Some((ended_at(change)?, change)))
        .max_by_key(|(ended, change)| (*ended, &change.id))?;
    let until = after_days(ended, days);
    (subject.now() < until).then(|| {
        let text = format!("change `{}` ended at {ended}, less than {days} days ago", change.id);
        Reason::wait(Some(until), text)
    })
}

/// What was taken back is barred, and each further time twice as long.
fn reason_barred(subject: &Subject<'_>) -> Option<Reason> {
    let desired = &subject.recommendation().desired;
    let undone: Vec<Timestamp> = subject
        .past_changes()
        .filter(|change| change.was_taken_back())
        .filter(|change| change.recommendation.desired == *desired)
        .filter_map(ended_at)
        .collect();
    let last = undone.iter().max()?;
    let doublings = i32::try_from(undone.len() - 1).unwrap_or(MAX_DOUBLINGS);
    let days =
        subject.context.policy.limits.barred_days * f64::from(2).powi(doublings.min(MAX_DOUBLINGS));
    let until = after_days(*last, days);
    (subject.now() < until).then(|| {
        let times = undone.len();
        let text = format!("undone {times} times, last at {last}: barred for {days} days");
        Reason::wait(Some(until), text)
    })
}

fn reason_modified_often(subject: &Subject<'_>) -> Option<Reason> {
    let allowed = subject.context.policy.limits.volume_modifications_per_day as usize;
    let starts = match subject.fact(&subject.facts().modifications, "the volume's modifications") {
        Ok(starts) => starts,
        Err(missing) => return Some(missing),
    };
    let mut recent: Vec<Timestamp> =
        starts.iter().copied().filter(|start| subject.now().duration_since(*start) < DAY).collect();
    recent.sort_unstable();
    let used = recent.len();
    if used < allowed {
        return None;
    }
    let until = recent.get(used - allowed).and_then(|start| start.checked_add(DAY).ok());
    let text = format!("{used} of {allowed} modifications of the volume in a rolling day");
    Some(Reason::wait(until, text))
}

fn reason_modifying(subject: &Subject<'_>) -> Option<Reason> {
    let resource = subject.resource().ok()?;
    let state = resource.volume()?.modification.as_ref()?.state;
    match state {
        ModificationState::Modifying | ModificationState::Optimizing => {
            Some(Reason::wait(None, "the volume's last modification is not completed"))
        }
        ModificationState::Completed | ModificationState::Failed => None,
    }
}
