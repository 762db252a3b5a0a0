//! EBS volumes, their modifications, and what changes made of them: snapshots and restored volumes.
//!
//! Not here: writes (`writes`), and since when a volume is unattached (only the agent's own memory knows).

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, Tag, Volume as Ec2Volume, VolumeModification};
use jiff::Timestamp;
use trimtab_models::resource::{
    Attachment, Detail, Kind, Modification, ModificationState, Resource, Volume,
};
use trimtab_models::spec::VolumeSpec;
use trimtab_policies::mark::CHANGE_TAG;
use trimtab_policies::operations::{Failure, FailureKind};

use super::{Clients, count, error, pages, rate, timestamp};
use crate::ports::{Made, MadeThing};

/// The largest page that these calls give.
const PAGE_MAX: i32 = 500;

/// Every volume, with its newest modification.
pub(super) async fn discover(clients: &Clients, now: Timestamp) -> Result<Vec<Resource>, Failure> {
    let api = &rate::DESCRIBE_VOLUMES;
    let fetch = async |token: Option<String>| {
        let call = clients.ec2.describe_volumes();
        let call = call.max_results(PAGE_MAX).set_next_token(token);
        let page =
            clients.call(api, &clients.target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.volumes.unwrap_or_default(), page.next_token))
    };
    let volumes = pages((api, &clients.target), fetch).await?;
    let newest = newest(modified(clients, None).await?);
    Ok(volumes.iter().filter_map(|volume| resource(clients, volume, &newest, now)).collect())
}

/// One volume as it is now.
pub(super) async fn describe(
    clients: &Clients,
    id: &str,
    now: Timestamp,
) -> Result<Resource, Failure> {
    let volume = volume(clients, id).await?;
    let newest = newest(modified(clients, Some(id)).await?);
    let missing = || error::incomplete(rate::DESCRIBE_VOLUMES.call, id, "type or size");
    resource(clients, &volume, &newest, now).ok_or_else(missing)
}

/// The volume in EC2's words.
pub(super) async fn volume(clients: &Clients, id: &str) -> Result<Ec2Volume, Failure> {
    let api = &rate::DESCRIBE_VOLUMES;
    let call = clients.ec2.describe_volumes().volume_ids(id);
    let page = clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    let mut volumes = page.volumes.unwrap_or_default().into_iter();
    volumes
        .find(|volume| volume.volume_id() == Some(id) && state(volume) != "deleted")
        .ok_or_else(|| error::not_found(api.call, id))
}

/// Every start of a modification that EC2 still knows, newest first.
pub(super) async fn modifications(clients: &Clients, id: &str) -> Result<Vec<Timestamp>, Failure> {
    let missing = || error::incomplete(rate::DESCRIBE_MODIFICATIONS.call, id, "start time");
    let modified = modified(clients, Some(id)).await?;
    let starts = modified.iter().map(|it| started_at(it).ok_or_else(missing));
    let mut starts = starts.collect::<Result<Vec<Timestamp>, Failure>>()?;
    starts.sort_unstable_by(|one, other| other.cmp(one));
    Ok(starts)
}

/// Modifications of one volume or of all; none for a volume that was never modified.
async fn modified(clients: &Clients, id: Option<&str>) -> Result<Vec<VolumeModification>, Failure> {
    let api = &rate::DESCRIBE_MODIFICATIONS;
    let target = id.unwrap_or(&clients.target);
    let fetch = async |token: Option<String>| {
        let call = clients.ec2.describe_volumes_modifications();
        let call = call.set_volume_ids(id.map(|id| vec![id.to_owned()]));
        // EC2 refuses a page size beside ids.
        let size = id.is_none().then_some(PAGE_MAX);
        let call = call.set_max_results(size).set_next_token(token);
        let page = clients.call(api, target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.volumes_modifications.unwrap_or_default(), page.next_token))
    };
    match pages((api, target), fetch).await {
        Err(failure) if failure.kind == FailureKind::NotFound => Ok(Vec::new()),
        outcome => outcome,
    }
}

fn started_at(modification: &VolumeModification) -> Option<Timestamp> {
    modification.start_time().and_then(timestamp)
}

/// The newest modification of each volume.
fn newest(mut all: Vec<VolumeModification>) -> BTreeMap<String, VolumeModification> {
    all.sort_by_key(started_at);
    all.into_iter().filter_map(|it| Some((it.volume_id()?.to_owned(), it))).collect()
}

