//! The account obeys AWS's rules, its metrics follow what is done to it, and the same seed gives the same bytes.

use jiff::SignedDuration;
use proptest::prelude::*;
use trimtab_models::{
    catalog::VcpuQuota,
    metric::{Measure, Metric, Statistic},
    resource::{Kind, ModificationState},
    spec::{PowerState, ScheduledMin, Spec},
};
use trimtab_policies::{
    operations::{Failure, FailureKind, Share},
    steps::Rollout,
};

use super::*;

const REGION: &str = "us-east-1";
const HOUR_S: i64 = 3_600;
const FLEET: &str = "
name = 'rules'
description = 'one of each'
start = '2026-03-02T00:00:00Z'
history_days = 3
[fleet]
web-oversized = 1
windows = 1
spot = 1
volume-gp3-over = 1
volume-unattached = 1
function-oversized = 1
group-fixed-over = 1
group-scaled-over = 1
";

fn world() -> World {
    World::new(&Scenario::parse(FLEET).expect("a scenario"), 7, Catalog::embedded())
}

fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-03-02T00:00:00Z".parse().expect("a time");
    start + SignedDuration::from_secs(second)
}

/// The id of the resource whose name begins with `name`.
fn id(world: &World, name: &str) -> String {
    let named =
        |entity: &&Entity| entity.resource.tag("Name").is_some_and(|found| found.starts_with(name));
    let found = world.entities.values().find(named);
    found.unwrap_or_else(|| panic!("no resource is named {name}")).resource.id.clone()
}

fn stop(instance_id: &str) -> Operation {
    Operation::StopInstance { instance_id: instance_id.to_owned() }
}

fn start(instance_id: &str) -> Operation {
    Operation::StartInstance { instance_id: instance_id.to_owned() }
}

fn set_type(instance_id: &str, instance_type: &str) -> Operation {
    Operation::SetInstanceType {
        instance_id: instance_id.to_owned(),
        instance_type: instance_type.to_owned(),
    }
}

fn memory(memory_mb: u32, revision_id: Option<&str>) -> Operation {
    let function_name = "resize-1".to_owned();
    Operation::SetFunctionMemory {
        function_name,
        memory_mb,
        revision_id: revision_id.map(str::to_owned),
    }
}

fn bounds(group: &str, min_size: u32, max_size: u32, desired_capacity: Option<u32>) -> Operation {
    Operation::SetGroupBounds { group_name: group.to_owned(), min_size, max_size, desired_capacity }
}

fn gp3(size_gib: u32, iops: u32, mibps: u32) -> VolumeSpec {
    VolumeSpec {
        volume_type: "gp3".to_owned(),
        size_gib,
        iops: Some(iops),
        throughput_mibps: Some(mibps),
    }
}

fn modify(volume_id: &str, spec: VolumeSpec) -> Operation {
    Operation::ModifyVolume { volume_id: volume_id.to_owned(), spec }
}

fn delete(volume_id: &str) -> Operation {
    Operation::DeleteVolume { volume_id: volume_id.to_owned() }
}

/// How the call fails, `None` when it is accepted.
fn outcome(world: &mut World, operation: &Operation, second: i64) -> Option<FailureKind> {
    world.perform(REGION, operation, at(second)).err().map(|Failure { kind, .. }| kind)
}

fn resize(world: &mut World, id: &str, name: &str, second: i64) {
    for (operation, wait) in [(stop(id), 0), (set_type(id, name), 200), (start(id), 210)] {
        assert_eq!(outcome(world, &operation, second + wait), None, "{operation:?}");
    }
}

fn average(metric: Metric) -> Measure {
    Measure { metric, statistic: Statistic::Average }
}

/// Five-minute values in `[from, until)` hours after the start.
fn values(
    world: &mut World,
    id: &str,
    measure: Measure,
    hours: (i64, i64),
    now: Timestamp,
) -> Vec<f32> {
    let origin_s = at(0).as_second();
    let window = (origin_s + hours.0 * HOUR_S, origin_s + hours.1 * HOUR_S, 300);
    world.series(id, measure, window, now).expect("no faults").values
}

/// Values in a form in which a gap equals a gap.
fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn mean(values: &[f32]) -> f64 {
    let present: Vec<f64> =
        values.iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value)).collect();
    assert!(!present.is_empty(), "there is no value to average");
    present.iter().sum::<f64>() / present.len() as f64
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let text = |seed| {
        let scenario = Scenario::parse(crate::scenario::FIRST_LOOK).expect("it is shipped");
        let mut world = World::new(&scenario, seed, Catalog::embedded());
        let mut text = String::new();
        for kind in [Kind::Instance, Kind::Volume, Kind::Function, Kind::Group] {
            for resource in world.discover(REGION, kind, at(0)).expect("no faults") {
                for measure in Measure::of(kind) {
                    let seen = values(&mut world, &resource.id, measure, (-30, 0), at(0));
                    text.push_str(&format!("{measure} {:?}\n", bits(&seen)));
                }
                text.push_str(&format!("{resource:?}\n"));
            }
        }
        text
    };
    assert!(text(7) == text(7), "the same seed gives other bytes");
    assert!(text(7) != text(8), "another seed gives the same bytes");
}

#[test]
fn a_point_stays_what_it_was_when_it_was_published() {
    let mut world = world();
    let desk = id(&world, "desk");
    let cpu = average(Metric::InstanceCpu);
    let before = values(&mut world, &desk, cpu, (0, 10), at(10 * HOUR_S));
    resize(&mut world, &desk, "m5.large", 10 * HOUR_S);
    let after = values(&mut world, &desk, cpu, (0, 10), at(20 * HOUR_S));
    let published = before.iter().filter(|value| !value.is_nan()).count();
    assert_eq!(published, 119, "the newest slot is not published yet");
    assert_eq!(bits(&before[..published]), bits(&after[..published]));
    assert!(!after[119].is_nan(), "it is published later");
}

