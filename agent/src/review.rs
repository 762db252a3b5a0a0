//! Reviewing: probes candidates, then lets the gate decide.
//!
//! Not here: the gate itself (`trimtab_policies::plan`).

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use futures::{
    FutureExt,
    stream::{self, StreamExt},
};
use jiff::Timestamp;
use trimtab_models::{catalog::VcpuQuota, resource::ResourceRef};
use trimtab_policies::{
    approval::Decision,
    facts::Facts,
    plan::{Candidate, Context, Disposition, Moment, Plan, PlanEntry, review},
    vcpus::{in_use, quotas_needed},
};

use crate::{
    agent::Agent,
    ports::Ports,
    probe::{Question, probe},
    records::{self, Draft, RecordError, Shelf},
    view::RecommendationView,
};

/// Records of new proposals in a cycle: writing them takes a second; the others have theirs by the next cycles.
const RECORDS_A_CYCLE_MAX: u32 = 32;

/// Candidates that are probed at once.
const PROBES_AT_ONCE: usize = 16;

/// Probes what the review of each candidate at `moment` needs.
pub async fn probe_all(
    agent: &Agent,
    candidates: Vec<Candidate>,
    moment: Moment,
) -> Vec<Candidate> {
    let settings = agent.settings();
    let (inventory, catalog) = (agent.inventory(), agent.catalog());
    let stop_alarms = &settings.policy.health.stop_alarms;
    let ports = agent.ports();
    let asking = candidates.into_iter().map(|candidate| {
        let arn = &candidate.recommendation.resource.arn;
        let zone = inventory.get(arn).and_then(|resource| resource.zone.clone());
        // Only a larger type needs room in a quota: the machines are counted for those alone.
        let quotas = quotas_needed(&candidate.recommendation, &catalog);
        let place = &candidate.recommendation.resource;
        let in_use = if quotas.is_empty() {
            Ok(BTreeMap::new())
        } else {
            in_use(place, &inventory, agent.ledger().book().changes(), &catalog)
        };
        let seen = Surroundings { zone, quotas, in_use };
        probe_one(&ports, candidate, seen, stop_alarms, moment).boxed()
    });
    stream::iter(asking.collect::<Vec<_>>()).buffered(PROBES_AT_ONCE).collect().await
}

/// What is known of a candidate's neighbourhood before anything is asked.
struct Surroundings {
    zone: Option<String>,
    quotas: BTreeSet<VcpuQuota>,
    in_use: Result<BTreeMap<VcpuQuota, u32>, String>,
}

async fn probe_one(
    ports: &Ports,
    mut candidate: Candidate,
    around: Surroundings,
    stop_alarms: &[String],
    moment: Moment,
) -> Candidate {
    let question = Question {
        recommendation: &candidate.recommendation,
        steps: &candidate.steps,
        zone: around.zone.as_deref(),
        vcpus_in_use: &around.in_use,
        quotas: &around.quotas,
        stop_alarms,
        moment,
    };
    candidate.facts = probe(ports, question).await;
    candidate
}

/// Lets the gate decide on the settings, the inventory and the changes of now, and takes down the decisions on what `wanted`
/// says with all that they rest on.
#[must_use]
pub fn decide(
    agent: &Agent,
    candidates: Vec<Candidate>,
    moment: Moment,
    wanted: impl Fn(&PlanEntry) -> bool,
) -> (Plan, Vec<Result<Draft, RecordError>>) {
    let (settings, catalog, inventory) = (agent.settings(), agent.catalog(), agent.inventory());
    let policy = agent.rights.lowered(&settings.policy);
    // A fleet takes seconds: the journal is free meanwhile.
    let book = agent.ledger().snapshot();
    let context = Context {
        policy: &policy,
        catalog: &catalog,
        inventory: &inventory,
        changes: book.changes(),
        resets: book.resets(),
        exceptions: book.exceptions(),
        stopped: agent.stopped(),
        now: agent.ports().clock.now(),
        moment,
    };
    let plan = review(candidates.clone(), &context);
    let reviewed = |entry: &PlanEntry| candidates.iter().find(|one| one.id == entry.id).cloned();
    let mut granted = Vec::new();
    let mut drafts = Vec::new();
    for entry in &plan.entries {
        if wanted(entry)
            && let Some(candidate) = reviewed(entry)
        {
            drafts.push(records::draft(agent, &context, (&candidate, &granted), entry));
        }
        if entry.decision == Disposition::Apply {
            granted.extend(reviewed(entry));
        }
    }
    (plan, drafts)
}

