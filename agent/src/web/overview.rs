//! The overview: what the fleet costs and could save, what changes, what waits for whom, and how well the daemon sees.
//!
//! Not here: the figures' own pages.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Query, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use trimtab_models::{
    catalog::Catalog,
    money::{HOURS_PER_MONTH, Usd},
    resource::{Detail, InstanceState, Resource},
};
use trimtab_policies::{
    change::{Change, State as ChangeState},
    mode::Mode,
    plan::{CheckName, CheckVerdict},
};

use super::{
    frame::{Frame, Here, Visit},
    plot::{Figure, Savings, Spell, savings},
    shown,
};
use crate::{
    agent::Agent,
    api::Problem,
    brief::{Brief, Briefs},
    except::due_exceptions,
    notify::ReceiverView,
    view::{RecommendationState, check_name},
    words,
};

/// The shortest pause between two loads that the page offers, seconds.
const REFRESH_S: u32 = 5;
/// Reasons of a kind that are listed; the report has them all.
const REASONS_MAX: usize = 8;
/// The tenancy that list prices are for.
const SHARED_TENANCY: &str = "default";

#[derive(Debug, Default, Deserialize)]
pub(super) struct OverviewQuery {
    refresh: Option<u32>,
}

/// Something that waits, and for whom.
#[derive(Debug)]
struct Waiting {
    who: &'static str,
    what: &'static str,
    count: usize,
    saving: Option<String>,
    link: &'static str,
}

/// Open recommendations of one account and kind, by mode.
#[derive(Debug)]
struct ModesRow {
    account: String,
    kind: String,
    /// In datapilot, copilot and autopilot.
    counts: [usize; 3],
}

/// Changes that stand alike.
#[derive(Debug)]
struct ChangesRow {
    state: String,
    count: usize,
    promised: String,
}

/// How well the daemon sees.
#[derive(Debug, Default)]
struct Quality {
    cycle: Option<String>,
    points: u64,
    series: u64,
    failures: Vec<String>,
    not_sized: usize,
    not_sized_reasons: Vec<String>,
    unseen: Vec<String>,
    held: Vec<(String, usize)>,
}

#[derive(Debug, Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    refresh_s: Option<u32>,
    fleet: String,
    fleet_note: String,
    resources: usize,
    open: usize,
    potential: String,
    realized: String,
    own_cost: String,
    own_cost_note: String,
    default_mode: String,
    figure: Option<Figure>,
    waiting: Vec<Waiting>,
    modes: Vec<ModesRow>,
    changes: Vec<ChangesRow>,
    quality: Quality,
    receivers: Vec<ReceiverRow>,
}

/// One that is told of state changes.
#[derive(Debug)]
struct ReceiverRow {
    name: String,
    channel: String,
    success: String,
    pending: u64,
    troubles: String,
}

pub(super) async fn overview(
    visit: Visit,
    query: Result<Query<OverviewQuery>, QueryRejection>,
) -> Response {
    let refresh_s = query.ok().and_then(|Query(query)| query.refresh);
    let refresh_s = refresh_s.map(|seconds| seconds.max(REFRESH_S));
    shown(move || page(&visit, refresh_s)).await
}

fn page(visit: &Visit, refresh_s: Option<u32>) -> Result<OverviewPage, Problem> {
    let agent = &visit.state.agent;
    let briefs = agent.briefs();
    let now = agent.ports().clock.now();
    let open = || briefs.queue().filter(|brief| brief.state.is_open());
    let (cost, unpriced) = fleet_cost(agent, &briefs);
    let (own_cost, own_cost_note) = own_cost(agent);
    let saved = {
        let ledger = agent.ledger();
        let changes: Vec<&Change> = ledger.book().changes().values().collect();
        OfChanges::new(&briefs, &changes)
    };
    let figure = savings(&saved.savings, now);
    Ok(OverviewPage {
        frame: Frame::new(visit, Here::Overview),
        refresh_s,
        fleet: cost.to_string(),
        fleet_note: format!("{unpriced} resources without a known price are left out"),
        resources: agent.inventory().len(),
        open: open().count(),
        potential: open().filter_map(|brief| brief.saving).sum::<Usd>().to_string(),
        realized: saved.realized.to_string(),
        own_cost,
        own_cost_note,
        default_mode: agent.settings().policy.modes.default.to_string(),
        figure,
        waiting: waiting(&briefs, &saved, due_exceptions(agent)),
        modes: modes(&briefs),
        changes: saved.rows,
        quality: quality(agent, &briefs),
        receivers: receivers(agent),
    })
}

fn receivers(agent: &Agent) -> Vec<ReceiverRow> {
    let views = agent.notifier.views().into_iter();
    let row = |view: ReceiverView| ReceiverRow {
        success: view.outbox.last_success_at.map_or_else(|| "never".to_owned(), words::time),
        pending: view.outbox.pending,
        troubles: words::troubles(&view.outbox),
        name: view.name,
        channel: view.channel,
    };
    views.map(row).collect()
}

