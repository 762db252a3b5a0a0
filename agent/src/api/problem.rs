//! Errors of the API as `application/problem+json` (RFC 9457).
//!
//! Not here: how the page shows them (`web`).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::{decide::DecideError, store::StoreError};

/// The media type of problems.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What went wrong, for a machine and for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `policy-refused`, `not-found`, `unauthorized`, `forbidden`, `bad-request`, `not-ready` or `internal`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
}

impl Problem {
    fn new(kind: &str, title: &str, status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
        }
    }

    /// 400.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            "bad-request",
            "the request cannot be understood",
            StatusCode::BAD_REQUEST,
            detail,
        )
    }

    /// 401.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new("unauthorized", "a token is needed", StatusCode::UNAUTHORIZED, detail)
    }

    /// 403.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new("forbidden", "this is not allowed", StatusCode::FORBIDDEN, detail)
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new("not-found", "there is no such thing", StatusCode::NOT_FOUND, detail)
    }

    /// 503.
    #[must_use]
    pub fn not_ready(detail: impl Into<String>) -> Self {
        Self::new("not-ready", "not ready yet", StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// 500, with every cause; the log gets it too.
    #[must_use]
    pub fn internal(error: impl Into<anyhow::Error>) -> Self {
        let detail = format!("{:#}", error.into());
        tracing::error!(error = detail, "a request failed");
        Self::new("internal", "the daemon failed", StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// Whether a person was refused, as opposed to misunderstood or failed.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self.status, 403 | 409 | 412)
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Refused(detail) => {
                Self::new("policy-refused", "refused by policy", StatusCode::CONFLICT, detail)
            }
            DecideError::Unknown { .. } => Self::not_found(error.to_string()),
            DecideError::Ledger(_)
            | DecideError::Record(_)
            | DecideError::Store(_)
            | DecideError::Stop(_) => Self::internal(error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"trimtab\""),
            );
        }
        response
    }
}
