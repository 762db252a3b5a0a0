//! A step of a change has one effect.

use std::collections::BTreeSet;

use trimtab_policies::operations::Operation;

use super::{Done, Invariant, View};

#[derive(Debug, Default)]
pub(super) struct Once {
    /// Steps that had an effect: the change, the step, and whether it was a step back.
    effects: BTreeSet<(String, String, bool)>,
}

impl Invariant for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn write(&mut self, done: &Done, _: View<'_>) -> Vec<String> {
        let Some(attempt) = &done.attempt else { return Vec::new() };
        // Stops, starts and tags are idempotent, the type is set anew on each rung of the ladder, and what has not changed
        // is never published twice.
        let repeatable = matches!(
            attempt.operation,
            Operation::StopInstance { .. }
                | Operation::StartInstance { .. }
                | Operation::SetInstanceType { .. }
                | Operation::TagResource { .. }
                | Operation::UntagResource { .. }
                | Operation::DeregisterTarget { .. }
                | Operation::RegisterTarget { .. }
                | Operation::PublishVersion { .. }
        );
        let effect = (attempt.change_id.clone(), attempt.step.clone(), attempt.back);
        let first = self.effects.insert(effect);
        (!repeatable && !first)
            .then(|| {
                format!(
                    "{} was a second effect of step {} of {}",
                    attempt.operation.iam_action(),
                    attempt.step,
                    attempt.change_id
                )
            })
            .into_iter()
            .collect()
    }
}
