//! The real binary against the emulated account: the daemon by its API, and `once`.
//!
//! Not here: the flow's details, which the library shows faster (`cycle`, `changes`, `bad_input`).

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::changes::{ROLES, trust};
use crate::flow::{OWN_ACCOUNT, REGION, oversized};
use crate::proxy::{Effect, Fault};
use crate::scene::{Clients, Scene};

/// How long the daemon may take for anything: a cycle takes seconds, a resize in the emulator less, and a call whose answer
/// was lost is looked for during 90 seconds before it is made again.
const PATIENCE: Duration = Duration::from_secs(240);

/// The binary with an environment of its own: no credentials or profile of the person who runs the tests leak in.
pub(crate) fn trimtab(arguments: &[&str], config: &Path, credentials: bool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
    command.args(arguments).arg("--config").arg(config).env_clear();
    command.env("HOME", "/nonexistent").env("AWS_EC2_METADATA_DISABLED", "true");
    if credentials {
        command.env("AWS_ACCESS_KEY_ID", "AKIATRIMTABWIRETESTS");
        command.env("AWS_SECRET_ACCESS_KEY", "secret");
    }
    command
}

/// Writes a configuration into the folder; the daemon would listen at `address`.
pub(crate) fn configuration(
    folder: &Path,
    (endpoint, address): (&str, &str),
    (mode, accounts): (&str, &str),
) -> PathBuf {
    let path = folder.join("trimtab.toml");
    let state = folder.join("state");
    let text = format!(
        "[agent]\nstate_dir = \"{}\"\nlisten = \"{address}\"\n[modes]\ndefault = \"{mode}\"\n[cloud]\n\
         provider = \"aws\"\nendpoint_url = \"{endpoint}\"\n{accounts}",
        state.display()
    );
    std::fs::write(&path, text).expect("the folder takes a file");
    path
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// An address that was free a moment ago.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").to_string()
}

/// A running daemon; it is killed when this value is dropped.
pub(crate) struct Daemon {
    process: Child,
    folder: TempDir,
    address: String,
    client: reqwest::Client,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A process that has already ended cannot be killed, and that is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Daemon {
    /// Starts the daemon and waits until it answers.
    pub(crate) async fn start(scene: &Scene, mode: &str, accounts: &str) -> Self {
        let (folder, address) = (folder(), free_address());
        let places = (scene.proxy.url(), address.as_str());
        configuration(folder.path(), places, (mode, accounts));
        let client = reqwest::Client::builder().no_proxy().build().expect("it needs nothing");
        let process = spawn(folder.path());
        let daemon = Self { process, folder, address, client };
        daemon.answers().await;
        daemon
    }

    /// SIGKILL, and another process on what the first one left.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it was killed");
        self.process = spawn(self.folder.path());
        self.answers().await;
    }

