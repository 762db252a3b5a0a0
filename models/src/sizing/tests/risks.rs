//! Instances sized by risk: dimensions, presets, burstable types, and what must never happen.

use proptest::prelude::*;

use super::fleet::{
    CATALOG, SLOTS, instance, measure, one, plain_instance, series, settings, size, steady,
};
use crate::{
    catalog::{InstanceType, LINUX_PLATFORM},
    metric::{Measure, Metric, Statistic},
    recommendation::Recommendation,
    series::Series,
    sizing::settings::{Preset, RiskRule, SizingSettings},
    spec::Spec,
};

const CPU: Measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };
const MEMORY: Measure = Measure { metric: Metric::InstanceMemory, statistic: Statistic::Maximum };

fn by(preset: Preset) -> SizingSettings {
    SizingSettings { risk: preset.risk_rule(), ..settings() }
}

fn at_risk(risk_max: f64) -> SizingSettings {
    SizingSettings { risk: Some(RiskRule { risk_max, bargain: None }), ..settings() }
}

/// CPU, memory, network and disk, the last two at so many bytes, and a thousandth as many operations, in each slot.
fn usage(cpu: Series, memory: Option<f32>, bytes: f32) -> Vec<(Measure, Series)> {
    let counters = [
        Metric::InstanceNetworkIn,
        Metric::InstanceNetworkOut,
        Metric::InstanceEbsReadBytes,
        Metric::InstanceEbsWriteBytes,
        Metric::InstanceEbsReadOps,
        Metric::InstanceEbsWriteOps,
    ];
    let operations = [Metric::InstanceEbsReadOps, Metric::InstanceEbsWriteOps];
    let counted = |metric| if operations.contains(&metric) { bytes / 1e3 } else { bytes };
    let flat = |metric| steady(counted(metric), counted(metric));
    let mut all: Vec<(Measure, Series)> =
        counters.map(|metric| (measure(metric, Statistic::Sum), flat(metric))).to_vec();
    all.push((CPU, cpu));
    all.extend(memory.map(|percent| (MEMORY, steady(percent, percent))));
    all
}

fn type_of(found: &Recommendation) -> &'static InstanceType {
    let Spec::Instance { instance_type, .. } = &found.desired else { panic!("no instance") };
    CATALOG.instance_type(instance_type).expect("only types of the catalogue are chosen")
}

fn dollars(name: &str) -> f64 {
    let price = CATALOG.instance_price(name, "us-east-1", LINUX_PLATFORM);
    price.expect("the type is priced").per_hour.dollars()
}

/// 14 days at 10 % with so many slots of each day at 60 %.
fn peaks(slots_a_day: usize) -> Series {
    series((0..SLOTS).map(|slot| if slot % 288 < slots_a_day { 60.0 } else { 10.0 }).collect())
}

#[test]
fn peaks_that_are_rare_are_risked_and_others_not() {
    let resource = instance(plain_instance("m5.2xlarge"));
    let mut balanced = by(Preset::Balanced);
    balanced.instance.across_families = false;
    for (slots_a_day, halved) in [(0, true), (1, true), (2, false), (6, false)] {
        let found = one(size(&resource, &usage(peaks(slots_a_day), Some(20.0), 1e6), &balanced));
        assert_eq!(found.is_ok(), halved, "{slots_a_day} slots a day: {found:?}");
        let Ok(found) = found else { continue };
        assert_eq!(type_of(&found).name, "m5.xlarge");
        let risk = found.risk.expect("a risk is stated");
        assert!(risk > 0.0 && risk <= 0.135, "{risk}");
        assert!(found.reason.contains("risk"), "{}", found.reason);
        let cpu = &found.evidence.dimensions[0];
        assert!(cpu.demand <= cpu.capacity_proposed, "{cpu:?}");
    }
}

#[test]
fn published_rules_state_their_risk() {
    let resource = instance(plain_instance("m5.2xlarge"));
    let found = one(size(&resource, &usage(peaks(1), Some(20.0), 1e6), &settings()));
    let risk = found.expect("99.65 % of the time it is idle").risk;
    assert!(risk.is_some_and(|risk| (0.0..=1.0).contains(&risk)), "{risk:?}");
}

