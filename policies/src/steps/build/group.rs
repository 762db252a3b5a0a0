//! The steps of what is done to a group beside its bounds.
//!
//! Not here: its bounds (`super`), and how its steps sort what they see (`sight`).

use trimtab_models::{
    recommendation::Recommendation,
    resource::Resource,
    spec::{ScheduledMin, Spec},
};

use super::{ATTRIBUTE_BUDGET_S, Step, StepKind, step};

/// One step for each scheduled action, in the order of the recommendation: what brings the floor back stands before what
/// raises it, so that a floor which was raised is always brought back.
pub(super) fn schedule(recommendation: &Recommendation, resource: &Resource) -> Vec<Step> {
    let (Spec::Schedule { scheduled: old }, Spec::Schedule { scheduled }, Some(group)) =
        (&recommendation.expected, &recommendation.desired, resource.group())
    else {
        return Vec::new();
    };
    if !old.is_empty() {
        return Vec::new();
    }
    // The least floor of the schedule is the group's own, whatever the hour at which the group was read.
    let own_min = scheduled.iter().map(|one| one.min_size).min().unwrap_or(group.min_size);
    let put = |scheduled: &ScheduledMin| {
        let kind = StepKind::PutSchedule {
            group_name: recommendation.resource_id.clone(),
            own_min,
            scheduled: scheduled.clone(),
        };
        let undo = format!("delete it, and bring the lower bound back to {own_min}");
        step(&format!("put-{}", scheduled.name), kind, ATTRIBUTE_BUDGET_S, undo)
    };
    scheduled.iter().map(put).collect()
}
