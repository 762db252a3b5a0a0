//! What is asked of the identity provider: where it is, tokens for a code, and its keys; and what of an id token is believed.
//!
//! Nothing is cached: people sign in rarely, and a withdrawn key counts at once. Not here: whom a subject stands for (`who`).

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use reqwest::{Client, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use thiserror::Error;
use trimtab_config::{OidcSettings, is_unread_on_the_way};

/// A provider that takes longer is down.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How far its clock may be from ours, seconds.
const LEEWAY_S: u64 = 60;
/// Signatures that need the provider's private key: what anybody with a public one can make is not among them.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];

/// Why nobody is signed in by the provider.
#[derive(Debug, Error)]
pub(crate) enum OidcError {
    /// The provider.
    #[error("the identity provider did not answer `{url}` as it should")]
    Provider {
        /// What was asked for.
        url: String,
        /// What the client met.
        #[source]
        source: reqwest::Error,
    },
    /// Another issuer than the settings'.
    #[error(
        "the identity provider calls itself `{found}` and not `{expected}`: mend api.oidc.issuer"
    )]
    Issuer {
        /// What it says.
        found: String,
        /// What the settings say.
        expected: String,
    },
    /// A way on which somebody could read along.
    #[error(
        "the identity provider's {what} `{url}` is neither https nor on this machine: have it mended there"
    )]
    Unsafe {
        /// What is asked for there.
        what: &'static str,
        /// Where.
        url: String,
    },
    /// The secret's file.
    #[error("the client secret `{path}` cannot be read")]
    Secret {
        /// The file.
        path: std::path::PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The code.
    #[error("the identity provider does not take the code: begin again at /login")]
    Code,
    /// The id token.
    #[error("the identity provider's token is not good: {0}")]
    Token(String),
    /// No HTTP client.
    #[error("no HTTP client could be made")]
    Client(#[source] reqwest::Error),
}

impl OidcError {
    /// Whether the provider did not take what was asked: 400 is `invalid_grant`, and no fault of the settings; a wrong client or
    /// secret is 401 (RFC 6749, section 5.2).
    fn is_of_the_code(&self) -> bool {
        matches!(self, Self::Provider { source, .. } if source.status() == Some(StatusCode::BAD_REQUEST))
    }
}

/// Where the provider is asked what.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Endpoints {
    issuer: String,
    pub(crate) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

/// What is believed of an id token.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
}

impl Claims {
    /// The address, where the provider has verified that it is theirs.
    pub(crate) fn verified_email(&self) -> Option<String> {
        self.email.clone().filter(|_| self.email_verified)
    }
}

/// A code, and what proves that it is ours.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) code: &'a str,
    pub(crate) verifier: &'a str,
    pub(crate) nonce: &'a str,
}

fn client() -> Result<Client, OidcError> {
    // Nobody but the provider hears of codes and secrets, the environment's proxies included.
    let builder = Client::builder().no_proxy().timeout(TIMEOUT);
    let builder = builder.redirect(reqwest::redirect::Policy::none());
    builder.build().map_err(OidcError::Client)
}

async fn fetched<T: DeserializeOwned>(
    request: reqwest::RequestBuilder,
    url: &str,
) -> Result<T, OidcError> {
    let failed = |source| OidcError::Provider { url: url.to_owned(), source };
    let response = request.send().await.and_then(reqwest::Response::error_for_status);
    response.map_err(failed)?.json().await.map_err(failed)
}

/// Asks the provider where it is asked what.
pub(crate) async fn discover(settings: &OidcSettings) -> Result<Endpoints, OidcError> {
    let url = format!("{}/.well-known/openid-configuration", settings.issuer.trim_end_matches('/'));
    let endpoints: Endpoints = fetched(client()?.get(&url), &url).await?;
    if endpoints.issuer != settings.issuer {
        let (found, expected) = (endpoints.issuer, settings.issuer.clone());
        return Err(OidcError::Issuer { found, expected });
    }
    for (what, url) in [
        ("authorization_endpoint", &endpoints.authorization_endpoint),
        ("token_endpoint", &endpoints.token_endpoint),
        ("jwks_uri", &endpoints.jwks_uri),
    ] {
        if !is_unread_on_the_way(url) {
            return Err(OidcError::Unsafe { what, url: url.clone() });
        }
    }
    Ok(endpoints)
}

/// Exchanges a code for an id token, and tells what it says once everything about it is right.
pub(crate) async fn claims(
    settings: &OidcSettings,
    endpoints: &Endpoints,
    exchange: Exchange<'_>,
) -> Result<Claims, OidcError> {
    #[derive(Deserialize)]
    struct Tokens {
        id_token: String,
    }
    let path = &settings.client_secret_file;
    let secret = std::fs::read_to_string(path)
        .map_err(|source| OidcError::Secret { path: path.clone(), source })?;
    let client = client()?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", exchange.code),
        ("redirect_uri", &settings.redirect_url),
        ("code_verifier", exchange.verifier),
    ];
    let url = &endpoints.token_endpoint;
    let request = client.post(url).basic_auth(&settings.client_id, Some(secret.trim())).form(&form);
    let tokens: Result<Tokens, OidcError> = fetched(request, url).await;
    let refused = |error: OidcError| if error.is_of_the_code() { OidcError::Code } else { error };
    let Tokens { id_token } = tokens.map_err(refused)?;
    let keys: JwkSet = fetched(client.get(&endpoints.jwks_uri), &endpoints.jwks_uri).await?;
    verified(settings, &keys, &id_token, exchange.nonce).map_err(OidcError::Token)
}

/// The claims of a token that this provider signed, for us, now, and in answer to our own request.
fn verified(
    settings: &OidcSettings,
    keys: &JwkSet,
    token: &str,
    nonce: &str,
) -> Result<Claims, String> {
    let words = |error: jsonwebtoken::errors::Error| error.to_string();
    let header = decode_header(token).map_err(words)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(format!("it is signed by {:?}, not by RS256 or ES256", header.alg));
    }
    let key = match &header.kid {
        Some(kid) => keys.find(kid),
        None => keys.keys.first().filter(|_| keys.keys.len() == 1),
    };
    let key = key.ok_or("it is signed by a key that the provider does not publish")?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = DecodingKey::from_jwk(key).map_err(words)?;
    let claims = decode::<Claims>(token, &key, &validation).map_err(words)?.claims;
    if claims.nonce.as_deref() != Some(nonce) {
        return Err("it does not answer this request: its nonce is another".to_owned());
    }
    if claims.azp.as_ref().is_some_and(|azp| *azp != settings.client_id) {
        return Err("it was issued to another client".to_owned());
    }
    Ok(claims)
}
