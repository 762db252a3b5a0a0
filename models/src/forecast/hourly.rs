//! From slots to hours: the quantiles of the slots in an hour, whatever their order in it.
//!
//! Not here: the forecast of the slots (`bank`, `select`).

use super::{
    ranked::{ascending, restored},
    rows::{COUNT, LEVELS, Quantiles, Rows, SLOT_LEVELS, Spread},
};

/// Hours ahead in which every slot counts; beyond the day one of each quarter stands for its neighbours.
const EXACT_H: usize = 24;

/// Slots in a quarter of an hour, for an hour of so many slots.
const fn quarter(per_hour: usize) -> usize {
    if per_hour < 4 { 1 } else { per_hour / 4 }
}

/// The quantiles of each hour's slots taken together.
pub(super) fn hours(rows: &Rows, per_hour: usize) -> Vec<Quantiles> {
    let mut pool = Pool::default();
    (0..rows.slots() / per_hour)
        .map(|hour| {
            let stride = if hour < EXACT_H { 1 } else { quarter(per_hour) };
            let slots = (hour * per_hour..(hour + 1) * per_hour).step_by(stride);
            pool.quantiles(slots.map(|slot| rows.at(slot)))
        })
        .collect()
}

/// A value at which the chance of the mixture changes.
#[derive(Debug, Clone, Copy, Default)]
struct Bend {
    /// Change of the chance per unit.
    slope: f64,
    /// Chance that sits on this very value.
    jump: f64,
}

/// Room for the bends of one hour, used again for the next.
#[derive(Debug, Default)]
struct Pool {
    spreads: Vec<Spread>,
    bends: Vec<Bend>,
    /// The value of each bend in an order of bits that is the order of numbers, and the bend's place.
    order: Vec<u64>,
}

impl Pool {
    /// The quantiles of the mixture of some slots' distributions.
    ///
    /// A slot's distribution is taken as straight between its quantiles, with the tails beyond them drawn to the
    /// outermost.
    fn quantiles(&mut self, spreads: impl Iterator<Item = Spread>) -> Quantiles {
        self.spreads.clear();
        self.spreads.extend(spreads);
        let first = self.spreads[0];
        if self.spreads.iter().all(|spread| same(spread, &first)) {
            let [_, p10, p50, p90, p95, _, p99] = first;
            return Quantiles { p10, p50, p90, p95, p99 };
        }
        let share = 1.0 / self.spreads.len() as f64;
        self.bends.clear();
        self.order.clear();
        for spread in &self.spreads {
            for (value, bend) in spread.iter().zip(bends(spread, share)) {
                self.order.push(u64::from(ascending(*value)) << 32 | self.bends.len() as u64);
                self.bends.push(bend);
            }
        }
        self.order.sort_unstable();
        self.read()
    }

    /// Walks the bends upwards and notes where the chance passes each level.
    fn read(&self) -> Quantiles {
        let mut found = [0.0; LEVELS.len()];
        let mut next = 0;
        let (mut chance, mut slope) = (0.0_f64, 0.0_f64);
        let mut before = f64::NEG_INFINITY;
        for key in &self.order {
            let at = f64::from(restored((key >> 32) as u32));
            let width = if slope > 0.0 { at - before } else { 0.0 };
            let reached = chance + slope * width;
            while next < LEVELS.len() && reached > LEVELS[next] {
                let way = (LEVELS[next] - chance) / slope;
                found[next] = (before + way.clamp(0.0, width)) as f32;
                next += 1;
            }
            let bend = self.bends[*key as u32 as usize];
            chance = reached + bend.jump;
            while next < LEVELS.len() && chance >= LEVELS[next] {
                found[next] = at as f32;
                next += 1;
            }
            slope += bend.slope;
            before = at;
        }
        found[next..].fill(before as f32);
        Quantiles::from(found)
    }
}

/// What happens to the chance at each quantile of a slot that counts `share`.
fn bends(spread: &Spread, share: f64) -> [Bend; COUNT] {
    let mut bends = [Bend::default(); COUNT];
    bends[0].jump = share * SLOT_LEVELS[0];
    bends[COUNT - 1].jump = share * (1.0 - SLOT_LEVELS[COUNT - 1]);
    for level in 1..COUNT {
        let chance = share * (SLOT_LEVELS[level] - SLOT_LEVELS[level - 1]);
        let width = f64::from(spread[level]) - f64::from(spread[level - 1]);
        if width > 0.0 {
            bends[level - 1].slope += chance / width;
            bends[level].slope -= chance / width;
        } else {
            bends[level].jump += chance;
        }
    }
    bends
}

/// Whether two slots have the same quantiles, bit for bit.
fn same(one: &Spread, other: &Spread) -> bool {
    one.iter().zip(other).all(|(one, other)| one.total_cmp(other).is_eq())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(spreads: &[Spread]) -> [f32; 5] {
        Pool::default().quantiles(spreads.iter().copied()).array()
    }

    #[test]
    fn one_slot_is_its_hour() {
        let spread = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        for slots in [1, 12] {
            let found = of(&vec![spread; slots]);
            for (value, expect) in found.into_iter().zip([2.0, 3.0, 4.0, 5.0, 7.0]) {
                assert!((value - expect).abs() < 1e-6, "{found:?}");
            }
        }
    }

    #[test]
    fn a_job_in_one_slot_of_twelve_is_the_hours_tail() {
        let mut hour = vec![[1.0; COUNT]; 11];
        hour.push([100.0; COUNT]);
        // A twelfth of the chance, 0.083, lies at 100: above the 0.90 quantile, below the 0.95 quantile.
        assert!(
            of(&hour).iter().zip([1.0, 1.0, 1.0, 100.0, 100.0]).all(|(a, b)| (a - b).abs() < 1e-6)
        );
    }

    /// The share of a slot's distribution up to `value`, straight between its quantiles.
    fn chance(spread: &Spread, value: f64) -> f64 {
        let points: Vec<(f64, f64)> =
            spread.iter().map(|value| f64::from(*value)).zip(SLOT_LEVELS).collect();
        if value < points[0].0 {
            return 0.0;
        }
        let segment = points.windows(2).find(|pair| value < pair[1].0);
        segment.map_or(1.0, |pair| {
            let way = (value - pair[0].0) / (pair[1].0 - pair[0].0);
            pair[0].1 + way * (pair[1].1 - pair[0].1)
        })
    }

    proptest! {
        #[test]
        fn the_mixture_is_passed_at_each_level(
            mut spreads in prop::collection::vec(prop::array::uniform7(0.0_f32..100.0), 2..13),
        ) {
            for spread in &mut spreads {
                spread.sort_by(f32::total_cmp);
            }
            let found = of(&spreads);
            prop_assert!(found.is_sorted());
            let mixture = |value: f64| {
                let sum: f64 = spreads.iter().map(|spread| chance(spread, value)).sum();
                sum / spreads.len() as f64
            };
            for (value, level) in found.into_iter().zip(LEVELS) {
                let value = f64::from(value);
                prop_assert!(mixture(value - 0.001) <= level + 1e-3, "{value} at {level}");
                prop_assert!(mixture(value + 0.001) >= level - 1e-3, "{value} at {level}");
            }
        }
    }
}
