//! THE flow: one turn of the agent. Read it top to bottom; each line is a stage, and the pure ones decide.
//!
//! Not here: what a stage does inside (its own file) and when a cycle runs (`daemon`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{
    FutureExt,
    stream::{self, StreamExt},
};
use jiff::Timestamp;
use thiserror::Error;
use trimtab_models::{
    recommendation::{NotSized, Recommendation},
    resource::{Arn, Resource},
};
use trimtab_policies::{
    approval::{Decision, Verdict},
    change::{Change, Opening},
    digest::{digest, id},
    facts::Facts,
    plan::{Candidate, Context, Disposition, Moment, Plan, PlanEntry, review},
    record::Entry,
    scope::group_of,
    steps::{reason_not_buildable, steps},
};

use crate::{
    agent::Agent,
    disk::{DiskError, require_room},
    ledger::{LedgerError, SELF},
    observe::{CollectReport, Discovered, collect, discover, service_failure},
    ports::{Place, Ports},
    probe::{Question, probe},
    recommend::{Findings, recommend_all},
    series_store::SeriesError,
    store::StoreError,
    view::{CycleView, PlanView, RecommendationState, RecommendationView, ServiceFailure, held_by},
};

/// Candidates that are probed at once.
const PROBES_AT_ONCE: usize = 16;
/// An open proposal keeps its desired spec unless the new one saves this much more.
const CALM_RATIO: f64 = 1.1;
/// How long an approved recommendation that was held back waits for its next try.
const HELD_PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);
/// How old the catalogue's instance types may be.
const CATALOG_AGE: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// How long a recommendation that is no longer open stays visible, days.
const KEPT_DAYS: i64 = 90;

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
    let collected = collect_all(agent, (&inventory, &discovered.closed), started_at).await?;
    let findings = tokio::task::block_in_place(|| recommend_all(agent, &inventory, started_at));
    let (candidates, unbuildable) = propose(agent, &findings, &inventory, started_at)?;
    let candidates = probe_all(agent, candidates, Moment::Proposal).await;
    let plan = decide(agent, candidates, Moment::Proposal);
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

/// Turns recommendations into candidates: steps, digest, calm ids, and what people have said so far.
fn propose(
    agent: &Agent,
    findings: &Findings,
    inventory: &BTreeMap<Arn, Resource>,
    now: Timestamp,
) -> Result<(Vec<Candidate>, Vec<NotSized>), StoreError> {
    let open: BTreeMap<_, _> = agent
        .store()
        .recommendations()?
        .into_values()
        .filter(|view| view.state.is_open())
        .map(|view| {
            let recommendation = &view.entry.recommendation;
            (
                (recommendation.resource.arn.clone(), recommendation.action),
                view.entry.recommendation.clone(),
            )
        })
        .collect();
    let (mut candidates, mut unbuildable) = (Vec::new(), Vec::new());
    for recommendation in &findings.recommendations {
        let arn = &recommendation.resource.arn;
        let Some(resource) = inventory.get(arn) else { continue };
        let recommendation = calm(recommendation, open.get(&(arn.clone(), recommendation.action)));
        match reason_not_buildable(&recommendation, resource) {
            Some(reason) => unbuildable.push(NotSized { arn: arn.clone(), reason }),
            None => candidates.push(candidate(agent, recommendation, resource, now)),
        }
    }
    Ok((candidates, unbuildable))
}

/// An open proposal stays what it is while the new one asks for less capacity but hardly saves more: ids stay calm.
///
/// One that asks for *more* capacity is taken at once.
fn calm(new: &Recommendation, open: Option<&Recommendation>) -> Recommendation {
    let Some(open) =
        open.filter(|open| open.expected == new.expected && open.desired != new.desired)
    else {
        return new.clone();
    };
    let (Some(new_saving), Some(open_saving)) = (new.saving, open.saving) else {
        return new.clone();
    };
    let hardly_more =
        new_saving >= open_saving && new_saving.dollars() < open_saving.dollars() * CALM_RATIO;
    if !hardly_more {
        return new.clone();
    }
    let mut kept = open.clone();
    // What was seen is today's; what it was compared with stays the proposal's own.
    kept.evidence.series.clone_from(&new.evidence.series);
    (kept.evidence.from, kept.evidence.until) = (new.evidence.from, new.evidence.until);
    kept.evidence.days_seen = new.evidence.days_seen;
    kept.evidence.seasons.clone_from(&new.evidence.seasons);
    kept.resource = new.resource.clone();
    kept
}

fn candidate(
    agent: &Agent,
    recommendation: Recommendation,
    resource: &Resource,
    now: Timestamp,
) -> Candidate {
    let steps = steps(&recommendation, resource);
    let digest = digest(&recommendation, &steps);
    let book = agent.ledger();
    let decision = book
        .book()
        .decision(&digest, &recommendation.resource.arn, recommendation.action, now)
        .cloned();
    Candidate {
        id: id(&digest),
        digest,
        recommendation,
        steps,
        confirmed_at: now,
        facts: Facts::default(),
        decision,
    }
}

