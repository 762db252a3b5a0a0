//! What one receiver was told and is still to be told, in a file that survives the process.
//!
//! The file holds how far the journal was told and the messages that wait, and is replaced as a whole: what the file does not
//! know, the journal tells again, and what it knows is sent at least once, each time with the same id. Not here: what
//! happens (`happened`, `standing`) and sending (`courier`).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use trimtab_config::{NotifyEvent, Severity};
use trimtab_policies::digest::sha256_hex;

use super::{
    notice::{Message, Notice},
    standing::Standing,
};

/// Messages that wait at most: a receiver that has been away for so long is told how many it missed.
const MESSAGES_MAX: usize = 200;
/// How long more of the same is waited for before a message is sent: a cycle begins its changes within seconds.
const GATHER: SignedDuration = SignedDuration::from_secs(30);
/// The pause after the first failure, and the longest.
const PAUSE_FIRST_S: i64 = 5;
const PAUSE_MAX_S: i64 = 3_600;
/// A message that was tried for so long is given up: three days cover a long weekend.
const TRIED_MAX: SignedDuration = SignedDuration::from_hours(72);
/// Records that may be read again after a crash, because none of them told this receiver anything.
const UNSAVED_RECORDS_MAX: u64 = 256;

/// Why an outbox cannot be kept.
#[derive(Debug, Error)]
pub enum OutboxError {
    /// The file cannot be written.
    #[error("the outbox `{}` cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    /// The last record of the journal that was told, or had nothing to tell.
    seq: u64,
    /// Keys of what is so now and was told, by where it was looked.
    told: BTreeMap<String, BTreeSet<String>>,
    pending: VecDeque<Message>,
    /// Notices that found no room and that no message has told the number of yet.
    dropped: u64,
    /// Messages that were given up.
    given_up: u64,
    /// When the last digest was made.
    digest_at: Option<Timestamp>,
    last_success_at: Option<Timestamp>,
    last_error: Option<(Timestamp, String)>,
}

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// What went wrong.
    pub reason: String,
    /// The pause that the receiver asked for, for whatever else would be sent to it as well.
    pub pause: Option<SignedDuration>,
}

/// The outbox of one receiver.
#[derive(Debug)]
pub struct Outbox {
    receiver: String,
    path: PathBuf,
    kept: Kept,
    /// The `seq` that the file holds.
    saved_seq: u64,
    /// Nothing but what is critical is sent before this time: the receiver asked for it.
    quiet_until: Option<Timestamp>,
}

