//! `trimtab audit`: walks the journal's chain, or writes its records out, from the files alone.
//!
//! Needs no daemon and takes no lock, so that it works on a backup too. Not here: frames and hashes (`journal`).

use std::{
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    args::{AuditCommand, Globals},
    client::{CliError, load},
    out::{harmless, print, print_json},
};
use crate::journal::{Journal, RecordHash, Verified};

/// Runs the command. The code is 0 for a whole chain, 1 for a broken one.
pub(super) fn run(command: AuditCommand, globals: &Globals) -> Result<u8, CliError> {
    match command {
        AuditCommand::Verify { journal, head } => {
            verify(&folder(journal, globals)?, head.as_deref(), globals.json)
        }
        AuditCommand::Export { journal } => export(&folder(journal, globals)?),
    }
}

/// The folder that was named, else that of the configuration's state folder.
fn folder(named: Option<PathBuf>, globals: &Globals) -> Result<PathBuf, CliError> {
    match named {
        Some(folder) => Ok(folder),
        None => Ok(load(&globals.config)?.agent.state_dir.join("journal")),
    }
}

fn verify(folder: &Path, head: Option<&str>, as_json: bool) -> Result<u8, CliError> {
    let Verified { records, head_hash, torn_tail_bytes } = Journal::verify(folder)?;
    let found = hex(&head_hash);
    let anchored = head.map(|head| {
        let mut anchored = false;
        Journal::read(folder, |_, hash, _| anchored |= hex(hash) == head)?;
        Ok::<_, CliError>(anchored)
    });
    let anchored = anchored.transpose()?;
    if as_json {
        print_json(&json!({
            "valid": anchored != Some(false), "records": records, "head": found,
            "torn_tail_bytes": torn_tail_bytes, "anchored": anchored,
        }))?;
    } else {
        let torn = match torn_tail_bytes {
            0 => String::new(),
            bytes => format!(", and {bytes} bytes of an unfinished record at the end"),
        };
        let anchor = match anchored {
            None => "",
            Some(true) => "\nthe given head is one of its records",
            Some(false) => {
                "\nthe given head is none of its records: it was cut short or written anew"
            }
        };
        print(&format!("the chain is whole: {records} records{torn}\nhead {found}{anchor}"))?;
    }
    Ok(u8::from(anchored == Some(false)))
}

/// Writes one JSON object a record. What is read before a fault is written; the fault then fails the command.
fn export(folder: &Path) -> Result<u8, CliError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut written = Ok(());
    let walked = Journal::read(folder, |seq, hash, payload| {
        if written.is_ok() {
            written = writeln!(out, "{}", harmless(&line(seq, hash, payload).to_string(), false));
        }
    });
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(0),
        other => other?,
    }
    walked?;
    Ok(0)
}

fn line(seq: u64, hash: &RecordHash, payload: &[u8]) -> Value {
    let record = serde_json::from_slice(payload)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(payload).into_owned()));
    json!({ "seq": seq, "hash": hex(hash), "record": record })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
