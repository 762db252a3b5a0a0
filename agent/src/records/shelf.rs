//! The folder of the records: files that are named by time, recommendation and digest, written whole or not at all.
//!
//! `<time>-<recommendation>-<digest>-<catalogue>.decision` is a record, `<digest>.catalog` what several of them share; both
//! are JSON in zstd, and the digest is SHA-256 over the file's bytes. Not here: what is in them.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use thiserror::Error;
use trimtab_models::catalog::Catalog;

use super::{DecisionRecord, Draft, FORMAT};

/// JSON of this kind packs to a tenth here; higher levels take ten times as long for a few percent.
const ZSTD_LEVEL: i32 = 9;
/// The most records that are kept, the oldest leave first: about 3 GiB at the sizes measured (see `records/tests.rs`).
const RECORDS_MAX: usize = 50_000;
/// The time in a name: sorts like the time itself.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// Hex digits of the catalogue's digest in a record's name: enough to tell a few catalogues apart.
const CATALOG_DIGITS: usize = 16;

/// Why a record cannot be kept or read.
#[derive(Debug, Error)]
pub enum RecordError {
    /// What was written would not give the same decision again.
    #[error("the decision on `{id}` cannot be made again from its record: {differs}")]
    NotReproduced {
        /// The recommendation.
        id: String,
        /// Where it differs.
        differs: String,
    },
    /// The disk.
    #[error(
        "failed to {operation} the decision record `{path}`: check the disk and its free space"
    )]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// Not the bytes that were written.
    #[error(
        "the decision record `{0}` is not what was written: its digest is another than its name says; restore it from a backup"
    )]
    Damaged(PathBuf),
    /// JSON or zstd.
    #[error("a decision record cannot be understood: {0}")]
    Unreadable(String),
    /// Nothing by that id.
    #[error(
        "there is no decision record `{id}` in `{folder}`: `trimtab recommendations` and `trimtab changes` list ids"
    )]
    Unknown {
        /// The id given.
        id: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
}

/// A record's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// When the decision was made, to the second.
    pub at: Timestamp,
    /// The recommendation's id.
    pub recommendation_id: String,
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// The first digits of the catalogue's digest.
    pub catalog: String,
    /// The file.
    pub path: PathBuf,
}

/// The folder.
#[derive(Debug, Clone)]
pub struct Shelf {
    dir: PathBuf,
}

