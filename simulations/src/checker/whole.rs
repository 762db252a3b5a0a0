//! A change that rests leaves its resource whole: as asked for when it was applied, as before or as asked for when it gave
//! way to somebody else who was not there.

use trimtab_models::spec::{PowerState, Spec};
use trimtab_policies::{
    change::State,
    record::{Entry, Event, Record},
};

use super::{Invariant, Told, View, foreign::touches, undo::is_same};

#[derive(Debug)]
pub(super) struct Whole;

impl Invariant for Whole {
    fn name(&self) -> &'static str {
        "whole"
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a rule looks at a few kinds of records only"
    )]
    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Entry::Change { change_id, event } = &record.entry else { return Vec::new() };
        let Some(told) = view.story.changes.get(change_id) else { return Vec::new() };
        let before_ok = match event {
            Event::Applied => false,
            Event::Finished { state: State::Conflicted, .. } if told.writes > 0 => true,
            _ => return Vec::new(),
        };
        // What was seen last may be as old as a describe may lag.
        if touches(view.world, &told.id, view.story.agent).any(|at| at > told.opened_true) {
            return Vec::new();
        }
        let live = view.world.true_spec_like(&told.id, &told.desired, view.now);
        let is_whole = is_desired(live.as_ref(), told)
            || before_ok && live.as_ref().is_some_and(|live| is_same(live, &told.expected));
        (!is_whole)
            .then(|| {
                format!("{change_id} rests, but {} is {live:?}, not {:?}", told.arn, told.desired)
            })
            .into_iter()
            .collect()
    }
}

/// Whether a resource is what the change asked for, or one of the types that may stand in for it.
fn is_desired(live: Option<&Spec>, told: &Told) -> bool {
    match (live, &told.desired) {
        (None, Spec::Gone { .. }) => true,
        (
            Some(Spec::Instance { instance_type, state }),
            Spec::Instance { instance_type: asked, state: PowerState::Running },
        ) => {
            *state == PowerState::Running
                && (instance_type == asked || told.alternates.contains(instance_type))
        }
        (Some(live), desired) => is_same(live, desired),
        (None, _) => false,
    }
}
