//! What the journal writes on: a port for its files, so that a full disk or a death in the middle of a record can be
//! tried out by a decorator.
//!
//! Not here: frames and the chain, and reading, which needs no tricks.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Opens the files that the journal appends to.
pub trait Media: fmt::Debug + Send + Sync {
    /// Opens a file for appending, made if absent.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Medium>>;
}

/// A file that is appended to.
pub trait Medium: fmt::Debug + Send + Sync {
    /// Writes all the bytes of one record.
    ///
    /// # Errors
    /// The system's; some of the bytes may have been written then.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written durable.
    ///
    /// # Errors
    /// The system's; nothing is known of what was written then.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Media for Disk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Medium>> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Box::new(file))
    }
}

impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
