//! Builds the steps of a recommendation, forward only; undoing reverses what was done (`change::undo`).

mod function;
mod group;

pub(crate) use function::{CANARY_BUDGET_S, CANARY_PERCENT, CANARY_RUNS_MIN};
pub use group::watched_by;

use trimtab_models::{
    recommendation::{Action, Recommendation},
    resource::{Registration, Resource, scaled_by_others},
    spec::{Gone, PowerState, Spec},
};

use super::{Bounds, Step, StepKind};

/// EC2's own waiters for stop and start give up after 15 s x 40.
pub(crate) const POWER_BUDGET_S: u32 = 600;
/// One attribute call, with room for the 90 s in which describes may lag, three times over.
pub(crate) const ATTRIBUTE_BUDGET_S: u32 = 300;
/// Status checks begin anew at a start and take minutes; EC2's waiter gives up after 600 s.
pub(crate) const STATUS_BUDGET_S: u32 = 900;
/// A modification can take more than a day for a large volume (EBS user guide).
const VOLUME_BUDGET_S: u32 = 48 * 3600;
/// A first snapshot of a large volume takes hours.
const SNAPSHOT_BUDGET_S: u32 = 24 * 3600;
/// The longest deregistration delay that a target group can have (Elastic Load Balancing API, target group attributes).
const DRAIN_MAX_S: u32 = 3600;
/// Beside the delay itself: calls, and a load balancer that notices late.
const DRAIN_SPARE_S: u32 = 300;
/// Ten health checks of 30 s, the defaults' slowest, and as long again for the application to warm up.
const REGISTER_BUDGET_S: u32 = 600;
/// Deleting or creating a volume.
pub(crate) const VOLUME_EXISTENCE_BUDGET_S: u32 = 600;

/// The steps that carry out `recommendation` on `resource`; empty when its specs do not fit its action.
#[must_use]
pub fn steps(recommendation: &Recommendation, resource: &Resource) -> Vec<Step> {
    match recommendation.action {
        Action::ResizeInstance => resize(recommendation, resource),
        Action::StopIdleInstance => stop(recommendation),
        Action::MigrateVolumeType | Action::TuneVolume => modify(recommendation),
        Action::DeleteUnattachedVolume => delete(recommendation),
        Action::TuneFunctionMemory => function::memory(recommendation, resource),
        Action::TuneGroupCapacity => bounds(recommendation, resource),
        Action::ScheduleGroup => group::schedule(recommendation, resource),
        Action::ResizeGroupInstances => group::members(recommendation, resource),
    }
}

/// Why a recommendation has no steps: its specs do not fit its action.
#[must_use]
pub fn reason_not_buildable(
    recommendation: &Recommendation,
    resource: &Resource,
) -> Option<String> {
    steps(recommendation, resource).is_empty().then(|| {
        format!(
            "`{}` cannot take {} from {:?} to {:?}",
            recommendation.action,
            recommendation.resource.arn,
            recommendation.expected,
            recommendation.desired
        )
    })
}

fn step(name: &str, kind: StepKind, budget_s: u32, undo: String) -> Step {
    Step { name: name.to_owned(), kind, budget_s, undo }
}

fn stop_step(instance_id: &str, instance_type: &str) -> Step {
    step(
        "stop",
        StepKind::StopInstance {
            instance_id: instance_id.to_owned(),
            instance_type: instance_type.to_owned(),
        },
        POWER_BUDGET_S,
        "start the instance".to_owned(),
    )
}

/// Marks an instance of `instance_type`; `was` is the type from before the change.
pub(crate) fn mark_step(instance_id: &str, instance_type: &str, was: &str) -> Step {
    let kind = StepKind::MarkInstance {
        instance_id: instance_id.to_owned(),
        instance_type: instance_type.to_owned(),
        was: was.to_owned(),
    };
    step("mark", kind, ATTRIBUTE_BUDGET_S, "remove the mark, once the change has ended".to_owned())
}

/// Removes the mark after the outcome.
pub(crate) fn unmark_step(instance_id: String, was: String) -> Step {
    let kind = StepKind::UnmarkInstance { instance_id, was };
    step("unmark", kind, ATTRIBUTE_BUDGET_S, "nothing: the change has ended".to_owned())
}

fn resize(recommendation: &Recommendation, resource: &Resource) -> Vec<Step> {
    let (
        Spec::Instance { instance_type: from, state: PowerState::Running },
        Spec::Instance { instance_type: to, state: PowerState::Running },
    ) = (&recommendation.expected, &recommendation.desired)
    else {
        return Vec::new();
    };
    if from == to {
        return Vec::new();
    }
    let instance_id = recommendation.resource_id.clone();
    let mut ladder = vec![to.clone()];
    for alternate in &recommendation.alternates {
        if alternate != from && !ladder.contains(alternate) {
            ladder.push(alternate.clone());
        }
    }
    ladder.push(from.clone());
    let registrations = resource.instance().and_then(|it| it.registrations.as_deref());
    behind_balancers(resize_steps(&instance_id, &ladder), &instance_id, registrations)
}

