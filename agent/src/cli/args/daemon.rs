//! Arguments of the commands that are a daemon themselves, or a part of one.
//!
//! Not here: the commands that ask one (`args`).

use std::path::PathBuf;

use clap::Args as ClapArgs;
use trimtab_policies::mode::Mode;

use super::values::{mode, speed};

/// The seed of the demo; the same account at each start.
const DEMO_SEED: u64 = 7;
/// The port of the API and the page.
const DEFAULT_PORT: u16 = 8470;
/// The demo's pace: an hour a second.
const DEMO_SPEED: f64 = 3_600.0;

/// Arguments of `demo`.
#[derive(Debug, Clone, ClapArgs)]
pub struct DemoArgs {
    /// The seed of the simulated account.
    #[arg(long, default_value_t = DEMO_SEED)]
    pub seed: u64,
    /// The port of the page; 0 takes a free one.
    #[arg(long, default_value_t = DEFAULT_PORT)]
    pub port: u16,
    /// Simulated seconds in a real one, 1 to 604800.
    #[arg(long, default_value_t = DEMO_SPEED, value_parser = speed)]
    pub speed: f64,
}

/// Arguments of `account`.
#[derive(Debug, Clone, ClapArgs)]
pub struct AccountArgs {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// The socket to serve at; nothing may be there yet.
    #[arg(long)]
    pub socket: PathBuf,
    /// The seed of the account.
    #[arg(long, default_value_t = DEMO_SEED)]
    pub seed: u64,
    /// Simulated seconds in a real one, 1 to 604800.
    #[arg(long, default_value_t = DEMO_SPEED, value_parser = speed)]
    pub speed: f64,
}

/// Arguments of `simulate`.
#[derive(Debug, Clone, ClapArgs)]
pub struct SimulateArgs {
    /// The scenario's file; a swarm draws fleets and settings of its own without one.
    #[arg(required_unless_present = "swarm")]
    pub scenario: Option<PathBuf>,
    /// Run so many short rehearsals from the seed on, each with faults drawn from its own seed.
    #[arg(long, value_name = "SEEDS", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "mode")]
    pub swarm: Option<u64>,
    /// The seed, instead of the scenario's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Days to simulate, instead of the scenario's.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub days: Option<u32>,
    /// The default mode, instead of the scenario's.
    #[arg(long, value_parser = mode)]
    pub mode: Option<Mode>,
}
