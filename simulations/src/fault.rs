//! Fault rules: what goes wrong, and from when until when. One list of them is all that a run suffers.
//!
//! Pure descriptions: `World` plays those that happen inside AWS, the agent's decorators those on the way there, in the
//! process and on its disk. Not here: which rules a seed draws (`swarm`) and what an agent should make of them.

use jiff::Timestamp;
use serde::Serialize;
use trimtab_models::metric::Measure;

use crate::world::{Faults, ForeignChange};

/// Something that goes wrong for a while.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rule {
    /// What.
    pub fault: Fault,
    /// From when, in true time.
    pub from: Timestamp,
    /// Until when (exclusive), in true time.
    pub until: Timestamp,
}

/// What can go wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A share of the calls is throttled.
    Throttled(f64),
    /// A share of the calls fails with a server error before it has any effect.
    ServerErrors(f64),
    /// A share of the calls never arrives, which looks like any lost answer.
    TimeoutsBefore(f64),
    /// A share of the writes takes effect, and its answer is lost.
    TimeoutsAfter(f64),
    /// A share of the writes is answered with the answer to the write before it.
    AnswersRepeated(f64),
    /// A share of the describes answers as before, by at most so many seconds.
    Stale {
        /// The share of the describes.
        share: f64,
        /// The oldest answer, seconds.
        seconds: i64,
    },
    /// For so many seconds after a write, describes of its resource answer as before it.
    Hidden(i64),
    /// The credentials have expired: no call is allowed.
    TokenExpired,
    /// The session of the writes has ended: reads go on.
    SessionEnded,
    /// One call is not allowed, and DryRun does not tell.
    Denied(String),
    /// The credentials are another account's.
    WrongAccount,
    /// Metrics are not what they should be.
    Metrics {
        /// The resource; `None` for all.
        id: Option<String>,
        /// The measure; `None` for all.
        measure: Option<Measure>,
        /// In what way.
        how: Distortion,
    },
    /// AWS has none of this type.
    NoCapacity(String),
    /// The machine falls back to stopped after `pending`, as without a grant on the key of its volumes.
    FallsBack(String),
    /// A person or a pipeline changes the resource at the rule's beginning.
    Foreign(ForeignChange),
    /// The disk takes no more bytes of the journal.
    DiskFull,
    /// The agent's clock is wrong by so many seconds.
    ClockOff(i64),
    /// The process dies at this call to AWS, counted from 0: before it, or with its answer unseen.
    DiesAtCall(u64),
    /// The process dies at this write of the journal, counted from 0.
    DiesAtRecord {
        /// Which record.
        record: u64,
        /// How far the record came.
        reached: Reached,
    },
    /// A second agent, with a journal of its own, works on the same account.
    SecondAgent,
    /// Somebody sets the stop switch at the rule's beginning and releases it at its end.
    StopSwitch,
    /// Somebody takes every watched change back at the rule's beginning.
    Undo,
}

/// How metrics can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distortion {
    /// No point at all.
    Missing,
    /// Every point is zero.
    Zero,
    /// Every point is the same, and not zero.
    Flat,
    /// The points of the last day have not arrived.
    Late,
    /// Points that are not finite numbers.
    NotANumber,
    /// Eight days in the middle of the look-back are missing.
    Gap,
    /// The query fails.
    Failed,
}

impl Distortion {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Missing,
        Self::Zero,
        Self::Flat,
        Self::Late,
        Self::NotANumber,
        Self::Gap,
        Self::Failed,
    ];
}

/// How far a journal record came before the process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// No byte was written.
    Nothing,
    /// Half of its bytes were written.
    Torn,
    /// All bytes were written and none synced; the system kept them.
    Unsynced,
    /// It was durable.
    Synced,
}

impl Rule {
    /// Whether it is in force.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// What the rules make happen inside the account, in addition to `faults`.
#[must_use]
pub fn within_account(rules: &[Rule], mut faults: Faults) -> Faults {
    for rule in rules {
        match &rule.fault {
            Fault::NoCapacity(name) => {
                faults.no_capacity.insert(name.clone(), rule.until);
            }
            Fault::FallsBack(id) => {
                faults.falls_back.insert(id.clone(), rule.until);
            }
            Fault::Foreign(change) => faults.foreign.push(change.clone()),
            Fault::Throttled(_)
            | Fault::ServerErrors(_)
            | Fault::TimeoutsBefore(_)
            | Fault::TimeoutsAfter(_)
            | Fault::AnswersRepeated(_)
            | Fault::Stale { .. }
            | Fault::Hidden(_)
            | Fault::TokenExpired
            | Fault::SessionEnded
            | Fault::Denied(_)
            | Fault::WrongAccount
            | Fault::Metrics { .. }
            | Fault::DiskFull
            | Fault::ClockOff(_)
            | Fault::DiesAtCall(_)
            | Fault::DiesAtRecord { .. }
            | Fault::SecondAgent
            | Fault::StopSwitch
            | Fault::Undo => {}
        }
    }
    faults
}
