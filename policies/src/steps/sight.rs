//! How one step sorts what it sees: done, in progress, ready for its call, failed, or somebody else's doing.
//!
//! Describes are the only evidence: what a call answered is never taken for its effect.

use jiff::Timestamp;
use trimtab_models::{
    resource::{Instance, InstanceState, ModificationState, Resource, Volume},
    spec::VolumeSpec,
};

use super::{Bounds, Step, StepKind};
use crate::facts::InstanceStatus;

/// The resource as one describe showed it.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting {
    /// It is there.
    Present(Box<Resource>),
    /// AWS says that there is no such resource.
    Absent,
    /// The describe failed; nothing is known.
    Unknown(String),
}

/// Something that a step of this change made, found again by its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// Its state in EC2's words.
    pub state: String,
}

/// Everything that was read for one decision about a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The resource.
    pub resource: Sighting,
    /// Status checks, where the step waits for them.
    pub status: Option<InstanceStatus>,
    /// What the step made, where it makes something; the outer `None` means that it could not be asked.
    pub made: Option<Option<Made>>,
}

/// What a step makes of what it sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// The effect is there.
    Done,
    /// On its way.
    InProgress,
    /// As the step expects it before its call.
    Ready,
    /// It cannot succeed any more, without anybody else having interfered.
    Failed(String),
    /// Nothing can be told now.
    Unknown(String),
    /// Neither before nor after: somebody else changed it.
    Foreign(String),
}

/// Sorts `seen` by `step`. `rung` is the rung of the ladder of types, `attempted_at` the time of the last journalled call.
#[must_use]
pub fn sort(step: &Step, seen: &Seen, rung: usize, attempted_at: Option<Timestamp>) -> Sight {
    let resource = match &seen.resource {
        Sighting::Unknown(why) => return Sight::Unknown(why.clone()),
        Sighting::Absent => return absent(&step.kind, seen, attempted_at),
        Sighting::Present(resource) => resource,
    };
    match &step.kind {
        StepKind::StopInstance { instance_type, .. } => {
            with_instance(resource, |instance| stop(instance, instance_type))
        }
        StepKind::SetInstanceType { ladder, .. } => {
            with_instance(resource, |instance| set_type(instance, ladder, rung))
        }
        StepKind::StartInstance { ladder, .. } => {
            with_instance(resource, |instance| start(instance, ladder, rung))
        }
        StepKind::AwaitStatusChecks { .. } => {
            with_instance(resource, |instance| status(instance, seen.status.as_ref()))
        }
        StepKind::ModifyVolume { from, to, .. } => {
            with_volume(resource, |volume| modify(volume, from, to, attempted_at))
        }
        StepKind::CreateSnapshot { .. } => with_volume(resource, |volume| snapshot(volume, seen)),
        StepKind::DeleteVolume { .. } => with_volume(resource, delete),
        StepKind::RestoreVolume { .. } => with_volume(resource, restore),
        StepKind::SetFunctionMemory { from_mb, to_mb, .. } => memory(resource, *from_mb, *to_mb),
        StepKind::SetGroupBounds { from, to, .. } => bounds(resource, from, to),
    }
}

fn absent(kind: &StepKind, seen: &Seen, attempted_at: Option<Timestamp>) -> Sight {
    match kind {
        StepKind::DeleteVolume { .. } if attempted_at.is_some() => Sight::Done,
        StepKind::RestoreVolume { .. } => match &seen.made {
            None => Sight::Unknown("the restored volume could not be looked up".to_owned()),
            Some(None) => Sight::Ready,
            Some(Some(made)) => match made.state.as_str() {
                "creating" => Sight::InProgress,
                "available" | "in-use" => Sight::Done,
                other => Sight::Failed(format!("the restored volume `{}` is `{other}`", made.id)),
            },
        },
        StepKind::StopInstance { .. }
        | StepKind::SetInstanceType { .. }
        | StepKind::StartInstance { .. }
        | StepKind::AwaitStatusChecks { .. }
        | StepKind::ModifyVolume { .. }
        | StepKind::CreateSnapshot { .. }
        | StepKind::DeleteVolume { .. }
        | StepKind::SetFunctionMemory { .. }
        | StepKind::SetGroupBounds { .. } => Sight::Foreign("the resource is gone".to_owned()),
    }
}

