//! Metrics: what the workload makes of the capacity in force, slot by slot, at any time.
//!
//! A stopped machine has no metrics. What is published late is not there yet.

use jiff::Timestamp;
use trimtab_models::{
    metric::{Measure, Metric, Statistic},
    series::Series,
};
use trimtab_policies::operations::Failure;

use super::{Body, Entity, FunctionBody, GroupBody, InstanceBody, VolumeBody, World};
use crate::{noise::unit, workload::Demand};

/// CloudWatch publishes a point about this long after its period, seconds.
pub(crate) const PUBLISHED_AFTER_S: i64 = 120;
/// The share of its peak members at which a scaling policy keeps CPU.
pub(crate) const POLICY_TARGET_RATIO: f64 = 0.6;

impl World {
    /// One series of one resource in `[from_s, until_s)`.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn series(
        &mut self,
        id: &str,
        measure: Measure,
        (from_s, until_s, step_s): (i64, i64, u32),
        now: Timestamp,
    ) -> Result<Series, Failure> {
        let step = i64::from(step_s);
        let slots = usize::try_from((until_s - from_s) / step).unwrap_or(0);
        let mut values = vec![f32::NAN; slots];
        let published_s = now.as_second() - PUBLISHED_AFTER_S - step;
        let silent = self.faults.silent.contains(id);
        let flat_zero = self.faults.flat_zero.contains(id);
        self.let_others_act(now);
        if let Some(entity) = self.entities.get(id).filter(|_| !silent) {
            let first = self.history_s.max(from_s);
            for (index, value) in values.iter_mut().enumerate() {
                let second = from_s + step * i64::try_from(index).unwrap_or(i64::MAX);
                if second >= first && second <= published_s {
                    // What is all zero is so only where it is published already.
                    *value = if flat_zero {
                        0.0
                    } else {
                        self.value(entity, measure, second, f64::from(step_s))
                    };
                }
            }
        }
        Ok(Series { start_s: from_s, step_s, values })
    }

    fn value(&self, entity: &Entity, measure: Measure, second: i64, step_s: f64) -> f32 {
        let demand = &entity.demand;
        let value = match &entity.body {
            Body::Instance(body) => self.instance_value(demand, body, measure, second, step_s),
            Body::Volume(body) => volume_value(demand, body, measure.metric, second, step_s),
            Body::Function(body) => function_value(demand, body, measure, second, step_s),
            Body::Group(body) => {
                let speedup = self.speedup_of(body.type_at(second), &body.first_type);
                group_value(demand, body, measure, (second, speedup))
            }
        };
        value.map_or(f32::NAN, |value| value as f32)
    }

    /// How much faster (above 1) or slower the type in force is than the first one.
    pub(crate) fn speedup(&self, body: &InstanceBody, second: i64) -> f64 {
        self.speedup_of(body.types.at(second), &body.first_type)
    }

    /// How much faster (above 1) or slower a type is than another.
    pub(crate) fn speedup_of(&self, now: &str, first: &str) -> f64 {
        if now == first {
            return 1.0;
        }
        match (self.speed(now), self.speed(first)) {
            (Some(now), Some(first)) => now / first,
            _ => 1.0,
        }
    }

    fn speed(&self, name: &str) -> Option<f64> {
        let row = self.catalog.instance_type(name)?;
        Some(row.coremark.unwrap_or_else(|| u64::from(row.vcpu)) as f64)
    }

    /// How much more (above 1) or less memory the type in force has than the first one.
    pub(crate) fn memory_gain(&self, body: &InstanceBody, second: i64) -> f64 {
        let memory = |name: &str| self.catalog.instance_type(name).map(|row| row.memory_gib());
        match (memory(body.types.at(second)), memory(&body.first_type)) {
            (Some(now), Some(first)) if first > 0.0 => now / first,
            _ => 1.0,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "a kind answers only for its own metrics")]
    fn instance_value(
        &self,
        demand: &Demand,
        body: &InstanceBody,
        measure: Measure,
        second: i64,
        step_s: f64,
    ) -> Option<f64> {
        if !body.runs_at(second) {
            return None;
        }
        match measure.metric {
            Metric::InstanceCpu => {
                let average = 100.0 * demand.at(second) / self.speedup(body, second);
                Some(cpu(average, measure.statistic, demand.peak_factor(second)))
            }
            Metric::InstanceMemory => {
                let wobble = 0.97
                    + 0.06 * unit(demand.stream ^ 0x3E3, second.div_euclid(300).unsigned_abs());
                let used = body.memory_ratio? * wobble / self.memory_gain(body, second);
                Some((100.0 * used).min(100.0))
            }
            Metric::InstanceNetworkIn | Metric::InstanceNetworkOut => {
                Some((body.network_bytes_s * demand.at(second) * step_s).round())
            }
            // The simulated machines keep their data on network volumes of little traffic.
            Metric::InstanceEbsReadBytes | Metric::InstanceEbsWriteBytes => {
                Some((1e6 * demand.at(second) * step_s).round())
            }
            // In operations of 16 KiB.
            Metric::InstanceEbsReadOps | Metric::InstanceEbsWriteOps => {
                Some((1e6 / 16_384.0 * demand.at(second) * step_s).round())
            }
            _ => None,
        }
    }
}

