//! The circuit breaker: where too much went wrong lately, less is done by itself until a person has looked.
//!
//! Not here: what goes wrong in a change (`change`), and who may reset it (`trimtab`).

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    learn::Scope,
    recommendation::{Action, Recommendation},
    resource::{Arn, ResourceRef},
};

use crate::{
    autonomy::Learned,
    change::{Change, State},
    mode::Mode,
    settings::Autonomy,
};

/// The time within which failures count together: one bad rollout shows within a day.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Failures of one action in one account and region that open its circuit: one may be chance, two are a pattern.
const FAILURES_MAX: usize = 2;

/// Failures of any kind that open the circuit of the whole fleet.
const FAILURES_OVERALL_MAX: usize = 5;

/// Failures of one action on one resource after which it is only shown: the bar that doubles with each has taught nothing.
const REPEATED_MAX: usize = 3;

/// The word for the circuit of the whole fleet.
const OVERALL: &str = "overall";

/// A part of the fleet that falls together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
pub enum Circuit {
    /// Everything.
    Overall,
    /// One action in one account and region.
    Part {
        /// The account's id.
        account: String,
        /// The region.
        region: String,
        /// The action.
        action: Action,
    },
    /// The changes whose outcomes are learned from together.
    Trust(Scope),
    /// One action on one resource.
    Resource {
        /// The action.
        action: Action,
        /// The resource.
        arn: Arn,
    },
}

/// A text that names no circuit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no circuit: give `overall`, ACCOUNT/REGION/ACTION, trust/ACTION/KIND/FAMILY/CLASS or ACTION@ARN"
)]
pub struct NoCircuit(String);

/// An open circuit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Trip {
    /// Which.
    pub scope: Circuit,
    /// The most that is still done there: copilot, or datapilot where an undo failed.
    pub mode: Mode,
    /// Since when.
    pub since: Timestamp,
    /// The changes that went wrong.
    pub changes: Vec<String>,
}

impl Circuit {
    /// The circuit of a recommendation's own part.
    #[must_use]
    pub fn of(recommendation: &Recommendation) -> Self {
        Self::Part {
            account: recommendation.resource.account.clone(),
            region: recommendation.resource.region.clone(),
            action: recommendation.action,
        }
    }
}

impl fmt::Display for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overall => f.pad(OVERALL),
            Self::Part { account, region, action } => {
                f.pad(&format!("{account}/{region}/{action}"))
            }
            Self::Trust(scope) => scope.fmt(f),
            Self::Resource { action, arn } => f.pad(&format!("{action}@{arn}")),
        }
    }
}

impl FromStr for Circuit {
    type Err = NoCircuit;

    fn from_str(text: &str) -> Result<Self, NoCircuit> {
        if text == OVERALL {
            return Ok(Self::Overall);
        }
        if let Ok(scope) = text.parse() {
            return Ok(Self::Trust(scope));
        }
        if let Some((action, arn)) = text.split_once('@') {
            let action = Action::ALL.into_iter().find(|one| one.as_str() == action);
            let named = action.filter(|_| !arn.is_empty());
            let named = named.map(|action| Self::Resource { action, arn: Arn(arn.to_owned()) });
            return named.ok_or_else(|| NoCircuit(text.to_owned()));
        }
        let parts: Vec<&str> = text.split('/').collect();
        let [account, region, action] = parts.as_slice() else {
            return Err(NoCircuit(text.to_owned()));
        };
        let known = Action::ALL.into_iter().find(|one| one.as_str() == *action);
        match known {
            Some(action) if !account.is_empty() && !region.is_empty() => Ok(Self::Part {
                account: (*account).to_owned(),
                region: (*region).to_owned(),
                action,
            }),
            Some(_) | None => Err(NoCircuit(text.to_owned())),
        }
    }
}

impl From<Circuit> for String {
    fn from(circuit: Circuit) -> Self {
        circuit.to_string()
    }
}

impl TryFrom<String> for Circuit {
    type Error = NoCircuit;

    fn try_from(text: String) -> Result<Self, NoCircuit> {
        text.parse()
    }
}

