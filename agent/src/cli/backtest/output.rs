//! A result on its way into a file: whole, or not there.
//!
//! Not here: what is written.

use std::{
    fs::{self, File, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

use super::error::{BacktestError, Place};

/// Readable by all, as results are to be shared; the user's mask still takes away.
const MODE: u32 = 0o666;

/// A file being written. Dropped before [`Output::finish`], it leaves what was there before.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// Renamed into place at the end.
    Beside(BufWriter<NamedTempFile>),
    /// A pipe or a device, which cannot be replaced.
    Direct(BufWriter<File>),
}

impl Output {
    /// Begins to write to `path`, so that what cannot be written is told before the work; `inputs` must not be lost.
    pub(super) fn create(path: &Path, inputs: &[&Path]) -> Result<Self, BacktestError> {
        if let Some(input) = inputs.iter().find(|input| is_same(path, input)) {
            let problem = format!(
                "this is the input `{}`, which would be lost: name another file",
                input.display()
            );
            return Err(BacktestError::input(Place::file(path), problem));
        }
        let target = target(path).map_err(|source| failed(path, source))?;
        Ok(Self { path: path.to_owned(), target })
    }

    /// Writes some more.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BacktestError> {
        let written = match &mut self.target {
            Target::Beside(writer) => writer.write_all(bytes),
            Target::Direct(writer) => writer.write_all(bytes),
        };
        written.map_err(|source| failed(&self.path, source))
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> Result<(), BacktestError> {
        let finished = match self.target {
            Target::Direct(mut writer) => writer.flush(),
            Target::Beside(writer) => match writer.into_inner() {
                Ok(file) => file.persist(&self.path).map(|_| ()).map_err(|error| error.error),
                Err(error) => Err(error.into_error()),
            },
        };
        finished.map_err(|source| failed(&self.path, source))
    }
}

fn target(path: &Path) -> io::Result<Target> {
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(there) if !there.is_file() => {
            return Ok(Target::Direct(BufWriter::new(File::options().write(true).open(path)?)));
        }
        // Whoever may not write to the file may not replace it either.
        Ok(_) => drop(File::options().append(true).open(path)?),
        Err(_) => {}
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = Builder::new()
        .prefix(".trimtab-")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    Ok(Target::Beside(BufWriter::new(file)))
}

fn failed(path: &Path, source: io::Error) -> BacktestError {
    BacktestError::Write { path: path.to_owned(), source }
}

fn is_same(left: &Path, right: &Path) -> bool {
    match (fs::canonicalize(left), fs::canonicalize(right)) {
        (Ok(left), Ok(right)) => left == right,
        _ => left == right,
    }
}
