//! CloudWatch, held in memory: metrics by account and region, and the alarms that a test sets.
//!
//! It speaks the Smithy RPC v2 CBOR protocol, which `aws-sdk-cloudwatch` speaks and moto does not. Points are kept as
//! CloudWatch keeps them, as statistic sets, so that any period and statistic follows from them. Not here: percentiles
//! (they need raw values), metric math, units; a query for them is refused, never guessed.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::Encoder;
use minicbor::data::IanaTag;

use super::answer::Answer;
use super::call::Call;
use super::cbor::Value;

mod query;

use query::{Order, Query, Window};

/// Most queries in one GetMetricData call.
const QUERIES_MAX: usize = 500;
/// Most points in one page of GetMetricData.
const POINTS_MAX: usize = 100_800;
/// Most metrics in one page of ListMetrics.
const METRICS_MAX: usize = 500;
/// Most alarms in one page of DescribeAlarms.
const ALARMS_MAX: usize = 100;

/// A metric: namespace, name and dimensions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MetricId {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: BTreeMap<String, String>,
}

impl MetricId {
    pub(crate) fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        let dimensions = dimensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions }
    }
}

/// What CloudWatch keeps of one interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    /// Start of the interval, seconds since 1970.
    pub(crate) start: i64,
    pub(crate) minimum: f64,
    pub(crate) maximum: f64,
    pub(crate) sum: f64,
    /// Number of values the interval holds.
    pub(crate) count: f64,
}

impl Point {
    /// An interval that saw one value.
    pub(crate) fn value(start: i64, value: f64) -> Self {
        Self { start, minimum: value, maximum: value, sum: value, count: 1.0 }
    }

    /// An interval of `count` values with this average and maximum; its minimum is as far below as the maximum above.
    pub(crate) fn spread(start: i64, average: f64, maximum: f64, count: f64) -> Self {
        Self {
            start,
            minimum: (2.0 * average - maximum).max(0.0),
            maximum,
            sum: average * count,
            count,
        }
    }
}

/// An alarm that a test sets. Its other members are what DescribeAlarms tells of a plain threshold alarm.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub(crate) state: String,
    pub(crate) metric: MetricId,
    /// ARNs of what the alarm does.
    pub(crate) actions: Vec<String>,
    pub(crate) threshold: f64,
}

/// Metrics and alarms of all accounts and regions.
#[derive(Debug)]
pub(crate) struct CloudWatch {
    scopes: BTreeMap<(String, String), Scope>,
    /// Results with a status of their own, as when CloudWatch fails inside: `InternalError`, `Forbidden`.
    pub(crate) statuses: BTreeMap<MetricId, String>,
    /// Points in one page; smaller than AWS's number in tests of paging.
    pub(crate) points_per_page: usize,
    /// Metrics in one page of ListMetrics.
    pub(crate) metrics_per_page: usize,
    /// The time by which old points lose their fine periods; without it nothing ages.
    pub(crate) now: Option<i64>,
}

#[derive(Debug, Default)]
struct Scope {
    metrics: BTreeMap<MetricId, Vec<Point>>,
    alarms: Vec<Alarm>,
}

impl Default for CloudWatch {
    fn default() -> Self {
        Self {
            scopes: BTreeMap::new(),
            statuses: BTreeMap::new(),
            points_per_page: POINTS_MAX,
            metrics_per_page: METRICS_MAX,
            now: None,
        }
    }
}

