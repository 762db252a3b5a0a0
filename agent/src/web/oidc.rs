//! The page's way in by an identity provider: there, and back again.
//!
//! Not here: what is asked of the provider (`api::oidc`).

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{forms::cookie, page, problem_page};
use crate::api::{self, ApiState, LOGIN_PATIENCE, Problem, cookie_named};

/// Leads on by the page's own hand: a redirect would still count as another site's, and the new cookie would stay behind.
#[derive(Debug, Template)]
#[template(path = "signed_in.html")]
struct SignedInPage {}

/// Sends the browser to the provider.
pub(super) async fn begin(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    // Other pages could have whoever visits them ask the provider on and on.
    let site = headers.get("sec-fetch-site").map(|site| site.to_str().unwrap_or_default());
    if site.is_some_and(|site| !["same-origin", "none"].contains(&site)) {
        return problem_page(Problem::forbidden("this begins at /login, not on another page"));
    }
    match state.begin_login().await {
        Ok(begun) => {
            let kept = kept(&state, &begun.state, LOGIN_PATIENCE.as_secs());
            ([(header::SET_COOKIE, kept)], Redirect::to(&begun.url)).into_response()
        }
        Err(problem) => problem_page(problem),
    }
}

/// The state of a login, which the browser that began it keeps; `Lax`, because the provider's page leads back.
fn kept(state: &ApiState, value: &str, age_s: u64) -> String {
    let secure = if state.is_login_secure() { "; Secure" } else { "" };
    let name = state.login_cookie();
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age_s}{secure}")
}

/// What the provider sends back.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Back {
    state: String,
    code: String,
    error: Option<String>,
}

/// Signs in whoever comes back, if it is the browser that was sent.
pub(super) async fn callback(
    State(state): State<ApiState>,
    headers: HeaderMap,
    back: Result<Query<Back>, QueryRejection>,
) -> Response {
    let back = match back {
        Ok(Query(back)) => back,
        Err(rejection) => return problem_page(Problem::bad_request(rejection.body_text())),
    };
    let kept_state = cookie_named(&headers, state.login_cookie()).unwrap_or_default();
    if back.state.is_empty() || kept_state != back.state {
        let detail =
            "this browser did not begin this login, or took too long: begin again at /login";
        return problem_page(Problem::forbidden(detail));
    }
    if let Some(error) = back.error {
        let detail = format!("the identity provider refused: {error}");
        return problem_page(Problem::unauthorized(detail));
    }
    match state.end_login(&back.state, &back.code).await {
        Ok(session) => {
            let cookies = AppendHeaders([
                (header::SET_COOKIE, cookie(&state, &session, api::LIFETIME.as_secs())),
                (header::SET_COOKIE, kept(&state, "", 0)),
            ]);
            (cookies, page(StatusCode::OK, &SignedInPage {})).into_response()
        }
        Err(problem) => problem_page(problem),
    }
}
