//! The simulated account behind ports at which the process can die: before a read, before a write, and between a
//! write and its record.
//!
//! Not here: which deaths are tried, and what must hold after them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;
use trimtab::{
    ports::{Act, FetchedSeries, Made, MadeThing, Observe, Place, Ports, Protection, SeriesQuery},
    simulated::Simulated,
};
use trimtab_models::{
    catalog::InstanceType,
    resource::{Kind, Resource, ResourceRef},
};
use trimtab_policies::{
    facts::{Alarm, InstanceStatus, Permission},
    operations::{Failure, Operation, Receipt},
    session::Session,
    steps::Step,
};

/// The points of a run at which the process may die, counted from 0.
#[derive(Debug, Default)]
pub(crate) struct Deaths {
    passed: AtomicU64,
    at: Mutex<BTreeSet<u64>>,
    died: Notify,
}

impl Deaths {
    /// Dies at each of these points.
    pub(crate) fn at(points: impl IntoIterator<Item = u64>) -> Arc<Self> {
        let at = Mutex::new(points.into_iter().collect());
        Arc::new(Self { at, ..Self::default() })
    }

    /// How many points were passed.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Ends when the process dies.
    pub(crate) async fn death(&self) {
        self.died.notified().await;
    }

    async fn pass(&self) {
        let point = self.passed.fetch_add(1, Ordering::SeqCst);
        let dies = self.at.lock().unwrap_or_else(PoisonError::into_inner).remove(&point);
        if dies {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

/// The account, seen by a process that may die at any point.
#[derive(Debug, Clone)]
pub(crate) struct Brittle {
    inner: Simulated,
    deaths: Arc<Deaths>,
}

impl Brittle {
    /// Ports to `inner` for a process that dies as `deaths` says.
    pub(crate) fn ports(inner: &Simulated, deaths: &Arc<Deaths>) -> Ports {
        let brittle = Self { inner: inner.clone(), deaths: Arc::clone(deaths) };
        Ports {
            observe: Arc::new(brittle.clone()),
            act: Some(Arc::new(brittle)),
            clock: inner.ports().clock,
        }
    }
}

#[async_trait]
impl Observe for Brittle {
    async fn discover(&self, place: &Place, kind: Kind) -> Result<Vec<Resource>, Failure> {
        self.inner.discover(place, kind).await
    }

    async fn describe(&self, resource: &ResourceRef, id: &str) -> Result<Resource, Failure> {
        self.deaths.pass().await;
        self.inner.describe(resource, id).await
    }

    async fn series(
        &self,
        place: &Place,
        queries: &[SeriesQuery],
    ) -> Result<FetchedSeries, Failure> {
        self.inner.series(place, queries).await
    }

    async fn instance_status(
        &self,
        place: &Place,
        instance_id: &str,
    ) -> Result<Option<InstanceStatus>, Failure> {
        self.inner.instance_status(place, instance_id).await
    }

    async fn protection(&self, place: &Place, instance_id: &str) -> Result<Protection, Failure> {
        self.inner.protection(place, instance_id).await
    }

    async fn alarms(
        &self,
        resource: &ResourceRef,
        id: &str,
        names: &[String],
    ) -> Result<Vec<Alarm>, Failure> {
        self.inner.alarms(resource, id, names).await
    }

    async fn offered(
        &self,
        place: &Place,
        zone: &str,
        types: &[String],
    ) -> Result<BTreeMap<String, bool>, Failure> {
        self.inner.offered(place, zone, types).await
    }

    async fn modifications(
        &self,
        place: &Place,
        volume_id: &str,
    ) -> Result<Vec<Timestamp>, Failure> {
        self.inner.modifications(place, volume_id).await
    }

    async fn marked(
        &self,
        place: &Place,
        made: Made,
        mark: &str,
    ) -> Result<Option<MadeThing>, Failure> {
        self.inner.marked(place, made, mark).await
    }

    async fn instance_types(&self, place: &Place) -> Result<Vec<InstanceType>, Failure> {
        self.inner.instance_types(place).await
    }

    async fn caller(&self, place: &Place) -> Result<String, Failure> {
        self.inner.caller(place).await
    }
}

#[async_trait]
impl Act for Brittle {
    async fn perform(
        &self,
        place: &Place,
        session: &Session,
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        self.deaths.pass().await;
        let answer = self.inner.perform(place, session, operation).await;
        self.deaths.pass().await;
        answer
    }

    async fn permission(&self, place: &Place, steps: &[Step]) -> Result<Permission, Failure> {
        self.inner.permission(place, steps).await
    }
}
