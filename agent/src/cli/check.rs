//! `trimtab check`: what is wrong with a configuration, or what it comes to.
//!
//! Not here: the rules (`trimtab_config`).

use std::path::Path;

use serde_json::json;
use trimtab_config::{ConfigError, Explanation};

use super::{
    client::{CliError, load},
    out::{print, print_json},
    tables::table,
};

/// Checks one file. The code is 0 when it is valid, 2 when it is not.
pub(super) fn run(file: &Path, as_json: bool) -> Result<u8, CliError> {
    let settings = match load(file) {
        Ok(settings) => settings,
        Err(error) if as_json => {
            print_json(&problems(&error))?;
            return Ok(2);
        }
        Err(error) => return Err(error.into()),
    };
    let explanation = settings.explain();
    if as_json {
        let mut value = serde_json::to_value(&explanation).unwrap_or_default();
        value["valid"] = json!(true);
        print_json(&value)?;
    } else {
        print(&text(file, &explanation))?;
    }
    Ok(0)
}

fn problems(error: &ConfigError) -> serde_json::Value {
    let problems: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| {
            json!({
                "place": problem.place, "key": problem.key, "value": problem.value,
                "why": problem.why, "allowed": problem.allowed,
            })
        })
        .collect();
    json!({ "valid": false, "error": error.to_string(), "problems": problems })
}

fn text(file: &Path, explanation: &Explanation) -> String {
    let mut parts = vec![
        format!("{} is valid.", file.display()),
        accounts(explanation),
        autopilot(explanation),
        limits(explanation),
    ];
    for (title, lines) in [
        ("Windows", &explanation.windows),
        ("Freezes", &explanation.freezes),
        ("Warnings", &explanation.warnings),
    ] {
        if !lines.is_empty() {
            let lines: String = lines.iter().map(|line| format!("\n  {line}")).collect();
            parts.push(format!("{title}:{lines}"));
        }
    }
    parts.join("\n\n")
}

fn accounts(explanation: &Explanation) -> String {
    if explanation.accounts.is_empty() {
        return "Accounts: those of the scenario.".to_owned();
    }
    let mut table = table(&["Account", "Regions", "Access", "Modes"]);
    for account in &explanation.accounts {
        let mut modes =
            vec![format!("{} by default, at most {}", account.default, account.ceiling)];
        modes.extend(account.rules.iter().map(|rule| format!("{}: {}", rule.scope, rule.mode)));
        table.add_row([
            format!("{}\n{}", account.name, account.id),
            account.regions.join("\n"),
            account.access.clone(),
            modes.join("\n"),
        ]);
    }
    format!("Accounts and effective modes:\n{table}")
}

fn autopilot(explanation: &Explanation) -> String {
    let mut table = table(&["Under autopilot", "Disruption", "Behaves as", "Why"]);
    for view in &explanation.autopilot {
        let behaves = match (view.enabled, view.without_decrease == view.with_decrease) {
            (false, _) => "off".to_owned(),
            (true, true) => view.without_decrease.to_string(),
            (true, false) => {
                format!(
                    "{}; {} where it lowers performance",
                    view.without_decrease, view.with_decrease
                )
            }
        };
        table.add_row([
            view.action.to_string(),
            view.disruption.to_string(),
            behaves,
            view.reasons.join("; "),
        ]);
    }
    table.to_string()
}

fn limits(explanation: &Explanation) -> String {
    let lines = explanation.limits.iter().map(|(key, value)| format!("\n  {key} = {value}"));
    format!("Limits:{}", lines.collect::<String>())
}
