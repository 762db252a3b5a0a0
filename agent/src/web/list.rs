//! The queue of recommendations: filtered, ranked by saving against risk, fifty a page, from the briefs alone.
//!
//! Not here: one recommendation in full (`recommendation`) and answers to several (`batch`).

use askama::Template;
use axum::{
    extract::{Query, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use trimtab_models::{money::Usd, recommendation::Action, resource::Kind};
use trimtab_policies::mode::Mode;

use super::{
    frame::{Frame, Here, Visit},
    problem_page,
    rows::CheckRow,
    shown,
};
use crate::{agent::Agent, api::Problem, brief::Brief, view::RecommendationState, words};

/// Rows of a page: what a person reviews at a time, and what is answered at once.
pub(super) const ROWS: usize = 50;

/// What the list is narrowed to; an empty field narrows nothing, an unknown value leaves nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    state: String,
    account: String,
    region: String,
    kind: String,
    action: String,
    mode: String,
    tag: String,
    q: String,
    sort: String,
    page: usize,
}

impl Filter {
    fn takes(&self, brief: &Brief, sought: &str) -> bool {
        let is = |wanted: &str, value: &str| wanted.is_empty() || wanted == value;
        let state = match self.state.as_str() {
            "" | "open" => brief.state.is_open(),
            "all" => true,
            one => one == brief.state.as_str(),
        };
        state
            && is(&self.account, &brief.resource.account)
            && is(&self.region, &brief.resource.region)
            && is(&self.kind, brief.resource.kind.as_str())
            && is(&self.action, brief.action.as_str())
            && (self.mode.is_empty() || self.mode == brief.mode.to_string())
            && has_tag(&self.tag, &brief.resource.tags)
            && (sought.is_empty() || brief.sought_in.contains(sought))
    }
}

/// Whether a tag is there: `key`, or `key=value`.
fn has_tag(wanted: &str, tags: &std::collections::BTreeMap<String, String>) -> bool {
    match wanted.split_once('=') {
        _ if wanted.is_empty() => true,
        Some((key, value)) => tags.get(key.trim()).is_some_and(|found| found == value.trim()),
        None => tags.contains_key(wanted.trim()),
    }
}

/// A row of the list.
#[derive(Debug)]
pub(super) struct ListRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) place: String,
    pub(super) action: &'static str,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) saving: String,
    pub(super) basis: String,
    pub(super) risk: String,
    pub(super) disruption: String,
    pub(super) state: &'static str,
    pub(super) state_words: String,
    pub(super) mode: String,
    pub(super) decision: String,
    pub(super) decided: Option<String>,
    pub(super) begins: Option<String>,
    pub(super) until: Option<String>,
    pub(super) recurring: Option<String>,
    pub(super) change_id: Option<String>,
    pub(super) is_open: bool,
    pub(super) held: Vec<CheckRow>,
}

impl ListRow {
    pub(super) fn new(brief: &Brief) -> Self {
        let resource = &brief.resource;
        Self {
            id: brief.id.clone(),
            name: brief.name(),
            place: format!("{} · {} · {}", resource.kind, resource.account, resource.region),
            action: brief.action.as_str(),
            from: brief.from_to.0.clone(),
            to: brief.from_to.1.clone(),
            saving: words::saving(brief.saving),
            basis: brief.saving_basis.clone(),
            risk: brief.risk_told.clone(),
            disruption: brief.disruption.to_string(),
            state: brief.state.as_str(),
            state_words: brief.state.as_str().replace('_', " "),
            mode: brief.mode.to_string(),
            decision: brief.decision.to_string().replace('_', " "),
            decided: brief.decided.clone(),
            begins: brief.begins.clone(),
            until: brief.until.filter(|_| brief.begins.is_none()).map(words::time),
            recurring: brief.recurring.clone(),
            change_id: brief.change_id.clone(),
            is_open: brief.state.is_open(),
            held: brief.held.iter().map(CheckRow::new).collect(),
        }
    }
}

/// A choice of a filter.
#[derive(Debug)]
pub(super) struct Choice {
    value: String,
    name: String,
    is_chosen: bool,
}

/// A filter with its choices.
#[derive(Debug)]
pub(super) struct Select {
    field: &'static str,
    label: &'static str,
    choices: Vec<Choice>,
}

/// Which rows of how many are shown.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) page: usize,
    pub(super) pages: usize,
    pub(super) total: usize,
}

impl Pages {
    /// The page that exists closest to the one asked for; they count from one.
    pub(super) fn of(asked: usize, total: usize) -> Self {
        let pages = total.div_ceil(ROWS).max(1);
        Self { page: asked.clamp(1, pages), pages, total }
    }

