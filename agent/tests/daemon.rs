//! The daemon as a process on a simulated account: reloads, signals, and what it says when it cannot start.
//!
//! Not here: the flow and the API, which the library shows faster (`api.rs`, `scenarios.rs`).

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// How long the daemon may take for anything; it takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(60);

const SCENARIO: &str = r#"
name = "reload"
description = "One machine."
start = "2026-03-02T00:00:00Z"
history_days = 2

[fleet]
web-oversized = 1
"#;

/// A folder with a scenario and a configuration.
struct Folder {
    folder: TempDir,
    address: String,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("scenario.toml"), SCENARIO).expect("written");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let folder = Self { folder, address };
        folder.configure("datapilot");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces the configuration as an editor does: a new file under the old name.
    fn configure(&self, mode: &str) {
        let text = format!(
            "[agent]\nstate_dir = \"{}\"\nlisten = \"{}\"\n[modes]\ndefault = \"{mode}\"\n\
             [cloud]\nprovider = \"simulated\"\nscenario = \"scenario.toml\"\ntime_factor = 1.0\n",
            self.path("state").display(),
            self.address,
        );
        std::fs::write(self.path("new"), text).expect("written");
        std::fs::rename(self.path("new"), self.path("trimtab.toml")).expect("renamed");
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
        command.args(["run", "--log", "json", "--config"]).arg(self.path("trimtab.toml"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs a daemon that is expected to end by itself; its exit code and what it said.
    fn refused(&self) -> (Option<i32>, String) {
        let output = self.command().output().expect("the binary runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }
}

/// A running daemon, killed when dropped.
struct Daemon<'a> {
    process: Child,
    folder: &'a Folder,
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // One that has already ended cannot be killed, and that is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl<'a> Daemon<'a> {
    fn start(folder: &'a Folder) -> Self {
        let log = File::create(folder.path("log")).expect("the folder takes a file");
        let other = log.try_clone().expect("a second handle");
        let process = folder.command().stdout(log).stderr(other).spawn().expect("it starts");
        let daemon = Self { process, folder };
        daemon.wait("it answers", |daemon| daemon.status().is_some());
        daemon
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path("log")).unwrap_or_default()
    }

    fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let until = now() + PATIENCE;
        while !done(self) {
            assert!(now() < until, "waited {PATIENCE:?} until {what}; the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `trimtab status --json`, if the daemon answers.
    fn status(&self) -> Option<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
        command.args(["status", "--json", "--config"]);
        // The token lies in the state folder, which a broken configuration would hide.
        let config = self.folder.path("reader.toml");
        std::fs::write(&config, reader(self.folder)).expect("written");
        let output = command.arg(config).output().expect("the binary runs");
        output.status.success().then(|| serde_json::from_slice(&output.stdout).ok()).flatten()
    }

    fn mode(&self) -> Option<String> {
        Some(self.status()?["modes"]["default"].as_str()?.to_owned())
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().expect("kill is there");
        assert!(sent.success(), "{name} could not be sent");
    }

    /// Ends it in order; the exit code.
    fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.process.wait().expect("it ends").code()
    }
}

#[expect(clippy::disallowed_methods, reason = "a real process is waited for in real time")]
fn now() -> Instant {
    Instant::now()
}

/// The configuration that a command needs to find the daemon, whatever the daemon's own file says.
fn reader(folder: &Folder) -> String {
    format!(
        "[agent]\nstate_dir = \"{}\"\nlisten = \"{}\"\n[cloud]\nprovider = \"simulated\"\nscenario = \"any\"\n",
        folder.path("state").display(),
        folder.address
    )
}

fn journal_of(folder: &Path) -> String {
    let files = std::fs::read_dir(folder.join("journal")).expect("there is a journal");
    let bytes = files.flat_map(|file| std::fs::read(file.expect("listed").path()));
    String::from_utf8_lossy(&bytes.flatten().collect::<Vec<u8>>()).into_owned()
}

#[test]
fn changed_settings_take_effect_or_are_refused_whole() {
    let folder = Folder::new();
    let daemon = Daemon::start(&folder);
    assert_eq!(daemon.mode().as_deref(), Some("datapilot"));

    folder.configure("copilot");
    daemon
        .wait("the changed file is in force", |daemon| daemon.mode().as_deref() == Some("copilot"));

    folder.configure("pilot");
    daemon.wait("the wrong file is refused", |daemon| daemon.log().contains("are refused"));
    assert!(daemon.log().contains("trimtab.toml:5"), "the line is named: {}", daemon.log());
    assert_eq!(daemon.mode().as_deref(), Some("copilot"), "the old settings stay in force");

    folder.configure("copilot");
    let reloads = || daemon.log().matches("are in force").count();
    daemon.wait("the mended file is in force", |_| reloads() >= 2);
    let before = reloads();
    daemon.signal("-HUP");
    daemon.wait("SIGHUP reloads", |_| reloads() > before);

    assert_eq!(daemon.terminate(), Some(0));
    let journal = journal_of(&folder.path("state"));
    assert!(journal.matches("configured").count() >= 3, "each reload is on record");
}

#[test]
fn what_is_taken_is_told() {
    let folder = Folder::new();
    let daemon = Daemon::start(&folder);
    let (code, said) = folder.refused();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("state") && said.contains("in use"), "{said}");

    let other = Folder { address: folder.address.clone(), ..Folder::new() };
    other.configure("datapilot");
    let (code, said) = other.refused();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&folder.address) && said.contains("agent.listen"), "{said}");
    assert_eq!(daemon.terminate(), Some(0));
}

#[test]
fn settings_that_are_wrong_at_the_start_are_refused() {
    let folder = Folder::new();
    folder.configure("pilot");
    let (code, said) = folder.refused();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("trimtab.toml:5") && said.contains("datapilot"), "{said}");
    assert!(!folder.path("state").exists(), "nothing was begun");
}
