//! Bad input, with the exact words in which it is refused.

use toml::Table;

use super::{MINIMAL, accepted, with};
use crate::{ConfigError, from_scenario, load, parse};

/// The text is refused with exactly these problems.
#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let error = parse(text, "t.toml").expect_err("the text must be refused");
    let found: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(found, expect, "\n---\n{text}");
}

/// The minimal file (4 lines) with more text after it is refused with exactly these problems.
#[track_caller]
fn check_with(more: &str, expect: &[&str]) {
    check(&with(more), expect);
}

#[test]
fn what_is_not_toml_or_has_unknown_keys() {
    check_with("[agent\n", &["t.toml:5:7: unclosed table; allowed: ]"]);
    check_with(
        "[agnet]\n",
        &[
            "t.toml:5:2: agnet: unknown key; allowed: agent, modes, autopilot, account, cloud, schedule, collect, sizing, pricing, evidence, limits, health, ownership, window, freeze, approvals, approver, protected, api, telemetry, store, autonomy, notify",
        ],
    );
    check_with(
        "[agent]\nstate = 1\n",
        &["t.toml:6:1: agent.state: unknown key; allowed: state_dir, listen"],
    );
    check_with(
        "[[modes.rule]]\nmatch = { acount = \"main\" }\nmode = \"copilot\"\n",
        &[
            "t.toml:6:11: modes.rule[0].match.acount: unknown key; allowed: account, region, kind, arn, tags, group, action",
        ],
    );
}

#[test]
fn wrong_types_are_not_coerced() {
    check_with(
        "[collect]\nlookback_days = 30.7\n",
        &[
            "t.toml:6:17: collect.lookback_days = 30.7: wrong type: floating point `30.7`; allowed: a whole number from 0 to 4294967295",
        ],
    );
    check_with(
        "[autopilot]\nallow_decrease = \"yes\"\n",
        &[
            "t.toml:6:18: autopilot.allow_decrease = \"yes\": wrong type: string \"yes\"; allowed: true or false",
        ],
    );
    check_with(
        "[limits]\nother_per_hour = -1\n",
        &[
            "t.toml:6:18: limits.other_per_hour = -1: out of range: integer `-1`; allowed: a whole number from 0 to 4294967295",
        ],
    );
    check_with(
        "[limits]\ngroup_ratio = \"0.1\"\n",
        &[
            "t.toml:6:15: limits.group_ratio = \"0.1\": wrong type: string \"0.1\"; allowed: a number",
        ],
    );
    check_with(
        "[health]\nstop_alarms = \"a\"\n",
        &["t.toml:6:15: health.stop_alarms = \"a\": wrong type: string \"a\"; allowed: a list"],
    );
    check(
        "[[account]]\nname = \"main\"\nid = 123456789012\nregions = [\"us-east-1\"]\n",
        &[
            "t.toml:3:6: account[0].id = 123456789012: wrong type: integer `123456789012`; allowed: text in quotes",
        ],
    );
}

#[test]
fn accounts() {
    check(
        "[agent]\n",
        &[
            "t.toml: account: no account is configured, so there is nothing to look at; allowed: at least one section [[account]] with name, id and regions",
        ],
    );
    check(
        "[[account]]\n",
        &[
            "t.toml:1:1: account[0].name: missing; allowed: a name for reports and rules, such as \"prod\"",
            "t.toml:1:1: account[0].id: missing; allowed: 12 digits in quotes, such as \"123456789012\"",
            "t.toml:1:1: account[0].regions: missing; allowed: a list of regions, such as [\"eu-west-1\"]",
        ],
    );
    check(
        "[[account]]\nname = \"a\"\nid = \"12345\"\nregions = []\n",
        &[
            "t.toml:3:1: account[0].id = \"12345\": not an account id; allowed: 12 digits in quotes, such as \"123456789012\"",
            "t.toml:4:1: account[0].regions = []: no region, so there is nothing to look at; allowed: at least one region",
        ],
    );
    check(
        "[[account]]\nname = \"a\"\nid = \"123456789012\"\nregions = [\"Frankfurt\", \"eu-west-1\", \"eu-west-1\"]\n",
        &[
            "t.toml:4:12: account[0].regions[0] = \"Frankfurt\": not a region; allowed: a region such as eu-west-1",
            "t.toml:4:38: account[0].regions[2] = \"eu-west-1\": listed twice; allowed: each value once",
        ],
    );
    check_with(
        "[[account]]\nname = \"main\"\nid = \"123456789012\"\nregions = [\"us-east-1\"]\n",
        &[
            "t.toml:6:1: account[1].name = \"main\": another account has this name; allowed: unique names",
            "t.toml:7:1: account[1].id = \"123456789012\": another account has this id; allowed: one section for each account",
        ],
    );
}

