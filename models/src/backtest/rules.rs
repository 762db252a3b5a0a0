//! The sizing rules that others publish, as static formulas of CPU alone.
//!
//! Simplified: the products add confidence factors, limits and other dimensions, which public texts give in part only.
//! Not here: Trimtab's own sizes (`crate::sizing::ladder`).

use super::quantile::{quantile_sorted, sorted, weighted_quantile};

/// A published rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PublishedRule {
    /// AWS Compute Optimizer's "maximum savings": P90, no headroom.
    ComputeOptimizerP90,
    /// Robusta KRR's default: P95.
    KrrP95,
    /// The Kubernetes Vertical Pod Autoscaler's target: P90 with a half-life of 24 h, and 15 % on top.
    VpaP90,
    /// P99.
    P99,
    /// AWS Compute Optimizer's "balanced": P95 with 30 % headroom.
    ComputeOptimizerP95,
    /// Google Autopilot's load-adjusted P95 (Rzadca et al., EuroSys 2020), half-life 12 h, and 15 % on top.
    AutopilotP95,
    /// AWS Compute Optimizer's default: P99.5 with 20 % headroom.
    ComputeOptimizerP99_5,
    /// Google Autopilot's load-adjusted P98, half-life 12 h, and 15 % on top.
    AutopilotP98,
    /// The highest use, and 15 % on top.
    Maximum,
}

/// The margin that VPA and Autopilot put on top.
const MARGIN: f64 = 1.15;
/// Half-lives of weights, days.
const VPA_HALF_LIFE_DAYS: f64 = 1.0;
const AUTOPILOT_HALF_LIFE_DAYS: f64 = 0.5;
/// What counts for the load where there is none, vCPU, so that an idle machine's weights do not all vanish.
const LOAD_MIN: f64 = 1e-12;

impl PublishedRule {
    /// Every rule, by how much room it leaves.
    pub const ALL: [Self; 9] = [
        Self::ComputeOptimizerP90,
        Self::KrrP95,
        Self::VpaP90,
        Self::P99,
        Self::ComputeOptimizerP95,
        Self::AutopilotP95,
        Self::ComputeOptimizerP99_5,
        Self::AutopilotP98,
        Self::Maximum,
    ];

    /// The name that tables and charts show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ComputeOptimizerP90 => "Compute Optimizer P90",
            Self::KrrP95 => "KRR P95",
            Self::VpaP90 => "VPA P90 24 h × 1.15",
            Self::P99 => "P99",
            Self::ComputeOptimizerP95 => "Compute Optimizer P95 / 0.7",
            Self::AutopilotP95 => "Autopilot P95 × 1.15",
            Self::ComputeOptimizerP99_5 => "Compute Optimizer P99.5 / 0.8",
            Self::AutopilotP98 => "Autopilot P98 × 1.15",
            Self::Maximum => "maximum × 1.15",
        }
    }

    /// What the rule holds to be needed, in the unit of the use; `None` without rows.
    #[must_use]
    pub fn need(self, training: &Training) -> Option<f64> {
        let quantile = |q| quantile_sorted(&training.ascending, q);
        Some(match self {
            Self::ComputeOptimizerP90 => quantile(0.9)?,
            Self::KrrP95 => quantile(0.95)?,
            Self::VpaP90 => training.recent(VPA_HALF_LIFE_DAYS, 0.9)? * MARGIN,
            Self::P99 => quantile(0.99)?,
            Self::ComputeOptimizerP95 => quantile(0.95)? / 0.7,
            Self::AutopilotP95 => training.load_adjusted(0.95)? * MARGIN,
            Self::ComputeOptimizerP99_5 => quantile(0.995)? / 0.8,
            Self::AutopilotP98 => training.load_adjusted(0.98)? * MARGIN,
            Self::Maximum => quantile(1.0)? * MARGIN,
        })
    }
}

/// The use that rules learn from, sorted once for all of them.
#[derive(Debug, Clone)]
pub struct Training {
    values: Vec<f64>,
    order: Vec<usize>,
    ascending: Vec<f64>,
    rows_per_day: usize,
}

impl Training {
    /// Use in the order of time and without gaps, of which a day has `rows_per_day`.
    #[must_use]
    pub fn new(values: Vec<f64>, rows_per_day: usize) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|left, right| values[*left].total_cmp(&values[*right]));
        let ascending = sorted(values.clone());
        Self { values, order, ascending, rows_per_day }
    }

    /// The weight of row `index`, which halves with every half-life before the last row.
    fn weight(&self, index: usize, half_life_days: f64) -> f64 {
        let age_days = (self.values.len() - 1 - index) as f64 / self.rows_per_day as f64;
        2.0_f64.powf(-age_days / half_life_days)
    }

    fn recent(&self, half_life_days: f64, q: f64) -> Option<f64> {
        weighted_quantile(&self.values, &self.order, |index| self.weight(index, half_life_days), q)
    }

    /// The level below which the share `q` of the recent *load* fell, not of the recent time.
    fn load_adjusted(&self, q: f64) -> Option<f64> {
        let weight = |index: usize| {
            self.weight(index, AUTOPILOT_HALF_LIFE_DAYS) * self.values[index].max(LOAD_MIN)
        };
        weighted_quantile(&self.values, &self.order, weight, q)
    }
}
