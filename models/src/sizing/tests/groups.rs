//! Groups: fixed ones get the capacity that is needed, scaled ones bounds.

use proptest::prelude::*;

use super::fleet::{
    Measured, SLOTS, instance, measure, one, plain_instance, resource, series, settings, size,
    size_among, steady,
};
use crate::{
    metric::{Measure, Metric, Statistic},
    recommendation::Action,
    resource::{Detail, Group, Instance, Kind, LaunchTemplate, Member, Resource, ScheduledAction},
    series::Series,
    spec::Spec,
};

fn plain(min: u32, max: u32, desired: u32) -> Group {
    let member = |index: u32| Member {
        instance_id: format!("i-{index}"),
        instance_type: "m5.large".to_owned(),
        lifecycle_state: "InService".to_owned(),
        healthy: true,
    };
    Group {
        min_size: min,
        max_size: max,
        desired_capacity: desired,
        members: (0..desired).map(member).collect(),
        mixed_instances: false,
        scaling_policies: Vec::new(),
        scheduled_actions: Vec::new(),
        schedule: Vec::new(),
        suspended_processes: Vec::new(),
        activities_in_progress: Vec::new(),
        refresh_in_progress: None,
        refresh: None,
        launch_template: None,
        deleting: false,
    }
}

fn scaled(min: u32, max: u32, desired: u32) -> Group {
    Group { scaling_policies: vec!["cpu-60".to_owned()], ..plain(min, max, desired) }
}

fn group(detail: Group) -> Resource {
    let arn =
        "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:u:autoScalingGroupName/web";
    resource(Kind::Group, arn, "web", Detail::Group(detail))
}

fn usage(cpu: Series, members: Option<Series>) -> Vec<(Measure, Series)> {
    let mut all = vec![(measure(Metric::GroupCpu, Statistic::Average), cpu)];
    all.extend(members.map(|one| (measure(Metric::GroupInService, Statistic::Average), one)));
    all
}

fn bounds(min_size: u32, max_size: u32, desired_capacity: u32) -> Spec {
    Spec::Group { min_size, max_size, desired_capacity }
}

#[test]
fn fixed_groups_get_what_the_load_needs() {
    let cases: [(Group, f32, Result<Spec, &str>); 5] = [
        // 20 % of 10 members at a target of 60 % are 3.3 members, but half the group is the most for one step.
        (plain(10, 10, 10), 20.0, Ok(bounds(5, 10, 5))),
        (plain(2, 10, 10), 48.0, Ok(bounds(2, 10, 8))),
        (plain(10, 10, 10), 58.0, Err("fit")),
        (plain(10, 10, 10), 66.0, Err("fit")),
        (plain(10, 10, 10), 90.0, Ok(bounds(15, 15, 15))),
    ];
    for (today, cpu, expect) in cases {
        let members = steady(10.0, 10.0);
        let found = one(size(&group(today), &usage(steady(cpu, cpu), Some(members)), &settings()));
        match (found, expect) {
            (Ok(found), Ok(expect)) => {
                assert_eq!(found.desired, expect, "{cpu} %");
                let saving = found.saving.expect("priced");
                assert_eq!(saving.is_positive(), found.evidence.lowers_performance, "{cpu} %");
                assert!(found.evidence.unseen.is_empty());
            }
            (Err(reason), Err(expect)) => assert!(reason.contains(expect), "{cpu} %: {reason}"),
            (found, expect) => panic!("{cpu} %: {found:?} against {expect:?}"),
        }
    }
}

#[test]
fn a_group_without_metrics_has_had_its_size() {
    let found = one(size(&group(plain(10, 10, 10)), &usage(steady(20.0, 20.0), None), &settings()));
    assert_eq!(found.expect("it is too large").evidence.unseen, ["instances"]);
    let reason =
        one(size(&group(scaled(10, 10, 10)), &usage(steady(20.0, 20.0), None), &settings()));
    assert!(reason.expect_err("its size varied").contains("enable"));
}

/// Half a day at the floor with CPU at 15 %, half a day at the target.
fn day_and_night(floor: f32, top: f32) -> (Series, Series) {
    let night = |slot: usize| slot % 288 < 144;
    let cpu = (0..SLOTS).map(|slot| if night(slot) { 15.0 } else { 58.0 }).collect();
    let members = (0..SLOTS).map(|slot| if night(slot) { floor } else { top }).collect();
    (series(cpu), series(members))
}

