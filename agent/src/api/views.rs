//! What the API answers beyond recommendations and changes: status, circuits, and modes explained.
//!
//! Not here: recommendations and changes themselves (`view`), and the report (`report`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_config::Cloud;
use trimtab_models::{
    learn::{self, family},
    money::Usd,
    recommendation::Action,
    resource::{Arn, Kind, Resource, ResourceRef},
};
use trimtab_policies::{
    authority::{Person, Right, Role, Scope},
    autonomy::{Learned, Standing},
    circuit::{Circuit, Trip, open_circuits},
    mode::{Disruption, EXCLUDE_TAG, Mode, mode_of},
    scope::group_of,
};

use crate::{agent::Agent, except::due_exceptions, notify::ReceiverView, view::CycleView};

/// `GET /api/v1/circuit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CircuitView {
    /// The open circuits; what is not listed is closed.
    pub circuits: Vec<Trip>,
}

impl CircuitView {
    /// The circuits that are open now.
    #[must_use]
    pub fn of(agent: &Agent) -> Self {
        let ledger = agent.ledger();
        let book = ledger.book();
        let autonomy = &agent.settings().policy.autonomy;
        Self { circuits: open_circuits(book.changes(), book.resets(), autonomy) }
    }
}

/// `GET /api/v1/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MeView {
    /// The name that records bear.
    pub name: String,
    /// The role.
    pub role: Role,
    /// Every right that is held, in scope where it is used on a resource.
    pub rights: Vec<Right>,
    /// Where decisions and undo are allowed.
    pub scope: Scope,
}

impl MeView {
    /// What a person may.
    #[must_use]
    pub fn of(person: &Person) -> Self {
        Self {
            name: person.name.clone(),
            role: person.role,
            rights: Right::ALL.into_iter().filter(|right| person.holds(*right)).collect(),
            scope: person.scope.clone(),
        }
    }
}

/// The modes in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModesView {
    /// Where no rule matches.
    pub default: Mode,
    /// How many rules there are.
    pub rules: u64,
    /// Open recommendations by the mode that each came to.
    pub open_recommendations: BTreeMap<String, u64>,
}

/// `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StatusView {
    /// The daemon's version.
    pub version: String,
    /// The daemon's time, which a simulation moves faster.
    pub now: Timestamp,
    /// `aws` or `simulated`.
    pub cloud: String,
    /// Accounts and regions that are looked at.
    pub places: u64,
    /// The modes.
    pub modes: ModesView,
    /// Who set the stop switch, and why; `None` when it is not set.
    pub stopped: Option<String>,
    /// Recommendations by state.
    pub recommendations: BTreeMap<String, u64>,
    /// Saving a month of all open recommendations whose price is known.
    pub open_saving_usd_monthly: Usd,
    /// Recommendations that somebody has approved and that take more than one person: who has, and how many are missing.
    #[serde(default)]
    pub lack_approvals: BTreeMap<String, String>,
    /// Exceptions that end soon or have ended, and wait for somebody to renew them or to let them go.
    #[serde(default)]
    pub exceptions_due: u64,
    /// Changes by state.
    pub changes: BTreeMap<String, u64>,
    /// What the last cycle since the start did.
    pub last_cycle: Option<CycleView>,
    /// Who is told of state changes, and whether it arrives.
    #[serde(default)]
    pub notify: Vec<ReceiverView>,
}

/// The status now.
#[must_use]
pub fn status(agent: &Agent) -> StatusView {
    let settings = agent.settings();
    let briefs = agent.briefs();
    let open = || briefs.queue().filter(|brief| brief.state.is_open());
    // By itself: within the value below the ledger would be held until all of it is there, over the outboxes' locks.
    let changes =
        count(agent.ledger().book().changes().values().map(|change| change.state.to_string()));
    StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: agent.ports().clock.now(),
        cloud: match &settings.cloud {
            Cloud::Aws { .. } => "aws".to_owned(),
            Cloud::Simulated { .. } | Cloud::Served { .. } => "simulated".to_owned(),
        },
        places: agent.places().len() as u64,
        modes: ModesView {
            default: settings.policy.modes.default,
            rules: settings.policy.modes.rules.len() as u64,
            open_recommendations: count(open().map(|brief| brief.mode.to_string())),
        },
        stopped: agent.stopped(),
        recommendations: count(briefs.queue().map(|brief| brief.state.as_str().to_owned())),
        open_saving_usd_monthly: open().filter_map(|brief| brief.saving).sum(),
        lack_approvals: briefs
            .queue()
            .filter_map(|brief| Some((brief.id.clone(), brief.lacks.clone()?)))
            .collect(),
        exceptions_due: due_exceptions(agent) as u64,
        changes,
        last_cycle: agent.last_cycle().map(|cycle| (*cycle).clone()),
        notify: agent.notifier.views(),
    }
}

pub(super) fn count(keys: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// One action of a resource, with its mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActionMode {
    /// The action.
    pub action: Action,
    /// The disruption that it causes.
    pub disruption: Disruption,
    /// Whether it is on at all.
    pub enabled: bool,
    /// The mode of a change that lowers no performance.
    pub mode: Mode,
    /// Which rule decided, and what lowered it.
    pub reason: String,
    /// The mode of a change that lowers performance.
    pub mode_with_decrease: Mode,
    /// Which rule decided that, and what lowered it.
    pub reason_with_decrease: String,
    /// What outcomes of such changes have taught, by what is counted together.
    #[serde(default)]
    pub learned: Vec<String>,
    /// Every open circuit over it, also one that lowers nothing because the mode is no higher without it.
    #[serde(default)]
    pub circuits: Vec<String>,
}

