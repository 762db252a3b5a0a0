//! Tokens over the API: made, listed and revoked. A token's text is in one answer and nowhere else.
//!
//! Not here: what a token carries (`trimtab_policies::token`), and how one is recognised (`who`).

use axum::{Extension, Json, extract::State, http::StatusCode};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_policies::{
    authority::{Right, Role},
    record::Entry,
    token::{NewToken, Token, reason_not_creatable},
};

use super::{
    ApiState,
    asked::{Body, Id},
    guard::Caller,
    issued,
    problem::Problem,
    queries::off_thread,
};
use crate::{agent::Agent, decide::DecideError};

/// `GET /api/v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokensBody {
    /// By name, then by when they were made.
    pub tokens: Vec<TokenView>,
}

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenView {
    /// The visible part in front.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// The role that it carries.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it ends; `None` until it is revoked.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was first used on the last day on which it was used.
    pub used_at: Option<Timestamp>,
    /// Why it lets nobody in; `None` while it does.
    pub dead: Option<String>,
}

impl TokenView {
    fn of(agent: &Agent, token: &Token) -> Self {
        let now = agent.ports().clock.now();
        let NewToken { id, name, role, expires_at, .. } = &token.new;
        Self {
            id: id.clone(),
            name: name.clone(),
            role: *role,
            created_at: token.created_at,
            created_by: token.created_by.clone(),
            expires_at: *expires_at,
            revoked_at: token.revoked.as_ref().map(|(at, _)| *at),
            used_at: token.used_at,
            dead: token.reason_dead(&agent.settings().approvers, now),
        }
    }
}

/// The answer to `POST /api/v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedToken {
    /// The token itself, which is not shown again.
    pub secret: String,
    /// What is kept of it.
    #[serde(flatten)]
    pub token: TokenView,
}

pub(super) async fn get_tokens(State(state): State<ApiState>) -> Json<TokensBody> {
    let known: Vec<Token> = state.agent.ledger().book().tokens().values().cloned().collect();
    let mut tokens: Vec<_> = known.iter().map(|token| TokenView::of(&state.agent, token)).collect();
    tokens.sort_by(|one, other| (&one.name, one.created_at).cmp(&(&other.name, other.created_at)));
    Json(TokensBody { tokens })
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TokenBody {
    /// Whose it is.
    name: String,
    /// The role that it carries.
    role: Option<Role>,
    /// When it ends; never when it is not said.
    expires_at: Option<Timestamp>,
    /// How long it lasts, seconds, instead of when it ends.
    lasts_s: Option<u32>,
}

pub(super) async fn post_tokens(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Body(TokenBody { name, role, expires_at, lasts_s }): Body<TokenBody>,
) -> Result<(StatusCode, Json<CreatedToken>), Problem> {
    let role = role.ok_or_else(|| {
        Problem::bad_request("`role` is missing: viewer, approver, operator or admin")
    })?;
    let now = state.agent.ports().clock.now();
    let expires_at = match (expires_at, lasts_s) {
        (Some(_), Some(_)) => {
            return Err(Problem::bad_request("give `expires_at` or `lasts_s`, not both"));
        }
        (at, None) => at,
        (None, Some(seconds)) => Some(now + SignedDuration::from_secs(seconds.into())),
    };
    let asked = move || create(&state.agent, &caller, (name, role), expires_at);
    Ok((StatusCode::CREATED, Json(off_thread(asked).await??)))
}

fn create(
    agent: &Agent,
    caller: &Caller,
    (name, role): (String, Role),
    expires_at: Option<Timestamp>,
) -> Result<CreatedToken, Problem> {
    let now = agent.ports().clock.now();
    let approvers = &agent.settings().approvers;
    if let Some(reason) = reason_not_creatable(approvers, (&name, role), expires_at, now) {
        return Err(DecideError::Refused(reason).into());
    }
    let issued = issued::issue().map_err(Problem::internal)?;
    let new = NewToken { id: issued.id, sha256: issued.sha256, name, role, expires_at };
    let mut ledger = agent.ledger();
    if ledger.book().tokens().contains_key(&new.id) {
        let taken = format!("a token that begins with {} is there already: ask again", new.id);
        return Err(DecideError::Refused(taken).into());
    }
    let entry = Entry::TokenCreated { token: new.clone() };
    ledger.record(now, caller.name(), entry).map_err(Problem::internal)?;
    drop(ledger);
    if caller.person.lent.contains(&Right::ManageTokens) {
        tracing::warn!(
            token = new.id,
            name = new.name,
            role = new.role.as_str(),
            "the local token made a token, because no admin's token is in force: make one for an admin"
        );
    }
    let token = TokenView::of(agent, &Token::made(new, now, caller.name()));
    Ok(CreatedToken { secret: issued.text, token })
}

pub(super) async fn post_revoke(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
) -> Result<Json<TokensBody>, Problem> {
    Ok(Json(off_thread(move || revoke(&state, &caller, &id)).await??))
}

/// Revokes a token by its id, or all of somebody's by their name; sessions that were opened with one end.
fn revoke(state: &ApiState, caller: &Caller, sought: &str) -> Result<TokensBody, Problem> {
    let agent = &state.agent;
    let now = agent.ports().clock.now();
    let mut ledger = agent.ledger();
    let is_meant = |token: &&Token| {
        (token.new.id == sought || token.new.name == sought) && token.revoked.is_none()
    };
    let ids: Vec<String> = ledger
        .book()
        .tokens()
        .values()
        .filter(is_meant)
        .map(|token| token.new.id.clone())
        .collect();
    if ids.is_empty() {
        return Err(Problem::not_found(format!(
            "there is no token `{sought}`, and nobody of that name has one that is not revoked: list them with `trimtab token list`"
        )));
    }
    for id in &ids {
        let entry = Entry::TokenRevoked { id: id.clone() };
        ledger.record(now, caller.name(), entry).map_err(Problem::internal)?;
    }
    let revoked: Vec<Token> =
        ids.iter().filter_map(|id| ledger.book().tokens().get(id).cloned()).collect();
    drop(ledger);
    Ok(TokensBody { tokens: revoked.iter().map(|token| TokenView::of(agent, token)).collect() })
}
