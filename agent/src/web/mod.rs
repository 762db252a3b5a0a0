//! The page: server-rendered, works without scripts, forms answer with a redirect.
//!
//! Signing in trades the operator token for a session's cookie. Not here: who may (`api::guard`), what a decision does
//! (`decide`), and how rows read (`rows`).

mod rows;

use askama::Template;
use axum::{
    Extension, Form, Router,
    extract::{
        Path, Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    middleware::{from_fn, from_fn_with_state},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use jiff::{civil::DateTime, tz::TimeZone};
use serde::Deserialize;
use trimtab_policies::change::Change;

use self::rows::{ChangeRow, DetailView, Header, RecommendationRow};
use crate::{
    api::{self, ApiState, COOKIE, Caller, Problem, require_own_origin, require_page, session_id},
    decide::Approval,
};

/// Rows of a table on the page; the command line lists them all.
const ROWS_MAX: usize = 200;
/// The style sheet, small enough to be part of the program.
const STYLE: &str = include_str!("style.css");
/// The shortest pause between two loads that the page offers, seconds.
const REFRESH_S: u32 = 5;

/// Every route of the page.
pub(crate) fn routes(state: &ApiState) -> Router<ApiState> {
    let protected = Router::new()
        .route("/", get(index))
        .route("/recommendations/{id}", get(detail))
        .route("/recommendations/{id}/approve", post(approve))
        .route("/recommendations/{id}/reject", post(reject))
        .route("/changes/{id}/undo", post(undo))
        .route("/stop", post(stop))
        .route("/resume", post(resume))
        .route("/cycle", post(cycle))
        .route("/logout", post(logout))
        .route_layer(from_fn_with_state(state.clone(), require_page));
    let open = Router::new()
        .route("/login", get(login_form).post(login))
        .route_layer(from_fn(require_own_origin))
        .route("/static/style.css", get(style));
    protected.merge(open)
}

#[derive(Debug, Template)]
#[template(path = "index.html")]
struct IndexPage {
    header: Header,
    refresh_s: Option<u32>,
    open: Vec<RecommendationRow>,
    open_more: usize,
    closed: Vec<RecommendationRow>,
    closed_more: usize,
    changes: Vec<ChangeRow>,
    changes_more: usize,
}

#[derive(Debug, Template)]
#[template(path = "detail.html")]
struct DetailPage {
    header: Header,
    row: RecommendationRow,
    detail: DetailView,
    changes: Vec<ChangeRow>,
}

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginPage {
    token_path: String,
    wrong: bool,
}

#[derive(Debug, Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    problem: Problem,
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}

/// A problem as a page.
pub(crate) fn problem_page(problem: Problem) -> Response {
    page(problem.status(), &ProblemPage { problem })
}

/// A form's answer: back to the page, or what went wrong.
fn answer<T>(result: Result<T, Problem>, back: &str) -> Response {
    match result {
        Ok(_) => Redirect::to(back).into_response(),
        Err(problem) => problem_page(problem),
    }
}

#[derive(Debug, Deserialize)]
struct IndexQuery {
    refresh: Option<u32>,
}

async fn index(
    State(state): State<ApiState>,
    query: Result<Query<IndexQuery>, QueryRejection>,
) -> Response {
    let refresh_s =
        query.ok().and_then(|Query(query)| query.refresh).map(|seconds| seconds.max(REFRESH_S));
    match tokio::task::spawn_blocking(move || index_page(&state, refresh_s)).await {
        Ok(Ok(template)) => page(StatusCode::OK, &template),
        Ok(Err(problem)) => problem_page(problem),
        Err(error) => problem_page(Problem::internal(error)),
    }
}

fn index_page(state: &ApiState, refresh_s: Option<u32>) -> Result<IndexPage, Problem> {
    let header = Header::new(&api::status(&state.agent)?, state.is_open_page());
    let views = api::recommendation_views(&state.agent)?;
    let open_count = views.iter().filter(|view| view.state.is_open()).count();
    let (open, closed) = views.split_at(open_count);
    let rows = |views: &[crate::view::RecommendationView]| {
        views.iter().take(ROWS_MAX).map(RecommendationRow::new).collect()
    };
    let mut changes: Vec<Change> =
        state.agent.ledger().book().changes().values().cloned().collect();
    changes.sort_by_key(|change| (std::cmp::Reverse(change.opened_at), change.id.clone()));
    Ok(IndexPage {
        header,
        refresh_s,
        open: rows(open),
        open_more: open.len().saturating_sub(ROWS_MAX),
        closed: rows(closed),
        closed_more: closed.len().saturating_sub(ROWS_MAX),
        changes: changes.iter().take(ROWS_MAX).map(ChangeRow::new).collect(),
        changes_more: changes.len().saturating_sub(ROWS_MAX),
    })
}

async fn detail(State(state): State<ApiState>, Path(id): Path<String>) -> Response {
    match tokio::task::spawn_blocking(move || detail_page(&state, &id)).await {
        Ok(Ok(template)) => page(StatusCode::OK, &template),
        Ok(Err(problem)) => problem_page(problem),
        Err(error) => problem_page(Problem::internal(error)),
    }
}

fn detail_page(state: &ApiState, id: &str) -> Result<DetailPage, Problem> {
    let missing = || {
        Problem::not_found(format!(
            "there is no recommendation `{id}`: it may have been made more than 90 days ago"
        ))
    };
    let view = state.agent.store().recommendations()?.remove(id).ok_or_else(missing)?;
    let ledger = state.agent.ledger();
    let changes = ledger.book().changes().values().filter(|change| change.recommendation_id == id);
    let changes = changes.map(ChangeRow::new).collect();
    drop(ledger);
    Ok(DetailPage {
        header: Header::new(&api::status(&state.agent)?, state.is_open_page()),
        row: RecommendationRow::new(&view),
        detail: DetailView::new(&view),
        changes,
    })
}

#[derive(Debug, Deserialize)]
struct ApproveForm {
    digest: String,
    #[serde(default)]
    now: Option<String>,
    #[serde(default)]
    at: String,
    #[serde(default)]
    auto_undo: Option<String>,
}

async fn approve(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    form: Result<Form<ApproveForm>, FormRejection>,
) -> Response {
    let form = match form {
        Ok(Form(form)) => form,
        Err(rejection) => return problem_page(Problem::bad_request(rejection.body_text())),
    };
    let begin_at = match form.at.as_str() {
        "" => None,
        text => match text.parse::<DateTime>().and_then(|at| at.to_zoned(TimeZone::UTC)) {
            Ok(at) => Some(at.timestamp()),
            Err(error) => return problem_page(Problem::bad_request(format!("`at`: {error}"))),
        },
    };
    let approval = Approval {
        digest: Some(form.digest),
        reason: None,
        now: form.now.is_some(),
        begin_at,
        auto_undo: form.auto_undo.is_some(),
    };
    let result = api::approve(&state, &id, &caller, approval).await;
    answer(result, &format!("/#{id}"))
}

#[derive(Debug, Deserialize)]
struct ReasonForm {
    #[serde(default)]
    reason: String,
}

async fn reject(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(form): Form<ReasonForm>,
) -> Response {
    let reason = match form.reason.trim() {
        "" => {
            return problem_page(Problem::bad_request(
                "a rejection needs a reason: go back and write one",
            ));
        }
        reason => reason.to_owned(),
    };
    answer(api::reject(&state, id, caller, reason, None).await, "/")
}

async fn undo(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let back = format!("/#{id}");
    answer(api::undo(&state, id, caller).await, &back)
}

async fn stop(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<ReasonForm>,
) -> Response {
    let reason = if form.reason.trim().is_empty() { "from the page" } else { form.reason.trim() };
    answer(api::stop(&state, caller, reason.to_owned()).await, "/")
}

async fn resume(State(state): State<ApiState>, Extension(caller): Extension<Caller>) -> Response {
    answer(api::resume(&state, caller).await, "/")
}

async fn cycle(State(state): State<ApiState>) -> Redirect {
    api::cycle(&state);
    Redirect::to("/")
}

async fn login_form(State(state): State<ApiState>) -> Response {
    page(StatusCode::OK, &LoginPage { token_path: state.token_path(), wrong: false })
}

#[derive(Debug, Deserialize)]
struct LoginForm {
    token: String,
}

async fn login(State(state): State<ApiState>, Form(form): Form<LoginForm>) -> Response {
    match state.sign_in(&form.token) {
        Ok(Some(session)) => {
            let cookie =
                format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        Ok(None) => page(
            StatusCode::UNAUTHORIZED,
            &LoginPage { token_path: state.token_path(), wrong: true },
        ),
        Err(error) => problem_page(Problem::internal(error)),
    }
}

async fn logout(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    if let Some(id) = session_id(&headers) {
        state.sign_out(id);
    }
    let cookie = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response()
}

async fn style() -> Response {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")],
        STYLE,
    )
        .into_response()
}
