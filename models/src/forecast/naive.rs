//! The seasonal naive forecast: a slot is like the same slot one season before.
//!
//! Not here: averaging over several seasons (`time_of_day`, `fourier`).

use super::{
    bank::Past,
    rows::Rows,
    window::{DAY_H, WEEK_H, Window},
};
use crate::quantile::quantile;

/// Hours whose differences from yesterday say by how much today is off: long enough for a median, short enough to be
/// today's.
const OFFSET_H: usize = 2;

/// Hours after which the offset has fallen to a third (1/e): a load that is off now is mostly back within the day.
const DECAY_H: f64 = 3.0;

/// The same slot of the day before, moved by today's offset as it decays, with the spread of such differences.
///
/// `None` with less than a day of differences, or when a slot of the day has no value in any day.
pub(super) fn yesterday(past: &Past<'_>, ahead: usize) -> Option<Rows> {
    let mut middle = same_slot(past, DAY_H, ahead)?;
    let offset = offset(past);
    let per_slot = (-1.0 / (DECAY_H * past.window.per_hour as f64)).exp();
    let mut decayed = f64::from(offset);
    for value in &mut middle {
        decayed *= per_slot;
        *value += decayed as f32;
    }
    Some(Rows::around(&middle, &past.window.from_yesterday.spread(past.until)?))
}

/// The same slot of the week before, with the spread of such differences; `None` with less than a day of them, or when
/// a slot of the week has no value in any week.
pub(super) fn last_week(past: &Past<'_>, ahead: usize) -> Option<Rows> {
    if past.until < (WEEK_H + DAY_H) * past.window.per_hour {
        return None;
    }
    let middle = same_slot(past, WEEK_H, ahead)?;
    Some(Rows::around(&middle, &past.window.from_last_week.spread(past.until)?))
}

/// The median difference of the last hours from the day before; 0 when a gap hides it.
fn offset(past: &Past<'_>) -> f32 {
    let from = past.until.saturating_sub(OFFSET_H * past.window.per_hour);
    let differences = past.window.differences(DAY_H, from..past.until);
    let mut differences: Vec<f32> = differences.filter(|value| !value.is_nan()).collect();
    quantile(&mut differences, 0.5).map_or(0.0, |median| median as f32)
}

/// The value of each slot ahead one season before; where that is a gap, the one a season earlier, or before that.
fn same_slot(past: &Past<'_>, season_h: usize, ahead: usize) -> Option<Vec<f32>> {
    let Window { slots, per_hour, .. } = past.window;
    let season = season_h * per_hour;
    let last = past.until.checked_sub(season)?;
    let earlier = |slot: usize| {
        let index = last + slot % season;
        let seasons = (0..).map_while(|seasons: usize| index.checked_sub(seasons * season));
        seasons.map(|index| slots[index]).find(|value| !value.is_nan())
    };
    let cycle = (0..ahead.min(season)).map(earlier).collect::<Option<Vec<f32>>>()?;
    Some(cycle.iter().copied().cycle().take(ahead).collect())
}
