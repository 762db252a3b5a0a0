//! THE flow: one turn of the agent. Read it top to bottom; each line is a stage, and the pure ones decide.
//!
//! Not here: what a stage does inside (its own file) and when a cycle runs (`daemon`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use thiserror::Error;
use trimtab_models::resource::{Arn, Resource};
use trimtab_policies::plan::{Moment, Plan};

use crate::{
    agent::Agent,
    begin::begin_all,
    disk::{DiskError, require_room},
    ledger::LedgerError,
    observe::{CollectReport, Discovered, collect, discover, service_failure},
    ports::Place,
    propose::{keep_plan, propose, settle_ladders},
    recommend::recommend_all,
    records::RecordError,
    review::{decide_cycle, probe_all, sweep_records},
    rights::refresh_rights,
    series_store::SeriesError,
    store::StoreError,
    view::{CycleView, PlanView, ServiceFailure, held_by},
};

/// How old the catalogue's instance types may be.
const CATALOG_AGE: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// Why a cycle was given up.
#[derive(Debug, Error)]
pub enum CycleError {
    /// The store.
    #[error("the cycle stopped because the store failed")]
    Store(#[from] StoreError),
    /// The series.
    #[error("the cycle stopped because the series could not be made durable")]
    Series(#[from] SeriesError),
    /// The disk.
    #[error("no cycle runs while the disk is nearly full")]
    Disk(#[from] DiskError),
    /// What a decision rests on.
    #[error("nothing was begun because the decision could not be recorded")]
    Record(#[from] RecordError),
    /// The journal.
    #[error("the cycle stopped because the journal failed")]
    Ledger(#[from] LedgerError),
}

/// Whether a cycle may begin changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// What the plan says `apply` is begun.
    Allowed,
    /// The plan is shown, nothing else.
    Never,
}

/// One turn: discover, collect, fit, recommend, probe, review, report, and begin what may begin.
///
/// # Errors
/// When what was seen or decided cannot be kept; a part of AWS that does not answer is a line in the report instead.
pub async fn run_cycle(agent: &Agent, begin: Begin) -> Result<PlanView, CycleError> {
    let started_at = agent.ports().clock.now();
    require_room(agent.state_dir(), agent.settings().store.min_free_bytes)?;
    let discovered = discover_all(agent, started_at).await;
    let not_refreshed = refresh_catalog(agent, &discovered.closed, started_at).await;
    let inventory = keep_inventory(agent, discovered.resources)?;
    refresh_rights(agent, started_at).await;
    let collected = collect_all(agent, (&inventory, &discovered.closed), started_at).await?;
    let findings = tokio::task::block_in_place(|| recommend_all(agent, &inventory, started_at));
    let (candidates, unbuildable) = propose(agent, &findings, &inventory, started_at)?;
    let candidates = probe_all(agent, candidates, Moment::Proposal).await;
    let candidates = settle_ladders(agent, candidates, &inventory, started_at)?;
    let plan = decide_cycle(agent, candidates);
    sweep_records(agent, started_at);
    keep_plan(agent, &plan, &inventory)?;
    let begun =
        if begin == Begin::Allowed { begin_all(agent, &plan.entries).await? } else { Vec::new() };
    let cycle = CycleView {
        started_at,
        ended_at: agent.ports().clock.now(),
        resources: count_kinds(&inventory),
        series_requested: collected.requested,
        points_received: collected.points,
        billed_metrics: collected.billed,
        failures: discovered
            .failures
            .into_iter()
            .chain(not_refreshed)
            .chain(collected.failures)
            .collect(),
        not_sized: findings.not_sized.into_iter().chain(unbuildable).collect(),
        begun,
    };
    report(agent, &cycle, &plan);
    Ok(PlanView { cycle, recommendations: plan.entries })
}

/// Once a day the instance types are read from each region, through a place that is open: new types, and what AWS
/// corrects of old ones. A region that does not answer is asked again by the next cycle.
async fn refresh_catalog(
    agent: &Agent,
    closed: &BTreeSet<Place>,
    now: Timestamp,
) -> Vec<ServiceFailure> {
    let fresh = agent.catalog_refreshed_at().is_some_and(|at| now.duration_since(at) < CATALOG_AGE);
    let mut regions = BTreeMap::new();
    for place in agent.places().into_iter().filter(|place| !closed.contains(place)) {
        regions.entry(place.region.clone()).or_insert(place);
    }
    if fresh || regions.is_empty() {
        return Vec::new();
    }
    let (mut catalog, mut failures) = ((*agent.catalog()).clone(), Vec::new());
    for place in regions.values() {
        match agent.ports().observe.instance_types(place).await {
            Ok(types) => catalog.replace_types(types),
            Err(failure) => failures.push(service_failure(place, "instance-types", &failure)),
        }
    }
    agent.set_catalog(catalog);
    if failures.is_empty() {
        *agent.catalog_refreshed_at() = Some(now);
    }
    failures
}

async fn discover_all(agent: &Agent, now: Timestamp) -> Discovered {
    discover(agent.ports().observe.as_ref(), &agent.places(), &agent.inventory(), now).await
}

fn keep_inventory(
    agent: &Agent,
    resources: BTreeMap<Arn, Resource>,
) -> Result<Arc<BTreeMap<Arn, Resource>>, StoreError> {
    let inventory = Arc::new(resources);
    agent.store().replace_inventory(&inventory)?;
    agent.set_inventory(Arc::clone(&inventory));
    Ok(inventory)
}

async fn collect_all(
    agent: &Agent,
    asked: (&BTreeMap<Arn, Resource>, &BTreeSet<Place>),
    now: Timestamp,
) -> Result<CollectReport, CycleError> {
    let mut collected = agent.store().collected()?;
    let collecting = agent.collecting();
    let observe = agent.ports().observe;
    let report =
        collect(observe.as_ref(), asked, collecting, &mut collected, &agent.series, now).await;
    // Points first, then how far they go: a crash in between fetches them once more.
    let kept_s = i64::from(agent.settings().store.retention_days) * 86_400;
    let mut series = agent.series_mut();
    series.retain_from(now.as_second() - kept_s)?;
    series.flush()?;
    drop(series);
    agent.store().replace_collected(&collected)?;
    Ok(report)
}

fn count_kinds(inventory: &BTreeMap<Arn, Resource>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for resource in inventory.values() {
        *counts.entry(resource.reference.kind.as_str().to_owned()).or_insert(0) += 1;
    }
    counts
}

fn report(agent: &Agent, cycle: &CycleView, plan: &Plan) {
    for failure in &cycle.failures {
        tracing::warn!(
            failure.account,
            failure.region,
            failure.service,
            failure.error,
            "not everything was seen"
        );
    }
    for entry in &plan.entries {
        tracing::debug!(
            id = entry.id, arn = %entry.recommendation.resource.arn, action = %entry.recommendation.action,
            mode = %entry.mode, decision = %entry.decision, held = ?held_by(entry), "decided"
        );
    }
    let resources: u64 = cycle.resources.values().sum();
    tracing::info!(
        resources,
        series = cycle.series_requested,
        points = cycle.points_received,
        recommendations = plan.entries.len(),
        begun = cycle.begun.len(),
        failures = cycle.failures.len(),
        "cycle done"
    );
    agent.set_last_cycle(cycle.clone());
}
