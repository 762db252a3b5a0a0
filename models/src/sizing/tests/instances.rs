//! Instances: resizing, saturation, idleness, and the chosen type against brute force.

use proptest::prelude::*;

use super::fleet::{
    CATALOG, SLOTS, START_S, at, instance, measure, one, plain_instance, series, settings, size,
    steady,
};
use crate::{
    catalog::{Architecture, BootMode, InstanceType, LINUX_PLATFORM},
    metric::{Measure, Metric, Statistic},
    money::Usd,
    recommendation::{Action, Recommendation, SavingBasis},
    resource::InstanceState,
    series::Series,
    sizing::settings::SizingSettings,
    spec::{PowerState, Spec},
};

const CPU: Measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };
const CPU_MAX: Measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Maximum };
const MEMORY: Measure = Measure { metric: Metric::InstanceMemory, statistic: Statistic::Maximum };

fn sum(metric: Metric) -> Measure {
    measure(metric, Statistic::Sum)
}

/// Series of an instance with this CPU, and the rest at a trickle; memory only where given.
fn usage(cpu: Series, memory: Option<f32>) -> Vec<(Measure, Series)> {
    let bytes = [
        Metric::InstanceNetworkIn,
        Metric::InstanceNetworkOut,
        Metric::InstanceEbsReadBytes,
        Metric::InstanceEbsWriteBytes,
    ];
    let operations = [Metric::InstanceEbsReadOps, Metric::InstanceEbsWriteOps];
    let bytes = bytes.map(|metric| (sum(metric), steady(1e6, 3e6)));
    let operations = operations.map(|metric| (sum(metric), steady(1e3, 3e3)));
    let mut all: Vec<(Measure, Series)> = bytes.into_iter().chain(operations).collect();
    all.push((CPU_MAX, cpu.clone()));
    all.push((CPU, cpu));
    all.extend(memory.map(|percent| (MEMORY, steady(percent, percent))));
    all
}

fn type_of(recommendation: &Recommendation) -> &InstanceType {
    let Spec::Instance { instance_type, state: PowerState::Running } = &recommendation.desired
    else {
        panic!("{:?} is no running instance", recommendation.desired);
    };
    CATALOG.instance_type(instance_type).expect("only types of the catalogue are chosen")
}

fn cost(name: &str) -> Usd {
    let price = CATALOG.instance_price(name, "us-east-1", LINUX_PLATFORM);
    price.expect("the type is priced").per_hour.monthly()
}

#[test]
fn an_oversized_instance_gets_half() {
    let mut only = settings();
    only.instance.across_families = false;
    let found = one(size(
        &instance(plain_instance("m5.2xlarge")),
        &usage(steady(10.0, 30.0), Some(20.0)),
        &only,
    ))
    .expect("it is four times too large");
    assert_eq!(type_of(&found).name, "m5.xlarge", "one step, although less would do");
    assert_eq!(found.saving, cost("m5.2xlarge").checked_sub(cost("m5.xlarge")));
    assert_eq!(found.saving_basis, SavingBasis::List);
    let evidence = &found.evidence;
    assert!((evidence.capacity_ratio - 0.5).abs() < 1e-12 && evidence.lowers_performance);
    assert!(evidence.unseen.is_empty(), "{:?}", evidence.unseen);
    let replay = evidence.replay.as_ref().expect("sizes were compared");
    assert_eq!((replay.points, replay.breaching_points), (SLOTS as u64, 0));
    assert!(evidence.series.iter().any(|one| one.measure == CPU && one.decisive));
    assert!((evidence.series[0].coverage_ratio - 1.0).abs() < 1e-12);
    let days = evidence.days_seen;
    assert!((13.9..=14.0).contains(&days), "{days}");
}

#[test]
fn memory_that_is_not_seen_is_not_made_smaller() {
    let found = one(size(
        &instance(plain_instance("m5.2xlarge")),
        &usage(steady(10.0, 30.0), None),
        &settings(),
    ));
    let found = found.expect("memory-rich types with fewer vCPUs are cheaper");
    assert!(type_of(&found).memory_mib >= 32 * 1_024);
    assert_eq!(found.evidence.unseen, ["memory"]);
}

