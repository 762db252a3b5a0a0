//! No machine is stopped while a load balancer sends it requests, and none stays out of its balancer without an open change.

use std::collections::BTreeMap;

use trimtab_models::recommendation::Action;
use trimtab_policies::operations::Operation;

use super::{Done, Invariant, View, foreign::touches};

#[derive(Debug, Default)]
pub(super) struct Balancer {
    /// What the agent took out and did not put back since: the machine's ARN and the change, by instance and group.
    out: BTreeMap<(String, String), (String, Option<String>)>,
}

impl Invariant for Balancer {
    fn name(&self) -> &'static str {
        "balancer"
    }

    fn write(&mut self, done: &Done, view: View<'_>) -> Vec<String> {
        let (arn, at) = (&done.write.arn, done.write.at);
        let change_id = done.attempt.as_ref().map(|attempt| attempt.change_id.clone());
        if let Operation::DeregisterTarget { instance_id, group_arn, .. } = &done.write.operation {
            let key = (instance_id.clone(), group_arn.clone());
            self.out.insert(key, (arn.clone(), change_id));
        } else if let Operation::StopInstance { instance_id } = &done.write.operation {
            let group = view.world.balancer_of(instance_id, at);
            return group
                .map(|group| {
                    format!("{arn} was stopped at {at} while it was registered with {group}")
                })
                .into_iter()
                .collect();
        }
        Vec::new()
    }

    fn tick(&mut self, view: View<'_>) -> Vec<String> {
        self.out.retain(|(id, group), _| !view.world.is_registered(group, id, view.now));
        let mut texts = Vec::new();
        for ((id, group), (arn, change_id)) in &self.out {
            let changes = &view.story.changes;
            let is_open = changes.values().any(|told| told.arn.0 == *arn && told.state.is_open());
            let change = change_id.as_ref().and_then(|id| changes.get(id));
            // A machine that is meant to stay off serves nobody.
            let is_meant = change.is_some_and(|told| told.action == Action::StopIdleInstance);
            let others = change.is_some_and(|told| {
                touches(view.world, id, view.story.agent).any(|at| at > told.opened_true)
            });
            let exists = view.world.true_state(id, view.now).is_some();
            if exists && !is_open && !is_meant && !others {
                let change_id = change_id.as_deref().unwrap_or("the change that did it");
                texts.push(format!(
                    "{arn} is out of {group} although {change_id} is no longer open"
                ));
            }
        }
        texts
    }
}
