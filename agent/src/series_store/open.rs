//! Opening: reads the register of keys, the headers of all chunks, and the tail, and rebuilds the index from them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use super::chunk::Header;
use super::error::{Damage, SeriesError, failed, sync_dir};
use super::keys::KeyFrame;
use super::log::AppendLog;
use super::segment::{self, Segment};
use super::tail::{self, TailFrame};
use super::{ChunkRef, SEAL_SLOTS, Series, SeriesStore};

impl SeriesStore {
    /// Opens the store in the folder `dir`, made if absent.
    ///
    /// Unfinished frames and chunks at the end of a file, as a crash leaves them, are cut off; unusable bytes in the
    /// middle are skipped. Both are told by [`SeriesStore::damage`].
    ///
    /// # Errors
    /// [`SeriesError::Locked`] for a second opener, [`SeriesError::Io`] when a file cannot be read.
    pub fn open(dir: &Path) -> Result<Self, SeriesError> {
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
        let lock = lock(dir)?;
        let mut damage = Vec::new();
        let mut index = Index::default();
        let keys = AppendLog::open(
            dir.join("keys.log"),
            KeyFrame::parse,
            |frame| index.key(frame),
            &mut damage,
        )?;
        let segments = open_segments(dir, &mut index, &mut damage)?;
        let tail = AppendLog::open(
            dir.join("tail.log"),
            tail::parse,
            |frame| index.tail(frame),
            &mut damage,
        )?;
        sync_dir(dir)?;
        let long = index.series.iter().filter(|(_, series)| series.tail.slots() >= SEAL_SLOTS);
        let due = long.map(|(id, _)| *id).collect();
        Ok(Self {
            dir: dir.to_owned(),
            lock,
            keys,
            tail,
            segments,
            ids: index.ids,
            series: index.series,
            next_id: index.next_id,
            due,
            stale: BTreeSet::new(),
            damage,
            poisoned: false,
            generation: 0,
        })
    }
}

/// What the files say so far.
#[derive(Default)]
struct Index {
    ids: BTreeMap<String, u32>,
    series: BTreeMap<u32, Series>,
    /// Above every number seen anywhere: a number whose key was lost must not get a new meaning.
    next_id: u32,
}

impl Index {
    fn key(&mut self, frame: KeyFrame) {
        match frame {
            KeyFrame::Add { id, step_s, key } => {
                self.see(id);
                if let Some(older) = self.ids.insert(key, id) {
                    self.series.remove(&older);
                }
                self.series.insert(id, Series::new(step_s));
            }
            KeyFrame::Drop { id } => {
                self.see(id);
                self.series.remove(&id);
                self.ids.retain(|_, known| *known != id);
            }
            KeyFrame::Used { id } => self.next_id = self.next_id.max(id),
        }
    }

    /// Adds a chunk and returns how many bytes are dead by it: the chunks it covers, or itself.
    fn chunk(&mut self, week: i32, offset: u64, header: &Header) -> u64 {
        self.see(header.id);
        let place = ChunkRef::new(week, offset, header);
        let series =
            self.series.get_mut(&header.id).filter(|series| series.step_s == header.step_s);
        let Some(series) = series else {
            return place.bytes();
        };
        series.place(place)
    }

    fn tail(&mut self, frame: TailFrame) {
        self.see(frame.id);
        let Some(series) = self.series.get_mut(&frame.id) else {
            return;
        };
        if frame.reset {
            series.tail.runs.clear();
        }
        for run in frame.runs {
            series.tail.overlay(i64::from(series.step_s), run.start, &run.values);
        }
    }

    fn see(&mut self, id: u32) {
        self.next_id = self.next_id.max(id.saturating_add(1));
    }
}

impl Series {
    /// Puts a chunk in its place and returns the bytes of those it covers, which leave.
    pub(super) fn place(&mut self, place: ChunkRef) -> u64 {
        let step = i64::from(self.step_s);
        let first = self.chunks.partition_point(|chunk| chunk.end(step) <= place.start);
        let after = self.chunks.partition_point(|chunk| chunk.start < place.end(step));
        let covered = self.chunks.splice(first..after.max(first), [place]);
        covered.map(|chunk| chunk.bytes()).sum()
    }
}

fn open_segments(
    dir: &Path,
    index: &mut Index,
    damage: &mut Vec<Damage>,
) -> Result<BTreeMap<i32, Segment>, SeriesError> {
    let mut segments = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let path = entry.map_err(failed("list", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(week) = name.and_then(segment::week_of_name) else {
            continue;
        };
        segments.insert(week, path);
    }
    let open = |(week, path)| {
        let mut dead = 0;
        let mut opened = Segment::open(
            path,
            |offset, header| dead += index.chunk(week, offset, &header),
            damage,
        )?;
        opened.dead_bytes = dead;
        Ok((week, opened))
    };
    segments.into_iter().map(open).collect()
}

fn lock(dir: &Path) -> Result<File, SeriesError> {
    let path = dir.join("LOCK");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SeriesError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => {
            Err(SeriesError::Io { operation: "lock", path, source })
        }
    }
}
