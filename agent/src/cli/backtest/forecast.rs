//! `trimtab backtest forecast`: quantiles from origins of the past, judged on the rows that followed.
//!
//! What forecasts sees gaps as gaps; what is judged has them filled. Series are worked on some at a time and written as
//! they are done, so that memory does not grow with them. Not here: tables (`report`).

use rayon::prelude::*;
use serde::Serialize;
use trimtab_models::{
    backtest::{
        fill_gaps,
        forecasts::{ForecastScore, ForecasterScore, QuantileRow, scale, score, summarize},
        plain::PlainForecaster,
        windows::{LEARN_DAYS_MIN, origins},
    },
    forecast::{SlotQuantiles, slot_quantiles},
};

use super::{
    args::BacktestForecastArgs,
    csv_row,
    error::BacktestError,
    output::Output,
    progress, report,
    series_file::{Expected, SeriesFile},
};
use crate::cli::out::{print, print_json};

/// Series worked on between two writes: enough to keep every core busy, few enough to hold in memory (a series with
/// eight origins is some 200 kB of text).
const AT_ONCE: usize = 64;
/// Days ahead that the models forecast.
const HORIZON_DAYS_MAX: usize = 7;

/// What came of a back-test of forecasts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ForecastReport {
    /// Series that were judged.
    pub(super) series_judged: usize,
    /// Series that were forecast but move too little to be judged.
    pub(super) series_flat: usize,
    /// Series without any forecast, which are not in the file.
    pub(super) series_left_out: Vec<String>,
    /// Series and origins without a forecast, which are not in the file; of series that have others.
    pub(super) windows_left_out: usize,
    pub(super) origins: usize,
    pub(super) horizon_rows: usize,
    pub(super) lookback_days: u32,
    pub(super) forecasters: Vec<ForecasterReport>,
}

/// How one forecaster did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ForecasterReport {
    pub(super) forecaster: &'static str,
    #[serde(flatten)]
    pub(super) score: ForecasterScore,
}

/// What came of one series.
#[derive(Debug, Default)]
struct Outcome {
    /// Rows of the file.
    text: Vec<u8>,
    windows_forecast: usize,
    /// Of each judged window, the scores of every plain forecaster and of Trimtab.
    scores: Vec<Vec<ForecastScore>>,
}

/// What every series is forecast by.
struct Task<'a> {
    file: &'a SeriesFile,
    origins: &'a [usize],
    horizon: usize,
    lookback_rows: usize,
}

pub(super) fn run(args: &BacktestForecastArgs, json: bool) -> Result<(), BacktestError> {
    let expected = Expected { step_s: args.step_s, lowest: f64::NEG_INFINITY };
    let file = SeriesFile::read(&args.series, expected)?;
    let origins = origins_of(&file, args)?;
    let task = Task {
        file: &file,
        origins: &origins,
        horizon: args.horizon,
        lookback_rows: args.lookback_days as usize * file.rows_per_day(),
    };
    let create = |path: &std::path::PathBuf| Output::create(path, &[&args.series]);
    let mut out = args.out.as_ref().map(create).transpose()?;
    let header = ["series", "origin", "step", "q025", "q10", "q50", "q90", "q95", "q975", "q99"];
    if let Some(out) = &mut out {
        out.write(&csv_row(header))?;
    }

    let bar = progress(file.ids.len(), "series", json);
    let mut tally = Tally::default();
    let columns: Vec<usize> = (0..file.ids.len()).collect();
    for some in columns.chunks(AT_ONCE) {
        let outcomes: Vec<Outcome> = some
            .par_iter()
            .map(|column| {
                let outcome = task.series(*column);
                bar.inc(1);
                outcome
            })
            .collect();
        for (column, outcome) in some.iter().zip(outcomes) {
            if let Some(out) = &mut out {
                out.write(&outcome.text)?;
            }
            tally.add(&file.ids[*column], &outcome, origins.len());
        }
    }
    bar.finish_and_clear();
    if tally.left_out.len() == file.ids.len() {
        return Err(BacktestError::NothingForecast { path: args.series.clone() });
    }
    out.map_or(Ok(()), Output::finish)?;
    let report = tally.report(args);
    if json {
        print_json(&report)?
    } else {
        print(&report::forecast(&report))?
    }
    Ok(())
}

fn origins_of(file: &SeriesFile, args: &BacktestForecastArgs) -> Result<Vec<usize>, BacktestError> {
    let per_day = file.rows_per_day();
    if args.horizon > HORIZON_DAYS_MAX * per_day {
        return Err(file.error(format!(
            "a horizon of {} rows is {:.1} days, and forecasts reach {HORIZON_DAYS_MAX}: take --horizon {} or less",
            args.horizon,
            args.horizon as f64 / per_day as f64,
            HORIZON_DAYS_MAX * per_day
        )));
    }
    origins(file.rows(), per_day, args.horizon, args.origins).map_err(|short| {
        let left = file.rows().saturating_sub(LEARN_DAYS_MIN * per_day) / args.horizon;
        let advice = match left {
            0 => "take a longer file or a shorter --horizon".to_owned(),
            left => format!("take a longer file, a shorter --horizon, or --origins {left}"),
        };
        file.error(format!(
            "too little history: {} origins of {} rows after {LEARN_DAYS_MIN} days to learn from take {} rows, and there are {} ({:.1} days): {advice}",
            args.origins,
            args.horizon,
            short.needed_rows,
            short.rows,
            short.rows as f64 / per_day as f64,
        ))
    })
}

