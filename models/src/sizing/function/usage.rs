//! What the look-back shows of a function: memory, calls, and how long runs took at each size that was in force.
//!
//! Not here: what follows from it (`super`, `super::duration`).

use std::collections::{BTreeMap, BTreeSet};

use super::duration::Observed;
use crate::{
    demand::highest,
    metric::{Measure, Metric, Statistic},
    resource::Function,
    season::HOUR_S,
    series::Series,
    sizing::{SizeInForce, case::Case},
};

/// Seconds of the month in which costs are stated, 730 hours.
const MONTH_S: f64 = 2_628_000.0;
/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// Runs below which an earlier size counts as unseen: durations vary about as much as they are long, so that the mean of a
/// hundred is known to a tenth.
const CALLS_MIN: f64 = 100.0;

pub(super) const MEMORY: Measure =
    Measure { metric: Metric::FunctionMemory, statistic: Statistic::Maximum };
pub(super) const CALLS: Measure =
    Measure { metric: Metric::FunctionInvocations, statistic: Statistic::Sum };
pub(super) const DURATION: Measure =
    Measure { metric: Metric::FunctionDuration, statistic: Statistic::Average };

/// What the look-back shows of a function.
#[derive(Debug)]
pub(super) struct Usage<'a> {
    pub(super) memory: &'a Series,
    /// The most memory that a run used, MB.
    pub(super) memory_max_mb: f64,
    /// The most that a run used under the present size, MB; `None` while none was seen under it.
    pub(super) memory_now_mb: Option<f64>,
    pub(super) calls: u64,
    pub(super) call_days: u32,
    pub(super) calls_monthly: u64,
    /// Under the present size.
    pub(super) mean_ms: f64,
    /// Under the present size.
    pub(super) longest_ms: f64,
    /// Runs a second on average in the busiest slot x their duration: how many are under way at once (Little, 1961).
    pub(super) concurrency_peak: f64,
    /// The same over the quietest whole hour; 0 when an hour passed in which no run was seen.
    pub(super) concurrency_floor: f64,
    /// The sizes at which runs were seen, the present one among them.
    pub(super) sizes: Vec<Observed>,
}

/// Reads it from the series.
///
/// # Errors
/// Which part of it was not seen.
pub(super) fn usage<'a>(case: &'a Case<'_>, function: &Function) -> Result<Usage<'a>, String> {
    let memory = case.series(MEMORY.metric, MEMORY.statistic).filter(|one| !one.is_flat_zero());
    let memory = memory
        .ok_or("its used memory is not known: Lambda publishes it through Lambda Insights only")?;
    let calls = case
        .series(CALLS.metric, CALLS.statistic)
        .filter(|one| !one.is_flat_zero())
        .ok_or("it was not invoked in the look-back")?;
    let durations = case
        .series(DURATION.metric, DURATION.statistic)
        .ok_or("the duration of its runs was not seen")?;
    let stretches = stretches(case.input.sizes, function.served_memory_mb());
    let now = stretches
        .last()
        .copied()
        .ok_or("its memory was changed by somebody, at a time that is not known")?;
    let now_only = |series: &Series| series.window(now.from_s, now.until_s);
    let mean_ms = weighted_mean(&now_only(durations), calls).ok_or_else(|| {
        format!("no duration belongs to an invocation at {} MB", function.served_memory_mb())
    })?;
    let longest = case.series(DURATION.metric, Statistic::Maximum).unwrap_or(durations);
    let count: f64 = calls.present().map(|(_, count)| f64::from(count)).sum();
    Ok(Usage {
        memory,
        memory_max_mb: highest(memory).ok_or("used memory has no points")?,
        memory_now_mb: highest(&now_only(memory)),
        calls: count as u64,
        call_days: call_days(calls),
        calls_monthly: (count * MONTH_S / seen_s(calls)).round() as u64,
        mean_ms,
        longest_ms: highest(&now_only(longest)).unwrap_or(mean_ms),
        concurrency_peak: at_once(&now_only(durations), calls)
            .fold(0.0, |most, (_, one)| most.max(one)),
        concurrency_floor: concurrency_floor(&now_only(durations), calls),
        sizes: observed(durations, calls, &stretches, mean_ms),
    })
}

/// A time that no series reaches, seconds since the epoch: far enough from the ends of 64 bits that a step fits between.
const NEVER_S: i64 = i64::MAX / 4;

/// How long one size was in force; the last stretch has no end.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    memory_mb: u32,
    from_s: i64,
    until_s: i64,
}

