//! Who may do what, over real connections: every route by every role, in and out of scope; tokens that are not good any more; and
//! requests that somebody else's page sends.
//!
//! What is expected stands in these files in plain words, not in the program's own table. Not here: what a decision does.

#[path = "../door/mod.rs"]
mod door;
mod matrix;
mod meanwhile;
mod metrics;
mod oidc;
mod people;
mod sessions;
mod tls;
mod tokens;
