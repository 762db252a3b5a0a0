//! Auto Scaling groups as they are observed: members, schedules, launch template and refreshes.
//!
//! Not here: what they are configured to be (`spec`) and other kinds (`super`).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Resource;
use crate::spec::{OWN_SCHEDULE_PREFIX, ScheduledMin};

/// A member of an Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// The instance's id.
    pub instance_id: String,
    /// Its type.
    pub instance_type: String,
    /// `InService`, `Pending`, `Standby`, …
    pub lifecycle_state: String,
    /// Whether Auto Scaling calls it healthy.
    pub healthy: bool,
}

/// A scheduled action of a group, whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduledAction {
    /// Its name.
    pub name: String,
    /// When it recurs, in five fields of cron; `None` for one that happens once.
    pub recurrence: Option<String>,
    /// The time zone of the recurrence; `None` for UTC.
    pub time_zone: Option<String>,
    /// When it happens, or happens next.
    pub start_at: Option<Timestamp>,
    /// After which it does not happen any more.
    pub end_at: Option<Timestamp>,
    /// The lower bound that it sets.
    pub min_size: Option<u32>,
    /// The upper bound that it sets.
    pub max_size: Option<u32>,
    /// The capacity that it asks for.
    pub desired_capacity: Option<u32>,
}

impl ScheduledAction {
    /// Whether its name says that it is ours.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.name.starts_with(OWN_SCHEDULE_PREFIX)
    }

    /// What it sets, where it is just what we would write.
    fn as_written(&self) -> Option<ScheduledMin> {
        let utc = matches!(self.time_zone.as_deref(), None | Some("UTC" | "Etc/UTC"));
        let plain = self.max_size.is_none() && self.desired_capacity.is_none();
        let (recurrence, min_size) = self.recurrence.clone().zip(self.min_size)?;
        let endless = self.end_at.is_none();
        (utc && plain && endless).then(|| ScheduledMin {
            name: self.name.clone(),
            recurrence,
            min_size,
        })
    }
}

/// The launch template that a group launches its members from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaunchTemplate {
    /// The template's id, `lt-…`.
    pub id: String,
    /// The version as the group names it: a number, `$Latest` or `$Default`.
    pub version: String,
    /// The number of that version; `None` where it could not be read.
    pub number: Option<u64>,
    /// The instance type that it launches; `None` where it names none, or could not be read.
    pub instance_type: Option<String>,
}

/// An instance refresh, as Auto Scaling describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refresh {
    /// Its id.
    pub id: String,
    /// `Pending`, `InProgress`, `Baking`, `Successful`, `RollbackInProgress`, …
    pub status: String,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// The launch template that it brings in, by id; `None` without a desired configuration.
    pub template_id: Option<String>,
    /// The version that it brings in.
    pub version: Option<String>,
    /// Why it stands where it stands, in Auto Scaling's words.
    pub reason: Option<String>,
}

/// The states of a refresh that has ended.
const ENDED_REFRESHES: [&str; 5] =
    ["Successful", "Failed", "Cancelled", "RollbackFailed", "RollbackSuccessful"];

impl Refresh {
    /// Whether it has ended; a state that is not known has not.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        ENDED_REFRESHES.contains(&self.status.as_str())
    }

    /// Whether it brings this version in.
    #[must_use]
    pub fn brings(&self, template_id: &str, version: u64) -> bool {
        self.template_id.as_deref() == Some(template_id)
            && self.version.as_deref() == Some(version.to_string().as_str())
    }
}

/// An Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Lower bound of the capacity.
    pub min_size: u32,
    /// Upper bound of the capacity.
    pub max_size: u32,
    /// The capacity that is asked for.
    pub desired_capacity: u32,
    /// The members.
    #[serde(default)]
    pub members: Vec<Member>,
    /// Whether a mixed-instances policy is set.
    pub mixed_instances: bool,
    /// Names of the scaling policies.
    #[serde(default)]
    pub scaling_policies: Vec<String>,
    /// Names of the scheduled actions.
    #[serde(default)]
    pub scheduled_actions: Vec<String>,
    /// The scheduled actions, where more than their names was read.
    #[serde(default)]
    pub schedule: Vec<ScheduledAction>,
    /// Processes that someone suspended.
    #[serde(default)]
    pub suspended_processes: Vec<String>,
    /// Scaling activities that have not ended, by description.
    #[serde(default)]
    pub activities_in_progress: Vec<String>,
    /// The status of an instance refresh that has not ended.
    #[serde(default)]
    pub refresh_in_progress: Option<String>,
    /// The newest instance refresh, whether it has ended or not.
    #[serde(default)]
    pub refresh: Option<Refresh>,
    /// The launch template; `None` for a launch configuration or a mixed-instances policy.
    #[serde(default)]
    pub launch_template: Option<LaunchTemplate>,
    /// Whether the group is being deleted.
    pub deleting: bool,
}

impl Group {
    /// The scheduled actions of ours that are as we write them, by name. One that somebody edited is not among them.
    #[must_use]
    pub fn own_schedule(&self) -> Vec<ScheduledMin> {
        let own = self.schedule.iter().filter(|action| action.is_own());
        let mut own: Vec<ScheduledMin> = own.filter_map(ScheduledAction::as_written).collect();
        own.sort();
        own
    }

    /// Why no schedule of ours may stand beside what others have scheduled.
    ///
    /// What a scheduled action sets stays until the next one, so that any other that is still to happen overlaps.
    #[must_use]
    pub fn reason_scheduled_by_others(&self, now: Timestamp) -> Option<String> {
        let known = |name: &String| self.schedule.iter().any(|action| action.name == *name);
        if let Some(name) = self.scheduled_actions.iter().find(|name| !known(name)) {
            return Some(format!("what the scheduled action `{name}` does is not known"));
        }
        let ahead = |action: &&ScheduledAction| {
            !action.is_own() && action.end_at.is_none_or(|end| end > now)
        };
        let other = self.schedule.iter().find(ahead)?;
        let when = other.recurrence.as_deref().unwrap_or("once");
        Some(format!(
            "the scheduled action `{}` ({when}) is somebody else's, and its bounds would overlap with ours",
            other.name
        ))
    }
}

/// Tags by which schedulers outside Auto Scaling mark the groups that they scale.
///
/// Cluster Autoscaler's auto-discovery tags, Karpenter's ownership tag and EKS's node-group tag.
pub const EXTERNAL_SCALER_TAGS: [&str; 4] = [
    "k8s.io/cluster-autoscaler/enabled",
    "karpenter.sh/nodepool",
    "eks:nodegroup-name",
    "AmazonECSManaged",
];

/// Whether something else than the group's own bounds moves its desired capacity: a scaling policy,
/// a scheduled action, or a scheduler outside Auto Scaling. Then only min and max are ours.
#[must_use]
pub fn scaled_by_others(resource: &Resource, group: &Group) -> bool {
    !group.scaling_policies.is_empty()
        || !group.scheduled_actions.is_empty()
        || EXTERNAL_SCALER_TAGS.iter().any(|key| resource.tag(key).is_some())
}
