//! The plainest forecast: tomorrow is distributed like the recent past, whatever the hour.
//!
//! Not here: rhythm (`naive`, `time_of_day`, `fourier`).

use super::{Past, Quantiles};

/// The quantiles of the last `back` hours for every hour ahead; `None` without a value in them.
pub(super) fn forecast(past: Past<'_>, back: usize, ahead: usize) -> Option<Vec<Quantiles>> {
    let level = Quantiles::of(past.last(back).iter().copied())?;
    Some(vec![level; ahead])
}
