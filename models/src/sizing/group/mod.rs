//! Groups: bounds and capacity by the members that the load needed, and by what it is forecast to need.
//!
//! The target CPU is the room: members at it can take what a neighbour drops. Where something else scales the group,
//! only its bounds are proposed, and max never below what is desired now. A forecast of the next 48 hours only ever adds
//! members. A schedule that would take members out is told as a note only.

mod ahead;
mod members;
mod rise;
mod schedule;

use super::case::{CHANGE_MIN, Case, Costs, Finding, Proposal, STEP_MIN, risk_of};
use crate::{
    demand::hourly_highest,
    metric::{Measure, Metric, Statistic},
    quantile::quantile,
    recommendation::{Action, Dimension, Recommendation},
    replay::ReplayDimension,
    resource::{Group, InstanceState, Resource, scaled_by_others},
    spec::Spec,
};
use ahead::{Ahead, ahead};
use schedule::schedule;

/// The quantile of hourly needs that a lower bound keeps: the quiet quarter of the hours, so that the floor binds at
/// night and the scaler carries the day.
const FLOOR_QUANTILE: f64 = 0.25;

/// Share of the points at max with CPU above its target from which max holds the group back.
const HELD_BACK_RATIO: f64 = 0.01;

const CPU: Measure = Measure { metric: Metric::GroupCpu, statistic: Statistic::Average };
const IN_SERVICE: Measure =
    Measure { metric: Metric::GroupInService, statistic: Statistic::Average };

/// One slot of the look-back.
#[derive(Debug, Clone, Copy)]
struct Slot {
    time_s: i64,
    /// Members that served.
    served: f64,
    /// Members that would have served the load at the target CPU.
    needed: f64,
}

/// What the look-back shows of a group.
struct Usage {
    slots: Vec<Slot>,
    step_s: u32,
    /// Whether the number of members was seen, or is taken to be today's.
    counted: bool,
    /// What the next two days need; `None` while too little was seen to forecast it.
    ahead: Option<Ahead>,
}

/// The bounds of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounds {
    min: u32,
    max: u32,
    desired: u32,
}

