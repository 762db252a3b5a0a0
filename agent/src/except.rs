//! Exceptions by themselves: make, renew, end and list them. Each is journalled before it counts.
//!
//! Not here: rejections, which make one on the way (`decide`), who may (`api`), and that the gate honours them
//! (`trimtab_policies`).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_policies::{
    approval::identity,
    book::Book,
    digest::id as id_of,
    exception::{About, Exception, Proposed, reason_bad_end},
    record::Entry,
    window::after_days,
};

use crate::{
    agent::Agent,
    decide::{DecideError, require_short},
    disk::require_room,
    ledger::LedgerError,
    store::Store,
};

/// Exceptions in force by one person: more than anybody can renew or answer for. Each is held against every proposal and kept in
/// memory, so that one token alone must not be able to slow every review.
const OPEN_A_PERSON_MAX: usize = 1_000;

/// An exception as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionView {
    /// The exception.
    #[serde(flatten)]
    pub exception: Exception,
    /// What it is about, in words.
    pub words: String,
    /// Whether it holds now.
    pub is_in_force: bool,
    /// Whether it ends soon or has ended, and somebody should renew it or let it go.
    pub is_due: bool,
    /// How many of the recommendations of the last cycle it withholds.
    pub withholds: u64,
}

/// An exception that begins now, if its end may be.
pub(crate) fn new_exception(
    agent: &Agent,
    about: About,
    (by, now): (&str, Timestamp),
    until: Option<Timestamp>,
    reason: &str,
) -> Result<Exception, DecideError> {
    require_short(reason)?;
    let days = agent.settings().policy.approvals.exception_days;
    let until = until.unwrap_or_else(|| after_days(now, days));
    match reason_bad_end(until, now) {
        Some(bad) => Err(DecideError::Refused(bad)),
        None => Ok(Exception::new(about, by, now, until, reason)),
    }
}

/// Refuses one more exception of somebody who has many. A no to a proposal is none of these: it would be carried out.
pub(crate) fn require_few(book: &Book, exception: &Exception) -> Result<(), DecideError> {
    let is_other = |one: &&Exception| {
        one.id != exception.id
            && one.is_in_force(exception.at)
            && identity(&one.by) == identity(&exception.by)
    };
    if book.exceptions().values().filter(is_other).count() >= OPEN_A_PERSON_MAX {
        return Err(DecideError::Refused(format!(
            "{} has {OPEN_A_PERSON_MAX} exceptions in force: end some of them, or say it once for a tag",
            exception.by
        )));
    }
    Ok(())
}

/// The exception as it may be journalled, with the approved proposals that it voids.
///
/// Those are what it is about now, because a tag that is taken away later must not bring them back. One by a tag is also about
/// what the store does not hold, which nobody can look at.
pub(crate) fn admitted(
    agent: &Agent,
    (store, book): (&Store, &Book),
    mut exception: Exception,
) -> Result<Exception, DecideError> {
    let inventory = agent.inventory();
    let is_by_tag = matches!(exception.about, About::Tag { .. });
    for digest in book.digests_approved() {
        let view = store.recommendation(&id_of(digest))?;
        let is_meant = view
            .map_or(is_by_tag, |view| exception.covers(&Proposed::entry(&view.entry, &inventory)));
        if is_meant {
            exception.voids.insert(digest.to_owned());
        }
    }
    Ok(exception)
}

/// What can wait does not fill a disk on which a change in flight must still be journalled; a no to a recommendation cannot.
fn require_room_to_except(agent: &Agent) -> Result<(), DecideError> {
    let floor = agent.settings().store.min_free_bytes;
    require_room(agent.state_dir(), floor).map_err(LedgerError::Disk)?;
    Ok(())
}

/// Makes an exception.
///
/// # Errors
/// `Invalid` when the reason is too long, `Refused` when its end has passed or is more than a year away or when there are too
/// many, or when it cannot be journalled.
pub fn except(
    agent: &Agent,
    by: &str,
    about: About,
    until: Option<Timestamp>,
    reason: &str,
) -> Result<ExceptionView, DecideError> {
    let now = agent.ports().clock.now();
    let exception = new_exception(agent, about, (by, now), until, reason)?;
    require_room_to_except(agent)?;
    let store = agent.store();
    let mut ledger = agent.ledger();
    require_few(ledger.book(), &exception)?;
    let exception = admitted(agent, (&store, ledger.book()), exception)?;
    ledger.record(now, by, Entry::Excepted { exception: exception.clone() })?;
    drop((ledger, store));
    Ok(view(agent, exception, now))
}

