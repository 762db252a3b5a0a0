//! Load balancers: which target groups send traffic to which instances, and how they see them.
//!
//! Not here: Classic Load Balancers, which have no target groups, and writes (`writes`).

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, Reservation};
use aws_sdk_elasticloadbalancingv2::types::{TargetGroup, TargetHealthDescription};
use trimtab_models::resource::Registration;
use trimtab_policies::{facts::Target, operations::Failure};

use super::{Clients, pages, rate};

/// The largest page that DescribeTargetGroups gives.
const PAGE_MAX: i32 = 400;
/// The attribute that says how long connections may take to end.
const DRAIN_ATTRIBUTE: &str = "deregistration_delay.timeout_seconds";
/// What it is where a group does not say (Elastic Load Balancing API, target group attributes).
const DRAIN_S: u32 = 300;
/// Values of one filter (Amazon EC2 API reference, DescribeInstances).
const FILTER_MAX: usize = 200;

/// Every registration of instances, by instance.
pub(super) async fn registrations(
    clients: &Clients,
) -> Result<BTreeMap<String, Vec<Registration>>, Failure> {
    let mut found: BTreeMap<String, Vec<Registration>> = BTreeMap::new();
    let mut by_address: BTreeMap<String, Vec<Registration>> = BTreeMap::new();
    for group in groups(clients).await? {
        let kind = group.target_type().map_or("instance", |kind| kind.as_str());
        let is_address = match kind {
            "instance" => false,
            "ip" => true,
            // Functions, and other load balancers.
            _ => continue,
        };
        let Some(group_arn) = group.target_group_arn() else { continue };
        let targets = targets(clients, group_arn).await?;
        if targets.is_empty() {
            continue;
        }
        let drain_s = drain_s(clients, group_arn).await?;
        for target in targets {
            let registration = Registration {
                group_arn: group_arn.to_owned(),
                port: target.port,
                drain_s,
                by_address: is_address,
            };
            let all = if is_address { &mut by_address } else { &mut found };
            all.entry(target.id).or_default().push(registration);
        }
    }
    let addresses: BTreeSet<String> = by_address.keys().cloned().collect();
    for (address, id) in instances_at(clients, addresses).await? {
        found.entry(id).or_default().extend(by_address.remove(&address).unwrap_or_default());
    }
    Ok(found)
}

async fn groups(clients: &Clients) -> Result<Vec<TargetGroup>, Failure> {
    let api = &rate::DESCRIBE_TARGET_GROUPS;
    let fetch = async |token: Option<String>| {
        let call = clients.balancing.describe_target_groups();
        let call = call.page_size(PAGE_MAX).set_marker(token);
        let page =
            clients.call(api, &clients.target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.target_groups.unwrap_or_default(), page.next_marker))
    };
    pages((api, &clients.target), fetch).await
}

async fn drain_s(clients: &Clients, group_arn: &str) -> Result<u32, Failure> {
    let api = &rate::DESCRIBE_TARGET_GROUP_ATTRIBUTES;
    let call = clients.balancing.describe_target_group_attributes().target_group_arn(group_arn);
    let answer =
        clients.call(api, group_arn, |watch| call.customize().interceptor(watch).send()).await?;
    let attributes = answer.attributes.unwrap_or_default();
    let value = attributes.iter().find(|it| it.key() == Some(DRAIN_ATTRIBUTE));
    Ok(value.and_then(|it| it.value()?.parse().ok()).unwrap_or(DRAIN_S))
}

/// The targets of one group, with their health.
pub(super) async fn targets(clients: &Clients, group_arn: &str) -> Result<Vec<Target>, Failure> {
    let api = &rate::DESCRIBE_TARGET_HEALTH;
    let call = clients.balancing.describe_target_health().target_group_arn(group_arn);
    let answer =
        clients.call(api, group_arn, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(answer.target_health_descriptions.unwrap_or_default().iter().filter_map(target).collect())
}

/// A target; `None` for one that is not registered any more.
///
/// `unused` alone says that no listener needs the group; a stopped machine is called `unused` too, with another reason, and
/// is not well.
fn target(from: &TargetHealthDescription) -> Option<Target> {
    let target = from.target()?;
    let health = from.target_health();
    let reason = health.and_then(|health| health.reason()).map(|reason| reason.as_str());
    if reason == Some("Target.NotRegistered") {
        return None;
    }
    let state = health.and_then(|health| health.state());
    let state = state.filter(|_| reason != Some("Target.InvalidState"));
    Some(Target {
        id: target.id()?.to_owned(),
        port: target.port().and_then(|port| u16::try_from(port).ok())?,
        state: state.map_or("unavailable", |state| state.as_str()).to_owned(),
    })
}

/// The instances that have these addresses.
async fn instances_at(
    clients: &Clients,
    addresses: BTreeSet<String>,
) -> Result<Vec<(String, String)>, Failure> {
    let api = &rate::DESCRIBE_INSTANCES;
    let (all, mut found) = (addresses.iter().cloned().collect::<Vec<_>>(), Vec::new());
    for part in all.chunks(FILTER_MAX) {
        let filter = Filter::builder().name("network-interface.addresses.private-ip-address");
        let filter = filter.set_values(Some(part.to_vec())).build();
        let fetch = async |token: Option<String>| {
            let call = clients.ec2.describe_instances().filters(filter.clone());
            let call = call.set_next_token(token);
            let page = clients
                .call(api, &clients.target, |watch| call.customize().interceptor(watch).send());
            let page = page.await?;
            Ok((page.reservations.unwrap_or_default(), page.next_token))
        };
        let reservations = pages((api, &clients.target), fetch).await?;
        for instance in reservations.iter().flat_map(Reservation::instances) {
            let Some(id) = instance.instance_id() else { continue };
            let interfaces = instance.network_interfaces().iter();
            let own = interfaces.flat_map(|interface| interface.private_ip_addresses());
            let own = own.filter_map(|address| address.private_ip_address());
            let own = own.filter(|address| addresses.contains(*address));
            found.extend(own.map(|address| (address.to_owned(), id.to_owned())));
        }
    }
    Ok(found)
}
