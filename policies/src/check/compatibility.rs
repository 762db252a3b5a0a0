//! `compatibility`: the resource can be what is desired, and every listed alternate too.
//!
//! Unknown facts fail. Not here: what would be lost on the way (`data_loss`) and the limits of volumes (`volume_limits`).

mod function;
mod group;

pub(super) use group::rights_of_refresh;

use trimtab_models::{
    catalog::{
        ApiWord, Architecture, AttachmentLimit, BootMode, InstanceType, RootDevice, Support,
        UsageClass, Virtualization,
    },
    recommendation::Action,
    resource::Instance,
    spec::Spec,
};

use super::{Reason, Subject, result, volume_limits};
use crate::{
    plan::{CheckName, CheckResult},
    steps::{Behind, StepKind},
    vcpus::{VcpuRoom, growth},
};

/// Memory sizes of ordinary functions, MB (Lambda API reference, UpdateFunctionConfiguration).
const FUNCTION_MEMORY_MB: std::ops::RangeInclusive<u32> = 128..=10_240;

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let mut reasons = match subject.action() {
        Action::ResizeInstance => reasons_of_resize(subject),
        Action::StopIdleInstance => reasons_of_stop(subject),
        Action::MigrateVolumeType | Action::TuneVolume => reasons_of_volume(subject),
        Action::DeleteUnattachedVolume => Vec::new(),
        Action::TuneFunctionMemory => reasons_of_function(subject),
        Action::TuneGroupCapacity => reasons_of_bounds(&subject.recommendation().desired),
        Action::ScheduleGroup => group::reasons_of_schedule(subject),
        Action::ResizeGroupInstances => group::reasons_of_members(subject),
    };
    if subject.candidate.steps.is_empty() {
        reasons.push(Reason::fail("there are no steps that would carry it out"));
    }
    let loss = crate::action::durability_given_up(subject.recommendation());
    let pass = loss.map_or_else(
        || "it can be what is desired".to_owned(),
        |loss| format!("it can be what is desired; {loss}"),
    );
    result(CheckName::Compatibility, reasons, pass)
}

fn instance_of<'a>(subject: &Subject<'a>) -> Result<&'a Instance, Reason> {
    let resource = subject.resource()?;
    resource.instance().ok_or_else(|| Reason::fail(format!("{} is no instance", resource.id)))
}

fn reasons_of_stop(subject: &Subject<'_>) -> Vec<Reason> {
    match instance_of(subject) {
        Ok(instance) => reason_root(instance).into_iter().collect(),
        Err(missing) => vec![missing],
    }
}

fn reasons_of_resize(subject: &Subject<'_>) -> Vec<Reason> {
    let recommendation = subject.recommendation();
    let Spec::Instance { instance_type, .. } = &recommendation.desired else {
        return vec![Reason::fail("what is desired is no instance type")];
    };
    let instance = match instance_of(subject) {
        Ok(instance) => instance,
        Err(missing) => return vec![missing],
    };
    let catalog = subject.context.catalog;
    let Some(today) = catalog.instance_type(&instance.instance_type) else {
        return vec![unknown_type(&instance.instance_type)];
    };
    let mut reasons: Vec<Reason> = reason_root(instance).into_iter().collect();
    reasons.extend(reasons_of_binding(instance));
    for name in std::iter::once(instance_type).chain(&recommendation.alternates) {
        match catalog.instance_type(name) {
            None => reasons.push(unknown_type(name)),
            Some(target) => {
                let found = misfits(instance, today, target);
                reasons.extend(found.map(|what| Reason::fail(format!("{name}: {what}"))));
                reasons.extend(reason_no_room(subject, today, target));
            }
        }
        reasons.extend(reason_not_offered(subject, name));
    }
    reasons
}

fn unknown_type(name: &str) -> Reason {
    Reason::fail(format!("the catalogue does not know the type {name}"))
}

/// What is stored on the machine itself cannot be stopped.
fn reason_root(instance: &Instance) -> Option<Reason> {
    (!instance.ebs_root).then(|| Reason::fail("the root device is no EBS volume"))
}

/// What binds an instance to its type, whatever the other type is.
fn reasons_of_binding(instance: &Instance) -> Vec<Reason> {
    let lifecycle = instance.lifecycle.as_deref().unwrap_or("on-demand");
    let bonds = [
        (
            instance.tenancy != "default",
            format!("the tenancy is `{}`, not `default`", instance.tenancy),
        ),
        (lifecycle != "on-demand", format!("the life cycle is `{lifecycle}`")),
        (instance.hibernation, "hibernation is enabled".to_owned()),
        (instance.enclave, "Nitro Enclaves are enabled".to_owned()),
        (instance.custom_cpu_options, "cores or threads were set by hand".to_owned()),
        (
            instance.licenses > 0,
            format!("{} licence configurations are attached", instance.licenses),
        ),
        (instance.special_network, "an interface uses EFA or ENA Express".to_owned()),
    ];
    bonds.into_iter().filter(|(bound, _)| *bound).map(|(_, what)| Reason::fail(what)).collect()
}

