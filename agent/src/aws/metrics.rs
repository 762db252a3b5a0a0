//! CloudWatch's series: many queries a call, page by page, laid on the grid with every gap kept.
//!
//! Not here: which metrics are read (`models::metric`) and when (`observe`).

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, Metric, MetricDataQuery, MetricDataResult, MetricStat, ScanBy,
};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use trimtab_models::metric::MetricRow;
use trimtab_models::series::Series;
use trimtab_policies::operations::{Failure, FailureKind};

use super::{Clients, error, memory, rate};
use crate::ports::{Fetched, FetchedSeries, SeriesQuery};

/// Queries in one GetMetricData call (its fixed limit).
const QUERIES_MAX: usize = 500;

/// Points on one page of GetMetricData (its fixed limit, and its default).
const PAGE_POINTS_MAX: i32 = 100_800;

/// Calls side by side; the budgets of calls and points pace them.
const SIDE_BY_SIDE: usize = 4;

/// Windows that begin within this time have the smaller quota of points (see `rate::RECENT_POINTS`).
const RECENT_S: i64 = 3 * 3_600;

/// One series of CloudWatch's that is asked for; several of them may make up one query.
#[derive(Debug)]
struct Ask {
    /// The query that it belongs to, by position.
    query: usize,
    metric: Metric,
    statistic: &'static str,
    step_s: u32,
}

/// Asks of the same window: what one call can carry.
#[derive(Debug)]
struct Batch {
    from_s: i64,
    until_s: i64,
    asks: Vec<Ask>,
}

/// What CloudWatch has said about an ask so far.
#[derive(Debug, Clone, PartialEq)]
enum Status {
    Unanswered,
    Complete,
    Partial,
    Failed(String),
}

/// An ask's points, by time in seconds since the epoch, and how complete they are.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    status: Status,
    points: Vec<(i64, f64)>,
}

/// What came of a batch.
#[derive(Debug)]
struct Batched {
    answers: Vec<(usize, Answer)>,
    calls: u64,
    failure: Option<Failure>,
}

/// Fetches all queries; each has its own result, and only when no call was answered the whole fails.
pub(super) async fn series(
    clients: &Clients,
    queries: &[SeriesQuery],
    now: Timestamp,
) -> Result<FetchedSeries, Failure> {
    let (asks, unlisted) = asks(clients, queries).await;
    let batches = batches(queries, asks);
    let billed = batches.iter().map(|batch| batch.asks.len()).sum::<usize>();
    let batched = batches.into_iter().map(|batch| fetch(clients, batch, now));
    let batched: Vec<Batched> = stream::iter(batched).buffered(SIDE_BY_SIDE).collect().await;
    let calls = batched.iter().map(|it| it.calls).sum();
    let mut failures = batched.iter().filter_map(|it| it.failure.as_ref());
    let answered = batched.iter().any(|it| it.failure.is_none());
    let some_points =
        batched.iter().flat_map(|it| &it.answers).any(|(_, it)| !it.points.is_empty());
    if let (Some(failure), false, false) = (failures.next(), answered, some_points) {
        return Err(failure.clone());
    }
    let mut by_query: BTreeMap<usize, Vec<Answer>> = BTreeMap::new();
    for (query, answer) in batched.into_iter().flat_map(|it| it.answers) {
        by_query.entry(query).or_default().push(answer);
    }
    let results = queries.iter().enumerate().map(|(index, query)| {
        let row = query.measure.metric.row();
        match unlisted.as_ref().filter(|_| row.listed) {
            Some(failure) => Fetched::Failed(failure.to_string()),
            None => fetched(query, by_query.remove(&index).unwrap_or_default()),
        }
    });
    Ok(FetchedSeries {
        results: results.collect(),
        billed_metrics: u64::try_from(billed).unwrap_or(u64::MAX),
        calls,
    })
}

/// The sum of each metric over a window, in the order given; without a point it is 0.
///
/// # Errors
/// When any of them was not answered whole: what is missing must not be taken for 0.
pub(super) async fn sums(
    clients: &Clients,
    metrics: Vec<Metric>,
    (from_s, until_s, step_s): (i64, i64, u32),
    now: Timestamp,
) -> Result<Vec<f64>, Failure> {
    let asks = metrics.into_iter().enumerate();
    let asks =
        asks.map(|(query, metric)| Ask { query, metric, statistic: "Sum", step_s }).collect();
    let Batched { answers, failure, .. } =
        fetch(clients, Batch { from_s, until_s, asks }, now).await;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let sum = |(_, answer): (usize, Answer)| match answer.status {
        Status::Complete => Ok(answer.points.iter().map(|(_, value)| value).sum()),
        Status::Unanswered | Status::Partial | Status::Failed(_) => {
            let words = answer.failure().unwrap_or("CloudWatch answered in part").to_owned();
            let call = rate::GET_METRIC_DATA.call;
            Err(error::new(FailureKind::Uncertain, call, &clients.target, words))
        }
    };
    answers.into_iter().map(sum).collect()
}

