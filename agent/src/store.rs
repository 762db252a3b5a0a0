//! Derived state in sled: the inventory, the recommendations, and how far each series was collected.
//!
//! All of it can be rebuilt from the journal and from AWS. sled does not sync by itself and can reopen empty after damage;
//! hence the explicit sync, the guarded open and the sentinel beside it. Not here: the journal, the series.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;
use trimtab_models::resource::{Arn, Resource};

use crate::{
    brief::Shelf,
    sentinel::{Sentinel, SentinelError},
    view::RecommendationView,
};

/// Larger values become blobs that sled never syncs.
const VALUE_MAX: usize = 64 << 10;
/// sled releases its lock late after a close.
const LOCK_TRIES: u32 = 10;
/// zstd's fastest level that still halves our JSON.
const ZSTD_LEVEL: i32 = 3;
/// The file beside the store that says what it must hold.
pub const SENTINEL: &str = "store.sentinel.json";

/// The trees whose counts the sentinel holds.
const TREES: [&str; 3] = ["inventory", "recommendations", "collected"];

/// What went wrong with the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process holds it.
    #[error(
        "the state folder `{0}` is in use by another trimtab: stop that one first, or name another `agent.state_dir`"
    )]
    Locked(PathBuf),
    /// sled refuses.
    #[error("the store in `{path}` failed while {doing}")]
    Sled {
        /// Its folder.
        path: PathBuf,
        /// During what.
        doing: &'static str,
        /// sled's words.
        #[source]
        source: sled::Error,
    },
    /// A file operation failed.
    #[error("the store in `{path}` cannot be synced: check the disk and its free space")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: std::io::Error,
    },
    /// A value is too large.
    #[error(
        "the value of `{key}` has {bytes} bytes, more than the {VALUE_MAX} that can be kept safely"
    )]
    TooLarge {
        /// Its key.
        key: String,
        /// Its size, compressed.
        bytes: usize,
    },
    /// A value cannot be read or written as JSON.
    #[error("the value of `{key}` in the store cannot be understood")]
    Value {
        /// Its key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The sentinel cannot be written.
    #[error("the store's sentinel cannot be used")]
    Sentinel(#[from] SentinelError),
}

/// How far one resource's series were collected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Collected {
    /// End of the last answered window, seconds since the epoch.
    pub until_s: i64,
    /// Measures whose last answer was partial or failed, with the start of what is still owed.
    #[serde(default)]
    pub owed: BTreeMap<String, i64>,
}

/// The store.
#[derive(Debug)]
pub struct Store {
    db: sled::Db,
    path: PathBuf,
    sentinel_path: PathBuf,
    suspicion: Option<String>,
    shelf: Shelf,
}

impl Store {
    /// Opens the store in `state_dir`. A damaged index snapshot is moved aside and the open tried once more.
    ///
    /// # Errors
    /// When another process holds it, or sled cannot open it.
    pub fn open(state_dir: &Path, journal_seq: u64, cache_bytes: u64) -> Result<Self, StoreError> {
        let path = state_dir.join("store");
        let sentinel_path = state_dir.join(SENTINEL);
        let db = open_or_mend(&path, cache_bytes)?;
        let mut store = Self { db, path, sentinel_path, suspicion: None, shelf: Shelf::default() };
        store.suspicion = store.compare_with_sentinel(journal_seq);
        if let Some(reason) = store.suspicion.clone() {
            tracing::error!(
                reason,
                "the store is not what was last written: it is rebuilt from the journal and AWS"
            );
            store.clear()?;
        }
        // What cannot be read stands in the way of the next cycle, which says so, but not of a change that is open.
        match store.recommendations() {
            Ok(views) => store.shelf.replace(views.values()),
            Err(error) => tracing::error!(%error, "the recommendations cannot be listed"),
        }
        Ok(store)
    }

    /// The briefs of its recommendations, as last written.
    #[must_use]
    pub fn shelf(&self) -> Shelf {
        self.shelf.clone()
    }

    /// Why the store was not believed when it was opened; nothing is changed until a whole cycle has rebuilt it.
    #[must_use]
    pub fn suspicion(&self) -> Option<&str> {
        self.suspicion.as_deref()
    }

    /// The rebuilt store may be believed.
    pub fn trust(&mut self) {
        self.suspicion = None;
    }

    fn compare_with_sentinel(&self, journal_seq: u64) -> Option<String> {
        let sentinel = match Sentinel::load(&self.sentinel_path) {
            Ok(sentinel) => sentinel,
            Err(SentinelError::Missing { .. }) => {
                let empty = TREES.iter().all(|tree| self.count(tree) == Some(0));
                return (!empty).then(|| format!("`{}` is missing", self.sentinel_path.display()));
            }
            Err(error) => return Some(error.to_string()),
        };
        if journal_seq < sentinel.journal_seq {
            return Some(format!(
                "the journal ends at record {journal_seq}, the store had seen {}",
                sentinel.journal_seq
            ));
        }
        TREES.iter().find_map(|tree| {
            let expected = sentinel.counts.get(*tree).copied().unwrap_or(0);
            let found = self.count(tree);
            (found != Some(expected))
                .then(|| format!("`{tree}` holds {found:?} entries, not {expected}"))
        })
    }

