//! The agent: settings, ports and everything it keeps, opened together and shared by the flow, the API and the commands.
//!
//! Not here: the flow itself (`cycle`), schedules (`daemon`).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use trimtab_config::Settings;
use trimtab_models::{
    catalog::Catalog,
    money::Usd,
    resource::{Arn, Resource},
};

use trimtab_policies::{change::Change, mode::Mode, watch::Usage};

use crate::{
    brief::{Briefs, Shelf},
    execute,
    journal::media::{Disk, Media},
    ledger::{Ledger, LedgerError, SELF},
    notify::Notifier,
    observe::Collecting,
    ports::{Place, Ports},
    probe::place_of,
    recommend::Surroundings,
    rights::Rights,
    sentinel::Sentinel,
    series_store::{SeriesError, SeriesStore},
    stop::{StopError, StopSwitch},
    store::{SENTINEL, Store, StoreError},
    view::CycleView,
};

/// Why the agent cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The state folder.
    #[error(
        "the state folder `{path}` cannot be made or entered: create it and give it to the user that runs trimtab"
    )]
    StateDir {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// The journal.
    #[error("the journal cannot be opened")]
    Ledger(#[from] LedgerError),
    /// Records that were durable are gone, the folder's own mark included.
    #[error(
        "the journal `{path}` ends at record {found}, although record {durable} was written: restore it from a backup; only \
         where it is lost for good, look at every resource that was being changed and then remove `{sentinel}`"
    )]
    JournalLost {
        /// The journal's folder.
        path: PathBuf,
        /// Its last record.
        found: u64,
        /// What the sentinel says.
        durable: u64,
        /// The sentinel.
        sentinel: PathBuf,
    },
    /// The stop switch was set, its file is gone and cannot be made again.
    #[error("the stop switch cannot be set again")]
    Stop(#[from] StopError),
    /// The store.
    #[error("the store cannot be opened")]
    Store(#[from] StoreError),
    /// The series.
    #[error("the series cannot be opened")]
    Series(#[from] SeriesError),
}

/// Makes the ports for one change from what its intent recorded, where the settings no longer reach it.
pub type Reach = Arc<dyn Fn(&Change) -> Ports + Send + Sync>;

/// [`Reach`], with the ports that it has made, by change id.
#[derive(Default)]
struct Reached {
    reach: Option<Reach>,
    made: BTreeMap<String, Ports>,
}

impl std::fmt::Debug for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reached").field("made", &self.made.keys()).finish_non_exhaustive()
    }
}

/// Metrics that CloudWatch bills for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Billed {
    /// Since when they are counted.
    pub since: Timestamp,
    /// How many.
    pub metrics: u64,
    /// What they cost; `None` without a price.
    #[serde(rename = "cost_usd")]
    pub cost: Option<Usd>,
}

/// Everything a running agent has.
#[derive(Debug)]
pub struct Agent {
    settings: RwLock<Arc<Settings>>,
    ports: RwLock<Ports>,
    reached: Mutex<Reached>,
    /// The journal and what it adds up to.
    pub ledger: Mutex<Ledger>,
    /// Derived state.
    pub store: Mutex<Store>,
    shelf: Shelf,
    /// Points.
    pub series: RwLock<SeriesStore>,
    catalog: RwLock<Arc<Catalog>>,
    inventory: RwLock<Arc<BTreeMap<Arn, Resource>>>,
    last_cycle: RwLock<Option<Arc<CycleView>>>,
    baselines: Mutex<BTreeMap<String, Usage>>,
    billed: Mutex<Option<Billed>>,
    catalog_refreshed_at: Mutex<Option<Timestamp>>,
    /// What the roles that apply have lost.
    pub rights: Rights,
    held: Mutex<BTreeMap<String, Timestamp>>,
    surroundings: RwLock<Option<Arc<Surroundings>>>,
    state_dir: PathBuf,
    read_only: Option<String>,
    /// Who is told of state changes.
    pub notifier: Notifier,
}

