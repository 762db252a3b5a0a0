//! How the steps of an instance sort what they see.
//!
//! Not here: volumes, functions and groups.

use trimtab_models::resource::{Instance, InstanceState};

use super::Sight;
use crate::facts::InstanceStatus;

pub(super) fn stop(instance: &Instance, instance_type: &str) -> Sight {
    if instance.instance_type != instance_type {
        return Sight::Foreign(format!(
            "its type is {}, not {instance_type}",
            instance.instance_type
        ));
    }
    match instance.state {
        InstanceState::Stopped => Sight::Done,
        InstanceState::Pending | InstanceState::Stopping => Sight::InProgress,
        InstanceState::Running => Sight::Ready,
        InstanceState::ShuttingDown | InstanceState::Terminated => gone(instance),
    }
}

pub(super) fn set_type(instance: &Instance, ladder: &[String], rung: usize) -> Sight {
    let reached = ladder.get(rung).is_some_and(|target| *target == instance.instance_type);
    let known = ladder.contains(&instance.instance_type);
    match instance.state {
        InstanceState::ShuttingDown | InstanceState::Terminated => gone(instance),
        _ if !known => Sight::Foreign(format!(
            "its type is {}, which this change never set",
            instance.instance_type
        )),
        InstanceState::Pending | InstanceState::Stopping => Sight::InProgress,
        InstanceState::Stopped if reached => Sight::Done,
        InstanceState::Stopped => Sight::Ready,
        InstanceState::Running if reached => Sight::Done,
        InstanceState::Running => Sight::Foreign(format!(
            "somebody started it on {} while it was to be changed",
            instance.instance_type
        )),
    }
}

pub(super) fn start(instance: &Instance, ladder: &[String], rung: usize) -> Sight {
    let reached = ladder.get(rung).is_some_and(|target| *target == instance.instance_type);
    match instance.state {
        InstanceState::ShuttingDown | InstanceState::Terminated => gone(instance),
        _ if !reached => Sight::Foreign(format!(
            "its type is {}, which this step did not set",
            instance.instance_type
        )),
        InstanceState::Pending | InstanceState::Stopping => Sight::InProgress,
        InstanceState::Stopped => Sight::Ready,
        InstanceState::Running => Sight::Done,
    }
}

fn gone(instance: &Instance) -> Sight {
    Sight::Foreign(format!("somebody is terminating it (`{:?}`)", instance.state))
}

pub(super) fn status(instance: &Instance, status: Option<&InstanceStatus>) -> Sight {
    if instance.state == InstanceState::Pending {
        // Describes are not monotonic: an older answer may follow the first that said `running`.
        return Sight::InProgress;
    }
    if instance.state != InstanceState::Running {
        if let Some(reason) = instance.state_reason.as_deref().filter(|reason| fell_over(reason)) {
            return Sight::Failed(format!("it went down by itself after the start (`{reason}`)"));
        }
        return Sight::Foreign(format!(
            "it is `{:?}` while its status checks are awaited",
            instance.state
        ));
    }
    let Some(status) = status else {
        return Sight::InProgress;
    };
    match (status.system.as_str(), status.instance.as_str()) {
        ("ok", "ok") => Sight::Done,
        (system, instance) if system == "impaired" || instance == "impaired" => {
            Sight::Failed(format!("status checks: system `{system}`, instance `{instance}`"))
        }
        _ => Sight::InProgress,
    }
}

/// Whether EC2's state reason says that the machine went down by itself rather than by somebody's call.
fn fell_over(reason: &str) -> bool {
    reason.starts_with("Server.") || reason == "Client.InstanceInitiatedShutdown"
}
