//! How far Trimtab may go, where; and the two ways in which a file could grant more than its writer can know:
//! by tags that others may set, and by roles that are not there.
//!
//! Not here: which rule decides for a resource (`trimtab-policies`).

use std::collections::BTreeMap;

use trimtab_policies::{
    mode::{Autopilot, Disruption, Matcher, Mode, Modes, Rule},
    scope::key_count,
};

use super::matching::{Known, account_of, matcher};
use crate::{
    raw::{RawAutopilot, RawFile, RawRule},
    report::Report,
    settings::Account,
};

const MODES: [(&str, Mode); 3] =
    [("datapilot", Mode::Datapilot), ("copilot", Mode::Copilot), ("autopilot", Mode::Autopilot)];

/// `destructive` is no word here: what destroys always needs an approval.
const DISRUPTIONS: [(&str, Disruption); 4] = [
    ("none", Disruption::None),
    ("brief", Disruption::Brief),
    ("restart", Disruption::Restart),
    ("rolling", Disruption::Rolling),
];

/// The sections `[modes]` and `[autopilot]`.
pub(super) fn modes(
    raw: &RawFile,
    accounts: &[Account],
    known: &Known<'_>,
    report: &mut Report<'_>,
) -> Modes {
    let default = report
        .word("modes.default", raw.modes.default.as_deref(), &MODES)
        .unwrap_or(Mode::Datapilot);
    let trusted =
        report.list("modes.trusted_tag_keys", raw.modes.trusted_tag_keys.as_ref(), "a tag's key");
    let rules: Vec<Rule> = raw
        .modes
        .rule
        .iter()
        .enumerate()
        .map(|(index, raw)| rule(raw, index, known, report))
        .collect();
    let modes = Modes {
        default,
        rules,
        trusted_tag_keys: trusted,
        ceilings: accounts
            .iter()
            .map(|account| (account.id.clone(), account.ceiling()))
            .collect::<BTreeMap<_, _>>(),
        reduced: BTreeMap::new(),
        autopilot: autopilot(&raw.autopilot, report),
    };
    refuse_untrusted_tags(&modes, report);
    refuse_missing_roles(&modes, accounts, report);
    modes
}

fn rule(raw: &RawRule, index: usize, known: &Known<'_>, report: &mut Report<'_>) -> Rule {
    let path = format!("modes.rule[{index}]");
    let matcher = matcher(&raw.matcher, &format!("{path}.match"), known, report);
    if key_count(&matcher) == 0 && raw.matcher == crate::raw::RawMatcher::default() {
        report.missing(
            &format!("{path}.match"),
            "the rule matches nothing",
            "at least one of account, region, kind, arn, tags, group, action; for everything use modes.default",
        );
    }
    if raw.mode.is_none() {
        report.missing(&format!("{path}.mode"), "missing", "datapilot, copilot, autopilot");
    }
    let mode = report
        .word(&format!("{path}.mode"), raw.mode.as_deref(), &MODES)
        .unwrap_or(Mode::Datapilot);
    Rule { matcher, mode }
}

fn autopilot(raw: &RawAutopilot, report: &mut Report<'_>) -> Autopilot {
    if raw.max_disruption.as_deref() == Some("destructive") {
        report.refuse_text(
            "autopilot.max_disruption",
            "destructive",
            "what destroys always needs an approval",
            "none, brief, restart, rolling",
        );
        return Autopilot { max_disruption: Disruption::None, allow_decrease: false };
    }
    let word = report.word("autopilot.max_disruption", raw.max_disruption.as_deref(), &DISRUPTIONS);
    Autopilot {
        max_disruption: word.unwrap_or(Disruption::None),
        allow_decrease: raw.allow_decrease.unwrap_or(false),
    }
}

