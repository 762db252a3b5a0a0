//! The audit log, newest first.
//!
//! Not here: how records are found and told (`crate::audit`).

use askama::Template;
use axum::{
    extract::{Query, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;

use super::{
    frame::{Frame, Here, Visit},
    list::ROWS,
    problem_page, shown,
};
use crate::{
    api::Problem,
    audit::{RecordView, Sought, hex, look},
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
    let sought = Sought {
        before: query.before.unwrap_or(u64::MAX),
        text: query.q.trim().to_lowercase(),
        limit: ROWS,
    };
    let found = look(visit.state.agent.state_dir(), &sought).map_err(Problem::internal)?;
    let rows: Vec<_> = found.records.into_iter().map(row).collect();
    Ok(AuditPage {
        frame: Frame::new(visit, Here::Audit),
        q: query.q,
        records: found.chain.records,
        head: hex(&found.chain.head_hash),
        older: rows.last().map(|row| row.seq).filter(|_| found.has_older),
        rows,
        is_newest: query.before.is_none(),
    })
}

fn row(view: RecordView) -> AuditRow {
    let unknown = || words::UNKNOWN.to_owned();
    let of_change = view.change_id.map(|id| format!("/changes/{id}"));
    let of_recommendation = view.recommendation_id.map(|id| format!("/recommendations/{id}"));
    AuditRow {
        seq: view.seq,
        hash: view.hash.unwrap_or_else(unknown),
        at: view.at.map_or_else(unknown, words::time),
        by: view.by.unwrap_or_else(unknown),
        what: view.what,
        link: of_change.or(of_recommendation),
        json: serde_json::to_string_pretty(&view.record).unwrap_or_else(|_| unknown()),
    }
}
