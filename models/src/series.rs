//! A metric of a resource on a fixed grid. A gap is a gap, never zero.
//!
//! Not here: how series are stored (`trimtab`) and what they mean for a size (`sizing`).

/// Values of one metric and statistic on a fixed grid; NaN marks a gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Time of the first slot, seconds since the epoch, a multiple of `step_s`.
    pub start_s: i64,
    /// The distance of two slots, seconds.
    pub step_s: u32,
    /// One value a slot, in the metric's unit.
    pub values: Vec<f32>,
}

impl Series {
    /// The end of the last slot (exclusive), seconds since the epoch.
    #[must_use]
    pub fn end_s(&self) -> i64 {
        self.start_s + i64::from(self.step_s) * i64::try_from(self.values.len()).unwrap_or(i64::MAX)
    }

    /// The time of slot `index`, seconds since the epoch.
    #[must_use]
    pub fn time_s(&self, index: usize) -> i64 {
        self.start_s + i64::from(self.step_s) * i64::try_from(index).unwrap_or(i64::MAX)
    }

    /// The slots that hold a value, with their times in seconds since the epoch.
    pub fn present(&self) -> impl Iterator<Item = (i64, f32)> + '_ {
        self.values
            .iter()
            .enumerate()
            .filter(|(_, value)| !value.is_nan())
            .map(|(index, value)| (self.time_s(index), *value))
    }

    /// The time of the newest value, seconds since the epoch.
    #[must_use]
    pub fn newest_s(&self) -> Option<i64> {
        self.values.iter().rposition(|value| !value.is_nan()).map(|index| self.time_s(index))
    }
}
