//! Instances: the cheapest type that carries what was used, with room.
//!
//! Not here: idle instances (`idle`) and what a type can be replaced by (`candidates`).

use std::cmp::Reverse;

use super::{
    candidates::{
        Need, carries, compute_ratio, ebs_bytes_s, ebs_iops, generation, is_limited, is_open,
        network_bytes_s,
    },
    case::{CHANGE_MIN, Case, Costs, Finding, Proposal, STEP_MIN, StatedRisk},
    credits::slowed,
    settings::RiskRule,
    usage::{CPU, MEMORY, Risk, Usage},
};
use crate::{
    catalog::{ApiWord, Architecture, InstanceType, Price},
    class::{Borrowed, Lender},
    demand::{highest, mean},
    metric::Statistic,
    recommendation::{Action, Dimension, Recommendation},
    resource::{Instance, InstanceState},
    risk::{CYCLE_H, Demand, TOLERANCE_RATIO},
    spec::{PowerState, Spec},
};

/// The compute that a saturated instance gets at least, as a ratio of today's, when its family has no larger size.
const RELIEF_MIN: f64 = 1.25;

/// The tenancy whose prices the catalogue has.
const SHARED_TENANCY: &str = "default";

/// A type that carries the need, with its price where it has one.
struct Offer<'a> {
    target: &'a InstanceType,
    price: Option<Price>,
    risks: Vec<Risk>,
}

impl Offer<'_> {
    /// The dimension in which the type is likeliest too small.
    fn worst(&self) -> Risk {
        let by_risk = |one: &&Risk, other: &&Risk| one.probability.total_cmp(&other.probability);
        *self.risks.iter().max_by(by_risk).expect("CPU is always among the risks")
    }

    /// What an hour costs, in dollars or, without a price, in vCPU.
    fn hourly(&self) -> f64 {
        hourly(self.target, self.price)
    }
}

fn hourly(one: &InstanceType, price: Option<Price>) -> f64 {
    price.map_or(f64::from(one.vcpu), |price| price.per_hour.dollars())
}

