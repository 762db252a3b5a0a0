//! Functions: smaller, larger, and not at all.

use super::fleet::{
    CATALOG, Measured, SLOTS, START_S, measure, one, resource, series, settings, size, size_after,
    steady,
};
use crate::{
    catalog::{Architecture, FunctionUse},
    metric::{Measure, Metric, Statistic},
    recommendation::Recommendation,
    resource::{Detail, Function, Kind, Resource},
    series::Series,
    sizing::{SizeInForce, settings::FunctionObjective},
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
        served: None,
        newest: None,
        provisioned: None,
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
        // Each run is billed to the next millisecond: half of one more on average.
        let mean_duration_ms = mean_duration_ms + 0.5;
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

/// Sizes in force for equal parts of the look-back, with the mean duration under each; the last is the present one.
fn history(sizes: &[(u32, f32)], used_mb: f32) -> (Vec<SizeInForce>, Vec<(Measure, Series)>) {
    let part = SLOTS / sizes.len();
    let in_force = sizes.iter().enumerate().map(|(index, (memory_mb, _))| SizeInForce {
        from_s: START_S + 300 * i64::try_from(index * part).expect("two weeks"),
        memory_mb: *memory_mb,
    });
    let of = |slot: usize| sizes[(slot / part).min(sizes.len() - 1)].1;
    let durations = |factor: f32| series((0..SLOTS).map(|slot| factor * of(slot)).collect());
    let all = vec![
        (measure(Metric::FunctionInvocations, Statistic::Sum), steady(40.0, 40.0)),
        (measure(Metric::FunctionDuration, Statistic::Average), durations(1.0)),
        (measure(Metric::FunctionDuration, Statistic::Maximum), durations(3.0)),
        (MEMORY, steady(used_mb, used_mb)),
    ];
    (in_force.collect(), all)
}

/// A function of each kind of finding, with its series and the sizes that it has had.
pub(super) fn each() -> Vec<(Resource, Measured, Vec<SizeInForce>)> {
    let (sizes, seen) = history(&[(512, 520.0), (1_024, 500.0)], 90.0);
    vec![
        (function(plain(1_024)), usage(Some(200.0), 200.0), Vec::new()),
        (function(plain(512)), usage(Some(500.0), 200.0), Vec::new()),
        (function(plain(512)), usage(None, 200.0), Vec::new()),
        (function(plain(1_024)), seen, sizes),
    ]
}

fn tried(
    sizes: &[(u32, f32)],
    objective: FunctionObjective,
    latency: f64,
) -> Result<Recommendation, String> {
    let (in_force, all) = history(sizes, 90.0);
    let mut settings = settings();
    settings.function.objective = objective;
    settings.function.max_latency_increase_ratio = latency;
    let today = sizes.last().expect("a size").0;
    one(size_after(&function(plain(today)), &all, &settings, &[], &in_force))
}

#[test]
fn sizes_that_were_seen_settle_the_next() {
    use FunctionObjective::{Both, Cost, Duration};
    // Two sizes give T = a + b/m: at 1,024 and 512 MB.
    let waits = [(1_024, 500.0), (512, 500.0)];
    let works = [(1_024, 500.0), (512, 1_000.0)];
    let pressed = [(512, 1_000.0), (256, 3_000.0)];
    type Case<'a> = (&'a str, &'a [(u32, f32)], FunctionObjective, f64, Result<u32, &'static str>);
    let cases: [Case<'_>; 7] = [
        ("nothing waits for CPU: half the memory, half the cost", &waits, Cost, 1.5, Ok(256)),
        ("pure work costs the same at any size", &works, Cost, 1.5, Err("surely better")),
        // 512 MB were seen to cost 2/3 of 256 MB, for a third of the time.
        ("memory pressure: more costs less", &pressed, Cost, 1.5, Ok(512)),
        ("and is faster", &pressed, Duration, 1.5, Ok(512)),
        ("and both", &pressed, Both, 1.5, Ok(512)),
        // exp(0.2 x (0.2 + ln(512/448))) = 1.069, while 384 MB would be 1.103.
        ("the interval reaches beyond the allowed increase", &waits, Cost, 0.1, Ok(448)),
        ("no increase at all", &waits, Cost, 0.0, Err("surely better")),
    ];
    for (name, sizes, objective, latency, expect) in cases {
        match (tried(sizes, objective, latency), expect) {
            (Ok(found), Ok(expect)) => {
                assert_eq!(found.desired, Spec::Function { memory_mb: expect }, "{name}");
                assert!(found.saving.expect("priced").is_positive(), "{name}");
                assert!(found.reason.contains("seen at 2 sizes"), "{name}: {}", found.reason);
            }
            (Err(reason), Err(expect)) => assert!(reason.contains(expect), "{name}: {reason}"),
            (found, expect) => panic!("{name}: {found:?} against {expect:?}"),
        }
    }
}

