//! The plainest forecasts: what comes is distributed like the recent past, whatever the hour.
//!
//! Not here: rhythm (`naive`, `time_of_day`, `fourier`).

use super::{
    bank::Past,
    rows::{Rows, spread_of},
};

/// The quantiles of the last `back` hours in every slot ahead; `None` without a value in them.
pub(super) fn recent(past: &Past<'_>, back: usize, ahead: usize) -> Option<Rows> {
    let from = past.until.saturating_sub(back * past.window.per_hour);
    let level = spread_of(past.window.slots[from..past.until].iter().copied())?;
    Some(Rows::constant(&level, ahead))
}

/// The quantiles of the whole window; `None` without a value in it.
pub(super) fn whole(past: &Past<'_>, ahead: usize) -> Option<Rows> {
    Some(Rows::constant(&past.window.values.spread(past.until)?, ahead))
}
