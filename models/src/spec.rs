//! The configuration of a resource, as far as Trimtab recommends and changes it.
//!
//! Not here: what else is known of a resource (`resource`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether an instance is meant to run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PowerState {
    /// In service.
    Running,
    /// Stopped, volumes kept.
    Stopped,
}

/// The state of something that is no more.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Gone {
    /// Deleted.
    Deleted,
}

/// A volume's type, size and performance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct VolumeSpec {
    /// `gp2`, `gp3`, `io1`, `io2`, `st1`, `sc1` or `standard`.
    pub volume_type: String,
    /// Size, GiB.
    pub size_gib: u32,
    /// Provisioned (or, for gp2, implied) IOPS; `None` where the type has no such notion.
    pub iops: Option<u32>,
    /// Provisioned throughput, MiB/s; `None` where the type has no such notion.
    pub throughput_mibps: Option<u32>,
}

/// A lower bound that a scheduled action of ours sets again and again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ScheduledMin {
    /// The action's name, which begins with [`OWN_SCHEDULE_PREFIX`].
    pub name: String,
    /// When, in five fields of cron, UTC.
    pub recurrence: String,
    /// The lower bound that it sets.
    pub min_size: u32,
}

/// How the names of our scheduled actions begin; every other one is somebody else's.
pub const OWN_SCHEDULE_PREFIX: &str = "trimtab-";

/// The configuration of a resource. In JSON the fields alone tell the kinds apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Spec {
    /// An instance.
    Instance {
        /// The type, such as `m5.large`.
        instance_type: String,
        /// Whether it runs.
        state: PowerState,
    },
    /// A volume.
    Volume(VolumeSpec),
    /// A function.
    Function {
        /// Configured memory, MB.
        memory_mb: u32,
    },
    /// A group.
    Group {
        /// Lower bound.
        min_size: u32,
        /// Upper bound.
        max_size: u32,
        /// The capacity asked for.
        desired_capacity: u32,
    },
    /// What a deletion leaves.
    Gone {
        /// Always `deleted`.
        state: Gone,
    },
    /// A group's scheduled actions of ours, by name.
    Schedule {
        /// The lower bounds that they set.
        scheduled: Vec<ScheduledMin>,
    },
    /// What a group's members are.
    Members {
        /// The instance type that the launch template in force launches.
        member_type: String,
    },
}
