//! The journal's records: all that must outlive the process, in the order in which it happened.
//!
//! Not here: frames, hashes and files (`trimtab`'s journal).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_models::saving::Realized;

use crate::{
    approval::Decision,
    authority::Right,
    change::{Change, State},
    circuit::Circuit,
    exception::Exception,
    operations::{Failure, Operation},
    steps::Step,
    token::NewToken,
};

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// Who: `trimtab`, or a person's name.
    pub by: String,
    /// What.
    pub entry: Entry,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// The daemon started.
    Started {
        /// Its version.
        version: String,
    },
    /// Settings came into force.
    Configured {
        /// SHA-256 of the file.
        digest: String,
    },
    /// A change begins: the intent with everything its recovery needs.
    Opened {
        /// The change as it begins.
        change: Box<Change>,
    },
    /// Something happened to a change.
    Change {
        /// The change.
        change_id: String,
        /// What happened.
        event: Event,
    },
    /// A person decided.
    Decided {
        /// The recommendation's id.
        recommendation_id: String,
        /// The resource, for rejections that outlive the digest.
        arn: String,
        /// The action.
        action: trimtab_models::recommendation::Action,
        /// The decision.
        decision: Decision,
        /// The digest of the record that its review can be replayed from.
        #[serde(default)]
        record: Option<String>,
        /// What a rejection leaves alone from now on.
        #[serde(default)]
        exception: Option<Box<Exception>>,
    },
    /// What people said about a proposal is void: it is not made any more, or an exception was about it.
    Voided {
        /// The recommendation's id.
        recommendation_id: String,
        /// The proposal's digest.
        digest: String,
        /// Why.
        reason: String,
    },
    /// A person made an exception, or renewed one, which keeps its id.
    Excepted {
        /// The exception.
        exception: Exception,
    },
    /// A person ended an exception, or let it go after its end.
    ExceptionEnded {
        /// Its id.
        id: String,
    },
    /// A person closed a circuit.
    CircuitReset {
        /// Which.
        circuit: Circuit,
    },
    /// The stop switch was set.
    Stopped {
        /// Why.
        reason: String,
    },
    /// The stop switch was released.
    Resumed,
    /// A token was made.
    TokenCreated {
        /// What is known of it; its text is nowhere.
        token: NewToken,
    },
    /// A token was revoked.
    TokenRevoked {
        /// Its visible part.
        id: String,
    },
    /// A token was used for the first time on a day.
    TokenUsed {
        /// Its visible part.
        id: String,
    },
    /// A person asked for what they may not do, or what could not be done any more.
    Refused {
        /// The right that it takes.
        right: Right,
        /// The recommendation or change, or the path that was asked for.
        what: String,
        /// Why it was refused.
        reason: String,
    },
}

/// What can happen to a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// A call is about to be made; journalled and synced before the call.
    Attempted {
        /// The step's name.
        step: String,
        /// The call.
        operation: Operation,
    },
    /// AWS accepted the call.
    Accepted {
        /// The step's name.
        step: String,
        /// The id of what it made.
        created_id: Option<String>,
    },
    /// The call failed.
    Refused {
        /// The step's name.
        step: String,
        /// How.
        failure: Failure,
    },
    /// The step's effect was observed.
    Done {
        /// The step's name.
        step: String,
        /// The id of what it made, found again by its mark.
        created_id: Option<String>,
    },
    /// The step is given up.
    GaveUp {
        /// The step's name.
        step: String,
        /// Why.
        reason: String,
    },
    /// No capacity for the type that was tried: the next rung of the ladder.
    NextRung {
        /// The rung to try.
        rung: usize,
    },
    /// All steps forward are done.
    Applied,
    /// It is being taken back.
    UndoBegun {
        /// Why.
        reason: String,
        /// The steps back.
        steps: Vec<Step>,
    },
    /// It ended, perhaps provisionally.
    Finished {
        /// How.
        state: State,
        /// Why.
        reason: String,
        /// Whether it can still turn out otherwise.
        provisional: bool,
    },
    /// Something speaks against it, and its undo waits for its time or for a person.
    UndoWanted {
        /// What.
        reason: String,
        /// Whether nobody needs to be asked.
        automatic: bool,
    },
    /// What it has saved so far was measured.
    Measured {
        /// The saving.
        realized: Realized,
    },
}
