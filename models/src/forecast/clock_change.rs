//! Daylight saving: a rhythm that follows local time moves by an hour in UTC.
//!
//! The series does not say where its users are, so the move is read from the rhythm itself: when the working days after
//! a Sunday of spring or autumn fit those before it far better an hour earlier or later, everything before is taken
//! as if it had been moved too. A change that is still to come is not foreseen. Not here: other changes of rhythm, which
//! the bank weighs down.

use jiff::{Timestamp, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::window::{DAY_H, WEEK_H};
use crate::season::{HOUR_S, Hours};

/// When and by how much the rhythm moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockChange {
    /// Midnight (UTC) of the Sunday, seconds since the epoch.
    pub at_s: i64,
    /// Hours by which the rhythm is later in UTC since then: -1 when clocks went forward, 1 when they went back.
    pub later_h: i8,
}

/// The months in which any country changes its clocks.
const MONTHS: [i8; 6] = [2, 3, 4, 9, 10, 11];

/// Hours after the Sunday's midnight that are needed: the Sunday and two working days.
const AFTER_H_MIN: usize = 3 * DAY_H;

/// Hours before it: a week.
const BEFORE_H_MIN: usize = WEEK_H;

/// The least correlation of the moved profiles: without it there is no rhythm that could have moved.
const CORRELATION_MIN: f64 = 0.8;

/// What the unmoved profile must leave unexplained at least: a daily sine wave that moves by an hour leaves 0.034.
const UNEXPLAINED_MIN: f64 = 0.02;

/// The largest share of that which the moved profile may still leave unexplained.
const REMAINING_MAX: f64 = 0.3;

/// The latest clock change within the hours from `oldest` on.
pub(super) fn find(hours: &Hours, oldest: usize) -> Option<(ClockChange, usize)> {
    let until = hours.len().checked_sub(AFTER_H_MIN)?;
    (oldest + BEFORE_H_MIN..=until)
        .rev()
        .filter(|index| may_change(hours.first + i64::try_from(*index).unwrap_or(i64::MAX)))
        .find_map(|index| {
            let change = ClockChange {
                at_s: (hours.first + i64::try_from(index).ok()?) * HOUR_S,
                later_h: moved(hours, oldest, index)?,
            };
            Some((change, index))
        })
}

/// The hours with everything before `index` moved as the rhythm did; the hour that this opens is a gap.
pub(super) fn undo(mut hours: Hours, change: ClockChange, index: usize) -> Hours {
    let per_hour = hours.per_hour;
    let (values, means) = (&mut hours.values[..index * per_hour], &mut hours.means[..index]);
    if change.later_h > 0 {
        values.rotate_right(per_hour);
        values[..per_hour].fill(f32::NAN);
        means.rotate_right(1);
        means[0] = f32::NAN;
    } else {
        values.rotate_left(per_hour);
        let last = values.len() - per_hour;
        values[last..].fill(f32::NAN);
        means.rotate_left(1);
        means[index - 1] = f32::NAN;
    }
    hours
}

/// Whether an hour since the epoch is the midnight of a Sunday on which clocks may change.
fn may_change(hour: i64) -> bool {
    // The epoch was a Thursday: day 3 was the first Sunday.
    if hour.rem_euclid(24) != 0 || hour.div_euclid(24).rem_euclid(7) != 3 {
        return false;
    }
    Timestamp::from_second(hour.saturating_mul(HOUR_S))
        .is_ok_and(|time| MONTHS.contains(&time.to_zoned(TimeZone::UTC).month()))
}

/// By how many hours the rhythm is later from hour `index` on; `None` when it did not move.
fn moved(hours: &Hours, oldest: usize, index: usize) -> Option<i8> {
    let before = profile(hours, oldest..index)?;
    let after = profile(hours, index..hours.len().min(index + WEEK_H))?;
    let unmoved = 1.0 - correlation(&before, &after, 0)?;
    let of = |later_h: i8| Some((later_h, correlation(&before, &after, later_h)?));
    let candidates = [of(-1)?, of(1)?];
    let (later_h, best) = candidates.into_iter().max_by(|one, other| one.1.total_cmp(&other.1))?;
    let clear = best >= CORRELATION_MIN
        && unmoved >= UNEXPLAINED_MIN
        && 1.0 - best <= REMAINING_MAX * unmoved;
    clear.then_some(later_h)
}

