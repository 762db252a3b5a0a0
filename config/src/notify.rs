//! Whom the daemon tells of state changes, and of which.
//!
//! Not here: how they are written in the file (`validate`), and how they are told (`trimtab`).

use std::{collections::BTreeSet, fmt, path::PathBuf};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// `[notify]`.
#[derive(Debug, Clone, PartialEq)]
pub struct NotifySettings {
    /// Where people reach the page, without a slash at its end; `None` leaves messages without links.
    pub page_url: Option<String>,
    /// The hour of the daily digest, 0–23.
    pub digest_hour: i8,
    /// The time zone of that hour.
    pub digest_zone: TimeZone,
    /// Everybody that is told, with unique names.
    pub receivers: Vec<Receiver>,
}

/// One that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name in the status.
    pub name: String,
    /// What it is told.
    pub events: BTreeSet<NotifyEvent>,
    /// How it is reached.
    pub channel: Channel,
}

/// How a receiver is reached. Secrets are the files', read whenever something is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// A signed POST.
    Webhook {
        /// Where to; HTTPS, or loopback.
        url: String,
        /// The key of the signatures.
        secret_file: PathBuf,
    },
    /// A Slack channel.
    Slack {
        /// The incoming webhook's URL, or with a channel the bot's token.
        secret_file: PathBuf,
        /// The channel that a bot writes to.
        channel: Option<String>,
        /// Where a bot posts to; HTTPS, or loopback.
        api_url: String,
    },
    /// Mail.
    Email(MailSettings),
}

impl Channel {
    /// The word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::Email(_) => "email",
        }
    }
}

/// `[notify.email]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailSettings {
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept private.
    pub encryption: MailEncryption,
    /// The name to sign in with, and the file with its password.
    pub login: Option<(String, PathBuf)>,
    /// The sender.
    pub from: String,
    /// The recipients; never empty.
    pub to: Vec<String>,
}

/// How the connection to a mail server is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailEncryption {
    /// TLS after the STARTTLS command, and nothing without it.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None; only to a server on this machine.
    None,
}

/// A state change that receivers may be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotifyEvent {
    /// A recommendation begins to wait for an approver.
    AwaitingApproval,
    /// One has said yes, and another must.
    NeedsAnotherApprover,
    /// An approval runs out within a day and nothing has come of it.
    ApprovalExpiring,
    /// A change was begun.
    ChangeBegun,
    /// A change stays for good.
    ChangeKept,
    /// A change was taken back, or came to nothing.
    ChangeUndone,
    /// Something speaks against a change, and a person is asked whether to take it back.
    UndoWanted,
    /// Nobody can tell whether a change was good.
    ChangeInconclusive,
    /// Somebody else changed a resource that was being changed.
    ChangeConflicted,
    /// Taking a change back failed.
    ChangeStuck,
    /// Too much went wrong somewhere: the mode was lowered there.
    CircuitOpened,
    /// The stop switch was set.
    StopSet,
    /// The stop switch was released.
    StopReleased,
    /// A machine that was stopped for a change stays off.
    MachineOff,
    /// The disk is nearly full: nothing begins.
    DiskFull,
    /// What waits, what was saved and what failed, once a day.
    DailyDigest,
    /// Somebody tries whether messages arrive; nobody needs to ask for it.
    Test,
}

impl NotifyEvent {
    /// Every event that may be chosen.
    pub const ALL: [Self; 16] = [
        Self::AwaitingApproval,
        Self::NeedsAnotherApprover,
        Self::ApprovalExpiring,
        Self::ChangeBegun,
        Self::ChangeKept,
        Self::ChangeUndone,
        Self::UndoWanted,
        Self::ChangeInconclusive,
        Self::ChangeConflicted,
        Self::ChangeStuck,
        Self::CircuitOpened,
        Self::StopSet,
        Self::StopReleased,
        Self::MachineOff,
        Self::DiskFull,
        Self::DailyDigest,
    ];

    /// The word in the file and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingApproval => "awaiting-approval",
            Self::NeedsAnotherApprover => "needs-another-approver",
            Self::ApprovalExpiring => "approval-expiring",
            Self::ChangeBegun => "change-begun",
            Self::ChangeKept => "change-kept",
            Self::ChangeUndone => "change-undone",
            Self::UndoWanted => "undo-wanted",
            Self::ChangeInconclusive => "change-inconclusive",
            Self::ChangeConflicted => "change-conflicted",
            Self::ChangeStuck => "change-stuck",
            Self::CircuitOpened => "circuit-opened",
            Self::StopSet => "stop-set",
            Self::StopReleased => "stop-released",
            Self::MachineOff => "machine-off",
            Self::DiskFull => "disk-full",
            Self::DailyDigest => "daily-digest",
            Self::Test => "test",
        }
    }

    /// How much it matters.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::AwaitingApproval
            | Self::NeedsAnotherApprover
            | Self::ChangeBegun
            | Self::ChangeKept
            | Self::StopReleased
            | Self::DailyDigest
            | Self::Test => Severity::Info,
            Self::ApprovalExpiring
            | Self::ChangeUndone
            | Self::UndoWanted
            | Self::ChangeInconclusive
            | Self::StopSet => Severity::Warning,
            Self::ChangeConflicted
            | Self::ChangeStuck
            | Self::CircuitOpened
            | Self::MachineOff
            | Self::DiskFull => Severity::Critical,
        }
    }

    /// Whether webhooks and Slack are told of it where the file does not say: what asks somebody for something.
    #[must_use]
    pub const fn is_told_by_default(self) -> bool {
        !matches!(self, Self::ChangeBegun | Self::ChangeKept | Self::DailyDigest | Self::Test)
    }
}

impl fmt::Display for NotifyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look in the coming day.
    Warning,
    /// Somebody should look now.
    Critical,
}

impl Severity {
    /// The word in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
