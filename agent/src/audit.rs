//! The audit log: the journal's records, read back from its files and told in sentences.
//!
//! Each look walks the chain, so that what is shown is what is on the disk, and whole. Not here: frames and hashes
//! (`journal`), and who may look (`api`).

use std::{collections::VecDeque, ops::ControlFlow, path::Path};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab_policies::{
    approval::Verdict,
    record::{Entry, Event, Record},
    token::NewToken,
};

use crate::{
    journal::{ChainError, Journal, Place, RecordHash, Verified, read_on},
    words,
};

/// Which records are looked for.
#[derive(Debug, Clone)]
pub struct Sought {
    /// Only records before this one.
    pub before: u64,
    /// Only those that mention this, in lower case; empty takes all.
    pub text: String,
    /// At most so many, the newest.
    pub limit: usize,
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// The records, newest first.
    pub records: Vec<RecordView>,
    /// Whether there are older ones.
    pub has_older: bool,
    /// The whole chain, walked to its end.
    pub chain: Verified,
}

/// A record of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordView {
    /// Its number, from 1, without holes.
    pub seq: u64,
    /// Its hash in the chain, which holds the hash of the record before it; not told of a record as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// When; `null` where this version cannot read the record.
    pub at: Option<Timestamp>,
    /// Who: `trimtab`, or a person's name; `null` where this version cannot read the record.
    pub by: Option<String>,
    /// What, in a sentence.
    pub what: String,
    /// The recommendation that it is about.
    pub recommendation_id: Option<String>,
    /// The change that it is about.
    pub change_id: Option<String>,
    /// The record as it was written, perhaps by another version.
    pub record: Value,
}

/// Walks the journal in a state folder for the newest records that are sought.
///
/// # Errors
/// The first record that is not what was written.
pub fn look(state_dir: &Path, sought: &Sought) -> Result<Found, ChainError> {
    // One more than is shown tells whether there are older ones.
    let mut found: VecDeque<(u64, RecordHash, Vec<u8>)> = VecDeque::new();
    let chain = Journal::read(&state_dir.join("journal"), |seq, hash, payload| {
        if seq < sought.before && mentions(payload, &sought.text) {
            found.push_back((seq, *hash, payload.to_vec()));
            if found.len() > sought.limit + 1 {
                found.pop_front();
            }
        }
    })?;
    let has_older = found.len() > sought.limit;
    let newest = found.iter().rev().take(sought.limit);
    let view = |(seq, hash, payload): &(u64, RecordHash, Vec<u8>)| RecordView {
        hash: Some(hex(hash)),
        ..RecordView::of_payload(*seq, payload)
    };
    Ok(Found { records: newest.map(view).collect(), has_older, chain })
}

/// Reads on in the journal of a state folder from `place`: the first `limit` records after record `seq`.
///
/// # Errors
/// The first record on the way that is not what was written.
pub fn look_on(
    state_dir: &Path,
    place: &mut Place,
    seq: u64,
    limit: usize,
) -> Result<Vec<RecordView>, ChainError> {
    let mut records = Vec::new();
    read_on(&state_dir.join("journal"), place, |number, payload| {
        if number > seq {
            records.push(RecordView::of_payload(number, payload));
        }
        if records.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(records)
}

impl RecordView {
    /// A record as it is written.
    #[must_use]
    pub fn of(seq: u64, record: &Record) -> Self {
        let (what, about) = told(&record.entry);
        let (recommendation_id, change_id) = match about {
            About::Recommendation(id) => (Some(id), None),
            About::Change(id) => (None, Some(id)),
            About::TheDaemon => (None, None),
        };
        Self {
            seq,
            hash: None,
            at: Some(record.at),
            by: Some(record.by.clone()),
            what,
            recommendation_id,
            change_id,
            record: serde_json::to_value(record).unwrap_or(Value::Null),
        }
    }

    fn of_payload(seq: u64, payload: &[u8]) -> Self {
        let raw = serde_json::from_slice(payload)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).into_owned()));
        match serde_json::from_slice::<Record>(payload) {
            Ok(record) => Self { record: raw, ..Self::of(seq, &record) },
            Err(_) => Self {
                seq,
                hash: None,
                at: None,
                by: None,
                what: "a record of another version".to_owned(),
                recommendation_id: None,
                change_id: None,
                record: raw,
            },
        }
    }
}

/// Bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mentions(payload: &[u8], sought: &str) -> bool {
    sought.is_empty() || String::from_utf8_lossy(payload).to_lowercase().contains(sought)
}

/// What a record is about.
enum About {
    Recommendation(String),
    Change(String),
    TheDaemon,
}

/// A record in a sentence, and what it is about.
fn told(entry: &Entry) -> (String, About) {
    let of_change = |id: &str| About::Change(id.to_owned());
    match entry {
        Entry::Started { version } => {
            (format!("the daemon started, version {version}"), About::TheDaemon)
        }
        Entry::Configured { digest } => {
            (format!("settings came into force, {digest}"), About::TheDaemon)
        }
        Entry::Opened { change } => {
            let recommendation = &change.recommendation;
            let (from, to) = words::from_to(&recommendation.expected, &recommendation.desired);
            let (action, id) = (recommendation.action, &recommendation.resource_id);
            (
                format!("{} begins: {action} of {id}, {from} to {to}", change.id),
                of_change(&change.id),
            )
        }
        Entry::Change { change_id, event } => {
            (format!("{change_id}: {}", happened(event)), of_change(change_id))
        }
        Entry::Decided { recommendation_id, arn, action, decision, exception, .. } => {
            let verdict = match decision.verdict {
                Verdict::Approved => "approved",
                Verdict::Rejected => "rejected",
            };
            let reason =
                decision.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            let until = decision
                .until
                .map_or_else(String::new, |at| format!(", until {}", words::time(at)));
            let excepted = exception.as_ref().map_or_else(String::new, |exception| {
                format!("; exception {}: {}", exception.id, exception.about.words())
            });
            let told = format!("{verdict} {action} of {arn}{until}{reason}{excepted}");
            (told, About::Recommendation(recommendation_id.clone()))
        }
        Entry::Voided { recommendation_id, reason, .. } => {
            let told = format!("what was said about {recommendation_id} is void: {reason}");
            (told, About::Recommendation(recommendation_id.clone()))
        }
        Entry::Excepted { exception } => {
            let (id, until) = (&exception.id, words::time(exception.until));
            let (left_alone, reason) = (exception.about.words(), &exception.reason);
            (format!("exception {id}: {left_alone}, until {until}: {reason}"), About::TheDaemon)
        }
        Entry::ExceptionEnded { id } => (format!("exception {id} was ended"), About::TheDaemon),
        Entry::CircuitReset { circuit } => {
            (format!("the circuit {circuit} was closed"), About::TheDaemon)
        }
        Entry::Stopped { reason } => {
            (format!("the stop switch was set: {reason}"), About::TheDaemon)
        }
        Entry::Resumed => ("the stop switch was released".to_owned(), About::TheDaemon),
        Entry::TokenCreated { token } => {
            let ends = token
                .expires_at
                .map_or_else(String::new, |at| format!(", until {}", words::time(at)));
            let NewToken { id, name, role, .. } = token;
            (format!("token {id} was made for {name}, {role}{ends}"), About::TheDaemon)
        }
        Entry::TokenRevoked { id } => (format!("token {id} was revoked"), About::TheDaemon),
        Entry::TokenUsed { id } => {
            (format!("token {id} was used for the first time on this day"), About::TheDaemon)
        }
        Entry::Refused { right, what, reason } => {
            (format!("refused to {}: {what}: {reason}", right.deed()), About::TheDaemon)
        }
    }
}

fn happened(event: &Event) -> String {
    match event {
        Event::Attempted { step, .. } => format!("{step}: the call is about to be made"),
        Event::Accepted { step, .. } => format!("{step}: AWS accepted the call"),
        Event::Refused { step, failure } => format!("{step}: refused, {}", failure.message),
        Event::Done { step, .. } => format!("{step}: done"),
        Event::GaveUp { step, reason } => format!("{step}: given up, {reason}"),
        Event::NextRung { rung } => format!("no capacity, alternate {rung} is tried"),
        Event::Applied => "applied, it is watched now".to_owned(),
        Event::UndoBegun { reason, .. } => format!("it is taken back: {reason}"),
        Event::Finished { state, reason, provisional } => {
            let provisional = if *provisional { " provisionally" } else { "" };
            format!("{state}{provisional}: {reason}")
        }
        Event::UndoWanted { reason, .. } => format!("something speaks against it: {reason}"),
        Event::Measured { realized } => format!("saved {}", words::realized(realized)),
    }
}
