//! Every rule fires on a run that breaks it, names it, and is silent on one that does not.

use jiff::SignedDuration;
use trimtab_models::{
    catalog::Catalog,
    recommendation::{Action, Evidence, Recommendation, SavingBasis},
    spec::{PowerState, Spec, VolumeSpec},
};
use trimtab_policies::{
    approval::{Decision, Verdict},
    authority::LOCAL_NAME,
    change::{Access, Change, Opening, State},
    exception::{About, Exception},
    operations::{Failure, FailureKind, Operation, Share},
    record::Event,
    steps::steps,
};

use super::*;
use crate::{
    scenario::Scenario,
    world::{Faults, ForeignChange},
};

const REGION: &str = "us-east-1";
const DAY_S: i64 = 86_400;
const FLEET: &str = "
name = 'rules'
description = 'one of each, and many functions'
start = '2026-03-02T00:00:00Z'
history_days = 3
[fleet]
windows = 1
opted-out = 1
volume-gp3-over = 1
volume-unattached = 1
function-oversized = 6
function-aliased = 1
group-fixed-over = 1
";

/// A world, a journal, and a checker that looks at both.
struct Stage {
    world: World,
    journal: Vec<Record>,
    checker: Checker,
}

fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-03-02T00:00:00Z".parse().expect("a time");
    start + SignedDuration::from_secs(second)
}

fn function(memory_mb: u32) -> Spec {
    Spec::Function { memory_mb }
}

fn memory(name: &str, memory_mb: u32) -> Operation {
    Operation::SetFunctionMemory { function_name: name.to_owned(), memory_mb, revision_id: None }
}

fn instance(instance_type: &str, state: PowerState) -> Spec {
    Spec::Instance { instance_type: instance_type.to_owned(), state }
}

fn gp3(size_gib: u32) -> VolumeSpec {
    VolumeSpec {
        volume_type: "gp3".to_owned(),
        size_gib,
        iops: Some(3_000),
        throughput_mibps: Some(125),
    }
}

fn stop(instance_id: &str) -> Operation {
    Operation::StopInstance { instance_id: instance_id.to_owned() }
}

fn start(instance_id: &str) -> Operation {
    Operation::StartInstance { instance_id: instance_id.to_owned() }
}

fn set_type(instance_id: &str, instance_type: &str) -> Operation {
    Operation::SetInstanceType {
        instance_id: instance_id.to_owned(),
        instance_type: instance_type.to_owned(),
    }
}

fn modify(volume_id: &str, spec: VolumeSpec) -> Operation {
    Operation::ModifyVolume { volume_id: volume_id.to_owned(), spec }
}

fn evidence(second: i64) -> Evidence {
    Evidence {
        days_seen: 30.0,
        capacity_ratio: 0.5,
        lowers_performance: true,
        ..Evidence::nothing(at(second - DAY_S), at(second))
    }
}

impl Stage {
    fn new() -> Self {
        let scenario = Scenario::parse(FLEET).expect("a scenario");
        let world = World::new(&scenario, 7, Catalog::embedded());
        // What is in flight at once has a test of its own.
        let bounds = Bounds { disruptive_in_flight: 100, ..Bounds::default() };
        Self { world, journal: Vec::new(), checker: Checker::with(bounds, 0) }
    }

    /// The id of the first resource of an archetype, by its name.
    fn id(&mut self, name: &str) -> String {
        let kinds = [Kind::Instance, Kind::Volume, Kind::Function, Kind::Group];
        let mut all = kinds
            .into_iter()
            .flat_map(|kind| self.world.discover(REGION, kind, at(0)).expect("no faults"));
        let wanted = format!("{name}-1");
        all.find(|one| one.tag("Name") == Some(wanted.as_str())).expect("it is in the fleet").id
    }

    fn record(&mut self, second: i64, entry: Entry) {
        self.journal.push(Record { at: at(second), by: "trimtab".to_owned(), entry });
        self.verdict(second);
    }

