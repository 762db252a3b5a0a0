//! Which instance types may take the place of today's, and which of them carry the demand.
//!
//! Targets that would obviously not boot or not fit are left out here, since a recommendation that the gate always
//! withholds helps nobody. Not here: the gate's own check of compatibility, which knows the live facts.

use super::settings::InstanceSettings;
use crate::{
    catalog::{
        ApiWord, Architecture, AttachmentLimit, BootMode, Hypervisor, InstanceType, RootDevice,
        Support, UsageClass, Virtualization,
    },
    resource::Instance,
};

/// Slack for ratios of whole sizes, which are not exact in floats.
const ROUNDING: f64 = 1e-9;

/// Bits per second of a gigabit, in bytes.
const BYTES_PER_GBPS: f64 = 125_000_000.0;

/// What a type must offer, in ratios of today's compute and in its own units elsewhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Need {
    /// Compute, as a ratio of today's type's.
    pub(super) cpu_ratio: f64,
    /// Compute that must be there for ever, as a ratio of today's type's; 0 where bursts are judged slot by slot.
    pub(super) sustained_ratio: f64,
    /// Memory, MiB.
    pub(super) memory_mib: f64,
    /// Network bandwidth that is always there, each way, bytes a second.
    pub(super) network_bytes_s: f64,
    /// EBS bandwidth that is always there, bytes a second.
    pub(super) ebs_bytes_s: f64,
    /// EBS operations that are always there, a second.
    pub(super) ebs_iops: f64,
}

/// Compute of `target` as a ratio of that of `today`.
///
/// Within a family by vCPU, because the processor is the same and benchmarks differ by noise; across families by
/// CoreMark where both were measured, else by vCPU x clock, else by vCPU.
pub(super) fn compute_ratio(today: &InstanceType, target: &InstanceType) -> f64 {
    let vcpu = f64::from(target.vcpu) / f64::from(today.vcpu.max(1));
    if today.family == target.family {
        return vcpu;
    }
    let coremark = today.coremark.zip(target.coremark).filter(|(today, _)| *today > 0);
    if let Some((today, target)) = coremark {
        return target as f64 / today as f64;
    }
    let clock = today.clock_ghz.zip(target.clock_ghz).filter(|(today, _)| *today > 0.0);
    clock.map_or(vcpu, |(today, target)| vcpu * target / today)
}

/// Network bandwidth that is always there, bytes a second.
pub(super) fn network_bytes_s(one: &InstanceType) -> Option<f64> {
    one.network.base_gbps.map(|gbps| gbps * BYTES_PER_GBPS)
}

/// EBS bandwidth that is always there, bytes a second.
pub(super) fn ebs_bytes_s(one: &InstanceType) -> Option<f64> {
    one.ebs.base.map(|rate| rate.throughput_mb_s * 1e6)
}

/// EBS operations that are always there, a second.
pub(super) fn ebs_iops(one: &InstanceType) -> Option<f64> {
    one.ebs.base.map(|rate| f64::from(rate.iops))
}

/// Whether the type may not use all of its CPU for ever: burstable, flex, or of a T family.
pub(super) fn is_limited(one: &InstanceType) -> bool {
    one.sustained_vcpu().is_none_or(|sustained| sustained < f64::from(one.vcpu))
}

/// Whether `target` carries what is needed.
pub(super) fn carries(need: &Need, today: &InstanceType, target: &InstanceType) -> bool {
    let compute = compute_ratio(today, target);
    let sustained =
        target.sustained_vcpu().map(|vcpu| compute * vcpu / f64::from(target.vcpu.max(1)));
    // A bandwidth that is not known carries nothing that is needed.
    let at_least = |offer: Option<f64>, need: f64| offer.unwrap_or(0.0) + ROUNDING >= need;
    at_least(Some(compute), need.cpu_ratio)
        // A limited type whose baseline is not known must not pass for a full one.
        && sustained.is_some_and(|sustained| at_least(Some(sustained), need.sustained_ratio))
        && at_least(Some(target.memory_mib as f64), need.memory_mib)
        && at_least(network_bytes_s(target), need.network_bytes_s)
        && at_least(ebs_bytes_s(target), need.ebs_bytes_s)
        && at_least(ebs_iops(target), need.ebs_iops)
}

/// Whether the instance can move to `target` as far as the catalogue tells, and the settings let it.
pub(super) fn is_open(
    instance: &Instance,
    today: &InstanceType,
    target: &InstanceType,
    settings: &InstanceSettings,
) -> bool {
    target.name != today.name
        && is_wanted(today, target, settings)
        && is_same_machine(today, target)
        && boots(instance, today, target)
        && attaches(instance, today, target)
}

/// Whether the settings allow the type.
fn is_wanted(today: &InstanceType, target: &InstanceType, settings: &InstanceSettings) -> bool {
    let same_family = today.family == target.family;
    let named = |patterns: &[String]| patterns.iter().any(|one| matches(one, &target.name));
    (settings.include_types.is_empty() || named(&settings.include_types))
        && !named(&settings.exclude_types)
        && (same_family || settings.across_families)
        && (same_family || target.current_generation || settings.allow_previous_generation)
        && (!is_limited(target) || is_limited(today) || settings.allow_burstable)
        && target.usage_classes.contains(&UsageClass::OnDemand)
}

