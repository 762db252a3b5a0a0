//! Tests of decision records: what a whole cycle decides is recorded, comes out the same from the file alone, and shows tampering.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use trimtab_models::catalog::Catalog;
use trimtab_policies::{
    authority::LOCAL_NAME,
    exception::{About, Exception, longest},
    plan::{Disposition, Moment},
};
use trimtab_simulations::{scenario::Scenario, world::World};

use super::*;
use crate::{
    agent::Agent,
    begin::{begin_approved, open},
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    decide::{Approval, Rejection, approve, reject},
    review::review_one,
    simulate::scenario_settings,
    simulated::Simulated,
    view::PlanView,
};

const FLEET: &str = r#"
name = "records"
description = "One of each kind, on all modes."
start = "2026-03-02T00:00:00Z"
history_days = 30
[fleet]
web-oversized = 2
volume-gp2 = 2
function-oversized = 2
group-fixed-over = 1
[settings.modes]
default = "copilot"
[[settings.modes.rule]]
match = { kind = "lambda-function" }
mode = "autopilot"
[settings.autopilot]
max_disruption = "brief"
allow_decrease = true
"#;

struct Scene {
    folder: tempfile::TempDir,
    agent: Agent,
    clock: Arc<ManualClock>,
    simulated: Simulated,
    plan: PlanView,
    start: Timestamp,
}

async fn scene() -> Scene {
    let scenario = Scenario::parse(FLEET).expect("a scenario that is read");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = scenario_settings(&scenario, folder.path(), None).expect("settings");
    let world = World::new(&scenario, 3, Catalog::embedded());
    let clock = Arc::new(ManualClock::new(scenario.start));
    let simulated = Simulated::new(world, clock.clone());
    let agent = Agent::open(settings, simulated.ports(), Catalog::embedded())
        .expect("an empty folder opens");
    let plan = run_cycle(&agent, Begin::Allowed).await.expect("a quiet account");
    Scene { folder, agent, clock, simulated, plan, start: scenario.start }
}