    /// A change that is not journalled yet.
    fn change(&self, second: i64, id: &str, action: Action, desired: Spec, mode: Mode) -> Change {
        let mut looker = self.world.clone();
        looker.faults = Faults::default();
        let resource = looker.describe(id, at(second + 9)).expect("it is there");
        let recommendation = Recommendation {
            resource: resource.reference.clone(),
            resource_id: id.to_owned(),
            action,
            expected: resource.spec(),
            desired,
            alternates: Vec::new(),
            reason: "it is too large".to_owned(),
            evidence: evidence(second),
            risk: None,
            saving: None,
            cost_today: None,
            price_basis: None,
            saving_basis: SavingBasis::List,
        };
        let opening = Opening {
            recommendation_id: "rec".to_owned(),
            digest: format!("digest-{id}-{second}"),
            group: id.to_owned(),
            zone: resource.zone.clone(),
            mode,
            approver: None,
            access: Access::default(),
            keys: Vec::new(),
            agent_id: "a1".to_owned(),
            auto_undo: false,
            steps: steps(&recommendation, &resource),
        };
        Change::open(opening, recommendation, at(second))
    }

    fn begin(&mut self, second: i64, change: &Change) {
        self.record(second, Entry::Opened { change: Box::new(change.clone()) });
    }

    /// A change that begins in autopilot.
    fn open(&mut self, second: i64, id: &str, action: Action, desired: Spec) -> String {
        let change = self.change(second, id, action, desired, Mode::Autopilot);
        self.begin(second, &change);
        change.id
    }

    fn decide(&mut self, second: i64, change: &Change, verdict: Verdict) {
        self.decide_as(LOCAL_NAME, second, change, verdict);
    }

    fn decide_as(&mut self, by: &str, second: i64, change: &Change, verdict: Verdict) {
        let decision = Decision {
            digest: change.digest.clone(),
            by: by.to_owned(),
            at: at(second),
            verdict,
            reason: None,
            until: None,
            now: false,
            begin_at: None,
            auto_undo: false,
        };
        let entry = Entry::Decided {
            recommendation_id: "rec".to_owned(),
            arn: change.recommendation.resource.arn.0.clone(),
            action: change.recommendation.action,
            decision,
            record: None,
            exception: None,
        };
        self.record(second, entry);
    }

    fn event(&mut self, second: i64, change_id: &str, event: Event) {
        self.record(second, Entry::Change { change_id: change_id.to_owned(), event });
    }

    fn intend(&mut self, second: i64, change_id: &str, step: &str, operation: &Operation) {
        let event = Event::Attempted { step: step.to_owned(), operation: operation.clone() };
        self.event(second, change_id, event);
    }

    fn write(&mut self, second: i64, operation: &Operation) {
        self.world.perform(REGION, operation, at(second)).expect("accepted");
        self.verdict(second);
    }

    /// Journals, then writes: as it should be.
    fn act(&mut self, second: i64, change_id: &str, step: &str, operation: &Operation) {
        self.intend(second, change_id, step, operation);
        self.write(second, operation);
    }

    fn undo(&mut self, second: i64, change_id: &str) {
        let reason = "errors".to_owned();
        self.event(second, change_id, Event::UndoBegun { reason, steps: Vec::new() });
    }

    fn finish(&mut self, second: i64, change_id: &str, state: State) {
        let reason = "so it is".to_owned();
        self.event(second, change_id, Event::Finished { state, reason, provisional: false });
    }

    /// Tunes a function and has it watched.
    fn tune(&mut self, second: i64, name: &str, memory_mb: u32) -> String {
        let id = self.open(second, name, Action::TuneFunctionMemory, function(memory_mb));
        self.act(second, &id, "set-memory", &memory(name, memory_mb));
        self.event(second + 20, &id, Event::Applied);
        id
    }

    /// Stops, resizes and starts an instance.
    fn resize(&mut self, second: i64, instance_id: &str, instance_type: &str) -> String {
        let desired = instance(instance_type, PowerState::Running);
        let id = self.open(second, instance_id, Action::ResizeInstance, desired);
        self.act(second, &id, "stop", &stop(instance_id));
        self.act(second + 200, &id, "set-type", &set_type(instance_id, instance_type));
        self.act(second + 210, &id, "start", &start(instance_id));
        self.event(second + 600, &id, Event::Applied);
        id
    }

    /// What the checkers say at `second`.
    fn verdict(&mut self, second: i64) -> Vec<String> {
        self.checker.observe(&self.world, &self.journal, at(second));
        self.checker.violations()
    }

    fn clean(&mut self, second: i64) {
        assert_eq!(self.verdict(second), Vec::<String>::new());
    }

    /// Exactly one violation, which says this.
    fn fires(&mut self, second: i64, words: &str) {
        let found = self.verdict(second);
        assert_eq!(found.len(), 1, "not one violation that says {words:?}: {found:?}");
        assert!(found[0].contains(words), "{words:?} is not in {found:?}");
    }
}

