//! The quiet hours of a resource: those in which its forecast expects least of it and a change may begin.
//!
//! Not here: what is forecast (`trimtab-models`), who may do without a quiet hour (`check::quiet_time`).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use trimtab_models::recommendation::ForecastSeen;

use crate::{scope::Target, settings::Policy, window::is_open};

/// Seconds of an hour of the forecast.
const HOUR_S: i64 = 3_600;
/// Hours after which a forecast repeats itself.
const WEEK_H: i64 = 168;
/// One allowed hour in so many counts as quiet where none of the week's quiet hours is allowed: the share that 24 hours
/// are of a week.
const QUIET_SHARE: usize = 7;

/// How much more than in the quiet hours may be expected of an hour that counts as one, as a ratio of the week's highest
/// median: less nobody can tell apart, and where a whole week lies within it no hour is better than another.
const ALIKE_RATIO: f32 = 0.1;

/// When it is quiet enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quiet {
    /// In this hour.
    Now {
        /// Why, in words.
        reason: String,
    },
    /// Later.
    Later {
        /// The beginning of the hour.
        at: Timestamp,
        /// Why, in words.
        reason: String,
    },
    /// No hour is known that could be quiet.
    Unknown {
        /// What is missing, in words.
        reason: String,
    },
}

/// The first quiet hour from `now` on and before `end` in which a window is open and no freeze is on.
///
/// Quiet are the quiet hours of the forecast and those that hardly differ from them; where none of them is allowed, the quietest seventh of the hours that are.
/// The forecast's week is taken to repeat itself.
#[must_use]
pub fn quiet(
    policy: &Policy,
    target: &Target<'_>,
    forecast: Option<&ForecastSeen>,
    (now, end): (Timestamp, Timestamp),
) -> Quiet {
    let Some(forecast) = forecast else {
        let reason = "there is no forecast, so that no hour is known to be quiet".to_owned();
        return Quiet::Unknown { reason };
    };
    let allowed = || hours(now, end).filter(|at| is_open(policy, target, *at));
    let known = quiet_hours(forecast);
    let measure = forecast.measure;
    let first = allowed().find(|at| known.contains(&hour_of_week(forecast, *at)));
    let (first, what) = match first {
        Some(at) => (Some(at), format!("one of the quiet hours of {measure} in the week ahead")),
        None => {
            let first = quietest(forecast, allowed().collect());
            (first, format!("of the hours allowed, among the quietest of {measure}"))
        }
    };
    match first {
        None => Quiet::Unknown { reason: format!("no hour before {end} is allowed") },
        Some(at) if at <= now => Quiet::Now { reason: format!("this hour is {what}") },
        Some(at) => Quiet::Later { at, reason: format!("the hour from {at} on is {what}") },
    }
}

/// The quiet hours of the week, by their place in it.
fn quiet_hours(forecast: &ForecastSeen) -> BTreeSet<i64> {
    let told: BTreeSet<i64> =
        forecast.quiet_hours.iter().map(|at| hour_of_week(forecast, *at)).collect();
    let medians = || (0..).zip(forecast.week.iter().map(|step| step.p50));
    let highest = |medians: &mut dyn Iterator<Item = (i64, f32)>| {
        medians.map(|(_, median)| median).reduce(f32::max)
    };
    let quiet = highest(&mut medians().filter(|(hour, _)| told.contains(hour)));
    let Some((quiet, most)) = quiet.zip(highest(&mut medians())) else { return told };
    let limit = quiet + ALIKE_RATIO * most.max(0.0);
    medians().filter(|(_, median)| *median <= limit).map(|(hour, _)| hour).chain(told).collect()
}

/// `now`, then the beginnings of the hours after it, for a week and before `end`.
fn hours(now: Timestamp, end: Timestamp) -> impl Iterator<Item = Timestamp> {
    let hour_s = now.as_second().div_euclid(HOUR_S) * HOUR_S;
    let later = (1..WEEK_H)
        .filter_map(move |hour| Timestamp::from_second(hour_s.checked_add(hour * HOUR_S)?).ok());
    std::iter::once(now).chain(later).take_while(move |at| *at < end)
}

/// The hour's place in the week of the forecast, 0 to 167.
fn hour_of_week(forecast: &ForecastSeen, at: Timestamp) -> i64 {
    (at.as_second() - forecast.from.as_second()).div_euclid(HOUR_S).rem_euclid(WEEK_H)
}

/// The first hour among the quietest seventh of those allowed, at least one; none where the forecast does not tell a week.
fn quietest(forecast: &ForecastSeen, allowed: Vec<Timestamp>) -> Option<Timestamp> {
    let median = |at: &Timestamp| {
        let hour = usize::try_from(hour_of_week(forecast, *at)).ok()?;
        forecast.week.get(hour).map(|step| step.p50)
    };
    let mut known: Vec<(f32, Timestamp)> =
        allowed.into_iter().filter_map(|at| Some((median(&at)?, at))).collect();
    known.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let count = (known.len() / QUIET_SHARE).max(1);
    known.into_iter().take(count).map(|(_, at)| at).min()
}

