//! Text and environment to one [`RawFile`], with nothing coerced on the way.
//!
//! The `config` crate layers, but would turn 80.7 into 81 and `"yes"` into true; so the file is first parsed strictly
//! by `toml`, and each variable must be exactly of its key's type before it is laid over the file. Not here: ranges.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use crate::{
    places::{Places, one_line, variable_place},
    problem::Problem,
    raw::RawFile,
};

/// Variables that begin with this and hold `__` are settings; others, such as those of tests, are not ours.
pub(crate) const PREFIX: &str = "TRIMTAB_";

/// Between a section and a key in a variable's name.
pub(crate) const SEPARATOR: &str = "__";

/// The file with the environment over it.
pub(crate) fn layered(
    text: &str,
    environment: &BTreeMap<String, String>,
    places: &mut Places,
) -> Result<RawFile, Vec<Problem>> {
    strict(text, places).map_err(|problem| vec![problem])?;
    let mut problems = Vec::new();
    let mut builder = config::Config::builder()
        .add_source(config::File::from_str(text, config::FileFormat::Toml));
    for (variable, written) in environment {
        let Some(path) = path_of(variable) else { continue };
        match typed(variable, &path, written) {
            Err(problem) => problems.push(problem),
            Ok(value) => {
                let key = path.join(".");
                places.set_by_environment(&key, variable);
                builder = builder
                    .set_override(&key, to_layer(value))
                    .expect("the key is one of the file's own names, which are valid paths");
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    builder.build().and_then(config::Config::try_deserialize).map_err(|error| {
        vec![Problem {
            place: places.of(""),
            key: String::new(),
            value: None,
            why: format!("file and environment cannot be laid together: {error}"),
            allowed: String::new(),
        }]
    })
}

/// The file alone, exactly as its keys' types say.
pub(crate) fn strict(text: &str, places: &Places) -> Result<RawFile, Problem> {
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let key = places.key_at(&span).unwrap_or_default().to_owned();
        let (why, allowed) = in_our_words(error.message());
        let value = if why == UNKNOWN_KEY { None } else { places.value_of(&key) };
        Problem { place: places.at(span.start), key, value, why, allowed }
    })
}

/// The path that a variable's name spells, or `None` if it is not a setting.
fn path_of(variable: &str) -> Option<Vec<String>> {
    let rest = variable.strip_prefix(PREFIX)?;
    rest.contains(SEPARATOR).then(|| rest.split(SEPARATOR).map(str::to_lowercase).collect())
}

/// The value as its key's type has it. What is written is read as TOML first (numbers, true, lists), and as plain
/// text if the key wants text; nothing else is tried.
fn typed(variable: &str, path: &[String], written: &str) -> Result<Value, Problem> {
    let as_toml = written.trim().parse::<Value>().ok().filter(|value| !value.is_datetime());
    let as_text = Value::String(written.to_owned());
    let mut first_error = None;
    for value in as_toml.into_iter().chain([as_text]) {
        match RawFile::deserialize(nested(path, value.clone())) {
            Ok(_) => return Ok(value),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    let error = first_error.expect("the text was tried at least, and failed");
    let (why, allowed) = in_our_words(error.message());
    let value = if why == UNKNOWN_KEY { None } else { Some(one_line(written)) };
    Err(Problem { place: variable_place(variable), key: path.join("."), value, why, allowed })
}

/// `{ a = { b = value } }` for the path `a`, `b`.
fn nested(path: &[String], value: Value) -> Table {
    let (last, around) = path.split_last().expect("a name with a separator has two parts");
    let innermost = Table::from_iter([(last.clone(), value)]);
    around
        .iter()
        .rev()
        .fold(innermost, |inner, key| Table::from_iter([(key.clone(), Value::Table(inner))]))
}

fn to_layer(value: Value) -> config::Value {
    let kind = match value {
        Value::String(text) => config::ValueKind::String(text),
        Value::Integer(number) => config::ValueKind::I64(number),
        Value::Float(number) => config::ValueKind::Float(number),
        Value::Boolean(flag) => config::ValueKind::Boolean(flag),
        Value::Datetime(datetime) => config::ValueKind::String(datetime.to_string()),
        Value::Array(items) => config::ValueKind::Array(items.into_iter().map(to_layer).collect()),
        Value::Table(table) => config::ValueKind::Table(
            table.into_iter().map(|(key, value)| (key, to_layer(value))).collect(),
        ),
    };
    config::Value::new(None, kind)
}

const UNKNOWN_KEY: &str = "unknown key";

/// A parser's message, split into why and what is allowed, in the words a user of the file knows.
fn in_our_words(message: &str) -> (String, String) {
    let (why, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let why = if why.starts_with("unknown field ") {
        UNKNOWN_KEY.to_owned()
    } else if let Some(found) = why.strip_prefix("invalid type: ") {
        format!("wrong type: {found}")
    } else if let Some(found) = why.strip_prefix("invalid value: ") {
        format!("out of range: {found}")
    } else {
        why.to_owned()
    };
    let expected = expected.strip_prefix("one of ").unwrap_or(expected);
    let allowed = match expected {
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "u64" => "a whole number from 0 to 9223372036854775807".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text in quotes".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table of keys".to_owned(),
        other => other.replace("` or `", ", ").replace('`', ""),
    };
    (why, allowed)
}
