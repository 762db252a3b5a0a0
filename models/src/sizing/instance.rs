//! Instances: the cheapest type that carries what was used, with room.
//!
//! Not here: idle instances (`idle`) and what a type can be replaced by (`candidates`).

use super::{
    candidates::{
        Need, carries, compute_ratio, ebs_bytes_s, generation, is_limited, is_open, network_bytes_s,
    },
    case::{CHANGE_MIN, Case, Costs, Finding, Proposal, SEEN_S_MIN, STEP_MIN},
};
use crate::{
    catalog::{ApiWord, Architecture, InstanceType, Price},
    demand::{at_quantile, highest, highest_day_mean, rates, saturated_ratio, total},
    metric::{Measure, Metric, Statistic},
    recommendation::{Action, Dimension, Recommendation, SeasonSeen},
    replay::{ReplayDimension, replay},
    resource::{Instance, InstanceState},
    series::Series,
    spec::{PowerState, Spec},
};

/// Memory in use, percent, from which an instance needs more: beyond it the kernel begins to reclaim and kill.
const MEMORY_FULL_PERCENT: f64 = 95.0;

/// The compute that a saturated instance gets at least, as a ratio of today's, when its family has no larger size.
const RELIEF_MIN: f64 = 1.25;

/// The tenancy whose prices the catalogue has.
const SHARED_TENANCY: &str = "default";

const CPU: Measure = Measure { metric: Metric::InstanceCpu, statistic: Statistic::Average };
const MEMORY: Measure = Measure { metric: Metric::InstanceMemory, statistic: Statistic::Maximum };

/// What the look-back shows of an instance.
struct Usage<'a> {
    cpu: &'a Series,
    /// The quantile of CPU that must fit, as a ratio of all vCPUs.
    cpu_ratio: f64,
    /// Enough points at the ceiling that the demand beyond it is unknown.
    cpu_saturated: bool,
    memory: Option<&'a Series>,
    memory_full: bool,
    network: Option<f64>,
    ebs: Option<f64>,
}

/// A type that carries the need, with its price where it has one.
struct Offer<'a> {
    target: &'a InstanceType,
    price: Option<Price>,
}

/// Recommends another type.
///
/// # Errors
/// Why none is recommended.
pub(super) fn resize(
    case: &Case<'_>,
    instance: &Instance,
    seasons: &[SeasonSeen],
) -> Result<Recommendation, String> {
    if let Some(reason) = reason_fixed(instance) {
        return Err(reason);
    }
    let name = &instance.instance_type;
    let today = case.catalog.instance_type(name).ok_or_else(|| {
        format!("type {name} is not in the catalogue, bring it by describing the region's types")
    })?;
    if Architecture::from_api(&instance.architecture).is_none() {
        return Err(format!("architecture {} is not in the catalogue", instance.architecture));
    }
    let usage = usage(case)?;
    let saturated = usage.cpu_saturated || usage.memory_full;
    let need = need(case, today, &usage);
    let price = price(case, instance, today);
    let offers = offers(case, instance, today, &need);
    let worth = |offer: &&Offer<'_>| saturated || is_worth(today, price, offer);
    let mut worthy = offers.iter().filter(worth);
    let Some(best) = worthy.next() else {
        return Err(reason_fits(name, &usage, saturated, offers.len()));
    };
    let alternates = worthy.take(case.settings.instance.alternates);
    let proposal = Proposal {
        action: Action::ResizeInstance,
        desired: Spec::Instance {
            instance_type: best.target.name.clone(),
            state: PowerState::Running,
        },
        alternates: alternates.map(|offer| offer.target.name.clone()).collect(),
        reason: reason(case, today, best.target, &usage),
        costs: costs(case, price, best.price),
    };
    let finding = finding(case, today, best.target, &usage, &need);
    Ok(case.recommendation(proposal, finding, seasons))
}

/// Why the instance's type cannot be changed at all.
pub(super) fn reason_fixed(instance: &Instance) -> Option<String> {
    if instance.state != InstanceState::Running {
        return Some("the instance is not running, so that its type costs nothing".to_owned());
    }
    if let Some(lifecycle) = &instance.lifecycle {
        return Some(format!("a {lifecycle} instance cannot be stopped and resized"));
    }
    if !instance.ebs_root {
        return Some("the root device is an instance store, which a stop would erase".to_owned());
    }
    instance
        .hibernation
        .then(|| "hibernation is enabled, with which EC2 does not change types".to_owned())
}