/// Who can tag must not be able to grant.
fn refuse_untrusted_tags(modes: &Modes, report: &mut Report<'_>) {
    for (index, rule) in modes.rules.iter().enumerate() {
        let untrusted: Vec<&str> = rule
            .matcher
            .tags
            .keys()
            .filter(|key| !modes.trusted_tag_keys.contains(*key))
            .map(String::as_str)
            .collect();
        if untrusted.is_empty() || !could_raise(rule, modes) {
            continue;
        }
        let names = untrusted.join(", ");
        report.refuse_text(
            &format!("modes.rule[{index}].mode"),
            &rule.mode.to_string(),
            format!("whoever may set the tag {names} could raise the mode of a resource by it"),
            format!("control who may set it (an SCP), then add {names} to modes.trusted_tag_keys; or match without tags"),
        );
    }
}

/// Whether, for some resource, the rule gives a higher mode than it would have without the rule.
fn could_raise(rule: &Rule, modes: &Modes) -> bool {
    rule.mode > modes.default
        || modes.rules.iter().any(|other| {
            other.mode < rule.mode
                && can_both_match(&rule.matcher, &other.matcher)
                && wins_over(rule, other)
        })
}

/// An exact ARN wins, then the number of keys; between equals the more conservative.
fn wins_over(rule: &Rule, other: &Rule) -> bool {
    let rank = |rule: &Rule| (rule.matcher.arn.is_some(), key_count(&rule.matcher));
    rank(rule) > rank(other)
}

fn can_both_match(one: &Matcher, other: &Matcher) -> bool {
    fn agree<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    agree(one.account.as_ref(), other.account.as_ref())
        && agree(one.region.as_ref(), other.region.as_ref())
        && agree(one.kind.as_ref(), other.kind.as_ref())
        && agree(one.arn.as_ref(), other.arn.as_ref())
        && agree(one.group.as_ref(), other.group.as_ref())
        && agree(one.action.as_ref(), other.action.as_ref())
        && one.tags.iter().all(|(key, value)| agree(Some(value), other.tags.get(key)))
}

/// A mode that an account's roles cannot carry is an error now, not a surprise later.
fn refuse_missing_roles(modes: &Modes, accounts: &[Account], report: &mut Report<'_>) {
    for account in accounts.iter().filter(|account| account.ceiling() == Mode::Datapilot) {
        let held = is_held(modes, account);
        if modes.default > Mode::Datapilot && !held {
            refuse_role("modes.default", modes.default, account, report);
        }
        for (index, rule) in modes.rules.iter().enumerate() {
            let beaten = held && rule.matcher.arn.is_none() && key_count(&rule.matcher) <= 1;
            if rule.mode > Mode::Datapilot && reaches(&rule.matcher, account) && !beaten {
                refuse_role(&format!("modes.rule[{index}].mode"), rule.mode, account, report);
            }
        }
    }
}

/// Whether a rule keeps the whole account in datapilot; it beats the default and every other rule of one key.
fn is_held(modes: &Modes, account: &Account) -> bool {
    modes.rules.iter().any(|rule| {
        rule.mode == Mode::Datapilot
            && rule.matcher.account.as_ref() == Some(&account.id)
            && key_count(&rule.matcher) == 1
    })
}

fn reaches(matcher: &Matcher, account: &Account) -> bool {
    let by_account = matcher.account.as_ref().is_none_or(|id| *id == account.id);
    let by_arn =
        matcher.arn.as_deref().is_none_or(|arn| account_of(arn) == Some(account.id.as_str()));
    let by_region = matcher.region.as_ref().is_none_or(|region| account.regions.contains(region));
    by_account && by_arn && by_region
}

fn refuse_role(key: &str, mode: Mode, account: &Account, report: &mut Report<'_>) {
    let name = &account.name;
    report.refuse_text(
        key,
        &mode.to_string(),
        format!("account {name} has no apply_role_arn, so datapilot is all that is possible there"),
        format!(
            "add apply_role_arn to account {name}, name another account in the match, or add a rule \
             match = {{ account = \"{name}\" }}, mode = \"datapilot\" where it would win"
        ),
    );
}
