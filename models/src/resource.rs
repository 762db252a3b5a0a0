//! Resources as they are observed: what identifies them and what their kind knows of itself.
//!
//! Not here: what they are configured to be (`spec`) and what is recommended (`recommendation`).

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::spec::{OWN_SCHEDULE_PREFIX, PowerState, ScheduledMin, Spec, VolumeSpec};

/// An Amazon Resource Name; the identity of a resource everywhere in Trimtab.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Arn(pub String);

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kinds of resources that Trimtab sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A virtual machine.
    #[serde(rename = "ec2-instance")]
    Instance,
    /// A block-storage volume.
    #[serde(rename = "ebs-volume")]
    Volume,
    /// A Lambda function.
    #[serde(rename = "lambda-function")]
    Function,
    /// An Auto Scaling group.
    #[serde(rename = "auto-scaling-group")]
    Group,
}

impl Kind {
    /// Every kind, in the order in which reports list them.
    pub const ALL: [Self; 4] = [Self::Instance, Self::Volume, Self::Function, Self::Group];

    /// The name used in configuration, JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "ec2-instance",
            Self::Volume => "ebs-volume",
            Self::Function => "lambda-function",
            Self::Group => "auto-scaling-group",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What names a resource and lets rules match it; it travels with every recommendation and change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceRef {
    /// The identity.
    pub arn: Arn,
    /// The kind.
    pub kind: Kind,
    /// The account's 12-digit id.
    pub account: String,
    /// The region, such as `eu-west-1`.
    pub region: String,
    /// The tags as last observed.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// One thing in AWS, as observed at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Identity, place and tags.
    #[serde(flatten)]
    pub reference: ResourceRef,
    /// The id that AWS's calls take: `i-…`, `vol-…`, a function's or a group's name.
    pub id: String,
    /// The availability zone, where the kind has one.
    #[serde(default)]
    pub zone: Option<String>,
    /// When the resource was created or, for an instance, launched last.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When this observation was made.
    pub observed_at: Timestamp,
    /// What the kind knows of itself.
    pub detail: Detail,
}

impl Resource {
    /// The configuration that recommendations are about.
    #[must_use]
    pub fn spec(&self) -> Spec {
        match &self.detail {
            Detail::Instance(instance) => Spec::Instance {
                instance_type: instance.instance_type.clone(),
                state: match instance.state {
                    InstanceState::Stopping | InstanceState::Stopped => PowerState::Stopped,
                    InstanceState::Pending
                    | InstanceState::Running
                    | InstanceState::ShuttingDown
                    | InstanceState::Terminated => PowerState::Running,
                },
            },
            Detail::Volume(volume) => Spec::Volume(volume.spec.clone()),
            Detail::Function(function) => Spec::Function { memory_mb: function.memory_mb },
            Detail::Group(group) => Spec::Group {
                min_size: group.min_size,
                max_size: group.max_size,
                desired_capacity: group.desired_capacity,
            },
        }
    }

    /// The configuration in the terms of `like`: a group has more sides than one recommendation is about.
    #[must_use]
    pub fn spec_like(&self, like: &Spec) -> Spec {
        match (&self.detail, like) {
            (Detail::Group(group), Spec::Schedule { .. }) => {
                Spec::Schedule { scheduled: group.own_schedule() }
            }
            (Detail::Group(group), Spec::Members { .. }) => {
                let template = group.launch_template.as_ref();
                let member_type = template.and_then(|one| one.instance_type.clone());
                Spec::Members { member_type: member_type.unwrap_or_default() }
            }
            _ => self.spec(),
        }
    }

    /// The value of the tag `key`.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.reference.tags.get(key).map(String::as_str)
    }

    /// The instance, if the resource is one.
    #[must_use]
    pub fn instance(&self) -> Option<&Instance> {
        match &self.detail {
            Detail::Instance(instance) => Some(instance),
            Detail::Volume(_) | Detail::Function(_) | Detail::Group(_) => None,
        }
    }

    /// The volume, if the resource is one.
    #[must_use]
    pub fn volume(&self) -> Option<&Volume> {
        match &self.detail {
            Detail::Volume(volume) => Some(volume),
            Detail::Instance(_) | Detail::Function(_) | Detail::Group(_) => None,
        }
    }

    /// The function, if the resource is one.
    #[must_use]
    pub fn function(&self) -> Option<&Function> {
        match &self.detail {
            Detail::Function(function) => Some(function),
            Detail::Instance(_) | Detail::Volume(_) | Detail::Group(_) => None,
        }
    }

    /// The group, if the resource is one.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        match &self.detail {
            Detail::Group(group) => Some(group),
            Detail::Instance(_) | Detail::Volume(_) | Detail::Function(_) => None,
        }
    }
}

/// What a kind knows of itself beyond identity and tags.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// A virtual machine.
    Instance(Box<Instance>),
    /// A volume.
    Volume(Volume),
    /// A function.
    Function(Function),
    /// A group.
    Group(Group),
}

