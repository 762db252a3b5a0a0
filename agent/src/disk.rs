//! How much room the file system of a folder has left, and the floor below which the agent stops.
//!
//! Not here: who asks and what then stops (the cycle and the executor). This module only measures.

use std::path::{Path, PathBuf};

/// Why the free space is not known or not enough.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The file system did not answer. Unknown room is treated as no room.
    #[error("failed to measure the free space of `{}`, check that the folder exists and may be read", path.display())]
    Measure {
        /// The folder that was asked about.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Less than the floor is left.
    #[error(
        "`{}` has {free_bytes} bytes free, fewer than the {floor_bytes} bytes the agent needs, free some space",
        path.display()
    )]
    Full {
        /// The folder that was asked about.
        path: PathBuf,
        /// Bytes left for an unprivileged process.
        free_bytes: u64,
        /// The floor that was not met, in bytes.
        floor_bytes: u64,
    },
}

/// Bytes an unprivileged process can still write to the file system that holds `path`.
///
/// Space reserved for root is left out, since the daemon does not run as root.
///
/// # Errors
/// [`DiskError::Measure`] when the folder does not exist or cannot be read.
pub fn free_bytes(path: &Path) -> Result<u64, DiskError> {
    let stat = rustix::fs::statvfs(path)
        .map_err(|errno| DiskError::Measure { path: path.to_owned(), source: errno.into() })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Passes when the file system that holds `path` has at least `floor_bytes` left; returns the free bytes.
///
/// # Errors
/// [`DiskError::Full`] below the floor, [`DiskError::Measure`] when the room is not known.
pub fn require_room(path: &Path, floor_bytes: u64) -> Result<u64, DiskError> {
    require(path, free_bytes(path)?, floor_bytes)
}

fn require(path: &Path, free_bytes: u64, floor_bytes: u64) -> Result<u64, DiskError> {
    if free_bytes < floor_bytes {
        return Err(DiskError::Full { path: path.to_owned(), free_bytes, floor_bytes });
    }
    Ok(free_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_of_an_existing_folder_is_measured() {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let free = free_bytes(dir.path()).expect("a fresh folder can be measured");
        assert!(free > 0, "a file system that just took a folder has room");
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_it() {
        let error =
            require_room(Path::new("/nonexistent/state"), 0).expect_err("there is no such folder");
        assert!(matches!(error, DiskError::Measure { .. }), "{error:?}");
        assert!(error.to_string().contains("/nonexistent/state"), "{error}");
    }

    #[test]
    fn the_floor_itself_is_enough_and_one_byte_less_is_not() {
        let path = Path::new("/var/lib/trimtab");
        assert_eq!(require(path, 100, 100).expect("the floor is enough"), 100);
        let error = require(path, 99, 100).expect_err("one byte is missing");
        assert_eq!(
            error.to_string(),
            "`/var/lib/trimtab` has 99 bytes free, fewer than the 100 bytes the agent needs, free some space"
        );
    }
}
