//! Waves of the day and the week, fitted to hourly means by an elastic net.
//!
//! Hourly means, because 336 rows are fitted in a tenth of the time of 4,032 slots and the waves are no finer; the net,
//! because it drops the waves that a series does not have. Not here: series without a season, which it declines.

use std::f64::consts::TAU;

use linfa::{DatasetBase, traits::Fit};
use linfa_elasticnet::ElasticNet;
use ndarray::{Array1, Array2, ShapeBuilder};

use super::{
    bank::Past,
    rows::{Rows, spread_of},
    window::{DAY_H, WEEK_H, Window},
};
use crate::recommendation::SeasonSeen;

/// Waves in a day: 24, 12, 8 and 6 hours; shorter ones are the noise of hourly means.
const DAY_WAVES: usize = 4;
/// Waves in a week: 7, 3.5 and 2.3 days, which are enough for weekends.
const WEEK_WAVES: usize = 3;
/// Two weeks of hourly means: two cycles of the longest wave, and no older habit.
const BACK_H: usize = 2 * WEEK_H;
/// Strength of the penalty on targets scaled to variance 1.
const PENALTY: f64 = 0.01;
/// The least share of the L1 penalty at which the solver's duality gap still closes.
const L1_RATIO: f64 = 0.1;
/// Sweeps over the coefficients at most; the waves are nearly orthogonal, so that a few suffice.
const SWEEPS: u32 = 50;
/// Standard deviations at which an hour's mean is held before the fit, so that one outlier does not bend the waves.
const HELD_DEVIATIONS: f64 = 4.0;
/// Hours of slots that give the spread around the waves.
const SPREAD_H: usize = WEEK_H;
/// Every how many minutes a slot counts in that spread: neighbours say the same, and a week of quarters is 672 numbers.
const SPREAD_MINUTES: usize = 15;

/// The fitted waves plus the quantiles of what was seen around them in the last week; `None` without waves.
pub(super) fn forecast(past: &Past<'_>, waves: &Waves, ahead: usize) -> Option<Rows> {
    let Window { slots, per_hour, .. } = past.window;
    let until_h = past.until / per_hour;
    let spread_from = until_h.saturating_sub(SPREAD_H);
    let stride = (per_hour * SPREAD_MINUTES / 60).max(1);
    let around = (spread_from..until_h).flat_map(|hour| {
        let level = waves.at(hour);
        let of_hour = &slots[hour * per_hour..(hour + 1) * per_hour];
        of_hour.iter().step_by(stride).map(move |slot| slot - level)
    });
    let spread = spread_of(around)?;
    let hours = until_h..until_h + ahead.div_ceil(*per_hour);
    let middle = hours.flat_map(|hour| std::iter::repeat_n(waves.at(hour), *per_hour));
    Some(Rows::around(&middle.take(ahead).collect::<Vec<f32>>(), &spread))
}

/// Fitted waves.
#[derive(Debug, Clone)]
pub(super) struct Waves {
    /// The mean of each hour of a week, counted from the window's first.
    week: Vec<f32>,
}

impl Waves {
    /// Fits the waves of the seasons found to the hours of the window before `until_h`; `None` without a season of a
    /// day or a week that was seen twice, or without variance.
    pub(super) fn fit(window: &Window, seasons: &[SeasonSeen], until_h: usize) -> Option<Self> {
        let turns = turns(seasons, until_h)?;
        let from = until_h.saturating_sub(BACK_H);
        let known: Vec<usize> =
            (from..until_h).filter(|hour| !window.means[*hour].is_nan()).collect();
        let (level, scale) = moments(window, &known)?;
        if known.len() <= 2 * turns.len() {
            return None;
        }
        // Every wave is read from the hours of one week, because sines are dear.
        let table: Vec<(f64, f64)> =
            (0..WEEK_H).map(|hour| (TAU * hour as f64 / WEEK_H as f64).sin_cos()).collect();
        // Column-major, the order in which coordinate descent walks: a third of the time of row-major.
        let mut design = Array2::zeros((known.len(), 2 * turns.len()).f());
        for (pair, turns) in turns.iter().enumerate() {
            for (row, hour) in known.iter().enumerate() {
                let (sine, cosine) = table[hour * turns % WEEK_H];
                design[[row, 2 * pair]] = sine;
                design[[row, 2 * pair + 1]] = cosine;
            }
        }
        let held = |hour: &usize| {
            let deviations = (f64::from(window.means[*hour]) - level) / scale;
            deviations.clamp(-HELD_DEVIATIONS, HELD_DEVIATIONS)
        };
        let target: Array1<f64> = known.iter().map(held).collect();
        let net = ElasticNet::params()
            .penalty(PENALTY)
            .l1_ratio(L1_RATIO)
            .max_iterations(SWEEPS)
            .fit(&DatasetBase::new(design, target))
            .ok()?;
        let factors = net.hyperplane();
        let at = |hour: usize| {
            let waves = turns.iter().enumerate().map(|(pair, turns)| {
                let (sine, cosine) = table[hour * turns % WEEK_H];
                factors[2 * pair] * sine + factors[2 * pair + 1] * cosine
            });
            (level + (net.intercept() + waves.sum::<f64>()) * scale) as f32
        };
        Some(Self { week: (0..WEEK_H).map(at).collect() })
    }

    /// The fitted mean of an hour of the window, past or to come.
    fn at(&self, hour: usize) -> f32 {
        self.week[hour % WEEK_H]
    }
}

/// The waves to fit, as turns a week; `None` when there are none.
fn turns(seasons: &[SeasonSeen], until_h: usize) -> Option<Vec<usize>> {
    let has = |period: usize| {
        let found = seasons.iter().any(|season| season.period_h as usize == period);
        found && until_h >= 2 * period
    };
    let mut turns = Vec::new();
    if has(DAY_H) || has(DAY_H / 2) {
        turns.extend((1..=DAY_WAVES).map(|wave| wave * WEEK_H / DAY_H));
    }
    if has(WEEK_H) {
        turns.extend(1..=WEEK_WAVES);
    }
    (!turns.is_empty()).then_some(turns)
}

/// Mean and standard deviation of the known hourly means; `None` without variance.
fn moments(window: &Window, known: &[usize]) -> Option<(f64, f64)> {
    let means = || known.iter().map(|hour| f64::from(window.means[*hour]));
    let level = means().sum::<f64>() / known.len() as f64;
    let variance = means().map(|mean| (mean - level).powi(2)).sum::<f64>() / known.len() as f64;
    let scale = variance.sqrt();
    scale.is_normal().then_some((level, scale))
}
