//! The stop switch: a file in the state folder. While it is there no change begins, whoever wrote it.
//!
//! Not here: who may set it (`decide`), and the check of the gate that asks for it (`trimtab_policies::check`).

use std::{
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Why the switch could not be set or released.
#[derive(Debug, Error)]
#[error("the stop switch `{}` could not be changed", path.display())]
pub struct StopError {
    /// The file.
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The stop switch of a state folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopSwitch {
    path: PathBuf,
}

impl StopSwitch {
    /// The switch of `state_dir`.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self { path: state_dir.join("STOP") }
    }

    /// The file that is the switch.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who set it and why, if it is set. A file that cannot be read counts as set.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                let path = self.path.display();
                Some(format!("`{path}` cannot be read ({error}), which counts as stopped"))
            }
        }
    }

    /// Sets it durably; works without the daemon.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, by: &str, reason: &str) -> Result<(), StopError> {
        let text = format!("stopped by {by}: {reason}\n");
        let synced = |path: &Path| File::open(path).and_then(|file| file.sync_all());
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        // The name, too: a switch that a loss of power releases is none.
        std::fs::write(&self.path, text)
            .and_then(|()| synced(&self.path))
            .and_then(|()| synced(folder))
            .map_err(|source| self.failed(source))
    }

    /// Releases it; one that is not set is as good.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn release(&self) -> Result<(), StopError> {
        match std::fs::remove_file(&self.path) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(source) => Err(self.failed(source)),
        }
    }

    fn failed(&self, source: io::Error) -> StopError {
        StopError { path: self.path.clone(), source }
    }
}
