//! Beginning: the last gate before the first write, and the journalled intent.
//!
//! Not here: carrying out (`execute`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trimtab_config::Account;
use trimtab_models::{
    recommendation::Recommendation,
    resource::{Arn, Resource, ResourceRef, Volume},
};
use trimtab_policies::{
    change::{Access, Change, Opening},
    digest::id,
    exception::Proposed,
    mode::Mode,
    plan::{Disposition, Moment, PlanEntry},
    record::Entry,
    scope::group_of,
};

use crate::{
    agent::Agent,
    cycle::CycleError,
    disk::require_room,
    follow::forecast_now,
    identity::agent_id,
    ledger::{LedgerError, SELF},
    records::RecordError,
    review::{Reviewed, review_one},
    told::{excepted, standing_of},
    view::{RecommendationState, RecommendationView, held_by},
};

/// How long at most a recommendation that was held back before its first write waits for its next try.
const HELD_PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// Begins what the plan says `apply`, one after the other: each is reviewed once more on fresh data and state, and its
/// intent is journalled before anything is written.
///
/// # Errors
/// When the journal or the store fails; nothing more is begun then.
pub async fn begin_all(agent: &Agent, entries: &[PlanEntry]) -> Result<Vec<String>, CycleError> {
    let mut begun = Vec::new();
    hold_until_due(agent, entries);
    for entry in entries.iter().filter(|entry| entry.decision == Disposition::Apply) {
        let Some(view) = agent.store().recommendation(&entry.id)? else { continue };
        begun.extend(begin_one(agent, view).await?);
    }
    Ok(begun)
}

/// Notes when each wait of what autopilot would otherwise begin is over: cycles are too far apart to hit every quiet hour.
fn hold_until_due(agent: &Agent, entries: &[PlanEntry]) {
    let waiting = entries.iter().filter(|entry| is_waiting_by_itself(entry));
    let due = waiting.filter_map(|entry| Some((entry.id.clone(), entry.until?)));
    *agent.held() = due.collect();
}

/// Whether only the time stands between autopilot and a change.
fn is_waiting_by_itself(entry: &PlanEntry) -> bool {
    entry.mode == Mode::Autopilot
        && entry.decision == Disposition::Withheld
        && entry.until.is_some()
}

/// Begins every recommendation that is approved, or autopilot's own, and whose time has come.
///
/// # Errors
/// As [`begin_all`].
pub async fn begin_approved(agent: &Agent) -> Result<Vec<String>, CycleError> {
    let now = agent.ports().clock.now();
    let approved: BTreeSet<String> = agent.ledger().book().approved(now).map(id).collect();
    let held = agent.held().clone();
    let due: BTreeSet<&String> = approved.iter().chain(held.keys()).collect();
    let mut begun = Vec::new();
    for id in due {
        if held.get(id).is_some_and(|again_at| now < *again_at) {
            continue;
        }
        let Some(view) = agent.store().recommendation(id)? else { continue };
        let by_itself =
            view.state == RecommendationState::Proposed && is_waiting_by_itself(&view.entry);
        // The journal says what is approved: a cycle that ends at the same moment may not show it yet.
        let is_approved =
            approved.contains(id) && view.state.is_open() && is_approved(agent, &view.entry, now);
        if by_itself || is_approved {
            begun.extend(begin_one(agent, view).await?);
        }
    }
    Ok(begun)
}

/// Whether as many people as it takes have approved it: nothing is asked of AWS before.
fn is_approved(agent: &Agent, entry: &PlanEntry, now: Timestamp) -> bool {
    let (settings, inventory) = (agent.settings(), agent.inventory());
    let ledger = agent.ledger();
    let proposed = Proposed::entry(entry, &inventory);
    standing_of(ledger.book(), &settings.policy.approvals, proposed, now).is_approved()
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
    let reviewed = review_one(agent, &view, Moment::FirstWrite, None).await;
    let (entry, live) = (reviewed.entry.clone(), reviewed.live.clone());
    let opened = match record(agent, reviewed)? {
        Some(record) => open(agent, (&entry, live.as_ref()), view.zone.clone(), record)?,
        None => None,
    };
    if opened.is_none() {
        let pause = agent.ports().clock.now().saturating_add(HELD_PAUSE).unwrap_or(Timestamp::MAX);
        let again_at = entry.until.map_or(pause, |until| until.min(pause));
        agent.held().insert(entry.id.clone(), again_at);
    }
    match &opened {
        Some(change) => {
            tracing::info!(change, recommendation = entry.id, arn = %entry.recommendation.resource.arn, "a change begins");
        }
        // Tried again and again: only news is written and told.
        None if held_by(&entry) == view.held_by() => return Ok(None),
        None => tracing::info!(recommendation = entry.id, held = ?held_by(&entry), "not begun"),
    }
    view.entry = entry;
    let seq = agent.ledger().last_seq();
    let store = agent.store();
    store.amend_recommendation(view, |view| {
        if let Some(change) = &opened {
            view.state = RecommendationState::Changed;
            view.change_id = Some(change.clone());
        }
    })?;
    store.commit(seq)?;
    Ok(opened)
}

