//! What people decide: approve, reject, undo, stop, resume, and that a circuit is closed again. Each is journalled before it counts.
//!
//! Not here: who may (`api`), exceptions by themselves (`except`) and how it is shown (`web`, `cli`).

use jiff::Timestamp;
use thiserror::Error;
use trimtab_models::resource::ResourceRef;
use trimtab_policies::{
    approval::{Decision, Verdict, reason_no_right},
    book::Book,
    change::{Change, reason_not_undoable, undo_steps},
    circuit::{Circuit, open_circuits},
    exception::{About, Exception, Proposed},
    plan::{CheckVerdict, Disposition, Moment, PlanEntry},
    record::{Entry, Event},
    window::after_days,
};

use crate::{
    agent::Agent,
    except::{admitted, new_exception, require_few},
    ledger::{Ledger, LedgerError},
    records::RecordError,
    review::review_one,
    stop::StopError,
    store::StoreError,
    told::{excepted, standing_of, told},
    view::{RecommendationState, RecommendationView, held_by},
};

/// The longest reason, characters: a page of text. Each is kept for good and read by everybody; what is longer belongs where it
/// can be linked to.
pub const REASON_CHARS_MAX: usize = 2_000;

/// Refuses a reason that is too long to be kept.
pub(crate) fn require_short(reason: &str) -> Result<(), DecideError> {
    reason_too_long(reason).map_or(Ok(()), |why| Err(DecideError::Invalid(why)))
}

/// Why a reason cannot be kept, if it is too long.
#[must_use]
pub fn reason_too_long(reason: &str) -> Option<String> {
    let chars = reason.chars().count();
    (chars > REASON_CHARS_MAX).then(|| {
        format!("the reason has {chars} characters, more than {REASON_CHARS_MAX}: say it shorter, or where the rest stands")
    })
}

