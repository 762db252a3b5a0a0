//! The store of metric series: compressed column files beside the database.
//!
//! A series is an opaque key and a grid of points; a gap is NaN, never 0. New points go to a raw tail (`tail.log`), are
//! sealed into compressed chunks in one file a week (`<monday>.seg`), and leave with their week. An index of a few
//! bytes a chunk is rebuilt from the files at open; nothing else is cached. Not here: what a series means, where it
//! comes from, and how to fetch again what a damaged file lost.

mod chunk;
mod durable;
mod error;
mod keys;
mod log;
mod open;
mod round;
mod seal;
mod segment;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;

use keys::{KEY_BYTES_MAX, KeyFrame};
use log::AppendLog;
use segment::Segment;
use tail::Tail;

pub use error::{Damage, SeriesError};
pub use round::round12;

/// A tail of this many slots is sealed: a day at five minutes. Smaller chunks cost 5 to 9 bytes a point.
pub const SEAL_SLOTS: usize = 288;

/// Most points of one answer: 16 Mi, five months at one second, 64 MiB.
const READ_SLOTS_MAX: i64 = 16 * 1024 * 1024;

/// The last second of the year 9999.
const UNIX_S_MAX: i64 = 253_402_300_799;

/// Consecutive slots of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Seconds from one slot to the next.
    pub step_s: u32,
    /// Time of the first slot, Unix seconds, a multiple of the step.
    pub start_unix_s: i64,
    /// One value a slot; NaN where none is known.
    pub values: Vec<f32>,
}

/// What the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesStats {
    /// Stored values, gaps not counted; one that was read again since its chunk was sealed counts twice until merged.
    pub points: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// The open store; the only user of its folder.
///
/// Reading takes `&self` and reads at positions: behind a read-write lock, readers run side by side.
#[derive(Debug)]
pub struct SeriesStore {
    dir: PathBuf,
    /// Held for its lock, which the system releases with the process.
    lock: File,
    keys: AppendLog,
    tail: AppendLog,
    segments: BTreeMap<i32, Segment>,
    ids: BTreeMap<String, u32>,
    series: BTreeMap<u32, Series>,
    next_id: u32,
    /// Series whose tail is long enough to be sealed.
    due: BTreeSet<u32>,
    /// Series whose frames in `tail.log` no longer say what their tail is.
    stale: BTreeSet<u32>,
    damage: Vec<Damage>,
    poisoned: bool,
    generation: u64,
}

#[derive(Debug)]
struct Series {
    step_s: u32,
    /// In order of time, without overlap.
    chunks: Vec<ChunkRef>,
    tail: Tail,
}

/// Where a chunk is and what it covers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct ChunkRef {
    offset: u64,
    start: i64,
    week: i32,
    count: u32,
    present: u32,
    payload_bytes: u32,
}

impl ChunkRef {
    fn new(week: i32, offset: u64, header: &chunk::Header) -> Self {
        let chunk::Header { start, count, present, payload_bytes, .. } = *header;
        Self { offset, start, week, count, present, payload_bytes }
    }

    fn end(&self, step: i64) -> i64 {
        self.start + i64::from(self.count) * step
    }

    fn bytes(&self) -> u64 {
        chunk::HEADER_BYTES as u64 + u64::from(self.payload_bytes)
    }
}

/// Packs a run of rounded values, as the store's chunks are: start and step, then the points. At least one must be known.
#[must_use]
pub(crate) fn pack(step_s: u32, start_unix_s: i64, values: &[f32]) -> Vec<u8> {
    chunk::encode(0, step_s, start_unix_s, values).1
}

/// Unpacks what [`pack`] made; the error says what is wrong with it.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Vec<f32>, &'static str> {
    if bytes.len() < chunk::HEADER_BYTES {
        return Err("it ends in its header");
    }
    Ok(chunk::decode(bytes)?.1)
}

