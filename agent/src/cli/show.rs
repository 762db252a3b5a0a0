//! One recommendation, change or patch in full, for a terminal.
//!
//! Not here: lists (`tables`).

use comfy_table::{Cell, Color};
use owo_colors::Style;
use trimtab_models::recommendation::{Action, Evidence};
use trimtab_policies::{
    change::StepState,
    ownership::PatchLine,
    plan::{CheckName, CheckVerdict},
};

use super::{
    out::painted,
    tables::{number, table, wrapped},
};
use crate::{
    view::{ChangeView, RecommendationView, check_name},
    words,
};

/// A recommendation with everything it rests on.
pub(super) fn recommendation(view: &RecommendationView) -> String {
    let recommendation = &view.entry.recommendation;
    let (from, to) = words::from_to(&recommendation.expected, &recommendation.desired);
    let mut lines = vec![
        format!("{} {}: {from} → {to}", recommendation.action, recommendation.resource_id),
        wrapped(&recommendation.reason, 0),
        String::new(),
        field("State", &state(view)),
        field(
            "Saving/month",
            &format!(
                "{} ({})",
                words::saving(recommendation.saving),
                words::saving_basis(recommendation)
            ),
        ),
        field("Risk", &words::risk_told(recommendation)),
        field("Disruption", &words::disruption(recommendation)),
        field("Mode", &format!("{} ({})", view.entry.mode, view.entry.mode_reason)),
        field("Decision", &view.entry.decision.to_string().replace('_', " ")),
        field("Resource", &recommendation.resource.arn.0),
        field("Digest", &view.entry.digest),
    ];
    lines.extend(words::recurring(view).map(|text| field("Recurring", &text)));
    lines.extend(words::begins(view).map(|begins| field("Begins", &begins)));
    lines.extend(evidence(recommendation.action, &recommendation.evidence));
    lines.push(format!("\n{}", checks(view)));
    let mut steps = table(&["Step", "Time allowed", "Undo"]);
    for step in &view.entry.steps {
        steps.add_row([
            step.name.clone(),
            format!("{} min", step.budget_s.div_ceil(60)),
            step.undo.clone(),
        ]);
    }
    lines.push(steps.to_string());
    lines.join("\n")
}

fn field(name: &str, value: &str) -> String {
    format!("{}{}", painted(&format!("{name:<14}"), Style::new().bold()), wrapped(value, 14))
}

