//! Split-conformal correction of the upper quantiles: what the blend missed on past days is added to days ahead.
//!
//! Each past day is judged by weights from the days before it only, so that the correction sees the blend as
//! it would have been. Not here: the lower quantiles, on which no decision rests.

use super::{
    Quantiles,
    select::{LEVELS, Trial, weights},
};
use crate::quantile::quantile;

/// The levels that are corrected: the upper three of [`LEVELS`].
const UPPER: [usize; 3] = [2, 3, 4];
/// The position of 0.95, whose misses are reported.
const P95: usize = 3;

/// What is added to the upper quantiles.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Correction {
    /// For 0.90, 0.95 and 0.99.
    upper: [f32; 3],
    /// Share of the slots above the uncorrected 0.95 quantile; `None` without a past day.
    pub(super) misses: Option<f64>,
}

impl Correction {
    /// The corrected quantiles, ascending.
    pub(super) fn apply(&self, quantiles: Quantiles) -> Quantiles {
        let mut values = quantiles.array();
        for (level, add) in UPPER.into_iter().zip(self.upper) {
            values[level] += add;
        }
        for level in UPPER {
            values[level] = values[level].max(values[level - 1]);
        }
        Quantiles::from(values)
    }
}

/// The correction from the trials, oldest first; the first only gives weights.
pub(super) fn correction(trials: &[Trial<'_>]) -> Correction {
    let mut scores: [Vec<f32>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for (index, trial) in trials.iter().enumerate().skip(1) {
        let Some(steps) = trial.blend(&weights(&trials[..index])) else {
            continue;
        };
        for (slots, step) in trial.slots.chunks_exact(trial.per_hour).zip(steps) {
            for (scores, level) in scores.iter_mut().zip(UPPER) {
                let forecast = step.array()[level];
                let present = slots.iter().filter(|slot| !slot.is_nan());
                scores.extend(present.map(|slot| slot - forecast));
            }
        }
    }
    let of_p95 = &scores[P95 - UPPER[0]];
    let missed = of_p95.iter().filter(|score| **score > 0.0).count();
    let misses = (!of_p95.is_empty()).then(|| missed as f64 / of_p95.len() as f64);
    let mut upper = [0.0; 3];
    for ((add, scores), level) in upper.iter_mut().zip(&mut scores).zip(UPPER) {
        *add = excess(scores, LEVELS[level]);
    }
    Correction { upper, misses }
}

/// The `level` quantile of the scores, with the finite-sample step of split conformal prediction; 0 without scores.
fn excess(scores: &mut [f32], level: f64) -> f32 {
    let count = scores.len() as f64;
    let adjusted = (level * (count + 1.0) / count).min(1.0);
    quantile(scores, adjusted).map_or(0.0, |value| value as f32)
}
