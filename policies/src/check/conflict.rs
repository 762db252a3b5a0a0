//! `conflict`: nothing that belongs together with the resource is being changed.
//!
//! A mark of a change that this agent's journal does not know withholds everything: some other agent, or this one before it
//! lost its journal, stopped the machine or is about to. Not here: what belongs together (`budget`) and how many changes there may be (`blast_radius`).

use trimtab_models::resource::{Kind, Resource};

use super::{Reason, Subject, result};
use crate::{
    mark::{CHANGE_TAG, Mark},
    plan::{CheckName, CheckResult},
};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let recommendation = subject.recommendation();
    let reason = subject
        .ledger
        .rival(&recommendation.resource, &recommendation.resource_id)
        .map(|rival| Reason::wait(None, format!("{rival} comes first and has not ended")));
    let reasons = reason.into_iter().chain(reasons_of_marks(subject));
    result(CheckName::Conflict, reasons, "nothing related is changing")
}

/// Marks on the resource as last discovered and as just read, and on the instances that a volume is attached to.
fn reasons_of_marks(subject: &Subject<'_>) -> Vec<Reason> {
    let live = subject.facts().live.as_ref().map(|fact| &fact.value);
    let own = [subject.known(), live].into_iter().flatten();
    let holders = subject.context.inventory.values().filter(|other| holds(subject, other));
    let mut found: Vec<String> =
        own.chain(holders).filter_map(|resource| unknown_mark(subject, resource)).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(Reason::fail).collect()
}

/// Whether `other` is an instance that the volume of the candidate is attached to.
fn holds(subject: &Subject<'_>, other: &Resource) -> bool {
    let volume = subject.known().and_then(Resource::volume);
    let here = &subject.recommendation().resource;
    other.reference.kind == Kind::Instance
        && (&other.reference.account, &other.reference.region) == (&here.account, &here.region)
        && volume.is_some_and(|volume| {
            volume.attachments.iter().any(|attachment| attachment.instance_id == other.id)
        })
}

/// A volume's tag of that name only says which change made it.
fn unknown_mark(subject: &Subject<'_>, resource: &Resource) -> Option<String> {
    let owner = resource.tag(CHANGE_TAG).filter(|_| resource.instance().is_some())?;
    let id = &resource.id;
    let Some((agent_id, change_id)) = owner.split_once('/') else {
        return Some(format!("`{id}` carries the unreadable mark `{owner}`: look who set it"));
    };
    let known = subject.context.changes.get(change_id);
    if known.is_some_and(|change| change.agent_id.as_deref() == Some(agent_id)) {
        return None;
    }
    let was = Mark::read(&resource.reference.tags)
        .map_or_else(String::new, |mark| format!(" (it was {} before)", mark.was));
    Some(format!(
        "`{id}` is marked by change `{change_id}` of agent `{agent_id}`{was}, which this journal does not know: if that \
         agent is lost, `trimtab changes adopt {change_id}` brings the machine back"
    ))
}
