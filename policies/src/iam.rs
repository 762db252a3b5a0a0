//! IAM policies from the table of calls: no more than the kinds, accounts, regions and tags that somebody names.
//!
//! Not here: which calls there are (`calls`), the session of one change (`session`), and files (`trimtab`).

mod render;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use trimtab_models::resource::Kind;

use crate::{
    calls::{Access, Call, Caller, Limit, Switch, TABLE, Target},
    mark::{CHANGE_TAG, WAS_TAG},
    mode::EXCLUDE_TAG,
};

pub use render::{cloudformation, terraform};
pub(crate) use render::{list, quoted};

/// What brings service back: never denied, so that a tag which is set in the middle of a change keeps no machine off.
const RESTORES: [&str; 3] =
    ["ec2:DeleteTags", "ec2:StartInstances", "elasticloadbalancing:RegisterTargets"];

/// What Trimtab never does, by kind: denied whatever other policies of the role allow.
///
/// Auto Scaling ends a group's members with rights of its own, so that refreshes need none of these.
const NEVER: [(Kind, &str); 9] = [
    (Kind::Instance, "ec2:TerminateInstances"),
    (Kind::Volume, "ec2:DeleteSnapshot"),
    (Kind::Function, "lambda:DeleteAlias"),
    (Kind::Function, "lambda:DeleteFunction"),
    (Kind::Group, "autoscaling:DeleteAutoScalingGroup"),
    (Kind::Group, "autoscaling:TerminateInstanceInAutoScalingGroup"),
    (Kind::Group, "ec2:DeleteLaunchTemplate"),
    (Kind::Group, "ec2:DeleteLaunchTemplateVersions"),
    (Kind::Group, "ec2:TerminateInstances"),
];

/// What a policy is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The kinds of resource.
    pub kinds: BTreeSet<Kind>,
    /// Reads, or writes.
    pub access: Access,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The account's id; `None` leaves it open, as a role's own account is the only one that it reaches.
    pub account: Option<String>,
    /// The regions; none named means all of them.
    pub regions: Vec<String>,
    /// Tags that a resource must have to be changed.
    pub tags: BTreeMap<String, String>,
    /// Whether unattached volumes may be deleted.
    pub deletes: bool,
    /// Whether the members of groups may be replaced by ones of another type.
    pub refreshes: bool,
    /// The roles that the launch templates of such groups pass to their members.
    pub launch_roles: Vec<String>,
    /// Customer keys that encrypt volumes: their machines start only if the role may use them.
    pub keys: Vec<String>,
}

/// One statement, with what it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its id: letters and digits.
    pub sid: String,
    /// Why it is there, for a reader.
    pub why: Vec<String>,
    /// Where its holder could get to beyond that, for a reader.
    pub escalations: Vec<String>,
    /// `Allow` or `Deny`.
    pub effect: &'static str,
    /// IAM actions, ascending.
    pub actions: Vec<String>,
    /// ARNs.
    pub resources: Vec<String>,
    /// Operator -> key -> values.
    pub conditions: BTreeMap<&'static str, BTreeMap<String, Vec<String>>>,
}

/// The statements of a request, allows first.
#[must_use]
pub fn statements(request: &Request) -> Vec<Statement> {
    let calls: Vec<&Call> = TABLE
        .iter()
        .filter(|call| call.access == request.access && serves(call, request))
        .collect();
    let mut groups: BTreeMap<(&str, Target, Limit), Vec<&Call>> = BTreeMap::new();
    for call in calls {
        groups.entry((service(call.action), call.target, call.limit)).or_default().push(call);
    }
    let allowed = groups.into_iter().flat_map(|(key, calls)| allow(key, &calls, request));
    let mut statements: Vec<Statement> = allowed.collect();
    match request.access {
        Access::Read => {}
        Access::Apply => statements.extend(denies(request)),
    }
    number(&mut statements);
    statements
}

