//! How good quantile forecasts were, in units of how much a series moves from day to day.
//!
//! Not here: which rows are judged (`windows`).

use serde::Serialize;

use super::quantile::{quantile_sorted, sorted};

/// The levels of the quantiles that a forecast gives for each row.
pub const LEVELS: [f64; 7] = [0.025, 0.10, 0.50, 0.90, 0.95, 0.975, 0.99];

/// One value for each of [`LEVELS`], ascending.
pub type QuantileRow = [f64; LEVELS.len()];

/// Where levels stand in [`LEVELS`].
const Q025: usize = 0;
const Q10: usize = 1;
const Q50: usize = 2;
const Q90: usize = 3;
const Q95: usize = 4;
const Q975: usize = 5;
const Q99: usize = 6;

/// The levels that the pinball loss is taken over.
const SCORED: [usize; 5] = [Q10, Q50, Q90, Q95, Q99];

/// Mean difference from day to day, in the series' unit, below which a window is left out: nothing is learnt from a
/// forecast of what hardly moves, and the division would blow up its noise.
const SCALE_MIN: f64 = 0.05;
/// Share of rows within the 0.95 quantile below which a series counts as badly covered.
const UP95_MIN: f64 = 0.90;

/// The scores of one forecast, or their means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ForecastScore {
    /// Scaled pinball loss, mean over five levels.
    pub scaled_pinball: f64,
    /// Mean absolute error of the median by the same scale.
    pub scaled_error: f64,
    /// Share of rows between the 0.10 and 0.90 quantiles.
    pub within_80: f64,
    /// Share of rows between the 0.025 and 0.975 quantiles.
    pub within_95: f64,
    /// Share of rows up to the 0.95 quantile.
    pub up_95: f64,
    /// Share of rows up to the 0.99 quantile.
    pub up_99: f64,
}

impl ForecastScore {
    fn to_array(self) -> [f64; 6] {
        let Self { scaled_pinball, scaled_error, within_80, within_95, up_95, up_99 } = self;
        [scaled_pinball, scaled_error, within_80, within_95, up_95, up_99]
    }

    fn from_array(figures: [f64; 6]) -> Self {
        let [scaled_pinball, scaled_error, within_80, within_95, up_95, up_99] = figures;
        Self { scaled_pinball, scaled_error, within_80, within_95, up_95, up_99 }
    }

    /// The mean of each figure; `None` of none.
    #[must_use]
    pub fn mean(scores: &[Self]) -> Option<Self> {
        let mut sums = [0.0; 6];
        for score in scores {
            for (sum, figure) in sums.iter_mut().zip(score.to_array()) {
                *sum += figure;
            }
        }
        (!scores.is_empty()).then(|| Self::from_array(sums.map(|sum| sum / scores.len() as f64)))
    }
}

/// The mean absolute difference of a day in what is known; `None` when that is too little to judge by, or moves too little.
#[must_use]
pub fn scale(known: &[f64], day: usize) -> Option<f64> {
    if day == 0 || known.len() < 2 * day {
        return None;
    }
    let differences =
        known[day..].iter().zip(known).map(|(later, earlier)| (later - earlier).abs());
    let scale = differences.sum::<f64>() / (known.len() - day) as f64;
    (scale >= SCALE_MIN).then_some(scale)
}

/// Scores a forecast against the rows that came, of which there are as many.
///
/// The pinball loss of a quantile `f` of level `q` is `max(q (y - f), (q - 1) (y - f))` (Koenker and Bassett, 1978).
/// `None` without rows.
#[must_use]
pub fn score(came: &[f64], forecast: &[QuantileRow], scale: f64) -> Option<ForecastScore> {
    let rows: Vec<ForecastScore> =
        came.iter().zip(forecast).map(|(came, row)| score_row(*came, row, scale)).collect();
    ForecastScore::mean(&rows)
}

fn score_row(came: f64, row: &QuantileRow, scale: f64) -> ForecastScore {
    let pinball = |level: usize| {
        let off = came - row[level];
        (LEVELS[level] * off).max((LEVELS[level] - 1.0) * off)
    };
    let holds = |inside: bool| if inside { 1.0 } else { 0.0 };
    ForecastScore {
        scaled_pinball: SCORED.into_iter().map(pinball).sum::<f64>() / SCORED.len() as f64 / scale,
        scaled_error: (came - row[Q50]).abs() / scale,
        within_80: holds(row[Q10] <= came && came <= row[Q90]),
        within_95: holds(row[Q025] <= came && came <= row[Q975]),
        up_95: holds(came <= row[Q95]),
        up_99: holds(came <= row[Q99]),
    }
}

/// How a forecaster did over many series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ForecasterScore {
    /// The mean over series.
    pub mean: ForecastScore,
    /// The median of the scaled pinball loss over series.
    pub scaled_pinball_median: f64,
    /// Share of series of which less than 90 % of the rows lay within the 0.95 quantile.
    pub badly_covered_ratio: f64,
    /// Mean place among the forecasters by scaled pinball loss; 1 is best.
    pub mean_rank: f64,
    /// Share of series on which no forecaster had a lower scaled pinball loss.
    pub best_ratio: f64,
}

/// Sums up what each forecaster scored on each series: `by_forecaster[f][s]`, every `f` with the same series.
///
/// Equal losses rank in the order of the forecasters. Empty without series.
#[must_use]
pub fn summarize(by_forecaster: &[Vec<ForecastScore>]) -> Vec<ForecasterScore> {
    by_forecaster
        .iter()
        .enumerate()
        .filter_map(|(own, scores)| {
            let (mut ranks, mut best, mut bad) = (0_usize, 0_usize, 0_usize);
            for (series, score) in scores.iter().enumerate() {
                let loss = |other: usize| by_forecaster[other][series].scaled_pinball;
                let ahead = |other: &usize| {
                    loss(*other) < loss(own) || (*other < own && loss(*other) <= loss(own))
                };
                ranks += 1 + (0..by_forecaster.len()).filter(ahead).count();
                best += usize::from((0..by_forecaster.len()).all(|other| loss(own) <= loss(other)));
                bad += usize::from(score.up_95 < UP95_MIN);
            }
            let share = |count: usize| count as f64 / scores.len() as f64;
            let losses = sorted(scores.iter().map(|score| score.scaled_pinball).collect());
            Some(ForecasterScore {
                mean: ForecastScore::mean(scores)?,
                scaled_pinball_median: quantile_sorted(&losses, 0.5)?,
                badly_covered_ratio: share(bad),
                mean_rank: share(ranks),
                best_ratio: share(best),
            })
        })
        .collect()
}
