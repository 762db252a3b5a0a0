//! How much room a size must leave, and what things cost.
//!
//! Not here: how the numbers are used (`trimtab-models`).

use std::path::Path;

use serde::{
    Deserialize,
    de::{
        IntoDeserializer,
        value::{Error, StrDeserializer},
    },
};
use trimtab_models::{
    metric::{Metric, TABLE},
    sizing::settings::{
        FunctionObjective, FunctionSettings, GroupSettings, InstanceSettings, SizingSettings,
    },
};

use crate::{
    load::resolve,
    raw::{RawFunctionSizing, RawGroupSizing, RawInstanceSizing, RawPricing, RawSizing},
    report::Report,
    settings::{CollectSettings, PricingSettings},
};

/// The presets of AWS Compute Optimizer: the quantile of CPU that must fit, and the headroom above it. `p99.5-20` is
/// its default, `p90-0` the one that saves most.
const PRESETS: [(&str, (f64, f64)); 4] = [
    ("p90-0", (0.9, 0.0)),
    ("p95-30", (0.95, 0.3)),
    ("p99.5-20", (0.995, 0.2)),
    ("p99.5-30", (0.995, 0.3)),
];

const DEFAULT_PRESET: (f64, f64) = (0.995, 0.2);

/// What the size of a function can be chosen for.
const OBJECTIVES: [(&str, FunctionObjective); 3] = [
    ("cost", FunctionObjective::Cost),
    ("duration", FunctionObjective::Duration),
    ("both", FunctionObjective::Both),
];

/// The headroom that a size can leave at most: beyond nine tenths it would be ten times the demand.
const HEADROOM_MAX: f64 = 0.9;

/// The series that a smaller size cannot be justified without. Memory is not among them because few accounts publish
/// it; whoever does adds `instance-memory`.
const REQUIRED_METRICS: [Metric; 3] =
    [Metric::InstanceCpu, Metric::FunctionMemory, Metric::GroupCpu];

/// `[pricing]`.
pub(super) fn pricing(raw: &RawPricing, report: &mut Report<'_>, folder: &Path) -> PricingSettings {
    PricingSettings {
        file: report
            .optional("pricing.file", raw.file.as_ref(), "a path")
            .map(|path| resolve(folder, &path)),
        discount_ratio: report.number(
            "pricing.discount_ratio",
            raw.discount_ratio,
            0.0,
            0.0..=0.99,
        ),
    }
}

/// `[sizing]` and its subsections.
pub(super) fn sizing(
    raw: &RawSizing,
    collect: &CollectSettings,
    pricing: &PricingSettings,
    report: &mut Report<'_>,
) -> SizingSettings {
    let preset =
        report.word("sizing.preset", raw.preset.as_deref(), &PRESETS).unwrap_or(DEFAULT_PRESET);
    let mut headroom = |name: &str, value, default| {
        report.number(&format!("sizing.{name}"), value, default, 0.0..=HEADROOM_MAX)
    };
    let headroom_ratio = headroom("headroom_ratio", raw.headroom_ratio, preset.1);
    let memory_headroom_ratio = headroom("memory_headroom_ratio", raw.memory_headroom_ratio, 0.2);
    let io_headroom_ratio = headroom("io_headroom_ratio", raw.io_headroom_ratio, 0.2);
    SizingSettings {
        lookback_days: collect.lookback_days,
        quantile: report.number("sizing.quantile", raw.quantile, preset.0, 0.5..=1.0),
        headroom_ratio,
        memory_headroom_ratio,
        io_headroom_ratio,
        instance: instance(&raw.instance, report),
        function: function(&raw.function, report),
        group: group(&raw.group, report),
        discount_ratio: pricing.discount_ratio,
        required_metrics: required_metrics(raw.required_metrics.as_ref(), report),
    }
}

