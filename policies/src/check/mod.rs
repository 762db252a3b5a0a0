//! The safety rules, one a file: each looks at one candidate and says `pass`, `wait` or `fail` with its reasons.
//!
//! All that apply are evaluated and kept, never just the first. Not here: what follows from the verdicts (`plan`).

mod balancers;
mod blast_radius;
mod circuit;
mod compatibility;
mod conflict;
mod cooldown;
mod data_loss;
mod drift;
mod evidence;
mod expiry;
mod health;
mod history;
mod material;
mod opt_out;
mod ownership;
mod permission;
mod price;
mod quiet_time;
mod risk;
mod step_size;
mod stop;
mod volume_limits;
mod window;

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{
    learn::Trust,
    recommendation::{Action, Recommendation},
    resource::Resource,
};

use crate::{
    action::{ActionRow, row_of},
    approval::Standing,
    budget::{Ledger, is_own},
    change::Change,
    circuit::Trip,
    facts::{Fact, Facts},
    mode::Mode,
    plan::{Candidate, CheckName, CheckResult, CheckVerdict, Context, Moment},
    scope::Target,
};

/// How old a fact may be when it is acted on: long enough for a slow account, short enough that nothing else has happened.
const FACT_MAX_AGE: SignedDuration = SignedDuration::from_mins(5);

/// One candidate with everything that the rules look at.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    /// The candidate.
    pub(crate) candidate: &'a Candidate,
    /// The review's surroundings.
    pub(crate) context: &'a Context<'a>,
    /// What people have said about it.
    pub(crate) standing: &'a Standing<'a>,
    /// The mode that was decided.
    pub(crate) mode: Mode,
    /// The group of the resource.
    pub(crate) group: &'a str,
    /// What uses the budgets.
    pub(crate) ledger: &'a Ledger<'a>,
    /// The open circuits.
    pub(crate) trips: &'a [Trip],
    /// What outcomes of changes like it have taught.
    pub(crate) trust: Trust,
    /// Every change of this resource.
    pub(crate) past: &'a [&'a Change],
}

impl<'a> Subject<'a> {
    pub(crate) const fn recommendation(&self) -> &'a Recommendation {
        &self.candidate.recommendation
    }

    pub(crate) const fn action(&self) -> Action {
        self.candidate.recommendation.action
    }

    pub(crate) fn row(&self) -> &'static ActionRow {
        row_of(self.action())
    }

    pub(crate) const fn facts(&self) -> &'a Facts {
        &self.candidate.facts
    }

    pub(crate) const fn now(&self) -> Timestamp {
        self.context.now
    }

    pub(crate) const fn target(&self) -> Target<'a> {
        Target {
            reference: &self.candidate.recommendation.resource,
            group: self.group,
            action: self.candidate.recommendation.action,
        }
    }

    /// Whether the review is about something that happens next, not about a proposal.
    pub(crate) fn is_late(&self) -> bool {
        match self.context.moment {
            Moment::Proposal => false,
            Moment::Approval | Moment::FirstWrite => true,
        }
    }

    /// The resource as last discovered.
    pub(crate) fn known(&self) -> Option<&'a Resource> {
        self.context.inventory.get(&self.recommendation().resource.arn)
    }

    /// The resource to judge: as discovered for a proposal, as just read for everything later.
    pub(crate) fn resource(&self) -> Result<&'a Resource, Reason> {
        if self.is_late() {
            return self.fact(&self.facts().live, "the live state of the resource");
        }
        self.known().ok_or_else(|| {
            let arn = &self.recommendation().resource.arn;
            Reason::fail(format!("{arn} is not in the inventory any more"))
        })
    }

    /// A fact that is there and, where it is acted on, young enough.
    pub(crate) fn fact<T>(&self, fact: &'a Option<Fact<T>>, what: &str) -> Result<&'a T, Reason> {
        let Some(fact) = fact else {
            let failures = &self.facts().failures;
            let why = if failures.is_empty() {
                "it was not asked for".to_owned()
            } else {
                format!("failed calls: {}", failures.join(", "))
            };
            return Err(Reason::fail(format!("{what} is not known ({why})")));
        };
        let age = self.now().duration_since(fact.at);
        if self.is_late() && age > FACT_MAX_AGE {
            let limit = FACT_MAX_AGE.as_mins();
            return Err(Reason::fail(format!(
                "{what} was read {} min ago, more than {limit}",
                age.as_mins()
            )));
        }
        Ok(&fact.value)
    }

    /// The changes of this resource but its own, which is about to begin.
    pub(crate) fn past_changes(&self) -> impl Iterator<Item = &'a Change> + '_ {
        self.past
            .iter()
            .copied()
            .filter(|change| !is_own(change, self.candidate, self.context.moment))
    }
}

