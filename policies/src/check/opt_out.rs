//! `opt_out`: nobody said that this resource or this change is to be left alone, by a setting, a tag or an exception.
//!
//! Not here: tags that lower the mode (`mode`) and owners outside Trimtab (`ownership`).

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use trimtab_models::resource::Resource;

use super::{Reason, Subject, result};
use crate::{
    exception::{self, Proposed},
    mode::EXCLUDE_TAG,
    plan::{CheckName, CheckResult},
};

pub(super) fn check(subject: &Subject<'_>) -> CheckResult {
    let mut reasons: Vec<Reason> =
        [reason_disabled(subject), reason_protected(subject), reason_stop_protection(subject)]
            .into_iter()
            .flatten()
            .collect();
    reasons.extend(reasons_of_tags(subject));
    reasons.extend(reasons_excepted(subject));
    match subject.resource() {
        Ok(resource) => reasons.extend(reason_own(subject, resource)),
        Err(missing) => reasons.push(missing),
    }
    result(CheckName::OptOut, reasons, "nobody opted out")
}

fn reason_disabled(subject: &Subject<'_>) -> Option<Reason> {
    let action = subject.action();
    let disabled = &subject.context.policy.limits.disabled_actions;
    disabled.contains(&action).then(|| Reason::fail(format!("the action {action} is switched off")))
}

fn reason_protected(subject: &Subject<'_>) -> Option<Reason> {
    let arn = &subject.recommendation().resource.arn;
    let protected = &subject.context.policy.protected.arns;
    protected.contains(arn).then(|| Reason::fail(format!("{arn} is protected by the settings")))
}

/// The tag counts wherever it is seen: in the proposal, the inventory or the live resource.
fn reasons_of_tags(subject: &Subject<'_>) -> Option<Reason> {
    let live = subject.facts().live.as_ref().map(|fact| &fact.value);
    let places = [
        Some(&subject.recommendation().resource.tags),
        subject.known().map(|resource| &resource.reference.tags),
        live.map(|resource| &resource.reference.tags),
    ];
    let value = places.into_iter().flatten().find_map(|tags| tags.get(EXCLUDE_TAG))?;
    Some(Reason::fail(exclusion(value, subject.now())))
}

/// What the tag says. Its presence excludes, because IAM can deny on presence only; a date in it is for people.
fn exclusion(value: &str, now: Timestamp) -> String {
    let end = value.parse::<Timestamp>().ok().or_else(|| {
        let day = value.parse::<Date>().ok()?.tomorrow().ok()?;
        let zoned = day.to_zoned(TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    });
    match end {
        Some(end) if end <= now => {
            format!("the tag {EXCLUDE_TAG} = {value} has expired, remove the tag")
        }
        Some(_) => format!("excluded by the tag {EXCLUDE_TAG} until {value}"),
        None => format!("excluded by the tag {EXCLUDE_TAG} = `{value}`"),
    }
}

/// Every exception in force: who made it, until when and why.
fn reasons_excepted(subject: &Subject<'_>) -> Vec<Reason> {
    let proposed = Proposed::candidate(subject.candidate, subject.context.inventory);
    exception::about(subject.context.exceptions, proposed)
        .filter(|exception| exception.is_in_force(subject.now()))
        .map(|exception| Reason::fail(exception.words()))
        .collect()
}

/// Stop protection blocks what stops the instance. Termination protection blocks deletions of instances, which are no action here.
fn reason_stop_protection(subject: &Subject<'_>) -> Option<Reason> {
    if !subject.row().stops_instance {
        return None;
    }
    match subject.fact(&subject.facts().stop_protection, "stop protection") {
        Ok(true) => Some(Reason::fail("stop protection is set on the instance")),
        Ok(false) => None,
        Err(missing) => Some(missing),
    }
}

/// Trimtab neither stops nor changes the machine it runs on, nor its volumes.
fn reason_own(subject: &Subject<'_>, resource: &Resource) -> Option<Reason> {
    let own = subject.context.policy.protected.own_instance_id.as_ref()?;
    let attached = resource.volume().is_some_and(|volume| {
        let mut holders = volume.attachments.iter();
        holders.any(|held| held.instance_id == *own)
    });
    let listed = resource.volume().is_some()
        && subject.context.inventory.values().any(|other| {
            other.id == *own
                && other.instance().is_some_and(|instance| instance.volumes.contains(&resource.id))
        });
    (resource.id == *own || attached || listed)
        .then(|| Reason::fail(format!("Trimtab itself runs on `{own}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expect: &str) {
        let now = "2026-11-20T12:00:00Z".parse().expect("a plain time");
        let text = exclusion(value, now);
        assert!(text.contains(expect), "{value}: {text}");
    }

    #[test]
    fn presence_excludes_whatever_the_value() {
        check("", "excluded");
        check("true", "excluded");
        check("2026-11-21", "excluded by the tag trimtab:exclude until");
        check("2026-11-20", "until 2026-11-20");
        check("2026-11-19", "expired, remove the tag");
        check("2026-11-20T11:59:59Z", "expired, remove the tag");
        check("2026-11-20T12:00:01Z", "until");
        check("next week", "excluded by the tag trimtab:exclude = `next week`");
    }
}
