//! Comparisons by hand, and the false alarms of a forecast that is right.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{
    forecast::History,
    metric::{Measure, Statistic},
};

/// Half of a week at 20 %, with its P95 at 30 and its P99 at 35, the other half at twice that; from hour 1,000 on.
fn seen() -> ForecastSeen {
    let step = |scale: f32| Quantiles {
        p10: 10.0 * scale,
        p50: 20.0 * scale,
        p90: 25.0 * scale,
        p95: 30.0 * scale,
        p99: 35.0 * scale,
    };
    ForecastSeen {
        measure: Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average },
        from: Timestamp::from_second(1_000 * HOUR_S).expect("our era"),
        day: Vec::new(),
        week_highest: step(2.0),
        week: (0..168).map(|hour| step(if hour < 84 { 1.0 } else { 2.0 })).collect(),
        quiet_hours: Vec::new(),
        weights: Vec::new(),
        calibration_misses: None,
        history: History {
            from_s: 0,
            shifted_at_s: None,
            clock_change: None,
            trend_per_day: None,
            outliers: 0,
            gaps_ratio: 0.0,
        },
    }
}

/// Hours of twelve points each, from hour 1,000 on; NaN hours are gaps.
fn hours(values: &[f32]) -> Series {
    let values = values.iter().flat_map(|value| [*value; 12]).collect();
    Series { start_s: 1_000 * HOUR_S, step_s: 300, values }
}

fn compare(ratio: f32, values: &[f32]) -> Compared {
    let seen = seen();
    Counterfactual { seen: &seen, ratio }.compare(&hours(values), 1_000 * HOUR_S)
}

#[test]
fn the_week_repeats_itself_in_units_of_the_new_capacity() {
    let seen = seen();
    let would = Counterfactual { seen: &seen, ratio: 2.0 };
    let p50 = |hour: i64| would.at(hour * HOUR_S + 59).map(|one| one.p50);
    assert_eq!(
        [1_000, 1_083, 1_084, 1_168, 999].map(p50),
        [40.0, 40.0, 80.0, 40.0, 80.0].map(Some)
    );
}

#[test]
fn a_busy_day_that_was_forecast_is_no_regression() {
    // Twice the use on half the capacity: 40 %, then 80 %, as forecast.
    let mut values = vec![40.0; 84];
    values.extend([80.0; 84]);
    let found = compare(2.0, &values);
    assert_eq!((found.hours, found.hours_above, found.reason()), (168, 0, None));
    // The same use without a forecast of it is one.
    let flat = compare(1.0, &[85.0; 48]);
    assert_eq!((flat.hours_above, flat.hours_saturated), (48, 0));
    assert!(flat.reason().is_some_and(|reason| reason.contains("48 of 48 hours")));
    // More than forecast, but nowhere near the end of the capacity: nobody is harmed.
    assert_eq!(compare(1.0, &[60.0; 48]).reason(), None);
}

#[test]
fn saturation_counts_where_it_would_not_have_been() {
    // P99 at 35 % or, on half the capacity, 70 %.
    let mut values = vec![50.0; 42];
    values.extend([100.0; 6]);
    let found = compare(2.0, &values);
    assert_eq!((found.hours_saturated, found.saturated_now), (6, true));
    assert!(found.reason().is_some_and(|reason| reason.starts_with("saturated in 6 of 48")));
    // On a third of it 105 %: it would have been saturated anyway.
    let anyway = compare(3.0, &values);
    assert_eq!((anyway.hours_saturated, anyway.saturated_now, anyway.reason()), (0, false, None));
    // Twelve hours in a row above what was forecast happen in two days in one of a thousand changes; 13 are told.
    let run = |above: usize| {
        let mut values = vec![20.0; 48];
        values[..above].fill(90.0);
        compare(1.0, &values).reason().is_some()
    };
    assert_eq!([12, 13].map(run), [false, true]);
}

#[test]
fn gaps_are_not_compared() {
    let none = compare(1.0, &[f32::NAN; 48]);
    assert_eq!((none, none.reason()), (Compared::default(), None));
    let mut values = [f32::NAN; 48];
    values[0] = 100.0;
    assert_eq!(compare(1.0, &values).hours, 1);
    let empty = Series { start_s: 0, step_s: 300, values: Vec::new() };
    let seen = seen();
    let would = Counterfactual { seen: &seen, ratio: 1.0 };
    assert_eq!(would.compare(&empty, 0), Compared::default());
    let untold = ForecastSeen { week: Vec::new(), ..seen };
    let would = Counterfactual { seen: &untold, ratio: 1.0 };
    assert_eq!(would.compare(&hours(&[100.0; 9]), 0), Compared::default());
    assert_eq!(peak_end_s(&untold, 0), None);
}

#[test]
fn the_weekly_peak_is_the_first_busiest_hour_ahead() {
    let mut seen = seen();
    seen.week[100].p95 = 99.0;
    let end = |after_h: i64| peak_end_s(&seen, after_h * HOUR_S + 5).map(|s| s / HOUR_S - 1_000);
    assert_eq!([1_000, 1_100, 1_101].map(end), [Some(101), Some(101), Some(269)]);
}

#[test]
fn a_scheduler_shows_in_the_weeks_before() {
    let week: Vec<f32> = (0..168).map(|hour| if hour % 24 < 6 { f32::NAN } else { 20.0 }).collect();
    let weeks = |count: usize| {
        let mut values = vec![20.0];
        values.extend(week[1..].iter());
        values.extend(week.iter().cycle().take(168 * (count - 1)));
        hours(&values)
    };
    let off = |count: usize, hour: i64| is_usually_off(&weeks(count), (1_000 + hour) * HOUR_S + 99);
    let four = 4 * 168;
    assert_eq!([2, 5, 6, 23].map(|hour| off(4, four + hour)), [true, true, false, false]);
    assert!(!off(1, 168 + 2), "seen once is not often");
    assert!(off(3, four + 24 * 3 + 2), "the hours just before are not known, those before are");
    assert!(!is_usually_off(&hours(&[]), 0) && !is_usually_off(&hours(&[f32::NAN; 400]), 0));
}

proptest! {
    /// However points of an hour hang together, a forecast that is right raises hardly any alarm.
    #[test]
    fn chance_alone_is_hardly_ever_told(hits in 0_u64..=8, count in 48_u64..=192) {
        prop_assert_eq!(Compared { hours: count, hours_above: hits, ..Compared::default() }.reason(), None);
    }

    #[test]
    fn whatever_is_seen_is_counted_within_bounds(values in prop::collection::vec(prop_oneof![Just(f32::NAN), Just(f32::INFINITY), -10.0_f32..200.0], 0..60), ratio in 0.1_f32..10.0) {
        let found = compare(ratio, &values);
        prop_assert!(found.hours <= values.len() as u64);
        prop_assert!(found.hours_above <= found.hours && found.hours_saturated <= found.hours);
    }
}
