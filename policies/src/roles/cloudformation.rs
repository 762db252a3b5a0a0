//! The roles as a CloudFormation template.
//!
//! Not here: how somebody applies it (`guide`).

use trimtab_models::resource::Kind;

use super::{
    ACCESSES, EXTERNAL_ID_FORM, RoleTrust, Roles, SESSION_S, access_word, guide::commented, plural,
    role_description, role_name, yaml::Node,
};
use crate::{calls::Access, iam::Statement};

/// The stack's name in instructions and links.
pub(super) const STACK: &str = "trimtab-roles";

/// The template, headed by what to do with it.
#[must_use]
pub fn template(roles: &Roles, heading: &[String]) -> String {
    let body = Node::map([
        ("AWSTemplateFormatVersion", Node::text("2010-09-09")),
        (
            "Description",
            Node::text("Trimtab's roles in this account: one that reads, one that applies."),
        ),
        ("Parameters", parameters(roles)),
        ("Conditions", conditions()),
        ("Resources", resources(roles)),
        ("Outputs", outputs()),
    ]);
    format!("{}{}", commented(heading), body.document())
}

/// The link that opens the console on a stack of the template at `url`, filled in.
#[must_use]
pub fn quick_create_link(roles: &Roles, url: &str, region: &str) -> String {
    let host = match roles.partition.as_str() {
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => "console.aws.amazon.com",
    };
    let mut parameters: Vec<(String, String)> = vec![
        ("templateURL".to_owned(), url.to_owned()),
        ("stackName".to_owned(), STACK.to_owned()),
    ];
    let given = defaults(roles).into_iter().filter_map(|(name, value)| Some((name, value?)));
    parameters.extend(given.map(|(name, value)| (format!("param_{name}"), value)));
    let query: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    format!(
        "https://{region}.{host}/cloudformation/home?region={region}#/stacks/create/review?{}",
        query.join("&")
    )
}

/// Whatever a query cannot hold as it is, as percent and hex digits.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Every parameter's name with its value here; `None` where whoever applies the template gives it.
fn defaults(roles: &Roles) -> Vec<(String, Option<String>)> {
    let (trust, value) = match &roles.trust {
        RoleTrust::ExternalId(id) => ("ExternalId", id.clone()),
        RoleTrust::Organization(id) => ("OrganizationId", Some(id.clone())),
    };
    let mut all = vec![
        ("Principal".to_owned(), roles.principal.clone()),
        (trust.to_owned(), value),
        ("Access".to_owned(), Some(access_word(roles.access).to_owned())),
    ];
    let on = |kind: &Kind| if roles.kinds.contains(kind) { "true" } else { "false" };
    all.extend(Kind::ALL.iter().map(|kind| (plural(*kind).to_owned(), Some(on(kind).to_owned()))));
    all
}

fn parameters(roles: &Roles) -> Node {
    let entries = defaults(roles).into_iter().map(|(name, value)| {
        let mut entries =
            vec![("Type", Node::text("String")), ("Description", Node::text(about(&name)))];
        entries.extend(value.map(|value| ("Default", Node::text(value))));
        let words = |words: &[&str]| Node::list(words.iter().map(|word| Node::text(*word)));
        entries.push(match name.as_str() {
            "Principal" => {
                ("AllowedPattern", Node::text("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/.+$"))
            }
            "ExternalId" => ("AllowedPattern", Node::text(EXTERNAL_ID_FORM)),
            "OrganizationId" => ("AllowedPattern", Node::text("^o-[a-z0-9]{10,32}$")),
            "Access" => ("AllowedValues", words(&["read", "apply"])),
            _ => ("AllowedValues", words(&["true", "false"])),
        });
        (name, Node::map(entries))
    });
    Node::map(entries)
}

fn about(parameter: &str) -> &'static str {
    match parameter {
        "Principal" => {
            "The role or user that the Trimtab agent has. Nobody else can take the roles."
        }
        "ExternalId" => {
            "Made by trimtab connect for this account alone; the account's section of trimtab.toml holds it. Never choose one."
        }
        "OrganizationId" => "The organization that the agent's principal must belong to.",
        "Access" => "read makes the read role only; apply makes the apply role beside it.",
        _ => "Whether the roles reach resources of this kind.",
    }
}

