//! agent

pub mod disk;
pub mod journal;
pub mod ports;
pub mod sentinel;
pub mod series_store;