#[test]
fn bandwidth_is_a_dimension() {
    // 60 % of an m5.2xlarge's base bandwidth of 2.5 Gbit/s, all the time: half of it is too little.
    let resource = instance(plain_instance("m5.2xlarge"));
    let base_gbps = CATALOG.instance_type("m5.2xlarge").and_then(|one| one.network.base_gbps);
    let bytes = base_gbps.expect("known") * 125e6 * 300.0 * 0.6;
    let quiet = steady(10.0, 10.0);
    let mut all = usage(quiet.clone(), Some(20.0), 1e6);
    all[0].1 = steady(bytes as f32, bytes as f32);
    let mut balanced = by(Preset::Balanced);
    balanced.instance.across_families = false;
    assert!(one(size(&resource, &all, &balanced)).is_err());
    let calm = one(size(&resource, &usage(quiet, Some(20.0), 1e6), &balanced));
    assert!(calm.is_ok());
    // Rare peaks of bandwidth may be risked.
    all[0].1 = steady(1e6, 1e6);
    all[0].1.values[1_000] = bytes as f32;
    let found = one(size(&resource, &all, &balanced)).expect("one slot in two weeks");
    let notes = found.evidence.notes.join("; ");
    assert!(notes.contains("network") && notes.contains("memory"), "{notes}");
}

#[test]
fn operations_are_a_dimension() {
    // 60 % of an m5.2xlarge's base operations a second, half of them reads: half of the base is too little.
    let base = CATALOG.instance_type("m5.2xlarge").and_then(|one| one.ebs.base);
    let one_way = f64::from(base.expect("known").iops) * 300.0 * 0.6 / 2.0;
    let mut all = usage(steady(10.0, 10.0), Some(20.0), 1e6);
    let mut balanced = by(Preset::Balanced);
    balanced.instance.across_families = false;
    let resource = instance(plain_instance("m5.2xlarge"));
    assert!(one(size(&resource, &all, &balanced)).is_ok());
    for (_, series) in &mut all[4..6] {
        *series = steady(one_way as f32, one_way as f32);
    }
    assert!(one(size(&resource, &all, &balanced)).is_err());
    balanced.risk = None;
    assert!(one(size(&resource, &all, &balanced)).is_err(), "nor by the quantile");
}

#[test]
fn memory_is_risked_for_no_point_and_unseen_memory_not_at_all() {
    let resource = instance(plain_instance("m5.2xlarge"));
    let quiet = steady(10.0, 10.0);
    for preset in [Preset::Frugal, Preset::Balanced, Preset::Cautious] {
        let at = |memory| one(size(&resource, &usage(quiet.clone(), memory, 1e6), &by(preset)));
        if let Ok(found) = at(None) {
            assert!(type_of(&found).memory_mib >= 32 * 1_024, "{}", preset.as_str());
        }
        let found = at(Some(45.0)).expect("CPU is idle");
        assert!(type_of(&found).memory_mib as f64 * 0.8 >= 0.45 * 32_768.0);
        // One point that does not fit is enough.
        let mut all = usage(quiet.clone(), Some(20.0), 1e6);
        all[7].1.values[77] = 60.0;
        let found = one(size(&resource, &all, &by(preset)));
        assert!(found.is_ok_and(|found| type_of(&found).memory_mib as f64 * 0.8 >= 0.6 * 32_768.0));
    }
}

#[test]
fn the_saturated_grow_and_nothing_bounds_their_risk() {
    let cpu = series((0..SLOTS).map(|slot| if slot % 20 == 0 { 100.0 } else { 60.0 }).collect());
    for preset in Preset::ALL {
        let all = usage(cpu.clone(), Some(50.0), 1e6);
        let found = one(size(&instance(plain_instance("c7i.xlarge")), &all, &by(preset)));
        let found = found.expect("it is saturated");
        assert!(type_of(&found).vcpu > 4 && !found.evidence.lowers_performance);
        assert_eq!((found.risk, found.evidence.risk_is_bound), (Some(1.0), true));
    }
}

