//! Which calendar seasons a series has: hour, half day, day and week.
//!
//! Only these four periods are tested, because load follows the calendar, and a free search for periods finds
//! 256 where 288 is meant. Not here: forecasts that use the seasons (`forecast`).

use crate::{recommendation::SeasonSeen, series::Series};

/// Seconds of an hour.
pub(crate) const HOUR_S: i64 = 3_600;

/// The least autocorrelation that makes a season; below it a season explains less than a tenth of the variance.
const CORRELATION_MIN: f64 = 0.3;

/// Standard errors by which a short series must exceed zero: the bar falls as more cycles are seen.
const STANDARD_ERRORS: f64 = 3.0;

/// How far the correlation at the period must stand above that at a rival lag, so that slow drift, which
/// correlates at every lag, and harmonics of a shorter season do not pass for a season.
const STAND_OUT: f64 = 0.05;

/// A period that is tested, with the lag whose correlation it must exceed, both in hours.
const PERIODS_H: [(usize, usize); 3] = [(12, 6), (24, 12), (168, 144)];

/// Slots from which an hour has a shape that can return.
const SHAPE_SLOTS: usize = 4;

/// A series cut into whole hours since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct Hours {
    /// The first hour, counted since the epoch.
    pub first: i64,
    /// Slots in an hour.
    pub per_hour: usize,
    /// The slots of all hours, `per_hour` for each; NaN marks a gap.
    pub values: Vec<f32>,
    /// The mean of each hour; NaN where it has no value.
    pub means: Vec<f32>,
}

impl Hours {
    /// Cuts a series; hours at the ends that it covers in part are filled up with gaps, and infinities are gaps.
    ///
    /// `None` when an hour is not a whole number of steps, or the slots are not aligned with it.
    #[must_use]
    pub fn of(series: &Series) -> Option<Self> {
        let step_s = i64::from(series.step_s);
        let aligned = step_s > 0 && HOUR_S % step_s == 0 && series.start_s % step_s == 0;
        let present = series.values.iter().position(|value| value.is_finite());
        let (true, Some(begin)) = (aligned, present) else {
            return None;
        };
        let end = series.values.iter().rposition(|value| value.is_finite())? + 1;
        let per_hour = usize::try_from(HOUR_S / step_s).ok()?;
        let start_s = series.time_s(begin);
        let first = start_s.div_euclid(HOUR_S);
        let missing = usize::try_from(start_s.rem_euclid(HOUR_S) / step_s).ok()?;
        let mut values = vec![f32::NAN; missing];
        let known = |value: &f32| if value.is_finite() { *value } else { f32::NAN };
        values.extend(series.values[begin..end].iter().map(known));
        values.resize(values.len().div_ceil(per_hour) * per_hour, f32::NAN);
        let means = values.chunks_exact(per_hour).map(mean).collect();
        Some(Self { first, per_hour, values, means })
    }

    /// How many hours there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.means.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.means.is_empty()
    }

    /// The slots of the hours `from..until`, counted from the first.
    #[must_use]
    pub fn slots(&self, from: usize, until: usize) -> &[f32] {
        &self.values[from * self.per_hour..until * self.per_hour]
    }
}

/// The mean of what is there; NaN when nothing is.
fn mean(values: &[f32]) -> f32 {
    let (sum, count) = values
        .iter()
        .filter(|value| !value.is_nan())
        .fold((0.0_f64, 0_u32), |(sum, count), value| (sum + f64::from(*value), count + 1));
    if count == 0 { f32::NAN } else { (sum / f64::from(count)) as f32 }
}

/// The seasons of a series, shortest first; each was seen at least twice.
#[must_use]
pub fn seasons(hours: &Hours) -> Vec<SeasonSeen> {
    let mut found = Vec::new();
    // The hour itself shows only in the slots, and only where an hour has enough of them to have a shape.
    if hours.per_hour >= SHAPE_SLOTS
        && stands_out(&hours.values, hours.per_hour, hours.per_hour / 2)
    {
        found.push(seen(1, hours.len()));
    }
    for (period_h, rival_h) in PERIODS_H {
        if stands_out(&hours.means, period_h, rival_h) {
            found.push(seen(period_h, hours.len()));
        }
    }
    found
}

/// The periods that [`seasons`] tests in a history of this length, hours, shortest first.
pub(crate) fn tested_h(hours: &Hours) -> Vec<u32> {
    let hour = (hours.per_hour >= SHAPE_SLOTS && hours.len() >= 2).then_some(1);
    let longer = PERIODS_H.iter().map(|(period_h, _)| *period_h);
    let long_enough = longer.filter(|period_h| hours.len() >= 2 * period_h);
    hour.into_iter()
        .chain(long_enough)
        .filter_map(|period_h| u32::try_from(period_h).ok())
        .collect()
}

fn seen(period_h: usize, hours: usize) -> SeasonSeen {
    let count = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    SeasonSeen { period_h: count(period_h), times_seen: count(hours / period_h) }
}

/// Whether the correlation at `period` is high for the number of pairs and above that at `rival`.
fn stands_out(values: &[f32], period: usize, rival: usize) -> bool {
    if values.len() < 2 * period {
        return false;
    }
    let centred = Centred::of(values);
    let (Some((at_period, pairs)), Some((at_rival, _))) =
        (centred.correlation(period), centred.correlation(rival))
    else {
        return false;
    };
    let bar = CORRELATION_MIN.max(STANDARD_ERRORS / (pairs as f64).sqrt());
    at_period >= bar && at_period >= at_rival + STAND_OUT
}

