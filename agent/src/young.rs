//! What young resources borrow: the days of all instances, sorted into classes, and who lends to whom.
//!
//! Not here: how classes are made and how much of a loan counts (`trimtab_models::class`).

use std::collections::BTreeMap;

use rayon::prelude::*;
use trimtab_models::{
    class::{Borrowed, Peers, Profile, borrow, classes},
    metric::{Measure, Metric, Statistic},
    resource::{Arn, Kind, Resource},
};
use trimtab_policies::scope::group_of;

use crate::{agent::Agent, observe::stored_measures};

/// The series whose days are compared: every instance has it.
const CPU: Measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };

/// What each young instance borrows, by ARN, from the days in `from_s..until_s`; empty where none is young.
///
/// A series that cannot be read lends nothing and borrows nothing: sizing tells of it.
pub(crate) fn loans(
    agent: &Agent,
    inventory: &BTreeMap<Arn, Resource>,
    (from_s, until_s): (i64, i64),
) -> BTreeMap<Arn, Borrowed> {
    let instances: Vec<&Resource> =
        inventory.values().filter(|resource| resource.reference.kind == Kind::Instance).collect();
    let profiles: Vec<Profile> = instances
        .par_iter()
        .filter_map(|resource| profile(agent, resource, (from_s, until_s)))
        .collect();
    if !profiles.iter().any(Profile::is_young) {
        return BTreeMap::new();
    }
    let settings = agent.settings();
    let group = |profile: &Profile| {
        let resource = inventory.get(&profile.arn)?;
        Some(group_of(resource, inventory, &settings.policy.limits))
    };
    let mut groups: BTreeMap<String, Vec<&Profile>> = BTreeMap::new();
    for profile in &profiles {
        groups.entry(group(profile).unwrap_or_default()).or_default().push(profile);
    }
    let classes = classes(&profiles);
    let loan = |profile: &Profile| {
        let peers = groups.get(&group(profile)?).map_or(&[][..], Vec::as_slice);
        let scaled = inventory.get(&profile.arn)?.instance()?.group.is_some();
        let peers = if scaled {
            Peers { group: peers, ..Peers::default() }
        } else {
            Peers { tag: peers, ..Peers::default() }
        };
        Some((profile.arn.clone(), borrow(profile, &peers, &classes)?))
    };
    profiles.iter().filter_map(loan).collect()
}

fn profile(agent: &Agent, resource: &Resource, (from_s, until_s): (i64, i64)) -> Option<Profile> {
    let arn = &resource.reference.arn;
    let once = std::iter::once(CPU);
    let mut read = stored_measures(resource, once, (from_s, until_s), &agent.series).ok()?;
    Profile::of(arn, &read.remove(&CPU)?)
}
