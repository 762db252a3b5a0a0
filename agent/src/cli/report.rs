//! The report's parts: headings, sentences and tables.
//!
//! Not here: its figures (`api`), and how the parts are written (`form`).

mod form;

pub(super) use self::form::{html, markdown, text};
use super::tables::counts;
use crate::{
    api::{DecisionLine, RecurringLine, ReportView, SavingLine},
    words,
};

/// One part of the report: a heading, sentences, and a table.
struct Section {
    title: &'static str,
    notes: Vec<String>,
    /// The columns, with whether they hold figures.
    columns: Vec<(&'static str, bool)>,
    rows: Vec<Vec<String>>,
}

fn sections(view: &ReportView) -> Vec<Section> {
    let mut sections = vec![found(view), saved(view), withheld(view)];
    if !view.recurring.is_empty() {
        sections.push(recurring(view));
    }
    sections.push(decided(view));
    if !view.decided.newest.is_empty() {
        sections.push(decisions(view));
    }
    sections.push(cost(view));
    if !view.failures.is_empty() {
        let lines = view.failures.iter().map(|failure| {
            let place = format!("{} {} {}", failure.account, failure.region, failure.service);
            vec![place, failure.error.clone()]
        });
        sections.push(Section {
            title: "Not seen in the last cycle",
            notes: Vec::new(),
            columns: vec![("Where", false), ("Why", false)],
            rows: lines.collect(),
        });
    }
    sections
}

fn found(view: &ReportView) -> Section {
    let count = view.open.iter().map(|line| line.open).sum::<u64>();
    let row = |name: &str, open: u64, saving| {
        vec![name.to_owned(), open.to_string(), format!("{saving}")]
    };
    let lines = view.open.iter().map(|l| row(l.action.as_str(), l.open, l.saving_usd_monthly));
    let all = std::iter::once(row("all", count, view.open_saving_usd_monthly));
    Section {
        title: "Open recommendations",
        notes: vec![
            format!("Resources: {}; not sized: {}.", counts(&view.resources), view.not_sized),
            "Savings are before commitments.".to_owned(),
            format!("Held back by: {}.", counts(&view.held_by)),
        ],
        columns: vec![("Action", false), ("Count", true), ("Saving/month", true)],
        rows: lines.chain(all).collect(),
    }
}

fn saved(view: &ReportView) -> Section {
    let rows = view.outcomes.iter().map(|line| {
        let amount = |of: fn(&SavingLine) -> trimtab_models::money::Usd| {
            line.saving.as_ref().map_or_else(String::new, |saving| of(saving).to_string())
        };
        vec![
            line.action.to_string(),
            line.state.to_string(),
            line.changes.to_string(),
            line.promised_usd_monthly.to_string(),
            amount(|saving| saving.predicted_usd),
            line.saving.as_ref().map_or_else(String::new, saved_between),
        ]
    });
    let all = view.saving.map_or_else(
        || "What they have saved has not been measured yet.".to_owned(),
        |saving| {
            format!(
                "{} of them were measured: {} saved ({} to {}) where {} was promised.",
                saving.measured,
                saving.saved_usd,
                saving.low_usd,
                saving.high_usd,
                saving.predicted_usd
            )
        },
    );
    Section {
        title: "Changes",
        notes: vec![
            format!(
                "Changes begun: {}; those kept are to save {} a month. In the table: what was promised a month, what of it was \
                 due when it was measured, and what was saved.",
                counts(&view.changes),
                view.kept_saving_usd_monthly
            ),
            all,
        ],
        columns: vec![
            ("Action", false),
            ("State", false),
            ("Count", true),
            ("A month", true),
            ("Due", true),
            ("Saved", true),
        ],
        rows: rows.collect(),
    }
}

/// What was saved, and what it may have been.
fn saved_between(saving: &SavingLine) -> String {
    format!("{}\n({} to {})", saving.saved_usd, saving.low_usd, saving.high_usd)
}

fn withheld(view: &ReportView) -> Section {
    let rows = view.withheld.iter().map(|line| {
        vec![
            line.check.clone(),
            line.count.to_string(),
            line.recurring.to_string(),
            line.saving_usd_monthly.to_string(),
            format!("{}: {}", line.resources.join(", "), line.reason),
        ]
    });
    Section {
        title: "Withheld",
        notes: vec![if view.withheld.is_empty() {
            "Nothing is withheld.".to_owned()
        } else {
            "By check, with those that would save most, and the reason of the first; again: how many a person should look at.".to_owned()
        }],
        columns: vec![
            ("Check", false),
            ("Count", true),
            ("Again", true),
            ("A month", true),
            ("Such as, and why the first", false),
        ],
        rows: rows.collect(),
    }
}

fn recurring(view: &ReportView) -> Section {
    let row = |line: &RecurringLine| {
        vec![
            line.id.clone(),
            format!("{} of {}", line.action, line.resource),
            line.held_by.join(", "),
            words::time(line.since),
            words::saving(line.saving_usd_monthly),
        ]
    };
    let (total, told) = (view.recurring_total, view.recurring.len());
    let cut = if told as u64 == total { "" } else { ", the dearest of them below" };
    Section {
        title: "Held back again and again",
        notes: vec![format!("{total} wait for somebody to look at what holds them{cut}.")],
        columns: vec![
            ("Id", false),
            ("What", false),
            ("Held back by", false),
            ("Since", false),
            ("Saving/month", true),
        ],
        rows: view.recurring.iter().map(row).collect(),
    }
}

fn decided(view: &ReportView) -> Section {
    let rows = view.decided.people.iter().map(|line| {
        let counts = [
            line.approved,
            line.rejected,
            line.exceptions,
            line.undone,
            line.switched,
            line.tokens,
            line.refused,
        ];
        let counts = counts.map(|count| count.to_string());
        std::iter::once(line.by.clone()).chain(counts).collect()
    });
    let note = match view.decided.total {
        0 => "Nobody decided anything.".to_owned(),
        1 => "One decision.".to_owned(),
        many => format!("{many} decisions."),
    };
    Section {
        title: "Who decided",
        notes: vec![note],
        columns: vec![
            ("Person", false),
            ("Approved", true),
            ("Rejected", true),
            ("Dated", true),
            ("Undone", true),
            ("Stops", true),
            ("Tokens", true),
            ("Refused", true),
        ],
        rows: rows.collect(),
    }
}

fn decisions(view: &ReportView) -> Section {
    let row = |line: &DecisionLine| {
        let action = line.action.map(|action| action.to_string());
        let until = line.until.map(|until| format!("until {}", words::time(until)));
        let about = [action, line.about.clone(), until];
        vec![
            words::time(line.at),
            line.by.clone(),
            line.what.clone(),
            about.into_iter().flatten().collect::<Vec<_>>().join(", "),
            line.reason.clone().unwrap_or_default(),
        ]
    };
    let (total, told) = (view.decided.total, view.decided.newest.len());
    let notes = if told as u64 == total {
        Vec::new()
    } else {
        vec![format!("The newest {told} of {total}; `trimtab audit export` has all.")]
    };
    Section {
        title: "Decisions",
        notes,
        columns: vec![
            ("At", false),
            ("By", false),
            ("Decision", false),
            ("About", false),
            ("Reason", false),
        ],
        rows: view.decided.newest.iter().map(row).collect(),
    }
}

fn cost(view: &ReportView) -> Section {
    let text = view.own_cost.map_or_else(
        || "No cycle has ended since the start.".to_owned(),
        |billed| {
            let cost = words::saving(billed.cost);
            format!(
                "{} metrics that CloudWatch bills for since {}: {cost}.",
                billed.metrics,
                words::time(billed.since)
            )
        },
    );
    Section { title: "What looking cost", notes: vec![text], columns: Vec::new(), rows: Vec::new() }
}

#[cfg(test)]
mod tests;
