//! Tables of what each step of a function behind an alias makes of what it sees.

use trimtab_models::resource::{Alias, Published};

use super::*;
use crate::{
    facts::Alarm,
    fixtures::{alias, aliased_function, function_mut, now, published},
    steps::{Made, Sighting, Step, sort},
};

/// `$LATEST`, the newest version and the alias, of a function whose version 7 has 1,024 MB.
fn live(latest_mb: u32, newest: (u64, u32), route: Alias) -> Resource {
    let mut resource = aliased_function("f");
    let function = function_mut(&mut resource);
    function.memory_mb = latest_mb;
    function.newest = Some(published(newest.0, newest.1));
    function.served = Some(match route.version.as_str() {
        "8" => published(8, 512),
        _ => published(7, 1_024),
    });
    function.aliases = vec![route];
    resource
}

fn behind() -> Behind {
    let [alias, version, code_sha256] = ["live", "7", "c0de"].map(str::to_owned);
    Behind { alias, version, code_sha256 }
}

fn bake_of() -> Bake {
    Bake { bake_s: 1_800, runs_min: 20, from_mb: 1_024, to_mb: 512, alarms: Vec::new() }
}

fn kinds() -> [StepKind; 4] {
    let function_name = "f".to_owned();
    let shift = |stage| StepKind::ShiftAlias {
        function_name: "f".to_owned(),
        behind: behind(),
        new_version: Some("8".to_owned()),
        stage,
    };
    [
        StepKind::PublishVersion { function_name, memory_mb: 512, behind: behind() },
        shift(Stage::Canary { percent: 10 }),
        shift(Stage::New),
        shift(Stage::Old),
    ]
}

/// What a step sees `since_s` after the change's last write; `attempted` says whether that was its own.
fn look(kind: &StepKind, resource: Resource, (since_s, attempted): (i64, bool)) -> Sight {
    let at = now() - SignedDuration::from_secs(since_s);
    let step =
        Step { name: "x".to_owned(), kind: kind.clone(), budget_s: 300, undo: String::new() };
    let seen = Seen {
        resource: Sighting::Present(Box::new(resource)),
        status: None,
        made: Some(Some(Made { id: "8".to_owned(), state: "Active".to_owned() })),
        targets: None,
        canary: None,
    };
    let reached = Reached {
        attempted_at: attempted.then_some(at),
        written_at: Some(at),
        entered_at: Some(at),
        ..Reached::default()
    };
    sort(&step, &seen, &reached)
}

fn word(sight: &Sight) -> &'static str {
    match sight {
        Sight::Done => "done",
        Sight::InProgress => "in progress",
        Sight::Ready => "ready",
        Sight::Failed(_) => "failed",
        Sight::Unknown(_) => "unknown",
        Sight::Foreign(_) => "foreign",
    }
}

#[test]
fn each_step_knows_before_after_and_neither() {
    let old = || alias("live", "7", &[]);
    let canary = || alias("live", "7", &[("8", 0.1)]);
    let new = || alias("live", "8", &[]);
    let routes = [
        ("old", old()),
        ("canary", canary()),
        ("another share", alias("live", "7", &[("8", 0.5)])),
        ("a share of another", alias("live", "7", &[("6", 0.1)])),
        ("two shares", alias("live", "7", &[("6", 0.1), ("8", 0.1)])),
        ("new", new()),
        ("new with a share", alias("live", "8", &[("7", 0.1)])),
        ("another version", alias("live", "9", &[])),
        ("another name", alias("blue", "7", &[])),
    ];
    // What canary, shift and way back make of each route, long after the last write.
    let expect: [[&str; 3]; 9] = [
        ["ready", "foreign", "done"],
        ["done", "ready", "ready"],
        ["foreign", "foreign", "ready"],
        ["foreign", "foreign", "foreign"],
        ["foreign", "foreign", "foreign"],
        ["foreign", "done", "ready"],
        ["foreign", "foreign", "foreign"],
        ["foreign", "foreign", "foreign"],
        ["foreign", "foreign", "foreign"],
    ];
    let [_, to_canary, to_new, to_old] = kinds();
    for ((name, route), row) in routes.into_iter().zip(expect) {
        for (kind, word_of) in [&to_canary, &to_new, &to_old].into_iter().zip(row) {
            let sight = look(kind, live(512, (8, 512), route.clone()), (600, false));
            assert_eq!(word(&sight), word_of, "{name}: {kind:?}: {sight:?}");
        }
    }
    let soon = |kind: &StepKind, attempted| {
        word(&look(kind, live(512, (8, 512), old()), (30, attempted))).to_owned()
    };
    assert_eq!(soon(&to_new, false), "in progress", "it may be from before the canary");
    assert_eq!(soon(&to_old, false), "in progress", "it may be from before the canary");
    assert_eq!(soon(&to_old, true), "done", "its own call was made");
}