/// Recommends other bounds or another type of the members, whichever saves more, else a floor that rises before the load.
///
/// # Errors
/// Why none are recommended.
pub(super) fn recommend(case: &Case<'_>, group: &Group) -> Result<Recommendation, String> {
    if let Some(reason) = reason_left_alone(group) {
        return Err(reason);
    }
    let scaled = scaled_by_others(case.input.resource, group);
    let usage = usage(case, group, scaled)?;
    let today = bounds_of(group);
    let tuned = tune(case, group, (&usage, today, scaled));
    let resized = members::resize(case, group, (&usage, scaled));
    match (tuned, resized) {
        // More members for a load that lacks them come before any saving.
        (Ok(tuned), Ok(resized)) => {
            let relieves = tuned.saving.is_none_or(|saving| !saving.is_positive());
            Ok(if relieves || tuned.saving >= resized.saving { tuned } else { resized })
        }
        (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
        (Err(fits), Err(kept)) => rise::schedule(case, group, &usage, today).map_err(|reason| {
            format!("{fits}; no other type of members: {kept}; no schedule: {reason}")
        }),
    }
}

/// Other bounds.
fn tune(
    case: &Case<'_>,
    group: &Group,
    (usage, today, scaled): (&Usage, Bounds, bool),
) -> Result<Recommendation, String> {
    if group.schedule.iter().any(|action| action.is_own()) {
        return Err("its floor follows the schedule that Trimtab set up".to_owned());
    }
    let bounds =
        if scaled { scaled_bounds(case, usage, today) } else { fixed_bounds(case, usage, today) }?;
    let smaller = bounds.desired < today.desired || bounds.min < today.min;
    if smaller {
        case.refuse_unseen()?;
    }
    if bounds == today {
        return Err(reason_fits(case, group, usage, today));
    }
    let members = |bounds| mean_members(usage, bounds, scaled);
    let (old, new) = (members(today), members(bounds));
    if smaller && new > old * (1.0 - CHANGE_MIN) {
        return Err(format!("other bounds would save {:.1} members of {old:.1}", old - new));
    }
    let proposal = Proposal {
        action: Action::TuneGroupCapacity,
        desired: Spec::Group {
            min_size: bounds.min,
            max_size: bounds.max,
            desired_capacity: bounds.desired,
        },
        alternates: Vec::new(),
        reason: reason(case, today, bounds, scaled),
        costs: costs(case, group, old, new),
    };
    let mut finding = finding(case, usage, (today, bounds), scaled);
    finding.notes.extend(advice(case, group, usage));
    Ok(case.recommendation(proposal, finding))
}

fn reason_left_alone(group: &Group) -> Option<String> {
    if group.deleting {
        return Some("it is being deleted".to_owned());
    }
    if group.desired_capacity == 0 {
        return Some("no members are desired, so that no load can be judged".to_owned());
    }
    if group.mixed_instances {
        return Some("its members are of mixed types, so that a member is no measure".to_owned());
    }
    if let Some(status) = &group.refresh_in_progress {
        return Some(format!("an instance refresh is {status}"));
    }
    group
        .suspended_processes
        .first()
        .map(|process| format!("someone suspended {process}, which its bounds would work against"))
}

/// What was needed, slot by slot, where both CPU and the number of members are there.
///
/// Groups publish their number of members only when asked to; a group that nothing scales has had today's.
fn usage(case: &Case<'_>, group: &Group, scaled: bool) -> Result<Usage, String> {
    let cpu = case.judged(CPU.metric, CPU.statistic)?;
    let served = case.series(IN_SERVICE.metric, IN_SERVICE.statistic);
    if served.is_none() && scaled {
        return Err(format!("{IN_SERVICE} has no points: enable the group's metrics"));
    }
    let target = case.settings.group.target_cpu_ratio;
    let slot = |(time_s, percent): (i64, f32)| {
        let served = match served {
            Some(series) => f64::from(series.at(time_s)?),
            None => f64::from(group.desired_capacity),
        };
        let needed = f64::from(percent) / 100.0 * served / target;
        (served > 0.0).then_some(Slot { time_s, served, needed })
    };
    let slots: Vec<Slot> = cpu.present().filter_map(slot).collect();
    if slots.is_empty() {
        return Err("no slot has both its CPU and its number of members".to_owned());
    }
    let ahead = ahead(&slots, cpu.step_s);
    Ok(Usage { slots, step_s: cpu.step_s, counted: served.is_some(), ahead })
}

/// The quantile of the members needed, in whole members.
fn needed(usage: &Usage, q: f64) -> Option<u32> {
    let mut needs: Vec<f32> = usage.slots.iter().map(|slot| slot.needed as f32).collect();
    quantile(&mut needs, q).map(whole)
}

/// Members that carry `members`; a hair above a whole number is that number.
fn whole(members: f64) -> u32 {
    (members - 1e-6).ceil().max(0.0) as u32
}

/// The least that one decision leaves of a number of members.
fn step_floor(today: u32) -> u32 {
    (f64::from(today) * STEP_MIN).ceil() as u32
}

/// Bounds of a group that nothing else scales: it gets what the quantile of its load needs.
///
/// It grows only when that load leaves less than the room that any size must leave: a little above the target is
/// what the target's own room is for.
fn fixed_bounds(case: &Case<'_>, usage: &Usage, today: Bounds) -> Result<Bounds, String> {
    let least = case.settings.group.min_size;
    let need = needed(usage, case.settings.quantile).ok_or("no slot was seen")?;
    let need = need.max(usage.ahead.as_ref().map_or(0, |ahead| ahead.peak));
    let target = case.settings.group.target_cpu_ratio;
    let load = f64::from(need) * target / f64::from(today.desired.max(1));
    let tight = load > 1.0 - case.settings.headroom_ratio;
    let need = if tight { need } else { need.min(today.desired) };
    let desired = need.max(least).max(step_floor(today.desired)).max(1);
    // The floor keeps its distance to the capacity.
    let share = f64::from(today.min) / f64::from(today.desired.max(1));
    let min = whole(share * f64::from(desired)).max(least).min(desired);
    let min = if desired < today.desired { min.min(today.min.max(least)) } else { min };
    Ok(Bounds { min, max: today.max.max(desired), desired })
}

/// Bounds of a group that something else scales: a floor for quiet hours, and a ceiling that does not hold it back.
fn scaled_bounds(case: &Case<'_>, usage: &Usage, today: Bounds) -> Result<Bounds, String> {
    let least = case.settings.group.min_size;
    let needs: Vec<(i64, f64)> =
        usage.slots.iter().map(|slot| (slot.time_s, slot.needed)).collect();
    let mut hours: Vec<f32> = hourly_highest(&needs).iter().map(|need| *need as f32).collect();
    let quiet = quantile(&mut hours, FLOOR_QUANTILE).map(whole).ok_or("no hour was seen")?;
    let (quietest, peak) = usage.ahead.as_ref().map_or((0, 0), |one| (one.quietest, one.peak));
    let floor = quiet.max(quietest).max(least).max(step_floor(today.min));
    let held_back =
        |slot: &&Slot| slot.served >= f64::from(today.max) && slot.needed > f64::from(today.max);
    let held = usage.slots.iter().filter(held_back).count() as f64;
    let max = if held >= HELD_BACK_RATIO * usage.slots.len() as f64 && held > 0.0 {
        let need = needed(usage, case.settings.quantile).unwrap_or(today.max);
        need.max(peak).clamp(today.max.saturating_add(1), today.max.saturating_mul(2).max(1))
    } else if peak > today.max {
        peak.min(today.max.saturating_mul(2).max(1))
    } else {
        today.max
    };
    Ok(Bounds { min: floor.min(today.min), max: max.max(today.desired), ..today })
}

/// Members in service on average under the bounds, over the slots that were seen.
///
/// A scaled group keeps what its scaler chose, except where a bound held it: at the old floor it goes down to the need or
/// the new floor, at the old ceiling up to the need or the new one.
fn mean_members(usage: &Usage, bounds: Bounds, scaled: bool) -> f64 {
    if !scaled {
        return f64::from(bounds.desired);
    }
    let floor = usage.slots.iter().map(|slot| slot.served).fold(f64::INFINITY, f64::min);
    let ceiling = usage.slots.iter().map(|slot| slot.served).fold(0.0, f64::max);
    let (min, max) = (f64::from(bounds.min), f64::from(bounds.max));
    let served = |slot: &Slot| {
        let need = slot.needed.ceil();
        if slot.served <= floor && min < floor {
            need.clamp(min, floor)
        } else if slot.served >= ceiling && max > ceiling {
            need.clamp(ceiling, max)
        } else {
            slot.served
        }
    };
    let sum: f64 = usage.slots.iter().map(served).sum();
    sum / usage.slots.len() as f64
}

/// The members' price; `None` when they are of several types, or the type has none.
fn costs(case: &Case<'_>, group: &Group, old: f64, new: f64) -> Option<Costs> {
    let (first, others) = group.members.split_first()?;
    let name = &first.instance_type;
    let alike = others.iter().all(|member| member.instance_type == *name);
    let platform = alike.then(|| platform(case, &first.instance_id))?;
    let price = case.catalog.instance_price(name, case.region(), &platform)?;
    let month = price.per_hour.monthly();
    Some(Costs { today: month.scaled(old)?, proposed: month.scaled(new)?, basis: price.basis })
}

/// What `count` members of one type and of another cost a month.
fn costs_of(
    case: &Case<'_>,
    member: &Resource,
    (today, proposed): (&str, &str),
    count: f64,
) -> Option<Costs> {
    let platform = &member.instance()?.platform;
    let price = |name: &str| case.catalog.instance_price(name, case.region(), platform);
    let (today, proposed) = price(today).zip(price(proposed))?;
    Some(Costs {
        today: today.per_hour.monthly().scaled(count)?,
        proposed: proposed.per_hour.monthly().scaled(count)?,
        basis: today.basis.max(proposed.basis),
    })
}

const fn bounds_of(group: &Group) -> Bounds {
    Bounds { min: group.min_size, max: group.max_size, desired: group.desired_capacity }
}

/// The member's platform, Linux where the member was not observed itself.
fn platform(case: &Case<'_>, id: &str) -> String {
    let observed = member(case, id).and_then(Resource::instance);
    observed.map_or_else(|| crate::catalog::LINUX_PLATFORM.to_owned(), |one| one.platform.clone())
}

/// A running member, where it was observed itself.
fn member<'a>(case: &Case<'a>, member: &str) -> Option<&'a Resource> {
    let reference = &case.input.resource.reference;
    let partition = reference.arn.0.split(':').nth(1).unwrap_or("aws");
    let (region, account) = (&reference.region, &reference.account);
    let arn = format!("arn:{partition}:ec2:{region}:{account}:instance/{member}");
    let resource = case.input.inventory.get(&crate::resource::Arn(arn))?;
    let runs = resource.instance().is_some_and(|one| one.state == InstanceState::Running);
    runs.then_some(resource)
}