#[test]
fn a_discount_makes_the_saving_net() {
    let plain = settings();
    let net = SizingSettings { discount_ratio: 0.25, ..plain.clone() };
    let resource = instance(plain_instance("m5.2xlarge"));
    let series = usage(steady(10.0, 30.0), Some(20.0));
    let plain = one(size(&resource, &series, &plain)).expect("oversized");
    let net = one(size(&resource, &series, &net)).expect("oversized");
    let expect = plain.saving.and_then(|saving| saving.scaled(0.75)).expect("priced");
    let off = net.saving.expect("priced").checked_sub(expect).expect("small");
    assert!(off.micros().abs() <= 1, "rounding only: {off:?}");
    assert_eq!(net.saving_basis, SavingBasis::Net);
}

#[test]
fn a_saturated_instance_grows_at_any_price() {
    let cpu = series((0..SLOTS).map(|slot| if slot % 10 == 0 { 100.0 } else { 60.0 }).collect());
    let found =
        one(size(&instance(plain_instance("c7i.xlarge")), &usage(cpu, Some(50.0)), &settings()));
    let found = found.expect("it is saturated");
    let today = CATALOG.instance_type("c7i.xlarge").expect("embedded");
    let target = type_of(&found);
    assert!(target.vcpu > today.vcpu && target.memory_mib >= today.memory_mib);
    assert!(!found.evidence.lowers_performance);
    assert!(found.saving.expect("priced") < Usd::ZERO);
    let cpu = &found.evidence.dimensions[0];
    assert!(cpu.demand > cpu.capacity_today && cpu.capacity_proposed >= cpu.demand);
}

#[test]
fn what_was_full_before_the_last_start_is_not_relieved_twice() {
    let full_before = |day: usize| {
        let value =
            |slot: usize| if slot < day * 288 && slot.is_multiple_of(10) { 100.0 } else { 40.0 };
        series((0..SLOTS).map(value).collect())
    };
    let started = |day: i64| {
        let mut detail = plain_instance("c7i.2xlarge");
        detail.launched_at = Some(at(START_S + day * 86_400));
        instance(detail)
    };
    let mut only = settings();
    only.instance.across_families = false;
    let sized = |start: i64| one(size(&started(start), &usage(full_before(7), Some(50.0)), &only));
    assert!(sized(7).expect_err("its type is new").contains("fits"));
    assert!(sized(3).is_ok(), "it was full after the start too");
    assert!(sized(14).is_ok(), "nothing was seen since the start");
}

#[test]
fn full_memory_asks_for_more() {
    let found = one(size(
        &instance(plain_instance("m6i.large")),
        &usage(steady(20.0, 40.0), Some(97.0)),
        &settings(),
    ));
    let found = found.expect("memory is full");
    assert!(type_of(&found).memory_mib > 8 * 1_024);
    assert!(!found.evidence.lowers_performance);
}

#[test]
fn what_cannot_be_judged_is_not_sized() {
    let busy = usage(steady(90.0, 95.0), Some(50.0));
    let calm = usage(steady(10.0, 30.0), Some(20.0));
    let flat = usage(series(vec![0.0; SLOTS]), Some(20.0));
    let gaps = usage(series(vec![f32::NAN; SLOTS]), Some(20.0));
    let brief = usage(series(vec![10.0; 100]), Some(20.0));
    type Edit = fn(&mut crate::resource::Instance);
    type Case<'a> = (&'a str, Edit, &'a [(Measure, Series)], &'a str);
    let cases: [Case<'_>; 11] = [
        ("no series", |_| (), &[], "no points"),
        ("flat zero", |_| (), &flat, "is 0 at every point"),
        ("gaps", |_| (), &gaps, "no points"),
        ("a few hours", |_| (), &brief, "8 h only"),
        ("well used", |one| one.instance_type = "m7a.large".to_owned(), &busy, "fits"),
        ("an unknown type", |one| one.instance_type = "z9.huge".to_owned(), &calm, "z9.huge"),
        ("stopped", |one| one.state = InstanceState::Stopped, &calm, "not running"),
        ("spot", |one| one.lifecycle = Some("spot".to_owned()), &calm, "spot"),
        ("hibernating", |one| one.hibernation = true, &calm, "hibernation"),
        ("own root disk", |one| one.ebs_root = false, &calm, "instance store"),
        ("an unknown architecture", |one| one.architecture = "vax".to_owned(), &calm, "vax"),
    ];
    for (name, edit, series, expect) in cases {
        let mut detail = plain_instance("m5.2xlarge");
        edit(&mut detail);
        let reason = one(size(&instance(detail), series, &settings())).expect_err(name);
        assert!(reason.contains(expect), "{name}: {reason}");
    }
}

