//! What may be written in `[notify]`.
//!
//! Not here: what it means (`validate`).

use serde::{Deserialize, Serialize};

/// `[notify]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawNotify {
    /// Where people reach the page, for links.
    pub page_url: Option<String>,
    /// The hour of the daily digest.
    pub digest_hour: Option<u32>,
    /// The time zone of that hour.
    pub digest_time_zone: Option<String>,
    /// `[[notify.webhook]]`.
    pub webhook: Vec<RawWebhook>,
    /// `[notify.slack]`.
    pub slack: Option<RawSlack>,
    /// `[notify.email]`.
    pub email: Option<RawEmail>,
}

/// `[[notify.webhook]]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawWebhook {
    /// Its name in the status.
    pub name: Option<String>,
    /// Where it is posted to.
    pub url: Option<String>,
    /// The file with the key of its signatures.
    pub secret_file: Option<String>,
    /// What it is told.
    pub events: Option<Vec<String>>,
}

/// `[notify.slack]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSlack {
    /// The file with the incoming webhook's URL, or with the bot's token.
    pub secret_file: Option<String>,
    /// The channel that a bot writes to.
    pub channel: Option<String>,
    /// Where a bot posts to.
    pub api_url: Option<String>,
    /// What it is told.
    pub events: Option<Vec<String>>,
}

/// `[notify.email]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawEmail {
    /// The mail server.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u32>,
    /// How the connection is kept private.
    pub encryption: Option<String>,
    /// The name to sign in with.
    pub username: Option<String>,
    /// The file with its password.
    pub password_file: Option<String>,
    /// The sender.
    pub from: Option<String>,
    /// The recipients.
    pub to: Option<Vec<String>>,
    /// What they are told.
    pub events: Option<Vec<String>>,
}
