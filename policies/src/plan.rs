//! What one review decided: every candidate with its mode, its checks and the decision, immutable and printable.
//!
//! Not here: the rules themselves (`check`) and carrying out (`change`).

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    catalog::Catalog,
    learn::Scope,
    recommendation::Recommendation,
    resource::{Arn, Resource},
};

use crate::{
    approval::{Decision, Heard, one_or_all, standing},
    autonomy::{Learned, reason_no_try, reason_risky},
    budget::Ledger,
    change::Change,
    check::{self, Subject},
    circuit::{Circuit, trips},
    exception::{Exceptions, Proposed},
    facts::Facts,
    mode::{Mode, ModeDecision, mode_of_recommendation},
    quorum::{Quorum, reason_above},
    scope::group_of,
    settings::Policy,
    steps::Step,
};

/// The safety rules, in the order in which they are shown.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CheckName {
    /// The series are present and fresh.
    Evidence,
    /// The look-back is long enough.
    History,
    /// The size is likely enough to do.
    Risk,
    /// The change is worth making.
    Material,
    /// Nobody opted out.
    OptOut,
    /// The time is allowed.
    Window,
    /// The resource was left alone long enough.
    Cooldown,
    /// Not too much changes at once.
    BlastRadius,
    /// Nothing related is being changed.
    Conflict,
    /// The step is small enough.
    StepSize,
    /// The resource is healthy.
    Health,
    /// The resource is as it was when the recommendation was made.
    Drift,
    /// Nobody else owns it.
    Ownership,
    /// The resource can be what is desired.
    Compatibility,
    /// No data or address is lost.
    DataLoss,
    /// The calls are allowed.
    Permission,
    /// The prices are known.
    Price,
    /// Not too much went wrong there lately.
    Circuit,
    /// The stop switch is off.
    Stop,
    /// Approval and proposal are young enough.
    Expiry,
    /// What disrupts waits until little is asked of the resource.
    QuietTime,
}

/// What a check says.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// Go.
    Pass,
    /// Not now.
    Wait,
    /// No.
    Fail,
}

/// One check's verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// Which check.
    pub check: CheckName,
    /// What it says.
    pub verdict: CheckVerdict,
    /// When a wait ends, where known.
    pub until: Option<Timestamp>,
    /// Why, naming the value and the limit.
    pub reason: String,
}

/// What is done with a candidate.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Shown, nothing else (datapilot).
    Recommend,
    /// Waits for an approver, or, once approved, for a check that says wait.
    AwaitApproval,
    /// Carried out.
    Apply,
    /// Held back, with the reasons in the checks.
    Withheld,
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recommend => "recommend",
            Self::AwaitApproval => "await_approval",
            Self::Apply => "apply",
            Self::Withheld => "withheld",
        })
    }
}

/// When a review happens; some checks need facts that exist only later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// A cycle proposes.
    Proposal,
    /// A person approves.
    Approval,
    /// The first write is about to happen, on fresh data and state.
    FirstWrite,
}

/// A recommendation with everything its review needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The first 12 hex digits of the digest.
    pub id: String,
    /// SHA-256, hex.
    pub digest: String,
    /// The recommendation.
    pub recommendation: Recommendation,
    /// The steps that carry it out.
    pub steps: Vec<Step>,
    /// When a cycle last confirmed it.
    pub confirmed_at: Timestamp,
    /// What probing found out.
    pub facts: Facts,
    /// What people have said about this digest since it was last used.
    #[serde(default, alias = "decision", deserialize_with = "one_or_all")]
    pub said: Vec<Decision>,
}

/// Everything else a review depends on.
#[derive(Debug)]
pub struct Context<'a> {
    /// The settings.
    pub policy: &'a Policy,
    /// The catalogue of instance types.
    pub catalog: &'a Catalog,
    /// Every resource as last discovered.
    pub inventory: &'a BTreeMap<Arn, Resource>,
    /// Every change that is kept, open or ended, by id.
    pub changes: &'a BTreeMap<String, Change>,
    /// When a person last reset each circuit.
    pub resets: &'a BTreeMap<Circuit, Timestamp>,
    /// What people have said is to be left alone, ended or not.
    pub exceptions: &'a Exceptions,
    /// Whether the stop switch is set, and by whom.
    pub stopped: Option<String>,
    /// The time.
    pub now: Timestamp,
    /// When the review happens.
    pub moment: Moment,
}

