//! Writes: each is one call with the effect it names, and permission is asked without any.

use aws_sdk_ec2::types::InstanceStateName;
use trimtab::ports::{Act, Made, Observe};
use trimtab_models::resource::{Kind, ModificationState, Resource};
use trimtab_models::spec::{PowerState, Spec, VolumeSpec};
use trimtab_policies::facts::Permission;
use trimtab_policies::mark::Mark;
use trimtab_policies::operations::{Operation, Receipt};
use trimtab_policies::steps::{Bounds, Step, StepKind};

use super::{REGION, aws, place, reference, session};
use crate::scene::Scene;

const MARK: &str = "agent-1/chg-0123456789ab";

/// Performs the operation, and checks that it was one write.
async fn perform(scene: &Scene, act: &dyn Act, operation: Operation) -> Receipt {
    scene.proxy.forget_calls();
    let receipt = act.perform(&place(), &session(&operation), &operation).await;
    let receipt = receipt.unwrap_or_else(|failure| panic!("{operation:?}: {failure}"));
    let calls = scene.proxy.calls();
    assert_eq!(calls.len(), 1, "{operation:?} is one call and nothing else");
    let name = operation.iam_action().split(':').nth(1).expect("an action has a name");
    assert_eq!(calls[0].operation, name);
    receipt
}

async fn seen(observe: &dyn Observe, kind: Kind, id: &str) -> Resource {
    observe.describe(&reference(kind), id).await.expect("it is there")
}

