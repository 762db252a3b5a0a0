//! The rules of AWS that the proxy plays, each with what it allows and what it refuses.

use aws_sdk_ec2::types::{AttributeValue, VolumeModificationState};

use super::{REGION, code};
use crate::scene::{Clients, Scene};

async fn set_type(clients: &Clients, id: &str, wanted: &str) -> Result<(), String> {
    let kind = AttributeValue::builder().value(wanted).build();
    let outcome =
        clients.ec2.modify_instance_attribute().instance_id(id).instance_type(kind).send().await;
    outcome.map(|_| ()).map_err(|error| code(Err::<(), _>(error)))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_resized_only_while_it_is_stopped() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = clients.run_instance("m5.xlarge", &[]).await;
    assert_eq!(set_type(&clients, &id, "m5.large").await, Err("IncorrectInstanceState".to_owned()));
    assert_eq!(
        set_type(&clients, "i-0123456789abcdef0", "m5.large").await,
        Err("InvalidInstanceID.NotFound".to_owned())
    );

    clients.ec2.stop_instances().instance_ids(&id).send().await.expect("it runs");
    assert_eq!(
        set_type(&clients, &id, "m5.banana").await,
        Err("InvalidInstanceAttributeValue".to_owned())
    );
    assert_eq!(set_type(&clients, &id, "m5.large").await, Ok(()));
    clients.ec2.start_instances().instance_ids(&id).send().await.expect("it is stopped");
    let found =
        clients.ec2.describe_instances().instance_ids(&id).send().await.expect("moto answers");
    let kind = found.reservations()[0].instances()[0].instance_type().map(|kind| kind.as_str());
    assert_eq!(kind, Some("m5.large"));

    scene.proxy.rules().stop_before_resize = false;
    assert_eq!(set_type(&clients, &id, "m5.xlarge").await, Ok(()), "moto itself allows it");
}