/// A CPU figure, censored at 100 % as CloudWatch shows it.
fn cpu(average: f64, statistic: Statistic, peak_factor: f64) -> f64 {
    match statistic {
        Statistic::Average | Statistic::Sum => average.min(100.0),
        Statistic::Maximum => (average * peak_factor).min(100.0),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a kind answers only for its own metrics")]
fn volume_value(
    demand: &Demand,
    body: &VolumeBody,
    metric: Metric,
    second: i64,
    step_s: f64,
) -> Option<f64> {
    if *body.states.at(second) != "in-use" {
        return None;
    }
    let spec = body.specs.at(second);
    let load = demand.at(second);
    let operations = body.peak_iops * load;
    let bytes = body.peak_bytes_s * load;
    let iops_share = spec.iops.map_or(1.0, |most| (f64::from(most) / operations.max(1.0)).min(1.0));
    let bytes_share = spec
        .throughput_mibps
        .map_or(1.0, |most| (f64::from(most) * 1_048_576.0 / bytes.max(1.0)).min(1.0));
    let served = iops_share.min(bytes_share);
    // A third of the traffic reads.
    let (amount, share) = match metric {
        Metric::VolumeReadOps => (operations, 1.0 / 3.0),
        Metric::VolumeWriteOps => (operations, 2.0 / 3.0),
        Metric::VolumeReadBytes => (bytes, 1.0 / 3.0),
        Metric::VolumeWriteBytes => (bytes, 2.0 / 3.0),
        _ => return None,
    };
    Some((amount * share * served * step_s).round())
}

/// Duration against memory, milliseconds: a + b ÷ m, flat from the 1,769 MB of one whole vCPU on (Lambda developer guide).
pub(crate) fn duration_ms(memory_mb: u32) -> f64 {
    40.0 + 60_000.0 / f64::from(memory_mb.min(1_769))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a kind answers only for its own metrics")]
fn function_value(
    demand: &Demand,
    body: &FunctionBody,
    measure: Measure,
    second: i64,
    step_s: f64,
) -> Option<f64> {
    let shares = body.shares(second);
    let mean = |figure: &dyn Fn(u32) -> f64| -> f64 {
        shares.iter().map(|(memory_mb, share)| share * figure(*memory_mb)).sum()
    };
    let most = |figure: &dyn Fn(u32) -> f64| -> f64 {
        shares.iter().map(|(memory_mb, _)| figure(*memory_mb)).fold(0.0, f64::max)
    };
    // The peak is a figure for five minutes.
    let invocations = (body.peak_invocations * demand.at(second) * step_s / 300.0).round();
    let killed = |memory_mb| f64::from(u8::from(body.used_mb > f64::from(memory_mb)));
    match measure.metric {
        Metric::FunctionInvocations => Some(invocations),
        Metric::FunctionErrors => Some((invocations * mean(&killed)).round()),
        Metric::FunctionThrottles => Some(0.0),
        Metric::FunctionDuration => {
            let wobble = 0.95 + 0.1 * unit(demand.stream ^ 0xD0, second.unsigned_abs());
            (invocations > 0.0).then(|| match measure.statistic {
                Statistic::Average | Statistic::Sum => mean(&duration_ms) * wobble,
                Statistic::Maximum => most(&duration_ms) * wobble * 2.2,
            })
        }
        Metric::FunctionMemory => (body.insights && invocations > 0.0)
            .then(|| most(&|memory_mb| body.used_mb.min(f64::from(memory_mb))).round()),
        _ => None,
    }
}

impl GroupBody {
    /// Members that the load keeps busy at 100 %.
    pub(crate) fn load(&self, demand: &Demand, second: i64) -> f64 {
        self.peak_members * demand.at(second)
    }

    /// The desired capacity: what the policy asks for between the bounds, or what somebody set.
    pub(crate) fn desired(&self, demand: &Demand, second: i64) -> u32 {
        self.desired_under(demand, second, second)
    }

    /// The desired capacity that the load at `second` asks for under the bounds in force at `bounds_s`.
    pub(crate) fn desired_under(&self, demand: &Demand, bounds_s: i64, second: i64) -> u32 {
        let (min, max, desired) = self.bounds_at(bounds_s);
        if !self.scaled {
            return desired;
        }
        // A policy looks at the last five minutes, and so does this.
        let slot = (second - self.lag_s).div_euclid(300) * 300;
        let wanted = (self.load(demand, slot) / POLICY_TARGET_RATIO).ceil() as u32;
        wanted.clamp(min, max)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a kind answers only for its own metrics")]
fn group_value(
    demand: &Demand,
    body: &GroupBody,
    measure: Measure,
    (second, speedup): (i64, f64),
) -> Option<f64> {
    let members = f64::from(body.desired(demand, second));
    match measure.metric {
        Metric::GroupInService => Some(members),
        Metric::GroupCpu if members > 0.0 => {
            let average = 100.0 * body.load(demand, second) / (members * speedup);
            Some(cpu(average, measure.statistic, demand.peak_factor(second)))
        }
        _ => None,
    }
}
