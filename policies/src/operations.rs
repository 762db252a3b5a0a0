//! The table of AWS writes: each operation that Trimtab may ask for, and how their failures are told apart.
//!
//! Nothing else is ever written. Not here: when they are called (`change`) and how (`trimtab`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_models::spec::{ScheduledMin, VolumeSpec};

use crate::{mark::Mark, steps::Rollout};

/// One write to AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "call")]
pub enum Operation {
    /// Stop an instance.
    StopInstance {
        /// The instance.
        instance_id: String,
    },
    /// Start an instance.
    StartInstance {
        /// The instance.
        instance_id: String,
    },
    /// Set a stopped instance's type.
    SetInstanceType {
        /// The instance.
        instance_id: String,
        /// The type to set.
        instance_type: String,
    },
    /// Change a volume's type or performance; the size never changes.
    ModifyVolume {
        /// The volume.
        volume_id: String,
        /// The configuration to reach.
        spec: VolumeSpec,
    },
    /// Take a snapshot.
    CreateSnapshot {
        /// The volume.
        volume_id: String,
        /// The change, written into the snapshot's tag `trimtab:change`, by which it is found again.
        mark: String,
    },
    /// Delete an unattached volume.
    DeleteVolume {
        /// The volume.
        volume_id: String,
    },
    /// Make a volume from a snapshot: a new id.
    CreateVolume {
        /// The snapshot.
        snapshot_id: String,
        /// The availability zone.
        zone: String,
        /// Type, size and performance.
        spec: VolumeSpec,
        /// The change, written into the volume's tag `trimtab:change`, by which it is found again.
        mark: String,
    },
    /// Set the memory of `$LATEST`.
    SetFunctionMemory {
        /// The function's name.
        function_name: String,
        /// Memory, MB.
        memory_mb: u32,
        /// Makes the update conditional on nobody having changed the function since it was read.
        revision_id: Option<String>,
    },
    /// Set a group's bounds.
    SetGroupBounds {
        /// The group's name.
        group_name: String,
        /// Lower bound.
        min_size: u32,
        /// Upper bound.
        max_size: u32,
        /// Capacity asked for; `None` where somebody else scales the group, and it is then not sent.
        desired_capacity: Option<u32>,
    },
    /// Write a mark's two tags, and no others, on an instance.
    TagResource {
        /// The instance.
        resource_id: String,
        /// What to write.
        mark: Mark,
    },
    /// Take an instance out of a target group.
    DeregisterTarget {
        /// The instance.
        instance_id: String,
        /// The target group's ARN.
        group_arn: String,
        /// The port.
        port: u16,
    },
    /// Put an instance into a target group.
    RegisterTarget {
        /// The instance.
        instance_id: String,
        /// The target group's ARN.
        group_arn: String,
        /// The port.
        port: u16,
    },
    /// Remove a mark's two tags, and no others, where they have these very values.
    UntagResource {
        /// The instance.
        resource_id: String,
        /// What to remove.
        mark: Mark,
    },
    /// Set up a scheduled action of a group.
    PutSchedule {
        /// The group's name.
        group_name: String,
        /// What the action sets, and when.
        scheduled: ScheduledMin,
    },
    /// Delete a scheduled action of a group.
    DeleteSchedule {
        /// The group's name.
        group_name: String,
        /// The action's name.
        name: String,
    },
    /// Make a version of a launch template with another instance type.
    CreateTemplateVersion {
        /// The launch template.
        template_id: String,
        /// The version from which it is made.
        source_version: u64,
        /// The instance type to launch.
        instance_type: String,
        /// The change, written as the version's description, by which it is found again.
        mark: String,
    },
    /// Replace a group's members by ones of a version of its launch template.
    StartRefresh {
        /// The group's name.
        group_name: String,
        /// The launch template.
        template_id: String,
        /// The version to bring in.
        version: u64,
        /// How it is rolled out.
        rollout: Rollout,
        /// Whether Auto Scaling rolls it back by itself when it fails or an alarm fires.
        auto_rollback: bool,
    },
    /// Roll a running refresh back.
    RollbackRefresh {
        /// The group's name.
        group_name: String,
    },
    /// Publish `$LATEST` as a version; Lambda answers with the version before where nothing has changed since.
    PublishVersion {
        /// The function's name.
        function_name: String,
        /// The code that `$LATEST` must have.
        code_sha256: String,
        /// Makes the call conditional on nobody having changed `$LATEST` since it was read.
        revision_id: Option<String>,
    },
    /// Point an alias at a version, and share its calls with another where one is named.
    SetAlias {
        /// The function's name.
        function_name: String,
        /// The alias.
        alias: String,
        /// The version that it names.
        version: String,
        /// The version that gets a share of its calls.
        canary: Option<Share>,
        /// Makes the update conditional on nobody having moved the alias since it was read.
        revision_id: Option<String>,
    },
    /// Take a version's share of an alias's calls away; the version that the alias names stays what it is.
    WithdrawShare {
        /// The function's name.
        function_name: String,
        /// The alias.
        alias: String,
        /// The share that it has, and then has no more.
        share: Share,
        /// Makes the update conditional on nobody having moved the alias since it was read.
        revision_id: String,
    },
}

