//! Finishing what an earlier process began although the settings are refused: a machine that was stopped must not stay off
//! because of a typing mistake.
//!
//! Nothing else is done: no cycle, no page. Not here: a start whose settings are right (`daemon`).

use std::{convert::Infallible, sync::Mutex, time::Duration};

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use trimtab_config::Salvaged;
use trimtab_policies::change::{Change, State};

use crate::{
    clock::RealClock,
    ending,
    engine::{Engine, Until},
    execute::void_unwritten,
    ledger::{Ledger, LedgerError},
    ports::Clock,
    start::{is_locked, reach},
    stop::StopSwitch,
};

/// How much time systemd is asked for at a time: it would end a start that takes longer than it allows.
const GRANTED: Duration = Duration::from_secs(120);

/// Finishes the changes of a state folder whose settings are refused, from what their intents recorded. Returns how many
/// were open.
///
/// A signal ends it between two moves, but not while a machine is off or out of its load balancers.
///
/// # Errors
/// When the journal cannot be read or written, or this build has no AWS. Another process may fare better.
pub async fn finish_open_changes(salvaged: Salvaged) -> anyhow::Result<usize> {
    let folder = salvaged.state_dir.join("journal");
    if !folder.is_dir() {
        return Ok(0);
    }
    let mut ledger = match Ledger::open(&folder) {
        // A daemon that runs on older settings looks after them.
        Err(error) if is_locked(&error) => return Ok(0),
        other => other?,
    };
    void_unwritten(&mut ledger, RealClock.now())?;
    let changes = ledger.book().changes().values().filter(|change| change.state.is_open());
    let open: Vec<Change> = changes.cloned().collect();
    if open.is_empty() {
        return Ok(0);
    }
    tracing::warn!(
        changes = open.len(),
        "an earlier process began changes: they are finished before this one ends"
    );
    let end = CancellationToken::new();
    ending::listen(end.clone())?;
    let reach = reach(salvaged.endpoint_url).context("this build has no AWS")?;
    let (ledger, stop) = (Mutex::new(ledger), StopSwitch::of(&salvaged.state_dir));
    let engine = Engine { ledger: &ledger, stop: &stop, end: &end, until: Until::Resting };
    let engines = open.iter().map(|change| {
        let ports = reach(change);
        async move {
            let state = engine.drive(|| ports.clone(), &change.id).await?;
            report(change, state);
            Ok::<(), LedgerError>(())
        }
    });
    // One that cannot go on does not end the others.
    let ended = tokio::select! {
        ended = futures::future::join_all(engines) => ended,
        never = ask_for_time() => match never {},
    };
    ended.into_iter().collect::<Result<Vec<()>, LedgerError>>()?;
    Ok(open.len())
}

fn report(change: &Change, state: Option<State>) {
    if state.is_some_and(State::is_open) {
        tracing::warn!(
            change = change.id,
            "interrupted while settings are refused; it goes on at the next start"
        );
    } else {
        tracing::warn!(change = change.id, ?state, "finished in spite of refused settings");
    }
}

/// Asks systemd again and again for more time, for as long as it is awaited.
async fn ask_for_time() -> Infallible {
    let mut ticks = tokio::time::interval(GRANTED / 2);
    let granted_us = u32::try_from(GRANTED.as_micros()).unwrap_or(u32::MAX);
    loop {
        ticks.tick().await;
        let more = sd_notify::NotifyState::ExtendTimeoutUsec(granted_us);
        if let Err(error) = sd_notify::notify(&[more]) {
            tracing::debug!(%error, "systemd was not asked for time");
        }
    }
}
