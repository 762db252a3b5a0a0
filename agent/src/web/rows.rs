//! How recommendations and changes read on their pages: every figure already in words.
//!
//! Not here: layout (`templates/`).

use trimtab_models::{
    money::Usd,
    recommendation::{Action, Evidence, Recommendation, Replay},
};
use trimtab_policies::{
    change::{Change, Progress, StepState},
    mode::Disruption,
    plan::{CheckResult, CheckVerdict},
    quorum::Quorum,
};

use crate::{
    view::{RecommendationState, RecommendationView, check_name},
    words,
};

/// The head of a recommendation's page.
#[derive(Debug)]
pub(crate) struct RecommendationRow {
    pub(crate) id: String,
    pub(crate) digest: String,
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) place: String,
    pub(crate) action: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) reason: String,
    pub(crate) saving: String,
    pub(crate) basis: String,
    pub(crate) risk: String,
    pub(crate) disruption: String,
    pub(crate) mode: String,
    pub(crate) decision: String,
    pub(crate) state: &'static str,
    pub(crate) state_words: String,
    pub(crate) decided: Option<String>,
    pub(crate) quorum: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) begins: Option<String>,
    pub(crate) recurring: Option<String>,
    pub(crate) awaits: bool,
    pub(crate) is_open: bool,
    pub(crate) change_id: Option<String>,
}

/// A check's verdict.
#[derive(Debug)]
pub(crate) struct CheckRow {
    pub(crate) name: String,
    pub(crate) verdict: &'static str,
    pub(crate) until: Option<String>,
    pub(crate) reason: String,
}

impl RecommendationRow {
    pub(crate) fn new(view: &RecommendationView) -> Self {
        let entry = &view.entry;
        let recommendation = &entry.recommendation;
        let resource = &recommendation.resource;
        let (from, to) = words::from_to(&recommendation.expected, &recommendation.desired);
        Self {
            id: entry.id.clone(),
            digest: entry.digest.clone(),
            name: words::name(resource, &recommendation.resource_id),
            arn: resource.arn.0.clone(),
            place: format!("{} · {} · {}", resource.kind, resource.account, resource.region),
            action: recommendation.action.to_string(),
            from,
            to,
            reason: recommendation.reason.clone(),
            saving: words::saving(recommendation.saving),
            basis: words::saving_basis(recommendation),
            risk: words::risk(recommendation),
            disruption: words::disruption(recommendation),
            mode: entry.mode.to_string(),
            decision: entry.decision.to_string().replace('_', " "),
            state: view.state.as_str(),
            state_words: view.state.as_str().replace('_', " "),
            decided: view.decided.clone(),
            quorum: entry.quorum.as_ref().map(Quorum::words),
            tags: resource.tags.iter().map(|(key, value)| format!("{key}={value}")).collect(),
            begins: words::begins(view),
            recurring: words::recurring(view),
            awaits: view.state == RecommendationState::AwaitingApproval,
            is_open: view.state.is_open(),
            change_id: view.change_id.clone(),
        }
    }
}

impl CheckRow {
    pub(crate) fn new(result: &CheckResult) -> Self {
        Self {
            name: check_name(result.check),
            verdict: match result.verdict {
                CheckVerdict::Pass => "pass",
                CheckVerdict::Wait => "wait",
                CheckVerdict::Fail => "fail",
            },
            until: result.until.map(words::time),
            reason: result.reason.clone(),
        }
    }
}

/// Everything that one recommendation rests on.
#[derive(Debug)]
pub(crate) struct DetailView {
    pub(crate) mode_reason: String,
    pub(crate) cost_today: String,
    pub(crate) cost_after: String,
    pub(crate) reversible: &'static str,
    pub(crate) expected: String,
    pub(crate) desired: String,
    pub(crate) alternates: String,
    pub(crate) lookback: String,
    pub(crate) seasons: String,
    pub(crate) risk: String,
    pub(crate) forecast: Option<String>,
    pub(crate) unseen: String,
    pub(crate) notes: Vec<String>,
    pub(crate) dimensions: Vec<DimensionRow>,
    pub(crate) series: Vec<SeriesRow>,
    pub(crate) replay: Option<ReplayRow>,
    pub(crate) checks: Vec<CheckRow>,
    pub(crate) steps: Vec<PlannedStep>,
    pub(crate) first_seen: String,
    pub(crate) confirmed: String,
}

