//! Windows and freezes: days, times of day, dates and time zones.
//!
//! Zones are resolved here, with the bundled database where the machine has none, so that nothing later can fail to
//! know one. Not here: whether a moment lies inside (`trimtab-policies`).

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};
use trimtab_policies::settings::{Freeze, Window};

use super::matching::{Known, matcher};
use crate::{
    raw::{RawFreeze, RawWindow},
    report::Report,
};

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];
const TIME_FORM: &str = "a time of day such as \"02:00\"";
const ZONE_FORM: &str =
    "a name of the IANA time zone database, such as \"Europe/Zurich\" or \"UTC\"";
const MOMENT_FORM: &str =
    "\"2026-12-20T00:00:00Z\", or \"2026-12-20\" or \"2026-12-20T18:00\" together with time_zone";

/// Every `[[window]]`.
pub(super) fn windows(
    raw: &[RawWindow],
    known: &Known<'_>,
    report: &mut Report<'_>,
) -> Vec<Window> {
    let windows: Vec<Window> = raw
        .iter()
        .enumerate()
        .filter_map(|(index, raw)| window(raw, &format!("window[{index}]"), known, report))
        .collect();
    refuse_same_names("window", raw.iter().map(|window| window.name.as_ref()), report);
    windows
}

fn window(
    raw: &RawWindow,
    path: &str,
    known: &Known<'_>,
    report: &mut Report<'_>,
) -> Option<Window> {
    let key = |name: &str| format!("{path}.{name}");
    let name =
        report.required(&key("name"), raw.name.as_ref(), "a name for reasons, such as \"nights\"");
    let matcher = matcher(&raw.matcher, &key("match"), known, report);
    let days = days(raw, &key("days"), report);
    let from = time(raw.from.as_ref(), &key("from"), report);
    let until = time(raw.until.as_ref(), &key("until"), report);
    let time_zone = report
        .required(&key("time_zone"), raw.time_zone.as_ref(), ZONE_FORM)
        .and_then(|name| zone(name, &key("time_zone"), report));
    let (name, from, until) = (name?.to_owned(), from?, until?);
    Some(Window { name, matcher, days, from, until, time_zone: Some(time_zone?) })
}

fn days(raw: &RawWindow, key: &str, report: &mut Report<'_>) -> Vec<Weekday> {
    let allowed = "any of mon, tue, wed, thu, fri, sat, sun";
    let words = report.list(key, raw.days.as_ref(), allowed);
    if raw.days.is_none() {
        report.missing(key, "missing", allowed);
    } else if words.is_empty() {
        report.refuse(key, "[]", "no day, so the window never opens", allowed);
    }
    words
        .iter()
        .enumerate()
        .filter(|(_, word)| !word.trim().is_empty())
        .filter_map(|(index, word)| report.word(&format!("{key}[{index}]"), Some(word), &DAYS))
        .collect()
}

fn time(raw: Option<&String>, key: &str, report: &mut Report<'_>) -> Option<Time> {
    let text = report.required(key, raw, TIME_FORM)?;
    let is_time = text.len() == 5 && text.as_bytes().get(2) == Some(&b':');
    let time = if is_time { text.parse().ok() } else { None };
    if time.is_none() {
        report.refuse_text(key, text, "not a time of day", TIME_FORM);
    }
    time
}

pub(super) fn zone(name: &str, key: &str, report: &mut Report<'_>) -> Option<TimeZone> {
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        report.refuse_text(key, name, "no such time zone", ZONE_FORM);
    }
    zone
}

/// Every `[[freeze]]`.
pub(super) fn freezes(
    raw: &[RawFreeze],
    known: &Known<'_>,
    report: &mut Report<'_>,
) -> Vec<Freeze> {
    let freezes: Vec<Freeze> = raw
        .iter()
        .enumerate()
        .filter_map(|(index, raw)| freeze(raw, &format!("freeze[{index}]"), known, report))
        .collect();
    refuse_same_names("freeze", raw.iter().map(|freeze| freeze.name.as_ref()), report);
    freezes
}

fn freeze(
    raw: &RawFreeze,
    path: &str,
    known: &Known<'_>,
    report: &mut Report<'_>,
) -> Option<Freeze> {
    let key = |name: &str| format!("{path}.{name}");
    let name = report.required(
        &key("name"),
        raw.name.as_ref(),
        "a name for reasons, such as \"year end\"",
    );
    let matcher = matcher(&raw.matcher, &key("match"), known, report);
    let zone = match &raw.time_zone {
        None => None,
        Some(name) => Some(zone(name, &key("time_zone"), report)?),
    };
    let from = moment(raw.from.as_ref(), zone.as_ref(), &key("from"), report);
    let until = moment(raw.until.as_ref(), zone.as_ref(), &key("until"), report);
    let (name, from, until) = (name?.to_owned(), from?, until?);
    if from >= until {
        let written = raw.until.as_deref().unwrap_or_default();
        report.refuse_text(
            &key("until"),
            written,
            "the freeze ends before it begins",
            format!("a time after {from}"),
        );
        return None;
    }
    Some(Freeze { name, matcher, from, until })
}

/// A timestamp with its offset, or a date or time on the wall clock of the zone. A date is its first moment.
fn moment(
    raw: Option<&String>,
    zone: Option<&TimeZone>,
    key: &str,
    report: &mut Report<'_>,
) -> Option<Timestamp> {
    let text = report.required(key, raw, MOMENT_FORM)?;
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    let is_date = text.len() == "2026-12-20".len();
    let civil = if is_date {
        text.parse::<Date>().ok().map(|date| date.to_datetime(Time::midnight()))
    } else {
        text.parse::<DateTime>().ok()
    };
    let Some(civil) = civil else {
        report.refuse_text(key, text, "not a date or time", MOMENT_FORM);
        return None;
    };
    let Some(zone) = zone else {
        report.refuse_text(
            key,
            text,
            "a time without an offset needs a time zone",
            format!("time_zone = {ZONE_FORM}"),
        );
        return None;
    };
    let timestamp = zone.to_timestamp(civil).ok();
    if timestamp.is_none() {
        report.refuse_text(key, text, "beyond the calendar", "a year from 1 to 9998");
    }
    timestamp
}

fn refuse_same_names<'r>(
    section: &str,
    names: impl Iterator<Item = Option<&'r String>>,
    report: &mut Report<'_>,
) {
    let mut seen = std::collections::BTreeSet::new();
    for (index, name) in names.enumerate() {
        if let Some(name) = name
            && !seen.insert(name)
        {
            report.refuse_text(
                &format!("{section}[{index}].name"),
                name,
                "another one has this name",
                "unique names",
            );
        }
    }
}
