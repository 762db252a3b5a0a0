//! Load balancers: target groups with the health and the draining of their targets.
//!
//! Source: Elastic Load Balancing user guide (target health states, deregistration delay). Not here: traffic; no metric
//! depends on who is registered.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use trimtab_models::resource::{InstanceState, Registration};
use trimtab_policies::{
    facts::Target,
    operations::{Failure, FailureKind, Receipt},
};

use super::{Body, World, perform::failure};
use crate::timeline::Timeline;

/// The port of every target.
const PORT: u16 = 80;
/// Seconds from the start of a machine, or from its registration, until its health checks pass: the defaults' five checks
/// would take 150, a quick application's two of 10 s take this.
const CHECKS_S: i64 = 20;

/// A target group.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    region: String,
    drain_s: u32,
    /// By instance: whether it is registered.
    registered: BTreeMap<String, Timeline<bool>>,
    /// Targets that are no machines of this account's fleet: their state never changes by itself.
    others: BTreeMap<String, String>,
}

impl World {
    /// Puts machines behind a load balancer, together with another target in the state `other`; returns the group's ARN.
    pub fn put_behind_balancer(
        &mut self,
        region: &str,
        ids: &BTreeSet<String>,
        drain_s: u32,
        other: &str,
    ) -> String {
        let number = self.target_groups.len();
        let account = &self.account;
        let arn = format!(
            "arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/web-{number}/{number:016x}"
        );
        let registered = ids.iter().map(|id| (id.clone(), Timeline::new(true))).collect();
        let others = BTreeMap::from([("i-0another".to_owned(), other.to_owned())]);
        let group = Group { region: region.to_owned(), drain_s, registered, others };
        self.target_groups.insert(arn.clone(), group);
        arn
    }

    /// Changes the state of the other target of a group.
    pub fn set_other_target(&mut self, group_arn: &str, state: &str) {
        if let Some(group) = self.target_groups.get_mut(group_arn) {
            group.others.values_mut().for_each(|other| state.clone_into(other));
        }
    }

    /// Every registration of instances in a region, by instance.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn registrations(
        &mut self,
        region: &str,
        now: Timestamp,
    ) -> Result<BTreeMap<String, Vec<Registration>>, Failure> {
        self.refuse("elasticloadbalancing:DescribeTargetGroups", region, false)?;
        let mut all: BTreeMap<String, Vec<Registration>> = BTreeMap::new();
        for (arn, group) in self.target_groups.iter().filter(|(_, it)| it.region == region) {
            for (id, registered) in &group.registered {
                if *registered.at(now.as_second()) {
                    let registration = Registration {
                        group_arn: arn.clone(),
                        port: PORT,
                        drain_s: group.drain_s,
                        by_address: false,
                    };
                    all.entry(id.clone()).or_default().push(registration);
                }
            }
        }
        Ok(all)
    }

    /// The targets of a group as the load balancer sees them.
    ///
    /// # Errors
    /// `NotFound` when there is no such group, else by the faults in force.
    pub fn targets(&mut self, group_arn: &str, now: Timestamp) -> Result<Vec<Target>, Failure> {
        let call = "elasticloadbalancing:DescribeTargetHealth";
        self.refuse(call, group_arn, false)?;
        let group = self.target_groups.get(group_arn).ok_or_else(|| missing(call, group_arn))?;
        let target = |id: &str, state: &str| Target {
            id: id.to_owned(),
            port: PORT,
            state: state.to_owned(),
        };
        let others = group.others.iter().map(|(id, state)| target(id, state));
        let ours = group.registered.iter().filter_map(|(id, registered)| {
            let state = self.target_state(id, registered, group.drain_s, now.as_second())?;
            Some(target(id, state))
        });
        Ok(others.chain(ours).collect())
    }

    fn target_state(
        &self,
        id: &str,
        registered: &Timeline<bool>,
        drain_s: u32,
        now_s: i64,
    ) -> Option<&'static str> {
        let since = registered.since(now_s);
        if !*registered.at(now_s) {
            let drained_s = since? + i64::from(drain_s);
            return (now_s < drained_s).then_some("draining");
        }
        let Body::Instance(body) = &self.entities.get(id)?.body else { return None };
        if *body.states.at(now_s) != InstanceState::Running {
            return Some("unhealthy");
        }
        let well_s = since.max(body.states.since(now_s)).map(|since| since + CHECKS_S);
        Some(if well_s.is_some_and(|well_s| now_s < well_s) { "initial" } else { "healthy" })
    }

    pub(super) fn set_registered(
        &mut self,
        group_arn: &str,
        call: &str,
        (id, registered): (&str, bool),
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        if !self.entities.contains_key(id) {
            return Err(missing(call, id));
        }
        let group =
            self.target_groups.get_mut(group_arn).ok_or_else(|| missing(call, group_arn))?;
        let line = group.registered.entry(id.to_owned()).or_insert_with(|| Timeline::new(false));
        if *line.at(now_s) != registered {
            line.set(now_s, registered);
        }
        Ok(Receipt::default())
    }

    /// A group that a machine is truly registered with.
    #[must_use]
    pub fn balancer_of(&self, id: &str, now: Timestamp) -> Option<&str> {
        let mut groups = self.target_groups.keys();
        groups.find(|group| self.is_registered(group, id, now)).map(String::as_str)
    }

    /// Whether a machine is truly registered with a group.
    #[must_use]
    pub fn is_registered(&self, group_arn: &str, id: &str, now: Timestamp) -> bool {
        let line = self.target_groups.get(group_arn).and_then(|group| group.registered.get(id));
        line.is_some_and(|line| *line.at(now.as_second()))
    }
}

fn missing(call: &str, target: &str) -> Failure {
    failure(FailureKind::NotFound, call, target, "TargetGroupNotFound, or InvalidTarget")
}
