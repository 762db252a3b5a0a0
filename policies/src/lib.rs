//! What may be done about a recommendation: modes, checks, steps, and the state machine of a change.
//!
//! Pure: every function depends on its arguments only. Not here: what usage means
//! (`trimtab-models`) and anything that talks to AWS or a disk (`trimtab`).
#![deny(missing_docs)]

pub mod action;
pub mod approval;
pub mod authority;
pub mod autonomy;
pub mod book;
mod budget;
pub mod calls;
pub mod change;
mod check;
pub mod circuit;
pub mod digest;
pub mod exception;
pub mod facts;
#[cfg(test)]
mod fixtures;
pub mod iam;
pub mod mark;
pub mod mode;
pub mod operations;
pub mod ownership;
pub mod plan;
pub mod quiet;
pub mod quorum;
pub mod record;
pub mod roles;
pub mod scope;
pub mod session;
pub mod settings;
pub mod steps;
pub mod token;
pub mod vcpus;
pub mod watch;
pub mod window;
