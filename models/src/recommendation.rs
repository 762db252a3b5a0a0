//! A recommendation: what should change, why, and on which evidence.
//!
//! Not here: whether it may be carried out, by which steps, and its digest (`trimtab-policies`).

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    forecast::{Forecaster, History, Quantiles},
    metric::Measure,
    money::Usd,
    outlook::Outlook,
    resource::ResourceRef,
    spec::Spec,
};

/// What can be done to a resource.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Another instance type.
    ResizeInstance,
    /// Stop an instance that does nothing.
    StopIdleInstance,
    /// Another volume type.
    MigrateVolumeType,
    /// Other IOPS or throughput of the same volume type.
    TuneVolume,
    /// Snapshot, then delete a volume that nothing uses.
    DeleteUnattachedVolume,
    /// Another memory size of a function.
    TuneFunctionMemory,
    /// Other bounds of a group.
    TuneGroupCapacity,
    /// A floor of a group that rises before its load does.
    ScheduleGroup,
    /// Another instance type for a group's members.
    ResizeGroupInstances,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 9] = [
        Self::ResizeInstance,
        Self::StopIdleInstance,
        Self::MigrateVolumeType,
        Self::TuneVolume,
        Self::DeleteUnattachedVolume,
        Self::TuneFunctionMemory,
        Self::TuneGroupCapacity,
        Self::ScheduleGroup,
        Self::ResizeGroupInstances,
    ];

    /// The name used in configuration, JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResizeInstance => "resize-instance",
            Self::StopIdleInstance => "stop-idle-instance",
            Self::MigrateVolumeType => "migrate-volume-type",
            Self::TuneVolume => "tune-volume",
            Self::DeleteUnattachedVolume => "delete-unattached-volume",
            Self::TuneFunctionMemory => "tune-function-memory",
            Self::TuneGroupCapacity => "tune-group-capacity",
            Self::ScheduleGroup => "schedule-group",
            Self::ResizeGroupInstances => "resize-group-instances",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a price rests on.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PriceBasis {
    /// A price list states it.
    List,
    /// Derived from a related price; never acted on automatically.
    Estimated,
}

/// What a saving is before.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SavingBasis {
    /// List prices, before commitments.
    List,
    /// After the configured discount.
    Net,
}

/// What one series contributed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesEvidence {
    /// Which metric and statistic.
    pub measure: Measure,
    /// Whether the decision rests on it: then it must be present and fresh.
    pub decisive: bool,
    /// Points present in the look-back.
    pub points: u64,
    /// Points present ÷ grid slots while the resource was observed running, 0–1.
    pub coverage_ratio: f64,
    /// The oldest point.
    pub oldest_at: Option<Timestamp>,
    /// The newest point.
    pub newest_at: Option<Timestamp>,
    /// The grid's step, seconds.
    pub step_s: u32,
    /// Median of the points, in the metric's unit; `None` without points.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99.5th percentile.
    pub p99_5: Option<f64>,
    /// Largest point.
    pub max: Option<f64>,
    /// All points are exactly zero: absence may look like this, so nothing is concluded from it alone.
    pub flat_zero: bool,
}

/// Demand against capacity in one dimension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dimension {
    /// `cpu`, `memory`, `network`, `ebs_throughput`, `ebs_iops`, `iops`, `throughput`, `instances`.
    pub name: String,
    /// The unit of the three figures.
    pub unit: String,
    /// What must be served, headroom included.
    pub demand: f64,
    /// What the resource offers today.
    pub capacity_today: f64,
    /// What it would offer.
    pub capacity_proposed: f64,
}

/// A stretch of the look-back in which the proposed size would have been too small.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Breach {
    /// First breaching slot.
    pub from: Timestamp,
    /// End of the last breaching slot.
    pub until: Timestamp,
    /// `cpu`, `memory`, …
    pub dimension: String,
    /// The highest demand ÷ proposed capacity in it.
    pub peak_ratio: f64,
}

/// The look-back re-run against the proposed size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replay {
    /// Slots with a value that were compared.
    pub points: u64,
    /// Slots in which demand exceeded the proposed capacity.
    pub breaching_points: u64,
    /// The breaching stretches, longest first, at most 50.
    pub breaches: Vec<Breach>,
    /// Days of which enough was seen to judge them, counted back from the last slot.
    #[serde(default)]
    pub days: u64,
    /// Days among them with a breaching slot.
    #[serde(default)]
    pub breaching_days: u64,
    /// Hours of the cycle that the bound speaks of: the longest season found, at least a day.
    #[serde(default = "day_h")]
    pub cycle_h: u32,
    /// Cycles of which enough was seen to judge them, counted back from the last slot.
    #[serde(default)]
    pub cycles: u64,
    /// Cycles among them with a breaching slot.
    #[serde(default)]
    pub breaching_cycles: u64,
    /// Upper 95 % bound on the probability that the next cycle has a breaching slot (Clopper and Pearson's, over cycles).
    pub breach_upper_bound: f64,
}

/// The cycle of replays that state none: they count days.
const fn day_h() -> u32 {
    crate::replay::DAY_H
}

/// The cycle of risks that state none: a week, that of the model.
const fn week_h() -> u32 {
    crate::risk::CYCLE_H
}

impl Replay {
    /// A replay of nothing, whose bound comes from elsewhere than a look-back.
    #[must_use]
    pub const fn of_nothing(cycle_h: u32, breach_upper_bound: f64) -> Self {
        Self {
            points: 0,
            breaching_points: 0,
            breaches: Vec::new(),
            days: 0,
            breaching_days: 0,
            cycle_h,
            cycles: 0,
            breaching_cycles: 0,
            breach_upper_bound,
        }
    }
}

