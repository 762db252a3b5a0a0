//! The step of a ladder of sizes that a preset takes, from CPU alone.
//!
//! For back-tests against rules that know no instance types. Not here: instance types and their other dimensions
//! (`instance`).

use super::settings::{Preset, RiskRule};
use crate::{
    demand::{SATURATED_PERCENT, at_quantile},
    risk::{Demand, TOLERANCE_RATIO},
    series::Series,
};

/// The quantile of CPU that says whether a machine is saturated.
const SATURATED_QUANTILE: f64 = 0.99;

/// Slack of capacities, which are products of floats.
const ROUNDING: f64 = 1e-9;

/// What was chosen, and how safe it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LadderChoice {
    /// The size, vCPU; a step of the ladder.
    pub vcpu: f64,
    /// Probability that more than 1 % of the coming week's points exceed the size, 0–1; 1 when nothing is known.
    pub risk: f64,
    /// Expected share of the coming week's points that exceed the size, 0–1; 1 when nothing is known.
    pub exceedance: f64,
}

/// Chooses a step of the ladder by a preset.
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
    match (preset.risk_rule(), preset.published_rule()) {
        (Some(rule), _) => choose_by_risk(usage_percent, cores, ladder_vcpu, rule),
        (None, rule) => {
            let (quantile, headroom_ratio) = rule.expect("a preset has one rule or the other");
            let demand = at_quantile(usage_percent, quantile)
                .map_or(cores, |percent| percent / 100.0 * cores / (1.0 - headroom_ratio));
            let vcpu = smallest(ladder_vcpu, |vcpu| vcpu + ROUNDING >= demand, cores);
            choice(Demand::of(usage_percent).as_ref(), cores, vcpu)
        }
    }
}

/// Chooses the smallest step whose risk the rule allows, else the largest; then a smaller one yet if that is a bargain.
///
/// The arguments and the cases without points or steps are those of [`choose`]. Demand of a saturated machine is
/// censored: it gets more than its cores wherever there is more.
#[must_use]
pub fn choose_by_risk(
    usage_percent: &Series,
    cores: f64,
    ladder_vcpu: &[f64],
    rule: RiskRule,
) -> LadderChoice {
    let Some(demand) = Demand::of(usage_percent) else {
        return choice(None, cores, smallest(ladder_vcpu, |vcpu| vcpu >= cores, cores));
    };
    let quantile = at_quantile(usage_percent, SATURATED_QUANTILE);
    let saturated = quantile.is_some_and(|percent| percent >= f64::from(SATURATED_PERCENT));
    let open = ladder_vcpu.iter().filter(|vcpu| !saturated || **vcpu > cores);
    let choices: Vec<LadderChoice> = open.map(|vcpu| choice(Some(&demand), cores, *vcpu)).collect();
    let safe = choices.iter().find(|one| one.risk <= rule.risk_max).copied();
    let safe = safe
        .unwrap_or_else(|| choice(Some(&demand), cores, smallest(ladder_vcpu, |_| false, cores)));
    let bargain = |one: &LadderChoice| rule.bargain?.gain(safe.vcpu - one.vcpu, one.risk);
    let gains = choices.iter().filter_map(|one| Some((bargain(one)?, one)));
    gains.max_by(|one, other| one.0.total_cmp(&other.0)).map_or(safe, |(_, one)| *one)
}

/// The smallest step that fits, else the largest, else `cores`.
fn smallest(ladder_vcpu: &[f64], fits: impl Fn(f64) -> bool, cores: f64) -> f64 {
    let fitting = ladder_vcpu.iter().find(|vcpu| fits(**vcpu));
    fitting.or(ladder_vcpu.last()).copied().unwrap_or(cores)
}

fn choice(demand: Option<&Demand>, cores: f64, vcpu: f64) -> LadderChoice {
    let Some(demand) = demand else { return LadderChoice { vcpu, risk: 1.0, exceedance: 1.0 } };
    let breaches = demand.breaches(vcpu / cores * 100.0 * (1.0 + ROUNDING));
    LadderChoice { vcpu, risk: breaches.risk(TOLERANCE_RATIO), exceedance: breaches.exceedance() }
}
