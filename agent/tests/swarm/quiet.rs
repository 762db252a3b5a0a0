//! Runs of the whole agent with a fleet, settings and rules of the test's choice.
//!
//! Not here: what is drawn from a seed (`whole`).

use jiff::{SignedDuration, Timestamp};
use trimtab::swarm::{Ran, Tampering, run};
use trimtab_simulations::{
    checker::Bounds,
    fault::{Fault, Rule},
    scenario::Scenario,
    swarm::Plan,
};

const WINDOW: &str = "
[[settings.window]]
name = 'the first hours'
days = ['mon']
from = '00:00'
until = '03:00'
time_zone = 'UTC'
";

/// When every run begins.
pub(crate) fn start() -> Timestamp {
    "2026-03-02T00:00:00Z".parse().expect("a time")
}

/// A plan without any fault: everything in autopilot, and everything allowed.
///
/// What disrupts waits for the quietest hour inside a window; this one is open in the first hours only, where the test gives
/// none.
pub(crate) fn plan(fleet: &str, settings: &str) -> Plan {
    let window = if settings.contains("window") { "" } else { WINDOW };
    let text = format!(
        "name = 'quiet'\ndescription = 'of a test'\nstart = '{}'\nhistory_days = 29\n\
         [fleet]\n{fleet}\n\
         [settings.collect]\nstep_s = 3600\nlookback_days = 29\n\
         [settings.schedule]\ncycle = '0 5 0-3,8,16 * * *'\n\
         [settings.autopilot]\nmax_disruption = 'rolling'\nallow_decrease = true\n\
         [settings.modes]\ndefault = 'autopilot'\n{settings}{window}",
        start()
    );
    Plan {
        seed: 7,
        days: 1,
        scenario: Scenario::parse(&text).expect("a scenario"),
        bounds: Bounds::default(),
        rules: Vec::new(),
        downtime: SignedDuration::from_secs(60),
    }
}

/// A rule from so many seconds after the start until so many.
pub(crate) fn rule(from_s: i64, until_s: i64, fault: Fault) -> Rule {
    let at = |second| start() + SignedDuration::from_secs(second);
    Rule { fault, from: at(from_s), until: at(until_s) }
}

/// Runs a plan to its end.
pub(crate) async fn ran(plan: &Plan, tampering: &Tampering) -> Ran {
    run(plan, tampering).await.expect("settings that are right, and room for a folder")
}
