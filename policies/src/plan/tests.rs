//! The review as a whole: the table of decisions, and the properties that hold for every plan.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trimtab_models::recommendation::Action;

use super::*;
use crate::{change::State, fixtures::*, mode::Disruption, settings::Freeze};

fn failing(check: CheckName, verdict: CheckVerdict) -> CheckResult {
    CheckResult { check, verdict, until: None, reason: "so it is".to_owned() }
}

const ALL: [CheckName; 20] = [
    CheckName::Evidence,
    CheckName::History,
    CheckName::Risk,
    CheckName::Material,
    CheckName::OptOut,
    CheckName::Window,
    CheckName::Cooldown,
    CheckName::BlastRadius,
    CheckName::Conflict,
    CheckName::StepSize,
    CheckName::Health,
    CheckName::Drift,
    CheckName::Ownership,
    CheckName::Compatibility,
    CheckName::DataLoss,
    CheckName::Permission,
    CheckName::Price,
    CheckName::Circuit,
    CheckName::Stop,
    CheckName::Expiry,
];

/// The design's sentences on what withholds in every mode, typed in again.
const IN_EVERY_MODE: [CheckName; 9] = [
    CheckName::Evidence,
    CheckName::History,
    CheckName::Risk,
    CheckName::Material,
    CheckName::OptOut,
    CheckName::Ownership,
    CheckName::Compatibility,
    CheckName::DataLoss,
    CheckName::Price,
];

#[test]
fn a_failure_of_these_checks_withholds_in_every_mode() {
    for name in ALL {
        let checks = [failing(name, CheckVerdict::Fail)];
        let everywhere = [Mode::Datapilot, Mode::Copilot, Mode::Autopilot]
            .iter()
            .all(|mode| decide(*mode, &checks, true) == Disposition::Withheld);
        assert_eq!(everywhere, IN_EVERY_MODE.contains(&name), "{name:?}");
    }
}

#[test]
fn the_table_of_decisions() {
    use CheckVerdict::{Fail, Pass, Wait};
    use Disposition::{Apply, AwaitApproval, Recommend, Withheld};
    let expect = [
        (Mode::Datapilot, Pass, false, Recommend),
        (Mode::Datapilot, Wait, true, Recommend),
        (Mode::Datapilot, Fail, true, Recommend),
        (Mode::Copilot, Pass, false, AwaitApproval),
        (Mode::Copilot, Wait, false, AwaitApproval),
        (Mode::Copilot, Fail, false, Withheld),
        (Mode::Copilot, Pass, true, Apply),
        (Mode::Copilot, Wait, true, AwaitApproval),
        (Mode::Copilot, Fail, true, Withheld),
        (Mode::Autopilot, Pass, false, Apply),
        (Mode::Autopilot, Wait, false, Withheld),
        (Mode::Autopilot, Fail, false, Withheld),
        (Mode::Autopilot, Wait, true, Withheld),
    ];
    for (mode, verdict, approved, decision) in expect {
        let checks = [failing(CheckName::Stop, Pass), failing(CheckName::Health, verdict)];
        let found = decide(mode, &checks, approved);
        assert_eq!(found, decision, "{mode} {verdict:?} {approved}");
    }
}

#[test]
fn nothing_is_applied_without_a_check() {
    assert_eq!(decide(Mode::Autopilot, &[], true), Disposition::Withheld);
}

#[test]
fn every_action_can_pass_every_check_at_every_moment() {
    for action in Action::ALL {
        for moment in [Moment::Proposal, Moment::Approval, Moment::FirstWrite] {
            let resource = resource_for(action, "r1");
            let mut world = World::new([resource.clone()]);
            world.moment = moment;
            let mut candidate = candidate(action, &resource);
            candidate.said = vec![approval(&candidate)];
            let plan = world.review(vec![candidate]);
            let entry = &plan.entries[0];
            assert_eq!(entry.decision, Disposition::Apply, "{action}: {entry:#?}");
        }
    }
}

#[test]
fn what_always_needs_an_approval_waits_for_one_even_in_autopilot() {
    for action in [Action::StopIdleInstance, Action::DeleteUnattachedVolume] {
        let resource = resource_for(action, "r1");
        let world = World::new([resource.clone()]);
        let plan = world.review(vec![candidate(action, &resource)]);
        let entry = &plan.entries[0];
        assert_eq!(entry.mode, Mode::Copilot);
        assert_eq!(entry.decision, Disposition::AwaitApproval);
        assert!(entry.mode_reason.contains("always needs an approval"));
    }
}

