//! Who is asking, and whether a browser was tricked into it.
//!
//! Three ways in: a token as a bearer, a session's cookie, and, on an open page, the loopback interface. The last two
//! are what a foreign page could ride on, so writes over them must come from our own origin. Not here: what is asked.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use trimtab_policies::authority::{Person, Right, reason_not_allowed};

use super::{
    ApiState,
    problem::Problem,
    queries::off_thread,
    refusals::Refusal,
    route::Way,
    who::{self, Credential},
};

/// Whoever is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who that is, and what they may.
    pub person: Person,
    credential: Credential,
    /// The session by which they came.
    session: Option<String>,
}

impl Caller {
    /// The name that records bear.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.person.name
    }

    /// The same caller as of now: what takes longer than a request is asked for again before it goes on.
    ///
    /// # Errors
    /// 401 when the token, session or person lets nobody in any more, 403 when it no longer carries the right.
    pub(crate) fn again(&self, state: &ApiState, right: Right) -> Result<Self, Problem> {
        if let Some(id) = &self.session
            && !state.sessions.is_open(id)
        {
            return Err(Problem::unauthorized("the session has ended: sign in again"));
        }
        let person = who::person(&state.agent, &self.credential)?;
        match reason_not_allowed(&person, right, None) {
            Some(reason) => Err(Problem::forbidden(reason)),
            None => Ok(Self { person, ..self.clone() }),
        }
    }
}

/// What stands before a route.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    pub(crate) state: ApiState,
    pub(crate) right: Right,
    pub(crate) way: Way,
}

/// Lets a request through whose caller holds the right; the caller is then in the request's extensions.
pub(crate) async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match allowed(&gate, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => refused(gate.way, &parts.method, problem),
    }
}

/// Lets whoever asks from this machine through, and everybody else as [`admit`] does.
pub(crate) async fn admit_from_afar(gate: State<Gate>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    if peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback()) {
        return next.run(request).await;
    }
    admit(gate, request, next).await
}

async fn allowed(gate: &Gate, parts: &Parts) -> Result<Caller, Problem> {
    let state = &gate.state;
    let (credential, arrival) = credential(state, parts)?;
    let person = match who::person(&state.agent, &credential) {
        Ok(person) => person,
        Err(problem) => {
            if let Arrival::Session(id) = arrival {
                state.sessions.close(id);
            }
            return Err(dead(gate, parts, &credential, problem).await);
        }
    };
    let refusal =
        match (arrival.is_own_origin(parts), reason_not_allowed(&person, gate.right, None)) {
            (Err(problem), _) => Some(problem),
            (Ok(()), Some(reason)) => Some(Problem::forbidden(reason)),
            (Ok(()), None) => None,
        };
    if let Some(problem) = refusal {
        // What is refused costs as much as what is done, and is journalled besides.
        state.limits.take(&person.name, &parts.method)?;
        if is_write(&parts.method) {
            let what = parts.uri.path().to_owned();
            let reason = problem.detail.clone();
            state.note_refusal(&person.name, Refusal { right: gate.right, what, reason }).await;
        }
        return Err(problem);
    }
    if who::is_news(&state.agent, &credential) {
        let (agent, name) = (Arc::clone(&state.agent), person.name.clone());
        let used = credential.clone();
        off_thread(move || who::note_use(&agent, &name, &used)).await?;
    }
    let session = match arrival {
        Arrival::Session(id) => Some(id.to_owned()),
        Arrival::Bearer | Arrival::Open => None,
    };
    Ok(Caller { person, credential, session })
}

/// What is said to whoever comes with a token that was good once; that they came is kept.
async fn dead(gate: &Gate, parts: &Parts, credential: &Credential, problem: Problem) -> Problem {
    let state = &gate.state;
    if let Credential::Issued(id) = credential
        && let Err(too_many) = state.limits.take(id, &parts.method)
    {
        return too_many;
    }
    state.note_dead(gate.right, credential, &problem).await;
    problem
}

/// Programs get the problem; a visitor who is nobody yet is shown the way in.
fn refused(way: Way, method: &Method, problem: Problem) -> Response {
    match way {
        Way::Api => problem.into_response(),
        Way::Page if *method == Method::GET && problem.status == 401 => {
            Redirect::to("/login").into_response()
        }
        Way::Page => crate::web::problem_page(problem),
    }
}

/// Lets a sign-in through that our own form sent: nobody shall be signed in by somebody else's page.
pub(crate) async fn require_own_origin(request: Request, next: Next) -> Response {
    if request.method() == Method::POST
        && let Err(problem) = own_origin(request.headers(), Strictness::Always)
    {
        return crate::web::problem_page(problem);
    }
    next.run(request).await
}

/// The way by which a credential came.
#[derive(Debug, Clone, Copy)]
enum Arrival<'a> {
    /// As a bearer, which no foreign page can send.
    Bearer,
    /// By a session's cookie, with its id.
    Session(&'a str),
    /// Over the loopback interface, on an open page.
    Open,
}

