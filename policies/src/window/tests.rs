//! Windows across midnight, weeks and changes of the clocks; freezes; what is broken.

use jiff::civil::{Weekday, time as clock};
use proptest::prelude::*;
use trimtab_models::{recommendation::Action, resource::Kind};

use super::*;
use crate::{
    fixtures::{policy, reference, time},
    mode::Matcher,
};

fn window(days: &[Weekday], from: (i8, i8), until: (i8, i8), zone: &str) -> Window {
    Window {
        name: "nightly".to_owned(),
        matcher: Matcher::default(),
        days: days.to_vec(),
        from: clock(from.0, from.1, 0, 0),
        until: clock(until.0, until.1, 0, 0),
        time_zone: TimeZone::get(zone).ok(),
    }
}

fn at(policy: &Policy, now: &str) -> Opening {
    let reference = reference(Kind::Instance, "i-1");
    let target = Target { reference: &reference, group: "web", action: Action::ResizeInstance };
    opening(policy, &target, time(now))
}

/// Open, or when it opens next.
fn check(policy: &Policy, now: &str, expect: Result<(), Option<&str>>) {
    let found = match at(policy, now) {
        Opening::Open { .. } => Ok(()),
        Opening::Closed { until, .. } => Err(until),
    };
    assert_eq!(found, expect.map_err(|until| until.map(time)), "at {now}");
}

fn with(windows: Vec<Window>) -> Policy {
    Policy { windows, ..policy() }
}

#[test]
fn a_window_is_open_from_its_start_to_before_its_end() {
    let policy = with(vec![window(&[Weekday::Friday], (10, 0), (14, 0), "UTC")]);
    check(&policy, "2026-11-20T09:59:59Z", Err(Some("2026-11-20T10:00:00Z")));
    check(&policy, "2026-11-20T10:00:00Z", Ok(()));
    check(&policy, "2026-11-20T13:59:59Z", Ok(()));
    check(&policy, "2026-11-20T14:00:00Z", Err(Some("2026-11-27T10:00:00Z")));
    check(&policy, "2026-11-21T11:00:00Z", Err(Some("2026-11-27T10:00:00Z")));
}

#[test]
fn a_window_crosses_midnight_into_a_day_that_it_does_not_name() {
    let policy = with(vec![window(&[Weekday::Friday], (22, 0), (4, 0), "UTC")]);
    check(&policy, "2026-11-20T03:00:00Z", Err(Some("2026-11-20T22:00:00Z")));
    check(&policy, "2026-11-20T22:00:00Z", Ok(()));
    check(&policy, "2026-11-21T03:59:59Z", Ok(()));
    check(&policy, "2026-11-21T04:00:00Z", Err(Some("2026-11-27T22:00:00Z")));
    let whole = with(vec![window(&[Weekday::Friday], (6, 0), (6, 0), "UTC")]);
    check(&whole, "2026-11-21T05:59:59Z", Ok(()));
    check(&whole, "2026-11-21T06:00:00Z", Err(Some("2026-11-27T06:00:00Z")));
}

#[test]
fn the_wall_clock_counts_through_changes_of_the_clocks() {
    let all = [Weekday::Saturday, Weekday::Sunday];
    let policy = with(vec![window(&all, (2, 30), (5, 0), "Europe/Berlin")]);
    // In March 02:30 does not exist on the Sunday: the window opens when the clocks have jumped past it.
    check(&policy, "2026-03-29T01:29:59Z", Err(Some("2026-03-29T01:30:00Z")));
    check(&policy, "2026-03-29T01:30:00Z", Ok(()));
    check(&policy, "2026-03-29T02:59:59Z", Ok(()));
    check(&policy, "2026-03-29T03:00:00Z", Err(Some("2026-04-04T00:30:00Z")));
    // In October 02:30 occurs twice: the first one opens it, and five o'clock is an hour later by the sun.
    check(&policy, "2026-10-25T00:29:59Z", Err(Some("2026-10-25T00:30:00Z")));
    check(&policy, "2026-10-25T01:45:00Z", Ok(()));
    check(&policy, "2026-10-25T03:59:59Z", Ok(()));
    check(&policy, "2026-10-25T04:00:00Z", Err(Some("2026-10-31T01:30:00Z")));
}

