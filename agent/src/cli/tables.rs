//! Tables for a terminal: at most its width, 80 columns where there is none; colour on a terminal only.
//!
//! Not here: single things in full (`show`).

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table,
    TableStyle, Width,
};
use trimtab_models::resource::Resource;
use trimtab_policies::{
    change::State,
    plan::{CheckVerdict, Disposition, PlanEntry},
};

use crate::{
    api::{CircuitView, ExplainView, StatusView},
    view::{ChangeView, CycleView, PlanView, RecommendationState, RecommendationView, check_name},
    words,
};

/// What fits everywhere, also in a file and a mail.
const WIDTH: u16 = 80;

/// The longest action and a blank at either side; AWS's longest ids, `vol-` and 17 hex digits, are shorter.
const ID_WIDTH: u16 = 26;
/// One line under the header: rows of two lines are told apart by their first cell.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// An empty table with a header. Its first column is never broken: ids are there to be copied.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_constraint(ColumnConstraint::ContentWidth);
    }
    table
}

/// Keeps ids and actions in one piece.
fn keep_ids_whole(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(ID_WIDTH)));
    }
}

/// A cell of figures.
pub(super) fn number(text: &str) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// The plan of one cycle.
pub(super) fn plan(plan: &PlanView) -> String {
    let mut text = cycle(&plan.cycle);
    if plan.recommendations.is_empty() {
        return format!("{text}\n\nNothing is recommended.");
    }
    let mut table = table(&["ID", "Resource and action", "Change", "USD/month", "Decision"]);
    keep_ids_whole(&mut table, 1);
    for entry in &plan.recommendations {
        let decision = entry.decision.to_string().replace('_', " ");
        let color = match entry.decision {
            Disposition::Apply => Color::Green,
            Disposition::AwaitApproval => Color::Yellow,
            Disposition::Recommend | Disposition::Withheld => Color::Reset,
        };
        table.add_row(row(entry, &decision, color));
    }
    text.push_str(&format!("\n\n{table}"));
    text
}

/// All recommendations.
pub(super) fn recommendations(views: &[RecommendationView]) -> String {
    if views.is_empty() {
        return "Nothing is recommended.".to_owned();
    }
    let mut table = table(&["ID", "Resource and action", "Change", "USD/month", "State"]);
    keep_ids_whole(&mut table, 1);
    for view in views {
        let color = match view.state {
            RecommendationState::AwaitingApproval => Color::Yellow,
            RecommendationState::Approved | RecommendationState::Changed => Color::Green,
            RecommendationState::Rejected => Color::Red,
            RecommendationState::Proposed
            | RecommendationState::Expired
            | RecommendationState::Superseded => Color::Reset,
        };
        let begins = words::begins(view).map_or_else(String::new, |at| format!("\nbegins {at}"));
        let recurring = if words::recurring(view).is_some() { "\nrecurring" } else { "" };
        let state = format!("{}{begins}{recurring}", view.state.as_str().replace('_', " "));
        table.add_row(row(&view.entry, &state, color));
    }
    table.to_string()
}

fn row(entry: &PlanEntry, state: &str, color: Color) -> [Cell; 5] {
    let recommendation = &entry.recommendation;
    let (from, to) = words::from_to(&recommendation.expected, &recommendation.desired);
    let resource = &recommendation.resource;
    [
        Cell::new(&entry.id),
        Cell::new(format!(
            "{}\n{}\n{} {}",
            recommendation.resource_id, recommendation.action, resource.account, resource.region
        )),
        Cell::new(format!("{from} → {to}")),
        number(&words::saving(recommendation.saving)),
        Cell::new(format!("{state}{}", held(entry))).fg(color),
    ]
}

/// The checks that stand in the way, by name; `show` has the reasons.
fn held(entry: &PlanEntry) -> String {
    let by = |verdict: CheckVerdict, word: &str| {
        let names: Vec<_> = entry
            .checks
            .iter()
            .filter(|result| result.verdict == verdict)
            .map(|result| check_name(result.check))
            .collect();
        if names.is_empty() { String::new() } else { format!("\n{word}: {}", names.join(", ")) }
    };
    by(CheckVerdict::Fail, "fails") + &by(CheckVerdict::Wait, "waits for")
}