async fn probe_all(agent: &Agent, candidates: Vec<Candidate>, moment: Moment) -> Vec<Candidate> {
    let settings = agent.settings();
    let inventory = agent.inventory();
    let stop_alarms = &settings.policy.health.stop_alarms;
    let ports = agent.ports();
    let asking = candidates.into_iter().map(|candidate| {
        let arn = &candidate.recommendation.resource.arn;
        let zone = inventory.get(arn).and_then(|resource| resource.zone.clone());
        probe_one(&ports, candidate, zone, stop_alarms, moment).boxed()
    });
    stream::iter(asking.collect::<Vec<_>>()).buffered(PROBES_AT_ONCE).collect().await
}

async fn probe_one(
    ports: &Ports,
    mut candidate: Candidate,
    zone: Option<String>,
    stop_alarms: &[String],
    moment: Moment,
) -> Candidate {
    let question = Question {
        recommendation: &candidate.recommendation,
        steps: &candidate.steps,
        zone: zone.as_deref(),
        stop_alarms,
        moment,
    };
    candidate.facts = probe(ports, question).await;
    candidate
}

fn decide(agent: &Agent, candidates: Vec<Candidate>, moment: Moment) -> Plan {
    let (settings, catalog, inventory) = (agent.settings(), agent.catalog(), agent.inventory());
    let ledger = agent.ledger();
    let context = Context {
        policy: &settings.policy,
        catalog: &catalog,
        inventory: &inventory,
        changes: ledger.book().changes(),
        stopped: agent.stopped(),
        now: agent.ports().clock.now(),
        moment,
    };
    review(candidates, &context)
}

/// Keeps every recommendation with where it now stands; what is not confirmed any more is closed, not forgotten.
fn keep_plan(
    agent: &Agent,
    plan: &Plan,
    inventory: &BTreeMap<Arn, Resource>,
) -> Result<(), StoreError> {
    let mut all = agent.store().recommendations()?;
    for entry in &plan.entries {
        let view = view_of(agent, entry, all.get(&entry.id), inventory, plan.at);
        all.insert(entry.id.clone(), view);
    }
    for view in all.values_mut().filter(|view| view.state.is_open() && view.confirmed_at < plan.at)
    {
        let recommendation = &view.entry.recommendation;
        let replaced = plan.entries.iter().any(|entry| {
            entry.recommendation.resource.arn == recommendation.resource.arn
                && entry.recommendation.action == recommendation.action
        });
        view.state =
            if replaced { RecommendationState::Superseded } else { RecommendationState::Expired };
    }
    let oldest =
        plan.at.saturating_sub(jiff::SignedDuration::from_hours(24 * KEPT_DAYS)).unwrap_or(plan.at);
    all.retain(|_, view| view.state.is_open() || view.confirmed_at >= oldest);
    let seq = agent.ledger().last_seq();
    let mut store = agent.store();
    store.replace_recommendations(&all)?;
    store.commit(seq)?;
    store.trust();
    Ok(())
}

fn view_of(
    agent: &Agent,
    entry: &PlanEntry,
    known: Option<&RecommendationView>,
    inventory: &BTreeMap<Arn, Resource>,
    at: Timestamp,
) -> RecommendationView {
    let recommendation = &entry.recommendation;
    let ledger = agent.ledger();
    let decision = ledger.book().decision(
        &entry.digest,
        &recommendation.resource.arn,
        recommendation.action,
        at,
    );
    let verdict = decision.map(|decision| decision.verdict);
    let state = RecommendationView::state_of(
        entry.decision,
        verdict == Some(Verdict::Approved),
        verdict == Some(Verdict::Rejected),
    );
    RecommendationView {
        entry: entry.clone(),
        state,
        first_seen_at: known.map_or(at, |view| view.first_seen_at),
        confirmed_at: at,
        zone: inventory
            .get(&recommendation.resource.arn)
            .and_then(|resource| resource.zone.clone()),
        decided: decision.map(|decision| match decision.verdict {
            Verdict::Approved => format!("approved by {}", decision.by),
            Verdict::Rejected => format!("rejected by {}", decision.by),
        }),
        change_id: known.and_then(|view| view.change_id.clone()),
    }
}

/// Reviews one kept recommendation again, on fresh facts.
///
/// `decision` is the one that is being made right now, if one is; else the journalled one counts.
pub async fn review_one(
    agent: &Agent,
    view: &RecommendationView,
    moment: Moment,
    decision: Option<Decision>,
) -> PlanEntry {
    let entry = &view.entry;
    let now = agent.ports().clock.now();
    let decision = decision.or_else(|| {
        let recommendation = &entry.recommendation;
        let ledger = agent.ledger();
        ledger
            .book()
            .decision(&entry.digest, &recommendation.resource.arn, recommendation.action, now)
            .cloned()
    });
    let candidate = Candidate {
        id: entry.id.clone(),
        digest: entry.digest.clone(),
        recommendation: entry.recommendation.clone(),
        steps: entry.steps.clone(),
        confirmed_at: view.confirmed_at,
        facts: Facts::default(),
        decision,
    };
    let probed = probe_all(agent, vec![candidate], moment).await;
    decide(agent, probed, moment)
        .entries
        .into_iter()
        .next()
        .expect("a review answers for each candidate")
}