/// A modification of a volume with this configuration. What the modification does not name is as the volume has it;
/// a state that is newer than this program counts as work that is not done.
fn modification(from: &VolumeModification, volume: &VolumeSpec) -> Option<Modification> {
    let state = match from.modification_state().map_or("modifying", |it| it.as_str()) {
        "optimizing" => ModificationState::Optimizing,
        "completed" => ModificationState::Completed,
        "failed" => ModificationState::Failed,
        _ => ModificationState::Modifying,
    };
    let kind = from.target_volume_type().map(|it| it.as_str().to_owned());
    let target = VolumeSpec {
        volume_type: kind.unwrap_or_else(|| volume.volume_type.clone()),
        size_gib: from.target_size().map_or(volume.size_gib, count),
        iops: from.target_iops().map(count).or(volume.iops),
        throughput_mibps: from.target_throughput().map(count).or(volume.throughput_mibps),
    };
    Some(Modification { state, started_at: started_at(from)?, target })
}

fn state(volume: &Ec2Volume) -> &str {
    volume.state().map_or("unknown", |state| state.as_str())
}

fn resource(
    clients: &Clients,
    from: &Ec2Volume,
    modifications: &BTreeMap<String, VolumeModification>,
    now: Timestamp,
) -> Option<Resource> {
    let id = from.volume_id()?;
    let spec = spec(from)?;
    let attachments = from.attachments().iter().filter_map(|it| {
        Some(Attachment {
            instance_id: it.instance_id()?.to_owned(),
            device: it.device().unwrap_or_default().to_owned(),
            delete_on_termination: it.delete_on_termination().unwrap_or(false),
        })
    });
    let volume = Volume {
        state: state(from).to_owned(),
        attachments: attachments.collect(),
        multi_attach: from.multi_attach_enabled().unwrap_or(false),
        kms_key: from.kms_key_id().map(str::to_owned),
        snapshot_id: from.snapshot_id().filter(|it| !it.is_empty()).map(str::to_owned),
        modification: modifications.get(id).and_then(|it| modification(it, &spec)),
        detached_since: None,
        spec,
    };
    Some(Resource {
        reference: clients.reference(
            Kind::Volume,
            clients.ec2_arn("volume", id),
            tags(from.tags()),
        ),
        id: id.to_owned(),
        zone: from.availability_zone().map(str::to_owned),
        created_at: from.create_time().and_then(timestamp),
        observed_at: now,
        detail: Detail::Volume(volume),
    })
}

pub(super) fn spec(from: &Ec2Volume) -> Option<VolumeSpec> {
    Some(VolumeSpec {
        volume_type: from.volume_type()?.as_str().to_owned(),
        size_gib: count(from.size()?),
        iops: from.iops().map(count),
        throughput_mibps: from.throughput().map(count),
    })
}

/// Tags as a map; EC2 gives each key once.
pub(super) fn tags(from: &[Tag]) -> BTreeMap<String, String> {
    let pair = |tag: &Tag| {
        let value = tag.value().unwrap_or_default();
        Some((tag.key()?.to_owned(), value.to_owned()))
    };
    from.iter().filter_map(pair).collect()
}

/// What a change made, found by its mark.
pub(super) async fn marked(
    clients: &Clients,
    made: Made,
    mark: &str,
) -> Result<Option<MadeThing>, Failure> {
    let filter = Filter::builder().name(format!("tag:{CHANGE_TAG}")).values(mark).build();
    match made {
        Made::Snapshot => marked_snapshot(clients, filter, mark).await,
        Made::Volume => marked_volume(clients, filter, mark).await,
        // Versions of launch templates have no tags.
        Made::TemplateVersion { .. } => Ok(None),
    }
}

async fn marked_snapshot(
    clients: &Clients,
    filter: Filter,
    mark: &str,
) -> Result<Option<MadeThing>, Failure> {
    let api = &rate::DESCRIBE_SNAPSHOTS;
    let fetch = async |token: Option<String>| {
        let call = clients.ec2.describe_snapshots().owner_ids("self");
        let call = call.filters(filter.clone()).max_results(PAGE_MAX).set_next_token(token);
        let page = clients.call(api, mark, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.snapshots.unwrap_or_default(), page.next_token))
    };
    let snapshots = pages((api, mark), fetch).await?;
    Ok(snapshots.first().and_then(|snapshot| {
        Some(MadeThing {
            id: snapshot.snapshot_id()?.to_owned(),
            state: snapshot.state()?.as_str().to_owned(),
        })
    }))
}

async fn marked_volume(
    clients: &Clients,
    filter: Filter,
    mark: &str,
) -> Result<Option<MadeThing>, Failure> {
    let api = &rate::DESCRIBE_VOLUMES;
    let fetch = async |token: Option<String>| {
        let call = clients.ec2.describe_volumes();
        let call = call.filters(filter.clone()).max_results(PAGE_MAX).set_next_token(token);
        let page = clients.call(api, mark, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.volumes.unwrap_or_default(), page.next_token))
    };
    let volumes = pages((api, mark), fetch).await?;
    Ok(volumes.first().and_then(|volume| {
        Some(MadeThing { id: volume.volume_id()?.to_owned(), state: state(volume).to_owned() })
    }))
}
