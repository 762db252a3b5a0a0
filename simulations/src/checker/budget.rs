//! No more changes begin in an hour, are in flight at once, or touch one resource at once than the budgets allow.

use jiff::SignedDuration;
use trimtab_models::recommendation::Action;
use trimtab_policies::record::Record;

use super::{Invariant, View, opened};

#[derive(Debug)]
pub(super) struct Budget;

/// Whether service is away while it is carried out.
fn is_disruptive(action: Action) -> bool {
    !matches!(action, Action::MigrateVolumeType | Action::TuneVolume | Action::ScheduleGroup)
}

impl Invariant for Budget {
    fn name(&self) -> &'static str {
        "budget"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Some(change) = opened(record) else { return Vec::new() };
        let (id, action) = (&change.id, change.recommendation.action);
        let reference = &change.recommendation.resource;
        let hour = SignedDuration::from_hours(1);
        let others = || {
            let changes = view.story.changes.values();
            changes.filter(|other| other.account == reference.account)
        };
        let in_hour = others().filter(|other| {
            other.region == reference.region
                && is_disruptive(other.action) == is_disruptive(action)
                && record.at.duration_since(other.opened_at).abs() < hour
        });
        let most = if is_disruptive(action) {
            view.bounds.disruptive_per_hour
        } else {
            view.bounds.other_per_hour
        };
        let mut texts = Vec::new();
        if in_hour.count() >= most {
            let region = &reference.region;
            texts.push(format!("{id} was one more than {most} changes in an hour in {region}"));
        }
        let in_flight = others().filter(|other| other.in_flight() && is_disruptive(other.action));
        let most = view.bounds.disruptive_in_flight;
        if is_disruptive(action) && in_flight.count() >= most {
            texts.push(format!("{id} was one more than {most} disruptive changes in flight"));
        }
        texts
    }
}
