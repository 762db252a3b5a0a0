//! What a connection to an account comes to: whether its roles can be taken, by whom, and what they can do.
//!
//! Answers are judged here. Not here: the calls that were made (`aws`), and how a person is told (`cli`).

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use trimtab_config::{Account, Settings};
use trimtab_models::resource::Kind;
use trimtab_policies::{
    calls::{Access, TABLE},
    iam::{Request, policy, statements},
    mode::{Mode, Rule},
    operations::{Failure, FailureKind},
};

/// What an account is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its name in the settings.
    pub name: String,
    /// Its id.
    pub account: String,
    /// The regions that are looked at.
    pub regions: Vec<String>,
    /// The partition of the role, or AWS's own.
    pub partition: String,
    /// Whether some mode of the settings needs writes here.
    pub wants_apply: bool,
}

impl Asked {
    /// What the settings want of an account.
    #[must_use]
    pub fn of(settings: &Settings, account: &Account) -> Self {
        let modes = &settings.policy.modes;
        let here = |rule: &&Rule| rule.matcher.account.as_ref().is_none_or(|id| *id == account.id);
        let rules = modes.rules.iter().filter(here).map(|rule| rule.mode);
        let highest = rules.chain([modes.default]).max().unwrap_or(Mode::Datapilot);
        let role = account.role_arn.as_deref().unwrap_or_default();
        let partition = role.split(':').nth(1).unwrap_or("aws");
        Self {
            name: account.name.clone(),
            account: account.id.clone(),
            regions: account.regions.clone(),
            partition: partition.to_owned(),
            wants_apply: highest.min(account.ceiling()) > Mode::Datapilot,
        }
    }
}

/// What was answered about a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAnswers {
    /// What it is for.
    pub access: Access,
    /// Its ARN.
    pub arn: String,
    /// With what the settings say.
    pub as_configured: Result<(), Failure>,
    /// What a stranger would try, in words, each with whether it was refused; empty where the organization is trusted.
    pub strangers: Vec<(String, Result<(), Failure>)>,
}

/// What one harmless call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallAnswer {
    /// What it is for.
    pub access: Access,
    /// The region.
    pub region: String,
    /// The IAM action.
    pub action: String,
    /// The answer; for a dry run, whether it would be allowed.
    pub answer: Result<(), Failure>,
}

/// Everything that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// The account that the credentials belong to.
    pub caller: Result<String, Failure>,
    /// The roles.
    pub roles: Vec<RoleAnswers>,
    /// The calls.
    pub calls: Vec<CallAnswer>,
    /// Whether the role that applies may replace a machine's user data; `None` where that could not be asked.
    pub user_data: Option<bool>,
}

impl Answers {
    /// Nobody could be asked: the account is closed, and those beside it are not.
    #[must_use]
    pub const fn none(failure: Failure) -> Self {
        Self { caller: Err(failure), roles: Vec::new(), calls: Vec::new(), user_data: None }
    }
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Everything that the configured modes need is there.
    Connected,
    /// Something that they need is missing.
    Incomplete,
    /// A role can be taken without the right external id, or may do what it never should: it is not used like that.
    Unsafe,
    /// The account cannot be reached at all.
    Closed,
}

/// The report on one account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Connection {
    /// Its name in the settings.
    pub name: String,
    /// Its id.
    pub account: String,
    /// When it was looked at.
    pub checked_at: Timestamp,
    /// How it stands.
    pub status: Status,
    /// Why it stands no better; empty when it is connected.
    pub reasons: Vec<String>,
    /// The roles, with what was tried.
    pub roles: Vec<RoleReport>,
    /// The services, by access and region.
    pub services: Vec<ServiceReport>,
}

/// A role in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleReport {
    /// `read` or `apply`.
    pub access: &'static str,
    /// Its ARN.
    pub arn: String,
    /// What was tried, each with what came of it.
    pub tried: Vec<String>,
}

/// A service in the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceReport {
    /// `read` or `apply`.
    pub access: &'static str,
    /// The region.
    pub region: String,
    /// The service, such as `ec2`.
    pub service: String,
    /// What works.
    pub works: Vec<String>,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// What could not be told, with what was answered.
    pub unknown: Vec<String>,
    /// What the table names and nobody asked, because it needs a resource or has no dry run.
    pub not_asked: Vec<String>,
}

/// A right that is missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Missing {
    /// The IAM action.
    pub action: String,
    /// What was answered.
    pub message: String,
    /// The statements to add.
    pub statements: Value,
}

/// Judges what was answered.
#[must_use]
pub fn judge(asked: &Asked, answers: &Answers, now: Timestamp) -> Connection {
    let services = services(asked, &answers.calls);
    let mut dangers: Vec<String> = answers.roles.iter().flat_map(reasons_open).collect();
    if answers.user_data == Some(true) {
        dangers.push(
            "the role that applies may replace a machine's user data, which runs as root: limit \
             ec2:ModifyInstanceAttribute to the attribute InstanceType"
                .to_owned(),
        );
    }
    let closed: Vec<String> = reason_closed(asked, answers).into_iter().collect();
    let missing = reasons_missing(asked, answers, &services);
    let status = if !dangers.is_empty() {
        Status::Unsafe
    } else if !closed.is_empty() {
        Status::Closed
    } else if !missing.is_empty() {
        Status::Incomplete
    } else {
        Status::Connected
    };
    Connection {
        name: asked.name.clone(),
        account: asked.account.clone(),
        checked_at: now,
        status,
        reasons: [dangers, closed, missing].concat(),
        roles: answers.roles.iter().map(role_report).collect(),
        services,
    }
}