#[test]
fn roles() {
    check_with(
        "role_arn = \"arn:aws:iam::123456789012:role/Read\"\nexternal_id = \"ab\"\n[[account]]\nname = \"b\"\nid = \"210987654321\"\nregions = [\"us-east-1\"]\nrole_arn = \"arn:aws:iam::210987654321:role/Read\"\nexternal_id = \"ab\"\n",
        &[
            "t.toml:12:1: account[1].external_id = \"ab\": account main has this external id: whoever knows it for one could use it for the other; allowed: an id of its own, made by trimtab connect cloudformation or terraform",
        ],
    );
    check_with(
        "role_arn = \"arn:aws:iam::123456789012:role/Read\"\n",
        &[
            "t.toml:1:1: account[0].external_id: missing: without it a stranger could make the daemon use the role for him; allowed: the external id of the role's trust policy, or trust = \"organization\"",
        ],
    );
    check_with(
        "role_arn = \"arn:aws:iam::999999999999:role/Read\"\ntrust = \"organization\"\n",
        &[
            "t.toml:5:1: account[0].role_arn = \"arn:aws:iam::999999999999:role/Read\": the role belongs to account 999999999999, but this section is account 123456789012; allowed: a role of account 123456789012",
        ],
    );
    check_with(
        "role_arn = \"TrimtabRead\"\ntrust = \"org\"\n",
        &[
            "t.toml:1:1: account[0].external_id: missing: without it a stranger could make the daemon use the role for him; allowed: the external id of the role's trust policy, or trust = \"organization\"",
            "t.toml:5:1: account[0].role_arn = \"TrimtabRead\": not the ARN of a role; allowed: arn:aws:iam::ACCOUNT:role/NAME",
            "t.toml:6:1: account[0].trust = \"org\": unknown word; allowed: external-id, organization",
        ],
    );
    check_with(
        "external_id = \"abc\"\n",
        &[
            "t.toml:5:1: account[0].external_id = \"abc\": there is no role to send it with; allowed: add role_arn, or remove it",
        ],
    );
}

const READ_ONLY: &str = "[[account]]\nname = \"ro\"\nid = \"222222222222\"\nregions = [\"us-east-1\"]\n\
    role_arn = \"arn:aws:iam::222222222222:role/Read\"\ntrust = \"organization\"\n";

#[test]
fn modes_that_no_role_can_carry() {
    let allowed = "add apply_role_arn to account ro, name another account in the match, or add a rule \
        match = { account = \"ro\" }, mode = \"datapilot\" where it would win";
    let why = "account ro has no apply_role_arn, so datapilot is all that is possible there";
    check(
        &format!("{READ_ONLY}[modes]\ndefault = \"copilot\"\n"),
        &[&format!("t.toml:8:1: modes.default = \"copilot\": {why}; allowed: {allowed}")],
    );
    check(
        &format!(
            "{MINIMAL}{READ_ONLY}[[modes.rule]]\nmatch = {{ kind = \"ebs-volume\" }}\nmode = \"autopilot\"\n"
        ),
        &[&format!("t.toml:13:1: modes.rule[0].mode = \"autopilot\": {why}; allowed: {allowed}")],
    );
    check(
        &format!(
            "{READ_ONLY}[[modes.rule]]\nmatch = {{ account = \"222222222222\" }}\nmode = \"copilot\"\n"
        ),
        &[&format!("t.toml:9:1: modes.rule[0].mode = \"copilot\": {why}; allowed: {allowed}")],
    );
}

