//! A function behind an alias: its memory, a version, a canary, every call, and back.

use trimtab_models::resource::Alias;

use super::*;
use crate::{
    facts::Runs,
    fixtures::{alias, aliased_function, published},
    operations::Share,
    steps::CanarySeen,
};

/// What is seen: the memory of `$LATEST`, whether version 8 is there, and where the alias leads.
fn live(latest_mb: u32, is_published: bool, route: Alias) -> Seen {
    let mut resource = aliased_function("x-1");
    let function = function_mut(&mut resource);
    function.memory_mb = latest_mb;
    function.served = Some(match route.version.as_str() {
        "8" => published(8, 512),
        _ => published(7, 1_024),
    });
    if is_published {
        function.newest = Some(published(8, 512));
    }
    function.aliases = vec![route];
    let made = is_published.then(|| Made { id: "8".to_owned(), state: "Active".to_owned() });
    Seen { made: Some(made), ..seen(resource) }
}

fn old() -> Alias {
    alias("live", "7", &[])
}

fn shared() -> Alias {
    alias("live", "7", &[("8", 0.1)])
}

fn new() -> Alias {
    alias("live", "8", &[])
}

/// The same at a later time, with the runs of the old and the new version.
fn at(run: &Run, mut seen: Seen, failed: Option<f64>) -> Seen {
    if let Sighting::Present(resource) = &mut seen.resource {
        resource.observed_at = run.at;
    }
    let runs = |failed| Runs { runs: 200.0, failed, total_ms: 20_000.0 };
    let runs = failed.map(|failed| (runs(0.0), runs(failed)));
    Seen { canary: Some(CanarySeen { runs, alarms: Some(Vec::new()) }), ..seen }
}

fn begun() -> Run {
    let candidate = fixtures::candidate(Action::TuneFunctionMemory, &aliased_function("x-1"));
    let names: Vec<&str> = candidate.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["set-memory", "publish", "canary", "bake", "shift"]);
    let change = fixtures::change(&candidate, "x-1", State::Queued, now());
    Run { change, at: now() }
}

fn set_alias(operation: Operation) -> (String, Option<Share>, Option<String>) {
    let Operation::SetAlias { version, canary, revision_id, .. } = operation else {
        panic!("the alias is moved, not {operation:?}");
    };
    (version, canary, revision_id)
}

/// A change whose canary gets its share.
fn baking() -> Run {
    let mut run = begun();
    let memory = run.act(&live(1_024, false, old()));
    assert!(matches!(memory, Operation::SetFunctionMemory { memory_mb: 512, .. }));
    run.wait(5).record(&live(512, false, old()));
    let Operation::PublishVersion { code_sha256, revision_id, .. } =
        run.act(&live(512, false, old()))
    else {
        panic!("it is published");
    };
    assert_eq!((code_sha256.as_str(), revision_id.as_deref()), ("c0de", Some("r1")));
    run.wait(5).record(&live(512, true, old()));
    assert_eq!(run.change.created["publish"], "8");
    let (version, share, revision) = set_alias(run.act(&live(512, true, old())));
    let canary = Share { version: "8".to_owned(), percent: 10 };
    assert_eq!((version.as_str(), share, revision.as_deref()), ("7", Some(canary), Some("at-7")));
    run.wait(5).record(&live(512, true, shared()));
    run
}

#[test]
fn an_alias_gets_the_new_version_after_its_canary_and_goes_back() {
    let mut run = baking();
    run.wait(120);
    assert!(run.polls(&at(&run, live(512, true, shared()), Some(0.0))));
    run.wait(1_800);
    let well = at(&run, live(512, true, shared()), Some(0.0));
    run.record(&well);
    let (version, share, _) = set_alias(run.act(&well));
    assert_eq!((version.as_str(), share), ("8", None));
    run.wait(5).settle(&live(512, true, new()));
    assert_eq!(run.change.state, State::Watching);

    assert_eq!(reason_not_undoable(&run.change), None);
    let steps = undo_steps(&run.change);
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["alias-back", "set-memory"], "one step takes canary and shift back");
    run.wait(90_000);
    run.change.apply(run.at, &Event::UndoBegun { reason: "asked".to_owned(), steps });
    let (version, share, revision) = set_alias(run.act(&at(&run, live(512, true, new()), None)));
    assert_eq!((version.as_str(), share, revision.as_deref()), ("7", None, Some("at-8")));
    run.wait(5);
    run.record(&at(&run, live(512, true, old()), None));
    let memory = run.act(&live(512, true, old()));
    assert!(matches!(memory, Operation::SetFunctionMemory { memory_mb: 1_024, .. }));
    run.wait(5).settle(&live(1_024, true, old()));
    assert_eq!(run.ended(), (State::Undone, "asked"), "the version is kept");
}

#[test]
fn a_canary_that_fails_is_taken_back_by_itself() {
    let mut run = baking();
    run.wait(300);
    let ill = at(&run, live(512, true, shared()), Some(150.0));
    let Event::UndoBegun { reason, steps } = run.record(&ill) else { panic!("it is taken back") };
    assert!(reason.contains("75.0 % of the new version's runs fail"), "{reason}");
    assert_eq!(steps.len(), 2);
    let (version, share, _) = set_alias(run.act(&ill));
    assert_eq!((version.as_str(), share), ("7", None));
}

#[test]
fn a_canary_that_nobody_sees_ends_with_its_budget() {
    let mut run = baking();
    run.wait(47 * 3_600);
    assert!(run.polls(&at(&run, live(512, true, shared()), None)));
    assert_eq!(reason_not_undoable(&run.change), None, "a person need not wait for it");
    run.wait(2 * 3_600);
    let unseen = at(&run, live(512, true, shared()), None);
    assert!(matches!(run.record(&unseen), Event::UndoBegun { .. }));
}

