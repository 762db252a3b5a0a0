//! What a back-test came to, as tables for people.
//!
//! Not here: the figures (`sizing`, `forecast`) and the chart.

use comfy_table::{Cell, ColumnConstraint, Table};

use super::{
    forecast::ForecastReport,
    sizing::{PolicyReport, SizingReport},
};
use crate::cli::tables::{number, table};

/// Names that a line lists before it only counts.
const NAMES_LISTED: usize = 8;

/// The table of sizes.
pub(super) fn sizing(report: &SizingReport) -> String {
    let mut text = format!(
        "{} machines judged, {} saturated; {} days skipped, {} learnt from, {:.1} judged\n\n",
        report.machines_judged,
        report.machines_saturated,
        report.skip_days,
        report.train_days,
        report.test_days,
    );
    let mut table = table(&[
        "Policy",
        "Cost",
        "90 %\ninterval",
        "VMs\n>1 %",
        "Over\n%",
        "Saved\n%",
        "Raised\n%",
    ]);
    for policy in &report.policies {
        table.add_row(row(policy));
    }
    keep_figures_whole(&mut table);
    text.push_str(&table.to_string());
    text.push_str(
        "\n\nCost: vCPU chosen ÷ vCPU of the oracle, which knows what came. VMs >1 %: share, in\n\
         percent, of machines whose use exceeded the size in more than 1 % of the rows judged.\n\
         Over: mean share of rows that did. Saved: of the vCPU there are. Raised: share of the\n\
         saturated machines with more than they have.\n",
    );
    if let Some(risk) = report.stated_risk {
        let came = report.policies.iter().find(|one| one.preset == Some(report.preset));
        let came = came.and_then(|one| one.score).map(|score| score.violating_ratio);
        text.push_str(&format!(
            "Preset {}: stated a risk of {} on average beforehand, {} came about.\n",
            report.preset,
            percent(risk),
            came.map_or("none".to_owned(), percent)
        ));
    }
    for warning in &report.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

/// A figure over two lines cannot be read; with one blank between them all fit into 80 columns.
fn keep_figures_whole(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_constraint(ColumnConstraint::ContentWidth).set_padding((1, 0));
    }
}

fn row(policy: &PolicyReport) -> Vec<Cell> {
    let Some(score) = &policy.score else {
        return vec![Cell::new(&policy.policy), number("–")];
    };
    let cost = score.cost_to_oracle;
    vec![
        Cell::new(&policy.policy),
        number(&format!("{:.3}", cost.value)),
        number(&format!("{:.3}–{:.3}", cost.low, cost.high)),
        number(&tenths(score.violating_ratio)),
        number(&format!("{:.2}", score.violation_ratio * 100.0)),
        number(&tenths(score.saving_ratio)),
        number(&score.saturated_upsized_ratio.map_or("–".to_owned(), tenths)),
    ]
}

/// The table of forecasts.
pub(super) fn forecast(report: &ForecastReport) -> String {
    let mut text = format!(
        "{} series judged at {} origins of {} rows, look-back {} days; {} flat series left out\n",
        report.series_judged,
        report.origins,
        report.horizon_rows,
        report.lookback_days,
        report.series_flat,
    );
    if report.forecasters.is_empty() {
        text.push_str("Nothing is judged: no series moves enough from day to day.\n");
    } else {
        text.push_str(&forecasters(report));
    }
    if !report.series_left_out.is_empty() {
        text.push_str(&format!(
            "warning: {} series are not in the file, too short or with too few values: {}\n",
            report.series_left_out.len(),
            names(&report.series_left_out)
        ));
    }
    if report.windows_left_out > 0 {
        text.push_str(&format!(
            "warning: {} origins of other series are not in the file, with too few values before them\n",
            report.windows_left_out
        ));
    }
    text
}

fn forecasters(report: &ForecastReport) -> String {
    let mut table = table(&[
        "Forecaster",
        "Loss",
        "Median\nloss",
        "In\n80 %",
        "In\n95 %",
        "Up\n95 %",
        "Up\n99 %",
        "Low\n%",
        "Best\n%",
    ]);
    for one in &report.forecasters {
        let score = &one.score;
        let figures = [
            format!("{:.3}", score.mean.scaled_pinball),
            format!("{:.3}", score.scaled_pinball_median),
            format!("{:.3}", score.mean.within_80),
            format!("{:.3}", score.mean.within_95),
            format!("{:.3}", score.mean.up_95),
            format!("{:.3}", score.mean.up_99),
            tenths(score.badly_covered_ratio),
            tenths(score.best_ratio),
        ];
        let mut cells = vec![Cell::new(one.forecaster)];
        cells.extend(figures.iter().map(|figure| number(figure)));
        table.add_row(cells);
    }
    keep_figures_whole(&mut table);
    format!(
        "\n{table}\n\nLoss: scaled pinball loss, lower is better. In, Up: share of rows within that interval,\n\
         up to that quantile. Low: share, in percent, of series of which less than 90 % lay up to\n\
         the 0.95 quantile. Best: share of series with the lowest loss.\n",
    )
}

/// The first of some names, and how many more there are.
pub(super) fn names(all: &[String]) -> String {
    let listed = all.iter().take(NAMES_LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMES_LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

fn percent(ratio: f64) -> String {
    format!("{} %", tenths(ratio))
}

/// A ratio in percent, to the tenth.
fn tenths(ratio: f64) -> String {
    format!("{:.1}", ratio * 100.0)
}
