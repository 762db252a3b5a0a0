//! Probing: the read-only and DryRun calls that a candidate's checks need, as timestamped facts.
//!
//! A call that fails leaves its fact missing and its name in `failures`; the checks then fail. Not here: the checks.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{
    catalog::VcpuQuota,
    recommendation::Recommendation,
    resource::{Detail, Kind, Resource},
    spec::Spec,
};
use trimtab_policies::{
    facts::{Fact, Facts, Targets},
    operations::Failure,
    plan::Moment,
    steps::Step,
    vcpus::VcpuRoom,
};

use crate::ports::{Act, Fetched, Observe, Place, Ports, SeriesQuery};

/// EBS counts modifications in a rolling day.
const MODIFICATION_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// What is asked about, and for which moment.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The recommendation.
    pub recommendation: &'a Recommendation,
    /// Its steps.
    pub steps: &'a [Step],
    /// The resource's availability zone.
    pub zone: Option<&'a str>,
    /// vCPUs that run in the place, by the quota that they count against.
    pub vcpus_in_use: &'a Result<BTreeMap<VcpuQuota, u32>, String>,
    /// The quotas that the ladder needs more of.
    pub quotas: &'a BTreeSet<VcpuQuota>,
    /// Alarms that the settings name.
    pub stop_alarms: &'a [String],
    /// The moment of the review that the facts are for.
    pub moment: Moment,
}

/// The place of a recommendation's resource.
#[must_use]
pub fn place_of(recommendation: &Recommendation) -> Place {
    Place {
        account: recommendation.resource.account.clone(),
        region: recommendation.resource.region.clone(),
    }
}

/// Asks everything that the review of `question` at its moment needs.
pub async fn probe(ports: &Ports, question: Question<'_>) -> Facts {
    let mut asking = Asking { facts: Facts::default(), now: ports.clock.now() };
    let observe = ports.observe.as_ref();
    match question.recommendation.resource.kind {
        Kind::Instance => probe_instance(&mut asking, observe, question).await,
        Kind::Volume => {
            let place = place_of(question.recommendation);
            let answer = observe.modifications(&place, &question.recommendation.resource_id).await;
            asking.facts.modifications =
                asking.take("describe-volumes-modifications", answer).map(|mut fact| {
                    fact.value.retain(|at| fact.at.duration_since(*at) < MODIFICATION_WINDOW);
                    fact
                });
        }
        // The list of functions tells no states, so that a function is described for its proposal too.
        Kind::Function => describe(&mut asking, observe, question).await,
        Kind::Group => {}
    }
    let reference = &question.recommendation.resource;
    let alarms =
        observe.alarms(reference, &question.recommendation.resource_id, question.stop_alarms).await;
    asking.facts.alarms = asking.take("describe-alarms", alarms);
    if question.moment != Moment::Proposal {
        probe_live(&mut asking, ports, question).await;
    }
    asking.facts
}

/// The facts gathered so far, and the time they carry.
struct Asking {
    facts: Facts,
    now: Timestamp,
}

impl Asking {
    fn take<T>(&mut self, call: &str, answer: Result<T, Failure>) -> Option<Fact<T>> {
        match answer {
            Ok(value) => Some(Fact { at: self.now, value }),
            Err(failure) => {
                self.facts.failures.push(format!("{call}: {failure}"));
                None
            }
        }
    }
}

async fn probe_instance(asking: &mut Asking, observe: &dyn Observe, question: Question<'_>) {
    let place = place_of(question.recommendation);
    let id = &question.recommendation.resource_id;
    let status = observe.instance_status(&place, id).await;
    asking.facts.status = asking
        .take("describe-instance-status", status)
        .and_then(|fact| fact.value.map(|value| Fact { at: fact.at, value }));
    probe_targets(asking, observe, question).await;
    probe_quotas(asking, observe, question).await;
    let protection = observe.protection(&place, id).await;
    if let Some(fact) = asking.take("describe-instance-attribute", protection) {
        asking.facts.stop_protection = Some(Fact { at: fact.at, value: fact.value.stop });
        asking.facts.termination_protection =
            Some(Fact { at: fact.at, value: fact.value.termination });
    }
    if let (Spec::Instance { instance_type, .. }, Some(zone)) =
        (&question.recommendation.desired, question.zone)
    {
        let mut types = vec![instance_type.clone()];
        types.extend(question.recommendation.alternates.iter().cloned());
        let offered = observe.offered(&place, zone, &types).await;
        asking.facts.offered = asking.take("describe-instance-type-offerings", offered);
    }
}

