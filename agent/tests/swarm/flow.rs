//! The whole flow's swarm: discover, collect, recommend, gate, execute and verify over days, with faults drawn from the
//! seed, and the checkers at every tick.
//!
//! Not here: deaths (`crash`, `faults`).

use std::fmt::Write;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use trimtab::simulate::{Rehearsal, rehearse};
use trimtab_models::catalog::Catalog;
use trimtab_simulations::{scenario::Scenario, world::World};

use crate::seeds;

/// Fourteen resources and two members, of every kind that first looks find; everything that may be done is done.
const FLEET: &str = r#"
name = "swarm"
description = "Sixteen resources, whatever goes wrong."
start = "2026-03-02T00:00:00Z"
history_days = 29
[fleet]
web-oversized = 2
idle = 1
night-batch = 1
opted-out = 1
volume-gp2 = 2
volume-gp3-over = 1
volume-unattached = 1
function-oversized = 1
group-fixed-over = 1
group-scaled-over = 1
group-daily-rise = 1
group-type-over = 1
[approver]
name = "ada"
approves = ["resize-instance", "stop-idle-instance", "migrate-volume-type", "tune-volume",
            "delete-unattached-volume", "tune-function-memory", "tune-group-capacity",
            "schedule-group", "resize-group-instances"]
[settings.schedule]
cycle = "0 5 */8 * * *"
[settings.autopilot]
max_disruption = "rolling"
allow_decrease = true
"#;

/// The scenario of a seed: the mode, and everything that goes wrong.
fn scenario_of(seed: u64) -> Scenario {
    let mut random = Pcg64Mcg::new(u128::from(seed) << 1 | 1);
    let mut text = FLEET.to_owned();
    let mode = if random.random_bool(0.5) { "copilot" } else { "autopilot" };
    write!(text, "[settings.modes]\ndefault = \"{mode}\"\n").expect("a string takes text");
    let mut scenario = Scenario::parse(&text).expect("a scenario that is read");
    let resources = World::new(&scenario, seed, Catalog::embedded()).ids();
    let faults = &mut scenario.faults;
    faults.throttled = random.random_range(0.0..0.2);
    faults.lost_requests = random.random_range(0.0..0.1);
    faults.lost_answers = random.random_range(0.0..0.1);
    for name in ["m5.large", "m5.xlarge", "m5.2xlarge", "r5.2xlarge", "r5.xlarge", "m6i.large"] {
        if random.random_bool(0.4) {
            let hours = jiff::SignedDuration::from_hours(random.random_range(1..12));
            faults.no_capacity.insert(name.to_owned(), scenario.start + hours);
        }
    }
    for id in resources {
        match random.random_range(0..10) {
            0 => drop(faults.silent.insert(id)),
            1 => drop(faults.flat_zero.insert(id)),
            2 => {
                let minutes = jiff::SignedDuration::from_mins(random.random_range(1..1_400));
                let at = scenario.start + minutes;
                let gone = trimtab_simulations::world::ForeignChange { at, id, spec: None };
                faults.foreign.push(gone);
            }
            _ => {}
        }
    }
    scenario
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flow_keeps_its_promises_whatever_goes_wrong() {
    let mut applied = 0;
    for seed in seeds(3) {
        let scenario = scenario_of(seed);
        let rehearsal = Rehearsal { seed, days: 1, mode: None };
        let report = rehearse(&scenario, rehearsal, |_| {}).await.expect("a rehearsal that ends");
        assert_eq!(
            report.invariant_violations,
            Vec::<String>::new(),
            "run it alone with TRIMTAB_SWARM_SEED={seed}\n{:#?}\n{report:#?}",
            scenario.faults
        );
        applied += report.changes_applied;
    }
    assert!(applied > 0, "a swarm in which nothing is ever applied tests nothing");
}
