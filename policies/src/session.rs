//! The rights of one change: the session that its writes are made with may do its steps and their undo, and no more.
//!
//! Not here: taking the session (`trimtab`), and what the role itself may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    change::Change,
    iam::domain,
    steps::{Step, StepKind},
};

/// What is left of a session at least when a call is made with it, seconds: one attempt of a call takes 30.
const OUTLIVES_MIN_S: u32 = 120;

/// The condition key that names the tags of a request.
const TAG_KEYS: &str = "aws:TagKeys";
/// The condition key that says whether a grant is made for an AWS service.
const GRANT_FOR_AWS: &str = "kms:GrantIsForAWSResource";
/// The two tags of a mark.
const MARK_KEYS: &str = "trimtab:change,trimtab:was";

/// Something that a session may do: all these actions on all these resources, while the conditions hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Right {
    /// IAM actions, such as `ec2:StopInstances`.
    pub actions: Vec<String>,
    /// ARNs, with `*` where AWS gives the id only afterwards.
    pub resources: Vec<String>,
    /// Condition keys with the value that each must have; the keys of tags are listed with commas.
    pub conditions: BTreeMap<String, String>,
}

/// The session of one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The change's id: CloudTrail then tells which change a call belongs to.
    pub name: String,
    /// What it may do.
    pub rights: Vec<Right>,
    /// How much longer it must last when the call is made, seconds.
    pub outlives_s: u32,
    /// Whether it takes back a change that had been applied: it then is another session than that of the way there.
    #[serde(default)]
    pub is_later_undo: bool,
}

impl Session {
    /// The session for the call of the step named `step`. Before a call that stops a machine it must outlast the time
    /// budgets of that step and of those after it up to the start, so that it cannot end while the machine is off.
    #[must_use]
    pub fn of(change: &Change, step: &str) -> Self {
        let steps = change.direction();
        let from = steps.iter().position(|progress| progress.step.name == step);
        // The removal of the mark comes after every step.
        let rest = &steps[from.unwrap_or(steps.len())..];
        let disruptive = rest.first().is_some_and(|progress| takes_service_away(&progress.step));
        let start = rest.iter().position(|progress| progress.step.kind.as_start().is_some());
        let off = &rest[..start.map_or(1, |start| start + 1).min(rest.len())];
        let budgets = off.iter().map(|progress| progress.step.budget_s);
        let outlives_s = if disruptive { budgets.sum() } else { 0 };
        Self {
            name: change.id.clone(),
            rights: rights(change),
            outlives_s: outlives_s.max(OUTLIVES_MIN_S),
            is_later_undo: change.undo_reason.is_some() && change.applied_at.is_some(),
        }
    }

    /// Whether the call takes the service away, so that a session too short for what follows is none.
    #[must_use]
    pub const fn is_disruptive(&self) -> bool {
        self.outlives_s > OUTLIVES_MIN_S
    }

    /// Whether one that was taken for `other` serves this too: the same rights, on the same way.
    #[must_use]
    pub fn is_served_by(&self, other: &Self) -> bool {
        self.name == other.name
            && self.rights == other.rights
            && self.is_later_undo == other.is_later_undo
    }

    /// The session policy as IAM reads it.
    #[must_use]
    pub fn policy(&self) -> String {
        let statements: Vec<Value> = self.rights.iter().map(statement).collect();
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    }
}

fn statement(right: &Right) -> Value {
    let mut statement =
        json!({ "Effect": "Allow", "Action": right.actions, "Resource": right.resources });
    let mut equal = right.conditions.clone();
    // A key of several values: none but these may be asked for, and not none, which would be every tag.
    let keys = equal.remove(TAG_KEYS);
    let keys = keys.map(|keys| keys.split(',').map(str::to_owned).collect::<Vec<_>>());
    let for_aws = equal.remove(GRANT_FOR_AWS);
    if !equal.is_empty() {
        statement["Condition"] = json!({ "StringEquals": equal });
    }
    if let Some(for_aws) = for_aws {
        statement["Condition"]["Bool"] = json!({ GRANT_FOR_AWS: for_aws });
    }
    if let Some(keys) = keys {
        statement["Condition"]["ForAllValues:StringEquals"] = json!({ TAG_KEYS: keys });
        statement["Condition"]["Null"] = json!({ TAG_KEYS: "false" });
    }
    statement
}