#[test]
fn rules_that_grant_by_tags_others_may_set() {
    let problem = |place: &str, rule: u32, tag: &str| {
        format!(
            "{place}: modes.rule[{rule}].mode = \"copilot\": whoever may set the tag {tag} could raise the mode of a resource by it; \
             allowed: control who may set it (an SCP), then add {tag} to modes.trusted_tag_keys; or match without tags"
        )
    };
    check_with(
        "[[modes.rule]]\nmatch = { tags = { team = \"web\" } }\nmode = \"copilot\"\n",
        &[&problem("t.toml:7:1", 0, "team")],
    );
    check_with(
        "[modes]\ntrusted_tag_keys = [\"team\"]\n[[modes.rule]]\nmatch = { tags = { team = \"web\", tier = \"1\" } }\nmode = \"copilot\"\n",
        &[&problem("t.toml:9:1", 0, "tier")],
    );
    check_with(
        "[modes]\ndefault = \"copilot\"\n[[modes.rule]]\nmatch = { account = \"main\" }\nmode = \"datapilot\"\n\
         [[modes.rule]]\nmatch = { account = \"main\", tags = { x = \"y\" } }\nmode = \"copilot\"\n",
        &[&problem("t.toml:12:1", 1, "x")],
    );
}

#[test]
fn rules_that_make_no_sense() {
    check_with(
        "[[modes.rule]]\nmode = \"copilot\"\n",
        &[
            "t.toml:5:1: modes.rule[0].match: the rule matches nothing; allowed: at least one of account, region, kind, arn, tags, group, action; for everything use modes.default",
        ],
    );
    check_with(
        "[[modes.rule]]\nmatch = { account = \"prod\" }\n",
        &[
            "t.toml:5:1: modes.rule[0].mode: missing; allowed: datapilot, copilot, autopilot",
            "t.toml:6:11: modes.rule[0].match.account = \"prod\": no such account; allowed: main, or their ids",
        ],
    );
    check_with(
        "[[modes.rule]]\nmatch = { kind = \"ec2\", action = \"resize\", region = \"x\", arn = \"vol-1\" }\nmode = \"auto\"\n",
        &[
            "t.toml:6:11: modes.rule[0].match.kind = \"ec2\": unknown word; allowed: ec2-instance, ebs-volume, lambda-function, auto-scaling-group",
            "t.toml:6:25: modes.rule[0].match.action = \"resize\": unknown word; allowed: resize-instance, stop-idle-instance, migrate-volume-type, tune-volume, delete-unattached-volume, tune-function-memory, tune-group-capacity, schedule-group, resize-group-instances",
            "t.toml:6:44: modes.rule[0].match.region = \"x\": not a region; allowed: a region such as eu-west-1",
            "t.toml:6:58: modes.rule[0].match.arn = \"vol-1\": not the ARN of a resource; allowed: arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE",
            "t.toml:7:1: modes.rule[0].mode = \"auto\": unknown word; allowed: datapilot, copilot, autopilot",
        ],
    );
    check_with(
        "[[modes.rule]]\nmatch = { kind = \"ebs-volume\", action = \"resize-instance\" }\nmode = \"datapilot\"\n",
        &[
            "t.toml:6:11: modes.rule[0].match.kind = \"ebs-volume\": nothing can match: the action concerns ec2-instance only; allowed: ec2-instance",
        ],
    );
    check_with(
        "[autopilot]\nmax_disruption = \"destructive\"\n",
        &[
            "t.toml:6:1: autopilot.max_disruption = \"destructive\": what destroys always needs an approval; allowed: none, brief, restart, rolling",
        ],
    );
}

