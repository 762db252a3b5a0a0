//! How the daemon runs: where its state lives, which cloud, when, how fast, and what it logs.
//!
//! Not here: anything that decides about a resource.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{SignedDuration, civil::DateTime};

use crate::{
    load::resolve,
    raw::{RawAgent, RawApi, RawCloud, RawCollect, RawSchedule, RawStore, RawTelemetry},
    report::Report,
    settings::{
        AgentSettings, ApiSettings, Cloud, CollectSettings, LogFormat, LogLevel, Rate,
        ScheduleSettings, StoreSettings, TelemetrySettings, TlsFiles,
    },
};

pub(crate) const DEFAULT_STATE_DIR: &str = "/var/lib/trimtab";
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8470);

/// Five minutes past each hour: CloudWatch has then settled the hour before.
const DEFAULT_CYCLE: &str = "0 5 * * * *";
const CYCLE_FORM: &str =
    "six cron fields in UTC, seconds first, such as \"0 5 * * * *\" (hourly, at minute 5)";
const HOUR_S: u32 = 3_600;

/// `[agent]`.
pub(super) fn agent(raw: &RawAgent, report: &mut Report<'_>) -> AgentSettings {
    let form = "an absolute path, such as /var/lib/trimtab";
    let state_dir = report.optional("agent.state_dir", raw.state_dir.as_ref(), form);
    let state_dir = PathBuf::from(state_dir.as_deref().unwrap_or(DEFAULT_STATE_DIR));
    if !state_dir.is_absolute() {
        let why = "a relative path would depend on where the daemon was started";
        report.refuse_text("agent.state_dir", &state_dir.display().to_string(), why, form);
    }
    AgentSettings { state_dir, listen: listen(raw.listen.as_deref(), report) }
}

fn listen(raw: Option<&str>, report: &mut Report<'_>) -> SocketAddr {
    let form = "an address with a port, such as 127.0.0.1:8470 or [::1]:8470";
    let Some(text) = raw else { return DEFAULT_LISTEN };
    text.parse().unwrap_or_else(|_| {
        report.refuse_text("agent.listen", text, "not an address with a port", form);
        DEFAULT_LISTEN
    })
}

#[derive(Clone, Copy)]
enum Provider {
    Aws,
    Simulated,
}

/// `[cloud]`; `None` if it is refused.
pub(super) fn cloud(raw: &RawCloud, report: &mut Report<'_>, folder: &Path) -> Option<Cloud> {
    let words = [("aws", Provider::Aws), ("simulated", Provider::Simulated)];
    let provider = match &raw.provider {
        None => Provider::Aws,
        Some(word) => report.word("cloud.provider", Some(word), &words)?,
    };
    match provider {
        Provider::Aws => {
            let only = "needs provider = \"simulated\"";
            for (key, is_set) in [
                ("cloud.scenario", raw.scenario.is_some()),
                ("cloud.socket", raw.socket.is_some()),
                ("cloud.seed", raw.seed.is_some()),
                ("cloud.time_factor", raw.time_factor.is_some()),
            ] {
                if is_set {
                    report.missing(key, only, "remove it, or set provider = \"simulated\"");
                }
            }
            Some(Cloud::Aws { endpoint_url: endpoint_url(raw.endpoint_url.as_ref(), report) })
        }
        Provider::Simulated => {
            if raw.endpoint_url.is_some() {
                report.missing(
                    "cloud.endpoint_url",
                    "needs provider = \"aws\"",
                    "remove it, or set provider = \"aws\"",
                );
            }
            if raw.socket.is_some() {
                return served(raw, report, folder);
            }
            let what = "the path of a scenario file, which provider = \"simulated\" needs";
            let scenario = report.required("cloud.scenario", raw.scenario.as_ref(), what);
            // An hour a second: a day of cycles in 24 s. At most a week a second, so that a cycle can keep up.
            let time_factor =
                report.number("cloud.time_factor", raw.time_factor, 3_600.0, 1.0..=604_800.0);
            Some(Cloud::Simulated {
                scenario: resolve(folder, scenario?),
                seed: raw.seed.unwrap_or(0),
                time_factor,
            })
        }
    }
}

