//! Reads a journal's records on from where a reader was, without walking again what it has seen.
//!
//! Each record is checked against the one before it. Not here: whether the whole chain is sound (`Journal::verify`), and
//! what records mean.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::ControlFlow,
    path::Path,
};

use super::{
    chain::{self, ChainError, ChainReason},
    frame::{self, HEADER_BYTES, PAYLOAD_BYTES_MAX, Parsed, RecordHash},
};

/// Bytes that are read at once: more than the largest record, so that each reading comes further.
const WINDOW_BYTES: usize = 4 * (HEADER_BYTES + PAYLOAD_BYTES_MAX);

/// Where a reader is: behind the last record that it has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's number.
    file: u32,
    /// Bytes from the start of the file.
    offset: u64,
    /// The last record before it.
    seq: u64,
    /// That record's hash.
    hash: RecordHash,
}

impl Default for Place {
    /// Before the first record.
    fn default() -> Self {
        Self { file: 1, offset: 0, seq: 0, hash: [0; 32] }
    }
}

/// Gives each record behind `place` to `visit`, until it breaks off or there is no further whole record, and moves `place`
/// behind the last one given.
///
/// # Errors
/// The first record that is not what was written; `place` is before it then.
pub fn read_on(
    dir: &Path,
    place: &mut Place,
    mut visit: impl FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<(), ChainError> {
    loop {
        let path = chain::file_path(dir, place.file);
        let window = match window(&path, place.offset) {
            Ok(window) => window,
            Err(error) if error.kind() == io::ErrorKind::NotFound && place.offset == 0 => {
                return Ok(());
            }
            Err(error) => return Err(fault(&path, place, ChainReason::Unreadable(error))),
        };
        let rest = match read_window(&path, &window, place, &mut visit)? {
            ControlFlow::Break(()) => return Ok(()),
            ControlFlow::Continue(rest) => rest,
        };
        if window.len() == WINDOW_BYTES {
            continue;
        }
        // A file is closed for good before the next one begins.
        if !chain::file_path(dir, place.file + 1).exists() {
            return Ok(());
        }
        if rest > 0 {
            // It may have been written to its end since the window was read.
            let length = path.metadata().map_or(0, |file| file.len());
            if length > place.offset + rest as u64 {
                continue;
            }
            return Err(fault(&path, place, ChainReason::Incomplete));
        }
        if path.metadata().is_ok_and(|file| file.len() > place.offset) {
            continue;
        }
        (place.file, place.offset) = (place.file + 1, 0);
    }
}

fn window(path: &Path, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(WINDOW_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Goes through the whole records of a window; how many bytes of an unfinished one are left.
fn read_window(
    path: &Path,
    window: &[u8],
    place: &mut Place,
    visit: &mut impl FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<ControlFlow<(), usize>, ChainError> {
    let mut rest = window;
    while let Some(parsed) = frame::parse(rest) {
        let frame = match parsed {
            Parsed::Whole(frame) => frame,
            Parsed::Incomplete => break,
            Parsed::TooLong(length) => {
                return Err(fault(path, place, ChainReason::Length(length)));
            }
            Parsed::Damaged(_) => return Err(fault(path, place, ChainReason::Checksum)),
        };
        if frame.seq != place.seq + 1 {
            return Err(fault(path, place, ChainReason::Sequence(frame.seq)));
        }
        if frame.previous != place.hash {
            return Err(fault(path, place, ChainReason::Previous));
        }
        rest = &rest[frame.bytes()..];
        (place.seq, place.hash) = (frame.seq, frame.hash());
        place.offset += frame.bytes() as u64;
        if visit(frame.seq, frame.payload).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(rest.len()))
}

fn fault(path: &Path, place: &Place, reason: ChainReason) -> ChainError {
    ChainError { file: path.to_owned(), seq: place.seq + 1, offset: place.offset, reason }
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::*;
    use crate::journal::{Journal, media::Disk};

    /// Small files, so that a few records fill several.
    const FILE_BYTES_MAX: u64 = 300;

    fn read(dir: &Path, place: &mut Place, limit: usize) -> Result<Vec<(u64, String)>, ChainError> {
        let mut got = Vec::new();
        read_on(dir, place, |seq, payload| {
            got.push((seq, String::from_utf8_lossy(payload).into_owned()));
            if got.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(got)
    }

    #[test]
    fn a_reader_gets_each_record_once_and_walks_none_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path();
        let (mut journal, _) =
            Journal::open_with(dir, FILE_BYTES_MAX, Arc::new(Disk)).expect("it opens");
        let mut place = Place::default();
        assert_eq!(read(dir, &mut place, 5).expect("nothing is there"), []);
        for number in 1..=40 {
            journal.append_sync(format!("record {number}").as_bytes()).expect("it is written");
        }
        assert!(chain::file_path(dir, 5).exists(), "several files are filled");
        let mut got = read(dir, &mut place, 12).expect("the chain is sound");
        // Whoever walked from the start again would meet this.
        fs::write(chain::file_path(dir, 1), "gone").expect("it is written");
        loop {
            let more = read(dir, &mut place, 7).expect("what is ahead is sound");
            if more.is_empty() {
                break;
            }
            got.extend(more);
        }
        journal.append_sync(b"record 41").expect("it is written");
        got.extend(read(dir, &mut place, 7).expect("what is ahead is sound"));
        let all: Vec<_> = (1..=41).map(|number| (number, format!("record {number}"))).collect();
        assert_eq!(got, all);
    }

    #[test]
    fn what_is_not_what_was_written_is_told_and_what_is_unfinished_is_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path();
        let (mut journal, _) = Journal::open_with(dir, u64::MAX, Arc::new(Disk)).expect("it opens");
        for number in 1..=3 {
            journal.append_sync(format!("record {number}").as_bytes()).expect("it is written");
        }
        let path = chain::file_path(dir, 1);
        let whole = fs::read(&path).expect("it is read");
        let place = {
            let mut place = Place::default();
            read(dir, &mut place, 2).expect("the chain is sound");
            place
        };
        for kept in place.offset as usize..whole.len() {
            fs::write(&path, &whole[..kept]).expect("it is written");
            assert_eq!(read(dir, &mut place.clone(), 9).expect("it is unfinished"), []);
        }
        for flipped in [4, 20, 45, 50] {
            let mut bytes = whole.clone();
            bytes[place.offset as usize + flipped] ^= 1;
            fs::write(&path, &bytes).expect("it is written");
            let fault = read(dir, &mut place.clone(), 9).expect_err("a bit is flipped");
            assert_eq!((fault.seq, fault.offset), (3, place.offset));
        }
        fs::write(&path, &whole).expect("it is written");
        let elsewhere = Place { hash: [1; 32], ..place.clone() };
        let fault = read(dir, &mut elsewhere.clone(), 9).expect_err("another history");
        assert!(matches!(fault.reason, ChainReason::Previous));
        assert_eq!(read(dir, &mut place.clone(), 9).expect("it is sound").len(), 1);
    }
}
