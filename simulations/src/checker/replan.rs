//! Planning again on an applied plan is empty: what is being changed, or is as it should be, is not applied again.

use trimtab_policies::plan::{Disposition, PlanEntry};

use super::{Invariant, View};

#[derive(Debug)]
pub(super) struct Replan;

impl Invariant for Replan {
    fn name(&self) -> &'static str {
        "replan"
    }

    fn plan(&mut self, entries: &[PlanEntry], view: View<'_>) -> Vec<String> {
        let applied = entries.iter().filter(|entry| entry.decision == Disposition::Apply);
        applied
            .filter_map(|entry| {
                let recommendation = &entry.recommendation;
                let arn = &recommendation.resource.arn;
                let open = view.story.changes.iter().find(|(_, told)| {
                    told.in_flight() && told.arn == *arn && told.action == recommendation.action
                });
                let again = open.map(|(id, _)| format!("{arn} is planned again beside {id}"));
                let nothing = recommendation.expected == recommendation.desired;
                again.or_else(|| nothing.then(|| format!("{arn} is to become what it is")))
            })
            .collect()
    }
}