/// An account that another process serves has that one's scenario, seed and time.
fn served(raw: &RawCloud, report: &mut Report<'_>, folder: &Path) -> Option<Cloud> {
    let theirs = [
        ("cloud.scenario", raw.scenario.is_some()),
        ("cloud.seed", raw.seed.is_some()),
        ("cloud.time_factor", raw.time_factor.is_some()),
    ];
    for (key, _) in theirs.into_iter().filter(|(_, is_set)| *is_set) {
        report.missing(key, "is the serving process's", "remove it, or remove cloud.socket");
    }
    let what = "the path of a Unix socket";
    let socket = report.optional("cloud.socket", raw.socket.as_ref(), what)?;
    Some(Cloud::Served { socket: resolve(folder, &socket) })
}

fn endpoint_url(raw: Option<&String>, report: &mut Report<'_>) -> Option<String> {
    let form = "http://HOST:PORT or https://HOST:PORT";
    let url = report.optional("cloud.endpoint_url", raw, form)?;
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let fits = host.is_some_and(|host| !host.is_empty() && !host.starts_with(['/', ':']))
        && !url.contains(char::is_whitespace);
    if !fits {
        report.refuse_text("cloud.endpoint_url", &url, "not a URL of an endpoint", form);
    }
    Some(url)
}

/// `[schedule]`, with the longest time between two cycles, seconds; `None` if it is refused.
pub(super) fn schedule(
    raw: &RawSchedule,
    report: &mut Report<'_>,
) -> Option<(ScheduleSettings, u32)> {
    let key = "schedule.cycle";
    let cycle = raw.cycle.as_deref().unwrap_or(DEFAULT_CYCLE);
    if cycle.contains('=') {
        report.refuse_text(key, cycle, "schedules are in UTC, without a time zone", CYCLE_FORM);
        return None;
    }
    let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build();
    let Ok(cron) = parser.parse(cycle) else {
        report.refuse_text(key, cycle, "not a cron expression", CYCLE_FORM);
        return None;
    };
    let Some((shortest_s, longest_s)) = gaps(&cron) else {
        report.refuse_text(key, cycle, "it never comes twice", CYCLE_FORM);
        return None;
    };
    if shortest_s < 60 {
        let why = format!("two cycles would begin only {shortest_s} s apart");
        report.refuse_text(key, cycle, why, "at least 60 s between two cycles");
        return None;
    }
    Some((ScheduleSettings { cycle: cycle.to_owned(), cron }, longest_s))
}

/// The shortest and the longest time between two occurrences, seconds.
///
/// Looked at over at least 9 days and 14 occurrences, from a Thursday, so that every weekday, a weekend, each month
/// and a leap day are among them. The calendar is UTC, which has no gaps of its own.
fn gaps(cron: &Cron) -> Option<(u32, u32)> {
    let start = DateTime::constant(2026, 1, 1, 0, 0, 0, 0);
    let mut before = cron.find_next_occurrence(&start, true).ok()?;
    let (mut shortest, mut longest, mut seen) = (i64::MAX, 0, 0);
    while seen < 14 || before.duration_since(start) < SignedDuration::from_hours(9 * 24) {
        let next = cron.find_next_occurrence(&before, false).ok()?;
        let gap_s = next.duration_since(before).as_secs();
        (shortest, longest, seen) = (shortest.min(gap_s), longest.max(gap_s), seen + 1);
        if shortest < 60 {
            break;
        }
        before = next;
    }
    Some((u32::try_from(shortest).ok()?, u32::try_from(longest).ok()?))
}

/// `[collect]`. CloudWatch keeps points of a period for as long as [`kept_days`] says.
pub(super) fn collect(
    raw: &RawCollect,
    interval_s: Option<u32>,
    report: &mut Report<'_>,
) -> CollectSettings {
    let step_s = raw.step_s.unwrap_or(300);
    let kept = kept_days(step_s);
    if kept.is_none() {
        report.refuse(
            "collect.step_s",
            step_s,
            "not a period that CloudWatch keeps",
            "60, 300, 3600",
        );
    }
    let kept = kept.unwrap_or(455);
    let lookback_days = report.whole("collect.lookback_days", raw.lookback_days, 30, 1..=455);
    if lookback_days > kept {
        let why = format!("CloudWatch keeps points of {step_s} s for {kept} days only");
        report.refuse(
            "collect.lookback_days",
            lookback_days,
            why,
            format!("at most {kept}, or a longer collect.step_s"),
        );
    }
    CollectSettings {
        lookback_days,
        step_s,
        interval_s: interval_s.unwrap_or(HOUR_S),
        max_rate_ratio: report.number(
            "collect.max_rate_ratio",
            raw.max_rate_ratio,
            0.2,
            0.01..=1.0,
        ),
    }
}

