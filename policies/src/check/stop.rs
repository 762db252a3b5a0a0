//! `stop`: the stop switch is not set.
//!
//! Not here: the switch itself (`trimtab`).

use super::{Reason, Subject, result};
use crate::plan::{CheckName, CheckResult};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let reason = subject
        .context
        .stopped
        .as_ref()
        .map(|by| Reason::wait(None, format!("the stop switch is set: {by}")));
    result(CheckName::Stop, reason, "the stop switch is not set")
}
