//! Volumes: migrations, tuning, deletions, and that no used peak is ever cut.

use proptest::prelude::*;

use super::fleet::{
    CATALOG, Measured, SLOTS, START_S, at, instance, measure, one, plain_instance, resource,
    series, settings, size, size_among, steady,
};
use crate::{
    metric::{Measure, Metric, Statistic},
    recommendation::{Action, Recommendation},
    resource::{Attachment, Detail, InstanceState, Kind, Resource, Volume},
    series::Series,
    spec::{Gone, Spec, VolumeSpec},
};

fn spec(volume_type: &str, size_gib: u32, iops: Option<u32>, mibps: Option<u32>) -> VolumeSpec {
    VolumeSpec { volume_type: volume_type.to_owned(), size_gib, iops, throughput_mibps: mibps }
}

fn attached(spec: VolumeSpec) -> Volume {
    Volume {
        spec,
        state: "in-use".to_owned(),
        attachments: vec![Attachment {
            instance_id: "i-1".to_owned(),
            device: "/dev/sdf".to_owned(),
            delete_on_termination: false,
        }],
        multi_attach: false,
        kms_key: None,
        snapshot_id: None,
        modification: None,
        detached_since: None,
    }
}

fn volume(detail: Volume) -> Resource {
    let arn = "arn:aws:ec2:us-east-1:123456789012:volume/vol-1";
    resource(Kind::Volume, arn, "vol-1", Detail::Volume(detail))
}

/// Reads and writes that share these operations and MiB a second; every 190th slot is at the peak.
fn usage(iops: [f32; 2], mibps: [f32; 2]) -> Vec<(Measure, Series)> {
    let half = |[value, peak]: [f32; 2], unit: f32| {
        let counted = 300.0 * unit / 2.0;
        steady(value * counted, peak * counted)
    };
    let sum = |metric| measure(metric, Statistic::Sum);
    vec![
        (sum(Metric::VolumeReadOps), half(iops, 1.0)),
        (sum(Metric::VolumeWriteOps), half(iops, 1.0)),
        (sum(Metric::VolumeReadBytes), half(mibps, 1_048_576.0)),
        (sum(Metric::VolumeWriteBytes), half(mibps, 1_048_576.0)),
    ]
}

fn desired(found: &Recommendation) -> VolumeSpec {
    let Spec::Volume(spec) = &found.desired else { panic!("{:?} is no volume", found.desired) };
    spec.clone()
}

/// A volume of each kind of finding, with its series.
pub(super) fn each() -> Vec<(Resource, Measured)> {
    let calm = || usage([10.0, 100.0], [1.0, 10.0]);
    let busy = || usage([1_000.0, 2_000.0], [20.0, 100.0]);
    let mut loose = attached(spec("gp3", 100, None, None));
    (loose.state, loose.detached_since) = ("available".to_owned(), Some(at(START_S)));
    loose.attachments.clear();
    let of = |spec| volume(attached(spec));
    vec![
        (of(spec("gp2", 100, Some(300), None)), calm()),
        (of(spec("gp2", 900, Some(2_700), None)), Vec::new()),
        (of(spec("gp3", 500, Some(12_000), Some(500))), busy()),
        (of(spec("io1", 500, Some(10_000), None)), busy()),
        (of(spec("gp3", 100, Some(3_000), Some(125))), busy()),
        (volume(loose), Vec::new()),
    ]
}

#[test]
fn types_and_performance_follow_use() {
    let calm = usage([10.0, 100.0], [1.0, 10.0]);
    let busy = usage([1_000.0, 2_000.0], [20.0, 100.0]);
    let (migrate, tune) = (Action::MigrateVolumeType, Action::TuneVolume);
    type Case<'a> = (&'a str, VolumeSpec, &'a [(Measure, Series)], Action, VolumeSpec);
    let cases: [Case<'_>; 8] = [
        // 128 of 125 MiB/s cost 12 cents: kept.
        (
            "small gp2",
            spec("gp2", 100, Some(300), None),
            &calm,
            migrate,
            spec("gp3", 100, Some(3_000), Some(128)),
        ),
        (
            "middle gp2",
            spec("gp2", 500, Some(1_500), None),
            &calm,
            migrate,
            spec("gp3", 500, Some(3_000), Some(125)),
        ),
        (
            "unseen gp2",
            spec("gp2", 900, Some(2_700), None),
            &[],
            migrate,
            spec("gp3", 900, Some(3_000), Some(250)),
        ),
        // 2,000 seen, twice that within slots and a fifth of room are 5,000, but half of 15,000 is the most for one step.
        (
            "busy gp2",
            spec("gp2", 5_000, Some(15_000), None),
            &busy,
            migrate,
            spec("gp3", 5_000, Some(7_500), Some(250)),
        ),
        (
            "oversized gp3",
            spec("gp3", 100, Some(10_000), Some(125)),
            &calm,
            tune,
            spec("gp3", 100, Some(5_000), Some(125)),
        ),
        // Half of 4,000 is below the 3,000 that gp3 includes.
        (
            "fast gp3",
            spec("gp3", 100, Some(4_000), Some(500)),
            &calm,
            tune,
            spec("gp3", 100, Some(3_000), Some(250)),
        ),
        (
            "io1",
            spec("io1", 200, Some(4_000), None),
            &calm,
            migrate,
            spec("gp3", 200, Some(3_000), Some(250)),
        ),
        // gp3 cannot serve 50,000 IOPS from 50 GiB: io2 is tuned instead.
        (
            "dense io2",
            spec("io2", 50, Some(60_000), None),
            &calm,
            tune,
            spec("io2", 50, Some(30_000), None),
        ),
    ];
    for (name, today, series, action, expect) in cases {
        let found = one(size(&volume(attached(today.clone())), series, &settings()));
        let found = found.unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert_eq!((found.action, desired(&found)), (action, expect), "{name}");
        assert!(found.saving.expect("priced").is_positive(), "{name}");
        assert_eq!(found.evidence.unseen.is_empty(), !series.is_empty(), "{name}");
    }
}

