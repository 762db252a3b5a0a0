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

use super::{
    Clients, count, pages, rate,
    versions::{self, LATEST, NOT_LISTED, Serving},
};

/// Functions that are looked at side by side; the budget of the control plane paces them.
const SIDE_BY_SIDE: usize = 8;

/// Every function. The list has neither state nor status of the last update: they are `unknown` until `describe`.
///
/// One call a function reads its tags, a second its aliases if a version is published, a third what is provisioned for an
/// only alias. When the tags of one cannot be read, the whole answer is that failure, by the function's name: without tags nobody knows who opted out.
pub(super) async fn discover(clients: &Clients, now: Timestamp) -> Result<Vec<Resource>, Failure> {
    let mut by_name: BTreeMap<String, Vec<FunctionConfiguration>> = BTreeMap::new();
    for version in all_versions(clients).await? {
        by_name
            .entry(version.function_name().unwrap_or_default().to_owned())
            .or_default()
            .push(version);
    }
    let resources = by_name.into_iter().map(|of| listed(clients, of, now));
    let resources = stream::iter(resources).buffered(SIDE_BY_SIDE);
    let resources: Vec<Option<Resource>> = resources.try_collect().await?;
    Ok(resources.into_iter().flatten().collect())
}

/// All versions of all functions, in one list.
async fn all_versions(clients: &Clients) -> Result<Vec<FunctionConfiguration>, Failure> {
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
    (name, versions): (String, Vec<FunctionConfiguration>),
    now: Timestamp,
) -> Result<Option<Resource>, Failure> {
    let Some(from) = versions.iter().find(|one| one.version() == Some(LATEST)) else {
        return Ok(None);
    };
    let arn = unqualified(from.function_arn().unwrap_or_default());
    let beside = beside(clients, (&name, &arn), &versions).await;
    let (tags, serving) = match beside {
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
        aliases: serving.aliases,
        published_versions: serving.published_versions,
        served: serving.served,
        newest: serving.newest,
        provisioned: serving.provisioned,
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
    let versions = versions::versions(clients, id).await?;
    let (tags, serving) = beside(clients, (id, &arn), &versions).await?;
    let listed = versions.iter().find(|one| one.version() == Some(LATEST));
    let is_same = listed.and_then(|one| one.revision_id()) == from.revision_id();
    if serving.served.is_some() && !is_same {
        // What is compared with the versions must be what the revision stands for.
        return Err(Failure {
            kind: FailureKind::Uncertain,
            call: rate::LIST_VERSIONS.call.to_owned(),
            target: id.to_owned(),
            message: "the list of versions shows another revision than the function itself"
                .to_owned(),
        });
    }
    let serving = versions::with_state(clients, id, serving).await?;
    let function = described(&from, serving);
    Ok(resource(clients, (id, arn), tags, function, now))
}

fn described(from: &GetFunctionConfigurationOutput, serving: Serving) -> Function {
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
        aliases: serving.aliases,
        published_versions: serving.published_versions,
        served: serving.served,
        newest: serving.newest,
        provisioned: serving.provisioned,
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

/// Tags, and what is published.
async fn beside(
    clients: &Clients,
    (name, arn): (&str, &str),
    versions: &[FunctionConfiguration],
) -> Result<(BTreeMap<String, String>, Serving), Failure> {
    let call = clients.lambda.list_tags().resource(arn);
    let tags =
        clients.call(&rate::LIST_TAGS, name, |watch| call.customize().interceptor(watch).send());
    let tags = tags.await?.tags.unwrap_or_default().into_iter().collect();
    Ok((tags, versions::serving(clients, name, versions).await?))
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
