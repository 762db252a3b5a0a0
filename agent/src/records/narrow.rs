//! Which resources, changes and types a decision can look at: a record keeps these, not the whole account.
//!
//! A rule of thumb that need not be right: what it leaves out is found by the replay that follows, and then all is kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use trimtab_models::{
    catalog::Catalog,
    learn::Scope,
    resource::{Arn, Detail, Kind, Resource},
    spec::Spec,
};
use trimtab_policies::{
    change::{Change, State},
    exception::{Exception, Proposed},
    plan::{Candidate, Context},
    scope::group_of,
};

/// Budgets count by the hour and circuits by the day.
const RECENT: SignedDuration = SignedDuration::from_hours(25);

/// How often neighbours are added: a volume's instance, then that one's group.
const ROUNDS: usize = 2;

/// Changes that a review of `candidate` can look at: of the same resource, open, recent, badly ended, or learned from for it.
pub(super) fn changes(candidate: &Candidate, context: &Context<'_>) -> Vec<Change> {
    let arn = &candidate.recommendation.resource.arn;
    let scope = Scope::of(&candidate.recommendation);
    let looked_at = |change: &&Change| {
        change.recommendation.resource.arn == *arn
            || change.state.in_flight()
            || Scope::of(&change.recommendation) == scope
            || change.state.is_open()
            || change.outcome.as_ref().is_some_and(|outcome| outcome.state != State::Kept)
            || context.now.duration_since(change.opened_at) < RECENT
    };
    context.changes.values().filter(looked_at).cloned().collect()
}

/// Exceptions that a decision on `candidate`, after what was granted before it, can look at.
pub(super) fn exceptions(
    (candidate, granted): (&Candidate, &[Candidate]),
    context: &Context<'_>,
) -> Vec<Exception> {
    let all = granted.iter().chain([candidate]);
    let all: Vec<_> = all.map(|one| Proposed::candidate(one, context.inventory)).collect();
    let is_about_one = |exception: &&Exception| all.iter().any(|one| exception.covers(one));
    context.exceptions.values().filter(is_about_one).cloned().collect()
}

/// Resources that a decision on `candidate` can look at: itself, its group, what is attached to it or holds it, and the same
/// of everything that is being changed.
pub(super) fn inventory(
    candidate: &Candidate,
    others: impl Iterator<Item = Arn>,
    context: &Context<'_>,
) -> Vec<Resource> {
    let all = context.inventory;
    let limits = &context.policy.limits;
    let arn = &candidate.recommendation.resource.arn;
    let mut kept: BTreeSet<&Arn> =
        others.filter_map(|other| all.get_key_value(&other)).map(|(arn, _)| arn).collect();
    kept.extend(all.get_key_value(arn).map(|(arn, _)| arn));
    if let Some(resource) = all.get(arn) {
        let group = group_of(resource, all, limits);
        let members = all.values().filter(|other| group_of(other, all, limits) == group);
        kept.extend(members.map(|other| &other.reference.arn));
    }
    for _ in 0..ROUNDS {
        let ids: BTreeSet<String> =
            kept.iter().filter_map(|arn| all.get(*arn)).flat_map(neighbours).collect();
        kept.extend(all.values().filter(|one| ids.contains(&one.id)).map(|one| &one.reference.arn));
    }
    kept.into_iter().filter_map(|arn| all.get(arn)).cloned().collect()
}

/// The ids of what a resource is bound up with.
fn neighbours(resource: &Resource) -> Vec<String> {
    match &resource.detail {
        Detail::Instance(instance) => {
            instance.volumes.iter().chain(&instance.group).cloned().collect()
        }
        Detail::Volume(volume) => {
            volume.attachments.iter().map(|held| held.instance_id.clone()).collect()
        }
        Detail::Group(group) => {
            group.members.iter().map(|member| member.instance_id.clone()).collect()
        }
        Detail::Function(_) => Vec::new(),
    }
}

/// Types that a decision can look at: for an instance all that its region prices, else those that the resources have.
pub(super) fn catalog(candidate: &Candidate, inventory: &[Resource], whole: &Catalog) -> Catalog {
    let recommendation = &candidate.recommendation;
    let mut named: BTreeSet<&str> = recommendation.alternates.iter().map(String::as_str).collect();
    for spec in [&recommendation.expected, &recommendation.desired] {
        if let Spec::Instance { instance_type, .. } = spec {
            named.insert(instance_type);
        }
    }
    let types = inventory.iter().filter_map(Resource::instance);
    named.extend(types.map(|instance| instance.instance_type.as_str()));
    let region = &recommendation.resource.region;
    let priced = recommendation.resource.kind == Kind::Instance;
    whole.narrowed(region, |name| named.contains(name) || (priced && whole.is_priced(name, region)))
}

/// Resources by ARN.
pub(super) fn by_arn(resources: &[Resource]) -> BTreeMap<Arn, Resource> {
    resources.iter().map(|one| (one.reference.arn.clone(), one.clone())).collect()
}
