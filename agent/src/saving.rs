//! Measures what a change has saved since it was applied, from the stored series and the catalogue's prices.
//!
//! Not here: the arithmetic (`trimtab_models::saving`), and when it is measured (`verify`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use trimtab_models::{
    catalog::{ApiWord, Architecture},
    metric::{Measure, Metric, Statistic},
    money::HOURS_PER_MONTH,
    recommendation::Action,
    resource::Resource,
    saving::{Estimate, Realized},
    series::Series,
    spec::Spec,
};
use trimtab_policies::{change::Change, watch::reached};

use crate::{
    agent::Agent,
    observe::{SETTLE_S, stored_measures},
};

const HOUR_S: f64 = 3_600.0;
const DAY_S: i64 = 86_400;
/// What the rounding of each run to the next whole millisecond adds to a bill on average, ms.
const ROUNDING_MS: f64 = 0.5;

const CPU: Measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };
const RUNS: Measure = Measure { metric: Metric::FunctionInvocations, statistic: Statistic::Sum };
const DURATION: Measure =
    Measure { metric: Metric::FunctionDuration, statistic: Statistic::Average };
const MEMBERS: Measure = Measure { metric: Metric::GroupInService, statistic: Statistic::Average };

/// The series of a change, before it and since.
struct Seen {
    before: BTreeMap<Measure, Series>,
    after: BTreeMap<Measure, Series>,
    /// Hours since the change that are settled.
    hours: f64,
}

/// What `change` has saved so far; `None` where a price or a series is missing, or less than an hour is known.
#[must_use]
pub fn measure(agent: &Agent, change: &Change, now: Timestamp) -> Option<Realized> {
    let inventory = agent.inventory();
    let recommendation = &change.recommendation;
    let promised = recommendation.saving;
    let applied_s = change.applied_at?.as_second();
    let until_s = now.as_second() - SETTLE_S;
    let hours = (until_s - applied_s) as f64 / HOUR_S;
    if hours < 1.0 {
        return None;
    }
    let discount = agent.settings().sizing.discount_ratio;
    let by_use = |resource: &Resource| {
        let seen = seen(agent, change, resource, (applied_s, until_s))?;
        Some(estimate(agent, change, resource, &seen)?.discounted(discount))
    };
    let estimate = match recommendation.action {
        Action::MigrateVolumeType | Action::TuneVolume | Action::DeleteUnattachedVolume => {
            // Billed by the hour whatever is done with it: what was promised is what is saved.
            let hourly = promised?.dollars() / HOURS_PER_MONTH as f64;
            Estimate::of_hours(hourly, hours, hours)
        }
        Action::ResizeInstance
        | Action::StopIdleInstance
        | Action::TuneFunctionMemory
        | Action::TuneGroupCapacity
        | Action::ScheduleGroup
        | Action::ResizeGroupInstances => by_use(inventory.get(&recommendation.resource.arn)?)?,
    };
    Realized::of(estimate, hours, promised, now)
}

fn seen(
    agent: &Agent,
    change: &Change,
    resource: &Resource,
    (applied_s, until_s): (i64, i64),
) -> Option<Seen> {
    let step = i64::from(agent.collecting().step_s);
    let grid = |second: i64| second.div_euclid(step) * step;
    let (before_s, opened_s) =
        (agent.collecting().start_s(change.opened_at), grid(change.opened_at.as_second()));
    let after = (grid(applied_s) + step, grid(until_s));
    let read = |span| {
        let measures = [CPU, RUNS, DURATION, MEMBERS];
        let of_kind = measures
            .into_iter()
            .filter(|measure| Measure::of(resource.reference.kind).any(|one| one == *measure));
        stored_measures(resource, of_kind, span, &agent.series).ok()
    };
    Some(Seen {
        before: read((before_s, opened_s))?,
        after: read(after)?,
        hours: (until_s - applied_s) as f64 / HOUR_S,
    })
}