/// Begins what the plan says `apply`, one after the other: each is reviewed once more on fresh data and state, and its
/// intent is journalled before anything is written.
///
/// # Errors
/// When the journal or the store fails; nothing more is begun then.
pub async fn begin_all(agent: &Agent, entries: &[PlanEntry]) -> Result<Vec<String>, CycleError> {
    let mut begun = Vec::new();
    for entry in entries.iter().filter(|entry| entry.decision == Disposition::Apply) {
        let Some(view) = agent.store().recommendation(&entry.id)? else { continue };
        begun.extend(begin_one(agent, view).await?);
    }
    Ok(begun)
}

/// Begins every recommendation that is approved and whose time has come.
///
/// # Errors
/// As [`begin_all`].
pub async fn begin_approved(agent: &Agent) -> Result<Vec<String>, CycleError> {
    let now = agent.ports().clock.now();
    let approved: Vec<String> = agent.ledger().book().approved(now).map(id).collect();
    let mut begun = Vec::new();
    for id in approved {
        if agent.held().get(&id).is_some_and(|again_at| now < *again_at) {
            continue;
        }
        let Some(view) = agent.store().recommendation(&id)? else { continue };
        if view.state == RecommendationState::Approved {
            begun.extend(begin_one(agent, view).await?);
        }
    }
    Ok(begun)
}

/// The last gate before the first write. Returns the change's id when it was begun.
async fn begin_one(
    agent: &Agent,
    mut view: RecommendationView,
) -> Result<Option<String>, CycleError> {
    if agent.ports().act.is_none() {
        return Ok(None);
    }
    if let Some(reason) = agent.store().suspicion() {
        tracing::warn!(
            recommendation = view.entry.id,
            reason,
            "not begun: the store is still being rebuilt"
        );
        return Ok(None);
    }
    if let Some(change_id) = open_change_of(agent, &view) {
        // Approved again, or shown as approved after a crash, while the first intent has not written anything yet: the
        // review takes that one for its own, so that it would be begun twice.
        tracing::debug!(recommendation = view.entry.id, change_id, "already begun");
        return Ok(None);
    }
    let entry = review_one(agent, &view, Moment::FirstWrite, None).await;
    let opened = (entry.decision == Disposition::Apply)
        .then(|| open(agent, &entry, view.zone.clone()))
        .transpose()?;
    if opened.is_none() {
        let pause = agent.ports().clock.now().saturating_add(HELD_PAUSE);
        agent.held().insert(entry.id.clone(), pause.unwrap_or(Timestamp::MAX));
    }
    match &opened {
        Some(change) => {
            tracing::info!(change, recommendation = entry.id, arn = %entry.recommendation.resource.arn, "a change begins");
            view.state = RecommendationState::Changed;
            view.change_id = Some(change.clone());
        }
        // Tried again and again: only news is written and told.
        None if held_by(&entry) == view.held_by() => return Ok(None),
        None => tracing::info!(recommendation = entry.id, held = ?held_by(&entry), "not begun"),
    }
    view.entry = entry;
    let seq = agent.ledger().last_seq();
    let store = agent.store();
    store.put_recommendation(&view)?;
    store.commit(seq)?;
    Ok(opened)
}

/// The open change of the same digest, if there is one.
fn open_change_of(agent: &Agent, view: &RecommendationView) -> Option<String> {
    let ledger = agent.ledger();
    ledger
        .book()
        .changes()
        .values()
        .find(|change| change.state.is_open() && change.digest == view.entry.digest)
        .map(|change| change.id.clone())
}

fn open(agent: &Agent, entry: &PlanEntry, zone: Option<String>) -> Result<String, LedgerError> {
    let floor = agent.settings().store.min_free_bytes;
    require_room(agent.state_dir(), floor).map_err(LedgerError::Disk)?;
    let now = agent.ports().clock.now();
    let settings = agent.settings();
    let inventory = agent.inventory();
    let recommendation = entry.recommendation.clone();
    let arn = &recommendation.resource.arn;
    let group = inventory.get(arn).map_or_else(
        || arn.0.clone(),
        |resource| group_of(resource, &inventory, &settings.policy.limits),
    );
    let mut ledger = agent.ledger();
    let approver = ledger
        .book()
        .decision(&entry.digest, arn, recommendation.action, now)
        .map(|decision| decision.by.clone());
    let opening = Opening {
        recommendation_id: entry.id.clone(),
        digest: entry.digest.clone(),
        group,
        zone,
        mode: entry.mode,
        approver,
        steps: entry.steps.clone(),
    };
    let change = Change::open(opening, recommendation, now);
    let change_id = change.id.clone();
    ledger.record(now, SELF, Entry::Opened { change: Box::new(change) })?;
    Ok(change_id)
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