#[test]
fn windows_and_freezes() {
    check_with(
        "[[window]]\nname = \"n\"\ndays = [\"monday\"]\nfrom = \"2am\"\nuntil = \"05:00\"\ntime_zone = \"Europe/Zuerich\"\n",
        &[
            "t.toml:7:9: window[0].days[0] = \"monday\": unknown word; allowed: mon, tue, wed, thu, fri, sat, sun",
            "t.toml:8:1: window[0].from = \"2am\": not a time of day; allowed: a time of day such as \"02:00\"",
            "t.toml:10:1: window[0].time_zone = \"Europe/Zuerich\": no such time zone; allowed: a name of the IANA time zone database, such as \"Europe/Zurich\" or \"UTC\"",
        ],
    );
    check_with(
        "[[freeze]]\nname = \"f\"\nfrom = \"2027-01-04\"\nuntil = \"2026-12-18\"\ntime_zone = \"UTC\"\n",
        &[
            "t.toml:8:1: freeze[0].until = \"2026-12-18\": the freeze ends before it begins; allowed: a time after 2027-01-04T00:00:00Z",
        ],
    );
    check_with(
        "[[freeze]]\nname = \"f\"\nfrom = \"2027-01-04\"\nuntil = \"soon\"\n",
        &[
            "t.toml:7:1: freeze[0].from = \"2027-01-04\": a time without an offset needs a time zone; allowed: time_zone = a name of the IANA time zone database, such as \"Europe/Zurich\" or \"UTC\"",
            "t.toml:8:1: freeze[0].until = \"soon\": not a date or time; allowed: \"2026-12-20T00:00:00Z\", or \"2026-12-20\" or \"2026-12-20T18:00\" together with time_zone",
        ],
    );
}

#[test]
fn the_daemon_and_its_schedule() {
    check_with(
        "[agent]\nlisten = \"0.0.0.0:8470\"\nstate_dir = \"state\"\n",
        &[
            "t.toml:6:1: agent.listen = \"0.0.0.0:8470\": without TLS the token would cross the network in the clear; allowed: a loopback address with a port, such as 127.0.0.1:8470 or [::1]:8470; or set api.tls_certificate and api.tls_key",
            "t.toml:7:1: agent.state_dir = \"state\": a relative path would depend on where the daemon was started; allowed: an absolute path, such as /var/lib/trimtab",
        ],
    );
    let form =
        "six cron fields in UTC, seconds first, such as \"0 5 * * * *\" (hourly, at minute 5)";
    for (cycle, why, allowed) in [
        ("hourly", "not a cron expression", form),
        ("5 * * * *", "not a cron expression", form),
        ("0 0 0 30 2 *", "it never comes twice", form),
        ("TZ=Europe/Zurich 0 5 * * * *", "schedules are in UTC, without a time zone", form),
        (
            "*/10 * * * * *",
            "two cycles would begin only 10 s apart",
            "at least 60 s between two cycles",
        ),
    ] {
        check_with(
            &format!("[schedule]\ncycle = \"{cycle}\"\n"),
            &[&format!("t.toml:6:1: schedule.cycle = \"{cycle}\": {why}; allowed: {allowed}")],
        );
    }
    check_with(
        "[telemetry]\nlevel = \"verbose\"\nlog = \"xml\"\n",
        &[
            "t.toml:6:1: telemetry.level = \"verbose\": unknown word; allowed: error, warn, info, debug, trace",
            "t.toml:7:1: telemetry.log = \"xml\": unknown word; allowed: auto, human, json",
        ],
    );
}

