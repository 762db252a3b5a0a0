//! The writes to groups beside their bounds: scheduled actions.
//!
//! Not here: bounds (`writes`), and when they are made.

use trimtab_models::spec::ScheduledMin;
use trimtab_policies::operations::{Failure, Receipt};

use super::{Clients, rate};

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
