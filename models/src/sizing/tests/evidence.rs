//! What every recommendation carries: seasons with what was tested, what is to come, a risk with its cycle, and a replay.
//!
//! Stops and deletions have no size to compare, so that their replays are told by hand here. Not here: the sizes themselves.

use proptest::prelude::*;

use super::fleet::{
    SLOTS, START_S, at, instance, measure, one, plain_instance, resource, series, settings, size,
    steady,
};
use crate::{
    forecast::Quantiles,
    metric::{Measure, Metric, Statistic},
    outlook::Outlook,
    recommendation::{Action, Evidence, Recommendation},
    resource::{Detail, Kind, Resource, Volume},
    series::Series,
    spec::VolumeSpec,
};

const DAY_SLOTS: usize = 288;
const CPU: Measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };
const CPU_MAX: Measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Maximum };

/// 1 - 0.05^(1/14): fourteen days without an event.
const FOURTEEN_DAYS: f64 = 0.192_64;

/// An instance whose CPU is at 0.2 % but for these slots, with a trickle of traffic.
fn idle(used: &[(usize, f32)]) -> Vec<(Measure, Series)> {
    let mut highest = series(vec![0.2; SLOTS]);
    for (slot, percent) in used {
        highest.values[*slot] = *percent;
    }
    let traffic = |metric| (measure(metric, Statistic::Sum), series(vec![100.0; SLOTS]));
    vec![
        (CPU, series(vec![0.1; SLOTS])),
        (CPU_MAX, highest),
        traffic(Metric::InstanceNetworkIn),
        traffic(Metric::InstanceNetworkOut),
    ]
}

fn stopped(used: &[(usize, f32)]) -> Option<Recommendation> {
    let found = one(size(&instance(plain_instance("m5.large")), &idle(used), &settings())).ok();
    found.filter(|found| found.action == Action::StopIdleInstance)
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-4
}

#[test]
fn a_stop_is_replayed_against_every_use_by_the_rule_of_idleness() {
    // (slots used, with their CPU) -> (breaching points, breaching days, stretches, bound); the limit is 1 %.
    type Case<'a> = (&'a [(usize, f32)], (u64, u64, usize), f64);
    let cases: [Case<'_>; 4] = [
        (&[], (0, 0, 0), FOURTEEN_DAYS),
        // Just below the limit is not used, the limit itself is.
        (&[(900, 0.999), (901, 1.0)], (1, 1, 1), 0.296_73),
        // Three slots of one stretch and one on another day: 2 of 14 days, the published limit of 2 of 14 is 0.3854.
        (&[(600, 3.0), (601, 5.0), (602, 2.0), (2_700, 9.0)], (4, 2, 2), 0.385_39),
        // Neighbouring days: mean 1/7; of 13 pairs 1 has both, 2 have one, 10 none: r = 0.423 and so 5.67 days, 5 with 1.
        (&[(600, 3.0), (888, 3.0)], (2, 2, 2), 0.657_41),
    ];
    for (used, (points, days, stretches), bound) in cases {
        let found = stopped(used).expect("99.5 % of the slots are quiet");
        let replay = found.evidence.replay.as_ref().expect("it was replayed");
        assert_eq!((replay.points, replay.breaching_points), (SLOTS as u64, points), "{used:?}");
        assert_eq!((replay.days, replay.breaching_days), (14, days), "{used:?}");
        assert_eq!((replay.cycle_h, replay.cycles, replay.breaching_cycles), (24, 14, days));
        assert_eq!(replay.breaches.len(), stretches, "{used:?}");
        assert!(near(replay.breach_upper_bound, bound), "{used:?}: {}", replay.breach_upper_bound);
        assert_eq!(found.risk, Some(replay.breach_upper_bound));
        assert!(found.evidence.risk_is_bound && found.evidence.risk_cycle_h == 24);
    }
    let found = stopped(&[(600, 5.0)]).expect("one slot is no use");
    let breach = &found.evidence.replay.as_ref().expect("it was replayed").breaches[0];
    assert_eq!((breach.from, breach.until), (at(START_S + 180_000), at(START_S + 180_300)));
    assert!(breach.dimension == "cpu" && near(breach.peak_ratio, 5.0), "{breach:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_use_is_a_breach_and_nothing_else_is(
        used in prop::collection::btree_map(0..SLOTS, 0.0_f32..4.0, 0..20),
    ) {
        let used: Vec<(usize, f32)> = used.into_iter().collect();
        // Counted from the definition: a slot whose highest CPU reaches the limit, and the blocks of 24 hours that hold one.
        let slots: Vec<usize> =
            used.iter().filter(|(_, percent)| *percent >= 1.0).map(|(slot, _)| *slot).collect();
        let days: std::collections::BTreeSet<usize> =
            slots.iter().map(|slot| (SLOTS - 1 - slot) / DAY_SLOTS).collect();
        let found = stopped(&used).expect("fewer than one slot of 200 is used");
        let replay = found.evidence.replay.expect("it was replayed");
        prop_assert_eq!(replay.breaching_points, slots.len() as u64);
        prop_assert_eq!(replay.breaching_days, days.len() as u64);
        let share = days.len() as f64 / 14.0;
        prop_assert!(replay.breach_upper_bound > share && replay.breach_upper_bound <= 1.0);
    }
}

