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

#[test]
fn a_deployment_in_between_is_written_over_nowhere() {
    let mut run = baking();
    run.wait(600);
    run.settle(&at(&run, live(512, true, alias("live", "9", &[("8", 0.1)])), Some(0.0)));
    let (state, reason) = run.ended();
    assert_eq!(state, State::Conflicted);
    assert!(reason.contains("10.0 % of its calls to 8"), "{reason}");

    let mut run = begun();
    run.act(&live(1_024, false, old()));
    run.wait(5).record(&live(512, false, old()));
    let mut deployed = live(512, false, old());
    if let Sighting::Present(resource) = &mut deployed.resource {
        function_mut(resource).code_sha256 = Some("0ther".to_owned());
    }
    run.settle(&deployed);
    assert_eq!(run.ended().0, State::Conflicted, "their code is not published");
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
