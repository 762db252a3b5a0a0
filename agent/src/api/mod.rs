//! The API: what the command line and other programs read and ask for, under `/api/v1`.
//!
//! One table of routes, each with the right that it needs; health, readiness and metrics need none. Not here: who holds
//! which right (`trimtab_policies::authority`), the decisions themselves (`decide`) and the page (`web`).

mod actions;
mod asked;
mod decided;
mod document;
mod events;
mod exceptions;
mod guard;
mod issued;
mod limits;
mod lists;
mod oidc;
mod pages;
mod peers;
mod problem;
mod queries;
mod refusals;
mod report;
mod route;
mod serve;
mod session;
mod tags;
mod tls;
mod token;
mod tokens;
mod told;
mod views;
mod who;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use trimtab_policies::authority::Right;

use document::{Told, ToldRoute};
use limits::Limits;
use refusals::{Refusal, Refusals};

use crate::{agent::Agent, stage::Stage, web};

pub use decided::{Decided, DecisionLine, PersonLine};
pub use exceptions::ExceptionsBody;
pub use guard::Caller;
pub use lists::{AuditBody, ChangesBody, InventoryBody, RecommendationsBody};
pub use problem::Problem;
pub use report::{
    OutcomeLine, RecurringLine, ReportError, ReportLine, ReportView, SavingLine, WithheldLine,
    days_before, report,
};
pub use serve::{serve, serve_with};
pub use tls::{Tls, TlsError, certificates};
pub use token::{Token, TokenError, read_token};
pub use tokens::{CreatedToken, TokenView, TokensBody};
pub use views::{
    ActionMode, CircuitView, ExplainView, MeView, ModesView, StatusView, explain, status,
};

pub(crate) use actions::reason_not_here;
pub(crate) use actions::{approve, cycle, given_reason, reject, resume, stop, undo};
pub(crate) use exceptions::{
    ExceptionBody, add as except, end as end_exception, renew as renew_exception,
};
pub(crate) use guard::{cookie as cookie_named, require_own_origin, session_id};
pub(crate) use limits::count_attempts;
pub(crate) use oidc::PATIENCE as LOGIN_PATIENCE;
pub(crate) use route::{Row, Way, guarded};
pub(crate) use session::LIFETIME;

