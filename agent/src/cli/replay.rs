//! `trimtab replay`: makes a recorded decision again from the files of a state folder, and compares it bit for bit.
//!
//! Needs no daemon and takes no lock, so that it works on a copy too. Not here: the replay itself (`records`).

use std::path::{Path, PathBuf};

use serde_json::json;
use trimtab_models::MODEL_VERSION;
use trimtab_policies::{
    plan::CheckVerdict,
    record::{Entry, Record},
};

use super::{
    args::Globals,
    client::{CliError, load},
    out::{print, print_json},
};
use crate::{
    journal::Journal,
    records::{DecisionRecord, Kept, RecordError, Replayed, Shelf, replay},
};

/// What the ids of changes begin with.
const CHANGE: &str = "chg-";

/// Runs the command. The code is 0 for a decision that came out the same, 1 for one that did not.
pub(super) fn run(id: &str, state: Option<PathBuf>, globals: &Globals) -> Result<u8, CliError> {
    let state = match state {
        Some(state) => state,
        None => load(&globals.config)?.agent.state_dir,
    };
    let shelf = Shelf::of(&state);
    let kept = if id.starts_with(CHANGE) {
        shelf.find(&record_of_change(&state, id)?)?
    } else {
        shelf.find(id)?
    };
    let (record, catalog) = shelf.load(&kept)?;
    let replayed = replay(&record, &catalog);
    let versions = other_versions(&record);
    if globals.json {
        print_json(&json!({
            "reproduced": replayed.difference.is_none(), "sized": replayed.sized,
            "difference": replayed.difference, "record": kept.digest, "at": record.gate.now,
            "moment": record.gate.moment, "program": record.program, "models": record.models,
            "other_versions": versions, "decision": record.entry,
        }))?;
    } else {
        print(&words(&kept, &record, &replayed, versions.as_deref()))?;
    }
    Ok(u8::from(replayed.difference.is_some()))
}

/// The digest that the change's intent carries.
fn record_of_change(state: &Path, id: &str) -> Result<String, CliError> {
    let mut found = None;
    Journal::read(&state.join("journal"), |_, _, payload| {
        let Ok(Record { entry: Entry::Opened { change }, .. }) = serde_json::from_slice(payload)
        else {
            return;
        };
        if change.id == id {
            found = change.record;
        }
    })?;
    Ok(found.ok_or_else(|| RecordError::Unknown { id: id.to_owned(), folder: state.to_owned() })?)
}

/// What to say where another version made the decision.
fn other_versions(record: &DecisionRecord) -> Option<String> {
    let ours = env!("CARGO_PKG_VERSION");
    let differs = record.models != MODEL_VERSION || record.program != ours;
    differs.then(|| {
        format!(
            "decided by trimtab {} with models {}, replayed by trimtab {ours} with models {MODEL_VERSION}",
            record.program, record.models
        )
    })
}

fn words(
    kept: &Kept,
    record: &DecisionRecord,
    replayed: &Replayed,
    versions: Option<&str>,
) -> String {
    let (entry, gate) = (&record.entry, &record.gate);
    let recommendation = &entry.recommendation;
    let moment = serde_json::to_value(gate.moment).unwrap_or_default();
    let mut lines = vec![
        format!("{} {} of {}", entry.id, recommendation.action, recommendation.resource.arn),
        format!("  {} at {} ({})", entry.decision, gate.now, moment.as_str().unwrap_or_default()),
        format!("  {}", recommendation.reason),
        format!("  mode {}: {}", entry.mode, entry.mode_reason),
    ];
    for check in &entry.checks {
        let verdict = match check.verdict {
            CheckVerdict::Pass => "pass",
            CheckVerdict::Wait => "wait",
            CheckVerdict::Fail => "FAIL",
        };
        let name = serde_json::to_value(check.check).unwrap_or_default();
        lines.push(format!("  {verdict}  {}: {}", name.as_str().unwrap_or_default(), check.reason));
    }
    lines.push(format!("record {}", kept.digest));
    lines.extend(versions.map(str::to_owned));
    if !replayed.sized {
        lines.push("the size was proposed by an earlier cycle and is not part of this record; the review is".to_owned());
    }
    lines.push(match &replayed.difference {
        None => "reproduced".to_owned(),
        Some(difference) => format!("not reproduced: {difference}"),
    });
    lines.join("\n")
}
