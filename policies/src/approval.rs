//! Approvals and rejections: bound to a digest, a person and a time.
//!
//! Not here: who may approve (`trimtab`'s API) and what else must hold (`plan`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{plan::Candidate, settings::Approvals, window::after_days};

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

/// What a person has said about a candidate, as far as it counts now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word<'a> {
    /// Nobody said anything that counts.
    None,
    /// Approved, and still in force.
    Approved(&'a Decision),
    /// Approved once, and no longer in force since then.
    Expired(&'a Decision, Timestamp),
    /// Rejected, and still in force.
    Rejected(&'a Decision),
}

/// When an approval stops counting.
#[must_use]
pub fn expires_at(decision: &Decision, approvals: &Approvals) -> Timestamp {
    let longest = after_days(decision.at, approvals.expiry_days);
    decision.until.map_or(longest, |until| until.min(longest))
}

/// What counts of the newest word on a candidate.
///
/// An approval means one digest only. A rejection means its digest, and until its date any digest: the agent hands over rejections
/// of the same ARN and action.
#[must_use]
pub fn word<'a>(candidate: &'a Candidate, approvals: &Approvals, now: Timestamp) -> Word<'a> {
    let Some(decision) = &candidate.decision else {
        return Word::None;
    };
    let same_digest = decision.digest == candidate.digest;
    match decision.verdict {
        Verdict::Approved if !same_digest || decision.at > now => Word::None,
        Verdict::Approved => {
            let end = expires_at(decision, approvals);
            if now < end { Word::Approved(decision) } else { Word::Expired(decision, end) }
        }
        Verdict::Rejected => match decision.until {
            Some(until) if now < until => Word::Rejected(decision),
            None if same_digest => Word::Rejected(decision),
            Some(_) | None => Word::None,
        },
    }
}

#[cfg(test)]
mod tests;