/// Values around their mean, gaps as gaps.
struct Centred {
    values: Vec<f32>,
    variance: f64,
}

impl Centred {
    fn of(values: &[f32]) -> Self {
        let middle = mean(values);
        let values: Vec<f32> = values.iter().map(|value| value - middle).collect();
        let (sum, count) = values
            .iter()
            .filter(|value| !value.is_nan())
            .fold((0.0_f64, 0.0_f64), |(sum, count), value| {
                (sum + f64::from(*value).powi(2), count + 1.0)
            });
        Self { values, variance: if count > 0.0 { sum / count } else { 0.0 } }
    }

    /// The autocorrelation at `lag` over the pairs that are both there, and how many; `None` without any or without
    /// variance.
    fn correlation(&self, lag: usize) -> Option<(f64, usize)> {
        let later = self.values.get(lag..)?;
        let (mut sum, mut pairs) = (0.0_f32, 0_usize);
        let mut total = 0.0_f64;
        // Sums of a chunk in single precision, chunks in double: fast, and exact enough for a share.
        for (early, late) in self.values.chunks(64).zip(later.chunks(64)) {
            for (one, other) in early.iter().zip(late) {
                let product = one * other;
                let there = !product.is_nan();
                sum += if there { product } else { 0.0 };
                pairs += usize::from(there);
            }
            total += f64::from(sum);
            sum = 0.0;
        }
        (pairs > 0 && self.variance > 0.0).then(|| (total / pairs as f64 / self.variance, pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_S: u32 = 300;

    fn series(days: usize, value: impl Fn(f64) -> f64) -> Series {
        let values = (0..days * 288).map(|slot| value(slot as f64 / 12.0) as f32).collect();
        Series { start_s: 1_700_006_400, step_s: STEP_S, values }
    }

    fn wave(hour: f64, period_h: f64) -> f64 {
        (std::f64::consts::TAU * hour / period_h).sin()
    }

    /// A fixed sequence without any period: the fractional part of a quadratic irrational walk.
    fn noise(hour: f64) -> f64 {
        let slot = (hour * 12.0).round();
        (slot * slot * std::f64::consts::SQRT_2).fract() - 0.5
    }

    fn periods(series: &Series) -> Vec<u32> {
        let hours = Hours::of(series).expect("the series is aligned");
        seasons(&hours).iter().map(|season| season.period_h).collect()
    }

    #[test]
    fn finds_what_is_there_and_nothing_else() {
        let cases: [(&str, Series, &[u32]); 6] = [
            ("a day", series(14, |h| wave(h, 24.0) + noise(h)), &[24]),
            ("a week", series(28, |h| wave(h, 168.0) + noise(h)), &[168]),
            ("half a day", series(14, |h| wave(h, 12.0) + noise(h)), &[12]),
            ("an hour", series(14, |h| wave(h, 1.0) + noise(h)), &[1]),
            ("noise", series(14, noise), &[]),
            ("drift", series(14, |h| h + noise(h)), &[]),
        ];
        for (name, series, expect) in cases {
            assert_eq!(periods(&series), expect, "{name}");
        }
    }

    #[test]
    fn what_is_tested_depends_on_the_length() {
        type Case<'a> = (usize, u32, &'a [u32]);
        let cases: [Case<'_>; 5] = [
            (1, 300, &[1, 12]),
            (2, 300, &[1, 12, 24]),
            (13, 300, &[1, 12, 24]),
            (14, 300, &[1, 12, 24, 168]),
            (14, 3_600, &[12, 24, 168]),
        ];
        for (days, step_s, expect) in cases {
            let slots = days * 86_400 / step_s as usize;
            let hours = Hours::of(&Series { start_s: 0, step_s, values: vec![1.0; slots] });
            assert_eq!(tested_h(&hours.expect("the series is aligned")), expect, "{days} {step_s}");
        }
    }

    #[test]
    fn a_week_needs_two_weeks() {
        assert!(periods(&series(13, |h| wave(h, 168.0))).is_empty());
    }

    #[test]
    fn gaps_do_not_hide_a_season() {
        let mut series = series(14, |h| wave(h, 24.0) + 0.2 * noise(h));
        for value in series.values.iter_mut().skip(500).take(300) {
            *value = f32::NAN;
        }
        assert_eq!(periods(&series), [24]);
    }

    #[test]
    fn hours_begin_on_the_hour() {
        let series = Series {
            start_s: 1_700_006_400 + 1_500,
            step_s: STEP_S,
            values: (0..20_u8).map(f32::from).collect(),
        };
        let hours = Hours::of(&series).expect("the series is aligned");
        assert_eq!((hours.len(), hours.values.len()), (3, 36));
        assert!(hours.values[4].is_nan() && hours.values[5].abs() < 1e-9);
        assert!((hours.means[0] - 3.0).abs() < 1e-6, "the mean of 0 to 6");
        assert_eq!(Hours::of(&Series { start_s: 0, step_s: 420, values: vec![1.0] }), None);
        assert_eq!(Hours::of(&Series { start_s: 0, step_s: 300, values: vec![f32::NAN] }), None);
    }
}
