//! `ownership`: nobody else manages the resource, or its owner lets Trimtab change it.
//!
//! Not here: who the owners are (the crate's `ownership`).

use trimtab_models::resource::Resource;

use super::{Reason, Subject, drift, result};
use crate::{
    change::{Change, State},
    ownership::{Owner, owners, patch},
    plan::{CheckName, CheckResult},
};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let mut reasons = Vec::new();
    let mut delegated = Vec::new();
    match subject.resource() {
        Err(missing) => reasons.push(missing),
        Ok(resource) => {
            let rules = &subject.context.policy.ownership;
            for owner in owners(resource, subject.context.inventory, rules) {
                if owner.delegated {
                    delegated.push(owner.name);
                } else {
                    reasons.push(reason_owned(subject, &owner));
                }
            }
            reasons.extend(reason_reverted(subject, resource));
        }
    }
    let pass = if delegated.is_empty() {
        "nobody else manages it".to_owned()
    } else {
        format!("{} delegated it", delegated.join(", "))
    };
    result(CheckName::Ownership, reasons, pass)
}

fn reason_owned(subject: &Subject<'_>, owner: &Owner) -> Reason {
    let patch: Vec<String> =
        patch(subject.recommendation(), &owner.kind).iter().map(ToString::to_string).collect();
    let patch = if patch.is_empty() {
        String::new()
    } else {
        format!("; there, change {}", patch.join(", "))
    };
    Reason::fail(format!("managed by {} ({}){patch}", owner.name, owner.via))
}

/// Somebody took our last change back: then proposals for it end, until a person approves one.
fn reason_reverted(subject: &Subject<'_>, resource: &Resource) -> Option<Reason> {
    let last: &Change = subject
        .past_changes()
        .filter(|change| !change.state.in_flight())
        .max_by_key(|change| (change.opened_at, &change.id))?;
    let recommendation = &last.recommendation;
    let ended_in_force = match last.state {
        State::Kept | State::Conflicted => true,
        State::Queued
        | State::Executing
        | State::Watching
        | State::Undoing
        | State::Undone
        | State::Inconclusive
        | State::Stuck => false,
    };
    let back = drift::is_same(&recommendation.expected, &resource.spec(), resource);
    let again = recommendation.action == subject.action();
    let ended_at = last.outcome.as_ref().map(|outcome| outcome.at);
    // One yes asks the others: that it takes more than one is told by the count.
    let mut yes = subject.standing.yes.iter();
    let renewed = yes.any(|(decision, _)| ended_at.is_some_and(|at| decision.at > at));
    (ended_in_force && back && again && !renewed).then(|| {
        let id = &last.id;
        Reason::fail(format!("somebody took change `{id}` back: only a new approval re-enables it"))
    })
}
