//! A whole daemon on a small simulated account, and what its API tells the test.
//!
//! Not here: the browser.

use std::{fs, net::TcpListener, time::Duration};

use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::Running;

/// Simulated seconds in a real one. In a build without optimization on a busy machine a cycle takes seconds, and at an hour
/// a second its points would be stale before anybody can approve what rests on them.
pub(crate) const SPEED: &str = "120";
/// The demo proposes and changes within two minutes; a busy machine is given twice that.
const PATIENCE: Duration = Duration::from_secs(240);

/// Something of every kind, all on copilot.
const SCENARIO: &str = r#"
name = "page"
description = "A few machines, volumes, functions and a group."
start = "2026-03-02T00:00:00Z"
history_days = 35

[fleet]
web-oversized = 4
bursty = 1
stack-owned = 1
volume-gp2 = 2
function-oversized = 2
group-scaled-over = 1
"#;

/// Its address, its token, and what keeps it alive.
pub(crate) struct Daemon {
    pub(crate) page: String,
    pub(crate) token: String,
    _running: Running,
    _folder: TempDir,
}

impl Daemon {
    /// Starts one and waits until it answers.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = port.local_addr().expect("it is bound").to_string();
        drop(port);
        let state = folder.path().join("state");
        let config = format!(
            "[agent]\nstate_dir = \"{}\"\nlisten = \"{address}\"\n[modes]\ndefault = \"copilot\"\n\
             [schedule]\ncycle = \"0 5 */3 * * *\"\n\
             [cloud]\nprovider = \"simulated\"\nscenario = \"scenario.toml\"\nseed = 7\ntime_factor = {SPEED}.0\n",
            state.display()
        );
        fs::write(folder.path().join("scenario.toml"), SCENARIO).expect("our own folder");
        let file = folder.path().join("trimtab.toml");
        fs::write(&file, config).expect("our own folder");
        let file = file.display().to_string();
        let running = Running::start(env!("CARGO_BIN_EXE_trimtab"), &["run", "--config", &file]);
        let page = format!("http://{address}");
        let http = Client::builder().no_proxy().build().expect("a plain client");
        let answers = async || http.get(format!("{page}/healthz")).send().await.is_ok();
        let started = tokio::time::timeout(PATIENCE, async {
            while !answers().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        started.await.expect("the daemon starts");
        let token = fs::read_to_string(state.join("operator.token")).expect("it was made");
        Self { page, token: token.trim().to_owned(), _running: running, _folder: folder }
    }
}

/// The API, asked with the token where there is one.
pub(crate) struct Api {
    page: String,
    token: Option<String>,
    http: Client,
}

impl Api {
    pub(crate) fn new(page: &str, token: Option<&str>) -> Self {
        let http = Client::builder().no_proxy().build().expect("a plain client");
        let page = page.trim_end_matches('/').to_owned();
        Self { page, token: token.map(str::to_owned), http }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}/api/v1/{path}", self.page));
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let answer = request.send().await.expect("the daemon answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("the API speaks JSON")
    }

    async fn list(&self, name: &str) -> Vec<Value> {
        self.get(name).await[name].as_array().expect("a list under its own name").clone()
    }

    /// The id of the first that is as wanted, once there is one.
    pub(crate) async fn wait_for(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> String {
        let seen = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(found) = self.list(name).await.into_iter().find(&wanted) {
                    return found["id"].as_str().expect("it has an id").to_owned();
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
        match seen.await {
            Ok(id) => id,
            Err(_) => {
                let all = self.list(name).await;
                let states: Vec<_> =
                    all.iter().map(|one| (&one["action"], &one["state"])).collect();
                panic!("the {name} never became what the page is to show: {states:?}");
            }
        }
    }

    pub(crate) async fn state_of(&self, id: &str) -> String {
        let all = self.list("recommendations").await;
        let one = all.iter().find(|one| one["id"] == id);
        one.and_then(|one| one["state"].as_str()).unwrap_or("gone").to_owned()
    }
}
