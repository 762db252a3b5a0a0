//! Tests of the whole way from text to settings.

mod accepted;
mod approvers;
mod environment;
mod iam;
mod notify;
mod properties;
mod refused;
mod shipped;

use std::collections::BTreeMap;

use crate::{Settings, parse};

/// The smallest file that works: one account, the daemon's own credentials.
const MINIMAL: &str =
    "[[account]]\nname = \"main\"\nid = \"123456789012\"\nregions = [\"us-east-1\"]\n";

/// The minimal file with more text after it.
fn with(more: &str) -> String {
    format!("{MINIMAL}{more}")
}

fn accepted(text: &str) -> Settings {
    parse(text, "t.toml").unwrap_or_else(|error| panic!("{error}\n---\n{text}"))
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
