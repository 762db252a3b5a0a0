//! The way from the proxy to moto.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, Method, header};

use super::answer::Answer;

/// A request as it goes on to moto.
#[derive(Debug, Clone)]
pub(crate) struct Forward {
    pub(crate) method: Method,
    pub(crate) path_and_query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Debug)]
pub(crate) struct Upstream {
    url: String,
    client: reqwest::Client,
}

impl Upstream {
    pub(crate) fn new(url: &str) -> Self {
        // moto is on the loopback: a proxy of the environment has no business here.
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client without options can be built");
        Self { url: url.to_owned(), client }
    }

    /// Sends a request on; an unreachable moto is answered with 502 and its error.
    pub(crate) async fn send(&self, request: Forward) -> Answer {
        self.try_send(request)
            .await
            .unwrap_or_else(|error| Answer::new(502, "text/plain", error.to_string()))
    }

    /// Asks a query service (`version` of its API) a question of the proxy's own, on behalf of whoever made `request`.
    pub(crate) async fn ask(&self, request: &Forward, version: &str, question: &str) -> Answer {
        let body = format!("{question}&Version={version}");
        self.send(Forward { body: body.into(), ..request.clone() }).await
    }

    async fn try_send(&self, request: Forward) -> Result<Answer, reqwest::Error> {
        let url = format!("{}{}", self.url, request.path_and_query);
        let passed = |name: &HeaderName| {
            [header::AUTHORIZATION, header::CONTENT_TYPE].contains(name)
                || name.as_str().starts_with("x-amz")
        };
        let headers = request.headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
        let headers: HeaderMap = headers.filter(|(name, _)| passed(name)).collect();
        let reply = self
            .client
            .request(request.method, url)
            .headers(headers)
            .body(request.body)
            .send()
            .await?;
        let status = reply.status().as_u16();
        let kept =
            |name: &HeaderName| *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz");
        let headers = reply.headers().iter().filter(|(name, _)| kept(name));
        let headers = headers.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Answer { status, headers, body: reply.bytes().await? })
    }
}
