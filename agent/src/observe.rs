//! Observing: discover every resource, and collect its series up to now.
//!
//! One place (account and region) is asked after the other's kinds, places side by side; what fails is reported by name
//! and leaves the rest working. Not here: what the series mean (`trimtab_models`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{PoisonError, RwLock},
};

use futures::{
    FutureExt,
    stream::{self, StreamExt},
};
use jiff::Timestamp;
use trimtab_models::{
    metric::Measure,
    resource::{Arn, Detail, Kind, Resource},
    series::Series,
};
use trimtab_policies::operations::{Failure, FailureKind};

use crate::{
    ports::{Fetched, Observe, Place, SeriesQuery},
    series_store::SeriesStore,
    store::Collected,
    view::ServiceFailure,
};

/// Places that are asked at once.
const PLACES_AT_ONCE: usize = 8;
/// `GetMetricData` takes at most 500 queries a call.
const QUERIES_MAX: usize = 500;
/// Points asked for at once: bounds the memory of a back-fill (4 bytes a point).
const POINTS_MAX: i64 = 2_000_000;
/// CloudWatch's newest points are not final: the window ends this long before now.
pub const SETTLE_S: i64 = 600;
/// The newest stored points are read again, because late samples change them.
const REREAD_S: i64 = 900;

/// The key of a series in the series store.
#[must_use]
pub fn series_key(arn: &Arn, measure: Measure) -> String {
    format!("{arn}|{measure}")
}

/// Everything that was found, and what could not be asked.
#[derive(Debug, Default)]
pub struct Discovered {
    /// The resources.
    pub resources: BTreeMap<Arn, Resource>,
    /// What failed.
    pub failures: Vec<ServiceFailure>,
    /// Places whose credentials could not be shown to be theirs: nothing more is asked there in this cycle.
    pub closed: BTreeSet<Place>,
}

/// Discovers every kind in every place. What cannot be asked keeps its resources from `known`, marked by their old
/// `observed_at`, so that an outage of one service never looks like an empty account. A place whose credentials belong to
/// another account, or to nobody that can be told, is not asked at all.
pub async fn discover(
    observe: &dyn Observe,
    places: &[Place],
    known: &BTreeMap<Arn, Resource>,
    now: Timestamp,
) -> Discovered {
    let asking = places.iter().map(|place| discover_place(observe, place).boxed());
    let answers: Vec<_> =
        stream::iter(asking.collect::<Vec<_>>()).buffered(PLACES_AT_ONCE).collect().await;
    let mut found = Discovered::default();
    for (place, refusal, answers, unasked) in answers {
        found.failures.extend(unasked);
        if let Some(failure) = refusal {
            found.failures.push(service_failure(place, "sts", &failure));
            found.closed.insert(place.clone());
            Kind::ALL.into_iter().for_each(|kind| found.keep(known, place, kind));
        }
        for (kind, answer) in answers {
            match answer {
                Ok(resources) => found.add(resources, known, now),
                Err(failure) => {
                    found.failures.push(service_failure(place, kind.as_str(), &failure));
                    found.keep(known, place, kind);
                }
            }
        }
    }
    found
}

async fn discover_place<'a>(
    observe: &dyn Observe,
    place: &'a Place,
) -> (&'a Place, Option<Failure>, Answers, Option<ServiceFailure>) {
    let refusal = reason_not_ours(observe, place).await;
    let (mut answers, mut unasked) = (Vec::new(), None);
    for kind in Kind::ALL.into_iter().filter(|_| refusal.is_none()) {
        let mut answer = observe.discover(place, kind).await;
        if let (Kind::Instance, Ok(instances)) = (kind, &mut answer) {
            unasked = join_registrations(observe, place, instances).await;
        }
        answers.push((kind, answer));
    }
    (place, refusal, answers, unasked)
}

/// What each kind's discovery answered.
type Answers = Vec<(Kind, Result<Vec<Resource>, Failure>)>;

