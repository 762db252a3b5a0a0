//! `quiet_time`: what disrupts waits for the forecast's trough inside a window, unless an approver named another time.
//!
//! Not here: when it is quiet (`crate::quiet`), and windows themselves (`window`).

use jiff::Timestamp;

use super::{Reason, Subject, result};
use crate::{
    budget::is_disruptive,
    plan::{CheckName, CheckResult, Moment},
    quiet::{Quiet, is_within_hour, quiet},
    window::{Opening, after_days, opening},
};

/// How far ahead a quiet hour is looked for where no approval sets an end: a forecast's week.
const WEEK_DAYS: f64 = 7.0;

/// Whether there is anything to wait for: the action disrupts, or an approver named a time.
pub(super) fn applies(subject: &Subject<'_>) -> bool {
    is_disruptive(subject.action()) || subject.standing.begin_at().is_some()
}

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let standing = subject.standing;
    let names = standing.names().join(" and ");
    let first_end = standing.yes.iter().map(|(_, end)| *end).min();
    let end = standing.ends_at().or(first_end);
    let end = end.unwrap_or_else(|| after_days(subject.now(), WEEK_DAYS));
    let (reason, pass) = match standing.begin_at() {
        _ if standing.is_now() => (None, format!("{names} said not to wait for a quiet time")),
        Some(at) if subject.context.moment == Moment::Approval => {
            (reason_no_such_time(subject, at, end).or_else(|| wait_for(subject, at)), on_time(at))
        }
        Some(at) if subject.now() < at => (wait_for(subject, at), String::new()),
        Some(at) if is_within_hour(at, subject.now()) => (None, on_time(at)),
        Some(at) => {
            let (reason, pass) = by_forecast(subject, end);
            let passed =
                |text| format!("the hour from {at} on that {names} named has passed; {text}");
            (reason.map(|reason| Reason { text: passed(reason.text), ..reason }), passed(pass))
        }
        None => by_forecast(subject, end),
    };
    result(CheckName::QuietTime, reason, pass)
}

fn on_time(at: Timestamp) -> String {
    format!("the approver named the hour from {at} on")
}

fn wait_for(subject: &Subject<'_>, at: Timestamp) -> Option<Reason> {
    (subject.now() < at).then(|| Reason::wait(Some(at), on_time(at)))
}

/// Why a change cannot begin at the time that its approver names.
fn reason_no_such_time(subject: &Subject<'_>, at: Timestamp, end: Timestamp) -> Option<Reason> {
    let now = subject.now();
    if at < now && !is_within_hour(at, now) {
        return Some(Reason::fail(format!("{at} has passed")));
    }
    if at >= end {
        return Some(Reason::fail(format!("{at} is not before the approval ends at {end}")));
    }
    match opening(subject.context.policy, &subject.target(), at) {
        Opening::Open { .. } => None,
        Opening::Closed { reason, .. } => {
            Some(Reason::fail(format!("nothing may begin at {at}: {reason}")))
        }
    }
}

fn by_forecast(subject: &Subject<'_>, end: Timestamp) -> (Option<Reason>, String) {
    let forecast = subject.recommendation().evidence.forecast.as_ref();
    let span = (subject.now(), end);
    match quiet(subject.context.policy, &subject.target(), forecast, span) {
        Quiet::Now { reason } | Quiet::Unknown { reason } => (None, reason),
        Quiet::Later { at, reason } => (Some(Reason::wait(Some(at), reason)), String::new()),
    }
}