#[test]
fn half_the_machine_is_twice_the_load_and_a_stop_is_a_gap() {
    let mut world = world();
    let desk = id(&world, "desk");
    let mut twin = world.clone();
    resize(&mut world, &desk, "m5.large", 24 * HOUR_S);
    let cpu = average(Metric::InstanceCpu);
    let resized = values(&mut world, &desk, cpu, (0, 48), at(50 * HOUR_S));
    let untouched = values(&mut twin, &desk, cpu, (0, 48), at(50 * HOUR_S));
    assert_eq!(bits(&resized[..288]), bits(&untouched[..288]));
    let ratio = mean(&resized[290..]) / mean(&untouched[290..]);
    assert!((1.8..2.2).contains(&ratio), "CPU became {ratio} times as high");
    assert!(resized[288].is_nan(), "it was off in the slot of the change");
    assert!(!resized[290].is_nan(), "and is back two slots later");
    let used = average(Metric::InstanceMemory);
    let resized = values(&mut world, &desk, used, (30, 40), at(50 * HOUR_S));
    let untouched = values(&mut twin, &desk, used, (30, 40), at(50 * HOUR_S));
    assert!((mean(&resized) / mean(&untouched) - 2.0).abs() < 1e-3, "half the memory");
}

#[test]
fn a_smaller_machine_costs_less_by_the_price_list() {
    let mut world = world();
    let web = id(&world, "web");
    let shown = world.describe(&web, at(0)).expect("it is there");
    // On-demand prices of us-east-1, dollars an hour.
    let before = match shown.instance().expect("an instance").instance_type.as_str() {
        "m5.xlarge" => 0.192,
        "m5.2xlarge" => 0.384,
        "r5.2xlarge" => 0.504,
        other => panic!("{other} is not of this archetype"),
    };
    let cost = world.cost_monthly(at(0));
    resize(&mut world, &web, "m5.large", 0);
    let expect = (before - 0.096) * 730.0;
    let saved = cost.saturating_sub(world.cost_monthly(at(HOUR_S))).dollars();
    assert!((saved - expect).abs() < 0.01, "{saved}, not {expect}");
    let since = world.saving_since(&shown.reference.arn.0, at(0), at(HOUR_S));
    let since = since.expect("it has a price").dollars();
    // At the moment of the stop the machine costs nothing.
    assert!((since + 0.096 * 730.0).abs() < 0.01, "{since}");
    let since = world.saving_since(&shown.reference.arn.0, at(-1), at(HOUR_S));
    assert!((since.expect("it has a price").dollars() - expect).abs() < 0.01);
}

#[test]
fn demand_above_capacity_is_cut_at_full_and_counted() {
    let mut world = world();
    let desk = id(&world, "desk");
    let arn = world.describe(&desk, at(0)).expect("it is there").reference.arn.0;
    resize(&mut world, &desk, "t3.micro", 0);
    let cpu = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Maximum };
    let seen = values(&mut world, &desk, cpu, (1, 9), at(10 * HOUR_S));
    assert!(seen.iter().all(|value| *value <= 100.0), "{seen:?}");
    let memory =
        values(&mut world, &desk, average(Metric::InstanceMemory), (1, 9), at(10 * HOUR_S));
    assert!(memory.iter().all(|value| value.to_bits() == 100.0_f32.to_bits()), "{memory:?}");
    let breaches = world.breaches(&arn, at(HOUR_S), at(9 * HOUR_S));
    assert_eq!((breaches.breaching, breaches.observed), (95, 95), "memory is too small throughout");
    assert_eq!(world.breaches("arn:of:nothing", at(0), at(HOUR_S)), Breaches::default());
}

#[test]
fn functions_follow_their_memory_and_groups_their_members() {
    let mut world = world();
    let mut twin = world.clone();
    let duration = average(Metric::FunctionDuration);
    assert_eq!(outcome(&mut world, &memory(512, None), 0), None);
    let now = at(30 * HOUR_S);
    let resized = values(&mut world, "resize-1", duration, (1, 24), now);
    let untouched = values(&mut twin, "resize-1", duration, (1, 24), now);
    let ratio = mean(&resized) / mean(&untouched);
    let law = (40.0 + 60_000.0 / 512.0) / (40.0 + 60_000.0 / 1_769.0);
    assert!(
        (ratio - law).abs() < 1e-3,
        "duration became {ratio} times as long, the law says {law}"
    );
    let errors = Measure { metric: Metric::FunctionErrors, statistic: Statistic::Sum };
    assert!(mean(&values(&mut world, "resize-1", errors, (1, 24), now)).abs() < 1e-9);
    assert_eq!(outcome(&mut world, &memory(128, None), 24 * HOUR_S), None);
    let killed = values(&mut world, "resize-1", errors, (25, 29), now);
    assert!(mean(&killed) > 1.0, "it needs more than 128 MB: {killed:?}");

    let cpu = average(Metric::GroupCpu);
    assert_eq!(outcome(&mut world, &bounds("workers-1", 4, 8, Some(4)), 24 * HOUR_S), None);
    let halved = values(&mut world, "workers-1", cpu, (25, 29), now);
    let untouched = values(&mut twin, "workers-1", cpu, (25, 29), now);
    assert!((mean(&halved) / mean(&untouched) - 2.0).abs() < 1e-3);
    let service = average(Metric::GroupInService);
    let quiet = values(&mut world, "frontend-1", service, (0, 24), now);
    assert!(quiet.iter().all(|members| *members >= 6.0), "the floor binds");
    assert_eq!(outcome(&mut world, &bounds("frontend-1", 1, 12, None), 24 * HOUR_S), None);
    let scaled = values(&mut world, "frontend-1", service, (25, 29), now);
    assert!(mean(&scaled) < 6.0, "without the floor the policy scales in: {scaled:?}");
}

