//! `expiry`: the proposal was confirmed lately, and the approval is in force or can still be used.
//!
//! Not here: who approved what (`approval`).

use super::{Reason, Subject, result};
use crate::{
    approval::{Word, expires_at, word},
    plan::{CheckName, CheckResult, Moment},
    window::{Opening, after_days, opening},
};

const HOURS_PER_DAY: f64 = 24.0;

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let approvals = &subject.context.policy.approvals;
    let word = word(subject.candidate, approvals, subject.now());
    let reasons =
        [reason_unconfirmed(subject), reason_expired(subject, word), reason_no_window(subject)];
    let pass = match word {
        Word::Approved(decision) => {
            let end = expires_at(decision, approvals);
            format!("approved by {} until {end}", decision.by)
        }
        Word::Expired(decision, end) => {
            format!("the approval of {} expired at {end}: a new one is needed", decision.by)
        }
        Word::None | Word::Rejected(_) => "confirmed lately".to_owned(),
    };
    result(CheckName::Expiry, reasons.into_iter().flatten(), pass)
}

fn reason_unconfirmed(subject: &Subject<'_>) -> Option<Reason> {
    let hours = subject.context.policy.approvals.plan_expiry_hours;
    let confirmed_at = subject.candidate.confirmed_at;
    let end = after_days(confirmed_at, hours / HOURS_PER_DAY);
    (subject.now() > end)
        .then(|| Reason::fail(format!("last confirmed at {confirmed_at}, more than {hours} h ago")))
}

/// An expired approval is as good as none for a proposal, which then waits for a new one; nothing begins on it.
fn reason_expired(subject: &Subject<'_>, word: Word<'_>) -> Option<Reason> {
    match (subject.context.moment, word) {
        (Moment::FirstWrite, Word::Expired(decision, end)) => {
            Some(Reason::fail(format!("the approval of {} expired at {end}", decision.by)))
        }
        (Moment::Proposal | Moment::Approval | Moment::FirstWrite, _) => None,
    }
}

/// An approval that could never be used is refused when it is given.
fn reason_no_window(subject: &Subject<'_>) -> Option<Reason> {
    match subject.context.moment {
        Moment::Approval => {}
        Moment::Proposal | Moment::FirstWrite => return None,
    }
    let policy = subject.context.policy;
    let end = match word(subject.candidate, &policy.approvals, subject.now()) {
        Word::Approved(decision) => expires_at(decision, &policy.approvals),
        Word::None | Word::Expired(..) | Word::Rejected(_) => {
            after_days(subject.now(), policy.approvals.expiry_days)
        }
    };
    match opening(policy, &subject.target(), subject.now()) {
        Opening::Open { .. } => None,
        Opening::Closed { until: Some(until), .. } if until < end => None,
        Opening::Closed { reason, .. } => Some(Reason::fail(format!(
            "no window opens before the approval would expire at {end} ({reason})"
        ))),
    }
}
