//! Which rule wins, what lowers the mode since, and that nobody who tags can raise it.

use proptest::prelude::*;

use super::*;
use crate::fixtures::{ACCOUNT, REGION, modes, reference, rule};

fn matcher(keys: &str) -> Matcher {
    let mut matcher = Matcher::default();
    for key in keys.split_whitespace() {
        let (key, value) = key.split_once('=').expect("key=value in the test's table");
        let text = Some(value.to_owned());
        match key {
            "account" => matcher.account = text,
            "region" => matcher.region = text,
            "group" => matcher.group = text,
            "arn" => matcher.arn = text,
            "kind" => matcher.kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == value),
            "action" => {
                matcher.action = Action::ALL.into_iter().find(|action| action.as_str() == value);
            }
            tag => {
                matcher.tags.insert(tag.to_owned(), value.to_owned());
            }
        }
    }
    matcher
}

fn machine(tags: &[(&str, &str)]) -> ResourceRef {
    let mut reference = reference(Kind::Instance, "i-1");
    reference.tags =
        tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    reference
}

const ARN: &str = "arn:aws:ec2:us-east-1:111122223333:instance/i-1";

fn decided(rules: &[(&str, Mode)], trusted: &[&str], tags: &[(&str, &str)]) -> ModeDecision {
    let mut modes = modes(Mode::Datapilot);
    modes.trusted_tag_keys = trusted.iter().map(|key| (*key).to_owned()).collect();
    modes.rules = rules.iter().map(|(keys, mode)| rule(*mode, matcher(keys))).collect();
    mode_of(&modes, &machine(tags), "web", Action::ResizeInstance, false)
}

#[test]
fn the_most_specific_rule_decides() {
    use Mode::{Autopilot, Copilot, Datapilot};
    let account = format!("account={ACCOUNT}");
    let place = format!("account={ACCOUNT} region={REGION}");
    let arn = format!("arn={ARN}");
    let check = |rules: &[(&str, Mode)], expect: (Mode, Option<usize>)| {
        let found = decided(rules, &[], &[]);
        assert_eq!((found.mode, found.rule), expect, "{rules:?}: {}", found.reason);
    };
    check(&[], (Datapilot, None));
    check(&[("", Autopilot)], (Datapilot, None));
    check(&[("account=999999999999", Autopilot)], (Datapilot, None));
    check(&[("kind=ebs-volume", Autopilot)], (Datapilot, None));
    check(&[("action=stop-idle-instance", Autopilot)], (Datapilot, None));
    check(&[("group=db", Autopilot)], (Datapilot, None));
    check(&[("group=web", Autopilot)], (Autopilot, Some(0)));
    check(&[(&account, Autopilot)], (Autopilot, Some(0)));
    check(&[(&account, Autopilot), (&place, Copilot)], (Copilot, Some(1)));
    check(&[(&place, Autopilot), (&account, Datapilot)], (Autopilot, Some(0)));
    check(&[(&account, Autopilot), ("kind=ec2-instance", Copilot)], (Copilot, Some(1)));
    check(&[(&arn, Autopilot), (&place, Datapilot)], (Autopilot, Some(0)));
    check(&[(&place, Datapilot), (&arn, Copilot)], (Copilot, Some(1)));
}

#[test]
fn tags_count_one_each_and_raise_only_when_trusted() {
    use Mode::{Autopilot, Copilot, Datapilot};
    let tags = [("team", "web"), ("env", "dev")];
    let both = "team=web env=dev";
    let region = format!("region={REGION}");
    let check = |rules: &[(&str, Mode)], trusted: &[&str], expect: Mode| {
        let found = decided(rules, trusted, &tags);
        assert_eq!(found.mode, expect, "{rules:?} {trusted:?}: {}", found.reason);
    };
    check(&[("team=web", Autopilot)], &[], Datapilot);
    check(&[("team=web", Autopilot)], &["team"], Autopilot);
    check(&[("team=db", Autopilot)], &["team"], Datapilot);
    check(&[(both, Autopilot)], &["team"], Datapilot);
    check(&[(both, Autopilot)], &["team", "env"], Autopilot);
    check(&[(&region, Copilot), (both, Autopilot)], &[], Copilot);
    check(&[(&region, Autopilot), (both, Copilot)], &[], Copilot);
    check(&[(&region, Autopilot), (both, Copilot)], &["team", "env"], Copilot);
    check(&[(&region, Autopilot), ("team=web", Datapilot)], &[], Datapilot);
}

#[test]
fn a_group_that_comes_from_a_tag_needs_the_same_trust() {
    let group = [("group=web", Mode::Autopilot)];
    assert_eq!(decided(&group, &[], &[("service", "web")]).mode, Mode::Datapilot);
    assert_eq!(decided(&group, &["service"], &[("service", "web")]).mode, Mode::Autopilot);
    let member = [(SCALING_GROUP_TAG, "web"), ("Name", "web")];
    assert_eq!(decided(&group, &[], &member).mode, Mode::Autopilot);
}

