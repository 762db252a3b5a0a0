//! Nothing is made smaller whose metrics are missing, zero, flat or old.

use trimtab_models::recommendation::Action;
use trimtab_policies::record::Record;

use super::{Invariant, View, opened};

#[derive(Debug)]
pub(super) struct Telemetry;

impl Invariant for Telemetry {
    fn name(&self) -> &'static str {
        "telemetry"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Some(change) = opened(record) else { return Vec::new() };
        let recommendation = &change.recommendation;
        let id = &recommendation.resource_id;
        // A volume that nothing is attached to has no metrics, and a type that keeps every limit rests on none.
        let rests_on_none = recommendation.action == Action::DeleteUnattachedVolume
            || recommendation.evidence.keeps_every_limit;
        let is_blind = view.world.is_silent(id) || view.bounds.blind.contains(id);
        (is_blind && !rests_on_none)
            .then(|| {
                format!(
                    "{} began on {}, which shows no usage",
                    change.id, recommendation.resource.arn
                )
            })
            .into_iter()
            .collect()
    }
}
