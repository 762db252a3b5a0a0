//! Schedules: they only put a stage's name into the queue.
//!
//! Real time is tokio-cron-scheduler's, in UTC; a clock that runs faster has its next times from croner. Not here: windows.

use std::{str::FromStr, sync::Arc};

use anyhow::Context;
use croner::Cron;
use jiff::{Timestamp, tz::TimeZone};
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use super::StageQueue;
use crate::{ports::Clock, stage::Stage};

/// The expression and stage of every schedule.
pub type Schedules = Vec<(String, Stage)>;

/// Starts the schedules on the system's clock, in UTC.
///
/// # Errors
/// When an expression is wrong or the scheduler does not start.
pub async fn start_real(schedules: &Schedules, queue: &Arc<StageQueue>) -> anyhow::Result<JobScheduler> {
    let scheduler = JobScheduler::new().await.context("the scheduler does not start")?;
    for (expression, stage) in schedules {
        let (queue, stage) = (Arc::clone(queue), *stage);
        let job = Job::new(expression.as_str(), move |_, _| queue.signal(stage))
            .with_context(|| format!("schedule `{expression}` of `{}` is not a cron expression", stage.as_str()))?;
        scheduler.add(job).await.context("a schedule cannot be added")?;
    }
    scheduler.start().await.context("the scheduler does not start")?;
    Ok(scheduler)
}

/// Runs one schedule on a clock of its own until the token is cancelled.
///
/// # Errors
/// When the expression is wrong.
pub async fn run_virtual(
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

/// The next time after `now` at which `expression` fires, in UTC.
///
/// # Errors
/// When the expression is wrong or never fires again.
pub fn next_time(expression: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let cron = Cron::from_str(expression).with_context(|| format!("`{expression}` is not a cron expression"))?;
    let next = cron
        .find_next_occurrence(&now.to_zoned(TimeZone::UTC), false)
        .with_context(|| format!("`{expression}` never fires again"))?;
    Ok(next.timestamp())
}