impl Outbox {
    /// Opens the outbox of `receiver` in `dir`. A receiver that is new is told what happens after record `seq`.
    ///
    /// A file that is not an outbox is set aside, and one that cannot be read stays; either way what waited in it is not
    /// told, which the log and the status say.
    #[must_use]
    pub fn open(dir: &Path, receiver: &str, seq: u64) -> Self {
        let path = dir.join(format!("{receiver}.json"));
        let kept = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                let moved = fs::rename(&path, path.with_extension("damaged"));
                let moved = moved.map_or_else(|error| format!(", {error}"), |()| String::new());
                lost(&path, seq, &format!("is damaged ({error}{moved})"))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Kept { seq, ..Kept::default() }
            }
            Err(error) => lost(&path, seq, &format!("cannot be read ({error})")),
        };
        let (saved_seq, is_new) = (kept.seq, !path.exists());
        let mut outbox =
            Self { receiver: receiver.to_owned(), path, kept, saved_seq, quiet_until: None };
        // From here on is from here on, also for the next process.
        if is_new && let Err(error) = outbox.save() {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(receiver, error, "the outbox cannot be written");
        }
        outbox
    }

    /// The last record that it knows.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.kept.seq
    }

    /// Whether it was told that `key` is so, by where it was looked.
    #[must_use]
    pub fn is_told(&self, place: &str, key: &str) -> bool {
        self.kept.told.get(place).is_some_and(|keys| keys.contains(key))
    }

    /// When the last digest was made.
    #[must_use]
    pub const fn digest_at(&self) -> Option<Timestamp> {
        self.kept.digest_at
    }

    /// Notes that a digest is made, or, without one, that it begins to count.
    pub fn put_digest(
        &mut self,
        digest: Option<Notice>,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        self.kept.digest_at = Some(now);
        if let Some(digest) = digest {
            self.put(digest, now);
        }
        self.save()
    }

    /// Takes in what records up to `seq` tell, those of them that are `wanted` and that it does not know.
    ///
    /// # Errors
    /// When it cannot be written; it is kept in memory all the same.
    pub fn take_records(
        &mut self,
        notices: &[(u64, Notice)],
        seq: u64,
        wanted: &BTreeSet<NotifyEvent>,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let known = self.kept.seq;
        let stale = |notice: &Notice| now.duration_since(notice.at) > TRIED_MAX;
        let mut took = false;
        for (number, notice) in notices {
            if *number > known && wanted.contains(&notice.event) && !stale(notice) {
                self.put(notice.clone(), now);
                took = true;
            }
        }
        self.kept.seq = known.max(seq);
        if took || self.kept.seq - self.saved_seq >= UNSAVED_RECORDS_MAX {
            return self.save();
        }
        Ok(())
    }

    /// Takes in what is so now at `place`: what was not before is told, what is not any more may be told anew.
    ///
    /// # Errors
    /// When it cannot be written; it is kept in memory all the same.
    pub fn take_standing(
        &mut self,
        place: &str,
        standing: &Standing,
        wanted: &BTreeSet<NotifyEvent>,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let before = self.kept.told.remove(place).unwrap_or_default();
        let stays =
            |(key, notice): &&(String, Option<Notice>)| notice.is_some() || before.contains(key);
        let after: BTreeSet<String> =
            standing.iter().filter(stays).map(|(key, _)| key.clone()).collect();
        for (key, notice) in standing {
            let notice = notice.as_ref().filter(|notice| wanted.contains(&notice.event));
            if let Some(notice) = notice.filter(|_| !before.contains(key)) {
                self.put(notice.clone(), now);
            }
        }
        let changed = before != after;
        self.kept.told.insert(place.to_owned(), after);
        if changed { self.save() } else { Ok(()) }
    }

    /// Puts a notice to those of its event that are still gathered, or begins a message.
    fn put(&mut self, notice: Notice, now: Timestamp) {
        let gathering = |message: &&mut Message| {
            message.event == notice.event && message.attempts == 0 && now < message.ready_at
        };
        if let Some(message) = self.kept.pending.iter_mut().find(gathering) {
            message.push(notice);
            return;
        }
        let ready_at = match notice.event.severity() {
            Severity::Critical => now,
            Severity::Info | Severity::Warning => now + GATHER,
        };
        self.kept.pending.push_back(Message::of(&self.receiver, notice, now, ready_at));
        while self.kept.pending.len() > MESSAGES_MAX {
            self.drop_one();
        }
    }

    /// Makes room: the oldest of what matters least goes.
    fn drop_one(&mut self) {
        let severities = self.kept.pending.iter().map(Message::severity);
        let Some(least) = severities.min() else { return };
        let oldest = self.kept.pending.iter().position(|message| message.severity() == least);
        let dropped = oldest.and_then(|index| self.kept.pending.remove(index));
        if let Some(message) = dropped {
            self.kept.dropped += message.count + message.dropped_before;
            tracing::warn!(
                receiver = self.receiver,
                title = message.title(),
                "an outbox is full: its oldest message of the least importance was dropped"
            );
        }
    }

    /// When something is to be sent next, if anything is.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        self.kept.pending.iter().map(|message| self.due_at(message)).min()
    }

    /// When a message is sent next. Each has pauses of its own, so that one which the receiver does not take holds back no other.
    fn due_at(&self, message: &Message) -> Timestamp {
        match message.severity() {
            Severity::Critical => message.next_at,
            Severity::Info | Severity::Warning => {
                self.quiet_until.map_or(message.next_at, |quiet| message.next_at.max(quiet))
            }
        }
    }

    /// Begins to send what is due and matters most, and notes that it does: from then on the message stays as it is.
    pub fn begin(&mut self, now: Timestamp) -> Option<Message> {
        let pending = self.kept.pending.iter().enumerate();
        let due = pending.filter(|(_, message)| self.due_at(message) <= now);
        // Of the most severe ones those that were tried least, and of those the first: `max_by_key` alone would take the last.
        let rank = |message: &Message| (message.severity(), Reverse(message.attempts));
        let (index, _) = due.rev().max_by_key(|(_, message)| rank(message))?;
        let dropped = if self.kept.pending[index].attempts == 0 {
            std::mem::take(&mut self.kept.dropped)
        } else {
            0
        };
        let message = &mut self.kept.pending[index];
        message.dropped_before += dropped;
        message.attempts = message.attempts.saturating_add(1);
        message.first_tried_at.get_or_insert(now);
        let message = message.clone();
        if let Err(error) = self.save() {
            tracing::error!(
                error = format!("{:#}", anyhow::Error::from(error)),
                "a message is sent all the same"
            );
        }
        Some(message)
    }

    /// Notes that a message has arrived; `refused` tells who of several did not take it.
    ///
    /// # Errors
    /// When it cannot be written: after a crash the message is sent again, with the same id.
    pub fn delivered(
        &mut self,
        id: &str,
        refused: Option<String>,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        if let Some(reason) = refused {
            tracing::warn!(receiver = self.receiver, reason, "a message arrived in part");
            self.kept.last_error = Some((now, reason));
        }
        self.kept.pending.retain(|message| message.id != id);
        self.kept.last_success_at = Some(now);
        self.quiet_until = None;
        self.save()
    }

    /// Notes that a message has not arrived; it is tried again later, or given up.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn failed(
        &mut self,
        id: &str,
        setback: Setback,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        self.kept.last_error = Some((now, setback.reason.clone()));
        let Some(index) = self.kept.pending.iter().position(|message| message.id == id) else {
            return self.save();
        };
        let message = &mut self.kept.pending[index];
        let tried = message.first_tried_at.map(|first| now.duration_since(first));
        if tried.is_some_and(|tried| tried >= TRIED_MAX) {
            tracing::error!(
                receiver = self.receiver,
                title = message.title(),
                attempts = message.attempts,
                reason = setback.reason,
                "a message is given up after three days"
            );
            self.kept.given_up += 1;
            self.kept.pending.remove(index);
        } else {
            message.next_at = now + setback.pause.unwrap_or_default().max(pause(message));
            if let Some(pause) = setback.pause {
                self.quiet_until = self.quiet_until.max(Some(now + pause));
            }
            tracing::warn!(
                receiver = self.receiver, title = message.title(), attempts = message.attempts, reason = setback.reason,
                again = %message.next_at, "a message did not arrive"
            );
        }
        self.save()
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self) -> OutboxView {
        let kept = &self.kept;
        OutboxView {
            pending: kept.pending.len() as u64,
            dropped: kept.dropped,
            given_up: kept.given_up,
            next_at: self.next_at(),
            last_success_at: kept.last_success_at,
            last_error_at: kept.last_error.as_ref().map(|(at, _)| *at),
            last_error: kept.last_error.as_ref().map(|(_, reason)| reason.clone()),
        }
    }

    /// Replaces the file; a crash at any moment leaves the old one or the new one, whole.
    fn save(&mut self) -> Result<(), OutboxError> {
        let bytes = serde_json::to_vec(&self.kept).expect("texts, numbers and times are JSON");
        let next = self.path.with_extension("next");
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let write = || {
            private(folder)?;
            let mut file = File::create(&next)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&next, &self.path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|source| OutboxError::Write { path: self.path.clone(), source })?;
        self.saved_seq = self.kept.seq;
        Ok(())
    }
}

