//! What reads show: resources as they are visible now (describes lag behind writes), and everything around them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trimtab_models::{
    catalog::InstanceType,
    resource::{
        Detail, InstanceState, Kind, Member, Modification, ModificationState, Resource,
        ScheduledAction,
    },
    spec::ScheduledMin,
};
use trimtab_policies::{
    facts::{Alarm, InstanceStatus},
    operations::{Failure, FailureKind},
};

use super::{Body, Entity, InstanceBody, VolumeBody, World};
use crate::noise::{mix, unit};

/// The longest that a describe lags behind a write, seconds.
const LAG_MAX_S: f64 = 8.0;
/// Status checks take this long after a start, seconds.
const CHECKS_S: i64 = 150;

impl Entity {
    /// The time that a describe at `now_s` shows.
    pub(crate) fn visible_s(&self, now_s: i64) -> i64 {
        now_s - (LAG_MAX_S * unit(self.demand.stream, 99)) as i64
    }

    pub(crate) fn seen_at(&self, now: Timestamp) -> Option<Resource> {
        let second = self.visible_s(now.as_second());
        let mut resource = self.resource.clone();
        resource.observed_at = now;
        match (&mut resource.detail, &self.body) {
            (Detail::Instance(instance), Body::Instance(body)) => {
                instance.instance_type.clone_from(body.types.at(second));
                instance.state = *body.states.at(second);
                instance.state_reason.clone_from(body.reasons.at(second));
                resource.reference.tags.extend(body.marks.at(second).clone());
                if instance.state == InstanceState::Terminated {
                    return None;
                }
            }
            (Detail::Volume(volume), Body::Volume(body)) => {
                volume.spec.clone_from(body.specs.at(second));
                volume.state = (*body.states.at(second)).to_owned();
                volume.modification = body.newest_modification(second);
                if volume.state == "deleted" {
                    return None;
                }
            }
            (Detail::Function(function), Body::Function(body)) => {
                body.show(function, second);
            }
            (Detail::Group(group), Body::Group(body)) => {
                (group.min_size, group.max_size, _) = body.bounds_at(second);
                let schedule = body.schedule.at(second);
                group.scheduled_actions = schedule.iter().map(|one| one.name.clone()).collect();
                group.schedule = schedule.iter().map(scheduled_action).collect();
                group.desired_capacity = body.desired(&self.demand, second);
                group.members = members(self, body.type_at(second), group.desired_capacity);
                group.launch_template = Some(body.template.seen_at(second));
                group.refresh = body.template.newest_refresh(second);
                let open = group.refresh.as_ref().filter(|one| !one.has_ended());
                group.refresh_in_progress = open.map(|one| one.status.clone());
            }
            _ => unreachable!("body and detail are made together"),
        }
        Some(resource)
    }
}

fn scheduled_action(one: &ScheduledMin) -> ScheduledAction {
    ScheduledAction {
        name: one.name.clone(),
        recurrence: Some(one.recurrence.clone()),
        time_zone: None,
        start_at: None,
        end_at: None,
        min_size: Some(one.min_size),
        max_size: None,
        desired_capacity: None,
    }
}

fn members(entity: &Entity, instance_type: &str, count: u32) -> Vec<Member> {
    (0..count)
        .map(|number| Member {
            instance_id: format!("i-0{:016x}", mix(entity.demand.stream ^ u64::from(number))),
            instance_type: instance_type.to_owned(),
            lifecycle_state: "InService".to_owned(),
            healthy: true,
        })
        .collect()
}

impl VolumeBody {
    pub(crate) fn newest_modification(&self, second: i64) -> Option<Modification> {
        let newest =
            self.modifications.iter().rfind(|modification| modification.started_s <= second)?;
        let state = match second {
            second if second < newest.optimizing_s => ModificationState::Modifying,
            second if second < newest.completed_s => ModificationState::Optimizing,
            _ => ModificationState::Completed,
        };
        let started_at = Timestamp::from_second(newest.started_s).ok()?;
        Some(Modification { state, started_at, target: newest.target.clone() })
    }
}

impl World {
    pub(crate) fn entity(&self, id: &str, call: &str) -> Result<&Entity, Failure> {
        self.entities.get(id).ok_or_else(|| Failure {
            kind: FailureKind::NotFound,
            call: call.to_owned(),
            target: id.to_owned(),
            message: "there is no such resource".to_owned(),
        })
    }

