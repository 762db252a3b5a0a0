//! What the API promises to programs: problems, pages, tags, events and limits, over real connections.
//!
//! Not here: who may ask and what decisions do (`api`).

#[path = "../door/mod.rs"]
mod door;
mod pages;
mod problems;
