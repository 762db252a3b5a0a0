//! What only the simulation knows: true cost, and how often demand truly exceeded capacity.

use jiff::Timestamp;
use trimtab_models::{
    catalog::{Architecture, FunctionUse, LINUX_PLATFORM},
    money::Usd,
    resource::InstanceState,
};

use super::{Body, Entity, World};

/// Intervals in which demand exceeded capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breaches {
    /// Intervals that breached.
    pub breaching: u64,
    /// Intervals that were looked at.
    pub observed: u64,
}

impl std::ops::AddAssign for Breaches {
    fn add_assign(&mut self, other: Self) {
        self.breaching += other.breaching;
        self.observed += other.observed;
    }
}

impl World {
    /// What the account costs a month at list prices, as it is configured at `now`; what has no price is left out.
    #[must_use]
    pub fn cost_monthly(&self, now: Timestamp) -> Usd {
        let second = now.as_second();
        self.entities.values().filter_map(|entity| self.cost(entity, second, second)).sum()
    }

    /// What the configuration of `before` would cost a month more than that of `now`, under the demand of `now`.
    #[must_use]
    pub fn saving_since(&self, arn: &str, before: Timestamp, now: Timestamp) -> Option<Usd> {
        let entity =
            self.entities.values().find(|entity| entity.resource.reference.arn.0 == arn)?;
        let now_s = now.as_second();
        let then = self.cost(entity, before.as_second(), now_s)?;
        Some(then.saturating_sub(self.cost(entity, now_s, now_s)?))
    }

    /// Cost a month of the configuration in force at `second`, under the demand of the week before `demand_s`.
    fn cost(&self, entity: &Entity, second: i64, demand_s: i64) -> Option<Usd> {
        let region = entity.resource.reference.region.as_str();
        match &entity.body {
            Body::Instance(body) => match body.states.at(second) {
                InstanceState::Stopping | InstanceState::Stopped => Some(Usd::ZERO),
                InstanceState::Pending
                | InstanceState::Running
                | InstanceState::ShuttingDown
                | InstanceState::Terminated => {
                    let platform = &entity.resource.instance()?.platform;
                    Some(
                        self.catalog
                            .instance_price(body.types.at(second), region, platform)?
                            .per_hour
                            .monthly(),
                    )
                }
            },
            Body::Volume(body) if *body.states.at(second) == "deleted" => Some(Usd::ZERO),
            Body::Volume(body) => {
                Some(self.catalog.volume_price_monthly(region, body.specs.at(second))?.0)
            }
            Body::Function(body) => {
                let memory_mb = body.served_mb(second);
                let mean: f64 =
                    (0..168).map(|hour| entity.demand.at(demand_s - hour * 3600)).sum::<f64>()
                        / 168.0;
                let invocations = body.peak_invocations * mean * 12.0 * 730.0;
                let used = FunctionUse {
                    memory_mb,
                    mean_duration_ms: super::metrics::duration_ms(memory_mb),
                    invocations_monthly: invocations as u64,
                };
                Some(self.catalog.function_cost_monthly(region, Architecture::X86_64, &used)?.0)
            }
            Body::Group(body) => {
                let price = self
                    .catalog
                    .instance_price(body.type_at(second), region, LINUX_PLATFORM)?
                    .per_hour
                    .monthly();
                // The bounds in force now, against the load of the past week.
                let members: u32 = (0..168)
                    .map(|hour| body.desired_under(&entity.demand, second, demand_s - hour * 3600))
                    .sum();
                price.scaled(f64::from(members) / 168.0)
            }
        }
    }

    /// How often demand truly exceeded the capacity of a resource in `[from, until)`, in five-minute intervals.
    #[must_use]
    pub fn breaches(&self, arn: &str, from: Timestamp, until: Timestamp) -> Breaches {
        let Some(entity) =
            self.entities.values().find(|entity| entity.resource.reference.arn.0 == arn)
        else {
            return Breaches::default();
        };
        let mut breaches = Breaches::default();
        let mut second = from.as_second().div_euclid(300) * 300 + 300;
        while second < until.as_second() {
            if let Some(over) = self.over(entity, second) {
                breaches.observed += 1;
                breaches.breaching += u64::from(over);
            }
            second += 300;
        }
        breaches
    }

    fn over(&self, entity: &Entity, second: i64) -> Option<bool> {
        let load = entity.demand.at(second);
        match &entity.body {
            Body::Instance(body) if body.runs_at(second) => {
                let memory =
                    body.memory_ratio.is_some_and(|ratio| ratio > self.memory_gain(body, second));
                Some(load >= self.speedup(body, second) || memory)
            }
            Body::Instance(_) => None,
            Body::Volume(body) => {
                let spec = body.specs.at(second);
                let iops = spec.iops.is_some_and(|most| body.peak_iops * load > f64::from(most));
                let bytes = spec
                    .throughput_mibps
                    .is_some_and(|most| body.peak_bytes_s * load > f64::from(most) * 1_048_576.0);
                Some(iops || bytes)
            }
            Body::Function(body) => {
                let shares = body.shares(second);
                Some(shares.iter().any(|(memory_mb, _)| body.used_mb > f64::from(*memory_mb)))
            }
            Body::Group(body) => {
                let speedup = self.speedup_of(body.type_at(second), &body.first_type);
                let capacity = f64::from(body.desired(&entity.demand, second)) * speedup;
                Some(body.load(&entity.demand, second) > capacity)
            }
        }
    }
}

/// What checkers look at: the account as it truly is, without lag and without faults.
impl World {
    /// The tags of a resource.
    #[must_use]
    pub fn tags_of(&self, arn: &str) -> Option<&std::collections::BTreeMap<String, String>> {
        self.entities
            .values()
            .map(|entity| &entity.resource.reference)
            .find(|one| one.arn.0 == arn)
            .map(|one| &one.tags)
    }

    /// Whether a fault hides or flattens the metrics of a resource.
    #[must_use]
    pub fn is_silent(&self, id: &str) -> bool {
        self.faults.silent.contains(id) || self.faults.flat_zero.contains(id)
    }

    /// The configuration that is truly in force.
    #[must_use]
    pub fn true_spec(&self, id: &str, now: Timestamp) -> Option<trimtab_models::spec::Spec> {
        self.truly(id, now).map(|resource| resource.spec())
    }

    pub(super) fn truly(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Option<trimtab_models::resource::Resource> {
        // A describe lags by a fixed time for each resource: look from exactly that much later.
        let entity = self.entities.get(id)?;
        let lag_s = now.as_second() - entity.visible_s(now.as_second());
        let later = now.saturating_add(jiff::SignedDuration::from_secs(lag_s)).unwrap_or(now);
        entity.seen_at(later)
    }

    /// The configuration that is truly in force, in the terms of `like`.
    #[must_use]
    pub fn true_spec_like(
        &self,
        id: &str,
        like: &trimtab_models::spec::Spec,
        now: Timestamp,
    ) -> Option<trimtab_models::spec::Spec> {
        self.truly(id, now).map(|resource| resource.spec_like(like))
    }

    /// The life-cycle state that an instance is truly in.
    #[must_use]
    pub fn true_state(&self, id: &str, now: Timestamp) -> Option<InstanceState> {
        match &self.entities.get(id)?.body {
            Body::Instance(body) => Some(*body.states.at(now.as_second())),
            Body::Volume(_) | Body::Function(_) | Body::Group(_) => None,
        }
    }
}
