//! One whole cycle on a large simulated account: how long it takes from the first call to the plan, how much memory and
//! disk it needs, and how fast a daemon starts on what it leaves.
//!
//! One run of a program and no statistics: the figures are seconds, and the state is thrown away. The time includes what
//! the simulated account needs to make its metrics up. Prints a table, then one line of JSON. Not here: single parts
//! (`series_store`, and `fit` of the models).

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Instant,
};

use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime};
use trimtab::{
    agent::Agent,
    api::{ApiState, router, serve},
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    simulate::scenario_settings,
    simulated::Simulated,
    view::PlanView,
};
use trimtab_models::catalog::Catalog;
use trimtab_simulations::{scenario::Scenario, world::World};

/// Ten thousand resources with four metrics each on average and 14 days of history.
const SCENARIO: &str = include_str!("../../simulations/scenarios/fleet-10k.toml");

const SEED: u64 = 7;

/// What must hold on 2 cores.
const CYCLE_S_MAX: f64 = 60.0;
const MEMORY_MIB_MAX: f64 = 1024.0;
const BYTES_PER_POINT_MAX: f64 = 2.0;
const START_S_MAX: f64 = 3.0;

/// The only clock of this bench.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn stopwatch() -> Instant {
    Instant::now()
}

/// The most memory that this process ever had, MiB; Linux only.
fn peak_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("the bench runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.expect("Linux tells the peak in KiB") / 1024.0
}

/// An agent on the scenario's account, as the daemon has it when it starts.
fn open(scenario: &Scenario, state: &Path) -> (Agent, f64) {
    let settings = scenario_settings(scenario, state, None).expect("the scenario is shipped");
    let clock = Arc::new(ManualClock::new(scenario.start));
    let world = World::new(scenario, SEED, Catalog::embedded());
    let ports = Simulated::new(world, clock).ports();
    let started = stopwatch();
    let agent = Agent::open(settings, ports, Catalog::embedded()).expect("the folder is ours");
    (agent, started.elapsed().as_secs_f64())
}

/// Serves `agent` as the daemon does and asks for the page. Returns the seconds, and the bytes of the answer.
async fn first_page(agent: Agent) -> (f64, usize) {
    let started = stopwatch();
    let agent = Arc::new(agent);
    let state = ApiState::new(Arc::clone(&agent), Arc::new(|_| {}), Arc::new(|| {}), true)
        .expect("the token is written into our folder");
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = listener.await.expect("the loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, router(state), async move {
        ended.await.ok();
    }));
    let http = reqwest::Client::builder().no_proxy().build().expect("a plain client");
    let answer = http.get(format!("http://{address}/")).send().await.expect("the page is served");
    assert!(answer.status().is_success(), "the page answered {}", answer.status());
    let bytes = answer.bytes().await.expect("the page is whole").len();
    let seconds = started.elapsed().as_secs_f64();
    end.send(()).ok();
    server.await.expect("the server ends");
    (seconds, bytes)
}

/// One figure with what it may be at most.
struct Figure {
    name: &'static str,
    value: f64,
    most: Option<f64>,
}

fn figures(plan: &PlanView, measured: &[(&'static str, f64, Option<f64>)]) -> Vec<Figure> {
    let resources: u64 = plan.cycle.resources.values().sum();
    let counts = [
        ("resources", resources as f64, None),
        ("series", plan.cycle.series_requested as f64, None),
        ("points received", plan.cycle.points_received as f64, None),
        ("recommendations", plan.recommendations.len() as f64, None),
        ("not sized", plan.cycle.not_sized.len() as f64, None),
    ];
    let all = counts.iter().chain(measured);
    all.map(|(name, value, most)| Figure { name, value: *value, most: *most }).collect()
}

fn show(figures: &[Figure]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut line = serde_json::Map::new();
    for Figure { name, value, most } in figures {
        let limit = most.map_or_else(String::new, |most| {
            let verdict = if *value <= most { "within" } else { "OVER" };
            format!("  {verdict} {most}")
        });
        writeln!(out, "{name:<28}{value:>14.2}{limit}")?;
        line.insert(name.replace(' ', "_"), json!((value * 1000.0).round() / 1000.0));
    }
    writeln!(out, "{}", Value::Object(line))
}

fn main() -> io::Result<()> {
    let scenario = Scenario::parse(SCENARIO).expect("the scenario is shipped");
    let runtime = Runtime::new()?;
    let state = tempfile::tempdir()?;
    let (agent, _) = open(&scenario, state.path());
    let before_mib = peak_mib();
    let started = stopwatch();
    let plan = runtime.block_on(run_cycle(&agent, Begin::Never)).expect("a cycle that ends");
    let cycle_s = started.elapsed().as_secs_f64();
    let cycle_mib = peak_mib();
    assert!(plan.cycle.failures.is_empty(), "{:?}", plan.cycle.failures);
    let stored = agent.series_mut().stats();
    drop(agent);
    let (agent, open_s) = open(&scenario, state.path());
    let (page_s, page_bytes) = runtime.block_on(first_page(agent));
    let measured = [
        ("collect to plan s", cycle_s, Some(CYCLE_S_MAX)),
        ("peak before the cycle MiB", before_mib, None),
        ("peak memory MiB", cycle_mib, Some(MEMORY_MIB_MAX)),
        ("points stored", stored.points as f64, None),
        ("bytes stored", stored.bytes as f64, None),
        (
            "bytes a point",
            stored.bytes as f64 / stored.points.max(1) as f64,
            Some(BYTES_PER_POINT_MAX),
        ),
        ("start s", open_s + page_s, Some(START_S_MAX)),
        ("first page bytes", page_bytes as f64, None),
    ];
    show(&figures(&plan, &measured))
}
