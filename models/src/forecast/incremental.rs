//! Follows a forecast hour by hour between two full fits, for the watch and the charts.
//!
//! Not here: decisions, which rest on a full fit of the stored window.

use super::{Forecast, HOUR_STEP_S, Quantiles};
use crate::quantile::quantile;

/// Hours whose points say by how much the series is off now; as for the bank's own offset, enough for a median.
const OFFSET_H: usize = 2;

/// Hours after which the offset has fallen to a third (1/e); as for the bank's own offset.
const DECAY_H: f32 = 3.0;

/// The share of points that may exceed the 0.95 quantile.
const MISSES_ASKED: f32 = 0.05;

/// How far an hour above the 0.95 quantile throughout lifts it, in distances of that quantile from the median: an eighth,
/// so that a night of it doubles the distance and a calm week takes it back.
const LIFT_STEP: f32 = 0.125;

/// A forecast as of the newest hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Incremental {
    /// The first hour ahead, seconds since the epoch.
    next_s: i64,
    /// The steps of the full fit that are still ahead, the next one last.
    ahead: Vec<Quantiles>,
    /// What the points of the last hours differ by from the median forecast for them, oldest hour first.
    differences: Vec<Vec<f32>>,
    /// By how much the series is off now, in its unit.
    offset: f32,
    /// By how much the upper quantiles are lifted, in distances of the 0.95 quantile from the median.
    lift: f32,
    /// What no step falls below.
    floor: f32,
    judged: u32,
    missed: u32,
}

impl Incremental {
    /// Starts at a full fit.
    #[must_use]
    pub fn of(forecast: &Forecast) -> Self {
        Self::at(forecast.from_s, &forecast.steps)
    }

    /// Starts at the steps of a full fit, of which the first begins at `from_s`, seconds since the epoch.
    pub(super) fn at(from_s: i64, steps: &[Quantiles]) -> Self {
        let negative = steps.iter().any(|step| step.p10 < 0.0);
        Self {
            next_s: from_s,
            ahead: steps.iter().rev().copied().collect(),
            differences: Vec::with_capacity(OFFSET_H),
            offset: 0.0,
            lift: 0.0,
            floor: if negative { f32::MIN } else { 0.0 },
            judged: 0,
            missed: 0,
        }
    }

    /// Takes in the points of the next hour; NaN and infinities are gaps, and so is an hour without points.
    ///
    /// Returns whether there was a step for it: after seven days only a full fit goes on.
    pub fn update(&mut self, hour_of_points: &[f32]) -> bool {
        let (Some(stated), Some(base)) = (self.step(0), self.ahead.pop()) else {
            return false;
        };
        self.next_s += i64::from(HOUR_STEP_S);
        let present = || hour_of_points.iter().filter(|point| point.is_finite());
        let points = present().count();
        self.differences.push(present().map(|point| point - base.p50).collect());
        if self.differences.len() > OFFSET_H {
            self.differences.remove(0);
        }
        let mut recent: Vec<f32> = self.differences.iter().flatten().copied().collect();
        self.offset = quantile(&mut recent, 0.5).map_or(0.0, |median| median as f32);
        if points > 0 {
            let missed = present().filter(|point| **point > stated.p95).count();
            self.lift += LIFT_STEP * (missed as f32 / points as f32 - MISSES_ASKED);
            self.lift = self.lift.max(0.0);
            self.judged += u32::try_from(points).unwrap_or(u32::MAX);
            self.missed += u32::try_from(missed).unwrap_or(u32::MAX);
        }
        true
    }

    /// The first hour ahead, seconds since the epoch.
    #[must_use]
    pub const fn next_s(&self) -> i64 {
        self.next_s
    }

    /// The quantiles of the hours ahead: those of the full fit, moved by what the last hours were off, which decays, and
    /// with the upper ones lifted by what was missed.
    #[must_use]
    pub fn steps(&self) -> Vec<Quantiles> {
        (0..self.ahead.len()).filter_map(|hour| self.step(hour)).collect()
    }

    /// Share of the points since the full fit above the 0.95 quantile that was stated for them an hour before; `None`
    /// without points.
    #[must_use]
    pub fn misses(&self) -> Option<f64> {
        (self.judged > 0).then(|| f64::from(self.missed) / f64::from(self.judged))
    }

    /// The quantiles of the hour that comes after `hour` others.
    fn step(&self, hour: usize) -> Option<Quantiles> {
        let base = self.ahead.get(self.ahead.len().checked_sub(hour + 1)?)?;
        let moved = self.offset * (-(hour as f32 + 1.0) / DECAY_H).exp();
        let lifted = self.lift * (base.p95 - base.p50);
        let at = |value: f32, lifted: f32| (value + moved + lifted).max(self.floor);
        let p90 = at(base.p90, 0.0);
        Some(Quantiles {
            p10: at(base.p10, 0.0),
            p50: at(base.p50, 0.0),
            p90,
            p95: at(base.p95, lifted),
            p99: at(base.p99, lifted),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Forecast, History},
        *,
    };

    /// A forecast of 10 with quantiles at 8, 10, 12, 14 and 16 for three hours.
    fn forecast() -> Forecast {
        let step = Quantiles { p10: 8.0, p50: 10.0, p90: 12.0, p95: 14.0, p99: 16.0 };
        Forecast {
            from_s: 7_200,
            step_s: HOUR_STEP_S,
            steps: vec![step; 3],
            seasons: Vec::new(),
            weights: Vec::new(),
            calibration_misses: None,
            history: History {
                from_s: 0,
                shifted_at_s: None,
                clock_change: None,
                trend_per_day: None,
                outliers: 0,
                gaps_ratio: 0.0,
            },
        }
    }

    fn medians(state: &Incremental) -> Vec<f32> {
        state.steps().iter().map(|step| step.p50).collect()
    }

    #[test]
    fn what_was_as_forecast_changes_nothing_but_the_time() {
        let mut state = Incremental::of(&forecast());
        assert!(state.update(&[10.0; 12]));
        assert_eq!((state.next_s(), state.misses()), (10_800, Some(0.0)));
        assert_eq!(state.steps(), forecast().steps[1..]);
    }

    #[test]
    fn an_offset_decays_by_hand() {
        let mut state = Incremental::of(&forecast());
        state.update(&[13.0; 12]);
        // 3 above: 3 / e^(1/3) = 2.149 in an hour and 3 / e^(2/3) = 1.540 in two.
        let found = medians(&state);
        assert!((found[0] - 12.149).abs() < 1e-3 && (found[1] - 11.540).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn misses_lift_the_upper_quantiles() {
        let mut state = Incremental::of(&forecast());
        state.update(&[20.0; 12]);
        assert_eq!(state.misses(), Some(1.0));
        let step = state.steps()[0];
        // 0.125 x 0.95 of the distance of 4, besides the offset of 10 / e^(1/3).
        assert!((step.p95 - step.p50 - 4.475).abs() < 1e-3, "{step:?}");
        assert!((step.p90 - step.p50 - 2.0).abs() < 1e-3, "{step:?}");
    }

    #[test]
    fn gaps_are_not_judged_and_the_end_is_told() {
        let mut state = Incremental::of(&forecast());
        assert!(
            state.update(&[f32::NAN; 12]) && state.update(&[]) && state.update(&[f32::INFINITY])
        );
        assert_eq!((state.misses(), state.steps()), (None, Vec::new()));
        assert!(!state.update(&[10.0]), "only a full fit goes on");
    }
}
