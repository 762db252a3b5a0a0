//! The report: what was found, done, saved and withheld in a time, and what looking cost.
//!
//! Not here: how it is laid out (`cli::report`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use trimtab_models::{money::Usd, recommendation::Action, saving::Realized};
use trimtab_policies::{
    change::{Change, State},
    plan::{CheckVerdict, Disposition},
};

use super::{
    decided::{Decided, decided},
    views::count,
};
use crate::{
    agent::{Agent, Billed},
    journal::ChainError,
    store::StoreError,
    view::{RecommendationView, ServiceFailure, check_name},
    words,
};

/// Recurring recommendations that are told one by one: what a person looks through at once.
const RECURRING: usize = 20;
/// Resources that are named for each check: the list of recommendations has all.
const RESOURCES: usize = 3;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The recommendations.
    #[error("the recommendations cannot be read")]
    Store(#[from] StoreError),
    /// The decisions.
    #[error("what people decided cannot be read from the journal")]
    Journal(#[from] ChainError),
}

/// Recommendations of one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportLine {
    /// The action.
    pub action: Action,
    /// How many are open.
    pub open: u64,
    /// What the open ones would save a month, where their price is known.
    pub saving_usd_monthly: Usd,
}

/// Changes of one action that stand alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeLine {
    /// The action.
    pub action: Action,
    /// Where they stand.
    pub state: State,
    /// How many.
    pub changes: u64,
    /// What they promised a month, where that is known.
    pub promised_usd_monthly: Usd,
    /// What those that were measured have saved beside what was promised for the same time; `None` where none was.
    pub saving: Option<SavingLine>,
}

/// What changes have saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavingLine {
    /// Changes that were measured.
    pub measured: u64,
    /// What was promised for the time measured.
    pub predicted_usd: Usd,
    /// What was saved.
    pub saved_usd: Usd,
    /// The sum of the least that each may have saved.
    pub low_usd: Usd,
    /// The sum of the most.
    pub high_usd: Usd,
}

/// What one check holds back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WithheldLine {
    /// The check.
    pub check: String,
    /// Open recommendations that it holds back.
    pub count: u64,
    /// What they would save a month.
    pub saving_usd_monthly: Usd,
    /// Why the one that would save most is held back.
    pub reason: String,
    /// How many have been for so long that a person should look.
    pub recurring: u64,
    /// The resources of those that would save most.
    #[serde(default)]
    pub resources: Vec<String>,
}

/// A recommendation that the same checks hold back again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecurringLine {
    /// Its id.
    pub id: String,
    /// The resource as people know it.
    pub resource: String,
    /// The action.
    pub action: Action,
    /// The checks.
    pub held_by: Vec<String>,
    /// Since when.
    pub since: Timestamp,
    /// What it would save a month; `None` without a price.
    pub saving_usd_monthly: Option<Usd>,
}

/// `GET /api/v1/report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Changes begun in the time, by action and state.
    #[serde(default)]
    pub outcomes: Vec<OutcomeLine>,
    /// What all changes begun in the time have saved; `None` where none was measured.
    #[serde(default)]
    pub saving: Option<SavingLine>,
    /// What is withheld, by check, the dearest first.
    #[serde(default)]
    pub withheld: Vec<WithheldLine>,
    /// Open recommendations that are held back again and again, the dearest first; at most twenty.
    #[serde(default)]
    pub recurring: Vec<RecurringLine>,
    /// How many of those there are.
    #[serde(default)]
    pub recurring_total: u64,
    /// What people decided in the time.
    #[serde(default)]
    pub decided: Decided,
    /// What looking cost: metrics that CloudWatch bills for, since the daemon started.
    #[serde(default)]
    pub own_cost: Option<Billed>,
}

/// Where a report begins that looks back so many days.
#[must_use]
pub fn days_before(now: Timestamp, days: u32) -> Timestamp {
    now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN)
}

