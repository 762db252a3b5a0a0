//! What is read for the steps of a function behind an alias: the version that a change published, and how it does.
//!
//! Not here: what follows from it (`trimtab_policies::steps`).

use trimtab_policies::{
    change::Change,
    facts::{Alarm, Runs},
    steps::{Bake, Behind, CanarySeen, Made, Sighting},
};

use crate::{
    ports::{Ports, RunsQuery},
    probe::place_of,
};

/// The metrics of versions come in periods of a minute.
const PERIOD_S: i64 = 60;
/// CloudWatch has a point whole about this long after its period.
const SETTLE_S: i64 = 120;

/// The version that publishing has made, as the function shows it; the outer `None` where it cannot be read.
pub(crate) fn published(
    resource: &Sighting,
    behind: &Behind,
    memory_mb: u32,
) -> Option<Option<Made>> {
    let Sighting::Present(resource) = resource else { return None };
    let version = behind.published(resource.function()?, memory_mb);
    Some(version.map(|one| Made { id: one.version.clone(), state: one.state.clone() }))
}

/// The version that an earlier step of the change has published.
pub(crate) fn made_before(change: &Change) -> Option<Option<Made>> {
    let version = change.created.get("publish").cloned();
    version.map(|id| Some(Made { id, state: "Active".to_owned() }))
}

/// How the canary does, where the current step watches one.
pub(crate) async fn see(ports: &Ports, change: &Change) -> Option<CanarySeen> {
    let progress = change.current()?;
    let (function_name, behind, bake) = progress.step.kind.as_canary()?;
    let new_version = change.created.get("publish")?;
    let began = change.direction().iter().filter_map(|other| other.at).max();
    let from_s = began.unwrap_or(change.opened_at).as_second();
    let now_s = ports.clock.now().as_second();
    let query = RunsQuery {
        function_name: function_name.to_owned(),
        alias: behind.alias.clone(),
        versions: vec![behind.version.clone(), new_version.clone()],
        from_s: (from_s + PERIOD_S - 1).div_euclid(PERIOD_S) * PERIOD_S,
        until_s: (now_s - SETTLE_S).div_euclid(PERIOD_S) * PERIOD_S,
    };
    let runs = runs(ports, change, &query).await;
    Some(CanarySeen { runs, alarms: alarms(ports, change, bake).await })
}

/// Runs of the version from before and of the new one.
async fn runs(ports: &Ports, change: &Change, query: &RunsQuery) -> Option<(Runs, Runs)> {
    if query.until_s <= query.from_s {
        return Some((Runs::default(), Runs::default()));
    }
    let place = place_of(&change.recommendation);
    let found = match ports.observe.runs(&place, query).await {
        Ok(found) => found,
        Err(failure) => {
            tracing::warn!(change = change.id, %failure, "the runs of a canary cannot be read");
            return None;
        }
    };
    let [old, new] = query.versions.as_slice() else { return None };
    Some((*found.get(old)?, *found.get(new)?))
}

/// The alarms that the step names; a named one that does not exist is not known to be quiet.
async fn alarms(ports: &Ports, change: &Change, bake: &Bake) -> Option<Vec<Alarm>> {
    if bake.alarms.is_empty() {
        return Some(Vec::new());
    }
    let recommendation = &change.recommendation;
    let (resource, id) = (&recommendation.resource, &recommendation.resource_id);
    let found = ports.observe.alarms(resource, id, &bake.alarms).await.ok()?;
    let named: Vec<Alarm> =
        found.into_iter().filter(|alarm| bake.alarms.contains(&alarm.name)).collect();
    (named.len() == bake.alarms.len()).then_some(named)
}
