//! `drift`: the resource still is what the recommendation was computed from.
//!
//! Not here: whether it is well (`health`).

use trimtab_models::{
    resource::{Group, Resource, scaled_by_others},
    spec::Spec,
};

use super::{Reason, Subject, result};
use crate::plan::{CheckName, CheckResult};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let reasons = match subject.resource() {
        Err(missing) => vec![missing],
        Ok(resource) => {
            let arn = &subject.recommendation().resource.arn;
            let other = (resource.reference.arn != *arn)
                .then(|| Reason::fail(format!("{} was read, not {arn}", resource.reference.arn)));
            let reasons = [
                other,
                reason_drifted(&subject.recommendation().expected, resource),
                reason_below_desired(&subject.recommendation().desired, resource),
            ];
            reasons.into_iter().flatten().collect()
        }
    };
    result(CheckName::Drift, reasons, "as expected")
}

fn reason_drifted(expected: &Spec, resource: &Resource) -> Option<Reason> {
    let live = resource.spec_like(expected);
    (!is_same(expected, &live, resource)).then(|| {
        let (expected, live) = (in_words(expected), in_words(&live));
        Reason::fail(format!("expected {expected}, found {live}"))
    })
}

/// A spec as the API shows it.
fn in_words(spec: &Spec) -> String {
    serde_json::to_string(spec).expect("a spec is plain fields, which always have a JSON form")
}

/// Whether two specs of a resource are the same; of a group that others scale, only the bounds are ours to compare.
pub(super) fn is_same(expected: &Spec, live: &Spec, resource: &Resource) -> bool {
    if let (
        Spec::Group { min_size, max_size, .. },
        Spec::Group { min_size: live_min, max_size: live_max, .. },
        Some(group),
    ) = (expected, live, resource.group())
        && scaled_by_others(resource, group)
    {
        return min_size == live_min && max_size == live_max;
    }
    expected == live
}

/// A maximum below the live capacity would end members at once.
fn reason_below_desired(desired: &Spec, resource: &Resource) -> Option<Reason> {
    let group: &Group = resource.group()?;
    let Spec::Group { max_size, desired_capacity, .. } = desired else {
        return None;
    };
    // Without anybody else who scales, the desired capacity is lowered in the same write.
    let lowered_with_it = !scaled_by_others(resource, group) && desired_capacity <= max_size;
    (*max_size < group.desired_capacity && !lowered_with_it).then(|| {
        let live = group.desired_capacity;
        Reason::fail(format!(
            "a maximum of {max_size} is below the live desired capacity of {live}"
        ))
    })
}
