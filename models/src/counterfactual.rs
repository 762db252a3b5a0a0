//! What would have been without a change, and by how much what was seen since is worse.
//!
//! The counterfactual is the forecast made before the change, hour of the week by hour of the week, in units of the capacity
//! after it. It is not updated by what comes after the change: a change that does harm would soon count as usual. Not here:
//! what is done about it (`trimtab-policies`).

use crate::{
    forecast::Quantiles,
    metric::Metric,
    recommendation::{ForecastSeen, Recommendation},
    replay::at_most,
    season::HOUR_S,
    series::Series,
};

/// Hours after which a forecast repeats itself.
const WEEK_H: i64 = 168;

/// Percent from which a capacity counts as used up.
pub const SATURATED_PERCENT: f32 = 99.0;

/// Percent below which more use than expected harms nobody: the headroom that sizes leave by default is above it.
const BUSY_PERCENT: f32 = 80.0;

/// Chance at most that more than half of an hour's points lie above their 0.95 quantile, were the forecast right: by
/// Markov's inequality twice the 5 % that are expected, however much the points of an hour hang together.
const ABOVE_CHANCE: f64 = 0.10;

/// The same for points at the end of the capacity where the 0.99 quantile is not: twice 1 %.
const SATURATED_CHANCE: f64 = 0.02;

/// Chance of so many such hours, were the forecast right, below which it is not believed to be: one false alarm in a thousand
/// changes. Hours in a row hang together; half a day of them in two days is still within it.
const ALARM_CHANCE: f64 = 0.001;

/// Points in a row at the end of the capacity that are taken for harm at once: half an hour of five-minute points.
const SATURATED_ROW: usize = 6;

/// The forecast of what would have been.
#[derive(Debug, Clone, Copy)]
pub struct Counterfactual<'a> {
    seen: &'a ForecastSeen,
    /// What a figure of the forecast is multiplied by: capacity before ÷ capacity after.
    ratio: f32,
}

/// What was seen since a change beside what would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// Hours with points.
    pub hours: u64,
    /// Hours of which more than half lay above the 0.95 quantile of what would have been, and above 80 % of the capacity.
    pub hours_above: u64,
    /// Hours of which more than half lay at the end of the capacity, where the 0.99 quantile of what would have been did not.
    pub hours_saturated: u64,
    /// Whether the newest points are at the end of the capacity, where what would have been is not.
    pub saturated_now: bool,
}

impl<'a> Counterfactual<'a> {
    /// What would have been of the share of a capacity that is used: CPU of instances and groups.
    ///
    /// `None` without a week's forecast of one, or without capacities to translate it by.
    #[must_use]
    pub fn of(recommendation: &'a Recommendation) -> Option<Self> {
        let evidence = &recommendation.evidence;
        let seen = evidence.forecast.as_ref()?;
        let name = match seen.measure.metric {
            Metric::InstanceCpu => "cpu",
            Metric::GroupCpu => "instances",
            Metric::InstanceMemory
            | Metric::InstanceNetworkIn
            | Metric::InstanceNetworkOut
            | Metric::InstanceEbsReadBytes
            | Metric::InstanceEbsWriteBytes
            | Metric::InstanceEbsReadOps
            | Metric::InstanceEbsWriteOps
            | Metric::VolumeReadOps
            | Metric::VolumeWriteOps
            | Metric::VolumeReadBytes
            | Metric::VolumeWriteBytes
            | Metric::FunctionInvocations
            | Metric::FunctionDuration
            | Metric::FunctionMemory
            | Metric::FunctionErrors
            | Metric::FunctionThrottles
            | Metric::GroupInService => return None,
        };
        let dimension = evidence.dimensions.iter().find(|dimension| dimension.name == name)?;
        let ratio = (dimension.capacity_today / dimension.capacity_proposed) as f32;
        let known = !seen.week.is_empty() && ratio.is_finite() && ratio > 0.0;
        known.then_some(Self { seen, ratio })
    }

    /// The quantiles of the hour of `time_s`, in percent of the capacity after the change; they can be above 100.
    #[must_use]
    pub fn at(&self, time_s: i64) -> Option<Quantiles> {
        let step = self.seen.week.get(hour_of_week(self.seen, time_s)?)?;
        Some(step.array().map(|value| value * self.ratio).into())
    }

