//! Sealing tails into chunks, merging what overlaps, and tidying files with much dead weight.

use std::collections::btree_map::Entry;
use std::fs;

use super::error::{SeriesError, failed, sync_dir};
use super::segment::{self, Segment};
use super::tail::{self, Run, Tail};
use super::{ChunkRef, SEAL_SLOTS, SeriesStore, chunk};

/// Dead bytes that are not worth a rewrite: 1 MiB.
const DEAD_BYTES_MIN: u64 = 1024 * 1024;

/// `tail.log` may be this much larger than its live points need before it is rewritten: 4 MiB.
pub(super) const TAIL_SLACK_BYTES: u64 = 4 * 1024 * 1024;

/// A week's chunks are joined into one a series this long after its end, when late points are in.
const SETTLE_S: i64 = 2 * 86_400;

/// A part of a tail that lies in one week.
struct Piece {
    week: i32,
    run: Run,
}

impl SeriesStore {
    /// Turns the tail of a series into chunks. A short piece of its newest week stays in the tail.
    ///
    /// On an error the pieces that were not sealed stay in the tail.
    pub(super) fn seal(&mut self, id: u32) -> Result<(), SeriesError> {
        let Some(series) = self.series.get_mut(&id) else {
            return Ok(());
        };
        let step = i64::from(series.step_s);
        let newest = series.last().map(segment::week_of);
        let tail = std::mem::take(&mut series.tail);
        self.stale.insert(id);
        let mut kept = Tail::default();
        let mut result = Ok(());
        for piece in tail.runs.iter().flat_map(|run| split_by_week(run, step)) {
            let left = if result.is_ok() {
                self.seal_piece(id, step, &piece, newest)
            } else {
                Ok(Some(piece.run.clone()))
            };
            let left = left.unwrap_or_else(|error| {
                result = Err(error);
                Some(piece.run)
            });
            if let Some(run) = left {
                kept.overlay(step, run.start, &run.values);
            }
        }
        self.series.get_mut(&id).expect("it was there above").tail = kept;
        result
    }

    /// Writes one piece, merged with the chunks it changes, and if it is short also with its neighbours.
    ///
    /// Returns what is to stay in the tail: a short piece of the newest week.
    fn seal_piece(
        &mut self,
        id: u32,
        step: i64,
        piece: &Piece,
        newest: Option<i32>,
    ) -> Result<Option<Run>, SeriesError> {
        let Some(run) = self.without_sealed(id, step, piece)? else {
            return Ok(None);
        };
        let short = run.values.len() < SEAL_SLOTS;
        if short && Some(piece.week) == newest {
            return Ok(Some(run));
        }
        let series = &self.series[&id];
        let reach = i64::from(short);
        let touches = |chunk: &&ChunkRef| {
            chunk.week == piece.week
                && chunk.start < run.end(step) + reach
                && chunk.end(step) + reach > run.start
        };
        let touched: Vec<ChunkRef> = series.chunks.iter().filter(touches).copied().collect();
        let mut parts = Vec::new();
        for place in &touched {
            parts.push(Run { start: place.start, values: self.read_chunk(id, place)? });
        }
        parts.push(run);
        let merged = merge(&parts, step);
        let step_s = series.step_s;
        let (header, bytes) = chunk::encode(id, step_s, merged.start, &merged.values);
        let segment = self.segment(piece.week)?;
        let place = ChunkRef::new(piece.week, segment.append(&bytes)?, &header);
        let dead = self.series.get_mut(&id).expect("it was there above").place(place);
        self.segments.get_mut(&piece.week).expect("it was just written").dead_bytes += dead;
        Ok(None)
    }

    /// A piece without the values that its chunks hold already; `None` when nothing new is left.
    ///
    /// Collections read the last minutes again: without this, each seal would rewrite the chunk before it.
    fn without_sealed(
        &self,
        id: u32,
        step: i64,
        piece: &Piece,
    ) -> Result<Option<Run>, SeriesError> {
        let Run { start, mut values } = piece.run.clone();
        let end = piece.run.end(step);
        let chunks = chunks_of(&self.series[&id].chunks, piece.week).iter();
        for place in chunks.filter(|place| place.start < end && place.end(step) > start) {
            let mut sealed = vec![f32::NAN; values.len()];
            tail::lay(&mut sealed, start, step, place.start, &self.read_chunk(id, place)?);
            for (value, sealed) in values.iter_mut().zip(&sealed) {
                if value.to_bits() == sealed.to_bits() {
                    *value = f32::NAN;
                }
            }
        }
        let trimmed = tail::trim(step, start, &values);
        Ok(trimmed.map(|(start, values)| Run { start, values: values.to_vec() }))
    }

