//! The risk of a capacity: figures by hand, shapes that it must have, and input that means nothing.

use proptest::prelude::*;

use super::*;

/// 14 days of 5-minute slots.
const SLOTS: usize = 14 * 288;

fn series(values: Vec<f32>) -> Series {
    Series { start_s: 1_790_640_000, step_s: 300, values }
}

fn demand(values: Vec<f32>) -> Demand {
    Demand::of(&series(values)).expect("there are points")
}

/// 14 days at 1 with, on each day (the oldest first), so many points at 3.
fn busy(days: [usize; 14]) -> Demand {
    let value = |slot: usize| if slot % 288 < days[slot / 288] { 3.0 } else { 1.0 };
    demand((0..SLOTS).map(value).collect())
}

/// The risk of a capacity of 2.
fn risk(days: [usize; 14]) -> f64 {
    busy(days).risk(2.0, TOLERANCE_RATIO)
}

#[test]
fn the_distribution_of_student_is_known() {
    // The 90th, 95th and 99.5th percentiles with four degrees of freedom, from any table.
    for (t, expect) in [(0.0, 0.5), (1.533, 0.9), (2.132, 0.95), (4.604, 0.995)] {
        assert!((student_4(t) - expect).abs() < 1e-4, "{t}");
        assert!((student_4(-t) - (1.0 - expect)).abs() < 1e-4, "-{t}");
    }
    assert_eq!((student_4(f64::INFINITY), student_4(f64::NEG_INFINITY)), (1.0, 0.0));
}

#[test]
fn a_share_is_counted_and_blended() {
    // Three a day: (42 + 0.5) of (4,032 + 1) over all and (21 + 0.5) of (2,016 + 1) in the last week; 0.4 and 0.6.
    let steady = busy([3; 14]).breaches(2.0);
    let expect = 0.4 * 21.5 / 2_017.0 + 0.6 * 42.5 / 4_033.0;
    assert!((steady.exceedance() - expect).abs() < 1e-12, "{}", steady.exceedance());
    // By hand, for the week: log odds ln(21.5 / 1,995.5) + ln 99 = 0.0647; 1/7 - 1/7 + 1/49 times 2 makes a variance
    // of ln(1.0408) = 0.0400; (0.0647 - 0.0200) / sqrt(0.0625 + 0.0400) = 0.1397. For all: ln(42.5 / 3,990.5) + ln 99
    // = 0.0531; 1/196 times 3 makes ln(1.0153) = 0.0152; (0.0531 - 0.0076) / sqrt(0.0777) = 0.1632.
    let expect = 0.4 * student_4(0.1397) + 0.6 * student_4(0.1632);
    let found = steady.risk(TOLERANCE_RATIO);
    assert!((found - expect).abs() < 1e-3, "{found} is not {expect}");
}

#[test]
fn what_was_never_exceeded_is_unlikely_and_less_so_the_further_off() {
    let calm = demand(vec![1.0; SLOTS]);
    let risks: Vec<f64> =
        [1.0, 2.0, 4.0, 100.0].map(|capacity| calm.risk(capacity, TOLERANCE_RATIO)).to_vec();
    assert!(risks.windows(2).all(|pair| pair[0] > pair[1]), "{risks:?}");
    assert!(risks[0] < 0.02 && risks[3] > 0.0, "{risks:?}");
}

#[test]
fn days_count_more_than_points_and_the_last_week_more_than_the_first() {
    let mut one_day = [0; 14];
    one_day[10] = 14;
    assert!(risk(one_day) > risk([1; 14]), "of one day less is known than of many");
    let mut burst = [0; 14];
    burst[10] = 84;
    assert!(risk([6; 14]) > risk(burst), "a burst of a day is likelier over than a habit");
    let (mut old, mut new) = ([0; 14], [0; 14]);
    old[1..3].fill(10);
    new[11..13].fill(10);
    assert!(risk(new) > risk(old));
}

#[test]
fn fewer_days_are_less_certain() {
    let calm = |days: usize| demand(vec![1.0; 288 * days]).risk(1.0, TOLERANCE_RATIO);
    assert!(calm(1) > calm(2) && calm(2) > calm(7) && calm(7) > calm(28));
    let busy = |days: usize| demand([[3.0; 8].to_vec(), vec![1.0; 280]].concat().repeat(days));
    let busy = |days: usize| busy(days).risk(2.0, TOLERANCE_RATIO);
    assert!(busy(1) < busy(28), "2.8 % of a day are not yet 2.8 % of a month");
}

#[test]
fn finer_points_are_no_more_certain() {
    let at = |step_s: u32| {
        let values = vec![1.0; (14 * 86_400 / step_s) as usize];
        let one = Demand::of(&Series { start_s: 0, step_s, values }).expect("there are points");
        one.risk(1.0, TOLERANCE_RATIO)
    };
    assert!((at(60) - at(300)).abs() < 1e-9);
    assert!(at(3_600) > at(300));
}

