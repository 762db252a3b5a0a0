//! The whole way: a simulated account, its journal, the outboxes, and real receivers on loopback, in virtual time.
//!
//! Not here: the outbox by itself (`outbox`).

mod receivers;

use std::{path::Path, sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;
use trimtab_config::NotifyEvent;
use trimtab_models::{catalog::Catalog, recommendation::Action};
use trimtab_policies::{
    change::{Access, Change, Opening, State},
    mode::Mode,
    operations::{Failure, FailureKind, Operation},
    record::{Entry, Event},
};
use trimtab_simulations::{scenario::Scenario, world::World};

use super::{Courier, ReceiverView, Watch};
use crate::{
    agent::Agent,
    brief::Brief,
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    decide,
    ports::Clock,
    simulate::scenario_settings,
    simulated::Simulated,
    view::{RecommendationState, RecommendationView},
};
use receivers::{Endpoint, Got, MailServer, Reply};

const KEY: &str = "a key of the receiver's";

/// An agent on a small account, with receivers.
struct Scene {
    agent: Arc<Agent>,
    clock: ManualClock,
    scenario: Scenario,
    state: TempDir,
    courier: Courier,
}

impl Scene {
    fn new(notify: &str) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(state.path().join("key"), format!("{KEY}\n")).expect("it can be written");
        let scenario = scenario(state.path(), notify);
        let clock = ManualClock::new(scenario.start);
        let agent = agent(&scenario, state.path(), &clock);
        // A second is long on loopback, and short for a test of one that never answers.
        let courier = Courier::within(Duration::from_secs(1)).expect("TLS is set up");
        Self { agent, clock, scenario, state, courier }
    }

    /// One that tells a webhook of these events.
    fn of_webhook(url: &str, events: &[NotifyEvent]) -> Self {
        Self::new(&webhook("ops", url, events))
    }

    /// The same state folder, opened by a new process.
    fn restarted(self) -> Self {
        let Self { agent, clock, scenario, state, courier } = self;
        drop(Arc::try_unwrap(agent).expect("nothing else holds the agent"));
        let agent = self::agent(&scenario, state.path(), &clock);
        Self { agent, clock, scenario, state, courier }
    }

    fn watch(&self) -> Watch {
        Watch::start(Arc::clone(&self.agent))
    }

    async fn cycle(&self) {
        run_cycle(&self.agent, Begin::Never).await.expect("the simulated account answers");
    }

    fn later(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
    }

    /// Sends all that is due to the receiver of this name; tells how many were tried.
    async fn send(&self, name: &str) -> usize {
        let told = self.agent.notifier.told();
        let post = told.posts.iter().find(|post| post.receiver.name == name);
        let post = post.expect("it is configured");
        let mut tried = 0;
        while post.send_one(&self.courier, told.page_url(), &self.clock).await {
            tried += 1;
        }
        tried
    }

    fn view(&self, name: &str) -> ReceiverView {
        let views = self.agent.notifier.views();
        views.into_iter().find(|view| view.name == name).expect("it is configured")
    }
}

fn webhook(name: &str, url: &str, events: &[NotifyEvent]) -> String {
    let events: Vec<&str> = events.iter().map(|event| event.as_str()).collect();
    format!(
        "[[settings.notify.webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nsecret_file = \"KEY\"\nevents = {events:?}\n"
    )
}

fn scenario(state: &Path, notify: &str) -> Scenario {
    let key = state.join("key").display().to_string();
    let text = format!(
        "name = \"told\"\ndescription = \"Some machines on copilot.\"\nstart = \"2026-03-02T00:00:00Z\"\nhistory_days = 35\n\
         [fleet]\nweb-oversized = 3\nvolume-gp2 = 2\n[settings.modes]\ndefault = \"copilot\"\n\
         [settings.notify]\npage_url = \"https://trimtab.example.com\"\n{}",
        notify.replace("KEY", &key)
    );
    Scenario::parse(&text).expect("a scenario that is read")
}

fn agent(scenario: &Scenario, state: &Path, clock: &ManualClock) -> Arc<Agent> {
    let settings = scenario_settings(scenario, state, None).expect("its settings");
    let world = World::new(scenario, 7, Catalog::embedded());
    let simulated = Simulated::new(world, Arc::new(clock.clone()));
    let agent = Agent::open(settings, simulated.ports(), Catalog::embedded());
    Arc::new(agent.expect("the folder opens"))
}