#[test]
fn lost_durability_is_named() {
    let found = one(size(
        &volume(attached(spec("io2", 500, Some(5_000), None))),
        &usage([10.0, 100.0], [1.0, 10.0]),
        &settings(),
    ));
    let found = found.expect("gp3 carries it");
    assert_eq!(desired(&found).volume_type, "gp3");
    assert!(found.evidence.notes.iter().any(|note| note.contains("durability")));
}

#[test]
fn what_is_left_alone_has_a_reason() {
    let calm = usage([10.0, 100.0], [1.0, 10.0]);
    let flat: Vec<_> = calm.iter().map(|(one, _)| (*one, series(vec![0.0; SLOTS]))).collect();
    type Edit = fn(&mut Volume);
    let gp3 = || spec("gp3", 100, Some(10_000), Some(125));
    type Case<'a> = (&'a str, VolumeSpec, Edit, &'a [(Measure, Series)], &'a str);
    let cases: [Case<'_>; 7] = [
        ("st1", spec("st1", 500, None, None), |_| (), &calm, "st1"),
        ("standard", spec("standard", 500, None, None), |_| (), &calm, "standard"),
        ("shared", gp3(), |one| one.multi_attach = true, &calm, "several instances"),
        ("deleting", gp3(), |one| one.state = "deleting".to_owned(), &calm, "deleting"),
        ("unseen", gp3(), |_| (), &[], "not seen"),
        ("flat zero", gp3(), |_| (), &flat, "not seen"),
        ("right", spec("gp3", 100, Some(3_000), Some(125)), |_| (), &calm, "fits"),
    ];
    for (name, spec, edit, series, expect) in cases {
        let mut detail = attached(spec);
        edit(&mut detail);
        let reason = one(size(&volume(detail), series, &settings())).expect_err(name);
        assert!(reason.contains(expect), "{name}: {reason}");
    }
}

#[test]
fn a_stopped_instance_says_nothing_of_its_volumes() {
    let mut stopped = plain_instance("m5.large");
    stopped.state = InstanceState::Stopped;
    let oversized = volume(attached(spec("gp3", 100, Some(10_000), Some(125))));
    let calm = usage([10.0, 100.0], [1.0, 10.0]);
    let reason = one(size_among(&oversized, &calm, &settings(), &[instance(stopped)]));
    assert!(reason.expect_err("it is stopped").contains("i-1"));
    let running = instance(plain_instance("m5.large"));
    assert!(one(size_among(&oversized, &calm, &settings(), &[running])).is_ok());
}

#[test]
fn an_unattached_volume_is_deleted_once_its_time_is_known() {
    let mut loose = attached(spec("gp2", 100, Some(300), None));
    loose.state = "available".to_owned();
    loose.attachments.clear();
    let reason = one(size(&volume(loose.clone()), &[], &settings())).expect_err("since when?");
    assert!(reason.contains("since when"), "{reason}");
    loose.detached_since = Some(at(START_S));
    let found = one(size(&volume(loose), &[], &settings())).expect("it is loose");
    assert_eq!(found.action, Action::DeleteUnattachedVolume);
    assert_eq!(found.desired, Spec::Gone { state: Gone::Deleted });
    assert_eq!(found.saving.map(|saving| saving.dollars().round() as i64), Some(10));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_used_peak_is_cut_and_every_change_pays(
        kind in prop::sample::select(vec!["gp2", "gp3", "io1", "io2"]),
        size_gib in 8_u32..4_000,
        provisioned in 3_000_u32..16_000,
        ops in 1.0_f32..6_000.0,
        mibps in 0.1_f32..250.0,
    ) {
        let today = match kind {
            "gp2" => spec(kind, size_gib, Some((3 * size_gib).clamp(100, 16_000)), None),
            "gp3" => spec(kind, size_gib, Some(provisioned), Some(provisioned / 4)),
            _ => spec(kind, size_gib, Some(provisioned), None),
        };
        let series = usage([ops / 2.0, ops], [mibps / 2.0, mibps]);
        let Ok(found) = one(size(&volume(attached(today.clone())), &series, &settings())) else {
            return Ok(());
        };
        let new = desired(&found);
        prop_assert_eq!(new.size_gib, size_gib);
        let price = |spec| CATALOG.volume_price_monthly("us-east-1", spec).expect("priced").0;
        prop_assert!(price(&new).dollars() < 0.9 * price(&today).dollars());
        prop_assert!(found.evidence.capacity_ratio >= 0.5 - 1e-9, "{:?} -> {:?}", today, new);
        // The mean of the busiest slot with a fifth of room, unless the volume itself has less today.
        let has = new.iops.map_or(f64::INFINITY, f64::from);
        let had = today.iops.map_or(f64::INFINITY, f64::from).max(if kind == "gp2" { 3_000.0 } else { 0.0 });
        prop_assert!(has >= (f64::from(ops) / 0.8).min(had) - 1.0, "{ops} IOPS, {:?} -> {:?}", today, new);
        if let (Some(new), "gp3") = (new.throughput_mibps, new.volume_type.as_str()) {
            let had = today.throughput_mibps.map_or(f64::INFINITY, f64::from);
            prop_assert!(f64::from(new) >= (f64::from(mibps) / 0.8).min(had) - 1.0);
            prop_assert!(4 * new <= found_iops(&found), "gp3 gives 0.25 MiB/s for each IOPS");
        }
    }
}

