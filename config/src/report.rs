//! Collects everything that is wrong while raw values become settings, so that a user sees all of it at once.
//!
//! Not here: the rules of any one section (`validate`).

use std::{fmt::Display, ops::RangeInclusive};

use crate::{
    places::{Places, one_line},
    problem::Problem,
};

/// Problems found so far, and the places to tell them with.
///
/// A reader that finds a problem notes it and returns the default: the settings built from it are never seen, because
/// one problem is enough to refuse the whole file.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    places: &'a Places,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(places: &'a Places) -> Self {
        Self { places, problems: Vec::new() }
    }

    /// The problems in the order of the file, those without a place in it first.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| self.places.offset(&problem.key));
        self.problems
    }

    /// Refuses the value of a key.
    pub(crate) fn refuse(
        &mut self,
        key: &str,
        value: impl Display,
        why: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        let value = Some(one_line(&value.to_string()));
        self.note(key, value, why.into(), allowed.into());
    }

    /// Refuses text, shown in quotes.
    pub(crate) fn refuse_text(
        &mut self,
        key: &str,
        value: &str,
        why: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        self.refuse(key, format!("\"{value}\""), why, allowed);
    }

    /// Says that a key is missing.
    pub(crate) fn missing(
        &mut self,
        key: &str,
        why: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        self.note(key, None, why.into(), allowed.into());
    }

    fn note(&mut self, key: &str, value: Option<String>, why: String, allowed: String) {
        self.problems.push(Problem {
            place: self.places.of(key),
            key: key.to_owned(),
            value,
            why,
            allowed,
        });
    }

    /// A number within a range; NaN lies in none.
    pub(crate) fn number(
        &mut self,
        key: &str,
        raw: Option<f64>,
        default: f64,
        range: RangeInclusive<f64>,
    ) -> f64 {
        let Some(value) = raw else { return default };
        if range.contains(&value) {
            return value;
        }
        self.refuse(key, value, "out of range", format!("{} to {}", range.start(), range.end()));
        default
    }

    /// A whole number within a range.
    pub(crate) fn whole(
        &mut self,
        key: &str,
        raw: Option<u32>,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let Some(value) = raw else { return default };
        if range.contains(&value) {
            return value;
        }
        self.refuse(key, value, "out of range", format!("{} to {}", range.start(), range.end()));
        default
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        key: &str,
        raw: Option<&str>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let text = raw?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let allowed = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            self.refuse_text(key, text, "unknown word", allowed);
        }
        found
    }

    /// Text that must be there and not be blank.
    pub(crate) fn required<'r>(
        &mut self,
        key: &str,
        raw: Option<&'r String>,
        what: &str,
    ) -> Option<&'r str> {
        match raw {
            None => {
                self.missing(key, "missing", what);
                None
            }
            Some(text) if text.trim().is_empty() => {
                self.refuse_text(key, text, "empty", what);
                None
            }
            Some(text) => Some(text),
        }
    }

    /// Text that, if given, is not blank.
    pub(crate) fn optional(
        &mut self,
        key: &str,
        raw: Option<&String>,
        what: &str,
    ) -> Option<String> {
        raw?;
        self.required(key, raw, what).map(ToOwned::to_owned)
    }

    /// A list whose items are not blank and do not repeat.
    pub(crate) fn list(&mut self, key: &str, raw: Option<&Vec<String>>, what: &str) -> Vec<String> {
        let items = raw.map(Vec::as_slice).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            let key = format!("{key}[{index}]");
            if item.trim().is_empty() {
                self.refuse_text(&key, item, "empty", what);
            } else if items.iter().take(index).any(|earlier| earlier == item) {
                self.refuse_text(&key, item, "listed twice", "each value once");
            }
        }
        items.to_vec()
    }
}
