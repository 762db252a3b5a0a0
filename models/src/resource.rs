//! Resources as they are observed: what identifies them and what their kind knows of itself.
//!
//! Not here: what they are configured to be (`spec`) and what is recommended (`recommendation`).

mod function;
mod group;

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::function::{Alias, Function, Published};
pub use self::group::{
    EXTERNAL_SCALER_TAGS, Group, LaunchTemplate, Member, Refresh, ScheduledAction, scaled_by_others,
};
use crate::spec::{PowerState, Spec, VolumeSpec};

/// An Amazon Resource Name; the identity of a resource everywhere in Trimtab.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Arn(pub String);

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The kinds of resources that Trimtab sizes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
            Detail::Function(function) => Spec::Function { memory_mb: function.served_memory_mb() },
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The load balancers' target groups that send it traffic; `None` where that is not known, which is not the same as none.
    #[serde(default)]
    pub registrations: Option<Vec<Registration>>,
    /// AWS's reason code of the last state change, such as `Server.InsufficientInstanceCapacity`.
    #[serde(default)]
    pub state_reason: Option<String>,
    /// When the instance was launched or started last.
    #[serde(default)]
    pub launched_at: Option<Timestamp>,
}

/// A registration of an instance with a target group of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Registration {
    /// The target group's ARN.
    pub group_arn: String,
    /// The port on which the instance is registered there.
    pub port: u16,
    /// How long the load balancer lets open connections end before it drops the target, seconds.
    pub drain_s: u32,
    /// Whether the group knows the instance by its address only.
    pub by_address: bool,
}

/// How far a volume's modification has come, as EC2 names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Modification {
    /// How far it has come.
    pub state: ModificationState,
    /// When it was started.
    pub started_at: Timestamp,
    /// The configuration asked for.
    pub target: VolumeSpec,
}

/// A volume's attachment to an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// The instance's id.
    pub instance_id: String,
    /// The device name, such as `/dev/xvda`.
    pub device: String,
    /// Whether the volume goes when the instance is terminated.
    pub delete_on_termination: bool,
}

/// An EBS volume.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