#[test]
fn an_orderly_run_breaks_nothing() {
    let mut stage = Stage::new();
    stage.clean(0);
    stage.tune(0, "resize-1", 512);
    let desk = stage.id("desk");
    let desired = instance("m5.large", PowerState::Running);
    let change = stage.change(30, &desk, Action::ResizeInstance, desired, Mode::Copilot);
    stage.decide(30, &change, Verdict::Approved);
    stage.begin(30, &change);
    stage.act(30, &change.id, "stop", &stop(&desk));
    stage.clean(200);
    stage.act(200, &change.id, "set-type", &set_type(&desk, "m5.large"));
    stage.act(210, &change.id, "start", &start(&desk));
    stage.event(600, &change.id, Event::Applied);
    stage.finish(200_000, &change.id, State::Kept);
    stage.clean(200_000);
    let log = stage.id("log");
    let id = stage.open(200_000, &log, Action::TuneVolume, Spec::Volume(gp3(500)));
    stage.act(200_000, &id, "modify-volume", &modify(&log, gp3(500)));
    stage.event(220_000, &id, Event::Applied);
    let orphan = stage.id("orphan");
    let gone = Spec::Gone { state: trimtab_models::spec::Gone::Deleted };
    let id = stage.open(220_000, &orphan, Action::DeleteUnattachedVolume, gone);
    let take = Operation::CreateSnapshot { volume_id: orphan.clone(), mark: id.clone() };
    stage.act(220_000, &id, "snapshot", &take);
    stage.act(230_000, &id, "delete-volume", &Operation::DeleteVolume { volume_id: orphan });
    stage.event(231_000, &id, Event::Applied);
    stage.clean(240_000);
}

#[test]
fn a_write_needs_an_attempt_before_it() {
    let mut stage = Stage::new();
    stage.write(0, &memory("resize-1", 512));
    stage.fires(1, "no journalled attempt before it");

    let mut stage = Stage::new();
    let id = stage.open(0, "resize-1", Action::TuneFunctionMemory, function(512));
    stage.write(5, &memory("resize-1", 512));
    stage.intend(6, &id, "set-memory", &memory("resize-1", 512));
    stage.fires(10, "no journalled attempt before it");

    let mut stage = Stage::new();
    let id = stage.open(0, "resize-1", Action::TuneFunctionMemory, function(512));
    stage.intend(5, &id, "set-memory", &memory("resize-1", 512));
    stage.write(5, &memory("resize-1", 640));
    stage.fires(10, "no journalled attempt before it");
}

#[test]
fn a_refused_attempt_excuses_no_later_write() {
    for (kind, excused) in [(FailureKind::Throttled, false), (FailureKind::Uncertain, true)] {
        let mut stage = Stage::new();
        let id = stage.open(0, "resize-1", Action::TuneFunctionMemory, function(512));
        let operation = memory("resize-1", 512);
        stage.intend(5, &id, "set-memory", &operation);
        let failure = Failure {
            kind,
            call: operation.iam_action().to_owned(),
            target: "resize-1".to_owned(),
            message: "it failed".to_owned(),
        };
        let step = "set-memory".to_owned();
        stage.event(6, &id, Event::Refused { step, failure });
        stage.write(10, &operation);
        if excused {
            // The effect of a call without an answer may come late.
            stage.clean(20);
        } else {
            stage.fires(20, "no journalled attempt before it");
        }
    }
}

#[test]
fn a_step_has_one_effect() {
    let mut stage = Stage::new();
    let id = stage.tune(0, "resize-1", 512);
    stage.clean(50);
    stage.act(100, &id, "set-memory", &memory("resize-1", 640));
    stage.fires(200, "second effect of step set-memory");

    let mut stage = Stage::new();
    let orphan = stage.id("orphan");
    let gone = Spec::Gone { state: trimtab_models::spec::Gone::Deleted };
    let id = stage.open(0, &orphan, Action::DeleteUnattachedVolume, gone);
    let take = Operation::CreateSnapshot { volume_id: orphan, mark: id.clone() };
    stage.act(0, &id, "snapshot", &take);
    stage.act(100, &id, "snapshot", &take);
    stage.fires(200, "second effect of step snapshot");

    let mut stage = Stage::new();
    let desk = stage.id("desk");
    let id = stage.resize(0, &desk, "m5.large");
    stage.act(300, &id, "start", &start(&desk));
    stage.clean(700);
}