/// What a pipeline leaves that moved the alias during the bake: its version, and these shares.
fn deployed(run: &Run, version: &str, shares: &[(&str, f64)]) -> Seen {
    at(run, live(512, true, alias("live", version, shares)), Some(0.0))
}

/// A change whose share is to be taken away, after a pipeline moved the alias to version 9.
fn giving_way() -> Run {
    let mut run = baking();
    run.wait(600);
    let Event::UndoBegun { reason, steps } = run.record(&deployed(&run, "9", &[("8", 0.1)])) else {
        panic!("our share is taken away")
    };
    assert!(reason.contains("10.0 % of its calls to 8"), "{reason}");
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["withdraw-share"], "the memory of $LATEST is theirs");
    run
}

fn withdrawn_at(operation: Operation) -> String {
    let Operation::WithdrawShare { alias, share, revision_id, .. } = operation else {
        panic!("only the share is taken away, not {operation:?}");
    };
    assert_eq!((alias.as_str(), share), ("live", Share { version: "8".to_owned(), percent: 10 }));
    revision_id
}

#[test]
fn a_deployment_in_between_keeps_its_version_and_loses_our_share() {
    let mut run = giving_way();
    assert_eq!(withdrawn_at(run.act(&deployed(&run, "9", &[("8", 0.1)]))), "at-9");
    run.wait(5);
    assert!(run.polls(&deployed(&run, "9", &[("8", 0.1)])), "describes lag");
    run.settle(&deployed(&run, "9", &[]));
    let (state, reason) = run.ended();
    assert_eq!(state, State::Conflicted, "{reason}");
    assert!(reason.contains("at `bake`") && reason.contains("taken away"), "{reason}");
    let counted = crate::circuit::trips(
        &[(run.change.id.clone(), run.change.clone())].into(),
        &std::collections::BTreeMap::new(),
    );
    assert_eq!(counted, [], "it is no undo that failed");
}

#[test]
fn a_share_is_taken_away_as_the_alias_is_by_then() {
    let mut run = giving_way();
    run.act(&deployed(&run, "9", &[("8", 0.1)]));
    run.refuse(FailureKind::Conflict);
    run.wait(5);
    assert!(run.polls(&deployed(&run, "9", &[("8", 0.1)])));
    run.wait(30);
    assert_eq!(withdrawn_at(run.act(&deployed(&run, "10", &[("8", 0.1)]))), "at-10");

    let mut run = giving_way();
    run.wait(5);
    run.settle(&deployed(&run, "10", &[("9", 0.5)]));
    assert_eq!(run.ended().0, State::Conflicted, "they took it away themselves");

    let mut run = giving_way();
    run.wait(5);
    run.settle(&deployed(&run, "9", &[("8", 0.5)]));
    assert_eq!(run.ended().0, State::Conflicted, "they made another share of it");

    let mut run = giving_way();
    run.wait(120);
    run.settle(&at(&run, live(512, true, old()), None));
    assert_eq!(run.ended().0, State::Conflicted, "they moved it back without our share");
}

#[test]
fn a_share_that_cannot_be_taken_away_calls_a_person() {
    let mut run = giving_way();
    let moved = deployed(&run, "9", &[("8", 0.1)]);
    run.act(&moved);
    run.refuse(FailureKind::Denied).settle(&moved);
    let (state, reason) = run.ended();
    assert_eq!(state, State::Stuck, "{reason}");
    assert!(reason.contains("10.0 % of its calls to 8"), "{reason}");
}

#[test]
fn a_share_that_is_not_exactly_ours_stays() {
    let theirs: [(&str, &[(&str, f64)]); 5] = [
        ("9", &[]),
        ("9", &[("8", 0.2)]),
        ("10", &[("9", 0.1)]),
        ("9", &[("8", 0.1), ("6", 0.1)]),
        ("7", &[("8", 0.3)]),
    ];
    for (version, shares) in theirs {
        let mut run = baking();
        run.wait(600);
        run.record(&deployed(&run, version, shares));
        assert_eq!(run.ended().0, State::Conflicted, "{version} {shares:?}");
    }
    // Our own was seen to be gone, so that one that is there is somebody else's.
    let mut run = baking();
    let steps = undo_steps(&run.change);
    run.change.apply(run.at, &Event::UndoBegun { reason: "asked".to_owned(), steps });
    run.wait(600);
    run.act(&at(&run, live(512, true, shared()), None));
    run.wait(5);
    run.record(&at(&run, live(512, true, old()), None));
    run.wait(5);
    run.record(&at(&run, live(700, true, alias("live", "9", &[("8", 0.1)])), None));
    assert_eq!(run.ended().0, State::Conflicted);
}

#[test]
fn code_that_nobody_published_is_not_published() {
    let mut run = begun();
    run.act(&live(1_024, false, old()));
    run.wait(5).record(&live(512, false, old()));
    let mut deployed = live(512, false, old());
    if let Sighting::Present(resource) = &mut deployed.resource {
        function_mut(resource).code_sha256 = Some("0ther".to_owned());
    }
    run.settle(&deployed);
    assert_eq!(run.ended().0, State::Conflicted);
}

#[test]
fn a_version_whose_answer_is_lost_is_found_again() {
    let mut run = begun();
    run.act(&live(1_024, false, old()));
    run.wait(5).record(&live(512, false, old()));
    run.act(&live(512, false, old()));
    run.refuse(FailureKind::Uncertain);
    assert!(run.wait(30).polls(&live(512, false, old())), "it may be there");
    run.wait(5).record(&live(512, true, old()));
    assert_eq!(run.change.created["publish"], "8");
}
