//! What the API promises to programs: problems, pages, tags, events and limits, over real connections.
//!
//! Not here: who may ask and what decisions do (`api`).

mod document;
#[path = "../door/mod.rs"]
mod door;
mod events;
mod fuzz;
mod limits;
mod pages;
mod problems;
#[path = "../python/mod.rs"]
mod python;
