//! How the steps of a group sort what they see.
//!
//! Not here: instances, volumes and functions.

use trimtab_models::{
    resource::{Group, Resource},
    spec::ScheduledMin,
};

use super::Sight;
use crate::steps::Bounds;

pub(super) fn bounds(resource: &Resource, from: &Bounds, to: &Bounds) -> Sight {
    let Some(group) = resource.group() else {
        return Sight::Foreign("it is no group".to_owned());
    };
    let matches = |bounds: &Bounds| {
        group.min_size == bounds.min_size
            && group.max_size == bounds.max_size
            && bounds.desired_capacity.is_none_or(|desired| desired == group.desired_capacity)
    };
    if matches(to) {
        Sight::Done
    } else if !matches(from) {
        Sight::Foreign(format!(
            "its bounds are {}–{} at {}, which this change never set",
            group.min_size, group.max_size, group.desired_capacity
        ))
    } else if to.desired_capacity.is_none() && to.max_size < group.desired_capacity {
        Sight::Failed(format!(
            "its desired capacity {} is above the new maximum {}",
            group.desired_capacity, to.max_size
        ))
    } else {
        Sight::Ready
    }
}

fn with_group(resource: &Resource, sort: impl FnOnce(&Group) -> Sight) -> Sight {
    resource.group().map_or_else(|| Sight::Foreign("it is no group".to_owned()), sort)
}

/// The scheduled action of that name: there as `scheduled` says, there otherwise, or not at all.
fn live_schedule(group: &Group, scheduled: &ScheduledMin) -> Option<bool> {
    let named = |name: &String| *name == scheduled.name;
    let there = group.scheduled_actions.iter().any(named)
        || group.schedule.iter().any(|action| named(&action.name));
    there.then(|| group.own_schedule().contains(scheduled))
}

/// Whether two schedules set the same, in whatever order.
pub(crate) fn same_schedule(left: &[ScheduledMin], right: &[ScheduledMin]) -> bool {
    let in_order = |schedule: &[ScheduledMin]| {
        let mut schedule = schedule.to_vec();
        schedule.sort();
        schedule
    };
    in_order(left) == in_order(right)
}

pub(super) fn put_schedule(resource: &Resource, scheduled: &ScheduledMin, own_min: u32) -> Sight {
    with_group(resource, |group| match live_schedule(group, scheduled) {
        Some(true) => Sight::Done,
        Some(false) => Sight::Foreign(format!("somebody changed `{}`", scheduled.name)),
        None => match group.reason_scheduled_by_others(resource.observed_at) {
            Some(reason) => Sight::Foreign(reason),
            // Once an action of ours is there, the live bound follows it.
            None if group.own_schedule().is_empty() && group.min_size != own_min => {
                Sight::Foreign(format!("its lower bound is {}, not {own_min}", group.min_size))
            }
            None => Sight::Ready,
        },
    })
}

pub(super) fn delete_schedule(resource: &Resource, scheduled: &ScheduledMin) -> Sight {
    with_group(resource, |group| match live_schedule(group, scheduled) {
        None => Sight::Done,
        Some(true) => Sight::Ready,
        Some(false) => Sight::Foreign(format!("somebody changed `{}`", scheduled.name)),
    })
}

pub(super) fn lower_floor(resource: &Resource, own_min: u32, raised: &[u32]) -> Sight {
    with_group(resource, |group| {
        if group.min_size == own_min {
            Sight::Done
        } else if raised.contains(&group.min_size) {
            Sight::Ready
        } else {
            let live = group.min_size;
            Sight::Foreign(format!("its lower bound is {live}, which this change never set"))
        }
    })
}