/// Everything in which a type does not fit the instance.
fn misfits(
    instance: &Instance,
    today: &InstanceType,
    target: &InstanceType,
) -> impl Iterator<Item = String> {
    [
        misfit_architecture(instance, target),
        misfit_virtualization(instance, target),
        misfit_drivers(instance, today, target),
        misfit_boot_mode(instance, today, target),
        misfit_interfaces(instance, target),
        misfit_volumes(instance, target),
        misfit_placement(instance, today, target),
        misfit_offer(today, target),
    ]
    .into_iter()
    .flatten()
}

fn misfit_architecture(instance: &Instance, target: &InstanceType) -> Option<String> {
    let name = &instance.architecture;
    let fits = Architecture::from_api(name).is_some_and(|word| target.supports(word));
    (!fits).then(|| format!("architecture {name} is not supported"))
}

fn misfit_virtualization(instance: &Instance, target: &InstanceType) -> Option<String> {
    let name = &instance.virtualization;
    let fits =
        Virtualization::from_api(name).is_some_and(|word| target.virtualization.contains(&word));
    (!fits).then(|| format!("virtualization {name} is not supported"))
}

/// A machine that runs on a type which needs a driver has it; otherwise only the image's own word counts.
fn misfit_drivers(
    instance: &Instance,
    today: &InstanceType,
    target: &InstanceType,
) -> Option<String> {
    if target.network.ena == Support::Required && !instance.ena_support {
        return Some("it needs the ENA driver, which the image does not declare".to_owned());
    }
    let needs = target.ebs.nvme == Support::Required;
    (needs && today.ebs.nvme != Support::Required).then(|| {
        "it needs the NVMe driver and device names by id, which the present type does not show"
            .to_owned()
    })
}

/// An unknown mode is one of those that today's type has: the target must have them all.
fn misfit_boot_mode(
    instance: &Instance,
    today: &InstanceType,
    target: &InstanceType,
) -> Option<String> {
    let name = instance.boot_mode.as_deref();
    let fits = match name {
        // The image starts either way.
        Some("uefi-preferred") => !target.boot_modes.is_empty(),
        Some(name) => {
            BootMode::from_api(name).is_some_and(|mode| target.boot_modes.contains(&mode))
        }
        None => today.boot_modes.iter().all(|mode| target.boot_modes.contains(mode)),
    };
    let name = name.unwrap_or("unknown");
    (!fits).then(|| format!("boot mode {name} is not supported"))
}

fn misfit_interfaces(instance: &Instance, target: &InstanceType) -> Option<String> {
    let (used, most) = (instance.network_interfaces, target.network.max_enis);
    if used > most {
        return Some(format!("{used} network interfaces, at most {most}"));
    }
    let (used, most) = (instance.addresses_per_interface, target.network.ipv4_per_eni);
    (used > most).then(|| format!("{used} addresses on an interface, at most {most}"))
}

fn misfit_volumes(instance: &Instance, target: &InstanceType) -> Option<String> {
    let volumes = u32::try_from(instance.volumes.len()).unwrap_or(u32::MAX);
    let disks = target.instance_store.as_ref().map_or(0, |store| store.disks);
    let used = match target.ebs.attachment_limit {
        AttachmentLimit::Dedicated => volumes,
        AttachmentLimit::Shared => {
            volumes.saturating_add(instance.network_interfaces).saturating_add(disks)
        }
    };
    let most = target.ebs.max_attachments;
    (used > most).then(|| format!("{used} attachments, at most {most}"))
}

/// The group's strategy is not known: the target must allow all that today's type allows.
fn misfit_placement(
    instance: &Instance,
    today: &InstanceType,
    target: &InstanceType,
) -> Option<String> {
    let group = instance.placement_group.as_ref()?;
    let fits = today
        .placement_strategies
        .iter()
        .all(|strategy| target.placement_strategies.contains(strategy));
    (!fits).then(|| format!("it cannot join every placement group that `{group}` may be"))
}

fn misfit_offer(today: &InstanceType, target: &InstanceType) -> Option<String> {
    if !target.usage_classes.contains(&UsageClass::OnDemand) {
        return Some("it is not sold on demand".to_owned());
    }
    if !target.root_devices.contains(&RootDevice::Ebs) {
        return Some("it cannot start from an EBS volume".to_owned());
    }
    let loses = (today.gpu.is_some() && target.gpu.is_none())
        || (today.accelerator.is_some() && target.accelerator.is_none());
    loses.then(|| "it has no accelerator".to_owned())
}

