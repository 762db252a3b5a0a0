//! The table of AWS operations: every call that Trimtab may make, for which kinds of resource, and why.
//!
//! Policies are printed from it (`iam`), and the wire tests hold every call that is made to it. Not here: when a call is
//! made, and the operation's own fields (`operations`).

use trimtab_models::resource::Kind;

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// It changes nothing: the read role makes it, in every mode.
    Read,
    /// It changes something: the apply role makes it, in copilot and autopilot only.
    Apply,
}

/// What IAM can limit a call to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The call has no resource in IAM: only `*` (Service Authorization Reference).
    Any,
    /// EC2 instances.
    Instance,
    /// EBS volumes.
    Volume,
    /// EBS snapshots.
    Snapshot,
    /// A snapshot that the call takes, and the volume that it is of.
    NewSnapshot,
    /// A volume that the call makes, and the snapshot that it is made from.
    NewVolume,
    /// Lambda functions.
    Function,
    /// Auto Scaling groups.
    Group,
    /// Launch templates.
    Template,
    /// Target groups of load balancers.
    TargetGroup,
}

/// A condition beside the tags and regions that every statement has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// None.
    Free,
    /// Only the attribute `InstanceType`: never user data, roles or networks.
    InstanceTypeOnly,
    /// Only the two tags of the mark.
    MarkOnly,
    /// Only the tag that is set by the call which makes the resource.
    AtCreation(&'static str),
    /// Only where deletes are switched on.
    Deletes,
    /// Only where refreshes of groups are switched on.
    Refreshes,
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The IAM action, such as `ec2:StopInstances`.
    pub action: &'static str,
    /// The kinds of resource that it serves.
    pub kinds: &'static [Kind],
    /// What it is for.
    pub access: Access,
    /// What IAM can limit it to.
    pub target: Target,
    /// What it is limited by.
    pub limit: Limit,
    /// Why it is needed.
    pub why: &'static str,
}

const ALL: &[Kind] = &Kind::ALL;
const INSTANCES: &[Kind] = &[Kind::Instance];
const EC2: &[Kind] = &[Kind::Instance, Kind::Volume];
const EC2_AND_GROUPS: &[Kind] = &[Kind::Instance, Kind::Group];
const VOLUMES: &[Kind] = &[Kind::Volume];
const FUNCTIONS: &[Kind] = &[Kind::Function];
const GROUPS: &[Kind] = &[Kind::Group];

const fn read(action: &'static str, kinds: &'static [Kind], why: &'static str) -> Call {
    Call { action, kinds, access: Access::Read, target: Target::Any, limit: Limit::Free, why }
}

const fn apply(
    action: &'static str,
    kinds: &'static [Kind],
    (target, limit): (Target, Limit),
    why: &'static str,
) -> Call {
    Call { action, kinds, access: Access::Apply, target, limit, why }
}

/// Every call, reads first, by service.
pub const TABLE: &[Call] = &[
    read("ec2:DescribeInstances", EC2, "finds instances, their tags, type and state"),
    read("ec2:DescribeInstanceStatus", INSTANCES, "status checks and scheduled events"),
    read("ec2:DescribeInstanceAttribute", INSTANCES, "stop and termination protection"),
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
    read("lambda:ListFunctions", FUNCTIONS, "finds functions and their memory"),
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
        (Target::Instance, Limit::Free),
        "a type changes only while the machine is off",
    ),
    apply(
        "ec2:StartInstances",
        INSTANCES,
        (Target::Instance, Limit::Free),
        "starts what was stopped",
    ),
    apply(
        "ec2:ModifyInstanceAttribute",
        INSTANCES,
        (Target::Instance, Limit::InstanceTypeOnly),
        "sets the instance type",
    ),
    apply(
        "ec2:CreateTags",
        INSTANCES,
        (Target::Instance, Limit::MarkOnly),
        "marks a machine before it is stopped",
    ),
    apply("ec2:DeleteTags", INSTANCES, (Target::Instance, Limit::MarkOnly), "removes the mark"),
    apply(
        "elasticloadbalancing:DeregisterTargets",
        INSTANCES,
        (Target::TargetGroup, Limit::Free),
        "drains a machine before it is stopped",
    ),
    apply(
        "elasticloadbalancing:RegisterTargets",
        INSTANCES,
        (Target::TargetGroup, Limit::Free),
        "puts it back once it is well",
    ),
    apply(
        "ec2:ModifyVolume",
        VOLUMES,
        (Target::Volume, Limit::Free),
        "sets type, IOPS and throughput; the size is never sent",
    ),
    apply(
        "ec2:CreateSnapshot",
        VOLUMES,
        (Target::NewSnapshot, Limit::Deletes),
        "keeps a volume's data before it is deleted",
    ),
    apply(
        "ec2:DeleteVolume",
        VOLUMES,
        (Target::Volume, Limit::Deletes),
        "deletes a volume that nothing has used for long",
    ),
    apply(
        "ec2:CreateVolume",
        VOLUMES,
        (Target::NewVolume, Limit::Deletes),
        "restores a deleted volume",
    ),
    apply(
        "lambda:UpdateFunctionConfiguration",
        FUNCTIONS,
        (Target::Function, Limit::Free),
        "sets the memory; IAM cannot limit it to that",
    ),
    apply(
        "lambda:PublishVersion",
        FUNCTIONS,
        (Target::Function, Limit::Free),
        "makes a version of the new memory for callers of an alias",
    ),
    apply(
        "lambda:UpdateAlias",
        FUNCTIONS,
        (Target::Function, Limit::Free),
        "gives that version a share of the alias's calls, then all; takes it back",
    ),
    apply(
        "autoscaling:UpdateAutoScalingGroup",
        GROUPS,
        (Target::Group, Limit::Free),
        "sets the bounds; IAM cannot limit it to those",
    ),
    apply(
        "autoscaling:PutScheduledUpdateGroupAction",
        GROUPS,
        (Target::Group, Limit::Free),
        "schedules a floor",
    ),
    apply(
        "autoscaling:DeleteScheduledAction",
        GROUPS,
        (Target::Group, Limit::Free),
        "takes a schedule back",
    ),
    apply(
        "ec2:CreateLaunchTemplateVersion",
        GROUPS,
        (Target::Template, Limit::Refreshes),
        "a version with another instance type",
    ),
    apply(
        "autoscaling:StartInstanceRefresh",
        GROUPS,
        (Target::Group, Limit::Refreshes),
        "replaces the members by that version, a canary first",
    ),
    apply(
        "autoscaling:RollbackInstanceRefresh",
        GROUPS,
        (Target::Group, Limit::Refreshes),
        "takes a refresh back while it runs",
    ),
];
