//! The burst credits of a gp2 volume, replayed over its look-back.
//!
//! A gp2 volume below 1,000 GiB bursts on credits; when they are gone it is held to its base, and what it then did is not
//! what was wanted of it. Not here: what follows for a size (`super`).

use super::performance::{GP2_BURST_IOPS, gp2_base};
use crate::{demand::rates, series::Series, spec::VolumeSpec};

/// Credits of a full bucket, operations: 30 minutes of 3,000 a second, by Amazon EBS's documentation of gp2.
const FULL: f64 = 5_400_000.0;

/// Share of a full bucket at and below which it counts as empty: the mean of a slot hides when within it the last credit
/// went.
const EMPTY_RATIO: f64 = 0.01;

/// Share of the base from which a volume without credits is held back by it.
const HELD_RATIO: f64 = 0.9;

/// What the replay of a bucket shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Credit {
    /// Slots in which the volume was held to its base.
    pub(super) held_slots: usize,
    /// The lowest balance, as a ratio of a full bucket.
    pub(super) lowest_ratio: f64,
}

/// Replays the bucket over the operations (sums a slot); `None` for a volume that has no use for credits.
///
/// It begins full, which is the least that can be said against the volume, and keeps its balance over gaps, which show
/// neither use nor rest. Each second gives the base and takes what was done.
pub(super) fn replay_credit(spec: &VolumeSpec, ops: &Series) -> Option<Credit> {
    let base = f64::from(gp2_base(spec.size_gib));
    if spec.volume_type != "gp2" || base >= f64::from(GP2_BURST_IOPS) {
        return None;
    }
    let step_s = f64::from(ops.step_s);
    let mut balance = FULL;
    let mut found = Credit { held_slots: 0, lowest_ratio: 1.0 };
    for (_, rate) in rates(ops) {
        balance = (balance + (base - rate) * step_s).clamp(0.0, FULL);
        let ratio = balance / FULL;
        found.lowest_ratio = found.lowest_ratio.min(ratio);
        found.held_slots += usize::from(ratio <= EMPTY_RATIO && rate >= HELD_RATIO * base);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gp2(size_gib: u32) -> VolumeSpec {
        let volume_type = "gp2".to_owned();
        VolumeSpec { volume_type, size_gib, iops: None, throughput_mibps: None }
    }

    /// Slots of 5 minutes at these operations a second.
    fn at(rates: &[f32]) -> Series {
        let values = rates.iter().map(|rate| rate * 300.0).collect();
        Series { start_s: 0, step_s: 300, values }
    }

    #[test]
    fn the_bucket_is_that_of_the_documentation() {
        // 100 GiB refill 300 a second: 3,000 drain 2,700 a second, a full bucket in 2,000 s, six slots and two thirds.
        type Case<'a> = (&'a str, u32, &'a [f32], Option<(usize, f64)>);
        let gap = f32::NAN;
        let cases: [Case<'_>; 9] = [
            ("six slots of full burst", 100, &[3_000.0; 6], Some((0, 0.1))),
            (
                "the seventh finds 540,000: 1,800 a second beside the base",
                100,
                &[3e3, 3e3, 3e3, 3e3, 3e3, 3e3, 2_100.0],
                Some((1, 0.0)),
            ),
            (
                "held to the base after",
                100,
                &[3e3, 3e3, 3e3, 3e3, 3e3, 3e3, 2_100.0, 300.0, 300.0],
                Some((3, 0.0)),
            ),
            ("rest after", 100, &[3e3, 3e3, 3e3, 3e3, 3e3, 3e3, 2_100.0, 10.0], Some((1, 0.0))),
            ("a gap is no rest", 100, &[3e3, 3e3, 3e3, gap, gap, 3e3, 3e3, 3e3], Some((0, 0.1))),
            ("base for ever", 100, &[300.0; 50], Some((0, 1.0))),
            ("small volumes have 100 a second", 8, &[100.0; 50], Some((0, 1.0))),
            ("1,000 GiB need no credits", 1_000, &[3_000.0; 50], None),
            ("unseen", 100, &[], Some((0, 1.0))),
        ];
        for (name, size_gib, rates, expect) in cases {
            let found = replay_credit(&gp2(size_gib), &at(rates));
            let found = found.map(|one| (one.held_slots, (one.lowest_ratio * 1e6).round() / 1e6));
            assert_eq!(found, expect, "{name}");
        }
        let gp3 = VolumeSpec { volume_type: "gp3".to_owned(), ..gp2(100) };
        assert_eq!(replay_credit(&gp3, &at(&[1.0])), None);
    }

    proptest! {
        #[test]
        fn more_use_never_leaves_more_credit(
            rates in prop::collection::vec(0.0_f32..3_000.0, 1..100),
            more in 1.0_f32..2.0,
            size_gib in 1_u32..999,
        ) {
            let raised: Vec<f32> = rates.iter().map(|rate| rate * more).collect();
            let one = replay_credit(&gp2(size_gib), &at(&rates)).expect("it bursts");
            let other = replay_credit(&gp2(size_gib), &at(&raised)).expect("it bursts");
            prop_assert!(other.lowest_ratio <= one.lowest_ratio);
            prop_assert!((0.0..=1.0).contains(&one.lowest_ratio));
        }
    }
}
