//! What the tests of this crate start from: settings, resources and candidates that pass every check.
//!
//! Each test changes the one thing that it is about. Not here: any expectation.

mod ahead;
mod function;
mod group;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trimtab_models::{
    catalog::VcpuQuota,
    metric::{Measure, Metric, Statistic},
    money::Usd,
    recommendation::{
        Action, Dimension, Evidence, PriceBasis, Recommendation, SavingBasis, SeriesEvidence,
    },
    resource::{
        Arn, Attachment, Detail, Function, Group, Instance, InstanceState, Kind, Resource,
        ResourceRef, Volume,
    },
    spec::{Gone, PowerState, Spec, VolumeSpec},
};

use crate::{
    approval::{Decision, Verdict},
    authority::LOCAL_NAME,
    change::{Access, Change, Opening, Outcome, State},
    digest::{digest, id},
    facts::{Fact, Facts, InstanceStatus, Permission},
    mode::{Autopilot, Disruption, Matcher, Mode, Modes, Rule},
    plan::Candidate,
    quorum::QuorumRules,
    settings::{Approvals, Autonomy, EvidenceRules, HealthRules, Limits, Policy, Protected},
    steps::steps,
    vcpus::VcpuRoom,
    window::after_days,
};

pub(crate) use ahead::forecast;
pub(crate) use function::{alias, aliased_function, published};
pub(crate) use group::{at_version, group, put, refreshing, rise, scaled_group, templated_group};
pub(crate) use world::{World, verdict};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "us-east-1";

/// A Friday noon.
pub(crate) fn now() -> Timestamp {
    time("2026-11-20T12:00:00Z")
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("a plain time in the test's table")
}

pub(crate) fn seconds_ago(seconds: i64) -> Timestamp {
    now().checked_sub(jiff::SignedDuration::from_secs(seconds)).expect("a time within our century")
}

pub(crate) fn days_ago(days: i64) -> Timestamp {
    seconds_ago(days * 86_400)
}

pub(crate) fn usd(dollars: f64) -> Usd {
    Usd::from_dollars(dollars).expect("a small amount")
}

/// Settings that let autopilot do everything that never needs an approval.
pub(crate) fn policy() -> Policy {
    Policy {
        modes: modes(Mode::Autopilot),
        evidence: EvidenceRules {
            collection_interval_s: 3_600,
            min_coverage_ratio: 0.9,
            min_days: 14.0,
            min_days_decrease: 28.0,
            min_invocations: 1_000,
            min_invocation_days: 14,
            max_risk: Some(0.135),
            min_change_ratio: 0.1,
            min_saving: usd(5.0),
            max_step_ratio: 0.5,
        },
        limits: Limits {
            group_tag: Some("service".to_owned()),
            group_ratio: 0.1,
            disruptive_per_hour: 4,
            other_per_hour: 20,
            disruptive_in_flight: 3,
            cooldown_days: 7.0,
            barred_days: 30.0,
            volume_modifications_per_day: 4,
            unattached_days: 30.0,
            recurring_days: 7.0,
            recurring_cycles: 100,
            disabled_actions: BTreeSet::new(),
        },
        windows: Vec::new(),
        freezes: Vec::new(),
        ownership: Vec::new(),
        approvals: Approvals {
            expiry_days: 7.0,
            plan_expiry_hours: 24.0,
            undo_days: 30.0,
            quorum: QuorumRules::default(),
            approvers: BTreeMap::new(),
            exception_days: 90.0,
        },
        health: HealthRules::default(),
        protected: Protected::default(),
        autonomy: Autonomy {
            enabled: false,
            min_outcomes: 20,
            max_failure_ratio: 0.15,
            regain_outcomes: 5,
            explore: false,
        },
    }
}

pub(crate) fn modes(default: Mode) -> Modes {
    Modes {
        default,
        rules: Vec::new(),
        trusted_tag_keys: Vec::new(),
        ceilings: BTreeMap::from([(ACCOUNT.to_owned(), Mode::Autopilot)]),
        reduced: BTreeMap::new(),
        autopilot: Autopilot { max_disruption: Disruption::Destructive, allow_decrease: true },
    }
}

pub(crate) fn rule(mode: Mode, matcher: Matcher) -> Rule {
    Rule { matcher, mode }
}