#[test]
fn a_required_metric_that_is_unseen_keeps_capacity() {
    let required = SizingSettings { required_metrics: vec![Metric::InstanceMemory], ..settings() };
    let resource = instance(plain_instance("m5.2xlarge"));
    if let Ok(found) = one(size(&resource, &usage(steady(10.0, 30.0), None), &required)) {
        assert!(found.evidence.capacity_ratio >= 1.0, "{}", found.evidence.capacity_ratio);
    }
    let seen = one(size(&resource, &usage(steady(10.0, 30.0), Some(20.0)), &required));
    assert!(seen.expect("it was seen").evidence.capacity_ratio < 1.0);
}

#[test]
fn an_unpriced_platform_is_compared_by_vcpu() {
    let mut detail = plain_instance("m5.2xlarge");
    detail.platform = "Windows".to_owned();
    let found = one(size(&instance(detail), &usage(steady(10.0, 30.0), Some(20.0)), &settings()));
    let found = found.expect("half the vCPUs carry it");
    assert_eq!(type_of(&found).name, "m5.xlarge");
    assert_eq!((found.saving, found.cost_today, found.price_basis), (None, None, None));
}

#[test]
fn xen_images_stay_on_xen() {
    let mut all = settings();
    all.instance.allow_previous_generation = true;
    let found = one(size(
        &instance(plain_instance("m4.2xlarge")),
        &usage(steady(10.0, 30.0), Some(20.0)),
        &all,
    ));
    let found = found.expect("smaller Xen types are cheaper");
    assert_eq!(type_of(&found).hypervisor, Some(crate::catalog::Hypervisor::Xen));
}

#[test]
fn an_idle_instance_is_stopped() {
    let quiet = steady(0.2, 0.4);
    let mut series = vec![(CPU_MAX, quiet.clone()), (CPU, quiet.clone())];
    series.push((sum(Metric::InstanceNetworkIn), steady(2_000.0, 4_000.0)));
    series.push((sum(Metric::InstanceNetworkOut), steady(1_000.0, 2_000.0)));
    let resource = instance(plain_instance("m5.2xlarge"));
    let found = one(size(&resource, &series, &settings())).expect("nothing uses it");
    assert_eq!(found.action, Action::StopIdleInstance);
    assert_eq!(found.saving, Some(cost("m5.2xlarge")));
    let Spec::Instance { state, .. } = found.desired else { panic!("not an instance") };
    assert_eq!(state, PowerState::Stopped);

    // One hour of traffic, traffic that was not seen, or traffic flat at zero: not idle.
    let mut busy = series.clone();
    busy[2].1.values[1_000] = 2e6;
    let blind = series[..3].to_vec();
    let mut flat = series.clone();
    flat[3].1 = self::series(vec![0.0; SLOTS]);
    for (name, series) in [("an hour", busy), ("blind", blind), ("flat", flat)] {
        let stops = one(size(&resource, &series, &settings()))
            .is_ok_and(|found| found.action == Action::StopIdleInstance);
        assert!(!stops, "{name}");
    }
}

#[test]
fn half_the_time_costs_half() {
    let resource = instance(plain_instance("m5.2xlarge"));
    let mut values = steady(10.0, 30.0).values;
    values[..SLOTS / 2].fill(f32::NAN);
    values[0] = 10.0;
    let all: std::collections::BTreeMap<_, _> =
        [(CPU, series(values)), (MEMORY, steady(20.0, 20.0))].into_iter().collect();
    let half_s = 7 * 86_400;
    let running = [
        crate::evidence::Interval { from_s: START_S, until_s: START_S + 300 },
        crate::evidence::Interval { from_s: START_S + half_s, until_s: START_S + 2 * half_s },
    ];
    let input = crate::sizing::SizingInput {
        resource: &resource,
        series: &all,
        now: at(START_S + 2 * half_s),
        from: at(START_S),
        until: at(START_S + 2 * half_s),
        running: &running,
        sizes: &[],
        borrowed: None,
        inventory: &std::collections::BTreeMap::new(),
    };
    let found = one(crate::sizing::recommend(&input, &settings(), &CATALOG)).expect("oversized");
    let share = found.cost_today.expect("priced").dollars() / cost("m5.2xlarge").dollars();
    assert!((share - 0.5).abs() < 0.001, "{share}");
    let cpu = found.evidence.series.iter().find(|one| one.measure == CPU).expect("seen");
    assert!((cpu.coverage_ratio - 1.0).abs() < 1e-9, "it was off, not unseen");
}

