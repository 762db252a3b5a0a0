//! One change on one resource of a simulated account, carried out by the real engine on a real journal, through
//! deaths and restarts, under the checkers' eyes at every move.
//!
//! Not here: what goes wrong, and what must hold at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, mpsc::Receiver},
};

use jiff::{SignedDuration, Timestamp};
use trimtab::{
    clock::ManualClock,
    execute::{Advance, advance, void_unwritten},
    faulty::{Deaths, Faulty, FaultyDisk, Meddle, meddled},
    journal::{Journal, media::Media},
    ledger::{Ledger, SELF},
    ports::{Clock, Observe, Place, Ports},
    simulated::Simulated,
    stop::StopSwitch,
};
use trimtab_models::{
    catalog::Catalog,
    recommendation::{Action, Evidence, Recommendation, SavingBasis},
    resource::{Kind, Resource},
    spec::{Gone, PowerState, ScheduledMin, Spec, VolumeSpec},
};
use trimtab_policies::{
    authority::LOCAL_NAME,
    change::{Access, Adoption, Change, Opening, State, adopted, undo_steps},
    digest::{digest, id},
    mark::{CHANGE_TAG, Mark},
    mode::Mode,
    record::{Entry, Event, Record},
    steps::steps,
};
use trimtab_simulations::{checker::Checker, fault::Rule, scenario::Scenario, world::World};

/// More moves than any change needs, polls of a large volume included.
const MOVES_MAX: u32 = 60_000;
const FLEET: &str = r#"
name = "one-of-each"
description = "One resource for each action."
start = "2026-03-02T00:00:00Z"
[fleet]
web-oversized = 1
idle = 1
volume-gp2 = 1
volume-gp3-over = 1
volume-unattached = 1
function-oversized = 1
function-aliased = 1
group-fixed-over = 1
group-daily-rise = 1
group-type-over = 1
"#;

/// What is carried out: an action, and whether its function is behind an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) action: Action,
    pub(crate) aliased: bool,
}

impl Case {
    /// A function behind an alias gets another memory size.
    pub(crate) const ALIASED: Self = Self { action: Action::TuneFunctionMemory, aliased: true };

    /// Every action, and the one that goes two ways on both.
    pub(crate) fn all() -> Vec<Self> {
        Action::ALL.into_iter().map(Self::from).chain([Self::ALIASED]).collect()
    }
}

impl From<Action> for Case {
    fn from(action: Action) -> Self {
        Self { action, aliased: false }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let behind = if self.aliased { "-aliased" } else { "" };
        f.pad(&format!("{}{behind}", self.action))
    }
}

/// The account that every run starts from.
pub(crate) fn account(seed: u64) -> (World, Timestamp) {
    let scenario = Scenario::parse(FLEET).expect("a scenario that is read");
    let world = World::new(&scenario, seed, Catalog::embedded());
    (world, scenario.start)
}

/// A change being carried out.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) clock: ManualClock,
    pub(crate) simulated: Simulated,
    pub(crate) deaths: Arc<Deaths>,
    pub(crate) recommendation: Recommendation,
    pub(crate) change_id: String,
    pub(crate) checker: Checker,
    rules: Arc<Vec<Rule>>,
    meddle: Option<Arc<dyn Meddle>>,
    media: Arc<dyn Media>,
    folder: tempfile::TempDir,
    ledger: Option<Mutex<Ledger>>,
    records: Option<Receiver<Record>>,
    journal: Vec<Record>,
    /// The records of a journal that is lost.
    lost: Vec<Record>,
    downtime: SignedDuration,
}

impl Bench {
    /// Opens a change for a case; the process is away for `downtime` after each death.
    pub(crate) async fn open(
        case: impl Into<Case>,
        seed: u64,
        deaths: Arc<Deaths>,
        downtime: SignedDuration,
    ) -> Self {
        Self::open_prepared(case, seed, (deaths, downtime), |_, _| {}).await
    }

    /// The same, under fault rules and with somebody in the way.
    pub(crate) async fn open_with(
        case: impl Into<Case>,
        seed: u64,
        downtime: SignedDuration,
        rules: Vec<Rule>,
        meddle: Option<Arc<dyn Meddle>>,
    ) -> Self {
        let deaths = Deaths::of(&rules);
        Self::open_on((case.into(), seed), downtime, (deaths, rules, meddle), |_, _| {}).await
    }

    /// The same on a resource that `prepare` makes another of first.
    pub(crate) async fn open_prepared(
        case: impl Into<Case>,
        seed: u64,
        (deaths, downtime): (Arc<Deaths>, SignedDuration),
        prepare: impl FnOnce(&Simulated, &mut Resource),
    ) -> Self {
        let way = (deaths, Vec::new(), None);
        Self::open_on((case.into(), seed), downtime, way, prepare).await
    }