fn usage<'a>(case: &'a Case<'_>) -> Result<Usage<'a>, String> {
    let cpu = case.judged(CPU.metric, CPU.statistic)?;
    let percent = at_quantile(cpu, case.settings.quantile).ok_or("CPU has no points")?;
    let memory = case.judged(MEMORY.metric, MEMORY.statistic).ok();
    let memory_full = memory.is_some_and(|series| {
        highest(&of_this_type(case, series)).is_some_and(|most| most >= MEMORY_FULL_PERCENT)
    });
    let peak = |series: &Series| rates(series).map(|(_, rate)| rate).max_by(f64::total_cmp);
    let way = |metric| case.series(metric, Statistic::Sum).and_then(peak);
    let received = way(Metric::InstanceNetworkIn);
    let network = received.zip(way(Metric::InstanceNetworkOut));
    let disk = [Metric::InstanceEbsReadBytes, Metric::InstanceEbsWriteBytes];
    Ok(Usage {
        cpu,
        cpu_ratio: percent / 100.0,
        cpu_saturated: is_saturated(
            &of_this_type(case, cpu),
            case.settings.instance.saturated_ratio,
        ),
        memory,
        memory_full,
        // Each way has the whole bandwidth, so that the busier one counts.
        network: network.map(|(received, sent)| received.max(sent)),
        ebs: total(case.seen(), &disk).as_ref().and_then(peak),
    })
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

/// What a type must offer.
///
/// A saturated instance gets the next larger size at least and loses nothing; otherwise no dimension falls below half,
/// and what is not seen is not made smaller: memory not at all, bandwidths by half at most, since they shrink with
/// every size of a family.
fn need(case: &Case<'_>, today: &InstanceType, usage: &Usage<'_>) -> Need {
    let settings = case.settings;
    let saturated = usage.cpu_saturated || usage.memory_full;
    let keep = if saturated || !case.required_unseen().is_empty() { 1.0 } else { STEP_MIN };
    let roomy = |demand: f64, headroom: f64| demand / (1.0 - headroom);
    let cpu = roomy(usage.cpu_ratio, settings.headroom_ratio).max(keep);
    let memory_today = today.memory_mib as f64;
    let memory = usage.memory.and_then(highest).map_or(memory_today, |percent| {
        roomy(percent / 100.0 * memory_today, settings.memory_headroom_ratio)
    });
    let bandwidth = |seen: Option<f64>, today: Option<f64>| {
        // What goes beyond today's base is served from bursts, today and tomorrow.
        let today = today.unwrap_or(0.0);
        let kept = if saturated { today } else { 0.0 };
        let least = seen.map_or(today * STEP_MIN, |peak| roomy(peak, settings.io_headroom_ratio));
        least.min(today).max(kept)
    };
    // Even where a month of credits or of load beyond the baseline was fine, the target's baseline must do.
    let sustained = highest_day_mean(usage.cpu).map_or(0.0, |percent| percent / 100.0);
    Need {
        cpu_ratio: if usage.cpu_saturated { cpu.max(next_larger(case, today)) } else { cpu },
        sustained_ratio: roomy(sustained, settings.headroom_ratio),
        memory_mib: memory.max(memory_today * keep),
        network_bytes_s: bandwidth(usage.network, network_bytes_s(today)),
        ebs_bytes_s: bandwidth(usage.ebs, ebs_bytes_s(today)),
    }
}

/// Compute of the family's next larger size, as a ratio of today's.
fn next_larger(case: &Case<'_>, today: &InstanceType) -> f64 {
    let sizes = case.catalog.instance_types().filter(|one| one.family == today.family);
    let larger = sizes.filter(|one| one.vcpu > today.vcpu && !one.bare_metal);
    larger.map(|one| compute_ratio(today, one)).min_by(f64::total_cmp).unwrap_or(RELIEF_MIN)
}

/// The list price of the type for this instance; none for tenancies and platforms that are not priced.
fn price(case: &Case<'_>, instance: &Instance, one: &InstanceType) -> Option<Price> {
    let shared = instance.tenancy == SHARED_TENANCY;
    shared.then(|| case.catalog.instance_price(&one.name, case.region(), &instance.platform))?
}

/// The types that carry the need, best first: the cheapest, then fewer migrations (the same family), then the newer.
///
/// An instance without a price is compared by vCPU within its family: the order of prices there, whatever
/// they are.
fn offers<'a>(
    case: &'a Case<'_>,
    instance: &Instance,
    today: &InstanceType,
    need: &Need,
) -> Vec<Offer<'a>> {
    let priced = price(case, instance, today).is_some();
    let open = |target: &&InstanceType| {
        (priced || target.family == today.family)
            && carries(need, today, target)
            && is_open(instance, today, target, &case.settings.instance)
    };
    let types = case.catalog.instance_types().filter(open);
    let offered = types.map(|target| Offer { target, price: price(case, instance, target) });
    let mut offers: Vec<Offer<'_>> =
        offered.filter(|offer| offer.price.is_some() == priced).collect();
    offers.sort_by_cached_key(|offer| {
        let target = offer.target;
        let cost = offer.price.map(|price| price.per_hour);
        let size = if priced { 0 } else { target.vcpu };
        let moved = target.family != today.family;
        (cost, size, moved, std::cmp::Reverse(generation(target)), target.name.clone())
    });
    offers
}

