//! `data_loss`: no data and no address goes that cannot be brought back.
//!
//! Not here: durability that a volume type promises (`action`), which an approver weighs.

use trimtab_models::{recommendation::Action, resource::Instance};

use super::{Reason, Subject, result};
use crate::{
    plan::{CheckName, CheckResult},
    steps::StepKind,
};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    if subject.action() == Action::DeleteUnattachedVolume {
        let reason = reason_no_snapshot(subject);
        let pass = "a snapshot is completed before the volume goes; it comes back as a new id";
        return result(CheckName::DataLoss, reason, pass);
    }
    let reasons = match subject.resource() {
        Err(missing) => vec![missing],
        Ok(resource) => match resource.instance() {
            Some(instance) => reasons_of_stop(subject, instance),
            None => vec![Reason::fail(format!("{} is no instance", resource.id))],
        },
    };
    result(CheckName::DataLoss, reasons, "nothing is lost")
}

/// What a stop takes from an instance for good.
fn reasons_of_stop(subject: &Subject<'_>, instance: &Instance) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let name = &instance.instance_type;
    match subject.context.catalog.instance_type(name) {
        None => reasons.push(Reason::fail(format!(
            "the catalogue does not know whether {name} has an instance store"
        ))),
        Some(known) => reasons.extend(known.instance_store.as_ref().map(|store| {
            let size = store.total_gb;
            Reason::fail(format!("{size} GB of instance store would be lost"))
        })),
    }
    if let Some(address) = &instance.public_ip
        && !instance.elastic_ip
    {
        reasons.push(Reason::fail(format!(
            "the public address {address} is no Elastic IP and would be lost"
        )));
    }
    reasons
}

fn reason_no_snapshot(subject: &Subject<'_>) -> Option<Reason> {
    let is_snapshot = |kind: &StepKind| matches!(kind, StepKind::CreateSnapshot { .. });
    let is_deletion = |kind: &StepKind| matches!(kind, StepKind::DeleteVolume { .. });
    let steps = &subject.candidate.steps;
    let snapshot = steps.iter().position(|step| is_snapshot(&step.kind));
    let deletion = steps.iter().position(|step| is_deletion(&step.kind));
    match (snapshot, deletion) {
        (_, None) => None,
        (Some(snapshot), Some(deletion)) if snapshot < deletion => None,
        (Some(_) | None, Some(_)) => Some(Reason::fail("the volume would go without a snapshot")),
    }
}