/// Recommends another type.
///
/// # Errors
/// Why none is recommended.
pub(super) fn resize(case: &Case<'_>, instance: &Instance) -> Result<Recommendation, String> {
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
    let usage = Usage::of(case)?;
    let need = need(case, today, &usage);
    let price = price(case, instance, today);
    let offers =
        preferred(case, today, price, &usage, offers(case, instance, today, &need, &usage));
    let worth = |offer: &&Offer<'_>| usage.is_saturated() || is_worth(today, price, offer);
    let mut worthy = offers.iter().filter(worth);
    let Some(best) = worthy.next() else {
        return Err(reason_fits(case, name, &usage, offers.len()));
    };
    let alternates = worthy.take(case.settings.instance.alternates);
    let proposal = Proposal {
        action: Action::ResizeInstance,
        desired: Spec::Instance {
            instance_type: best.target.name.clone(),
            state: PowerState::Running,
        },
        alternates: alternates.map(|offer| offer.target.name.clone()).collect(),
        reason: reason(case, today, best, &usage),
        costs: costs(case, price, best.price),
    };
    let finding = finding(case, today, best, &usage, &need);
    Ok(case.recommendation(proposal, finding))
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

/// What a type must offer, whatever the risk.
///
/// A saturated instance gets the next larger size at least and loses nothing; otherwise no dimension falls below half,
/// and what is not seen is not made smaller: memory not at all, bandwidths by half at most, since they shrink with
/// every size of a family. Where no risk is weighed, the quantile of CPU and the peaks of bandwidths must fit.
fn need(case: &Case<'_>, today: &InstanceType, usage: &Usage<'_>) -> Need {
    let settings = case.settings;
    let keep =
        if usage.is_saturated() || !case.required_unseen().is_empty() { 1.0 } else { STEP_MIN };
    let by_quantile = settings.risk.is_none();
    let roomy = |demand: f64, headroom: f64| demand / (1.0 - headroom);
    let quantile = if by_quantile { roomy(usage.cpu_ratio, settings.headroom_ratio) } else { 0.0 };
    let cpu = quantile.max(keep).max(roomy(lent_cpu_ratio(case, usage), settings.headroom_ratio));
    let memory_today = today.memory_mib as f64;
    let memory = usage.memory.as_ref().map_or(memory_today, |(_, demand)| {
        roomy(demand.highest() / 100.0 * memory_today, settings.memory_headroom_ratio)
    });
    let bandwidth = |seen: &Option<Demand>, today: Option<f64>| {
        // What goes beyond today's base is served from bursts, today and tomorrow.
        let today = today.unwrap_or(0.0);
        let kept = if usage.is_saturated() { today } else { 0.0 };
        let peak = |demand: &Demand| roomy(demand.highest(), settings.io_headroom_ratio);
        let least = match seen {
            None => today * STEP_MIN,
            Some(demand) if by_quantile => peak(demand),
            Some(_) => 0.0,
        };
        least.min(today).max(kept)
    };
    Need {
        cpu_ratio: if usage.cpu_saturated { cpu.max(next_larger(case, today)) } else { cpu },
        // A limited type's allowance is part of the risk, or of `is_sustained`.
        sustained_ratio: 0.0,
        memory_mib: memory.max(memory_today * keep),
        network_bytes_s: bandwidth(&usage.network, network_bytes_s(today)),
        ebs_bytes_s: bandwidth(&usage.ebs, ebs_bytes_s(today)),
        ebs_iops: operations(case, today, usage),
    }
}

/// The EBS operations that a type must offer, a second.
///
/// Types differ in them beyond all use, so that even a saturated instance need keep no more than it used.
fn operations(case: &Case<'_>, today: &InstanceType, usage: &Usage<'_>) -> f64 {
    let today = ebs_iops(today).unwrap_or(0.0);
    let Some(demand) = &usage.iops else { return today * STEP_MIN };
    if case.settings.risk.is_some() && !usage.is_saturated() {
        return 0.0;
    }
    (demand.highest() / (1.0 - case.settings.io_headroom_ratio)).min(today)
}

/// The CPU that a young instance would need if it swung like those it borrows from, as a ratio of all vCPUs; 0 without
/// a loan.
fn lent_cpu_ratio(case: &Case<'_>, usage: &Usage<'_>) -> f64 {
    let mean = mean(usage.cpu).unwrap_or(0.0);
    let demand = |borrowed: &Borrowed| {
        borrowed.demand(case.settings.quantile, mean, usage.cpu_ratio * 100.0) / 100.0
    };
    // A load cannot ask for more than all that there is, whatever others of its class do.
    case.input.borrowed.map_or(0.0, demand).min(1.0)
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
    usage: &Usage<'_>,
) -> Vec<Offer<'a>> {
    let priced = price(case, instance, today).is_some();
    let open = |target: &&InstanceType| {
        (priced || target.family == today.family)
            && carries(need, today, target)
            && is_open(instance, today, target, &case.settings.instance)
            && is_sustained(case, today, target, usage)
    };
    let types = case.catalog.instance_types().filter(open);
    let offered = types.map(|target| Offer {
        target,
        price: price(case, instance, target),
        risks: usage.risks(today, target, case.settings),
    });
    let mut offers: Vec<Offer<'_>> =
        offered.filter(|offer| offer.price.is_some() == priced).collect();
    offers.sort_by_cached_key(|offer| {
        let target = offer.target;
        let cost = offer.price.map(|price| price.per_hour);
        let size = if priced { 0 } else { target.vcpu };
        let moved = target.family != today.family;
        (cost, size, moved, Reverse(generation(target)), target.name.clone())
    });
    offers
}

/// Whether a burstable or flex type runs out of its allowance no more often than the quantile leaves out.
///
/// Where risk is weighed, that is part of it.
fn is_sustained(
    case: &Case<'_>,
    today: &InstanceType,
    target: &InstanceType,
    usage: &Usage<'_>,
) -> bool {
    let settings = case.settings;
    if settings.risk.is_some() || !is_limited(target) {
        return true;
    }
    let compute = compute_ratio(today, target);
    slowed(usage.cpu, target, compute, settings.headroom_ratio).is_some_and(|points| {
        let breaching = points.iter().filter(|(_, breaching)| *breaching).count();
        breaching as f64 <= (1.0 - settings.quantile) * points.len() as f64
    })
}

