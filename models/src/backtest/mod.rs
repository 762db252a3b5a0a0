//! Scores sizes and forecasts against what came later, beside the rules that others publish.
//!
//! A row is a time step of a recorded file. Before anything is *judged*, gaps are filled ([`fill_gaps`]), so that every
//! policy is judged on the same points; what *decides* sees the gaps. Numbers are 64 bits wide here, unlike in
//! [`Series`](crate::series::Series): a score must not change in its printed digits. Not here: reading files and
//! printing (`trimtab`), and the models that are scored (`sizing`, `forecast`).

mod bootstrap;
pub mod forecasts;
pub mod plain;
pub mod quantile;
pub mod rules;
pub mod sizes;
pub mod windows;

pub use bootstrap::Interval;

/// Fills gaps (NaN) with the straight line between their neighbours by row, and at either end with the nearest value.
///
/// `None` when there is no value at all.
#[must_use]
pub fn fill_gaps(values: &[f64]) -> Option<Vec<f64>> {
    let first = values.iter().position(|value| !value.is_nan())?;
    let mut filled = values.to_vec();
    filled[..first].fill(values[first]);
    let mut last = first;
    for index in first + 1..values.len() {
        if values[index].is_nan() {
            continue;
        }
        let slope = (values[index] - values[last]) / (index - last) as f64;
        for (rows, gap) in (1..).zip(&mut filled[last + 1..index]) {
            *gap = slope * f64::from(rows) + values[last];
        }
        last = index;
    }
    filled[last + 1..].fill(values[last]);
    Some(filled)
}

#[cfg(test)]
mod tests;
