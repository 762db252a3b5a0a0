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
    calls::{Access, Call, Limit, TABLE, Target},
    mark::{CHANGE_TAG, WAS_TAG},
};

pub use render::{cloudformation, terraform};

/// The tag whose presence keeps a resource out of Trimtab's hands.
const EXCLUDE_TAG: &str = "trimtab:exclude";

/// What brings service back: never denied, so that a tag which is set in the middle of a change keeps no machine off.
const RESTORES: [&str; 3] =
    ["ec2:DeleteTags", "ec2:StartInstances", "elasticloadbalancing:RegisterTargets"];

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
        Access::Read => statements.extend(describe_keys(request)),
        Access::Apply => {
            statements.extend(use_keys(request));
            statements.extend(launch(request));
            statements.extend(denies(request));
        }
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
    let wanted = match call.limit {
        Limit::Deletes => request.deletes,
        Limit::Refreshes => request.refreshes,
        Limit::Free | Limit::InstanceTypeOnly | Limit::MarkOnly | Limit::AtCreation(_) => true,
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
    let sid = format!("{}{:?}", capitalized(service), request.access);
    let base = || {
        let mut statement = Statement::new(&sid, "Allow", &actions);
        for call in calls {
            statement = statement.because(format!("{}: {}", call.action, call.why));
        }
        statement.when("StringEquals", "aws:RequestedRegion", request.regions.clone())
    };
    let tagged = |statement: Statement| {
        request.tags.iter().fold(statement, |statement, (key, value)| {
            statement.when("StringEquals", &format!("aws:ResourceTag/{key}"), [value.clone()])
        })
    };
    let limited = |statement: Statement| match limit {
        Limit::Free | Limit::Deletes | Limit::Refreshes => statement,
        Limit::InstanceTypeOnly => {
            statement.when("StringEquals", "ec2:Attribute", ["InstanceType"])
        }
        Limit::MarkOnly => {
            statement.when("ForAllValues:StringEquals", "aws:TagKeys", [CHANGE_TAG, WAS_TAG])
        }
        Limit::AtCreation(call) => statement.when("StringEquals", "ec2:CreateAction", [call]),
    };
    let arn = |what: &str| arn(request, service, what);
    match target {
        Target::Any => vec![base()],
        Target::Instance => vec![limited(tagged(base().on([arn("instance/*")])))],
        Target::Volume => vec![limited(tagged(base().on([arn("volume/*")])))],
        Target::Snapshot => vec![limited(base().on([snapshots(request)]))],
        // What a call makes has no tags yet, so that only what is there can be limited by them.
        Target::NewSnapshot => {
            vec![tagged(base().on([arn("volume/*")])), limited(base().on([snapshots(request)]))]
        }
        Target::NewVolume => vec![limited(base().on([arn("volume/*"), snapshots(request)]))],
        Target::Template => vec![limited(tagged(base().on([arn("launch-template/*")])))],
        Target::TargetGroup => vec![limited(base().on([arn("targetgroup/*")]))],
        Target::Function => vec![limited(tagged(base().on([arn("function:*")])))],
        Target::Group => {
            vec![limited(tagged(base().on([arn("autoScalingGroup:*:autoScalingGroupName/*")])))]
        }
    }
}

fn arn(request: &Request, service: &str, what: &str) -> String {
    let account = request.account.as_deref().unwrap_or("*");
    format!("arn:{}:{service}:*:{account}:{what}", request.partition)
}

/// Snapshots belong to no account in their ARN.
fn snapshots(request: &Request) -> String {
    format!("arn:{}:ec2:*::snapshot/*", request.partition)
}

fn describe_keys(request: &Request) -> Option<Statement> {
    let statement = || {
        Statement::new("KeysRead", "Allow", &["kms:DescribeKey"])
            .on(request.keys.clone())
            .because("kms:DescribeKey: whether a key that encrypts a volume can be used")
    };
    (!request.keys.is_empty()).then(statement)
}

fn use_keys(request: &Request) -> Vec<Statement> {
    if request.keys.is_empty() {
        return Vec::new();
    }
    let via: Vec<String> = match request.regions.as_slice() {
        [] => vec!["ec2.*.amazonaws.com".to_owned()],
        regions => regions.iter().map(|region| format!("ec2.{region}.amazonaws.com")).collect(),
    };
    let grant = Statement::new("KeysGrant", "Allow", &["kms:CreateGrant"])
        .on(request.keys.clone())
        .when("Bool", "kms:GrantIsForAWSResource", ["true"])
        .when("StringLike", "kms:ViaService", via.clone())
        .because("kms:CreateGrant: a machine with volumes under this key starts only with it");
    let data = [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ];
    let restore = Statement::new("KeysRestore", "Allow", &data)
        .on(request.keys.clone())
        .when("StringLike", "kms:ViaService", via)
        .because("a volume from an encrypted snapshot needs a data key of its own");
    let restores = request.deletes.then_some(restore);
    std::iter::once(grant).chain(restores).collect()
}

/// A refresh launches from the group's template in the name of who starts it.
///
/// Whoever may launch with a role has that role's rights: this is the one way in which the apply role could reach
/// further than its own policy, so that only the roles named here can be passed.
fn launch(request: &Request) -> Vec<Statement> {
    if !request.refreshes || !request.kinds.contains(&Kind::Group) {
        return Vec::new();
    }
    let partition = &request.partition;
    let run = Statement::new("LaunchMembers", "Allow", &["ec2:RunInstances"])
        .when("StringEquals", "aws:RequestedRegion", request.regions.clone())
        .when("Null", "ec2:LaunchTemplate", ["false"])
        .because("ec2:RunInstances: a refresh launches from the template, and from nothing else");
    let tag = Statement::new("TagMembers", "Allow", &["ec2:CreateTags"])
        .on([format!("arn:{partition}:ec2:*:*:*/*")])
        .when("StringEquals", "ec2:CreateAction", ["RunInstances"])
        .because("ec2:CreateTags: the template's own tags, at the launch");
    let pass = Statement::new("PassLaunchRoles", "Allow", &["iam:PassRole"])
        .on(request.launch_roles.clone())
        .when("StringEquals", "iam:PassedToService", ["ec2.amazonaws.com"])
        .because("iam:PassRole: members get these roles; whoever may pass a role has its rights");
    let passes = (!request.launch_roles.is_empty()).then_some(pass);
    [run, tag].into_iter().chain(passes).collect()
}

/// What stays forbidden whatever other policies of the role allow.
fn denies(request: &Request) -> Vec<Statement> {
    let touches = |call: &&Call| {
        call.access == Access::Apply
            && call.target != Target::Any
            && !RESTORES.contains(&call.action)
            && serves(call, request)
    };
    let writes: BTreeSet<&str> = TABLE.iter().filter(touches).map(|call| call.action).collect();
    let writes: Vec<&str> = writes.into_iter().collect();
    let excluded = Statement::new("Excluded", "Deny", &writes)
        .when("Null", &format!("aws:ResourceTag/{EXCLUDE_TAG}"), ["false"])
        .because(format!("whatever carries the tag {EXCLUDE_TAG}, with any value, is left alone"));
    let deletes = Statement::new("NoDeletes", "Deny", &["ec2:DeleteVolume"])
        .because("deletes are not switched on");
    let without_deletes = request.kinds.contains(&Kind::Volume) && !request.deletes;
    let excluded = (!writes.is_empty()).then_some(excluded);
    excluded.into_iter().chain(without_deletes.then_some(deletes)).collect()
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
