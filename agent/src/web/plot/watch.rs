//! What followed a change beside what would have been without it.
//!
//! Not here: the verdict (`trimtab_policies::watch`).

use std::iter::once;

use jiff::Timestamp;
use trimtab_models::{
    metric::{Measure, Metric, Statistic},
    resource::Kind,
};
use trimtab_policies::change::Change;

use super::{Chart, DAY_S, Figure, HOUR_S, Layer, Named, Tone};
use crate::{
    agent::Agent,
    follow::{BandHour, band},
    observe::stored_measures,
    words,
};

/// Time before the change that is shown, so that its step is seen.
const BEFORE_S: i64 = DAY_S;
/// The longest watch.
const WATCH_S: i64 = 8 * DAY_S;

/// What is watched of a kind, and its unit.
const fn watched_measure(kind: Kind) -> (Measure, &'static str, &'static str) {
    let (metric, statistic, title, unit) = match kind {
        Kind::Instance => {
            (Metric::InstanceCpu, Statistic::Average, "CPU", "percent of the capacity then")
        }
        Kind::Volume => (Metric::VolumeReadOps, Statistic::Sum, "Reads", "operations in a period"),
        Kind::Function => {
            (Metric::FunctionDuration, Statistic::Average, "Duration", "milliseconds")
        }
        Kind::Group => (Metric::GroupCpu, Statistic::Average, "CPU of the members", "percent"),
    };
    (Measure { metric, statistic }, title, unit)
}

/// The plot of a change that was applied; `None` before that, and where no points are kept.
pub(in crate::web) fn watched(agent: &Agent, change: &Change, now: Timestamp) -> Option<Figure> {
    let applied_s = change.applied_at?.as_second();
    let inventory = agent.inventory();
    let resource = inventory.get(&change.recommendation.resource.arn)?;
    let (measure, title, unit) = watched_measure(resource.reference.kind);
    let (from_s, until_s) = (applied_s - BEFORE_S, now.as_second().min(applied_s + WATCH_S));
    let read = stored_measures(resource, once(measure), (from_s, until_s), &agent.series);
    let series = read.ok()?.remove(&measure)?;
    let points: Vec<_> = series.present().map(|(at, value)| (at, f64::from(value))).collect();
    if points.is_empty() {
        return None;
    }
    let would = band(change, now);
    let summary = summary(&points, &would, (applied_s, unit));
    let mut layers = vec![Named {
        name: "seen: mean and range of the points".to_owned(),
        tone: Tone::Seen,
        layer: Layer::Points { points, step_s: i64::from(series.step_s) },
    }];
    layers.extend(counterfactual(&would));
    let layer = Layer::At(applied_s);
    layers.push(Named { name: "the change was applied".to_owned(), tone: Tone::Moment, layer });
    let title = format!("{title} since the change");
    let chart = Chart { title, summary, unit: unit.to_owned(), from_s, until_s, layers };
    Some(chart.draw("watch"))
}

fn counterfactual(would: &[BandHour]) -> Vec<Named> {
    if would.is_empty() {
        return Vec::new();
    }
    let middle = |hour: &BandHour| hour.at.as_second() + HOUR_S / 2;
    let points =
        |of: fn(&BandHour) -> f32| would.iter().map(move |one| (middle(one), f64::from(of(one))));
    let area = points(|one| one.would.p10).zip(points(|one| one.would.p95));
    let band = Layer::Band(area.map(|((at, low), (_, high))| (at, low, high)).collect());
    let median = points(|one| one.would.p50).collect();
    let median = Layer::Line { points: median, is_step: false, is_dashed: true };
    let name = "without the change: 10th to 95th percentile, median dashed".to_owned();
    let named = |name, layer| Named { name, tone: Tone::Forecast, layer };
    vec![named(name, band), named(String::new(), median)]
}

fn summary(points: &[(i64, f64)], would: &[BandHour], (applied_s, unit): (i64, &str)) -> String {
    let mean = |values: Vec<f64>| {
        let sum: f64 = values.iter().sum();
        (!values.is_empty()).then(|| words::figure(sum / values.len() as f64))
    };
    let told = |mean: Option<String>| mean.unwrap_or_else(|| words::UNKNOWN.to_owned());
    let part = |after: bool| {
        let chosen = points.iter().filter(|(at, _)| (*at >= applied_s) == after);
        told(mean(chosen.map(|point| point.1).collect()))
    };
    let without = if would.is_empty() {
        "What would have been without the change is not modelled for it.".to_owned()
    } else {
        let medians = would.iter().map(|hour| f64::from(hour.would.p50)).collect();
        format!(
            "Without the change the mean of the medians would have been {}.",
            told(mean(medians))
        )
    };
    format!(
        "Mean of the day before {}, since the change {} ({unit}). {without}",
        part(false),
        part(true)
    )
}
