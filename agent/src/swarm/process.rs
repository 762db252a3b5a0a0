//! One agent as a process: it is opened, works, dies, stays away, and is opened again on what its folder holds.
//!
//! The real cycle, gate and engine in virtual time. Not here: what goes wrong (`faulty`) and what must hold (`watch`).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use trimtab_config::Settings;
use trimtab_models::catalog::Catalog;
use trimtab_policies::change::State;
use trimtab_simulations::{fault::Fault, noise::mix, scenario::Approver, swarm::Plan};

use super::{
    Tampering,
    watch::{Watch, Witness, lock},
};
use crate::{
    agent::Agent,
    begin::begin_approved,
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    decide::{resume, stop, undo},
    execute::{Advance, advance},
    faulty::{Deaths, Faulty, FaultyClock, FaultyDisk},
    identity::draw_id,
    journal::media::Media,
    ports::{Clock, Ports},
    schedule::{Schedules, next_time, schedules},
    simulate::{answer, scenario_settings},
    simulated::Simulated,
    stage::Stage,
    stop::StopSwitch,
    verify::verify_all,
};

/// An operator restarts a daemon this long after its disk has room again.
const RESTART: SignedDuration = SignedDuration::from_secs(60);
/// No two looks are closer than this.
const TICK: SignedDuration = SignedDuration::from_secs(1);

/// One agent.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) watch: Arc<Mutex<Watch>>,
    clock: ManualClock,
    faulty_clock: FaultyClock,
    simulated: Simulated,
    settings: Settings,
    folder: tempfile::TempDir,
    ports: Ports,
    media: Arc<dyn Media>,
    deaths: Arc<Deaths>,
    catalog: Catalog,
    people: Vec<Approver>,
    downtime: SignedDuration,
    full_until: Option<Timestamp>,
    agent: Option<Agent>,
    away_until: Timestamp,
    due: BTreeMap<Stage, Timestamp>,
    wakes: BTreeMap<String, Timestamp>,
    pub(super) deaths_seen: u32,
    tampering: Tampering,
}

impl Process {
    /// An agent that has not started yet.
    pub(super) fn new(
        plan: &Plan,
        number: u32,
        (simulated, clock): (&Simulated, &ManualClock),
        tampering: &Tampering,
    ) -> anyhow::Result<Self> {
        let folder = crate::simulate::scratch().context("no temporary folder can be made")?;
        let settings = scenario_settings(&plan.scenario, folder.path(), None)?;
        draw_id(folder.path(), mix(plan.seed) ^ u64::from(number))?;
        let simulated = simulated.of_agent(number);
        let watch = Watch::new(plan.bounds.clone(), number);
        let rules = Arc::new(plan.rules.clone());
        // What kills the first agent does not kill the second: together they would only be away at once.
        let deaths = if number == 0 { Deaths::of(&rules) } else { Arc::default() };
        let true_clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let ports = (tampering.ports)(Witness::ports(&simulated, &watch));
        let seed = plan.seed ^ u64::from(number);
        let ports = Faulty::ports(&ports, &rules, &deaths, seed);
        let disk =
            FaultyDisk::new(Arc::clone(&true_clock), Arc::clone(&rules), Arc::clone(&deaths));
        let full = plan.rules.iter().filter(|rule| rule.fault == Fault::DiskFull);
        Ok(Self {
            watch,
            clock: clock.clone(),
            faulty_clock: FaultyClock::new(true_clock, Arc::clone(&rules)),
            simulated,
            settings,
            folder,
            ports: (tampering.agent_ports)(ports),
            media: (tampering.media)(Arc::new(disk)),
            deaths,
            catalog: super::catalog(),
            people: plan.scenario.people().cloned().collect(),
            downtime: plan.downtime,
            full_until: full.map(|rule| rule.until).max(),
            agent: None,
            away_until: plan.scenario.start,
            due: BTreeMap::new(),
            wakes: BTreeMap::new(),
            deaths_seen: 0,
            tampering: tampering.clone(),
        })
    }

