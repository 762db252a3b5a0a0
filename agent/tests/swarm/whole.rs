//! The whole agent's swarm: fleets, settings, people and faults drawn from the seed, the real flow, and the checkers at
//! every move.
//!
//! Not here: one change alone (`faults`) and deaths at every point of it (`crash`).

use trimtab::swarm::{Tampering, run, swarm};
use trimtab_models::catalog::Catalog;
use trimtab_simulations::swarm::Plan;

use crate::{seeds, tell};

#[test]
fn no_seed_breaks_a_promise() {
    let (catalog, seeds) = (Catalog::embedded(), seeds(500));
    let plan_of = |seed| Plan::of(seed, &catalog);
    let report = swarm(seeds.end - seeds.start, seeds.start, &plan_of, &|_| {})
        .expect("settings that are right, and room for a folder");
    assert!(report.failing.is_empty(), "{:#?}", report.failing);
    tell(&format!(
        "{} seeds: {} changes begun, {} applied, {} writes, {} deaths; {:.0} seeds per minute",
        report.seeds,
        report.changes,
        report.applied,
        report.writes,
        report.deaths,
        report.seeds_per_minute
    ));
    if report.seeds >= 100 {
        let least = report.seeds / 4;
        assert!(report.applied >= least, "a swarm in which nothing is applied tests nothing");
        assert!(report.deaths >= least / 4, "a swarm in which nothing dies tests nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    let catalog = Catalog::embedded();
    for seed in [3, 5, 11, 42] {
        let plan = Plan::of(seed, &catalog);
        let first = run(&plan, &Tampering::default()).await.expect("a run that ends");
        let second = run(&plan, &Tampering::default()).await.expect("a run that ends");
        assert!(!first.trace.is_empty(), "seed {seed} leaves a trace");
        assert_eq!(first, second, "seed {seed}");
    }
}
