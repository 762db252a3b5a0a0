//! The journal: an append-only, hash-chained log of what the agent is about to do and what came of it.
//!
//! It is written before every action and is the audit log at the same time. The chain detects damage and careless
//! edits, not an attacker who rewrites all of it; whole records missing at the end are told by a mark beside it (`HEAD`), and
//! a folder that is gone altogether by the sentinel. Not here: what a record means; a payload is bytes.

mod chain;
mod frame;
mod mark;
pub mod media;
mod onward;
#[cfg(test)]
pub(crate) mod tests;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use media::{Disk, Media, Medium};

use mark::Mark;

pub use chain::{ChainError, ChainReason, Verified};
pub use frame::{PAYLOAD_BYTES_MAX, RecordHash};
pub use onward::{Place, read_on};

/// A file is closed and the next one begun before it grows beyond this: 64 MiB.
///
/// About 100,000 records, years of an ordinary agent; small enough to be copied, read and held in memory whole.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One record as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Sequence number, from 1, without holes.
    pub seq: u64,
    /// The bytes given by the caller.
    pub payload: Vec<u8>,
}

/// An unfinished record that opening moved out of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The sequence number the record would have had.
    pub seq: u64,
    /// The file it was cut from.
    pub file: PathBuf,
    /// Where it began, in bytes.
    pub offset: u64,
    /// Where its bytes were copied to.
    pub copy: PathBuf,
    /// All bytes were there but the checksum was wrong: written in part, or damaged later.
    ///
    /// The journal cannot tell which. If the sentinel has seen this sequence number, a durable record was damaged.
    pub complete: bool,
}

/// Why the journal did not open or take a record.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process works on the same folder.
    #[error("journal folder `{}` is in use by another process, stop that one or choose another state_dir", dir.display())]
    Locked {
        /// The journal folder.
        dir: PathBuf,
    },
    /// The records on disk are not the ones that were written.
    #[error("journal is not usable")]
    Damaged(#[from] ChainError),
    /// The record is larger than [`PAYLOAD_BYTES_MAX`]; nothing was written.
    #[error(
        "journal record of {bytes} bytes is larger than the maximum of {PAYLOAD_BYTES_MAX}, shorten it"
    )]
    TooLarge {
        /// Bytes of the payload.
        bytes: usize,
    },
    /// A file operation failed.
    #[error("failed to {operation} `{}`, check its space and permissions", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// An earlier write or sync failed, so what is on disk is not known.
    #[error("journal `{}` takes no more records after a failed write, free some space", file.display())]
    Poisoned {
        /// The file whose write failed.
        file: PathBuf,
    },
}

/// An open journal; the only writer of its folder.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    media: Arc<dyn Media>,
    settled: Settled,
    file_bytes_max: u64,
    poison: Option<Poison>,
    mark: Mark,
    /// Held for its lock, which the system releases with the process.
    lock: File,
}

/// Where a journal's end is, and the file that takes the next record.
#[derive(Debug)]
struct Settled {
    file: Box<dyn Medium>,
    number: u32,
    file_bytes: u64,
    seq: u64,
    head_hash: RecordHash,
    torn_tail: Option<TornTail>,
}

/// What failed, so that no more records are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poison {
    /// A write: the bytes that arrived can be cut off.
    Write,
    /// Anything else: nobody knows what is on the disk.
    Sync,
}

