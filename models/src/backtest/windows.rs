//! Which rows of a recorded file are learnt from and which are judged.
//!
//! Not here: times; a file's rows are counted.

use std::ops::Range;

/// Days before the first origin: one to learn from and one for the scale of the scores.
pub const LEARN_DAYS_MIN: usize = 2;

/// A file that is too short for what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooShort {
    /// The rows that it would take.
    pub needed_rows: usize,
    /// The rows that there are.
    pub rows: usize,
}

/// The rows that sizes are decided by, and those they are judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Decided by.
    pub train: Range<usize>,
    /// Judged by: the rows right after.
    pub test: Range<usize>,
}

/// How many days of a file are passed over, learnt from and judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitDays {
    /// Passed over at the start.
    pub skip: usize,
    /// Learnt from.
    pub train: usize,
    /// Judged.
    pub test: usize,
}

impl Split {
    /// Splits `rows` rows of which a day has `rows_per_day`.
    ///
    /// A file that ends within the days to judge is judged as far as it goes.
    ///
    /// # Errors
    /// When less than one day is left to judge.
    pub fn new(rows: usize, rows_per_day: usize, days: SplitDays) -> Result<Self, TooShort> {
        let start = days.skip.saturating_mul(rows_per_day);
        let middle = start.saturating_add(days.train.saturating_mul(rows_per_day));
        let needed_rows = middle.saturating_add(rows_per_day);
        if rows < needed_rows {
            return Err(TooShort { needed_rows, rows });
        }
        let end = middle.saturating_add(days.test.saturating_mul(rows_per_day)).min(rows);
        Ok(Self { train: start..middle, test: middle..end })
    }
}

/// The first rows of the last `count` horizons of a file, back to back and ascending.
///
/// # Errors
/// When less than [`LEARN_DAYS_MIN`] days stand before the first.
pub fn origins(
    rows: usize,
    rows_per_day: usize,
    horizon: usize,
    count: usize,
) -> Result<Vec<usize>, TooShort> {
    let judged = horizon.saturating_mul(count);
    let needed_rows = judged.saturating_add(LEARN_DAYS_MIN.saturating_mul(rows_per_day));
    if rows < needed_rows {
        return Err(TooShort { needed_rows, rows });
    }
    Ok((1..=count).rev().map(|back| rows - back * horizon).collect())
}
