//! Groups: fixed ones get the capacity that is needed, scaled ones bounds.

use super::fleet::{SLOTS, measure, one, resource, series, settings, size, steady};
use crate::{
    metric::{Measure, Metric, Statistic},
    resource::{Detail, Group, Kind, Member, Resource},
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
        suspended_processes: Vec::new(),
        activities_in_progress: Vec::new(),
        refresh_in_progress: None,
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
