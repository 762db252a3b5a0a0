//! What the journal's records add up to: changes, approvals, exceptions and tokens.
//!
//! Not here: reading and writing the journal (`trimtab`).

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    approval::{Decision, Verdict},
    change::Change,
    circuit::Circuit,
    exception::{Ended, Exception, Exceptions},
    record::{Entry, Record},
    token::{Token, Tokens},
};

/// The fold of all records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Book {
    changes: BTreeMap<String, Change>,
    said: BTreeMap<String, Vec<Decision>>,
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

    /// What people have said is to be left alone, ended or not.
    #[must_use]
    pub const fn exceptions(&self) -> &Exceptions {
        &self.exceptions
    }

    /// Digests with an approval that has not run out; whether as many as it takes have approved is the gate's to say.
    pub fn approved(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let in_force = move |decision: &Decision| {
            decision.verdict == Verdict::Approved && decision.until.is_none_or(|until| now < until)
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
                self.changes.insert(change.id.clone(), (**change).clone());
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
        self.exceptions.insert(exception.id.clone(), exception);
    }
}
