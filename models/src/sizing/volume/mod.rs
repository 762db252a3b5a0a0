//! Volumes: the type and the performance that was used, at the size that is there.
//!
//! Size never changes: EBS cannot shrink, and growing is not a matter of cost. gp2 is never chosen, because gp3 with the
//! performance that a gp2 volume's size gives for free costs less, but for sizes from 171 to 250 GiB at full throughput,
//! where gp2 is cheaper by less than a tenth; nor is io1, which io2 equals in price and exceeds in everything else. Not
//! here: snapshots, and whether a modification is allowed today (`trimtab-policies`).

mod credit;
mod performance;

use jiff::Timestamp;

use super::case::{CHANGE_MIN, Case, Costs, Finding, Proposal, STEP_MIN, StatedRisk, risk_of};
use crate::{
    catalog::{GP3_IOPS_INCLUDED, GP3_MIBPS_INCLUDED},
    demand::{highest, rates, total},
    metric::{Measure, Metric, Statistic},
    money::Usd,
    outlook::Outlook,
    recommendation::{Action, Dimension, Recommendation, Replay},
    replay::ReplayDimension,
    resource::{Arn, InstanceState, Resource, Volume},
    series::Series,
    spec::{Gone, Spec, VolumeSpec},
};
use credit::{Credit, replay_credit};
use performance::{
    GP3_IOPS_MAX, GP3_IOPS_PER_GIB, GP3_IOPS_PER_MIBPS, GP3_MIBPS_MAX, IO_IOPS_MIN, Performance,
    keeps_every_limit, performance,
};

/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;

/// How far the rate within a slot may exceed the slot's mean.
///
/// Two for slots of more than a minute: a 5-minute mean at half a limit can be 150 s at the limit. A one-minute mean is
/// near what EBS itself evens out by queueing.
const BURST_FACTOR: f64 = 2.0;
/// The longest slot whose mean is taken as its peak, seconds.
const PLAIN_STEP_S: u32 = 60;

/// Share of today's cost that keeping today's performance may cost more than the trimmed one and be kept: performance
/// that is nearly free is not worth a thought.
const KEEP_COST_MAX: f64 = 0.05;

/// Operations and throughput are rounded up to these, so that a little more use does not make another proposal.
const IOPS_STEP: u32 = 100;
const MIBPS_STEP: u32 = 5;

/// What a volume that is to be deleted may become.
const ATTACHED: &str = "attached";
/// A day, seconds: by each of them it is known whether a volume was attached.
const DAY_STEP_S: u32 = 86_400;

/// What was used of a volume.
struct Usage {
    ops: Series,
    bytes: Series,
    /// How its burst credits fared; `None` for a volume without.
    credit: Option<Credit>,
}

impl Usage {
    /// Slots in which missing burst credits held the volume back.
    fn held_slots(&self) -> usize {
        self.credit.map_or(0, |credit| credit.held_slots)
    }
}

/// Recommends another type, other performance, or a deletion.
///
/// # Errors
/// Why none is recommended.
pub(super) fn tune(case: &Case<'_>, volume: &Volume) -> Result<Recommendation, String> {
    if volume.state == "available" {
        return delete(case, volume);
    }
    if let Some(reason) = reason_left_alone(case, volume) {
        return Err(reason);
    }
    let usage = usage(case, &volume.spec);
    let today = performance(&volume.spec).ok_or_else(|| {
        format!("the {} volume states no operations a second", volume.spec.volume_type)
    })?;
    if usage.is_none() && volume.spec.volume_type != "gp2" {
        return Err("its operations and bytes were not seen for a day".to_owned());
    }
    case.refuse_unseen()?;
    let need = usage.as_ref().map(|usage| need(case, usage, today));
    let options = [gp3(volume, today, need), provisioned(volume, need.unwrap_or(today))];
    let worthy = options.into_iter().flatten().find_map(|(action, desired)| {
        let desired = cheapest_near(case, volume, today, desired);
        let costs = costs(case, &volume.spec, &desired)?;
        let worth = desired != volume.spec && costs.saved_ratio() > CHANGE_MIN;
        worth.then_some((action, desired, costs))
    });
    let Some((action, desired, costs)) = worthy else {
        return Err(reason_fits(case, volume));
    };
    let finding = finding(case, volume, &desired, usage.as_ref(), need);
    let proposal = Proposal {
        action,
        reason: reason(&volume.spec, &desired, usage.is_some()),
        desired: Spec::Volume(desired),
        alternates: Vec::new(),
        costs: Some(costs),
    };
    Ok(case.recommendation(proposal, finding))
}