/// The hour from `at` on.
#[must_use]
pub(crate) fn is_within_hour(at: Timestamp, now: Timestamp) -> bool {
    at <= now && now.duration_since(at) < SignedDuration::from_hours(1)
}

#[cfg(test)]
mod tests {
    use trimtab_models::recommendation::Action;

    use super::*;
    use crate::{
        fixtures::{forecast, instance, policy, time},
        mode::Matcher,
        settings::{Freeze, Window},
    };

    fn window(from: &str, until: &str) -> Window {
        use jiff::civil::Weekday::*;
        Window {
            name: "w".to_owned(),
            matcher: Matcher::default(),
            days: vec![Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday],
            from: from.parse().expect("a time of day"),
            until: until.parse().expect("a time of day"),
            time_zone: Some(jiff::tz::TimeZone::UTC),
        }
    }

    fn check(policy: &Policy, seen: Option<&ForecastSeen>, span: (&str, &str), expect: &str) {
        let resource = instance("i-1");
        let target =
            Target { reference: &resource.reference, group: "g", action: Action::ResizeInstance };
        let found = quiet(policy, &target, seen, (time(span.0), time(span.1)));
        let text = match &found {
            Quiet::Now { .. } => "now".to_owned(),
            Quiet::Later { at, .. } => at.to_string(),
            Quiet::Unknown { .. } => "unknown".to_owned(),
        };
        assert_eq!(text, expect, "{span:?}: {found:?}");
    }

    const NOON: &str = "2026-11-20T12:00:00Z";
    const NIGHT: &str = "2026-11-21T02:30:00Z";
    const FAR: &str = "2026-12-31T00:00:00Z";

    #[test]
    fn the_first_quiet_hour_that_is_allowed() {
        let seen = forecast();
        let open = policy();
        check(&open, Some(&seen), (NOON, FAR), "2026-11-21T02:00:00Z");
        check(&open, Some(&seen), (NIGHT, FAR), "now");
        // Two weeks later the week repeats itself; before its beginning, too.
        check(&open, Some(&seen), ("2026-12-05T03:10:00Z", FAR), "now");
        check(&open, Some(&seen), ("2026-11-20T11:10:00Z", FAR), "2026-11-21T02:00:00Z");
        let late = Policy { windows: vec![window("04:00", "06:00")], ..policy() };
        check(&late, Some(&seen), (NIGHT, FAR), "2026-11-21T04:00:00Z");
        let freeze = Freeze {
            name: "f".to_owned(),
            matcher: Matcher::default(),
            from: time(NOON),
            until: time("2026-11-21T12:00:00Z"),
        };
        let frozen = Policy { freezes: vec![freeze], ..policy() };
        check(&frozen, Some(&seen), (NIGHT, FAR), "2026-11-22T02:00:00Z");
    }

    #[test]
    fn without_an_allowed_quiet_hour_the_quietest_allowed() {
        let mut seen = forecast();
        // Saturday 09:00 to 10:00 is the quietest hour that the window leaves.
        seen.week[21].p50 = 20.0;
        let day = Policy { windows: vec![window("08:00", "10:00")], ..policy() };
        check(&day, Some(&seen), (NOON, "2026-11-23T00:00:00Z"), "2026-11-21T09:00:00Z");
        // Before the approval ends there are only hours that are not quiet: the first is as good as any.
        check(&policy(), Some(&seen), (NOON, "2026-11-20T14:00:00Z"), "now");
    }

    #[test]
    fn hours_that_hardly_differ_are_as_good() {
        let mut seen = forecast();
        // A tenth of the highest median, 50 %, above the quiet hours' 1 %.
        (seen.week[3].p50, seen.week[4].p50) = (6.1, 6.0);
        check(&policy(), Some(&seen), (NOON, FAR), "2026-11-20T16:00:00Z");
        for step in &mut seen.week {
            step.p50 = step.p50.max(46.0);
        }
        check(&policy(), Some(&seen), (NOON, FAR), "now");
    }

    #[test]
    fn nothing_is_invented() {
        check(&policy(), None, (NOON, FAR), "unknown");
        let seen = forecast();
        let day = Policy { windows: vec![window("08:00", "10:00")], ..policy() };
        check(&day, Some(&seen), (NOON, "2026-11-20T14:00:00Z"), "unknown");
        let untold = ForecastSeen { week: Vec::new(), quiet_hours: Vec::new(), ..seen };
        check(&policy(), Some(&untold), (NOON, FAR), "unknown");
    }
}
