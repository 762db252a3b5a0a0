//! The closed lists of words in which EC2 describes an instance type.
//!
//! Not here: the numbers of a type (`instance_type`).

use serde::{Deserialize, Serialize};

/// A word that the EC2 API uses for one value of a closed list.
pub trait ApiWord: Copy + PartialEq + Sized + 'static {
    /// Every value of the list.
    const ALL: &'static [Self];

    /// The word exactly as the EC2 API spells it.
    fn as_str(self) -> &'static str;

    /// The value that the API spells `word`; `None` for a word that is newer than this list.
    fn from_api(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.as_str() == word)
    }
}

/// A processor architecture that an image can be built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Architecture {
    /// 32-bit x86, on nine types of the first generations.
    #[serde(rename = "i386")]
    I386,
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit Arm.
    #[serde(rename = "arm64")]
    Arm64,
    /// macOS on Intel.
    #[serde(rename = "x86_64_mac")]
    X86_64Mac,
    /// macOS on Apple silicon.
    #[serde(rename = "arm64_mac")]
    Arm64Mac,
}

impl ApiWord for Architecture {
    const ALL: &'static [Self] =
        &[Self::I386, Self::X86_64, Self::Arm64, Self::X86_64Mac, Self::Arm64Mac];

    fn as_str(self) -> &'static str {
        match self {
            Self::I386 => "i386",
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
            Self::X86_64Mac => "x86_64_mac",
            Self::Arm64Mac => "arm64_mac",
        }
    }
}

/// What runs the virtual machine; bare metal has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hypervisor {
    /// Nitro: every type since 2017.
    Nitro,
    /// Xen: the older types.
    Xen,
}

impl ApiWord for Hypervisor {
    const ALL: &'static [Self] = &[Self::Nitro, Self::Xen];

    fn as_str(self) -> &'static str {
        match self {
            Self::Nitro => "nitro",
            Self::Xen => "xen",
        }
    }
}

/// How a type stands to a driver. `Required` means that an image without it does not boot or has no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    /// The type does not have it.
    Unsupported,
    /// The type has it and works without.
    Supported,
    /// The image must bring the driver.
    Required,
}

impl ApiWord for Support {
    const ALL: &'static [Self] = &[Self::Unsupported, Self::Supported, Self::Required];

    fn as_str(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::Supported => "supported",
            Self::Required => "required",
        }
    }
}

/// Whether the type has bandwidth of its own for EBS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EbsOptimization {
    /// EBS shares the network.
    Unsupported,
    /// On request, at an extra hourly price.
    Supported,
    /// Always, in the type's price.
    Default,
}

impl ApiWord for EbsOptimization {
    const ALL: &'static [Self] = &[Self::Unsupported, Self::Supported, Self::Default];

    fn as_str(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::Supported => "supported",
            Self::Default => "default",
        }
    }
}

/// What counts against the number of volumes that can be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentLimit {
    /// Volumes, network interfaces and instance-store disks share the limit.
    Shared,
    /// Only EBS volumes count.
    Dedicated,
}

impl ApiWord for AttachmentLimit {
    const ALL: &'static [Self] = &[Self::Shared, Self::Dedicated];

    fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Dedicated => "dedicated",
        }
    }
}

/// What an instance-store disk is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreMedia {
    /// Magnetic.
    Hdd,
    /// Flash.
    Ssd,
}

impl ApiWord for StoreMedia {
    const ALL: &'static [Self] = &[Self::Hdd, Self::Ssd];

    fn as_str(self) -> &'static str {
        match self {
            Self::Hdd => "hdd",
            Self::Ssd => "ssd",
        }
    }
}

/// The kind of virtualization that an image is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Virtualization {
    /// Hardware virtual machine: every current type.
    Hvm,
    /// Paravirtual: some of the first generations.
    Paravirtual,
}

impl ApiWord for Virtualization {
    const ALL: &'static [Self] = &[Self::Hvm, Self::Paravirtual];

    fn as_str(self) -> &'static str {
        match self {
            Self::Hvm => "hvm",
            Self::Paravirtual => "paravirtual",
        }
    }
}

/// Where the root device may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootDevice {
    /// On an EBS volume: the instance can be stopped and resized.
    Ebs,
    /// On the instance store: it cannot be stopped.
    InstanceStore,
}

impl ApiWord for RootDevice {
    const ALL: &'static [Self] = &[Self::Ebs, Self::InstanceStore];

    fn as_str(self) -> &'static str {
        match self {
            Self::Ebs => "ebs",
            Self::InstanceStore => "instance-store",
        }
    }
}

/// How the machine's firmware starts an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootMode {
    /// BIOS.
    LegacyBios,
    /// UEFI.
    Uefi,
}

impl ApiWord for BootMode {
    const ALL: &'static [Self] = &[Self::LegacyBios, Self::Uefi];

    fn as_str(self) -> &'static str {
        match self {
            Self::LegacyBios => "legacy-bios",
            Self::Uefi => "uefi",
        }
    }
}

/// How the type can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsageClass {
    /// By the second at the list price.
    OnDemand,
    /// At the spot price, interruptible.
    Spot,
    /// Reserved as a block of accelerator capacity.
    CapacityBlock,
}

impl ApiWord for UsageClass {
    const ALL: &'static [Self] = &[Self::OnDemand, Self::Spot, Self::CapacityBlock];

    fn as_str(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Spot => "spot",
            Self::CapacityBlock => "capacity-block",
        }
    }
}

/// A strategy of a placement group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlacementStrategy {
    /// Close together, for the network; not for burstable and flex types.
    Cluster,
    /// Partitions that share no rack.
    Partition,
    /// Every instance on a rack of its own.
    Spread,
}

impl ApiWord for PlacementStrategy {
    const ALL: &'static [Self] = &[Self::Cluster, Self::Partition, Self::Spread];

    fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Partition => "partition",
            Self::Spread => "spread",
        }
    }
}
