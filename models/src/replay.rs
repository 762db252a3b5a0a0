//! Re-runs each point of the look-back against a proposed capacity.
//!
//! Not here: which capacity is proposed (`sizing`), and what will happen, which the forecast says.

use jiff::Timestamp;

use crate::recommendation::{Breach, Replay};

/// How many breaching stretches are kept: enough for a page, little enough for a record.
const BREACHES_MAX: usize = 50;

/// The one-sided 95 % point of the normal distribution.
const Z_ONE_SIDED_95: f64 = 1.645;

/// What was demanded in one dimension, against the capacity proposed for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayDimension {
    /// `cpu`, `memory`, …
    pub name: &'static str,
    /// The distance of two slots, seconds.
    pub step_s: u32,
    /// Times (seconds since the epoch, ascending) and demands of the slots that hold a value.
    pub demand: Vec<(i64, f64)>,
    /// The proposed capacity, in the unit of the demand.
    pub capacity: f64,
}

/// Compares every slot of every dimension; `None` when there is nothing to compare.
///
/// A slot counts once however many dimensions breach in it.
#[must_use]
pub fn replay(dimensions: &[ReplayDimension]) -> Option<Replay> {
    let mut slots: Vec<(i64, bool)> = Vec::new();
    let mut breaches = Vec::new();
    for dimension in dimensions {
        let judged = dimension.demand.iter();
        slots.extend(judged.map(|(time_s, demand)| (*time_s, *demand > dimension.capacity)));
        breaches.extend(stretches(dimension));
    }
    // Breaching before not, so that the first of a slot's rows tells whether any dimension breaches.
    slots.sort_by_key(|(time_s, breaching)| (*time_s, !breaching));
    slots.dedup_by_key(|(time_s, _)| *time_s);
    let points = u64::try_from(slots.len()).unwrap_or(u64::MAX);
    let breaching = slots.iter().filter(|(_, breaching)| *breaching).count();
    let breaching_points = u64::try_from(breaching).unwrap_or(u64::MAX);
    breaches.sort_by_key(|breach| {
        let length = breach.until.duration_since(breach.from);
        (std::cmp::Reverse(length), breach.from, breach.dimension.clone())
    });
    breaches.truncate(BREACHES_MAX);
    (points > 0).then(|| Replay {
        points,
        breaching_points,
        breaches,
        breach_upper_bound: upper_bound(breaching_points, points),
    })
}

/// The breaching stretches of one dimension: neighbouring slots above the capacity.
fn stretches(dimension: &ReplayDimension) -> Vec<Breach> {
    let step_s = i64::from(dimension.step_s);
    let mut found: Vec<(i64, i64, f64)> = Vec::new();
    for (time_s, demand) in &dimension.demand {
        if *demand <= dimension.capacity {
            continue;
        }
        let ratio = demand / dimension.capacity;
        match found.last_mut() {
            Some((_, until, peak)) if *until == *time_s => {
                *until += step_s;
                *peak = peak.max(ratio);
            }
            Some(_) | None => found.push((*time_s, time_s + step_s, ratio)),
        }
    }
    let breach = |(from, until, peak_ratio): (i64, i64, f64)| {
        Some(Breach {
            from: Timestamp::from_second(from).ok()?,
            until: Timestamp::from_second(until).ok()?,
            dimension: dimension.name.to_owned(),
            peak_ratio,
        })
    };
    found.into_iter().filter_map(breach).collect()
}

/// The upper 95 % bound on a share of which `hits` of `count` were seen.
///
/// Without a hit the rule of three (Hanley and Lippman-Hand, 1983), else Wilson's score bound (1927). Both take the
/// slots as independent; load that comes in stretches makes the true bound wider.
#[must_use]
pub fn upper_bound(hits: u64, count: u64) -> f64 {
    if count == 0 {
        return 1.0;
    }
    let n = count as f64;
    if hits == 0 {
        return (3.0 / n).min(1.0);
    }
    let share = hits as f64 / n;
    let z2 = Z_ONE_SIDED_95 * Z_ONE_SIDED_95;
    let spread = Z_ONE_SIDED_95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((share + z2 / (2.0 * n) + spread) / (1.0 + z2 / n)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dimension(demand: &[f64], capacity: f64) -> ReplayDimension {
        let demand = demand.iter().enumerate();
        let demand = demand.filter(|(_, value)| !value.is_nan());
        ReplayDimension {
            name: "cpu",
            step_s: 300,
            demand: demand
                .map(|(index, value)| (300 * i64::try_from(index).expect("few points"), *value))
                .collect(),
            capacity,
        }
    }

    #[test]
    fn stretches_are_found_and_sorted() {
        let gap = f64::NAN;
        let replay = replay(&[dimension(&[3.0, 1.0, 3.0, 4.0, gap, 3.0, 2.0], 2.0)]);
        let replay = replay.expect("there are points");
        assert_eq!((replay.points, replay.breaching_points), (6, 4));
        let lengths: Vec<i64> = replay
            .breaches
            .iter()
            .map(|breach| breach.until.as_second() - breach.from.as_second())
            .collect();
        assert_eq!(lengths, [600, 300, 300], "a gap ends a stretch");
        assert!((replay.breaches[0].peak_ratio - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_slot_counts_once() {
        let cpu = dimension(&[3.0, 1.0], 2.0);
        let memory = ReplayDimension { name: "memory", ..dimension(&[3.0, 3.0], 2.0) };
        let replay = replay(&[cpu, memory]).expect("there are points");
        assert_eq!((replay.points, replay.breaching_points), (2, 2));
    }

    #[test]
    fn bounds_are_known_figures() {
        // The rule of three; Wilson's one-sided bound for 5 of 100 (0.0992 by hand); and the ends.
        for (hits, count, expect) in [(0, 300, 0.01), (5, 100, 0.0992), (0, 1, 1.0), (0, 0, 1.0)] {
            let bound = upper_bound(hits, count);
            assert!((bound - expect).abs() < 5e-4, "{hits} of {count}: {bound}");
        }
    }

    #[test]
    fn nothing_to_compare_is_no_replay() {
        assert_eq!(replay(&[]), None);
        assert_eq!(replay(&[dimension(&[], 1.0)]), None);
    }
}