impl Journal {
    /// Opens the journal in the folder `dir`, made if absent, and returns it with all its records.
    ///
    /// A torn last record is copied to `torn-<seq>.bin`, cut off, and told by [`Journal::torn_tail`].
    ///
    /// # Errors
    /// [`JournalError::Locked`] for a second opener, [`JournalError::Damaged`] for anything but a torn tail: then
    /// nothing was changed on disk.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Entry>), JournalError> {
        Self::open_on(dir, Arc::new(Disk))
    }

    /// [`Journal::open`], writing on `media`.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(dir: &Path, media: Arc<dyn Media>) -> Result<(Self, Vec<Entry>), JournalError> {
        Self::open_with(dir, FILE_BYTES_MAX, media)
    }

    fn open_with(
        dir: &Path,
        file_bytes_max: u64,
        media: Arc<dyn Media>,
    ) -> Result<(Self, Vec<Entry>), JournalError> {
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
        let lock = lock(dir)?;
        let (settled, entries) = settle(dir, media.as_ref())?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
        let mark = Mark::open(dir, settled.seq).map_err(failed("mark", &mark::path(dir)))?;
        let dir = dir.to_owned();
        let journal = Self { dir, media, settled, file_bytes_max, poison: None, mark, lock };
        Ok((journal, entries))
    }

    /// Reads a journal again whose disk was full, cuts off what was written in part, and takes records again. Returns all
    /// records, the one among them that could not be told to be written.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`] after a failed sync: what the system still shows then need not be on the disk, and only a
    /// new process may look. Else as [`Journal::open`], while there is no room yet.
    pub fn mend(&mut self) -> Result<Vec<Entry>, JournalError> {
        if self.poison != Some(Poison::Write) {
            self.require_sound()?;
        }
        let (settled, entries) = settle(&self.dir, self.media.as_ref())?;
        self.mark.note(settled.seq).map_err(failed("mark", &mark::path(&self.dir)))?;
        self.settled = settled;
        self.poison = None;
        Ok(entries)
    }

    /// Whether a write failed and [`Journal::mend`] may help.
    #[must_use]
    pub fn is_mendable(&self) -> bool {
        self.poison == Some(Poison::Write)
    }

    /// Walks the whole chain in `dir` without a lock and without changing anything.
    ///
    /// An unfinished record at the very end is no fault, since a running agent may be writing it; a complete one with
    /// a wrong checksum is.
    ///
    /// # Errors
    /// The first record that is not what was written.
    pub fn verify(dir: &Path) -> Result<Verified, ChainError> {
        Self::read(dir, |_, _, _| ())
    }

    /// [`Journal::verify`], which gives each whole record's sequence number, hash and payload to `visit` on the way.
    ///
    /// # Errors
    /// As [`Journal::verify`]; the records before the fault have been visited then.
    pub fn read(
        dir: &Path,
        mut visit: impl FnMut(u64, &RecordHash, &[u8]),
    ) -> Result<Verified, ChainError> {
        // Before the walk: an agent that runs goes on writing.
        let durable = mark::read(dir);
        let mut hash = [0; 32];
        let walked = chain::walk(dir, |seq, payload| {
            hash = frame::record_hash(&hash, seq, payload);
            visit(seq, &hash, payload);
        })?;
        let torn_tail_bytes = match &walked.torn {
            Some(torn) if torn.complete => {
                return Err(ChainError {
                    file: chain::file_path(dir, walked.last_file.unwrap_or(1)),
                    seq: walked.seq + 1,
                    offset: walked.whole_bytes,
                    reason: ChainReason::Checksum,
                });
            }
            Some(torn) => torn.bytes.len() as u64,
            None => 0,
        };
        require_durable(dir, &walked, durable)?;
        Ok(Verified { records: walked.seq, head_hash: walked.head_hash, torn_tail_bytes })
    }

    /// Appends a record and returns its sequence number. It is durable only after [`Journal::sync`].
    ///
    /// # Errors
    /// [`JournalError::TooLarge`] leaves the journal usable; after any other error it takes no more records until it
    /// is opened again, and the record may or may not be found then.
    pub fn append(&mut self, payload: &[u8]) -> Result<u64, JournalError> {
        self.require_sound()?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(JournalError::TooLarge { bytes: payload.len() });
        }
        let seq = self.settled.seq + 1;
        let frame = frame::encode(&self.settled.head_hash, seq, payload);
        let bytes = frame.len() as u64;
        self.poison = Some(Poison::Sync);
        if self.settled.file_bytes > 0 && self.settled.file_bytes + bytes > self.file_bytes_max {
            self.rotate()?;
        }
        let path = self.file_path();
        self.poison = Some(Poison::Write);
        self.settled.file.append(&frame).map_err(failed("append to", &path))?;
        self.poison = None;
        self.settled.file_bytes += bytes;
        self.settled.head_hash = frame::record_hash(&self.settled.head_hash, seq, payload);
        self.settled.seq = seq;
        Ok(seq)
    }

    /// Makes every appended record durable.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the disk does not take it: the system may have dropped the data, so a second try
    /// proves nothing and the journal stays closed until it is opened again.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.require_sound()?;
        let path = self.file_path();
        self.poison = Some(Poison::Sync);
        self.settled.file.sync().map_err(failed("sync", &path))?;
        self.mark.note(self.settled.seq).map_err(failed("mark", &mark::path(&self.dir)))?;
        self.poison = None;
        Ok(())
    }

    /// Appends a record and makes it durable.
    ///
    /// # Errors
    /// Those of [`Journal::append`] and [`Journal::sync`].
    pub fn append_sync(&mut self, payload: &[u8]) -> Result<u64, JournalError> {
        let seq = self.append(payload)?;
        self.sync()?;
        Ok(seq)
    }

    /// Sequence number of the last record, 0 when there is none.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.settled.seq
    }

    /// Hash of the last record, 32 zero bytes when there is none.
    #[must_use]
    pub fn head_hash(&self) -> RecordHash {
        self.settled.head_hash
    }

    /// The unfinished record that opening cut off, to be shown as a warning.
    #[must_use]
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.settled.torn_tail.as_ref()
    }

    /// Closes the current file for good and begins the next; whatever was appended before is durable afterwards.
    fn rotate(&mut self) -> Result<(), JournalError> {
        self.settled.file.sync().map_err(failed("sync", &self.file_path()))?;
        let next = chain::file_path(&self.dir, self.settled.number + 1);
        self.settled.file = open_file(&self.dir, &next, self.media.as_ref())?;
        self.settled.number += 1;
        self.settled.file_bytes = 0;
        Ok(())
    }

    fn require_sound(&self) -> Result<(), JournalError> {
        if self.poison.is_some() {
            return Err(JournalError::Poisoned { file: self.file_path() });
        }
        Ok(())
    }

    fn file_path(&self) -> PathBuf {
        chain::file_path(&self.dir, self.settled.number)
    }
}

