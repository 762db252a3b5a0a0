//! The type of a group's members: another one where the group as a whole costs less.
//!
//! Advice only: a new version of the launch template and an instance refresh are not among what can be carried out. Not
//! here: how many members there are (`super`), and what a type can be replaced by (`candidates`).

use crate::{
    catalog::{InstanceType, Price},
    resource::{Group, Instance},
    sizing::{
        candidates::{
            Need, carries, compute_ratio, ebs_bytes_s, ebs_iops, is_open, network_bytes_s,
        },
        case::{CHANGE_MIN, Case},
    },
};

/// Members that stay at least where there are as many today: one may fail.
const MEMBERS_MIN: f64 = 2.0;

/// Another type for the members.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MemberType {
    pub(super) name: String,
    /// Members of it that do what `count` of today's do.
    pub(super) count: f64,
    /// Share of the group's cost that it saves.
    pub(super) saved_ratio: f64,
}

/// The cheapest type for `count` members of today's; `None` where none saves a tenth, or what the members are is not known.
///
/// No member gets less of anything: what a member uses of its memory and bandwidths is not seen for a group. With more
/// compute in each fewer do.
pub(super) fn member_type(case: &Case<'_>, group: &Group, count: f64) -> Option<MemberType> {
    let instance = observed_member(case, group)?;
    let today = case.catalog.instance_type(&instance.instance_type)?;
    let price = |one: &InstanceType| -> Option<Price> {
        case.catalog.instance_price(&one.name, case.region(), &instance.platform)
    };
    let cost = |one: &InstanceType, count: f64| Some(price(one)?.per_hour.dollars() * count);
    let cost_today = cost(today, count).filter(|cost| *cost > 0.0)?;
    let need = Need {
        cpu_ratio: 1.0,
        sustained_ratio: 1.0,
        memory_mib: today.memory_mib as f64,
        network_bytes_s: network_bytes_s(today).unwrap_or(0.0),
        ebs_bytes_s: ebs_bytes_s(today).unwrap_or(0.0),
        ebs_iops: ebs_iops(today).unwrap_or(0.0),
    };
    let settings = &case.settings.instance;
    let open = |target: &&InstanceType| {
        carries(&need, today, target) && is_open(instance, today, target, settings)
    };
    let offered = |target: &InstanceType| {
        let exact = count / compute_ratio(today, target);
        let count = exact.ceil().max(MEMBERS_MIN.min(count)).min(count);
        let saved_ratio = 1.0 - cost(target, count)? / cost_today;
        Some(MemberType { name: target.name.clone(), count, saved_ratio })
    };
    let offers = case.catalog.instance_types().filter(open).filter_map(offered);
    let best = offers.max_by(|one, other| {
        one.saved_ratio.total_cmp(&other.saved_ratio).then(other.name.cmp(&one.name))
    });
    best.filter(|best| best.saved_ratio > CHANGE_MIN)
}

/// A member that was observed as an instance; `None` when none was, or the members are of several types.
fn observed_member<'a>(case: &Case<'a>, group: &Group) -> Option<&'a Instance> {
    let (first, others) = group.members.split_first()?;
    let alike = others.iter().all(|member| member.instance_type == first.instance_type);
    let mut observed = group.members.iter().filter_map(|member| {
        let instance = super::member(case, &member.instance_id)?;
        (instance.instance_type == first.instance_type).then_some(instance)
    });
    observed.next().filter(|_| alike)
}
