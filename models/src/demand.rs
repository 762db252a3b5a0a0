//! What usage demands: the figures of a series that a capacity is held against.
//!
//! Gaps are left out, never read as zero. Not here: capacities and the room above the demand (`sizing`).

use std::collections::BTreeMap;

use crate::{
    metric::{Measure, Metric, Statistic},
    quantile::quantile,
    season::HOUR_S,
    series::Series,
};

/// CPU at and above this, percent, is all that there is: what was wanted beyond it cannot be seen.
pub const SATURATED_PERCENT: f32 = 99.0;

/// The quantile `q` of the points; `None` without points.
#[must_use]
pub fn at_quantile(series: &Series, q: f64) -> Option<f64> {
    quantile(&mut series.numbers(), q)
}

/// The largest point; `None` without points.
#[must_use]
pub fn highest(series: &Series) -> Option<f64> {
    series.present().map(|(_, value)| f64::from(value)).max_by(f64::total_cmp)
}

/// The mean of the points; `None` without points.
#[must_use]
pub fn mean(series: &Series) -> Option<f64> {
    let (sum, count) = series
        .present()
        .fold((0.0, 0.0), |(sum, count), (_, value)| (sum + f64::from(value), count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// Share of the points at or above [`SATURATED_PERCENT`]; 0 without points.
#[must_use]
pub fn saturated_ratio(series: &Series) -> f64 {
    let points = series.points();
    let full = series.present().filter(|(_, value)| *value >= SATURATED_PERCENT).count();
    if points == 0 { 0.0 } else { full as f64 / points as f64 }
}

/// A counter's sums as rates, per second, slot by slot.
pub fn rates(series: &Series) -> impl Iterator<Item = (i64, f64)> + '_ {
    let step_s = f64::from(series.step_s);
    series.present().map(move |(time_s, value)| (time_s, f64::from(value) / step_s))
}

/// The sum of several counters, slot by slot, where all of them have a point; `None` when one has no points at all
/// or they lie on different grids.
#[must_use]
pub fn total(seen: &BTreeMap<Measure, Series>, metrics: &[Metric]) -> Option<Series> {
    let series: Vec<&Series> = metrics
        .iter()
        .map(|metric| seen.get(&Measure { metric: *metric, statistic: Statistic::Sum }))
        .collect::<Option<_>>()?;
    let (first, others) = series.split_first()?;
    let fits = |other: &&Series| {
        other.step_s == first.step_s
            && first.step_s > 0
            && (other.start_s - first.start_s) % i64::from(first.step_s) == 0
    };
    if !others.iter().all(fits) {
        return None;
    }
    let at = |(index, value): (usize, &f32)| {
        let time_s = first.time_s(index);
        others.iter().fold(*value, |sum, other| sum + other.at(time_s).unwrap_or(f32::NAN))
    };
    let values: Vec<f32> = first.values.iter().enumerate().map(at).collect();
    let there = values.iter().any(|value| !value.is_nan());
    there.then_some(Series { start_s: first.start_s, step_s: first.step_s, values })
}

/// The sums of a counter over whole hours of the clock, of what was seen of each; ascending by hour.
#[must_use]
pub fn hourly_sums(series: &Series) -> BTreeMap<i64, f64> {
    let mut sums = BTreeMap::new();
    for (time_s, value) in series.present() {
        *sums.entry(time_s.div_euclid(HOUR_S)).or_default() += f64::from(value);
    }
    sums
}

/// The highest points of whole hours of the clock; ascending by hour.
#[must_use]
pub fn hourly_highest(points: &[(i64, f64)]) -> Vec<f64> {
    let mut highest: BTreeMap<i64, f64> = BTreeMap::new();
    for (time_s, value) in points {
        let hour = highest.entry(time_s.div_euclid(HOUR_S)).or_insert(*value);
        *hour = hour.max(*value);
    }
    highest.into_values().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(step_s: u32, values: &[f32]) -> Series {
        Series { start_s: 0, step_s, values: values.to_vec() }
    }

    #[test]
    fn totals_need_every_part() {
        let both = [Metric::VolumeReadOps, Metric::VolumeWriteOps];
        let measure = |metric| Measure { metric, statistic: Statistic::Sum };
        let mut seen = BTreeMap::new();
        seen.insert(measure(both[0]), series(300, &[1.0, 2.0, f32::NAN]));
        assert_eq!(total(&seen, &both), None, "writes were not seen");
        seen.insert(measure(both[1]), series(300, &[3.0, f32::NAN, 4.0]));
        let sum = total(&seen, &both).expect("one slot has both");
        assert_eq!(sum.numbers(), [4.0], "a gap of either is a gap");
    }

    proptest! {
        #[test]
        fn gaps_change_nothing(values in prop::collection::vec((0.0_f32..100.0, any::<bool>()), 1..300)) {
            let gapped: Vec<f32> =
                values.iter().map(|(value, there)| if *there { *value } else { f32::NAN }).collect();
            let dropped: Vec<f32> =
                values.iter().filter(|(_, there)| *there).map(|(value, _)| *value).collect();
            let (gapped, dropped) = (series(300, &gapped), series(300, &dropped));
            prop_assert_eq!(at_quantile(&gapped, 0.995), at_quantile(&dropped, 0.995));
            prop_assert_eq!(highest(&gapped), highest(&dropped));
            prop_assert_eq!(mean(&gapped), mean(&dropped));
            prop_assert!((saturated_ratio(&gapped) - saturated_ratio(&dropped)).abs() < 1e-12);
        }
    }
}
