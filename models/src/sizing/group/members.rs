//! The type of a group's members: the cheapest that carries what each of them does, at the same number of members.
//!
//! A member is sized as an instance is, by the same candidates and risks, on what the group's load asks of one member.
//! Memory and bandwidths of members are not seen for a group, so that they are treated as unseen there. Not here: how
//! many members there are (`super`).

use std::collections::BTreeMap;

use super::{CPU, IN_SERVICE, Usage, costs_of};
use crate::{
    metric::{Measure, Metric, Statistic},
    recommendation::{Action, Recommendation},
    resource::{Group, LaunchTemplate, Resource},
    series::Series,
    sizing::{
        SizingInput,
        case::{CHANGE_MIN, Case, Finding, Proposal, StatedRisk},
        instance,
    },
    spec::Spec,
};

/// The series by which an instance is sized.
const MEMBER_CPU: Measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };

/// Recommends another type.
///
/// # Errors
/// Why none is recommended.
pub(super) fn resize(
    case: &Case<'_>,
    group: &Group,
    (usage, scaled): (&Usage, bool),
) -> Result<Recommendation, String> {
    let (resource, member_type) = observed_member(case, group)?;
    let found = as_instance(case, resource, usage, (group.desired_capacity, scaled))?;
    let Spec::Instance { instance_type, .. } = &found.desired else {
        return Err("no other type was found".to_owned());
    };
    let count = super::mean_members(usage, super::bounds_of(group), scaled);
    let costs = costs_of(case, resource, (&member_type, instance_type), count);
    if costs.is_none_or(|costs| costs.saved_ratio() <= CHANGE_MIN) {
        return Err(format!("{instance_type} would not save a tenth"));
    }
    if let Some(reason) = reason_fixed(group.launch_template.as_ref(), &member_type) {
        return Err(format!("{instance_type} would cost less, but {reason}"));
    }
    case.refuse_unseen()?;
    let evidence = found.evidence;
    let mut notes = evidence.notes;
    notes.push(format!("sized as each of {count:.1} members at today's number of them"));
    let proposal = Proposal {
        action: Action::ResizeGroupInstances,
        desired: Spec::Members { member_type: instance_type.clone() },
        alternates: Vec::new(),
        reason: format!("as members of the group, {}", found.reason),
        costs,
    };
    let mut decisive = vec![CPU];
    decisive.extend(usage.counted.then_some(IN_SERVICE));
    let finding = Finding {
        decisive,
        dimensions: evidence.dimensions,
        replay: evidence.replay,
        risk: found.risk.map(|probability| StatedRisk {
            probability,
            cycle_h: evidence.risk_cycle_h,
            is_bound: evidence.risk_is_bound,
        }),
        capacity_ratio: evidence.capacity_ratio,
        lowers_performance: evidence.lowers_performance,
        unseen: evidence.unseen,
        notes,
        ..Finding::default()
    };
    Ok(case.recommendation(proposal, finding))
}

/// Why the type cannot be changed by a new version of the launch template and an instance refresh.
fn reason_fixed(template: Option<&LaunchTemplate>, member_type: &str) -> Option<String> {
    let Some(template) = template else {
        return Some("the group has no launch template of its own".to_owned());
    };
    if template.version.parse::<u64>().is_err() {
        return Some(format!(
            "the group follows {} of its launch template: a refresh can be rolled back only where a version is named by \
             its number",
            template.version
        ));
    }
    match (template.number, template.instance_type.as_deref()) {
        (None, _) => Some("the version of its launch template could not be read".to_owned()),
        (Some(_), None) => Some("its launch template names no instance type".to_owned()),
        (Some(_), Some(name)) if name != member_type => {
            Some(format!("its launch template launches {name}, its members are {member_type}"))
        }
        (Some(_), Some(_)) => None,
    }
}

/// A member that was observed as an instance, with the type that all members have.
fn observed_member<'a>(case: &Case<'a>, group: &Group) -> Result<(&'a Resource, String), String> {
    let mut types = group.members.iter().map(|member| &member.instance_type);
    let first = types.next().ok_or("it has no members now")?;
    if types.any(|other| other != first) {
        return Err("its members are of several types".to_owned());
    }
    let mut observed = group.members.iter().filter_map(|member| {
        let resource = super::member(case, &member.instance_id)?;
        resource.instance().filter(|one| one.instance_type == *first)?;
        Some(resource)
    });
    let resource = observed.next().ok_or("none of its members was observed as an instance")?;
    Ok((resource, first.clone()))
}

/// What sizing one member as an instance recommends, by the load that falls on it.
///
/// A group of a fixed number has the whole load on that number; a scaled one keeps the number that its scaler chose.
fn as_instance(
    case: &Case<'_>,
    member: &Resource,
    usage: &Usage,
    (desired, scaled): (u32, bool),
) -> Result<Recommendation, String> {
    let target = case.settings.group.target_cpu_ratio;
    let percent = |slot: &super::Slot| {
        let size = if scaled { slot.served } else { f64::from(desired.max(1)) };
        (100.0 * slot.needed * target / size) as f32
    };
    let points = usage.slots.iter().map(|slot| (slot.time_s, percent(slot)));
    let cpu = Series::of_points(points, usage.step_s).ok_or("no slot was seen")?;
    let series = BTreeMap::from([(MEMBER_CPU, cpu)]);
    let input = SizingInput { resource: member, series: &series, borrowed: None, ..*case.input };
    // The members have the group's rhythm.
    let case = Case::new(&input, case.settings, case.catalog).with_ahead(case.ahead().clone());
    let instance = member.instance().ok_or("a member is no instance")?;
    instance::resize(&case, instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_numbered_version_of_a_template_is_changed() {
        let template = |version: &str, number, name: Option<&str>| LaunchTemplate {
            id: "lt-1".to_owned(),
            version: version.to_owned(),
            number,
            instance_type: name.map(str::to_owned),
        };
        let cases = [
            (None, Some("no launch template")),
            (Some(template("$Latest", Some(3), Some("m5.large"))), Some("$Latest")),
            (Some(template("$Default", Some(3), Some("m5.large"))), Some("$Default")),
            (Some(template("3", None, None)), Some("could not be read")),
            (Some(template("3", Some(3), None)), Some("names no")),
            (Some(template("3", Some(3), Some("c5.large"))), Some("launches c5.large")),
            (Some(template("3", Some(3), Some("m5.large"))), None),
        ];
        for (template, expect) in cases {
            let reason = reason_fixed(template.as_ref(), "m5.large");
            assert_eq!(reason.is_some(), expect.is_some(), "{template:?}: {reason:?}");
            let told = reason.unwrap_or_default();
            assert!(told.contains(expect.unwrap_or("")), "{told}");
        }
    }
}
