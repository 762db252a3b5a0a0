//! Which words of people count, at both sides of each moment, and that too few never begin anything.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use proptest::prelude::*;
use trimtab_models::recommendation::Action;

use super::*;
use crate::{
    authority::{Approver, LOCAL_NAME, Role, Scope, Within},
    exception::{About, Ended, Exception},
    fixtures::{World, approval, candidate, days_ago, in_days, instance, now, resource_for},
    mode::Mode,
    plan::{Candidate, Disposition, Moment},
};

fn approver(name: &str, role: Role) -> (String, Approver) {
    (name.to_owned(), Approver { name: name.to_owned(), role, scope: Scope::everything() })
}

/// A machine in copilot whose resizing takes `count` people, each of whom is configured.
fn world_of(count: u32, people: &[&str]) -> World {
    let mut world = World::new([instance("i-1")]);
    world.policy.modes.default = Mode::Copilot;
    world.policy.approvals.quorum.count = count;
    world.policy.approvals.quorum.above_risk = Some(0.0);
    world.policy.approvals.approvers =
        people.iter().map(|name| approver(name, Role::Approver)).collect();
    world
}

fn said(candidate: &Candidate, by: &str, at: Timestamp) -> Decision {
    Decision { by: by.to_owned(), at, ..approval(candidate) }
}

/// Where a candidate stands in a world.
fn of<'a>(world: &'a World, candidate: &'a Candidate) -> Standing<'a> {
    let heard = Heard {
        said: &candidate.said,
        exceptions: &world.exceptions,
        approvals: &world.policy.approvals,
        now: world.now,
    };
    standing(Proposed::candidate(candidate, &world.inventory), heard)
}

/// How a single approval, changed, counts in the default settings: `approved`, `lapsed` or `none`.
fn counts(change: impl FnOnce(&mut Decision)) -> &'static str {
    let world = World::new([instance("i-1")]);
    let mut candidate = candidate(Action::ResizeInstance, &instance("i-1"));
    let mut decision = approval(&candidate);
    change(&mut decision);
    candidate.said = vec![decision];
    let standing = of(&world, &candidate);
    match (standing.is_approved(), standing.lapsed.is_empty()) {
        (true, _) => "approved",
        (false, false) => "lapsed",
        (false, true) => "none",
    }
}

#[test]
fn an_approval_means_one_digest_and_ends() {
    let second = SignedDuration::from_secs(1);
    assert_eq!(counts(|_| {}), "approved");
    assert_eq!(counts(|d| d.digest = "other".to_owned()), "none");
    assert_eq!(counts(|d| d.at = now() + second), "none");
    assert_eq!(counts(|d| d.at = days_ago(7) + second), "approved");
    assert_eq!(counts(|d| d.at = days_ago(7)), "lapsed");
    assert_eq!(counts(|d| d.until = Some(now() + second)), "approved");
    assert_eq!(counts(|d| d.until = Some(now())), "lapsed");
    let long = |d: &mut Decision| {
        d.at = days_ago(8);
        d.until = Some(in_days(30.0));
    };
    assert_eq!(counts(long), "lapsed");
    assert_eq!(counts(|d| d.verdict = Verdict::Rejected), "none");
}

#[test]
fn a_second_spelling_is_no_second_person() {
    for (one, other) in [("ada", "Ada"), ("ada", " ada "), ("Ada  L", "ada l"), ("é", "É")] {
        assert_eq!(identity(one), identity(other));
    }
    assert_ne!(identity("ada"), identity("adam"));
    let world = world_of(2, &["ada", "bob"]);
    let mut candidate = candidate(Action::ResizeInstance, &instance("i-1"));
    candidate.said =
        vec![said(&candidate, "ada", days_ago(2)), said(&candidate, "ADA ", days_ago(1))];
    let one = of(&world, &candidate);
    assert!(!one.is_approved());
    assert_eq!(one.names(), ["ada"]);
    assert_eq!(one.ends_at(), None);
    let words = one.quorum().expect("it takes two").words();
    assert!(words.starts_with("approved by ada, needs one more: its risk"), "{words}");
    let mut both = candidate.clone();
    both.said.push(said(&candidate, "bob", days_ago(1)));
    let two = of(&world, &both);
    assert!(two.is_approved());
    assert_eq!(two.ends_at(), Some(in_days(5.0)), "the earlier of the two that it takes");
    assert!(two.of("Bob").is_some() && two.of("eve").is_none());
}

