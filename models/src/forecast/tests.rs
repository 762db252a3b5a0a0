//! The forecasts as a whole: shape, quality on known signals, and what gaps do to them.

mod oracle;
mod recorded;

use proptest::prelude::*;

use super::*;

const DAY: usize = 288;
/// A Thursday at midnight, UTC.
const START_S: i64 = 1_700_092_800;

fn series(values: impl IntoIterator<Item = f64>) -> Series {
    let values = values.into_iter().map(|value| value as f32).collect();
    Series { start_s: START_S, step_s: 300, values }
}

/// Uniform noise in 0..1 from a seed, one value a slot.
fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1_u32 << 24)
    }
}

fn daily(days: usize, seed: u64) -> Series {
    let mut noise = noise(seed);
    series((0..days * DAY).map(|slot| {
        let turn = std::f64::consts::TAU * slot as f64 / DAY as f64;
        20.0 + 10.0 * turn.sin() + 2.0 * noise()
    }))
}

fn ascends(step: &Quantiles) -> bool {
    step.array().windows(2).all(|pair| pair[0] <= pair[1] + 1e-4)
}

#[test]
fn a_day_is_forecast_with_its_season() {
    let all = daily(15, 1);
    let known = all.window(START_S, START_S + 14 * 86_400);
    let found = forecast(&known).expect("14 days are enough");
    assert_eq!(found.from_s, START_S + 14 * 86_400);
    assert_eq!((found.steps.len(), found.day().len()), (WEEK_H, DAY_H));
    assert_eq!(found.seasons, [SeasonSeen { period_h: 24, times_seen: 14 }]);
    let actual = &all.values[14 * DAY..];
    let off = |median: &dyn Fn(usize) -> f32| -> f32 {
        actual.iter().enumerate().map(|(slot, value)| (value - median(slot)).abs()).sum()
    };
    let seasonal = off(&|slot| found.steps[slot / 12].p50);
    let level = off(&|_| 21.0);
    assert!(seasonal < level / 4.0, "{seasonal} against {level}");
}

#[test]
fn upper_quantiles_hold_what_they_say() {
    let mut over = [0_usize; 2];
    let mut count = 0;
    for seed in 0..40 {
        let all = daily(15, seed);
        let found = forecast(&all.window(START_S, START_S + 14 * 86_400)).expect("14 days");
        for (slots, step) in all.values[14 * DAY..].chunks(12).zip(found.day()) {
            over[0] += slots.iter().filter(|slot| **slot > step.p95).count();
            over[1] += slots.iter().filter(|slot| **slot > step.p50).count();
            count += slots.len();
        }
        let misses = found.calibration_misses.expect("there are trials");
        assert!((0.0..0.25).contains(&misses), "{misses}");
    }
    let [p95, p50] = over.map(|over| over as f64 / count as f64);
    assert!((0.02..=0.09).contains(&p95), "{p95} exceed the 0.95 quantile");
    assert!((0.40..=0.60).contains(&p50), "{p50} exceed the median");
}

#[test]
fn a_week_is_told_from_a_day() {
    let mut noise = noise(3);
    let all = series((0..29 * DAY).map(|slot| {
        let busy = slot / DAY % 7 < 5 && (96..216).contains(&(slot % DAY));
        if busy { 60.0 + noise() } else { 5.0 + noise() }
    }));
    let known = all.window(START_S, START_S + 28 * 86_400);
    let found = forecast(&known).expect("28 days are enough");
    assert!(found.seasons.iter().any(|season| season.period_h == 168), "{:?}", found.seasons);
    let medians: Vec<f32> = found.median().collect();
    // Day 28 begins a working week, its sixth day rests.
    assert!(medians[12] > 30.0, "noon of a working day: {}", medians[12]);
    assert!(medians[5 * 24 + 12] < 30.0, "noon of a day of rest: {}", medians[5 * 24 + 12]);
}

