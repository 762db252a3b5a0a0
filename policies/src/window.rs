//! When changes may begin: weekly windows on the wall clock of a time zone, and freezes.
//!
//! A freeze wins over any window, and what cannot be evaluated is closed. Not here: what a closed window means for a
//! candidate (`check`), and schedules of the daemon's own work (`trimtab`).

use jiff::{SignedDuration, Timestamp, ToSpan, Zoned, civil::Date, tz::TimeZone};

use crate::{
    scope::{self, Target},
    settings::{Freeze, Policy, Window},
};

/// How far ahead the next opening is looked for, days: two turns of a weekly window.
const LOOK_AHEAD_DAYS: i64 = 14;

/// Whether a change may begin at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Now.
    Open {
        /// What allows it, in words.
        reason: String,
    },
    /// Not now.
    Closed {
        /// When it opens next, if within two weeks.
        until: Option<Timestamp>,
        /// What forbids it, in words.
        reason: String,
    },
}

/// Whether a change to the target may begin at `now`, and if not, when next.
///
/// Windows whose matcher names the target count, each by itself; where none does, those without a matcher count. Without any
/// window in the settings every time is allowed, but where windows exist and none covers the target, no time is.
#[must_use]
pub fn opening(policy: &Policy, target: &Target<'_>, now: Timestamp) -> Opening {
    let windows = windows_of(policy, target);
    let freezes = freezes_of(policy, target);
    let frozen = freezes.iter().find(|freeze| is_frozen(freeze, now));
    let open = windows.iter().find(|window| is_inside(window, now));
    let uncovered = !policy.windows.is_empty() && windows.is_empty();
    let reason = match (frozen, open) {
        (Some(freeze), _) => format!("freeze `{}` lasts until {}", freeze.name, freeze.until),
        (None, Some(window)) => {
            let reason = format!("window `{}` is open", window.name);
            return Opening::Open { reason };
        }
        (None, None) if policy.windows.is_empty() => {
            let reason = "no window is configured and no freeze is on".to_owned();
            return Opening::Open { reason };
        }
        (None, None) if uncovered => {
            "no window applies: add one without `match` for everything else".to_owned()
        }
        (None, None) => closed_reason(&windows),
    };
    let until = if uncovered { None } else { next_opening(policy, &windows, &freezes, now) };
    Opening::Closed { until, reason }
}

/// Whether a change to the target may begin at `at`: as [`opening`], without the reasons and the next opening.
pub(crate) fn is_open(policy: &Policy, target: &Target<'_>, at: Timestamp) -> bool {
    let windows = windows_of(policy, target);
    let inside = policy.windows.is_empty() || windows.iter().any(|window| is_inside(window, at));
    inside && !freezes_of(policy, target).iter().any(|freeze| is_frozen(freeze, at))
}

fn closed_reason(windows: &[&Window]) -> String {
    let names: Vec<String> = windows
        .iter()
        .map(|window| match &window.time_zone {
            Some(_) => format!("`{}`", window.name),
            None => format!("`{}` (its time zone is unknown)", window.name),
        })
        .collect();
    format!("outside window {}", names.join(", "))
}

fn windows_of<'p>(policy: &'p Policy, target: &Target<'_>) -> Vec<&'p Window> {
    let named: Vec<&Window> =
        policy.windows.iter().filter(|window| scope::matches(&window.matcher, target)).collect();
    if !named.is_empty() {
        return named;
    }
    policy.windows.iter().filter(|window| scope::key_count(&window.matcher) == 0).collect()
}

fn freezes_of<'p>(policy: &'p Policy, target: &Target<'_>) -> Vec<&'p Freeze> {
    policy
        .freezes
        .iter()
        .filter(|freeze| {
            scope::key_count(&freeze.matcher) == 0 || scope::matches(&freeze.matcher, target)
        })
        .collect()
}

fn is_frozen(freeze: &Freeze, at: Timestamp) -> bool {
    freeze.from <= at && at < freeze.until
}

/// The first moment from `now` on at which a window is open and no freeze is on: it can only be the start of a window or the end of a freeze.
fn next_opening(
    policy: &Policy,
    windows: &[&Window],
    freezes: &[&Freeze],
    now: Timestamp,
) -> Option<Timestamp> {
    let mut moments: Vec<Timestamp> = windows
        .iter()
        .flat_map(|window| starts(window, now))
        .chain(freezes.iter().map(|freeze| freeze.until))
        .filter(|at| *at > now && *at <= after_days(now, LOOK_AHEAD_DAYS as f64))
        .collect();
    moments.sort_unstable();
    moments.into_iter().find(|at| {
        let allowed = policy.windows.is_empty() || windows.iter().any(|w| is_inside(w, *at));
        allowed && !freezes.iter().any(|freeze| is_frozen(freeze, *at))
    })
}

fn starts(window: &Window, now: Timestamp) -> Vec<Timestamp> {
    let Some(zone) = &window.time_zone else {
        return Vec::new();
    };
    let today = now.to_zoned(zone.clone()).date();
    (0..=LOOK_AHEAD_DAYS)
        .filter_map(|days| today.checked_add(days.days()).ok())
        .filter_map(|date| stretch(window, zone, date))
        .map(|(start, _)| start)
        .collect()
}

/// Whether the window is open at `at`: the stretch of the local day or of the day before, which may cross midnight.
fn is_inside(window: &Window, at: Timestamp) -> bool {
    let Some(zone) = &window.time_zone else {
        return false;
    };
    let today = at.to_zoned(zone.clone()).date();
    [Some(today), today.yesterday().ok()]
        .into_iter()
        .flatten()
        .filter_map(|date| stretch(window, zone, date))
        .any(|(start, end)| start <= at && at < end)
}

/// The stretch that opens on `date`, if the window opens on that day of the week.
///
/// A wall-clock time that a change of the clocks skips means the moment after the gap, one that occurs twice the first.
fn stretch(window: &Window, zone: &TimeZone, date: Date) -> Option<(Timestamp, Timestamp)> {
    if !window.days.contains(&date.weekday()) {
        return None;
    }
    let end_date = if window.until > window.from { date } else { date.tomorrow().ok()? };
    let start = date.to_datetime(window.from).to_zoned(zone.clone());
    let end = end_date.to_datetime(window.until).to_zoned(zone.clone());
    let instant = |zoned: Result<Zoned, jiff::Error>| zoned.ok().map(|zoned| zoned.timestamp());
    let (start, end) = (instant(start)?, instant(end)?);
    (start < end).then_some((start, end))
}

/// `at` plus `days`; the end of time when it does not fit, and `at` itself when `days` is not a positive number.
#[must_use]
pub fn after_days(at: Timestamp, days: f64) -> Timestamp {
    const SECONDS_PER_DAY: f64 = 86_400.0;
    if days.is_nan() || days <= 0.0 {
        return at;
    }
    SignedDuration::try_from_secs_f64(days * SECONDS_PER_DAY)
        .ok()
        .and_then(|span| at.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Days from `from` to `to`.
#[must_use]
pub(crate) fn days_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() / 86_400.0
}

#[cfg(test)]
mod tests;
