//! What a loss of power, a bad disk or a careless hand leaves of a state folder: each file, damaged in each way.
//!
//! Every case ends in one of three ways: nothing that was acknowledged is missing; or what is missing was derived, is known
//! to be missing and is found again; or the agent does not open and says which file and what to do. A case that fits none is
//! a silent loss.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use jiff::SignedDuration;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use trimtab::{
    agent::Agent,
    api::read_token,
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    decide::{Approval, approve, stop},
    execute::{Advance, advance},
    journal::Journal,
    ports::Clock,
    records::Shelf,
    simulate::scenario_settings,
    simulated::Simulated,
};
use trimtab_models::catalog::Catalog;
use trimtab_policies::{authority::LOCAL_NAME, plan::Disposition};
use trimtab_simulations::{scenario::Scenario, world::World};

const FLEET: &str = r#"
name = "power"
description = "A few of each kind."
start = "2026-03-02T00:00:00Z"
history_days = 30
[fleet]
web-oversized = 2
volume-gp2 = 2
function-oversized = 2
[settings.collect]
step_s = 3600
[settings.modes]
default = "copilot"
[[settings.modes.rule]]
match = { kind = "lambda-function" }
mode = "autopilot"
[settings.autopilot]
max_disruption = "brief"
allow_decrease = true
"#;

/// The last of the stages.
const LAST: &str = "stopped by a person";

/// What a message must tell somebody to do.
const ADVICE: [&str; 6] = ["restore", "remove", "move it aside", "check", "free", "install"];

/// A state folder at some moment, closed in order.
struct Stage {
    name: &'static str,
    folder: tempfile::TempDir,
    payloads: Vec<Vec<u8>>,
    points: BTreeMap<String, Vec<f32>>,
}

/// How a file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    Removed,
    Emptied,
    Garbled,
    Flipped(u64),
    Cut(u64),
    /// As when the length of the file reached the disk and its last bytes did not.
    TornTail(u64),
    ZeroTail,
}

const DAMAGES: [Damage; 14] = [
    Damage::Removed,
    Damage::Emptied,
    Damage::Garbled,
    Damage::Flipped(1),
    Damage::Flipped(2),
    Damage::Flipped(3),
    Damage::Flipped(4),
    Damage::Cut(1),
    Damage::Cut(2),
    Damage::Cut(3),
    Damage::Cut(4),
    Damage::TornTail(1),
    Damage::TornTail(2),
    Damage::ZeroTail,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Everything that was acknowledged is there.
    Whole,
    /// The store is not believed and is rebuilt before anything is begun.
    Rebuilt,
    /// It does not open, and says why.
    Refused,
}

/// The account that every process finds; made once, because making it takes longer than a start.
struct Account {
    scenario: Scenario,
    world: World,
    catalog: Catalog,
}

static ACCOUNT: LazyLock<Account> = LazyLock::new(|| {
    let scenario = Scenario::parse(FLEET).expect("a scenario that is read");
    let catalog = Catalog::embedded();
    let world = World::new(&scenario, 5, catalog.clone());
    Account { scenario, world, catalog }
});

/// Opens the folder as a process does that starts.
fn open(state: &Path, at: SignedDuration) -> Result<(Agent, ManualClock), String> {
    let Account { scenario, world, catalog } = &*ACCOUNT;
    let settings = scenario_settings(scenario, state, None).expect("settings");
    let clock = ManualClock::new(scenario.start + at);
    let ports = Simulated::new(world.clone(), Arc::new(clock.clone())).ports();
    match Agent::open(settings, ports, catalog.clone()) {
        Ok(agent) => Ok((agent, clock)),
        Err(error) => Err(format!("{:#}", anyhow::Error::from(error))),
    }
}

fn payloads(state: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    // What cannot be read any more is missing.
    let _ = Journal::read(&state.join("journal"), |_, _, payload| all.push(payload.to_vec()));
    all
}

fn points(agent: &Agent) -> BTreeMap<String, Vec<f32>> {
    let store = agent.series.read().expect("nobody panicked with it");
    let read = |key: &str| match store.read(key, 0, 4_000_000_000) {
        Ok(Some(grid)) => grid.values.into_iter().filter(|value| !value.is_nan()).collect(),
        Ok(None) | Err(_) => Vec::new(),
    };
    store.keys().map(|key| (key.to_owned(), read(key))).collect()
}

