//! What a volume of each type can do, by Amazon EBS's published limits.
//!
//! Not here: what was used of it (`super`), and for how long a gp2 volume can burst (`super::credit`).

use crate::{
    catalog::{GP3_IOPS_INCLUDED, GP3_MIBPS_INCLUDED},
    spec::VolumeSpec,
};

/// Limits of a volume type, from EC2's ModifyVolume reference.
pub(super) const GP3_IOPS_MAX: u32 = 80_000;
pub(super) const GP3_MIBPS_MAX: u32 = 2_000;
/// gp3: at most 500 operations a second for each GiB, and 4 for each MiB/s at least.
pub(super) const GP3_IOPS_PER_GIB: u32 = 500;
pub(super) const GP3_IOPS_PER_MIBPS: u32 = 4;
/// io1 and io2: the fewest operations a second that can be provisioned.
pub(super) const IO_IOPS_MIN: u32 = 100;
/// gp2: three operations a second for each GiB, within these bounds; bursts below 1,000 GiB reach 3,000.
const GP2_IOPS_PER_GIB: u32 = 3;
const GP2_IOPS_MIN: u32 = 100;
const GP2_IOPS_MAX: u32 = 16_000;
pub(super) const GP2_BURST_IOPS: u32 = 3_000;
/// gp2: up to 170 GiB 128 MiB/s, above it 250 (below 334 GiB by bursts).
const GP2_SMALL_GIB: u32 = 170;
const GP2_SMALL_MIBPS: u32 = 128;
const GP2_MIBPS: u32 = 250;

/// Operations a second and MiB/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Performance {
    pub(super) iops: u32,
    pub(super) mibps: u32,
}

/// What the volume can do today, bursts included; `None` for io types without operations.
pub(super) fn performance(spec: &VolumeSpec) -> Option<Performance> {
    let size = spec.size_gib;
    match spec.volume_type.as_str() {
        "gp2" => {
            let mibps = if size <= GP2_SMALL_GIB { GP2_SMALL_MIBPS } else { GP2_MIBPS };
            Some(Performance { iops: gp2_base(size).max(GP2_BURST_IOPS), mibps })
        }
        "gp3" => Some(Performance {
            iops: spec.iops.unwrap_or(GP3_IOPS_INCLUDED),
            mibps: spec.throughput_mibps.unwrap_or(GP3_MIBPS_INCLUDED),
        }),
        "io1" => {
            // 256 KiB an operation up to 500 MiB/s, beyond 32,000 operations 16 KiB each up to 1,000.
            let iops = spec.iops?;
            Some(Performance { iops, mibps: (iops / 4).min(500).max((iops / 64).min(1_000)) })
        }
        "io2" => spec.iops.map(|iops| Performance { iops, mibps: (iops / 4).min(4_000) }),
        _ => None,
    }
}

/// Operations a second that a gp2 volume of `size_gib` always has.
pub(super) fn gp2_base(size_gib: u32) -> u32 {
    size_gib.saturating_mul(GP2_IOPS_PER_GIB).clamp(GP2_IOPS_MIN, GP2_IOPS_MAX)
}

/// Whether the change lowers no limit, whatever the use: operations and throughput stay or rise, on a type whose latency
/// and durability EBS states the same.
///
/// gp2 and gp3 are the pair that differ: both are single-digit milliseconds and 99.8 to 99.9 % durable a year by EBS's
/// documentation of volume types. A gp2 volume's bursts count as if they lasted for ever.
pub(super) fn keeps_every_limit(today: &VolumeSpec, desired: &VolumeSpec) -> bool {
    let kinds = (today.volume_type.as_str(), desired.volume_type.as_str());
    let alike = kinds.0 == kinds.1 || kinds == ("gp2", "gp3");
    let grows = today.size_gib <= desired.size_gib;
    let pair = performance(today).zip(performance(desired));
    alike && grows && pair.is_some_and(|(old, new)| old.iops <= new.iops && old.mibps <= new.mibps)
}
