//! From a recommendation to the steps that carry it out, each with its undo, and how a live resource is sorted by a step.
//!
//! Not here: the order of events (`change`) and the calls themselves (`trimtab`).

mod behind;
mod build;
mod sight;
#[cfg(test)]
mod tests;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    resource::Registration,
    spec::{ScheduledMin, VolumeSpec},
};

pub use behind::{Bake, Behind, Stage};
pub(crate) use build::{
    ATTRIBUTE_BUDGET_S, CANARY_BUDGET_S, CANARY_PERCENT, CANARY_RUNS_MIN, POWER_BUDGET_S,
    STATUS_BUDGET_S, VOLUME_EXISTENCE_BUDGET_S, deregister_step, mark_step, register_step,
    resize_steps, unmark_step,
};
pub use build::{reason_not_buildable, steps, watched_by};
pub use sight::{CanarySeen, Made, Reached, Seen, Sight, Sighting, sort};
pub(crate) use sight::{another_serves, is_share_left, same_schedule, same_volume};

/// How long a describe may lag behind an accepted write; until then what looks as before may be a stale answer.
pub(crate) const LAG: SignedDuration = SignedDuration::from_secs(90);

/// A group's bounds as a step writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// Lower bound.
    pub min_size: u32,
    /// Upper bound.
    pub max_size: u32,
    /// Capacity asked for; `None` where somebody else scales the group.
    pub desired_capacity: Option<u32>,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum StepKind {
    /// Stop the instance.
    StopInstance {
        /// The instance.
        instance_id: String,
        /// The type that it must have.
        instance_type: String,
    },
    /// Set the stopped instance's type.
    SetInstanceType {
        /// The instance.
        instance_id: String,
        /// The type it has.
        from: String,
        /// The type to set, then the alternates in order, then `from`: nothing else is ever tried.
        ladder: Vec<String>,
    },
    /// Start the instance on the type that the ladder has reached.
    StartInstance {
        /// The instance.
        instance_id: String,
        /// The types it may start on, in order.
        ladder: Vec<String>,
    },
    /// Wait until EC2's status checks pass.
    AwaitStatusChecks {
        /// The instance.
        instance_id: String,
    },
    /// Change a volume, and wait until EC2 calls it completed.
    ModifyVolume {
        /// The volume.
        volume_id: String,
        /// The configuration it has.
        from: VolumeSpec,
        /// The configuration to reach.
        to: VolumeSpec,
    },
    /// Take a snapshot and wait until it is completed.
    CreateSnapshot {
        /// The volume.
        volume_id: String,
    },
    /// Delete the volume.
    DeleteVolume {
        /// The volume.
        volume_id: String,
    },
    /// Make the volume again from the snapshot that this change took.
    RestoreVolume {
        /// The id that the deleted volume had.
        volume_id: String,
        /// The availability zone.
        zone: String,
        /// Type, size and performance.
        spec: VolumeSpec,
    },
    /// Set the memory of the function's unpublished version.
    SetFunctionMemory {
        /// The function's name.
        function_name: String,
        /// Memory it has, MB.
        from_mb: u32,
        /// Memory to set, MB.
        to_mb: u32,
        /// The version that callers get, where they come through an alias and `$LATEST` is to be published for them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        behind: Option<Behind>,
    },
    /// Set the group's bounds.
    SetGroupBounds {
        /// The group's name.
        group_name: String,
        /// Bounds it has.
        from: Bounds,
        /// Bounds to set.
        to: Bounds,
    },
    /// Mark the instance as being changed by this change, before it is stopped.
    MarkInstance {
        /// The instance.
        instance_id: String,
        /// The type that it must have.
        instance_type: String,
        /// The type from before the change, which the mark names.
        was: String,
    },
    /// Take the instance out of a target group, once another target there is healthy, and let its connections end.
    DeregisterTarget {
        /// The instance.
        instance_id: String,
        /// Where it is registered.
        registration: Registration,
    },
    /// Put the instance back into a target group, and wait until the load balancer calls it healthy.
    RegisterTarget {
        /// The instance.
        instance_id: String,
        /// Where it was registered.
        registration: Registration,
    },
    /// Remove the mark of this change.
    UnmarkInstance {
        /// The instance.
        instance_id: String,
        /// The type that the mark names.
        was: String,
    },
    /// Set up a scheduled action of the group.
    PutSchedule {
        /// The group's name.
        group_name: String,
        /// The lower bound that the group has without a schedule.
        own_min: u32,
        /// What the action sets, and when.
        scheduled: ScheduledMin,
    },
    /// Delete a scheduled action of ours.
    DeleteSchedule {
        /// The group's name.
        group_name: String,
        /// What the action sets, and when.
        scheduled: ScheduledMin,
    },
    /// Bring a lower bound that a schedule of ours has raised back to the group's own.
    LowerFloor {
        /// The group's name.
        group_name: String,
        /// The lower bound that the group has without a schedule.
        own_min: u32,
        /// The lower bounds that the schedule set.
        raised: Vec<u32>,
    },
    /// Make a version of the launch template that differs in the instance type alone.
    CreateTemplateVersion {
        /// The launch template.
        template_id: String,
        /// The version in force, from which it is made.
        source_version: u64,
        /// The instance type to launch.
        instance_type: String,
    },
    /// Replace the group's members by ones of another version of its launch template, and wait until Auto Scaling is done.
    RefreshInstances {
        /// The group's name.
        group_name: String,
        /// The launch template.
        template_id: String,
        /// The version in force.
        from_version: u64,
        /// The version to bring in; `None` for the one that this change makes.
        to_version: Option<u64>,
        /// How it is rolled out.
        rollout: Rollout,
    },
    /// Publish the function's `$LATEST` as a version, and wait until it can be called.
    PublishVersion {
        /// The function's name.
        function_name: String,
        /// Memory that the version has, MB.
        memory_mb: u32,
        /// The version that callers get until then.
        behind: Behind,
    },
    /// Share the alias's calls between the version from before the change and the new one.
    ShiftAlias {
        /// The function's name.
        function_name: String,
        /// The version from before the change.
        behind: Behind,
        /// The new version; `None` for the one that this change publishes.
        new_version: Option<String>,
        /// The shares to set.
        stage: Stage,
    },
    /// Take away the share that this change gave its version, of an alias that somebody else has moved since.
    WithdrawShare {
        /// The function's name.
        function_name: String,
        /// The version from before the change.
        behind: Behind,
        /// The version that this change published.
        new_version: String,
        /// The share that this change set, of a hundred.
        percent: u32,
    },
    /// Watch the version that this change published while it gets its share of the alias's calls.
    AwaitCanary {
        /// The function's name.
        function_name: String,
        /// The version from before the change.
        behind: Behind,
        /// The new version's share, of a hundred.
        percent: u32,
        /// What is watched, and for how long.
        bake: Bake,
    },
}

