//! Functions: the memory that was used, with room, as far as time allows.
//!
//! Lambda gives CPU in proportion to memory, so that less memory can mean longer runs. How much longer is known only
//! from runs at several sizes; until then a middle and a pessimistic share of CPU-bound time stand in for it. Not
//! here: functions whose used memory nobody publishes, and versions behind aliases (`trimtab-policies`).

use super::case::{CHANGE_MIN, Case, Costs, Finding, Proposal, STEP_MIN};
use crate::{
    catalog::{ApiWord, Architecture, FunctionUse},
    demand::highest,
    metric::{Measure, Metric, Statistic},
    recommendation::{Action, Dimension, Recommendation, SeasonSeen},
    replay::{ReplayDimension, replay},
    resource::Function,
    series::Series,
    spec::Spec,
};

/// Memory beyond which more gives no more of one CPU, MB: AWS's documentation puts a full vCPU at 1,769 MB.
const FULL_CPU_MB: u32 = 1_769;
/// The largest size of an ordinary function, MB.
const MEMORY_MB_MAX: u32 = 10_240;
/// Sizes are multiples of this, MB, so that a little more use does not make another proposal.
const MEMORY_MB_STEP: u32 = 64;

/// Share of the run that waits for CPU: the saving is stated at this middle.
///
/// Half: of the law T = a + b / memory, with nothing known of a and b.
const CPU_SHARE: f64 = 0.5;
/// The pessimistic share, at which the cost must still fall: three functions of four wait less, if shares are spread
/// evenly between nothing and all.
const CPU_SHARE_HIGH: f64 = 0.75;

/// Share of the timeout below which the longest run must stay even if it is CPU-bound throughout.
const TIMEOUT_RATIO_MAX: f64 = 0.6;

/// Used memory from which a function needs more, as a ratio of its size: an invocation beyond the size is killed.
const MEMORY_FULL_RATIO: f64 = 0.95;

/// Seconds of the month in which costs are stated, 730 hours.
const MONTH_S: f64 = 2_628_000.0;

const MEMORY: Measure = Measure { metric: Metric::FunctionMemory, statistic: Statistic::Maximum };
const CALLS: Measure = Measure { metric: Metric::FunctionInvocations, statistic: Statistic::Sum };
const DURATION: Measure =
    Measure { metric: Metric::FunctionDuration, statistic: Statistic::Average };

/// What the look-back shows of a function.
struct Usage<'a> {
    memory: &'a Series,
    memory_max_mb: f64,
    calls: u64,
    call_days: u32,
    calls_monthly: u64,
    mean_ms: f64,
    longest_ms: f64,
}

/// Recommends another memory size.
///
/// # Errors
/// Why none is recommended.
pub(super) fn tune(
    case: &Case<'_>,
    function: &Function,
    seasons: &[SeasonSeen],
) -> Result<Recommendation, String> {
    if function.capacity_provider {
        return Err("a capacity provider runs it, which its memory does not pay for".to_owned());
    }
    let usage = usage(case)?;
    let full = usage.memory_max_mb >= f64::from(function.memory_mb) * MEMORY_FULL_RATIO;
    let desired = size(case, function, &usage, full)?;
    let costs = costs(case, function, &usage, desired, CPU_SHARE);
    if !full {
        case.refuse_unseen()?;
        let high = self::costs(case, function, &usage, desired, CPU_SHARE_HIGH);
        let saved = high.map(|costs| costs.saved_ratio());
        if saved.is_some_and(|saved| saved <= CHANGE_MIN) {
            return Err(format!(
                "{desired} MB may cost as much as {} MB, because runs may become longer",
                function.memory_mb
            ));
        }
    }
    let proposal = Proposal {
        action: Action::TuneFunctionMemory,
        desired: Spec::Function { memory_mb: desired },
        alternates: Vec::new(),
        reason: format!(
            "{:.0} MB of {} MB were used at most: {desired} MB {}",
            usage.memory_max_mb,
            function.memory_mb,
            if full { "keeps invocations from being killed" } else { "leave room and cost less" }
        ),
        costs,
    };
    Ok(case.recommendation(proposal, finding(case, function, &usage, desired), seasons))
}

fn usage<'a>(case: &'a Case<'_>) -> Result<Usage<'a>, String> {
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
    let count: f64 = calls.present().map(|(_, count)| f64::from(count)).sum();
    let busy = calls.present().filter(|(_, count)| *count > 0.0);
    let days: std::collections::BTreeSet<i64> =
        busy.map(|(time_s, _)| time_s.div_euclid(86_400)).collect();
    let longest = case.series(DURATION.metric, Statistic::Maximum).unwrap_or(durations);
    let seen_s = calls.present().next().zip(calls.newest_s());
    let step_s = i64::from(calls.step_s);
    let seen_s = seen_s.map_or(step_s, |((first, _), newest)| newest - first + step_s);
    // A month of the same is no less than what was seen when less than a month was.
    let calls_monthly = count * MONTH_S / (seen_s.max(86_400) as f64);
    Ok(Usage {
        memory,
        memory_max_mb: highest(memory).ok_or("used memory has no points")?,
        calls: count as u64,
        call_days: u32::try_from(days.len()).unwrap_or(u32::MAX),
        calls_monthly: calls_monthly.round() as u64,
        mean_ms: weighted_mean(durations, calls).ok_or("no duration belongs to an invocation")?,
        longest_ms: highest(longest).ok_or("the duration has no points")?,
    })
}

