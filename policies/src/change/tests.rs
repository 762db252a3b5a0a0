//! Tables of `next`: what follows from each sight, after each failure, forward and back.

mod alias;

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{
    recommendation::Action,
    resource::{InstanceState, Modification, ModificationState, Registration, Resource},
};

use super::*;
use crate::{
    facts::{InstanceStatus, Target, Targets},
    fixtures::{
        self, function, function_mut, gp2, gp3, group, group_mut, instance, instance_mut, now,
        volume, volume_mut,
    },
    mark::Mark,
    operations::{FailureKind, Operation},
    steps::{Made, Seen, Sighting},
};

/// A change, and the time it is looked at.
struct Run {
    change: Change,
    at: Timestamp,
}

/// A change that has done nothing yet.
fn open(action: Action) -> Run {
    let resource = fixtures::resource_for(action, "x-1");
    let mut candidate = fixtures::candidate(action, &resource);
    if action == Action::ResizeInstance {
        candidate.recommendation.alternates = vec!["m6i.large".to_owned()];
        candidate.steps = crate::steps::steps(&candidate.recommendation, &resource);
    }
    let mut change = fixtures::change(&candidate, "x-1", State::Queued, now());
    change.zone = Some("us-east-1a".to_owned());
    "chg-1".clone_into(&mut change.id);
    Run { change, at: now() }
}

/// A resize whose mark is set.
fn begin(action: Action) -> Run {
    let mut run = open(action);
    if action == Action::ResizeInstance {
        let untagged = unmarked(running("m5.xlarge"));
        assert!(matches!(run.act(&untagged), Operation::TagResource { .. }));
        run.record(&running("m5.xlarge"));
    }
    run
}

fn our_mark() -> Mark {
    let [agent_id, change_id, was] = ["a1", "chg-1", "m5.xlarge"].map(str::to_owned);
    Mark { agent_id, change_id, was }
}

fn unmarked(mut seen: Seen) -> Seen {
    if let Sighting::Present(resource) = &mut seen.resource {
        resource.reference.tags.clear();
    }
    seen
}

impl Run {
    fn wait(&mut self, seconds: i64) -> &mut Self {
        self.at += SignedDuration::from_secs(seconds);
        self
    }

    fn next(&self, seen: &Seen) -> Next {
        next(&self.change, seen, self.at)
    }

    /// The call that follows, journalled as attempted.
    fn act(&mut self, seen: &Seen) -> Operation {
        // On the way back the mark is still there.
        if let Next::Record(event @ Event::Done { .. }) = self.next(seen)
            && self.change.current().is_some_and(|current| current.step.kind.is_mark())
        {
            self.change.apply(self.at, &event);
        }
        match self.next(seen) {
            Next::Act { step, operation } => {
                let event = Event::Attempted { step, operation: operation.clone() };
                self.change.apply(self.at, &event);
                operation
            }
            other @ (Next::Record(_) | Next::Poll(_) | Next::Rest) => {
                panic!("a call should follow {seen:?}, not {other:?}")
            }
        }
    }

    fn refuse(&mut self, kind: FailureKind) -> &mut Self {
        let step = self.change.current().expect("a current step").step.name.clone();
        let failure = Failure {
            kind,
            call: "call".to_owned(),
            target: "x-1".to_owned(),
            message: "no".to_owned(),
        };
        self.change.apply(self.at, &Event::Refused { step, failure });
        self
    }

    /// The event that follows, folded.
    fn record(&mut self, seen: &Seen) -> Event {
        match self.next(seen) {
            Next::Record(event) => {
                self.change.apply(self.at, &event);
                event
            }
            other @ (Next::Act { .. } | Next::Poll(_) | Next::Rest) => {
                panic!("an event should follow {seen:?}, not {other:?}")
            }
        }
    }

    /// Records until something else follows.
    fn settle(&mut self, seen: &Seen) -> &mut Self {
        while let Next::Record(event) = self.next(seen) {
            self.change.apply(self.at, &event);
        }
        self
    }

    fn polls(&self, seen: &Seen) -> bool {
        matches!(self.next(seen), Next::Poll(at) if at > self.at)
    }

    fn ended(&self) -> (State, &str) {
        let reason = self.change.outcome.as_ref().map_or("", |outcome| &outcome.reason);
        (self.change.state, reason)
    }
}

fn seen(resource: Resource) -> Seen {
    Seen {
        resource: Sighting::Present(Box::new(resource)),
        status: None,
        made: Some(None),
        targets: None,
        canary: None,
    }
}

fn machine(instance_type: &str, state: InstanceState, reason: Option<&str>) -> Seen {
    let mut resource = instance("x-1");
    let tags = our_mark().tags().into_iter().map(|(key, value)| (key.to_owned(), value));
    resource.reference.tags.extend(tags);
    let machine = instance_mut(&mut resource);
    instance_type.clone_into(&mut machine.instance_type);
    machine.state = state;
    machine.state_reason = reason.map(str::to_owned);
    seen(resource)
}

fn running(instance_type: &str) -> Seen {
    let mut seen = machine(instance_type, InstanceState::Running, None);
    let ok = || "ok".to_owned();
    seen.status = Some(InstanceStatus { system: ok(), instance: ok(), events: Vec::new() });
    seen
}

fn stopped(instance_type: &str) -> Seen {
    machine(instance_type, InstanceState::Stopped, Some("Client.UserInitiatedShutdown"))
}

fn disk(spec: VolumeSpecOf, modification: Option<(ModificationState, VolumeSpecOf)>) -> Seen {
    let of = |which| match which {
        VolumeSpecOf::Old => gp2(),
        VolumeSpecOf::New => gp3(),
    };
    let mut resource = volume("x-1");
    let volume = volume_mut(&mut resource);
    volume.spec = of(spec);
    volume.modification = modification.map(|(state, target)| Modification {
        state,
        started_at: now(),
        target: of(target),
    });
    seen(resource)
}

