//! Starting the schedules: they only put a stage's name into the queue.
//!
//! Real time is tokio-cron-scheduler's, in UTC; a clock that runs faster has its next times from croner. Not here: windows.

use std::sync::Arc;

use anyhow::Context;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use super::StageQueue;
use crate::{
    ports::Clock,
    schedule::{Schedules, next_time},
    stage::Stage,
};

/// Starts the schedules on the system's clock, in UTC.
///
/// # Errors
/// When an expression is wrong or the scheduler does not start.
pub(super) async fn start_real(
    schedules: &Schedules,
    queue: &Arc<StageQueue>,
) -> anyhow::Result<JobScheduler> {
    let scheduler = JobScheduler::new().await.context("the scheduler does not start")?;
    for (expression, stage) in schedules {
        let (queue, stage) = (Arc::clone(queue), *stage);
        let job =
            Job::new(expression.as_str(), move |_, _| queue.signal(stage)).with_context(|| {
                format!("schedule `{expression}` of `{}` is not a cron expression", stage.as_str())
            })?;
        scheduler.add(job).await.context("a schedule cannot be added")?;
    }
    scheduler.start().await.context("the scheduler does not start")?;
    Ok(scheduler)
}

/// Runs one schedule on a clock of its own until the token is cancelled.
///
/// # Errors
/// When the expression is wrong.
pub(super) async fn run_virtual(
    expression: &str,
    stage: Stage,
    clock: Arc<dyn Clock>,
    queue: Arc<StageQueue>,
    token: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let at = next_time(expression, clock.now())?;
        tokio::select! {
            biased;
            () = token.cancelled() => return Ok(()),
            () = clock.sleep_until(at) => queue.signal(stage),
        }
    }
}
