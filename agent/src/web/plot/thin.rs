//! Thins points to the columns of a picture, so that no peak is lost and no gap is bridged.
//!
//! Not here: drawing (`super`).

/// All points of one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Column {
    /// Its place from the left.
    index: usize,
    /// The middle of the column, seconds since the epoch.
    pub(super) at_s: i64,
    pub(super) low: f64,
    pub(super) mean: f64,
    pub(super) high: f64,
    points: u32,
}

impl Column {
    pub(super) const fn spread(&self) -> (i64, f64, f64) {
        (self.at_s, self.low, self.high)
    }
}

/// The columns that hold points, from the left; points that are no numbers, and those outside of `from_s..until_s`, are left
/// out. Points come in the order of time.
pub(super) fn thin(
    points: &[(i64, f64)],
    (from_s, until_s): (i64, i64),
    columns: usize,
) -> Vec<Column> {
    let span = (until_s - from_s).max(1) as f64;
    let mut thinned: Vec<Column> = Vec::with_capacity(columns);
    let inside = |(at, value): &&(i64, f64)| (from_s..until_s).contains(at) && value.is_finite();
    for (at, value) in points.iter().filter(inside) {
        let place = (at - from_s) as f64 / span * columns as f64;
        // Within 0..columns, because the point is inside.
        let index = place as usize;
        if let Some(last) = thinned.last_mut().filter(|last| last.index == index) {
            last.low = last.low.min(*value);
            last.high = last.high.max(*value);
            last.points += 1;
            last.mean += (value - last.mean) / f64::from(last.points);
        } else {
            let middle = (index as f64 + 0.5) / columns as f64 * span;
            let at_s = from_s + middle as i64;
            thinned.push(Column {
                index,
                at_s,
                low: *value,
                mean: *value,
                high: *value,
                points: 1,
            });
        }
    }
    thinned
}

/// Runs of columns without a gap: none that lacks points between two that have some, unless a column is shorter than the
/// grid's step, where every second one lacks them.
pub(super) fn segments(
    columns: &[Column],
    (from_s, until_s): (i64, i64),
    (count, step_s): (usize, i64),
) -> Vec<&[Column]> {
    let width_s = (until_s - from_s) as f64 / count.max(1) as f64;
    let reach = (step_s as f64 / width_s).ceil().max(1.0) as usize;
    columns.chunk_by(|one, next| next.index - one.index <= reach).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_column_keeps_its_extremes_and_a_gap_stays_one() {
        let points =
            [(0, 1.0), (10, 9.0), (20, 2.0), (60, 4.0), (70, f64::NAN), (99, 6.0), (100, 7.0)];
        let columns = thin(&points, (0, 100), 4);
        let told: Vec<_> =
            columns.iter().map(|one| (one.at_s, one.low, one.mean, one.high)).collect();
        assert_eq!(told, [(12, 1.0, 4.0, 9.0), (62, 4.0, 4.0, 4.0), (87, 6.0, 6.0, 6.0)]);
        let runs = segments(&columns, (0, 100), (4, 10));
        assert_eq!(runs.iter().map(|run| run.len()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(
            segments(&columns, (0, 100), (4, 50)).len(),
            1,
            "a step longer than a column is no gap"
        );
    }

    #[test]
    fn nothing_gives_nothing() {
        for points in [vec![], vec![(5, f64::NAN)], vec![(5, f64::INFINITY)], vec![(50, 1.0)]] {
            assert_eq!(thin(&points, (0, 10), 3), []);
        }
        assert_eq!(thin(&[(7, 1.0)], (7, 7), 3), []);
    }

    proptest! {
        #[test]
        fn no_extreme_is_lost(values in prop::collection::vec(-1e6_f64..1e6, 1..500), columns in 1_usize..200) {
            let points: Vec<_> = values.iter().enumerate().map(|(at, value)| (at as i64, *value)).collect();
            let thinned = thin(&points, (0, values.len() as i64), columns);
            prop_assert!(thinned.len() <= columns.min(values.len()));
            let highest = thinned.iter().map(|one| one.high).fold(f64::MIN, f64::max);
            let lowest = thinned.iter().map(|one| one.low).fold(f64::MAX, f64::min);
            prop_assert!(values.iter().all(|value| (lowest..=highest).contains(value)));
            prop_assert!(values.contains(&lowest) && values.contains(&highest));
        }
    }
}
