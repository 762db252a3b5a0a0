//! What the runs of single versions of a function came to, while an alias shares its calls between them.
//!
//! CloudWatch keeps them apart by the dimensions FunctionName, Resource (the function with its alias) and ExecutedVersion
//! (AWS Lambda Developer Guide, "Types of metrics for Lambda functions"). Not here: the series that sizes rest on
//! (`metrics`).

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{Dimension, Metric};
use jiff::Timestamp;
use trimtab_policies::facts::Runs;
use trimtab_policies::operations::{Failure, FailureKind};

use super::{Clients, error, metrics};
use crate::ports::RunsQuery;

/// The period of the metrics, seconds.
const STEP_S: u32 = 60;

/// Sums of these four a minute are read for each version.
const NAMES: [&str; 4] = ["Invocations", "Errors", "Throttles", "Duration"];

/// The runs of each version that is asked for.
pub(super) async fn runs(
    clients: &Clients,
    query: &RunsQuery,
    now: Timestamp,
) -> Result<BTreeMap<String, Runs>, Failure> {
    let metrics =
        query.versions.iter().flat_map(|version| NAMES.map(|name| metric(query, version, name)));
    let sums =
        metrics::sums(clients, metrics.collect(), (query.from_s, query.until_s, STEP_S), now);
    let sums = sums.await?;
    let incomplete = || {
        let call = "cloudwatch:GetMetricData";
        error::new(
            FailureKind::Uncertain,
            call,
            &query.function_name,
            "an answer is missing".to_owned(),
        )
    };
    let of_version = |(version, sums): (&String, &[f64])| match sums {
        [runs, errors, throttles, total_ms] => {
            let failed = errors + throttles;
            Ok((version.clone(), Runs { runs: *runs, failed, total_ms: *total_ms }))
        }
        _ => Err(incomplete()),
    };
    query.versions.iter().zip(sums.chunks(NAMES.len())).map(of_version).collect()
}

fn metric(query: &RunsQuery, version: &str, name: &str) -> Metric {
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let resource = format!("{}:{}", query.function_name, query.alias);
    Metric::builder()
        .namespace("AWS/Lambda")
        .metric_name(name)
        .dimensions(dimension("FunctionName", &query.function_name))
        .dimensions(dimension("Resource", &resource))
        .dimensions(dimension("ExecutedVersion", version))
        .build()
}
