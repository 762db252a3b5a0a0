//! Asks a person before something happens, and refuses where there is nobody to ask.
//!
//! Not here: what is shown to them first.

use std::io::{self, IsTerminal, Write};

use super::client::CliError;

/// What a person types who means it.
const YES: &str = "yes";

/// Asks the question on a terminal; `yes` given beforehand answers it.
///
/// The question goes to standard error, so that the output stays what it is.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(CliError::NobodyToAsk);
    }
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} Type {YES}: ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() == YES { Ok(()) } else { Err(CliError::Declined) }
}