impl SeriesStore {
    /// Lays `values` from `start_unix_s` on over the series `key`, which is made if it is new.
    ///
    /// Values are rounded by [`round12`]. A value replaces what was stored at its slot; a gap (NaN) leaves it. Points
    /// are readable at once and durable after [`SeriesStore::flush`].
    ///
    /// # Errors
    /// [`SeriesError::Step`], [`SeriesError::Misaligned`], [`SeriesError::Time`] and [`SeriesError::Key`] for a wrong
    /// call, [`SeriesError::Io`] for a full disk (try again later), [`SeriesError::Damaged`] when the points overlap
    /// a chunk that cannot be read.
    pub fn append(
        &mut self,
        key: &str,
        step_s: u32,
        start_unix_s: i64,
        values: &[f32],
    ) -> Result<(), SeriesError> {
        self.require_sound()?;
        let id = self.id_of(key, step_s, start_unix_s, values.len())?;
        let step = i64::from(step_s);
        let rounded: Vec<f32> = values.iter().map(|value| round12(*value)).collect();
        let Some((start, rounded)) = tail::trim(step, start_unix_s, &rounded) else {
            return Ok(());
        };
        let backfill = rounded.len() >= SEAL_SLOTS;
        if !backfill {
            self.tail.push(&tail::encode(id, false, std::iter::once((start, rounded))))?;
        }
        self.generation += 1;
        let series = self.series.get_mut(&id).expect("every number in use has a series");
        series.tail.overlay(step, start, rounded);
        let long = series.tail.slots() >= SEAL_SLOTS;
        if backfill {
            return self.seal(id);
        }
        if long {
            self.due.insert(id);
        }
        Ok(())
    }

    /// The points of `key` from `from_unix_s` (inclusive) to `to_unix_s` (exclusive); `None` for an unknown series.
    ///
    /// # Errors
    /// [`SeriesError::Damaged`] names file and offset of a chunk that is not what was written: its points are not
    /// passed off as gaps. [`SeriesError::Range`] for more than 16 Mi slots.
    pub fn read(
        &self,
        key: &str,
        from_unix_s: i64,
        to_unix_s: i64,
    ) -> Result<Option<Grid>, SeriesError> {
        let Some((id, series)) = self.ids.get(key).and_then(|id| self.series.get_key_value(id))
        else {
            return Ok(None);
        };
        let step = i64::from(series.step_s);
        let start = tail::ceil_div(from_unix_s.clamp(0, UNIX_S_MAX), step) * step;
        let span = (to_unix_s.clamp(0, UNIX_S_MAX) - start).max(0);
        let slots = tail::ceil_div(span, step);
        if slots > READ_SLOTS_MAX {
            return Err(SeriesError::Range { key: key.to_owned(), slots, most: READ_SLOTS_MAX });
        }
        let end = start + slots * step;
        let mut values =
            vec![f32::NAN; usize::try_from(slots).expect("the maximum was just checked")];
        let first = series.chunks.partition_point(|chunk| chunk.end(step) <= start);
        for chunk in series.chunks[first..].iter().take_while(|chunk| chunk.start < end) {
            let points = self.read_chunk(*id, chunk)?;
            tail::lay(&mut values, start, step, chunk.start, &points);
        }
        for run in &series.tail.runs {
            tail::lay(&mut values, start, step, run.start, &run.values);
        }
        Ok(Some(Grid { step_s: series.step_s, start_unix_s: start, values }))
    }

    /// A number that is another after every change of the points, in this process.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Time of the newest value of `key`, Unix seconds; `None` when there is none.
    #[must_use]
    pub fn last(&self, key: &str) -> Option<i64> {
        self.series.get(self.ids.get(key)?)?.last()
    }