    /// What was seen from `from_s` on, beside it. `series` is in percent of the capacity after the change.
    #[must_use]
    pub fn compare(&self, series: &Series, from_s: i64) -> Compared {
        let mut compared = Compared::default();
        let seen: Vec<(i64, f32)> = series.present().filter(|(at, _)| *at >= from_s).collect();
        for hour in
            seen.chunk_by(|(one, _), (other, _)| one.div_euclid(HOUR_S) == other.div_euclid(HOUR_S))
        {
            let Some(would) = self.at(hour[0].0) else { continue };
            let most = |is: &dyn Fn(f32) -> bool| {
                2 * hour.iter().filter(|(_, value)| is(*value)).count() > hour.len()
            };
            let above = most(&|value| value > would.p95.max(BUSY_PERCENT));
            compared.hours += 1;
            compared.hours_above += u64::from(above);
            compared.hours_saturated += u64::from(most(&|value| is_worse(value, would)));
        }
        compared.saturated_now = seen.len() >= SATURATED_ROW
            && seen
                .iter()
                .rev()
                .take(SATURATED_ROW)
                .all(|(at, value)| self.at(*at).is_some_and(|would| is_worse(*value, would)));
        compared
    }
}

fn is_worse(value: f32, would: Quantiles) -> bool {
    value >= SATURATED_PERCENT && would.p99 < SATURATED_PERCENT
}

impl Compared {
    /// Why it is worse than chance explains; `None` where it is not.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let Self { hours, hours_above, hours_saturated, .. } = *self;
        if chance(hours_saturated, hours, SATURATED_CHANCE) < ALARM_CHANCE {
            return Some(format!(
                "saturated in {hours_saturated} of {hours} hours in which it would not have been"
            ));
        }
        (chance(hours_above, hours, ABOVE_CHANCE) < ALARM_CHANCE).then(|| {
            format!(
                "busier than 80 % and than the forecast's P95, translated to this size, in {hours_above} of {hours} hours"
            )
        })
    }
}

/// The chance of at least `hits` of `count` at `p`.
fn chance(hits: u64, count: u64, p: f64) -> f64 {
    if hits == 0 { 1.0 } else { 1.0 - at_most(hits - 1, count, p) }
}

/// The hour's place in the forecast's week.
fn hour_of_week(seen: &ForecastSeen, time_s: i64) -> Option<usize> {
    let hour = time_s.checked_sub(seen.from.as_second())?.div_euclid(HOUR_S).rem_euclid(WEEK_H);
    usize::try_from(hour).ok()
}

/// The end of the first hour from `after_s` on that is the week's busiest by its 0.95 quantile, seconds since the epoch;
/// `None` where the forecast does not tell a week.
#[must_use]
pub fn peak_end_s(seen: &ForecastSeen, after_s: i64) -> Option<i64> {
    let first_s = after_s.div_euclid(HOUR_S) * HOUR_S;
    let level = |ahead: &i64| {
        let hour = hour_of_week(seen, first_s.saturating_add(ahead * HOUR_S))?;
        seen.week.get(hour).map(|step| step.p95)
    };
    let hours = (0..WEEK_H).filter_map(|ahead| Some((ahead, level(&ahead)?)));
    // Of equals the earliest.
    let (ahead, _) = hours.reduce(|most, hour| if hour.1 > most.1 { hour } else { most })?;
    first_s.checked_add((ahead + 1) * HOUR_S)
}

/// Whether the series has no point in the hour of the week of `time_s` in most of the weeks that it covers, at least two of
/// them: a schedule stops its resource then. `series` is the look-back before the change.
#[must_use]
pub fn is_usually_off(series: &Series, time_s: i64) -> bool {
    let Some(first_s) = series.present().next().map(|(at, _)| at) else { return false };
    let hour_s = time_s.div_euclid(HOUR_S) * HOUR_S;
    let weeks = (1..).map(|week| hour_s - week * WEEK_H * HOUR_S);
    let hours: Vec<i64> = weeks
        .skip_while(|at| *at + HOUR_S > series.end_s())
        .take_while(|at| *at >= first_s)
        .collect();
    let off = hours.iter().filter(|at| series.window(**at, **at + HOUR_S).points() == 0).count();
    off >= 2 && 2 * off > hours.len()
}

#[cfg(test)]
mod tests;