/// An error's code and message.
type Refusal = (&'static str, String);

/// What an operation answers.
type Reply = Result<Vec<u8>, Refusal>;

fn invalid(message: impl Into<String>) -> Refusal {
    ("ValidationError", message.into())
}

impl CloudWatch {
    /// Sets the points of a metric, sorted by time; what it had before is gone.
    pub(crate) fn put(
        &mut self,
        account: &str,
        region: &str,
        metric: MetricId,
        mut points: Vec<Point>,
    ) {
        points.sort_by_key(|point| point.start);
        self.scope(account, region).metrics.insert(metric, points);
    }

    /// Forgets a metric, as when its agent was never installed. Whether there was one.
    pub(crate) fn remove(&mut self, account: &str, region: &str, metric: &MetricId) -> bool {
        self.scope(account, region).metrics.remove(metric).is_some()
    }

    /// Sets an alarm; one of the same name is replaced.
    pub(crate) fn set_alarm(&mut self, account: &str, region: &str, alarm: Alarm) {
        let alarms = &mut self.scope(account, region).alarms;
        alarms.retain(|other| other.name != alarm.name);
        alarms.push(alarm);
    }

    fn scope(&mut self, account: &str, region: &str) -> &mut Scope {
        self.scopes.entry((account.to_owned(), region.to_owned())).or_default()
    }

    /// Answers one call.
    pub(crate) fn answer(&mut self, call: &Call, body: &[u8]) -> Answer {
        let reply = match Value::from_bytes(body) {
            Err(error) => Err(("SerializationException", format!("the body is not CBOR: {error}"))),
            Ok(input) => match call.operation.as_str() {
                "GetMetricData" => self.get_metric_data(call, &input),
                "ListMetrics" => self.list_metrics(call, &input),
                "DescribeAlarms" => self.describe_alarms(call, &input),
                "PutMetricData" => self.put_metric_data(call, &input),
                other => {
                    Err(("UnknownOperationException", format!("`{other}` is not played here")))
                }
            },
        };
        match reply {
            Ok(body) => Answer::cbor(body),
            Err((code, message)) => Answer::error(call, 400, code, &message),
        }
    }

    fn get_metric_data(&self, call: &Call, input: &Value) -> Reply {
        let window = Window::read(input, self.now)?;
        let queries = input.get("MetricDataQueries").list();
        if queries.len() > QUERIES_MAX {
            let message = format!(
                "The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}."
            );
            return Err(invalid(message));
        }
        let queries = queries.iter().map(Query::read).collect::<Result<Vec<_>, _>>()?;
        let ids: BTreeSet<&str> = queries.iter().map(|query| query.id.as_str()).collect();
        if ids.len() < queries.len() {
            return Err(invalid("The ids of the queries are not unique."));
        }
        let asked = input.get("MaxDatapoints").number().map_or(POINTS_MAX, |max| max as usize);
        let page = asked.min(self.points_per_page);
        let (first, skip) = position(input.get("NextToken"))?;

        let mut results = Encoder::new(Vec::new());
        let (mut left, mut written, mut next) = (page, 0, None);
        for (at, query) in queries.iter().enumerate().skip(first) {
            let account = query.account.as_deref().unwrap_or(&call.account);
            let points = self.points_of(account, &call.region, &query.metric);
            let mut values = query.aggregate(points, &window);
            if window.order == Order::Descending {
                values.reverse();
            }
            let seen = if at == first { skip.min(values.len()) } else { 0 };
            let part = &values[seen..values.len().min(seen + left)];
            let whole = seen + part.len() == values.len();
            self.write_result(&mut results, query, part, whole);
            (left, written) = (left - part.len(), written + 1);
            if !whole || (left == 0 && at + 1 < queries.len()) {
                next = Some(if whole { (at + 1, 0) } else { (at, seen + part.len()) });
                break;
            }
        }
        Ok(page_of_results(written, &results.into_writer(), next))
    }

    fn points_of(&self, account: &str, region: &str, metric: &MetricId) -> &[Point] {
        let scope = self.scopes.get(&(account.to_owned(), region.to_owned()));
        scope.and_then(|scope| scope.metrics.get(metric)).map_or(&[], Vec::as_slice)
    }

    fn write_result(
        &self,
        to: &mut Encoder<Vec<u8>>,
        query: &Query,
        values: &[(i64, f64)],
        whole: bool,
    ) {
        let plain = if whole { "Complete" } else { "PartialData" };
        let (status, values) = match self.statuses.get(&query.metric) {
            Some(status) => (status.as_str(), &[][..]),
            None => (plain, values),
        };
        let mut write = || {
            to.map(5)?.str("Id")?.str(&query.id)?.str("Label")?.str(&query.metric.name)?;
            to.str("StatusCode")?.str(status)?;
            to.str("Timestamps")?.array(values.len() as u64)?;
            for (start, _) in values {
                to.tag(IanaTag::Timestamp)?.i64(*start)?;
            }
            to.str("Values")?.array(values.len() as u64)?;
            for (_, value) in values {
                to.f64(*value)?;
            }
            to.ok()
        };
        write().expect("writing to memory cannot fail");
    }

    fn list_metrics(&self, call: &Call, input: &Value) -> Reply {
        let fits = |metric: &&MetricId| {
            let dimension = |filter: &Value| {
                let value = filter.get("Name").text().and_then(|name| metric.dimensions.get(name));
                value.is_some_and(|value| {
                    filter.get("Value").text().is_none_or(|wanted| wanted == value)
                })
            };
            input.get("Namespace").text().is_none_or(|namespace| namespace == metric.namespace)
                && input.get("MetricName").text().is_none_or(|name| name == metric.name)
                && input.get("Dimensions").list().iter().all(dimension)
        };
        let scope = self.scopes.get(&(call.account.clone(), call.region.clone()));
        let metrics: Vec<&MetricId> =
            scope.iter().flat_map(|scope| scope.metrics.keys()).filter(fits).collect();
        let (page, next) = page(&metrics, self.metrics_per_page, input)?;
        let page = page.iter().map(|metric| metric_members(metric)).map(Value::map).collect();
        let mut answer = vec![("Metrics", Value::List(page))];
        answer.extend(next.map(|next| ("NextToken", next)));
        Ok(Value::map(answer).to_bytes())
    }

    fn describe_alarms(&self, call: &Call, input: &Value) -> Reply {
        let names: BTreeSet<&str> =
            input.get("AlarmNames").list().iter().filter_map(Value::text).collect();
        let fits = |alarm: &&Alarm| {
            (names.is_empty() || names.contains(alarm.name.as_str()))
                && input
                    .get("AlarmNamePrefix")
                    .text()
                    .is_none_or(|prefix| alarm.name.starts_with(prefix))
                && input.get("StateValue").text().is_none_or(|state| state == alarm.state)
        };
        let scope = self.scopes.get(&(call.account.clone(), call.region.clone()));
        let alarms: Vec<&Alarm> =
            scope.iter().flat_map(|scope| &scope.alarms).filter(fits).collect();
        let size = input.get("MaxRecords").number().map_or(ALARMS_MAX, |max| max as usize);
        let (page, next) = page(&alarms, size.min(ALARMS_MAX), input)?;
        let page = page.iter().map(|alarm| alarm_value(alarm, call)).collect();
        let mut answer =
            vec![("MetricAlarms", Value::List(page)), ("CompositeAlarms", Value::List(Vec::new()))];
        answer.extend(next.map(|next| ("NextToken", next)));
        Ok(Value::map(answer).to_bytes())
    }

    fn put_metric_data(&mut self, call: &Call, input: &Value) -> Reply {
        let namespace =
            input.get("Namespace").text().ok_or_else(|| invalid("Namespace is missing."))?;
        for datum in input.get("MetricData").list() {
            let metric = query::metric_id(namespace, datum)?;
            let start =
                datum.get("Timestamp").number().ok_or_else(|| invalid("Timestamp is missing."))?
                    as i64;
            let value = datum
                .get("Value")
                .number()
                .ok_or_else(|| invalid("only single values are played here"))?;
            let points = self.scope(&call.account, &call.region).metrics.entry(metric).or_default();
            let at = points.partition_point(|point| point.start <= start);
            points.insert(at, Point::value(start, value));
        }
        Ok(Value::map([]).to_bytes())
    }
}

/// Where a page begins: which query, and how many of its points were already sent.
fn position(token: &Value) -> Result<(usize, usize), Refusal> {
    let Some(token) = token.text() else {
        return Ok((0, 0));
    };
    token
        .split_once('.')
        .and_then(|(query, skip)| Some((query.parse().ok()?, skip.parse().ok()?)))
        .ok_or_else(|| ("InvalidNextToken", format!("`{token}` is no token of GetMetricData")))
}

fn page_of_results(count: u64, results: &[u8], next: Option<(usize, usize)>) -> Vec<u8> {
    let mut body = Encoder::new(Vec::with_capacity(results.len() + 64));
    let mut head = || {
        body.map(if next.is_some() { 2 } else { 1 })?;
        if let Some((query, skip)) = next {
            body.str("NextToken")?.str(&format!("{query}.{skip}"))?;
        }
        body.str("MetricDataResults")?.array(count)?.ok()
    };
    head().expect("writing to memory cannot fail");
    let mut body = body.into_writer();
    body.extend_from_slice(results);
    body
}

/// One page of `all`, and the token of the next one.
fn page<'a, T>(
    all: &'a [T],
    size: usize,
    input: &Value,
) -> Result<(&'a [T], Option<Value>), Refusal> {
    let start = match input.get("NextToken").text() {
        None => 0,
        Some(token) => {
            token.parse().map_err(|_| ("InvalidNextToken", format!("`{token}` is no token")))?
        }
    };
    let end = all.len().min(start + size);
    let next = (end < all.len()).then(|| Value::Text(end.to_string()));
    Ok((&all[start.min(end)..end], next))
}

