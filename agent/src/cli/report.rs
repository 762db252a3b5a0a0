//! The report, as text for a terminal, as Markdown, and as a page that needs nothing else.
//!
//! Not here: its figures (`api`).

use std::fmt::Write;

use super::tables::{counts, number, table};
use crate::{
    api::{ReportView, SavingLine},
    words,
};

/// How the page looks; it brings its own, because it is mailed and kept.
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}\
table{border-collapse:collapse;width:100%}th,td{padding:.3rem .6rem;border-bottom:1px solid #d5dae1;text-align:left;vertical-align:top}\
td.num{text-align:right;white-space:nowrap}h2{margin-top:2rem}";

/// One part of the report: a heading, sentences, and a table.
struct Section {
    title: &'static str,
    notes: Vec<String>,
    /// The columns, with whether they hold figures.
    columns: Vec<(&'static str, bool)>,
    rows: Vec<Vec<String>>,
}

fn sections(view: &ReportView) -> Vec<Section> {
    let mut sections = vec![found(view), saved(view), withheld(view), cost(view)];
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
            amount(|saving| saving.saved_usd),
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
                "Changes begun: {}; kept, they are to save {} a month.",
                counts(&view.changes),
                view.kept_saving_usd_monthly
            ),
            all,
        ],
        columns: vec![
            ("Action", false),
            ("State", false),
            ("Count", true),
            ("Promised/month", true),
            ("Due so far", true),
            ("Saved", true),
        ],
        rows: rows.collect(),
    }
}

