//! The agent's host is lost at every single point of a resize and of its undo; another agent adopts the change by its mark.
//!
//! Not here: how a person asks for it (the API's tests).

use jiff::SignedDuration;
use trimtab::{faulty::Deaths, ports::Clock};
use trimtab_models::{recommendation::Action, resource::InstanceState};
use trimtab_policies::change::State;

use crate::bench::Bench;

const SEED: u64 = 7;

/// Carries a resize out and back until the host is lost at `lost_at`, then adopts. Returns how many points there were.
async fn lose(lost_at: Option<u64>) -> u64 {
    let (action, told) = (Action::ResizeInstance, format!("lost at {lost_at:?}"));
    let deaths = Deaths::at(lost_at);
    let mut bench = Bench::open(action, SEED, deaths, SignedDuration::ZERO).await;
    let lost = match bench.until_death().await {
        None => {
            bench.undo();
            bench.until_death().await.is_some()
        }
        Some(()) => true,
    };
    let passed = bench.deaths.passed();
    if !lost {
        return passed;
    }
    let marked = bench.lose_journal().await;
    let state = match marked {
        true => bench.carry_on(|_, _| {}).await,
        // It was lost before the mark or after its removal: the machine must then be whole by itself.
        false => State::Undone,
    };
    assert_eq!(state, State::Undone, "{told}");
    let (id, now) = (bench.recommendation.resource_id.clone(), bench.clock.now());
    let power = bench.simulated.world().true_state(&id, now);
    assert_eq!(power, Some(InstanceState::Running), "{told}");
    assert_eq!(bench.live(), Some(bench.recommendation.expected.clone()), "{told}");
    assert_eq!(bench.mark().await, None, "{told}: the mark is removed");
    assert_eq!(bench.checker.violations(), Vec::<String>::new(), "{told}");
    passed
}

#[tokio::test]
async fn a_lost_agents_machine_comes_back_from_every_point() {
    let points = lose(None).await;
    assert!(points > 20, "{points} points are too few for a way there and back");
    for point in 0..points {
        lose(Some(point)).await;
    }
}
