//! What describes answered before, so that they can answer it again.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use trimtab_models::resource::Resource;
use trimtab_policies::operations::{Failure, Receipt};

/// No answer is repeated after this long: AWS's reads catch up within a minute or so.
const OLDEST: SignedDuration = SignedDuration::from_secs(90);

/// Answers by the resource's id.
#[derive(Debug, Default)]
pub(super) struct Memory {
    answers: BTreeMap<String, Vec<(Timestamp, Resource)>>,
    hidden: BTreeMap<String, (Timestamp, Resource)>,
    /// What the last write was answered.
    pub(super) last_answer: Option<Result<Receipt, Failure>>,
}

impl Memory {
    /// Keeps an answer.
    pub(super) fn note(&mut self, id: &str, now: Timestamp, fresh: &Result<Resource, Failure>) {
        let Ok(fresh) = fresh else { return };
        let answers = self.answers.entry(id.to_owned()).or_default();
        answers.retain(|(at, _)| now.duration_since(*at) <= OLDEST);
        answers.push((now, fresh.clone()));
    }

    /// The oldest answer that is no older than `seconds`.
    pub(super) fn older(
        &self,
        id: &str,
        now: Timestamp,
        seconds: i64,
    ) -> Option<Result<Resource, Failure>> {
        let oldest = SignedDuration::from_secs(seconds).min(OLDEST);
        let mut answers = self.answers.get(id)?.iter();
        let (_, answer) = answers.find(|(at, _)| now.duration_since(*at) <= oldest)?;
        Some(Ok(answer.clone()))
    }

    /// Hides what is written now: describes answer the newest answer from before for so long.
    pub(super) fn hide(&mut self, id: &str, now: Timestamp, seconds: i64) {
        let newest = self.answers.get(id).and_then(|answers| answers.last());
        let Some((_, before)) = newest else { return };
        let until = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
        self.hidden.insert(id.to_owned(), (until, before.clone()));
    }

    /// The answer that hides the newest write, while it does.
    pub(super) fn hidden(&self, id: &str, now: Timestamp) -> Option<Result<Resource, Failure>> {
        let (until, before) = self.hidden.get(id)?;
        (now < *until).then(|| Ok(before.clone()))
    }
}
