//! Nothing begins on a resource that opted out.

use trimtab_policies::record::Record;

use super::{Invariant, View, opened};

#[derive(Debug)]
pub(super) struct OptOut;

impl Invariant for OptOut {
    fn name(&self) -> &'static str {
        "opt-out"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Some(change) = opened(record) else { return Vec::new() };
        let arn = &change.recommendation.resource.arn;
        let tags = view.world.tags_of(&arn.0);
        tags.is_some_and(|tags| tags.contains_key("trimtab:exclude"))
            .then(|| format!("{} began on {arn}, which opted out", change.id))
            .into_iter()
            .collect()
    }
}
