//! Published versions of a function, its aliases and its provisioned concurrency: what callers get beside `$LATEST`.
//!
//! Environments may hold secrets, so that two configurations are compared here and only the names of the parts that differ
//! leave this file. Not here: `$LATEST` itself and tags (`functions`), and writes (`alias_writes`).

use std::collections::BTreeMap;

use aws_sdk_lambda::types::{AliasConfiguration, FunctionConfiguration};
use trimtab_models::resource::{Alias, Published};
use trimtab_policies::operations::{Failure, FailureKind};

use super::{Clients, count, pages, rate};

/// The version that every change goes to.
pub(super) const LATEST: &str = "$LATEST";

/// What stands for a state that a list does not give.
pub(super) const NOT_LISTED: &str = "unknown";

/// What callers of a function may get beside `$LATEST`.
#[derive(Debug, Default)]
pub(super) struct Serving {
    pub(super) aliases: Vec<Alias>,
    pub(super) served: Option<Published>,
    pub(super) newest: Option<Published>,
    pub(super) provisioned: Option<Vec<String>>,
    pub(super) published_versions: u32,
}

/// Reads it, from the configurations of all versions and of `$LATEST`.
///
/// Without a published version an alias can only stand for `$LATEST`, so none is asked for; provisioned concurrency is
/// asked for where there is exactly one alias, because nothing else is changed.
pub(super) async fn serving(
    clients: &Clients,
    name: &str,
    versions: &[FunctionConfiguration],
) -> Result<Serving, Failure> {
    let published = || versions.iter().filter(|one| one.version() != Some(LATEST));
    let published_versions = u32::try_from(published().count()).unwrap_or(u32::MAX);
    if published_versions == 0 {
        return Ok(Serving::default());
    }
    let aliases = aliases(clients, name).await?;
    let mut serving = Serving { aliases, published_versions, ..Serving::default() };
    let [alias] = serving.aliases.as_slice() else { return Ok(serving) };
    let latest = versions.iter().find(|one| one.version() == Some(LATEST));
    let shown = |one: &FunctionConfiguration| shown(one, latest);
    let served = published().find(|one| one.version() == Some(&alias.version));
    serving.served = served.map(shown);
    serving.newest = published().map(shown).max_by_key(Published::number);
    serving.provisioned = provisioned(clients, name).await?;
    Ok(serving)
}

/// The same with the state of the newest version, which no list tells, where callers do not get it yet.
pub(super) async fn with_state(
    clients: &Clients,
    name: &str,
    mut serving: Serving,
) -> Result<Serving, Failure> {
    let served = serving.served.as_ref().map(|one| one.version.clone());
    if let Some(newest) =
        serving.newest.as_mut().filter(|one| Some(&one.version) != served.as_ref())
    {
        let api = &rate::GET_FUNCTION;
        let call = clients.lambda.get_function_configuration();
        let call = call.function_name(name).qualifier(&newest.version);
        let answer =
            clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await;
        let state = match &answer {
            Ok(from) => from.state().map_or(NOT_LISTED, |state| state.as_str()),
            // Somebody deleted it since it was listed; the function itself is there.
            Err(failure) if failure.kind == FailureKind::NotFound => NOT_LISTED,
            Err(failure) => return Err(failure.clone()),
        };
        state.clone_into(&mut newest.state);
    }
    Ok(serving)
}

fn shown(one: &FunctionConfiguration, latest: Option<&FunctionConfiguration>) -> Published {
    let differs =
        latest.map_or_else(|| vec!["everything".to_owned()], |latest| differs(latest, one));
    Published {
        version: one.version().unwrap_or_default().to_owned(),
        memory_mb: count(one.memory_size().unwrap_or_default()),
        code_sha256: one.code_sha256().map(str::to_owned),
        state: one.state().map_or(NOT_LISTED, |state| state.as_str()).to_owned(),
        differs,
    }
}

/// The parts of two configurations, beside code, memory and description, that are not the same.
fn differs(latest: &FunctionConfiguration, version: &FunctionConfiguration) -> Vec<String> {
    let both = parts(latest).into_iter().zip(parts(version));
    let apart = both.filter(|((_, left), (_, right))| left != right);
    let mut names: Vec<String> = apart.map(|((name, _), _)| name.to_owned()).collect();
    names.extend([latest, version].into_iter().filter_map(unreadable).map(str::to_owned));
    names.dedup();
    names
}

/// What Lambda does not show to a role without the right to its key: unread is never the same.
fn unreadable(of: &FunctionConfiguration) -> Option<&'static str> {
    let environment = of.environment().is_some_and(|it| it.error().is_some());
    let image = of.image_config_response().is_some_and(|it| it.error().is_some());
    match (environment, image) {
        (true, _) => Some("environment that cannot be read"),
        (false, true) => Some("image settings that cannot be read"),
        (false, false) => None,
    }
}

