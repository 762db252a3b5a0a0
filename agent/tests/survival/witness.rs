//! The account's side: it lets one call through at a time, and looks at the agent's journal right before and right after.
//!
//! It lives in the test's process, so that it outlives every daemon. Not here: who kills the daemon.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Mutex as Turn, Notify};
use trimtab::{
    clock::SharedClock,
    journal::Journal,
    ports::{Act, Clock, Place},
    simulated::Simulated,
};
use trimtab_policies::{
    book::Book,
    change::State,
    facts::Permission,
    operations::{Failure, Operation, Receipt},
    record::{Entry, Event, Record},
    session::Session,
    steps::Step,
};
use trimtab_simulations::checker::{Bounds, Checker};

/// How long a call waits for the death that it has called for; a signal arrives in less than a millisecond.
const DEATH: Duration = Duration::from_millis(100);

/// What the settings of a campaign allow: more than its fleet has.
pub(crate) const IN_FLIGHT_MAX: usize = 50;

/// When the daemon is to be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aim {
    /// By the clock, whatever it does.
    Clock,
    /// When it has made so many calls, before the next one has its effect.
    BeforeCall(u32),
    /// When it has made so many calls, before it hears the answer.
    AfterCall(u32),
}

/// What was seen of the journal and the account.
#[derive(Debug, Default)]
struct Seen {
    checker: Checker,
    records: Vec<Record>,
    head: [u8; 32],
    lost: Vec<String>,
}

/// The shipped budgets, save what the campaign's settings raise so that there is enough to do.
fn bounds() -> Bounds {
    Bounds { disruptive_in_flight: IN_FLIGHT_MAX, ..Bounds::default() }
}

/// The account's gate and its memory.
#[derive(Debug, Clone)]
pub(crate) struct Witness {
    pub(crate) account: Simulated,
    clock: SharedClock,
    journal: PathBuf,
    seen: Arc<Mutex<Seen>>,
    turn: Arc<Turn<()>>,
    aim: Arc<Mutex<Aim>>,
    pub(crate) kill: Arc<Notify>,
}

impl Witness {
    pub(crate) fn new(account: Simulated, clock: SharedClock, journal: PathBuf) -> Self {
        Self {
            account,
            clock,
            journal,
            seen: Arc::new(Mutex::new(Seen {
                checker: Checker::with(bounds(), 0),
                ..Seen::default()
            })),
            turn: Arc::default(),
            aim: Arc::new(Mutex::new(Aim::Clock)),
            kill: Arc::default(),
        }
    }

    pub(crate) fn aim(&self, aim: Aim) {
        *self.aim.lock().unwrap_or_else(PoisonError::into_inner) = aim;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the journal on disk, then at the account. What was in the journal once must be in it for ever.
    pub(crate) fn look(&self) {
        let mut seen = self.seen();
        let known = seen.records.len() as u64;
        let (mut new, mut head, mut same) = (Vec::new(), seen.head, known == 0);
        // A daemon may be in the middle of writing a record: then the next look sees it.
        let read = Journal::read(&self.journal, |seq, hash, payload| {
            if seq == known {
                same = *hash == seen.head;
            }
            if seq > known {
                new.push(serde_json::from_slice(payload).expect("a record is JSON"));
                head = *hash;
            }
        });
        if !same && read.is_ok() {
            seen.lost.push(format!("record {known} is gone or another one"));
        }
        seen.records.extend::<Vec<Record>>(new);
        seen.head = head;
        let Seen { checker, records, .. } = &mut *seen;
        checker.observe(&self.account.world(), records, self.clock.now());
    }

    /// Everything that must not have happened.
    pub(crate) fn violations(&self) -> Vec<String> {
        let seen = self.seen();
        seen.lost.iter().cloned().chain(seen.checker.violations()).collect()
    }

    /// The states of all changes, as the journal tells them.
    pub(crate) fn states(&self) -> BTreeMap<String, State> {
        let mut book = Book::default();
        for record in &self.seen().records {
            book.fold(record);
        }
        book.changes().iter().map(|(id, change)| (id.clone(), change.state)).collect()
    }

    /// The digests that people approved and the changes that they took back, as the journal tells it.
    pub(crate) fn decided(&self) -> Vec<String> {
        let of = |record: &Record| {
            if let Entry::Decided { decision, .. } = &record.entry {
                return Some(decision.digest.clone());
            }
            let Entry::Change { change_id, event } = &record.entry else { return None };
            matches!(event, Event::UndoBegun { .. }).then(|| change_id.clone())
        };
        self.seen().records.iter().filter_map(of).collect()
    }

    /// The records of the journal, and the writes that the account accepted.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.seen().records.len(), self.account.world().log().len())
    }

    /// Calls for the death where it is due; then the answer never arrives.
    async fn die(&self, due: bool) {
        if due {
            self.aim(Aim::Clock);
            self.kill.notify_one();
            tokio::time::sleep(DEATH).await;
        }
    }

    fn counted_down(&self) -> (bool, bool) {
        let mut aim = self.aim.lock().unwrap_or_else(PoisonError::into_inner);
        match *aim {
            Aim::Clock => (false, false),
            Aim::BeforeCall(0) => (true, false),
            Aim::AfterCall(0) => (false, true),
            Aim::BeforeCall(left) => {
                *aim = Aim::BeforeCall(left - 1);
                (false, false)
            }
            Aim::AfterCall(left) => {
                *aim = Aim::AfterCall(left - 1);
                (false, false)
            }
        }
    }
}

#[async_trait]
impl Act for Witness {
    async fn perform(
        &self,
        place: &Place,
        session: &Session,
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        let _turn = self.turn.lock().await;
        let (before, after) = self.counted_down();
        self.look();
        self.die(before).await;
        let answer = self.account.perform(place, session, operation).await;
        self.look();
        self.die(after).await;
        answer
    }

    async fn permission(&self, place: &Place, steps: &[Step]) -> Result<Permission, Failure> {
        self.account.permission(place, steps).await
    }
}