/// Why a rule does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    verdict: CheckVerdict,
    until: Option<Timestamp>,
    text: String,
}

impl Reason {
    pub(crate) fn fail(text: impl Into<String>) -> Self {
        Self { verdict: CheckVerdict::Fail, until: None, text: text.into() }
    }

    pub(crate) fn wait(until: Option<Timestamp>, text: impl Into<String>) -> Self {
        Self { verdict: CheckVerdict::Wait, until, text: text.into() }
    }
}

/// The verdict of a rule: the gravest of its reasons, with all of them; `pass` says what was found where there is none.
pub(crate) fn result(
    check: CheckName,
    reasons: impl IntoIterator<Item = Reason>,
    pass: impl Into<String>,
) -> CheckResult {
    let reasons: Vec<Reason> = reasons.into_iter().collect();
    let Some(verdict) = reasons.iter().map(|reason| reason.verdict).max() else {
        return CheckResult {
            check,
            verdict: CheckVerdict::Pass,
            until: None,
            reason: pass.into(),
        };
    };
    let until = match verdict {
        CheckVerdict::Pass | CheckVerdict::Fail => None,
        CheckVerdict::Wait => latest(reasons.iter().map(|reason| reason.until)),
    };
    let texts: Vec<String> = reasons.into_iter().map(|reason| reason.text).collect();
    CheckResult { check, verdict, until, reason: texts.join("; ") }
}

/// When all waits are over; `None` when one of them has no known end.
pub(crate) fn latest(ends: impl Iterator<Item = Option<Timestamp>>) -> Option<Timestamp> {
    ends.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Whether a figure falls short of its least value; what is not a number always does.
pub(crate) fn is_below(value: f64, least: f64) -> bool {
    value.is_nan() || least.is_nan() || value < least
}

/// Evaluates every rule that applies to the candidate, in the order in which they are shown.
pub(crate) fn all(subject: &Subject<'_>) -> Vec<CheckResult> {
    let applies = [
        Some(evidence::check(subject)),
        (subject.action() != Action::DeleteUnattachedVolume).then(|| history::check(subject)),
        sizes(subject.action()).then(|| risk::check(subject)),
        Some(material::check(subject)),
        Some(opt_out::check(subject)),
        Some(window::check(subject)),
        quiet_time::applies(subject).then(|| quiet_time::check(subject)),
        Some(cooldown::check(subject)),
        Some(blast_radius::check(subject)),
        Some(conflict::check(subject)),
        subject.row().step_limited.then(|| step_size::check(subject)),
        Some(health::check(subject)),
        Some(drift::check(subject)),
        Some(ownership::check(subject)),
        Some(compatibility::check(subject)),
        loses_data(subject.action()).then(|| data_loss::check(subject)),
        Some(permission::check(subject)),
        Some(price::check(subject)),
        Some(circuit::check(subject)),
        Some(stop::check(subject)),
        Some(expiry::check(subject)),
    ];
    applies.into_iter().flatten().collect()
}

/// Whether an action proposes a size, which can turn out too small; stopping and deleting have rules of their own.
const fn sizes(action: Action) -> bool {
    match action {
        Action::ResizeInstance
        | Action::MigrateVolumeType
        | Action::TuneVolume
        | Action::TuneFunctionMemory
        | Action::TuneGroupCapacity
        | Action::ScheduleGroup
        | Action::ResizeGroupInstances => true,
        Action::StopIdleInstance | Action::DeleteUnattachedVolume => false,
    }
}

/// Whether an action can lose data or an address at all.
const fn loses_data(action: Action) -> bool {
    match action {
        Action::ResizeInstance | Action::StopIdleInstance | Action::DeleteUnattachedVolume => true,
        Action::MigrateVolumeType
        | Action::TuneVolume
        | Action::TuneFunctionMemory
        | Action::TuneGroupCapacity
        | Action::ScheduleGroup
        | Action::ResizeGroupInstances => false,
    }
}

#[cfg(test)]
mod tests;
