//! Exceptions: what people have said is to be left alone, until when and why.
//!
//! An exception withholds and never grants. Each ends within a year and then comes up for review. Not here: who may make one
//! (`authority`), and that the gate honours it (`check::opt_out`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use trimtab_models::{
    recommendation::{Action, Recommendation},
    resource::{Arn, Resource, ResourceRef},
    spec::Spec,
};

use crate::{
    approval::{Decision, Verdict},
    digest::{canonical_json, id, sha256_hex},
    plan::{Candidate, PlanEntry},
};

/// The longest that an exception holds: what nobody has looked at for a year is not meant any more.
pub const LONGEST_DAYS: i64 = 365;

/// How long before its end an exception comes up for review: two weeks, so that whoever is on leave sees it too.
const REVIEW: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How long an exception that has ended stays on the list: a quarter, as long as an approval may be good for, because one
/// that was given before the exception must not come back with its end.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Exceptions by id.
pub type Exceptions = BTreeMap<String, Exception>;

/// Something that is left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exception {
    /// The first 12 hex digits of a digest over what it is about, by whom and when it was made.
    pub id: String,
    /// What is left alone.
    pub about: About,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Until when, exclusive.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who has ended it before its time, or let it go after its end.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// The digests of approved proposals that it was about when it was made: their approvals are void for good, whatever tags the
    /// resource has later.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub voids: BTreeSet<String>,
}

/// The end that a person made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What exceptions and approvals are held against: a proposal and its resource, wherever that is seen.
#[derive(Debug, Clone, Copy)]
pub struct Proposed<'a> {
    /// The digest.
    pub digest: &'a str,
    /// The recommendation.
    pub recommendation: &'a Recommendation,
    /// The resource as last discovered.
    pub known: Option<&'a ResourceRef>,
    /// The resource as just read.
    pub live: Option<&'a ResourceRef>,
}

impl<'a> Proposed<'a> {
    /// A candidate under review.
    #[must_use]
    pub fn candidate(candidate: &'a Candidate, inventory: &'a BTreeMap<Arn, Resource>) -> Self {
        let recommendation = &candidate.recommendation;
        Self {
            digest: &candidate.digest,
            recommendation,
            known: inventory.get(&recommendation.resource.arn).map(|it| &it.reference),
            live: candidate.facts.live.as_ref().map(|fact| &fact.value.reference),
        }
    }

    /// Its resource wherever it was seen: in the proposal, the inventory and live. What a tag forbids counts in any of them, what
    /// it allows in all.
    pub fn seen(&self) -> impl Iterator<Item = &'a ResourceRef> + use<'a> {
        [Some(&self.recommendation.resource), self.known, self.live].into_iter().flatten()
    }

    /// A kept proposal.
    #[must_use]
    pub fn entry(entry: &'a PlanEntry, inventory: &'a BTreeMap<Arn, Resource>) -> Self {
        let recommendation = &entry.recommendation;
        let known = inventory.get(&recommendation.resource.arn).map(|it| &it.reference);
        Self { digest: &entry.digest, recommendation, known, live: None }
    }
}

/// What an exception is about. There is no form of it that means everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// One proposal, by its digest: what older journals call a rejection.
    Proposal {
        /// The digest.
        digest: String,
    },
    /// This configuration for this resource, whatever it is changed from.
    Desired {
        /// The resource.
        arn: Arn,
        /// The action.
        action: Action,
        /// The configuration that nobody wants.
        desired: Spec,
    },
    /// This resource.
    Resource {
        /// The resource.
        arn: Arn,
        /// The action; `None`: every action.
        action: Option<Action>,
    },
    /// Every resource that carries this tag.
    Tag {
        /// The tag's key.
        key: String,
        /// Its exact value.
        value: String,
        /// The action; `None`: every action.
        action: Option<Action>,
    },
}

impl About {
    /// What a rejection is about: with a date whatever is proposed for the resource by this action, without one this size.
    #[must_use]
    pub fn rejected(recommendation: &Recommendation, dated: bool) -> Self {
        let (arn, action) = (recommendation.resource.arn.clone(), recommendation.action);
        if dated {
            return Self::Resource { arn, action: Some(action) };
        }
        Self::Desired { arn, action, desired: recommendation.desired.clone() }
    }

    /// In words, such as `resize-instance of what is tagged team = web`.
    #[must_use]
    pub fn words(&self) -> String {
        let any = |action: &Option<Action>| {
            action.map_or_else(|| "every change".to_owned(), |action| action.to_string())
        };
        match self {
            Self::Proposal { digest } => format!("the proposal {}", id(digest)),
            Self::Desired { arn, action, .. } => format!("this {action} of {arn}"),
            Self::Resource { arn, action } => format!("{} of {arn}", any(action)),
            Self::Tag { key, value, action } => {
                format!("{} of what is tagged {key} = {value}", any(action))
            }
        }
    }