fn with_instance(resource: &Resource, sort: impl FnOnce(&Instance) -> Sight) -> Sight {
    resource.instance().map_or_else(|| Sight::Foreign("it is no instance".to_owned()), sort)
}

fn with_volume(resource: &Resource, sort: impl FnOnce(&Volume) -> Sight) -> Sight {
    resource.volume().map_or_else(|| Sight::Foreign("it is no volume".to_owned()), sort)
}

fn stop(instance: &Instance, instance_type: &str) -> Sight {
    if instance.instance_type != instance_type {
        return Sight::Foreign(format!(
            "its type is {}, not {instance_type}",
            instance.instance_type
        ));
    }
    match instance.state {
        InstanceState::Stopped => Sight::Done,
        InstanceState::Pending | InstanceState::Stopping => Sight::InProgress,
        InstanceState::Running => Sight::Ready,
        InstanceState::ShuttingDown | InstanceState::Terminated => gone(instance),
    }
}

fn set_type(instance: &Instance, ladder: &[String], rung: usize) -> Sight {
    let reached = ladder.get(rung).is_some_and(|target| *target == instance.instance_type);
    let known = ladder.contains(&instance.instance_type);
    match instance.state {
        InstanceState::ShuttingDown | InstanceState::Terminated => gone(instance),
        _ if !known => Sight::Foreign(format!(
            "its type is {}, which this change never set",
            instance.instance_type
        )),
        InstanceState::Pending | InstanceState::Stopping => Sight::InProgress,
        InstanceState::Stopped if reached => Sight::Done,
        InstanceState::Stopped => Sight::Ready,
        InstanceState::Running if reached => Sight::Done,
        InstanceState::Running => Sight::Foreign(format!(
            "somebody started it on {} while it was to be changed",
            instance.instance_type
        )),
    }
}

fn start(instance: &Instance, ladder: &[String], rung: usize) -> Sight {
    let reached = ladder.get(rung).is_some_and(|target| *target == instance.instance_type);
    match instance.state {
        InstanceState::ShuttingDown | InstanceState::Terminated => gone(instance),
        _ if !reached => Sight::Foreign(format!(
            "its type is {}, which this step did not set",
            instance.instance_type
        )),
        InstanceState::Pending | InstanceState::Stopping => Sight::InProgress,
        InstanceState::Stopped => Sight::Ready,
        InstanceState::Running => Sight::Done,
    }
}

fn gone(instance: &Instance) -> Sight {
    Sight::Foreign(format!("somebody is terminating it (`{:?}`)", instance.state))
}

fn status(instance: &Instance, status: Option<&InstanceStatus>) -> Sight {
    if instance.state == InstanceState::Pending {
        // Describes are not monotonic: an older answer may follow the first that said `running`.
        return Sight::InProgress;
    }
    if instance.state != InstanceState::Running {
        if let Some(reason) = instance.state_reason.as_deref().filter(|reason| fell_over(reason)) {
            return Sight::Failed(format!("it went down by itself after the start (`{reason}`)"));
        }
        return Sight::Foreign(format!(
            "it is `{:?}` while its status checks are awaited",
            instance.state
        ));
    }
    let Some(status) = status else {
        return Sight::InProgress;
    };
    match (status.system.as_str(), status.instance.as_str()) {
        ("ok", "ok") => Sight::Done,
        (system, instance) if system == "impaired" || instance == "impaired" => {
            Sight::Failed(format!("status checks: system `{system}`, instance `{instance}`"))
        }
        _ => Sight::InProgress,
    }
}

/// Whether EC2's state reason says that the machine went down by itself rather than by somebody's call.
fn fell_over(reason: &str) -> bool {
    reason.starts_with("Server.") || reason == "Client.InstanceInitiatedShutdown"
}

/// Whether two volume configurations are the same, as far as their type lets them differ.
///
/// EC2 reports IOPS for gp2 too, but there they follow from the size.
pub(crate) fn same_volume(left: &VolumeSpec, right: &VolumeSpec) -> bool {
    let provisioned_iops = matches!(left.volume_type.as_str(), "gp3" | "io1" | "io2");
    left.volume_type == right.volume_type
        && left.size_gib == right.size_gib
        && (!provisioned_iops || left.iops == right.iops)
        && (left.volume_type != "gp3" || left.throughput_mibps == right.throughput_mibps)
}

