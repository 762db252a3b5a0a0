//! Numbers of a series in ascending order with the slot of each: the quantiles of any prefix in one pass.
//!
//! Every past day is forecast anew from what came before it. Sorting once and passing over the order is several times
//! faster than selecting anew for each of them. Not here: what the numbers mean.

use super::rows::{Spread, spread_sorted};

/// Numbers in ascending order, each with its slot; gaps and overflows are left out.
#[derive(Debug, Clone)]
pub(super) struct Ranked {
    values: Vec<f32>,
    slots: Vec<u32>,
}

impl Ranked {
    /// Sorts numbers by value; the first one belongs to slot `first`.
    pub(super) fn of(numbers: impl Iterator<Item = f32>, first: usize) -> Self {
        let mut keys: Vec<u64> = (first as u64..)
            .zip(numbers)
            .filter(|(_, value)| value.is_finite())
            .map(|(slot, value)| u64::from(ascending(value)) << 32 | slot)
            .collect();
        keys.sort_unstable();
        let values = keys.iter().map(|key| restored((key >> 32) as u32)).collect();
        let slots = keys.iter().map(|key| *key as u32).collect();
        Self { values, slots }
    }

    /// All numbers in ascending order.
    pub(super) fn sorted(&self) -> &[f32] {
        &self.values
    }

    /// The quantiles of the numbers before slot `until`; `None` when there are none.
    pub(super) fn spread(&self, until: usize) -> Option<Spread> {
        let until = u32::try_from(until).unwrap_or(u32::MAX);
        let mut before = vec![0.0; self.values.len()];
        let mut count = 0;
        // Without a branch: every number is written, and only those before `until` are kept.
        for (value, slot) in self.values.iter().zip(&self.slots) {
            before[count] = *value;
            count += usize::from(*slot < until);
        }
        spread_sorted(&before[..count])
    }
}

/// Bits that order as the number does: IEEE 754's own order for positive numbers, reversed for negative ones.
pub(super) const fn ascending(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

/// The number whose [`ascending`] bits these are.
pub(super) const fn restored(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::rows::spread_of, *};

    proptest! {
        #[test]
        fn a_prefix_is_as_if_sorted_alone(
            numbers in prop::collection::vec(
                prop_oneof![4 => -1e6_f32..1e6, 1 => Just(f32::NAN), 1 => Just(0.0_f32)],
                0..300,
            ),
            until in 0_usize..350,
            first in 0_usize..40,
        ) {
            let ranked = Ranked::of(numbers.iter().copied(), first);
            let prefix = numbers.iter().copied().take(until.saturating_sub(first));
            prop_assert_eq!(ranked.spread(until), spread_of(prefix));
        }
    }
}
