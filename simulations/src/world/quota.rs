//! EC2's quotas on running On-Demand vCPUs, under which machines start.
//!
//! Not here: which types a region has none of (`faults`).

use trimtab_models::{catalog::VcpuQuota, resource::InstanceState};
use trimtab_policies::operations::Failure;

use super::{Body, World};

/// More than any fleet of a scenario runs.
const LIMIT: u32 = 100_000;

impl World {
    /// The quota in a region: the same for each, unless a fault says so.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn vcpu_limit(&mut self, region: &str, _: VcpuQuota) -> Result<u32, Failure> {
        self.refuse("servicequotas:GetServiceQuota", region, false)?;
        Ok(self.limit())
    }

    fn limit(&self) -> u32 {
        self.faults.vcpu_limit.unwrap_or(LIMIT)
    }

    /// Why a stopped machine cannot start on `name` now, in EC2's words.
    pub(super) fn reason_over_quota(&self, id: &str, name: &str, now_s: i64) -> Option<String> {
        let region = &self.entities.get(id)?.resource.reference.region;
        let quota = VcpuQuota::of(name)?;
        let more = self.catalog.instance_type(name)?.vcpu;
        let running = self.entities.values().filter_map(|entity| {
            let Body::Instance(body) = &entity.body else { return None };
            let counts = entity.resource.reference.region == *region
                && matches!(body.states.at(now_s), InstanceState::Pending | InstanceState::Running);
            let running = body.types.at(now_s);
            (counts && VcpuQuota::of(running) == Some(quota))
                .then(|| self.catalog.instance_type(running).map_or(0, |row| row.vcpu))
        });
        let (used, limit) = (running.sum::<u32>(), self.limit());
        (used + more > limit).then(|| {
            format!("VcpuLimitExceeded: {name} needs {more} vCPUs and {used} of {limit} are used")
        })
    }
}