/// CloudWatch's retention: 15 days of one-minute points, 63 of five-minute points, 455 of hourly ones.
const fn kept_days(step_s: u32) -> Option<u32> {
    match step_s {
        60 => Some(15),
        300 => Some(63),
        3_600 => Some(455),
        _ => None,
    }
}

/// `[api]`.
pub(super) fn api(
    raw: &RawApi,
    agent: &AgentSettings,
    report: &mut Report<'_>,
    folder: &Path,
) -> ApiSettings {
    let written = report.optional("api.token_file", raw.token_file.as_ref(), "a path");
    let tls = tls(raw, report, folder);
    if tls.is_none() && !agent.listen.ip().is_loopback() {
        report.refuse_text(
            "agent.listen",
            &agent.listen.to_string(),
            "without TLS the token would cross the network in the clear",
            "a loopback address with a port, such as 127.0.0.1:8470 or [::1]:8470; or set api.tls_certificate and api.tls_key",
        );
    }
    let mut whole = |key, raw, default| report.whole(key, raw, default, 1..=10_000);
    // A page asks for a handful of things at once, a script for one after the other: neither comes near.
    let requests = whole("api.requests_per_second", raw.requests_per_second, 50);
    let request_burst = whole("api.request_burst", raw.request_burst, 200);
    // Each approval makes calls to AWS before it answers.
    let writes = whole("api.writes_per_second", raw.writes_per_second, 10);
    let write_burst = whole("api.write_burst", raw.write_burst, 100);
    let logins = whole("api.logins_per_minute", raw.logins_per_minute, 20);
    ApiSettings {
        tls,
        oidc: None,
        token_file: match written {
            Some(path) => resolve(folder, &path),
            None => agent.state_dir.join("operator.token"),
        },
        requests: rate(Duration::from_secs(1), requests, request_burst),
        writes: rate(Duration::from_secs(1), writes, write_burst),
        logins: rate(Duration::from_secs(60), logins, logins),
    }
}

/// Certificate and key, both or neither.
fn tls(raw: &RawApi, report: &mut Report<'_>, folder: &Path) -> Option<TlsFiles> {
    let what = "the path of a PEM file";
    let certificate = report.optional("api.tls_certificate", raw.tls_certificate.as_ref(), what);
    let key = report.optional("api.tls_key", raw.tls_key.as_ref(), what);
    for (given, missing, name) in [
        (raw.tls_certificate.is_some(), raw.tls_key.is_none(), "api.tls_key"),
        (raw.tls_key.is_some(), raw.tls_certificate.is_none(), "api.tls_certificate"),
    ] {
        if given && missing {
            report.missing(name, "TLS takes a certificate and its key", what);
        }
    }
    let (certificate, key) = (certificate?, key?);
    Some(TlsFiles { certificate: resolve(folder, &certificate), key: resolve(folder, &key) })
}

/// So many in a time, and so many at once.
fn rate(time: Duration, count: u32, burst: u32) -> Rate {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Rate { period: time / at_least_one(count).get(), burst: at_least_one(burst) }
}

/// `[telemetry]`.
pub(super) fn telemetry(raw: &RawTelemetry, report: &mut Report<'_>) -> TelemetrySettings {
    let formats =
        [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)];
    let levels =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    TelemetrySettings {
        log: report.word("telemetry.log", raw.log.as_deref(), &formats).unwrap_or(LogFormat::Auto),
        level: report
            .word(
                "telemetry.level",
                raw.level.as_deref(),
                &levels.map(|level| (level.as_str(), level)),
            )
            .unwrap_or(LogLevel::Info),
    }
}

/// `[store]`.
pub(super) fn store(
    raw: &RawStore,
    collect: &CollectSettings,
    report: &mut Report<'_>,
) -> StoreSettings {
    const MIB: u64 = 1024 * 1024;
    let lookback_days = collect.lookback_days;
    let retention_days =
        report.whole("store.retention_days", raw.retention_days, lookback_days.max(90), 1..=3_650);
    if retention_days < lookback_days {
        let why = "points would be dropped while they are still looked at";
        report.refuse(
            "store.retention_days",
            retention_days,
            why,
            format!("at least collect.lookback_days = {lookback_days}"),
        );
    }
    StoreSettings {
        retention_days,
        min_free_bytes: u64::from(report.whole(
            "store.min_free_mib",
            raw.min_free_mib,
            256,
            16..=1_048_576,
        )) * MIB,
        // Memory runs to about ten times the cache, so the upper bound is some 10 GiB.
        cache_bytes: u64::from(report.whole("store.cache_mib", raw.cache_mib, 64, 8..=1_024)) * MIB,
    }
}
