//! The daemon's shell: open engines first, then schedules, the API, reloads, and an orderly end.
//!
//! Not here: the flow (`cycle`) and how a change moves (`execute`).

mod reload;
mod runners;
mod schedule;
mod stages;

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use trimtab_policies::record::Entry;

pub use reload::{Connect, Connected, Reloader};
pub use runners::Runners;
pub use stages::{StageQueue, run as run_stage, work};

use crate::{
    agent::Agent,
    api::{ApiState, Tls, router, serve_with},
    ending,
    ledger::SELF,
    notify,
    schedule::schedules,
    stage::Stage,
};

/// How long open connections may take after the last answer.
const SERVER_GRACE: Duration = Duration::from_secs(5);

/// How a daemon runs.
pub struct Options {
    /// The address to listen on.
    pub listener: tokio::net::TcpListener,
    /// Whether whoever reaches the page on loopback is the operator (the demo).
    pub open_page: bool,
    /// Whether schedules follow the agent's clock instead of the system's.
    pub virtual_time: bool,
    /// What reloads the settings, for a daemon with a file.
    pub reloader: Option<Reloader>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("open_page", &self.open_page).finish_non_exhaustive()
    }
}

/// Runs until SIGTERM or SIGINT. Machines that we stopped run again before it returns; a second signal exits at once.
///
/// # Errors
/// When something cannot be started.
pub async fn run(agent: Arc<Agent>, options: Options) -> anyhow::Result<()> {
    let token = CancellationToken::new();
    ending::listen(token.clone())?;
    let queue = Arc::new(StageQueue::default());
    let runners = Runners::new(Arc::clone(&agent), token.clone());
    if agent.read_only().is_none() {
        journal_start(&agent)?;
    }
    // What an earlier process began is finished before anything new is looked at.
    runners.ensure();
    let state = api_state(&agent, &queue, &runners, options.open_page)?;
    let tls = tls_of(&agent)?;
    let end = token.clone().cancelled_owned();
    let server = tokio::spawn(serve_with(options.listener, router(state), tls.clone(), end));
    let worker = tokio::spawn(stages::work(
        Arc::clone(&agent),
        Arc::clone(&queue),
        Arc::clone(&runners),
        token.clone(),
    ));
    let notifications = tokio::spawn(notify::run(Arc::clone(&agent), token.clone()));
    let mut scheduler = Scheduling::start(&agent, &queue, &token, options.virtual_time).await?;
    queue.signal(Stage::Cycle);
    notify_systemd(&[sd_notify::NotifyState::Ready]);
    let watchdog = tokio::spawn(watchdog(token.clone()));
    let reloading = options.reloader.map(|reloader| (reloader, tls));
    wait_for_end(&agent, &queue, &token, reloading, &mut scheduler).await?;
    notify_systemd(&[sd_notify::NotifyState::Stopping]);
    tracing::info!(
        engines = runners.count(),
        "ending: nothing new begins, stopped machines are brought back"
    );
    worker.await.context("the worker panicked")?;
    runners.wait().await;
    if tokio::time::timeout(SERVER_GRACE, server).await.is_err() {
        tracing::warn!("open connections were cut off");
    }
    if tokio::time::timeout(SERVER_GRACE, notifications).await.is_err() {
        tracing::warn!("messages are left for the next start");
    }
    scheduler.stop().await;
    watchdog.abort();
    let seq = agent.ledger().last_seq();
    agent.series_mut().flush().context("the series could not be made durable")?;
    agent.store().commit(seq).context("the store could not be made durable")?;
    tracing::info!("ended");
    Ok(())
}

fn journal_start(agent: &Agent) -> anyhow::Result<()> {
    let entry = Entry::Started { version: env!("CARGO_PKG_VERSION").to_owned() };
    let now = agent.ports().clock.now();
    agent.ledger().record(now, SELF, entry).context("the start could not be journalled")?;
    Ok(())
}

