//! Whether the apply role may do every step of a change and its undo, asked without changing anything.
//!
//! Not here: grants on encryption keys, which no dry run tells.

use trimtab_models::spec::VolumeSpec;
use trimtab_policies::facts::Permission;
use trimtab_policies::mark::Mark;
use trimtab_policies::operations::{Failure, FailureKind, Operation, Receipt};
use trimtab_policies::steps::{Step, StepKind};

use super::{Clients, error, identity, volumes, writes};

/// The mark that dry runs carry; it is never written anywhere.
pub(super) const DRY_MARK: &str = "dry-run";

/// What a permission is asked for.
#[derive(Debug, Clone, PartialEq)]
enum Question {
    /// A call of EC2's, which has dry runs.
    Ec2(Operation),
    /// A restored volume, asked for before there is a snapshot.
    RestoredVolume { zone: String, spec: VolumeSpec },
    /// A call of a service without dry runs: all that can be asked is whether the role can be taken.
    Role { operation: &'static str },
}

/// Asks for each step and its undo; the first refusal is the answer.
///
/// # Errors
/// An answer that is neither a permission nor a refusal.
pub(super) async fn permission(
    reads: &Clients,
    writes: &Clients,
    steps: &[Step],
) -> Result<Permission, Failure> {
    let mut questions: Vec<Question> = Vec::new();
    for step in steps {
        for question in questions_of(reads, &step.kind).await? {
            if !questions.contains(&question) {
                questions.push(question);
            }
        }
    }
    for question in &questions {
        let answer = ask(writes, question).await?;
        if answer != Permission::Allowed {
            return Ok(answer);
        }
    }
    Ok(Permission::Allowed)
}

/// What a step and its undo call.
async fn questions_of(reads: &Clients, step: &StepKind) -> Result<Vec<Question>, Failure> {
    Ok(match step {
        StepKind::StopInstance { instance_id, .. }
        | StepKind::StartInstance { instance_id, .. } => power_questions(instance_id),
        StepKind::SetInstanceType { instance_id, from, ladder } => {
            type_questions(instance_id, ladder.iter().chain(std::iter::once(from)))
        }
        StepKind::AwaitStatusChecks { .. } | StepKind::AwaitCanary { .. } => Vec::new(),
        StepKind::ModifyVolume { volume_id, from, to } => {
            let modify = |spec: &VolumeSpec| Operation::ModifyVolume {
                volume_id: volume_id.clone(),
                spec: spec.clone(),
            };
            [to, from].map(modify).map(Question::Ec2).into()
        }
        StepKind::CreateSnapshot { volume_id } => {
            vec![Question::Ec2(Operation::CreateSnapshot {
                volume_id: volume_id.clone(),
                mark: DRY_MARK.to_owned(),
            })]
        }
        StepKind::DeleteVolume { volume_id } => {
            let delete = Operation::DeleteVolume { volume_id: volume_id.clone() };
            vec![Question::Ec2(delete), restored(reads, volume_id).await?]
        }
        StepKind::RestoreVolume { zone, spec, .. } => {
            vec![Question::RestoredVolume { zone: zone.clone(), spec: spec.clone() }]
        }
        StepKind::SetFunctionMemory { .. } => role("lambda:UpdateFunctionConfiguration"),
        StepKind::PublishVersion { .. } => role("lambda:PublishVersion"),
        StepKind::ShiftAlias { .. } | StepKind::WithdrawShare { .. } => role("lambda:UpdateAlias"),
        StepKind::DeregisterTarget { .. } => role("elasticloadbalancing:DeregisterTargets"),
        StepKind::RegisterTarget { .. } => role("elasticloadbalancing:RegisterTargets"),
        StepKind::MarkInstance { instance_id, was, .. }
        | StepKind::UnmarkInstance { instance_id, was } => mark_questions(instance_id, was),
        StepKind::SetGroupBounds { .. } => role("autoscaling:UpdateAutoScalingGroup"),
        StepKind::CreateTemplateVersion { template_id, source_version, instance_type } => {
            vec![Question::Ec2(Operation::CreateTemplateVersion {
                template_id: template_id.clone(),
                source_version: *source_version,
                instance_type: instance_type.clone(),
                mark: DRY_MARK.to_owned(),
            })]
        }
        StepKind::RefreshInstances { .. } => {
            ["autoscaling:StartInstanceRefresh", "autoscaling:RollbackInstanceRefresh"]
                .map(|operation| Question::Role { operation })
                .into()
        }
        // The undo of a schedule deletes it, and brings the lower bound back.
        StepKind::PutSchedule { .. }
        | StepKind::DeleteSchedule { .. }
        | StepKind::LowerFloor { .. } => [
            "autoscaling:PutScheduledUpdateGroupAction",
            "autoscaling:DeleteScheduledAction",
            "autoscaling:UpdateAutoScalingGroup",
        ]
        .map(|operation| Question::Role { operation })
        .into(),
    })
}

fn role(operation: &'static str) -> Vec<Question> {
    vec![Question::Role { operation }]
}

fn power_questions(instance_id: &str) -> Vec<Question> {
    let instance_id = instance_id.to_owned();
    let stop = Operation::StopInstance { instance_id: instance_id.clone() };
    vec![Question::Ec2(stop), Question::Ec2(Operation::StartInstance { instance_id })]
}

fn type_questions<'a>(instance_id: &str, types: impl Iterator<Item = &'a String>) -> Vec<Question> {
    let set = |instance_type: &String| Operation::SetInstanceType {
        instance_id: instance_id.to_owned(),
        instance_type: instance_type.clone(),
    };
    types.map(set).map(Question::Ec2).collect()
}

