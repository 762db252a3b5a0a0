//! Reading what a request asks for: its path, its query and its body, each refused with a problem.
//!
//! Not here: who asks (`guard`), and what may be asked for (`table`).

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::{BODY_MAX, problem::Problem};

/// The id in a path.
pub(super) struct Id(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(id)| Self(id))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// What stands behind the question mark; unknown keys and wrong values are refused.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}

/// The body as JSON; an empty one is all defaults. The media type is not asked for: `guard` keeps foreign pages out.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => return Ok(Self(T::default())),
            // Fields in a list, which parsers take in order, could say something else in a later version.
            Some(b'{') => {}
            Some(_) => return Err(Problem::bad_request("the body is no JSON object")),
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            Problem::bad_request(format!("the body is not what is asked for: {error}"))
        })
    }
}

fn unread(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(BODY_MAX),
        _ => Problem::bad_request(rejection.body_text()),
    }
}