#[test]
fn an_undone_change_is_as_it_was() {
    for (back, expect) in [(3_008, None), (768, Some("was undone, but"))] {
        let mut stage = Stage::new();
        let id = stage.tune(0, "resize-1", 512);
        stage.undo(3_600, &id);
        stage.act(3_600, &id, "set-memory", &memory("resize-1", back));
        stage.finish(3_600, &id, State::Undone);
        match expect {
            Some(words) => stage.fires(3_700, words),
            None => stage.clean(3_700),
        }
    }
    let mut stage = Stage::new();
    let id = stage.tune(0, "resize-1", 512);
    stage.undo(3_600, &id);
    stage.finish(3_600, &id, State::Undone);
    stage.fires(3_700, "was undone, but");
}

#[test]
fn undone_bounds_are_compared_without_the_desired_capacity() {
    for (max_size, broken) in [(8, false), (9, true)] {
        let mut stage = Stage::new();
        let set = |min_size, max_size, desired_capacity| Operation::SetGroupBounds {
            group_name: "workers-1".to_owned(),
            min_size,
            max_size,
            desired_capacity,
        };
        let desired = Spec::Group { min_size: 4, max_size: 8, desired_capacity: 4 };
        let id = stage.open(0, "workers-1", Action::TuneGroupCapacity, desired);
        stage.act(0, &id, "set-bounds", &set(4, 8, Some(4)));
        stage.undo(600, &id);
        stage.act(600, &id, "set-bounds", &set(8, max_size, None));
        stage.finish(700, &id, State::Undone);
        if broken {
            stage.fires(800, "was undone, but");
        } else {
            stage.clean(800);
        }
    }
}

#[test]
fn datapilot_begins_nothing_and_copilot_needs_an_approval() {
    use Verdict::{Approved, Rejected};
    let table: [(Mode, &[Verdict], Option<&str>); 6] = [
        (Mode::Datapilot, &[], Some("began in datapilot")),
        (Mode::Datapilot, &[Approved], Some("began in datapilot")),
        (Mode::Copilot, &[], Some("without an approval")),
        (Mode::Copilot, &[Approved, Rejected], Some("without an approval")),
        (Mode::Copilot, &[Approved], None),
        (Mode::Autopilot, &[], None),
    ];
    for (mode, verdicts, expect) in table {
        let mut stage = Stage::new();
        let action = Action::TuneFunctionMemory;
        let change = stage.change(0, "resize-1", action, function(512), mode);
        for verdict in verdicts {
            stage.decide(0, &change, *verdict);
        }
        stage.begin(1, &change);
        match expect {
            Some(words) => stage.fires(2, words),
            None => stage.clean(2),
        }
    }
}

#[test]
fn above_a_bound_it_takes_as_many_people_as_the_plan_says() {
    let people = || BTreeSet::from(["ada".to_owned(), "bob".to_owned()]);
    let above = Bounds { quorum_above_risk: Some(0.1), people: people(), ..Bounds::default() };
    let table: [(&Bounds, &[&str], Option<&str>); 7] = [
        (&above, &[], Some("it takes 2")),
        (&above, &["ada"], Some("it takes 2")),
        (&above, &["ada", "Ada "], Some("it takes 2")),
        (&above, &["ada", "eve"], Some("it takes 2")),
        (&above, &["ada", "bob"], None),
        (&Bounds { people: BTreeSet::new(), ..above.clone() }, &["eve", "kim"], Some("it takes 2")),
        (&Bounds { quorum_above_risk: None, ..above.clone() }, &["ada"], None),
    ];
    for (bounds, names, expect) in table {
        let mut stage = Stage::new();
        stage.checker = Checker::with(bounds.clone(), 0);
        let action = Action::TuneFunctionMemory;
        let change = stage.change(0, "resize-1", action, function(512), Mode::Copilot);
        for name in names {
            stage.decide_as(name, 0, &change, Verdict::Approved);
        }
        stage.begin(1, &change);
        let found = stage.verdict(2);
        let quorum: Vec<_> = found.iter().filter(|text| text.starts_with("quorum")).collect();
        match expect {
            Some(words) => assert!(quorum.iter().any(|text| text.contains(words)), "{found:?}"),
            None => assert!(quorum.is_empty(), "{found:?}"),
        }
    }
}

