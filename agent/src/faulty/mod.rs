//! Ports that go wrong by rule: what AWS answers, the way there, the credentials, the clock, the disk and the process.
//!
//! Decorators only: whatever is behind them does not know, and nothing in the flow does. Not here: which rules there are
//! (`trimtab_simulations::fault`) and what happens inside the account (`World`).

mod clock;
mod deaths;
mod meddle;
mod memory;
mod metrics;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
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
use trimtab_simulations::{
    fault::{Fault, Rule},
    noise::{stream, unit},
    world::World,
};

pub use clock::FaultyClock;
pub use deaths::{Deaths, FaultyDisk};
pub use meddle::{Meddle, meddled};

use self::{memory::Memory, metrics::distort};
use crate::ports::{
    Act, Clock, FetchedSeries, Made, MadeThing, Observe, Place, Ports, Protection, RunsQuery,
    SeriesQuery,
};

/// Ports that go wrong.
#[derive(Debug)]
pub struct Faulty {
    observe: Arc<dyn Observe>,
    act: Option<Arc<dyn Act>>,
    /// The true clock: rules hold by it, whatever the agent's says.
    clock: Arc<dyn Clock>,
    rules: Arc<Vec<Rule>>,
    deaths: Arc<Deaths>,
    stream: u64,
    calls: AtomicU64,
    memory: Mutex<Memory>,
}

