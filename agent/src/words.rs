//! How specs, money and steps read to people, the same on the page and in a terminal.
//!
//! Not here: layout (`web`, `cli`) and the JSON forms (`view`).

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;
use trimtab_models::{
    forecast::{History, Quantiles},
    money::Usd,
    outlook::Outlook,
    recommendation::{
        Action, Evidence, ForecastSeen, PriceBasis, Recommendation, Replay, SavingBasis,
    },
    resource::{Resource, ResourceRef},
    saving::Realized,
    spec::Spec,
};
use trimtab_policies::{
    change::UndoWanted,
    mode::{Disruption, Mode},
    plan::{CheckVerdict, Disposition},
};

use crate::{
    notify::OutboxView,
    view::{RecommendationState, RecommendationView, check_name},
};

/// What stands where nothing is known.
pub const UNKNOWN: &str = "unknown";

/// The order in which a person names properties.
const ORDER: [&str; 10] = [
    "instance_type",
    "volume_type",
    "size_gib",
    "iops",
    "throughput_mibps",
    "memory_mb",
    "min_size",
    "max_size",
    "desired_capacity",
    "state",
];

/// What changes, as `from` and `to`: only the properties that differ, each with its unit.
#[must_use]
pub fn from_to(expected: &Spec, desired: &Spec) -> (String, String) {
    let (old, new) = (properties(expected), properties(desired));
    let mut from = Vec::new();
    let mut to = Vec::new();
    for (key, value) in &new {
        let before = old.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        if before == Some(value) {
            continue;
        }
        from.extend(before.and_then(|before| property(key, before)));
        to.extend(property(key, value));
    }
    if from.is_empty() {
        from.extend(old.iter().filter_map(|(key, value)| property(key, value)));
    }
    (from.join(", "), to.join(", "))
}

/// A resource as people know it: by its name tag, with the id that AWS gives it.
#[must_use]
pub fn name(resource: &ResourceRef, id: &str) -> String {
    let named = resource.tags.get("Name").filter(|name| *name != id);
    named.map_or_else(|| id.to_owned(), |name| format!("{name} ({id})"))
}

/// Whether a search, in lower case, finds a resource: by its ARN, its tags or its configuration.
#[must_use]
pub fn mentions(resource: &Resource, sought: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(sought);
    let mut tags = resource.reference.tags.iter();
    sought.is_empty()
        || has(&resource.reference.arn.0)
        || tags.any(|(key, value)| has(&format!("{key}={value}")))
        || has(&spec(&resource.spec()))
}

