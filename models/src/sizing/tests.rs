//! The sizers through their one entrance: tables of cases, and properties against brute force.

mod evidence;
mod fleet;
mod functions;
mod groups;
mod halves;
mod instances;
mod judged;
mod recorded;
mod risks;
mod version;
mod volumes;
