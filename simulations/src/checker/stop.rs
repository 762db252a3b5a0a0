//! While the stop switch is set no change begins, and five seconds after it was set none makes its first write.

use jiff::SignedDuration;
use trimtab_policies::record::Record;

use super::{Done, Invariant, View, opened, story::is_mark};

/// Within what the switch takes effect.
const EFFECT: SignedDuration = SignedDuration::from_secs(5);

#[derive(Debug)]
pub(super) struct Stop;

impl Invariant for Stop {
    fn name(&self) -> &'static str {
        "stop"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let began = opened(record).filter(|_| view.story.stopped.is_some());
        began
            .map(|change| format!("{} began while the stop switch was set", change.id))
            .into_iter()
            .collect()
    }

    fn write(&mut self, done: &Done, view: View<'_>) -> Vec<String> {
        let (Some(since), Some(told)) = (view.story.stopped, view.story.told_of(done)) else {
            return Vec::new();
        };
        let is_first = told.attempts <= 1 && !told.is_undone && !is_mark(&done.write.operation);
        (is_first && done.write.at.duration_since(since) > EFFECT)
            .then(|| {
                let call = done.write.operation.iam_action();
                format!(
                    "{call} on {} at {} was the first write of its change, and the stop switch is set since {since}",
                    told.arn, done.write.at
                )
            })
            .into_iter()
            .collect()
    }
}
