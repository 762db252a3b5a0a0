//! When a scheduled action fires: a minute of the day, on some days of the week, in UTC.
//!
//! The part of cron that Trimtab writes and can follow. Not here: what fires, and cron's lists, steps and months.

use std::fmt;

/// Seconds of a day.
const DAY_S: i64 = 86_400;
/// Days of a week.
const WEEK_DAYS: i64 = 7;
/// The epoch began on a Thursday, which is cron's day 4.
const EPOCH_DAY: i64 = 4;

/// A minute of the day on some days of the week, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recurrence {
    /// Minutes since midnight, 0–1,439.
    pub minute_of_day: u32,
    /// The days on which it fires, from Sunday (cron's 0).
    pub days: [bool; 7],
}

impl Recurrence {
    /// Reads five fields of cron; `None` for anything but a minute, an hour and a list of weekdays or `*`.
    #[must_use]
    pub fn parse(cron: &str) -> Option<Self> {
        let fields: Vec<&str> = cron.split_whitespace().collect();
        let [minute, hour, "*", "*", weekdays] = fields[..] else { return None };
        let (minute, hour): (u32, u32) = (minute.parse().ok()?, hour.parse().ok()?);
        let mut days = [weekdays == "*"; 7];
        if weekdays != "*" {
            for day in weekdays.split(',') {
                *days.get_mut(day.parse::<usize>().ok()?)? = true;
            }
        }
        (minute < 60 && hour < 24).then_some(Self { minute_of_day: 60 * hour + minute, days })
    }

    /// The last time at or before `until_s` at which it fires, seconds since the epoch; `None` when it never does.
    #[must_use]
    pub fn last_s(&self, until_s: i64) -> Option<i64> {
        let of_day_s = 60 * i64::from(self.minute_of_day);
        let newest = (until_s - of_day_s).div_euclid(DAY_S);
        let fires = |day: &i64| {
            usize::try_from((day + EPOCH_DAY).rem_euclid(WEEK_DAYS)).is_ok_and(|day| self.days[day])
        };
        let day = (newest - WEEK_DAYS + 1..=newest).rev().find(fires)?;
        Some(day * DAY_S + of_day_s)
    }
}

/// The day of the week on which a time falls, 0 (Sunday) to 6, UTC.
#[must_use]
pub fn weekday(time_s: i64) -> usize {
    let day = (time_s.div_euclid(DAY_S) + EPOCH_DAY).rem_euclid(WEEK_DAYS);
    usize::try_from(day).expect("a remainder of 7 is below 7")
}

impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<String> =
            (0..7).filter(|day| self.days[*day]).map(|d| d.to_string()).collect();
        let days = if days.len() == 7 { "*".to_owned() } else { days.join(",") };
        write!(f, "{} {} * * {days}", self.minute_of_day % 60, self.minute_of_day / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday at midnight, UTC: 2026-03-02.
    const MONDAY_S: i64 = 1_772_409_600;

    #[test]
    fn what_is_written_is_read() {
        for cron in ["30 6 * * *", "0 0 * * 1,2,3,4,5", "59 23 * * 0"] {
            let read = Recurrence::parse(cron).expect("a minute, an hour and weekdays");
            assert_eq!(read.to_string(), cron);
        }
        for cron in [
            "",
            "30 6 * *",
            "60 6 * * *",
            "0 24 * * *",
            "0 6 1 * *",
            "*/5 6 * * *",
            "0 6 * * 7",
            "0 6 * * MON",
        ] {
            assert_eq!(Recurrence::parse(cron), None, "{cron}");
        }
    }

    #[test]
    fn the_last_time_is_found_by_hand() {
        let at = |cron: &str, until_s: i64| {
            Recurrence::parse(cron).and_then(|one| one.last_s(until_s)).map(|s| s - MONDAY_S)
        };
        let hour = 3_600;
        assert_eq!(at("30 6 * * *", MONDAY_S + 7 * hour), Some(23_400));
        assert_eq!(at("30 6 * * *", MONDAY_S + 23_400), Some(23_400), "it fires in its own second");
        assert_eq!(at("30 6 * * *", MONDAY_S + 6 * hour), Some(23_400 - DAY_S));
        // The last Friday before Monday, 2026-02-27, is three days back.
        assert_eq!(at("0 12 * * 5", MONDAY_S), Some(12 * hour - 3 * DAY_S));
        assert_eq!(at("0 12 * * 1", MONDAY_S), Some(12 * hour - 7 * DAY_S));
        assert_eq!(weekday(MONDAY_S), 1);
    }
}
