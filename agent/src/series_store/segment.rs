//! One file of sealed chunks: all series of one week, Monday to Sunday in UTC.
//!
//! Chunks are only ever added; one that covers an earlier one of the same series takes its place. Retention removes
//! whole files. Not here: which chunks a series has (`SeriesStore`).

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::chunk::{HEADER_BYTES, Header};
use super::error::{Damage, SeriesError, failed};

const WEEK_S: i64 = 7 * 86_400;

/// The first Monday of Unix time, 1970-01-05: weeks begin there, week 0.
const FIRST_MONDAY_S: i64 = 4 * 86_400;

/// Bytes read at a time while looking for headers.
const WINDOW_BYTES: usize = 256 * 1024;

/// The week in which a second lies.
pub(super) fn week_of(unix_s: i64) -> i32 {
    i32::try_from((unix_s - FIRST_MONDAY_S).div_euclid(WEEK_S))
        .expect("times are limited to the year 9999")
}

/// First second of a week.
pub(super) fn week_start(week: i32) -> i64 {
    FIRST_MONDAY_S + i64::from(week) * WEEK_S
}

/// `<monday>.seg`.
pub(super) fn file_name(week: i32) -> String {
    let monday =
        jiff::Timestamp::from_second(week_start(week)).expect("times are limited to the year 9999");
    format!("{}.seg", monday.strftime("%Y-%m-%d"))
}

/// The week of a file name, `None` for other files.
pub(super) fn week_of_name(name: &str) -> Option<i32> {
    let date: jiff::civil::Date = name.strip_suffix(".seg")?.parse().ok()?;
    let monday = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    let week = i32::try_from((monday - FIRST_MONDAY_S).div_euclid(WEEK_S)).ok()?;
    (file_name(week) == name).then_some(week)
}

/// An open segment file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    file: File,
    pub(super) bytes: u64,
    /// Bytes of chunks that were replaced or dropped.
    pub(super) dead_bytes: u64,
    /// Nothing was added since it was last looked at for tidying.
    pub(super) settled: bool,
    dirty: bool,
}

impl Segment {
    /// Creates an empty segment, in place of whatever is there.
    pub(super) fn create(path: PathBuf) -> Result<Self, SeriesError> {
        let file = open(&path, true)?;
        Ok(Self { path, file, bytes: 0, dead_bytes: 0, settled: false, dirty: true })
    }

    /// Opens a segment and gives the place and header of each chunk to `visit`; an unfinished one is cut off.
    pub(super) fn open(
        path: PathBuf,
        mut visit: impl FnMut(u64, Header),
        damage: &mut Vec<Damage>,
    ) -> Result<Self, SeriesError> {
        let file = open(&path, false)?;
        let length = file.metadata().map_err(failed("measure", &path))?.len();
        let mut window = Window { file: &file, path: &path, start: 0, bytes: Vec::new(), length };
        let mut hole =
            |offset, bytes, torn| damage.push(Damage { file: path.clone(), offset, bytes, torn });
        let (mut offset, mut lost) = (0, None);
        while offset < length {
            match window.header(offset)? {
                Some(header) => {
                    if let Some(from) = lost.take() {
                        hole(from, offset - from, false);
                    }
                    visit(offset, header);
                    offset += HEADER_BYTES as u64 + u64::from(header.payload_bytes);
                }
                None => {
                    lost.get_or_insert(offset);
                    offset += 1;
                }
            }
        }
        let end = lost.unwrap_or(length);
        if end < length {
            hole(end, length - end, true);
            file.set_len(end).map_err(failed("cut", &path))?;
        }
        Ok(Self { path, file, bytes: end, dead_bytes: 0, settled: false, dirty: true })
    }

    /// Adds a chunk and returns its place. A failed write leaves no trace: the next one goes to the same place.
    pub(super) fn append(&mut self, chunk: &[u8]) -> Result<u64, SeriesError> {
        let offset = self.bytes;
        self.file.write_all_at(chunk, offset).map_err(failed("append to", &self.path))?;
        self.bytes += chunk.len() as u64;
        self.dirty = true;
        self.settled = false;
        Ok(offset)
    }

    /// Reads a whole chunk, header included.
    pub(super) fn read(&self, offset: u64, payload_bytes: u32) -> Result<Vec<u8>, SeriesError> {
        let mut bytes = vec![0; HEADER_BYTES + payload_bytes as usize];
        self.file.read_exact_at(&mut bytes, offset).map_err(failed("read", &self.path))?;
        Ok(bytes)
    }

    /// Makes all chunks durable; tells whether there was anything to do.
    pub(super) fn sync(&mut self) -> Result<bool, SeriesError> {
        if !self.dirty {
            return Ok(false);
        }
        self.file.sync_data().map_err(failed("sync", &self.path))?;
        self.dirty = false;
        Ok(true)
    }
}

fn open(path: &Path, empty: bool) -> Result<File, SeriesError> {
    let mut options = OpenOptions::new();
    options
        .create(empty)
        .truncate(empty)
        .read(true)
        .write(true)
        .open(path)
        .map_err(failed("open", path))
}

/// A moving view of a file, so that scanning it needs few reads and little memory.
struct Window<'a> {
    file: &'a File,
    path: &'a Path,
    start: u64,
    bytes: Vec<u8>,
    length: u64,
}

impl Window<'_> {
    /// The header at `offset`, if one is there whose chunk ends within the file.
    fn header(&mut self, offset: u64) -> Result<Option<Header>, SeriesError> {
        if self.length - offset < HEADER_BYTES as u64 {
            return Ok(None);
        }
        let end = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + HEADER_BYTES as u64 > end {
            let bytes = (self.length - offset).min(WINDOW_BYTES as u64);
            self.bytes.resize(usize::try_from(bytes).expect("a window is small"), 0);
            self.file.read_exact_at(&mut self.bytes, offset).map_err(failed("read", self.path))?;
            self.start = offset;
        }
        let at = usize::try_from(offset - self.start).expect("the offset lies in the window");
        let header = Header::parse(&self.bytes[at..]);
        Ok(header.filter(|header| {
            u64::from(header.payload_bytes) <= self.length - offset - HEADER_BYTES as u64
        }))
    }
}
