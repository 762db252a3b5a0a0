//! What usage means: resources, series, forecasts, sizes and the recommendations that follow from them.
//!
//! Pure: every function depends on its arguments only. Not here: what may be done about a
//! recommendation (`trimtab-policies`) and how anything is observed or changed (`trimtab`).
#![deny(missing_docs)]

pub mod money;
pub mod catalog;
pub mod resource;
pub mod spec;
pub mod metric;
pub mod series;
pub mod recommendation;
pub mod sizing;