/// `GET /api/v1/modes/explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainView {
    /// The resource.
    pub resource: ResourceRef,
    /// Its group.
    pub group: String,
    /// The value of the tag that excludes it, if it has one.
    pub excluded: Option<String>,
    /// Every action of its kind.
    pub actions: Vec<ActionMode>,
}

/// Which rule decides the modes of a resource, and what lowers them now; `None` when the last cycle did not see it.
#[must_use]
pub fn explain(agent: &Agent, arn: &str) -> Option<ExplainView> {
    let (inventory, settings) = (agent.inventory(), agent.settings());
    let resource = inventory.get(&Arn(arn.to_owned()))?;
    let policy = &agent.rights.lowered(&settings.policy);
    let group = group_of(resource, &inventory, &policy.limits);
    let circuits = CircuitView::of(agent).circuits;
    let learned = {
        let ledger = agent.ledger();
        Learned::of(ledger.book().changes(), ledger.book().resets())
    };
    let scopes = scopes_of(agent, resource);
    let explain_action = |action: Action| {
        let scope = scopes.get(&action);
        let is_over = |trip: &&Trip| match &trip.scope {
            // Which of the family's rhythms is its own is known once something is recommended for it.
            Circuit::Trust(one) if scope.is_none() => is_of(one, resource, action),
            Circuit::Trust(_)
            | Circuit::Overall
            | Circuit::Part { .. }
            | Circuit::Resource { .. } => trip.covers_action(&resource.reference, action, scope),
        };
        let over = circuits.iter().filter(is_over);
        let decide = |lowers| {
            let mut mode = mode_of(&policy.modes, &resource.reference, &group, action, lowers);
            let covers = |trip: &&Trip| trip.covers_action(&resource.reference, action, scope);
            for trip in circuits.iter().filter(covers) {
                mode.lower_to(trip.mode, &trip.reason());
            }
            let unearned = match scope {
                Some(scope) => learned.reason_unearned(scope, &policy.autonomy),
                None => policy.autonomy.enabled.then(|| {
                    "what it has earned is known once something is recommended for it".to_owned()
                }),
            };
            if let Some(why) = unearned {
                mode.lower_to(Mode::Copilot, &why);
            }
            mode
        };
        let (keeps, lowers) = (decide(false), decide(true));
        ActionMode {
            action,
            disruption: Disruption::of(action),
            enabled: !policy.limits.disabled_actions.contains(&action),
            mode: keeps.mode,
            reason: keeps.reason,
            mode_with_decrease: lowers.mode,
            reason_with_decrease: lowers.reason,
            learned: evidence_of(&learned, resource, action),
            circuits: over
                .map(|trip| format!("at most {}: {}", trip.mode, trip.reason()))
                .collect(),
        }
    };
    Some(ExplainView {
        actions: actions_of(resource.reference.kind).iter().copied().map(explain_action).collect(),
        excluded: resource.tag(EXCLUDE_TAG).map(str::to_owned),
        resource: resource.reference.clone(),
        group,
    })
}

/// What is counted together with the open recommendations of a resource, by action.
fn scopes_of(agent: &Agent, resource: &Resource) -> BTreeMap<Action, learn::Scope> {
    let briefs = agent.briefs();
    let its = briefs.of(&resource.reference.arn).filter(|brief| brief.state.is_open());
    its.filter_map(|brief| agent.store().recommendation(&brief.id).ok()?)
        .map(|view| view.entry.recommendation)
        .map(|one| (one.action, learn::Scope::of(&one)))
        .collect()
}

/// The records of the resource's family, one line for each rhythm.
fn evidence_of(learned: &Learned, resource: &Resource, action: Action) -> Vec<String> {
    let line = |(scope, standing): (&learn::Scope, &Standing)| {
        let trust = standing.trust;
        let saved = trust.saving_ratio().map_or_else(String::new, |(mid, low, high)| {
            format!("; saves {mid:.2} ({low:.2} to {high:.2}) of what is promised")
        });
        format!(
            "{scope}: {} of {} failed, at most {:.1} % do with 95 % confidence{saved}",
            trust.failures,
            trust.outcomes,
            trust.failure_upper() * 100.0
        )
    };
    learned.scopes().filter(|(scope, _)| is_of(scope, resource, action)).map(line).collect()
}

/// Whether outcomes that are counted under `scope` are of the resource's family, in any rhythm.
fn is_of(scope: &learn::Scope, resource: &Resource, action: Action) -> bool {
    let kind = resource.reference.kind;
    scope.action == action && scope.kind == kind && scope.family == family(&resource.spec())
}

/// The actions that a kind of resource knows.
const fn actions_of(kind: Kind) -> &'static [Action] {
    match kind {
        Kind::Instance => &[Action::ResizeInstance, Action::StopIdleInstance],
        Kind::Volume => {
            &[Action::MigrateVolumeType, Action::TuneVolume, Action::DeleteUnattachedVolume]
        }
        Kind::Function => &[Action::TuneFunctionMemory],
        Kind::Group => {
            &[Action::TuneGroupCapacity, Action::ScheduleGroup, Action::ResizeGroupInstances]
        }
    }
}

#[cfg(test)]
mod tests;