/// Whether what is special about a machine stays the same: metal, graphics, accelerators, own disks, cards.
fn is_same_machine(today: &InstanceType, target: &InstanceType) -> bool {
    let disks = |one: &InstanceType| one.instance_store.as_ref().map(|store| store.total_gb);
    today.bare_metal == target.bare_metal
        && today.gpu == target.gpu
        && today.accelerator == target.accelerator
        && disks(today) == disks(target)
        && today.network.cards == target.network.cards
}

/// Whether the image of the instance starts on the type.
fn boots(instance: &Instance, today: &InstanceType, target: &InstanceType) -> bool {
    let architecture = Architecture::from_api(&instance.architecture);
    let virtualization = Virtualization::from_api(&instance.virtualization);
    // A mode that is newer than the catalogue, such as `uefi-preferred`, starts either way.
    let boot_mode = instance.boot_mode.as_deref().and_then(BootMode::from_api);
    let leaves_xen =
        today.hypervisor == Some(Hypervisor::Xen) && target.hypervisor != Some(Hypervisor::Xen);
    architecture.is_some_and(|one| target.supports(one))
        && virtualization.is_some_and(|one| target.virtualization.contains(&one))
        && boot_mode.is_none_or(|one| target.boot_modes.contains(&one))
        && target.root_devices.contains(&RootDevice::Ebs)
        // Whether an image from Xen has NVMe drivers and stable mounts cannot be seen from outside.
        && !leaves_xen
        && (instance.ena_support || target.network.ena != Support::Required)
        && (!instance.enclave || target.enclaves)
}

/// Whether interfaces, addresses and volumes fit, and the placement group takes the type.
fn attaches(instance: &Instance, today: &InstanceType, target: &InstanceType) -> bool {
    let volumes = u32::try_from(instance.volumes.len()).unwrap_or(u32::MAX);
    let disks = target.instance_store.as_ref().map_or(0, |store| store.disks);
    let others = match target.ebs.attachment_limit {
        AttachmentLimit::Shared => instance.network_interfaces.saturating_add(disks),
        AttachmentLimit::Dedicated => 0,
    };
    // A cluster takes neither burstable nor flex types; the strategy of the group is not known here.
    let placed = instance.placement_group.is_none() || !is_limited(target) || is_limited(today);
    let special = !instance.special_network
        || (target.network.efa == today.network.efa
            && target.network.ena_express == today.network.ena_express);
    instance.network_interfaces <= target.network.max_enis
        && instance.addresses_per_interface <= target.network.ipv4_per_eni
        && volumes.saturating_add(others) <= target.ebs.max_attachments
        && placed
        && special
}

/// Whether `name` matches `pattern`, in which `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(head) else {
        return false;
    };
    let Some((middle, tail)) = rest.rsplit_once('*') else {
        return left.ends_with(rest);
    };
    for part in middle.split('*') {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(tail)
}

/// The generation of a type: the first number in its family's name, such as 7 for `m7g`; 0 without one.
pub(super) fn generation(one: &InstanceType) -> u32 {
    let digits = one.family.chars().skip_while(|letter| !letter.is_ascii_digit());
    let digits: String = digits.take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn patterns_match_as_a_shell_would() {
        let cases = [
            ("m5.large", "m5.large", true),
            ("m5.*", "m5.large", true),
            ("m5.*", "m5a.large", false),
            ("*.metal", "m5.metal", true),
            ("*.metal*", "m5.metal-24xl", true),
            ("*", "m5.large", true),
            ("m*.*large", "m5.2xlarge", true),
            ("m*.*large", "c5.2xlarge", false),
            ("*5*5*", "m5.large", false),
            ("", "m5.large", false),
        ];
        for (pattern, name, expect) in cases {
            assert_eq!(matches(pattern, name), expect, "{pattern} on {name}");
        }
    }

    #[test]
    fn compute_is_told_by_the_best_figure() {
        let catalog = Catalog::embedded();
        let of = |name: &str| catalog.instance_type(name).expect("the type is embedded").clone();
        let (today, half, other) = (of("m5.2xlarge"), of("m5.xlarge"), of("m6i.2xlarge"));
        assert!((compute_ratio(&today, &half) - 0.5).abs() < 1e-12, "exact within a family");
        let marks = other.coremark.zip(today.coremark).expect("both were measured");
        let expect = marks.0 as f64 / marks.1 as f64;
        assert!((compute_ratio(&today, &other) - expect).abs() < 1e-12);
        let unmarked = InstanceType { coremark: None, clock_ghz: Some(6.2), ..other };
        let clock = today.clock_ghz.expect("the clock is embedded");
        assert!((compute_ratio(&today, &unmarked) - 6.2 / clock).abs() < 1e-12);
        let unknown = InstanceType { clock_ghz: None, ..unmarked };
        assert!((compute_ratio(&today, &unknown) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn generations_are_read_from_families() {
        let catalog = Catalog::embedded();
        for (name, expect) in [("m5.large", 5), ("c6gn.large", 6), ("t3a.micro", 3)] {
            let one = catalog.instance_type(name).expect("the type is embedded");
            assert_eq!(generation(one), expect, "{name}");
        }
    }
}
