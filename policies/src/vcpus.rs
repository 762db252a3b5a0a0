//! vCPUs that a change of type takes beyond those it frees, and whether the account's quotas have room for them.
//!
//! A machine that is stopped first frees its vCPUs, so that only a larger type, or one that counts against another quota, needs
//! room. Not here: asking AWS for the quotas, and Spot Instances.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use trimtab_models::{
    catalog::{Catalog, InstanceType, VcpuQuota},
    recommendation::Recommendation,
    resource::{Arn, InstanceState, Resource, ResourceRef},
    spec::{PowerState, Spec},
};

use crate::change::Change;

/// How full a quota is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VcpuRoom {
    /// vCPUs that may run at once.
    pub limit: u32,
    /// vCPUs that run.
    pub used: u32,
}

/// The quota that `to` needs more of than `from` gives back, and how many vCPUs of it; `None` where it needs none.
///
/// # Errors
/// When nobody knows what quota the type counts against.
pub fn growth(from: &InstanceType, to: &InstanceType) -> Result<Option<(VcpuQuota, u32)>, String> {
    let quota = VcpuQuota::of(&to.name)
        .ok_or_else(|| format!("it is not known which vCPU quota {} counts against", to.name))?;
    let freed = if VcpuQuota::of(&from.name) == Some(quota) { from.vcpu } else { 0 };
    Ok(to.vcpu.checked_sub(freed).filter(|more| *more > 0).map(|more| (quota, more)))
}

/// The quotas that any type of a recommendation's ladder needs more of.
#[must_use]
pub fn quotas_needed(recommendation: &Recommendation, catalog: &Catalog) -> BTreeSet<VcpuQuota> {
    let (Spec::Instance { instance_type: from, .. }, Spec::Instance { instance_type: to, .. }) =
        (&recommendation.expected, &recommendation.desired)
    else {
        return BTreeSet::new();
    };
    let Some(from) = catalog.instance_type(from) else { return BTreeSet::new() };
    let types = std::iter::once(to).chain(&recommendation.alternates);
    let types = types.filter_map(|name| catalog.instance_type(name));
    types.filter_map(|to| growth(from, to).ok().flatten()).map(|(quota, _)| quota).collect()
}

/// vCPUs of the On-Demand Instances that run, or are about to, in the account and region of `place`.
///
/// A machine that a change is making another of counts for the larger of its types, whatever was seen of it last.
///
/// # Errors
/// When an instance is of a type that the catalogue does not know: it counts, and nobody knows for how much.
pub fn in_use(
    place: &ResourceRef,
    inventory: &BTreeMap<Arn, Resource>,
    changes: &BTreeMap<String, Change>,
    catalog: &Catalog,
) -> Result<BTreeMap<VcpuQuota, u32>, String> {
    let mut by_arn: BTreeMap<&Arn, Vec<&Change>> = BTreeMap::new();
    for change in changes.values() {
        by_arn.entry(&change.recommendation.resource.arn).or_default().push(change);
    }
    let mut used = BTreeMap::new();
    for resource in inventory.values() {
        let reference = &resource.reference;
        let is_near = reference.account == place.account && reference.region == place.region;
        let Some(instance) = resource.instance().filter(|_| is_near) else { continue };
        if instance.lifecycle.as_deref().is_some_and(|cycle| cycle != "on-demand") {
            continue;
        }
        let is_up = matches!(instance.state, InstanceState::Pending | InstanceState::Running);
        let mut types: Vec<&str> =
            is_up.then_some(instance.instance_type.as_str()).into_iter().collect();
        let own = by_arn.get(&reference.arn).into_iter().flatten();
        types.extend(own.flat_map(|change| types_under_way(change, resource)));
        let mut most: BTreeMap<VcpuQuota, u32> = BTreeMap::new();
        for name in types {
            let known = catalog.instance_type(name).ok_or_else(|| {
                format!("{} is of the type {name}, which is not known", reference.arn)
            })?;
            if let Some(quota) = VcpuQuota::of(name) {
                let vcpu = most.entry(quota).or_insert(0);
                *vcpu = known.vcpu.max(*vcpu);
            }
        }
        for (quota, vcpu) in most {
            *used.entry(quota).or_insert(0) += vcpu;
        }
    }
    Ok(used)
}

/// The types that a machine may be of by a change of its own that is open, or that began after the machine was seen.
fn types_under_way<'a>(change: &'a Change, resource: &Resource) -> Vec<&'a str> {
    let recommendation = &change.recommendation;
    let is_new = change.state.is_open() || change.opened_at > resource.observed_at;
    match (&recommendation.expected, &recommendation.desired) {
        (
            Spec::Instance { instance_type: from, .. },
            Spec::Instance { instance_type: to, state: PowerState::Running },
        ) if is_new => vec![from, to],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use trimtab_models::recommendation::Action;

    use super::*;
    use crate::{
        change::State,
        fixtures::{candidate, change, resource_for, seconds_ago},
    };

    #[test]
    fn a_machine_under_change_counts_for_the_larger_of_its_types() {
        let catalog = Catalog::embedded();
        let machine = resource_for(Action::ResizeInstance, "r1");
        let place = machine.reference.clone();
        let inventory = BTreeMap::from([(place.arn.clone(), machine.clone())]);
        let used = |changes: &BTreeMap<String, Change>| {
            in_use(&place, &inventory, changes, &catalog).expect("known types")
        };
        let today = used(&BTreeMap::new())[&VcpuQuota::Standard];
        let candidate = candidate(Action::ResizeInstance, &machine);
        let mut change = change(&candidate, "g", State::Executing, seconds_ago(60));
        change.recommendation.desired =
            Spec::Instance { instance_type: "m5.4xlarge".to_owned(), state: PowerState::Running };
        let changes = BTreeMap::from([(change.id.clone(), change)]);
        assert_eq!((today, used(&changes)[&VcpuQuota::Standard]), (4, 16));
    }

    #[test]
    fn only_what_is_not_freed_needs_room() {
        let catalog = Catalog::embedded();
        let of = |name: &str| catalog.instance_type(name).expect("a known type");
        let table = [
            ("m5.xlarge", "m5.large", Ok(None)),
            ("m5.xlarge", "m5.xlarge", Ok(None)),
            ("m5.xlarge", "r5.2xlarge", Ok(Some((VcpuQuota::Standard, 4)))),
            ("m5.4xlarge", "g4dn.xlarge", Ok(Some((VcpuQuota::GAndVt, 4)))),
        ];
        for (from, to, expect) in table {
            assert_eq!(growth(of(from), of(to)), expect, "{from} to {to}");
        }
    }
}
