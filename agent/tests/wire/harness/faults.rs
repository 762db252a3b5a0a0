//! Injected faults, seen by the SDK and by moto.

use std::time::Duration;

use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::types::InstanceStateName;

use super::{REGION, code};
use crate::proxy::{Effect, Fault};
use crate::scene::{Clients, Scene};

async fn state(clients: &Clients, id: &str) -> Option<InstanceStateName> {
    let found =
        clients.ec2.describe_instances().instance_ids(id).send().await.expect("moto answers");
    found.reservations()[0].instances()[0].state().and_then(|state| state.name().cloned())
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_come_as_each_service_words_them_and_so_often() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    scene.proxy.fail("ec2", "DescribeInstances", (503, "RequestLimitExceeded"), 2);
    scene.proxy.fail("lambda", "*", (403, "AccessDeniedException"), 1);
    scene.proxy.fail("autoscaling", "DescribeAutoScalingGroups", (400, "Throttling"), 1);
    scene.proxy.fail("sts", "GetCallerIdentity", (403, "ExpiredToken"), 1);
    scene.proxy.fail("cloudwatch", "ListMetrics", (400, "Throttling"), 1);
    assert_eq!(code(clients.ec2.describe_instances().send().await), "RequestLimitExceeded");
    assert_eq!(code(clients.ec2.describe_instances().send().await), "RequestLimitExceeded");
    assert_eq!(code(clients.lambda.list_functions().send().await), "AccessDeniedException");
    assert_eq!(code(clients.autoscaling.describe_auto_scaling_groups().send().await), "Throttling");
    assert_eq!(code(clients.sts.get_caller_identity().send().await), "ExpiredToken");
    assert_eq!(code(clients.cloudwatch.list_metrics().send().await), "Throttling");
    assert!(scene.proxy.calls().iter().all(|call| call.status >= 400));

    clients.ec2.describe_instances().send().await.expect("both refusals are used up");
    clients.lambda.list_functions().send().await.expect("the refusal is used up");
    scene.proxy.fail("ec2", "*", (403, "UnauthorizedOperation"), u32::MAX);
    assert_eq!(code(clients.ec2.describe_volumes().send().await), "UnauthorizedOperation");
    scene.proxy.clear_faults();
    clients.ec2.describe_volumes().send().await.expect("no fault is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_stays_in_its_region_and_account() {
    let scene = Scene::start().await;
    let denied = Effect::Error { status: 403, code: "UnauthorizedOperation".to_owned() };
    let fault = Fault::new("ec2", "DescribeInstances", denied, u32::MAX);
    scene.proxy.inject(fault.clone().in_region("eu-west-1"));
    scene.proxy.inject(fault.in_account("222222222222"));
    let (here, there) = (scene.clients(REGION), scene.clients("eu-west-1"));
    let other = scene.clients_of("222222222222", REGION, None).await;
    here.ec2.describe_instances().send().await.expect("the fault is elsewhere");
    assert_eq!(code(there.ec2.describe_instances().send().await), "UnauthorizedOperation");
    assert_eq!(code(other.ec2.describe_instances().send().await), "UnauthorizedOperation");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_leaves_its_effect_and_a_lost_request_none() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = clients.run_instance("m5.large", &[]).await;
    scene.proxy.inject(Fault::new("ec2", "StopInstances", Effect::DropBefore, 1));
    let lost = clients.ec2.stop_instances().instance_ids(&id).send().await;
    assert!(matches!(lost, Err(SdkError::DispatchFailure(_))), "{lost:?}");
    assert_eq!(state(&clients, &id).await, Some(InstanceStateName::Running));

    scene.proxy.drop_answer_after_effect("ec2", "StopInstances", 1);
    let unanswered = clients.ec2.stop_instances().instance_ids(&id).send().await;
    assert!(matches!(unanswered, Err(SdkError::DispatchFailure(_))), "{unanswered:?}");
    assert_eq!(state(&clients, &id).await, Some(InstanceStateName::Stopped));
    let sent: Vec<u16> = scene.proxy.writes().iter().skip(1).map(|call| call.status).collect();
    assert_eq!(sent, [0, 0], "neither was answered, each was sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_comes_late_or_too_late() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    clients.ec2.describe_volumes().send().await.expect("moto answers");
    let delay = Duration::from_millis(300);
    scene.proxy.latency("ec2", "DescribeVolumes", delay, 2);
    let before = tokio::time::Instant::now();
    clients.ec2.describe_volumes().send().await.expect("it comes late");
    assert!(before.elapsed() >= delay);
    let patience = Duration::from_millis(100);
    let too_late = tokio::time::timeout(patience, clients.ec2.describe_volumes().send()).await;
    assert!(too_late.is_err());
}
