//! What outcomes allow, forbid and forgive.

use trimtab_models::recommendation::Action;

use super::*;
use crate::{
    change::{Outcome, undo_steps},
    fixtures::*,
    plan::{CheckName, Disposition},
    record::Event,
};

/// A change of a function that ended so many days ago: watched to its final verdict, or taken back.
fn ended(id: &str, days: i64, failed: bool) -> Change {
    let candidate = candidate(Action::TuneFunctionMemory, &function(id));
    let mut change = change(&candidate, id, State::Watching, days_ago(days + 3));
    change.applied_at = Some(days_ago(days + 3));
    if failed {
        let event = Event::UndoBegun { reason: "worse".to_owned(), steps: undo_steps(&change) };
        change.apply(days_ago(days), &event);
        change.state = State::Undone;
    } else {
        change.state = State::Kept;
    }
    let (state, reason) = (change.state, "so it ended".to_owned());
    change.outcome = Some(Outcome { state, at: days_ago(days), reason, provisional: false });
    change
}

/// A world in which these changes have ended, each on a function of its own, and one function more.
fn world(ends: &[(i64, bool)]) -> World {
    let mut world = World::new([function("next")]);
    for (index, (days, failed)) in ends.iter().enumerate() {
        world.add(ended(&format!("f{index}"), *days, *failed));
    }
    world.policy.autonomy = Autonomy { enabled: true, ..world.policy.autonomy };
    world
}

fn next(world: &World) -> crate::plan::PlanEntry {
    let candidate = candidate(Action::TuneFunctionMemory, &function("next"));
    world.review(vec![candidate]).entries.remove(0)
}

fn check(world: &World, mode: Mode, part: &str) {
    let entry = next(world);
    assert_eq!(entry.mode, mode, "{}", entry.mode_reason);
    assert!(entry.mode_reason.contains(part), "{}", entry.mode_reason);
}

#[test]
fn autopilot_is_earned_by_enough_outcomes() {
    let good = |count: i64| (0..count).map(|index| (index + 1, false)).collect::<Vec<_>>();
    check(&world(&[]), Mode::Copilot, "0 of 20 outcomes");
    check(&world(&good(19)), Mode::Copilot, "19 of 20 outcomes");
    check(&world(&good(20)), Mode::Autopilot, "");
    // Three failures among 25: up to a quarter may fail.
    let mut mixed = good(22);
    mixed.extend([(100, true), (110, true), (120, true)]);
    check(&world(&mixed), Mode::Copilot, "3 of 25 changes failed");
    let mut off = world(&[]);
    off.policy.autonomy.enabled = false;
    check(&off, Mode::Autopilot, "");
    // It is never more than the rules say.
    let mut copilot = world(&good(20));
    copilot.policy.modes = modes(Mode::Copilot);
    check(&copilot, Mode::Copilot, "");
}

#[test]
fn a_failure_demotes_at_once_until_enough_succeed_or_a_person_resets() {
    let ends = |since: i64| {
        let mut ends: Vec<_> = (0..30).map(|index| (index + 20, false)).collect();
        ends.push((15, true));
        ends.extend((0..since).map(|index| (index + 1, false)));
        ends
    };
    check(&world(&ends(0)), Mode::Copilot, "trimtab circuit reset trust/tune-function-memory");
    check(&world(&ends(4)), Mode::Copilot, "trust/");
    check(&world(&ends(5)), Mode::Autopilot, "");
    let mut reset = world(&ends(0));
    let scope = Scope::of(&ended("x", 1, false).recommendation);
    reset.resets.insert(Circuit::Trust(scope), days_ago(1));
    check(&reset, Mode::Autopilot, "");
    // An undo counts from its first step.
    let mut undoing = world(&ends(5));
    let mut change = ended("f99", 0, true);
    (change.state, change.outcome) = (State::Undoing, None);
    undoing.add(change);
    check(&undoing, Mode::Copilot, "trust/");
}

#[test]
fn a_failed_verification_demotes_while_its_undo_still_waits() {
    let good: Vec<_> = (0..30).map(|index| (index + 20, false)).collect();
    let waiting = |automatic, state: State, provisional| {
        let mut world = world(&good);
        let mut change = ended("f99", 1, false);
        change.state = state;
        change.outcome = change.outcome.filter(|_| state == State::Kept);
        if let Some(outcome) = &mut change.outcome {
            outcome.provisional = provisional;
        }
        let wanted = Event::UndoWanted { reason: "worse".to_owned(), automatic };
        change.apply(days_ago(1), &wanted);
        world.add(change);
        world
    };
    check(&waiting(true, State::Watching, false), Mode::Copilot, "trust/");
    check(&waiting(true, State::Kept, true), Mode::Copilot, "trust/");
    check(&waiting(false, State::Watching, false), Mode::Autopilot, "");
    // A person who closes the circuit while it waits has looked at it: its undo later is no news.
    let mut forgiven = waiting(true, State::Watching, false);
    let change = forgiven.changes.values_mut().find(|change| change.state == State::Watching);
    let change = change.expect("it waits");
    let steps = undo_steps(change);
    change.apply(now(), &Event::UndoBegun { reason: "worse".to_owned(), steps });
    let scope = Scope::of(&change.recommendation);
    forgiven.resets.insert(Circuit::Trust(scope), days_ago(0));
    check(&forgiven, Mode::Autopilot, "");
}

