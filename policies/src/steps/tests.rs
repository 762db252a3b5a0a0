//! Tables of `sort`: every step against every live state, transitional and foreign ones included.

use jiff::Timestamp;
use trimtab_models::{
    recommendation::Action,
    resource::{InstanceState, Modification, ModificationState, Registration, Resource},
    spec::ScheduledMin,
};

use super::*;
use crate::{
    facts::{InstanceStatus, Target, Targets},
    fixtures::{
        self, attach, function, function_mut, gp2, gp3, group, group_mut, instance, instance_mut,
        now, seconds_ago, volume, volume_mut,
    },
    mark::{CHANGE_TAG, Mark, WAS_TAG},
};

/// What `sort` says, without its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Done,
    InProgress,
    Ready,
    Failed,
    Unknown,
    Foreign,
}

fn is(sight: &Sight) -> Is {
    match sight {
        Sight::Done => Is::Done,
        Sight::InProgress => Is::InProgress,
        Sight::Ready => Is::Ready,
        Sight::Failed(_) => Is::Failed,
        Sight::Unknown(_) => Is::Unknown,
        Sight::Foreign(_) => Is::Foreign,
    }
}

fn present(resource: Resource) -> Seen {
    Seen {
        resource: Sighting::Present(Box::new(resource)),
        status: None,
        made: None,
        targets: None,
        canary: None,
    }
}

fn absent() -> Seen {
    Seen { resource: Sighting::Absent, status: None, made: None, targets: None, canary: None }
}

fn step_of(kind: StepKind) -> Step {
    Step { name: "step".to_owned(), kind, budget_s: 600, undo: String::new() }
}

fn our_mark() -> Mark {
    Mark { agent_id: "a1".to_owned(), change_id: "chg-1".to_owned(), was: "m5.xlarge".to_owned() }
}

fn check(kind: &StepKind, seen: &Seen, rung: usize, attempted: Option<Timestamp>, expect: Is) {
    let mark = Some(our_mark());
    let sight = sort(
        &step_of(kind.clone()),
        seen,
        &Reached { rung, attempted_at: attempted, mark, ..Reached::default() },
    );
    assert_eq!(is(&sight), expect, "{kind:?} at rung {rung} sees {seen:?}: {sight:?}");
}

const STATES: [InstanceState; 6] = [
    InstanceState::Pending,
    InstanceState::Running,
    InstanceState::Stopping,
    InstanceState::Stopped,
    InstanceState::ShuttingDown,
    InstanceState::Terminated,
];

fn machine(instance_type: &str, state: InstanceState) -> Resource {
    let mut resource = instance("i-1");
    let machine = instance_mut(&mut resource);
    instance_type.clone_into(&mut machine.instance_type);
    machine.state = state;
    resource
}

fn ladder() -> Vec<String> {
    ["m5.large", "m6i.large", "m5.xlarge"].map(str::to_owned).to_vec()
}

/// `expect` in the order of `STATES`.
fn check_machine(kind: &StepKind, rung: usize, instance_type: &str, expect: [Is; 6]) {
    for (state, expect) in STATES.into_iter().zip(expect) {
        check(kind, &present(machine(instance_type, state)), rung, None, expect);
    }
}

fn tagged(instance_type: &str, owner: Option<&str>, was: Option<&str>) -> Seen {
    let mut resource = machine(instance_type, InstanceState::Running);
    for (key, value) in [(CHANGE_TAG, owner), (WAS_TAG, was)] {
        let tags = &mut resource.reference.tags;
        tags.extend(value.map(|value| (key.to_owned(), value.to_owned())));
    }
    present(resource)
}