/// A mark is set, and removed after the outcome.
fn mark_questions(instance_id: &str, was: &str) -> Vec<Question> {
    let mark =
        Mark { agent_id: DRY_MARK.to_owned(), change_id: DRY_MARK.to_owned(), was: was.to_owned() };
    let resource_id = instance_id.to_owned();
    let tag = Operation::TagResource { resource_id: resource_id.clone(), mark: mark.clone() };
    vec![Question::Ec2(tag), Question::Ec2(Operation::UntagResource { resource_id, mark })]
}

/// The volume that the undo of a deletion would make.
async fn restored(reads: &Clients, volume_id: &str) -> Result<Question, Failure> {
    let volume = volumes::volume(reads, volume_id).await?;
    let spec = volumes::spec(&volume);
    let zone = volume.availability_zone.clone();
    let missing = || error::incomplete("ec2:DescribeVolumes", volume_id, "type, size or zone");
    let (Some(spec), Some(zone)) = (spec, zone) else {
        return Err(missing());
    };
    Ok(Question::RestoredVolume { zone, spec })
}

async fn ask(writes: &Clients, question: &Question) -> Result<Permission, Failure> {
    match question {
        Question::Ec2(operation) => {
            let answer = writes::send(writes, operation, Some(true)).await;
            judged(operation.iam_action(), answer)
        }
        Question::RestoredVolume { zone, spec } => {
            let volume = (None, zone.as_str(), spec, DRY_MARK);
            let answer = writes::create_volume(writes, volume, Some(true)).await;
            judged("ec2:CreateVolume", answer)
        }
        Question::Role { operation } => match identity::caller(writes).await {
            Ok(_) => Ok(Permission::Allowed),
            Err(failure) => refused(operation, failure),
        },
    }
}

/// A dry run always ends in an error; its code is the answer.
pub(super) fn judged(
    operation: &str,
    answer: Result<Receipt, Failure>,
) -> Result<Permission, Failure> {
    match answer {
        Ok(_) => {
            let message = "the endpoint ignored DryRun and made the call".to_owned();
            Err(error::new(FailureKind::Uncertain, operation, DRY_MARK, message))
        }
        Err(failure) if failure.message.starts_with("DryRunOperation") => Ok(Permission::Allowed),
        Err(failure) => refused(operation, failure),
    }
}

fn refused(operation: &str, failure: Failure) -> Result<Permission, Failure> {
    if failure.kind != FailureKind::Denied {
        return Err(failure);
    }
    Ok(Permission::Denied { operation: operation.to_owned(), message: failure.message })
}
