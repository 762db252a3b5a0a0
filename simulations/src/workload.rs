//! What a resource is asked to do over time: a random-access function of seed and time.
//!
//! Demand does not know the resource's size; dividing by the capacity is the world's job.

use serde::{Deserialize, Serialize};

use crate::noise::{bell, unit};

/// A demand curve. All levels are ratios of the capacity that the resource had at first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Workload {
    /// Level of the quietest hour.
    pub base_ratio: f64,
    /// What the busiest hour adds.
    pub day_ratio: f64,
    /// The busiest hour, UTC.
    pub peak_hour: f64,
    /// What a weekend day is multiplied by.
    pub weekend_factor: f64,
    /// Standard deviation of the noise, as a ratio of the level.
    pub noise_ratio: f64,
    /// Share of hours with a burst of 5 to 15 minutes.
    pub burst_share: f64,
    /// Height of a burst.
    pub burst_ratio: f64,
    /// Growth a day.
    pub trend_ratio_per_day: f64,
    /// Height of a nightly batch job from 02:00 to 03:00 UTC.
    pub batch_ratio: f64,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            base_ratio: 0.1,
            day_ratio: 0.1,
            peak_hour: 14.0,
            weekend_factor: 1.0,
            noise_ratio: 0.08,
            burst_share: 0.0,
            burst_ratio: 0.0,
            trend_ratio_per_day: 0.0,
            batch_ratio: 0.0,
        }
    }
}

/// A workload bound to its randomness and its origin in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// The curve.
    pub workload: Workload,
    /// The random stream.
    pub stream: u64,
    /// Where the trend is 0, seconds since the epoch.
    pub origin_s: i64,
}

impl Demand {
    /// Demand in the slot that begins at `second`, as a ratio of the first capacity; never negative.
    #[must_use]
    pub fn at(&self, second: i64) -> f64 {
        let load = &self.workload;
        let hour = second.rem_euclid(86_400) as f64 / 3600.0;
        // 1970-01-01 was a Thursday: days 2 and 3 after it are the weekend.
        let day = second.div_euclid(86_400);
        let weekend = matches!(day.rem_euclid(7), 2 | 3);
        let shape = 0.5 + 0.5 * fast_cos((hour - load.peak_hour) / 24.0);
        let mut level = load.base_ratio + load.day_ratio * shape * shape;
        if weekend {
            level *= load.weekend_factor;
        }
        level += load.trend_ratio_per_day * (second - self.origin_s) as f64 / 86_400.0;
        if load.batch_ratio > 0.0 && (2.0..3.0).contains(&hour) {
            level += load.batch_ratio;
        }
        let slot = second.div_euclid(300).unsigned_abs();
        level *= 1.0 + load.noise_ratio * bell(self.stream, slot);
        if load.burst_share > 0.0 {
            level += self.burst(second);
        }
        level.max(0.0)
    }

    fn burst(&self, second: i64) -> f64 {
        let hour_index = second.div_euclid(3600).unsigned_abs();
        let stream = self.stream ^ 0xB0B0;
        if unit(stream, hour_index) >= self.workload.burst_share {
            return 0.0;
        }
        let begin = (unit(stream ^ 1, hour_index) * 9.0) as i64 * 300;
        let slots = 1 + (unit(stream ^ 2, hour_index) * 3.0) as i64;
        let offset = second.rem_euclid(3600) - begin;
        if (0..slots * 300).contains(&offset) { self.workload.burst_ratio } else { 0.0 }
    }

    /// The highest single minute of the slot, as a multiple of its mean.
    #[must_use]
    pub fn peak_factor(&self, second: i64) -> f64 {
        1.05 + 0.35 * unit(self.stream ^ 0x77, second.div_euclid(300).unsigned_abs())
    }
}

/// cos(2πx) by a parabola with a correction (error below 0.001): a metric is computed millions of times.
fn fast_cos(turns: f64) -> f64 {
    let x = turns - turns.floor();
    let y = 1.0 - 4.0 * (x - 0.5).abs();
    let parabola = y * (2.0 - y.abs());
    -(0.775 * parabola + 0.225 * parabola * parabola.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_cosine_is_a_cosine() {
        for step in -200..200 {
            let turns = f64::from(step) / 50.0;
            let exact = (turns * std::f64::consts::TAU).cos();
            assert!(
                (fast_cos(turns) - exact).abs() < 0.002,
                "{turns}: {} vs {exact}",
                fast_cos(turns)
            );
        }
    }

    #[test]
    fn the_peak_is_at_the_peak_hour_and_weekends_are_quieter() {
        let workload = Workload {
            noise_ratio: 0.0,
            weekend_factor: 0.3,
            day_ratio: 0.5,
            ..Workload::default()
        };
        let demand = Demand { workload, stream: 1, origin_s: 0 };
        // 2026-03-02 is a Monday.
        let monday = 1_772_409_600;
        let peak = demand.at(monday + 14 * 3600);
        assert!((0..24).all(|hour| demand.at(monday + hour * 3600) <= peak + 1e-9));
        assert!(demand.at(monday + 5 * 86_400 + 14 * 3600) < 0.5 * peak, "Saturday");
    }
}