/// A volume that is attached to nothing.
fn delete(case: &Case<'_>, volume: &Volume) -> Result<Recommendation, String> {
    let since = volume
        .detached_since
        .ok_or("it is attached to nothing, but since when was not observed yet")?;
    let price = case.catalog.volume_price_monthly(case.region(), &volume.spec);
    let costs = price.map(|(today, basis)| Costs { today, proposed: Usd::ZERO, basis });
    let proposal = Proposal {
        action: Action::DeleteUnattachedVolume,
        desired: Spec::Gone { state: Gone::Deleted },
        alternates: Vec::new(),
        reason: format!("nothing has been attached to it since {since}"),
        costs,
    };
    let replay = unattached(case, since);
    let bound = replay.breach_upper_bound;
    let finding = Finding {
        risk: Some(StatedRisk::bound(bound, replay.cycle_h)),
        outlook: Some(Outlook::event(ATTACHED, replay.cycle_h, bound)),
        replay: Some(replay),
        lowers_performance: true,
        notes: vec!["a snapshot is kept, and costs too; a restored volume has a new id".to_owned()],
        ..Finding::default()
    };
    Ok(case.recommendation(proposal, finding))
}

/// The days since the volume was first seen detached, on none of which it was attached: attached, it would need to be there.
///
/// Whole days, each one trial; before the first is over nothing bounds that it is attached.
fn unattached(case: &Case<'_>, since: Timestamp) -> Replay {
    let until_s = case.input.until.as_second();
    let days = (until_s - since.as_second()).max(0) / i64::from(DAY_STEP_S);
    let ends = (1..=days).rev().map(|back| until_s - back * i64::from(DAY_STEP_S));
    let never = ReplayDimension {
        name: ATTACHED,
        step_s: DAY_STEP_S,
        demand: ends.map(|time_s| (time_s, 0.0)).collect(),
        capacity: 0.0,
    };
    case.replay(&[never]).unwrap_or_else(|| Replay::of_nothing(case.cycle_h(), 1.0))
}

fn reason_left_alone(case: &Case<'_>, volume: &Volume) -> Option<String> {
    let kind = volume.spec.volume_type.as_str();
    if volume.state != "in-use" {
        return Some(format!("its state is {}", volume.state));
    }
    if !["gp2", "gp3", "io1", "io2"].contains(&kind) {
        return Some(format!("{kind} has no performance to tune, and its price has no rival"));
    }
    if volume.multi_attach {
        return Some(
            "it is attached to several instances at once, whose sum of use is not seen".to_owned(),
        );
    }
    let attached = volume.attachments.iter().filter_map(|one| instance(case, &one.instance_id));
    let mut states = attached.filter_map(|one| Some((&one.id, one.instance()?.state)));
    states
        .find(|(_, state)| *state != InstanceState::Running)
        .map(|(id, _)| format!("instance {id}, which it is attached to, is not running"))
}

/// An instance of the volume's account and region.
fn instance<'a>(case: &Case<'a>, id: &str) -> Option<&'a Resource> {
    let volume = &case.input.resource.reference.arn.0;
    let (place, _) = volume.rsplit_once(':')?;
    case.input.inventory.get(&Arn(format!("{place}:instance/{id}")))
}

/// What was used; `None` when it was not seen for a day, or nothing but zeros was: absence may look like this.
fn usage(case: &Case<'_>, spec: &VolumeSpec) -> Option<Usage> {
    let both = |metrics: [Metric; 2]| {
        let moves = |metric| case.judged(metric, Statistic::Sum).is_ok();
        // A volume that is only read has writes at zero, which the reads vouch for.
        let total = total(case.seen(), &metrics)?;
        metrics.into_iter().any(moves).then_some(total)
    };
    let ops = both([Metric::VolumeReadOps, Metric::VolumeWriteOps])?;
    let bytes = both([Metric::VolumeReadBytes, Metric::VolumeWriteBytes])?;
    let credit = replay_credit(spec, &ops);
    Some(Usage { ops, bytes, credit })
}

/// The used peaks with room: as if each slot's peak were [`BURST_FACTOR`] times its mean, though no more than
/// the volume can do, and never less than the means themselves with room.
///
/// A volume whose burst credits ran out shows what they allowed, not what was wanted: then all that it can do is needed.
fn need(case: &Case<'_>, usage: &Usage, today: Performance) -> Performance {
    let room = 1.0 - case.settings.io_headroom_ratio;
    let need = |series: &Series, unit: f64, today: u32, step: u32| {
        let factor = if series.step_s > PLAIN_STEP_S { BURST_FACTOR } else { 1.0 };
        let mean = highest(series).unwrap_or(0.0) / f64::from(series.step_s) / unit;
        let need = (mean * factor / room).min(f64::from(today)).max(mean / room);
        round_up(need, step)
    };
    let seen = Performance {
        iops: need(&usage.ops, 1.0, today.iops, IOPS_STEP),
        mibps: need(&usage.bytes, MIB, today.mibps, MIBPS_STEP),
    };
    if usage.held_slots() == 0 {
        return seen;
    }
    Performance { iops: seen.iops.max(today.iops), mibps: seen.mibps.max(today.mibps) }
}

