//! Who is asking, and whether a browser was tricked into it.
//!
//! Three ways in: the token as a bearer, a session's cookie, and, on an open page, the loopback interface. The last two
//! are what a foreign page could ride on, so writes over them must come from our own origin. Not here: what is asked.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use super::{ApiState, problem::Problem};

/// The cookie of a session.
pub(crate) const COOKIE: &str = "trimtab_session";
/// How journal records name whoever holds the token.
const OPERATOR: &str = "operator";

/// Whoever is asking, as records name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(pub String);

/// Lets API requests through that are the operator's; the caller is then in the request's extensions.
pub(crate) async fn require_api(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    admit(&state, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// Lets page requests through that are the operator's; a visitor is shown the way in.
pub(crate) async fn require_page(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let reads = request.method() == Method::GET;
    match admit(&state, request, next).await {
        Ok(response) => response,
        Err(problem) if reads && problem.status == 401 => Redirect::to("/login").into_response(),
        Err(problem) => crate::web::problem_page(problem),
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

async fn admit(state: &ApiState, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = caller(state, &parts)?;
    parts.extensions.insert(caller);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

fn caller(state: &ApiState, parts: &Parts) -> Result<Caller, Problem> {
    let headers = &parts.headers;
    let operator = Caller(OPERATOR.to_owned());
    if let Some(given) = bearer(headers) {
        return if state.token.matches(given) {
            Ok(operator)
        } else {
            Err(Problem::unauthorized(format!("this is not the operator token: {}", hint(state))))
        };
    }
    let writes = !matches!(parts.method, Method::GET | Method::HEAD);
    if session_id(headers).is_some_and(|id| state.sessions.holds(id)) {
        if writes {
            own_origin(headers, Strictness::Always)?;
        }
        return Ok(operator);
    }
    if !state.open_page {
        return Err(Problem::unauthorized(hint(state)));
    }
    on_loopback(parts)?;
    if writes {
        own_origin(headers, Strictness::Browsers)?;
    }
    Ok(operator)
}

fn hint(state: &ApiState) -> String {
    format!(
        "send `Authorization: Bearer TOKEN`, or sign in at /login; the token is in `{}`, which its owner may read",
        state.token.path().display()
    )
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    // Another scheme, or no text, is a wrong token and not the absence of one.
    Some(value.strip_prefix("Bearer ").unwrap_or_default())
}

/// The session's id in the cookies.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
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
        assert_eq!(session_id(&map), Some("abc"));
        assert_eq!(session_id(&headers(&[("cookie", "trimtab_session2=abc")])), None);
    }
}