#[test]
fn an_instance_is_marked_and_the_mark_removed() {
    let mark = StepKind::MarkInstance {
        instance_id: "i-1".into(),
        instance_type: "m5.xlarge".into(),
        was: "m5.xlarge".into(),
    };
    let unmark = StepKind::UnmarkInstance { instance_id: "i-1".into(), was: "m5.xlarge".into() };
    let was = Some("m5.xlarge");
    for (owner, was, marking, unmarking) in [
        (None, None, Is::Ready, Is::Done),
        (Some("a1/chg-1"), was, Is::Done, Is::Ready),
        (Some("a1/chg-1"), None, Is::Ready, Is::Ready),
        (Some("a1/chg-1"), Some("c5.large"), Is::Ready, Is::Ready),
        (Some("a1/chg-2"), was, Is::Ready, Is::Done),
        (Some("a12/chg-1"), was, Is::Foreign, Is::Done),
        (Some("b2/chg-1"), was, Is::Foreign, Is::Done),
        (Some("chg-1"), None, Is::Foreign, Is::Done),
    ] {
        check(&mark, &tagged("m5.xlarge", owner, was), 0, None, marking);
        check(&unmark, &tagged("m5.xlarge", owner, was), 0, None, unmarking);
    }
    let ours = [Is::InProgress, Is::Ready, Is::Foreign, Is::Foreign, Is::Foreign, Is::Foreign];
    check_machine(&mark, 0, "m5.xlarge", ours);
    check_machine(&mark, 0, "c5.large", [Is::Foreign; 6]);
    let again = StepKind::MarkInstance {
        instance_id: "i-1".into(),
        instance_type: "m5.large".into(),
        was: "m5.xlarge".into(),
    };
    let back = [Is::Ready, Is::Ready, Is::Ready, Is::Ready, Is::Foreign, Is::Foreign];
    check_machine(&again, 0, "m5.large", back);
    check(&unmark, &absent(), 0, None, Is::Done);
}

fn registration() -> Registration {
    Registration { group_arn: "tg/web/1".into(), port: 80, drain_s: 60, by_address: false }
}

fn targeted(targets: &[(&str, u16, &str)]) -> Seen {
    let target = |(id, port, state): &(&str, u16, &str)| Target {
        id: (*id).to_owned(),
        port: *port,
        state: (*state).to_owned(),
    };
    let targets = targets.iter().map(target).collect();
    let all = Targets::from([(registration().group_arn, targets)]);
    Seen { targets: Some(all), ..present(machine("m5.xlarge", InstanceState::Running)) }
}

#[test]
fn an_instance_leaves_its_group_only_while_another_serves_and_comes_back() {
    let leave =
        StepKind::DeregisterTarget { instance_id: "i-1".into(), registration: registration() };
    let back = StepKind::RegisterTarget { instance_id: "i-1".into(), registration: registration() };
    let other = ("i-2", 80, "healthy");
    for (targets, leaving, coming) in [
        (&[("i-1", 80, "healthy"), other][..], Is::Ready, Is::Done),
        (&[("i-1", 80, "unhealthy"), other], Is::Ready, Is::InProgress),
        (&[("i-1", 80, "initial"), other], Is::Ready, Is::InProgress),
        (&[("i-1", 80, "draining"), other], Is::InProgress, Is::Ready),
        (&[("i-1", 80, "unused")], Is::Ready, Is::Done),
        (&[other], Is::Done, Is::Ready),
        (&[("i-1", 81, "healthy"), other], Is::Done, Is::Ready),
        (&[("i-1", 80, "healthy")], Is::Failed, Is::Done),
        (&[("i-1", 80, "healthy"), ("i-1", 81, "healthy")], Is::Failed, Is::Done),
        (&[("i-1", 80, "healthy"), ("i-2", 80, "initial")], Is::Failed, Is::Done),
        (&[], Is::Done, Is::Ready),
    ] {
        check(&leave, &targeted(targets), 0, None, leaving);
        check(&back, &targeted(targets), 0, None, coming);
    }
    let unasked = Seen { targets: None, ..targeted(&[]) };
    check(&leave, &unasked, 0, None, Is::Unknown);
    check(&back, &unasked, 0, None, Is::Unknown);
    // On the way back, a machine that serves nobody is missed by nobody.
    let undo = Reached { is_undo: true, ..Reached::default() };
    for (state, expect) in [("healthy", Is::Failed), ("unhealthy", Is::Ready)] {
        let seen = targeted(&[("i-1", 80, state)]);
        assert_eq!(is(&sort(&step_of(leave.clone()), &seen, &undo)), expect, "{state}");
    }
}

#[test]
fn an_instance_is_stopped() {
    let kind =
        StepKind::StopInstance { instance_id: "i-1".into(), instance_type: "m5.xlarge".into() };
    let ours = [Is::InProgress, Is::Ready, Is::InProgress, Is::Done, Is::Foreign, Is::Foreign];
    check_machine(&kind, 0, "m5.xlarge", ours);
    check_machine(&kind, 0, "c5.large", [Is::Foreign; 6]);
}

