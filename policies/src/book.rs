//! What the journal's records add up to: changes, approvals, exceptions and tokens.
//!
//! Not here: reading and writing the journal (`trimtab`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    approval::{Decision, Verdict},
    change::Change,
    circuit::Circuit,
    exception::{Ended, Exception, Exceptions},
    record::{Entry, Record},
    token::{Token, Tokens},
};

/// How long it is told who had approved a proposal that is void: a quarter, as long as closed recommendations are shown.
const WONDERED_ABOUT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The fold of all records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Book {
    changes: BTreeMap<String, Change>,
    said: BTreeMap<String, Vec<Decision>>,
    voided: BTreeMap<String, Vec<Decision>>,
    exceptions: Exceptions,
    resets: BTreeMap<Circuit, Timestamp>,
    stopped: Option<String>,
    tokens: Tokens,
}

impl Book {
    /// Every change, open or ended, by id.
    #[must_use]
    pub const fn changes(&self) -> &BTreeMap<String, Change> {
        &self.changes
    }

    /// When a person last reset each circuit.
    #[must_use]
    pub const fn resets(&self) -> &BTreeMap<Circuit, Timestamp> {
        &self.resets
    }

    /// Every token that was ever made, by its visible part.
    #[must_use]
    pub const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Why the stop switch was set, if it was not released since.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// What people have said about a digest since it was last used, in the order in which they said it.
    #[must_use]
    pub fn said(&self, digest: &str) -> &[Decision] {
        self.said.get(digest).map_or(&[], Vec::as_slice)
    }

    /// What people had said about a digest before that became void, for as long as somebody may wonder.
    #[must_use]
    pub fn voided(&self, digest: &str) -> &[Decision] {
        self.voided.get(digest).map_or(&[], Vec::as_slice)
    }

    /// Digests that somebody has approved, whether that counts or not.
    pub fn digests_approved(&self) -> impl Iterator<Item = &str> {
        let some = self.said.iter().filter(|(_, said)| said.iter().any(is_yes));
        some.map(|(digest, _)| digest.as_str())
    }

    /// What people have said is to be left alone, ended or not.
    #[must_use]
    pub const fn exceptions(&self) -> &Exceptions {
        &self.exceptions
    }

    /// Digests with an approval that has not run out; whether as many as it takes have approved is the gate's to say.
    pub fn approved(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let in_force = move |decision: &Decision| {
            is_yes(decision) && decision.until.is_none_or(|until| now < until)
        };
        let some = self.said.iter().filter(move |(_, said)| said.iter().any(in_force));
        some.map(|(digest, _)| digest.as_str())
    }

    /// Folds one record.
    pub fn fold(&mut self, record: &Record) {
        match &record.entry {
            Entry::Opened { change } => {
                // Approvals are used up by the first intent.
                self.said.remove(&change.digest);
                let mut change = (**change).clone();
                // Adopted before it was kept when a change turned back.
                if change.undo_reason.is_some() && !change.gives_way() {
                    change.turned_at.get_or_insert(change.opened_at);
                }
                self.changes.insert(change.id.clone(), change);
            }
            Entry::Change { change_id, event } => {
                if let Some(change) = self.changes.get_mut(change_id) {
                    change.apply(record.at, event);
                }
            }
            Entry::Decided { arn, action, decision, exception, .. } => {
                let older = || Exception::of_rejection(arn, *action, decision);
                self.except(exception.as_deref().cloned().or_else(older));
                self.said.entry(decision.digest.clone()).or_default().push(decision.clone());
            }
            Entry::Voided { digest, .. } => self.void(digest, record.at),
            Entry::Excepted { exception } => self.except(Some(exception.clone())),
            Entry::ExceptionEnded { id } => {
                if let Some(exception) = self.exceptions.get_mut(id) {
                    exception.ended = Some(Ended { by: record.by.clone(), at: record.at });
                }
            }
            Entry::CircuitReset { circuit } => {
                self.resets.insert(circuit.clone(), record.at);
            }
            Entry::Stopped { reason } => self.stopped = Some(reason.clone()),
            Entry::Resumed => self.stopped = None,
            Entry::TokenCreated { token } => {
                let made = Token::made(token.clone(), record.at, &record.by);
                self.tokens.insert(token.id.clone(), made);
            }
            Entry::TokenRevoked { id } => {
                if let Some(token) = self.tokens.get_mut(id) {
                    token.revoked = Some((record.at, record.by.clone()));
                }
            }
            Entry::TokenUsed { id } => {
                if let Some(token) = self.tokens.get_mut(id) {
                    token.used_at = Some(record.at);
                }
            }
            Entry::Started { .. } | Entry::Configured { .. } | Entry::Refused { .. } => {}
        }
    }

