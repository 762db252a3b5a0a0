//! What the look-back shows of an instance, and how likely a type is too small for it.
//!
//! Not here: which of the types is chosen (`instance`).

use super::{
    candidates::{compute_ratio, ebs_bytes_s, ebs_iops, is_limited, network_bytes_s},
    case::{Case, SEEN_S_MIN},
    credits::slowed,
    settings::SizingSettings,
};
use crate::{
    catalog::InstanceType,
    demand::{at_quantile, highest, saturated_ratio, total},
    metric::{Measure, Metric, Statistic},
    replay::ReplayDimension,
    risk::{Breaches, Demand, TOLERANCE_RATIO},
    series::Series,
};

/// Memory in use, percent, from which an instance needs more: beyond it the kernel begins to reclaim and kill.
const MEMORY_FULL_PERCENT: f64 = 95.0;

/// Seconds of a week.
const WEEK_S: f64 = 604_800.0;

/// The CPU that decides.
pub(super) const CPU: Measure =
    Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };
/// The memory that decides.
pub(super) const MEMORY: Measure =
    Measure { metric: Metric::InstanceMemory, statistic: Statistic::Maximum };

/// What the look-back shows of an instance.
pub(super) struct Usage<'a> {
    /// CPU, percent of all vCPUs.
    pub(super) cpu: &'a Series,
    pub(super) cpu_demand: Demand,
    /// The quantile of CPU that must fit, as a ratio of all vCPUs.
    pub(super) cpu_ratio: f64,
    /// Enough points at the ceiling that the demand beyond it is unknown.
    pub(super) cpu_saturated: bool,
    /// Memory, percent; the highest of each slot.
    pub(super) memory: Option<(&'a Series, Demand)>,
    pub(super) memory_full: bool,
    /// Bytes a second of the busier way, because each way has the whole bandwidth.
    pub(super) network: Option<Demand>,
    /// Bytes a second.
    pub(super) ebs: Option<Demand>,
    /// Operations a second.
    pub(super) iops: Option<Demand>,
}

/// How likely a type is too small in one dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Risk {
    pub(super) dimension: &'static str,
    /// Probability within the coming week, 0–1.
    pub(super) probability: f64,
}

impl<'a> Usage<'a> {
    /// # Errors
    /// Why the CPU cannot be judged.
    pub(super) fn of(case: &'a Case<'_>) -> Result<Self, String> {
        let cpu = case.judged(CPU.metric, CPU.statistic)?;
        let percent = at_quantile(cpu, case.settings.quantile).ok_or("CPU has no points")?;
        let memory = case.judged(MEMORY.metric, MEMORY.statistic).ok();
        let memory_full = memory.is_some_and(|series| {
            highest(&of_this_type(case, series)).is_some_and(|most| most >= MEMORY_FULL_PERCENT)
        });
        let threshold = case.settings.instance.saturated_ratio;
        let both =
            |ways: [Metric; 2]| total(case.seen(), &ways).and_then(|sums| per_second_of(&sums));
        Ok(Self {
            cpu,
            cpu_demand: Demand::of(cpu).ok_or("CPU has no points")?,
            cpu_ratio: percent / 100.0,
            cpu_saturated: is_saturated(&of_this_type(case, cpu), threshold),
            memory: memory.and_then(|series| Some((series, Demand::of(series)?))),
            memory_full,
            network: network(case),
            ebs: both([Metric::InstanceEbsReadBytes, Metric::InstanceEbsWriteBytes]),
            iops: both([Metric::InstanceEbsReadOps, Metric::InstanceEbsWriteOps]),
        })
    }

    /// Whether the instance lacks CPU or memory for certain.
    pub(super) fn is_saturated(&self) -> bool {
        self.cpu_saturated || self.memory_full
    }

    /// How likely `target` is too small, by dimension.
    ///
    /// CPU is always among them. What is not seen has no risk here, nor has a bandwidth that does not get smaller:
    /// what goes beyond today's is served from bursts, today and tomorrow.
    pub(super) fn risks(
        &self,
        today: &InstanceType,
        target: &InstanceType,
        settings: &SizingSettings,
    ) -> Vec<Risk> {
        let risk = |dimension, probability| Risk { dimension, probability };
        let mut risks = vec![risk("cpu", self.cpu_risk(today, target, settings))];
        risks.extend(self.memory.as_ref().map(|(series, demand)| {
            let kept = target.memory_mib as f64 / (today.memory_mib as f64).max(1.0);
            let usable_percent = 100.0 * kept * (1.0 - settings.memory_headroom_ratio);
            // A single point without memory ends in a killed process, so that one a week is all that is tolerated.
            let tolerance_ratio = (f64::from(series.step_s) / WEEK_S).min(TOLERANCE_RATIO);
            risk("memory", demand.risk(usable_percent, tolerance_ratio))
        }));
        let bandwidth = |demand: &Option<Demand>, of: fn(&InstanceType) -> Option<f64>| {
            let (old, new) = (of(today)?, of(target).unwrap_or(0.0));
            let usable = new * (1.0 - settings.io_headroom_ratio);
            (new < old).then(|| Some(demand.as_ref()?.risk(usable, TOLERANCE_RATIO)))?
        };
        risks.extend(bandwidth(&self.network, network_bytes_s).map(|one| risk("network", one)));
        risks.extend(bandwidth(&self.ebs, ebs_bytes_s).map(|one| risk("ebs_throughput", one)));
        risks.extend(bandwidth(&self.iops, ebs_iops).map(|one| risk("ebs_iops", one)));
        risks
    }

