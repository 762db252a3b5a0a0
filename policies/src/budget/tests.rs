//! The share of a group, the hour and the flight, at both sides of each limit; and what belongs together.

use std::collections::BTreeMap;

use super::*;
use crate::{
    change::State,
    fixtures::{
        ACCOUNT, World, attach, candidate, change, group, instance, instance_mut, now, policy,
        seconds_ago, volume,
    },
};

#[test]
fn a_group_allows_its_share_but_at_least_one_and_nothing_when_broken() {
    let check = |ratio: f64, members: usize, expect: usize| {
        let mut limits = policy().limits;
        limits.group_ratio = ratio;
        assert_eq!(allowed_in_group(&limits, members), expect, "{ratio} of {members}");
    };
    check(0.1, 0, 1);
    check(0.1, 1, 1);
    check(0.1, 19, 1);
    check(0.1, 20, 2);
    check(0.1, 29, 2);
    check(0.1, 30, 3);
    check(1.0, 5, 5);
    check(9.0, 5, 5);
    check(0.0, 50, 0);
    check(-1.0, 50, 0);
    check(f64::NAN, 50, 0);
}

fn fleet(count: usize) -> Vec<Resource> {
    let member = |number: usize| {
        let mut member = instance(&format!("i-{number}"));
        let tags = &mut member.reference.tags;
        tags.insert("service".to_owned(), "web".to_owned());
        member
    };
    (0..count).map(member).collect()
}

/// Adds a change of member `number` and gives back its id.
fn busy(world: &mut World, number: usize, state: State, seconds: i64) {
    let resource = instance(&format!("i-{number}"));
    let candidate = candidate(Action::ResizeInstance, &resource);
    world.add(change(&candidate, "web", state, seconds_ago(seconds)));
}

