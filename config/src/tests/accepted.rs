//! Files that work, and the settings they come to.

use std::{fs, path::PathBuf};

use jiff::Timestamp;
use toml::Table;
use trimtab_models::{metric::Metric, recommendation::Action};
use trimtab_policies::mode::{Disruption, Mode};

use super::{MINIMAL, accepted, variables, with};
use crate::{Cloud, LogLevel, Trust, from_scenario, load};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

#[test]
fn the_minimal_file_is_closed() {
    let settings = accepted(MINIMAL);
    let modes = &settings.policy.modes;
    assert_eq!(modes.default, Mode::Datapilot);
    assert_eq!(modes.autopilot.max_disruption, Disruption::None);
    assert!(!modes.autopilot.allow_decrease);
    assert_eq!(settings.policy.limits.disabled_actions, [Action::DeleteUnattachedVolume].into());
    assert!(settings.agent.listen.ip().is_loopback());
    assert_eq!(settings.cloud, Cloud::Aws { endpoint_url: None });
    assert_eq!(settings.collect.interval_s, 3_600);
    assert_eq!(settings.policy.evidence.collection_interval_s, 3_600);
    assert_eq!(settings.policy.evidence.min_saving.micros(), 1_000_000);
    assert_eq!(settings.api.token_file, PathBuf::from("/var/lib/trimtab/operator.token"));
    assert_eq!(settings.telemetry.level, LogLevel::Info);
}

#[test]
fn credentials_decide_the_ceiling() {
    let role =
        "trust = \"organization\"\nrole_arn = \"arn:aws:iam::123456789012:role/path/Read\"\n";
    let apply = "apply_role_arn = \"arn:aws:iam::123456789012:role/Apply\"\n";
    for (more, ceiling) in [
        (String::new(), Mode::Autopilot),
        (role.to_owned(), Mode::Datapilot),
        (format!("{role}{apply}"), Mode::Autopilot),
        (format!("external_id = \"ab\"\n{apply}"), Mode::Autopilot),
    ] {
        let settings = accepted(&with(&more));
        assert_eq!(settings.policy.modes.ceilings.get("123456789012"), Some(&ceiling), "{more}");
        assert_eq!(settings.accounts.first().map(crate::Account::ceiling), Some(ceiling));
    }
    assert_eq!(
        accepted(&with(role)).accounts.first().map(|account| account.trust),
        Some(Trust::Organization)
    );
}

#[test]
fn names_become_ids() {
    let rule = |account: &str| {
        let text = with(&format!(
            "[[modes.rule]]\nmatch = {{ account = \"{account}\" }}\nmode = \"copilot\"\n"
        ));
        accepted(&text).policy.modes.rules.first().and_then(|rule| rule.matcher.account.clone())
    };
    assert_eq!(rule("main").as_deref(), Some("123456789012"));
    assert_eq!(rule("123456789012").as_deref(), Some("123456789012"));
}

#[test]
fn tags_may_lower_and_trusted_tags_may_raise() {
    accepted(&with(
        "[modes]\ndefault = \"autopilot\"\n[[modes.rule]]\nmatch = { tags = { tier = \"1\" } }\nmode = \"copilot\"\n",
    ));
    accepted(&with(
        "[modes]\ntrusted_tag_keys = [\"team\"]\n[[modes.rule]]\nmatch = { tags = { team = \"web\" } }\nmode = \"autopilot\"\n",
    ));
    accepted(&with(
        "[modes]\ndefault = \"copilot\"\n[[modes.rule]]\nmatch = { account = \"main\" }\nmode = \"datapilot\"\n\
         [[modes.rule]]\nmatch = { tags = { x = \"y\" } }\nmode = \"copilot\"\n",
    ));
}

#[test]
fn an_account_held_in_datapilot_needs_no_apply_role() {
    let text = with(
        "trust = \"organization\"\nrole_arn = \"arn:aws:iam::123456789012:role/Read\"\n\
         [modes]\ndefault = \"copilot\"\n[[modes.rule]]\nmatch = { account = \"main\" }\nmode = \"datapilot\"\n\
         [[modes.rule]]\nmatch = { kind = \"ebs-volume\" }\nmode = \"autopilot\"\n\
         [[modes.rule]]\nmatch = { region = \"eu-west-1\", kind = \"ebs-volume\" }\nmode = \"autopilot\"\n",
    );
    assert_eq!(accepted(&text).policy.modes.rules.len(), 3);
}