#[test]
fn an_exception_holds_until_its_end_or_until_somebody_ends_it() {
    let check = |about: &dyn Fn(&Change) -> About, end: Option<i64>, begins: i64, holds: bool| {
        let mut stage = Stage::new();
        let action = Action::TuneFunctionMemory;
        let change = stage.change(0, "resize-1", action, function(512), Mode::Autopilot);
        let no = Exception::new(about(&change), "ada", at(0), at(100), "month end");
        let id = no.id.clone();
        stage.record(0, Entry::Excepted { exception: no });
        if let Some(second) = end {
            stage.record(second, Entry::ExceptionEnded { id });
        }
        stage.begin(begins, &change);
        if holds {
            stage.fires(begins, "in spite of exception");
        } else {
            stage.clean(begins);
        }
    };
    let resource = |action| {
        move |change: &Change| About::Resource {
            arn: change.recommendation.resource.arn.clone(),
            action,
        }
    };
    let size = |change: &Change| About::rejected(&change.recommendation, false);
    let other = |change: &Change| About::Proposal { digest: format!("{} and", change.digest) };
    let tag = |_: &Change| About::Tag {
        key: "no such tag".to_owned(),
        value: "x".to_owned(),
        action: None,
    };
    check(&resource(None), None, 99, true);
    check(&resource(None), None, 100, false);
    check(&resource(None), Some(50), 99, false);
    check(&resource(Some(Action::TuneFunctionMemory)), None, 1, true);
    check(&resource(Some(Action::ResizeInstance)), None, 1, false);
    check(&size, None, 1, true);
    check(&other, None, 1, false);
    check(&tag, None, 1, false);
}

#[test]
fn an_approval_is_good_for_its_digest_and_for_one_change() {
    let mut stage = Stage::new();
    let action = Action::TuneFunctionMemory;
    let first = stage.change(0, "resize-1", action, function(512), Mode::Copilot);
    let other = stage.change(1, "resize-2", action, function(512), Mode::Copilot);
    stage.decide(0, &first, Verdict::Approved);
    stage.begin(2, &other);
    stage.fires(3, "without an approval of its digest");

    let mut stage = Stage::new();
    stage.decide(0, &first, Verdict::Approved);
    stage.begin(1, &first);
    stage.finish(2, &first.id, State::Undone);
    stage.clean(3);
    let again = Change { id: "again".to_owned(), ..first };
    stage.begin(30 * DAY_S, &again);
    stage.fires(30 * DAY_S, "again began in copilot without an approval");
}

#[test]
fn the_stop_switch_holds_until_it_is_released() {
    let mut stage = Stage::new();
    stage.tune(0, "resize-1", 512);
    stage.record(5, Entry::Stopped { reason: "an incident".to_owned() });
    stage.clean(6);
    stage.tune(10, "resize-2", 512);
    stage.fires(20, "began while the stop switch was set");

    let mut stage = Stage::new();
    stage.record(0, Entry::Stopped { reason: "an incident".to_owned() });
    stage.record(5, Entry::Resumed);
    stage.tune(10, "resize-1", 512);
    stage.clean(20);
}

#[test]
fn what_opted_out_is_left_alone() {
    let mut stage = Stage::new();
    let legacy = stage.id("legacy");
    stage.open(0, &legacy, Action::ResizeInstance, instance("m5.large", PowerState::Running));
    stage.fires(1, "which opted out");
}

#[test]
fn what_shows_no_usage_is_left_alone() {
    let mut stage = Stage::new();
    stage.world.faults.silent.insert("resize-1".to_owned());
    stage.tune(0, "resize-2", 512);
    stage.clean(50);
    stage.tune(60, "resize-1", 512);
    stage.fires(100, "which shows no usage");
    let mut stage = Stage::new();
    let orphan = stage.id("orphan");
    stage.world.faults.silent.insert(orphan.clone());
    let gone = Spec::Gone { state: trimtab_models::spec::Gone::Deleted };
    stage.open(0, &orphan, Action::DeleteUnattachedVolume, gone);
    stage.clean(1);
}

