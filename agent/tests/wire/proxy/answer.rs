//! Answers in the protocols of the services: what a caller gets from moto, from the proxy's own rules or from an
//! injected fault looks alike.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::call::Call;
use super::cbor::Value;

/// An HTTP answer whose body is known whole, so that rules can read and change it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self { status, headers, body: body.into() }
    }

    pub(crate) fn xml(body: String) -> Self {
        Self::new(200, "text/xml", body)
    }

    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self::new(200, "application/json", body.to_string())
    }

    pub(crate) fn cbor(body: Vec<u8>) -> Self {
        let mut answer = Self::new(200, "application/cbor", body);
        answer.headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        answer
    }

    /// An error as the call's service words it, with the code that the SDK reads.
    pub(crate) fn error(call: &Call, status: u16, code: &str, message: &str) -> Self {
        let mut answer = match call.service.as_str() {
            "lambda" => {
                let body = serde_json::json!({ "Type": "User", "Message": message });
                let mut answer = Self::json(&body);
                answer.insert("x-amzn-errortype", code);
                answer
            }
            "cloudwatch" => {
                let body = [("__type", code), ("message", message)];
                let body = body.map(|(name, text)| (name.to_owned(), Value::Text(text.to_owned())));
                let mut answer = Self::cbor(Value::Map(body.into()).to_bytes());
                answer.insert("x-amzn-query-error", &format!("{code};Sender"));
                answer
            }
            "ec2" => Self::xml(format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
                 <RequestID>wire</RequestID></Response>"
            )),
            _ => Self::xml(format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>wire</RequestId></ErrorResponse>"
            )),
        };
        answer.status = status;
        answer
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        *response.headers_mut() = self.headers;
        response
    }

    fn insert(&mut self, name: &'static str, value: &str) {
        let value = HeaderValue::from_str(value).expect("error codes are plain ASCII");
        self.headers.insert(HeaderName::from_static(name), value);
    }
}
