//! Walks the files of a journal in order and checks every record against the one before it.
//!
//! Only reads: it never cuts, locks or repairs. Not here: what to do about a torn tail (`Journal::open`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::frame::{self, Parsed, RecordHash};

/// The first record of a journal that is not what was written.
#[derive(Debug, thiserror::Error)]
#[error(
    "journal record {seq} in `{}` at byte {offset} is damaged: {reason}; \
     restore the file from a backup, or keep the folder as evidence and start with an empty one",
    file.display()
)]
pub struct ChainError {
    /// The file that holds the record, or would hold it.
    pub file: PathBuf,
    /// The sequence number that was expected there.
    pub seq: u64,
    /// Where the record begins, in bytes from the start of the file.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: ChainReason,
}

/// What is wrong with a record or a file of the chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainReason {
    /// Bytes were changed after they were written.
    #[error("its checksum does not match")]
    Checksum,
    /// The length is impossible.
    #[error("its length of {0} bytes is above the maximum")]
    Length(u32),
    /// The record is cut short although others follow.
    #[error("it is cut short although later records exist")]
    Incomplete,
    /// Records are missing, repeated or reordered.
    #[error("it carries the sequence number {0}")]
    Sequence(u64),
    /// Records that were durable are no longer there.
    #[error("it is missing, although every record up to {0} was durable")]
    Lost(u64),
    /// The record belongs to another history.
    #[error("it does not continue the record before it")]
    Previous,
    /// A file of the sequence is not there.
    #[error("the file is missing although later ones exist")]
    MissingFile,
    /// The file or the folder cannot be read.
    #[error("it cannot be read ({0})")]
    Unreadable(io::Error),
}

/// A chain that was walked to its end without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whole records.
    pub records: u64,
    /// Hash of the last record, 32 zero bytes for an empty journal: the value to anchor outside.
    pub head_hash: RecordHash,
    /// Bytes of an unfinished record at the very end: left by a crash, or being written just now. Usually 0.
    pub torn_tail_bytes: u64,
}

/// Where the walk ended, for opening.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) seq: u64,
    pub(super) head_hash: RecordHash,
    /// Number of the last file; `None` when there is none.
    pub(super) last_file: Option<u32>,
    /// Bytes of whole records in the last file.
    pub(super) whole_bytes: u64,
    pub(super) torn: Option<Torn>,
}

/// The unusable bytes after the last whole record.
#[derive(Debug)]
pub(super) struct Torn {
    pub(super) bytes: Vec<u8>,
    /// All bytes of the frame are there, but they are not what was written.
    pub(super) complete: bool,
}

/// The path of file `number` in folder `dir`.
pub(super) fn file_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.log"))
}

/// Walks all files of `dir` and gives each whole record's sequence and payload to `visit`.
pub(super) fn walk(dir: &Path, mut visit: impl FnMut(u64, &[u8])) -> Result<Walked, ChainError> {
    let numbers = file_numbers(dir)?;
    let last_file = numbers.last().copied();
    let mut walked = Walked { seq: 0, head_hash: [0; 32], last_file, whole_bytes: 0, torn: None };
    for (number, expected) in numbers.into_iter().zip(1..) {
        let path = file_path(dir, expected);
        if number != expected {
            return Err(ChainError {
                file: path,
                seq: walked.seq + 1,
                offset: 0,
                reason: ChainReason::MissingFile,
            });
        }
        let bytes = fs::read(&path).map_err(|error| unreadable(&path, walked.seq + 1, error))?;
        walk_file(&path, &bytes, last_file == Some(number), &mut walked, &mut visit)?;
    }
    Ok(walked)
}

fn walk_file(
    path: &Path,
    bytes: &[u8],
    is_last: bool,
    walked: &mut Walked,
    visit: &mut impl FnMut(u64, &[u8]),
) -> Result<(), ChainError> {
    let mut offset = 0;
    while let Some(parsed) = frame::parse(&bytes[offset..]) {
        let seq = walked.seq + 1;
        let fault =
            |reason| ChainError { file: path.to_owned(), seq, offset: offset as u64, reason };
        let rest = &bytes[offset..];
        let frame = match parsed {
            Parsed::Whole(frame) => frame,
            bad @ (Parsed::Incomplete | Parsed::TooLong(_) | Parsed::Damaged(_)) => {
                walked.torn =
                    Some(torn_or_damaged(&bad, rest, is_last, walked.seq).map_err(fault)?);
                break;
            }
        };
        if frame.seq != seq {
            return Err(fault(ChainReason::Sequence(frame.seq)));
        }
        if frame.previous != walked.head_hash {
            return Err(fault(ChainReason::Previous));
        }
        visit(seq, frame.payload);
        walked.head_hash = frame.hash();
        walked.seq = seq;
        offset += frame.bytes();
    }
    walked.whole_bytes = offset as u64;
    Ok(())
}

/// Decides whether the unusable bytes `rest` are a torn tail; otherwise says what they are.
///
/// A tail is torn when it belongs to the last file, nothing follows it, and it is short, or complete with a wrong
/// checksum (its pages reached the disk in part), or zeros (only the length of the file did).
fn torn_or_damaged(
    bad: &Parsed<'_>,
    rest: &[u8],
    is_last: bool,
    seq: u64,
) -> Result<Torn, ChainReason> {
    let blank = rest.iter().all(|byte| *byte == 0);
    let (at_end, complete, reason) = match bad {
        Parsed::Incomplete => (true, false, ChainReason::Incomplete),
        Parsed::TooLong(length) => (false, true, ChainReason::Length(*length)),
        Parsed::Damaged(end) => (blank || *end == rest.len(), !blank, ChainReason::Checksum),
        Parsed::Whole(frame) => (false, true, ChainReason::Sequence(frame.seq)),
    };
    if is_last && at_end && !frame::holds_later_frame(rest, seq) {
        return Ok(Torn { bytes: rest.to_vec(), complete });
    }
    Err(reason)
}

/// The numbers of the journal's files in order; other files in the folder are none of its business.
fn file_numbers(dir: &Path) -> Result<Vec<u32>, ChainError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| unreadable(dir, 1, error))? {
        let entry = entry.map_err(|error| unreadable(dir, 1, error))?;
        numbers.extend(entry.file_name().to_str().and_then(file_number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn file_number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".log")?;
    let all_digits = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().expect("eight digits fit into 32 bits"))
}

fn unreadable(path: &Path, seq: u64, error: io::Error) -> ChainError {
    ChainError { file: path.to_owned(), seq, offset: 0, reason: ChainReason::Unreadable(error) }
}
