//! Completions and manual pages, made from the definition of the arguments: they cannot tell anything else.
//!
//! Not here: the definition (`args`).

use std::{
    io::{Error, ErrorKind},
    path::Path,
    process::ExitCode,
};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{
    args::Args,
    out::{print, print_error},
};

/// The program's name, which completions and pages are for.
const NAME: &str = "trimtab";

/// Exit code for bad arguments.
const BAD_INPUT: u8 = 2;

/// Prints the completions for a shell.
#[must_use]
pub fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), NAME, &mut script);
    told(print(&String::from_utf8_lossy(&script)))
}

/// Prints the page of the command that `path` leads to, or writes the pages of all commands into `dir`.
#[must_use]
pub fn manual(path: &[String], dir: Option<&Path>) -> ExitCode {
    match dir {
        Some(dir) => told(
            std::fs::create_dir_all(dir)
                .and_then(|()| clap_mangen::generate_to(Args::command(), dir))
                .and_then(|()| print(&format!("the pages were written to `{}`", dir.display()))),
        ),
        None => match page(path) {
            Ok(page) => told(print(&page)),
            Err(unknown) => {
                print_error(&unknown);
                ExitCode::from(BAD_INPUT)
            }
        },
    }
}

fn page(path: &[String]) -> Result<String, Error> {
    let mut command = Args::command().disable_help_subcommand(true);
    // Names such as `trimtab-changes-undo` and the global arguments come with it.
    command.build();
    let command = path.iter().try_fold(&command, |command: &Command, name| {
        command.find_subcommand(name).ok_or_else(|| unknown(command, name))
    })?;
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn unknown(command: &Command, name: &str) -> Error {
    let known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let text = match known.as_slice() {
        [] => format!("`{}` has no command `{name}`, and no other", command.get_name()),
        known => {
            format!("`{}` has no command `{name}`: it has {}", command.get_name(), known.join(", "))
        }
    };
    Error::new(ErrorKind::NotFound, text)
}

fn told(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}
