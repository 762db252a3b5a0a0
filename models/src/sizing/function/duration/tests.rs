//! The law of durations: figures by hand, properties against brute force, and measured curves.

use std::{collections::BTreeMap, env, fs, path::Path};

use proptest::prelude::*;

use super::{BEYOND_RANGE, DurationLaw, FULL_CPU_MB, NEAR, Observed, SLOPE, effective};
use crate::catalog::Catalog;

fn law(points: &[(u32, f64)]) -> DurationLaw {
    let observed =
        |(memory_mb, mean_ms): &(u32, f64)| Observed { memory_mb: *memory_mb, mean_ms: *mean_ms };
    let sizes: Vec<Observed> = points.iter().map(observed).collect();
    DurationLaw::fit(&sizes).expect("durations are positive")
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-6 * other.abs().max(1.0)
}

#[test]
fn coefficients_are_those_by_hand() {
    // 1,769 = 29 x 61, so that 61 MB have 1/29 of a CPU and 29 MB 1/61.
    type Case<'a> = (&'a str, &'a [(u32, f64)], [f64; 3]);
    let cases: [Case<'_>; 7] = [
        ("one size: half of the run waits", &[(1_769, 200.0)], [100.0, 100.0, 0.0]),
        ("one small size: 100 + 29 x 100 / 29", &[(61, 200.0)], [100.0, 100.0 / 29.0, 0.0]),
        ("two sizes: 100 + 10 x", &[(1_769, 110.0), (61, 390.0)], [100.0, 10.0, 0.0]),
        (
            "beyond a CPU is one size: their mean",
            &[(1_769, 100.0), (10_240, 300.0)],
            [100.0, 100.0, 0.0],
        ),
        (
            "three sizes: 100 + 10 x + x²",
            &[(1_769, 111.0), (61, 1_231.0), (29, 4_431.0)],
            [100.0, 10.0, 1.0],
        ),
        // Slower with more memory: k minimises (k/100 - 1)² + (k/200 - 1)², so k = (1/100 + 1/200) / (1/100² + 1/200²).
        ("nothing negative", &[(61, 100.0), (1_769, 200.0)], [120.0, 0.0, 0.0]),
        ("pure work", &[(1_769, 10.0), (61, 290.0), (29, 610.0)], [0.0, 10.0, 0.0]),
    ];
    for (name, points, expect) in cases {
        let found = law(points).coefficients;
        let same = found.iter().zip(expect).all(|(one, other)| (one - other).abs() < 1e-6);
        assert!(same, "{name}: {found:?} is not {expect:?}");
    }
}

#[test]
fn intervals_are_those_by_hand() {
    let one = law(&[(1_769, 200.0)]);
    let at = one.at(61);
    assert!(near(at.ms, 3_000.0), "100 + 29 x 100: {at:?}");
    assert!(near(at.low_ms, 200.0 / BEYOND_RANGE.exp()), "nothing waits: {at:?}");
    assert!(near(at.high_ms, 5_800.0 * BEYOND_RANGE.exp()), "all waits: {at:?}");
    let two = law(&[(1_769, 110.0), (61, 390.0)]);
    let at = two.at(29);
    let factor = (SLOPE * (NEAR + (61.0_f64 / 29.0).ln())).exp();
    assert!(near(at.ms, 710.0) && near(at.high_ms, 710.0 * factor), "{at:?}");
    assert!(near(two.at(61).ms, 390.0) && near(two.at(5_000).ms, 110.0));
}

#[test]
fn half_of_a_deviation_is_carried() {
    // Constant at 120, of which 100 and 200 deviate by ln(100/120) and ln(200/120); midway in logarithms by their mean.
    let found = law(&[(61, 100.0), (1_769, 200.0)]);
    assert!(near(found.at(61).ms, 100.0) && near(found.at(1_769).ms, 200.0), "seen is seen");
    let middle = (61.0_f64 * 1_769.0).sqrt().round() as u32;
    let deviation = (100.0_f64 * 200.0).sqrt() / 120.0;
    let expect = 120.0 * deviation.sqrt();
    assert!((found.at(middle).ms - expect).abs() < 0.1, "{:?} is not {expect}", found.at(middle));
    let beyond = 120.0 * (100.0_f64 / 120.0).sqrt();
    assert!(near(found.at(30).ms, beyond), "level beyond the last: {:?}", found.at(30));
}

#[test]
fn what_is_no_duration_is_not_fitted() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(DurationLaw::fit(&[Observed { memory_mb: 128, mean_ms: bad }]), None);
    }
    assert_eq!(DurationLaw::fit(&[]), None);
}

