//! The agent's own id: random, made once, and kept in the state folder for as long as its journal.
//!
//! Marks on resources name it, so that two agents on one account know each other's changes apart. Not here: the marks
//! themselves (`trimtab_policies::mark`).

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Bytes of randomness: two agents of one account never draw the same, and the tag stays short.
const ID_BYTES: usize = 8;

/// The file in the state folder.
const FILE: &str = "agent-id";

/// Why the id is not known.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The file cannot be read.
    #[error("the agent's id `{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// The file is not an id.
    #[error(
        "the agent's id `{}` is not {} hex digits: restore it from a backup, or, with no change open, remove it",
        path.display(), 2 * ID_BYTES
    )]
    Invalid {
        /// The file.
        path: PathBuf,
    },
    /// No id could be made.
    #[error("no id for the agent can be written to `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// The agent's id, made when there is none yet: 16 hex digits.
///
/// # Errors
/// [`IdentityError`]; a damaged file is never replaced, because marks in the account may name what it held.
pub fn agent_id(state_dir: &Path) -> Result<String, IdentityError> {
    let path = state_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let id = text.trim();
            let whole = id.len() == 2 * ID_BYTES && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            if whole { Ok(id.to_owned()) } else { Err(IdentityError::Invalid { path }) }
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            create(&path).map_err(|source| IdentityError::Write { path, source })
        }
        Err(source) => Err(IdentityError::Unreadable { path, source }),
    }
}

/// Gives a new state folder a drawn id: a run that is repeated marks what it changes with the same one.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn draw_id(state_dir: &Path, drawn: u64) -> io::Result<()> {
    fs::write(state_dir.join(FILE), format!("{drawn:016x}\n"))
}

/// Written beside it, synced, renamed, and the folder synced: only then may a mark name it.
fn create(path: &Path) -> io::Result<String> {
    let mut bytes = [0; ID_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let next = path.with_extension("next");
    let mut file = File::create(&next)?;
    file.write_all(id.as_bytes())?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_once_and_a_damaged_one_is_never_replaced() {
        let dir = tempfile::tempdir().expect("a temporary folder can be made");
        let id = agent_id(dir.path()).expect("a writable folder takes the file");
        assert_eq!(agent_id(dir.path()).expect("it is there"), id);
        let other = tempfile::tempdir().expect("a temporary folder can be made");
        assert_ne!(agent_id(other.path()).expect("another folder"), id);
        for damaged in ["", "12", "not-sixteen-hex!", &format!("{id}0")] {
            fs::write(dir.path().join("agent-id"), damaged).expect("the file can be damaged");
            let error = agent_id(dir.path()).expect_err("that is no id");
            assert!(matches!(error, IdentityError::Invalid { .. }), "{damaged}: {error:?}");
        }
        assert!(agent_id(Path::new("/nonexistent/state")).is_err(), "it cannot be kept there");
    }
}
