//! The day ahead slot by slot, for back-tests and charts that judge single points.
//!
//! Not here: the forecast that decisions rest on, which speaks of hours (`forecast`).

use super::{Quantiles, forecast};
use crate::series::Series;

/// Quantiles of one slot, ascending, in the series' unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlotQuantiles {
    /// The 0.025 quantile.
    pub q025: f32,
    /// The 0.10 quantile.
    pub q10: f32,
    /// The median.
    pub q50: f32,
    /// The 0.90 quantile.
    pub q90: f32,
    /// The 0.95 quantile.
    pub q95: f32,
    /// The 0.975 quantile.
    pub q975: f32,
    /// The 0.99 quantile.
    pub q99: f32,
}

/// The quantiles of the `horizon_slots` slots after the end of `series`, at most seven days of them.
///
/// `None` when the series is too short to forecast, or its grid does not fit whole hours.
#[must_use]
pub fn slot_quantiles(series: &Series, horizon_slots: usize) -> Option<Vec<SlotQuantiles>> {
    let found = forecast(series)?;
    let at = |slot: usize| {
        let time_s = series.end_s() + i64::try_from(slot).ok()? * i64::from(series.step_s);
        let hour = (time_s - found.from_s).div_euclid(i64::from(found.step_s)).max(0);
        let step = found.steps.get(usize::try_from(hour).ok()?)?;
        Some(SlotQuantiles::of(*step))
    };
    (0..horizon_slots).map(at).collect()
}

impl SlotQuantiles {
    /// The quantiles that an hour does not state are read off the straight line between its neighbours.
    fn of(step: Quantiles) -> Self {
        let Quantiles { p10, p50, p90, p95, p99 } = step;
        let q975 = p95 + (p99 - p95) * 0.625;
        Self { q025: p10, q10: p10, q50: p50, q90: p90, q95: p95, q975, q99: p99 }
    }
}