impl Agent {
    /// Opens everything in the state folder.
    ///
    /// # Errors
    /// When the folder is in use, damaged or full: the message says which file and what to do.
    pub fn open(settings: Settings, ports: Ports, catalog: Catalog) -> Result<Self, OpenError> {
        Self::open_on(settings, ports, catalog, Arc::new(Disk))
    }

    /// [`Agent::open`], with the journal on `media`.
    ///
    /// # Errors
    /// As [`Agent::open`].
    pub fn open_on(
        settings: Settings,
        ports: Ports,
        catalog: Catalog,
        media: Arc<dyn Media>,
    ) -> Result<Self, OpenError> {
        let state_dir = settings.agent.state_dir.clone();
        make_private(&state_dir)
            .map_err(|source| OpenError::StateDir { path: state_dir.clone(), source })?;
        // A nearly full disk stops cycles and new changes, but never the way back of one that is open.
        if let Err(error) = crate::disk::require_room(&state_dir, settings.store.min_free_bytes) {
            tracing::error!(%error, "nothing new begins until there is room");
        }
        let mut ledger = Ledger::open_on(&state_dir.join("journal"), media)?;
        if let Some(torn) = ledger.torn_tail() {
            tracing::warn!(
                torn,
                "the journal ended in the middle of a record, which was set aside"
            );
        }
        // Taken as it was found: a journal that lost records must not catch up before the store is compared with it.
        let found_seq = ledger.last_seq();
        require_journal(&state_dir, found_seq)?;
        keep_stopped(&state_dir, &ledger)?;
        let read_only = void(&mut ledger, ports.clock.now());
        let store = Store::open(&state_dir, found_seq, settings.store.cache_bytes)?;
        let series = SeriesStore::open(&state_dir.join("series"))?;
        for damage in series.damage() {
            tracing::warn!(
                ?damage,
                "a part of the series is unusable: its points are gaps and are fetched again"
            );
        }
        let inventory = store.inventory()?;
        Ok(Self {
            settings: RwLock::new(Arc::new(settings)),
            ports: RwLock::new(ports),
            reached: Mutex::default(),
            ledger: Mutex::new(ledger),
            shelf: store.shelf(),
            store: Mutex::new(store),
            series: RwLock::new(series),
            catalog: RwLock::new(Arc::new(catalog)),
            inventory: RwLock::new(Arc::new(inventory)),
            last_cycle: RwLock::new(None),
            baselines: Mutex::default(),
            billed: Mutex::default(),
            catalog_refreshed_at: Mutex::default(),
            rights: Rights::default(),
            held: Mutex::default(),
            surroundings: RwLock::default(),
            notifier: Notifier::new(state_dir.join("notify")),
            state_dir,
            read_only,
        })
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts new settings in force.
    pub fn set_settings(&self, settings: Settings) {
        self.rights.forget();
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// The cloud and the clock, as the settings in force reach them.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.ports.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts new ports in force, after a reload.
    pub fn set_ports(&self, ports: Ports) {
        *self.ports.write().unwrap_or_else(PoisonError::into_inner) = ports;
    }

    /// Sets how changes are reached that the settings do not reach.
    pub fn set_reach(&self, reach: Option<Reach>) {
        *self.reached() = Reached { reach, made: BTreeMap::new() };
    }

    fn reached(&self) -> MutexGuard<'_, Reached> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ports that a change is carried out or undone with: those in force, or, where modes were lowered or its account
    /// was removed since it began, those that its intent recorded.
    #[must_use]
    pub fn ports_of(&self, change: &Change) -> Ports {
        let ports = self.ports();
        let place = place_of(&change.recommendation);
        let account = self.settings().account(&place.account).cloned();
        let reaches = account.is_some_and(|account| {
            account.regions.contains(&place.region) && account.ceiling() > Mode::Datapilot
        });
        if reaches && ports.act.is_some() {
            return ports;
        }
        let mut reached = self.reached();
        let Some(reach) = reached.reach.clone() else { return ports };
        reached.made.entry(change.id.clone()).or_insert_with(|| reach(change)).clone()
    }

    /// The points, for writing.
    pub fn series_mut(&self) -> std::sync::RwLockWriteGuard<'_, SeriesStore> {
        self.series.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The catalogue in force.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a refreshed catalogue in force.
    pub fn set_catalog(&self, catalog: Catalog) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }

    /// When each recommendation that was held back and may begin later is tried again, by id.
    pub fn held(&self) -> MutexGuard<'_, BTreeMap<String, Timestamp>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the last cycle since the start sized its resources by, beside their own series.
    pub(crate) fn surroundings(&self) -> Option<Arc<Surroundings>> {
        self.surroundings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes what a cycle sizes by.
    pub(crate) fn set_surroundings(&self, surroundings: Arc<Surroundings>) {
        *self.surroundings.write().unwrap_or_else(PoisonError::into_inner) = Some(surroundings);
    }

    /// When the catalogue was last refreshed from the cloud, if it was since the start.
    pub fn catalog_refreshed_at(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.catalog_refreshed_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every resource as last discovered.
    #[must_use]
    pub fn inventory(&self) -> Arc<BTreeMap<Arn, Resource>> {
        Arc::clone(&self.inventory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the inventory.
    pub fn set_inventory(&self, inventory: Arc<BTreeMap<Arn, Resource>>) {
        *self.inventory.write().unwrap_or_else(PoisonError::into_inner) = inventory;
    }

    /// What the last cycle did, if one has ended since the start.
    #[must_use]
    pub fn last_cycle(&self) -> Option<Arc<CycleView>> {
        self.last_cycle.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What looking has cost since the start; `None` before the first cycle has ended.
    #[must_use]
    pub fn billed(&self) -> Option<Billed> {
        *self.billed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a cycle did.
    pub fn set_last_cycle(&self, cycle: CycleView) {
        // One price everywhere that prices are known; where none is, what was billed is told without it.
        let places = self.places();
        let mut regions = places.iter().map(|place| place.region.as_str());
        let price = regions.find_map(|region| self.catalog().metric_request_price(region));
        let mut billed = self.billed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = billed.map_or((cycle.started_at, 0), |one| (one.since, one.metrics));
        let metrics = before.1 + cycle.billed_metrics;
        let cost = price.map(|(price, _)| price.times(metrics));
        *billed = Some(Billed { since: before.0, metrics, cost });
        drop(billed);
        *self.last_cycle.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(cycle));
    }

    /// The ledger, locked.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        execute::lock(&self.ledger)
    }

    /// The store, locked.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lists need of every recommendation; waits for no lock of the store's.
    #[must_use]
    pub fn briefs(&self) -> Arc<Briefs> {
        self.shelf.all()
    }

    /// Usage before each watched change, by change id.
    pub fn baselines(&self) -> MutexGuard<'_, BTreeMap<String, Usage>> {
        self.baselines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing can be journalled since the start, so that nothing is done, if that is so.
    #[must_use]
    pub fn read_only(&self) -> Option<&str> {
        self.read_only.as_deref()
    }

    /// The state folder.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Who set the stop switch, and why; the file is the switch, so that it works without the daemon.
    ///
    /// A file that cannot be read counts as set.
    #[must_use]
    pub fn stopped(&self) -> Option<String> {
        self.stop_switch().reason()
    }

    /// The stop switch.
    #[must_use]
    pub fn stop_switch(&self) -> StopSwitch {
        StopSwitch::of(&self.state_dir)
    }

    /// Every account and region of the settings.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let settings = self.settings();
        let places = settings.accounts.iter().flat_map(|account| {
            account
                .regions
                .iter()
                .map(|region| Place { account: account.id.clone(), region: region.clone() })
        });
        places.collect()
    }

    /// How series are collected.
    #[must_use]
    pub fn collecting(&self) -> Collecting {
        let settings = self.settings();
        Collecting { step_s: settings.collect.step_s, lookback_days: settings.sizing.lookback_days }
    }
}

/// Ends the intents that wrote nothing. Where the disk does not take that, the agent shows what it knows and does
/// nothing: a journal that failed once takes no record until it is opened again, and without a record there is no call.
fn void(ledger: &mut Ledger, now: Timestamp) -> Option<String> {
    let error = anyhow::Error::from(execute::void_unwritten(ledger, now).err()?);
    let reason = format!(
        "nothing can be journalled ({error:#}): make room on the disk, then restart the daemon"
    );
    tracing::error!(reason, "started to be read only");
    Some(reason)
}

/// The journal must not be behind what the store had seen of it: changes that are open, and what people said, are in it alone.
fn require_journal(state_dir: &Path, found: u64) -> Result<(), OpenError> {
    let sentinel = state_dir.join(SENTINEL);
    match Sentinel::load(&sentinel) {
        Ok(Sentinel { journal_seq, .. }) if found < journal_seq => Err(OpenError::JournalLost {
            path: state_dir.join("journal"),
            found,
            durable: journal_seq,
            sentinel,
        }),
        // The store looks at the rest, and is rebuilt where it must be.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// A stop switch that the journal says is set is set, whatever became of its file.
fn keep_stopped(state_dir: &Path, ledger: &Ledger) -> Result<(), OpenError> {
    let switch = StopSwitch::of(state_dir);
    let Some(reason) = ledger.book().stopped().filter(|_| switch.reason().is_none()) else {
        return Ok(());
    };
    tracing::error!(reason, "the stop switch was set and its file is gone: it is set again");
    match switch.set(SELF, reason) {
        // A full disk takes the name, and the name is the switch.
        Err(error) if switch.reason().is_none() => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes the state folder for its owner only.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use trimtab_models::resource::Kind;
    use trimtab_policies::{
        change::{Access, Adoption, State, adopted},
        mark::Mark,
        record::Entry,
    };
    use trimtab_simulations::{scenario::Scenario, world::World};

    use super::*;

    /// A change of a simulated machine that has done nothing yet.
    fn queued() -> Change {
        let text = r#"
            name = "one"
            description = "One."
            start = "2026-03-02T00:00:00Z"
            [fleet]
            idle = 1
        "#;
        let scenario = Scenario::parse(text).expect("a scenario that is read");
        let mut world = World::new(&scenario, 1, Catalog::embedded());
        let machines = world.discover("us-east-1", Kind::Instance, scenario.start);
        let machine = machines.expect("a quiet account").remove(0);
        let [agent_id, change_id, was] = ["a1", "chg-1", "m5.2xlarge"].map(str::to_owned);
        let (group, by) = ("g".to_owned(), "ada".to_owned());
        let adoption = Adoption { group, access: Access::default(), keys: Vec::new(), by };
        let mark = Mark { agent_id, change_id, was };
        let mut change = adopted(&mark, &machine, adoption, scenario.start).expect("it is there");
        (change.state, change.undo_reason) = (State::Queued, None);
        change.steps.iter_mut().for_each(|progress| progress.attempts = 0);
        change
    }

    #[test]
    fn a_full_disk_at_the_start_is_told_and_survived() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut ledger = Ledger::open(folder.path()).expect("an empty journal opens");
        assert_eq!(void(&mut ledger, Timestamp::UNIX_EPOCH), None, "nothing is open");
        let opened = Entry::Opened { change: Box::new(queued()) };
        ledger.record(Timestamp::UNIX_EPOCH, "trimtab", opened).expect("there is room");
        crate::ledger::tests::fill_disk(&mut ledger);
        let reason = void(&mut ledger, Timestamp::UNIX_EPOCH).expect("its end cannot be written");
        assert!(reason.contains("make room"), "{reason}");
    }
}
