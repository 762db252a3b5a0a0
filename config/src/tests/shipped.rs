//! The files a user installs: they parse, they name every key, and the defaults they state are the code's.

use std::collections::BTreeSet;

use toml::{Table, Value};
use trimtab_policies::mode::Mode;

use super::{MINIMAL, accepted};
use crate::{Settings, raw};

const SHIPPED: &str = include_str!("../../trimtab.toml");
const ORGANIZATION: &str = include_str!("../../examples/organization.toml");
const UNIT: &str = include_str!("../../systemd/trimtab.service");

/// A line such as `#listen = "…"`: a default.
pub(super) fn default_of(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
}

/// A line such as `#   group_tag = "…"`, indented by exactly this many spaces: an example.
fn example_of(line: &str, indent: usize) -> Option<&str> {
    let rest = line.strip_prefix('#')?;
    let text = rest.trim_start();
    (rest.len() - text.len() == indent).then_some(text)
}

/// The shipped file with lines replaced where `change` says so.
fn rewritten(change: impl Fn(usize, &str) -> Option<String>) -> String {
    let lines = SHIPPED.lines().enumerate();
    lines
        .map(|(number, line)| change(number, line).unwrap_or_else(|| line.to_owned()) + "\n")
        .collect()
}

fn everything_uncommented() -> String {
    rewritten(|_, line| default_of(line).or_else(|| example_of(line, 3)).map(ToOwned::to_owned))
}

#[test]
fn the_shipped_file_is_the_defaults_and_datapilot() {
    let settings = accepted(SHIPPED);
    assert_eq!(settings, accepted(MINIMAL));
    assert_eq!(settings.policy.modes.default, Mode::Datapilot);
    assert_eq!(settings.warnings(), Vec::<String>::new());
}

#[test]
fn each_stated_default_is_the_codes() {
    let expected = accepted(SHIPPED);
    let defaults: Vec<usize> = SHIPPED
        .lines()
        .enumerate()
        .filter(|(_, line)| default_of(line).is_some())
        .map(|(number, _)| number)
        .collect();
    assert!(defaults.len() > 50, "only {} defaults are stated", defaults.len());
    for chosen in defaults {
        let text = rewritten(|number, line| {
            default_of(line).filter(|_| number == chosen).map(ToOwned::to_owned)
        });
        assert_eq!(
            accepted(&text),
            expected,
            "line {}: {:?}",
            chosen + 1,
            SHIPPED.lines().nth(chosen)
        );
    }
    let all: String = rewritten(|_, line| default_of(line).map(ToOwned::to_owned));
    assert_eq!(accepted(&all), expected);
}

#[test]
fn every_example_works() {
    let settings = accepted(&everything_uncommented());
    assert_eq!(settings.policy.modes.rules.len(), 3);
    assert_eq!(settings.policy.windows.len(), 1);
    assert_eq!(settings.policy.freezes.len(), 1);
    assert_eq!(settings.policy.ownership.len(), 1);
    let simulated = rewritten(|_, line| match default_of(line) {
        Some("provider = \"aws\"") => Some("provider = \"simulated\"".to_owned()),
        // A served account has its own scenario.
        Some(_) | None => {
            example_of(line, 6).filter(|line| !line.starts_with("socket")).map(ToOwned::to_owned)
        }
    });
    assert!(matches!(accepted(&simulated).cloud, crate::Cloud::Simulated { seed: 0, .. }));
}

#[test]
fn every_key_is_in_the_shipped_file() {
    let uncommented = rewritten(|_, line| {
        default_of(line)
            .or_else(|| example_of(line, 3))
            .or_else(|| example_of(line, 6))
            .map(ToOwned::to_owned)
    });
    let written: Table = toml::from_str(&uncommented).unwrap_or_else(|error| panic!("{error}"));
    let known = Table::try_from(full()).expect("raw values are TOML");
    let (written, known) = (keys(&Value::Table(written)), keys(&Value::Table(known)));
    assert_eq!(
        known.difference(&written).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "not documented"
    );
    assert_eq!(written.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "not a key");
}

/// The paths of all keys; items of arrays share one path, and the keys of tags are the user's.
fn keys(value: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        if path.ends_with(".tags") {
            return;
        }
        for (key, inner) in value.as_table().into_iter().flatten() {
            let path = format!("{path}.{key}");
            walk(inner, &path, found);
            found.insert(path);
        }
        for item in value.as_array().into_iter().flatten() {
            walk(item, path, found);
        }
    }
    let mut found = BTreeSet::new();
    walk(value, "", &mut found);
    found
}

