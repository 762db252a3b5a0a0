//! The steps of what is done to a function: at once where callers reach `$LATEST`, by a canary where they come through an
//! alias.
//!
//! Not here: whether it may be done (`check`), and how the steps sort what they see (`sight`).

use trimtab_models::{recommendation::Recommendation, resource::Resource, spec::Spec};

use super::{ATTRIBUTE_BUDGET_S, Step, StepKind, step};
use crate::steps::{Bake, Behind, Stage};

/// A version may be `Pending` while Lambda prepares it; the SDKs' own waiter gives up after 5 s x 312.
const PUBLISH_BUDGET_S: u32 = 1_560;
/// The share of calls that the new version gets first: one in ten, so that of a version that kills every run nine callers in
/// ten see nothing, and a function with a hundred calls a day shows ten of them. AWS's own deployment preferences
/// (`Canary10Percent…`, AWS CodeDeploy User Guide) begin with it too.
pub(crate) const CANARY_PERCENT: u32 = 10;
/// How long it gets that share at least: as long as one of those preferences, `Canary10Percent30Minutes`, and time for
/// several points of the alarms, at five minutes each.
const BAKE_S: u32 = 1_800;
/// How many runs of the new version must be seen: a fault in one run of seven shows with 95 % among twenty.
pub(crate) const CANARY_RUNS_MIN: u32 = 20;
/// How long those runs are waited for: a function that a nightly job calls is called twice in it.
pub(crate) const CANARY_BUDGET_S: u32 = 48 * 3600;

pub(super) fn memory(recommendation: &Recommendation, resource: &Resource) -> Vec<Step> {
    let (Spec::Function { memory_mb: from }, Spec::Function { memory_mb: to }) =
        (&recommendation.expected, &recommendation.desired)
    else {
        return Vec::new();
    };
    if from == to {
        return Vec::new();
    }
    let behind = resource.function().and_then(Behind::of);
    let function_name = recommendation.resource_id.clone();
    let kind = StepKind::SetFunctionMemory {
        function_name: function_name.clone(),
        from_mb: *from,
        to_mb: *to,
        behind: behind.clone(),
    };
    let undo = format!("set the memory back to {from} MB");
    let mut steps = vec![step("set-memory", kind, ATTRIBUTE_BUDGET_S, undo)];
    if let Some(behind) = behind {
        steps.extend(rollout(&function_name, &behind, (*from, *to)));
    }
    steps
}

/// Publishes `$LATEST`, gives the new version a share of the calls, watches it, and gives it all of them.
fn rollout(function_name: &str, behind: &Behind, (from_mb, to_mb): (u32, u32)) -> [Step; 4] {
    let (name, behind) = (|| function_name.to_owned(), || behind.clone());
    let shift = |stage| StepKind::ShiftAlias {
        function_name: name(),
        behind: behind(),
        new_version: None,
        stage,
    };
    let publish =
        StepKind::PublishVersion { function_name: name(), memory_mb: to_mb, behind: behind() };
    let bake =
        Bake { bake_s: BAKE_S, runs_min: CANARY_RUNS_MIN, from_mb, to_mb, alarms: Vec::new() };
    let watch = StepKind::AwaitCanary {
        function_name: name(),
        behind: behind(),
        percent: CANARY_PERCENT,
        bake,
    };
    let kept = "nothing: the version that is published is kept, and nobody uses it".to_owned();
    let back = format!("point `{}` back at version {}", behind().alias, behind().version);
    let canary = shift(Stage::Canary { percent: CANARY_PERCENT });
    [
        step("publish", publish, PUBLISH_BUDGET_S, kept),
        step("canary", canary, ATTRIBUTE_BUDGET_S, back.clone()),
        step("bake", watch, CANARY_BUDGET_S, "nothing: it only watches".to_owned()),
        step("shift", shift(Stage::New), ATTRIBUTE_BUDGET_S, back),
    ]
}