#[derive(Debug, Clone, Copy)]
enum VolumeSpecOf {
    Old,
    New,
}
use VolumeSpecOf::{New, Old};

const CAPACITY: Option<&str> = Some("Server.InsufficientInstanceCapacity");

/// Stopped, its type set to the first rung.
fn resized() -> Run {
    let mut run = begin(Action::ResizeInstance);
    run.act(&running("m5.xlarge"));
    run.wait(60).record(&stopped("m5.xlarge"));
    run.act(&stopped("m5.xlarge"));
    run.wait(10).record(&stopped("m5.large"));
    run
}

/// A describe may be older than our own last write: while the machine is off by our doing, what it was before is no sign of
/// somebody else.
#[test]
fn what_was_before_our_own_write_is_not_believed_while_the_machine_is_off() {
    let mut run = begin(Action::ResizeInstance);
    while run.change.current().is_some_and(|it| it.step.kind.as_start().is_none()) {
        let step = run.change.current().expect("a step").step.clone();
        let operation = Operation::StopInstance { instance_id: "x-1".to_owned() };
        run.change.apply(run.at, &Event::Attempted { step: step.name.clone(), operation });
        run.change.apply(run.at, &Event::Done { step: step.name, created_id: None });
    }
    let before = running("m5.xlarge");
    assert!(matches!(run.wait(30).next(&before), Next::Poll(_)), "{:?}", run.next(&before));
    assert!(matches!(run.wait(59).next(&before), Next::Poll(_)), "{:?}", run.next(&before));
    let Next::Record(Event::Finished { state, .. }) = run.wait(1).next(&before) else {
        panic!("{:?}", run.next(&before))
    };
    assert_eq!(state, State::Conflicted, "after the lag it is what it is");
}

#[test]
fn what_was_before_our_own_start_is_not_believed_while_status_checks_are_awaited() {
    let mut run = resized();
    run.act(&stopped("m5.large"));
    let pending = machine("m5.large", InstanceState::Pending, None);
    assert!(run.wait(5).polls(&pending));
    let running = running("m5.large");
    let unchecked = Seen { status: None, ..running };
    run.wait(25).record(&unchecked);
    let before = machine("m5.large", InstanceState::Stopping, None);
    assert!(matches!(run.wait(30).next(&before), Next::Poll(_)), "{:?}", run.next(&before));
    let Next::Record(Event::Finished { state, .. }) = run.wait(60).next(&before) else {
        panic!("{:?}", run.next(&before))
    };
    assert_eq!(state, State::Conflicted, "after the lag it is what it is");
}

#[test]
fn a_resize_goes_step_by_step_and_back() {
    let mut run = resized();
    assert!(run.change.owes_a_start());
    assert!(matches!(run.act(&stopped("m5.large")), Operation::StartInstance { .. }));
    assert!(run.wait(5).polls(&machine("m5.large", InstanceState::Pending, None)));
    run.wait(30).settle(&running("m5.large"));
    assert_eq!(run.change.state, State::Watching);
    let event = Event::UndoBegun { reason: "asked".to_owned(), steps: undo_steps(&run.change) };
    run.wait(30 * 3_600);
    run.change.apply(run.at, &event);
    run.act(&running("m5.large"));
    run.wait(60).record(&stopped("m5.large"));
    let Operation::SetInstanceType { instance_type, .. } = run.act(&stopped("m5.large")) else {
        panic!("the type is set back");
    };
    assert_eq!(instance_type, "m5.xlarge");
    run.wait(10).record(&stopped("m5.xlarge"));
    run.act(&stopped("m5.xlarge"));
    run.wait(60).settle(&running("m5.xlarge"));
    assert_eq!(run.ended(), (State::Undone, "asked"));
}

fn undo(run: &mut Run) {
    let event = Event::UndoBegun { reason: "asked".to_owned(), steps: undo_steps(&run.change) };
    run.change.apply(run.at, &event);
}

#[test]
fn the_mark_is_set_first_removed_after_the_outcome_and_set_again_before_an_undo() {
    let mut run = resized();
    run.act(&stopped("m5.large"));
    run.wait(60).settle(&running("m5.large"));
    assert_eq!(run.change.state, State::Watching);
    assert_eq!(run.next(&running("m5.large")), Next::Rest, "it stays while the change is watched");
    let kept = Event::Finished { state: State::Kept, reason: "well".to_owned(), provisional: true };
    run.wait(48 * 3_600);
    run.change.apply(run.at, &kept);
    let Operation::UntagResource { mark, .. } = run.act(&running("m5.large")) else {
        panic!("the mark is removed");
    };
    assert_eq!(mark, our_mark());
    let bare = unmarked(running("m5.large"));
    run.wait(10).settle(&bare);
    assert!(!run.change.has_work() && run.next(&bare) == Next::Rest);

    undo(run.wait(3_600));
    assert!(matches!(run.act(&bare), Operation::TagResource { .. }));
    run.wait(10).record(&running("m5.large"));
    assert!(matches!(run.act(&running("m5.large")), Operation::StopInstance { .. }));
    run.wait(60).record(&stopped("m5.large"));
    run.act(&stopped("m5.large"));
    run.wait(60).record(&stopped("m5.xlarge"));
    run.act(&stopped("m5.xlarge"));
    run.wait(60).settle(&running("m5.xlarge"));
    assert_eq!(run.ended(), (State::Undone, "asked"));
    assert!(matches!(run.act(&running("m5.xlarge")), Operation::UntagResource { .. }));
    run.wait(10).settle(&unmarked(running("m5.xlarge")));
    assert!(!run.change.has_work());
}