#[test]
fn a_type_is_set() {
    let kind = StepKind::SetInstanceType {
        instance_id: "i-1".into(),
        from: "m5.xlarge".into(),
        ladder: ladder(),
    };
    let before = [Is::InProgress, Is::Foreign, Is::InProgress, Is::Ready, Is::Foreign, Is::Foreign];
    let after = [Is::InProgress, Is::Done, Is::InProgress, Is::Done, Is::Foreign, Is::Foreign];
    check_machine(&kind, 0, "m5.xlarge", before);
    check_machine(&kind, 0, "m5.large", after);
    check_machine(&kind, 1, "m5.large", before);
    check_machine(&kind, 1, "m6i.large", after);
    check_machine(&kind, 2, "m5.xlarge", after);
    check_machine(&kind, 0, "c5.large", [Is::Foreign; 6]);
}

#[test]
fn an_instance_is_started() {
    let kind = StepKind::StartInstance { instance_id: "i-1".into(), ladder: ladder() };
    let ours = [Is::InProgress, Is::Done, Is::InProgress, Is::Ready, Is::Foreign, Is::Foreign];
    check_machine(&kind, 0, "m5.large", ours);
    check_machine(&kind, 2, "m5.xlarge", ours);
    check_machine(&kind, 0, "m5.xlarge", [Is::Foreign; 6]);
}

#[test]
fn status_checks_are_awaited() {
    let kind = StepKind::AwaitStatusChecks { instance_id: "i-1".into() };
    let off = [Is::InProgress, Is::InProgress, Is::Foreign, Is::Foreign, Is::Foreign, Is::Foreign];
    check_machine(&kind, 0, "m5.large", off);
    for (system, instance, expect) in [
        ("ok", "ok", Is::Done),
        ("ok", "initializing", Is::InProgress),
        ("insufficient-data", "ok", Is::InProgress),
        ("ok", "impaired", Is::Failed),
        ("impaired", "initializing", Is::Failed),
    ] {
        let mut seen = present(machine("m5.large", InstanceState::Running));
        seen.status = Some(InstanceStatus {
            system: system.to_owned(),
            instance: instance.to_owned(),
            events: Vec::new(),
        });
        check(&kind, &seen, 0, None, expect);
    }
    for (reason, expect) in [
        ("Server.InternalError", Is::Failed),
        ("Client.InstanceInitiatedShutdown", Is::Failed),
        ("Client.UserInitiatedShutdown", Is::Foreign),
    ] {
        let mut resource = machine("m5.large", InstanceState::Stopped);
        instance_mut(&mut resource).state_reason = Some(reason.to_owned());
        check(&kind, &present(resource), 0, None, expect);
    }
}

fn modified(spec: VolumeSpec, modification: Option<(ModificationState, VolumeSpec, i64)>) -> Seen {
    let mut resource = volume("vol-1");
    let volume = volume_mut(&mut resource);
    volume.spec = spec;
    volume.modification = modification.map(|(state, target, ago)| Modification {
        state,
        started_at: seconds_ago(ago),
        target,
    });
    present(resource)
}

#[test]
fn a_volume_is_modified() {
    use ModificationState::{Completed, Failed, Modifying, Optimizing};
    let kind = StepKind::ModifyVolume { volume_id: "vol-1".into(), from: gp2(), to: gp3() };
    let other = VolumeSpec { iops: Some(9_000), ..gp3() };
    let attempted = Some(seconds_ago(60));
    for (spec, modification, attempted, expect) in [
        (gp2(), None, None, Is::Ready),
        (gp3(), None, None, Is::Done),
        (other.clone(), None, None, Is::Foreign),
        (VolumeSpec { size_gib: 501, ..gp2() }, None, None, Is::Foreign),
        (gp2(), Some((Modifying, gp3(), 10)), attempted, Is::InProgress),
        (gp3(), Some((Optimizing, gp3(), 10)), attempted, Is::InProgress),
        (gp3(), Some((Completed, gp3(), 10)), attempted, Is::Done),
        (gp2(), Some((Completed, gp3(), 10)), attempted, Is::InProgress),
        (gp2(), Some((Completed, gp3(), 90)), attempted, Is::Ready),
        (gp2(), Some((Failed, gp3(), 10)), attempted, Is::Failed),
        (gp2(), Some((Failed, gp3(), 90)), attempted, Is::Ready),
        (gp2(), Some((Modifying, other.clone(), 10)), attempted, Is::Foreign),
        (gp2(), Some((Completed, other, 10)), attempted, Is::Ready),
        // Undone before it has ended, what the change began itself is waited for.
        (gp3(), Some((Optimizing, gp2(), 600)), None, Is::InProgress),
    ] {
        check(&kind, &modified(spec, modification), 0, attempted, expect);
    }
    check(&kind, &absent(), 0, attempted, Is::Foreign);
}

