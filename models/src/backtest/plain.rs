//! Forecasters of a few lines that a forecast must beat to be worth its name.
//!
//! Not here: Trimtab's own (`crate::forecast`).

use super::{
    forecasts::{LEVELS, QuantileRow},
    quantile::{quantile_sorted, sorted},
};

/// Rows at either side of a time of day that are looked at with it.
const AROUND_ROWS: usize = 3;
/// Days of a week.
const WEEK_DAYS: usize = 7;

/// A plain forecaster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlainForecaster {
    /// The row a day before, with the quantiles of such differences.
    NaiveDay,
    /// The row a week before, with the quantiles of such differences; a day where two weeks are not known.
    NaiveWeek,
    /// The quantiles of all that is known.
    Level,
    /// The quantiles of the last day.
    LastDay,
    /// The quantiles of the time of day.
    TimeOfDay,
}

impl PlainForecaster {
    /// Every plain forecaster.
    pub const ALL: [Self; 5] =
        [Self::NaiveDay, Self::NaiveWeek, Self::Level, Self::LastDay, Self::TimeOfDay];

    /// The name that tables show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NaiveDay => "naive day",
            Self::NaiveWeek => "naive week",
            Self::Level => "level, look-back",
            Self::LastDay => "level, last day",
            Self::TimeOfDay => "time of day",
        }
    }

    /// Forecasts `horizon` rows after `known`, which has no gaps and at least two days of `day` rows.
    #[must_use]
    pub fn forecast(self, known: &[f64], day: usize, horizon: usize) -> Vec<QuantileRow> {
        let week = WEEK_DAYS * day;
        match self {
            Self::NaiveWeek if known.len() >= 2 * week => naive(known, week, horizon),
            Self::NaiveDay | Self::NaiveWeek => naive(known, day, horizon),
            Self::Level => vec![quantiles(known.to_vec()); horizon],
            Self::LastDay => vec![quantiles(known[known.len() - day..].to_vec()); horizon],
            Self::TimeOfDay => time_of_day(known, day, horizon),
        }
    }
}

fn quantiles(numbers: Vec<f64>) -> QuantileRow {
    let ascending = sorted(numbers);
    LEVELS.map(|level| quantile_sorted(&ascending, level).unwrap_or(f64::NAN))
}

fn naive(known: &[f64], season: usize, horizon: usize) -> Vec<QuantileRow> {
    let pairs = known[season..].iter().zip(known);
    let spread = quantiles(pairs.map(|(later, earlier)| later - earlier).collect());
    let last = &known[known.len() - season..];
    (0..horizon).map(|step| spread.map(|offset| last[step % season] + offset)).collect()
}

fn time_of_day(known: &[f64], day: usize, horizon: usize) -> Vec<QuantileRow> {
    let days = &known[known.len() % day..];
    let around = |row: usize| {
        let near =
            (0..=2 * AROUND_ROWS).map(move |near| (row + near + AROUND_ROWS * (day - 1)) % day);
        quantiles(near.flat_map(|row| days.iter().skip(row).step_by(day).copied()).collect())
    };
    let rows: Vec<QuantileRow> = (0..horizon.min(day)).map(around).collect();
    (0..horizon).map(|step| rows[step % rows.len()]).collect()
}