/// The sum of squared relative errors, written anew.
fn loss(points: &[(u32, f64)], [a, b, c]: [f64; 3]) -> f64 {
    let error = |(memory_mb, ms): &(u32, f64)| {
        let x = f64::from(FULL_CPU_MB) / f64::from((*memory_mb).min(FULL_CPU_MB));
        (a + b * x + c * x * x) / ms - 1.0
    };
    points.iter().map(|point| error(point).powi(2)).sum()
}

proptest! {
    #[test]
    fn no_other_law_fits_better(
        points in prop::collection::btree_map(128_u32..1_769, 10.0_f64..10_000.0, 3..7),
        steps in prop::array::uniform3(-1.0_f64..1.0),
    ) {
        let points: Vec<(u32, f64)> = points.into_iter().collect();
        let found = law(&points).coefficients;
        prop_assert!(found.iter().all(|one| *one >= 0.0));
        let least = loss(&points, found);
        // A convex problem: whatever is near and allowed, and whatever is far, is no better.
        let largest = points.iter().map(|point| point.1).fold(0.0, f64::max);
        for scale in [1e-6, 1e-3, 0.1, 1.0] {
            let mut other = found;
            for (value, step) in other.iter_mut().zip(steps) {
                *value = (*value + step * scale * largest).max(0.0);
            }
            prop_assert!(loss(&points, other) >= least - 1e-9 * (1.0 + least), "{found:?} {other:?}");
        }
    }

    #[test]
    fn scaling_runs_scales_the_law(
        // Beyond these all sizes have the same CPU: contradicting runs there tie, and rounding decides.
        points in prop::collection::btree_map(128_u32..=1_769, 10.0_f64..10_000.0, 1..6),
        factor in 0.01_f64..100.0,
        size in 128_u32..10_240,
    ) {
        let points: Vec<(u32, f64)> = points.into_iter().collect();
        let scaled: Vec<(u32, f64)> = points.iter().map(|(mb, ms)| (*mb, ms * factor)).collect();
        let (one, other) = (law(&points).at(size), law(&scaled).at(size));
        prop_assert!((one.ms * factor / other.ms - 1.0).abs() < 1e-6);
        prop_assert!((one.high_ms * factor / other.high_ms - 1.0).abs() < 1e-6);
        prop_assert!(one.low_ms <= one.ms && one.ms <= one.high_ms, "{one:?}");
        prop_assert!(one.low_ms > 0.0 && one.high_ms.is_finite());
    }
}

/// One curve: mean duration in ms by memory size in MB, and the workload that it is of.
struct Curve {
    workload: String,
    points: BTreeMap<u32, f64>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "where recorded curves lie is the test's own environment"
)]
fn curves() -> Vec<Curve> {
    env::var_os("TRIMTAB_DATA")
        .map_or_else(seeded, |folder| recorded(&Path::new(&folder).join("lambda_memory")))
}

fn recorded(folder: &Path) -> Vec<Curve> {
    let read = |name: &str| {
        fs::read_to_string(folder.join(name)).expect("TRIMTAB_DATA holds the measured curves")
    };
    let mut sums: BTreeMap<(String, String), BTreeMap<u32, (f64, f64)>> = BTreeMap::new();
    let mut add = |key: (String, String), memory_mb: &str, ms: &str| {
        let memory_mb = memory_mb.parse().expect("a size");
        let sum = sums.entry(key).or_default().entry(memory_mb).or_default();
        *sum = (sum.0 + ms.parse::<f64>().expect("a duration"), sum.1 + 1.0);
    };
    for line in read("mbwilding_s3_500puts_2023.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        add((cells[0].to_owned(), cells[1].to_owned()), cells[2], cells[4]);
    }
    for line in read("published_tables.csv").lines().skip(1) {
        let cells: Vec<&str> = line.rsplitn(3, ',').collect();
        let source = cells[2].split(',').next().expect("a source");
        add((source.to_owned(), String::new()), cells[1], cells[0]);
    }
    let mean = |(mb, (sum, count)): (u32, (f64, f64))| (mb, sum / count);
    let curve = |((workload, _), points): ((String, String), BTreeMap<u32, (f64, f64)>)| Curve {
        workload,
        points: points.into_iter().map(mean).collect(),
    };
    sums.into_iter().map(curve).collect()
}

/// Curves of the law with 1 % of noise, from nearly all waiting for others to nearly all waiting for CPU.
fn seeded() -> Vec<Curve> {
    let mut state = 5_u64;
    let mut noise = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1.0 + 0.02 * ((state >> 40) as f64 / f64::from(1_u32 << 24) - 0.5)
    };
    let shapes = [
        [98.0, 2.0, 0.0],
        [80.0, 10.0, 0.5],
        [60.0, 30.0, 1.0],
        [10.0, 90.0, 0.0],
        [20.0, 60.0, 2.0],
    ];
    let curve = |(index, [a, b, c]): (usize, [f64; 3])| Curve {
        workload: format!("seeded {index}"),
        points: (1..=16)
            .map(|step| {
                let x = f64::from(FULL_CPU_MB) / f64::from((128 * step).min(FULL_CPU_MB));
                (128 * step, 50.0 * (a + b * x + c * x * x) * noise())
            })
            .collect(),
    };
    shapes.into_iter().enumerate().map(curve).collect()
}

