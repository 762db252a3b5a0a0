//! Tokens of people: made, listed and revoked through the daemon.
//!
//! Not here: what a token carries (`trimtab_policies::token`).

use clap::Subcommand;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use trimtab_policies::authority::Role;

use super::{
    client::{CliError, Client},
    out::{print, print_json},
    tables::table,
};
use crate::{
    api::{CreatedToken, TokenView, TokensBody},
    words,
};

/// What to do with tokens.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make a token for a person of the configuration; it is shown once.
    Create {
        /// The name of an [[approver]].
        name: String,
        /// What it carries: at most the role of that [[approver]].
        #[arg(long, value_parser = role)]
        role: Role,
        /// When it ends: a date (midnight UTC), a time, or a duration such as 90d or 12h; never by default.
        #[arg(long, value_parser = end, value_name = "DATE|DURATION")]
        expires: Option<End>,
    },
    /// Every token, without its secret.
    List,
    /// Revoke a token at once, or all of somebody's; sessions opened with it end.
    Revoke {
        /// The visible part in front of a token, or a name.
        #[arg(value_name = "PREFIX_OR_NAME")]
        token: String,
    },
}

/// When a token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// At this time.
    At(Timestamp),
    /// So many seconds after it was made, by the daemon's clock.
    After(u64),
}

/// Runs a command.
pub(super) async fn run(
    command: TokenCommand,
    client: &Client,
    as_json: bool,
) -> Result<(), CliError> {
    match command {
        TokenCommand::Create { name, role, expires } => {
            let mut body = json!({ "name": name, "role": role });
            match expires {
                Some(End::At(at)) => body["expires_at"] = json!(at),
                Some(End::After(seconds)) => body["lasts_s"] = json!(seconds),
                None => {}
            }
            let created: CreatedToken = client.post(&["tokens"], &body).await?;
            if as_json { print_json(&created)? } else { print(&told(&created))? }
        }
        TokenCommand::List => {
            let body: TokensBody = client.get(&["tokens"], &[]).await?;
            if as_json { print_json(&body)? } else { print(&listed(&body.tokens))? }
        }
        TokenCommand::Revoke { token } => {
            let body: TokensBody = client.post(&["tokens", &token, "revoke"], &Value::Null).await?;
            if as_json {
                print_json(&body)?;
            } else {
                let line = |one: &TokenView| format!("{} of {} is revoked", one.id, one.name);
                print(&body.tokens.iter().map(line).collect::<Vec<_>>().join("\n"))?;
            }
        }
    }
    Ok(())
}

fn told(created: &CreatedToken) -> String {
    let TokenView { id, name, role, expires_at, .. } = &created.token;
    let until = expires_at.map_or_else(
        || format!("until `trimtab token revoke {id}`"),
        |at| format!("until {}", words::time(at)),
    );
    format!(
        "{}\n{name} comes in with it as {role}, {until}. It is not shown again.",
        created.secret
    )
}

fn listed(tokens: &[TokenView]) -> String {
    if tokens.is_empty() {
        return "No token has been made: `trimtab token create NAME --role ROLE` makes one."
            .to_owned();
    }
    let mut table = table(&["Token", "Name", "Role", "Made", "Ends", "Last used", "Now"]);
    let time = |at: Option<Timestamp>, none: &str| at.map_or_else(|| none.to_owned(), words::time);
    for token in tokens {
        table.add_row([
            token.id.clone(),
            token.name.clone(),
            token.role.to_string(),
            format!("{} by {}", words::time(token.created_at), token.created_by),
            time(token.expires_at, "when revoked"),
            time(token.used_at, "never"),
            token.dead.clone().unwrap_or_else(|| "good".to_owned()),
        ]);
    }
    table.to_string()
}

fn role(text: &str) -> Result<Role, String> {
    let found = Role::ALL.into_iter().find(|role| role.as_str() == text);
    found.ok_or_else(|| format!("not one of {}", Role::ALL.map(Role::as_str).join(", ")))
}

fn end(text: &str) -> Result<End, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(End::At(at));
    }
    let midnight = text.parse::<Date>().ok().and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    if let Some(midnight) = midnight {
        return Ok(End::At(midnight.timestamp()));
    }
    let seconds = |suffix, unit_s: u64| {
        let count = text.strip_suffix(suffix)?.parse::<u64>().ok()?;
        count.checked_mul(unit_s).filter(|seconds| *seconds > 0)
    };
    seconds('d', 86_400).or_else(|| seconds('h', 3_600)).map(End::After).ok_or_else(|| {
        "neither a date such as 2027-01-31, a time such as 2027-01-31T12:00:00Z, nor a duration such as 90d or 12h"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_in_words() {
        let midnight = "2027-01-31T00:00:00Z".parse().expect("a time");
        for (text, expect) in [
            ("2027-01-31", Some(End::At(midnight))),
            ("2027-01-31T00:00:00Z", Some(End::At(midnight))),
            ("90d", Some(End::After(7_776_000))),
            ("12h", Some(End::After(43_200))),
            ("0d", None),
            ("d", None),
            ("1w", None),
            ("-1h", None),
            ("tomorrow", None),
            ("99999999999999999999d", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(end(text).ok(), expect, "{text}");
        }
        assert_eq!(role("admin"), Ok(Role::Admin));
        assert!(role("root").is_err_and(|why| why.contains("viewer, approver, operator, admin")));
    }
}
