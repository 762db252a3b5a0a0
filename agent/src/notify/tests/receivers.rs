//! Receivers as there are outside: an HTTP endpoint that answers as it is told, and a mail server.
//!
//! Not here: any expectation about what they get.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

/// What an endpoint answers.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Status(u16),
    Body(&'static str),
    RetryAfter(u16, &'static str),
    Redirect(String),
    /// Not within any patience.
    Never,
}

/// A request that came in.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> String {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// An endpoint that takes posts.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) url: String,
    got: Arc<Mutex<Vec<Got>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
}

impl Endpoint {
    /// Listens; answers as it was told, and 200 when it was told nothing more.
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (got, replies) =
            (Arc::<Mutex<Vec<Got>>>::default(), Arc::<Mutex<VecDeque<Reply>>>::default());
        let (into, from) = (Arc::clone(&got), Arc::clone(&replies));
        let take = move |headers: HeaderMap, body: Bytes| async move {
            into.lock().expect("nobody panics with it").push(Got { headers, body });
            let reply = from.lock().expect("nobody panics with it").pop_front();
            answer(reply.unwrap_or(Reply::Status(200))).await
        };
        let router = Router::new().route("/in", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: format!("http://{address}/in"), got, replies }
    }

    pub(super) fn will(&self, replies: impl IntoIterator<Item = Reply>) {
        self.replies.lock().expect("nobody panics with it").extend(replies);
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().expect("nobody panics with it").clone()
    }
}

async fn answer(reply: Reply) -> Response {
    match reply {
        Reply::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Reply::Body(text) => text.into_response(),
        Reply::RetryAfter(status, seconds) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [(header::RETRY_AFTER, seconds)]).into_response()
        }
        Reply::Redirect(to) => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
        }
        Reply::Never => {
            // Longer than the tests' courier waits, and no longer than their runtime lives.
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
    }
}

/// A mail server that talks SMTP in the clear.
#[derive(Debug, Clone)]
pub(super) struct MailServer {
    pub(super) port: u16,
    /// Every conversation, line by line, as the client said it.
    said: Arc<Mutex<Vec<Vec<String>>>>,
}

impl MailServer {
    /// Listens; answers the end of a mail's data with `verdict`.
    pub(super) async fn open(verdict: &'static str) -> Self {
        Self::without(verdict, None).await
    }

    /// The same, where a recipient is not known.
    pub(super) async fn without(verdict: &'static str, unknown: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let said = Arc::<Mutex<Vec<Vec<String>>>>::default();
        let heard = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let lines = converse(stream, verdict, unknown).await;
                heard.lock().expect("nobody panics with it").push(lines);
            }
        });
        Self { port, said }
    }

    /// The conversations that have ended; waits until there are so many.
    pub(super) async fn said(&self, count: usize) -> Vec<Vec<String>> {
        loop {
            let said = self.said.lock().expect("nobody panics with it").clone();
            if said.len() >= count {
                return said;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn converse(
    stream: tokio::net::TcpStream,
    verdict: &str,
    unknown: Option<&str>,
) -> Vec<String> {
    let (reader, mut writer) = stream.into_split();
    let (mut lines, mut said, mut in_data) = (BufReader::new(reader).lines(), Vec::new(), false);
    let mut answer = "220 mail.test ESMTP".to_owned();
    loop {
        if writer.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return said;
        }
        loop {
            let Ok(Some(line)) = lines.next_line().await else { return said };
            said.push(line.clone());
            if in_data && line != "." {
                continue;
            }
            answer = match line.split(' ').next().unwrap_or_default().to_uppercase().as_str() {
                "." => {
                    in_data = false;
                    verdict.to_owned()
                }
                "DATA" => {
                    in_data = true;
                    "354 go on".to_owned()
                }
                "EHLO" => "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN".to_owned(),
                "AUTH" => "235 welcome".to_owned(),
                "RCPT" if unknown.is_some_and(|unknown| line.contains(unknown)) => {
                    "550 no such user".to_owned()
                }
                "QUIT" => "221 bye".to_owned(),
                _ => "250 ok".to_owned(),
            };
            break;
        }
    }
}
