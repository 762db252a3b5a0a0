//! How the steps that mark an instance, and remove the mark, sort what they see.
//!
//! Not here: the machine itself (`instance`).

use trimtab_models::resource::{InstanceState, Resource};

use super::Sight;
use crate::mark::{CHANGE_TAG, Mark};

/// Nobody's mark is overwritten but one of this very agent: its journal knows that change, and that it has ended.
pub(super) fn set(resource: &Resource, instance_type: &str, mark: Option<&Mark>) -> Sight {
    let (Some(instance), Some(mark)) = (resource.instance(), mark) else {
        return Sight::Foreign("it is no instance".to_owned());
    };
    if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        return Sight::Foreign(format!("somebody is terminating it (`{:?}`)", instance.state));
    }
    if instance.instance_type != instance_type {
        let live = &instance.instance_type;
        return Sight::Foreign(format!("its type is {live}, not {instance_type}"));
    }
    if Mark::read(&resource.reference.tags).as_ref() == Some(mark) {
        return Sight::Done;
    }
    let own = format!("{}/", mark.agent_id);
    // On its old type it has not been stopped by this change: if it is off, it is so by somebody else's hand.
    let is_old = instance_type == mark.was;
    match instance.state {
        InstanceState::Pending if is_old => return Sight::InProgress,
        InstanceState::Stopping | InstanceState::Stopped if is_old => {
            return Sight::Foreign(format!("it is `{:?}` already", instance.state));
        }
        InstanceState::Pending
        | InstanceState::Running
        | InstanceState::Stopping
        | InstanceState::Stopped
        | InstanceState::ShuttingDown
        | InstanceState::Terminated => {}
    }
    match resource.tag(CHANGE_TAG) {
        Some(owner) if !owner.starts_with(&own) => {
            Sight::Foreign(format!("it carries the mark `{owner}` of another agent"))
        }
        Some(_) | None => Sight::Ready,
    }
}

/// A mark that is no longer ours is not ours to remove.
pub(super) fn remove(resource: &Resource, mark: Option<&Mark>) -> Sight {
    let owner = mark.map(Mark::owner);
    if owner.is_some() && resource.tag(CHANGE_TAG) == owner.as_deref() {
        Sight::Ready
    } else {
        Sight::Done
    }
}
