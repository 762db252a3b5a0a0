//! The inventory: what was discovered, searched, and how it hangs together: group, instances, volumes.
//!
//! Not here: discovery (`observe`).

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Query, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use trimtab_models::resource::{Arn, Kind, Resource};
use trimtab_policies::ownership::owners;

use super::{
    frame::{Frame, Here, Visit},
    list::{ListRow, Pages, ROWS},
    problem_page,
    rows::ChangeRow,
    shown,
};
use crate::{
    agent::Agent,
    api::{self, Problem},
    words,
};

type Inventory = BTreeMap<Arn, Resource>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct InventoryQuery {
    q: String,
    kind: String,
    page: usize,
}

/// A resource in the list.
#[derive(Debug)]
struct ResourceRow {
    arn: String,
    name: String,
    place: String,
    spec: String,
    open: usize,
}

#[derive(Debug, Template)]
#[template(path = "inventory.html")]
struct InventoryPage {
    frame: Frame,
    query: InventoryQuery,
    kinds: Vec<(&'static str, bool)>,
    pages: Pages,
    rows: Vec<ResourceRow>,
}

pub(super) async fn inventory(
    visit: Visit,
    query: Result<Query<InventoryQuery>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => shown(move || Ok(list_page(&visit, query))).await,
        Err(rejection) => problem_page(Problem::bad_request(rejection.body_text())),
    }
}

fn list_page(visit: &Visit, query: InventoryQuery) -> InventoryPage {
    let inventory = visit.state.agent.inventory();
    let sought = query.q.trim().to_lowercase();
    let is_sought = |resource: &&Resource| {
        (query.kind.is_empty() || query.kind == resource.reference.kind.as_str())
            && words::mentions(resource, &sought)
    };
    let found: Vec<_> = inventory.values().filter(is_sought).collect();
    let pages = Pages::of(query.page, found.len());
    let shown: Vec<_> = found.into_iter().skip(pages.skipped()).take(ROWS).collect();
    InventoryPage {
        frame: Frame::new(visit, Here::Inventory),
        kinds: Kind::ALL.map(|kind| (kind.as_str(), kind.as_str() == query.kind)).into(),
        query,
        pages,
        rows: rows(&visit.state.agent, shown.into_iter()),
    }
}

fn rows<'a>(agent: &Agent, resources: impl Iterator<Item = &'a Resource>) -> Vec<ResourceRow> {
    let briefs = agent.briefs();
    let row = |resource: &Resource| {
        let reference = &resource.reference;
        ResourceRow {
            arn: reference.arn.0.clone(),
            name: words::name(reference, &resource.id),
            place: format!("{} · {} · {}", reference.kind, reference.account, reference.region),
            spec: words::spec(&resource.spec()),
            open: briefs.of(&reference.arn).filter(|brief| brief.state.is_open()).count(),
        }
    };
    resources.map(row).collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct ResourceQuery {
    arn: String,
}

/// Resources that hang together with one.
#[derive(Debug)]
struct Relation {
    name: &'static str,
    rows: Vec<ResourceRow>,
}

/// The mode of an action on the resource.
#[derive(Debug)]
struct ModeRow {
    action: String,
    mode: String,
    reason: String,
    circuits: Vec<String>,
}

#[derive(Debug, Template)]
#[template(path = "resource.html")]
struct ResourcePage {
    frame: Frame,
    row: ResourceRow,
    tags: Vec<(String, String)>,
    zone: String,
    observed_at: String,
    owners: Vec<String>,
    modes: Vec<ModeRow>,
    relations: Vec<Relation>,
    recommendations: Vec<ListRow>,
    changes: Vec<ChangeRow>,
}

pub(super) async fn resource(
    visit: Visit,
    query: Result<Query<ResourceQuery>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => shown(move || resource_page(&visit, &query.arn)).await,
        Err(rejection) => problem_page(Problem::bad_request(rejection.body_text())),
    }
}

