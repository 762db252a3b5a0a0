//! What a change has saved since: what it would have cost minus what it cost, with an interval.
//!
//! Not here: prices (`catalog`), and reading what was used (`trimtab`).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::money::{HOURS_PER_MONTH, Usd};

/// Student's t at 97.5 % for 1, 2, … degrees of freedom; from eleven on 2.2 is above all of them.
const STUDENT: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
const STUDENT_MANY: f64 = 2.2;

/// What was saved since a change, and what was promised for the same time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Realized {
    /// Until when it was measured.
    pub until: Timestamp,
    /// Hours since the change.
    pub hours: f64,
    /// What was promised for these hours; `None` where nothing was.
    #[serde(rename = "predicted_usd")]
    pub predicted: Option<Usd>,
    /// What was saved; negative when it cost more.
    #[serde(rename = "saved_usd")]
    pub saved: Usd,
    /// The least that it may have been.
    #[serde(rename = "low_usd")]
    pub low: Usd,
    /// The most that it may have been.
    #[serde(rename = "high_usd")]
    pub high: Usd,
}

/// An amount in dollars with the bounds of what it may be: 95 % where they come from spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The amount.
    pub mid: f64,
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
}

impl Realized {
    /// Rounds an estimate to money; `None` for what is not a number, or no money that exists.
    #[must_use]
    pub fn of(
        estimate: Estimate,
        hours: f64,
        promised_monthly: Option<Usd>,
        until: Timestamp,
    ) -> Option<Self> {
        let share = hours / HOURS_PER_MONTH as f64;
        Some(Self {
            until,
            hours,
            predicted: promised_monthly.and_then(|monthly| monthly.scaled(share)),
            saved: Usd::from_dollars(estimate.mid)?,
            low: Usd::from_dollars(estimate.low)?,
            high: Usd::from_dollars(estimate.high)?,
        })
    }

    /// Saved ÷ promised; `None` where nothing was promised.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let predicted = self.predicted.filter(|amount| amount.is_positive())?;
        Some(self.saved.dollars() / predicted.dollars())
    }
}

impl Estimate {
    /// What is billed by the hour: the difference of two hourly prices times the hours seen running, and as bounds those and
    /// the hours that it may have run.
    #[must_use]
    pub fn of_hours(saved_per_hour: f64, seen_h: f64, possible_h: f64) -> Self {
        let (seen, possible) = (saved_per_hour * seen_h, saved_per_hour * possible_h.max(seen_h));
        Self { mid: seen, low: seen.min(possible), high: seen.max(possible) }
    }

    /// What is billed by use: `after_units` times the difference of what a unit costs, each the mean over days.
    ///
    /// Days vary about as much before as after in relation to their mean; their pooled variance gives Student's interval of
    /// the difference (two samples). `None` without days on both sides, and where two days are all there is.
    #[must_use]
    pub fn of_days(before: &[f64], after: &[f64], after_units: f64) -> Option<Self> {
        let (mean_before, mean_after) = (mean(before)?, mean(after)?);
        let freedom = (before.len() + after.len()).checked_sub(2).filter(|freedom| *freedom > 0)?;
        let squares = relative_squares(before, mean_before) + relative_squares(after, mean_after);
        let spread = (squares / freedom as f64).sqrt();
        let error = |mean: f64, days: &[f64]| mean * spread / (days.len() as f64).sqrt();
        let off = student(freedom) * error(mean_before, before).hypot(error(mean_after, after));
        let (mid, off) = ((mean_before - mean_after) * after_units, (off * after_units).abs());
        let estimate = Self { mid, low: mid - off, high: mid + off };
        (estimate.low.is_finite() && estimate.high.is_finite()).then_some(estimate)
    }

    /// The same after a discount, 0–1.
    #[must_use]
    pub fn discounted(self, ratio: f64) -> Self {
        let kept = 1.0 - ratio;
        Self { mid: self.mid * kept, low: self.low * kept, high: self.high * kept }
    }
}

fn mean(days: &[f64]) -> Option<f64> {
    (!days.is_empty()).then(|| days.iter().sum::<f64>() / days.len() as f64)
}

fn relative_squares(days: &[f64], mean: f64) -> f64 {
    if mean.abs() < f64::MIN_POSITIVE {
        return 0.0;
    }
    days.iter().map(|day| (day / mean - 1.0).powi(2)).sum()
}

/// Student's t at 97.5 %, not below it for any degrees of freedom.
pub(crate) fn student(freedom: usize) -> f64 {
    STUDENT.get(freedom.saturating_sub(1)).copied().unwrap_or(STUDENT_MANY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hours_seen_and_hours_possible_are_the_bounds() {
        let saved = Estimate::of_hours(0.1, 40.0, 48.0);
        assert!((saved.mid - 4.0).abs() < 1e-12 && (saved.high - 4.8).abs() < 1e-12);
        let dearer = Estimate::of_hours(-0.1, 40.0, 48.0);
        assert!((dearer.low + 4.8).abs() < 1e-12 && (dearer.high + 4.0).abs() < 1e-12);
    }

    #[test]
    fn days_by_hand() {
        // 10 and 6 a unit, days off by a tenth of their mean: 4 degrees of freedom, squares of 4 x 0.01, spread 0.1.
        let saved = Estimate::of_days(&[9.0, 10.0, 11.0], &[5.4, 6.0, 6.6], 2.0);
        let saved = saved.expect("days on both sides");
        // 2.776 x 0.1 / sqrt(3) x sqrt(10² + 6²) = 1.8691 a unit.
        assert!((saved.mid - 8.0).abs() < 1e-9, "{saved:?}");
        assert!((saved.high - saved.mid - 2.0 * 1.8691).abs() < 1e-3, "{saved:?}");
        assert_eq!(Estimate::of_days(&[1.0], &[1.0], 1.0), None);
        assert_eq!(Estimate::of_days(&[], &[1.0, 1.0, 1.0], 1.0), None);
        assert_eq!(Estimate::of_days(&[f64::NAN], &[1.0, 1.0], 1.0), None);
    }

    #[test]
    fn money_and_its_ratio() {
        let at = Timestamp::UNIX_EPOCH;
        let usd = |dollars| Usd::from_dollars(dollars).expect("small");
        let estimate = Estimate { mid: 9.0, low: 8.0, high: 10.0 };
        let found = Realized::of(estimate, 73.0, Some(usd(100.0)), at).expect("money");
        assert_eq!((found.predicted, found.saved), (Some(usd(10.0)), usd(9.0)));
        assert!(found.ratio().is_some_and(|ratio| (ratio - 0.9).abs() < 1e-12));
        assert_eq!(Realized::of(estimate, 73.0, None, at).and_then(|one| one.ratio()), None);
        let nonsense = Estimate { mid: f64::NAN, ..estimate };
        assert_eq!(Realized::of(nonsense, 73.0, None, at), None);
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_middle_and_narrows_with_days(
            before in prop::collection::vec(1.0_f64..100.0, 2..20),
            after in prop::collection::vec(1.0_f64..100.0, 2..20),
        ) {
            let one = Estimate::of_days(&before, &after, 1.0).expect("days on both sides");
            prop_assert!(one.low <= one.mid && one.mid <= one.high);
            let twice = |days: &[f64]| [days, days].concat();
            let two = Estimate::of_days(&twice(&before), &twice(&after), 1.0).expect("days");
            prop_assert!(two.high - two.low <= one.high - one.low + 1e-9);
        }
    }
}
