//! Goldens of scenarios: the real flow on the simulated account, and what came of it.
//!
//! A golden is written anew with `INSTA_UPDATE=always` and reviewed in the diff. Not here: single rules (they have their own
//! tables), faults (`swarm`) and the wire.

use trimtab::simulate::{Rehearsal, RehearsalReport, RehearsedChange, rehearse};
use trimtab_models::recommendation::Action;
use trimtab_policies::{change::State, mode::Mode};
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
    let report = run("first-look", 7, 4, None).await;
    assert_eq!(report.invariant_violations, Vec::<String>::new());
    assert!(report.changes_applied > 0 && report.saving_usd_monthly.is_positive(), "{report:?}");
    insta::assert_json_snapshot!("first-look", report);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let bytes = |report: RehearsalReport| serde_json::to_string(&report).expect("a report is JSON");
    let first = bytes(run("first-look", 3, 1, None).await);
    assert_eq!(first, bytes(run("first-look", 3, 1, None).await));
    assert_ne!(first, bytes(run("first-look", 4, 1, None).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn datapilot_recommends_and_writes_nothing() {
    let report = run("first-look", 7, 2, Some(Mode::Datapilot)).await;
    assert!(report.recommendations > 20, "{report:?}");
    assert_eq!((report.writes, report.changes_applied), (0, 0));
    assert_eq!(report.invariant_violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saturated_fleet_is_given_more() {
    let report = run("saturated", 7, 2, None).await;
    assert!(report.changes_applied >= 2, "{report:?}");
    let costs_more = |change: &RehearsedChange| {
        change.predicted_saving_usd_monthly.is_some_and(|saving| !saving.is_positive())
    };
    assert!(report.changes.iter().any(costs_more), "more capacity costs more: {report:?}");
    assert_eq!(report.invariant_violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_rolled_to_another_type_and_kept() {
    let report = run("groups", 7, 6, None).await;
    let kept = |change: &&RehearsedChange| change.state == State::Kept;
    let kept: Vec<_> = report.changes.iter().filter(kept).map(|change| change.action).collect();
    let rolled = kept.iter().filter(|action| **action == Action::ResizeGroupInstances).count();
    assert_eq!(rolled, 2, "{report:?}");
    assert_eq!(report.invariant_violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_fleet_is_left_alone() {
    let report = run("steady", 7, 2, None).await;
    assert_eq!((report.writes, report.changes_applied), (0, 0), "{report:?}");
}