pub(crate) fn reference(kind: Kind, id: &str) -> ResourceRef {
    let arn = match kind {
        Kind::Instance => format!("arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{id}"),
        Kind::Volume => format!("arn:aws:ec2:{REGION}:{ACCOUNT}:volume/{id}"),
        Kind::Function => format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{id}"),
        Kind::Group => format!(
            "arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:1:autoScalingGroupName/{id}"
        ),
    };
    ResourceRef {
        arn: Arn(arn),
        kind,
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        tags: BTreeMap::new(),
    }
}

pub(crate) fn resource(id: &str, detail: Detail) -> Resource {
    let kind = match &detail {
        Detail::Instance(_) => Kind::Instance,
        Detail::Volume(_) => Kind::Volume,
        Detail::Function(_) => Kind::Function,
        Detail::Group(_) => Kind::Group,
    };
    Resource {
        reference: reference(kind, id),
        id: id.to_owned(),
        zone: Some(format!("{REGION}a")),
        created_at: Some(days_ago(100)),
        observed_at: now(),
        detail,
    }
}

/// A running `m5.xlarge` with an ordinary image.
pub(crate) fn instance(id: &str) -> Resource {
    let instance = Instance {
        instance_type: "m5.xlarge".to_owned(),
        state: InstanceState::Running,
        platform: "Linux/UNIX".to_owned(),
        architecture: "x86_64".to_owned(),
        virtualization: "hvm".to_owned(),
        ena_support: true,
        boot_mode: Some("legacy-bios".to_owned()),
        ebs_root: true,
        lifecycle: None,
        tenancy: "default".to_owned(),
        placement_group: None,
        hibernation: false,
        enclave: false,
        custom_cpu_options: false,
        registrations: Some(Vec::new()),
        licenses: 0,
        network_interfaces: 1,
        addresses_per_interface: 1,
        special_network: false,
        public_ip: None,
        elastic_ip: false,
        volumes: Vec::new(),
        operator_managed: false,
        group: None,
        state_reason: None,
        launched_at: Some(days_ago(100)),
    };
    resource(id, Detail::Instance(Box::new(instance)))
}

/// An unattached gp2 volume of 500 GiB, seen detached for 40 days.
pub(crate) fn volume(id: &str) -> Resource {
    let volume = Volume {
        spec: gp2(),
        state: "available".to_owned(),
        attachments: Vec::new(),
        multi_attach: false,
        kms_key: None,
        snapshot_id: None,
        modification: None,
        detached_since: Some(days_ago(40)),
    };
    resource(id, Detail::Volume(volume))
}

pub(crate) fn function(id: &str) -> Resource {
    let function = Function {
        memory_mb: 1_024,
        timeout_s: 30,
        architecture: "x86_64".to_owned(),
        runtime: Some("python3.12".to_owned()),
        state: "Active".to_owned(),
        last_update_status: "Successful".to_owned(),
        revision_id: Some("r1".to_owned()),
        code_sha256: None,
        aliases: Vec::new(),
        served: None,
        newest: None,
        provisioned: None,
        published_versions: 0,
        capacity_provider: false,
    };
    resource(id, Detail::Function(function))
}

pub(crate) fn attach(volume: &mut Resource, instance_id: &str) {
    if let Detail::Volume(volume) = &mut volume.detail {
        volume.state = "in-use".to_owned();
        volume.detached_since = None;
        volume.attachments = vec![Attachment {
            instance_id: instance_id.to_owned(),
            device: "/dev/sdf".to_owned(),
            delete_on_termination: false,
        }];
    }
}

pub(crate) fn instance_mut(resource: &mut Resource) -> &mut Instance {
    match &mut resource.detail {
        Detail::Instance(instance) => instance,
        Detail::Volume(_) | Detail::Function(_) | Detail::Group(_) => panic!("no instance"),
    }
}

pub(crate) fn volume_mut(resource: &mut Resource) -> &mut Volume {
    match &mut resource.detail {
        Detail::Volume(volume) => volume,
        Detail::Instance(_) | Detail::Function(_) | Detail::Group(_) => panic!("no volume"),
    }
}

