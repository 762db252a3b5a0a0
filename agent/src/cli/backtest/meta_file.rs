//! The file that says how many cores each machine has.
//!
//! Not here: what machines used (`series_file`).

use std::{collections::BTreeMap, path::Path};

use super::{
    error::{BacktestError, Place},
    rows::Rows,
};

/// The columns that are read; others may stand beside them.
const NAME: &str = "vm";
const CORES: &str = "cores";

/// The cores of each machine of `ids`, in their order, vCPU.
pub(super) fn cores(path: &Path, ids: &[String]) -> Result<Vec<f64>, BacktestError> {
    let mut rows = Rows::open(path)?;
    let place_of = |wanted: &str| {
        rows.names.iter().position(|name| name == wanted).ok_or_else(|| {
            let problem = format!(
                "there is no column `{wanted}`, only {}: name the machines' column `{NAME}` and that of their vCPUs `{CORES}`",
                rows.names.join(", ")
            );
            BacktestError::input(Place::line(path, 1), problem)
        })
    };
    let (name_at, cores_at) = (place_of(NAME)?, place_of(CORES)?);
    let mut known: BTreeMap<String, (u64, f64)> = BTreeMap::new();
    while let Some((line, cells)) = rows.next()? {
        let place = |column| Place::line(path, line).column(column);
        let cell = cells[cores_at];
        let cores = cell.parse::<f64>().ok().filter(|cores| cores.is_finite() && *cores > 0.0);
        let cores = cores.ok_or_else(|| {
            let problem = format!(
                "`{cell}` is no number of vCPUs above 0: give `{}` its cores",
                cells[name_at]
            );
            BacktestError::input(place(CORES), problem)
        })?;
        if let Some((before, _)) = known.insert(cells[name_at].to_owned(), (line, cores)) {
            let problem =
                format!("`{}` stands in line {before} already: take one away", cells[name_at]);
            return Err(BacktestError::input(place(NAME), problem));
        }
    }
    ids.iter()
        .map(|id| {
            let found = known.get(id.trim()).map(|(_, cores)| *cores);
            found.ok_or_else(|| {
                let problem = format!("there is no row for `{id}`, which has a column of usage: add one with its cores");
                BacktestError::input(Place::file(path), problem)
            })
        })
        .collect()
}
