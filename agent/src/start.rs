//! Starting: from settings to ports, catalogue and an open agent; `run` and `once`.
//!
//! Not here: the daemon's loop (`daemon`) and the command line's words (`cli`).

use std::{path::Path, sync::Arc};

use anyhow::Context;
#[cfg(feature = "aws")]
use trimtab_config::Trust;
use trimtab_config::{Account, Cloud, Settings};
use trimtab_models::catalog::Catalog;
use trimtab_simulations::{scenario::Scenario, world::World};

use crate::{
    agent::{Agent, OpenError, Reach},
    clock::{FastClock, RealClock},
    connection::Connection,
    cycle::{Begin, run_cycle},
    daemon::{self, Connect, Connected, Options, Reloader},
    journal::JournalError,
    ledger::LedgerError,
    ports::{Clock, Ports},
    served,
    simulated::Simulated,
    store::StoreError,
    view::PlanView,
};

#[cfg(feature = "aws")]
use crate::connection::{Answers, Asked, judge};

/// The share of each API's rate that a change takes whose settings are gone: the settings' own default.
#[cfg(feature = "aws")]
const MAX_RATE_RATIO: f64 = 0.2;

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

/// Connects settings to the cloud that they name.
///
/// # Errors
/// When the scenario or the price file cannot be read, or this build has no AWS.
pub fn connect(settings: Settings) -> anyhow::Result<Connected> {
    let catalog = catalog(&settings)?;
    match settings.cloud.clone() {
        Cloud::Aws { endpoint_url } => {
            let ports = aws_ports(&settings, endpoint_url.clone())?;
            Ok(Connected { settings, ports, reach: reach(endpoint_url), catalog })
        }
        Cloud::Simulated { scenario, seed, time_factor } => {
            let scenario = read_scenario(&scenario)?;
            let settings = completed(settings, &scenario.account, &scenario.regions);
            let clock: Arc<dyn Clock> = Arc::new(FastClock::new(scenario.start, time_factor));
            let world = World::new(&scenario, seed, catalog.clone());
            let ports = Simulated::new(world, clock).ports();
            Ok(Connected { settings, ports, reach: None, catalog })
        }
        Cloud::Served { socket } => {
            let (ports, hello) = served::connect(&socket).with_context(|| {
                format!(
                    "no account is served at `{}`: start `trimtab account` first",
                    socket.display()
                )
            })?;
            let settings = completed(settings, &hello.account, &hello.regions);
            Ok(Connected { settings, ports, reach: None, catalog })
        }
    }
}

/// Connects changed settings to a simulated account that goes on living: it is in memory only.
fn reconnect(settings: Settings, old: &Connected) -> anyhow::Result<Connected> {
    let Cloud::Simulated { scenario, .. } = &settings.cloud else { return connect(settings) };
    anyhow::ensure!(
        settings.cloud == old.settings.cloud,
        "the section [cloud] of a simulated account cannot change while the daemon runs: restart it"
    );
    let catalog = catalog(&settings)?;
    let scenario = read_scenario(scenario)?;
    let settings = completed(settings.clone(), &scenario.account, &scenario.regions);
    Ok(Connected { settings, catalog, ..old.clone() })
}

fn read_scenario(path: &Path) -> anyhow::Result<Scenario> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the scenario `{}` cannot be read", path.display()))?;
    Scenario::parse(&text).with_context(|| format!("`{}`", path.display()))
}

/// The settings with the simulation's own account, which its scenario names.
fn completed(settings: Settings, account: &String, regions: &[String]) -> Settings {
    let mut settings = settings.with_simulated_accounts(std::slice::from_ref(account));
    if settings.accounts.is_empty() {
        settings.accounts.push(crate::simulate::account_of(account, regions));
    }
    settings
}

/// Ports on AWS, with writes only where some mode asks for them.
#[cfg(feature = "aws")]
fn aws_ports(settings: &Settings, endpoint_url: Option<String>) -> anyhow::Result<Ports> {
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let aws = aws(settings, endpoint_url, &clock);
    let act = settings.may_write().then(|| aws.act());
    Ok(Ports { observe: aws.observe(), act, clock })
}

#[cfg(feature = "aws")]
fn aws(
    settings: &Settings,
    endpoint_url: Option<String>,
    clock: &Arc<dyn Clock>,
) -> crate::aws::Aws {
    use crate::aws::{AccountAccess, Aws, AwsSettings};
    let accounts = settings.accounts.iter().map(|account| AccountAccess {
        id: account.id.clone(),
        role_arn: account.role_arn.clone(),
        apply_role_arn: account.apply_role_arn.clone(),
        external_id: account.external_id.clone(),
        regions: account.regions.clone(),
    });
    let settings = AwsSettings {
        endpoint_url,
        accounts: accounts.collect(),
        max_rate_ratio: settings.collect.max_rate_ratio,
    };
    Aws::new(settings, Arc::clone(clock))
}

