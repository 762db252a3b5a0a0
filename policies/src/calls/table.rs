//! The rows of the table, reads first, by service.
//!
//! Not here: what the columns mean (`super`).

use trimtab_models::resource::Kind;

use super::{Access, Call, Caller, Limit, Switch, Target};

const ALL: &[Kind] = &Kind::ALL;
const INSTANCES: &[Kind] = &[Kind::Instance];
const EC2: &[Kind] = &[Kind::Instance, Kind::Volume];
const EC2_AND_GROUPS: &[Kind] = &[Kind::Instance, Kind::Group];
const VOLUMES: &[Kind] = &[Kind::Volume];
const FUNCTIONS: &[Kind] = &[Kind::Function];
const GROUPS: &[Kind] = &[Kind::Group];

const fn read(action: &'static str, kinds: &'static [Kind], why: &'static str) -> Call {
    Call {
        action,
        kinds,
        access: Access::Read,
        caller: Caller::Trimtab,
        switch: Switch::Always,
        target: Target::Any,
        limit: Limit::Free,
        why,
        escalation: None,
    }
}

const fn apply(
    action: &'static str,
    kinds: &'static [Kind],
    target: Target,
    why: &'static str,
) -> Call {
    Call { access: Access::Apply, target, ..read(action, kinds, why) }
}

impl Call {
    const fn limited(self, limit: Limit) -> Self {
        Self { limit, ..self }
    }

    const fn only_for(self, switch: Switch) -> Self {
        Self { switch, ..self }
    }

    const fn by_aws(self) -> Self {
        Self { caller: Caller::Aws, ..self }
    }

    const fn escalates(self, escalation: &'static str) -> Self {
        Self { escalation: Some(escalation), ..self }
    }
}

