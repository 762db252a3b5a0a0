//! Proposing: from recommendations to candidates with steps, digest and calm ids; and keeping where each stands.
//!
//! Not here: what is recommended (`recommend`) and what may be done about it (`review`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use trimtab_models::{
    recommendation::{NotSized, Recommendation},
    resource::{Arn, Resource},
};
use trimtab_policies::{
    approval::Verdict,
    digest::{digest, id},
    exception::{Exception, Proposed},
    facts::Facts,
    plan::{Candidate, Plan, PlanEntry},
    record::Entry,
    steps::{reason_not_buildable, steps, watched_by},
};

use crate::{
    agent::Agent,
    cycle::CycleError,
    held::held_since,
    ledger::{Ledger, LedgerError, SELF},
    recommend::Findings,
    store::StoreError,
    told::{excepted, told},
    view::{RecommendationState, RecommendationView, held_by},
};

/// An open proposal keeps its desired spec unless the new one saves this much more.
const CALM_RATIO: f64 = 1.1;
/// How long a recommendation that is no longer open stays visible, days.
const KEPT_DAYS: i64 = 90;

/// Turns recommendations into candidates: steps, digest, calm ids, and what people have said so far.
pub fn propose(
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

/// Takes out of each ladder what the zone does not offer, once that was asked: the other types are as good as before.
///
/// Where nobody could tell this time, the ladder of the open proposal stays, and with it what was approved.
pub fn settle_ladders(
    agent: &Agent,
    candidates: Vec<Candidate>,
    inventory: &BTreeMap<Arn, Resource>,
    now: Timestamp,
) -> Result<Vec<Candidate>, StoreError> {
    let untold =
        |one: &Candidate| one.facts.offered.is_none() && !one.recommendation.alternates.is_empty();
    let open = if candidates.iter().any(untold) {
        agent.store().recommendations()?
    } else {
        BTreeMap::new()
    };
    let ladder_of = |new: &Recommendation| {
        let mut open = open.values().filter(|view| view.state.is_open());
        let same = open.find(|view| {
            let open = &view.entry.recommendation;
            open.resource.arn == new.resource.arn
                && open.action == new.action
                && open.desired == new.desired
        });
        same.map(|view| view.entry.recommendation.alternates.clone())
    };
    let settle = |old: Candidate| {
        let mut recommendation = only_offered(old.recommendation.clone(), &old.facts);
        if old.facts.offered.is_none()
            && let Some(ladder) = ladder_of(&recommendation)
        {
            recommendation.alternates = ladder;
        }
        let resource = inventory.get(&recommendation.resource.arn);
        match resource.filter(|_| recommendation != old.recommendation) {
            Some(resource) => {
                Candidate { facts: old.facts, ..candidate(agent, recommendation, resource, now) }
            }
            None => old,
        }
    };
    Ok(candidates.into_iter().map(settle).collect())
}

/// The recommendation without the alternates that the zone is known not to offer, or was not asked for.
pub(crate) fn only_offered(mut recommendation: Recommendation, facts: &Facts) -> Recommendation {
    if let Some(offered) = &facts.offered {
        recommendation.alternates.retain(|name| offered.value.get(name) == Some(&true));
    }
    recommendation
}

/// An open proposal stays what it is while the new one asks for less capacity but hardly saves more: ids stay calm.
///
/// One that asks for *more* capacity is taken at once.
pub(crate) fn calm(new: &Recommendation, open: Option<&Recommendation>) -> Recommendation {
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
    kept.evidence.seasons_tested_h.clone_from(&new.evidence.seasons_tested_h);
    kept.evidence.forecast.clone_from(&new.evidence.forecast);
    kept.evidence.outlook.clone_from(&new.evidence.outlook);
    kept.resource = new.resource.clone();
    kept
}

fn candidate(
    agent: &Agent,
    recommendation: Recommendation,
    resource: &Resource,
    now: Timestamp,
) -> Candidate {
    let alarms = &agent.settings().policy.health.stop_alarms;
    let steps = watched_by(steps(&recommendation, resource), alarms);
    let digest = digest(&recommendation, &steps);
    let said = agent.ledger().book().said(&digest).to_vec();
    Candidate {
        id: id(&digest),
        digest,
        recommendation,
        steps,
        confirmed_at: now,
        facts: Facts::default(),
        said,
    }
}

/// Keeps every recommendation with where it now stands; what is not confirmed any more is closed, not forgotten.
///
/// The store is held from the first read to the last write: what a person decides meanwhile is journalled, and shown once
/// the plan is kept. The journal is read while the store is held; nobody takes the store while holding the journal.
///
/// # Errors
/// When a value cannot be read or written, or the journal does not take what is void.
pub fn keep_plan(
    agent: &Agent,
    plan: &Plan,
    inventory: &BTreeMap<Arn, Resource>,
) -> Result<(), CycleError> {
    let mut store = agent.store();
    let mut all = store.recommendations()?;
    for entry in &plan.entries {
        let known = all.get(&entry.id);
        if let Some(reason) = reason_void(agent, (entry, known), inventory) {
            void(agent, entry, &reason)?;
        }
        let same = |view: &&RecommendationView| {
            let (one, other) = (&view.entry.recommendation, &entry.recommendation);
            view.state.is_open()
                && one.resource.arn == other.resource.arn
                && one.action == other.action
        };
        let replaced = if known.is_none() { all.values().find(same) } else { None };
        let before = (known, replaced);
        let view = view_of(agent, entry, before, inventory, plan.at);
        tell_recurring(&view, before.0.or(before.1));
        all.insert(entry.id.clone(), view);
    }
    for view in all.values_mut().filter(|view| view.state.is_open() && view.confirmed_at < plan.at)
    {
        let recommendation = &view.entry.recommendation;
        let replaced = plan.entries.iter().any(|entry| {
            entry.recommendation.resource.arn == recommendation.resource.arn
                && entry.recommendation.action == recommendation.action
        });
        let (state, reason) = if replaced {
            (RecommendationState::Superseded, "another proposal took its place")
        } else {
            (RecommendationState::Expired, "no cycle proposes it any more")
        };
        view.state = state;
        void(agent, &view.entry, reason)?;
    }
    let oldest =
        plan.at.saturating_sub(jiff::SignedDuration::from_hours(24 * KEPT_DAYS)).unwrap_or(plan.at);
    all.retain(|_, view| view.state.is_open() || view.confirmed_at >= oldest);
    let seq = agent.ledger().last_seq();
    store.replace_recommendations(&all)?;
    store.commit(seq)?;
    store.trust();
    Ok(())
}

/// Why what was said about a proposal does not count any more although it is made: it was gone for a while, or something that
/// is excepted.
fn reason_void(
    agent: &Agent,
    (entry, known): (&PlanEntry, Option<&RecommendationView>),
    inventory: &BTreeMap<Arn, Resource>,
) -> Option<String> {
    let ledger = agent.ledger();
    if !is_approved_by_some(&ledger, &entry.digest) {
        return None;
    }
    let gone = [RecommendationState::Superseded, RecommendationState::Expired];
    if known.is_some_and(|view| gone.contains(&view.state)) {
        return Some("it was not proposed any more when it came back".to_owned());
    }
    let now = agent.ports().clock.now();
    excepted(ledger.book(), Proposed::entry(entry, inventory), now).map(Exception::words)
}

/// Journals that what was said about a proposal is void, where anybody has approved it: the very same one may come back.
fn void(agent: &Agent, entry: &PlanEntry, reason: &str) -> Result<(), LedgerError> {
    let mut ledger = agent.ledger();
    if !is_approved_by_some(&ledger, &entry.digest) {
        return Ok(());
    }
    tracing::info!(recommendation = entry.id, reason, "its approvals are void");
    let voided = Entry::Voided {
        recommendation_id: entry.id.clone(),
        digest: entry.digest.clone(),
        reason: reason.to_owned(),
    };
    ledger.record(agent.ports().clock.now(), SELF, voided)?;
    Ok(())
}

fn is_approved_by_some(ledger: &Ledger, digest: &str) -> bool {
    ledger.book().said(digest).iter().any(|decision| decision.verdict == Verdict::Approved)
}

/// Tells once, when what is held back begins to recur.
fn tell_recurring(view: &RecommendationView, before: Option<&RecommendationView>) {
    let recurs = |view: &RecommendationView| view.held.as_ref().is_some_and(|held| held.recurring);
    if !recurs(view) || before.is_some_and(recurs) {
        return;
    }
    if let Some(held) = &view.held {
        let (id, arn) = (&view.entry.id, &view.entry.recommendation.resource.arn);
        tracing::warn!(recommendation = id, %arn, by = ?held_by(&view.entry), since = %held.since, cycles = held.cycles, "held back again and again: a person should look");
    }
}

fn view_of(
    agent: &Agent,
    entry: &PlanEntry,
    (known, replaced): (Option<&RecommendationView>, Option<&RecommendationView>),
    inventory: &BTreeMap<Arn, Resource>,
    at: Timestamp,
) -> RecommendationView {
    let recommendation = &entry.recommendation;
    let ledger = agent.ledger();
    let settings = agent.settings();
    let told =
        told(ledger.book(), &settings.policy.approvals, Proposed::entry(entry, inventory), at);
    // While its change is being carried out or watched, the resource may still look as it did before.
    let change_id = known.and_then(|view| view.change_id.clone()).filter(|id| {
        ledger.book().changes().get(id).is_some_and(|change| change.state.in_flight())
    });
    let before = known.or(replaced).and_then(|view| view.held.as_ref());
    let state = if change_id.is_some() {
        RecommendationState::Changed
    } else {
        RecommendationView::state_of(entry.decision, told.is_approved, told.is_rejected)
    };
    RecommendationView {
        entry: entry.clone(),
        state,
        first_seen_at: known.map_or(at, |view| view.first_seen_at),
        confirmed_at: at,
        zone: inventory
            .get(&recommendation.resource.arn)
            .and_then(|resource| resource.zone.clone()),
        decided: told.words.or_else(|| used_up(&ledger, &entry.digest)),
        held: held_since((entry, state), before, &agent.settings().policy.limits, at),
        forecast_now: None,
        change_id,
    }
}

/// What became of an approval that was used up by a change that wrote nothing: it must be given again.
fn used_up(ledger: &Ledger, digest: &str) -> Option<String> {
    let changes = ledger.book().changes().values();
    let newest = changes.filter(|it| it.digest == digest).max_by_key(|it| it.opened_at)?;
    let outcome = newest.outcome.as_ref().filter(|_| newest.is_unwritten())?;
    let approver = newest.approver.as_ref()?;
    let reason = &outcome.reason;
    Some(format!(
        "approved by {approver}, which change `{}` used up ({reason}): approve it again",
        newest.id
    ))
}

#[cfg(test)]
mod tests;
