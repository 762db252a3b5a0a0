//! Verifying: looks at every change that is watched, or kept provisionally, and journals the verdict.
//!
//! Not here: the verdict itself (`trimtab_policies::watch`) and the steps back (`execute`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{
    counterfactual::{Compared, Counterfactual, SATURATED_PERCENT, is_usually_off},
    metric::{Measure, Metric, Statistic},
    resource::{InstanceState, Kind, Resource},
    series::Series,
    spec::Spec,
};
use trimtab_policies::{
    change::{Change, State, undo_steps},
    record::Event,
    steps::Sighting,
    watch::{Usage, Verdict, Watched, is_as_left, verdict},
};

use crate::{
    agent::Agent,
    execute::sight,
    ledger::LedgerError,
    observe::{SETTLE_S, stored_measures},
    ports::{Fetched, SeriesQuery},
    probe::place_of,
    saving::measure,
};

/// How long after a change its points are fetched afresh at every look.
const FRESH: SignedDuration = SignedDuration::from_hours(2);
/// Share of a volume's provisioned operations from which it counts as saturated, as for CPU.
const SATURATED_RATIO: f64 = 0.99;
/// Operations a second that a gp2 volume reaches while it has burst credits.
const GP2_BURST_IOPS: u32 = 3_000;
/// When what a change has saved is first measured: with the provisional verdict.
const MEASURED_AFTER: SignedDuration = SignedDuration::from_hours(48);
/// How often it is measured until the final verdict.
const MEASURED_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// How often it is measured after that.
const MEASURED_EVERY_LATER: SignedDuration = SignedDuration::from_hours(7 * 24);
/// For how long it is measured: the series of the look-back before the change are not kept for longer.
const MEASURED_FOR: SignedDuration = SignedDuration::from_hours(60 * 24);

const CPU: Measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };

/// Looks at every watched change once; returns those that are now being taken back.
///
/// # Errors
/// When a verdict cannot be journalled.
pub async fn verify_all(agent: &Agent) -> Result<Vec<String>, LedgerError> {
    let now = agent.ports().clock.now();
    let watched: Vec<Change> =
        agent.ledger().book().changes().values().filter(|change| is_due(change)).cloned().collect();
    let mut undone = Vec::new();
    measure_due(agent, now)?;
    for change in watched {
        if let Some(later) = superseded_by(agent, &change) {
            let reason = format!("{later} changed the resource again");
            record_if_unmoved(
                agent,
                &change,
                Event::Finished { state: State::Kept, reason, provisional: false },
            )?;
            continue;
        }
        let seen = watch(agent, &change, now).await;
        let policy = &agent.settings().policy;
        let Some(event) = event_of(&change, verdict(&change, &seen, policy, now)) else { continue };
        let undoing = matches!(event, Event::UndoBegun { .. });
        if record_if_unmoved(agent, &change, event)? && undoing {
            undone.push(change.id);
        }
    }
    Ok(undone)
}

/// Measures what the changes have saved whose time has come: from the provisional verdict on, for as long as the resource is
/// as it was left.
fn measure_due(agent: &Agent, now: Timestamp) -> Result<(), LedgerError> {
    let due: Vec<Change> = {
        let ledger = agent.ledger();
        let changes = ledger.book().changes().values();
        changes.filter(|change| is_measure_due(change, now)).cloned().collect()
    };
    let inventory = agent.inventory();
    for change in due {
        let resource = inventory.get(&change.recommendation.resource.arn);
        let is_left = match &change.recommendation.desired {
            Spec::Gone { .. } => resource.is_none(),
            Spec::Instance { .. }
            | Spec::Volume(_)
            | Spec::Function { .. }
            | Spec::Group { .. }
            | Spec::Schedule { .. }
            | Spec::Members { .. } => {
                resource.is_some_and(|resource| is_as_left(&change, resource))
            }
        };
        if !is_left || superseded_by(agent, &change).is_some() {
            continue;
        }
        if let Some(realized) = measure(agent, &change, now) {
            agent.ledger().event(now, &change.id, Event::Measured { realized })?;
        }
    }
    Ok(())
}