#[test]
fn presets_and_what_overrides_them() {
    for (text, risk_max, quantile, headroom_ratio) in [
        ("", Some(0.135), 0.995, 0.2),
        ("preset = \"frugal\"\n", Some(0.135), 0.995, 0.2),
        ("preset = \"cautious\"\nheadroom_ratio = 0.1\n", Some(0.09), 0.995, 0.1),
        ("preset = \"balanced\"\nquantile = 0.99\n", None, 0.99, 0.2),
        ("preset = \"co-p90\"\n", None, 0.9, 0.0),
        ("preset = \"co-p95-30\"\n", None, 0.95, 0.3),
        ("preset = \"co-p99-5-20\"\n", None, 0.995, 0.2),
        ("preset = \"co-p99-5-30\"\n", None, 0.995, 0.3),
        ("preset = \"co-p95-30\"\nquantile = 1\n", None, 1.0, 0.3),
        ("preset = \"co-p95-30\"\nheadroom_ratio = 0.1\n", None, 0.95, 0.1),
    ] {
        let sizing = accepted(&with(&format!("[sizing]\n{text}"))).sizing;
        assert_eq!(sizing.risk.map(|rule| rule.risk_max), risk_max, "{text}");
        assert_eq!(sizing.risk.is_some_and(|rule| rule.bargain.is_some()), text.contains("frugal"));
        assert!((sizing.quantile - quantile).abs() < 1e-12, "{text}");
        assert!((sizing.headroom_ratio - headroom_ratio).abs() < 1e-12, "{text}");
    }
    let sizing = accepted(&with("[sizing]\nrequired_metrics = [\"instance-memory\"]\n")).sizing;
    assert_eq!(sizing.required_metrics, [Metric::InstanceMemory]);
}

#[test]
fn the_longest_gap_of_the_schedule_is_the_interval() {
    for (cycle, interval_s) in [
        ("0 5 * * * *", 3_600),
        ("0 */15 * * * *", 900),
        ("0 0 6 * * *", 86_400),
        ("0 0 9-17 * * *", 16 * 3_600),
        ("0 0 9-17 * * mon-fri", (16 + 48) * 3_600),
        ("0 0 0 * * sun", 7 * 86_400),
        ("0 0 0 1 * *", 31 * 86_400),
    ] {
        let settings = accepted(&with(&format!(
            "[schedule]\ncycle = \"{cycle}\"\n[approvals]\nplan_expiry_hours = 8760\n"
        )));
        assert_eq!(settings.collect.interval_s, interval_s, "{cycle}");
    }
}

#[test]
fn the_next_cycle_is_strictly_later() {
    let schedule = accepted(MINIMAL).schedule;
    assert_eq!(schedule.next_cycle(at("2026-11-20T13:04:59Z")), Some(at("2026-11-20T13:05:00Z")));
    assert_eq!(schedule.next_cycle(at("2026-11-20T13:05:00Z")), Some(at("2026-11-20T14:05:00Z")));
    assert_eq!(schedule.next_cycle(at("2026-11-20T13:05:00.5Z")), Some(at("2026-11-20T14:05:00Z")));
}

#[test]
fn freezes_are_read_on_the_wall_clock_of_their_zone() {
    let freeze = |text: &str| {
        let settings = accepted(&with(&format!("[[freeze]]\nname = \"f\"\n{text}")));
        settings
            .policy
            .freezes
            .first()
            .map(|freeze| (freeze.from, freeze.until))
            .expect("one freeze")
    };
    assert_eq!(
        freeze(
            "from = \"2026-12-18\"\nuntil = \"2027-06-04T06:30\"\ntime_zone = \"Europe/Zurich\"\n"
        ),
        (at("2026-12-17T23:00:00Z"), at("2027-06-04T04:30:00Z")),
    );
    assert_eq!(
        freeze("from = \"2026-12-18T00:00:00+09:00\"\nuntil = \"2026-12-18T00:00:00Z\"\n"),
        (at("2026-12-17T15:00:00Z"), at("2026-12-18T00:00:00Z")),
    );
}

#[test]
fn a_simulation_brings_its_own_accounts() {
    let table: Table = "[modes]\ndefault = \"autopilot\"\n[[modes.rule]]\nmatch = { account = \"111111111111\" }\nmode = \"copilot\""
        .parse()
        .expect("valid TOML");
    let settings = from_scenario(table, "first-look.toml").expect("valid");
    assert_eq!(
        settings.cloud,
        Cloud::Simulated {
            scenario: PathBuf::from("first-look.toml"),
            seed: 0,
            time_factor: 3_600.0
        }
    );
    assert!(settings.policy.modes.ceilings.is_empty());
    let settings = settings.with_simulated_accounts(&["111111111111".to_owned()]);
    assert_eq!(settings.policy.modes.ceilings.get("111111111111"), Some(&Mode::Autopilot));
    let view = settings.explain();
    assert_eq!(view.accounts.first().map(|account| account.access.as_str()), Some("simulated"));
}

