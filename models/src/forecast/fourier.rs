//! Waves of the day and the week, fitted to hourly means by an elastic net.
//!
//! Hourly means, because 336 rows are fitted in a tenth of the time of 4,032 slots and the waves are no finer; the net,
//! because it drops the waves that a series does not have. Not here: series without a season, which it declines.

use std::f64::consts::TAU;

use linfa::{DatasetBase, traits::Fit};
use linfa_elasticnet::ElasticNet;
use ndarray::{Array1, Array2, ShapeBuilder};

use super::{DAY_H, Past, Quantiles, WEEK_H};

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
/// Hours of slots that give the spread around the waves.
const SPREAD_H: usize = WEEK_H;

/// The fitted waves plus the quantiles of what was seen around them in the last week; `None` without a season of
/// a day or a week, or when its waves were not seen twice.
pub(super) fn forecast(past: Past<'_>, ahead: usize) -> Option<Vec<Quantiles>> {
    let turns = waves(past)?;
    let from = past.until.saturating_sub(BACK_H);
    let known: Vec<usize> =
        (from..past.until).filter(|hour| !past.means()[*hour].is_nan()).collect();
    let fit = Waves::fit(past, &known, turns)?;
    let spread_from = past.until.saturating_sub(SPREAD_H);
    let slots = past.hours.slots(spread_from, past.until).chunks_exact(past.hours.per_hour);
    let around = slots.zip(spread_from..).flat_map(|(slots, hour)| {
        let level = fit.at(hour);
        slots.iter().map(move |slot| slot - level)
    });
    let spread = Quantiles::of(around)?;
    Some((past.until..past.until + ahead).map(|hour| spread.shifted(fit.at(hour))).collect())
}

/// The waves to fit, as turns a week.
fn waves(past: Past<'_>) -> Option<Vec<usize>> {
    let has = |period: usize| {
        let found = past.seasons.iter().any(|season| season.period_h as usize == period);
        found && past.until >= 2 * period
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

/// Fitted waves.
struct Waves {
    /// Turns a week of each wave.
    turns: Vec<usize>,
    /// Sine and cosine of each hour of a week: every wave is read from it, because sines are dear.
    table: Vec<(f64, f64)>,
    /// For sine and cosine of each wave, in turn.
    factors: Array1<f64>,
    level: f64,
}

impl Waves {
    fn fit(past: Past<'_>, known: &[usize], turns: Vec<usize>) -> Option<Self> {
        let rows = known.len();
        let means = || known.iter().map(|hour| f64::from(past.means()[*hour]));
        let level = means().sum::<f64>() / rows as f64;
        let variance = means().map(|mean| (mean - level).powi(2)).sum::<f64>() / rows as f64;
        let scale = variance.sqrt();
        if !scale.is_normal() || rows <= 2 * turns.len() {
            return None;
        }
        let table: Vec<(f64, f64)> =
            (0..WEEK_H).map(|hour| (TAU * hour as f64 / WEEK_H as f64).sin_cos()).collect();
        // Column-major, the order in which coordinate descent walks: a third of the time of row-major.
        let mut design = Array2::zeros((rows, 2 * turns.len()).f());
        for (pair, turns) in turns.iter().enumerate() {
            for (row, hour) in known.iter().enumerate() {
                let (sine, cosine) = table[hour * turns % WEEK_H];
                design[[row, 2 * pair]] = sine;
                design[[row, 2 * pair + 1]] = cosine;
            }
        }
        let target: Array1<f64> = means().map(|mean| (mean - level) / scale).collect();
        let net = ElasticNet::params()
            .penalty(PENALTY)
            .l1_ratio(L1_RATIO)
            .max_iterations(SWEEPS)
            .fit(&DatasetBase::new(design, target))
            .ok()?;
        Some(Self {
            turns,
            table,
            factors: net.hyperplane() * scale,
            level: level + net.intercept() * scale,
        })
    }

    /// The fitted mean of an hour, past or to come.
    fn at(&self, hour: usize) -> f32 {
        let waves = self.turns.iter().enumerate();
        let sum: f64 = waves
            .map(|(pair, turns)| {
                let (sine, cosine) = self.table[hour * turns % WEEK_H];
                self.factors[2 * pair] * sine + self.factors[2 * pair + 1] * cosine
            })
            .sum();
        (self.level + sum) as f32
    }
}
