//! Writes, under the rules that AWS enforces and no emulator does.
//!
//! Sources: EC2 user guide (stop before a change of type), EBS user guide (four modifications in a rolling day, each after
//! the last is completed, growth only), Lambda API (revision id, one update at a time), Auto Scaling API (bounds).

use jiff::Timestamp;
use trimtab_models::{
    resource::{Detail, InstanceState},
    spec::{PowerState, Spec, VolumeSpec},
};
use trimtab_policies::operations::{Failure, FailureKind, Operation, Receipt};

use super::{
    Body, Entity, ForeignChange, InstanceBody, ModificationBody, Snapshot, VolumeBody, World, Write,
};
use crate::{
    noise::{mix, unit},
    timeline::Timeline,
};

/// A rolling day, seconds.
const DAY_S: i64 = 86_400;
/// Modifications of a volume in a rolling day.
const MODIFICATIONS_MAX: usize = 4;

impl World {
    /// Carries out one write of the agent.
    ///
    /// # Errors
    /// As AWS refuses, and by the faults in force. `Uncertain` may have had its effect.
    pub fn perform(
        &mut self,
        region: &str,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<Receipt, Failure> {
        self.let_others_act(now);
        let (call, target) = Self::name(operation);
        self.refuse(call, &target, true)?;
        self.check_region(region, call, &target)?;
        let receipt = self.effect(region, operation, now.as_second())?;
        let arn = match self.entities.get(&target) {
            Some(entity) => entity.resource.reference.arn.0.clone(),
            None => target.clone(),
        };
        let by = self.acting;
        self.log.push(Write { at: now, operation: operation.clone(), arn, by });
        if self.answer_is_lost() {
            return Err(failure(
                FailureKind::Uncertain,
                call,
                &target,
                "the connection ended before the answer",
            ));
        }
        Ok(receipt)
    }

    /// A resource is known only to the endpoint of its own region.
    fn check_region(&self, region: &str, call: &str, target: &str) -> Result<(), Failure> {
        let home = match (self.entities.get(target), self.snapshots.get(target)) {
            (Some(entity), _) => &entity.resource.reference.region,
            (None, Some(snapshot)) => &snapshot.region,
            (None, None) => return Ok(()),
        };
        if home == region {
            return Ok(());
        }
        let message = format!("there is no such resource in {region}");
        Err(failure(FailureKind::NotFound, call, target, &message))
    }

    fn effect(
        &mut self,
        region: &str,
        operation: &Operation,
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let (call, target) = Self::name(operation);
        let draw = unit(self.stream("delays"), self.calls);
        match operation {
            Operation::StopInstance { .. } => self.stop(&target, call, now_s, draw),
            Operation::StartInstance { .. } => self.start(&target, call, now_s, draw),
            Operation::SetInstanceType { instance_type, .. } => {
                self.set_type(&target, call, instance_type, now_s)
            }
            Operation::ModifyVolume { spec, .. } => self.modify(&target, call, spec, now_s, draw),
            Operation::CreateSnapshot { mark, .. } => {
                self.snapshot(&target, call, mark, region, now_s, draw)
            }
            Operation::DeleteVolume { .. } => self.delete(&target, call, now_s),
            Operation::CreateVolume { zone, spec, mark, .. } => {
                self.create(&target, call, (zone, spec, mark), now_s)
            }
            Operation::SetFunctionMemory { memory_mb, revision_id, .. } => {
                let revision = revision_id.as_deref();
                self.set_memory((&target, call), *memory_mb, revision, (now_s, draw))
            }
            Operation::SetGroupBounds { min_size, max_size, desired_capacity, .. } => {
                self.set_bounds(&target, call, (*min_size, *max_size, *desired_capacity), now_s)
            }
            Operation::DeregisterTarget { group_arn, .. } => {
                self.set_registered(group_arn, call, (&target, false), now_s)
            }
            Operation::RegisterTarget { group_arn, .. } => {
                self.set_registered(group_arn, call, (&target, true), now_s)
            }
            Operation::TagResource { mark, .. } => self.tag(&target, call, mark, now_s),
            Operation::UntagResource { mark, .. } => self.untag(&target, call, mark, now_s),
            Operation::PutSchedule { scheduled, .. } => {
                self.put_schedule(&target, call, scheduled, now_s)
            }
            Operation::DeleteSchedule { name, .. } => {
                self.delete_schedule(&target, call, name, now_s)
            }
            Operation::CreateTemplateVersion { source_version, instance_type, mark, .. } => {
                self.create_version(&target, call, (*source_version, instance_type, mark))
            }
            Operation::StartRefresh { version, rollout, auto_rollback, .. } => {
                self.start_refresh(&target, call, (*version, rollout, *auto_rollback), now_s)
            }
            Operation::RollbackRefresh { .. } => self.roll_back(&target, call, now_s),
            Operation::PublishVersion { code_sha256, revision_id, .. } => {
                let of = (code_sha256.as_str(), revision_id.as_deref());
                self.publish((&target, call), of, (now_s, draw))
            }
            Operation::SetAlias { alias, version, canary, revision_id, .. } => {
                let to = (version.as_str(), canary.as_ref(), revision_id.as_deref());
                self.set_alias((&target, call), alias, to, now_s)
            }
            Operation::WithdrawShare { alias, revision_id, .. } => {
                self.withdraw_share((&target, call), (alias, revision_id), now_s)
            }
        }
    }

    pub(crate) fn body(&mut self, id: &str, call: &str) -> Result<&mut Body, Failure> {
        match self.entities.get_mut(id) {
            Some(entity) => Ok(&mut entity.body),
            None => Err(failure(FailureKind::NotFound, call, id, "there is no such resource")),
        }
    }

    fn modify(
        &mut self,
        id: &str,
        call: &str,
        to: &VolumeSpec,
        now_s: i64,
        draw: f64,
    ) -> Result<Receipt, Failure> {
        let Body::Volume(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        if let Some(refusal) = body.reason_not_there(id, call, now_s) {
            return Err(refusal);
        }
        let recent = body.modifications.iter().filter(|one| now_s - one.started_s < DAY_S);
        let (count, oldest) = (recent.clone().count(), recent.map(|one| one.started_s).min());
        if body.modifications.last().is_some_and(|one| now_s < one.completed_s) {
            return Err(failure(
                FailureKind::Conflict,
                call,
                id,
                "IncorrectModificationState: one is in progress",
            ));
        }
        if count >= MODIFICATIONS_MAX {
            let until = oldest.and_then(|oldest| Timestamp::from_second(oldest + DAY_S).ok());
            let message = "VolumeModificationRateExceeded: four modifications in a rolling day";
            return Err(failure(FailureKind::Limit { until }, call, id, message));
        }
        if let Some(reason) = reason_not_modifiable(body.specs.at(now_s), to) {
            return Err(failure(FailureKind::Rejected, call, id, &reason));
        }
        let optimizing_s = now_s + 60 + (240.0 * draw) as i64;
        let completed_s = optimizing_s + 20 * i64::from(to.size_gib);
        let modification =
            ModificationBody { started_s: now_s, optimizing_s, completed_s, target: to.clone() };
        body.modifications.push(modification);
        body.specs.set(optimizing_s, as_reported(to));
        Ok(Receipt::default())
    }

    fn snapshot(
        &mut self,
        id: &str,
        call: &str,
        mark: &str,
        region: &str,
        now_s: i64,
        draw: f64,
    ) -> Result<Receipt, Failure> {
        let Body::Volume(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        if let Some(refusal) = body.reason_not_there(id, call, now_s) {
            return Err(refusal);
        }
        let volume = self.entity(id, call)?.clone();
        let snapshot_id = format!("snap-0{:016x}", mix(self.stream(mark) ^ self.calls));
        let completed_s = now_s + 120 + (1_800.0 * draw) as i64;
        let snapshot =
            Snapshot { mark: mark.to_owned(), region: region.to_owned(), volume, completed_s };
        self.snapshots.insert(snapshot_id.clone(), snapshot);
        Ok(Receipt { created_id: Some(snapshot_id) })
    }

    fn delete(&mut self, id: &str, call: &str, now_s: i64) -> Result<Receipt, Failure> {
        let Body::Volume(body) = self.body(id, call)? else { return Err(not_of_kind(call, id)) };
        match *body.states.at(now_s) {
            "available" => {
                body.states.set(now_s, "deleting");
                body.states.then(now_s + 5, "deleted");
                Ok(Receipt::default())
            }
            "deleting" | "deleted" => {
                Err(failure(FailureKind::NotFound, call, id, "InvalidVolume.NotFound"))
            }
            "creating" => {
                let message = "IncorrectState: it is still being created";
                Err(failure(FailureKind::Conflict, call, id, message))
            }
            _ => Err(failure(FailureKind::Rejected, call, id, "VolumeInUse: it is attached")),
        }
    }

    fn create(
        &mut self,
        snapshot_id: &str,
        call: &str,
        (zone, spec, mark): (&str, &VolumeSpec, &str),
        now_s: i64,
    ) -> Result<Receipt, Failure> {
        let Some(snapshot) = self.snapshots.get(snapshot_id).cloned() else {
            return Err(failure(
                FailureKind::NotFound,
                call,
                snapshot_id,
                "InvalidSnapshot.NotFound",
            ));
        };
        if now_s < snapshot.completed_s {
            let message = "IncorrectState: the snapshot is pending";
            return Err(failure(FailureKind::Conflict, call, snapshot_id, message));
        }
        let id = format!("vol-0{:016x}", mix(self.stream(mark) ^ self.calls));
        let Entity { mut resource, demand, body } = snapshot.volume;
        resource.id.clone_from(&id);
        resource.zone = Some(zone.to_owned());
        resource.reference.arn.0 =
            format!("arn:aws:ec2:{}:{}:volume/{id}", snapshot.region, self.account);
        resource.reference.tags.insert("trimtab:change".to_owned(), mark.to_owned());
        resource.created_at = Timestamp::from_second(now_s).ok();
        if let Detail::Volume(volume) = &mut resource.detail {
            volume.attachments.clear();
            volume.snapshot_id = Some(snapshot_id.to_owned());
        }
        let Body::Volume(mut body) = body else { return Err(not_of_kind(call, snapshot_id)) };
        if spec.size_gib < body.specs.at(now_s).size_gib {
            let message = "InvalidParameterValue: the volume is smaller than the snapshot";
            return Err(failure(FailureKind::Rejected, call, snapshot_id, message));
        }
        // A new volume has no past: a describe that lags does not find it, and no modification counts against it.
        body.specs = Timeline::new(as_reported(spec));
        body.modifications.clear();
        body.states = Timeline::new("deleted");
        body.states.set(now_s, "creating");
        body.states.then(now_s + 20, "available");
        self.entities.insert(id.clone(), Entity { resource, demand, body: Body::Volume(body) });
        Ok(Receipt { created_id: Some(id) })
    }

    /// Does what somebody else does, without asking AWS's rules. Returns whether anything is another than before.
    pub(crate) fn force(&mut self, change: &ForeignChange) -> bool {
        let second = change.at.as_second();
        let Some(entity) = self.entities.get_mut(&change.id) else { return false };
        match (&mut entity.body, &change.spec) {
            (Body::Instance(body), Some(Spec::Instance { instance_type, state })) => {
                let is_same = body.types.at(second) == instance_type && body.is_set(second, *state);
                if is_same {
                    return false;
                }
                if body.types.at(second) != instance_type {
                    body.types.set(second, instance_type.clone());
                }
                body.switch(second, *state);
            }
            (Body::Volume(body), Some(Spec::Volume(spec))) => body.specs.set(second, spec.clone()),
            (Body::Function(body), Some(Spec::Function { memory_mb })) => {
                body.deploy(second, *memory_mb);
            }
            (Body::Group(body), Some(Spec::Group { min_size, max_size, desired_capacity })) => {
                body.bounds.set(second, (*min_size, *max_size, *desired_capacity));
            }
            (Body::Group(body), Some(Spec::Members { member_type })) => {
                body.template.force(second, member_type);
            }
            (Body::Group(body), Some(Spec::Schedule { scheduled })) => {
                body.reschedule(second, scheduled.clone());
            }
            _ => {
                self.entities.remove(&change.id);
            }
        }
        true
    }
}

/// gp2 and io1 report no throughput of their own, gp2 the IOPS of its size.
fn as_reported(spec: &VolumeSpec) -> VolumeSpec {
    let mut spec = spec.clone();
    match spec.volume_type.as_str() {
        "gp2" => {
            spec.iops = Some((3 * spec.size_gib).clamp(100, 16_000));
            spec.throughput_mibps = None;
        }
        "gp3" => {
            spec.iops = spec.iops.or(Some(3_000));
            spec.throughput_mibps = spec.throughput_mibps.or(Some(125));
        }
        "io1" | "io2" => {
            spec.iops = spec.iops.or(Some(3_000));
            spec.throughput_mibps = None;
        }
        _ => spec.throughput_mibps = None,
    }
    spec
}

fn reason_not_modifiable(from: &VolumeSpec, to: &VolumeSpec) -> Option<String> {
    if to.size_gib < from.size_gib {
        return Some(format!(
            "InvalidParameterValue: {} GiB is less than {} GiB",
            to.size_gib, from.size_gib
        ));
    }
    // The range, and the most for each GiB (EBS user guide, "Amazon EBS volume types").
    let (least, most, per_gib) = match to.volume_type.as_str() {
        "gp3" => (3_000, 80_000, 500),
        "io1" => (100, 64_000, 50),
        "io2" => (100, 256_000, 1_000),
        _ => return None,
    };
    let iops = to.iops.unwrap_or(3_000);
    let most = most.min(to.size_gib.saturating_mul(per_gib).max(least));
    if !(least..=most).contains(&iops) {
        return Some(format!("InvalidParameterValue: {iops} IOPS is not within {least}–{most}"));
    }
    // gp3 alone has a throughput of its own: 0.25 MiB/s for each IOPS.
    let mibps = to.throughput_mibps.filter(|_| to.volume_type == "gp3")?;
    let most = 2_000.min(iops / 4);
    (!(125..=most).contains(&mibps))
        .then(|| format!("InvalidParameterValue: {mibps} MiB/s is not within 125–{most}"))
}

impl VolumeBody {
    fn reason_not_there(&self, id: &str, call: &str, now_s: i64) -> Option<Failure> {
        matches!(*self.states.at(now_s), "deleting" | "deleted")
            .then(|| failure(FailureKind::NotFound, call, id, "InvalidVolume.NotFound"))
    }
}

impl InstanceBody {
    /// Somebody else starts or stops it; what it is already stays as it is.
    /// Whether it is, or is about to be, in that state.
    fn is_set(&self, second: i64, state: PowerState) -> bool {
        let is_off =
            matches!(self.states.at(second), InstanceState::Stopping | InstanceState::Stopped);
        is_off == (state == PowerState::Stopped)
    }

    fn switch(&mut self, second: i64, to: PowerState) {
        let off = self.is_set(second, PowerState::Stopped);
        match to {
            PowerState::Running if off => {
                self.states.set(second, InstanceState::Running);
                self.reasons.set(second, None);
            }
            PowerState::Stopped if !off => {
                self.states.set(second, InstanceState::Stopped);
                self.reasons.set(second, Some("Client.UserInitiatedShutdown".to_owned()));
            }
            PowerState::Running | PowerState::Stopped => {}
        }
    }
}

pub(crate) fn not_of_kind(call: &str, id: &str) -> Failure {
    failure(
        FailureKind::Rejected,
        call,
        id,
        "InvalidParameterValue: the resource is of another kind",
    )
}

pub(crate) fn failure(kind: FailureKind, call: &str, target: &str, message: &str) -> Failure {
    Failure { kind, call: call.to_owned(), target: target.to_owned(), message: message.to_owned() }
}
