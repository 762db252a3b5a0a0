//! What only reads: recommendations, changes, the inventory, status, modes, the report, readiness and metrics.
//!
//! Not here: what the figures of a report are (`views`).

use std::{cmp::Reverse, fmt::Write as _, sync::Arc};

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use trimtab_models::{recommendation::Action, resource::Kind};

use super::{
    ApiState,
    guard::Caller,
    problem::Problem,
    report::{self, ReportView},
    views::{
        self, ChangesBody, CircuitView, ExplainView, InventoryBody, MeView, RecommendationsBody,
        StatusView,
    },
};
use crate::{
    agent::Agent,
    follow::{band, forecast_now},
    store::StoreError,
    view::{ChangeView, RecommendationState, RecommendationView},
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

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(value)| value).map_err(|rejection| Problem::bad_request(rejection.body_text()))
}

/// Every recommendation that is kept: open ones first, then by saving, then by ARN.
pub(crate) fn recommendation_views(agent: &Agent) -> Result<Vec<RecommendationView>, StoreError> {
    let mut views: Vec<_> = agent.store().recommendations()?.into_values().collect();
    views.sort_by_cached_key(|view| {
        let recommendation = &view.entry.recommendation;
        (
            !view.state.is_open(),
            Reverse(recommendation.saving),
            recommendation.resource.arn.clone(),
            view.entry.id.clone(),
        )
    });
    Ok(views)
}

/// The open circuits.
pub(super) async fn circuit(State(state): State<ApiState>) -> Result<Json<CircuitView>, Problem> {
    off_thread(move || Json(CircuitView::of(&state.agent))).await
}

/// Every change, newest first.
fn change_views(agent: &Agent) -> Vec<ChangeView> {
    let mut views: Vec<_> =
        agent.ledger().book().changes().values().map(ChangeView::from).collect();
    views.sort_by_key(|view| (Reverse(view.opened_at), view.id.clone()));
    views
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    state: Option<RecommendationState>,
    kind: Option<Kind>,
    account: Option<String>,
    action: Option<Action>,
}

impl Filter {
    fn takes(&self, view: &RecommendationView) -> bool {
        let recommendation = &view.entry.recommendation;
        let resource = &recommendation.resource;
        self.state.is_none_or(|state| state == view.state)
            && self.kind.is_none_or(|kind| kind == resource.kind)
            && self.account.as_ref().is_none_or(|account| *account == resource.account)
            && self.action.is_none_or(|action| action == recommendation.action)
    }
}

pub(super) async fn recommendations(
    State(state): State<ApiState>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<RecommendationsBody>, Problem> {
    let filter = query(filter)?;
    let mut recommendations = off_thread(move || recommendation_views(&state.agent)).await??;
    recommendations.retain(|view| filter.takes(view));
    Ok(Json(RecommendationsBody { recommendations }))
}

pub(super) async fn recommendation(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<RecommendationView>, Problem> {
    let missing = Problem::not_found(format!(
        "there is no recommendation `{id}`: list them with `trimtab recommendations list`"
    ));
    let found = off_thread(move || {
        let mut found = state.agent.store().recommendation(&id)?;
        if let Some(view) = &mut found {
            view.forecast_now = forecast_now(&state.agent, &view.entry.recommendation);
        }
        Ok::<_, StoreError>(found)
    })
    .await??;
    found.map(Json).ok_or(missing)
}

pub(super) async fn changes(State(state): State<ApiState>) -> Json<ChangesBody> {
    Json(ChangesBody { changes: change_views(&state.agent) })
}

pub(super) async fn change(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<ChangeView>, Problem> {
    let now = state.agent.ports().clock.now();
    let found = state.agent.ledger().book().changes().get(&id).map(|change| ChangeView {
        would_have_been: band(change, now),
        ..ChangeView::from(change)
    });
    found.map(Json).ok_or_else(|| {
        Problem::not_found(format!(
            "there is no change `{id}`: list them with `trimtab changes list`"
        ))
    })
}

pub(super) async fn inventory(State(state): State<ApiState>) -> Json<InventoryBody> {
    Json(InventoryBody { resources: state.agent.inventory().values().cloned().collect() })
}

/// Who asks, and what they may.
pub(super) async fn me(Extension(caller): Extension<Caller>) -> Json<MeView> {
    Json(MeView::of(&caller.person))
}

pub(super) async fn status(State(state): State<ApiState>) -> Result<Json<StatusView>, Problem> {
    Ok(Json(off_thread(move || views::status(&state.agent)).await?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainQuery {
    arn: String,
}

pub(super) async fn explain(
    State(state): State<ApiState>,
    arn: Result<Query<ExplainQuery>, QueryRejection>,
) -> Result<Json<ExplainView>, Problem> {
    let ExplainQuery { arn } = query(arn)?;
    views::explain(&state.agent, &arn).map(Json).ok_or_else(|| {
        Problem::not_found(format!(
            "the last cycle saw no resource `{arn}`: list what it saw with `trimtab inventory`"
        ))
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    since_days: Option<u32>,
}

pub(super) async fn report(
    State(state): State<ApiState>,
    days: Result<Query<ReportQuery>, QueryRejection>,
) -> Result<Json<ReportView>, Problem> {
    let days = query(days)?.since_days.unwrap_or(REPORT_DAYS);
    if !(1..=REPORT_DAYS_MAX).contains(&days) {
        return Err(Problem::bad_request(format!(
            "since_days = {days} is not within 1 to {REPORT_DAYS_MAX}"
        )));
    }
    Ok(Json(off_thread(move || report::report(&state.agent, days)).await??))
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
