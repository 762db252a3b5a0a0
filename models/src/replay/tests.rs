//! Replays: stretches, days and bounds by hand, and the bound against its definition.

use proptest::prelude::*;

use super::*;

fn dimension(demand: &[f64], capacity: f64) -> ReplayDimension {
    let demand = demand.iter().enumerate();
    let demand = demand.filter(|(_, value)| !value.is_nan());
    ReplayDimension {
        name: "cpu",
        step_s: 300,
        demand: demand
            .map(|(index, value)| (300 * i64::try_from(index).expect("few points"), *value))
            .collect(),
        capacity,
    }
}

#[test]
fn stretches_are_found_and_sorted() {
    let gap = f64::NAN;
    let replay = replay(&[dimension(&[3.0, 1.0, 3.0, 4.0, gap, 3.0, 2.0], 2.0)], DAY_H);
    let replay = replay.expect("there are points");
    assert_eq!((replay.points, replay.breaching_points), (6, 4));
    let lengths: Vec<i64> = replay
        .breaches
        .iter()
        .map(|breach| breach.until.as_second() - breach.from.as_second())
        .collect();
    assert_eq!(lengths, [600, 300, 300], "a gap ends a stretch");
    assert!((replay.breaches[0].peak_ratio - 2.0).abs() < 1e-12);
}

#[test]
fn a_slot_counts_once() {
    let cpu = dimension(&[3.0, 1.0], 2.0);
    let memory = ReplayDimension { name: "memory", ..dimension(&[3.0, 3.0], 2.0) };
    let replay = replay(&[cpu, memory], DAY_H).expect("there are points");
    assert_eq!((replay.points, replay.breaching_points), (2, 2));
}

#[test]
fn bounds_are_known_figures() {
    // 1 - 0.05^(1/14); published tables of Clopper and Pearson's one-sided limits (1 of 10: 0.3942, 5 of 100: 0.1023);
    // 1 - 0.05 for a single trial without a hit; and the ends.
    let cases = [
        (0, 14, 0.1926),
        (0, 28, 0.1015),
        (1, 10, 0.3942),
        (5, 100, 0.1023),
        (9, 10, 0.9949),
        (0, 1, 0.95),
        (1, 1, 1.0),
        (0, 0, 1.0),
    ];
    for (hits, count, expect) in cases {
        let bound = upper_bound(hits, count);
        assert!((bound - expect).abs() < 1e-4, "{hits} of {count}: {bound}");
    }
}

/// Hourly slots over `days` days, breaching at noon of the listed days and seen in `seen` hours of each.
fn hourly(days: usize, breaching: &[usize], seen: usize, cycle_h: u32) -> Replay {
    let slot = |hour: usize| {
        let hit = breaching.contains(&(hour / 24)) && hour % 24 == 12;
        let there = hour % 24 < seen || hit || hour + 1 == 24 * days;
        let value = if hit { 3.0 } else { 1.0 };
        there.then(|| (3_600 * i64::try_from(hour).expect("few hours"), value))
    };
    let demand = (0..24 * days).filter_map(slot).collect();
    let dimension = ReplayDimension { name: "cpu", step_s: 3_600, demand, capacity: 2.0 };
    replay(&[dimension], cycle_h).expect("there are points")
}

#[test]
fn days_are_the_trials() {
    // (days, breaching days, hours seen of each) -> days counted, breaching, bound
    type Case<'a> = ((usize, &'a [usize], usize), (u64, u64, f64));
    let cases: [Case<'_>; 7] = [
        ((14, &[], 24), (14, 0, upper_bound(0, 14))),
        ((28, &[3, 17], 24), (28, 2, upper_bound(2, 28))),
        // Half a day seen is a day, less is none; but a breach that was seen was seen.
        ((14, &[], 12), (14, 0, upper_bound(0, 14))),
        ((14, &[], 10), (0, 0, 1.0)),
        ((14, &[5], 10), (1, 1, 1.0)),
        // Four days in a row: mean 1/7, 3 pairs of both, 2 of one, 22 of none among 27; r = 0.728 and so 4.4 days.
        ((28, &[10, 11, 12, 13], 24), (28, 4, upper_bound(1, 4))),
        ((4, &[0, 1, 2, 3], 24), (4, 4, 1.0)),
    ];
    for ((days, breaching, seen), (counted, hits, bound)) in cases {
        let found = hourly(days, breaching, seen, DAY_H);
        assert_eq!((found.days, found.breaching_days), (counted, hits), "{days} {breaching:?}");
        let found = found.breach_upper_bound;
        assert!((found - bound).abs() < 1e-9, "{days} {breaching:?}: {found} is not {bound}");
    }
}

