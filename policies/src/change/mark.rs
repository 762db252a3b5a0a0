//! When the mark of a change is removed: after its outcome, apart from the change's own steps.
//!
//! A mark that cannot be removed is a nuisance, never a reason to take a good change back. Not here: setting it, which is
//! the first step of every change that stops a machine on purpose and starts it again.

use jiff::{SignedDuration, Timestamp};

use super::{Change, Next, Progress, State, StepState, call::operation, next::later};
use crate::{
    mark::Mark,
    operations::FailureKind,
    record::Event,
    steps::{LAG, Reached, Seen, Sight, StepKind, sort, unmark_step},
};

/// Tries in quick succession: they outlast a hiccup, and describes that lag.
const QUICK_TRIES: u32 = 3;
/// The pause after them.
const PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// Tries in all: about a day, longer than any outage of the tagging call; then a person reads of it.
const TRIES_MAX: u32 = 24;

impl Change {
    /// The mark that `kind` sets or removes; `None` for every other step.
    #[must_use]
    pub fn mark_of(&self, kind: &StepKind) -> Option<Mark> {
        let (StepKind::MarkInstance { was, .. } | StepKind::UnmarkInstance { was, .. }) = kind
        else {
            return None;
        };
        let agent_id = self.agent_id.clone()?;
        Some(Mark { agent_id, change_id: self.id.clone(), was: was.clone() })
    }

    /// Whether the mark still has to be removed.
    #[must_use]
    pub fn owes_unmark(&self) -> bool {
        let pending =
            |progress: &Progress| !matches!(progress.state, StepState::Done | StepState::Failed);
        !self.state.is_open() && self.unmark.as_ref().is_some_and(pending)
    }

    /// Whether the mark has been asked for so often that the next try is an hour away.
    #[must_use]
    pub fn unmarks_slowly(&self) -> bool {
        self.owes_unmark() && self.unmark.as_ref().is_some_and(|it| it.attempts >= QUICK_TRIES)
    }

    /// Whether the engine still has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.state.is_open() || self.owes_unmark()
    }

    /// The step that removes the mark, once the outcome `state` lets it go.
    ///
    /// A change that ended as `conflicted` or `stuck` keeps its mark: the machine is not as anybody left it, so that no
    /// agent may touch it before a person has looked. One that wrote nothing but its mark leaves nothing to look at.
    pub(super) fn unmark_after(&self, state: State) -> Option<Progress> {
        let lets_go = match state {
            State::Kept | State::Undone | State::Inconclusive => true,
            State::Conflicted => self.is_unwritten(),
            State::Queued | State::Executing | State::Watching | State::Undoing | State::Stuck => {
                false
            }
        };
        let mut steps = self.steps.iter().chain(&self.undo_steps);
        let marked =
            steps.find(|progress| progress.step.kind.is_mark() && progress.attempts > 0)?;
        let StepKind::MarkInstance { instance_id, was, .. } = &marked.step.kind else {
            return None;
        };
        lets_go.then(|| Progress::new(unmark_step(instance_id.clone(), was.clone())))
    }
}

/// What a change that has ended does about its mark.
pub(super) fn next(change: &Change, seen: &Seen, now: Timestamp) -> Next {
    let Some(progress) = change.unmark.as_ref().filter(|_| change.owes_unmark()) else {
        return Next::Rest;
    };
    let step = progress.step.name.clone();
    let mark = change.mark_of(&progress.step.kind);
    let reached = Reached { attempted_at: progress.attempted_at, mark, ..Reached::default() };
    let sight = sort(&progress.step, seen, &reached);
    if let (Sight::Done, Some(visible_at)) = (&sight, visible_at(change, progress))
        && now < visible_at
    {
        return Next::Poll(visible_at);
    }
    match sight {
        Sight::Done => Next::Record(Event::Done { step, created_id: None }),
        Sight::Ready => ready(change, progress, seen, now),
        Sight::InProgress | Sight::Unknown(_) => Next::Poll(later(now, LAG.as_secs())),
        Sight::Failed(reason) | Sight::Foreign(reason) => {
            Next::Record(Event::GaveUp { step, reason })
        }
    }
}

/// Until when a mark that was written last may not be seen yet, so that its absence says nothing.
fn visible_at(change: &Change, progress: &Progress) -> Option<Timestamp> {
    let marked = change.steps.iter().chain(&change.undo_steps).filter(|it| it.step.kind.is_mark());
    let marked_at = marked.filter_map(|it| it.attempted_at).max()?;
    (progress.attempts == 0).then(|| later(marked_at, LAG.as_secs()))
}

fn ready(change: &Change, progress: &Progress, seen: &Seen, now: Timestamp) -> Next {
    let step = progress.step.name.clone();
    let refused = match progress.failure.as_ref().map(|failure| &failure.kind) {
        Some(FailureKind::Denied | FailureKind::NotFound | FailureKind::Rejected) => true,
        Some(
            FailureKind::Uncertain
            | FailureKind::Throttled
            | FailureKind::Capacity
            | FailureKind::Conflict
            | FailureKind::Limit { .. },
        )
        | None => false,
    };
    if refused || progress.attempts >= TRIES_MAX {
        let error = progress.error.clone().unwrap_or_else(|| "the calls had no effect".to_owned());
        let reason = format!("the mark is left behind, remove its tags by hand: {error}");
        return Next::Record(Event::GaveUp { step, reason });
    }
    let pause = if progress.attempts < QUICK_TRIES { LAG } else { PAUSE };
    let due = progress.attempted_at.map(|at| later(at, pause.as_secs()));
    if let Some(due) = due.filter(|due| now < *due) {
        return Next::Poll(due);
    }
    match operation(change, &progress.step.kind, seen) {
        Some(operation) => Next::Act { step, operation },
        None => {
            let reason = "the mark names no agent".to_owned();
            Next::Record(Event::GaveUp { step, reason })
        }
    }
}
