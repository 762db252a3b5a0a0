//! The swarm: many short runs of the whole agent, each with a fleet, people and faults drawn from its seed, under
//! checkers that look at every move.
//!
//! The same seed gives the same trace. Not here: what is drawn and what must hold (`trimtab_simulations`).

mod process;
mod shrink;
mod watch;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use serde::Serialize;
use trimtab_models::catalog::Catalog;
use trimtab_simulations::{
    fault::{Fault, Rule, within_account},
    scenario::Scenario,
    swarm::Plan,
    world::World,
};

use self::{process::Process, shrink::shrink, watch::lock};
use crate::{
    agent::Agent,
    clock::{ManualClock, RealClock},
    journal::media::Media,
    ports::{Clock, Ports},
    simulated::Simulated,
    view::PlanView,
};

/// Lines of a trace that are shown of a seed that fails.
const LINES: usize = 40;
/// More looks than any run of a few days needs: a run that needs more never rests.
const LOOKS_MAX: u32 = 200_000;

/// Deliberate breakages, to see that they are caught: decorators around what the agent is given, and hands that reach past
/// the gate.
#[derive(Clone)]
pub struct Tampering {
    /// Around the account, within what the fault rules do.
    pub ports: Arc<dyn Fn(Ports) -> Ports + Send + Sync>,
    /// Around everything that the agent sees, its clock included.
    pub agent_ports: Arc<dyn Fn(Ports) -> Ports + Send + Sync>,
    /// What becomes of the plan of a cycle.
    pub plan: Arc<dyn Fn(&mut PlanView) + Send + Sync>,
    /// After each cycle: whoever opens a change directly does it here.
    pub after_cycle: Arc<dyn Fn(&Agent) + Send + Sync>,
    /// Around the journal's disk.
    pub media: MediaDecorator,
}

/// A decorator around the journal's disk.
pub type MediaDecorator = Arc<dyn Fn(Arc<dyn Media>) -> Arc<dyn Media> + Send + Sync>;

impl fmt::Debug for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tampering").finish_non_exhaustive()
    }
}

impl Default for Tampering {
    fn default() -> Self {
        Self {
            ports: Arc::new(|ports| ports),
            agent_ports: Arc::new(|ports| ports),
            plan: Arc::new(|_| {}),
            after_cycle: Arc::new(|_| {}),
            media: Arc::new(|media| media),
        }
    }
}

/// The embedded catalogue, read once for all seeds.
fn catalog() -> Catalog {
    static CATALOG: std::sync::OnceLock<Catalog> = std::sync::OnceLock::new();
    CATALOG.get_or_init(Catalog::embedded).clone()
}

/// What came of one seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ran {
    /// The seed.
    pub seed: u64,
    /// Changes that began.
    pub changes: u64,
    /// Changes whose steps were all done.
    pub applied: u64,
    /// Writes that the account accepted.
    pub writes: u64,
    /// How often a process died or stopped.
    pub deaths: u64,
    /// What the checkers found.
    pub violations: Vec<String>,
    /// What went wrong on purpose.
    pub rules: Vec<Rule>,
    /// What happened before the first violation; everything where there is none.
    #[serde(skip)]
    pub trace: Vec<String>,
}

/// What came of all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SwarmReport {
    /// The first seed.
    pub first_seed: u64,
    /// Seeds run.
    pub seeds: u64,
    /// How long it took, seconds.
    pub seconds: f64,
    /// Seeds a minute.
    pub seeds_per_minute: f64,
    /// Changes that began.
    pub changes: u64,
    /// Changes whose steps were all done.
    pub applied: u64,
    /// Writes that the account accepted.
    pub writes: u64,
    /// How often a process died or stopped.
    pub deaths: u64,
    /// Seeds that broke a rule, each with no more faults than it takes.
    pub failing: Vec<Failing>,
}

/// A seed that broke a rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failing {
    /// The seed.
    pub seed: u64,
    /// What the checkers found.
    pub violations: Vec<String>,
    /// The faults without which it does not fail.
    pub rules: Vec<Rule>,
    /// What happened before the first violation.
    pub trace: Vec<String>,
}

/// Runs one plan.
///
/// # Errors
/// When the scenario's settings are wrong or no temporary folder can be made. A flow that fails is a violation.
pub async fn run(plan: &Plan, tampering: &Tampering) -> anyhow::Result<Ran> {
    let clock = ManualClock::new(plan.scenario.start);
    let mut scenario: Scenario = plan.scenario.clone();
    scenario.faults = within_account(&plan.rules, scenario.faults);
    let world = World::new(&scenario, plan.seed, catalog());
    let simulated = Simulated::new(world, Arc::new(clock.clone()));
    let agents = 1 + u32::from(plan.rules.iter().any(|rule| rule.fault == Fault::SecondAgent));
    let mut processes = (0..agents)
        .map(|number| Process::new(plan, number, (&simulated, &clock), tampering))
        .collect::<Result<Vec<_>, _>>()?;
    let broke = go(plan, &clock, &mut processes).await.err();
    processes.iter().for_each(Process::look);
    let mut ran = Ran {
        seed: plan.seed,
        changes: 0,
        applied: 0,
        writes: simulated.world().log().len() as u64,
        deaths: 0,
        violations: broke.iter().map(|error| format!("flow: {error:#}")).collect(),
        rules: plan.rules.clone(),
        trace: Vec::new(),
    };
    for process in &processes {
        let (changes, applied) = process.changes();
        ran.changes += changes;
        ran.applied += applied;
        ran.deaths += u64::from(process.deaths_seen);
        let watch = lock(&process.watch);
        ran.violations.extend(watch.checker.violations());
        let shown =
            if ran.violations.is_empty() { watch.trace().to_vec() } else { watch.around(LINES) };
        ran.trace.extend(shown);
    }
    Ok(ran)
}

