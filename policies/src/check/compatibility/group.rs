//! What stands against a change of a group beside its bounds.
//!
//! Not here: its bounds (`super`), and whether it is well (`health`).

use trimtab_models::{
    recurrence::Recurrence,
    resource::{Group, Instance},
    spec::Spec,
};

use super::{Reason, Subject, misfits, unknown_type};
use crate::steps::StepKind;

/// Alarms that a refresh can be watched by (Auto Scaling API reference, AlarmSpecification).
const ALARMS_MAX: usize = 10;

fn group_of<'a>(subject: &Subject<'a>) -> Result<&'a Group, Reason> {
    let resource = subject.resource()?;
    resource.group().ok_or_else(|| Reason::fail(format!("{} is no group", resource.id)))
}

/// A schedule stands alone, only raises the lower bound, and brings it back to the group's own.
pub(super) fn reasons_of_schedule(subject: &Subject<'_>) -> Vec<Reason> {
    let Spec::Schedule { scheduled } = &subject.recommendation().desired else {
        return vec![Reason::fail("what is desired is no schedule")];
    };
    let group = match group_of(subject) {
        Ok(group) => group,
        Err(missing) => return vec![missing],
    };
    let mut reasons: Vec<Reason> =
        group.reason_scheduled_by_others(subject.now()).map(Reason::fail).into_iter().collect();
    if group.scaling_policies.is_empty() {
        reasons.push(Reason::fail("no scaling policy would take members out again"));
    }
    let own_min = scheduled.iter().map(|one| one.min_size).min();
    if own_min != Some(group.min_size) {
        let live = group.min_size;
        reasons.push(Reason::fail(format!(
            "the schedule brings the lower bound back to {}, the group's own is {live}",
            own_min.unwrap_or(0)
        )));
    }
    for one in scheduled {
        if one.min_size > group.max_size {
            let (name, floor, max) = (&one.name, one.min_size, group.max_size);
            reasons.push(Reason::fail(format!("{name} sets {floor}, above the maximum of {max}")));
        }
        if Recurrence::parse(&one.recurrence).is_none() {
            let (name, when) = (&one.name, &one.recurrence);
            reasons
                .push(Reason::fail(format!("{name} recurs at `{when}`, which is not understood")));
        }
    }
    reasons
}

/// The template is at the version from which the steps start, and its image runs on the type.
pub(super) fn reasons_of_members(subject: &Subject<'_>) -> Vec<Reason> {
    let Spec::Members { member_type } = &subject.recommendation().desired else {
        return vec![Reason::fail("what is desired is no type of members")];
    };
    let group = match group_of(subject) {
        Ok(group) => group,
        Err(missing) => return vec![missing],
    };
    let mut reasons: Vec<Reason> = reasons_of_template(subject, group).into_iter().collect();
    if group.mixed_instances {
        reasons.push(Reason::fail("its members are of mixed types"));
    }
    let alarms = subject.context.policy.health.stop_alarms.len();
    if alarms > ALARMS_MAX {
        reasons.push(Reason::fail(format!(
            "{alarms} stop alarms are named, and a refresh is watched by {ALARMS_MAX} at most"
        )));
    }
    reasons.extend(reasons_of_image(subject, group, member_type));
    reasons
}

/// Somebody who changed the template since the steps were made would have that change rolled out, or rolled back.
fn reasons_of_template(subject: &Subject<'_>, group: &Group) -> Option<Reason> {
    let steps = subject.candidate.steps.iter();
    let (id, version) = steps.filter_map(|step| step.kind.as_refresh()).next()?;
    let Some(template) = &group.launch_template else {
        return Some(Reason::fail("the group has no launch template of its own"));
    };
    if template.id != id || template.number != Some(version) {
        let (live, number) = (&template.id, &template.version);
        return Some(Reason::fail(format!(
            "its launch template is {live} at version {number}, the steps start from {id} at {version}"
        )));
    }
    template.version.parse::<u64>().is_err().then(|| {
        Reason::fail("a refresh can be rolled back only where the version is named by its number")
    })
}

/// What the image of today's members needs, as far as one of them was observed.
fn reasons_of_image(subject: &Subject<'_>, group: &Group, member_type: &str) -> Vec<Reason> {
    let Some(member) = observed_member(subject, group) else {
        return vec![Reason::fail("none of its members was observed as an instance")];
    };
    let catalog = subject.context.catalog;
    let Some(today) = catalog.instance_type(&member.instance_type) else {
        return vec![unknown_type(&member.instance_type)];
    };
    match catalog.instance_type(member_type) {
        None => vec![unknown_type(member_type)],
        Some(target) => misfits(member, today, target)
            .map(|what| Reason::fail(format!("{member_type}: {what}")))
            .collect(),
    }
}

fn observed_member<'a>(subject: &Subject<'a>, group: &Group) -> Option<&'a Instance> {
    let place = &subject.recommendation().resource;
    let is_member = |id: &String| group.members.iter().any(|member| member.instance_id == *id);
    let mut here = subject.context.inventory.values().filter(|other| {
        other.reference.account == place.account
            && other.reference.region == place.region
            && is_member(&other.id)
    });
    here.find_map(|other| other.instance())
}

/// What beside the calls themselves a refresh needs, and what nothing but the refresh tells.
pub(crate) fn rights_of_refresh(kind: &StepKind) -> Option<&'static str> {
    kind.as_refresh().map(|_| {
        "launching from a template also needs ec2:RunInstances and, for its instance profile, iam:PassRole, which no dry \
         run tells"
    })
}
