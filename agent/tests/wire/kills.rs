//! The real binary killed at each call of a change in the emulated account: the next one finishes it, and nothing happens twice.
//!
//! Not here: kills at random moments, of which the simulated account bears a thousand (`survival`).

use serde_json::{Value, json};

use crate::changes::{ROLES, trust};
use crate::daemon::{Daemon, state_of, type_of};
use crate::flow::{REGION, at, busy_volume, oversized};
use crate::proxy::BASE_ACCOUNT;
use crate::scene::Scene;

/// How often an operation was asked for, dry runs left out.
fn asked(scene: &Scene, operation: &str) -> usize {
    scene.proxy.writes().iter().filter(|call| call.operation == operation).count()
}

/// Approves what is recommended for a resource; returns the recommendation.
pub(crate) async fn approve(daemon: &Daemon, id: &str) -> Value {
    let shown = daemon
        .wait("it is recommended", async || {
            let all = daemon.get("recommendations").await;
            let all = all["recommendations"].as_array()?.clone();
            all.into_iter().find(|one| one["resource_id"] == id)
        })
        .await;
    let path = format!("recommendations/{}/approve", shown["id"].as_str().expect("an id is text"));
    daemon.post(&path, &json!({ "digest": shown["digest"], "now": true })).await;
    shown
}

/// Kills the daemon as soon as each operation has been asked for once, and waits until the change is watched.
async fn kill_at_each(scene: &Scene, daemon: &mut Daemon, operations: &[&str]) {
    for operation in operations {
        daemon.wait(operation, async || (asked(scene, operation) > 0).then_some(())).await;
        daemon.kill_and_restart().await;
    }
    daemon
        .wait("the change is watched", async || {
            let changes = daemon.get("changes").await;
            (changes["changes"].get(0)?["state"] == "watching").then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_call_of_a_resize_the_machine_runs_on_its_new_type() {
    let scene = Scene::start().await;
    let (id, clients) = (oversized(&scene, REGION).await, scene.clients(REGION));
    trust(&scene);
    scene.proxy.forget_calls();
    let mut daemon = Daemon::start(&scene, "copilot", ROLES).await;
    let shown = approve(&daemon, &id).await;
    let calls = ["StopInstances", "ModifyInstanceAttribute", "StartInstances"];
    kill_at_each(&scene, &mut daemon, &calls).await;
    assert_eq!(json!(type_of(&clients, &id).await), shown["desired"]["instance_type"]);
    assert_eq!(state_of(&clients, &id).await, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_the_call_a_volume_is_modified_once() {
    let scene = Scene::start().await;
    let (clients, place) = (scene.clients(REGION), at(&scene, BASE_ACCOUNT, REGION));
    let host = clients.run_instance("m5.large", &[]).await;
    let id = busy_volume(&clients, place, &host, (100, "gp2", None, None)).await;
    trust(&scene);
    scene.proxy.forget_calls();
    let mut daemon = Daemon::start(&scene, "copilot", ROLES).await;
    approve(&daemon, &id).await;
    kill_at_each(&scene, &mut daemon, &["ModifyVolume"]).await;
    assert_eq!(asked(&scene, "ModifyVolume"), 1, "four a day are all that EBS allows");
}
