//! An EC2 instance type: everything that sizing compares and that compatibility depends on.
//!
//! Not here: prices (`prices`), and whether a type is offered in a zone, which only the live account knows.

use serde::{Deserialize, Serialize};

use super::attributes::{
    Architecture, AttachmentLimit, BootMode, EbsOptimization, Hypervisor, PlacementStrategy,
    RootDevice, StoreMedia, Support, UsageClass, Virtualization,
};

/// One instance type as `ec2:DescribeInstanceTypes` gives it, with two things that the API does not give:
/// CPU credits and a CPU benchmark. `None` means that it is not known (or that the type has no such part).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceType {
    /// The API's name, such as `m7g.large`.
    pub name: String,
    /// The part of the name before the point.
    pub family: String,
    /// Virtual processors by default.
    pub vcpu: u32,
    /// Physical cores.
    pub cores: u32,
    /// Threads a core by default.
    pub threads_per_core: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The architectures that its images may have.
    pub architectures: Vec<Architecture>,
    /// The maker of the processor as the API spells it: `Intel`, `AMD`, `AWS`, `Apple`.
    pub processor_maker: String,
    /// Sustained clock in GHz.
    pub clock_ghz: Option<f64>,
    /// `None` on bare metal.
    pub hypervisor: Option<Hypervisor>,
    /// Whether the instance has the whole machine.
    pub bare_metal: bool,
    /// Whether AWS counts the type to the current generation.
    pub current_generation: bool,
    /// Whether the type lives on CPU credits (the T families).
    pub burstable: bool,
    /// CPU credits (one vCPU at 100 % for a minute) earned an hour by the whole instance.
    pub credits_per_hour: Option<f64>,
    /// Share of each vCPU that may be used for ever: of burstable types and of flex types (0.4).
    pub baseline_ratio: Option<f64>,
    /// Whether the type is a flex type: full CPU for 95 % of the time over 24 hours, without credits.
    pub flex: bool,
    /// Network and its limits.
    pub network: Network,
    /// EBS and its limits.
    pub ebs: EbsLimits,
    /// Disks of the machine itself, whose data does not survive a stop.
    pub instance_store: Option<InstanceStore>,
    /// Graphics processors.
    pub gpu: Option<Gpu>,
    /// Other accelerators: inference, training, programmable logic, video.
    pub accelerator: Option<Accelerator>,
    /// Kinds of virtualization that an image may have.
    pub virtualization: Vec<Virtualization>,
    /// Root devices that an image may have.
    pub root_devices: Vec<RootDevice>,
    /// Boot modes that an image may have.
    pub boot_modes: Vec<BootMode>,
    /// Ways to buy it.
    pub usage_classes: Vec<UsageClass>,
    /// Whether it can hibernate.
    pub hibernation: bool,
    /// Whether a failed host is recovered from.
    pub auto_recovery: bool,
    /// Whether a dedicated host can carry it.
    pub dedicated_hosts: bool,
    /// Placement groups that it may join.
    pub placement_strategies: Vec<PlacementStrategy>,
    /// Whether Nitro enclaves work on it.
    pub enclaves: bool,
    /// CoreMark, all vCPUs together, in iterations per second.
    pub coremark: Option<u64>,
}

/// The network of an instance type, over all its cards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Bandwidth that is always there, in Gbit/s.
    pub base_gbps: Option<f64>,
    /// Bandwidth in bursts, in Gbit/s; the same as the base where there are none.
    pub peak_gbps: Option<f64>,
    /// Network cards.
    pub cards: u32,
    /// Network interfaces at most.
    pub max_enis: u32,
    /// IPv4 addresses at most on each interface.
    pub ipv4_per_eni: u32,
    /// The enhanced network adapter.
    pub ena: Support,
    /// ENA Express.
    pub ena_express: bool,
    /// The elastic fabric adapter.
    pub efa: bool,
}

/// What an instance type can do with EBS volumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EbsLimits {
    /// Whether volumes appear as NVMe devices.
    pub nvme: Support,
    /// Bandwidth of its own for EBS.
    pub optimized: EbsOptimization,
    /// What is always there; `None` where EBS has no bandwidth of its own.
    pub base: Option<EbsRate>,
    /// What is there for 30 minutes a day, on the smaller sizes; the same as the base on the larger.
    pub peak: Option<EbsRate>,
    /// Attachments at most.
    pub max_attachments: u32,
    /// What counts against `max_attachments`.
    pub attachment_limit: AttachmentLimit,
}

/// A rate at which EBS can be read and written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EbsRate {
    /// Operations of 16 KiB a second.
    pub iops: u32,
    /// 10^6 bytes a second, at 128 KiB an operation.
    pub throughput_mb_s: f64,
}

/// Disks that belong to the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceStore {
    /// All disks together, in GB (10^9 bytes).
    pub total_gb: u64,
    /// Number of disks.
    pub disks: u32,
    /// What they are made of.
    pub media: StoreMedia,
    /// Whether they appear as NVMe devices.
    pub nvme: Support,
}

/// Graphics processors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Whole processors; 0 where the type has a share of one.
    pub count: u32,
    /// Maker and model.
    pub model: String,
    /// Memory of all together, in MiB.
    pub memory_mib: u64,
}

/// Accelerators that are not graphics processors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accelerator {
    /// Number of devices.
    pub count: u32,
    /// Model.
    pub model: String,
}

impl InstanceType {
    /// Whether an image of this architecture runs on the type.
    pub fn supports(&self, architecture: Architecture) -> bool {
        self.architectures.contains(&architecture)
    }

    /// Memory in GiB.
    pub fn memory_gib(&self) -> f64 {
        self.memory_mib as f64 / 1024.0
    }

    /// CoreMark of one vCPU, for comparing processors across families.
    pub fn coremark_per_vcpu(&self) -> Option<f64> {
        let vcpu = (self.vcpu > 0).then(|| f64::from(self.vcpu))?;
        self.coremark.map(|total| total as f64 / vcpu)
    }

    /// vCPUs that may be busy for ever: all of them, or the baseline's share on burstable and flex types.
    ///
    /// `None` for a type of a T family whose baseline is not known: it must not pass for a full one. The name
    /// counts beside `burstable`, because EC2 lists T1 and T8i without that flag.
    pub fn sustained_vcpu(&self) -> Option<f64> {
        let limited = self.burstable || self.flex || self.is_t_family();
        match (limited, self.baseline_ratio) {
            (false, _) => Some(f64::from(self.vcpu)),
            (true, Some(ratio)) => Some(f64::from(self.vcpu) * ratio),
            (true, None) => None,
        }
    }

    /// Whether the family is a T and a generation: `t3a`, but not `trn1`.
    fn is_t_family(&self) -> bool {
        let generation = self.family.strip_prefix('t').unwrap_or_default();
        generation.starts_with(|first: char| first.is_ascii_digit())
    }
}