#[test]
fn what_they_say_of_the_time_counts_where_all_say_it() {
    let world = world_of(2, &["ada", "bob"]);
    let mut candidate = candidate(Action::ResizeInstance, &instance("i-1"));
    let mut ada = said(&candidate, "ada", days_ago(2));
    let mut bob = said(&candidate, "bob", days_ago(1));
    (ada.now, ada.auto_undo) = (true, true);
    let told = |candidate: &Candidate| {
        let standing = of(&world, candidate);
        (standing.is_now(), standing.is_auto_undo(), standing.begin_at())
    };
    candidate.said = vec![ada.clone(), bob.clone()];
    assert_eq!(told(&candidate), (false, false, None));
    (bob.now, bob.auto_undo) = (true, true);
    candidate.said = vec![ada.clone(), bob.clone()];
    assert_eq!(told(&candidate), (true, true, None));
    (ada.now, ada.begin_at) = (false, Some(in_days(1.0)));
    bob.begin_at = Some(in_days(2.0));
    candidate.said = vec![ada, bob];
    assert_eq!(told(&candidate), (false, true, Some(in_days(2.0))));
}

#[test]
fn an_approval_counts_with_the_right_that_its_person_has_now() {
    let candidate = {
        let mut candidate = candidate(Action::ResizeInstance, &instance("i-1"));
        candidate.said = vec![said(&candidate, "ada", days_ago(1))];
        candidate
    };
    let elsewhere = Scope {
        accounts: Within::Only(BTreeSet::from(["999999999999".to_owned()])),
        ..Scope::everything()
    };
    let configured = |role: Role, scope: Scope| {
        let ada = Approver { name: "Ada".to_owned(), role, scope };
        BTreeMap::from([("Ada".to_owned(), ada)])
    };
    for (approvers, expect) in [
        (BTreeMap::new(), Disposition::Withheld),
        (configured(Role::Approver, Scope::everything()), Disposition::Apply),
        (configured(Role::Operator, Scope::everything()), Disposition::Withheld),
        (configured(Role::Viewer, Scope::everything()), Disposition::Withheld),
        (configured(Role::Admin, Scope::everything()), Disposition::Withheld),
        (configured(Role::Approver, elsewhere), Disposition::Withheld),
        (BTreeMap::from([approver("bob", Role::Approver)]), Disposition::Withheld),
    ] {
        let mut world = world_of(1, &[]);
        world.policy.approvals.approvers = approvers;
        world.moment = Moment::FirstWrite;
        let entry = &world.review(vec![candidate.clone()]).entries[0];
        assert_eq!(entry.decision, expect, "{:?}", world.policy.approvals.approvers);
        world.moment = Moment::Proposal;
        let asked = world.review(vec![candidate.clone()]).entries[0].decision;
        let expect = if expect == Disposition::Apply { expect } else { Disposition::AwaitApproval };
        assert_eq!(asked, expect, "a proposal waits for another yes");
    }
}

#[test]
fn while_nobody_is_configured_the_operator_counts_and_nobody_else() {
    let decide = |by: &str, people: &[&str]| {
        let mut world = world_of(1, people);
        world.moment = Moment::FirstWrite;
        let mut candidate = candidate(Action::ResizeInstance, &instance("i-1"));
        candidate.said = vec![said(&candidate, by, days_ago(1))];
        world.review(vec![candidate]).entries.remove(0)
    };
    assert_eq!(decide(LOCAL_NAME, &[]).decision, Disposition::Apply);
    let left = decide("ada", &[]);
    assert_eq!(left.decision, Disposition::Withheld);
    let told: Vec<&str> = left.checks.iter().map(|check| check.reason.as_str()).collect();
    assert!(told.iter().any(|why| why.contains("ada does not count: nobody")), "{told:?}");
    assert_eq!(decide(LOCAL_NAME, &["bob"]).decision, Disposition::Withheld);
}