fn made(seen: Seen, state: Option<&str>) -> Seen {
    let made = state.map(|state| Made { id: "x-1".to_owned(), state: state.to_owned() });
    Seen { made: Some(made), ..seen }
}

#[test]
fn a_snapshot_is_taken() {
    let kind = StepKind::CreateSnapshot { volume_id: "vol-1".into() };
    let seen = || present(volume("vol-1"));
    check(&kind, &seen(), 0, None, Is::Unknown);
    for (state, expect) in [
        (None, Is::Ready),
        (Some("pending"), Is::InProgress),
        (Some("completed"), Is::Done),
        (Some("error"), Is::Failed),
    ] {
        check(&kind, &made(seen(), state), 0, None, expect);
    }
    let mut used = volume("vol-1");
    attach(&mut used, "i-1");
    check(&kind, &made(present(used), Some("completed")), 0, None, Is::Foreign);
    check(&kind, &made(absent(), None), 0, None, Is::Foreign);
}

fn volume_in(state: &str) -> Seen {
    let mut resource = volume("vol-1");
    state.clone_into(&mut volume_mut(&mut resource).state);
    present(resource)
}

#[test]
fn a_volume_is_deleted_and_restored() {
    let delete = StepKind::DeleteVolume { volume_id: "vol-1".into() };
    let restore = StepKind::RestoreVolume {
        volume_id: "vol-1".into(),
        zone: "us-east-1a".into(),
        spec: gp2(),
    };
    for (state, deleting, restoring) in [
        ("available", Is::Ready, Is::Done),
        ("in-use", Is::Foreign, Is::Done),
        ("deleting", Is::InProgress, Is::InProgress),
        ("deleted", Is::Done, Is::InProgress),
        ("error", Is::Foreign, Is::Done),
    ] {
        check(&delete, &volume_in(state), 0, Some(now()), deleting);
        check(&restore, &made(volume_in(state), None), 0, None, restoring);
    }
    check(&delete, &absent(), 0, None, Is::Foreign);
    check(&delete, &absent(), 0, Some(now()), Is::Done);
    check(&restore, &absent(), 0, None, Is::Unknown);
    for (state, expect) in [
        (None, Is::Ready),
        (Some("creating"), Is::InProgress),
        (Some("available"), Is::Done),
        (Some("in-use"), Is::Done),
        (Some("error"), Is::Failed),
    ] {
        check(&restore, &made(absent(), state), 0, None, expect);
    }
}

#[test]
fn a_functions_memory_is_set() {
    let kind = StepKind::SetFunctionMemory {
        function_name: "f".into(),
        from_mb: 1_024,
        to_mb: 512,
        behind: None,
    };
    for (memory_mb, status, expect) in [
        (1_024, "Successful", Is::Ready),
        (1_024, "Failed", Is::Ready),
        (1_024, "InProgress", Is::InProgress),
        (512, "InProgress", Is::InProgress),
        (512, "Successful", Is::Done),
        (512, "Failed", Is::Failed),
        (256, "Successful", Is::Foreign),
        (256, "InProgress", Is::Foreign),
    ] {
        let mut resource = function("f");
        function_mut(&mut resource).memory_mb = memory_mb;
        status.clone_into(&mut function_mut(&mut resource).last_update_status);
        check(&kind, &present(resource), 0, None, expect);
    }
    check(&kind, &absent(), 0, None, Is::Foreign);
}

