//! Approvals and rejections: bound to a digest, a person and a time, and what they come to together.
//!
//! Not here: how many it takes (`quorum`), who may (`authority`), and what else must hold (`plan`).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    authority::{Approvers, LOCAL_NAME, Right},
    exception::{Exceptions, Proposed},
    quorum::{Quorum, able, needed},
    settings::Approvals,
    window::after_days,
};

/// A person's word on one recommendation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The recommendation's full digest; a recommendation with any other digest is not meant.
    pub digest: String,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Yes or no.
    pub verdict: Verdict,
    /// The reason given.
    #[serde(default)]
    pub reason: Option<String>,
    /// Until when it holds. An approval acts on nothing after that; a rejection ends.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Whether the approver said not to wait for quiet time.
    #[serde(default)]
    pub now: bool,
    /// The time at which the approver wants the change to begin, instead of a quiet one.
    #[serde(default)]
    pub begin_at: Option<Timestamp>,
    /// Whether the approval includes taking the change back without asking again, should it turn out badly.
    #[serde(default)]
    pub auto_undo: bool,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Do it.
    Approved,
    /// Do not.
    Rejected,
}

/// When an approval stops counting.
#[must_use]
pub fn expires_at(decision: &Decision, approvals: &Approvals) -> Timestamp {
    let longest = after_days(decision.at, approvals.expiry_days);
    decision.until.map_or(longest, |until| until.min(longest))
}

/// What makes two names the same person: a second spelling is no second pair of eyes.
#[must_use]
pub fn identity(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// An approval that does not count any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed<'a> {
    /// The approval.
    pub decision: &'a Decision,
    /// Why, in words that follow "the approval of somebody".
    pub why: String,
}

/// What people have said about a candidate, as far as it counts now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<'a> {
    /// Every yes that counts, one a person, the oldest first, each with its end.
    pub yes: Vec<(&'a Decision, Timestamp)>,
    /// Every yes of somebody who has none that counts.
    pub lapsed: Vec<Lapsed<'a>>,
    /// How many it takes.
    pub needed: u32,
    /// The rule of the settings that applies.
    pub rule: Option<String>,
    /// How many people may say yes.
    able: usize,
}

impl Standing<'_> {
    /// Whether as many people as it takes have said yes.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.yes.len() >= self.needed.max(1) as usize
    }

    /// Until when as many as it takes count; `None` where they do not.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        let mut ends: Vec<Timestamp> = self.yes.iter().map(|(_, end)| *end).collect();
        ends.sort_unstable_by(|one, other| other.cmp(one));
        ends.get((self.needed.max(1) - 1) as usize).copied()
    }

    /// Whether everybody who said yes said not to wait for a quiet time.
    #[must_use]
    pub fn is_now(&self) -> bool {
        !self.yes.is_empty() && self.yes.iter().all(|(decision, _)| decision.now)
    }

    /// The latest time that one of them named.
    #[must_use]
    pub fn begin_at(&self) -> Option<Timestamp> {
        self.yes.iter().filter_map(|(decision, _)| decision.begin_at).max()
    }

    /// Whether everybody who said yes included taking it back.
    #[must_use]
    pub fn is_auto_undo(&self) -> bool {
        !self.yes.is_empty() && self.yes.iter().all(|(decision, _)| decision.auto_undo)
    }

    /// The yes of a person, if it counts.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Decision> {
        let person = identity(name);
        let mut yes = self.yes.iter().map(|(decision, _)| *decision);
        yes.find(|decision| identity(&decision.by) == person)
    }

    /// The names of those whose yes counts.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.yes.iter().map(|(decision, _)| decision.by.clone()).collect()
    }

    /// Where it stands, if it takes more than one.
    #[must_use]
    pub fn quorum(&self) -> Option<Quorum> {
        if self.needed <= 1 {
            return None;
        }
        let able = self.able;
        let out_of_reach = (able < self.needed as usize)
            .then(|| format!("only {able} may approve it: add approvers to the configuration"));
        Some(Quorum {
            needed: self.needed,
            approved_by: self.names(),
            why: self.rule.clone().unwrap_or_default(),
            out_of_reach,
        })
    }
}