/// The room in the vCPU quotas that a type of the ladder needs more of.
async fn probe_quotas(asking: &mut Asking, observe: &dyn Observe, question: Question<'_>) {
    let place = place_of(question.recommendation);
    let mut rooms = BTreeMap::new();
    for quota in question.quotas {
        let used = match question.vcpus_in_use {
            Ok(used) => used.get(quota).copied().unwrap_or(0),
            Err(reason) => return asking.facts.failures.push(format!("vcpus-in-use: {reason}")),
        };
        let limit = asking.take("get-service-quota", observe.vcpu_limit(&place, *quota).await);
        let Some(Fact { value: limit, .. }) = limit else { return };
        rooms.insert(*quota, VcpuRoom { limit, used });
    }
    asking.facts.vcpus = Some(Fact { at: asking.now, value: rooms });
}

/// The health of every group that the steps take the instance out of.
async fn probe_targets(asking: &mut Asking, observe: &dyn Observe, question: Question<'_>) {
    let place = place_of(question.recommendation);
    let registrations = question.steps.iter().filter_map(|step| step.kind.as_registration());
    let groups: BTreeSet<&String> = registrations.map(|it| &it.group_arn).collect();
    let mut targets = Targets::new();
    for group in groups {
        let answer = observe.targets(&place, group).await;
        let Some(fact) = asking.take("describe-target-health", answer) else { return };
        targets.insert(group.clone(), fact.value);
    }
    asking.facts.targets = Some(Fact { at: asking.now, value: targets });
}

async fn describe(asking: &mut Asking, observe: &dyn Observe, question: Question<'_>) {
    let Recommendation { resource, resource_id, .. } = question.recommendation;
    let live = observe.describe(resource, resource_id).await;
    asking.facts.live = asking.take("describe", live);
    if resource.kind != Kind::Instance {
        return;
    }
    let answer = observe.registrations(&place_of(question.recommendation)).await;
    let answer = asking.take("describe-target-groups", answer);
    let registrations = answer.map(|fact| fact.value.get(resource_id).cloned().unwrap_or_default());
    if let Some(Fact { value: Resource { detail: Detail::Instance(instance), .. }, .. }) =
        &mut asking.facts.live
    {
        instance.registrations = registrations;
    }
}

/// What only matters when something is about to be done: the live resource, fresh points, and permission.
async fn probe_live(asking: &mut Asking, ports: &Ports, question: Question<'_>) {
    let recommendation = question.recommendation;
    if asking.facts.live.is_none() {
        describe(asking, ports.observe.as_ref(), question).await;
    }
    let points = newest_points(ports.observe.as_ref(), recommendation, asking.now).await;
    asking.facts.newest_points = asking.take("get-metric-data", points);
    if let Some(act) = &ports.act {
        let permission = permission(act.as_ref(), &place_of(recommendation), question.steps).await;
        asking.facts.permission = asking.take("dry-run", permission);
    }
}

async fn permission(
    act: &dyn Act,
    place: &Place,
    steps: &[Step],
) -> Result<trimtab_policies::facts::Permission, Failure> {
    act.permission(place, steps).await
}

/// The newest point of each decisive series, fetched again.
async fn newest_points(
    observe: &dyn Observe,
    recommendation: &Recommendation,
    now: Timestamp,
) -> Result<BTreeMap<String, Option<Timestamp>>, Failure> {
    let decisive: Vec<_> =
        recommendation.evidence.series.iter().filter(|series| series.decisive).collect();
    let queries: Vec<_> = decisive
        .iter()
        .map(|series| {
            let step = i64::from(series.step_s.max(1));
            let until_s = now.as_second().div_euclid(step) * step;
            SeriesQuery {
                kind: recommendation.resource.kind,
                resource_id: recommendation.resource_id.clone(),
                measure: series.measure,
                step_s: series.step_s,
                // Two periods and the publication delay, twice over: what is older than that is stale anyhow.
                from_s: until_s - 12 * step,
                until_s,
            }
        })
        .collect();
    if queries.is_empty() {
        return Ok(BTreeMap::new());
    }
    let fetched = observe.series(&place_of(recommendation), &queries).await?;
    let newest = decisive.iter().zip(fetched.results).map(|(series, answer)| {
        let newest = match answer {
            Fetched::Complete(points) | Fetched::Partial(points) => points.newest_s(),
            Fetched::Failed(_) => None,
        };
        (
            Facts::point_key(series.measure),
            newest.and_then(|second| Timestamp::from_second(second).ok()),
        )
    });
    Ok(newest.collect())
}