fn takes_service_away(step: &Step) -> bool {
    step.kind.is_stop()
}

/// What the steps of a change and their undo may do, each right once.
fn rights(change: &Change) -> Vec<Right> {
    let place = Place::of(change);
    let steps = change.steps.iter().chain(&change.undo_steps);
    let mut rights: Vec<Right> =
        steps.flat_map(|progress| of_step(&progress.step.kind, &place)).collect();
    rights.sort();
    rights.dedup();
    rights
}

/// Where a change happens, in the words of ARNs.
struct Place<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    arn: &'a str,
    keys: &'a [String],
}

impl<'a> Place<'a> {
    fn of(change: &'a Change) -> Self {
        let resource = &change.recommendation.resource;
        let arn = resource.arn.0.as_str();
        Self {
            partition: arn.split(':').nth(1).unwrap_or("aws"),
            region: &resource.region,
            account: &resource.account,
            arn,
            keys: &change.keys,
        }
    }

    fn ec2(&self, what: &str, id: &str) -> String {
        let Self { partition, region, account, .. } = self;
        // Snapshots belong to no account in their ARN.
        let account = if what == "snapshot" { "" } else { account };
        format!("arn:{partition}:ec2:{region}:{account}:{what}/{id}")
    }

    /// The tags that a call sets on what it makes.
    fn tags_at(&self, what: &str, call: &str) -> Right {
        right(&["ec2:CreateTags"], [self.ec2(what, "*")], &[("ec2:CreateAction", call)])
    }

    /// What EBS does with the customer's keys in the caller's name: `uses` of them, and grants for EC2 alone.
    fn with_keys(&self, uses: &[&str]) -> Vec<Right> {
        if self.keys.is_empty() {
            return Vec::new();
        }
        let via = format!("ec2.{}.{}", self.region, domain(self.partition));
        let keys = || self.keys.iter().cloned();
        let through_ec2 = ("kms:ViaService", via.as_str());
        vec![
            right(&["kms:CreateGrant"], keys(), &[through_ec2, (GRANT_FOR_AWS, "true")]),
            right(uses, keys(), &[through_ec2]),
        ]
    }
}

/// What a start needs of a key beside the grant.
const USES_OF_START: [&str; 1] = ["kms:DescribeKey"];
/// What a volume from an encrypted snapshot needs beside the grant: a data key of its own (Amazon EBS User Guide, "How Amazon
/// EBS encryption works", required permissions).
const USES_OF_RESTORE: [&str; 5] = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];

