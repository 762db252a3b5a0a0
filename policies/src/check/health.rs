//! `health`: the resource is well, no alarm speaks against it, and nobody is working on it.
//!
//! Not here: what a resource is configured to be (`drift`) and what it can become (`compatibility`).

use trimtab_models::resource::{
    Detail, Function, Group, Instance, InstanceState, ModificationState, Volume,
};
use trimtab_models::{
    recommendation::Action,
    spec::{PowerState, Spec},
};

use super::{Reason, Subject, balancers, result};
use crate::{
    budget::is_disruptive,
    facts::{Alarm, AlarmAction, InstanceStatus},
    plan::{CheckName, CheckResult},
};

/// How CloudWatch calls an alarm that has data and does not fire.
const ALARM_OK: &str = "OK";
/// How CloudWatch calls an alarm that fires.
const ALARM_FIRING: &str = "ALARM";

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let mut reasons = match subject.resource() {
        Err(missing) => vec![missing],
        Ok(resource) => match &resource.detail {
            Detail::Instance(instance) => reasons_of_instance(subject, instance),
            Detail::Volume(volume) => reasons_of_volume(subject, volume),
            Detail::Function(function) => {
                reasons_of_function(live_function(subject).unwrap_or(function))
            }
            Detail::Group(group) => reasons_of_group(group),
        },
    };
    reasons.extend(reasons_of_alarms(subject));
    result(CheckName::Health, reasons, passing(subject))
}

fn passing(subject: &Subject<'_>) -> String {
    let alarms = subject.facts().alarms.as_ref();
    let will_fire: Vec<&str> = alarms
        .map_or(&[][..], |fact| &fact.value)
        .iter()
        .filter(|alarm| alarm.of_resource && !is_only_scaling(alarm))
        .map(|alarm| alarm.name.as_str())
        .collect();
    if !subject.row().stops_instance || will_fire.is_empty() {
        return "healthy".to_owned();
    }
    let names = will_fire.join(", ");
    format!("healthy; alarms that may fire while it is down: {names}")
}

fn reasons_of_instance(subject: &Subject<'_>, instance: &Instance) -> Vec<Reason> {
    let expected_off = matches!(
        subject.recommendation().expected,
        Spec::Instance { state: PowerState::Stopped, .. }
    );
    let mut reasons = Vec::new();
    match instance.state {
        // What is off has no status checks.
        InstanceState::Stopped if expected_off => return reasons,
        InstanceState::Running => {}
        InstanceState::Pending
        | InstanceState::Stopping
        | InstanceState::Stopped
        | InstanceState::ShuttingDown
        | InstanceState::Terminated => {
            let state = instance.state;
            reasons.push(Reason::fail(format!("the instance does not run ({state:?})")));
        }
    }
    match subject.fact(&subject.facts().status, "the status checks") {
        Ok(status) => reasons.extend(reasons_of_status(status)),
        Err(missing) => reasons.push(missing),
    }
    if subject.row().stops_instance {
        reasons.extend(balancers::reasons(subject, instance));
    }
    reasons
}

fn reasons_of_status(status: &InstanceStatus) -> Vec<Reason> {
    let checks = [("system", &status.system), ("instance", &status.instance)];
    let mut reasons: Vec<Reason> = checks
        .into_iter()
        .filter(|(_, state)| *state != "ok")
        .map(|(name, state)| Reason::fail(format!("the {name} status check is `{state}`")))
        .collect();
    if !status.events.is_empty() {
        let events = status.events.join(", ");
        reasons.push(Reason::fail(format!("AWS scheduled: {events}")));
    }
    reasons
}

fn reasons_of_volume(subject: &Subject<'_>, volume: &Volume) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let deleting = subject.action() == Action::DeleteUnattachedVolume;
    let fits = volume.state == "available" || (volume.state == "in-use" && !deleting);
    if !fits {
        reasons.push(Reason::fail(format!("the volume is `{}`", volume.state)));
    }
    if deleting && !volume.attachments.is_empty() {
        reasons.push(Reason::fail("the volume is attached"));
    }
    let state = volume.modification.as_ref().map(|last| last.state);
    match state {
        Some(ModificationState::Modifying | ModificationState::Optimizing) => {
            reasons.push(Reason::fail("a modification of the volume is in progress"));
        }
        Some(ModificationState::Completed | ModificationState::Failed) | None => {}
    }
    reasons
}