fn state(view: &RecommendationView) -> String {
    let words =
        [Some(view.state.as_str().replace('_', " ")), view.decided.clone(), view.change_id.clone()];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn evidence(action: Action, evidence: &Evidence) -> Vec<String> {
    let span = format!(
        "{} to {}, {:.1} days seen",
        words::time(evidence.from),
        words::time(evidence.until),
        evidence.days_seen
    );
    let mut lines = vec![field("Look-back", &span)];
    if !evidence.unseen.is_empty() {
        lines.push(field("Not seen", &evidence.unseen.join(", ")));
    }
    lines.push(field("Seasons", &words::seasons(evidence)));
    let forecast = evidence.forecast.as_ref().map(words::forecast);
    let forecast = forecast.or_else(|| evidence.outlook.as_ref().map(words::outlook));
    lines.extend(forecast.map(|text| field("Forecast", &text)));
    let replay = evidence.replay.as_ref().map(|replay| words::replay(action, replay));
    lines.extend(replay.map(|text| field("Replay", &text)));
    lines.extend(evidence.notes.iter().map(|note| field("Note", note)));
    if !evidence.dimensions.is_empty() {
        let mut dimensions = table(&["Dimension", "Demand", "Today", "Proposed"]);
        for dimension in &evidence.dimensions {
            let figure = |value| number(&format!("{} {}", words::figure(value), dimension.unit));
            dimensions.add_row([
                Cell::new(&dimension.name),
                figure(dimension.demand),
                figure(dimension.capacity_today),
                figure(dimension.capacity_proposed),
            ]);
        }
        lines.push(format!("\n{dimensions}"));
    }
    lines
}

fn checks(view: &RecommendationView) -> String {
    let mut checks = table(&["Check", "Verdict", "Reason"]);
    for result in &view.entry.checks {
        let (word, color) = match result.verdict {
            CheckVerdict::Pass => ("pass", Color::Green),
            CheckVerdict::Wait => ("wait", Color::Yellow),
            CheckVerdict::Fail => ("fail", Color::Red),
        };
        let until = result
            .until
            .map_or_else(String::new, |until| format!(" (until {})", words::time(until)));
        checks.add_row([
            Cell::new(check_name(result.check)),
            Cell::new(word).fg(color),
            Cell::new(format!("{}{until}", result.reason)),
        ]);
    }
    checks.to_string()
}

/// What an approval or a rejection came to.
pub(super) fn answered(view: &RecommendationView) -> String {
    let waits: Vec<_> = view
        .entry
        .checks
        .iter()
        .filter(|result| result.verdict == CheckVerdict::Wait)
        .map(|result| format!("; it waits for {}: {}", check_name(result.check), result.reason))
        .collect();
    let begins = words::begins(view).map_or_else(String::new, |at| format!("; begins {at}"));
    format!(
        "{}: {}{}{begins}",
        view.entry.id,
        view.decided.as_deref().unwrap_or(view.state.as_str()),
        waits.concat()
    )
}

/// The patch for whoever owns the resource, in both spellings.
pub(super) fn patch(view: &RecommendationView, patches: &[(&str, Vec<PatchLine>)]) -> String {
    let recommendation = &view.entry.recommendation;
    let owner = view.entry.checks.iter().find(|result| result.check == CheckName::Ownership);
    let mut text = recommendation.resource.arn.0.clone();
    if let Some(owner) = owner {
        text.push_str(&format!("\nownership: {}", owner.reason));
    }
    let mut lines = table(&["For", "Property", "Old", "New"]);
    for (spelling, patch) in patches {
        for line in patch {
            lines.add_row([*spelling, &line.property, &line.old, &line.new]);
        }
    }
    if patches.iter().all(|(_, patch)| patch.is_empty()) {
        return format!(
            "{text}\nno property changes: remove the resource from its template or state"
        );
    }
    format!("{text}\n{lines}")
}

/// A change with its steps.
pub(super) fn change(view: &ChangeView) -> String {
    let (from, to) = words::from_to(&view.expected, &view.desired);
    let mut lines = vec![
        format!("{}: {} {from} → {to}", view.id, view.action),
        String::new(),
        field("State", &view.state.to_string()),
        field("Resource", &view.resource.arn.0),
        field("Begun", &words::time(view.opened_at)),
        field("Mode", &view.mode.to_string()),
    ];
    lines.extend(view.approver.as_ref().map(|approver| field("Approved by", approver)));
    lines.extend(
        view.off_since
            .map(|since| field("Owes a start", &format!("off since {}", words::time(since)))),
    );
    let promised = words::saving(view.saving_usd_monthly);
    lines.push(field("Promised", &format!("{promised} a month")));
    lines.extend(view.realized.as_ref().map(|one| field("Saved", &words::realized(one))));
    lines
        .extend(view.undo_wanted.as_ref().map(|one| field("Against it", &words::undo_wanted(one))));
    lines.extend(view.undo_reason.as_ref().map(|reason| field("Taken back", reason)));
    lines.extend(view.outcome.as_ref().map(|outcome| {
        let provisional = if outcome.provisional { " (provisional)" } else { "" };
        field("Outcome", &format!("{}{provisional}: {}", outcome.state, outcome.reason))
    }));
    let mut steps = table(&["Step", "State", "At", "Error"]);
    for step in &view.steps {
        let (word, color) = match step.state {
            StepState::Pending => ("pending", Color::Reset),
            StepState::Attempted => ("attempted", Color::Yellow),
            StepState::Done => ("done", Color::Green),
            StepState::Failed => ("failed", Color::Red),
        };
        steps.add_row([
            Cell::new(&step.name),
            Cell::new(word).fg(color),
            Cell::new(step.at.map_or_else(String::new, words::time)),
            Cell::new(step.error.as_deref().unwrap_or_default()),
        ]);
    }
    lines.push(format!("\n{steps}"));
    lines.join("\n")
}
