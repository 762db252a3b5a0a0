//! Errors of the API as `application/problem+json` (RFC 9457).
//!
//! Not here: how the page shows them (`web`).

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::report::ReportError;
use crate::{decide::DecideError, store::StoreError};

/// The media type of problems.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// A kind of problem. Its URI leads to the API's document, which says what it means.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// The last part of its URI.
    name: &'static str,
    title: &'static str,
    status: StatusCode,
    /// What it means and what to do, for whoever looks its URI up in the API's document.
    meaning: &'static str,
}

const BAD_REQUEST: Kind = Kind {
    name: "bad-request",
    title: "the request cannot be understood",
    status: StatusCode::BAD_REQUEST,
    meaning: "The path, the query, the body or a cursor is not what is asked for. The same request fails again.",
};
const UNAUTHORIZED: Kind = Kind {
    name: "unauthorized",
    title: "a token is needed",
    status: StatusCode::UNAUTHORIZED,
    meaning: "There is no token, or it is not one that is taken. Nothing was looked at.",
};
const FORBIDDEN: Kind = Kind {
    name: "forbidden",
    title: "this is not allowed",
    status: StatusCode::FORBIDDEN,
    meaning: "The token or session is good, but not for this, or not from where the request comes.",
};
const NOT_FOUND: Kind = Kind {
    name: "not-found",
    title: "there is no such thing",
    status: StatusCode::NOT_FOUND,
    meaning: "Nothing has this path or id; lists tell the ids that there are.",
};
const METHOD_NOT_ALLOWED: Kind = Kind {
    name: "method-not-allowed",
    title: "the path does not take this method",
    status: StatusCode::METHOD_NOT_ALLOWED,
    meaning: "The header `Allow` names the methods that it takes.",
};
const POLICY_REFUSED: Kind = Kind {
    name: "policy-refused",
    title: "refused by policy",
    status: StatusCode::CONFLICT,
    meaning: "The request is understood and was refused: nothing was changed. What stands in the way is told.",
};
const STALE: Kind = Kind {
    name: "stale",
    title: "it has changed since it was read",
    status: StatusCode::PRECONDITION_FAILED,
    meaning: "The tag in `If-Match` is not the one that it has now: nothing was changed. Read it again and decide anew.",
};
const TOO_LARGE: Kind = Kind {
    name: "too-large",
    title: "the body is too large",
    status: StatusCode::PAYLOAD_TOO_LARGE,
    meaning: "No body that is asked for comes near the limit. Nothing was looked at.",
};
const TOO_MANY: Kind = Kind {
    name: "too-many-requests",
    title: "too many requests",
    status: StatusCode::TOO_MANY_REQUESTS,
    meaning: "Nothing was done. Ask again after the seconds that `Retry-After` says.",
};
const INTERNAL: Kind = Kind {
    name: "internal",
    title: "the daemon failed",
    status: StatusCode::INTERNAL_SERVER_ERROR,
    meaning: "Something that the daemon needs failed; its log says the same. What was asked for may count or not: look before you ask again.",
};
const NOT_READY: Kind = Kind {
    name: "not-ready",
    title: "not ready yet",
    status: StatusCode::SERVICE_UNAVAILABLE,
    meaning: "The daemon cannot do this now; what it waits for is told.",
};
const TOO_SLOW: Kind = Kind {
    name: "too-slow",
    title: "the answer takes too long",
    status: StatusCode::GATEWAY_TIMEOUT,
    meaning: "No answer was ready in time, mostly for lack of one from AWS. What was asked for may still happen: look before asking again.",
};

/// Every kind.
const KINDS: [Kind; 12] = [
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    POLICY_REFUSED,
    STALE,
    TOO_LARGE,
    TOO_MANY,
    INTERNAL,
    NOT_READY,
    TOO_SLOW,
];

impl Kind {
    /// A reference to the document that explains it.
    fn uri(&self) -> String {
        format!("/openapi.json#{}", self.name)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        let one = |kind: Self| {
            let meaning = format!("{} ({})", kind.meaning, kind.status.as_u16());
            json!({ "const": kind.uri(), "title": kind.title, "description": meaning })
        };
        let all: Vec<Value> = KINDS.map(one).into();
        json_schema!({ "type": "string", "format": "uri-reference", "oneOf": all })
    }
}

/// What a status of the API means, where it is one of a problem.
pub(super) fn words(status: StatusCode) -> Option<&'static str> {
    KINDS.iter().find(|kind| kind.status == status).map(|kind| kind.meaning)
}

/// What went wrong, for a machine and for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The kind, as a reference to what explains it.
    #[serde(rename = "type")]
    #[schemars(schema_with = "Kind::schema")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
    /// Seconds after which to ask again, where that helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind: kind.uri(),
            title: kind.title.to_owned(),
            status: kind.status.as_u16(),
            detail: detail.into(),
            retry_after_s: None,
        }
    }

    /// 400.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(BAD_REQUEST, detail)
    }

    /// 401.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(UNAUTHORIZED, detail)
    }

    /// 403.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(FORBIDDEN, detail)
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(NOT_FOUND, detail)
    }

    /// 405; the router adds `Allow`.
    #[must_use]
    pub fn method_not_allowed(method: &str) -> Self {
        Self::new(METHOD_NOT_ALLOWED, format!("`{method}` is not a method of this path"))
    }

    /// 412.
    #[must_use]
    pub fn stale(detail: impl Into<String>) -> Self {
        Self::new(STALE, detail)
    }

    /// 413.
    #[must_use]
    pub fn too_large(most: usize) -> Self {
        Self::new(TOO_LARGE, format!("the body is larger than {most} bytes: send less"))
    }

    /// 429.
    #[must_use]
    pub fn too_many(detail: impl Into<String>, after: Duration) -> Self {
        // Whole seconds, rounded up: asking a moment too early would be refused again.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        Self { retry_after_s: Some(seconds.max(1)), ..Self::new(TOO_MANY, detail) }
    }

    /// 503.
    #[must_use]
    pub fn not_ready(detail: impl Into<String>) -> Self {
        Self::new(NOT_READY, detail)
    }

    /// 504.
    #[must_use]
    pub fn too_slow() -> Self {
        Self::new(TOO_SLOW, "the answer takes too long; what was asked for may still happen")
    }

    /// 500, with every cause; the log gets it too.
    #[must_use]
    pub fn internal(error: impl Into<anyhow::Error>) -> Self {
        let detail = format!("{:#}", error.into());
        tracing::error!(error = detail, "a request failed");
        Self::new(INTERNAL, detail)
    }

    /// Whether a person was refused, as opposed to misunderstood or failed.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self.status, 401 | 403 | 409 | 412)
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
            DecideError::Refused(detail) => Self::new(POLICY_REFUSED, detail),
            DecideError::Invalid(detail) => Self::bad_request(detail),
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

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after_s) = (self.status(), self.retry_after_s);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"trimtab\""),
            );
        }
        response
    }
}