/// Whether the change pays: the cost falls by more than a tenth or, without prices, the number of vCPUs does.
fn is_worth(today: &InstanceType, price: Option<Price>, offer: &Offer<'_>) -> bool {
    match price.zip(offer.price) {
        Some((old, new)) => new.per_hour.dollars() < old.per_hour.dollars() * (1.0 - CHANGE_MIN),
        None => f64::from(offer.target.vcpu) < f64::from(today.vcpu) * (1.0 - CHANGE_MIN),
    }
}

/// The months' costs for the share of the time that the instance runs.
fn costs(case: &Case<'_>, today: Option<Price>, proposed: Option<Price>) -> Option<Costs> {
    let (today, proposed) = today.zip(proposed)?;
    let share = case.running_ratio();
    Some(Costs {
        today: today.per_hour.monthly().scaled(share)?,
        proposed: proposed.per_hour.monthly().scaled(share)?,
        basis: today.basis.max(proposed.basis),
    })
}

fn reason(
    case: &Case<'_>,
    today: &InstanceType,
    target: &InstanceType,
    usage: &Usage<'_>,
) -> String {
    let (name, other) = (&today.name, &target.name);
    let quantile = case.settings.quantile * 100.0;
    let percent = usage.cpu_ratio * 100.0;
    if usage.cpu_saturated {
        return format!(
            "CPU of {name} is saturated, what it lacks cannot be seen: {other} is larger"
        );
    }
    if usage.memory_full {
        return format!(
            "memory of {name} is used up to {MEMORY_FULL_PERCENT} % and more: {other} has more"
        );
    }
    let room = case.settings.headroom_ratio * 100.0;
    format!(
        "{quantile} % of the time CPU stays below {percent:.1} % of {name}: {other} carries all that was seen with \
         {room:.0} % of CPU to spare"
    )
}

fn reason_fits(name: &str, usage: &Usage<'_>, saturated: bool, offers: usize) -> String {
    if saturated {
        return format!("{name} is saturated, but no type that it can move to is larger");
    }
    let percent = usage.cpu_ratio * 100.0;
    let offered = if offers == 0 { "no other type" } else { "no type that costs a tenth less" };
    format!("{name} fits: {offered} carries what was seen ({percent:.1} % of CPU at the quantile)")
}

fn finding(
    case: &Case<'_>,
    today: &InstanceType,
    target: &InstanceType,
    usage: &Usage<'_>,
    need: &Need,
) -> Finding {
    let compute = compute_ratio(today, target);
    let memory = target.memory_mib as f64 / (today.memory_mib as f64).max(1.0);
    let bandwidth = |of: fn(&InstanceType) -> Option<f64>| of(today).zip(of(target));
    let slower = |pair: Option<(f64, f64)>| pair.is_some_and(|(old, new)| new < old);
    let mut decisive = vec![CPU];
    decisive.extend(usage.memory.map(|_| MEMORY));
    Finding {
        decisive,
        dimensions: dimensions(case, today, target, usage, need),
        replay: replay(&replayed(today, target, usage)),
        capacity_ratio: compute.min(memory),
        lowers_performance: compute.min(memory) < 1.0
            || (is_limited(target) && !is_limited(today))
            || slower(bandwidth(network_bytes_s))
            || slower(bandwidth(ebs_bytes_s)),
        unseen: unseen(usage),
        notes: notes(case, today, target, usage),
        ..Finding::default()
    }
}

