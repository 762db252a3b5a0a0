//! The steps back: what was done or attempted, in reverse, each by its inverse.
//!
//! Not here: when an undo begins (`next`, or a person).

use trimtab_models::spec::Spec;

use super::{Change, Progress, State, StepState};
use crate::steps::{
    ATTRIBUTE_BUDGET_S, Behind, POWER_BUDGET_S, STATUS_BUDGET_S, Stage, Step, StepKind,
    VOLUME_EXISTENCE_BUDGET_S, deregister_step, mark_step, register_step,
};

/// Why a person cannot undo the change now.
#[must_use]
pub fn reason_not_undoable(change: &Change) -> Option<String> {
    match change.state {
        State::Watching | State::Kept | State::Inconclusive => {
            let nothing = || format!("change `{}` has nothing that could be taken back", change.id);
            let is_empty = undo_steps(change).is_empty();
            reason_no_way_back(change).or_else(|| is_empty.then(nothing))
        }
        // A refresh and a canary run for hours, and can be taken back at any time.
        State::Executing if is_rolling_out(change) => None,
        State::Queued | State::Executing => Some(format!(
            "change `{}` is still being carried out: wait until it is watched, then undo it",
            change.id
        )),
        State::Undoing | State::Undone => {
            Some(format!("change `{}` is already being undone, or undone", change.id))
        }
        State::Conflicted | State::Stuck => Some(format!(
            "change `{}` ended as `{}`: look at the resource and set it right by hand, because it is not as this change left it",
            change.id, change.state
        )),
    }
}

fn is_rolling_out(change: &Change) -> bool {
    change.undo_reason.is_none()
        && change.current().is_some_and(|progress| {
            let kind = &progress.step.kind;
            kind.as_canary().is_some() || progress.attempts > 0 && kind.as_refresh().is_some()
        })
}

/// The inverse of everything that was done or attempted so far; empty when nothing was.
///
/// A published version of a function, like one of a launch template, is kept: nobody uses it, and it costs nothing.
#[must_use]
pub fn undo_steps(change: &Change) -> Vec<Step> {
    // A new rung resets the step that sets the type, but what the rungs before it wrote is still there.
    let has_set_type = |p: &Progress| change.rung > 0 && p.step.kind.as_set_type().is_some();
    let is_touched =
        |p: &&Progress| p.attempts > 0 || p.state == StepState::Done || has_set_type(p);
    let touched: Vec<&Progress> = change.steps.iter().filter(is_touched).collect();
    let mut back: Vec<Step> =
        touched.iter().rev().filter_map(|progress| inverse(change, progress)).collect();
    // A canary and the shift after it are taken back by the same step.
    back.dedup_by(|step, before| step.name == before.name);
    if let Some(mark) = mark_again(&touched, &back) {
        back.insert(0, mark);
    }
    let started = back.iter().find_map(|step| step.kind.as_start());
    if let Some(instance_id) = started.map(|(instance_id, _)| instance_id.to_owned()) {
        // Only a machine that is well is put back behind its load balancers.
        let after = back.iter().position(|step| step.kind.as_start().is_some());
        back.insert(
            after.map_or(0, |index| index + 1),
            Step {
                name: "status-checks".to_owned(),
                kind: StepKind::AwaitStatusChecks { instance_id },
                budget_s: STATUS_BUDGET_S,
                undo: "nothing: it only waits".to_owned(),
            },
        );
    }
    back.extend(lowered_floor(&touched));
    back
}

/// The mark once more, where the way back stops the machine: it was removed with the outcome, if there was one.
fn mark_again(touched: &[&Progress], back: &[Step]) -> Option<Step> {
    let stop = back.iter().find(|step| step.kind.is_stop())?;
    let StepKind::StopInstance { instance_id, instance_type } = &stop.kind else {
        return None;
    };
    let was = touched.iter().find_map(|progress| progress.step.kind.as_mark())?;
    Some(mark_step(instance_id, instance_type, was))
}

