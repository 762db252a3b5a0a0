//! EC2 instances: what they are, how they are, and what protects them.
//!
//! Not here: instance types (`instance_types`) and writes (`writes`).

use aws_sdk_ec2::types::{Filter, InstanceAttributeName, Reservation};
use aws_sdk_ec2::types::{Instance as Ec2Instance, InstanceNetworkInterface};
use jiff::Timestamp;
use trimtab_models::resource::{Detail, Instance, InstanceState, Kind, Resource};
use trimtab_policies::facts::InstanceStatus;
use trimtab_policies::operations::Failure;

use super::{Clients, count, error, pages, rate, timestamp, volumes};
use crate::ports::Protection;

/// The owner that EC2 names for an address that it lends for one run.
const LENT_ADDRESS_OWNER: &str = "amazon";

/// The tag by which Auto Scaling marks its members.
const GROUP_TAG: &str = "aws:autoscaling:groupName";

/// Every state but `terminated`: what is terminated stays listed for an hour and is nothing any more.
const LIVE_STATES: [&str; 5] = ["pending", "running", "shutting-down", "stopping", "stopped"];

/// The largest page that DescribeInstances gives.
const PAGE_MAX: i32 = 1_000;

/// Every instance that is not terminated.
pub(super) async fn discover(clients: &Clients, now: Timestamp) -> Result<Vec<Resource>, Failure> {
    let live = Filter::builder().name("instance-state-name");
    let live = LIVE_STATES.iter().fold(live, |filter, state| filter.values(*state)).build();
    let api = &rate::DESCRIBE_INSTANCES;
    let fetch = async |token: Option<String>| {
        let call = clients.ec2.describe_instances().filters(live.clone());
        let call = call.max_results(PAGE_MAX).set_next_token(token);
        let page =
            clients.call(api, &clients.target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.reservations.unwrap_or_default(), page.next_token))
    };
    let reservations = pages((api, &clients.target), fetch).await?;
    Ok(instances(&reservations)
        .filter_map(|instance| resource(clients, instance, now))
        .filter(|resource| !is_terminated(resource))
        .collect())
}

/// One instance as it is now; `NotFound` when it is terminated or unknown.
pub(super) async fn describe(
    clients: &Clients,
    id: &str,
    now: Timestamp,
) -> Result<Resource, Failure> {
    let api = &rate::DESCRIBE_INSTANCES;
    let call = clients.ec2.describe_instances().instance_ids(id);
    let page = clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    let reservations = page.reservations.unwrap_or_default();
    instances(&reservations)
        .find(|instance| instance.instance_id() == Some(id))
        .and_then(|instance| resource(clients, instance, now))
        .filter(|resource| !is_terminated(resource))
        .ok_or_else(|| error::not_found(api.call, id))
}

fn instances(reservations: &[Reservation]) -> impl Iterator<Item = &Ec2Instance> {
    reservations.iter().flat_map(Reservation::instances)
}

fn is_terminated(resource: &Resource) -> bool {
    resource.instance().is_some_and(|instance| instance.state == InstanceState::Terminated)
}

fn resource(clients: &Clients, from: &Ec2Instance, now: Timestamp) -> Option<Resource> {
    let id = from.instance_id()?;
    let tags = volumes::tags(from.tags());
    let group = tags.get(GROUP_TAG).cloned();
    let launched_at = from.launch_time().and_then(timestamp);
    let detail = Instance { group, ..detail(clients, from)? };
    Some(Resource {
        reference: clients.reference(Kind::Instance, clients.ec2_arn("instance", id), tags),
        id: id.to_owned(),
        zone: from.placement()?.availability_zone().map(str::to_owned),
        created_at: launched_at,
        observed_at: now,
        detail: Detail::Instance(Box::new(detail)),
    })
}