/// One candidate, decided. The JSON form is the one that the command line and the API show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanEntry {
    /// The first 12 hex digits of the digest.
    pub id: String,
    /// SHA-256, hex.
    pub digest: String,
    /// The recommendation's own fields.
    #[serde(flatten)]
    pub recommendation: Recommendation,
    /// The mode of this resource and action.
    pub mode: Mode,
    /// Which rule decided the mode, in words.
    pub mode_reason: String,
    /// What is done with it.
    pub decision: Disposition,
    /// When a wait is over, where every wait says so.
    pub until: Option<Timestamp>,
    /// Who has approved it, where that takes more than one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Quorum>,
    /// Every check that applies, with its verdict.
    pub checks: Vec<CheckResult>,
    /// The steps, each with its undo.
    pub steps: Vec<Step>,
}

/// What one review decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// When.
    pub at: Timestamp,
    /// The candidates, by saving (largest first), then by ARN.
    pub entries: Vec<PlanEntry>,
}

/// Decides every candidate: its mode, all checks that apply, and what follows from them.
///
/// The most saving comes first, so that where budgets or conflicts let only one through it is that one; what the review grants
/// counts for everything after it. The order of the candidates does not matter.
#[must_use]
pub fn review(mut candidates: Vec<Candidate>, context: &Context<'_>) -> Plan {
    candidates.sort_by_cached_key(rank);
    let past = past_changes(context);
    let learned = Learned::of(context.changes, context.resets);
    let autonomy = &context.policy.autonomy;
    let mut trips = trips(context.changes, context.resets);
    trips.extend(learned.demotions(autonomy));
    let mut ledger = Ledger::open(context, &candidates);
    let mut entries = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let group = group_of_candidate(&candidate, context);
        let mut mode = mode_of_candidate(&candidate, &group, context);
        for trip in trips.iter().filter(|trip| trip.covers(&candidate.recommendation)) {
            mode.lower_to(trip.mode, &trip.reason());
        }
        let unearned = learned.reason_unearned(&Scope::of(&candidate.recommendation), autonomy);
        let no_try = reason_no_try(&candidate.recommendation, autonomy);
        let trust = learned.trust(&candidate.recommendation);
        let risky = reason_risky(&candidate.recommendation, trust, context.policy);
        let above = reason_above(&context.policy.approvals.quorum, &candidate.recommendation);
        for why in unearned.iter().chain(&no_try).chain(&risky).chain(&above) {
            mode.lower_to(Mode::Copilot, why);
        }
        let heard = Heard {
            said: &candidate.said,
            exceptions: context.exceptions,
            approvals: &context.policy.approvals,
            now: context.now,
        };
        let standing = standing(Proposed::candidate(&candidate, context.inventory), heard);
        let checks = check::all(&Subject {
            candidate: &candidate,
            context,
            standing: &standing,
            mode: mode.mode,
            group: &group,
            ledger: &ledger,
            trips: &trips,
            trust,
            past: past.get(&candidate.recommendation.resource.arn).map_or(&[], Vec::as_slice),
        });
        let decision = decide(mode.mode, &checks, standing.is_approved());
        let quorum = standing.quorum();
        if decision == Disposition::Apply {
            ledger.grant(&candidate, &group);
        }
        entries.push(PlanEntry { quorum, ..entry(candidate, mode, checks, decision) });
    }
    Plan { at: context.now, entries }
}

/// The order of a plan: by saving, largest first and unknown last, then by ARN; the rest only makes it total.
fn rank(candidate: &Candidate) -> impl Ord + use<> {
    let recommendation = &candidate.recommendation;
    (
        std::cmp::Reverse(recommendation.saving),
        recommendation.resource.arn.clone(),
        recommendation.action,
        candidate.digest.clone(),
    )
}

