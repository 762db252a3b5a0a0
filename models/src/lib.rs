//! What usage means: resources, series, forecasts, sizes and the recommendations that follow from them.
//!
//! Pure: every function depends on its arguments only. Not here: what may be done about a
//! recommendation (`trimtab-policies`) and how anything is observed or changed (`trimtab`).
#![deny(missing_docs)]

/// The version of the models: raised by one whenever the same inputs may give another recommendation.
///
/// A decision record keeps it beside the crate's version, so that whoever replays the record with other models is told.
pub const MODEL_VERSION: u32 = 2;

/// The digests of what each version gives on a fixed fleet, the newest last: a test holds the version to its output.
#[cfg(test)]
const MODEL_DIGESTS: [(u32, u64); 1] = [(2, 0x29d6_8753_88d6_26f8)];

pub mod backtest;
pub mod catalog;
pub mod class;
pub mod counterfactual;
pub mod demand;
pub mod evidence;
pub mod forecast;
pub mod learn;
pub mod metric;
pub mod money;
pub mod outlook;
pub mod quantile;
pub mod recommendation;
pub mod recurrence;
pub mod replay;
pub mod resource;
pub mod risk;
pub mod saving;
pub mod season;
pub mod series;
pub mod sizing;
pub mod spec;