fn all(scene: &Scene) -> Vec<(Kept, DecisionRecord, Catalog)> {
    let shelf = Shelf::of(scene.folder.path());
    let read = |kept: Kept| {
        let (record, catalog) = shelf.load(&kept).expect("what was kept is read");
        (kept, record, catalog)
    };
    shelf.list().expect("the folder is read").into_iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_or_begun_comes_out_the_same_from_its_file() {
    let scene = scene().await;
    let waiting = |entry: &&PlanEntry| entry.decision == Disposition::AwaitApproval;
    let asked: Vec<_> = scene.plan.recommendations.iter().filter(waiting).collect();
    assert!(asked.len() >= 3 && scene.plan.cycle.begun.len() >= 2, "{:?}", scene.plan.cycle);
    approve(&scene.agent, &asked[0].id, LOCAL_NAME, Approval::default()).await.expect("it is open");

    let records = all(&scene);
    assert_eq!(records.len(), asked.len() + scene.plan.cycle.begun.len() + 1);
    for (kept, record, catalog) in &records {
        assert_eq!(replay(record, catalog), Replayed { sized: true, difference: None });
        let bytes = std::fs::metadata(&kept.path).expect("it is there").len();
        assert!(bytes < 512 << 10, "{} has {bytes} bytes", kept.path.display());
    }
    let sizes: Vec<u64> = records
        .iter()
        .filter_map(|(kept, _, _)| std::fs::metadata(&kept.path).ok())
        .map(|file| file.len())
        .collect();
    let (mean, most) = (sizes.iter().sum::<u64>() / sizes.len() as u64, sizes.iter().max());
    #[expect(clippy::print_stderr, reason = "the README states the figures of such a run")]
    {
        eprintln!(
            "{} records of 30 days at five minutes: {mean} bytes, at most {most:?}",
            sizes.len()
        );
    }
    let moments: BTreeSet<Moment> =
        records.iter().map(|(_, record, _)| record.gate.moment).collect();
    assert_eq!(moments.len(), 3, "proposals, an approval and first writes");
    let digests: BTreeSet<&String> = records.iter().map(|(kept, _, _)| &kept.digest).collect();
    let ledger = scene.agent.ledger();
    for change in ledger.book().changes().values() {
        assert!(
            change.record.as_ref().is_some_and(|record| digests.contains(record)),
            "{change:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_cycle_asks_again_and_records_nothing_twice() {
    let scene = scene().await;
    let before = all(&scene).len();
    run_cycle(&scene.agent, Begin::Never).await.expect("a quiet account");
    assert_eq!(all(&scene).len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_that_ends_during_an_approval_keeps_its_evidence_and_the_change_begins() {
    let scene = scene().await;
    let agent = &scene.agent;
    let asks = |entry: &&PlanEntry| entry.decision == Disposition::AwaitApproval;
    let asked = scene.plan.recommendations.iter().find(asks).expect("machines ask in copilot");
    let read = agent.store().recommendation(&asked.id).expect("readable").expect("kept");
    scene.clock.set(scene.start + SignedDuration::from_mins(5));
    run_cycle(agent, Begin::Never).await.expect("a quiet account");
    let now = Approval { now: true, ..Approval::default() };
    approve(agent, &asked.id, LOCAL_NAME, now).await.expect("it is open");
    let newer = agent.store().recommendation(&asked.id).expect("readable").expect("kept");
    assert_ne!(newer.entry.recommendation.evidence, read.entry.recommendation.evidence);

    let amended = agent.store().amend_recommendation(read, |_| {}).expect("writable");
    assert_eq!(amended, newer, "what was read before the cycle is not written over it");
    assert_eq!(begin_approved(agent).await.expect("a healthy store").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_that_comes_during_the_last_review_stops_the_change() {
    let scene = scene().await;
    let agent = &scene.agent;
    let asks = |entry: &&PlanEntry| entry.decision == Disposition::AwaitApproval;
    let asked = scene.plan.recommendations.iter().find(asks).expect("machines ask in copilot");
    let now = Approval { now: true, ..Approval::default() };
    let view = approve(agent, &asked.id, LOCAL_NAME, now).await.expect("it is open");
    let reviewed = review_one(agent, &view, Moment::FirstWrite, None).await;
    assert_eq!(reviewed.entry.decision, Disposition::Apply);
    let no = Rejection { reason: "not today".to_owned(), ..Rejection::default() };
    reject(agent, &asked.id, "bob", no).expect("it is open");
    let before = agent.ledger().book().changes().len();
    let opened = open(agent, (&reviewed.entry, None), view.zone, "record".to_owned());
    assert_eq!(opened.expect("a journal that is written"), None);
    assert_eq!(agent.ledger().book().changes().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_zone_does_not_offer_leaves_the_ladder_and_nothing_else() {
    let scene = scene().await;
    let agent = &scene.agent;
    let has_ladder = |entry: &&PlanEntry| entry.recommendation.alternates.len() > 1;
    let asked = scene.plan.recommendations.iter().find(has_ladder).expect("machines have ladders");
    let missing = asked.recommendation.alternates[0].clone();
    let rest = asked.recommendation.alternates[1..].to_vec();
    let again = async |minutes: i64| {
        scene.clock.set(scene.start + SignedDuration::from_mins(minutes));
        let plan = run_cycle(agent, Begin::Never).await.expect("a quiet account");
        let arn = &asked.recommendation.resource.arn;
        let mut entries = plan.recommendations.into_iter();
        entries.find(|entry| entry.recommendation.resource.arn == *arn).expect("it is still asked")
    };
    scene.simulated.world().faults.not_offered.insert(missing);
    let shorter = again(5).await;
    assert_eq!(shorter.recommendation.desired, asked.recommendation.desired);
    assert_eq!(shorter.recommendation.alternates, rest);
    assert_eq!(shorter.decision, Disposition::AwaitApproval);
    let (_, record, catalog) = all(&scene)
        .into_iter()
        .find(|(kept, _, _)| kept.recommendation_id == shorter.id)
        .expect("what is asked is recorded");
    assert_eq!(replay(&record, &catalog), Replayed { sized: true, difference: None });

    let denied = "ec2:DescribeInstanceTypeOfferings".to_owned();
    scene.simulated.world().faults.denied.insert(denied);
    let unknown = again(10).await;
    assert_eq!((&unknown.id, unknown.decision), (&shorter.id, Disposition::Withheld));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_inputs_give_another_decision_and_the_first_difference_is_named() {
    let scene = scene().await;
    let (_, record, catalog) = all(&scene).pop().expect("something was recorded");
    let check = |change: &dyn Fn(&mut DecisionRecord), at: &str| {
        let mut other = record.clone();
        change(&mut other);
        let difference = replay(&other, &catalog).difference.expect("it is another decision");
        assert!(difference.at.starts_with(at), "{difference}");
    };
    check(&|other| other.sizing.as_mut().expect("sized").series.clear(), "recommendation");
    check(&|other| other.gate.stopped = Some("ada".to_owned()), "checks");
    let excepted = |other: &mut DecisionRecord| {
        let arn = other.entry.recommendation.resource.arn.clone();
        let (at, about) = (other.gate.now, About::Resource { arn, action: None });
        other.gate.exceptions.push(Exception::new(about, "ada", at, longest(at), "month end"));
    };
    check(&excepted, "checks");
    check(&|other| other.gate.inventory.clear(), "recommendation");
    check(&|other| other.entry.recommendation.reason.push('.'), "recommendation.reason");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_to_a_file_shows() {
    let scene = scene().await;
    let shelf = Shelf::of(scene.folder.path());
    let (kept, record, _) = all(&scene).pop().expect("something was recorded");
    let catalog = scene.folder.path().join(format!("decisions/{}.catalog", record.catalog));
    for path in [&kept.path, &catalog] {
        let whole = std::fs::read(path).expect("it is there");
        for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
            std::fs::write(path, &whole[..cut]).expect("written");
            assert!(matches!(shelf.load(&kept), Err(RecordError::Damaged(_))), "cut at {cut}");
        }
        for byte in (0..whole.len()).step_by(whole.len() / 64 + 1) {
            let mut bytes = whole.clone();
            bytes[byte] ^= 1;
            std::fs::write(path, &bytes).expect("written");
            assert!(matches!(shelf.load(&kept), Err(RecordError::Damaged(_))), "byte {byte}");
        }
        std::fs::remove_file(path).expect("removed");
        assert!(matches!(shelf.load(&kept), Err(RecordError::Io { .. })));
        std::fs::write(path, &whole).expect("written");
        shelf.load(&kept).expect("it is whole again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_records_leave_unless_a_change_needs_them() {
    let scene = scene().await;
    let shelf = Shelf::of(scene.folder.path());
    let before = all(&scene).len();
    let open: BTreeSet<String> = scene
        .agent
        .ledger()
        .book()
        .changes()
        .values()
        .filter_map(|one| one.record.clone())
        .collect();
    assert!(!open.is_empty());
    assert_eq!(shelf.sweep(scene.start, 90, &BTreeSet::new()).expect("a sweep"), 0);
    let later = scene.start + SignedDuration::from_hours(24 * 91);
    assert_eq!(shelf.sweep(later, 90, &open).expect("a sweep"), before - open.len());
    let left = all(&scene);
    assert!(left.iter().all(|(kept, _, _)| open.contains(&kept.digest)));
    assert_eq!(shelf.sweep(later, 90, &BTreeSet::new()).expect("a sweep"), open.len());
    let files = std::fs::read_dir(scene.folder.path().join("decisions")).expect("it is there");
    assert_eq!(files.count(), 0, "catalogues go with their last record");
}
