//! The demo: the whole daemon on the embedded scenario, with time sped up and the page open to whoever started it.
//!
//! Not here: anything that the real daemon does not do as well.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use trimtab_models::catalog::Catalog;
use trimtab_simulations::{
    scenario::{FIRST_LOOK, Scenario},
    world::World,
};

use crate::{
    agent::Agent,
    clock::FastClock,
    daemon::{self, Options},
    ports::Clock,
    simulate::scenario_settings,
    simulated::Simulated,
};

/// How the demo runs.
#[derive(Debug, Clone, Copy)]
pub struct Demo {
    /// The seed of the simulated account.
    pub seed: u64,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Simulated seconds in a real one.
    pub speed: f64,
}

/// Runs the demo until it is told to end. `ready` is told the page's address.
///
/// # Errors
/// When the port is taken or no temporary folder can be made.
pub async fn run(demo: Demo, ready: impl FnOnce(SocketAddr)) -> anyhow::Result<()> {
    let scenario = Scenario::parse(FIRST_LOOK)?;
    let state = tempfile::tempdir().context("no temporary folder can be made")?;
    let settings = scenario_settings(&scenario, state.path(), None)?;
    let address = SocketAddr::from(([127, 0, 0, 1], demo.port));
    let listener = tokio::net::TcpListener::bind(address).await.with_context(|| {
        format!("{address} cannot be listened on: stop what uses the port, or give another --port")
    })?;
    let clock: Arc<dyn Clock> = Arc::new(FastClock::new(scenario.start, demo.speed));
    let world = World::new(&scenario, demo.seed, Catalog::embedded());
    let ports = Simulated::new(world, clock).ports();
    let agent = Arc::new(Agent::open(settings, ports, Catalog::embedded())?);
    ready(listener.local_addr()?);
    daemon::run(agent, Options { listener, open_page: true, virtual_time: true, reloader: None })
        .await
}
