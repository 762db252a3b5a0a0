//! How one step sorts what it sees: done, in progress, ready for its call, failed, or somebody else's doing.
//!
//! Describes are the only evidence: what a call answered is never taken for its effect.

mod function;
mod group;
mod instance;
mod mark;
mod refresh;
mod target;
mod volume;

use jiff::Timestamp;
use trimtab_models::resource::{Instance, Resource, Volume};

use super::{Step, StepKind};
use crate::{
    facts::{Alarm, InstanceStatus, Runs, Targets},
    mark::Mark,
};

pub(crate) use function::is_share_left;
pub(crate) use group::same_schedule;
pub(crate) use target::another_serves;
pub(crate) use volume::same_volume;

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

/// What is seen of a canary: what could not be asked is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CanarySeen {
    /// Runs of the version from before the change and of the new one, since the canary began.
    pub runs: Option<(Runs, Runs)>,
    /// The alarms that the step names.
    pub alarms: Option<Vec<Alarm>>,
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
    /// The targets of every group that the change takes the instance out of or puts it back into, where the step is about
    /// one; `None` means that they could not be asked.
    pub targets: Option<Targets>,
    /// How a canary does, where the step watches one.
    pub canary: Option<CanarySeen>,
}

impl Seen {
    /// The id of what this change made, as far as it is known.
    pub(crate) fn made_id(&self) -> Option<&str> {
        Some(self.made.as_ref()?.as_ref()?.id.as_str())
    }

    /// The version of a launch template that this change made.
    pub(crate) fn made_version(&self) -> Option<u64> {
        self.made_id()?.parse().ok()
    }
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

/// How far the change of a step has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// The rung of the ladder of types.
    pub rung: usize,
    /// The time of the last journalled call.
    pub attempted_at: Option<Timestamp>,
    /// The mark that the change sets or removes, where the step is about one.
    pub mark: Option<Mark>,
    /// Whether the change is being taken back.
    pub is_undo: bool,
    /// When this step's turn came: the end of the one before it.
    pub entered_at: Option<Timestamp>,
    /// The time of the last journalled call of any step.
    pub written_at: Option<Timestamp>,
}

/// Sorts `seen` by `step` of a change that has come as far as `reached`.
#[must_use]
pub fn sort(step: &Step, seen: &Seen, reached: &Reached) -> Sight {
    let Reached { rung, attempted_at, mark, is_undo, .. } = reached;
    let (rung, attempted_at) = (*rung, *attempted_at);
    let resource = match &seen.resource {
        Sighting::Unknown(why) => return Sight::Unknown(why.clone()),
        Sighting::Absent => return absent(&step.kind, seen, attempted_at),
        Sighting::Present(resource) => resource,
    };
    match &step.kind {
        StepKind::StopInstance { instance_type, .. } => {
            with_instance(resource, |instance| instance::stop(instance, instance_type))
        }
        StepKind::SetInstanceType { ladder, .. } => {
            with_instance(resource, |instance| instance::set_type(instance, ladder, rung))
        }
        StepKind::StartInstance { ladder, .. } => {
            with_instance(resource, |instance| instance::start(instance, ladder, rung))
        }
        StepKind::AwaitStatusChecks { .. } => {
            with_instance(resource, |instance| instance::status(instance, seen.status.as_ref()))
        }
        StepKind::ModifyVolume { from, to, .. } => {
            with_volume(resource, |volume| volume::modify(volume, from, to, attempted_at))
        }
        StepKind::CreateSnapshot { .. } => {
            with_volume(resource, |volume| volume::snapshot(volume, seen))
        }
        StepKind::DeleteVolume { .. } => with_volume(resource, volume::delete),
        StepKind::RestoreVolume { .. } => with_volume(resource, volume::restore),
        StepKind::SetFunctionMemory { .. }
        | StepKind::PublishVersion { .. }
        | StepKind::ShiftAlias { .. }
        | StepKind::WithdrawShare { .. }
        | StepKind::AwaitCanary { .. } => function::sort(&step.kind, resource, (seen, reached)),
        StepKind::SetGroupBounds { from, to, .. } => group::bounds(resource, from, to),
        StepKind::MarkInstance { instance_type, .. } => {
            mark::set(resource, instance_type, mark.as_ref())
        }
        StepKind::DeregisterTarget { instance_id, registration } => {
            let ours = (instance_id.as_str(), registration);
            with_instance(resource, |instance| {
                target::deregister(instance, ours, seen.targets.as_ref(), *is_undo)
            })
        }
        StepKind::RegisterTarget { instance_id, registration } => {
            let ours = (instance_id.as_str(), registration);
            with_instance(resource, |instance| {
                target::register(instance, ours, seen.targets.as_ref())
            })
        }
        StepKind::UnmarkInstance { .. } => mark::remove(resource, mark.as_ref()),
        StepKind::PutSchedule { own_min, scheduled, .. } => {
            group::put_schedule(resource, scheduled, *own_min)
        }
        StepKind::DeleteSchedule { scheduled, .. } => group::delete_schedule(resource, scheduled),
        StepKind::LowerFloor { own_min, raised, .. } => {
            group::lower_floor(resource, *own_min, raised)
        }
        StepKind::CreateTemplateVersion { template_id, source_version, .. } => {
            refresh::create_version(resource, seen, template_id, *source_version)
        }
        StepKind::RefreshInstances { template_id, from_version, to_version, .. } => {
            let versions = refresh::Versions {
                template_id,
                from: *from_version,
                to: to_version.or_else(|| seen.made_version()),
                is_back: to_version.is_some(),
            };
            refresh::refresh(resource, &versions, attempted_at)
        }
    }
}

fn absent(kind: &StepKind, seen: &Seen, attempted_at: Option<Timestamp>) -> Sight {
    match kind {
        StepKind::DeleteVolume { .. } if attempted_at.is_some() => Sight::Done,
        StepKind::UnmarkInstance { .. } | StepKind::WithdrawShare { .. } => Sight::Done,
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
        | StepKind::SetGroupBounds { .. }
        | StepKind::MarkInstance { .. }
        | StepKind::PutSchedule { .. }
        | StepKind::DeleteSchedule { .. }
        | StepKind::LowerFloor { .. }
        | StepKind::CreateTemplateVersion { .. }
        | StepKind::RefreshInstances { .. }
        | StepKind::PublishVersion { .. }
        | StepKind::ShiftAlias { .. }
        | StepKind::AwaitCanary { .. }
        | StepKind::DeregisterTarget { .. }
        | StepKind::RegisterTarget { .. } => Sight::Foreign("the resource is gone".to_owned()),
    }
}

fn with_instance(resource: &Resource, sort: impl FnOnce(&Instance) -> Sight) -> Sight {
    resource.instance().map_or_else(|| Sight::Foreign("it is no instance".to_owned()), sort)
}

fn with_volume(resource: &Resource, sort: impl FnOnce(&Volume) -> Sight) -> Sight {
    resource.volume().map_or_else(|| Sight::Foreign("it is no volume".to_owned()), sort)
}
