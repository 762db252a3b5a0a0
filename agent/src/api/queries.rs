//! What only reads one thing: a recommendation, a change, status, modes, the report, readiness and metrics.
//!
//! Not here: lists (`lists`), and what the figures of a report are (`report`).

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    ApiState,
    asked::{Id, Query},
    guard::Caller,
    problem::Problem,
    report::{self, ReportView},
    tags::{Mark, Tagged},
    views::{self, CircuitView, ExplainView, MeView, StatusView},
};
use crate::{
    agent::Agent,
    follow::{band, forecast_now},
    view::ChangeView,
};

/// How far a report looks back by default, days.
const REPORT_DAYS: u32 = 30;
/// The furthest a report looks back, days.
const REPORT_DAYS_MAX: u32 = 3_650;

/// Runs what reads or syncs files away from the threads that answer requests.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)
}

/// The open circuits.
pub(super) async fn circuit(State(state): State<ApiState>) -> Result<Json<CircuitView>, Problem> {
    off_thread(move || Json(CircuitView::of(&state.agent))).await
}

pub(super) async fn recommendation(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Id(id): Id,
) -> Result<Response, Problem> {
    let missing = Problem::not_found(format!(
        "there is no recommendation `{id}`: list them with `trimtab recommendations list`"
    ));
    let found = off_thread(move || {
        let mut view = state.agent.store().recommendation(&id)?.ok_or(missing)?;
        view.forecast_now = forecast_now(&state.agent, &view.entry.recommendation);
        Tagged::of(&view, &Mark::recommendation(&view))
    });
    Ok(found.await??.respond(&headers))
}

pub(super) async fn change(
    State(state): State<ApiState>,
    headers: HeaderMap,
    Id(id): Id,
) -> Result<Response, Problem> {
    let now = state.agent.ports().clock.now();
    let found = state.agent.ledger().book().changes().get(&id).map(|change| ChangeView {
        would_have_been: band(change, now),
        ..ChangeView::from(change)
    });
    let view = found.ok_or_else(|| {
        Problem::not_found(format!(
            "there is no change `{id}`: list them with `trimtab changes list`"
        ))
    })?;
    Ok(Tagged::of(&view, &Mark::change(&view))?.respond(&headers))
}

/// Who asks, and what they may.
pub(super) async fn me(Extension(caller): Extension<Caller>) -> Json<MeView> {
    Json(MeView::of(&caller.person))
}

pub(super) async fn status(State(state): State<ApiState>) -> Result<Json<StatusView>, Problem> {
    Ok(Json(off_thread(move || views::status(&state.agent)).await?))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    /// The resource.
    arn: String,
}

pub(super) async fn explain(
    State(state): State<ApiState>,
    Query(ExplainQuery { arn }): Query<ExplainQuery>,
) -> Result<Json<ExplainView>, Problem> {
    views::explain(&state.agent, &arn).map(Json).ok_or_else(|| {
        Problem::not_found(format!(
            "the last cycle saw no resource `{arn}`: list what it saw with `trimtab inventory`"
        ))
    })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    /// How many days it looks back; 30 when it is not said.
    #[schemars(range(min = 1, max = 3_650))]
    since_days: Option<u32>,
    /// The time to begin at, instead of a number of days.
    since: Option<Timestamp>,
}

pub(super) async fn report(
    State(state): State<ApiState>,
    Query(ReportQuery { since_days, since }): Query<ReportQuery>,
) -> Result<Json<ReportView>, Problem> {
    let now = state.agent.ports().clock.now();
    let since = match (since_days, since) {
        (Some(_), Some(_)) => {
            return Err(Problem::bad_request("since_days and since are given: give one of them"));
        }
        (None, Some(since)) if since > now => {
            return Err(Problem::bad_request(format!("since = {since} is still to come")));
        }
        (None, Some(since)) => since,
        (days, None) => {
            let days = days.unwrap_or(REPORT_DAYS);
            if !(1..=REPORT_DAYS_MAX).contains(&days) {
                return Err(Problem::bad_request(format!(
                    "since_days = {days} is not within 1 to {REPORT_DAYS_MAX}"
                )));
            }
            report::days_before(now, days)
        }
    };
    Ok(Json(off_thread(move || report::report(&state.agent, since)).await??))
}

pub(super) async fn ready(State(state): State<ApiState>) -> Response {
    if let Some(reason) = state.agent.read_only() {
        return Problem::not_ready(reason).into_response();
    }
    if state.agent.last_cycle().is_some() {
        let ledger = state.agent.ledger();
        let changes = ledger.book().changes().values();
        let off = changes.filter(|change| change.off_since().is_some()).count();
        let owed = if off == 0 { String::new() } else { format!("machines owed a start: {off}\n") };
        return format!("ready\n{owed}").into_response();
    }
    Problem::not_ready("the first cycle since the start has not ended yet").into_response()
}

/// Prometheus's text format, version 0.0.4. Counts only: no name of anything in the accounts.
pub(super) async fn metrics(State(state): State<ApiState>) -> Result<Response, Problem> {
    let text = off_thread(move || metrics_text(&state.agent, &views::status(&state.agent))).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

fn metrics_text(agent: &Arc<Agent>, status: &StatusView) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, samples: Vec<(String, String)>| {
        writeln!(text, "# HELP trimtab_{name} {help}\n# TYPE trimtab_{name} gauge")
            .expect("writing to a string cannot fail");
        for (labels, value) in samples {
            writeln!(text, "trimtab_{name}{labels} {value}")
                .expect("writing to a string cannot fail");
        }
    };
    let labelled = |label: &str, counts: &std::collections::BTreeMap<String, u64>| {
        counts
            .iter()
            .map(|(key, count)| (format!("{{{label}=\"{key}\"}}"), count.to_string()))
            .collect()
    };
    gauge(
        "stopped",
        "Whether the stop switch is set.",
        vec![(String::new(), u8::from(status.stopped.is_some()).to_string())],
    );
    gauge(
        "recommendations",
        "Recommendations by state.",
        labelled("state", &status.recommendations),
    );
    gauge("changes", "Changes by state.", labelled("state", &status.changes));
    gauge(
        "journal_records",
        "Number of the journal's last record.",
        vec![(String::new(), agent.ledger().last_seq().to_string())],
    );
    if let Some(cycle) = &status.last_cycle {
        gauge("resources", "Resources seen by the last cycle.", labelled("kind", &cycle.resources));
        let one = |value: String| vec![(String::new(), value)];
        gauge(
            "cycle_ended_timestamp_seconds",
            "End of the last cycle.",
            one(cycle.ended_at.as_second().to_string()),
        );
        gauge(
            "cycle_failures",
            "What the last cycle could not ask.",
            one(cycle.failures.len().to_string()),
        );
        gauge(
            "cycle_points",
            "Points received by the last cycle.",
            one(cycle.points_received.to_string()),
        );
        gauge(
            "cycle_billed_metrics",
            "Metrics of the last cycle that CloudWatch bills for.",
            one(cycle.billed_metrics.to_string()),
        );
    }
    text
}
