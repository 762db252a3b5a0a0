//! Writing to standard output and error, where whoever reads may have gone; and whether it is in colour.
//!
//! Not here: what is written.

use std::{
    error::Error,
    io::{self, ErrorKind, IsTerminal, Write},
    sync::OnceLock,
};

use crossterm::style::force_color_output;
use owo_colors::{OwoColorize, Style};
use serde::Serialize;

use super::args::ColorChoice;

/// Whether this process writes in colour; decided once, because standard output is one for the process too.
static COLORED: OnceLock<bool> = OnceLock::new();

/// Decides whether the output is in colour: what was asked for, else on a terminal whose owner does not refuse it.
pub fn decide_color(choice: ColorChoice, no_color: bool) {
    let colored = match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => io::stdout().is_terminal() && !no_color,
    };
    // Tables would look at the environment themselves otherwise, and `always` would not be always.
    force_color_output(COLORED.set(colored).map_or_else(|_| is_colored(), |()| colored));
}

/// Whether the output is in colour; it is not until somebody has decided.
#[must_use]
pub fn is_colored() -> bool {
    COLORED.get().copied().unwrap_or(false)
}

/// Text in a style, where the output is in colour.
pub(super) fn painted(text: &str, style: Style) -> String {
    if is_colored() { text.style(style).to_string() } else { text.to_owned() }
}

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

/// Writes what is no result to standard error; nobody is left to tell when that fails.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
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