#[test]
fn only_what_callers_get_is_published() {
    let [publish, ..] = kinds();
    let old = || alias("live", "7", &[]);
    let case = |name: &str, change: &dyn Fn(&mut Function), expect: &str| {
        let mut resource = live(512, (7, 1_024), old());
        change(function_mut(&mut resource));
        let sight = look(&publish, resource, (600, false));
        assert_eq!(word(&sight), expect, "{name}: {sight:?}");
    };
    case("as it was left", &|_| {}, "ready");
    case("the update runs", &|f| "InProgress".clone_into(&mut f.last_update_status), "in progress");
    case("published", &|f| f.newest = Some(published(8, 512)), "done");
    let state = |state: &'static str| {
        move |f: &mut Function| {
            f.newest = Some(Published { state: state.to_owned(), ..published(8, 512) });
        }
    };
    case("it is prepared", &state("Pending"), "in progress");
    case("it has failed", &state("Failed"), "failed");
    case("a word nobody knows", &state("Dreaming"), "in progress");
    case("somebody's version is newer", &|f| f.newest = Some(published(8, 700)), "ready");
    case("an older one is the same", &|f| f.newest = Some(published(6, 512)), "ready");
    case("other code", &|f| f.code_sha256 = Some("0ther".to_owned()), "foreign");
    case("no code", &|f| f.code_sha256 = None, "foreign");
    case("another memory", &|f| f.memory_mb = 700, "foreign");
    let differs = |f: &mut Function| {
        f.served =
            Some(Published { differs: vec!["environment".to_owned()], ..published(7, 1_024) });
    };
    case("another environment", &differs, "foreign");
    case("the alias moved", &|f| f.aliases = vec![alias("live", "6", &[])], "foreign");
    case("the alias is gone", &|f| f.aliases.clear(), "foreign");
    let fresh = look(&publish, live(1_024, (7, 1_024), old()), (30, false));
    assert_eq!(word(&fresh), "in progress", "it may be from before the memory was set");
}

#[test]
fn memory_is_set_only_while_latest_is_what_callers_get() {
    let set = |behind| StepKind::SetFunctionMemory {
        function_name: "f".to_owned(),
        from_mb: 1_024,
        to_mb: 512,
        behind,
    };
    let mut deployed = aliased_function("f");
    function_mut(&mut deployed).code_sha256 = Some("0ther".to_owned());
    let look =
        |behind, resource: &Resource| word(&look(&set(behind), resource.clone(), (600, false)));
    assert_eq!(look(Some(behind()), &aliased_function("f")), "ready");
    assert_eq!(look(Some(behind()), &deployed), "foreign");
    assert_eq!(look(None, &deployed), "ready", "on the way back only the memory is ours");
}

/// A minute of watching: runs and failures of the old and the new version, their mean runs, seconds since it began.
type Minute = (f64, f64, f64, f64, f64, f64, i64);

