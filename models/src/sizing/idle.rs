//! Instances that do nothing.
//!
//! Not here: small instances that do little (`instance`).

use std::collections::BTreeMap;

use super::{
    case::{Case, Costs, Finding, Proposal, StatedRisk},
    instance::reason_fixed,
    settings::InstanceSettings,
};
use crate::{
    catalog::Price,
    demand::{at_quantile, hourly_sums, total},
    metric::{Measure, Metric, Statistic},
    money::Usd,
    recommendation::{Action, Dimension, Recommendation},
    replay::ReplayDimension,
    resource::Instance,
    season::HOUR_S,
    series::Series,
    spec::{PowerState, Spec},
};

/// The quantile of the maxima that must be quiet: a monthly update does not make a machine busy.
const QUIET_QUANTILE: f64 = 0.995;

/// The distance of two hours of traffic, seconds.
const HOUR_STEP_S: u32 = 3_600;

/// Recommends stopping; `None` when the instance works, or when it cannot be seen that it does not.
///
/// CPU must be seen, and the network too: a proxy needs little CPU. Neither may be flat at zero, which is how
/// absence looks: a machine that runs always receives some bytes.
pub(super) fn stop(case: &Case<'_>, instance: &Instance) -> Option<Recommendation> {
    let fixed = reason_fixed(instance).is_some() || !case.required_unseen().is_empty();
    let cpu = case.judged(Metric::InstanceCpu, Statistic::Maximum).ok().filter(|_| !fixed)?;
    let ways = [Metric::InstanceNetworkIn, Metric::InstanceNetworkOut];
    for way in ways {
        case.judged(way, Statistic::Sum).ok()?;
    }
    let settings = &case.settings.instance;
    let percent = at_quantile(cpu, QUIET_QUANTILE)?;
    let traffic = hourly_sums(&total(case.seen(), &ways)?);
    let bytes = traffic.values().copied().max_by(f64::total_cmp)?;
    let idle = percent < settings.idle_cpu_percent && bytes < settings.idle_network_bytes_per_hour;
    let used = used(cpu, &traffic, settings);
    idle.then(|| {
        let proposal = Proposal {
            action: Action::StopIdleInstance,
            desired: Spec::Instance {
                instance_type: instance.instance_type.clone(),
                state: PowerState::Stopped,
            },
            alternates: Vec::new(),
            reason: format!(
                "CPU stayed below {percent:.1} % and the network below {bytes:.0} bytes in every hour: \
                 nothing uses the instance"
            ),
            costs: costs(case, instance),
        };
        case.recommendation(proposal, finding(case, percent, &used))
    })
}

/// The whole price of the instance, for the share of the time that it runs.
fn costs(case: &Case<'_>, instance: &Instance) -> Option<Costs> {
    let name = &instance.instance_type;
    let shared = instance.tenancy == "default";
    let price: Price = shared
        .then(|| case.catalog.instance_price(name, case.region(), &instance.platform))
        .flatten()?;
    Some(Costs {
        today: price.per_hour.monthly().scaled(case.running_ratio())?,
        proposed: Usd::ZERO,
        basis: price.basis,
    })
}

/// The look-back against nothing running: what the rule of idleness calls use is more than nothing can carry.
///
/// CPU by its slots, the network by whole hours, as the rule reads them. The rule calls a figure at its limit use, while a
/// capacity carries what equals it: so each capacity is the next smaller number.
fn used(
    cpu: &Series,
    traffic: &BTreeMap<i64, f64>,
    settings: &InstanceSettings,
) -> [ReplayDimension; 2] {
    let percents = cpu.present().map(|(time_s, percent)| (time_s, f64::from(percent)));
    let bytes = traffic.iter().map(|(hour, bytes)| (hour * HOUR_S, *bytes));
    let one = |name, step_s, demand, limit: f64| ReplayDimension {
        name,
        step_s,
        demand,
        capacity: limit.next_down(),
    };
    [
        one("cpu", cpu.step_s, percents.collect(), settings.idle_cpu_percent),
        one("network", HOUR_STEP_S, bytes.collect(), settings.idle_network_bytes_per_hour),
    ]
}

fn finding(case: &Case<'_>, percent: f64, used: &[ReplayDimension]) -> Finding {
    let replay = case.replay(used);
    let bound = replay.as_ref().map(|replay| replay.breach_upper_bound);
    let measure = |metric, statistic| Measure { metric, statistic };
    let memory = case.series(Metric::InstanceMemory, Statistic::Maximum);
    Finding {
        decisive: vec![
            measure(Metric::InstanceCpu, Statistic::Maximum),
            measure(Metric::InstanceNetworkIn, Statistic::Sum),
            measure(Metric::InstanceNetworkOut, Statistic::Sum),
        ],
        dimensions: vec![Dimension {
            name: "cpu".to_owned(),
            unit: "percent".to_owned(),
            demand: percent,
            capacity_today: 100.0,
            capacity_proposed: 0.0,
        }],
        risk: bound.map(|bound| StatedRisk::bound(bound, case.cycle_h())),
        replay,
        capacity_ratio: 0.0,
        lowers_performance: true,
        unseen: memory.map_or_else(|| vec!["memory".to_owned()], |_| Vec::new()),
        notes: vec![
            "the volumes stay and go on costing".to_owned(),
            "what a machine keeps ready in memory without using CPU or network cannot be seen"
                .to_owned(),
        ],
        ..Finding::default()
    }
}