/// The mean duration of an invocation: slots with many invocations count more.
fn weighted_mean(durations: &Series, calls: &Series) -> Option<f64> {
    let pairs = durations
        .present()
        .filter_map(|(time_s, duration)| Some((f64::from(duration), f64::from(calls.at(time_s)?))));
    let (sum, count) = pairs.fold((0.0, 0.0), |(sum, count), (duration, calls)| {
        (sum + duration * calls, count + calls)
    });
    (count > 0.0).then(|| sum / count)
}

/// The smallest size that leaves room for the used memory, is at most half a step down, and cannot time out.
fn size(
    case: &Case<'_>,
    function: &Function,
    usage: &Usage<'_>,
    full: bool,
) -> Result<u32, String> {
    let settings = &case.settings.function;
    let today = function.memory_mb;
    let roomy = usage.memory_max_mb / (1.0 - settings.memory_headroom_ratio);
    let least = (f64::from(today) * STEP_MIN).max(roomy).ceil() as u32;
    let least = least.max(settings.min_memory_mb);
    let rounded = |size: u32| size.div_ceil(MEMORY_MB_STEP).saturating_mul(MEMORY_MB_STEP);
    if full {
        let size = rounded(least).min(MEMORY_MB_MAX);
        return if size > today {
            Ok(size)
        } else {
            Err(format!("{today} MB are used up, and Lambda has no more than {MEMORY_MB_MAX}"))
        };
    }
    let timeout_ms = f64::from(function.timeout_s) * 1_000.0;
    let in_time = |size: &u32| {
        usage.longest_ms * slowdown(today, *size, 1.0) < timeout_ms * TIMEOUT_RATIO_MAX
    };
    let sizes = (rounded(least)..today).step_by(MEMORY_MB_STEP as usize);
    let mut sizes = sizes.skip_while(|size| !in_time(size));
    sizes.next().ok_or_else(|| {
        format!(
            "{today} MB fit: {:.0} MB were used, and runs of {:.0} ms leave no room for a slower CPU",
            usage.memory_max_mb, usage.longest_ms
        )
    })
}

/// How many times longer a run takes at `new` MB when `share` of it waits for CPU: T = a + b / min(m, 1769).
fn slowdown(today: u32, new: u32, share: f64) -> f64 {
    let cpu = f64::from(today.min(FULL_CPU_MB)) / f64::from(new.clamp(1, FULL_CPU_MB));
    1.0 + share * (cpu - 1.0)
}

/// Costs a month; a larger size is assumed to make nothing faster, which states its cost rather too high.
fn costs(
    case: &Case<'_>,
    function: &Function,
    usage: &Usage<'_>,
    desired: u32,
    share: f64,
) -> Option<Costs> {
    let architecture = Architecture::from_api(&function.architecture)?;
    let cost = |memory_mb: u32| {
        let mean_duration_ms =
            usage.mean_ms * slowdown(function.memory_mb, memory_mb, share).max(1.0);
        let invocations_monthly = usage.calls_monthly;
        let usage = FunctionUse { memory_mb, mean_duration_ms, invocations_monthly };
        case.catalog.function_cost_monthly(case.region(), architecture, &usage)
    };
    let ((today, basis), (proposed, other)) = cost(function.memory_mb).zip(cost(desired))?;
    Some(Costs { today, proposed, basis: basis.max(other) })
}

fn finding(case: &Case<'_>, function: &Function, usage: &Usage<'_>, desired: u32) -> Finding {
    let (today, new) = (f64::from(function.memory_mb), f64::from(desired));
    let room = 1.0 - case.settings.function.memory_headroom_ratio;
    let growth = (slowdown(function.memory_mb, desired, CPU_SHARE) - 1.0).max(0.0) * 100.0;
    let high = (slowdown(function.memory_mb, desired, CPU_SHARE_HIGH) - 1.0).max(0.0) * 100.0;
    Finding {
        decisive: vec![MEMORY, CALLS, DURATION],
        dimensions: vec![Dimension {
            name: "memory".to_owned(),
            unit: "MB".to_owned(),
            demand: usage.memory_max_mb / room,
            capacity_today: today,
            capacity_proposed: new,
        }],
        replay: replay(&[ReplayDimension {
            name: "memory",
            step_s: usage.memory.step_s,
            demand: usage.memory.present().map(|(time_s, mb)| (time_s, f64::from(mb))).collect(),
            capacity: new,
        }]),
        capacity_ratio: new / today.max(1.0),
        lowers_performance: new < today,
        invocations: Some(usage.calls),
        invocation_days: Some(usage.call_days),
        notes: vec![format!(
            "how much of a run waits for CPU is not known: the saving assumes runs {growth:.0} % longer, and it stays \
             above a tenth if they become {high:.0} % longer"
        )]
        .into_iter()
        .filter(|_| new < today)
        .collect(),
        ..Finding::default()
    }
}
