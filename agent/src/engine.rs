//! The engine of one change: moves it until it rests, sleeping in between, and ends in order when the process is to end.
//!
//! Not here: one move (`execute`), and which changes have an engine (`daemon`, `recovery`).

use std::{sync::Mutex, time::Duration};

use tokio_util::sync::CancellationToken;
use trimtab_policies::change::{Change, State};

use crate::{
    execute::{Advance, Alert, advance, find},
    ledger::{Ledger, LedgerError},
    ports::Ports,
    stop::StopSwitch,
};

/// The pause after a journal that could not be written.
const JOURNAL_PAUSE: Duration = Duration::from_secs(5);

/// How far an engine goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until nothing is left to do, however long a mark resists.
    Unmarked,
    /// Until the change rests. A mark that resists is left to a later process.
    Resting,
}

/// What moves a change.
#[derive(Debug, Clone, Copy)]
pub struct Engine<'a> {
    /// The journal, and what it says of the change.
    pub ledger: &'a Mutex<Ledger>,
    /// The switch that is asked before a first write.
    pub stop: &'a StopSwitch,
    /// Cancelled when the process is to end: the engine then stops between two moves, but not while the change keeps a machine
    /// off or out of its load balancers. The change goes on from the journal.
    pub end: &'a CancellationToken,
    /// How far it goes.
    pub until: Until,
}

impl Engine<'_> {
    /// Moves a change until it is done or the process is to end. `ports` is asked before each move, as settings may change.
    ///
    /// # Errors
    /// As [`advance`].
    pub async fn drive(
        &self,
        ports: impl Fn() -> Ports,
        change_id: &str,
    ) -> Result<Option<State>, LedgerError> {
        self.drive_with(&mut Alert::default(), ports, change_id).await
    }

    async fn drive_with(
        &self,
        alert: &mut Alert,
        ports: impl Fn() -> Ports,
        change_id: &str,
    ) -> Result<Option<State>, LedgerError> {
        loop {
            let change = find(self.ledger, change_id);
            let owes = change.as_ref().is_some_and(owes_service);
            if self.end.is_cancelled() && !owes {
                return Ok(change.map(|change| change.state));
            }
            let ports = ports();
            let advanced = advance(&ports, self.ledger, self.stop, change_id).await;
            alert.look(self.ledger, change_id, ports.clock.now());
            let wake_at = match advanced? {
                Advance::WakeAt(at) => at,
                Advance::Resting(state) => return Ok(Some(state)),
            };
            let change = find(self.ledger, change_id);
            if self.until == Until::Resting && change.as_ref().is_some_and(Change::unmarks_slowly) {
                return Ok(change.map(|change| change.state));
            }
            if change.as_ref().is_some_and(owes_service) {
                ports.clock.sleep_until(wake_at).await;
                continue;
            }
            tokio::select! {
                biased;
                () = self.end.cancelled() => {}
                () = ports.clock.sleep_until(wake_at) => {}
            }
        }
    }

    /// As [`Self::drive`], with a journal that cannot be written tried again, until the process is to end: nothing can be done
    /// without it, and what it needs may be another process.
    pub async fn persist(&self, ports: impl Fn() -> Ports, change_id: &str) {
        let mut alert = Alert::default();
        while let Err(error) = self.drive_with(&mut alert, &ports, change_id).await {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::error!(
                change = change_id,
                error,
                "a change cannot go on, because nothing can be journalled"
            );
            let over = tokio::time::timeout(JOURNAL_PAUSE, self.end.cancelled()).await;
            if over.is_ok() {
                return;
            }
        }
    }
}

fn owes_service(change: &Change) -> bool {
    change.state.is_open() && change.owes_service()
}