    async fn open_on(
        (case, seed): (Case, u64),
        downtime: SignedDuration,
        (deaths, rules, meddle): (Arc<Deaths>, Vec<Rule>, Option<Arc<dyn Meddle>>),
        prepare: impl FnOnce(&Simulated, &mut Resource),
    ) -> Self {
        let rules = Arc::new(rules);
        let (world, start) = account(seed);
        let clock = ManualClock::new(start);
        let simulated = Simulated::new(world, Arc::new(clock.clone()));
        let mut resource = resource_for(&simulated, case).await;
        prepare(&simulated, &mut resource);
        let recommendation = recommend(case.action, &resource);
        let change = change_of(&recommendation, &resource, start);
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .expect("a temporary folder");
        let true_clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let media = FaultyDisk::new(true_clock, Arc::clone(&rules), Arc::clone(&deaths));
        let mut bench = Self {
            rules,
            meddle,
            media: Arc::new(media),
            clock,
            simulated,
            deaths,
            recommendation,
            change_id: change.id.clone(),
            checker: Checker::new(),
            folder,
            ledger: None,
            records: None,
            journal: Vec::new(),
            lost: Vec::new(),
            downtime,
        };
        bench.start();
        bench.record(Entry::Opened { change: Box::new(change) });
        bench
    }

    /// What a process does when it starts: opens the journal and voids what has not written anything.
    fn start(&mut self) {
        let folder = self.folder.path().join("journal");
        let mut ledger =
            Ledger::open_on(&folder, Arc::clone(&self.media)).expect("a whole journal");
        void_unwritten(&mut ledger, self.clock.now()).expect("a journal that is written");
        // What the process before it wrote counts, even where it died before it knew.
        self.journal.clone_from(&self.lost);
        let mut read = |payload: &[u8]| {
            let record = serde_json::from_slice(payload).expect("a record");
            self.journal.push(record);
        };
        Journal::read(&folder, |_, _, payload| read(payload)).expect("a whole journal");
        self.records = Some(ledger.follow());
        self.ledger = Some(Mutex::new(ledger));
    }

    /// Every record so far.
    pub(crate) fn journal(&self) -> &[Record] {
        &self.journal
    }

    /// The account, seen by a process that may die at any point.
    fn ports(&self) -> Ports {
        let ports = match &self.meddle {
            Some(meddle) => meddled(self.simulated.ports(), meddle),
            None => self.simulated.ports(),
        };
        Faulty::ports(&ports, &self.rules, &self.deaths, 0)
    }

    fn die(&mut self) {
        self.observe();
        self.deaths.revive();
        self.ledger = None;
        self.clock.set(self.clock.now() + self.downtime);
        self.start();
    }

    /// The stop switch of the process.
    pub(crate) fn stop(&self) -> StopSwitch {
        StopSwitch::of(self.folder.path())
    }

    fn ledger(&self) -> &Mutex<Ledger> {
        self.ledger.as_ref().expect("the process runs")
    }

    fn record(&mut self, entry: Entry) {
        let now = self.clock.now();
        trimtab::execute::lock(self.ledger())
            .record(now, SELF, entry)
            .expect("a journal that is written");
        self.observe();
    }

    /// Lets the checkers look at everything new.
    fn observe(&mut self) {
        self.journal.extend(self.records.iter().flat_map(Receiver::try_iter));
        self.checker.observe(&self.simulated.world(), &self.journal, self.clock.now());
    }

    /// The change as it stands.
    pub(crate) fn change(&self) -> Change {
        let ledger = trimtab::execute::lock(self.ledger());
        ledger.book().changes().get(&self.change_id).cloned().expect("it was opened")
    }

    /// Carries the change on until the engine rests, through every death. `tick` may let things happen in between.
    pub(crate) async fn carry_on(&mut self, mut tick: impl FnMut(&Simulated, Timestamp)) -> State {
        for _ in 0..MOVES_MAX {
            tick(&self.simulated, self.clock.now());
            let (ports, stop) = (self.ports(), self.stop());
            let moved = tokio::select! {
                biased;
                () = self.deaths.death() => None,
                moved = advance(&ports, self.ledger(), &stop, &self.change_id) => match moved {
                    Err(_) if self.deaths.is_dead() => None,
                    moved => Some(moved.expect("a journal that is written")),
                },
            };
            match moved {
                None => self.die(),
                Some(Advance::WakeAt(at)) => {
                    self.observe();
                    self.clock.set(at);
                }
                Some(Advance::Resting(state)) => {
                    self.observe();
                    return state;
                }
            }
        }
        panic!("the engine never rests: {:#?}", self.change());
    }

