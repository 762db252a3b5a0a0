//! A rollout to a group's members: another version of its launch template by number, an instance refresh, and the way back.
//!
//! The proxy plays refreshes; a test ends them. Not here: what a refresh does to members (the simulated account).

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_autoscaling::types::LaunchTemplateSpecification;
use trimtab::clock::{FastClock, RealClock};
use trimtab::decide::undo;
use trimtab::ports::Clock;
use trimtab_models::recommendation::Action;
use trimtab_models::spec::Spec;
use trimtab_policies::change::State;

use crate::changes::{ROLES, carry_out_beside, run, trust, writes};
use crate::flow::{Flow, REGION, at, entry, now};
use crate::load::{self, Shape};
use crate::proxy::BASE_ACCOUNT;
use crate::scene::{Clients, Scene};

/// Two members at least: what is too large is then their type.
const SETTINGS: &str = "\n[sizing.group]\nmin_size = 2\n";

/// The version that the group launches, and the type that it names.
async fn launched(clients: &Clients) -> (String, String) {
    let groups = clients.autoscaling.describe_auto_scaling_groups();
    let answer = groups.auto_scaling_group_names("web").send().await.expect("moto answers");
    let template = answer.auto_scaling_groups()[0].launch_template().expect("it has one").clone();
    let version = template.version().expect("it is named").to_owned();
    let versions = clients.ec2.describe_launch_template_versions();
    let versions = versions.launch_template_name("web-template").versions(&version);
    let versions = versions.send().await.expect("moto answers");
    let data = versions.launch_template_versions()[0].launch_template_data();
    let name = data.and_then(|data| data.instance_type()).expect("it names a type");
    (version, name.as_str().to_owned())
}

/// Does what a refresh that goes well does, once it was started.
async fn refreshes(scene: &Scene, clients: &Clients, version: &str) {
    loop {
        let calls = scene.proxy.writes();
        if calls.iter().any(|call| call.operation == "StartInstanceRefresh") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let template = LaunchTemplateSpecification::builder();
    let template = template.launch_template_name("web-template").version(version).build();
    let update = clients.autoscaling.update_auto_scaling_group().auto_scaling_group_name("web");
    update.launch_template(template).send().await.expect("the group is there");
    scene.proxy.set_refresh("web", "Successful");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_rolled_to_another_type_and_back() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    clients.create_group_at("web", "m5.2xlarge", (2, 6, 2), "1").await;
    let place = at(&scene, BASE_ACCOUNT, REGION);
    place.group("web", &load::shaped_series(Shape::Oversized, 4, now()), 2.0);
    trust(&scene);
    let clock = Arc::new(FastClock::new(RealClock.now(), 30.0));
    let settings = format!("{ROLES}{SETTINGS}");
    let flow = Flow::at(clock, scene.proxy.url(), "copilot", &settings);
    let plan = flow.cycle().await;
    let recommendation = &entry(&plan, "web").recommendation;
    assert_eq!(recommendation.action, Action::ResizeGroupInstances, "{recommendation:?}");
    let Spec::Members { member_type } = recommendation.desired.clone() else {
        panic!("{:?}", recommendation.desired)
    };

    scene.proxy.forget_calls();
    let (change, state) = carry_out_beside(&flow, "web", refreshes(&scene, &clients, "2")).await;
    assert_eq!(state, State::Watching);
    // The last one is what AWS does by itself.
    let there = ["CreateLaunchTemplateVersion", "StartInstanceRefresh", "UpdateAutoScalingGroup"];
    assert_eq!(writes(&scene), there);
    assert_eq!(launched(&clients).await, ("2".to_owned(), member_type));

    scene.proxy.forget_calls();
    undo(&flow.agent, &change, "wire").expect("it was applied a moment ago");
    let back = refreshes(&scene, &clients, "1");
    let (state, ()) = tokio::join!(run(&flow, &change), back);
    assert_eq!(state, State::Undone);
    assert_eq!(writes(&scene), there[1..]);
    assert_eq!(launched(&clients).await, ("1".to_owned(), "m5.2xlarge".to_owned()));
}
