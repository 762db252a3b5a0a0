//! The digest of a recommendation: what an approval is bound to.
//!
//! SHA-256 over the canonical JSON (sorted keys, no blanks) of ARN, action, expected spec, desired spec and the steps
//! with the listed alternates. Saving and evidence are left out, so that a recommendation stays itself from day to day.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trimtab_models::recommendation::Recommendation;

use crate::steps::Step;

/// Length of an id, hex digits.
const ID_LEN: usize = 12;

/// The digest of a recommendation with its steps, 64 hex digits.
#[must_use]
pub fn digest(recommendation: &Recommendation, steps: &[Step]) -> String {
    sha256_hex(&canonical_json(&json!({
        "action": recommendation.action,
        "alternates": recommendation.alternates,
        "arn": recommendation.resource.arn,
        "desired": recommendation.desired,
        "expected": recommendation.expected,
        "steps": steps,
    })))
}

/// A recommendation's id: the first 12 hex digits of its digest.
#[must_use]
pub fn id(digest: &str) -> String {
    digest.chars().take(ID_LEN).collect()
}

/// SHA-256 of `text`, 64 hex digits.
#[must_use]
pub fn sha256_hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON with sorted keys and no blanks.
///
/// The order of keys does not depend on how `serde_json` was built: a dependency that turns on its insertion order must not change digests.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            let fields: Vec<_> = keys
                .into_iter()
                .map(|key| format!("{}:{}", Value::from(key.as_str()), canonical_json(&map[key])))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical_json).collect();
            format!("[{}]", items.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
