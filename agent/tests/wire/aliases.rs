//! Functions behind an alias in an emulated account: a version, a canary, every call, and back by the alias.
//!
//! What moto does otherwise than Lambda: it heeds neither revision nor code of PublishVersion and UpdateAlias, which the
//! proxy does for it, and a version of it is never `Pending`. Not here: functions that callers reach directly (`changes`).

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use trimtab::clock::ManualClock;
use trimtab::decide::undo;
use trimtab::execute::{Advance, advance};
use trimtab_policies::change::State;
use trimtab_policies::plan::{CheckName, Disposition};

use crate::changes::{ROLES, carry_out, run, say_yes, trust, writes};
use crate::daemon::Daemon;
use crate::flow::{Flow, REGION, at, entry, function, held, now};
use crate::kills::approve;
use crate::proxy::{BASE_ACCOUNT, Effect, Fault, MetricId, Point};
use crate::scene::{Clients, Scene};

const NAME: &str = "served";

/// Publishes the function and points its alias at the version.
async fn serve(clients: &Clients) {
    let published = clients.lambda.publish_version().function_name(NAME).send().await;
    let version = published.expect("moto publishes").version.expect("a version has a number");
    assert_eq!(version, "1");
    let alias = clients.lambda.create_alias().function_name(NAME).name("live");
    alias.function_version(version).send().await.expect("the alias is new");
}

/// An hour of runs of a version through the alias: so many a minute, and how many of them fail.
fn runs(scene: &Scene, version: &str, (calls, failed): (f64, f64)) {
    let resource = format!("{NAME}:live");
    let dimensions =
        [("FunctionName", NAME), ("Resource", resource.as_str()), ("ExecutedVersion", version)];
    let start = now().div_euclid(60) * 60;
    for (name, value) in [("Invocations", calls), ("Errors", failed), ("Duration", calls * 500.0)] {
        let points = (0..120).map(|minute| Point::value(start + 60 * minute, value)).collect();
        let metric = MetricId::new("AWS/Lambda", name, &dimensions);
        scene.proxy.cloudwatch().put(BASE_ACCOUNT, REGION, metric, points);
    }
}

/// A function of 1,024 MB behind an alias, of which 200 are used.
async fn served() -> Scene {
    let scene = Scene::start().await;
    let (clients, place) = (scene.clients(REGION), at(&scene, BASE_ACCOUNT, REGION));
    function(&clients, place, (NAME, 1_024, 200.0)).await;
    serve(&clients).await;
    trust(&scene);
    runs(&scene, "1", (90.0, 0.0));
    scene
}

/// An agent on a clock that moves when it sleeps.
fn flow(scene: &Scene) -> Flow {
    scene.proxy.forget_calls();
    let began = Timestamp::from_second(now()).expect("now is a time");
    Flow::at(Arc::new(ManualClock::new(began)), scene.proxy.url(), "copilot", ROLES)
}