#[test]
fn a_scaled_group_keeps_its_desired_capacity() {
    let (cpu, members) = day_and_night(8.0, 16.0);
    let found = one(size(&group(scaled(8, 20, 16)), &usage(cpu, Some(members)), &settings()));
    let found = found.expect("its floor is too high at night");
    // 15 % of 8 members are 2 at the target; one step leaves half of the floor.
    assert_eq!(found.desired, bounds(4, 20, 16));
    // Half the time 4 members fewer: 2 of 12 on average.
    let ratio =
        found.saving.expect("priced").dollars() / found.cost_today.expect("priced").dollars();
    assert!((ratio - 2.0 / 12.0).abs() < 1e-3, "{ratio}");
}

#[test]
fn a_ceiling_that_holds_back_is_raised() {
    let full = usage(steady(90.0, 90.0), Some(steady(10.0, 10.0)));
    let found = one(size(&group(scaled(10, 10, 10)), &full, &settings())).expect("held back");
    assert_eq!(found.desired, bounds(10, 15, 10));
    let evidence = &found.evidence;
    assert!(!evidence.lowers_performance && evidence.capacity_ratio >= 1.0);
    let members = &evidence.dimensions[0];
    assert!(members.demand > members.capacity_today);
}

#[test]
fn what_is_left_alone_has_a_reason() {
    let calm = usage(steady(20.0, 20.0), Some(steady(10.0, 10.0)));
    let flat = usage(series(vec![0.0; SLOTS]), Some(steady(10.0, 10.0)));
    type Edit = fn(&mut Group);
    type Case<'a> = (&'a str, Edit, &'a [(Measure, Series)], &'a str);
    let cases: [Case<'_>; 7] = [
        ("mixed", |one| one.mixed_instances = true, &calm, "mixed"),
        ("suspended", |one| one.suspended_processes = vec!["Launch".to_owned()], &calm, "Launch"),
        ("refresh", |one| one.refresh_in_progress = Some("Baking".to_owned()), &calm, "Baking"),
        ("deleting", |one| one.deleting = true, &calm, "deleted"),
        ("empty", |one| one.desired_capacity = 0, &calm, "no members"),
        ("flat zero", |_| (), &flat, "is 0 at every point"),
        ("unseen", |_| (), &[], "no points"),
    ];
    for (name, edit, series, expect) in cases {
        let mut detail = plain(10, 10, 10);
        edit(&mut detail);
        let reason = one(size(&group(detail), series, &settings())).expect_err(name);
        assert!(reason.contains(expect), "{name}: {reason}");
    }
}

/// CPU at `low` but for the hours `from_h..until_h` (UTC) of each day, where it is at `high`.
fn daily(low: f32, high: f32, from_h: usize, until_h: usize) -> Series {
    let busy = |slot: usize| (from_h..until_h).contains(&(slot % 288 / 12));
    series((0..SLOTS).map(|slot| if busy(slot) { high } else { low }).collect())
}

#[test]
fn a_forecast_adds_members_that_the_quantile_leaves_out() {
    let mut settings = settings();
    settings.quantile = 0.9;
    let today = || group(plain(2, 10, 10));
    // Two hours a day, a twelfth of the points, need 50 % x 10 ÷ 60 %, 8.3 members; the 0.9 quantile needs 2.
    let known = daily(12.0, 50.0, 9, 11);
    let found = one(size(&today(), &usage(known, Some(steady(10.0, 10.0))), &settings));
    assert_eq!(found.expect("too large").desired, bounds(2, 10, 9));
    // The same points without an order that could be forecast: the 0.99 quantile of any hour still stands beside it.
    let level = steady(12.0, 12.0);
    let found = one(size(&today(), &usage(level, Some(steady(10.0, 10.0))), &settings));
    assert_eq!(found.expect("too large").desired, bounds(1, 10, 5));
}

#[test]
fn a_forecast_raises_a_ceiling_and_never_lowers_one() {
    let members = || Some(steady(10.0, 10.0));
    for (max, expect) in [(10, 12), (20, 20)] {
        // 72 % x 10 ÷ 60 % are 12 members for ten minutes a day, less than the hundredth at which the past alone counts.
        let short = |slot: usize| matches!(slot % 288, 144 | 145);
        let cpu = series((0..SLOTS).map(|slot| if short(slot) { 72.0 } else { 30.0 }).collect());
        let found = one(size(&group(scaled(10, max, 10)), &usage(cpu, members()), &settings()));
        let Spec::Group { max_size, .. } = found.expect("the floor is high").desired else {
            panic!("a group stays a group")
        };
        assert_eq!(max_size, expect, "{max}");
    }
}

