//! A recorded file: a column of times, then one column a series; empty cells are gaps.
//!
//! Rows that were left out are gaps too: exports of CloudWatch hold only the periods that have points. Not here: what
//! is made of the series (`sizing`, `forecast`).

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use trimtab_models::series::Series;

use super::{
    error::{BacktestError, Place},
    rows::Rows,
};

/// Seconds of a day.
const DAY_S: u32 = 86_400;
/// Times from here on are in milliseconds: as seconds it is the year 5138, as milliseconds 1973.
const MILLISECONDS_FROM: f64 = 1e11;
/// What stands for a gap besides an empty cell, as spreadsheets and pandas write it.
const GAPS: [&str; 7] = ["NaN", "nan", "NA", "N/A", "null", "NULL", "None"];

/// What a file's cells must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// The distance of rows, seconds, instead of what the first column says.
    pub(super) step_s: Option<u32>,
    /// The lowest value that makes sense.
    pub(super) lowest: f64,
}

/// Series on one grid.
#[derive(Debug)]
pub(super) struct SeriesFile {
    pub(super) path: PathBuf,
    /// The series' names, in the order of the columns.
    pub(super) ids: Vec<String>,
    /// One value a row for each series; NaN is a gap.
    pub(super) columns: Vec<Vec<f64>>,
    grid: Grid,
}

/// When rows are.
#[derive(Debug, PartialEq)]
struct Grid {
    /// The first row's time, seconds since the epoch, down to a multiple of the step.
    start_s: i64,
    step_s: u32,
    /// How many steps after the first each row is.
    slots: Vec<usize>,
}

impl SeriesFile {
    pub(super) fn read(path: &Path, expected: Expected) -> Result<Self, BacktestError> {
        let mut rows = Rows::open(path)?;
        let (time, ids) = (rows.names[0].clone(), rows.names[1..].to_vec());
        let mut columns = vec![Vec::new(); ids.len()];
        let mut times = Vec::new();
        while let Some((line, cells)) = rows.next()? {
            let place = || Place::line(path, line);
            if expected.step_s.is_none() {
                let at_s = time_s(cells[0])
                    .map_err(|problem| BacktestError::input(place().column(&time), problem))?;
                times.push((line, at_s));
            }
            for ((cell, id), column) in cells[1..].iter().zip(&ids).zip(&mut columns) {
                let value = number(cell, expected.lowest)
                    .map_err(|problem| BacktestError::input(place().column(id), problem))?;
                column.push(value);
            }
        }
        let count = columns.first().map_or(0, Vec::len);
        if count < 2 {
            let problem = format!("{count} rows below the header: at least two are needed");
            return Err(BacktestError::input(Place::file(path), problem));
        }
        let grid = match expected.step_s {
            Some(step_s) => Grid { start_s: 0, step_s, slots: (0..count).collect() },
            None => Grid::of(&times)
                .map_err(|(place, problem)| BacktestError::input(place(path, &time), problem))?,
        };
        Ok(Self { path: path.to_owned(), ids, columns, grid })
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.grid.slots.len()
    }

    /// How many rows a day has.
    pub(super) fn rows_per_day(&self) -> usize {
        (DAY_S / self.grid.step_s) as usize
    }

    /// How many steps row `row` is after the first.
    pub(super) fn slot(&self, row: usize) -> usize {
        self.grid.slots[row]
    }

    /// A series in the rows `rows`, of which there is at least one, up to where the row after them would be.
    pub(super) fn series(&self, column: usize, rows: Range<usize>) -> Series {
        let first = self.slot(rows.start);
        let end =
            self.grid.slots.get(rows.end).copied().unwrap_or_else(|| self.slot(rows.end - 1) + 1);
        let mut values = vec![f32::NAN; end - first];
        for row in rows {
            let value = self.columns[column][row] as f32;
            values[self.slot(row) - first] = value;
        }
        let step = i64::from(self.grid.step_s);
        let start_s = self.grid.start_s + step * i64::try_from(first).unwrap_or(i64::MAX / step);
        Series { start_s, step_s: self.grid.step_s, values }
    }

    /// An error about the file as a whole.
    pub(super) fn error(&self, problem: impl Into<String>) -> BacktestError {
        BacktestError::input(Place::file(&self.path), problem)
    }
}

/// Where a problem is, once path and time column are known.
type Where = Box<dyn Fn(&Path, &str) -> Place>;

impl Grid {
    /// The grid of at least two times, given with their lines. The step is the distance that most rows have.
    fn of(times: &[(u64, i64)]) -> Result<Self, (Where, String)> {
        let at = |line: u64| -> Where {
            Box::new(move |path, time| Place::line(path, line).column(time))
        };
        let mut counts = BTreeMap::new();
        for pair in times.windows(2) {
            *counts.entry(pair[1].1.saturating_sub(pair[0].1)).or_insert(0_usize) += 1;
        }
        let usual = counts.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(step, _)| step);
        for pair in times.windows(2) {
            let ((_, before_s), (line, at_s)) = (pair[0], pair[1]);
            let distance = at_s.saturating_sub(before_s);
            let problem = if distance == 0 {
                "the time of the row before again: take one of the two away".to_owned()
            } else if distance < 0 {
                format!("{} s before the row above: put the rows in the order of time", -distance)
            } else if usual > 0 && distance % usual != 0 {
                format!(
                    "{distance} s after the row above, and most rows are {usual} s apart: put every row on that grid"
                )
            } else {
                continue;
            };
            return Err((at(line), format!("{problem}, {}", as_they_come(usual))));
        }
        let step_s =
            u32::try_from(usual).ok().filter(|step| *step > 0 && DAY_S.is_multiple_of(*step));
        let Some(step_s) = step_s else {
            let problem = format!(
                "rows are {usual} s apart, and a day is no multiple of that: use a step such as 60, 300 or 3600 s"
            );
            return Err((at(times[1].0), problem));
        };
        let first_s = times[0].1;
        let slot = |at_s: i64| usize::try_from((at_s - first_s) / usual).unwrap_or(usize::MAX);
        let slots: Vec<usize> = times.iter().map(|(_, at_s)| slot(*at_s)).collect();
        let whole = slots.last().copied().unwrap_or(0);
        if whole / 2 >= times.len() {
            let problem = format!(
                "{} rows in a time of {whole} steps of {usual} s: more than half are missing, so correct the times, {}",
                times.len(),
                as_they_come(usual)
            );
            return Err((Box::new(|path, time| Place::file(path).column(time)), problem));
        }
        Ok(Self { start_s: first_s.div_euclid(usual) * usual, step_s, slots })
    }
}