fn estimate(agent: &Agent, change: &Change, resource: &Resource, seen: &Seen) -> Option<Estimate> {
    let (catalog, region) = (agent.catalog(), resource.reference.region.as_str());
    let hourly = |name: &str, platform: &str| {
        Some(catalog.instance_price(name, region, platform)?.per_hour.dollars())
    };
    match (&change.recommendation.expected, &reached(change)) {
        (
            Spec::Instance { instance_type: old, state: was },
            Spec::Instance { instance_type, state },
        ) => {
            let platform = &resource.instance()?.platform;
            let old = hourly(old, platform)?;
            if state != was {
                // It would have gone on running as it did.
                let ratio = covered(seen.before.get(&CPU)?)?;
                return Some(Estimate::of_hours(old, seen.hours * ratio, seen.hours));
            }
            let saved = old - hourly(instance_type, platform)?;
            Some(Estimate::of_hours(saved, seen_hours(seen.after.get(&CPU)?), seen.hours))
        }
        (Spec::Function { memory_mb: old }, Spec::Function { memory_mb: new }) => {
            let architecture = Architecture::from_api(&resource.function()?.architecture)?;
            let gb_second = catalog.function_price(region, architecture)?.per_gb_second.dollars();
            let cost = |memory_mb: u32| {
                move |ms: f64| gb_second * f64::from(memory_mb) / 1_024.0 * (ms + ROUNDING_MS) / 1e3
            };
            let before: Vec<f64> = run_days(&seen.before)?.map(cost(*old)).collect();
            let after: Vec<f64> = run_days(&seen.after)?.map(cost(*new)).collect();
            let runs = seen.after.get(&RUNS)?.present().map(|(_, runs)| f64::from(runs)).sum();
            Estimate::of_days(&before, &after, runs)
        }
        (Spec::Group { .. }, Spec::Group { .. })
        | (Spec::Schedule { .. }, Spec::Schedule { .. }) => {
            let member = resource.group()?.members.first()?.instance_type.clone();
            // A group's members are priced as Linux, as when it was sized.
            let price = hourly(&member, trimtab_models::catalog::LINUX_PLATFORM)?;
            let (before, after) = (seen.before.get(&MEMBERS)?, seen.after.get(&MEMBERS)?);
            Estimate::of_days(&member_days(before), &member_days(after), seen.hours * price)
        }
        (Spec::Members { member_type: old }, Spec::Members { member_type: new }) => {
            // As many members as there are now, on either type.
            let members = member_days(seen.after.get(&MEMBERS)?);
            let cost = |name: &str| {
                let price = hourly(name, trimtab_models::catalog::LINUX_PLATFORM)?;
                Some(members.iter().map(|count| count * price).collect::<Vec<f64>>())
            };
            Estimate::of_days(&cost(old)?, &cost(new)?, seen.hours)
        }
        _ => None,
    }
}

fn seen_hours(series: &Series) -> f64 {
    series.points() as f64 * f64::from(series.step_s) / HOUR_S
}

/// The mean number of members of each day.
fn member_days(series: &Series) -> Vec<f64> {
    by_day(series.present().map(|(at, count)| (at, f64::from(count), 1.0)))
}

/// Share of the time since its first point in which the series has points.
fn covered(series: &Series) -> Option<f64> {
    let (first_s, _) = series.present().next()?;
    let span_h = (series.end_s() - first_s) as f64 / HOUR_S;
    (span_h > 0.0).then(|| (seen_hours(series) / span_h).min(1.0))
}

/// The mean duration of the runs of each day with runs, milliseconds.
fn run_days(series: &BTreeMap<Measure, Series>) -> Option<impl Iterator<Item = f64> + use<>> {
    let (runs, duration) = (series.get(&RUNS)?, series.get(&DURATION)?);
    let both = runs
        .present()
        .filter(|(_, count)| *count > 0.0)
        .filter_map(|(at, count)| Some((at, f64::from(duration.at(at)?), f64::from(count))));
    Some(by_day(both).into_iter())
}

/// The weighted mean of each day (UTC) that has a value: of time, value and weight.
fn by_day(values: impl Iterator<Item = (i64, f64, f64)>) -> Vec<f64> {
    let mut days: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for (at, value, weight) in values {
        let day = days.entry(at.div_euclid(DAY_S)).or_default();
        *day = (day.0 + value * weight, day.1 + weight);
    }
    days.into_values()
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(sum, weight)| sum / weight)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_weighted_by_their_runs() {
        let values = [(0, 10.0, 1.0), (60, 20.0, 3.0), (DAY_S, 5.0, 2.0), (2 * DAY_S, 7.0, 0.0)];
        assert_eq!(by_day(values.into_iter()), [17.5, 5.0]);
    }

    #[test]
    fn cover_counts_from_the_first_point() {
        let gap = f32::NAN;
        let series =
            Series { start_s: 0, step_s: 3_600, values: vec![gap, gap, 1.0, gap, 1.0, 1.0] };
        assert_eq!((seen_hours(&series), covered(&series)), (3.0, Some(0.75)));
        let none = Series { start_s: 0, step_s: 3_600, values: vec![gap; 3] };
        assert_eq!(covered(&none), None);
    }
}