#[test]
fn invocations_add_up_over_longer_periods() {
    let mut world = world();
    let measure = Measure { metric: Metric::FunctionInvocations, statistic: Statistic::Sum };
    let fine = values(&mut world, "resize-1", measure, (0, 24), at(30 * HOUR_S));
    let window = (at(0).as_second(), at(24 * HOUR_S).as_second(), 3_600);
    let coarse = world.series("resize-1", measure, window, at(30 * HOUR_S)).expect("no faults");
    let (fine, coarse) = (mean(&fine) * 288.0, mean(&coarse.values) * 24.0);
    assert!((coarse / fine - 1.0).abs() < 0.05, "{coarse} an hourly sum, {fine} a fine one");
}

#[test]
fn aws_refuses_as_its_rules_say() {
    use FailureKind::{Conflict, NotFound, Rejected};
    let mut world = world();
    let (desk, spot) = (id(&world, "desk"), id(&world, "spot"));
    let (log, orphan) = (id(&world, "log"), id(&world, "orphan"));
    let mark = "chg".to_owned();
    let table = [
        (stop("i-nobody"), 0, Some(NotFound)),
        (stop(&spot), 0, Some(Rejected)),
        (stop(&log), 0, Some(Rejected)),
        (start(&desk), 0, None),
        (set_type(&desk, "m5.large"), 0, Some(Conflict)),
        (stop(&desk), 0, None),
        (stop(&desk), 1, None),
        (start(&desk), 2, Some(Conflict)),
        (set_type(&desk, "m5.large"), 3, Some(Conflict)),
        (set_type(&desk, "m5.lrage"), 200, Some(Rejected)),
        (set_type(&desk, "m7g.large"), 200, Some(Rejected)),
        (set_type(&desk, "m5.large"), 200, None),
        (start(&desk), 210, None),
        (start(&desk), 211, None),
        (stop(&desk), 211, Some(Conflict)),
        (set_type(&desk, "m5.xlarge"), 211, Some(Conflict)),
        (memory(127, None), 0, Some(Rejected)),
        (memory(10_241, None), 0, Some(Rejected)),
        (memory(512, Some("another")), 0, Some(Conflict)),
        (memory(10_240, None), 0, None),
        (memory(256, None), 0, Some(Conflict)),
        (memory(128, None), 10, None),
        (bounds("nobody", 1, 4, None), 0, Some(NotFound)),
        (bounds("workers-1", 5, 4, None), 0, Some(Rejected)),
        (bounds("workers-1", 1, 4, Some(5)), 0, Some(Rejected)),
        (bounds("workers-1", 2, 4, Some(1)), 0, Some(Rejected)),
        (bounds("workers-1", 2, 4, Some(2)), 0, None),
        (delete(&log), 0, Some(Rejected)),
        (delete("vol-nobody"), 0, Some(NotFound)),
        (modify(&log, gp3(499, 3_000, 125)), 0, Some(Rejected)),
        (modify(&log, gp3(500, 2_999, 125)), 0, Some(Rejected)),
        (modify(&log, gp3(500, 80_001, 125)), 0, Some(Rejected)),
        (modify(&log, gp3(500, 3_000, 751)), 0, Some(Rejected)),
        (modify(&log, gp3(500, 3_000, 124)), 0, Some(Rejected)),
        (
            modify(&orphan, VolumeSpec { volume_type: "io1".to_owned(), ..gp3(500, 25_001, 0) }),
            0,
            Some(Rejected),
        ),
        (
            Operation::CreateSnapshot { volume_id: desk.clone(), mark: mark.clone() },
            0,
            Some(Rejected),
        ),
        (delete(&orphan), 0, None),
        (delete(&orphan), 1, Some(NotFound)),
        (modify(&orphan, gp3(500, 3_000, 125)), 1, Some(NotFound)),
        (Operation::CreateSnapshot { volume_id: orphan.clone(), mark }, 1, Some(NotFound)),
    ];
    let mut accepted = 0;
    for (operation, second, expect) in table {
        assert_eq!(outcome(&mut world, &operation, second), expect, "{operation:?} at {second}");
        accepted += usize::from(expect.is_none());
    }
    assert_eq!(world.log().len(), accepted, "the log shows what was accepted, and only that");
}

#[test]
fn a_resource_is_known_in_its_own_region_only() {
    let mut world = world();
    let desk = id(&world, "desk");
    let failure = world.perform("eu-west-1", &stop(&desk), at(0)).expect_err("it is elsewhere");
    assert_eq!(failure.kind, FailureKind::NotFound);
    assert_eq!(world.true_state(&desk, at(60)), Some(InstanceState::Running));
    assert_eq!(world.discover("eu-west-1", Kind::Instance, at(0)).expect("no faults"), []);
}

#[test]
fn bounds_pull_the_capacity_along() {
    let mut world = world();
    let desired = |world: &World, second| match world.true_spec("workers-1", at(second)) {
        Some(Spec::Group { desired_capacity, .. }) => desired_capacity,
        other => panic!("no group: {other:?}"),
    };
    assert_eq!(outcome(&mut world, &bounds("workers-1", 10, 12, None), 0), None);
    assert_eq!(desired(&world, 1), 10, "raising the minimum raises it");
    assert_eq!(outcome(&mut world, &bounds("workers-1", 1, 5, None), 600), None);
    assert_eq!(desired(&world, 601), 5, "lowering the maximum lowers it");
    let shown = world.describe("workers-1", at(700)).expect("it is there");
    assert_eq!(shown.group().expect("a group").members.len(), 5);
}

#[test]
fn a_type_without_capacity_starts_later_or_not_at_all() {
    let mut world = world();
    let desk = id(&world, "desk");
    world.faults.no_capacity.insert("m5.large".to_owned(), at(HOUR_S));
    assert_eq!(outcome(&mut world, &stop(&desk), 0), None);
    assert_eq!(outcome(&mut world, &set_type(&desk, "m5.large"), 200), None);
    assert_eq!(outcome(&mut world, &start(&desk), 300), Some(FailureKind::Capacity));
    assert_eq!(world.true_state(&desk, at(400)), Some(InstanceState::Stopped));
    assert_eq!(outcome(&mut world, &set_type(&desk, "m5.xlarge"), 400), None);
    assert_eq!(outcome(&mut world, &start(&desk), 400), None, "the old type has capacity");
    assert_eq!(outcome(&mut world, &stop(&desk), 600), None);
    assert_eq!(outcome(&mut world, &set_type(&desk, "m5.large"), 800), None);
    assert_eq!(outcome(&mut world, &start(&desk), HOUR_S), None, "the capacity is back");
}