    fn count(&self, tree: &str) -> Option<u64> {
        self.db.open_tree(tree).ok().map(|tree| tree.len() as u64)
    }

    fn clear(&self) -> Result<(), StoreError> {
        for name in TREES {
            self.tree(name)?.clear().map_err(|source| self.failed("clearing", source))?;
        }
        Ok(())
    }

    /// Makes everything durable, then writes the sentinel.
    ///
    /// # Errors
    /// When the disk refuses; nothing may be changed in AWS then.
    pub fn commit(&self, journal_seq: u64) -> Result<(), StoreError> {
        self.db.flush().map_err(|source| self.failed("flushing", source))?;
        let db_file = self.path.join("db");
        File::open(&db_file)
            .and_then(|file| file.sync_all())
            .map_err(|source| StoreError::Io { path: db_file, source })?;
        let counts =
            TREES.iter().map(|tree| ((*tree).to_owned(), self.count(tree).unwrap_or(0))).collect();
        let generation =
            Sentinel::load(&self.sentinel_path).map_or(0, |sentinel| sentinel.generation) + 1;
        Sentinel { generation, counts, journal_seq }.save(&self.sentinel_path)?;
        Ok(())
    }

    /// The whole inventory as last discovered.
    ///
    /// # Errors
    /// When a value cannot be read.
    pub fn inventory(&self) -> Result<BTreeMap<Arn, Resource>, StoreError> {
        Ok(self
            .all::<Resource>("inventory")?
            .into_iter()
            .map(|(key, value)| (Arn(key), value))
            .collect())
    }

    /// Replaces the inventory: what is not in `resources` is forgotten.
    ///
    /// # Errors
    /// When a value cannot be written.
    pub fn replace_inventory(&self, resources: &BTreeMap<Arn, Resource>) -> Result<(), StoreError> {
        self.replace(
            "inventory",
            resources.iter().map(|(arn, resource)| (arn.0.as_str(), resource)),
        )
    }

    /// Every recommendation that is kept, by id.
    ///
    /// # Errors
    /// When a value cannot be read.
    pub fn recommendations(&self) -> Result<BTreeMap<String, RecommendationView>, StoreError> {
        self.all("recommendations")
    }

    /// One recommendation.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn recommendation(&self, id: &str) -> Result<Option<RecommendationView>, StoreError> {
        let value = self
            .tree("recommendations")?
            .get(id)
            .map_err(|source| self.failed("reading", source))?;
        value.map(|value| decode(id, &value)).transpose()
    }

    /// Writes one recommendation that was reviewed since it was read.
    ///
    /// Where it stands is what the store says by now, and where a cycle has confirmed it meanwhile, so are its evidence and
    /// verdicts: both are newer than what was read. `amend` then says what the review changes of where it stands.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn amend_recommendation(
        &self,
        reviewed: RecommendationView,
        amend: impl FnOnce(&mut RecommendationView),
    ) -> Result<RecommendationView, StoreError> {
        let id = reviewed.entry.id.clone();
        let mut view = match self.recommendation(&id)? {
            Some(kept) if kept.confirmed_at > reviewed.confirmed_at => kept,
            Some(kept) => RecommendationView { entry: reviewed.entry, ..kept },
            None => reviewed,
        };
        amend(&mut view);
        let encoded = encode(&id, &view)?;
        self.tree("recommendations")?
            .insert(&id, encoded)
            .map_err(|source| self.failed("writing", source))?;
        self.shelf.put(&view);
        Ok(view)
    }

    /// Replaces the recommendations.
    ///
    /// # Errors
    /// When a value cannot be written.
    pub fn replace_recommendations(
        &self,
        recommendations: &BTreeMap<String, RecommendationView>,
    ) -> Result<(), StoreError> {
        self.replace(
            "recommendations",
            recommendations.iter().map(|(id, view)| (id.as_str(), view)),
        )?;
        self.shelf.replace(recommendations.values());
        Ok(())
    }

    /// How far each resource's series were collected.
    ///
    /// # Errors
    /// When a value cannot be read.
    pub fn collected(&self) -> Result<BTreeMap<String, Collected>, StoreError> {
        self.all("collected")
    }

    /// Replaces how far series were collected.
    ///
    /// # Errors
    /// When a value cannot be written.
    pub fn replace_collected(
        &self,
        collected: &BTreeMap<String, Collected>,
    ) -> Result<(), StoreError> {
        self.replace("collected", collected.iter().map(|(arn, value)| (arn.as_str(), value)))
    }

    fn tree(&self, name: &str) -> Result<sled::Tree, StoreError> {
        self.db.open_tree(name).map_err(|source| self.failed("opening a tree", source))
    }

    fn failed(&self, doing: &'static str, source: sled::Error) -> StoreError {
        StoreError::Sled { path: self.path.clone(), doing, source }
    }

    fn all<T: DeserializeOwned>(&self, tree: &str) -> Result<BTreeMap<String, T>, StoreError> {
        let mut values = BTreeMap::new();
        for item in &self.tree(tree)? {
            let (key, value) = item.map_err(|source| self.failed("reading", source))?;
            let key = String::from_utf8_lossy(&key).into_owned();
            let value = decode(&key, &value)?;
            values.insert(key, value);
        }
        Ok(values)
    }

    /// Writes what differs and removes what is no longer there, so that an unchanged state costs no writes.
    fn replace<'a, T: Serialize + 'a>(
        &self,
        tree: &str,
        values: impl Iterator<Item = (&'a str, &'a T)>,
    ) -> Result<(), StoreError> {
        let tree = self.tree(tree)?;
        let mut keep = std::collections::BTreeSet::new();
        let mut batch = sled::Batch::default();
        for (key, value) in values {
            keep.insert(key.as_bytes().to_vec());
            let encoded = encode(key, value)?;
            let same = tree
                .get(key)
                .map_err(|source| self.failed("reading", source))?
                .is_some_and(|stored| stored == encoded);
            if !same {
                batch.insert(key, encoded);
            }
        }
        for key in tree.iter().keys() {
            let key = key.map_err(|source| self.failed("reading", source))?;
            if !keep.contains(key.as_ref()) {
                batch.remove(key);
            }
        }
        tree.apply_batch(batch).map_err(|source| self.failed("writing", source))
    }
}

