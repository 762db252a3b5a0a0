//! How many changes may happen at once and in an hour, and which resources belong together.
//!
//! A budget that cannot be evaluated allows nothing. Not here: which candidate comes first (`plan`) and when it may
//! begin (`window`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{
    recommendation::Action,
    resource::{Arn, Kind, Resource, ResourceRef},
};

use crate::{
    change::{Change, State},
    mode::Disruption,
    plan::{Candidate, Context, Moment},
    scope::{self, group_of},
    settings::Limits,
};

/// The stretch over which the hourly budgets count.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A change that still counts: in flight, or begun within the last hour.
#[derive(Debug, Clone)]
struct Use {
    label: String,
    account: String,
    region: String,
    group: String,
    disruptive: bool,
    opened_at: Timestamp,
    in_flight: bool,
    units: BTreeSet<String>,
}

/// What the budgets say about one more change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is room.
    Free,
    /// There is none.
    Taken {
        /// When there will be, where that is known.
        until: Option<Timestamp>,
        /// Which budget is used up by what.
        reason: String,
    },
}

/// Every use of the budgets, those that the present review has granted included.
#[derive(Debug)]
pub(crate) struct Ledger<'a> {
    context: &'a Context<'a>,
    /// Members by account, region, kind and group.
    members: BTreeMap<(&'a str, &'a str, Kind, String), usize>,
    uses: Vec<Use>,
}

/// Whether an action takes service away while it is carried out.
pub(crate) fn is_disruptive(action: Action) -> bool {
    Disruption::of(action) > Disruption::None
}

/// Whether this is the candidate's own change, journalled and about to make its first write: it does not stand in its own way.
pub(crate) fn is_own(change: &Change, candidate: &Candidate, moment: Moment) -> bool {
    moment == Moment::FirstWrite
        && change.state == crate::change::State::Queued
        && change.digest == candidate.digest
}

impl<'a> Ledger<'a> {
    /// Counts what the changes use at the time of the review.
    pub(crate) fn open(context: &'a Context<'a>, candidates: &[Candidate]) -> Self {
        let is_foreign = |change: &&Change| {
            !candidates.iter().any(|candidate| is_own(change, candidate, context.moment))
        };
        let uses = context
            .changes
            .values()
            .filter(|change| change.state.in_flight() || is_recent(change.opened_at, context.now))
            .filter(is_foreign)
            .map(|change| use_of_change(change, context))
            .collect();
        Self { context, members: members(context), uses }
    }

    /// Grants a change: whatever comes after it in the same review sees it as in flight.
    pub(crate) fn grant(&mut self, candidate: &Candidate, group: &str) {
        let reference = &candidate.recommendation.resource;
        self.uses.push(Use {
            label: format!("recommendation `{}`", candidate.id),
            account: reference.account.clone(),
            region: reference.region.clone(),
            group: group.to_owned(),
            disruptive: is_disruptive(candidate.recommendation.action),
            opened_at: self.context.now,
            in_flight: true,
            units: units(reference, &candidate.recommendation.resource_id, self.context.inventory),
        });
    }

    /// Who changes something that belongs together with this resource.
    pub(crate) fn rival(&self, reference: &ResourceRef, id: &str) -> Option<&str> {
        let units = units(reference, id, self.context.inventory);
        self.uses
            .iter()
            .find(|using| using.in_flight && !using.units.is_disjoint(&units))
            .map(|using| using.label.as_str())
    }

    /// Room in the group: at most a share of its members, counted over the account's regions, at least one.
    ///
    /// The first member to which an action is done is the canary: the others wait until it is kept.
    pub(crate) fn room_in_group(
        &self,
        reference: &ResourceRef,
        group: &str,
        action: Action,
    ) -> Room {
        let key = (
            reference.account.as_str(),
            reference.region.as_str(),
            reference.kind,
            group.to_owned(),
        );
        let members = self.members.get(&key).copied().unwrap_or(1);
        let share = allowed_in_group(&self.context.policy.limits, members);
        let proven = self.is_proven(reference, group, action);
        let allowed = if proven { share } else { share.min(1) };
        let used = self
            .uses
            .iter()
            .filter(|u| u.in_flight && u.account == reference.account && u.group == group)
            .count();
        full(used, allowed, || {
            let canary = match (proven, share) {
                (false, 2..) => {
                    format!(": {action} was kept for no member of it, so a canary goes first")
                }
                (false | true, _) => String::new(),
            };
            format!("{used} of {allowed} changes in flight in group `{group}`{canary}")
        })
    }

    /// Whether the newest verdict on the action in the group is that it stays: after a failure a canary goes first again.
    fn is_proven(&self, reference: &ResourceRef, group: &str, action: Action) -> bool {
        let judged = self.context.changes.values().filter(|change| {
            let of_change = &change.recommendation;
            change.group == group
                && of_change.resource.account == reference.account
                && of_change.action == action
        });
        // What ended without a write says nothing about the action.
        let written =
            judged.filter(|change| change.state != State::Undone || change.undo_reason.is_some());
        let ended = written.filter(|change| !change.state.in_flight());
        let newest = ended.max_by_key(|change| {
            (change.outcome.as_ref().map(|outcome| outcome.at), change.opened_at, &change.id)
        });
        newest.is_some_and(|change| change.state == State::Kept)
    }