#[test]
fn a_mark_alone_is_no_write_that_binds() {
    let ready = unmarked(running("m5.xlarge"));
    let mut run = open(Action::ResizeInstance);
    run.act(&ready);
    assert!(run.change.is_unwritten());
    run.refuse(FailureKind::Denied).record(&ready);
    assert_eq!(run.ended().0, State::Undone);
    assert!(run.ended().1.starts_with("nothing was changed"), "{}", run.ended().1);
    assert!(run.polls(&ready), "a tag that is not seen yet may still be there");
    run.wait(90).settle(&ready);
    assert!(!run.change.has_work());

    let mut run = begin(Action::ResizeInstance);
    run.record(&stopped("m5.xlarge"));
    assert_eq!(run.ended().0, State::Undone, "somebody else stopped it");
    assert!(run.change.owes_unmark(), "nothing but the mark is ours");

    let mut run = resized();
    run.act(&stopped("m5.large"));
    run.wait(60).settle(&running("c5.9xlarge"));
    assert_eq!(run.ended().0, State::Conflicted);
    assert!(!run.change.owes_unmark(), "a person has to look first");
}

#[test]
fn a_mark_that_cannot_be_removed_is_left_after_a_day() {
    let mut run = resized();
    run.act(&stopped("m5.large"));
    run.wait(60).settle(&running("m5.large"));
    let kept = Event::Finished { state: State::Kept, reason: "well".to_owned(), provisional: true };
    run.change.apply(run.at, &kept);
    let ended_at = run.at;
    let marked = running("m5.large");
    while run.change.owes_unmark() {
        match run.next(&marked) {
            Next::Act { step, operation } => {
                run.change.apply(run.at, &Event::Attempted { step: step.clone(), operation });
                let failure = Failure {
                    kind: FailureKind::Uncertain,
                    call: "call".to_owned(),
                    target: "x-1".to_owned(),
                    message: "no answer".to_owned(),
                };
                run.change.apply(run.at, &Event::Refused { step, failure });
            }
            Next::Poll(at) => run.at = at,
            Next::Record(event) => run.change.apply(run.at, &event),
            Next::Rest => panic!("the mark is still owed"),
        }
    }
    assert_eq!(run.change.state, State::Kept);
    let hours = run.at.duration_since(ended_at).as_hours();
    assert!((20..=24).contains(&hours), "{hours} h");
    let error = run.change.unmark.and_then(|it| it.error).expect("it says why");
    assert!(error.contains("by hand") && error.contains("no answer"), "{error}");
}

#[test]
fn an_undo_does_without_a_mark_that_is_refused() {
    let mut run = resized();
    run.act(&stopped("m5.large"));
    run.wait(60).settle(&running("m5.large"));
    undo(&mut run);
    let bare = unmarked(running("m5.large"));
    run.act(&bare);
    run.refuse(FailureKind::Denied).record(&bare);
    run.act(&bare);
    run.wait(60).record(&stopped("m5.large"));
    run.act(&stopped("m5.large"));
    run.wait(60).record(&stopped("m5.xlarge"));
    run.act(&stopped("m5.xlarge"));
    run.wait(60).settle(&running("m5.xlarge"));
    assert_eq!(run.ended(), (State::Undone, "asked"));
}

fn blind() -> Seen {
    Seen {
        resource: Sighting::Unknown("no answer".to_owned()),
        status: None,
        made: None,
        targets: None,
        canary: None,
    }
}

/// Polls until something else follows.
fn wait_blind(run: &mut Run) -> i64 {
    let from = run.at;
    while let Next::Poll(at) = run.next(&blind()) {
        run.at = at;
    }
    run.at.duration_since(from).as_secs()
}

#[test]
fn a_machine_that_cannot_be_described_is_started_without_being_seen() {
    let mut run = resized();
    run.act(&stopped("m5.large"));
    assert_eq!(wait_blind(&mut run), 300);
    assert!(matches!(run.act(&blind()), Operation::StartInstance { .. }));
    assert_eq!(wait_blind(&mut run), 300, "and again, until it is seen");
    run.settle(&running("m5.large"));
    assert_eq!(run.change.state, State::Watching);

    // Before its type was set: the way forward is given up, the machine starts on what it has.
    let mut run = begin(Action::ResizeInstance);
    run.act(&running("m5.xlarge"));
    assert_eq!(wait_blind(&mut run), 600, "the stop has its own time");
    run.record(&blind());
    assert_eq!(run.change.state, State::Undoing);
    assert_eq!(wait_blind(&mut run), 300);
    assert!(matches!(run.act(&blind()), Operation::StartInstance { .. }));
    run.wait(60).settle(&running("m5.xlarge"));
    assert_eq!(run.ended().0, State::Undone);

    // After its type was set, nobody saw whether: it runs, and a person looks at it.
    let mut run = begin(Action::ResizeInstance);
    run.act(&running("m5.xlarge"));
    run.wait(60).record(&stopped("m5.xlarge"));
    run.act(&stopped("m5.xlarge"));
    wait_blind(&mut run);
    run.record(&blind());
    wait_blind(&mut run);
    assert!(matches!(run.act(&blind()), Operation::StartInstance { .. }));
    run.wait(60).settle(&running("m5.large"));
    let (state, reason) = run.ended();
    assert_eq!(state, State::Stuck, "{reason}");
    assert!(reason.contains("runs on m5.large"), "{reason}");
}

#[test]
fn what_we_did_not_stop_is_never_started_blind() {
    for action in [Action::ResizeInstance, Action::StopIdleInstance] {
        let mut run = begin(action);
        if action == Action::StopIdleInstance {
            run.act(&running("m5.xlarge"));
        }
        for _ in 0..500 {
            assert!(!matches!(run.next(&blind()), Next::Act { .. }), "{action}");
            run.wait(5);
        }
    }
}

