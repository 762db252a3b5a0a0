//! The writes: each operation is exactly one call.
//!
//! Not here: when they are made, and whether they are made again. Clients behind these calls never repeat.

use aws_sdk_ec2::types::{
    AttributeValue, InstanceType, ResourceType, Tag, TagSpecification, VolumeType,
};
use aws_sdk_elasticloadbalancingv2::types::TargetDescription;
use sha2::{Digest, Sha256};
use trimtab_models::spec::VolumeSpec;
use trimtab_policies::mark::{CHANGE_TAG, Mark};
use trimtab_policies::operations::{Failure, Operation, Receipt};

use super::{Clients, alias_writes, group_writes, rate};

/// Makes one call, once.
pub(super) async fn perform(clients: &Clients, operation: &Operation) -> Result<Receipt, Failure> {
    send(clients, operation, None).await
}

/// Makes the call, or with `dry_run` asks EC2 whether it would be allowed; the other services have no such question.
pub(super) async fn send(
    clients: &Clients,
    operation: &Operation,
    dry_run: Option<bool>,
) -> Result<Receipt, Failure> {
    match operation {
        Operation::StopInstance { instance_id } => stop(clients, instance_id, dry_run).await,
        Operation::StartInstance { instance_id } => start(clients, instance_id, dry_run).await,
        Operation::SetInstanceType { instance_id, instance_type } => {
            set_type(clients, (instance_id, instance_type), dry_run).await
        }
        Operation::ModifyVolume { volume_id, spec } => {
            modify_volume(clients, (volume_id, spec), dry_run).await
        }
        Operation::CreateSnapshot { volume_id, mark } => {
            create_snapshot(clients, (volume_id, mark), dry_run).await
        }
        Operation::DeleteVolume { volume_id } => delete_volume(clients, volume_id, dry_run).await,
        Operation::CreateVolume { snapshot_id, zone, spec, mark } => {
            create_volume(clients, (Some(snapshot_id), zone, spec, mark), dry_run).await
        }
        Operation::SetFunctionMemory { function_name, memory_mb, revision_id } => {
            set_memory(clients, function_name, *memory_mb, revision_id.clone()).await
        }
        Operation::SetGroupBounds { group_name, min_size, max_size, desired_capacity } => {
            set_bounds(clients, group_name, (*min_size, *max_size, *desired_capacity)).await
        }
        Operation::DeregisterTarget { instance_id, group_arn, port } => {
            deregister(clients, instance_id, (group_arn, *port)).await
        }
        Operation::RegisterTarget { instance_id, group_arn, port } => {
            register(clients, instance_id, (group_arn, *port)).await
        }
        Operation::TagResource { resource_id, mark } => {
            tag(clients, (resource_id, mark), dry_run).await
        }
        Operation::UntagResource { resource_id, mark } => {
            untag(clients, (resource_id, mark), dry_run).await
        }
        Operation::PutSchedule { group_name, scheduled } => {
            group_writes::put_schedule(clients, group_name, scheduled).await
        }
        Operation::DeleteSchedule { group_name, name } => {
            group_writes::delete_schedule(clients, group_name, name).await
        }
        Operation::CreateTemplateVersion { template_id, source_version, instance_type, mark } => {
            let version =
                (template_id.as_str(), *source_version, instance_type.as_str(), mark.as_str());
            group_writes::create_version(clients, version, dry_run).await
        }
        Operation::StartRefresh { group_name, template_id, version, rollout, auto_rollback } => {
            let how = (rollout, *auto_rollback);
            group_writes::start_refresh(clients, group_name, (template_id, *version), how).await
        }
        Operation::RollbackRefresh { group_name } => {
            group_writes::roll_back(clients, group_name).await
        }
        Operation::PublishVersion { function_name, code_sha256, revision_id } => {
            let of = (code_sha256.as_str(), revision_id.clone());
            alias_writes::publish(clients, function_name, of).await
        }
        Operation::SetAlias { function_name, alias, version, canary, revision_id } => {
            let (of, to) =
                ((function_name.as_str(), alias.as_str()), (version.as_str(), canary.as_ref()));
            alias_writes::set_alias(clients, of, to, revision_id.clone()).await
        }
        Operation::WithdrawShare { function_name, alias, revision_id, .. } => {
            alias_writes::withdraw_share(clients, (function_name, alias), revision_id).await
        }
    }
}