    /// Whether a proposal is meant. A tag counts wherever it is seen: in the proposal, the inventory or the live resource.
    fn takes(&self, proposed: &Proposed<'_>) -> bool {
        let recommendation = proposed.recommendation;
        let is_its = |action: &Option<Action>| action.is_none_or(|it| it == recommendation.action);
        match self {
            Self::Proposal { digest } => digest == proposed.digest,
            Self::Desired { arn, action, desired } => {
                *arn == recommendation.resource.arn
                    && *action == recommendation.action
                    && *desired == recommendation.desired
            }
            Self::Resource { arn, action } => *arn == recommendation.resource.arn && is_its(action),
            Self::Tag { key, value, action } => {
                let carries = |one: &ResourceRef| one.tags.get(key) == Some(value);
                is_its(action) && proposed.seen().any(carries)
            }
        }
    }
}

impl Exception {
    /// A new exception. Its id depends on everything that is given.
    #[must_use]
    pub fn new(about: About, by: &str, at: Timestamp, until: Timestamp, reason: &str) -> Self {
        let told = json!({ "about": about, "at": at, "by": by, "reason": reason, "until": until });
        Self {
            id: id(&sha256_hex(&canonical_json(&told))),
            about,
            by: by.to_owned(),
            at,
            until,
            reason: reason.to_owned(),
            ended: None,
            voids: BTreeSet::new(),
        }
    }

    /// What a rejection of an older journal comes to: it named no size, and without a date no end.
    #[must_use]
    pub fn of_rejection(arn: &str, action: Action, rejection: &Decision) -> Option<Self> {
        match rejection.verdict {
            Verdict::Rejected => {}
            Verdict::Approved => return None,
        }
        let about = match rejection.until {
            Some(_) => About::Resource { arn: Arn(arn.to_owned()), action: Some(action) },
            None => About::Proposal { digest: rejection.digest.clone() },
        };
        let until = rejection.until.unwrap_or_else(|| longest(rejection.at));
        let reason = rejection.reason.as_deref().unwrap_or("no reason given");
        Some(Self::new(about, &rejection.by, rejection.at, until, reason))
    }

    /// Whether it holds at `now`: from the moment at which it is journalled until the second before its end, whatever the clock
    /// said then.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        now < self.until && self.ended.as_ref().is_none_or(|end| now < end.at)
    }

    /// Whether somebody should look: it ends within two weeks or has ended, and nobody has renewed it or let it go.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.until.duration_since(now) <= REVIEW && !self.is_forgotten(now)
    }

    /// Whether its end is so long ago that nothing rests on it any more.
    #[must_use]
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        let end = self.ended.as_ref().map_or(self.until, |end| end.at.min(self.until));
        now.duration_since(end) > REMEMBERED
    }

    /// Whether it is about this proposal, in force or not.
    #[must_use]
    pub fn covers(&self, proposed: &Proposed<'_>) -> bool {
        self.about.takes(proposed)
    }

    /// In words: who, when, until when and why.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { by, at, until, reason, .. } = self;
        let what = match &self.about {
            About::Proposal { .. }
            | About::Desired { .. }
            | About::Resource { action: Some(_), .. } => "rejected".to_owned(),
            about @ (About::Resource { action: None, .. } | About::Tag { .. }) => {
                format!("{} is excepted", about.words())
            }
        };
        format!("{what} by {by} on {at}, until {until}: {reason}")
    }
}

/// The latest end of what begins at `at`.
#[must_use]
pub fn longest(at: Timestamp) -> Timestamp {
    let span = SignedDuration::from_hours(24 * LONGEST_DAYS);
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// Why an exception may not end at `until`, if it may not.
#[must_use]
pub fn reason_bad_end(until: Timestamp, now: Timestamp) -> Option<String> {
    if until <= now {
        return Some(format!("the end {until} has passed: name a later one"));
    }
    let latest = longest(now);
    (until > latest).then(|| {
        format!(
            "the end {until} is more than {LONGEST_DAYS} days away: name one until {latest}, it can be renewed then"
        )
    })
}

/// Every exception about a proposal, in force or not.
pub fn about<'a>(
    exceptions: &'a Exceptions,
    proposed: Proposed<'a>,
) -> impl Iterator<Item = &'a Exception> {
    exceptions.values().filter(move |exception| exception.covers(&proposed))
}

#[cfg(test)]
mod tests;
