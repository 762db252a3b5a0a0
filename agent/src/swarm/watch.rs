//! The eyes on one agent: its records and its writes in the order in which they happened, as the checkers and the trace
//! see them.
//!
//! Not here: what must hold (`trimtab_simulations::checker`).

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::Receiver},
};

use async_trait::async_trait;
use jiff::Timestamp;
use trimtab_policies::{
    facts::Permission,
    operations::{Failure, Operation, Receipt},
    record::{Entry, Record},
    session::Session,
    steps::Step,
};
use trimtab_simulations::{
    checker::{Bounds, Checker},
    world::World,
};

use crate::{
    journal::Journal,
    ports::{Act, Place, Ports},
    simulated::Simulated,
};

/// What is seen of one agent over all lives of its process.
#[derive(Debug)]
pub(super) struct Watch {
    agent: u32,
    pub(super) checker: Checker,
    records: Option<Receiver<Record>>,
    journal: Vec<Record>,
    told: usize,
    writes_told: usize,
    trace: Vec<String>,
    /// Lines of the trace when the first rule was broken.
    broken_at: Option<usize>,
}

impl Watch {
    pub(super) fn new(bounds: Bounds, agent: u32) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            agent,
            checker: Checker::with(bounds, agent),
            records: None,
            journal: Vec::new(),
            told: 0,
            writes_told: 0,
            trace: Vec::new(),
            broken_at: None,
        }))
    }

    /// A process has opened the journal in `dir`: what it found there counts, whoever wrote it, and what it writes.
    pub(super) fn follow(&mut self, dir: &Path, records: Receiver<Record>) -> anyhow::Result<()> {
        let mut found = Vec::new();
        Journal::read(dir, |_, _, payload| found.push(serde_json::from_slice(payload)))?;
        self.journal = found.into_iter().collect::<Result<_, _>>()?;
        self.records = Some(records);
        Ok(())
    }

    /// Looks at everything new.
    pub(super) fn look(&mut self, world: &World, now: Timestamp) {
        self.journal.extend(self.records.iter().flat_map(Receiver::try_iter));
        self.checker.observe(world, &self.journal, now);
        let lines: Vec<String> =
            self.journal[self.told.min(self.journal.len())..].iter().map(words).collect();
        self.told = self.journal.len();
        lines.iter().for_each(|line| self.tell(now, line));
        let writes = world.log()[self.writes_told..].iter().filter(|write| write.by == self.agent);
        let lines: Vec<_> =
            writes.map(|write| format!("AWS did {}", json(&write.operation))).collect();
        self.writes_told = world.log().len();
        lines.iter().for_each(|line| self.tell(now, line));
        self.mark();
    }

    /// Notes a line, at a true time.
    pub(super) fn tell(&mut self, now: Timestamp, line: &str) {
        self.trace.push(format!("{now} {} {line}", self.agent));
    }

    /// Remembers where the first rule was broken.
    pub(super) fn mark(&mut self) {
        if self.broken_at.is_none() && !self.checker.violations().is_empty() {
            self.broken_at = Some(self.trace.len());
        }
    }

    /// Everything that happened, line by line.
    pub(super) fn trace(&self) -> &[String] {
        &self.trace
    }

    /// What happened around the first violation.
    pub(super) fn around(&self, lines: usize) -> Vec<String> {
        let end = self.broken_at.unwrap_or(self.trace.len());
        self.trace[end.saturating_sub(lines)..end].to_vec()
    }

    /// Every record so far.
    pub(super) fn journal(&self) -> &[Record] {
        &self.journal
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}

/// A record in one line; an opened change without its evidence, which fills pages.
fn words(record: &Record) -> String {
    let Entry::Opened { change } = &record.entry else {
        return format!("{} records {}", record.by, json(&record.entry));
    };
    let recommendation = &change.recommendation;
    format!(
        "{} opens {} {} of {} in {}: {} -> {}",
        record.by,
        change.id,
        recommendation.action,
        recommendation.resource.arn,
        change.mode,
        json(&recommendation.expected),
        json(&recommendation.desired)
    )
}

/// The watch, locked.
pub(super) fn lock(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the watch look right before and right after every write, so that what was journalled too late is seen to.
#[derive(Debug)]
pub(super) struct Witness {
    act: Arc<dyn Act>,
    simulated: Simulated,
    clock: Arc<dyn crate::ports::Clock>,
    watch: Arc<Mutex<Watch>>,
}

impl Witness {
    /// The ports of an account, with the watch at its door.
    pub(super) fn ports(simulated: &Simulated, watch: &Arc<Mutex<Watch>>) -> Ports {
        let ports = simulated.ports();
        let act = ports.act.map(|act| {
            let witness = Self {
                act,
                simulated: simulated.clone(),
                clock: Arc::clone(&ports.clock),
                watch: Arc::clone(watch),
            };
            Arc::new(witness) as Arc<dyn Act>
        });
        Ports { act, ..ports }
    }

    fn look(&self) {
        lock(&self.watch).look(&self.simulated.world(), self.clock.now());
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
        self.look();
        let answer = self.act.perform(place, session, operation).await;
        self.look();
        answer
    }

    async fn permission(&self, place: &Place, steps: &[Step]) -> Result<Permission, Failure> {
        self.act.permission(place, steps).await
    }
}