/// Notes with each instance which load balancers send it traffic. Where that cannot be asked it stays unknown, and the
/// failure is told.
async fn join_registrations(
    observe: &dyn Observe,
    place: &Place,
    instances: &mut [Resource],
) -> Option<ServiceFailure> {
    if instances.is_empty() {
        return None;
    }
    let answer = observe.registrations(place).await;
    for resource in instances {
        let registrations =
            answer.as_ref().ok().map(|all| all.get(&resource.id).cloned().unwrap_or_default());
        if let Detail::Instance(instance) = &mut resource.detail {
            instance.registrations = registrations;
        }
    }
    answer.err().map(|failure| service_failure(place, "elastic-load-balancing", &failure))
}

impl Discovered {
    fn add(&mut self, resources: Vec<Resource>, known: &BTreeMap<Arn, Resource>, now: Timestamp) {
        let resources = resources.into_iter().map(|resource| with_history(resource, known, now));
        self.resources.extend(resources.map(|resource| (resource.reference.arn.clone(), resource)));
    }

    fn keep(&mut self, known: &BTreeMap<Arn, Resource>, place: &Place, kind: Kind) {
        let kept = known.values().filter(|resource| is_of(resource, place, kind));
        self.resources
            .extend(kept.map(|resource| (resource.reference.arn.clone(), resource.clone())));
    }
}

/// Why the credentials cannot be taken for the account's: a stranger's resources must not be read in its name.
async fn reason_not_ours(observe: &dyn Observe, place: &Place) -> Option<Failure> {
    let caller = match observe.caller(place).await {
        Ok(caller) if caller == place.account => return None,
        Ok(caller) => caller,
        Err(failure) => return Some(failure),
    };
    let account = &place.account;
    Some(Failure {
        kind: FailureKind::Denied,
        call: "sts:GetCallerIdentity".to_owned(),
        target: format!("account {account} in {}", place.region),
        message: format!(
            "the credentials belong to account {caller}, not to {account}: give this `[[account]]` a `role_arn` in \
             {account}, or correct its `id`"
        ),
    })
}

fn is_of(resource: &Resource, place: &Place, kind: Kind) -> bool {
    let reference = &resource.reference;
    reference.kind == kind && reference.account == place.account && reference.region == place.region
}

/// A failed call by name.
#[must_use]
pub fn service_failure(place: &Place, service: &str, failure: &Failure) -> ServiceFailure {
    ServiceFailure {
        account: place.account.clone(),
        region: place.region.clone(),
        service: service.to_owned(),
        error: failure.to_string(),
    }
}

/// Carries over what only we know: since when a volume has been seen unattached, without a break.
fn with_history(
    mut resource: Resource,
    known: &BTreeMap<Arn, Resource>,
    now: Timestamp,
) -> Resource {
    let before = known
        .get(&resource.reference.arn)
        .and_then(Resource::volume)
        .and_then(|volume| volume.detached_since);
    if let Detail::Volume(volume) = &mut resource.detail {
        volume.detached_since = (volume.attachments.is_empty() && volume.state == "available")
            .then(|| volume.detached_since.or(before).unwrap_or(now));
    }
    resource
}

/// What is collected, and with which grid.
#[derive(Debug, Clone, Copy)]
pub struct Collecting {
    /// The grid's step, seconds.
    pub step_s: u32,
    /// Days of the first back-fill.
    pub lookback_days: u32,
}

impl Collecting {
    /// The end of the window at `now`, seconds since the epoch, aligned to the grid.
    #[must_use]
    pub fn end_s(&self, now: Timestamp) -> i64 {
        let step = i64::from(self.step_s);
        (now.as_second() - SETTLE_S).div_euclid(step) * step
    }

    /// The start of the look-back at `now`, seconds since the epoch, aligned to the grid.
    #[must_use]
    pub fn start_s(&self, now: Timestamp) -> i64 {
        self.end_s(now) - i64::from(self.lookback_days) * 86_400
    }
}