fn is_measure_due(change: &Change, now: Timestamp) -> bool {
    let Some(applied_at) = change.applied_at else { return false };
    let age = now.duration_since(applied_at);
    let every = match change.state {
        State::Watching => MEASURED_EVERY,
        State::Kept if is_due(change) => MEASURED_EVERY,
        State::Kept | State::Inconclusive => MEASURED_EVERY_LATER,
        State::Queued
        | State::Executing
        | State::Undoing
        | State::Undone
        | State::Conflicted
        | State::Stuck => return false,
    };
    let last = change.realized.map(|realized| realized.until);
    (MEASURED_AFTER..MEASURED_FOR).contains(&age)
        && last.is_none_or(|last| now.duration_since(last) >= every)
}

/// Watched, or kept provisionally.
fn is_due(change: &Change) -> bool {
    change.state == State::Watching
        || (change.state == State::Kept
            && change.outcome.as_ref().is_some_and(|outcome| outcome.provisional))
}

/// A later change of ours to the same resource: from then on nothing can be said about this one any more.
fn superseded_by(agent: &Agent, change: &Change) -> Option<String> {
    let ledger = agent.ledger();
    let mut later = ledger.book().changes().values().filter(|other| {
        other.recommendation.resource.arn == change.recommendation.resource.arn
            && other.opened_at > change.opened_at
            && other.steps.iter().any(|progress| progress.attempts > 0)
    });
    later.next().map(|other| other.id.clone())
}

fn event_of(change: &Change, verdict: Verdict) -> Option<Event> {
    let finished =
        |state, reason, provisional| Some(Event::Finished { state, reason, provisional });
    match verdict {
        Verdict::Continue => None,
        Verdict::WantUndo { reason, automatic } => Some(Event::UndoWanted { reason, automatic }),
        Verdict::Undo(reason) => Some(Event::UndoBegun { reason, steps: undo_steps(change) }),
        Verdict::Keep { provisional, reason } => finished(State::Kept, reason, provisional),
        Verdict::Inconclusive(reason) => finished(State::Inconclusive, reason, false),
        Verdict::Conflicted(reason) => finished(State::Conflicted, reason, false),
    }
}

/// Journals the verdict, unless the change has moved since it was looked at (a person may have begun its undo).
fn record_if_unmoved(agent: &Agent, change: &Change, event: Event) -> Result<bool, LedgerError> {
    let now = agent.ports().clock.now();
    let mut ledger = agent.ledger();
    let unmoved = ledger
        .book()
        .changes()
        .get(&change.id)
        .is_some_and(|current| current.state == change.state);
    if unmoved {
        let arn = &change.recommendation.resource.arn;
        if let Event::UndoWanted { reason, automatic } = &event {
            tracing::warn!(change = change.id, %arn, reason, automatic, "something speaks against a change");
        } else {
            tracing::info!(change = change.id, %arn, ?event, "verdict");
        }
        ledger.event(now, &change.id, event)?;
    }
    Ok(unmoved)
}

async fn watch(agent: &Agent, change: &Change, now: Timestamp) -> Watched {
    let live = sight(&agent.ports(), change).await;
    let place = place_of(&change.recommendation);
    let kind = change.recommendation.resource.kind;
    let id = &change.recommendation.resource_id;
    let status = match kind {
        Kind::Instance => agent.ports().observe.instance_status(&place, id).await.ok().flatten(),
        Kind::Volume | Kind::Function | Kind::Group => None,
    };
    let names = agent.settings().policy.health.stop_alarms.clone();
    let alarms = match names.is_empty() {
        true => Vec::new(),
        false => agent
            .ports()
            .observe
            .alarms(&change.recommendation.resource, id, &names)
            .await
            .unwrap_or_default()
            .into_iter()
            .filter(|alarm| names.contains(&alarm.name))
            .collect(),
    };
    let used = match &live {
        Sighting::Present(resource) => usage(agent, change, resource, now).await,
        Sighting::Absent | Sighting::Unknown(_) => Used::default(),
    };
    let usually_off = match &live {
        Sighting::Present(resource) => stops_at_this_hour(agent, change, resource, now),
        Sighting::Absent | Sighting::Unknown(_) => false,
    };
    Watched {
        live,
        status,
        alarms,
        before: used.before,
        after: used.after,
        compared: used.compared,
        usually_off,
        realized: change.realized,
    }
}

