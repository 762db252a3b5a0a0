//! Auto Scaling groups, with everything that moves them: policies, schedules, activities, refreshes.
//!
//! Not here: launch templates (`template`), and writes (`writes`, `group_writes`).

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::{
    Activity, AutoScalingGroup, InstanceRefresh, ScheduledUpdateGroupAction,
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use trimtab_models::resource::{Detail, Group, Kind, Member, Refresh, Resource, ScheduledAction};
use trimtab_policies::operations::{Failure, FailureKind};

use super::{Clients, count, error, pages, rate, template, timestamp};

/// Groups that are looked at side by side; the budgets pace them.
const SIDE_BY_SIDE: usize = 8;

/// The largest page that these calls give.
const PAGE_MAX: i32 = 100;

/// Names by group.
type Names = BTreeMap<String, Vec<String>>;

/// Scheduled actions by group.
type Schedules = BTreeMap<String, Vec<ScheduledAction>>;

/// Every group.
pub(super) async fn discover(clients: &Clients, now: Timestamp) -> Result<Vec<Resource>, Failure> {
    let groups = groups(clients, None).await?;
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let policies = policies(clients, None).await?;
    let schedules = schedules(clients, None).await?;
    let resources =
        groups.into_iter().map(|group| resource(clients, group, (&policies, &schedules), now));
    let resources = stream::iter(resources).buffered(SIDE_BY_SIDE);
    let resources: Vec<Option<Resource>> = resources.try_collect().await?;
    Ok(resources.into_iter().flatten().collect())
}

/// One group as it is now.
pub(super) async fn describe(
    clients: &Clients,
    id: &str,
    now: Timestamp,
) -> Result<Resource, Failure> {
    let missing = || error::not_found(rate::DESCRIBE_GROUPS.call, id);
    let groups = groups(clients, Some(id)).await?;
    let mut groups = groups.into_iter();
    let group = groups.find(|it| it.auto_scaling_group_name() == Some(id));
    let group = group.ok_or_else(missing)?;
    let policies = policies(clients, Some(id)).await?;
    let schedules = schedules(clients, Some(id)).await?;
    let found = resource(clients, group, (&policies, &schedules), now).await?;
    found.ok_or_else(missing)
}

async fn groups(clients: &Clients, id: Option<&str>) -> Result<Vec<AutoScalingGroup>, Failure> {
    let api = &rate::DESCRIBE_GROUPS;
    let target = id.unwrap_or(&clients.target);
    let fetch = async |token: Option<String>| {
        let call = clients.autoscaling.describe_auto_scaling_groups();
        let call = call.set_auto_scaling_group_names(id.map(|id| vec![id.to_owned()]));
        let call = call.max_records(PAGE_MAX).set_next_token(token);
        let page = clients.call(api, target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.auto_scaling_groups.unwrap_or_default(), page.next_token))
    };
    pages((api, target), fetch).await
}

async fn policies(clients: &Clients, id: Option<&str>) -> Result<Names, Failure> {
    let api = &rate::DESCRIBE_POLICIES;
    let target = id.unwrap_or(&clients.target);
    let fetch = async |token: Option<String>| {
        let call = clients.autoscaling.describe_policies();
        let call = call.set_auto_scaling_group_name(id.map(str::to_owned));
        let call = call.max_records(PAGE_MAX).set_next_token(token);
        let page = clients.call(api, target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.scaling_policies.unwrap_or_default(), page.next_token))
    };
    let all = pages((api, target), fetch).await?;
    Ok(by_group(all.into_iter().map(|it| (it.auto_scaling_group_name, it.policy_name))))
}

async fn schedules(clients: &Clients, id: Option<&str>) -> Result<Schedules, Failure> {
    let api = &rate::DESCRIBE_SCHEDULES;
    let target = id.unwrap_or(&clients.target);
    let fetch = async |token: Option<String>| {
        let call = clients.autoscaling.describe_scheduled_actions();
        let call = call.set_auto_scaling_group_name(id.map(str::to_owned));
        let call = call.max_records(PAGE_MAX).set_next_token(token);
        let page = clients.call(api, target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.scheduled_update_group_actions.unwrap_or_default(), page.next_token))
    };
    let all = pages((api, target), fetch).await?;
    let mut schedules = Schedules::new();
    for action in all {
        if let (Some(group), Some(name)) =
            (action.auto_scaling_group_name.clone(), action.scheduled_action_name.clone())
        {
            schedules.entry(group).or_default().push(scheduled(name, &action));
        }
    }
    Ok(schedules)
}

fn scheduled(name: String, from: &ScheduledUpdateGroupAction) -> ScheduledAction {
    ScheduledAction {
        name,
        recurrence: from.recurrence().map(str::to_owned),
        time_zone: from.time_zone().map(str::to_owned),
        start_at: from.start_time().and_then(timestamp),
        end_at: from.end_time().and_then(timestamp),
        min_size: from.min_size().map(count),
        max_size: from.max_size().map(count),
        desired_capacity: from.desired_capacity().map(count),
    }
}

fn by_group(pairs: impl Iterator<Item = (Option<String>, Option<String>)>) -> Names {
    let mut names = Names::new();
    for (group, name) in pairs {
        if let (Some(group), Some(name)) = (group, name) {
            names.entry(group).or_default().push(name);
        }
    }
    names
}

