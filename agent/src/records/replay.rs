//! Making a recorded decision again, from the record and its catalogue alone.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::Value;
use trimtab_models::{
    catalog::Catalog, metric::Measure, recommendation::Recommendation, series::Series,
};
use trimtab_policies::{
    digest::{digest, id},
    plan::{Candidate, Context, PlanEntry, review},
    steps::steps,
};

use super::{DecisionRecord, KeptSeries, SizingInputs, narrow::by_arn};
use crate::{
    propose::{calm, only_offered},
    recommend::Basis,
    series_store::unpack,
};

/// What came of making a decision again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replayed {
    /// Whether the size was found again too; a record may rest on an earlier process's cycle.
    pub sized: bool,
    /// Where what was found first differs from what was recorded; `None` where it is the same, bit for bit.
    pub difference: Option<Difference>,
}

/// The first place where two decisions differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Where, such as `recommendation.desired.instance_type`.
    pub at: String,
    /// What the record says.
    pub recorded: Value,
    /// What was found now.
    pub found: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was {} and is now {}", self.at, self.recorded, self.found)
    }
}

/// Makes the decision again: the recommendation from the series, then the review from the facts.
#[must_use]
pub fn replay(record: &DecisionRecord, catalog: &Catalog) -> Replayed {
    let sized = record.sizing.is_some();
    let recommendation = match size(record, catalog) {
        Ok(recommendation) => recommendation,
        Err(reason) => {
            let recorded = value(&record.entry.recommendation);
            let found = Value::String(reason);
            let difference = Difference { at: "recommendation".to_owned(), recorded, found };
            return Replayed { sized, difference: Some(difference) };
        }
    };
    let recorded = value(&record.entry.recommendation);
    let difference = first_difference("recommendation", &recorded, &value(&recommendation))
        .or_else(|| match gate(record, catalog, recommendation) {
            Some(entry) => first_difference("", &value(&record.entry), &value(&entry)),
            None => Some(Difference {
                at: "gate".to_owned(),
                recorded: value(&record.entry.id),
                found: Value::Null,
            }),
        });
    Replayed { sized, difference }
}

/// The recommendation that the recorded inputs give; the recorded one where they are not in the record.
fn size(record: &DecisionRecord, catalog: &Catalog) -> Result<Recommendation, String> {
    let Some(sizing) = &record.sizing else { return Ok(record.entry.recommendation.clone()) };
    let new = fresh(record, sizing, catalog)?;
    let facts = &record.gate.candidate.facts;
    Ok(only_offered(calm(&new, sizing.open.as_ref()), facts))
}

/// The recommendation of the recorded inputs before an open proposal is considered.
pub(super) fn fresh(
    record: &DecisionRecord,
    sizing: &SizingInputs,
    catalog: &Catalog,
) -> Result<Recommendation, String> {
    let inventory = by_arn(&record.gate.inventory);
    let arn = &record.gate.candidate.recommendation.resource.arn;
    let resource = inventory.get(arn).ok_or_else(|| format!("{arn} is not in the record"))?;
    let basis = Basis {
        series: series(&sizing.series)?,
        now: sizing.now,
        from: sizing.from,
        until: sizing.until,
        sizes: sizing.sizes.clone(),
        borrowed: sizing.borrowed,
    };
    let found = basis.recommend(resource, &inventory, &sizing.settings, catalog);
    let reason = found.not_sized.map(|none| none.reason).unwrap_or_default();
    found.recommendations.into_iter().next().ok_or(reason)
}

fn gate(
    record: &DecisionRecord,
    catalog: &Catalog,
    recommendation: Recommendation,
) -> Option<PlanEntry> {
    let gate = &record.gate;
    let inventory = by_arn(&gate.inventory);
    let candidate = match inventory.get(&recommendation.resource.arn) {
        Some(resource) if record.sizing.is_some() => {
            let steps = steps(&recommendation, resource);
            let digest = digest(&recommendation, &steps);
            Candidate { id: id(&digest), digest, recommendation, steps, ..gate.candidate.clone() }
        }
        Some(_) | None => gate.candidate.clone(),
    };
    let exceptions = gate.exceptions.iter().map(|one| (one.id.clone(), one.clone())).collect();
    let context = Context {
        policy: &gate.policy,
        catalog,
        inventory: &inventory,
        changes: &gate.changes.iter().map(|one| (one.id.clone(), one.clone())).collect(),
        resets: &gate.resets.iter().cloned().collect(),
        exceptions: &exceptions,
        stopped: gate.stopped.clone(),
        now: gate.now,
        moment: gate.moment,
    };
    let id = candidate.id.clone();
    let candidates = gate.granted.iter().cloned().chain([candidate]).collect();
    review(candidates, &context).entries.into_iter().find(|entry| entry.id == id)
}

fn series(kept: &[KeptSeries]) -> Result<BTreeMap<Measure, Series>, String> {
    let unpacked = kept.iter().map(|one| {
        let values = match &one.points {
            Some(points) => {
                let bytes = from_hex(points).ok_or("the points are not hex digits")?;
                unpack(&bytes).map_err(|reason| format!("{}: {reason}", one.measure))?
            }
            None => vec![f32::NAN; one.slots],
        };
        let series = Series { start_s: one.start_s, step_s: one.step_s, values };
        Ok((one.measure, series))
    });
    unpacked.collect()
}

/// Bytes as hex digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

fn value<T: Serialize>(of: &T) -> Value {
    serde_json::to_value(of).unwrap_or_else(|error| Value::String(error.to_string()))
}

/// The first place, by the order of keys, where two values differ.
fn first_difference(at: &str, recorded: &Value, found: &Value) -> Option<Difference> {
    if recorded == found {
        return None;
    }
    let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    let inner = match (recorded, found) {
        (Value::Object(old), Value::Object(new)) => {
            let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
            keys.into_iter().find_map(|key| {
                let (old, new) = (old.get(key), new.get(key));
                first_difference(
                    &below(key),
                    old.unwrap_or(&Value::Null),
                    new.unwrap_or(&Value::Null),
                )
            })
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            let mut pairs = old.iter().zip(new).enumerate();
            pairs.find_map(|(index, (old, new))| {
                first_difference(&below(&index.to_string()), old, new)
            })
        }
        _ => None,
    };
    inner.or_else(|| {
        Some(Difference { at: at.to_owned(), recorded: recorded.clone(), found: found.clone() })
    })
}