#[test]
fn a_start_that_is_denied_waits_on_its_type() {
    let mut run = resized();
    for _ in 0..50 {
        assert!(matches!(run.act(&stopped("m5.large")), Operation::StartInstance { .. }));
        run.refuse(FailureKind::Denied).wait(30);
    }
    assert_eq!(run.change.rung, 0, "no other type would be allowed either");
    let (since, now) = (run.change.off_since().expect("it is off"), run.at);
    assert!(run.change.is_off_too_long(now), "since {since}");
    run.act(&stopped("m5.large"));
    run.wait(60).settle(&running("m5.large"));
    assert_eq!((run.change.state, run.change.off_since()), (State::Watching, None));
}

#[test]
fn a_step_that_goes_on_long_after_its_time_is_held_up() {
    let mut run = begin(Action::TuneFunctionMemory);
    run.act(&seen(function("x-1")));
    let budget = run.change.steps[0].step.budget_s;
    let unread = Seen { resource: Sighting::Unknown("denied".to_owned()), ..seen(function("x-1")) };
    run.wait(i64::from(budget) + 3_600);
    assert!(run.polls(&unread) && !run.change.is_held_up(run.at));
    run.wait(1);
    assert!(run.polls(&unread) && run.change.is_held_up(run.at));

    let mut small = function("x-1");
    function_mut(&mut small).memory_mb = 512;
    run.settle(&seen(small.clone()));
    assert_eq!(run.change.state, State::Watching);
    run.wait(10 * 86_400);
    assert!(!run.change.is_held_up(run.at), "nothing is at work");
    let event = Event::UndoBegun { reason: "asked".to_owned(), steps: undo_steps(&run.change) };
    run.change.apply(run.at, &event);
    assert!(!run.change.is_held_up(run.at), "it has just begun");
    run.wait(i64::from(budget) + 3_601);
    assert!(run.change.is_held_up(run.at));
}

#[test]
fn what_has_no_way_back_is_refused_and_never_called_undone() {
    let mut run = begin(Action::DeleteUnattachedVolume);
    run.change.zone = None;
    let plain = disk(Old, None);
    run.act(&plain);
    let done = Made { id: "snap-1".to_owned(), state: "completed".to_owned() };
    run.wait(600).record(&Seen { made: Some(Some(done)), ..plain.clone() });
    run.act(&plain);
    run.wait(60).settle(&Seen {
        resource: Sighting::Absent,
        status: None,
        made: None,
        targets: None,
        canary: None,
    });
    assert_eq!(run.change.state, State::Watching);
    let reason = reason_not_undoable(&run.change).expect("nobody knows where to make it again");
    assert!(reason.contains("delete-volume"), "{reason}");
    undo(&mut run);
    run.settle(&Seen {
        resource: Sighting::Absent,
        status: None,
        made: Some(None),
        targets: None,
        canary: None,
    });
    assert_eq!(run.ended().0, State::Stuck, "{}", run.ended().1);
}

/// A resize of a machine behind one load balancer, marked.
fn behind_a_balancer() -> Run {
    let mut resource = instance("x-1");
    let registration =
        Registration { group_arn: "tg/web/1".into(), port: 80, drain_s: 60, by_address: false };
    instance_mut(&mut resource).registrations = Some(vec![registration]);
    let candidate = fixtures::candidate(Action::ResizeInstance, &resource);
    let mut change = fixtures::change(&candidate, "x-1", State::Queued, now());
    "chg-1".clone_into(&mut change.id);
    let mut run = Run { change, at: now() };
    run.act(&unmarked(running("m5.xlarge")));
    run.record(&running("m5.xlarge"));
    run
}

fn balanced(seen: Seen, ours: &[&str], other: &str) -> Seen {
    let target =
        |id: &str, state: &str| Target { id: id.to_owned(), port: 80, state: state.to_owned() };
    let ours = ours.iter().map(|state| target("x-1", state));
    let all = ours.chain([target("x-2", other)]).collect();
    Seen { targets: Some(Targets::from([("tg/web/1".to_owned(), all)])), ..seen }
}

fn names(steps: &[Progress]) -> Vec<&str> {
    steps.iter().map(|progress| progress.step.name.as_str()).collect()
}

#[test]
fn a_machine_behind_a_balancer_is_drained_and_put_back_both_ways() {
    let mut run = behind_a_balancer();
    let there =
        ["mark", "deregister-1", "stop", "set-type", "start", "status-checks", "register-1"];
    assert_eq!(names(&run.change.steps), there);
    let well = |kind: &str| balanced(running(kind), &["healthy"], "healthy");
    let out = |seen: Seen| balanced(seen, &[], "healthy");
    assert!(matches!(run.act(&well("m5.xlarge")), Operation::DeregisterTarget { .. }));
    assert!(run.change.owes_service() && !run.change.owes_a_start());
    let draining = balanced(running("m5.xlarge"), &["draining"], "healthy");
    assert!(run.wait(200).polls(&draining), "its connections end");
    run.wait(60).record(&out(running("m5.xlarge")));
    run.act(&out(running("m5.xlarge")));
    run.wait(60).record(&out(stopped("m5.xlarge")));
    run.act(&out(stopped("m5.xlarge")));
    run.wait(60).record(&out(stopped("m5.large")));
    run.act(&out(stopped("m5.large")));
    run.wait(60).settle(&out(running("m5.large")));
    assert!(matches!(run.act(&out(running("m5.large"))), Operation::RegisterTarget { .. }));
    assert!(run.wait(30).polls(&balanced(running("m5.large"), &["initial"], "healthy")));
    run.wait(30).settle(&well("m5.large"));
    assert_eq!((run.change.state, run.change.owes_service()), (State::Watching, false));

    undo(&mut run);
    assert_eq!(names(&run.change.undo_steps), there, "the way back is the same way");
    assert!(matches!(run.act(&well("m5.large")), Operation::DeregisterTarget { .. }));
    run.wait(60).record(&out(running("m5.large")));
    run.act(&out(running("m5.large")));
    run.wait(60).record(&out(stopped("m5.large")));
    run.act(&out(stopped("m5.large")));
    run.wait(60).record(&out(stopped("m5.xlarge")));
    run.act(&out(stopped("m5.xlarge")));
    run.wait(60).settle(&out(running("m5.xlarge")));
    // The place at the balancer is owed: no refusal ends the tries.
    for _ in 0..20 {
        run.act(&out(running("m5.xlarge")));
        run.refuse(FailureKind::Denied).wait(90);
    }
    run.act(&out(running("m5.xlarge")));
    run.wait(60).settle(&well("m5.xlarge"));
    assert_eq!(run.ended(), (State::Undone, "asked"));
}

