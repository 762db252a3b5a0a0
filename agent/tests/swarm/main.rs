//! Swarm: seeded runs with faults and deaths, and checkers at every move; and proof that the checkers can fail.
//!
//! `TRIMTAB_SWARM_SEEDS=N` runs N seeds of each swarm instead of those that fit into everybody's test run,
//! `TRIMTAB_SWARM_SEED=N` only that one. Not here: single rules (their tables) and the wire.

mod adopt;
mod balancer;
mod bench;
mod broken;
mod crash;
mod faults;
mod pipeline;
mod quiet;
mod saga;
mod stop;
mod telemetry;
mod whole;

/// The seeds to run.
#[expect(clippy::disallowed_methods, reason = "a test run is steered by its environment only")]
pub(crate) fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse().ok());
    match number("TRIMTAB_SWARM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TRIMTAB_SWARM_SEEDS").unwrap_or(usual),
    }
}

/// Says what was covered, also where the test runner keeps what a test prints to itself.
pub(crate) fn tell(text: &str) {
    use std::io::Write as _;
    writeln!(std::io::stdout().lock(), "{text}").expect("the test's output can be written");
}