/// What to ask CloudWatch for, and the failure to list an agent's series, if that was needed and failed.
async fn asks(clients: &Clients, queries: &[SeriesQuery]) -> (Vec<Ask>, Option<Failure>) {
    let listed_row = queries.iter().map(|query| query.measure.metric.row()).find(|row| row.listed);
    let listed = match listed_row {
        Some(row) => memory::listed(clients, row).await.map(Some),
        None => Ok(None),
    };
    let (listed, failure) = match listed {
        Ok(listed) => (listed, None),
        Err(failure) => (None, Some(failure)),
    };
    let mut asks = Vec::new();
    for (index, query) in queries.iter().enumerate() {
        let row = query.measure.metric.row();
        let metrics = if row.listed {
            let of_instance = listed.as_ref().and_then(|listed| listed.get(&query.resource_id));
            of_instance.cloned().unwrap_or_default()
        } else {
            vec![metric(row, &query.resource_id)]
        };
        asks.extend(metrics.into_iter().map(|metric| Ask {
            query: index,
            metric,
            statistic: query.measure.statistic.as_str(),
            step_s: query.step_s,
        }));
    }
    (asks, failure)
}

fn metric(row: &MetricRow, id: &str) -> Metric {
    let dimension = Dimension::builder().name(row.dimension).value(id).build();
    Metric::builder().namespace(row.namespace).metric_name(row.name).dimensions(dimension).build()
}

/// Sorts asks by window and cuts them into calls.
fn batches(queries: &[SeriesQuery], asks: Vec<Ask>) -> Vec<Batch> {
    let mut windows: BTreeMap<(i64, i64), Vec<Ask>> = BTreeMap::new();
    for ask in asks {
        let query = &queries[ask.query];
        windows.entry((query.from_s, query.until_s)).or_default().push(ask);
    }
    let mut batches = Vec::new();
    for ((from_s, until_s), mut asks) in windows {
        while !asks.is_empty() {
            let rest = asks.split_off(asks.len().min(QUERIES_MAX));
            let asks = std::mem::replace(&mut asks, rest);
            batches.push(Batch { from_s, until_s, asks });
        }
    }
    batches
}