    /// Carries the change on until the engine rests (`None`) or the process dies.
    pub(crate) async fn until_death(&mut self) -> Option<()> {
        for _ in 0..MOVES_MAX {
            let (ports, stop) = (self.ports(), self.stop());
            let moved = tokio::select! {
                biased;
                () = self.deaths.death() => None,
                moved = advance(&ports, self.ledger(), &stop, &self.change_id) => {
                    Some(moved.expect("a journal that is written"))
                }
            };
            self.observe();
            match moved {
                None => return Some(()),
                Some(Advance::WakeAt(at)) => self.clock.set(at),
                Some(Advance::Resting(_)) => return None,
            }
        }
        panic!("the engine never rests: {:#?}", self.change());
    }

    /// Another host takes over with an empty state folder, minutes later, and adopts what is marked. Returns whether
    /// there was a mark.
    pub(crate) async fn lose_journal(&mut self) -> bool {
        self.ledger = None;
        self.deaths.revive();
        self.lost.clone_from(&self.journal);
        self.folder = tempfile::tempdir().expect("a temporary folder");
        self.clock.set(self.clock.now() + SignedDuration::from_mins(10));
        self.start();
        let recommendation = &self.recommendation;
        let seen = self.simulated.describe(&recommendation.resource, &recommendation.resource_id);
        let resource = seen.await.expect("a quiet account");
        let Some(mark) = Mark::read(&resource.reference.tags) else { return false };
        assert_eq!(mark.change_id, self.change_id);
        let adoption = Adoption {
            group: "group".to_owned(),
            access: Access::default(),
            keys: Vec::new(),
            by: LOCAL_NAME.to_owned(),
        };
        let change = adopted(&mark, &resource, adoption, self.clock.now());
        let change = Box::new(change.expect("the machine is there"));
        self.record(Entry::Opened { change });
        true
    }

    /// Begins to take the change back.
    pub(crate) fn undo(&mut self) {
        let steps = undo_steps(&self.change());
        let event = Event::UndoBegun { reason: "asked for".to_owned(), steps };
        self.record(Entry::Change { change_id: self.change_id.clone(), event });
    }

    /// How often each call had an effect.
    pub(crate) fn effects(&self) -> BTreeMap<&'static str, u32> {
        let mut effects = BTreeMap::new();
        for write in self.simulated.world().log() {
            *effects.entry(write.operation.iam_action()).or_insert(0) += 1;
        }
        effects
    }

    /// How many steps, forward and back, may each have had the effect of a call.
    pub(crate) fn steps_by_call(&self) -> BTreeMap<&'static str, u32> {
        let mut attempted = BTreeSet::new();
        let mut back = false;
        for record in &self.journal {
            let Entry::Change { event, .. } = &record.entry else { continue };
            back |= matches!(event, Event::UndoBegun { .. });
            if let Event::Attempted { step, operation } = event {
                attempted.insert((operation.iam_action(), step.clone(), back));
            }
        }
        let mut steps = BTreeMap::new();
        for (call, ..) in attempted {
            *steps.entry(call).or_insert(0) += 1;
        }
        steps
    }

    /// The configuration that is truly in force.
    pub(crate) fn live(&self) -> Option<Spec> {
        let Recommendation { resource_id, expected, .. } = &self.recommendation;
        self.simulated.world().true_spec_like(resource_id, expected, self.clock.now())
    }

    /// Whose mark the resource carries, once describes have caught up.
    pub(crate) async fn mark(&self) -> Option<String> {
        let recommendation = &self.recommendation;
        let later = ManualClock::new(self.clock.now() + SignedDuration::from_mins(5));
        let mut world = self.simulated.world().clone();
        world.faults = trimtab_simulations::world::Faults::default();
        let calm = Simulated::new(world, Arc::new(later));
        let seen = calm.describe(&recommendation.resource, &recommendation.resource_id).await;
        seen.ok().and_then(|resource| resource.tag(CHANGE_TAG).map(str::to_owned))
    }

    /// The volume that an undo made again.
    pub(crate) fn restored(&self) -> Option<Spec> {
        let later = self.clock.now() + SignedDuration::from_mins(5);
        let mut world = self.simulated.world();
        world.faults = trimtab_simulations::world::Faults::default();
        let found = world.marked_volume(&self.change_id, later).expect("no faults");
        found.and_then(|(id, _)| world.true_spec(&id, later))
    }
}

fn kind_of(action: Action) -> Kind {
    match action {
        Action::ResizeInstance | Action::StopIdleInstance => Kind::Instance,
        Action::MigrateVolumeType | Action::TuneVolume | Action::DeleteUnattachedVolume => {
            Kind::Volume
        }
        Action::TuneFunctionMemory => Kind::Function,
        Action::TuneGroupCapacity | Action::ScheduleGroup | Action::ResizeGroupInstances => {
            Kind::Group
        }
    }
}