/// What the connections to these accounts of the settings come to; all at once, so that none waits for another.
///
/// # Errors
/// When the settings name no AWS, or this build has none.
#[cfg(feature = "aws")]
pub async fn connections(
    settings: &Settings,
    accounts: &[Account],
) -> anyhow::Result<Vec<Connection>> {
    let Cloud::Aws { endpoint_url } = &settings.cloud else {
        anyhow::bail!("`[cloud] provider` is not \"aws\": a simulated account has no roles")
    };
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let aws = aws(settings, endpoint_url.clone(), &clock);
    let asking = accounts.iter().map(async |account| {
        // Whoever is in the organization needs no id, and nobody else gets in by one.
        let strangers = account.trust == Trust::ExternalId;
        let answers = aws.connection(&account.id, strangers).await;
        let answers = answers.unwrap_or_else(Answers::none);
        judge(&Asked::of(settings, account), &answers, clock.now())
    });
    Ok(futures::future::join_all(asking).await)
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "the build with AWS awaits its answers")]
pub async fn connections(_: &Settings, _: &[Account]) -> anyhow::Result<Vec<Connection>> {
    anyhow::bail!("this build has no AWS: build it with its default features")
}

#[cfg(not(feature = "aws"))]
fn aws_ports(_: &Settings, _: Option<String>) -> anyhow::Result<Ports> {
    let _clock = RealClock;
    anyhow::bail!(
        "this build has no AWS: build it with its default features, or set `[cloud] provider = \"simulated\"`"
    )
}

/// What reaches the account of a change as its intent recorded it, whatever the settings say by now.
#[cfg(feature = "aws")]
pub(crate) fn reach(endpoint_url: Option<String>) -> Option<Reach> {
    use crate::aws::{AccountAccess, Aws, AwsSettings};
    Some(Arc::new(move |change| {
        let clock: Arc<dyn Clock> = Arc::new(RealClock);
        let (resource, access) = (&change.recommendation.resource, &change.access);
        let account = AccountAccess {
            id: resource.account.clone(),
            role_arn: access.role_arn.clone(),
            apply_role_arn: access.apply_role_arn.clone(),
            external_id: access.external_id.clone(),
            regions: vec![resource.region.clone()],
        };
        let aws = Aws::new(
            AwsSettings {
                endpoint_url: endpoint_url.clone(),
                accounts: vec![account],
                max_rate_ratio: MAX_RATE_RATIO,
            },
            Arc::clone(&clock),
        );
        Ports { observe: aws.observe(), act: Some(aws.act()), clock }
    }))
}

#[cfg(not(feature = "aws"))]
pub(crate) fn reach(_: Option<String>) -> Option<Reach> {
    None
}

/// Runs the daemon of a configuration file until it is told to end.
///
/// # Errors
/// When something cannot be started: a wrong file, a folder in use, a port taken.
pub async fn run(path: &Path, settings: Settings) -> anyhow::Result<()> {
    let listen = settings.agent.listen;
    let connected = connect(settings)?;
    let Connected { settings, ports, reach, catalog } = connected.clone();
    let virtual_time = !matches!(settings.cloud, Cloud::Aws { .. });
    let agent = Arc::new(Agent::open(settings, ports, catalog)?);
    agent.set_reach(reach);
    let listener = tokio::net::TcpListener::bind(listen).await.with_context(|| {
        format!(
            "`agent.listen` {listen} cannot be listened on: stop what uses the port, or set another"
        )
    })?;
    tracing::info!(%listen, state_dir = %agent.state_dir().display(), "trimtab runs");
    let connect: Connect = Arc::new(move |settings| reconnect(settings, &connected));
    let reloader = Some(Reloader { path: path.to_owned(), connect });
    daemon::run(agent, Options { listener, open_page: false, virtual_time, reloader }).await
}

/// Runs one cycle without any writes. Beside a running daemon it works on a copy of the daemon's points.
///
/// # Errors
/// When the state can neither be opened nor copied, or the cycle cannot keep what it saw.
pub async fn once(settings: Settings) -> anyhow::Result<PlanView> {
    let Connected { mut settings, mut ports, catalog, .. } = connect(settings)?;
    ports.act = None;
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
        || matches!(error, OpenError::Ledger(error) if is_locked(error))
}

/// Whether another process uses the journal.
pub(crate) const fn is_locked(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Journal(JournalError::Locked { .. }))
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
            // What is copied while it is written may be behind the mark.
            if entry.file_name() != "LOCK" && entry.file_name() != "HEAD" {
                std::fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
    }
    Ok(copy)
}