async fn go(plan: &Plan, clock: &ManualClock, processes: &mut [Process]) -> anyhow::Result<()> {
    let end = plan.end();
    let mut people = People::of(&plan.rules);
    for _ in 0..LOOKS_MAX {
        let now = clock.now();
        people.act(now, processes);
        for process in processes.iter_mut() {
            process.step().await?;
            process.look();
        }
        let next = processes.iter().map(Process::next_time).chain(boundary(&plan.rules, now)).min();
        let Some(at) = next.filter(|at| *at <= end) else { return Ok(()) };
        clock.set(at);
    }
    anyhow::bail!("the run never rests")
}

/// The next time at which a rule begins or ends.
fn boundary(rules: &[Rule], now: Timestamp) -> Option<Timestamp> {
    rules.iter().flat_map(|rule| [rule.from, rule.until]).filter(|at| *at > now).min()
}

/// What people do, each once.
struct People {
    deeds: Vec<(Timestamp, Deed)>,
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Stop,
    Resume,
    Undo,
}

impl People {
    fn of(rules: &[Rule]) -> Self {
        let mut deeds = Vec::new();
        for rule in rules {
            if rule.fault == Fault::StopSwitch {
                deeds.push((rule.from, Deed::Stop));
                deeds.push((rule.until, Deed::Resume));
            }
            if rule.fault == Fault::Undo {
                deeds.push((rule.from, Deed::Undo));
            }
        }
        deeds.sort_by_key(|(at, _)| *at);
        Self { deeds }
    }

    fn act(&mut self, now: Timestamp, processes: &[Process]) {
        while self.deeds.first().is_some_and(|(at, _)| *at <= now) {
            let (_, deed) = self.deeds.remove(0);
            for process in processes {
                match deed {
                    Deed::Stop => process.set_stop(true),
                    Deed::Resume => process.set_stop(false),
                    Deed::Undo => process.undo_all(),
                }
            }
        }
    }
}

/// Runs `seeds` seeds from `first_seed` on, as many at once as there are cores. `done` is told how many are.
///
/// # Errors
/// When a scenario's settings are wrong or no temporary folder can be made.
pub fn swarm(
    seeds: u64,
    first_seed: u64,
    plan_of: &(dyn Fn(u64) -> Plan + Sync),
    done: &(dyn Fn(u64) + Sync),
) -> anyhow::Result<SwarmReport> {
    let began = RealClock.now();
    let (next, ended) = (AtomicU64::new(0), AtomicU64::new(0));
    let all = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= seeds {
                        return;
                    }
                    let came = one(first_seed + number, plan_of);
                    all.lock().unwrap_or_else(PoisonError::into_inner).push(came);
                    done(ended.fetch_add(1, Ordering::SeqCst) + 1);
                }
            });
        }
    });
    let mut all = all
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|ran| ran.seed);
    let seconds = RealClock.now().duration_since(began).as_secs_f64();
    let sum = |of: fn(&Ran) -> u64| all.iter().map(of).sum();
    Ok(SwarmReport {
        first_seed,
        seeds,
        seconds,
        seeds_per_minute: seeds as f64 * 60.0 / seconds.max(f64::MIN_POSITIVE),
        changes: sum(|ran| ran.changes),
        applied: sum(|ran| ran.applied),
        writes: sum(|ran| ran.writes),
        deaths: sum(|ran| ran.deaths),
        failing: all.iter().filter(|ran| !ran.violations.is_empty()).map(Failing::of).collect(),
    })
}

impl Failing {
    fn of(ran: &Ran) -> Self {
        let Ran { seed, violations, rules, trace, .. } = ran.clone();
        Self { seed, violations, rules, trace }
    }
}

/// Runs one seed to its end; where it fails, again and again with fewer faults.
fn one(seed: u64, plan_of: &dyn Fn(u64) -> Plan) -> anyhow::Result<Ran> {
    let plan = plan_of(seed);
    // The flow blocks in place where it computes, which only this kind of runtime allows.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
    runtime.block_on(async {
        let ran = run(&plan, &Tampering::default()).await?;
        if ran.violations.is_empty() { Ok(ran) } else { shrink(&plan, ran).await }
    })
}
