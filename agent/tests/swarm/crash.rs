//! The crash matrix: each action, with a death at every single point of its way there and back.
//!
//! Not here: faults of the account (`faults`).

use jiff::SignedDuration;
use trimtab_models::{recommendation::Action, spec::Spec};
use trimtab_policies::change::State;

use trimtab::faulty::Deaths;

use crate::bench::{Bench, Case};

const SEED: u64 = 7;

/// Carries a case out and back; returns how many points there were.
async fn there_and_back(case: Case, dies_at: Option<u64>, downtime: SignedDuration) -> u64 {
    let deaths = Deaths::at(dies_at);
    let action = case.action;
    let mut bench = Bench::open(case, SEED, deaths, downtime).await;
    let told = format!("{case}, death at {dies_at:?}, away for {downtime:?}");
    let state = bench.carry_on(|_, _| {}).await;
    if state == State::Undone {
        let tags = ["ec2:CreateTags", "ec2:DeleteTags"];
        let only_tags = bench.effects().keys().all(|call| tags.contains(call));
        assert!(only_tags, "{told}: void before its first write: {:?}", bench.effects());
        assert!(dies_at.is_some(), "{told}: only what wrote nothing is void");
        assert!(bench.change().is_unwritten(), "{told}: only what wrote nothing is void");
        assert_eq!(bench.mark().await, None, "{told}");
        assert_eq!(bench.live(), Some(bench.recommendation.expected.clone()), "{told}");
        return bench.deaths.passed();
    }
    assert_eq!(state, State::Watching, "{told}: {:#?}", bench.change());
    assert_eq!(bench.effects(), bench.steps_by_call(), "{told}");
    let desired = Some(bench.recommendation.desired.clone());
    let left = desired.filter(|desired| !matches!(desired, Spec::Gone { .. }));
    assert_eq!(bench.live(), left, "{told}");
    let marked = bench.mark().await.is_some();
    assert_eq!(marked, action == Action::ResizeInstance, "{told}: it is marked while watched");
    bench.undo();
    let state = bench.carry_on(|_, _| {}).await;
    assert_eq!(state, State::Undone, "{told}: {:#?}", bench.change());
    let is_new = action == Action::DeleteUnattachedVolume;
    let live = if is_new { bench.restored() } else { bench.live() };
    assert_eq!(live, Some(bench.recommendation.expected.clone()), "{told}");
    assert_eq!(bench.effects(), bench.steps_by_call(), "{told}: each step has one effect");
    assert_eq!(bench.mark().await, None, "{told}");
    for once in ["ec2:CreateSnapshot", "ec2:CreateVolume", "ec2:DeleteVolume"] {
        assert!(bench.effects().get(once).is_none_or(|count| *count == 1), "{told}: {once}");
    }
    assert_eq!(bench.checker.violations(), Vec::<String>::new(), "{told}");
    bench.deaths.passed()
}

async fn matrix(case: impl Into<Case>) {
    let case = case.into();
    let points = there_and_back(case, None, SignedDuration::ZERO).await;
    assert!(points > 4, "{case}: {points} points are too few for a way there and back");
    for point in 0..points {
        // A volume is polled for hours: there, every other death is followed by the long absence.
        let long = (points < 100 || point % 2 == 0).then_some(2);
        let short = (points < 100 || point % 2 == 1).then_some(0);
        for hours in long.into_iter().chain(short) {
            there_and_back(case, Some(point), SignedDuration::from_hours(hours)).await;
        }
    }
}

#[tokio::test]
async fn a_resize_survives_a_death_at_every_point() {
    matrix(Action::ResizeInstance).await;
}

#[tokio::test]
async fn a_stop_survives_a_death_at_every_point() {
    matrix(Action::StopIdleInstance).await;
}

#[tokio::test]
async fn a_new_volume_type_survives_a_death_at_every_point() {
    matrix(Action::MigrateVolumeType).await;
}

#[tokio::test]
async fn a_tuned_volume_survives_a_death_at_every_point() {
    matrix(Action::TuneVolume).await;
}

#[tokio::test]
async fn a_deletion_survives_a_death_at_every_point() {
    matrix(Action::DeleteUnattachedVolume).await;
}

#[tokio::test]
async fn a_function_survives_a_death_at_every_point() {
    matrix(Action::TuneFunctionMemory).await;
}

#[tokio::test]
async fn a_function_behind_an_alias_survives_a_death_at_every_point() {
    matrix(Case::ALIASED).await;
}

#[tokio::test]
async fn a_group_survives_a_death_at_every_point() {
    matrix(Action::TuneGroupCapacity).await;
}

#[tokio::test]
async fn a_schedule_survives_a_death_at_every_point() {
    matrix(Action::ScheduleGroup).await;
}

#[tokio::test]
async fn a_rollout_survives_a_death_at_every_point() {
    matrix(Action::ResizeGroupInstances).await;
}