/// Why the steps back do not bring everything back: something was done that has no step back.
pub(super) fn reason_no_way_back(change: &Change) -> Option<String> {
    let is_touched = |it: &&Progress| it.attempts > 0 || it.state == StepState::Done;
    let leaves_nothing = |kind: &StepKind| match kind {
        StepKind::MarkInstance { .. }
        | StepKind::UnmarkInstance { .. }
        | StepKind::AwaitStatusChecks { .. }
        | StepKind::CreateSnapshot { .. }
        | StepKind::CreateTemplateVersion { .. }
        | StepKind::PublishVersion { .. }
        | StepKind::AwaitCanary { .. } => true,
        StepKind::StopInstance { .. }
        | StepKind::SetInstanceType { .. }
        | StepKind::StartInstance { .. }
        | StepKind::ModifyVolume { .. }
        | StepKind::DeleteVolume { .. }
        | StepKind::RestoreVolume { .. }
        | StepKind::SetFunctionMemory { .. }
        | StepKind::SetGroupBounds { .. }
        | StepKind::PutSchedule { .. }
        | StepKind::DeleteSchedule { .. }
        | StepKind::LowerFloor { .. }
        | StepKind::RefreshInstances { .. }
        | StepKind::ShiftAlias { .. }
        | StepKind::WithdrawShare { .. }
        | StepKind::DeregisterTarget { .. }
        | StepKind::RegisterTarget { .. } => false,
    };
    let in_plan = |step: Step| {
        let planned = change.undo_steps.is_empty()
            || change.undo_steps.iter().any(|it| it.step.name == step.name);
        planned.then_some(step)
    };
    let lost = change.steps.iter().filter(is_touched).find(|progress| {
        !leaves_nothing(&progress.step.kind)
            && inverse(change, progress).and_then(in_plan).is_none()
    })?;
    Some(format!("nothing takes `{}` back: look at the resource", lost.step.name))
}

/// The last step back from a schedule: what it raised stays raised when it is deleted.
fn lowered_floor(touched: &[&Progress]) -> Option<Step> {
    let puts = touched.iter().filter_map(|progress| progress.step.kind.as_put_schedule());
    let (group_name, own_min) = puts.clone().map(|(name, own_min, _)| (name, own_min)).next()?;
    let raised: Vec<u32> =
        puts.map(|(.., floor)| floor).filter(|floor| *floor != own_min).collect();
    let kind = StepKind::LowerFloor { group_name: group_name.to_owned(), own_min, raised };
    Some(back("lower-floor", kind, ATTRIBUTE_BUDGET_S))
}

/// The types on which an undo may start the machine, once one was perhaps set: the old one, then those of the ladder that
/// were tried, newest first. The machine may have any of them now.
fn ladder_back(change: &Change) -> Option<Vec<String>> {
    let set_type =
        change.steps.iter().find(|progress| progress.step.kind.as_set_type().is_some())?;
    let (old, ladder) = set_type.step.kind.as_set_type()?;
    let is_tried = change.rung > 0 || set_type.attempts > 0 || set_type.state == StepState::Done;
    let tried = ladder.iter().take(change.rung + 1).rev().filter(|tried| *tried != old).cloned();
    is_tried.then(|| std::iter::once(old.to_owned()).chain(tried).collect())
}

