//! What was refused to people who are known, in the audit log and in the daemon's own: each once a day, and only so many,
//! because a disk is finite.
//!
//! Not here: why it was refused (`trimtab_policies`, `decide`), and callers who are nobody; those are only logged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use jiff::{civil::Date, tz::TimeZone};
use trimtab_policies::{authority::Right, record::Entry};

use crate::agent::Agent;

/// Records of one person a day: more than anybody decides on, and at most some 100 KB.
const PER_DAY_MAX: usize = 200;
/// Letters of what was asked for and of the reason that are kept: both may come from outside.
const TEXT_CHARS_MAX: usize = 300;

/// What each person was refused in a day.
type Told = BTreeMap<String, BTreeSet<(Right, String)>>;

/// What was told today.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    told: Mutex<(Date, Told)>,
}

/// Something that was refused.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) right: Right,
    /// A recommendation's or change's id, or a path.
    pub(crate) what: String,
    pub(crate) reason: String,
}

impl Refusals {
    /// Records a refusal unless it is in the audit log of today.
    pub(crate) fn note(&self, agent: &Agent, by: &str, refusal: Refusal) {
        let Refusal { right, what, reason } = refusal;
        let (what, reason) = (cut(&what), cut(&reason));
        let now = agent.ports().clock.now();
        if !self.is_news(TimeZone::UTC.to_datetime(now).date(), by, (right, what.clone())) {
            return;
        }
        tracing::warn!(by, right = right.as_str(), what, reason, "refused");
        let entry = Entry::Refused { right, what, reason };
        if let Err(error) = agent.ledger().record(now, by, entry) {
            let error = format!("{error:#}");
            tracing::warn!(error, "a refusal could not be journalled");
        }
    }

    fn is_news(&self, today: Date, by: &str, refused: (Right, String)) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.0 != today {
            *told = (today, BTreeMap::new());
        }
        let theirs = told.1.entry(by.to_owned()).or_default();
        theirs.len() < PER_DAY_MAX && theirs.insert(refused)
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_a_day_and_only_so_many() {
        let refusals = Refusals::default();
        let (monday, tuesday) = (Date::constant(2026, 3, 2), Date::constant(2026, 3, 3));
        let of = |what: usize| (Right::Decide, what.to_string());
        assert!(refusals.is_news(monday, "ada", of(1)));
        assert!(!refusals.is_news(monday, "ada", of(1)));
        assert!(refusals.is_news(monday, "bob", of(1)));
        assert!(refusals.is_news(monday, "ada", (Right::Undo, "1".to_owned())));
        let more = (2..1_000).filter(|what| refusals.is_news(monday, "ada", of(*what))).count();
        assert_eq!(more + 2, PER_DAY_MAX);
        assert!(refusals.is_news(tuesday, "ada", of(1)));
    }
}
