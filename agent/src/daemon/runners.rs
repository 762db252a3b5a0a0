//! One engine per open change, never two: started for whatever the journal says is open, or still marked.
//!
//! On shutdown an engine stops between two moves, but not while a machine that we stopped is still off, or out of
//! its load balancers.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    agent::Agent,
    engine::{Engine, Until},
    ports::Ports,
};

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
        let stop = self.agent.stop_switch();
        let engine = Engine {
            ledger: &self.agent.ledger,
            stop: &stop,
            end: &self.token,
            until: Until::Unmarked,
        };
        engine.persist(|| self.ports(change_id), change_id).await;
    }

    fn ports(&self, change_id: &str) -> Ports {
        let change = self.agent.ledger().book().changes().get(change_id).cloned();
        change.map_or_else(|| self.agent.ports(), |change| self.agent.ports_of(&change))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
