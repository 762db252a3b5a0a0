//! What each exception is about, when it holds, and when somebody should look.

use jiff::SignedDuration;
use proptest::prelude::*;
use trimtab_models::resource::Resource;

use super::*;
use crate::{
    fixtures::{World, candidate, days_ago, fact, function, in_days, instance, now, resource_for},
    plan::Disposition,
};

fn tagged(mut resource: Resource, key: &str, value: &str) -> Resource {
    resource.reference.tags.insert(key.to_owned(), value.to_owned());
    resource
}

fn tag(key: &str, value: &str, action: Option<Action>) -> About {
    About::Tag { key: key.to_owned(), value: value.to_owned(), action }
}

fn check(about: &About, candidate: &Candidate, expect: bool) {
    let exception = Exception::new(about.clone(), "ada", days_ago(1), in_days(1.0), "so");
    assert_eq!(covers(&exception, candidate), expect, "{}", about.words());
}

fn covers(exception: &Exception, candidate: &Candidate) -> bool {
    exception.covers(&Proposed::candidate(candidate, &BTreeMap::new()))
}

#[test]
fn each_is_about_what_it_names_and_nothing_else() {
    let (resize, memory) = (Action::ResizeInstance, Action::TuneFunctionMemory);
    let one = candidate(resize, &tagged(instance("i-1"), "team", "web"));
    let other = candidate(resize, &instance("i-2"));
    let arn = one.recommendation.resource.arn.clone();
    let mut later = one.clone();
    "another digest".clone_into(&mut later.digest);
    let mut larger = later.clone();
    larger.recommendation.desired = larger.recommendation.expected.clone();

    let size = About::rejected(&one.recommendation, false);
    for (found, expect) in [(&one, true), (&later, true), (&larger, false), (&other, false)] {
        check(&size, found, expect);
    }
    let dated = About::rejected(&one.recommendation, true);
    for (found, expect) in [(&one, true), (&larger, true), (&other, false)] {
        check(&dated, found, expect);
    }
    check(&About::Proposal { digest: one.digest.clone() }, &one, true);
    check(&About::Proposal { digest: one.digest.clone() }, &later, false);
    check(&About::Resource { arn: arn.clone(), action: None }, &one, true);
    check(&About::Resource { arn, action: Some(Action::StopIdleInstance) }, &one, false);
    for (about, expect) in [
        (tag("team", "web", None), true),
        (tag("team", "web", Some(resize)), true),
        (tag("team", "web", Some(memory)), false),
        (tag("team", "Web", None), false),
        (tag("Team", "web", None), false),
    ] {
        check(&about, &one, expect);
        check(&about, &other, false);
    }
}

#[test]
fn a_tag_counts_wherever_it_is_seen() {
    let about = tag("team", "web", None);
    let exception = Exception::new(about, "ada", days_ago(1), in_days(1.0), "so");
    let mut plain = candidate(Action::TuneFunctionMemory, &function("f"));
    let seen = tagged(function("f"), "team", "web");
    assert!(!covers(&exception, &plain));
    let inventory = BTreeMap::from([(seen.reference.arn.clone(), seen.clone())]);
    assert!(exception.covers(&Proposed::candidate(&plain, &inventory)));
    plain.facts.live = fact(seen);
    assert!(covers(&exception, &plain));
}

#[test]
fn it_holds_to_the_second_and_then_comes_up_for_review() {
    let second = SignedDuration::from_secs(1);
    let about = tag("team", "web", None);
    let until = now();
    let exception = Exception::new(about, "ada", days_ago(30), until, "so");
    let end =
        |at| Exception { ended: Some(Ended { by: "bob".to_owned(), at }), ..exception.clone() };
    for (exception, at, holds, due) in [
        (exception.clone(), days_ago(30) - second, true, false),
        (exception.clone(), days_ago(30), true, false),
        (exception.clone(), days_ago(14) - second, true, false),
        (exception.clone(), days_ago(14), true, true),
        (exception.clone(), until - second, true, true),
        (exception.clone(), until, false, true),
        (exception.clone(), in_days(90.0), false, true),
        (exception.clone(), in_days(90.0) + second, false, false),
        (end(days_ago(3)), days_ago(4), true, false),
        (end(days_ago(3)), days_ago(3), false, false),
    ] {
        assert_eq!((exception.is_in_force(at), exception.is_due(at)), (holds, due), "{at}");
    }
}

#[test]
fn an_end_lies_within_a_year() {
    let second = SignedDuration::from_secs(1);
    for (until, is_good) in [
        (now(), false),
        (now() + second, true),
        (in_days(365.0), true),
        (in_days(365.0) + second, false),
    ] {
        assert_eq!(reason_bad_end(until, now()).is_none(), is_good, "{until}");
    }
}

#[test]
fn rejections_of_older_journals_still_hold() {
    let rejected = candidate(Action::ResizeInstance, &instance("i-1"));
    let arn = rejected.recommendation.resource.arn.0.clone();
    let mut no = crate::fixtures::approval(&rejected);
    assert_eq!(Exception::of_rejection(&arn, Action::ResizeInstance, &no), None);
    no.verdict = Verdict::Rejected;
    let of = |no: &Decision| {
        Exception::of_rejection(&arn, Action::ResizeInstance, no).expect("it was a no")
    };
    let mut other = rejected.clone();
    "another digest".clone_into(&mut other.digest);
    assert!(covers(&of(&no), &rejected) && !covers(&of(&no), &other));
    assert_eq!(of(&no).until, longest(no.at));
    no.until = Some(in_days(1.0));
    assert!(covers(&of(&no), &other) && of(&no).until == in_days(1.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Exceptions only take away: with any of them, what is applied is a subset, and what they are about is withheld.
    #[test]
    fn an_exception_only_withholds(
        action in prop::sample::select(Action::ALL.to_vec()),
        named in prop::option::of(prop::sample::select(Action::ALL.to_vec())),
        by_tag in any::<bool>(),
        value in prop::sample::select(vec!["web", "db"]),
        from in -20..5_i64,
        lasts in 1..30_i64,
    ) {
        let resource = tagged(resource_for(action, "r1"), "team", "web");
        let mut world = World::new([resource.clone()]);
        let mut candidate = candidate(action, &resource);
        candidate.said = vec![crate::fixtures::approval(&candidate)];
        let before = world.review(vec![candidate.clone()]).entries[0].decision;
        prop_assert_eq!(before, Disposition::Apply);
        let arn = resource.reference.arn.clone();
        let about = if by_tag { tag("team", value, named) } else { About::Resource { arn, action: named } };
        let at = now() + SignedDuration::from_hours(from);
        let no = Exception::new(about, "bob", at, at + SignedDuration::from_hours(lasts), "so");
        world.exceptions.insert(no.id.clone(), no);
        let is_meant = (!by_tag || value == "web") && named.is_none_or(|it| it == action);
        let holds = from + lasts > 0;
        let after = world.review(vec![candidate]).entries[0].decision;
        if is_meant && holds {
            prop_assert_eq!(after, Disposition::Withheld);
        } else if !is_meant {
            prop_assert_eq!(after, Disposition::Apply);
        } else {
            // It has ended, and whoever approved before it must be asked again, unless autopilot does it by itself.
            prop_assert_ne!(after, Disposition::Withheld);
        }
    }
}
