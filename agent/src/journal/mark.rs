//! How far the journal is durable, in a file beside it: whole records missing at the end leave no other trace.
//!
//! Two slots of sixteen bytes, written in turn: sequence number and its CRC32C, both as little-endian 64 bits. A loss of power spoils at
//! most the slot that was being written, and the other one says the record before. Not here: what to do about a loss.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// A number and its checksum.
const SLOT_BYTES: usize = 16;

/// The open mark.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    seq: u64,
}

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("HEAD")
}

/// The number of the last record that was durable; 0 where no slot says so.
pub(super) fn read(dir: &Path) -> u64 {
    let bytes = fs::read(path(dir)).unwrap_or_default();
    let (slots, _) = bytes.as_chunks::<SLOT_BYTES>();
    slots.iter().take(2).filter_map(number).max().unwrap_or(0)
}

fn number(slot: &[u8; SLOT_BYTES]) -> Option<u64> {
    let (low, high) = slot.split_first_chunk::<8>()?;
    let (seq, check) = (u64::from_le_bytes(*low), u64::from_le_bytes(high.try_into().ok()?));
    (check == checksum(seq)).then_some(seq)
}

fn checksum(seq: u64) -> u64 {
    u64::from(crc32c::crc32c(&seq.to_le_bytes()))
}

impl Mark {
    /// Opens the mark, made if absent, and notes that `seq` is durable.
    pub(super) fn open(dir: &Path, seq: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path(dir))?;
        let mut mark = Self { file, seq: 0 };
        // Both slots, so that neither still holds what a damaged file said.
        mark.write(seq.saturating_sub(1))?;
        mark.write(seq)?;
        mark.file.sync_all()?;
        File::open(dir)?.sync_all()?;
        Ok(mark)
    }

    /// Notes that every record up to `seq` is durable; durable itself on return.
    pub(super) fn note(&mut self, seq: u64) -> io::Result<()> {
        if seq > self.seq {
            self.write(seq)?;
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn write(&mut self, seq: u64) -> io::Result<()> {
        let mut slot = [0; SLOT_BYTES];
        slot[..8].copy_from_slice(&seq.to_le_bytes());
        slot[8..].copy_from_slice(&checksum(seq).to_le_bytes());
        self.file.write_all_at(&slot, (seq % 2) * SLOT_BYTES as u64)?;
        self.seq = seq;
        Ok(())
    }
}
