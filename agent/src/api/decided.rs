//! Who decided what in a time, from the journal's files.
//!
//! Not here: the rest of the report (`report`).

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::recommendation::Action;
use trimtab_policies::{
    approval::{Decision, Verdict},
    record::{Entry, Event, Record},
};

use crate::{
    agent::Agent,
    journal::{ChainError, Journal},
    ledger::SELF,
};

/// The newest decisions that a report tells one by one; all are counted, and the audit log has each.
const TOLD: usize = 20;

/// What people decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decided {
    /// How many decisions there were.
    pub total: u64,
    /// By person.
    pub people: Vec<PersonLine>,
    /// The newest of them, newest first.
    pub newest: Vec<DecisionLine>,
}

/// What one person decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PersonLine {
    /// Who, as records name them.
    pub by: String,
    /// Recommendations that they approved.
    pub approved: u64,
    /// Recommendations that they rejected.
    pub rejected: u64,
    /// How many of those rejections are exceptions: they hold until a date, for whatever is proposed there.
    pub exceptions: u64,
    /// Changes that they took back.
    pub undone: u64,
    /// Times that they set or released the stop switch, or closed a circuit.
    pub switched: u64,
    /// Tokens that they made or revoked.
    pub tokens: u64,
    /// What they asked for and were refused.
    pub refused: u64,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionLine {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// `approved`, `rejected`, `excepted`, `exception-ended`, `undo`, `stop`, `resume`, `circuit-reset`, `token-created`,
    /// `token-revoked` or `refused`.
    pub what: String,
    /// The resource, change, circuit, token, or what was asked for; none for the stop switch.
    pub about: Option<String>,
    /// The action that was decided on.
    pub action: Option<Action>,
    /// The reason given.
    pub reason: Option<String>,
    /// Until when a rejection or an exception holds.
    pub until: Option<Timestamp>,
}

/// What people decided since then.
///
/// # Errors
/// When the journal's files cannot be read, or are not whole.
pub(super) fn decided(agent: &Agent, since: Timestamp) -> Result<Decided, ChainError> {
    let mut tally = Tally::default();
    Journal::read(&agent.state_dir().join("journal"), |_, _, payload| {
        // A record of another version decides nothing that this one could name.
        if let Ok(record) = serde_json::from_slice::<Record>(payload)
            && record.at >= since
            && let Some(line) = line(&record)
        {
            tally.count(line);
        }
    })?;
    Ok(tally.told())
}

/// The decision that a record holds; `None` where it holds none of a person's.
fn line(record: &Record) -> Option<DecisionLine> {
    let of = |what: &str, about: Option<String>, reason: Option<String>| DecisionLine {
        at: record.at,
        by: record.by.clone(),
        what: what.to_owned(),
        about,
        action: None,
        reason,
        until: None,
    };
    match &record.entry {
        Entry::Decided { arn, action, decision, .. } => {
            let Decision { verdict, reason, until, .. } = decision;
            let (what, until) = match verdict {
                Verdict::Approved => ("approved", None),
                Verdict::Rejected => ("rejected", *until),
            };
            let line = of(what, Some(arn.clone()), reason.clone());
            Some(DecisionLine { action: Some(*action), until, ..line })
        }
        Entry::Change { change_id, event: Event::UndoBegun { .. } } if record.by != SELF => {
            Some(of("undo", Some(change_id.clone()), None))
        }
        Entry::Stopped { reason } => Some(of("stop", None, Some(reason.clone()))),
        Entry::Resumed => Some(of("resume", None, None)),
        Entry::Excepted { exception } => {
            let line =
                of("excepted", Some(exception.about.words()), Some(exception.reason.clone()));
            Some(DecisionLine { until: Some(exception.until), ..line })
        }
        Entry::ExceptionEnded { id } => Some(of("exception-ended", Some(id.clone()), None)),
        Entry::CircuitReset { circuit } => {
            Some(of("circuit-reset", Some(circuit.to_string()), None))
        }
        Entry::TokenCreated { token } => {
            Some(of("token-created", Some(format!("{} of {}", token.id, token.name)), None))
        }
        Entry::TokenRevoked { id } => Some(of("token-revoked", Some(id.clone()), None)),
        Entry::Refused { what, reason, .. } => {
            Some(of("refused", Some(what.clone()), Some(reason.clone())))
        }
        Entry::Change { .. }
        | Entry::Voided { .. }
        | Entry::TokenUsed { .. }
        | Entry::Started { .. }
        | Entry::Configured { .. }
        | Entry::Opened { .. } => None,
    }
}

#[derive(Debug, Default)]
struct Tally {
    total: u64,
    people: BTreeMap<String, PersonLine>,
    newest: VecDeque<DecisionLine>,
}

