//! Resources, series and settings that the tests of all kinds share.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::Timestamp;

use crate::{
    catalog::{Catalog, LINUX_PLATFORM},
    metric::{Measure, Metric, Statistic},
    recommendation::Recommendation,
    resource::{Arn, Detail, Instance, InstanceState, Kind, Resource, ResourceRef},
    series::Series,
    sizing::{
        Findings, SizeInForce, SizingInput, recommend,
        settings::{
            FunctionObjective, FunctionSettings, GroupSettings, InstanceSettings, SizingSettings,
        },
    },
};

/// The series of a resource.
pub(super) type Measured = Vec<(Measure, Series)>;

/// A Tuesday at midnight, UTC.
pub(super) const START_S: i64 = 1_790_640_000;
/// 14 days of 5-minute slots.
pub(super) const SLOTS: usize = 14 * 288;

/// The embedded catalogue, read once for all tests.
pub(super) static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::embedded);

pub(super) fn settings() -> SizingSettings {
    SizingSettings {
        lookback_days: 30,
        risk: None,
        quantile: 0.995,
        headroom_ratio: 0.2,
        memory_headroom_ratio: 0.2,
        io_headroom_ratio: 0.2,
        instance: InstanceSettings {
            include_types: Vec::new(),
            exclude_types: Vec::new(),
            across_families: true,
            allow_burstable: false,
            allow_previous_generation: false,
            alternates: 2,
            idle_cpu_percent: 1.0,
            idle_network_bytes_per_hour: 1e6,
            saturated_ratio: 0.01,
        },
        function: FunctionSettings {
            memory_headroom_ratio: 0.2,
            min_memory_mb: 128,
            objective: FunctionObjective::Cost,
            max_latency_increase_ratio: 1.5,
            explore: true,
        },
        group: GroupSettings { target_cpu_ratio: 0.6, min_size: 1 },
        discount_ratio: 0.0,
        required_metrics: Vec::new(),
    }
}

pub(super) fn series(values: Vec<f32>) -> Series {
    Series { start_s: START_S, step_s: 300, values }
}

/// The whole look-back at `value`, with one slot of 200 at `peak`, so that the 99.5th percentile lies near it.
pub(super) fn steady(value: f32, peak: f32) -> Series {
    series((0..SLOTS).map(|slot| if slot % 190 == 0 { peak } else { value }).collect())
}

pub(super) fn measure(metric: Metric, statistic: Statistic) -> Measure {
    Measure { metric, statistic }
}

pub(super) fn at(time_s: i64) -> Timestamp {
    Timestamp::from_second(time_s).expect("the year is 2026")
}

pub(super) fn resource(kind: Kind, arn: &str, id: &str, detail: Detail) -> Resource {
    Resource {
        reference: ResourceRef {
            arn: Arn(arn.to_owned()),
            kind,
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            tags: BTreeMap::new(),
        },
        id: id.to_owned(),
        zone: None,
        created_at: None,
        observed_at: at(START_S),
        detail,
    }
}

pub(super) fn plain_instance(instance_type: &str) -> Instance {
    Instance {
        instance_type: instance_type.to_owned(),
        state: InstanceState::Running,
        platform: LINUX_PLATFORM.to_owned(),
        architecture: "x86_64".to_owned(),
        virtualization: "hvm".to_owned(),
        ena_support: true,
        boot_mode: None,
        ebs_root: true,
        lifecycle: None,
        tenancy: "default".to_owned(),
        placement_group: None,
        hibernation: false,
        enclave: false,
        custom_cpu_options: false,
        registrations: None,
        licenses: 0,
        network_interfaces: 1,
        addresses_per_interface: 1,
        special_network: false,
        public_ip: None,
        elastic_ip: false,
        volumes: vec!["vol-1".to_owned()],
        operator_managed: false,
        group: None,
        state_reason: None,
        launched_at: None,
    }
}

pub(super) fn instance(detail: Instance) -> Resource {
    let arn = "arn:aws:ec2:us-east-1:123456789012:instance/i-1";
    resource(Kind::Instance, arn, "i-1", Detail::Instance(Box::new(detail)))
}

/// Sizes a resource over the 14 days.
pub(super) fn size(
    resource: &Resource,
    series: &[(Measure, Series)],
    settings: &SizingSettings,
) -> Findings {
    size_among(resource, series, settings, &[])
}

/// Sizes a resource of a fleet.
pub(super) fn size_among(
    resource: &Resource,
    series: &[(Measure, Series)],
    settings: &SizingSettings,
    others: &[Resource],
) -> Findings {
    size_after(resource, series, settings, others, &[])
}

/// Sizes a function that has had other sizes.
pub(super) fn size_after(
    resource: &Resource,
    series: &[(Measure, Series)],
    settings: &SizingSettings,
    others: &[Resource],
    sizes: &[SizeInForce],
) -> Findings {
    let series: BTreeMap<Measure, Series> = series.iter().cloned().collect();
    let inventory = others.iter().map(|one| (one.reference.arn.clone(), one.clone())).collect();
    let until = at(START_S + 14 * 86_400);
    let input = SizingInput {
        resource,
        series: &series,
        now: until,
        from: at(START_S),
        until,
        running: &[],
        sizes,
        inventory: &inventory,
        borrowed: None,
    };
    let findings = recommend(&input, settings, &CATALOG);
    assert_eq!(
        findings.recommendations.len() + usize::from(findings.not_sized.is_some()),
        1,
        "a recommendation or a reason, never both"
    );
    findings
}

/// The one recommendation, or the reason why there is none.
pub(super) fn one(findings: Findings) -> Result<Recommendation, String> {
    let reason = findings.not_sized.map(|none| none.reason);
    findings.recommendations.into_iter().next().ok_or(reason.unwrap_or_default())
}