/// The stretches in order, the last of which has the present size; without a history it is the only one.
///
/// A history that ends with another size than the function has does not know since when the present one is in force: then
/// there are none, because no run could be put down to a size.
fn stretches(history: &[SizeInForce], present_mb: u32) -> Vec<Stretch> {
    let Some(newest) = history.last() else {
        return vec![Stretch { memory_mb: present_mb, from_s: -NEVER_S, until_s: NEVER_S }];
    };
    let ends = history.iter().skip(1).map(|next| next.from_s).chain([NEVER_S]);
    let known = history.iter().zip(ends);
    let mut found: Vec<Stretch> = known
        .map(|(one, until_s)| Stretch { memory_mb: one.memory_mb, from_s: one.from_s, until_s })
        .collect();
    if newest.memory_mb != present_mb {
        found.clear();
    }
    found
}

/// The mean duration at each size that enough runs were seen at; the present size always counts.
fn observed(
    durations: &Series,
    calls: &Series,
    stretches: &[Stretch],
    mean_ms: f64,
) -> Vec<Observed> {
    let Some((now, earlier)) = stretches.split_last() else { return Vec::new() };
    let mut sizes = vec![Observed { memory_mb: now.memory_mb, mean_ms }];
    let others: BTreeSet<u32> = earlier.iter().map(|one| one.memory_mb).collect();
    for memory_mb in others.into_iter().filter(|one| *one != now.memory_mb) {
        let (mut sum, mut count) = (0.0, 0.0);
        for stretch in earlier.iter().filter(|one| one.memory_mb == memory_mb) {
            // A slot that a change fell into belongs to neither size.
            let until_s = stretch.until_s.saturating_sub(i64::from(durations.step_s) - 1);
            let part = durations.window(stretch.from_s, until_s);
            let (part_sum, part_count) = weighted_sum(&part, calls);
            sum += part_sum;
            count += part_count;
        }
        if count >= CALLS_MIN {
            sizes.push(Observed { memory_mb, mean_ms: sum / count });
        }
    }
    sizes
}

/// Durations times invocations, and invocations, over the slots that have both.
fn weighted_sum(durations: &Series, calls: &Series) -> (f64, f64) {
    let pairs = durations
        .present()
        .filter_map(|(time_s, duration)| Some((f64::from(duration), f64::from(calls.at(time_s)?))));
    pairs
        .fold((0.0, 0.0), |(sum, count), (duration, calls)| (sum + duration * calls, count + calls))
}

/// The mean duration of an invocation: slots with many invocations count more.
fn weighted_mean(durations: &Series, calls: &Series) -> Option<f64> {
    let (sum, count) = weighted_sum(durations, calls);
    (count > 0.0).then(|| sum / count)
}

/// Runs under way at once, on average over each slot that has both.
fn at_once(durations: &Series, calls: &Series) -> impl Iterator<Item = (i64, f64)> {
    let step_ms = f64::from(calls.step_s) * 1_000.0;
    durations.present().filter_map(move |(time_s, duration)| {
        Some((time_s, f64::from(duration) * f64::from(calls.at(time_s)?) / step_ms))
    })
}

/// Runs under way at once in the quietest hour between the first and the last, which may be cut and are left out.
fn concurrency_floor(durations: &Series, calls: &Series) -> f64 {
    let mut hours: BTreeMap<i64, f64> = BTreeMap::new();
    for (time_s, count) in at_once(durations, calls) {
        *hours.entry(time_s.div_euclid(HOUR_S)).or_default() += count;
    }
    let (first, last) = (hours.pop_first(), hours.pop_last());
    let ends = first.zip(last).map_or((0, 0), |((first, _), (last, _))| (first, last));
    let without_gap = i64::try_from(hours.len()).is_ok_and(|count| count == ends.1 - ends.0 - 1);
    let slots = HOUR_S as f64 / f64::from(calls.step_s.max(1));
    let floor = hours.into_values().min_by(f64::total_cmp).filter(|_| without_gap);
    floor.map_or(0.0, |sum| sum / slots)
}

fn call_days(calls: &Series) -> u32 {
    let busy = calls.present().filter(|(_, count)| *count > 0.0);
    let days: BTreeSet<i64> = busy.map(|(time_s, _)| time_s.div_euclid(DAY_S)).collect();
    u32::try_from(days.len()).unwrap_or(u32::MAX)
}

/// Seconds from the first to the newest point; at least a day, so that an hour of calls makes no month of them.
fn seen_s(calls: &Series) -> f64 {
    let step_s = i64::from(calls.step_s);
    let ends = calls.present().next().zip(calls.newest_s());
    let seen_s = ends.map_or(step_s, |((first, _), newest)| newest - first + step_s);
    seen_s.max(DAY_S) as f64
}