/// Demand with room against both capacities, by what was seen.
fn dimensions(
    case: &Case<'_>,
    today: &InstanceType,
    target: &InstanceType,
    usage: &Usage<'_>,
    need: &Need,
) -> Vec<Dimension> {
    let settings = case.settings;
    let vcpu = f64::from(today.vcpu);
    let row = |name: &str, unit: &str, demand, capacity_today, capacity_proposed| Dimension {
        name: name.to_owned(),
        unit: unit.to_owned(),
        demand,
        capacity_today,
        capacity_proposed,
    };
    let cpu = usage.cpu_ratio / (1.0 - settings.headroom_ratio);
    let cpu = if usage.cpu_saturated { need.cpu_ratio } else { cpu };
    let proposed = vcpu * compute_ratio(today, target);
    let mut rows = vec![row("cpu", &format!("vCPU of {}", today.name), cpu * vcpu, vcpu, proposed)];
    let (memory_today, memory) = (today.memory_mib as f64, target.memory_mib as f64);
    rows.extend(usage.memory.and_then(highest).map(|percent| {
        let demand = percent / 100.0 * memory_today / (1.0 - settings.memory_headroom_ratio);
        row("memory", "MiB", demand, memory_today, memory)
    }));
    let bandwidth = |name: &str, peak: Option<f64>, of: fn(&InstanceType) -> Option<f64>| {
        let (peak, (old, new)) = peak.zip(of(today).zip(of(target)))?;
        Some(row(name, "bytes/s", peak / (1.0 - settings.io_headroom_ratio), old, new))
    };
    rows.extend(bandwidth("network", usage.network, network_bytes_s));
    rows.extend(bandwidth("ebs_throughput", usage.ebs, ebs_bytes_s));
    rows
}

/// CPU and memory of the look-back against the target, without the room above them.
fn replayed(
    today: &InstanceType,
    target: &InstanceType,
    usage: &Usage<'_>,
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
    let mut replayed = vec![scaled("cpu", usage.cpu, vcpu, compute)];
    replayed.extend(usage.memory.map(|series| scaled("memory", series, memory.0, memory.1)));
    replayed
}

fn unseen(usage: &Usage<'_>) -> Vec<String> {
    let seen = [
        ("memory", usage.memory.is_some()),
        ("network", usage.network.is_some()),
        ("ebs_throughput", usage.ebs.is_some()),
    ];
    let unseen = seen.iter().filter(|(_, seen)| !seen);
    unseen.map(|(name, _)| (*name).to_owned()).collect()
}

fn notes(
    case: &Case<'_>,
    today: &InstanceType,
    target: &InstanceType,
    usage: &Usage<'_>,
) -> Vec<String> {
    let mut notes = Vec::new();
    if usage.memory.is_none() {
        notes.push("memory was not seen, so that it is not made smaller".to_owned());
    }
    if today.processor_maker != target.processor_maker {
        let (old, new) = (&today.processor_maker, &target.processor_maker);
        notes.push(format!("the processor's maker changes from {old} to {new}"));
    }
    if is_limited(target) {
        let share = target.baseline_ratio.unwrap_or(0.0) * 100.0;
        notes.push(format!(
            "{} sustains {share:.0} % of its CPU, more only for a time",
            target.name
        ));
    }
    let peak = case.series(CPU.metric, Statistic::Maximum).and_then(highest);
    if let Some(peak) = peak.filter(|peak| peak / 100.0 > compute_ratio(today, target)) {
        notes.push(format!("single samples reached {peak:.0} % of {}'s CPU", today.name));
    }
    let share = case.running_ratio();
    if share < 1.0 {
        notes
            .push(format!("it ran {:.0} % of the time, and so is its cost counted", share * 100.0));
    }
    let unseen = case.required_unseen();
    notes.extend(unseen.iter().map(|metric| {
        format!(
            "{} is required and was not seen, so that nothing is made smaller",
            metric.row().name
        )
    }));
    notes
}
