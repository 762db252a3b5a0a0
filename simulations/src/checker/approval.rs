//! Nothing begins in copilot without an approval of its digest by somebody who may, that is in force and was not used before.

use jiff::SignedDuration;
use trimtab_policies::{mode::Mode, record::Record};

use super::{Invariant, View, opened, story::Yes};

#[derive(Debug)]
pub(super) struct Approval;

impl Invariant for Approval {
    fn name(&self) -> &'static str {
        "approval"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Some(change) = opened(record).filter(|change| change.mode == Mode::Copilot) else {
            return Vec::new();
        };
        let id = &change.id;
        let given = view.story.approvals.get(&change.digest).into_iter().flatten();
        let given: Vec<&Yes> = given.filter(|yes| view.bounds.may_approve(&yes.by)).collect();
        if given.is_empty() {
            return vec![format!("{id} began in copilot without an approval of its digest")];
        }
        let days = SignedDuration::try_from_secs_f64(view.bounds.approval_days * 86_400.0).ok();
        let is_old = |yes: &&Yes| {
            days.is_some_and(|days| record.at.duration_since(yes.at) >= days)
                || yes.until.is_some_and(|until| record.at >= until)
        };
        given
            .iter()
            .all(is_old)
            .then(|| format!("{id} began at {} on approvals that are over: {given:?}", record.at))
            .into_iter()
            .collect()
    }
}