#[test]
fn quiet_hours_are_advised_and_not_proposed() {
    // 15 % of 10 members are 2.5 at the target, 58 % are 9.7.
    let cpu = || usage(daily(15.0, 58.0, 12, 24), Some(steady(10.0, 10.0)));
    let reason = one(size(&group(plain(10, 10, 10)), &cpu(), &settings())).expect_err("it fits");
    assert!(reason.contains("3 members from 00:00 to 11:00 UTC and 10 otherwise"), "{reason}");
    let found = one(size(&group(scaled(10, 20, 10)), &cpu(), &settings())).expect("its floor");
    assert!(!found.evidence.notes.iter().any(|note| note.contains("UTC")), "its scaler does it");
    let level = usage(steady(58.0, 58.0), Some(steady(10.0, 10.0)));
    let reason = one(size(&group(plain(10, 10, 10)), &level, &settings())).expect_err("it fits");
    assert!(!reason.contains("UTC"), "{reason}");
}

/// A fixed group of ten oversized members of which the first was observed.
fn oversized(template: Option<LaunchTemplate>) -> Group {
    let mut today = Group { launch_template: template, ..plain(2, 2, 2) };
    for member in &mut today.members {
        "m5.2xlarge".clone_into(&mut member.instance_type);
    }
    today
}

fn template(version: &str) -> LaunchTemplate {
    LaunchTemplate {
        id: "lt-1".to_owned(),
        version: version.to_owned(),
        number: Some(3),
        instance_type: Some("m5.2xlarge".to_owned()),
    }
}

/// A group of each kind of finding, with its series.
pub(super) fn each() -> Vec<(Resource, Measured)> {
    let calm = |percent, count| usage(steady(percent, percent + 2.0), Some(steady(count, count)));
    vec![
        (group(plain(2, 10, 10)), usage(daily(12.0, 50.0, 9, 11), Some(steady(10.0, 10.0)))),
        (group(scaled(10, 20, 10)), usage(daily(15.0, 58.0, 12, 24), Some(steady(10.0, 10.0)))),
        (group(scaled(4, 20, 4)), late_rise(true)),
        (group(plain(5, 5, 5)), calm(58.0, 5.0)),
        (group(oversized(Some(template("3")))), calm(20.0, 2.0)),
    ]
}