fn reason_not_offered(subject: &Subject<'_>, name: &str) -> Option<Reason> {
    match subject.fact(&subject.facts().offered, "what the zone offers") {
        Err(missing) => Some(missing),
        Ok(offered) => match offered.get(name) {
            Some(true) => None,
            Some(false) => Some(Reason::fail(format!("the zone does not offer {name}"))),
            None => Some(Reason::fail(format!("it is not known whether the zone offers {name}"))),
        },
    }
}

/// A machine that was stopped for a type that the quota has no room for would not start on it.
fn reason_no_room(
    subject: &Subject<'_>,
    today: &InstanceType,
    target: &InstanceType,
) -> Option<Reason> {
    let name = &target.name;
    let (quota, more) = match growth(today, target) {
        Ok(growth) => growth?,
        Err(unknown) => return Some(Reason::fail(unknown)),
    };
    let what = format!("the vCPU quota {} that {name} needs", quota.code());
    let rooms = match subject.fact(&subject.facts().vcpus, &what) {
        Ok(rooms) => rooms,
        Err(missing) => return Some(missing),
    };
    let Some(VcpuRoom { limit, used }) = rooms.get(&quota) else {
        return Some(Reason::fail(format!("{what} is not known")));
    };
    let free = limit.saturating_sub(*used);
    (more > free).then(|| {
        Reason::fail(format!(
            "{name} takes {more} more vCPUs and the quota {} has {free} left of {limit}: ask AWS to raise it",
            quota.code()
        ))
    })
}

fn reasons_of_volume(subject: &Subject<'_>) -> Vec<Reason> {
    let recommendation = subject.recommendation();
    let (Spec::Volume(from), Spec::Volume(to)) =
        (&recommendation.expected, &recommendation.desired)
    else {
        return vec![Reason::fail("what is desired is no volume")];
    };
    let mut problems = volume_limits::problems(from, to);
    match subject.resource() {
        Err(missing) => return vec![missing],
        Ok(resource) => problems.extend(
            resource.volume().and_then(|volume| volume_limits::problem_of_attachment(volume, to)),
        ),
    }
    problems.into_iter().map(Reason::fail).collect()
}

/// What the steps take callers to get: a version behind an alias, or `$LATEST`.
fn planned_behind<'a>(subject: &Subject<'a>) -> Option<&'a Option<Behind>> {
    subject.candidate.steps.iter().find_map(|step| {
        let StepKind::SetFunctionMemory { behind, .. } = &step.kind else { return None };
        Some(behind)
    })
}

fn reasons_of_function(subject: &Subject<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match &subject.recommendation().desired {
        Spec::Function { memory_mb } if FUNCTION_MEMORY_MB.contains(memory_mb) => {}
        Spec::Function { memory_mb } => {
            let (least, most) = (FUNCTION_MEMORY_MB.start(), FUNCTION_MEMORY_MB.end());
            reasons.push(Reason::fail(format!("{memory_mb} MB is outside {least} to {most}")));
        }
        Spec::Instance { .. }
        | Spec::Volume(_)
        | Spec::Group { .. }
        | Spec::Gone { .. }
        | Spec::Schedule { .. }
        | Spec::Members { .. } => {
            reasons.push(Reason::fail("what is desired is no memory size"));
        }
    }
    match subject.resource() {
        Err(missing) => reasons.push(missing),
        Ok(resource) => {
            let evidence = &subject.recommendation().evidence;
            let planned = planned_behind(subject);
            if let Some(function) = resource.function()
                && subject.is_late()
                && planned.is_some_and(|planned| *planned != Behind::of(function))
            {
                reasons.push(Reason::fail(
                    "it was deployed, or its alias is another, since this was proposed: the next cycle proposes anew",
                ));
            }
            let serving = |one| function::reasons_of_serving(one, evidence);
            reasons.extend(resource.function().into_iter().flat_map(serving));
        }
    }
    reasons
}

fn reasons_of_bounds(desired: &Spec) -> Vec<Reason> {
    let Spec::Group { min_size, max_size, desired_capacity } = desired else {
        return vec![Reason::fail("what is desired is no group")];
    };
    let ordered = min_size <= desired_capacity && desired_capacity <= max_size;
    let reason = (!ordered).then(|| {
        Reason::fail(format!(
            "bounds {min_size} to {max_size} do not hold a desired capacity of {desired_capacity}"
        ))
    });
    reason.into_iter().collect()
}
