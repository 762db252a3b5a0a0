//! The page: server-rendered, works without scripts, forms answer with a redirect.
//!
//! One table of routes, all behind `api::guard` but the way in and the style sheet. Not here: who may (`api::guard`), what a
//! decision does (`decide`), and how figures read (`words`).

mod audit;
mod batch;
mod changes;
mod forms;
mod frame;
mod inventory;
mod list;
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
    routing::{MethodRouter, get, post},
};

use crate::api::{ApiState, Problem, require_own_origin, require_page};

/// The style sheet, small enough to be part of the program.
const STYLE: &str = include_str!("style.css");

/// Every path of the page that is behind the guard.
fn table() -> Vec<(&'static str, MethodRouter<ApiState>)> {
    vec![
        ("/", get(overview::overview)),
        ("/recommendations", get(list::list)),
        ("/recommendations/review", get(batch::review)),
        ("/recommendations/decide", post(batch::decide)),
        ("/recommendations/{id}", get(recommendation::recommendation)),
        ("/recommendations/{id}/approve", post(forms::approve)),
        ("/recommendations/{id}/reject", post(forms::reject)),
        ("/changes", get(changes::changes)),
        ("/changes/{id}", get(changes::change)),
        ("/changes/{id}/undo", post(forms::undo)),
        ("/inventory", get(inventory::inventory)),
        ("/inventory/resource", get(inventory::resource)),
        ("/audit", get(audit::audit)),
        ("/stop", post(forms::stop)),
        ("/resume", post(forms::resume)),
        ("/cycle", post(forms::cycle)),
        ("/logout", post(forms::logout)),
    ]
}

/// Every route of the page.
pub(crate) fn routes(state: &ApiState) -> Router<ApiState> {
    let protected = table()
        .into_iter()
        .fold(Router::new(), |router, (path, handler)| router.route(path, handler))
        .route_layer(from_fn_with_state(state.clone(), require_page));
    let open = Router::new()
        .route("/login", get(forms::login_form).post(forms::login))
        .route_layer(from_fn(require_own_origin))
        .route("/static/style.css", get(style));
    protected.merge(open)
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
