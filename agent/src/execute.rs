//! Carrying out: observe, let `next` decide, journal, act, and around again until the resource is whole.
//!
//! One path for applying, for resuming after a crash, and for undoing. Not here: what comes next
//! (`trimtab_policies::change::next`) and whether a change may begin (`cycle`).

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use trimtab_policies::{
    change::{Change, Next, Progress, State, next},
    facts::Targets,
    operations::{Failure, FailureKind, Operation, Receipt},
    record::Event,
    session::Session,
    steps::{Made, Seen, Sighting, StepKind},
};

use crate::{
    canary,
    ledger::{Ledger, LedgerError},
    ports::{self, Place, Ports},
    probe::place_of,
    stop::StopSwitch,
};

/// How often a person is told of a machine that stays off.
const ALERT_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// How a change stands after one advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// Look again at this time.
    WakeAt(Timestamp),
    /// The engine has nothing left to do.
    Resting(State),
}

/// Moves a change as far as it goes without waiting.
///
/// # Errors
/// When the journal cannot be written: nothing is done that is not written first.
pub async fn advance(
    ports: &Ports,
    ledger: &Mutex<Ledger>,
    stop: &StopSwitch,
    change_id: &str,
) -> Result<Advance, LedgerError> {
    loop {
        let Some(change) = find(ledger, change_id) else {
            return Ok(Advance::Resting(State::Undone));
        };
        if !change.has_work() {
            return Ok(Advance::Resting(change.state));
        }
        let seen = see(ports, &change).await;
        match next(&change, &seen, ports.clock.now()) {
            Next::Act { step, operation } => match reason_stopped(&change, &step, stop) {
                Some(reason) => {
                    let event =
                        Event::Finished { state: State::Undone, reason, provisional: false };
                    record_in_direction(ports, ledger, &change, event)?;
                }
                None => act(ports, ledger, &change, step, operation).await?,
            },
            Next::Record(event) => {
                record_in_direction(ports, ledger, &change, event)?;
            }
            Next::Poll(at) => return Ok(Advance::WakeAt(at)),
            Next::Rest => return Ok(Advance::Resting(change.state)),
        }
    }
}

/// Why a change must not make its first write although the gate let it begin: somebody has set the stop switch since.
///
/// A mark is no such write, and what has begun is finished or taken back.
fn reason_stopped(change: &Change, step: &str, stop: &StopSwitch) -> Option<String> {
    let is_mark = change
        .current()
        .is_some_and(|progress| progress.step.name == step && progress.step.kind.is_mark());
    if is_mark || !change.state.is_open() || !change.is_unwritten() {
        return None;
    }
    let reason = stop.reason()?;
    Some(format!("nothing was changed: the stop switch was set before the first write ({reason})"))
}

/// Tells loudly, once an hour, of a machine that is off by our doing for longer than any resize takes, and of any change
/// whose step goes on long after its time is over.
#[derive(Debug, Default)]
pub struct Alert {
    told_at: Option<Timestamp>,
}

impl Alert {
    /// Whether it is time to tell of `change`; then it counts as told.
    pub fn is_due(&mut self, change: &Change, now: Timestamp) -> bool {
        let told = self.told_at.is_some_and(|at| now.duration_since(at) < ALERT_EVERY);
        let is_due = (change.is_off_too_long(now) || change.is_held_up(now)) && !told;
        if is_due {
            self.told_at = Some(now);
        }
        is_due
    }

    /// Looks at a change between two moves.
    pub fn look(&mut self, ledger: &Mutex<Ledger>, change_id: &str, now: Timestamp) {
        let change = find(ledger, change_id).filter(|change| self.is_due(change, now));
        let Some(change) = change else { return };
        let error = change.direction().iter().rev().find_map(|progress| progress.error.clone());
        let (arn, step) =
            (&change.recommendation.resource.arn, change.current().map(|it| &it.step.name));
        if change.is_off_too_long(now) {
            tracing::error!(
                change = change.id, %arn, off_since = ?change.off_since(), error,
                "a machine that this agent stopped is still off: its start is tried on, look at it"
            );
        } else {
            tracing::error!(
                change = change.id, %arn, step, error,
                "a change does not get on: its calls are refused, or its resource cannot be read; it is tried on, look at it"
            );
        }
    }
}