async fn set_iops(clients: &Clients, id: &str, iops: i32) -> Result<(), String> {
    let outcome =
        clients.ec2.modify_volume().volume_id(id).volume_type("gp3".into()).iops(iops).send().await;
    outcome.map(|_| ()).map_err(|error| code(Err::<(), _>(error)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_modified_four_times_a_day_and_never_shrinks() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = clients.create_volume("gp2", 200, None).await;
    let shrink = clients.ec2.modify_volume().volume_id(&id).size(100).send().await;
    assert_eq!(code(shrink), "InvalidParameterValue");
    for iops in 1..=4 {
        assert_eq!(set_iops(&clients, &id, 3_000 + iops).await, Ok(()));
    }
    assert_eq!(
        set_iops(&clients, &id, 3_005).await,
        Err("VolumeModificationRateExceeded".to_owned())
    );
    let other = clients.create_volume("gp3", 200, Some(4_000)).await;
    assert_eq!(set_iops(&clients, &other, 3_000).await, Ok(()), "each volume has its own limit");
    scene.proxy.forget_modifications();
    assert_eq!(set_iops(&clients, &id, 3_005).await, Ok(()));
    let found = clients.ec2.describe_volumes().volume_ids(&id).send().await.expect("moto answers");
    assert_eq!((found.volumes()[0].iops(), found.volumes()[0].size()), (Some(3_005), Some(200)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_rests_while_it_is_modified() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = clients.create_volume("gp3", 100, Some(5_000)).await;
    let never = clients.ec2.describe_volumes_modifications().volume_ids(&id).send().await;
    assert_eq!(code(never), "InvalidVolumeModification.NotFound");
    scene.proxy.rules().volumes_busy = true;
    assert_eq!(set_iops(&clients, &id, 3_000).await, Ok(()));
    let state = async || {
        let found = clients
            .ec2
            .describe_volumes_modifications()
            .volume_ids(&id)
            .send()
            .await
            .expect("moto answers");
        assert_eq!(found.volumes_modifications().len(), 1, "only the latest is told");
        let one = &found.volumes_modifications()[0];
        (one.modification_state().cloned(), one.progress(), one.end_time().is_some())
    };
    assert_eq!(state().await, (Some(VolumeModificationState::Optimizing), Some(50), false));
    assert_eq!(set_iops(&clients, &id, 4_000).await, Err("IncorrectModificationState".to_owned()));
    scene.proxy.rules().volumes_busy = false;
    assert_eq!(state().await, (Some(VolumeModificationState::Completed), Some(100), true));
    assert_eq!(set_iops(&clients, &id, 4_000).await, Ok(()));
    assert_eq!(state().await, (Some(VolumeModificationState::Completed), Some(100), true));

    let back = clients.ec2.modify_volume().volume_id(&id).volume_type("gp2".into());
    back.send().await.expect("the modification before is completed");
    let found = clients.ec2.describe_volumes().volume_ids(&id).send().await.expect("moto answers");
    assert_eq!((found.volumes()[0].iops(), found.volumes()[0].throughput()), (Some(300), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_asks_for_its_external_id() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let assume = async |role: &str, external_id: Option<&str>| {
        let request = clients.sts.assume_role().role_arn(role).role_session_name("wire");
        let outcome = request.set_external_id(external_id.map(str::to_owned)).send().await;
        outcome.map(|_| ()).map_err(|error| code(Err::<(), _>(error)))
    };
    let [guarded, open, unknown] =
        ["Guarded", "Open", "Unknown"].map(|name| format!("arn:aws:iam::222222222222:role/{name}"));
    assert_eq!(assume(&unknown, None).await, Ok(()), "without any trust set, moto's answer stands");
    scene.proxy.rules().external_ids =
        [(guarded.clone(), Some("its-own-id".to_owned())), (open.clone(), None)].into();
    let denied = Err("AccessDenied".to_owned());
    assert_eq!(assume(&guarded, None).await, denied);
    assert_eq!(assume(&guarded, Some("another-id")).await, denied);
    assert_eq!(assume(&guarded, Some("its-own-id")).await, Ok(()));
    assert_eq!(assume(&open, None).await, Ok(()));
    assert_eq!(assume(&unknown, Some("its-own-id")).await, denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_written_only_at_its_current_revision() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let arn = clients.create_function("revised", 1024).await;
    let revision = async || {
        let found =
            clients.lambda.get_function_configuration().function_name("revised").send().await;
        found.expect("it is there").revision_id.expect("the proxy gives it one")
    };
    let update = async |memory: i32, revision: Option<&str>| {
        let request =
            clients.lambda.update_function_configuration().function_name(&arn).memory_size(memory);
        request.set_revision_id(revision.map(str::to_owned)).send().await
    };
    let first = revision().await;
    let listed = clients.lambda.list_functions().send().await.expect("moto answers");
    assert_eq!(listed.functions()[0].revision_id(), Some(first.as_str()));
    assert_eq!(revision().await, first, "reading changes nothing");

    let changed = update(512, Some(&first)).await.expect("nobody else wrote");
    assert_eq!(changed.memory_size(), Some(512));
    let second = revision().await;
    assert_eq!(changed.revision_id(), Some(second.as_str()));
    assert_eq!(code(update(256, Some(&first)).await), "PreconditionFailedException");
    let unconditional = update(1024, None).await.expect("no revision is asked for");
    assert_eq!(unconditional.memory_size(), Some(1024));
    assert_ne!(revision().await, first, "the old size again is not the old revision");
    assert_eq!(code(update(256, Some(&second)).await), "PreconditionFailedException");
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_out_of_range_are_refused() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    clients.create_function("sized", 1024).await;
    for (memory, allowed) in [(127, false), (128, true), (10_240, true), (10_241, false)] {
        let update = clients.lambda.update_function_configuration().function_name("sized");
        let outcome = update.memory_size(memory).send().await;
        match outcome {
            Ok(changed) => assert_eq!((changed.memory_size(), allowed), (Some(memory), true)),
            refused => assert_eq!(
                (code(refused).as_str(), allowed),
                ("InvalidParameterValueException", false)
            ),
        }
    }
    clients.create_group("web", "t3.micro", (1, 3, 2)).await;
    let update = || clients.autoscaling.update_auto_scaling_group().auto_scaling_group_name("web");
    assert_eq!(code(update().min_size(4).send().await), "ValidationError");
    assert_eq!(code(update().max_size(0).send().await), "ValidationError");
    update().min_size(3).max_size(3).send().await.expect("equal bounds are bounds");
}