/// Why a decision does not count.
#[derive(Debug, Error)]
pub enum DecideError {
    /// No such recommendation, change, open circuit or exception.
    #[error("there is no {what} `{id}`: list them with `{}`", listing(.what))]
    Unknown {
        /// `recommendation`, `change`, `open circuit` or `exception`.
        what: &'static str,
        /// The id given.
        id: String,
    },
    /// Policy forbids it.
    #[error("{0}")]
    Refused(String),
    /// It cannot be kept as it was asked for.
    #[error("{0}")]
    Invalid(String),
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
        "exception" => "trimtab exceptions".to_owned(),
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
/// `Invalid` when the reason is too long; `Refused` when the digest is stale, the mode does not take approvals, or a check fails.
pub async fn approve(
    agent: &Agent,
    id: &str,
    by: &str,
    approval: Approval,
) -> Result<RecommendationView, DecideError> {
    require_short(approval.reason.as_deref().unwrap_or_default())?;
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
    if let Some(reason) = reason_no_vote(agent, &agent.ledger(), (&view.entry, None), (by, now)) {
        return Err(DecideError::Refused(format!("recommendation `{id}`: {reason}")));
    }
    let decision = Decision {
        digest: view.entry.digest.clone(),
        by: by.to_owned(),
        at: now,
        verdict: Verdict::Approved,
        reason: approval.reason,
        until: Some(after_days(now, agent.settings().policy.approvals.expiry_days)),
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
    let (entry, live) = (reviewed.entry.clone(), reviewed.live.clone());
    let record = reviewed.keep(agent)?;
    let told = {
        let store = agent.store();
        let mut ledger = agent.ledger();
        // A cycle may have closed it during the review: nothing may be left over for its return.
        require_open(store.recommendation(id)?.as_ref().unwrap_or(&view))?;
        let (settings, inventory) = (agent.settings(), agent.inventory());
        // An exception that was made during the review could void only what had been approved by then.
        let proposed = Proposed { live: live.as_ref(), ..Proposed::entry(&entry, &inventory) };
        if let Some(exception) = excepted(ledger.book(), proposed, now) {
            let words = exception.words();
            return Err(DecideError::Refused(format!("recommendation `{id}`: {words}")));
        }
        // Somebody else, or the same person twice at once, may have been faster during the review.
        if let Some(reason) = reason_no_vote(agent, &ledger, (&entry, live.as_ref()), (by, now)) {
            return Err(DecideError::Refused(format!("recommendation `{id}`: {reason}")));
        }
        ledger.record(now, by, decided(&entry, decision, (Some(record), None)))?;
        told(ledger.book(), &settings.policy.approvals, Proposed::entry(&entry, &inventory), now)
    };
    agent.held().remove(&view.entry.id);
    view.entry = entry;
    let state = if told.is_approved {
        RecommendationState::Approved
    } else {
        RecommendationState::AwaitingApproval
    };
    let words = told.words.unwrap_or_else(|| format!("approved by {by}"));
    Ok(save(agent, view, (state, words)))
}

/// Why a yes of this person does not count on top of what was said: given before, not needed any more, used up already, or not
/// theirs to give with the tags that the resource has now.
fn reason_no_vote(
    agent: &Agent,
    ledger: &Ledger,
    (entry, live): (&PlanEntry, Option<&ResourceRef>),
    (by, now): (&str, Timestamp),
) -> Option<String> {
    let book = ledger.book();
    if let Some(change) = under_way(book, &entry.digest) {
        return Some(format!("change `{}` is carrying it out already", change.id));
    }
    let (settings, inventory) = (agent.settings(), agent.inventory());
    let approvals = &settings.policy.approvals;
    let proposed = Proposed { live, ..Proposed::entry(entry, &inventory) };
    let standing = standing_of(book, approvals, proposed, now);
    if standing.is_approved() {
        let names = standing.names().join(" and ");
        return Some(format!("it is approved by {names} already, as it needs"));
    }
    let Some(earlier) = standing.of(by) else {
        let why = reason_no_right(&approvals.approvers, by, &proposed)?;
        return Some(format!("the approval of {by} {why}"));
    };
    let needs =
        standing.quorum().map_or_else(String::new, |quorum| format!(": {}", quorum.words()));
    Some(format!("{} approved it on {}, and nobody approves twice{needs}", earlier.by, earlier.at))
}

/// The change that carries a proposal out, if one does.
fn under_way<'a>(book: &'a Book, digest: &str) -> Option<&'a Change> {
    book.changes().values().find(|change| change.digest == digest && change.state.in_flight())
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

/// An approver's no, and what is left alone from then on.
#[derive(Debug, Clone, Default)]
pub struct Rejection {
    /// Why.
    pub reason: String,
    /// Until when; without it for the days that the settings say.
    pub until: Option<Timestamp>,
    /// Everything that carries this tag is meant, by key and value, for the same action.
    pub tag: Option<(String, String)>,
}

/// Rejects one recommendation: an exception with an end. Without a date it is about this size for this resource, with one
/// about whatever is proposed for the resource by the same action, with a tag about every resource that carries it.
///
/// # Errors
/// `Unknown`, `Refused` when the end or the tag cannot be meant, or when it cannot be journalled. `Refused` also where a change
/// has just begun: the exception then holds for what is proposed after it.
pub fn reject(
    agent: &Agent,
    id: &str,
    by: &str,
    rejection: Rejection,
) -> Result<RecommendationView, DecideError> {
    let view = open_recommendation(agent, id)?;
    let now = agent.ports().clock.now();
    let recommendation = &view.entry.recommendation;
    let about = match rejection.tag {
        None => About::rejected(recommendation, rejection.until.is_some()),
        Some((key, value)) if recommendation.resource.tags.get(&key) == Some(&value) => {
            About::Tag { key, value, action: Some(recommendation.action) }
        }
        Some((key, value)) => {
            return Err(DecideError::Refused(format!(
                "{} does not carry the tag {key} = {value}: name one that it carries",
                recommendation.resource.arn
            )));
        }
    };
    let exception = new_exception(agent, about, (by, now), rejection.until, &rejection.reason)?;
    let decision = Decision {
        digest: view.entry.digest.clone(),
        by: by.to_owned(),
        at: now,
        verdict: Verdict::Rejected,
        reason: Some(rejection.reason),
        until: Some(exception.until),
        now: false,
        begin_at: None,
        auto_undo: false,
    };
    let told = exception.words();
    let begun = {
        let store = agent.store();
        let mut ledger = agent.ledger();
        if matches!(exception.about, About::Tag { .. }) {
            require_few(ledger.book(), &exception)?;
        }
        let exception = admitted(agent, (&store, ledger.book()), exception)?;
        let begun = under_way(ledger.book(), &view.entry.digest).map(|change| change.id.clone());
        ledger.record(now, by, decided(&view.entry, decision, (None, Some(exception))))?;
        begun
    };
    match begun {
        Some(change) => Err(DecideError::Refused(format!(
            "recommendation `{id}`: change `{change}` is under way already, and this no holds only for what comes after it: \
             once it is watched, `trimtab changes undo {change}` takes it back"
        ))),
        None => Ok(save(agent, view, (RecommendationState::Rejected, told))),
    }
}

fn open_recommendation(agent: &Agent, id: &str) -> Result<RecommendationView, DecideError> {
    let view = agent
        .store()
        .recommendation(id)?
        .ok_or_else(|| DecideError::Unknown { what: "recommendation", id: id.to_owned() })?;
    require_open(&view)?;
    Ok(view)
}

fn require_open(view: &RecommendationView) -> Result<(), DecideError> {
    let (id, state) = (&view.entry.id, view.state);
    if state.is_open() {
        return Ok(());
    }
    Err(DecideError::Refused(format!("recommendation `{id}` is already {}", state.as_str())))
}

fn decided(
    entry: &PlanEntry,
    decision: Decision,
    (record, exception): (Option<String>, Option<Exception>),
) -> Entry {
    Entry::Decided {
        recommendation_id: entry.id.clone(),
        arn: entry.recommendation.resource.arn.0.clone(),
        action: entry.recommendation.action,
        decision,
        record,
        exception: exception.map(Box::new),
    }
}

/// Shows what was decided. It stands in the journal already, so that a store that fails takes nothing back: the next cycle shows
/// it.
fn save(
    agent: &Agent,
    mut view: RecommendationView,
    (state, decided): (RecommendationState, String),
) -> RecommendationView {
    let amend = |view: &mut RecommendationView| {
        // A cycle may have found meanwhile that it does not hold any more.
        if view.state.is_open() {
            view.state = state;
        }
        view.decided = Some(decided.clone());
    };
    let seq = agent.ledger().last_seq();
    let store = agent.store();
    let saved = store.amend_recommendation(view.clone(), amend);
    match saved.and_then(|saved| store.commit(seq).map(|()| saved)) {
        Ok(saved) => saved,
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::error!(
                recommendation = view.entry.id,
                error,
                "a decision stands in the journal and could not be stored: it is shown after the next cycle"
            );
            amend(&mut view);
            view
        }
    }
}