#[test]
fn the_mode_tag_only_lowers_and_what_it_cannot_mean_closes() {
    let raise = [("kind=ec2-instance", Mode::Copilot)];
    let check = |value: &str, expect: Mode| {
        let found = decided(&raise, &[], &[(MODE_TAG, value)]);
        assert_eq!(found.mode, expect, "{value}: {}", found.reason);
    };
    check("autopilot", Mode::Copilot);
    check("copilot", Mode::Copilot);
    check("datapilot", Mode::Datapilot);
    check("Autopilot", Mode::Datapilot);
    check("off", Mode::Datapilot);
    check("", Mode::Datapilot);
}

#[test]
fn an_account_has_a_ceiling_and_an_unknown_one_is_closed() {
    let mut modes = modes(Mode::Autopilot);
    let ask =
        |modes: &Modes| mode_of(modes, &machine(&[]), "web", Action::ResizeInstance, false).mode;
    assert_eq!(ask(&modes), Mode::Autopilot);
    modes.ceilings.insert(ACCOUNT.to_owned(), Mode::Copilot);
    assert_eq!(ask(&modes), Mode::Copilot);
    modes.ceilings.clear();
    assert_eq!(ask(&modes), Mode::Datapilot);
}

#[test]
fn autopilot_leaves_to_a_person_what_its_caps_name() {
    let check = |action: Action, most: Disruption, decrease: bool, lowers: bool, expect: Mode| {
        let mut modes = modes(Mode::Autopilot);
        modes.autopilot = Autopilot { max_disruption: most, allow_decrease: decrease };
        let found = mode_of(&modes, &machine(&[]), "web", action, lowers);
        assert_eq!(found.mode, expect, "{action} {most} {decrease} {lowers}: {}", found.reason);
    };
    use Mode::{Autopilot as Alone, Copilot as Asks};
    check(Action::TuneVolume, Disruption::None, false, false, Alone);
    check(Action::TuneVolume, Disruption::None, false, true, Asks);
    check(Action::TuneVolume, Disruption::None, true, true, Alone);
    check(Action::TuneFunctionMemory, Disruption::None, true, false, Asks);
    check(Action::TuneFunctionMemory, Disruption::Brief, true, false, Alone);
    check(Action::ResizeInstance, Disruption::Brief, true, false, Asks);
    check(Action::ResizeInstance, Disruption::Restart, true, false, Alone);
    check(Action::TuneGroupCapacity, Disruption::Restart, true, false, Asks);
    check(Action::TuneGroupCapacity, Disruption::Rolling, true, false, Alone);
    check(Action::StopIdleInstance, Disruption::Destructive, true, false, Asks);
    check(Action::DeleteUnattachedVolume, Disruption::Destructive, true, false, Asks);
}

fn any_mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::Datapilot, Mode::Copilot, Mode::Autopilot])
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let keys = [
        "account=111122223333",
        "region=us-east-1",
        "region=eu-west-1",
        "kind=ec2-instance",
        "kind=ebs-volume",
        "action=resize-instance",
        "team=web",
        "env=dev",
        "tier=gold",
        "arn=arn:aws:ec2:us-east-1:111122223333:instance/i-1",
        "group=web",
    ];
    prop::sample::subsequence(keys.to_vec(), 0..4).prop_map(|keys| matcher(&keys.join(" ")))
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let one = (any_matcher(), any_mode()).prop_map(|(matcher, mode)| Rule { matcher, mode });
    prop::collection::vec(one, 0..6)
}

/// The same decision, reached from the other end: the strongest level whose word counts, found by search.
fn oracle(modes: &Modes, tags: &[(&str, &str)]) -> Mode {
    let holds = |matcher: &Matcher| {
        let empty = *matcher == Matcher::default();
        let region = matcher.region.as_deref().is_none_or(|region| region == REGION);
        let kind = matcher.kind.is_none_or(|kind| kind == Kind::Instance);
        let tagged = matcher
            .tags
            .iter()
            .all(|(key, value)| tags.iter().any(|(k, v)| k == key && v == value));
        !empty && region && kind && tagged
    };
    let strength = |matcher: &Matcher| {
        let exact = if matcher.arn.is_some() { 100 } else { 0 };
        let text = format!("{matcher:?}");
        exact + text.matches("Some(").count() + matcher.tags.len()
    };
    let trusted =
        |matcher: &Matcher| matcher.tags.keys().all(|key| modes.trusted_tag_keys.contains(key));
    let matching: Vec<&Rule> = modes.rules.iter().filter(|rule| holds(&rule.matcher)).collect();
    let anchor = matching
        .iter()
        .filter(|rule| trusted(&rule.matcher))
        .map(|rule| strength(&rule.matcher))
        .max();
    let granted = matching
        .iter()
        .filter(|rule| trusted(&rule.matcher) && Some(strength(&rule.matcher)) == anchor)
        .map(|rule| rule.mode)
        .min()
        .unwrap_or(modes.default);
    let restricted = matching
        .iter()
        .filter(|rule| !trusted(&rule.matcher))
        .filter(|rule| anchor.is_none_or(|anchor| strength(&rule.matcher) >= anchor))
        .map(|rule| rule.mode)
        .min();
    restricted.map_or(granted, |mode| mode.min(granted))
}