#[test]
fn nothing_is_stopped_while_nobody_takes_over() {
    let alone = |kind: &str| balanced(running(kind), &["healthy"], "unhealthy");
    let mut run = behind_a_balancer();
    run.record(&alone("m5.xlarge"));
    assert_eq!(run.ended().0, State::Undone);
    assert!(run.ended().1.starts_with("nothing was changed"), "{}", run.ended().1);

    // Somebody else took it out: not our doing, and not ours to go on.
    let mut run = behind_a_balancer();
    run.record(&balanced(running("m5.xlarge"), &[], "healthy"));
    assert_eq!(run.ended().0, State::Undone);

    // On the way back it waits for the other one, and then stays as it is.
    let mut run = behind_a_balancer();
    let well = |kind: &str| balanced(running(kind), &["healthy"], "healthy");
    run.act(&well("m5.xlarge"));
    let out = |seen: Seen| balanced(seen, &[], "healthy");
    run.wait(90).record(&out(running("m5.xlarge")));
    for (before, after) in [
        (running("m5.xlarge"), stopped("m5.xlarge")),
        (stopped("m5.xlarge"), stopped("m5.large")),
        (stopped("m5.large"), running("m5.large")),
    ] {
        run.act(&out(before));
        run.wait(60).settle(&out(after));
    }
    run.act(&out(running("m5.large")));
    run.wait(60).settle(&well("m5.large"));
    assert_eq!(run.change.state, State::Watching);
    undo(&mut run);
    run.settle(&alone("m5.large"));
    assert!(run.polls(&alone("m5.large")));
    run.wait(3_600).settle(&alone("m5.large"));
    let (state, reason) = run.ended();
    assert_eq!(state, State::Stuck, "{reason}");
    assert!(reason.contains("no other target") && reason.starts_with("asked"), "{reason}");
}

#[test]
fn a_machine_that_was_taken_out_is_put_back_when_its_stop_is_refused() {
    let mut run = behind_a_balancer();
    run.act(&balanced(running("m5.xlarge"), &["healthy"], "healthy"));
    let out = balanced(running("m5.xlarge"), &[], "healthy");
    run.wait(90).record(&out);
    run.act(&out);
    run.refuse(FailureKind::Denied).record(&out);
    assert_eq!(run.change.state, State::Undoing);
    run.settle(&out);
    assert!(matches!(run.act(&out), Operation::RegisterTarget { .. }));
    run.wait(60).settle(&balanced(running("m5.xlarge"), &["healthy"], "healthy"));
    assert_eq!(run.ended().0, State::Undone);
}

#[test]
fn a_refused_first_call_leaves_everything_as_it_was() {
    for (kind, patience) in [
        (FailureKind::Denied, 0),
        (FailureKind::Rejected, 0),
        (FailureKind::NotFound, 0),
        (FailureKind::Limit { until: None }, 0),
        (FailureKind::Capacity, 90),
    ] {
        for (action, seen) in [
            (Action::ResizeInstance, running("m5.xlarge")),
            (Action::StopIdleInstance, running("m5.xlarge")),
            (Action::MigrateVolumeType, disk(Old, None)),
            (Action::DeleteUnattachedVolume, disk(Old, None)),
            (Action::TuneFunctionMemory, self::seen(function("x-1"))),
            (Action::TuneGroupCapacity, self::seen(group("x-1"))),
            (Action::ScheduleGroup, self::seen(fixtures::scaled_group("x-1"))),
            (Action::ResizeGroupInstances, rollout(3, None, false)),
        ] {
            let mut run = begin(action);
            run.act(&seen);
            run.refuse(kind.clone()).wait(patience).record(&seen);
            let (state, reason) = run.ended();
            assert_eq!(state, State::Undone, "{action} after {kind:?}");
            assert!(reason.starts_with("nothing was changed"), "{action}: {reason}");
        }
    }
}

#[test]
fn a_call_without_an_answer_is_repeated_only_after_the_lag() {
    for failure in [None, Some(FailureKind::Uncertain)] {
        let mut run = begin(Action::TuneFunctionMemory);
        let ready = seen(function("x-1"));
        run.act(&ready);
        if let Some(kind) = failure {
            run.refuse(kind);
        }
        assert!(run.wait(89).polls(&ready), "describes may lag");
        run.wait(1).act(&ready);
        run.wait(90).act(&ready);
        run.wait(90).record(&ready);
        assert_eq!(run.ended().0, State::Undone, "three calls without an effect");
    }
}

#[test]
fn what_is_on_its_way_is_never_called_unchanged() {
    let mut run = begin(Action::StopIdleInstance);
    run.act(&running("m5.xlarge"));
    let stopping = machine("m5.xlarge", InstanceState::Stopping, None);
    run.wait(3_600).record(&stopping);
    assert_eq!(run.change.state, State::Undoing);
    assert!(run.polls(&stopping), "the start is owed, and waits until the stop has ended");
    run.wait(60).act(&stopped("m5.xlarge"));
    run.wait(60).settle(&running("m5.xlarge"));
    assert_eq!(run.ended().0, State::Undone);

    let mut run = begin(Action::TuneFunctionMemory);
    run.act(&seen(function("x-1")));
    let mut updating = function("x-1");
    function_mut(&mut updating).memory_mb = 512;
    "InProgress".clone_into(&mut function_mut(&mut updating).last_update_status);
    run.wait(3_600).record(&seen(updating));
    assert_eq!(run.change.state, State::Undoing);
}

