//! A resize behind a load balancer, with a death at every single point of its way there and back: the machine never stops
//! while it is registered, and is registered whenever the engine rests.
//!
//! Not here: machines without one (`crash`).

use std::{cell::RefCell, collections::BTreeSet};

use jiff::{SignedDuration, Timestamp};
use trimtab::{faulty::Deaths, ports::Clock, simulated::Simulated};
use trimtab_models::{
    recommendation::Action,
    resource::{Detail, InstanceState, Resource},
};
use trimtab_policies::change::State;

use crate::bench::Bench;

const SEED: u64 = 7;
/// How long the balancer drains.
const DRAIN_S: u32 = 120;

/// Opens a resize of a machine behind a balancer; returns the target group too.
async fn open(lost_at: Option<u64>, downtime: SignedDuration, other: &str) -> (Bench, String) {
    let group = RefCell::new(String::new());
    let prepare = |simulated: &Simulated, resource: &mut Resource| {
        let ids = BTreeSet::from([resource.id.clone()]);
        let mut world = simulated.world();
        let arn = world.put_behind_balancer("us-east-1", &ids, DRAIN_S, other);
        let all = world.registrations("us-east-1", resource.observed_at);
        let Detail::Instance(instance) = &mut resource.detail else { panic!("a machine") };
        instance.registrations = all.expect("a quiet account").remove(&resource.id);
        group.replace(arn);
    };
    let bench = Bench::open_prepared(
        Action::ResizeInstance,
        SEED,
        (Deaths::at(lost_at), downtime),
        prepare,
    );
    let bench = bench.await;
    (bench, group.into_inner())
}

/// Carries on, and looks at every move whether the machine is on while it is registered.
async fn carry_on(bench: &mut Bench, group: &str, told: &str) -> State {
    let id = bench.recommendation.resource_id.clone();
    let tick = |simulated: &Simulated, now: Timestamp| {
        let world = simulated.world();
        let is_up = world.true_state(&id, now) == Some(InstanceState::Running);
        assert!(is_up || !world.is_registered(group, &id, now), "{told}: off while registered");
    };
    let state = bench.carry_on(tick).await;
    let now = bench.clock.now();
    let world = bench.simulated.world();
    assert!(world.is_registered(group, &id, now), "{told}: it rests out of its balancer");
    assert_eq!(world.true_state(&id, now), Some(InstanceState::Running), "{told}");
    state
}

async fn there_and_back(dies_at: Option<u64>, downtime: SignedDuration) -> u64 {
    let (mut bench, group) = open(dies_at, downtime, "healthy").await;
    let told = format!("death at {dies_at:?}, away for {downtime:?}");
    let state = carry_on(&mut bench, &group, &told).await;
    if state == State::Watching {
        assert_eq!(bench.live(), Some(bench.recommendation.desired.clone()), "{told}");
        bench.undo();
        let state = carry_on(&mut bench, &group, &told).await;
        assert_eq!(state, State::Undone, "{told}: {:#?}", bench.change());
    } else {
        assert_eq!(state, State::Undone, "{told}: {:#?}", bench.change());
    }
    assert_eq!(bench.live(), Some(bench.recommendation.expected.clone()), "{told}");
    assert_eq!(bench.mark().await, None, "{told}");
    assert_eq!(bench.checker.violations(), Vec::<String>::new(), "{told}");
    bench.deaths.passed()
}

#[tokio::test]
async fn a_resize_behind_a_balancer_survives_a_death_at_every_point() {
    let points = there_and_back(None, SignedDuration::ZERO).await;
    assert!(points > 20, "{points} points are too few for a way there and back");
    for point in 0..points {
        for hours in [0, 2] {
            there_and_back(Some(point), SignedDuration::from_hours(hours)).await;
        }
    }
}

#[tokio::test]
async fn the_only_healthy_machine_is_never_taken_out() {
    let (mut bench, group) = open(None, SignedDuration::ZERO, "unhealthy").await;
    let state = carry_on(&mut bench, &group, "alone").await;
    assert_eq!(state, State::Undone, "{:#?}", bench.change());
    assert!(bench.effects().keys().all(|call| call.ends_with("Tags")), "{:?}", bench.effects());

    // Another one falls ill while the change is watched: the way back waits, and ends with a person.
    let (mut bench, group) = open(None, SignedDuration::ZERO, "healthy").await;
    assert_eq!(carry_on(&mut bench, &group, "ill").await, State::Watching);
    bench.simulated.world().set_other_target(&group, "unhealthy");
    bench.undo();
    assert_eq!(carry_on(&mut bench, &group, "ill").await, State::Stuck, "{:#?}", bench.change());
    assert_eq!(bench.live(), Some(bench.recommendation.desired.clone()));
}
