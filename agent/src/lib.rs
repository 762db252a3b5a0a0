//! agent
pub mod ports;