#[test]
fn a_start_over_the_quota_is_refused() {
    let mut world = world();
    let desk = id(&world, "desk");
    let quota = VcpuQuota::Standard;
    assert!(world.vcpu_limit("us-east-1", quota).expect("no faults") > 1_000);
    assert_eq!(outcome(&mut world, &stop(&desk), 0), None);
    world.faults.vcpu_limit = Some(1);
    assert_eq!(world.vcpu_limit("us-east-1", quota), Ok(1));
    let refused = outcome(&mut world, &start(&desk), 300);
    assert_eq!(refused, Some(FailureKind::Limit { until: None }));
    assert_eq!(world.true_state(&desk, at(400)), Some(InstanceState::Stopped));
    world.faults.vcpu_limit = None;
    assert_eq!(outcome(&mut world, &start(&desk), 500), None);
}

#[test]
fn status_checks_follow_a_start() {
    let mut world = world();
    let desk = id(&world, "desk");
    let checks = |world: &mut World, second| {
        let status = world.instance_status(&desk, at(second)).expect("no faults");
        status.map(|status| status.instance)
    };
    assert_eq!(checks(&mut world, 0).as_deref(), Some("ok"));
    let desk = id(&world, "desk");
    resize(&mut world, &desk, "m5.large", 0);
    assert_eq!(checks(&mut world, 210), None, "it is not running yet");
    assert_eq!(checks(&mut world, 280).as_deref(), Some("initializing"));
    assert_eq!(checks(&mut world, 210 + 60 + 150).as_deref(), Some("ok"));
}

#[test]
fn a_volume_takes_four_modifications_a_day_each_after_the_last() {
    let mut world = world();
    let log = id(&world, "log");
    // 500 GiB take up to 10,300 s: five fit into a day.
    for number in 0..4_u32 {
        let second = i64::from(number) * 11_000;
        let spec = gp3(500, 4_000 + number * 100, 250);
        assert_eq!(outcome(&mut world, &modify(&log, spec.clone()), second), None, "{number}");
        let next = modify(&log, gp3(500, 3_000, 125));
        let early = outcome(&mut world, &next, second + 9_000);
        assert_eq!(early, Some(FailureKind::Conflict), "{number} is still optimizing");
        let state = |world: &mut World, second| {
            let shown = world.describe(&log, at(second)).expect("it is there");
            let volume = shown.volume().expect("a volume").clone();
            (volume.modification.map(|one| one.state), volume.spec)
        };
        let (first, _) = state(&mut world, second + 20);
        assert_eq!(first, Some(ModificationState::Modifying));
        let (then, live) = state(&mut world, second + 400);
        assert_eq!((then, live), (Some(ModificationState::Optimizing), spec.clone()));
        let (last, _) = state(&mut world, second + 10_900);
        assert_eq!(last, Some(ModificationState::Completed));
    }
    let fifth = modify(&log, gp3(500, 5_000, 250));
    let until = Some(at(86_400));
    let limit = Some(FailureKind::Limit { until });
    assert_eq!(outcome(&mut world, &fifth, 44_000), limit);
    assert_eq!(outcome(&mut world, &fifth, 86_399), limit);
    assert_eq!(outcome(&mut world, &fifth, 86_400), None, "when the limit says");
    let starts = world.modifications(&log).expect("no faults");
    assert_eq!(starts.len(), 5);
    assert!(starts.is_sorted_by(|newer, older| newer > older), "newest first: {starts:?}");
}

#[test]
fn a_volume_is_deleted_and_comes_back_from_its_snapshot() {
    let mut world = world();
    let orphan = id(&world, "orphan");
    let Some(Spec::Volume(spec)) = world.true_spec(&orphan, at(0)) else { panic!("a volume") };
    let grown = VolumeSpec { size_gib: spec.size_gib + 1, iops: None, ..spec.clone() };
    assert_eq!(outcome(&mut world, &modify(&orphan, grown), 0), None);
    let second = 20_000;
    let Some(Spec::Volume(spec)) = world.true_spec(&orphan, at(second)) else { panic!("a volume") };
    let mark = "chg-1".to_owned();
    let take = Operation::CreateSnapshot { volume_id: orphan.clone(), mark: mark.clone() };
    let taken = world.perform(REGION, &take, at(second)).expect("taken");
    let snapshot_id = taken.created_id.expect("a snapshot has an id");
    let state = |world: &mut World, second| world.marked_snapshot("chg-1", at(second));
    let pending = Some((snapshot_id.clone(), "pending".to_owned()));
    assert_eq!(state(&mut world, second + 100), Ok(pending));
    let create = |spec: &VolumeSpec| Operation::CreateVolume {
        snapshot_id: snapshot_id.clone(),
        zone: "us-east-1b".to_owned(),
        spec: spec.clone(),
        mark: mark.clone(),
    };
    let early = outcome(&mut world, &create(&spec), second + 100);
    assert_eq!(early, Some(FailureKind::Conflict), "it is still pending");
    let second = second + 2_000;
    assert_eq!(state(&mut world, second), Ok(Some((snapshot_id.clone(), "completed".to_owned()))));
    assert_eq!(outcome(&mut world, &delete(&orphan), second), None);
    let gone = world.describe(&orphan, at(second + 100)).expect_err("it is deleted");
    assert_eq!(gone.kind, FailureKind::NotFound);
    let small = VolumeSpec { size_gib: spec.size_gib - 1, ..spec.clone() };
    assert_eq!(outcome(&mut world, &create(&small), second), Some(FailureKind::Rejected));

    let made = world.perform(REGION, &create(&spec), at(second + 200)).expect("restored");
    let made = made.created_id.expect("a volume has an id");
    assert_ne!(made, orphan, "a restored volume has another id");
    let creating = world.marked_volume("chg-1", at(second + 209)).expect("no faults");
    assert_eq!(creating, Some((made.clone(), "creating".to_owned())));
    assert_eq!(outcome(&mut world, &delete(&made), second + 209), Some(FailureKind::Conflict));
    let volume = world.describe(&made, at(second + 300)).expect("it is there");
    assert_eq!(volume.spec(), Spec::Volume(spec));
    assert_eq!(volume.zone.as_deref(), Some("us-east-1b"));
    assert_eq!(volume.volume().expect("a volume").state, "available");
    assert_eq!(world.modifications(&made), Ok(Vec::new()), "it has no past");
}