/// What the resources cost a month at list prices, and how many have no price: machines that run and volumes by the
/// catalogue, functions as their recommendation says. A group costs what its members do.
fn fleet_cost(agent: &Agent, briefs: &Briefs) -> (Usd, usize) {
    let (catalog, inventory) = (agent.catalog(), agent.inventory());
    let told: BTreeMap<&str, Usd> = briefs
        .queue()
        .filter(|brief| brief.state.is_open())
        .filter_map(|brief| Some((brief.resource.arn.0.as_str(), brief.cost?)))
        .collect();
    let (mut sum, mut unpriced) = (Usd::ZERO, 0);
    for resource in inventory.values() {
        let known = match &resource.detail {
            Detail::Group(_) => Some(Usd::ZERO),
            Detail::Function(_) => told.get(resource.reference.arn.0.as_str()).copied(),
            Detail::Instance(_) | Detail::Volume(_) => list_price(&catalog, resource),
        };
        match known {
            Some(cost) => sum = sum.saturating_add(cost),
            None => unpriced += 1,
        }
    }
    (sum, unpriced)
}

fn list_price(catalog: &Catalog, resource: &Resource) -> Option<Usd> {
    let region = &resource.reference.region;
    if let Some(volume) = resource.volume() {
        return Some(catalog.volume_price_monthly(region, &volume.spec)?.0);
    }
    let instance = resource.instance()?;
    match instance.state {
        InstanceState::Stopped | InstanceState::Terminated => return Some(Usd::ZERO),
        InstanceState::Pending
        | InstanceState::Running
        | InstanceState::Stopping
        | InstanceState::ShuttingDown => {}
    }
    if instance.tenancy != SHARED_TENANCY {
        return None;
    }
    let price = catalog.instance_price(&instance.instance_type, region, &instance.platform)?;
    Some(price.per_hour.monthly())
}

/// What looking has cost since the start.
fn own_cost(agent: &Agent) -> (String, String) {
    let Some(billed) = agent.billed() else {
        return (words::UNKNOWN.to_owned(), "no cycle has ended since the start".to_owned());
    };
    let cost = billed.cost.map_or_else(|| words::UNKNOWN.to_owned(), |cost| cost.to_string());
    (cost, format!("{} metrics read since {}", billed.metrics, words::time(billed.since)))
}

/// What the page tells of changes.
struct OfChanges {
    savings: Savings,
    /// Saved so far, as measured.
    realized: Usd,
    rows: Vec<ChangesRow>,
    wanted: usize,
    troubled: usize,
}

impl OfChanges {
    fn new(briefs: &Briefs, changes: &[&Change]) -> Self {
        let mut rows: BTreeMap<String, (usize, Usd)> = BTreeMap::new();
        for change in changes {
            let row = rows.entry(change.state.to_string()).or_insert((0, Usd::ZERO));
            row.0 += 1;
            row.1 = row.1.saturating_add(change.recommendation.saving.unwrap_or(Usd::ZERO));
        }
        let is_troubled = |change: &&&Change| match change.state {
            ChangeState::Inconclusive | ChangeState::Conflicted | ChangeState::Stuck => true,
            ChangeState::Queued
            | ChangeState::Executing
            | ChangeState::Watching
            | ChangeState::Kept
            | ChangeState::Undoing
            | ChangeState::Undone => false,
        };
        let asks =
            |change: &&&Change| change.undo_wanted.as_ref().is_some_and(|one| !one.automatic);
        Self {
            savings: Savings {
                potential: briefs.queue().filter_map(potential).collect(),
                promised: changes.iter().filter_map(|one| promised(one)).collect(),
                measured: changes.iter().filter_map(|one| measured(one)).collect(),
            },
            realized: changes.iter().filter_map(|one| Some(one.realized?.saved)).sum(),
            rows: rows
                .into_iter()
                .map(|(state, (count, promised))| ChangesRow {
                    state,
                    count,
                    promised: promised.to_string(),
                })
                .collect(),
            wanted: changes.iter().filter(asks).count(),
            troubled: changes.iter().filter(is_troubled).count(),
        }
    }
}

/// A recommendation counts from its first sight on, and while it is open.
fn potential(brief: &Brief) -> Option<Spell> {
    Some(Spell {
        from_s: brief.first_seen_at.as_second(),
        until_s: (!brief.state.is_open()).then(|| brief.confirmed_at.as_second()),
        monthly: brief.saving?.dollars(),
    })
}

/// A change counts while it is in force.
fn promised(change: &Change) -> Option<Spell> {
    let taken_back = change.undo_reason.as_ref().map(|_| {
        change.outcome.as_ref().map_or(change.opened_at, |outcome| outcome.at).as_second()
    });
    Some(Spell {
        from_s: change.applied_at?.as_second(),
        until_s: taken_back,
        monthly: change.recommendation.saving?.dollars(),
    })
}

