//! Where the CloudWatch agent publishes the memory of instances.
//!
//! The agent adds dimensions of its own (image, type, group), which nobody can guess and which change at a resize: its
//! series are looked up and joined by instance. Not here: reading them (`metrics`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudwatch::types::{DimensionFilter, Metric};
use tokio::time::Instant;
use trimtab_models::metric::MetricRow;
use trimtab_policies::operations::Failure;

use super::{Clients, pages, rate};

/// How long the list is kept: one collection asks in many parts, and new series appear in it late anyway (15 minutes).
const KEPT: Duration = Duration::from_secs(300);

/// The name that the agent gives to memory in use on Windows, percent of what may be committed.
const WINDOWS_NAME: &str = "Memory % Committed Bytes In Use";

/// Series by instance.
pub(super) type ByInstance = BTreeMap<String, Vec<Metric>>;

/// The list of a place, as it was read.
#[derive(Debug)]
pub(super) struct Listed {
    at: Instant,
    metrics: Arc<ByInstance>,
}

/// The agent's series of every instance of the place. Series that have been silent for two weeks are not listed.
pub(super) async fn listed(clients: &Clients, row: &MetricRow) -> Result<Arc<ByInstance>, Failure> {
    let mut kept = clients.listed.lock().await;
    if let Some(listed) = kept.as_ref().filter(|listed| listed.at.elapsed() < KEPT) {
        return Ok(Arc::clone(&listed.metrics));
    }
    let mut metrics = ByInstance::new();
    for name in [row.name, WINDOWS_NAME] {
        for metric in fetch(clients, row, name).await? {
            let mut dimensions = metric.dimensions().iter();
            let id = dimensions.find(|it| it.name() == Some(row.dimension));
            if let Some(id) = id.and_then(|it| it.value()).map(str::to_owned) {
                metrics.entry(id).or_default().push(metric);
            }
        }
    }
    let metrics = Arc::new(metrics);
    *kept = Some(Listed { at: Instant::now(), metrics: Arc::clone(&metrics) });
    Ok(metrics)
}

async fn fetch(clients: &Clients, row: &MetricRow, name: &str) -> Result<Vec<Metric>, Failure> {
    let api = &rate::LIST_METRICS;
    let by_instance = DimensionFilter::builder().name(row.dimension).build();
    let fetch = async |token: Option<String>| {
        let call = clients.cloudwatch.list_metrics();
        let call = call.namespace(row.namespace).metric_name(name).dimensions(by_instance.clone());
        let call = call.set_next_token(token);
        let page =
            clients.call(api, &clients.target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.metrics.unwrap_or_default(), page.next_token))
    };
    pages((api, &clients.target), fetch).await
}
