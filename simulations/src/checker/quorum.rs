//! Nothing begins with fewer different people's yes than it takes, each in force and from somebody who may approve.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use trimtab_policies::{change::Change, mode::Disruption, record::Record};

use super::{Bounds, Invariant, View, opened, story::Yes};

#[derive(Debug)]
pub(super) struct Quorum;

impl Invariant for Quorum {
    fn name(&self) -> &'static str {
        "quorum"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Some(change) = opened(record) else { return Vec::new() };
        let takes = takes(change, view.bounds);
        let days = SignedDuration::try_from_secs_f64(view.bounds.approval_days * 86_400.0).ok();
        let is_in_force = |yes: &&Yes| {
            days.is_some_and(|days| record.at.duration_since(yes.at) < days)
                && yes.until.is_none_or(|until| record.at < until)
        };
        let given = view.story.approvals.get(&change.digest).into_iter().flatten();
        let names: BTreeSet<String> = given
            .filter(is_in_force)
            .map(|yes| yes.by.trim().to_lowercase())
            .filter(|name| view.bounds.may_approve(name))
            .collect();
        let lacks = names.len() < takes;
        let text = || format!("{} began with the yes of {names:?}, it takes {takes}", change.id);
        lacks.then(text).into_iter().collect()
    }
}

/// How many people a change takes, as the plan's settings say.
fn takes(change: &Change, bounds: &Bounds) -> usize {
    let recommendation = &change.recommendation;
    let destroys = Disruption::of(recommendation.action) == Disruption::Destructive;
    if destroys && bounds.people.len() > 1 {
        return bounds.quorum.max(2);
    }
    let saves_more = bounds
        .quorum_above_saving
        .is_some_and(|bound| recommendation.saving.is_none_or(|saving| saving.dollars() > bound));
    let risks_more = bounds
        .quorum_above_risk
        .is_some_and(|bound| recommendation.risk.is_none_or(|risk| risk > bound));
    // Where no rule applies, that copilot takes one yes is the rule of approvals.
    if saves_more || risks_more { bounds.quorum } else { 0 }
}