fn api_state(
    agent: &Arc<Agent>,
    queue: &Arc<StageQueue>,
    runners: &Arc<Runners>,
    open_page: bool,
) -> anyhow::Result<ApiState> {
    let (queue, runners) = (Arc::clone(queue), Arc::clone(runners));
    ApiState::new(
        Arc::clone(agent),
        Arc::new(move |stage| queue.signal(stage)),
        Arc::new(move || runners.ensure()),
        open_page,
    )
    .context("the operator token cannot be read or made")
}

/// The certificate of the settings, where they name one.
fn tls_of(agent: &Agent) -> anyhow::Result<Option<Arc<Tls>>> {
    let files = agent.settings().api.tls.clone();
    let loaded = files.map(|files| Tls::load(&files)).transpose();
    Ok(loaded.context("TLS cannot be served")?.map(Arc::new))
}

/// Takes a renewed certificate; one that cannot be used leaves the old one in use.
fn renew(agent: &Agent, tls: Option<&Tls>) {
    let files = agent.settings().api.tls.clone();
    let (Some(tls), Some(files)) = (tls, files) else { return };
    match tls.renew(&files) {
        Ok(()) => tracing::info!("the certificate was read again"),
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::error!(error, "the new certificate is refused: the old one stays in use");
        }
    }
}

fn notify_systemd(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// Tells systemd's watchdog that the runtime still turns, where one is set.
async fn watchdog(token: CancellationToken) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval(period / 2);
    while !token.is_cancelled() {
        ticks.tick().await;
        notify_systemd(&[sd_notify::NotifyState::Watchdog]);
    }
}

/// The running schedules, on whichever clock.
enum Scheduling {
    Real(tokio_cron_scheduler::JobScheduler),
    Virtual(CancellationToken),
}

impl Scheduling {
    async fn start(
        agent: &Agent,
        queue: &Arc<StageQueue>,
        token: &CancellationToken,
        virtual_time: bool,
    ) -> anyhow::Result<Self> {
        let schedules = schedules(agent);
        if !virtual_time {
            return Ok(Self::Real(schedule::start_real(&schedules, queue).await?));
        }
        let own = token.child_token();
        for (expression, stage) in schedules {
            let (clock, queue, token) = (agent.ports().clock, Arc::clone(queue), own.clone());
            tokio::spawn(async move {
                if let Err(error) =
                    schedule::run_virtual(&expression, stage, clock, queue, token).await
                {
                    tracing::error!(error = format!("{error:#}"), "a schedule ended");
                }
            });
        }
        Ok(Self::Virtual(own))
    }

    async fn stop(&mut self) {
        match self {
            Self::Real(scheduler) => {
                if let Err(error) = scheduler.shutdown().await {
                    tracing::debug!(%error, "the scheduler did not stop in order");
                }
            }
            Self::Virtual(token) => token.cancel(),
        }
    }
}

/// Serves reloads until the end is asked for.
async fn wait_for_end(
    agent: &Arc<Agent>,
    queue: &Arc<StageQueue>,
    token: &CancellationToken,
    reloading: Option<(Reloader, Option<Arc<Tls>>)>,
    scheduling: &mut Scheduling,
) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be listened to")?;
    let reloader = reloading.as_ref().map(|(reloader, _)| reloader);
    let mut changed = reloader.map(Reloader::watch).transpose()?;
    loop {
        tokio::select! {
            biased;
            () = token.cancelled() => return Ok(()),
            _ = hangup.recv() => {}
            () = reload::changed(&mut changed) => {}
        }
        let Some((reloader, tls)) = &reloading else { continue };
        if reloader.reload(agent).await {
            renew(agent, tls.as_deref());
            scheduling.stop().await;
            *scheduling = Scheduling::start(
                agent,
                queue,
                token,
                matches!(scheduling, Scheduling::Virtual(_)),
            )
            .await?;
            queue.signal(Stage::Cycle);
        }
    }
}
