//! Whose credentials a call is made with: the agent's own, or a role of the customer's account.
//!
//! Not here: which account may be changed at all (`policies`).

use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::imds;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::{IdentityCache, SharedCredentialsProvider};

use super::{AccountAccess, error::Identity};

/// What a set of credentials is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// Reads: repeated by the SDK, at a pace that falls when AWS throttles.
    Read,
    /// Writes: sent once, whatever happens. Only the journalled engine repeats.
    Write,
}

impl Purpose {
    /// The session name, by which CloudTrail tells these calls apart.
    const fn session_name(self) -> &'static str {
        match self {
            Self::Read => "trimtab-read",
            Self::Write => "trimtab-apply",
        }
    }

    pub(super) fn role(self, access: &AccountAccess) -> Option<&String> {
        let read = access.role_arn.as_ref();
        match self {
            Self::Read => read,
            Self::Write => access.apply_role_arn.as_ref().or(read),
        }
    }

    const fn role_key(self) -> &'static str {
        match self {
            Self::Read => "role_arn",
            Self::Write => "apply_role_arn",
        }
    }
}

/// A connection is made within 3.1 s (the SDK's own default: one lost packet is sent again after 3 s).
const CONNECT_MAX: Duration = Duration::from_millis(3_100);
/// One attempt, from sending to the last byte of the answer.
const ATTEMPT_MAX: Duration = Duration::from_secs(30);
/// All attempts of one call together.
const OPERATION_MAX: Duration = Duration::from_secs(60);

/// Credentials are there within this time or not at all; assuming a role takes one call of STS, retried twice.
const CREDENTIALS_MAX: Duration = Duration::from_secs(8);

/// The machine's metadata service answers in milliseconds where there is one. One attempt of a second each to connect
/// and to read: a machine outside EC2 must not spend half a minute to find that it has no credentials.
const METADATA_MAX: Duration = Duration::from_secs(1);

/// How Trimtab's calls name themselves: CloudTrail shows it as part of each call's user agent.
const APP_NAME: &str = concat!("trimtab-", env!("CARGO_PKG_VERSION"));

/// The SDK's defaults as of 12 January 2026, so that an update of the crates changes none of them unseen.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// The settings that every client shares, with the agent's own credentials: those given, or the SDK's usual places.
///
/// Nothing is asked over the network here: the region is given, and credentials are looked for at the first call.
pub(super) async fn base(
    endpoint_url: Option<&str>,
    region: &str,
    own: Option<SharedCredentialsProvider>,
) -> SdkConfig {
    let region = Region::new(region.to_owned());
    let own = match own {
        Some(own) => own,
        None => usual_places(region.clone()).await,
    };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_MAX)
        .operation_attempt_timeout(ATTEMPT_MAX)
        .operation_timeout(OPERATION_MAX)
        .build();
    let name = AppName::new(APP_NAME).expect("letters, digits, dashes and dots make a name");
    let mut loader = aws_config::defaults(behavior())
        .region(region)
        .app_name(name)
        .credentials_provider(own)
        .identity_cache(identity_cache())
        .timeout_config(timeouts)
        .retry_config(retries());
    if let Some(url) = endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

/// Environment, profile, web identity, container, and the machine's metadata service, in this order.
async fn usual_places(region: Region) -> SharedCredentialsProvider {
    let metadata = imds::Client::builder()
        .max_attempts(1)
        .connect_timeout(METADATA_MAX)
        .read_timeout(METADATA_MAX)
        .build();
    let chain = DefaultCredentialsChain::builder().region(region).imds_client(metadata);
    SharedCredentialsProvider::new(chain.build().await)
}

/// Three attempts with growing pauses. Not the SDK's adaptive mode: it brakes all calls of a service for one that is
/// throttled (two throttles cost the next reads half a minute), while `rate` already slows down the one that is.
fn retries() -> RetryConfig {
    RetryConfig::standard()
}

fn identity_cache() -> aws_sdk_ec2::config::SharedIdentityCache {
    IdentityCache::lazy().load_timeout(CREDENTIALS_MAX).build()
}

/// The credentials of an account for one purpose; `None` for the agent's own.
pub(super) async fn provider(
    base: &SdkConfig,
    access: &AccountAccess,
    purpose: Purpose,
) -> Option<SharedCredentialsProvider> {
    let role = purpose.role(access)?;
    let mut builder =
        AssumeRoleProvider::builder(role).session_name(purpose.session_name()).configure(base);
    if let Some(id) = &access.external_id {
        builder = builder.external_id(id);
    }
    Some(SharedCredentialsProvider::new(builder.build().await))
}

/// The settings of the clients of one region and purpose.
pub(super) fn config(
    base: &SdkConfig,
    region: &str,
    purpose: Purpose,
    provider: Option<SharedCredentialsProvider>,
) -> SdkConfig {
    let mut builder = base.clone().into_builder().region(Region::new(region.to_owned()));
    if let Some(provider) = provider {
        builder = builder.credentials_provider(provider);
    }
    match purpose {
        Purpose::Read => builder.build(),
        Purpose::Write => builder.retry_config(RetryConfig::disabled()).build(),
    }
}

/// Whom an error message names.
pub(super) fn identity(
    access: &AccountAccess,
    purpose: Purpose,
    endpoint_url: Option<&str>,
) -> Identity {
    Identity {
        account: access.id.clone(),
        role: purpose.role(access).cloned(),
        role_key: purpose.role_key(),
        endpoint: endpoint_url.map(str::to_owned),
    }
}
