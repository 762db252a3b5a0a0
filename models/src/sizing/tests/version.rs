//! What holds [`MODEL_VERSION`] to the models' output: a digest of what they give on a fixed seeded fleet.
//!
//! Not here: whether the output is right (the siblings).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    fleet::{
        Measured, SLOTS, START_S, at, instance, measure, plain_instance, series, settings,
        size_after, steady,
    },
    functions, groups, volumes,
};
use crate::{
    MODEL_DIGESTS, MODEL_VERSION,
    metric::{Measure, Metric, Statistic},
    resource::{Instance, Resource},
    series::Series,
    sizing::{
        Findings, SizeInForce,
        settings::{Preset, SizingSettings},
    },
};

/// Digits of a figure that count: far more than anybody is shown, far fewer than the last bits in which a debug and a
/// release build of the same code may differ.
const DIGITS: usize = 6;

/// The offset basis and the prime of FNV-1a, 64 bits (Fowler, Noll and Vo, 1991).
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Uniform noise in 0..1 from a seed, one value a slot.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u32 << 24) as f32
    }
}

/// Percent: a level, so much of a day's wave, weekends at half, and noise; every fiftieth hour five slots of a burst.
fn load(seed: u64, level: f32, wave: f32, burst: f32) -> Series {
    let mut noise = noise(seed);
    let value = |slot: usize| {
        let turn = std::f32::consts::TAU * slot as f32 / 288.0;
        let week = if slot / 288 % 7 < 5 { 1.0 } else { 0.5 };
        let bursts = if slot % 600 < 5 { burst } else { 0.0 };
        (week * (level + wave * turn.sin() + bursts) + 2.0 * noise()).clamp(0.0, 100.0)
    };
    series((0..SLOTS).map(value).collect())
}

fn instance_usage(cpu: Series, memory: Option<f32>, bytes: f32) -> Vec<(Measure, Series)> {
    let of = |metric, statistic| measure(metric, statistic);
    let network = [Metric::InstanceNetworkIn, Metric::InstanceNetworkOut];
    let mut all: Vec<(Measure, Series)> =
        network.map(|metric| (of(metric, Statistic::Sum), steady(bytes, 2.0 * bytes))).to_vec();
    all.push((of(Metric::InstanceCpu, Statistic::Maximum), cpu.clone()));
    all.push((of(Metric::InstanceCpu, Statistic::Average), cpu));
    let used = |percent| (of(Metric::InstanceMemory, Statistic::Maximum), steady(percent, percent));
    all.extend(memory.map(used));
    all
}

/// A resource with its series, the other resources, and the sizes that it has had.
type Member = (Resource, Measured, Vec<Resource>, Vec<SizeInForce>);

fn fleet() -> Vec<Member> {
    let machine = |name: &str| instance(plain_instance(name));
    let mut gapped = load(4, 20.0, 10.0, 60.0);
    gapped.values[700..1_100].fill(f32::NAN);
    let instances = [
        ("m5.2xlarge", load(1, 12.0, 6.0, 0.0), Some(30.0)),
        ("c7i.4xlarge", load(2, 20.0, 15.0, 50.0), None),
        ("r6g.xlarge", load(3, 50.0, 30.0, 20.0), Some(60.0)),
        ("m5.4xlarge", gapped, Some(40.0)),
        ("c7i.xlarge", load(5, 95.0, 20.0, 0.0), Some(50.0)),
        ("t3.xlarge", load(6, 3.0, 1.0, 40.0), Some(20.0)),
    ];
    let mut fleet: Vec<Member> = instances
        .into_iter()
        .map(|(name, cpu, memory)| {
            (machine(name), instance_usage(cpu, memory, 1e7), vec![], vec![])
        })
        .collect();
    let idle = series(steady(0.2, 0.4).values);
    fleet.push((machine("m5.large"), instance_usage(idle, None, 100.0), vec![], vec![]));
    fleet.extend(volumes::each().into_iter().map(|(one, series)| (one, series, vec![], vec![])));
    fleet.extend(
        functions::each().into_iter().map(|(one, series, sizes)| (one, series, vec![], sizes)),
    );
    let member = instance(Instance { volumes: Vec::new(), ..plain_instance("m5.2xlarge") });
    fleet.extend(
        groups::each().into_iter().map(|(one, series)| (one, series, vec![member.clone()], vec![])),
    );
    fleet
}

