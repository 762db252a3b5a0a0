//! What is left of a canary when somebody else moves its alias: the share that this change set is still this change's own.
//!
//! Nothing else of the alias is touched: where it leads is theirs. Not here: how a canary goes back that nobody has
//! interfered with (`undo`).

use super::{Change, Progress, StepState};
use crate::steps::{
    ATTRIBUTE_BUDGET_S, Behind, Seen, Sighting, Stage, Step, StepKind, is_share_left,
};

impl Change {
    /// Whether it only takes its canary's share away any more, because somebody else moved the alias.
    #[must_use]
    pub fn gives_way(&self) -> bool {
        let withdraws = |it: &Progress| matches!(it.step.kind, StepKind::WithdrawShare { .. });
        self.undo_steps.iter().any(withdraws)
    }
}

/// The step that takes the share of this change's canary away, where it is seen to be still what this change has set.
pub(super) fn withdrawal(change: &Change, seen: &Seen) -> Option<Step> {
    let (function_name, behind, percent) = change.steps.iter().find_map(canary)?;
    let new_version = change.created.get("publish")?.clone();
    let Sighting::Present(resource) = &seen.resource else { return None };
    let is_left = is_share_left(resource.function()?, behind, (&new_version, percent));
    // One that is there after this change's own was seen to be gone is somebody else's, whatever it amounts to.
    let all = || change.steps.iter().chain(&change.undo_steps);
    if !is_left || all().any(|it| it.state == StepState::Done && ends_share(&it.step.kind)) {
        return None;
    }
    let (function_name, behind) = (function_name.to_owned(), behind.clone());
    let kind = StepKind::WithdrawShare { function_name, behind, new_version, percent };
    Some(Step {
        name: "withdraw-share".to_owned(),
        kind,
        budget_s: ATTRIBUTE_BUDGET_S,
        undo: "none: the share was this change's own".to_owned(),
    })
}

/// The function, its alias and the share, of a step that was perhaps carried out.
fn canary(progress: &Progress) -> Option<(&str, &Behind, u32)> {
    let StepKind::ShiftAlias { function_name, behind, stage: Stage::Canary { percent }, .. } =
        &progress.step.kind
    else {
        return None;
    };
    (progress.attempts > 0).then_some((function_name, behind, *percent))
}

const fn ends_share(kind: &StepKind) -> bool {
    matches!(
        kind,
        StepKind::WithdrawShare { .. }
            | StepKind::ShiftAlias { stage: Stage::Old | Stage::New, .. }
    )
}