/// Keeps what the review rests on where it says `apply`; returns the record's digest.
///
/// `None` also where the size would be found differently now, because the points or the neighbours have moved on since the
/// cycle that proposed it: the next cycle proposes again. Nothing begins that could not be explained afterwards.
fn record(agent: &Agent, reviewed: Reviewed) -> Result<Option<String>, CycleError> {
    if reviewed.entry.decision != Disposition::Apply {
        return Ok(None);
    }
    match &reviewed.draft {
        Some(Ok(draft)) if !draft.is_sized() => {
            tracing::warn!(
                recommendation = reviewed.entry.id,
                "not begun: what it rests on has moved on since it was proposed"
            );
            Ok(None)
        }
        Some(Err(error @ RecordError::NotReproduced { .. })) => {
            tracing::error!(recommendation = reviewed.entry.id, %error, "not begun");
            Ok(None)
        }
        Some(_) | None => Ok(Some(reviewed.keep(agent)?)),
    }
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

/// Journals the intent; `None` where it was rejected while it was reviewed, or lacks an approval that it had before. `live` is
/// the resource as the review has read it.
pub(crate) fn open(
    agent: &Agent,
    (entry, live): (&PlanEntry, Option<&ResourceRef>),
    zone: Option<String>,
    record: String,
) -> Result<Option<String>, LedgerError> {
    let floor = agent.settings().store.min_free_bytes;
    require_room(agent.state_dir(), floor).map_err(LedgerError::Disk)?;
    let agent_id = agent_id(agent.state_dir())?;
    let now = agent.ports().clock.now();
    let settings = agent.settings();
    let inventory = agent.inventory();
    let recommendation = followed(agent, &entry.recommendation);
    let arn = &recommendation.resource.arn;
    let group = inventory.get(arn).map_or_else(
        || arn.0.clone(),
        |resource| group_of(resource, &inventory, &settings.policy.limits),
    );
    let mut ledger = agent.ledger();
    let access = settings.account(&recommendation.resource.account).map(access);
    let proposed = Proposed { live, ..Proposed::entry(entry, &inventory) };
    if excepted(ledger.book(), proposed, now).is_some() {
        return Ok(None);
    }
    let standing = standing_of(ledger.book(), &settings.policy.approvals, proposed, now);
    if entry.mode != Mode::Autopilot && !standing.is_approved() {
        return Ok(None);
    }
    let auto_undo = standing.is_auto_undo();
    let names = standing.names();
    let approver = (!names.is_empty()).then(|| names.join(" and "));
    let opening = Opening {
        recommendation_id: entry.id.clone(),
        digest: entry.digest.clone(),
        group,
        zone,
        mode: entry.mode,
        approver,
        access: access.unwrap_or_default(),
        keys: keys_of((&recommendation.resource, &recommendation.resource_id), &inventory),
        agent_id,
        auto_undo,
        steps: entry.steps.clone(),
    };
    let mut change = Change::open(opening, recommendation, now);
    change.record = Some(record);
    let change_id = change.id.clone();
    ledger.record(now, SELF, Entry::Opened { change: Box::new(change) })?;
    Ok(Some(change_id))
}

/// The customer's keys of the resource's own volumes: a machine starts only if its role may use them.
pub(crate) fn keys_of(
    (reference, id): (&ResourceRef, &String),
    inventory: &BTreeMap<Arn, Resource>,
) -> Vec<String> {
    let volumes = inventory.values().filter(|resource| {
        let attached = |volume: &Volume| volume.attachments.iter().any(|to| to.instance_id == *id);
        resource.reference.account == reference.account
            && resource.reference.region == reference.region
            && resource.volume().is_some_and(|volume| resource.id == *id || attached(volume))
    });
    let keys = volumes.filter_map(|resource| resource.volume()?.kms_key.clone());
    keys.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The recommendation with its forecast carried on to the first write: what would have been without the change.
fn followed(agent: &Agent, recommendation: &Recommendation) -> Recommendation {
    let mut followed = recommendation.clone();
    followed.evidence.forecast = forecast_now(agent, recommendation);
    followed
}

/// How an account is reached, for an intent to record.
pub(crate) fn access(account: &Account) -> Access {
    Access {
        role_arn: account.role_arn.clone(),
        apply_role_arn: account.apply_role_arn.clone(),
        external_id: account.external_id.clone(),
    }
}