fn modify(
    volume: &Volume,
    from: &VolumeSpec,
    to: &VolumeSpec,
    attempted_at: Option<Timestamp>,
) -> Sight {
    if let Some(modification) = &volume.modification {
        let ours = same_volume(&modification.target, to);
        // The modification that this change began, when it is undone before it has ended.
        let towards_from = same_volume(&modification.target, from);
        let since_intent =
            attempted_at.is_some_and(|at| modification.started_at.as_second() >= at.as_second());
        match modification.state {
            ModificationState::Modifying | ModificationState::Optimizing
                if ours || towards_from =>
            {
                return Sight::InProgress;
            }
            ModificationState::Modifying | ModificationState::Optimizing => {
                return Sight::Foreign("somebody else's modification is in progress".to_owned());
            }
            ModificationState::Failed if ours && since_intent => {
                return Sight::Failed("EC2 gave the modification up".to_owned());
            }
            ModificationState::Completed
                if ours && since_intent && !same_volume(&volume.spec, to) =>
            {
                return Sight::InProgress;
            }
            ModificationState::Failed | ModificationState::Completed => {}
        }
    }
    if same_volume(&volume.spec, to) {
        Sight::Done
    } else if same_volume(&volume.spec, from) {
        Sight::Ready
    } else {
        Sight::Foreign(format!("it is {:?}, which this change never set", volume.spec))
    }
}

fn snapshot(volume: &Volume, seen: &Seen) -> Sight {
    if volume.state != "available" || !volume.attachments.is_empty() {
        return Sight::Foreign(format!(
            "the volume is `{}`, so somebody uses it again",
            volume.state
        ));
    }
    match &seen.made {
        None => Sight::Unknown("the snapshot could not be looked up".to_owned()),
        Some(None) => Sight::Ready,
        Some(Some(made)) => match made.state.as_str() {
            "completed" => Sight::Done,
            "error" => Sight::Failed(format!("the snapshot `{}` failed", made.id)),
            _ => Sight::InProgress,
        },
    }
}

fn delete(volume: &Volume) -> Sight {
    match volume.state.as_str() {
        "deleting" => Sight::InProgress,
        "deleted" => Sight::Done,
        "available" if volume.attachments.is_empty() => Sight::Ready,
        other => Sight::Foreign(format!("the volume is `{other}`, so somebody uses it again")),
    }
}

/// A volume that was to be deleted: on its way out, or there as ever, so that nothing needs to be restored.
fn restore(volume: &Volume) -> Sight {
    match volume.state.as_str() {
        "deleting" | "deleted" => Sight::InProgress,
        _ => Sight::Done,
    }
}

fn memory(resource: &Resource, from_mb: u32, to_mb: u32) -> Sight {
    let Some(function) = resource.function() else {
        return Sight::Foreign("it is no function".to_owned());
    };
    match (function.memory_mb, function.last_update_status.as_str()) {
        (memory, "InProgress") if memory == from_mb || memory == to_mb => Sight::InProgress,
        (memory, "Failed") if memory == to_mb => {
            Sight::Failed("Lambda calls the update failed".to_owned())
        }
        (memory, _) if memory == to_mb => Sight::Done,
        (memory, _) if memory == from_mb => Sight::Ready,
        (memory, _) => {
            Sight::Foreign(format!("its memory is {memory} MB, neither {from_mb} nor {to_mb}"))
        }
    }
}

fn bounds(resource: &Resource, from: &Bounds, to: &Bounds) -> Sight {
    let Some(group) = resource.group() else {
        return Sight::Foreign("it is no group".to_owned());
    };
    let matches = |bounds: &Bounds| {
        group.min_size == bounds.min_size
            && group.max_size == bounds.max_size
            && bounds.desired_capacity.is_none_or(|desired| desired == group.desired_capacity)
    };
    if matches(to) {
        Sight::Done
    } else if !matches(from) {
        Sight::Foreign(format!(
            "its bounds are {}–{} at {}, which this change never set",
            group.min_size, group.max_size, group.desired_capacity
        ))
    } else if to.desired_capacity.is_none() && to.max_size < group.desired_capacity {
        Sight::Failed(format!(
            "its desired capacity {} is above the new maximum {}",
            group.desired_capacity, to.max_size
        ))
    } else {
        Sight::Ready
    }
}
