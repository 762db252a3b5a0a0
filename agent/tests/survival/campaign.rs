//! Campaigns: one account, one state folder, and daemon after daemon that is killed while it works.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tokio::{net::UnixListener, task::JoinHandle};
use trimtab::{
    clock::SharedClock,
    served::{Account, Hello, serve},
    simulated::Simulated,
};
use trimtab_models::catalog::Catalog;
use trimtab_policies::change::State;
use trimtab_simulations::{scenario::Scenario, world::World};

use crate::{
    asked,
    process::{Daemon, Folder, now},
    witness::{Aim, Witness},
};

/// Kills of one account; then a new one with new work.
const KILLS_A_CAMPAIGN: u32 = 50;
/// Virtual seconds in a real one: a resize of five minutes lasts two seconds, about as long as a daemon lives here.
const FACTOR: f64 = 150.0;
/// The longest life after a start or a cycle, milliseconds: long enough for some calls.
const LIFE_MS: u64 = 1_500;
/// How long the last daemon may take to finish what was begun.
const REST: Duration = Duration::from_secs(300);

const FLEET: &str = r#"
name = "kills"
description = "Enough of every kind that something is always being changed."
start = "2026-03-02T00:00:00Z"
history_days = 30
[fleet]
web-oversized = 10
idle = 2
volume-gp2 = 12
volume-gp3-over = 2
function-oversized = 4
group-fixed-over = 1
"#;

const SETTINGS: &str = r#"
[schedule]
cycle = "0 */5 * * * *"
[collect]
step_s = 3600
[limits]
disruptive_in_flight = 50
[modes]
default = "copilot"
[[modes.rule]]
match = { kind = "ebs-volume" }
mode = "autopilot"
[[modes.rule]]
match = { kind = "lambda-function" }
mode = "autopilot"
[autopilot]
max_disruption = "brief"
allow_decrease = true
"#;

/// What a run came to.
#[derive(Debug, Default)]
struct Figures {
    kills: u32,
    at_calls: u32,
    with_open_changes: u32,
    changes: usize,
    applied: usize,
    undone: usize,
    records: usize,
    writes: usize,
    answers: usize,
    lost_answers: Vec<String>,
    violations: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_nothing_is_lost_doubled_or_left_behind() {
    let kills = asked("TRIMTAB_KILLS", KILLS_A_CAMPAIGN);
    let first = u64::from(asked("TRIMTAB_KILLS_SEED", 1));
    let mut all = Figures::default();
    let began = now();
    for seed in first.. {
        let left = kills - all.kills.min(kills);
        if left == 0 {
            break;
        }
        let figures = Campaign::new(seed).run(left.min(KILLS_A_CAMPAIGN)).await;
        all.add(figures);
        #[expect(clippy::print_stderr, reason = "a long run shows how far it is")]
        {
            eprintln!("seed {seed} after {:?}: {all:?}", began.elapsed());
        }
        assert!(all.violations.is_empty() && all.lost_answers.is_empty(), "seed {seed}: {all:#?}");
    }
    assert!(all.kills >= kills && all.applied > 0, "nothing was tried: {all:#?}");
    assert!(all.with_open_changes * 4 >= all.kills, "most kills met an idle daemon: {all:#?}");
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.at_calls += other.at_calls;
        self.with_open_changes += other.with_open_changes;
        self.changes += other.changes;
        self.applied += other.applied;
        self.undone += other.undone;
        self.records += other.records;
        self.writes += other.writes;
        self.answers += other.answers;
        self.lost_answers.extend(other.lost_answers);
        self.violations.extend(other.violations);
    }
}

/// One account and what becomes of it.
pub(crate) struct Campaign {
    pub(crate) folder: Folder,
    pub(crate) witness: Witness,
    server: JoinHandle<()>,
    dice: Pcg64Mcg,
    answers: Vec<String>,
    figures: Figures,
}

impl Drop for Campaign {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Campaign {
    pub(crate) fn new(seed: u64) -> Self {
        let folder = Folder::new(SETTINGS);
        let scenario = Scenario::parse(FLEET).expect("a scenario that is read");
        let clock = SharedClock::new(scenario.start, FACTOR);
        let world = World::new(&scenario, seed, Catalog::embedded());
        let simulated = Simulated::new(world, Arc::new(clock));
        let witness = Witness::new(simulated.clone(), clock, folder.state().join("journal"));
        let account = Account {
            hello: Hello {
                account: scenario.account,
                regions: scenario.regions,
                start: scenario.start,
                clock,
            },
            observe: Arc::new(simulated),
            act: Arc::new(witness.clone()),
        };
        let listener = UnixListener::bind(folder.path("account.sock")).expect("a new socket");
        let server = tokio::spawn(serve(listener, account));
        let dice = Pcg64Mcg::seed_from_u64(seed);
        Self { folder, witness, server, dice, answers: Vec::new(), figures: Figures::default() }
    }

    async fn run(mut self, kills: u32) -> Figures {
        // The first daemon learns the account, so that those after it have something to do.
        let mut daemon = self.folder.start();
        daemon.cycled(|| self.folder.log()).await;
        self.decide(&daemon).await;
        self.strike(daemon);
        while self.figures.kills < kills {
            self.live().await;
        }
        self.rest().await;
        std::mem::take(&mut self.figures)
    }

