//! `conflict`: nothing that belongs together with the resource is being changed.
//!
//! Not here: what belongs together (`budget`) and how many changes there may be (`blast_radius`).

use super::{Reason, Subject, result};
use crate::plan::{CheckName, CheckResult};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let recommendation = subject.recommendation();
    let reason = subject
        .ledger
        .rival(&recommendation.resource, &recommendation.resource_id)
        .map(|rival| Reason::wait(None, format!("{rival} comes first and has not ended")));
    result(CheckName::Conflict, reason, "nothing related is changing")
}