#[test]
fn a_volume_from_the_snapshot_of_an_attached_one_is_attached_to_nothing() {
    let mut world = world();
    let log = id(&world, "log");
    let take = Operation::CreateSnapshot { volume_id: log, mark: "chg-2".to_owned() };
    let snapshot_id =
        world.perform(REGION, &take, at(0)).expect("taken").created_id.expect("it has an id");
    let create = Operation::CreateVolume {
        snapshot_id,
        zone: "us-east-1a".to_owned(),
        spec: gp3(500, 3_000, 125),
        mark: "chg-2".to_owned(),
    };
    let made = world.perform(REGION, &create, at(HOUR_S)).expect("made").created_id;
    let made = made.expect("a volume has an id");
    let shown = world.describe(&made, at(2 * HOUR_S)).expect("it is there");
    assert!(shown.volume().expect("a volume").attachments.is_empty());
    let measure = Measure { metric: Metric::VolumeReadOps, statistic: Statistic::Sum };
    let seen = values(&mut world, &made, measure, (-10, 10), at(20 * HOUR_S));
    assert!(seen.iter().all(|value| value.is_nan()), "nothing ever used it");
}

#[test]
fn describes_lag_and_then_agree() {
    let mut world = world();
    let mut lagging = 0;
    let mut others = Vec::new();
    for name in ["desk", "log", "resize", "workers"] {
        let id = id(&world, name);
        let operation = match name {
            "desk" => stop(&id),
            "log" => modify(&id, gp3(500, 3_000, 125)),
            "resize" => memory(512, None),
            _ => bounds(&id, 2, 4, Some(2)),
        };
        let before = world.describe(&id, at(-1)).expect("it is there").detail;
        assert_eq!(outcome(&mut world, &operation, 0), None);
        let shown = world.describe(&id, at(0)).expect("it is there").detail;
        lagging += usize::from(shown == before);
        let later = world.describe(&id, at(8)).expect("it is there").detail;
        assert_ne!(later, before, "{name} is visible after the longest lag");
        others.push(id);
    }
    assert!(lagging >= 2, "describes lag behind writes, {lagging} of {} do", others.len());
}

#[test]
fn a_stale_revision_is_refused() {
    let mut world = world();
    let revision = |world: &mut World, second| {
        let shown = world.describe("resize-1", at(second)).expect("it is there");
        let function = shown.function().expect("a function").clone();
        (function.memory_mb, function.revision_id)
    };
    let (_, first) = revision(&mut world, 0);
    assert_eq!(outcome(&mut world, &memory(512, first.as_deref()), 0), None);
    let mut seen = BTreeSet::new();
    for second in 0..10 {
        let (memory_mb, shown) = revision(&mut world, second);
        assert_eq!(memory_mb == 3_008, shown == first, "memory and revision are of one moment");
        seen.insert(shown);
    }
    assert_eq!(seen.len(), 2, "the function's describes lag for this seed: {seen:?}");
    let stale = outcome(&mut world, &memory(256, first.as_deref()), 100);
    assert_eq!(stale, Some(FailureKind::Conflict));
    let (_, second) = revision(&mut world, 100);
    assert_eq!(outcome(&mut world, &memory(256, second.as_deref()), 100), None);
}

#[test]
fn calls_fail_as_the_faults_say() {
    use FailureKind::{Denied, Throttled, Uncertain};
    let table = [
        (Faults { throttled: 1.0, ..Faults::default() }, Throttled, 0),
        (Faults { lost_requests: 1.0, ..Faults::default() }, Uncertain, 0),
        (Faults { lost_answers: 1.0, ..Faults::default() }, Uncertain, 1),
        (
            Faults {
                denied: BTreeSet::from(["ec2:StopInstances".to_owned()]),
                ..Faults::default()
            },
            Denied,
            0,
        ),
    ];
    for (faults, expect, effects) in table {
        let mut world = world();
        let desk = id(&world, "desk");
        world.faults = faults;
        assert_eq!(outcome(&mut world, &stop(&desk), 0), Some(expect.clone()));
        assert_eq!(world.log().len(), effects, "{expect:?}");
        let state = world.true_state(&desk, at(1));
        assert_eq!(state == Some(InstanceState::Stopping), effects == 1, "{expect:?}: {state:?}");
    }
}

#[test]
fn silent_metrics_are_gaps_and_flat_ones_zeros_as_far_as_published() {
    let mut world = world();
    let desk = id(&world, "desk");
    let cpu = average(Metric::InstanceCpu);
    let shape = |world: &mut World| {
        let seen = values(world, &desk, cpu, (0, 10), at(5 * HOUR_S));
        let zeros = seen.iter().filter(|value| value.to_bits() == 0).count();
        (seen.iter().filter(|value| !value.is_nan()).count(), zeros)
    };
    assert_eq!(shape(&mut world), (59, 0));
    assert!(!world.is_silent(&desk));
    world.faults.flat_zero.insert(desk.clone());
    assert_eq!(shape(&mut world), (59, 59), "nobody publishes the future, not even zeros");
    assert!(world.is_silent(&desk));
    world.faults = Faults { silent: BTreeSet::from([desk.clone()]), ..Faults::default() };
    assert_eq!(shape(&mut world), (0, 0));
    assert!(world.is_silent(&desk));
}