/// Two settings by which decisions differ: weighed by risk, and by a quantile.
fn both() -> [SizingSettings; 2] {
    let balanced = SizingSettings { risk: Preset::Balanced.risk_rule(), ..settings() };
    [balanced, settings()]
}

/// Folds text into a digest.
fn fold(digest: u64, text: &str) -> u64 {
    text.bytes().fold(digest, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// Folds JSON into a digest, numbers rounded, in the order of its keys.
fn fold_json(digest: u64, value: &Value) -> u64 {
    match value {
        Value::Number(number) => {
            let figure = number.as_f64().expect("no arbitrary precision");
            // Next to nothing is nothing: zeros that arithmetic reaches by two ways differ in sign or in a last bit.
            let figure = if figure.abs() < 1e-9 { 0.0 } else { figure };
            fold(digest, &format!("{figure:.DIGITS$e}"))
        }
        Value::Array(all) => fold(all.iter().fold(fold(digest, "["), fold_json), "]"),
        Value::Object(all) => {
            // Sorted here, because whether the map itself is depends on a feature that another crate may switch on.
            let keys: BTreeMap<&String, &Value> = all.iter().collect();
            let pair =
                |digest, (key, value): (&String, &Value)| fold_json(fold(digest, key), value);
            fold(keys.into_iter().fold(fold(digest, "{"), pair), "}")
        }
        Value::Null | Value::Bool(_) | Value::String(_) => fold(digest, &value.to_string()),
    }
}

fn folded(digest: u64, findings: &Findings) -> u64 {
    let Findings { recommendations, not_sized, forecast } = findings;
    let parts = [
        serde_json::to_value(recommendations),
        serde_json::to_value(not_sized),
        serde_json::to_value(forecast),
    ];
    parts.iter().fold(digest, |digest, part| fold_json(digest, part.as_ref().expect("JSON")))
}

#[test]
fn another_output_is_another_version() {
    let fleet = fleet();
    let (mut digest, mut recommended) = (FNV_BASIS, 0);
    for settings in both() {
        for (resource, series, others, sizes) in &fleet {
            let findings = size_after(resource, series, &settings, others, sizes);
            recommended += findings.recommendations.len();
            digest = folded(digest, &findings);
        }
    }
    assert!(recommended >= 20, "{recommended}: the fleet shows what is recommended");
    assert!(
        MODEL_DIGESTS.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "each version has one digest, the newest last"
    );
    let newest = MODEL_DIGESTS.last().copied().expect("there is a version");
    assert_eq!(
        newest,
        (MODEL_VERSION, digest),
        "the models give another output than version {} did. If the same inputs may now give another recommendation or \
         other evidence, raise MODEL_VERSION by one and append (version, {digest:#018x}) to MODEL_DIGESTS; if only the \
         embedded catalogue or this fleet changed, put that digest in place of the newest",
        newest.0
    );
}

#[test]
fn a_digest_sees_what_matters_and_no_more() {
    let of = |text: &str| fold_json(FNV_BASIS, &serde_json::from_str(text).expect("JSON"));
    assert_eq!(of("[0.1, 2.0]"), of("[0.1000000000001, 2]"), "the last bits do not count");
    assert_eq!(of("[-0.0]"), of("[1e-12]"));
    for (one, other) in [
        ("[0.1]", "[0.10001]"),
        ("[1, 2]", "[2, 1]"),
        ("[[1], 2]", "[[1, 2]]"),
        (r#"{"a": null}"#, r#"{"b": null}"#),
        ("\"x\"", "\"y\""),
    ] {
        assert_ne!(of(one), of(other), "{one} and {other}");
    }
    // The published test vectors of FNV-1a.
    assert_eq!(fold(FNV_BASIS, ""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fold(FNV_BASIS, "a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(fold(FNV_BASIS, "foobar"), 0x8594_4171_f739_67e8);
    assert_eq!(at(START_S).to_string(), "2026-09-29T00:00:00Z", "the fleet's time stands still");
}
