//! The flow on an emulated account: everything is found, collected point by point and judged, and nothing is written.
//!
//! Not here: changes (`changes`) and what goes wrong (`bad_input`).

use std::collections::{BTreeMap, BTreeSet};

use trimtab::observe::stored_series;
use trimtab::view::PlanView;
use trimtab_models::catalog::Catalog;
use trimtab_models::metric::{Measure, Metric, Statistic};
use trimtab_models::recommendation::Action;
use trimtab_models::spec::Spec;
use trimtab_policies::plan::{CheckName, Disposition};

use crate::flow::{
    Flow, OTHER_ACCOUNT, OTHER_REGION, OWN_ACCOUNT, REGION, at, busy_volume, entry, function, held,
    machine, now, oversized, quiet_group, silence,
};
use crate::load::{self, Sample, Shape};
use crate::proxy::BASE_ACCOUNT;
use crate::scene::Scene;

/// Both accounts: one by the agent's own credentials in two regions, one behind a role with an external id.
const TWO_ACCOUNTS: &str = "
[[account]]
name = \"main\"
id = \"123456789012\"
regions = [\"us-east-1\", \"eu-west-1\"]
[[account]]
name = \"other\"
id = \"210987654321\"
role_arn = \"arn:aws:iam::210987654321:role/TrimtabRead\"
apply_role_arn = \"arn:aws:iam::210987654321:role/TrimtabApply\"
external_id = \"right\"
regions = [\"us-east-1\"]
";

/// The ids of a fleet whose answers are known.
struct Fleet {
    /// What must be recommended for whom; nothing else may be.
    expected: BTreeMap<String, Action>,
    /// Everything that was made by hand (members of groups and root volumes come beside it).
    made: BTreeSet<String>,
}

impl Fleet {
    fn expect(&mut self, id: String, action: Action) {
        self.made.insert(id.clone());
        self.expected.insert(id, action);
    }
}

/// What the first account has in its first region.
async fn first_region(scene: &Scene, fleet: &mut Fleet) {
    let (clients, place) = (scene.clients(REGION), at(scene, BASE_ACCOUNT, REGION));
    fleet.expect(oversized(scene, REGION).await, Action::ResizeInstance);
    let busy = load::scaled(&load::shaped_series(Shape::Daily, 7, now()), 1.4);
    let right = machine(&clients, place, "m6a.xlarge", (&busy, &busy)).await;
    let saturated = load::shaped_series(Shape::Saturated, 8, now());
    let small = machine(&clients, place, "c5.large", (&saturated, &[])).await;
    fleet.expect(small, Action::ResizeInstance);
    let quiet = load::shaped_series(Shape::Idle, 9, now());
    let idle = machine(&clients, place, "m5.large", (&quiet, &[])).await;
    silence(place, &idle, &quiet);
    fleet.expect(idle, Action::StopIdleInstance);

    let gp2 = busy_volume(&clients, place, &right, (100, "gp2", None, None)).await;
    fleet.expect(gp2, Action::MigrateVolumeType);
    let unseen = clients.run_instance("m5.large", &[]).await;
    let large = (200, "gp3", Some(10_000), Some(500));
    let provisioned = busy_volume(&clients, place, &unseen, large).await;
    fleet.expect(provisioned, Action::TuneVolume);
    let unattached = clients.create_volume("gp3", 50, None).await;
    fleet.expect(unattached, Action::DeleteUnattachedVolume);
    fleet.made.extend([right, unseen]);

    function(&clients, place, ("roomy", 1_024, 200.0)).await;
    fleet.expect("roomy".to_owned(), Action::TuneFunctionMemory);
    function(&clients, place, ("tight", 256, 220.0)).await;
    fleet.made.insert("tight".to_owned());
    quiet_group(&clients, place, "web").await;
    fleet.expect("web".to_owned(), Action::TuneGroupCapacity);
}

async fn fleet(scene: &Scene) -> Fleet {
    let mut fleet = Fleet { expected: BTreeMap::new(), made: BTreeSet::new() };
    first_region(scene, &mut fleet).await;
    fleet.expect(oversized(scene, OTHER_REGION).await, Action::ResizeInstance);
    let clients = scene.clients_of(OTHER_ACCOUNT, REGION, Some("scene")).await;
    let place = at(scene, OTHER_ACCOUNT, REGION);
    let cpu = load::shaped_series(Shape::Oversized, 10, now());
    let id = machine(&clients, place, "m5.4xlarge", (&cpu, &cpu)).await;
    fleet.expect(id, Action::ResizeInstance);
    fleet
}

/// Only the agent's roles are trusted, each by its own external id; the scene's has one too.
fn trust(scene: &Scene) {
    let role = |name: &str| format!("arn:aws:iam::{OTHER_ACCOUNT}:role/{name}");
    let trusted = [("TrimtabRead", "right"), ("TrimtabApply", "right"), ("Scene", "scene")];
    scene.proxy.rules().external_ids =
        trusted.map(|(name, id)| (role(name), Some(id.to_owned()))).into();
}

fn recommended(plan: &PlanView) -> BTreeMap<String, Action> {
    let entries = plan.recommendations.iter().map(|entry| &entry.recommendation);
    entries.map(|one| (one.resource_id.clone(), one.action)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn datapilot_finds_everything_recommends_what_is_wrong_and_writes_nothing() {
    let scene = Scene::start().await;
    trust(&scene);
    let fleet = fleet(&scene).await;
    scene.proxy.rules().items_per_page = Some(2);
    scene.proxy.forget_calls();

    let flow = Flow::open(scene.proxy.url(), "datapilot", TWO_ACCOUNTS);
    let plan = flow.cycle().await;
    assert_eq!(plan.cycle.failures, Vec::new());
    let found = flow.found();
    let lost: Vec<_> = fleet.made.difference(&found).collect();
    assert!(lost.is_empty(), "not found: {lost:?}");
    // Six members of the group beside the seven machines.
    let counts = |kind: &str| plan.cycle.resources.get(kind).copied();
    assert_eq!(counts("ec2-instance"), Some(7 + 6), "{:?}", plan.cycle.resources);
    assert_eq!((counts("lambda-function"), counts("auto-scaling-group")), (Some(2), Some(1)));

    assert_eq!(recommended(&plan), fleet.expected, "{:?}", plan.cycle.not_sized);
    for planned in &plan.recommendations {
        let action = planned.recommendation.action;
        // The unattached volume was seen so for a moment only, and its deletion is switched off unless somebody asks.
        let withheld = action == Action::DeleteUnattachedVolume;
        let expected = if withheld { Disposition::Withheld } else { Disposition::Recommend };
        assert_eq!(planned.decision, expected, "{action}: {:?}", planned.checks);
        assert_eq!(held(planned, CheckName::Health), None, "{action}");
    }
    assert_eq!(scene.proxy.writes(), Vec::new());
    let roles = scene.proxy.calls();
    let roles = roles.iter().filter(|call| call.operation == "AssumeRole");
    let roles: BTreeSet<_> = roles.filter_map(|call| call.parameter("RoleArn")).collect();
    assert_eq!(roles, BTreeSet::from(["arn:aws:iam::210987654321:role/TrimtabRead"]));

    let again = flow.cycle().await;
    assert_eq!(recommended(&again), fleet.expected, "a second cycle changes nothing");
    assert!(again.cycle.points_received < plan.cycle.points_received / 100, "only what is new");
    assert_eq!(scene.proxy.writes(), Vec::new());
}

/// What was loaded for one series, by slot.
type Loaded = BTreeMap<i64, f64>;

fn values(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> Loaded {
    samples.iter().map(|sample| (sample.start, value(sample))).collect()
}

/// Checks that the stored series of a resource are those that were loaded and no others, to 2^-13 of each value.
fn assert_stored(flow: &Flow, plan: &PlanView, id: &str, loaded: &[(Metric, Statistic, Loaded)]) {
    let collecting = flow.agent.collecting();
    let started_at = plan.cycle.started_at;
    let (from_s, until_s) = (collecting.start_s(started_at), collecting.end_s(started_at));
    let stored = stored_series(&flow.resource(id), from_s, until_s, &flow.agent.series);
    let stored = stored.expect("the series are whole");
    let measure = |metric, statistic| Measure { metric, statistic };
    let expected: BTreeSet<_> =
        loaded.iter().map(|(metric, statistic, _)| measure(*metric, *statistic)).collect();
    assert_eq!(stored.keys().copied().collect::<BTreeSet<_>>(), expected, "{id}");
    for (metric, statistic, loaded) in loaded {
        let measure = measure(*metric, *statistic);
        let series: BTreeMap<i64, f32> = stored[&measure].present().collect();
        let inside: Vec<_> = loaded.range(from_s..until_s).collect();
        assert!(inside.len() > 7_000, "{id} {measure}: {} points were loaded", inside.len());
        assert!(series.keys().eq(inside.iter().map(|(at, _)| *at)), "{id} {measure}: other slots");
        for ((at, loaded), stored) in inside.iter().zip(series.values()) {
            let off = (f64::from(*stored) - *loaded).abs();
            assert!(
                off <= loaded.abs() / 8_192.0,
                "{id} {measure} at {at}: {stored}, not {loaded}"
            );
        }
    }
}

fn of_instance(cpu: &[Sample], memory: &[Sample]) -> [(Metric, Statistic, Loaded); 5] {
    use Metric::{InstanceCpu, InstanceMemory, InstanceNetworkIn, InstanceNetworkOut};
    [
        (InstanceCpu, Statistic::Average, values(cpu, |it| it.average)),
        (InstanceCpu, Statistic::Maximum, values(cpu, |it| it.maximum)),
        (InstanceMemory, Statistic::Maximum, values(memory, |it| it.maximum)),
        (InstanceNetworkIn, Statistic::Sum, values(cpu, |it| it.average * 1e6)),
        (InstanceNetworkOut, Statistic::Sum, values(cpu, |it| it.average * 2e6)),
    ]
}

fn of_volume(operations: &[Sample]) -> [(Metric, Statistic, Loaded); 4] {
    use Metric::{VolumeReadBytes, VolumeReadOps, VolumeWriteBytes, VolumeWriteOps};
    let half = 300.0 / 2.0;
    let series = |metric, factor: f64| {
        (metric, Statistic::Sum, values(operations, |it| it.average * half * factor))
    };
    let bytes = 16.0 * 1_024.0;
    [
        series(VolumeReadOps, 1.0),
        series(VolumeWriteOps, 1.0),
        series(VolumeReadBytes, bytes),
        series(VolumeWriteBytes, bytes),
    ]
}

fn of_function(calls: &[Sample]) -> [(Metric, Statistic, Loaded); 6] {
    use Metric::{
        FunctionDuration, FunctionErrors, FunctionInvocations, FunctionMemory, FunctionThrottles,
    };
    [
        (FunctionInvocations, Statistic::Sum, values(calls, |it| it.average)),
        (FunctionErrors, Statistic::Sum, values(calls, |_| 0.0)),
        (FunctionThrottles, Statistic::Sum, values(calls, |_| 0.0)),
        (FunctionDuration, Statistic::Average, values(calls, |_| 500.0)),
        (FunctionDuration, Statistic::Maximum, values(calls, |_| 500.0)),
        (FunctionMemory, Statistic::Maximum, values(calls, |_| 200.0)),
    ]
}

fn of_group(cpu: &[Sample]) -> [(Metric, Statistic, Loaded); 3] {
    [
        (Metric::GroupCpu, Statistic::Average, values(cpu, |it| it.average)),
        (Metric::GroupCpu, Statistic::Maximum, values(cpu, |it| it.maximum)),
        (Metric::GroupInService, Statistic::Average, values(cpu, |_| 6.0)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_of_every_kind_is_stored_point_by_point() {
    let scene = Scene::start().await;
    let (clients, place) = (scene.clients(REGION), at(&scene, BASE_ACCOUNT, REGION));
    let end = now();
    let (cpu, memory) = (load::cpu_series(3, end), load::memory_series(3, end));
    let recorded = machine(&clients, place, "m5.xlarge", (&cpu, &memory)).await;
    let other = load::ec2_cpu_series(1, end);
    let second = machine(&clients, place, "m5.large", (&other, &memory)).await;
    let volume = clients.create_volume("gp2", 100, None).await;
    let operations = load::scaled(&load::cpu_series(4, end), 3.0);
    place.volume(&volume, &operations, 16.0);
    clients.create_function("roomy", 1_024).await;
    let calls = load::scaled(&load::cpu_series(5, end), 10.0);
    place.function("roomy", &calls, (500.0, 200.0));
    clients.create_group("web", "m5.large", (1, 2, 1)).await;
    place.group("web", &other, 6.0);
    // Many pages, each in the middle of a series.
    scene.proxy.cloudwatch().points_per_page = 10_007;

    let flow = Flow::open(scene.proxy.url(), "datapilot", OWN_ACCOUNT);
    let plan = flow.cycle().await;
    assert_eq!(plan.cycle.failures, Vec::new());
    assert_stored(&flow, &plan, &recorded, &of_instance(&cpu, &memory));
    assert_stored(&flow, &plan, &second, &of_instance(&other, &memory));
    assert_stored(&flow, &plan, &volume, &of_volume(&operations));
    assert_stored(&flow, &plan, "roomy", &of_function(&calls));
    assert_stored(&flow, &plan, "web", &of_group(&other));
}

/// The value below which this share of the samples lies, by the nearest rank.
fn quantile(samples: &[Sample], share: f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(|sample| sample.average).collect();
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

fn highest(samples: &[Sample]) -> f64 {
    samples.iter().map(|sample| sample.maximum).fold(0.0, f64::max)
}

/// Machines with recorded use where there are recordings. The oracle is coarse and its own: what a machine used must fit
/// what is recommended, and a machine of which less than a third is used must be recommended something.
#[tokio::test(flavor = "multi_thread")]
async fn recorded_machines_are_sized_by_what_they_used() {
    let scene = Scene::start().await;
    let (clients, place) = (scene.clients(REGION), at(&scene, BASE_ACCOUNT, REGION));
    let end = now();
    let mut machines = BTreeMap::new();
    for index in 0..8 {
        let (cpu, memory) = (load::cpu_series(index * 7, end), load::memory_series(index * 7, end));
        let id = machine(&clients, place, "m5.4xlarge", (&cpu, &memory)).await;
        machines.insert(id, (cpu, memory));
    }
    let flow = Flow::open(scene.proxy.url(), "datapilot", OWN_ACCOUNT);
    let plan = flow.cycle().await;
    let recommended = recommended(&plan);
    let catalog = Catalog::embedded();
    let of = |name: &str| catalog.instance_type(name).expect("the catalogue has it").clone();
    let today = of("m5.4xlarge");
    let mut resized = 0;
    for (id, (cpu, memory)) in &machines {
        let (used, held) = (quantile(cpu, 0.995) / 100.0, highest(memory) / 100.0);
        if used < 0.3 && held < 0.7 && cpu.len() > 8_500 {
            assert!(recommended.contains_key(id), "{used} of the CPU and {held} of the memory");
        }
        if recommended.get(id) != Some(&Action::ResizeInstance) {
            continue;
        }
        resized += 1;
        let entry = entry(&plan, id);
        let Spec::Instance { instance_type, .. } = &entry.recommendation.desired else {
            panic!("an instance becomes an instance")
        };
        let target = of(instance_type);
        let memory_mib = held * today.memory_mib as f64;
        assert!(
            target.memory_mib as f64 * 0.8 >= memory_mib,
            "{instance_type} for {memory_mib} MiB"
        );
        // No vCPU of any type on sale is worth three of an m5's.
        let vcpu = used * f64::from(today.vcpu);
        assert!(f64::from(target.vcpu) * 3.0 * 0.8 >= vcpu, "{instance_type} for {vcpu} vCPU");
        if used > 0.85 {
            assert!(!entry.recommendation.evidence.lowers_performance, "{instance_type}: {used}");
        }
    }
    assert!(resized > 0, "no machine was resized: {:?}", plan.cycle.not_sized);
}