fn right(
    actions: &[&str],
    resources: impl IntoIterator<Item = String>,
    conditions: &[(&str, &str)],
) -> Right {
    Right {
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        resources: resources.into_iter().collect(),
        conditions: conditions
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

/// What a step and its undo call.
fn of_step(kind: &StepKind, place: &Place<'_>) -> Vec<Right> {
    match kind {
        StepKind::StopInstance { instance_id, .. }
        | StepKind::StartInstance { instance_id, .. } => {
            let power = ["ec2:StartInstances", "ec2:StopInstances"];
            let power = right(&power, [place.ec2("instance", instance_id)], &[]);
            std::iter::once(power).chain(place.with_keys(&USES_OF_START)).collect()
        }
        StepKind::SetInstanceType { instance_id, .. } => {
            let instance = [place.ec2("instance", instance_id)];
            let attribute = [("ec2:Attribute", "InstanceType")];
            vec![right(&["ec2:ModifyInstanceAttribute"], instance, &attribute)]
        }
        StepKind::AwaitStatusChecks { .. } | StepKind::AwaitCanary { .. } => Vec::new(),
        StepKind::ModifyVolume { volume_id, .. } => {
            vec![right(&["ec2:ModifyVolume"], [place.ec2("volume", volume_id)], &[])]
        }
        StepKind::CreateSnapshot { volume_id } => {
            let on = [place.ec2("snapshot", "*"), place.ec2("volume", volume_id)];
            vec![
                right(&["ec2:CreateSnapshot"], on, &[]),
                place.tags_at("snapshot", "CreateSnapshot"),
            ]
        }
        StepKind::DeleteVolume { volume_id } => {
            let delete = right(&["ec2:DeleteVolume"], [place.ec2("volume", volume_id)], &[]);
            std::iter::once(delete).chain(restore(place)).collect()
        }
        StepKind::RestoreVolume { .. } => restore(place),
        StepKind::SetFunctionMemory { .. } => {
            vec![right(&["lambda:UpdateFunctionConfiguration"], [place.arn.to_owned()], &[])]
        }
        StepKind::DeregisterTarget { registration, .. }
        | StepKind::RegisterTarget { registration, .. } => {
            let actions =
                ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"];
            vec![right(&actions, [registration.group_arn.clone()], &[])]
        }
        StepKind::MarkInstance { instance_id, .. }
        | StepKind::UnmarkInstance { instance_id, .. } => {
            let instance = [place.ec2("instance", instance_id)];
            vec![right(&["ec2:CreateTags", "ec2:DeleteTags"], instance, &[(TAG_KEYS, MARK_KEYS)])]
        }
        StepKind::SetGroupBounds { .. } | StepKind::LowerFloor { .. } => {
            vec![right(&["autoscaling:UpdateAutoScalingGroup"], [place.arn.to_owned()], &[])]
        }
        StepKind::PutSchedule { .. } | StepKind::DeleteSchedule { .. } => {
            // The way back also lowers the floor that a schedule has raised.
            let actions =
                ["autoscaling:DeleteScheduledAction", "autoscaling:PutScheduledUpdateGroupAction"];
            vec![
                right(&actions, [place.arn.to_owned()], &[]),
                right(&["autoscaling:UpdateAutoScalingGroup"], [place.arn.to_owned()], &[]),
            ]
        }
        StepKind::CreateTemplateVersion { template_id, .. } => {
            let template = [place.ec2("launch-template", template_id)];
            vec![right(&["ec2:CreateLaunchTemplateVersion"], template, &[])]
        }
        StepKind::RefreshInstances { template_id, .. } => refresh(place, template_id),
        StepKind::PublishVersion { .. } => {
            vec![right(&["lambda:PublishVersion"], [place.arn.to_owned()], &[])]
        }
        // IAM names the function; the alias's own name is allowed beside it, and no other.
        StepKind::ShiftAlias { behind, .. } | StepKind::WithdrawShare { behind, .. } => {
            let alias = format!("{}:{}", place.arn, behind.alias);
            vec![right(&["lambda:UpdateAlias"], [place.arn.to_owned(), alias], &[])]
        }
    }
}

/// A refresh launches from its template in the name of who starts it (Amazon EC2 Auto Scaling User Guide, "Control Amazon
/// EC2 launch template usage"): images, networks and the rest are the template's to name, so that the template is the
/// condition.
fn refresh(place: &Place<'_>, template_id: &str) -> Vec<Right> {
    let actions = ["autoscaling:RollbackInstanceRefresh", "autoscaling:StartInstanceRefresh"];
    let Place { partition, region, account, .. } = place;
    let anything = format!("arn:{partition}:ec2:{region}:*:*/*");
    let roles = format!("arn:{partition}:iam::{account}:role/*");
    let template = place.ec2("launch-template", template_id);
    let ec2 = format!("ec2.{}", domain(partition));
    vec![
        right(&actions, [place.arn.to_owned()], &[]),
        right(&["ec2:RunInstances"], [anything], &[("ec2:LaunchTemplate", &template)]),
        right(&["iam:PassRole"], [roles], &[("iam:PassedToService", &ec2)]),
        place.tags_at("*", "RunInstances"),
    ]
}

fn restore(place: &Place<'_>) -> Vec<Right> {
    let on = [place.ec2("snapshot", "*"), place.ec2("volume", "*")];
    let create = right(&["ec2:CreateVolume"], on, &[]);
    let marked = place.tags_at("volume", "CreateVolume");
    [create, marked].into_iter().chain(place.with_keys(&USES_OF_RESTORE)).collect()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