fn gp3(iops: u32, throughput_mibps: u32) -> VolumeSpec {
    VolumeSpec {
        volume_type: "gp3".to_owned(),
        size_gib: 100,
        iops: Some(iops),
        throughput_mibps: Some(throughput_mibps),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_stopped_resized_and_started() {
    let scene = Scene::start().await;
    let id = scene.clients(REGION).run_instance("m5.large", &[]).await;
    let (observe, act) = (aws(&scene).observe(), aws(&scene).act());
    let instance_id = id.clone();
    perform(&scene, &*act, Operation::StopInstance { instance_id }).await;
    let stopped = seen(&*observe, Kind::Instance, &id).await.spec();
    let spec = |instance_type: &str, state| Spec::Instance {
        instance_type: instance_type.to_owned(),
        state,
    };
    assert_eq!(stopped, spec("m5.large", PowerState::Stopped));
    let (instance_id, instance_type) = (id.clone(), "m5.xlarge".to_owned());
    perform(&scene, &*act, Operation::SetInstanceType { instance_id, instance_type }).await;
    let instance_id = id.clone();
    perform(&scene, &*act, Operation::StartInstance { instance_id }).await;
    let started = seen(&*observe, Kind::Instance, &id).await.spec();
    assert_eq!(started, spec("m5.xlarge", PowerState::Running));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_is_set_and_only_that_very_mark_is_removed() {
    let scene = Scene::start().await;
    let id = scene.clients(REGION).run_instance("m5.large", &[("Name", "web")]).await;
    let (observe, act) = (aws(&scene).observe(), aws(&scene).act());
    let mark = |change_id: &str| Mark {
        agent_id: "a1".to_owned(),
        change_id: change_id.to_owned(),
        was: "m5.large".to_owned(),
    };
    let resource_id = id.clone();
    perform(&scene, &*act, Operation::TagResource { resource_id, mark: mark("chg-1") }).await;
    let marked = seen(&*observe, Kind::Instance, &id).await.reference.tags;
    assert_eq!(Mark::read(&marked), Some(mark("chg-1")));
    let resource_id = id.clone();
    perform(&scene, &*act, Operation::UntagResource { resource_id, mark: mark("chg-2") }).await;
    let kept = seen(&*observe, Kind::Instance, &id).await;
    assert_eq!(kept.tag("trimtab:change"), Some("a1/chg-1"), "another change's mark stays");
    let (resource_id, mark) = (id.clone(), mark("chg-1"));
    perform(&scene, &*act, Operation::UntagResource { resource_id, mark }).await;
    let bare = seen(&*observe, Kind::Instance, &id).await;
    assert_eq!((bare.tag("trimtab:change"), bare.tag("Name")), (None, Some("web")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_modified_saved_deleted_and_restored() {
    let scene = Scene::start().await;
    let id = scene.clients(REGION).create_volume("gp2", 100, None).await;
    let (observe, act) = (aws(&scene).observe(), aws(&scene).act());
    let volume_id = id.clone();
    let spec = gp3(4_000, 250);
    perform(&scene, &*act, Operation::ModifyVolume { volume_id, spec: spec.clone() }).await;
    let modified = seen(&*observe, Kind::Volume, &id).await;
    assert_eq!(modified.spec(), Spec::Volume(spec.clone()));
    let modification = modified.volume().and_then(|it| it.modification.clone());
    assert_eq!(modification.map(|it| it.state), Some(ModificationState::Completed));

    assert_eq!(observe.marked(&place(), Made::Snapshot, MARK).await, Ok(None));
    let (volume_id, mark) = (id.clone(), MARK.to_owned());
    let saved = perform(&scene, &*act, Operation::CreateSnapshot { volume_id, mark }).await;
    let snapshot_id = saved.created_id.expect("a snapshot has an id");
    let marked = observe.marked(&place(), Made::Snapshot, MARK).await.expect("moto answers");
    let marked = marked.expect("it was just made");
    assert_eq!((marked.id.as_str(), marked.state.as_str()), (snapshot_id.as_str(), "completed"));
    let other = observe.marked(&place(), Made::Snapshot, "agent-1/chg-other").await;
    assert_eq!(other, Ok(None));

    let volume_id = id.clone();
    perform(&scene, &*act, Operation::DeleteVolume { volume_id }).await;
    observe.describe(&reference(Kind::Volume), &id).await.expect_err("it is deleted");
    let (zone, mark) = ("us-east-1a".to_owned(), MARK.to_owned());
    let make = Operation::CreateVolume {
        snapshot_id: snapshot_id.clone(),
        zone,
        spec: spec.clone(),
        mark,
    };
    let made = perform(&scene, &*act, make).await.created_id.expect("a volume has an id");
    let restored = seen(&*observe, Kind::Volume, &made).await;
    assert_eq!(restored.spec(), Spec::Volume(spec));
    assert_eq!(restored.tag("trimtab:change"), Some(MARK));
    assert_eq!(restored.volume().and_then(|it| it.snapshot_id.clone()), Some(snapshot_id));
    let marked = observe.marked(&place(), Made::Volume, MARK).await.expect("moto answers");
    assert_eq!(marked.map(|it| (it.id, it.state)), Some((made, "available".to_owned())));
    let token = scene.proxy.calls();
    assert!(token.iter().all(|call| call.parameter("ClientToken").is_none_or(|it| it.len() <= 64)));
}

#[tokio::test(flavor = "multi_thread")]
async fn iops_are_sent_only_where_they_can_be_set() {
    let scene = Scene::start().await;
    let id = scene.clients(REGION).create_volume("gp3", 100, Some(4_000)).await;
    let act = aws(&scene).act();
    let spec = VolumeSpec {
        volume_type: "gp2".to_owned(),
        iops: Some(300),
        throughput_mibps: None,
        ..gp3(3_000, 125)
    };
    perform(&scene, &*act, Operation::ModifyVolume { volume_id: id, spec }).await;
    let sent = scene.proxy.calls();
    assert_eq!(sent[0].parameter("VolumeType"), Some("gp2"));
    for absent in ["Iops", "Throughput", "Size", "DryRun"] {
        assert_eq!(sent[0].parameter(absent), None, "{absent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_changes_its_memory_alone_and_only_as_it_was_seen() {
    let scene = Scene::start().await;
    scene.clients(REGION).create_function("resize", 1_024).await;
    let (observe, act) = (aws(&scene).observe(), aws(&scene).act());
    let before = seen(&*observe, Kind::Function, "resize").await;
    let revision_id = before.function().and_then(|it| it.revision_id.clone());
    let set = |memory_mb| Operation::SetFunctionMemory {
        function_name: "resize".to_owned(),
        memory_mb,
        revision_id: revision_id.clone(),
    };
    perform(&scene, &*act, set(512)).await;
    let sent = scene.proxy.calls();
    let sent: Vec<_> = sent[0].parameters.keys().map(String::as_str).collect();
    assert_eq!(sent, ["MemorySize", "RevisionId"]);
    let after = seen(&*observe, Kind::Function, "resize").await;
    assert_eq!(after.spec(), Spec::Function { memory_mb: 512 });
    let stale = act
        .perform(&place(), &session(&set(2_048)), &set(2_048))
        .await
        .expect_err("somebody changed it since");
    assert_eq!(stale.kind, trimtab_policies::operations::FailureKind::Conflict);
    assert_eq!(seen(&*observe, Kind::Function, "resize").await.spec(), after.spec());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_groups_capacity_is_sent_only_when_it_is_ours() {
    let scene = Scene::start().await;
    scene.clients(REGION).create_group("web", "m5.large", (1, 6, 3)).await;
    let (observe, act) = (aws(&scene).observe(), aws(&scene).act());
    let set = |min_size, desired_capacity| Operation::SetGroupBounds {
        group_name: "web".to_owned(),
        min_size,
        max_size: 4,
        desired_capacity,
    };
    perform(&scene, &*act, set(2, None)).await;
    assert_eq!(scene.proxy.calls()[0].parameter("DesiredCapacity"), None);
    let spec = |min_size, desired_capacity| Spec::Group { min_size, max_size: 4, desired_capacity };
    assert_eq!(seen(&*observe, Kind::Group, "web").await.spec(), spec(2, 3));
    perform(&scene, &*act, set(1, Some(2))).await;
    assert_eq!(seen(&*observe, Kind::Group, "web").await.spec(), spec(1, 2));
}

fn step(kind: StepKind) -> Step {
    Step { name: "step".to_owned(), kind, budget_s: 60, undo: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn permission_is_asked_for_steps_and_undo_and_changes_nothing() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let instance_id = clients.run_instance("m5.large", &[]).await;
    let volume_id = clients.create_volume("gp3", 100, None).await;
    let instance_type = "m5.large".to_owned();
    let ladder = vec!["m5.xlarge".to_owned()];
    let (from, to) = (gp3(3_000, 125), gp3(4_000, 125));
    let bounds = Bounds { min_size: 1, max_size: 2, desired_capacity: None };
    let steps = [
        StepKind::StopInstance {
            instance_id: instance_id.clone(),
            instance_type: instance_type.clone(),
        },
        StepKind::SetInstanceType { instance_id: instance_id.clone(), from: instance_type, ladder },
        StepKind::AwaitStatusChecks { instance_id: instance_id.clone() },
        StepKind::ModifyVolume { volume_id: volume_id.clone(), from, to },
        StepKind::CreateSnapshot { volume_id: volume_id.clone() },
        StepKind::DeleteVolume { volume_id: volume_id.clone() },
        StepKind::SetFunctionMemory {
            function_name: "resize".to_owned(),
            from_mb: 512,
            to_mb: 256,
            behind: None,
        },
        StepKind::SetGroupBounds { group_name: "web".to_owned(), from: bounds, to: bounds },
    ]
    .map(step);
    let act = aws(&scene).act();
    scene.proxy.forget_calls();
    assert_eq!(act.permission(&place(), &steps).await, Ok(Permission::Allowed));
    assert!(scene.proxy.writes().is_empty(), "every question is a dry run");
    let asked = scene.proxy.calls();
    let asked = |name: &str| asked.iter().filter(|call| call.operation == name).count();
    let dry = ["StopInstances", "StartInstances", "ModifyInstanceAttribute", "ModifyVolume"];
    assert_eq!(dry.map(asked), [1, 1, 2, 2]);
    let dry = ["CreateSnapshot", "DeleteVolume", "CreateVolume", "GetCallerIdentity"];
    assert_eq!(dry.map(asked), [1, 1, 1, 2]);

    let found = clients.ec2.describe_instances().instance_ids(&instance_id).send().await;
    let found = found.expect("moto answers");
    let state = found.reservations()[0].instances()[0].state().and_then(|it| it.name());
    assert_eq!(state, Some(&InstanceStateName::Running));

    scene.proxy.fail("ec2", "StartInstances", (403, "UnauthorizedOperation"), u32::MAX);
    let answer = act.permission(&place(), &steps).await.expect("a refusal is an answer");
    let Permission::Denied { operation, message } = answer else { panic!("{answer:?}") };
    assert_eq!(operation, "ec2:StartInstances");
    assert!(message.contains("UnauthorizedOperation"), "{message}");
    scene.proxy.fail("sts", "GetCallerIdentity", (403, "ExpiredToken"), u32::MAX);
    let answer = act.permission(&place(), &steps[6..7]).await.expect("a refusal is an answer");
    let Permission::Denied { operation, message } = answer else { panic!("{answer:?}") };
    assert_eq!(operation, "lambda:UpdateFunctionConfiguration");
    assert!(message.contains("renew"), "{message}");
}
