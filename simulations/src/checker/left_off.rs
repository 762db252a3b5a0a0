//! No machine that the agent stopped is off without an open change, unless it was meant to stay off.

use std::collections::BTreeMap;

use trimtab_models::{recommendation::Action, resource::InstanceState};
use trimtab_policies::operations::Operation;

use super::{Done, Invariant, View};

#[derive(Debug, Default)]
pub(super) struct LeftOff {
    /// Instances by ARN that the agent stopped and did not start since, with their ids and the change that did it.
    off: BTreeMap<String, (String, Option<String>)>,
}

impl Invariant for LeftOff {
    fn name(&self) -> &'static str {
        "left-off"
    }

    fn write(&mut self, done: &Done, _: View<'_>) -> Vec<String> {
        let arn = &done.write.arn;
        if let Operation::StopInstance { instance_id } = &done.write.operation {
            let change_id = done.attempt.as_ref().map(|attempt| attempt.change_id.clone());
            self.off.insert(arn.clone(), (instance_id.clone(), change_id));
        }
        Vec::new()
    }

    fn tick(&mut self, view: View<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        for (arn, (id, change_id)) in &self.off {
            let is_off = matches!(
                view.world.true_state(id, view.now),
                Some(InstanceState::Stopped | InstanceState::Stopping)
            );
            let changes = &view.story.changes;
            let is_open = changes.values().any(|told| told.arn.0 == *arn && told.state.is_open());
            let change = change_id.as_ref().and_then(|id| changes.get(id));
            let is_meant = change.is_some_and(|told| told.action == Action::StopIdleInstance);
            // Somebody else may have turned it off since.
            let others = change.is_some_and(|told| {
                super::foreign::touches(view.world, id, view.story.agent)
                    .any(|at| at > told.opened_true)
            });
            if is_off && !is_open && !is_meant && !others {
                let change_id = change_id.as_deref().unwrap_or("the change that did it");
                texts.push(format!("{arn} is off although {change_id} is no longer open"));
            }
        }
        texts
    }
}
