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

/// The styles that this program writes, as terminals are told them: set back, bold, and the colours of states.
const STYLES: [&str; 7] = ["0", "1", "22", "39", "38;5;9", "38;5;10", "38;5;11"];

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
    let (text, mut stdout) = (harmless(text, is_colored()), io::stdout().lock());
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
    let _ = writeln!(io::stderr().lock(), "{}", harmless(text, is_colored()));
}

/// Writes an error with its causes to standard error; nobody is left to tell when that fails.
pub fn print_error(error: &dyn Error) {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!("\n  because: {cause}"));
        source = cause.source();
    }
    let _ = writeln!(io::stderr().lock(), "{}", harmless(&text, false));
}

/// Text that does nothing to a terminal: names and reasons come from anybody who may tag a resource or give a reason.
///
/// Control characters but the end of a line and the tabulator, and those that turn the direction of writing, are written as
/// JSON escapes them, so that JSON stays what it is. Where the output is in colour, our own colours stay.
pub(super) fn harmless(text: &str, colored: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = match own_style(rest).filter(|_| colored) {
            Some(style) => {
                safe.push_str(style);
                style.len()
            }
            None => {
                if is_harmful(letter) {
                    safe.push_str(&format!("\\u{:04x}", u32::from(letter)));
                } else {
                    safe.push(letter);
                }
                letter.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    safe
}

fn is_harmful(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (letter.is_control() && letter != '\n' && letter != '\t')
}

/// The beginning of a text that sets a colour or weight in which letters can be read, or sets them back.
fn own_style(text: &str) -> Option<&str> {
    let (codes, _) = text.strip_prefix("\u{1b}[")?.split_once('m')?;
    let is_ours = STYLES.contains(&codes);
    is_ours.then(|| &text[..codes.len() + 3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_writes_does_nothing_to_a_terminal() {
        let esc = '\u{1b}';
        for (text, plain, colored) in [
            ("a\tb\n", "a\tb\n", "a\tb\n"),
            ("\u{1b}[1mbold\u{1b}[0m", "\\u001b[1mbold\\u001b[0m", "\u{1b}[1mbold\u{1b}[0m"),
            // Conceals, moves, clears, sets the window's title, and rings.
            ("\u{1b}[8mhid", "\\u001b[8mhid", "\\u001b[8mhid"),
            ("\u{1b}[1;8mhid", "\\u001b[1;8mhid", "\\u001b[1;8mhid"),
            ("\u{1b}[2A\u{1b}[2J", "\\u001b[2A\\u001b[2J", "\\u001b[2A\\u001b[2J"),
            ("\u{1b}]0;x\u{7}", "\\u001b]0;x\\u0007", "\\u001b]0;x\\u0007"),
            ("\u{9b}1mx\r\u{7f}", "\\u009b1mx\\u000d\\u007f", "\\u009b1mx\\u000d\\u007f"),
            ("\u{202e}evil", "\\u202eevil", "\\u202eevil"),
            ("Zürich → 東京", "Zürich → 東京", "Zürich → 東京"),
        ] {
            assert_eq!(
                (harmless(text, false).as_str(), harmless(text, true).as_str()),
                (plain, colored)
            );
            assert!(!harmless(text, false).contains(esc));
            let json = serde_json::to_string(text).expect("text is JSON");
            let read: String =
                serde_json::from_str(&harmless(&json, false)).expect("it stays JSON");
            assert_eq!(read, text, "JSON says the same");
        }
    }
}
