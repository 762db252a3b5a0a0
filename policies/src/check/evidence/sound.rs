//! `evidence`, for what would be made smaller by itself: all telemetry of the resource must be sound, not only the series
//! that the size was chosen by.
//!
//! A publisher that fails seldom fails alone, and nobody looks before autopilot acts. Not here: the decisive series, which
//! must be sound in every mode (the parent).

use trimtab_models::{
    metric::{Measure, Metric, Statistic},
    recommendation::{Action, SeriesEvidence},
};

use super::{PERIODS, PUBLICATION_DELAY_S, is_uncovered, reason_of_age, rests_on_none};
use crate::{
    check::{Reason, Subject},
    mode::Mode,
    plan::Moment,
};

/// How many more points one series may have than another that is published with it: what is still on its way.
const POINTS_AHEAD_MAX: f64 = 1.02;

/// Why the telemetry is not sound enough to act on alone.
pub(super) fn reasons(subject: &Subject<'_>) -> Vec<Reason> {
    let recommendation = subject.recommendation();
    let grows = recommendation.evidence.capacity_ratio > 1.0;
    // An idle machine is never stopped without a person's word, whatever the mode.
    let asks = recommendation.action == Action::StopIdleInstance;
    if subject.mode != Mode::Autopilot || asks || grows || rests_on_none(recommendation) {
        return Vec::new();
    }
    let series = &recommendation.evidence.series;
    let find = |measure| series.iter().find(|one| one.measure == measure && one.points > 0);
    let mut reasons = Vec::new();
    for measure in Measure::of(recommendation.resource.kind) {
        match find(measure) {
            Some(series) => reasons.extend(reason_unsound(subject, series)),
            None if is_always_published(measure.metric) => {
                reasons.push(format!("{measure} has no points, although it is always published"));
            }
            None => {}
        }
    }
    reasons.extend(reasons_at_odds(&|metric, statistic| find(Measure { metric, statistic })));
    reasons.into_iter().map(Reason::fail).collect()
}

/// Whether AWS publishes the metric of every such resource in use. Memory comes from an agent or an extension, the EBS
/// metrics of instances from Nitro types only, and the number of members is published on request.
const fn is_always_published(metric: Metric) -> bool {
    match metric {
        Metric::InstanceCpu
        | Metric::InstanceNetworkIn
        | Metric::InstanceNetworkOut
        | Metric::VolumeReadOps
        | Metric::VolumeWriteOps
        | Metric::VolumeReadBytes
        | Metric::VolumeWriteBytes
        | Metric::FunctionInvocations
        | Metric::FunctionErrors
        | Metric::FunctionThrottles
        | Metric::FunctionDuration
        | Metric::GroupCpu => true,
        Metric::InstanceMemory
        | Metric::InstanceEbsReadBytes
        | Metric::InstanceEbsWriteBytes
        | Metric::InstanceEbsReadOps
        | Metric::InstanceEbsWriteOps
        | Metric::FunctionMemory
        | Metric::GroupInService => false,
    }
}

/// How a metric looks on the best of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// Never zero for weeks, and never the same for weeks.
    Moving,
    /// Zero for weeks where nothing is read or written, else moving.
    Traffic,
    /// A count or a rounded figure: the same for weeks, and even zero.
    Count,
}

const fn nature(metric: Metric) -> Nature {
    match metric {
        Metric::InstanceCpu
        | Metric::InstanceMemory
        | Metric::InstanceNetworkIn
        | Metric::InstanceNetworkOut
        | Metric::FunctionDuration
        | Metric::GroupCpu => Nature::Moving,
        Metric::InstanceEbsReadBytes
        | Metric::InstanceEbsWriteBytes
        | Metric::InstanceEbsReadOps
        | Metric::InstanceEbsWriteOps
        | Metric::VolumeReadOps
        | Metric::VolumeWriteOps
        | Metric::VolumeReadBytes
        | Metric::VolumeWriteBytes => Nature::Traffic,
        Metric::FunctionInvocations
        | Metric::FunctionErrors
        | Metric::FunctionThrottles
        | Metric::FunctionMemory
        | Metric::GroupInService => Nature::Count,
    }
}

fn reason_unsound(subject: &Subject<'_>, series: &SeriesEvidence) -> Option<String> {
    let measure = series.measure;
    let figures = [series.p50, series.p95, series.p99_5, series.max];
    if figures.iter().flatten().any(|figure| !figure.is_finite()) {
        return Some(format!("{measure} holds values that are not finite numbers"));
    }
    if is_uncovered(subject, series) {
        return Some(format!("{measure} covers too little of the running time"));
    }
    let rules = &subject.context.policy.evidence;
    let period_s = i64::from(series.step_s);
    let limit_s = PERIODS * period_s + PUBLICATION_DELAY_S + i64::from(rules.collection_interval_s);
    // Later only the decisive series are fetched again; a proposal that nobody confirms expires.
    let newest = series.newest_at.filter(|_| subject.context.moment == Moment::Proposal);
    let age = newest.and_then(|at| reason_of_age(at, subject.now(), limit_s, period_s));
    if let Some(text) = age {
        return Some(format!("{measure}: {text}"));
    }
    // Nothing that moves repeats itself in nearly half of its points.
    let is_flat = series.points > 1 && series.p50 == series.p95;
    match nature(measure.metric) {
        Nature::Moving if series.flat_zero || is_flat => {
            Some(format!("{measure} is flat, as of a publisher that hangs"))
        }
        Nature::Traffic if is_flat && series.p50.is_some_and(|p50| p50 > 0.0) => {
            Some(format!("{measure} is flat, as of a publisher that hangs"))
        }
        Nature::Moving | Nature::Traffic | Nature::Count => None,
    }
}

/// Series that are published together and tell different stories.
fn reasons_at_odds<'a>(
    find: &dyn Fn(Metric, Statistic) -> Option<&'a SeriesEvidence>,
) -> Vec<String> {
    let twins = [
        (Metric::InstanceEbsReadOps, Metric::InstanceEbsReadBytes),
        (Metric::InstanceEbsWriteOps, Metric::InstanceEbsWriteBytes),
        (Metric::InstanceEbsReadOps, Metric::InstanceEbsWriteOps),
        (Metric::VolumeReadOps, Metric::VolumeReadBytes),
        (Metric::VolumeWriteOps, Metric::VolumeWriteBytes),
    ];
    let mut reasons = Vec::new();
    for (one, other) in twins {
        let (first, second) = (find(one, Statistic::Sum), find(other, Statistic::Sum));
        let (Some(first), Some(second)) = (first, second) else {
            if let Some(alone) = first.or(second) {
                reasons.push(format!("{} has points, what comes with it has none", alone.measure));
            }
            continue;
        };
        // Reads and writes may rest apart; operations and bytes of the same way cannot.
        let same_way = !(one == Metric::InstanceEbsReadOps && other == Metric::InstanceEbsWriteOps);
        if same_way && first.flat_zero != second.flat_zero {
            reasons.push(format!("{} and {} contradict each other", first.measure, second.measure));
        }
    }
    let calls = find(Metric::FunctionInvocations, Statistic::Sum);
    let durations = find(Metric::FunctionDuration, Statistic::Average);
    if let (Some(calls), Some(durations)) = (calls, durations)
        && durations.points as f64 > calls.points as f64 * POINTS_AHEAD_MAX
    {
        reasons.push(format!("{} was seen where no call was counted", durations.measure));
    }
    reasons
}
