//! A change of an agent that is lost, made again from the mark that it left: it begins on its way back.
//!
//! Nothing is known of it but the mark and the machine, so the only safe end is the type from before, running. Which load
//! balancers the lost agent took it out of is not known: the person is told to look. Not here: finding the machine, and
//! whether a person may adopt (`trimtab`).

use jiff::Timestamp;
use trimtab_models::{
    recommendation::{Action, Evidence, Recommendation, SavingBasis},
    resource::{Instance, InstanceState, Resource},
    spec::{PowerState, Spec},
};

use super::{Access, Change, Opening, Progress, State, StepState, undo_steps};
use crate::{
    digest::{digest, id},
    mark::Mark,
    mode::Mode,
    record::Event,
    steps::resize_steps,
};

/// What adopting needs beside the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Adoption {
    /// The group of the machine, for budgets.
    pub group: String,
    /// How its account is reached.
    pub access: Access,
    /// The customer's keys that encrypt its volumes.
    pub keys: Vec<String>,
    /// Who asked for it.
    pub by: String,
}

/// The change that `mark` tells of, rebuilt from how `resource` is now, and already being taken back.
///
/// It keeps its own id and the lost agent's, by which its mark is found again and removed at the end.
///
/// # Errors
/// When the resource is no instance, or one that is being terminated: nothing can be brought back then.
pub fn adopted(
    mark: &Mark,
    resource: &Resource,
    adoption: Adoption,
    now: Timestamp,
) -> Result<Change, String> {
    let Some(instance) = resource.instance() else {
        return Err(format!("`{}` is no instance", resource.id));
    };
    if matches!(instance.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        return Err(format!("`{}` is being terminated: nothing can be brought back", resource.id));
    }
    let recommendation = recommendation(mark, resource, instance, now);
    let steps = resize_steps(&resource.id, &ladder(mark, instance));
    let digest = digest(&recommendation, &steps);
    let opening = Opening {
        recommendation_id: id(&digest),
        digest,
        group: adoption.group,
        zone: resource.zone.clone(),
        mode: Mode::Copilot,
        approver: Some(adoption.by.clone()),
        access: adoption.access,
        keys: adoption.keys,
        agent_id: mark.agent_id.clone(),
        auto_undo: false,
        steps,
    };
    let mut change = Change::open(opening, recommendation, now);
    change.id.clone_from(&mark.change_id);
    for progress in &mut change.steps {
        infer(progress, &mark.was, instance, now);
    }
    let reason = format!(
        "adopted by {}: the agent `{}` is lost; look whether its load balancers still have the machine",
        adoption.by, mark.agent_id
    );
    let steps = undo_steps(&change);
    change.apply(now, &Event::UndoBegun { reason, steps });
    debug_assert_eq!(change.state, State::Undoing);
    Ok(change)
}

/// The type to leave, then the one to return to; the same type twice where the lost agent never changed it.
fn ladder(mark: &Mark, instance: &Instance) -> Vec<String> {
    vec![instance.instance_type.clone(), mark.was.clone()]
}

/// Puts a step where the lost agent must have brought it, for the machine to be as it is.
///
/// That it stopped the machine is assumed even where it runs: then its start is owed, and found to be there already.
fn infer(progress: &mut Progress, was: &str, instance: &Instance, now: Timestamp) {
    let kind = &progress.step.kind;
    let is_another = instance.instance_type != was;
    let is_up = matches!(instance.state, InstanceState::Running | InstanceState::Pending);
    let was_taken = kind.is_mark()
        || kind.is_stop()
        || (kind.as_set_type().is_some() && is_another)
        || (kind.as_start().is_some() && is_another && is_up);
    if was_taken {
        progress.state = StepState::Done;
        (progress.begun_at, progress.at, progress.attempted_at) = (Some(now), Some(now), Some(now));
        progress.attempts = 1;
    }
}

fn recommendation(
    mark: &Mark,
    resource: &Resource,
    instance: &Instance,
    now: Timestamp,
) -> Recommendation {
    let spec = |instance_type: &str| Spec::Instance {
        instance_type: instance_type.to_owned(),
        state: PowerState::Running,
    };
    Recommendation {
        resource: resource.reference.clone(),
        resource_id: resource.id.clone(),
        action: Action::ResizeInstance,
        expected: spec(&mark.was),
        desired: spec(&instance.instance_type),
        alternates: Vec::new(),
        reason: format!("the agent `{}` began it and is lost", mark.agent_id),
        evidence: Evidence {
            notes: vec!["nothing is known of it but the mark".to_owned()],
            ..Evidence::nothing(now, now)
        },
        risk: None,
        saving: None,
        cost_today: None,
        price_basis: None,
        saving_basis: SavingBasis::List,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{instance, instance_mut, now};

    fn mark() -> Mark {
        let [agent_id, change_id, was] = ["b2", "chg-9", "m5.xlarge"].map(str::to_owned);
        Mark { agent_id, change_id, was }
    }

    fn adopt(instance_type: &str, state: InstanceState) -> Result<Change, String> {
        let mut resource = instance("i-1");
        let machine = instance_mut(&mut resource);
        instance_type.clone_into(&mut machine.instance_type);
        machine.state = state;
        let adoption = Adoption {
            group: "g".to_owned(),
            access: Access::default(),
            keys: Vec::new(),
            by: "ada".to_owned(),
        };
        adopted(&mark(), &resource, adoption, now())
    }

    fn names(steps: &[Progress]) -> Vec<&str> {
        steps.iter().map(|progress| progress.step.name.as_str()).collect()
    }

    #[test]
    fn the_way_back_begins_where_the_machine_is() {
        use InstanceState::{Pending, Running, Stopped, Stopping};
        let (off, on) = (["set-type", "start", "status-checks"], ["start", "status-checks"]);
        let all = ["mark", "stop", "set-type", "start", "status-checks"];
        for (instance_type, state, expect) in [
            ("m5.xlarge", Running, &on[..]),
            ("m5.xlarge", Pending, &on[..]),
            ("m5.xlarge", Stopping, &on[..]),
            ("m5.xlarge", Stopped, &on[..]),
            ("m5.large", Stopping, &off[..]),
            ("m5.large", Stopped, &off[..]),
            ("m5.large", Running, &all[..]),
            ("m5.large", Pending, &all[..]),
        ] {
            let change = adopt(instance_type, state).expect("a machine that is there");
            assert_eq!(names(&change.undo_steps), expect, "{instance_type} {state:?}");
            assert_eq!((change.state, change.id.as_str()), (State::Undoing, "chg-9"));
            assert_eq!(change.agent_id.as_deref(), Some("b2"), "its mark is the lost agent's");
            let off = matches!(state, Stopped | Stopping);
            assert!(!off || change.owes_a_start(), "{instance_type} {state:?}");
            let (_, ladder) = change
                .undo_steps
                .iter()
                .find_map(|progress| progress.step.kind.as_start())
                .expect("it is started");
            assert_eq!(ladder[0], "m5.xlarge");
        }
    }

    #[test]
    fn what_is_being_terminated_or_no_machine_is_not_adopted() {
        for state in [InstanceState::ShuttingDown, InstanceState::Terminated] {
            adopt("m5.large", state).expect_err("nothing can be brought back");
        }
        let adoption = Adoption {
            group: "g".to_owned(),
            access: Access::default(),
            keys: Vec::new(),
            by: "ada".to_owned(),
        };
        let function = crate::fixtures::function("f");
        adopted(&mark(), &function, adoption, now()).expect_err("it is no instance");
    }
}