/// Every call, reads first, by service.
pub const TABLE: &[Call] = &[
    read("ec2:DescribeInstances", EC2, "finds instances, their tags, type and state"),
    read("ec2:DescribeInstanceStatus", INSTANCES, "status checks and scheduled events"),
    read("ec2:DescribeInstanceAttribute", INSTANCES, "stop and termination protection")
        .escalates("it also reads user data, where people leave secrets; IAM cannot limit it to the two protections"),
    read("ec2:DescribeInstanceTypes", EC2_AND_GROUPS, "what each type offers"),
    read("ec2:DescribeInstanceTypeOfferings", EC2_AND_GROUPS, "whether a zone has the type"),
    read("servicequotas:GetServiceQuota", INSTANCES, "whether more vCPUs may run"),
    read("ec2:DescribeVolumes", EC2, "finds volumes, their type, size and attachments"),
    read("ec2:DescribeVolumesModifications", VOLUMES, "whether a modification is under way"),
    read("ec2:DescribeSnapshots", VOLUMES, "finds the snapshot that a change took"),
    read("elasticloadbalancing:DescribeTargetGroups", INSTANCES, "which groups send it requests"),
    read("elasticloadbalancing:DescribeTargetHealth", INSTANCES, "whether others can take over"),
    read(
        "elasticloadbalancing:DescribeTargetGroupAttributes",
        INSTANCES,
        "how long a target is drained",
    ),
    read("lambda:ListFunctions", FUNCTIONS, "finds functions and their memory")
        .escalates("it also reads environment variables, where people leave secrets; code is not readable by it"),
    read("lambda:ListTags", FUNCTIONS, "reads their tags"),
    read("lambda:ListAliases", FUNCTIONS, "whether calls go through an alias"),
    read("lambda:ListVersionsByFunction", FUNCTIONS, "which versions an alias may serve"),
    read("lambda:GetFunctionConfiguration", FUNCTIONS, "one function as it is now"),
    read(
        "lambda:ListProvisionedConcurrencyConfigs",
        FUNCTIONS,
        "whether an alias keeps environments warm",
    ),
    read("autoscaling:DescribeAutoScalingGroups", EC2_AND_GROUPS, "finds groups and members"),
    read("autoscaling:DescribePolicies", GROUPS, "whether somebody else scales the group"),
    read("autoscaling:DescribeScheduledActions", GROUPS, "what is scheduled already"),
    read("autoscaling:DescribeScalingActivities", GROUPS, "whether the group is busy"),
    read("ec2:DescribeLaunchTemplateVersions", GROUPS, "what a group launches"),
    read("autoscaling:DescribeInstanceRefreshes", GROUPS, "whether a refresh is under way"),
    read("cloudwatch:GetMetricData", ALL, "the metrics themselves; AWS bills these calls"),
    read("cloudwatch:ListMetrics", INSTANCES, "whether an agent reports memory"),
    read("cloudwatch:DescribeAlarms", ALL, "alarms that stop a change or are disturbed by it"),
    apply(
        "ec2:StopInstances",
        INSTANCES,
        Target::Instance,
        "a type changes only while the machine is off",
    ),
    apply("ec2:StartInstances", INSTANCES, Target::Instance, "starts what was stopped"),
    apply("ec2:ModifyInstanceAttribute", INSTANCES, Target::Instance, "sets the instance type")
        .limited(Limit::InstanceTypeOnly)
        .escalates(
            "without the limit it replaces user data, which runs as root with the machine's role, and security groups",
        ),
    apply(
        "ec2:CreateTags",
        INSTANCES,
        Target::Instance,
        "marks a machine before it is stopped",
    )
    .limited(Limit::MarkOnly)
    .escalates("without the limit it sets tags by which other policies grant"),
    apply("ec2:DeleteTags", INSTANCES, Target::Instance, "removes the mark")
        .limited(Limit::MarkOnly)
        .escalates("without the limit it removes the tag that keeps Trimtab out"),
    apply(
        "elasticloadbalancing:DeregisterTargets",
        INSTANCES,
        Target::TargetGroup,
        "drains a machine before it is stopped",
    ),
    apply(
        "elasticloadbalancing:RegisterTargets",
        INSTANCES,
        Target::TargetGroup,
        "puts it back once it is well",
    )
    .escalates("IAM cannot name the target: it can send a group's requests to another machine of the network"),
    apply(
        "ec2:ModifyVolume",
        VOLUMES,
        Target::Volume,
        "sets type, IOPS and throughput; the size is never sent",
    ),
    apply(
        "ec2:CreateSnapshot",
        VOLUMES,
        Target::NewSnapshot,
        "keeps a volume's data before it is deleted",
    )
    .only_for(Switch::Deletes),
    apply(
        "ec2:DeleteVolume",
        VOLUMES,
        Target::Volume,
        "deletes a volume that nothing has used for long",
    )
    .only_for(Switch::Deletes)
    .escalates("it destroys data; only volumes that nothing is attached to can be deleted"),
    apply("ec2:CreateVolume", VOLUMES, Target::NewVolume, "restores a deleted volume")
        .only_for(Switch::Deletes),
    apply("ec2:CreateTags", VOLUMES, Target::Snapshot, "marks the snapshot as it is taken")
        .limited(Limit::AtCreation("CreateSnapshot"))
        .only_for(Switch::Deletes),
    apply("ec2:CreateTags", VOLUMES, Target::Volume, "marks the volume as it is restored")
        .limited(Limit::AtCreation("CreateVolume"))
        .only_for(Switch::Deletes),
    apply(
        "kms:CreateGrant",
        EC2,
        Target::Key,
        "a machine with volumes under this key starts only with it",
    )
    .limited(Limit::GrantViaEc2)
    .by_aws()
    .escalates("without the limits it hands the key to whoever is named in the grant"),
    apply("kms:DescribeKey", EC2, Target::Key, "whether the key can be used")
        .limited(Limit::ViaEc2)
        .by_aws(),
    restored_with_key("kms:Decrypt"),
    restored_with_key("kms:GenerateDataKeyWithoutPlaintext"),
    restored_with_key("kms:ReEncryptFrom"),
    restored_with_key("kms:ReEncryptTo"),
    apply(
        "lambda:UpdateFunctionConfiguration",
        FUNCTIONS,
        Target::Function,
        "sets the memory; IAM cannot limit it to that",
    )
    .escalates(
        "it can also set layers and environment variables, which run with the function's role; Trimtab sends the \
         memory and nothing else",
    ),
    apply(
        "lambda:PublishVersion",
        FUNCTIONS,
        Target::Function,
        "makes a version of the new memory for callers of an alias",
    ),
    apply(
        "lambda:UpdateAlias",
        FUNCTIONS,
        Target::Function,
        "gives that version a share of the alias's calls, then all; takes it back",
    )
    .escalates("it can point an alias at any version that was ever published, old code included"),
    apply(
        "autoscaling:UpdateAutoScalingGroup",
        GROUPS,
        Target::Group,
        "sets the bounds; IAM cannot limit it to those",
    )
    .escalates(
        "it can also change what the group launches, which needs ec2:RunInstances and iam:PassRole beside it",
    ),
    apply(
        "autoscaling:PutScheduledUpdateGroupAction",
        GROUPS,
        Target::Group,
        "schedules a floor",
    ),
    apply("autoscaling:DeleteScheduledAction", GROUPS, Target::Group, "takes a schedule back"),
    apply(
        "ec2:CreateLaunchTemplateVersion",
        GROUPS,
        Target::Template,
        "a version with another instance type",
    )
    .only_for(Switch::Refreshes)
    .escalates(
        "a version can hold any image and user data, which a refresh runs with the launch role: switch refreshes on only \
         where you would give Trimtab that role",
    ),
    apply(
        "autoscaling:StartInstanceRefresh",
        GROUPS,
        Target::Group,
        "replaces the members by that version, a canary first",
    )
    .only_for(Switch::Refreshes),
    apply(
        "autoscaling:RollbackInstanceRefresh",
        GROUPS,
        Target::Group,
        "takes a refresh back while it runs",
    )
    .only_for(Switch::Refreshes),
    apply(
        "ec2:RunInstances",
        GROUPS,
        Target::Any,
        "a refresh launches from the template, and from nothing else",
    )
    .limited(Limit::FromTemplate)
    .only_for(Switch::Refreshes)
    .by_aws()
    .escalates("it starts machines that cost money, with the roles that may be passed"),
    apply("ec2:CreateTags", GROUPS, Target::Launched, "the template's own tags, at the launch")
        .limited(Limit::AtCreation("RunInstances"))
        .only_for(Switch::Refreshes)
        .by_aws(),
    apply("iam:PassRole", GROUPS, Target::LaunchRole, "members get these roles")
        .limited(Limit::ToEc2)
        .only_for(Switch::Refreshes)
        .by_aws()
        .escalates("whoever may pass a role has its rights: only the roles that you name can be passed"),
];

const fn restored_with_key(action: &'static str) -> Call {
    let why = "a volume from an encrypted snapshot needs a data key of its own";
    apply(action, VOLUMES, Target::Key, why)
        .limited(Limit::ViaEc2)
        .only_for(Switch::Deletes)
        .by_aws()
}