/// Demand against capacity in one dimension.
#[derive(Debug)]
pub(crate) struct DimensionRow {
    pub(crate) name: String,
    pub(crate) demand: String,
    pub(crate) today: String,
    pub(crate) proposed: String,
    pub(crate) used: String,
}

/// One series of the evidence.
#[derive(Debug)]
pub(crate) struct SeriesRow {
    pub(crate) name: String,
    pub(crate) decisive: bool,
    pub(crate) points: u64,
    pub(crate) coverage: String,
    pub(crate) quantiles: String,
    pub(crate) newest: String,
}

/// The look-back against the proposed size.
#[derive(Debug)]
pub(crate) struct ReplayRow {
    pub(crate) told: String,
    pub(crate) breaches: Vec<String>,
}

/// A step before it is carried out.
#[derive(Debug)]
pub(crate) struct PlannedStep {
    pub(crate) name: String,
    pub(crate) budget: String,
    pub(crate) undo: String,
}

impl DetailView {
    pub(crate) fn new(view: &RecommendationView) -> Self {
        let recommendation = &view.entry.recommendation;
        let evidence = &recommendation.evidence;
        Self {
            mode_reason: view.entry.mode_reason.clone(),
            cost_today: words::saving(recommendation.cost_today),
            cost_after: words::saving(cost_after(recommendation)),
            reversible: match Disruption::of(recommendation.action) {
                Disruption::None
                | Disruption::Brief
                | Disruption::Restart
                | Disruption::Rolling => "can be undone: see the steps",
                Disruption::Destructive => "undone only from a snapshot, under a new id",
            },
            expected: words::spec(&recommendation.expected),
            desired: words::spec(&recommendation.desired),
            alternates: recommendation.alternates.join(", "),
            lookback: format!(
                "{} to {}, {:.1} days seen",
                words::time(evidence.from),
                words::time(evidence.until),
                evidence.days_seen
            ),
            seasons: words::seasons(evidence),
            risk: words::risk_told(recommendation),
            forecast: (evidence.forecast.as_ref().map(words::forecast))
                .or_else(|| evidence.outlook.as_ref().map(words::outlook)),
            unseen: evidence.unseen.join(", "),
            notes: evidence.notes.clone(),
            dimensions: dimensions(evidence),
            series: series(evidence),
            replay: evidence.replay.as_ref().map(|one| replay(recommendation.action, one)),
            checks: view.entry.checks.iter().map(CheckRow::new).collect(),
            steps: steps(view),
            first_seen: words::time(view.first_seen_at),
            confirmed: words::time(view.confirmed_at),
        }
    }
}

fn cost_after(recommendation: &Recommendation) -> Option<Usd> {
    Some(recommendation.cost_today?.saturating_sub(recommendation.saving?))
}

fn dimensions(evidence: &Evidence) -> Vec<DimensionRow> {
    let row = |dimension: &trimtab_models::recommendation::Dimension| {
        let with_unit = |value| format!("{} {}", words::figure(value), dimension.unit);
        let used = dimension.demand / dimension.capacity_proposed;
        DimensionRow {
            name: dimension.name.clone(),
            demand: with_unit(dimension.demand),
            today: with_unit(dimension.capacity_today),
            proposed: with_unit(dimension.capacity_proposed),
            used: if used.is_finite() { words::percent(used) } else { words::UNKNOWN.to_owned() },
        }
    };
    evidence.dimensions.iter().map(row).collect()
}

fn series(evidence: &Evidence) -> Vec<SeriesRow> {
    let figure = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), words::figure);
    let row = |series: &trimtab_models::recommendation::SeriesEvidence| SeriesRow {
        name: series.measure.to_string(),
        decisive: series.decisive,
        points: series.points,
        coverage: words::percent(series.coverage_ratio),
        quantiles: format!(
            "{} / {} / {} / {}",
            figure(series.p50),
            figure(series.p95),
            figure(series.p99_5),
            figure(series.max)
        ),
        newest: series.newest_at.map_or_else(|| "never".to_owned(), words::time),
    };
    evidence.series.iter().map(row).collect()
}

