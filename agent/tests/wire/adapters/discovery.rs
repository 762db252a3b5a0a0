//! What is there, and how it is.

use std::collections::BTreeSet;

use aws_sdk_autoscaling::types::Tag as GroupTag;
use trimtab::ports::Observe;
use trimtab_models::resource::{InstanceState, Kind, Resource};
use trimtab_models::spec::Spec;
use trimtab_policies::facts::AlarmAction;
use trimtab_policies::operations::FailureKind;

use super::{NOW, REGION, aws, place, reference};
use crate::proxy::{Alarm, BASE_ACCOUNT, MetricId};
use crate::scene::{Clients, Scene};

/// All of a kind, by id, after checking that each is described alone as it is found in the list.
async fn found(observe: &dyn Observe, kind: Kind) -> Vec<Resource> {
    let mut found = observe.discover(&place(), kind).await.expect("moto answers");
    found.sort_by(|one, other| one.id.cmp(&other.id));
    for resource in &found {
        assert_eq!(resource.reference.kind, kind);
        assert_eq!(resource.observed_at.as_second(), NOW);
        let alone = observe.describe(&resource.reference, &resource.id).await;
        let alone = alone.unwrap_or_else(|error| panic!("{} was listed: {error}", resource.id));
        assert_eq!(alone.spec(), resource.spec());
        assert_eq!(alone.reference, resource.reference);
    }
    found
}