impl Shelf {
    /// The records of a state folder; nothing is opened or made yet.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("decisions") }
    }

    /// Writes a record, and its catalogue where it is new; durable on return. Returns the record's digest.
    ///
    /// # Errors
    /// When the disk does not take it: the decision must not be acted on then.
    pub fn keep(&self, draft: &Draft) -> Result<String, RecordError> {
        use std::os::unix::fs::DirBuilderExt;
        let make = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        make.map_err(failed("make the folder of", &self.dir))?;
        let catalog = self.dir.join(format!("{}.catalog", draft.record.catalog));
        // One that was damaged meanwhile is replaced.
        if !fs::read(&catalog).is_ok_and(|bytes| digest(&bytes) == draft.record.catalog) {
            write_whole(&catalog, &draft.catalog)?;
        }
        let digest = digest(&draft.bytes);
        let time = draft.record.gate.now.to_zoned(TimeZone::UTC).strftime(TIME).to_string();
        let short = &draft.record.catalog[..CATALOG_DIGITS];
        let name = format!("{time}-{}-{digest}-{short}.decision", draft.record.entry.id);
        write_whole(&self.dir.join(name), &draft.bytes)?;
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(failed("sync the folder of", &self.dir))?;
        Ok(digest)
    }

    /// Every record, the oldest first. A folder that is not there has none; a file with a strange name is left out.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<Kept>, RecordError> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(failed("list", &self.dir))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            found.extend(parse(&entry.map_err(failed("list", &self.dir))?.path()));
        }
        found.sort();
        Ok(found)
    }

    /// The newest record with this recommendation id, or whose digest begins so.
    ///
    /// # Errors
    /// `Unknown`, or when the folder cannot be read.
    pub fn find(&self, id: &str) -> Result<Kept, RecordError> {
        let fits = |kept: &Kept| kept.recommendation_id == id || kept.digest.starts_with(id);
        let found = self.list()?.into_iter().rev().find(|kept| !id.is_empty() && fits(kept));
        found.ok_or_else(|| RecordError::Unknown { id: id.to_owned(), folder: self.dir.clone() })
    }

    /// Reads a record and its catalogue.
    ///
    /// # Errors
    /// `Damaged` where a file is not what its digest says, `Unreadable` where another version wrote it.
    pub fn load(&self, kept: &Kept) -> Result<(DecisionRecord, Catalog), RecordError> {
        let bytes = read_whole(&kept.path, &kept.digest)?;
        let layout: Layout = decode(&bytes)?;
        if layout.format != FORMAT {
            let text = format!("its format is {}, this version reads {FORMAT}", layout.format);
            return Err(RecordError::Unreadable(text));
        }
        let record: DecisionRecord = decode(&bytes)?;
        let catalog = self.dir.join(format!("{}.catalog", record.catalog));
        let catalog = decode(&read_whole(&catalog, &record.catalog)?)?;
        Ok((record, catalog))
    }

    /// Removes what is older than `days` or beyond the most that are kept, except what `needed` names by digest; then
    /// catalogues that no record has any more. Returns how many records went.
    ///
    /// # Errors
    /// When the folder cannot be read or a file not be removed.
    pub fn sweep(
        &self,
        now: Timestamp,
        days: u32,
        needed: &BTreeSet<String>,
    ) -> Result<usize, RecordError> {
        let oldest = now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days)));
        let oldest = oldest.unwrap_or(Timestamp::MIN);
        let all = self.list()?;
        let beyond = all.len().saturating_sub(RECORDS_MAX);
        let old = |(index, kept): &(usize, &Kept)| *index < beyond || kept.at < oldest;
        let gone: Vec<&Kept> = all
            .iter()
            .enumerate()
            .filter(old)
            .map(|(_, kept)| kept)
            .filter(|kept| !needed.contains(&kept.digest))
            .collect();
        for kept in &gone {
            fs::remove_file(&kept.path).map_err(failed("remove", &kept.path))?;
        }
        if !gone.is_empty() {
            self.sweep_catalogs()?;
        }
        Ok(gone.len())
    }

    fn sweep_catalogs(&self) -> Result<(), RecordError> {
        let used: BTreeSet<String> = self.list()?.into_iter().map(|kept| kept.catalog).collect();
        for entry in fs::read_dir(&self.dir).map_err(failed("list", &self.dir))? {
            let path = entry.map_err(failed("list", &self.dir))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(digest) = name.strip_suffix(".catalog") else { continue };
            let short = digest.get(..CATALOG_DIGITS).unwrap_or(digest);
            if !used.contains(short) {
                fs::remove_file(&path).map_err(failed("remove", &path))?;
            }
        }
        Ok(())
    }
}

/// What a reader looks at first.
#[derive(serde::Deserialize)]
struct Layout {
    format: u32,
}

fn parse(path: &Path) -> Option<Kept> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".decision")?;
    let mut parts = stem.split('-').map(str::to_owned);
    let at = DateTime::strptime(TIME, parts.next()?).ok()?;
    let at = at.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let (recommendation_id, digest, catalog) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Kept { at, recommendation_id, digest, catalog, path: path.to_owned() })
}

/// SHA-256, hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON in zstd.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, RecordError> {
    let json =
        serde_json::to_vec(value).map_err(|error| RecordError::Unreadable(error.to_string()))?;
    zstd::bulk::compress(&json, ZSTD_LEVEL)
        .map_err(|error| RecordError::Unreadable(error.to_string()))
}

/// What [`encode`] made.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    let unreadable = |error: &dyn std::fmt::Display| RecordError::Unreadable(error.to_string());
    let json = zstd::stream::decode_all(bytes).map_err(|error| unreadable(&error))?;
    serde_json::from_slice(&json).map_err(|error| unreadable(&error))
}

fn read_whole(path: &Path, expected: &str) -> Result<Vec<u8>, RecordError> {
    let bytes = fs::read(path).map_err(failed("read", path))?;
    if digest(&bytes) != expected {
        return Err(RecordError::Damaged(path.to_owned()));
    }
    Ok(bytes)
}

/// Written beside it, synced, renamed: a crash at any moment leaves no file under this name, or the whole one.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let next = path.with_extension("next");
    let mut file = File::create(&next).map_err(failed("create", &next))?;
    file.write_all(bytes).map_err(failed("write", &next))?;
    file.sync_all().map_err(failed("sync", &next))?;
    fs::rename(&next, path).map_err(failed("rename", path))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordError {
    let path = path.to_owned();
    move |source| RecordError::Io { operation, path, source }
}
