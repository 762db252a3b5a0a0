//! What is told: one state change of one thing, and the messages that carry them.
//!
//! Not here: which changes there are (`happened`, `standing`), and how a message looks to its receiver (`webhook`, `slack`,
//! `mail`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_config::{NotifyEvent, Severity};
use trimtab_policies::digest::sha256_hex;

/// Notices that a message lists; of more it tells the number. A person reads no longer list, and the page has them all.
const LISTED_MAX: usize = 20;
/// Hex digits of a message's id: 128 bits.
const ID_DIGITS: usize = 32;

/// One state change of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The same whenever the same state change is looked at, and of no other.
    pub key: String,
    /// What happened.
    pub event: NotifyEvent,
    /// When.
    pub at: Timestamp,
    /// The same in a sentence.
    pub title: String,
    /// More, as names and values.
    pub details: Vec<(String, String)>,
    /// The path of the page about it.
    pub path: Option<String>,
}

impl Notice {
    /// A notice without details.
    pub(super) fn new(
        event: NotifyEvent,
        key: impl Into<String>,
        at: Timestamp,
        title: impl Into<String>,
    ) -> Self {
        let (key, title) = (key.into(), title.into());
        Self { key, event, at, title, details: Vec::new(), path: None }
    }

    /// With one more detail.
    pub(super) fn detail(mut self, name: &str, value: impl Into<String>) -> Self {
        self.details.push((name.to_owned(), value.into()));
        self
    }

    /// With the page about it.
    pub(super) fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
}

/// Notices of one event that are told together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The same at each attempt, so that a receiver may know one that it already has.
    pub id: String,
    /// What happened.
    pub event: NotifyEvent,
    /// When the first of it was noticed.
    pub at: Timestamp,
    /// How many notices it stands for, those that are not listed included.
    pub count: u64,
    /// The first of them.
    pub notices: Vec<Notice>,
    /// Notices that found no room in the outbox since the message before.
    pub dropped_before: u64,
    /// It is not told before this time: more of the same may come.
    pub ready_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first tried.
    pub first_tried_at: Option<Timestamp>,
    /// It is not tried again before this time.
    pub next_at: Timestamp,
}

impl Message {
    /// The first notice of a message to `receiver`.
    pub(super) fn of(receiver: &str, notice: Notice, at: Timestamp, ready_at: Timestamp) -> Self {
        let mut id = sha256_hex(&format!("{receiver} {}", notice.key));
        id.truncate(ID_DIGITS);
        Self {
            id,
            event: notice.event,
            at,
            count: 1,
            notices: vec![notice],
            dropped_before: 0,
            ready_at,
            attempts: 0,
            first_tried_at: None,
            next_at: ready_at,
        }
    }

    /// Adds one more.
    pub(super) fn push(&mut self, notice: Notice) {
        self.count += 1;
        if self.notices.len() < LISTED_MAX {
            self.notices.push(notice);
        }
    }

    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.event.severity()
    }

    /// What it says, in a line.
    #[must_use]
    pub fn title(&self) -> String {
        match (&self.notices[..], self.count) {
            ([notice, ..], 1) => notice.title.clone(),
            (_, count) => format!("{count} {}", several(self.event)),
        }
    }

    /// Notices that it stands for and does not list.
    #[must_use]
    pub fn unlisted(&self) -> u64 {
        self.count.saturating_sub(self.notices.len() as u64)
    }
}

/// What several notices of an event are called together.
const fn several(event: NotifyEvent) -> &'static str {
    match event {
        NotifyEvent::AwaitingApproval => "recommendations await approval",
        NotifyEvent::NeedsAnotherApprover => "recommendations need another approver",
        NotifyEvent::ApprovalExpiring => "approvals run out within a day",
        NotifyEvent::ChangeBegun => "changes were begun",
        NotifyEvent::ChangeKept => "changes are kept for good",
        NotifyEvent::ChangeUndone => "changes were taken back or not made",
        NotifyEvent::UndoWanted => "changes ask to be taken back",
        NotifyEvent::ChangeInconclusive => "changes are inconclusive",
        NotifyEvent::ChangeConflicted => "resources were changed by somebody else meanwhile",
        NotifyEvent::ChangeStuck => "changes could not be taken back",
        NotifyEvent::CircuitOpened => "circuits are open",
        NotifyEvent::StopSet => "times the stop switch was set",
        NotifyEvent::StopReleased => "times the stop switch was released",
        NotifyEvent::MachineOff => "machines stay off",
        NotifyEvent::DiskFull => "times the disk was nearly full",
        NotifyEvent::DailyDigest => "digests",
        NotifyEvent::Test => "tests",
    }
}

/// The address of a path of the page.
pub(super) fn link(page_url: Option<&str>, path: Option<&String>) -> Option<String> {
    Some(format!("{}{}", page_url?, path?))
}