#[test]
fn others_act_in_the_order_of_time() {
    let mut world = world();
    let (desk, orphan) = (id(&world, "desk"), id(&world, "orphan"));
    let function = |second, memory_mb| ForeignChange {
        at: at(second),
        id: "resize-1".to_owned(),
        spec: Some(Spec::Function { memory_mb }),
    };
    let off = Spec::Instance { instance_type: "m5.xlarge".to_owned(), state: PowerState::Stopped };
    world.faults.foreign = vec![
        function(2 * HOUR_S, 1_024),
        function(HOUR_S, 2_048),
        ForeignChange { at: at(HOUR_S), id: desk.clone(), spec: Some(off) },
        ForeignChange { at: at(HOUR_S), id: orphan.clone(), spec: None },
    ];
    // Metrics alone show it, before anything is described.
    let seen = values(&mut world, &desk, average(Metric::InstanceCpu), (0, 3), at(4 * HOUR_S));
    assert!(!seen[11].is_nan() && seen[13].is_nan(), "somebody stopped it: {seen:?}");
    let shown = world.describe(&desk, at(4 * HOUR_S)).expect("it is there");
    assert_eq!(shown.instance().expect("an instance").state, InstanceState::Stopped);
    assert_eq!(
        world.true_spec("resize-1", at(4 * HOUR_S)),
        Some(Spec::Function { memory_mb: 1_024 }),
        "the last word counts, not the last line"
    );
    let gone = world.describe(&orphan, at(4 * HOUR_S)).expect_err("somebody deleted it");
    assert_eq!(gone.kind, FailureKind::NotFound);
    assert_eq!(world.log(), [], "the agent did nothing");
}

/// What EC2 says to a call in a state: whether it is accepted.
fn oracle_accepts(operation: &Operation, state: InstanceState) -> bool {
    use InstanceState::{Pending, Running, Stopped, Stopping};
    let refused_in: &[InstanceState] = if matches!(operation, Operation::StopInstance { .. }) {
        &[Pending]
    } else if matches!(operation, Operation::StartInstance { .. }) {
        &[Stopping]
    } else {
        &[Pending, Running, Stopping]
    };
    assert!(matches!(state, Pending | Running | Stopping | Stopped), "{state:?} is not reachable");
    !refused_in.contains(&state)
}

/// Whether EC2 lets an instance go from one state to the next.
fn oracle_follows(from: InstanceState, to: InstanceState) -> bool {
    use InstanceState::{Pending, Running, Stopped, Stopping};
    let next = [(Running, Stopping), (Stopping, Stopped), (Stopped, Pending), (Pending, Running)];
    from == to || next.contains(&(from, to))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Reading a window anywhere gives what reading everything gave.
    #[test]
    fn random_access_equals_sequential_access(
        from in 0_usize..60, length in 1_usize..30, hour in 1_i64..50,
    ) {
        let mut world = world();
        let desk = id(&world, "desk");
        resize(&mut world, &desk, "m5.large", hour * HOUR_S + 77);
        let log = id(&world, "log");
        let pairs = [
            (Kind::Instance, desk.as_str()), (Kind::Volume, log.as_str()),
            (Kind::Function, "resize-1"), (Kind::Group, "frontend-1"),
        ];
        for (kind, id) in pairs {
            for measure in Measure::of(kind) {
                let now = at(101 * HOUR_S);
                let all = values(&mut world, id, measure, (0, 100), now);
                let window = (from as i64, (from + length) as i64);
                let part = values(&mut world, id, measure, window, now);
                let expect = &all[from * 12..(from + length) * 12];
                prop_assert_eq!(bits(&part), bits(expect), "{} {}", id, measure);
            }
        }
    }

    /// An instance only ever moves along EC2's states, whatever is called when.
    #[test]
    fn an_instance_moves_along_ec2s_states(
        calls in prop::collection::vec((0_u8..4, 1_i64..150), 1..25),
    ) {
        let mut world = world();
        let desk = id(&world, "desk");
        let mut kind = "m5.xlarge".to_owned();
        let mut second = 0;
        for (call, wait) in calls {
            let wanted = if second % 2 == 0 { "m5.large" } else { "m5.xlarge" };
            let operation = match call {
                0 | 3 => stop(&desk),
                1 => start(&desk),
                _ => set_type(&desk, wanted),
            };
            let was = world.true_state(&desk, at(second)).expect("it is there");
            let accepted = outcome(&mut world, &operation, second).is_none();
            prop_assert_eq!(accepted, oracle_accepts(&operation, was), "{:?} in {:?}", operation, was);
            if accepted && call == 2 {
                wanted.clone_into(&mut kind);
            }
            for tick in second..second + wait {
                let now = world.true_state(&desk, at(tick)).expect("it is there");
                let next = world.true_state(&desk, at(tick + 1)).expect("it is there");
                prop_assert!(oracle_follows(now, next), "{:?} to {:?}", now, next);
            }
            second += wait;
            let Some(Spec::Instance { instance_type, .. }) = world.true_spec(&desk, at(second)) else {
                panic!("an instance");
            };
            prop_assert_eq!(&instance_type, &kind, "the type is the one last set");
        }
        let settled = world.true_state(&desk, at(second + 200));
        prop_assert!(
            matches!(settled, Some(InstanceState::Running | InstanceState::Stopped)),
            "no transition lasts: {:?}", settled
        );
    }

    /// A volume never shrinks, never has two modifications at once, and never more than four in a day.
    #[test]
    fn a_volume_keeps_ebss_rules(
        calls in prop::collection::vec((480_u32..530, 1_i64..40_000), 1..40),
    ) {
        let mut world = world();
        let log = id(&world, "log");
        let (mut size, mut starts) = (500_u32, Vec::<i64>::new());
        let mut second = 0;
        for (wanted, wait) in calls {
            let today = starts.iter().filter(|started| second - **started < 86_400).count();
            // A modification lasts 60 to 300 s, and 20 s more for each GiB.
            let since = starts.last().map_or(i64::MAX, |started| second - started);
            let surely_busy = since < 60 + 20 * i64::from(size);
            let surely_done = since >= 300 + 20 * i64::from(size);
            let accepted = outcome(&mut world, &modify(&log, gp3(wanted, 4_000, 250)), second).is_none();
            let allowed = today < 4 && wanted >= size;
            prop_assert!(!accepted || (allowed && !surely_busy), "{} GiB at {}", wanted, second);
            prop_assert!(accepted || !allowed || !surely_done, "{} GiB at {}", wanted, second);
            if accepted {
                size = wanted;
                starts.push(second);
            }
            second += wait;
        }
        prop_assert_eq!(world.modifications(&log).expect("no faults").len(), starts.len());
    }

    /// Whatever the bounds, an accepted group holds min <= desired <= max, and a refused one is as it was.
    #[test]
    fn a_groups_bounds_always_hold(
        calls in prop::collection::vec((0_u32..9, 0_u32..9, prop::option::of(0_u32..9)), 1..20),
    ) {
        let mut world = world();
        let mut expect = (8, 8, 8);
        for (index, (min, max, desired)) in calls.into_iter().enumerate() {
            let second = index as i64 * 60;
            let legal = min <= max && desired.is_none_or(|one| min <= one && one <= max);
            let refused = outcome(&mut world, &bounds("workers-1", min, max, desired), second);
            prop_assert_eq!(refused.is_none(), legal);
            if legal {
                expect = (min, max, desired.unwrap_or(expect.2).max(min).min(max));
            }
            let Some(Spec::Group { min_size, max_size, desired_capacity }) =
                world.true_spec("workers-1", at(second)) else { panic!("a group") };
            prop_assert_eq!((min_size, max_size, desired_capacity), expect);
        }
    }
}