/// Three moments of one agent's life: after a cycle, with changes half done, and stopped by a person.
async fn stages() -> Vec<Stage> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (agent, clock) = open(folder.path(), SignedDuration::ZERO).expect("a new folder");
    fs::write(
        folder.path().join("operator.token"),
        "tt_".to_owned() + &"0123456789abcdef".repeat(4),
    )
    .expect("written");
    let plan = run_cycle(&agent, Begin::Allowed).await.expect("a quiet account");
    let mut stages = vec![keep("after a cycle", &agent, folder.path())];
    let waiting =
        plan.recommendations.iter().filter(|one| one.decision == Disposition::AwaitApproval);
    for one in waiting.take(3) {
        approve(&agent, &one.id, LOCAL_NAME, Approval { now: true, ..Approval::default() })
            .await
            .expect("it is open");
    }
    trimtab::begin::begin_approved(&agent).await.expect("a journal that is written");
    let open: Vec<String> = agent.ledger().book().changes().keys().cloned().collect();
    for _ in 0..4 {
        for id in &open {
            let moved = advance(&agent.ports(), &agent.ledger, &agent.stop_switch(), id)
                .await
                .expect("it is written");
            if let Advance::WakeAt(at) = moved {
                clock.set(at);
            }
        }
    }
    stages.push(keep("with changes half done", &agent, folder.path()));
    stop(&agent, "ada", "a fire").expect("written");
    clock.set(clock.now() + SignedDuration::from_hours(1));
    run_cycle(&agent, Begin::Allowed).await.expect("a quiet account");
    stages.push(keep(LAST, &agent, folder.path()));
    stages
}

