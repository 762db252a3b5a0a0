//! How the steps of a function sort what they see: its memory, its versions, and where its alias leads.
//!
//! What a describe shows may be from before this change's own last write. So what looks as before is waited for until such
//! an answer cannot be that old any more, and only then taken for somebody else's doing. Not here: instances, volumes and
//! groups.

use jiff::{SignedDuration, Timestamp};
use trimtab_models::resource::{Alias, Function, Resource};

use super::{CanarySeen, Reached, Seen, Sight};
use crate::{
    facts::{Alarm, Runs},
    steps::{Bake, Behind, CANARY_PERCENT, LAG, Stage, StepKind},
};

/// Failing runs that are too few to speak against a version: one or two may be anybody's fault.
const FAILED_RUNS_MIN: f64 = 3.0;
/// Share of failing runs that speaks against a version, if it is also twice the old one's.
const FAILED_SHARE_MAX: f64 = 0.05;
/// Fewest runs from which their mean is told: it is known to a tenth, as durations vary about as much as they are long.
const MEAN_RUNS_MIN: f64 = 100.0;
/// How much longer runs may take than the loss of CPU explains.
const SLOWER_MAX: f64 = 1.25;
/// How far a weight may lie from the one that was set, as a ratio: what rounding does to a decimal number.
const WEIGHT_ROUNDING: f64 = 1e-6;

/// Sorts what a step of a function sees.
#[expect(clippy::wildcard_enum_match_arm, reason = "only steps of a function are passed")]
pub(super) fn sort(
    kind: &StepKind,
    resource: &Resource,
    (seen, reached): (&Seen, &Reached),
) -> Sight {
    match kind {
        StepKind::SetFunctionMemory { from_mb, to_mb, behind, .. } => {
            memory(resource, (*from_mb, *to_mb), behind.as_ref())
        }
        StepKind::PublishVersion { memory_mb, behind, .. } => {
            publish(resource, *memory_mb, behind, reached)
        }
        StepKind::ShiftAlias { behind, new_version, stage, .. } => {
            let new_version = new_version.as_deref().or_else(|| seen.made_id());
            shift(resource, behind, new_version, (*stage, reached))
        }
        StepKind::WithdrawShare { behind, new_version, percent, .. } => {
            withdraw(resource, behind, (new_version, *percent), reached)
        }
        StepKind::AwaitCanary { behind, percent, bake: how, .. } => {
            let looked = (seen.canary.as_ref(), reached);
            bake(resource, (behind, seen.made_id()), (*percent, how), looked)
        }
        _ => Sight::Foreign("it is no step of a function".to_owned()),
    }
}

fn with_function(resource: &Resource, sort: impl FnOnce(&Function) -> Sight) -> Sight {
    resource.function().map_or_else(|| Sight::Foreign("it is no function".to_owned()), sort)
}

/// Whether what is seen at `now` may be from before this change's last write.
fn is_late(reached: &Reached, now: Timestamp) -> bool {
    reached.written_at.is_some_and(|at| now.duration_since(at) < LAG)
}

/// What looks as before this change's last write: a late answer for a while, then somebody else's doing.
fn as_before(reached: &Reached, now: Timestamp, foreign: String) -> Sight {
    if is_late(reached, now) { Sight::InProgress } else { Sight::Foreign(foreign) }
}

fn memory(resource: &Resource, (from_mb, to_mb): (u32, u32), behind: Option<&Behind>) -> Sight {
    with_function(resource, |function| {
        let sight = match (function.memory_mb, function.last_update_status.as_str()) {
            (memory, "InProgress") if memory == from_mb || memory == to_mb => Sight::InProgress,
            (memory, "Failed") if memory == to_mb => {
                Sight::Failed("Lambda calls the update failed".to_owned())
            }
            (memory, _) if memory == to_mb => Sight::Done,
            (memory, _) if memory == from_mb => Sight::Ready,
            (memory, _) => {
                Sight::Foreign(format!("its memory is {memory} MB, neither {from_mb} nor {to_mb}"))
            }
        };
        match (&sight, behind) {
            (Sight::Ready | Sight::Done, Some(behind)) => {
                reason_not_publishable(function, behind).map_or(sight, Sight::Foreign)
            }
            _ => sight,
        }
    })
}