fn ask(modes: &Modes, tags: &[(&str, &str)]) -> Mode {
    mode_of(modes, &machine(tags), "web", Action::ResizeInstance, false).mode
}

#[test]
fn lost_rights_lower_their_kind_in_their_account_and_say_so() {
    let mut modes = modes(Mode::Autopilot);
    let lost = BTreeMap::from([(Kind::Volume, "ec2:ModifyVolume: no".to_owned())]);
    modes.reduced.insert(ACCOUNT.to_owned(), lost);
    assert_eq!(ask(&modes, &[]), Mode::Autopilot, "machines are another kind");
    let volume = reference(Kind::Volume, "vol-1");
    let decision = mode_of(&modes, &volume, "web", Action::TuneVolume, false);
    assert_eq!(decision.mode, Mode::Datapilot);
    assert!(decision.reason.contains("ec2:ModifyVolume: no"), "{}", decision.reason);
    modes.reduced.clear();
    let decision = mode_of(&modes, &volume, "web", Action::TuneVolume, false);
    assert_eq!(decision.mode, Mode::Autopilot);
}

fn configured(rules: Vec<Rule>, default: Mode, trusted: &[&str]) -> Modes {
    let mut modes = modes(default);
    modes.rules = rules;
    modes.trusted_tag_keys = trusted.iter().map(|key| (*key).to_owned()).collect();
    modes
}

const TAGS: [(&str, &str); 3] = [("team", "web"), ("env", "dev"), ("tier", "gold")];

proptest! {
    #[test]
    fn the_decision_is_the_oracles(
        rules in any_rules(),
        default in any_mode(),
        tags in prop::sample::subsequence(TAGS.to_vec(), 0..=3),
        trusted in prop::sample::subsequence(vec!["team", "env", "tier"], 0..=3),
    ) {
        // Every rule's group is `web` here, which no tag of the oracle's machine is called.
        let tags: Vec<_> = tags.into_iter().filter(|(_, value)| *value != "web").collect();
        let modes = configured(rules, default, &trusted);
        prop_assert_eq!(ask(&modes, &tags), oracle(&modes, &tags));
    }

    #[test]
    fn the_order_of_the_rules_does_not_matter(
        (rules, shuffled) in any_rules().prop_flat_map(|rules| {
            (Just(rules.clone()), Just(rules).prop_shuffle())
        }),
        default in any_mode(),
        trusted in prop::sample::subsequence(vec!["team", "env"], 0..=2),
    ) {
        let one = configured(rules, default, &trusted);
        let other = configured(shuffled, default, &trusted);
        prop_assert_eq!(ask(&one, &TAGS), ask(&other, &TAGS));
    }

    #[test]
    fn a_tag_that_is_added_never_raises(
        rules in any_rules(),
        default in any_mode(),
        tags in prop::sample::subsequence(TAGS.to_vec(), 0..=3),
        added in prop::sample::select(vec![
            ("team", "web"), ("env", "dev"), ("tier", "gold"), (MODE_TAG, "autopilot"),
            (MODE_TAG, "copilot"), (MODE_TAG, "yes"), ("Name", "web"),
        ]),
    ) {
        let modes = configured(rules, default, &[]);
        let before: Vec<_> = tags.into_iter().filter(|(key, _)| *key != added.0).collect();
        let mut after = before.clone();
        after.push(added);
        prop_assert!(ask(&modes, &after) <= ask(&modes, &before));
    }

    #[test]
    fn a_rule_for_the_exact_arn_restricts(rules in any_rules(), default in any_mode(), mode in any_mode()) {
        let before = configured(rules.clone(), default, &["team", "env", "tier"]);
        let mut more = rules;
        more.push(Rule { matcher: matcher(&format!("arn={ARN} account={ACCOUNT} region={REGION} kind=ec2-instance action=resize-instance group=web team=web env=dev tier=gold")), mode });
        let after = configured(more, default, &["team", "env", "tier"]);
        let expect = if mode < ask(&before, &TAGS) { mode } else { ask(&after, &TAGS) };
        prop_assert_eq!(ask(&after, &TAGS), expect);
        prop_assert!(ask(&after, &TAGS) <= mode);
    }
}