fn loose(detached_since_s: i64) -> Resource {
    let volume_type = "gp3".to_owned();
    let detail = Volume {
        spec: VolumeSpec { volume_type, size_gib: 100, iops: None, throughput_mibps: None },
        state: "available".to_owned(),
        attachments: Vec::new(),
        multi_attach: false,
        kms_key: None,
        snapshot_id: None,
        modification: None,
        detached_since: Some(at(detached_since_s)),
    };
    let arn = "arn:aws:ec2:us-east-1:123456789012:volume/vol-1";
    resource(Kind::Volume, arn, "vol-1", Detail::Volume(detail))
}

#[test]
fn a_deletion_is_bounded_by_the_days_seen_detached() {
    // Seconds seen detached before the look-back ends -> whole days, bound, quantiles of the next day.
    let day_s = 86_400;
    let cases = [
        (3_600, 0, 1.0, [1.0; 5]),
        (day_s, 1, 0.95, [1.0; 5]),
        (14 * day_s + 7_200, 14, FOURTEEN_DAYS, [0.0, 0.0, 1.0, 1.0, 1.0]),
        (40 * day_s, 40, 0.072_15, [0.0, 0.0, 0.0, 1.0, 1.0]),
        // Ten years: no quantile that is told has it attached.
        (3_650 * day_s, 3_650, 0.000_82, [0.0; 5]),
    ];
    for (seen_s, days, bound, quantiles) in cases {
        let found = size(&loose(START_S + 14 * day_s - seen_s), &[], &settings());
        let found = one(found).expect("nothing is attached to it");
        let replay = found.evidence.replay.as_ref().expect("it was replayed");
        assert_eq!((replay.points, replay.days, replay.cycles), (days, days, days), "{days} days");
        assert_eq!((replay.breaching_points, replay.breaching_days), (0, 0));
        assert!(near(replay.breach_upper_bound, bound), "{days}: {}", replay.breach_upper_bound);
        assert_eq!(found.risk, Some(replay.breach_upper_bound));
        assert!(found.evidence.risk_is_bound && found.evidence.risk_cycle_h == 24);
        let expect = Outlook::Event {
            event: "attached".to_owned(),
            cycle_h: 24,
            next_cycle: Quantiles::from(quantiles),
        };
        assert_eq!(found.evidence.outlook, Some(expect), "{days} days");
        assert_eq!((found.evidence.forecast, found.evidence.seasons_tested_h), (None, vec![]));
    }
}

#[test]
fn what_a_volume_did_before_it_was_detached_is_no_forecast() {
    let sum = |metric| (measure(metric, Statistic::Sum), steady(500.0, 900.0));
    let old = [sum(Metric::VolumeReadOps), sum(Metric::VolumeWriteOps)];
    let found = one(size(&loose(START_S), &old, &settings())).expect("nothing is attached to it");
    assert!(found.evidence.forecast.is_none() && found.evidence.outlook.is_some());
}

/// The evidence of a resize by this CPU.
fn resized(cpu: impl Fn(usize) -> f32) -> Evidence {
    let cpu = series((0..SLOTS).map(cpu).collect());
    let all = [(CPU, cpu.clone()), (CPU_MAX, cpu)];
    one(size(&instance(plain_instance("m5.2xlarge")), &all, &settings()))
        .expect("it is idle")
        .evidence
}

#[test]
fn the_cycle_is_the_longest_season_found() {
    let level = resized(|_| 5.0);
    assert_eq!((level.seasons.len(), level.seasons_tested_h), (0, vec![1, 12, 24, 168]));
    let replay = level.replay.expect("sizes were compared");
    assert_eq!((replay.cycle_h, replay.cycles), (24, 14));
    assert!(near(replay.breach_upper_bound, FOURTEEN_DAYS));

    let day = resized(|slot| if slot % DAY_SLOTS < 100 { 9.0 } else { 3.0 });
    assert!(day.seasons.iter().any(|season| season.period_h == 24), "{:?}", day.seasons);
    assert_eq!(day.replay.expect("sizes were compared").cycle_h, 24);

    // Busy on five days of seven: a week, of which two were seen, 1 - 0.05^(1/2).
    let week = resized(|slot| if slot / DAY_SLOTS % 7 < 5 { 9.0 } else { 3.0 });
    assert!(week.seasons.iter().any(|season| season.period_h == 168), "{:?}", week.seasons);
    let replay = week.replay.expect("sizes were compared");
    assert_eq!((replay.cycle_h, replay.cycles, replay.days), (168, 2, 14));
    assert!(near(replay.breach_upper_bound, 0.776_39), "{}", replay.breach_upper_bound);
    // The model's risk speaks of a week whatever the seasons.
    assert_eq!((week.risk_cycle_h, week.risk_is_bound), (168, false));
}

#[test]
fn too_short_to_forecast_is_said() {
    let short = series(vec![5.0; 300]);
    let all = [(CPU, short.clone()), (CPU_MAX, short)];
    let found = one(size(&instance(plain_instance("m5.2xlarge")), &all, &settings()));
    let evidence = found.expect("a day was seen").evidence;
    let Some(Outlook::Unknown { reason }) = evidence.outlook else {
        panic!("{:?} is no reason", evidence.outlook);
    };
    assert!(reason.contains("two days"), "{reason}");
    assert!(evidence.forecast.is_none() && evidence.seasons_tested_h.is_empty());
}