/// The largest body: an approval is a few hundred bytes.
const BODY_MAX: usize = 64 << 10;
/// An approval makes fresh calls to AWS before it answers; nothing takes longer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Nothing but our own style sheet and forms: no script of anybody's runs on the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The cookie of a session.
const COOKIE: &str = "trimtab_session";
/// The same over TLS: by its prefix browsers take it from this host alone, and only over TLS.
const SECURE_COOKIE: &str = "__Host-trimtab_session";
/// Browsers come back over TLS for a year at least.
const TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

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
    refusals: Arc<Refusals>,
    logins: Arc<oidc::Logins>,
    /// Whether it is served over TLS.
    secure: bool,
    limits: Arc<Limits>,
    streams: Arc<events::Streams>,
    open_page: bool,
    figures: Arc<web::Figures>,
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
        let settings = agent.settings();
        let token = Token::load_or_create(&settings.api.token_file)?;
        Ok(Self {
            agent,
            on_signal,
            on_open_change,
            token: Arc::new(token),
            sessions: Arc::default(),
            refusals: Arc::default(),
            logins: Arc::default(),
            secure: settings.api.tls.is_some(),
            limits: Arc::new(Limits::of(&settings.api)),
            streams: Arc::default(),
            open_page,
            figures: Arc::default(),
        })
    }

    /// Plots that were drawn before.
    pub(crate) fn figures(&self) -> &web::Figures {
        &self.figures
    }

    /// Signs in whoever holds a token that is good for something, and returns the session's id.
    ///
    /// # Errors
    /// 401 when it is none.
    pub(crate) async fn sign_in(&self, given: &str) -> Result<String, Problem> {
        self.open_session(who::recognise(self, given)?).await
    }

    /// Opens a session for whoever a credential stands for, if it lets anybody in.
    async fn open_session(&self, credential: who::Credential) -> Result<String, Problem> {
        let person = match who::person(&self.agent, &credential) {
            Ok(person) => person,
            Err(problem) => {
                self.note_dead(Right::OwnSession, &credential, &problem).await;
                return Err(problem);
            }
        };
        tracing::info!(name = person.name, role = person.role.as_str(), "signed in");
        self.sessions.open(credential).map_err(Problem::internal)
    }

    /// The name of the session's cookie.
    pub(crate) const fn cookie(&self) -> &'static str {
        if self.secure { SECURE_COOKIE } else { COOKIE }
    }

    /// Whether it is served over TLS.
    pub(crate) const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Keeps a refusal in the audit log.
    pub(crate) async fn note_refusal(&self, by: &str, refusal: Refusal) {
        let (agent, refusals, by) =
            (Arc::clone(&self.agent), Arc::clone(&self.refusals), by.to_owned());
        let noted = queries::off_thread(move || refusals.note(&agent, &by, refusal)).await;
        if let Err(problem) = noted {
            tracing::warn!(detail = problem.detail, "a refusal could not be noted");
        }
    }

    /// Keeps in the audit log that somebody came with a token that lets nobody in any more.
    async fn note_dead(&self, right: Right, credential: &who::Credential, problem: &Problem) {
        let who::Credential::Issued(id) = credential else { return };
        let name = self.agent.ledger().book().tokens().get(id).map(|token| token.new.name.clone());
        if let Some(name) = name {
            let (what, reason) = (format!("token {id}"), problem.detail.clone());
            self.note_refusal(&name, Refusal { right, what, reason }).await;
        }
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

/// Every route of the API that needs a right.
fn table() -> Vec<Row> {
    use Right::{Decide, ManageTokens, Operate, OwnSession, Read, Resume, Stop, Undo};
    vec![
        Row::get(OwnSession, "/api/v1/me", queries::me).told(told::me()),
        Row::get(Read, "/api/v1/status", queries::status).told(told::status()),
        Row::get(Read, "/api/v1/recommendations", lists::recommendations)
            .told(told::recommendations()),
        Row::get(Read, "/api/v1/recommendations/{id}", queries::recommendation)
            .told(told::recommendation()),
        Row::post(Decide, "/api/v1/recommendations/{id}/approve", actions::post_approve)
            .told(told::approve()),
        Row::post(Decide, "/api/v1/recommendations/{id}/reject", actions::post_reject)
            .told(told::reject()),
        Row::get(Read, "/api/v1/changes", lists::changes).told(told::changes()),
        Row::get(Read, "/api/v1/changes/{id}", queries::change).told(told::change()),
        Row::post(Undo, "/api/v1/changes/{id}/undo", actions::post_undo).told(told::undo()),
        Row::post(Operate, "/api/v1/changes/{id}/adopt", actions::post_adopt).told(told::adopt()),
        Row::get(Read, "/api/v1/inventory", lists::inventory).told(told::inventory()),
        Row::get(Read, "/api/v1/audit", lists::audit).told(told::audit()),
        Row::get(Read, "/api/v1/events", events::events).told(told::events()),
        Row::get(Read, "/api/v1/modes/explain", queries::explain).told(told::explain()),
        Row::get(Read, "/api/v1/report", queries::report).told(told::report()),
        Row::get(Read, "/api/v1/circuit", queries::circuit).told(told::circuit()),
        Row::post(Operate, "/api/v1/circuit/reset", actions::post_circuit_reset)
            .told(told::circuit_reset()),
        Row::get(Read, "/api/v1/exceptions", exceptions::get_exceptions).told(told::exceptions()),
        Row::post(Decide, "/api/v1/exceptions", exceptions::post_exceptions)
            .told(told::create_exception()),
        Row::post(Decide, "/api/v1/exceptions/{id}/renew", exceptions::post_renew)
            .told(told::renew_exception()),
        Row::post(Decide, "/api/v1/exceptions/{id}/end", exceptions::post_end)
            .told(told::end_exception()),
        Row::post(Stop, "/api/v1/stop", actions::post_stop).told(told::stop()),
        Row::post(Resume, "/api/v1/resume", actions::post_resume).told(told::resume()),
        Row::post(Operate, "/api/v1/cycle", actions::post_cycle).told(told::cycle()),
        Row::post(Operate, "/api/v1/notify/test", actions::post_notify_test)
            .told(told::notify_test()),
        Row::get(ManageTokens, "/api/v1/tokens", tokens::get_tokens).told(told::tokens()),
        Row::post(ManageTokens, "/api/v1/tokens", tokens::post_tokens).told(told::create_token()),
        Row::post(ManageTokens, "/api/v1/tokens/{id}/revoke", tokens::post_revoke)
            .told(told::revoke_token()),
    ]
}

/// Method and path of every route of the API that needs a right.
#[must_use]
pub fn protected_routes() -> Vec<(Method, &'static str)> {
    table().into_iter().map(|row| (row.method, row.path)).collect()
}

/// Method and path of every route of the page that needs a right.
#[must_use]
pub fn page_routes() -> Vec<(Method, &'static str)> {
    web::table().into_iter().map(|row| (row.method, row.path)).collect()
}

/// What anybody on this machine may ask, and from elsewhere whoever has a token that is good for anything.
const METRICS: (&str, Right) = ("/metrics", Right::OwnSession);

/// Every route beside the page that anybody may ask.
fn open_table() -> Vec<(&'static str, MethodRouter<ApiState>, Told)> {
    vec![
        ("/healthz", get(|| async { "ok\n" }), told::health()),
        ("/readyz", get(queries::ready), told::ready()),
        ("/openapi.json", get(openapi), told::openapi()),
    ]
}

/// The document, made once: the tables do not change.
async fn openapi() -> Response {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let made = DOCUMENT.get_or_init(|| document().to_string().into());
    ([(header::CONTENT_TYPE, "application/json")], made.clone()).into_response()
}

/// The API's document (OpenAPI 3.1), of every route that serves and says what it does.
#[must_use]
pub fn document() -> serde_json::Value {
    let open = open_table().into_iter();
    let open =
        open.map(|(path, _, told)| ToldRoute { method: Method::GET, path, right: None, told });
    let (path, right) = METRICS;
    let metrics =
        ToldRoute { method: Method::GET, path, right: Some(right), told: told::metrics() };
    let guarded = table().into_iter().filter_map(Row::into_told);
    document::document(open.chain([metrics]).chain(guarded))
}

/// The API and the page.
pub fn router(state: ApiState) -> Router {
    let open = open_table()
        .into_iter()
        .fold(Router::new(), |router, (path, handler, _)| router.route(path, handler));
    let (metrics, right) = METRICS;
    let gate = guard::Gate { state: state.clone(), right, way: Way::Api };
    let gauge = limits::Gauge { state: state.clone(), way: Way::Api };
    let counted = get(queries::metrics).route_layer(from_fn_with_state(gauge, limits::count));
    Router::new()
        .merge(guarded(table(), &state, Way::Api))
        .route(metrics, counted.route_layer(from_fn_with_state(gate, guard::admit_from_afar)))
        .merge(open)
        .merge(web::routes(&state))
        .fallback(|| async {
            Problem::not_found("no such path: the API is under /api/v1, the page is /")
        })
        .method_not_allowed_fallback(|method: Method| async move {
            Problem::method_not_allowed(method.as_str())
        })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(state.clone(), with_headers))
        .with_state(state)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::too_slow().into_response(),
    }
}

async fn with_headers(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if state.is_secure() {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, TRANSPORT_SECURITY);
    }
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
