//! The quantiles of each hour of the day over the last two weeks.
//!
//! Not here: weekdays; a bank member that knows them is `naive` with a week.

use super::{DAY_H, Past, Quantiles, WEEK_H};

/// Two weeks: about 168 slots an hour of the day, enough for a 0.99 quantile that is not just the maximum.
const BACK_H: usize = 2 * WEEK_H;

/// For each hour ahead the quantiles of its hour of the day; `None` when one of the 24 was never seen.
pub(super) fn forecast(past: Past<'_>, ahead: usize) -> Option<Vec<Quantiles>> {
    let from = past.until.saturating_sub(BACK_H);
    let per_hour = past.hours.per_hour;
    let slots = past.hours.slots(from, past.until);
    let of_hour = |hour: usize| {
        let first = (hour + DAY_H - past.hour_of_day(from)) % DAY_H;
        let blocks = slots.chunks_exact(per_hour).skip(first).step_by(DAY_H);
        Quantiles::of(blocks.flatten().copied())
    };
    let day: Vec<Quantiles> = (0..DAY_H).map(of_hour).collect::<Option<_>>()?;
    Some((0..ahead).map(|hour| day[past.hour_of_day(past.until + hour)]).collect())
}
