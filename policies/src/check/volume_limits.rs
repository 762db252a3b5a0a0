//! What EBS allows a volume to become: types, ranges and ratios.
//!
//! Not here: how often a volume may be modified (`cooldown`) and what a smaller one would lose (`trimtab-models`).

use trimtab_models::{resource::Volume, spec::VolumeSpec};

/// The ranges of one volume type.
struct Limits {
    size_gib: (u32, u32),
    /// Provisioned operations a second; `None` where they cannot be provisioned.
    iops: Option<(u32, u32)>,
    /// Most operations a second for each GiB; the type's least is always allowed.
    iops_per_gib: u32,
    /// Provisioned MiB/s; `None` where they cannot be provisioned.
    throughput_mibps: Option<(u32, u32)>,
}

/// MiB/s that gp3 allows for each provisioned operation a second is a quarter: four operations for each MiB/s.
const GP3_IOPS_PER_MIBPS: u32 = 4;

/// Ranges of the EBS API reference (ModifyVolume) and ratios of the EBS user guide.
///
/// io2 is held to what every instance can use: above 64,000 operations or 16 TiB it needs Block Express, which is not known here.
fn limits_of(volume_type: &str) -> Option<Limits> {
    let plain = |least, most| Limits {
        size_gib: (least, most),
        iops: None,
        iops_per_gib: 0,
        throughput_mibps: None,
    };
    let provisioned = |size_gib, iops, iops_per_gib, throughput_mibps| Limits {
        size_gib,
        iops: Some(iops),
        iops_per_gib,
        throughput_mibps,
    };
    match volume_type {
        "gp2" => Some(plain(1, 16_384)),
        "gp3" => Some(provisioned((1, 65_536), (3_000, 80_000), 500, Some((125, 2_000)))),
        "io1" => Some(provisioned((4, 16_384), (100, 64_000), 50, None)),
        "io2" => Some(provisioned((4, 16_384), (100, 64_000), 500, None)),
        "st1" | "sc1" => Some(plain(125, 16_384)),
        "standard" => Some(plain(1, 1_024)),
        _ => None,
    }
}

/// Everything that EBS would refuse about a modification.
pub(super) fn problems(from: &VolumeSpec, to: &VolumeSpec) -> Vec<String> {
    let Some(limits) = limits_of(&to.volume_type) else {
        return vec![format!("volume type `{}` is not known", to.volume_type)];
    };
    let mut problems = Vec::new();
    if from.size_gib != to.size_gib {
        let (from, to) = (from.size_gib, to.size_gib);
        problems.push(format!("the size never changes, but {from} GiB becomes {to}"));
    }
    problems.extend(outside("size", "GiB", to.size_gib, limits.size_gib));
    if let (Some(range), Some(iops)) = (limits.iops, to.iops) {
        problems.extend(outside("performance", "IOPS", iops, range));
        let most = limits.iops_per_gib.saturating_mul(to.size_gib).max(range.0);
        if iops > most {
            let size = to.size_gib;
            problems.push(format!("{iops} IOPS are more than {size} GiB allow ({most})"));
        }
    }
    if let (Some(range), Some(throughput)) = (limits.throughput_mibps, to.throughput_mibps) {
        problems.extend(outside("throughput", "MiB/s", throughput, range));
        let iops = to.iops.unwrap_or(range.0);
        if throughput.saturating_mul(GP3_IOPS_PER_MIBPS) > iops && throughput > range.0 {
            problems.push(format!("{throughput} MiB/s need more than {iops} IOPS"));
        }
    }
    if limits.iops.is_some() && to.iops.is_none() {
        problems.push(format!("{} needs a number of IOPS", to.volume_type));
    }
    problems
}

fn outside(what: &str, unit: &str, value: u32, (least, most): (u32, u32)) -> Option<String> {
    let inside = (least..=most).contains(&value);
    (!inside).then(|| format!("{what} of {value} {unit} is outside {least} to {most}"))
}

/// What the attachments of a volume forbid.
pub(super) fn problem_of_attachment(volume: &Volume, to: &VolumeSpec) -> Option<String> {
    if volume.multi_attach {
        return Some("Multi-Attach is enabled".to_owned());
    }
    let is_root = volume
        .attachments
        .iter()
        .any(|held| ["/dev/xvda", "/dev/sda1", "/dev/sda"].contains(&held.device.as_str()));
    let magnetic = ["st1", "sc1"].contains(&to.volume_type.as_str());
    (is_root && magnetic).then(|| format!("a root volume cannot be {}", to.volume_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(volume_type: &str, size_gib: u32, iops: u32, throughput: u32) -> VolumeSpec {
        VolumeSpec {
            volume_type: volume_type.to_owned(),
            size_gib,
            iops: (iops > 0).then_some(iops),
            throughput_mibps: (throughput > 0).then_some(throughput),
        }
    }

    fn check(to: VolumeSpec, expect: &str) {
        let from = spec("gp2", to.size_gib, 0, 0);
        let found = problems(&from, &to).join("; ");
        assert!(
            found.contains(expect) && found.is_empty() == expect.is_empty(),
            "{to:?}: `{found}`, expected `{expect}`"
        );
    }

    #[test]
    fn ranges_and_ratios_hold_on_both_sides() {
        check(spec("gp3", 100, 3_000, 125), "");
        check(spec("gp3", 100, 2_999, 125), "outside 3000 to 80000");
        check(spec("gp3", 1, 3_000, 125), "");
        check(spec("gp3", 160, 80_000, 2_000), "");
        check(spec("gp3", 160, 80_001, 2_000), "outside");
        check(spec("gp3", 159, 80_000, 2_000), "159 GiB allow (79500)");
        check(spec("gp3", 100, 3_000, 124), "outside 125 to 2000");
        check(spec("gp3", 100, 3_000, 750), "");
        check(spec("gp3", 100, 3_000, 751), "need more than 3000 IOPS");
        check(spec("gp3", 100, 8_004, 2_001), "outside 125 to 2000");
        check(spec("gp3", 65_536, 3_000, 125), "");
        check(spec("gp3", 65_537, 3_000, 125), "outside 1 to 65536");
        check(spec("gp3", 100, 0, 125), "needs a number of IOPS");
        check(spec("io1", 100, 5_000, 0), "");
        check(spec("io1", 100, 5_001, 0), "100 GiB allow (5000)");
        check(spec("io1", 4, 99, 0), "outside 100 to 64000");
        check(spec("io2", 100, 50_000, 0), "");
        check(spec("io2", 100, 50_001, 0), "allow (50000)");
        check(spec("io2", 16_385, 1_000, 0), "outside 4 to 16384");
        check(spec("st1", 124, 0, 0), "outside 125");
        check(spec("sc1", 125, 0, 0), "");
        check(spec("standard", 1_025, 0, 0), "outside 1 to 1024");
        check(spec("gp9", 10, 0, 0), "not known");
    }

    #[test]
    fn the_size_never_changes() {
        let (from, to) = (spec("gp2", 100, 0, 0), spec("gp3", 101, 3_000, 125));
        assert!(problems(&from, &to).join("").contains("the size never changes"));
    }
}
