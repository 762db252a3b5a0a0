//! The writes to groups beside their bounds: scheduled actions, versions of launch templates, instance refreshes.
//!
//! Not here: bounds (`writes`), and when they are made.

use aws_sdk_autoscaling::types::{
    AlarmSpecification, DesiredConfiguration, LaunchTemplateSpecification, RefreshPreferences,
    RefreshStrategy,
};
use aws_sdk_ec2::types::{InstanceType, RequestLaunchTemplateData};
use sha2::{Digest, Sha256};
use trimtab_models::spec::ScheduledMin;
use trimtab_policies::{
    operations::{Failure, Receipt},
    steps::Rollout,
};

use super::{Clients, rate};

/// A member is replaced by one that serves already, so that capacity never falls: all of it stays healthy, and a tenth
/// more may run meanwhile, at least one member.
const HEALTHY_MIN_PERCENT: i32 = 100;
const HEALTHY_MAX_PERCENT: i32 = 110;

/// Sets up a scheduled action in UTC, or overwrites that of the same name.
pub(super) async fn put_schedule(
    clients: &Clients,
    name: &str,
    scheduled: &ScheduledMin,
) -> Result<Receipt, Failure> {
    let call = clients.autoscaling.put_scheduled_update_group_action();
    let call = call.auto_scaling_group_name(name).scheduled_action_name(&scheduled.name);
    let call = call.recurrence(&scheduled.recurrence);
    let call = call.min_size(i32::try_from(scheduled.min_size).unwrap_or(i32::MAX));
    let api = &rate::PUT_SCHEDULE;
    clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

/// Deletes a scheduled action; what it has set stays.
pub(super) async fn delete_schedule(
    clients: &Clients,
    group_name: &str,
    name: &str,
) -> Result<Receipt, Failure> {
    let call = clients.autoscaling.delete_scheduled_action();
    let call = call.auto_scaling_group_name(group_name).scheduled_action_name(name);
    let api = &rate::DELETE_SCHEDULE;
    clients.call(api, group_name, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}

/// Makes a version from another one with nothing but the type changed. The token is made from the mark, so that a second
/// call for the same change makes no second version; it is a hash because EC2 takes 128 characters at most.
pub(super) async fn create_version(
    clients: &Clients,
    (template_id, source, instance_type, mark): (&str, u64, &str, &str),
    dry_run: Option<bool>,
) -> Result<Receipt, Failure> {
    let token = Sha256::digest(mark).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let data =
        RequestLaunchTemplateData::builder().instance_type(InstanceType::from(instance_type));
    let call = clients.ec2.create_launch_template_version().launch_template_id(template_id);
    let call = call.source_version(source.to_string()).version_description(mark);
    let call = call.launch_template_data(data.build()).client_token(token).set_dry_run(dry_run);
    let api = &rate::CREATE_TEMPLATE_VERSION;
    let made =
        clients.call(api, template_id, |watch| call.customize().interceptor(watch).send()).await?;
    let number = made.launch_template_version.and_then(|version| version.version_number);
    Ok(Receipt { created_id: number.map(|number| number.to_string()) })
}

/// Starts a refresh to a version by its number.
pub(super) async fn start_refresh(
    clients: &Clients,
    name: &str,
    (template_id, version): (&str, u64),
    (rollout, auto_rollback): (&Rollout, bool),
) -> Result<Receipt, Failure> {
    let number = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let template = LaunchTemplateSpecification::builder();
    let template = template.launch_template_id(template_id).version(version.to_string()).build();
    let checkpoints = rollout.checkpoints_percent.iter().copied().map(number).collect();
    let alarms = (!rollout.alarms.is_empty())
        .then(|| AlarmSpecification::builder().set_alarms(Some(rollout.alarms.clone())).build());
    let preferences = RefreshPreferences::builder()
        .min_healthy_percentage(HEALTHY_MIN_PERCENT)
        .max_healthy_percentage(HEALTHY_MAX_PERCENT)
        .set_checkpoint_percentages(Some(checkpoints))
        .checkpoint_delay(number(rollout.checkpoint_delay_s))
        .bake_time(number(rollout.bake_s))
        .skip_matching(true)
        .auto_rollback(auto_rollback)
        .set_alarm_specification(alarms)
        .build();
    let call = clients.autoscaling.start_instance_refresh().auto_scaling_group_name(name);
    let call = call.strategy(RefreshStrategy::Rolling).preferences(preferences);
    let desired = DesiredConfiguration::builder().launch_template(template).build();
    let call = call.desired_configuration(desired);
    let api = &rate::START_REFRESH;
    let made = clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt { created_id: made.instance_refresh_id })
}

/// Rolls the running refresh back.
pub(super) async fn roll_back(clients: &Clients, name: &str) -> Result<Receipt, Failure> {
    let call = clients.autoscaling.rollback_instance_refresh().auto_scaling_group_name(name);
    let api = &rate::ROLLBACK_REFRESH;
    clients.call(api, name, |watch| call.customize().interceptor(watch).send()).await?;
    Ok(Receipt::default())
}
