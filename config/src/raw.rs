//! What may be written in the file: every section and key, all optional, nothing checked but the type.
//!
//! Units stand in the keys. Unknown keys are errors everywhere. Not here: defaults, ranges and what the keys mean
//! together (`validate`). The shipped `trimtab.toml` documents each key, which a test holds.

pub mod notify;
mod oidc;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use notify::RawNotify;
pub use oidc::RawOidc;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawFile {
    /// `[agent]`: the daemon itself.
    pub agent: RawAgent,
    /// `[modes]`: how far Trimtab may go, where.
    pub modes: RawModes,
    /// `[autopilot]`: what autopilot may do without a person.
    pub autopilot: RawAutopilot,
    /// `[[account]]`: the accounts.
    pub account: Vec<RawAccount>,
    /// `[cloud]`: AWS, or a simulated account.
    pub cloud: RawCloud,
    /// `[schedule]`: when cycles run.
    pub schedule: RawSchedule,
    /// `[collect]`: which metrics are read, and how fast.
    pub collect: RawCollect,
    /// `[sizing]`: how much room a size must leave.
    pub sizing: RawSizing,
    /// `[pricing]`: what things cost.
    pub pricing: RawPricing,
    /// `[evidence]`: how much must be known.
    pub evidence: RawEvidence,
    /// `[limits]`: how many changes may happen, and which are worth making.
    pub limits: RawLimits,
    /// `[health]`: what counts as healthy.
    pub health: RawHealth,
    /// `[[ownership]]`: tags that name an owner outside Trimtab.
    pub ownership: Vec<RawOwnership>,
    /// `[[window]]`: when changes may begin.
    pub window: Vec<RawWindow>,
    /// `[[freeze]]`: when no change may begin.
    pub freeze: Vec<RawFreeze>,
    /// `[approvals]`: how long a person's word is good for.
    pub approvals: RawApprovals,
    /// `[[approver]]`: the people, and what each may.
    pub approver: Vec<RawApprover>,
    /// `[protected]`: what is never touched.
    pub protected: RawProtected,
    /// `[api]`: the API and the page.
    pub api: RawApi,
    /// `[telemetry]`: logs.
    pub telemetry: RawTelemetry,
    /// `[store]`: what is kept on disk.
    pub store: RawStore,
    /// `[autonomy]`: whether autopilot has to be earned.
    pub autonomy: RawAutonomy,
    /// `[notify]`: who is told of what.
    pub notify: RawNotify,
}

/// `[agent]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAgent {
    /// Where everything that must survive a restart lives.
    pub state_dir: Option<String>,
    /// Address and port of the API and the page.
    pub listen: Option<String>,
}

/// `[modes]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawModes {
    /// The mode where no rule matches.
    pub default: Option<String>,
    /// Tag keys that may raise a mode.
    pub trusted_tag_keys: Option<Vec<String>>,
    /// `[[modes.rule]]`.
    pub rule: Vec<RawRule>,
}

/// `[[modes.rule]]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRule {
    /// What the rule matches.
    #[serde(rename = "match")]
    pub matcher: RawMatcher,
    /// The mode of what it matches.
    pub mode: Option<String>,
}

/// `match = { … }` of a rule, a window or a freeze.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawMatcher {
    /// An account's name or id.
    pub account: Option<String>,
    /// A region.
    pub region: Option<String>,
    /// A kind.
    pub kind: Option<String>,
    /// An exact ARN.
    pub arn: Option<String>,
    /// Tags, key and exact value.
    pub tags: Option<BTreeMap<String, String>>,
    /// A group.
    pub group: Option<String>,
    /// An action.
    pub action: Option<String>,
}

/// `[autopilot]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAutopilot {
    /// The most disruption it may cause by itself.
    pub max_disruption: Option<String>,
    /// Whether it may lower performance by itself.
    pub allow_decrease: Option<bool>,
}

/// `[[account]]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAccount {
    /// Its name in this file and in reports.
    pub name: Option<String>,
    /// Its 12-digit id.
    pub id: Option<String>,
    /// The role that reads.
    pub role_arn: Option<String>,
    /// The role that writes.
    pub apply_role_arn: Option<String>,
    /// The external id that the roles' trust policies demand.
    pub external_id: Option<String>,
    /// Why the roles trust the daemon.
    pub trust: Option<String>,
    /// The regions that are looked at.
    pub regions: Option<Vec<String>>,
}

/// `[cloud]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawCloud {
    /// `aws` or `simulated`.
    pub provider: Option<String>,
    /// An AWS emulator's address.
    pub endpoint_url: Option<String>,
    /// The scenario of a simulated account.
    pub scenario: Option<String>,
    /// The socket of a simulated account that another process serves.
    pub socket: Option<String>,
    /// The seed of a simulated account.
    pub seed: Option<u64>,
    /// Simulated seconds in a real second.
    pub time_factor: Option<f64>,
}

