//! `step_size`: one decision lowers a capacity only so far, whatever the evidence says.
//!
//! Not here: whether the capacity suffices (`trimtab-models`).

use super::{Reason, Subject, is_below, result};
use crate::plan::{CheckName, CheckResult};

/// Ratios are quotients of whole sizes: differences below this are rounding.
const ROUNDING: f64 = 1e-9;

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let ratio = subject.recommendation().evidence.capacity_ratio;
    let most = subject.context.policy.evidence.max_step_ratio;
    let reason = is_below(ratio, 1.0 - most - ROUNDING).then(|| {
        Reason::fail(format!(
            "lowers a capacity to {:.0} %, by more than {:.0} %",
            ratio * 100.0,
            most * 100.0
        ))
    });
    let pass = format!("the smallest capacity becomes {:.0} %", ratio * 100.0);
    result(CheckName::StepSize, reason, pass)
}
