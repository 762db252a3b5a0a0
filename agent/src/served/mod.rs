//! A simulated account in a process of its own: both ports over a Unix socket, one question a connection.
//!
//! The account outlives a daemon that is killed, as AWS does. Not here: the account itself (`simulated`).

mod client;
mod server;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    catalog::VcpuQuota,
    resource::{Kind, ResourceRef},
    series::Series,
};
use trimtab_policies::{operations::Operation, session::Session, steps::Step};

pub use client::{Remote, connect};
pub use server::{Account, run, serve};

use crate::{
    clock::SharedClock,
    ports::{Fetched, FetchedSeries, Made, Place, RunsQuery, SeriesQuery},
};

/// A question: one method of a port with its arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Ask {
    Hello,
    Discover(Place, Kind),
    Describe(Box<ResourceRef>, String),
    Series(Place, Vec<SeriesQuery>),
    InstanceStatus(Place, String),
    Protection(Place, String),
    Alarms(Box<ResourceRef>, String, Vec<String>),
    Offered(Place, String, Vec<String>),
    VcpuLimit(Place, VcpuQuota),
    Modifications(Place, String),
    Marked(Place, Made, String),
    InstanceTypes(Place),
    Caller(Place),
    Registrations(Place),
    Targets(Place, String),
    Runs(Place, RunsQuery),
    Perform(Place, Session, Operation),
    Permission(Place, Vec<Step>),
}

/// What a served account says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The account's id.
    pub account: String,
    /// Its regions.
    pub regions: Vec<String>,
    /// The time at which it began.
    pub start: Timestamp,
    /// Its time.
    pub clock: SharedClock,
}

/// Series for the wire: JSON has no NaN, so that a gap is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SentSeries {
    results: Vec<Sent>,
    billed_metrics: u64,
    calls: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Sent {
    Complete(i64, u32, Vec<Option<f32>>),
    Partial(i64, u32, Vec<Option<f32>>),
    Failed(String),
}

impl From<FetchedSeries> for SentSeries {
    fn from(fetched: FetchedSeries) -> Self {
        let slots = |series: Series| {
            let values = series.values.into_iter().map(|value| (!value.is_nan()).then_some(value));
            (series.start_s, series.step_s, values.collect())
        };
        let send = |one: Fetched| match one {
            Fetched::Complete(series) => {
                let (start_s, step_s, values) = slots(series);
                Sent::Complete(start_s, step_s, values)
            }
            Fetched::Partial(series) => {
                let (start_s, step_s, values) = slots(series);
                Sent::Partial(start_s, step_s, values)
            }
            Fetched::Failed(message) => Sent::Failed(message),
        };
        let FetchedSeries { results, billed_metrics, calls } = fetched;
        Self { results: results.into_iter().map(send).collect(), billed_metrics, calls }
    }
}

impl From<SentSeries> for FetchedSeries {
    fn from(sent: SentSeries) -> Self {
        let series = |start_s, step_s, values: Vec<Option<f32>>| Series {
            start_s,
            step_s,
            values: values.into_iter().map(|value| value.unwrap_or(f32::NAN)).collect(),
        };
        let receive = |one: Sent| match one {
            Sent::Complete(start_s, step_s, values) => {
                Fetched::Complete(series(start_s, step_s, values))
            }
            Sent::Partial(start_s, step_s, values) => {
                Fetched::Partial(series(start_s, step_s, values))
            }
            Sent::Failed(message) => Fetched::Failed(message),
        };
        let SentSeries { results, billed_metrics, calls } = sent;
        Self { results: results.into_iter().map(receive).collect(), billed_metrics, calls }
    }
}