/// What a standing rests on beside the proposal.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// What people have said about its digest since it was last used, in the order in which they said it.
    pub said: &'a [Decision],
    /// Every exception, ended or not.
    pub exceptions: &'a Exceptions,
    /// How approvals work.
    pub approvals: &'a Approvals,
    /// The time.
    pub now: Timestamp,
}

/// What counts of all that people said about a proposal.
///
/// A yes counts for one digest, from one person once, until its end, while that person may approve it, and only if nobody said
/// no since: by rejecting it, or by an exception about it, even one that has ended.
#[must_use]
pub fn standing<'a>(proposed: Proposed<'_>, heard: Heard<'a>) -> Standing<'a> {
    let Heard { approvals, now, .. } = heard;
    let is_its = |it: &&Decision| it.digest == proposed.digest;
    let is_no = |it: &Decision| it.verdict == Verdict::Rejected && it.digest == proposed.digest;
    let excepted_at = heard.exceptions.values().filter(|it| it.covers(&proposed)).map(|it| it.at);
    let excepted_at = excepted_at.max();
    // They stand in the order in which they were said, whatever the clock said then.
    let since_no = heard.said.iter().rposition(is_no).map_or(0, |index| index + 1);
    let mut said: Vec<&Decision> = heard.said[since_no..]
        .iter()
        .filter(is_its)
        .filter(|decision| decision.at <= now)
        .filter(|decision| excepted_at.is_none_or(|at| decision.at > at))
        .collect();
    said.sort_by_key(|decision| decision.at);
    let (mut people, mut yes, mut lapsed) = (BTreeSet::new(), Vec::new(), Vec::new());
    for decision in said {
        let end = expires_at(decision, approvals);
        let why = (now >= end)
            .then(|| format!("expired at {end}"))
            .or_else(|| reason_no_right(&approvals.approvers, &decision.by, &proposed));
        match why {
            Some(why) => lapsed.push(Lapsed { decision, why }),
            None if people.insert(identity(&decision.by)) => yes.push((decision, end)),
            None => {}
        }
    }
    lapsed.retain(|lapsed| !people.contains(&identity(&lapsed.decision.by)));
    let (needed, able) = (needed(approvals, &proposed), able(approvals, &proposed));
    Standing { yes, lapsed, needed: needed.count, rule: needed.rule, able }
}

/// Why a name does not count for a proposal now, in words that follow "the approval of somebody".
///
/// While nobody is configured only the holder of the local token counts, whoever was configured before; then everybody who is,
/// where the resource is in their scope with the tags of wherever it was seen.
#[must_use]
pub fn reason_no_right(approvers: &Approvers, by: &str, proposed: &Proposed<'_>) -> Option<String> {
    let person = identity(by);
    if approvers.is_empty() {
        let why = "does not count: nobody is configured as an approver, and then only whoever holds the local token decides";
        return (person != LOCAL_NAME).then(|| why.to_owned());
    }
    let Some(found) = approvers.values().find(|one| identity(&one.name) == person) else {
        return Some(
            "does not count: they are no approver of the configuration any more".to_owned(),
        );
    };
    if !found.role.holds(Right::Decide) {
        return Some(format!("does not count: their role is {} now", found.role));
    }
    let outside = proposed.seen().find_map(|resource| found.scope.reason_outside(resource))?;
    Some(format!("does not count: {outside}"))
}

/// Reads one decision, as older records have it, or all of them.
pub(crate) fn one_or_all<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Decision>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        All(Vec<Decision>),
        One(Decision),
    }
    Ok(match Option::<Said>::deserialize(from)? {
        None => Vec::new(),
        Some(Said::One(decision)) => vec![decision],
        Some(Said::All(decisions)) => decisions,
    })
}

#[cfg(test)]
mod tests;
