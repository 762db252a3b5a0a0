//! The use of a resource over the look-back, with today's and the proposed capacity, what is forecast, and what would have
//! breached.
//!
//! Not here: how a figure was sized (`trimtab_models::sizing`).

use std::collections::BTreeMap;

use trimtab_models::{
    metric::{Measure, Metric, Statistic},
    recommendation::{Breach, Evidence, ForecastSeen, Recommendation},
    resource::{Kind, Resource},
    series::Series,
    spec::Spec,
};

use super::{Chart, Figure, HOUR_S, Layer, Named, Tone};
use crate::{agent::Agent, observe::stored_measures, words};

/// Bytes of a mebibyte, in which throughput is told.
const MIB: f64 = 1_048_576.0;
/// Names of the figures on the page; more than three would be a wall.
const IDS: [&str; 3] = ["usage-1", "usage-2", "usage-3"];

const fn measure(metric: Metric, statistic: Statistic) -> Measure {
    Measure { metric, statistic }
}

const CPU: Measure = measure(Metric::InstanceCpu, Statistic::Average);
const MEMORY: Measure = measure(Metric::InstanceMemory, Statistic::Maximum);
const READ_OPS: Measure = measure(Metric::VolumeReadOps, Statistic::Sum);
const WRITE_OPS: Measure = measure(Metric::VolumeWriteOps, Statistic::Sum);
const READ_BYTES: Measure = measure(Metric::VolumeReadBytes, Statistic::Sum);
const WRITE_BYTES: Measure = measure(Metric::VolumeWriteBytes, Statistic::Sum);
const USED_MB: Measure = measure(Metric::FunctionMemory, Statistic::Maximum);
const DURATION: Measure = measure(Metric::FunctionDuration, Statistic::Average);
const MEMBERS: Measure = measure(Metric::GroupInService, Statistic::Average);
const GROUP_CPU: Measure = measure(Metric::GroupCpu, Statistic::Average);

/// One thing of which use and capacity are compared.
struct Subject {
    /// The dimension that its capacity and its breaches are told under.
    dimension: &'static str,
    title: &'static str,
    unit: &'static str,
    /// What is added up slot by slot; all of them must be there.
    measures: &'static [Measure],
    scale: Scale,
}

/// How a figure of the series becomes one of the plot.
#[derive(Clone, Copy)]
enum Scale {
    /// As it is.
    Same,
    /// A sum in a period of so many units becomes a rate a second.
    Rate(f64),
}

const fn subject(
    (dimension, title): (&'static str, &'static str),
    unit: &'static str,
    measures: &'static [Measure],
    scale: Scale,
) -> Subject {
    Subject { dimension, title, unit, measures, scale }
}

const INSTANCE: [Subject; 2] = [
    subject(("cpu", "CPU"), "percent of today's CPU", &[CPU], Scale::Same),
    subject(("memory", "Memory"), "percent of today's memory", &[MEMORY], Scale::Same),
];
const VOLUME: [Subject; 2] = [
    subject(("iops", "Operations"), "IOPS", &[READ_OPS, WRITE_OPS], Scale::Rate(1.0)),
    subject(("throughput", "Throughput"), "MiB/s", &[READ_BYTES, WRITE_BYTES], Scale::Rate(MIB)),
];
const FUNCTION: [Subject; 2] = [
    subject(("memory", "Memory"), "MB", &[USED_MB], Scale::Same),
    subject(("duration", "Duration"), "milliseconds", &[DURATION], Scale::Same),
];
const GROUP: [Subject; 2] = [
    subject(("instances", "Members in service"), "members", &[MEMBERS], Scale::Same),
    subject(("cpu", "CPU of the members"), "percent", &[GROUP_CPU], Scale::Same),
];

const fn subjects(kind: Kind) -> &'static [Subject] {
    match kind {
        Kind::Instance => &INSTANCE,
        Kind::Volume => &VOLUME,
        Kind::Function => &FUNCTION,
        Kind::Group => &GROUP,
    }
}