/// Whether a stopped machine usually is at this hour, by the look-back before the change.
fn stops_at_this_hour(agent: &Agent, change: &Change, resource: &Resource, now: Timestamp) -> bool {
    let stopped = resource
        .instance()
        .is_some_and(|one| matches!(one.state, InstanceState::Stopped | InstanceState::Stopping));
    if !stopped {
        return false;
    }
    let collecting = agent.collecting();
    let span = (collecting.start_s(change.opened_at), collecting.end_s(change.opened_at));
    let read = stored_measures(resource, std::iter::once(CPU), span, &agent.series);
    read.ok()
        .and_then(|mut series| series.remove(&CPU))
        .is_some_and(|series| is_usually_off(&series, now.as_second()))
}

/// What was used before a change and since, and the latter beside what would have been.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    before: Usage,
    after: Usage,
    compared: Option<Compared>,
}

/// Usage in the look-back before the change, and since its last step.
///
/// In the first hours the points are fetched afresh, so that harm shows within minutes; later those of the regular
/// collections do, because every metric fetched is billed.
async fn usage(agent: &Agent, change: &Change, resource: &Resource, now: Timestamp) -> Used {
    let collecting = agent.collecting();
    let step = i64::from(collecting.step_s);
    let before = baseline(agent, change, resource);
    let applied_at = change.applied_at.unwrap_or(change.opened_at);
    let after_s = (applied_at.as_second() + step).div_euclid(step) * step;
    let until_s = (now.as_second() - SETTLE_S).div_euclid(step) * step;
    if until_s <= after_s {
        return Used { before, ..Used::default() };
    }
    let after = if now.duration_since(applied_at) < FRESH {
        fetch(agent, change, resource, (after_s, until_s)).await
    } else {
        let measures = Measure::of(resource.reference.kind).filter(|measure| is_watched(*measure));
        stored_measures(resource, measures, (after_s, until_s), &agent.series).ok()
    };
    let Some(series) = after else { return Used { before, ..Used::default() } };
    let compared = Counterfactual::of(&change.recommendation).map(|would| {
        let percent = series.iter().find(|(measure, _)| is_percent(**measure));
        percent.map_or_else(Compared::default, |(_, series)| would.compare(series, after_s))
    });
    Used { before, after: summarize(&series, &change.recommendation.desired), compared }
}

/// Whether a measure is of a share of the capacity, which forecasts are compared in.
fn is_percent(measure: Measure) -> bool {
    matches!(measure.metric, Metric::InstanceCpu | Metric::GroupCpu)
        && measure.statistic == Statistic::Average
}

/// Usage in the look-back before the change, from the store; it does not change any more, so it is worked out once.
fn baseline(agent: &Agent, change: &Change, resource: &Resource) -> Usage {
    if let Some(known) = agent.baselines().get(&change.id) {
        return *known;
    }
    let collecting = agent.collecting();
    let (from_s, until_s) =
        (collecting.start_s(change.opened_at), collecting.end_s(change.opened_at));
    let measures = Measure::of(resource.reference.kind).filter(|measure| is_watched(*measure));
    let usage = stored_measures(resource, measures, (from_s, until_s), &agent.series).map_or_else(
        |_| Usage::default(),
        |series| summarize(&series, &change.recommendation.expected),
    );
    agent.baselines().insert(change.id.clone(), usage);
    usage
}