fn withheld(view: &ReportView) -> Section {
    let rows = view.withheld.iter().map(|line| {
        vec![
            line.check.clone(),
            line.count.to_string(),
            line.recurring.to_string(),
            line.saving_usd_monthly.to_string(),
            line.reason.clone(),
        ]
    });
    Section {
        title: "Withheld",
        notes: vec![if view.withheld.is_empty() {
            "Nothing is withheld.".to_owned()
        } else {
            "By check, with the reason of the one that would save most.".to_owned()
        }],
        columns: vec![
            ("Check", false),
            ("Count", true),
            ("Recurring", true),
            ("Saving/month", true),
            ("Reason", false),
        ],
        rows: rows.collect(),
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

fn span(view: &ReportView) -> String {
    format!("From {} to {}", words::time(view.since), words::time(view.until))
}

/// For a terminal, at most as wide as it.
pub(super) fn text(view: &ReportView) -> String {
    let mut text = span(view);
    for section in sections(view) {
        write!(text, "\n\n{}", section.title).expect("writing to a string cannot fail");
        for note in &section.notes {
            write!(text, "\n{note}").expect("writing to a string cannot fail");
        }
        if section.rows.is_empty() {
            continue;
        }
        let header: Vec<&str> = section.columns.iter().map(|(name, _)| *name).collect();
        let mut rows = table(&header);
        for row in &section.rows {
            let cells = row.iter().zip(&section.columns);
            rows.add_row(cells.map(|(cell, (_, figure))| {
                if *figure { number(cell) } else { comfy_table::Cell::new(cell) }
            }));
        }
        write!(text, "\n{rows}").expect("writing to a string cannot fail");
    }
    text
}

/// As Markdown.
pub(super) fn markdown(view: &ReportView) -> String {
    let mut text = format!("# Trimtab report\n\n{}\n", span(view));
    for section in sections(view) {
        text.push_str(&format!("\n## {}\n\n{}\n", section.title, section.notes.join("\n\n")));
        if section.rows.is_empty() {
            continue;
        }
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let rule = |figure: bool| if figure { "---:" } else { "---" };
        text.push('\n');
        text.push_str(&line(section.columns.iter().map(|(name, _)| (*name).to_owned()).collect()));
        text.push_str(&line(section.columns.iter().map(|(_, f)| rule(*f).to_owned()).collect()));
        for row in section.rows {
            let cell = |cell: String| cell.replace('|', "\\|").replace('\n', " ");
            text.push_str(&line(row.into_iter().map(cell).collect()));
        }
    }
    text
}

/// As a page of its own.
pub(super) fn html(view: &ReportView) -> String {
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Trimtab report</title><style>{STYLE}</style></head>\
         <body>\n<h1>Trimtab report</h1>\n<p>{}</p>\n",
        escaped(&span(view))
    );
    for section in sections(view) {
        text.push_str(&format!("<h2>{}</h2>\n", escaped(section.title)));
        for note in &section.notes {
            text.push_str(&format!("<p>{}</p>\n", escaped(note)));
        }
        if section.rows.is_empty() {
            continue;
        }
        let head = section.columns.iter().map(|(name, _)| format!("<th>{}</th>", escaped(name)));
        text.push_str(&format!("<table><thead><tr>{}</tr></thead>\n", head.collect::<String>()));
        for row in &section.rows {
            let cells = row.iter().zip(&section.columns).map(|(cell, (_, figure))| {
                let class = if *figure { " class=\"num\"" } else { "" };
                format!("<td{class}>{}</td>", escaped(cell))
            });
            text.push_str(&format!("<tr>{}</tr>\n", cells.collect::<String>()));
        }
        text.push_str("</table>\n");
    }
    text.push_str("</body></html>");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use trimtab_models::{money::Usd, recommendation::Action};
    use trimtab_policies::change::State;

    use super::*;
    use crate::{
        agent::Billed,
        api::{OutcomeLine, ReportLine, WithheldLine},
    };

    fn view() -> ReportView {
        let usd = |dollars| Usd::from_dollars(dollars).expect("small");
        let saving = SavingLine {
            measured: 1,
            predicted_usd: usd(9.0),
            saved_usd: usd(8.0),
            low_usd: usd(7.0),
            high_usd: usd(9.5),
        };
        ReportView {
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            resources: BTreeMap::from([("ec2-instance".to_owned(), 3)]),
            open: vec![ReportLine {
                action: Action::DeleteUnattachedVolume,
                open: 2,
                saving_usd_monthly: usd(1_234.5),
            }],
            open_saving_usd_monthly: usd(1_234.5),
            held_by: BTreeMap::from([("window".to_owned(), 1)]),
            changes: BTreeMap::from([("kept".to_owned(), 1)]),
            kept_saving_usd_monthly: usd(90.0),
            failures: Vec::new(),
            not_sized: 1,
            outcomes: vec![OutcomeLine {
                action: Action::DeleteUnattachedVolume,
                state: State::Inconclusive,
                changes: 1_000,
                promised_usd_monthly: usd(123_456.0),
                saving: Some(saving),
            }],
            saving: Some(saving),
            withheld: vec![WithheldLine {
                check: "blast_radius".to_owned(),
                count: 2,
                saving_usd_monthly: usd(12_345.0),
                reason: "<script>alert(1)</script> | 3 of 3 disruptive changes in flight in account 111122223333"
                    .to_owned(),
                recurring: 1,
            }],
            own_cost: Some(Billed {
                since: Timestamp::UNIX_EPOCH,
                metrics: 12_000,
                cost: Some(usd(0.12)),
            }),
        }
    }

    #[test]
    fn a_terminal_of_80_columns_is_enough() {
        let text = text(&view());
        let widest =
            text.lines().filter(|line| !line.contains('.')).map(|line| line.chars().count());
        assert!(widest.max().is_some_and(|widest| widest <= 80), "{text}");
        assert!(text.contains("$8.00 saved ($7.00 to $9.50) where $9.00 was promised"), "{text}");
        assert!(text.contains("12000 metrics") && text.contains("$0.12"), "{text}");
    }

    #[test]
    fn a_page_needs_nothing_else_and_runs_nothing() {
        let html = html(&view());
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"));
        assert!(!html.contains("http") && !html.contains("src="), "it is self-contained");
    }

    #[test]
    fn markdown_keeps_its_columns() {
        let text = markdown(&view());
        let line = text.lines().find(|line| line.contains("blast_radius")).expect("it is withheld");
        assert_eq!(line.replace("\\|", "").matches('|').count(), 6, "{line}");
        assert!(text.contains("| ---: |"));
    }
}
