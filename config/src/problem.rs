//! What is wrong with a configuration, in the one form in which it is told.
//!
//! Not here: finding it (`layer`, `validate`).

use std::{fmt, io, path::PathBuf};

use thiserror::Error;

/// Why there are no settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration `{path}`; check that it exists and that this user may read it"
    )]
    Read {
        /// Which file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The text was read, and these things are wrong with it: all of them, as far as they can be told at once.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

impl ConfigError {
    /// Each thing that is wrong; empty when the file could not even be read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Read { .. } => &[],
            Self::Invalid(problems) => problems,
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// One thing that is wrong: `file:line:column: key = value: why; allowed: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `trimtab.toml:12:7`, or `environment variable TRIMTAB_…`.
    pub place: String,
    /// The key with its section, such as `modes.rule[0].mode`; empty when the text is not TOML.
    pub key: String,
    /// The value as written; `None` where the key is missing or unknown.
    pub value: Option<String>,
    /// Why it cannot be.
    pub why: String,
    /// What could stand there instead, or what to do.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (&self.key, &self.value) {
            (key, _) if key.is_empty() => {}
            (key, None) => write!(f, "{key}: ")?,
            (key, Some(value)) => write!(f, "{key} = {value}: ")?,
        }
        f.write_str(&self.why)?;
        if self.allowed.is_empty() { Ok(()) } else { write!(f, "; allowed: {}", self.allowed) }
    }
}
