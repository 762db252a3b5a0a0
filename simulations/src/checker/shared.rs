//! No alias shares its calls with a version that the agent brought in, once the change that did it is no longer open.
//!
//! What somebody else made of the alias meanwhile is theirs, but never the share that the agent itself has set. A change that
//! is stuck has called a person, who finds the share in its words.

use std::collections::BTreeMap;

use trimtab_models::resource::Alias;
use trimtab_policies::{
    change::State,
    operations::{Operation, Share},
};

use super::{Done, Invariant, View};

#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Functions whose alias the agent moved, by id, with the change that did it last and the share that it set last.
    moved: BTreeMap<String, (String, Option<Share>)>,
}

impl Invariant for Shared {
    fn name(&self) -> &'static str {
        "shared"
    }

    fn write(&mut self, done: &Done, _: View<'_>) -> Vec<String> {
        if let (Operation::SetAlias { function_name, canary, .. }, Some(attempt)) =
            (&done.write.operation, &done.attempt)
        {
            let by = (attempt.change_id.clone(), canary.clone());
            self.moved.insert(function_name.clone(), by);
        }
        Vec::new()
    }

    fn tick(&mut self, view: View<'_>) -> Vec<String> {
        let mut texts = Vec::new();
        for (id, (change_id, share)) in &self.moved {
            let Some(told) = view.story.changes.get(change_id) else { continue };
            let aliases = view.world.true_function(id, view.now).map(|function| function.aliases);
            let is_shared = aliases.iter().flatten().any(|alias| !alias.weights.is_empty());
            let others = super::foreign::touches(view.world, id, view.story.agent)
                .any(|at| at > told.opened_true);
            let is_meant = told.state.is_open() || told.state == State::Stuck;
            let is_own = |alias: &Alias| share.as_ref().is_some_and(|share| has(alias, share));
            let is_left = aliases.iter().flatten().any(is_own);
            if !is_meant && (is_left || is_shared && !others) {
                texts.push(format!(
                    "{} shares its calls although {change_id} is {}",
                    told.arn, told.state
                ));
            }
        }
        texts
    }
}

/// Whether an alias gives a version exactly this share.
fn has(alias: &Alias, share: &Share) -> bool {
    let ratio = f64::from(share.percent) / 100.0;
    alias.weights.get(&share.version).is_some_and(|live| (live - ratio).abs() < 1e-9)
}
