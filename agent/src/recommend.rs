//! Fits and sizes every resource from its stored series, on all cores, one resource in memory at a time.
//!
//! Not here: how a size is found (`trimtab_models::sizing`).

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use rayon::prelude::*;
use trimtab_models::{
    catalog::Catalog,
    class::Borrowed,
    metric::Measure,
    recommendation::{NotSized, Recommendation},
    resource::{Arn, Kind, Resource},
    series::Series,
    sizing::{SizeInForce, SizingInput, recommend, settings::SizingSettings},
    spec::Spec,
};
use trimtab_policies::change::State;

use crate::{agent::Agent, observe::stored_series, series_store::SeriesError, young::loans};

/// Before every point, seconds since the epoch; far enough from the ends of 64 bits that steps fit between.
const SINCE_EVER_S: i64 = i64::MIN / 4;

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
    let surroundings = Arc::new(Surroundings::of(agent, inventory, now));
    agent.set_surroundings(Arc::clone(&surroundings));
    let found: Vec<_> = inventory
        .values()
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|resource| recommend_one(agent, resource, inventory, &surroundings))
        .collect();
    let mut findings = Findings::default();
    for (recommendations, not_sized) in found {
        findings.recommendations.extend(recommendations);
        findings.not_sized.extend(not_sized);
    }
    findings
}

/// What sizing one resource takes from the journal and from the other resources; kept until the next cycle, so that what
/// is decided meanwhile can be recorded with what it rests on.
#[derive(Debug)]
pub(crate) struct Surroundings {
    now: Timestamp,
    settled: BTreeMap<Arn, i64>,
    sizes: BTreeMap<Arn, Vec<SizeInForce>>,
    loans: BTreeMap<Arn, Borrowed>,
}

impl Surroundings {
    fn of(agent: &Agent, inventory: &BTreeMap<Arn, Resource>, now: Timestamp) -> Self {
        let collecting = agent.collecting();
        let lookback = (collecting.start_s(now), collecting.end_s(now));
        Self {
            now,
            settled: settled_since(agent),
            sizes: sizes_in_force(agent),
            loans: loans(agent, inventory, lookback),
        }
    }
}

/// Since when each resource has been as it is: a percentage of a capacity says nothing of the one before a change of ours.
///
/// Volumes are left out, because their traffic is measured in operations and bytes, and functions, whose sizes over time
/// are told ([`sizes_in_force`]).
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
        if let (Some(at), Kind::Instance | Kind::Group) =
            (ended_at.max(change.applied_at), reference.kind)
        {
            let since = settled.entry(reference.arn.clone()).or_insert(i64::MIN);
            *since = at.as_second().max(*since);
        }
    }
    settled
}

/// The memory sizes that our changes gave each function over time, the first one since ever.
fn sizes_in_force(agent: &Agent) -> BTreeMap<Arn, Vec<SizeInForce>> {
    let mut sizes: BTreeMap<Arn, Vec<SizeInForce>> = BTreeMap::new();
    let ledger = agent.ledger();
    let mut changes: Vec<_> = ledger.book().changes().values().collect();
    changes.sort_by_key(|change| (change.applied_at, &change.id));
    for change in changes {
        let recommendation = &change.recommendation;
        let (
            Some(applied_at),
            Spec::Function { memory_mb: old },
            Spec::Function { memory_mb: new },
        ) = (change.applied_at, &recommendation.expected, &recommendation.desired)
        else {
            continue;
        };
        let known = sizes.entry(recommendation.resource.arn.clone()).or_default();
        let size = |from_s, memory_mb: &u32| SizeInForce { from_s, memory_mb: *memory_mb };
        match known.last() {
            None => known.push(size(SINCE_EVER_S, old)),
            Some(last) if last.memory_mb == *old => {}
            // Somebody else changed it at a time that we do not know: what is known begins with our own change.
            Some(_) => *known = vec![size(change.opened_at.as_second(), old)],
        }
        known.push(size(applied_at.as_second(), new));
        if let Some(outcome) = change.outcome.as_ref().filter(|one| one.state == State::Undone) {
            known.push(size(outcome.at.as_second(), old));
        }
    }
    sizes
}

/// Everything that one resource is sized by, beside the other resources, the settings and the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Basis {
    pub(crate) series: BTreeMap<Measure, Series>,
    pub(crate) now: Timestamp,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) sizes: Vec<SizeInForce>,
    pub(crate) borrowed: Option<Borrowed>,
}

impl Basis {
    /// What `resource` was sized by in the cycle that found these surroundings.
    pub(crate) fn of(
        agent: &Agent,
        resource: &Resource,
        surroundings: &Surroundings,
    ) -> Result<Self, SeriesError> {
        let now = surroundings.now;
        let collecting = agent.collecting();
        let arn = &resource.reference.arn;
        let since_s = surroundings.settled.get(arn).copied().unwrap_or(i64::MIN);
        let (from_s, until_s) = (collecting.start_s(now).max(since_s), collecting.end_s(now));
        let at = |second| Timestamp::from_second(second).unwrap_or(now);
        Ok(Self {
            series: stored_series(resource, from_s, until_s, &agent.series)?,
            now,
            from: at(from_s),
            until: at(until_s),
            sizes: surroundings.sizes.get(arn).cloned().unwrap_or_default(),
            borrowed: surroundings.loans.get(arn).copied(),
        })
    }

    /// Sizes the resource.
    pub(crate) fn recommend(
        &self,
        resource: &Resource,
        inventory: &BTreeMap<Arn, Resource>,
        settings: &SizingSettings,
        catalog: &Catalog,
    ) -> trimtab_models::sizing::Findings {
        let input = SizingInput {
            resource,
            series: &self.series,
            now: self.now,
            from: self.from,
            until: self.until,
            running: &[],
            sizes: &self.sizes,
            borrowed: self.borrowed.as_ref(),
            inventory,
        };
        recommend(&input, settings, catalog)
    }
}

fn recommend_one(
    agent: &Agent,
    resource: &Resource,
    inventory: &BTreeMap<Arn, Resource>,
    surroundings: &Surroundings,
) -> (Vec<Recommendation>, Option<NotSized>) {
    let basis = match Basis::of(agent, resource, surroundings) {
        Ok(basis) => basis,
        Err(error) => {
            let reason = format!("its series cannot be read: {error}");
            return (Vec::new(), Some(NotSized { arn: resource.reference.arn.clone(), reason }));
        }
    };
    let found = basis.recommend(resource, inventory, &agent.settings().sizing, &agent.catalog());
    (found.recommendations, found.not_sized)
}
