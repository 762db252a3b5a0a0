//! Where each key of the file stands, so that every problem can name its line.
//!
//! Not here: what is wrong with a key.

use std::{collections::BTreeMap, ops::Range};

use toml::de::{DeTable, DeValue};

/// Where keys stand: in a file with lines, in a table that came without text, or in the environment.
#[derive(Debug)]
pub(crate) struct Places {
    name: String,
    text: String,
    numbered: bool,
    keys: BTreeMap<String, Spans>,
    environment: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Spans {
    key: Range<usize>,
    value: Range<usize>,
}

impl Places {
    /// The places of `text`, which errors call `name`. With `numbered` false the text is not what the user wrote
    /// (a table out of another file), and lines would mislead.
    pub(crate) fn new(text: &str, name: &str, numbered: bool) -> Self {
        let mut keys = BTreeMap::new();
        if let Ok(table) = DeTable::parse(text) {
            walk_table(table.get_ref(), "", &mut keys);
        }
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            numbered,
            keys,
            environment: BTreeMap::new(),
        }
    }

    /// Notes that an environment variable sets the key, which is then blamed instead of the file.
    pub(crate) fn set_by_environment(&mut self, key: &str, variable: &str) {
        self.environment.insert(key.to_owned(), variable.to_owned());
    }

    /// The place of a key, or of the nearest table around it that is written down.
    pub(crate) fn of(&self, key: &str) -> String {
        match (self.environment.get(key), self.offset(key)) {
            (Some(variable), _) => variable_place(variable),
            (None, Some(offset)) => self.at(offset),
            (None, None) => self.name.clone(),
        }
    }

    /// Where a key, or the nearest table around it that is written down, begins; `None` if neither is.
    pub(crate) fn offset(&self, key: &str) -> Option<usize> {
        let mut around = Some(key);
        while let Some(candidate) = around {
            if let Some(spans) = self.keys.get(candidate) {
                return Some(spans.key.start);
            }
            around = parent(candidate);
        }
        None
    }

    /// The place of a byte of the text.
    pub(crate) fn at(&self, offset: usize) -> String {
        if !self.numbered {
            return self.name.clone();
        }
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        format!("{}:{line}:{column}", self.name)
    }

    /// The innermost key whose name or value holds the span.
    pub(crate) fn key_at(&self, span: &Range<usize>) -> Option<&str> {
        let holds = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
        self.keys
            .iter()
            .filter(|(_, spans)| holds(&spans.key) || holds(&spans.value))
            .min_by_key(|(_, spans)| {
                let inner = if holds(&spans.key) { &spans.key } else { &spans.value };
                inner.end - inner.start
            })
            .map(|(key, _)| key.as_str())
    }

    /// The text of the key's value on one line, shortened.
    pub(crate) fn value_of(&self, key: &str) -> Option<String> {
        let spans = self.keys.get(key)?;
        let value = self.text.get(spans.value.clone())?;
        Some(one_line(value))
    }
}

/// How a variable is named as a place.
pub(crate) fn variable_place(variable: &str) -> String {
    format!("environment variable {variable}")
}

/// A value on one line: its first, and at most 60 characters of it.
pub(crate) fn one_line(value: &str) -> String {
    const SHOWN_CHARS: usize = 60;
    let first = value.lines().next().unwrap_or_default();
    if first.len() == value.len() && first.chars().count() <= SHOWN_CHARS {
        return first.to_owned();
    }
    let shown: String = first.chars().take(SHOWN_CHARS).collect();
    format!("{shown}…")
}

/// `a.b[1].c` -> `a.b[1]` -> `a.b` -> `a`.
fn parent(key: &str) -> Option<&str> {
    let end = key.rfind(['.', '['])?;
    key.get(..end)
}

fn walk_table(table: &DeTable<'_>, path: &str, keys: &mut BTreeMap<String, Spans>) {
    for (key, value) in table {
        let name = key.get_ref();
        let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        walk_value(value.get_ref(), &path, keys);
        keys.insert(path, Spans { key: key.span(), value: value.span() });
    }
}

fn walk_value(value: &DeValue<'_>, path: &str, keys: &mut BTreeMap<String, Spans>) {
    if let Some(table) = value.as_table() {
        walk_table(table, path, keys);
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}[{index}]");
        walk_value(item.get_ref(), &path, keys);
        keys.insert(path, Spans { key: item.span(), value: item.span() });
    }
}