/// A group with what is going on in it; `None` for one without name or bounds.
async fn resource(
    clients: &Clients,
    from: AutoScalingGroup,
    (policies, schedules): (&Names, &Schedules),
    now: Timestamp,
) -> Result<Option<Resource>, Failure> {
    let Some((id, mut group)) = plain(&from) else {
        return Ok(None);
    };
    group.scaling_policies = policies.get(id).cloned().unwrap_or_default();
    group.schedule = schedules.get(id).cloned().unwrap_or_default();
    group.scheduled_actions = group.schedule.iter().map(|one| one.name.clone()).collect();
    group.activities_in_progress = activities(clients, id).await?;
    match refreshes(clients, id).await {
        Ok(refreshes) => {
            let open = refreshes.iter().find(|one| !one.has_ended());
            group.refresh_in_progress = open.map(|one| one.status.clone());
            group.refresh = refreshes.into_iter().next();
        }
        // Where refreshes cannot be read the group passes for one that is being refreshed, and nothing is done to it.
        Err(failure) => group.refresh_in_progress = Some(format!("unknown: {failure}")),
    }
    group.launch_template = template::in_force(clients, &from).await?;
    let tags = from.tags().iter().filter_map(|tag| {
        let value = tag.value().unwrap_or_default();
        Some((tag.key()?.to_owned(), value.to_owned()))
    });
    let arn = from.auto_scaling_group_arn().unwrap_or_default().to_owned();
    Ok(Some(Resource {
        reference: clients.reference(Kind::Group, arn, tags.collect()),
        id: id.to_owned(),
        zone: None,
        created_at: from.created_time().and_then(timestamp),
        observed_at: now,
        detail: Detail::Group(group),
    }))
}

/// What the description of the group itself says.
fn plain(from: &AutoScalingGroup) -> Option<(&str, Group)> {
    let member = |it: &aws_sdk_autoscaling::types::Instance| {
        Some(Member {
            instance_id: it.instance_id()?.to_owned(),
            instance_type: it.instance_type().unwrap_or_default().to_owned(),
            lifecycle_state: it.lifecycle_state().map_or("", |it| it.as_str()).to_owned(),
            healthy: it.health_status().is_some_and(|it| it.eq_ignore_ascii_case("healthy")),
        })
    };
    let suspended = from.suspended_processes().iter();
    let group = Group {
        min_size: count(from.min_size()?),
        max_size: count(from.max_size()?),
        desired_capacity: count(from.desired_capacity()?),
        members: from.instances().iter().filter_map(member).collect(),
        mixed_instances: from.mixed_instances_policy().is_some(),
        scaling_policies: Vec::new(),
        scheduled_actions: Vec::new(),
        schedule: Vec::new(),
        suspended_processes: suspended
            .filter_map(|it| it.process_name().map(str::to_owned))
            .collect(),
        activities_in_progress: Vec::new(),
        refresh_in_progress: None,
        refresh: None,
        launch_template: None,
        deleting: from.status().is_some(),
    };
    Some((from.auto_scaling_group_name()?, group))
}

/// Activities that have not ended, among the newest hundred: Auto Scaling lists the newest first, and one that has not
/// ended after a hundred later ones is none that anybody waits for.
async fn activities(clients: &Clients, id: &str) -> Result<Vec<String>, Failure> {
    let call = clients.autoscaling.describe_scaling_activities();
    let call = call.auto_scaling_group_name(id).max_records(PAGE_MAX);
    let api = &rate::DESCRIBE_ACTIVITIES;
    let page = clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await?;
    let activities = page.activities.unwrap_or_default();
    Ok(activities.iter().filter(|it| is_open(it)).map(in_words).collect())
}

fn is_open(activity: &Activity) -> bool {
    let status = activity.status_code().map_or("", |it| it.as_str());
    !["Successful", "Failed", "Cancelled"].contains(&status)
}

fn in_words(activity: &Activity) -> String {
    let status = activity.status_code().map_or("unknown", |it| it.as_str());
    let description = activity.description().unwrap_or("activity");
    format!("{description} ({status})")
}

/// The refreshes of a group, the newest first.
async fn refreshes(clients: &Clients, id: &str) -> Result<Vec<Refresh>, Failure> {
    let call = clients.autoscaling.describe_instance_refreshes();
    let call = call.auto_scaling_group_name(id).max_records(PAGE_MAX);
    let api = &rate::DESCRIBE_REFRESHES;
    match clients.call(api, id, |watch| call.customize().interceptor(watch).send()).await {
        Ok(page) => {
            Ok(page.instance_refreshes.unwrap_or_default().iter().map(plain_refresh).collect())
        }
        Err(failure) if failure.kind == FailureKind::NotFound => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

fn plain_refresh(from: &InstanceRefresh) -> Refresh {
    let template = from.desired_configuration().and_then(|one| one.launch_template());
    Refresh {
        id: from.instance_refresh_id().unwrap_or_default().to_owned(),
        status: from.status().map_or("unknown", |it| it.as_str()).to_owned(),
        started_at: from.start_time().and_then(timestamp),
        template_id: template.and_then(|one| one.launch_template_id()).map(str::to_owned),
        version: template.and_then(|one| one.version()).map(str::to_owned),
        reason: from.status_reason().map(str::to_owned),
    }
}
