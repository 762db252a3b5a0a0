//! Reloading: SIGHUP or a changed file; the new settings are validated whole before they replace the old.
//!
//! Not here: what settings mean (`trimtab_config`).

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use trimtab_config::Settings;
use trimtab_models::catalog::Catalog;
use trimtab_policies::record::Entry;

use crate::{
    agent::{Agent, Reach},
    ledger::SELF,
    ports::Ports,
};

/// Editors write a file in several moves: wait until it rests.
const SETTLE: Duration = Duration::from_millis(300);

/// Settings that are connected to the cloud that they name.
#[derive(Clone)]
pub struct Connected {
    /// The settings, completed where the cloud is a simulated one.
    pub settings: Settings,
    /// The ports that they ask for.
    pub ports: Ports,
    /// What reaches changes that those do not.
    pub reach: Option<Reach>,
    /// The catalogue with their prices.
    pub catalog: Catalog,
}

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connected").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Connects settings.
pub type Connect = Arc<dyn Fn(Settings) -> anyhow::Result<Connected> + Send + Sync>;

/// Reads the settings' file again.
pub struct Reloader {
    /// The file.
    pub path: PathBuf,
    /// Connects what it says.
    pub connect: Connect,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A watched file.
#[derive(Debug)]
pub struct Watched {
    _watcher: RecommendedWatcher,
    events: mpsc::Receiver<()>,
}

impl Reloader {
    /// Watches the file's folder, because editors and configuration managers replace files instead of writing them.
    ///
    /// # Errors
    /// When the system cannot watch it.
    pub fn watch(&self) -> anyhow::Result<Watched> {
        let (sender, events) = mpsc::channel(1);
        let name = self.path.file_name().map(std::ffi::OsStr::to_owned);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let ours = event.is_ok_and(|event| {
                    !event.kind.is_access()
                        && event.paths.iter().any(|path| path.file_name() == name.as_deref())
                });
                if ours {
                    // A full channel means that a reload is already asked for.
                    let _ = sender.try_send(());
                }
            })
            .context("the settings' file cannot be watched")?;
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(".".as_ref());
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .with_context(|| format!("`{}` cannot be watched", folder.display()))?;
        Ok(Watched { _watcher: watcher, events })
    }

    /// Loads, validates and puts in force; tells whether it did. A reload that fails keeps the old settings and says so.
    pub async fn reload(&self, agent: &Agent) -> bool {
        match self.try_reload(agent) {
            Ok(()) => {
                tracing::info!(path = %self.path.display(), "the new settings are in force");
                true
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(path = %self.path.display(), error, "the new settings are refused: the old ones stay in force");
                false
            }
        }
    }

    fn try_reload(&self, agent: &Agent) -> anyhow::Result<()> {
        let settings = trimtab_config::load(&self.path, &trimtab_config::environment())?;
        let old = agent.settings();
        anyhow::ensure!(
            settings.agent == old.agent,
            "the section [agent] cannot change while the daemon runs: restart it"
        );
        anyhow::ensure!(
            settings.api.tls.is_some() == old.api.tls.is_some(),
            "TLS cannot begin or end while the daemon runs: restart it"
        );
        let priced_anew = settings.pricing != old.pricing;
        let Connected { settings, ports, reach, catalog } = (self.connect)(settings)?;
        let digest = trimtab_policies::digest::sha256_hex(&format!("{settings:?}"));
        let now = agent.ports().clock.now();
        agent.ledger().record(now, SELF, Entry::Configured { digest })?;
        agent.set_ports(ports);
        agent.set_settings(settings);
        agent.set_reach(reach);
        if priced_anew {
            agent.set_catalog(catalog);
            // The next cycle brings what the cloud itself knows of its types.
            *agent.catalog_refreshed_at() = None;
        }
        Ok(())
    }
}

/// Returns when the watched file has changed and rested; never, where nothing is watched.
pub(super) async fn changed(watched: &mut Option<Watched>) {
    let Some(watched) = watched else { return std::future::pending().await };
    if watched.events.recv().await.is_none() {
        return std::future::pending().await;
    }
    tokio::time::sleep(SETTLE).await;
    while watched.events.try_recv().is_ok() {}
}