impl Faulty {
    /// Ports to what is behind `ports`, whose clock is the true one, that go wrong as `rules` and `deaths` say.
    #[must_use]
    pub fn ports(ports: &Ports, rules: &Arc<Vec<Rule>>, deaths: &Arc<Deaths>, seed: u64) -> Ports {
        let faulty = Arc::new(Self {
            observe: Arc::clone(&ports.observe),
            act: ports.act.clone(),
            clock: Arc::clone(&ports.clock),
            rules: Arc::clone(rules),
            deaths: Arc::clone(deaths),
            stream: stream(seed, "calls"),
            calls: AtomicU64::new(0),
            memory: Mutex::default(),
        });
        let clock = FaultyClock::new(Arc::clone(&ports.clock), Arc::clone(rules));
        Ports {
            act: ports.act.is_some().then(|| Arc::clone(&faulty) as Arc<dyn Act>),
            observe: faulty,
            clock: Arc::new(clock),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn in_force(&self) -> impl Iterator<Item = &Fault> {
        let now = self.now();
        self.rules.iter().filter(move |rule| rule.holds(now)).map(|rule| &rule.fault)
    }

    /// A number in [0, 1) that belongs to the next call and to a purpose.
    fn draw(&self, purpose: u64) -> f64 {
        unit(self.stream ^ purpose, self.calls.load(Ordering::SeqCst))
    }

    /// What stands before every call: a death, or an answer that never comes from AWS itself.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a decorator looks for its own faults")]
    async fn before(&self, call: &str, target: &str, is_write: bool) -> Result<(), Failure> {
        self.deaths.pass().await;
        self.calls.fetch_add(1, Ordering::SeqCst);
        let fail = |kind, message: &str| {
            Err(Failure {
                kind,
                call: call.to_owned(),
                target: target.to_owned(),
                message: message.to_owned(),
            })
        };
        for fault in self.in_force() {
            match fault {
                Fault::TokenExpired => {
                    return fail(FailureKind::Denied, "ExpiredToken: the token has expired");
                }
                Fault::SessionEnded if is_write => {
                    return fail(FailureKind::Denied, "ExpiredToken: the session has ended");
                }
                Fault::Denied(denied) if denied == call => {
                    return fail(FailureKind::Denied, "AccessDenied: the role does not allow it");
                }
                Fault::Throttled(share) if self.draw(1) < *share => {
                    return fail(FailureKind::Throttled, "RequestLimitExceeded: too many calls");
                }
                Fault::ServerErrors(share) if self.draw(2) < *share => {
                    return fail(FailureKind::Uncertain, "InternalError: an internal error");
                }
                Fault::TimeoutsBefore(share) if self.draw(3) < *share => {
                    return fail(FailureKind::Uncertain, "no answer within the time");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn share_of(&self, is: impl Fn(&Fault) -> Option<f64>, purpose: u64) -> bool {
        self.in_force().filter_map(is).any(|share| self.draw(purpose) < share)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a describe: the fresh one, or an older one that was given before.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a decorator looks for its own faults")]
    fn answer(&self, id: &str, fresh: Result<Resource, Failure>) -> Result<Resource, Failure> {
        let (now, mut memory) = (self.now(), self.memory());
        let hidden = memory.hidden(id, now);
        let stale = self.in_force().find_map(|fault| match fault {
            Fault::Stale { share, seconds } if self.draw(5) < *share => Some(*seconds),
            _ => None,
        });
        let old = hidden.or_else(|| stale.and_then(|seconds| memory.older(id, now, seconds)));
        memory.note(id, now, &fresh);
        old.unwrap_or(fresh)
    }
}

#[async_trait]
impl Observe for Faulty {
    async fn discover(&self, place: &Place, kind: Kind) -> Result<Vec<Resource>, Failure> {
        self.before("discover", &place.region, false).await?;
        self.observe.discover(place, kind).await
    }

    async fn describe(&self, resource: &ResourceRef, id: &str) -> Result<Resource, Failure> {
        self.before("describe", id, false).await?;
        let fresh = self.observe.describe(resource, id).await;
        self.answer(id, fresh)
    }

    async fn series(
        &self,
        place: &Place,
        queries: &[SeriesQuery],
    ) -> Result<FetchedSeries, Failure> {
        self.before("cloudwatch:GetMetricData", &place.region, false).await?;
        let mut fetched = self.observe.series(place, queries).await?;
        let now_s = self.now().as_second();
        for (query, answer) in queries.iter().zip(&mut fetched.results) {
            for fault in self.in_force() {
                let Fault::Metrics { id, measure, how } = fault else { continue };
                let is_meant = id.as_ref().is_none_or(|id| *id == query.resource_id)
                    && measure.is_none_or(|measure| measure == query.measure);
                if is_meant {
                    *answer = distort(answer.clone(), query, *how, now_s);
                }
            }
        }
        Ok(fetched)
    }

    async fn instance_status(
        &self,
        place: &Place,
        instance_id: &str,
    ) -> Result<Option<InstanceStatus>, Failure> {
        self.before("ec2:DescribeInstanceStatus", instance_id, false).await?;
        self.observe.instance_status(place, instance_id).await
    }

    async fn protection(&self, place: &Place, instance_id: &str) -> Result<Protection, Failure> {
        self.before("ec2:DescribeInstanceAttribute", instance_id, false).await?;
        self.observe.protection(place, instance_id).await
    }

    async fn alarms(
        &self,
        resource: &ResourceRef,
        id: &str,
        names: &[String],
    ) -> Result<Vec<Alarm>, Failure> {
        self.before("cloudwatch:DescribeAlarms", id, false).await?;
        self.observe.alarms(resource, id, names).await
    }

    async fn offered(
        &self,
        place: &Place,
        zone: &str,
        types: &[String],
    ) -> Result<BTreeMap<String, bool>, Failure> {
        self.before("ec2:DescribeInstanceTypeOfferings", zone, false).await?;
        self.observe.offered(place, zone, types).await
    }

    async fn vcpu_limit(&self, place: &Place, quota: VcpuQuota) -> Result<u32, Failure> {
        self.before("servicequotas:GetServiceQuota", quota.code(), false).await?;
        self.observe.vcpu_limit(place, quota).await
    }

    async fn modifications(
        &self,
        place: &Place,
        volume_id: &str,
    ) -> Result<Vec<Timestamp>, Failure> {
        self.before("ec2:DescribeVolumesModifications", volume_id, false).await?;
        self.observe.modifications(place, volume_id).await
    }

    async fn marked(
        &self,
        place: &Place,
        made: Made,
        mark: &str,
    ) -> Result<Option<MadeThing>, Failure> {
        self.before("marked", mark, false).await?;
        self.observe.marked(place, made, mark).await
    }

    async fn instance_types(&self, place: &Place) -> Result<Vec<InstanceType>, Failure> {
        self.before("ec2:DescribeInstanceTypes", &place.region, false).await?;
        self.observe.instance_types(place).await
    }

    async fn registrations(
        &self,
        place: &Place,
    ) -> Result<BTreeMap<String, Vec<Registration>>, Failure> {
        self.before("elasticloadbalancing:DescribeTargetGroups", &place.region, false).await?;
        self.observe.registrations(place).await
    }

    async fn targets(&self, place: &Place, group_arn: &str) -> Result<Vec<Target>, Failure> {
        self.before("elasticloadbalancing:DescribeTargetHealth", group_arn, false).await?;
        self.observe.targets(place, group_arn).await
    }

    async fn runs(
        &self,
        place: &Place,
        query: &RunsQuery,
    ) -> Result<BTreeMap<String, Runs>, Failure> {
        self.before("cloudwatch:GetMetricData", &place.region, false).await?;
        self.observe.runs(place, query).await
    }

    async fn caller(&self, place: &Place) -> Result<String, Failure> {
        self.before("sts:GetCallerIdentity", &place.account, false).await?;
        if self.in_force().any(|fault| *fault == Fault::WrongAccount) {
            return Ok("999999999999".to_owned());
        }
        self.observe.caller(place).await
    }
}

#[async_trait]
#[expect(clippy::wildcard_enum_match_arm, reason = "a decorator looks for its own faults")]
impl Act for Faulty {
    async fn perform(
        &self,
        place: &Place,
        session: &Session,
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        let (call, target) = World::name(operation);
        self.before(call, &target, true).await?;
        let act = self.act.as_ref().expect("a port that writes was made from one that does");
        let mut answer = act.perform(place, session, operation).await;
        if answer.is_ok() {
            let hidden = self.in_force().find_map(|fault| match fault {
                Fault::Hidden(seconds) => Some(*seconds),
                _ => None,
            });
            if let Some(seconds) = hidden {
                self.memory().hide(&target, self.now(), seconds);
            }
        }
        let own = answer.clone();
        let repeated = |fault: &Fault| match fault {
            Fault::AnswersRepeated(share) => Some(*share),
            _ => None,
        };
        if self.share_of(repeated, 6)
            && let Some(before) = self.memory().last_answer.clone()
        {
            answer = before;
        }
        self.memory().last_answer = Some(own);
        let lost = |fault: &Fault| match fault {
            Fault::TimeoutsAfter(share) => Some(*share),
            _ => None,
        };
        if self.share_of(lost, 4) {
            answer = Err(Failure {
                kind: FailureKind::Uncertain,
                call: call.to_owned(),
                target,
                message: "the connection ended before the answer".to_owned(),
            });
        }
        // The effect is there, and no record of it: the worst moment to die.
        self.deaths.pass().await;
        answer
    }

    async fn permission(&self, place: &Place, steps: &[Step]) -> Result<Permission, Failure> {
        self.before("dry-run", &place.account, false).await?;
        let act = self.act.as_ref().expect("a port that writes was made from one that does");
        act.permission(place, steps).await
    }
}
