//! A machine behind load balancers is stopped only while another target in each of its groups can take over.
//!
//! A part of `health`. Not here: taking it out and putting it back (`steps`).

use std::collections::BTreeSet;

use trimtab_models::{
    recommendation::Action,
    resource::{Instance, Registration},
};

use super::{Reason, Subject};
use crate::steps::another_serves;

/// The calls by which load balancers are asked, for the role's policy.
const STATEMENT: &str = "allow elasticloadbalancing:DescribeTargetGroups, \
     elasticloadbalancing:DescribeTargetGroupAttributes and elasticloadbalancing:DescribeTargetHealth";

/// Why the machine cannot be stopped as far as its load balancers go.
pub(super) fn reasons(subject: &Subject<'_>, instance: &Instance) -> Vec<Reason> {
    let Some(registrations) = &instance.registrations else {
        return vec![Reason::fail(format!(
            "it is not known whether load balancers send it traffic ({STATEMENT})"
        ))];
    };
    if let Some(reason) = reason_other_groups(subject, registrations) {
        return vec![reason];
    }
    if registrations.is_empty() {
        return Vec::new();
    }
    if subject.action() == Action::StopIdleInstance {
        let groups = names(registrations);
        let text = format!("load balancers send it traffic ({groups}): take it out of them first");
        return vec![Reason::fail(text)];
    }
    let targets = match subject.fact(&subject.facts().targets, "the health of its target groups") {
        Ok(targets) => targets,
        Err(missing) => return vec![missing],
    };
    let id = &subject.recommendation().resource_id;
    let reason = |registration: &Registration| {
        let group = name(&registration.group_arn);
        if registration.by_address {
            return Some(format!("`{group}` knows it by its address, and it would not be drained"));
        }
        let Some(all) = targets.get(&registration.group_arn) else {
            return Some(format!("the targets of `{group}` are not known"));
        };
        let ours = all.iter().any(|it| it.id == *id && it.port == registration.port);
        if !ours {
            return Some(format!("it is not registered with `{group}` any more"));
        }
        (!another_serves(all, (id, registration)))
            .then(|| format!("no other target of `{group}` is healthy"))
    };
    registrations.iter().filter_map(reason).map(Reason::fail).collect()
}

/// The groups must be those that the steps take it out of.
fn reason_other_groups(subject: &Subject<'_>, live: &[Registration]) -> Option<Reason> {
    let key = |it: &Registration| (it.group_arn.clone(), it.port);
    let steps = subject.candidate.steps.iter();
    let planned: BTreeSet<_> =
        steps.filter_map(|step| step.kind.as_registration().map(key)).collect();
    let live: BTreeSet<_> = live.iter().map(key).collect();
    let differs = subject.action() == Action::ResizeInstance && planned != live;
    differs.then(|| Reason::fail("its target groups are others than when this was proposed"))
}

/// The group's own name out of its ARN, `…:targetgroup/name/id`.
fn name(arn: &str) -> &str {
    arn.split('/').nth(1).unwrap_or(arn)
}

fn names(registrations: &[Registration]) -> String {
    registrations.iter().map(|it| name(&it.group_arn)).collect::<Vec<_>>().join(", ")
}