/// Each part in a form that compares: what is absent and what is empty are the same.
fn parts(of: &FunctionConfiguration) -> [(&'static str, String); 18] {
    let environment = of.environment().and_then(|it| it.variables());
    let variables: BTreeMap<_, _> = environment.into_iter().flatten().collect();
    let layers: Vec<_> = of.layers().iter().map(|layer| layer.arn()).collect();
    let network = of.vpc_config().filter(|it| !it.subnet_ids().is_empty());
    let network = network
        .map(|it| (it.subnet_ids(), it.security_group_ids(), it.ipv6_allowed_for_dual_stack()));
    let image = of.image_config_response().and_then(|it| it.image_config());
    let dead_letters = of.dead_letter_config().and_then(|it| it.target_arn());
    let snap_start = of.snap_start().and_then(|it| it.apply_on()).map(|it| it.as_str());
    let text = |part: &dyn std::fmt::Debug| format!("{part:?}");
    [
        ("role", text(&of.role())),
        ("handler", text(&of.handler())),
        ("runtime", text(&of.runtime())),
        ("timeout", text(&of.timeout())),
        ("environment", text(&variables)),
        ("encryption key", text(&of.kms_key_arn())),
        ("layers", text(&layers)),
        ("network", text(&network)),
        ("dead-letter queue", text(&dead_letters)),
        ("tracing", text(&of.tracing_config().and_then(|it| it.mode()))),
        ("file systems", text(&of.file_system_configs())),
        ("package type", text(&of.package_type())),
        ("image", text(&image)),
        ("architectures", text(&of.architectures())),
        ("ephemeral storage", text(&of.ephemeral_storage().map(|it| it.size()))),
        ("snapshots", text(&snap_start.filter(|on| *on != "None"))),
        ("logging", text(&of.logging_config())),
        ("execution", text(&(of.tenancy_config(), of.durable_config()))),
    ]
}

async fn aliases(clients: &Clients, name: &str) -> Result<Vec<Alias>, Failure> {
    let api = &rate::LIST_ALIASES;
    let fetch = async |marker: Option<String>| {
        let call = clients.lambda.list_aliases().function_name(name).set_marker(marker);
        let page =
            clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
        Ok((page.aliases.unwrap_or_default(), page.next_marker))
    };
    let aliases = pages((api, name), fetch).await?;
    Ok(aliases.into_iter().filter_map(alias).collect())
}

fn alias(from: AliasConfiguration) -> Option<Alias> {
    let weights = from.routing_config().and_then(|it| it.additional_version_weights());
    let weights = weights.into_iter().flatten().map(|(version, ratio)| (version.clone(), *ratio));
    Some(Alias {
        weights: weights.collect(),
        version: from.function_version().unwrap_or_default().to_owned(),
        revision_id: from.revision_id().map(str::to_owned),
        name: from.name?,
    })
}

/// Every version of a function.
pub(super) async fn versions(
    clients: &Clients,
    name: &str,
) -> Result<Vec<FunctionConfiguration>, Failure> {
    let api = &rate::LIST_VERSIONS;
    let fetch = async |marker: Option<String>| {
        let call = clients.lambda.list_versions_by_function();
        let call = call.function_name(name).set_marker(marker);
        let page =
            clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
        Ok((page.versions.unwrap_or_default(), page.next_marker))
    };
    pages((api, name), fetch).await
}

/// Aliases and versions with provisioned concurrency; `None` where the role may not ask, so that the rest is still seen.
async fn provisioned(clients: &Clients, name: &str) -> Result<Option<Vec<String>>, Failure> {
    let api = &rate::LIST_PROVISIONED;
    let fetch = async |marker: Option<String>| {
        let call = clients.lambda.list_provisioned_concurrency_configs();
        let call = call.function_name(name).set_marker(marker);
        let page =
            clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
        Ok((page.provisioned_concurrency_configs.unwrap_or_default(), page.next_marker))
    };
    let found = match pages((api, name), fetch).await {
        Ok(found) => found,
        Err(failure) if failure.kind == FailureKind::Denied => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let qualifier = |arn: &str| arn.split(':').nth(7).unwrap_or(LATEST).to_owned();
    let on = found.iter().map(|one| qualifier(one.function_arn().unwrap_or_default()));
    Ok(Some(on.collect()))
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::{EnvironmentError, EnvironmentResponse, VpcConfigResponse};

    use super::*;

    #[test]
    fn parts_that_differ_are_named_and_never_shown() {
        let variables =
            |value: &str| EnvironmentResponse::builder().variables("KEY", value).build();
        let base = || FunctionConfiguration::builder().timeout(3).memory_size(128);
        let empty = || EnvironmentResponse::builder().set_variables(Some(Default::default()));
        let cases = [
            (base().memory_size(512), vec![]),
            (base().description("another"), vec![]),
            (base().environment(empty().build()), vec![]),
            (base().vpc_config(VpcConfigResponse::builder().vpc_id("").build()), vec![]),
            (base().timeout(4), vec!["timeout"]),
            (base().environment(variables("secret")).role("r"), vec!["role", "environment"]),
        ];
        for (latest, expect) in cases {
            assert_eq!(differs(&latest.build(), &base().build()), expect);
        }
        let hidden = || {
            let error = EnvironmentError::builder().error_code("AccessDenied").build();
            base().environment(EnvironmentResponse::builder().error(error).build()).build()
        };
        assert_eq!(differs(&hidden(), &hidden()), ["environment that cannot be read"]);
        let (one, other) = (base().environment(variables("a")), base().environment(variables("b")));
        assert_eq!(differs(&one.build(), &other.build()), ["environment"]);
    }
}
