//! What is made of a change after its last step: keep it, take it back, or ask a person.
//!
//! Only what was observed counts; no data is never "fine". Not here: fetching the data, and the steps back (`change`).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use trimtab_models::{
    counterfactual::{Compared, peak_end_s},
    money::Usd,
    recommendation::Action,
    resource::{Kind, Resource},
    saving::Realized,
    spec::{PowerState, Spec},
};

use crate::{
    change::{Change, State},
    facts::{Alarm, InstanceStatus},
    mode::{Disruption, Mode},
    quiet::{Quiet, quiet},
    scope::Target,
    settings::Policy,
    steps::{Sighting, same_schedule, same_volume},
    window::{after_days, is_open},
};

/// When the provisional verdict falls.
const PROVISIONAL_AFTER: SignedDuration = SignedDuration::from_hours(48);
/// When the final verdict falls at the latest: every hour of the week has passed once, and a day to spare.
const FINAL_AFTER: SignedDuration = SignedDuration::from_hours(8 * 24);
/// Fewest points from which a share is computed: an hour of 5-minute points.
const POINTS_MIN: u64 = 12;
/// Fewest hours with points from which a machine is called good: half a day of the two.
const HOURS_MIN: u64 = 12;
/// How much longer runs may take than the loss of CPU explains, before a memory size is called a mistake.
const SLOWER_MAX: f64 = 1.25;
/// How far ahead a quiet hour for an undo is looked for: the forecast's week.
const QUIET_AHEAD_DAYS: f64 = 7.0;
/// Share of saturated points that calls a smaller size a mistake.
const SATURATED_SHARE_MAX: f64 = 0.05;
/// Fewest runs from which their mean is told: it is known to a tenth, as durations vary about as much as they are long.
const RUNS_MIN: f64 = 100.0;
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
    /// Time that the runs took together, milliseconds (functions).
    #[serde(default)]
    pub run_ms: f64,
}

impl Usage {
    fn saturated_share(&self) -> Option<f64> {
        (self.points >= POINTS_MIN).then(|| self.saturated_points as f64 / self.points as f64)
    }

    fn error_share(&self) -> Option<f64> {
        (self.invocations >= 1.0).then(|| self.errors / self.invocations)
    }

    fn mean_run_ms(&self) -> Option<f64> {
        (self.invocations >= RUNS_MIN && self.run_ms > 0.0).then(|| self.run_ms / self.invocations)
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
    /// Since the last step, beside what would have been; `None` without a forecast of it.
    pub compared: Option<Compared>,
    /// Whether somebody's schedule has usually stopped the resource at this hour of the week.
    pub usually_off: bool,
    /// What it has saved since, where that is known.
    pub realized: Option<Realized>,
}

/// What is made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Look again.
    Continue,
    /// Take it back now.
    Undo(String),
    /// Take it back at a quiet hour inside a window, or, where `automatic` is false, when a person says so.
    WantUndo {
        /// What speaks against it.
        reason: String,
        /// Whether nobody needs to be asked.
        automatic: bool,
    },
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

/// How grave a sign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gravity {
    /// By comparison, over hours: it waits for its time, and in copilot for a person.
    Soft,
    /// Plain, within minutes: it asks nobody, but a restart still waits for its time.
    Hard,
    /// Nothing is worse than to wait: failed status checks, or an alarm that the settings name.
    Grave,
}

/// What speaks against a change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sign {
    gravity: Gravity,
    reason: String,
}