/// `[schedule]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSchedule {
    /// When a cycle begins.
    pub cycle: Option<String>,
}

/// `[collect]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawCollect {
    /// Days of metrics that are looked at.
    pub lookback_days: Option<u32>,
    /// The period of the metrics, seconds.
    pub step_s: Option<u32>,
    /// The share of an AWS API's documented rate that is used at most.
    pub max_rate_ratio: Option<f64>,
}

/// `[sizing]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawSizing {
    /// Which risk of too small a size is taken for what it saves, by name.
    pub preset: Option<String>,
    /// Sizes by this quantile instead of the preset's risk.
    pub quantile: Option<f64>,
    /// Overrides the preset's headroom.
    pub headroom_ratio: Option<f64>,
    /// Room above the highest memory use seen.
    pub memory_headroom_ratio: Option<f64>,
    /// Room above the used peaks of network and volumes.
    pub io_headroom_ratio: Option<f64>,
    /// Metrics without which nothing is made smaller.
    pub required_metrics: Option<Vec<String>>,
    /// `[sizing.instance]`.
    pub instance: RawInstanceSizing,
    /// `[sizing.function]`.
    pub function: RawFunctionSizing,
    /// `[sizing.group]`.
    pub group: RawGroupSizing,
}

/// `[sizing.instance]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawInstanceSizing {
    /// Types that may be chosen.
    pub include_types: Option<Vec<String>>,
    /// Types that are never chosen.
    pub exclude_types: Option<Vec<String>>,
    /// Whether another family may be chosen.
    pub across_families: Option<bool>,
    /// Whether a burstable type may replace one that is not.
    pub allow_burstable: Option<bool>,
    /// Whether an older generation may be chosen.
    pub allow_previous_generation: Option<bool>,
    /// How many alternates are listed.
    pub alternates: Option<u32>,
    /// CPU below which an instance may be idle.
    pub idle_cpu_percent: Option<f64>,
    /// Network traffic below which an instance may be idle.
    pub idle_network_bytes_per_hour: Option<f64>,
    /// Share of saturated points from which an instance is too small.
    pub saturated_ratio: Option<f64>,
}

/// `[sizing.function]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawFunctionSizing {
    /// Room above the highest memory use seen.
    pub memory_headroom_ratio: Option<f64>,
    /// The smallest size to choose.
    pub min_memory_mb: Option<u32>,
    /// What is to become less.
    pub objective: Option<String>,
    /// How much longer a run may become.
    pub max_latency_increase_ratio: Option<f64>,
    /// Whether sizes may be tried.
    pub explore: Option<bool>,
}

/// `[sizing.group]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawGroupSizing {
    /// CPU at which a member counts as well used.
    pub target_cpu_ratio: Option<f64>,
    /// The smallest lower bound to choose.
    pub min_size: Option<u32>,
}

/// `[pricing]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawPricing {
    /// A price file instead of the embedded catalogue.
    pub file: Option<String>,
    /// What commitments take off the list price.
    pub discount_ratio: Option<f64>,
}

/// `[evidence]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawEvidence {
    /// Least share of the running time that the series cover.
    pub min_coverage_ratio: Option<f64>,
    /// Least days to recommend.
    pub min_days: Option<f64>,
    /// Least days to act downwards.
    pub min_days_decrease: Option<f64>,
    /// Least invocations of a function.
    pub min_invocations: Option<u64>,
    /// Least distinct days with invocations.
    pub min_invocation_days: Option<u32>,
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawLimits {
    /// The tag whose value names a resource's group.
    pub group_tag: Option<String>,
    /// Share of a group in flight at once.
    pub group_ratio: Option<f64>,
    /// Disruptive changes an hour.
    pub disruptive_per_hour: Option<u32>,
    /// Other changes an hour.
    pub other_per_hour: Option<u32>,
    /// Disruptive changes in flight.
    pub disruptive_in_flight: Option<u32>,
    /// Days between two changes to one resource.
    pub cooldown_days: Option<f64>,
    /// Days for which an undone change is barred.
    pub barred_days: Option<f64>,
    /// Modifications of one volume in a day.
    pub volume_modifications_per_day: Option<u32>,
    /// Days a volume must have been unattached.
    pub unattached_days: Option<f64>,
    /// Days after which what is held back is told as recurring.
    pub recurring_days: Option<f64>,
    /// Cycles after which it is.
    pub recurring_cycles: Option<u32>,
    /// Actions that are off.
    pub disabled_actions: Option<Vec<String>>,
    /// Least change worth making.
    pub min_change_ratio: Option<f64>,
    /// Least saving worth a change.
    pub min_saving_usd_monthly: Option<f64>,
    /// Most that one decision lowers a capacity by.
    pub max_step_ratio: Option<f64>,
}

