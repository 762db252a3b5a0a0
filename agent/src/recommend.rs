//! Fits and sizes every resource from its stored series, on all cores, one resource in memory at a time.
//!
//! Not here: how a size is found (`trimtab_models::sizing`).

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use jiff::Timestamp;
use trimtab_models::{
    recommendation::{NotSized, Recommendation},
    resource::{Arn, Kind, Resource},
    sizing::{SizingInput, recommend},
};

use crate::{agent::Agent, observe::stored_series};

/// What all resources together came to.
#[derive(Debug, Default)]
pub struct Findings {
    /// The recommendations, in the order of the ARNs.
    pub recommendations: Vec<Recommendation>,
    /// What was not sized, and why, in the order of the ARNs.
    pub not_sized: Vec<NotSized>,
}

/// Sizes every resource of `inventory` on the stored look-back that ends at `now`.
#[must_use]
pub fn recommend_all(
    agent: &Agent,
    inventory: &BTreeMap<Arn, Resource>,
    now: Timestamp,
) -> Findings {
    let resources: Vec<&Resource> = inventory.values().collect();
    let settled = settled_since(agent);
    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = Vec::new();
                while let Some(resource) = resources.get(next.fetch_add(1, Ordering::Relaxed)) {
                    mine.push((
                        &resource.reference.arn,
                        recommend_one(agent, resource, inventory, &settled, now),
                    ));
                }
                found.lock().unwrap_or_else(PoisonError::into_inner).extend(mine);
            });
        }
    });
    let mut findings = Findings::default();
    for (_, (recommendations, not_sized)) in
        found.into_inner().unwrap_or_else(PoisonError::into_inner)
    {
        findings.recommendations.extend(recommendations);
        findings.not_sized.extend(not_sized);
    }
    findings
}

/// Since when each resource has been as it is: a percentage of a capacity says nothing of the one before a change of ours.
///
/// Volumes are left out: their traffic is measured in operations and bytes.
fn settled_since(agent: &Agent) -> BTreeMap<Arn, i64> {
    let mut settled = BTreeMap::new();
    let ledger = agent.ledger();
    for change in ledger.book().changes().values() {
        let reference = &change.recommendation.resource;
        let ended_at = change
            .outcome
            .as_ref()
            .filter(|_| change.undo_reason.is_some())
            .map(|outcome| outcome.at);
        if let (Some(at), Kind::Instance | Kind::Function | Kind::Group) =
            (ended_at.max(change.applied_at), reference.kind)
        {
            let since = settled.entry(reference.arn.clone()).or_insert(i64::MIN);
            *since = at.as_second().max(*since);
        }
    }
    settled
}

fn recommend_one(
    agent: &Agent,
    resource: &Resource,
    inventory: &BTreeMap<Arn, Resource>,
    settled: &BTreeMap<Arn, i64>,
    now: Timestamp,
) -> (Vec<Recommendation>, Option<NotSized>) {
    let settings = agent.settings();
    let collecting = agent.collecting();
    let since_s = settled.get(&resource.reference.arn).copied().unwrap_or(i64::MIN);
    let (from_s, until_s) = (collecting.start_s(now).max(since_s), collecting.end_s(now));
    let series = match stored_series(resource, from_s, until_s, &agent.series) {
        Ok(series) => series,
        Err(error) => {
            let reason = format!("its series cannot be read: {error}");
            return (Vec::new(), Some(NotSized { arn: resource.reference.arn.clone(), reason }));
        }
    };
    let at = |second| Timestamp::from_second(second).unwrap_or(now);
    let (from, until) = (at(from_s), at(until_s));
    let input = SizingInput {
        resource,
        series: &series,
        now,
        from,
        until,
        running: &[],
        sizes: &[],
        inventory,
    };
    let found = recommend(&input, &settings.sizing, &agent.catalog());
    (found.recommendations, found.not_sized)
}
