//! The page: server-rendered, works without scripts, forms answer with a redirect.
//!
//! One table of routes, each with the right that it needs; the way in and the style sheet need none. Not here: who may (`api::guard`), what a
//! decision does (`decide`), and how figures read (`words`).

mod audit;
mod batch;
mod changes;
mod exceptions;
mod figures;
mod forms;
mod frame;
mod inventory;
mod list;
mod oidc;
mod overview;
mod plot;
mod recommendation;
mod rows;

use askama::Template;
use axum::{
    Router,
    http::{StatusCode, header},
    middleware::{from_fn, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use trimtab_policies::authority::Right;

pub(crate) use figures::Figures;

use crate::api::{ApiState, Problem, Row, Way, count_attempts, guarded, require_own_origin};

/// The style sheet, small enough to be part of the program.
const STYLE: &str = include_str!("style.css");

/// Every route of the page that needs a right.
pub(crate) fn table() -> Vec<Row> {
    use Right::{Decide, Operate, OwnSession, Read, Resume, Stop, Undo};
    vec![
        Row::get(Read, "/", overview::overview),
        Row::get(Read, "/recommendations", list::list),
        Row::get(Decide, "/recommendations/review", batch::review),
        Row::post(Decide, "/recommendations/decide", batch::decide),
        Row::get(Read, "/recommendations/{id}", recommendation::recommendation),
        Row::post(Decide, "/recommendations/{id}/approve", forms::approve),
        Row::post(Decide, "/recommendations/{id}/reject", forms::reject),
        Row::get(Read, "/changes", changes::changes),
        Row::get(Read, "/changes/{id}", changes::change),
        Row::post(Undo, "/changes/{id}/undo", forms::undo),
        Row::get(Read, "/inventory", inventory::inventory),
        Row::get(Read, "/inventory/resource", inventory::resource),
        Row::get(Read, "/exceptions", exceptions::list),
        Row::post(Decide, "/exceptions", exceptions::add),
        Row::post(Decide, "/exceptions/{id}/renew", exceptions::renew),
        Row::post(Decide, "/exceptions/{id}/end", exceptions::end),
        Row::get(Read, "/audit", audit::audit),
        Row::post(Stop, "/stop", forms::stop),
        Row::post(Resume, "/resume", forms::resume),
        Row::post(Operate, "/cycle", forms::cycle),
        Row::post(OwnSession, "/logout", forms::logout),
    ]
}

/// Every route of the page.
pub(crate) fn routes(state: &ApiState) -> Router<ApiState> {
    let protected = guarded(table(), state, Way::Page);
    let open = Router::new()
        .route("/login", get(forms::login_form).post(forms::login))
        .route("/login/oidc", get(oidc::begin))
        .route("/login/oidc/callback", get(oidc::callback))
        .route_layer(from_fn_with_state(state.clone(), count_attempts))
        .route_layer(from_fn(require_own_origin))
        .route("/static/style.css", get(style));
    protected.merge(open)
}

#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginPage {
    token_path: String,
    has_provider: bool,
    /// Why the token that was given lets nobody in.
    wrong: Option<String>,
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
    let retry_after_s = problem.retry_after_s;
    let mut response = page(problem.status(), &ProblemPage { problem });
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A page that is made and rendered away from the threads that answer requests.
async fn shown<T, F>(make: F) -> Response
where
    T: Template,
    F: FnOnce() -> Result<T, Problem> + Send + 'static,
{
    let made = tokio::task::spawn_blocking(move || match make() {
        Ok(template) => page(StatusCode::OK, &template),
        Err(problem) => problem_page(problem),
    });
    made.await.unwrap_or_else(|error| problem_page(Problem::internal(error)))
}

async fn style() -> Response {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")],
        STYLE,
    )
        .into_response()
}
