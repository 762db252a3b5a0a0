//! What a fit saw in the past besides seasons: trend, outliers, gaps.
//!
//! Stated, not acted on: members that follow a trend lose against today's offset from yesterday, and an outlier stays in
//! the quantiles, because a load that came once may come again. Not here: shifts of level (`shift`) and of the clock
//! (`clock_change`), on which the window depends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    clock_change::ClockChange,
    window::{DAY_H, Window},
};
use crate::quantile::{quantile, quantile_sorted};

/// What a fit saw in the past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Since when the series was learnt from, seconds since the epoch.
    pub from_s: i64,
    /// When the level last shifted for good, seconds since the epoch; nothing older was learnt from.
    pub shifted_at_s: Option<i64>,
    /// When the rhythm last moved by an hour; what is older was learnt from as if it had moved before.
    pub clock_change: Option<ClockChange>,
    /// By how much the level of a day changes, in the series' unit; `None` without a clear trend.
    pub trend_per_day: Option<f32>,
    /// Single slots far outside of what is usual.
    pub outliers: u32,
    /// The share of the slots without a value, 0–1.
    pub gaps_ratio: f64,
}

/// Days below which a trend is not told from chance.
const TREND_DAYS_MIN: usize = 7;

/// The least share by which rising pairs of days outnumber falling ones (or the reverse), Kendall's tau: with seven days,
/// chance reaches it once in thirty.
const TREND_TAU_MIN: f64 = 0.7;

/// How far outside of the middle half an outlier lies, in widths of that half: "far out" of Tukey ("Exploratory Data
/// Analysis", 1977) is 3, which the tail of an ordinary load passes.
const OUTLIER_WIDTHS: f64 = 10.0;

/// The largest share of the slots that are outliers; when more lie far out they are bursts, which belong to the load.
const OUTLIER_SHARE_MAX: f64 = 0.001;

/// The slope of the daily medians per day (Theil, 1950; Sen, 1968), if nearly all pairs of days agree on its sign.
pub(super) fn trend_per_day(window: &Window) -> Option<f32> {
    let of_days: Vec<f32> = window.means.rchunks_exact(DAY_H).rev().map(median).collect();
    let known: Vec<(usize, f32)> =
        of_days.into_iter().enumerate().filter(|(_, level)| !level.is_nan()).collect();
    if known.len() < TREND_DAYS_MIN {
        return None;
    }
    let mut slopes = Vec::with_capacity(known.len() * known.len() / 2);
    for (index, (day, level)) in known.iter().enumerate() {
        let later = &known[index + 1..];
        slopes.extend(later.iter().map(|(other, value)| (value - level) / (other - day) as f32));
    }
    let signs: f64 = slopes.iter().map(|slope| sign(*slope)).sum();
    let clear = signs.abs() >= TREND_TAU_MIN * slopes.len() as f64;
    clear.then(|| quantile(&mut slopes, 0.5).map(|slope| slope as f32))?
}

fn sign(value: f32) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        0.0
    }
}

fn median(values: &[f32]) -> f32 {
    let mut present: Vec<f32> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    quantile(&mut present, 0.5).map_or(f32::NAN, |median| median as f32)
}

/// How many values lie far outside of the middle half, unless they are too many to be outliers.
pub(super) fn outliers(window: &Window) -> u32 {
    let sorted = window.values.sorted();
    let (Some(low), Some(high)) = (quantile_sorted(sorted, 0.25), quantile_sorted(sorted, 0.75))
    else {
        return 0;
    };
    let reach = OUTLIER_WIDTHS * (high - low);
    let below = sorted.partition_point(|value| f64::from(*value) < low - reach);
    let above = sorted.len() - sorted.partition_point(|value| f64::from(*value) <= high + reach);
    let count = below + above;
    if count as f64 > OUTLIER_SHARE_MAX * sorted.len() as f64 {
        return 0;
    }
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The share of the slots without a value, 0–1.
pub(super) fn gaps_ratio(window: &Window) -> f64 {
    1.0 - window.values.sorted().len() as f64 / window.slots.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{season::Hours, series::Series};

    fn window(values: Vec<f32>) -> Window {
        let series = Series { start_s: 1_700_006_400, step_s: 3_600, values };
        Window::of(&Hours::of(&series).expect("the grid fits"), 0)
    }

    #[test]
    fn a_trend_is_what_nearly_all_days_agree_on() {
        let rising = window((0..240_u16).map(|hour| f32::from(hour) / 24.0).collect());
        let slope = trend_per_day(&rising).expect("it rises");
        assert!((slope - 1.0).abs() < 1e-5, "{slope}");
        assert_eq!(trend_per_day(&window(vec![4.0; 240])), None, "constant");
        let zigzag = (0..240_u16).map(|hour| f32::from(hour / 24 % 2)).collect();
        assert_eq!(trend_per_day(&window(zigzag)), None, "up and down");
        assert_eq!(trend_per_day(&window((0..144_u8).map(f32::from).collect())), None, "six days");
    }

    #[test]
    fn a_lone_spike_is_an_outlier_and_bursts_are_not() {
        let wave = |slot: u16| f32::from(slot % 24);
        let mut one: Vec<f32> = (0..2_000).map(wave).collect();
        one[700] = 1_000.0;
        assert_eq!(outliers(&window(one)), 1);
        let bursts = (0..2_000).map(|slot| if slot % 50 == 0 { 1_000.0 } else { wave(slot) });
        assert_eq!(outliers(&window(bursts.collect())), 0);
        assert_eq!(outliers(&window(vec![4.0; 240])), 0);
    }

    #[test]
    fn gaps_are_counted() {
        let gapped = (0..240_u8).map(|hour| if hour % 4 == 1 { f32::NAN } else { 1.0 }).collect();
        assert!((gaps_ratio(&window(gapped)) - 0.25).abs() < 1e-9);
    }
}
