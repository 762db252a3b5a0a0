//! A CSV file as a header and rows of as many cells, each with its line.
//!
//! Not here: what the columns mean (`series_file`, `meta_file`).

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
};

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::error::{BacktestError, Place};

/// What a byte-order mark looks like; spreadsheets put it before the first name.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A CSV file, read row by row.
#[derive(Debug)]
pub(super) struct Rows {
    path: PathBuf,
    /// The names of the columns: at least two, none empty, none twice.
    pub(super) names: Vec<String>,
    reader: Reader<File>,
    record: ByteRecord,
}

impl Rows {
    /// Opens a file and reads its header.
    pub(super) fn open(path: &Path) -> Result<Self, BacktestError> {
        let file = File::open(path)
            .map_err(|source| BacktestError::Read { path: path.to_owned(), source })?;
        // Ragged rows are told apart below, by column.
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(file);
        let header = reader.byte_headers().map_err(|error| reading(path, error))?.clone();
        let names = names(path, &header)?;
        Ok(Self { path: path.to_owned(), names, reader, record: ByteRecord::new() })
    }

    /// Reads the next row: its line and its cells. `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Vec<&str>)>, BacktestError> {
        let more = self.reader.read_byte_record(&mut self.record);
        if !more.map_err(|error| reading(&self.path, error))? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        if self.record.len() != self.names.len() {
            let problem = format!(
                "{} cells where the header has {}: give every row as many cells as the header, empty ones where nothing is known",
                self.record.len(),
                self.names.len()
            );
            return Err(BacktestError::input(Place::line(&self.path, line), problem));
        }
        let mut cells = Vec::with_capacity(self.names.len());
        for (cell, name) in self.record.iter().zip(&self.names) {
            let text = std::str::from_utf8(cell).map_err(|_| {
                let place = Place::line(&self.path, line).column(name);
                let value = String::from_utf8_lossy(cell).into_owned();
                BacktestError::input(
                    place,
                    format!("`{value}` is not UTF-8: save the file as UTF-8"),
                )
            })?;
            cells.push(text.trim());
        }
        Ok(Some((line, cells)))
    }
}

/// With rows of any length only reading itself fails.
fn reading(path: &Path, error: csv::Error) -> BacktestError {
    BacktestError::Read { path: path.to_owned(), source: error.into() }
}

fn names(path: &Path, header: &ByteRecord) -> Result<Vec<String>, BacktestError> {
    let place = || Place::line(path, 1);
    let mut names = Vec::with_capacity(header.len());
    let mut first = BTreeMap::new();
    for (index, name) in header.iter().enumerate() {
        let Ok(name) = std::str::from_utf8(name) else {
            let value = String::from_utf8_lossy(name).into_owned();
            let problem = format!("the column name `{value}` is not UTF-8: save the file as UTF-8");
            return Err(BacktestError::input(place(), problem));
        };
        let name = if index == 0 { name.trim_start_matches(BYTE_ORDER_MARK) } else { name };
        if name.trim().is_empty() {
            let problem =
                format!("column {} has no name: name it, or take away a comma too many", index + 1);
            return Err(BacktestError::input(place(), problem));
        }
        if let Some(before) = first.insert(name.to_owned(), index + 1) {
            let problem =
                format!("columns {before} and {} have the same name: rename one", index + 1);
            return Err(BacktestError::input(place().column(name), problem));
        }
        names.push(name.to_owned());
    }
    if names.len() < 2 {
        let problem = match names.first() {
            None => "the file is empty: its first line must name the columns".to_owned(),
            Some(only) => format!(
                "the only column is `{only}`: at least two are needed, separated by commas (not by semicolons or tabs)"
            ),
        };
        return Err(BacktestError::input(place(), problem));
    }
    if names.iter().all(|name| name.trim().parse::<f64>().is_ok()) {
        let problem = "all column names are numbers: put a line with the columns' names first";
        return Err(BacktestError::input(place(), problem));
    }
    Ok(names)
}