#[test]
fn burstable_types_are_taken_for_bursts_that_their_credits_carry() {
    let mut all = by(Preset::Balanced);
    all.instance.allow_burstable = true;
    all.instance.include_types = vec!["t3.xlarge".to_owned()];
    let sized = |cpu: Series| {
        one(size(&instance(plain_instance("m5.xlarge")), &usage(cpu, Some(40.0), 1e6), &all))
    };
    // Both have four vCPUs; the baseline of a t3.xlarge is 40 %. An hour of bursts each day is carried by the rest of
    // it; the same average without a rest is not, nor are bursts of ten hours.
    let day = |busy: usize, high: f32, low: f32| {
        series((0..SLOTS).map(|slot| if slot % 288 >= 288 - busy { high } else { low }).collect())
    };
    for (cpu, carried) in [
        (day(12, 70.0, 5.0), true),
        (day(0, 0.0, 15.0), true),
        (day(120, 75.0, 40.0), false),
        (day(0, 0.0, 45.0), false),
    ] {
        let found = sized(cpu);
        assert_eq!(found.is_ok(), carried, "{found:?}");
    }
}

#[test]
fn frugal_takes_bargains() {
    // Two slots of each day ask for more than half of it: balanced keeps the size, frugal saves half of it.
    let resource = instance(plain_instance("m5.4xlarge"));
    let sized = |preset| {
        let mut settings = by(preset);
        settings.instance.across_families = false;
        one(size(&resource, &usage(peaks(2), Some(20.0), 1e6), &settings))
    };
    assert!(sized(Preset::Balanced).is_err());
    let found = sized(Preset::Frugal).expect("eight vCPUs are saved");
    assert_eq!(type_of(&found).name, "m5.2xlarge");
    let risk = found.risk.expect("a risk is stated");
    assert!(risk > 0.135 && risk <= 0.86, "{risk}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn a_higher_risk_never_costs_more(
        values in prop::collection::vec(1.0_f32..98.0, 600..900),
        memory in prop::option::of(1.0_f32..94.0),
        risks in prop::array::uniform2(0.0_f64..1.0),
    ) {
        let resource = instance(plain_instance("m5.4xlarge"));
        let all = usage(series(values), memory, 1e6);
        let cost = |risk_max: f64| {
            let found = one(size(&resource, &all, &at_risk(risk_max)));
            found.map_or(dollars("m5.4xlarge"), |found| dollars(&type_of(&found).name))
        };
        let (low, high) = (risks[0].min(risks[1]), risks[0].max(risks[1]));
        prop_assert!(cost(high) <= cost(low));
    }

    #[test]
    fn what_is_stated_is_within_the_rule(
        base in 1.0_f32..50.0,
        peak in 1.0_f32..98.0,
        slots_a_day in 0_usize..20,
        memory in prop::option::of(1.0_f32..94.0),
    ) {
        let cpu = series((0..SLOTS).map(|slot| if slot % 288 < slots_a_day { peak } else { base }).collect());
        let all = usage(cpu, memory, 1e6);
        for preset in [Preset::Balanced, Preset::Cautious, Preset::Frugal] {
            let settings = by(preset);
            let rule = settings.risk.expect("the preset has a rule");
            let limit = rule.bargain.map_or(rule.risk_max, |bargain| bargain.risk_max);
            if let Ok(found) = one(size(&instance(plain_instance("m5.4xlarge")), &all, &settings)) {
                prop_assert!(found.risk.is_some_and(|risk| risk <= limit), "{found:?}");
                prop_assert!(found.evidence.capacity_ratio >= 0.5 - 1e-9);
                prop_assert!(found.evidence.dimensions.iter().all(|one| one.demand.is_finite()));
            }
        }
    }

    #[test]
    fn gaps_are_never_zero(
        values in prop::collection::vec((20.0_f32..98.0, prop::bool::weighted(0.7)), 600..900),
    ) {
        // With gaps read as zero an idle-looking machine would get less than the same machine without them.
        let resource = instance(plain_instance("m5.4xlarge"));
        let sized = |gap: f32| {
            let cpu = values.iter().map(|(value, there)| if *there { *value } else { gap });
            let found = one(size(&resource, &usage(series(cpu.collect()), Some(20.0), 1e6), &by(Preset::Balanced)));
            found.map_or(dollars("m5.4xlarge"), |found| dollars(&type_of(&found).name))
        };
        prop_assert!(sized(f32::NAN) >= sized(0.0));
    }
}
