//! The page under fifty readers with ten thousand open recommendations: how long a look takes, and what memory it needs.
//!
//! One run and no statistics beyond percentiles. The readers live in this process and take their share of the cores it is
//! given: run it under `taskset -c 0` for the figures of one core. Prints a table, then one line of JSON. Not here: cycles
//! (`cycle`).

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot, task::JoinSet};
use trimtab::{
    agent::Agent,
    api::{ApiState, router, serve},
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    simulate::scenario_settings,
    simulated::Simulated,
    view::RecommendationState,
};
use trimtab_models::{catalog::Catalog, money::Usd};
use trimtab_simulations::{
    scenario::{FIRST_LOOK, Scenario},
    world::World,
};

const SEED: u64 = 7;
const RECOMMENDATIONS: usize = 10_000;
const READERS: usize = 50;
/// Looks of each reader.
const LOOKS: usize = 20;
/// Recommendations at the top of the queue, which everybody looks at.
const AT_THE_TOP: usize = 32;
/// Between two looks of a person who does nothing but click.
const PAUSE: Duration = Duration::from_secs(1);

/// What must hold on one core.
const LIST_MS_MAX: f64 = 150.0;
const ONE_MS_MAX: f64 = 100.0;
/// What reading may add to the memory, MiB: it is flat.
const GROWTH_MIB_MAX: f64 = 64.0;

/// The only clock of this bench.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn stopwatch() -> Instant {
    Instant::now()
}

/// The memory of this process, MiB; Linux only.
fn memory_mib(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("the bench runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.expect("Linux tells it in KiB") / 1024.0
}

/// Milliseconds that this process has computed for; Linux counts them in hundredths of a second.
fn computed_ms() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("the bench runs on Linux");
    // The name in parentheses may hold spaces; user and system time are the 14th and 15th field.
    let (_, fields) = stat.rsplit_once(')').expect("the name ends");
    let ticks = fields.split_whitespace().skip(11).take(2).map(|one| one.parse::<f64>());
    ticks.sum::<Result<f64, _>>().expect("Linux tells numbers") * 10.0
}

/// An agent after one cycle, whose open recommendations were copied until there are enough.
async fn agent(state: &std::path::Path) -> Arc<Agent> {
    let scenario = Scenario::parse(FIRST_LOOK).expect("the scenario is shipped");
    let mut settings = scenario_settings(&scenario, state, None).expect("the scenario is shipped");
    // All readers come as one caller, which nobody does.
    settings.api.requests.burst = std::num::NonZeroU32::MAX;
    let clock = Arc::new(ManualClock::new(scenario.start));
    let world = World::new(&scenario, SEED, Catalog::embedded());
    let ports = Simulated::new(world, clock).ports();
    let agent = Agent::open(settings, ports, Catalog::embedded()).expect("the folder is ours");
    run_cycle(&agent, Begin::Never).await.expect("a cycle that ends");
    let store = agent.store();
    let mut all = store.recommendations().expect("they are read");
    let open: Vec<_> = all.values().filter(|view| view.state.is_open()).cloned().collect();
    for index in 0..RECOMMENDATIONS - open.len() {
        let mut copy = open[index % open.len()].clone();
        copy.entry.id = format!("{index:012x}");
        copy.state = RecommendationState::AwaitingApproval;
        copy.entry.recommendation.saving = Usd::from_dollars((index % 997) as f64);
        all.insert(copy.entry.id.clone(), copy);
    }
    store.replace_recommendations(&all).expect("they are written");
    drop(store);
    Arc::new(agent)
}

/// The path of a reader's n-th look.
type Path = fn(usize) -> String;

/// The path of a reader's look: other pages, filters and recommendations each time.
fn list_path(look: usize) -> String {
    match look % 4 {
        0 => "/recommendations".to_owned(),
        1 => format!("/recommendations?page={}", look % 200 + 1),
        2 => "/recommendations?kind=ec2-instance&sort=saving".to_owned(),
        _ => "/recommendations?q=web&action=resize-instance".to_owned(),
    }
}

fn one_path(look: usize) -> String {
    format!("/recommendations/{:012x}", look * 7_919 % (RECOMMENDATIONS - 100))
}

/// One of the few that everybody looks at, whose plots were drawn before.
fn same_path(look: usize) -> String {
    one_path(look % AT_THE_TOP)
}