/// The life-cycle states of an instance, as EC2 names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// In service.
    Running,
    /// On its way to `stopped`.
    Stopping,
    /// Off, with its volumes kept.
    Stopped,
    /// On its way to `terminated`.
    ShuttingDown,
    /// Gone for good.
    Terminated,
}

/// An EC2 instance. Unknown facts are `None`, and the checks that need them then fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The type, such as `m5.large`.
    pub instance_type: String,
    /// The life-cycle state.
    pub state: InstanceState,
    /// AWS's `PlatformDetails`, such as `Linux/UNIX`; prices and licences hang on it.
    pub platform: String,
    /// `x86_64`, `arm64`, `i386`, …
    pub architecture: String,
    /// `hvm` or `paravirtual`.
    pub virtualization: String,
    /// Whether the image declares the ENA driver.
    pub ena_support: bool,
    /// `legacy-bios` or `uefi`, where known.
    #[serde(default)]
    pub boot_mode: Option<String>,
    /// Whether the root device is an EBS volume (an instance-store root cannot be stopped).
    pub ebs_root: bool,
    /// `spot`, `scheduled`, …; absent for on-demand.
    #[serde(default)]
    pub lifecycle: Option<String>,
    /// `default`, `dedicated` or `host`.
    pub tenancy: String,
    /// The placement group's name, when the instance is in one.
    #[serde(default)]
    pub placement_group: Option<String>,
    /// Whether hibernation is enabled (the type can then not be changed).
    pub hibernation: bool,
    /// Whether Nitro Enclaves are enabled.
    pub enclave: bool,
    /// Whether cores or threads were set by hand; they would not survive a change of type.
    pub custom_cpu_options: bool,
    /// How many licence configurations are attached.
    pub licenses: u32,
    /// Attached network interfaces.
    pub network_interfaces: u32,
    /// Most private IPv4 addresses on one interface.
    pub addresses_per_interface: u32,
    /// Whether any interface uses EFA or ENA Express.
    pub special_network: bool,
    /// The public IPv4 address, if any.
    #[serde(default)]
    pub public_ip: Option<String>,
    /// Whether the public address is an Elastic IP (it then survives a stop).
    pub elastic_ip: bool,
    /// Ids of the attached volumes.
    #[serde(default)]
    pub volumes: Vec<String>,
    /// Whether another AWS service operates the instance (`Operator.Managed`).
    pub operator_managed: bool,
    /// The Auto Scaling group it is a member of.
    #[serde(default)]
    pub group: Option<String>,
    /// AWS's reason code of the last state change, such as `Server.InsufficientInstanceCapacity`.
    #[serde(default)]
    pub state_reason: Option<String>,
    /// When the instance was launched or started last.
    #[serde(default)]
    pub launched_at: Option<Timestamp>,
}

/// How far a volume's modification has come, as EC2 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModificationState {
    /// Accepted.
    Modifying,
    /// The new configuration is in force, performance still settles.
    Optimizing,
    /// Done.
    Completed,
    /// Given up by EC2.
    Failed,
}

/// One modification of a volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Modification {
    /// How far it has come.
    pub state: ModificationState,
    /// When it was started.
    pub started_at: Timestamp,
    /// The configuration asked for.
    pub target: VolumeSpec,
}

/// A volume's attachment to an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The instance's id.
    pub instance_id: String,
    /// The device name, such as `/dev/xvda`.
    pub device: String,
    /// Whether the volume goes when the instance is terminated.
    pub delete_on_termination: bool,
}

/// An EBS volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// Type, size and performance.
    pub spec: VolumeSpec,
    /// `creating`, `available`, `in-use`, `deleting`, `deleted` or `error`.
    pub state: String,
    /// To which instances it is attached.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Whether Multi-Attach is enabled.
    pub multi_attach: bool,
    /// The customer key that encrypts it, if any.
    #[serde(default)]
    pub kms_key: Option<String>,
    /// The snapshot it was made from.
    #[serde(default)]
    pub snapshot_id: Option<String>,
    /// The newest modification that EC2 still knows.
    #[serde(default)]
    pub modification: Option<Modification>,
    /// Since when *we* have seen it unattached, without a break.
    #[serde(default)]
    pub detached_since: Option<Timestamp>,
}

/// A Lambda function's unpublished version (`$LATEST`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// Configured memory, MB.
    pub memory_mb: u32,
    /// Configured timeout, seconds.
    pub timeout_s: u32,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The runtime's name; `None` for container images.
    #[serde(default)]
    pub runtime: Option<String>,
    /// `Active`, `Inactive`, `Pending` or `Failed`.
    pub state: String,
    /// `Successful`, `InProgress` or `Failed`.
    pub last_update_status: String,
    /// Changes with every update; makes the next one conditional.
    #[serde(default)]
    pub revision_id: Option<String>,
    /// The code's SHA-256 as Lambda states it.
    #[serde(default)]
    pub code_sha256: Option<String>,
    /// Names of aliases; a function served through one is not changed by changing `$LATEST`.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// How many versions are published.
    pub published_versions: u32,
    /// Whether a capacity provider (managed instances) runs it.
    pub capacity_provider: bool,
}

/// A member of an Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