fn conditions() -> Node {
    let is = |parameter: &str, value: &str| {
        Node::call("Fn::Equals", Node::list([Node::reference(parameter), Node::text(value)]))
    };
    let mut entries = vec![("Apply".to_owned(), is("Access", "apply"))];
    for kind in Kind::ALL.map(plural) {
        entries.push((condition(Access::Read, kind), is(kind, "true")));
        let both = ["Apply".to_owned(), condition(Access::Read, kind)];
        let both = both.iter().map(|name| Node::call("Condition", Node::text(name)));
        entries.push((condition(Access::Apply, kind), Node::call("Fn::And", Node::list(both))));
    }
    Node::map(entries)
}

/// The name of the condition under which a role reaches a kind.
fn condition(access: Access, kind: &str) -> String {
    match access {
        Access::Read => format!("Read{kind}"),
        Access::Apply => format!("Apply{kind}"),
    }
}

fn resources(roles: &Roles) -> Node {
    let mut entries = Vec::new();
    for access in ACCESSES {
        entries.push((role_name(access).to_owned(), role(roles, access)));
        for kind in Kind::ALL {
            let name = format!("{}{}", role_name(access), plural(kind));
            entries.push((name, policy(access, kind, &roles.statements(kind, access))));
        }
    }
    Node::map(entries)
}

fn role(roles: &Roles, access: Access) -> Node {
    let (key, value) = match &roles.trust {
        RoleTrust::ExternalId(_) => ("sts:ExternalId", Node::reference("ExternalId")),
        RoleTrust::Organization(_) => ("aws:PrincipalOrgID", Node::reference("OrganizationId")),
    };
    let trust = Node::map([
        ("Effect", Node::text("Allow")),
        ("Principal", Node::call("AWS", Node::reference("Principal"))),
        ("Action", Node::text("sts:AssumeRole")),
        ("Condition", Node::call("StringEquals", Node::call(key, value))),
    ]);
    let properties = Node::map([
        ("RoleName", Node::text(role_name(access))),
        ("Description", Node::text(role_description(access))),
        ("MaxSessionDuration", Node::number(SESSION_S)),
        ("AssumeRolePolicyDocument", document([trust])),
    ]);
    let kind = ("Type", Node::text("AWS::IAM::Role"));
    let when = (access == Access::Apply).then(|| ("Condition", Node::text("Apply")));
    Node::map([kind].into_iter().chain(when).chain([("Properties", properties)]))
}

fn policy(access: Access, kind: Kind, statements: &[Statement]) -> Node {
    let properties = Node::map([
        ("Description", Node::text(format!("What {} may do with {kind}.", role_name(access)))),
        ("Roles", Node::list([Node::reference(role_name(access))])),
        ("PolicyDocument", document(statements.iter().map(statement))),
    ]);
    Node::map([
        ("Type", Node::text("AWS::IAM::ManagedPolicy")),
        ("Condition", Node::text(condition(access, plural(kind)))),
        ("Properties", properties),
    ])
}

fn document(statements: impl IntoIterator<Item = Node>) -> Node {
    Node::map([("Version", Node::text("2012-10-17")), ("Statement", Node::list(statements))])
}

fn statement(statement: &Statement) -> Node {
    let mut entries = vec![
        ("Sid", Node::text(&statement.sid)),
        ("Effect", Node::text(statement.effect)),
        ("Action", Node::texts(&statement.actions)),
        ("Resource", Node::texts(&statement.resources)),
    ];
    let conditions = statement.conditions.iter().map(|(operator, keys)| {
        let keys = keys.iter().map(|(key, values)| (format!("\"{key}\""), Node::texts(values)));
        (format!("\"{operator}\""), Node::map(keys))
    });
    if !statement.conditions.is_empty() {
        entries.push(("Condition", Node::map(conditions)));
    }
    Node::map(entries).said(statement.told())
}

fn outputs() -> Node {
    let entries = ACCESSES.map(|access| {
        let name = role_name(access);
        let arn = Node::list([Node::text(name), Node::text("Arn")]);
        let value = ("Value", Node::call("Fn::GetAtt", arn));
        let when = (access == Access::Apply).then(|| ("Condition", Node::text("Apply")));
        (format!("{name}Arn"), Node::map([value].into_iter().chain(when)))
    });
    Node::map(entries)
}
