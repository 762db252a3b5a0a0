//! The daemon as a process: started, asked over its API, killed.

use std::{
    fs::{File, OpenOptions},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a daemon may take to answer; it takes half a second, on a busy machine several.
const PATIENCE: Duration = Duration::from_secs(90);
/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(20);

/// A folder with a configuration, a state folder, a log and a socket.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    address: String,
}

impl Folder {
    pub(crate) fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let folder = Self { folder, address };
        let text = format!(
            "[agent]\nstate_dir = \"{}\"\nlisten = \"{}\"\n[cloud]\nprovider = \"simulated\"\n\
             socket = \"account.sock\"\n{settings}",
            folder.state().display(),
            folder.address,
        );
        std::fs::write(folder.path("trimtab.toml"), text).expect("written");
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
        command.args(["run", "--log", "json", "--config"]).arg(self.path("trimtab.toml"));
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command that ends by itself.
    pub(crate) fn trimtab(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trimtab"));
        command.args(arguments).arg("--config").arg(self.path("trimtab.toml"));
        command.stdin(Stdio::null()).output().expect("the binary runs")
    }

    fn log_file(&self) -> File {
        let log = OpenOptions::new().create(true).append(true).open(self.path("log"));
        log.expect("the folder takes a file")
    }

    pub(crate) fn start(&self) -> Daemon {
        self.start_as(self.command())
    }

    /// Starts a command that becomes the daemon.
    pub(crate) fn start_as(&self, mut command: Command) -> Daemon {
        let log = self.log_file();
        let other = log.try_clone().expect("a second handle");
        let process =
            command.stdin(Stdio::null()).stdout(log).stderr(other).spawn().expect("it starts");
        Daemon { process, url: format!("http://{}/api/v1", self.address), state: self.state() }
    }
}

/// A daemon, killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Child,
    url: String,
    state: PathBuf,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has already ended cannot be killed, and that is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Daemon {
    /// SIGKILL, and the wait until it is gone; whether it was still running.
    pub(crate) fn kill(mut self) -> bool {
        let running = self.process.try_wait().expect("it is our child").is_none();
        self.process.kill().expect("our child can be killed");
        self.process.wait().expect("it ends");
        running
    }

    /// SIGTERM, and the wait for an orderly end.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let id = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill is there");
        self.process.wait().expect("it ends")
    }

    pub(crate) fn id(&self) -> String {
        self.process.id().to_string()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("it is our child").is_none()
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Option<Value> {
        let token = read_token(&self.state)?;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let request = client.request(method, format!("{}/{path}", self.url)).bearer_auth(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.timeout(PATIENCE).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        serde_json::from_slice(&answer.bytes().await.ok()?).ok()
    }

    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        self.ask(reqwest::Method::GET, path, None).await
    }

    /// The answer, if it said yes: then it must never be forgotten.
    pub(crate) async fn post(&self, path: &str) -> Option<Value> {
        self.ask(reqwest::Method::POST, path, Some(json!({ "now": true }))).await
    }

    /// The first cycle since the start has ended.
    pub(crate) async fn cycled(&mut self, log: impl Fn() -> String) {
        let until = now() + PATIENCE;
        loop {
            let status = self.get("status").await;
            if status.is_some_and(|status| !status["last_cycle"].is_null()) {
                return;
            }
            assert!(self.is_running(), "the daemon ended:\n{}", log());
            assert!(now() < until, "no cycle ended in {PATIENCE:?}:\n{}", log());
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn read_token(state: &Path) -> Option<String> {
    Some(std::fs::read_to_string(state.join("operator.token")).ok()?.trim().to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a real process is waited for in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
