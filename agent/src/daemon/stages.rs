//! The queue of stages, with one slot per stage, and the one worker that runs them in order.
//!
//! A schedule that fires while its stage still waits changes nothing: no second copy ever runs.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Runners;
use crate::{
    agent::Agent,
    begin::begin_approved,
    cycle::{Begin, run_cycle},
    stage::Stage,
    verify::verify_all,
};

/// The queue.
#[derive(Debug, Default)]
pub struct StageQueue {
    waiting: Mutex<BTreeSet<Stage>>,
    notify: Notify,
}

impl StageQueue {
    /// Asks for a stage.
    pub fn signal(&self, stage: Stage) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(stage);
        self.notify.notify_one();
    }

    async fn next(&self) -> Stage {
        loop {
            if let Some(stage) =
                self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
            {
                return stage;
            }
            self.notify.notified().await;
        }
    }
}

/// Runs stages until the token is cancelled. A stage that is cut off leaves only derived state behind, and an intent
/// that it journalled is carried out all the same.
pub async fn work(
    agent: Arc<Agent>,
    queue: Arc<StageQueue>,
    runners: Arc<Runners>,
    token: CancellationToken,
) {
    loop {
        let stage = tokio::select! {
            biased;
            () = token.cancelled() => return,
            stage = queue.next() => stage,
        };
        tokio::select! {
            biased;
            () = token.cancelled() => {}
            () = run(&agent, stage) => {}
        }
        runners.ensure();
    }
}

/// Runs one stage; one that fails is reported and tried again at its next tick.
pub async fn run(agent: &Agent, stage: Stage) {
    let failed = match stage {
        Stage::Verify => verify_all(agent).await.err().map(anyhow::Error::from),
        Stage::Begin => begin_approved(agent).await.err().map(anyhow::Error::from),
        Stage::Cycle => run_cycle(agent, Begin::Allowed).await.err().map(anyhow::Error::from),
    };
    if let Some(error) = failed {
        tracing::error!(
            stage = stage.as_str(),
            error = format!("{error:#}"),
            "a stage failed and is tried again later"
        );
    }
}
