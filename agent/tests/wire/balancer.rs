//! A machine behind a load balancer: it leaves its target group before the stop, and is put back once it is well.
//!
//! Not here: draining, which the emulator ends at once (the simulated account does not).

use trimtab_policies::change::State;
use trimtab_policies::plan::CheckName;

use trimtab::decide::undo;

use crate::changes::{ROLES, carry_out, live, run, trust, writes};
use crate::flow::{Flow, REGION, entry, held, oversized};
use crate::scene::{Clients, Scene};

async fn healthy(clients: &Clients, group: &str) -> Vec<String> {
    let health = clients.balancing.describe_target_health().target_group_arn(group).send().await;
    let health = health.expect("moto answers");
    let all = health.target_health_descriptions().iter().filter(|it| {
        let state = it.target_health().and_then(|health| health.state());
        state.is_some_and(|state| state.as_str() == "healthy")
    });
    let mut ids: Vec<_> = all.filter_map(|it| it.target()?.id().map(str::to_owned)).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_leaves_its_balancer_before_the_stop_and_comes_back_both_ways() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = oversized(&scene, REGION).await;
    let other = clients.run_instance("m5.large", &[]).await;
    let group = clients.create_target_group("web", &[&id, &other]).await;
    let both = healthy(&clients, &group).await;
    assert_eq!(both.len(), 2);
    trust(&scene);
    let flow = Flow::open(scene.proxy.url(), "copilot", ROLES);
    let plan = flow.cycle().await;
    assert_eq!(plan.cycle.failures, Vec::new());
    let there = [
        "CreateTags",
        "DeregisterTargets",
        "StopInstances",
        "ModifyInstanceAttribute",
        "StartInstances",
        "RegisterTargets",
    ];
    scene.proxy.forget_calls();
    let (change, state) = carry_out(&flow, &id).await;
    assert_eq!(state, State::Watching);
    assert_eq!(writes(&scene), there);
    assert_eq!(healthy(&clients, &group).await, both);
    assert_ne!(live(&clients, &id).await, "m5.2xlarge running");

    scene.proxy.forget_calls();
    undo(&flow.agent, &change, "wire").expect("it was applied a moment ago");
    assert_eq!(run(&flow, &change).await, State::Undone);
    // The mark is still there while the change is watched.
    let back = [&there[1..], &["DeleteTags"]].concat();
    assert_eq!(writes(&scene), back);
    assert_eq!(healthy(&clients, &group).await, both);
    assert_eq!(live(&clients, &id).await, "m5.2xlarge running");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_target_is_withheld_and_so_is_what_cannot_be_asked() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = oversized(&scene, REGION).await;
    clients.create_target_group("web", &[&id]).await;
    let flow = Flow::open(scene.proxy.url(), "copilot", ROLES);
    trust(&scene);
    let plan = flow.cycle().await;
    let reason = held(entry(&plan, &id), CheckName::Health).expect("nobody takes over");
    assert!(reason.contains("no other target of `web`"), "{reason}");

    let denied = (403, "AccessDenied");
    scene.proxy.fail("elasticloadbalancing", "DescribeTargetGroups", denied, 1_000);
    let flow = Flow::open(scene.proxy.url(), "copilot", ROLES);
    let plan = flow.cycle().await;
    let unasked = entry(&plan, &id);
    let reason = held(unasked, CheckName::Health).expect("nobody knows who sends it requests");
    assert!(reason.contains("not known"), "{reason}");
}
