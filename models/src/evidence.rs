//! What a series contributes to a decision, stated so that a person and the gate can judge it.
//!
//! Not here: the rules by which evidence suffices (`trimtab-policies`).

use jiff::Timestamp;

use crate::{metric::Measure, quantile::quantiles, recommendation::SeriesEvidence, series::Series};

/// A stretch of time, seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Its first second.
    pub from_s: i64,
    /// The second after its last.
    pub until_s: i64,
}

impl Interval {
    /// Its length, seconds; 0 when it ends before it begins.
    #[must_use]
    pub fn length_s(self) -> i64 {
        (self.until_s - self.from_s).max(0)
    }

    /// What both have in common.
    #[must_use]
    pub fn common(self, other: Self) -> Self {
        Self { from_s: self.from_s.max(other.from_s), until_s: self.until_s.min(other.until_s) }
    }
}

/// Points present ÷ slots in which the resource was observed running, 0–1; 0 when it never ran.
///
/// `series` is cut to the look-back. Points outside the running time count against nothing and for nothing.
#[must_use]
pub fn coverage_ratio(series: &Series, running: &[Interval]) -> f64 {
    let step = i64::from(series.step_s);
    if step == 0 {
        return 0.0;
    }
    // A slot counts when it begins within a running stretch, so that points and slots are counted by one rule.
    let slots: i64 = running
        .iter()
        .map(|stretch| {
            let begins = |time_s: i64| (time_s - series.start_s + step - 1).div_euclid(step);
            (begins(stretch.until_s) - begins(stretch.from_s)).max(0)
        })
        .sum();
    let inside =
        |time_s: i64| running.iter().any(|one| (one.from_s..one.until_s).contains(&time_s));
    let points = series.present().filter(|(time_s, _)| inside(*time_s)).count();
    if slots == 0 { 0.0 } else { (points as f64 / slots as f64).min(1.0) }
}

/// States one series; `coverage_ratio` comes from [`coverage_ratio`] or, for functions, from their invocations.
#[must_use]
pub fn series_evidence(
    measure: Measure,
    series: &Series,
    decisive: bool,
    coverage_ratio: f64,
) -> SeriesEvidence {
    let mut numbers = series.numbers();
    let points = u64::try_from(numbers.len()).unwrap_or(u64::MAX);
    let figures = quantiles(&mut numbers, [0.5, 0.95, 0.995, 1.0]);
    let oldest_s = series.present().next().map(|(time_s, _)| time_s);
    let at = |time_s: i64| Timestamp::from_second(time_s).ok();
    SeriesEvidence {
        measure,
        decisive,
        points,
        coverage_ratio,
        oldest_at: oldest_s.and_then(at),
        newest_at: series.newest_s().and_then(at),
        step_s: series.step_s,
        p50: figures.map(|[p50, ..]| p50),
        p95: figures.map(|[_, p95, ..]| p95),
        p99_5: figures.map(|[_, _, p99_5, _]| p99_5),
        max: figures.map(|[.., max]| max),
        flat_zero: series.is_flat_zero(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f32]) -> Series {
        Series { start_s: 3_000, step_s: 300, values: values.to_vec() }
    }

    #[test]
    fn coverage_counts_running_time_only() {
        let gap = f32::NAN;
        type Case<'a> = (&'a [f32], &'a [(i64, i64)], f64);
        let cases: [Case<'_>; 6] = [
            (&[1.0, 1.0, 1.0, 1.0], &[(3_000, 4_200)], 1.0),
            (&[1.0, gap, 1.0, 1.0], &[(3_000, 4_200)], 0.75),
            (&[1.0, gap, gap, 1.0], &[(3_000, 3_300), (3_900, 4_200)], 1.0),
            (&[1.0, 1.0], &[(0, 6_000)], 0.1),
            (&[1.0, 1.0], &[], 0.0),
            (&[], &[(3_000, 4_200)], 0.0),
        ];
        for (values, running, expect) in cases {
            let running: Vec<Interval> = running
                .iter()
                .map(|(from_s, until_s)| Interval { from_s: *from_s, until_s: *until_s })
                .collect();
            let found = coverage_ratio(&series(values), &running);
            assert!((found - expect).abs() < 1e-12, "{values:?} over {running:?}: {found}");
        }
    }

    #[test]
    fn absence_is_told_from_zero() {
        assert!(series(&[0.0, f32::NAN, 0.0]).is_flat_zero());
        assert!(!series(&[f32::NAN]).is_flat_zero());
        assert!(!series(&[]).is_flat_zero());
        assert!(!series(&[0.0, 0.1]).is_flat_zero());
    }
}