/// The way around times that are no grid.
fn as_they_come(usual_s: i64) -> String {
    let step = if usual_s > 0 { usual_s.to_string() } else { "SECONDS".to_owned() };
    format!("or take the rows as they come with --step-s {step}")
}

/// A value, or NaN for a gap.
fn number(cell: &str, lowest: f64) -> Result<f64, String> {
    if cell.is_empty() || GAPS.contains(&cell) {
        return Ok(f64::NAN);
    }
    match cell.parse::<f64>() {
        Ok(value) if !value.is_finite() || value.abs() > f64::from(f32::MAX) => Err(format!(
            "`{cell}` is no finite number: leave the cell empty where nothing is known"
        )),
        Ok(value) if value < lowest => {
            Err(format!("`{cell}` is below {lowest}: leave the cell empty where nothing is known"))
        }
        Ok(value) => Ok(value),
        Err(_) => Err(format!(
            "`{cell}` is no number: write numbers such as 12.5, and leave the cell empty where nothing is known"
        )),
    }
}

/// A time as seconds since the epoch, or since any other moment; without a zone it is UTC.
fn time_s(cell: &str) -> Result<i64, String> {
    let unreadable = || {
        format!(
            "`{cell}` is no time: write seconds such as 1375308000, or a time such as 2026-01-31 12:00:00 or 2026-01-31T12:00:00Z"
        )
    };
    if let Ok(number) = cell.parse::<f64>() {
        let seconds = if number.abs() >= MILLISECONDS_FROM { number / 1_000.0 } else { number };
        // Whole seconds are exact in 64 bits up to 2^53; years beyond that are no times.
        let whole = seconds.is_finite() && seconds.abs() < 9e15 && seconds.fract().abs() < 1e-9;
        return if whole { Ok(seconds as i64) } else { Err(unreadable()) };
    }
    let text = cell.strip_suffix(" UTC").unwrap_or(cell);
    let at = text.parse::<Timestamp>().ok().or_else(|| {
        let civil = text.parse::<DateTime>().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    at.map(Timestamp::as_second).ok_or_else(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (cell, expect) in [
            ("1375308000", 1_375_308_000),
            ("1375308000.0", 1_375_308_000),
            ("1375308000000", 1_375_308_000),
            ("0", 0),
            ("-300", -300),
            ("2014-02-14 14:30:00", 1_392_388_200),
            ("2014-02-14T14:30", 1_392_388_200),
            ("2014-02-14T14:30:00Z", 1_392_388_200),
            ("2014-02-14 14:30:00 UTC", 1_392_388_200),
            ("2014-02-14T15:30:00+01:00", 1_392_388_200),
            ("2014-02-14", 1_392_336_000),
        ] {
            assert_eq!(time_s(cell), Ok(expect), "{cell}");
        }
        for cell in ["", "noon", "12.5", "NaN", "inf", "1e300", "14/02/2014", "2014-13-01"] {
            assert!(time_s(cell).is_err(), "{cell}");
        }
    }

    #[test]
    fn numbers() {
        assert!(
            ["", "NaN", "NA", "null"].iter().all(|gap| number(gap, 0.0).is_ok_and(f64::is_nan))
        );
        assert_eq!([number("12.5", 0.0), number("1e2", 0.0)], [Ok(12.5), Ok(100.0)]);
        for cell in ["-1", "inf", "-inf", "1e39", "x", "1,5", "12 %"] {
            assert!(number(cell, 0.0).is_err(), "{cell}");
        }
        assert_eq!(number("-1", f64::NEG_INFINITY), Ok(-1.0));
    }

    #[test]
    fn grids() {
        let grid = |times: &[i64]| Grid::of(&(2..).zip(times.iter().copied()).collect::<Vec<_>>());
        let whole = Grid { start_s: 600, step_s: 300, slots: vec![0, 1, 2] };
        assert_eq!(grid(&[600, 900, 1_200]).ok(), Some(whole));
        // Rows at 7 and 12 minutes past stand for the slots that hold them; a row left out is a gap.
        let holed = Grid { start_s: 300, step_s: 300, slots: vec![0, 1, 3, 4] };
        assert_eq!(grid(&[420, 720, 1_320, 1_620]).ok(), Some(holed));
        for (times, told) in [
            (&[0, 300, 300, 600, 900][..], "again"),
            (&[0, 300, 600, 300, 600, 900], "before"),
            (&[0, 300, 600, 840, 1_140], "240 s after"),
            (&[0, 7, 14], "no multiple"),
            (&[0, 300, 600, 900_000], "more than half"),
            (&[5, 5], "again"),
            (&[i64::MIN, i64::MAX], "no multiple"),
        ] {
            let problem = grid(times).map(|_| ()).map_err(|(_, problem)| problem);
            assert!(
                problem.as_ref().is_err_and(|text| text.contains(told)),
                "{times:?}: {problem:?}"
            );
        }
    }
}
