//! The agent: the daemon and its commands, the only member with I/O.
//!
//! The flow stands in [`cycle`]; a change is carried out in [`execute`]; both see the cloud through [`ports`]. Not here: any decision;
//! those are pure and live in `trimtab-models` and `trimtab-policies`.

pub mod cycle;
pub mod ports;
pub mod observe;
pub mod recommend;
pub mod probe;
pub mod execute;
pub mod verify;
pub mod decide;
pub mod agent;
pub mod ledger;
pub mod journal;
pub mod store;
pub mod series_store;
pub mod sentinel;
pub mod disk;
pub mod clock;
pub mod stage;
pub mod view;
