//! Changes in an emulated account: only after the approval, only what was approved, and back again.
//!
//! Not here: what is recommended (`cycle`) and how single writes look (`adapters`).

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;
use trimtab::begin::begin_approved;
use trimtab::decide::{Approval, DecideError, approve, undo};
use trimtab::engine::{Engine, Until};
use trimtab::view::RecommendationState;
use trimtab_models::recommendation::Action;
use trimtab_policies::authority::LOCAL_NAME;
use trimtab_policies::change::State;
use trimtab_policies::plan::{CheckName, Disposition};

use crate::flow::{Flow, REGION, at, busy_volume, entry, function, held, oversized, quiet_group};
use crate::proxy::BASE_ACCOUNT;
use crate::scene::{Clients, Scene};

/// The base account through its two roles.
pub(crate) const ROLES: &str = "
[[account]]
name = \"main\"
id = \"123456789012\"
role_arn = \"arn:aws:iam::123456789012:role/TrimtabRead\"
apply_role_arn = \"arn:aws:iam::123456789012:role/TrimtabApply\"
external_id = \"right\"
regions = [\"us-east-1\"]
";

/// Trusts the two roles by their external id, and no other.
pub(crate) fn trust(scene: &Scene) {
    let role = |name: &str| format!("arn:aws:iam::{BASE_ACCOUNT}:role/{name}");
    let trusted = ["TrimtabRead", "TrimtabApply"];
    scene.proxy.rules().external_ids =
        trusted.map(|name| (role(name), Some("right".to_owned()))).into();
}

/// Operations that asked to change something since the calls were last forgotten.
pub(crate) fn writes(scene: &Scene) -> Vec<String> {
    scene.proxy.writes().into_iter().map(|call| call.operation).collect()
}

/// Approves what was shown, digest and all, and says not to wait for a quiet hour: the emulator runs on the system's clock.
pub(crate) async fn say_yes(flow: &Flow, id: &str) -> Result<(), DecideError> {
    let view = flow.kept(id);
    let digest = Some(view.entry.digest.clone());
    let approval = Approval { digest, now: true, ..Approval::default() };
    approve(&flow.agent, &view.entry.id, LOCAL_NAME, approval).await.map(|_| ())
}

/// Approves, begins and carries out; returns the change's id and where it stands.
pub(crate) async fn carry_out(flow: &Flow, id: &str) -> (String, State) {
    carry_out_beside(flow, id, async {}).await
}

/// The same while something else happens.
pub(crate) async fn carry_out_beside(
    flow: &Flow,
    id: &str,
    beside: impl Future<Output = ()>,
) -> (String, State) {
    say_yes(flow, id).await.unwrap_or_else(|error| panic!("{id}: {error}"));
    let begun = begin_approved(&flow.agent).await.expect("the state folder can be written");
    let [change] = begun.as_slice() else {
        panic!("{begun:?} begun for {id}: {:?}", flow.kept(id).held_by())
    };
    let (state, ()) = tokio::join!(run(flow, change), beside);
    (change.clone(), state)
}

pub(crate) async fn run(flow: &Flow, change: &str) -> State {
    let (stop, end) = (flow.agent.stop_switch(), CancellationToken::new());
    let ledger = &flow.agent.ledger;
    let engine = Engine { ledger, stop: &stop, end: &end, until: Until::Resting };
    let state = engine.drive(|| flow.agent.ports(), change).await;
    state.expect("the journal can be written").expect("the change is known")
}

/// What of a resource is changed, read by the emulator's own clients.
pub(crate) async fn live(clients: &Clients, id: &str) -> String {
    if id.starts_with("i-") {
        let answer = clients.ec2.describe_instances().instance_ids(id).send().await;
        let answer = answer.expect("moto answers");
        let instance = &answer.reservations()[0].instances()[0];
        let state = instance.state().and_then(|state| state.name());
        let state = state.expect("an instance has a state").as_str();
        let kind = instance.instance_type().expect("an instance has a type").as_str();
        return format!("{kind} {state}");
    }
    if id.starts_with("vol-") {
        let answer = clients.ec2.describe_volumes().volume_ids(id).send().await;
        let answer = answer.expect("moto answers");
        let volume = &answer.volumes()[0];
        return volume.volume_type().expect("a volume has a type").as_str().to_owned();
    }
    if id == "web" {
        let groups = clients.autoscaling.describe_auto_scaling_groups();
        let answer = groups.auto_scaling_group_names(id).send().await.expect("moto answers");
        let group = &answer.auto_scaling_groups()[0];
        let sizes = [group.min_size(), group.max_size(), group.desired_capacity()];
        return sizes.map(|size| size.unwrap_or(-1).to_string()).join(" ");
    }
    let answer = clients.lambda.get_function_configuration().function_name(id).send().await;
    answer.expect("moto answers").memory_size().unwrap_or(-1).to_string()
}

/// One of each kind that is wrong: its id, what it is, what it becomes, and the writes that this takes.
async fn wrong_ones(scene: &Scene) -> Vec<(String, &'static str, &'static [&'static str])> {
    let (clients, place) = (scene.clients(REGION), at(scene, BASE_ACCOUNT, REGION));
    let machine = oversized(scene, REGION).await;
    let host = clients.run_instance("m5.large", &[]).await;
    let volume = busy_volume(&clients, place, &host, (100, "gp2", None, None)).await;
    function(&clients, place, ("roomy", 1_024, 200.0)).await;
    quiet_group(&clients, place, "web").await;
    vec![
        (
            machine,
            "m5.2xlarge running",
            &["CreateTags", "StopInstances", "ModifyInstanceAttribute", "StartInstances"],
        ),
        (volume, "gp2", &["ModifyVolume"]),
        ("roomy".to_owned(), "1024", &["UpdateFunctionConfiguration"]),
        ("web".to_owned(), "2 8 6", &["UpdateAutoScalingGroup"]),
    ]
}

/// What the desired spec of a recommendation looks like to `live`.
fn promised(flow: &Flow, id: &str) -> String {
    use trimtab_models::spec::Spec;
    match flow.kept(id).entry.recommendation.desired {
        Spec::Instance { instance_type, .. } => format!("{instance_type} running"),
        Spec::Volume(spec) => spec.volume_type,
        Spec::Function { memory_mb } => memory_mb.to_string(),
        Spec::Group { min_size, max_size, desired_capacity } => {
            format!("{min_size} {max_size} {desired_capacity}")
        }
        Spec::Gone { state } => panic!("{id} is not to go: {state:?}"),
        other @ (Spec::Schedule { .. } | Spec::Members { .. }) => panic!("{id} is not {other:?}"),
    }
}

/// The sessions that were taken for changes, by name.
fn sessions(scene: &Scene) -> Vec<String> {
    let calls = scene.proxy.calls();
    let names = calls.iter().filter_map(|call| call.parameter("RoleSessionName"));
    names.filter(|name| name.starts_with("chg-")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn copilot_changes_what_was_approved_and_nothing_before_and_an_undo_brings_it_back() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let wrong = wrong_ones(&scene).await;
    trust(&scene);
    scene.proxy.forget_calls();
    let flow = Flow::open(scene.proxy.url(), "copilot", ROLES);
    let plan = flow.cycle().await;
    assert_eq!((&plan.cycle.failures, &plan.cycle.begun), (&Vec::new(), &Vec::new()));
    assert_eq!(plan.recommendations.len(), wrong.len(), "{:?}", plan.cycle.not_sized);
    for (id, was, _) in &wrong {
        let entry = entry(&plan, id);
        assert_eq!(entry.decision, Disposition::AwaitApproval, "{id}: {:?}", entry.checks);
        assert_eq!(flow.kept(id).state, RecommendationState::AwaitingApproval);
        assert_eq!(live(&clients, id).await, *was);
    }
    let begun = begin_approved(&flow.agent).await.expect("the state folder can be written");
    assert_eq!(begun, Vec::<String>::new(), "nobody has approved anything");
    assert_eq!(writes(&scene), Vec::<String>::new());
    // The role that writes is asked by dry runs whether it still may; a change's session is taken only for a change.
    assert_eq!(sessions(&scene), Vec::<String>::new());

    let mut changes = BTreeMap::new();
    for (id, was, calls) in &wrong {
        scene.proxy.forget_calls();
        let (change, state) = carry_out(&flow, id).await;
        assert_eq!(state, State::Watching, "{id}");
        assert_eq!(writes(&scene), *calls, "{id}");
        assert_eq!(
            sessions(&scene),
            std::slice::from_ref(&change),
            "one session, named after its change"
        );
        let is = live(&clients, id).await;
        assert_eq!(is, promised(&flow, id));
        assert_ne!(is, *was);
        changes.insert(id, change);
    }
    let again = flow.cycle().await;
    assert_eq!(again.cycle.begun, Vec::<String>::new(), "what was changed is left alone");

    for (id, was, calls) in &wrong {
        scene.proxy.forget_calls();
        undo(&flow.agent, &changes[id], "wire").expect("it was applied a moment ago");
        assert_eq!(run(&flow, &changes[id]).await, State::Undone, "{id}");
        assert_eq!(live(&clients, id).await, *was);
        let taken = sessions(&scene);
        assert_eq!(taken, std::slice::from_ref(&changes[id]), "a later undo takes a new session");
        // The mark is still there while a change is watched, and goes at its end.
        let mut back: Vec<&str> =
            calls.iter().copied().filter(|call| *call != "CreateTags").collect();
        back.extend((back.len() < calls.len()).then_some("DeleteTags"));
        assert_eq!(writes(&scene), back, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_means_one_digest_in_a_mode_that_takes_approvals() {
    let scene = Scene::start().await;
    let id = oversized(&scene, REGION).await;
    let flow = Flow::open(scene.proxy.url(), "datapilot", ROLES);
    flow.cycle().await;
    let view = flow.kept(&id);
    let of = |digest: &str| Approval { digest: Some(digest.to_owned()), ..Approval::default() };
    let stale = approve(&flow.agent, &view.entry.id, LOCAL_NAME, of("another")).await;
    let stale = stale.expect_err("another digest was shown").to_string();
    assert!(stale.contains(&view.entry.digest), "{stale}");
    let refused = say_yes(&flow, &id).await.expect_err("datapilot takes no approvals");
    assert!(refused.to_string().contains("set copilot"), "{refused}");
    assert_eq!(
        begin_approved(&flow.agent).await.expect("the folder is ours"),
        Vec::<String>::new()
    );
    assert_eq!(scene.proxy.writes().len(), 1, "the scene's own machine: {:?}", writes(&scene));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_gone_or_another_when_its_time_comes_is_left_alone() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let (gone, other) = (oversized(&scene, REGION).await, oversized(&scene, REGION).await);
    let flow = Flow::open(scene.proxy.url(), "copilot", ROLES);
    flow.cycle().await;
    for id in [&gone, &other] {
        say_yes(&flow, id).await.unwrap_or_else(|error| panic!("{id}: {error}"));
    }
    let terminate = clients.ec2.terminate_instances().instance_ids(&gone);
    terminate.send().await.expect("moto terminates");
    let resize = |kind: &str| {
        let value = aws_sdk_ec2::types::AttributeValue::builder().value(kind).build();
        clients.ec2.modify_instance_attribute().instance_id(&other).instance_type(value)
    };
    clients.ec2.stop_instances().instance_ids(&other).send().await.expect("moto stops");
    resize("m5.4xlarge").send().await.expect("it is stopped");
    clients.ec2.start_instances().instance_ids(&other).send().await.expect("moto starts");
    scene.proxy.forget_calls();

    let begun = begin_approved(&flow.agent).await.expect("the state folder can be written");
    assert_eq!(begun, Vec::<String>::new());
    assert_eq!(writes(&scene), Vec::<String>::new());
    let reasons = flow.kept(&gone).held_by().join("; ");
    assert!(reasons.contains(&gone) && reasons.contains("describe"), "{reasons}");
    let view = flow.kept(&other);
    let drift = held(&view.entry, CheckName::Drift).expect("it is another type");
    assert!(drift.contains("m5.2xlarge") && drift.contains("m5.4xlarge"), "{drift}");

    let plan = flow.cycle().await;
    assert!(!flow.found().contains(&gone), "the next cycle knows");
    let mut ids = plan.recommendations.iter().map(|entry| &entry.recommendation.resource_id);
    assert!(ids.all(|id| *id != gone));
    let anew = &entry(&plan, &other).recommendation;
    assert_eq!(anew.action, Action::ResizeInstance, "the other one is judged by what it is now");
    assert_ne!(anew.expected, view.entry.recommendation.expected);
    assert_eq!(writes(&scene), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_disappears_after_the_intent_ends_the_change_without_a_write() {
    let scene = Scene::start().await;
    let id = oversized(&scene, REGION).await;
    let flow = Flow::open(scene.proxy.url(), "copilot", ROLES);
    flow.cycle().await;
    say_yes(&flow, &id).await.unwrap_or_else(|error| panic!("{id}: {error}"));
    let begun = begin_approved(&flow.agent).await.expect("the state folder can be written");
    let terminate = scene.clients(REGION).ec2.terminate_instances().instance_ids(&id).send().await;
    terminate.expect("moto terminates");
    scene.proxy.forget_calls();
    let state = run(&flow, &begun[0]).await;
    assert!(!state.is_open() && state != State::Watching, "{state}");
    assert_eq!(writes(&scene), Vec::<String>::new());
    let ledger = flow.agent.ledger();
    let outcome = ledger.book().changes()[&begun[0]].outcome.clone().expect("it has ended");
    assert!(!outcome.reason.is_empty(), "{outcome:?}");
}
