//! One recommendation in full: what, why, what it rests on, what it would do, and what has been decided.
//!
//! Not here: how its figures read (`rows`, `plot`) and what an answer does (`forms`).

use std::{collections::BTreeSet, sync::Arc};

use askama::Template;
use axum::{extract::Path, response::Response};
use trimtab_policies::{
    approval::{Decision, Verdict},
    authority::Right,
    change::Change,
    ownership::{owners, patch},
};

use super::{
    frame::{Frame, Here, Visit},
    plot::Figure,
    rows::{ChangeRow, DetailView, RecommendationRow},
    shown,
};
use crate::{
    agent::Agent,
    api::{Problem, reason_not_here},
    view::{RecommendationState, RecommendationView},
    words,
};

/// Earlier proposals that are listed; older ones are in the audit log.
const EARLIER_MAX: usize = 10;

#[derive(Debug, Template)]
#[template(path = "recommendation.html")]
struct RecommendationPage {
    frame: Frame,
    row: RecommendationRow,
    /// Why whoever reads it may not answer it.
    not_allowed: Option<String>,
    /// Days for which a no without a date holds.
    days: String,
    /// An earlier proposal for the same change whose approvals are void, because it has changed.
    changed: Option<Changed>,
    detail: DetailView,
    figures: Arc<[Figure]>,
    changes: Vec<ChangeRow>,
    earlier: Vec<Earlier>,
    patches: Vec<Patch>,
    owners: Vec<String>,
}

/// Another proposal for the same resource.
#[derive(Debug)]
struct Earlier {
    id: String,
    action: String,
    from: String,
    to: String,
    state: String,
    decided: String,
    seen: String,
}

/// A proposal that was approved and has changed since.
#[derive(Debug)]
struct Changed {
    id: String,
    from: String,
    to: String,
    by: String,
}

/// What the owner of the resource would change in their own description of it.
#[derive(Debug)]
struct Patch {
    spelling: &'static str,
    lines: Vec<String>,
}

pub(super) async fn recommendation(visit: Visit, Path(id): Path<String>) -> Response {
    shown(move || page(&visit, &id)).await
}

fn page(visit: &Visit, id: &str) -> Result<RecommendationPage, Problem> {
    let agent = &visit.state.agent;
    let view = agent.store().recommendation(id)?.ok_or_else(|| {
        Problem::not_found(format!(
            "there is no recommendation `{id}`: it may have been made more than 90 days ago"
        ))
    })?;
    let recommendation = &view.entry.recommendation;
    let (owners, patches) = code(agent, &view);
    Ok(RecommendationPage {
        frame: Frame::new(visit, Here::Recommendations),
        not_allowed: reason_not_here(
            &visit.state,
            &visit.caller,
            Right::Decide,
            &recommendation.resource,
        ),
        days: agent.settings().policy.approvals.exception_days.to_string(),
        changed: changed(agent, &view),
        row: RecommendationRow::new(&view),
        figures: visit.state.figures().of(agent, id, recommendation),
        changes: changes(agent, &view).iter().map(ChangeRow::new).collect(),
        earlier: earlier(agent, &view),
        detail: DetailView::new(&view),
        patches,
        owners,
    })
}

/// What was approved before the proposal changed, while this one is not yet.
fn changed(agent: &Agent, view: &RecommendationView) -> Option<Changed> {
    let recommendation = &view.entry.recommendation;
    let briefs = agent.briefs();
    let ledger = agent.ledger();
    if !view.state.is_open() || !ledger.book().said(&view.entry.digest).is_empty() {
        return None;
    }
    let mut others: Vec<_> = briefs
        .of(&recommendation.resource.arn)
        .filter(|brief| brief.action == recommendation.action && brief.id != view.entry.id)
        .filter(|brief| brief.state == RecommendationState::Superseded)
        .collect();
    others.sort_by_key(|brief| std::cmp::Reverse(brief.confirmed_at));
    let is_yes = |decision: &&Decision| decision.verdict == Verdict::Approved;
    others.into_iter().find_map(|brief| {
        let by: BTreeSet<String> = ledger
            .book()
            .voided(&brief.digest)
            .iter()
            .filter(is_yes)
            .map(|decision| decision.by.clone())
            .collect();
        (!by.is_empty()).then(|| Changed {
            id: brief.id.clone(),
            from: brief.from_to.0.clone(),
            to: brief.from_to.1.clone(),
            by: by.into_iter().collect::<Vec<_>>().join(" and "),
        })
    })
}

/// Every change of the resource, newest first.
fn changes(agent: &Agent, view: &RecommendationView) -> Vec<Change> {
    let arn = &view.entry.recommendation.resource.arn;
    let ledger = agent.ledger();
    let all = ledger.book().changes().values();
    let mut its: Vec<_> =
        all.filter(|change| change.recommendation.resource.arn == *arn).cloned().collect();
    its.sort_by_key(|change| std::cmp::Reverse(change.opened_at));
    its
}

/// What else was proposed for the resource, newest first.
fn earlier(agent: &Agent, view: &RecommendationView) -> Vec<Earlier> {
    let arn = &view.entry.recommendation.resource.arn;
    let briefs = agent.briefs();
    let mut others: Vec<_> = briefs.of(arn).filter(|brief| brief.id != view.entry.id).collect();
    others.sort_by_key(|brief| std::cmp::Reverse(brief.confirmed_at));
    let told = others.into_iter().take(EARLIER_MAX).map(|brief| Earlier {
        id: brief.id.clone(),
        action: brief.action.to_string(),
        from: brief.from_to.0.clone(),
        to: brief.from_to.1.clone(),
        state: brief.state.as_str().replace('_', " "),
        decided: brief.decided.clone().unwrap_or_else(|| "nobody decided".to_owned()),
        seen: format!(
            "{} to {}",
            words::time(brief.first_seen_at),
            words::time(brief.confirmed_at)
        ),
    });
    told.collect()
}

/// Who owns the resource beside us, and what they would change instead.
fn code(agent: &Agent, view: &RecommendationView) -> (Vec<String>, Vec<Patch>) {
    let recommendation = &view.entry.recommendation;
    let inventory = agent.inventory();
    let resource = inventory.get(&recommendation.resource.arn);
    let rules = &agent.settings().policy.ownership;
    let found = resource.map_or_else(Vec::new, |resource| owners(resource, &inventory, rules));
    let told = found.iter().map(|owner| {
        let delegated = if owner.delegated { ", who delegated it" } else { "" };
        format!("{} (by {}){delegated}", owner.name, owner.via)
    });
    let patches = [("CloudFormation", "cloudformation"), ("Terraform", "terraform")];
    let patches = patches.map(|(spelling, kind)| Patch {
        spelling,
        lines: patch(recommendation, kind).iter().map(ToString::to_string).collect(),
    });
    (told.collect(), patches.into_iter().filter(|patch| !patch.lines.is_empty()).collect())
}
