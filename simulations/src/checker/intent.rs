//! No change without a durable intent before it: the opened change, and the attempt of each call.

use trimtab_policies::record::{Entry, Record};

use super::{Done, Invariant, View};

#[derive(Debug)]
pub(super) struct Intent;

impl Invariant for Intent {
    fn name(&self) -> &'static str {
        "intent"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Entry::Change { change_id, .. } = &record.entry else { return Vec::new() };
        let is_known = view.story.changes.contains_key(change_id);
        (!is_known)
            .then(|| format!("{change_id} moved although no record opened it"))
            .into_iter()
            .collect()
    }

    fn write(&mut self, done: &Done, _: View<'_>) -> Vec<String> {
        let write = &done.write;
        done.attempt
            .is_none()
            .then(|| {
                format!(
                    "{} on {} at {} has no journalled attempt before it",
                    write.operation.iam_action(),
                    write.arn,
                    write.at
                )
            })
            .into_iter()
            .collect()
    }
}