/// An outbox that begins anew, and says so.
fn lost(path: &Path, seq: u64, why: &str) -> Kept {
    let reason = format!("the outbox `{}` {why}: what waited in it is not told", path.display());
    tracing::error!(reason, "messages are lost");
    Kept { seq, last_error: Some((Timestamp::UNIX_EPOCH, reason)), ..Kept::default() }
}

/// How an outbox stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutboxView {
    /// Messages that wait.
    pub pending: u64,
    /// Notices that found no room since the last message.
    pub dropped: u64,
    /// Messages that were given up after three days.
    pub given_up: u64,
    /// When the next attempt is.
    pub next_at: Option<Timestamp>,
    /// When a message last arrived.
    pub last_success_at: Option<Timestamp>,
    /// When one last did not.
    pub last_error_at: Option<Timestamp>,
    /// Why.
    pub last_error: Option<String>,
}

/// The pause after the last attempt of a message: twice as long each time, moved by up to a fifth so that receivers of one
/// server do not come together.
fn pause(message: &Message) -> SignedDuration {
    let doublings = message.attempts.saturating_sub(1).min(16);
    let pause_s = (PAUSE_FIRST_S << doublings).min(PAUSE_MAX_S);
    let drawn = sha256_hex(&format!("{} {}", message.id, message.attempts));
    // The first byte of the digest stands for a number from -1/5 to 1/5.
    let byte = u8::from_str_radix(&drawn[..2], 16).expect("a digest is hex digits");
    let moved = (f64::from(byte) / 255.0 - 0.5) * 0.4;
    SignedDuration::from_millis((pause_s as f64 * (1.0 + moved) * 1_000.0) as i64)
}

fn private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests;
