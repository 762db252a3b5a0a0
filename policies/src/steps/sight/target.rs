//! How the steps at a load balancer sort what they see.
//!
//! Not here: the machine itself (`instance`), and which groups it is registered with (`trimtab`).

use trimtab_models::resource::{Instance, InstanceState, Registration};

use super::Sight;
use crate::facts::{Target, Targets};

/// How a load balancer calls a target that it sends traffic to.
const HEALTHY: &str = "healthy";
/// How it calls a target of a group, or in a zone, that no listener uses.
const UNUSED: &str = "unused";
/// How it calls a target whose connections are ending.
const DRAINING: &str = "draining";

/// Whether another target of the group would take over: one that is healthy now, or none is needed because no listener
/// uses the group.
pub(crate) fn another_serves(targets: &[Target], ours: (&str, &Registration)) -> bool {
    let is_ours = |target: &&Target| target.id == ours.0 && target.port == ours.1.port;
    let is_unused = targets.iter().find(is_ours).is_some_and(|target| target.state == UNUSED);
    let healthy = |target: &Target| target.id != ours.0 && target.state == HEALTHY;
    is_unused || targets.iter().any(healthy)
}

pub(super) fn deregister(
    instance: &Instance,
    ours: (&str, &Registration),
    targets: Option<&Targets>,
    is_undo: bool,
) -> Sight {
    let group = &ours.1.group_arn;
    let Some(all) = targets.and_then(|targets| targets.get(group)) else {
        return Sight::Unknown(format!("the targets of {group} could not be asked"));
    };
    let Some(target) = all.iter().find(|it| it.id == ours.0 && it.port == ours.1.port) else {
        return Sight::Done;
    };
    if target.state == DRAINING {
        return Sight::InProgress;
    }
    if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        return Sight::Foreign(format!("somebody is terminating it (`{:?}`)", instance.state));
    }
    // On the way back a target that serves nobody is missed by nobody.
    let is_missed = !is_undo || target.state == HEALTHY;
    if is_missed && !another_serves(all, ours) {
        return Sight::Failed(format!("no other target of {group} is healthy"));
    }
    Sight::Ready
}

pub(super) fn register(
    instance: &Instance,
    ours: (&str, &Registration),
    targets: Option<&Targets>,
) -> Sight {
    let group = &ours.1.group_arn;
    let Some(all) = targets.and_then(|targets| targets.get(group)) else {
        return Sight::Unknown(format!("the targets of {group} could not be asked"));
    };
    if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        return Sight::Foreign(format!("somebody is terminating it (`{:?}`)", instance.state));
    }
    let target = all.iter().find(|it| it.id == ours.0 && it.port == ours.1.port);
    match target.map(|target| target.state.as_str()) {
        None | Some(DRAINING) => Sight::Ready,
        Some(HEALTHY | UNUSED) => Sight::Done,
        Some(_) => Sight::InProgress,
    }
}
