//! The trimtab command.
//!
//! Not here: what the commands do (`cli` asks a running daemon, `start`, `demo` and `simulate` are one, `backtest` reads files).

use std::process::ExitCode;

use clap::Parser;
use trimtab::cli::{
    args::{Args, Command},
    backtest, daemon_commands, generate, out, run_client,
};

/// Fitting a fleet makes and drops millions of small vectors: with this allocator that takes a quarter less time than with
/// glibc's (`cargo bench -p trimtab-models --bench fleet`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let Args { globals, command } = Args::parse();
    out::decide_color(globals.color, trimtab_config::surroundings().no_color);
    match command {
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { path, dir } => generate::manual(&path, dir.as_deref()),
        Command::Client(command) => run_client(command, &globals).await,
        Command::Run => daemon_commands::run(&globals).await,
        Command::Once => daemon_commands::once(&globals).await,
        Command::Demo(args) => daemon_commands::demo(&args, &globals).await,
        Command::Account(args) => daemon_commands::account(&args, &globals).await,
        Command::Backtest(command) => backtest::run(&command, globals.json),
        Command::Simulate(args) => daemon_commands::simulate(&args, &globals).await,
    }
}