fn keep(name: &'static str, agent: &Agent, state: &Path) -> Stage {
    agent.series_mut().flush().expect("there is room");
    let seq = agent.ledger().last_seq();
    agent.store().commit(seq).expect("there is room");
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy(state, folder.path());
    let points = points(agent);
    let payloads = payloads(folder.path());
    assert_eq!(payloads.len() as u64, seq);
    Stage { name, folder, payloads, points }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("it is there") {
        let path = entry.expect("listed").path();
        let target = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}

/// Every file below `folder`, from there.
fn files(folder: &Path, below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.join(below)).expect("it is there") {
        let path = below.join(entry.expect("listed").file_name());
        if folder.join(&path).is_dir() {
            found.extend(files(folder, &path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Damages the file; `false` where this damage leaves it as it was.
fn damage(path: &Path, how: Damage) -> bool {
    let whole = fs::read(path).expect("it is there");
    let mut bytes = whole.clone();
    let place = |seed: u64| {
        let mut dice = Pcg64Mcg::seed_from_u64(seed ^ whole.len() as u64);
        dice.random_range(0..whole.len().max(1))
    };
    match how {
        Damage::Removed => {
            fs::remove_file(path).expect("removed");
            return true;
        }
        Damage::Emptied => bytes.clear(),
        Damage::Garbled => bytes.iter_mut().for_each(|byte| *byte ^= 0xa5),
        Damage::Flipped(seed) => {
            let at = place(seed);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0x20;
            }
        }
        Damage::Cut(seed) => bytes.truncate(place(seed)),
        Damage::TornTail(seed) => bytes.extend((0..seed * 37).map(|byte| byte as u8)),
        Damage::ZeroTail => bytes.extend([0; 4096]),
    }
    if bytes == whole {
        return false;
    }
    fs::write(path, bytes).expect("written");
    true
}

/// Opens the damaged folder and says how it ended, or what was lost without a word.
fn judge(stage: &Stage, state: &Path, file: &Path) -> Result<Outcome, String> {
    let (agent, _) = match open(state, SignedDuration::from_hours(2)) {
        Ok(opened) => opened,
        Err(said) => {
            let name = file.components().next().expect("it has a name").as_os_str();
            let named = said.contains(&*name.to_string_lossy());
            let advised = ADVICE.iter().any(|advice| said.contains(advice));
            return if named && advised { Ok(Outcome::Refused) } else { Err(said) };
        }
    };
    let found = payloads(state);
    if found.len() < stage.payloads.len() || found[..stage.payloads.len()] != stage.payloads {
        return Err(format!("{} of {} records are there", found.len(), stage.payloads.len()));
    }
    if stage.name == LAST && agent.stopped().is_none() {
        return Err("the stop switch is released".to_owned());
    }
    let now = points(&agent);
    for (key, values) in &stage.points {
        // A gap is unknown, and fetched or waited for; another value would be a lie.
        let mut rest = values.iter();
        let told = now
            .get(key)
            .is_none_or(|kept| kept.iter().all(|one| rest.any(|old| old.total_cmp(one).is_eq())));
        if !told {
            return Err(format!("{key} holds other points than were written"));
        }
    }
    let suspicious = agent.store().suspicion().is_some();
    Ok(if suspicious { Outcome::Rebuilt } else { Outcome::Whole })
}

/// A record that was damaged must say so itself; the daemon does not read it again.
fn judge_decisions(state: &Path, file: &Path, how: Damage) -> Result<(), String> {
    let shelf = Shelf::of(state);
    let whole = shelf
        .list()
        .map_err(|error| error.to_string())?
        .iter()
        .all(|kept| shelf.load(kept).is_ok());
    // A record that is gone is missed by whoever asks for the change's.
    let gone = how == Damage::Removed && file.extension().is_some_and(|one| one == "decision");
    if whole && !gone { Err("a damaged record was believed".to_owned()) } else { Ok(()) }
}

fn judge_token(state: &Path, whole: &Path) -> Result<(), String> {
    let (now, then) = (state.join("operator.token"), whole.join("operator.token"));
    // Another text is another token: nobody gets in by it who should not, and nothing is lost.
    match (read_token(&now), read_token(&then)) {
        (Ok(_) | Err(_), Ok(_)) => Ok(()),
        (_, Err(error)) => Err(error.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_damage_to_any_file_is_a_silent_loss() {
    let stages = stages().await;
    let mut table: BTreeMap<(String, Outcome), u32> = BTreeMap::new();
    let (mut cases, mut losses) = (0, Vec::new());
    for stage in &stages {
        let mut of_kind: BTreeMap<String, u32> = BTreeMap::new();
        for file in files(stage.folder.path(), Path::new("")) {
            let known = of_kind.entry(label(&file)).or_default();
            *known += 1;
            // What is the same at every moment is damaged at the last one only.
            let same = file.starts_with("series") || file.starts_with("decisions");
            if file.ends_with("LOCK") || *known > 2 || (same && stage.name != LAST) {
                continue;
            }
            for how in DAMAGES {
                let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
                let folder = folder.expect("a temporary folder");
                copy(stage.folder.path(), folder.path());
                if !damage(&folder.path().join(&file), how) {
                    continue;
                }
                cases += 1;
                let kind = file.components().next().expect("a name").as_os_str();
                let kind = kind.to_string_lossy().into_owned();
                let special = match kind.as_str() {
                    "decisions" => judge_decisions(folder.path(), &file, how),
                    "operator.token" => judge_token(folder.path(), stage.folder.path()),
                    _ => Ok(()),
                };
                match special.and_then(|()| judge(stage, folder.path(), &file)) {
                    Ok(outcome) => *table.entry((label(&file), outcome)).or_default() += 1,
                    Err(said) => {
                        losses.push(format!("{}, {}: {how:?}: {said}", stage.name, file.display()))
                    }
                }
            }
        }
    }
    #[expect(clippy::print_stderr, reason = "the run lists what it covered")]
    {
        for ((file, outcome), count) in &table {
            eprintln!("{count:4} {file}: {outcome:?}");
        }
        eprintln!("{cases} cases, {} silent losses", losses.len());
    }
    assert_eq!(losses, Vec::<String>::new(), "{} of {cases}", losses.len());
    assert!(cases >= 200, "{cases} cases");
}

/// The file without what differs from run to run.
fn label(file: &Path) -> String {
    let text = file.to_string_lossy();
    match file.extension().and_then(|one| one.to_str()) {
        Some(kind @ ("decision" | "catalog" | "seg")) => {
            format!("{}/*.{kind}", text.split('/').next().unwrap_or_default())
        }
        _ => text.into_owned(),
    }
}

/// Whole folders that are gone, which no file in them can tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_gone_is_missed() {
    for stage in &stages().await {
        for (gone, wanted) in [
            ("journal", Outcome::Refused),
            ("store", Outcome::Rebuilt),
            ("series", Outcome::Whole),
            ("decisions", Outcome::Whole),
        ] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            copy(stage.folder.path(), folder.path());
            fs::remove_dir_all(folder.path().join(gone)).expect("removed");
            assert_eq!(judge(stage, folder.path(), Path::new(gone)), Ok(wanted), "{gone}");
        }
    }
}
