//! How the steps of a volume sort what they see, its snapshot and the volume made again from it included.
//!
//! Not here: instances, functions and groups.

use jiff::Timestamp;
use trimtab_models::{
    resource::{ModificationState, Volume},
    spec::VolumeSpec,
};

use super::{Seen, Sight};

/// Whether two volume configurations are the same, as far as their type lets them differ.
///
/// EC2 reports IOPS for gp2 too, but there they follow from the size.
pub(crate) fn same_volume(left: &VolumeSpec, right: &VolumeSpec) -> bool {
    let provisioned_iops = matches!(left.volume_type.as_str(), "gp3" | "io1" | "io2");
    left.volume_type == right.volume_type
        && left.size_gib == right.size_gib
        && (!provisioned_iops || left.iops == right.iops)
        && (left.volume_type != "gp3" || left.throughput_mibps == right.throughput_mibps)
}

pub(super) fn modify(
    volume: &Volume,
    from: &VolumeSpec,
    to: &VolumeSpec,
    attempted_at: Option<Timestamp>,
) -> Sight {
    if let Some(modification) = &volume.modification {
        let ours = same_volume(&modification.target, to);
        // The modification that this change began, when it is undone before it has ended.
        let towards_from = same_volume(&modification.target, from);
        let since_intent =
            attempted_at.is_some_and(|at| modification.started_at.as_second() >= at.as_second());
        match modification.state {
            ModificationState::Modifying | ModificationState::Optimizing
                if ours || towards_from =>
            {
                return Sight::InProgress;
            }
            ModificationState::Modifying | ModificationState::Optimizing => {
                return Sight::Foreign("somebody else's modification is in progress".to_owned());
            }
            ModificationState::Failed if ours && since_intent => {
                return Sight::Failed("EC2 gave the modification up".to_owned());
            }
            ModificationState::Completed
                if ours && since_intent && !same_volume(&volume.spec, to) =>
            {
                return Sight::InProgress;
            }
            ModificationState::Failed | ModificationState::Completed => {}
        }
    }
    if same_volume(&volume.spec, to) {
        Sight::Done
    } else if same_volume(&volume.spec, from) {
        Sight::Ready
    } else {
        Sight::Foreign(format!("it is {:?}, which this change never set", volume.spec))
    }
}

pub(super) fn snapshot(volume: &Volume, seen: &Seen) -> Sight {
    if volume.state != "available" || !volume.attachments.is_empty() {
        return Sight::Foreign(format!(
            "the volume is `{}`, so somebody uses it again",
            volume.state
        ));
    }
    match &seen.made {
        None => Sight::Unknown("the snapshot could not be looked up".to_owned()),
        Some(None) => Sight::Ready,
        Some(Some(made)) => match made.state.as_str() {
            "completed" => Sight::Done,
            "error" => Sight::Failed(format!("the snapshot `{}` failed", made.id)),
            _ => Sight::InProgress,
        },
    }
}

pub(super) fn delete(volume: &Volume) -> Sight {
    match volume.state.as_str() {
        "deleting" => Sight::InProgress,
        "deleted" => Sight::Done,
        "available" if volume.attachments.is_empty() => Sight::Ready,
        other => Sight::Foreign(format!("the volume is `{other}`, so somebody uses it again")),
    }
}

/// A volume that was to be deleted: on its way out, or there as ever, so that nothing needs to be restored.
pub(super) fn restore(volume: &Volume) -> Sight {
    match volume.state.as_str() {
        "deleting" | "deleted" => Sight::InProgress,
        _ => Sight::Done,
    }
}