    /// The next true time at which it has something to do.
    pub(super) fn next_time(&self) -> Timestamp {
        let now = self.clock.now();
        if self.agent.is_none() {
            return self.away_until.max(now);
        }
        // Due times are by the agent's clock, however wrong it is.
        let offset = self.faulty_clock.offset(now);
        let next = self.due.values().chain(self.wakes.values()).min().copied();
        let next = next.and_then(|at| at.checked_sub(offset).ok()).unwrap_or(Timestamp::MAX);
        next.max(now.saturating_add(TICK).unwrap_or(now))
    }

    /// Does everything that is due now.
    pub(super) async fn step(&mut self) -> anyhow::Result<()> {
        if self.agent.is_none() {
            if self.clock.now() < self.away_until {
                return Ok(());
            }
            self.start()?;
        }
        let Some(agent) = self.agent.take() else { return Ok(()) };
        let deaths = Arc::clone(&self.deaths);
        let (mut due, mut wakes) = (std::mem::take(&mut self.due), std::mem::take(&mut self.wakes));
        let work = self.work(&agent, &mut due, &mut wakes);
        let done = tokio::select! {
            biased;
            () = deaths.death() => None,
            done = work => Some(done),
        };
        (self.due, self.wakes) = (due, wakes);
        self.agent = Some(agent);
        match done {
            Some(Ok(())) if !self.deaths.is_dead() => Ok(()),
            None | Some(_) if self.deaths.is_dead() => {
                self.go_away(self.downtime, "dies");
                Ok(())
            }
            Some(Err(error)) => self.fail(error),
            None | Some(Ok(())) => Ok(()),
        }
    }

    /// A stage failed. On a full disk that is right, and the journal takes nothing more until the next start.
    fn fail(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        let now = self.clock.now();
        match self.full_until {
            Some(until)
                if error.chain().any(|cause| cause.is::<crate::journal::JournalError>()) =>
            {
                let wait = until.duration_since(now).max(SignedDuration::ZERO) + RESTART;
                self.go_away(wait, "cannot write its journal");
                Ok(())
            }
            Some(_) | None => Err(error),
        }
    }

    fn go_away(&mut self, wait: SignedDuration, why: &str) {
        let now = self.clock.now();
        self.look();
        lock(&self.watch).tell(now, why);
        self.deaths_seen += 1;
        self.agent = None;
        self.wakes.clear();
        self.away_until = now.saturating_add(wait.max(TICK)).unwrap_or(now);
    }

    /// Opens the agent on its folder; the next stages come when the schedules say, and the first cycle at once.
    fn start(&mut self) -> anyhow::Result<()> {
        self.deaths.revive();
        let opened = Agent::open_on(
            self.settings.clone(),
            self.ports.clone(),
            self.catalog.clone(),
            Arc::clone(&self.media),
        );
        let agent = match opened {
            Ok(agent) => agent,
            Err(_) if self.deaths.is_dead() => {
                self.go_away(self.downtime, "dies while it starts");
                return Ok(());
            }
            Err(error) => return self.fail(error.into()),
        };
        let records = agent.ledger().follow();
        lock(&self.watch).follow(&self.folder.path().join("journal"), records)?;
        lock(&self.watch).tell(self.clock.now(), "starts");
        let local = self.ports.clock.now();
        for (expression, stage) in &schedules(&agent) {
            let at = if *stage == Stage::Cycle { local } else { next_time(expression, local)? };
            self.due.insert(*stage, at);
        }
        self.agent = Some(agent);
        self.look();
        Ok(())
    }

    async fn work(
        &self,
        agent: &Agent,
        due: &mut BTreeMap<Stage, Timestamp>,
        wakes: &mut BTreeMap<String, Timestamp>,
    ) -> anyhow::Result<()> {
        let local = self.ports.clock.now();
        // What is open is resolved before anything else is done.
        carry_on(agent, wakes, local).await?;
        let all: Schedules = schedules(agent);
        for (expression, stage) in &all {
            if due.get(stage).is_some_and(|due| *due <= local) {
                due.insert(*stage, next_time(expression, local)?);
                self.stage(agent, *stage).await?;
            }
        }
        carry_on(agent, wakes, local).await
    }