async fn stop(clients: &Clients, id: &str, dry_run: Option<bool>) -> Result<Receipt, Failure> {
    let call = clients.ec2.stop_instances().instance_ids(id).set_dry_run(dry_run);
    let api = &rate::STOP_INSTANCES;
    clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

async fn start(clients: &Clients, id: &str, dry_run: Option<bool>) -> Result<Receipt, Failure> {
    let call = clients.ec2.start_instances().instance_ids(id).set_dry_run(dry_run);
    let api = &rate::START_INSTANCES;
    clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

async fn set_type(
    clients: &Clients,
    (id, instance_type): (&str, &str),
    dry_run: Option<bool>,
) -> Result<Receipt, Failure> {
    let instance_type = InstanceType::from(instance_type);
    let value = AttributeValue::builder().value(instance_type.as_str()).build();
    let call = clients.ec2.modify_instance_attribute();
    let call = call.instance_id(id).instance_type(value).set_dry_run(dry_run);
    let api = &rate::MODIFY_INSTANCE;
    clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

async fn deregister(
    clients: &Clients,
    id: &str,
    (group_arn, port): (&str, u16),
) -> Result<Receipt, Failure> {
    let target = TargetDescription::builder().id(id).port(i32::from(port)).build();
    let call = clients.balancing.deregister_targets().target_group_arn(group_arn).targets(target);
    let api = &rate::DEREGISTER_TARGETS;
    clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

async fn register(
    clients: &Clients,
    id: &str,
    (group_arn, port): (&str, u16),
) -> Result<Receipt, Failure> {
    let target = TargetDescription::builder().id(id).port(i32::from(port)).build();
    let call = clients.balancing.register_targets().target_group_arn(group_arn).targets(target);
    let api = &rate::REGISTER_TARGETS;
    clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

/// Writes the mark's two tags; the rights of the role can be limited to their keys.
async fn tag(
    clients: &Clients,
    (id, mark): (&str, &Mark),
    dry_run: Option<bool>,
) -> Result<Receipt, Failure> {
    let call = clients.ec2.create_tags().resources(id).set_tags(Some(tags_of(mark)));
    let (call, api) = (call.set_dry_run(dry_run), &rate::CREATE_TAGS);
    clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

/// Removes the mark's two tags. EC2 deletes a tag that is named with a value only while it has that value, so that
/// another agent's mark is never removed.
async fn untag(
    clients: &Clients,
    (id, mark): (&str, &Mark),
    dry_run: Option<bool>,
) -> Result<Receipt, Failure> {
    let call = clients.ec2.delete_tags().resources(id).set_tags(Some(tags_of(mark)));
    let (call, api) = (call.set_dry_run(dry_run), &rate::DELETE_TAGS);
    clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

fn tags_of(mark: &Mark) -> Vec<Tag> {
    let tag = |(key, value): (&str, String)| Tag::builder().key(key).value(value).build();
    mark.tags().into_iter().map(tag).collect()
}

/// Performance as far as the type has it to set: EC2 refuses IOPS on gp2, although it shows them.
fn performance(spec: &VolumeSpec) -> (VolumeType, Option<i32>, Option<i32>) {
    let number = |value: Option<u32>| value.and_then(|value| i32::try_from(value).ok());
    let kind = spec.volume_type.as_str();
    let iops = ["gp3", "io1", "io2"].contains(&kind).then(|| number(spec.iops)).flatten();
    let throughput = (kind == "gp3").then(|| number(spec.throughput_mibps)).flatten();
    (VolumeType::from(kind), iops, throughput)
}

async fn modify_volume(
    clients: &Clients,
    (id, spec): (&str, &VolumeSpec),
    dry_run: Option<bool>,
) -> Result<Receipt, Failure> {
    let (kind, iops, throughput) = performance(spec);
    let call = clients.ec2.modify_volume().volume_id(id).volume_type(kind);
    let call = call.set_iops(iops).set_throughput(throughput).set_dry_run(dry_run);
    let api = &rate::MODIFY_VOLUME;
    clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

fn marked(kind: ResourceType, mark: &str) -> TagSpecification {
    let tag = Tag::builder().key(CHANGE_TAG).value(mark).build();
    TagSpecification::builder().resource_type(kind).tags(tag).build()
}

async fn create_snapshot(
    clients: &Clients,
    (id, mark): (&str, &str),
    dry_run: Option<bool>,
) -> Result<Receipt, Failure> {
    let call = clients.ec2.create_snapshot().volume_id(id);
    let call = call.description(format!("trimtab {mark}, of {id}"));
    let call = call.tag_specifications(marked(ResourceType::Snapshot, mark)).set_dry_run(dry_run);
    let api = &rate::CREATE_SNAPSHOT;
    let made = clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt { created_id: made.snapshot_id })
}

async fn delete_volume(
    clients: &Clients,
    id: &str,
    dry_run: Option<bool>,
) -> Result<Receipt, Failure> {
    let call = clients.ec2.delete_volume().volume_id(id).set_dry_run(dry_run);
    let api = &rate::DELETE_VOLUME;
    clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

/// Makes a volume, from a snapshot except in a dry run that comes before there is one.
///
/// The client token is made from the mark, so that a second call for the same change makes no second volume. It is a
/// hash because EC2 takes 64 characters at most.
pub(super) async fn create_volume(
    clients: &Clients,
    (snapshot_id, zone, spec, mark): (Option<&str>, &str, &VolumeSpec, &str),
    dry_run: Option<bool>,
) -> Result<Receipt, Failure> {
    let (kind, iops, throughput) = performance(spec);
    let token = Sha256::digest(mark).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let call = clients.ec2.create_volume().availability_zone(zone).volume_type(kind);
    let call = call.size(i32::try_from(spec.size_gib).unwrap_or(i32::MAX));
    let call = call.set_snapshot_id(snapshot_id.map(str::to_owned)).client_token(token);
    let call = call.set_iops(iops).set_throughput(throughput).set_dry_run(dry_run);
    let call = call.tag_specifications(marked(ResourceType::Volume, mark));
    let (api, target) = (&rate::CREATE_VOLUME, snapshot_id.unwrap_or(zone));
    let made =
        clients.call(api, target, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt { created_id: made.volume_id })
}

/// Sets the memory and nothing else: environment and layers would be replaced whole.
async fn set_memory(
    clients: &Clients,
    name: &str,
    memory_mb: u32,
    revision_id: Option<String>,
) -> Result<Receipt, Failure> {
    let memory = i32::try_from(memory_mb).unwrap_or(i32::MAX);
    let call = clients.lambda.update_function_configuration().function_name(name);
    let call = call.memory_size(memory).set_revision_id(revision_id);
    let api = &rate::UPDATE_FUNCTION;
    clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

/// Sets the bounds, and the capacity only where nobody else sets it.
async fn set_bounds(
    clients: &Clients,
    name: &str,
    (min, max, desired): (u32, u32, Option<u32>),
) -> Result<Receipt, Failure> {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let call = clients.autoscaling.update_auto_scaling_group().auto_scaling_group_name(name);
    let call = call.min_size(number(min)).max_size(number(max));
    let call = call.set_desired_capacity(desired.map(number));
    let api = &rate::UPDATE_GROUP;
    clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}