#[test]
fn budgets_hold_for_any_hour() {
    // The fifth disruptive change, within the hour of the first or after it.
    for (second, over) in [(3_599, true), (3_600, false)] {
        let mut stage = Stage::new();
        for number in 1..=4 {
            stage.tune((number - 1) * 60, &format!("resize-{number}"), 512);
        }
        stage.clean(1_000);
        stage.tune(second, "resize-5", 512);
        if over {
            stage.fires(4_000, "one more than 4 changes in an hour");
        } else {
            stage.clean(4_000);
        }
    }
    // What disrupts nothing has a budget of its own.
    let mut stage = Stage::new();
    for number in 1..=4 {
        stage.tune(number * 60, &format!("resize-{number}"), 512);
    }
    let log = stage.id("log");
    for number in 0..20 {
        let second = 300 + number;
        let id = stage.open(second, &log, Action::TuneVolume, Spec::Volume(gp3(500)));
        stage.finish(second, &id, State::Undone);
    }
    stage.clean(1_000);
    stage.open(2_000, &log, Action::TuneVolume, Spec::Volume(gp3(500)));
    stage.fires(2_000, "one more than 20 changes in an hour");
}

#[test]
fn a_resource_rests_for_a_week_and_takes_one_change_at_a_time() {
    for (second, early) in [(7 * DAY_S - 1, true), (7 * DAY_S + 20, false)] {
        let mut stage = Stage::new();
        let id = stage.tune(0, "resize-1", 512);
        stage.finish(3_600, &id, State::Kept);
        stage.tune(second, "resize-1", 256);
        if early {
            stage.fires(second + 60, "too soon after another change");
        } else {
            stage.clean(second + 60);
        }
    }
    // A change that never ends keeps its resource, a volume's as well.
    let mut stage = Stage::new();
    let log = stage.id("log");
    stage.open(0, &log, Action::TuneVolume, Spec::Volume(gp3(500)));
    stage.open(30 * DAY_S, &log, Action::TuneVolume, Spec::Volume(gp3(500)));
    stage.fires(30 * DAY_S, "too soon after another change");
    // A volume's next change may come once the last is through: AWS's own rule holds it.
    let mut stage = Stage::new();
    let id = stage.open(0, &log, Action::TuneVolume, Spec::Volume(gp3(500)));
    stage.act(0, &id, "modify-volume", &modify(&log, gp3(500)));
    stage.event(20_000, &id, Event::Applied);
    stage.open(DAY_S, &log, Action::TuneVolume, Spec::Volume(gp3(500)));
    stage.clean(DAY_S);
}

#[test]
fn a_machine_is_never_left_off() {
    use State::{Conflicted, Kept, Stuck};
    let table = [
        (Action::ResizeInstance, None, false),
        (Action::ResizeInstance, Some(Stuck), true),
        (Action::ResizeInstance, Some(Conflicted), true),
        (Action::StopIdleInstance, Some(Kept), false),
    ];
    for (action, end, left) in table {
        let mut stage = Stage::new();
        let desk = stage.id("desk");
        let desired = instance("m5.xlarge", PowerState::Stopped);
        let id = stage.open(0, &desk, action, desired);
        stage.act(0, &id, "stop", &stop(&desk));
        if let Some(state) = end {
            stage.finish(600, &id, state);
        }
        if left {
            stage.fires(700, "is off although");
        } else {
            stage.clean(700);
        }
    }
    let mut stage = Stage::new();
    let desk = stage.id("desk");
    stage.intend(0, "chg-of-nobody", "stop", &stop(&desk));
    stage.write(0, &stop(&desk));
    let found = stage.verdict(700);
    assert!(found.iter().any(|text| text.contains("is off although")), "{found:?}");
    assert!(found.iter().any(|text| text.contains("no record opened it")), "{found:?}");
}

fn route(version: &str, share: Option<&str>) -> Operation {
    let of = |version: &str| Share { version: version.to_owned(), percent: 10 };
    Operation::SetAlias {
        function_name: "checkout-1".to_owned(),
        alias: "live".to_owned(),
        version: version.to_owned(),
        canary: share.map(of),
        revision_id: None,
    }
}

/// A change whose canary has its share, ten minutes after it began.
fn canary(stage: &mut Stage) -> String {
    let id = stage.open(
        0,
        "checkout-1",
        Action::TuneFunctionMemory,
        Spec::Function { memory_mb: 1_536 },
    );
    let function = stage.world.true_function("checkout-1", at(0)).expect("it is in the fleet");
    let publish = Operation::PublishVersion {
        function_name: "checkout-1".to_owned(),
        code_sha256: function.code_sha256.expect("it has code"),
        revision_id: None,
    };
    stage.act(10, &id, "set-memory", &memory("checkout-1", 1_536));
    stage.act(100, &id, "publish", &publish);
    stage.act(200, &id, "canary", &route("1", Some("2")));
    stage.clean(600);
    id
}

