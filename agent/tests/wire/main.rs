//! The wire tests: the real SDK against an independent emulator of AWS (moto), behind a reverse proxy that counts
//! every call, answers CloudWatch itself and plays the rules that the emulator lacks.
//!
//! Not here: tests of rules and models, which need no wire. These tests need Python 3 and nothing else.

mod adapters;
mod aliases;
mod bad_input;
mod balancer;
mod changes;
mod connect;
mod cycle;
mod daemon;
mod flow;
mod load;
mod lost;
mod moto;
mod other_changes;
mod proxy;
#[path = "../python/mod.rs"]
mod python;
mod rollout;
mod scene;

mod harness;
mod kills;
