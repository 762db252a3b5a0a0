//! When the stages run: every schedule's expression, and its next time.
//!
//! Not here: what starts them (`daemon`, `simulate`).

use std::str::FromStr;

use anyhow::Context;
use croner::Cron;
use jiff::{Timestamp, tz::TimeZone};

use crate::{agent::Agent, stage::Stage};

/// How often watched changes are looked at.
const VERIFY_SCHEDULE: &str = "30 */5 * * * *";
/// How often approved recommendations are tried again (a window may have opened).
const BEGIN_SCHEDULE: &str = "15 */5 * * * *";
/// The expression and stage of every schedule.
pub type Schedules = Vec<(String, Stage)>;

/// Every schedule of the settings in force.
#[must_use]
pub fn schedules(agent: &Agent) -> Schedules {
    vec![
        (agent.settings().schedule.cycle.clone(), Stage::Cycle),
        (VERIFY_SCHEDULE.to_owned(), Stage::Verify),
        (BEGIN_SCHEDULE.to_owned(), Stage::Begin),
    ]
}

/// The next time after `now` at which `expression` fires, in UTC.
///
/// # Errors
/// When the expression is wrong or never fires again.
pub fn next_time(expression: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let cron = Cron::from_str(expression)
        .with_context(|| format!("`{expression}` is not a cron expression"))?;
    let next = cron
        .find_next_occurrence(&now.to_zoned(TimeZone::UTC), false)
        .with_context(|| format!("`{expression}` never fires again"))?;
    Ok(next.timestamp())
}
