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
    /// Points in the order of time on their grid, with gaps where none is; `None` without points. A point between slots
    /// falls into the slot before it.
    #[must_use]
    pub fn of_points(points: impl Iterator<Item = (i64, f32)>, step_s: u32) -> Option<Self> {
        let mut points = points.peekable();
        let (start_s, _) = *points.peek()?;
        let step = i64::from(step_s.max(1));
        let mut values = Vec::new();
        for (time_s, value) in points {
            let Ok(index) = usize::try_from((time_s - start_s) / step) else { continue };
            if index >= values.len() {
                values.resize(index + 1, f32::NAN);
            }
            values[index] = value;
        }
        Some(Self { start_s, step_s, values })
    }

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

    /// The values that are there, in the order of time.
    #[must_use]
    pub fn numbers(&self) -> Vec<f32> {
        self.values.iter().copied().filter(|value| !value.is_nan()).collect()
    }

    /// How many slots hold a value.
    #[must_use]
    pub fn points(&self) -> usize {
        self.values.iter().filter(|value| !value.is_nan()).count()
    }

    /// The value in the slot that begins at `time_s`; `None` for a gap, outside, and between slots.
    #[must_use]
    pub fn at(&self, time_s: i64) -> Option<f32> {
        let offset = time_s.checked_sub(self.start_s)?;
        let step = i64::from(self.step_s);
        let aligned = step > 0 && offset >= 0 && offset % step == 0;
        let index = aligned.then(|| usize::try_from(offset / step).ok())??;
        self.values.get(index).copied().filter(|value| !value.is_nan())
    }

    /// The slots that begin in `from_s..until_s`.
    ///
    /// A series without a step is empty: nothing can be said of its times.
    #[must_use]
    pub fn window(&self, from_s: i64, until_s: i64) -> Self {
        let step = i64::from(self.step_s);
        if step == 0 {
            return Self { start_s: from_s, step_s: self.step_s, values: Vec::new() };
        }
        let slots_before = |time_s: i64| {
            let slots = (time_s.saturating_sub(self.start_s)).max(0);
            usize::try_from((slots + step - 1) / step).unwrap_or(usize::MAX).min(self.values.len())
        };
        let first = slots_before(from_s);
        let last = slots_before(until_s).max(first);
        Self {
            start_s: self.time_s(first),
            step_s: self.step_s,
            values: self.values[first..last].to_vec(),
        }
    }

    /// Whether there are points and all are exactly zero: absence may look like this.
    #[must_use]
    pub fn is_flat_zero(&self) -> bool {
        let mut present = self.values.iter().filter(|value| !value.is_nan()).peekable();
        present.peek().is_some() && present.all(|value| *value == 0.0)
    }
}
