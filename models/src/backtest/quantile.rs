//! Quantiles of 64-bit numbers, plain and weighted, to the last bit as numpy gives them.
//!
//! Not here: the quantiles that decide (`crate::quantile`), which are 32 bits wide.

/// The quantile `q` (0–1) of sorted numbers; `None` when there are none.
///
/// A straight line between neighbours: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996.
#[must_use]
pub fn quantile_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = last as f64 * q.clamp(0.0, 1.0);
    let below = position.floor() as usize;
    let way = position - below as f64;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    // From whichever end is nearer, so that the ends themselves are exact.
    Some(if way < 0.5 { low + (high - low) * way } else { high - (high - low) * (1.0 - way) })
}

/// The numbers in ascending order.
#[must_use]
pub fn sorted(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers
}

/// The smallest number up to which the share `q` (0–1) of all weight lies; `None` when there are none.
///
/// `order` holds the indices of `values` in ascending order of value, `weight` gives that of an index.
#[must_use]
pub fn weighted_quantile(
    values: &[f64],
    order: &[usize],
    weight: impl Fn(usize) -> f64,
    q: f64,
) -> Option<f64> {
    let total: f64 = order.iter().map(|index| weight(*index)).sum();
    let mut reached = 0.0;
    let found = order.iter().find(|index| {
        reached += weight(**index);
        reached >= q * total
    });
    found.or(order.last()).map(|index| values[*index])
}