/// The next multiple of `step`; saturates.
fn round_up(value: f64, step: u32) -> u32 {
    // A float beyond 32 bits becomes their end.
    (value.ceil() as u32).div_ceil(step).saturating_mul(step)
}

/// The least that one decision leaves of a figure.
fn step_floor(today: u32) -> u32 {
    (f64::from(today) * STEP_MIN).ceil() as u32
}

/// The volume as gp3 with what is needed, or with all that it has where use was not seen; `None` where gp3 cannot.
fn gp3(
    volume: &Volume,
    today: Performance,
    need: Option<Performance>,
) -> Option<(Action, VolumeSpec)> {
    let need = need.unwrap_or(today);
    let mibps = need.mibps.max(step_floor(today.mibps)).max(GP3_MIBPS_INCLUDED);
    let iops = need.iops.max(step_floor(today.iops)).max(GP3_IOPS_INCLUDED);
    let iops = iops.max(mibps.saturating_mul(GP3_IOPS_PER_MIBPS));
    let spec = &volume.spec;
    let most = spec.size_gib.saturating_mul(GP3_IOPS_PER_GIB).max(GP3_IOPS_INCLUDED);
    let possible = iops <= GP3_IOPS_MAX.min(most) && mibps <= GP3_MIBPS_MAX;
    let same = spec.volume_type == "gp3";
    let action = if same { Action::TuneVolume } else { Action::MigrateVolumeType };
    // Of the same type nothing gets larger here: more is a matter of latency, which is not judged.
    let (iops, mibps) =
        if same { (iops.min(today.iops), mibps.min(today.mibps)) } else { (iops, mibps) };
    possible.then(|| {
        let desired = VolumeSpec {
            volume_type: "gp3".to_owned(),
            size_gib: spec.size_gib,
            iops: Some(iops),
            throughput_mibps: Some(mibps),
        };
        (action, desired)
    })
}

/// An io volume with fewer operations; `None` for other types.
fn provisioned(volume: &Volume, need: Performance) -> Option<(Action, VolumeSpec)> {
    let spec = &volume.spec;
    let today = performance(spec)?;
    let io = matches!(spec.volume_type.as_str(), "io1" | "io2");
    // Throughput comes with operations: 256 KiB each.
    let for_mibps = need.mibps.saturating_mul(GP3_IOPS_PER_MIBPS);
    let iops = need.iops.max(for_mibps).max(step_floor(today.iops)).max(IO_IOPS_MIN);
    io.then(|| {
        (Action::TuneVolume, VolumeSpec { iops: Some(iops.min(today.iops)), ..spec.clone() })
    })
}

/// `desired`, or the same type with today's whole performance where that costs next to nothing more.
fn cheapest_near(
    case: &Case<'_>,
    volume: &Volume,
    today: Performance,
    desired: VolumeSpec,
) -> VolumeSpec {
    if desired.volume_type == volume.spec.volume_type {
        return desired;
    }
    let whole = VolumeSpec {
        iops: desired.iops.map(|iops| iops.max(today.iops)),
        throughput_mibps: desired.throughput_mibps.map(|mibps| mibps.max(today.mibps)),
        ..desired.clone()
    };
    let both = costs(case, &volume.spec, &whole).zip(costs(case, &volume.spec, &desired));
    let near = both.is_some_and(|(whole, trimmed)| {
        whole.saved_ratio() > CHANGE_MIN
            && trimmed.saved_ratio() - whole.saved_ratio() <= KEEP_COST_MAX
    });
    if near { whole } else { desired }
}

fn costs(case: &Case<'_>, today: &VolumeSpec, desired: &VolumeSpec) -> Option<Costs> {
    let price = |spec| case.catalog.volume_price_monthly(case.region(), spec);
    let ((today, basis), (proposed, other)) = price(today).zip(price(desired))?;
    Some(Costs { today, proposed, basis: basis.max(other) })
}

fn reason_fits(case: &Case<'_>, volume: &Volume) -> String {
    let kind = &volume.spec.volume_type;
    if case.catalog.volume_price_monthly(case.region(), &volume.spec).is_none() {
        return format!("{kind} has no price in {}", case.region());
    }
    format!("{kind} with what it provides fits: no other performance costs a tenth less")
}

