//! Series: point by point, with every gap and every status.

use std::collections::BTreeMap;
use std::time::Instant;

use trimtab::ports::{Fetched, SeriesQuery};
use trimtab_models::metric::{Measure, Metric, Statistic};
use trimtab_models::resource::Kind;
use trimtab_models::series::Series;
use trimtab_policies::operations::FailureKind;

use super::{NOW, REGION, connect, own_account, place};
use crate::load::{self, Place, STEP, Sample};
use crate::proxy::{BASE_ACCOUNT, MetricId, Point, Proxy};

/// An address where nothing listens: CloudWatch is the proxy's own, and moto is never asked.
const NO_MOTO: &str = "http://127.0.0.1:9";
const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;

fn ask(
    id: &str,
    (metric, statistic): (Metric, Statistic),
    (from_s, until_s): (i64, i64),
) -> SeriesQuery {
    SeriesQuery {
        kind: Kind::Instance,
        resource_id: id.to_owned(),
        measure: Measure { metric, statistic },
        step_s: 300,
        from_s,
        until_s,
    }
}

fn whole(fetched: &Fetched) -> &Series {
    let Fetched::Complete(series) = fetched else { panic!("{fetched:?} is not complete") };
    series
}

/// The samples of a window as they must come back: by slot, rounded to the series' own precision.
fn expected(
    samples: &[Sample],
    value: fn(&Sample) -> f64,
    (from, until): (i64, i64),
) -> BTreeMap<i64, f32> {
    let inside = samples.iter().filter(|it| (from..until).contains(&it.start));
    inside.map(|it| (it.start, value(it) as f32)).collect()
}

/// The present points of a series, after checking that it covers the window.
fn present(series: &Series, (from, until): (i64, i64)) -> BTreeMap<i64, f32> {
    assert_eq!((series.start_s, series.end_s()), (from, until));
    series.present().collect()
}

fn near(one: &BTreeMap<i64, f32>, other: &BTreeMap<i64, f32>) -> bool {
    let close = |(one, other): (f32, f32)| (one - other).abs() <= other.abs() / 8_192.0;
    one.keys().eq(other.keys()) && one.values().copied().zip(other.values().copied()).all(close)
}

