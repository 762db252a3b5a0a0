//! `expiry`: the proposal was confirmed lately, and the approval is in force or can still be used.
//!
//! Not here: who approved what (`approval`).

use super::{Reason, Subject, result};
use crate::{
    approval::{Lapsed, Standing},
    plan::{CheckName, CheckResult, Moment},
    window::{Opening, after_days, opening},
};

const HOURS_PER_DAY: f64 = 24.0;

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let reasons = [reason_unconfirmed(subject), reason_lapsed(subject), reason_no_window(subject)];
    result(CheckName::Expiry, reasons.into_iter().flatten(), told(subject.standing))
}

/// Who has approved it until when, who is missing, and whose yes does not count any more.
fn told(standing: &Standing<'_>) -> String {
    let mut told = Vec::new();
    let names = standing.names().join(" and ");
    if let Some(end) = standing.ends_at() {
        told.push(format!("approved by {names} until {end}"));
    } else if let Some(quorum) = standing.quorum() {
        told.push(quorum.words());
    }
    told.extend(standing.lapsed.iter().map(|one| format!("{}: a new one is needed", lapse(one))));
    if told.is_empty() { "confirmed lately".to_owned() } else { told.join("; ") }
}

fn lapse(lapsed: &Lapsed<'_>) -> String {
    format!("the approval of {} {}", lapsed.decision.by, lapsed.why)
}

fn reason_unconfirmed(subject: &Subject<'_>) -> Option<Reason> {
    let hours = subject.context.policy.approvals.plan_expiry_hours;
    let confirmed_at = subject.candidate.confirmed_at;
    let end = after_days(confirmed_at, hours / HOURS_PER_DAY);
    (subject.now() > end)
        .then(|| Reason::fail(format!("last confirmed at {confirmed_at}, more than {hours} h ago")))
}

/// An approval that does not count is as good as none for a proposal, which then waits for a new one; nothing begins on it.
fn reason_lapsed(subject: &Subject<'_>) -> Option<Reason> {
    match subject.context.moment {
        Moment::FirstWrite => {}
        Moment::Proposal | Moment::Approval => return None,
    }
    let standing = subject.standing;
    let lapsed: Vec<String> = standing.lapsed.iter().map(lapse).collect();
    (!standing.is_approved() && !lapsed.is_empty()).then(|| Reason::fail(lapsed.join("; ")))
}

/// An approval that could never be used is refused when it is given.
fn reason_no_window(subject: &Subject<'_>) -> Option<Reason> {
    match subject.context.moment {
        Moment::Approval => {}
        Moment::Proposal | Moment::FirstWrite => return None,
    }
    let policy = subject.context.policy;
    let expiry_days = policy.approvals.expiry_days;
    let end = subject.standing.ends_at();
    let end = end.unwrap_or_else(|| after_days(subject.now(), expiry_days));
    match opening(policy, &subject.target(), subject.now()) {
        Opening::Open { .. } => None,
        Opening::Closed { until: Some(until), .. } if until < end => None,
        Opening::Closed { reason, .. } => Some(Reason::fail(format!(
            "no window opens before the approval would expire at {end} ({reason})"
        ))),
    }
}
