//! The environment over the file: exact types, and variables named as the place of a problem.

use super::{MINIMAL, variables, with};
use crate::{Settings, parse, parse_layered};

fn layered(text: &str, pairs: &[(&str, &str)]) -> Settings {
    parse_layered(text, "t.toml", &variables(pairs)).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refused(pairs: &[(&str, &str)], expect: &[&str]) {
    let error = parse_layered(MINIMAL, "t.toml", &variables(pairs))
        .expect_err("the variable must be refused");
    let found: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(found, expect);
}

#[test]
fn a_variable_wins_over_the_file_and_leaves_the_rest() {
    let text = with(
        "[agent]\nstate_dir = \"/a\"\nlisten = \"127.0.0.1:1\"\n[modes]\ndefault = \"copilot\"\n",
    );
    let settings = layered(&text, &[("TRIMTAB_AGENT__STATE_DIR", "/b")]);
    assert_eq!(settings, parse(&text.replace("\"/a\"", "\"/b\""), "t.toml").expect("valid"));
}

#[test]
fn every_type_can_be_set() {
    let settings = layered(
        MINIMAL,
        &[
            ("TRIMTAB_COLLECT__LOOKBACK_DAYS", "60"),
            ("TRIMTAB_LIMITS__GROUP_RATIO", "0.25"),
            ("TRIMTAB_LIMITS__COOLDOWN_DAYS", "3"),
            ("TRIMTAB_LIMITS__GROUP_TAG", "true"),
            ("TRIMTAB_SIZING__INSTANCE__ACROSS_FAMILIES", "false"),
            ("TRIMTAB_SIZING__INSTANCE__EXCLUDE_TYPES", "[\"t3.*\", 'm5.*']"),
            ("TRIMTAB_SCHEDULE__CYCLE", "0 0 */6 * * *"),
        ],
    );
    let text = with(
        "[collect]\nlookback_days = 60\n[limits]\ngroup_ratio = 0.25\ncooldown_days = 3\ngroup_tag = \"true\"\n\
         [sizing.instance]\nacross_families = false\nexclude_types = [\"t3.*\", \"m5.*\"]\n\
         [schedule]\ncycle = \"0 0 */6 * * *\"\n",
    );
    assert_eq!(settings, parse(&text, "t.toml").expect("valid"));
}

#[test]
fn nothing_is_coerced() {
    refused(
        &[("TRIMTAB_COLLECT__LOOKBACK_DAYS", "30.7")],
        &[
            "environment variable TRIMTAB_COLLECT__LOOKBACK_DAYS: collect.lookback_days = 30.7: wrong type: floating point `30.7`; allowed: a whole number from 0 to 4294967295",
        ],
    );
    refused(
        &[("TRIMTAB_AUTOPILOT__ALLOW_DECREASE", "yes"), ("TRIMTAB_LIMITS__OTHER_PER_HOUR", "")],
        &[
            "environment variable TRIMTAB_AUTOPILOT__ALLOW_DECREASE: autopilot.allow_decrease = yes: wrong type: string \"yes\"; allowed: true or false",
            "environment variable TRIMTAB_LIMITS__OTHER_PER_HOUR: limits.other_per_hour = : wrong type: string \"\"; allowed: a whole number from 0 to 4294967295",
        ],
    );
    refused(
        &[("TRIMTAB_AUTOPILOT__ALLOW_DECREASE", "1")],
        &[
            "environment variable TRIMTAB_AUTOPILOT__ALLOW_DECREASE: autopilot.allow_decrease = 1: wrong type: integer `1`; allowed: true or false",
        ],
    );
}

#[test]
fn unknown_variables_are_refused_and_foreign_ones_ignored() {
    refused(
        &[("TRIMTAB_AGENT__STATEDIR", "/b")],
        &[
            "environment variable TRIMTAB_AGENT__STATEDIR: agent.statedir: unknown key; allowed: state_dir, listen",
        ],
    );
    let settings =
        layered(MINIMAL, &[("TRIMTAB_DATA", "/data"), ("HOME", "/root"), ("XTRIMTAB_A__B", "1")]);
    assert_eq!(settings, parse(MINIMAL, "t.toml").expect("valid"));
}

#[test]
fn a_value_out_of_range_blames_the_variable() {
    refused(
        &[("TRIMTAB_LIMITS__GROUP_RATIO", "2")],
        &[
            "environment variable TRIMTAB_LIMITS__GROUP_RATIO: limits.group_ratio = 2: out of range; allowed: 0 to 1",
        ],
    );
}

#[test]
fn a_variable_cannot_break_out_of_its_key() {
    refused(
        &[("TRIMTAB_AUTOPILOT__ALLOW_DECREASE", "true\n[modes]\ndefault = \"autopilot\"")],
        &[
            "environment variable TRIMTAB_AUTOPILOT__ALLOW_DECREASE: autopilot.allow_decrease = true…: wrong type: string \"true\\n[modes]\\ndefault = \\\"autopilot\\\"\"; allowed: true or false",
        ],
    );
}
