//! What stands against a change of a group beside its bounds.
//!
//! Not here: its bounds (`super`), and whether it is well (`health`).

use trimtab_models::{recurrence::Recurrence, resource::Group, spec::Spec};

use super::{Reason, Subject};

fn group_of<'a>(subject: &Subject<'a>) -> Result<&'a Group, Reason> {
    let resource = subject.resource()?;
    resource.group().ok_or_else(|| Reason::fail(format!("{} is no group", resource.id)))
}

/// A schedule stands alone, only raises the lower bound, and brings it back to the group's own.
pub(super) fn reasons_of_schedule(subject: &Subject<'_>) -> Vec<Reason> {
    let Spec::Schedule { scheduled } = &subject.recommendation().desired else {
        return vec![Reason::fail("what is desired is no schedule")];
    };
    let group = match group_of(subject) {
        Ok(group) => group,
        Err(missing) => return vec![missing],
    };
    let mut reasons: Vec<Reason> =
        group.reason_scheduled_by_others(subject.now()).map(Reason::fail).into_iter().collect();
    if group.scaling_policies.is_empty() {
        reasons.push(Reason::fail("no scaling policy would take members out again"));
    }
    let own_min = scheduled.iter().map(|one| one.min_size).min();
    if own_min != Some(group.min_size) {
        let live = group.min_size;
        reasons.push(Reason::fail(format!(
            "the schedule brings the lower bound back to {}, the group's own is {live}",
            own_min.unwrap_or(0)
        )));
    }
    for one in scheduled {
        if one.min_size > group.max_size {
            let (name, floor, max) = (&one.name, one.min_size, group.max_size);
            reasons.push(Reason::fail(format!("{name} sets {floor}, above the maximum of {max}")));
        }
        if Recurrence::parse(&one.recurrence).is_none() {
            let (name, when) = (&one.name, &one.recurrence);
            reasons
                .push(Reason::fail(format!("{name} recurs at `{when}`, which is not understood")));
        }
    }
    reasons
}