#[test]
fn a_scope_holds_for_every_tag_that_is_seen() {
    let web = || ("team".to_owned(), "web".to_owned());
    let tags = Within::Only(BTreeSet::from([web()]));
    let ada = Approver {
        name: "ada".to_owned(),
        role: Role::Approver,
        scope: Scope { tags, ..Scope::everything() },
    };
    for (proposed, known, live, expect) in [
        (true, true, true, Disposition::Apply),
        (false, true, true, Disposition::Withheld),
        (true, false, true, Disposition::Withheld),
        (true, true, false, Disposition::Withheld),
    ] {
        let tagged = |is_theirs: bool| {
            let mut resource = instance("i-1");
            let tags = &mut resource.reference.tags;
            tags.extend(is_theirs.then(web));
            resource
        };
        let mut world = World::new([tagged(known)]);
        world.policy.modes.default = Mode::Copilot;
        world.policy.approvals.approvers = BTreeMap::from([("ada".to_owned(), ada.clone())]);
        world.moment = Moment::FirstWrite;
        let mut candidate = candidate(Action::ResizeInstance, &tagged(proposed));
        let read = candidate.facts.live.as_mut().expect("the fixture has read it");
        read.value = tagged(live);
        candidate.said = vec![said(&candidate, "ada", days_ago(1))];
        let entry = world.review(vec![candidate]).entries.remove(0);
        assert_eq!(entry.decision, expect, "{proposed} {known} {live}: {:#?}", entry.checks);
    }
}

#[test]
fn what_destroys_takes_two_where_two_could_by_any_tag_that_is_seen() {
    let web = || ("team".to_owned(), "web".to_owned());
    let volume = |is_theirs: bool| {
        let mut volume = resource_for(Action::DeleteUnattachedVolume, "vol-1");
        volume.reference.tags.extend(is_theirs.then(web));
        volume
    };
    for (proposed, known, able) in
        [(true, true, 2), (true, false, 1), (false, true, 1), (false, false, 1)]
    {
        let mut world = World::new([volume(known)]);
        let mut bob = approver("bob", Role::Approver);
        bob.1.scope.tags = Within::Only(BTreeSet::from([web()]));
        world.policy.approvals.approvers = [approver("ada", Role::Approver), bob].into();
        let mut candidate = candidate(Action::DeleteUnattachedVolume, &volume(proposed));
        candidate.facts.live = None;
        let standing = of(&world, &candidate);
        let takes = if proposed || known { 2 } else { 1 };
        assert_eq!(standing.needed, takes, "{proposed} {known}");
        let reach = standing.quorum().and_then(|quorum| quorum.out_of_reach);
        assert_eq!(reach.is_some(), takes > able, "{proposed} {known}: {reach:?}");
    }
}

#[test]
fn what_an_exception_was_about_needs_a_new_yes_when_it_ends() {
    let mut world = world_of(1, &["ada"]);
    let mut candidate = candidate(Action::ResizeInstance, &instance("i-1"));
    candidate.said = vec![said(&candidate, "ada", days_ago(2))];
    let decide = |world: &World, candidate: &Candidate| {
        world.review(vec![candidate.clone()]).entries[0].decision
    };
    assert_eq!(decide(&world, &candidate), Disposition::Apply);
    let about = About::rejected(&candidate.recommendation, true);
    let mut no = Exception::new(about, "bob", days_ago(1), in_days(1.0), "month end");
    world.exceptions.insert(no.id.clone(), no.clone());
    assert_eq!(decide(&world, &candidate), Disposition::Withheld);
    no.ended = Some(Ended { by: "bob".to_owned(), at: now() });
    world.exceptions.insert(no.id.clone(), no);
    assert_eq!(decide(&world, &candidate), Disposition::AwaitApproval);
    candidate.said.push(said(&candidate, "ada", now()));
    assert_eq!(decide(&world, &candidate), Disposition::Apply);
}

