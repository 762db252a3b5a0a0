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
    spec::Spec,
};

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
/// # Errors
/// When an instance is of a type that the catalogue does not know: it counts, and nobody knows for how much.
pub fn in_use(
    place: &ResourceRef,
    inventory: &BTreeMap<Arn, Resource>,
    catalog: &Catalog,
) -> Result<BTreeMap<VcpuQuota, u32>, String> {
    let mut used = BTreeMap::new();
    for resource in inventory.values() {
        let reference = &resource.reference;
        let is_near = reference.account == place.account && reference.region == place.region;
        let Some(instance) = resource.instance().filter(|_| is_near) else { continue };
        let is_up = matches!(instance.state, InstanceState::Pending | InstanceState::Running);
        if !is_up || instance.lifecycle.as_deref().is_some_and(|cycle| cycle != "on-demand") {
            continue;
        }
        let known = catalog.instance_type(&instance.instance_type).ok_or_else(|| {
            format!(
                "{} is of the type {}, which is not known",
                reference.arn, instance.instance_type
            )
        })?;
        if let Some(quota) = VcpuQuota::of(&known.name) {
            *used.entry(quota).or_insert(0) += known.vcpu;
        }
    }
    Ok(used)
}
