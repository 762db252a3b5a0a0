//! How the steps of a group sort what they see.
//!
//! Not here: instances, volumes and functions.

use trimtab_models::resource::Resource;

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
