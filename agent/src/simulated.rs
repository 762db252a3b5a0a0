//! The simulated account behind the ports: the other implementation beside AWS.
//!
//! Not here: the account's rules and metrics (`trimtab_simulations`).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use trimtab_models::{
    catalog::{InstanceType, VcpuQuota},
    resource::{Kind, Registration, Resource, ResourceRef},
};
use trimtab_policies::{
    facts::{Alarm, InstanceStatus, Permission, Runs, Target},
    operations::{Failure, FailureKind, Operation, Receipt},
    session::Session,
    steps::Step,
};
use trimtab_simulations::world::World;

use crate::ports::{
    Act, Clock, Fetched, FetchedSeries, Made, MadeThing, Observe, Place, Ports, Protection,
    RunsQuery, SeriesQuery,
};

/// A world that several tasks look at and write to.
#[derive(Debug, Clone)]
pub struct Simulated {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
    agent: u32,
}

impl Simulated {
    /// Puts `world` behind the ports, on `clock`.
    #[must_use]
    pub fn new(world: World, clock: Arc<dyn Clock>) -> Self {
        Self { world: Arc::new(Mutex::new(world)), clock, agent: 0 }
    }

    /// The same account, as another agent reaches it.
    #[must_use]
    pub fn of_agent(&self, agent: u32) -> Self {
        Self { agent, ..self.clone() }
    }

    /// Ports that read and write this account.
    #[must_use]
    pub fn ports(&self) -> Ports {
        Ports {
            observe: Arc::new(self.clone()),
            act: Some(Arc::new(self.clone())),
            clock: Arc::clone(&self.clock),
        }
    }

    /// The account itself.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn require(&self, place: &Place) -> Result<(), Failure> {
        let account = self.world().account().to_owned();
        if place.account == account {
            return Ok(());
        }
        Err(Failure {
            kind: FailureKind::Denied,
            call: "sts:AssumeRole".to_owned(),
            target: place.account.clone(),
            message: format!("the simulated account is {account}: configure that one"),
        })
    }
}

/// A session may do what its rights name, as with IAM.
fn require_right(session: &Session, operation: &Operation) -> Result<(), Failure> {
    let call = operation.iam_action();
    let allowed = session.rights.iter().any(|right| right.actions.iter().any(|one| one == call));
    if allowed {
        return Ok(());
    }
    Err(Failure {
        kind: FailureKind::Denied,
        call: call.to_owned(),
        target: session.name.clone(),
        message: "the session policy of this change does not allow it".to_owned(),
    })
}

#[async_trait]
impl Observe for Simulated {
    async fn discover(&self, place: &Place, kind: Kind) -> Result<Vec<Resource>, Failure> {
        self.require(place)?;
        let now = self.clock.now();
        self.world().discover(&place.region, kind, now)
    }

    async fn describe(&self, _: &ResourceRef, id: &str) -> Result<Resource, Failure> {
        let now = self.clock.now();
        self.world().describe(id, now)
    }

    async fn series(
        &self,
        place: &Place,
        queries: &[SeriesQuery],
    ) -> Result<FetchedSeries, Failure> {
        self.require(place)?;
        let now = self.clock.now();
        let mut world = self.world();
        world.request_metrics(&place.region)?;
        let results = queries
            .iter()
            .map(|query| {
                let window = (query.from_s, query.until_s, query.step_s);
                match world.series(&query.resource_id, query.measure, window, now) {
                    Ok(series) => Fetched::Complete(series),
                    Err(failure) => Fetched::Failed(failure.message),
                }
            })
            .collect();
        Ok(FetchedSeries { results, billed_metrics: queries.len() as u64, calls: 1 })
    }

    async fn instance_status(
        &self,
        _: &Place,
        instance_id: &str,
    ) -> Result<Option<InstanceStatus>, Failure> {
        let now = self.clock.now();
        self.world().instance_status(instance_id, now)
    }

    async fn protection(&self, _: &Place, instance_id: &str) -> Result<Protection, Failure> {
        let (stop, termination) = self.world().protection(instance_id)?;
        Ok(Protection { stop, termination })
    }

    async fn alarms(
        &self,
        _: &ResourceRef,
        id: &str,
        names: &[String],
    ) -> Result<Vec<Alarm>, Failure> {
        self.world().alarms(id, names)
    }

    async fn offered(
        &self,
        place: &Place,
        _: &str,
        types: &[String],
    ) -> Result<BTreeMap<String, bool>, Failure> {
        self.world().offered(&place.region, types)
    }

    async fn vcpu_limit(&self, place: &Place, quota: VcpuQuota) -> Result<u32, Failure> {
        self.world().vcpu_limit(&place.region, quota)
    }

    async fn modifications(&self, _: &Place, volume_id: &str) -> Result<Vec<Timestamp>, Failure> {
        self.world().modifications(volume_id)
    }

    async fn marked(
        &self,
        _: &Place,
        made: Made,
        mark: &str,
    ) -> Result<Option<MadeThing>, Failure> {
        let now = self.clock.now();
        let found = match made {
            Made::Snapshot => self.world().marked_snapshot(mark, now)?,
            Made::Volume => self.world().marked_volume(mark, now)?,
            Made::TemplateVersion { template_id } => {
                self.world().marked_version(&template_id, mark)?
            }
        };
        Ok(found.map(|(id, state)| MadeThing { id, state }))
    }

    async fn instance_types(&self, place: &Place) -> Result<Vec<InstanceType>, Failure> {
        self.world().instance_types(&place.region)
    }

    async fn registrations(
        &self,
        place: &Place,
    ) -> Result<BTreeMap<String, Vec<Registration>>, Failure> {
        let now = self.clock.now();
        self.world().registrations(&place.region, now)
    }

    async fn targets(&self, _: &Place, group_arn: &str) -> Result<Vec<Target>, Failure> {
        let now = self.clock.now();
        self.world().targets(group_arn, now)
    }

    async fn runs(&self, _: &Place, query: &RunsQuery) -> Result<BTreeMap<String, Runs>, Failure> {
        let now = self.clock.now();
        let span = (query.from_s, query.until_s);
        self.world().runs(&query.function_name, &query.versions, span, now)
    }

    async fn caller(&self, _: &Place) -> Result<String, Failure> {
        Ok(self.world().account().to_owned())
    }
}

#[async_trait]
impl Act for Simulated {
    async fn perform(
        &self,
        place: &Place,
        session: &Session,
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        self.require(place)?;
        require_right(session, operation)?;
        let now = self.clock.now();
        let mut world = self.world();
        world.acting = self.agent;
        world.perform(&place.region, operation, now)
    }

    async fn permission(&self, place: &Place, steps: &[Step]) -> Result<Permission, Failure> {
        self.require(place)?;
        let denied = self.world().first_denied(steps);
        Ok(denied.map_or(Permission::Allowed, |operation| Permission::Denied {
            message: "UnauthorizedOperation: the role does not allow it".to_owned(),
            operation,
        }))
    }
}