/// The same steps for a machine behind load balancers: it leaves its target groups before the stop, and comes back once it
/// is well.
fn behind_balancers(
    mut steps: Vec<Step>,
    instance_id: &str,
    registrations: Option<&[Registration]>,
) -> Vec<Step> {
    let registrations = registrations.unwrap_or_default();
    let before = steps.iter().position(|step| step.kind.is_stop()).unwrap_or(0);
    for (index, registration) in registrations.iter().enumerate() {
        let number = index + 1;
        let deregister = deregister_step(instance_id, &format!("register-{number}"), registration);
        let register = register_step(instance_id, &deregister.name, registration);
        steps.insert(before + index, deregister);
        steps.push(register);
    }
    steps
}

/// Takes an instance out of a target group; the step that puts it there is called `opposite`.
pub(crate) fn deregister_step(
    instance_id: &str,
    opposite: &str,
    registration: &Registration,
) -> Step {
    let kind = StepKind::DeregisterTarget {
        instance_id: instance_id.to_owned(),
        registration: registration.clone(),
    };
    let budget_s = registration.drain_s.min(DRAIN_MAX_S) + DRAIN_SPARE_S;
    step(&format!("de{opposite}"), kind, budget_s, "register it again".to_owned())
}

/// Puts an instance back into a target group; the step that takes it out is called `opposite`.
pub(crate) fn register_step(
    instance_id: &str,
    opposite: &str,
    registration: &Registration,
) -> Step {
    let kind = StepKind::RegisterTarget {
        instance_id: instance_id.to_owned(),
        registration: registration.clone(),
    };
    let name = opposite.strip_prefix("de").unwrap_or(opposite);
    step(name, kind, REGISTER_BUDGET_S, "take it out again".to_owned())
}

/// The steps that take an instance from the last type of `ladder` to its first, or as far down as there is capacity.
pub(crate) fn resize_steps(instance_id: &str, ladder: &[String]) -> Vec<Step> {
    let Some(from) = ladder.last() else {
        return Vec::new();
    };
    let (instance_id, ladder) = (instance_id.to_owned(), ladder.to_vec());
    vec![
        mark_step(&instance_id, from, from),
        stop_step(&instance_id, from),
        step(
            "set-type",
            StepKind::SetInstanceType {
                instance_id: instance_id.clone(),
                from: from.clone(),
                ladder: ladder.clone(),
            },
            ATTRIBUTE_BUDGET_S,
            format!("set the type back to {from}"),
        ),
        step(
            "start",
            StepKind::StartInstance { instance_id: instance_id.clone(), ladder },
            POWER_BUDGET_S,
            "stop the instance, so that its type can be set back".to_owned(),
        ),
        step(
            "status-checks",
            StepKind::AwaitStatusChecks { instance_id },
            STATUS_BUDGET_S,
            "nothing: it only waits".to_owned(),
        ),
    ]
}

fn stop(recommendation: &Recommendation) -> Vec<Step> {
    match (&recommendation.expected, &recommendation.desired) {
        (
            Spec::Instance { instance_type, state: PowerState::Running },
            Spec::Instance { instance_type: same, state: PowerState::Stopped },
        ) if instance_type == same => vec![stop_step(&recommendation.resource_id, instance_type)],
        _ => Vec::new(),
    }
}

fn modify(recommendation: &Recommendation) -> Vec<Step> {
    match (&recommendation.expected, &recommendation.desired) {
        (Spec::Volume(from), Spec::Volume(to)) if from.size_gib == to.size_gib && from != to => {
            vec![step(
                "modify-volume",
                StepKind::ModifyVolume {
                    volume_id: recommendation.resource_id.clone(),
                    from: from.clone(),
                    to: to.clone(),
                },
                VOLUME_BUDGET_S,
                format!("modify it back to {} once this is completed", from.volume_type),
            )]
        }
        _ => Vec::new(),
    }
}

fn delete(recommendation: &Recommendation) -> Vec<Step> {
    match (&recommendation.expected, &recommendation.desired) {
        (Spec::Volume(_), Spec::Gone { state: Gone::Deleted }) => vec![
            step(
                "snapshot",
                StepKind::CreateSnapshot { volume_id: recommendation.resource_id.clone() },
                SNAPSHOT_BUDGET_S,
                "nothing: the snapshot is kept".to_owned(),
            ),
            step(
                "delete-volume",
                StepKind::DeleteVolume { volume_id: recommendation.resource_id.clone() },
                VOLUME_EXISTENCE_BUDGET_S,
                "make the volume again from the snapshot, under a new id".to_owned(),
            ),
        ],
        _ => Vec::new(),
    }
}

fn bounds(recommendation: &Recommendation, resource: &Resource) -> Vec<Step> {
    let Some(group) = resource.group() else {
        return Vec::new();
    };
    let ours = !scaled_by_others(resource, group);
    let of = |spec: &Spec| match spec {
        Spec::Group { min_size, max_size, desired_capacity } => Some(Bounds {
            min_size: *min_size,
            max_size: *max_size,
            desired_capacity: ours.then_some(*desired_capacity),
        }),
        Spec::Instance { .. }
        | Spec::Volume(_)
        | Spec::Function { .. }
        | Spec::Gone { .. }
        | Spec::Schedule { .. }
        | Spec::Members { .. } => None,
    };
    match (of(&recommendation.expected), of(&recommendation.desired)) {
        (Some(from), Some(to)) if from != to => vec![step(
            "set-bounds",
            StepKind::SetGroupBounds { group_name: recommendation.resource_id.clone(), from, to },
            ATTRIBUTE_BUDGET_S,
            format!("set the bounds back to {}–{}", from.min_size, from.max_size),
        )],
        _ => Vec::new(),
    }
}