fn resource_page(visit: &Visit, arn: &str) -> Result<ResourcePage, Problem> {
    let agent = &visit.state.agent;
    let inventory = agent.inventory();
    let resource = inventory.get(&Arn(arn.to_owned())).ok_or_else(|| {
        Problem::not_found(format!("the last cycle saw no resource `{arn}`: it may be gone"))
    })?;
    let rules = &agent.settings().policy.ownership;
    let owner =
        |owner: &trimtab_policies::ownership::Owner| format!("{} (by {})", owner.name, owner.via);
    let briefs = agent.briefs();
    Ok(ResourcePage {
        frame: Frame::new(visit, Here::Inventory),
        row: rows(agent, std::iter::once(resource)).remove(0),
        tags: resource.reference.tags.clone().into_iter().collect(),
        zone: resource.zone.clone().unwrap_or_else(|| "none".to_owned()),
        observed_at: words::time(resource.observed_at),
        owners: owners(resource, &inventory, rules).iter().map(owner).collect(),
        modes: modes(agent, arn),
        relations: relations(agent, resource, &inventory),
        recommendations: briefs.of(&resource.reference.arn).map(ListRow::new).collect(),
        changes: changes(agent, arn),
    })
}

fn modes(agent: &Agent, arn: &str) -> Vec<ModeRow> {
    let explained = api::explain(agent, arn).into_iter().flat_map(|explained| explained.actions);
    let row = |one: api::ActionMode| ModeRow {
        action: one.action.to_string(),
        mode: match (one.enabled, one.mode == one.mode_with_decrease) {
            (false, _) => format!("{} (off in the settings)", one.mode),
            (true, true) => one.mode.to_string(),
            (true, false) => {
                format!("{}, {} where performance falls", one.mode, one.mode_with_decrease)
            }
        },
        reason: one.reason,
        circuits: one.circuits,
    };
    explained.map(row).collect()
}

fn changes(agent: &Agent, arn: &str) -> Vec<ChangeRow> {
    let ledger = agent.ledger();
    let all = ledger.book().changes().values();
    let mut its: Vec<_> = all.filter(|one| one.recommendation.resource.arn.0 == arn).collect();
    its.sort_by_key(|change| std::cmp::Reverse(change.opened_at));
    its.into_iter().map(ChangeRow::new).collect()
}

/// Group, members and volumes, from wherever one looks.
fn relations(agent: &Agent, resource: &Resource, inventory: &Inventory) -> Vec<Relation> {
    let beside = |other: &&Resource| {
        let (one, other) = (&resource.reference, &other.reference);
        one.account == other.account && one.region == other.region
    };
    let near = || inventory.values().filter(beside);
    let relation =
        |name, found: Vec<&Resource>| Relation { name, rows: rows(agent, found.into_iter()) };
    let all = match resource.reference.kind {
        Kind::Group => {
            let members = near().filter(|one| is_member(one, &resource.id)).collect();
            vec![relation("Members of the group", members)]
        }
        Kind::Instance => {
            let group = resource.instance().and_then(|one| one.group.as_deref());
            let groups =
                near().filter(|one| one.group().is_some() && Some(one.id.as_str()) == group);
            let volumes = near().filter(|one| is_attached(one, &resource.id));
            vec![relation("Group", groups.collect()), relation("Volumes", volumes.collect())]
        }
        Kind::Volume => {
            let holders =
                near().filter(|one| one.instance().is_some() && is_attached(resource, &one.id));
            vec![relation("Attached to", holders.collect())]
        }
        Kind::Function => Vec::new(),
    };
    all.into_iter().filter(|relation| !relation.rows.is_empty()).collect()
}

fn is_member(resource: &Resource, group: &str) -> bool {
    resource.instance().is_some_and(|one| one.group.as_deref() == Some(group))
}

fn is_attached(volume: &Resource, instance_id: &str) -> bool {
    let attachments = volume.volume().map_or(&[][..], |volume| &volume.attachments);
    attachments.iter().any(|attachment| attachment.instance_id == instance_id)
}
