//! Somebody in the way who does one thing wrong, on purpose: for tests that must see it caught.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use trimtab_models::{
    catalog::{InstanceType, VcpuQuota},
    resource::{Kind, Registration, Resource, ResourceRef},
};
use trimtab_policies::{
    facts::{Alarm, InstanceStatus, Permission, Runs, Target},
    operations::{Failure, Operation, Receipt},
    session::Session,
    steps::Step,
};

use crate::ports::{
    Act, FetchedSeries, Made, MadeThing, Observe, Place, Ports, Protection, RunsQuery, SeriesQuery,
};

/// What is done otherwise; everything else goes through.
#[async_trait]
pub trait Meddle: fmt::Debug + Send + Sync {
    /// In place of a write.
    async fn perform(
        &self,
        act: &dyn Act,
        (place, session): (&Place, &Session),
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        act.perform(place, session, operation).await
    }

    /// In place of a describe.
    async fn describe(
        &self,
        observe: &dyn Observe,
        resource: &ResourceRef,
        id: &str,
    ) -> Result<Resource, Failure> {
        observe.describe(resource, id).await
    }

    /// In place of the metrics.
    async fn series(
        &self,
        observe: &dyn Observe,
        place: &Place,
        queries: &[SeriesQuery],
    ) -> Result<FetchedSeries, Failure> {
        observe.series(place, queries).await
    }

    /// In place of the status checks.
    async fn instance_status(
        &self,
        observe: &dyn Observe,
        place: &Place,
        instance_id: &str,
    ) -> Result<Option<InstanceStatus>, Failure> {
        observe.instance_status(place, instance_id).await
    }

    /// In place of the runs of a canary.
    async fn runs(
        &self,
        observe: &dyn Observe,
        place: &Place,
        query: &RunsQuery,
    ) -> Result<BTreeMap<String, Runs>, Failure> {
        observe.runs(place, query).await
    }

    /// What becomes of a discovery.
    fn discovered(&self, resources: Vec<Resource>) -> Vec<Resource> {
        resources
    }
}

/// Ports with somebody in the way.
#[must_use]
pub fn meddled(ports: Ports, meddle: &Arc<dyn Meddle>) -> Ports {
    let Ports { observe, act, clock } = ports;
    let between = Arc::new(Meddled { observe, act: act.clone(), meddle: Arc::clone(meddle) });
    Ports { act: act.map(|_| Arc::clone(&between) as Arc<dyn Act>), observe: between, clock }
}

#[derive(Debug)]
struct Meddled {
    observe: Arc<dyn Observe>,
    act: Option<Arc<dyn Act>>,
    meddle: Arc<dyn Meddle>,
}

impl Meddled {
    fn act(&self) -> &dyn Act {
        self.act.as_deref().expect("a port that writes was made from one that does")
    }
}

#[async_trait]
impl Observe for Meddled {
    async fn discover(&self, place: &Place, kind: Kind) -> Result<Vec<Resource>, Failure> {
        Ok(self.meddle.discovered(self.observe.discover(place, kind).await?))
    }

    async fn describe(&self, resource: &ResourceRef, id: &str) -> Result<Resource, Failure> {
        self.meddle.describe(self.observe.as_ref(), resource, id).await
    }

    async fn series(
        &self,
        place: &Place,
        queries: &[SeriesQuery],
    ) -> Result<FetchedSeries, Failure> {
        self.meddle.series(self.observe.as_ref(), place, queries).await
    }

    async fn instance_status(
        &self,
        place: &Place,
        instance_id: &str,
    ) -> Result<Option<InstanceStatus>, Failure> {
        self.meddle.instance_status(self.observe.as_ref(), place, instance_id).await
    }

    async fn protection(&self, place: &Place, instance_id: &str) -> Result<Protection, Failure> {
        self.observe.protection(place, instance_id).await
    }

    async fn alarms(
        &self,
        resource: &ResourceRef,
        id: &str,
        names: &[String],
    ) -> Result<Vec<Alarm>, Failure> {
        self.observe.alarms(resource, id, names).await
    }

    async fn offered(
        &self,
        place: &Place,
        zone: &str,
        types: &[String],
    ) -> Result<BTreeMap<String, bool>, Failure> {
        self.observe.offered(place, zone, types).await
    }

    async fn vcpu_limit(&self, place: &Place, quota: VcpuQuota) -> Result<u32, Failure> {
        self.observe.vcpu_limit(place, quota).await
    }

    async fn modifications(
        &self,
        place: &Place,
        volume_id: &str,
    ) -> Result<Vec<Timestamp>, Failure> {
        self.observe.modifications(place, volume_id).await
    }

    async fn marked(
        &self,
        place: &Place,
        made: Made,
        mark: &str,
    ) -> Result<Option<MadeThing>, Failure> {
        self.observe.marked(place, made, mark).await
    }

    async fn instance_types(&self, place: &Place) -> Result<Vec<InstanceType>, Failure> {
        self.observe.instance_types(place).await
    }

    async fn registrations(
        &self,
        place: &Place,
    ) -> Result<BTreeMap<String, Vec<Registration>>, Failure> {
        self.observe.registrations(place).await
    }

    async fn targets(&self, place: &Place, group_arn: &str) -> Result<Vec<Target>, Failure> {
        self.observe.targets(place, group_arn).await
    }

    async fn runs(
        &self,
        place: &Place,
        query: &RunsQuery,
    ) -> Result<BTreeMap<String, Runs>, Failure> {
        self.meddle.runs(self.observe.as_ref(), place, query).await
    }

    async fn caller(&self, place: &Place) -> Result<String, Failure> {
        self.observe.caller(place).await
    }
}

#[async_trait]
impl Act for Meddled {
    async fn perform(
        &self,
        place: &Place,
        session: &Session,
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        self.meddle.perform(self.act(), (place, session), operation).await
    }

    async fn permission(&self, place: &Place, steps: &[Step]) -> Result<Permission, Failure> {
        self.act().permission(place, steps).await
    }
}