fn reason_fits(case: &Case<'_>, group: &Group, usage: &Usage, today: Bounds) -> String {
    let (min, max, desired) = (today.min, today.max, today.desired);
    let fits = format!("its bounds fit: {min} to {max} members with {desired} desired");
    let advice = advice(case, group, usage);
    std::iter::once(fits).chain(advice).collect::<Vec<_>>().join("; ")
}

/// What would save more, but is not carried out.
fn advice(case: &Case<'_>, group: &Group, usage: &Usage) -> Vec<String> {
    let scaled = scaled_by_others(case.input.resource, group);
    let least = case.settings.group.min_size;
    let daily = usage.ahead.as_ref().filter(|ahead| ahead.daily && !scaled);
    let by_hour = daily.and_then(|ahead| ahead.by_hour(&usage.slots));
    let schedule = by_hour.and_then(|by_hour| schedule(&by_hour, least)).map(|one| {
        format!(
            "{} members from {:02}:00 to {:02}:00 UTC and {} otherwise carried every hour of the look-back and carry \
             what is forecast, with {:.0} % fewer member-hours than {} all day: a scaling policy would let a schedule do so",
            one.quiet,
            one.from_h,
            one.until_h,
            one.busy,
            one.saved_ratio * 100.0,
            one.busy
        )
    });
    schedule.into_iter().collect()
}