#[tokio::test(flavor = "multi_thread")]
async fn six_hundred_queries_of_two_windows_come_back_point_by_point() {
    let proxy = Proxy::start(NO_MOTO).await;
    let loaded = Place { proxy: &proxy, account: BASE_ACCOUNT, region: REGION };
    let series: Vec<Vec<Sample>> = (0..6).map(|index| load::cpu_series(index, NOW)).collect();
    for index in 0..300 {
        loaded.instance(&format!("i-{index}"), &series[index % 6]);
    }
    let end = load::aligned(NOW);
    let windows = [(end - WEEK, end), (end - DAY, end)];
    let queries: Vec<SeriesQuery> = (0..300)
        .flat_map(|index| {
            let window = windows[index % 2];
            [Statistic::Average, Statistic::Maximum].map(|statistic| {
                ask(&format!("i-{index}"), (Metric::InstanceCpu, statistic), window)
            })
        })
        .collect();
    let observe = connect(proxy.url(), own_account()).observe();
    let fetched = observe.series(&place(), &queries).await.expect("the proxy answers");
    assert_eq!((fetched.results.len(), fetched.billed_metrics), (600, 600));
    for (query, result) in queries.iter().zip(&fetched.results) {
        let index: usize = query.resource_id["i-".len()..].parse().expect("the id is a number");
        let window = (query.from_s, query.until_s);
        let value: fn(&Sample) -> f64 = match query.measure.statistic {
            Statistic::Maximum => |it| it.maximum,
            Statistic::Average | Statistic::Sum => |it| it.average,
        };
        let expected = expected(&series[index % 6], value, window);
        assert!(expected.len() > 200, "the window has points");
        assert!(near(&present(whole(result), window), &expected), "{query:?}");
    }
    let calls = proxy.counts().values().sum::<usize>();
    assert_eq!(u64::try_from(calls), Ok(fetched.calls));
    assert!(fetched.calls > 2, "two windows, and the week has further pages: {}", fetched.calls);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_joined_by_instance_over_a_resize() {
    let proxy = Proxy::start(NO_MOTO).await;
    let end = load::aligned(NOW);
    let window = (end - 10 * STEP, end);
    let linux = |kind: &str| {
        let dimensions = [("InstanceId", "i-1"), ("InstanceType", kind), ("ImageId", "ami-1")];
        MetricId::new("CWAgent", "mem_used_percent", &dimensions)
    };
    let windows = MetricId::new(
        "CWAgent",
        "Memory % Committed Bytes In Use",
        &[("InstanceId", "i-2"), ("objectname", "Memory")],
    );
    let points = |slots: std::ops::Range<i64>, value: f64| -> Vec<Point> {
        slots.map(|slot| Point::value(window.0 + slot * STEP, value)).collect()
    };
    {
        let mut cloudwatch = proxy.cloudwatch();
        cloudwatch.metrics_per_page = 1;
        cloudwatch.put(BASE_ACCOUNT, REGION, linux("m5.large"), points(0..5, 40.0));
        cloudwatch.put(BASE_ACCOUNT, REGION, linux("m5.xlarge"), points(4..9, 20.0));
        cloudwatch.put(BASE_ACCOUNT, REGION, windows, points(2..3, 55.0));
    }
    let observe = connect(proxy.url(), own_account()).observe();
    let memory = (Metric::InstanceMemory, Statistic::Maximum);
    let queries = ["i-1", "i-2", "i-3"].map(|id| ask(id, memory, window));
    let fetched = observe.series(&place(), &queries).await.expect("the proxy answers");
    let slots = |result: &Fetched| -> Vec<Option<f32>> {
        whole(result).values.iter().map(|it| Some(*it).filter(|it| !it.is_nan())).collect()
    };
    let mut joined = vec![Some(40.0); 4];
    joined.extend([Some(20.0); 5]);
    joined.push(None);
    assert_eq!(slots(&fetched.results[0]), joined);
    let mut sparse = vec![None; 10];
    sparse[2] = Some(55.0);
    assert_eq!(slots(&fetched.results[1]), sparse);
    assert_eq!(slots(&fetched.results[2]), vec![None; 10], "no agent, no memory");
    assert_eq!(fetched.billed_metrics, 3);

    observe.series(&place(), &queries).await.expect("the proxy answers");
    let lists = proxy.calls().iter().filter(|call| call.operation == "ListMetrics").count();
    assert_eq!(lists, 3, "two pages of Linux and one of Windows, once for both collections");

    proxy.fail("cloudwatch", "ListMetrics", (403, "AccessDenied"), u32::MAX);
    let observe = connect(proxy.url(), own_account()).observe();
    let cpu = ask("i-1", (Metric::InstanceCpu, Statistic::Average), window);
    let queries = [queries[0].clone(), cpu];
    let fetched = observe.series(&place(), &queries).await.expect("CPU needs no list");
    let Fetched::Failed(words) = &fetched.results[0] else { panic!("{:?}", fetched.results[0]) };
    assert!(words.contains("cloudwatch:ListMetrics"), "{words}");
    assert!(matches!(fetched.results[1], Fetched::Complete(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_result_keeps_its_status() {
    let proxy = Proxy::start(NO_MOTO).await;
    let loaded = Place { proxy: &proxy, account: BASE_ACCOUNT, region: REGION };
    let cpu = load::cpu_series(0, NOW);
    for id in ["i-1", "i-2"] {
        loaded.instance(id, &cpu);
    }
    let broken = MetricId::new("AWS/EC2", "CPUUtilization", &[("InstanceId", "i-2")]);
    proxy.cloudwatch().statuses.insert(broken.clone(), "InternalError".to_owned());
    let end = load::aligned(NOW);
    let query = |id| ask(id, (Metric::InstanceCpu, Statistic::Average), (end - DAY, end));
    let observe = connect(proxy.url(), own_account()).observe();
    let queries = [query("i-1"), query("i-2")];
    let fetched = observe.series(&place(), &queries).await.expect("the proxy answers");
    assert!(matches!(fetched.results[0], Fetched::Complete(_)));
    let Fetched::Failed(words) = &fetched.results[1] else { panic!("{:?}", fetched.results[1]) };
    assert!(words.contains("InternalError"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "how long the answer took is real time")]
async fn a_throttle_is_waited_out_and_a_refusal_is_named() {
    let proxy = Proxy::start(NO_MOTO).await;
    let loaded = Place { proxy: &proxy, account: BASE_ACCOUNT, region: REGION };
    loaded.instance("i-1", &load::cpu_series(0, NOW));
    let end = load::aligned(NOW);
    let queries = [ask("i-1", (Metric::InstanceCpu, Statistic::Average), (end - DAY, end))];
    let observe = connect(proxy.url(), own_account()).observe();
    proxy.fail("cloudwatch", "GetMetricData", (400, "Throttling"), 2);
    let started = Instant::now();
    let fetched = observe.series(&place(), &queries).await.expect("the third attempt is answered");
    assert!(matches!(fetched.results[0], Fetched::Complete(_)));
    assert_eq!(proxy.calls().len(), 3, "waited {:?}", started.elapsed());

    proxy.fail("cloudwatch", "GetMetricData", (400, "Throttling"), u32::MAX);
    let failure = observe.series(&place(), &queries).await.expect_err("no attempt is answered");
    assert_eq!(failure.kind, FailureKind::Throttled, "{failure}");
    proxy.clear_faults();
    proxy.fail("cloudwatch", "GetMetricData", (403, "AccessDenied"), u32::MAX);
    let failure = observe.series(&place(), &queries).await.expect_err("it is refused");
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.to_string().contains("cloudwatch:GetMetricData"), "{failure}");
}