/// What the series that matters most will look like, as far as a person needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ForecastSeen {
    /// Of which metric and statistic.
    pub measure: Measure,
    /// The first hour ahead.
    pub from: Timestamp,
    /// The quantiles of the slots in each hour of the day ahead, in the metric's unit.
    pub day: Vec<Quantiles>,
    /// The highest of each quantile in the week ahead.
    pub week_highest: Quantiles,
    /// The quantiles of the slots in each hour of the week ahead, in the metric's unit.
    #[serde(default)]
    pub week: Vec<Quantiles>,
    /// The quiet hours of the week ahead: those whose median is lowest, the lowest first.
    pub quiet_hours: Vec<Timestamp>,
    /// The forecasters with their weights, best first.
    pub weights: Vec<(Forecaster, f64)>,
    /// Share of the slots of the last days above the 0.95 quantile forecast for them; 0.05 is right.
    pub calibration_misses: Option<f64>,
    /// What was seen in the past besides seasons: changes of level, outliers, gaps.
    pub history: History,
}

/// A season found, and how often it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SeasonSeen {
    /// The period, hours.
    pub period_h: u32,
    /// Whole cycles in the look-back.
    pub times_seen: u32,
}

/// What the recommendation rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Start of the look-back.
    pub from: Timestamp,
    /// End of the look-back.
    pub until: Timestamp,
    /// Days between the oldest and the newest decisive point.
    pub days_seen: f64,
    /// The series that were looked at.
    pub series: Vec<SeriesEvidence>,
    /// Demand and capacity by dimension.
    pub dimensions: Vec<Dimension>,
    /// Seasons found.
    pub seasons: Vec<SeasonSeen>,
    /// The periods that were tested for a season, hours; empty where no series is long enough to test one.
    #[serde(default)]
    pub seasons_tested_h: Vec<u32>,
    /// What is to come, where there is a series that can be forecast; else `outlook` says what is known.
    pub forecast: Option<ForecastSeen>,
    /// What is known of what is to come where no series can be forecast.
    #[serde(default)]
    pub outlook: Option<Outlook>,
    /// The look-back against what is proposed: the proposed size, or nothing where something is stopped or deleted.
    pub replay: Option<Replay>,
    /// Hours of the cycle that the recommendation's risk speaks of.
    #[serde(default = "week_h")]
    pub risk_cycle_h: u32,
    /// Whether the risk is an upper bound with 95 % confidence, not an estimate.
    #[serde(default)]
    pub risk_is_bound: bool,
    /// Proposed ÷ present capacity in the dimension that falls most; above 1 when all grow.
    pub capacity_ratio: f64,
    /// Whether any performance dimension gets smaller.
    pub lowers_performance: bool,
    /// Whether every limit of the resource stays or rises by the provider's own figures, so that nothing is lost whatever
    /// the use is: the change then needs no use to have been seen, only the resource as it is.
    #[serde(default)]
    pub keeps_every_limit: bool,
    /// Whether the size is a bounded try: runs were seen at today's size only.
    #[serde(default)]
    pub explores: bool,
    /// Invocations in the look-back (functions only).
    pub invocations: Option<u64>,
    /// Distinct days with invocations (functions only).
    pub invocation_days: Option<u32>,
    /// What could not be seen, such as `memory`.
    pub unseen: Vec<String>,
    /// Anything else an approver must know.
    pub notes: Vec<String>,
}

impl Evidence {
    /// Evidence of nothing between two times.
    #[must_use]
    pub const fn nothing(from: Timestamp, until: Timestamp) -> Self {
        Self {
            from,
            until,
            days_seen: 0.0,
            series: Vec::new(),
            dimensions: Vec::new(),
            seasons: Vec::new(),
            seasons_tested_h: Vec::new(),
            forecast: None,
            outlook: None,
            replay: None,
            risk_cycle_h: week_h(),
            risk_is_bound: false,
            capacity_ratio: 1.0,
            lowers_performance: false,
            keeps_every_limit: false,
            explores: false,
            invocations: None,
            invocation_days: None,
            unseen: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// What should change, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// The resource.
    pub resource: ResourceRef,
    /// The resource's id in AWS's calls.
    pub resource_id: String,
    /// What to do.
    pub action: Action,
    /// The configuration that this was computed from; the live one must equal it.
    pub expected: Spec,
    /// The configuration to reach.
    pub desired: Spec,
    /// Instance types to fall back to, in order, if `desired` cannot start for lack of capacity.
    pub alternates: Vec<String>,
    /// One sentence for a person.
    pub reason: String,
    /// What it rests on.
    pub evidence: Evidence,
    /// Probability that what is proposed is too little in the cycle of `evidence.risk_cycle_h` hours to come.
    ///
    /// For a size the model's, the highest over its dimensions, for a week. For a stop or a deletion the replay's bound on
    /// any use within the next cycle. `None` where none is stated.
    pub risk: Option<f64>,
    /// Saving a month; negative when the recommendation costs more; `None` without a price.
    #[serde(rename = "saving_usd_monthly")]
    pub saving: Option<Usd>,
    /// Cost of the resource a month today; `None` without a price.
    #[serde(rename = "cost_usd_monthly")]
    pub cost_today: Option<Usd>,
    /// What the prices rest on, the weaker of the two; `None` without a price.
    pub price_basis: Option<PriceBasis>,
    /// What the saving is before.
    pub saving_basis: SavingBasis,
}

/// A resource for which nothing could be recommended although it was looked at, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotSized {
    /// The resource.
    pub arn: crate::resource::Arn,
    /// Why, naming the value that stands in the way.
    pub reason: String,
}
