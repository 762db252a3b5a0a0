//! The page's forms: each does one thing and leads back to a page that shows it.
//!
//! Not here: who may (`api::guard`) and what a decision does (`decide`).

use axum::{
    Extension, Form,
    extract::{Path, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde::Deserialize;

use super::{LoginPage, page, problem_page};
use crate::{
    api::{self, ApiState, Caller, Problem, session_id},
    decide::{Approval, Rejection},
};

/// A form's answer: back to a page, or what went wrong.
pub(super) fn answer<T>(result: Result<T, Problem>, back: &str) -> Response {
    match result {
        Ok(_) => Redirect::to(back).into_response(),
        Err(problem) => problem_page(problem),
    }
}

/// How an approval is meant, as forms say it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Meaning {
    pub(super) now: Option<String>,
    pub(super) at: String,
    pub(super) auto_undo: Option<String>,
    pub(super) reason: String,
}

impl Meaning {
    /// The approval of what has this digest.
    pub(super) fn approval(&self, digest: String) -> Result<Approval, Problem> {
        let reason = self.reason.trim();
        Ok(Approval {
            digest: Some(digest),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            now: self.now.is_some(),
            begin_at: time(&self.at)?,
            auto_undo: self.auto_undo.is_some(),
        })
    }
}

/// A time of a form, UTC; none where the field was left empty.
pub(super) fn time(text: &str) -> Result<Option<Timestamp>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let at = text.parse::<DateTime>().and_then(|at| at.to_zoned(TimeZone::UTC));
    at.map(|at| Some(at.timestamp()))
        .map_err(|error| Problem::bad_request(format!("`{text}` is not a time: {error}")))
}

#[derive(Debug, Deserialize)]
pub(super) struct ApproveForm {
    digest: String,
    #[serde(flatten)]
    meaning: Meaning,
}

pub(super) async fn approve(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    form: Result<Form<ApproveForm>, FormRejection>,
) -> Response {
    let form = match form {
        Ok(Form(form)) => form,
        Err(rejection) => return problem_page(Problem::bad_request(rejection.body_text())),
    };
    let approval = match form.meaning.approval(form.digest) {
        Ok(approval) => approval,
        Err(problem) => return problem_page(problem),
    };
    answer(api::approve(&state, &id, &caller, approval).await, &format!("/recommendations/{id}"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReasonForm {
    reason: String,
}

/// A no, as the form says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RejectForm {
    reason: String,
    until: String,
    /// A tag as `key=value`; empty: this resource alone.
    for_tag: String,
}

impl RejectForm {
    fn rejection(&self) -> Result<Rejection, Problem> {
        let tag = match (self.for_tag.as_str(), self.for_tag.split_once('=')) {
            ("", _) => None,
            (_, Some((key, value))) => Some((key.to_owned(), value.to_owned())),
            (text, None) => {
                let why = format!("`{text}` is no tag: write key=value");
                return Err(Problem::bad_request(why));
            }
        };
        let reason = api::given_reason(&self.reason)?;
        Ok(Rejection { reason, until: time(&self.until)?, tag })
    }
}

pub(super) async fn reject(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Form(form): Form<RejectForm>,
) -> Response {
    let back = format!("/recommendations/{id}");
    match form.rejection() {
        Ok(rejection) => answer(api::reject(&state, id, caller, rejection).await, &back),
        Err(problem) => problem_page(problem),
    }
}

pub(super) async fn undo(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    let back = format!("/changes/{id}");
    answer(api::undo(&state, id, caller).await, &back)
}

pub(super) async fn stop(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<ReasonForm>,
) -> Response {
    let reason = if form.reason.trim().is_empty() { "from the page" } else { form.reason.trim() };
    answer(api::stop(&state, caller, reason.to_owned()).await, "/")
}

pub(super) async fn resume(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Response {
    answer(api::resume(&state, caller).await, "/")
}

pub(super) async fn cycle(State(state): State<ApiState>) -> Redirect {
    api::cycle(&state);
    Redirect::to("/")
}

pub(super) async fn login_form(State(state): State<ApiState>) -> Response {
    page(
        StatusCode::OK,
        &LoginPage {
            token_path: state.token_path(),
            has_provider: state.has_provider(),
            wrong: None,
        },
    )
}

#[derive(Debug, Deserialize)]
pub(super) struct LoginForm {
    token: String,
}

pub(super) async fn login(State(state): State<ApiState>, Form(form): Form<LoginForm>) -> Response {
    match state.sign_in(&form.token).await {
        Ok(session) => {
            let cookie = cookie(&state, &session, api::LIFETIME.as_secs());
            ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
        }
        Err(problem) if problem.status == 401 => page(
            StatusCode::UNAUTHORIZED,
            &LoginPage {
                token_path: state.token_path(),
                has_provider: state.has_provider(),
                wrong: Some(problem.detail),
            },
        ),
        Err(problem) => problem_page(problem),
    }
}

/// The session's cookie: no script reads it, and no other site's page sends it.
pub(super) fn cookie(state: &ApiState, session: &str, age_s: u64) -> String {
    let (name, secure) = (state.cookie(), if state.is_secure() { "; Secure" } else { "" });
    format!("{name}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}")
}

pub(super) async fn logout(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    if let Some(id) = session_id(&state, &headers) {
        state.sign_out(id);
    }
    ([(header::SET_COOKIE, cookie(&state, "", 0))], Redirect::to("/login")).into_response()
}
