//! What can be wrong with recorded files and with where results go: file, line, column, value, and what to do.
//!
//! Not here: arguments by themselves (`args`).

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Exit codes: a bad file is bad input, a result that cannot be made or written is a failure.
const FAILED: u8 = 1;
const BAD_INPUT: u8 = 2;

/// Why a back-test was not done.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// A file says what it must not, or too little.
    #[error("{place}: {problem}")]
    Input {
        /// Where.
        place: Place,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A file was not read.
    #[error("failed to read `{}`, check that it is a file and may be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A result was not written.
    #[error("failed to write `{}`, name a file in a folder that exists and may be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No series could be forecast.
    #[error(
        "no series of `{}` could be forecast: each is too short or has too few values before every origin, take a longer file or fewer --origins",
        path.display()
    )]
    NothingForecast {
        /// The file.
        path: PathBuf,
    },
    /// What was found was not printed.
    #[error("failed to print the table")]
    Print(#[from] io::Error),
}

impl BacktestError {
    pub(super) fn input(place: Place, problem: impl Into<String>) -> Self {
        Self::Input { place, problem: problem.into() }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Input { .. } | Self::Read { .. } => BAD_INPUT,
            Self::Write { .. } | Self::NothingForecast { .. } | Self::Print(_) => FAILED,
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    line: Option<u64>,
    column: Option<String>,
}

impl Place {
    pub(super) fn file(path: &Path) -> Self {
        Self { path: path.to_owned(), line: None, column: None }
    }

    pub(super) fn line(path: &Path, line: u64) -> Self {
        Self { line: Some(line), ..Self::file(path) }
    }

    pub(super) fn column(self, name: &str) -> Self {
        Self { column: Some(name.to_owned()), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`", self.path.display())?;
        if let Some(line) = self.line {
            write!(formatter, ", line {line}")?;
        }
        if let Some(column) = &self.column {
            write!(formatter, ", column `{column}`")?;
        }
        Ok(())
    }
}
