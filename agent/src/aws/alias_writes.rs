//! Writes to what callers of a function get: versions, and the alias that leads to them.
//!
//! Not here: the memory of `$LATEST` (`writes`), and what is read back (`versions`).

use aws_sdk_lambda::types::{
    AliasRoutingConfiguration, builders::AliasRoutingConfigurationBuilder,
};
use trimtab_policies::operations::{Failure, Receipt, Share};

use super::{Clients, rate};

/// Publishes `$LATEST` if it has this code and is at this revision; Lambda answers with the newest version where nothing
/// has changed since.
pub(super) async fn publish(
    clients: &Clients,
    name: &str,
    (code_sha256, revision_id): (&str, Option<String>),
) -> Result<Receipt, Failure> {
    let call = clients.lambda.publish_version().function_name(name);
    let call = call.code_sha256(code_sha256).set_revision_id(revision_id);
    let api = &rate::PUBLISH_VERSION;
    let made = clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt { created_id: made.version })
}

/// Points the alias at a version. Weights are always sent: left out, those that are set would stay.
pub(super) async fn set_alias(
    clients: &Clients,
    (name, alias): (&str, &str),
    (version, canary): (&str, Option<&Share>),
    revision_id: Option<String>,
) -> Result<Receipt, Failure> {
    let routing = match canary {
        Some(share) => {
            let ratio = f64::from(share.percent) / 100.0;
            no_weights().additional_version_weights(&share.version, ratio)
        }
        None => no_weights(),
    };
    let call = clients.lambda.update_alias().function_name(name).name(alias);
    let call = call.function_version(version).routing_config(routing.build());
    let call = call.set_revision_id(revision_id);
    let api = &rate::UPDATE_ALIAS;
    clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

/// Takes the weights away, if the alias is at this revision. Nothing else is named, so that nothing else changes: where it
/// leads is somebody else's.
pub(super) async fn withdraw_share(
    clients: &Clients,
    (name, alias): (&str, &str),
    revision_id: &str,
) -> Result<Receipt, Failure> {
    let call = clients.lambda.update_alias().function_name(name).name(alias);
    let call = call.routing_config(no_weights().build()).revision_id(revision_id);
    let api = &rate::UPDATE_ALIAS;
    clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

/// A routing configuration that is sent, and empty.
fn no_weights() -> AliasRoutingConfigurationBuilder {
    let none = AliasRoutingConfiguration::builder();
    none.set_additional_version_weights(Some(Default::default()))
}
