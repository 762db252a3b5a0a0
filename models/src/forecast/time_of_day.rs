//! The quantiles of each quarter of an hour of the day, over all days of the window.
//!
//! Quarters, because what runs by the clock (backups, rotations, reports) starts on one and lasts minutes: hours would
//! smear it. Not here: weekdays; the members that know them are `naive` with a week and `fourier`.

use super::{
    rows::{COUNT, Rows, Spread, spread_sorted},
    window::{DAY_H, Window},
};

/// Quarters in an hour.
const QUARTERS: usize = 4;

/// A quarter also learns from this share of its length on either side, so that a job that starts a few minutes early
/// or late is not missed: one slot of five minutes.
const NEIGHBOURS: usize = 3;

/// The values of each quarter of the day so far, sorted.
#[derive(Debug, Clone)]
pub(super) struct TimeOfDay {
    /// Slots in a quarter; one where slots are longer than a quarter.
    quarter: usize,
    /// Slots on either side that a quarter learns from.
    neighbours: usize,
    sorted: Vec<Vec<f32>>,
    /// Up to which slot of the window it has learnt.
    until: usize,
}

impl TimeOfDay {
    /// Has learnt nothing yet.
    pub(super) fn new(window: &Window) -> Self {
        let quarter = (window.per_hour / QUARTERS).max(1);
        let count = (DAY_H * window.per_hour).div_ceil(quarter);
        let room = (quarter + 2 * (quarter / NEIGHBOURS)) * window.slots.len();
        let room = room / (DAY_H * window.per_hour) + quarter;
        Self {
            quarter,
            neighbours: quarter / NEIGHBOURS,
            sorted: vec![Vec::with_capacity(room); count],
            until: 0,
        }
    }

    /// Learns the slots of the window up to `until`.
    pub(super) fn learn(&mut self, window: &Window, until: usize) {
        let day = DAY_H * window.per_hour;
        for (index, sorted) in self.sorted.iter_mut().enumerate() {
            let first = index * self.quarter;
            let slots = self.quarter.min(day - first) + 2 * self.neighbours;
            let anew = sorted.is_empty();
            for offset in 0..slots {
                // The slot of the day, and where the first such slot of the new stretch is.
                let slot_of_day = (day + first + offset - self.neighbours) % day;
                let skip = (slot_of_day + day - window.slot_of_day(self.until)) % day;
                let begin = (self.until + skip).min(until);
                let values = window.slots[begin..until].iter().step_by(day);
                for value in values.filter(|value| !value.is_nan()) {
                    if anew { sorted.push(*value) } else { insert(sorted, *value) }
                }
            }
            if anew {
                sorted.sort_unstable_by(f32::total_cmp);
            }
        }
        self.until = until;
    }

    /// For each slot ahead the quantiles of its quarter; `None` when one of them was never seen.
    pub(super) fn forecast(&self, window: &Window, ahead: usize) -> Option<Rows> {
        let quarters: Vec<Spread> =
            self.sorted.iter().map(|sorted| spread_sorted(sorted)).collect::<Option<_>>()?;
        let day = DAY_H * window.per_hour;
        let mut rows = Rows::zeros(ahead);
        let first = window.slot_of_day(self.until);
        let order: Vec<usize> =
            (first..day).chain(0..first).map(|slot| slot / self.quarter).collect();
        for level in 0..COUNT {
            let of_level: Vec<f32> = quarters.iter().map(|spread| spread[level]).collect();
            for (value, quarter) in rows.level_mut(level).iter_mut().zip(order.iter().cycle()) {
                *value = of_level[*quarter];
            }
        }
        Some(rows)
    }
}

/// Puts a value into its place.
fn insert(sorted: &mut Vec<f32>, value: f32) {
    sorted.insert(sorted.partition_point(|other| *other <= value), value);
}