    fn segment(&mut self, week: i32) -> Result<&mut Segment, SeriesError> {
        match self.segments.entry(week) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                Ok(entry.insert(Segment::create(self.dir.join(segment::file_name(week)))?))
            }
        }
    }

    /// Rewrites `tail.log`, or at most one segment, where much of it is dead: the pause stays that of one file.
    pub(super) fn tidy(&mut self) -> Result<(), SeriesError> {
        let live: u64 =
            self.series.values().map(|series| 3 * series.tail.slots() as u64 + 32).sum();
        if self.tail.bytes() > 2 * live + TAIL_SLACK_BYTES {
            let tails = self.series.iter().filter(|(_, series)| !series.tail.runs.is_empty());
            let runs = |tail: &Tail| tail.runs.clone();
            let frames = tails.map(|(id, series)| {
                let runs = runs(&series.tail);
                tail::encode(*id, true, runs.iter().map(|run| (run.start, run.values.as_slice())))
            });
            return self.tail.replace(frames);
        }
        match self.untidy_week() {
            Some(week) => self.rewrite(week),
            None => Ok(()),
        }
    }

    /// A week that is half dead, or that is over and still in more than two chunks a series.
    fn untidy_week(&mut self) -> Option<i32> {
        let newest = self.series.values().filter_map(|series| series.last()).max()?;
        for (week, segment) in &mut self.segments {
            let live = segment.bytes - segment.dead_bytes;
            if segment.dead_bytes > DEAD_BYTES_MIN && segment.dead_bytes > live {
                return Some(*week);
            }
            if segment.settled || newest < segment::week_start(*week + 1) + SETTLE_S {
                continue;
            }
            segment.settled = true;
            let chunks = self.series.values().map(|series| chunks_of(&series.chunks, *week).len());
            let (chunks, series) = chunks
                .fold((0, 0), |(sum, some), count| (sum + count, some + usize::from(count > 0)));
            if chunks > 2 * series {
                return Some(*week);
            }
        }
        None
    }

    /// Writes a week anew, one chunk a series, beside the old file and then in its place.
    fn rewrite(&mut self, week: i32) -> Result<(), SeriesError> {
        let path = self.dir.join(segment::file_name(week));
        let mut next = Segment::create(path.with_extension("next"))?;
        let mut places = Vec::new();
        for (id, series) in &self.series {
            let chunks = chunks_of(&series.chunks, week);
            if !chunks.is_empty() {
                places.push((*id, self.copy_chunks(*id, chunks, &mut next)?));
            }
        }
        next.sync()?;
        fs::rename(&next.path, &path).map_err(failed("rename", &path))?;
        next.path = path;
        next.settled = true;
        self.segments.insert(week, next);
        for (id, places) in places {
            let series = self.series.get_mut(&id).expect("it was listed above");
            series.chunks.retain(|chunk| chunk.week != week);
            let at = series.chunks.partition_point(|chunk| chunk.week < week);
            series.chunks.splice(at..at, places);
        }
        sync_dir(&self.dir)
    }

    /// Joins the chunks of one series into one; where one cannot be read all are copied as they are, damage included.
    fn copy_chunks(
        &self,
        id: u32,
        chunks: &[ChunkRef],
        next: &mut Segment,
    ) -> Result<Vec<ChunkRef>, SeriesError> {
        let week = chunks[0].week;
        let series = &self.series[&id];
        let read = |place: &ChunkRef| {
            self.read_chunk(id, place).map(|values| Run { start: place.start, values })
        };
        let parts: Option<Vec<Run>> = chunks.iter().map(|place| read(place).ok()).collect();
        if let Some(parts) = parts.filter(|parts| parts.len() > 1) {
            let merged = merge(&parts, i64::from(series.step_s));
            let (header, bytes) = chunk::encode(id, series.step_s, merged.start, &merged.values);
            return Ok(vec![ChunkRef::new(week, next.append(&bytes)?, &header)]);
        }
        let copy = |place: &ChunkRef| {
            let bytes = self.segments[&week].read(place.offset, place.payload_bytes)?;
            Ok(ChunkRef { offset: next.append(&bytes)?, ..*place })
        };
        chunks.iter().map(copy).collect()
    }
}

/// The chunks of one week.
fn chunks_of(chunks: &[ChunkRef], week: i32) -> &[ChunkRef] {
    let first = chunks.partition_point(|chunk| chunk.week < week);
    let after = chunks.partition_point(|chunk| chunk.week <= week);
    &chunks[first..after]
}

/// One run that covers all parts; where they overlap, later parts win.
fn merge(parts: &[Run], step: i64) -> Run {
    let start = parts.iter().map(|part| part.start).min().expect("there is at least one part");
    let end = parts.iter().map(|part| part.end(step)).max().expect("there is at least one part");
    let mut values = vec![f32::NAN; tail::slots_before(start, end, step)];
    for part in parts {
        tail::lay(&mut values, start, step, part.start, &part.values);
    }
    Run { start, values }
}

/// Cuts a run at the ends of weeks and takes the gaps off both ends of each piece.
fn split_by_week(run: &Run, step: i64) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut start, mut rest) = (run.start, run.values.as_slice());
    while !rest.is_empty() {
        let week = segment::week_of(start);
        let slots = tail::slots_before(start, segment::week_start(week + 1), step).min(rest.len());
        let (values, others) = rest.split_at(slots);
        if let Some((start, values)) = tail::trim(step, start, values) {
            pieces.push(Piece { week, run: Run { start, values: values.to_vec() } });
        }
        start += slots as i64 * step;
        rest = others;
    }
    pieces
}