/// Asks for one batch, page after page. A call that fails leaves what earlier pages gave.
async fn fetch(clients: &Clients, batch: Batch, now: Timestamp) -> Batched {
    let unanswered = Answer { status: Status::Unanswered, points: Vec::new() };
    let mut answers = vec![unanswered; batch.asks.len()];
    let (mut token, mut calls, mut failure) = (None, 0, None);
    let mut points = batch.points();
    loop {
        let page_points = points.clamp(1.0, f64::from(PAGE_POINTS_MAX));
        points -= page_points;
        clients.pacer.take(batch.budget(now), page_points).await;
        calls += 1;
        match page(clients, &batch, token.clone()).await {
            Ok((results, next)) => {
                results.iter().for_each(|result| take(&mut answers, result));
                if next.is_none() || next == token {
                    break;
                }
                token = next;
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    if let Some(failure) = &failure {
        answers.iter_mut().for_each(|answer| answer.cut_short(failure));
    }
    let queries = batch.asks.iter().map(|ask| ask.query);
    Batched { answers: queries.zip(answers).collect(), calls, failure }
}

async fn page(
    clients: &Clients,
    batch: &Batch,
    token: Option<String>,
) -> Result<(Vec<MetricDataResult>, Option<String>), Failure> {
    let queries = batch.asks.iter().enumerate().map(|(index, ask)| ask.query(index));
    let call = clients.cloudwatch.get_metric_data();
    let call = call.set_metric_data_queries(Some(queries.collect()));
    let call = call.start_time(DateTime::from_secs(batch.from_s));
    let call = call.end_time(DateTime::from_secs(batch.until_s));
    let call = call.scan_by(ScanBy::TimestampAscending).max_datapoints(PAGE_POINTS_MAX);
    let call = call.set_next_token(token);
    let api = &rate::GET_METRIC_DATA;
    let page =
        clients.call(api, &clients.target, |watch| call.customize().interceptor(watch).send());
    let page = page.await?;
    let next = page.next_token.filter(|token| !token.is_empty());
    Ok((page.metric_data_results.unwrap_or_default(), next))
}

impl Ask {
    fn query(&self, index: usize) -> MetricDataQuery {
        let period = i32::try_from(self.step_s).unwrap_or(i32::MAX);
        let statistic = MetricStat::builder()
            .metric(self.metric.clone())
            .period(period)
            .stat(self.statistic)
            .build();
        MetricDataQuery::builder().id(format!("q{index}")).metric_stat(statistic).build()
    }
}

impl Batch {
    /// The points that CloudWatch counts against the quota: what the windows could hold.
    fn points(&self) -> f64 {
        let span = (self.until_s - self.from_s) as f64;
        self.asks.iter().map(|ask| span / f64::from(ask.step_s.max(1))).sum()
    }

    fn budget(&self, now: Timestamp) -> &'static rate::Api {
        if now.as_second() - self.from_s <= RECENT_S {
            &rate::RECENT_POINTS
        } else {
            &rate::OLDER_POINTS
        }
    }
}

/// Adds a page's result to the answers. The status of the last page counts: until then every result is partial.
fn take(answers: &mut [Answer], result: &MetricDataResult) {
    let index = result.id().and_then(|id| id.strip_prefix('q')?.parse::<usize>().ok());
    let Some(answer) = index.and_then(|index| answers.get_mut(index)) else {
        return;
    };
    let times = result.timestamps().iter().map(DateTime::secs);
    answer.points.extend(times.zip(result.values().iter().copied()));
    answer.status = match result.status_code().map(|status| status.as_str()) {
        Some("Complete") => Status::Complete,
        Some("PartialData") => Status::Partial,
        other => Status::Failed(refusal(other.unwrap_or("no status"), result)),
    };
}

fn refusal(status: &str, result: &MetricDataResult) -> String {
    let messages = result.messages().iter();
    let words: Vec<_> = messages.filter_map(|message| message.value()).collect();
    format!("CloudWatch answered {status}: {}", words.join(", "))
}

impl Answer {
    /// What is left of an answer when a later page could not be read.
    fn cut_short(&mut self, failure: &Failure) {
        let open = matches!(self.status, Status::Unanswered | Status::Partial);
        if open && self.points.is_empty() {
            self.status = Status::Failed(failure.to_string());
        }
    }
}

/// Lays the answers of a query on its grid.
///
/// Several series of one instance are merged: they break where the agent's own dimensions change, so in each slot the
/// series with the newest point wins where it has one.
fn fetched(query: &SeriesQuery, mut answers: Vec<Answer>) -> Fetched {
    let complete = answers.iter().all(|answer| answer.status == Status::Complete);
    let mut failed = answers.iter().filter_map(Answer::failure);
    if let Some(first) = failed.next() {
        let first = first.to_owned();
        answers.retain(|answer| answer.failure().is_none() || !answer.points.is_empty());
        if answers.is_empty() {
            return Fetched::Failed(first);
        }
    }
    answers.sort_by_key(|answer| answer.points.iter().map(|(at, _)| *at).max());
    let mut series = empty(query);
    for (at, value) in answers.iter().flat_map(|answer| &answer.points) {
        let value = *value as f32;
        if let Some(slot) = slot(query, *at).filter(|_| value.is_finite()) {
            series.values[slot] = value;
        }
    }
    if complete { Fetched::Complete(series) } else { Fetched::Partial(series) }
}

impl Answer {
    fn failure(&self) -> Option<&str> {
        match &self.status {
            Status::Failed(words) => Some(words),
            Status::Unanswered => Some("CloudWatch did not answer this query"),
            Status::Complete | Status::Partial => None,
        }
    }
}

fn empty(query: &SeriesQuery) -> Series {
    let slots = (query.until_s - query.from_s) / i64::from(query.step_s.max(1));
    let slots = usize::try_from(slots).unwrap_or(0);
    Series { start_s: query.from_s, step_s: query.step_s, values: vec![f32::NAN; slots] }
}

/// The slot of a time; `None` off the grid or outside the window.
fn slot(query: &SeriesQuery, at: i64) -> Option<usize> {
    let (offset, step) = (at - query.from_s, i64::from(query.step_s.max(1)));
    let on_grid = at < query.until_s && offset % step == 0;
    on_grid.then(|| usize::try_from(offset / step).ok())?
}

#[cfg(test)]
mod tests;