/// Judges a change that is watched, or kept provisionally.
#[must_use]
pub fn verdict(change: &Change, watched: &Watched, policy: &Policy, now: Timestamp) -> Verdict {
    let (State::Watching | State::Kept, Some(applied_at)) = (change.state, change.applied_at)
    else {
        return Verdict::Continue;
    };
    let resting = is_stopped_by_schedule(change, watched);
    if let Some(reason) = reason_conflicted(change, &watched.live).filter(|_| !resting) {
        return Verdict::Conflicted(reason);
    }
    // What is switched off suffers nothing now, and an undo would switch it on.
    let sign = sign(change, watched).filter(|_| !resting);
    if let Some(sign) = &sign
        && let Some(verdict) = undo(change, sign, policy, now)
    {
        return verdict;
    }
    if change.undo_wanted.as_ref().is_some_and(|wanted| wanted.automatic) {
        return Verdict::Continue;
    }
    let age = now.duration_since(applied_at);
    let is_final = now >= final_at(change, applied_at);
    if age < PROVISIONAL_AFTER || (change.state == State::Kept && !is_final) {
        return Verdict::Continue;
    }
    if let Some(sign) = sign {
        return Verdict::Inconclusive(format!("{}: undo it, or leave it", sign.reason));
    }
    if let Some(reason) = reason_unseen(change, watched) {
        return Verdict::Inconclusive(reason);
    }
    let waited = if is_final { "the week's peak" } else { "48 h" };
    Verdict::Keep {
        provisional: !is_final,
        reason: format!("no signal against it through {waited}"),
    }
}

/// When everything that the week brings has been seen: once the forecast's busiest hour has passed, not before the
/// provisional verdict and at most eight days after the change.
fn final_at(change: &Change, applied_at: Timestamp) -> Timestamp {
    let after = |span| applied_at.saturating_add(span).unwrap_or(Timestamp::MAX);
    let (earliest, latest) = (after(PROVISIONAL_AFTER), after(FINAL_AFTER));
    let forecast = change.recommendation.evidence.forecast.as_ref();
    let peak_s = forecast.and_then(|seen| peak_end_s(seen, applied_at.as_second()));
    let peak = peak_s.and_then(|second| Timestamp::from_second(second).ok());
    peak.map_or(latest, |peak| peak.clamp(earliest, latest))
}

/// What speaks against a change, the gravest first.
fn sign(change: &Change, watched: &Watched) -> Option<Sign> {
    let sign = |gravity| move |reason| Sign { gravity, reason };
    // What was seen once and had to wait is not forgotten because a quiet night hides it.
    let kept = change.undo_wanted.as_ref().filter(|wanted| wanted.automatic);
    reason_grave(change, watched)
        .map(sign(Gravity::Grave))
        .or_else(|| reason_hard(change, watched).map(sign(Gravity::Hard)))
        .or_else(|| kept.map(|wanted| wanted.reason.clone()).map(sign(Gravity::Hard)))
        .or_else(|| reason_soft(change, watched).map(sign(Gravity::Soft)))
}

/// What follows from a sign now; `None` where it is already known and waits.
fn undo(change: &Change, sign: &Sign, policy: &Policy, now: Timestamp) -> Option<Verdict> {
    let automatic =
        sign.gravity > Gravity::Soft || change.mode == Mode::Autopilot || change.auto_undo;
    let in_time = sign.gravity == Gravity::Grave
        || Disruption::of(change.recommendation.action) < Disruption::Restart
        || is_quiet(change, policy, now);
    if automatic && in_time {
        return Some(Verdict::Undo(sign.reason.clone()));
    }
    let known = change.undo_wanted.as_ref().is_some_and(|wanted| wanted.automatic || !automatic);
    (!known).then(|| Verdict::WantUndo { reason: sign.reason.clone(), automatic })
}

/// Whether a restart that can wait may happen now: a window is open, and the hour is quiet as far as is known.
fn is_quiet(change: &Change, policy: &Policy, now: Timestamp) -> bool {
    let recommendation = &change.recommendation;
    let target = Target {
        reference: &recommendation.resource,
        group: &change.group,
        action: recommendation.action,
    };
    let forecast = recommendation.evidence.forecast.as_ref();
    let span = (now, after_days(now, QUIET_AHEAD_DAYS));
    is_open(policy, &target, now)
        && match quiet(policy, &target, forecast, span) {
            Quiet::Now { .. } | Quiet::Unknown { .. } => true,
            Quiet::Later { .. } => false,
        }
}

/// Whether the machine is as the change left it but for being stopped, at an hour at which it usually is: somebody's
/// schedule, hence no conflict, and no data for as long as it lasts.
fn is_stopped_by_schedule(change: &Change, watched: &Watched) -> bool {
    let (Sighting::Present(resource), Spec::Instance { instance_type, state: PowerState::Running }) =
        (&watched.live, reached(change))
    else {
        return false;
    };
    watched.usually_off
        && resource.spec() == Spec::Instance { instance_type, state: PowerState::Stopped }
}

