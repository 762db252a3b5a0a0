//! Sends one message to one receiver, once.
//!
//! Secrets are read from their files each time, so that they can be replaced without a restart. Not here: what is sent
//! when, and again (`outbox`, `run`).

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header, redirect::Policy};
use serde_json::Value;
use thiserror::Error;
use trimtab_config::{Channel, Receiver};

use super::{
    mail::{self, MailError},
    notice::Message,
    outbox::Setback,
    slack,
    webhook::{self, EVENT_HEADER, SIGNATURE_HEADER},
};

/// How long a receiver may take for its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of an answer that are looked at.
const ANSWER_MAX: usize = 64 << 10;
/// Letters of an answer that are told.
const TOLD_MAX: usize = 200;
/// The longest pause that a receiver may ask for.
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// Why a message did not arrive.
#[derive(Debug, Error)]
pub enum SendError {
    /// The secret.
    #[error("the secret file `{}` cannot be read", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The secret file is empty.
    #[error("the secret file `{}` is empty: write the secret to it", path.display())]
    NoSecret {
        /// The file.
        path: PathBuf,
    },
    /// A secret that should be an address is none that may be used.
    #[error("`{}` holds no https address of an incoming webhook; a bot's token needs a channel", path.display())]
    NoAddress {
        /// The file.
        path: PathBuf,
    },
    /// The receiver did not answer. The address is not told: it may be a secret.
    #[error("the receiver did not answer")]
    Http(#[source] reqwest::Error),
    /// The receiver answered something else than success.
    #[error("the receiver answered {status}: {text}")]
    Answer {
        /// The status.
        status: StatusCode,
        /// The beginning of the answer.
        text: String,
        /// The pause that it asked for.
        pause: Option<SignedDuration>,
    },
    /// Mail.
    #[error(transparent)]
    Mail(#[from] MailError),
}

impl SendError {
    /// What the outbox makes of it.
    #[must_use]
    pub fn into_setback(self) -> Setback {
        let pause = match &self {
            Self::Answer { pause, .. } => *pause,
            Self::Mail(_)
            | Self::Secret { .. }
            | Self::NoSecret { .. }
            | Self::NoAddress { .. }
            | Self::Http(_) => None,
        };
        Setback { reason: format!("{:#}", anyhow::Error::from(self)), pause }
    }
}

/// Sends messages.
#[derive(Debug, Clone)]
pub struct Courier {
    http: Client,
    timeout: Duration,
}

impl Courier {
    /// A courier that gives receivers fifteen seconds.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, SendError> {
        Self::within(ANSWER_TIMEOUT)
    }

    /// A courier that gives receivers so long.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn within(timeout: Duration) -> Result<Self, SendError> {
        let http = Client::builder()
            .no_proxy()
            // Elsewhere is nowhere: what was signed for one address is not for another.
            .redirect(Policy::none())
            .timeout(timeout)
            .user_agent(concat!("trimtab/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { http: http.map_err(SendError::Http)?, timeout })
    }

    /// Sends a message; who of several did not take it is told in words.
    ///
    /// # Errors
    /// When the receiver did not say that it has it.
    pub async fn send(
        &self,
        receiver: &Receiver,
        message: &Message,
        page_url: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<String>, SendError> {
        match &receiver.channel {
            Channel::Webhook { url, secret_file } => {
                let body = webhook::body(message, page_url).to_string();
                let key = secret(secret_file).await?;
                let signature = webhook::signature(key.as_bytes(), now, body.as_bytes());
                let request = self
                    .http
                    .post(url)
                    .header(header::CONTENT_TYPE, "application/json")
                    .header(EVENT_HEADER, &message.id)
                    .header(SIGNATURE_HEADER, signature)
                    .body(body);
                self.post(request).await.map(|_| None)
            }
            Channel::Slack { secret_file, channel, api_url } => {
                let secret = secret(secret_file).await?;
                let body = slack::body(message, channel.as_deref(), page_url);
                let request = match channel {
                    Some(_) => self.http.post(api_url).bearer_auth(secret),
                    None if may_be_posted_to(&secret) => self.http.post(secret),
                    None => return Err(SendError::NoAddress { path: secret_file.clone() }),
                };
                let (status, answer) = self.post(request.json(&body)).await?;
                taken_by_slack(status, &answer, channel.is_some()).map(|()| None)
            }
            Channel::Email(settings) => {
                let password = match &settings.login {
                    Some((_, file)) => Some(secret(file).await?),
                    None => None,
                };
                let mail = mail::mail(settings, message, page_url, now)?;
                Ok(mail::send(settings, password, mail, self.timeout).await?)
            }
        }
    }

    async fn post(&self, request: RequestBuilder) -> Result<(StatusCode, String), SendError> {
        let unanswered = |error: reqwest::Error| SendError::Http(error.without_url());
        let response = request.send().await.map_err(unanswered)?;
        let (status, pause) = (response.status(), pause(&response));
        let text = beginning(response).await.map_err(unanswered)?;
        if status.is_success() {
            return Ok((status, text));
        }
        Err(SendError::Answer { status, text: told(&text), pause })
    }
}

/// A bot's answer says in its body whether it was taken.
fn taken_by_slack(status: StatusCode, answer: &str, is_bot: bool) -> Result<(), SendError> {
    let said: Value = serde_json::from_str(answer).unwrap_or(Value::Null);
    if !is_bot || said["ok"] == true {
        return Ok(());
    }
    let text = said["error"].as_str().map_or_else(|| told(answer), told);
    Err(SendError::Answer { status, text, pause: None })
}

/// Where Slack's incoming webhooks are; loopback is for relays and tests.
fn may_be_posted_to(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let is_loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

async fn secret(path: &Path) -> Result<String, SendError> {
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|source| SendError::Secret { path: path.to_owned(), source })?;
    match text.trim() {
        "" => Err(SendError::NoSecret { path: path.to_owned() }),
        text => Ok(text.to_owned()),
    }
}

fn pause(response: &Response) -> Option<SignedDuration> {
    let asked = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(
        SignedDuration::from_secs(asked.trim().parse().ok()?)
            .clamp(SignedDuration::ZERO, PAUSE_MAX),
    )
}

/// The beginning of an answer: a receiver cannot fill the daemon's memory.
async fn beginning(mut response: Response) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_MAX
        && let Some(chunk) = response.chunk().await?
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(ANSWER_MAX);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn told(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(TOLD_MAX).collect()
}