async fn look(http: &Client, base: &str, path: &str) -> (f64, usize) {
    let started = stopwatch();
    let answer = http.get(format!("{base}{path}")).send().await.expect("the page is served");
    assert!(answer.status().is_success(), "{path} answered {}", answer.status());
    let bytes = answer.bytes().await.expect("the page is whole").len();
    (started.elapsed().as_secs_f64() * 1_000.0, bytes)
}

/// Milliseconds of every look, sorted, and the largest page.
async fn read(base: &str, readers: usize, pause: Duration, path: Path) -> (Vec<f64>, usize) {
    let mut all = JoinSet::new();
    for reader in 0..readers {
        let base = base.to_owned();
        all.spawn(async move {
            let http = Client::builder().no_proxy().build().expect("a plain client");
            // Readers do not begin at once, as people do not.
            tokio::time::sleep(pause.mul_f64(reader as f64 / readers as f64)).await;
            let mut looks = Vec::with_capacity(LOOKS);
            for index in 0..LOOKS {
                looks.push(look(&http, &base, &path(reader * LOOKS + index)).await);
                tokio::time::sleep(pause).await;
            }
            looks
        });
    }
    let looks: Vec<(f64, usize)> = all.join_all().await.into_iter().flatten().collect();
    let mut took: Vec<f64> = looks.iter().map(|look| look.0).collect();
    took.sort_by(f64::total_cmp);
    (took, looks.iter().map(|look| look.1).max().unwrap_or(0))
}

fn percentile(sorted: &[f64], ratio: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * ratio).round() as usize]
}

async fn measure(base: &str) -> Vec<(String, f64, Option<f64>)> {
    let mut figures = Vec::new();
    let pages: [(&str, Path, f64); 3] = [
        ("list", list_path, LIST_MS_MAX),
        ("first look at one", one_path, ONE_MS_MAX),
        ("next look at one", same_path, ONE_MS_MAX),
    ];
    for (name, path, most) in pages {
        let (alone, bytes) = read(base, 1, Duration::ZERO, path).await;
        let (paced, _) = read(base, READERS, PAUSE, path).await;
        let before = computed_ms();
        let (pressed, _) = read(base, READERS, Duration::ZERO, path).await;
        let computed = (computed_ms() - before) / pressed.len() as f64;
        figures.extend([
            (format!("{name} alone p50 ms"), percentile(&alone, 0.5), None),
            (format!("{name} {READERS} readers p50 ms"), percentile(&paced, 0.5), None),
            (format!("{name} {READERS} readers p99 ms"), percentile(&paced, 0.99), Some(most)),
            (format!("{name} without pause p50 ms"), percentile(&pressed, 0.5), None),
            (format!("{name} without pause p99 ms"), percentile(&pressed, 0.99), Some(most)),
            (format!("{name} computing ms"), computed, None),
            (format!("{name} bytes"), bytes as f64, None),
        ]);
    }
    figures
}

fn show(figures: &[(String, f64, Option<f64>)]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut line = serde_json::Map::new();
    for (name, value, most) in figures {
        let limit = most.map_or_else(String::new, |most| {
            let verdict = if *value <= most { "within" } else { "OVER" };
            format!("  {verdict} {most}")
        });
        writeln!(out, "{name:<36}{value:>12.2}{limit}")?;
        line.insert(name.replace(' ', "_"), json!((value * 1000.0).round() / 1000.0));
    }
    writeln!(out, "{}", Value::Object(line))
}

fn main() -> io::Result<()> {
    let runtime = Runtime::new()?;
    let state = tempfile::tempdir()?;
    let figures = runtime.block_on(async {
        let agent = agent(state.path()).await;
        let api = ApiState::new(agent, Arc::new(|_| {}), Arc::new(|| {}), true);
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let (end, ended) = oneshot::channel::<()>();
        let router = router(api.expect("the token is written into our folder"));
        let server = tokio::spawn(serve(listener, router, async move {
            ended.await.ok();
        }));
        // Once through everything, so that what grows afterwards is growth.
        measure(&base).await;
        let before = memory_mib("VmRSS:");
        let mut figures = measure(&base).await;
        let grown = memory_mib("VmRSS:") - before;
        figures.push(("memory MiB".to_owned(), before, None));
        figures.push(("memory grown MiB".to_owned(), grown, Some(GROWTH_MIB_MAX)));
        end.send(()).ok();
        server.await.expect("the server ends");
        Ok::<_, io::Error>(figures)
    })?;
    show(&figures)
}
