//! Nothing begins that a person has said is to be left alone, until the end that was named.

use trimtab_policies::{
    change::Change,
    exception::{About, Exception},
    record::Record,
};

use super::{Invariant, View, opened};

#[derive(Debug)]
pub(super) struct Excepted;

impl Invariant for Excepted {
    fn name(&self) -> &'static str {
        "exception"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Some(change) = opened(record) else { return Vec::new() };
        let holds = |one: &&Exception| one.ended.is_none() && record.at < one.until;
        let about =
            view.story.exceptions.values().filter(holds).filter(|one| is_about(one, change));
        let text =
            |one: &Exception| format!("{} began in spite of exception {}", change.id, one.id);
        about.map(text).collect()
    }
}

/// Whether an exception is about a change, by the change's own words.
fn is_about(exception: &Exception, change: &Change) -> bool {
    let recommendation = &change.recommendation;
    let (of, done) = (&recommendation.resource, recommendation.action);
    match &exception.about {
        About::Proposal { digest } => *digest == change.digest,
        About::Desired { arn, action, desired } => {
            (arn, *action, desired) == (&of.arn, done, &recommendation.desired)
        }
        About::Resource { arn, action } => *arn == of.arn && action.is_none_or(|it| it == done),
        About::Tag { key, value, action } => {
            of.tags.get(key) == Some(value) && action.is_none_or(|it| it == done)
        }
    }
}
