//! The call of a step, and how often its effect is looked for.
//!
//! Not here: whether the call is made now (`next`).

use trimtab_models::resource::{Function, Group};

use super::Change;
use crate::{
    operations::{Operation, Share},
    steps::{Seen, Sighting, Stage, StepKind},
};

/// The call of a step, with what only this moment knows (the rung, the revision, the snapshot).
pub(super) fn operation(change: &Change, kind: &StepKind, seen: &Seen) -> Option<Operation> {
    Some(match kind.clone() {
        StepKind::StopInstance { instance_id, .. } => Operation::StopInstance { instance_id },
        StepKind::StartInstance { instance_id, .. } => Operation::StartInstance { instance_id },
        StepKind::SetInstanceType { instance_id, ladder, .. } => Operation::SetInstanceType {
            instance_id,
            instance_type: ladder.get(change.rung)?.clone(),
        },
        StepKind::DeregisterTarget { instance_id, registration } => {
            let (group_arn, port) = (registration.group_arn, registration.port);
            Operation::DeregisterTarget { instance_id, group_arn, port }
        }
        StepKind::RegisterTarget { instance_id, registration } => {
            let (group_arn, port) = (registration.group_arn, registration.port);
            Operation::RegisterTarget { instance_id, group_arn, port }
        }
        StepKind::MarkInstance { ref instance_id, .. } => {
            let resource_id = instance_id.clone();
            Operation::TagResource { resource_id, mark: change.mark_of(kind)? }
        }
        StepKind::UnmarkInstance { ref instance_id, .. } => {
            let resource_id = instance_id.clone();
            Operation::UntagResource { resource_id, mark: change.mark_of(kind)? }
        }
        StepKind::AwaitStatusChecks { .. } | StepKind::AwaitCanary { .. } => return None,
        StepKind::ModifyVolume { volume_id, to, .. } => {
            Operation::ModifyVolume { volume_id, spec: to }
        }
        StepKind::CreateSnapshot { volume_id } => {
            Operation::CreateSnapshot { volume_id, mark: change.id.clone() }
        }
        StepKind::DeleteVolume { volume_id } => Operation::DeleteVolume { volume_id },
        StepKind::RestoreVolume { zone, spec, .. } => Operation::CreateVolume {
            snapshot_id: change.created.get("snapshot")?.clone(),
            zone,
            spec,
            mark: change.id.clone(),
        },
        StepKind::SetFunctionMemory { function_name, to_mb, .. } => Operation::SetFunctionMemory {
            function_name,
            memory_mb: to_mb,
            revision_id: revision_of(seen),
        },
        StepKind::SetGroupBounds { group_name, to, .. } => Operation::SetGroupBounds {
            group_name,
            min_size: to.min_size,
            max_size: to.max_size,
            desired_capacity: to.desired_capacity,
        },
        StepKind::PutSchedule { group_name, scheduled, .. } => {
            Operation::PutSchedule { group_name, scheduled }
        }
        StepKind::DeleteSchedule { group_name, scheduled } => {
            Operation::DeleteSchedule { group_name, name: scheduled.name }
        }
        StepKind::LowerFloor { group_name, own_min, .. } => Operation::SetGroupBounds {
            group_name,
            min_size: own_min,
            // The upper bound is not this change's: it stays as it is seen.
            max_size: group_of(seen)?.max_size,
            desired_capacity: None,
        },
        StepKind::CreateTemplateVersion { template_id, source_version, instance_type } => {
            let mark = change.id.clone();
            Operation::CreateTemplateVersion { template_id, source_version, instance_type, mark }
        }
        StepKind::RefreshInstances { .. } => refresh(kind, seen)?,
        StepKind::PublishVersion { .. } => publish(kind, seen)?,
        StepKind::ShiftAlias { .. } => set_alias(kind, seen)?,
        StepKind::WithdrawShare { .. } => withdraw_share(kind, seen)?,
    })
}

/// Publishes `$LATEST`, if it is as it was seen.
fn publish(kind: &StepKind, seen: &Seen) -> Option<Operation> {
    let StepKind::PublishVersion { function_name, behind, .. } = kind.clone() else {
        return None;
    };
    let (code_sha256, revision_id) = (behind.code_sha256, revision_of(seen));
    Some(Operation::PublishVersion { function_name, code_sha256, revision_id })
}

