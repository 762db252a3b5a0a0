//! Tables for a terminal: at most its width, 80 columns where there is none; colour where the output has it.
//!
//! Not here: single things in full (`show`).

use std::collections::BTreeMap;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table,
    TableStyle, Width,
};
use trimtab_models::{money::Usd, resource::Resource};
use trimtab_policies::{
    change::State,
    plan::{CheckVerdict, Disposition, PlanEntry},
};

use super::out::is_colored;
use crate::{
    api::{CircuitView, ExplainView, StatusView},
    brief::lacks,
    notify::{ReceiverView, TestBody},
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
    table.set_width(table.width().unwrap_or(WIDTH)).force_no_tty();
    if is_colored() {
        table.enforce_styling();
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

/// How wide the output is.
fn width() -> usize {
    usize::from(Table::new().width().unwrap_or(WIDTH))
}

/// Text in lines no longer than the output is wide, those after the first `indent` columns in. Words are never broken.
pub(super) fn wrapped(text: &str, indent: usize) -> String {
    let (mut told, mut column) = (String::new(), indent);
    for (place, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if place > 0 && column + 1 + length > width() {
            told.push('\n');
            told.push_str(&" ".repeat(indent));
            column = indent;
        } else if place > 0 {
            told.push(' ');
            column += 1;
        }
        told.push_str(word);
        column += length;
    }
    told
}

/// What a list says below its rows: how many there are, and what is cut.
fn below(total: usize, shown: usize, one: &str) -> String {
    let count = format!("{total} {one}{}", if total == 1 { "" } else { "s" });
    if shown < total {
        return format!("the first {shown} of {count} are shown; --limit {total} shows all");
    }
    count
}

/// The plan of one cycle.
pub(super) fn plan(plan: &PlanView) -> String {
    let mut text = cycle(&plan.cycle);
    if plan.recommendations.is_empty() {
        return format!("{text}\n\nNothing is recommended.");
    }
    let mut table = table(&["ID", "Resource and change", "USD/month\nand risk", "Decision"]);
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
    text.push_str(&format!("\n\n{table}\n"));
    let count = plan.recommendations.len();
    text.push_str(&below(count, count, "recommendation"));
    text
}

/// Recommendations; `narrowed` where only some were asked for, `rows` at most.
pub(super) fn recommendations(views: &[RecommendationView], narrowed: bool, rows: usize) -> String {
    if views.is_empty() && narrowed {
        return "No recommendation matches; `trimtab recommendations` lists all of them."
            .to_owned();
    }
    if views.is_empty() {
        return "Nothing is recommended yet; `trimtab status` tells what the last cycle saw, and\n\
                a recommendation takes 14 days of history."
            .to_owned();
    }
    let mut table = table(&["ID", "Resource and change", "USD/month\nand risk", "State"]);
    keep_ids_whole(&mut table, 1);
    let shown = &views[..views.len().min(rows)];
    for view in shown {
        let color = match view.state {
            RecommendationState::AwaitingApproval => Color::Yellow,
            RecommendationState::Approved | RecommendationState::Changed => Color::Green,
            RecommendationState::Rejected => Color::Red,
            RecommendationState::Proposed
            | RecommendationState::Expired
            | RecommendationState::Superseded => Color::Reset,
        };
        // What it waits for stands below; a time says more.
        let begins = words::begins(view).filter(|_| view.entry.until.is_some());
        let begins = begins.map_or_else(String::new, |at| format!("\nbegins {at}"));
        let recurring = if words::recurring(view).is_some() { "\nrecurring" } else { "" };
        let lacks = lacks(view).map_or_else(String::new, |words| format!("\n{words}"));
        let state = format!("{}{lacks}{begins}{recurring}", view.state.as_str().replace('_', " "));
        table.add_row(row(&view.entry, &state, color));
    }
    let open = || views.iter().filter(|view| view.state.is_open());
    let saving: Usd = open().filter_map(|view| view.entry.recommendation.saving).sum();
    format!(
        "{table}\n{}\n{} open ones would save {saving} a month, before commitments",
        below(views.len(), shown.len(), "recommendation"),
        open().count()
    )
}

fn row(entry: &PlanEntry, state: &str, color: Color) -> [Cell; 4] {
    let recommendation = &entry.recommendation;
    let (from, to) = words::from_to(&recommendation.expected, &recommendation.desired);
    let resource = &recommendation.resource;
    [
        Cell::new(&entry.id),
        Cell::new(format!(
            "{}\n{}\n{from} → {to}\n{} {}",
            words::name(resource, &recommendation.resource_id),
            recommendation.action,
            resource.account,
            resource.region
        )),
        number(&format!(
            "{}\n{}",
            words::saving(recommendation.saving),
            words::risk(recommendation)
        )),
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

/// Changes, `rows` at most.
pub(super) fn changes(views: &[ChangeView], rows: usize) -> String {
    if views.is_empty() {
        return "Nothing has been changed yet; what waits for a person is listed by\n\
                `trimtab recommendations list --state awaiting_approval`."
            .to_owned();
    }
    let mut table = table(&["ID", "Resource and change", "USD/month", "State"]);
    keep_ids_whole(&mut table, 1);
    let shown = &views[..views.len().min(rows)];
    for view in shown {
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
        let id = view.resource.arn.0.rsplit([':', '/']).next().unwrap_or_default();
        let name = words::name(&view.resource, id);
        table.add_row([
            Cell::new(&view.id),
            Cell::new(format!(
                "{name}\n{}\n{from} → {to}\n{} {}",
                view.action, view.resource.account, view.resource.region
            )),
            number(&words::saving(view.saving_usd_monthly)),
            Cell::new(format!("{}{outcome}", view.state)).fg(color),
        ]);
    }
    let states = views.iter().fold(BTreeMap::new(), |mut states, view| {
        *states.entry(view.state.to_string()).or_default() += 1;
        states
    });
    let below = below(views.len(), shown.len(), "change");
    format!("{table}\n{}", wrapped(&format!("{below}: {}", counts(&states)), 0))
}

/// Resources; `narrowed` where only some were asked for, `rows` at most.
pub(super) fn inventory(resources: &[Resource], narrowed: bool, rows: usize) -> String {
    if resources.is_empty() && narrowed {
        return "No resource matches; `trimtab inventory` lists all of them.".to_owned();
    }
    if resources.is_empty() {
        return "No resource has been seen yet; `trimtab status` tells what the last cycle could\n\
                not ask."
            .to_owned();
    }
    let mut table = table(&["Kind", "Resource", "Where", "Configuration"]);
    keep_ids_whole(&mut table, 1);
    let shown = &resources[..resources.len().min(rows)];
    for resource in shown {
        table.add_row([
            resource.reference.kind.to_string(),
            resource
                .tag("Name")
                .filter(|name| *name != resource.id)
                .map_or_else(|| resource.id.clone(), |name| format!("{}\n{name}", resource.id)),
            format!("{}\n{}", resource.reference.account, resource.reference.region),
            words::spec(&resource.spec()),
        ]);
    }
    format!("{table}\n{}", below(resources.len(), shown.len(), "resource"))
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
    let count = view.circuits.len();
    let count = below(count, count, "open circuit");
    format!("{table}\n{count}; look at the changes, then: trimtab circuit reset SCOPE")
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
    let waits = waits(view);
    let text = format!(
        "trimtab {} on {}, {} places, {}\nStop switch: {stopped}\nModes: {} by default, {} rules; open recommendations by \
         mode: {}\nRecommendations: {}; open saving {} a month, before commitments\nChanges: {}\n{waits}\n{cycle}",
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
    );
    let text = text.lines().map(|line| wrapped(line, 0)).collect::<Vec<_>>().join("\n");
    text + &receivers(&view.notify)
}

/// Who is told, and whether it arrives; nothing where nobody is.
fn receivers(receivers: &[ReceiverView]) -> String {
    if receivers.is_empty() {
        return String::new();
    }
    let mut table = table(&["Receiver", "How", "Last success", "Waiting", "Last error"]);
    for receiver in receivers {
        table.add_row([
            Cell::new(&receiver.name),
            Cell::new(&receiver.channel),
            Cell::new(receiver.outbox.last_success_at.map_or("never".to_owned(), words::time)),
            number(&receiver.outbox.pending.to_string()),
            Cell::new(words::troubles(&receiver.outbox)),
        ]);
    }
    format!("\n\n{table}")
}

/// What came of test messages.
pub(super) fn notify_test(body: &TestBody) -> String {
    let mut table = table(&["Receiver", "How", "Arrived"]);
    for receiver in &body.receivers {
        let arrived =
            receiver.error.as_ref().map_or("yes".to_owned(), |error| format!("no: {error}"));
        table.add_row([receiver.name.clone(), receiver.channel.clone(), arrived]);
    }
    table.to_string()
}

/// What waits for whom, beside what lists show: recommendations that lack somebody, and exceptions to look at.
fn waits(view: &StatusView) -> String {
    let lack = view.lack_approvals.iter().map(|(id, words)| format!("{id}: {words}\n"));
    let due = match view.exceptions_due {
        0 => String::new(),
        due => format!("Exceptions due for review: {due} (see `trimtab exceptions`)\n"),
    };
    lack.chain([due]).collect()
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

pub(super) fn counts(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts
        .iter()
        .map(|(key, count)| format!("{count} {}", key.replace('_', " ")))
        .collect::<Vec<_>>()
        .join(", ")
}