/// Where the alias leads, the memory of what it names and of `$LATEST`, and how many versions there are.
async fn live(clients: &Clients) -> (String, i32, i32, usize) {
    let alias = clients.lambda.get_alias().function_name(NAME).name("live").send().await;
    let alias = alias.expect("moto answers");
    let version = alias.function_version().expect("an alias names one").to_owned();
    let weights = alias.routing_config().and_then(|it| it.additional_version_weights());
    let weights = weights.into_iter().flatten().map(|(to, ratio)| format!(" {to}:{ratio}"));
    let memory = async |qualifier: &str| {
        let call = clients.lambda.get_function_configuration().function_name(NAME);
        let shown = call.qualifier(qualifier).send().await.expect("moto answers");
        shown.memory_size().unwrap_or(-1)
    };
    let versions = clients.lambda.list_versions_by_function().function_name(NAME).send().await;
    let count = versions.expect("moto answers").versions().len() - 1;
    let route = format!("{version}{}", weights.collect::<String>());
    (route, memory(&version).await, memory("$LATEST").await, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_gets_a_canary_then_every_call_and_goes_back() {
    let scene = served().await;
    let clients = scene.clients(REGION);
    runs(&scene, "2", (10.0, 0.0));
    let flow = flow(&scene);
    let plan = flow.cycle().await;
    let shown = entry(&plan, NAME);
    assert_eq!(shown.decision, Disposition::AwaitApproval, "{:?}", shown.checks);
    let steps: Vec<&str> = shown.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(steps, ["set-memory", "publish", "canary", "bake", "shift"]);
    assert_eq!(writes(&scene), Vec::<String>::new());

    let (change, state) = carry_out(&flow, NAME).await;
    assert_eq!(state, State::Watching, "{:#?}", flow.agent.ledger().book().changes()[&change]);
    assert_eq!(
        writes(&scene),
        ["UpdateFunctionConfiguration", "PublishVersion", "UpdateAlias", "UpdateAlias"]
    );
    let publish = scene.proxy.writes().swap_remove(1);
    for condition in ["CodeSha256", "RevisionId"] {
        assert!(publish.parameter(condition).is_some(), "{condition}");
    }
    assert_eq!(live(&clients).await, ("2".to_owned(), 512, 512, 2));

    flow.cycle().await;
    assert_eq!(flow.resource(NAME).function().map(|it| it.served_memory_mb()), Some(512));
    scene.proxy.forget_calls();
    undo(&flow.agent, &change, "wire").expect("it was applied a moment ago");
    assert_eq!(run(&flow, &change).await, State::Undone);
    assert_eq!(writes(&scene), ["UpdateAlias", "UpdateFunctionConfiguration"]);
    assert_eq!(live(&clients).await, ("1".to_owned(), 1_024, 1_024, 2), "the version is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_whose_runs_fail_goes_back_by_itself() {
    let scene = served().await;
    runs(&scene, "2", (10.0, 10.0));
    let flow = flow(&scene);
    flow.cycle().await;
    let (change, state) = carry_out(&flow, NAME).await;
    assert_eq!(state, State::Undone);
    let reason = flow.agent.ledger().book().changes()[&change].undo_reason.clone();
    assert!(reason.expect("it was taken back").contains("runs fail"));
    let expect = [
        "UpdateFunctionConfiguration",
        "PublishVersion",
        "UpdateAlias",
        "UpdateAlias",
        "UpdateFunctionConfiguration",
    ];
    assert_eq!(writes(&scene), expect);
    let live = live(&scene.clients(REGION)).await;
    assert_eq!(live, ("1".to_owned(), 1_024, 1_024, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_publish_one_version_and_move_the_alias_once() {
    let scene = served().await;
    runs(&scene, "2", (10.0, 0.0));
    let flow = flow(&scene);
    flow.cycle().await;
    for operation in ["UpdateFunctionConfiguration", "PublishVersion", "UpdateAlias"] {
        scene.proxy.inject(Fault::new("lambda", operation, Effect::DropAfter, 1));
    }
    let (_, state) = carry_out(&flow, NAME).await;
    assert_eq!(state, State::Watching);
    assert_eq!(
        writes(&scene),
        ["UpdateFunctionConfiguration", "PublishVersion", "UpdateAlias", "UpdateAlias"]
    );
    let live = live(&scene.clients(REGION)).await;
    assert_eq!(live, ("2".to_owned(), 512, 512, 2));
}

/// Carries a change on until one of its steps is done.
async fn until_done(flow: &Flow, change: &str, step: &str) {
    let ports = flow.agent.ports();
    for _ in 0..1_000 {
        let done = flow.agent.ledger().book().changes()[change].clone();
        let mut steps = done.steps.iter();
        let state = steps.find(|it| it.step.name == step).expect("one of its steps").state;
        if state == trimtab_policies::change::StepState::Done {
            return;
        }
        let moved = advance(&ports, &flow.agent.ledger, &flow.agent.stop_switch(), change).await;
        match moved.expect("the journal can be written") {
            Advance::WakeAt(at) => ports.clock.sleep_until(at).await,
            Advance::Resting(state) => panic!("it rests in {state} before `{step}`: {done:#?}"),
        }
    }
    panic!("`{step}` is never done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_moves_the_alias_meanwhile_keeps_it_and_our_share_goes() {
    let scene = served().await;
    let clients = scene.clients(REGION);
    let flow = flow(&scene);
    flow.cycle().await;
    say_yes(&flow, NAME).await.unwrap_or_else(|error| panic!("{error}"));
    let begun = trimtab::begin::begin_approved(&flow.agent).await.expect("the folder is ours");
    let [change] = begun.as_slice() else { panic!("{begun:?}: {:?}", flow.kept(NAME).held_by()) };
    until_done(&flow, change, "canary").await;
    assert_eq!(live(&clients).await, ("1 2:0.1".to_owned(), 1_024, 512, 2));
    // A version of their own; the weights stay, as with every pipeline that does not send them.
    let deployed = clients.lambda.update_function_configuration().function_name(NAME).timeout(9);
    deployed.send().await.expect("moto updates");
    let published = clients.lambda.publish_version().function_name(NAME).send().await;
    assert_eq!(published.expect("moto publishes").version.as_deref(), Some("3"));
    let moved = clients.lambda.update_alias().function_name(NAME).name("live");
    moved.function_version("3").send().await.expect("the version is there");
    assert_eq!(live(&clients).await, ("3 2:0.1".to_owned(), 512, 512, 3));
    scene.proxy.forget_calls();
    assert_eq!(run(&flow, change).await, State::Conflicted);
    assert_eq!(writes(&scene), ["UpdateAlias"]);
    let withdrawn = scene.proxy.writes().swap_remove(0);
    assert!(withdrawn.parameter("RevisionId").is_some(), "only if nobody moved it again");
    assert_eq!(withdrawn.parameter("FunctionVersion"), None, "where it leads is theirs");
    assert_eq!(live(&clients).await, ("3".to_owned(), 512, 512, 3));
    let outcome = flow.agent.ledger().book().changes()[change].outcome.clone();
    let reason = outcome.expect("it has ended").reason;
    assert!(reason.contains("10.0 % of its calls to 2"), "{reason}");
    assert!(reason.contains("taken away"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_published_withholds_the_function() {
    let scene = served().await;
    let clients = scene.clients(REGION);
    let variables = aws_sdk_lambda::types::Environment::builder().variables("MODE", "next");
    let update = clients.lambda.update_function_configuration().function_name(NAME);
    update.environment(variables.build()).timeout(9).send().await.expect("moto updates");
    let flow = flow(&scene);
    let plan = flow.cycle().await;
    let shown = entry(&plan, NAME);
    assert_eq!(shown.decision, Disposition::Withheld);
    let why = held(shown, CheckName::Compatibility).expect("it differs");
    assert!(why.contains("(timeout, environment)"), "{why}");
    assert!(!why.contains("next") && !why.contains("MODE"), "{why}");

    let second = clients.lambda.create_alias().function_name(NAME).name("blue");
    second.function_version("1").send().await.expect("the alias is new");
    let plan = flow.cycle().await;
    let why = held(entry(&plan, NAME), CheckName::Compatibility).expect("there are two");
    assert!(why.contains("several aliases of one version"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_killed_at_each_call_keeps_its_canary_and_takes_it_back_when_asked() {
    let scene = served().await;
    let clients = scene.clients(REGION);
    scene.proxy.forget_calls();
    let mut daemon = Daemon::start(&scene, "copilot", ROLES).await;
    approve(&daemon, NAME).await;
    // Once each effect is there, whether or not its answer has arrived.
    for (told, effect) in [
        ("the memory is set", ("1", 512, 1)),
        ("a version is published", ("1", 512, 2)),
        ("it gets its share", ("1 2:0.1", 512, 2)),
    ] {
        let there = async || {
            let (route, _, latest_mb, versions) = live(&clients).await;
            ((route.as_str(), latest_mb, versions) == effect).then_some(())
        };
        daemon.wait(told, there).await;
        daemon.kill_and_restart().await;
    }
    let id = daemon
        .wait("the canary is watched", async || {
            let changes = daemon.get("changes").await;
            let change = changes["changes"].get(0)?;
            let mut steps = change["steps"].as_array()?.iter();
            steps.find(|step| step["name"] == "canary" && step["state"] == "done")?;
            Some(change["id"].as_str()?.to_owned())
        })
        .await;
    assert_eq!(live(&clients).await, ("1 2:0.1".to_owned(), 1_024, 512, 2));
    daemon.post(&format!("changes/{id}/undo"), &json!({})).await;
    daemon
        .wait("the change is undone", async || {
            let changes = daemon.get("changes").await;
            (changes["changes"].get(0)?["state"] == "undone").then_some(())
        })
        .await;
    assert_eq!(live(&clients).await, ("1".to_owned(), 1_024, 1_024, 2));
}
