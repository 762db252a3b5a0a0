//! The arguments of `trimtab backtest`.
//!
//! Not here: what the commands do.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use trimtab_models::sizing::settings::Preset;

/// What to score.
#[derive(Debug, Clone, Subcommand)]
pub enum BacktestCommand {
    /// Choose sizes from some days of CPU use, and judge them on the days that followed.
    Sizing(BacktestSizingArgs),
    /// Forecast from origins of the past, and judge the quantiles on the rows that followed.
    Forecast(BacktestForecastArgs),
}

/// Arguments of `backtest sizing`.
#[derive(Debug, Clone, ClapArgs)]
pub struct BacktestSizingArgs {
    /// CSV: a column of times, then one column a machine with its CPU in percent of its own cores; empty cells are gaps.
    #[arg(long, value_name = "CSV")]
    pub usage: PathBuf,
    /// CSV with the columns `vm` and `cores`: a row for each machine of the usage.
    #[arg(long, value_name = "CSV")]
    pub meta: PathBuf,
    /// Days to learn from.
    #[arg(long, default_value_t = 14, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub train_days: u32,
    /// Days to judge, right after those.
    #[arg(long, default_value_t = 9, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub test_days: u32,
    /// Days to pass over at the start of the file.
    #[arg(long, default_value_t = 7, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=3650))]
    pub skip_days: u32,
    /// The sizes that there are, vCPU, smallest first.
    #[arg(long, default_value = ".25,.5,1,2,4,8,16,32", value_name = "VCPU,…", value_parser = ladder)]
    pub ladder: Ladder,
    /// The preset that decides: frugal, balanced, cautious, co-p90, co-p95-30, co-p99-5-20 or co-p99-5-30.
    #[arg(long, default_value = Preset::Balanced.as_str(), value_parser = preset)]
    pub preset: Preset,
    /// Seconds between rows, instead of the times of the first column.
    #[arg(long, value_name = "SECONDS", value_parser = step_s)]
    pub step_s: Option<u32>,
    /// Write the sizes here: CSV with the columns resource, vcpu.
    #[arg(long, value_name = "CSV")]
    pub out: Option<PathBuf>,
    /// Draw risk against cost here, beside the published rules.
    #[arg(long, value_name = "SVG")]
    pub svg: Option<PathBuf>,
}

/// Sizes to choose from, vCPU: at least one, ascending, all above 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Ladder(pub Vec<f64>);

/// Arguments of `backtest forecast`.
#[derive(Debug, Clone, ClapArgs)]
pub struct BacktestForecastArgs {
    /// CSV: a column of times, then one column a series; empty cells are gaps.
    #[arg(long, value_name = "CSV")]
    pub series: PathBuf,
    /// Rows to forecast from each origin.
    #[arg(long, default_value_t = 288, value_name = "ROWS", value_parser = at_least_one)]
    pub horizon: usize,
    /// Origins: the last horizons of the file, back to back.
    #[arg(long, default_value_t = 8, value_name = "COUNT", value_parser = at_least_one)]
    pub origins: usize,
    /// Days before each origin that may be looked at.
    #[arg(long, default_value_t = 14, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(2..=3650))]
    pub lookback_days: u32,
    /// Seconds between rows, instead of the times of the first column.
    #[arg(long, value_name = "SECONDS", value_parser = step_s)]
    pub step_s: Option<u32>,
    /// Write the quantiles here: CSV with the columns series, origin (the row forecast first, from 0), step, q025 … q99.
    #[arg(long, value_name = "CSV")]
    pub out: Option<PathBuf>,
}

fn preset(text: &str) -> Result<Preset, String> {
    Preset::from_name(text)
        .ok_or_else(|| format!("not one of {}", Preset::ALL.map(Preset::as_str).join(", ")))
}

fn ladder(text: &str) -> Result<Ladder, String> {
    let mut sizes: Vec<f64> = Vec::new();
    for (position, step) in (1..).zip(text.split(',')) {
        let size = step.trim().parse::<f64>().ok().filter(|size| size.is_finite() && *size > 0.0);
        let size = size.ok_or_else(|| {
            format!("size {position}, `{step}`, is not a number of vCPUs above 0; write sizes such as .5,1,2")
        })?;
        if let Some(before) = sizes.last().filter(|before| **before >= size) {
            return Err(format!(
                "size {position}, {size}, stands after {before}; write each size once, smallest first"
            ));
        }
        sizes.push(size);
    }
    Ok(Ladder(sizes))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().ok().filter(|count| (1..=1_000_000).contains(count));
    count.ok_or_else(|| "not a whole number from 1 to 1000000".to_owned())
}

fn step_s(text: &str) -> Result<u32, String> {
    let step_s =
        text.parse::<u32>().ok().filter(|step| *step > 0 && 86_400_u32.is_multiple_of(*step));
    step_s.ok_or_else(|| {
        "not a number of seconds that a day is a multiple of, such as 60, 300 or 3600".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_words() {
        assert_eq!(ladder(".5, 1,2"), Ok(Ladder(vec![0.5, 1.0, 2.0])));
        for (text, told) in [
            ("1,4,2", "size 3, 2, stands after 4"),
            ("1,1", "once"),
            ("0,1", "above 0"),
            ("", "size 1, ``"),
            ("1,x", "`x`"),
            ("1,inf", "`inf`"),
        ] {
            assert!(ladder(text).is_err_and(|error| error.contains(told)), "{text}");
        }
        assert!(step_s("7").is_err() && step_s("0").is_err() && step_s("300") == Ok(300));
        assert!(preset("bold").is_err() && at_least_one("0").is_err());
    }
}
