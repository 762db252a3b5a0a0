//! The smallest step of a ladder of sizes that a preset takes, from CPU alone.
//!
//! For back-tests against rules that know no instance types. Not here: instance types and their other dimensions
//! (`instance`).

use super::settings::Preset;
use crate::{
    demand::{SATURATED_PERCENT, at_quantile},
    series::Series,
};

/// What was chosen, and how safe it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LadderChoice {
    /// The size, vCPU; a step of the ladder.
    pub vcpu: f64,
    /// Probability that more than 1 % of the next cycle's samples exceed the size, 0–1; 1 when nothing is known.
    pub risk: f64,
    /// Expected share of the next cycle's samples that exceed the size, 0–1; 1 when nothing is known.
    pub exceedance: f64,
}

/// Chooses a step of the ladder.
///
/// `usage_percent` is CPU in percent of `cores`, `ladder_vcpu` the sizes that there are, ascending. A series without
/// points gets the smallest step that is no smaller than `cores`, since unknown demand makes nothing smaller; a ladder
/// without steps gives `cores`.
#[must_use]
pub fn choose(
    usage_percent: &Series,
    cores: f64,
    ladder_vcpu: &[f64],
    preset: Preset,
) -> LadderChoice {
    let least = |need: f64| ladder_vcpu.iter().copied().find(|vcpu| *vcpu >= need);
    let largest = ladder_vcpu.last().copied().unwrap_or(cores);
    let unknown = |vcpu: Option<f64>| LadderChoice {
        vcpu: vcpu.unwrap_or(largest),
        risk: 1.0,
        exceedance: 1.0,
    };
    let Some(p99) = at_quantile(usage_percent, 0.99) else { return unknown(least(cores)) };
    if p99 >= f64::from(SATURATED_PERCENT) {
        return unknown(ladder_vcpu.iter().copied().find(|vcpu| *vcpu > cores));
    }
    let (quantile, headroom_ratio) = preset.published_rule().unwrap_or((0.995, 0.2));
    let demand = at_quantile(usage_percent, quantile).unwrap_or(100.0) / 100.0 * cores;
    let vcpu = least(demand / (1.0 - headroom_ratio)).unwrap_or(largest);
    let above =
        usage_percent.present().filter(|(_, value)| f64::from(*value) / 100.0 * cores > vcpu);
    let exceedance = above.count() as f64 / usage_percent.points().max(1) as f64;
    LadderChoice { vcpu, risk: exceedance, exceedance }
}
