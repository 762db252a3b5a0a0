//! What a group will need: the members that its load asks for, forecast by the hour for two days.
//!
//! A forecast only ever adds members: what was needed in the look-back stands beside it, so that nothing is scaled in on a
//! forecast alone. Not here: the bounds that follow (`super`).

use super::{Slot, whole};
use crate::{forecast::forecast, recommendation::SeasonSeen, season::HOUR_S, series::Series};

/// Hours ahead that bounds and schedules serve: by then they were computed anew many times.
const AHEAD_H: usize = 48;
/// Hours of a day.
pub(super) const DAY_H: usize = 24;
/// Hours of a week.
const WEEK_H: usize = 168;

/// Share by which a forecast may exceed a whole number of members and mean that number: single precision keeps seven
/// digits, and none of them is a member.
const ROUNDING: f64 = 1e-5;

/// How often a season must have been seen before a schedule follows it.
const TIMES_SEEN_MIN: u32 = 2;

/// What the next two days need, in members.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ahead {
    /// The highest 0.99 quantile of any hour.
    pub(super) peak: u32,
    /// The lowest median of any hour.
    pub(super) quietest: u32,
    /// The highest 0.99 quantile at each hour of the day (UTC).
    by_hour: [f64; DAY_H],
    /// Whether the load has a day that was seen often enough.
    pub(super) daily: bool,
    /// Whether it has a week that was seen often enough.
    pub(super) weekly: bool,
}

/// Forecasts the need; `None` when less than two days of it were seen.
pub(super) fn ahead(slots: &[Slot], step_s: u32) -> Option<Ahead> {
    let needs = slots.iter().map(|slot| (slot.time_s, slot.needed as f32));
    let forecast = forecast(&Series::of_points(needs, step_s)?)?;
    let steps = forecast.steps.get(..AHEAD_H.min(forecast.steps.len()))?;
    let highest = |one: f64, other: f64| one.max(other);
    let mut by_hour = [0.0; DAY_H];
    for (index, step) in steps.iter().enumerate() {
        let hour_s = forecast.from_s + HOUR_S * i64::try_from(index).ok()?;
        let hour = &mut by_hour[hour_of_day(hour_s)];
        *hour = highest(*hour, f64::from(step.p99));
    }
    let quietest = steps.iter().map(|step| f64::from(step.p50)).reduce(f64::min)?;
    Some(Ahead {
        peak: members(by_hour.into_iter().fold(0.0, highest)),
        quietest: members(quietest),
        by_hour,
        daily: is_seen(&forecast.seasons, DAY_H),
        weekly: is_seen(&forecast.seasons, WEEK_H),
    })
}

impl Ahead {
    /// The highest 0.99 quantile in any of these hours of the day, in members.
    pub(super) fn highest_in(&self, hours: &[usize]) -> u32 {
        let of = |hour: &usize| self.by_hour.get(*hour).copied().unwrap_or(0.0);
        members(hours.iter().map(of).fold(0.0, f64::max))
    }

    /// Members for each hour of the day (UTC): the most that was needed in it on any day, or that is forecast for it.
    ///
    /// `None` when an hour of the day was never seen.
    pub(super) fn by_hour(&self, slots: &[Slot]) -> Option<[u32; DAY_H]> {
        let mut seen = [f64::NAN; DAY_H];
        for slot in slots {
            let hour = &mut seen[hour_of_day(slot.time_s)];
            // The larger of the two, and the need alone while the hour is still NaN.
            *hour = hour.max(slot.needed);
        }
        let whole_day = seen.iter().all(|need| !need.is_nan());
        let mut found = [0; DAY_H];
        for ((found, seen), forecast) in found.iter_mut().zip(seen).zip(self.by_hour) {
            *found = whole(seen).max(members(forecast));
        }
        whole_day.then_some(found)
    }
}

/// Whole members that carry a forecast need.
fn members(need: f64) -> u32 {
    whole(need * (1.0 - ROUNDING))
}

fn is_seen(seasons: &[SeasonSeen], period_h: usize) -> bool {
    let often = |one: &&SeasonSeen| one.times_seen >= TIMES_SEEN_MIN;
    seasons.iter().filter(often).any(|one| one.period_h as usize == period_h)
}

/// The hour of the day of a time, 0–23 (UTC).
fn hour_of_day(time_s: i64) -> usize {
    usize::try_from(time_s.div_euclid(HOUR_S).rem_euclid(24)).unwrap_or(0)
}
