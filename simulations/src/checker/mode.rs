//! Nothing begins in datapilot, nothing above the mode that was set, and nothing that no rule selects.

use trimtab_policies::{mode::Mode, record::Record};

use super::{Done, Invariant, View, opened};

#[derive(Debug)]
pub(super) struct Modes;

impl Invariant for Modes {
    fn name(&self) -> &'static str {
        "mode"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Some(change) = opened(record) else { return Vec::new() };
        let mut texts = Vec::new();
        if change.mode == Mode::Datapilot {
            texts.push(format!("{} began in datapilot", change.id));
        }
        let most = view.bounds.modes.get(&change.recommendation.resource.kind);
        if let Some(most) = most.filter(|most| change.mode > **most) {
            texts.push(format!("{} began in {}, but {most} was set", change.id, change.mode));
        }
        texts
    }

    fn write(&mut self, done: &Done, view: View<'_>) -> Vec<String> {
        let kind = view.story.told_of(done).map(|told| told.kind);
        let most = kind.and_then(|kind| view.bounds.modes.get(&kind));
        let call = done.write.operation.iam_action();
        (most == Some(&Mode::Datapilot))
            .then(|| format!("{call} on {} although it is in datapilot", done.write.arn))
            .into_iter()
            .collect()
    }
}