#[test]
fn a_canary_is_kept_only_when_enough_of_its_runs_were_seen_and_none_of_the_signs() {
    let cases: [(&str, Minute, &str); 9] = [
        ("well, for long enough", (900.0, 9.0, 100.0, 1.0, 200.0, 210.0, 1_800), "done"),
        ("well, not long enough", (900.0, 9.0, 100.0, 1.0, 200.0, 210.0, 1_799), "in progress"),
        ("too few runs", (200.0, 0.0, 19.0, 0.0, 200.0, 210.0, 90_000), "in progress"),
        ("no runs", (200.0, 0.0, 0.0, 0.0, 200.0, 0.0, 90_000), "in progress"),
        ("every run is killed", (30.0, 0.0, 3.0, 3.0, 200.0, 210.0, 120), "failed"),
        ("two failures are too few", (30.0, 0.0, 3.0, 2.0, 200.0, 210.0, 120), "in progress"),
        ("the old one fails too", (900.0, 90.0, 100.0, 12.0, 200.0, 210.0, 1_800), "done"),
        // Half the CPU explains twice the time, and a quarter more is let pass.
        ("as slow as half the CPU", (900.0, 0.0, 100.0, 0.0, 200.0, 500.0, 1_800), "done"),
        ("slower than that", (900.0, 0.0, 100.0, 0.0, 200.0, 501.0, 1_800), "failed"),
    ];
    for (name, (runs, failed, new_runs, new_failed, ms, new_ms, since_s), expect) in cases {
        let old = Runs { runs, failed, total_ms: runs * ms };
        let new = Runs { runs: new_runs, failed: new_failed, total_ms: new_runs * new_ms };
        let seen = CanarySeen { runs: Some((old, new)), alarms: Some(Vec::new()) };
        assert_eq!(word(&watch(Some(&seen), since_s)), expect, "{name}");
    }
}

fn watch(seen: Option<&CanarySeen>, since_s: i64) -> Sight {
    let at = now() - SignedDuration::from_secs(since_s);
    let reached = Reached { entered_at: Some(at), written_at: Some(at), ..Reached::default() };
    let resource = live(512, (8, 512), alias("live", "7", &[("8", 0.1)]));
    bake(&resource, (&behind(), Some("8")), (10, &bake_of()), (seen, &reached))
}

#[test]
fn nothing_unseen_speaks_for_a_canary_and_an_alarm_speaks_against_it() {
    let runs = Runs { runs: 100.0, failed: 0.0, total_ms: 20_000.0 };
    let alarm = |state: &str| Alarm {
        name: "errors".to_owned(),
        state: state.to_owned(),
        actions: Vec::new(),
        of_resource: false,
    };
    let seen = |runs, alarms| Some(CanarySeen { runs, alarms });
    let cases = [
        ("nothing was read", None, "in progress"),
        ("no metrics", seen(None, Some(Vec::new())), "in progress"),
        ("no alarms", seen(Some((runs, runs)), None), "in progress"),
        ("an alarm is quiet", seen(Some((runs, runs)), Some(vec![alarm("OK")])), "done"),
        (
            "an alarm without data",
            seen(Some((runs, runs)), Some(vec![alarm("INSUFFICIENT_DATA")])),
            "in progress",
        ),
        ("an alarm fires", seen(None, Some(vec![alarm("ALARM")])), "failed"),
    ];
    for (name, seen, expect) in cases {
        assert_eq!(word(&watch(seen.as_ref(), 90_000)), expect, "{name}");
    }
    for (route, since_s, expect) in [
        (alias("live", "7", &[]), 30, "in progress"),
        (alias("live", "7", &[]), 600, "foreign"),
        (alias("live", "9", &[("8", 0.1)]), 30, "foreign"),
    ] {
        let at = now() - SignedDuration::from_secs(since_s);
        let reached = Reached { written_at: Some(at), ..Reached::default() };
        let resource = live(512, (8, 512), route);
        let sight = bake(&resource, (&behind(), Some("8")), (10, &bake_of()), (None, &reached));
        assert_eq!(word(&sight), expect, "{sight:?}");
        if let (Sight::Foreign(reason), 30) = (&sight, since_s) {
            assert!(reason.contains("10.0 % of its calls to 8"), "{reason}");
        }
    }
}
