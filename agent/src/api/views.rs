//! What the API answers beyond recommendations and changes: status, modes explained, and the report.
//!
//! Not here: recommendations and changes themselves (`view`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use trimtab_config::Cloud;
use trimtab_models::{
    money::Usd,
    recommendation::Action,
    resource::{Arn, Kind, Resource, ResourceRef},
};
use trimtab_policies::{
    change::State,
    circuit::{Trip, trips},
    mode::{Disruption, EXCLUDE_TAG, Mode, mode_of},
    plan::CheckVerdict,
    scope::group_of,
};

use crate::{
    agent::Agent,
    store::StoreError,
    view::{ChangeView, CycleView, RecommendationView, ServiceFailure, check_name},
};

/// `GET /api/v1/recommendations`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecommendationsBody {
    /// Open ones first, then by saving.
    pub recommendations: Vec<RecommendationView>,
}

/// `GET /api/v1/changes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangesBody {
    /// Newest first.
    pub changes: Vec<ChangeView>,
}

/// `GET /api/v1/inventory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InventoryBody {
    /// In the order of the ARNs.
    pub resources: Vec<Resource>,
}

/// `GET /api/v1/circuit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        Self { circuits: trips(book.changes(), book.resets()) }
    }
}

/// The modes in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModesView {
    /// Where no rule matches.
    pub default: Mode,
    /// How many rules there are.
    pub rules: u64,
    /// Open recommendations by the mode that each came to.
    pub open_recommendations: BTreeMap<String, u64>,
}

/// `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Changes by state.
    pub changes: BTreeMap<String, u64>,
    /// What the last cycle since the start did.
    pub last_cycle: Option<CycleView>,
}

/// The status now.
///
/// # Errors
/// When the store cannot be read.
pub fn status(agent: &Agent) -> Result<StatusView, StoreError> {
    let settings = agent.settings();
    let views = agent.store().recommendations()?;
    let open = || views.values().filter(|view| view.state.is_open());
    Ok(StatusView {
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
            open_recommendations: count(open().map(|view| view.entry.mode.to_string())),
        },
        stopped: agent.stopped(),
        recommendations: count(views.values().map(|view| view.state.as_str().to_owned())),
        open_saving_usd_monthly: open().filter_map(|view| view.entry.recommendation.saving).sum(),
        changes: count(
            agent.ledger().book().changes().values().map(|change| change.state.to_string()),
        ),
        last_cycle: agent.last_cycle().map(|cycle| (*cycle).clone()),
    })
}

fn count(keys: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// One action of a resource, with its mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// `GET /api/v1/modes/explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Which rule decides the modes of a resource; `None` when the last cycle did not see it.
#[must_use]
pub fn explain(agent: &Agent, arn: &str) -> Option<ExplainView> {
    let (inventory, settings) = (agent.inventory(), agent.settings());
    let resource = inventory.get(&Arn(arn.to_owned()))?;
    let policy = &settings.policy;
    let group = group_of(resource, &inventory, &policy.limits);
    let explain_action = |action: Action| {
        let decide = |lowers| mode_of(&policy.modes, &resource.reference, &group, action, lowers);
        let (keeps, lowers) = (decide(false), decide(true));
        ActionMode {
            action,
            disruption: Disruption::of(action),
            enabled: !policy.limits.disabled_actions.contains(&action),
            mode: keeps.mode,
            reason: keeps.reason,
            mode_with_decrease: lowers.mode,
            reason_with_decrease: lowers.reason,
        }
    };
    Some(ExplainView {
        actions: actions_of(resource.reference.kind).iter().copied().map(explain_action).collect(),
        excluded: resource.tag(EXCLUDE_TAG).map(str::to_owned),
        resource: resource.reference.clone(),
        group,
    })
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

/// Recommendations of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportLine {
    /// The action.
    pub action: Action,
    /// How many are open.
    pub open: u64,
    /// What the open ones would save a month, where their price is known.
    pub saving_usd_monthly: Usd,
}

/// `GET /api/v1/report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportView {
    /// Start of the time reported on.
    pub since: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// Resources of the last cycle, by kind.
    pub resources: BTreeMap<String, u64>,
    /// Open recommendations by action.
    pub open: Vec<ReportLine>,
    /// Saving a month of all open recommendations.
    pub open_saving_usd_monthly: Usd,
    /// Open recommendations that each check holds back.
    pub held_by: BTreeMap<String, u64>,
    /// Changes begun in the time, by state.
    pub changes: BTreeMap<String, u64>,
    /// Saving a month of the changes begun in the time and kept, as it was promised.
    pub kept_saving_usd_monthly: Usd,
    /// What the last cycle could not ask.
    pub failures: Vec<ServiceFailure>,
    /// Resources that the last cycle looked at and did not size.
    pub not_sized: u64,
}

/// The report on the last `since_days` days.
///
/// # Errors
/// When the store cannot be read.
pub fn report(agent: &Agent, since_days: u32) -> Result<ReportView, StoreError> {
    let until = agent.ports().clock.now();
    let since = until
        .saturating_sub(SignedDuration::from_hours(24 * i64::from(since_days)))
        .unwrap_or(Timestamp::MIN);
    let mut views = agent.store().recommendations()?;
    views.retain(|_, view| view.state.is_open());
    let lines = Action::ALL.iter().map(|action| report_line(*action, views.values()));
    let open: Vec<_> = lines.filter(|line| line.open > 0).collect();
    let failing = views
        .values()
        .flat_map(|view| &view.entry.checks)
        .filter(|result| result.verdict != CheckVerdict::Pass);
    let held_by = count(failing.map(|result| check_name(result.check)));
    let changes: Vec<_> = {
        let ledger = agent.ledger();
        let begun = ledger.book().changes().values().filter(|change| change.opened_at >= since);
        begun.map(|change| (change.state, change.recommendation.saving)).collect()
    };
    let kept = changes.iter().filter(|(state, _)| *state == State::Kept);
    let cycle = agent.last_cycle();
    Ok(ReportView {
        since,
        until,
        resources: cycle.as_ref().map(|cycle| cycle.resources.clone()).unwrap_or_default(),
        open_saving_usd_monthly: open.iter().map(|line| line.saving_usd_monthly).sum(),
        open,
        held_by,
        kept_saving_usd_monthly: kept.filter_map(|(_, saving)| *saving).sum(),
        changes: count(changes.iter().map(|(state, _)| state.to_string())),
        failures: cycle.as_ref().map(|cycle| cycle.failures.clone()).unwrap_or_default(),
        not_sized: cycle.map_or(0, |cycle| cycle.not_sized.len() as u64),
    })
}

fn report_line<'a>(
    action: Action,
    views: impl Iterator<Item = &'a RecommendationView>,
) -> ReportLine {
    let savings: Vec<_> = views
        .map(|view| &view.entry.recommendation)
        .filter(|r| r.action == action)
        .map(|r| r.saving)
        .collect();
    ReportLine {
        action,
        open: savings.len() as u64,
        saving_usd_monthly: savings.into_iter().flatten().sum(),
    }
}