/// Ends every intent that has not written anything, when a process starts: the checks gate the first write, and what they
/// saw, the stop switch included, was seen by another process. What is still worth doing is proposed again.
///
/// # Errors
/// When the journal cannot be written.
pub fn void_unwritten(ledger: &mut Ledger, now: Timestamp) -> Result<(), LedgerError> {
    let changes = ledger.book().changes().values();
    let void: Vec<String> = changes
        .filter(|change| change.state.is_open() && change.is_unwritten())
        .map(|change| change.id.clone())
        .collect();
    for change_id in void {
        let event = Event::Finished {
            state: State::Undone,
            reason: "nothing was changed: the daemon was restarted before the first write"
                .to_owned(),
            provisional: false,
        };
        ledger.event(now, &change_id, event)?;
    }
    Ok(())
}

pub(crate) fn find(ledger: &Mutex<Ledger>, change_id: &str) -> Option<Change> {
    lock(ledger).book().changes().get(change_id).cloned()
}

/// The ledger, whatever a panicking thread left of its lock: the journal itself refuses when it is not whole.
pub fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn act(
    ports: &Ports,
    ledger: &Mutex<Ledger>,
    change: &Change,
    step: String,
    operation: Operation,
) -> Result<(), LedgerError> {
    let attempted = Event::Attempted { step: step.clone(), operation: operation.clone() };
    if !record_in_direction(ports, ledger, change, attempted)? {
        return Ok(());
    }
    let answer = match &ports.act {
        Some(act) => {
            let session = Session::of(change, &step);
            act.perform(&place_of(&change.recommendation), &session, &operation).await
        }
        None => Err(no_act(change, &operation)),
    };
    let event = match answer {
        Ok(Receipt { created_id }) => Event::Accepted { step, created_id },
        Err(failure) => Event::Refused { step, failure },
    };
    record(ports, ledger, change, event)
}

fn no_act(change: &Change, operation: &Operation) -> Failure {
    Failure {
        kind: FailureKind::Denied,
        call: operation.iam_action().to_owned(),
        target: change.recommendation.resource_id.clone(),
        message: "this process has no write access: configure an apply role, or run the daemon in a mode that writes"
            .to_owned(),
    }
}

fn record(
    ports: &Ports,
    ledger: &Mutex<Ledger>,
    change: &Change,
    event: Event,
) -> Result<(), LedgerError> {
    report(change, &event);
    lock(ledger).event(ports.clock.now(), &change.id, event).map(|_| ())
}

/// Journals what was decided, unless the change was turned back since it was looked at: a person may do so while it
/// runs, and what follows is then decided anew.
fn record_in_direction(
    ports: &Ports,
    ledger: &Mutex<Ledger>,
    change: &Change,
    event: Event,
) -> Result<bool, LedgerError> {
    let mut ledger = lock(ledger);
    let live = ledger.book().changes().get(&change.id);
    let turned = live.is_none_or(|live| live.undo_reason != change.undo_reason);
    if !turned {
        report(change, &event);
        ledger.event(ports.clock.now(), &change.id, event)?;
    }
    Ok(!turned)
}

