//! Signing in by an identity provider: authorization code with PKCE, bound to the browser that asked and used once.
//!
//! Not here: what is asked of the provider and believed of its token (`provider`), and whom it stands for (`who`).

mod provider;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Url;
use tokio::time::Instant;
use trimtab_config::OidcSettings;

use self::provider::{Endpoints, Exchange, claims, discover};
use super::{
    ApiState,
    problem::Problem,
    token::{digest, new_secret},
    who::Credential,
};

use self::provider::{Claims, OidcError};

/// How long somebody may take at the provider.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// Logins under way at once; the oldest gives way.
const PENDING_MAX: usize = 64;

/// The cookie of a login while it is under way.
const COOKIE: &str = "trimtab_login";
/// The same over TLS: browsers take it from this host alone.
const SECURE_COOKIE: &str = "__Host-trimtab_login";

/// A login under way.
#[derive(Debug)]
struct Pending {
    begun: Instant,
    nonce: String,
    verifier: String,
    endpoints: Endpoints,
    /// The settings that it began by: what one provider says is no answer to what another was asked.
    settings: OidcSettings,
}

/// Every login under way, by its state.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    pending: Mutex<BTreeMap<String, Pending>>,
}

/// Where a browser is sent, and the state that it keeps.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) url: String,
    pub(crate) state: String,
}

impl Logins {
    /// Begins a login.
    pub(crate) async fn begin(&self, settings: &OidcSettings) -> Result<Begun, anyhow::Error> {
        let endpoints = discover(settings).await?;
        let (state, nonce, verifier) = (new_secret("")?, new_secret("")?, new_secret("")?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&verifier));
        let mut url = Url::parse(&endpoints.authorization_endpoint)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &settings.redirect_url)
            .append_pair("scope", "openid email")
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let (begun, settings) = (Instant::now(), settings.clone());
        self.keep(state.clone(), Pending { begun, nonce, verifier, endpoints, settings });
        Ok(Begun { url: url.into(), state })
    }

    fn keep(&self, state: String, one: Pending) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|_, one| one.begun.elapsed() < PATIENCE);
        while pending.len() >= PENDING_MAX {
            let oldest =
                pending.iter().min_by_key(|(_, one)| one.begun).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            pending.remove(&oldest);
        }
        pending.insert(state, one);
    }

    /// Ends a login: what the provider says of whoever came back. `None` when no such login is under way.
    pub(crate) async fn end(
        &self,
        settings: &OidcSettings,
        state: &str,
        code: &str,
    ) -> Option<Result<Claims, OidcError>> {
        let one = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.remove(state)?
        };
        if one.begun.elapsed() >= PATIENCE || one.settings != *settings {
            return None;
        }
        let exchange = Exchange { code, verifier: &one.verifier, nonce: &one.nonce };
        Some(claims(settings, &one.endpoints, exchange).await)
    }
}

impl ApiState {
    /// Whether people can sign in by an identity provider.
    pub(crate) fn has_provider(&self) -> bool {
        self.agent.settings().api.oidc.is_some()
    }

    /// The name of the cookie that a login under way is known by.
    pub(crate) fn login_cookie(&self) -> &'static str {
        if self.is_login_secure() { SECURE_COOKIE } else { COOKIE }
    }

    /// Whether the browser comes back over TLS, be it ours or that of what stands before us.
    pub(crate) fn is_login_secure(&self) -> bool {
        let settings = self.agent.settings();
        let oidc = settings.api.oidc.as_ref();
        self.is_secure() || oidc.is_some_and(|oidc| oidc.redirect_url.starts_with("https://"))
    }

    /// Begins a login by the identity provider.
    ///
    /// # Errors
    /// 404 without one, 503 when it does not answer.
    pub(crate) async fn begin_login(&self) -> Result<Begun, Problem> {
        let settings = self.agent.settings();
        let oidc = settings.api.oidc.as_ref().ok_or_else(no_provider)?;
        self.logins.begin(oidc).await.map_err(unavailable)
    }

    /// Ends one: signs in whoever comes back, if they are configured.
    ///
    /// # Errors
    /// 401 when they are not, 403 when no such login is under way, 503 when the provider does not answer.
    pub(crate) async fn end_login(&self, login: &str, code: &str) -> Result<String, Problem> {
        let settings = self.agent.settings();
        let oidc = settings.api.oidc.as_ref().ok_or_else(no_provider)?;
        let claims = self.logins.end(oidc, login, code).await.ok_or_else(|| {
            Problem::forbidden("no such login is under way any more: begin again at /login")
        })?;
        let claims = claims.map_err(|error| match error {
            OidcError::Token(_) | OidcError::Code => {
                tracing::info!(%error, "nobody was signed in by the identity provider");
                Problem::unauthorized(error.to_string())
            }
            OidcError::Provider { .. }
            | OidcError::Issuer { .. }
            | OidcError::Unsafe { .. }
            | OidcError::Secret { .. }
            | OidcError::Client(_) => unavailable(error.into()),
        })?;
        let (email, issuer, subject) =
            (claims.verified_email(), oidc.issuer.clone(), claims.sub.clone());
        let opened = self.open_session(Credential::Identity { issuer, subject, email }).await;
        opened.inspect_err(|problem| {
            tracing::warn!(
                subject = claims.sub,
                detail = problem.detail,
                "somebody of the identity provider was not let in"
            );
        })
    }
}

fn no_provider() -> Problem {
    Problem::not_found("no identity provider is configured: sign in by a token at /login")
}

/// What the provider answered is for the operator's log; whoever signs in is told that it is not their doing.
fn unavailable(error: anyhow::Error) -> Problem {
    tracing::error!(error = format!("{error:#}"), "nobody can sign in by the identity provider");
    Problem::not_ready(
        "the identity provider cannot be used now, and the daemon's log says why: try later, or use a token",
    )
}
