//! What the journal's records tell: a change begun, its end, and the stop switch.
//!
//! Not here: what is seen by looking (`standing`).

use jiff::Timestamp;
use trimtab_config::NotifyEvent;
use trimtab_policies::{
    book::Book,
    change::{Change, State, StepState},
    operations::FailureKind,
    record::{Entry, Event, Record},
};

use super::notice::Notice;
use crate::words;

/// What record `seq` tells, if it tells anything. `book` may know more than the records up to it.
pub(super) fn notice_of(seq: u64, record: &Record, book: &Book) -> Option<Notice> {
    let at = record.at;
    let key = format!("record:{seq}");
    match &record.entry {
        Entry::Opened { change } => {
            Some(of_change(NotifyEvent::ChangeBegun, "Begun", key, at, change))
        }
        Entry::Change { change_id, event } => {
            let change = book.changes().get(change_id)?;
            let (told, verb, reason) = of_event(event, change)?;
            Some(of_change(told, verb, key, at, change).detail("Reason", reason))
        }
        Entry::Stopped { reason } => {
            let title = format!("The stop switch was set by {}: no change begins", record.by);
            let notice = Notice::new(NotifyEvent::StopSet, key, at, title);
            Some(notice.detail("Reason", reason).path("/"))
        }
        Entry::Resumed => {
            let title = format!("The stop switch was released by {}: changes may begin", record.by);
            Some(Notice::new(NotifyEvent::StopReleased, key, at, title).path("/"))
        }
        Entry::Started { .. }
        | Entry::Configured { .. }
        | Entry::Decided { .. }
        | Entry::Voided { .. }
        | Entry::Excepted { .. }
        | Entry::ExceptionEnded { .. }
        | Entry::CircuitReset { .. }
        | Entry::TokenCreated { .. }
        | Entry::TokenRevoked { .. }
        | Entry::TokenUsed { .. }
        | Entry::Refused { .. } => None,
    }
}

/// What an event of a change tells: how it is called, and why it came.
fn of_event<'a>(event: &'a Event, change: &Change) -> Option<(NotifyEvent, &'static str, &'a str)> {
    match event {
        Event::Finished { state, reason, provisional } => {
            let (told, verb) = of_end(*state, *provisional, change)?;
            Some((told, verb, reason))
        }
        Event::UndoWanted { reason, automatic: false } => {
            Some((NotifyEvent::UndoWanted, "To be taken back, if you say so", reason))
        }
        Event::UndoWanted { automatic: true, .. }
        | Event::Attempted { .. }
        | Event::Accepted { .. }
        | Event::Refused { .. }
        | Event::Done { .. }
        | Event::GaveUp { .. }
        | Event::NextRung { .. }
        | Event::Applied
        | Event::UndoBegun { .. }
        | Event::Measured { .. } => None,
    }
}

fn of_end(state: State, provisional: bool, change: &Change) -> Option<(NotifyEvent, &'static str)> {
    match state {
        State::Kept => (!provisional).then_some((NotifyEvent::ChangeKept, "Kept for good")),
        State::Undone if change.is_unwritten() => Some((NotifyEvent::ChangeUndone, "Not made")),
        State::Undone if was_refused(change) => {
            Some((NotifyEvent::ChangeUndone, "Not made, its first call was refused"))
        }
        State::Undone => Some((NotifyEvent::ChangeUndone, "Taken back")),
        State::Inconclusive => {
            Some((NotifyEvent::ChangeInconclusive, "Inconclusive, please look at it"))
        }
        State::Conflicted => {
            Some((NotifyEvent::ChangeConflicted, "Changed by somebody else meanwhile"))
        }
        State::Stuck => Some((NotifyEvent::ChangeStuck, "Could not be taken back")),
        State::Queued | State::Executing | State::Watching | State::Undoing => None,
    }
}

/// Whether the first call of a change was refused, and nothing else was asked for: there is nothing that was taken back.
fn was_refused(change: &Change) -> bool {
    let mut calls = change.steps.iter().filter(|progress| !progress.step.kind.is_mark());
    let refused = calls.find(|progress| progress.attempts > 0).is_some_and(|first| {
        let failure = first.failure.as_ref();
        first.state == StepState::Failed
            && failure.is_some_and(|failure| failure.kind != FailureKind::Uncertain)
    });
    refused && calls.all(|progress| progress.attempts == 0)
}

/// A notice about a change.
pub(super) fn of_change(
    event: NotifyEvent,
    verb: &str,
    key: String,
    at: Timestamp,
    change: &Change,
) -> Notice {
    let recommendation = &change.recommendation;
    let name = words::name(&recommendation.resource, &recommendation.resource_id);
    let (from, to) = words::from_to(&recommendation.expected, &recommendation.desired);
    let by = change.approver.clone().unwrap_or_else(|| change.mode.to_string());
    let title = format!("{verb}: {} of {name}", recommendation.action);
    Notice::new(event, key, at, title)
        .detail("Change", format!("{from} → {to}"))
        .detail("Saving a month", words::saving(recommendation.saving))
        .detail("Resource", recommendation.resource.arn.0.clone())
        .detail("Approved by", by)
        .path(format!("/changes/{}", change.id))
}