/// A role that a stranger could take (the confused deputy).
fn reasons_open(role: &RoleAnswers) -> Vec<String> {
    let taken = role.strangers.iter().filter(|(_, answer)| answer.is_ok());
    taken
        .map(|(how, _)| {
            format!(
                "`{}` can be taken {how}: whoever reaches this agent could use it; its trust policy must demand \
                 sts:ExternalId",
                role.arn
            )
        })
        .collect()
}

fn reason_closed(asked: &Asked, answers: &Answers) -> Option<String> {
    let read = answers.roles.iter().find(|role| role.access == Access::Read);
    if let Some(Err(failure)) = read.map(|role| &role.as_configured) {
        return Some(failure.to_string());
    }
    match &answers.caller {
        Err(failure) => Some(failure.to_string()),
        Ok(account) if *account != asked.account => {
            Some(format!("the credentials belong to account {account}, not to {}", asked.account))
        }
        Ok(_) => None,
    }
}

/// What the configured modes need and do not have.
fn reasons_missing(asked: &Asked, answers: &Answers, services: &[ServiceReport]) -> Vec<String> {
    let is_needed = |access: Access| access == Access::Read || asked.wants_apply;
    let apply = answers.roles.iter().filter(|role| role.access == Access::Apply);
    let closed = apply.filter_map(|role| role.as_configured.as_ref().err());
    let closed = closed.filter(|_| asked.wants_apply).map(ToString::to_string);
    let rights = services.iter().filter(|service| {
        let access = if service.access == "apply" { Access::Apply } else { Access::Read };
        is_needed(access)
    });
    let rights = rights.flat_map(|service| {
        let missing = service
            .missing
            .iter()
            .map(|missing| format!("{} in {}", missing.action, service.region));
        let unknown = service.unknown.iter().map(|told| format!("{told} ({})", service.region));
        missing.chain(unknown)
    });
    closed.chain(rights).collect()
}

fn role_report(role: &RoleAnswers) -> RoleReport {
    let told = |answer: &Result<(), Failure>| match answer {
        Ok(()) => "taken".to_owned(),
        Err(failure) if failure.kind == FailureKind::Denied => "refused".to_owned(),
        Err(failure) => format!("not answered: {}", failure.message),
    };
    let configured = std::iter::once(("as configured".to_owned(), &role.as_configured));
    let strangers = role.strangers.iter().map(|(how, answer)| (how.clone(), answer));
    RoleReport {
        access: word(role.access),
        arn: role.arn.clone(),
        tried: configured
            .chain(strangers)
            .map(|(how, answer)| format!("{how}: {}", told(answer)))
            .collect(),
    }
}

const fn word(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Apply => "apply",
    }
}

fn service_of(action: &str) -> &str {
    action.split(':').next().unwrap_or(action)
}

/// The answers by access, region and service; what the table has beyond them was not asked.
fn services(asked: &Asked, calls: &[CallAnswer]) -> Vec<ServiceReport> {
    let mut reports: Vec<ServiceReport> = Vec::new();
    for call in calls {
        let key = (word(call.access), call.region.as_str(), service_of(&call.action));
        let same =
            |one: &ServiceReport| (one.access, one.region.as_str(), one.service.as_str()) == key;
        let at = reports.iter().position(same).unwrap_or_else(|| {
            reports.push(empty(key));
            reports.len() - 1
        });
        let report = &mut reports[at];
        match &call.answer {
            Ok(()) => report.works.push(call.action.clone()),
            // Whoever may not ask is told so, and not that there is nothing.
            Err(failure) if failure.kind == FailureKind::NotFound => {
                report.works.push(call.action.clone());
            }
            Err(failure) if failure.kind == FailureKind::Denied => report.missing.push(Missing {
                action: call.action.clone(),
                message: failure.message.clone(),
                statements: statements_for(asked, call.access, &call.action),
            }),
            Err(failure) => report.unknown.push(format!("{}: {}", call.action, failure.message)),
        }
    }
    for report in &mut reports {
        let asked_for = |action: &str| {
            calls.iter().any(|call| call.region == report.region && call.action == action)
        };
        let rows = TABLE.iter().filter(|row| {
            word(row.access) == report.access && service_of(row.action) == report.service
        });
        let left: std::collections::BTreeSet<&str> =
            rows.map(|row| row.action).filter(|action| !asked_for(action)).collect();
        report.not_asked = left.into_iter().map(str::to_owned).collect();
    }
    reports
}

fn empty((access, region, service): (&'static str, &str, &str)) -> ServiceReport {
    ServiceReport {
        access,
        region: region.to_owned(),
        service: service.to_owned(),
        works: Vec::new(),
        missing: Vec::new(),
        unknown: Vec::new(),
        not_asked: Vec::new(),
    }
}

/// The statements of `trimtab connect policy` that allow an action, cut down to it.
fn statements_for(asked: &Asked, access: Access, action: &str) -> Value {
    let all = statements(&Request {
        kinds: Kind::ALL.into(),
        access,
        partition: asked.partition.clone(),
        account: Some(asked.account.clone()),
        regions: asked.regions.clone(),
        tags: std::collections::BTreeMap::new(),
        deletes: true,
        refreshes: true,
        launch_roles: Vec::new(),
        keys: Vec::new(),
    });
    let allows = all
        .into_iter()
        .filter(|one| one.effect == "Allow" && one.actions.iter().any(|allowed| allowed == action));
    let only: Vec<_> = allows
        .map(|mut one| {
            one.actions = vec![action.to_owned()];
            one
        })
        .collect();
    policy(&only)["Statement"].clone()
}

#[cfg(test)]
mod tests;