/// The mean of each hour of the day over the working days; `None` when one has no value.
fn profile(hours: &Hours, range: std::ops::Range<usize>) -> Option<[f64; DAY_H]> {
    let (mut sums, mut counts) = ([0.0; DAY_H], [0.0; DAY_H]);
    for index in range {
        let hour = hours.first + i64::try_from(index).ok()?;
        // Days 2 and 3 after the epoch's Thursday were Saturday and Sunday.
        let rests = matches!(hour.div_euclid(24).rem_euclid(7), 2 | 3);
        let mean = hours.means[index];
        if !rests && !mean.is_nan() {
            let hour_of_day = hour.rem_euclid(24) as usize;
            sums[hour_of_day] += f64::from(mean);
            counts[hour_of_day] += 1.0;
        }
    }
    let seen = counts.iter().all(|count: &f64| *count > 0.0);
    seen.then(|| std::array::from_fn(|hour| sums[hour] / counts[hour]))
}

/// The correlation of `after` with `before` moved to be `later_h` hours later; `None` without variance.
fn correlation(before: &[f64; DAY_H], after: &[f64; DAY_H], later_h: i8) -> Option<f64> {
    let middle = |profile: &[f64; DAY_H]| profile.iter().sum::<f64>() / DAY_H as f64;
    let (before_middle, after_middle) = (middle(before), middle(after));
    let (mut together, mut of_before, mut of_after) = (0.0, 0.0, 0.0);
    for (hour, value) in after.iter().enumerate() {
        let source = (hour as i64 - i64::from(later_h)).rem_euclid(24) as usize;
        let (early, late) = (before[source] - before_middle, value - after_middle);
        together += early * late;
        of_before += early * early;
        of_after += late * late;
    }
    let scale = (of_before * of_after).sqrt();
    scale.is_normal().then(|| together / scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Series;

    /// Sunday, 26 October 2025, midnight UTC: clocks in Europe went back at 01:00.
    const SUNDAY_S: i64 = 1_761_436_800;

    /// Three weeks of working hours before a Sunday and some days after it, then `later_h` hours later.
    fn hours(sunday_s: i64, days_after: i64, later_h: i64) -> Hours {
        let start_s = sunday_s - 21 * 86_400;
        let value = |hour: i64| {
            let time_h = start_s / HOUR_S + hour;
            let local_h = if time_h * HOUR_S < sunday_s { time_h } else { time_h - later_h };
            let of_day = local_h.rem_euclid(24);
            let works = !matches!(local_h.div_euclid(24).rem_euclid(7), 2 | 3);
            if works && (8..18).contains(&of_day) { 50.0 + of_day as f32 } else { 5.0 }
        };
        let values = (0..(21 + days_after) * 24).map(value).collect();
        Hours::of(&Series { start_s, step_s: 3_600, values }).expect("the grid fits")
    }

    #[test]
    fn a_moved_rhythm_is_found_where_clocks_change() {
        let cases = [
            ("back", hours(SUNDAY_S, 4, 1), Some(1)),
            ("forward", hours(SUNDAY_S, 4, -1), Some(-1)),
            ("not moved", hours(SUNDAY_S, 4, 0), None),
            ("two hours are no clock change", hours(SUNDAY_S, 4, 3), None),
            ("too young", hours(SUNDAY_S, 2, 1), None),
            ("in July no clock changes", hours(SUNDAY_S - 14 * 7 * 86_400, 4, 1), None),
        ];
        for (name, hours, expect) in cases {
            let found = find(&hours, 0).map(|(change, _)| change.later_h);
            assert_eq!(found, expect, "{name}");
        }
    }

    #[test]
    fn undoing_it_makes_the_past_fit() {
        for later_h in [1, -1] {
            let moved = hours(SUNDAY_S, 4, later_h);
            let (change, index) = find(&moved, 0).expect("it moved");
            assert_eq!(change.at_s, SUNDAY_S);
            let undone = undo(moved.clone(), change, index);
            assert_eq!(undone.values.len(), moved.values.len());
            let tuesday = index - 5 * 24;
            for hour in 0..24 {
                let (before, after) =
                    (undone.means[tuesday + hour], moved.means[index + 48 + hour]);
                assert!((before - after).abs() < 1e-6, "hour {hour}: {before} and {after}");
            }
            assert_eq!(find(&undone, 0), None);
        }
    }
}
