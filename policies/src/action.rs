//! The table of actions: what each takes away, who must agree, and which rules apply to it.
//!
//! Not here: the steps that carry an action out (`steps`) and the verdicts on a candidate (`check`).

use std::collections::BTreeSet;

use trimtab_models::recommendation::{Action, Recommendation};
use trimtab_models::spec::Spec;

use crate::mode::Disruption;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionRow {
    /// The action.
    pub action: Action,
    /// How much service it takes away while it is carried out.
    pub disruption: Disruption,
    /// Whether a person must agree each time, whatever the mode says.
    pub always_approval: bool,
    /// Whether it may be proposed without being switched on.
    pub on_by_default: bool,
    /// Whether one decision may lower the capacity only so far (ending a resource is not a step).
    pub step_limited: bool,
    /// Whether the machine is down for some time, so that its alarms and its memory matter.
    pub stops_instance: bool,
}

const fn row(
    action: Action,
    always_approval: bool,
    on_by_default: bool,
    step_limited: bool,
    stops_instance: bool,
) -> ActionRow {
    ActionRow {
        action,
        disruption: Disruption::of(action),
        always_approval,
        on_by_default,
        step_limited,
        stops_instance,
    }
}

/// Every action once.
pub const TABLE: [ActionRow; 9] = [
    row(Action::ResizeInstance, false, true, true, true),
    row(Action::StopIdleInstance, true, true, false, true),
    row(Action::MigrateVolumeType, false, true, true, false),
    row(Action::TuneVolume, false, true, true, false),
    row(Action::DeleteUnattachedVolume, true, false, false, false),
    row(Action::TuneFunctionMemory, false, true, true, false),
    row(Action::TuneGroupCapacity, false, true, true, false),
    row(Action::ScheduleGroup, false, true, true, false),
    row(Action::ResizeGroupInstances, false, true, true, false),
];

/// The row of `action`.
#[must_use]
pub fn row_of(action: Action) -> &'static ActionRow {
    TABLE
        .iter()
        .find(|row| row.action == action)
        .expect("every action has a row, which a test holds")
}

/// The actions that are off until somebody switches them on.
#[must_use]
pub fn disabled_by_default() -> BTreeSet<Action> {
    TABLE.iter().filter(|row| !row.on_by_default).map(|row| row.action).collect()
}

/// What a recommendation gives up that no capacity figure shows, and that a person must therefore agree to.
///
/// AWS states 99.999 % durability for io2 and 99.8 to 99.9 % for the other volume types.
#[must_use]
pub fn durability_given_up(recommendation: &Recommendation) -> Option<String> {
    let (Spec::Volume(from), Spec::Volume(to)) =
        (&recommendation.expected, &recommendation.desired)
    else {
        return None;
    };
    (from.volume_type == "io2" && to.volume_type != "io2").then(|| {
        format!("io2 promises 99.999 % durability a year, {} 99.8 to 99.9 %", to.volume_type)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_one_row() {
        for action in Action::ALL {
            assert_eq!(row_of(action).action, action);
            assert_eq!(TABLE.iter().filter(|row| row.action == action).count(), 1);
        }
    }

    #[test]
    fn what_destroys_always_needs_a_person() {
        for row in TABLE {
            assert!(row.disruption < Disruption::Destructive || row.always_approval);
        }
        assert!(row_of(Action::StopIdleInstance).always_approval);
    }

    #[test]
    fn only_deletion_is_off_by_default() {
        let expect = BTreeSet::from([Action::DeleteUnattachedVolume]);
        assert_eq!(disabled_by_default(), expect);
    }
}