fn detail(clients: &Clients, from: &Ec2Instance) -> Option<Instance> {
    let word = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
    let placement = from.placement()?;
    let interfaces = from.network_interfaces();
    let group_name = placement.group_name().filter(|name| !name.is_empty());
    let disks = from.block_device_mappings().iter();
    Some(Instance {
        instance_type: from.instance_type()?.as_str().to_owned(),
        state: state(from.state()?.name()?.as_str())?,
        platform: word(from.platform_details()),
        architecture: word(from.architecture().map(|it| it.as_str())),
        virtualization: word(from.virtualization_type().map(|it| it.as_str())),
        ena_support: from.ena_support().unwrap_or(false),
        boot_mode: boot_mode(from),
        ebs_root: from.root_device_type().is_some_and(|it| it.as_str() == "ebs"),
        lifecycle: from.instance_lifecycle().map(|it| it.as_str().to_owned()),
        tenancy: word(placement.tenancy().map(|it| it.as_str())),
        placement_group: group_name.map(str::to_owned),
        hibernation: from.hibernation_options().and_then(|it| it.configured()).unwrap_or(false),
        enclave: from.enclave_options().and_then(|it| it.enabled()).unwrap_or(false),
        custom_cpu_options: has_custom_cpu(clients, from),
        licenses: u32::try_from(from.licenses().len()).unwrap_or(u32::MAX),
        network_interfaces: u32::try_from(interfaces.len()).unwrap_or(u32::MAX),
        addresses_per_interface: interfaces.iter().map(addresses).max().unwrap_or(0),
        special_network: interfaces.iter().any(is_special),
        public_ip: from.public_ip_address().map(str::to_owned),
        elastic_ip: has_elastic_ip(from),
        volumes: disks.filter_map(|disk| disk.ebs()?.volume_id().map(str::to_owned)).collect(),
        operator_managed: from.operator().and_then(|it| it.managed()).unwrap_or(false),
        group: None,
        // Load balancers are asked apart, once for all instances.
        registrations: None,
        state_reason: from.state_reason().and_then(|it| it.code()).map(str::to_owned),
        launched_at: from.launch_time().and_then(timestamp),
    })
}

fn state(word: &str) -> Option<InstanceState> {
    Some(match word {
        "pending" => InstanceState::Pending,
        "running" => InstanceState::Running,
        "stopping" => InstanceState::Stopping,
        "stopped" => InstanceState::Stopped,
        "shutting-down" => InstanceState::ShuttingDown,
        "terminated" => InstanceState::Terminated,
        _ => return None,
    })
}

/// The mode in force; the image may prefer another one.
fn boot_mode(from: &Ec2Instance) -> Option<String> {
    let current = from.current_instance_boot_mode().map(|it| it.as_str());
    let asked = from.boot_mode().map(|it| it.as_str());
    current.or(asked).map(str::to_owned)
}

/// Whether cores or threads differ from the type's defaults. Of a type that the catalogue does not know, nobody can
/// tell, and custom is the safe answer.
fn has_custom_cpu(clients: &Clients, from: &Ec2Instance) -> bool {
    let Some(options) = from.cpu_options() else {
        return false;
    };
    let name = from.instance_type().map(|it| it.as_str());
    let Some(usual) = name.and_then(|name| clients.catalog.instance_type(name)) else {
        return true;
    };
    let differs = |set: Option<i32>, usual: u32| set.is_some_and(|set| count(set) != usual);
    differs(options.core_count(), usual.cores)
        || differs(options.threads_per_core(), usual.threads_per_core)
}

fn addresses(interface: &InstanceNetworkInterface) -> u32 {
    u32::try_from(interface.private_ip_addresses().len()).unwrap_or(u32::MAX)
}

/// EFA or ENA Express.
fn is_special(interface: &InstanceNetworkInterface) -> bool {
    let efa = interface.interface_type().is_some_and(|kind| kind.starts_with("efa"));
    let attachment = interface.attachment().and_then(|it| it.ena_srd_specification());
    efa || attachment.and_then(|it| it.ena_srd_enabled()).unwrap_or(false)
}

/// Whether every public address survives a stop: one that EC2 lends does not.
fn has_elastic_ip(from: &Ec2Instance) -> bool {
    let mut owners = from
        .network_interfaces()
        .iter()
        .filter_map(InstanceNetworkInterface::association)
        .map(|association| association.ip_owner_id().unwrap_or(LENT_ADDRESS_OWNER))
        .peekable();
    from.public_ip_address().is_some()
        && owners.peek().is_some()
        && owners.all(|owner| owner != LENT_ADDRESS_OWNER)
}