#[test]
fn an_update_that_failed_half_way_is_taken_back() {
    let mut run = begin(Action::TuneFunctionMemory);
    run.act(&seen(function("x-1")));
    let mut failed = function("x-1");
    function_mut(&mut failed).memory_mb = 512;
    "Failed".clone_into(&mut function_mut(&mut failed).last_update_status);
    run.wait(120).record(&seen(failed.clone()));
    assert_eq!(run.change.state, State::Undoing);
    run.act(&seen(failed));
    run.wait(10).settle(&seen(function("x-1")));
    assert_eq!(run.ended().0, State::Undone);
}

#[test]
fn an_overdue_volume_is_waited_for_and_set_back() {
    let mut run = begin(Action::MigrateVolumeType);
    run.act(&disk(Old, None));
    let optimizing = disk(New, Some((ModificationState::Optimizing, New)));
    assert!(run.wait(47 * 3_600).polls(&optimizing));
    run.wait(2 * 3_600).record(&optimizing);
    assert_eq!(run.change.state, State::Undoing);
    assert!(run.wait(60).polls(&optimizing), "the undo's own time begins with the undo");
    assert!(run.wait(3_600).polls(&optimizing));
    run.act(&disk(New, Some((ModificationState::Completed, New))));
    let back = disk(Old, Some((ModificationState::Optimizing, Old)));
    assert!(run.wait(60).polls(&back));
    run.wait(60).settle(&disk(Old, Some((ModificationState::Completed, Old))));
    assert_eq!(run.ended().0, State::Undone);
}

#[test]
fn an_undo_waits_for_the_daily_limit_of_a_volume() {
    let mut run = begin(Action::MigrateVolumeType);
    run.act(&disk(Old, None));
    let new = disk(New, Some((ModificationState::Completed, New)));
    run.wait(600).settle(&new);
    let event = Event::UndoBegun { reason: "asked".to_owned(), steps: undo_steps(&run.change) };
    run.change.apply(run.at, &event);
    run.act(&new);
    let until = run.at + SignedDuration::from_hours(5);
    run.refuse(FailureKind::Limit { until: Some(until) });
    assert_eq!(run.wait(60).next(&new), Next::Poll(until));
    run.at = until;
    run.act(&new);
    run.refuse(FailureKind::Limit { until: None });
    assert!(run.wait(3_000).polls(&new));
    run.wait(48 * 3_600).settle(&new);
    assert_eq!(run.ended().0, State::Stuck);
}

#[test]
fn somebody_elses_doing_before_our_first_call_is_not_ours_and_leaves_nothing_to_a_person() {
    let mut small = function("x-1");
    function_mut(&mut small).memory_mb = 512;
    let mut low = group("x-1");
    (group_mut(&mut low).min_size, group_mut(&mut low).max_size) = (2, 4);
    group_mut(&mut low).desired_capacity = 2;
    for (action, seen) in [
        (Action::ResizeInstance, stopped("m5.xlarge")),
        (Action::StopIdleInstance, stopped("m5.xlarge")),
        (Action::MigrateVolumeType, disk(New, None)),
        (Action::TuneFunctionMemory, self::seen(small)),
        (Action::TuneGroupCapacity, self::seen(low)),
    ] {
        let mut run = begin(action);
        run.record(&seen);
        let (state, reason) = run.ended();
        assert_eq!(state, State::Undone, "{action}: nobody starts or claims that");
        assert!(reason.starts_with("nothing was written: somebody else"), "{action}: {reason}");
        assert!(reason.contains("proposed anew by the next cycle"), "{action}: {reason}");
        let counts = (0..5).map(|index| (format!("chg-{index}"), run.change.clone())).collect();
        assert_eq!(crate::circuit::trips(&counts, &BTreeMap::new()), [], "{action}: no failure");
    }
}

#[test]
fn an_intent_that_wrote_nothing_for_an_hour_is_void() {
    let mut run = begin(Action::ResizeInstance);
    let blind = Seen {
        resource: Sighting::Unknown("no answer".to_owned()),
        status: None,
        made: None,
        targets: None,
        canary: None,
    };
    assert!(run.wait(3_500).polls(&blind));
    run.wait(200).record(&running("m5.xlarge"));
    let (state, reason) = run.ended();
    assert_eq!(state, State::Undone);
    assert!(reason.starts_with("nothing was changed"), "{reason}");
}

#[test]
fn a_start_without_capacity_walks_the_ladder_and_nothing_else() {
    let mut run = resized();
    let mut types = Vec::new();
    for name in ["m5.large", "m6i.large"] {
        run.act(&stopped(name));
        run.refuse(FailureKind::Capacity);
        run.record(&stopped(name));
        let Operation::SetInstanceType { instance_type, .. } = run.act(&stopped(name)) else {
            panic!("the next type is set");
        };
        run.wait(10).record(&stopped(&instance_type));
        types.push(instance_type);
    }
    assert_eq!(types, ["m6i.large", "m5.xlarge"]);
    for _ in 0..50 {
        run.wait(60).act(&stopped("m5.xlarge"));
        run.refuse(FailureKind::Capacity);
        assert!(run.polls(&stopped("m5.xlarge")), "the start that is owed is never given up");
    }
    run.wait(60).act(&stopped("m5.xlarge"));
    run.wait(60).settle(&running("m5.xlarge"));
    assert_eq!(run.ended().0, State::Undone);
}

