//! The last day of the month: billing runs, reports and pay days, where the history holds at least two of them.
//!
//! Not here: the seasons that return after a fixed number of hours (`season`), and the first days of a month.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::window::DAY_H;
use crate::{
    quantile::{quantile, quantiles},
    recommendation::SeasonSeen,
    season::{HOUR_S, Hours},
};

/// The mean length of a month in hours: 365.2425 x 24 / 12.
pub(super) const MONTH_H: u32 = 730;

/// Month ends that must have been seen.
const SEEN_MIN: usize = 2;

/// Hours of history below which nothing is looked for: thirty days, in which two month ends hardly lie.
const HISTORY_H_MIN: usize = DAY_H * 30;

/// Days on either side whose median is what the day would be otherwise: ten, so that each weekday is in it.
const AROUND_DAYS: usize = 10;

/// The band of other days' deviations that a month end must leave, each on the same side: two days do so by chance once
/// in two hundred times.
const USUAL: [f64; 2] = [0.05, 0.95];

/// Hours of a day that must have a mean.
const DAY_H_MIN: usize = DAY_H / 2;

/// What the last day of a month adds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MonthEnd {
    /// By how much its mean exceeds that of the days around it, in the series' unit.
    pub(super) excess: f32,
    /// How many were seen.
    times_seen: usize,
}

impl MonthEnd {
    /// Reads the month ends of a whole history; `None` with fewer than two, or when they are like other days.
    pub(super) fn of(hours: &Hours) -> Option<Self> {
        if hours.len() < HISTORY_H_MIN {
            return None;
        }
        let days = days(hours);
        let (mut at_end, mut others) = (Vec::new(), Vec::new());
        for (index, (last, mean)) in days.iter().enumerate() {
            let near =
                &days[index.saturating_sub(AROUND_DAYS)..days.len().min(index + AROUND_DAYS + 1)];
            let mut around: Vec<f32> = near
                .iter()
                .filter(|(last, mean)| !last && !mean.is_nan())
                .map(|(_, mean)| *mean)
                .collect();
            let usual = quantile(&mut around, 0.5).map_or(f32::NAN, |median| median as f32);
            let deviation = mean - usual;
            if !deviation.is_nan() {
                if *last { &mut at_end } else { &mut others }.push(deviation);
            }
        }
        if at_end.len() < SEEN_MIN {
            return None;
        }
        let [low, high] = quantiles(&mut others, USUAL)?.map(|value| value as f32);
        let stands_out = at_end.iter().all(|deviation| *deviation > high)
            || at_end.iter().all(|deviation| *deviation < low);
        let times_seen = at_end.len();
        let excess = quantile(&mut at_end, 0.5)? as f32;
        stands_out.then_some(Self { excess, times_seen })
    }

    /// As a season among others.
    pub(super) fn season(&self) -> SeasonSeen {
        SeasonSeen {
            period_h: MONTH_H,
            times_seen: u32::try_from(self.times_seen).unwrap_or(u32::MAX),
        }
    }
}

/// Whether a history holds enough month ends to be tested for them.
pub(super) fn is_tested(hours: &Hours) -> bool {
    let ends = days(hours).into_iter().filter(|(last, mean)| *last && !mean.is_nan());
    hours.len() >= HISTORY_H_MIN && ends.count() >= SEEN_MIN
}

/// Whether an hour since the epoch lies on the last day of a month (UTC).
pub(super) fn on_last_day(hour: i64) -> bool {
    date(hour).is_some_and(|date| date == date.last_of_month())
}

fn date(hour: i64) -> Option<Date> {
    let time = Timestamp::from_second(hour.checked_mul(HOUR_S)?).ok()?;
    Some(time.to_zoned(TimeZone::UTC).date())
}

/// Whether each whole day (UTC) is the last of its month, and its mean; NaN when too few of its hours have one.
fn days(hours: &Hours) -> Vec<(bool, f32)> {
    let skip = (24 - hours.first.rem_euclid(24)) as usize % DAY_H;
    let whole = hours.means.get(skip..).unwrap_or_default().chunks_exact(DAY_H);
    let first = hours.first + i64::try_from(skip).unwrap_or(0);
    whole
        .zip((first..).step_by(DAY_H))
        .map(|(means, hour)| {
            let present: Vec<f32> = means.iter().copied().filter(|mean| !mean.is_nan()).collect();
            let mean = present.iter().sum::<f32>() / present.len() as f32;
            (on_last_day(hour), if present.len() < DAY_H_MIN { f32::NAN } else { mean })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Series;

    /// Midnight of 1 January 2026, UTC.
    const START_S: i64 = 1_767_225_600;

    fn hours(days: usize, value: impl Fn(i64, usize) -> f32) -> Hours {
        let first = START_S / HOUR_S;
        let values = (0..days * 24).map(|hour| value(first + hour as i64, hour)).collect();
        Hours::of(&Series { start_s: START_S, step_s: 3_600, values }).expect("the grid fits")
    }

    #[test]
    fn two_busy_month_ends_are_a_season() {
        let busy = |hour: i64, index: usize| {
            let weekend = matches!(hour.div_euclid(24).rem_euclid(7), 2 | 3);
            let usual = if weekend { 5.0 } else { 10.0 } + (index % 5) as f32;
            if on_last_day(hour) { usual + 40.0 } else { usual }
        };
        // January and February end within 60 days, January alone within 50.
        let found = MonthEnd::of(&hours(62, busy)).expect("both stand out");
        assert_eq!(found.season(), SeasonSeen { period_h: 730, times_seen: 2 });
        assert!((30.0..=45.0).contains(&found.excess), "{}", found.excess);
        assert_eq!(MonthEnd::of(&hours(50, busy)), None, "one month end is none");
        assert_eq!([62, 50, 20].map(|days| is_tested(&hours(days, busy))), [true, false, false]);
        assert_eq!(
            MonthEnd::of(&hours(62, |_, index| (index % 5) as f32)),
            None,
            "calm ones are none"
        );
    }

    #[test]
    fn the_last_day_is_known() {
        for (date, expect) in [
            ("2026-01-31", true),
            ("2026-02-28", true),
            ("2024-02-28", false),
            ("2026-03-01", false),
        ] {
            let time: Timestamp = format!("{date}T12:00:00Z").parse().expect("it is a time");
            assert_eq!(on_last_day(time.as_second() / HOUR_S), expect, "{date}");
        }
    }
}
