//! The API: what the command line and other programs read and ask for, under `/api/v1`.
//!
//! One table of routes, all behind the operator token but health, readiness and metrics. Not here: the decisions
//! themselves (`decide`) and the page (`web`).

mod actions;
mod guard;
mod problem;
mod queries;
mod report;
mod serve;
mod session;
mod token;
mod views;

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};

use crate::{agent::Agent, stage::Stage, web};

pub use guard::Caller;
pub use problem::Problem;
pub use report::{OutcomeLine, ReportLine, ReportView, SavingLine, WithheldLine, report};
pub use serve::serve;
pub use token::{Token, TokenError, read_token};
pub use views::{
    ActionMode, ChangesBody, CircuitView, ExplainView, InventoryBody, ModesView,
    RecommendationsBody, StatusView, explain, status,
};

pub(crate) use actions::{approve, cycle, given_reason, reject, resume, stop, undo};
pub(crate) use guard::{COOKIE, require_own_origin, require_page, session_id};

/// The largest body: an approval is a few hundred bytes.
const BODY_MAX: usize = 64 << 10;
/// An approval makes fresh calls to AWS before it answers; nothing takes longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Nothing but our own style sheet and forms: no script of anybody's runs on the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Asks the daemon for a stage.
pub type OnSignal = Arc<dyn Fn(Stage) + Send + Sync>;
/// Tells the daemon that a change has something to do.
pub type OnOpenChange = Arc<dyn Fn() + Send + Sync>;

/// What the handlers share.
#[derive(Clone)]
pub struct ApiState {
    /// Everything the agent has.
    pub agent: Arc<Agent>,
    on_signal: OnSignal,
    on_open_change: OnOpenChange,
    token: Arc<Token>,
    sessions: Arc<session::Sessions>,
    open_page: bool,
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState")
            .field("token", &self.token.path())
            .field("open_page", &self.open_page)
            .finish_non_exhaustive()
    }
}

impl ApiState {
    /// Reads the operator token, or makes it on the first start.
    ///
    /// With `open_page`, whoever comes over the loopback interface is the operator without it.
    ///
    /// # Errors
    /// When the token's file cannot be read or made.
    pub fn new(
        agent: Arc<Agent>,
        on_signal: OnSignal,
        on_open_change: OnOpenChange,
        open_page: bool,
    ) -> Result<Self, TokenError> {
        let token = Token::load_or_create(&agent.settings().api.token_file)?;
        Ok(Self {
            agent,
            on_signal,
            on_open_change,
            token: Arc::new(token),
            sessions: Arc::default(),
            open_page,
        })
    }

    /// Signs a holder of the token in; `None` when it is not the token.
    pub(crate) fn sign_in(&self, given: &str) -> Result<Option<String>, getrandom::Error> {
        self.token.matches(given).then(|| self.sessions.open()).transpose()
    }

    /// Ends a session.
    pub(crate) fn sign_out(&self, id: &str) {
        self.sessions.close(id);
    }

    /// Where the token is kept, for the sign-in page.
    pub(crate) fn token_path(&self) -> String {
        self.token.path().display().to_string()
    }

    /// Whether the page is open to this machine.
    pub(crate) const fn is_open_page(&self) -> bool {
        self.open_page
    }
}

/// One row of the table of routes.
type Row = (Method, &'static str, MethodRouter<ApiState>);

/// Every route of the API that needs the token.
fn table() -> Vec<Row> {
    let read = |path, handler| (Method::GET, path, handler);
    let write = |path, handler| (Method::POST, path, handler);
    vec![
        read("/api/v1/status", get(queries::status)),
        read("/api/v1/recommendations", get(queries::recommendations)),
        read("/api/v1/recommendations/{id}", get(queries::recommendation)),
        write("/api/v1/recommendations/{id}/approve", post(actions::post_approve)),
        write("/api/v1/recommendations/{id}/reject", post(actions::post_reject)),
        read("/api/v1/changes", get(queries::changes)),
        read("/api/v1/changes/{id}", get(queries::change)),
        write("/api/v1/changes/{id}/undo", post(actions::post_undo)),
        write("/api/v1/changes/{id}/adopt", post(actions::post_adopt)),
        read("/api/v1/inventory", get(queries::inventory)),
        read("/api/v1/modes/explain", get(queries::explain)),
        read("/api/v1/report", get(queries::report)),
        read("/api/v1/circuit", get(queries::circuit)),
        write("/api/v1/circuit/reset", post(actions::post_circuit_reset)),
        write("/api/v1/stop", post(actions::post_stop)),
        write("/api/v1/resume", post(actions::post_resume)),
        write("/api/v1/cycle", post(actions::post_cycle)),
    ]
}

/// Method and path of every route that needs the token.
#[must_use]
pub fn protected_routes() -> Vec<(Method, &'static str)> {
    table().into_iter().map(|(method, path, _)| (method, path)).collect()
}

/// The API and the page.
pub fn router(state: ApiState) -> Router {
    let protected = table()
        .into_iter()
        .fold(Router::new(), |router, (_, path, handler)| router.route(path, handler));
    Router::new()
        .merge(protected.route_layer(from_fn_with_state(state.clone(), guard::require_api)))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(queries::ready))
        .route("/metrics", get(queries::metrics))
        .merge(web::routes(&state))
        .fallback(|| async {
            Problem::not_found("no such path: the API is under /api/v1, the page is /")
        })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(in_time))
        .layer(from_fn(with_headers))
        .with_state(state)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (
            StatusCode::GATEWAY_TIMEOUT,
            "the answer takes too long; what was asked for may still happen\n",
        )
            .into_response(),
    }
}

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fixed: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in fixed {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
