//! The pinball loss of a day's forecast, apart for each level and each part of the day ahead.
//!
//! Apart, because members differ in both: the last two hours tell the next one best and tomorrow evening worst, and a
//! member with the right median may have the wrong tail. Not here: what follows from the losses (`select`).

use std::ops::Range;

use super::rows::{COUNT, Rows, SLOT_LEVELS};

/// How many parts the day ahead has.
pub(super) const PARTS: usize = 6;

/// Where the parts begin and end, in hours ahead: short ones first, because what was just seen is soon forgotten.
const EDGES_H: [usize; PARTS + 1] = [0, 1, 3, 6, 12, 18, 24];

/// Numbers that are summed side by side: the width of the vector registers that every x86-64 has.
const LANES: usize = 4;

/// The slots ahead of each part; the last also stands for everything beyond the day.
pub(super) fn parts(per_hour: usize, ahead: usize) -> [Range<usize>; PARTS] {
    std::array::from_fn(|part| {
        let from = (EDGES_H[part] * per_hour).min(ahead);
        let until =
            if part + 1 == PARTS { ahead } else { (EDGES_H[part + 1] * per_hour).min(ahead) };
        from..until
    })
}

/// Sums of the losses of one or more forecasts, and over how many values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Losses {
    /// For each part and level.
    pub(super) sums: [[f64; COUNT]; PARTS],
    /// For each part.
    pub(super) counts: [f64; PARTS],
}

impl Losses {
    /// The losses of one day's forecast; gaps are not judged.
    pub(super) fn of(actual: &[f32], per_hour: usize, rows: &Rows) -> Self {
        let mut losses = Self::default();
        for (part, range) in parts(per_hour, actual.len().min(rows.slots())).into_iter().enumerate()
        {
            let actual = &actual[range.clone()];
            let present = actual.iter().filter(|value| !value.is_nan()).count();
            losses.counts[part] = present as f64;
            for (level, sum) in losses.sums[part].iter_mut().enumerate() {
                let forecast = &rows.level(level)[range.clone()];
                *sum = f64::from(pinball(actual, forecast, SLOT_LEVELS[level] as f32));
            }
        }
        losses
    }

    /// Adds `share` of other losses.
    pub(super) fn add(&mut self, other: &Self, share: f64) {
        for part in 0..PARTS {
            self.counts[part] += share * other.counts[part];
            for level in 0..COUNT {
                self.sums[part][level] += share * other.sums[part][level];
            }
        }
    }

    /// The mean of one level in one part; `None` where nothing was judged.
    pub(super) fn mean(&self, part: usize, level: usize) -> Option<f64> {
        (self.counts[part] > 0.0).then(|| self.sums[part][level] / self.counts[part])
    }

    /// The mean of one level over the whole day; `None` where nothing was judged.
    pub(super) fn mean_of_day(&self, level: usize) -> Option<f64> {
        let count: f64 = self.counts.iter().sum();
        let sum: f64 = self.sums.iter().map(|sums| sums[level]).sum();
        (count > 0.0).then(|| sum / count)
    }
}

/// The summed pinball loss of one level (Koenker and Bassett, "Regression Quantiles", 1978).
fn pinball(actual: &[f32], forecast: &[f32], level: f32) -> f32 {
    let one = |actual: f32, forecast: f32| {
        let above = actual - forecast;
        let (high, low) = (level * above, (level - 1.0) * above);
        let loss = if high > low { high } else { low };
        if loss.is_nan() { 0.0 } else { loss }
    };
    let mut lanes = [0.0_f32; LANES];
    let (actual, actual_rest) = actual.as_chunks::<LANES>();
    let (forecast, forecast_rest) = forecast.as_chunks::<LANES>();
    for (actual, forecast) in actual.iter().zip(forecast) {
        for lane in 0..LANES {
            lanes[lane] += one(actual[lane], forecast[lane]);
        }
    }
    let rest =
        actual_rest.iter().zip(forecast_rest).map(|(actual, forecast)| one(*actual, *forecast));
    lanes.iter().sum::<f32>() + rest.sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinball_by_hand() {
        let cases: [(&[f32], &[f32], f32, f32); 5] = [
            // One above by 2 at level 0.9 costs 1.8, one below by 2 costs 0.2.
            (&[12.0], &[10.0], 0.9, 1.8),
            (&[8.0], &[10.0], 0.9, 0.2),
            // A gap costs nothing.
            (&[f32::NAN, 8.0], &[10.0, 10.0], 0.5, 1.0),
            // Five values, more than one register: 0.5 x (1 + 2 + 3 + 4 + 5).
            (&[1.0, 2.0, 3.0, 4.0, 5.0], &[0.0; 5], 0.5, 7.5),
            (&[], &[], 0.5, 0.0),
        ];
        for (actual, forecast, level, expect) in cases {
            let found = pinball(actual, forecast, level);
            assert!((found - expect).abs() < 1e-6, "{actual:?}: {found} is not {expect}");
        }
    }

    #[test]
    fn parts_cover_what_is_ahead_once() {
        for (per_hour, ahead) in [(12, 288), (12, 2_016), (1, 24), (60, 1_440), (12, 30), (12, 0)] {
            let parts = parts(per_hour, ahead);
            assert_eq!((parts[0].start, parts[PARTS - 1].end), (0, ahead));
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start), "{parts:?}");
        }
        assert_eq!(parts(12, 288)[1], 12..36, "the second part is the second and third hour");
    }

    #[test]
    fn means_are_over_what_was_judged() {
        let rows = Rows::constant(&[0.0; COUNT], 24);
        let mut actual = [2.0_f32; 24];
        actual[0] = f32::NAN;
        let losses = Losses::of(&actual, 1, &rows);
        assert_eq!(losses.mean(0, 2), None);
        assert_eq!(losses.mean(1, 2), Some(1.0));
        assert_eq!(losses.mean_of_day(2), Some(1.0));
    }
}
