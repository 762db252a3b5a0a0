//! A reverse proxy in front of moto, in the test's own process, on a random loopback port.
//!
//! It counts every call, answers CloudWatch itself (`cloudwatch`), refuses what AWS would refuse (`rules`), fills in
//! what moto leaves out (`gaps`) and injects faults (`fault`). Everything else is moto's answer, byte for byte.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Response;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod answer;
mod call;
mod cbor;
mod cloudwatch;
mod cut;
mod fault;
mod gaps;
mod refresh;
mod rules;
mod table;
mod upstream;
mod xml;

pub(crate) use call::{BASE_ACCOUNT, Call};
pub(crate) use cloudwatch::{Alarm, CloudWatch, MetricId, Point};
pub(crate) use fault::{Effect, Fault};
pub(crate) use rules::Rules;

use answer::Answer;
use cut::{CuttableListener, Scissors};
use refresh::Refreshes;
use rules::Memory;
use upstream::{Forward, Upstream};

/// Most bytes of one request; code packages of functions are the largest.
const BODY_MAX: usize = 64 << 20;

/// The running proxy; it stops when this value is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

/// Service, region and operation of a call.
pub(crate) type CallKey = (String, String, String);

impl Proxy {
    /// Starts a proxy in front of the emulator at that address.
    pub(crate) async fn start(moto_url: &str) -> Self {
        let listener =
            TcpListener::bind("127.0.0.1:0").await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::new(moto_url));
        let service = Router::new()
            .fallback(handle)
            .with_state(shared.clone())
            .into_make_service_with_connect_info::<Scissors>();
        let server = tokio::spawn(async move {
            axum::serve(CuttableListener(listener), service)
                .await
                .expect("serving never ends by itself");
        });
        Self { url: format!("http://{address}"), shared, server }
    }

    /// The endpoint to give to the SDK.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Every call since the start or the last `forget_calls`, in the order they came.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// How often each operation was called, failed and dry ones included.
    pub(crate) fn counts(&self) -> BTreeMap<CallKey, usize> {
        let mut counts = BTreeMap::new();
        for Call { service, region, operation, .. } in self.calls() {
            *counts.entry((service, region, operation)).or_default() += 1;
        }
        counts
    }

    /// The calls that asked to change something, whether or not they were let through. Dry runs are none.
    pub(crate) fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::is_write).collect()
    }

    /// Starts counting anew, after a test has set its scene.
    pub(crate) fn forget_calls(&self) {
        lock(&self.shared.calls).clear();
    }

    /// Metrics and alarms, to be filled or changed. Do not hold it across an await: answers wait for it.
    pub(crate) fn cloudwatch(&self) -> MutexGuard<'_, CloudWatch> {
        lock(&self.shared.cloudwatch)
    }

    /// The switches of the rules.
    pub(crate) fn rules(&self) -> MutexGuard<'_, Rules> {
        lock(&self.shared.rules)
    }

    /// Forgets how often volumes were modified, as if a day had passed.
    pub(crate) fn forget_modifications(&self) {
        lock(&self.shared.memory).modifications.clear();
    }

    /// Injects a fault behind those already there.
    pub(crate) fn inject(&self, fault: Fault) {
        lock(&self.shared.faults).push(fault);
    }

    /// Refuses the next `times` calls of an operation (`*` for all of the service) with that status and error code.
    pub(crate) fn fail(
        &self,
        service: &str,
        operation: &str,
        (status, code): (u16, &str),
        times: u32,
    ) {
        let effect = Effect::Error { status, code: code.to_owned() };
        self.inject(Fault::new(service, operation, effect, times));
    }

    /// Lets the next `times` calls take effect and cuts the connection instead of answering.
    pub(crate) fn drop_answer_after_effect(&self, service: &str, operation: &str, times: u32) {
        self.inject(Fault::new(service, operation, Effect::DropAfter, times));
    }

    /// Delays the next `times` calls of an operation.
    pub(crate) fn latency(&self, service: &str, operation: &str, delay: Duration, times: u32) {
        self.inject(Fault::new(service, operation, Effect::Delay(delay), times));
    }

    /// Moves the newest instance refresh of a group.
    pub(crate) fn set_refresh(&self, group: &str, status: &str) {
        lock(&self.shared.refreshes).set_status(group, status);
    }

    /// Ends all faults.
    pub(crate) fn clear_faults(&self) {
        lock(&self.shared.faults).clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
        let strange = lock(&self.shared.strange).clone();
        // A test that fails already says why.
        if !std::thread::panicking() {
            assert!(strange.is_empty(), "not in the table of calls: {strange:?}");
        }
    }
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    calls: Mutex<Vec<Call>>,
    /// Calls of Trimtab's that its table of calls does not know, by service and operation.
    strange: Mutex<Vec<(String, String)>>,
    faults: Mutex<Vec<Fault>>,
    rules: Mutex<Rules>,
    memory: Mutex<Memory>,
    refreshes: Mutex<Refreshes>,
    cloudwatch: Mutex<CloudWatch>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds the lock")
}