#[test]
fn a_canary_keeps_its_share_only_while_somebody_is_about_it() {
    for (end, left) in
        [(State::Stuck, false), (State::Conflicted, true), (State::Inconclusive, true)]
    {
        let mut stage = Stage::new();
        let id = canary(&mut stage);
        stage.finish(700, &id, end);
        let found = stage.verdict(800);
        let named = found.iter().any(|text| text.contains("shares its calls although"));
        assert_eq!(named, left, "{end}: {found:?}");
    }
}

#[test]
fn somebody_who_moves_an_alias_keeps_it_but_not_our_share() {
    let withdraw = |stage: &Stage, percent, second| {
        let function = stage.world.true_function("checkout-1", at(second)).expect("it is there");
        Operation::WithdrawShare {
            function_name: "checkout-1".to_owned(),
            alias: "live".to_owned(),
            share: Share { version: "2".to_owned(), percent },
            revision_id: function.aliases[0].revision_id.clone().expect("an alias has one"),
        }
    };
    // What is done after somebody else has moved the alias, and what is wrong with it.
    for (percent, words) in [
        (None, "shares its calls although"),
        (Some(20), "although somebody else wrote"),
        (Some(10), ""),
    ] {
        let mut stage = Stage::new();
        let id = canary(&mut stage);
        stage.world.faults.foreign = vec![ForeignChange {
            at: at(700),
            id: "checkout-1".to_owned(),
            spec: Some(function(2_944)),
        }];
        stage.world.describe("checkout-1", at(710)).expect("it is there");
        let moved = stage.world.true_function("checkout-1", at(710)).expect("it is there");
        assert_eq!(moved.aliases[0].version, "3");
        assert_eq!(moved.aliases[0].weights.get("2"), Some(&0.1), "their update names no weights");
        stage.undo(900, &id);
        if let Some(percent) = percent {
            let operation = withdraw(&stage, percent, 900);
            stage.act(900, &id, "withdraw-share", &operation);
            let left = stage.world.true_function("checkout-1", at(910)).expect("it is there");
            assert_eq!((left.aliases[0].version.as_str(), left.aliases[0].weights.len()), ("3", 0));
        }
        stage.finish(1_000, &id, State::Conflicted);
        if words.is_empty() {
            stage.clean(1_100);
        } else {
            stage.fires(1_100, words);
        }
    }
}

#[test]
fn an_undo_brings_back_alias_and_memory() {
    for (steps, expect) in [(0, "is Some"), (1, "is Some"), (2, "")] {
        let mut stage = Stage::new();
        let id = canary(&mut stage);
        stage.act(2_000, &id, "shift", &route("2", None));
        stage.event(2_100, &id, Event::Applied);
        stage.clean(2_200);
        let begun = Event::UndoBegun { reason: "asked".to_owned(), steps: Vec::new() };
        stage.event(3_000, &id, begun);
        let back = [("alias-back", route("1", None)), ("set-memory", memory("checkout-1", 3_008))];
        for (index, (step, operation)) in back.iter().take(steps).enumerate() {
            let second = 3_100 + 100 * i64::try_from(index).expect("two steps");
            stage.act(second, &id, step, operation);
        }
        stage.finish(4_000, &id, State::Undone);
        if expect.is_empty() {
            stage.clean(4_100);
        } else {
            stage.fires(4_100, expect);
        }
    }
}

