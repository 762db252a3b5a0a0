//! A real agent on a small simulated account, served on a free port: what the tests of the API and of the command line
//! knock at.
//!
//! Not here: any expectation about the agent.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect::Policy};
use serde_json::Value;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use trimtab::{
    agent::Agent,
    api::{ApiState, read_token, router, serve},
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    ports::Ports,
    simulate::scenario_settings,
    simulated::Simulated,
    stage::Stage,
};
use trimtab_config::Rate;
use trimtab_models::catalog::Catalog;
use trimtab_simulations::{scenario::Scenario, world::World};

pub const SCENARIO: &str = r#"
name = "doorstep"
description = "A few machines on copilot, a function on datapilot."
start = "2026-03-02T00:00:00Z"
history_days = 35

[fleet]
web-oversized = 3
volume-gp2 = 2
function-oversized = 2

[settings.modes]
default = "copilot"

[[settings.modes.rule]]
match = { kind = "lambda-function" }
mode = "datapilot"
"#;

/// A served agent, and what it was asked to do.
#[derive(Debug)]
pub struct Door {
    pub agent: Arc<Agent>,
    pub clock: ManualClock,
    pub address: SocketAddr,
    pub token: String,
    pub http: Client,
    pub signals: Arc<Mutex<Vec<Stage>>>,
    pub open_changes: Arc<AtomicUsize>,
    end: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
    pub state: tempfile::TempDir,
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
    }
}

impl Door {
    /// Opens an agent and serves it; `cycled` runs one cycle first.
    pub async fn open(open_page: bool, cycled: bool) -> Self {
        Self::of(SCENARIO, open_page, cycled).await
    }

    /// The same on the account of another scenario.
    pub async fn of(scenario: &str, open_page: bool, cycled: bool) -> Self {
        Self::behind(scenario, (open_page, cycled), |ports| ports).await
    }

    /// The same with something between the agent and the account.
    pub async fn behind(
        scenario: &str,
        (open_page, cycled): (bool, bool),
        between: impl FnOnce(Ports) -> Ports,
    ) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder");
        let is_limited = scenario.contains("[settings.api]");
        let scenario = Scenario::parse(scenario).expect("a scenario that is read");
        let mut settings = scenario_settings(&scenario, state.path(), None).expect("its settings");
        if !is_limited {
            // Tests ask faster than anybody: only those of the limits meet them.
            let free = Rate { period: Duration::from_micros(1), burst: NonZeroU32::MAX };
            let api = &mut settings.api;
            (api.requests, api.writes, api.logins) = (free, free, free);
        }
        let clock = ManualClock::new(scenario.start);
        let world = World::new(&scenario, 7, Catalog::embedded());
        let simulated = Simulated::new(world, Arc::new(clock.clone()));
        let agent = Arc::new(
            Agent::open(settings, between(simulated.ports()), Catalog::embedded())
                .expect("an empty folder opens"),
        );
        if cycled {
            run_cycle(&agent, Begin::Never).await.expect("the simulated account answers");
        }
        let (signals, open_changes) =
            (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (heard, counted) = (Arc::clone(&signals), Arc::clone(&open_changes));
        let api = ApiState::new(
            Arc::clone(&agent),
            Arc::new(move |stage| heard.lock().expect("nobody panics with it").push(stage)),
            Arc::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            }),
            open_page,
        )
        .expect("a token is made");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (end, ended) = oneshot::channel();
        let served = tokio::spawn(serve(listener, router(api), async {
            let _ = ended.await;
        }));
        let token =
            read_token(&state.path().join("operator.token")).expect("the token was written");
        let http = Client::builder().no_proxy().redirect(Policy::none()).build().expect("a client");
        let (end, served) = (Some(end), Some(served));
        Self { agent, clock, address, token, http, signals, open_changes, end, served, state }
    }

    /// Ends the server as the daemon does, and waits until every answer is finished.
    pub async fn end(&mut self) {
        if let Some(end) = self.end.take() {
            let _ = end.send(());
        }
        if let Some(served) = self.served.take() {
            served.await.expect("the server ends in order");
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub fn operator(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> Value {
        let response = self.operator(Method::GET, path).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.expect("JSON")
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let response =
            self.operator(Method::POST, path).json(&body).send().await.expect("an answer");
        let status = response.status();
        (status, response.json().await.expect("JSON"))
    }

    /// Every recommendation in a state, by id and digest.
    pub async fn in_state(&self, state: &str) -> Vec<(String, String)> {
        let body = self.get(&format!("/api/v1/recommendations?state={state}")).await;
        let all = body["recommendations"].as_array().expect("a list").clone();
        all.iter().map(|one| (text(&one["id"]), text(&one["digest"]))).collect()
    }

    pub async fn sign_in(&self) -> String {
        let form = format!("token={}", self.token);
        let response = send(form_post(self, "/login", &form).header("origin", self.origin())).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let cookie = header(&response, "set-cookie");
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        cookie.split(';').next().expect("a cookie has a first part").to_owned()
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

pub fn form_post(door: &Door, path: &str, form: &str) -> RequestBuilder {
    door.request(Method::POST, path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned())
}

pub async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

pub fn header(response: &Response, name: &str) -> String {
    response
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// One runtime for the tests of a file, whose own threads serve while a test waits for a command.
pub fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}
