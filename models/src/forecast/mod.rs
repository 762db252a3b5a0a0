//! What a series will look like: quantiles for each hour ahead, from a small bank of forecasters.
//!
//! A forecast speaks of the *slots* in an hour (5-minute means, say), not of the mean of the hour: its 0.95 quantile is
//! exceeded by 5 % of the slots. Not here: which size serves it (`sizing`).

mod bank;
mod conformal;
mod fourier;
mod hourly;
mod level;
mod loss;
mod naive;
mod ranked;
mod rows;
mod select;
mod time_of_day;
mod window;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::{
    bank::Bank,
    conformal::{CORRECTED, Scores},
    rows::Rows,
    select::{Record, TRIALS},
    window::{DAY_H, WEEK_H, WINDOW_H, Window},
};
pub use self::{
    bank::Forecaster,
    rows::{LEVELS, Quantiles, SlotQuantiles},
};
use crate::{
    metric::Measure,
    recommendation::{ForecastSeen, SeasonSeen},
    season::{Hours, seasons},
    series::Series,
};

/// Hours below which there is no forecast: one day to learn from and one to be judged on.
const LEARN_H_MIN: usize = 2 * DAY_H;

/// Days that are judged before the blend itself is: weights from fewer are no measure of what later ones miss.
const WEIGHT_DAYS: usize = 3;

/// A forecast of the hours after the newest point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// The first hour ahead, seconds since the epoch.
    pub from_s: i64,
    /// The distance of two steps, seconds: an hour.
    pub step_s: u32,
    /// The quantiles of the slots in each hour ahead, for seven days; the first 24 are the day ahead.
    pub steps: Vec<Quantiles>,
    /// The seasons found.
    pub seasons: Vec<SeasonSeen>,
    /// The forecasters with their weights, best first.
    pub weights: Vec<(Forecaster, f64)>,
    /// Share of the slots of the last days that exceeded the 0.95 quantile forecast for them a day ahead, before it was
    /// calibrated on them; 0.05 is right. `None` when the series is too short to tell.
    pub calibration_misses: Option<f64>,
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
        let Forecast { from_s, step_s, steps, weights, calibration_misses, .. } = &self.forecast;
        let at = |hour: usize| {
            let after_s = i64::try_from(hour).ok()? * i64::from(*step_s);
            Timestamp::from_second(from_s.checked_add(after_s)?).ok()
        };
        let mut hours: Vec<usize> = (0..steps.len()).collect();
        hours.sort_by(|one, other| {
            steps[*one].p50.total_cmp(&steps[*other].p50).then(one.cmp(other))
        });
        let highest = steps.iter().copied().reduce(Quantiles::highest)?;
        Some(ForecastSeen {
            measure: self.measure,
            from: at(0)?,
            day: self.forecast.day().to_vec(),
            week_highest: highest,
            quiet_hours: hours.into_iter().take(QUIET_HOURS).map(at).collect::<Option<_>>()?,
            weights: weights.clone(),
            calibration_misses: *calibration_misses,
        })
    }
}

/// Forecasts a series for a day and a week; `None` when it covers less than two days or its grid does not fit hours.
#[must_use]
pub fn forecast(series: &Series) -> Option<Forecast> {
    let fit = Fit::of(series, WEEK_H)?;
    Some(Forecast {
        from_s: fit.from_s,
        step_s: 3_600,
        steps: hourly::hours(&fit.rows, fit.per_hour),
        weights: fit.weights,
        calibration_misses: fit.calibration_misses,
        seasons: fit.seasons,
    })
}

/// The quantiles of the `horizon_slots` slots after the end of `series`, its trailing gaps included.
///
/// `None` when the series is too short to forecast, or its grid does not fit whole hours.
#[must_use]
pub fn slot_quantiles(series: &Series, horizon_slots: usize) -> Option<Vec<SlotQuantiles>> {
    let step_s = i64::from(series.step_s);
    let newest_s = series.newest_s()?;
    let gap_h = usize::try_from((series.end_s() - newest_s) / 3_600).ok()?;
    let slots_an_hour = usize::try_from(3_600 / step_s.max(1)).ok()?.max(1);
    let fit = Fit::of(series, horizon_slots.div_ceil(slots_an_hour) + gap_h + 1)?;
    // The fit begins with the first whole hour after the newest point; the rest of that point's hour is like it.
    let skip = (series.end_s() - fit.from_s) / step_s;
    let at = |slot: usize| {
        let row = usize::try_from(i64::try_from(slot).ok()?.saturating_add(skip)).unwrap_or(0);
        (row < fit.rows.slots()).then(|| SlotQuantiles::from(fit.rows.at(row)))
    };
    (0..horizon_slots).map(at).collect()
}

/// The whole of a fit: the slots ahead and how they were found.
struct Fit {
    from_s: i64,
    per_hour: usize,
    rows: Rows,
    weights: Vec<(Forecaster, f64)>,
    calibration_misses: Option<f64>,
    seasons: Vec<SeasonSeen>,
}

impl Fit {
    /// Fits a series and forecasts the `ahead_h` hours after the hour of its newest point.
    fn of(series: &Series, ahead_h: usize) -> Option<Self> {
        let hours = Hours::of(series)?;
        if hours.len() < LEARN_H_MIN {
            return None;
        }
        let seasons = seasons(&hours);
        let window = Window::of(&hours, hours.len().saturating_sub(WINDOW_H));
        let mut bank = Bank::new(&window, &seasons);
        let (record, scores) = trials(&window, &mut bank);
        bank.learn(window.slots.len());
        let forecasts = bank.forecasts(ahead_h * window.per_hour);
        let weights = record.weights();
        let mut rows = weights.blend_all(&forecasts, window.per_hour)?;
        let correction = scores.correction();
        correction.apply(&mut rows);
        if series.values.iter().all(|value| value.is_nan() || *value >= 0.0) {
            rows.hold_at(0.0);
        }
        Some(Self {
            from_s: (hours.first + i64::try_from(hours.len()).ok()?) * 3_600,
            per_hour: window.per_hour,
            rows,
            weights: weights.summary(&forecasts),
            calibration_misses: correction.misses,
            seasons,
        })
    }
}

/// Forecasts each of the last days from what came before it, oldest first: the losses of all, and how far the upper
/// quantiles of the blend were off on those that had weights from at least [`WEIGHT_DAYS`] days.
fn trials(window: &Window, bank: &mut Bank<'_>) -> (Record, Scores) {
    let day = DAY_H * window.per_hour;
    let most = (window.means.len() - LEARN_H_MIN) / DAY_H;
    let (mut record, mut scores) = (Record::default(), Scores::default());
    for days_ago in (1..=TRIALS.min(most)).rev() {
        let until = window.slots.len() - days_ago * day;
        bank.learn(until);
        let forecasts = bank.forecasts(day);
        let actual = &window.slots[until..until + day];
        if record.days() >= WEIGHT_DAYS {
            let weights = record.weights();
            if let Some(rows) = weights.blend_all(&forecasts, window.per_hour) {
                scores.add(actual, CORRECTED.map(|level| rows.level(level)));
            }
        }
        record.add(actual, window.per_hour, &forecasts);
    }
    (record, scores)
}

#[cfg(test)]
mod tests;