/// The policy document.
#[must_use]
pub fn policy(statements: &[Statement]) -> Value {
    let statements: Vec<Value> = statements.iter().map(Statement::json).collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

impl Statement {
    fn new(sid: &str, effect: &'static str, actions: &[&str]) -> Self {
        let mut actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
        actions.sort();
        Self {
            sid: sid.to_owned(),
            why: Vec::new(),
            escalations: Vec::new(),
            effect,
            actions,
            resources: vec!["*".to_owned()],
            conditions: BTreeMap::new(),
        }
    }

    fn on(mut self, resources: impl IntoIterator<Item = String>) -> Self {
        self.resources = resources.into_iter().collect();
        self
    }

    fn when(
        mut self,
        operator: &'static str,
        key: &str,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        if !values.is_empty() {
            self.conditions.entry(operator).or_default().insert(key.to_owned(), values);
        }
        self
    }

    fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// What a reader is told about it, a line each.
    pub(crate) fn told(&self) -> Vec<String> {
        let escalations = self.escalations.iter().map(|words| format!("Escalation: {words}"));
        self.why.iter().cloned().chain(escalations).collect()
    }

    fn json(&self) -> Value {
        let mut statement = json!({
            "Sid": self.sid, "Effect": self.effect, "Action": self.actions, "Resource": self.resources,
        });
        if !self.conditions.is_empty() {
            statement["Condition"] = json!(self.conditions);
        }
        statement
    }
}

fn serves(call: &Call, request: &Request) -> bool {
    let wanted = match call.switch {
        Switch::Always => true,
        Switch::Deletes => request.deletes,
        Switch::Refreshes => request.refreshes,
    };
    wanted && call.kinds.iter().any(|kind| request.kinds.contains(kind))
}

fn service(action: &str) -> &str {
    action.split(':').next().unwrap_or(action)
}

/// The statements that allow calls of one service, target and limit.
fn allow(
    (service, target, limit): (&str, Target, Limit),
    calls: &[&Call],
    request: &Request,
) -> Vec<Statement> {
    let actions: Vec<&str> = calls.iter().map(|call| call.action).collect();
    let on = if target == Target::Any { String::new() } else { format!("{target:?}") };
    let sid = format!("{}{:?}{on}", capitalized(service), request.access);
    let base = || {
        let mut statement = Statement::new(&sid, "Allow", &actions);
        for call in calls {
            statement.why.push(format!("{}: {}", call.action, call.why));
            let escalation = call.escalation.map(|words| format!("{}: {words}", call.action));
            statement.escalations.extend(escalation);
        }
        // IAM and its roles are in no region.
        let regions = if service == "iam" { Vec::new() } else { request.regions.clone() };
        limited(statement.when("StringEquals", "aws:RequestedRegion", regions), limit, request)
    };
    let tagged = |statement: Statement| {
        request.tags.iter().fold(statement, |statement, (key, value)| {
            statement.when("StringEquals", &format!("aws:ResourceTag/{key}"), [value.clone()])
        })
    };
    // What a call makes has no tags yet, so that only what is there can be limited by them.
    let is_new = matches!(limit, Limit::AtCreation(_));
    let of_old = |statement: Statement| if is_new { statement } else { tagged(statement) };
    let arn = |what: &str| arn(request, service, what);
    match target {
        Target::Any => vec![base()],
        Target::Instance => vec![of_old(base().on([arn("instance/*")]))],
        Target::Volume => vec![of_old(base().on([arn("volume/*")]))],
        Target::Snapshot => vec![base().on([snapshots(request)])],
        Target::NewSnapshot => {
            vec![tagged(base().on([arn("volume/*")])), base().on([snapshots(request)])]
        }
        Target::NewVolume => vec![base().on([arn("volume/*"), snapshots(request)])],
        Target::Template => vec![tagged(base().on([arn("launch-template/*")]))],
        Target::TargetGroup => vec![base().on([arn("targetgroup/*")])],
        Target::Function => vec![tagged(base().on([arn("function:*")]))],
        Target::Group => {
            vec![tagged(base().on([arn("autoScalingGroup:*:autoScalingGroupName/*")]))]
        }
        Target::Launched => vec![base().on([arn("*/*")])],
        Target::Key => named(&request.keys, base),
        Target::LaunchRole => named(&request.launch_roles, base),
    }
}

/// On what somebody named, and on nothing where nobody did: an empty list is not all.
fn named(resources: &[String], base: impl Fn() -> Statement) -> Vec<Statement> {
    let statement = || vec![base().on(resources.iter().cloned())];
    if resources.is_empty() { Vec::new() } else { statement() }
}

fn limited(statement: Statement, limit: Limit, request: &Request) -> Statement {
    let through_ec2 = |statement: Statement| {
        statement.when("StringLike", "kms:ViaService", ec2_services(request))
    };
    match limit {
        Limit::Free => statement,
        Limit::InstanceTypeOnly => {
            statement.when("StringEquals", "ec2:Attribute", ["InstanceType"])
        }
        // Where a request names no tag at all, a condition on all of its tags holds.
        Limit::MarkOnly => statement
            .when("ForAllValues:StringEquals", "aws:TagKeys", [CHANGE_TAG, WAS_TAG])
            .when("Null", "aws:TagKeys", ["false"]),
        Limit::AtCreation(call) => statement.when("StringEquals", "ec2:CreateAction", [call]),
        Limit::FromTemplate => statement.when("Null", "ec2:LaunchTemplate", ["false"]),
        Limit::ToEc2 => {
            let ec2 = format!("ec2.{}", domain(&request.partition));
            statement.when("StringEquals", "iam:PassedToService", [ec2])
        }
        Limit::ViaEc2 => through_ec2(statement),
        Limit::GrantViaEc2 => {
            through_ec2(statement).when("Bool", "kms:GrantIsForAWSResource", ["true"])
        }
    }
}

/// EC2 as KMS names it, in each region.
fn ec2_services(request: &Request) -> Vec<String> {
    let domain = domain(&request.partition);
    match request.regions.as_slice() {
        [] => vec![format!("ec2.*.{domain}")],
        regions => regions.iter().map(|region| format!("ec2.{region}.{domain}")).collect(),
    }
}

/// The domain that a partition's services have in conditions.
pub(crate) fn domain(partition: &str) -> &'static str {
    if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }
}