#[test]
fn too_little_is_no_forecast() {
    assert_eq!(forecast(&series([])), None);
    assert_eq!(forecast(&series([f64::NAN; 600])), None);
    assert_eq!(forecast(&series(vec![1.0; 2 * DAY - 12])), None);
    let short = forecast(&series(vec![1.0; 2 * DAY])).expect("two days are enough");
    assert_eq!(short.calibration_misses, None, "there is nothing to be judged on");
    assert!((short.steps[0].p99 - 1.0).abs() < 1e-6);
}

#[test]
fn a_last_day_of_gaps_is_lived_through() {
    let mut gapped = daily(14, 5);
    let length = gapped.values.len();
    for value in &mut gapped.values[length - DAY - 6..length - 6] {
        *value = f32::NAN;
    }
    let found = forecast(&gapped).expect("13 days are enough");
    assert!(found.steps.iter().all(|step| step.array().iter().all(|value| value.is_finite())));
}

/// All quantiles of all steps in a row.
fn numbers(found: &Forecast) -> impl Iterator<Item = f32> + '_ {
    found.steps.iter().flat_map(|step| step.array())
}

#[test]
fn a_constant_forecasts_itself() {
    for value in [0.0, 3.5, 1e9, -2.0] {
        let found = forecast(&series(vec![value; 10 * DAY])).expect("ten days are enough");
        let near = 1e-6 * (1.0 + value.abs()) as f32;
        assert!(numbers(&found).all(|number| (number - value as f32).abs() < near), "{value}");
        assert_eq!(found.seasons, []);
        assert_eq!(found.history.shifted_at_s, None);
    }
}

#[test]
fn a_shifted_level_is_forecast_from_the_shift_on() {
    let mut noise = noise(9);
    let all = series((0..14 * DAY).map(|slot| {
        let level = if slot < 5 * DAY { 50.0 } else { 5.0 };
        level + noise()
    }));
    let found = forecast(&all).expect("14 days are enough");
    assert_eq!(found.history.shifted_at_s, Some(START_S + 5 * 86_400));
    assert_eq!(found.history.from_s, START_S + 5 * 86_400);
    assert!(numbers(&found).all(|number| (4.9..=6.1).contains(&number)));
}

#[test]
fn a_job_of_minutes_is_seen_in_its_slots_only() {
    let mut noise = noise(4);
    let known = series((0..14 * DAY).map(|slot| {
        let usual = if slot % DAY == 36 { 80.0 } else { 5.0 };
        usual + noise()
    }));
    let found = slot_quantiles(&known, DAY).expect("14 days are enough");
    assert!(found[36].q50 > 60.0, "the backup: {:?}", found[36]);
    assert!(found[48].q99 < 20.0, "an hour later: {:?}", found[48]);
    let hours = forecast(&known).expect("14 days are enough");
    assert!(hours.steps[3].p95 > 60.0 && hours.steps[3].p50 < 10.0, "{:?}", hours.steps[3]);
}

#[test]
fn slots_and_hours_begin_where_the_series_ends() {
    let mut cut = daily(10, 2);
    cut.values.truncate(10 * DAY - 5);
    let found = slot_quantiles(&cut, DAY).expect("ten days are enough");
    assert_eq!(found.len(), DAY);
    cut.values.extend([f32::NAN; 30]);
    let later = slot_quantiles(&cut, DAY).expect("ten days are enough");
    assert_eq!(later[..100], found[30..130], "trailing gaps only move the origin");
}

#[test]
fn degenerate_series_are_lived_through() {
    let mut spike = vec![0.0; 14 * DAY];
    spike[2_000] = 1e30;
    let mut broken: Vec<f64> = (0..14 * DAY).map(|slot| (slot % 7) as f64).collect();
    broken[100] = f64::INFINITY;
    broken[101] = f64::NEG_INFINITY;
    let negative = (0..14 * DAY).map(|slot| -((slot % 50) as f64)).collect();
    let alternating = (0..14 * DAY).map(|slot| if slot % 2 == 0 { 3e38 } else { -3e38 }).collect();
    for (name, values) in
        [("spike", spike), ("broken", broken), ("negative", negative), ("extremes", alternating)]
    {
        let found = forecast(&series(values)).expect("14 days are enough");
        assert!(numbers(&found).all(f32::is_finite), "{name}");
        assert!(found.steps.iter().all(ascends), "{name}");
    }
    let minute = (0..3 * 1_440).map(|slot| (slot % 90) as f32).collect();
    let minutes = Series { start_s: START_S, step_s: 60, values: minute };
    assert!(forecast(&minutes).is_some_and(|found| numbers(&found).all(f32::is_finite)));
    let years = (0..10 * 365 * 24).map(|hour| (hour % 24) as f32).collect();
    let decade = Series { start_s: START_S, step_s: 3_600, values: years };
    let found = forecast(&decade).expect("ten years are enough");
    assert!(found.seasons.iter().any(|season| season.times_seen == 3_650), "{:?}", found.seasons);
}