/// Why `$LATEST` cannot be published for the callers of the alias: it, or the alias, is not as it was.
fn reason_not_publishable(function: &Function, behind: &Behind) -> Option<String> {
    let stage = match position(function, behind, None) {
        Ok(stage) => stage,
        Err(reason) => return Some(reason),
    };
    if stage != Stage::Old {
        return Some(format!("`{}` does not lead to version {}", behind.alias, behind.version));
    }
    if function.code_sha256.as_deref() != Some(&behind.code_sha256) {
        return Some("somebody changed the code of $LATEST, which nobody published".to_owned());
    }
    let Some(served) = function.served.as_ref() else {
        return Some("what callers of the alias get could not be read".to_owned());
    };
    (!served.differs.is_empty()).then(|| {
        let parts = served.differs.join(", ");
        format!("somebody changed $LATEST ({parts}), which nobody published")
    })
}

fn publish(resource: &Resource, memory_mb: u32, behind: &Behind, reached: &Reached) -> Sight {
    with_function(resource, |function| {
        if let Some(reason) = reason_not_publishable(function, behind) {
            return Sight::Foreign(reason);
        }
        if function.memory_mb != memory_mb {
            let live = function.memory_mb;
            let reason = format!("the memory of $LATEST is {live} MB, not {memory_mb}");
            return as_before(reached, resource.observed_at, reason);
        }
        if function.last_update_status == "InProgress" {
            return Sight::InProgress;
        }
        match behind.published(function, memory_mb).map(|one| one.state.as_str()) {
            None => Sight::Ready,
            Some("Active" | "Inactive") => Sight::Done,
            Some("Failed") => Sight::Failed("Lambda calls the new version failed".to_owned()),
            // `Pending`, or a word that the budget bounds.
            Some(_) => Sight::InProgress,
        }
    })
}

/// How far the alias has come; an error says what somebody else made of it.
fn position(
    function: &Function,
    behind: &Behind,
    new_version: Option<&str>,
) -> Result<Stage, String> {
    let named = function.aliases.iter().find(|alias| alias.name == behind.alias);
    let alias = named.ok_or_else(|| format!("the alias `{}` is gone", behind.alias))?;
    let weight = new_version.and_then(|version| alias.weights.get(version));
    match (weight, alias.weights.len()) {
        (None, 0) if alias.version == behind.version => Ok(Stage::Old),
        (None, 0) if Some(alias.version.as_str()) == new_version => Ok(Stage::New),
        (Some(ratio), 1) if alias.version == behind.version => {
            let percent = (ratio * 100.0).round().clamp(0.0, 100.0);
            let is_whole = (ratio - percent / 100.0).abs() < WEIGHT_ROUNDING;
            let canary = Stage::Canary { percent: percent as u32 };
            is_whole.then_some(canary).ok_or_else(|| elsewhere(alias))
        }
        _ => Err(elsewhere(alias)),
    }
}

/// Whether an alias gives a version exactly the share that this change set, wherever else it leads by now.
pub(crate) fn is_share_left(
    function: &Function,
    behind: &Behind,
    (new_version, percent): (&str, u32),
) -> bool {
    let named = function.aliases.iter().find(|alias| alias.name == behind.alias);
    named.is_some_and(|alias| {
        let ratio = alias.weights.get(new_version);
        let is_ours = |ratio: &f64| (ratio - f64::from(percent) / 100.0).abs() < WEIGHT_ROUNDING;
        // Without a revision, taking it away could not be made conditional on nobody having moved the alias again.
        alias.weights.len() == 1 && ratio.is_some_and(is_ours) && alias.revision_id.is_some()
    })
}

/// Only the share that this change set is taken away; once it is not there any more, nobody is owed anything.
fn withdraw(
    resource: &Resource,
    behind: &Behind,
    (new_version, percent): (&str, u32),
    reached: &Reached,
) -> Sight {
    with_function(resource, |function| {
        if is_share_left(function, behind, (new_version, percent)) {
            return Sight::Ready;
        }
        let alias = function.aliases.iter().find(|alias| alias.name == behind.alias);
        if let Some(alias) = alias.filter(|alias| alias.weights.contains_key(new_version)) {
            return Sight::Foreign(elsewhere(alias));
        }
        // What looks as before the canary may be an answer from before it.
        let is_as_before = position(function, behind, None) == Ok(Stage::Old);
        if is_as_before && is_late(reached, resource.observed_at) {
            return Sight::InProgress;
        }
        Sight::Done
    })
}

/// Where an alias leads that somebody else moved, with every share: one that this change added stays until it is removed.
fn elsewhere(alias: &Alias) -> String {
    let mut text = format!("the alias `{}` leads to version {}", alias.name, alias.version);
    for (version, ratio) in &alias.weights {
        text.push_str(&format!(", and {:.1} % of its calls to {version}", ratio * 100.0));
    }
    text
}

