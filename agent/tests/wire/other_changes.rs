//! The changes that are rarer than a resize: stopping what is idle, deleting what nobody uses, and what autopilot does by
//! itself.
//!
//! Not here: approvals and digests (`changes`).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use trimtab::begin::begin_approved;
use trimtab::clock::ManualClock;
use trimtab::cycle::{Begin, run_cycle};
use trimtab::decide::undo;
use trimtab_models::recommendation::Action;
use trimtab_policies::change::State;
use trimtab_policies::plan::{CheckName, Disposition};

use crate::changes::{ROLES, carry_out, live, run, say_yes, trust, writes};
use crate::flow::{Flow, REGION, at, busy_volume, entry, function, held, machine, now, silence};
use crate::load::{self, Shape};
use crate::proxy::BASE_ACCOUNT;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_machine_is_stopped_once_approved_and_started_by_an_undo() {
    let scene = Scene::start().await;
    let (clients, place) = (scene.clients(REGION), at(&scene, BASE_ACCOUNT, REGION));
    let quiet = load::shaped_series(Shape::Idle, 9, now());
    let id = machine(&clients, place, "m5.large", (&quiet, &[])).await;
    silence(place, &id, &quiet);
    trust(&scene);
    scene.proxy.forget_calls();
    let flow = Flow::open(scene.proxy.url(), "autopilot", ROLES);
    let plan = flow.cycle().await;
    assert_eq!(entry(&plan, &id).recommendation.action, Action::StopIdleInstance);
    let decision = entry(&plan, &id).decision;
    assert_eq!(decision, Disposition::AwaitApproval, "a machine is never stopped by itself");
    assert_eq!(writes(&scene), Vec::<String>::new());

    let (change, state) = carry_out(&flow, &id).await;
    assert_eq!((state, live(&clients, &id).await.as_str()), (State::Watching, "m5.large stopped"));
    assert_eq!(writes(&scene), ["StopInstances"]);
    scene.proxy.forget_calls();
    undo(&flow.agent, &change, "wire").expect("it was applied a moment ago");
    assert_eq!(run(&flow, &change).await, State::Undone);
    assert_eq!(live(&clients, &id).await, "m5.large running");
    assert_eq!(writes(&scene), ["StartInstances"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_deleted_only_where_allowed_after_a_month_of_watching_and_comes_back_from_its_snapshot()
 {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = clients.create_volume("gp3", 50, None).await;
    trust(&scene);
    let began = Timestamp::from_second(now()).expect("now is a time");
    let clock = ManualClock::new(began);
    let settings = format!("{ROLES}[limits]\ndisabled_actions = []\n");
    let flow = Flow::at(Arc::new(clock.clone()), scene.proxy.url(), "copilot", &settings);
    let plan = flow.cycle().await;
    assert!(held(entry(&plan, &id), CheckName::Evidence).is_some(), "seen for a moment only");

    clock.set(began + SignedDuration::from_hours(31 * 24));
    *flow.agent.catalog_refreshed_at() = Some(flow.agent.ports().clock.now());
    scene.proxy.forget_calls();
    let plan = flow.cycle().await;
    let shown = entry(&plan, &id);
    assert_eq!(shown.decision, Disposition::AwaitApproval, "{:?}", shown.checks);
    let (change, state) = carry_out(&flow, &id).await;
    assert_eq!(state, State::Watching);
    assert_eq!(writes(&scene), ["CreateSnapshot", "DeleteVolume"]);
    let volumes = async || {
        let answer = clients.ec2.describe_volumes().send().await.expect("moto answers");
        let volumes =
            answer.volumes().iter().map(|one| one.volume_id().unwrap_or_default().to_owned());
        volumes.collect::<Vec<_>>()
    };
    assert!(!volumes().await.contains(&id), "it is gone");

    scene.proxy.forget_calls();
    undo(&flow.agent, &change, "wire").expect("it was applied a moment ago");
    assert_eq!(run(&flow, &change).await, State::Undone);
    assert_eq!(writes(&scene)[0], "CreateVolume");
    let back = volumes().await;
    let created = flow.agent.ledger().book().changes()[&change].created.clone();
    assert!(back.iter().any(|volume| created.values().any(|made| made == volume)), "{created:?}");
}

/// An account on autopilot with a gp2 volume, whose id it returns, and the function `roomy`.
async fn migratable() -> (Scene, String, Flow) {
    let scene = Scene::start().await;
    let (clients, place) = (scene.clients(REGION), at(&scene, BASE_ACCOUNT, REGION));
    let host = clients.run_instance("m5.large", &[]).await;
    let volume = busy_volume(&clients, place, &host, (100, "gp2", None, None)).await;
    function(&clients, place, ("roomy", 1_024, 200.0)).await;
    trust(&scene);
    scene.proxy.forget_calls();
    let flow = Flow::open(scene.proxy.url(), "autopilot", ROLES);
    (scene, volume, flow)
}

#[tokio::test(flavor = "multi_thread")]
async fn autopilot_does_by_itself_what_disrupts_nobody_and_asks_for_the_rest() {
    let (scene, volume, flow) = migratable().await;
    let plan = flow.cycle().await;
    assert_eq!(entry(&plan, &volume).decision, Disposition::Apply);
    assert_eq!(entry(&plan, "roomy").decision, Disposition::AwaitApproval, "it lowers memory");
    let [change] = plan.cycle.begun.as_slice() else { panic!("{:?}", plan.cycle.begun) };
    assert_eq!(run(&flow, change).await, State::Watching);
    assert_eq!(writes(&scene), ["ModifyVolume"]);
    let clients = scene.clients(REGION);
    assert_eq!(
        (live(&clients, &volume).await, live(&clients, "roomy").await),
        ("gp3".into(), "1024".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stop_switch_holds_autopilot_and_what_is_approved() {
    let (scene, volume, flow) = migratable().await;
    trimtab::decide::stop(&flow.agent, "wire", "a fire").expect("the folder is ours");
    let plan = run_cycle(&flow.agent, Begin::Allowed).await.expect("the folder is ours");
    assert!(held(entry(&plan, &volume), CheckName::Stop).is_some_and(|why| why.contains("a fire")));
    say_yes(&flow, "roomy").await.unwrap_or_else(|error| panic!("{error}"));
    let begun = begin_approved(&flow.agent).await.expect("the folder is ours");
    assert_eq!((begun, plan.cycle.begun, writes(&scene)), (vec![], vec![], vec![]));
}
