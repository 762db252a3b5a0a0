//! What read-only and DryRun calls found out about one candidate, with the time of each answer.
//!
//! A missing fact is a failed check, never a pass. Not here: making the calls (`trimtab`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_models::{catalog::VcpuQuota, metric::Measure, resource::Resource};

use crate::vcpus::VcpuRoom;

/// A fact with the time at which it was learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact<T> {
    /// When it was learned.
    pub at: Timestamp,
    /// What was learned.
    pub value: T,
}

/// EC2's status checks of a running instance and the events that AWS scheduled for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// `ok`, `initializing`, `impaired`, `insufficient-data` or `not-applicable`.
    pub system: String,
    /// The same for the instance's own check.
    pub instance: String,
    /// Scheduled events that have not been completed, by code and description.
    pub events: Vec<String>,
}

/// What an alarm does when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmAction {
    /// Drives a scaling policy.
    Scaling,
    /// Stops, terminates, reboots or recovers the resource.
    Power,
    /// Tells somebody.
    Notify,
}

/// A CloudWatch alarm that concerns the resource, or that the settings name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: String,
    /// What it does.
    pub actions: Vec<AlarmAction>,
    /// Whether one of its dimensions is this resource.
    pub of_resource: bool,
}

/// Whether a call would be allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// A DryRun said so, or the API has none and the role is configured for it.
    Allowed,
    /// A DryRun was refused.
    Denied {
        /// The call, such as `ec2:StopInstances`.
        operation: String,
        /// AWS's answer.
        message: String,
    },
}

/// A target of a load balancer's target group, as the load balancer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The instance's id, or an address.
    pub id: String,
    /// The port.
    pub port: u16,
    /// `healthy`, `unhealthy`, `initial`, `draining`, `unused` or `unavailable`.
    pub state: String,
}

/// The targets of target groups, by the group's ARN.
pub type Targets = BTreeMap<String, Vec<Target>>;

/// Everything that was found out about one candidate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// The resource as it is now.
    #[serde(default)]
    pub live: Option<Fact<Resource>>,
    /// Whether each instance type (desired and alternates) is offered in the resource's zone.
    #[serde(default)]
    pub offered: Option<Fact<BTreeMap<String, bool>>>,
    /// The vCPU quotas that a larger type needs room in; `None` where it was not asked for or not answered.
    #[serde(default)]
    pub vcpus: Option<Fact<BTreeMap<VcpuQuota, VcpuRoom>>>,
    /// Status checks.
    #[serde(default)]
    pub status: Option<Fact<InstanceStatus>>,
    /// Alarms of the resource and those the settings name.
    #[serde(default)]
    pub alarms: Option<Fact<Vec<Alarm>>>,
    /// Whether stop protection is set (instances).
    #[serde(default)]
    pub stop_protection: Option<Fact<bool>>,
    /// Whether termination protection is set (instances).
    #[serde(default)]
    pub termination_protection: Option<Fact<bool>>,
    /// Starts of volume modifications in the last rolling day (volumes).
    #[serde(default)]
    pub modifications: Option<Fact<Vec<Timestamp>>>,
    /// Whether every call of the steps and their undo is allowed; asked at approval and before the first write only.
    #[serde(default)]
    pub permission: Option<Fact<Permission>>,
    /// Newest point of each decisive series, fetched again before the first write.
    #[serde(default)]
    pub newest_points: Option<Fact<BTreeMap<String, Option<Timestamp>>>>,
    /// The targets of the groups that the instance is registered with.
    #[serde(default)]
    pub targets: Option<Fact<Targets>>,
    /// Calls that failed, by name, with the error: what they would have told is missing above.
    #[serde(default)]
    pub failures: Vec<String>,
}

impl Facts {
    /// The key of a measure in `newest_points`.
    #[must_use]
    pub fn point_key(measure: Measure) -> String {
        measure.to_string()
    }
}

/// What the runs of one version of a function came to in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Runs {
    /// How many there were.
    pub runs: f64,
    /// How many of its calls failed or were throttled.
    pub failed: f64,
    /// The time that they took together, milliseconds.
    pub total_ms: f64,
}

impl Runs {
    /// The share of calls that failed; `None` without any.
    #[must_use]
    pub fn failed_share(&self) -> Option<f64> {
        (self.runs >= 1.0).then(|| self.failed / self.runs)
    }
}
