//! Values of arguments, read from how people write them.
//!
//! Not here: which argument takes which (`args`).

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use trimtab_models::{recommendation::Action, resource::Kind};
use trimtab_policies::{
    circuit::{Circuit, NoCircuit},
    mode::Mode,
};

use crate::decide::reason_too_long;

pub(super) fn circuit(text: &str) -> Result<Circuit, String> {
    text.parse().map_err(|error: NoCircuit| error.to_string())
}

fn one_of<T: Copy>(text: &str, all: &[T], name: fn(&T) -> String) -> Result<T, String> {
    let found = all.iter().find(|one| name(one) == text).copied();
    found.ok_or_else(|| {
        format!("not one of {}", all.iter().map(name).collect::<Vec<_>>().join(", "))
    })
}

pub(super) fn mode(text: &str) -> Result<Mode, String> {
    one_of(text, &[Mode::Datapilot, Mode::Copilot, Mode::Autopilot], Mode::to_string)
}

pub(in crate::cli) fn kind(text: &str) -> Result<Kind, String> {
    one_of(text, &Kind::ALL, Kind::to_string)
}

pub(in crate::cli) fn action(text: &str) -> Result<Action, String> {
    one_of(text, &Action::ALL, Action::to_string)
}

pub(super) fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().ok().filter(|speed| (1.0..=604_800.0).contains(speed));
    speed.ok_or_else(|| "not a number from 1 to 604800".to_owned())
}

/// Where a report begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So many days ago, by the daemon's clock.
    Days(u32),
    /// At this time.
    At(Timestamp),
}

/// `30d`, `2w`, a date, or a time.
pub(super) fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = date_or_time(text) {
        return Ok(Since::At(at));
    }
    let (count, days) = match text.strip_suffix('w') {
        Some(weeks) => (weeks, 7),
        None => (text.strip_suffix('d').unwrap_or(text), 1),
    };
    let days = count.parse::<u32>().ok().and_then(|count| count.checked_mul(days));
    let days = days.filter(|days| (1..=3_650).contains(days));
    days.map(Since::Days).ok_or_else(|| {
        "neither days from 1d to 3650d, nor weeks such as 2w, nor a date such as 2027-01-31"
            .to_owned()
    })
}

/// Why something is decided: not nothing, and not more than is kept.
pub(in crate::cli) fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("nothing: say why".to_owned());
    }
    reason_too_long(text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// A filter in one line. Its keys and values are known to the daemon; that it is not empty is known here.
pub(super) fn filter(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("an empty filter is not everything: say what is meant".to_owned());
    }
    Ok(text.to_owned())
}

/// A tag's key and its value, which may be empty.
pub(in crate::cli) fn tag(text: &str) -> Result<(String, String), String> {
    let tag = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let tag = tag.map(|(key, value)| (key.to_owned(), value.to_owned()));
    tag.ok_or_else(|| "not a tag such as team=web".to_owned())
}

pub(in crate::cli) fn date_or_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let midnight = text.parse::<Date>().ok().and_then(|date| date.to_zoned(TimeZone::UTC).ok());
    midnight.map(|midnight| midnight.timestamp()).ok_or_else(|| {
        "neither a date such as 2027-01-31 nor a time such as 2027-01-31T12:00:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_words() {
        let days = [since("30d"), since("7"), since("2w")];
        assert_eq!(days, [30, 7, 14].map(|days| Ok(Since::Days(days))));
        for wrong in ["0d", "30h", "w", "-3d", "600w", "4294967295w", "yesterday", ""] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
        let midnight = "2027-01-31T00:00:00Z".parse().expect("a time");
        assert_eq!(date_or_time("2027-01-31"), Ok(midnight));
        assert_eq!(since("2027-01-31"), Ok(Since::At(midnight)));
        assert!(date_or_time("tomorrow").is_err());
        assert!(mode("auto").is_err() && speed("0.5").is_err() && speed("nan").is_err());
    }
}