/// Points the alias where a stage says, if it is as it was seen.
fn set_alias(kind: &StepKind, seen: &Seen) -> Option<Operation> {
    let StepKind::ShiftAlias { function_name, behind, new_version, stage } = kind.clone() else {
        return None;
    };
    let new_version = new_version.or_else(|| seen.made_id().map(str::to_owned))?;
    let revision_id = alias_revision_of(seen, &behind.alias);
    let (version, canary) = match stage {
        Stage::Old => (behind.version, None),
        Stage::Canary { percent } => {
            (behind.version, Some(Share { version: new_version, percent }))
        }
        Stage::New => (new_version, None),
    };
    let alias = behind.alias;
    Some(Operation::SetAlias { function_name, alias, version, canary, revision_id })
}

/// Takes this change's share away, if the alias is as it was seen.
fn withdraw_share(kind: &StepKind, seen: &Seen) -> Option<Operation> {
    let StepKind::WithdrawShare { function_name, behind, new_version, percent } = kind.clone()
    else {
        return None;
    };
    let revision_id = alias_revision_of(seen, &behind.alias)?;
    let share = Share { version: new_version, percent };
    Some(Operation::WithdrawShare { function_name, alias: behind.alias, share, revision_id })
}

/// Rolls the running refresh of this change back, or starts one.
fn refresh(kind: &StepKind, seen: &Seen) -> Option<Operation> {
    let StepKind::RefreshInstances { group_name, template_id, from_version, to_version, rollout } =
        kind.clone()
    else {
        return None;
    };
    let newest = group_of(seen)?.refresh.as_ref();
    let runs = newest.is_some_and(|one| !one.has_ended() && one.brings(&template_id, from_version));
    if to_version.is_some() && runs {
        return Some(Operation::RollbackRefresh { group_name });
    }
    Some(Operation::StartRefresh {
        group_name,
        template_id,
        version: to_version.or_else(|| seen.made_version())?,
        rollout,
        // What is taken back must not be rolled back to what it takes back.
        auto_rollback: to_version.is_none(),
    })
}

fn revision_of(seen: &Seen) -> Option<String> {
    function_of(seen)?.revision_id.clone()
}

fn alias_revision_of(seen: &Seen, name: &str) -> Option<String> {
    let alias = function_of(seen)?.aliases.iter().find(|alias| alias.name == name)?;
    alias.revision_id.clone()
}

fn function_of(seen: &Seen) -> Option<&Function> {
    match &seen.resource {
        Sighting::Present(resource) => resource.function(),
        Sighting::Absent | Sighting::Unknown(_) => None,
    }
}

fn group_of(seen: &Seen) -> Option<&Group> {
    match &seen.resource {
        Sighting::Present(resource) => resource.group(),
        Sighting::Absent | Sighting::Unknown(_) => None,
    }
}

/// Seconds between two looks at a step that is on its way.
pub(super) const fn poll_interval_s(kind: &StepKind) -> i64 {
    match kind {
        StepKind::StopInstance { .. }
        | StepKind::StartInstance { .. }
        | StepKind::SetInstanceType { .. }
        | StepKind::MarkInstance { .. }
        | StepKind::UnmarkInstance { .. } => 5,
        StepKind::AwaitStatusChecks { .. }
        | StepKind::DeregisterTarget { .. }
        | StepKind::RegisterTarget { .. } => 15,
        StepKind::ModifyVolume { .. }
        | StepKind::CreateSnapshot { .. }
        | StepKind::RefreshInstances { .. } => 60,
        StepKind::DeleteVolume { .. } | StepKind::RestoreVolume { .. } => 10,
        // A point of the metrics a minute, and eight series that AWS bills with every look.
        StepKind::AwaitCanary { .. } => 120,
        StepKind::SetFunctionMemory { .. }
        | StepKind::PublishVersion { .. }
        | StepKind::ShiftAlias { .. }
        | StepKind::WithdrawShare { .. }
        | StepKind::SetGroupBounds { .. }
        | StepKind::PutSchedule { .. }
        | StepKind::DeleteSchedule { .. }
        | StepKind::LowerFloor { .. }
        | StepKind::CreateTemplateVersion { .. } => 3,
    }
}