fn replay(action: Action, replay: &Replay) -> ReplayRow {
    let against = match action {
        Action::StopIdleInstance => "what counts as use",
        Action::DeleteUnattachedVolume
        | Action::ResizeInstance
        | Action::MigrateVolumeType
        | Action::TuneVolume
        | Action::TuneFunctionMemory
        | Action::TuneGroupCapacity
        | Action::ScheduleGroup
        | Action::ResizeGroupInstances => "the proposed capacity",
    };
    let breach = |breach: &trimtab_models::recommendation::Breach| {
        format!(
            "{} to {}: {} at {} of {against}",
            words::time(breach.from),
            words::time(breach.until),
            breach.dimension,
            words::percent(breach.peak_ratio)
        )
    };
    ReplayRow {
        told: words::replay(action, replay),
        breaches: replay.breaches.iter().map(breach).collect(),
    }
}

fn steps(view: &RecommendationView) -> Vec<PlannedStep> {
    let step = |step: &trimtab_policies::steps::Step| PlannedStep {
        name: step.name.clone(),
        budget: format!("{} min", step.budget_s.div_ceil(60)),
        undo: step.undo.clone(),
    };
    view.entry.steps.iter().map(step).collect()
}

/// A change in the table.
#[derive(Debug)]
pub(crate) struct ChangeRow {
    pub(crate) id: String,
    pub(crate) recommendation_id: String,
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) action: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) saving: String,
    pub(crate) mode: String,
    pub(crate) approver: Option<String>,
    pub(crate) opened_at: String,
    pub(crate) state: String,
    pub(crate) current: Option<String>,
    pub(crate) steps: Vec<StepRow>,
    pub(crate) undo_steps: Vec<StepRow>,
    pub(crate) undo_reason: Option<String>,
    pub(crate) undo_wanted: Option<String>,
    pub(crate) realized: Option<String>,
    pub(crate) outcome: Option<String>,
}

/// A step of a change.
#[derive(Debug)]
pub(crate) struct StepRow {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) at: Option<String>,
    pub(crate) error: Option<String>,
}

impl ChangeRow {
    pub(crate) fn new(change: &Change) -> Self {
        let recommendation = &change.recommendation;
        let (from, to) = words::from_to(&recommendation.expected, &recommendation.desired);
        Self {
            id: change.id.clone(),
            recommendation_id: change.recommendation_id.clone(),
            name: words::name(&recommendation.resource, &recommendation.resource_id),
            arn: recommendation.resource.arn.0.clone(),
            action: recommendation.action.to_string(),
            from,
            to,
            saving: words::saving(recommendation.saving),
            mode: change.mode.to_string(),
            approver: change.approver.clone(),
            opened_at: words::time(change.opened_at),
            state: change.state.to_string(),
            current: change
                .current()
                .filter(|_| change.state.is_open())
                .map(|progress| progress.step.name.clone()),
            steps: change.steps.iter().map(step_row).collect(),
            undo_steps: change.undo_steps.iter().map(step_row).collect(),
            undo_reason: change.undo_reason.clone(),
            undo_wanted: change.undo_wanted.as_ref().map(words::undo_wanted),
            realized: change.realized.as_ref().map(words::realized),
            outcome: change.outcome.as_ref().map(|outcome| {
                let provisional = if outcome.provisional { " (provisional)" } else { "" };
                format!("{}{provisional}: {}", outcome.state, outcome.reason)
            }),
        }
    }
}

fn step_row(progress: &Progress) -> StepRow {
    StepRow {
        name: progress.step.name.clone(),
        state: match progress.state {
            StepState::Pending => "pending",
            StepState::Attempted => "attempted",
            StepState::Done => "done",
            StepState::Failed => "failed",
        },
        at: progress.at.map(words::time),
        error: progress.error.clone(),
    }
}