/// The report on the time since then.
///
/// # Errors
/// When the store or the journal cannot be read.
pub fn report(agent: &Agent, since: Timestamp) -> Result<ReportView, ReportError> {
    let until = agent.ports().clock.now();
    let decided = decided(agent, since)?;
    let mut views = agent.store().recommendations()?;
    views.retain(|_, view| view.state.is_open());
    let lines = Action::ALL.iter().map(|action| report_line(*action, views.values()));
    let open: Vec<_> = lines.filter(|line| line.open > 0).collect();
    let failing = views
        .values()
        .flat_map(|view| &view.entry.checks)
        .filter(|result| result.verdict != CheckVerdict::Pass);
    let held_by = count(failing.map(|result| check_name(result.check)));
    let changes: Vec<Change> = {
        let ledger = agent.ledger();
        let changes = ledger.book().changes().values();
        changes.filter(|change| change.opened_at >= since).cloned().collect()
    };
    let kept = changes.iter().filter(|change| change.state == State::Kept);
    let cycle = agent.last_cycle();
    let mut recurring: Vec<_> = views.values().filter_map(recurring_line).collect();
    recurring.sort_by_key(|line| std::cmp::Reverse(line.saving_usd_monthly));
    let recurring_total = recurring.len() as u64;
    recurring.truncate(RECURRING);
    Ok(ReportView {
        since,
        until,
        resources: cycle.as_ref().map(|cycle| cycle.resources.clone()).unwrap_or_default(),
        open_saving_usd_monthly: open.iter().map(|line| line.saving_usd_monthly).sum(),
        open,
        held_by,
        kept_saving_usd_monthly: kept.filter_map(|change| change.recommendation.saving).sum(),
        changes: count(changes.iter().map(|change| change.state.to_string())),
        failures: cycle.as_ref().map(|cycle| cycle.failures.clone()).unwrap_or_default(),
        not_sized: cycle.map_or(0, |cycle| cycle.not_sized.len() as u64),
        outcomes: outcomes(&changes),
        saving: saving(&changes.iter().collect::<Vec<_>>()),
        withheld: withheld(views.values()),
        recurring,
        recurring_total,
        decided,
        own_cost: agent.billed(),
    })
}

fn recurring_line(view: &RecommendationView) -> Option<RecurringLine> {
    let held = view.held.as_ref().filter(|held| held.recurring)?;
    let recommendation = &view.entry.recommendation;
    Some(RecurringLine {
        id: view.entry.id.clone(),
        resource: words::name(&recommendation.resource, &recommendation.resource_id),
        action: recommendation.action,
        held_by: held.by.iter().map(|check| check_name(*check)).collect(),
        since: held.since,
        saving_usd_monthly: recommendation.saving,
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

fn outcomes(changes: &[Change]) -> Vec<OutcomeLine> {
    let mut groups: BTreeMap<(Action, State), Vec<&Change>> = BTreeMap::new();
    for change in changes {
        groups.entry((change.recommendation.action, change.state)).or_default().push(change);
    }
    let line = |((action, state), changes): ((Action, State), Vec<&Change>)| OutcomeLine {
        action,
        state,
        changes: changes.len() as u64,
        promised_usd_monthly: changes.iter().filter_map(|one| one.recommendation.saving).sum(),
        saving: saving(&changes),
    };
    groups.into_iter().map(line).collect()
}

fn saving(changes: &[&Change]) -> Option<SavingLine> {
    let measured: Vec<Realized> = changes.iter().filter_map(|change| change.realized).collect();
    (!measured.is_empty()).then(|| SavingLine {
        measured: measured.len() as u64,
        predicted_usd: measured.iter().filter_map(|one| one.predicted).sum(),
        saved_usd: measured.iter().map(|one| one.saved).sum(),
        low_usd: measured.iter().map(|one| one.low).sum(),
        high_usd: measured.iter().map(|one| one.high).sum(),
    })
}

fn withheld<'a>(views: impl Iterator<Item = &'a RecommendationView>) -> Vec<WithheldLine> {
    let mut views: Vec<_> =
        views.filter(|view| view.entry.decision == Disposition::Withheld).collect();
    views.sort_by_key(|view| std::cmp::Reverse(view.entry.recommendation.saving));
    let mut lines: BTreeMap<String, WithheldLine> = BTreeMap::new();
    for view in views {
        let holding = view.entry.checks.iter().filter(|one| one.verdict != CheckVerdict::Pass);
        for result in holding {
            let check = check_name(result.check);
            let line = lines.entry(check.clone()).or_insert_with(|| WithheldLine {
                check,
                count: 0,
                saving_usd_monthly: Usd::ZERO,
                reason: result.reason.clone(),
                recurring: 0,
                resources: Vec::new(),
            });
            // The dearest come first.
            if line.resources.len() < RESOURCES {
                let recommendation = &view.entry.recommendation;
                let name = words::name(&recommendation.resource, &recommendation.resource_id);
                line.resources.push(name);
            }
            line.count += 1;
            line.recurring += u64::from(words::recurring(view).is_some());
            let saving = view.entry.recommendation.saving.unwrap_or(Usd::ZERO);
            line.saving_usd_monthly = line.saving_usd_monthly.saturating_add(saving);
        }
    }
    let mut lines: Vec<_> = lines.into_values().collect();
    lines.sort_by_key(|line| std::cmp::Reverse((line.saving_usd_monthly, line.count)));
    lines
}