fn instance(raw: &RawInstanceSizing, report: &mut Report<'_>) -> InstanceSettings {
    let alternates = report.whole("sizing.instance.alternates", raw.alternates, 2, 0..=5);
    let mut number = |name: &str, value, default, most| {
        report.number(&format!("sizing.instance.{name}"), value, default, 0.0..=most)
    };
    // Compute Optimizer calls an instance idle below 5 % CPU and 5 MB of traffic a day: 208,333 bytes an hour.
    let idle_cpu_percent = number("idle_cpu_percent", raw.idle_cpu_percent, 5.0, 100.0);
    let idle_network_bytes_per_hour =
        number("idle_network_bytes_per_hour", raw.idle_network_bytes_per_hour, 208_333.0, 1e12);
    let saturated_ratio = number("saturated_ratio", raw.saturated_ratio, 0.01, 1.0);
    InstanceSettings {
        include_types: type_patterns(
            "sizing.instance.include_types",
            raw.include_types.as_ref(),
            report,
        ),
        exclude_types: type_patterns(
            "sizing.instance.exclude_types",
            raw.exclude_types.as_ref(),
            report,
        ),
        across_families: raw.across_families.unwrap_or(true),
        allow_burstable: raw.allow_burstable.unwrap_or(false),
        allow_previous_generation: raw.allow_previous_generation.unwrap_or(false),
        alternates: usize::try_from(alternates).expect("at most five"),
        idle_cpu_percent,
        idle_network_bytes_per_hour,
        saturated_ratio,
    }
}

fn function(raw: &RawFunctionSizing, report: &mut Report<'_>) -> FunctionSettings {
    FunctionSettings {
        memory_headroom_ratio: report.number(
            "sizing.function.memory_headroom_ratio",
            raw.memory_headroom_ratio,
            0.2,
            0.0..=HEADROOM_MAX,
        ),
        // Lambda's own bounds.
        min_memory_mb: report.whole(
            "sizing.function.min_memory_mb",
            raw.min_memory_mb,
            128,
            128..=10_240,
        ),
        objective: report
            .word("sizing.function.objective", raw.objective.as_deref(), &OBJECTIVES)
            .unwrap_or(FunctionObjective::Cost),
        // One decision halves the memory at most, after which a run takes little more than twice as long at worst: the
        // default leaves the bound to the timeout.
        max_latency_increase_ratio: report.number(
            "sizing.function.max_latency_increase_ratio",
            raw.max_latency_increase_ratio,
            1.5,
            0.0..=10.0,
        ),
        explore: raw.explore.unwrap_or(true),
    }
}

fn group(raw: &RawGroupSizing, report: &mut Report<'_>) -> GroupSettings {
    GroupSettings {
        target_cpu_ratio: report.number(
            "sizing.group.target_cpu_ratio",
            raw.target_cpu_ratio,
            0.6,
            0.05..=1.0,
        ),
        min_size: report.whole("sizing.group.min_size", raw.min_size, 1, 0..=10_000),
    }
}

/// Patterns such as `m7i.*`: what a type's name is made of, and the wildcard.
fn type_patterns(key: &str, raw: Option<&Vec<String>>, report: &mut Report<'_>) -> Vec<String> {
    let form = "names of types, * as a wildcard, such as \"m7i.*\"";
    let patterns = report.list(key, raw, form);
    for (index, pattern) in patterns.iter().enumerate() {
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-*".contains(&byte);
        if !pattern.trim().is_empty() && !pattern.bytes().all(fits) {
            report.refuse_text(
                &format!("{key}[{index}]"),
                pattern,
                "not a name of an instance type",
                form,
            );
        }
    }
    patterns
}

fn required_metrics(raw: Option<&Vec<String>>, report: &mut Report<'_>) -> Vec<Metric> {
    let Some(words) = raw else { return REQUIRED_METRICS.to_vec() };
    report.list("sizing.required_metrics", Some(words), "a metric");
    words
        .iter()
        .enumerate()
        .filter_map(|(index, word)| {
            let metric = metric(word);
            if metric.is_none() {
                let all = TABLE
                    .iter()
                    .filter_map(|row| word_of(row.metric))
                    .collect::<Vec<_>>()
                    .join(", ");
                report.refuse_text(
                    &format!("sizing.required_metrics[{index}]"),
                    word,
                    "no such metric",
                    all,
                );
            }
            metric
        })
        .collect()
}

/// The metric that a word names, as the metric's own type spells it.
fn metric(word: &str) -> Option<Metric> {
    let word: StrDeserializer<'_, Error> = word.into_deserializer();
    Metric::deserialize(word).ok()
}

/// The word that names a metric.
fn word_of(metric: Metric) -> Option<String> {
    toml::Value::try_from(metric).ok()?.as_str().map(ToOwned::to_owned)
}
