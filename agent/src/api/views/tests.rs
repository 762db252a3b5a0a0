//! Tests of modes explained: what circuits make of them.

use std::sync::Arc;

use trimtab_models::catalog::Catalog;
use trimtab_policies::{change::State, record::Event};
use trimtab_simulations::{scenario::Scenario, world::World};

use super::*;
use crate::{
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    simulate::scenario_settings,
    simulated::Simulated,
};

const FLEET: &str = r#"
name = "explained"
description = "Functions on autopilot, volumes in copilot."
start = "2026-03-02T00:00:00Z"
history_days = 30
[fleet]
volume-gp2 = 1
function-oversized = 2
[settings.modes]
default = "copilot"
[[settings.modes.rule]]
match = { kind = "lambda-function" }
mode = "autopilot"
[settings.autopilot]
max_disruption = "brief"
allow_decrease = true
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_open_circuit_is_explained_whether_or_not_it_lowers_the_mode() {
    let scenario = Scenario::parse(FLEET).expect("a scenario that is read");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = scenario_settings(&scenario, folder.path(), None).expect("settings");
    let world = World::new(&scenario, 3, Catalog::embedded());
    let simulated = Simulated::new(world, Arc::new(ManualClock::new(scenario.start)));
    let agent = Agent::open(settings, simulated.ports(), Catalog::embedded())
        .expect("an empty folder opens");
    let plan = run_cycle(&agent, Begin::Allowed).await.expect("a quiet account");
    let function = |agent: &Agent, index: usize| {
        let id = &plan.cycle.begun[index];
        let arn = agent.ledger().book().changes()[id].recommendation.resource.arn.clone();
        explain(agent, &arn.0).expect("it was discovered").actions.remove(0)
    };
    let before = function(&agent, 0);
    assert_eq!((before.mode, before.circuits.len()), (Mode::Autopilot, 0), "{}", before.reason);

    for (id, state, most) in [
        (&plan.cycle.begun[0], State::Undone, Mode::Autopilot),
        (&plan.cycle.begun[1], State::Undone, Mode::Copilot),
    ] {
        let reason = "worse".to_owned();
        let begun = Event::UndoBegun { reason: reason.clone(), steps: Vec::new() };
        let ended = Event::Finished { state, reason, provisional: false };
        for event in [begun, ended] {
            agent.ledger().event(scenario.start, id, event).expect("a journal that is written");
        }
        assert_eq!(function(&agent, 0).mode, most);
    }
    let lowered = function(&agent, 1);
    assert!(lowered.reason.contains("the circuit"), "{}", lowered.reason);
    let [circuit] = lowered.circuits.as_slice() else { panic!("{:?}", lowered.circuits) };
    assert!(circuit.starts_with("at most copilot: the circuit"), "{circuit}");

    let mut settings = (*agent.settings()).clone();
    settings.policy.modes.rules.clear();
    agent.set_settings(settings);
    let held = function(&agent, 1);
    assert_eq!(held.mode, Mode::Copilot);
    assert!(!held.reason.contains("circuit"), "{}", held.reason);
    assert_eq!(held.circuits, lowered.circuits, "it is open all the same");
}
