//! How many it takes, at both sides of each bound.

use std::collections::BTreeMap;

use trimtab_models::recommendation::Action;

use super::*;
use crate::{
    authority::{Approver, Role, Scope},
    fixtures::{World, candidate, policy, resource_for, usd},
    mode::Mode,
    plan::Disposition,
};

fn check(action: Action, people: usize, change: impl FnOnce(&mut Approvals), expect: u32) {
    let mut approvals = policy().approvals;
    approvals.quorum.count = 2;
    for index in 0..people {
        let name = format!("p{index}");
        let scope = Scope::everything();
        let person = Approver { name: name.clone(), role: Role::Approver, scope };
        approvals.approvers.insert(name, person);
    }
    change(&mut approvals);
    let candidate = candidate(action, &resource_for(action, "r1"));
    let found = needed(&approvals, &Proposed::candidate(&candidate, &BTreeMap::new()));
    assert_eq!(found.count, expect, "{action} {people} {approvals:?}");
    assert_eq!(found.count > 1, found.rule.is_some() && expect > 1);
}

#[test]
fn two_decide_on_what_destroys_where_two_can() {
    let delete = Action::DeleteUnattachedVolume;
    check(delete, 0, |_| {}, 1);
    check(delete, 1, |_| {}, 1);
    check(delete, 2, |_| {}, 2);
    check(delete, 9, |_| {}, 2);
    check(delete, 2, |approvals| approvals.quorum.count = 1, 2);
    check(delete, 3, |approvals| approvals.quorum.count = 3, 3);
    let view = |approvals: &mut Approvals| {
        for one in approvals.approvers.values_mut().skip(1) {
            one.role = Role::Viewer;
        }
    };
    check(delete, 3, view, 1);
    for action in Action::ALL.into_iter().filter(|action| *action != delete) {
        check(action, 9, |_| {}, 1);
    }
}

#[test]
fn bounds_ask_for_more_above_them_and_where_nobody_knows() {
    // The fixture saves 70 dollars a month at a risk of 0.05.
    let saving =
        |bound| move |approvals: &mut Approvals| approvals.quorum.above_saving = Some(usd(bound));
    let risk = |bound| move |approvals: &mut Approvals| approvals.quorum.above_risk = Some(bound);
    check(Action::ResizeInstance, 2, saving(70.0), 1);
    check(Action::ResizeInstance, 2, saving(69.99), 2);
    check(Action::ResizeInstance, 2, risk(0.05), 1);
    check(Action::ResizeInstance, 2, risk(0.049), 2);
    let mut unknown = candidate(Action::ResizeInstance, &resource_for(Action::ResizeInstance, "r"));
    unknown.recommendation.risk = None;
    let rules = QuorumRules { count: 2, above_saving: None, above_risk: Some(0.9) };
    assert!(
        reason_above(&rules, &unknown.recommendation).is_some_and(|it| it.contains("not known"))
    );
    unknown.recommendation.saving = None;
    let rules = QuorumRules { above_saving: Some(usd(900.0)), above_risk: None, ..rules };
    assert!(reason_above(&rules, &unknown.recommendation).is_some());
}

#[test]
fn what_takes_two_people_is_not_done_by_none() {
    let resource = resource_for(Action::TuneFunctionMemory, "f");
    let mut world = World::new([resource.clone()]);
    let proposal = candidate(Action::TuneFunctionMemory, &resource);
    let entry = |world: &World| world.review(vec![proposal.clone()]).entries.remove(0);
    assert_eq!(entry(&world).decision, Disposition::Apply);
    world.policy.approvals.quorum =
        QuorumRules { count: 2, above_saving: Some(usd(50.0)), above_risk: None };
    let asked = entry(&world);
    assert_eq!((asked.mode, asked.decision), (Mode::Copilot, Disposition::AwaitApproval));
    assert!(asked.mode_reason.contains("above $50.00"), "{}", asked.mode_reason);
    let quorum = asked.quorum.expect("it takes two");
    assert_eq!((quorum.needed, quorum.missing()), (2, 2));
    assert!(
        quorum.words().starts_with("needs the yes of 2 people: its saving"),
        "{}",
        quorum.words()
    );
}

#[test]
fn a_quorum_out_of_reach_says_so() {
    let resource = resource_for(Action::ResizeInstance, "i");
    let mut world = World::new([resource.clone()]);
    world.policy.approvals.quorum =
        QuorumRules { count: 3, above_saving: None, above_risk: Some(0.0) };
    for name in ["ada", "bob"] {
        let scope = Scope::everything();
        let one = Approver { name: name.to_owned(), role: Role::Approver, scope };
        world.policy.approvals.approvers.insert(name.to_owned(), one);
    }
    let plan = world.review(vec![candidate(Action::ResizeInstance, &resource)]);
    let quorum = plan.entries[0].quorum.clone().expect("it takes three");
    assert!(quorum.words().contains("only 2 may approve it"), "{}", quorum.words());
}
