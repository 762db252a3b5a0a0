//! Shifts of level: from where on a series is what it is now.
//!
//! A deployment, a migration or a new customer moves a series to another level for good, and what was before says
//! nothing of what comes. Not here: rhythm (`season`), and days that are only unusual, which the bank weighs down.

use std::ops::Range;

use super::window::{DAY_H, WEEK_H};
use crate::{
    quantile::{quantile, quantiles},
    season::Hours,
};

/// Hours that a new level must have lasted: a week, so that it has been seen on each weekday and no weekend or holiday
/// passes for one.
const AFTER_H_MIN: usize = WEEK_H;

/// Hours before a shift that show the old level.
const BEFORE_H_MIN: usize = DAY_H;

/// The quantiles between which a level is held to lie.
const HELD: [f64; 2] = [0.1, 0.9];

/// The least distance between the two levels, in widths of the wider one: smaller shifts are left to the weights of the bank,
/// which follow them at least as well as a shorter window does.
const GAP_MIN: f32 = 1.0;

/// The first hour of the present level within `range`; `None` when the level never shifted, or not clearly.
///
/// The hourly medians without their daily profile are cut where the means of both sides differ most (binary
/// segmentation: Scott and Knott, 1974); the cut counts when both sides lie well apart, and the side after it is searched
/// again.
pub(super) fn last_shift(hours: &Hours, range: Range<usize>) -> Option<usize> {
    let levels = levels(hours, range.clone());
    let (mut from, mut last) = (0, None);
    while let Some(at) = best_split(&levels[from..]) {
        let (before, after) = levels[from..].split_at(at);
        from += at;
        if apart(before, after) {
            last = Some(range.start + from);
        }
    }
    last
}

/// The median of each hour less what its hour of the day usually adds to the median of its day.
fn levels(hours: &Hours, range: Range<usize>) -> Vec<f32> {
    let medians: Vec<f32> = range.map(|hour| median(hours.slots(hour, hour + 1))).collect();
    let of_days: Vec<f32> = medians.chunks(DAY_H).map(median).collect();
    let mut profile = [0.0; DAY_H];
    for (hour, add) in profile.iter_mut().enumerate() {
        let same_hour = medians.iter().skip(hour).step_by(DAY_H).zip(&of_days);
        let above: Vec<f32> = same_hour.map(|(hour, day)| hour - day).collect();
        *add = median(&above);
    }
    medians.iter().zip(profile.iter().cycle()).map(|(median, add)| median - add).collect()
}

/// The median of what is there; NaN when nothing is.
fn median(values: &[f32]) -> f32 {
    let mut present: Vec<f32> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    quantile(&mut present, 0.5).map_or(f32::NAN, |median| median as f32)
}

/// Whether two levels lie well apart.
fn apart(before: &[f32], after: &[f32]) -> bool {
    let (Some([before_low, before_high]), Some([after_low, after_high])) =
        (spread(before), spread(after))
    else {
        return false;
    };
    let gap = (after_low - before_high).max(before_low - after_high);
    let width = (before_high - before_low).max(after_high - after_low);
    gap > 0.0 && gap > GAP_MIN * width
}

/// The split with the largest difference of means for its lengths; `None` when all values are alike or too few.
fn best_split(levels: &[f32]) -> Option<usize> {
    let [low, high] = spread(levels)?;
    // Held at the quantiles, so that no single hour decides.
    let held =
        |level: &f32| if level.is_nan() { None } else { Some(f64::from(level.clamp(low, high))) };
    let total: f64 = levels.iter().filter_map(held).sum();
    let count = levels.iter().filter_map(held).count() as f64;
    let (mut sum, mut seen) = (0.0, 0.0);
    let mut best = (0.0, None);
    for (index, level) in levels.iter().enumerate() {
        let enough = index >= BEFORE_H_MIN && index + AFTER_H_MIN <= levels.len();
        if enough && seen > 0.0 && seen < count {
            let difference: f64 = sum / seen - (total - sum) / (count - seen);
            let weight = difference.powi(2) * seen * (count - seen);
            if weight > best.0 {
                best = (weight, Some(index));
            }
        }
        if let Some(level) = held(level) {
            sum += level;
            seen += 1.0;
        }
    }
    best.1
}

/// The quantiles of [`HELD`]; `None` without a value.
fn spread(levels: &[f32]) -> Option<[f32; 2]> {
    let mut present: Vec<f32> = levels.iter().copied().filter(|level| !level.is_nan()).collect();
    Some(quantiles(&mut present, HELD)?.map(|value| value as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Series;

    /// Hourly values from a rule, at a midnight.
    fn hours(count: usize, value: impl Fn(usize) -> f32) -> Hours {
        let values = (0..count).map(value).collect();
        let series = Series { start_s: 1_700_006_400, step_s: 3_600, values };
        Hours::of(&series).expect("the grid fits")
    }

    /// A fixed sequence without rhythm, within 0–1.
    fn noise(hour: usize) -> f32 {
        ((hour * hour) as f64 * std::f64::consts::SQRT_2).fract() as f32
    }

    fn working_day(hour: usize) -> f32 {
        if (8..18).contains(&(hour % 24)) { 20.0 } else { 0.0 }
    }

    #[test]
    fn only_a_lasting_and_clear_change_is_a_shift() {
        const DAYS: usize = 20 * 24;
        let cases: [(&str, Hours, Option<usize>); 9] = [
            ("none", hours(DAYS, noise), None),
            ("constant", hours(DAYS, |_| 3.0), None),
            ("up", hours(DAYS, |h| noise(h) + if h < 200 { 0.0 } else { 9.0 }), Some(200)),
            ("down", hours(DAYS, |h| noise(h) + if h < 200 { 9.0 } else { 0.0 }), Some(200)),
            ("too small", hours(DAYS, |h| noise(h) + if h < 200 { 0.0 } else { 1.2 }), None),
            ("too young", hours(DAYS, |h| noise(h) + if h < 420 { 0.0 } else { 9.0 }), None),
            ("one spike", hours(DAYS, |h| noise(h) + if h == 300 { 1e6 } else { 0.0 }), None),
            ("drift", hours(DAYS, |h| h as f32), None),
            (
                "under a rhythm",
                hours(DAYS, |h| working_day(h) + noise(h) + if h < 200 { 0.0 } else { 9.0 }),
                Some(200),
            ),
        ];
        for (name, hours, expect) in cases {
            assert_eq!(last_shift(&hours, 0..hours.len()), expect, "{name}");
        }
    }

    #[test]
    fn the_last_of_two_shifts_counts() {
        let steps = hours(30 * 24, |h| noise(h) + (h / 240) as f32 * 20.0);
        assert_eq!(last_shift(&steps, 0..steps.len()), Some(480));
    }

    #[test]
    fn a_gap_is_no_level() {
        let gapped = hours(20 * 24, |h| if (100..300).contains(&h) { f32::NAN } else { noise(h) });
        assert_eq!(last_shift(&gapped, 0..gapped.len()), None);
    }
}