/// The function as it was just described, where it was: Lambda's list tells no states.
fn live_function<'a>(subject: &Subject<'a>) -> Option<&'a Function> {
    let live = subject.facts().live.as_ref()?;
    live.value.function()
}

fn reasons_of_function(function: &Function) -> Vec<Reason> {
    let states = [
        ("state", &function.state, "Active"),
        ("last update", &function.last_update_status, "Successful"),
    ];
    states
        .into_iter()
        .filter(|(_, state, wanted)| state != wanted)
        .map(|(name, state, wanted)| {
            Reason::fail(format!("the function's {name} is `{state}`, not `{wanted}`"))
        })
        .collect()
}

fn reasons_of_group(group: &Group) -> Vec<Reason> {
    let ill: Vec<&str> = group
        .members
        .iter()
        .filter(|member| !member.healthy)
        .map(|member| member.instance_id.as_str())
        .collect();
    let list = |items: &[String]| (!items.is_empty()).then(|| items.join(", "));
    let reasons = [
        group.deleting.then(|| "the group is being deleted".to_owned()),
        group
            .mixed_instances
            .then(|| "the group has a mixed-instances policy, which is left alone".to_owned()),
        list(&group.activities_in_progress).map(|what| format!("activities in progress: {what}")),
        list(&group.suspended_processes).map(|what| format!("suspended processes: {what}")),
        (group.refresh_in_progress.as_ref())
            .map(|status| format!("an instance refresh is `{status}`")),
        (!ill.is_empty()).then(|| format!("unhealthy members: {}", ill.join(", "))),
    ];
    reasons.into_iter().flatten().map(Reason::fail).collect()
}

fn is_only_scaling(alarm: &Alarm) -> bool {
    !alarm.actions.is_empty() && alarm.actions.iter().all(|a| *a == AlarmAction::Scaling)
}

/// Alarms must be known where the machine goes down, and wherever the settings name some that stop a disruption.
fn reasons_of_alarms(subject: &Subject<'_>) -> Vec<Reason> {
    let named = &subject.context.policy.health.stop_alarms;
    let watched: &[String] = if is_disruptive(subject.action()) { named } else { &[] };
    let needed = subject.row().stops_instance || !watched.is_empty();
    if !needed && subject.facts().alarms.is_none() {
        return Vec::new();
    }
    let alarms = match subject.fact(&subject.facts().alarms, "the state of the alarms") {
        Ok(alarms) => alarms,
        Err(missing) => return vec![missing],
    };
    let restarts = subject.row().stops_instance;
    watched
        .iter()
        .filter_map(|name| reason_stop_alarm(name, alarms))
        .chain(alarms.iter().filter_map(reason_firing))
        .chain(alarms.iter().filter(|_| restarts).filter_map(reason_power_alarm))
        .collect()
}

fn reason_stop_alarm(name: &str, alarms: &[Alarm]) -> Option<Reason> {
    match alarms.iter().find(|alarm| alarm.name == name) {
        None => Some(Reason::fail(format!("the stop alarm `{name}` does not exist"))),
        Some(alarm) if alarm.state != ALARM_OK => {
            let state = &alarm.state;
            Some(Reason::fail(format!("the stop alarm `{name}` is {state}")))
        }
        Some(_) => None,
    }
}

/// An alarm that only drives a scaling policy fires in ordinary service.
fn reason_firing(alarm: &Alarm) -> Option<Reason> {
    let fires = alarm.of_resource && alarm.state == ALARM_FIRING && !is_only_scaling(alarm);
    fires.then(|| Reason::fail(format!("the alarm `{}` fires", alarm.name)))
}

/// Such an alarm would act on the machine while it is down on purpose.
fn reason_power_alarm(alarm: &Alarm) -> Option<Reason> {
    let acts = alarm.of_resource && alarm.actions.contains(&AlarmAction::Power);
    acts.then(|| {
        let name = &alarm.name;
        Reason::fail(format!(
            "the alarm `{name}` stops, terminates, reboots or recovers the instance by itself"
        ))
    })
}
