//! `window`: inside an allowed window and outside every freeze.
//!
//! Not here: the calendar itself (the crate's `window`).

use super::{Reason, Subject, result};
use crate::{
    plan::{CheckName, CheckResult},
    window::{Opening, opening},
};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    match opening(subject.context.policy, &subject.target(), subject.now()) {
        Opening::Open { reason } => result(CheckName::Window, None, reason),
        Opening::Closed { until, reason } => {
            result(CheckName::Window, Some(Reason::wait(until, reason)), "")
        }
    }
}