/// The plots of a recommendation; none where the resource or its points are gone. `forecast` is the one carried on to the
/// present.
pub(in crate::web) fn usages(
    agent: &Agent,
    recommendation: &Recommendation,
    forecast: Option<&ForecastSeen>,
) -> Vec<Figure> {
    let inventory = agent.inventory();
    let Some(resource) = inventory.get(&recommendation.resource.arn) else { return Vec::new() };
    let subjects = subjects(recommendation.resource.kind);
    let evidence = &recommendation.evidence;
    let span = (evidence.from.as_second(), evidence.until.as_second());
    let all = subjects.iter().flat_map(|one| one.measures).copied();
    let series = stored_measures(resource, all, span, &agent.series).unwrap_or_default();
    let charts = subjects.iter().enumerate().filter_map(|(index, subject)| {
        let levels = levels(subject, recommendation, resource);
        let breaches = breaches(subject, evidence, (subjects, index));
        chart(subject, &series, evidence, (levels, breaches, forecast))
    });
    charts.zip(IDS).map(|(chart, id)| chart.draw(id)).collect()
}

type Beside<'a> = (Vec<(Tone, String, f64)>, Vec<&'a Breach>, Option<&'a ForecastSeen>);

fn chart(
    subject: &Subject,
    series: &BTreeMap<Measure, Series>,
    evidence: &Evidence,
    (levels, breaches, forecast): Beside<'_>,
) -> Option<Chart> {
    let (points, step_s) = points(subject, series)?;
    let forecast = forecast.filter(|seen| subject.measures == [seen.measure]);
    let summary = summary(subject, &points, &levels, (evidence, breaches.len()));
    let (from_s, mut until_s) = (evidence.from.as_second(), evidence.until.as_second());
    let named = |name: &str, tone, layer| Named { name: name.to_owned(), tone, layer };
    let mut layers = Vec::new();
    if !breaches.is_empty() {
        let spans = breaches.iter().map(|one| (one.from.as_second(), one.until.as_second()));
        let name = "would have breached the proposed capacity";
        layers.push(named(name, Tone::Breach, Layer::Spans(spans.collect())));
    }
    let name = "seen: mean and range of the points".to_owned();
    layers.push(Named { name, tone: Tone::Seen, layer: Layer::Points { points, step_s } });
    if let Some(seen) = forecast {
        let (band, median, end_s) = ahead(seen);
        until_s = until_s.max(end_s);
        let name = "forecast: 10th to 95th percentile, median dashed";
        layers.push(named(name, Tone::Forecast, band));
        layers.push(named("", Tone::Forecast, median));
        let end = Layer::At(evidence.until.as_second());
        layers.push(named("end of the look-back", Tone::Moment, end));
    }
    for (tone, name, value) in levels {
        layers.push(Named { name, tone, layer: Layer::Level(value) });
    }
    let title = format!("{} over the look-back", subject.title);
    Some(Chart { title, summary, unit: subject.unit.to_owned(), from_s, until_s, layers })
}

/// The points of all measures added up, and the grid's step; `None` where one measure has none.
fn points(subject: &Subject, series: &BTreeMap<Measure, Series>) -> Option<(Vec<(i64, f64)>, i64)> {
    let [first, others @ ..] = subject.measures else { return None };
    let first = series.get(first)?;
    let others: Vec<&Series> = others.iter().map(|one| series.get(one)).collect::<Option<_>>()?;
    let scale = match subject.scale {
        Scale::Same => 1.0,
        Scale::Rate(unit) => 1.0 / (unit * f64::from(first.step_s)),
    };
    let sum = |(at, value): (i64, f32)| {
        let others = others.iter().map(|series| series.at(at).map(f64::from));
        let total = others.sum::<Option<f64>>()? + f64::from(value);
        Some((at, total * scale))
    };
    let points: Vec<_> = first.present().filter_map(sum).collect();
    (!points.is_empty()).then_some((points, i64::from(first.step_s)))
}