/// All changes.
pub(super) fn changes(views: &[ChangeView]) -> String {
    if views.is_empty() {
        return "Nothing has been changed.".to_owned();
    }
    let mut table = table(&["ID", "Resource and action", "Change", "USD/month", "State"]);
    keep_ids_whole(&mut table, 1);
    for view in views {
        let (from, to) = words::from_to(&view.expected, &view.desired);
        let color = match view.state {
            State::Kept => Color::Green,
            State::Queued | State::Executing | State::Watching | State::Undoing => Color::Yellow,
            State::Inconclusive | State::Conflicted | State::Stuck => Color::Red,
            State::Undone => Color::Reset,
        };
        let outcome = view
            .outcome
            .as_ref()
            .map_or_else(String::new, |outcome| format!("\n{}", outcome.reason));
        let name = view.resource.arn.0.rsplit([':', '/']).next().unwrap_or_default();
        table.add_row([
            Cell::new(&view.id),
            Cell::new(format!(
                "{name}\n{}\n{} {}",
                view.action, view.resource.account, view.resource.region
            )),
            Cell::new(format!("{from} → {to}")),
            number(&words::saving(view.saving_usd_monthly)),
            Cell::new(format!("{}{outcome}", view.state)).fg(color),
        ]);
    }
    table.to_string()
}

/// Every resource.
pub(super) fn inventory(resources: &[Resource]) -> String {
    if resources.is_empty() {
        return "No resource has been seen yet.".to_owned();
    }
    let mut table = table(&["Kind", "Resource", "Account", "Region", "Configuration"]);
    for resource in resources {
        table.add_row([
            resource.reference.kind.to_string(),
            resource
                .tag("Name")
                .map_or_else(|| resource.id.clone(), |name| format!("{}\n{name}", resource.id)),
            resource.reference.account.clone(),
            resource.reference.region.clone(),
            words::spec(&resource.spec()),
        ]);
    }
    table.to_string()
}

/// Which rule decides.
pub(super) fn explain(view: &ExplainView) -> String {
    let mut text =
        format!("{}\nkind {}, group {}", view.resource.arn, view.resource.kind, view.group);
    if let Some(value) = &view.excluded {
        text.push_str(&format!(
            "\nexcluded by its tag trimtab:exclude = `{value}`: nothing is done whatever the mode"
        ));
    }
    let mut table = table(&["Action", "Mode", "Why"]);
    for action in &view.actions {
        if !action.enabled {
            table.add_row([action.action.as_str(), "off", "limits.disabled_actions lists it"]);
            continue;
        }
        table.add_row([action.action.to_string(), action.mode.to_string(), action.reason.clone()]);
        if action.mode_with_decrease != action.mode {
            let why = format!("where it lowers performance: {}", action.reason_with_decrease);
            table.add_row([String::new(), action.mode_with_decrease.to_string(), why]);
        }
        for line in &action.circuits {
            table.add_row([String::new(), "circuit".to_owned(), line.clone()]);
        }
        for line in &action.learned {
            table.add_row([String::new(), "learned".to_owned(), line.clone()]);
        }
    }
    format!("{text}\n{table}")
}

/// The open circuits.
pub(super) fn circuits(view: &CircuitView) -> String {
    if view.circuits.is_empty() {
        return "no circuit is open: nothing went wrong twice within a day".to_owned();
    }
    let mut table = table(&["Open circuit", "At most", "Since", "Because of"]);
    for trip in &view.circuits {
        table.add_row([
            trip.scope.to_string(),
            trip.mode.to_string(),
            trip.since.to_string(),
            trip.changes.join(" "),
        ]);
    }
    format!("{table}\nlook at the changes, then: trimtab circuit reset SCOPE")
}

/// The status.
pub(super) fn status(view: &StatusView) -> String {
    let stopped = view.stopped.as_ref().map_or_else(
        || "not set".to_owned(),
        |reason| format!("SET: {reason} (release it with `trimtab resume`)"),
    );
    let cycle = view
        .last_cycle
        .as_ref()
        .map_or_else(|| "No cycle has ended since the start.".to_owned(), cycle);
    format!(
        "trimtab {} on {}, {} places, {}\nStop switch: {stopped}\nModes: {} by default, {} rules; open recommendations by \
         mode: {}\nRecommendations: {}; open saving {} a month, before commitments\nChanges: {}\n\n{cycle}",
        view.version,
        view.cloud,
        view.places,
        words::time(view.now),
        view.modes.default,
        view.modes.rules,
        counts(&view.modes.open_recommendations),
        counts(&view.recommendations),
        view.open_saving_usd_monthly,
        counts(&view.changes),
    )
}

fn cycle(cycle: &CycleView) -> String {
    let mut text = format!(
        "Cycle of {}: {}; {} series asked for, {} points; {} not sized.",
        words::time(cycle.started_at),
        counts(&cycle.resources),
        cycle.series_requested,
        cycle.points_received,
        cycle.not_sized.len(),
    );
    for failure in &cycle.failures {
        text.push_str(&format!(
            "\nnot seen: {} {} {}: {}",
            failure.account, failure.region, failure.service, failure.error
        ));
    }
    text
}

pub(super) fn counts(counts: &std::collections::BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts
        .iter()
        .map(|(key, count)| format!("{count} {}", key.replace('_', " ")))
        .collect::<Vec<_>>()
        .join(", ")
}