impl Shared {
    fn new(moto_url: &str) -> Self {
        Self {
            upstream: Upstream::new(moto_url),
            calls: Mutex::default(),
            strange: Mutex::default(),
            faults: Mutex::default(),
            rules: Mutex::default(),
            memory: Mutex::default(),
            refreshes: Mutex::default(),
            cloudwatch: Mutex::default(),
        }
    }

    /// What AWS would answer: our CloudWatch, a rule's refusal, or moto's completed answer.
    async fn answer(&self, call: &Call, request: Forward) -> Answer {
        if call.service == "cloudwatch" {
            return lock(&self.cloudwatch).answer(call, &request.body);
        }
        let rules = lock(&self.rules).clone();
        if let Some(refusal) =
            rules::refuse((&rules, &self.memory), (call, &request), &self.upstream).await
        {
            return refusal;
        }
        if let Some(played) = lock(&self.refreshes).answer(call).filter(|_| rules.fill_gaps) {
            return played;
        }
        if let Some(empty) = gaps::stand_in(call).filter(|_| rules.fill_gaps) {
            return empty;
        }
        let answer = self.upstream.send(gaps::without_paging(call, request, &rules)).await;
        if !answer.is_success() {
            return answer;
        }
        let mut memory = lock(&self.memory);
        memory.note(call, &answer);
        gaps::complete(call, answer, (&rules, &memory))
    }
}

/// One call from its first byte to its answer.
async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        return Answer::new(413, "text/plain", "the body is too large or was cut off")
            .into_response();
    };
    let account_of = |key: &str| lock(&shared.memory).accounts.get(key).cloned();
    let call = Call::read((&head.method, &head.uri, &head.headers), &body, account_of).await;
    if table::is_by_trimtab(&head.headers) && !table::is_known(&call.service, &call.operation) {
        lock(&shared.strange).push((call.service.clone(), call.operation.clone()));
    }
    let index = {
        let mut calls = lock(&shared.calls);
        calls.push(call.clone());
        calls.len() - 1
    };
    let path_and_query = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let request = Forward { method: head.method, path_and_query, headers: head.headers, body };

    let (delay, effect) = fault::take(&mut lock(&shared.faults), &call);
    tokio::time::sleep(delay).await;
    let answer = match effect {
        Some(Effect::Error { status, code }) => {
            let message = format!("{code} was injected into {}", call.operation);
            Answer::error(&call, status, &code, &message)
        }
        Some(Effect::DropBefore) => return cut(&scissors),
        Some(Effect::DropAfter) => {
            shared.answer(&call, request).await;
            return cut(&scissors);
        }
        Some(Effect::Delay(_)) | None => shared.answer(&call, request).await,
    };
    // The log may have been emptied in between.
    if let Some(logged) =
        lock(&shared.calls).get_mut(index).filter(|logged| logged.operation == call.operation)
    {
        logged.status = answer.status;
    }
    answer.into_response()
}

/// Ends the connection; the response is never written.
fn cut(scissors: &Scissors) -> Response<Body> {
    scissors.cut();
    Response::new(Body::empty())
}
