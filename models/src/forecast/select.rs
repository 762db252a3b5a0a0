//! Weighs the bank by its rolling loss: each of the last days is forecast from what came before it.
//!
//! Weights instead of one winner, because on short histories the winner of the past is the winner of the future too
//! rarely; and for each level and part of the day ahead by itself, because members differ in both. Not here: the
//! forecasters, and correcting what the blend still misses (`conformal`).

use super::{
    bank::{Forecaster, Forecasts, MEMBERS},
    loss::{Losses, PARTS, parts},
    rows::{COUNT, Rows},
};

/// Days that are forecast anew to weigh and calibrate: a week, so that each weekday counts once, and a day before it. Each
/// costs a tenth of the fit.
pub(super) const TRIALS: usize = 8;

/// How sharply weights fall with loss: at 8, a forecaster that loses 9 % more than the best has half its weight. From 6
/// to 12 little changes.
const SHARPNESS: i32 = 8;

/// How much a part of the day ahead counts by itself; the rest is the whole day, which has more values to go by.
const OWN_PART: f64 = 0.8;

/// How much a level counts by itself; the rest is the mean of all levels, which a single spike moves less.
const OWN_LEVEL: f64 = 0.8;

/// Losses of the members over the days judged so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    losses: [Losses; MEMBERS],
    /// Which members have ever forecast.
    seen: [bool; MEMBERS],
    /// Days judged.
    days: usize,
}

impl Record {
    /// Adds a day. A member that did not forecast it is charged the mean of those that did: neither praise nor blame.
    pub(super) fn add(&mut self, actual: &[f32], per_hour: usize, forecasts: &Forecasts) {
        let of_day: Vec<Option<Losses>> = forecasts
            .iter()
            .map(|rows| rows.as_ref().map(|rows| Losses::of(actual, per_hour, rows)))
            .collect();
        let present = of_day.iter().flatten().count() as f64;
        let judged =
            of_day.iter().flatten().any(|losses| losses.counts.iter().any(|count| *count > 0.0));
        self.days += usize::from(judged);
        let mut mean = Losses::default();
        for losses in of_day.iter().flatten() {
            mean.add(losses, 1.0 / present);
        }
        for (member, losses) in of_day.iter().enumerate() {
            self.seen[member] |= losses.is_some();
            self.losses[member].add(losses.as_ref().unwrap_or(&mean), 1.0);
        }
    }

    /// How many days were judged.
    pub(super) const fn days(&self) -> usize {
        self.days
    }

    /// The weights that follow; equal ones while nothing was judged.
    pub(super) fn weights(&self) -> Weights {
        if self.days == 0 {
            return Weights { of: [[[1.0 / MEMBERS as f32; MEMBERS]; COUNT]; PARTS] };
        }
        let mut of = [[[0.0; MEMBERS]; COUNT]; PARTS];
        for (part, of) in of.iter_mut().enumerate() {
            let losses: [[f64; COUNT]; MEMBERS] =
                std::array::from_fn(|member| blended(&self.losses[member], part));
            for (level, of) in of.iter_mut().enumerate() {
                *of = shares(std::array::from_fn(|member| {
                    self.seen[member].then(|| losses[member][level])
                }));
            }
        }
        Weights { of }
    }
}

/// The loss of each level in one part, drawn to those of the whole day and of all levels.
fn blended(losses: &Losses, part: usize) -> [f64; COUNT] {
    let own: [f64; COUNT] = std::array::from_fn(|level| {
        let of_day = losses.mean_of_day(level).unwrap_or_default();
        let of_part = losses.mean(part, level).unwrap_or(of_day);
        OWN_PART * of_part + (1.0 - OWN_PART) * of_day
    });
    let mean = own.iter().sum::<f64>() / COUNT as f64;
    own.map(|own| OWN_LEVEL * own + (1.0 - OWN_LEVEL) * mean)
}

/// Shares that sum to 1, each as the power of the best loss over its own.
fn shares(losses: [Option<f64>; MEMBERS]) -> [f32; MEMBERS] {
    let best = losses.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    // A loss of zero (a series that never moves) must not divide by zero: then the best share the weight.
    let share = |loss: f64| {
        if loss <= best { 1.0 } else { (best / loss).powi(SHARPNESS) }
    };
    let shares = losses.map(|loss| loss.map_or(0.0, share));
    let sum: f64 = shares.iter().sum();
    shares.map(|share| (share / sum) as f32)
}

/// How much each member is trusted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    /// For each part of the day ahead and each level: the members' shares in the order of [`Forecaster::ALL`].
    of: [[[f32; MEMBERS]; COUNT]; PARTS],
}

impl Weights {
    /// The shares over all parts and levels, best first; members without any are left out.
    pub(super) fn summary(&self, forecasts: &Forecasts) -> Vec<(Forecaster, f64)> {
        let mean = |member: usize| {
            let all = self.of.iter().flatten();
            let sum: f64 = all.map(|shares| f64::from(shares[member])).sum();
            sum / (PARTS * COUNT) as f64
        };
        let members = Forecaster::ALL.into_iter().enumerate();
        let mut summary: Vec<(Forecaster, f64)> = members
            .filter(|(member, _)| forecasts[*member].is_some())
            .map(|(member, one)| (one, mean(member)))
            .filter(|(_, share)| *share > 0.0)
            .collect();
        let sum: f64 = summary.iter().map(|(_, share)| share).sum();
        for (_, share) in &mut summary {
            *share /= sum;
        }
        summary.sort_by(|(one, a), (other, b)| b.total_cmp(a).then(one.cmp(other)));
        summary
    }

