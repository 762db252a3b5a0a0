//! Re-runs each point of the look-back against a proposed capacity.
//!
//! Not here: which capacity is proposed (`sizing`), and what will happen, which the forecast says.

use jiff::Timestamp;

use crate::{
    recommendation::{Breach, Replay, SeasonSeen},
    season::HOUR_S,
};

/// How many breaching stretches are kept: enough for a page, little enough for a record.
const BREACHES_MAX: usize = 50;

/// Hours of a day, the shortest cycle by which breaches are counted.
///
/// Slots of a day rise and fall together, so that a thousand of them are no thousand trials; days nearly are. Where a week
/// was found, its days differ, and weeks are what repeats.
pub const DAY_H: u32 = 24;

/// Share of a cycle's slots that must be seen before it counts as one without a breach. A breach counts however little
/// else was seen.
const CYCLE_SEEN_MIN: f64 = 0.5;

/// The probability with which the bound may be too low.
const BOUND_MISSES: f64 = 0.05;

/// Halvings of the interval in which the bound is searched: they leave 2^-40, far below what is shown.
const HALVINGS: u32 = 40;

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

/// The length of a resource's cycle, hours: its longest season, at least a day.
#[must_use]
pub fn cycle_h(seasons: &[SeasonSeen]) -> u32 {
    seasons.iter().map(|season| season.period_h).fold(DAY_H, u32::max)
}

/// Compares every slot of every dimension, and bounds a breach in the next cycle of `cycle_h` hours; `None` when there is
/// nothing to compare.
///
/// A slot counts once however many dimensions breach in it.
#[must_use]
pub fn replay(dimensions: &[ReplayDimension], cycle_h: u32) -> Option<Replay> {
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
    let step_s = dimensions.iter().map(|dimension| dimension.step_s).min().unwrap_or(0);
    let days = cycles(&slots, step_s, DAY_H);
    let cycles = cycles(&slots, step_s, cycle_h.max(DAY_H));
    (points > 0).then(|| Replay {
        points,
        breaching_points,
        breaches,
        days: count(&days, |_| true),
        breaching_days: count(&days, |breaching| breaching),
        cycle_h: cycle_h.max(DAY_H),
        cycles: count(&cycles, |_| true),
        breaching_cycles: count(&cycles, |breaching| breaching),
        breach_upper_bound: next_upper_bound(&cycles),
    })
}

fn count(cycles: &[(i64, bool)], counts: impl Fn(bool) -> bool) -> u64 {
    let counted = cycles.iter().filter(|(_, breaching)| counts(*breaching));
    u64::try_from(counted.count()).unwrap_or(u64::MAX)
}

/// The cycles that can be judged, with whether any slot breached: blocks of `cycle_h` hours that end with the newest slot,
/// so that the newest is whole. Cycles are numbered backwards in time, and returned in the order of time.
fn cycles(slots: &[(i64, bool)], step_s: u32, cycle_h: u32) -> Vec<(i64, bool)> {
    let Some((newest_s, _)) = slots.last() else { return Vec::new() };
    let cycle_s = i64::from(cycle_h) * HOUR_S;
    let whole = cycle_s as f64 / f64::from(step_s.max(1));
    let number = |time_s: i64| (newest_s - time_s) / cycle_s;
    slots
        .chunk_by(|(one, _), (other, _)| number(*one) == number(*other))
        .filter_map(|cycle| {
            let breaching = cycle.iter().any(|(_, breaching)| *breaching);
            let seen = cycle.len() as f64 >= CYCLE_SEEN_MIN * whole;
            (breaching || seen).then(|| (number(cycle[0].0), breaching))
        })
        .collect()
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

/// The upper 95 % bound on the probability that the next cycle breaches; 1 without a cycle.
///
/// Clopper and Pearson's bound over cycles instead of slots. Cycles that breach in a row are fewer trials than they are
/// cycles: with a correlation r > 0 between neighbours n of them count as n (1 - r) / (1 + r), the effective number of a
/// series whose memory fades by r a step (Bayley and Hammersley, "The 'effective' number of independent observations in an
/// autocorrelated time series", 1946), and the breaching ones in proportion, rounded to the side of more.
fn next_upper_bound(cycles: &[(i64, bool)]) -> f64 {
    let count = cycles.len();
    let hits = cycles.iter().filter(|(_, breaching)| *breaching).count();
    let correlation = neighbour_correlation(cycles).clamp(0.0, 1.0);
    let effective = count as f64 * (1.0 - correlation) / (1.0 + correlation);
    let trials = effective.floor().max(1.0).min(count as f64);
    // A hair below a whole number is that number.
    let share = (hits as f64 * trials / count.max(1) as f64 - 1e-9).ceil().max(0.0);
    upper_bound(share as u64, if count == 0 { 0 } else { trials as u64 })
}

/// The correlation of neighbouring cycles' breaches; 0 where nothing varies or no two cycles are neighbours.
fn neighbour_correlation(cycles: &[(i64, bool)]) -> f64 {
    let value = |breaching: bool| f64::from(u8::from(breaching));
    let mean = cycles.iter().map(|(_, one)| value(*one)).sum::<f64>() / cycles.len().max(1) as f64;
    let variance = mean * (1.0 - mean);
    let pairs = cycles.windows(2).filter(|pair| pair[0].0 - pair[1].0 == 1);
    let products = pairs.map(|pair| (value(pair[0].1) - mean) * (value(pair[1].1) - mean));
    let (sum, count) = products.fold((0.0, 0.0), |(sum, count), one| (sum + one, count + 1.0));
    if variance > 0.0 && count > 0.0 { sum / count / variance } else { 0.0 }
}

/// The one-sided upper 95 % bound on a probability of which `hits` of `count` independent trials hit; 1 without trials.
///
/// Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", 1934: the
/// probability at which so few hits or fewer have a chance of 5 %. Without a hit it is 1 - 0.05^(1/n).
#[must_use]
pub fn upper_bound(hits: u64, count: u64) -> f64 {
    if hits >= count {
        return 1.0;
    }
    let (mut low, mut high) = (hits as f64 / count as f64, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if at_most(hits, count, middle) > BOUND_MISSES { low = middle } else { high = middle }
    }
    high
}

/// The probability of at most `hits` of `count` trials at probability `p`, 0 < p < 1; summed in logarithms, so that no
/// term is lost to underflow before its neighbours grow.
pub(crate) fn at_most(hits: u64, count: u64, p: f64) -> f64 {
    let odds = (p / (1.0 - p)).ln();
    let mut term = count as f64 * (-p).ln_1p();
    let mut sum = term.exp();
    for hit in 0..hits {
        term += ((count - hit) as f64 / (hit + 1) as f64).ln() + odds;
        sum += term.exp();
    }
    sum
}

#[cfg(test)]
mod tests;