/// Takes down each decision of a cycle that asks a person for the first time, and keeps it.
///
/// One that cannot be kept is reported, and asked for all the same: the approval is recorded by itself.
#[must_use]
pub fn decide_cycle(agent: &Agent, candidates: Vec<Candidate>) -> Plan {
    let shelf = Shelf::of(agent.state_dir());
    let known = shelf.list().unwrap_or_else(|error| {
        tracing::warn!(%error, "the decision records cannot be listed");
        Vec::new()
    });
    let known: BTreeSet<String> = known.into_iter().map(|kept| kept.recommendation_id).collect();
    let room = Cell::new(RECORDS_A_CYCLE_MAX);
    let asked = |entry: &PlanEntry| {
        let asks = entry.decision == Disposition::AwaitApproval && !known.contains(&entry.id);
        let wanted = asks && room.get() > 0;
        room.set(room.get() - u32::from(wanted));
        wanted
    };
    let (plan, drafts) = decide(agent, candidates, Moment::Proposal, asked);
    for draft in drafts {
        if let Err(error) = draft.and_then(|draft| shelf.keep(&draft)) {
            tracing::warn!(%error, "a decision was not recorded");
        }
    }
    plan
}

/// Removes records that are older than points are kept, but never one that a change in flight was begun by.
pub fn sweep_records(agent: &Agent, now: Timestamp) {
    let needed: BTreeSet<String> = {
        let ledger = agent.ledger();
        let changes = ledger.book().changes().values();
        let kept = changes.filter(|change| change.state.is_open() || change.state.in_flight());
        kept.filter_map(|change| change.record.clone()).collect()
    };
    let days = agent.settings().store.retention_days;
    if let Err(error) = Shelf::of(agent.state_dir()).sweep(now, days, &needed) {
        tracing::warn!(%error, "old decision records were not removed");
    }
}

/// A kept recommendation, reviewed again.
#[derive(Debug)]
pub struct Reviewed {
    /// What the review says.
    pub entry: PlanEntry,
    /// The resource as it was just read, where it could be.
    pub live: Option<ResourceRef>,
    /// What it rests on, to be kept before it is acted on; `None` where it says that nothing may be.
    pub draft: Option<Result<Draft, RecordError>>,
}

impl Reviewed {
    /// Keeps the record; returns its digest.
    ///
    /// # Errors
    /// When the decision cannot be made again from it, or the disk does not take it: it must not be acted on.
    pub fn keep(self, agent: &Agent) -> Result<String, RecordError> {
        let draft = self.draft.expect("only what may be acted on is kept, and that is taken down");
        Shelf::of(agent.state_dir()).keep(&draft?)
    }
}

/// Reviews one kept recommendation again, on fresh facts.
///
/// `decision` is the one that is being made right now, if one is; it counts with all that were journalled.
pub async fn review_one(
    agent: &Agent,
    view: &RecommendationView,
    moment: Moment,
    decision: Option<Decision>,
) -> Reviewed {
    let entry = &view.entry;
    let mut said = agent.ledger().book().said(&entry.digest).to_vec();
    said.extend(decision);
    let candidate = Candidate {
        id: entry.id.clone(),
        digest: entry.digest.clone(),
        recommendation: entry.recommendation.clone(),
        steps: entry.steps.clone(),
        confirmed_at: view.confirmed_at,
        facts: Facts::default(),
        said,
    };
    let probed = probe_all(agent, vec![candidate], moment).await;
    // What is held is reviewed again and again until its time comes: only the review that lets it through is taken down.
    let may_be_acted_on = |entry: &PlanEntry| match entry.decision {
        Disposition::Apply => true,
        Disposition::AwaitApproval => moment == Moment::Approval,
        Disposition::Recommend | Disposition::Withheld => false,
    };
    let live = probed.first().and_then(|one| one.facts.live.as_ref());
    let live = live.map(|fact| fact.value.reference.clone());
    let (plan, mut drafts) = decide(agent, probed, moment, may_be_acted_on);
    let entry = plan.entries.into_iter().next().expect("a review answers for each candidate");
    Reviewed { entry, live, draft: drafts.pop() }
}
