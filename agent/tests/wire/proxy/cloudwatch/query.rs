//! One query of GetMetricData: what it asks, and the values that follow from stored points.

use super::{MetricId, Point, Refusal, Value, invalid};

/// Points keep a period below 5 minutes for 15 days and one below an hour for 63.
const FINE_SECONDS: i64 = 15 * 86_400;
const MEDIUM_SECONDS: i64 = 63 * 86_400;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Statistic {
    Average,
    Maximum,
    Minimum,
    Sum,
    SampleCount,
}

/// The time a call asks for: from `start` inclusive to `end` exclusive.
#[derive(Debug)]
pub(crate) struct Window {
    start: i64,
    end: i64,
    pub(crate) order: Order,
    now: Option<i64>,
}

impl Window {
    /// Reads the window; the start of an old one is rounded down to what is kept of that age.
    pub(crate) fn read(input: &Value, now: Option<i64>) -> Result<Self, Refusal> {
        let time =
            |name| input.get(name).number().ok_or_else(|| invalid(format!("{name} is missing.")));
        let (start, end) = (time("StartTime")? as i64, time("EndTime")? as i64);
        if end <= start {
            return Err(invalid(
                "The parameter StartTime must be less than the parameter EndTime.",
            ));
        }
        let grain = now.map_or(60, |now| kept_period(now - start));
        let order = match input.get("ScanBy").text() {
            Some("TimestampAscending") => Order::Ascending,
            Some("TimestampDescending") | None => Order::Descending,
            Some(other) => return Err(invalid(format!("ScanBy `{other}` is unknown."))),
        };
        Ok(Self { start: start - start.rem_euclid(grain), end, order, now })
    }
}

/// The finest period that is kept of points of that age.
fn kept_period(age: i64) -> i64 {
    if age > MEDIUM_SECONDS {
        3600
    } else if age > FINE_SECONDS {
        300
    } else {
        60
    }
}

#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) id: String,
    pub(crate) metric: MetricId,
    /// The source account of a monitoring account's query.
    pub(crate) account: Option<String>,
    period: i64,
    statistic: Statistic,
}

impl Query {
    pub(crate) fn read(query: &Value) -> Result<Self, Refusal> {
        let id = query.get("Id").text().unwrap_or_default().to_owned();
        let letters = id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !id.starts_with(|first: char| first.is_ascii_lowercase()) || !letters {
            return Err(invalid(format!("The Id `{id}` does not match ^[a-z][a-zA-Z0-9_]*.")));
        }
        let stat = query.get("MetricStat");
        let metric = stat.get("Metric");
        let namespace = metric.get("Namespace").text();
        let namespace = namespace.ok_or_else(|| {
            invalid(format!("query `{id}` has no metric: math is not played here"))
        })?;
        let period = stat.get("Period").number().unwrap_or_default() as i64;
        if period < 60 || period % 60 != 0 {
            return Err(invalid(format!(
                "The period {period} of query `{id}` must be a multiple of 60."
            )));
        }
        let statistic = match stat.get("Stat").text().unwrap_or_default() {
            "Average" => Statistic::Average,
            "Maximum" => Statistic::Maximum,
            "Minimum" => Statistic::Minimum,
            "Sum" => Statistic::Sum,
            "SampleCount" => Statistic::SampleCount,
            other => {
                return Err(invalid(format!(
                    "statistic `{other}` of query `{id}` is not played here"
                )));
            }
        };
        let account = query.get("AccountId").text().map(str::to_owned);
        Ok(Self { metric: metric_id(namespace, metric)?, id, account, period, statistic })
    }

    /// The values inside the window, oldest first, one for each period that has points.
    pub(crate) fn aggregate(&self, points: &[Point], window: &Window) -> Vec<(i64, f64)> {
        let from = points.partition_point(|point| point.start < window.start);
        let to = points.partition_point(|point| point.start < window.end);
        let kept = |point: &&Point| {
            window.now.is_none_or(|now| kept_period(now - point.start) <= self.period.max(60))
        };
        let mut merged: Vec<Point> = Vec::new();
        for point in points[from..to].iter().filter(kept) {
            let start = point.start - point.start.rem_euclid(self.period);
            match merged.last_mut() {
                Some(last) if last.start == start => {
                    last.minimum = last.minimum.min(point.minimum);
                    last.maximum = last.maximum.max(point.maximum);
                    last.sum += point.sum;
                    last.count += point.count;
                }
                Some(_) | None => merged.push(Point { start, ..*point }),
            }
        }
        merged.iter().map(|point| (point.start, self.statistic.of(point))).collect()
    }
}

impl Statistic {
    fn of(self, point: &Point) -> f64 {
        match self {
            Self::Average => point.sum / point.count,
            Self::Maximum => point.maximum,
            Self::Minimum => point.minimum,
            Self::Sum => point.sum,
            Self::SampleCount => point.count,
        }
    }
}

/// Reads name and dimensions out of a metric or a datum.
pub(crate) fn metric_id(namespace: &str, metric: &Value) -> Result<MetricId, Refusal> {
    let name = metric.get("MetricName").text().ok_or_else(|| invalid("MetricName is missing."))?;
    let dimension = |dimension: &Value| {
        let text = |member| dimension.get(member).text().map(str::to_owned);
        text("Name")
            .zip(text("Value"))
            .ok_or_else(|| invalid("a dimension lacks its name or value"))
    };
    let dimensions =
        metric.get("Dimensions").list().iter().map(dimension).collect::<Result<_, _>>()?;
    Ok(MetricId { namespace: namespace.to_owned(), name: name.to_owned(), dimensions })
}
