//! What usage means: resources, series, forecasts, sizes and the recommendations that follow from them.
//!
//! Pure: every function depends on its arguments only. Not here: what may be done about a
//! recommendation (`trimtab-policies`) and how anything is observed or changed (`trimtab`).
#![deny(missing_docs)]

pub mod backtest;
pub mod catalog;
pub mod class;
pub mod counterfactual;
pub mod demand;
pub mod evidence;
pub mod forecast;
pub mod metric;
pub mod money;
pub mod quantile;
pub mod recommendation;
pub mod replay;
pub mod resource;
pub mod risk;
pub mod saving;
pub mod season;
pub mod series;
pub mod sizing;
pub mod spec;