impl Drop for Journal {
    /// Unlocks by word: a child that another thread is just starting still holds a copy of the file.
    fn drop(&mut self) {
        // Closing the file releases the lock too, only later, so a failure costs nothing.
        let _ = self.lock.unlock();
    }
}

/// Walks the journal, cuts off a torn tail, and opens its last file for the next record.
fn settle(dir: &Path, media: &dyn Media) -> Result<(Settled, Vec<Entry>), JournalError> {
    let durable = mark::read(dir);
    let mut entries = Vec::new();
    let walked =
        chain::walk(dir, |seq, payload| entries.push(Entry { seq, payload: payload.to_vec() }))?;
    let number = walked.last_file.unwrap_or(1);
    let path = chain::file_path(dir, number);
    require_durable(dir, &walked, durable)?;
    let torn_tail = walked
        .torn
        .map(|torn| cut(dir, &path, walked.whole_bytes, walked.seq + 1, torn))
        .transpose()?;
    let mut file = open_file(dir, &path, media)?;
    // Records of a process that died before its sync are in the system's cache only; the caller will act on them.
    file.sync().map_err(failed("sync", &path))?;
    let settled = Settled {
        file,
        number,
        file_bytes: walked.whole_bytes,
        seq: walked.seq,
        head_hash: walked.head_hash,
        torn_tail,
    };
    Ok((settled, entries))
}

/// Every record that was durable once must still be there.
fn require_durable(dir: &Path, walked: &chain::Walked, durable: u64) -> Result<(), ChainError> {
    if walked.seq >= durable {
        return Ok(());
    }
    Err(ChainError {
        file: chain::file_path(dir, walked.last_file.unwrap_or(1)),
        seq: walked.seq + 1,
        offset: walked.whole_bytes,
        reason: ChainReason::Lost(durable),
    })
}

fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join("LOCK");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => {
            Err(JournalError::Io { operation: "lock", path, source })
        }
    }
}

/// Opens a file for appending and, where it is new, makes its name durable.
fn open_file(dir: &Path, path: &Path, media: &dyn Media) -> Result<Box<dyn Medium>, JournalError> {
    let file = media.open(path).map_err(failed("open", path))?;
    sync_dir(dir)?;
    Ok(file)
}

/// Copies the torn bytes aside, durably, and only then cuts them off.
fn cut(
    dir: &Path,
    path: &Path,
    offset: u64,
    seq: u64,
    torn: chain::Torn,
) -> Result<TornTail, JournalError> {
    let (copy, mut file) = create_copy(dir, seq)?;
    file.write_all(&torn.bytes).map_err(failed("write", &copy))?;
    file.sync_all().map_err(failed("sync", &copy))?;
    sync_dir(dir)?;
    let log = OpenOptions::new().write(true).open(path).map_err(failed("open", path))?;
    log.set_len(offset).map_err(failed("cut", path))?;
    log.sync_all().map_err(failed("sync", path))?;
    Ok(TornTail { seq, file: path.to_owned(), offset, copy, complete: torn.complete })
}

/// A new file `torn-<seq>.bin`; a second crash at the same record gets a further number and keeps the first copy.
fn create_copy(dir: &Path, seq: u64) -> Result<(PathBuf, File), JournalError> {
    let mut path = dir.join(format!("torn-{seq}.bin"));
    let mut number = 1;
    loop {
        match File::create_new(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                number += 1;
                path = dir.join(format!("torn-{seq}-{number}.bin"));
            }
            Err(source) => {
                return Err(JournalError::Io { operation: "create", path, source });
            }
        }
    }
}

fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("sync the folder", dir))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { operation, path, source }
}