async fn resource_for(simulated: &Simulated, Case { action, aliased }: Case) -> Resource {
    let place = Place { account: "111122223333".to_owned(), region: "us-east-1".to_owned() };
    let all = simulated.discover(&place, kind_of(action)).await.expect("a quiet account");
    let fits = |resource: &Resource| match action {
        Action::MigrateVolumeType => resource
            .volume()
            .is_some_and(|volume| volume.spec.volume_type == "gp2" && volume.state == "in-use"),
        Action::TuneVolume => {
            resource.volume().is_some_and(|volume| volume.spec.volume_type == "gp3")
        }
        Action::DeleteUnattachedVolume => {
            resource.volume().is_some_and(|volume| volume.state == "available")
        }
        Action::ResizeInstance => resource.instance().is_some_and(|instance| {
            instance.instance_type != "m5.large" && instance.group.is_none()
        }),
        Action::TuneGroupCapacity => resource
            .group()
            .is_some_and(|group| group.scaling_policies.is_empty() && group.max_size > 2),
        Action::ScheduleGroup => {
            resource.group().is_some_and(|group| !group.scaling_policies.is_empty())
        }
        Action::ResizeGroupInstances => {
            resource.group().is_some_and(|group| group.desired_capacity == 2 && group.max_size == 2)
        }
        Action::StopIdleInstance => {
            resource.instance().is_some_and(|instance| instance.group.is_none())
        }
        Action::TuneFunctionMemory => {
            resource.function().is_some_and(|function| function.aliases.is_empty() != aliased)
        }
    };
    all.into_iter().find(fits).expect("the fleet has one for each action")
}

fn desired(action: Action, live: &Spec) -> Spec {
    match (action, live.clone()) {
        (Action::StopIdleInstance, Spec::Instance { instance_type, .. }) => {
            Spec::Instance { instance_type, state: PowerState::Stopped }
        }
        (_, Spec::Instance { .. }) => {
            Spec::Instance { instance_type: "m5.large".to_owned(), state: PowerState::Running }
        }
        (Action::DeleteUnattachedVolume, _) => Spec::Gone { state: Gone::Deleted },
        (_, Spec::Volume(spec)) => Spec::Volume(VolumeSpec {
            volume_type: "gp3".to_owned(),
            size_gib: spec.size_gib,
            iops: Some(3_100),
            throughput_mibps: Some(130),
        }),
        (_, Spec::Function { memory_mb }) => Spec::Function { memory_mb: memory_mb / 2 },
        (Action::ResizeGroupInstances, _) => Spec::Members { member_type: "m5.large".to_owned() },
        (Action::ScheduleGroup, Spec::Group { min_size, .. }) => {
            Spec::Schedule { scheduled: rise(min_size) }
        }
        (_, Spec::Group { min_size, max_size, desired_capacity }) => {
            Spec::Group { min_size: min_size - 1, max_size, desired_capacity: desired_capacity - 1 }
        }
        (_, gone @ (Spec::Gone { .. } | Spec::Schedule { .. } | Spec::Members { .. })) => gone,
    }
}

/// A floor that rises at one in the night, an hour after the runs begin, so that deaths fall on both sides of it.
fn rise(min_size: u32) -> Vec<ScheduledMin> {
    let action = |what: &str, recurrence: &str, min_size| ScheduledMin {
        name: format!("trimtab-rise-1-{what}"),
        recurrence: recurrence.to_owned(),
        min_size,
    };
    vec![action("down", "0 10 * * *", min_size), action("up", "0 1 * * *", min_size + 2)]
}

pub(crate) fn recommend(action: Action, resource: &Resource) -> Recommendation {
    Recommendation {
        resource: resource.reference.clone(),
        resource_id: resource.id.clone(),
        action,
        expected: resource.spec_like(&desired(action, &resource.spec())),
        desired: desired(action, &resource.spec()),
        alternates: vec!["m6i.large".to_owned()],
        reason: "it is too large".to_owned(),
        evidence: Evidence {
            days_seen: 30.0,
            capacity_ratio: 0.5,
            lowers_performance: true,
            ..Evidence::nothing(resource.observed_at, resource.observed_at)
        },
        risk: None,
        saving: None,
        cost_today: None,
        price_basis: None,
        saving_basis: SavingBasis::List,
    }
}

pub(crate) fn change_of(
    recommendation: &Recommendation,
    resource: &Resource,
    at: Timestamp,
) -> Change {
    let steps = steps(recommendation, resource);
    assert!(!steps.is_empty(), "{recommendation:?} has steps");
    let digest = digest(recommendation, &steps);
    let opening = Opening {
        recommendation_id: id(&digest),
        digest,
        group: "group".to_owned(),
        zone: resource.zone.clone(),
        mode: Mode::Autopilot,
        approver: None,
        access: Access::default(),
        keys: Vec::new(),
        agent_id: "a1".to_owned(),
        auto_undo: false,
        steps,
    };
    Change::open(opening, recommendation.clone(), at)
}