fn shift(
    resource: &Resource,
    behind: &Behind,
    new_version: Option<&str>,
    (stage, reached): (Stage, &Reached),
) -> Sight {
    with_function(resource, |function| {
        let Some(new_version) = new_version else {
            return Sight::Unknown("the new version is not known".to_owned());
        };
        let live = match position(function, behind, Some(new_version)) {
            Ok(live) => live,
            Err(reason) => return Sight::Foreign(reason),
        };
        let now = resource.observed_at;
        let unlike = || format!("somebody moved `{}`: {live:?}", behind.alias);
        match (stage, live) {
            // Back at the old version, unless that is an answer from before the last write, which was not this step's.
            (Stage::Old, Stage::Old) if reached.attempted_at.is_none() && is_late(reached, now) => {
                Sight::InProgress
            }
            (Stage::Old, Stage::Old) => Sight::Done,
            (Stage::Old, Stage::Canary { .. } | Stage::New)
            | (Stage::Canary { .. }, Stage::Old) => Sight::Ready,
            (Stage::Canary { percent }, Stage::Canary { percent: live }) => {
                if percent == live {
                    Sight::Done
                } else {
                    Sight::Foreign(unlike())
                }
            }
            (Stage::New, Stage::New) => Sight::Done,
            (Stage::New, Stage::Canary { percent: CANARY_PERCENT }) => Sight::Ready,
            (Stage::New, Stage::Canary { .. }) => Sight::Foreign(unlike()),
            (Stage::New, Stage::Old) => as_before(reached, now, unlike()),
            (Stage::Canary { .. }, Stage::New) => Sight::Foreign(unlike()),
        }
    })
}

fn bake(
    resource: &Resource,
    (behind, new_version): (&Behind, Option<&str>),
    (percent, bake): (u32, &Bake),
    (seen, reached): (Option<&CanarySeen>, &Reached),
) -> Sight {
    with_function(resource, |function| {
        let Some(new_version) = new_version else {
            return Sight::Unknown("the new version is not known".to_owned());
        };
        let now = resource.observed_at;
        match position(function, behind, Some(new_version)) {
            Ok(Stage::Canary { percent: live }) if live == percent => {}
            Ok(live) => {
                let reason = format!("somebody moved `{}`: {live:?}", behind.alias);
                return as_before(reached, now, reason);
            }
            Err(reason) => return Sight::Foreign(reason),
        }
        let Some(seen) = seen else { return Sight::InProgress };
        if let Some(reason) = reason_against(seen, bake) {
            return Sight::Failed(reason);
        }
        let baked = reached.entered_at.is_some_and(|at| {
            now.duration_since(at) >= SignedDuration::from_secs(i64::from(bake.bake_s))
        });
        // An alarm without data is not known to be quiet.
        let is_quiet = |alarm: &Alarm| alarm.state == "OK";
        let is_seen = seen.alarms.as_ref().is_some_and(|all| all.iter().all(is_quiet))
            && seen.runs.as_ref().is_some_and(|(_, new)| new.runs >= f64::from(bake.runs_min));
        if baked && is_seen { Sight::Done } else { Sight::InProgress }
    })
}

/// What speaks against the new version while it gets its share.
fn reason_against(seen: &CanarySeen, bake: &Bake) -> Option<String> {
    let firing = seen.alarms.iter().flatten().find(|alarm| alarm.state == "ALARM");
    if let Some(alarm) = firing {
        return Some(format!("the alarm `{}` is in ALARM", alarm.name));
    }
    let (old, new) = seen.runs.as_ref()?;
    reason_failing(old, new).or_else(|| reason_slower(old, new, bake))
}

fn reason_failing(old: &Runs, new: &Runs) -> Option<String> {
    let (before, after) = (old.failed_share().unwrap_or(0.0), new.failed_share()?);
    let is_worse = after > FAILED_SHARE_MAX && after > 2.0 * before;
    (new.failed >= FAILED_RUNS_MIN && is_worse).then(|| {
        format!(
            "{:.1} % of the new version's runs fail or are throttled, {:.1} % of the old one's",
            after * 100.0,
            before * 100.0
        )
    })
}

/// Runs that take longer than with less CPU they would, were they nothing but CPU: Lambda gives it in proportion to memory.
fn reason_slower(old: &Runs, new: &Runs, bake: &Bake) -> Option<String> {
    let mean = |runs: &Runs| (runs.runs >= MEAN_RUNS_MIN).then(|| runs.total_ms / runs.runs);
    let (before, after) = (mean(old)?, mean(new)?);
    let explained = (f64::from(bake.from_mb) / f64::from(bake.to_mb.max(1))).max(1.0);
    (before > 0.0 && after > before * explained * SLOWER_MAX)
        .then(|| format!("the new version's runs take {after:.0} ms, {before:.0} ms the old one's"))
}

#[cfg(test)]
mod tests;
