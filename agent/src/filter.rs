//! What a list of recommendations is narrowed to, in one line: `kind=ebs-volume account=prod saving>=10 tag.team=web`.
//!
//! The keys are those of the page's filter. A word that nothing can match is an error and not an empty list, and an
//! empty line is refused: whoever decides on what matches must have said what that is. Not here: the lists themselves.

mod words;

use std::{cmp::Ordering, fmt};

use thiserror::Error;
use trimtab_config::Account;
use trimtab_models::{money::Usd, recommendation::Action, resource::Kind};
use trimtab_policies::mode::Mode;

use self::words::{Comparison, split};
use crate::{brief::Brief, view::RecommendationState};

/// All keys, for errors.
const KEYS: &str = "state, account, region, kind, action, mode, tag, tag.KEY, q, saving, risk";

/// Why a filter is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// There is nothing in it.
    #[error(
        "the filter is empty, and empty is not everything: say what is meant, such as `kind=ebs-volume saving>=10`"
    )]
    Empty,
    /// A quote without its end.
    #[error("the filter `{0}` opens a quote and does not close it")]
    Open(String),
    /// Not `KEY=VALUE`.
    #[error("`{0}` in the filter is not KEY=VALUE; the keys are {KEYS}")]
    Shape(String),
    /// No such key.
    #[error("the filter knows no `{0}`; its keys are {KEYS}")]
    Key(String),
    /// A comparison of something that has no order.
    #[error("`{0}` in the filter takes `=` only; saving and risk can be compared")]
    Order(String),
    /// A value that nothing has.
    #[error("`{key}={value}` in the filter matches nothing: it is one of {known}")]
    Value {
        /// The key.
        key: String,
        /// The value given.
        value: String,
        /// What it may be.
        known: String,
    },
    /// Not a number.
    #[error("`{value}` is no figure for `{key}` in the filter: give {wanted}")]
    Figure {
        /// The key.
        key: String,
        /// The value given.
        value: String,
        /// What it may be.
        wanted: &'static str,
    },
    /// The same key twice.
    #[error("the filter says `{0}` twice")]
    Twice(String),
}

/// A filter that is not empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
enum Term {
    State(States),
    Account(String),
    Region(String),
    Kind(Kind),
    Action(Action),
    Mode(Mode),
    Tag(String, Option<String>),
    Text(String),
    Saving(Comparison, Usd),
    Risk(Comparison, f64),
}

/// Which states are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum States {
    All,
    Open,
    One(RecommendationState),
}

impl Filter {
    /// Reads a filter; accounts are known by name or id.
    ///
    /// # Errors
    /// When it is empty, or holds anything that cannot match.
    pub fn parse(text: &str, accounts: &[Account]) -> Result<Self, FilterError> {
        let mut terms = Vec::new();
        let mut keys: Vec<(String, Comparison)> = Vec::new();
        for word in split(text)? {
            let (key, comparison, value) =
                words::term(&word).ok_or_else(|| FilterError::Shape(word.clone()))?;
            let said = (key.to_owned(), comparison);
            // Several tags can be asked for; of everything else, a thing has one.
            if key != "tag" && keys.contains(&said) {
                return Err(FilterError::Twice(said.0));
            }
            keys.push(said);
            terms.push(term(key, comparison, value, accounts)?);
        }
        if terms.is_empty() { Err(FilterError::Empty) } else { Ok(Self { terms }) }
    }

    /// Whether a recommendation is meant. What is not known about it meets no comparison.
    #[must_use]
    pub fn takes(&self, brief: &Brief) -> bool {
        self.terms.iter().all(|term| takes(term, brief))
    }
}

/// Whether a filter says itself which states it means; one that cannot be read says nothing.
#[must_use]
pub fn names_states(text: &str) -> bool {
    split(text).is_ok_and(|words| words.iter().any(|word| word.starts_with("state=")))
}

fn takes(term: &Term, brief: &Brief) -> bool {
    match term {
        Term::State(States::All) => true,
        Term::State(States::Open) => brief.state.is_open(),
        Term::State(States::One(state)) => brief.state == *state,
        Term::Account(id) => brief.resource.account == *id,
        Term::Region(region) => brief.resource.region == *region,
        Term::Kind(kind) => brief.resource.kind == *kind,
        Term::Action(action) => brief.action == *action,
        Term::Mode(mode) => brief.mode == *mode,
        Term::Tag(key, value) => brief
            .resource
            .tags
            .get(key)
            .is_some_and(|found| value.as_ref().is_none_or(|value| value == found)),
        Term::Text(text) => brief.sought_in.contains(text),
        Term::Saving(comparison, bound) => {
            brief.saving.is_some_and(|saving| comparison.holds(saving.cmp(bound)))
        }
        Term::Risk(comparison, bound) => brief
            .risk
            .and_then(|risk| risk.partial_cmp(bound))
            .is_some_and(|order| comparison.holds(order)),
    }
}

