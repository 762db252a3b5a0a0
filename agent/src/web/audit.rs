//! The audit log: the journal's records, newest first, from the same files that `trimtab audit export` writes out.
//!
//! Each look walks the chain, so that what is shown is what is on the disk, and whole. Not here: frames and hashes
//! (`journal`).

use std::collections::VecDeque;

use askama::Template;
use axum::{
    extract::{Query, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use trimtab_policies::{
    approval::Verdict,
    record::{Entry, Event, Record},
    token::NewToken,
};

use super::{
    frame::{Frame, Here, Visit},
    list::ROWS,
    problem_page, shown,
};
use crate::{
    api::Problem,
    journal::{Journal, RecordHash},
    words,
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AuditQuery {
    /// Only records before this one; none given: the newest.
    before: Option<u64>,
    q: String,
}

/// A record of the log.
#[derive(Debug)]
struct AuditRow {
    seq: u64,
    hash: String,
    at: String,
    by: String,
    what: String,
    /// Where the page shows it: of a recommendation or a change.
    link: Option<String>,
    json: String,
}

#[derive(Debug, Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    q: String,
    records: u64,
    head: String,
    rows: Vec<AuditRow>,
    is_newest: bool,
    older: Option<u64>,
}

pub(super) async fn audit(
    visit: Visit,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => shown(move || page(&visit, query)).await,
        Err(rejection) => problem_page(Problem::bad_request(rejection.body_text())),
    }
}

fn page(visit: &Visit, query: AuditQuery) -> Result<AuditPage, Problem> {
    let before = query.before.unwrap_or(u64::MAX);
    let sought = query.q.trim().to_lowercase();
    // One more than is shown tells whether there are older ones.
    let mut found: VecDeque<(u64, RecordHash, Vec<u8>)> = VecDeque::with_capacity(ROWS + 2);
    let walked =
        Journal::read(&visit.state.agent.state_dir().join("journal"), |seq, hash, payload| {
            if seq < before && mentions(payload, &sought) {
                found.push_back((seq, *hash, payload.to_vec()));
                if found.len() > ROWS + 1 {
                    found.pop_front();
                }
            }
        });
    let verified = walked.map_err(Problem::internal)?;
    let has_older = found.len() > ROWS;
    let rows: Vec<_> = found.iter().rev().take(ROWS).map(row).collect();
    Ok(AuditPage {
        frame: Frame::new(visit, Here::Audit),
        q: query.q,
        records: verified.records,
        head: hex(&verified.head_hash),
        older: rows.last().map(|row| row.seq).filter(|_| has_older),
        rows,
        is_newest: query.before.is_none(),
    })
}

fn mentions(payload: &[u8], sought: &str) -> bool {
    sought.is_empty() || String::from_utf8_lossy(payload).to_lowercase().contains(sought)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn row((seq, hash, payload): &(u64, RecordHash, Vec<u8>)) -> AuditRow {
    let json = serde_json::from_slice::<serde_json::Value>(payload)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .unwrap_or_else(|_| String::from_utf8_lossy(payload).into_owned());
    let (seq, hash) = (*seq, hex(hash));
    match serde_json::from_slice::<Record>(payload) {
        Ok(record) => {
            let (what, link) = told(&record.entry);
            AuditRow { seq, hash, at: words::time(record.at), by: record.by, what, link, json }
        }
        Err(_) => {
            let unknown = || words::UNKNOWN.to_owned();
            let what = "a record of another version".to_owned();
            AuditRow { seq, hash, at: unknown(), by: unknown(), what, link: None, json }
        }
    }
}

/// A record in a sentence, and the page that shows what it is about.
fn told(entry: &Entry) -> (String, Option<String>) {
    let of_change = |id: &str| Some(format!("/changes/{id}"));
    match entry {
        Entry::Started { version } => (format!("the daemon started, version {version}"), None),
        Entry::Configured { digest } => (format!("settings came into force, {digest}"), None),
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
        Entry::Decided { recommendation_id, arn, action, decision, .. } => {
            let verdict = match decision.verdict {
                Verdict::Approved => "approved",
                Verdict::Rejected => "rejected",
            };
            let reason =
                decision.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            let until = decision
                .until
                .map_or_else(String::new, |at| format!(", until {}", words::time(at)));
            let told = format!("{verdict} {action} of {arn}{until}{reason}");
            (told, Some(format!("/recommendations/{recommendation_id}")))
        }
        Entry::CircuitReset { circuit } => (format!("the circuit {circuit} was closed"), None),
        Entry::Stopped { reason } => (format!("the stop switch was set: {reason}"), None),
        Entry::Resumed => ("the stop switch was released".to_owned(), None),
        Entry::TokenCreated { token } => {
            let ends = token
                .expires_at
                .map_or_else(String::new, |at| format!(", until {}", words::time(at)));
            let NewToken { id, name, role, .. } = token;
            (format!("token {id} was made for {name}, {role}{ends}"), None)
        }
        Entry::TokenRevoked { id } => (format!("token {id} was revoked"), None),
        Entry::TokenUsed { id } => {
            (format!("token {id} was used for the first time on this day"), None)
        }
        Entry::Refused { right, what, reason } => {
            (format!("refused to {}: {what}: {reason}", right.deed()), None)
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
