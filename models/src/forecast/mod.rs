//! What a series will look like: quantiles for each hour ahead, from a small bank of forecasters.
//!
//! A forecast speaks of the *slots* in an hour (5-minute means, say), not of the mean of the hour: its 0.95 quantile is
//! exceeded by 5 % of the slots. Not here: which size serves it (`sizing`).

mod bank;
mod clock_change;
mod conformal;
mod fit;
mod follow;
mod fourier;
mod history;
mod hourly;
mod incremental;
mod level;
mod loss;
mod month_end;
mod naive;
mod ranked;
mod rows;
mod select;
mod shift;
mod time_of_day;
mod window;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::{
    bank::Forecaster,
    clock_change::ClockChange,
    follow::follow,
    history::History,
    incremental::Incremental,
    rows::{LEVELS, Quantiles, SlotQuantiles},
};
use self::{
    fit::Fit,
    window::{DAY_H, WEEK_H},
};
use crate::{
    metric::Measure,
    recommendation::{ForecastSeen, SeasonSeen},
    season::{self, HOUR_S, Hours},
    series::Series,
};

/// Seconds of a step.
const HOUR_STEP_S: u32 = 3_600;

/// A forecast of the hours after the newest point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The first hour ahead, seconds since the epoch.
    pub from_s: i64,
    /// The distance of two steps, seconds: an hour.
    pub step_s: u32,
    /// The quantiles of the slots in each hour ahead, for seven days; the first 24 are the day ahead.
    pub steps: Vec<Quantiles>,
    /// The cycles found and how often each was observed.
    pub seasons: Vec<SeasonSeen>,
    /// The forecasters with their weights, best first.
    pub weights: Vec<(Forecaster, f64)>,
    /// Share of the slots of the last days that exceeded the 0.95 quantile forecast for them a day ahead, before it was
    /// calibrated on them; 0.05 is right. `None` when the series is too short to tell.
    pub calibration_misses: Option<f64>,
    /// What was seen in the past besides seasons.
    pub history: History,
}

impl Forecast {
    /// The steps of the day ahead.
    #[must_use]
    pub fn day(&self) -> &[Quantiles] {
        &self.steps[..self.steps.len().min(DAY_H)]
    }

    /// The median of each step.
    pub fn median(&self) -> impl Iterator<Item = f32> + '_ {
        self.steps.iter().map(|step| step.p50)
    }
}

/// A forecast with the series that it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesForecast {
    /// Of which metric and statistic.
    pub measure: Measure,
    /// The forecast.
    pub forecast: Forecast,
}

/// Quiet hours that are told: a day's worth, of which windows leave some.
const QUIET_HOURS: usize = 24;

impl SeriesForecast {
    /// The forecast as evidence; `None` when its times are out of range.
    #[must_use]
    pub fn seen(&self) -> Option<ForecastSeen> {
        let Forecast { from_s, steps, weights, calibration_misses, history, .. } = &self.forecast;
        let highest = steps.iter().copied().reduce(Quantiles::highest)?;
        Some(ForecastSeen {
            measure: self.measure,
            from: Timestamp::from_second(*from_s).ok()?,
            day: self.forecast.day().to_vec(),
            week_highest: highest,
            week: steps.clone(),
            quiet_hours: quiet_hours(*from_s, steps)?,
            weights: weights.clone(),
            calibration_misses: *calibration_misses,
            history: history.clone(),
        })
    }
}

/// The hours whose median is lowest, the lowest first; `None` when their times are out of range.
fn quiet_hours(from_s: i64, steps: &[Quantiles]) -> Option<Vec<Timestamp>> {
    let at = |hour: usize| {
        let after_s = i64::try_from(hour).ok()? * HOUR_S;
        Timestamp::from_second(from_s.checked_add(after_s)?).ok()
    };
    let mut hours: Vec<usize> = (0..steps.len()).collect();
    hours.sort_by(|one, other| steps[*one].p50.total_cmp(&steps[*other].p50).then(one.cmp(other)));
    hours.into_iter().take(QUIET_HOURS).map(at).collect()
}

/// The periods that a series is long enough to be tested for, hours, shortest first; empty when its grid does not fit hours.
#[must_use]
pub fn tested_h(series: &Series) -> Vec<u32> {
    let Some(hours) = Hours::of(series) else { return Vec::new() };
    let mut found = season::tested_h(&hours);
    found.extend(month_end::is_tested(&hours).then_some(month_end::MONTH_H));
    found
}

/// Forecasts a series for a day and a week; `None` when it covers less than two days or its grid does not fit hours.
#[must_use]
pub fn forecast(series: &Series) -> Option<Forecast> {
    let fit = Fit::of(series, WEEK_H)?;
    Some(Forecast {
        from_s: fit.from_s,
        step_s: HOUR_STEP_S,
        steps: hourly::hours(&fit.rows, fit.per_hour),
        weights: fit.weights,
        calibration_misses: fit.calibration_misses,
        seasons: fit.seasons,
        history: fit.history,
    })
}

/// The quantiles of the `horizon_slots` slots after the end of `series`, its trailing gaps included.
///
/// `None` when the series is too short to forecast, or its grid does not fit whole hours.
#[must_use]
pub fn slot_quantiles(series: &Series, horizon_slots: usize) -> Option<Vec<SlotQuantiles>> {
    let step_s = i64::from(series.step_s);
    let newest = series.values.iter().rposition(|value| value.is_finite())?;
    let newest_s = series.time_s(newest);
    let gap_h = usize::try_from((series.end_s() - newest_s) / HOUR_S).ok()?;
    let slots_an_hour = usize::try_from(HOUR_S / step_s.max(1)).ok()?.max(1);
    let fit = Fit::of(series, horizon_slots.div_ceil(slots_an_hour) + gap_h + 1)?;
    // The fit begins with the first whole hour after the newest point; the rest of that point's hour is like it.
    let skip = (series.end_s() - fit.from_s) / step_s;
    let at = |slot: usize| {
        let row = usize::try_from(i64::try_from(slot).ok()?.saturating_add(skip)).unwrap_or(0);
        (row < fit.rows.slots()).then(|| SlotQuantiles::from(fit.rows.at(row)))
    };
    (0..horizon_slots).map(at).collect()
}

#[cfg(test)]
mod tests;