/// `[health]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawHealth {
    /// Alarms that must exist and be OK.
    pub stop_alarms: Option<Vec<String>>,
}

/// `[[ownership]]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawOwnership {
    /// The tag's key.
    pub tag_key: Option<String>,
    /// The tag's value; absent means any.
    pub tag_value: Option<String>,
    /// The owner's name.
    pub owner: Option<String>,
    /// Whether the owner lets Trimtab change what carries the tag.
    pub delegated: Option<bool>,
}

/// `[[window]]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawWindow {
    /// Its name in reasons.
    pub name: Option<String>,
    /// What it applies to.
    #[serde(rename = "match")]
    pub matcher: RawMatcher,
    /// The days on which it opens.
    pub days: Option<Vec<String>>,
    /// Opening time.
    pub from: Option<String>,
    /// Closing time.
    pub until: Option<String>,
    /// The time zone of both.
    pub time_zone: Option<String>,
}

/// `[[freeze]]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawFreeze {
    /// Its name in reasons.
    pub name: Option<String>,
    /// What it applies to.
    #[serde(rename = "match")]
    pub matcher: RawMatcher,
    /// Its start.
    pub from: Option<String>,
    /// Its end, exclusive.
    pub until: Option<String>,
    /// The time zone of bare dates.
    pub time_zone: Option<String>,
}

/// `[approvals]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawApprovals {
    /// Days an approval is good for.
    pub expiry_days: Option<f64>,
    /// Hours a proposal is good for.
    pub plan_expiry_hours: Option<f64>,
    /// Days for which a change can be undone on request.
    pub undo_days: Option<f64>,
    /// How many different people must approve where one is not enough.
    pub quorum: Option<u32>,
    /// Saving a month above which one is not enough.
    pub quorum_above_saving_usd_monthly: Option<f64>,
    /// Risk above which one is not enough.
    pub quorum_above_risk: Option<f64>,
    /// Days for which an exception holds that names no end.
    pub exception_days: Option<f64>,
}

/// `[[approver]]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawApprover {
    /// The name that records bear.
    pub name: Option<String>,
    /// What the person is for.
    pub role: Option<String>,
    /// The accounts in which they may act; absent means all.
    pub accounts: Option<Vec<String>>,
    /// The kinds on which they may act; absent means all.
    pub kinds: Option<Vec<String>>,
    /// The tags that a resource must carry for them to act; absent means none.
    pub tags: Option<BTreeMap<String, String>>,
    /// What the identity provider calls them.
    pub oidc_subject: Option<String>,
    /// Their address, as the identity provider has verified it.
    pub oidc_email: Option<String>,
}

/// `[protected]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawProtected {
    /// ARNs that are never changed.
    pub arns: Option<Vec<String>>,
    /// The instance Trimtab itself runs on.
    pub own_instance_id: Option<String>,
}

/// `[api]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawApi {
    /// Where the local token is kept.
    pub token_file: Option<String>,
    /// The certificate of the listener, with its chain.
    pub tls_certificate: Option<String>,
    /// The certificate's private key.
    pub tls_key: Option<String>,
    /// Requests a second of one caller that only read.
    pub requests_per_second: Option<u32>,
    /// How many of them may come at once.
    pub request_burst: Option<u32>,
    /// Requests a second of one caller that change something.
    pub writes_per_second: Option<u32>,
    /// How many of them may come at once.
    pub write_burst: Option<u32>,
    /// Attempts a minute to sign in from one address.
    pub logins_per_minute: Option<u32>,
    /// `[api.oidc]`: an identity provider.
    pub oidc: RawOidc,
}

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawTelemetry {
    /// The form of the log.
    pub log: Option<String>,
    /// The least important lines that are logged.
    pub level: Option<String>,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawStore {
    /// Days for which points are kept.
    pub retention_days: Option<u32>,
    /// Free space below which nothing more is written.
    pub min_free_mib: Option<u32>,
    /// The store's cache.
    pub cache_mib: Option<u32>,
}

/// `[autonomy]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAutonomy {
    /// Whether autopilot has to be earned.
    pub enabled: Option<bool>,
    /// Outcomes that must be known.
    pub min_outcomes: Option<u32>,
    /// Highest share of changes that may fail.
    pub max_failure_ratio: Option<f64>,
    /// Successes that make up for a failure.
    pub regain_outcomes: Option<u32>,
    /// Whether sizes may be tried without a person.
    pub explore: Option<bool>,
}