fn groups() -> World {
    let text = "name = \"groups\"\ndescription = \"Two groups.\"\nstart = \"2026-03-02T00:00:00Z\"\n\
                [fleet]\ngroup-daily-rise = 1\ngroup-type-over = 1\n";
    let scenario = Scenario::parse(text).expect("a scenario that is read");
    World::new(&scenario, 7, Catalog::embedded())
}

#[test]
fn a_schedule_moves_the_floor_and_leaves_it_when_it_is_deleted() {
    let mut world = groups();
    let group_name = "shop-front-1".to_owned();
    let put = |name: &str, recurrence: &str, min_size| Operation::PutSchedule {
        group_name: "shop-front-1".to_owned(),
        scheduled: ScheduledMin {
            name: name.to_owned(),
            recurrence: recurrence.to_owned(),
            min_size,
        },
    };
    let floor = |world: &World, second| match world.true_spec("shop-front-1", at(second)) {
        Some(Spec::Group { min_size, .. }) => min_size,
        other => panic!("no group: {other:?}"),
    };
    assert_eq!(outcome(&mut world, &put("down", "0 10 * * *", 2), 0), None);
    assert_eq!(outcome(&mut world, &put("up", "30 7 * * *", 6), 10), None);
    assert_eq!(outcome(&mut world, &put("high", "0 8 * * *", 99), 20), Some(FailureKind::Rejected));
    assert_eq!(outcome(&mut world, &put("odd", "*/5 8 * * *", 3), 20), Some(FailureKind::Rejected));
    let hours = [0, 7, 8, 9, 10, 23, 31, 32].map(|hour| floor(&world, hour * HOUR_S + 60));
    assert_eq!(hours, [2, 2, 6, 6, 2, 2, 2, 6], "what comes first is only seen when it fires");
    let delete = |name: &str| Operation::DeleteSchedule {
        group_name: group_name.clone(),
        name: name.to_owned(),
    };
    assert_eq!(outcome(&mut world, &delete("up"), 8 * HOUR_S), None);
    assert_eq!(outcome(&mut world, &delete("down"), 8 * HOUR_S + 60), None);
    assert_eq!(outcome(&mut world, &delete("down"), 8 * HOUR_S + 90), Some(FailureKind::NotFound));
    assert_eq!(floor(&world, 12 * HOUR_S), 6, "a deleted schedule leaves its bound");
    assert_eq!(outcome(&mut world, &bounds("shop-front-1", 2, 20, None), 13 * HOUR_S), None);
    assert_eq!(floor(&world, 14 * HOUR_S), 2);
}

/// The template of the group, the version that it is at, and its newest refresh.
fn rollout(world: &mut World, second: i64) -> (String, u64, Option<String>) {
    let shown = world.describe("gateway-1", at(second)).expect("it is there");
    let group = shown.group().expect("a group").clone();
    let template = group.launch_template.expect("it has one");
    (template.id, template.number.expect("it is read"), group.refresh.map(|one| one.status))
}

fn version_of(template_id: &str, mark: &str) -> Operation {
    Operation::CreateTemplateVersion {
        template_id: template_id.to_owned(),
        source_version: 1,
        instance_type: "r5.xlarge".to_owned(),
        mark: mark.to_owned(),
    }
}

fn refresh_to(template_id: &str, version: u64) -> Operation {
    Operation::StartRefresh {
        group_name: "gateway-1".to_owned(),
        template_id: template_id.to_owned(),
        version,
        rollout: Rollout {
            checkpoints_percent: vec![50, 100],
            checkpoint_delay_s: 600,
            bake_s: 600,
            alarms: Vec::new(),
        },
        auto_rollback: true,
    }
}