pub(crate) fn function_mut(resource: &mut Resource) -> &mut Function {
    match &mut resource.detail {
        Detail::Function(function) => function,
        Detail::Instance(_) | Detail::Volume(_) | Detail::Group(_) => panic!("no function"),
    }
}

pub(crate) fn group_mut(resource: &mut Resource) -> &mut Group {
    match &mut resource.detail {
        Detail::Group(group) => group,
        Detail::Instance(_) | Detail::Volume(_) | Detail::Function(_) => panic!("no group"),
    }
}

pub(crate) fn gp2() -> VolumeSpec {
    VolumeSpec {
        volume_type: "gp2".to_owned(),
        size_gib: 500,
        iops: Some(1_500),
        throughput_mibps: None,
    }
}

pub(crate) fn gp3() -> VolumeSpec {
    VolumeSpec {
        volume_type: "gp3".to_owned(),
        size_gib: 500,
        iops: Some(3_000),
        throughput_mibps: Some(125),
    }
}

/// What an action makes of its resource in these tests.
fn desired(action: Action) -> Spec {
    match action {
        Action::ResizeInstance => {
            Spec::Instance { instance_type: "m5.large".to_owned(), state: PowerState::Running }
        }
        Action::StopIdleInstance => {
            Spec::Instance { instance_type: "m5.xlarge".to_owned(), state: PowerState::Stopped }
        }
        Action::MigrateVolumeType | Action::TuneVolume => Spec::Volume(gp3()),
        Action::DeleteUnattachedVolume => Spec::Gone { state: Gone::Deleted },
        Action::TuneFunctionMemory => Spec::Function { memory_mb: 512 },
        Action::TuneGroupCapacity => Spec::Group { min_size: 2, max_size: 4, desired_capacity: 2 },
        Action::ScheduleGroup => Spec::Schedule { scheduled: rise() },
        Action::ResizeGroupInstances => Spec::Members { member_type: "m5.large".to_owned() },
    }
}

pub(crate) fn series(metric: Metric) -> SeriesEvidence {
    SeriesEvidence {
        measure: Measure { metric, statistic: Statistic::Maximum },
        decisive: true,
        points: 8_640,
        coverage_ratio: 1.0,
        oldest_at: Some(days_ago(30)),
        newest_at: Some(seconds_ago(900)),
        step_s: 300,
        p50: Some(10.0),
        p95: Some(20.0),
        p99_5: Some(25.0),
        max: Some(30.0),
        flat_zero: false,
    }
}

fn evidence(action: Action) -> Evidence {
    let function = action == Action::TuneFunctionMemory;
    let (kind, metrics): (Kind, &[Metric]) = match action {
        Action::ResizeInstance => (Kind::Instance, &[Metric::InstanceCpu]),
        Action::StopIdleInstance => {
            (Kind::Instance, &[Metric::InstanceCpu, Metric::InstanceNetworkIn])
        }
        Action::MigrateVolumeType | Action::TuneVolume => (Kind::Volume, &[Metric::VolumeReadOps]),
        Action::DeleteUnattachedVolume => (Kind::Volume, &[]),
        Action::TuneFunctionMemory => (Kind::Function, &[Metric::FunctionMemory]),
        Action::TuneGroupCapacity | Action::ScheduleGroup | Action::ResizeGroupInstances => {
            (Kind::Group, &[Metric::GroupCpu])
        }
    };
    let decisive = metrics.iter().copied().map(series);
    let decisive: Vec<SeriesEvidence> = decisive.collect();
    let is_other = |measure: &Measure| decisive.iter().all(|one| one.measure != *measure);
    let others = Measure::of(kind).filter(is_other);
    let others =
        others.map(|measure| SeriesEvidence { measure, decisive: false, ..series(measure.metric) });
    let others: Vec<SeriesEvidence> =
        if metrics.is_empty() { Vec::new() } else { others.collect() };
    Evidence {
        days_seen: 30.0,
        series: decisive.into_iter().chain(others).collect(),
        dimensions: vec![Dimension {
            name: "cpu".to_owned(),
            unit: "vcpu".to_owned(),
            demand: 1.0,
            capacity_today: 4.0,
            capacity_proposed: 2.0,
        }],
        capacity_ratio: 0.5,
        lowers_performance: true,
        invocations: function.then_some(50_000),
        invocation_days: function.then_some(30),
        ..Evidence::nothing(days_ago(30), now())
    }
}

