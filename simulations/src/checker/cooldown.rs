//! A resource is left alone while a change to it is open, and for some days after (volumes excepted).

use jiff::SignedDuration;
use trimtab_models::resource::Kind;
use trimtab_policies::{change::State, record::Record};

use super::{Invariant, View, opened};

#[derive(Debug)]
pub(super) struct Cooldown;

impl Invariant for Cooldown {
    fn name(&self) -> &'static str {
        "cooldown"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Some(change) = opened(record) else { return Vec::new() };
        let reference = &change.recommendation.resource;
        let pause = SignedDuration::from_hours(24 * view.bounds.cooldown_days);
        let too_soon =
            view.story.changes.values().filter(|other| other.arn == reference.arn).any(|other| {
                let since = other.ended_at.map(|ended| record.at.duration_since(ended));
                let recent = since.is_some_and(|since| since < pause);
                let touched = other.state != State::Undone || other.attempts > 0;
                other.state.is_open() || reference.kind != Kind::Volume && recent && touched
            });
        too_soon
            .then(|| {
                format!("{} began on {} too soon after another change", change.id, reference.arn)
            })
            .into_iter()
            .collect()
    }
}
