//! Lambda functions: their unpublished version, and what is published beside it.
//!
//! Configurations are read without the code's address (`GetFunction` would give it). Not here: writes (`writes`).

use std::collections::BTreeMap;

use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{FunctionConfiguration, FunctionVersion};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use trimtab_models::resource::{Detail, Function, Kind, Resource};
use trimtab_policies::operations::{Failure, FailureKind};

use super::{Clients, count, pages, rate};

/// Functions that are looked at side by side; the budget of the control plane paces them.
const SIDE_BY_SIDE: usize = 8;

/// The version that every change goes to.
const LATEST: &str = "$LATEST";

/// What stands for a state that `ListFunctions` does not give; only `describe` knows it.
const NOT_LISTED: &str = "unknown";

/// Every function. The list has neither state nor status of the last update: they are `unknown` until `describe`.
///
/// One call a function reads its tags, a second its aliases if a version is published. When the tags of one cannot be
/// read, the whole answer is that failure, by the function's name: without tags nobody knows who opted out.
pub(super) async fn discover(clients: &Clients, now: Timestamp) -> Result<Vec<Resource>, Failure> {
    let mut published: BTreeMap<String, u32> = BTreeMap::new();
    let mut latest = Vec::new();
    for version in versions(clients).await? {
        let name = version.function_name().unwrap_or_default().to_owned();
        if version.version() == Some(LATEST) {
            latest.push((name, version));
        } else {
            *published.entry(name).or_default() += 1;
        }
    }
    let resources = latest.into_iter().map(|(name, version)| {
        let published = published.get(&name).copied().unwrap_or(0);
        listed(clients, (name, version), published, now)
    });
    let resources = stream::iter(resources).buffered(SIDE_BY_SIDE);
    let resources: Vec<Option<Resource>> = resources.try_collect().await?;
    Ok(resources.into_iter().flatten().collect())
}

/// All versions of all functions: one list tells how many each has published.
async fn versions(clients: &Clients) -> Result<Vec<FunctionConfiguration>, Failure> {
    let api = &rate::LIST_FUNCTIONS;
    let fetch = async |marker: Option<String>| {
        let call = clients.lambda.list_functions();
        let call = call.function_version(FunctionVersion::All).set_marker(marker);
        let page =
            clients.call(api, &clients.target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.functions.unwrap_or_default(), page.next_marker))
    };
    pages((api, &clients.target), fetch).await
}