fn term(
    key: &str,
    comparison: Comparison,
    value: &str,
    accounts: &[Account],
) -> Result<Term, FilterError> {
    match key {
        "saving" => return Ok(Term::Saving(comparison, dollars(value)?)),
        "risk" => return Ok(Term::Risk(comparison, ratio(value)?)),
        _ if comparison != Comparison::Equal => return Err(FilterError::Order(key.to_owned())),
        _ => {}
    }
    Ok(match key {
        "state" => Term::State(states(value)?),
        "account" => Term::Account(account(value, accounts)?),
        "region" => Term::Region(region(value, accounts)?),
        "kind" => Term::Kind(one_of(key, value, &Kind::ALL)?),
        "action" => Term::Action(one_of(key, value, &Action::ALL)?),
        "mode" => {
            let modes = [Mode::Datapilot, Mode::Copilot, Mode::Autopilot];
            Term::Mode(one_of(key, value, &modes)?)
        }
        "q" => Term::Text(value.to_lowercase()),
        "tag" => match value.split_once('=') {
            Some((key, value)) => Term::Tag(key.to_owned(), Some(value.to_owned())),
            None => Term::Tag(value.to_owned(), None),
        },
        _ => match key.strip_prefix("tag.") {
            Some(key) if !key.is_empty() => Term::Tag(key.to_owned(), Some(value.to_owned())),
            Some(_) | None => return Err(FilterError::Key(key.to_owned())),
        },
    })
}

fn one_of<T: Copy + fmt::Display>(key: &str, value: &str, all: &[T]) -> Result<T, FilterError> {
    let found = all.iter().find(|one| one.to_string() == value).copied();
    found.ok_or_else(|| unknown(key, value, all.iter().map(ToString::to_string)))
}

fn unknown(key: &str, value: &str, known: impl Iterator<Item = String>) -> FilterError {
    let known = known.collect::<Vec<_>>().join(", ");
    FilterError::Value { key: key.to_owned(), value: value.to_owned(), known }
}

fn states(value: &str) -> Result<States, FilterError> {
    let one = RecommendationState::ALL.iter().find(|state| state.as_str() == value);
    match (value, one) {
        ("all", _) => Ok(States::All),
        ("open", _) => Ok(States::Open),
        (_, Some(state)) => Ok(States::One(*state)),
        (_, None) => {
            let states = RecommendationState::ALL.iter().map(|state| state.as_str());
            let known = ["open", "all"].into_iter().chain(states).map(str::to_owned);
            Err(unknown("state", value, known))
        }
    }
}

fn account(value: &str, accounts: &[Account]) -> Result<String, FilterError> {
    let found = accounts.iter().find(|account| account.name == value || account.id == value);
    found.map(|account| account.id.clone()).ok_or_else(|| {
        let known = accounts.iter().map(|account| format!("{} ({})", account.name, account.id));
        unknown("account", value, known)
    })
}

fn region(value: &str, accounts: &[Account]) -> Result<String, FilterError> {
    let regions: std::collections::BTreeSet<&String> =
        accounts.iter().flat_map(|account| &account.regions).collect();
    let is_known = regions.iter().any(|region| *region == value);
    if is_known {
        return Ok(value.to_owned());
    }
    Err(unknown("region", value, regions.into_iter().cloned()))
}

fn dollars(value: &str) -> Result<Usd, FilterError> {
    let plain = value.strip_prefix('$').unwrap_or(value);
    plain.parse().ok().and_then(Usd::from_dollars).ok_or_else(|| FilterError::Figure {
        key: "saving".to_owned(),
        value: value.to_owned(),
        wanted: "dollars a month, such as 10",
    })
}

/// A probability as a ratio, `0.1`, or in percent, `10%`.
fn ratio(value: &str) -> Result<f64, FilterError> {
    let ratio = match value.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().map(|percent| percent / 100.0),
        None => value.parse(),
    };
    ratio.ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or_else(|| FilterError::Figure {
        key: "risk".to_owned(),
        value: value.to_owned(),
        wanted: "a probability, such as 0.1 or 10%",
    })
}

impl Comparison {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests;
