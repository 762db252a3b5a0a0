//! How much room a size must leave, and which sizes may be chosen.
//!
//! Not here: how they are written in a file (`trimtab-config`) and how they are used (the siblings).

use crate::metric::Metric;

/// Settings of every sizer.
#[derive(Debug, Clone, PartialEq)]
pub struct SizingSettings {
    /// Days of usage that are looked at.
    pub lookback_days: u32,
    /// The quantile of usage that must fit, 0–1. The default, 0.995, is AWS Compute Optimizer's.
    pub quantile: f64,
    /// Room above that quantile, as a ratio of the capacity: capacity >= demand ÷ (1 - headroom).
    pub headroom_ratio: f64,
    /// Room above the highest memory use seen, as a ratio of the capacity.
    pub memory_headroom_ratio: f64,
    /// Room above the used peaks of network and volumes, as a ratio of the capacity.
    pub io_headroom_ratio: f64,
    /// Instances.
    pub instance: InstanceSettings,
    /// Functions.
    pub function: FunctionSettings,
    /// Groups.
    pub group: GroupSettings,
    /// What a commitment takes off the list price, as a ratio; 0 when unknown.
    pub discount_ratio: f64,
    /// Metrics without which nothing is made smaller.
    pub required_metrics: Vec<Metric>,
}

/// How instances are sized.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceSettings {
    /// Type names that may be chosen, with `*` as a wildcard; empty means every type.
    pub include_types: Vec<String>,
    /// Type names that are never chosen, with `*` as a wildcard.
    pub exclude_types: Vec<String>,
    /// Whether another family of the same architecture may be chosen.
    pub across_families: bool,
    /// Whether a burstable type may be chosen for an instance that is not burstable.
    pub allow_burstable: bool,
    /// Whether a type of an older generation may be chosen.
    pub allow_previous_generation: bool,
    /// How many alternates are listed, should the desired type have no capacity.
    pub alternates: usize,
    /// An instance whose 99.5th percentile of CPU (maximum statistic) is below this, percent, may be idle.
    pub idle_cpu_percent: f64,
    /// …and whose network traffic, in and out, stays below this, bytes per hour.
    pub idle_network_bytes_per_hour: f64,
    /// Share of points at or above 99 % CPU from which an instance counts as saturated, 0–1.
    pub saturated_ratio: f64,
}

/// How functions are sized.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionSettings {
    /// Room above the highest memory use seen, as a ratio of the size.
    pub memory_headroom_ratio: f64,
    /// The smallest size to choose, MB.
    pub min_memory_mb: u32,
    /// What is to become less.
    pub objective: FunctionObjective,
    /// How much longer a mean run may become at a smaller size, as a ratio of today's, judged at the far end of the
    /// interval around the expected duration.
    pub max_latency_increase_ratio: f64,
    /// Whether a smaller size may be proposed although runs were seen at one size only.
    pub explore: bool,
}

/// What the size of a function is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionObjective {
    /// The least cost.
    Cost,
    /// The shortest runs that cost no more than today's.
    Duration,
    /// The least cost x duration, at no more than today's cost.
    Both,
}

/// How groups are sized.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupSettings {
    /// CPU at which a member counts as well used, 0–1.
    pub target_cpu_ratio: f64,
    /// The smallest lower bound to choose.
    pub min_size: u32,
}
