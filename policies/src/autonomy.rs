//! Earned autonomy: what the outcomes of changes allow of what the rules on modes would.
//!
//! A fold of the book's changes, so that it survives whatever the journal does. Not here: the estimates
//! (`trimtab_models::learn`), and which rule decides the mode (`mode`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{
    learn::{Scope, Trust},
    recommendation::Recommendation,
};

use crate::{
    change::{Change, State},
    circuit::{Circuit, Trip},
    mode::Mode,
    settings::{Autonomy, Policy},
};

/// How long a change must have been watched to count as a success: until its provisional verdict.
const WATCHED: SignedDuration = SignedDuration::from_hours(48);

/// The record of every scope.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Learned {
    scopes: BTreeMap<Scope, Standing>,
}

/// The record of one scope.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Standing {
    /// What its outcomes add up to.
    pub trust: Trust,
    /// The last failure, and the changes that failed.
    failed: Option<(Timestamp, Vec<String>)>,
    /// Successes since then.
    successes_since: u32,
}

/// Whether a person has closed a circuit since `at` that covers the recommendation: what went wrong had another cause.
fn is_forgiven(
    recommendation: &Recommendation,
    scope: &Scope,
    at: Timestamp,
    resets: &BTreeMap<Circuit, Timestamp>,
) -> bool {
    let (action, arn) = (recommendation.action, recommendation.resource.arn.clone());
    let covering = [
        Circuit::Overall,
        Circuit::of(recommendation),
        Circuit::Trust(scope.clone()),
        Circuit::Resource { action, arn },
    ];
    covering.iter().any(|circuit| resets.get(circuit).is_some_and(|reset| at <= *reset))
}

/// How a change counts: when, and whether it failed; `None` while that is not known, and where it says nothing.
fn counted(change: &Change) -> Option<(Timestamp, bool)> {
    let outcome = change.outcome.as_ref();
    // What is taken back by itself has failed from the moment that this was known: its undo may have to wait for a quiet hour.
    let wanted = change.undo_wanted.as_ref().filter(|wanted| wanted.automatic);
    match change.state {
        State::Watching | State::Kept if wanted.is_some() => Some((wanted?.at, true)),
        // An undo counts from its beginning, whatever becomes of it. What only gave way to somebody else was none.
        State::Undoing | State::Undone | State::Stuck | State::Conflicted => {
            let at = wanted.map(|wanted| wanted.at).filter(|_| change.turned_at.is_some());
            Some((at.or(change.turned_at)?, true))
        }
        State::Kept => {
            let outcome = outcome.filter(|outcome| !outcome.provisional)?;
            // One that a later change of ours overtook was not judged.
            let watched = outcome.at.duration_since(change.applied_at?) >= WATCHED;
            watched.then_some((outcome.at, false))
        }
        State::Queued | State::Executing | State::Watching | State::Inconclusive => None,
    }
}

impl Learned {
    /// Folds all changes. What failed before a person closed a circuit that covers it is forgiven: it counts as neither.
    #[must_use]
    pub fn of(changes: &BTreeMap<String, Change>, resets: &BTreeMap<Circuit, Timestamp>) -> Self {
        let mut outcomes: Vec<(Timestamp, bool, &Change)> = changes
            .values()
            .filter_map(|change| counted(change).map(|(at, failed)| (at, failed, change)))
            .collect();
        outcomes.sort_by(|one, other| (one.0, &one.2.id).cmp(&(other.0, &other.2.id)));
        let mut scopes: BTreeMap<Scope, Standing> = BTreeMap::new();
        for (at, failed, change) in outcomes {
            let scope = Scope::of(&change.recommendation);
            if failed && is_forgiven(&change.recommendation, &scope, at, resets) {
                continue;
            }
            let standing = scopes.entry(scope).or_default();
            let ratio = change.realized.and_then(|realized| realized.ratio());
            standing.trust.add(failed, ratio);
            if !failed {
                standing.successes_since = standing.successes_since.saturating_add(1);
            } else {
                let failures = standing.failed.get_or_insert((at, Vec::new()));
                failures.0 = at;
                failures.1.push(change.id.clone());
                standing.successes_since = 0;
            }
        }
        Self { scopes }
    }

    /// The record of a recommendation's scope.
    #[must_use]
    pub fn trust(&self, recommendation: &Recommendation) -> Trust {
        self.scopes.get(&Scope::of(recommendation)).map_or_else(Trust::default, |one| one.trust)
    }

    /// Every scope with outcomes.
    pub fn scopes(&self) -> impl Iterator<Item = (&Scope, &Standing)> {
        self.scopes.iter()
    }

    /// The scopes that fall to copilot because a change failed there, until enough others succeeded or a person resets them.
    #[must_use]
    pub fn demotions(&self, rules: &Autonomy) -> Vec<Trip> {
        let demoted = self.scopes.iter().filter_map(|(scope, standing)| {
            let (since, changes) = standing.failed.clone()?;
            let open = rules.enabled && standing.successes_since < rules.regain_outcomes;
            let scope = Circuit::Trust(scope.clone());
            open.then_some(Trip { scope, mode: Mode::Copilot, since, changes })
        });
        demoted.collect()
    }

    /// Why autopilot has not been earned for a scope; `None` where it has, and where it need not be.
    #[must_use]
    pub fn reason_unearned(&self, scope: &Scope, rules: &Autonomy) -> Option<String> {
        if !rules.enabled {
            return None;
        }
        let trust = self.scopes.get(scope).map_or_else(Trust::default, |one| one.trust);
        let (least, most) = (u64::from(rules.min_outcomes), rules.max_failure_ratio);
        if trust.outcomes < least {
            let outcomes = trust.outcomes;
            return Some(format!(
                "{outcomes} of {least} outcomes that autonomy needs are known of {scope}"
            ));
        }
        let upper = trust.failure_upper();
        // A limit that is not a number is never met.
        let is_met = upper <= most;
        (!is_met).then(|| {
            format!(
                "of {scope} {} of {} changes failed: up to {:.1} % may, more than {:.1} %",
                trust.failures,
                trust.outcomes,
                upper * 100.0,
                most * 100.0
            )
        })
    }
}

/// Why autopilot leaves a size to a person whose risk its model states low enough: changes like it failed more often.
#[must_use]
pub fn reason_risky(
    recommendation: &Recommendation,
    trust: Trust,
    policy: &Policy,
) -> Option<String> {
    let stated = recommendation.risk?;
    let most = policy.evidence.max_risk?;
    let learned = trust.sharpened(stated);
    (stated <= most && learned > most).then(|| {
        format!(
            "with {} failures of {} changes like it, the risk that it is too small is {:.1} %, above {:.1} %",
            trust.failures,
            trust.outcomes,
            learned * 100.0,
            most * 100.0
        )
    })
}

/// Why autopilot does not carry out a try of a size by itself; `None` where it may.
#[must_use]
pub fn reason_no_try(recommendation: &Recommendation, rules: &Autonomy) -> Option<String> {
    let closed = rules.enabled && !rules.explore && recommendation.evidence.explores;
    closed.then(|| "it tries a size that was never seen, and autonomy.explore is off".to_owned())
}

#[cfg(test)]
mod tests;
