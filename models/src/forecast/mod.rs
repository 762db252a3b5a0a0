//! What a series will look like: quantiles for each hour ahead, from a small bank of forecasters.
//!
//! A forecast speaks of the *slots* in an hour (5-minute means, say), not of the mean of the hour: its 0.95 quantile is
//! exceeded by 5 % of the slots. Not here: which size serves it (`sizing`).

mod conformal;
mod fourier;
mod level;
mod naive;
mod select;
mod slot;
mod time_of_day;

use serde::{Deserialize, Serialize};

pub use select::{LEVELS, Quantiles};
pub use slot::{SlotQuantiles, slot_quantiles};

use crate::{
    metric::Measure,
    recommendation::SeasonSeen,
    season::{Hours, seasons},
    series::Series,
};

/// Hours of a day and of a week: the two horizons.
const DAY_H: usize = 24;
const WEEK_H: usize = 168;

/// Hours below which there is no forecast: one day to learn from and one to be judged on.
const LEARN_H_MIN: usize = 2 * DAY_H;

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

/// A member of the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forecaster {
    /// The quantiles of the last day.
    LastDay,
    /// The quantiles of the last two weeks.
    LastWeeks,
    /// The same hour of the day before, with the spread of such differences.
    SameHourYesterday,
    /// The same hour of the week before, with the spread of such differences.
    SameHourLastWeek,
    /// The quantiles of the hour of the day.
    TimeOfDay,
    /// Waves of the day and the week fitted to hourly means, with the spread around them.
    Waves,
}

impl Forecaster {
    /// The whole bank.
    const ALL: [Self; 6] = [
        Self::LastDay,
        Self::LastWeeks,
        Self::SameHourYesterday,
        Self::SameHourLastWeek,
        Self::TimeOfDay,
        Self::Waves,
    ];

    /// The quantiles of `ahead` hours after `past`; `None` when it has too little to go by.
    fn forecast(self, past: Past<'_>, ahead: usize) -> Option<Vec<Quantiles>> {
        match self {
            Self::LastDay => level::forecast(past, DAY_H, ahead),
            Self::LastWeeks => level::forecast(past, 2 * WEEK_H, ahead),
            Self::SameHourYesterday => naive::forecast(past, DAY_H, ahead),
            Self::SameHourLastWeek => naive::forecast(past, WEEK_H, ahead),
            Self::TimeOfDay => time_of_day::forecast(past, ahead),
            Self::Waves => fourier::forecast(past, ahead),
        }
    }
}

/// What a forecaster may look at: the first `until` hours of a series.
#[derive(Debug, Clone, Copy)]
struct Past<'a> {
    hours: &'a Hours,
    until: usize,
    seasons: &'a [SeasonSeen],
}

impl<'a> Past<'a> {
    /// The slots of the last `count` hours, or of all if there are fewer.
    fn last(&self, count: usize) -> &'a [f32] {
        self.hours.slots(self.until.saturating_sub(count), self.until)
    }

    /// The means of the hours that are past.
    fn means(&self) -> &'a [f32] {
        &self.hours.means[..self.until]
    }

    /// The hour of the day of hour `index`, 0–23 (UTC).
    fn hour_of_day(&self, index: usize) -> usize {
        (self.hours.first.rem_euclid(24) as usize + index) % DAY_H
    }
}

/// Forecasts a series for a day and a week; `None` when it covers less than two days or its grid does not fit hours.
#[must_use]
pub fn forecast(series: &Series) -> Option<Forecast> {
    let hours = Hours::of(series)?;
    if hours.len() < LEARN_H_MIN {
        return None;
    }
    let seasons = seasons(&hours);
    let trials = select::trials(&hours, &seasons);
    let weights = select::weights(&trials);
    let correction = conformal::correction(&trials);
    let past = Past { hours: &hours, until: hours.len(), seasons: &seasons };
    let mut steps = select::blend(past, &weights, WEEK_H)?;
    let floor = if series.values.iter().any(|value| *value < 0.0) { f32::MIN } else { 0.0 };
    for step in &mut steps {
        *step = correction.apply(*step).at_least(floor);
    }
    let from_h = hours.first + i64::try_from(hours.len()).ok()?;
    Some(Forecast {
        from_s: from_h * 3_600,
        step_s: 3_600,
        steps,
        weights,
        calibration_misses: correction.misses,
        seasons,
    })
}

#[cfg(test)]
mod tests;
