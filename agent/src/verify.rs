//! Verifying: looks at every change that is watched, or kept provisionally, and journals the verdict.
//!
//! Not here: the verdict itself (`trimtab_policies::watch`) and the steps back (`execute`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{
    metric::{Measure, Metric, Statistic},
    resource::{Kind, Resource},
    series::Series,
};
use trimtab_policies::{
    change::{Change, State, undo_steps},
    record::Event,
    steps::Sighting,
    watch::{Usage, Verdict, Watched, verdict},
};

use crate::{
    agent::Agent,
    execute::sight,
    ledger::LedgerError,
    observe::{SETTLE_S, stored_measures},
    ports::{Fetched, SeriesQuery},
    probe::place_of,
};

/// How long after a change its points are fetched afresh at every look.
const FRESH: SignedDuration = SignedDuration::from_hours(2);
/// CPU at or above this, percent, counts as saturated.
const SATURATED_PERCENT: f32 = 99.0;

/// Looks at every watched change once; returns those that are now being taken back.
///
/// # Errors
/// When a verdict cannot be journalled.
pub async fn verify_all(agent: &Agent) -> Result<Vec<String>, LedgerError> {
    let now = agent.ports().clock.now();
    let watched: Vec<Change> =
        agent.ledger().book().changes().values().filter(|change| is_due(change)).cloned().collect();
    let mut undone = Vec::new();
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
        let Some(event) = event_of(&change, verdict(&change, &seen, now)) else { continue };
        let undoing = matches!(event, Event::UndoBegun { .. });
        if record_if_unmoved(agent, &change, event)? && undoing {
            undone.push(change.id);
        }
    }
    Ok(undone)
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
        tracing::info!(change = change.id, arn = %change.recommendation.resource.arn, ?event, "verdict");
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
    let (before, after) = match &live {
        Sighting::Present(resource) => usage(agent, change, resource, now).await,
        Sighting::Absent | Sighting::Unknown(_) => (Usage::default(), Usage::default()),
    };
    Watched { live, status, alarms, before, after }
}

/// Usage in the look-back before the change, and since its last step.
///
/// In the first hours the points are fetched afresh, so that harm shows within minutes; later those of the regular
/// collections do, because every metric fetched is billed.
async fn usage(
    agent: &Agent,
    change: &Change,
    resource: &Resource,
    now: Timestamp,
) -> (Usage, Usage) {
    let collecting = agent.collecting();
    let step = i64::from(collecting.step_s);
    let before = baseline(agent, change, resource);
    let applied_at = change.applied_at.unwrap_or(change.opened_at);
    let after_s = (applied_at.as_second() + step).div_euclid(step) * step;
    let until_s = (now.as_second() - SETTLE_S).div_euclid(step) * step;
    if until_s <= after_s {
        return (before, Usage::default());
    }
    let after = if now.duration_since(applied_at) < FRESH {
        fetch(agent, change, resource, (after_s, until_s)).await
    } else {
        let measures = Measure::of(resource.reference.kind).filter(|measure| is_watched(*measure));
        stored_measures(resource, measures, (after_s, until_s), &agent.series).ok()
    };
    (before, after.map_or_else(Usage::default, |series| summarize(&series)))
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
    let usage = stored_measures(resource, measures, (from_s, until_s), &agent.series)
        .map_or_else(|_| Usage::default(), |series| summarize(&series));
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
        Metric::InstanceCpu | Metric::GroupCpu => measure.statistic == Statistic::Average,
        Metric::FunctionInvocations | Metric::FunctionErrors | Metric::FunctionThrottles => true,
        Metric::InstanceMemory
        | Metric::InstanceNetworkIn
        | Metric::InstanceNetworkOut
        | Metric::InstanceEbsReadBytes
        | Metric::InstanceEbsWriteBytes
        | Metric::InstanceEbsReadOps
        | Metric::InstanceEbsWriteOps
        | Metric::VolumeReadOps
        | Metric::VolumeWriteOps
        | Metric::VolumeReadBytes
        | Metric::VolumeWriteBytes
        | Metric::FunctionDuration
        | Metric::FunctionMemory
        | Metric::GroupInService => false,
    }
}

fn summarize(series: &BTreeMap<Measure, Series>) -> Usage {
    let mut usage = Usage::default();
    for (measure, series) in series.iter().filter(|(measure, _)| is_watched(**measure)) {
        let sum: f64 = series.present().map(|(_, value)| f64::from(value)).sum();
        match measure.metric {
            Metric::FunctionInvocations => {
                usage.invocations += sum;
                usage.points += series.present().count() as u64;
            }
            Metric::FunctionErrors | Metric::FunctionThrottles => usage.errors += sum,
            Metric::InstanceCpu | Metric::GroupCpu => {
                usage.points += series.present().count() as u64;
                usage.saturated_points +=
                    series.present().filter(|(_, value)| *value >= SATURATED_PERCENT).count()
                        as u64;
            }
            Metric::InstanceMemory
            | Metric::InstanceNetworkIn
            | Metric::InstanceNetworkOut
            | Metric::InstanceEbsReadBytes
            | Metric::InstanceEbsWriteBytes
            | Metric::InstanceEbsReadOps
            | Metric::InstanceEbsWriteOps
            | Metric::VolumeReadOps
            | Metric::VolumeWriteOps
            | Metric::VolumeReadBytes
            | Metric::VolumeWriteBytes
            | Metric::FunctionDuration
            | Metric::FunctionMemory
            | Metric::GroupInService => {}
        }
    }
    usage
}
