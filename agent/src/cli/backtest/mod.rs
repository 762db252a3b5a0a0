//! `trimtab backtest`: how sizes and forecasts would have done on recorded series, beside published rules.
//!
//! Needs no daemon, configuration or cloud. Not here: windows, rules and scores (`trimtab_models::backtest`), and the
//! models that are scored.

pub mod args;
mod chart;
mod error;
mod forecast;
mod meta_file;
mod output;
mod report;
mod rows;
mod series_file;
mod sizing;

use std::{io::IsTerminal, process::ExitCode};

use indicatif::{ProgressBar, ProgressStyle};

pub use error::{BacktestError, Place};

use self::args::BacktestCommand;
use super::out::print_error;

/// Runs a back-test and prints what came of it.
pub fn run(command: &BacktestCommand, json: bool) -> ExitCode {
    let done = match command {
        BacktestCommand::Sizing(args) => sizing::run(args, json),
        BacktestCommand::Forecast(args) => forecast::run(args, json),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(count: usize, what: &'static str, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {eta} left");
    let bar = ProgressBar::new(count as u64).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Cells of a CSV file's row, as bytes.
fn csv_row<const N: usize>(cells: [&str; N]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).expect("writing to memory cannot fail, and one row is not ragged");
    writer.into_inner().expect("flushing to memory cannot fail")
}