    async fn stage(&self, agent: &Agent, stage: Stage) -> anyhow::Result<()> {
        match stage {
            Stage::Verify => drop(verify_all(agent).await?),
            Stage::Begin => drop(begin_approved(agent).await?),
            Stage::Cycle => {
                let mut plan = run_cycle(agent, Begin::Never).await?;
                (self.tampering.plan)(&mut plan);
                let now = self.clock.now();
                {
                    let world = self.simulated.world();
                    let mut watch = lock(&self.watch);
                    watch.look(&world, now);
                    watch.checker.plan(&world, &plan.recommendations, now);
                    watch.mark();
                }
                crate::begin::begin_all(agent, &plan.recommendations).await?;
                (self.tampering.after_cycle)(agent);
                for person in &self.people {
                    answer(agent, person).await?;
                }
            }
        }
        Ok(())
    }

    /// Lets the checkers look.
    pub(super) fn look(&self) {
        lock(&self.watch).look(&self.simulated.world(), self.clock.now());
    }

    /// Somebody sets or releases the stop switch; where the process is away, its file alone.
    pub(super) fn set_stop(&self, is_set: bool) {
        let now = self.clock.now();
        let told = match &self.agent {
            Some(agent) if is_set => stop(agent, "ada", "drawn"),
            Some(agent) => resume(agent, "ada"),
            None if is_set => {
                StopSwitch::of(self.folder.path()).set("ada", "drawn").map_err(Into::into)
            }
            None => StopSwitch::of(self.folder.path()).release().map_err(Into::into),
        };
        let mut watch = lock(&self.watch);
        watch.checker.switch(is_set.then_some(now));
        watch.tell(now, &format!("stop switch {is_set}: {told:?}"));
    }

    /// Somebody takes back every change that can be taken back.
    pub(super) fn undo_all(&self) {
        let Some(agent) = &self.agent else { return };
        let changes: Vec<String> = {
            let ledger = agent.ledger();
            let changes = ledger.book().changes().values();
            let ripe = changes.filter(|one| matches!(one.state, State::Watching | State::Kept));
            ripe.map(|change| change.id.clone()).collect()
        };
        for change_id in changes {
            if let Err(refused) = undo(agent, &change_id, "ada") {
                tracing::debug!(%refused, "the undo was refused");
            }
        }
    }

    /// How many changes there were, and how many of them were applied.
    pub(super) fn changes(&self) -> (u64, u64) {
        let watch = lock(&self.watch);
        let journal = watch.journal();
        let is_applied = |record: &&trimtab_policies::record::Record| {
            matches!(
                &record.entry,
                trimtab_policies::record::Entry::Change {
                    event: trimtab_policies::record::Event::Applied,
                    ..
                }
            )
        };
        let is_opened = |record: &&trimtab_policies::record::Record| {
            matches!(&record.entry, trimtab_policies::record::Entry::Opened { .. })
        };
        (
            journal.iter().filter(is_opened).count() as u64,
            journal.iter().filter(is_applied).count() as u64,
        )
    }
}

/// Moves every open change whose time has come.
async fn carry_on(
    agent: &Agent,
    wakes: &mut BTreeMap<String, Timestamp>,
    local: Timestamp,
) -> anyhow::Result<()> {
    let open: Vec<String> = {
        let ledger = agent.ledger();
        let changes = ledger.book().changes().values();
        changes.filter(|one| one.has_work()).map(|one| one.id.clone()).collect()
    };
    wakes.retain(|id, _| open.contains(id));
    for change_id in open {
        if wakes.get(&change_id).is_some_and(|at| *at > local) {
            continue;
        }
        match advance(&agent.ports(), &agent.ledger, &agent.stop_switch(), &change_id).await? {
            Advance::WakeAt(at) => wakes.insert(change_id, at),
            Advance::Resting(_) => wakes.remove(&change_id),
        };
    }
    Ok(())
}