/// Today's and the proposed capacity in the plot's unit, with their names; none where the change does not touch it.
fn levels(
    subject: &Subject,
    recommendation: &Recommendation,
    resource: &Resource,
) -> Vec<(Tone, String, f64)> {
    let (today, proposed) = (Tone::Today, Tone::Proposed);
    let bounds = (&recommendation.expected, &recommendation.desired);
    if let (
        Spec::Group { min_size, max_size, .. },
        Spec::Group { min_size: min, max_size: max, .. },
        "instances",
    ) = (bounds.0, bounds.1, subject.dimension)
    {
        let level =
            |tone, name: &str, size: u32| (tone, format!("{name}: {size}"), f64::from(size));
        return vec![
            level(today, "maximum today", *max_size),
            level(today, "minimum today", *min_size),
            level(proposed, "proposed maximum", *max),
            level(proposed, "proposed minimum", *min),
        ];
    }
    let is_group = resource.group().is_some();
    let mut found = recommendation.evidence.dimensions.iter();
    let Some(one) = found.find(|one| one.name == subject.dimension && !is_group) else {
        return Vec::new();
    };
    let is_share = subject.unit.starts_with("percent");
    let value =
        |capacity: f64| if is_share { capacity / one.capacity_today * 100.0 } else { capacity };
    let told = [
        (today, "capacity today", one.capacity_today),
        (proposed, "proposed capacity", one.capacity_proposed),
    ];
    told.into_iter()
        .filter(|(_, _, capacity)| *capacity > 0.0 && value(*capacity).is_finite())
        .map(|(tone, name, capacity)| {
            let unit = &one.unit;
            (tone, format!("{name}: {} {unit}", words::figure(capacity)), value(capacity))
        })
        .collect()
}

/// The breaches that the plot marks: those of its dimension, and on the first plot those that have no plot of their own.
fn breaches<'a>(
    subject: &Subject,
    evidence: &'a Evidence,
    (all, index): (&[Subject], usize),
) -> Vec<&'a Breach> {
    let told = evidence.replay.iter().flat_map(|replay| &replay.breaches);
    let has_own = |breach: &Breach| all.iter().any(|one| one.dimension == breach.dimension);
    told.filter(|breach| breach.dimension == subject.dimension || index == 0 && !has_own(breach))
        .collect()
}

/// The week ahead, hour by hour: the band, its median, and where it ends.
fn ahead(seen: &ForecastSeen) -> (Layer, Layer, i64) {
    let told = if seen.week.is_empty() { &seen.day } else { &seen.week };
    // Each hour's quantiles stand in its middle.
    let from_s = seen.from.as_second() + HOUR_S / 2;
    let hours = || (0..).map(|hour| from_s + hour * HOUR_S).zip(told);
    let band = hours().map(|(at, one)| (at, f64::from(one.p10), f64::from(one.p95)));
    let median = hours().map(|(at, one)| (at, f64::from(one.p50))).collect();
    let median = Layer::Line { points: median, is_step: false, is_dashed: true };
    (Layer::Band(band.collect()), median, hours().last().map_or(from_s, |(at, _)| at))
}

fn summary(
    subject: &Subject,
    points: &[(i64, f64)],
    levels: &[(Tone, String, f64)],
    (evidence, breaches): (&Evidence, usize),
) -> String {
    let mut values: Vec<f64> = points.iter().map(|point| point.1).collect();
    values.sort_by(f64::total_cmp);
    // Nearest rank; there is a point.
    let rank = |ratio: f64| values[((values.len() - 1) as f64 * ratio).round() as usize];
    let [median, p95, highest] = [0.5, 0.95, 1.0].map(|ratio| words::figure(rank(ratio)));
    let count = values.len();
    let days = evidence.days_seen;
    let unit = subject.unit;
    let mut text = format!(
        "Over {days:.1} days: median {median}, 95th percentile {p95}, highest {highest} ({unit}; {count} points)."
    );
    if !levels.is_empty() {
        let names: Vec<&str> = levels.iter().map(|(_, name, _)| name.as_str()).collect();
        text.push_str(&format!(" Lines: {}.", names.join("; ")));
    }
    if breaches > 0 {
        let s = if breaches == 1 { "" } else { "es" };
        text.push_str(&format!(
            " {breaches} stretch{s} would have breached the proposed capacity."
        ));
    }
    text
}