fn arn(request: &Request, service: &str, what: &str) -> String {
    let account = request.account.as_deref().unwrap_or("*");
    format!("arn:{}:{service}:*:{account}:{what}", request.partition)
}

/// Snapshots belong to no account in their ARN.
fn snapshots(request: &Request) -> String {
    format!("arn:{}:ec2:*::snapshot/*", request.partition)
}

/// What stays forbidden whatever other policies of the role allow.
fn denies(request: &Request) -> Vec<Statement> {
    let touches = |call: &&Call| {
        call.access == Access::Apply
            && call.caller == Caller::Trimtab
            && call.target != Target::Any
            && !RESTORES.contains(&call.action)
            && serves(call, request)
    };
    let writes: BTreeSet<&str> = TABLE.iter().filter(touches).map(|call| call.action).collect();
    let writes: Vec<&str> = writes.into_iter().collect();
    let excluded = Statement::new("Excluded", "Deny", &writes)
        .when("Null", &format!("aws:ResourceTag/{EXCLUDE_TAG}"), ["false"])
        .because(format!("whatever carries the tag {EXCLUDE_TAG}, with any value, is left alone"));
    let other_attributes =
        Statement::new("NoOtherAttributes", "Deny", &["ec2:ModifyInstanceAttribute"])
            .when("StringNotEquals", "ec2:Attribute", ["InstanceType"])
            .because(
                "of a machine nothing but its type is ever set: no user data, no role, no network",
            );
    let without_deletes = request.kinds.contains(&Kind::Volume) && !request.deletes;
    let never = NEVER.iter().filter(|(kind, _)| request.kinds.contains(kind));
    let deletes: BTreeSet<&str> = never
        .map(|(_, action)| *action)
        .chain(without_deletes.then_some("ec2:DeleteVolume"))
        .collect();
    let deletes = Statement::new("NoDeletes", "Deny", &deletes.into_iter().collect::<Vec<_>>())
        .because("Trimtab never deletes these, or deletes are not switched on");
    let retypes = request.kinds.contains(&Kind::Instance);
    [excluded, deletes]
        .into_iter()
        .filter(|statement| !statement.actions.is_empty())
        .chain(retypes.then_some(other_attributes))
        .collect()
}

/// Makes the statement ids unique.
fn number(statements: &mut [Statement]) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for statement in statements {
        let count = seen.entry(statement.sid.clone()).or_default();
        *count += 1;
        if *count > 1 {
            statement.sid = format!("{}{count}", statement.sid);
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
