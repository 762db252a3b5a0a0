//! Weighs the bank by its rolling loss: each of the last days is forecast from what came before it.
//!
//! Weights instead of one winner, because on short histories the winner of the past is the winner of the future too
//! rarely. Not here: the forecasters, and correcting what the blend still misses (`conformal`).

use serde::{Deserialize, Serialize};

use super::{DAY_H, Forecaster, LEARN_H_MIN, Past};
use crate::{quantile::quantiles, recommendation::SeasonSeen, season::Hours};

/// The probabilities of the quantiles.
pub const LEVELS: [f64; 5] = [0.10, 0.50, 0.90, 0.95, 0.99];

/// Days that are forecast anew to weigh and calibrate: a week, so that each weekday counts once, and the day before it,
/// which only gives the first weights.
const TRIALS: usize = 8;

/// How sharply weights fall with loss: at 8, a forecaster that loses 9 % more than the best has half its weight.
const SHARPNESS: i32 = 8;

/// Weights below this share of the best are dropped: they cost a fit and change nothing.
const WEIGHT_MIN: f64 = 0.05;

/// Quantiles of a distribution, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// The 0.10 quantile.
    pub p10: f32,
    /// The median.
    pub p50: f32,
    /// The 0.90 quantile.
    pub p90: f32,
    /// The 0.95 quantile.
    pub p95: f32,
    /// The 0.99 quantile.
    pub p99: f32,
}

impl Quantiles {
    /// The quantiles of the numbers that are there; `None` when none is.
    pub(super) fn of(numbers: impl Iterator<Item = f32>) -> Option<Self> {
        let mut numbers: Vec<f32> = numbers.filter(|value| !value.is_nan()).collect();
        quantiles(&mut numbers, LEVELS).map(|found| Self::from(found.map(|value| value as f32)))
    }

    /// As an array in the order of [`LEVELS`].
    #[must_use]
    pub const fn array(self) -> [f32; 5] {
        [self.p10, self.p50, self.p90, self.p95, self.p99]
    }

    /// All moved by `by`.
    pub(super) fn shifted(self, by: f32) -> Self {
        Self::from(self.array().map(|value| value + by))
    }

    /// All held at `floor`.
    pub(super) fn at_least(self, floor: f32) -> Self {
        Self::from(self.array().map(|value| value.max(floor)))
    }
}

impl From<[f32; 5]> for Quantiles {
    fn from([p10, p50, p90, p95, p99]: [f32; 5]) -> Self {
        Self { p10, p50, p90, p95, p99 }
    }
}

/// One past day with what was forecast for it.
pub(super) struct Trial<'a> {
    /// Slots in an hour.
    pub(super) per_hour: usize,
    /// The day's slots.
    pub(super) slots: &'a [f32],
    /// The forecast of each member that made one, hour by hour.
    forecasts: Vec<(Forecaster, Vec<Quantiles>)>,
    /// The loss of each.
    losses: Vec<(Forecaster, f64)>,
}

impl Trial<'_> {
    /// The forecasts of this day blended by `weights`; `None` when none of the weighed made one.
    pub(super) fn blend(&self, weights: &[(Forecaster, f64)]) -> Option<Vec<Quantiles>> {
        let of = |one: Forecaster| self.forecasts.iter().find(|(other, _)| *other == one);
        let parts =
            weights.iter().filter_map(|(one, weight)| Some((of(*one)?.1.as_slice(), *weight)));
        mix(&parts.collect::<Vec<_>>())
    }
}

/// Forecasts each of the last days from what came before it, oldest first.
pub(super) fn trials<'a>(hours: &'a Hours, seasons: &[SeasonSeen]) -> Vec<Trial<'a>> {
    let most = (hours.len() - LEARN_H_MIN) / DAY_H;
    let days = (1..=TRIALS.min(most)).rev();
    days.filter_map(|day| {
        let until = hours.len() - day * DAY_H;
        let slots = hours.slots(until, until + DAY_H);
        let past = Past { hours, until, seasons };
        let forecasts: Vec<_> = Forecaster::ALL
            .iter()
            .filter_map(|one| Some((*one, one.forecast(past, DAY_H)?)))
            .collect();
        let loss_of = |steps: &[Quantiles]| loss(slots, hours.per_hour, steps);
        let losses = forecasts
            .iter()
            .map(|(one, steps)| Some((*one, loss_of(steps)?)))
            .collect::<Option<Vec<_>>>()?;
        Some(Trial { per_hour: hours.per_hour, slots, forecasts, losses })
    })
    .collect()
}