#[test]
fn giving_up_durability_needs_an_approval() {
    let mut from = volume("vol-1");
    volume_mut(&mut from).spec =
        trimtab_models::spec::VolumeSpec { volume_type: "io2".to_owned(), ..gp3() };
    let world = World::new([from.clone()]);
    let plan = world.review(vec![candidate(Action::MigrateVolumeType, &from)]);
    assert_eq!(plan.entries[0].decision, Disposition::AwaitApproval);
    assert!(plan.entries[0].mode_reason.contains("durability"));
    let compatibility = verdict(&plan, CheckName::Compatibility);
    assert!(compatibility.reason.contains("durability"));
}

#[test]
fn a_wait_shows_its_end_and_a_failure_hides_it() {
    let resource = instance("i-1");
    let mut world = World::new([resource.clone()]);
    world.policy.freezes.push(Freeze {
        name: "sales".to_owned(),
        matcher: crate::mode::Matcher::default(),
        from: days_ago(1),
        until: in_days(2.0),
    });
    let proposal = candidate(Action::ResizeInstance, &resource);
    let plan = world.review(vec![proposal.clone()]);
    assert_eq!(plan.entries[0].decision, Disposition::Withheld);
    assert_eq!(plan.entries[0].until, Some(in_days(2.0)));

    world.stopped = Some("ada".to_owned());
    let plan = world.review(vec![proposal.clone()]);
    assert_eq!(plan.entries[0].until, None, "nobody knows when the switch is released");

    world.stopped = None;
    let mut failing = proposal;
    failing.facts.status = None;
    assert_eq!(world.review(vec![failing]).entries[0].until, None);
}

#[test]
fn an_approval_holds_for_its_digest_and_its_time_only() {
    let resource = instance("i-1");
    let mut world = World::new([resource.clone()]);
    world.policy.modes.default = Mode::Copilot;
    let proposal = candidate(Action::ResizeInstance, &resource);
    let decide = |world: &World, decision: Decision| {
        let mut approved = proposal.clone();
        approved.said = vec![decision];
        world.review(vec![approved]).entries[0].decision
    };
    let good = approval(&proposal);
    assert_eq!(decide(&world, good.clone()), Disposition::Apply);
    let other = Decision { digest: "other".to_owned(), ..good.clone() };
    assert_eq!(decide(&world, other), Disposition::AwaitApproval);
    let old = Decision { at: days_ago(7), ..good.clone() };
    assert_eq!(decide(&world, old.clone()), Disposition::AwaitApproval);
    let ended = Decision { until: Some(now()), ..good };
    assert_eq!(decide(&world, ended), Disposition::AwaitApproval);
    world.moment = Moment::FirstWrite;
    assert_eq!(decide(&world, old), Disposition::Withheld);
}

#[test]
fn a_tag_that_appears_late_still_holds_back() {
    let resource = instance("i-1");
    let mut world = World::new([resource.clone()]);
    world.moment = Moment::FirstWrite;
    let mut late = candidate(Action::ResizeInstance, &resource);
    let live = late.facts.live.as_mut().expect("the fixture knows the live resource");
    let tags = &mut live.value.reference.tags;
    tags.insert("trimtab:mode".to_owned(), "datapilot".to_owned());
    assert_eq!(world.review(vec![late]).entries[0].decision, Disposition::Recommend);
}

#[test]
fn planning_again_applies_nothing_twice() {
    let resource = instance("i-1");
    let mut world = World::new([resource.clone()]);
    let proposal = candidate(Action::ResizeInstance, &resource);
    for state in [State::Queued, State::Executing, State::Watching, State::Undoing] {
        world.changes.clear();
        world.add(change(&proposal, "g", state, days_ago(1)));
        let plan = world.review(vec![proposal.clone()]);
        assert_eq!(plan.entries[0].decision, Disposition::Withheld, "{state}");
        assert_eq!(verdict(&plan, CheckName::Conflict).verdict, CheckVerdict::Wait);
    }
}

#[test]
fn a_queued_change_does_not_stand_in_its_own_way() {
    let resource = instance("i-1");
    let mut world = World::new([resource.clone()]);
    let proposal = candidate(Action::ResizeInstance, &resource);
    world.policy.limits.disruptive_per_hour = 1;
    world.policy.limits.disruptive_in_flight = 1;
    world.add(change(&proposal, &resource.reference.arn.0, State::Queued, seconds_ago(5)));
    world.moment = Moment::FirstWrite;
    assert_eq!(world.review(vec![proposal.clone()]).entries[0].decision, Disposition::Apply);
    world.moment = Moment::Proposal;
    assert_eq!(world.review(vec![proposal]).entries[0].decision, Disposition::Withheld);
}

