//! Which of EC2's quotas on running On-Demand vCPUs an instance type counts against.
//!
//! Source: Amazon EC2 User Guide, "On-Demand Instances quotas", and the quota codes of Service Quotas. Not here: what the quota
//! is in an account, and Spot Instances, which have quotas of their own.

use serde::{Deserialize, Serialize};

/// A quota on the vCPUs of running On-Demand Instances in an account and region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VcpuQuota {
    /// A, C, D, H, I, M, R, T and Z.
    Standard,
    /// DL.
    Dl,
    /// F.
    F,
    /// G and VT.
    GAndVt,
    /// U: high memory.
    HighMemory,
    /// Hpc.
    Hpc,
    /// Inf.
    Inf,
    /// P.
    P,
    /// Trn.
    Trn,
    /// X.
    X,
}

impl VcpuQuota {
    /// The quota of a type such as `m5.large`; `None` for a family that has no such quota (Mac) or is not known.
    #[must_use]
    pub fn of(instance_type: &str) -> Option<Self> {
        let letters = instance_type.find(|letter: char| !letter.is_ascii_lowercase())?;
        let (word, rest) = instance_type.split_at(letters);
        match word {
            "dl" => Some(Self::Dl),
            "f" => Some(Self::F),
            "g" | "gr" | "vt" => Some(Self::GAndVt),
            "hpc" => Some(Self::Hpc),
            "inf" => Some(Self::Inf),
            "p" => Some(Self::P),
            "trn" => Some(Self::Trn),
            "u" if rest.starts_with(|next: char| next == '-' || next.is_ascii_digit()) => {
                Some(Self::HighMemory)
            }
            "x" => Some(Self::X),
            "a" | "c" | "d" | "h" | "i" | "im" | "is" | "m" | "r" | "t" | "z" => {
                Some(Self::Standard)
            }
            _ => None,
        }
    }

    /// Its code at Service Quotas, under the service `ec2`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Standard => "L-1216C47A",
            Self::Dl => "L-6E869C2A",
            Self::F => "L-74FC7D96",
            Self::GAndVt => "L-DB2E81BA",
            Self::HighMemory => "L-43DA4232",
            Self::Hpc => "L-F7808C92",
            Self::Inf => "L-1945791B",
            Self::P => "L-417A185B",
            Self::Trn => "L-2C3B7624",
            Self::X => "L-7295265B",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn every_type_of_the_catalogue_but_macs_has_a_quota() {
        let catalog = Catalog::embedded();
        let without: Vec<&str> = catalog
            .instance_types()
            .map(|one| one.name.as_str())
            .filter(|name| VcpuQuota::of(name).is_none())
            .collect();
        assert!(without.iter().all(|name| name.starts_with("mac")), "{without:?}");
    }

    #[test]
    fn families_are_told_apart_by_their_whole_word() {
        let table = [
            ("m5.large", Some(VcpuQuota::Standard)),
            ("im4gn.large", Some(VcpuQuota::Standard)),
            ("is4gen.large", Some(VcpuQuota::Standard)),
            ("inf2.xlarge", Some(VcpuQuota::Inf)),
            ("i4i.large", Some(VcpuQuota::Standard)),
            ("trn1.2xlarge", Some(VcpuQuota::Trn)),
            ("t3.micro", Some(VcpuQuota::Standard)),
            ("g5.xlarge", Some(VcpuQuota::GAndVt)),
            ("gr6.4xlarge", Some(VcpuQuota::GAndVt)),
            ("u-6tb1.56xlarge", Some(VcpuQuota::HighMemory)),
            ("u7i-12tb.224xlarge", Some(VcpuQuota::HighMemory)),
            ("x2gd.medium", Some(VcpuQuota::X)),
            ("mac2.metal", None),
            ("quux1.large", None),
            ("", None),
        ];
        for (name, quota) in table {
            assert_eq!(VcpuQuota::of(name), quota, "{name}");
        }
    }
}