#[test]
fn what_means_nothing_is_nothing() {
    let none = |values: Vec<f32>, step_s| {
        assert_eq!(Demand::of(&Series { start_s: 0, step_s, values }), None);
    };
    none(Vec::new(), 300);
    none(vec![f32::NAN; 10], 300);
    none(vec![1.0], 0);
    assert_eq!(Breaches::of_points(&[], 300, 0.0), None);
    assert_eq!(Breaches::of_points(&[(0, true)], 0, 0.0), None);
    let odd = [
        vec![1.0],
        vec![f32::INFINITY; 300],
        vec![f32::NEG_INFINITY, -5.0, 0.0],
        vec![0.0; SLOTS],
        vec![f32::MAX; 3],
        vec![1.0; 10 * 365 * 288],
    ];
    for values in odd {
        let first = values[0];
        let demand = demand(values);
        for capacity in [f64::NEG_INFINITY, -1.0, 0.0, 1e-300, 1.0, 1e300, f64::INFINITY] {
            let risk = demand.risk(capacity, TOLERANCE_RATIO);
            assert!((0.0..=1.0).contains(&risk), "{first} against {capacity}: {risk}");
            let share = demand.breaches(capacity).exceedance();
            assert!((0.0..=1.0).contains(&share), "{first} against {capacity}: {share}");
        }
        assert!(demand.capacity_at(0.1, TOLERANCE_RATIO) >= 0.0);
    }
}

#[test]
fn the_capacity_of_a_risk_has_that_risk() {
    let demand = demand((0..SLOTS).map(|slot| (slot * 37 % 101) as f32).collect());
    for risk_max in [0.05, 0.14, 0.5] {
        let capacity = demand.capacity_at(risk_max, TOLERANCE_RATIO);
        assert!(demand.risk(capacity, TOLERANCE_RATIO) <= risk_max);
        assert!(demand.risk(capacity - 1.5, TOLERANCE_RATIO) > risk_max);
    }
    assert!(demand.capacity_at(0.0, TOLERANCE_RATIO).is_infinite());
}

#[test]
fn slots_that_breach_are_the_same_as_a_capacity_that_they_exceed() {
    let series = series((0..SLOTS).map(|slot| (slot * 37 % 101) as f32).collect());
    let demand = Demand::of(&series).expect("there are points");
    let points: Vec<(i64, bool)> =
        series.present().map(|(time_s, value)| (time_s, value > 99.5)).collect();
    let breaches = Breaches::of_points(&points, 300, 100.0 / 99.5);
    assert_eq!(breaches, Some(demand.breaches(99.5)));
}

proptest! {
    #[test]
    fn scaling_both_changes_nothing(
        values in prop::collection::vec(0.0_f32..100.0, 1..2_000),
        capacity in 0.1_f64..120.0,
        power in -3_i32..4,
    ) {
        // Powers of two are exact.
        let scale = 2.0_f32.powi(power);
        let scaled = demand(values.iter().map(|value| value * scale).collect());
        let plain = demand(values);
        let (one, other) = (
            plain.risk(capacity, TOLERANCE_RATIO),
            scaled.risk(capacity * f64::from(scale), TOLERANCE_RATIO),
        );
        prop_assert!((one - other).abs() < 1e-12, "{one} and {other}");
    }

    #[test]
    fn gaps_are_no_demand_of_zero(values in prop::collection::vec((0.0_f32..100.0, any::<bool>()), 1..600)) {
        let gapped = values.iter().map(|(value, there)| if *there { *value } else { f32::NAN });
        let zeroed = values.iter().map(|(value, there)| if *there { *value } else { 0.0 });
        let zeroed = demand(zeroed.collect());
        if let Some(gapped) = Demand::of(&series(gapped.collect())) {
            for capacity in [10.0, 50.0, 90.0] {
                let (share, diluted) =
                    (gapped.breaches(capacity).exceedance(), zeroed.breaches(capacity).exceedance());
                prop_assert!(share >= diluted - 1e-12, "{share} and {diluted} above {capacity}");
            }
        }
    }

    #[test]
    fn a_larger_capacity_is_hardly_riskier(values in prop::collection::vec(0.0_f32..100.0, 300..2_000)) {
        // Not exactly: what remains above a larger capacity may lie on fewer days, of which less is known.
        let demand = demand(values);
        let risks: Vec<f64> =
            (1..30).map(|step| demand.risk(f64::from(step) * 5.0, TOLERANCE_RATIO)).collect();
        prop_assert!(risks.windows(2).all(|pair| pair[1] <= pair[0] + 0.02), "{risks:?}");
    }
}
