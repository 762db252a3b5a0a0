//! `[api.oidc]` as written.
//!
//! Not here: what makes it right (`validate`).

use serde::{Deserialize, Serialize};

/// `[api.oidc]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawOidc {
    /// The provider, as its tokens name it.
    pub issuer: Option<String>,
    /// What the provider calls this client.
    pub client_id: Option<String>,
    /// Where the client's secret is kept.
    pub client_secret_file: Option<String>,
    /// Where the provider sends people back to.
    pub redirect_url: Option<String>,
}