/// The mean pinball loss over slots and levels; `None` when no slot has a value.
pub(super) fn loss(slots: &[f32], per_hour: usize, steps: &[Quantiles]) -> Option<f64> {
    let (mut sum, mut count) = (0.0_f64, 0_usize);
    for (slots, step) in slots.chunks_exact(per_hour).zip(steps) {
        for (level, quantile) in LEVELS.into_iter().zip(step.array()) {
            let level = level as f32;
            let pinball = |slot: f32| {
                let above = slot - quantile;
                (level * above).max((level - 1.0) * above)
            };
            let present = slots.iter().filter(|slot| !slot.is_nan());
            sum += f64::from(present.map(|slot| pinball(*slot)).sum::<f32>());
        }
        count += slots.iter().filter(|slot| !slot.is_nan()).count();
    }
    (count > 0).then(|| sum / (count * LEVELS.len()) as f64)
}

/// Weights by loss over the trials, best first, summing to 1.
///
/// A member that was absent from a trial is charged the worst loss of that day, so that a record of few good days
/// does not beat one of many. Without trials the last day's level has all the weight.
pub(super) fn weights(trials: &[Trial<'_>]) -> Vec<(Forecaster, f64)> {
    let total = |one: Forecaster| -> Option<f64> {
        let newest = trials.last()?;
        newest.losses.iter().any(|(other, _)| *other == one).then(|| {
            let of_trial = |trial: &Trial<'_>| {
                let own = trial.losses.iter().find(|(other, _)| *other == one);
                let worst = trial.losses.iter().map(|(_, loss)| *loss).fold(0.0, f64::max);
                own.map_or(worst, |(_, loss)| *loss)
            };
            trials.iter().map(of_trial).sum()
        })
    };
    let totals: Vec<(Forecaster, f64)> =
        Forecaster::ALL.into_iter().filter_map(|one| Some((one, total(one)?))).collect();
    let best = totals.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
    // A loss of zero (a series that never moves) must not divide by zero: then the best share the weight.
    let share = |loss: f64| {
        if loss <= best { 1.0 } else { (best / loss).powi(SHARPNESS) }
    };
    let mut weights: Vec<(Forecaster, f64)> = totals
        .into_iter()
        .map(|(one, loss)| (one, share(loss)))
        .filter(|(_, weight)| *weight >= WEIGHT_MIN)
        .collect();
    if weights.is_empty() {
        weights.push((Forecaster::LastDay, 1.0));
    }
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    for (_, weight) in &mut weights {
        *weight /= sum;
    }
    weights.sort_by(|(one, a), (other, b)| b.total_cmp(a).then(one.cmp(other)));
    weights
}

/// The weighed forecast of `ahead` hours; members that cannot forecast leave their weight to the others, and the
/// level of two weeks stands in when none can (its last day may be a gap).
pub(super) fn blend(
    past: Past<'_>,
    weights: &[(Forecaster, f64)],
    ahead: usize,
) -> Option<Vec<Quantiles>> {
    let forecasts: Vec<(Vec<Quantiles>, f64)> = weights
        .iter()
        .filter_map(|(one, weight)| Some((one.forecast(past, ahead)?, *weight)))
        .collect();
    let parts: Vec<(&[Quantiles], f64)> =
        forecasts.iter().map(|(steps, weight)| (steps.as_slice(), *weight)).collect();
    mix(&parts).or_else(|| Forecaster::LastWeeks.forecast(past, ahead))
}

/// The weighed mean of quantiles, level by level (Vincent's average, which keeps them ascending).
fn mix(parts: &[(&[Quantiles], f64)]) -> Option<Vec<Quantiles>> {
    let total: f64 = parts.iter().map(|(_, weight)| weight).sum();
    let length = parts.iter().map(|(steps, _)| steps.len()).min()?;
    let step = |index: usize| {
        let mut sum = [0.0_f32; 5];
        for (steps, weight) in parts {
            for (sum, value) in sum.iter_mut().zip(steps[index].array()) {
                *sum += value * (*weight / total) as f32;
            }
        }
        Quantiles::from(sum)
    };
    Some((0..length).map(step).collect())
}
