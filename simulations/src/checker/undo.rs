//! What was taken back is as it was, unless somebody else wrote meanwhile.

use trimtab_models::{recommendation::Action, spec::Spec};
use trimtab_policies::{
    change::State,
    record::{Entry, Event, Record},
};

use super::{Invariant, View, foreign::touches};

#[derive(Debug)]
pub(super) struct Undo;

impl Invariant for Undo {
    fn name(&self) -> &'static str {
        "undo"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Entry::Change { change_id, event: Event::Finished { state: State::Undone, .. } } =
            &record.entry
        else {
            return Vec::new();
        };
        let Some(told) = view.story.changes.get(change_id) else { return Vec::new() };
        // A deleted volume comes back under another id.
        if told.writes == 0 || told.action == Action::DeleteUnattachedVolume {
            return Vec::new();
        }
        if touches(view.world, &told.id, view.story.agent).any(|at| at > told.opened_true) {
            return Vec::new();
        }
        let live = view.world.true_spec_like(&told.id, &told.expected, view.now);
        let same = live.as_ref().is_some_and(|live| is_same(live, &told.expected))
            && is_latest_back(view, &told.id);
        (!same)
            .then(|| {
                format!(
                    "{change_id} was undone, but {} is {live:?}, not {:?}",
                    told.arn, told.expected
                )
            })
            .into_iter()
            .collect()
    }
}

/// Whether `$LATEST` of a function has the memory that callers of its alias get again, so that whoever publishes next ships
/// nothing of the change.
fn is_latest_back(view: View<'_>, id: &str) -> bool {
    let function = view.world.true_function(id, view.now);
    function.is_none_or(|function| function.memory_mb == function.served_memory_mb())
}

/// Whether a live configuration is the one stated; a group's desired capacity is its scaler's.
pub(super) fn is_same(live: &Spec, stated: &Spec) -> bool {
    match (live, stated) {
        (
            Spec::Group { min_size, max_size, .. },
            Spec::Group { min_size: stated_min, max_size: stated_max, .. },
        ) => (min_size, max_size) == (stated_min, stated_max),
        (live, stated) => live == stated,
    }
}