/// The offers that the risk rule takes, best first.
///
/// What is saturated gets more, whatever its demand turns out to be.
fn preferred<'a>(
    case: &Case<'_>,
    today: &InstanceType,
    price: Option<Price>,
    usage: &Usage<'_>,
    offers: Vec<Offer<'a>>,
) -> Vec<Offer<'a>> {
    let Some(rule) = case.settings.risk.filter(|_| !usage.is_saturated()) else { return offers };
    let (mut safe, risky): (Vec<_>, Vec<_>) =
        offers.into_iter().partition(|offer| offer.worst().probability <= rule.risk_max);
    let cost = hourly(today, price);
    let vcpu_cost = cost / f64::from(today.vcpu.max(1));
    let safe_cost = safe.first().map_or(cost, |offer| offer.hourly().min(cost));
    let gain = |offer: &Offer<'_>| {
        rule.bargain?.gain((safe_cost - offer.hourly()) / vcpu_cost, offer.worst().probability)
    };
    let gains = risky.into_iter().filter_map(|offer| Some((gain(&offer)?, offer)));
    let best = gains.reduce(|best, one| if one.0 > best.0 { one } else { best });
    if let Some((_, bargain)) = best {
        safe.insert(0, bargain);
    }
    safe
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

fn reason(case: &Case<'_>, today: &InstanceType, offer: &Offer<'_>, usage: &Usage<'_>) -> String {
    let (name, other) = (&today.name, &offer.target.name);
    if usage.cpu_saturated {
        return format!(
            "CPU of {name} is saturated, what it lacks cannot be seen: {other} is larger"
        );
    }
    if usage.memory_full {
        return format!("memory of {name} is all but used up: {other} has more");
    }
    let settings = case.settings;
    if settings.risk.is_some() {
        let worst = offer.worst();
        return format!(
            "{other} would do: the risk that it is too small in the coming week is {:.1} % ({}), with {:.0} % of CPU to \
             spare",
            worst.probability * 100.0,
            worst.dimension,
            settings.headroom_ratio * 100.0
        );
    }
    format!(
        "{} % of the time CPU stays below {:.1} % of {name}: {other} carries all that was seen with {:.0} % of CPU to \
         spare",
        settings.quantile * 100.0,
        usage.cpu_ratio * 100.0,
        settings.headroom_ratio * 100.0
    )
}

fn reason_fits(case: &Case<'_>, name: &str, usage: &Usage<'_>, offers: usize) -> String {
    if usage.is_saturated() {
        return format!("{name} is saturated, but no type that it can move to is larger");
    }
    let offered = if offers == 0 { "no other type" } else { "no type that costs a tenth less" };
    let carried = case.settings.risk.map_or_else(
        || format!("what was seen ({:.1} % of CPU at the quantile)", usage.cpu_ratio * 100.0),
        |rule| format!("the coming week at a risk of {:.0} % at most", rule.risk_max * 100.0),
    );
    format!("{name} fits: {offered} carries {carried}")
}

fn finding(
    case: &Case<'_>,
    today: &InstanceType,
    offer: &Offer<'_>,
    usage: &Usage<'_>,
    need: &Need,
) -> Finding {
    let target = offer.target;
    let compute = compute_ratio(today, target);
    let memory = target.memory_mib as f64 / (today.memory_mib as f64).max(1.0);
    let bandwidth = |of: fn(&InstanceType) -> Option<f64>| of(today).zip(of(target));
    let slower = |pair: Option<(f64, f64)>| pair.is_some_and(|(old, new)| new < old);
    let mut decisive = vec![CPU];
    decisive.extend(usage.memory.as_ref().map(|_| MEMORY));
    Finding {
        decisive,
        // What a saturated instance lacks is unknown, so that nothing bounds the risk that more is not enough.
        risk: Some(if usage.is_saturated() {
            StatedRisk::bound(1.0, CYCLE_H)
        } else {
            StatedRisk::modelled(offer.worst().probability)
        }),
        dimensions: dimensions(case, today, target, usage, need),
        replay: case.replay(&usage.replayed(today, target)),
        capacity_ratio: compute.min(memory),
        lowers_performance: compute.min(memory) < 1.0
            || (is_limited(target) && !is_limited(today))
            || slower(bandwidth(network_bytes_s))
            || slower(bandwidth(ebs_bytes_s))
            || lacks_operations(case, today, target, usage),
        unseen: usage.unseen(),
        notes: notes(case, today, offer, usage),
        ..Finding::default()
    }
}