fn inverse(change: &Change, progress: &Progress) -> Option<Step> {
    let budget_s = progress.step.budget_s;
    let (name, kind, budget_s) = match progress.step.kind.clone() {
        StepKind::StopInstance { instance_id, instance_type } => {
            let ladder = ladder_back(change).unwrap_or_else(|| vec![instance_type]);
            ("start", StepKind::StartInstance { instance_id, ladder }, POWER_BUDGET_S)
        }
        StepKind::SetInstanceType { instance_id, .. } => {
            let ladder = ladder_back(change)?;
            let from = ladder.get(1)?.clone();
            let kind = StepKind::SetInstanceType { instance_id, from, ladder };
            ("set-type", kind, budget_s)
        }
        StepKind::StartInstance { instance_id, ladder } => {
            let instance_type = ladder.get(change.rung)?.clone();
            ("stop", StepKind::StopInstance { instance_id, instance_type }, POWER_BUDGET_S)
        }
        StepKind::ModifyVolume { volume_id, from, to } => {
            ("modify-volume", StepKind::ModifyVolume { volume_id, from: to, to: from }, budget_s)
        }
        StepKind::DeleteVolume { volume_id } => {
            ("restore-volume", restore(change, volume_id)?, VOLUME_EXISTENCE_BUDGET_S)
        }
        StepKind::SetFunctionMemory { function_name, from_mb, to_mb, .. } => {
            let (from_mb, to_mb) = (to_mb, from_mb);
            let kind = StepKind::SetFunctionMemory { function_name, from_mb, to_mb, behind: None };
            ("set-memory", kind, budget_s)
        }
        StepKind::ShiftAlias { function_name, behind, .. } => {
            ("alias-back", alias_back(change, function_name, behind)?, budget_s)
        }
        StepKind::SetGroupBounds { group_name, from, to } => {
            ("set-bounds", StepKind::SetGroupBounds { group_name, from: to, to: from }, budget_s)
        }
        StepKind::PutSchedule { group_name, scheduled, .. } => {
            let name = format!("delete-{}", scheduled.name);
            let kind = StepKind::DeleteSchedule { group_name, scheduled };
            return Some(back(&name, kind, budget_s));
        }
        StepKind::RefreshInstances { group_name, template_id, from_version, rollout, .. } => {
            let made = change.created.get("create-version")?.parse().ok()?;
            let kind = StepKind::RefreshInstances {
                group_name,
                template_id,
                from_version: made,
                to_version: Some(from_version),
                rollout,
            };
            ("refresh-back", kind, budget_s)
        }
        StepKind::DeregisterTarget { instance_id, registration } => {
            let step = register_step(&instance_id, &progress.step.name, &registration);
            return Some(step);
        }
        StepKind::RegisterTarget { instance_id, registration } => {
            let step = deregister_step(&instance_id, &progress.step.name, &registration);
            return Some(step);
        }
        // The mark is removed after the outcome, whichever way the change has gone.
        StepKind::MarkInstance { .. }
        | StepKind::UnmarkInstance { .. }
        | StepKind::CreateTemplateVersion { .. }
        | StepKind::AwaitStatusChecks { .. }
        | StepKind::CreateSnapshot { .. }
        | StepKind::PublishVersion { .. }
        | StepKind::AwaitCanary { .. }
        | StepKind::WithdrawShare { .. }
        | StepKind::RestoreVolume { .. }
        | StepKind::DeleteSchedule { .. }
        | StepKind::LowerFloor { .. } => return None,
    };
    Some(back(name, kind, budget_s))
}

/// Points the alias at the version from before the change again.
fn alias_back(change: &Change, function_name: String, behind: Behind) -> Option<StepKind> {
    let new_version = Some(change.created.get("publish")?.clone());
    Some(StepKind::ShiftAlias { function_name, behind, new_version, stage: Stage::Old })
}

fn back(name: &str, kind: StepKind, budget_s: u32) -> Step {
    Step { name: name.to_owned(), kind, budget_s, undo: "none: this is the undo".to_owned() }
}

/// Puts back into their groups the targets that the way back has taken out so far.
pub(super) fn put_back(change: &Change) -> Vec<Step> {
    let out = |it: &&Progress| {
        it.attempts > 0 && it.step.kind.as_registration().is_some() && !it.step.kind.is_owed()
    };
    change.undo_steps.iter().filter(out).filter_map(|it| inverse(change, it)).collect()
}

fn restore(change: &Change, volume_id: String) -> Option<StepKind> {
    let Spec::Volume(spec) = &change.recommendation.expected else { return None };
    Some(StepKind::RestoreVolume { volume_id, zone: change.zone.clone()?, spec: spec.clone() })
}
