//! Functions: smaller, larger, and not at all.

use super::fleet::{CATALOG, SLOTS, measure, one, resource, series, settings, size, steady};
use crate::{
    catalog::{Architecture, FunctionUse},
    metric::{Measure, Metric, Statistic},
    resource::{Detail, Function, Kind, Resource},
    series::Series,
    spec::Spec,
};

fn plain(memory_mb: u32) -> Function {
    Function {
        memory_mb,
        timeout_s: 30,
        architecture: "x86_64".to_owned(),
        runtime: Some("python3.13".to_owned()),
        state: "Active".to_owned(),
        last_update_status: "Successful".to_owned(),
        revision_id: None,
        code_sha256: None,
        aliases: Vec::new(),
        published_versions: 0,
        capacity_provider: false,
    }
}

fn function(detail: Function) -> Resource {
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:resize";
    resource(Kind::Function, arn, "resize", Detail::Function(detail))
}

const MEMORY: Measure = Measure { metric: Metric::FunctionMemory, statistic: Statistic::Maximum };

/// 40 invocations a slot of `ms` on average and three times that at most; used memory as given.
fn usage(memory_mb: Option<f32>, ms: f32) -> Vec<(Measure, Series)> {
    let mut all = vec![
        (measure(Metric::FunctionInvocations, Statistic::Sum), steady(40.0, 40.0)),
        (measure(Metric::FunctionDuration, Statistic::Average), steady(ms, ms)),
        (measure(Metric::FunctionDuration, Statistic::Maximum), steady(ms, 3.0 * ms)),
    ];
    all.extend(memory_mb.map(|mb| (MEMORY, steady(mb * 0.8, mb))));
    all
}

#[test]
fn sizes_follow_used_memory_as_far_as_time_allows() {
    // today, used, mean ms -> proposed, or why not
    type Case = (u32, Option<f32>, f32, Result<u32, &'static str>);
    let cases: [Case; 10] = [
        (1_024, Some(200.0), 200.0, Ok(512)),
        (1_024, Some(450.0), 200.0, Ok(576)),
        // A quarter less memory is eaten up if three quarters of a run wait for CPU.
        (1_024, Some(600.0), 200.0, Err("may cost as much")),
        (3_008, Some(100.0), 200.0, Ok(1_536)),
        (256, Some(60.0), 200.0, Ok(128)),
        (512, Some(500.0), 200.0, Ok(640)),
        // Runs of 9 s may take 18 s at half the CPU, the most that 30 s of timeout bear.
        (1_024, Some(200.0), 3_000.0, Ok(576)),
        (1_024, Some(200.0), 5_900.0, Err("no room for a slower CPU")),
        (1_024, Some(800.0), 200.0, Err("fit")),
        (1_024, None, 200.0, Err("Lambda Insights")),
    ];
    for (today, used, ms, expect) in cases {
        let found = one(size(&function(plain(today)), &usage(used, ms), &settings()));
        match (found, expect) {
            (Ok(found), Ok(expect)) => {
                assert_eq!(found.desired, Spec::Function { memory_mb: expect }, "{today} {used:?}");
                let saves = found.saving.expect("priced").is_positive();
                assert_eq!(saves, expect < today, "{today} {used:?}");
                assert_eq!(found.evidence.lowers_performance, expect < today);
                assert_eq!(found.evidence.invocations, Some(40 * SLOTS as u64));
                assert_eq!(found.evidence.invocation_days, Some(14));
            }
            (Err(reason), Err(expect)) => assert!(reason.contains(expect), "{today}: {reason}"),
            (found, expect) => panic!("{today} {used:?} {ms}: {found:?} against {expect:?}"),
        }
    }
}

#[test]
fn the_saving_is_that_of_the_middle_assumption() {
    let found = one(size(&function(plain(1_024)), &usage(Some(200.0), 200.0), &settings()));
    let found = found.expect("oversized");
    // 40 a slot, 288 slots a day, 730 / 24 days; half the CPU makes the waiting half of a run twice as long.
    let invocations_monthly = (40.0 * 288.0 * 730.0 / 24.0_f64).round() as u64;
    let cost = |memory_mb, mean_duration_ms| {
        let usage = FunctionUse { memory_mb, mean_duration_ms, invocations_monthly };
        let cost = CATALOG.function_cost_monthly("us-east-1", Architecture::X86_64, &usage);
        cost.expect("priced").0.dollars()
    };
    let expect = cost(1_024, 200.0) - cost(512, 300.0);
    let saving = found.saving.expect("priced").dollars();
    assert!((saving - expect).abs() < 1e-3 * expect, "{saving} is not {expect}");
}

#[test]
fn quiet_slots_are_not_missing_points() {
    let mut all = usage(Some(200.0), 200.0);
    for (measure, one) in &mut all {
        let calls = measure.metric == Metric::FunctionInvocations;
        for (slot, value) in one.values.iter_mut().enumerate() {
            if slot % 4 != 0 {
                *value = if calls { 0.0 } else { f32::NAN };
            }
        }
    }
    let found = one(size(&function(plain(1_024)), &all, &settings())).expect("oversized");
    let memory = found.evidence.series.iter().find(|one| one.measure == MEMORY).expect("seen");
    assert!((memory.coverage_ratio - 1.0).abs() < 1e-12, "{}", memory.coverage_ratio);
}

#[test]
fn nothing_is_concluded_from_nothing() {
    let flat = vec![
        (measure(Metric::FunctionInvocations, Statistic::Sum), series(vec![0.0; SLOTS])),
        (MEMORY, steady(100.0, 100.0)),
    ];
    let reason = one(size(&function(plain(1_024)), &flat, &settings())).expect_err("no calls");
    assert!(reason.contains("not invoked"), "{reason}");
    assert!(one(size(&function(plain(1_024)), &[], &settings())).is_err());
}