fn room(
    world: &World,
    ask: impl Fn(&Ledger<'_>, &ResourceRef) -> Room,
) -> Option<Option<Timestamp>> {
    let context = world.context();
    let ledger = Ledger::open(&context, &[]);
    match ask(&ledger, &instance("i-0").reference) {
        Room::Free => None,
        Room::Taken { until, .. } => Some(until),
    }
}

#[test]
fn a_group_is_full_until_the_provisional_verdict() {
    let ask = |world: &World| {
        room(world, |ledger, reference| {
            ledger.room_in_group(reference, "web", Action::ResizeInstance)
        })
    };
    for (state, full) in [
        (State::Queued, true),
        (State::Executing, true),
        (State::Watching, true),
        (State::Undoing, true),
        (State::Kept, false),
        (State::Undone, false),
        (State::Inconclusive, false),
        (State::Conflicted, false),
        (State::Stuck, false),
    ] {
        let mut world = World::new(fleet(19));
        assert_eq!(ask(&world), None);
        busy(&mut world, 1, state, 90_000);
        assert_eq!(ask(&world).is_some(), full, "{state}");
        world.inventory = World::new(fleet(20)).inventory;
        assert_eq!(ask(&world).is_some(), full, "of twenty members a canary goes first: {state}");
        busy(&mut world, 2, State::Kept, 90_000);
        assert!(ask(&world).is_none(), "then twenty members allow two: {state}");
    }
}

/// Whether one more change of a type fits into a group of 30 members, of which three may be in flight.
fn fits(past: &[(State, i64)], in_flight: usize) -> bool {
    let mut world = World::new(fleet(30));
    for (number, (state, seconds)) in past.iter().enumerate() {
        busy(&mut world, 20 + number, *state, *seconds);
    }
    for number in 0..in_flight {
        busy(&mut world, 1 + number, State::Watching, 90_000);
    }
    let context = world.context();
    let ledger = Ledger::open(&context, &[]);
    let reference = instance("i-0").reference;
    ledger.room_in_group(&reference, "web", Action::ResizeInstance) == Room::Free
}

#[test]
fn one_canary_goes_first_then_waves_up_to_the_share() {
    let cases: [(&[(State, i64)], usize); 7] = [
        (&[], 1),
        (&[(State::Kept, 200_000)], 3),
        (&[(State::Inconclusive, 200_000)], 1),
        (&[(State::Conflicted, 200_000)], 1),
        // The newest verdict counts: after a failure a canary goes first again.
        (&[(State::Kept, 300_000), (State::Stuck, 200_000)], 1),
        (&[(State::Stuck, 300_000), (State::Kept, 200_000)], 3),
        // What was never written is no verdict.
        (&[(State::Kept, 300_000), (State::Undone, 200_000)], 3),
    ];
    for (past, allowed) in cases {
        assert!(fits(past, allowed - 1), "{past:?} with {} in flight", allowed - 1);
        assert!(!fits(past, allowed), "{past:?} with {allowed} in flight");
    }
}

#[test]
fn a_canary_of_another_action_proves_nothing() {
    let mut world = World::new(fleet(30));
    busy(&mut world, 20, State::Kept, 200_000);
    busy(&mut world, 1, State::Watching, 90_000);
    let context = world.context();
    let ledger = Ledger::open(&context, &[]);
    let reference = instance("i-0").reference;
    let ask = |action| ledger.room_in_group(&reference, "web", action);
    assert_eq!(ask(Action::ResizeInstance), Room::Free);
    assert!(
        matches!(ask(Action::StopIdleInstance), Room::Taken { reason, .. } if reason.contains("canary"))
    );
}

#[test]
fn an_hour_holds_so_many_and_says_when_the_next_is_free() {
    let ask = |world: &World, action: Action| {
        room(world, move |ledger, reference| ledger.room_in_hour(reference, action))
    };
    let mut world = World::new(fleet(1));
    for (number, seconds) in [3_599, 2_000, 1_000].into_iter().enumerate() {
        busy(&mut world, number, State::Kept, seconds);
    }
    assert_eq!(ask(&world, Action::ResizeInstance), None);
    busy(&mut world, 9, State::Kept, 3_600);
    assert_eq!(ask(&world, Action::ResizeInstance), None, "an hour ago is over");
    busy(&mut world, 10, State::Kept, 0);
    let free_at = seconds_ago(3_599) + HOUR;
    assert_eq!(ask(&world, Action::ResizeInstance), Some(Some(free_at)));
    assert_eq!(ask(&world, Action::TuneVolume), None, "other changes have their own");
    world.policy.limits.disruptive_per_hour = 2;
    let free_at = seconds_ago(1_000) + HOUR;
    assert_eq!(ask(&world, Action::ResizeInstance), Some(Some(free_at)));
    world.policy.limits.disruptive_per_hour = 0;
    assert_eq!(ask(&world, Action::ResizeInstance), Some(None));
    world.policy.limits.other_per_hour = 0;
    assert_eq!(ask(&world, Action::TuneVolume), Some(None));
}

#[test]
fn three_disruptive_changes_fly_in_an_account() {
    let ask = |world: &World, action: Action| {
        room(world, move |ledger, reference| ledger.room_in_flight(reference, action))
    };
    let mut world = World::new(fleet(1));
    busy(&mut world, 1, State::Watching, 90_000);
    busy(&mut world, 2, State::Executing, 90_000);
    assert_eq!(ask(&world, Action::ResizeInstance), None);
    busy(&mut world, 3, State::Undoing, 90_000);
    assert_eq!(ask(&world, Action::ResizeInstance), Some(None));
    assert_eq!(ask(&world, Action::TuneVolume), None);
    let mut elsewhere = World::new(fleet(1));
    elsewhere.changes = world
        .changes
        .into_iter()
        .map(|(id, mut change)| {
            change.recommendation.resource.account = "999999999999".to_owned();
            (id, change)
        })
        .collect();
    assert_eq!(ask(&elsewhere, Action::ResizeInstance), None);
}

#[test]
fn what_is_granted_counts_at_once() {
    let world = World::new(fleet(1));
    let context = world.context();
    let mut ledger = Ledger::open(&context, &[]);
    let member = instance("i-0");
    ledger.grant(&candidate(Action::ResizeInstance, &member), "web");
    assert_ne!(ledger.room_in_group(&member.reference, "web", Action::ResizeInstance), Room::Free);
    assert!(ledger.rival(&member.reference, "i-0").is_some());
    for number in 1..4 {
        let other = instance(&format!("i-{number}"));
        ledger.grant(&candidate(Action::ResizeInstance, &other), "other");
    }
    let full = Room::Taken {
        until: Some(now() + HOUR),
        reason: format!(
            "4 of 4 disruptive changes begun within the hour in account {ACCOUNT} us-east-1"
        ),
    };
    assert_eq!(ledger.room_in_hour(&member.reference, Action::ResizeInstance), full);
}

#[test]
fn instances_volumes_and_scaling_groups_are_bound_up_with_each_other() {
    let mut machine = instance("i-1");
    instance_mut(&mut machine).volumes = vec!["vol-1".to_owned()];
    let mut member = instance("i-2");
    instance_mut(&mut member).group = Some("asg".to_owned());
    let (mut disk, mut late, mut of_member) = (volume("vol-1"), volume("vol-2"), volume("vol-3"));
    attach(&mut disk, "i-1");
    attach(&mut late, "i-1");
    attach(&mut of_member, "i-2");
    let alone = volume("vol-4");
    let parts = [machine, member, disk, late, of_member, alone, group("asg")];
    let related = [(0, 2), (0, 3), (2, 3), (1, 4), (1, 6), (4, 6)];
    let inventory: BTreeMap<_, _> = World::new(parts.clone()).inventory;
    for (index, one) in parts.iter().enumerate() {
        for (other_index, other) in parts.iter().enumerate().skip(index + 1) {
            let shared = !units(&one.reference, &one.id, &inventory).is_disjoint(&units(
                &other.reference,
                &other.id,
                &inventory,
            ));
            let expect = related.contains(&(index, other_index));
            assert_eq!(shared, expect, "{} and {}", one.id, other.id);
        }
    }
}
