//! Reviewing: probes candidates, then lets the gate decide.
//!
//! Not here: the gate itself (`trimtab_policies::plan`).

use futures::{
    FutureExt,
    stream::{self, StreamExt},
};
use trimtab_policies::{
    approval::Decision,
    facts::Facts,
    plan::{Candidate, Context, Moment, Plan, PlanEntry, review},
};

use crate::{
    agent::Agent,
    ports::Ports,
    probe::{Question, probe},
    view::RecommendationView,
};

/// Candidates that are probed at once.
const PROBES_AT_ONCE: usize = 16;

/// Probes what the review of each candidate at `moment` needs.
pub async fn probe_all(
    agent: &Agent,
    candidates: Vec<Candidate>,
    moment: Moment,
) -> Vec<Candidate> {
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

/// Lets the gate decide on the settings, the inventory and the changes of now.
#[must_use]
pub fn decide(agent: &Agent, candidates: Vec<Candidate>, moment: Moment) -> Plan {
    let (settings, catalog, inventory) = (agent.settings(), agent.catalog(), agent.inventory());
    let ledger = agent.ledger();
    let context = Context {
        policy: &settings.policy,
        catalog: &catalog,
        inventory: &inventory,
        changes: ledger.book().changes(),
        resets: ledger.book().resets(),
        stopped: agent.stopped(),
        now: agent.ports().clock.now(),
        moment,
    };
    review(candidates, &context)
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
