//! Writing to standard output and error, where whoever reads may have gone.
//!
//! Not here: what is written.

use std::{
    error::Error,
    io::{self, ErrorKind, Write},
};

use serde::Serialize;

/// Writes text with a line's end. A reader that has gone, such as `head`, is no failure.
///
/// # Errors
/// When the output cannot be written for any other reason.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{}", text.trim_end_matches('\n')).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes a value as indented JSON.
///
/// # Errors
/// As [`print`].
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Writes an error with its causes to standard error; nobody is left to tell when that fails.
pub fn print_error(error: &dyn Error) {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("\n  because: {cause}"));
        source = cause.source();
    }
    let _ = writeln!(io::stderr().lock(), "{text}");
}