#[test]
fn a_groups_bounds_are_set() {
    let bounds =
        |min_size, max_size, desired_capacity| Bounds { min_size, max_size, desired_capacity };
    let kind = |ours: bool| StepKind::SetGroupBounds {
        group_name: "g".into(),
        from: bounds(4, 8, ours.then_some(4)),
        to: bounds(2, 4, ours.then_some(2)),
    };
    for (ours, live, expect) in [
        (true, (4, 8, 4), Is::Ready),
        (true, (2, 4, 2), Is::Done),
        (true, (4, 8, 5), Is::Foreign),
        (true, (2, 4, 3), Is::Foreign),
        (true, (1, 9, 4), Is::Foreign),
        (false, (4, 8, 4), Is::Ready),
        (false, (2, 4, 3), Is::Done),
        (false, (4, 8, 5), Is::Failed),
        (false, (3, 8, 4), Is::Foreign),
    ] {
        let mut resource = group("g");
        let live_group = group_mut(&mut resource);
        (live_group.min_size, live_group.max_size, live_group.desired_capacity) = live;
        check(&kind(ours), &present(resource), 0, None, expect);
    }
    check(&kind(true), &absent(), 0, None, Is::Foreign);
}

#[test]
fn a_schedule_is_set_up_and_taken_down() {
    let [down, up] = fixtures::rise().try_into().expect("two actions");
    let put = |scheduled: &ScheduledMin| StepKind::PutSchedule {
        group_name: "g".into(),
        own_min: 4,
        scheduled: scheduled.clone(),
    };
    let delete = |scheduled: &ScheduledMin| StepKind::DeleteSchedule {
        group_name: "g".into(),
        scheduled: scheduled.clone(),
    };
    let lower =
        StepKind::LowerFloor { group_name: "g".into(), own_min: 4, raised: vec![up.min_size] };
    let moved = ScheduledMin { min_size: 9, ..up.clone() };
    let others = ScheduledMin { name: "night".to_owned(), ..up.clone() };
    type Row<'a> = (&'a [&'a ScheduledMin], u32, [Is; 3]);
    let rows: [Row<'_>; 7] = [
        (&[], 4, [Is::Ready, Is::Done, Is::Done]),
        (&[], 6, [Is::Foreign, Is::Done, Is::Ready]),
        (&[], 5, [Is::Foreign, Is::Done, Is::Foreign]),
        (&[&down], 6, [Is::Ready, Is::Done, Is::Ready]),
        (&[&down, &up], 6, [Is::Done, Is::Ready, Is::Ready]),
        (&[&down, &moved], 4, [Is::Foreign, Is::Foreign, Is::Done]),
        (&[&others], 4, [Is::Foreign, Is::Done, Is::Done]),
    ];
    for (live, min_size, expect) in rows {
        let mut resource = fixtures::scaled_group("g");
        fixtures::put(&mut resource, &live.iter().copied().cloned().collect::<Vec<_>>());
        group_mut(&mut resource).min_size = min_size;
        let kinds = [put(&up), delete(&up), lower.clone()];
        for (kind, expect) in kinds.iter().zip(expect) {
            check(kind, &present(resource.clone()), 0, None, expect);
        }
    }
    check(&put(&up), &absent(), 0, None, Is::Foreign);
}

/// The group at a version, with its newest refresh: its status, the version it brings in, and how long ago it began.
fn refreshed(live: u64, newest: Option<(&str, u64, i64)>) -> Seen {
    let mut resource = fixtures::templated_group("g");
    fixtures::at_version(&mut resource, live);
    if let Some((status, version, ago_s)) = newest {
        fixtures::refreshing(&mut resource, status, version, ago_s);
    }
    let made = Made { id: "4".to_owned(), state: "available".to_owned() };
    Seen { made: Some(Some(made)), ..present(resource) }
}

fn refresh_kind(from_version: u64, to_version: Option<u64>) -> StepKind {
    let rollout = Rollout {
        checkpoints_percent: vec![25, 50, 100],
        checkpoint_delay_s: 1_800,
        bake_s: 1_800,
        alarms: Vec::new(),
    };
    StepKind::RefreshInstances {
        group_name: "g".into(),
        template_id: "lt-1".into(),
        from_version,
        to_version,
        rollout,
    }
}

#[test]
fn a_version_of_a_template_is_made_once() {
    let kind = StepKind::CreateTemplateVersion {
        template_id: "lt-1".into(),
        source_version: 3,
        instance_type: "m5.large".into(),
    };
    let seen = |live| Seen { made: Some(None), ..refreshed(live, None) };
    check(&kind, &seen(3), 0, None, Is::Ready);
    check(&kind, &refreshed(3, None), 0, None, Is::Done);
    check(&kind, &Seen { made: None, ..seen(3) }, 0, None, Is::Unknown);
    check(&kind, &seen(2), 0, None, Is::Foreign);
    let busy = Seen { made: Some(None), ..refreshed(3, Some(("InProgress", 2, 60))) };
    check(&kind, &busy, 0, None, Is::Foreign);
    check(&kind, &present(group("g")), 0, None, Is::Foreign);
}

#[test]
fn a_refresh_is_followed_to_its_end() {
    let kind = refresh_kind(3, None);
    let rows = [
        (3, None, Is::Ready),
        (3, Some(("Successful", 2, 90_000)), Is::Ready),
        (3, Some(("InProgress", 2, 60)), Is::Foreign),
        (2, None, Is::Foreign),
        (3, Some(("Pending", 4, 60)), Is::InProgress),
        (3, Some(("InProgress", 4, 60)), Is::InProgress),
        (3, Some(("Baking", 4, 60)), Is::InProgress),
        (3, Some(("Successful", 4, 60)), Is::InProgress),
        (4, Some(("Successful", 4, 60)), Is::Done),
        (3, Some(("RollbackInProgress", 4, 60)), Is::InProgress),
        (3, Some(("RollbackSuccessful", 4, 60)), Is::Failed),
        (3, Some(("RollbackFailed", 4, 60)), Is::Failed),
        (3, Some(("Failed", 4, 60)), Is::Failed),
        (3, Some(("Cancelling", 4, 60)), Is::Foreign),
        (3, Some(("Cancelled", 4, 60)), Is::Foreign),
        (3, Some(("Sulking", 4, 60)), Is::Unknown),
    ];
    for (live, newest, expect) in rows {
        check(&kind, &refreshed(live, newest), 0, Some(seconds_ago(60)), expect);
    }
    let unknown = Seen { made: None, ..refreshed(3, None) };
    check(&kind, &unknown, 0, None, Is::Unknown);
    check(&kind, &absent(), 0, None, Is::Foreign);
}

#[test]
fn a_refresh_is_taken_back() {
    let kind = refresh_kind(4, Some(3));
    let rows = [
        // Rolled back while it runs, followed by another refresh afterwards.
        (3, Some(("InProgress", 4, 600)), None, Is::Ready),
        (3, Some(("Baking", 4, 600)), None, Is::Ready),
        (3, Some(("RollbackInProgress", 4, 600)), Some(60), Is::InProgress),
        (3, Some(("RollbackSuccessful", 4, 600)), Some(60), Is::Done),
        (3, Some(("RollbackFailed", 4, 600)), Some(60), Is::Ready),
        (3, Some(("Failed", 4, 600)), None, Is::Ready),
        (4, Some(("Successful", 4, 90_000)), None, Is::Ready),
        (4, Some(("InProgress", 3, 50)), Some(60), Is::InProgress),
        (3, Some(("Successful", 3, 50)), Some(60), Is::Done),
        (4, Some(("Failed", 3, 50)), Some(60), Is::Failed),
        (4, Some(("Cancelled", 4, 600)), None, Is::Foreign),
        // The refresh forward never reached Auto Scaling; the old version came in long ago.
        (3, Some(("Successful", 3, 90_000)), None, Is::Done),
        (3, None, None, Is::Done),
        (7, None, None, Is::Foreign),
        (4, Some(("InProgress", 8, 60)), None, Is::Foreign),
    ];
    for (live, newest, attempted, expect) in rows {
        check(&kind, &refreshed(live, newest), 0, attempted.map(seconds_ago), expect);
    }
}

#[test]
fn what_cannot_be_read_or_is_of_another_kind_is_never_taken_for_an_effect() {
    for action in Action::ALL {
        let resource = fixtures::resource_for(action, "x-1");
        let of_function = action == Action::TuneFunctionMemory;
        let wrong = if of_function { group("x-1") } else { function("x-1") };
        let candidate = fixtures::candidate(action, &resource);
        assert!(!candidate.steps.is_empty(), "{action} has steps");
        for step in &candidate.steps {
            let unknown = Seen {
                resource: Sighting::Unknown("throttled".to_owned()),
                status: None,
                made: None,
                targets: None,
                canary: None,
            };
            check(&step.kind, &unknown, 0, None, Is::Unknown);
            check(&step.kind, &present(wrong.clone()), 0, None, Is::Foreign);
        }
    }
}
