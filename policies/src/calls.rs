//! The table of AWS operations: every call that Trimtab may make, or that AWS makes in its name, for which kinds of
//! resource, and why.
//!
//! Policies are printed from it (`iam`), and the wire tests hold every call that is made to it. Not here: when a call is
//! made, and the operation's own fields (`operations`).

mod table;

use trimtab_models::resource::Kind;

pub use table::TABLE;

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// It changes nothing: the read role makes it, in every mode.
    Read,
    /// It changes something: the apply role makes it, in copilot and autopilot only.
    Apply,
}

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// Trimtab.
    Trimtab,
    /// AWS, with the rights of whoever made the call that leads to it; Trimtab never makes it itself.
    Aws,
}

/// What must be switched on for a call to be needed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Switch {
    /// Nothing.
    Always,
    /// Deletes of unattached volumes.
    Deletes,
    /// Replacing the members of groups.
    Refreshes,
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
    /// Whatever a launch makes: a machine, its volumes and its network interfaces.
    Launched,
    /// The customer's keys that somebody named; without any the call is not allowed.
    Key,
    /// The roles of launch templates that somebody named; without any the call is not allowed.
    LaunchRole,
}

/// A condition beside the tags and regions that every statement has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// None.
    Free,
    /// Only the attribute `InstanceType`: never user data, roles or networks.
    InstanceTypeOnly,
    /// Only the two tags of the mark, and never none: `DeleteTags` without a tag removes them all.
    MarkOnly,
    /// Only by the call which makes the resource.
    AtCreation(&'static str),
    /// Only from a launch template.
    FromTemplate,
    /// Only to hand a role to EC2.
    ToEc2,
    /// Only through EC2, for what EC2 does with a key.
    ViaEc2,
    /// Only through EC2, and only a grant for an AWS service.
    GrantViaEc2,
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
    /// Who makes it.
    pub caller: Caller,
    /// What must be switched on for it.
    pub switch: Switch,
    /// What IAM can limit it to.
    pub target: Target,
    /// What it is limited by.
    pub limit: Limit,
    /// Why it is needed.
    pub why: &'static str,
    /// Where whoever holds it could get to beyond Trimtab's own use, and what stands in the way.
    pub escalation: Option<&'static str>,
}
