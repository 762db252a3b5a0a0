//! What is done to a group beside its bounds: schedules, versions of its launch template, instance refreshes.
//!
//! Moto knows schedules and templates; the proxy plays refreshes. Not here: bounds (`writes`).

use trimtab::ports::{Act, Clock, Made, Observe};
use trimtab_models::{
    resource::{Group, Kind, ScheduledAction},
    spec::ScheduledMin,
};
use trimtab_policies::{
    operations::{FailureKind, Operation},
    steps::Rollout,
};

use super::{REGION, Still, aws, place, reference, session};
use crate::scene::Scene;

const MARK: &str = "chg-000000000001";

async fn seen(observe: &dyn Observe) -> Group {
    let found = observe.describe(&reference(Kind::Group), "web").await.expect("moto answers");
    found.group().expect("a group").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_set_up_beside_others_and_deleted_alone() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    clients.create_group("web", "m5.large", (1, 6, 3)).await;
    let night = clients.autoscaling.put_scheduled_update_group_action();
    let night = night.auto_scaling_group_name("web").scheduled_action_name("night");
    night.recurrence("0 20 * * *").min_size(0).send().await.expect("the group is there");
    let (observe, act) = (aws(&scene).observe(), aws(&scene).act());
    let scheduled = ScheduledMin {
        name: "trimtab-rise-1-up".to_owned(),
        recurrence: "30 7 * * 1,2,3,4,5".to_owned(),
        min_size: 4,
    };
    let group_name = "web".to_owned();
    let put =
        Operation::PutSchedule { group_name: group_name.clone(), scheduled: scheduled.clone() };
    scene.proxy.forget_calls();
    for _ in 0..2 {
        // The second call finds its own name.
        act.perform(&place(), &session(&put), &put).await.expect("moto takes it");
    }
    let sent = scene.proxy.calls();
    let asks = |key: &str| sent[0].parameter(key).map(str::to_owned);
    assert_eq!(asks("MinSize"), Some("4".to_owned()));
    assert_eq!([asks("MaxSize"), asks("DesiredCapacity"), asks("StartTime")], [None, None, None]);
    let group = seen(&*observe).await;
    assert_eq!(group.own_schedule(), std::slice::from_ref(&scheduled));
    assert_eq!(group.scheduled_actions.len(), 2);
    let night = |one: &&ScheduledAction| one.name == "night" && one.min_size == Some(0);
    assert_eq!(group.schedule.iter().filter(night).count(), 1);
    assert!(group.reason_scheduled_by_others(Still.now()).is_some());

    let delete = Operation::DeleteSchedule { group_name, name: scheduled.name };
    act.perform(&place(), &session(&delete), &delete).await.expect("it is there");
    assert_eq!(seen(&*observe).await.scheduled_actions, ["night"]);
}

/// The id of the group's launch template.
async fn template_id(scene: &Scene) -> String {
    let group = seen(&*aws(scene).observe()).await;
    group.launch_template.expect("the group has one").id
}

async fn create(act: &dyn Act, template_id: &str) -> Option<String> {
    let create = Operation::CreateTemplateVersion {
        template_id: template_id.to_owned(),
        source_version: 1,
        instance_type: "r5.large".to_owned(),
        mark: MARK.to_owned(),
    };
    act.perform(&place(), &session(&create), &create).await.expect("moto takes it").created_id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_found_again_by_its_description() {
    let scene = Scene::start().await;
    scene.clients(REGION).create_group("web", "m5.large", (1, 6, 3)).await;
    let (observe, act) = (aws(&scene).observe(), aws(&scene).act());
    let template = seen(&*observe).await.launch_template.expect("the group has one");
    assert_eq!((template.number, template.instance_type.as_deref()), (Some(1), Some("m5.large")));
    let made = Made::TemplateVersion { template_id: template.id.clone() };
    assert_eq!(observe.marked(&place(), made.clone(), MARK).await, Ok(None));
    scene.proxy.forget_calls();
    assert_eq!(create(&*act, &template.id).await.as_deref(), Some("2"));
    let sent = &scene.proxy.calls()[0];
    assert_eq!(sent.parameter("SourceVersion"), Some("1"));
    assert_eq!(sent.parameter("LaunchTemplateData.InstanceType"), Some("r5.large"));
    assert!(sent.parameter("ClientToken").is_some_and(|token| token.len() == 64));
    let found = observe.marked(&place(), made, MARK).await.expect("moto answers");
    assert_eq!(found.map(|one| one.id).as_deref(), Some("2"));
    scene.proxy.fail("ec2", "DescribeLaunchTemplateVersions", (403, "UnauthorizedOperation"), 1);
    let unread = seen(&*observe).await.launch_template.expect("its id is known all the same");
    assert_eq!((unread.number, unread.instance_type), (None, None), "unknown, and left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_is_started_by_number_followed_and_rolled_back() {
    let scene = Scene::start().await;
    scene.clients(REGION).create_group("web", "m5.large", (1, 6, 4)).await;
    let (observe, act) = (aws(&scene).observe(), aws(&scene).act());
    let template_id = template_id(&scene).await;
    create(&*act, &template_id).await;
    let start = Operation::StartRefresh {
        group_name: "web".to_owned(),
        template_id: template_id.clone(),
        version: 2,
        rollout: Rollout {
            checkpoints_percent: vec![25, 50, 100],
            checkpoint_delay_s: 1_800,
            bake_s: 1_800,
            alarms: vec!["latency".to_owned()],
        },
        auto_rollback: true,
    };
    scene.proxy.forget_calls();
    let receipt =
        act.perform(&place(), &session(&start), &start).await.expect("the proxy plays it");
    assert_eq!(receipt.created_id.as_deref(), Some("refresh-1"));
    let sent = &scene.proxy.calls()[0];
    for (key, value) in [
        ("DesiredConfiguration.LaunchTemplate.Version", "2"),
        ("Preferences.AutoRollback", "true"),
        ("Preferences.MinHealthyPercentage", "100"),
        ("Preferences.MaxHealthyPercentage", "110"),
        ("Preferences.CheckpointPercentages.member.1", "25"),
        ("Preferences.CheckpointDelay", "1800"),
        ("Preferences.BakeTime", "1800"),
        ("Preferences.AlarmSpecification.Alarms.member.1", "latency"),
        ("Strategy", "Rolling"),
    ] {
        assert_eq!(sent.parameter(key), Some(value), "{key}");
    }
    let group = seen(&*observe).await;
    assert_eq!(group.refresh_in_progress.as_deref(), Some("InProgress"));
    assert!(group.refresh.expect("it runs").brings(&template_id, 2));
    let again = act.perform(&place(), &session(&start), &start).await.expect_err("one at a time");
    assert_eq!(again.kind, FailureKind::Conflict, "{again}");
    let roll_back = Operation::RollbackRefresh { group_name: "web".to_owned() };
    act.perform(&place(), &session(&roll_back), &roll_back).await.expect("it runs");
    assert_eq!(seen(&*observe).await.refresh_in_progress.as_deref(), Some("RollbackInProgress"));
    scene.proxy.set_refresh("web", "RollbackSuccessful");
    let group = seen(&*observe).await;
    assert_eq!(
        (group.refresh_in_progress, group.refresh.map(|one| one.has_ended())),
        (None, Some(true))
    );
}