#[test]
fn clouds() {
    check_with(
        "[cloud]\nprovider = \"azure\"\n",
        &["t.toml:6:1: cloud.provider = \"azure\": unknown word; allowed: aws, simulated"],
    );
    check(
        "[cloud]\nprovider = \"simulated\"\nendpoint_url = \"http://x\"\n",
        &[
            "t.toml:1:2: cloud.scenario: missing; allowed: the path of a scenario file, which provider = \"simulated\" needs",
            "t.toml:3:1: cloud.endpoint_url: needs provider = \"aws\"; allowed: remove it, or set provider = \"aws\"",
        ],
    );
    check(
        "[cloud]\nprovider = \"simulated\"\nsocket = \"a.sock\"\nseed = 7\n",
        &[
            "t.toml:4:1: cloud.seed: is the serving process's; allowed: remove it, or remove cloud.socket",
        ],
    );
    check_with(
        "[cloud]\nseed = 7\nendpoint_url = \"localhost:5000\"\n",
        &[
            "t.toml:6:1: cloud.seed: needs provider = \"simulated\"; allowed: remove it, or set provider = \"simulated\"",
            "t.toml:7:1: cloud.endpoint_url = \"localhost:5000\": not a URL of an endpoint; allowed: http://HOST:PORT or https://HOST:PORT",
        ],
    );
}

#[test]
fn numbers_out_of_range_and_numbers_that_contradict_each_other() {
    check_with(
        "[limits]\ngroup_ratio = 1.5\nmax_step_ratio = nan\nvolume_modifications_per_day = 5\nrecurring_days = 0.0\nrecurring_cycles = 1\n",
        &[
            "t.toml:6:1: limits.group_ratio = 1.5: out of range; allowed: 0 to 1",
            "t.toml:7:1: limits.max_step_ratio = NaN: out of range; allowed: 0 to 1",
            "t.toml:8:1: limits.volume_modifications_per_day = 5: out of range; allowed: 0 to 4",
            "t.toml:9:1: limits.recurring_days = 0: out of range; allowed: 0.1 to 365",
            "t.toml:10:1: limits.recurring_cycles = 1: out of range; allowed: 2 to 100000",
        ],
    );
    check_with(
        "[autonomy]\nmin_outcomes = 0\nmax_failure_ratio = 0.6\nregain_outcomes = 0\n",
        &[
            "t.toml:6:1: autonomy.min_outcomes = 0: out of range; allowed: 1 to 10000",
            "t.toml:7:1: autonomy.max_failure_ratio = 0.6: out of range; allowed: 0.001 to 0.5",
            "t.toml:8:1: autonomy.regain_outcomes = 0: out of range; allowed: 1 to 1000",
        ],
    );
    check_with(
        "[collect]\nlookback_days = 10\n",
        &[
            "t.toml: evidence.min_days = 14: the look-back holds only 10 days, so nothing would ever be recommended; allowed: at most collect.lookback_days = 10",
        ],
    );
    check_with(
        "[collect]\nstep_s = 60\n",
        &[
            "t.toml:5:2: collect.lookback_days = 30: CloudWatch keeps points of 60 s for 15 days only; allowed: at most 15, or a longer collect.step_s",
        ],
    );
    check_with(
        "[store]\nretention_days = 20\n",
        &[
            "t.toml:6:1: store.retention_days = 20: points would be dropped while they are still looked at; allowed: at least collect.lookback_days = 30",
        ],
    );
    check_with(
        "[schedule]\ncycle = \"0 0 6 * * *\"\n[approvals]\nplan_expiry_hours = 12\n",
        &[
            "t.toml:8:1: approvals.plan_expiry_hours = 12: every proposal would expire before the next cycle confirms it; allowed: at least 24, the longest time between two cycles of schedule.cycle",
        ],
    );
    check_with(
        "[sizing]\npreset = \"p50\"\nrequired_metrics = [\"cpu\"]\n[sizing.instance]\ninclude_types = [\"M7I.large\"]\n",
        &[
            "t.toml:6:1: sizing.preset = \"p50\": unknown word; allowed: frugal, balanced, cautious, co-p90, co-p95-30, co-p99-5-20, co-p99-5-30",
            "t.toml:7:21: sizing.required_metrics[0] = \"cpu\": no such metric; allowed: instance-cpu, instance-memory, instance-network-in, instance-network-out, instance-ebs-read-bytes, instance-ebs-write-bytes, instance-ebs-read-ops, instance-ebs-write-ops, volume-read-ops, volume-write-ops, volume-read-bytes, volume-write-bytes, function-invocations, function-errors, function-throttles, function-duration, function-memory, group-cpu, group-in-service",
            "t.toml:9:18: sizing.instance.include_types[0] = \"M7I.large\": not a name of an instance type; allowed: names of types, * as a wildcard, such as \"m7i.*\"",
        ],
    );
    check_with(
        "[protected]\narns = [\"*\"]\nown_instance_id = \"i-xyz\"\n",
        &[
            "t.toml:6:9: protected.arns[0] = \"*\": not the ARN of a resource; allowed: arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE",
            "t.toml:7:1: protected.own_instance_id = \"i-xyz\": not an instance's id; allowed: \"i-\" and 8 or 17 hex digits",
        ],
    );
}

