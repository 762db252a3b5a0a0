//! From usage to the right size, one file per kind.
//!
//! Not here: whether a recommendation may be carried out (`trimtab-policies`).

pub mod settings;
