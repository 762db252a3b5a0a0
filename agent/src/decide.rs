//! What people decide: approve, reject, undo, stop, resume, and that a circuit is closed again. Each is journalled before it counts.
//!
//! Not here: who may (`api`) and how it is shown (`web`, `cli`).

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use trimtab_policies::{
    approval::{Decision, Verdict},
    change::{reason_not_undoable, undo_steps},
    circuit::{Circuit, open_circuits},
    plan::{CheckVerdict, Disposition, Moment, PlanEntry},
    record::{Entry, Event},
};

use crate::{
    agent::Agent,
    ledger::LedgerError,
    records::RecordError,
    review::review_one,
    stop::StopError,
    store::StoreError,
    view::{RecommendationState, RecommendationView, held_by},
};

/// Why a decision does not count.
#[derive(Debug, Error)]
pub enum DecideError {
    /// No such recommendation, change or open circuit.
    #[error("there is no {what} `{id}`: list them with `{}`", listing(.what))]
    Unknown {
        /// `recommendation`, `change` or `open circuit`.
        what: &'static str,
        /// The id given.
        id: String,
    },
    /// Policy forbids it.
    #[error("{0}")]
    Refused(String),
    /// The journal.
    #[error("the decision could not be journalled and does not count")]
    Ledger(#[from] LedgerError),
    /// What the decision rests on.
    #[error("the decision could not be recorded and does not count")]
    Record(#[from] RecordError),
    /// The store.
    #[error("the store could not be read")]
    Store(#[from] StoreError),
    /// The stop switch.
    #[error(transparent)]
    Stop(#[from] StopError),
}

fn listing(what: &str) -> String {
    match what {
        "open circuit" => "trimtab circuit".to_owned(),
        other => format!("trimtab {other}s list"),
    }
}

/// An approver's yes.
#[derive(Debug, Clone, Default)]
pub struct Approval {
    /// The digest that the approver saw; a recommendation with another one is not meant.
    pub digest: Option<String>,
    /// A reason.
    pub reason: Option<String>,
    /// Do not wait for quiet time.
    pub now: bool,
    /// Begin at this time instead of a quiet one.
    pub begin_at: Option<Timestamp>,
    /// Take it back without asking again, should it turn out badly.
    pub auto_undo: bool,
}

/// Approves one recommendation after a review on fresh facts. What it waits for is told, not refused.
///
/// # Errors
/// `Refused` when the digest is stale, the mode does not take approvals, or a check fails.
pub async fn approve(
    agent: &Agent,
    id: &str,
    by: &str,
    approval: Approval,
) -> Result<RecommendationView, DecideError> {
    let mut view = open_recommendation(agent, id)?;
    if approval.digest.as_ref().is_some_and(|digest| *digest != view.entry.digest) {
        return Err(DecideError::Refused(format!(
            "recommendation `{id}` has changed since it was shown: look at it again, its digest is {}",
            view.entry.digest
        )));
    }
    if approval.now && approval.begin_at.is_some() {
        return Err(DecideError::Refused(
            "it cannot begin both now and at a later time".to_owned(),
        ));
    }
    let now = agent.ports().clock.now();
    let expiry = agent.settings().policy.approvals.expiry_days * 86_400.0;
    let until = SignedDuration::try_from_secs_f64(expiry)
        .ok()
        .and_then(|expiry| now.checked_add(expiry).ok());
    let decision = Decision {
        digest: view.entry.digest.clone(),
        by: by.to_owned(),
        at: now,
        verdict: Verdict::Approved,
        reason: approval.reason,
        until,
        now: approval.now,
        begin_at: approval.begin_at,
        auto_undo: approval.auto_undo,
    };
    let reviewed = review_one(agent, &view, Moment::Approval, Some(decision.clone())).await;
    if let Some(reason) = reason_not_approvable(&reviewed.entry) {
        return Err(DecideError::Refused(format!(
            "recommendation `{id}` cannot be approved: {reason}"
        )));
    }
    let entry = reviewed.entry.clone();
    let record = reviewed.keep(agent)?;
    journal(agent, &view, by, (decision, Some(record)))?;
    agent.held().remove(&view.entry.id);
    view.entry = entry;
    save(agent, view, (RecommendationState::Approved, format!("approved by {by}")))
}

fn reason_not_approvable(entry: &PlanEntry) -> Option<String> {
    match entry.decision {
        Disposition::AwaitApproval | Disposition::Apply => None,
        Disposition::Recommend => Some(format!(
            "its mode is {} ({}): set copilot for it first",
            entry.mode, entry.mode_reason
        )),
        Disposition::Withheld => {
            let failed = entry.checks.iter().any(|result| result.verdict == CheckVerdict::Fail);
            let held = held_by(entry).join("; ");
            Some(if failed {
                held
            } else {
                format!("its mode is {} ({}), and {held}", entry.mode, entry.mode_reason)
            })
        }
    }
}

/// Rejects one recommendation; with `until`, everything for this resource and action is withheld so long.
///
/// # Errors
/// `Unknown`, or when it cannot be journalled.
pub fn reject(
    agent: &Agent,
    id: &str,
    by: &str,
    reason: String,
    until: Option<Timestamp>,
) -> Result<RecommendationView, DecideError> {
    let view = open_recommendation(agent, id)?;
    let decision = Decision {
        digest: view.entry.digest.clone(),
        by: by.to_owned(),
        at: agent.ports().clock.now(),
        verdict: Verdict::Rejected,
        reason: Some(reason.clone()),
        until,
        now: false,
        begin_at: None,
        auto_undo: false,
    };
    journal(agent, &view, by, (decision, None))?;
    save(agent, view, (RecommendationState::Rejected, format!("rejected by {by}: {reason}")))
}

fn open_recommendation(agent: &Agent, id: &str) -> Result<RecommendationView, DecideError> {
    let view = agent
        .store()
        .recommendation(id)?
        .ok_or_else(|| DecideError::Unknown { what: "recommendation", id: id.to_owned() })?;
    if !view.state.is_open() {
        return Err(DecideError::Refused(format!(
            "recommendation `{id}` is already {}",
            view.state.as_str()
        )));
    }
    Ok(view)
}

fn journal(
    agent: &Agent,
    view: &RecommendationView,
    by: &str,
    (decision, record): (Decision, Option<String>),
) -> Result<(), DecideError> {
    let entry = Entry::Decided {
        recommendation_id: view.entry.id.clone(),
        arn: view.entry.recommendation.resource.arn.0.clone(),
        action: view.entry.recommendation.action,
        decision,
        record,
    };
    agent.ledger().record(agent.ports().clock.now(), by, entry)?;
    Ok(())
}

fn save(
    agent: &Agent,
    view: RecommendationView,
    (state, decided): (RecommendationState, String),
) -> Result<RecommendationView, DecideError> {
    let seq = agent.ledger().last_seq();
    let store = agent.store();
    let view = store.amend_recommendation(view, |view| {
        // A cycle may have found meanwhile that it does not hold any more.
        if view.state.is_open() {
            view.state = state;
        }
        view.decided = Some(decided);
    })?;
    store.commit(seq)?;
    Ok(view)
}

/// Begins to take a change back; the engine does the rest.
///
/// # Errors
/// `Refused` when nothing can be taken back, or the time for it is over.
pub fn undo(agent: &Agent, change_id: &str, by: &str) -> Result<(), DecideError> {
    let now = agent.ports().clock.now();
    let days = agent.settings().policy.approvals.undo_days;
    let mut ledger = agent.ledger();
    let change = ledger
        .book()
        .changes()
        .get(change_id)
        .ok_or_else(|| DecideError::Unknown { what: "change", id: change_id.to_owned() })?;
    if let Some(reason) = reason_not_undoable(change) {
        return Err(DecideError::Refused(reason));
    }
    let applied_at = change.applied_at.unwrap_or(change.opened_at);
    if now.duration_since(applied_at).as_secs_f64() > days * 86_400.0 {
        return Err(DecideError::Refused(format!(
            "change `{change_id}` was made at {applied_at}, more than {days} days ago: change the resource by hand"
        )));
    }
    let event =
        Event::UndoBegun { reason: format!("asked for by {by}"), steps: undo_steps(change) };
    ledger.record(now, by, Entry::Change { change_id: change_id.to_owned(), event })?;
    Ok(())
}

/// Sets the stop switch: no change begins until it is released. What has begun is finished.
///
/// # Errors
/// When the file cannot be written.
pub fn stop(agent: &Agent, by: &str, reason: &str) -> Result<(), DecideError> {
    agent.stop_switch().set(by, reason)?;
    let now = agent.ports().clock.now();
    agent.ledger().record(now, by, Entry::Stopped { reason: reason.to_owned() })?;
    Ok(())
}

/// Closes an open circuit: a person has looked at what went wrong there.
///
/// # Errors
/// `Unknown` when no such circuit is open.
pub fn reset_circuit(agent: &Agent, circuit: Circuit, by: &str) -> Result<(), DecideError> {
    let now = agent.ports().clock.now();
    let mut ledger = agent.ledger();
    let book = ledger.book();
    let autonomy = &agent.settings().policy.autonomy;
    if !open_circuits(book.changes(), book.resets(), autonomy)
        .iter()
        .any(|trip| trip.scope == circuit)
    {
        return Err(DecideError::Unknown { what: "open circuit", id: circuit.to_string() });
    }
    ledger.record(now, by, Entry::CircuitReset { circuit })?;
    Ok(())
}

/// Releases the stop switch.
///
/// # Errors
/// When the file cannot be removed.
pub fn resume(agent: &Agent, by: &str) -> Result<(), DecideError> {
    agent.stop_switch().release()?;
    let now = agent.ports().clock.now();
    agent.ledger().record(now, by, Entry::Resumed)?;
    Ok(())
}