    /// CPU and memory of the look-back against the target, without the room above them.
    pub(super) fn replayed(
        &self,
        today: &InstanceType,
        target: &InstanceType,
    ) -> Vec<ReplayDimension> {
        let scaled = |name, series: &Series, full: f64, capacity| ReplayDimension {
            name,
            step_s: series.step_s,
            demand: series
                .present()
                .map(|(time_s, percent)| (time_s, f64::from(percent) / 100.0 * full))
                .collect(),
            capacity,
        };
        let vcpu = f64::from(today.vcpu);
        let compute = vcpu * compute_ratio(today, target);
        let memory = (today.memory_mib as f64, target.memory_mib as f64);
        let mut replayed = vec![scaled("cpu", self.cpu, vcpu, compute)];
        let series = self.memory.as_ref().map(|(series, _)| *series);
        replayed.extend(series.map(|series| scaled("memory", series, memory.0, memory.1)));
        replayed
    }

    /// What could not be seen.
    pub(super) fn unseen(&self) -> Vec<String> {
        let seen = [
            ("memory", self.memory.is_some()),
            ("network", self.network.is_some()),
            ("ebs_throughput", self.ebs.is_some()),
            ("ebs_iops", self.iops.is_some()),
        ];
        let unseen = seen.iter().filter(|(_, seen)| !seen);
        unseen.map(|(name, _)| (*name).to_owned()).collect()
    }

    fn cpu_risk(
        &self,
        today: &InstanceType,
        target: &InstanceType,
        settings: &SizingSettings,
    ) -> f64 {
        let compute = compute_ratio(today, target);
        let usable_percent = 100.0 * compute * (1.0 - settings.headroom_ratio);
        if !is_limited(target) {
            return self.cpu_demand.risk(usable_percent, TOLERANCE_RATIO);
        }
        let fill = self.cpu_demand.highest() / usable_percent;
        slowed(self.cpu, target, compute, settings.headroom_ratio)
            .and_then(|points| Breaches::of_points(&points, self.cpu.step_s, fill))
            .map_or(1.0, |breaches| breaches.risk(TOLERANCE_RATIO))
    }
}

/// The busier way, bytes a second, where both were seen.
fn network(case: &Case<'_>) -> Option<Demand> {
    let received = case.series(Metric::InstanceNetworkIn, Statistic::Sum)?;
    let sent = case.series(Metric::InstanceNetworkOut, Statistic::Sum)?;
    let busier = |(time_s, value): (i64, f32)| Some((time_s, value.max(sent.at(time_s)?)));
    let points = received.present().filter_map(busier);
    let points: Vec<_> = points.map(|point| per_second(point, received.step_s)).collect();
    Demand::of_points(&points, received.step_s)
}

/// A counter's sums as demand a second.
fn per_second_of(sums: &Series) -> Option<Demand> {
    let points: Vec<_> = sums.present().map(|point| per_second(point, sums.step_s)).collect();
    Demand::of_points(&points, sums.step_s)
}

fn per_second((time_s, sum): (i64, f32), step_s: u32) -> (i64, f32) {
    (time_s, sum / step_s as f32)
}

/// The points since the last start, if they span a day, else all.
///
/// A type changes only while the instance is stopped, so that what was full before the last start may have been a
/// smaller type: it must not be made larger for it twice. As demand the older points still count: there they err on
/// the side of more.
fn of_this_type(case: &Case<'_>, series: &Series) -> Series {
    let launched = case.input.resource.instance().and_then(|instance| instance.launched_at);
    let newer = launched.map(|at| series.window(at.as_second(), series.end_s()));
    let a_day = |one: &Series| one.points() * one.step_s as usize >= SEEN_S_MIN;
    newer.filter(a_day).unwrap_or_else(|| series.clone())
}

/// Whether CPU is at its ceiling often enough; a threshold of 0 needs one point all the same.
fn is_saturated(cpu: &Series, threshold: f64) -> bool {
    let share = saturated_ratio(cpu);
    share > 0.0 && share >= threshold
}
