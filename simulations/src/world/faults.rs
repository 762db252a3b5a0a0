//! What goes wrong: at seeded rates, or on named things.
//!
//! Not here: what an agent should make of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_models::spec::Spec;
use trimtab_policies::{
    operations::{Failure, FailureKind, Operation},
    steps::{Step, StepKind},
};

use super::World;
use crate::noise::unit;

/// Everything that can go wrong. The default is a quiet day.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Share of calls that are throttled.
    pub throttled: f64,
    /// Share of writes that fail with a server error before their effect.
    pub lost_requests: f64,
    /// Share of writes whose answer is lost after their effect.
    pub lost_answers: f64,
    /// Instance types without capacity, until when.
    pub no_capacity: BTreeMap<String, Timestamp>,
    /// Ids of machines that fall back to stopped after `pending`, until when.
    pub falls_back: BTreeMap<String, Timestamp>,
    /// Instance types that no zone has.
    pub not_offered: BTreeSet<String>,
    /// The vCPUs that may run at once in each region and of each quota; `None` for more than enough.
    pub vcpu_limit: Option<u32>,
    /// IAM actions that are denied.
    pub denied: BTreeSet<String>,
    /// Ids of resources whose metrics are absent.
    pub silent: BTreeSet<String>,
    /// Ids of resources whose metrics are all zero.
    pub flat_zero: BTreeSet<String>,
    /// What somebody else does, when.
    pub foreign: Vec<ForeignChange>,
}

/// Somebody else's change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignChange {
    /// When.
    pub at: Timestamp,
    /// The resource's id.
    pub id: String,
    /// What it then is; `None` makes it disappear.
    pub spec: Option<Spec>,
}

impl World {
    /// Refuses a call by the faults in force, before it has any effect.
    pub(crate) fn refuse(&mut self, call: &str, target: &str, write: bool) -> Result<(), Failure> {
        self.calls += 1;
        let fail = |kind, message: &str| {
            Err(Failure {
                kind,
                call: call.to_owned(),
                target: target.to_owned(),
                message: message.to_owned(),
            })
        };
        if self.faults.denied.contains(call) {
            return fail(FailureKind::Denied, "AccessDenied: the role does not allow it");
        }
        let draw = unit(self.stream("faults"), self.calls);
        if draw < self.faults.throttled {
            return fail(FailureKind::Throttled, "RequestLimitExceeded: request limit exceeded");
        }
        if write && draw < self.faults.throttled + self.faults.lost_requests {
            return fail(FailureKind::Uncertain, "InternalError: an internal error has occurred");
        }
        Ok(())
    }

    /// Whether the answer to the write that just took effect is lost.
    pub(crate) fn answer_is_lost(&self) -> bool {
        unit(self.stream("answers"), self.calls) < self.faults.lost_answers
    }

    /// Lets everything happen that somebody else does until `now`.
    pub(crate) fn let_others_act(&mut self, now: Timestamp) {
        let mut due: Vec<_> = self
            .faults
            .foreign
            .iter()
            .enumerate()
            .filter(|(index, change)| change.at <= now && !self.foreign_done.contains(index))
            .map(|(index, change)| (index, change.clone()))
            .collect();
        // In the order of time, whatever the order of the list: what is set at a time drops everything after it.
        due.sort_by_key(|(_, change)| change.at);
        for (index, change) in due {
            self.foreign_done.insert(index);
            if self.force(&change) {
                self.foreign_log.push((change.at, change.id.clone()));
            }
        }
    }

    /// The call that a write is, with its target.
    #[must_use]
    pub fn name(operation: &Operation) -> (&'static str, String) {
        let target = match operation {
            Operation::StopInstance { instance_id }
            | Operation::StartInstance { instance_id }
            | Operation::SetInstanceType { instance_id, .. }
            | Operation::DeregisterTarget { instance_id, .. }
            | Operation::RegisterTarget { instance_id, .. } => instance_id,
            Operation::ModifyVolume { volume_id, .. }
            | Operation::CreateSnapshot { volume_id, .. }
            | Operation::DeleteVolume { volume_id } => volume_id,
            Operation::CreateVolume { snapshot_id, .. } => snapshot_id,
            Operation::SetFunctionMemory { function_name, .. }
            | Operation::PublishVersion { function_name, .. }
            | Operation::SetAlias { function_name, .. }
            | Operation::WithdrawShare { function_name, .. } => function_name,
            Operation::SetGroupBounds { group_name, .. }
            | Operation::PutSchedule { group_name, .. }
            | Operation::DeleteSchedule { group_name, .. }
            | Operation::StartRefresh { group_name, .. }
            | Operation::RollbackRefresh { group_name } => group_name,
            Operation::TagResource { resource_id, .. }
            | Operation::UntagResource { resource_id, .. } => resource_id,
            Operation::CreateTemplateVersion { template_id, .. } => template_id,
        };
        (operation.iam_action(), target.clone())
    }
}

impl World {
    /// Asks for metrics: throttled and denied like every call.
    ///
    /// # Errors
    /// By the faults in force.
    pub fn request_metrics(&mut self, region: &str) -> Result<(), Failure> {
        self.refuse("cloudwatch:GetMetricData", region, false)
    }

    /// The first call of the steps that the role does not allow.
    #[must_use]
    pub fn first_denied(&self, steps: &[Step]) -> Option<String> {
        let calls = steps.iter().filter_map(|step| match &step.kind {
            StepKind::StopInstance { .. } => Some("ec2:StopInstances"),
            StepKind::SetInstanceType { .. } => Some("ec2:ModifyInstanceAttribute"),
            StepKind::StartInstance { .. } => Some("ec2:StartInstances"),
            StepKind::AwaitStatusChecks { .. } | StepKind::AwaitCanary { .. } => None,
            StepKind::PublishVersion { .. } => Some("lambda:PublishVersion"),
            StepKind::ShiftAlias { .. } | StepKind::WithdrawShare { .. } => {
                Some("lambda:UpdateAlias")
            }
            StepKind::ModifyVolume { .. } => Some("ec2:ModifyVolume"),
            StepKind::CreateSnapshot { .. } => Some("ec2:CreateSnapshot"),
            StepKind::DeleteVolume { .. } => Some("ec2:DeleteVolume"),
            StepKind::RestoreVolume { .. } => Some("ec2:CreateVolume"),
            StepKind::SetFunctionMemory { .. } => Some("lambda:UpdateFunctionConfiguration"),
            StepKind::SetGroupBounds { .. } | StepKind::LowerFloor { .. } => {
                Some("autoscaling:UpdateAutoScalingGroup")
            }
            StepKind::PutSchedule { .. } => Some("autoscaling:PutScheduledUpdateGroupAction"),
            StepKind::DeleteSchedule { .. } => Some("autoscaling:DeleteScheduledAction"),
            StepKind::DeregisterTarget { .. } => Some("elasticloadbalancing:DeregisterTargets"),
            StepKind::RegisterTarget { .. } => Some("elasticloadbalancing:RegisterTargets"),
            StepKind::MarkInstance { .. } => Some("ec2:CreateTags"),
            StepKind::UnmarkInstance { .. } => Some("ec2:DeleteTags"),
            StepKind::CreateTemplateVersion { .. } => Some("ec2:CreateLaunchTemplateVersion"),
            StepKind::RefreshInstances { .. } => Some("autoscaling:StartInstanceRefresh"),
        });
        calls.into_iter().find(|call| self.faults.denied.contains(*call)).map(str::to_owned)
    }
}