#[test]
fn a_machine_behind_a_balancer_is_drained_first_and_put_back() {
    let behind = || {
        let mut stage = Stage::new();
        let desk = stage.id("desk");
        let group = stage.world.put_behind_balancer(REGION, &[desk.clone()].into(), 60, "healthy");
        let desired = instance("m5.large", PowerState::Running);
        let id = stage.open(0, &desk, Action::ResizeInstance, desired);
        (stage, desk, group, id)
    };
    let (mut stage, desk, _, id) = behind();
    stage.act(10, &id, "stop", &stop(&desk));
    stage.fires(20, "while it was registered");

    let (mut stage, desk, group_arn, id) = behind();
    let (instance_id, port) = (desk.clone(), 80);
    let drain = Operation::DeregisterTarget {
        instance_id: instance_id.clone(),
        group_arn: group_arn.clone(),
        port,
    };
    stage.act(10, &id, "deregister", &drain);
    stage.act(100, &id, "stop", &stop(&desk));
    stage.clean(200);
    stage.finish(300, &id, State::Stuck);
    let found = stage.verdict(400);
    assert!(found.iter().any(|text| text.contains("is out of")), "{found:?}");

    let (mut stage, desk, group_arn, id) = behind();
    let (instance_id, port) = (desk, 80);
    let back = Operation::RegisterTarget {
        instance_id: instance_id.clone(),
        group_arn: group_arn.clone(),
        port,
    };
    let drain = Operation::DeregisterTarget { instance_id, group_arn, port };
    stage.act(10, &id, "deregister", &drain);
    stage.act(100, &id, "register", &back);
    stage.finish(300, &id, State::Stuck);
    stage.clean(400);
}

#[test]
fn three_disruptive_changes_are_in_flight_at_most() {
    let mut stage = Stage::new();
    stage.checker = Checker::new();
    for number in 1..=3 {
        stage.tune(number * 4_000, &format!("resize-{number}"), 512);
    }
    stage.clean(13_000);
    stage.tune(20_000, "resize-4", 512);
    stage.fires(21_000, "one more than 3 disruptive changes in flight");
}

#[test]
fn a_machine_that_is_off_for_another_reason_is_not_the_old_changes_fault() {
    // The next change, a week and more later, has it off in its turn.
    let mut stage = Stage::new();
    let desk = stage.id("desk");
    let first = stage.resize(0, &desk, "m5.large");
    stage.finish(2 * DAY_S, &first, State::Kept);
    let desired = instance("t3.medium", PowerState::Running);
    let id = stage.open(8 * DAY_S, &desk, Action::ResizeInstance, desired);
    stage.act(8 * DAY_S, &id, "stop", &stop(&desk));
    stage.clean(8 * DAY_S + 200);
    // Somebody else switches it off after the change.
    let mut stage = Stage::new();
    let first = stage.resize(0, &desk, "m5.large");
    stage.finish(2 * DAY_S, &first, State::Kept);
    let off = instance("m5.large", PowerState::Stopped);
    stage.world.faults.foreign =
        vec![ForeignChange { at: at(3 * DAY_S), id: desk.clone(), spec: Some(off) }];
    let shown = stage.world.describe(&desk, at(4 * DAY_S)).expect("it is there");
    assert_eq!(shown.spec(), instance("m5.large", PowerState::Stopped));
    stage.clean(4 * DAY_S);
}

#[test]
fn a_volume_keeps_its_size() {
    let mut stage = Stage::new();
    let log = stage.id("log");
    let id = stage.open(0, &log, Action::TuneVolume, Spec::Volume(gp3(500)));
    stage.act(0, &id, "modify-volume", &modify(&log, gp3(520)));
    stage.fires(1, "the size of");
    // The owner lets it grow between two changes.
    let mut stage = Stage::new();
    let id = stage.open(0, &log, Action::TuneVolume, Spec::Volume(gp3(500)));
    stage.act(0, &id, "modify-volume", &modify(&log, gp3(500)));
    stage.event(20_000, &id, Event::Applied);
    stage.world.faults.foreign =
        vec![ForeignChange { at: at(DAY_S), id: log.clone(), spec: Some(Spec::Volume(gp3(600))) }];
    stage.world.describe(&log, at(2 * DAY_S)).expect("it is there");
    let spec = VolumeSpec { iops: Some(4_000), ..gp3(600) };
    let id = stage.open(2 * DAY_S, &log, Action::TuneVolume, Spec::Volume(spec.clone()));
    stage.act(2 * DAY_S, &id, "modify-volume", &modify(&log, spec));
    stage.clean(3 * DAY_S);
}

#[test]
fn looking_often_and_looking_once_find_the_same() {
    let run = |often: bool| {
        let mut stage = Stage::new();
        for number in 1..=6 {
            let second = number * 60;
            stage.tune(second, &format!("resize-{number}"), 512);
            if often {
                stage.verdict(second + 30);
            }
        }
        stage.write(500, &memory("resize-1", 256));
        stage.verdict(1_000)
    };
    assert_eq!(run(true), run(false));
    assert_eq!(run(true).len(), 3, "two over the budget, one without an attempt");
}
