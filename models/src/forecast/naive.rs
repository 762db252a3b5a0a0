//! The seasonal naive forecast: an hour is like the same hour one season before.
//!
//! Not here: averaging over several seasons (`time_of_day`, `fourier`).

use super::{Past, Quantiles, WEEK_H};

/// Hours of differences that give the spread: a whole week, so that weekends count as often as they come.
const SPREAD_H: usize = WEEK_H;

/// The mean of the same hour one season before, plus the quantiles of what was seen around such means in the last week.
///
/// Where that hour has no value, the one before it by a season, or before that. `None` with less than a season of
/// differences, or when an hour has no value in any season.
pub(super) fn forecast(past: Past<'_>, season: usize, ahead: usize) -> Option<Vec<Quantiles>> {
    if past.until < 2 * season {
        return None;
    }
    let per_hour = past.hours.per_hour;
    let from = past.until.saturating_sub(SPREAD_H).max(season);
    let means = past.means();
    let slots = past.hours.slots(from, past.until).chunks_exact(per_hour);
    let around = slots.zip(&means[from - season..past.until - season]);
    let spread =
        Quantiles::of(around.flat_map(|(slots, mean)| slots.iter().map(move |slot| slot - mean)))?;
    let same_hour = |hour: usize| {
        let index = past.until - season + hour % season;
        let earlier = (0..).map_while(|seasons: usize| index.checked_sub(seasons * season));
        earlier.map(|index| means[index]).find(|mean| !mean.is_nan())
    };
    (0..ahead).map(|hour| Some(spread.shifted(same_hour(hour)?))).collect()
}
