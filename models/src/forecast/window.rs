//! The stretch of a series that a fit learns from, with what all members of the bank read in it.
//!
//! Not here: where the stretch begins after a shift of level (`shift`) and how a changed clock is undone (`clock_change`).

use std::ops::Range;

use super::ranked::Ranked;
use crate::season::Hours;

/// Hours of a day and of a week.
pub(super) const DAY_H: usize = 24;
pub(super) const WEEK_H: usize = 168;

/// Hours that a fit looks back at most: two weeks, so that each weekday is seen twice, before each of the days that are
/// forecast anew. What is older is no longer how the resource is used.
pub(super) const WINDOW_H: usize = 2 * WEEK_H + super::select::TRIALS * DAY_H;

/// The slots of a window of whole hours.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// The first hour, counted since the epoch.
    pub(super) first: i64,
    /// Slots in an hour.
    pub(super) per_hour: usize,
    /// The slots; NaN marks a gap.
    pub(super) slots: Vec<f32>,
    /// The mean of each hour; NaN where it has no value.
    pub(super) means: Vec<f32>,
    /// The values in order.
    pub(super) values: Ranked,
    /// The differences from the same slot of the day before, in order.
    pub(super) from_yesterday: Ranked,
    /// The differences from the same slot of the week before, in order.
    pub(super) from_last_week: Ranked,
}

impl Window {
    /// The hours of a series from hour `from` on.
    pub(super) fn of(hours: &Hours, from: usize) -> Self {
        let slots = hours.slots(from, hours.len()).to_vec();
        let differences = |lag_h: usize| {
            let lag = lag_h * hours.per_hour;
            let later = slots.get(lag..).unwrap_or_default();
            Ranked::of(later.iter().zip(&slots).map(|(later, earlier)| later - earlier), lag)
        };
        Self {
            first: hours.first + i64::try_from(from).unwrap_or(i64::MAX),
            per_hour: hours.per_hour,
            means: hours.means[from..].to_vec(),
            values: Ranked::of(slots.iter().copied(), 0),
            from_yesterday: differences(DAY_H),
            from_last_week: differences(WEEK_H),
            slots,
        }
    }

    /// The differences of the slots in `range` from those `lag_h` hours before; NaN where one of the two is a gap.
    pub(super) fn differences(
        &self,
        lag_h: usize,
        range: Range<usize>,
    ) -> impl Iterator<Item = f32> + '_ {
        let lag = lag_h * self.per_hour;
        range
            .filter(move |slot| *slot >= lag)
            .map(move |slot| self.slots[slot] - self.slots[slot - lag])
    }

    /// The slot of the day (UTC) of slot `index`.
    pub(super) fn slot_of_day(&self, index: usize) -> usize {
        let first_h = self.first.rem_euclid(24) as usize;
        (first_h * self.per_hour + index) % (DAY_H * self.per_hour)
    }
}
