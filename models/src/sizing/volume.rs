//! Volumes: the type and the performance that was used, at the size that is there.
//!
//! Size never changes: EBS cannot shrink, and growing is not a matter of cost. Not here: snapshots, and whether a
//! modification is allowed today (`trimtab-policies`).

use super::case::{CHANGE_MIN, Case, Costs, Finding, Proposal, STEP_MIN};
use crate::{
    catalog::{GP3_IOPS_INCLUDED, GP3_MIBPS_INCLUDED},
    demand::{highest, rates, total},
    metric::{Measure, Metric, Statistic},
    money::Usd,
    recommendation::{Action, Dimension, Recommendation, SeasonSeen},
    replay::{ReplayDimension, replay},
    resource::{Arn, InstanceState, Resource, Volume},
    series::Series,
    spec::{Gone, Spec, VolumeSpec},
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

/// Limits of a volume type, from EC2's ModifyVolume reference.
const GP3_IOPS_MAX: u32 = 80_000;
const GP3_MIBPS_MAX: u32 = 2_000;
/// gp3: at most 500 operations a second for each GiB, and 4 for each MiB/s at least.
const GP3_IOPS_PER_GIB: u32 = 500;
const GP3_IOPS_PER_MIBPS: u32 = 4;
/// io1 and io2: the fewest operations a second that can be provisioned.
const IO_IOPS_MIN: u32 = 100;
/// gp2: three operations a second for each GiB, within these bounds; bursts below 1,000 GiB reach 3,000.
const GP2_IOPS_PER_GIB: u32 = 3;
const GP2_IOPS_MIN: u32 = 100;
const GP2_IOPS_MAX: u32 = 16_000;
const GP2_BURST_IOPS: u32 = 3_000;
/// gp2: up to 170 GiB 128 MiB/s, above it 250 (below 334 GiB by bursts).
const GP2_SMALL_GIB: u32 = 170;
const GP2_SMALL_MIBPS: u32 = 128;
const GP2_MIBPS: u32 = 250;

/// Operations a second and MiB/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Performance {
    iops: u32,
    mibps: u32,
}

/// What was used of a volume.
struct Usage {
    ops: Series,
    bytes: Series,
}

/// Recommends another type, other performance, or a deletion.
///
/// # Errors
/// Why none is recommended.
pub(super) fn tune(
    case: &Case<'_>,
    volume: &Volume,
    seasons: &[SeasonSeen],
) -> Result<Recommendation, String> {
    if volume.state == "available" {
        return delete(case, volume, seasons);
    }
    if let Some(reason) = reason_left_alone(case, volume) {
        return Err(reason);
    }
    let usage = usage(case);
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
    Ok(case.recommendation(proposal, finding, seasons))
}

/// A volume that is attached to nothing.
fn delete(
    case: &Case<'_>,
    volume: &Volume,
    seasons: &[SeasonSeen],
) -> Result<Recommendation, String> {
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
    let finding = Finding {
        lowers_performance: true,
        notes: vec!["a snapshot is kept, and costs too; a restored volume has a new id".to_owned()],
        ..Finding::default()
    };
    Ok(case.recommendation(proposal, finding, seasons))
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
fn usage(case: &Case<'_>) -> Option<Usage> {
    let both = |metrics: [Metric; 2]| {
        let moves = |metric| case.judged(metric, Statistic::Sum).is_ok();
        // A volume that is only read has writes at zero, which the reads vouch for.
        let total = total(case.seen(), &metrics)?;
        metrics.into_iter().any(moves).then_some(total)
    };
    Some(Usage {
        ops: both([Metric::VolumeReadOps, Metric::VolumeWriteOps])?,
        bytes: both([Metric::VolumeReadBytes, Metric::VolumeWriteBytes])?,
    })
}

/// What the volume can do today, bursts included; `None` for io types without operations.
fn performance(spec: &VolumeSpec) -> Option<Performance> {
    let size = spec.size_gib;
    match spec.volume_type.as_str() {
        "gp2" => {
            let base = size.saturating_mul(GP2_IOPS_PER_GIB).clamp(GP2_IOPS_MIN, GP2_IOPS_MAX);
            let mibps = if size <= GP2_SMALL_GIB { GP2_SMALL_MIBPS } else { GP2_MIBPS };
            Some(Performance { iops: base.max(GP2_BURST_IOPS), mibps })
        }
        "gp3" => Some(Performance {
            iops: spec.iops.unwrap_or(GP3_IOPS_INCLUDED),
            mibps: spec.throughput_mibps.unwrap_or(GP3_MIBPS_INCLUDED),
        }),
        "io1" => {
            // 256 KiB an operation up to 500 MiB/s, beyond 32,000 operations 16 KiB each up to 1,000.
            let iops = spec.iops?;
            Some(Performance { iops, mibps: (iops / 4).min(500).max((iops / 64).min(1_000)) })
        }
        "io2" => spec.iops.map(|iops| Performance { iops, mibps: (iops / 4).min(4_000) }),
        _ => None,
    }
}

/// The used peaks with room: as if each slot's peak were [`BURST_FACTOR`] times its mean, though no more than
/// the volume can do, and never less than the means themselves with room.
fn need(case: &Case<'_>, usage: &Usage, today: Performance) -> Performance {
    let room = 1.0 - case.settings.io_headroom_ratio;
    let need = |series: &Series, unit: f64, today: u32, step: u32| {
        let factor = if series.step_s > PLAIN_STEP_S { BURST_FACTOR } else { 1.0 };
        let mean = highest(series).unwrap_or(0.0) / f64::from(series.step_s) / unit;
        let need = (mean * factor / room).min(f64::from(today)).max(mean / room);
        round_up(need, step)
    };
    Performance {
        iops: need(&usage.ops, 1.0, today.iops, IOPS_STEP),
        mibps: need(&usage.bytes, MIB, today.mibps, MIBPS_STEP),
    }
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
    Finding {
        decisive: usage.map_or_else(Vec::new, |_| metrics.map(measure).to_vec()),
        dimensions: rows.into_iter().flatten().collect(),
        replay: usage
            .zip(performance(desired))
            .and_then(|(usage, new)| replay(&replayed(usage, new))),
        capacity_ratio: iops.min(mibps),
        lowers_performance: iops < 1.0 || mibps < 1.0,
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
    } else {
        notes.push("use was not seen, so that nothing is given up".to_owned());
    }
    if today.volume_type == "io2" && desired.volume_type != "io2" {
        notes.push("durability falls from 99.999 % to 99.8-99.9 % a year".to_owned());
    }
    if today.volume_type.starts_with("io") && desired.volume_type == "gp3" {
        notes.push("latency rises from under a millisecond to a few".to_owned());
    }
    notes
}
