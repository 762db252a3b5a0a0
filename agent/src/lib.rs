//! agent

pub mod disk;
pub mod journal;
pub mod ports;
pub mod sentinel;
