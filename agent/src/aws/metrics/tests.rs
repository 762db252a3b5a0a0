//! Queries, names and alignment of metrics, each case by itself. Not here: an answer from the wire (`tests/wire`).

use trimtab_models::metric::{Measure, Metric as Kinds, Statistic};
use trimtab_models::resource::Kind;

use super::*;

fn query(from_s: i64, until_s: i64) -> SeriesQuery {
    SeriesQuery {
        kind: Kind::Instance,
        resource_id: "i-1".to_owned(),
        measure: Measure { metric: Kinds::InstanceMemory, statistic: Statistic::Maximum },
        step_s: 300,
        from_s,
        until_s,
    }
}

fn answer(status: Status, points: &[(i64, f64)]) -> Answer {
    Answer { status, points: points.to_vec() }
}

fn values(fetched: &Fetched) -> Vec<Option<f32>> {
    let (Fetched::Complete(series) | Fetched::Partial(series)) = fetched else {
        panic!("{fetched:?} has no series");
    };
    series.values.iter().map(|value| Some(*value).filter(|it| !it.is_nan())).collect()
}

#[test]
fn gaps_stay_gaps_and_strays_are_left_out() {
    let points = [
        (0, 9.0),
        (600, 1.0),
        (900, f64::NAN),
        (1_200, f64::INFINITY),
        (1_300, 5.0),
        (1_500, 2.0),
        (1_800, 7.0),
    ];
    let got = fetched(&query(600, 1_800), vec![answer(Status::Complete, &points)]);
    assert!(matches!(got, Fetched::Complete(_)));
    assert_eq!(values(&got), [Some(1.0), None, None, Some(2.0)]);
}

#[test]
fn series_of_one_instance_are_merged_and_the_newest_wins() {
    let old = answer(Status::Complete, &[(0, 1.0), (300, 1.0), (600, 1.0)]);
    let new = answer(Status::Complete, &[(600, 2.0), (900, 2.0)]);
    let expect = [Some(1.0), Some(1.0), Some(2.0), Some(2.0)];
    for answers in [vec![old.clone(), new.clone()], vec![new, old]] {
        assert_eq!(values(&fetched(&query(0, 1_200), answers)), expect);
    }
}

#[test]
fn a_series_that_nobody_publishes_is_all_gaps() {
    let got = fetched(&query(0, 600), Vec::new());
    assert_eq!(values(&got), [None, None]);
}

#[test]
fn status_is_kept() {
    let failed = || answer(Status::Failed("CloudWatch answered InternalError: ".to_owned()), &[]);
    let partial = answer(Status::Partial, &[(0, 1.0)]);
    let complete = answer(Status::Complete, &[(0, 1.0)]);
    let got = |answers| fetched(&query(0, 300), answers);
    assert!(
        matches!(got(vec![failed()]), Fetched::Failed(words) if words.contains("InternalError"))
    );
    assert!(matches!(got(vec![answer(Status::Unanswered, &[])]), Fetched::Failed(_)));
    assert!(matches!(got(vec![partial]), Fetched::Partial(_)));
    // The failed part is lost, so the whole cannot be called complete.
    assert!(matches!(got(vec![complete.clone(), failed()]), Fetched::Partial(_)));
    assert!(matches!(got(vec![complete]), Fetched::Complete(_)));
}

#[test]
fn batches_hold_one_window_and_five_hundred_queries() {
    let queries: Vec<_> =
        (0..1_203).map(|n| query(0, if n % 2 == 0 { 600 } else { 900 })).collect();
    let ask =
        |query| Ask { query, metric: Metric::builder().build(), statistic: "Maximum", step_s: 300 };
    let batches = batches(&queries, (0..queries.len()).map(ask).collect());
    let sizes: Vec<_> = batches.iter().map(|it| (it.until_s, it.asks.len())).collect();
    assert_eq!(sizes, [(600, 500), (600, 102), (900, 500), (900, 101)]);
    let mut seen: Vec<_> = batches.iter().flat_map(|it| &it.asks).map(|it| it.query).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..queries.len()).collect::<Vec<_>>());
}

#[test]
fn the_last_page_decides_the_status() {
    let result = |status: &str, at: i64| {
        MetricDataResult::builder()
            .id("q0")
            .status_code(status.into())
            .timestamps(DateTime::from_secs(at))
            .values(1.0)
            .build()
    };
    let mut answers = vec![answer(Status::Unanswered, &[])];
    take(&mut answers, &result("PartialData", 0));
    assert_eq!(answers[0].status, Status::Partial);
    take(&mut answers, &result("Complete", 300));
    assert_eq!(answers[0], answer(Status::Complete, &[(0, 1.0), (300, 1.0)]));
}