/// What one collection brought.
#[derive(Debug, Default)]
pub struct CollectReport {
    /// Series asked for.
    pub requested: u64,
    /// Points received.
    pub points: u64,
    /// Metrics billed.
    pub billed: u64,
    /// What failed.
    pub failures: Vec<ServiceFailure>,
}

/// One query with what is needed to store its answer.
struct Asked<'a> {
    arn: &'a Arn,
    query: SeriesQuery,
}

/// Collects every series of every resource outside the `closed` places, from where the last collection ended, and stores
/// the points.
pub async fn collect(
    observe: &dyn Observe,
    (inventory, closed): (&BTreeMap<Arn, Resource>, &BTreeSet<Place>),
    collecting: Collecting,
    collected: &mut BTreeMap<String, Collected>,
    series: &RwLock<SeriesStore>,
    now: Timestamp,
) -> CollectReport {
    let mut by_place: BTreeMap<Place, Vec<Asked<'_>>> = BTreeMap::new();
    for (arn, resource) in inventory {
        let place = Place {
            account: resource.reference.account.clone(),
            region: resource.reference.region.clone(),
        };
        if closed.contains(&place) {
            continue;
        }
        by_place.entry(place).or_default().extend(queries(
            resource,
            collecting,
            collected.get(&arn.0),
            now,
        ));
    }
    let asking =
        by_place.iter().map(|(place, asked)| collect_place(observe, place, asked, series).boxed());
    let reports: Vec<_> =
        stream::iter(asking.collect::<Vec<_>>()).buffered(PLACES_AT_ONCE).collect().await;
    let until_s = collecting.end_s(now);
    let mut report = CollectReport::default();
    for (part, owed) in reports {
        report.requested += part.requested;
        report.points += part.points;
        report.billed += part.billed;
        report.failures.extend(part.failures);
        for (arn, owed) in owed {
            collected.insert(arn, Collected { until_s, owed });
        }
    }
    collected.retain(|arn, _| inventory.contains_key(&Arn(arn.clone())));
    report
}

fn queries<'a>(
    resource: &'a Resource,
    collecting: Collecting,
    collected: Option<&Collected>,
    now: Timestamp,
) -> Vec<Asked<'a>> {
    let step = i64::from(collecting.step_s);
    let (start_s, until_s) = (collecting.start_s(now), collecting.end_s(now));
    Measure::of(resource.reference.kind)
        .map(|measure| {
            let from_s = collected.map_or(start_s, |collected| {
                let owed = collected.owed.get(&measure.to_string()).copied();
                let reread = (collected.until_s - REREAD_S).div_euclid(step) * step;
                owed.unwrap_or(reread).clamp(start_s, until_s)
            });
            let query = SeriesQuery {
                kind: resource.reference.kind,
                resource_id: resource.id.clone(),
                measure,
                step_s: collecting.step_s,
                from_s,
                until_s,
            };
            Asked { arn: &resource.reference.arn, query }
        })
        .filter(|asked| asked.query.from_s < asked.query.until_s)
        .collect()
}

type Owed = BTreeMap<String, BTreeMap<String, i64>>;

