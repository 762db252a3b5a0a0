//! Adopting a change whose agent is lost: find the machine by its mark, journal the change, let the engine bring it back.
//!
//! Not here: what the change becomes (`trimtab_policies::change::adopted`) and carrying it out (`execute`).

use trimtab_models::resource::{Kind, Resource};
use trimtab_policies::{
    change::{Adoption, Change, adopted},
    mark::{CHANGE_TAG, Mark},
    record::Entry,
    scope::group_of,
};

use crate::{
    agent::Agent,
    begin::{access, keys_of},
    decide::{DecideError, require_no_other},
    ledger::{Ledger, LedgerError},
};

/// Journals the change `change_id` as one that is being taken back, for the engine to carry out.
///
/// No check and no stop switch stands in the way: it restores service, as an undo does.
///
/// # Errors
/// `Refused` when this journal knows the change, or not exactly one machine carries its mark.
pub async fn adopt(agent: &Agent, change_id: &str, by: &str) -> Result<Change, DecideError> {
    require_unknown(&agent.ledger(), change_id)?;
    let (mark, resource) = find(agent, change_id).await?;
    let reference = &resource.reference;
    let settings = agent.settings();
    let inventory = agent.inventory();
    let adoption = Adoption {
        group: group_of(&resource, &inventory, &settings.policy.limits),
        access: settings.account(&reference.account).map(access).unwrap_or_default(),
        keys: keys_of((reference, &resource.id), &inventory),
        by: by.to_owned(),
    };
    let now = agent.ports().clock.now();
    let change = adopted(&mark, &resource, adoption, now).map_err(DecideError::Refused)?;
    let mut ledger = agent.ledger();
    // Somebody may have asked twice at the same time.
    require_unknown(&ledger, change_id)?;
    require_no_other(ledger.book(), &change)?;
    record(&mut ledger, by, &change)?;
    tracing::warn!(
        change = change.id, arn = %change.recommendation.resource.arn, by, agent = mark.agent_id,
        "the change of a lost agent is adopted: its machine is brought back"
    );
    Ok(change)
}

/// One record holds the change and its way back, so that a crash leaves both or neither.
fn record(ledger: &mut Ledger, by: &str, change: &Change) -> Result<(), LedgerError> {
    let entry = Entry::Opened { change: Box::new(change.clone()) };
    ledger.record(change.opened_at, by, entry).map(|_| ())
}

fn require_unknown(ledger: &Ledger, change_id: &str) -> Result<(), DecideError> {
    match ledger.book().changes().get(change_id) {
        None => Ok(()),
        Some(change) => Err(DecideError::Refused(format!(
            "change `{change_id}` is this agent's own and `{}`: `trimtab changes show {change_id}` tells more, and \
             `trimtab changes undo {change_id}` takes back what stands",
            change.state
        ))),
    }
}

/// The one machine of all places that carries the mark of `change_id`, as it is now.
async fn find(agent: &Agent, change_id: &str) -> Result<(Mark, Resource), DecideError> {
    let (observe, mut found, mut failed) = (agent.ports().observe, Vec::new(), Vec::new());
    for place in agent.places() {
        match observe.discover(&place, Kind::Instance).await {
            Ok(resources) => {
                let marked = resources.into_iter().filter(|it| is_marked(it, change_id));
                found.extend(marked);
            }
            Err(failure) => failed.push(failure.to_string()),
        }
    }
    if found.len() > 1 {
        let ids: Vec<&str> = found.iter().map(|it| it.reference.arn.0.as_str()).collect();
        return Err(DecideError::Refused(format!(
            "several instances carry the mark of `{change_id}` ({}): remove the copied tags first",
            ids.join(", ")
        )));
    }
    let Some(resource) = found.pop() else {
        let unseen = if failed.is_empty() {
            String::new()
        } else {
            format!("; not everything could be asked: {}", failed.join("; "))
        };
        return Err(DecideError::Refused(format!(
            "no instance carries the mark of `{change_id}` in its tag `{CHANGE_TAG}`{unseen}"
        )));
    };
    let mark = Mark::read(&resource.reference.tags);
    mark.map(|mark| (mark, resource)).ok_or_else(|| {
        DecideError::Refused(format!(
            "the mark of `{change_id}` does not say which type the machine had: set its type and start it by hand, then \
             remove the tag `{CHANGE_TAG}`"
        ))
    })
}

fn is_marked(resource: &Resource, change_id: &str) -> bool {
    let owner = resource.tag(CHANGE_TAG).and_then(|owner| owner.split_once('/'));
    owner.is_some_and(|(_, change)| change == change_id)
}
