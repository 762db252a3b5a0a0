//! Tests of keeping a plan: what is decided meanwhile stays decided.

use std::{
    sync::{Arc, TryLockError},
    thread,
};

use jiff::SignedDuration;
use trimtab_models::catalog::Catalog;
use trimtab_policies::plan::Disposition;
use trimtab_simulations::{scenario::Scenario, world::World};

use super::*;
use crate::{
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    decide::{Rejection, reject},
    simulate::scenario_settings,
    simulated::Simulated,
};

/// Looks at a lock before a thread that was told to take it counts as one that never does: some seconds, on any machine.
const LOOKS_MAX: u32 = 20_000_000;
const FLEET: &str = r#"
name = "kept"
description = "Volumes that ask."
start = "2026-03-02T00:00:00Z"
history_days = 30
[fleet]
volume-gp2 = 2
[settings.modes]
default = "copilot"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_while_a_plan_is_kept_is_not_written_over() {
    let scenario = Scenario::parse(FLEET).expect("a scenario that is read");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = scenario_settings(&scenario, folder.path(), None).expect("settings");
    let world = World::new(&scenario, 3, Catalog::embedded());
    let simulated = Simulated::new(world, Arc::new(ManualClock::new(scenario.start)));
    let agent = Agent::open(settings, simulated.ports(), Catalog::embedded())
        .expect("an empty folder opens");
    let first = run_cycle(&agent, Begin::Never).await.expect("a quiet account");
    let asks = |entry: &&PlanEntry| entry.decision == Disposition::AwaitApproval;
    let asked = first.recommendations.iter().find(asks).expect("volumes ask in copilot").id.clone();
    let plan =
        Plan { at: scenario.start + SignedDuration::from_mins(15), entries: first.recommendations };
    let inventory = agent.inventory();

    // The plan has been read from the store once it waits for the journal.
    let journal = agent.ledger();
    thread::scope(|scope| {
        let keeping = scope.spawn(|| keep_plan(&agent, &plan, &inventory));
        let is_held = || matches!(agent.store.try_lock(), Err(TryLockError::WouldBlock));
        let held = (0..LOOKS_MAX).any(|_| {
            thread::yield_now();
            is_held()
        });
        let deciding = scope.spawn(|| {
            let no = Rejection { reason: "not now".to_owned(), ..Rejection::default() };
            reject(&agent, &asked, "ada", no)
        });
        drop(journal);
        keeping.join().expect("no panic").expect("a store that is written");
        deciding.join().expect("no panic").expect("it is open");
        assert!(held, "the store is held while a plan is kept");
    });
    let shown = agent.store().recommendation(&asked).expect("readable").expect("kept");
    assert_eq!(shown.state, RecommendationState::Rejected);
    assert_eq!(shown.confirmed_at, plan.at, "both count");
}