#[test]
fn a_refresh_brings_a_version_in_and_rolls_back() {
    let mut world = groups();
    let (template_id, ..) = rollout(&mut world, 0);
    for _ in 0..2 {
        assert_eq!(outcome(&mut world, &version_of(&template_id, "chg-1"), 0), None);
    }
    let found = world.marked_version(&template_id, "chg-1").expect("no faults");
    assert_eq!(found.map(|(id, _)| id).as_deref(), Some("2"), "the mark makes one version");
    let refresh = refresh_to(&template_id, 2);
    assert_eq!(outcome(&mut world, &refresh_to(&template_id, 3), 10), Some(FailureKind::Rejected));
    assert_eq!(outcome(&mut world, &refresh, 10), None);
    assert_eq!(outcome(&mut world, &refresh, 20), Some(FailureKind::Conflict));
    let status = |world: &mut World, second| rollout(world, second).2.unwrap_or_default();
    assert_eq!(status(&mut world, 30), "Pending");
    assert_eq!(status(&mut world, 300), "InProgress");
    let roll_back = Operation::RollbackRefresh { group_name: "gateway-1".to_owned() };
    assert_eq!(outcome(&mut world, &roll_back, 400), None);
    assert_eq!(status(&mut world, 500), "RollbackInProgress");
    assert_eq!(status(&mut world, 800), "RollbackSuccessful");
    assert_eq!(rollout(&mut world, 9_000).1, 1, "the old version stays");
    assert_eq!(outcome(&mut world, &roll_back, 900), Some(FailureKind::Conflict));
    // To its end: 60 s, two waves of 300 s with 600 s between them, and 600 s of baking.
    assert_eq!(outcome(&mut world, &refresh, 1_000), None);
    assert_eq!(status(&mut world, 1_000 + 1_300), "Baking");
    assert_eq!(rollout(&mut world, 1_000 + 2_000).1, 2);
    assert_eq!(status(&mut world, 1_000 + 2_000), "Successful");
    let members = world.describe("gateway-1", at(4_000)).expect("it is there");
    let members = &members.group().expect("a group").members;
    assert!(members.iter().all(|member| member.instance_type == "r5.xlarge"));
    let observed = world.describe(&members[0].instance_id, at(4_000)).expect("a resource");
    assert_eq!(observed.instance().map(|one| one.instance_type.as_str()), Some("r5.xlarge"));
}

#[test]
fn a_refresh_without_capacity_rolls_back_by_itself() {
    let mut world = groups();
    let (template_id, ..) = rollout(&mut world, 0);
    assert_eq!(outcome(&mut world, &version_of(&template_id, "chg-1"), 0), None);
    world.faults.no_capacity.insert("r5.xlarge".to_owned(), at(HOUR_S));
    assert_eq!(outcome(&mut world, &refresh_to(&template_id, 2), 10), None);
    let (_, number, status) = rollout(&mut world, 2 * HOUR_S);
    assert_eq!((number, status.as_deref()), (1, Some("RollbackSuccessful")));
}

#[test]
fn a_version_is_published_once_and_an_alias_leads_where_it_is_told() {
    let scenario = "name = 'a'\ndescription = 'a'\nstart = '2026-03-02T00:00:00Z'\n[fleet]\nfunction-aliased = 1\n";
    let scenario = Scenario::parse(scenario).expect("a scenario");
    let mut world = World::new(&scenario, 7, Catalog::embedded());
    let name = "checkout-1";
    let shown = |world: &World, second| world.true_function(name, at(second)).expect("it is there");
    let first = shown(&world, 0);
    let code = first.code_sha256.clone().expect("it has code");
    let publish = |code: &str, revision_id: Option<String>| Operation::PublishVersion {
        function_name: name.to_owned(),
        code_sha256: code.to_owned(),
        revision_id,
    };
    let mut perform = |operation: &Operation, second| {
        let done = world.perform("us-east-1", operation, at(second));
        (done.map(|receipt| receipt.created_id).map_err(|failure| failure.kind), world.clone())
    };
    let version = |number: &str| Ok(Some(number.to_owned()));
    assert_eq!(perform(&publish(&code, None), 0).0, version("1"), "nothing has changed");
    let set = Operation::SetFunctionMemory {
        function_name: name.to_owned(),
        memory_mb: 1_024,
        revision_id: None,
    };
    assert_eq!(perform(&set, 10).0, Ok(None));
    assert_eq!(perform(&publish(&code, None), 10).0, Err(FailureKind::Conflict), "an update runs");
    assert_eq!(perform(&publish("0ther", None), 60).0, Err(FailureKind::Rejected));
    let stale = publish(&code, first.revision_id.clone());
    assert_eq!(perform(&stale, 60).0, Err(FailureKind::Conflict));
    assert_eq!(perform(&publish(&code, None), 60).0, version("2"));
    let (again, after) = perform(&publish(&code, None), 90);
    assert_eq!(again, version("2"));
    let newest = shown(&after, 90).newest.expect("it is published");
    assert_eq!((newest.version.as_str(), newest.memory_mb), ("2", 1_024));

    let route = |version: &str, share: Option<(&str, u32)>, revision_id| Operation::SetAlias {
        function_name: name.to_owned(),
        alias: "live".to_owned(),
        version: version.to_owned(),
        canary: share.map(|(version, percent)| Share { version: version.to_owned(), percent }),
        revision_id,
    };
    let revision = shown(&after, 90).aliases[0].revision_id.clone();
    assert_eq!(perform(&route("9", None, None), 100).0, Err(FailureKind::NotFound));
    assert_eq!(perform(&route("1", Some(("1", 10)), None), 100).0, Err(FailureKind::Rejected));
    let (done, shared) = perform(&route("1", Some(("2", 10)), revision.clone()), 100);
    assert_eq!(done, Ok(None));
    let seen = shown(&shared, 100);
    assert_eq!(seen.aliases[0].weights.get("2"), Some(&0.1));
    assert_eq!((seen.served_memory_mb(), seen.memory_mb), (3_008, 1_024));
    assert_eq!(perform(&route("2", None, revision), 200).0, Err(FailureKind::Conflict));
    let (done, mut moved) = perform(&route("2", None, None), 3_700);
    assert_eq!(done, Ok(None));
    assert_eq!(shown(&moved, 3_700).served_memory_mb(), 1_024);

    let versions = ["1", "2"].map(str::to_owned);
    let span = (at(120).as_second(), at(3_600).as_second());
    let runs = moved.runs(name, &versions, span, at(7_200)).expect("a quiet account");
    let shares = runs["2"].runs / (runs["1"].runs + runs["2"].runs);
    assert!((shares - 0.1).abs() < 1e-9 && runs["2"].failed == 0.0, "{runs:?}");
    assert!(runs["2"].total_ms / runs["2"].runs > runs["1"].total_ms / runs["1"].runs);
}
