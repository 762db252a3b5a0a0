//! What can go wrong with the series files.

use std::io;
use std::path::{Path, PathBuf};

/// Why a series could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// Another process works on the same folder.
    #[error("series folder `{}` is in use by another process, stop that one or choose another state_dir", dir.display())]
    Locked {
        /// The folder of the store.
        dir: PathBuf,
    },
    /// A file operation failed.
    #[error("failed to {operation} `{}`, check its space and permissions", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Stored points of this series are not the ones that were written.
    #[error(
        "series `{key}` is damaged in `{}` at byte {offset}: {reason}; drop the series and fetch it again",
        file.display()
    )]
    Damaged {
        /// The series.
        key: String,
        /// The file that holds the chunk.
        file: PathBuf,
        /// Where the chunk begins, in bytes.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A sync failed earlier, so what is on disk is not known.
    #[error("series folder `{}` takes no more points after a failed sync, free some space and restart", dir.display())]
    Poisoned {
        /// The folder of the store.
        dir: PathBuf,
    },
    /// A series has one step for all its life.
    #[error(
        "series `{key}` has a step of {known_s} s, {given_s} s was given, use another key for another step"
    )]
    Step {
        /// The series.
        key: String,
        /// The step it was first stored with, seconds.
        known_s: u32,
        /// The step of this call, seconds; 0 is never valid.
        given_s: u32,
    },
    /// The grid of a series begins at 1970-01-01T00:00Z.
    #[error(
        "series `{key}`: start {start_unix_s} is not a multiple of the step of {step_s} s, align it"
    )]
    Misaligned {
        /// The series.
        key: String,
        /// The start that was given, Unix seconds.
        start_unix_s: i64,
        /// The step, seconds.
        step_s: u32,
    },
    /// Times before 1970 or after 9999 are a mistake of the caller.
    #[error(
        "series `{key}`: {points} points from {start_unix_s} reach outside the years 1970 to 9999"
    )]
    Time {
        /// The series.
        key: String,
        /// The start that was given, Unix seconds.
        start_unix_s: i64,
        /// Points from there.
        points: usize,
    },
    /// The key is empty or too long to be kept.
    #[error("series key of {bytes} bytes, 1 to {most} bytes are possible, shorten it")]
    Key {
        /// Bytes of the key that was given.
        bytes: usize,
        /// The maximum.
        most: usize,
    },
    /// More points than a single answer may hold.
    #[error(
        "series `{key}`: {slots} points were asked for at once, at most {most} are possible, ask for less"
    )]
    Range {
        /// The series.
        key: String,
        /// Points in the range.
        slots: i64,
        /// The maximum.
        most: i64,
    },
}

/// Bytes of a file that opening found unusable. Points in them read as gaps until they are fetched again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where the bytes begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// They stood at the very end, as after a crash, and were cut off. Otherwise they were skipped.
    pub torn: bool,
}

pub(super) fn failed(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> SeriesError {
    let path = path.to_owned();
    move |source| SeriesError::Io { operation, path, source }
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> Result<(), SeriesError> {
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("sync the folder", dir))
}