/// The same at what it saved in the time that was measured; nothing before it was.
fn measured(change: &Change) -> Option<Spell> {
    let realized = change.realized.filter(|one| one.hours > 0.0)?;
    let monthly = realized.saved.dollars() / realized.hours * HOURS_PER_MONTH as f64;
    Some(Spell { monthly, ..promised(change)? })
}

fn waiting(briefs: &Briefs, changes: &OfChanges, due: usize) -> Vec<Waiting> {
    let of = |takes: fn(&Brief) -> bool| {
        let found = || briefs.queue().filter(move |brief| takes(brief));
        let saving: Usd = found().filter_map(|brief| brief.saving).sum();
        (found().count(), Some(saving.to_string()))
    };
    let row = |who, what, (count, saving), link| Waiting { who, what, count, saving, link };
    let all = [
        row(
            "an approver",
            "recommendations that need a yes or no",
            of(|brief| brief.state == RecommendationState::AwaitingApproval),
            "/recommendations?state=awaiting_approval",
        ),
        row(
            "another approver",
            "recommendations that somebody has approved and that take more than one",
            of(|brief| brief.lacks.is_some()),
            "/recommendations?state=awaiting_approval",
        ),
        row(
            "an approver",
            "exceptions that end soon or have ended: renew them, or let them go",
            (due, None),
            "/exceptions",
        ),
        row(
            "a person",
            "changes against which something speaks: undo them, or leave them",
            (changes.wanted, None),
            "/changes?state=watching",
        ),
        row(
            "a person",
            "changes that ended inconclusive, conflicted or stuck",
            (changes.troubled, None),
            "/changes",
        ),
        row(
            "their time",
            "approved recommendations: a window, a quiet hour, or a check",
            of(|brief| brief.state == RecommendationState::Approved),
            "/recommendations?state=approved",
        ),
        row(
            "their checks",
            "recommendations that autopilot holds back until they pass",
            of(|brief| brief.state.is_open() && brief.mode == Mode::Autopilot),
            "/recommendations?mode=autopilot",
        ),
        row(
            "their owner's code",
            "recommendations for what somebody else manages",
            of(|brief| {
                let owned = |held: &trimtab_policies::plan::CheckResult| {
                    held.check == CheckName::Ownership && held.verdict == CheckVerdict::Fail
                };
                brief.state.is_open() && brief.held.iter().any(owned)
            }),
            "/recommendations",
        ),
        row(
            "nobody",
            "recommendations in datapilot: shown only",
            of(|brief| brief.state.is_open() && brief.mode == Mode::Datapilot),
            "/recommendations?mode=datapilot",
        ),
    ];
    all.into_iter().filter(|row| row.count > 0).collect()
}

fn modes(briefs: &Briefs) -> Vec<ModesRow> {
    let mut rows: BTreeMap<(&str, &str), [usize; 3]> = BTreeMap::new();
    for brief in briefs.queue().filter(|brief| brief.state.is_open()) {
        let key = (brief.resource.account.as_str(), brief.resource.kind.as_str());
        let counts = rows.entry(key).or_default();
        counts[match brief.mode {
            Mode::Datapilot => 0,
            Mode::Copilot => 1,
            Mode::Autopilot => 2,
        }] += 1;
    }
    rows.into_iter()
        .map(|((account, kind), counts)| ModesRow {
            account: account.to_owned(),
            kind: kind.to_owned(),
            counts,
        })
        .collect()
}

fn quality(agent: &Agent, briefs: &Briefs) -> Quality {
    let (mut held, mut unseen) = (BTreeMap::new(), BTreeMap::new());
    for brief in briefs.queue().filter(|brief| brief.state.is_open()) {
        for result in &brief.held {
            *held.entry(check_name(result.check)).or_insert(0) += 1;
        }
        for what in &brief.unseen {
            *unseen.entry(what.as_str()).or_insert(0_usize) += 1;
        }
    }
    let mut held: Vec<(String, usize)> = held.into_iter().collect();
    held.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let unseen = unseen.into_iter().map(|(what, count)| format!("{what}: of {count} open"));
    let told = Quality { held, unseen: unseen.collect(), ..Quality::default() };
    let Some(cycle) = agent.last_cycle() else { return told };
    let failure = |one: &crate::view::ServiceFailure| {
        format!("{} {} {}: {}", one.account, one.region, one.service, one.error)
    };
    let reason =
        |one: &trimtab_models::recommendation::NotSized| format!("{}: {}", one.arn, one.reason);
    Quality {
        cycle: Some(words::time(cycle.ended_at)),
        points: cycle.points_received,
        series: cycle.series_requested,
        failures: cycle.failures.iter().map(failure).collect(),
        not_sized: cycle.not_sized.len(),
        not_sized_reasons: cycle.not_sized.iter().take(REASONS_MAX).map(reason).collect(),
        ..told
    }
}
