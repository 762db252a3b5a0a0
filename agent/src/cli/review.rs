//! What will happen, as it is shown before a person says yes.
//!
//! Not here: the question itself (`confirm`) and what becomes of it (`answer`).

use std::collections::BTreeSet;

use comfy_table::Cell;
use serde_json::Value;
use trimtab_models::money::Usd;
use trimtab_policies::mode::Disruption;

use super::{
    answer::Answer,
    show,
    tables::{table, wrapped},
};
use crate::{
    api::StatusView,
    view::{ChangeView, RecommendationView},
    words,
};

/// What an answer to these will do.
pub(super) fn recommendations(
    answer: Answer,
    views: &[RecommendationView],
    body: &Value,
) -> String {
    let approves = answer == Answer::Approve;
    let mut rows = if approves {
        table(&["ID and what", "What will happen", "USD/month and risk"])
    } else {
        table(&["ID and what", "What will not happen", "USD/month and risk"])
    };
    for view in views {
        rows.add_row([Cell::new(what(view)), Cell::new(how(view, body)), Cell::new(worth(view))]);
    }
    let saving: Usd = views.iter().filter_map(|view| view.entry.recommendation.saving).sum();
    let is_disruptive = |view: &&RecommendationView| {
        Disruption::of(view.entry.recommendation.action) > Disruption::Brief
    };
    let disruptive = views.iter().filter(is_disruptive).count();
    let count = views.len();
    let all = if count == 1 { "1 recommendation" } else { &format!("{count} recommendations") };
    let all = format!(
        "{all}, {disruptive} of them with a restart or more; {saving} a month, before commitments"
    );
    format!("{rows}\n{}", wrapped(&all, 0))
}

fn what(view: &RecommendationView) -> String {
    let recommendation = &view.entry.recommendation;
    let (from, to) = words::from_to(&recommendation.expected, &recommendation.desired);
    let name = words::name(&recommendation.resource, &recommendation.resource_id);
    format!("{}\n{}\n{name}\n{from} → {to}", view.entry.id, recommendation.action)
}

fn how(view: &RecommendationView, body: &Value) -> String {
    let recommendation = &view.entry.recommendation;
    let unseen = match recommendation.evidence.unseen.as_slice() {
        [] => "nothing".to_owned(),
        unseen => unseen.join(", "),
    };
    // Several steps may be taken back by the same one.
    let mut told = BTreeSet::new();
    let undo = view.entry.steps.iter().rev().map(|step| step.undo.as_str());
    let undo: Vec<&str> = undo.filter(|undo| told.insert(*undo)).collect();
    format!(
        "disruption: {}\nbegins: {}\nnot seen: {unseen}\nundo: {}",
        words::disruption(recommendation),
        begins(view, body),
        undo.join("; ")
    )
}

/// When it begins as the approval means it.
fn begins(view: &RecommendationView, body: &Value) -> String {
    if let Some(at) = body["at"].as_str().and_then(|at| at.parse().ok()) {
        return format!("{}, or as soon after as nothing holds it", words::time(at));
    }
    if body["now"].as_bool() == Some(true) {
        return "now, without waiting for a quiet time".to_owned();
    }
    words::begins(view).unwrap_or_else(|| "when nothing holds it back".to_owned())
}

fn worth(view: &RecommendationView) -> String {
    let recommendation = &view.entry.recommendation;
    format!(
        "{}\n{}\nrisk: {}",
        words::saving(recommendation.saving),
        words::saving_basis(recommendation),
        words::risk(recommendation)
    )
}

/// What taking a change back will do.
pub(super) fn undo(view: &ChangeView) -> String {
    let (from, to) = words::from_to(&view.expected, &view.desired);
    let text = format!(
        "Taken back, it goes from {to} to {from} (disruption: {}), and {} a month is not saved.",
        Disruption::of(view.action),
        words::saving(view.saving_usd_monthly)
    );
    format!("{}\n\n{}", show::change(view), wrapped(&text, 0))
}

/// What releasing the stop switch will do that was set for this reason.
pub(super) fn resume(reason: &str, status: &StatusView) -> String {
    let approved = status.recommendations.get("approved").copied().unwrap_or(0);
    let follows = format!(
        "Released, changes may begin again: {approved} are approved and begin as soon as they may, and what autopilot may do \
         by itself follows with the next cycle."
    );
    format!("The stop switch is set: {reason}\n{}", wrapped(&follows, 0))
}
