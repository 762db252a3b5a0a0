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
    forecast::{SeriesForecast, forecast, tested_h},
    metric::{Measure, Metric, Statistic},
    recommendation::{NotSized, Recommendation},
    resource::{Arn, Detail, Resource},
    series::Series,
};
use case::{AheadSeen, Case};
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
    let ahead = ahead_of(&case, &forecast);
    let (case, forecast) = (case.with_ahead(ahead), forecast.ok());
    let result = match &input.resource.detail {
        Detail::Instance(one) => {
            idle::stop(&case, one).map_or_else(|| instance::resize(&case, one), Ok)
        }
        Detail::Volume(one) => volume::tune(&case, one),
        Detail::Function(one) => function::tune(&case, one),
        Detail::Group(one) => group::recommend(&case, one),
    };
    let (recommendations, not_sized) = match result {
        Ok(recommendation) => (vec![recommendation], None),
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
///
/// # Errors
/// Why there is none.
fn forecast_of(case: &Case<'_>) -> Result<SeriesForecast, String> {
    let measure = telling(case)?;
    let series = case
        .series(measure.metric, measure.statistic)
        .ok_or_else(|| format!("{measure} was not seen"))?;
    let forecast = forecast(series).ok_or_else(|| {
        format!("a forecast needs {measure} over two days in steps that fit an hour")
    })?;
    Ok(SeriesForecast { measure, forecast })
}

/// The series that says most about the resource.
///
/// A volume that nothing is attached to has none: what it did before says nothing of what it is now.
fn telling(case: &Case<'_>) -> Result<Measure, String> {
    let (metric, statistic) = match &case.input.resource.detail {
        Detail::Instance(_) => (Metric::InstanceCpu, Statistic::Average),
        Detail::Group(_) => (Metric::GroupCpu, Statistic::Average),
        Detail::Function(_) => (Metric::FunctionInvocations, Statistic::Sum),
        Detail::Volume(one) if one.state == "available" => {
            return Err("it is attached to nothing".to_owned());
        }
        Detail::Volume(_) => {
            (busier_way(case).ok_or("its operations were not seen")?, Statistic::Sum)
        }
    };
    Ok(Measure { metric, statistic })
}

/// What the forecast and the seasons tested for it show.
fn ahead_of(case: &Case<'_>, forecast: &Result<SeriesForecast, String>) -> AheadSeen {
    let found = match forecast {
        Ok(found) => found,
        Err(reason) => return AheadSeen::unknown(reason.clone()),
    };
    let series = case.series(found.measure.metric, found.measure.statistic);
    AheadSeen {
        seasons: found.forecast.seasons.clone(),
        tested_h: series.map(tested_h).unwrap_or_default(),
        forecast: found.seen().ok_or_else(|| "its times are out of range".to_owned()),
    }
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