impl Tally {
    fn count(&mut self, line: DecisionLine) {
        self.total += 1;
        let person = self.people.entry(line.by.clone()).or_default();
        match line.what.as_str() {
            "approved" => person.approved += 1,
            "rejected" => {
                person.rejected += 1;
                person.exceptions += u64::from(line.until.is_some());
            }
            "excepted" => person.exceptions += 1,
            "undo" => person.undone += 1,
            "token-created" | "token-revoked" => person.tokens += 1,
            "refused" => person.refused += 1,
            _ => person.switched += 1,
        }
        self.newest.push_front(line);
        self.newest.truncate(TOLD);
    }

    fn told(self) -> Decided {
        let named = self.people.into_iter().map(|(by, line)| PersonLine { by, ..line });
        let mut people: Vec<_> = named.collect();
        people.sort_by_key(|line| std::cmp::Reverse(line.approved + line.rejected));
        Decided { total: self.total, people, newest: self.newest.into() }
    }
}

#[cfg(test)]
mod tests {
    use trimtab_policies::{authority::Right, circuit::Circuit};

    use super::*;

    fn record(by: &str, entry: Entry) -> Record {
        Record { at: Timestamp::UNIX_EPOCH, by: by.to_owned(), entry }
    }

    fn decision(by: &str, verdict: Verdict, until: Option<Timestamp>) -> Record {
        let decision = Decision {
            digest: String::new(),
            by: by.to_owned(),
            at: Timestamp::UNIX_EPOCH,
            verdict,
            reason: Some("seen".to_owned()),
            until,
            now: false,
            begin_at: None,
            auto_undo: false,
        };
        let entry = Entry::Decided {
            recommendation_id: "abc".to_owned(),
            arn: "arn:aws:ec2:us-east-1:1:instance/i-1".to_owned(),
            action: Action::ResizeInstance,
            decision,
            record: None,
            exception: None,
        };
        record(by, entry)
    }

    #[test]
    fn decisions_are_counted_by_person_and_told_newest_first() {
        let undo = || Event::UndoBegun { reason: "asked for".to_owned(), steps: Vec::new() };
        let change =
            |by| record(by, Entry::Change { change_id: "chg-1".to_owned(), event: undo() });
        let refused = Entry::Refused {
            right: Right::Resume,
            what: "/api/v1/resume".to_owned(),
            reason: "an approver may not".to_owned(),
        };
        let later = Some(Timestamp::MAX);
        let records = [
            decision("ada", Verdict::Approved, later),
            decision("ada", Verdict::Rejected, later),
            decision("ada", Verdict::Rejected, None),
            change("grace"),
            change(SELF),
            record("grace", Entry::Stopped { reason: "fire".to_owned() }),
            record("grace", Entry::Resumed),
            record("grace", Entry::CircuitReset { circuit: Circuit::Overall }),
            record("ada", Entry::TokenUsed { id: "tt_a".to_owned() }),
            record("root", Entry::TokenRevoked { id: "tt_a".to_owned() }),
            record("ada", refused),
            record(SELF, Entry::Started { version: "1".to_owned() }),
        ];
        let mut tally = Tally::default();
        records.iter().filter_map(line).for_each(|line| tally.count(line));
        let decided = tally.told();
        assert_eq!(decided.total, 9, "the engine's own undo is nobody's decision");
        let person = |by: &str| PersonLine { by: by.to_owned(), ..PersonLine::default() };
        let ada =
            PersonLine { approved: 1, rejected: 2, exceptions: 1, refused: 1, ..person("ada") };
        let grace = PersonLine { undone: 1, switched: 3, ..person("grace") };
        let root = PersonLine { tokens: 1, ..person("root") };
        assert_eq!(decided.people, [ada, grace, root]);
        let newest: Vec<_> = decided.newest.iter().map(|line| line.what.as_str()).collect();
        let expect = [
            "refused",
            "token-revoked",
            "circuit-reset",
            "resume",
            "stop",
            "undo",
            "rejected",
            "rejected",
            "approved",
        ];
        assert_eq!(newest, expect);
        assert_eq!(decided.newest[8].until, None, "an approval is no exception, though it ends");
        assert_eq!(decided.newest[7].until, later);
    }

    #[test]
    fn only_the_newest_are_told_one_by_one() {
        let mut tally = Tally::default();
        for _ in 0..TOLD + 5 {
            line(&decision("ada", Verdict::Approved, None))
                .into_iter()
                .for_each(|line| tally.count(line));
        }
        let decided = tally.told();
        assert_eq!((decided.total, decided.newest.len()), (TOLD as u64 + 5, TOLD));
    }
}