/// Why nobody can tell: no data is never good news.
fn reason_unseen(change: &Change, watched: &Watched) -> Option<String> {
    let nothing =
        || "no data has been seen since the change, so nobody can call it good".to_owned();
    if matches!(watched.live, Sighting::Unknown(_)) || lacks_data(change, watched) {
        return Some(nothing());
    }
    let hours = watched.compared.map(|compared| compared.hours)?;
    (hours < HOURS_MIN).then(|| {
        format!("data of {hours} hours has been seen since the change, fewer than {HOURS_MIN}")
    })
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

/// Whether the resource is as the change left it, as far as that was the change's business.
#[must_use]
pub fn is_as_left(change: &Change, resource: &Resource) -> bool {
    reason_conflicted(change, &Sighting::Present(Box::new(resource.clone()))).is_none()
}

/// The spec that the change left: the desired one, or an alternate type of its ladder.
#[must_use]
pub fn reached(change: &Change) -> Spec {
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

/// Why it is taken back whatever the time.
fn reason_grave(change: &Change, watched: &Watched) -> Option<String> {
    if let Some(alarm) = watched.alarms.iter().find(|alarm| alarm.state == "ALARM") {
        return Some(format!("the alarm `{}` is in ALARM", alarm.name));
    }
    let running = change.recommendation.action == Action::ResizeInstance;
    let impaired = watched
        .status
        .as_ref()
        .filter(|status| status.system == "impaired" || status.instance == "impaired");
    impaired.filter(|_| running).map(|status| {
        format!("status checks: system `{}`, instance `{}`", status.system, status.instance)
    })
}

fn reason_hard(change: &Change, watched: &Watched) -> Option<String> {
    if watched.compared.is_some_and(|compared| compared.saturated_now) {
        return Some("saturated now, where it would not have been without the change".to_owned());
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

fn reason_soft(change: &Change, watched: &Watched) -> Option<String> {
    match &watched.compared {
        Some(compared) => compared.reason(),
        None => reason_saturated(watched),
    }
    .or_else(|| reason_slower(change, watched))
    .or_else(|| reason_dearer(change, watched))
}

/// Where nothing was forecast, what was before stands for what would have been.
fn reason_saturated(watched: &Watched) -> Option<String> {
    let after = watched.after.saturated_share()?;
    let before = watched.before.saturated_share().unwrap_or(0.0);
    (after > SATURATED_SHARE_MAX && after > 2.0 * before).then(|| {
        format!("saturated in {:.1} % of the points, {:.1} % before", after * 100.0, before * 100.0)
    })
}

/// Runs that take longer than with less CPU they would, were they nothing but CPU: Lambda gives it in proportion to memory.
fn reason_slower(change: &Change, watched: &Watched) -> Option<String> {
    let (Spec::Function { memory_mb: old }, Spec::Function { memory_mb: new }) =
        (&change.recommendation.expected, &change.recommendation.desired)
    else {
        return None;
    };
    let (before, after) = (watched.before.mean_run_ms()?, watched.after.mean_run_ms()?);
    let explained = (f64::from(*old) / f64::from((*new).max(1))).max(1.0);
    (after > before * explained * SLOWER_MAX)
        .then(|| format!("runs take {after:.0} ms, {before:.0} ms before"))
}

/// A change that was to save and surely costs more.
fn reason_dearer(change: &Change, watched: &Watched) -> Option<String> {
    let promised = change.recommendation.saving.is_some_and(|saving| saving.is_positive());
    let realized = watched.realized.filter(|realized| {
        let surely = realized.high.micros() < 0;
        promised && surely && realized.hours >= PROVISIONAL_AFTER.as_hours() as f64
    })?;
    Some(format!(
        "it costs {} more since the change, {} at least",
        Usd::ZERO.saturating_sub(realized.saved),
        Usd::ZERO.saturating_sub(realized.high)
    ))
}

#[cfg(test)]
mod tests;
