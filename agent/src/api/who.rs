//! Whom a credential stands for: resolved anew at each request, by the settings and the journal of that moment.
//!
//! So a revocation, an expiry, a lowered role and a removed person count at once, for open sessions too. Not here: how
//! requests carry credentials (`guard`), and what a person may (`trimtab_policies::authority`).

use jiff::{Timestamp, tz::TimeZone};
use subtle::ConstantTimeEq;
use trimtab_config::Settings;
use trimtab_policies::{
    authority::{Person, Right},
    record::Entry,
    token::{Tokens, admin_in_force},
};

use super::{
    ApiState,
    issued::{self, Misread},
    problem::Problem,
};
use crate::{agent::Agent, ledger::LedgerError};

/// What somebody came with, once it is known to be genuine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// The local token, or an open page.
    Local,
    /// An issued token, by its id.
    Issued(String),
    /// Somebody of an identity provider.
    Identity {
        /// The provider: one's subjects are not another's.
        issuer: String,
        /// What it calls them.
        subject: String,
        /// Their address, if it has verified it.
        email: Option<String>,
    },
}

/// Knows a secret again.
///
/// # Errors
/// 401, saying whether it is cut off, foreign or unknown. Whether an unknown token's id exists is not told.
pub(crate) fn recognise(state: &ApiState, secret: &str) -> Result<Credential, Problem> {
    let secret = secret.trim();
    if state.token.matches(secret) {
        return Ok(Credential::Local);
    }
    let given = issued::read(secret).map_err(|misread| match misread {
        Misread::Slip => Problem::unauthorized(
            "the token is cut off or mistyped, its checksum does not fit: copy it whole",
        ),
        Misread::Foreign => {
            Problem::unauthorized(format!("this is no token of this daemon: {}", hint(state)))
        }
    })?;
    let ledger = state.agent.ledger();
    let known = ledger.book().tokens().get(&given.id);
    let is_it = known.is_some_and(|token| {
        bool::from(token.new.sha256.as_bytes().ct_eq(given.sha256.as_bytes()))
    });
    if !is_it {
        return Err(Problem::unauthorized("this daemon has issued no such token"));
    }
    Ok(Credential::Issued(given.id))
}

/// What to do without a token.
pub(crate) fn hint(state: &ApiState) -> String {
    format!(
        "send `Authorization: Bearer TOKEN`, or sign in at /login; an admin makes tokens with `trimtab token create`, and the \
         local one is in `{}`, which its owner may read",
        state.token.path().display()
    )
}

/// As whom a credential comes in now.
///
/// # Errors
/// 401 when it lets nobody in any more.
pub(crate) fn person(agent: &Agent, credential: &Credential) -> Result<Person, Problem> {
    let settings = agent.settings();
    let now = agent.ports().clock.now();
    let ledger = agent.ledger();
    let tokens = ledger.book().tokens();
    match credential {
        Credential::Local => {
            let admin =
                admin_in_force(tokens, &settings.approvers, now) || admin_by_provider(&settings);
            Ok(Person::local(&settings.approvers, admin))
        }
        Credential::Issued(id) => {
            let token = tokens.get(id);
            let token =
                token.ok_or_else(|| Problem::unauthorized(format!("there is no token {id}")))?;
            token.holder(&settings.approvers, now).map_err(Problem::unauthorized)
        }
        Credential::Identity { issuer, subject, email } => {
            let name = name_of(&settings, (issuer, subject), email.as_deref());
            let approver = name.and_then(|name| settings.approvers.get(name)).ok_or_else(|| {
                Problem::unauthorized(format!(
                    "no [[approver]] of the configuration is `{subject}` of {issuer}: have oidc_subject set"
                ))
            })?;
            Ok(Person::configured(approver))
        }
    }
}

/// The name of somebody of the provider: by subject, else by an address that it has verified.
fn name_of<'a>(
    settings: &'a Settings,
    (issuer, subject): (&str, &str),
    email: Option<&str>,
) -> Option<&'a String> {
    let oidc = settings.api.oidc.as_ref().filter(|oidc| oidc.issuer == issuer)?;
    let by_email = || oidc.emails.get(&email?.to_ascii_lowercase());
    oidc.subjects.get(subject).or_else(by_email)
}

/// Whether some admin signs in by the identity provider and needs no token.
fn admin_by_provider(settings: &Settings) -> bool {
    let Some(oidc) = &settings.api.oidc else { return false };
    let admins = settings.approvers.values().filter(|one| one.role.holds(Right::ManageTokens));
    let known =
        |name: &String| oidc.subjects.values().chain(oidc.emails.values()).any(|one| one == name);
    admins.into_iter().any(|admin| known(&admin.name))
}

/// Whether the use of a credential is news: the first on a day (UTC) is journalled, so that a token's last use is known to
/// a day and no flood of requests fills the disk.
pub(crate) fn is_news(agent: &Agent, credential: &Credential) -> bool {
    let now = agent.ports().clock.now();
    match credential {
        Credential::Local | Credential::Identity { .. } => false,
        Credential::Issued(id) => is_first_today(agent.ledger().book().tokens(), id, now),
    }
}

fn is_first_today(tokens: &Tokens, id: &str, now: Timestamp) -> bool {
    let day = |at: Timestamp| TimeZone::UTC.to_datetime(at).date();
    let used = tokens.get(id).and_then(|token| token.used_at);
    used.is_none_or(|at| day(at) != day(now))
}

/// Journals that a token was used today; what cannot be journalled keeps nobody out, because a full disk must still be stopped.
pub(crate) fn note_use(agent: &Agent, name: &str, credential: &Credential) {
    let Credential::Issued(id) = credential else { return };
    let now = agent.ports().clock.now();
    let mut ledger = agent.ledger();
    // Another request may have been faster.
    if !is_first_today(ledger.book().tokens(), id, now) {
        return;
    }
    let noted: Result<u64, LedgerError> =
        ledger.record(now, name, Entry::TokenUsed { id: id.clone() });
    if let Err(error) = noted {
        tracing::warn!(
            error = format!("{error:#}"),
            token = id,
            "the use of a token could not be journalled"
        );
    }
}
