//! A virtual AWS account: a fleet with workloads, AWS's own rules, faults, and checkers of what an agent does to it.
//!
//! Pure and seeded: the same seed and the same calls give the same answers, byte for byte. Not here: the agent, its ports
//! and its clock (`trimtab`).
#![deny(missing_docs)]

pub mod checker;
pub mod fault;
pub mod fleet;
pub mod noise;
pub mod scenario;
pub mod swarm;
pub mod timeline;
pub mod workload;
pub mod world;