    /// All known keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.ids.keys().map(String::as_str)
    }

    /// What the store holds and how much room it takes.
    #[must_use]
    pub fn stats(&self) -> SeriesStats {
        let points = self.series.values().map(|series| {
            let sealed: u64 = series.chunks.iter().map(|chunk| u64::from(chunk.present)).sum();
            sealed + series.tail.points()
        });
        let segments: u64 = self.segments.values().map(|segment| segment.bytes).sum();
        SeriesStats {
            points: points.sum(),
            bytes: segments + self.keys.bytes() + self.tail.bytes(),
        }
    }

    /// Bytes that opening found unusable, to be shown as a warning: the points in them are gaps now.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Forgets a series and its points; tells whether it was known. The way out of [`SeriesError::Damaged`].
    ///
    /// # Errors
    /// [`SeriesError::Io`] when that cannot be written down; the series then stays.
    pub fn drop_series(&mut self, key: &str) -> Result<bool, SeriesError> {
        self.require_sound()?;
        let Some(id) = self.ids.get(key).copied() else {
            return Ok(false);
        };
        self.keys.push(&KeyFrame::Drop { id }.encode())?;
        self.ids.remove(key);
        self.generation += 1;
        self.forget(id);
        Ok(true)
    }

    /// The number of a series, given now if it is new, after a check of the call.
    fn id_of(
        &mut self,
        key: &str,
        step_s: u32,
        start_unix_s: i64,
        points: usize,
    ) -> Result<u32, SeriesError> {
        let known = self.ids.get(key).copied();
        let known_s =
            known.and_then(|id| self.series.get(&id)).map_or(step_s, |series| series.step_s);
        let step = i64::from(step_s);
        if step_s == 0 || known_s != step_s {
            return Err(SeriesError::Step { key: key.to_owned(), known_s, given_s: step_s });
        }
        if start_unix_s % step != 0 {
            return Err(SeriesError::Misaligned { key: key.to_owned(), start_unix_s, step_s });
        }
        let span = i64::try_from(points).ok().and_then(|points| points.checked_mul(step));
        let end = span.and_then(|span| start_unix_s.checked_add(span));
        if start_unix_s < 0 || end.is_none_or(|end| end > UNIX_S_MAX) {
            return Err(SeriesError::Time { key: key.to_owned(), start_unix_s, points });
        }
        match known {
            Some(id) => Ok(id),
            None => self.add_key(key, step_s),
        }
    }

    fn add_key(&mut self, key: &str, step_s: u32) -> Result<u32, SeriesError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(SeriesError::Key { bytes: key.len(), most: KEY_BYTES_MAX });
        }
        let id = self.next_id;
        self.keys.push(&KeyFrame::Add { id, step_s, key: key.to_owned() }.encode())?;
        self.next_id += 1;
        self.ids.insert(key.to_owned(), id);
        self.series.insert(id, Series::new(step_s));
        Ok(id)
    }

    fn forget(&mut self, id: u32) {
        let Some(series) = self.series.remove(&id) else {
            return;
        };
        for chunk in series.chunks {
            self.segments
                .get_mut(&chunk.week)
                .expect("every chunk is in an open segment")
                .dead_bytes += chunk.bytes();
        }
        self.due.remove(&id);
        self.stale.insert(id);
    }

    fn read_chunk(&self, id: u32, place: &ChunkRef) -> Result<Vec<f32>, SeriesError> {
        let segment = &self.segments[&place.week];
        let damaged = |reason| SeriesError::Damaged {
            key: self.key_of(id).to_owned(),
            file: segment.path.clone(),
            offset: place.offset,
            reason,
        };
        let bytes = segment.read(place.offset, place.payload_bytes)?;
        let (header, values) = chunk::decode(&bytes).map_err(damaged)?;
        if (header.start, header.count) != (place.start, place.count) {
            return Err(damaged("the header is not the one that was read at open"));
        }
        Ok(values)
    }

    /// Only for errors, hence a search.
    fn key_of(&self, id: u32) -> &str {
        self.ids.iter().find(|(_, known)| **known == id).map_or("", |(key, _)| key)
    }

    fn require_sound(&self) -> Result<(), SeriesError> {
        if self.poisoned {
            return Err(SeriesError::Poisoned { dir: self.dir.clone() });
        }
        Ok(())
    }
}

impl Drop for SeriesStore {
    /// Writes down what is not yet durable: losing it would only mean fetching it again, so a failure is no news.
    fn drop(&mut self) {
        let _ = self.flush();
        // By word: a child that another thread is just starting still holds a copy of the file.
        let _ = self.lock.unlock();
    }
}

impl Series {
    fn new(step_s: u32) -> Self {
        Self { step_s, chunks: Vec::new(), tail: Tail::default() }
    }

    fn last(&self) -> Option<i64> {
        let step = i64::from(self.step_s);
        let sealed = self.chunks.last().map(|chunk| chunk.end(step));
        let tail = self.tail.runs.last().map(|run| run.end(step));
        sealed.max(tail).map(|end| end - step)
    }
}
