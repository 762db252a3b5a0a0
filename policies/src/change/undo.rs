//! The steps back: what was done or attempted, in reverse, each by its inverse.
//!
//! Not here: when an undo begins (`next`, or a person).

use trimtab_models::spec::Spec;

use super::{Change, Progress, State, StepState};
use crate::steps::{POWER_BUDGET_S, STATUS_BUDGET_S, Step, StepKind, VOLUME_EXISTENCE_BUDGET_S};

/// Why a person cannot undo the change now.
#[must_use]
pub fn reason_not_undoable(change: &Change) -> Option<String> {
    match change.state {
        State::Watching | State::Kept | State::Inconclusive => undo_steps(change)
            .is_empty()
            .then(|| format!("change `{}` has nothing that could be taken back", change.id)),
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

/// The inverse of everything that was done or attempted so far; empty when nothing was.
#[must_use]
pub fn undo_steps(change: &Change) -> Vec<Step> {
    let touched: Vec<&Progress> =
        change.steps.iter().filter(|p| p.attempts > 0 || p.state == StepState::Done).collect();
    let mut back: Vec<Step> =
        touched.iter().rev().filter_map(|progress| inverse(change, progress)).collect();
    let started = back.iter().find_map(|step| step.kind.as_start());
    if let Some(instance_id) = started.map(|(instance_id, _)| instance_id.to_owned()) {
        back.push(Step {
            name: "status-checks".to_owned(),
            kind: StepKind::AwaitStatusChecks { instance_id },
            budget_s: STATUS_BUDGET_S,
            undo: "nothing: it only waits".to_owned(),
        });
    }
    back
}

/// The type that the ladder has reached, and the type before the change, once a set-type was attempted.
fn types(change: &Change) -> Option<(String, String)> {
    change
        .steps
        .iter()
        .filter(|progress| progress.attempts > 0 || progress.state == StepState::Done)
        .find_map(|progress| progress.step.kind.as_set_type())
        .and_then(|(from, ladder)| Some((ladder.get(change.rung)?.clone(), from.to_owned())))
}

fn inverse(change: &Change, progress: &Progress) -> Option<Step> {
    let budget_s = progress.step.budget_s;
    let (name, kind, budget_s) = match progress.step.kind.clone() {
        StepKind::StopInstance { instance_id, instance_type } => {
            let ladder = match types(change) {
                Some((reached, old)) if reached != old => vec![old, reached],
                Some(_) | None => vec![instance_type],
            };
            ("start", StepKind::StartInstance { instance_id, ladder }, POWER_BUDGET_S)
        }
        StepKind::SetInstanceType { instance_id, .. } => {
            let (reached, old) = types(change).filter(|(reached, old)| reached != old)?;
            let ladder = vec![old, reached.clone()];
            let kind = StepKind::SetInstanceType { instance_id, from: reached, ladder };
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
        StepKind::SetFunctionMemory { function_name, from_mb, to_mb } => {
            let kind =
                StepKind::SetFunctionMemory { function_name, from_mb: to_mb, to_mb: from_mb };
            ("set-memory", kind, budget_s)
        }
        StepKind::SetGroupBounds { group_name, from, to } => {
            ("set-bounds", StepKind::SetGroupBounds { group_name, from: to, to: from }, budget_s)
        }
        StepKind::AwaitStatusChecks { .. }
        | StepKind::CreateSnapshot { .. }
        | StepKind::RestoreVolume { .. } => return None,
    };
    Some(Step { name: name.to_owned(), kind, budget_s, undo: "none: this is the undo".to_owned() })
}

fn restore(change: &Change, volume_id: String) -> Option<StepKind> {
    let Spec::Volume(spec) = &change.recommendation.expected else { return None };
    Some(StepKind::RestoreVolume { volume_id, zone: change.zone.clone()?, spec: spec.clone() })
}
