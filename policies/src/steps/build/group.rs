//! The steps of what is done to a group beside its bounds.
//!
//! Not here: its bounds (`super`), and how its steps sort what they see (`sight`).

use trimtab_models::{
    recommendation::Recommendation,
    resource::Resource,
    spec::{ScheduledMin, Spec},
};

use super::{ATTRIBUTE_BUDGET_S, Step, StepKind, step};
use crate::steps::Rollout;

/// Auto Scaling fails a refresh that stalls for an hour by itself; one that goes on for two days is a person's.
pub(crate) const REFRESH_BUDGET_S: u32 = 48 * 3600;
/// The canary and each wave run this long before the next: long enough for a start, a warm-up and a few points of the
/// alarms, at five minutes each.
const CHECKPOINT_DELAY_S: u32 = 1_800;
/// The last wave is watched as long as the others.
const BAKE_S: u32 = 1_800;
/// The share of the members after which the rest follows, percent.
const WAVE_PERCENT: u32 = 50;

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

/// A version of the launch template with another type, then a refresh to it: one member first, then half, then the rest.
pub(super) fn members(recommendation: &Recommendation, resource: &Resource) -> Vec<Step> {
    let (Spec::Members { member_type: from }, Spec::Members { member_type: to }, Some(group)) =
        (&recommendation.expected, &recommendation.desired, resource.group())
    else {
        return Vec::new();
    };
    let numbered = group.launch_template.as_ref().and_then(|one| Some((&one.id, one.number?)));
    let Some((template_id, version)) = numbered.filter(|_| from != to) else {
        return Vec::new();
    };
    let create = StepKind::CreateTemplateVersion {
        template_id: template_id.clone(),
        source_version: version,
        instance_type: to.clone(),
    };
    let refresh = StepKind::RefreshInstances {
        group_name: recommendation.resource_id.clone(),
        template_id: template_id.clone(),
        from_version: version,
        to_version: None,
        rollout: Rollout {
            checkpoints_percent: checkpoints(group.desired_capacity),
            checkpoint_delay_s: CHECKPOINT_DELAY_S,
            bake_s: BAKE_S,
            alarms: Vec::new(),
        },
    };
    let kept = "nothing: a version that no group uses is kept".to_owned();
    let back = format!("roll it back while it runs, afterwards a refresh to version {version}");
    vec![
        step("create-version", create, ATTRIBUTE_BUDGET_S, kept),
        step("refresh", refresh, REFRESH_BUDGET_S, back),
    ]
}

/// One member, then half of them, then all, percent and ascending.
fn checkpoints(members: u32) -> Vec<u32> {
    let canary = 100_u32.div_ceil(members.max(1));
    let mut checkpoints: Vec<u32> = [canary, WAVE_PERCENT, 100].into_iter().collect();
    checkpoints.retain(|percent| *percent >= canary);
    checkpoints.dedup();
    checkpoints
}

/// The steps with the alarms at which Auto Scaling rolls a refresh back, or a canary is taken back.
#[must_use]
pub fn watched_by(mut steps: Vec<Step>, alarms: &[String]) -> Vec<Step> {
    for step in &mut steps {
        if let StepKind::RefreshInstances { rollout, .. } = &mut step.kind {
            rollout.alarms = alarms.to_vec();
        }
        if let StepKind::AwaitCanary { bake, .. } = &mut step.kind {
            bake.alarms = alarms.to_vec();
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_member_goes_first() {
        for (members, expect) in [
            (0, vec![100]),
            (1, vec![100]),
            (2, vec![50, 100]),
            (3, vec![34, 50, 100]),
            (10, vec![10, 50, 100]),
            (250, vec![1, 50, 100]),
        ] {
            assert_eq!(checkpoints(members), expect, "{members} members");
        }
    }
}
