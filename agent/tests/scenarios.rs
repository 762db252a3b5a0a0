//! Goldens of scenarios: the real flow on the simulated account, and what came of it.
//!
//! Not here: single rules (they have their own tables) and the wire.

use trimtab::simulate::{Rehearsal, RehearsalReport, rehearse};
use trimtab_policies::mode::Mode;
use trimtab_simulations::scenario::Scenario;

async fn run(name: &str, seed: u64, days: u32, mode: Option<Mode>) -> RehearsalReport {
    let path = format!("{}/../simulations/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a shipped scenario");
    let scenario = Scenario::parse(&text).expect("a scenario that is read");
    rehearse(&scenario, Rehearsal { seed, days, mode }, |_| {})
        .await
        .expect("a rehearsal that ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_look_saves_and_breaks_nothing() {
    let report = run("first-look", 7, 3, None).await;
    assert_eq!(report.invariant_violations, Vec::<String>::new());
    assert!(report.changes_applied > 0, "{report:#?}");
}
