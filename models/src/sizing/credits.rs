//! Types that may not use all of their CPU all of the time: their allowance, spent slot by slot over a look-back.
//!
//! Never by an average: a day's mean below the baseline hides the hour in which the credits ran out. Not here: how often
//! that may happen (`usage`).

use super::candidates::is_limited;
use crate::{catalog::InstanceType, series::Series};

/// Seconds of a day.
const DAY_S: f64 = 86_400.0;

/// Share of any 24 hours for which a flex type gives more than its baseline, as AWS states it.
const FLEX_BURST_RATIO: f64 = 0.95;

/// What a limited type may use above its baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Allowance {
    /// CPU credits, in vCPU-seconds: the baseline earns them, all use spends them, and a day's earnings can be kept.
    Credits,
    /// Rest, in seconds at or below the baseline, that is used up while above it.
    Rest,
}

/// The slots of CPU in percent of `today` in which `target`, of `compute_ratio` of today's CPU, gives less than is
/// asked for while `headroom_ratio` of it stays free; `None` for a limited type whose baseline is not known.
///
/// A machine that has just changed its type begins without credits. A gap neither earns nor spends.
pub(super) fn slowed(
    cpu: &Series,
    target: &InstanceType,
    compute_ratio: f64,
    headroom_ratio: f64,
) -> Option<Vec<(i64, bool)>> {
    let vcpu = f64::from(target.vcpu);
    let baseline = target.sustained_vcpu()?;
    let per_percent = vcpu / (100.0 * compute_ratio);
    let wanted = cpu.present().map(|(time_s, percent)| (time_s, f64::from(percent) * per_percent));
    let usable = vcpu * (1.0 - headroom_ratio);
    if !is_limited(target) {
        return Some(wanted.map(|(time_s, vcpu)| (time_s, vcpu > usable)).collect());
    }
    let allowance = if target.flex { Allowance::Rest } else { Allowance::Credits };
    let step_s = f64::from(cpu.step_s);
    let mut balance = allowance.first_balance();
    let slot = |(time_s, wanted): (i64, f64)| {
        let after = balance + allowance.change(wanted.min(vcpu), baseline) * step_s;
        let exhausted = after < 0.0 && wanted > baseline;
        balance = after.clamp(0.0, allowance.most(baseline));
        (time_s, exhausted || wanted > usable)
    };
    Some(wanted.map(slot).collect())
}

impl Allowance {
    fn first_balance(self) -> f64 {
        match self {
            Self::Credits => 0.0,
            Self::Rest => self.most(0.0),
        }
    }

    /// The most that can be kept.
    fn most(self, baseline_vcpu: f64) -> f64 {
        match self {
            Self::Credits => baseline_vcpu * DAY_S,
            Self::Rest => (1.0 - FLEX_BURST_RATIO) * DAY_S,
        }
    }

    /// What a second of use adds to the balance.
    fn change(self, used_vcpu: f64, baseline_vcpu: f64) -> f64 {
        match self {
            Self::Credits => baseline_vcpu - used_vcpu,
            Self::Rest if used_vcpu > baseline_vcpu => 1.0 - 1.0 / FLEX_BURST_RATIO,
            Self::Rest => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    /// Hours of slots of five minutes at so many percent of the type's own CPU, one after the other.
    fn cpu(hours: &[(usize, f32)]) -> Series {
        let values = hours.iter().flat_map(|(hours, percent)| vec![*percent; hours * 12]);
        Series { start_s: 0, step_s: 300, values: values.collect() }
    }

    fn slowed_slots(name: &str, hours: &[(usize, f32)]) -> usize {
        let catalog = Catalog::embedded();
        let one = catalog.instance_type(name).expect("the type is embedded");
        let slots = slowed(&cpu(hours), one, 1.0, 0.0).expect("its baseline is known");
        slots.iter().filter(|(_, slowed)| *slowed).count()
    }

    #[test]
    fn credits_are_earned_spent_and_capped() {
        // A t3.medium earns 24 credits an hour, 0.4 vCPU, and holds those of a day, 576. Ten hours of idling earn 240:
        // at full speed, 2 vCPU, it spends 96 an hour more than it earns, for 2.5 hours; two slots are left of the third.
        let cases: [(&[(usize, f32)], usize); 7] = [
            (&[(48, 20.0)], 0),
            (&[(48, 21.0)], 48 * 12),
            (&[(10, 0.0), (2, 100.0)], 0),
            (&[(10, 0.0), (3, 100.0)], 6),
            (&[(1, 100.0)], 12),
            // After any rest, 576 credits last six hours.
            (&[(100, 0.0), (6, 100.0)], 0),
            (&[(100, 0.0), (7, 100.0)], 12),
        ];
        for (hours, expect) in cases {
            assert_eq!(slowed_slots("t3.medium", hours), expect, "{hours:?}");
        }
    }

    #[test]
    fn an_average_hides_what_credits_show() {
        // 10 % on average, half of the baseline, but all of it in the first hours.
        assert!(slowed_slots("t3.medium", &[(2, 100.0), (18, 0.0)]) > 0);
    }

    #[test]
    fn a_flex_type_rests_for_a_twentieth_of_the_day() {
        // 22.8 hours above its 40 %, then no more until it has rested.
        assert_eq!(slowed_slots("m7i-flex.large", &[(22, 90.0), (2, 30.0), (20, 90.0)]), 0);
        assert_eq!(slowed_slots("m7i-flex.large", &[(200, 40.0)]), 0);
        assert_eq!(slowed_slots("m7i-flex.large", &[(24, 90.0)]), 15);
    }

    #[test]
    fn a_full_type_is_slowed_by_its_size_alone() {
        assert_eq!(slowed_slots("m5.large", &[(5, 100.0), (1, 101.0)]), 12);
    }

    #[test]
    fn gaps_earn_nothing() {
        let catalog = Catalog::embedded();
        let one = catalog.instance_type("t3.medium").expect("the type is embedded");
        let mut cpu = cpu(&[(10, 0.0), (2, 100.0)]);
        cpu.values[..120].fill(f32::NAN);
        let slots = slowed(&cpu, one, 1.0, 0.0).expect("its baseline is known");
        assert!(slots.iter().all(|(_, slowed)| *slowed) && slots.len() == 24);
    }
}
