//! Nothing is made smaller whose metrics are missing, zero, flat or old.

use trimtab_models::{recommendation::Action, resource::Kind};
use trimtab_policies::{change::Change, mode::Mode, record::Record};

use super::{Invariant, View, opened};
use crate::fault::Distortion;

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
        let distorted = view.bounds.blind.get(id).is_some_and(|how| counts(*how, change));
        let is_blind = view.world.is_silent(id) || distorted;
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

/// Whether a change must not begin on metrics that are wrong in this way.
///
/// A constant and a hole may be true: a person who approved them has seen them. A function that is not called for days
/// leaves the same hole.
fn counts(how: Distortion, change: &Change) -> bool {
    let by_itself = change.mode == Mode::Autopilot;
    match how {
        Distortion::Missing
        | Distortion::Zero
        | Distortion::Late
        | Distortion::NotANumber
        | Distortion::Failed => true,
        Distortion::Flat => by_itself,
        Distortion::Gap => by_itself && change.recommendation.resource.kind != Kind::Function,
    }
}
