//! The one table of metrics that are read: from which namespace, under which dimension, with which statistics.
//!
//! Not here: how they are fetched (`trimtab`) and what is concluded from them (`sizing`).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::Kind;

/// A statistic of a CloudWatch metric over one period.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// The mean of the samples in the period.
    Average,
    /// The largest sample.
    Maximum,
    /// The sum of the samples: counters.
    Sum,
}

impl Statistic {
    /// The name that CloudWatch gives it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Average => "Average",
            Self::Maximum => "Maximum",
            Self::Sum => "Sum",
        }
    }
}

/// A metric in Trimtab's terms.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// CPU in use, percent of the instance's own vCPUs.
    InstanceCpu,
    /// Memory in use, percent, from the CloudWatch agent.
    InstanceMemory,
    /// Bytes received in the period.
    InstanceNetworkIn,
    /// Bytes sent in the period.
    InstanceNetworkOut,
    /// Bytes read from all volumes in the period (Nitro instances).
    InstanceEbsReadBytes,
    /// Bytes written to all volumes in the period (Nitro instances).
    InstanceEbsWriteBytes,
    /// Reads from all volumes in the period (Nitro instances).
    InstanceEbsReadOps,
    /// Writes to all volumes in the period (Nitro instances).
    InstanceEbsWriteOps,
    /// Reads in the period.
    VolumeReadOps,
    /// Writes in the period.
    VolumeWriteOps,
    /// Bytes read in the period.
    VolumeReadBytes,
    /// Bytes written in the period.
    VolumeWriteBytes,
    /// Invocations in the period.
    FunctionInvocations,
    /// Failed invocations in the period.
    FunctionErrors,
    /// Throttled invocations in the period.
    FunctionThrottles,
    /// Duration of an invocation, milliseconds.
    FunctionDuration,
    /// Memory used, MB, from Lambda Insights.
    FunctionMemory,
    /// CPU of the group's members, percent.
    GroupCpu,
    /// Members in service.
    GroupInService,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricRow {
    /// The metric.
    pub metric: Metric,
    /// The kind of resource that has it.
    pub kind: Kind,
    /// CloudWatch's namespace.
    pub namespace: &'static str,
    /// CloudWatch's name of the metric.
    pub name: &'static str,
    /// The dimension that holds the resource's id.
    pub dimension: &'static str,
    /// The statistics that are read.
    pub statistics: &'static [Statistic],
    /// Whether the series must be looked up by `ListMetrics` first, because an agent publishes it under further dimensions.
    pub listed: bool,
}

use Statistic::{Average, Maximum, Sum};

