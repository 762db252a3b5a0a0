//! The ports: everything that the flow wants from a cloud, in our own words.
//!
//! Two implementations: `aws` (the SDK) and `simulated` (the virtual account). In datapilot there is no `Act` at all.
//! Not here: decisions, retries, and anything that knows a protocol.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    catalog::{InstanceType, VcpuQuota},
    metric::Measure,
    resource::{Kind, Registration, Resource, ResourceRef},
    series::Series,
};
use trimtab_policies::{
    facts::{Alarm, InstanceStatus, Permission, Runs, Target},
    operations::{Failure, Operation, Receipt},
    session::Session,
    steps::Step,
};

/// One account and region, resolved from the settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The account's 12-digit id.
    pub account: String,
    /// The region.
    pub region: String,
}

/// A series to fetch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesQuery {
    /// The kind of resource.
    pub kind: Kind,
    /// The resource's id in AWS's calls.
    pub resource_id: String,
    /// What to fetch.
    pub measure: Measure,
    /// The grid's step, seconds.
    pub step_s: u32,
    /// First slot, seconds since the epoch, a multiple of the step.
    pub from_s: i64,
    /// End (exclusive), seconds since the epoch, a multiple of the step.
    pub until_s: i64,
}

/// What came back for one query.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    /// The whole window was answered; what is not there is a gap.
    Complete(Series),
    /// CloudWatch answered in part, and says so; the rest is asked for again next time.
    Partial(Series),
    /// The query failed, with CloudWatch's words.
    Failed(String),
}

/// The runs of versions that an alias shares its calls between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsQuery {
    /// The function's name.
    pub function_name: String,
    /// The alias through which they are called.
    pub alias: String,
    /// The versions.
    pub versions: Vec<String>,
    /// From when, seconds since the epoch, a whole minute.
    pub from_s: i64,
    /// Until when (exclusive), seconds since the epoch, a whole minute.
    pub until_s: i64,
}

/// The result of `Observe::series`: one entry per query, in the same order.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedSeries {
    /// One per query.
    pub results: Vec<Fetched>,
    /// Metrics that were billed.
    pub billed_metrics: u64,
    /// Calls that were made.
    pub calls: u64,
}

/// Reads. Nothing here changes anything in AWS.
#[async_trait]
pub trait Observe: Send + Sync + std::fmt::Debug {
    /// Every resource of one kind in one place, over all pages.
    async fn discover(&self, place: &Place, kind: Kind) -> Result<Vec<Resource>, Failure>;

    /// One resource as it is now; `NotFound` when it is gone.
    async fn describe(&self, resource: &ResourceRef, id: &str) -> Result<Resource, Failure>;

    /// Series of resources in one place; fails as a whole only when nothing could be asked.
    async fn series(
        &self,
        place: &Place,
        queries: &[SeriesQuery],
    ) -> Result<FetchedSeries, Failure>;

    /// Status checks of a running instance; `None` when EC2 states none.
    async fn instance_status(
        &self,
        place: &Place,
        instance_id: &str,
    ) -> Result<Option<InstanceStatus>, Failure>;

    /// Whether stop and termination protection are set.
    async fn protection(&self, place: &Place, instance_id: &str) -> Result<Protection, Failure>;

    /// Alarms with a dimension of the resource, and the named ones.
    async fn alarms(
        &self,
        resource: &ResourceRef,
        id: &str,
        names: &[String],
    ) -> Result<Vec<Alarm>, Failure>;

    /// Whether each type is offered in the zone.
    async fn offered(
        &self,
        place: &Place,
        zone: &str,
        types: &[String],
    ) -> Result<BTreeMap<String, bool>, Failure>;

    /// The account's quota on running On-Demand vCPUs in the place.
    async fn vcpu_limit(&self, place: &Place, quota: VcpuQuota) -> Result<u32, Failure>;

    /// Every start of a modification of the volume that EC2 still knows, newest first.
    async fn modifications(
        &self,
        place: &Place,
        volume_id: &str,
    ) -> Result<Vec<Timestamp>, Failure>;

    /// The snapshot or volume that carries the mark, with its state (`pending`, `completed`, `error`, …): how the effect
    /// of a lost answer is found again.
    async fn marked(
        &self,
        place: &Place,
        made: Made,
        mark: &str,
    ) -> Result<Option<MadeThing>, Failure>;

    /// Every instance type that the region knows.
    async fn instance_types(&self, place: &Place) -> Result<Vec<InstanceType>, Failure>;

    /// Every registration of the place's instances with target groups of load balancers, by instance.
    async fn registrations(
        &self,
        place: &Place,
    ) -> Result<BTreeMap<String, Vec<Registration>>, Failure>;

    /// The targets of one target group, with their health.
    async fn targets(&self, place: &Place, group_arn: &str) -> Result<Vec<Target>, Failure>;

    /// What the runs of each version came to, by version; one without runs has none, which is not the same as unknown.
    async fn runs(
        &self,
        place: &Place,
        query: &RunsQuery,
    ) -> Result<BTreeMap<String, Runs>, Failure>;

    /// The account that the credentials belong to; it must be the one configured.
    async fn caller(&self, place: &Place) -> Result<String, Failure>;
}

/// Protection flags of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    /// Stop protection.
    pub stop: bool,
    /// Termination protection.
    pub termination: bool,
}

/// What a change can make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Made {
    /// A snapshot.
    Snapshot,
    /// A volume.
    Volume,
    /// A version of a launch template, whose id is its number.
    TemplateVersion {
        /// The launch template.
        template_id: String,
    },
}

/// Something a change made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeThing {
    /// Its id.
    pub id: String,
    /// Its state in EC2's words.
    pub state: String,
}

/// Writes. Clients behind it never repeat a call by themselves.
#[async_trait]
pub trait Act: Send + Sync + std::fmt::Debug {
    /// Makes one call, once, with the rights of `session` and no others where the account has a role.
    async fn perform(
        &self,
        place: &Place,
        session: &Session,
        operation: &Operation,
    ) -> Result<Receipt, Failure>;

    /// Whether the role may do every step and its undo, by DryRun where the API has it; changes nothing.
    async fn permission(&self, place: &Place, steps: &[Step]) -> Result<Permission, Failure>;
}

/// The ports that a running agent has.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Reads.
    pub observe: Arc<dyn Observe>,
    /// Writes; absent where nothing may be written.
    pub act: Option<Arc<dyn Act>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Time, real or virtual.
#[async_trait]
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns at `at`, or at once if it has passed.
    async fn sleep_until(&self, at: Timestamp);
}
