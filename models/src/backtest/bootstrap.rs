//! The interval of a ratio of sums by resampling machines, from a fixed seed.
//!
//! Not here: which sums (`sizes`).

use serde::Serialize;

use super::quantile::{quantile_sorted, sorted};

/// Resamples; the ends of a 90 % interval then wander by about a hundredth of its width from seed to seed.
const RESAMPLES: usize = 2_000;

/// A figure with the interval that holds it with 90 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The figure.
    pub value: f64,
    /// The 5th percentile over resamples.
    pub low: f64,
    /// The 95th percentile over resamples.
    pub high: f64,
}

/// The ratio of the sums of pairs `(part, whole)`, with its interval; `None` without pairs.
///
/// The interval is the percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13).
pub(super) fn ratio(pairs: &[(f64, f64)]) -> Option<Interval> {
    if pairs.is_empty() {
        return None;
    }
    let sums = |pairs: &mut dyn Iterator<Item = (f64, f64)>| {
        let (part, whole) = pairs.fold((0.0, 0.0), |sums, pair| (sums.0 + pair.0, sums.1 + pair.1));
        part / whole
    };
    let mut draws = Draws::seeded();
    let count = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
    let resampled = (0..RESAMPLES)
        .map(|_| sums(&mut (0..pairs.len()).map(|_| pairs[draws.below(count) as usize])))
        .collect();
    let resampled = sorted(resampled);
    Some(Interval {
        value: sums(&mut pairs.iter().copied()),
        low: quantile_sorted(&resampled, 0.05)?,
        high: quantile_sorted(&resampled, 0.95)?,
    })
}

/// A stream of whole numbers: PCG64 (XSL-RR, O'Neill 2014) and Lemire's unbiased bounds (2019).
///
/// The pair that numpy's `default_rng` uses, begun where `default_rng(1)` begins, so that intervals can be compared
/// digit by digit.
#[derive(Debug, Clone)]
struct Draws {
    state: u128,
    /// The upper half of the last 64 bits, which the next draw uses up.
    left: Option<u32>,
}

impl Draws {
    /// The multiplier of PCG's 128-bit step.
    const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
    /// The state and the stream's increment that numpy derives from the seed 1.
    const STATE: u128 = 207_833_532_711_051_698_738_587_646_355_624_148_094;
    const INCREMENT: u128 = 194_290_289_479_364_712_180_083_596_243_593_368_443;

    fn seeded() -> Self {
        Self { state: Self::STATE, left: None }
    }

    fn next_u32(&mut self) -> u32 {
        if let Some(left) = self.left.take() {
            return left;
        }
        self.state = self.state.wrapping_mul(Self::MULTIPLIER).wrapping_add(Self::INCREMENT);
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        let bits = folded.rotate_right((self.state >> 122) as u32);
        self.left = Some((bits >> 32) as u32);
        bits as u32
    }

    /// A number of `0..count`, each as likely; `count` is at least 1.
    fn below(&mut self, count: u32) -> u32 {
        if count == 1 {
            return 0;
        }
        // Products whose lower half is below this would favour some numbers.
        let unfair = count.wrapping_neg() % count;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(count);
            if product as u32 >= unfair {
                return (product >> 32) as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_one_that_scores_are_compared_by() {
        let draws = |count: u32, many: usize| {
            let mut draws = Draws::seeded();
            (0..many).map(|_| draws.below(count)).collect::<Vec<_>>()
        };
        // Taken from numpy 2: `default_rng(1).integers(0, 5, 10)` and `integers(0, 224, 12)`.
        assert_eq!(draws(5, 10), [2, 2, 3, 4, 0, 0, 4, 4, 1, 1]);
        assert_eq!(draws(224, 12), [105, 114, 169, 212, 7, 32, 184, 212, 55, 69, 194, 94]);
        assert_eq!(draws(1, 3), [0, 0, 0]);
    }

    #[test]
    fn ratios_of_sums() {
        assert_eq!(ratio(&[]), None);
        let one = ratio(&[(3.0, 2.0)]).expect("there is a pair");
        assert_eq!((one.value, one.low, one.high), (1.5, 1.5, 1.5));
        let alike = ratio(&[(1.0, 2.0), (2.0, 4.0), (0.5, 1.0)]).expect("there are pairs");
        assert_eq!((alike.value, alike.low, alike.high), (0.5, 0.5, 0.5));
        let apart = ratio(&[(1.0, 1.0), (3.0, 1.0)]).expect("there are pairs");
        // Of four equally likely resamples one gives 1, two give 2 and one gives 3.
        assert_eq!((apart.value, apart.low, apart.high), (2.0, 1.0, 3.0));
    }
}
