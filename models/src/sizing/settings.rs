//! How much room a size must leave, and which sizes may be chosen.
//!
//! Not here: how they are written in a file (`trimtab-config`) and how they are used (the siblings).

use serde::{Deserialize, Serialize};

use crate::metric::Metric;

/// Which risk of too small a size is taken for what it saves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RiskRule {
    /// Probability at most that the size is too small in the coming week (see [`crate::risk`]), 0–1.
    pub risk_max: f64,
    /// What a smaller size yet must save, if one is taken at all.
    pub bargain: Option<Bargain>,
}

impl RiskRule {
    /// The highest risk that the rule can take, 0–1.
    #[must_use]
    pub fn highest(self) -> f64 {
        self.bargain.map_or(self.risk_max, |bargain| bargain.risk_max.max(self.risk_max))
    }
}

/// When a size is taken that is smaller than the one within `risk_max`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bargain {
    /// Probability at most that this size is too small, 0–1.
    pub risk_max: f64,
    /// What it must save for each failure to be expected, in vCPU.
    pub vcpu_per_failure: f64,
    /// What it must save in any case, in vCPU.
    pub vcpu_min: f64,
}

impl Bargain {
    /// What the bargain gains, in vCPU; `None` when it is none.
    #[must_use]
    pub fn gain(&self, saved_vcpu: f64, risk: f64) -> Option<f64> {
        let gain = saved_vcpu - self.vcpu_per_failure * risk;
        let holds = risk <= self.risk_max && saved_vcpu >= self.vcpu_min && gain >= 0.0;
        holds.then_some(gain)
    }
}

/// How a size is weighed against its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preset {
    /// Saves where a smaller size is worth the risk.
    Frugal,
    /// The default.
    Balanced,
    /// Saves less, and risks less.
    Cautious,
    /// AWS Compute Optimizer's maximum savings: the 90th percentile, without headroom.
    CoP90,
    /// AWS Compute Optimizer's balance: the 95th percentile with 30 % headroom.
    CoP95_30,
    /// AWS Compute Optimizer's default: the 99.5th percentile with 20 % headroom.
    CoP99_5_20,
    /// AWS Compute Optimizer's most cautious: the 99.5th percentile with 30 % headroom.
    CoP99_5_30,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 7] = [
        Self::Frugal,
        Self::Balanced,
        Self::Cautious,
        Self::CoP90,
        Self::CoP95_30,
        Self::CoP99_5_20,
        Self::CoP99_5_30,
    ];

    /// The name used in configuration and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Frugal => "frugal",
            Self::Balanced => "balanced",
            Self::Cautious => "cautious",
            Self::CoP90 => "co-p90",
            Self::CoP95_30 => "co-p95-30",
            Self::CoP99_5_20 => "co-p99-5-20",
            Self::CoP99_5_30 => "co-p99-5-30",
        }
    }

    /// The preset of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// The risk that the preset takes; `None` for a published rule, which knows none.
    ///
    /// Chosen on plateaus of back-tests: from 0.13 to 0.145, and from 0.08 to 0.095, cost and failures hardly move. How it
    /// does for machines that it was not chosen on, and on other stretches of time, is tested (`tests::halves`).
    /// `frugal` takes what is smaller than the balanced size where that saves half a vCPU, and three quarters for each
    /// failure to be expected, unless the failure is all but certain.
    #[must_use]
    pub const fn risk_rule(self) -> Option<RiskRule> {
        const BALANCED: f64 = 0.135;
        const CAUTIOUS: f64 = 0.09;
        const BARGAIN: Bargain = Bargain { risk_max: 0.86, vcpu_per_failure: 0.75, vcpu_min: 0.5 };
        match self {
            Self::Frugal => Some(RiskRule { risk_max: BALANCED, bargain: Some(BARGAIN) }),
            Self::Balanced => Some(RiskRule { risk_max: BALANCED, bargain: None }),
            Self::Cautious => Some(RiskRule { risk_max: CAUTIOUS, bargain: None }),
            Self::CoP90 | Self::CoP95_30 | Self::CoP99_5_20 | Self::CoP99_5_30 => None,
        }
    }

    /// The published rule that the preset is, if it is one: the quantile of usage that must fit, and the headroom
    /// above it as a ratio of the capacity.
    #[must_use]
    pub const fn published_rule(self) -> Option<(f64, f64)> {
        match self {
            Self::Frugal | Self::Balanced | Self::Cautious => None,
            Self::CoP90 => Some((0.9, 0.0)),
            Self::CoP95_30 => Some((0.95, 0.3)),
            Self::CoP99_5_20 => Some((0.995, 0.2)),
            Self::CoP99_5_30 => Some((0.995, 0.3)),
        }
    }
}

/// Settings of every sizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SizingSettings {
    /// Days of usage that are looked at.
    pub lookback_days: u32,
    /// Which risk an instance may take; `None` sizes it by `quantile` alone.
    pub risk: Option<RiskRule>,
    /// The quantile of usage that must fit where no risk is weighed, 0–1. The default, 0.995, is AWS Compute
    /// Optimizer's.
    pub quantile: f64,
    /// Room above the demand, as a ratio of the capacity: capacity >= demand ÷ (1 - headroom).
    pub headroom_ratio: f64,
    /// Room above the highest memory use seen, as a ratio of the capacity.
    pub memory_headroom_ratio: f64,
    /// Room above what network and volumes use, as a ratio of the capacity.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FunctionObjective {
    /// The least cost.
    Cost,
    /// The shortest runs that cost no more than today's.
    Duration,
    /// The least cost x duration, at no more than today's cost.
    Both,
}

/// How groups are sized.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSettings {
    /// CPU at which a member counts as well used, 0–1.
    pub target_cpu_ratio: f64,
    /// The smallest lower bound to choose.
    pub min_size: u32,
}
