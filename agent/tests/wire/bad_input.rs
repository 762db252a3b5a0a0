//! What goes wrong in AWS: each is named, costs nothing else, and loses nothing.
//!
//! Not here: bad files and flags (`trimtab_config`), and what one call does about an error (`adapters`).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use trimtab::clock::ManualClock;
use trimtab::observe::stored_series;
use trimtab::ports::Clock;
use trimtab::view::{PlanView, ServiceFailure};
use trimtab_models::metric::{Measure, Metric, Statistic};
use trimtab_policies::plan::{CheckName, Disposition};

use crate::flow::{
    Flow, OTHER_ACCOUNT, OTHER_REGION, OWN_ACCOUNT, REGION, at, entry, function, held, machine,
    now, oversized,
};
use crate::load::{self, Sample, Shape};
use crate::proxy::{BASE_ACCOUNT, Effect, Fault, MetricId, Point};
use crate::scene::Scene;

const TWO_REGIONS: &str = "
[[account]]
name = \"main\"
id = \"123456789012\"
regions = [\"us-east-1\", \"eu-west-1\"]
";

/// The other account through a role, beside the base account.
fn with_role(external_id: &str) -> String {
    format!(
        "{OWN_ACCOUNT}\n[[account]]\nname = \"other\"\nid = \"{OTHER_ACCOUNT}\"\nregions = [\"us-east-1\"]\n\
         role_arn = \"arn:aws:iam::{OTHER_ACCOUNT}:role/TrimtabRead\"\nexternal_id = \"{external_id}\"\n"
    )
}

/// The only failure of a cycle, after checking whose it is.
fn only<'a>(plan: &'a PlanView, (account, region, service): (&str, &str, &str)) -> &'a str {
    let [ServiceFailure { error, .. }] = plan.cycle.failures.as_slice() else {
        panic!("one failure was expected: {:?}", plan.cycle.failures)
    };
    let failure = &plan.cycle.failures[0];
    let named = (failure.account.as_str(), failure.region.as_str(), failure.service.as_str());
    assert_eq!(named, (account, region, service), "{error}");
    error
}