/// A function of the list; `None` when it has been deleted since.
async fn listed(
    clients: &Clients,
    (name, from): (String, FunctionConfiguration),
    published_versions: u32,
    now: Timestamp,
) -> Result<Option<Resource>, Failure> {
    let arn = unqualified(from.function_arn().unwrap_or_default());
    let beside = beside(clients, &name, &arn, published_versions).await;
    let (tags, aliases) = match beside {
        Ok(beside) => beside,
        Err(failure) if failure.kind == FailureKind::NotFound => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let word = |text: Option<&str>| text.unwrap_or(NOT_LISTED).to_owned();
    let architecture = from.architectures().first().map(|it| it.as_str());
    let function = Function {
        memory_mb: count(from.memory_size().unwrap_or_default()),
        timeout_s: count(from.timeout().unwrap_or_default()),
        architecture: architecture.unwrap_or("x86_64").to_owned(),
        runtime: from.runtime().map(|it| it.as_str().to_owned()),
        state: word(from.state().map(|it| it.as_str())),
        last_update_status: word(from.last_update_status().map(|it| it.as_str())),
        revision_id: from.revision_id().map(str::to_owned),
        code_sha256: from.code_sha256().map(str::to_owned),
        aliases,
        published_versions,
        capacity_provider: from.capacity_provider_config().is_some(),
    };
    Ok(Some(resource(clients, (&name, arn), tags, function, now)))
}

/// One function as it is now.
pub(super) async fn describe(
    clients: &Clients,
    id: &str,
    now: Timestamp,
) -> Result<Resource, Failure> {
    let api = &rate::GET_FUNCTION;
    let call = clients.lambda.get_function_configuration().function_name(id);
    let from = clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    let arn = unqualified(from.function_arn().unwrap_or_default());
    let published = published(clients, id).await?;
    let (tags, aliases) = beside(clients, id, &arn, published).await?;
    let function = described(&from, aliases, published);
    Ok(resource(clients, (id, arn), tags, function, now))
}

fn described(
    from: &GetFunctionConfigurationOutput,
    aliases: Vec<String>,
    published_versions: u32,
) -> Function {
    let word = |text: Option<&str>| text.unwrap_or(NOT_LISTED).to_owned();
    let architecture = from.architectures().first().map(|it| it.as_str());
    Function {
        memory_mb: count(from.memory_size().unwrap_or_default()),
        timeout_s: count(from.timeout().unwrap_or_default()),
        architecture: architecture.unwrap_or("x86_64").to_owned(),
        runtime: from.runtime().map(|it| it.as_str().to_owned()),
        state: word(from.state().map(|it| it.as_str())),
        last_update_status: word(from.last_update_status().map(|it| it.as_str())),
        revision_id: from.revision_id().map(str::to_owned),
        code_sha256: from.code_sha256().map(str::to_owned),
        aliases,
        published_versions,
        capacity_provider: from.capacity_provider_config().is_some(),
    }
}

fn resource(
    clients: &Clients,
    (name, arn): (&str, String),
    tags: BTreeMap<String, String>,
    function: Function,
    now: Timestamp,
) -> Resource {
    Resource {
        reference: clients.reference(Kind::Function, arn, tags),
        id: name.to_owned(),
        zone: None,
        // Lambda tells when a function was modified last, but not when it was made.
        created_at: None,
        observed_at: now,
        detail: Detail::Function(function),
    }
}

/// Tags and aliases. Without a published version an alias can only stand for `$LATEST`, so none is asked for.
async fn beside(
    clients: &Clients,
    name: &str,
    arn: &str,
    published_versions: u32,
) -> Result<(BTreeMap<String, String>, Vec<String>), Failure> {
    let call = clients.lambda.list_tags().resource(arn);
    let tags =
        clients.call(&rate::LIST_TAGS, name, |watch| call.customize().interceptor(watch).send());
    let tags = tags.await?.tags.unwrap_or_default().into_iter().collect();
    let aliases = match published_versions {
        0 => Vec::new(),
        _ => aliases(clients, name).await?,
    };
    Ok((tags, aliases))
}

async fn aliases(clients: &Clients, name: &str) -> Result<Vec<String>, Failure> {
    let api = &rate::LIST_ALIASES;
    let fetch = async |marker: Option<String>| {
        let call = clients.lambda.list_aliases().function_name(name).set_marker(marker);
        let page =
            clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
        Ok((page.aliases.unwrap_or_default(), page.next_marker))
    };
    let aliases = pages((api, name), fetch).await?;
    Ok(aliases.into_iter().filter_map(|alias| alias.name).collect())
}

async fn published(clients: &Clients, name: &str) -> Result<u32, Failure> {
    let api = &rate::LIST_VERSIONS;
    let fetch = async |marker: Option<String>| {
        let call = clients.lambda.list_versions_by_function();
        let call = call.function_name(name).set_marker(marker);
        let page =
            clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
        Ok((page.versions.unwrap_or_default(), page.next_marker))
    };
    let versions = pages((api, name), fetch).await?;
    let published = versions.iter().filter(|version| version.version() != Some(LATEST));
    Ok(u32::try_from(published.count()).unwrap_or(u32::MAX))
}

/// A function's ARN without the version, which stands behind the seventh colon.
fn unqualified(arn: &str) -> String {
    arn.split(':').take(7).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_loses_its_version_only() {
        let plain = "arn:aws:lambda:eu-west-1:123456789012:function:resize";
        assert_eq!(unqualified(plain), plain);
        assert_eq!(unqualified(&format!("{plain}:$LATEST")), plain);
    }
}