#[test]
fn a_quorum_that_can_never_be_met_is_refused() {
    check_with(
        "[approvals]\nquorum_above_risk = 0.1\n",
        &[
            "t.toml:5:2: approvals.quorum = 2: it can never be met: 1 may approve; allowed: 1 to 1, or more [[approver]] with the role approver",
        ],
    );
    check_with(
        "[approvals]\nquorum = 6\nexception_days = 366\n",
        &[
            "t.toml:6:1: approvals.quorum = 6: out of range; allowed: 1 to 5",
            "t.toml:7:1: approvals.exception_days = 366: out of range; allowed: 1 to 365",
        ],
    );
    check_with(
        "[approvals]\nquorum = 1\nquorum_above_saving_usd_monthly = -1\nquorum_above_risk = 1.5\n",
        &[
            "t.toml:7:1: approvals.quorum_above_saving_usd_monthly = -1: out of range; allowed: 0 to 1000000000",
            "t.toml:8:1: approvals.quorum_above_risk = 1.5: out of range; allowed: 0 to 1",
        ],
    );
    let person =
        |name: &str, role: &str| format!("[[approver]]\nname = \"{name}\"\nrole = \"{role}\"\n");
    let (ada, bob) = (person("ada", "approver"), person("bob", "approver"));
    check_with(
        &format!("[approvals]\nquorum = 3\n{ada}{bob}{}", person("vic", "viewer")),
        &[
            "t.toml:6:1: approvals.quorum = 3: it can never be met: 2 may approve; allowed: 1 to 2, or more [[approver]] with the role approver",
        ],
    );
    check_with(
        &format!("{ada}{}", person("Ada", "approver")),
        &[
            "t.toml:9:1: approver[1].name = \"Ada\": somebody else has this name, or it is the same person twice; allowed: each name once",
        ],
    );
    let two = accepted(&with(&format!("[approvals]\nquorum_above_risk = 0.0\n{ada}{bob}")));
    assert_eq!((two.policy.approvals.quorum.count, two.policy.approvals.approvers.len()), (2, 2));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = std::path::Path::new("/nonexistent/trimtab.toml");
    let error = load(path, &super::variables(&[])).expect_err("there is no such file");
    assert!(matches!(error, ConfigError::Read { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "cannot read the configuration `/nonexistent/trimtab.toml`; check that it exists and that this user may read it"
    );
}

#[test]
fn a_scenario_is_named_without_lines() {
    let table: Table = "[modes]\ndefault = \"pilot\"".parse().expect("valid TOML");
    let error = from_scenario(table, "first.toml").expect_err("no such mode");
    assert_eq!(
        error.to_string(),
        "first.toml: modes.default = \"pilot\": unknown word; allowed: datapilot, copilot, autopilot"
    );
}
