//! The report as text for a terminal, as Markdown, and as a page that needs nothing else.
//!
//! Not here: its parts (`report`).

use std::fmt::Write;

use comfy_table::{Cell, ColumnConstraint};
use owo_colors::Style;

use super::{Section, sections};
use crate::{
    api::ReportView,
    cli::{
        out::painted,
        tables::{number, table, wrapped},
    },
    words,
};

/// How the page looks; it brings its own, because it is mailed, kept and printed.
const STYLE: &str = include_str!("style.css");

fn span(view: &ReportView) -> String {
    format!("From {} to {}", words::time(view.since), words::time(view.until))
}

/// For a terminal, at most as wide as it.
pub(in crate::cli) fn text(view: &ReportView) -> String {
    let mut text = span(view);
    for section in sections(view) {
        write!(text, "\n\n{}", painted(section.title, Style::new().bold()))
            .expect("writing to a string cannot fail");
        for note in &section.notes {
            write!(text, "\n{}", wrapped(note, 0)).expect("writing to a string cannot fail");
        }
        if section.rows.is_empty() {
            continue;
        }
        let header: Vec<&str> = section.columns.iter().map(|(name, _)| *name).collect();
        let mut rows = table(&header);
        for (place, (_, figure)) in section.columns.iter().enumerate() {
            if *figure && let Some(column) = rows.column_mut(place) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        for row in &section.rows {
            let cells = row.iter().zip(&section.columns);
            rows.add_row(cells.map(
                |(cell, (_, figure))| {
                    if *figure { number(cell) } else { Cell::new(cell) }
                },
            ));
        }
        write!(text, "\n{rows}").expect("writing to a string cannot fail");
    }
    text
}

/// As Markdown.
pub(in crate::cli) fn markdown(view: &ReportView) -> String {
    let mut text = format!("# Trimtab report\n\n{}\n", span(view));
    for section in sections(view) {
        text.push_str(&format!("\n## {}\n", section.title));
        for note in &section.notes {
            text.push_str(&format!("\n{}\n", note.replace('<', "&lt;")));
        }
        if section.rows.is_empty() {
            continue;
        }
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let rule = |figure: bool| if figure { "---:" } else { "---" };
        text.push('\n');
        text.push_str(&line(section.columns.iter().map(|(name, _)| (*name).to_owned()).collect()));
        text.push_str(&line(section.columns.iter().map(|(_, f)| rule(*f).to_owned()).collect()));
        for row in section.rows {
            // A reader of Markdown would take it for HTML.
            let cell =
                |cell: String| cell.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;");
            text.push_str(&line(row.into_iter().map(cell).collect()));
        }
    }
    text
}

/// As a page of its own.
pub(in crate::cli) fn html(view: &ReportView) -> String {
    let span = escaped(&span(view));
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>Trimtab report</title>\
         <style>{STYLE}</style></head>\n<body>\n<h1>Trimtab report</h1>\n<p>{span}</p>\n"
    );
    for section in sections(view) {
        text.push_str(&format!("<section>\n<h2>{}</h2>\n", escaped(section.title)));
        for note in &section.notes {
            text.push_str(&format!("<p>{}</p>\n", escaped(note)));
        }
        if !section.rows.is_empty() {
            text.push_str(&html_table(&section));
        }
        text.push_str("</section>\n");
    }
    text.push_str("</body></html>");
    text
}

fn html_table(section: &Section) -> String {
    let class = |figure: bool| if figure { " class=\"num\"" } else { "" };
    let head = section.columns.iter().map(|(name, figure)| {
        format!("<th scope=\"col\"{}>{}</th>", class(*figure), escaped(name))
    });
    let rows = section.rows.iter().map(|row| {
        let cells = row.iter().zip(&section.columns);
        let cells = cells
            .map(|(cell, (_, figure))| format!("<td{}>{}</td>", class(*figure), escaped(cell)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    });
    let (head, rows) = (head.collect::<String>(), rows.collect::<String>());
    format!(
        "<div class=\"wide\"><table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