#[test]
fn a_freeze_wins_and_its_end_can_be_the_next_opening() {
    let mut policy = with(vec![window(&[Weekday::Friday], (10, 0), (14, 0), "UTC")]);
    let freeze = |from: &str, until: &str, matcher: Matcher| Freeze {
        name: "sales".to_owned(),
        matcher,
        from: time(from),
        until: time(until),
    };
    let everything = Matcher::default;
    policy.freezes = vec![freeze("2026-11-20T11:00:00Z", "2026-11-20T12:00:00Z", everything())];
    check(&policy, "2026-11-20T10:59:59Z", Ok(()));
    check(&policy, "2026-11-20T11:00:00Z", Err(Some("2026-11-20T12:00:00Z")));
    check(&policy, "2026-11-20T12:00:00Z", Ok(()));
    policy.freezes = vec![freeze("2026-11-20T11:00:00Z", "2026-11-22T00:00:00Z", everything())];
    check(&policy, "2026-11-20T11:00:00Z", Err(Some("2026-11-27T10:00:00Z")));
    policy.freezes = vec![freeze("2026-11-20T11:00:00Z", "2027-11-22T00:00:00Z", everything())];
    check(&policy, "2026-11-20T11:00:00Z", Err(None));
    let elsewhere = Matcher { region: Some("eu-west-1".to_owned()), ..everything() };
    policy.freezes = vec![freeze("2026-11-20T11:00:00Z", "2026-11-22T00:00:00Z", elsewhere)];
    check(&policy, "2026-11-20T11:00:00Z", Ok(()));
    policy.windows.clear();
    policy.freezes = vec![freeze("2026-11-20T11:00:00Z", "2026-11-22T00:00:00Z", everything())];
    check(&policy, "2026-11-20T11:00:00Z", Err(Some("2026-11-22T00:00:00Z")));
    check(&policy, "2026-11-22T00:00:00Z", Ok(()));
}

#[test]
fn what_is_broken_or_does_not_apply_is_closed() {
    let broken = window(
        &Weekday::Monday.cycle_forward().take(7).collect::<Vec<_>>(),
        (0, 0),
        (0, 0),
        "Nowhere/At-All",
    );
    assert_eq!(broken.time_zone, None);
    let mut policy = with(vec![broken]);
    check(&policy, "2026-11-20T11:00:00Z", Err(None));
    policy.windows = vec![window(&[], (0, 0), (0, 0), "UTC")];
    check(&policy, "2026-11-20T11:00:00Z", Err(None));
    let mut elsewhere = window(&[Weekday::Friday], (0, 0), (0, 0), "UTC");
    elsewhere.matcher.region = Some("eu-west-1".to_owned());
    policy.windows = vec![elsewhere];
    check(&policy, "2026-11-20T11:00:00Z", Err(None));
    policy.windows.clear();
    check(&policy, "2026-11-20T11:00:00Z", Ok(()));
}

#[test]
fn a_window_that_names_the_resource_replaces_the_one_for_everything() {
    let mut named = window(&[Weekday::Sunday], (10, 0), (14, 0), "UTC");
    named.matcher.group = Some("web".to_owned());
    let policy = with(vec![window(&[Weekday::Friday], (10, 0), (14, 0), "UTC"), named]);
    check(&policy, "2026-11-20T11:00:00Z", Err(Some("2026-11-22T10:00:00Z")));
    check(&policy, "2026-11-22T11:00:00Z", Ok(()));
}

#[test]
fn days_are_added_and_nonsense_adds_none() {
    let start = time("2026-11-20T00:00:00Z");
    assert_eq!(after_days(start, 1.5), time("2026-11-21T12:00:00Z"));
    assert_eq!(after_days(start, f64::NAN), start);
    assert_eq!(after_days(start, -1.0), start);
    assert_eq!(after_days(start, f64::INFINITY), Timestamp::MAX);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Walks the minutes with nothing but local clock readings, and finds the same next opening.
    #[test]
    fn the_next_opening_is_the_first_open_minute(
        offset in 0..40_000_i64,
        days in prop::sample::subsequence(Weekday::Monday.cycle_forward().take(7).collect::<Vec<_>>(), 1..4),
        from in 0..24_i8,
        length in 1..24_i8,
        frozen in 0..2_000_i64,
    ) {
        let start = time("2026-10-12T00:00:00Z");
        let minute = |count: i64| start + SignedDuration::from_mins(count);
        let mut policy = with(vec![window(&days, (from, 0), ((from + length) % 24, 0), "UTC")]);
        policy.freezes = vec![Freeze {
            name: "short".to_owned(),
            matcher: Matcher::default(),
            from: minute(offset - 30),
            until: minute(offset + frozen),
        }];
        let is_open = |at: Timestamp| {
            let zoned = at.to_zoned(TimeZone::UTC);
            let since = (i64::from(zoned.hour()) - i64::from(from)).rem_euclid(24);
            let began = if i64::from(zoned.hour()) >= i64::from(from) {
                zoned.weekday()
            } else {
                zoned.weekday().previous()
            };
            let free = at >= minute(offset + frozen);
            free && since < i64::from(length) && days.contains(&began)
        };
        let expect = (0..14 * 1_440).map(|count| minute(offset + count)).find(|at| is_open(*at));
        let reference = reference(Kind::Instance, "i-1");
        let target = Target { reference: &reference, group: "web", action: Action::ResizeInstance };
        let found = match opening(&policy, &target, minute(offset)) {
            Opening::Open { .. } => Some(minute(offset)),
            Opening::Closed { until, .. } => until,
        };
        prop_assert_eq!(found, expect);
    }
}