fn past_changes<'a>(context: &Context<'a>) -> BTreeMap<&'a Arn, Vec<&'a Change>> {
    let mut past: BTreeMap<&Arn, Vec<&Change>> = BTreeMap::new();
    for change in context.changes.values() {
        let arn = &change.recommendation.resource.arn;
        past.entry(arn).or_default().push(change);
    }
    past
}

/// A resource that is not in the inventory is its own group.
fn group_of_candidate(candidate: &Candidate, context: &Context<'_>) -> String {
    let arn = &candidate.recommendation.resource.arn;
    context.inventory.get(arn).map_or_else(
        || arn.0.clone(),
        |resource| group_of(resource, context.inventory, &context.policy.limits),
    )
}

/// The mode by the tags of the proposal, the inventory and the live resource: the most conservative, because the newest of them
/// may have been set to hold the change back.
fn mode_of_candidate(candidate: &Candidate, group: &str, context: &Context<'_>) -> ModeDecision {
    let recommendation = &candidate.recommendation;
    let modes = &context.policy.modes;
    let known = context.inventory.get(&recommendation.resource.arn);
    let live = candidate.facts.live.as_ref().map(|fact| &fact.value);
    let proposed = mode_of_recommendation(modes, recommendation, &recommendation.resource, group);
    [known, live]
        .into_iter()
        .flatten()
        .map(|seen| mode_of_recommendation(modes, recommendation, &seen.reference, group))
        .fold(proposed, |least, other| if other.mode < least.mode { other } else { least })
}

/// What follows from the mode and the verdicts.
///
/// Some failures withhold a candidate in every mode. Beyond them datapilot recommends. Copilot withholds on any failure, asks
/// where no approval is in force, and then waits until every check passes. Autopilot applies what passes every check and
/// nothing else.
fn decide(mode: Mode, checks: &[CheckResult], approved: bool) -> Disposition {
    let gravest = checks.iter().map(|check| check.verdict).max();
    let any_fail = gravest == Some(CheckVerdict::Fail);
    let all_pass = gravest == Some(CheckVerdict::Pass);
    let disqualified = checks
        .iter()
        .any(|check| check.verdict == CheckVerdict::Fail && check.check.disqualifies());
    if disqualified {
        return Disposition::Withheld;
    }
    match mode {
        Mode::Datapilot => Disposition::Recommend,
        Mode::Copilot if any_fail => Disposition::Withheld,
        Mode::Copilot if approved && all_pass => Disposition::Apply,
        Mode::Copilot => Disposition::AwaitApproval,
        Mode::Autopilot if all_pass => Disposition::Apply,
        Mode::Autopilot => Disposition::Withheld,
    }
}

fn entry(
    candidate: Candidate,
    mode: ModeDecision,
    checks: Vec<CheckResult>,
    decision: Disposition,
) -> PlanEntry {
    let waits = || checks.iter().filter(|check| check.verdict == CheckVerdict::Wait);
    let failed = checks.iter().any(|check| check.verdict == CheckVerdict::Fail);
    let until = if failed || waits().next().is_none() {
        None
    } else {
        check::latest(waits().map(|check| check.until))
    };
    PlanEntry {
        id: candidate.id,
        digest: candidate.digest,
        recommendation: candidate.recommendation,
        mode: mode.mode,
        mode_reason: mode.reason,
        decision,
        until,
        quorum: None,
        checks,
        steps: candidate.steps,
    }
}

impl CheckName {
    /// Whether a failure withholds the candidate in every mode, datapilot included: then it is no good recommendation.
    #[must_use]
    pub const fn disqualifies(self) -> bool {
        match self {
            Self::Evidence
            | Self::History
            | Self::Risk
            | Self::Material
            | Self::OptOut
            | Self::Ownership
            | Self::Compatibility
            | Self::DataLoss
            | Self::Price => true,
            Self::Window
            | Self::Cooldown
            | Self::BlastRadius
            | Self::Conflict
            | Self::StepSize
            | Self::Health
            | Self::Drift
            | Self::Permission
            | Self::Circuit
            | Self::Stop
            | Self::Expiry
            | Self::QuietTime => false,
        }
    }
}

#[cfg(test)]
mod tests;