fn report(change: &Change, event: &Event) {
    let arn = &change.recommendation.resource.arn;
    match event {
        Event::Refused { step, failure } => {
            tracing::warn!(change = change.id, %arn, step, %failure, "a call failed");
        }
        Event::UndoBegun { reason, .. } => {
            tracing::warn!(change = change.id, %arn, reason, "taking a change back")
        }
        Event::Finished { state: State::Stuck | State::Conflicted, reason, .. } => {
            tracing::error!(change = change.id, %arn, reason, "a change needs a person");
        }
        Event::Finished { state, reason, .. } => {
            tracing::info!(change = change.id, %arn, %state, reason, "a change ended");
        }
        Event::Attempted { step, operation } => {
            tracing::info!(change = change.id, %arn, step, call = operation.iam_action(), "acting");
        }
        Event::UndoWanted { reason, automatic } => {
            tracing::warn!(change = change.id, %arn, reason, automatic, "a change is to be taken back");
        }
        Event::Accepted { .. }
        | Event::Done { .. }
        | Event::GaveUp { .. }
        | Event::NextRung { .. }
        | Event::Applied
        | Event::Measured { .. } => {
            tracing::info!(change = change.id, %arn, ?event, "a change moved")
        }
    }
}

/// Reads what the current step of `change` needs to be sorted.
async fn see(ports: &Ports, change: &Change) -> Seen {
    let place = place_of(&change.recommendation);
    let mut resource = sight(ports, change).await;
    let kind = change.current().map(|progress: &Progress| &progress.step.kind);
    let status = match kind {
        Some(StepKind::AwaitStatusChecks { instance_id }) => {
            match ports.observe.instance_status(&place, instance_id).await {
                Ok(status) => status,
                // No answer is not the answer that the checks are still running: after time away, that would make
                // a healthy machine overdue.
                Err(failure)
                    if matches!(failure.kind, FailureKind::Throttled | FailureKind::Uncertain) =>
                {
                    resource = Sighting::Unknown(failure.to_string());
                    None
                }
                Err(_) => None,
            }
        }
        _ => None,
    };
    let made = match kind {
        Some(StepKind::CreateSnapshot { .. }) => {
            made(ports, &place, ports::Made::Snapshot, change).await
        }
        Some(StepKind::RestoreVolume { .. }) => {
            made(ports, &place, ports::Made::Volume, change).await
        }
        Some(StepKind::CreateTemplateVersion { template_id, .. }) => {
            let made_by = ports::Made::TemplateVersion { template_id: template_id.clone() };
            made(ports, &place, made_by, change).await
        }
        // The version is known since the step that made it.
        Some(StepKind::RefreshInstances { .. }) => {
            let version = change.created.get("create-version").cloned();
            version.map(|id| Some(Made { id, state: "available".to_owned() }))
        }
        _ => None,
    };
    let made = match kind {
        Some(StepKind::PublishVersion { memory_mb, behind, .. }) => {
            canary::published(&resource, behind, *memory_mb)
        }
        Some(StepKind::ShiftAlias { .. } | StepKind::AwaitCanary { .. }) => {
            canary::made_before(change)
        }
        _ => made,
    };
    let canary = canary::see(ports, change).await;
    let targets = match kind.and_then(StepKind::as_registration) {
        Some(registration) => targets(ports, &place, &registration.group_arn).await,
        None => None,
    };
    Seen { resource, status, made, targets, canary }
}

/// The resource of a change as it is now.
pub async fn sight(ports: &Ports, change: &Change) -> Sighting {
    let recommendation = &change.recommendation;
    match ports.observe.describe(&recommendation.resource, &recommendation.resource_id).await {
        Ok(resource) => Sighting::Present(Box::new(resource)),
        Err(Failure { kind: FailureKind::NotFound, .. }) => Sighting::Absent,
        Err(failure) => {
            tracing::warn!(change = change.id, %failure, "the resource of a change cannot be read");
            Sighting::Unknown(failure.to_string())
        }
    }
}

async fn targets(ports: &Ports, place: &Place, group_arn: &str) -> Option<Targets> {
    let found = ports.observe.targets(place, group_arn).await.ok()?;
    Some(Targets::from([(group_arn.to_owned(), found)]))
}

async fn made(
    ports: &Ports,
    place: &Place,
    what: ports::Made,
    change: &Change,
) -> Option<Option<Made>> {
    let found = ports.observe.marked(place, what, &change.id).await.ok()?;
    Some(found.map(|thing| Made { id: thing.id, state: thing.state }))
}