fn metric_members(metric: &MetricId) -> Vec<(&'static str, Value)> {
    let dimension = |(name, value): (&String, &String)| {
        Value::map([("Name", Value::text_of(name)), ("Value", Value::text_of(value))])
    };
    vec![
        ("Namespace", Value::text_of(&metric.namespace)),
        ("MetricName", Value::text_of(&metric.name)),
        ("Dimensions", Value::List(metric.dimensions.iter().map(dimension).collect())),
    ]
}

fn alarm_value(alarm: &Alarm, call: &Call) -> Value {
    let arn = format!("arn:aws:cloudwatch:{}:{}:alarm:{}", call.region, call.account, alarm.name);
    let actions = alarm.actions.iter().map(|action| Value::text_of(action)).collect();
    let mut members = metric_members(&alarm.metric);
    members.extend([
        ("AlarmName", Value::text_of(&alarm.name)),
        ("AlarmArn", Value::Text(arn)),
        ("StateValue", Value::text_of(&alarm.state)),
        ("ActionsEnabled", Value::Bool(true)),
        ("AlarmActions", Value::List(actions)),
        ("Statistic", Value::text_of("Average")),
        ("Period", Value::Integer(300)),
        ("EvaluationPeriods", Value::Integer(3)),
        ("Threshold", Value::Number(alarm.threshold)),
        ("ComparisonOperator", Value::text_of("GreaterThanThreshold")),
        ("TreatMissingData", Value::text_of("missing")),
    ]);
    Value::map(members)
}