#[test]
fn the_organization_example_does_what_it_says() {
    let settings: Settings = accepted(ORGANIZATION);
    let view = settings.explain();
    let ceilings: Vec<(&str, Mode)> =
        view.accounts.iter().map(|account| (account.name.as_str(), account.ceiling)).collect();
    assert_eq!(
        ceilings,
        [
            ("production", Mode::Datapilot),
            ("staging", Mode::Autopilot),
            ("sandbox", Mode::Autopilot)
        ]
    );
    assert_eq!(
        view.windows.first().map(String::as_str),
        Some(
            "nights: account = 222222222222: monday, tuesday, wednesday, thursday 22:00 to 05:00 Europe/Zurich"
        )
    );
}

#[test]
fn the_unit_notifies_reloads_and_gives_time_to_bring_machines_back() {
    for line in [
        "Type=notify",
        "ExecStart=/usr/bin/trimtab run --config /etc/trimtab/trimtab.toml",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "TimeoutStopSec=900",
        "DynamicUser=yes",
        "StateDirectory=trimtab",
    ] {
        assert!(UNIT.lines().any(|found| found == line), "{line}");
    }
    let state_dir = accepted(MINIMAL).agent.state_dir;
    assert_eq!(state_dir.to_str(), Some("/var/lib/trimtab"), "the unit's StateDirectory");
}

fn text() -> Option<String> {
    Some("x".to_owned())
}

fn texts() -> Option<Vec<String>> {
    Some(vec!["x".to_owned()])
}

fn full_matcher() -> raw::RawMatcher {
    raw::RawMatcher {
        account: text(),
        region: text(),
        kind: text(),
        arn: text(),
        tags: Some([("k".to_owned(), "v".to_owned())].into()),
        group: text(),
        action: text(),
    }
}

/// A raw file with every key set. No field but a window's match is filled by `..`, so that a new key cannot be forgotten here.
fn full() -> raw::RawFile {
    raw::RawFile {
        agent: raw::RawAgent { state_dir: text(), listen: text() },
        modes: raw::RawModes {
            default: text(),
            trusted_tag_keys: texts(),
            rule: vec![raw::RawRule { matcher: full_matcher(), mode: text() }],
        },
        autopilot: raw::RawAutopilot { max_disruption: text(), allow_decrease: Some(true) },
        account: vec![raw::RawAccount {
            name: text(),
            id: text(),
            role_arn: text(),
            apply_role_arn: text(),
            external_id: text(),
            trust: text(),
            regions: texts(),
        }],
        cloud: raw::RawCloud {
            provider: text(),
            endpoint_url: text(),
            scenario: text(),
            socket: text(),
            seed: Some(1),
            time_factor: Some(1.0),
        },
        schedule: raw::RawSchedule { cycle: text() },
        collect: raw::RawCollect {
            lookback_days: Some(1),
            step_s: Some(1),
            max_rate_ratio: Some(1.0),
        },
        sizing: full_sizing(),
        pricing: raw::RawPricing { file: text(), discount_ratio: Some(1.0) },
        evidence: full_evidence(),
        autonomy: raw::RawAutonomy {
            enabled: Some(true),
            min_outcomes: Some(1),
            max_failure_ratio: Some(0.1),
            regain_outcomes: Some(1),
            explore: Some(true),
        },
        limits: full_limits(),
        health: raw::RawHealth { stop_alarms: texts() },
        ownership: vec![raw::RawOwnership {
            tag_key: text(),
            tag_value: text(),
            owner: text(),
            delegated: Some(true),
        }],
        window: vec![full_window()],
        freeze: vec![full_freeze()],
        approvals: full_approvals(),
        approver: vec![raw::RawApprover {
            name: text(),
            role: text(),
            accounts: texts(),
            kinds: texts(),
            oidc_subject: text(),
            oidc_email: text(),
            tags: Some([("k".to_owned(), "v".to_owned())].into()),
        }],
        protected: raw::RawProtected { arns: texts(), own_instance_id: text() },
        api: full_api(),
        telemetry: raw::RawTelemetry { log: text(), level: text() },
        store: raw::RawStore { retention_days: Some(1), min_free_mib: Some(1), cache_mib: Some(1) },
        notify: full_notify(),
    }
}