#[test]
fn a_history_that_contradicts_the_present_is_not_used() {
    let (in_force, all) = history(&[(1_024, 500.0), (512, 500.0)], 90.0);
    let reason =
        one(size_after(&function(plain(2_048)), &all, &settings(), &[], &in_force)).expect_err("?");
    assert!(reason.contains("changed by somebody"), "{reason}");
}

#[test]
fn few_runs_at_a_size_tell_nothing() {
    // One slot of 40 runs at 1,024 MB is no observation: 512 MB stay the only size, and 256 MB a try.
    let (mut in_force, all) = history(&[(1_024, 500.0), (512, 500.0)], 90.0);
    in_force[1].from_s = START_S + 300;
    let found = one(size_after(&function(plain(512)), &all, &settings(), &[], &in_force));
    let found = found.expect("a try");
    assert!(found.evidence.notes.iter().any(|note| note.contains("is a try")), "{found:?}");
}

#[test]
fn a_try_needs_leave() {
    let mut settings = settings();
    settings.function.explore = false;
    let reason = one(size(&function(plain(1_024)), &usage(Some(200.0), 200.0), &settings));
    let reason = reason.expect_err("one size only");
    assert!(reason.contains("not allowed"), "{reason}");
    settings.function.explore = true;
    settings.function.objective = FunctionObjective::Both;
    let reason = one(size(&function(plain(1_024)), &usage(Some(200.0), 200.0), &settings));
    assert!(reason.expect_err("one size only").contains("1024 MB only"));
}

#[test]
fn advice_is_only_advice() {
    let note = |edit: fn(&mut Function), extra: Option<(Measure, Series)>| -> Vec<String> {
        let mut detail = plain(1_024);
        edit(&mut detail);
        let mut all = usage(Some(200.0), 200.0);
        all.extend(extra);
        one(size(&function(detail), &all, &settings())).expect("oversized").evidence.notes
    };
    let throttles = (measure(Metric::FunctionThrottles, Statistic::Sum), steady(0.0, 5.0));
    let has = |notes: &[String], word: &str| notes.iter().any(|note| note.contains(word));
    assert!(has(&note(|_| (), Some(throttles)), "throttled"));
    assert!(has(&note(|one| one.timeout_s = 900, None), "a timeout of 2 s"));
    assert!(!has(&note(|_| (), None), "timeout"));
}

#[test]
fn provisioned_concurrency_is_for_what_always_runs() {
    let advised = |edit: fn(usize, &mut f32)| {
        // 40 runs of 8 s in 300 s are 1.07 at once.
        let mut all = usage(Some(200.0), 8_000.0);
        for (_, one) in &mut all {
            one.values.iter_mut().enumerate().for_each(|(slot, value)| edit(slot, value));
        }
        let today = Function { timeout_s: 300, ..plain(1_024) };
        let found = one(size(&function(today), &all, &settings())).expect("oversized");
        found.evidence.notes.iter().any(|note| note.contains("1 runs at once were under way"))
    };
    assert!(advised(|_, _| ()));
    assert!(!advised(|slot, value| {
        if (600..660).contains(&slot) {
            *value = f32::NAN;
        }
    }));
}