    /// The rows before this page.
    pub(super) const fn skipped(&self) -> usize {
        (self.page - 1) * ROWS
    }
}

#[derive(Debug, Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    filter: Filter,
    selects: Vec<Select>,
    pages: Pages,
    saving: String,
    rows: Vec<ListRow>,
}

pub(super) async fn list(visit: Visit, filter: Result<Query<Filter>, QueryRejection>) -> Response {
    match filter {
        Ok(Query(filter)) => shown(move || Ok(page(&visit, filter))).await,
        Err(rejection) => problem_page(Problem::bad_request(rejection.body_text())),
    }
}

fn page(visit: &Visit, filter: Filter) -> ListPage {
    let briefs = visit.state.agent.briefs();
    let sought = filter.q.trim().to_lowercase();
    let mut found: Vec<&Brief> = briefs.queue().filter(|one| filter.takes(one, &sought)).collect();
    let saving: Usd = found.iter().filter_map(|brief| brief.saving).sum();
    let pages = Pages::of(filter.page, found.len());
    let rows = ranked(&mut found, &filter.sort, pages.skipped());
    ListPage {
        frame: Frame::new(visit, Here::Recommendations),
        selects: selects(&visit.state.agent, &filter),
        saving: saving.to_string(),
        rows: rows.iter().map(|brief| ListRow::new(brief)).collect(),
        filter,
        pages,
    }
}

/// The rows of one page in their order; those found come in the order of the queue. In another order everything before
/// them is only known to be before them, and is not sorted.
fn ranked<'a, 'b>(found: &'a mut [&'b Brief], sort: &str, skipped: usize) -> &'a [&'b Brief] {
    let compare = |one: &&Brief, other: &&Brief| {
        let first = match sort {
            "saving" => other.saving.cmp(&one.saving),
            "risk" => one.risk.unwrap_or(1.0).total_cmp(&other.risk.unwrap_or(1.0)),
            _ => other.first_seen_at.cmp(&one.first_seen_at),
        };
        first.then_with(|| one.order().cmp(&other.order()))
    };
    let end = found.len().min(skipped + ROWS);
    if !["saving", "risk", "newest"].contains(&sort) {
        return &found[skipped.min(end)..end];
    }
    if end < found.len() {
        found.select_nth_unstable_by(end, compare);
    }
    if skipped > 0 && skipped < end {
        found[..end].select_nth_unstable_by(skipped, compare);
    }
    let rows = &mut found[skipped.min(end)..end];
    rows.sort_unstable_by(compare);
    rows
}

fn selects(agent: &Agent, filter: &Filter) -> Vec<Select> {
    let settings = agent.settings();
    let select = |field, label, chosen: &str, choices: Vec<(String, String)>| Select {
        field,
        label,
        choices: choices
            .into_iter()
            .map(|(value, name)| Choice { is_chosen: value == chosen, value, name })
            .collect(),
    };
    let any = |choices: Vec<String>| {
        let named = choices.into_iter().map(|one| (one.clone(), one));
        std::iter::once((String::new(), "any".to_owned())).chain(named).collect::<Vec<_>>()
    };
    let mut accounts = any(Vec::new());
    accounts.extend(
        settings
            .accounts
            .iter()
            .map(|account| (account.id.clone(), format!("{} ({})", account.name, account.id))),
    );
    let regions: std::collections::BTreeSet<_> =
        settings.accounts.iter().flat_map(|account| account.regions.clone()).collect();
    let modes = [Mode::Datapilot, Mode::Copilot, Mode::Autopilot].map(|mode| mode.to_string());
    vec![
        select("state", "State", &filter.state, states()),
        select("account", "Account", &filter.account, accounts),
        select("region", "Region", &filter.region, any(regions.into_iter().collect())),
        select("kind", "Kind", &filter.kind, any(Kind::ALL.map(|one| one.to_string()).into())),
        select(
            "action",
            "Action",
            &filter.action,
            any(Action::ALL.map(|one| one.to_string()).into()),
        ),
        select("mode", "Mode", &filter.mode, any(modes.into())),
        select("sort", "Order", &filter.sort, orders()),
    ]
}

fn states() -> Vec<(String, String)> {
    let named = RecommendationState::ALL
        .map(|state| (state.as_str().to_owned(), state.as_str().replace('_', " ")));
    let fixed =
        [("", "open"), ("all", "all")].map(|(value, name)| (value.to_owned(), name.to_owned()));
    fixed.into_iter().chain(named).collect()
}

fn orders() -> Vec<(String, String)> {
    [
        ("", "saving against risk"),
        ("saving", "saving"),
        ("risk", "least risk"),
        ("newest", "newest"),
    ]
    .map(|(value, name)| (value.to_owned(), name.to_owned()))
    .into()
}
