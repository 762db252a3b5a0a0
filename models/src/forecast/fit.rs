//! The whole fit: a pure function of the series, from its window to the calibrated quantiles of the slots ahead.
//!
//! Read [`Fit::of`] top to bottom. Not here: what each line does.

use super::{
    bank::{Bank, Forecaster},
    clock_change,
    conformal::{CORRECTED, Scores},
    history::{self, History},
    month_end::{self, MonthEnd},
    rows::Rows,
    select::{Record, TRIALS},
    shift,
    window::{DAY_H, WINDOW_H, Window},
};
use crate::{
    recommendation::SeasonSeen,
    season::{HOUR_S, Hours, seasons},
    series::Series,
};

/// Hours below which there is no forecast: one day to learn from and one to be judged on.
const LEARN_H_MIN: usize = 2 * DAY_H;

/// Days that are judged before the blend itself is: weights from fewer are no measure of what later ones miss.
const WEIGHT_DAYS: usize = 3;

/// The slots ahead and how they were found.
pub(super) struct Fit {
    /// The first slot ahead, seconds since the epoch: the hour after that of the newest point.
    pub(super) from_s: i64,
    /// Slots in an hour.
    pub(super) per_hour: usize,
    /// The quantiles of the slots ahead.
    pub(super) rows: Rows,
    /// The members with their weights, best first.
    pub(super) weights: Vec<(Forecaster, f64)>,
    /// Share of the slots of past days above the uncorrected 0.95 quantile.
    pub(super) calibration_misses: Option<f64>,
    /// The cycles found.
    pub(super) seasons: Vec<SeasonSeen>,
    /// What else was seen.
    pub(super) history: History,
}

impl Fit {
    /// Fits a series and forecasts the `ahead_h` hours after the hour of its newest point; `None` when it covers less than
    /// two days or its grid does not fit hours.
    pub(super) fn of(series: &Series, ahead_h: usize) -> Option<Self> {
        let hours = Hours::of(series).filter(|hours| hours.len() >= LEARN_H_MIN)?;
        let mut seasons = seasons(&hours);
        let month_end = MonthEnd::of(&hours);
        let Stretch { window, history } = Stretch::of(hours, &seasons);
        let mut bank = Bank::new(&window, &seasons);
        let (record, scores) = trials(&window, &mut bank);
        bank.learn(window.slots.len());
        let forecasts = bank.forecasts(ahead_h * window.per_hour);
        let weights = record.weights();
        let mut rows = weights.blend_all(&forecasts, window.per_hour)?;
        let correction = scores.correction();
        correction.apply(&mut rows);
        let next = window.first + i64::try_from(window.means.len()).ok()?;
        if let Some(month_end) = &month_end {
            raise(&mut rows, month_end, next, window.per_hour);
            seasons.push(month_end.season());
        }
        if window.values.sorted().first().is_some_and(|least| *least >= 0.0) {
            rows.hold_at(0.0);
        }
        Some(Self {
            from_s: next * HOUR_S,
            per_hour: window.per_hour,
            rows,
            weights: weights.summary(&forecasts),
            calibration_misses: correction.misses,
            seasons,
            history,
        })
    }
}

/// What is learnt from, and what was seen in choosing it.
struct Stretch {
    window: Window,
    history: History,
}

impl Stretch {
    /// The last weeks of a series, from its last shift of level on, with a changed clock undone.
    fn of(hours: Hours, seasons: &[SeasonSeen]) -> Self {
        let oldest = hours.len().saturating_sub(WINDOW_H);
        let daily = seasons.iter().any(|season| season.period_h as usize == DAY_H);
        let change = if daily { clock_change::find(&hours, oldest) } else { None };
        let hours = match change {
            Some((change, index)) => clock_change::undo(hours, change, index),
            None => hours,
        };
        let shifted = shift::last_shift(&hours, oldest..hours.len());
        let window = Window::of(&hours, shifted.unwrap_or(oldest));
        let from_s = window.first * HOUR_S;
        let history = History {
            from_s,
            shifted_at_s: shifted.map(|_| from_s),
            clock_change: change.map(|(change, _)| change),
            trend_per_day: history::trend_per_day(&window),
            outliers: history::outliers(&window),
            gaps_ratio: history::gaps_ratio(&window),
        };
        Self { window, history }
    }
}

/// Forecasts each of the last days from what came before it, oldest first: the losses of all, and how far the upper
/// quantiles of the blend were off on those that had weights from at least [`WEIGHT_DAYS`] days.
fn trials(window: &Window, bank: &mut Bank<'_>) -> (Record, Scores) {
    let day = DAY_H * window.per_hour;
    let most = window.means.len().saturating_sub(LEARN_H_MIN) / DAY_H;
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

/// Adds what the last day of a month brings to the hours that lie on one; `next` is the first hour ahead.
fn raise(rows: &mut Rows, month_end: &MonthEnd, next: i64, per_hour: usize) {
    for (hour, since_epoch) in (0..rows.slots() / per_hour).zip(next..) {
        if month_end::on_last_day(since_epoch) {
            rows.shift(hour * per_hour..(hour + 1) * per_hour, month_end.excess);
        }
    }
}
