//! Decision records: everything that a decision rests on, kept by digest, so that it can be made again from the record alone.
//!
//! A record is written when an approval is first asked for, when a person approves, and before a change's intent is
//! journalled; the journal carries its digest. It is kept only after what was written was read back and gave the same
//! recommendation and the same review, bit for bit. Not here: the decision itself (`trimtab_models::sizing`,
//! `trimtab_policies::plan`) and the journal.

mod capture;
mod narrow;
mod replay;
mod shelf;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    class::Borrowed,
    metric::Measure,
    recommendation::Recommendation,
    resource::Resource,
    sizing::{SizeInForce, settings::SizingSettings},
};
use trimtab_policies::{
    change::Change,
    circuit::Circuit,
    exception::Exception,
    plan::{Candidate, Moment, PlanEntry},
    settings::Policy,
};

pub use capture::Draft;
pub(crate) use capture::draft;
pub use replay::{Difference, Replayed, replay};
pub use shelf::{Kept, RecordError, Shelf};

/// The layout of a record; a reader refuses any other.
pub const FORMAT: u32 = 1;

/// A decision with everything that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The layout, [`FORMAT`].
    pub format: u32,
    /// The program's version.
    pub program: String,
    /// The models' version, [`trimtab_models::MODEL_VERSION`].
    pub models: u32,
    /// The digest of the catalogue's file: types and prices that the decision could look at.
    pub catalog: String,
    /// What the size was found from. Absent where the stored points or the other resources have moved on since the cycle
    /// that proposed it: an approval may rest on that, a change never does.
    pub sizing: Option<SizingInputs>,
    /// What the review rested on.
    pub gate: GateInputs,
    /// What was decided.
    pub entry: PlanEntry,
}

/// What a recommendation was found from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizingInputs {
    /// The cycle's time.
    pub now: Timestamp,
    /// Start of the look-back.
    pub from: Timestamp,
    /// End of the look-back (exclusive).
    pub until: Timestamp,
    /// The resource's stored series in the look-back.
    pub series: Vec<KeptSeries>,
    /// Memory sizes of a function over time.
    pub sizes: Vec<SizeInForce>,
    /// What a young instance borrows.
    pub borrowed: Option<Borrowed>,
    /// The settings.
    pub settings: SizingSettings,
    /// The open proposal that stayed what it was, where it did.
    pub open: Option<Recommendation>,
}

/// One series, compressed as the series store's chunks are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSeries {
    /// What it measures.
    pub measure: Measure,
    /// Time of the first slot, seconds since the epoch.
    pub start_s: i64,
    /// From slot to slot, seconds.
    pub step_s: u32,
    /// How many slots it has.
    pub slots: usize,
    /// The points in hex; absent where every slot is a gap.
    pub points: Option<String>,
}

/// What a review rested on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateInputs {
    /// The time.
    pub now: Timestamp,
    /// When the review happened.
    pub moment: Moment,
    /// The candidate as it was reviewed: facts, and what people had said. Its recommendation and steps are left to the
    /// replay to find where the record says how the size was found.
    pub candidate: Candidate,
    /// What the same review had granted before it.
    pub granted: Vec<Candidate>,
    /// The settings.
    pub policy: Policy,
    /// The resources that the decision looks at.
    pub inventory: Vec<Resource>,
    /// The changes that the decision looks at.
    pub changes: Vec<Change>,
    /// When a person last reset each circuit.
    pub resets: Vec<(Circuit, Timestamp)>,
    /// The exceptions about the candidate or about what was granted before it, ended or not.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
    /// Who had set the stop switch, if it was set.
    pub stopped: Option<String>,
}