#[test]
fn of_two_related_candidates_the_one_that_saves_more_goes_first() {
    let mut machine = instance("i-1");
    instance_mut(&mut machine).volumes = vec!["vol-1".to_owned()];
    let mut disk = volume("vol-1");
    attach(&mut disk, "i-1");
    let world = World::new([machine.clone(), disk.clone()]);
    let mut smaller = candidate(Action::ResizeInstance, &machine);
    smaller.recommendation.saving = Some(usd(20.0));
    let larger = candidate(Action::MigrateVolumeType, &disk);
    let plan = world.review(vec![smaller, larger]);
    let decisions: Vec<_> =
        plan.entries.iter().map(|entry| (entry.recommendation.action, entry.decision)).collect();
    let expect = [
        (Action::MigrateVolumeType, Disposition::Apply),
        (Action::ResizeInstance, Disposition::Withheld),
    ];
    assert_eq!(decisions, expect);
}

/// A fleet with a mixture of groups, actions, savings and faults.
#[derive(Debug, Clone)]
struct Part {
    action: Action,
    group: u8,
    saving: u8,
    fault: u8,
    approved: bool,
    open: bool,
}

fn part() -> impl Strategy<Value = Part> {
    let action = prop::sample::select(Action::ALL.to_vec());
    (action, 0..4_u8, 0..40_u8, 0..8_u8, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(action, group, saving, fault, approved, open)| Part {
            action,
            group,
            saving,
            fault,
            approved,
            open,
        },
    )
}

fn spoil(candidate: &mut Candidate, fault: u8) {
    match fault {
        0 => candidate.facts.status = None,
        1 => candidate.recommendation.evidence.days_seen = 5.0,
        2 => candidate.facts.modifications = None,
        3 => candidate.recommendation.saving = None,
        _ => {}
    }
}

fn fleet(parts: &[Part], mode: Mode) -> (World, Vec<Candidate>) {
    let mut world = World::new([]);
    world.policy.modes.default = mode;
    let mut candidates = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let mut resource = resource_for(part.action, &format!("r{index}"));
        let group = format!("g{}", part.group);
        resource.reference.tags.insert("service".to_owned(), group.clone());
        world.inventory.insert(resource.reference.arn.clone(), resource.clone());
        let mut candidate = candidate(part.action, &resource);
        candidate.recommendation.saving = Some(usd(f64::from(part.saving)));
        spoil(&mut candidate, part.fault);
        candidate.said = part.approved.then(|| approval(&candidate)).into_iter().collect();
        if part.open {
            let at = seconds_ago(i64::from(part.saving) * 200);
            world.add(change(&candidate, &group, State::Watching, at));
        }
        candidates.push(candidate);
    }
    (world, candidates)
}

fn applied(plan: &Plan) -> Vec<&PlanEntry> {
    let mut applied: Vec<_> =
        plan.entries.iter().filter(|entry| entry.decision == Disposition::Apply).collect();
    applied.sort_by(|one, other| one.digest.cmp(&other.digest));
    applied
}

