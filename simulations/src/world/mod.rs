//! The virtual account: resources whose metrics react to what is done to them, under AWS's own rules.
//!
//! Every answer is a function of the seed, the calls so far and the time given. Not here: the agent's ports.

mod build;
mod faults;
mod function;
mod group;
mod look;
mod metrics;
mod perform;
mod power;
mod quota;
mod refresh;
mod targets;
#[cfg(test)]
mod tests;
mod truth;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trimtab_models::{
    catalog::Catalog,
    resource::{InstanceState, Resource},
    spec::{ScheduledMin, VolumeSpec},
};
use trimtab_policies::operations::Operation;

pub use faults::{Faults, ForeignChange};
pub use truth::Breaches;

use crate::{noise::stream, scenario::Scenario, timeline::Timeline, workload::Demand};

/// One write that the account accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// When.
    pub at: Timestamp,
    /// What was asked for.
    pub operation: Operation,
    /// The resource's ARN.
    pub arn: String,
    /// Which agent asked for it: 0 where there is one only.
    pub by: u32,
}

/// The virtual account.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) seed: u64,
    pub(crate) catalog: Catalog,
    pub(crate) account: String,
    pub(crate) start_s: i64,
    pub(crate) history_s: i64,
    pub(crate) entities: BTreeMap<String, Entity>,
    pub(crate) snapshots: BTreeMap<String, Snapshot>,
    pub(crate) target_groups: BTreeMap<String, targets::Group>,
    pub(crate) calls: u64,
    pub(crate) log: Vec<Write>,
    pub(crate) foreign_done: BTreeSet<usize>,
    /// When somebody else changed a resource, by id, in order.
    pub(crate) foreign_log: Vec<(Timestamp, String)>,
    /// Which agent the next calls are from.
    pub acting: u32,
    /// What goes wrong; tests set it while the world runs.
    pub faults: Faults,
}

/// A resource with its past and its planned future.
#[derive(Debug, Clone)]
pub(crate) struct Entity {
    pub(crate) resource: Resource,
    pub(crate) demand: Demand,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Instance(InstanceBody),
    Volume(VolumeBody),
    Function(FunctionBody),
    Group(GroupBody),
}

#[derive(Debug, Clone)]
pub(crate) struct InstanceBody {
    pub(crate) types: Timeline<String>,
    pub(crate) states: Timeline<InstanceState>,
    pub(crate) reasons: Timeline<Option<String>>,
    /// Tags that changes set and remove; the others never change.
    pub(crate) marks: Timeline<BTreeMap<String, String>>,
    pub(crate) first_type: String,
    pub(crate) memory_ratio: Option<f64>,
    pub(crate) network_bytes_s: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct ModificationBody {
    pub(crate) started_s: i64,
    pub(crate) optimizing_s: i64,
    pub(crate) completed_s: i64,
    pub(crate) target: VolumeSpec,
}

#[derive(Debug, Clone)]
pub(crate) struct VolumeBody {
    pub(crate) specs: Timeline<VolumeSpec>,
    pub(crate) modifications: Vec<ModificationBody>,
    pub(crate) states: Timeline<&'static str>,
    pub(crate) peak_iops: f64,
    pub(crate) peak_bytes_s: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct FunctionBody {
    /// Memory of `$LATEST`.
    pub(crate) memory: Timeline<u32>,
    /// The code of `$LATEST`.
    pub(crate) code: Timeline<u64>,
    /// Published versions, ascending.
    pub(crate) versions: Vec<function::Version>,
    /// Where the alias leads, if there is one.
    pub(crate) route: Option<Timeline<function::Route>>,
    pub(crate) updating_until_s: i64,
    pub(crate) revision: Timeline<u64>,
    pub(crate) used_mb: f64,
    pub(crate) insights: bool,
    pub(crate) peak_invocations: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct GroupBody {
    pub(crate) bounds: Timeline<(u32, u32, u32)>,
    pub(crate) peak_members: f64,
    pub(crate) scaled: bool,
    /// How long after the load the policy's members come, seconds.
    pub(crate) lag_s: i64,
    pub(crate) schedule: Timeline<Vec<ScheduledMin>>,
    pub(crate) first_type: String,
    pub(crate) template: refresh::Template,
}

#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) mark: String,
    pub(crate) region: String,
    pub(crate) volume: Entity,
    pub(crate) completed_s: i64,
}

impl World {
    /// The account of a scenario at its start.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64, catalog: Catalog) -> Self {
        let start_s = scenario.start.as_second();
        let mut world = Self {
            seed,
            catalog,
            account: scenario.account.clone(),
            start_s,
            history_s: start_s - i64::from(scenario.history_days) * 86_400,
            entities: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            target_groups: BTreeMap::new(),
            calls: 0,
            log: Vec::new(),
            foreign_done: BTreeSet::new(),
            foreign_log: Vec::new(),
            acting: 0,
            faults: scenario.faults.clone(),
        };
        build::populate(&mut world, scenario);
        world
    }

    /// The account's id.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The ids of all resources, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.entities.keys().cloned().collect()
    }

    /// Every write that was accepted, in order.
    #[must_use]
    pub fn log(&self) -> &[Write] {
        &self.log
    }

    /// What somebody else than an agent did: when, and to which resource, by id.
    #[must_use]
    pub fn foreign_log(&self) -> &[(Timestamp, String)] {
        &self.foreign_log
    }

    /// The stream of randomness that belongs to a thing.
    pub(crate) fn stream(&self, of: &str) -> u64 {
        stream(self.seed, of)
    }
}