#[test]
fn a_start_that_falls_back_moves_on_but_an_old_reason_does_not() {
    let fallen = |name: &str| machine(name, InstanceState::Stopped, CAPACITY);
    let mut run = resized();
    run.act(&stopped("m5.large"));
    run.wait(31).record(&fallen("m5.large"));
    assert_eq!(run.change.rung, 1);
    run.act(&fallen("m5.large"));
    run.wait(10).record(&fallen("m6i.large"));
    run.act(&fallen("m6i.large"));
    run.refuse(FailureKind::Uncertain);
    assert!(run.wait(60).polls(&fallen("m6i.large")), "the reason is that of the rung before");
    run.wait(30).act(&fallen("m6i.large"));
    run.wait(60).record(&fallen("m6i.large"));
    assert_eq!(run.change.rung, 2);
}

#[test]
fn a_late_start_on_an_earlier_rung_is_kept() {
    let mut run = resized();
    run.act(&stopped("m5.large"));
    run.refuse(FailureKind::Capacity);
    run.record(&stopped("m5.large"));
    assert_eq!(run.change.rung, 1);
    run.wait(20).settle(&running("m5.large"));
    assert_eq!((run.change.rung, run.change.state), (0, State::Watching));
}

#[test]
fn a_half_walked_ladder_is_undone_from_whatever_type_it_reached() {
    let mut run = resized();
    run.act(&stopped("m5.large"));
    run.refuse(FailureKind::Capacity);
    run.record(&stopped("m5.large"));
    run.act(&stopped("m5.large"));
    run.refuse(FailureKind::Rejected);
    run.record(&stopped("m5.large"));
    assert_eq!(run.change.state, State::Undoing);
    let Operation::SetInstanceType { instance_type, .. } = run.act(&stopped("m5.large")) else {
        panic!("the old type is set");
    };
    assert_eq!(instance_type, "m5.xlarge");
    run.wait(10).record(&stopped("m5.xlarge"));
    run.act(&stopped("m5.xlarge"));
    run.wait(60).settle(&running("m5.xlarge"));
    assert_eq!(run.ended().0, State::Undone);
}

#[test]
fn a_stopped_machine_is_started_whatever_somebody_did_to_it() {
    let mut run = resized();
    let foreign = stopped("c5.9xlarge");
    assert!(matches!(run.act(&foreign), Operation::StartInstance { .. }));
    assert!(run.wait(30).polls(&foreign));
    assert!(matches!(run.wait(60).act(&foreign), Operation::StartInstance { .. }));
    run.wait(60).record(&running("c5.9xlarge"));
    assert_eq!(run.ended().0, State::Conflicted);
}

#[test]
fn a_delete_that_is_denied_needs_no_restore() {
    let mut run = begin(Action::DeleteUnattachedVolume);
    let plain = disk(Old, None);
    run.act(&plain);
    let done = Made { id: "snap-1".to_owned(), state: "completed".to_owned() };
    run.wait(600).record(&Seen { made: Some(Some(done)), ..plain.clone() });
    assert_eq!(run.change.created.get("snapshot").map(String::as_str), Some("snap-1"));
    run.act(&plain);
    run.refuse(FailureKind::Denied).settle(&plain);
    let (state, reason) = run.ended();
    assert_eq!(state, State::Undone, "{reason}");
}

#[test]
fn a_group_that_grew_before_the_write_is_left_alone_without_a_conflict() {
    let mut run = begin(Action::TuneGroupCapacity);
    let StepKind::SetGroupBounds { from, to, .. } = &mut run.change.steps[0].step.kind else {
        panic!("the step sets bounds");
    };
    (from.desired_capacity, to.desired_capacity) = (None, None);
    let mut grown = group("x-1");
    group_mut(&mut grown).desired_capacity = 6;
    run.record(&seen(grown));
    assert_eq!(run.ended().0, State::Undone);
}

#[test]
fn a_schedule_goes_up_and_down_and_leaves_the_groups_own_floor() {
    let mut run = begin(Action::ScheduleGroup);
    let rise = fixtures::rise();
    let live = |there: &[usize], min_size: u32| {
        let mut resource = fixtures::scaled_group("x-1");
        let there: Vec<_> = there.iter().map(|index| rise[*index].clone()).collect();
        fixtures::put(&mut resource, &there);
        group_mut(&mut resource).min_size = min_size;
        seen(resource)
    };
    let Operation::PutSchedule { scheduled, .. } = run.act(&live(&[], 4)) else {
        panic!("the action that brings the floor back comes first");
    };
    assert_eq!(scheduled, rise[0]);
    run.wait(10).record(&live(&[0], 4));
    run.act(&live(&[0], 4));
    run.wait(10).settle(&live(&[0, 1], 6));
    assert_eq!(run.change.state, State::Watching);
    let event = Event::UndoBegun { reason: "asked".to_owned(), steps: undo_steps(&run.change) };
    run.change.apply(run.at, &event);
    let Operation::DeleteSchedule { name, .. } = run.act(&live(&[0, 1], 6)) else {
        panic!("what raises the floor goes first");
    };
    assert_eq!(name, rise[1].name);
    run.wait(10).record(&live(&[0], 6));
    run.act(&live(&[0], 6));
    run.wait(10).record(&live(&[], 6));
    let Operation::SetGroupBounds { min_size, max_size, desired_capacity, .. } =
        run.act(&live(&[], 6))
    else {
        panic!("the floor is brought back");
    };
    assert_eq!((min_size, max_size, desired_capacity), (4, 8, None));
    run.wait(10).settle(&live(&[], 4));
    assert_eq!(run.ended().0, State::Undone);
}

/// The group of a rollout at a version, with its newest refresh, and the version that the change made.
fn rollout(live: u64, newest: Option<(&str, u64)>, made: bool) -> Seen {
    let mut resource = fixtures::templated_group("x-1");
    fixtures::at_version(&mut resource, live);
    if let Some((status, version)) = newest {
        fixtures::refreshing(&mut resource, status, version, -30);
    }
    let made = made.then(|| Made { id: "4".to_owned(), state: "available".to_owned() });
    Seen { made: Some(made), ..seen(resource) }
}