/// What the limits allow, counted anew from the plan and the changes without the review's own books.
fn breaches_a_budget(world: &World, plan: &Plan) -> Option<String> {
    let limits = &world.policy.limits;
    let hour_ago = seconds_ago(3_600);
    let disruptive = |action: Action| Disruption::of(action) != Disruption::None;
    let fresh = applied(plan);
    for wanted in [true, false] {
        let begun =
            fresh.iter().filter(|entry| disruptive(entry.recommendation.action) == wanted).count();
        let earlier = world
            .changes
            .values()
            .filter(|change| change.opened_at > hour_ago)
            .filter(|change| disruptive(change.recommendation.action) == wanted)
            .count();
        let most = if wanted { limits.disruptive_per_hour } else { limits.other_per_hour } as usize;
        if begun > 0 && begun + earlier > most {
            return Some(format!("{begun} + {earlier} in an hour, {most} allowed"));
        }
    }
    let begun = fresh.iter().filter(|entry| disruptive(entry.recommendation.action)).count();
    let flying =
        world.changes.values().filter(|change| disruptive(change.recommendation.action)).count();
    if begun > 0 && begun + flying > limits.disruptive_in_flight as usize {
        return Some(format!("{begun} + {flying} in flight"));
    }
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &fresh {
        let is_group = matches!(
            entry.recommendation.action,
            Action::TuneGroupCapacity | Action::ScheduleGroup | Action::ResizeGroupInstances
        );
        if !is_group {
            let group = entry.recommendation.resource.tags["service"].clone();
            *groups.entry(group).or_default() += 1;
        }
    }
    // No fleet here has twenty members of a kind in one group, so that one is always the limit.
    groups.into_iter().find_map(|(group, begun)| {
        let flying = world.changes.values().filter(|c| c.group == group).count();
        (begun + flying > 1).then(|| format!("{begun} + {flying} in group {group}"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn datapilot_only_recommends(parts in prop::collection::vec(part(), 1..12)) {
        let (world, candidates) = fleet(&parts, Mode::Datapilot);
        for entry in world.review(candidates).entries {
            prop_assert!(matches!(
                entry.decision,
                Disposition::Recommend | Disposition::Withheld
            ));
        }
    }

    #[test]
    fn budgets_hold_in_every_plan(
        parts in prop::collection::vec(part(), 1..16),
        per_hour in 0..4_u32,
        in_flight in 0..4_u32,
    ) {
        let (mut world, candidates) = fleet(&parts, Mode::Autopilot);
        world.policy.limits.disruptive_per_hour = per_hour;
        world.policy.limits.other_per_hour = per_hour + 1;
        world.policy.limits.disruptive_in_flight = in_flight;
        let plan = world.review(candidates);
        prop_assert_eq!(breaches_a_budget(&world, &plan), None);
    }

    #[test]
    fn the_order_of_the_candidates_does_not_matter(
        parts in prop::collection::vec(part(), 2..10),
        turn in 0..10_usize,
    ) {
        let (world, candidates) = fleet(&parts, Mode::Autopilot);
        let plan = world.review(candidates.clone());
        let mut turned = candidates;
        let middle = turn % turned.len();
        turned.rotate_left(middle);
        turned[middle..].reverse();
        prop_assert_eq!(world.review(turned), plan);
    }

    #[test]
    fn a_switched_off_budget_or_action_leaves_a_subset(
        parts in prop::collection::vec(part(), 1..12),
        off in prop::sample::select(Action::ALL.to_vec()),
    ) {
        let (mut world, candidates) = fleet(&parts, Mode::Autopilot);
        // Roomy budgets: a tight one may let another candidate through where it holds the first one back.
        world.policy.limits.disruptive_per_hour = 100;
        world.policy.limits.other_per_hour = 100;
        world.policy.limits.disruptive_in_flight = 100;
        world.policy.limits.group_ratio = 1.0;
        world.policy.limits.group_tag = None;
        let before = world.review(candidates.clone());
        let before: Vec<_> = applied(&before).iter().map(|entry| entry.digest.clone()).collect();
        let tighten: [fn(&mut World, Action); 5] = [
            |world, off| { world.policy.limits.disabled_actions.insert(off); },
            |world, _| world.policy.evidence.min_saving = usd(20.0),
            |world, _| world.policy.limits.disruptive_per_hour = 0,
            |world, _| world.policy.limits.other_per_hour = 0,
            |world, _| world.policy.modes.autopilot.max_disruption = Disruption::Brief,
        ];
        for step in tighten {
            step(&mut world, off);
            let after = world.review(candidates.clone());
            for entry in applied(&after) {
                prop_assert!(before.contains(&entry.digest));
            }
        }
        prop_assert!(applied(&world.review(candidates)).iter().all(|entry| entry.mode == Mode::Copilot));
    }

    #[test]
    fn a_tighter_budget_applies_a_subset(
        parts in prop::collection::vec(part(), 1..12),
        wide in 0..6_u32,
        narrow in 0..6_u32,
        which in 0..4_usize,
    ) {
        let (mut world, candidates) = fleet(&parts, Mode::Autopilot);
        // One budget at a time: what one holds back may leave room in another for somebody else.
        world.policy.limits.disruptive_per_hour = 100;
        world.policy.limits.other_per_hour = 100;
        world.policy.limits.disruptive_in_flight = 100;
        if which != 3 {
            world.policy.limits.group_tag = None;
        }
        let mut applied_at = |limit: u32| {
            let limits = &mut world.policy.limits;
            match which {
                0 => limits.disruptive_per_hour = limit,
                1 => limits.other_per_hour = limit,
                2 => limits.disruptive_in_flight = limit,
                _ => limits.group_ratio = f64::from(limit) / 6.0,
            }
            let plan = world.review(candidates.clone());
            applied(&plan).iter().map(|entry| entry.digest.clone()).collect::<Vec<_>>()
        };
        let (all, some) = (applied_at(wide.max(narrow)), applied_at(narrow.min(wide)));
        prop_assert!(some.iter().all(|digest| all.contains(digest)));
    }
}