impl Arrival<'_> {
    /// What a foreign page could ride on must come from our own.
    fn is_own_origin(self, parts: &Parts) -> Result<(), Problem> {
        match self {
            Self::Session(_) if is_write(&parts.method) => {
                own_origin(&parts.headers, Strictness::Always)
            }
            Self::Open if is_write(&parts.method) => {
                own_origin(&parts.headers, Strictness::Browsers)
            }
            Self::Bearer | Self::Session(_) | Self::Open => Ok(()),
        }
    }
}

fn is_write(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

fn credential<'a>(
    state: &ApiState,
    parts: &'a Parts,
) -> Result<(Credential, Arrival<'a>), Problem> {
    let headers = &parts.headers;
    if let Some(given) = bearer(headers) {
        return Ok((who::recognise(state, given)?, Arrival::Bearer));
    }
    if let Some(id) = session_id(state, headers)
        && let Some(credential) = state.sessions.credential(id)
    {
        return Ok((credential, Arrival::Session(id)));
    }
    if !state.open_page {
        return Err(Problem::unauthorized(who::hint(state)));
    }
    on_loopback(parts)?;
    Ok((Credential::Local, Arrival::Open))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    // Another scheme, or no text, is a wrong token and not the absence of one.
    Some(value.strip_prefix("Bearer ").unwrap_or_default())
}

/// The session's id in the cookies.
pub(crate) fn session_id<'a>(state: &ApiState, headers: &'a HeaderMap) -> Option<&'a str> {
    cookie(headers, state.cookie())
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// On an open page: the connection and the name that the browser used are both the loopback's.
///
/// The name is what a DNS answer cannot fake: a foreign name that resolves to 127.0.0.1 still says itself here.
fn on_loopback(parts: &Parts) -> Result<(), Problem> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    if peer.is_some_and(|ConnectInfo(peer)| !peer.ip().is_loopback()) {
        return Err(Problem::forbidden("this page is open to this machine only"));
    }
    match host(&parts.headers) {
        Some(host) if is_loopback_name(name_of(host)) => Ok(()),
        Some(host) => Err(Problem::forbidden(format!(
            "the page was asked for as `{host}`: open it by its address, 127.0.0.1 or localhost"
        ))),
        None => Err(Problem::forbidden("the request names no host")),
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// The name without the port; an IPv6 address keeps its brackets.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]"
}

/// Whether a request that says nothing of its origin is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// No: only a browser has a cookie, and browsers say it.
    Always,
    /// Yes: it comes from a program, which nobody can lead from a foreign page.
    Browsers,
}

fn own_origin(headers: &HeaderMap, strictness: Strictness) -> Result<(), Problem> {
    let site = headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or_default());
    let origin = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or_default());
    if site.is_none() && origin.is_none() && strictness == Strictness::Always {
        return Err(Problem::forbidden("the request does not say from which page it comes"));
    }
    if site.is_some_and(|site| site != "same-origin") {
        return Err(Problem::forbidden("the request comes from another site's page"));
    }
    match (origin, host(headers)) {
        (None, _) => Ok(()),
        (Some(origin), Some(host))
            if authority(origin).is_some_and(|own| own.eq_ignore_ascii_case(host)) =>
        {
            Ok(())
        }
        (Some(origin), _) => Err(Problem::forbidden(format!(
            "the request comes from `{origin}`, which is not this page"
        ))),
    }
}

fn authority(origin: &str) -> Option<&str> {
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn names_of_the_loopback() {
        for (host, is_ours) in [
            ("127.0.0.1:8470", true),
            ("localhost:8470", true),
            ("LOCALHOST", true),
            ("[::1]:8470", true),
            ("[::1]", true),
            ("127.0.0.1.evil.example:8470", false),
            ("evil.example", false),
            ("localhost.evil.example:80", false),
            ("", false),
        ] {
            assert_eq!(is_loopback_name(name_of(host)), is_ours, "{host}");
        }
    }

    #[test]
    fn origins() {
        let host = ("host", "127.0.0.1:8470");
        for (pairs, strictness, is_ours) in [
            (vec![host], Strictness::Always, false),
            (vec![host], Strictness::Browsers, true),
            (vec![host, ("origin", "http://127.0.0.1:8470")], Strictness::Always, true),
            (vec![host, ("origin", "http://127.0.0.1:9999")], Strictness::Browsers, false),
            (vec![host, ("origin", "http://evil.example")], Strictness::Browsers, false),
            (vec![host, ("origin", "null")], Strictness::Browsers, false),
            (vec![host, ("sec-fetch-site", "same-origin")], Strictness::Always, true),
            (vec![host, ("sec-fetch-site", "same-site")], Strictness::Always, false),
            (vec![host, ("sec-fetch-site", "cross-site")], Strictness::Browsers, false),
            (vec![("origin", "http://127.0.0.1:8470")], Strictness::Always, false),
        ] {
            assert_eq!(own_origin(&headers(&pairs), strictness).is_ok(), is_ours, "{pairs:?}");
        }
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let map = headers(&[("cookie", "theme=dark; trimtab_session=abc; x=y")]);
        assert_eq!(cookie(&map, "trimtab_session"), Some("abc"));
        let other = headers(&[("cookie", "trimtab_session2=abc")]);
        assert_eq!(cookie(&other, "trimtab_session"), None);
    }
}
