//! Quantiles slot by slot: what the members of the bank hand in and what they are blended into.
//!
//! Not here: how the members find them, and hours (`hourly`).

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantile::quantile_sorted;

/// The probabilities of the quantiles that an hour of a forecast states.
pub const LEVELS: [f64; 5] = [0.10, 0.50, 0.90, 0.95, 0.99];

/// The probabilities that are forecast for a slot: those of [`LEVELS`] and the bounds of a two-sided 95 % band.
pub(super) const SLOT_LEVELS: [f64; 7] = [0.025, 0.10, 0.50, 0.90, 0.95, 0.975, 0.99];

/// Positions in [`SLOT_LEVELS`].
pub(super) const P95: usize = 4;
pub(super) const P975: usize = 5;
pub(super) const P99: usize = 6;

/// How many quantiles a slot has.
pub(super) const COUNT: usize = SLOT_LEVELS.len();

/// The quantiles of one slot or of a sample, in the order of [`SLOT_LEVELS`].
pub(super) type Spread = [f32; COUNT];

/// Quantiles of a distribution, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The higher of each quantile.
    #[must_use]
    pub fn highest(self, other: Self) -> Self {
        Self {
            p10: self.p10.max(other.p10),
            p50: self.p50.max(other.p50),
            p90: self.p90.max(other.p90),
            p95: self.p95.max(other.p95),
            p99: self.p99.max(other.p99),
        }
    }

    /// As an array in the order of [`LEVELS`].
    #[must_use]
    pub const fn array(self) -> [f32; 5] {
        [self.p10, self.p50, self.p90, self.p95, self.p99]
    }
}

impl From<[f32; 5]> for Quantiles {
    fn from([p10, p50, p90, p95, p99]: [f32; 5]) -> Self {
        Self { p10, p50, p90, p95, p99 }
    }
}

/// Quantiles of one slot, ascending, in the series' unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlotQuantiles {
    /// The 0.025 quantile.
    pub q025: f32,
    /// The 0.10 quantile.
    pub q10: f32,
    /// The median.
    pub q50: f32,
    /// The 0.90 quantile.
    pub q90: f32,
    /// The 0.95 quantile.
    pub q95: f32,
    /// The 0.975 quantile.
    pub q975: f32,
    /// The 0.99 quantile.
    pub q99: f32,
}

impl From<Spread> for SlotQuantiles {
    fn from([q025, q10, q50, q90, q95, q975, q99]: Spread) -> Self {
        Self { q025, q10, q50, q90, q95, q975, q99 }
    }
}

/// The quantiles of sorted numbers; `None` when there are none.
pub(super) fn spread_sorted(sorted: &[f32]) -> Option<Spread> {
    let mut spread = [0.0; COUNT];
    for (value, level) in spread.iter_mut().zip(SLOT_LEVELS) {
        *value = quantile_sorted(sorted, level)? as f32;
    }
    Some(spread)
}

/// The quantiles of the numbers that are there; `None` when none is.
pub(super) fn spread_of(numbers: impl Iterator<Item = f32>) -> Option<Spread> {
    let mut numbers: Vec<f32> = numbers.filter(|value| !value.is_nan()).collect();
    numbers.sort_unstable_by(f32::total_cmp);
    spread_sorted(&numbers)
}

/// Quantiles of consecutive slots, one run of slots for each level: sums over slots are then sums over neighbours.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows {
    slots: usize,
    values: Vec<f32>,
}

impl Rows {
    /// `slots` slots of zeros.
    pub(super) fn zeros(slots: usize) -> Self {
        Self { slots, values: vec![0.0; slots * COUNT] }
    }

    /// The same quantiles in every slot.
    pub(super) fn constant(spread: &Spread, slots: usize) -> Self {
        let mut rows = Self::zeros(slots);
        for (level, value) in spread.iter().enumerate() {
            rows.level_mut(level).fill(*value);
        }
        rows
    }

    /// A spread around the value of each slot.
    pub(super) fn around(middle: &[f32], spread: &Spread) -> Self {
        let mut values = Vec::with_capacity(middle.len() * COUNT);
        for add in spread {
            values.extend(middle.iter().map(|value| value + add));
        }
        Self { slots: middle.len(), values }
    }

    /// How many slots there are.
    pub(super) const fn slots(&self) -> usize {
        self.slots
    }

    /// One level of all slots.
    pub(super) fn level(&self, level: usize) -> &[f32] {
        &self.values[level * self.slots..(level + 1) * self.slots]
    }

    /// One level of all slots, to be written.
    pub(super) fn level_mut(&mut self, level: usize) -> &mut [f32] {
        &mut self.values[level * self.slots..(level + 1) * self.slots]
    }

    /// All levels of one slot.
    pub(super) fn at(&self, slot: usize) -> Spread {
        std::array::from_fn(|level| self.values[level * self.slots + slot])
    }

    /// Makes the levels of each slot ascend by sorting them (Chernozhukov, Fernandez-Val and Galichon, "Quantile and
    /// Probability Curves Without Crossing", 2010: never worse than before).
    pub(super) fn ascend(&mut self) {
        for slot in 0..self.slots {
            let mut spread = self.at(slot);
            if spread.is_sorted() {
                continue;
            }
            spread.sort_unstable_by(f32::total_cmp);
            for (level, value) in spread.into_iter().enumerate() {
                self.values[level * self.slots + slot] = value;
            }
        }
    }

    /// Lifts one level to the level below it where it is lower.
    pub(super) fn hold_above(&mut self, level: usize) {
        let (below, own) = self.values.split_at_mut(level * self.slots);
        for (value, below) in own.iter_mut().zip(&below[(level - 1) * self.slots..]) {
            *value = value.max(*below);
        }
    }

    /// Moves all levels of some slots.
    pub(super) fn shift(&mut self, slots: Range<usize>, by: f32) {
        for level in 0..COUNT {
            for value in &mut self.level_mut(level)[slots.clone()] {
                *value += by;
            }
        }
    }

    /// Holds all levels at `floor` or above.
    pub(super) fn hold_at(&mut self, floor: f32) {
        for value in &mut self.values {
            *value = value.max(floor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_hold_what_they_are_given() {
        let spread = [-3.0, -2.0, 0.0, 2.0, 3.0, 4.0, 5.0];
        let rows = Rows::around(&[10.0, 20.0], &spread);
        let near = |found: &[f32], expect: &[f32]| {
            found.iter().zip(expect).all(|(found, expect)| (found - expect).abs() < 1e-6)
        };
        assert!(near(&rows.at(1), &[17.0, 18.0, 20.0, 22.0, 23.0, 24.0, 25.0]), "{rows:?}");
        assert!(near(rows.level(2), &[10.0, 20.0]), "{rows:?}");
        assert!(near(Rows::constant(&spread, 2).level(P99), &[5.0, 5.0]));
    }

    #[test]
    fn a_sample_of_0_to_100_is_its_own_percentiles() {
        let numbers = (0_u8..=100).rev().map(f32::from).chain([f32::NAN]);
        let expect = [2.5, 10.0, 50.0, 90.0, 95.0, 97.5, 99.0];
        let found = spread_of(numbers).expect("there are numbers");
        for (value, expect) in found.into_iter().zip(expect) {
            assert!((value - expect).abs() < 1e-4, "{value} is not {expect}");
        }
        assert_eq!(spread_of([f32::NAN].into_iter()), None);
    }
}
