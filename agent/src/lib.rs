//! The agent: the daemon and its commands, the only member with I/O.
//!
//! The flow stands in [`cycle`]; a change is carried out in [`execute`]; both see the cloud through [`ports`]. Not here: any decision;
//! those are pure and live in `trimtab-models` and `trimtab-policies`.

pub mod adopt;
pub mod agent;
pub mod api;
pub mod audit;
#[cfg(feature = "aws")]
pub mod aws;
pub mod begin;
pub mod brief;
mod canary;
pub mod cli;
pub mod clock;
pub mod cycle;
pub mod daemon;
pub mod decide;
pub mod demo;
pub mod disk;
pub mod except;
pub mod execute;
pub mod faulty;
pub mod filter;
pub mod follow;
pub mod held;
pub mod identity;
pub mod journal;
pub mod ledger;
pub mod notify;
pub mod observe;
pub mod ports;
pub mod probe;
pub mod propose;
pub mod recommend;
pub mod records;
pub mod review;
pub mod saving;
pub mod schedule;
pub mod sentinel;
pub mod series_store;
pub mod served;
pub mod simulate;
pub mod simulated;
pub mod stage;
pub mod start;
pub mod stop;
pub mod store;
pub mod swarm;
pub mod telemetry;
mod told;
pub mod verify;
pub mod view;
mod web;
pub mod words;
mod young;
