//! A pipeline that moves a function's alias while our canary gets its share, with a death at every single point around it: the
//! alias stays theirs, and the share that we set does not outlive the change.
//!
//! Not here: aliases that nobody else moves (`crash`), and the order of single calls (`change`'s tables).

use jiff::{SignedDuration, Timestamp};
use trimtab::{faulty::Deaths, ports::Clock, simulated::Simulated};
use trimtab_models::spec::Spec;
use trimtab_policies::{change::State, operations::Operation};
use trimtab_simulations::world::{ForeignChange, Write};

use crate::bench::{Bench, Case};

const SEED: u64 = 7;
/// How long after the canary was seen the pipeline comes: at once, while describes lag, and in the middle of the bake.
const AFTER: [SignedDuration; 3] =
    [SignedDuration::ZERO, SignedDuration::from_secs(30), SignedDuration::from_mins(10)];

/// Carries the change on; the pipeline comes so long after the canary got its share, the process being there or not.
async fn moved(bench: &mut Bench, after: SignedDuration) -> State {
    let id = bench.recommendation.resource_id.clone();
    let tick = |simulated: &Simulated, _: Timestamp| {
        let mut world = simulated.world();
        let is_canary = |write: &&Write| matches!(write.operation, Operation::SetAlias { .. });
        let shared_at = world.log().iter().find(is_canary).map(|write| write.at);
        if let Some(at) = shared_at.filter(|_| world.faults.foreign.is_empty()) {
            let spec = Some(Spec::Function { memory_mb: 2_944 });
            world.faults.foreign.push(ForeignChange { at: at + after, id: id.clone(), spec });
        }
    };
    bench.carry_on(tick).await
}

async fn run(
    dies_at: Option<u64>,
    after: SignedDuration,
    downtime: SignedDuration,
) -> (u64, State) {
    let mut bench = Bench::open(Case::ALIASED, SEED, Deaths::at(dies_at), downtime).await;
    let told = format!("moved after {after:?}, death at {dies_at:?}, away for {downtime:?}");
    let state = moved(&mut bench, after).await;
    let (id, now) = (&bench.recommendation.resource_id, bench.clock.now());
    let function = bench.simulated.world().true_function(id, now).expect("it is there");
    let alias = function.aliases.first().expect("it has one");
    match state {
        State::Conflicted => {
            assert_eq!((alias.version.as_str(), alias.weights.len()), ("3", 0), "{told}");
            let moves = bench.effects()["lambda:UpdateAlias"];
            assert_eq!(moves, 2, "{told}: the canary, and its withdrawal");
        }
        State::Undone => {
            assert!(dies_at.is_some() && bench.change().is_unwritten(), "{told}");
            assert_eq!((alias.version.as_str(), alias.weights.len()), ("1", 0), "{told}");
        }
        State::Queued
        | State::Executing
        | State::Watching
        | State::Kept
        | State::Undoing
        | State::Inconclusive
        | State::Stuck => panic!("{told}: {state}, {:#?}", bench.change()),
    }
    assert_eq!(bench.checker.violations(), Vec::<String>::new(), "{told}");
    (bench.deaths.passed(), state)
}

#[tokio::test]
async fn a_pipeline_keeps_its_alias_and_our_share_goes_at_every_point_of_death() {
    for after in AFTER {
        let (points, state) = run(None, after, SignedDuration::ZERO).await;
        assert_eq!(state, State::Conflicted, "moved after {after:?}");
        assert!(points > 10, "{points} points are too few for a canary");
        for point in 0..points {
            for hours in [0, 2] {
                run(Some(point), after, SignedDuration::from_hours(hours)).await;
            }
        }
    }
}