    /// One level of the members' forecasts, blended: the weighed mean of their quantiles (Vincent's average). Members
    /// that did not forecast leave their weight to the others; `None` when none did.
    pub(super) fn blend(
        &self,
        forecasts: &Forecasts,
        level: usize,
        per_hour: usize,
    ) -> Option<Vec<f32>> {
        let ahead = forecasts.iter().flatten().map(Rows::slots).min()?;
        let mut blended = vec![0.0; ahead];
        for (part, range) in parts(per_hour, ahead).into_iter().enumerate() {
            let shares = &self.of[part][level];
            let present = || {
                forecasts
                    .iter()
                    .zip(shares)
                    .filter_map(|(rows, share)| Some((rows.as_ref()?, *share)))
            };
            let total: f32 = present().map(|(_, share)| share).sum();
            let count = present().count() as f32;
            for (rows, share) in present() {
                // All weight on members that are absent now: those that are there share it.
                let share = if total > 0.0 { share / total } else { 1.0 / count };
                let values = &rows.level(level)[range.clone()];
                for (sum, value) in blended[range.clone()].iter_mut().zip(values) {
                    *sum += share * value;
                }
            }
        }
        Some(blended)
    }

    /// All levels of the members' forecasts, blended, ascending in each slot.
    pub(super) fn blend_all(&self, forecasts: &Forecasts, per_hour: usize) -> Option<Rows> {
        let mut rows = Rows::zeros(forecasts.iter().flatten().map(Rows::slots).min()?);
        for level in 0..COUNT {
            rows.level_mut(level).copy_from_slice(&self.blend(forecasts, level, per_hour)?);
        }
        rows.ascend();
        Some(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &[f32], expect: &[f32]) -> bool {
        found.iter().zip(expect).all(|(one, other)| (one - other).abs() < 1e-6)
    }

    /// The first members' losses or shares, and nothing of the others.
    fn first<T: Copy>(of: &[T], rest: T) -> [T; MEMBERS] {
        std::array::from_fn(|member| of.get(member).copied().unwrap_or(rest))
    }

    #[test]
    fn shares_by_hand() {
        let table: [(&[Option<f64>], &[f32]); 4] = [
            // Twice the loss is worth (1 ÷ 2)^8 = 1 ÷ 256.
            (&[Some(1.0), Some(2.0)], &[256.0 / 257.0, 1.0 / 257.0]),
            (&[Some(3.0), None, Some(3.0)], &[0.5, 0.0, 0.5]),
            // A forecaster without any loss takes all.
            (&[Some(0.0), Some(1.0)], &[1.0, 0.0]),
            (&[Some(0.0), Some(0.0)], &[0.5, 0.5]),
        ];
        for (losses, expect) in table {
            let found = shares(first(losses, None));
            assert!(near(&found, &first(expect, 0.0)), "{losses:?}: {found:?}");
        }
    }

    #[test]
    fn a_loss_is_drawn_to_the_day_and_to_all_levels() {
        let mut losses = Losses::default();
        (losses.counts[0], losses.counts[1]) = (1.0, 1.0);
        losses.sums[0] = [1.0; COUNT];
        losses.sums[0][0] = 2.0;
        let found = blended(&losses, 0);
        // The part's own: 0.8 x 2 + 0.2 x (2 + 0) ÷ 2 = 1.8 at the first level, 0.8 x 1 + 0.2 x 0.5 = 0.9 at the others.
        let mean = 0.9_f64.mul_add((COUNT - 1) as f64, 1.8) / COUNT as f64;
        assert!((found[0] - (0.8 * 1.8 + 0.2 * mean)).abs() < 1e-12, "{found:?}");
        assert!((found[1] - (0.8 * 0.9 + 0.2 * mean)).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn a_blend_is_the_weighed_mean_of_those_that_forecast() {
        let rows = |value: f32| Some(Rows::constant(&[value; COUNT], 24));
        let blend = |shares: &[f32], members: [Option<Rows>; 2]| {
            let mut forecasts = Forecasts::default();
            for (slot, rows) in forecasts.iter_mut().zip(members) {
                *slot = rows;
            }
            let weights = Weights { of: [[first(shares, 0.0); COUNT]; PARTS] };
            weights.blend(&forecasts, 2, 1).map(|values| values[5])
        };
        let table = [
            (vec![0.75, 0.25], [rows(0.0), rows(4.0)], Some(1.0)),
            // The absent leaves its weight to the other.
            (vec![0.75, 0.25], [None, rows(4.0)], Some(4.0)),
            // All weight on members that are absent: those that are there share it.
            (vec![0.0, 0.0, 1.0], [rows(2.0), rows(4.0)], Some(3.0)),
            (vec![0.75, 0.25], [None, None], None),
        ];
        for (shares, members, expect) in table {
            assert_eq!(blend(&shares, members), expect, "{shares:?}");
        }
    }

    #[test]
    fn equal_weights_while_nothing_was_judged() {
        let weights = Record::default().weights();
        assert!(near(&weights.of[0][0], &[1.0 / 7.0; MEMBERS]), "{weights:?}");
    }
}
