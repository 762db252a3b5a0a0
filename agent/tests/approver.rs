//! The path of a new approver: from a started daemon to a change that was approved, carried out and verified, by command
//! and by API, in a real process on a simulated account.
//!
//! Not here: the same on the page (`browser/`), and what the API refuses (`api.rs`).

mod door;

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use door::runtime;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use trimtab::api::read_token;

/// How long anything may take; alone it takes seconds.
const PATIENCE: Duration = Duration::from_secs(150);

const SCENARIO: &str = r#"
name = "approver"
description = "Volumes to migrate."
start = "2026-03-02T00:00:00Z"
history_days = 35

[fleet]
volume-gp2 = 3
"#;

/// A daemon in copilot, ten hours a second; killed when dropped.
struct Daemon {
    folder: TempDir,
    address: String,
    process: Child,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has already ended cannot be killed, and that is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Daemon {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        drop(listener);
        let config = format!(
            "[agent]\nstate_dir = \"{}\"\nlisten = \"{address}\"\n[modes]\ndefault = \"copilot\"\n\
             [cloud]\nprovider = \"simulated\"\nscenario = \"scenario.toml\"\ntime_factor = 36000.0\n",
            folder.path().join("state").display()
        );
        for (name, text) in [("scenario.toml", SCENARIO), ("trimtab.toml", &config)] {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let process = Command::new(env!("CARGO_BIN_EXE_trimtab"))
            .args(["run", "--config"])
            .arg(folder.path().join("trimtab.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self { address, process: process.expect("it starts"), folder }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What a command says, and its exit code.
    fn command(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
        let command = command.arg("--config").arg(self.folder.path().join("trimtab.toml"));
        let Output { status, stdout, .. } = command.args(args).output().expect("the binary runs");
        (status.code().expect("it is not killed"), String::from_utf8_lossy(&stdout).into_owned())
    }

    fn json(&self, args: &[&str]) -> Option<Value> {
        let (code, out) = self.command(&[args, &["--json"]].concat());
        (code == 0).then(|| serde_json::from_str(&out).expect("JSON"))
    }

    /// Recommendations that wait for an approval.
    fn waiting(&self) -> Vec<Value> {
        let listed = self.json(&["recommendations", "list", "--state", "awaiting_approval"]);
        listed.and_then(|body| body["recommendations"].as_array().cloned()).unwrap_or_default()
    }

    /// The state of the change that was made of a recommendation.
    fn change_of(&self, recommendation: &str) -> Option<String> {
        let body = self.json(&["changes", "list"])?;
        let changes = body["changes"].as_array()?;
        let change = changes.iter().find(|one| one["recommendation_id"] == recommendation)?;
        Some(change["state"].as_str()?.to_owned())
    }
}

fn wait<T>(what: &str, done: impl Fn() -> Option<T>) -> T {
    let until = now() + PATIENCE;
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(now() < until, "waited {PATIENCE:?} until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[expect(clippy::disallowed_methods, reason = "a real process is waited for in real time")]
fn now() -> Instant {
    Instant::now()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn is_kept(daemon: &Daemon, recommendation: &str) -> Option<()> {
    (daemon.change_of(recommendation)? == "kept").then_some(())
}

#[test]
fn a_change_is_approved_and_verified_by_command_and_by_api() {
    let daemon = Daemon::start();
    let waiting = wait("two recommendations wait", || {
        Some(daemon.waiting()).filter(|waiting| waiting.len() >= 2)
    });
    let [by_command, by_api] = &waiting[..2] else { panic!("two wait") };

    let id = text(&by_command["id"]);
    let (code, shown) = daemon.command(&["recommendations", "show", id]);
    assert!(code == 0 && shown.contains("migrate-volume-type"), "{shown}");
    let (code, said) = daemon.command(&["approve", id, "--reason", "seen", "--yes"]);
    assert!(code == 0 && said.contains("approved by operator"), "{said}");
    wait("the change by command is kept", || is_kept(&daemon, id));

    let (id, digest) = (text(&by_api["id"]), text(&by_api["digest"]));
    let token = read_token(&daemon.state().join("operator.token")).expect("the daemon made it");
    let url = format!("http://{}/api/v1/recommendations/{id}/approve", daemon.address);
    let status = runtime().block_on(async {
        let client = Client::builder().no_proxy().build().expect("a client");
        let body = json!({ "digest": digest, "reason": "seen" });
        let sent = client.post(url).bearer_auth(token).json(&body).send().await;
        sent.expect("an answer").status()
    });
    assert_eq!(status, StatusCode::OK);
    wait("the change by API is kept", || is_kept(&daemon, id));

    let report = daemon.json(&["report"]).expect("a report");
    assert_eq!(report["decided"]["people"][0]["by"], "operator", "{report}");
    assert_eq!(report["decided"]["people"][0]["approved"], 2, "{report}");
}
