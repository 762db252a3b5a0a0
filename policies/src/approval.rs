//! Approvals and rejections: bound to a digest, a person and a time.
//!
//! Not here: who may approve (`trimtab`'s API) and what else must hold (`plan`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
