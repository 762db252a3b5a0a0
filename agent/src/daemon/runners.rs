//! One engine per open change, never two: started for whatever the journal says is open, or still marked.
//!
//! On shutdown an engine stops between two moves, but not while a machine that we stopped is still off, or out of
//! its load balancers.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use trimtab_policies::change::Change;

use crate::{
    agent::Agent,
    execute::{Advance, Alert, advance},
    ports::Ports,
};

/// The pause after a journal that could not be written.
const JOURNAL_PAUSE: Duration = Duration::from_secs(5);

/// The engines that run.
#[derive(Debug)]
pub struct Runners {
    agent: Arc<Agent>,
    running: Mutex<BTreeSet<String>>,
    tracker: TaskTracker,
    token: CancellationToken,
}

impl Runners {
    /// No engine yet.
    #[must_use]
    pub fn new(agent: Arc<Agent>, token: CancellationToken) -> Arc<Self> {
        Arc::new(Self { agent, running: Mutex::default(), tracker: TaskTracker::new(), token })
    }

    /// Starts an engine for every change that has work and no engine.
    pub fn ensure(self: &Arc<Self>) {
        let open: Vec<String> = {
            let ledger = self.agent.ledger();
            let changes = ledger.book().changes().values();
            changes.filter(|change| change.has_work()).map(|change| change.id.clone()).collect()
        };
        for change_id in open {
            if self.lock().insert(change_id.clone()) {
                let runners = Arc::clone(self);
                self.tracker.spawn(async move {
                    runners.drive(&change_id).await;
                    runners.lock().remove(&change_id);
                });
            }
        }
    }

    /// Waits until every engine has come to rest, after the token was cancelled.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// How many engines run.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    async fn drive(&self, change_id: &str) {
        let (mut alert, stop) = (Alert::default(), self.agent.stop_switch());
        loop {
            if self.token.is_cancelled() && !self.owes_service(change_id) {
                return;
            }
            let ports = self.ports(change_id);
            let advanced = advance(&ports, &self.agent.ledger, &stop, change_id).await;
            alert.look(&self.agent.ledger, change_id, ports.clock.now());
            let wake_at = match advanced {
                Ok(Advance::WakeAt(at)) => at,
                Ok(Advance::Resting(_)) => return,
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::error!(
                        change = change_id,
                        error,
                        "a change cannot go on, because nothing can be journalled"
                    );
                    tokio::time::sleep(JOURNAL_PAUSE).await;
                    continue;
                }
            };
            if self.owes_service(change_id) {
                ports.clock.sleep_until(wake_at).await;
                continue;
            }
            tokio::select! {
                biased;
                () = self.token.cancelled() => return,
                () = ports.clock.sleep_until(wake_at) => {}
            }
        }
    }

    fn ports(&self, change_id: &str) -> Ports {
        let change = self.agent.ledger().book().changes().get(change_id).cloned();
        change.map_or_else(|| self.agent.ports(), |change| self.agent.ports_of(&change))
    }

    fn owes_service(&self, change_id: &str) -> bool {
        let ledger = self.agent.ledger();
        ledger
            .book()
            .changes()
            .get(change_id)
            .is_some_and(|change| change.state.is_open() && Change::owes_service(change))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