/// A spec with all its properties.
#[must_use]
pub fn spec(spec: &Spec) -> String {
    properties(spec)
        .iter()
        .filter_map(|(key, value)| property(key, value))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The JSON form's fields: one list of property names for all kinds.
fn properties(spec: &Spec) -> Vec<(String, Value)> {
    match serde_json::to_value(spec) {
        Ok(Value::Object(fields)) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by_key(|(key, _)| ORDER.iter().position(|known| known == key));
            fields
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}

fn property(key: &str, value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Array(scheduled) if key == "scheduled" => schedule(scheduled),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    Some(match key {
        "iops" => format!("{text} IOPS"),
        "throughput_mibps" => format!("{text} MiB/s"),
        "size_gib" => format!("{text} GiB"),
        "memory_mb" => format!("{text} MB"),
        "min_size" => format!("min {text}"),
        "max_size" => format!("max {text}"),
        "desired_capacity" => format!("desired {text}"),
        _ => text,
    })
}

/// The scheduled actions of a group, such as `min 6 at "30 7 * * *"`.
fn schedule(scheduled: &[Value]) -> String {
    if scheduled.is_empty() {
        return "no schedule".to_owned();
    }
    let told = scheduled.iter().map(|one| {
        let recurrence = one["recurrence"].as_str().unwrap_or(UNKNOWN);
        format!("min {} at \"{recurrence}\" UTC", one["min_size"])
    });
    told.collect::<Vec<_>>().join(", ")
}

/// What keeps a receiver from being told, and what it missed.
#[must_use]
pub fn troubles(outbox: &OutboxView) -> String {
    let mut told = Vec::new();
    if let (Some(at), Some(error)) = (outbox.last_error_at, &outbox.last_error) {
        // An error from before this process has no time of its own.
        let when = (at > Timestamp::UNIX_EPOCH).then(|| format!("{}: ", time(at)));
        told.push(format!("{}{error}", when.unwrap_or_default()));
    }
    if outbox.given_up > 0 {
        told.push(format!("{} given up", outbox.given_up));
    }
    if outbox.dropped > 0 {
        told.push(format!("{} dropped", outbox.dropped));
    }
    if told.is_empty() { "none".to_owned() } else { told.join("; ") }
}

/// A saving a month, with a sign for what costs more.
#[must_use]
pub fn saving(saving: Option<Usd>) -> String {
    saving.map_or_else(|| UNKNOWN.to_owned(), |saving| saving.to_string())
}

/// What the figure of a saving rests on.
#[must_use]
pub fn saving_basis(recommendation: &Recommendation) -> String {
    let price = match recommendation.price_basis {
        Some(PriceBasis::List) => "list price",
        Some(PriceBasis::Estimated) => "estimated price",
        None => "no price",
    };
    let basis = match recommendation.saving_basis {
        SavingBasis::List => "before commitments",
        SavingBasis::Net => "after discount",
    };
    format!("{price}, {basis}")
}

/// What a change has saved so far beside what was promised for the same time.
#[must_use]
pub fn realized(realized: &Realized) -> String {
    let Realized { until, hours, predicted, saved, low, high } = realized;
    let promised =
        predicted.map_or_else(String::new, |promised| format!(", {promised} was promised"));
    let days = figure(hours / 24.0);
    format!("{saved} ({low} to {high}) in {days} days{promised}; measured {}", time(*until))
}

/// What speaks against a change, and what it waits for.
#[must_use]
pub fn undo_wanted(wanted: &UndoWanted) -> String {
    let waits = if wanted.automatic {
        "taken back at the next quiet hour in a window"
    } else {
        "undo it, or leave it"
    };
    format!("{} (since {}): {waits}", wanted.reason, time(wanted.at))
}

/// Since when and how often the same checks hold a recommendation back; `None` while that is not worth telling.
#[must_use]
pub fn recurring(view: &RecommendationView) -> Option<String> {
    let held = view.held.as_ref().filter(|held| held.recurring)?;
    let by: Vec<_> = held.by.iter().map(|check| check_name(*check)).collect();
    let (cycles, since) = (held.cycles, time(held.since));
    Some(format!("recurring: held back by {} since {since}, in {cycles} cycles", by.join(", ")))
}

/// The risk in percent: an estimate, or what it is at most.
#[must_use]
pub fn risk(recommendation: &Recommendation) -> String {
    let at_most = if recommendation.evidence.risk_is_bound { "at most " } else { "" };
    recommendation
        .risk
        .map_or_else(|| "not modelled".to_owned(), |risk| format!("{at_most}{}", percent(risk)))
}

/// The risk with what it is of, and within which time.
#[must_use]
pub fn risk_told(recommendation: &Recommendation) -> String {
    let evidence = &recommendation.evidence;
    let what = match recommendation.action {
        Action::StopIdleInstance => "it is used",
        Action::DeleteUnattachedVolume => "it is attached",
        Action::ResizeInstance
        | Action::MigrateVolumeType
        | Action::TuneVolume
        | Action::TuneFunctionMemory
        | Action::TuneGroupCapacity
        | Action::ScheduleGroup
        | Action::ResizeGroupInstances => "it is too small",
    };
    let (risk, cycle) = (risk(recommendation), cycle(evidence.risk_cycle_h));
    let confidence = if evidence.risk_is_bound { ", with 95 % confidence" } else { "" };
    recommendation
        .risk
        .map_or(risk.clone(), |_| format!("{risk} that {what} in the coming {cycle}{confidence}"))
}

/// What the look-back showed against the proposal, and what bounds a breach in the next cycle.
#[must_use]
pub fn replay(action: Action, replay: &Replay) -> String {
    let Replay { points, breaching_points, days, breaching_days, .. } = replay;
    if *points == 0 {
        let kept = replay.breach_upper_bound <= 0.0;
        let text = if kept {
            "there is nothing to compare, and need not be: every limit stays, so that nothing which it carries today breaches"
        } else {
            "nothing was seen for a day yet, so that nothing is bounded"
        };
        return text.to_owned();
    }
    let breached = match action {
        Action::StopIdleInstance => "show use, which nothing running could serve",
        Action::DeleteUnattachedVolume => "had it attached",
        Action::ResizeInstance
        | Action::MigrateVolumeType
        | Action::TuneVolume
        | Action::TuneFunctionMemory
        | Action::TuneGroupCapacity
        | Action::ScheduleGroup
        | Action::ResizeGroupInstances => "would exceed the proposal",
    };
    let (cycles, breaching) = (replay.cycles, replay.breaching_cycles);
    let (cycle, bound) = (cycle(replay.cycle_h), percent(replay.breach_upper_bound));
    format!(
        "{breaching_points} of {points} points, on {breaching_days} of {days} days, {breached}; by {breaching} of {cycles} \
         cycles of a {cycle} the next one does so with a probability of at most {bound}, with 95 % confidence"
    )
}

/// The name of a cycle's length.
fn cycle(hours: u32) -> String {
    match hours {
        24 => "day".to_owned(),
        168 => "week".to_owned(),
        730 => "month".to_owned(),
        other => format!("{other} h"),
    }
}

/// When a recommendation that may begin does so; `None` where nothing will, or nobody has said yes yet.
#[must_use]
pub fn begins(view: &RecommendationView) -> Option<String> {
    let entry = &view.entry;
    let waits = || entry.checks.iter().filter(|result| result.verdict == CheckVerdict::Wait);
    let by_itself = entry.mode == Mode::Autopilot && entry.decision == Disposition::Withheld;
    let approved = view.state == RecommendationState::Approved;
    let asked = view.state == RecommendationState::AwaitingApproval;
    let failing = entry.checks.iter().any(|result| result.verdict == CheckVerdict::Fail);
    if failing || !(approved || asked || by_itself && view.state.is_open()) {
        return None;
    }
    let text = match entry.until {
        Some(until) => time(until),
        None if waits().next().is_none() => "within minutes".to_owned(),
        None => {
            let names: Vec<_> = waits().map(|result| check_name(result.check)).collect();
            format!("as soon as nothing waits any more ({})", names.join(", "))
        }
    };
    Some(if asked { format!("once approved, {text}") } else { text })
}

/// The seasons found, and how often each was seen.
#[must_use]
pub fn seasons(evidence: &Evidence) -> String {
    let seasons = evidence
        .seasons
        .iter()
        .map(|season| format!("{}, seen {} times", period(season.period_h), season.times_seen));
    let found = seasons.collect::<Vec<_>>().join("; ");
    if !found.is_empty() {
        return found;
    }
    let tested: Vec<String> =
        evidence.seasons_tested_h.iter().map(|hours| period(*hours)).collect();
    if tested.is_empty() {
        return "none found, none tested: no series is long enough".to_owned();
    }
    format!("none found, tested: {}", tested.join(", "))
}

fn period(hours: u32) -> String {
    match hours {
        1 => "hour".to_owned(),
        24 => "day".to_owned(),
        168 => "week".to_owned(),
        730 => "end of the month".to_owned(),
        other => format!("{other} h"),
    }
}

/// What is to come: the day's median and upper quantiles at their highest, the week's, and when it is quietest.
#[must_use]
pub fn forecast(forecast: &ForecastSeen) -> String {
    let shown = |quantiles: Quantiles| {
        let [p50, p95, p99] =
            [quantiles.p50, quantiles.p95, quantiles.p99].map(|value| figure(f64::from(value)));
        format!("P50 {p50}, P95 {p95}, P99 {p99}")
    };
    let day = forecast.day.iter().copied().reduce(Quantiles::highest);
    let day = day.map_or_else(String::new, |day| format!("; day ahead {}", shown(day)));
    let quiet = forecast.quiet_hours.first();
    let quiet = quiet.map_or_else(String::new, |at| format!("; quietest about {}", time(*at)));
    let misses = forecast.calibration_misses;
    let misses = misses.map_or_else(String::new, |share| {
        format!("; of the last days {} lay above the P95 forecast for them", percent(share))
    });
    let history = history(&forecast.history);
    format!(
        "{}: week ahead {}{day}{quiet}{misses}{history}",
        forecast.measure,
        shown(forecast.week_highest)
    )
}

/// What is known of what is to come where no series can be forecast.
#[must_use]
pub fn outlook(outlook: &Outlook) -> String {
    match outlook {
        Outlook::Event { event, cycle_h, next_cycle } => {
            let told = |value: f32| if value > 0.0 { "yes" } else { "no" };
            let Quantiles { p50, p90, p95, p99, .. } = next_cycle;
            let [p50, p90, p95, p99] = [p50, p90, p95, p99].map(|value| told(*value));
            let cycle = cycle(*cycle_h);
            format!("{event} in the coming {cycle}: P50 {p50}, P90 {p90}, P95 {p95}, P99 {p99}")
        }
        Outlook::Unknown { reason } => format!("not known: {reason}"),
    }
}

/// What was seen besides seasons, each after a semicolon; empty for a past without anything to tell.
fn history(history: &History) -> String {
    let mut told = Vec::new();
    let at = |second| Timestamp::from_second(second).map_or_else(|_| UNKNOWN.to_owned(), time);
    told.extend(history.shifted_at_s.map(|second| format!("level shifted at {}", at(second))));
    let trend = history.trend_per_day.map(f64::from);
    told.extend(trend.map(|slope| format!("trend {} a day", figure(slope))));
    told.extend(history.clock_change.map(|_| "its clock changed by an hour".to_owned()));
    if history.outliers > 0 {
        told.push(format!("{} outliers", history.outliers));
    }
    if history.gaps_ratio > 0.0 {
        told.push(format!("{} gaps", percent(history.gaps_ratio)));
    }
    told.iter().map(|one| format!("; {one}")).collect()
}

/// A ratio in percent, with the decimals that small ones need.
#[must_use]
pub fn percent(ratio: f64) -> String {
    let percent = ratio * 100.0;
    let decimals = match percent.abs() {
        tiny if tiny > 0.0 && tiny < 0.1 => 3,
        small if small < 10.0 => 1,
        _ => 0,
    };
    format!("{percent:.decimals$} %")
}

/// How much service the change takes away.
#[must_use]
pub fn disruption(recommendation: &Recommendation) -> String {
    Disruption::of(recommendation.action).to_string()
}

/// A figure with as many decimals as it needs to be told apart, and its thousands apart.
#[must_use]
pub fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 1.0 => 1,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let digits = text.strip_prefix('-').unwrap_or(&text);
    if decimals > 0 || digits.len() < 5 {
        return text;
    }
    let mut grouped: String = text[..text.len() - digits.len()].to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A time to the minute, in UTC.
#[must_use]
pub fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use trimtab_models::spec::{Gone, PowerState, VolumeSpec};

    use super::*;

    fn check(expected: &Spec, desired: &Spec, expect: (&str, &str)) {
        let (from, to) = from_to(expected, desired);
        assert_eq!((from.as_str(), to.as_str()), expect);
    }

    #[test]
    fn only_what_differs_is_told() {
        let instance = |name: &str, state| Spec::Instance { instance_type: name.to_owned(), state };
        let volume = |name: &str, iops, throughput_mibps| {
            Spec::Volume(VolumeSpec {
                volume_type: name.to_owned(),
                size_gib: 100,
                iops,
                throughput_mibps,
            })
        };
        check(
            &instance("m5.xlarge", PowerState::Running),
            &instance("m5.large", PowerState::Running),
            ("m5.xlarge", "m5.large"),
        );
        check(
            &instance("m5.large", PowerState::Running),
            &instance("m5.large", PowerState::Stopped),
            ("running", "stopped"),
        );
        check(
            &volume("gp2", Some(300), None),
            &volume("gp3", Some(3000), Some(125)),
            ("gp2, 300 IOPS", "gp3, 3000 IOPS, 125 MiB/s"),
        );
        check(
            &Spec::Function { memory_mb: 512 },
            &Spec::Function { memory_mb: 256 },
            ("512 MB", "256 MB"),
        );
        check(
            &volume("gp2", None, None),
            &Spec::Gone { state: Gone::Deleted },
            ("gp2, 100 GiB", "deleted"),
        );
    }

    #[test]
    fn a_replay_says_of_what_and_within_which_cycle() {
        let of = |cycle_h, cycles, bound| Replay {
            points: 4_032,
            breaching_points: 3,
            days: 14,
            breaching_days: 2,
            cycles,
            breaching_cycles: 1,
            ..Replay::of_nothing(cycle_h, bound)
        };
        let told = replay(Action::ResizeInstance, &of(168, 2, 0.974_679));
        assert_eq!(
            told,
            "3 of 4032 points, on 2 of 14 days, would exceed the proposal; by 1 of 2 cycles of a week the next one does so \
             with a probability of at most 97 %, with 95 % confidence"
        );
        let stopped = replay(Action::StopIdleInstance, &of(24, 14, 0.2));
        assert!(stopped.contains("show use") && stopped.contains("cycles of a day"), "{stopped}");
        let kept = replay(Action::MigrateVolumeType, &Replay::of_nothing(24, 0.0));
        assert!(kept.contains("every limit stays"), "{kept}");
        let fresh = replay(Action::DeleteUnattachedVolume, &Replay::of_nothing(24, 1.0));
        assert!(fresh.contains("nothing is bounded"), "{fresh}");
    }

    #[test]
    fn what_is_not_known_is_told() {
        let event = Outlook::event("attached", 24, 0.095);
        assert_eq!(outlook(&event), "attached in the coming day: P50 no, P90 no, P95 yes, P99 yes");
        let unknown = Outlook::Unknown { reason: "it was not seen".to_owned() };
        assert_eq!(outlook(&unknown), "not known: it was not seen");
        let mut evidence = Evidence::nothing(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        assert_eq!(seasons(&evidence), "none found, none tested: no series is long enough");
        evidence.seasons_tested_h = vec![1, 12, 24, 168, 730];
        let tested = "none found, tested: hour, 12 h, day, week, end of the month";
        assert_eq!(seasons(&evidence), tested);
    }

    #[test]
    fn figures_keep_what_tells_them_apart() {
        let figures = [0.0123, -12.34, 1234.4, 12_345.0, -1_234_567.0].map(figure);
        assert_eq!(figures, ["0.012", "-12.3", "1234", "12,345", "-1,234,567"]);
        let ratios = [0.0, 0.00035, 0.012, 0.4].map(percent);
        assert_eq!(ratios, ["0.0 %", "0.035 %", "1.2 %", "40 %"]);
    }
}
