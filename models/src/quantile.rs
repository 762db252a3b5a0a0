//! Quantiles of plain numbers.
//!
//! All of Trimtab uses one definition: the sample is read at position `q x (n - 1)`, with a straight line between
//! neighbours (type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996). Not here: gaps, which the
//! caller leaves out, and streaming estimates, because a full fit of the stored window decides.

/// The position of quantile `q` among `count` sorted numbers: the index below it and the way to the next, 0–1.
fn position(count: usize, q: f64) -> (usize, f64) {
    let exact = q.clamp(0.0, 1.0) * (count - 1) as f64;
    let below = exact.floor();
    (below as usize, exact - below)
}

/// The quantile `q` (0–1) of sorted numbers; `None` when there are none.
#[must_use]
pub fn quantile_sorted(sorted: &[f32], q: f64) -> Option<f64> {
    if sorted.is_empty() {
        return None;
    }
    let (below, way) = position(sorted.len(), q);
    let low = f64::from(sorted[below]);
    let high = sorted.get(below + 1).map_or(low, |value| f64::from(*value));
    Some(between(low, high, way))
}

/// The quantiles `qs` (ascending, 0–1) of numbers in any order, which it reorders; `None` when there are none.
///
/// It selects instead of sorting: for a few quantiles of some thousand numbers a fraction of the time.
#[must_use]
pub fn quantiles<const N: usize>(numbers: &mut [f32], qs: [f64; N]) -> Option<[f64; N]> {
    if numbers.is_empty() {
        return None;
    }
    let mut found = [0.0; N];
    let mut settled = 0;
    for (slot, q) in found.iter_mut().zip(qs) {
        let (below, way) = position(numbers.len(), q);
        // Everything before `settled` is no larger than what follows, so only the rest is looked at.
        let start = settled.min(below);
        let (_, low, above) =
            numbers[start..].select_nth_unstable_by(below - start, f32::total_cmp);
        let low = f64::from(*low);
        let high = above.iter().copied().min_by(f32::total_cmp).map_or(low, f64::from);
        *slot = between(low, high, way);
        settled = below;
    }
    Some(found)
}

/// The quantile `q` (0–1) of numbers in any order, which it reorders; `None` when there are none.
#[must_use]
pub fn quantile(numbers: &mut [f32], q: f64) -> Option<f64> {
    quantiles(numbers, [q]).map(|[value]| value)
}

/// The point on the way from `low` to `high`; exactly `low` at 0.
fn between(low: f64, high: f64, way: f64) -> f64 {
    if way > 0.0 { low + (high - low) * way } else { low }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Counts instead of sorting cleverly: the definition, word by word.
    fn brute_force(numbers: &[f32], q: f64) -> f64 {
        let mut sorted: Vec<f64> = numbers.iter().map(|value| f64::from(*value)).collect();
        for end in (1..sorted.len()).rev() {
            for index in 0..end {
                if sorted[index] > sorted[index + 1] {
                    sorted.swap(index, index + 1);
                }
            }
        }
        let exact = q * (sorted.len() - 1) as f64;
        let (low, high) = (exact.floor() as usize, exact.ceil() as usize);
        sorted[low] + (sorted[high] - sorted[low]) * (exact - low as f64)
    }

    #[test]
    fn known_quantiles() {
        let numbers = [4.0, 1.0, 3.0, 2.0];
        for (q, expect) in [(0.0, 1.0), (0.5, 2.5), (1.0, 4.0), (0.25, 1.75)] {
            assert_eq!(quantile(&mut numbers.clone(), q), Some(expect), "quantile {q}");
        }
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile_sorted(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn selection_equals_sorting(
            numbers in prop::collection::vec(-1e6_f32..1e6, 1..200),
            mut qs in prop::array::uniform4(0.0_f64..=1.0),
        ) {
            qs.sort_by(f64::total_cmp);
            let found = quantiles(&mut numbers.clone(), qs).expect("there are numbers");
            let mut sorted = numbers.clone();
            sorted.sort_by(f32::total_cmp);
            for (q, value) in qs.into_iter().zip(found) {
                let expect = brute_force(&numbers, q);
                let near = |other: f64| (other - expect).abs() <= 1e-6 * expect.abs().max(1.0);
                prop_assert!(near(value), "{q}: {value} is not {expect}");
                prop_assert!(near(quantile_sorted(&sorted, q).expect("there are numbers")));
            }
        }
    }
}
