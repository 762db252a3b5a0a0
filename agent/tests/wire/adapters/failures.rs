//! Failures: what each means, how often a call was made, and whether the words help.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use trimtab::aws::{AccountAccess, Aws};
use trimtab::ports::Place;
use trimtab_models::resource::Kind;
use trimtab_policies::operations::{Failure, FailureKind, Operation};
use trimtab_policies::session::Session;

use super::{REGION, Still, aws, connect, own_account, place, session, settings};
use crate::proxy::{Effect, Fault};
use crate::scene::Scene;

const OTHER_ACCOUNT: &str = "222222222222";

fn stop(instance_id: &str) -> Operation {
    Operation::StopInstance { instance_id: instance_id.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_a_write_has_its_kind_and_is_sent_once() {
    let scene = Scene::start().await;
    let act = aws(&scene).act();
    let start = Operation::StartInstance { instance_id: "i-1".to_owned() };
    let memory = Operation::SetFunctionMemory {
        function_name: "resize".to_owned(),
        memory_mb: 256,
        revision_id: None,
    };
    let bounds = Operation::SetGroupBounds {
        group_name: "web".to_owned(),
        min_size: 1,
        max_size: 2,
        desired_capacity: None,
    };
    let limit = FailureKind::Limit { until: None };
    let cases = [
        (&start, 503, "RequestLimitExceeded", FailureKind::Throttled),
        (&start, 500, "InsufficientInstanceCapacity", FailureKind::Capacity),
        (&start, 400, "VcpuLimitExceeded", limit),
        (&start, 400, "IncorrectInstanceState", FailureKind::Conflict),
        (&start, 403, "UnauthorizedOperation", FailureKind::Denied),
        (&start, 400, "RequestExpired", FailureKind::Denied),
        (&start, 401, "AuthFailure", FailureKind::Denied),
        (&start, 400, "InvalidInstanceID.NotFound", FailureKind::NotFound),
        (&start, 400, "UnsupportedOperation", FailureKind::Rejected),
        (&start, 500, "InternalError", FailureKind::Uncertain),
        (&start, 503, "Unavailable", FailureKind::Uncertain),
        (&memory, 429, "TooManyRequestsException", FailureKind::Throttled),
        (&memory, 409, "ResourceConflictException", FailureKind::Conflict),
        (&memory, 412, "PreconditionFailedException", FailureKind::Conflict),
        (&memory, 404, "ResourceNotFoundException", FailureKind::NotFound),
        (&memory, 403, "AccessDeniedException", FailureKind::Denied),
        (&memory, 400, "InvalidParameterValueException", FailureKind::Rejected),
        (&memory, 500, "ServiceException", FailureKind::Uncertain),
        (&bounds, 400, "Throttling", FailureKind::Throttled),
        (&bounds, 400, "ScalingActivityInProgress", FailureKind::Conflict),
        (&bounds, 500, "ResourceContention", FailureKind::Conflict),
        (&bounds, 400, "ValidationError", FailureKind::Rejected),
    ];
    for (operation, status, code, kind) in cases {
        let (service, name) = operation.iam_action().split_once(':').expect("service and name");
        scene.proxy.clear_faults();
        scene.proxy.fail(service, name, (status, code), u32::MAX);
        scene.proxy.forget_calls();
        let failure =
            act.perform(&place(), &session(operation), operation).await.expect_err("it is refused");
        assert_eq!(failure.kind, kind, "{code}: {failure}");
        assert_eq!(failure.call, operation.iam_action());
        assert!(failure.message.contains(code), "{failure}");
        assert_eq!(scene.proxy.calls().len(), 1, "{code} is not tried again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_uncertain_and_the_write_is_not_repeated() {
    let scene = Scene::start().await;
    let id = scene.clients(REGION).run_instance("m5.large", &[]).await;
    let act = aws(&scene).act();
    scene.proxy.forget_calls();
    scene.proxy.drop_answer_after_effect("ec2", "StopInstances", 1);
    let failure = act
        .perform(&place(), &session(&stop(&id)), &stop(&id))
        .await
        .expect_err("the answer is lost");
    assert_eq!(failure.kind, FailureKind::Uncertain, "{failure}");
    scene.proxy.inject(Fault::new("ec2", "StopInstances", Effect::DropBefore, 1));
    let failure = act
        .perform(&place(), &session(&stop(&id)), &stop(&id))
        .await
        .expect_err("the request is lost");
    assert_eq!(failure.kind, FailureKind::Uncertain, "{failure}");
    assert_eq!(scene.proxy.writes().len(), 2, "each was sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_repeated_and_then_named() {
    let scene = Scene::start().await;
    let observe = aws(&scene).observe();
    scene.proxy.fail("ec2", "DescribeVolumes", (503, "RequestLimitExceeded"), 2);
    let found = observe.discover(&place(), Kind::Volume).await;
    assert_eq!(found, Ok(Vec::new()));
    scene.proxy.fail("ec2", "DescribeVolumes", (403, "UnauthorizedOperation"), u32::MAX);
    scene.proxy.forget_calls();
    let failure = observe.discover(&place(), Kind::Volume).await.expect_err("it is refused");
    assert_eq!(
        (&failure.kind, failure.call.as_str()),
        (&FailureKind::Denied, "ec2:DescribeVolumes")
    );
    assert!(failure.message.contains("allow `ec2:DescribeVolumes`"), "{failure}");
    assert_eq!(scene.proxy.calls().len(), 1, "a refusal is final");
    assert_eq!(observe.discover(&place(), Kind::Instance).await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_says_when_it_may_be_modified_again() {
    let scene = Scene::start().await;
    let volume_id = scene.clients(REGION).create_volume("gp3", 100, None).await;
    let act = aws(&scene).act();
    let modify = |iops| Operation::ModifyVolume {
        volume_id: volume_id.clone(),
        spec: trimtab_models::spec::VolumeSpec {
            volume_type: "gp3".to_owned(),
            size_gib: 100,
            iops: Some(iops),
            throughput_mibps: None,
        },
    };
    for iops in 3_001..3_005 {
        act.perform(&place(), &session(&modify(iops)), &modify(iops)).await.expect("four a day");
    }
    let failure = act
        .perform(&place(), &session(&modify(3_005)), &modify(3_005))
        .await
        .expect_err("the fifth");
    assert!(matches!(failure.kind, FailureKind::Limit { until: Some(_) }), "{failure:?}");
}

/// The other account, through a role that asks for an external id.
fn other_account(external_id: Option<&str>) -> AccountAccess {
    AccountAccess {
        id: OTHER_ACCOUNT.to_owned(),
        role_arn: Some(format!("arn:aws:iam::{OTHER_ACCOUNT}:role/TrimtabRead")),
        apply_role_arn: Some(format!("arn:aws:iam::{OTHER_ACCOUNT}:role/TrimtabApply")),
        external_id: external_id.map(str::to_owned),
        regions: vec![REGION.to_owned()],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_taken_with_its_external_id_only() {
    let scene = Scene::start().await;
    let there = scene.clients_of(OTHER_ACCOUNT, REGION, None).await;
    let id = there.run_instance("m5.large", &[]).await;
    let wanted = other_account(Some("right"));
    let mut roles = vec![wanted.role_arn.clone(), wanted.apply_role_arn.clone()];
    for role in roles.drain(..).flatten() {
        scene.proxy.rules().external_ids.insert(role, Some("right".to_owned()));
    }
    let place = Place { account: OTHER_ACCOUNT.to_owned(), region: REGION.to_owned() };
    let side = connect(scene.proxy.url(), wanted);
    let observe = side.observe();
    assert_eq!(observe.caller(&place).await.as_deref(), Ok(OTHER_ACCOUNT));
    let found = observe.discover(&place, Kind::Instance).await.expect("the role is taken");
    assert_eq!(found.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    assert_eq!(found[0].reference.account, OTHER_ACCOUNT);
    scene.proxy.forget_calls();
    side.act()
        .perform(&place, &session(&stop(&id)), &stop(&id))
        .await
        .expect("the apply role is taken");
    let calls = scene.proxy.calls();
    let roles: Vec<_> = calls.iter().filter_map(|call| call.parameter("RoleArn")).collect();
    assert_eq!(roles, [format!("arn:aws:iam::{OTHER_ACCOUNT}:role/TrimtabApply")]);
    let name = calls.iter().find_map(|call| call.parameter("RoleSessionName"));
    assert_eq!(name, Some("chg-0123456789ab"), "CloudTrail tells which change it was");
    let policy = calls.iter().find_map(|call| call.parameter("Policy"));
    assert_eq!(policy, Some(session(&stop(&id)).policy().as_str()));
    scene.proxy.forget_calls();
    side.act().perform(&place, &session(&stop(&id)), &stop(&id)).await.expect("the same session");
    assert_eq!(scene.proxy.calls().len(), 1, "no role is taken twice for one change");
    let later = Session { is_later_undo: true, ..session(&stop(&id)) };
    scene.proxy.forget_calls();
    side.act().perform(&place, &later, &stop(&id)).await.expect("a session of its own");
    let taken =
        scene.proxy.calls().into_iter().filter(|call| call.operation == "AssumeRole").count();
    assert_eq!(taken, 1, "a later undo takes a new one");
    scene.proxy.forget_calls();
    let longer = Session { outlives_s: u32::MAX, ..session(&stop(&id)) };
    let failure = side
        .act()
        .perform(&place, &longer, &stop(&id))
        .await
        .expect_err("no session lasts for ever");
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
    assert_eq!(scene.proxy.writes().len(), 0, "nothing was begun");

    for wrong in [Some("wrong"), None] {
        let observe = connect(scene.proxy.url(), other_account(wrong)).observe();
        let failure = observe.discover(&place, Kind::Instance).await.expect_err("not trusted");
        assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
        for word in [OTHER_ACCOUNT, "role/TrimtabRead", "external_id"] {
            assert!(failure.message.contains(word), "{word}: {failure}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_is_not_configured_is_never_asked() {
    let scene = Scene::start().await;
    let observe = aws(&scene).observe();
    for (account, region) in [(OTHER_ACCOUNT, REGION), (super::BASE_ACCOUNT, "eu-west-1")] {
        let place = Place { account: account.to_owned(), region: region.to_owned() };
        let failure = observe.discover(&place, Kind::Instance).await.expect_err("not configured");
        assert_eq!(failure.kind, FailureKind::Rejected);
        assert!(failure.to_string().contains(account), "{failure}");
    }
    assert!(scene.proxy.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_endpoint_is_named() {
    // Nothing listens on the discard port of the loopback.
    let endpoint = "http://127.0.0.1:9";
    let side = connect(endpoint, own_account());
    let observe = side.observe();
    for kind in Kind::ALL {
        let failure = observe.discover(&place(), kind).await.expect_err("nobody is there");
        assert_eq!(failure.kind, FailureKind::Uncertain, "{failure}");
        assert!(failure.message.contains(endpoint), "{failure}");
    }
    let failure = side
        .act()
        .perform(&place(), &session(&stop("i-1")), &stop("i-1"))
        .await
        .expect_err("nobody is there");
    assert_eq!(failure.kind, FailureKind::Uncertain, "{failure}");
    let through_role = connect(endpoint, other_account(Some("right"))).observe();
    let place = Place { account: OTHER_ACCOUNT.to_owned(), region: REGION.to_owned() };
    let failure = through_role.discover(&place, Kind::Volume).await.expect_err("no STS either");
    assert_eq!(failure.kind, FailureKind::Uncertain, "{failure}");
    assert!(failure.message.contains(endpoint), "{failure}");
}

/// Set in the child process of `without_credentials_…`, to the endpoint it shall ask.
const CHILD_ENDPOINT: &str = "TRIMTAB_WIRE_ENDPOINT";

/// Runs one test of this binary in a process with these variables and nothing else.
fn in_a_child(test: &str, environment: &[(&str, &str)]) {
    let program = std::env::current_exe().expect("a test knows its own program");
    let mut child = Command::new(program);
    child.args([test, "--exact", "--nocapture"]).env_clear();
    // No profile of the person who runs the tests may leak in.
    child.env("HOME", "/nonexistent").envs(environment.iter().copied());
    let output = child.output().expect("the program can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "{text}");
}

/// What the child does: asks with whatever credentials its environment has.
#[expect(clippy::disallowed_methods, reason = "the child gets its task by its environment")]
fn as_the_child(account: AccountAccess) -> Option<Result<String, Failure>> {
    let endpoint = std::env::var(CHILD_ENDPOINT).ok()?;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let place = Place { account: account.id.clone(), region: REGION.to_owned() };
    let observe = Aws::new(settings(&endpoint, account), Arc::new(Still)).observe();
    Some(runtime.block_on(async move { observe.caller(&place).await }))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long the answer took is real time")]
fn without_credentials_the_account_and_what_to_set_are_named_within_seconds() {
    let test = "adapters::failures::without_credentials_the_account_and_what_to_set_are_named_within_seconds";
    let started = Instant::now();
    let Some(own) = as_the_child(own_account()) else {
        // A machine outside EC2: what stands for the metadata service takes connections and never answers.
        let mute =
            std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let url = format!("http://{}", mute.local_addr().expect("a bound socket has an address"));
        let environment = [
            (CHILD_ENDPOINT, "http://127.0.0.1:9"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()),
        ];
        return in_a_child(test, &environment);
    };
    let role = as_the_child(other_account(None)).expect("this is the child");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    for (outcome, account, key) in
        [(own, super::BASE_ACCOUNT, "AWS_ACCESS_KEY_ID"), (role, OTHER_ACCOUNT, "role_arn")]
    {
        let failure = outcome.expect_err("there are no credentials");
        assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
        for word in [account, key, "no credentials"] {
            assert!(failure.message.contains(word), "{word}: {failure}");
        }
    }
}

#[test]
fn credentials_of_the_environment_are_found() {
    let Some(caller) = as_the_child(own_account()) else {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        let scene = runtime.block_on(Scene::start());
        let environment = [
            (CHILD_ENDPOINT, scene.proxy.url()),
            ("AWS_ACCESS_KEY_ID", "AKIATRIMTABWIRETESTS"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        return in_a_child(
            "adapters::failures::credentials_of_the_environment_are_found",
            &environment,
        );
    };
    assert_eq!(caller.as_deref(), Ok(super::BASE_ACCOUNT));
}