/// Status checks and open events; `None` for an instance that is not running.
pub(super) async fn status(clients: &Clients, id: &str) -> Result<Option<InstanceStatus>, Failure> {
    let api = &rate::DESCRIBE_INSTANCE_STATUS;
    let call = clients.ec2.describe_instance_status().instance_ids(id);
    let page = clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    let statuses = page.instance_statuses.unwrap_or_default();
    let Some(found) = statuses.iter().find(|it| it.instance_id() == Some(id)) else {
        return Ok(None);
    };
    let word = |it: Option<&aws_sdk_ec2::types::InstanceStatusSummary>| {
        let word = it.and_then(|it| it.status()).map(|it| it.as_str());
        word.unwrap_or("insufficient-data").to_owned()
    };
    Ok(Some(InstanceStatus {
        system: word(found.system_status()),
        instance: word(found.instance_status()),
        events: found.events().iter().filter_map(open_event).collect(),
    }))
}

/// An event in words; `None` for one that is over, which EC2 says only in the description.
fn open_event(event: &aws_sdk_ec2::types::InstanceStatusEvent) -> Option<String> {
    let code = event.code().map_or("event", |code| code.as_str());
    let description = event.description().unwrap_or_default();
    let is_over = ["[Completed]", "[Canceled]"].iter().any(|over| description.starts_with(over));
    (!is_over).then(|| format!("{code}: {description}"))
}

/// Stop and termination protection.
pub(super) async fn protection(clients: &Clients, id: &str) -> Result<Protection, Failure> {
    let api = &rate::DESCRIBE_INSTANCE_ATTRIBUTE;
    let ask = async |name: InstanceAttributeName| {
        let call = clients.ec2.describe_instance_attribute();
        let call = call.instance_id(id).attribute(name);
        clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await
    };
    let stop = ask(InstanceAttributeName::DisableApiStop).await?.disable_api_stop;
    let termination = ask(InstanceAttributeName::DisableApiTermination).await?;
    let termination = termination.disable_api_termination;
    let flag = |value: Option<aws_sdk_ec2::types::AttributeBooleanValue>, what: &str| {
        let missing = || error::incomplete(api.call, id, what);
        value.and_then(|it| it.value).ok_or_else(missing)
    };
    Ok(Protection {
        stop: flag(stop, "disableApiStop")?,
        termination: flag(termination, "disableApiTermination")?,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::InstanceNetworkInterfaceAssociation as Association;

    use super::*;

    #[test]
    fn an_address_survives_a_stop_only_if_nobody_lends_it() {
        let interface = |owner: Option<&str>| {
            let association = Association::builder().public_ip("192.0.2.1");
            let association = association.set_ip_owner_id(owner.map(str::to_owned)).build();
            InstanceNetworkInterface::builder().association(association).build()
        };
        let cases: [(&[Option<&str>], bool); 5] = [
            (&[Some("123456789012")], true),
            (&[Some("amazon")], false),
            (&[None], false),
            (&[Some("123456789012"), Some("amazon")], false),
            (&[], false),
        ];
        for (owners, expect) in cases {
            let interfaces = owners.iter().map(|owner| interface(*owner)).collect();
            let instance = Ec2Instance::builder().public_ip_address("192.0.2.1");
            let instance = instance.set_network_interfaces(Some(interfaces)).build();
            assert_eq!(has_elastic_ip(&instance), expect, "{owners:?}");
        }
    }

    #[test]
    fn an_event_that_is_over_is_none() {
        let event = |description: &str| {
            let event = aws_sdk_ec2::types::InstanceStatusEvent::builder();
            event.code("system-reboot".into()).description(description).build()
        };
        assert_eq!(open_event(&event("[Completed] reboot")), None);
        assert_eq!(open_event(&event("[Canceled] reboot")), None);
        assert_eq!(open_event(&event("reboot")).as_deref(), Some("system-reboot: reboot"));
    }
}
