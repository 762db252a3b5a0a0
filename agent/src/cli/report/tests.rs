//! The report's three forms.

use std::collections::BTreeMap;

use jiff::Timestamp;
use trimtab_models::{money::Usd, recommendation::Action};
use trimtab_policies::change::State;

use super::*;
use crate::{
    agent::Billed,
    api::{Decided, OutcomeLine, PersonLine, ReportLine, WithheldLine},
};

/// One decision, with all that could break a form in it.
fn decided() -> Decided {
    Decided {
        total: 1,
        people: vec![PersonLine {
            by: "<b>ada</b>".to_owned(),
            approved: 1,
            ..PersonLine::default()
        }],
        newest: vec![DecisionLine {
            at: Timestamp::UNIX_EPOCH,
            by: "<b>ada</b>".to_owned(),
            what: "rejected".to_owned(),
            about: Some(
                "arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0".to_owned(),
            ),
            action: Some(Action::ResizeInstance),
            reason: Some("a | in\nthe reason".to_owned()),
            until: Some(Timestamp::UNIX_EPOCH),
        }],
    }
}

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
            resources: vec!["web-1 (i-0123456789abcdef0)".to_owned()],
        }],
        recurring: vec![RecurringLine {
            id: "0123456789ab".to_owned(),
            resource: "web-1 (i-0123456789abcdef0)".to_owned(),
            action: Action::ResizeGroupInstances,
            held_by: vec!["blast_radius".to_owned(), "window".to_owned()],
            since: Timestamp::UNIX_EPOCH,
            saving_usd_monthly: Some(usd(12_345.0)),
        }],
        recurring_total: 30,
        decided: decided(),
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
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}\n{text}");
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("$8.00 saved ($7.00 to $9.50) where $9.00 was promised"), "{text}");
    assert!(words.contains("12000 metrics") && words.contains("$0.12"), "{text}");
    assert!(words.contains("30 wait for somebody"), "{text}");
}

#[test]
fn a_page_needs_nothing_else_and_runs_nothing() {
    let html = html(&view());
    assert!(html.contains("&lt;script&gt;") && !html.contains("<script"));
    assert!(html.contains("&lt;b&gt;ada") && !html.contains("<b>"), "{html}");
    for outside in ["http:", "https:", "src=", "url(", "@import", "<link"] {
        assert!(!html.contains(outside), "it needs nothing else, not even {outside}");
    }
    for tag in ["table", "tr", "td", "th", "thead", "tbody", "section", "h2", "p"] {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        let opened = html
            .match_indices(&open)
            .filter(|(at, _)| html[at + open.len()..].starts_with(['>', ' ']));
        assert_eq!(opened.count(), html.matches(&close).count(), "{tag}: {html}");
    }
}

#[test]
fn markdown_keeps_its_columns() {
    let text = markdown(&view());
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut tables = 0;
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("| ---") {
            tables += 1;
            let rows = lines[at..].iter().take_while(|row| row.starts_with('|'));
            for row in rows.chain([&lines[at - 1]]) {
                assert_eq!(columns(row), columns(line), "{row}");
            }
            assert!(lines[at - 2].is_empty(), "a table begins after an empty line: {line}");
        }
    }
    assert_eq!(tables, 6, "{text}");
    assert!(text.contains("&lt;script>") && !text.contains("<script"), "{text}");
}