/// Whether the target has fewer EBS operations than today's type, and fewer than were used with room.
fn lacks_operations(
    case: &Case<'_>,
    today: &InstanceType,
    target: &InstanceType,
    usage: &Usage<'_>,
) -> bool {
    let room = 1.0 - case.settings.io_headroom_ratio;
    let used = usage.iops.as_ref().map_or(0.0, |demand| demand.highest() / room);
    let offered = ebs_iops(today).zip(ebs_iops(target));
    offered.is_some_and(|(old, new)| new < old && new < used)
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
    let cpu = if usage.cpu_saturated {
        need.cpu_ratio
    } else {
        cpu_demand_ratio(usage, settings.risk) / (1.0 - settings.headroom_ratio)
    };
    let proposed = vcpu * compute_ratio(today, target);
    let mut rows = vec![row("cpu", &format!("vCPU of {}", today.name), cpu * vcpu, vcpu, proposed)];
    let (memory_today, memory) = (today.memory_mib as f64, target.memory_mib as f64);
    rows.extend(usage.memory.as_ref().map(|(_, demand)| {
        let used = demand.highest() / 100.0 * memory_today;
        row("memory", "MiB", used / (1.0 - settings.memory_headroom_ratio), memory_today, memory)
    }));
    let rate = |(name, unit): (&str, &str),
                seen: &Option<Demand>,
                of: fn(&InstanceType) -> Option<f64>| {
        let (old, new) = of(today).zip(of(target))?;
        let peak = seen.as_ref()?.highest() / (1.0 - settings.io_headroom_ratio);
        Some(row(name, unit, peak, old, new))
    };
    rows.extend(rate(("network", "bytes/s"), &usage.network, network_bytes_s));
    rows.extend(rate(("ebs_throughput", "bytes/s"), &usage.ebs, ebs_bytes_s));
    rows.extend(rate(("ebs_iops", "operations/s"), &usage.iops, ebs_iops));
    rows
}

/// The CPU that must be there, as a ratio of all vCPUs: at the quantile or, where risk is weighed, at that risk.
fn cpu_demand_ratio(usage: &Usage<'_>, rule: Option<RiskRule>) -> f64 {
    let at_risk = |rule: RiskRule| {
        let percent = usage.cpu_demand.capacity_at(rule.risk_max, TOLERANCE_RATIO);
        // Too little was seen for any capacity to be safe: then the highest demand is all that can be said.
        if percent.is_finite() { percent / 100.0 } else { usage.cpu_demand.highest() / 100.0 }
    };
    rule.map_or(usage.cpu_ratio, at_risk)
}

fn notes(
    case: &Case<'_>,
    today: &InstanceType,
    offer: &Offer<'_>,
    usage: &Usage<'_>,
) -> Vec<String> {
    let target = offer.target;
    let mut notes = Vec::new();
    if !usage.is_saturated() {
        let shown = |one: &Risk| format!("{} {:.1} %", one.dimension, one.probability * 100.0);
        let risks: Vec<String> = offer.risks.iter().map(shown).collect();
        notes.push(format!("risk of being too small in the coming week: {}", risks.join(", ")));
    }
    if let Some(Borrowed { lender, lenders, .. }) = case.input.borrowed {
        let whose = match lender {
            Lender::Group => "of its group",
            Lender::Tag => "with its tag",
            Lender::Class => "with days like it",
        };
        notes.push(format!("young: it is given the swing of {lenders} older instances {whose}"));
    }
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
            "{} sustains {share:.0} % of its CPU, more only while its allowance lasts",
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