impl Trip {
    /// Whether it holds back what a recommendation asks for.
    #[must_use]
    pub fn covers(&self, recommendation: &Recommendation) -> bool {
        let scope = Scope::of(recommendation);
        self.covers_action(&recommendation.resource, recommendation.action, Some(&scope))
    }

    /// Whether it holds back an action on a resource; `scope` is what outcomes of it are counted under, where that is known.
    #[must_use]
    pub fn covers_action(
        &self,
        resource: &ResourceRef,
        action: Action,
        scope: Option<&Scope>,
    ) -> bool {
        match &self.scope {
            Circuit::Overall => true,
            Circuit::Part { account, region, action: one } => {
                *account == resource.account && *region == resource.region && *one == action
            }
            Circuit::Trust(one) => scope == Some(one),
            Circuit::Resource { action: one, arn } => *one == action && *arn == resource.arn,
        }
    }

    /// What is open, why, and how it is closed.
    #[must_use]
    pub fn reason(&self) -> String {
        let Self { scope, since, changes, .. } = self;
        format!(
            "the circuit {scope} is open since {since} ({}): `trimtab circuit reset {scope}` closes it",
            changes.join(", ")
        )
    }
}

/// The open circuits: those where, since the last reset, failures came too close together or an undo failed.
///
/// A circuit does not close by itself: that nothing went wrong while nothing was done proves nothing.
#[must_use]
pub fn trips(
    changes: &BTreeMap<String, Change>,
    resets: &BTreeMap<Circuit, Timestamp>,
) -> Vec<Trip> {
    let mut failures: Vec<(Timestamp, &Change)> =
        changes.values().filter_map(|change| Some((failed_at(change)?, change))).collect();
    failures.sort_by(|(at, one), (other_at, other)| (at, &one.id).cmp(&(other_at, &other.id)));
    let mut parts: BTreeMap<Circuit, Vec<(Timestamp, &Change)>> = BTreeMap::new();
    for failure in &failures {
        parts.entry(Circuit::of(&failure.1.recommendation)).or_default().push(*failure);
    }
    let overall = trip(Circuit::Overall, &failures, FAILURES_OVERALL_MAX, resets);
    let parts = parts.into_iter().filter_map(|(circuit, failures)| {
        let stuck = stuck(&circuit, &failures, resets);
        stuck.or_else(|| trip(circuit, &failures, FAILURES_MAX, resets))
    });
    let resources = repeated(&failures, resets);
    overall.into_iter().chain(parts).chain(resources).collect()
}

/// The open circuits, those of scopes whose autonomy is lost included.
#[must_use]
pub fn open_circuits(
    changes: &BTreeMap<String, Change>,
    resets: &BTreeMap<Circuit, Timestamp>,
    autonomy: &Autonomy,
) -> Vec<Trip> {
    let mut open = trips(changes, resets);
    open.extend(Learned::of(changes, resets).demotions(autonomy));
    open
}

/// What was taken back again and again on one resource, however long ago: a person has to say why it should be tried once more.
fn repeated(failures: &[(Timestamp, &Change)], resets: &BTreeMap<Circuit, Timestamp>) -> Vec<Trip> {
    let mut resources: BTreeMap<Circuit, Vec<(Timestamp, &Change)>> = BTreeMap::new();
    for failure in failures {
        let recommendation = &failure.1.recommendation;
        let (action, arn) = (recommendation.action, recommendation.resource.arn.clone());
        resources.entry(Circuit::Resource { action, arn }).or_default().push(*failure);
    }
    let repeated = resources.into_iter().filter_map(|(scope, failures)| {
        let counted = counted(&scope, &failures, resets);
        let (since, _) = *counted.get(REPEATED_MAX - 1)?;
        let changes = counted.iter().map(|(_, change)| change.id.clone()).collect();
        Some(Trip { scope, mode: Mode::Datapilot, since, changes })
    });
    repeated.collect()
}

