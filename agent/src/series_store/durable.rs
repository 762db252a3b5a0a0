//! Durability and retention: what reaches the disk in which order, and what leaves it.

use std::collections::BTreeSet;
use std::fs;

use super::error::{SeriesError, failed, sync_dir};
use super::keys::KeyFrame;
use super::{SeriesStore, UNIX_S_MAX, segment, tail};

impl SeriesStore {
    /// Removes the weeks that end at or before `unix_s`, and the series that have no points left; durable on return.
    ///
    /// # Errors
    /// [`SeriesError::Io`]; what was removed until then stays removed.
    pub fn retain_from(&mut self, unix_s: i64) -> Result<(), SeriesError> {
        self.require_sound()?;
        let first = segment::week_of(unix_s.clamp(0, UNIX_S_MAX));
        let from = segment::week_start(first);
        self.generation += 1;
        for (id, series) in &mut self.series {
            series.chunks.retain(|chunk| chunk.week >= first);
            if series.tail.forget_before(i64::from(series.step_s), from) {
                self.stale.insert(*id);
            }
        }
        while let Some(entry) = self.segments.first_entry().filter(|entry| *entry.key() < first) {
            let path = entry.get().path.clone();
            fs::remove_file(&path).map_err(failed("remove", &path))?;
            entry.remove();
        }
        sync_dir(&self.dir)?;
        self.flush()?;
        self.forget_empty()
    }

    /// Makes every point durable, seals tails that are long enough, and tidies one file where it pays.
    ///
    /// To be called once a collection. A series with a damaged chunk keeps its tail until it is dropped.
    ///
    /// # Errors
    /// [`SeriesError::Io`]; after a failed sync the store takes no more points until it is opened again.
    pub fn flush(&mut self) -> Result<(), SeriesError> {
        self.require_sound()?;
        for id in std::mem::take(&mut self.due) {
            match self.seal(id) {
                Ok(()) | Err(SeriesError::Damaged { .. }) => {}
                Err(error) => {
                    self.due.insert(id);
                    return Err(error);
                }
            }
        }
        self.sync_all()?;
        self.tidy()
    }

    /// Keys before chunks, and chunks before the word that their points are no longer needed in the tail.
    fn sync_all(&mut self) -> Result<(), SeriesError> {
        self.keys.spill()?;
        self.once(Self::sync_sealed)?;
        while let Some(id) = self.stale.first().copied() {
            let runs = self.series.get(&id).map_or(&[][..], |series| &series.tail.runs);
            self.tail.push(&tail::encode(
                id,
                true,
                runs.iter().map(|run| (run.start, run.values.as_slice())),
            ))?;
            self.stale.remove(&id);
        }
        self.tail.spill()?;
        self.once(|store| store.tail.sync())
    }

    fn sync_sealed(&mut self) -> Result<(), SeriesError> {
        self.keys.sync()?;
        let mut any = false;
        for segment in self.segments.values_mut() {
            any |= segment.sync()?;
        }
        if any { sync_dir(&self.dir) } else { Ok(()) }
    }

    /// A sync that fails is not tried again: the system may have dropped the data and would then report success.
    fn once(
        &mut self,
        sync: impl FnOnce(&mut Self) -> Result<(), SeriesError>,
    ) -> Result<(), SeriesError> {
        self.poisoned = true;
        sync(self)?;
        self.poisoned = false;
        Ok(())
    }

    /// Forgets the series without points and rewrites the register of keys if there were any.
    fn forget_empty(&mut self) -> Result<(), SeriesError> {
        let known = self.ids.len();
        self.ids.retain(|_, id| self.series.get(id).is_some_and(|series| series.last().is_some()));
        if self.ids.len() == known {
            return Ok(());
        }
        let kept: BTreeSet<u32> = self.ids.values().copied().collect();
        self.series.retain(|id, _| kept.contains(id));
        let used = std::iter::once(KeyFrame::Used { id: self.next_id });
        let series = &self.series;
        let adds = self.ids.iter().map(|(key, id)| KeyFrame::Add {
            id: *id,
            step_s: series[id].step_s,
            key: key.clone(),
        });
        self.keys.replace(used.chain(adds).map(|frame| frame.encode()))
    }
}