/// Every type that a plain Nitro instance could move to, judged by rules written anew and by hand.
fn brute_force(today: &InstanceType, cpu: f64, memory: Option<f64>) -> Option<(&'static str, f64)> {
    let price = |one: &InstanceType| {
        CATALOG
            .instance_price(&one.name, "us-east-1", LINUX_PLATFORM)
            .map(|price| price.per_hour.dollars())
    };
    let mut best: Option<(&'static str, f64)> = None;
    for one in CATALOG.instance_types() {
        let Some(dollars) = price(one) else { continue };
        let compute = if one.family == today.family {
            f64::from(one.vcpu) / f64::from(today.vcpu)
        } else {
            match (one.coremark, today.coremark) {
                (Some(new), Some(old)) => new as f64 / old as f64,
                _ => match (one.clock_ghz, today.clock_ghz) {
                    (Some(new), Some(old)) => {
                        f64::from(one.vcpu) * new / (f64::from(today.vcpu) * old)
                    }
                    _ => f64::from(one.vcpu) / f64::from(today.vcpu),
                },
            }
        };
        let mib = today.memory_mib as f64;
        let memory = memory.map_or(mib, |percent| (percent / 100.0 * mib / 0.8).max(mib / 2.0));
        let full_cpu = !one.burstable && !one.flex && !one.family.starts_with("t");
        let carried = compute + 1e-9 >= (cpu / 100.0 / 0.8).max(0.5)
            && one.memory_mib as f64 + 1e-9 >= memory;
        let like = one.supports(Architecture::X86_64)
            && one.gpu.is_none()
            && one.accelerator.is_none()
            && !one.bare_metal
            && one.instance_store.is_none()
            && one.network.cards == 1
            && one.boot_modes.contains(&BootMode::LegacyBios)
            && (one.current_generation || one.family == today.family)
            && one.ebs.max_attachments >= 2
            && one.ebs.base.is_some()
            && one.network.base_gbps.is_some();
        let cheaper =
            dollars < price(today)? * 0.9 && best.is_none_or(|(_, least)| dollars < least);
        if full_cpu && carried && like && cheaper && one.name != today.name {
            best = Some((one.name.as_str(), dollars));
        }
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_cheapest_of_all_is_chosen(
        name in prop::sample::select(vec!["m5.large", "m5.4xlarge", "c5.2xlarge", "r6i.xlarge", "m7i.2xlarge", "c6a.8xlarge", "r5.24xlarge"]),
        cpu in 1.0_f32..98.0,
        memory in prop::option::of(1.0_f32..94.0),
    ) {
        let today = CATALOG.instance_type(name).expect("embedded");
        let mut detail = plain_instance(name);
        detail.boot_mode = Some("legacy-bios".to_owned());
        let series = usage(steady(cpu, cpu), memory);
        let found = one(size(&instance(detail), &series, &settings()));
        let expect = brute_force(today, f64::from(cpu), memory.map(f64::from));
        match (found, expect) {
            (Ok(found), Some((_, dollars))) => {
                let chosen = type_of(&found);
                let price = CATALOG.instance_price(&chosen.name, "us-east-1", LINUX_PLATFORM);
                let price = price.expect("priced").per_hour.dollars();
                prop_assert!((price - dollars).abs() < 1e-9, "{} at {price} against {expect:?}", chosen.name);
                prop_assert!(found.evidence.capacity_ratio >= 0.5 - 1e-9);
                prop_assert!(memory.is_some() || chosen.memory_mib >= today.memory_mib);
                let replay = found.evidence.replay.expect("sizes were compared");
                prop_assert_eq!(replay.breaching_points, 0);
            }
            (Err(_), None) => (),
            (found, expect) => prop_assert!(false, "{found:?} against {expect:?}"),
        }
    }

    #[test]
    fn gaps_never_change_the_size(
        values in prop::collection::vec((1.0_f32..98.0, prop::bool::weighted(0.8)), 600..900),
        memory in prop::option::of(1.0_f32..94.0),
    ) {
        let resource = instance(plain_instance("m5.4xlarge"));
        let gapped = values.iter().map(|(value, there)| if *there { *value } else { f32::NAN });
        let dropped = values.iter().filter(|(_, there)| *there).map(|(value, _)| *value);
        let sized = |cpu: Vec<f32>| {
            let mut series = usage(series(cpu), memory);
            // The peak within a day depends on when points were; everything else on what they were.
            series.retain(|(measure, _)| *measure != CPU_MAX);
            one(size(&resource, &series, &settings())).map(|one| (one.desired, one.alternates, one.saving))
        };
        prop_assert_eq!(sized(gapped.collect()), sized(dropped.collect()));
    }
}