    /// Every resource of a kind in a region.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn discover(
        &mut self,
        region: &str,
        kind: Kind,
        now: Timestamp,
    ) -> Result<Vec<Resource>, Failure> {
        let call = match kind {
            Kind::Instance => "ec2:DescribeInstances",
            Kind::Volume => "ec2:DescribeVolumes",
            Kind::Function => "lambda:ListFunctions",
            Kind::Group => "autoscaling:DescribeAutoScalingGroups",
        };
        self.let_others_act(now);
        self.refuse(call, region, false)?;
        let here = self.entities.values().filter(|entity| {
            entity.resource.reference.kind == kind && entity.resource.reference.region == region
        });
        Ok(here.filter_map(|entity| entity.seen_at(now)).collect())
    }

    /// One resource as it is visible now.
    ///
    /// # Errors
    /// `NotFound` when it is gone, else by the faults in force.
    pub fn describe(&mut self, id: &str, now: Timestamp) -> Result<Resource, Failure> {
        self.let_others_act(now);
        self.refuse("describe", id, false)?;
        let gone = || Failure {
            kind: FailureKind::NotFound,
            call: "describe".to_owned(),
            target: id.to_owned(),
            message: "there is no such resource".to_owned(),
        };
        self.entity(id, "describe")?.seen_at(now).ok_or_else(gone)
    }

    /// Status checks; `None` while the instance is not running.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn instance_status(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<InstanceStatus>, Failure> {
        self.let_others_act(now);
        self.refuse("ec2:DescribeInstanceStatus", id, false)?;
        let Body::Instance(body) = &self.entity(id, "ec2:DescribeInstanceStatus")?.body else {
            return Ok(None);
        };
        let now_s = now.as_second();
        if *body.states.at(now_s) != InstanceState::Running {
            return Ok(None);
        }
        let checking = body.states.since(now_s).is_some_and(|since| now_s < since + CHECKS_S);
        let state = if checking { "initializing" } else { "ok" }.to_owned();
        Ok(Some(InstanceStatus { system: state.clone(), instance: state, events: Vec::new() }))
    }

    /// Stop and termination protection: never set in a simulated account.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn protection(&mut self, id: &str) -> Result<(bool, bool), Failure> {
        self.refuse("ec2:DescribeInstanceAttribute", id, false)?;
        Ok((false, false))
    }

    /// The alarms of a resource: one that tells people about high CPU.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn alarms(&mut self, id: &str, names: &[String]) -> Result<Vec<Alarm>, Failure> {
        self.refuse("cloudwatch:DescribeAlarms", id, false)?;
        Ok(names
            .iter()
            .map(|name| Alarm {
                name: name.clone(),
                state: "OK".to_owned(),
                actions: Vec::new(),
                of_resource: false,
            })
            .collect())
    }

    /// Whether each type is offered in a region: where the catalogue prices it.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn offered(
        &mut self,
        region: &str,
        types: &[String],
    ) -> Result<BTreeMap<String, bool>, Failure> {
        self.refuse("ec2:DescribeInstanceTypeOfferings", region, false)?;
        let sold = |name: &String| {
            let platform = trimtab_models::catalog::LINUX_PLATFORM;
            !self.faults.not_offered.contains(name)
                && self.catalog.instance_price(name, region, platform).is_some()
        };
        Ok(types.iter().map(|name| (name.clone(), sold(name))).collect())
    }

    /// Starts of the volume's modifications, newest first.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn modifications(&mut self, id: &str) -> Result<Vec<Timestamp>, Failure> {
        self.refuse("ec2:DescribeVolumesModifications", id, false)?;
        let Body::Volume(body) = &self.entity(id, "ec2:DescribeVolumesModifications")?.body else {
            return Ok(Vec::new());
        };
        Ok(body
            .modifications
            .iter()
            .rev()
            .filter_map(|modification| Timestamp::from_second(modification.started_s).ok())
            .collect())
    }

    /// The snapshot that carries `mark`, with its state.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn marked_snapshot(
        &mut self,
        mark: &str,
        now: Timestamp,
    ) -> Result<Option<(String, String)>, Failure> {
        self.refuse("ec2:DescribeSnapshots", mark, false)?;
        Ok(self.snapshots.iter().find(|(_, snapshot)| snapshot.mark == mark).map(
            |(id, snapshot)| {
                let state =
                    if now.as_second() < snapshot.completed_s { "pending" } else { "completed" };
                (id.clone(), state.to_owned())
            },
        ))
    }

    /// The volume that carries `mark`, with its state.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn marked_volume(
        &mut self,
        mark: &str,
        now: Timestamp,
    ) -> Result<Option<(String, String)>, Failure> {
        self.refuse("ec2:DescribeVolumes", mark, false)?;
        let carries = |entity: &&Entity| entity.resource.tag("trimtab:change") == Some(mark);
        let found = self
            .entities
            .values()
            .filter(|entity| entity.resource.reference.kind == Kind::Volume)
            .find(carries);
        Ok(found.and_then(|entity| entity.seen_at(now)).and_then(|resource| {
            let state = resource.volume()?.state.clone();
            Some((resource.id, state))
        }))
    }

    /// Every instance type.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn instance_types(&mut self, region: &str) -> Result<Vec<InstanceType>, Failure> {
        self.refuse("ec2:DescribeInstanceTypes", region, false)?;
        Ok(self.catalog.instance_types().cloned().collect())
    }
}

impl InstanceBody {
    pub(crate) fn runs_at(&self, second: i64) -> bool {
        *self.states.at(second) == InstanceState::Running
    }
}