/// When a change went wrong: it was taken back, by whomever, or could not be.
fn failed_at(change: &Change) -> Option<Timestamp> {
    let outcome = change.outcome.as_ref()?;
    let failed = match change.state {
        State::Undone | State::Conflicted => change.was_taken_back(),
        State::Stuck => true,
        State::Queued
        | State::Executing
        | State::Watching
        | State::Kept
        | State::Undoing
        | State::Inconclusive => false,
    };
    failed.then_some(outcome.at)
}

fn counted<'a>(
    circuit: &Circuit,
    failures: &[(Timestamp, &'a Change)],
    resets: &BTreeMap<Circuit, Timestamp>,
) -> Vec<(Timestamp, &'a Change)> {
    let reset = resets.get(circuit);
    let after = |at: &Timestamp| reset.is_none_or(|reset| at > reset);
    failures.iter().copied().filter(|(at, _)| after(at)).collect()
}

fn trip(
    circuit: Circuit,
    failures: &[(Timestamp, &Change)],
    limit: usize,
    resets: &BTreeMap<Circuit, Timestamp>,
) -> Option<Trip> {
    let counted = counted(&circuit, failures, resets);
    let close = |group: &&[(Timestamp, &Change)]| {
        group[group.len() - 1].0.duration_since(group[0].0) <= WINDOW
    };
    let group = counted.windows(limit).find(close)?;
    Some(Trip {
        scope: circuit,
        mode: Mode::Copilot,
        since: group[limit - 1].0,
        changes: group.iter().map(|(_, change)| change.id.clone()).collect(),
    })
}

/// Where an undo failed a person is needed: nothing at all is done there.
fn stuck(
    circuit: &Circuit,
    failures: &[(Timestamp, &Change)],
    resets: &BTreeMap<Circuit, Timestamp>,
) -> Option<Trip> {
    let counted = counted(circuit, failures, resets);
    let (since, _) = counted.iter().find(|(_, change)| change.state == State::Stuck)?;
    let stuck = counted.iter().filter(|(_, change)| change.state == State::Stuck);
    Some(Trip {
        scope: circuit.clone(),
        mode: Mode::Datapilot,
        since: *since,
        changes: stuck.map(|(_, change)| change.id.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{change::undo_steps, fixtures::*, plan::Disposition, record::Event};

    /// A change of a function that was taken back, so many hours ago.
    fn failed(id: &str, hours: i64, state: State) -> Change {
        let at = now() - SignedDuration::from_hours(hours);
        let mut change = change(&function_candidate(id), id, State::Watching, at);
        let event = Event::UndoBegun { reason: "worse".to_owned(), steps: undo_steps(&change) };
        change.apply(at, &event);
        let reason = "so it ended".to_owned();
        change.apply(at, &Event::Finished { state, reason, provisional: false });
        change
    }

    fn function_candidate(id: &str) -> crate::plan::Candidate {
        candidate(Action::TuneFunctionMemory, &function(id))
    }

    fn part() -> Circuit {
        Circuit::Part {
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            action: Action::TuneFunctionMemory,
        }
    }

    fn open(failures: &[(i64, State)], reset_hours: Option<i64>) -> Vec<(String, Mode)> {
        let changes = failures.iter().enumerate().map(|(index, (hours, state))| {
            let change = failed(&format!("f{index}"), *hours, *state);
            (change.id.clone(), change)
        });
        let resets = reset_hours.map(|hours| (part(), now() - SignedDuration::from_hours(hours)));
        let trips = trips(&changes.collect(), &resets.into_iter().collect());
        trips.into_iter().map(|trip| (trip.scope.to_string(), trip.mode)).collect()
    }

    #[test]
    fn two_failures_within_a_day_open_a_part_and_five_all_of_it() {
        let undone = |hours: &[i64]| -> Vec<(i64, State)> {
            hours.iter().map(|hours| (*hours, State::Undone)).collect()
        };
        let here = (part().to_string(), Mode::Copilot);
        let overall = (OVERALL.to_owned(), Mode::Copilot);
        assert_eq!(open(&undone(&[1]), None), []);
        assert_eq!(open(&undone(&[1, 26]), None), []);
        assert_eq!(open(&undone(&[1, 25]), None), vec![here.clone()], "exactly a day");
        assert_eq!(open(&undone(&[100, 110]), None), vec![here.clone()], "time does not close it");
        assert_eq!(open(&undone(&[1, 2]), Some(0)), [], "reset since");
        assert_eq!(open(&undone(&[1, 2, 3, 4, 5]), None), [overall, here.clone()]);
        assert_eq!(open(&undone(&[1, 4, 5]), Some(3)), [], "one failure since the reset");
    }

    #[test]
    fn the_third_failure_on_one_resource_leaves_it_to_a_person() {
        let again = |count: i64, reset: Option<i64>| {
            let changes = (0..count).map(|index| {
                let change = failed("f", 24 * 40 * (index + 1), State::Undone);
                (change.id.clone(), change)
            });
            let arn = function("f").reference.arn;
            let scope = Circuit::Resource { action: Action::TuneFunctionMemory, arn };
            let resets = reset.map(|hours| (scope, now() - SignedDuration::from_hours(hours)));
            let open = trips(&changes.collect(), &resets.into_iter().collect());
            open.into_iter().map(|trip| (trip.scope.to_string(), trip.mode)).collect::<Vec<_>>()
        };
        let arn = function("f").reference.arn;
        let here = (format!("tune-function-memory@{arn}"), Mode::Datapilot);
        assert_eq!(again(2, None), []);
        assert_eq!(again(3, None), vec![here.clone()]);
        assert_eq!(again(4, None), vec![here]);
        assert_eq!(again(4, Some(24 * 90)), [], "two since the reset");
    }

    #[test]
    fn a_failed_undo_stops_everything_there_at_once() {
        let here = (part().to_string(), Mode::Datapilot);
        assert_eq!(open(&[(1, State::Stuck)], None), vec![here.clone()]);
        assert_eq!(open(&[(1, State::Stuck), (2, State::Undone)], None), [here]);
        assert_eq!(open(&[(5, State::Stuck)], Some(3)), []);
    }

    #[test]
    fn what_ended_well_or_never_began_is_no_failure() {
        assert_eq!(open(&[(1, State::Kept), (1, State::Conflicted)], None), []);
        let mut void = change(&function_candidate("f"), "f", State::Queued, now());
        let reason = "nothing was changed".to_owned();
        void.apply(now(), &Event::Finished { state: State::Undone, reason, provisional: false });
        assert_eq!(failed_at(&void), None);
    }

    #[test]
    fn an_open_circuit_lowers_the_mode_and_says_so() {
        let mut world = World::new([function("f"), function("g"), function("h")]);
        let decide = |world: &World| {
            let plan = world.review(vec![function_candidate("h")]);
            (plan.entries[0].mode, plan.entries[0].decision, plan.entries[0].mode_reason.clone())
        };
        assert_eq!(decide(&world).0, Mode::Autopilot);
        for id in ["f", "g"] {
            world.add(failed(id, 30 * 24, State::Undone));
        }
        let (mode, decision, reason) = decide(&world);
        assert_eq!((mode, decision), (Mode::Copilot, Disposition::AwaitApproval));
        assert!(reason.contains(&format!("trimtab circuit reset {}", part())), "{reason}");
        world.resets.insert(part(), now());
        assert_eq!(decide(&world).0, Mode::Autopilot);
    }

    #[test]
    fn circuits_have_names() {
        let trust = Circuit::Trust(Scope::of(&function_candidate("f").recommendation));
        let resource = Circuit::Resource {
            action: Action::TuneFunctionMemory,
            arn: function("f").reference.arn,
        };
        for circuit in [Circuit::Overall, part(), trust, resource] {
            assert_eq!(circuit.to_string().parse(), Ok(circuit));
        }
        for text in [
            "",
            "all",
            "1/us-east-1",
            "1/us-east-1/explode",
            "//resize-instance",
            "explode@a",
            "tune-volume@",
        ] {
            assert_eq!(text.parse::<Circuit>(), Err(NoCircuit(text.to_owned())));
        }
    }
}