#[test]
fn gaps_are_not_zeros() {
    let mut gapped = daily(14, 6);
    for slot in (0..gapped.values.len()).filter(|slot| slot % 3 == 1) {
        gapped.values[slot] = f32::NAN;
    }
    let found = forecast(&gapped).expect("there are points");
    // The series never falls below 10, and neither may what is forecast of it.
    assert!(numbers(&found).all(|number| number > 8.0));
    assert!((found.history.gaps_ratio - 1.0 / 3.0).abs() < 1e-3);
}

#[test]
fn another_day_of_the_same_does_not_widen() {
    // Exactly periodic with noise that repeats every day: a longer history holds nothing new.
    let day: Vec<f64> = daily(1, 8).values.iter().map(|value| f64::from(*value)).collect();
    let width = |days: usize| {
        let all = series((0..days * DAY).map(|slot| day[slot % DAY]));
        let found = forecast(&all).expect("there are days enough");
        found.day().iter().map(|step| f64::from(step.p95 - step.p10)).sum::<f64>()
    };
    for days in 3..13 {
        let (shorter, longer) = (width(days), width(days + 1));
        assert!(longer <= shorter * 1.02, "{days} days: {shorter}, one more: {longer}");
    }
}

#[test]
fn a_seeded_forecast_stays_what_it_is() {
    let found = forecast(&daily(14, 42)).expect("14 days are enough");
    let noon = found.steps[12].array();
    // Within the hour the wave falls from 20 to 17.4, below noise of 0 to 2.
    let expect = [18.596, 19.765, 21.009, 21.520, 21.913];
    assert!(noon.iter().zip(expect).all(|(one, other)| (one - other).abs() < 0.01), "{noon:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn gaps_at_the_ends_change_nothing_and_quantiles_ascend(
        seed in any::<u64>(),
        days in 2_usize..9,
        before in 0_usize..40,
        after in 0_usize..40,
        holes in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
    ) {
        let mut plain = daily(days, seed);
        for hole in holes {
            let inner = plain.values.len() - 2;
            plain.values[1 + hole.index(inner)] = f32::NAN;
        }
        let mut padded = plain.clone();
        padded.start_s -= 300 * i64::try_from(before).expect("few slots");
        padded.values = [vec![f32::NAN; before], padded.values, vec![f32::NAN; after]].concat();
        let found = forecast(&plain);
        prop_assert_eq!(&found, &forecast(&padded));
        let found = found.expect("two days are enough");
        prop_assert!(found.steps.iter().all(|step| ascends(step) && step.p10 >= 0.0));
        let sum: f64 = found.weights.iter().map(|(_, weight)| weight).sum();
        prop_assert!((sum - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_scaled_series_has_a_scaled_forecast(
        seed in any::<u64>(),
        days in 3_usize..15,
        // Powers of two scale without rounding, so that every comparison inside falls the same way.
        power in -10_i32..10,
    ) {
        let plain = daily(days, seed);
        let factor = 2.0_f32.powi(power);
        let mut scaled = plain.clone();
        for value in &mut scaled.values {
            *value *= factor;
        }
        let (plain, scaled) = (forecast(&plain), forecast(&scaled));
        let (plain, scaled) = (plain.expect("three days"), scaled.expect("three days"));
        for (one, other) in numbers(&plain).zip(numbers(&scaled)) {
            prop_assert!((one * factor - other).abs() <= 1e-4 * other.abs(), "{one} and {other}");
        }
    }
}
