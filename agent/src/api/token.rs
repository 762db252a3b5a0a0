//! The operator's token: made on the first start, kept in a file that only its owner reads, known here by its hash alone.
//!
//! Not here: who may do what with it (`guard`).

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// Random bytes in a token: beyond guessing for as long as anybody may try.
const RANDOM_BYTES: usize = 32;
/// Marks our tokens in logs and secret scanners.
const PREFIX: &str = "tt_";

/// Why there is no token.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The file.
    #[error("the token file `{path}` cannot be read or written: check its folder and its owner")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The file holds no usable token.
    #[error(
        "the token file `{0}` holds no token of at least {RANDOM_BYTES} characters: remove it, and the next start makes a new one"
    )]
    Short(PathBuf),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes for a token")]
    Random(#[from] getrandom::Error),
}

/// A token, known by its SHA-256.
#[derive(Debug, Clone)]
pub struct Token {
    digest: [u8; 32],
    path: PathBuf,
}

impl Token {
    /// Reads the token's file; makes it, with a new token, where there is none.
    ///
    /// # Errors
    /// When the file cannot be read or made, or holds something too short to be a secret.
    pub fn load_or_create(path: &Path) -> Result<Self, TokenError> {
        let file_error = |source| TokenError::File { path: path.to_owned(), source };
        let text = match read_token(path) {
            Ok(text) => text,
            Err(TokenError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                let text = new_secret(PREFIX)?;
                write_private(path, &text).map_err(file_error)?;
                tracing::info!(path = %path.display(), "a new operator token was made");
                text
            }
            Err(error) => return Err(error),
        };
        let mode = fs::metadata(path).map_err(file_error)?.permissions().mode();
        if mode & 0o077 != 0 {
            let mode = format!("{:o}", mode & 0o777);
            tracing::warn!(path = %path.display(), mode, "others may read the operator token: make it 0600");
        }
        Ok(Self { digest: digest(&text), path: path.to_owned() })
    }

    /// Whether `given` is the token; takes the same time wherever they differ.
    #[must_use]
    pub fn matches(&self, given: &str) -> bool {
        digest(given.trim()).ct_eq(&self.digest).into()
    }

    /// Where it is kept, for a hint to whoever lacks it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reads a token from its file, for a client.
///
/// # Errors
/// When the file cannot be read or is too short.
pub fn read_token(path: &Path) -> Result<String, TokenError> {
    let text = fs::read_to_string(path)
        .map_err(|source| TokenError::File { path: path.to_owned(), source })?;
    let text = text.trim();
    if text.len() < RANDOM_BYTES {
        return Err(TokenError::Short(path.to_owned()));
    }
    Ok(text.to_owned())
}

/// A new secret in hex, behind a prefix.
///
/// # Errors
/// When the system gives no random bytes.
pub(crate) fn new_secret(prefix: &str) -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; RANDOM_BYTES];
    getrandom::fill(&mut bytes)?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{prefix}{hex}"))
}

/// SHA-256: a random secret needs no slower hash.
pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Nobody else sees the file at any moment, and a crash leaves none or a whole one.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("operator.token");
        let token = Token::load_or_create(&path).expect("a token is made");
        let text = read_token(&path).expect("the file holds it");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(text.starts_with(PREFIX) && token.matches(&text));
        assert!(
            !token.matches("")
                && !token.matches(&text.to_uppercase())
                && !token.matches(&text[1..])
        );
        let again = Token::load_or_create(&path).expect("a second start reads it");
        assert!(again.matches(&text));
    }

    #[test]
    fn a_short_token_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("operator.token");
        fs::write(&path, "\n").expect("written");
        let error =
            Token::load_or_create(&path).expect_err("an empty token would let everybody in");
        assert!(matches!(error, TokenError::Short(_)), "{error}");
    }
}