#[test]
fn cycles_are_the_trials_of_the_bound() {
    // (days, breaching days, hours of the cycle) -> cycles counted, breaching, bound. By hand, one-sided at 95 %:
    // 0 of n: 1 - 0.05^(1/n); 1 of 2: sqrt(0.95); 1 of 4: the root of (1-p)^4 + 4p(1-p)^3 = 0.05; n of n: 1.
    type Case<'a> = ((usize, &'a [usize], u32), (u64, u64, f64));
    let cases: [Case<'_>; 10] = [
        ((28, &[], 168), (4, 0, 0.527_129)),
        ((14, &[], 168), (2, 0, 0.776_393)),
        // Two days of one week are one breaching week of four.
        ((28, &[9, 12], 168), (4, 1, 0.751_395)),
        ((28, &[0, 8, 15, 22], 168), (4, 4, 1.0)),
        // The first two weeks of four: of 3 neighbours 2 agree and 1 does not, r = 1/3: 2 weeks, 1 breaching.
        ((28, &[1, 8], 168), (4, 2, 0.974_679)),
        // Three days more than a week are less than half of another, four are more.
        ((10, &[], 168), (1, 0, 0.95)),
        ((11, &[], 168), (2, 0, 0.776_393)),
        // A breach counts however little of its week was seen.
        ((8, &[0], 168), (2, 1, 0.974_679)),
        // A month of 730 hours: sixty days are one and 710 hours of the next.
        ((60, &[], 730), (2, 0, 0.776_393)),
        // Nothing shorter than a day is a cycle.
        ((14, &[], 12), (14, 0, 0.192_640)),
    ];
    for ((days, breaching, cycle_h), (cycles, hits, bound)) in cases {
        let found = hourly(days, breaching, 24, cycle_h);
        let name = format!("{breaching:?} of {days} days by {cycle_h} h");
        assert_eq!((found.cycles, found.breaching_cycles), (cycles, hits), "{name}");
        assert_eq!(found.cycle_h, cycle_h.max(24), "{name}");
        assert_eq!((found.days, found.breaching_days), (days as u64, breaching.len() as u64));
        let found = found.breach_upper_bound;
        assert!((found - bound).abs() < 1e-5, "{name}: {found} is not {bound}");
    }
}

#[test]
fn the_cycle_is_the_longest_season_and_at_least_a_day() {
    let cases: [(&[u32], u32); 5] =
        [(&[], 24), (&[1, 12], 24), (&[24], 24), (&[24, 168], 168), (&[168, 730], 730)];
    for (periods_h, expect) in cases {
        let season = |period_h: &u32| SeasonSeen { period_h: *period_h, times_seen: 2 };
        let seasons: Vec<SeasonSeen> = periods_h.iter().map(season).collect();
        assert_eq!(cycle_h(&seasons), expect, "{periods_h:?}");
    }
}

#[test]
fn a_long_look_back_is_no_trouble() {
    let ten_years = 3_650;
    let bound = upper_bound(ten_years - 1, ten_years);
    assert!(bound > 0.999 && bound <= 1.0, "{bound}");
    let rare = upper_bound(0, ten_years);
    assert!((rare - (1.0 - 0.05_f64.powf(1.0 / ten_years as f64))).abs() < 1e-9, "{rare}");
}

#[test]
fn what_is_no_number_does_not_breach_and_infinity_does() {
    let found = replay(&[dimension(&[1.0, f64::INFINITY, -5.0], 2.0)], DAY_H).expect("points");
    assert_eq!((found.points, found.breaching_points), (3, 1));
}

proptest! {
    #[test]
    fn the_bound_is_above_the_share_and_falls_with_more_trials(hits in 0_u64..50, more in 1_u64..200) {
        let count = hits + more;
        let bound = upper_bound(hits, count);
        prop_assert!(bound >= hits as f64 / count as f64 && bound <= 1.0);
        prop_assert!(upper_bound(hits, count + 1) <= bound + 1e-9);
        prop_assert!(upper_bound(hits + 1, count) >= bound - 1e-9);
        // The definition: at the bound, so few hits have a chance of one in twenty.
        let binomial = |hit: u64| {
            let choose: f64 = (0..hit).map(|one| (count - one) as f64 / (one + 1) as f64).product();
            choose * bound.powi(i32::try_from(hit).expect("few"))
                * (1.0 - bound).powi(i32::try_from(count - hit).expect("few"))
        };
        let chance: f64 = (0..=hits).map(binomial).sum();
        prop_assert!((chance - 0.05).abs() < 1e-6, "{chance}");
    }
}

#[test]
fn nothing_to_compare_is_no_replay() {
    assert_eq!(replay(&[], DAY_H), None);
    assert_eq!(replay(&[dimension(&[], 1.0)], DAY_H), None);
}