/// Lets an exception hold on, until `until` or for the days that the settings say from now on.
///
/// # Errors
/// `Unknown`, or as [`except`].
pub fn renew(
    agent: &Agent,
    by: &str,
    id: &str,
    until: Option<Timestamp>,
) -> Result<ExceptionView, DecideError> {
    let now = agent.ports().clock.now();
    require_room_to_except(agent)?;
    let store = agent.store();
    let mut ledger = agent.ledger();
    let old = ledger.book().exceptions().get(id).ok_or_else(|| unknown(id))?.clone();
    let new = new_exception(agent, old.about.clone(), (by, now), until, &old.reason)?;
    let exception = Exception { id: old.id, ..new };
    require_few(ledger.book(), &exception)?;
    let exception = admitted(agent, (&store, ledger.book()), exception)?;
    ledger.record(now, by, Entry::Excepted { exception: exception.clone() })?;
    drop((ledger, store));
    Ok(view(agent, exception, now))
}

/// Ends an exception, or lets one go that has ended by itself.
///
/// # Errors
/// `Unknown`, `Refused` when somebody has ended it before, or when it cannot be journalled.
pub fn end(agent: &Agent, by: &str, id: &str) -> Result<ExceptionView, DecideError> {
    let now = agent.ports().clock.now();
    let mut ledger = agent.ledger();
    let old = ledger.book().exceptions().get(id).ok_or_else(|| unknown(id))?;
    if let Some(ended) = &old.ended {
        let why = format!("exception `{id}` was ended by {} on {}", ended.by, ended.at);
        return Err(DecideError::Refused(why));
    }
    ledger.record(now, by, Entry::ExceptionEnded { id: id.to_owned() })?;
    let ended = ledger.book().exceptions().get(id).cloned().ok_or_else(|| unknown(id))?;
    drop(ledger);
    Ok(view(agent, ended, now))
}

/// Every exception that is remembered: those due for review first, then those in force, each by their end.
#[must_use]
pub fn exceptions(agent: &Agent) -> Vec<ExceptionView> {
    let now = agent.ports().clock.now();
    let all: Vec<Exception> = agent.ledger().book().exceptions().values().cloned().collect();
    let all = all.into_iter().filter(|exception| !exception.is_forgotten(now));
    let mut views: Vec<ExceptionView> = all.map(|one| view(agent, one, now)).collect();
    views.sort_by_key(|view| {
        (!view.is_due, !view.is_in_force, view.exception.until, view.exception.id.clone())
    });
    views
}

/// How many exceptions are due for review.
#[must_use]
pub fn due_exceptions(agent: &Agent) -> usize {
    let now = agent.ports().clock.now();
    let ledger = agent.ledger();
    ledger.book().exceptions().values().filter(|exception| exception.is_due(now)).count()
}

fn unknown(id: &str) -> DecideError {
    DecideError::Unknown { what: "exception", id: id.to_owned() }
}

fn view(agent: &Agent, exception: Exception, now: Timestamp) -> ExceptionView {
    let (is_in_force, is_due) = (exception.is_in_force(now), exception.is_due(now));
    let withholds = if is_in_force { withheld(agent, &exception) } else { 0 };
    ExceptionView { words: exception.about.words(), is_in_force, is_due, withholds, exception }
}

/// How many recommendations of the last cycle an exception is about.
fn withheld(agent: &Agent, exception: &Exception) -> u64 {
    let inventory = agent.inventory();
    let last = agent.last_cycle().map(|cycle| cycle.started_at);
    let briefs = agent.briefs();
    let its = briefs.queue().filter(|brief| last.is_some_and(|at| brief.confirmed_at >= at));
    // Only those of resources that it can be about are decoded.
    let its = its.filter(|brief| match &exception.about {
        About::Proposal { digest } => *digest == brief.digest,
        About::Desired { arn, .. } | About::Resource { arn, .. } => *arn == brief.resource.arn,
        About::Tag { key, value, .. } => brief.resource.tags.get(key) == Some(value),
    });
    let views = its.filter_map(|brief| agent.store().recommendation(&brief.id).ok()?);
    views.filter(|view| exception.covers(&Proposed::entry(&view.entry, &inventory))).count() as u64
}