/// How an instance refresh replaces members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rollout {
    /// Shares of the members, percent, at which it pauses: one member, then waves.
    pub checkpoints_percent: Vec<u32>,
    /// How long it pauses, seconds.
    pub checkpoint_delay_s: u32,
    /// How long the last wave is watched before the refresh ends, seconds.
    pub bake_s: u32,
    /// Alarms that make Auto Scaling roll it back.
    pub alarms: Vec<String>,
}

impl StepKind {
    /// The instance and the ladder of a start.
    #[must_use]
    pub fn as_start(&self) -> Option<(&str, &[String])> {
        let Self::StartInstance { instance_id, ladder } = self else {
            return None;
        };
        Some((instance_id, ladder))
    }

    /// The type before and the ladder of a change of type.
    #[must_use]
    pub fn as_set_type(&self) -> Option<(&str, &[String])> {
        let Self::SetInstanceType { from, ladder, .. } = self else {
            return None;
        };
        Some((from, ladder))
    }

    /// The type from before the change, for a step that marks.
    #[must_use]
    pub fn as_mark(&self) -> Option<&str> {
        let Self::MarkInstance { was, .. } = self else {
            return None;
        };
        Some(was)
    }

    /// Whether it only marks the resource, so that nothing in it is changed by it.
    #[must_use]
    pub const fn is_mark(&self) -> bool {
        matches!(self, Self::MarkInstance { .. } | Self::UnmarkInstance { .. })
    }

    /// The group, its own lower bound and the one that is scheduled, of a scheduled action that is set up.
    #[must_use]
    pub fn as_put_schedule(&self) -> Option<(&str, u32, u32)> {
        let Self::PutSchedule { group_name, own_min, scheduled } = self else {
            return None;
        };
        Some((group_name, *own_min, scheduled.min_size))
    }

    /// The version that is left by a refresh to one that the change makes itself.
    #[must_use]
    pub fn as_refresh(&self) -> Option<(&str, u64)> {
        let Self::RefreshInstances { template_id, from_version, .. } = self else {
            return None;
        };
        Some((template_id, *from_version))
    }

    /// The function and its alias, of a step that watches a canary.
    #[must_use]
    pub fn as_canary(&self) -> Option<(&str, &Behind, &Bake)> {
        let Self::AwaitCanary { function_name, behind, bake, .. } = self else {
            return None;
        };
        Some((function_name, behind, bake))
    }

    /// The target group of a step that takes a target out or puts it back.
    #[must_use]
    pub const fn as_registration(&self) -> Option<&Registration> {
        let (Self::DeregisterTarget { registration, .. }
        | Self::RegisterTarget { registration, .. }) = self
        else {
            return None;
        };
        Some(registration)
    }

    /// Whether it gives back what this change took away, so that it is never given up on the way back: a machine that we
    /// stopped is owed its start, a target that we took out its place.
    #[must_use]
    pub const fn is_owed(&self) -> bool {
        matches!(self, Self::StartInstance { .. } | Self::RegisterTarget { .. })
    }

    /// Whether it stops an instance.
    #[must_use]
    pub const fn is_stop(&self) -> bool {
        matches!(self, Self::StopInstance { .. })
    }
}

/// One step: what it does, how long it may take, and how it is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// A short name, unique in the change.
    pub name: String,
    /// What it does.
    #[serde(flatten)]
    pub kind: StepKind,
    /// Time after which it counts as failed, seconds.
    pub budget_s: u32,
    /// How it is taken back, for a person.
    pub undo: String,
}