fn reason(case: &Case<'_>, today: Bounds, bounds: Bounds, scaled: bool) -> String {
    let target = case.settings.group.target_cpu_ratio * 100.0;
    if bounds.max > today.max && scaled {
        return format!(
            "the load needs more than max {} at {target:.0} % CPU, or is forecast to: {} lets it scale",
            today.max, bounds.max
        );
    }
    if scaled {
        return format!(
            "in quiet hours the load needs fewer than min {} at {target:.0} % CPU: {} lets it scale in",
            today.min, bounds.min
        );
    }
    format!(
        "at {target:.0} % CPU the load needs {} members, {} are desired",
        bounds.desired, today.desired
    )
}

fn finding(
    case: &Case<'_>,
    usage: &Usage,
    (today, bounds): (Bounds, Bounds),
    scaled: bool,
) -> Finding {
    let (old, new) = if scaled && bounds.max == today.max {
        (today.min, bounds.min)
    } else if scaled {
        (today.max, bounds.max)
    } else {
        (today.desired, bounds.desired)
    };
    let ratio = |old: u32, new: u32| f64::from(new) / f64::from(old.max(1));
    let floor = ratio(today.min, bounds.min);
    let falls = ratio(old, new).min(if bounds.min < today.min { floor } else { f64::INFINITY });
    let peak = usage.slots.iter().map(|slot| slot.needed).fold(0.0, f64::max);
    let ceiling = f64::from(if scaled { bounds.max } else { bounds.desired });
    let replayed = [ReplayDimension {
        name: "instances",
        step_s: usage.step_s,
        demand: usage.slots.iter().map(|slot| (slot.time_s, slot.needed)).collect(),
        capacity: ceiling,
    }];
    let mut decisive = vec![CPU];
    decisive.extend(usage.counted.then_some(IN_SERVICE));
    Finding {
        decisive,
        dimensions: vec![Dimension {
            name: "instances".to_owned(),
            unit: "members".to_owned(),
            demand: peak,
            capacity_today: f64::from(if scaled { today.max } else { today.desired }),
            capacity_proposed: ceiling,
        }],
        risk: risk_of(&replayed),
        replay: case.replay(&replayed),
        capacity_ratio: falls,
        lowers_performance: bounds.desired < today.desired || bounds.min < today.min,
        unseen: if usage.counted { Vec::new() } else { vec!["instances".to_owned()] },
        notes: (!usage.counted)
            .then(|| {
                "the group publishes no metrics of its own: its size is taken as constant"
                    .to_owned()
            })
            .into_iter()
            .collect(),
        ..Finding::default()
    }
}
