//! No alias shares its calls with a version that the agent brought in, once the change that did it is no longer open.
//!
//! A change that is stuck has called a person, who finds the share in its words.

use std::collections::BTreeMap;

use trimtab_policies::{change::State, operations::Operation};

use super::{Done, Invariant, View};

#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Functions whose alias the agent moved, by id, with the change that did it last.
    moved: BTreeMap<String, String>,
}

impl Invariant for Shared {
    fn name(&self) -> &'static str {
        "shared"
    }

    fn write(&mut self, done: &Done, _: View<'_>) -> Vec<String> {
        if let (Operation::SetAlias { function_name, .. }, Some(attempt)) =
            (&done.write.operation, &done.attempt)
        {
            self.moved.insert(function_name.clone(), attempt.change_id.clone());
        }
        Vec::new()
    }

    fn tick(&mut self, view: View<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        for (id, change_id) in &self.moved {
            let Some(told) = view.story.changes.get(change_id) else { continue };
            let aliases = view.world.true_function(id, view.now).map(|function| function.aliases);
            let is_shared = aliases.iter().flatten().any(|alias| !alias.weights.is_empty());
            let others = super::foreign::touches(view.world, id, view.story.agent)
                .any(|at| at > told.opened_true);
            let is_meant = told.state.is_open() || told.state == State::Stuck;
            if is_shared && !is_meant && !others {
                texts.push(format!(
                    "{} shares its calls although {change_id} is {}",
                    told.arn, told.state
                ));
            }
        }
        texts
    }
}
