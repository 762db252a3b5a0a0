//! After two failures within a day in one account, region and action, or five of any kind, nothing begins there by itself;
//! after an undo that failed, nothing at all; until a person has reset it.

use jiff::{SignedDuration, Timestamp};
use trimtab_policies::{change::State, circuit::Circuit, mode::Mode, record::Record};

use super::{Invariant, View, opened};

#[derive(Debug)]
pub(super) struct CircuitOpen;

/// Failures of one part, and of everything, that open a circuit.
const FAILURES: (usize, usize) = (2, 5);

/// Whether so many of the times lie within a day.
fn crowd(mut times: Vec<Timestamp>, count: usize) -> bool {
    times.sort_unstable();
    let day = SignedDuration::from_hours(24);
    times.windows(count).any(|some| some[count - 1].duration_since(some[0]) <= day)
}

impl Invariant for CircuitOpen {
    fn name(&self) -> &'static str {
        "circuit"
    }

    fn record(&mut self, record: &Record, view: View<'_>) -> Vec<String> {
        let Some(change) = opened(record) else { return Vec::new() };
        let part = Circuit::of(&change.recommendation);
        let after = |circuit: &Circuit, at: &Timestamp| {
            view.story.resets.get(circuit).is_none_or(|reset| at > reset)
        };
        let reference = &change.recommendation.resource;
        let here: Vec<_> = view
            .story
            .changes
            .values()
            .filter(|other| {
                other.account == reference.account
                    && other.region == reference.region
                    && other.action == change.recommendation.action
            })
            .filter_map(|other| Some((other.failed_at?, other.state)))
            .filter(|(at, _)| after(&part, at))
            .collect();
        let all = view.story.changes.values().filter_map(|other| other.failed_at);
        let all: Vec<_> = all.filter(|at| after(&Circuit::Overall, at)).collect();
        let id = &change.id;
        let mut texts = Vec::new();
        if here.iter().any(|(_, state)| *state == State::Stuck) {
            texts.push(format!("{id} began in {part}, where an undo failed"));
        }
        if change.mode == Mode::Autopilot {
            if crowd(here.into_iter().map(|(at, _)| at).collect(), FAILURES.0) {
                texts.push(format!("{id} began by itself in {part} after two failures in a day"));
            }
            if crowd(all, FAILURES.1) {
                texts.push(format!("{id} began by itself after five failures in a day"));
            }
        }
        texts
    }
}