/// A share of an alias's calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The version that gets it.
    pub version: String,
    /// So many of a hundred.
    pub percent: u32,
}

impl Operation {
    /// The IAM action that the call needs.
    #[must_use]
    pub const fn iam_action(&self) -> &'static str {
        match self {
            Self::StopInstance { .. } => "ec2:StopInstances",
            Self::StartInstance { .. } => "ec2:StartInstances",
            Self::SetInstanceType { .. } => "ec2:ModifyInstanceAttribute",
            Self::ModifyVolume { .. } => "ec2:ModifyVolume",
            Self::CreateSnapshot { .. } => "ec2:CreateSnapshot",
            Self::DeleteVolume { .. } => "ec2:DeleteVolume",
            Self::CreateVolume { .. } => "ec2:CreateVolume",
            Self::SetFunctionMemory { .. } => "lambda:UpdateFunctionConfiguration",
            Self::SetGroupBounds { .. } => "autoscaling:UpdateAutoScalingGroup",
            Self::TagResource { .. } => "ec2:CreateTags",
            Self::UntagResource { .. } => "ec2:DeleteTags",
            Self::PutSchedule { .. } => "autoscaling:PutScheduledUpdateGroupAction",
            Self::DeleteSchedule { .. } => "autoscaling:DeleteScheduledAction",
            Self::CreateTemplateVersion { .. } => "ec2:CreateLaunchTemplateVersion",
            Self::StartRefresh { .. } => "autoscaling:StartInstanceRefresh",
            Self::RollbackRefresh { .. } => "autoscaling:RollbackInstanceRefresh",
            Self::PublishVersion { .. } => "lambda:PublishVersion",
            Self::SetAlias { .. } | Self::WithdrawShare { .. } => "lambda:UpdateAlias",
            Self::DeregisterTarget { .. } => "elasticloadbalancing:DeregisterTargets",
            Self::RegisterTarget { .. } => "elasticloadbalancing:RegisterTargets",
        }
    }
}

/// What AWS answered to a write that it accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Receipt {
    /// The id of what the call made (a snapshot, a volume or a version).
    pub created_id: Option<String>,
}

/// Why a call to AWS did not succeed, as far as the next step depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// No answer, or a server error: the call may or may not have had its effect.
    Uncertain,
    /// Too many calls; nothing happened.
    Throttled,
    /// AWS has no capacity of that type now.
    Capacity,
    /// Something else is in progress, or the resource changed since it was read.
    Conflict,
    /// A quota is used up.
    Limit {
        /// When it opens again, where AWS says so.
        until: Option<Timestamp>,
    },
    /// The credentials do not allow it, or are expired or missing.
    Denied,
    /// There is no such resource.
    NotFound,
    /// AWS refuses the request as it stands.
    Rejected,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{call} on `{target}` failed: {message}")]
pub struct Failure {
    /// What it means for what comes next.
    pub kind: FailureKind,
    /// The call, such as `ec2:StopInstances`.
    pub call: String,
    /// What it was about.
    pub target: String,
    /// AWS's code and words, and what to do where we know it.
    pub message: String,
}
