//! An append-only file of checksummed frames with a write buffer: the carrier of `keys.log` and `tail.log`.
//!
//! Writes go to tracked positions, so that a failed one can simply be tried again. Not here: what frames mean.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::{Damage, SeriesError, failed, sync_dir};

/// Bytes that are collected before they are written: enough for a thousand hourly appends in one call.
const SPILL_BYTES: usize = 256 * 1024;

/// The open file.
#[derive(Debug)]
pub(super) struct AppendLog {
    path: PathBuf,
    file: File,
    written: u64,
    pending: Vec<u8>,
    dirty: bool,
}

impl AppendLog {
    /// Opens or creates the file and gives each frame to `visit`; what is torn at its end is cut off.
    ///
    /// `parse` returns the frame at the start of the bytes and its length.
    pub(super) fn open<F>(
        path: PathBuf,
        parse: impl Fn(&[u8]) -> Option<(F, usize)>,
        visit: impl FnMut(F),
        damage: &mut Vec<Damage>,
    ) -> Result<Self, SeriesError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed("open", &path))?;
        let bytes = fs::read(&path).map_err(failed("read", &path))?;
        let (end, skipped) = walk(&bytes, parse, visit);
        let hole = |range: Range<usize>, torn| Damage {
            file: path.clone(),
            offset: range.start as u64,
            bytes: range.len() as u64,
            torn,
        };
        damage.extend(skipped.into_iter().map(|range| hole(range, false)));
        if end < bytes.len() {
            damage.push(hole(end..bytes.len(), true));
            file.set_len(end as u64).map_err(failed("cut", &path))?;
        }
        Ok(Self { path, file, written: end as u64, pending: Vec::new(), dirty: true })
    }

    /// Takes a frame whole or, when the disk is full, not at all.
    pub(super) fn push(&mut self, frame: &[u8]) -> Result<(), SeriesError> {
        if self.pending.len() + frame.len() > SPILL_BYTES {
            self.spill()?;
        }
        self.pending.extend_from_slice(frame);
        Ok(())
    }

    /// Makes all written frames durable.
    pub(super) fn sync(&mut self) -> Result<(), SeriesError> {
        if self.dirty {
            self.file.sync_data().map_err(failed("sync", &self.path))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Replaces all frames, durably and at once.
    pub(super) fn replace(
        &mut self,
        frames: impl Iterator<Item = Vec<u8>>,
    ) -> Result<(), SeriesError> {
        let next = self.path.with_extension("next");
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&next)
            .map_err(failed("create", &next))?;
        let mut writer = BufWriter::with_capacity(SPILL_BYTES, &file);
        let mut written = 0;
        for frame in frames {
            writer.write_all(&frame).map_err(failed("write", &next))?;
            written += frame.len() as u64;
        }
        writer.flush().map_err(failed("write", &next))?;
        drop(writer);
        file.sync_all().map_err(failed("sync", &next))?;
        fs::rename(&next, &self.path).map_err(failed("rename", &self.path))?;
        self.file = file;
        self.written = written;
        self.pending.clear();
        self.dirty = false;
        sync_dir(self.path.parent().unwrap_or(Path::new(".")))
    }

    /// Bytes of all frames, written or about to be.
    pub(super) fn bytes(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Writes what is pending; a full disk leaves it pending.
    pub(super) fn spill(&mut self) -> Result<(), SeriesError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.file
            .write_all_at(&self.pending, self.written)
            .map_err(failed("append to", &self.path))?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        self.dirty = true;
        Ok(())
    }
}

/// Visits every frame; returns where the last one ends and the ranges between frames that are none.
fn walk<F>(
    bytes: &[u8],
    parse: impl Fn(&[u8]) -> Option<(F, usize)>,
    mut visit: impl FnMut(F),
) -> (usize, Vec<Range<usize>>) {
    let mut skipped = Vec::new();
    let mut offset = 0;
    loop {
        while let Some((frame, length)) = parse(&bytes[offset..]) {
            visit(frame);
            offset += length;
        }
        let Some(next) = (offset + 1..bytes.len()).find(|next| parse(&bytes[*next..]).is_some())
        else {
            return (offset, skipped);
        };
        skipped.push(offset..next);
        offset = next;
    }
}
