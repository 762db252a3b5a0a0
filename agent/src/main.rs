//! The trimtab command.
//!
//! Not here: what the commands do (`cli` asks a running daemon, the others are one).

use std::process::ExitCode;

use clap::Parser;
use trimtab::cli::{
    args::{Args, Command},
    out::print_error,
    run_client,
};

#[tokio::main]
async fn main() -> ExitCode {
    let Args { globals, command } = Args::parse();
    match command {
        Command::Client(command) => run_client(command, &globals).await,
        Command::Run | Command::Demo(_) | Command::Once | Command::Simulate(_) => {
            print_error(&std::io::Error::other("this build only asks a running daemon"));
            ExitCode::FAILURE
        }
    }
}