fn assert_says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_denied_in_one_region_is_named_and_the_rest_goes_on() {
    let scene = Scene::start().await;
    let machine = oversized(&scene, OTHER_REGION).await;
    for region in [REGION, OTHER_REGION] {
        let place = at(&scene, BASE_ACCOUNT, region);
        let name = format!("roomy-{region}");
        function(&scene.clients(region), place, (&name, 1_024, 200.0)).await;
    }
    let flow = Flow::open(scene.proxy.url(), "datapilot", TWO_REGIONS);
    let whole = flow.cycle().await;
    assert_eq!(whole.cycle.failures, Vec::new());
    let before = flow.found();

    let denied = Effect::Error { status: 403, code: "AccessDeniedException".to_owned() };
    scene.proxy.inject(Fault::new("lambda", "*", denied, u32::MAX).in_region(OTHER_REGION));
    let plan = flow.cycle().await;
    let error = only(&plan, (BASE_ACCOUNT, OTHER_REGION, "lambda-function"));
    assert_says(error, &["lambda:ListFunctions", "AccessDenied"]);
    assert_eq!(flow.found(), before, "what cannot be asked is not gone");
    for id in [machine.as_str(), "roomy-us-east-1"] {
        assert_eq!(entry(&plan, id).decision, Disposition::Recommend);
    }
    // Its state cannot be read, so that nobody may act on it.
    let blind = held(entry(&plan, "roomy-eu-west-1"), CheckName::Health);
    assert!(blind.is_some_and(|reason| reason.contains("unknown")), "{blind:?}");

    scene.proxy.clear_faults();
    assert_eq!(flow.cycle().await.cycle.failures, Vec::new(), "and back again");
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_is_waited_out_and_costs_nothing() {
    let scene = Scene::start().await;
    let id = oversized(&scene, REGION).await;
    for (service, operation) in [
        ("sts", "GetCallerIdentity"),
        ("ec2", "DescribeInstances"),
        ("ec2", "DescribeVolumes"),
        ("cloudwatch", "GetMetricData"),
        ("autoscaling", "DescribeAutoScalingGroups"),
    ] {
        scene.proxy.fail(service, operation, (400, "Throttling"), 1);
    }
    scene.proxy.forget_calls();
    let flow = Flow::open(scene.proxy.url(), "datapilot", OWN_ACCOUNT);
    let plan = flow.cycle().await;
    assert_eq!(plan.cycle.failures, Vec::new());
    assert_eq!(entry(&plan, &id).decision, Disposition::Recommend);
    let calls = scene.proxy.calls();
    let refused = calls.iter().filter(|call| call.status == 400).count();
    assert_eq!(refused, 5, "each was refused once and asked again");
    assert!(calls.len() < 60, "{} calls are a hammer", calls.len());
}

/// A clock that stands at the system's time until it is moved: the emulator's series end there.
fn stopped_clock() -> (ManualClock, i64) {
    let second = now();
    (ManualClock::new(Timestamp::from_second(second).expect("the present is a time")), second)
}

/// The points of a series that the agent holds, in its present look-back.
fn points(flow: &Flow, id: &str, (metric, statistic): (Metric, Statistic)) -> Vec<(i64, f32)> {
    let collecting = flow.agent.collecting();
    let now = flow.agent.ports().clock.now();
    let window = (collecting.start_s(now), collecting.end_s(now));
    let stored = stored_series(&flow.resource(id), window.0, window.1, &flow.agent.series);
    let stored = stored.expect("the series are whole");
    let series = stored.get(&Measure { metric, statistic });
    series.map_or_else(Vec::new, |series| series.present().collect())
}

const CPU: (Metric, Statistic) = (Metric::InstanceCpu, Statistic::Average);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_in_part_is_owed_and_asked_for_again() {
    let scene = Scene::start().await;
    let (clock, start) = stopped_clock();
    let place = at(&scene, BASE_ACCOUNT, REGION);
    let clients = scene.clients(REGION);
    let hours_later = start + 2 * 3_600;
    let cpu = load::shaped_series(Shape::Oversized, 1, hours_later);
    // The newest points of the first window come late.
    let known = cpu.iter().copied().filter(|sample| sample.start < start - 1_200);
    let known: Vec<Sample> = known.collect();
    let whole = machine(&clients, place, "m5.2xlarge", (&known, &[])).await;
    let part = machine(&clients, place, "m5.2xlarge", (&known, &[])).await;
    let broken = MetricId::new("AWS/EC2", "CPUUtilization", &[("InstanceId", &part)]);
    scene.proxy.cloudwatch().statuses.insert(broken, "PartialData".to_owned());
    let clock_port: Arc<dyn Clock> = Arc::new(clock.clone());
    let flow = Flow::at(clock_port, scene.proxy.url(), "datapilot", OWN_ACCOUNT);

    let plan = flow.cycle().await;
    let error = only(&plan, (BASE_ACCOUNT, REGION, "cloudwatch"));
    assert_says(error, &["2 series", "asked for again"]);
    assert_eq!(points(&flow, &part, CPU), Vec::new());
    assert!(points(&flow, &whole, CPU).len() > 8_600);
    let sized: BTreeSet<_> =
        plan.recommendations.iter().map(|entry| &entry.recommendation.resource_id).collect();
    assert_eq!(sized, BTreeSet::from([&whole]), "nothing is concluded from half an answer");

    // Two hours later CloudWatch is whole again: the debt goes back to the first day, the rest asks for what is new.
    scene.proxy.cloudwatch().statuses.clear();
    for id in [&whole, &part] {
        place.instance(id, &cpu);
    }
    clock.set(Timestamp::from_second(hours_later).expect("it is a time"));
    let plan = flow.cycle().await;
    assert_eq!(plan.cycle.failures, Vec::new());
    let (one, other) = (points(&flow, &part, CPU), points(&flow, &whole, CPU));
    assert_eq!(one, other, "both hold the same, with the two new hours");
    assert!(one.last().is_some_and(|(at, _)| *at > start), "{:?}", one.last());
    assert!(other.windows(2).all(|pair| pair[1].0 - pair[0].0 == 300), "no late point is lost");
    // Two statistics of the whole month for the one, a couple of hours of everything else.
    let received = usize::try_from(plan.cycle.points_received).expect("it fits");
    assert!((2 * 8_600..2 * 8_640 + 500).contains(&received), "{received}");
}

#[tokio::test(flavor = "multi_thread")]
async fn points_of_the_future_and_points_that_are_no_numbers_are_left_out() {
    let scene = Scene::start().await;
    let (clock, start) = stopped_clock();
    let place = at(&scene, BASE_ACCOUNT, REGION);
    // The sender's clock is a day ahead.
    let ahead = load::shaped_series(Shape::Oversized, 1, start + 86_400);
    let id = machine(&scene.clients(REGION), place, "m5.2xlarge", (&ahead, &[])).await;
    let metric = MetricId::new("AWS/EC2", "CPUUtilization", &[("InstanceId", &id)]);
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let point = |(index, sample): (usize, &Sample)| match odd.get(index % 1_000) {
        Some(value) => Point::value(sample.start, *value),
        None => Point::spread(sample.start, sample.average, sample.maximum, 5.0),
    };
    let cpu: Vec<Point> = ahead.iter().enumerate().map(point).collect();
    scene.proxy.cloudwatch().put(BASE_ACCOUNT, REGION, metric, cpu);
    let clock_port: Arc<dyn Clock> = Arc::new(clock);
    let flow = Flow::at(clock_port, scene.proxy.url(), "datapilot", OWN_ACCOUNT);
    let plan = flow.cycle().await;
    assert_eq!(plan.cycle.failures, Vec::new());
    let stored = points(&flow, &id, CPU);
    let end = load::aligned(start - 600);
    let inside = ahead.iter().enumerate().filter(|(_, sample)| sample.start < end);
    let expected: Vec<i64> = inside
        .filter(|(index, _)| odd.get(index % 1_000).is_none())
        .map(|(_, sample)| sample.start)
        .collect();
    assert_eq!(stored.iter().map(|(at, _)| *at).collect::<Vec<_>>(), expected);
    assert!(stored.iter().all(|(_, value)| (0.0..=100.0).contains(value)));
    assert_eq!(entry(&plan, &id).decision, Disposition::Recommend, "29 days are enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_that_are_absent_or_flat_at_zero_conclude_nothing() {
    let scene = Scene::start().await;
    let (clients, place) = (scene.clients(REGION), at(&scene, BASE_ACCOUNT, REGION));
    let absent = clients.run_instance("m5.2xlarge", &[]).await;
    let zero = load::scaled(&load::shaped_series(Shape::Idle, 1, now()), 0.0);
    let flat = machine(&clients, place, "m5.2xlarge", (&zero, &[])).await;
    let flow = Flow::open(scene.proxy.url(), "datapilot", OWN_ACCOUNT);
    let plan = flow.cycle().await;
    assert_eq!(plan.recommendations, Vec::new());
    for (id, word) in [(&absent, "no points"), (&flat, "absence")] {
        let mut all = plan.cycle.not_sized.iter();
        let reason = all.find(|one| one.arn.0.ends_with(id.as_str())).expect("it is told why");
        assert_says(&reason.reason, &["CPUUtilization", word]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_account_is_no_error() {
    let scene = Scene::start().await;
    let flow = Flow::open(scene.proxy.url(), "copilot", TWO_REGIONS);
    let plan = flow.cycle().await;
    assert_eq!((plan.cycle.failures, plan.recommendations), (Vec::new(), Vec::new()));
    assert!(plan.cycle.resources.values().all(|count| *count == 0), "{:?}", plan.cycle.resources);
    assert_eq!((plan.cycle.series_requested, plan.cycle.points_received), (0, 0));
    assert_eq!(flow.found(), BTreeSet::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_the_credentials_do_not_belong_to_is_not_looked_at() {
    let scene = Scene::start().await;
    oversized(&scene, REGION).await;
    scene.proxy.forget_calls();
    let stranger = OWN_ACCOUNT.replace(BASE_ACCOUNT, OTHER_ACCOUNT);
    let flow = Flow::open(scene.proxy.url(), "copilot", &stranger);
    *flow.agent.catalog_refreshed_at() = None;
    let plan = flow.cycle().await;
    let error = only(&plan, (OTHER_ACCOUNT, REGION, "sts"));
    assert_says(error, &["belong to account 123456789012", OTHER_ACCOUNT, "role_arn"]);
    assert_eq!(flow.found(), BTreeSet::new());
    let asked: Vec<_> = scene.proxy.calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(asked, ["GetCallerIdentity"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_closed_for_a_while_keeps_what_was_known_of_it() {
    let scene = Scene::start().await;
    oversized(&scene, REGION).await;
    let flow = Flow::open(scene.proxy.url(), "datapilot", OWN_ACCOUNT);
    flow.cycle().await;
    let before = flow.found();
    assert_eq!(before.len(), 2, "a machine and its disk");
    for code in ["ExpiredToken", "InvalidClientTokenId"] {
        scene.proxy.fail("sts", "GetCallerIdentity", (403, code), u32::MAX);
        scene.proxy.forget_calls();
        let plan = flow.cycle().await;
        assert_says(only(&plan, (BASE_ACCOUNT, REGION, "sts")), &[code, BASE_ACCOUNT]);
        assert_eq!(flow.found(), before);
        let calls = scene.proxy.calls();
        let collected = calls.iter().filter(|call| call.operation == "GetMetricData");
        assert_eq!(collected.count(), 0, "whose series would these be?");
        scene.proxy.clear_faults();
    }
    let plan = flow.cycle().await;
    assert_eq!(plan.cycle.failures, Vec::new());
    assert!(plan.cycle.points_received > 0, "and nothing was skipped meanwhile");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_external_id_closes_that_account_alone() {
    let scene = Scene::start().await;
    let id = oversized(&scene, REGION).await;
    let role = format!("arn:aws:iam::{OTHER_ACCOUNT}:role/TrimtabRead");
    scene.proxy.rules().external_ids = [(role, Some("right".to_owned()))].into();
    let flow = Flow::open(scene.proxy.url(), "datapilot", &with_role("wrong"));
    let plan = flow.cycle().await;
    let error = only(&plan, (OTHER_ACCOUNT, REGION, "sts"));
    assert_says(error, &["role/TrimtabRead", "external_id", "AccessDenied"]);
    assert_eq!(entry(&plan, &id).decision, Disposition::Recommend);
    let flow = Flow::open(scene.proxy.url(), "datapilot", &with_role("right"));
    assert_eq!(flow.cycle().await.cycle.failures, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_nobody_listens_at_is_named_for_each_region() {
    // Nothing listens on the discard port of the loopback.
    let endpoint = "http://127.0.0.1:9";
    let flow = Flow::open(endpoint, "datapilot", TWO_REGIONS);
    let plan = flow.cycle().await;
    let regions: Vec<_> = plan.cycle.failures.iter().map(|it| it.region.as_str()).collect();
    assert_eq!(regions, [REGION, OTHER_REGION]);
    for failure in &plan.cycle.failures {
        assert_says(&failure.error, &[endpoint, BASE_ACCOUNT]);
    }
    assert_eq!(plan.recommendations, Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_a_price_is_withheld_and_says_so() {
    let scene = Scene::start().await;
    let id = oversized(&scene, "af-south-1").await;
    let far = OWN_ACCOUNT.replace(REGION, "af-south-1");
    let flow = Flow::open(scene.proxy.url(), "copilot", &far);
    let plan = flow.cycle().await;
    let entry = entry(&plan, &id);
    assert_eq!(entry.decision, Disposition::Withheld);
    let reason = held(entry, CheckName::Price).expect("it has no price");
    assert_says(reason, &["price"]);
    assert!(entry.recommendation.saving.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_of_a_type_that_nobody_knows_is_left_as_it_is_with_the_reason() {
    let scene = Scene::start().await;
    let (clients, place) = (scene.clients(REGION), at(&scene, BASE_ACCOUNT, REGION));
    let cpu = load::shaped_series(Shape::Oversized, 1, now());
    let id = machine(&clients, place, "zz9.huge", (&cpu, &cpu)).await;
    let plan = Flow::open(scene.proxy.url(), "copilot", OWN_ACCOUNT).cycle().await;
    assert_eq!(plan.recommendations, Vec::new());
    let mut all = plan.cycle.not_sized.iter();
    let reason = all.find(|one| one.arn.0.ends_with(&id)).expect("it is told why");
    assert_says(&reason.reason, &["zz9.huge", "catalogue"]);
}
