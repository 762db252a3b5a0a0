//! From usage to the right size, one file per kind.
//!
//! Pure and whole: a resource gets at most one recommendation, the best action for it, or a reason why none. Not
//! here: whether a recommendation may be carried out (`trimtab-policies`).

mod candidates;
mod case;
mod credits;
mod function;
mod group;
mod idle;
mod instance;
pub mod ladder;
pub mod settings;
mod usage;
mod volume;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::Catalog,
    class::Borrowed,
    demand,
    evidence::Interval,
    forecast::{SeriesForecast, forecast},
    metric::{Measure, Metric, Statistic},
    recommendation::{NotSized, Recommendation},
    resource::{Arn, Detail, Resource},
    series::Series,
};
use case::Case;
use settings::SizingSettings;

/// What a resource is sized by.
#[derive(Debug, Clone, Copy)]
pub struct SizingInput<'a> {
    /// The resource as last observed.
    pub resource: &'a Resource,
    /// Its series; points outside the look-back are not looked at.
    pub series: &'a BTreeMap<Measure, Series>,
    /// The present.
    pub now: Timestamp,
    /// Start of the look-back; for an instance best not before its type was last changed, since CPU and memory are
    /// percentages of the type of their time.
    pub from: Timestamp,
    /// End of the look-back.
    pub until: Timestamp,
    /// When the resource was observed running, ascending and apart. Empty means that nobody watched: then it counts as
    /// running since its first point or its launch.
    pub running: &'a [Interval],
    /// The memory sizes of a function over time, ascending by time, the present one last; empty means that it has had
    /// the present one all along. Runs at several sizes tell what memory does to their duration.
    pub sizes: &'a [SizeInForce],
    /// What a young instance borrows from older ones.
    pub borrowed: Option<&'a Borrowed>,
    /// All resources, for the instance that a volume is attached to.
    pub inventory: &'a BTreeMap<Arn, Resource>,
}

/// A memory size that a function had from some time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeInForce {
    /// When it came into force, seconds since the epoch.
    pub from_s: i64,
    /// The size, MB.
    pub memory_mb: u32,
}

/// What was found out about one resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// What should change: at most one recommendation, the best action for the resource.
    pub recommendations: Vec<Recommendation>,
    /// Why nothing should, when nothing should.
    pub not_sized: Option<NotSized>,
    /// The forecast of the series that says most about the resource, where it has one with two days of points.
    pub forecast: Option<SeriesForecast>,
}

/// Sizes one resource. The same arguments give the same findings.
#[must_use]
pub fn recommend(
    input: &SizingInput<'_>,
    settings: &SizingSettings,
    catalog: &Catalog,
) -> Findings {
    let case = Case::new(input, settings, catalog);
    let forecast = forecast_of(&case);
    let seasons = forecast.as_ref().map(|one| one.forecast.seasons.clone()).unwrap_or_default();
    let result = match &input.resource.detail {
        Detail::Instance(one) => idle::stop(&case, one, &seasons)
            .map_or_else(|| instance::resize(&case, one, &seasons), Ok),
        Detail::Volume(one) => volume::tune(&case, one, &seasons),
        Detail::Function(one) => function::tune(&case, one, &seasons),
        Detail::Group(one) => group::recommend(&case, one, &seasons),
    };
    let (recommendations, not_sized) = match result {
        Ok(mut recommendation) => {
            recommendation.evidence.forecast = forecast.as_ref().and_then(SeriesForecast::seen);
            (vec![recommendation], None)
        }
        Err(reason) => {
            let arn = input.resource.reference.arn.clone();
            (Vec::new(), Some(NotSized { arn, reason }))
        }
    };
    Findings { recommendations, not_sized, forecast }
}

/// The forecast of the one series that quiet hours and charts rest on.
///
/// One a resource, because the fit is the dearest part of sizing.
fn forecast_of(case: &Case<'_>) -> Option<SeriesForecast> {
    let (metric, statistic) = match &case.input.resource.detail {
        Detail::Instance(_) => (Metric::InstanceCpu, Statistic::Average),
        Detail::Group(_) => (Metric::GroupCpu, Statistic::Average),
        Detail::Function(_) => (Metric::FunctionInvocations, Statistic::Sum),
        Detail::Volume(_) => (busier_way(case)?, Statistic::Sum),
    };
    let series = case.series(metric, statistic)?;
    let forecast = forecast(series)?;
    Some(SeriesForecast { measure: Measure { metric, statistic }, forecast })
}

/// Reads or writes of a volume, whichever are more.
fn busier_way(case: &Case<'_>) -> Option<Metric> {
    let ways = [Metric::VolumeReadOps, Metric::VolumeWriteOps];
    let seen = ways.into_iter().filter_map(|metric| {
        let operations = demand::mean(case.series(metric, Statistic::Sum)?)?;
        Some((operations, metric))
    });
    seen.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, metric)| metric)
}

#[cfg(test)]
mod tests;