fn full_approvals() -> raw::RawApprovals {
    raw::RawApprovals {
        expiry_days: Some(1.0),
        plan_expiry_hours: Some(1.0),
        undo_days: Some(1.0),
        quorum: Some(1),
        quorum_above_saving_usd_monthly: Some(1.0),
        quorum_above_risk: Some(1.0),
        exception_days: Some(1.0),
    }
}

fn full_api() -> raw::RawApi {
    raw::RawApi {
        token_file: text(),
        tls_certificate: text(),
        tls_key: text(),
        oidc: raw::RawOidc {
            issuer: text(),
            client_id: text(),
            client_secret_file: text(),
            redirect_url: text(),
        },
        requests_per_second: Some(1),
        request_burst: Some(1),
        writes_per_second: Some(1),
        write_burst: Some(1),
        logins_per_minute: Some(1),
    }
}

fn full_evidence() -> raw::RawEvidence {
    raw::RawEvidence {
        min_coverage_ratio: Some(1.0),
        min_days: Some(1.0),
        min_days_decrease: Some(1.0),
        min_invocations: Some(1),
        min_invocation_days: Some(1),
    }
}

fn full_notify() -> raw::notify::RawNotify {
    raw::notify::RawNotify {
        page_url: text(),
        digest_hour: Some(1),
        digest_time_zone: text(),
        webhook: vec![raw::notify::RawWebhook {
            name: text(),
            url: text(),
            secret_file: text(),
            events: texts(),
        }],
        slack: Some(raw::notify::RawSlack {
            secret_file: text(),
            channel: text(),
            api_url: text(),
            events: texts(),
        }),
        email: Some(raw::notify::RawEmail {
            host: text(),
            port: Some(1),
            encryption: text(),
            username: text(),
            password_file: text(),
            from: text(),
            to: texts(),
            events: texts(),
        }),
    }
}

/// Windows and freezes share the rules' matcher, whose keys are documented once, at the rules.
fn account_matcher() -> raw::RawMatcher {
    raw::RawMatcher { account: text(), ..raw::RawMatcher::default() }
}

fn full_window() -> raw::RawWindow {
    raw::RawWindow {
        name: text(),
        matcher: account_matcher(),
        days: texts(),
        from: text(),
        until: text(),
        time_zone: text(),
    }
}

fn full_freeze() -> raw::RawFreeze {
    raw::RawFreeze {
        name: text(),
        matcher: account_matcher(),
        from: text(),
        until: text(),
        time_zone: text(),
    }
}

fn full_sizing() -> raw::RawSizing {
    raw::RawSizing {
        preset: text(),
        quantile: Some(1.0),
        headroom_ratio: Some(1.0),
        memory_headroom_ratio: Some(1.0),
        io_headroom_ratio: Some(1.0),
        required_metrics: texts(),
        instance: raw::RawInstanceSizing {
            include_types: texts(),
            exclude_types: texts(),
            across_families: Some(true),
            allow_burstable: Some(true),
            allow_previous_generation: Some(true),
            alternates: Some(1),
            idle_cpu_percent: Some(1.0),
            idle_network_bytes_per_hour: Some(1.0),
            saturated_ratio: Some(1.0),
        },
        function: raw::RawFunctionSizing {
            memory_headroom_ratio: Some(1.0),
            min_memory_mb: Some(1),
            objective: text(),
            max_latency_increase_ratio: Some(1.0),
            explore: Some(true),
        },
        group: raw::RawGroupSizing { target_cpu_ratio: Some(1.0), min_size: Some(1) },
    }
}

fn full_limits() -> raw::RawLimits {
    raw::RawLimits {
        group_tag: text(),
        group_ratio: Some(1.0),
        disruptive_per_hour: Some(1),
        other_per_hour: Some(1),
        disruptive_in_flight: Some(1),
        cooldown_days: Some(1.0),
        barred_days: Some(1.0),
        volume_modifications_per_day: Some(1),
        unattached_days: Some(1.0),
        recurring_days: Some(1.0),
        recurring_cycles: Some(9),
        disabled_actions: texts(),
        min_change_ratio: Some(1.0),
        min_saving_usd_monthly: Some(1.0),
        max_step_ratio: Some(1.0),
    }
}

/// Every stated default of the shipped file, as section, key and value.
pub(super) fn stated_defaults() -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in SHIPPED.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        }
        if let Some((key, value)) = default_of(line).and_then(|text| text.split_once(" = ")) {
            found.push((section.clone(), key.to_owned(), value.to_owned()));
        }
    }
    found
}