/// Opens the store; a damaged index snapshot, then the whole damaged store, is moved aside.
fn open_or_mend(path: &Path, cache_bytes: u64) -> Result<sled::Db, StoreError> {
    match open_guarded(path, cache_bytes) {
        Err(StoreError::Sled { source, .. }) if is_damage(&source) => {
            tracing::warn!(path = %path.display(), "the store's index snapshot is damaged and is moved aside");
            move_snapshots_aside(path)?;
        }
        other => return other,
    }
    match open_guarded(path, cache_bytes) {
        Err(StoreError::Sled { source, .. }) if is_damage(&source) => {
            let aside = path.with_file_name("store-damaged");
            tracing::error!(path = %path.display(), aside = %aside.display(), "the store is damaged and is moved aside");
            if aside.exists() {
                std::fs::remove_dir_all(&aside)
                    .map_err(|source| StoreError::Io { path: aside.clone(), source })?;
            }
            std::fs::rename(path, &aside)
                .map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
            open_guarded(path, cache_bytes)
        }
        other => other,
    }
}

/// A configuration that sled does not know is a damaged one: nobody else ever wrote here.
const fn is_damage(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Corruption { .. } | sled::Error::Unsupported(_))
}

/// One open (sled's memory runs to about ten times the cache it is given) without sled's own background flushing. On damaged data sled may panic: that counts as corruption.
fn open_once(path: &Path, cache_bytes: u64) -> Result<sled::Db, sled::Error> {
    let open =
        || sled::Config::new().path(path).cache_capacity(cache_bytes).flush_every_ms(None).open();
    std::panic::catch_unwind(open).unwrap_or(Err(sled::Error::Corruption { at: None, bt: () }))
}

fn open_guarded(path: &Path, cache_bytes: u64) -> Result<sled::Db, StoreError> {
    let mut tries = 0;
    loop {
        match open_once(path, cache_bytes) {
            Ok(db) => return Ok(db),
            Err(sled::Error::Io(error)) if is_lock(&error) && tries < LOCK_TRIES => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            Err(sled::Error::Io(error)) if is_lock(&error) => {
                return Err(StoreError::Locked(path.parent().unwrap_or(path).to_owned()));
            }
            Err(source) => {
                return Err(StoreError::Sled { path: path.to_owned(), doing: "opening", source });
            }
        }
    }
}

fn is_lock(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock
        || error.to_string().contains("could not acquire lock")
}

fn move_snapshots_aside(path: &Path) -> Result<(), StoreError> {
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    for entry in std::fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            let aside = path
                .with_file_name(format!("store-damaged-{}", entry.file_name().to_string_lossy()));
            std::fs::rename(entry.path(), aside).map_err(io)?;
        }
    }
    Ok(())
}

fn encode<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(value)
        .map_err(|source| StoreError::Value { key: key.to_owned(), source })?;
    let packed = zstd::bulk::compress(&json, ZSTD_LEVEL).unwrap_or(json);
    if packed.len() > VALUE_MAX {
        return Err(StoreError::TooLarge { key: key.to_owned(), bytes: packed.len() });
    }
    Ok(packed)
}

fn decode<T: DeserializeOwned>(key: &str, packed: &[u8]) -> Result<T, StoreError> {
    let json = zstd::stream::decode_all(packed).map_err(|source| StoreError::Value {
        key: key.to_owned(),
        source: serde::de::Error::custom(source),
    })?;
    serde_json::from_slice(&json)
        .map_err(|source| StoreError::Value { key: key.to_owned(), source })
}