async fn fetch(
    agent: &Agent,
    change: &Change,
    resource: &Resource,
    (from_s, until_s): (i64, i64),
) -> Option<BTreeMap<Measure, Series>> {
    let kind = resource.reference.kind;
    let queries: Vec<_> = Measure::of(kind)
        .filter(|measure| is_watched(*measure))
        .map(|measure| SeriesQuery {
            kind,
            resource_id: resource.id.clone(),
            measure,
            step_s: agent.collecting().step_s,
            from_s,
            until_s,
        })
        .collect();
    let observe = agent.ports().observe;
    let fetched = observe.series(&place_of(&change.recommendation), &queries).await.ok()?;
    let answered = queries.iter().zip(fetched.results).filter_map(|(query, answer)| match answer {
        Fetched::Complete(points) | Fetched::Partial(points) => Some((query.measure, points)),
        Fetched::Failed(_) => None,
    });
    Some(answered.collect())
}

/// The measures that a verdict rests on.
fn is_watched(measure: Measure) -> bool {
    match measure.metric {
        Metric::InstanceCpu | Metric::GroupCpu | Metric::FunctionDuration => {
            measure.statistic == Statistic::Average
        }
        Metric::FunctionInvocations
        | Metric::FunctionErrors
        | Metric::FunctionThrottles
        | Metric::VolumeReadOps
        | Metric::VolumeWriteOps => measure.statistic == Statistic::Sum,
        Metric::InstanceMemory
        | Metric::InstanceNetworkIn
        | Metric::InstanceNetworkOut
        | Metric::InstanceEbsReadBytes
        | Metric::InstanceEbsWriteBytes
        | Metric::InstanceEbsReadOps
        | Metric::InstanceEbsWriteOps
        | Metric::VolumeReadBytes
        | Metric::VolumeWriteBytes
        | Metric::FunctionMemory
        | Metric::GroupInService => false,
    }
}

/// What the watched series of a resource of this spec come to.
fn summarize(series: &BTreeMap<Measure, Series>, spec: &Spec) -> Usage {
    let of = |metric: Metric| {
        series
            .iter()
            .find(|(measure, _)| measure.metric == metric && is_watched(**measure))
            .map(|(_, one)| one)
    };
    let sum = |metric: Metric| {
        of(metric).map_or(0.0, |one| one.present().map(|(_, value)| f64::from(value)).sum())
    };
    let count = |points: usize| u64::try_from(points).unwrap_or(u64::MAX);
    let mut usage = Usage {
        invocations: sum(Metric::FunctionInvocations),
        errors: sum(Metric::FunctionErrors) + sum(Metric::FunctionThrottles),
        run_ms: run_ms(of(Metric::FunctionInvocations), of(Metric::FunctionDuration)),
        ..Usage::default()
    };
    usage.points = of(Metric::FunctionInvocations).map_or(0, |one| count(one.points()));
    for percent in [Metric::InstanceCpu, Metric::GroupCpu].into_iter().filter_map(of) {
        usage.points += count(percent.points());
        let saturated = percent.present().filter(|(_, value)| *value >= SATURATED_PERCENT);
        usage.saturated_points += count(saturated.count());
    }
    let operations = [Metric::VolumeReadOps, Metric::VolumeWriteOps].map(of);
    if let (Spec::Volume(volume), [Some(reads), Some(writes)]) = (spec, operations) {
        let most = match volume.volume_type.as_str() {
            "gp2" => volume.iops.map(|iops| iops.max(GP2_BURST_IOPS)),
            _ => volume.iops,
        };
        let full = most.map(|iops| f64::from(iops) * SATURATED_RATIO * f64::from(reads.step_s));
        usage.points += count(reads.points());
        let both = reads
            .present()
            .filter_map(|(at, read)| Some(f64::from(read) + f64::from(writes.at(at)?)));
        usage.saturated_points +=
            count(both.filter(|sum| full.is_some_and(|full| *sum >= full)).count());
    }
    usage
}

/// The time that runs took together, milliseconds.
fn run_ms(runs: Option<&Series>, duration: Option<&Series>) -> f64 {
    let (Some(runs), Some(duration)) = (runs, duration) else { return 0.0 };
    let taken = |(at, count): (i64, f32)| Some(f64::from(count) * f64::from(duration.at(at)?));
    runs.present().filter_map(taken).sum()
}
