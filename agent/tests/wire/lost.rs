//! A machine that another agent marked: withheld, and brought back once its change is adopted.
//!
//! Not here: every point at which the other agent may be lost (the swarm).

use aws_sdk_ec2::types::{AttributeValue, Tag};
use trimtab::adopt::adopt;
use trimtab_models::resource::Resource;
use trimtab_policies::change::State;
use trimtab_policies::plan::CheckName;

use crate::changes::{ROLES, live, run, trust, writes};
use crate::flow::{Flow, REGION, entry, held, oversized};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_machine_is_withheld_and_brought_back_by_adopting_its_change() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = oversized(&scene, REGION).await;
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let tags = vec![tag("trimtab:change", "b2/chg-lost"), tag("trimtab:was", "m5.2xlarge")];
    let mark = clients.ec2.create_tags().resources(&id).set_tags(Some(tags));
    mark.send().await.expect("moto tags");
    trust(&scene);
    let flow = Flow::open(scene.proxy.url(), "copilot", ROLES);
    let plan = flow.cycle().await;
    let reason = held(entry(&plan, &id), CheckName::Conflict).expect("its mark is not ours");
    assert!(reason.contains("trimtab changes adopt chg-lost"), "{reason}");

    clients.ec2.stop_instances().instance_ids(&id).send().await.expect("moto stops");
    let smaller = AttributeValue::builder().value("m5.large").build();
    let modify = clients.ec2.modify_instance_attribute().instance_id(&id).instance_type(smaller);
    modify.send().await.expect("it is stopped");
    adopt(&flow.agent, "chg-other", "wire").await.expect_err("nothing carries that mark");
    scene.proxy.forget_calls();
    let change = adopt(&flow.agent, "chg-lost", "wire").await.expect("it carries the mark");
    assert_eq!(run(&flow, &change.id).await, State::Undone);
    assert_eq!(writes(&scene), ["ModifyInstanceAttribute", "StartInstances", "DeleteTags"]);
    assert_eq!(live(&clients, &id).await, "m5.2xlarge running");
    flow.cycle().await;
    let marked = |resource: &Resource| resource.tag("trimtab:change").is_some();
    assert!(!marked(&flow.resource(&id)), "its mark is gone");
    adopt(&flow.agent, "chg-lost", "wire").await.expect_err("now it is this agent's own");
}
