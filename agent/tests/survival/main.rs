//! Survival: the real process killed at random moments beside an account that goes on living, and state folders as a loss
//! of power, a bad disk or a full one would leave them.
//!
//! `TRIMTAB_KILLS=N` kills N times instead of the few that fit into everybody's test run. Not here: deaths between two
//! moves of the engine, which the swarm finds faster.

mod campaign;
mod disk;
mod power;
mod process;
mod witness;

/// A number that the environment may raise.
#[expect(clippy::disallowed_methods, reason = "a test run is steered by its environment only")]
pub(crate) fn asked(name: &str, usual: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
