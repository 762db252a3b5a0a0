//! What is made of a change after its last step: keep it, take it back, or ask a person.
//!
//! Only what was observed counts; no data is never "fine". Not here: fetching the data, and the steps back (`change`).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use trimtab_models::{recommendation::Action, resource::Kind, spec::Spec};

use crate::{
    change::{Change, State},
    facts::{Alarm, InstanceStatus},
    mode::Mode,
    steps::{Sighting, same_schedule, same_volume},
};

/// When the provisional verdict falls.
const PROVISIONAL_AFTER: SignedDuration = SignedDuration::from_hours(48);
/// When the final verdict falls: every hour of the week has passed once, and a day to spare.
const FINAL_AFTER: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Fewest points from which a share is computed: an hour of 5-minute points.
const POINTS_MIN: u64 = 12;
/// Share of saturated points that calls a smaller size a mistake.
const SATURATED_SHARE_MAX: f64 = 0.05;
/// Share of failing invocations that calls a new memory size a mistake, if it also doubled.
const ERROR_SHARE_MAX: f64 = 0.05;

/// Usage in one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Points with a value.
    pub points: u64,
    /// Points at or above 99 % of the capacity.
    pub saturated_points: u64,
    /// Invocations (functions).
    pub invocations: f64,
    /// Errors and throttles (functions).
    pub errors: f64,
}

impl Usage {
    fn saturated_share(&self) -> Option<f64> {
        (self.points >= POINTS_MIN).then(|| self.saturated_points as f64 / self.points as f64)
    }

    fn error_share(&self) -> Option<f64> {
        (self.invocations >= 1.0).then(|| self.errors / self.invocations)
    }
}

/// Everything that was read for one verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The resource now.
    pub live: Sighting,
    /// Status checks (instances).
    pub status: Option<InstanceStatus>,
    /// The alarms that the settings name.
    pub alarms: Vec<Alarm>,
    /// The look-back before the change.
    pub before: Usage,
    /// Since the last step.
    pub after: Usage,
}

/// What is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Look again.
    Continue,
    /// Take it back.
    Undo(String),
    /// It stays.
    Keep {
        /// Whether the final verdict is still to come.
        provisional: bool,
        /// Why.
        reason: String,
    },
    /// Nobody can tell: ask a person.
    Inconclusive(String),
    /// Somebody else changed it.
    Conflicted(String),
}

/// Judges a change that is watched, or kept provisionally.
#[must_use]
pub fn verdict(change: &Change, watched: &Watched, now: Timestamp) -> Verdict {
    let (State::Watching | State::Kept, Some(applied_at)) = (change.state, change.applied_at)
    else {
        return Verdict::Continue;
    };
    if let Some(reason) = reason_conflicted(change, &watched.live) {
        return Verdict::Conflicted(reason);
    }
    if let Some(reason) = reason_hard(change, watched) {
        return Verdict::Undo(reason);
    }
    let soft = reason_soft(watched);
    if let (Some(reason), Mode::Autopilot) = (&soft, change.mode) {
        return Verdict::Undo(reason.clone());
    }
    let age = now.duration_since(applied_at);
    if age < PROVISIONAL_AFTER || (change.state == State::Kept && age < FINAL_AFTER) {
        return Verdict::Continue;
    }
    if let Some(reason) = soft {
        return Verdict::Inconclusive(format!("{reason}: undo it, or leave it"));
    }
    if matches!(watched.live, Sighting::Unknown(_)) || lacks_data(change, watched) {
        return Verdict::Inconclusive(
            "no data has been seen since the change, so nobody can call it good".to_owned(),
        );
    }
    let provisional = age < FINAL_AFTER;
    let waited = if provisional { "48 h" } else { "the week's peak" };
    Verdict::Keep { provisional, reason: format!("no signal against it through {waited}") }
}

/// Whether the action leaves something behind whose usage must be seen.
fn lacks_data(change: &Change, watched: &Watched) -> bool {
    let expects_data = match change.recommendation.action {
        Action::ResizeInstance
        | Action::TuneFunctionMemory
        | Action::TuneGroupCapacity
        | Action::ScheduleGroup
        | Action::ResizeGroupInstances => true,
        Action::StopIdleInstance
        | Action::MigrateVolumeType
        | Action::TuneVolume
        | Action::DeleteUnattachedVolume => false,
    };
    expects_data && watched.after.points == 0
}

fn reason_conflicted(change: &Change, live: &Sighting) -> Option<String> {
    let desired = reached(change);
    match (live, &desired) {
        (Sighting::Unknown(_), _) | (Sighting::Absent, Spec::Gone { .. }) => None,
        (Sighting::Absent, _) => Some("the resource is gone".to_owned()),
        (Sighting::Present(_), Spec::Gone { .. }) => {
            Some("the deleted resource is there again".to_owned())
        }
        (Sighting::Present(resource), desired) => {
            let live = resource.spec_like(desired);
            let same = match (&live, desired) {
                // Somebody else scales the group, or Auto Scaling does, between the bounds that we set.
                (
                    Spec::Group { min_size, max_size, .. },
                    Spec::Group { min_size: desired_min, max_size: desired_max, .. },
                ) => (min_size, max_size) == (desired_min, desired_max),
                (Spec::Volume(live), Spec::Volume(desired)) => same_volume(live, desired),
                (Spec::Schedule { scheduled: live }, Spec::Schedule { scheduled }) => {
                    same_schedule(live, scheduled)
                }
                _ => live == *desired,
            };
            (!same).then(|| {
                format!("somebody changed it: it is {live:?}, this change left {desired:?}")
            })
        }
    }
}

/// The spec that the change left: the desired one, or an alternate type of its ladder.
fn reached(change: &Change) -> Spec {
    let alternate = change
        .steps
        .iter()
        .find_map(|progress| progress.step.kind.as_set_type())
        .and_then(|(_, ladder)| ladder.get(change.rung).cloned());
    match (&change.recommendation.desired, alternate) {
        (Spec::Instance { state, .. }, Some(instance_type)) => {
            Spec::Instance { instance_type, state: *state }
        }
        (desired, _) => desired.clone(),
    }
}

fn reason_hard(change: &Change, watched: &Watched) -> Option<String> {
    if let Some(alarm) = watched.alarms.iter().find(|alarm| alarm.state == "ALARM") {
        return Some(format!("the alarm `{}` is in ALARM", alarm.name));
    }
    let running = change.recommendation.action == Action::ResizeInstance;
    let impaired = watched
        .status
        .as_ref()
        .filter(|status| status.system == "impaired" || status.instance == "impaired");
    if let (true, Some(status)) = (running, impaired) {
        return Some(format!(
            "status checks: system `{}`, instance `{}`",
            status.system, status.instance
        ));
    }
    if change.recommendation.resource.kind != Kind::Function {
        return None;
    }
    let after = watched.after.error_share()?;
    let before = watched.before.error_share().unwrap_or(0.0);
    (after > ERROR_SHARE_MAX && after > 2.0 * before).then(|| {
        format!(
            "{:.1} % of the invocations fail or are throttled, {:.1} % did before",
            after * 100.0,
            before * 100.0
        )
    })
}

fn reason_soft(watched: &Watched) -> Option<String> {
    let after = watched.after.saturated_share()?;
    let before = watched.before.saturated_share().unwrap_or(0.0);
    (after > SATURATED_SHARE_MAX && after > 2.0 * before).then(|| {
        format!("saturated in {:.1} % of the points, {:.1} % before", after * 100.0, before * 100.0)
    })
}