#[test]
fn members_are_sized_as_the_group() {
    let calm = usage(steady(20.0, 22.0), Some(steady(2.0, 2.0)));
    let member = [instance(Instance { volumes: Vec::new(), ..plain_instance("m5.2xlarge") })];
    let mut settings = settings();
    // Two members are the least that the group may have.
    settings.group.min_size = 2;
    let sized = |today: Group| one(size_among(&group(today), &calm, &settings, &member));
    let found = sized(oversized(Some(template("3")))).expect("a fifth of the CPU is used");
    assert_eq!(found.action, Action::ResizeGroupInstances);
    assert_eq!(found.expected, Spec::Members { member_type: "m5.2xlarge".to_owned() });
    let Spec::Members { member_type } = &found.desired else { panic!("{:?}", found.desired) };
    let of = |name: &str| super::fleet::CATALOG.instance_type(name).expect("embedded").clone();
    let (old, new) = (of("m5.2xlarge"), of(member_type));
    assert!(new.memory_mib >= old.memory_mib, "memory was not seen: {member_type}");
    let price = |name: &str| {
        let price = super::fleet::CATALOG.instance_price(name, "us-east-1", "Linux/UNIX");
        price.expect("priced").per_hour.monthly().dollars()
    };
    let saving = found.saving.expect("priced").dollars();
    assert!((saving - 2.0 * (price(&old.name) - price(&new.name))).abs() < 0.01, "{saving}");
    assert!(
        found
            .evidence
            .series
            .iter()
            .any(|one| one.measure.metric == Metric::GroupCpu && one.decisive)
    );
    for (today, expect) in [
        (oversized(None), "no launch template"),
        (oversized(Some(template("$Latest"))), "$Latest"),
        (oversized(Some(LaunchTemplate { number: None, ..template("3") })), "could not be read"),
    ] {
        let reason = sized(today).expect_err(expect);
        assert!(reason.contains(expect), "{reason}");
    }
    let unobserved = one(size(&group(oversized(Some(template("3")))), &calm, &settings));
    assert!(unobserved.expect_err("nobody knows its members").contains("observed"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bounds_are_bounds_and_a_step_is_a_step(
        low in 1.0_f32..100.0,
        high in 1.0_f32..100.0,
        until_h in 1_usize..24,
        desired in 1_u32..20,
        spare in (0_u32..10, 0_u32..10),
        by_others in any::<bool>(),
    ) {
        let (min, max) = (desired.saturating_sub(spare.0), desired + spare.1);
        let today = if by_others { scaled(min, max, desired) } else { plain(min, max, desired) };
        let served = steady(desired as f32, desired as f32);
        let all = usage(daily(low, high, 0, until_h), Some(served));
        let Ok(found) = one(size(&group(today), &all, &settings())) else { return Ok(()) };
        if let Spec::Schedule { scheduled } = &found.desired {
            prop_assert!(by_others && !found.evidence.lowers_performance);
            prop_assert!(scheduled.iter().all(|one| (min..=max).contains(&one.min_size)), "{scheduled:?}");
            return Ok(());
        }
        let Spec::Group { min_size, max_size, desired_capacity } = found.desired else {
            panic!("a group stays a group")
        };
        prop_assert!(min_size <= desired_capacity && desired_capacity <= max_size);
        prop_assert!(2 * min_size >= min && 2 * desired_capacity >= desired && max_size >= max);
        prop_assert!(!by_others || desired_capacity == desired, "only the bounds are ours");
        // What the busiest hours needed is served, or half was the most for one step, or nothing was taken away.
        let need = f64::from(low.max(high)) / 100.0 * f64::from(desired) / 0.6;
        let ceiling = if by_others { max_size } else { desired_capacity };
        prop_assert!(f64::from(ceiling) >= need - 1e-3 || ceiling >= desired, "{need} {ceiling}");
    }
}

/// Two weeks in which the load jumps to ten busy members from 8 to 12 UTC, and members follow an hour later.
fn late_rise(weekend: bool) -> Vec<(Measure, Series)> {
    let hour = |slot: usize| slot % 288 / 12;
    // The look-back begins on a Tuesday.
    let off = |slot: usize| weekend && matches!(slot / 288 % 7, 4 | 5);
    let load = |slot: usize| if (8..12).contains(&hour(slot)) && !off(slot) { 10.0 } else { 2.0 };
    let served = |slot: usize| {
        let before = if slot < 12 { 2.0 } else { load(slot - 12) };
        f32::max(before / 0.6, 4.0).ceil()
    };
    let cpu = (0..SLOTS).map(|slot| (100.0 * load(slot) / served(slot)).min(100.0)).collect();
    usage(series(cpu), Some(series((0..SLOTS).map(served).collect())))
}

#[test]
fn a_floor_rises_before_a_load_that_outruns_its_scaler() {
    let found = one(size(&group(scaled(4, 20, 4)), &late_rise(false), &settings()));
    let found = found.expect("members come an hour late every day");
    let Spec::Schedule { scheduled } = &found.desired else { panic!("{:?}", found.desired) };
    let shown: Vec<_> =
        scheduled.iter().map(|one| (one.recurrence.as_str(), one.min_size)).collect();
    // Censored at 100 % of 4 members, the first hour shows a need of 7 at the target of 60 %.
    assert_eq!(shown, [("0 9 * * *", 4), ("30 7 * * *", 7)]);
    assert_eq!(found.expected, Spec::Schedule { scheduled: Vec::new() });
    assert!(found.saving.is_some_and(|saving| !saving.is_positive()), "relief costs");
    let evidence = &found.evidence;
    assert!(!evidence.lowers_performance && evidence.capacity_ratio > 1.5);
    let [members] = &evidence.dimensions[..] else { panic!("one dimension") };
    assert!(members.demand > members.capacity_today);
    assert_eq!(evidence.replay.as_ref().map(|one| one.breaching_points), Some(0));
}

#[test]
fn what_is_not_scheduled_has_a_reason() {
    type Edit = fn(&mut Group);
    let others = |one: &mut Group| one.scheduled_actions = vec!["night".to_owned()];
    let cases: [(Edit, &str); 3] = [
        (others, "`night`"),
        (|one| one.max_size = 4, "in time"),
        (
            |one| {
                one.schedule = vec![ScheduledAction {
                    name: "trimtab-rise-1-up".to_owned(),
                    recurrence: None,
                    time_zone: None,
                    start_at: None,
                    end_at: None,
                    min_size: None,
                    max_size: None,
                    desired_capacity: None,
                }];
            },
            "in force",
        ),
    ];
    for (edit, expect) in cases {
        let mut detail = scaled(4, 20, 4);
        edit(&mut detail);
        let reason = one(size(&group(detail), &late_rise(false), &settings()));
        if expect == "in time" {
            // The ceiling is what holds it back: that is raised instead.
            assert!(matches!(reason.expect("held back").desired, Spec::Group { .. }));
            continue;
        }
        let reason = reason.expect_err(expect);
        assert!(reason.contains(expect), "{expect}: {reason}");
    }
    let calm = usage(steady(55.0, 58.0), Some(steady(4.0, 4.0)));
    let reason = one(size(&group(scaled(4, 20, 4)), &calm, &settings())).expect_err("level");
    assert!(reason.contains("no schedule"), "{reason}");
}
