//! A daily schedule for a group that nothing else scales: fewer members in its quiet hours.
//!
//! Advice only: what takes members out is a scaling policy's business, which sees the load. Not here: how many members an hour needs (`ahead`).

use super::ahead::DAY_H;

/// Share of the members' hours that a schedule must save to be worth two more moving parts.
const SAVED_MIN: f64 = 0.10;

/// Two scheduled actions a day: one that takes members out, one that brings them back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Schedule {
    /// Hour of the day (UTC, 0–23) at which the quiet hours begin.
    pub(super) from_h: usize,
    /// Hour of the day at which they end.
    pub(super) until_h: usize,
    /// Members in them.
    pub(super) quiet: u32,
    /// Members otherwise.
    pub(super) busy: u32,
    /// Share of the members' hours that it saves against `busy` all day.
    pub(super) saved_ratio: f64,
}

/// The schedule that saves most; `None` when none saves a tenth.
///
/// `by_hour`: members that each hour of the day needs. An hour counts as what it or the next one needs, so that members are
/// up an hour before they are needed.
pub(super) fn schedule(by_hour: &[u32; DAY_H], least: u32) -> Option<Schedule> {
    let early: Vec<u32> = (0..DAY_H)
        .map(|hour| by_hour[hour].max(by_hour[(hour + 1) % DAY_H]).max(least).max(1))
        .collect();
    let busy = early.iter().copied().max()?;
    let mut best: Option<Schedule> = None;
    for from_h in 0..DAY_H {
        let mut quiet = 0;
        for length in 1..DAY_H {
            quiet = quiet.max(early[(from_h + length - 1) % DAY_H]);
            let saved = length as f64 * f64::from(busy - quiet);
            let saved_ratio = saved / (DAY_H as f64 * f64::from(busy));
            if best.is_none_or(|best| saved_ratio > best.saved_ratio) {
                let until_h = (from_h + length) % DAY_H;
                best = Some(Schedule { from_h, until_h, quiet, busy, saved_ratio });
            }
        }
    }
    best.filter(|best| best.saved_ratio > SAVED_MIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The need of a day: `quiet` in the listed hours, else `busy`.
    fn day(quiet_h: &[usize], quiet: u32, busy: u32) -> [u32; DAY_H] {
        std::array::from_fn(|hour| if quiet_h.contains(&hour) { quiet } else { busy })
    }

    #[test]
    fn quiet_hours_are_found() {
        type Case<'a> = (&'a str, [u32; DAY_H], Option<(usize, usize, u32, u32, f64)>);
        let night = day(&[22, 23, 0, 1, 2, 3, 4, 5], 2, 10);
        let cases: [Case<'_>; 5] = [
            // Members are back at 5, an hour before they are needed: 7 x 8 of 240 member-hours.
            ("over midnight", night, Some((22, 5, 2, 10, 56.0 / 240.0))),
            ("level", [5; DAY_H], None),
            ("an hour is not worth it", day(&[3, 4], 1, 10), None),
            (
                "nothing at all keeps a member",
                day(&[0, 1, 2, 3, 4, 5, 6, 7], 0, 4),
                Some((0, 7, 1, 4, 21.0 / 96.0)),
            ),
            ("empty", [0; DAY_H], None),
        ];
        for (name, by_hour, expect) in cases {
            let found = schedule(&by_hour, 0);
            let found =
                found.map(|one| (one.from_h, one.until_h, one.quiet, one.busy, one.saved_ratio));
            match (found, expect) {
                (Some(one), Some(other)) => {
                    assert_eq!(
                        (one.0, one.1, one.2, one.3),
                        (other.0, other.1, other.2, other.3),
                        "{name}"
                    );
                    assert!((one.4 - other.4).abs() < 1e-12, "{name}: {}", one.4);
                }
                (found, expect) => assert_eq!(found, expect, "{name}"),
            }
        }
    }

    proptest! {
        #[test]
        fn no_hour_goes_short(needs in prop::array::uniform24(0_u32..50)) {
            if let Some(found) = schedule(&needs, 1) {
                for (hour, need) in needs.iter().enumerate() {
                    let quiet = if found.from_h <= found.until_h {
                        (found.from_h..found.until_h).contains(&hour)
                    } else {
                        hour >= found.from_h || hour < found.until_h
                    };
                    prop_assert!(*need <= if quiet { found.quiet } else { found.busy }, "{hour} {found:?}");
                }
            }
        }
    }
}