    /// One daemon's life: it works, people decide, and it is killed.
    async fn live(&mut self) {
        let life = Duration::from_millis(self.dice.random_range(0..LIFE_MS));
        self.witness.aim(match self.dice.random_range(0..3) {
            0 => Aim::BeforeCall(self.dice.random_range(0..2)),
            1 => Aim::AfterCall(self.dice.random_range(0..2)),
            _ => Aim::Clock,
        });
        let kill = Arc::clone(&self.witness.kill);
        let mut daemon = self.folder.start();
        // Two of three get as far as a cycle, after which changes begin; the others die earlier.
        let early = self.dice.random_range(0..3) == 0;
        let mut at_call = false;
        if !early {
            tokio::select! {
                biased;
                () = kill.notified() => at_call = true,
                () = daemon.cycled(|| self.folder.log()) => {}
            }
        }
        // People get their answers in these lives, however slow the machine is.
        if !early && !at_call {
            tokio::select! {
                biased;
                () = kill.notified() => at_call = true,
                () = self.decide(&daemon) => {}
            }
        }
        let end = tokio::time::sleep(life);
        tokio::pin!(end);
        while !at_call {
            tokio::select! {
                biased;
                () = kill.notified() => at_call = true,
                () = &mut end => break,
                () = self.decide(&daemon) => {}
            }
        }
        self.figures.at_calls += u32::from(at_call);
        self.strike(daemon);
    }

    fn strike(&mut self, daemon: Daemon) {
        assert!(daemon.kill(), "the daemon had ended by itself:\n{}", self.folder.log());
        self.witness.aim(Aim::Clock);
        self.witness.look();
        self.figures.kills += 1;
        let open = self.witness.states().values().any(|state| state.is_open());
        self.figures.with_open_changes += u32::from(open);
    }

    /// Approves what waits, and now and then takes something back. An answer that arrived must never be forgotten.
    pub(crate) async fn decide(&mut self, daemon: &Daemon) {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let Some(waiting) = daemon.get("recommendations?state=awaiting_approval").await else {
            return;
        };
        for one in waiting["recommendations"].as_array().into_iter().flatten().take(3) {
            let (Some(id), Some(digest)) = (one["id"].as_str(), one["digest"].as_str()) else {
                continue;
            };
            if daemon.post(&format!("recommendations/{id}/approve")).await.is_some() {
                self.answers.push(digest.to_owned());
            }
        }
        let watched: Vec<String> = self
            .witness
            .states()
            .into_iter()
            .filter(|(_, state)| *state == State::Watching)
            .map(|(id, _)| id)
            .collect();
        if watched.is_empty() || self.dice.random_range(0..4) > 0 {
            return;
        }
        let id = &watched[self.dice.random_range(0..watched.len())];
        if daemon.post(&format!("changes/{id}/undo")).await.is_some() {
            self.answers.push(id.clone());
        }
    }

    /// Every change that was begun can be decided again from the folder that all those daemons left behind.
    fn replay(&self) {
        for id in self.witness.states().keys() {
            let output = self.folder.trimtab(&["replay", id]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && said.ends_with("reproduced\n"), "{id}: {output:?}");
        }
    }

    /// The last daemon of all does not start on a journal that was changed, and says where.
    fn refuse_damage(&self) {
        let path = self.folder.state().join("journal/00000001.log");
        let mut bytes = std::fs::read(&path).expect("it is there");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("written");
        for command in [&["run"][..], &["audit", "verify"]] {
            let output = self.folder.trimtab(command);
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert_eq!(output.status.code(), Some(1), "{said}");
            for part in ["00000001.log", "record", "restore"] {
                assert!(said.contains(part), "`{part}` is not in {said}");
            }
        }
    }

    /// The last daemon finishes what was begun, and ends in order.
    async fn rest(&mut self) {
        let mut daemon = self.folder.start();
        daemon.cycled(|| self.folder.log()).await;
        self.finish(daemon).await;
        self.replay();
        self.refuse_damage();
        let decided = self.witness.decided();
        let states = self.witness.states();
        let figures = &mut self.figures;
        figures.answers = self.answers.len();
        figures.lost_answers =
            self.answers.iter().filter(|one| !decided.contains(one)).cloned().collect();
        figures.violations = self.witness.violations();
        (figures.records, figures.writes) = self.witness.counts();
        figures.changes = states.len();
        let count = |wanted: State| states.values().filter(|state| **state == wanted).count();
        figures.applied = count(State::Watching) + count(State::Kept);
        figures.undone = count(State::Undone);
    }

    /// Waits until nothing is open any more, and ends the daemon in order.
    pub(crate) async fn finish(&self, daemon: Daemon) {
        let until = now() + REST;
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            self.witness.look();
            let states = self.witness.states();
            let open: Vec<_> = states.iter().filter(|(_, state)| state.is_open()).collect();
            if open.is_empty() {
                break;
            }
            assert!(now() < until, "still open: {open:?}\n{}", self.folder.log());
        }
        assert!(daemon.terminate().success(), "{}", self.folder.log());
        self.witness.look();
    }
}