/// What an invocation costs in dollars: memory x time to the next millisecond, and the request.
fn bill(memory_mb: u32, ms: f64) -> f64 {
    let gb_s = f64::from(memory_mb) / 1_024.0 * ms.ceil() / 1_000.0;
    let price =
        Catalog::embedded().function_price("us-east-1", crate::catalog::Architecture::X86_64);
    let price = price.expect("priced");
    (price.per_gb_second.pico() as f64 * gb_s + price.per_request.pico() as f64) * 1e-12
}

/// By how much the size that is cheapest by the law costs more than the one that is cheapest by the runs, both by the runs.
fn regret(curve: &Curve, law: &DurationLaw, cost: impl Fn(u32, f64) -> f64) -> f64 {
    let cheapest = |of: &dyn Fn(u32) -> f64| -> u32 {
        let by_cost = |one: &&u32, other: &&u32| {
            cost(**one, of(**one)).total_cmp(&cost(**other, of(**other)))
        };
        *curve.points.keys().min_by(by_cost).expect("the curve has points")
    };
    let measured = |mb: u32| curve.points[&mb];
    let paid = |mb: u32| cost(mb, measured(mb));
    paid(cheapest(&|mb| law.at(mb).ms)) / paid(cheapest(&measured)) - 1.0
}

#[test]
fn three_sizes_tell_the_others() {
    let seen = [128, 512, 1_536];
    let (mut worst_error, mut worst_regret, mut worst_of_use) = (0.0_f64, 0.0_f64, 0.0_f64);
    for curve in curves() {
        let points: Vec<(u32, f64)> = seen.iter().map(|mb| (*mb, curve.points[mb])).collect();
        let law = law(&points);
        let rest: Vec<_> = curve.points.iter().filter(|(mb, _)| !seen.contains(mb)).collect();
        let error = |(mb, ms): &(&u32, &f64)| (law.at(**mb).ms / **ms - 1.0).abs();
        let mean = rest.iter().map(error).sum::<f64>() / rest.len() as f64;
        worst_error = worst_error.max(mean);
        worst_regret = worst_regret.max(regret(&curve, &law, bill));
        worst_of_use = worst_of_use.max(regret(&curve, &law, |mb, ms| f64::from(mb) * ms));
    }
    assert!(worst_error <= 0.05, "worst mean error {worst_error:.4}");
    assert!(worst_regret <= 0.01, "worst regret {worst_regret:.4}");
    // Without the price of a request and the rounding of runs the same choices weigh a little more.
    assert!(worst_of_use <= 0.011, "worst regret in GB-seconds {worst_of_use:.4}");
}

/// Share of pairs (observed sizes, another size) whose duration lies in the interval, each workload weighing the same.
fn coverage(count: usize) -> f64 {
    let mut hits: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for curve in curves() {
        let points: Vec<(u32, f64)> = curve.points.iter().map(|(mb, ms)| (*mb, *ms)).collect();
        for chosen in subsets(&points, count) {
            // Sizes that a function has had one after the other are at least half again as large.
            let apart =
                chosen.windows(2).all(|pair| effective(pair[1].0) >= 1.5 * effective(pair[0].0));
            if !apart {
                continue;
            }
            let law = law(&chosen);
            for (mb, ms) in points.iter().filter(|point| !chosen.contains(point)) {
                let at = law.at(*mb);
                let hit = hits.entry(curve.workload.clone()).or_default();
                hit.0 += f64::from(u8::from((at.low_ms..=at.high_ms).contains(ms)));
                hit.1 += 1.0;
            }
        }
    }
    hits.values().map(|(hits, count)| hits / count).sum::<f64>() / hits.len() as f64
}

/// Every choice of `count` points, in order.
fn subsets(points: &[(u32, f64)], count: usize) -> Vec<Vec<(u32, f64)>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let with_first = |first: usize| {
        let rest = subsets(&points[first + 1..], count - 1).into_iter();
        rest.map(move |rest| [vec![points[first]], rest].concat())
    };
    (0..points.len()).flat_map(with_first).collect()
}

#[test]
fn intervals_cover_nine_of_ten() {
    for count in 1..=3 {
        let covered = coverage(count);
        assert!((0.88..=1.0).contains(&covered), "{count} sizes: {covered:.3}");
    }
}