    fn except(&mut self, exception: Option<Exception>) {
        let Some(exception) = exception else { return };
        // What nothing rests on any more is in the audit log; the list is of those that matter.
        self.exceptions.retain(|_, other| !other.is_forgotten(exception.at));
        for digest in &exception.voids {
            self.void(digest, exception.at);
        }
        self.exceptions.insert(exception.id.clone(), exception);
    }

    /// What was said about a digest counts no more.
    fn void(&mut self, digest: &str, at: Timestamp) {
        let is_recent = |decision: &Decision| at.duration_since(decision.at) <= WONDERED_ABOUT;
        self.voided.retain(|_, said| said.iter().any(is_recent));
        if let Some(said) = self.said.remove(digest) {
            self.voided.insert(digest.to_owned(), said);
        }
    }
}

fn is_yes(decision: &Decision) -> bool {
    decision.verdict == Verdict::Approved
}

#[cfg(test)]
mod tests {
    use trimtab_models::recommendation::Action;

    use super::*;
    use crate::{
        change::{State, undo_steps},
        exception::About,
        fixtures::{approval, candidate, change, days_ago, in_days, instance, now},
        plan::Candidate,
        record::Event,
    };

    fn of(entry: Entry) -> Record {
        Record { at: now(), by: "ada".to_owned(), entry }
    }

    fn decided(candidate: &Candidate) -> Record {
        of(Entry::Decided {
            recommendation_id: candidate.id.clone(),
            arn: candidate.recommendation.resource.arn.0.clone(),
            action: candidate.recommendation.action,
            decision: approval(candidate),
            record: None,
            exception: None,
        })
    }

    #[test]
    fn what_was_adopted_before_turns_were_kept_has_failed() {
        let candidate = candidate(Action::ResizeInstance, &instance("i-1"));
        let mut change = change(&candidate, "i-1", State::Executing, days_ago(3));
        let (reason, steps) = ("its agent is lost".to_owned(), undo_steps(&change));
        change.apply(days_ago(2), &Event::UndoBegun { reason, steps });
        change.turned_at = None;
        let mut book = Book::default();
        book.fold(&of(Entry::Opened { change: Box::new(change.clone()) }));
        assert_eq!(book.changes()[&change.id].turned_at, Some(days_ago(3)));
    }

    #[test]
    fn what_is_void_does_not_count_again_and_is_told_for_a_while() {
        let approved = candidate(Action::ResizeInstance, &instance("i-1"));
        let digest = approved.digest.clone();
        let about = About::Tag { key: "team".to_owned(), value: "web".to_owned(), action: None };
        let mut exception = Exception::new(about, "bob", now(), in_days(1.0), "month end");
        exception.voids.insert(digest.clone());
        let (recommendation_id, reason) = (approved.id.clone(), "replaced".to_owned());
        let voided = Entry::Voided { recommendation_id, digest: digest.clone(), reason };
        for entry in [voided, Entry::Excepted { exception }] {
            let mut book = Book::default();
            book.fold(&decided(&approved));
            assert_eq!(book.digests_approved().collect::<Vec<_>>(), [digest.as_str()]);
            book.fold(&of(entry));
            assert_eq!((book.said(&digest), book.approved(now()).count()), (&[][..], 0));
            assert_eq!(book.voided(&digest), [approval(&approved)]);
            book.fold(&decided(&approved));
            assert_eq!(book.said(&digest).len(), 1, "a new one counts");
            let later = days_ago(1) + WONDERED_ABOUT + SignedDuration::from_secs(1);
            book.void("another", later);
            assert_eq!(book.voided(&digest), []);
        }
    }
}
