//! A small file outside the store that says what the store must hold.
//!
//! The store can lose its tail and reopen empty without an error. The agent therefore compares it with this file
//! at start and refuses to act on a mismatch. Not here: the comparison itself, and the rebuilding (`store`).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What the store held at its last durable commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentinel {
    /// Number of the commit, growing by one: tells an old copy of the store from the current one.
    pub generation: u64,
    /// Records per tree of the store, by the tree's name.
    pub counts: BTreeMap<String, u64>,
    /// Sequence number of the last journal record that was durable at that commit; 0 before the first.
    ///
    /// It also guards the journal: a chain proves nothing about whole records missing at its end.
    pub journal_seq: u64,
}

/// Why the sentinel could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SentinelError {
    /// There is no such file: right on the very first start, a lost file at any other time.
    #[error("sentinel `{}` is missing", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file exists but cannot be read.
    #[error("failed to read sentinel `{}`, check its owner and permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file was read but is not a sentinel.
    #[error(
        "sentinel `{}` is not valid, move it aside to have the store rebuilt from the journal and the cloud",
        path.display()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line and column of the first fault.
        #[source]
        source: serde_json::Error,
    },
    /// The file could not be replaced; the old one is still whole.
    #[error("failed to {operation} sentinel `{}`, free some space and check its folder's permissions", path.display())]
    Write {
        /// The step that failed.
        operation: &'static str,
        /// The file being written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Sentinel {
    /// Reads the sentinel at `path`.
    ///
    /// # Errors
    /// [`SentinelError::Missing`], [`SentinelError::Unreadable`] or [`SentinelError::Invalid`]; never a default.
    pub fn load(path: &Path) -> Result<Self, SentinelError> {
        let bytes =
            fs::read(path).map_err(|source| match source.kind() == io::ErrorKind::NotFound {
                true => SentinelError::Missing { path: path.to_owned() },
                false => SentinelError::Unreadable { path: path.to_owned(), source },
            })?;
        serde_json::from_slice(&bytes)
            .map_err(|source| SentinelError::Invalid { path: path.to_owned(), source })
    }

    /// Replaces the sentinel at `path`; a crash at any moment leaves the old or the new one, whole.
    ///
    /// Written beside it, synced, renamed over it, and the folder synced: only then is the name durable too.
    ///
    /// # Errors
    /// [`SentinelError::Write`] naming the step that failed.
    pub fn save(&self, path: &Path) -> Result<(), SentinelError> {
        let bytes = serde_json::to_vec_pretty(self)
            .expect("a struct of numbers and names is always valid JSON");
        let next = path.with_extension("next");
        let mut file = File::create(&next).map_err(failed("create", &next))?;
        file.write_all(&bytes).map_err(failed("write", &next))?;
        file.sync_all().map_err(failed("sync", &next))?;
        fs::rename(&next, path).map_err(failed("rename", path))?;
        sync_parent(path).map_err(failed("sync the folder of", path))
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SentinelError {
    let path = path.to_owned();
    move |source| SentinelError::Write { operation, path, source }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(generation: u64) -> Sentinel {
        let counts =
            BTreeMap::from([("recommendations".to_owned(), 7), ("approvals".to_owned(), 0)]);
        Sentinel { generation, counts, journal_seq: 42 }
    }

    #[test]
    fn what_is_saved_is_loaded_and_replaced() {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let path = dir.path().join("sentinel.json");
        for generation in 1..=3 {
            sample(generation).save(&path).expect("a writable folder takes the file");
            assert_eq!(
                Sentinel::load(&path).expect("the file was just written"),
                sample(generation)
            );
        }
        let names = fs::read_dir(dir.path()).expect("the folder exists").count();
        assert_eq!(names, 1, "no temporary file is left behind");
    }

    #[test]
    fn a_missing_file_is_told_from_an_unreadable_one() {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let missing =
            Sentinel::load(&dir.path().join("sentinel.json")).expect_err("nothing was saved");
        assert!(matches!(missing, SentinelError::Missing { .. }), "{missing:?}");
        let folder = Sentinel::load(dir.path()).expect_err("a folder is not a file");
        assert!(matches!(folder, SentinelError::Unreadable { .. }), "{folder:?}");
    }

    #[test]
    fn every_truncation_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let path = dir.path().join("sentinel.json");
        sample(9).save(&path).expect("a writable folder takes the file");
        let whole = fs::read(&path).expect("the file was just written");
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).expect("the file can be cut");
            let error = Sentinel::load(&path).expect_err("a cut file is not valid");
            assert!(matches!(error, SentinelError::Invalid { .. }), "{length}: {error:?}");
        }
    }

    #[test]
    fn a_failed_save_keeps_the_old_file() {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let path = dir.path().join("sentinel.json");
        sample(1).save(&path).expect("a writable folder takes the file");
        fs::create_dir(dir.path().join("sentinel.next"))
            .expect("a folder can take the temporary file's place");
        let error = sample(2).save(&path).expect_err("the temporary file cannot be created");
        assert!(matches!(error, SentinelError::Write { operation: "create", .. }), "{error:?}");
        assert_eq!(Sentinel::load(&path).expect("the old file is whole"), sample(1));
    }
}