/// A rollout whose refresh was asked for.
fn refreshing() -> Run {
    let mut run = begin(Action::ResizeGroupInstances);
    run.act(&rollout(3, None, false));
    run.wait(5).record(&rollout(3, None, true));
    let Operation::StartRefresh { version, auto_rollback, rollout: how, .. } =
        run.act(&rollout(3, None, true))
    else {
        panic!("the version is brought in");
    };
    assert_eq!((version, auto_rollback), (4, true));
    assert_eq!(how.checkpoints_percent, [25, 50, 100], "one of four members goes first");
    run
}

#[test]
fn a_rollout_goes_to_its_end_and_back() {
    let mut run = refreshing();
    for status in ["Pending", "InProgress", "Baking"] {
        assert!(run.wait(600).polls(&rollout(3, Some((status, 4)), true)), "{status}");
    }
    run.wait(600).settle(&rollout(4, Some(("Successful", 4)), true));
    assert_eq!(run.change.state, State::Watching);
    let event = Event::UndoBegun { reason: "asked".to_owned(), steps: undo_steps(&run.change) };
    run.wait(90_000);
    run.change.apply(run.at, &event);
    let live = rollout(4, Some(("Successful", 4)), false);
    let Operation::StartRefresh { version, auto_rollback, .. } = run.act(&live) else {
        panic!("the old version is brought in again");
    };
    assert_eq!((version, auto_rollback), (3, false));
    let mut back = fixtures::templated_group("x-1");
    fixtures::refreshing(&mut back, "Successful", 3, -100_000);
    run.wait(600).settle(&seen(back));
    assert_eq!(run.ended(), (State::Undone, "asked"));
}

#[test]
fn a_running_refresh_is_rolled_back() {
    let mut run = refreshing();
    let running = rollout(3, Some(("InProgress", 4)), true);
    assert!(run.wait(60).polls(&running));
    assert_eq!(reason_not_undoable(&run.change), None, "it may run for hours");
    let event = Event::UndoBegun { reason: "asked".to_owned(), steps: undo_steps(&run.change) };
    run.change.apply(run.at, &event);
    assert!(matches!(run.act(&running), Operation::RollbackRefresh { .. }));
    assert!(run.wait(30).polls(&running), "describes lag");
    assert!(run.wait(30).polls(&rollout(3, Some(("RollbackInProgress", 4)), false)));
    run.wait(600).settle(&rollout(3, Some(("RollbackSuccessful", 4)), false));
    assert_eq!(run.ended().0, State::Undone);
}

#[test]
fn what_auto_scaling_rolled_back_is_undone_without_a_write() {
    let mut run = refreshing();
    run.wait(900).settle(&rollout(3, Some(("RollbackSuccessful", 4)), true));
    let (state, reason) = run.ended();
    assert_eq!(state, State::Undone, "{reason}");
    assert!(reason.contains("rolled the refresh back"), "{reason}");
}

#[test]
fn a_refresh_that_somebody_cancels_is_theirs() {
    let mut run = refreshing();
    run.wait(900).record(&rollout(3, Some(("Cancelled", 4)), true));
    assert_eq!(run.ended().0, State::Conflicted);
}

#[test]
fn what_follows_a_failed_step_back_is_stuck_not_foreign() {
    let mut run = resized();
    run.act(&stopped("m5.large"));
    run.wait(60).settle(&running("m5.large"));
    let event = Event::UndoBegun { reason: "asked".to_owned(), steps: undo_steps(&run.change) };
    run.change.apply(run.at, &event);
    run.act(&running("m5.large"));
    run.refuse(FailureKind::Denied).settle(&running("m5.large"));
    let (state, reason) = run.ended();
    assert_eq!(state, State::Stuck, "{reason}");
}

#[test]
fn a_type_that_changes_during_the_status_checks_is_somebody_elses() {
    let mut run = resized();
    run.act(&stopped("m5.large"));
    run.wait(60).record(&running("m5.large"));
    run.wait(60).record(&running("c5.9xlarge"));
    assert_eq!(run.ended().0, State::Conflicted);
}

#[test]
fn an_undo_outlasts_an_outage_while_everything_runs() {
    let mut run = begin(Action::TuneFunctionMemory);
    run.act(&seen(function("x-1")));
    let mut small = function("x-1");
    function_mut(&mut small).memory_mb = 512;
    let new = seen(small);
    run.wait(600).settle(&new);
    let event = Event::UndoBegun { reason: "asked".to_owned(), steps: undo_steps(&run.change) };
    run.change.apply(run.at, &event);
    for _ in 0..40 {
        run.act(&new);
        run.refuse(FailureKind::Uncertain).wait(90);
    }
    run.wait(1).settle(&new);
    assert_eq!(run.ended().0, State::Stuck, "an hour of server errors is enough");
}

#[test]
fn what_has_ended_rests() {
    for state in [
        State::Watching,
        State::Kept,
        State::Undone,
        State::Inconclusive,
        State::Conflicted,
        State::Stuck,
    ] {
        let mut run = begin(Action::ResizeInstance);
        run.change.state = state;
        assert_eq!(run.next(&running("m5.xlarge")), Next::Rest, "{state}");
    }
}

#[test]
fn a_volume_that_somebody_changed_is_not_deleted() {
    let mut run = begin(Action::DeleteUnattachedVolume);
    let mut resource = volume("x-1");
    let disk = volume_mut(&mut resource);
    disk.state = "available".to_owned();
    disk.attachments.clear();
    let before = seen(resource.clone());
    assert!(matches!(run.next(&before), Next::Act { .. }), "{:?}", run.next(&before));
    volume_mut(&mut resource).spec = gp3();
    let changed = seen(resource);
    run.record(&changed);
    assert_eq!(run.ended().0, State::Undone, "{:?}", run.ended());
}
