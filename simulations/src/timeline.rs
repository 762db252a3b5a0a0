//! A value that changes at known times, past and future.
//!
//! Not here: what changes it (`world`).

/// Values with the times from which they hold, in the order of the times.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline<T> {
    first: T,
    changes: Vec<(i64, T)>,
}

impl<T> Timeline<T> {
    /// Holds `first` since ever.
    #[must_use]
    pub const fn new(first: T) -> Self {
        Self { first, changes: Vec::new() }
    }

    /// The value at `second`, seconds since the epoch.
    #[must_use]
    pub fn at(&self, second: i64) -> &T {
        let index = self.changes.partition_point(|(from, _)| *from <= second);
        index.checked_sub(1).map_or(&self.first, |index| &self.changes[index].1)
    }

    /// Holds `value` from `second` on; what was planned for later is dropped.
    pub fn set(&mut self, second: i64, value: T) {
        self.changes.retain(|(from, _)| *from < second);
        self.changes.push((second, value));
    }

    /// Holds `value` from `second` on, after everything that is planned already.
    pub fn then(&mut self, second: i64, value: T) {
        let second = self.changes.last().map_or(second, |(last, _)| second.max(*last));
        self.changes.push((second, value));
    }

    /// When the value that holds at `second` began, seconds since the epoch; `None` for ever.
    #[must_use]
    pub fn since(&self, second: i64) -> Option<i64> {
        let index = self.changes.partition_point(|(from, _)| *from <= second);
        index.checked_sub(1).map(|index| self.changes[index].0)
    }

    /// The end of what is planned, seconds since the epoch.
    #[must_use]
    pub fn settled_at(&self) -> Option<i64> {
        self.changes.last().map(|(from, _)| *from)
    }

    /// Whether the value never changes in `[from, until)`.
    #[must_use]
    pub fn constant_over(&self, from: i64, until: i64) -> bool {
        self.changes.partition_point(|(at, _)| *at <= from)
            == self.changes.partition_point(|(at, _)| *at < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_from_its_time_on() {
        let mut line = Timeline::new("a");
        line.set(10, "b");
        line.then(20, "c");
        let seen: Vec<_> = [9, 10, 19, 20, 99].map(|second| *line.at(second)).to_vec();
        assert_eq!(seen, ["a", "b", "b", "c", "c"]);
        assert_eq!((line.since(9), line.since(15), line.settled_at()), (None, Some(10), Some(20)));
        assert!(
            line.constant_over(10, 20) && !line.constant_over(9, 11) && line.constant_over(20, 90)
        );
        line.set(15, "d");
        assert_eq!(*line.at(99), "d", "a new value drops what was planned");
    }
}