fn reason(today: &VolumeSpec, desired: &VolumeSpec, seen: bool) -> String {
    let (old, new) = (&today.volume_type, &desired.volume_type);
    let what = match (desired.iops, desired.throughput_mibps) {
        (Some(iops), Some(mibps)) => format!("{iops} operations and {mibps} MiB a second"),
        (Some(iops), None) => format!("{iops} operations a second"),
        (None, _) => "the same".to_owned(),
    };
    let why = if seen { "covers the used peaks with room" } else { "is all that it had" };
    format!("{old} -> {new} with {what} {why}, and costs less")
}

fn finding(
    case: &Case<'_>,
    volume: &Volume,
    desired: &VolumeSpec,
    usage: Option<&Usage>,
    need: Option<Performance>,
) -> Finding {
    let today = performance(&volume.spec);
    let pair = today.zip(performance(desired));
    let ratio = |of: fn(Performance) -> u32| {
        pair.map_or(1.0, |(old, new)| f64::from(of(new)) / f64::from(of(old).max(1)))
    };
    let (iops, mibps) = (ratio(|one| one.iops), ratio(|one| one.mibps));
    let row = |name: &str, unit: &str, of: fn(Performance) -> u32| {
        let (old, new) = pair?;
        Some(Dimension {
            name: name.to_owned(),
            unit: unit.to_owned(),
            demand: f64::from(of(need?)),
            capacity_today: f64::from(of(old)),
            capacity_proposed: f64::from(of(new)),
        })
    };
    let rows = [row("iops", "IOPS", |one| one.iops), row("throughput", "MiB/s", |one| one.mibps)];
    let metrics = [
        Metric::VolumeReadOps,
        Metric::VolumeWriteOps,
        Metric::VolumeReadBytes,
        Metric::VolumeWriteBytes,
    ];
    let measure = |metric| Measure { metric, statistic: Statistic::Sum };
    let kept = keeps_every_limit(&volume.spec, desired);
    let replayed = usage.zip(performance(desired)).map(|(usage, new)| replayed(usage, new));
    // Without use there is nothing to compare; where every limit is kept, nothing that today's volume carries can breach.
    let unseen = kept.then(|| Replay::of_nothing(case.cycle_h(), 0.0));
    Finding {
        decisive: usage.map_or_else(Vec::new, |_| metrics.map(measure).to_vec()),
        dimensions: rows.into_iter().flatten().collect(),
        // What keeps every limit carries whatever today's volume carries.
        risk: if kept {
            Some(StatedRisk::modelled(0.0))
        } else {
            replayed.as_ref().and_then(|of| risk_of(of))
        },
        replay: replayed.as_ref().and_then(|of| case.replay(of)).or(unseen),
        capacity_ratio: iops.min(mibps),
        lowers_performance: iops < 1.0 || mibps < 1.0,
        keeps_every_limit: kept,
        unseen: usage
            .map_or_else(|| vec!["iops".to_owned(), "throughput".to_owned()], |_| Vec::new()),
        notes: notes(case, &volume.spec, desired, usage),
        ..Finding::default()
    }
}

/// The means of the slots against the proposed performance.
fn replayed(usage: &Usage, new: Performance) -> [ReplayDimension; 2] {
    let one = |name, series: &Series, unit: f64, capacity: u32| ReplayDimension {
        name,
        step_s: series.step_s,
        demand: rates(series).map(|(time_s, rate)| (time_s, rate / unit)).collect(),
        capacity: f64::from(capacity),
    };
    [one("iops", &usage.ops, 1.0, new.iops), one("throughput", &usage.bytes, MIB, new.mibps)]
}

fn notes(
    case: &Case<'_>,
    today: &VolumeSpec,
    desired: &VolumeSpec,
    usage: Option<&Usage>,
) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(usage) = usage {
        let room = case.settings.io_headroom_ratio * 100.0;
        let step_s = usage.ops.step_s;
        if step_s > PLAIN_STEP_S {
            notes.push(format!(
                "means over {step_s} s hide bursts: peaks are taken {BURST_FACTOR} times as high, with {room:.0} % room"
            ));
        }
        if usage.held_slots() > 0 {
            notes.push(format!(
                "its burst credits ran out and held it back in {} slots of {step_s} s; {} has no credits to run out of",
                usage.held_slots(),
                desired.volume_type
            ));
        }
    } else {
        notes.push(
            "use was not seen, and need not be: no operations, throughput, durability or latency is given up, and the \
             volume's bursts count as if they lasted for ever"
                .to_owned(),
        );
    }
    if today.volume_type == "io2" && desired.volume_type != "io2" {
        notes.push("durability falls from 99.999 % to 99.8-99.9 % a year".to_owned());
    }
    if today.volume_type.starts_with("io") && desired.volume_type == "gp3" {
        notes.push("latency rises from under a millisecond to a few".to_owned());
    }
    notes
}