#[test]
fn a_failure_counts_although_somebody_else_ends_its_undo() {
    let good: Vec<_> = (0..30).map(|index| (index + 20, false)).collect();
    let withdrawal = || {
        let (alias, version) = ("live".to_owned(), "3".to_owned());
        let behind = crate::steps::Behind { alias, version, code_sha256: "aa".to_owned() };
        let (function_name, new_version) = ("f99".to_owned(), "4".to_owned());
        crate::steps::Step {
            name: "withdraw-share".to_owned(),
            kind: crate::steps::StepKind::WithdrawShare {
                function_name,
                behind,
                new_version,
                percent: 10,
            },
            budget_s: 60,
            undo: "none".to_owned(),
        }
    };
    let world_after = |has_failed: bool, is_over: bool| {
        let mut world = world(&good);
        let mut change = ended("f99", 1, false);
        (change.state, change.outcome) = (State::Executing, None);
        if has_failed {
            let steps = undo_steps(&change);
            change.apply(days_ago(1), &Event::UndoBegun { reason: "slower".to_owned(), steps });
        }
        let gives_way = Event::UndoBegun {
            reason: "the alias was moved".to_owned(),
            steps: vec![withdrawal()],
        };
        change.apply(days_ago(1), &gives_way);
        if is_over {
            let reason = "the alias was moved".to_owned();
            let ended = Event::Finished { state: State::Conflicted, reason, provisional: false };
            change.apply(days_ago(0), &ended);
        }
        world.add(change);
        world
    };
    for is_over in [false, true] {
        check(&world_after(true, is_over), Mode::Copilot, "trust/");
        check(&world_after(false, is_over), Mode::Autopilot, "");
    }
    // It is barred and trips circuits like any other that was taken back.
    let taken_back =
        |world: &World| world.changes.values().filter(|change| change.was_taken_back()).count();
    assert_eq!(taken_back(&world_after(true, true)), 1);
    assert_eq!(taken_back(&world_after(true, false)), 0, "it is still under way");
    assert_eq!(taken_back(&world_after(false, true)), 0);
}

#[test]
fn what_was_not_judged_teaches_nothing() {
    let mut overtaken = ended("f", 1, false);
    overtaken.applied_at = Some(days_ago(2));
    let mut provisional = ended("g", 1, false);
    provisional.outcome.as_mut().expect("it ended").provisional = true;
    let mut unclear = ended("h", 1, false);
    unclear.state = State::Inconclusive;
    let mut void = ended("i", 1, true);
    (void.undo_reason, void.turned_at) = (None, None);
    let changes = [overtaken, provisional, unclear, void].map(|change| (change.id.clone(), change));
    let learned = Learned::of(&changes.into_iter().collect(), &BTreeMap::new());
    assert_eq!(learned, Learned::default());
}

#[test]
fn outcomes_sharpen_the_risk() {
    let decided = |ends: &[(i64, bool)], stated: f64| {
        let mut world = world(ends);
        world.policy.autonomy.enabled = false;
        let mut candidate = candidate(Action::TuneFunctionMemory, &function("next"));
        candidate.recommendation.risk = Some(stated);
        let entry = world.review(vec![candidate]).entries.remove(0);
        let risk = entry.checks.iter().find(|check| check.check == CheckName::Risk);
        (entry.decision, risk.map(|check| check.reason.clone()).unwrap_or_default())
    };
    // A risk of 5 %: with two failures of ten (0.5 + 2) / 20, with four of five 30 %.
    let mut ends: Vec<_> = (0..8).map(|index| (index + 40, false)).collect();
    ends.extend([(10, true), (30, true)]);
    let (decision, found) = decided(&ends, 0.05);
    assert_eq!(decision, Disposition::Apply);
    assert!(found.starts_with("5.0 % at most 13.5 %"), "{found}");
    assert!(found.contains("12.5 % by 2 failures of 10 changes like it"), "{found}");
    // Above the limit a person decides: withheld for good, nothing could ever be learned again.
    let bad = [(2, false), (10, true), (30, true), (50, true), (70, true)];
    let (decision, found) = decided(&bad, 0.05);
    assert_eq!(decision, Disposition::AwaitApproval);
    assert!(found.contains("30.0 % by 4 failures of 5"), "{found}");
    // Few outcomes lower nothing; twenty do: (10 x 0.2 + 0) / 30.
    let good = |count: i64| (0..count).map(|index| (index + 1, false)).collect::<Vec<_>>();
    assert_eq!(decided(&good(19), 0.2).0, Disposition::Withheld);
    let (decision, found) = decided(&good(20), 0.2);
    assert_eq!(decision, Disposition::Apply);
    assert!(found.starts_with("6.7 % at most 13.5 %"), "{found}");
}

#[test]
fn a_try_by_itself_needs_its_own_word() {
    let mut recommendation = candidate(Action::TuneFunctionMemory, &function("f")).recommendation;
    let rules = |enabled, explore| Autonomy { enabled, explore, ..policy().autonomy };
    assert_eq!(reason_no_try(&recommendation, &rules(true, false)), None);
    recommendation.evidence.explores = true;
    assert!(reason_no_try(&recommendation, &rules(true, false)).is_some());
    assert_eq!(reason_no_try(&recommendation, &rules(true, true)), None);
    assert_eq!(reason_no_try(&recommendation, &rules(false, false)), None);
}