impl Task<'_> {
    fn series(&self, column: usize) -> Outcome {
        let mut outcome = Outcome::default();
        let mut rows = csv::Writer::from_writer(Vec::new());
        let filled = fill_gaps(&self.file.columns[column]);
        for origin in self.origins {
            let Some(slots) = self.forecast(column, *origin) else { continue };
            outcome.windows_forecast += 1;
            let cells: Vec<[String; 7]> =
                slots.iter().map(|slot| levels(slot).map(|value| value.to_string())).collect();
            self.write(column, *origin, &cells, &mut rows);
            // What is judged is what is written: 0.93 in 32 bits is a little more than 0.93 in 64.
            let forecast: Vec<QuantileRow> = cells.iter().map(decimals).collect();
            let judged = filled.as_ref().and_then(|filled| self.judge(filled, *origin, &forecast));
            outcome.scores.extend(judged);
        }
        outcome.text = rows.into_inner().expect("flushing to memory cannot fail");
        outcome
    }

    /// The quantiles of the rows from `origin` on; `None` where there is no forecast.
    fn forecast(&self, column: usize, origin: usize) -> Option<Vec<SlotQuantiles>> {
        let from = origin.saturating_sub(self.lookback_rows);
        let series = self.file.series(column, from..origin);
        let ahead = |row| self.file.slot(row) - self.file.slot(origin);
        let slots = slot_quantiles(&series, ahead(origin + self.horizon - 1) + 1)?;
        let rows: Option<Vec<SlotQuantiles>> =
            (origin..origin + self.horizon).map(|row| slots.get(ahead(row)).copied()).collect();
        rows.filter(|rows| rows.iter().flat_map(levels).all(f32::is_finite))
    }

    fn write(
        &self,
        column: usize,
        origin: usize,
        cells: &[[String; 7]],
        rows: &mut csv::Writer<Vec<u8>>,
    ) {
        let (id, origin) = (&self.file.ids[column], origin.to_string());
        for (step, [a, b, c, d, e, f, g]) in (1_usize..).zip(cells) {
            let cells = [id, &origin, &step.to_string(), a, b, c, d, e, f, g];
            rows.write_record(cells)
                .expect("writing to memory cannot fail, and all rows are alike");
        }
    }

    /// The scores of every plain forecaster and of Trimtab; `None` for a window that is too short or hardly moves.
    fn judge(
        &self,
        filled: &[f64],
        origin: usize,
        own: &[QuantileRow],
    ) -> Option<Vec<ForecastScore>> {
        let day = self.file.rows_per_day();
        let known = &filled[origin.saturating_sub(self.lookback_rows)..origin];
        let came = &filled[origin..origin + self.horizon];
        let scale = scale(known, day)?;
        let plain = PlainForecaster::ALL
            .map(|forecaster| score(came, &forecaster.forecast(known, day, self.horizon), scale));
        plain.into_iter().chain([score(came, own, scale)]).collect()
    }
}

fn levels(slot: &SlotQuantiles) -> [f32; 7] {
    let SlotQuantiles { q025, q10, q50, q90, q95, q975, q99 } = *slot;
    [q025, q10, q50, q90, q95, q975, q99]
}

/// What a reader of written numbers takes them for.
fn decimals(cells: &[String; 7]) -> QuantileRow {
    cells.each_ref().map(|cell| cell.parse().expect("a finite number reads as it is written"))
}

/// What is known after each series.
#[derive(Debug, Default)]
struct Tally {
    /// Of each forecaster, the mean scores of each judged series.
    by_forecaster: Vec<Vec<ForecastScore>>,
    flat: usize,
    left_out: Vec<String>,
    windows_left_out: usize,
}

impl Tally {
    fn add(&mut self, id: &str, outcome: &Outcome, origins: usize) {
        if outcome.windows_forecast == 0 {
            self.left_out.push(id.to_owned());
            return;
        }
        self.windows_left_out += origins - outcome.windows_forecast;
        if outcome.scores.is_empty() {
            self.flat += 1;
            return;
        }
        self.by_forecaster.resize_with(1 + PlainForecaster::ALL.len(), Vec::new);
        for (forecaster, means) in self.by_forecaster.iter_mut().enumerate() {
            let own: Vec<ForecastScore> =
                outcome.scores.iter().map(|window| window[forecaster]).collect();
            means.extend(ForecastScore::mean(&own));
        }
    }

    fn report(self, args: &BacktestForecastArgs) -> ForecastReport {
        let names = PlainForecaster::ALL.map(PlainForecaster::name).into_iter().chain(["Trimtab"]);
        let scores = summarize(&self.by_forecaster);
        ForecastReport {
            series_judged: self.by_forecaster.first().map_or(0, Vec::len),
            series_flat: self.flat,
            series_left_out: self.left_out,
            windows_left_out: self.windows_left_out,
            origins: args.origins,
            horizon_rows: args.horizon,
            lookback_days: args.lookback_days,
            forecasters: names
                .zip(scores)
                .map(|(forecaster, score)| ForecasterReport { forecaster, score })
                .collect(),
        }
    }
}