const fn row(
    metric: Metric,
    kind: Kind,
    names: [&'static str; 3],
    statistics: &'static [Statistic],
    listed: bool,
) -> MetricRow {
    let [namespace, name, dimension] = names;
    MetricRow { metric, kind, namespace, name, dimension, statistics, listed }
}

/// Every metric that is read, with its statistics: CPU as average *and* maximum, counters as sums.
///
/// Names from the CloudWatch metric references of EC2, EBS, Lambda and Auto Scaling; the memory metrics are those of
/// the CloudWatch agent (Linux) and of Lambda Insights.
pub const TABLE: [MetricRow; 19] = [
    row(
        Metric::InstanceCpu,
        Kind::Instance,
        ["AWS/EC2", "CPUUtilization", "InstanceId"],
        &[Average, Maximum],
        false,
    ),
    row(
        Metric::InstanceMemory,
        Kind::Instance,
        ["CWAgent", "mem_used_percent", "InstanceId"],
        &[Maximum],
        true,
    ),
    row(
        Metric::InstanceNetworkIn,
        Kind::Instance,
        ["AWS/EC2", "NetworkIn", "InstanceId"],
        &[Sum],
        false,
    ),
    row(
        Metric::InstanceNetworkOut,
        Kind::Instance,
        ["AWS/EC2", "NetworkOut", "InstanceId"],
        &[Sum],
        false,
    ),
    row(
        Metric::InstanceEbsReadBytes,
        Kind::Instance,
        ["AWS/EC2", "EBSReadBytes", "InstanceId"],
        &[Sum],
        false,
    ),
    row(
        Metric::InstanceEbsWriteBytes,
        Kind::Instance,
        ["AWS/EC2", "EBSWriteBytes", "InstanceId"],
        &[Sum],
        false,
    ),
    row(
        Metric::InstanceEbsReadOps,
        Kind::Instance,
        ["AWS/EC2", "EBSReadOps", "InstanceId"],
        &[Sum],
        false,
    ),
    row(
        Metric::InstanceEbsWriteOps,
        Kind::Instance,
        ["AWS/EC2", "EBSWriteOps", "InstanceId"],
        &[Sum],
        false,
    ),
    row(
        Metric::VolumeReadOps,
        Kind::Volume,
        ["AWS/EBS", "VolumeReadOps", "VolumeId"],
        &[Sum],
        false,
    ),
    row(
        Metric::VolumeWriteOps,
        Kind::Volume,
        ["AWS/EBS", "VolumeWriteOps", "VolumeId"],
        &[Sum],
        false,
    ),
    row(
        Metric::VolumeReadBytes,
        Kind::Volume,
        ["AWS/EBS", "VolumeReadBytes", "VolumeId"],
        &[Sum],
        false,
    ),
    row(
        Metric::VolumeWriteBytes,
        Kind::Volume,
        ["AWS/EBS", "VolumeWriteBytes", "VolumeId"],
        &[Sum],
        false,
    ),
    row(
        Metric::FunctionInvocations,
        Kind::Function,
        ["AWS/Lambda", "Invocations", "FunctionName"],
        &[Sum],
        false,
    ),
    row(
        Metric::FunctionErrors,
        Kind::Function,
        ["AWS/Lambda", "Errors", "FunctionName"],
        &[Sum],
        false,
    ),
    row(
        Metric::FunctionThrottles,
        Kind::Function,
        ["AWS/Lambda", "Throttles", "FunctionName"],
        &[Sum],
        false,
    ),
    row(
        Metric::FunctionDuration,
        Kind::Function,
        ["AWS/Lambda", "Duration", "FunctionName"],
        &[Average, Maximum],
        false,
    ),
    row(
        Metric::FunctionMemory,
        Kind::Function,
        ["LambdaInsights", "used_memory_max", "function_name"],
        &[Maximum],
        false,
    ),
    row(
        Metric::GroupCpu,
        Kind::Group,
        ["AWS/EC2", "CPUUtilization", "AutoScalingGroupName"],
        &[Average, Maximum],
        false,
    ),
    row(
        Metric::GroupInService,
        Kind::Group,
        ["AWS/AutoScaling", "GroupInServiceInstances", "AutoScalingGroupName"],
        &[Average],
        false,
    ),
];

impl Metric {
    /// The metric's row of the table.
    #[must_use]
    pub fn row(self) -> &'static MetricRow {
        TABLE
            .iter()
            .find(|row| row.metric == self)
            .expect("every metric has a row, which a test holds")
    }
}

/// A metric with one statistic: what a series holds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Measure {
    /// The metric.
    pub metric: Metric,
    /// The statistic.
    pub statistic: Statistic,
}

impl Measure {
    /// Every measure of resources of `kind`, in the order of the table.
    pub fn of(kind: Kind) -> impl Iterator<Item = Self> {
        TABLE.iter().filter(move |row| row.kind == kind).flat_map(|row| {
            row.statistics
                .iter()
                .map(move |statistic| Self { metric: row.metric, statistic: *statistic })
        })
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.metric.row().name, self.statistic.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_own_row() {
        for row in &TABLE {
            assert_eq!(row.metric.row(), row);
        }
    }
}