#[test]
fn older_records_hold_one_decision() {
    let mut one = candidate(Action::ResizeInstance, &instance("i-1"));
    one.said = vec![approval(&one)];
    let mut json = serde_json::to_value(&one).expect("a candidate is JSON");
    let said = json.as_object_mut().and_then(|it| it.remove("said")).expect("it was said");
    json["decision"] = said[0].clone();
    assert_eq!(serde_json::from_value::<Candidate>(json.clone()).expect("it is read"), one);
    json["decision"] = serde_json::Value::Null;
    let none = serde_json::from_value::<Candidate>(json).expect("it is read");
    assert_eq!(none.said, []);
}

/// A word that a person says: who, how many hours ago, and what about it.
#[derive(Debug, Clone)]
struct Saying {
    who: usize,
    hours: i64,
    kind: u8,
}

const PEOPLE: [&str; 6] = ["ada", "bob", "cleo", "dan", "Ada", "eve "];

fn sayings() -> impl Strategy<Value = Vec<Saying>> {
    let one = (0..PEOPLE.len(), 0..200_i64, 0..8_u8);
    prop::collection::vec(one.prop_map(|(who, hours, kind)| Saying { who, hours, kind }), 0..8)
}

fn decision(candidate: &Candidate, saying: &Saying) -> Decision {
    let hours = SignedDuration::from_hours(saying.hours);
    let mut decision = said(candidate, PEOPLE[saying.who], now() - hours);
    match saying.kind {
        0 => "an older proposal".clone_into(&mut decision.digest),
        1 => decision.verdict = Verdict::Rejected,
        2 => decision.until = Some(now()),
        _ => {}
    }
    decision
}

/// Who counts, from the sentences of the design: typed in without a look at the code above.
fn oracle(said: &[Saying], configured: &BTreeSet<&str>) -> usize {
    let last_no = said.iter().filter(|one| one.kind == 1).map(|one| one.hours).min();
    let counts = |one: &&Saying| {
        ![0, 1, 2].contains(&one.kind)
            && one.hours < 7 * 24
            && last_no.is_none_or(|no| one.hours < no)
    };
    let names = said.iter().filter(counts).map(|one| PEOPLE[one.who].trim().to_lowercase());
    let names: BTreeSet<String> = names.collect();
    names.iter().filter(|name| configured.contains(name.as_str())).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn fewer_people_than_it_takes_never_begin(
        mut said in sayings(),
        count in 1..5_u32,
        configured in prop::sample::subsequence(vec!["ada", "bob", "cleo", "dan", "eve"], 1..=5),
        action in prop::sample::select(Action::ALL.to_vec()),
        moment in prop::sample::select(vec![Moment::Proposal, Moment::Approval, Moment::FirstWrite]),
        mode in prop::sample::select(vec![Mode::Copilot, Mode::Autopilot]),
    ) {
        let resource = resource_for(action, "r1");
        let mut world = World::new([resource.clone()]);
        world.policy.modes.default = mode;
        world.moment = moment;
        world.policy.approvals.quorum.count = count;
        world.policy.approvals.quorum.above_risk = Some(0.0);
        let approvers = configured.iter().map(|name| approver(name, Role::Approver));
        world.policy.approvals.approvers = approvers.collect();
        let mut candidate = candidate(action, &resource);
        // As a journal has them: in the order of time.
        said.sort_by_key(|one| std::cmp::Reverse((one.hours, one.kind != 1)));
        candidate.said = said.iter().map(|one| decision(&candidate, one)).collect();
        let destroys = action == Action::DeleteUnattachedVolume && configured.len() > 1;
        let takes = if destroys { count.max(2) } else { count } as usize;
        let people = oracle(&said, &configured.into_iter().collect());
        let entry = world.review(vec![candidate.clone()]).entries.remove(0);
        prop_assert_eq!(entry.decision == Disposition::Apply, people >= takes, "{:#?}", entry.checks);
        // Another digest is another proposal: nothing that was said is about it.
        "changed".clone_into(&mut candidate.digest);
        let changed = world.review(vec![candidate]).entries.remove(0);
        prop_assert_ne!(changed.decision, Disposition::Apply);
    }
}