fn found_iops(found: &Recommendation) -> u32 {
    desired(found).iops.unwrap_or_default()
}

#[test]
fn what_credits_allowed_is_not_what_was_wanted() {
    // 700 GiB refill 2,100 a second; 2,390 drain a full bucket within 63 slots. What follows is held.
    let drained: Vec<f32> =
        (0..SLOTS).map(|slot| if slot < 63 { 2_390.0 } else { 2_100.0 }).collect();
    let half = |unit: f32| series(drained.iter().map(|rate| rate * 300.0 * unit / 2.0).collect());
    let sum = |metric| measure(metric, Statistic::Sum);
    let small = 8.0 * 1_024.0;
    let held = vec![
        (sum(Metric::VolumeReadOps), half(1.0)),
        (sum(Metric::VolumeWriteOps), half(1.0)),
        (sum(Metric::VolumeReadBytes), half(small)),
        (sum(Metric::VolumeWriteBytes), half(small)),
    ];
    let today = spec("gp2", 700, Some(2_100), None);
    let found = one(size(&volume(attached(today.clone())), &held, &settings())).expect("gp3");
    let kept = spec("gp3", 700, Some(3_000), Some(250));
    assert_eq!(desired(&found), kept, "19 MiB/s were seen, but not wanted");
    assert!(found.evidence.notes.iter().any(|note| note.contains("burst credits ran out")));
    let calm = usage([1_400.0, 1_500.0], [11.0, 22.0]);
    let found = one(size(&volume(attached(today)), &calm, &settings())).expect("gp3");
    assert_eq!(desired(&found), spec("gp3", 700, Some(3_000), Some(125)), "22 MiB/s were wanted");
    assert!(!found.evidence.notes.iter().any(|note| note.contains("burst credits ran out")));
}

#[test]
fn limits_that_stay_need_no_use() {
    let busy = usage([1_000.0, 2_000.0], [20.0, 100.0]);
    type Case<'a> = (&'a str, VolumeSpec, &'a [(Measure, Series)], bool);
    let cases: [Case<'_>; 5] = [
        ("small gp2, unseen", spec("gp2", 100, Some(300), None), &[], true),
        ("large gp2, unseen", spec("gp2", 1_200, Some(3_600), None), &[], true),
        ("busy gp2 is trimmed", spec("gp2", 5_000, Some(15_000), None), &busy, false),
        ("gp3 is trimmed", spec("gp3", 100, Some(10_000), Some(125)), &busy, false),
        ("io1 is another class", spec("io1", 200, Some(3_000), None), &busy, false),
    ];
    for (name, today, series, expect) in cases {
        let found = one(size(&volume(attached(today.clone())), series, &settings()));
        let found = found.unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert_eq!(found.evidence.keeps_every_limit, expect, "{name}: {:?}", desired(&found));
        assert!(!expect || !found.evidence.lowers_performance, "{name}");
    }
}

#[test]
fn no_gp2_is_a_tenth_cheaper_than_its_like() {
    let price =
        |spec| CATALOG.volume_price_monthly("us-east-1", &spec).expect("priced").0.dollars();
    for size_gib in 1..=16_384 {
        let iops = (3 * size_gib).clamp(3_000, 16_000);
        let mibps = if size_gib <= 170 { 128 } else { 250 };
        let gp2 = price(spec("gp2", size_gib, None, None));
        let gp3 = price(spec("gp3", size_gib, Some(iops), Some(mibps)));
        assert!(gp2 > 0.9 * gp3 || gp3 - gp2 < 2.0, "{size_gib} GiB: {gp2} against {gp3}");
    }
}
