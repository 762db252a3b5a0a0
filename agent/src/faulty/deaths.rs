//! Deaths of the process: at a call to AWS, or at a write of the journal.
//!
//! A process that died does nothing more: its calls never return, its journal takes no byte. Not here: how it is started
//! again, which is the business of whoever let it die.

use std::{
    collections::BTreeSet,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use tokio::sync::Notify;
use trimtab_simulations::fault::{Fault, Reached, Rule};

use crate::{
    journal::media::{Disk, Media, Medium},
    ports::Clock,
};

/// The points at which the process dies, counted over all its lives.
#[derive(Debug, Default)]
pub struct Deaths {
    passed: AtomicU64,
    calls: Mutex<BTreeSet<u64>>,
    died: Notify,
    is_dead: AtomicBool,
}

impl Deaths {
    /// Dies at each of these calls, counted from 0. A write is two: before it, and with its answer unseen.
    pub fn at(points: impl IntoIterator<Item = u64>) -> Arc<Self> {
        let calls = Mutex::new(points.into_iter().collect());
        Arc::new(Self { calls, ..Self::default() })
    }

    /// Dies where the rules say so.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "a decorator looks for its own faults")]
    pub fn of(rules: &[Rule]) -> Arc<Self> {
        Self::at(rules.iter().filter_map(|rule| match rule.fault {
            Fault::DiesAtCall(call) => Some(call),
            _ => None,
        }))
    }

    /// How many points were passed.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Ends when the process dies.
    pub async fn death(&self) {
        // A death that was seen by its error leaves a notice behind: the next process does not die of it.
        loop {
            self.died.notified().await;
            if self.is_dead() {
                return;
            }
        }
    }

    /// Whether the process is dead.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    /// Lets the next process live.
    pub fn revive(&self) {
        self.is_dead.store(false, Ordering::SeqCst);
    }

    /// Passes a point, or never returns.
    pub async fn pass(&self) {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
        let point = self.passed.fetch_add(1, Ordering::SeqCst);
        if self.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&point) {
            self.die();
            std::future::pending::<()>().await;
        }
    }

    fn die(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
    }
}

/// A disk that is full for a while, and at whose writes the process may die.
#[derive(Debug)]
pub struct FaultyDisk {
    clock: Arc<dyn Clock>,
    rules: Arc<Vec<Rule>>,
    deaths: Arc<Deaths>,
    records: Arc<AtomicU64>,
}

impl FaultyDisk {
    /// A disk on the true `clock` that goes wrong as `rules` say.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, rules: Arc<Vec<Rule>>, deaths: Arc<Deaths>) -> Self {
        Self { clock, rules, deaths, records: Arc::default() }
    }
}

impl Media for FaultyDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn Medium>> {
        Ok(Box::new(FaultyFile {
            inner: Disk.open(path)?,
            clock: Arc::clone(&self.clock),
            rules: Arc::clone(&self.rules),
            deaths: Arc::clone(&self.deaths),
            records: Arc::clone(&self.records),
        }))
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn Medium>,
    clock: Arc<dyn Clock>,
    rules: Arc<Vec<Rule>>,
    deaths: Arc<Deaths>,
    records: Arc<AtomicU64>,
}

impl FaultyFile {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a decorator looks for its own faults")]
    fn death_at(&self, record: u64) -> Option<Reached> {
        self.rules.iter().find_map(|rule| match rule.fault {
            Fault::DiesAtRecord { record: at, reached } if at == record => Some(reached),
            _ => None,
        })
    }

    fn is_full(&self, now: Timestamp) -> bool {
        self.rules.iter().any(|rule| rule.fault == Fault::DiskFull && rule.holds(now))
    }

    /// Lets the process die. No system reports this: whoever sees the error is dead.
    fn die<T>(&self) -> io::Result<T> {
        self.deaths.die();
        Err(io::Error::other("the process died"))
    }
}

impl Medium for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.deaths.is_dead() {
            return self.die();
        }
        if self.is_full(self.clock.now()) {
            // A full disk takes what still fits.
            self.inner.append(&bytes[..bytes.len() / 3])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        match self.death_at(self.records.fetch_add(1, Ordering::SeqCst)) {
            Some(Reached::Nothing) => self.die(),
            Some(Reached::Torn) => {
                self.inner.append(&bytes[..bytes.len() / 2])?;
                self.die()
            }
            Some(Reached::Unsynced) => {
                self.inner.append(bytes)?;
                self.die()
            }
            Some(Reached::Synced) => {
                self.inner.append(bytes)?;
                self.inner.sync()?;
                self.die()
            }
            None => self.inner.append(bytes),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.deaths.is_dead() {
            return self.die();
        }
        self.inner.sync()
    }
}
