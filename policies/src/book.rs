//! What the journal's records add up to: changes, approvals, rejections and tokens.
//!
//! Not here: reading and writing the journal (`trimtab`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use trimtab_models::{recommendation::Action, resource::Arn};

use crate::{
    approval::{Decision, Verdict},
    change::Change,
    circuit::Circuit,
    record::{Entry, Record},
    token::{Token, Tokens},
};

/// The fold of all records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Book {
    changes: BTreeMap<String, Change>,
    approvals: BTreeMap<String, Decision>,
    rejections: BTreeMap<(Arn, Action), Decision>,
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

    /// The newest word that counts for a recommendation: an approval of exactly this digest, else a rejection that has not ended.
    #[must_use]
    pub fn decision(
        &self,
        digest: &str,
        arn: &Arn,
        action: Action,
        now: Timestamp,
    ) -> Option<&Decision> {
        let rejection = self.rejections.get(&(arn.clone(), action)).filter(|decision| {
            decision.digest == digest || decision.until.is_some_and(|until| now < until)
        });
        let approval = self.approvals.get(digest);
        match (approval, rejection) {
            (Some(approval), Some(rejection)) if rejection.at > approval.at => Some(rejection),
            (Some(approval), _) => Some(approval),
            (None, rejection) => rejection,
        }
    }

    /// Digests whose approval waits to be used and has not run out.
    pub fn approved(&self, now: Timestamp) -> impl Iterator<Item = &str> {
        let in_force = move |decision: &&Decision| decision.until.is_none_or(|until| now < until);
        self.approvals.values().filter(in_force).map(|decision| decision.digest.as_str())
    }

    /// Folds one record.
    pub fn fold(&mut self, record: &Record) {
        match &record.entry {
            Entry::Opened { change } => {
                // An approval is used up by the first intent.
                self.approvals.remove(&change.digest);
                self.changes.insert(change.id.clone(), (**change).clone());
            }
            Entry::Change { change_id, event } => {
                if let Some(change) = self.changes.get_mut(change_id) {
                    change.apply(record.at, event);
                }
            }
            Entry::Decided { arn, action, decision, .. } => match decision.verdict {
                Verdict::Approved => {
                    self.approvals.insert(decision.digest.clone(), decision.clone());
                }
                Verdict::Rejected => {
                    self.approvals.remove(&decision.digest);
                    self.rejections.insert((Arn(arn.clone()), *action), decision.clone());
                }
            },
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
}