#[test]
fn a_simulation_does_not_lift_a_listed_account() {
    let text = "[[account]]\nname = \"ro\"\nid = \"222222222222\"\nregions = [\"us-east-1\"]\ntrust = \"organization\"\n\
        role_arn = \"arn:aws:iam::222222222222:role/Read\"\n[cloud]\nprovider = \"simulated\"\nscenario = \"s.toml\"\n";
    let settings = accepted(text).with_simulated_accounts(&["222222222222".to_owned()]);
    assert_eq!(settings.policy.modes.ceilings.get("222222222222"), Some(&Mode::Datapilot));
}

#[test]
fn relative_paths_are_taken_from_the_files_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("trimtab.toml");
    fs::write(
        &path,
        with("[pricing]\nfile = \"prices.json\"\n[api]\ntoken_file = \"/run/token\"\n"),
    )
    .expect("written");
    let settings = load(&path, &variables(&[])).expect("valid");
    assert_eq!(settings.pricing.file, Some(folder.path().join("prices.json")));
    assert_eq!(settings.api.token_file, PathBuf::from("/run/token"));
}

#[test]
fn what_may_surprise_is_told() {
    assert_eq!(accepted(MINIMAL).warnings(), Vec::<String>::new());
    let settings = accepted(&with(
        "[modes]\ndefault = \"autopilot\"\n[[modes.rule]]\nmatch = { tags = { a = \"b\" } }\nmode = \"copilot\"\n\
         [[modes.rule]]\nmatch = { region = \"eu-west-1\", action = \"delete-unattached-volume\" }\nmode = \"copilot\"\n\
         [limits]\nother_per_hour = 0\n[cloud]\nendpoint_url = \"http://127.0.0.1:5000\"\n",
    ));
    assert_eq!(
        settings.warnings(),
        [
            "modes.rule[0] (tag a = b) lowers the mode by the tag a: whoever may remove it raises the mode again",
            "modes.rule[1] (region = eu-west-1, action = delete-unattached-volume) matches nothing: no account lists region eu-west-1",
            "modes.rule[1] (region = eu-west-1, action = delete-unattached-volume) has no effect: limits.disabled_actions lists delete-unattached-volume",
            "no [[window]] is configured: changes may begin at any time outside a freeze",
            "autopilot behaves as copilot for resize-instance, stop-idle-instance, migrate-volume-type (where it lowers performance), \
             tune-volume (where it lowers performance), tune-function-memory, tune-group-capacity, schedule-group \
             (where it lowers performance), resize-group-instances: \
             autopilot.max_disruption = \"none\", autopilot.allow_decrease = false",
            "limits.other_per_hour = 0 allows no such change at all",
            "cloud.endpoint_url is set: every call goes to http://127.0.0.1:5000 and not to AWS",
        ]
    );
}

#[test]
fn a_group_by_an_untrusted_tag_raises_nothing() {
    let text = with(
        "[limits]\ngroup_tag = \"svc\"\n[[modes.rule]]\nmatch = { group = \"web\" }\nmode = \"copilot\"\n\
         [[window]]\nname = \"w\"\ndays = [\"mon\"]\nfrom = \"02:00\"\nuntil = \"05:00\"\ntime_zone = \"UTC\"\n",
    );
    assert_eq!(
        accepted(&text).warnings(),
        [
            "modes.rule[0] (group = web) raises nothing that is in the group by the tag svc, which is not in modes.trusted_tag_keys"
        ]
    );
    let trusted = text.replace("[limits]", "[modes]\ntrusted_tag_keys = [\"svc\"]\n[limits]");
    assert_eq!(accepted(&trusted).warnings(), Vec::<String>::new());
}

#[test]
fn autopilots_caps_are_explained_by_action() {
    let settings =
        accepted(&with("[autopilot]\nmax_disruption = \"restart\"\nallow_decrease = true\n"));
    let modes: Vec<(Action, Mode, Mode)> = settings
        .explain()
        .autopilot
        .into_iter()
        .map(|view| (view.action, view.without_decrease, view.with_decrease))
        .collect();
    assert_eq!(
        modes,
        [
            (Action::ResizeInstance, Mode::Autopilot, Mode::Autopilot),
            (Action::StopIdleInstance, Mode::Copilot, Mode::Copilot),
            (Action::MigrateVolumeType, Mode::Autopilot, Mode::Autopilot),
            (Action::TuneVolume, Mode::Autopilot, Mode::Autopilot),
            (Action::DeleteUnattachedVolume, Mode::Copilot, Mode::Copilot),
            (Action::TuneFunctionMemory, Mode::Autopilot, Mode::Autopilot),
            (Action::TuneGroupCapacity, Mode::Copilot, Mode::Copilot),
            (Action::ScheduleGroup, Mode::Autopilot, Mode::Autopilot),
            (Action::ResizeGroupInstances, Mode::Copilot, Mode::Copilot),
        ]
    );
}
