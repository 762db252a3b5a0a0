//! The journal together with what its records add up to: nothing is known that is not written first.
//!
//! Not here: frames and hashes (`journal`), and what the records mean (`trimtab_policies::book`).

use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
};

use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::broadcast;
use trimtab_policies::{
    book::Book,
    record::{Entry, Event, Record},
};

use crate::journal::{
    self, Journal, JournalError,
    media::{Disk, Media},
};

/// Who writes records that no person asked for.
pub const SELF: &str = "trimtab";

/// Records that a reader of the news may be behind before it loses the oldest of them: a change in full takes about thirty.
const NEWS_KEPT: usize = 256;

/// A record as it is written, with its number.
#[derive(Debug, Clone)]
pub struct News {
    /// Its number.
    pub seq: u64,
    /// The record.
    pub record: Arc<Record>,
}

/// A journal that could not be opened or written.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The file.
    #[error("the journal cannot be used")]
    Journal(#[from] JournalError),
    /// A record that this version does not understand.
    #[error(
        "journal record {seq} cannot be read by this version: install the version that wrote it, or a later one"
    )]
    Unreadable {
        /// The record's number.
        seq: u64,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// Too little room on the disk to begin anything.
    #[error("nothing is begun while the disk is nearly full")]
    Disk(#[source] crate::disk::DiskError),
    /// The agent's id, which a change's mark would name.
    #[error("nothing is begun while the agent does not know its own id")]
    Identity(#[from] crate::identity::IdentityError),
    /// A record that cannot be written as JSON.
    #[error("a journal record cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

/// The journal and its fold.
#[derive(Debug)]
pub struct Ledger {
    journal: Journal,
    book: Arc<Book>,
    /// The number of the last record that the book holds.
    known: u64,
    followers: Vec<Sender<Record>>,
    news: broadcast::Sender<News>,
}

impl Ledger {
    /// Opens the journal in `dir` and folds its records.
    ///
    /// # Errors
    /// When the journal is locked, damaged or cannot be read; nothing may be changed then.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        Self::open_on(dir, Arc::new(Disk))
    }

    /// [`Ledger::open`], writing on `media`.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_on(dir: &Path, media: Arc<dyn Media>) -> Result<Self, LedgerError> {
        let (journal, entries) = Journal::open_on(dir, media)?;
        let mut book = Book::default();
        for entry in entries {
            book.fold(&read(&entry)?);
        }
        let known = journal.last_seq();
        Ok(Self {
            journal,
            book: Arc::new(book),
            known,
            followers: Vec::new(),
            news: broadcast::Sender::new(NEWS_KEPT),
        })
    }

    /// What the records add up to.
    #[must_use]
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// What they add up to at this moment, for whoever takes long: nobody who decides or stops waits for them.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Book> {
        self.book.clone()
    }

    /// The number of the last record.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.journal.last_seq()
    }

    /// What was cut off a torn end when the journal was opened, in words.
    #[must_use]
    pub fn torn_tail(&self) -> Option<String> {
        self.journal.torn_tail().map(|torn| format!("{torn:?}"))
    }

    /// Writes a record durably, then folds it.
    ///
    /// # Errors
    /// When it cannot be written; then nothing that depends on it may happen.
    pub fn record(&mut self, at: Timestamp, by: &str, entry: Entry) -> Result<u64, LedgerError> {
        let record = Record { at, by: by.to_owned(), entry };
        let payload = serde_json::to_vec(&record).map_err(LedgerError::Unwritable)?;
        if self.journal.is_mendable() {
            self.mend()?;
        }
        let seq = self.journal.append_sync(&payload)?;
        self.know(seq, record);
        Ok(seq)
    }

    /// Goes on after a disk that was full; what was not told to be written and is there all the same is known from now on.
    fn mend(&mut self) -> Result<(), LedgerError> {
        let entries = self.journal.mend()?;
        tracing::warn!("the journal takes records again");
        let known = self.known;
        for entry in entries.into_iter().filter(|entry| entry.seq > known) {
            let record = read(&entry)?;
            self.know(entry.seq, record);
        }
        Ok(())
    }

    fn know(&mut self, seq: u64, record: Record) {
        Arc::make_mut(&mut self.book).fold(&record);
        self.known = seq;
        self.followers.retain(|follower| follower.send(record.clone()).is_ok());
        if self.news.receiver_count() > 0 {
            // Nobody waits for a reader: whoever has gone or falls behind meanwhile loses it.
            let _ = self.news.send(News { seq, record: Arc::new(record) });
        }
    }

    /// Every record from now on, as it is written.
    pub fn follow(&mut self) -> Receiver<Record> {
        let (sender, receiver) = channel();
        self.followers.push(sender);
        receiver
    }

    /// Every record from now on with its number, for readers that may fall behind: they are told so and lose the oldest.
    #[must_use]
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Writes an event of a change durably, then folds it.
    ///
    /// # Errors
    /// As [`Ledger::record`].
    pub fn event(
        &mut self,
        at: Timestamp,
        change_id: &str,
        event: Event,
    ) -> Result<u64, LedgerError> {
        self.record(at, SELF, Entry::Change { change_id: change_id.to_owned(), event })
    }
}

fn read(entry: &journal::Entry) -> Result<Record, LedgerError> {
    serde_json::from_slice(&entry.payload)
        .map_err(|source| LedgerError::Unreadable { seq: entry.seq, source })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Lets every further write fail as on a full disk.
    pub(crate) fn fill_disk(ledger: &mut Ledger) {
        crate::journal::tests::fill_disk(&mut ledger.journal);
    }
}
