//! Starting: from settings to ports, catalogue and an open agent; `run` and `once`.
//!
//! Not here: the daemon's loop (`daemon`) and the command line's words (`cli`).

use std::{path::Path, sync::Arc};

use anyhow::Context;
use trimtab_config::{Cloud, Settings};
use trimtab_models::catalog::Catalog;
use trimtab_simulations::{scenario::Scenario, world::World};

use crate::{
    agent::{Agent, OpenError},
    clock::{FastClock, RealClock},
    cycle::{Begin, run_cycle},
    daemon::{self, Options, PortsFactory, Reloader},
    ports::{Clock, Ports},
    simulated::Simulated,
    store::StoreError,
    view::PlanView,
};

/// The catalogue that the settings ask for: the embedded one, with the user's prices over it.
///
/// # Errors
/// When the price file cannot be read.
pub fn catalog(settings: &Settings) -> anyhow::Result<Catalog> {
    let embedded = Catalog::embedded();
    let Some(path) = &settings.pricing.file else { return Ok(embedded) };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the price file `{}` cannot be read", path.display()))?;
    let rows = trimtab_models::catalog::parse_price_file(&text)
        .with_context(|| format!("the price file `{}` is wrong", path.display()))?;
    Ok(embedded.with_prices(rows))
}

/// Settings, completed where the cloud is a simulated one, with its ports and whether its time is virtual.
///
/// # Errors
/// When the scenario cannot be read, or this build has no AWS.
pub fn connect(mut settings: Settings) -> anyhow::Result<(Settings, Ports, bool)> {
    match settings.cloud.clone() {
        Cloud::Aws { endpoint_url } => {
            let ports = aws_ports(&settings, endpoint_url, settings.may_write())?;
            Ok((settings, ports, false))
        }
        Cloud::Simulated { scenario, seed, time_factor } => {
            let text = std::fs::read_to_string(&scenario)
                .with_context(|| format!("the scenario `{}` cannot be read", scenario.display()))?;
            let scenario =
                Scenario::parse(&text).with_context(|| format!("`{}`", scenario.display()))?;
            settings = settings.with_simulated_accounts(std::slice::from_ref(&scenario.account));
            if settings.accounts.is_empty() {
                settings.accounts.push(crate::simulate::account_of(&scenario));
            }
            let clock: Arc<dyn Clock> = Arc::new(FastClock::new(scenario.start, time_factor));
            let world = World::new(&scenario, seed, catalog(&settings)?);
            Ok((settings, Simulated::new(world, clock).ports(), true))
        }
    }
}

/// Ports on AWS, with writes only where they are asked for.
#[cfg(feature = "aws")]
fn aws_ports(
    settings: &Settings,
    endpoint_url: Option<String>,
    write: bool,
) -> anyhow::Result<Ports> {
    use crate::aws::{AccountAccess, Aws, AwsSettings};
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let accounts = settings.accounts.iter().map(|account| AccountAccess {
        id: account.id.clone(),
        role_arn: account.role_arn.clone(),
        apply_role_arn: account.apply_role_arn.clone(),
        external_id: account.external_id.clone(),
        regions: account.regions.clone(),
    });
    let aws = Aws::new(
        AwsSettings {
            endpoint_url,
            accounts: accounts.collect(),
            max_rate_ratio: settings.collect.max_rate_ratio,
        },
        Arc::clone(&clock),
    );
    let act = write.then(|| aws.act());
    Ok(Ports { observe: aws.observe(), act, clock })
}

#[cfg(not(feature = "aws"))]
fn aws_ports(_: &Settings, _: Option<String>, _: bool) -> anyhow::Result<Ports> {
    let _clock = RealClock;
    anyhow::bail!(
        "this build has no AWS: build it with its default features, or set `[cloud] provider = \"simulated\"`"
    )
}

/// Runs the daemon of a configuration file until it is told to end.
///
/// # Errors
/// When something cannot be started: a wrong file, a folder in use, a port taken.
pub async fn run(path: &Path, settings: Settings) -> anyhow::Result<()> {
    let listen = settings.agent.listen;
    let (settings, ports, virtual_time) = connect(settings)?;
    let catalog = catalog(&settings)?;
    let agent = Arc::new(Agent::open(settings, ports, catalog)?);
    keep_writing_for_open_changes(&agent)?;
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| {
        format!(
            "`agent.listen` {listen} cannot be listened on: stop what uses the port, or set another"
        )
    })?;
    tracing::info!(%listen, state_dir = %agent.state_dir().display(), "trimtab runs");
    let factory: PortsFactory =
        Arc::new(|settings| connect(settings.clone()).map(|(_, ports, _)| ports));
    // A simulated account lives in memory: a reload would begin it anew.
    let reloader = (!virtual_time).then(|| Reloader { path: path.to_owned(), ports: factory });
    daemon::run(agent, Options { listener, open_page: false, virtual_time, reloader }).await
}

/// A change that has begun is finished, or undone, even when the settings allow no writes any more.
fn keep_writing_for_open_changes(agent: &Agent) -> anyhow::Result<()> {
    let open = agent.ledger().book().changes().values().any(|change| change.state.is_open());
    if open && agent.ports().act.is_none() {
        let settings = agent.settings();
        if let Cloud::Aws { endpoint_url } = &settings.cloud {
            agent.set_ports(aws_ports(&settings, endpoint_url.clone(), true)?);
        }
    }
    Ok(())
}

/// Runs one cycle without any writes. Beside a running daemon it works on a copy of the daemon's points.
///
/// # Errors
/// When the state can neither be opened nor copied, or the cycle cannot keep what it saw.
pub async fn once(settings: Settings) -> anyhow::Result<PlanView> {
    let (mut settings, mut ports, _) = connect(settings)?;
    ports.act = None;
    let catalog = catalog(&settings)?;
    let copy;
    let agent = match Agent::open(settings.clone(), ports.clone(), catalog.clone()) {
        Err(error) if is_in_use(&error) => {
            copy = snapshot(&settings.agent.state_dir)?;
            copy.path().clone_into(&mut settings.agent.state_dir);
            tracing::info!("a daemon uses the state folder: this cycle works on a copy");
            Agent::open(settings, ports, catalog)?
        }
        other => other?,
    };
    Ok(run_cycle(&agent, Begin::Never).await?)
}

fn is_in_use(error: &OpenError) -> bool {
    matches!(error, OpenError::Store(StoreError::Locked(_)))
        || matches!(
            error,
            OpenError::Ledger(crate::ledger::LedgerError::Journal(
                crate::journal::JournalError::Locked { .. }
            ))
        )
}

/// Copies the journal and the points of a running daemon into a folder of its own. What is written meanwhile may be cut off
/// at the end, which opening mends as after a crash.
fn snapshot(state_dir: &Path) -> anyhow::Result<tempfile::TempDir> {
    let copy = tempfile::tempdir().context("no temporary folder can be made")?;
    for part in ["journal", "series"] {
        let (from, to) = (state_dir.join(part), copy.path().join(part));
        std::fs::create_dir_all(&to)?;
        for entry in std::fs::read_dir(&from)
            .with_context(|| format!("`{}` cannot be read", from.display()))?
        {
            let entry = entry?;
            if entry.file_name() != "LOCK" {
                std::fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
    }
    Ok(copy)
}
