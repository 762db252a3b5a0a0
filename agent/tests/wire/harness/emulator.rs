//! Moto answers the SDK through the proxy, every call is counted, and accounts are apart.

use aws_sdk_ec2::types::InstanceStateName;

use super::{REGION, code};
use crate::proxy::BASE_ACCOUNT;
use crate::python;
use crate::scene::{Clients, IMAGE, Scene};

#[test]
fn the_virtual_environment_is_made_once_for_its_requirements() {
    let parent = tempfile::tempdir().expect("the temporary folder is writable");
    let folder = parent.path().join("venv");
    let broken = python::virtual_environment(&folder, "./no-such-package\n");
    let message = broken.expect_err("there is no such package");
    assert!(message.contains("no-such-package") && message.contains("PIP_INDEX_URL"), "{message}");

    // What failed is made again, for other requirements. Pip itself is in every environment: nothing is fetched.
    let python = python::virtual_environment(&folder, "pip\n").expect("python3 is there");
    assert!(python.starts_with(&folder));
    let stamp = folder.join("requirements.txt");
    assert_eq!(std::fs::read_to_string(&stamp).expect("it is stamped"), "pip\n");
    let made =
        || std::fs::metadata(&stamp).and_then(|stamp| stamp.modified()).expect("it is stamped");
    let first = made();
    python::virtual_environment(&folder, "pip\n").expect("nothing is left to do");
    assert_eq!(made(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_ends_with_its_scene() {
    let scene = Scene::start().await;
    let address = scene.moto.url().trim_start_matches("http://").to_owned();
    assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
    drop(scene);
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_and_its_volume_are_found() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = clients.run_instance("m5.large", &[("team", "web")]).await;

    let found = clients.ec2.describe_instances().send().await.expect("moto answers");
    let instance = &found.reservations()[0].instances()[0];
    assert_eq!(instance.instance_id(), Some(id.as_str()));
    assert_eq!(instance.instance_type().map(|kind| kind.as_str()), Some("m5.large"));
    assert_eq!(instance.state().and_then(|state| state.name()), Some(&InstanceStateName::Running));
    assert_eq!(instance.image_id(), Some(IMAGE));
    assert_eq!((instance.platform(), instance.public_ip_address()), (None, None));
    assert_eq!(instance.tags()[0].value(), Some("web"));
    // Filled in by the proxy.
    assert_eq!(
        (instance.ena_support(), instance.platform_details()),
        (Some(true), Some("Linux/UNIX"))
    );

    let volumes = clients.ec2.describe_volumes().send().await.expect("moto answers");
    let root = &volumes.volumes()[0];
    assert_eq!((root.size(), root.iops(), root.throughput()), (Some(20), Some(3000), Some(125)));
    assert_eq!(root.attachments()[0].instance_id(), Some(id.as_str()));

    // The smallest and the largest that gp2's three IOPS a GiB are cut off at, and one between.
    for (size, iops) in [(8, 100), (500, 1500), (16_000, 16_000)] {
        let id = clients.create_volume("gp2", size, None).await;
        let found =
            clients.ec2.describe_volumes().volume_ids(id).send().await.expect("moto answers");
        assert_eq!(
            (found.volumes()[0].iops(), found.volumes()[0].throughput()),
            (Some(iops), None)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assigned_address_is_told_from_an_elastic_one() {
    let scene = Scene::start().await;
    let ec2 = scene.clients(REGION).ec2;
    let run = ec2.run_instances().image_id(IMAGE).min_count(1).max_count(1).send().await;
    let id =
        run.expect("moto runs it").instances()[0].instance_id().expect("it has an id").to_owned();
    let owner = async || {
        let found = ec2.describe_instances().instance_ids(&id).send().await.expect("moto answers");
        let interface = &found.reservations()[0].instances()[0].network_interfaces()[0];
        interface.association().and_then(|address| address.ip_owner_id().map(str::to_owned))
    };
    assert_eq!(owner().await.as_deref(), Some("amazon"));
    let address = ec2.allocate_address().send().await.expect("moto has addresses").allocation_id;
    let associate = ec2.associate_address().instance_id(&id).set_allocation_id(address);
    associate.send().await.expect("both are there");
    assert_eq!(owner().await.as_deref(), Some(BASE_ACCOUNT));
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_and_groups_are_made_and_changed() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let arn = clients.create_function("resize-images", 1024).await;
    assert_eq!(arn, format!("arn:aws:lambda:{REGION}:{BASE_ACCOUNT}:function:resize-images"));
    clients.create_group("web", "c5.large", (2, 6, 3)).await;

    let groups =
        clients.autoscaling.describe_auto_scaling_groups().send().await.expect("moto answers");
    let group = &groups.auto_scaling_groups()[0];
    assert_eq!(
        (group.min_size(), group.max_size(), group.desired_capacity()),
        (Some(2), Some(6), Some(3))
    );
    assert_eq!(group.instances().len(), 3);
    let update =
        clients.autoscaling.update_auto_scaling_group().auto_scaling_group_name("web").min_size(1);
    update.max_size(4).send().await.expect("the group is there");
    let groups =
        clients.autoscaling.describe_auto_scaling_groups().send().await.expect("moto answers");
    let group = &groups.auto_scaling_groups()[0];
    assert_eq!(
        (group.min_size(), group.max_size(), group.desired_capacity()),
        (Some(1), Some(4), Some(3))
    );

    // What moto lacks is answered as empty.
    let refreshes = clients
        .autoscaling
        .describe_instance_refreshes()
        .auto_scaling_group_name("web")
        .send()
        .await;
    assert!(refreshes.expect("the proxy answers").instance_refreshes().is_empty());
    let provisioned = clients
        .lambda
        .list_provisioned_concurrency_configs()
        .function_name("resize-images")
        .send()
        .await;
    assert!(provisioned.expect("the proxy answers").provisioned_concurrency_configs().is_empty());
    let statuses = clients.ec2.describe_volume_status().send().await;
    assert!(statuses.expect("the proxy answers").volume_statuses().is_empty());
    let reserved = clients.ec2.describe_reserved_instances().send().await;
    assert!(reserved.expect("the proxy answers").reserved_instances().is_empty());
}

/// One read of each kind of protocol and path, of the function `count` among others.
async fn read_everything(clients: &Clients) {
    let lambda = &clients.lambda;
    let answered = [
        clients.ec2.describe_instances().send().await.is_ok(),
        clients.sts.get_caller_identity().send().await.is_ok(),
        lambda.list_functions().send().await.is_ok(),
        lambda.get_function_configuration().function_name("count").send().await.is_ok(),
        lambda.list_aliases().function_name("count").send().await.is_ok(),
        lambda.list_versions_by_function().function_name("count").send().await.is_ok(),
        clients.autoscaling.describe_policies().send().await.is_ok(),
        clients.cloudwatch.list_metrics().send().await.is_ok(),
    ];
    assert_eq!(answered, [true; 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_counted_by_service_region_and_operation() {
    let scene = Scene::start().await;
    let (east, west) = (scene.clients(REGION), scene.clients("eu-west-1"));
    east.create_function("count", 128).await;
    scene.proxy.forget_calls();

    read_everything(&east).await;
    east.ec2.describe_instances().send().await.expect("moto answers");
    west.ec2.describe_instances().send().await.expect("moto answers");
    let expected = [
        ("autoscaling", REGION, "DescribePolicies", 1),
        ("cloudwatch", REGION, "ListMetrics", 1),
        ("ec2", REGION, "DescribeInstances", 2),
        ("ec2", "eu-west-1", "DescribeInstances", 1),
        ("lambda", REGION, "GetFunctionConfiguration", 1),
        ("lambda", REGION, "ListAliases", 1),
        ("lambda", REGION, "ListFunctions", 1),
        ("lambda", REGION, "ListVersionsByFunction", 1),
        ("sts", REGION, "GetCallerIdentity", 1),
    ];
    let key = |(service, region, name, count): (&str, &str, &str, usize)| {
        ((service.to_owned(), region.to_owned(), name.to_owned()), count)
    };
    assert_eq!(scene.proxy.counts(), expected.map(key).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_told_from_reads_and_dry_runs() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let id = clients.run_instance("m5.large", &[]).await;
    clients.create_function("count", 128).await;
    scene.proxy.forget_calls();

    read_everything(&clients).await;
    scene.clients_of("222222222222", REGION, None).await;
    let stop = clients.ec2.stop_instances().instance_ids(&id);
    assert_eq!(code(stop.clone().dry_run(true).send().await), "DryRunOperation");
    assert!(scene.proxy.writes().is_empty(), "{:?}", scene.proxy.writes());
    assert_eq!(scene.proxy.calls().iter().filter(|call| call.is_dry_run()).count(), 1);

    stop.send().await.expect("it runs");
    let update = clients.lambda.update_function_configuration().function_name("count");
    update.memory_size(256).send().await.expect("it is there");
    let writes = scene.proxy.writes();
    let written: Vec<_> =
        writes.iter().map(|call| (call.operation.as_str(), call.status)).collect();
    assert_eq!(written, [("StopInstances", 200), ("UpdateFunctionConfiguration", 200)]);
    assert_eq!(writes[0].list("InstanceId"), [id.as_str()]);
    assert_eq!(writes[1].parameter("MemorySize"), Some("256"));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_regions_are_apart() {
    let scene = Scene::start().await;
    let base = scene.clients(REGION);
    let other = scene.clients_of("222222222222", REGION, None).await;
    let id = other.run_instance("m5.large", &[]).await;
    other.create_function("theirs", 512).await;

    let identity = other.sts.get_caller_identity().send().await.expect("moto answers");
    assert_eq!(identity.account(), Some("222222222222"));
    let mine = base.ec2.describe_instances().send().await.expect("moto answers");
    assert!(mine.reservations().is_empty());
    assert!(
        base.lambda.list_functions().send().await.expect("moto answers").functions().is_empty()
    );
    let theirs = other.ec2.describe_instances().send().await.expect("moto answers");
    assert_eq!(theirs.reservations()[0].instances()[0].instance_id(), Some(id.as_str()));
    let elsewhere = scene.clients_of("222222222222", "eu-west-1", None).await;
    assert!(
        elsewhere
            .ec2
            .describe_instances()
            .send()
            .await
            .expect("moto answers")
            .reservations()
            .is_empty()
    );

    let by_account: Vec<_> =
        scene.proxy.calls().into_iter().map(|call| (call.account, call.operation)).collect();
    assert!(by_account.contains(&("222222222222".to_owned(), "RunInstances".to_owned())));
    assert!(by_account.contains(&(BASE_ACCOUNT.to_owned(), "DescribeInstances".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_come_in_pages() {
    let scene = Scene::start().await;
    let clients = scene.clients(REGION);
    let (mut instances, mut functions, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..3 {
        instances.push(clients.run_instance("t3.micro", &[]).await);
        functions.push(clients.create_function(&format!("function-{index}"), 128).await);
        groups.push(format!("group-{index}"));
        clients.create_group(&groups[index], "t3.micro", (0, 1, 0)).await;
    }
    scene.proxy.rules().items_per_page = Some(2);
    scene.proxy.forget_calls();

    let pages = clients.ec2.describe_instances().max_results(100).into_paginator().items().send();
    let found: Vec<_> = pages.collect::<Result<Vec<_>, _>>().await.expect("moto answers");
    let found: Vec<_> =
        found.iter().flat_map(|all| all.instances()).filter_map(|one| one.instance_id()).collect();
    assert_eq!(found, instances);
    let volumes: Vec<_> = clients
        .ec2
        .describe_volumes()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .expect("moto answers");
    assert_eq!(volumes.len(), 3);
    let listed: Vec<_> = clients
        .lambda
        .list_functions()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .expect("moto answers");
    let listed: Vec<_> = listed.iter().filter_map(|function| function.function_arn()).collect();
    assert_eq!(listed, functions);
    let all = clients.autoscaling.describe_auto_scaling_groups().into_paginator().items().send();
    let all: Vec<_> = all.collect::<Result<Vec<_>, _>>().await.expect("moto answers");
    let all: Vec<_> = all.iter().filter_map(|group| group.auto_scaling_group_name()).collect();
    assert_eq!(all, groups);
    assert!(scene.proxy.counts().values().all(|count| *count == 2), "{:?}", scene.proxy.counts());
}