/// A candidate for `action` on `resource` that passes every check at each moment.
pub(crate) fn candidate(action: Action, resource: &Resource) -> Candidate {
    let recommendation = Recommendation {
        resource: resource.reference.clone(),
        resource_id: resource.id.clone(),
        action,
        expected: resource.spec_like(&desired(action)),
        desired: desired(action),
        alternates: Vec::new(),
        reason: "it is too large".to_owned(),
        evidence: evidence(action),
        risk: Some(0.05),
        saving: Some(usd(70.0)),
        cost_today: Some(usd(140.0)),
        price_basis: Some(PriceBasis::List),
        saving_basis: SavingBasis::List,
    };
    let steps = steps(&recommendation, resource);
    let digest = digest(&recommendation, &steps);
    Candidate {
        id: id(&digest),
        digest,
        facts: facts(&recommendation, resource),
        recommendation,
        steps,
        confirmed_at: seconds_ago(60),
        said: Vec::new(),
    }
}

pub(crate) fn fact<T>(value: T) -> Option<Fact<T>> {
    Some(Fact { at: seconds_ago(10), value })
}

fn facts(recommendation: &Recommendation, resource: &Resource) -> Facts {
    let offered = ["m5.large", "m5.2xlarge", "t3.large", "m5.xlarge", "m4.large", "c5.large"];
    let newest = recommendation
        .evidence
        .series
        .iter()
        .map(|series| (Facts::point_key(series.measure), Some(seconds_ago(600))));
    Facts {
        live: fact(resource.clone()),
        offered: fact(offered.iter().map(|name| ((*name).to_owned(), true)).collect()),
        vcpus: fact(BTreeMap::from([(VcpuQuota::Standard, VcpuRoom { limit: 64, used: 8 })])),
        status: fact(InstanceStatus {
            system: "ok".to_owned(),
            instance: "ok".to_owned(),
            events: Vec::new(),
        }),
        alarms: fact(Vec::new()),
        stop_protection: fact(false),
        termination_protection: fact(false),
        modifications: fact(Vec::new()),
        permission: fact(Permission::Allowed),
        newest_points: fact(newest.collect()),
        targets: fact(BTreeMap::new()),
        failures: Vec::new(),
    }
}

/// The resource that `action` is about in these tests.
pub(crate) fn resource_for(action: Action, id: &str) -> Resource {
    match action {
        Action::ResizeInstance | Action::StopIdleInstance => instance(id),
        Action::MigrateVolumeType | Action::TuneVolume | Action::DeleteUnattachedVolume => {
            volume(id)
        }
        Action::TuneFunctionMemory => function(id),
        Action::TuneGroupCapacity => group(id),
        Action::ScheduleGroup => scaled_group(id),
        Action::ResizeGroupInstances => templated_group(id),
    }
}

pub(crate) fn approval(candidate: &Candidate) -> Decision {
    Decision {
        digest: candidate.digest.clone(),
        by: LOCAL_NAME.to_owned(),
        at: days_ago(1),
        verdict: Verdict::Approved,
        reason: None,
        until: None,
        now: false,
        begin_at: None,
        auto_undo: false,
    }
}

/// A change that carries out what `candidate` asks for.
pub(crate) fn change(candidate: &Candidate, group: &str, state: State, at: Timestamp) -> Change {
    let opening = Opening {
        recommendation_id: candidate.id.clone(),
        digest: candidate.digest.clone(),
        group: group.to_owned(),
        zone: None,
        mode: Mode::Autopilot,
        approver: None,
        access: Access::default(),
        keys: Vec::new(),
        agent_id: "a1".to_owned(),
        auto_undo: false,
        steps: candidate.steps.clone(),
    };
    let mut change = Change::open(opening, candidate.recommendation.clone(), at);
    change.state = state;
    if !state.in_flight() {
        change.outcome =
            Some(Outcome { state, at, reason: "so it went".to_owned(), provisional: false });
    }
    change
}

/// `now` plus days.
pub(crate) fn in_days(days: f64) -> Timestamp {
    after_days(now(), days)
}