/// Refuses while another change is at work on the same resource: the two would write over each other.
pub(crate) fn require_no_other(book: &Book, change: &Change) -> Result<(), DecideError> {
    let arn = &change.recommendation.resource.arn;
    let mut open = book.changes().values().filter(|it| it.state.is_open() && it.id != change.id);
    match open.find(|other| other.recommendation.resource.arn == *arn) {
        None => Ok(()),
        Some(other) => Err(DecideError::Refused(format!(
            "change `{}` of this agent is at work on {arn}: wait until it has ended",
            other.id
        ))),
    }
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
    require_no_other(ledger.book(), change)?;
    let event =
        Event::UndoBegun { reason: format!("asked for by {by}"), steps: undo_steps(change) };
    ledger.record(now, by, Entry::Change { change_id: change_id.to_owned(), event })?;
    Ok(())
}

/// Sets the stop switch: no change begins until it is released. What has begun is finished.
///
/// One that is set and journalled stays as it is, with the first reason. No reason is too long for it: the rest is cut off.
///
/// # Errors
/// When the file cannot be written.
pub fn stop(agent: &Agent, by: &str, reason: &str) -> Result<(), DecideError> {
    let reason: String = match reason_too_long(reason) {
        Some(_) => reason.chars().take(REASON_CHARS_MAX).chain("… (cut off)".chars()).collect(),
        None => reason.to_owned(),
    };
    let switch = agent.stop_switch();
    // One that cannot be looked at is written all the same: then it is there, or the error is told.
    let is_set = || switch.path().try_exists().unwrap_or(false);
    let was_set = is_set();
    if !was_set {
        switch.set(by, &reason)?;
    }
    let now = agent.ports().clock.now();
    let mut ledger = agent.ledger();
    // Nobody releases it from here on; somebody may just have.
    if !is_set() {
        switch.set(by, &reason)?;
    }
    if !was_set || ledger.book().stopped().is_none() {
        ledger.record(now, by, Entry::Stopped { reason })?;
    }
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

/// Releases the stop switch. What cannot be journalled leaves it set; one that is not set is left as it is.
///
/// # Errors
/// When the release cannot be journalled, or the file cannot be removed.
pub fn resume(agent: &Agent, by: &str) -> Result<(), DecideError> {
    let now = agent.ports().clock.now();
    let switch = agent.stop_switch();
    let mut ledger = agent.ledger();
    if switch.reason().is_some() || ledger.book().stopped().is_some() {
        ledger.record(now, by, Entry::Resumed)?;
    }
    switch.release()?;
    Ok(())
}

#[cfg(test)]
mod tests;