    async fn answers(&self) {
        let health = format!("http://{}/healthz", self.address);
        self.wait("it answers", async || {
            let answer = self.client.get(&health).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Asks again and again until there is an answer.
    pub(crate) async fn wait<T>(&self, what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
        let asked = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        if let Ok(answer) = asked.await {
            return answer;
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("waited {PATIENCE:?} until {what}; the daemon's log:\n{log}")
    }

    fn token(&self) -> String {
        let path = self.folder.path().join("state/operator.token");
        std::fs::read_to_string(path).expect("the daemon wrote it").trim().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("http://{}/api/v1/{path}", self.address));
        let answer = request.bearer_auth(self.token()).send().await.expect("the daemon answers");
        let status = answer.status();
        assert!(status.is_success(), "{path}: {status}");
        json_of(answer).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("http://{}/api/v1/{path}", self.address));
        let request = request.bearer_auth(self.token()).body(body.to_string());
        let answer = request.send().await.expect("the daemon answers");
        let status = answer.status();
        let said = json_of(answer).await;
        assert!(status.is_success(), "{path}: {status} {said}");
        said
    }

    /// Waits until the first change is in that state.
    async fn change_is(&self, state: &str) -> Value {
        let what = format!("a change is {state}");
        self.wait(&what, async || {
            let changes = self.get("changes").await;
            let change = changes["changes"].get(0)?.clone();
            (change["state"] == state).then_some(change)
        })
        .await
    }
}

/// Starts the binary on the folder's configuration.
fn spawn(folder: &Path) -> Child {
    let mut command = trimtab(&["run"], &folder.join("trimtab.toml"), true);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log"));
    let log = log.expect("the folder takes a file");
    let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    process.expect("the binary was built with these tests")
}

async fn json_of(answer: reqwest::Response) -> Value {
    let text = answer.text().await.expect("the daemon answers in text");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) async fn type_of(clients: &Clients, id: &str) -> String {
    let answer = clients.ec2.describe_instances().instance_ids(id).send().await;
    let answer = answer.expect("moto answers");
    let kind = answer.reservations()[0].instances()[0].instance_type().cloned();
    kind.expect("an instance has a type").as_str().to_owned()
}

fn writes(scene: &Scene) -> Vec<String> {
    scene.proxy.writes().into_iter().map(|call| call.operation).collect()
}

pub(crate) async fn state_of(clients: &Clients, id: &str) -> String {
    let answer = clients.ec2.describe_instances().instance_ids(id).send().await;
    let answer = answer.expect("moto answers");
    let state = answer.reservations()[0].instances()[0].state().and_then(|state| state.name());
    state.expect("an instance has a state").as_str().to_owned()
}

const RESIZE: [&str; 4] =
    ["CreateTags", "StopInstances", "ModifyInstanceAttribute", "StartInstances"];
/// The mark is still there while a change is watched, and goes at its end.
const BACK: [&str; 4] =
    ["StopInstances", "ModifyInstanceAttribute", "StartInstances", "DeleteTags"];

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_resizes_what_was_approved_over_the_api_and_takes_it_back() {
    let scene = Scene::start().await;
    let (id, clients) = (oversized(&scene, REGION).await, scene.clients(REGION));
    scene.proxy.forget_calls();
    let daemon = Daemon::start(&scene, "copilot", ROLES).await;
    let shown = daemon
        .wait("something is recommended", async || {
            daemon.get("recommendations").await["recommendations"].get(0).cloned()
        })
        .await;
    assert_eq!(
        shown["resource"]["arn"],
        format!("arn:aws:ec2:{REGION}:123456789012:instance/{id}")
    );
    assert_eq!(
        (&shown["state"], &shown["action"]),
        (&json!("awaiting_approval"), &json!("resize-instance"))
    );
    assert_eq!((writes(&scene), type_of(&clients, &id).await.as_str()), (vec![], "m5.2xlarge"));

    let path = format!("recommendations/{}/approve", shown["id"].as_str().expect("an id is text"));
    daemon.post(&path, &json!({ "digest": shown["digest"], "now": true })).await;
    let change = daemon.change_is("watching").await;
    assert_eq!(writes(&scene), RESIZE);
    assert_eq!(json!(type_of(&clients, &id).await), shown["desired"]["instance_type"]);

    scene.proxy.forget_calls();
    let path = format!("changes/{}/undo", change["id"].as_str().expect("an id is text"));
    daemon.post(&path, &json!({})).await;
    daemon.change_is("undone").await;
    daemon
        .wait("the mark is removed", async || (writes(&scene).len() >= BACK.len()).then_some(()))
        .await;
    assert_eq!(writes(&scene), BACK);
    assert_eq!(type_of(&clients, &id).await, "m5.2xlarge");
}

/// A daemon that was killed while a machine was off by its doing, and a configuration for the next one that is refused.
struct LeftOff {
    scene: Scene,
    /// Keeps the state folder.
    daemon: Daemon,
    clients: Clients,
    instance: String,
    desired_type: Value,
    config: PathBuf,
}

/// Leaves the fault that keeps the machine from starting in place.
async fn left_off() -> LeftOff {
    let scene = Scene::start().await;
    let (instance, clients) = (oversized(&scene, REGION).await, scene.clients(REGION));
    trust(&scene);
    scene.proxy.forget_calls();
    let mut daemon = Daemon::start(&scene, "copilot", ROLES).await;
    let shown = daemon
        .wait("something is recommended", async || {
            daemon.get("recommendations").await["recommendations"].get(0).cloned()
        })
        .await;
    // The machine cannot be started, so that the daemon dies while it is off.
    let unavailable = Effect::Error { status: 503, code: "Unavailable".to_owned() };
    let fault = Fault::new("ec2", "StartInstances", unavailable, u32::MAX).sparing_dry_runs();
    scene.proxy.inject(fault);
    let path = format!("recommendations/{}/approve", shown["id"].as_str().expect("an id is text"));
    daemon.post(&path, &json!({ "digest": shown["digest"], "now": true })).await;
    daemon.wait("the machine is off", async || has_tried_to_start(&scene)).await;
    daemon.process.kill().expect("it runs");
    daemon.process.wait().expect("it was killed");

    // No account any more, a mode that does not exist, and a line that is no TOML.
    let (state, endpoint) = (daemon.folder.path().join("state"), scene.proxy.url());
    let broken = format!(
        "[modes]\ndefault = \"pilot\"\nwhat = \n[agent]\nstate_dir = \"{}\"\n[cloud]\nendpoint_url = \"{endpoint}\"\n",
        state.display()
    );
    let config = daemon.folder.path().join("broken.toml");
    std::fs::write(&config, broken).expect("the folder takes a file");
    LeftOff {
        scene,
        daemon,
        clients,
        instance,
        desired_type: shown["desired"]["instance_type"].clone(),
        config,
    }
}

fn has_tried_to_start(scene: &Scene) -> Option<()> {
    writes(scene).contains(&"StartInstances".to_owned()).then_some(())
}

fn has_looked(scene: &Scene) -> Option<()> {
    let mut calls = scene.proxy.calls().into_iter();
    calls.any(|call| call.operation == "DescribeInstances").then_some(())
}

impl LeftOff {
    /// The process has refused the settings, and the machine runs on the type that was wanted.
    async fn is_finished(&self, ended: &Output) {
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains("broken.toml:3") && said.contains("refused settings"), "{said}");
        assert_eq!(json!(type_of(&self.clients, &self.instance).await), self.desired_type);
        assert_eq!(state_of(&self.clients, &self.instance).await, "running");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_left_off_by_a_killed_daemon_runs_again_though_the_settings_are_broken() {
    let left = left_off().await;
    left.scene.proxy.clear_faults();
    let mut command = trimtab(&["run"], &left.config, true);
    let ended = tokio::task::spawn_blocking(move || command.output());
    let ended = ended.await.expect("it runs to its end").expect("the binary was built");
    left.is_finished(&ended).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_does_not_end_a_recovery_while_the_machine_is_off() {
    let left = left_off().await;
    left.scene.proxy.forget_calls();
    let mut command = trimtab(&["run"], &left.config, true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("the binary was built");
    let looks = || left.daemon.wait("it looks at the machine", async || has_looked(&left.scene));
    looks().await;
    for name in ["-HUP", "-TERM"] {
        let signalled = Command::new("kill").arg(name).arg(process.id().to_string()).status();
        assert!(signalled.expect("there is a kill").success());
    }
    // What is on its way when the signal comes may still be answered; the second look is later.
    for _ in 0..2 {
        left.scene.proxy.forget_calls();
        looks().await;
    }
    assert_eq!(process.try_wait().expect("it can be asked"), None, "it waits for the machine");
    left.scene.proxy.clear_faults();
    let ended = tokio::task::spawn_blocking(move || process.wait_with_output());
    let ended = ended.await.expect("it runs to its end").expect("its output can be read");
    left.is_finished(&ended).await;
}

/// Runs `once --json` to its end.
fn once(config: &Path, credentials: bool) -> Output {
    let mut command = trimtab(&["once", "--json"], config, credentials);
    command.stdin(Stdio::null()).output().expect("the binary was built with these tests")
}

#[tokio::test(flavor = "multi_thread")]
async fn once_prints_the_plan_and_never_writes() {
    let scene = Scene::start().await;
    let id = oversized(&scene, REGION).await;
    scene.proxy.forget_calls();
    let folder = folder();
    let config =
        configuration(folder.path(), (scene.proxy.url(), "127.0.0.1:1"), ("copilot", ROLES));
    let said = tokio::task::spawn_blocking(move || once(&config, true));
    let said = said.await.expect("it runs to its end");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&said.stderr));
    let plan: Value = serde_json::from_str(&text).expect("it is one JSON document");
    assert_eq!(plan["cycle"]["failures"], json!([]));
    let entry = &plan["recommendations"][0];
    assert!(entry["resource"]["arn"].as_str().is_some_and(|arn| arn.ends_with(&id)), "{entry}");
    assert_eq!((&entry["decision"], &entry["mode"]), (&json!("await_approval"), &json!("copilot")));
    assert_eq!(entry["expected"]["instance_type"], "m5.2xlarge");
    assert!(entry["saving_usd_monthly"].as_f64().is_some_and(|saving| saving > 10.0), "{entry}");
    assert_eq!(writes(&scene), Vec::<String>::new());
    let calls = scene.proxy.calls();
    assert!(
        calls.iter().any(|call| call.operation == "DescribeInstanceTypes"),
        "the catalogue is renewed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_once_says_for_which_account_and_fails() {
    let folder = folder();
    let places = ("http://127.0.0.1:9", "127.0.0.1:1");
    let config = configuration(folder.path(), places, ("datapilot", OWN_ACCOUNT));
    let said = tokio::task::spawn_blocking(move || once(&config, false));
    let said = said.await.expect("it runs to its end");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.status.code(), Some(1), "{text}{}", String::from_utf8_lossy(&said.stderr));
    let plan: Value = serde_json::from_str(&text).expect("it is one JSON document");
    let failures = plan["cycle"]["failures"].as_array().expect("failures are a list");
    assert_eq!(failures.len(), 1, "{plan}");
    assert_eq!(
        (&failures[0]["account"], &failures[0]["service"]),
        (&json!("123456789012"), &json!("sts"))
    );
    let error = failures[0]["error"].as_str().unwrap_or_default();
    assert!(error.contains("no credentials") && error.contains("AWS_ACCESS_KEY_ID"), "{error}");
}