async fn collect_place(
    observe: &dyn Observe,
    place: &Place,
    asked: &[Asked<'_>],
    series: &RwLock<SeriesStore>,
) -> (CollectReport, Owed) {
    let mut report = CollectReport::default();
    let mut owed = Owed::new();
    for batch in batches(asked) {
        report.requested += batch.len() as u64;
        let queries: Vec<_> = batch.iter().map(|asked| asked.query.clone()).collect();
        let answers = match observe.series(place, &queries).await {
            Ok(fetched) => {
                report.billed += fetched.billed_metrics;
                fetched.results
            }
            Err(failure) => {
                report.failures.push(service_failure(place, "cloudwatch", &failure));
                queries.iter().map(|_| Fetched::Failed(failure.message.clone())).collect()
            }
        };
        for (asked, answer) in batch.iter().zip(answers) {
            let owed = owed.entry(asked.arn.0.clone()).or_default();
            match keep(asked, answer, series) {
                Ok(points) => report.points += points,
                Err((points, error)) => {
                    report.points += points;
                    owed.insert(asked.query.measure.to_string(), asked.query.from_s);
                    tracing::debug!(arn = %asked.arn, measure = %asked.query.measure, error, "a series is owed");
                }
            }
        }
    }
    let series_owed: usize = owed.values().map(BTreeMap::len).sum();
    if series_owed > 0 && report.failures.is_empty() {
        report.failures.push(ServiceFailure {
            account: place.account.clone(),
            region: place.region.clone(),
            service: "cloudwatch".to_owned(),
            error: format!("{series_owed} series were answered in part or not at all: they are asked for again next time"),
        });
    }
    report.failures.dedup();
    (report, owed)
}

/// Splits queries into calls: at most 500 each, and at most so many points that they fit into memory.
fn batches<'a, 'b>(asked: &'b [Asked<'a>]) -> Vec<&'b [Asked<'a>]> {
    let mut batches = Vec::new();
    let (mut begin, mut points) = (0, 0_i64);
    for (index, item) in asked.iter().enumerate() {
        let size = (item.query.until_s - item.query.from_s) / i64::from(item.query.step_s);
        if index > begin && (index - begin == QUERIES_MAX || points + size > POINTS_MAX) {
            batches.push(&asked[begin..index]);
            (begin, points) = (index, 0);
        }
        points += size;
    }
    if begin < asked.len() {
        batches.push(&asked[begin..]);
    }
    batches
}

/// Stores an answer; the error tells what is still owed, beside the points that did come.
fn keep(
    asked: &Asked<'_>,
    answer: Fetched,
    store: &RwLock<SeriesStore>,
) -> Result<u64, (u64, String)> {
    let (series, missing) = match answer {
        Fetched::Complete(series) => (series, None),
        Fetched::Partial(series) => (series, Some("CloudWatch answered in part".to_owned())),
        Fetched::Failed(error) => return Err((0, error)),
    };
    let points = series.present().count() as u64;
    if points > 0 {
        let key = series_key(asked.arn, asked.query.measure);
        let mut store = store.write().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = store.append(&key, series.step_s, series.start_s, &series.values) {
            return Err((0, error.to_string()));
        }
    }
    missing.map_or(Ok(points), |error| Err((points, error)))
}

/// The stored series of a resource in `[from_s, until_s)`; a damaged one is an error, never a gap.
///
/// # Errors
/// The store's, naming file and offset.
pub fn stored_series(
    resource: &Resource,
    from_s: i64,
    until_s: i64,
    store: &RwLock<SeriesStore>,
) -> Result<BTreeMap<Measure, Series>, crate::series_store::SeriesError> {
    stored_measures(resource, Measure::of(resource.reference.kind), (from_s, until_s), store)
}

/// As [`stored_series`], for some measures.
///
/// # Errors
/// As [`stored_series`].
pub fn stored_measures(
    resource: &Resource,
    measures: impl Iterator<Item = Measure>,
    (from_s, until_s): (i64, i64),
    store: &RwLock<SeriesStore>,
) -> Result<BTreeMap<Measure, Series>, crate::series_store::SeriesError> {
    let store = store.read().unwrap_or_else(PoisonError::into_inner);
    let mut all = BTreeMap::new();
    for measure in measures {
        if let Some(grid) =
            store.read(&series_key(&resource.reference.arn, measure), from_s, until_s)?
        {
            all.insert(
                measure,
                Series { start_s: grid.start_unix_s, step_s: grid.step_s, values: grid.values },
            );
        }
    }
    Ok(all)
}
