//! One-sided conformal correction of the upper quantiles: what the blend missed on past days is added to days ahead.
//!
//! Split conformal prediction (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005) with the level
//! adapted day by day to what was missed (Gibbs and Candes, "Adaptive Conformal Inference Under Distribution
//! Shift", 2021). Each past day is judged by weights from the days before it only, so that the correction sees the
//! blend as it would have been. Not here: the quantiles below 0.95, which the blend states well enough and on which no
//! capacity rests.

use super::rows::{P95, P99, P975, Rows, SLOT_LEVELS};
use crate::quantile::quantile;

/// The levels that are corrected.
pub(super) const CORRECTED: [usize; 2] = [P95, P99];

/// How far the share that may be missed moves with a day's misses, relative to that share: after a day above its 0.95
/// quantile throughout, 0.04 may be missed instead of 0.05. Larger steps chase single days.
const STEP: f64 = 0.2;

/// How far that share may fall and rise, as a multiple of what was asked for.
const SHARE_RANGE: (f64, f64) = (0.2, 2.0);

/// Days of scores that may narrow a quantile, working days at least; with fewer they only widen it, because missing
/// history is no evidence of calm.
const NARROW_DAYS: usize = 5;

/// By how much past days lay above what was forecast for them, day by day, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Scores {
    of: [Vec<Vec<f32>>; 2],
}

impl Scores {
    /// Adds a day: its values and, for each corrected level, what was forecast for them.
    pub(super) fn add(&mut self, actual: &[f32], forecast: [&[f32]; 2]) {
        for (days, forecast) in self.of.iter_mut().zip(forecast) {
            let scores = actual.iter().zip(forecast).map(|(actual, forecast)| actual - forecast);
            let scores: Vec<f32> = scores.filter(|score| !score.is_nan()).collect();
            if !scores.is_empty() {
                days.push(scores);
            }
        }
    }

    /// What follows for the days ahead.
    pub(super) fn correction(&self) -> Correction {
        let mut add = [0.0; 2];
        for ((add, days), level) in add.iter_mut().zip(&self.of).zip(CORRECTED) {
            *add = addition(days, SLOT_LEVELS[level]);
        }
        let of_p95 = &self.of[0];
        let count: usize = of_p95.iter().map(Vec::len).sum();
        let missed = of_p95.iter().flatten().filter(|score| **score > 0.0).count();
        Correction { add, misses: (count > 0).then(|| missed as f64 / count as f64) }
    }
}

/// What is added to the upper quantiles.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Correction {
    /// For each of [`CORRECTED`].
    pub(super) add: [f32; 2],
    /// Share of the slots above the uncorrected 0.95 quantile; `None` without a past day.
    pub(super) misses: Option<f64>,
}

impl Correction {
    /// Corrects quantiles, which stay ascending; 0.975 moves with 0.95, its lower neighbour.
    pub(super) fn apply(&self, rows: &mut Rows) {
        for (level, add) in [(P95, self.add[0]), (P975, self.add[0]), (P99, self.add[1])] {
            for value in rows.level_mut(level) {
                *value += add;
            }
            rows.hold_above(level);
        }
    }
}

/// The addition to a quantile of `level` from the scores of past days, oldest first; 0 without any.
fn addition(days: &[Vec<f32>], level: f64) -> f32 {
    let asked = 1.0 - level;
    let mut share = asked;
    let mut pooled: Vec<f32> = Vec::with_capacity(days.iter().map(Vec::len).sum());
    for day in days {
        if let Some(excess) = excess(&mut pooled, share) {
            let missed = day.iter().filter(|score| **score > excess).count() as f64;
            let moved = share + STEP * asked * (asked - missed / day.len() as f64);
            share = moved.clamp(SHARE_RANGE.0 * asked, SHARE_RANGE.1 * asked);
        }
        pooled.extend_from_slice(day);
    }
    let found = excess(&mut pooled, share).unwrap_or_default();
    if days.len() < NARROW_DAYS { found.max(0.0) } else { found }
}

/// What all but `share` of the scores stay below, with the finite-sample step of split conformal prediction.
fn excess(scores: &mut [f32], share: f64) -> Option<f32> {
    let count = scores.len() as f64;
    let level = ((1.0 - share) * (count + 1.0) / count).min(1.0);
    quantile(scores, level).map(|value| value as f32)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of small whole numbers are exact")]
mod tests {
    use super::super::rows::COUNT;
    use super::*;

    #[test]
    fn excess_by_hand() {
        let nine: Vec<f32> = (1..=9_u8).map(f32::from).collect();
        let table: [(&[f32], f64, Option<f32>); 4] = [
            // 0.9 x 10 ÷ 9 = 1: the largest.
            (&nine, 0.1, Some(9.0)),
            // 0.5 x 4 ÷ 3 = 2/3 of the way over three numbers: position 4/3.
            (&[3.0, 1.0, 2.0], 0.5, Some(7.0 / 3.0)),
            // 0.95 x 2 is more than all.
            (&[4.0], 0.05, Some(4.0)),
            (&[], 0.05, None),
        ];
        for (scores, share, expect) in table {
            let found = excess(&mut scores.to_vec(), share);
            let near = found.zip(expect).is_none_or(|(a, b)| (a - b).abs() < 1e-5);
            assert!(near && found.is_some() == expect.is_some(), "{scores:?}: {found:?}");
        }
    }

    #[test]
    fn addition_by_hand() {
        let rising: Vec<f32> = (1..=9_u8).map(f32::from).collect();
        let table: [(Vec<Vec<f32>>, f32); 6] = [
            (vec![], 0.0),
            (vec![vec![1.0, 2.0, 3.0]], 3.0),
            // Few days never narrow: the largest is -1.
            (vec![vec![-3.0, -2.0, -1.0]], 0.0),
            (vec![vec![-1.0]; 4], 0.0),
            (vec![vec![-1.0]; 5], -1.0),
            // The second day lies above the first throughout: 0.1 + 0.2 x 0.1 x (0.1 - 1) = 0.082 may be missed, so the
            // level is 0.918 x 19 ÷ 18 = 0.969 and the position among the 18 numbers 0.969 x 17 = 16.473.
            (vec![vec![0.0; 9], rising], 8.473),
        ];
        for (days, expect) in table {
            let found = addition(&days, 0.9);
            assert!((found - expect).abs() < 1e-4, "{days:?}: {found} is not {expect}");
        }
    }

    #[test]
    fn a_miss_is_a_value_above_what_was_forecast() {
        let mut scores = Scores::default();
        scores.add(&[1.0, 2.0, f32::NAN], [&[0.0, 3.0, 0.0], &[9.0, 9.0, 9.0]]);
        let correction = scores.correction();
        assert_eq!(correction.misses, Some(0.5), "a gap is no miss");
        // Above 0.95: the larger of 1 and -1. Above 0.99: both lie below, and one day never narrows.
        assert_eq!(correction.add, [1.0, 0.0]);
    }

    #[test]
    fn a_correction_keeps_the_quantiles_ascending() {
        let values: [f32; COUNT] = std::array::from_fn(|level| level as f32);
        let mut rows = Rows::constant(&values, 3);
        Correction { add: [1.0, -9.0], misses: None }.apply(&mut rows);
        let at = |level: usize| rows.level(level)[0];
        assert_eq!(at(P95), values[P95] + 1.0);
        assert_eq!(at(P975), values[P975] + 1.0);
        assert_eq!(at(P99), at(P975), "what falls below its lower neighbour takes its value");
        assert_eq!(at(0), values[0]);
    }
}
