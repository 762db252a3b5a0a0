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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LADDER: [f64; 8] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
    /// 14 days of 5-minute slots.
    const SLOTS: usize = 14 * 288;

    fn series(values: Vec<f32>) -> Series {
        Series { start_s: 0, step_s: 300, values }
    }

    /// A machine of four cores at `base` percent, with so many slots of each day at `peak`.
    fn machine(base: f32, peak: f32, slots_a_day: usize) -> Series {
        series((0..SLOTS).map(|slot| if slot % 288 < slots_a_day { peak } else { base }).collect())
    }

    #[test]
    fn published_rules_are_what_they_say() {
        // Half of the time 20 %, half of it 40 % of four cores: 1.6 vCPU at every quantile above the median.
        let usage = machine(20.0, 40.0, 144);
        for (preset, expect) in [
            (Preset::CoP90, 2.0),
            (Preset::CoP95_30, 4.0),
            (Preset::CoP99_5_20, 2.0),
            (Preset::CoP99_5_30, 4.0),
        ] {
            let found = choose(&usage, 4.0, &LADDER, preset).vcpu;
            assert!((found - expect).abs() < 1e-12, "{}: {found}", preset.as_str());
            assert_eq!(Preset::from_name(preset.as_str()), Some(preset));
        }
        assert_eq!(Preset::from_name("p50"), None);
    }

    #[test]
    fn presets_differ_in_what_they_risk() {
        let vcpu = |usage: &Series, preset| choose(usage, 4.0, &LADDER, preset).vcpu;
        // One slot a day, 0.35 %, above 0.5 vCPU: nobody pays for it. Three, 1.04 %: one in two weeks fails.
        for (slots_a_day, expect) in [(0, [0.5; 3]), (1, [0.5; 3]), (3, [0.5, 4.0, 4.0])] {
            let usage = machine(10.0, 90.0, slots_a_day);
            let found =
                [Preset::Frugal, Preset::Balanced, Preset::Cautious].map(|one| vcpu(&usage, one));
            let same = found.iter().zip(expect).all(|(one, other)| (one - other).abs() < 1e-12);
            assert!(same, "{slots_a_day} slots a day: {found:?}");
        }
    }

    #[test]
    fn the_saturated_get_more_and_the_unknown_no_less() {
        let full = machine(100.0, 100.0, 0);
        let some = machine(30.0, 100.0, 4);
        for preset in [Preset::Frugal, Preset::Balanced, Preset::Cautious] {
            for (name, usage) in [("full", &full), ("some", &some)] {
                let found = choose(usage, 4.0, &LADDER, preset);
                assert!(found.vcpu > 4.0, "{name} {}: {found:?}", preset.as_str());
            }
            let most = choose(&full, 32.0, &LADDER, preset).vcpu;
            assert!((most - 32.0).abs() < 1e-12, "there is no more");
        }
        let unknown = [series(Vec::new()), series(vec![f32::NAN; SLOTS])];
        for (usage, preset) in unknown.iter().flat_map(|one| Preset::ALL.map(|each| (one, each))) {
            let found = choose(usage, 6.0, &LADDER, preset);
            assert_eq!((found.vcpu, found.risk, found.exceedance), (8.0, 1.0, 1.0));
            assert!((choose(usage, 6.0, &[], preset).vcpu - 6.0).abs() < 1e-12);
        }
    }

    #[test]
    fn what_means_nothing_gives_a_step_all_the_same() {
        let odd = [
            vec![5.0],
            vec![f32::INFINITY; 300],
            vec![f32::NEG_INFINITY, -1.0],
            vec![0.0; SLOTS],
            [vec![1.0; SLOTS], vec![1e30]].concat(),
            vec![3.0; 10 * 365 * 288],
        ];
        for values in odd {
            let first = values[0];
            for preset in Preset::ALL {
                let found = choose(&series(values.clone()), 2.0, &LADDER, preset);
                assert!(LADDER.contains(&found.vcpu), "{first}: {found:?}");
                assert!((0.0..=1.0).contains(&found.risk), "{first}: {found:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn more_risk_never_costs_more(
            values in prop::collection::vec(0.0_f32..110.0, 288..1_000),
            risks in prop::array::uniform2(0.0_f64..1.0),
        ) {
            let usage = series(values);
            let at = |risk_max: f64| {
                choose_by_risk(&usage, 4.0, &LADDER, RiskRule { risk_max, bargain: None }).vcpu
            };
            let (low, high) = (risks[0].min(risks[1]), risks[0].max(risks[1]));
            prop_assert!(at(high) <= at(low));
            let by = |preset| choose(&usage, 4.0, &LADDER, preset).vcpu;
            prop_assert!(by(Preset::Frugal) <= by(Preset::Balanced));
            prop_assert!(by(Preset::Balanced) <= by(Preset::Cautious));
        }

        #[test]
        fn twice_the_machine_is_twice_the_size(values in prop::collection::vec(0.0_f32..98.0, 288..1_000)) {
            // Between the ends of the ladder, where half and double are on it.
            let usage = series(values);
            for preset in [Preset::Balanced, Preset::Cautious, Preset::CoP99_5_20] {
                let small = choose(&usage, 2.0, &LADDER, preset);
                let large = choose(&usage, 4.0, &LADDER, preset);
                prop_assert!(small.vcpu <= 0.25 || (large.vcpu - 2.0 * small.vcpu).abs() < 1e-12);
            }
        }
    }
}