fn ids(resources: &[Resource]) -> BTreeSet<&str> {
    resources.iter().map(|resource| resource.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_found_on_every_page_but_not_the_terminated() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let mut expected = BTreeSet::new();
    for index in 0..5 {
        let tags = [("Name", format!("web-{index}"))];
        let tags = tags.each_ref().map(|(key, value)| (*key, value.as_str()));
        expected.insert(clients.run_instance("m5.large", &tags).await);
    }
    let gone = expected.pop_first().expect("five were started");
    let stopped = expected.first().expect("four are left").clone();
    clients.ec2.terminate_instances().instance_ids(&gone).send().await.expect("moto terminates");
    clients.ec2.stop_instances().instance_ids(&stopped).send().await.expect("moto stops");
    scene.proxy.rules().items_per_page = Some(2);
    scene.proxy.forget_calls();

    let observe = aws(&scene).observe();
    let all = found(&*observe, Kind::Instance).await;
    assert_eq!(ids(&all), expected.iter().map(String::as_str).collect());
    let lists = scene.proxy.calls();
    let lists = lists.iter().filter(|call| call.parameter("MaxResults").is_some());
    assert!(lists.count() >= 2, "four instances are more than one page of two");
    for resource in &all {
        let instance = resource.instance().expect("an instance was asked for");
        assert_eq!(instance.instance_type, "m5.large");
        assert_eq!(instance.platform, "Linux/UNIX");
        assert_eq!((instance.architecture.as_str(), instance.ebs_root), ("x86_64", true));
        assert_eq!((instance.volumes.len(), instance.network_interfaces), (1, 1));
        assert_eq!((&instance.public_ip, instance.elastic_ip), (&None, false));
        assert!(!instance.custom_cpu_options && !instance.operator_managed);
        assert_eq!(resource.zone.as_deref(), Some("us-east-1a"));
        let arn = format!("arn:aws:ec2:{REGION}:{BASE_ACCOUNT}:instance/{}", resource.id);
        assert_eq!(resource.reference.arn.0, arn);
        assert!(resource.tag("Name").is_some_and(|name| name.starts_with("web-")));
        let state =
            if resource.id == stopped { InstanceState::Stopped } else { InstanceState::Running };
        assert_eq!(instance.state, state);
    }
    for id in [gone.as_str(), "i-0123456789abcdef0"] {
        let failure = observe.describe(&reference(Kind::Instance), id).await;
        assert_eq!(failure.expect_err("it is gone").kind, FailureKind::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_are_found_with_their_modifications() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let instance = clients.run_instance("m5.large", &[]).await;
    let plain = clients.create_volume("gp2", 100, None).await;
    let changed = clients.create_volume("io1", 200, Some(4_000)).await;
    let modify = clients.ec2.modify_volume().volume_id(&changed).volume_type("gp3".into());
    modify.iops(5_000).throughput(300).send().await.expect("the first modification of the day");
    scene.proxy.rules().items_per_page = Some(1);

    let observe = aws(&scene).observe();
    let all = found(&*observe, Kind::Volume).await;
    assert_eq!(all.len(), 3, "two, and the instance's root");
    let of = |id: &str| all.iter().find(|it| it.id == id).expect("it was made");
    let Spec::Volume(spec) = of(&plain).spec() else { panic!("a volume's spec") };
    assert_eq!((spec.volume_type.as_str(), spec.size_gib), ("gp2", 100));
    let volume = of(&changed).volume().expect("a volume was asked for");
    assert_eq!((volume.spec.iops, volume.spec.throughput_mibps), (Some(5_000), Some(300)));
    let target = &volume.modification.as_ref().expect("it was modified").target;
    assert_eq!(*target, volume.spec);
    assert!(of(&plain).volume().is_some_and(|it| it.modification.is_none()));
    let starts = observe.modifications(&place(), &changed).await.expect("moto answers");
    assert_eq!(starts.len(), 1);
    assert_eq!(observe.modifications(&place(), &plain).await, Ok(Vec::new()));
    let root = all.iter().find(|it| it.volume().is_some_and(|it| !it.attachments.is_empty()));
    let root = root.and_then(Resource::volume).expect("the root is attached");
    assert_eq!(root.attachments[0].instance_id, instance);
    let failure = observe.describe(&reference(Kind::Volume), "vol-0123456789abcdef0").await;
    assert_eq!(failure.expect_err("there is none").kind, FailureKind::NotFound);
}

/// Publishes a version of the function and points an alias at it.
async fn publish(clients: &Clients, name: &str) {
    let published = clients.lambda.publish_version().function_name(name).send().await;
    let version = published.expect("moto publishes").version.expect("a version has a number");
    let alias = clients.lambda.create_alias().function_name(name).name("live");
    alias.function_version(version).send().await.expect("the alias is new");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_found_with_tags_versions_and_aliases() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    for (name, memory_mb) in [("resize", 1_024), ("served", 512), ("tagged", 256)] {
        let arn = clients.create_function(name, memory_mb).await;
        if name == "tagged" {
            let tag = clients.lambda.tag_resource().resource(arn).tags("trimtab:exclude", "");
            tag.send().await.expect("moto tags functions");
        }
    }
    publish(&clients, "served").await;

    let observe = aws(&scene).observe();
    let all = found(&*observe, Kind::Function).await;
    assert_eq!(ids(&all), BTreeSet::from(["resize", "served", "tagged"]));
    let [resize, served, tagged] = all.as_slice() else { panic!("three") };
    assert_eq!(resize.spec(), Spec::Function { memory_mb: 1_024 });
    let arn = format!("arn:aws:lambda:{REGION}:{BASE_ACCOUNT}:function:resize");
    assert_eq!(resize.reference.arn.0, arn);
    let version = |it: &Resource| {
        let it = it.function().expect("a function was asked for");
        let names = it.aliases.iter().map(|alias| alias.name.clone());
        (it.published_versions, names.collect::<Vec<_>>())
    };
    assert_eq!(version(resize), (0, Vec::new()));
    assert_eq!(version(served), (1, vec!["live".to_owned()]));
    let of = served.function().expect("a function was asked for");
    let version = of.served.as_ref().expect("the alias names one");
    assert_eq!((version.version.as_str(), version.memory_mb), ("1", 512));
    assert_eq!(version.differs, Vec::<String>::new());
    assert_eq!((&version.code_sha256, of.newest.as_ref()), (&of.code_sha256, Some(version)));
    assert_eq!(of.provisioned, Some(Vec::new()));
    assert_eq!(tagged.tag("trimtab:exclude"), Some(""));
    let alone = observe.describe(&served.reference, "served").await.expect("it is there");
    let alone = alone.function().cloned().expect("a function was asked for");
    assert_eq!((alone.state.as_str(), alone.last_update_status.as_str()), ("Active", "Successful"));
    assert_eq!((alone.published_versions, alone.aliases.len()), (1, 1));
    assert!(alone.revision_id.is_some());

    // Without tags nobody knows who opted out: the answer is a failure by name, never a function without tags.
    scene.proxy.fail("lambda", "ListTags", (403, "AccessDeniedException"), u32::MAX);
    let failure = observe.discover(&place(), Kind::Function).await.expect_err("no tags");
    assert_eq!((&failure.kind, failure.call.as_str()), (&FailureKind::Denied, "lambda:ListTags"));
    assert!(["resize", "served", "tagged"].contains(&failure.target.as_str()));
    assert!(failure.message.contains("lambda:ListTags"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_found_with_everything_that_moves_them() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    for index in 0..3 {
        clients.create_group(&format!("web-{index}"), "m5.large", (1, 4, 2)).await;
    }
    let policy = clients.autoscaling.put_scaling_policy().auto_scaling_group_name("web-1");
    let policy =
        policy.policy_name("out").adjustment_type("ChangeInCapacity").scaling_adjustment(1);
    policy.send().await.expect("the group is there");
    let schedule = clients.autoscaling.put_scheduled_update_group_action();
    let schedule = schedule.auto_scaling_group_name("web-2").scheduled_action_name("night");
    schedule.recurrence("0 20 * * *").min_size(0).send().await.expect("the group is there");
    let tag = GroupTag::builder().key("team").value("web").resource_id("web-0");
    let tag = tag.resource_type("auto-scaling-group").propagate_at_launch(false).build();
    clients.autoscaling.create_or_update_tags().tags(tag).send().await.expect("moto tags groups");
    scene.proxy.rules().items_per_page = Some(2);

    let observe = aws(&scene).observe();
    let all = found(&*observe, Kind::Group).await;
    assert_eq!(ids(&all), BTreeSet::from(["web-0", "web-1", "web-2"]));
    assert_eq!(all[0].spec(), Spec::Group { min_size: 1, max_size: 4, desired_capacity: 2 });
    assert_eq!(all[0].tag("team"), Some("web"));
    assert!(all[0].reference.arn.0.contains(":autoScalingGroup:"));
    let groups: Vec<_> = all.iter().filter_map(Resource::group).collect();
    assert_eq!(groups[0].members.len(), 2);
    assert!(groups[0].members.iter().all(|it| it.healthy && it.lifecycle_state == "InService"));
    assert_eq!(groups[1].scaling_policies, ["out"]);
    assert_eq!(groups[2].scheduled_actions, ["night"]);
    assert!(groups.iter().all(|it| it.refresh_in_progress.is_none() && !it.deleting));
    let members = observe.discover(&place(), Kind::Instance).await.expect("moto answers");
    let grouped = members.iter().filter_map(|it| it.instance()?.group.clone());
    assert_eq!(grouped.count(), 6, "each member names its group");

    // Where refreshes cannot be read, the group passes for one that is being refreshed.
    scene.proxy.fail("autoscaling", "DescribeInstanceRefreshes", (403, "AccessDenied"), u32::MAX);
    let group = observe.describe(&all[0].reference, "web-0").await.expect("the rest is readable");
    let refresh = group.group().and_then(|it| it.refresh_in_progress.clone());
    assert!(refresh.is_some_and(|it| it.starts_with("unknown: ")));
    let failure = observe.describe(&reference(Kind::Group), "nobody").await;
    assert_eq!(failure.expect_err("there is none").kind, FailureKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_protection_types_offers_and_caller() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = clients.run_instance("m5.large", &[]).await;
    let observe = aws(&scene).observe();
    let status = observe.instance_status(&place(), &id).await.expect("moto answers");
    let status = status.expect("it runs");
    assert_eq!((status.system.as_str(), status.instance.as_str()), ("ok", "ok"));
    assert_eq!(status.events, Vec::<String>::new());
    clients.ec2.stop_instances().instance_ids(&id).send().await.expect("moto stops");
    assert_eq!(observe.instance_status(&place(), &id).await, Ok(None));

    let protection = observe.protection(&place(), &id).await.expect("moto answers");
    assert!(!protection.stop && !protection.termination);
    let on = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(true).build();
    let modify = clients.ec2.modify_instance_attribute().instance_id(&id);
    modify.disable_api_termination(on).send().await.expect("moto protects");
    let protection = observe.protection(&place(), &id).await.expect("moto answers");
    assert!(!protection.stop && protection.termination);

    let types = observe.instance_types(&place()).await.expect("moto answers");
    assert!(types.len() > 500, "{} types", types.len());
    let embedded = trimtab_models::catalog::Catalog::embedded();
    for name in ["m5.large", "c6gd.4xlarge", "t3.micro", "g4dn.xlarge"] {
        let live = types.iter().find(|it| it.name == name).expect("an ordinary type");
        let known = embedded.instance_type(name).expect("an ordinary type");
        let known = trimtab_models::catalog::InstanceType {
            credits_per_hour: None,
            baseline_ratio: None,
            coremark: None,
            ..known.clone()
        };
        assert_eq!(*live, known);
    }
    let names = ["m5.large".to_owned(), "none.such".to_owned()];
    let offered = observe.offered(&place(), "us-east-1a", &names).await.expect("moto answers");
    assert_eq!((offered["m5.large"], offered["none.such"]), (true, false));
    let nowhere = observe.offered(&place(), "us-east-1z", &names).await.expect("moto answers");
    assert!(!nowhere["m5.large"]);
    assert_eq!(observe.caller(&place()).await.as_deref(), Ok(BASE_ACCOUNT));
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_of_the_resource_and_named_ones_are_told_apart() {
    let scene = Scene::start().await;
    let alarm = |name: &str, instance: &str, actions: &[&str]| Alarm {
        name: name.to_owned(),
        state: "OK".to_owned(),
        metric: MetricId::new("AWS/EC2", "CPUUtilization", &[("InstanceId", instance)]),
        actions: actions.iter().map(|it| (*it).to_owned()).collect(),
        threshold: 80.0,
    };
    let alarms = [
        alarm(
            "reboot",
            "i-1",
            &["arn:aws:automate:us-east-1:ec2:reboot", "arn:aws:sns:us-east-1:1:p"],
        ),
        alarm("elsewhere", "i-2", &["arn:aws:autoscaling:us-east-1:1:scalingPolicy:x"]),
        alarm("unrelated", "i-3", &[]),
    ];
    for alarm in alarms {
        scene.proxy.cloudwatch().set_alarm(BASE_ACCOUNT, REGION, alarm);
    }
    let observe = aws(&scene).observe();
    let names = ["elsewhere".to_owned(), "missing".to_owned()];
    let mut found =
        observe.alarms(&reference(Kind::Instance), "i-1", &names).await.expect("answered");
    found.sort_by(|one, other| one.name.cmp(&other.name));
    let [elsewhere, reboot] = found.as_slice() else { panic!("two of three: {found:?}") };
    assert_eq!((elsewhere.name.as_str(), elsewhere.of_resource), ("elsewhere", false));
    assert_eq!(elsewhere.actions, [AlarmAction::Scaling]);
    assert_eq!((reboot.name.as_str(), reboot.of_resource), ("reboot", true));
    assert_eq!(reboot.actions, [AlarmAction::Power, AlarmAction::Notify]);
    observe.alarms(&reference(Kind::Instance), "i-3", &[]).await.expect("answered");
    let asked = scene.proxy.calls();
    let asked = asked.iter().filter(|call| call.operation == "DescribeAlarms").count();
    assert_eq!(asked, 1, "the alarms of a place are read once a minute");
}
