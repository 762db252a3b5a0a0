//! The changes: all of them, and one with the state of each step, what was watched, and its undo.
//!
//! Not here: how a change is carried out (`execute`).

use askama::Template;
use axum::{
    extract::{Path, Query, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use trimtab_policies::{
    authority::Right,
    change::{Change, reason_not_undoable},
};

use super::{
    frame::{Frame, Here, Visit},
    list::{Pages, ROWS},
    plot::{Figure, watched},
    problem_page,
    rows::ChangeRow,
    shown,
};
use crate::{
    api::{Problem, reason_not_here},
    words,
};

/// The shortest pause between two loads that a page offers, seconds.
const REFRESH_S: u32 = 5;
/// Every state, in the order of a change's life.
const STATES: [&str; 9] = [
    "queued",
    "executing",
    "watching",
    "kept",
    "undoing",
    "undone",
    "inconclusive",
    "conflicted",
    "stuck",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ChangesQuery {
    state: String,
    page: usize,
}

#[derive(Debug, Template)]
#[template(path = "changes.html")]
struct ChangesPage {
    frame: Frame,
    state: String,
    states: Vec<(&'static str, bool)>,
    pages: Pages,
    rows: Vec<ChangeRow>,
}

pub(super) async fn changes(
    visit: Visit,
    query: Result<Query<ChangesQuery>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => shown(move || Ok(list_page(&visit, query))).await,
        Err(rejection) => problem_page(Problem::bad_request(rejection.body_text())),
    }
}

fn list_page(visit: &Visit, query: ChangesQuery) -> ChangesPage {
    let frame = Frame::new(visit, Here::Changes);
    let ledger = visit.state.agent.ledger();
    let is_sought =
        |change: &&Change| query.state.is_empty() || change.state.to_string() == query.state;
    let mut found: Vec<_> = ledger.book().changes().values().filter(is_sought).collect();
    found.sort_by_key(|change| (std::cmp::Reverse(change.opened_at), &change.id));
    let pages = Pages::of(query.page, found.len());
    let rows = found.into_iter().skip(pages.skipped()).take(ROWS).map(ChangeRow::new).collect();
    ChangesPage {
        frame,
        states: STATES.map(|name| (name, name == query.state)).into(),
        state: query.state,
        pages,
        rows,
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ChangeQuery {
    refresh: Option<u32>,
}

#[derive(Debug, Template)]
#[template(path = "change.html")]
struct ChangePage {
    frame: Frame,
    refresh_s: Option<u32>,
    row: ChangeRow,
    figure: Option<Figure>,
    not_undoable: Option<String>,
    off_since: Option<String>,
    applied_at: Option<String>,
    auto_undo: bool,
    is_open: bool,
}

pub(super) async fn change(
    visit: Visit,
    Path(id): Path<String>,
    query: Result<Query<ChangeQuery>, QueryRejection>,
) -> Response {
    let refresh_s = query.ok().and_then(|Query(query)| query.refresh);
    let refresh_s = refresh_s.map(|seconds| seconds.max(REFRESH_S));
    shown(move || change_page(&visit, &id, refresh_s)).await
}

fn change_page(visit: &Visit, id: &str, refresh_s: Option<u32>) -> Result<ChangePage, Problem> {
    let agent = &visit.state.agent;
    let change = agent.ledger().book().changes().get(id).cloned().ok_or_else(|| {
        Problem::not_found(format!("there is no change `{id}`: they are listed under Changes"))
    })?;
    Ok(ChangePage {
        frame: Frame::new(visit, Here::Changes),
        refresh_s,
        row: ChangeRow::new(&change),
        figure: watched(agent, &change, agent.ports().clock.now()),
        not_undoable: reason_not_undoable(&change).or_else(|| {
            let resource = &change.recommendation.resource;
            reason_not_here(&visit.state, &visit.caller, Right::Undo, resource)
        }),
        off_since: change.off_since().map(words::time),
        applied_at: change.applied_at.map(words::time),
        auto_undo: change.auto_undo,
        is_open: change.state.is_open(),
    })
}
