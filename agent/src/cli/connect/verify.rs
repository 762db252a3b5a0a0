//! `trimtab connect verify`: what the accounts' roles can do, asked of AWS without changing anything.
//!
//! Not here: what is asked (`aws`) and what the answers come to (`connection`).

use clap::Args;
use serde_json::json;

use crate::{
    cli::{
        args::Globals,
        client::{CliError, load},
        out::{print, print_json},
    },
    connection::{Connection, Missing, ServiceReport, Status},
    start,
};

/// Which accounts are verified.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// Only this account of the configuration, by name or id.
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
}

/// The code is 0 where every account has what the configured modes need, else 1.
pub(super) async fn run(args: &VerifyArgs, globals: &Globals) -> Result<u8, CliError> {
    let settings = load(&globals.config)?;
    let wanted = |account: &&trimtab_config::Account| {
        args.account.as_ref().is_none_or(|name| *name == account.name || *name == account.id)
    };
    let accounts: Vec<_> = settings.accounts.iter().filter(wanted).cloned().collect();
    if accounts.is_empty() {
        let known = settings.accounts.iter().map(|account| account.name.clone()).collect();
        return Err(CliError::NoAccount { name: args.account.clone().unwrap_or_default(), known });
    }
    let connections = start::connections(&settings, &accounts).await.map_err(CliError::NoCloud)?;
    if globals.json {
        print_json(&json!({ "connections": connections }))?;
    } else {
        let texts: Vec<String> = connections.iter().map(text).collect();
        print(&texts.join("\n\n"))?;
    }
    let whole = connections.iter().all(|connection| connection.status == Status::Connected);
    Ok(u8::from(!whole))
}

const fn words(status: Status) -> &'static str {
    match status {
        Status::Connected => "connected",
        Status::Incomplete => "incomplete: something that the configured modes need is missing",
        Status::Unsafe => "unsafe: do not use it like this",
        Status::Closed => "closed: it cannot be reached",
    }
}

fn text(connection: &Connection) -> String {
    let Connection { name, account, checked_at, status, reasons, roles, services } = connection;
    let mut parts = vec![format!("{name} ({account}) at {checked_at:.0}: {}", words(*status))];
    parts.extend(reasons.iter().map(|reason| format!("  - {reason}")));
    for role in roles {
        parts.push(format!("  {} role {}: {}", role.access, role.arn, role.tried.join("; ")));
    }
    if !services.is_empty() {
        parts.push(rights(services));
    }
    for missing in services.iter().flat_map(|service| &service.missing) {
        parts.push(statement(missing));
    }
    parts.join("\n")
}

/// Each service with its calls, a line for what came of them.
fn rights(services: &[ServiceReport]) -> String {
    let mut lines = Vec::new();
    for service in services {
        lines.push(format!("  {} {} {}", service.access, service.region, service.service));
        let verbs = |actions: &mut dyn Iterator<Item = &String>| -> Vec<String> {
            actions.map(|action| verb(action).to_owned()).collect()
        };
        let told = [
            ("works", verbs(&mut service.works.iter())),
            ("missing", verbs(&mut service.missing.iter().map(|missing| &missing.action))),
            ("not told", service.unknown.clone()),
            ("not asked", verbs(&mut service.not_asked.iter())),
        ];
        let told = told.iter().filter(|(_, calls)| !calls.is_empty());
        lines.extend(told.map(|(what, calls)| format!("    {what}: {}", calls.join(", "))));
    }
    lines.join("\n")
}

/// The call without its service, which heads its lines.
fn verb(action: &str) -> &str {
    action.split_once(':').map_or(action, |(_, verb)| verb)
}

fn statement(missing: &Missing) -> String {
    let statements = serde_json::to_string_pretty(&missing.statements).unwrap_or_default();
    format!("{}: {}\nTo allow it, add:\n{statements}", missing.action, missing.message)
}
