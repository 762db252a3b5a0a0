//! What people's words come to through the whole agent: counted by person, void after a change, used once, and replayed from
//! their records.

use std::{cell::Cell, collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{catalog::Catalog, recommendation::Action, resource::Arn};
use trimtab_policies::{
    authority::{Approver, LOCAL_NAME, Role, Scope, Within},
    change::{State, StepState},
    facts::Facts,
    plan::{Candidate, Plan},
};
use trimtab_simulations::{scenario::Scenario, world::World};

use super::*;
use crate::{
    begin::{begin_approved, open},
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    except::{end, except, exceptions, renew},
    propose::keep_plan,
    records::{Shelf, replay},
    simulate::scenario_settings,
    simulated::Simulated,
};

const FLEET: &str = r#"
name = "decisions"
description = "Machines and volumes in copilot, all of which take two people."
start = "2026-03-02T00:00:00Z"
history_days = 30
[fleet]
web-oversized = 1
volume-gp2 = 2
[settings.modes]
default = "copilot"
[settings.approvals]
quorum = 2
quorum_above_saving_usd_monthly = 0.0
exception_days = 30.0
[[settings.approver]]
name = "ada"
role = "approver"
[[settings.approver]]
name = "bob"
role = "approver"
"#;

struct Scene {
    folder: tempfile::TempDir,
    agent: Agent,
    clock: Arc<ManualClock>,
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
    run_cycle(&agent, Begin::Allowed).await.expect("a quiet account");
    Scene { folder, agent, clock, start: scenario.start }
}

impl Scene {
    /// A later moment: no two words are said at the same one.
    fn pass(&self, minutes: i64) {
        self.clock.set(self.start + SignedDuration::from_mins(minutes));
    }

    /// A volume's recommendation, which nothing but people holds back.
    fn volume(&self) -> RecommendationView {
        let all = self.agent.store().recommendations().expect("a healthy store");
        let is_volume = |view: &RecommendationView| {
            view.entry.recommendation.action == Action::MigrateVolumeType
        };
        all.into_values().find(is_volume).expect("gp2 volumes are migrated")
    }

    fn view(&self, id: &str) -> RecommendationView {
        let found = self.agent.store().recommendation(id).expect("a healthy store");
        found.expect("it is kept")
    }

    async fn approve(&self, id: &str, by: &str) -> Result<RecommendationView, String> {
        let asked = Approval { now: true, ..Approval::default() };
        approve(&self.agent, id, by, asked).await.map_err(|refused| refused.to_string())
    }

    /// The settings with other people.
    fn people(&self, people: &[(&str, Role, Scope)]) {
        let mut settings = (*self.agent.settings()).clone();
        let approver = |(name, role, scope): &(&str, Role, Scope)| {
            let name = (*name).to_owned();
            (name.clone(), Approver { name, role: *role, scope: scope.clone() })
        };
        settings.policy.approvals.approvers = people.iter().map(approver).collect();
        self.agent.set_settings(settings);
    }

    async fn begun(&self) -> Vec<String> {
        begin_approved(&self.agent).await.expect("a healthy store")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_decide_where_it_takes_two() {
    let scene = scene().await;
    let id = scene.volume().entry.id;
    scene.pass(1);
    let first = scene.approve(&id, "ada").await.expect("she may");
    assert_eq!(first.state, RecommendationState::AwaitingApproval);
    let words = first.decided.expect("somebody decided");
    assert!(words.starts_with("approved by ada, needs one more: its saving"), "{words}");
    assert_eq!(scene.begun().await, Vec::<String>::new());

    scene.pass(2);
    let again = scene.approve(&id, "Ada").await.expect_err("she has");
    assert!(again.contains("nobody approves twice") && again.contains("needs one more"), "{again}");
    run_cycle(&scene.agent, Begin::Allowed).await.expect("a quiet account");
    assert_eq!(scene.view(&id).decided.as_deref(), Some(words.as_str()), "a cycle says the same");
    assert_eq!(scene.begun().await, Vec::<String>::new());

    scene.pass(3);
    let second = scene.approve(&id, "bob").await.expect("he may");
    assert_eq!(second.state, RecommendationState::Approved);
    assert_eq!(second.decided.as_deref(), Some("approved by ada and bob"));
    let late = scene.approve(&id, "cleo").await.expect_err("it has what it takes");
    assert!(late.contains("approved by ada and bob already"), "{late}");

    let begun = scene.begun().await;
    assert_eq!(begun.len(), 1);
    let approver = scene.agent.ledger().book().changes()[&begun[0]].approver.clone();
    assert_eq!(approver.as_deref(), Some("ada and bob"));
    let replayed = scene.approve(&id, "ada").await.expect_err("it is used up");
    assert!(replayed.contains("already changed"), "{replayed}");

    let shelf = Shelf::of(scene.folder.path());
    let kept = shelf.list().expect("the folder is read");
    assert!(kept.len() >= 4, "proposals, two approvals and a first write");
    for kept in kept {
        let (record, catalog) = shelf.load(&kept).expect("what was kept is read");
        assert_eq!(replay(&record, &catalog).difference, None, "{}", kept.path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_on_one_yes_only_one_counts() {
    let scene = scene().await;
    let id = scene.volume().entry.id;
    scene.pass(1);
    let (one, other) = tokio::join!(scene.approve(&id, "ada"), scene.approve(&id, "ada"));
    let refused: Vec<String> = [one, other].into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 1, "the same person at once is one person: {refused:?}");
    let said = scene.agent.ledger().book().said(&scene.view(&id).entry.digest).len();
    assert_eq!(said, 1);

    scene.pass(2);
    scene.approve(&id, "bob").await.expect("he may");
    let (begun, late) = tokio::join!(scene.begun(), scene.approve(&id, "bob"));
    assert_eq!(begun.len(), 1);
    late.expect_err("whoever is first, it does not count a second time");
    let said = scene.agent.ledger().book().said(&scene.view(&id).entry.digest).len();
    assert_eq!(said, 0, "nothing is left over for another change");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_approver_any_more_does_not_count() {
    let all = Scope::everything;
    let elsewhere = || Scope { accounts: Within::Only(BTreeSet::new()), ..all() };
    let cleo = ("cleo", Role::Approver, all());
    for people in [
        vec![("ada", Role::Approver, all()), cleo.clone()],
        vec![("ada", Role::Approver, all()), ("bob", Role::Viewer, all()), cleo.clone()],
        vec![("ada", Role::Approver, all()), ("bob", Role::Approver, elsewhere()), cleo],
    ] {
        let scene = scene().await;
        let id = scene.volume().entry.id;
        scene.pass(1);
        scene.approve(&id, "ada").await.expect("she may");
        scene.approve(&id, "bob").await.expect("he may");
        let view = scene.view(&id);
        let reviewed = review_one(&scene.agent, &view, Moment::FirstWrite, None).await;
        assert_eq!(reviewed.entry.decision, Disposition::Apply);
        scene.people(&people);
        let opened = open(&scene.agent, (&reviewed.entry, None), view.zone, "record".to_owned());
        assert_eq!(opened.expect("a journal that is written"), None, "in the last moment");
        assert_eq!(scene.begun().await, Vec::<String>::new());
        run_cycle(&scene.agent, Begin::Allowed).await.expect("a quiet account");
        let view = scene.view(&id);
        assert_eq!(view.state, RecommendationState::AwaitingApproval);
        let words = view.decided.expect("ada decided");
        assert!(words.contains("approved by ada, needs one more"), "{words}");
        assert!(words.contains("the approval of bob does not count"), "{words}");
        scene.pass(10);
        scene.approve(&id, "cleo").await.expect("she may");
        assert_eq!(scene.begun().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_is_configured_any_more_the_operator_decides_alone() {
    let scene = scene().await;
    let id = scene.volume().entry.id;
    scene.pass(1);
    scene.approve(&id, "ada").await.expect("she may");
    scene.approve(&id, "bob").await.expect("he may");
    let mut settings = (*scene.agent.settings()).clone();
    settings.policy.approvals.approvers.clear();
    settings.policy.approvals.quorum.above_saving = None;
    scene.agent.set_settings(settings);
    assert_eq!(scene.begun().await, Vec::<String>::new(), "their approvals do not count");
    let late = scene.approve(&id, "ada").await.expect_err("nor does another");
    assert!(late.contains("the approval of ada does not count: nobody is configured"), "{late}");
    scene.approve(&id, LOCAL_NAME).await.expect("it is their machine");
    assert_eq!(scene.begun().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_takes_the_scope_that_holds_the_tags_of_now() {
    let scene = scene().await;
    let volume = scene.volume();
    let id = volume.entry.id;
    let resource = &volume.entry.recommendation.resource;
    let (key, value) = resource.tags.iter().next().expect("the fleet is tagged");
    let tags = Within::Only(BTreeSet::from([(key.clone(), value.clone())]));
    let theirs = Scope { tags, ..Scope::everything() };
    let bob = ("bob", Role::Approver, Scope::everything());
    scene.people(&[("ada", Role::Approver, theirs), bob]);
    scene.pass(1);
    scene.approve(&id, "ada").await.expect("it carries her tag");
    scene.approve(&id, "bob").await.expect("he may");

    let mut inventory = (*scene.agent.inventory()).clone();
    let known = inventory.get_mut(&resource.arn).expect("it was discovered");
    known.reference.tags.insert(key.clone(), "another".to_owned());
    scene.agent.set_inventory(Arc::new(inventory));
    assert_eq!(scene.begun().await, Vec::<String>::new(), "her scope does not hold it now");
    let refused = scene.approve(&id, "ada").await.expect_err("nor may she approve it");
    assert!(refused.contains("the approval of ada does not count"), "{refused}");
    scene.pass(60);
    run_cycle(&scene.agent, Begin::Allowed).await.expect("a quiet account");
    assert_eq!(
        scene.view(&id).state,
        RecommendationState::Changed,
        "it is seen with her tag again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_unchanged_has_lost_its_approvals() {
    let scene = scene().await;
    let view = scene.volume();
    let id = view.entry.id.clone();
    scene.pass(1);
    scene.approve(&id, "ada").await.expect("she may");
    scene.approve(&id, "bob").await.expect("he may");
    let plan = |minutes: i64, entries: Vec<PlanEntry>| {
        scene.pass(minutes);
        let at = scene.start + SignedDuration::from_mins(minutes);
        let inventory = scene.agent.inventory();
        keep_plan(&scene.agent, &Plan { at, entries }, &inventory).expect("a healthy store");
        scene.view(&id).state
    };
    assert_eq!(plan(15, vec![view.entry.clone()]), RecommendationState::Approved);
    assert_eq!(plan(30, Vec::new()), RecommendationState::Expired);
    let voided = scene.agent.ledger().book().voided(&view.entry.digest).len();
    assert_eq!(voided, 2, "it is on record whose approvals they were");
    assert_eq!(plan(45, vec![view.entry.clone()]), RecommendationState::AwaitingApproval);
    assert_eq!(scene.begun().await, Vec::<String>::new());
    scene.approve(&id, "ada").await.expect("she is asked again");
    assert_eq!(scene.begun().await, Vec::<String>::new(), "bob has not been");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_taken_away_brings_no_approval_back() {
    for is_excepted_first in [true, false] {
        let scene = scene().await;
        let view = scene.volume();
        let id = view.entry.id.clone();
        let tag = |value: Option<&str>| {
            let mut inventory = (*scene.agent.inventory()).clone();
            let arn = &view.entry.recommendation.resource.arn;
            let known = inventory.get_mut(arn).expect("it was discovered");
            known.reference.tags.remove("hold");
            let value = value.map(|value| ("hold".to_owned(), value.to_owned()));
            known.reference.tags.extend(value);
            scene.agent.set_inventory(Arc::new(inventory));
        };
        let hold = || {
            let (key, value) = ("hold".to_owned(), "yes".to_owned());
            let about = About::Tag { key, value, action: None };
            except(&scene.agent, "bob", about, None, "a migration").expect("journalled")
        };
        if is_excepted_first {
            hold();
        }
        scene.pass(1);
        scene.approve(&id, "ada").await.expect("she may");
        scene.approve(&id, "bob").await.expect("he may");
        scene.pass(2);
        tag(Some("yes"));
        if is_excepted_first {
            let at = scene.start + SignedDuration::from_mins(2);
            let plan = Plan { at, entries: vec![view.entry.clone()] };
            keep_plan(&scene.agent, &plan, &scene.agent.inventory()).expect("a healthy store");
        } else {
            hold();
        }
        scene.pass(3);
        tag(None);
        assert_eq!(scene.begun().await, Vec::<String>::new(), "{is_excepted_first}");
        assert_eq!(scene.agent.ledger().book().said(&view.entry.digest), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_to_what_has_begun_is_kept_and_says_that_it_came_too_late() {
    let scene = scene().await;
    let id = scene.volume().entry.id;
    scene.pass(1);
    scene.approve(&id, "ada").await.expect("she may");
    scene.approve(&id, "bob").await.expect("he may");
    let view = scene.view(&id);
    let reviewed = review_one(&scene.agent, &view, Moment::FirstWrite, None).await;
    // The intent is journalled, and the store does not show it yet.
    let opened = open(&scene.agent, (&reviewed.entry, None), view.zone, "record".to_owned());
    let change = opened.expect("a journal that is written").expect("nothing speaks against it");
    let no = Rejection { reason: "month end".to_owned(), ..Rejection::default() };
    let late = reject(&scene.agent, &id, "bob", no).expect_err("it is under way").to_string();
    assert!(late.contains("is under way already"), "{late}");
    assert!(late.contains(&format!("trimtab changes undo {change}")), "{late}");
    assert_eq!(exceptions(&scene.agent).len(), 1, "it holds for what comes after");
    assert_ne!(scene.view(&id).state, RecommendationState::Rejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_waits_for_another_change_of_the_resource() {
    let scene = scene().await;
    let id = scene.volume().entry.id;
    scene.pass(1);
    scene.approve(&id, "ada").await.expect("she may");
    scene.approve(&id, "bob").await.expect("he may");
    let begun = scene.begun().await;
    let mut earlier = scene.agent.ledger().book().changes()[&begun[0]].clone();
    earlier.id = "chg-earlier".to_owned();
    earlier.steps.iter_mut().for_each(|progress| progress.state = StepState::Done);
    earlier.apply(scene.start, &Event::Applied);
    let watched = Entry::Opened { change: Box::new(earlier) };
    scene.agent.ledger().record(scene.start, "ada", watched).expect("a healthy journal");
    let refused = undo(&scene.agent, "chg-earlier", "ada").expect_err("both would write");
    let refused = refused.to_string();
    assert!(
        refused.contains(&format!("change `{}` of this agent is at work", begun[0])),
        "{refused}"
    );
    let over = Event::Finished {
        state: State::Undone,
        reason: "nothing was written".to_owned(),
        provisional: false,
    };
    scene.agent.ledger().event(scene.start, &begun[0], over).expect("a healthy journal");
    undo(&scene.agent, "chg-earlier", "ada").expect("it is alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_the_store_does_not_take_stands() {
    let scene = scene().await;
    let id = scene.volume().entry.id;
    scene.pass(1);
    std::fs::remove_file(scene.folder.path().join("store/db")).expect("sled's file");
    let view = scene.approve(&id, "ada").await.expect("it is journalled");
    assert!(view.decided.expect("told").starts_with("approved by ada, needs one more"));
    let said = scene.agent.ledger().book().said(&view.entry.digest).len();
    assert_eq!(said, 1);
    let no = Rejection { reason: "month end".to_owned(), ..Rejection::default() };
    let view = reject(&scene.agent, &id, "bob", no).expect("it is journalled");
    assert_eq!(view.state, RecommendationState::Rejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_are_a_page_long_at_most_and_a_stop_is_never_refused() {
    let scene = scene().await;
    let agent = &scene.agent;
    let view = scene.volume();
    let (id, long) = (view.entry.id.as_str(), "ä".repeat(REASON_CHARS_MAX + 1));
    let about = About::rejected(&view.entry.recommendation, true);
    let yes = Approval { reason: Some(long.clone()), ..Approval::default() };
    let no = |reason: &str| Rejection { reason: reason.to_owned(), ..Rejection::default() };
    for refused in [
        approve(agent, id, "ada", yes).await.map(drop),
        reject(agent, id, "ada", no(&long)).map(drop),
        except(agent, "ada", about, None, &long).map(drop),
    ] {
        let refused = refused.expect_err("one more than a page");
        assert!(matches!(refused, DecideError::Invalid(_)), "{refused}");
    }
    assert_eq!(agent.ledger().book().exceptions().len(), 0);
    stop(agent, "ada", &long).expect("a stop is a stop");
    assert!(agent.stopped().expect("it is set").ends_with("ä… (cut off)"));
    reject(agent, id, "ada", no(&long[..2 * REASON_CHARS_MAX])).expect("a page");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stop_switch_is_journalled_when_it_moves() {
    let scene = scene().await;
    let agent = &scene.agent;
    let records = agent.ledger().follow();
    let told = || records.try_iter().count();
    resume(agent, "olga").expect("it is not set");
    assert_eq!(told(), 0);
    stop(agent, "ada", "fire").expect("it is set");
    stop(agent, "bob", "smoke").expect("it is set already");
    assert_eq!(told(), 1);
    assert!(agent.stopped().expect("it is set").contains("fire"), "the first reason stays");
    agent.stop_switch().release().expect("by hand");
    stop(agent, "bob", "smoke").expect("it is set again");
    assert_eq!(told(), 1);
    resume(agent, "olga").expect("it is released");
    resume(agent, "olga").expect("it is not set");
    assert_eq!(told(), 1);
    agent.stop_switch().set("root", "by hand").expect("a folder that is written");
    stop(agent, "ada", "fire").expect("it is set already");
    assert_eq!(told(), 1, "the journal did not know of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn exceptions_leave_room_for_others_and_on_the_disk() {
    let scene = scene().await;
    let agent = &scene.agent;
    let except = |by: &str, number: usize| {
        let arn = Arn(format!("arn:aws:ec2:us-east-1:111122223333:volume/vol-{number}"));
        except(agent, by, About::Resource { arn, action: None }, None, "many")
    };
    let first = except("ada", 0).expect("journalled").exception.id;
    for number in 1..1_000 {
        except("ada", number).expect("journalled");
    }
    let many = except("Ada", 1_000).expect_err("that is too many").to_string();
    assert!(many.contains("has 1000 exceptions in force: end some"), "{many}");
    scene.pass(1);
    renew(agent, "ada", &first, None).expect("one that is there is no new one");
    except("bob", 1_000).expect("each has their own");
    end(agent, "ada", &first).expect("it is there");
    except("ada", 1_001).expect("there is room again");

    let mut settings = (*agent.settings()).clone();
    settings.store.min_free_bytes = u64::MAX;
    agent.set_settings(settings);
    except("bob", 1_002).expect_err("the disk is as good as full");
    renew(agent, "bob", &first, None).expect_err("so it is");
    let no = Rejection { reason: "not this".to_owned(), ..Rejection::default() };
    reject(agent, &scene.volume().entry.id, "bob", no).expect("a no does not wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_free_while_a_fleet_is_reviewed() {
    let scene = scene().await;
    let view = scene.volume();
    let candidate = Candidate {
        id: view.entry.id.clone(),
        digest: view.entry.digest.clone(),
        recommendation: view.entry.recommendation.clone(),
        steps: view.entry.steps.clone(),
        confirmed_at: view.confirmed_at,
        facts: Facts::default(),
        said: Vec::new(),
    };
    let is_free = Cell::new(None);
    let looks = |_: &PlanEntry| {
        is_free.set(Some(scene.agent.ledger.try_lock().is_ok()));
        false
    };
    let plan = crate::review::decide(&scene.agent, vec![candidate], Moment::Proposal, looks).0;
    assert_eq!((plan.entries.len(), is_free.get()), (1, Some(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_voids_every_yes_and_ends_at_its_second() {
    let scene = scene().await;
    let id = scene.volume().entry.id;
    scene.pass(1);
    scene.approve(&id, "ada").await.expect("she may");
    scene.approve(&id, "bob").await.expect("he may");
    scene.pass(2);
    let until = scene.start + SignedDuration::from_hours(2);
    let no = Rejection { reason: "month end".to_owned(), until: Some(until), tag: None };
    let rejected = reject(&scene.agent, &id, "bob", no).expect("it is open");
    assert_eq!(rejected.state, RecommendationState::Rejected);
    assert_eq!(scene.begun().await, Vec::<String>::new());

    let held = async |at: Timestamp| {
        scene.clock.set(at);
        run_cycle(&scene.agent, Begin::Allowed).await.expect("a quiet account");
        scene.view(&id)
    };
    let before = held(until - SignedDuration::from_secs(1)).await;
    assert_eq!(before.state, RecommendationState::Rejected);
    assert_eq!(before.entry.decision, Disposition::Withheld);
    assert!(before.held_by().iter().any(|why| why.contains("rejected by bob")));
    let after = held(until).await;
    assert_eq!(after.state, RecommendationState::AwaitingApproval, "and nobody's yes is left");
    assert_eq!(scene.begun().await, Vec::<String>::new());
    assert_eq!(after.entry.quorum.map(|quorum| quorum.missing()), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_acts_on_nothing_from_its_last_second_on() {
    for (early, begins) in [(1, true), (0, false)] {
        let scene = scene().await;
        let id = scene.volume().entry.id;
        scene.approve(&id, "ada").await.expect("she may");
        scene.approve(&id, "bob").await.expect("he may");
        let week = scene.start + SignedDuration::from_hours(7 * 24);
        // The cycle before confirms the proposal, so that only the approval can be too old.
        scene.clock.set(week - SignedDuration::from_mins(5));
        run_cycle(&scene.agent, Begin::Never).await.expect("a quiet account");
        assert_eq!(scene.view(&id).state, RecommendationState::Approved);
        scene.clock.set(week - SignedDuration::from_secs(early));
        assert_eq!(scene.begun().await.len(), usize::from(begins), "{early} s before its end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exceptions_are_made_renewed_reviewed_and_ended() {
    let scene = scene().await;
    let agent = &scene.agent;
    let volume = scene.volume();
    let arn = volume.entry.recommendation.resource.arn.clone();
    let about = || About::Resource { arn: arn.clone(), action: None };
    let long = scene.start + SignedDuration::from_hours(24 * 366);
    let refused = except(agent, "ada", about(), Some(long), "for ever").expect_err("too long");
    assert!(refused.to_string().contains("365 days"), "{refused}");
    except(agent, "ada", about(), Some(scene.start), "over").expect_err("it has ended");
    let made = except(agent, "ada", about(), None, "a migration").expect("journalled");
    assert_eq!((made.is_in_force, made.is_due, made.withholds), (true, false, 1));
    let days = made.exception.until.duration_since(scene.start).as_hours() / 24;
    assert_eq!(days, 30, "as the settings say");

    run_cycle(agent, Begin::Allowed).await.expect("a quiet account");
    let withheld = scene.view(&volume.entry.id);
    assert_eq!(withheld.state, RecommendationState::Rejected);
    let words = withheld.decided.expect("somebody decided");
    assert!(words.contains("is excepted by ada") && words.contains("a migration"), "{words}");

    scene.clock.set(made.exception.until - SignedDuration::from_hours(24 * 14));
    assert!(exceptions(agent)[0].is_due, "two weeks before its end");
    let id = made.exception.id.as_str();
    let renewed = renew(agent, "bob", id, None).expect("journalled");
    assert_eq!((renewed.exception.id.as_str(), renewed.is_due), (id, false));
    assert_eq!(renewed.exception.by, "bob");

    let ended = end(agent, "bob", id).expect("journalled");
    assert!(!ended.is_in_force && !ended.is_due);
    end(agent, "bob", id).expect_err("it has ended");
    end(agent, "bob", "no such").expect_err("there is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_for_a_tag_is_about_everything_that_carries_it() {
    let scene = scene().await;
    let volume = scene.volume();
    let tags = &volume.entry.recommendation.resource.tags;
    let (key, value) = tags.iter().next().expect("the fleet is tagged");
    let no = |tag: (&str, &str)| Rejection {
        reason: "never these".to_owned(),
        until: None,
        tag: Some((tag.0.to_owned(), tag.1.to_owned())),
    };
    let id = &volume.entry.id;
    let other = reject(&scene.agent, id, "ada", no((key, "another"))).expect_err("not its tag");
    assert!(other.to_string().contains("does not carry the tag"), "{other}");
    reject(&scene.agent, id, "ada", no((key, value))).expect("it is open");
    run_cycle(&scene.agent, Begin::Allowed).await.expect("a quiet account");
    let all = scene.agent.store().recommendations().expect("a healthy store");
    for view in all.values() {
        let recommendation = &view.entry.recommendation;
        let is_meant = recommendation.action == volume.entry.recommendation.action
            && recommendation.resource.tags.get(key) == Some(value);
        assert_eq!(view.state == RecommendationState::Rejected, is_meant, "{}", view.entry.id);
    }
}
