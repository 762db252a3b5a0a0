//! The emulated CloudWatch, asked through the real SDK.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, DimensionFilter, Metric, MetricDataQuery, MetricDatum, MetricStat, ScanBy,
    StateValue, StatusCode,
};

use super::{NOW, REGION, code};
use crate::load::{self, POINTS, Place, STEP, Sample, Shape};
use crate::proxy::{Alarm, BASE_ACCOUNT, MetricId, Point, Proxy};
use crate::scene::{Clients, clients_at};

/// An address where nothing listens: CloudWatch is the proxy's own, and moto is never asked.
const NO_MOTO: &str = "http://127.0.0.1:9";

/// A query for one statistic of EC2's CPU metric.
fn cpu(id: &str, instance: &str, period: i32, stat: &str) -> MetricDataQuery {
    let dimension = Dimension::builder().name("InstanceId").value(instance).build();
    let metric = Metric::builder()
        .namespace("AWS/EC2")
        .metric_name("CPUUtilization")
        .dimensions(dimension)
        .build();
    let stat = MetricStat::builder().metric(metric).period(period).stat(stat).build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

/// All pages of a call: per id the points oldest first and the last status; and the number of pages.
async fn all_pages(
    clients: &Clients,
    (start, end): (i64, i64),
    queries: Vec<MetricDataQuery>,
) -> (BTreeMap<String, (Vec<(i64, f64)>, StatusCode)>, usize) {
    let call = clients.cloudwatch.get_metric_data().set_metric_data_queries(Some(queries));
    let call = call.start_time(DateTime::from_secs(start)).end_time(DateTime::from_secs(end));
    let mut pages = call.scan_by(ScanBy::TimestampAscending).into_paginator().send();
    let (mut found, mut count) = (BTreeMap::<String, (Vec<(i64, f64)>, StatusCode)>::new(), 0);
    while let Some(page) = pages.next().await {
        let page = page.unwrap_or_else(|error| panic!("page {count}: {error:?}"));
        count += 1;
        for result in page.metric_data_results() {
            let id = result.id().unwrap_or_default().to_owned();
            let status = result.status_code().cloned().expect("each result has a status");
            let entry = found.entry(id).or_insert_with(|| (Vec::new(), status.clone()));
            entry.1 = status;
            let times = result.timestamps().iter().map(DateTime::secs);
            entry.0.extend(times.zip(result.values().iter().copied()));
        }
    }
    (found, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_series_are_read_back_point_by_point() {
    let proxy = Proxy::start(NO_MOTO).await;
    let clients = clients_at(&proxy, REGION);
    let place = Place { proxy: &proxy, account: BASE_ACCOUNT, region: REGION };
    let series: Vec<Vec<Sample>> = (0..10).map(|index| load::cpu_series(index, NOW)).collect();
    for index in 0..500 {
        place.instance(&format!("i-{index}"), &series[index % 10]);
    }
    let queries =
        (0..500).map(|index| cpu(&format!("q{index}"), &format!("i-{index}"), 300, "Average"));
    let day = (NOW - 86_400, NOW);
    let (found, pages) = all_pages(&clients, day, queries.clone().collect()).await;
    let points: usize = found.values().map(|(points, _)| points.len()).sum();
    assert_eq!((found.len(), pages), (500, points.div_ceil(100_800)));
    for (id, (points, status)) in &found {
        let index: usize = id[1..].parse().expect("ids are made above");
        let expected =
            series[index % 10].iter().filter(|sample| (day.0..day.1).contains(&sample.start));
        let expected: Vec<(i64, f64)> =
            expected.map(|sample| (sample.start, sample.average)).collect();
        assert_eq!(points.len(), expected.len());
        for (point, expected) in points.iter().zip(expected) {
            assert_eq!(point.0, expected.0);
            assert!((point.1 - expected.1).abs() <= 1e-9, "{point:?} {expected:?}");
        }
        assert_eq!(status, &StatusCode::Complete);
    }

    let too_many = queries.chain([cpu("one_more", "i-0", 300, "Average")]).collect();
    let call = clients.cloudwatch.get_metric_data().set_metric_data_queries(Some(too_many));
    let call = call.start_time(DateTime::from_secs(day.0)).end_time(DateTime::from_secs(day.1));
    assert_eq!(code(call.send().await), "ValidationError");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_pages_lose_nothing() {
    let proxy = Proxy::start(NO_MOTO).await;
    let clients = clients_at(&proxy, REGION);
    let place = Place { proxy: &proxy, account: BASE_ACCOUNT, region: REGION };
    for (index, shape) in Shape::ALL.into_iter().enumerate() {
        place.instance(&format!("i-{index}"), &load::shaped_series(shape, 7, NOW));
    }
    let queries = || {
        (0..6)
            .map(|index| cpu(&format!("q{index}"), &format!("i-{index}"), 300, "Maximum"))
            .collect()
    };
    let (whole, pages) = all_pages(&clients, (NOW - 3_000, NOW), queries()).await;
    assert_eq!((whole["q0"].0.len(), pages), (10, 1));
    assert_eq!(whole["q5"], (Vec::new(), StatusCode::Complete), "an unknown metric has no points");
    // Pages that end inside a series, at its end, and that hold a single point.
    for (size, expected) in [(7, 8), (10, 6), (25, 3), (1, 51)] {
        proxy.cloudwatch().points_per_page = size;
        let (cut, pages) = all_pages(&clients, (NOW - 3_000, NOW), queries()).await;
        assert_eq!((&cut, pages), (&whole, expected), "pages of {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_periods_and_statistics_follow_cloudwatch() {
    let proxy = Proxy::start(NO_MOTO).await;
    let clients = clients_at(&proxy, REGION);
    let start = 1_790_000_000 - 1_790_000_000 % 3600;
    let points = vec![
        Point { start, minimum: 1.0, maximum: 9.0, sum: 20.0, count: 5.0 },
        Point { start: start + 300, minimum: 2.0, maximum: 30.0, sum: 100.0, count: 5.0 },
        Point { start: start + 3600, minimum: 4.0, maximum: 4.0, sum: 4.0, count: 1.0 },
    ];
    let metric = MetricId::new("AWS/EC2", "CPUUtilization", &[("InstanceId", "i-1")]);
    proxy.cloudwatch().put(BASE_ACCOUNT, REGION, metric.clone(), points);
    let read = async |window, period, stat: &str| {
        let (found, _) = all_pages(&clients, window, vec![cpu("q", "i-1", period, stat)]).await;
        found["q"].0.clone()
    };
    let hours = (start, start + 7200);
    let next = start + 3600;
    assert_eq!(read(hours, 3600, "Average").await, [(start, 12.0), (next, 4.0)]);
    assert_eq!(read(hours, 3600, "Maximum").await, [(start, 30.0), (next, 4.0)]);
    assert_eq!(read(hours, 3600, "Minimum").await, [(start, 1.0), (next, 4.0)]);
    assert_eq!(read(hours, 3600, "Sum").await, [(start, 120.0), (next, 4.0)]);
    assert_eq!(read(hours, 3600, "SampleCount").await, [(start, 10.0), (next, 1.0)]);
    // The start is inside, the end is not.
    assert_eq!(read((start + 300, start + 3600), 300, "Sum").await, [(start + 300, 100.0)]);
    assert_eq!(
        read((start + 301, start + 3601), 300, "Sum").await,
        [(start + 300, 100.0), (next, 4.0)]
    );

    let newest_first =
        clients.cloudwatch.get_metric_data().metric_data_queries(cpu("q", "i-1", 300, "Sum"));
    let newest_first = newest_first
        .start_time(DateTime::from_secs(hours.0))
        .end_time(DateTime::from_secs(hours.1));
    let answer = newest_first.send().await.expect("the proxy answers");
    assert_eq!(answer.metric_data_results()[0].values(), [4.0, 100.0, 20.0]);

    // Sixteen days later a period of one minute is no longer kept; seventy days later only hours are.
    proxy.cloudwatch().now = Some(start + 16 * 86_400);
    assert_eq!(read(hours, 60, "Sum").await, []);
    assert_eq!(read(hours, 300, "Sum").await.len(), 3);
    proxy.cloudwatch().now = Some(start + 70 * 86_400);
    assert_eq!(read(hours, 300, "Sum").await, []);
    assert_eq!(read(hours, 3600, "Sum").await.len(), 2);

    proxy.cloudwatch().statuses.insert(metric.clone(), "InternalError".to_owned());
    let (found, _) = all_pages(&clients, hours, vec![cpu("q", "i-1", 3600, "Sum")]).await;
    assert_eq!(found["q"], (Vec::new(), StatusCode::InternalError));
    proxy.cloudwatch().statuses.clear();
    assert!(proxy.cloudwatch().remove(BASE_ACCOUNT, REGION, &metric));
    assert_eq!(read(hours, 3600, "Sum").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_listed_by_filter_and_page() {
    let proxy = Proxy::start(NO_MOTO).await;
    let clients = clients_at(&proxy, REGION);
    let place = Place { proxy: &proxy, account: BASE_ACCOUNT, region: REGION };
    let short = &load::shaped_series(Shape::Daily, 1, NOW)[..3];
    for id in ["i-1", "i-2", "i-3"] {
        place.instance(id, short);
    }
    place.memory(("i-2", "m5.large", "ami-1"), short);
    place.volume("vol-1", short, 16.0);
    place.function("f", short, (120.0, 80.0));
    place.group("web", short, 3.0);
    let list = async |namespace: &str, name: Option<&str>, instance: Option<&str>| {
        let filter = instance
            .map(|id| vec![DimensionFilter::builder().name("InstanceId").value(id).build()]);
        let call = clients.cloudwatch.list_metrics().namespace(namespace).set_dimensions(filter);
        let call = call.set_metric_name(name.map(str::to_owned));
        let pages = call.into_paginator().send().collect::<Result<Vec<_>, _>>();
        let pages = pages.await.expect("the proxy answers");
        let metrics = pages.into_iter().filter_map(|page| page.metrics);
        metrics.flatten().collect::<Vec<_>>()
    };
    assert_eq!(
        list("AWS/EC2", None, None).await.len(),
        13,
        "four of each instance and the group's CPU"
    );
    assert_eq!(list("AWS/EC2", Some("CPUUtilization"), Some("i-2")).await.len(), 1);
    assert_eq!(list("AWS/EBS", None, None).await.len(), 4);
    assert_eq!(list("AWS/Lambda", None, None).await.len(), 4);
    assert_eq!(list("LambdaInsights", None, None).await.len(), 1);
    assert_eq!(list("AWS/AutoScaling", None, None).await.len(), 1);
    let memory = list("CWAgent", Some("mem_used_percent"), Some("i-2")).await;
    assert_eq!(memory.len(), 1);
    let names: Vec<_> = memory[0].dimensions().iter().filter_map(|one| one.name()).collect();
    assert_eq!(names, ["ImageId", "InstanceId", "InstanceType"]);

    proxy.cloudwatch().metrics_per_page = 5;
    proxy.forget_calls();
    assert_eq!(list("AWS/EC2", None, None).await.len(), 13);
    assert_eq!(proxy.calls().len(), 3);
    let other = clients_at(&proxy, "eu-west-1");
    assert!(
        other
            .cloudwatch
            .list_metrics()
            .send()
            .await
            .expect("the proxy answers")
            .metrics()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_are_described_and_values_put() {
    let proxy = Proxy::start(NO_MOTO).await;
    let clients = clients_at(&proxy, REGION);
    let metric = MetricId::new("AWS/EC2", "CPUUtilization", &[("InstanceId", "i-1")]);
    let alarm = |name: &str, state: &str| Alarm {
        name: name.to_owned(),
        state: state.to_owned(),
        metric: metric.clone(),
        actions: vec!["arn:aws:automate:us-east-1:ec2:recover".to_owned()],
        threshold: 90.0,
    };
    for (name, state) in
        [("high-cpu", "OK"), ("high-cpu", "ALARM"), ("low-disk", "INSUFFICIENT_DATA")]
    {
        proxy.cloudwatch().set_alarm(BASE_ACCOUNT, REGION, alarm(name, state));
    }
    let all = clients.cloudwatch.describe_alarms().into_paginator().send().next().await;
    assert_eq!(all.expect("there is a page").expect("the proxy answers").metric_alarms().len(), 2);
    let named = clients
        .cloudwatch
        .describe_alarms()
        .alarm_names("high-cpu")
        .send()
        .await
        .expect("the proxy answers");
    let named = &named.metric_alarms()[0];
    assert_eq!(named.state_value(), Some(&StateValue::Alarm));
    assert_eq!(
        (named.threshold(), named.period(), named.dimensions().len()),
        (Some(90.0), Some(300), 1)
    );
    assert_eq!(named.alarm_actions(), ["arn:aws:automate:us-east-1:ec2:recover"]);
    let quiet = clients.cloudwatch.describe_alarms().state_value(StateValue::Ok).send().await;
    assert!(quiet.expect("the proxy answers").metric_alarms().is_empty());

    let datum = MetricDatum::builder()
        .metric_name("Depth")
        .value(7.5)
        .timestamp(DateTime::from_secs(NOW))
        .build();
    let put = clients.cloudwatch.put_metric_data().namespace("Custom").metric_data(datum);
    put.send().await.expect("the proxy answers");
    let listed = clients
        .cloudwatch
        .list_metrics()
        .namespace("Custom")
        .send()
        .await
        .expect("the proxy answers");
    assert_eq!(listed.metrics()[0].metric_name(), Some("Depth"));
    assert_eq!(proxy.writes().len(), 1);
}

#[test]
fn series_cover_thirty_days_before_their_end() {
    let end = NOW + 17;
    let all = [load::cpu_series(3, end), load::memory_series(3, end), load::ec2_cpu_series(2, end)];
    for series in all.into_iter().chain(Shape::ALL.map(|shape| load::shaped_series(shape, 9, end)))
    {
        assert!(series.len() > POINTS * 9 / 10, "{} points", series.len());
        assert_eq!(series.last().map(|sample| sample.start), Some(load::aligned(end) - STEP));
        assert!(series[0].start >= load::aligned(end) - STEP * POINTS as i64);
        assert!(
            series
                .windows(2)
                .all(|pair| pair[0].start < pair[1].start && pair[1].start % STEP == 0)
        );
        let sound = |sample: &Sample| {
            (0.0..=sample.maximum).contains(&sample.average) && sample.maximum <= 100.0
        };
        assert!(series.iter().all(sound));
    }
    let mean = |shape| {
        let series = load::shaped_series(shape, 9, end);
        series.iter().map(|sample| sample.average).sum::<f64>() / series.len() as f64
    };
    assert!(
        mean(Shape::Idle) < 2.0 && mean(Shape::Oversized) < 12.0 && mean(Shape::Saturated) > 90.0
    );
    assert_eq!(
        load::shaped_series(Shape::Bursts, 5, end),
        load::shaped_series(Shape::Bursts, 5, end)
    );
    let doubled = load::scaled(&load::shaped_series(Shape::Bursts, 5, end)[..1], 2.0);
    assert!(
        (doubled[0].average - 2.0 * load::shaped_series(Shape::Bursts, 5, end)[0].average).abs()
            < 1e-9
    );
}