/// What a receiver does that trusts nobody: its own HMAC over what it was sent.
#[track_caller]
fn verify(got: &Got, now: Timestamp) {
    let header = got.header("x-trimtab-signature");
    let (time, mac) = header.split_once(",v1=").expect("two parts");
    let time = time.strip_prefix("t=").expect("a time");
    assert_eq!(time, now.as_second().to_string());
    let mut hmac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("any length");
    hmac.update(time.as_bytes());
    hmac.update(b".");
    hmac.update(&got.body);
    let bytes: Vec<u8> = (0..mac.len())
        .step_by(2)
        .map(|index| u8::from_str_radix(&mac[index..index + 2], 16).expect("hex"))
        .collect();
    hmac.verify_slice(&bytes).expect("the signature is the body's");
    assert_eq!(got.json()["id"], got.header("x-trimtab-event"));
}

fn events(got: &[Got]) -> Vec<String> {
    got.iter().map(|one| one.json()["event"].as_str().expect("a word").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proposals_of_a_cycle_are_one_signed_message_and_told_once() {
    let endpoint = Endpoint::open().await;
    let scene = Scene::of_webhook(&endpoint.url, &[NotifyEvent::AwaitingApproval]);
    let mut watch = scene.watch();
    scene.cycle().await;
    watch.look();
    assert_eq!(scene.send("ops").await, 0, "more of the same may come");
    scene.later(30);
    assert_eq!(scene.send("ops").await, 1);
    let got = endpoint.got();
    verify(&got[0], scene.clock.now());
    let body = got[0].json();
    let asked = scene.agent.briefs().awaiting();
    assert!(asked > 1, "the account has several machines");
    assert_eq!(body["count"], asked);
    assert_eq!(body["title"], format!("{asked} recommendations await approval"));
    let notices = body["notices"].as_array().expect("a list");
    let briefs = scene.agent.briefs();
    let is_asked = |brief: &&Brief| brief.state == RecommendationState::AwaitingApproval;
    let first = briefs.queue().find(is_asked).expect("there are some").id.clone();
    assert_eq!(
        notices[0]["url"],
        format!("https://trimtab.example.com/recommendations/{first}"),
        "the top of the queue comes first"
    );
    scene.later(3_600);
    scene.cycle().await;
    watch.look();
    scene.later(60);
    let mut watch = {
        drop(watch);
        scene.watch()
    };
    watch.look();
    assert_eq!(scene.send("ops").await, 0, "what waits on is no news, for a new process neither");
    let view = scene.view("ops").outbox;
    assert_eq!((view.pending, view.last_error), (0, None));
    assert!(view.last_success_at.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_nobody_ran_is_told_after_the_start() {
    let endpoint = Endpoint::open().await;
    let wanted = [NotifyEvent::StopSet, NotifyEvent::StopReleased];
    let scene = Scene::of_webhook(&endpoint.url, &wanted);
    decide::stop(&scene.agent, "ada", "before anybody was told").expect("it is set");
    let mut watch = scene.watch();
    watch.look();
    decide::resume(&scene.agent, "ada").expect("it is released");
    watch.look();
    drop(watch);
    decide::stop(&scene.agent, "bo", "nobody looks").expect("it is set");
    let scene = scene.restarted();
    let mut watch = scene.watch();
    watch.look();
    scene.later(60);
    assert_eq!(scene.send("ops").await, 2);
    let got = endpoint.got();
    assert_eq!(events(&got), ["stop-set", "stop-released"], "what matters more goes first");
    let title = got[0].json()["title"].as_str().expect("text").to_owned();
    assert_eq!(title, "The stop switch was set by bo: no change begins");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_switch_and_a_disk_are_seen_without_the_journal() {
    let endpoint = Endpoint::open().await;
    let scene = Scene::of_webhook(&endpoint.url, &[NotifyEvent::StopSet]);
    let mut watch = scene.watch();
    std::fs::write(scene.state.path().join("STOP"), "by hand").expect("it can be written");
    watch.look();
    watch.look();
    scene.later(60);
    assert_eq!(scene.send("ops").await, 1);
    let body = endpoint.got()[0].json();
    assert_eq!(body["severity"], "warning");
    assert_eq!(body["notices"][0]["details"][0]["value"], "by hand");
    drop(watch);
    scene.later(3_600);
    let scene = scene.restarted();
    let mut watch = scene.watch();
    watch.look();
    scene.later(60);
    assert_eq!(scene.send("ops").await, 0, "it is so still, whoever looks");
    std::fs::remove_file(scene.state.path().join("STOP")).expect("it is there");
    watch.look();
    std::fs::write(scene.state.path().join("STOP"), "by hand").expect("it can be written");
    watch.look();
    scene.later(60);
    assert_eq!(scene.send("ops").await, 1, "it began anew");
    let got = endpoint.got();
    assert_ne!(got[0].header("x-trimtab-event"), got[1].header("x-trimtab-event"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_first_call_is_refused_is_not_told_as_taken_back() {
    let endpoint = Endpoint::open().await;
    let scene = Scene::of_webhook(&endpoint.url, &[NotifyEvent::ChangeUndone]);
    let mut watch = scene.watch();
    scene.cycle().await;
    let all = scene.agent.store().recommendations().expect("they are read");
    let is_volume =
        |view: &&RecommendationView| view.entry.recommendation.action == Action::MigrateVolumeType;
    let view = all.values().find(is_volume).expect("gp2 volumes are migrated");
    for (refused, told) in
        [(true, "Not made, its first call was refused: "), (false, "Taken back: ")]
    {
        let id = undone(&scene, view, refused);
        watch.look();
        scene.later(30);
        assert_eq!(scene.send("ops").await, 1, "{id}");
        let body = endpoint.got().last().expect("it was told").json();
        let title = body["title"].as_str().expect("text");
        assert!(title.starts_with(told), "{title}");
        scene.later(1);
    }
}

/// Journals a change that ended undone: after its first call was refused, or after it was done.
fn undone(scene: &Scene, view: &RecommendationView, refused: bool) -> String {
    let now = scene.clock.now();
    let opening = Opening {
        recommendation_id: view.entry.id.clone(),
        digest: view.entry.digest.clone(),
        group: "group".to_owned(),
        zone: None,
        mode: Mode::Copilot,
        approver: Some("ada".to_owned()),
        access: Access::default(),
        keys: Vec::new(),
        agent_id: "agent".to_owned(),
        auto_undo: true,
        steps: view.entry.steps.clone(),
    };
    let change = Change::open(opening, view.entry.recommendation.clone(), now);
    let (id, step) = (change.id.clone(), change.steps[0].step.name.clone());
    let mut ledger = scene.agent.ledger();
    ledger.record(now, "ada", Entry::Opened { change: Box::new(change) }).expect("room");
    let instance_id = view.entry.recommendation.resource_id.clone();
    let operation = Operation::StopInstance { instance_id };
    let mut events = vec![Event::Attempted { step: step.clone(), operation }];
    let failure = Failure {
        kind: FailureKind::Denied,
        call: "ModifyVolume".to_owned(),
        target: view.entry.recommendation.resource_id.clone(),
        message: "the role does not allow it".to_owned(),
    };
    events.extend(if refused {
        vec![
            Event::Refused { step: step.clone(), failure },
            Event::GaveUp { step, reason: "it may not".to_owned() },
        ]
    } else {
        vec![Event::Done { step, created_id: None }]
    });
    events.push(Event::UndoBegun { reason: "it went wrong".to_owned(), steps: Vec::new() });
    let reason = "as it was".to_owned();
    events.push(Event::Finished { state: State::Undone, reason, provisional: false });
    for event in events {
        ledger.event(now, &id, event).expect("room");
    }
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_tried_again_with_the_same_id() {
    let endpoint = Endpoint::open().await;
    let elsewhere = Endpoint::open().await;
    let scene = Scene::of_webhook(&endpoint.url, &[NotifyEvent::StopSet]);
    let mut watch = scene.watch();
    decide::stop(&scene.agent, "ada", "a drill").expect("it is set");
    watch.look();
    scene.later(30);
    endpoint.will([
        Reply::Status(500),
        Reply::Redirect(elsewhere.url.clone()),
        Reply::RetryAfter(429, "90"),
        Reply::Never,
    ]);
    for (reason, pause) in [
        ("the receiver answered 500", 7),
        ("the receiver answered 307", 13),
        ("the receiver answered 429", 90),
        ("the receiver did not answer", 60),
    ] {
        assert_eq!(scene.send("ops").await, 1);
        let view = scene.view("ops").outbox;
        let error = view.last_error.expect("it failed");
        assert!(error.starts_with(reason), "{error}");
        assert!(!error.contains("/in"), "an address may be a secret: {error}");
        assert_eq!((view.pending, scene.send("ops").await), (1, 0), "not before its time");
        scene.later(pause);
    }
    assert_eq!(scene.send("ops").await, 1);
    let got = endpoint.got();
    assert_eq!(got.len(), 5);
    assert!(
        got.iter().all(|one| one.header("x-trimtab-event") == got[0].header("x-trimtab-event"))
    );
    assert!(got.iter().all(|one| one.body == got[0].body));
    assert_eq!((scene.view("ops").outbox.pending, elsewhere.got().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_after_sending_sends_again_with_the_same_id() {
    let endpoint = Endpoint::open().await;
    let scene = Scene::of_webhook(&endpoint.url, &[NotifyEvent::StopSet]);
    let mut watch = scene.watch();
    decide::stop(&scene.agent, "ada", "a drill").expect("it is set");
    watch.look();
    scene.later(30);
    {
        let told = scene.agent.notifier.told();
        let post = &told.posts[0];
        let message = post.outbox().begin(scene.clock.now()).expect("it is due");
        let sent = scene.courier.send(&post.receiver, &message, None, scene.clock.now()).await;
        sent.expect("the endpoint takes it");
    }
    drop(watch);
    let scene = scene.restarted();
    let mut watch = scene.watch();
    watch.look();
    scene.later(30);
    assert_eq!(scene.send("ops").await, 1);
    let got = endpoint.got();
    assert_eq!(got[0].header("x-trimtab-event"), got[1].header("x-trimtab-event"));
    drop(watch);
    let scene = scene.restarted();
    scene.watch().look();
    scene.later(3_600);
    assert_eq!(scene.send("ops").await, 0, "it was noted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_delays_no_other() {
    let (slow, quick) = (Endpoint::open().await, Endpoint::open().await);
    let wanted = [NotifyEvent::StopSet];
    let both = webhook("slow", &slow.url, &wanted) + &webhook("quick", &quick.url, &wanted);
    let scene = Scene::new(&both);
    let mut watch = scene.watch();
    decide::stop(&scene.agent, "ada", "a drill").expect("it is set");
    watch.look();
    scene.later(30);
    slow.will([Reply::Never]);
    tokio::select! {
        biased;
        _ = scene.send("slow") => panic!("it never answers"),
        tried = scene.send("quick") => assert_eq!(tried, 1),
    }
    assert_eq!(quick.got().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_and_no_secret() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let url = format!("http://{address}/in");
    let scene = Scene::of_webhook(&url, &[NotifyEvent::StopSet]);
    let _watch = scene.watch();
    let test = |scene: &Scene| {
        let (agent, now) = (Arc::clone(&scene.agent), scene.clock.now());
        async move { agent.notifier.test(Some("ops"), "ada", now).await.expect("it is there") }
    };
    let refused = test(&scene).await[0].error.clone().expect("nobody listens");
    assert!(refused.contains("did not answer") && refused.contains("refused"), "{refused}");
    std::fs::write(scene.state.path().join("key"), " \n").expect("it can be written");
    let empty = test(&scene).await[0].error.clone().expect("there is no key");
    assert!(empty.contains("is empty: write the secret to it"), "{empty}");
    assert_eq!(scene.agent.notifier.test(Some("nobody"), "ada", scene.clock.now()).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_posted_to_by_a_bot_or_by_an_incoming_webhook() {
    let endpoint = Endpoint::open().await;
    let bot = format!(
        "[settings.notify.slack]\nsecret_file = \"KEY\"\nchannel = \"#ops\"\napi_url = \"{}\"\n",
        endpoint.url
    );
    let scene = Scene::new(&bot);
    let mut watch = scene.watch();
    scene.cycle().await;
    watch.look();
    scene.later(30);
    endpoint.will([
        Reply::Body("{\"ok\":false,\"error\":\"channel_not_found\"}"),
        Reply::Body("{\"ok\":true}"),
    ]);
    assert_eq!(scene.send("slack").await, 1);
    let error = scene.view("slack").outbox.last_error.expect("Slack said no");
    assert_eq!(error, "the receiver answered 200 OK: channel_not_found");
    scene.later(10);
    assert_eq!(scene.send("slack").await, 1);
    let got = endpoint.got();
    assert_eq!(got[1].header("authorization"), format!("Bearer {KEY}"));
    let body = got[1].json();
    assert_eq!(body["channel"], "#ops");
    let section = body["blocks"][1]["text"]["text"].as_str().expect("text");
    assert!(section.contains("<https://trimtab.example.com/recommendations/"), "{section}");

    let scene = Scene::new("[settings.notify.slack]\nsecret_file = \"KEY\"\n");
    let _watch = scene.watch();
    let now = scene.clock.now();
    let tested = scene.agent.notifier.test(None, "ada", now).await.expect("it is there");
    let error = tested[0].error.clone().expect("a token without a channel");
    assert!(error.contains("needs a channel") && !error.contains(KEY), "{error}");
    std::fs::write(scene.state.path().join("key"), &endpoint.url).expect("it can be written");
    let tested = scene.agent.notifier.test(None, "ada", now).await.expect("it is there");
    assert_eq!(tested[0].error, None);
    let body: Value = endpoint.got()[2].json();
    assert_eq!(body["text"], "Trimtab reaches you");
    assert_eq!(endpoint.got()[2].header("authorization"), "");
}

fn mail(port: u16, more: &str) -> String {
    format!(
        "digest_hour = 8\n[settings.notify.email]\nhost = \"127.0.0.1\"\nport = {port}\nfrom = \"Trimtab <t@example.com>\"\n\
         to = [\"a@example.com\", \"b@example.com\"]\n{more}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_digest_is_mailed_at_its_hour() {
    let server = MailServer::open("250 taken").await;
    let login = "encryption = \"none\"\nusername = \"trimtab\"\npassword_file = \"KEY\"";
    let scene = Scene::new(&mail(server.port, login));
    let mut watch = scene.watch();
    watch.look();
    scene.cycle().await;
    scene.later(8 * 3_600 - 1);
    watch.look();
    assert_eq!(scene.view("email").outbox.pending, 0, "its hour has not come");
    scene.later(1);
    watch.look();
    watch.look();
    scene.later(30);
    assert_eq!(scene.send("email").await, 1);
    assert_eq!(scene.view("email").outbox.last_error, None);
    let said = server.said(1).await.remove(0).join("\n");
    for part in [
        "AUTH PLAIN ",
        "RCPT TO:<a@example.com>",
        "RCPT TO:<b@example.com>",
        "Subject: [trimtab] Trimtab's day: ",
        "Content-Type: multipart/alternative",
        "Content-Type: text/plain",
        "Content-Type: text/html",
        "Waits for approval: ",
        "https://trimtab.example.com/",
        "@trimtab>",
    ] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
    scene.later(86_400);
    watch.look();
    scene.later(30);
    assert_eq!(scene.send("email").await, 1, "and on the next day");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_who_is_refused_keeps_the_mail_from_nobody_else() {
    let server = MailServer::without("250 taken", Some("a@example.com")).await;
    let scene = Scene::new(&mail(server.port, "encryption = \"none\""));
    let mut watch = scene.watch();
    watch.look();
    scene.later(8 * 3_600);
    watch.look();
    scene.later(30);
    assert_eq!(scene.send("email").await, 1);
    let view = scene.view("email").outbox;
    let error = view.last_error.expect("one was refused");
    assert!(error.starts_with("not taken for a@example.com ("), "{error}");
    assert!(error.contains("550") && !error.contains("b@example.com"), "{error}");
    assert_eq!((view.pending, view.last_success_at), (0, Some(scene.clock.now())));
    let said: Vec<String> = server.said(2).await.concat();
    let sent = said.iter().filter(|line| *line == ".").count();
    assert_eq!(sent, 1, "once, to the other: {said:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_refused_by_the_server_or_by_us() {
    let server = MailServer::open("550 no").await;
    let scene = Scene::new(&mail(server.port, "encryption = \"none\""));
    let _watch = scene.watch();
    let now = scene.clock.now();
    let test = async |scene: &Scene| {
        let tested = scene.agent.notifier.test(Some("email"), "ada", now).await;
        tested.expect("it is there").remove(0).error
    };
    let error = test(&scene).await.expect("the server says no");
    assert!(
        error.starts_with("the mail server did not take it") && error.contains("550"),
        "{error}"
    );
    let plain = MailServer::open("250 taken").await;
    let scene = Scene::new(&mail(plain.port, "encryption = \"starttls\""));
    let _watch = scene.watch();
    let error = test(&scene).await.expect("the server has no STARTTLS");
    assert!(error.starts_with("the mail server did not take it"), "{error}");
    let said = server.said(1).await;
    assert!(said[0].iter().any(|line| line == "DATA"));
    let said = plain.said(1).await;
    assert!(said[0].iter().all(|line| !line.starts_with("MAIL")), "nothing was said in the clear");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_who_is_told_and_loses_nothing_that_waits() {
    let (first, second) = (Endpoint::open().await, Endpoint::open().await);
    let wanted = [NotifyEvent::StopSet, NotifyEvent::StopReleased];
    let scene = Scene::of_webhook(&first.url, &wanted);
    let mut watch = scene.watch();
    decide::stop(&scene.agent, "ada", "a drill").expect("it is set");
    watch.look();
    let both = webhook("ops", &second.url, &wanted) + &webhook("new", &first.url, &wanted);
    let moved = scenario(scene.state.path(), &both);
    let settings = scenario_settings(&moved, scene.state.path(), None).expect("its settings");
    scene.agent.set_settings(settings);
    assert!(
        scene.agent.notifier.put(&scene.agent.settings().notify, scene.agent.ledger().last_seq())
    );
    decide::resume(&scene.agent, "ada").expect("it is released");
    watch.look();
    scene.later(30);
    assert_eq!((scene.send("ops").await, scene.send("new").await), (2, 1));
    assert_eq!(events(&second.got()), ["stop-set", "stop-released"]);
    assert_eq!(events(&first.got()), ["stop-released"], "a new one is told from now on");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_tell_by_themselves_and_end_with_the_daemon() {
    let endpoint = Endpoint::open().await;
    let scene = Scene::of_webhook(&endpoint.url, &[NotifyEvent::DiskFull]);
    let mut settings = (*scene.agent.settings()).clone();
    settings.store.min_free_bytes = u64::MAX;
    scene.agent.set_settings(settings);
    let token = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(super::run(Arc::clone(&scene.agent), token.clone()));
    while endpoint.got().is_empty() {
        tokio::task::yield_now().await;
    }
    token.cancel();
    running.await.expect("it ends");
    let body = endpoint.got()[0].json();
    assert_eq!(
        (body["event"].clone(), body["severity"].clone()),
        ("disk-full".into(), "critical".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_approver_is_asked_for_and_an_approval_that_runs_out_is_told() {
    let endpoint = Endpoint::open().await;
    let wanted = [NotifyEvent::NeedsAnotherApprover, NotifyEvent::ApprovalExpiring];
    let people = "[settings.approvals]\nquorum = 2\nquorum_above_saving_usd_monthly = 0.0\n\
                  [[settings.approver]]\nname = \"ada\"\nrole = \"approver\"\n\
                  [[settings.approver]]\nname = \"bob\"\nrole = \"approver\"\n";
    let scene = Scene::new(&(webhook("ops", &endpoint.url, &wanted) + people));
    let mut watch = scene.watch();
    scene.cycle().await;
    watch.look();
    let briefs = scene.agent.briefs();
    let is_volume = |brief: &&Brief| brief.action == Action::MigrateVolumeType;
    let id = briefs.queue().find(is_volume).expect("gp2 volumes are migrated").id.clone();
    for (name, told) in [("ada", 1), ("bob", 0)] {
        let yes = decide::Approval::default();
        decide::approve(&scene.agent, &id, name, yes).await.expect("nothing holds it back");
        watch.look();
        watch.look();
        scene.later(30);
        assert_eq!(scene.send("ops").await, told, "after {name}");
    }
    let body = endpoint.got()[0].json();
    assert_eq!(body["event"], "needs-another-approver");
    let approvals = body["notices"][0]["details"][0]["value"].as_str().expect("text");
    assert!(approvals.starts_with("approved by ada, needs one more"), "{approvals}");

    // Both are good for a week; ada's ends a little earlier.
    scene.later(6 * 86_400 - 3_600);
    watch.look();
    scene.later(30);
    assert_eq!(scene.send("ops").await, 0, "more than a day is left");
    scene.later(3_600);
    watch.look();
    watch.look();
    scene.later(30);
    assert_eq!(scene.send("ops").await, 1);
    let body = endpoint.got()[1].json();
    assert_eq!(body["event"], "approval-expiring");
    assert_eq!(body["notices"][0]["details"][1]["value"], "ada, bob");
}