    /// Room in the hour of this account and region, disruptive changes apart from the others.
    pub(crate) fn room_in_hour(&self, reference: &ResourceRef, action: Action) -> Room {
        let limits = &self.context.policy.limits;
        let disruptive = is_disruptive(action);
        let (allowed, word) = if disruptive {
            (limits.disruptive_per_hour as usize, "disruptive")
        } else {
            (limits.other_per_hour as usize, "other")
        };
        let mut begun: Vec<Timestamp> = self
            .uses
            .iter()
            .filter(|u| u.account == reference.account && u.region == reference.region)
            .filter(|u| u.disruptive == disruptive && is_recent(u.opened_at, self.context.now))
            .map(|u| u.opened_at)
            .collect();
        begun.sort_unstable();
        let used = begun.len();
        let room = full(used, allowed, || {
            let place = format!("account {} {}", reference.account, reference.region);
            format!("{used} of {allowed} {word} changes begun within the hour in {place}")
        });
        match room {
            Room::Free => Room::Free,
            Room::Taken { reason, .. } => Room::Taken {
                until: begun.get(used - allowed).and_then(|at| at.checked_add(HOUR).ok()),
                reason,
            },
        }
    }

    /// Room for one more disruptive change in flight in the account.
    pub(crate) fn room_in_flight(&self, reference: &ResourceRef, action: Action) -> Room {
        if !is_disruptive(action) {
            return Room::Free;
        }
        let allowed = self.context.policy.limits.disruptive_in_flight as usize;
        let used = self
            .uses
            .iter()
            .filter(|u| u.in_flight && u.disruptive && u.account == reference.account)
            .count();
        full(used, allowed, || {
            let account = &reference.account;
            format!("{used} of {allowed} disruptive changes in flight in account {account}")
        })
    }
}

/// How many members of a group of `members` may be in flight at once.
pub(crate) fn allowed_in_group(limits: &Limits, members: usize) -> usize {
    let ratio = limits.group_ratio;
    if ratio.is_nan() || ratio <= 0.0 {
        return 0;
    }
    let share = (1..=members).take_while(|count| *count as f64 <= members as f64 * ratio).count();
    share.max(1)
}

fn full(used: usize, allowed: usize, reason: impl FnOnce() -> String) -> Room {
    if used < allowed {
        return Room::Free;
    }
    Room::Taken { until: None, reason: reason() }
}

/// Begun less than an hour ago; a time in the future counts too, because clocks differ and it was begun all the same.
fn is_recent(opened_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(opened_at) < HOUR
}

fn members<'a>(context: &'a Context<'a>) -> BTreeMap<(&'a str, &'a str, Kind, String), usize> {
    let mut members = BTreeMap::new();
    for resource in context.inventory.values() {
        let group = group_of(resource, context.inventory, &context.policy.limits);
        let reference = &resource.reference;
        let key = (reference.account.as_str(), reference.region.as_str(), reference.kind, group);
        *members.entry(key).or_default() += 1;
    }
    members
}

fn use_of_change(change: &Change, context: &Context<'_>) -> Use {
    let recommendation = &change.recommendation;
    Use {
        label: format!("change `{}`", change.id),
        account: recommendation.resource.account.clone(),
        region: recommendation.resource.region.clone(),
        group: change.group.clone(),
        disruptive: is_disruptive(recommendation.action),
        opened_at: change.opened_at,
        in_flight: change.state.in_flight(),
        units: units(&recommendation.resource, &recommendation.resource_id, context.inventory),
    }
}

/// What a resource is bound up with: itself, an instance and its volumes with each other, a scaling group with its members.
///
/// Two resources that share a unit never change at the same time.
fn units(
    reference: &ResourceRef,
    id: &str,
    inventory: &BTreeMap<Arn, Resource>,
) -> BTreeSet<String> {
    let unit = |kind: Kind, id: &str| {
        let ResourceRef { account, region, .. } = reference;
        format!("{account}/{region}/{kind}/{id}")
    };
    let mut units = BTreeSet::from([unit(reference.kind, id)]);
    let Some(resource) = inventory.get(&reference.arn) else {
        return units;
    };
    if let Some(instance) = resource.instance() {
        units.extend(instance.volumes.iter().map(|id| unit(Kind::Volume, id)));
    }
    if let Some(volume) = resource.volume() {
        let holders = volume.attachments.iter();
        units.extend(holders.map(|held| unit(Kind::Instance, &held.instance_id)));
    }
    units.extend(scope::scaling_group_of(resource, inventory).map(|name| unit(Kind::Group, &name)));
    units
}

#[cfg(test)]
mod tests;
