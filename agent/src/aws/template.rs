//! Launch templates: the version that a group launches from, and the one that a change made.
//!
//! Not here: making versions (`group_writes`).

use aws_sdk_autoscaling::types::AutoScalingGroup;
use aws_sdk_ec2::types::LaunchTemplateVersion;
use trimtab_models::resource::LaunchTemplate;
use trimtab_policies::operations::{Failure, FailureKind};

use super::{Clients, pages, rate};
use crate::ports::MadeThing;

/// The largest page that the call gives.
const PAGE_MAX: i32 = 200;

/// The launch template of a group; `None` for a launch configuration or a mixed-instances policy.
///
/// A version that may not be read, or is gone, leaves its number and type unknown, so that nothing is done to it.
pub(super) async fn in_force(
    clients: &Clients,
    group: &AutoScalingGroup,
) -> Result<Option<LaunchTemplate>, Failure> {
    let Some((id, version)) = group.launch_template().and_then(|one| {
        let id = one.launch_template_id()?;
        Some((id.to_owned(), one.version().unwrap_or("$Default").to_owned()))
    }) else {
        return Ok(None);
    };
    let found = match versions(clients, &id, Some(&version)).await {
        Ok(found) => found.into_iter().next(),
        Err(failure) if matches!(failure.kind, FailureKind::Throttled | FailureKind::Uncertain) => {
            return Err(failure);
        }
        Err(_) => None,
    };
    let data = found.as_ref().and_then(|one| one.launch_template_data());
    let instance_type = data.and_then(|data| data.instance_type()).map(|it| it.as_str().to_owned());
    Ok(Some(LaunchTemplate { id, version, number: found.as_ref().and_then(number), instance_type }))
}

/// The version whose description is `mark`.
pub(super) async fn marked(
    clients: &Clients,
    template_id: &str,
    mark: &str,
) -> Result<Option<MadeThing>, Failure> {
    let all = versions(clients, template_id, None).await?;
    let made = all.iter().find(|one| one.version_description() == Some(mark));
    Ok(made
        .and_then(number)
        .map(|number| MadeThing { id: number.to_string(), state: "available".to_owned() }))
}

fn number(version: &LaunchTemplateVersion) -> Option<u64> {
    version.version_number().and_then(|number| u64::try_from(number).ok())
}

async fn versions(
    clients: &Clients,
    id: &str,
    version: Option<&str>,
) -> Result<Vec<LaunchTemplateVersion>, Failure> {
    let api = &rate::DESCRIBE_TEMPLATE_VERSIONS;
    let fetch = async |token: Option<String>| {
        let call = clients.ec2.describe_launch_template_versions().launch_template_id(id);
        let call = call.set_versions(version.map(|version| vec![version.to_owned()]));
        // A page size goes only with a list of all versions.
        let call = call.set_max_results(version.is_none().then_some(PAGE_MAX));
        let call = call.set_next_token(token);
        let page = clients.call(api, id, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.launch_template_versions.unwrap_or_default(), page.next_token))
    };
    pages((api, id), fetch).await
}
