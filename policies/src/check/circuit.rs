//! `circuit`: too much went wrong where the change would happen.
//!
//! An open circuit lowers the mode, and the lowered mode decides; this check tells of it. Not here: when a circuit opens
//! (`crate::circuit`).

use super::{Subject, result};
use crate::plan::{CheckName, CheckResult};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let open = subject.trips.iter().filter(|trip| trip.covers(subject.recommendation()));
    let told: Vec<String> =
        open.map(|trip| format!("{} at most, because {}", trip.mode, trip.reason())).collect();
    let pass = if told.is_empty() { "no circuit is open".to_owned() } else { told.join("; ") };
    result(CheckName::Circuit, None, pass)
}
