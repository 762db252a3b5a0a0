//! Workload classes: resources whose days look alike, and what a young one may borrow from them.
//!
//! A few days tell where a load lies, but not how far it swings; resources with the same kind of day do. Only the spread is
//! borrowed, and it only ever adds to what was seen: nothing gets smaller by it. Not here: how long a history must be before
//! anything is made smaller (`trimtab-policies`), and seasons of a single series (`season`).

use std::collections::BTreeMap;

use linfa::{DatasetBase, traits::Fit};
use linfa_clustering::KMeans;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::{
    quantile::{quantile, quantiles},
    resource::Arn,
    season::HOUR_S,
    series::Series,
};

/// Hours of a day.
const DAY_H: usize = 24;

/// Days of points below which a resource is young: nine tenths of the two weeks from which it is judged by itself, so that
/// the gaps which the gate's coverage allows do not keep it young for ever.
pub const YOUNG_DAYS: f64 = 12.6;

/// Profiles for each class on average: enough that a quantile over a class's members means something.
const PROFILES_PER_CLASS: usize = 20;
/// The most classes: day and night, office hours, nightly batch, level and bursting, each in a calm and a lively kind, are
/// about a dozen; more only split them.
const CLASSES_MAX: usize = 12;

/// Members that a class must have to lend, and older resources that a group or a tag must have.
const CLASS_MEMBERS_MIN: usize = 10;
const PEERS_MIN: usize = 3;

/// The quantile over the lenders' spreads that is borrowed.
///
/// High, because a spread that is too small makes a resource too small, while one that is too large leaves it as it is
/// until it is two weeks old. With 0.9 the 0.99 quantile of recorded machines over 11 days lay within what three days
/// and a class said for 83 % of them, against 58 % for three days alone; with 0.75 for 80 %.
const LENT_QUANTILE: f64 = 0.9;

/// How often k-means is begun anew, of which the best is kept; and its iterations and tolerance at most.
///
/// Classes are a prior: a slightly better inertia is not worth a second.
const RUNS: usize = 4;
const ITERATIONS_MAX: u64 = 60;
const TOLERANCE: f64 = 1e-3;

/// The probabilities at which a spread is stated.
pub const SPREAD_LEVELS: [f64; 4] = [0.90, 0.95, 0.99, 0.995];

/// Quantiles of the slots ÷ their mean, in the order of [`SPREAD_LEVELS`]; ascending, in parts of the mean.
pub type Spread = [f64; 4];

/// The day of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The resource.
    pub arn: Arn,
    /// Days of points, the length of all slots that hold a value.
    pub days: f64,
    /// The mean of the slots, in the metric's unit; positive.
    pub mean: f64,
    /// The mean of each hour of the day (UTC) ÷ the mean of these 24 means.
    pub shape: [f64; DAY_H],
    /// Standard deviation of the slots around the mean of their hour of the day ÷ the mean.
    pub variation: f64,
    /// How far the slots swing.
    pub spread: Spread,
}

impl Profile {
    /// The day of one series; `None` where an hour of the day was never seen, or the mean is not positive and finite.
    #[must_use]
    pub fn of(arn: &Arn, series: &Series) -> Option<Self> {
        let mut sums = [(0.0_f64, 0.0_f64); DAY_H];
        for (time_s, value) in series.present() {
            let sum = &mut sums[hour_of_day(time_s)];
            *sum = (sum.0 + f64::from(value), sum.1 + 1.0);
        }
        let count: f64 = sums.iter().map(|(_, count)| count).sum();
        let mean = sums.iter().map(|(sum, _)| sum).sum::<f64>() / count;
        // An hour without points has no mean: 0 ÷ 0 is not a number, and is refused below.
        let hours = sums.map(|(sum, count)| sum / count);
        let middle = hours.iter().sum::<f64>() / DAY_H as f64;
        let fits = mean.is_finite() && mean > 0.0 && middle.is_finite() && middle > 0.0;
        if !fits {
            return None;
        }
        let squares = series
            .present()
            .map(|(time_s, value)| (f64::from(value) - hours[hour_of_day(time_s)]).powi(2));
        let variation = (squares.sum::<f64>() / count).sqrt() / mean;
        let spread = quantiles(&mut series.numbers(), SPREAD_LEVELS)?.map(|value| value / mean);
        Some(Self {
            arn: arn.clone(),
            days: count * f64::from(series.step_s) / 86_400.0,
            mean,
            shape: hours.map(|hour| hour / middle),
            variation,
            spread,
        })
    }

    /// Whether too little was seen of it to judge it by itself.
    #[must_use]
    pub fn is_young(&self) -> bool {
        self.days < YOUNG_DAYS
    }

    /// What is compared: logarithms, so that one hour at twenty times the mean is not all that counts, and the variation
    /// with the weight of all hours together.
    fn features(&self) -> [f64; DAY_H + 1] {
        let mut found = [0.0; DAY_H + 1];
        for (feature, hour) in found.iter_mut().zip(self.shape) {
            *feature = hour.max(0.0).ln_1p();
        }
        found[DAY_H] = (DAY_H as f64).sqrt() * self.variation.ln_1p();
        found
    }
}

/// Resources whose days look alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// The members, by ARN.
    pub members: Vec<Arn>,
    /// The spread that it lends.
    pub spread: Spread,
    centre: [f64; DAY_H + 1],
}

/// All classes, the largest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Classes {
    classes: Vec<Class>,
}

/// Sorts profiles that are not young into classes.
///
/// The order of the profiles does not matter, and the same profiles give the same classes: they are sorted by ARN, of
/// several with one ARN the longest counts, and k-means++ draws from linfa's fixed seed. (Its k-means|| draws by the order
/// in which threads finish and is not used.)
#[must_use]
pub fn classes(profiles: &[Profile]) -> Classes {
    let mut by_arn: BTreeMap<&Arn, &Profile> = BTreeMap::new();
    for profile in profiles.iter().filter(|profile| !profile.is_young()) {
        let longest = by_arn.entry(&profile.arn).or_insert(profile);
        let order = profile.days.total_cmp(&longest.days);
        if order.then(profile.mean.total_cmp(&longest.mean)).is_gt() {
            *longest = profile;
        }
    }
    let profiles: Vec<&Profile> = by_arn.into_values().collect();
    let count = (profiles.len() / PROFILES_PER_CLASS).clamp(1, CLASSES_MAX);
    if profiles.len() < CLASS_MEMBERS_MIN {
        return Classes::default();
    }
    let mut classes = grouped(&profiles, count);
    classes.retain(|class| class.members.len() >= CLASS_MEMBERS_MIN);
    classes.sort_by(|one, other| {
        other.members.len().cmp(&one.members.len()).then(one.members.cmp(&other.members))
    });
    Classes { classes }
}

/// The clusters of k-means with the spread of each.
fn grouped(profiles: &[&Profile], count: usize) -> Vec<Class> {
    let features: Vec<f64> = profiles.iter().flat_map(|profile| profile.features()).collect();
    let records = Array2::from_shape_vec((profiles.len(), DAY_H + 1), features)
        .expect("each profile has as many features");
    let fitted = KMeans::params(count)
        .n_runs(RUNS)
        .max_n_iterations(ITERATIONS_MAX)
        .tolerance(TOLERANCE)
        .fit(&DatasetBase::from(records));
    // There is no clustering of features that are not finite, and without one there are no classes.
    let Ok(model) = fitted else { return Vec::new() };
    let centres: Vec<[f64; DAY_H + 1]> = model
        .centroids()
        .rows()
        .into_iter()
        .map(|row| std::array::from_fn(|column| row[column]))
        .collect();
    let mut members: Vec<Vec<&Profile>> = vec![Vec::new(); centres.len()];
    for profile in profiles {
        if let Some(index) = nearest(&centres, &profile.features()) {
            members[index].push(profile);
        }
    }
    let class = |(members, centre): (Vec<&Profile>, [f64; DAY_H + 1])| {
        let spread = lent(&members)?;
        let members = members.into_iter().map(|profile| profile.arn.clone()).collect();
        Some(Class { members, spread, centre })
    };
    members.into_iter().zip(centres).filter_map(class).collect()
}

impl Classes {
    /// The classes, the largest first.
    #[must_use]
    pub fn all(&self) -> &[Class] {
        &self.classes
    }

    /// The class whose days are most like it; `None` without classes.
    #[must_use]
    pub fn of(&self, profile: &Profile) -> Option<&Class> {
        let centres: Vec<_> = self.classes.iter().map(|class| class.centre).collect();
        nearest(&centres, &profile.features()).map(|index| &self.classes[index])
    }
}

/// The nearest centre by Euclidean distance, the first of several.
fn nearest(centres: &[[f64; DAY_H + 1]], features: &[f64; DAY_H + 1]) -> Option<usize> {
    let distance = |centre: &[f64; DAY_H + 1]| -> f64 {
        centre.iter().zip(features).map(|(one, other)| (one - other).powi(2)).sum()
    };
    let distances = centres.iter().map(distance).enumerate();
    distances.min_by(|one, other| one.1.total_cmp(&other.1)).map(|(index, _)| index)
}

/// The spread of several resources: at each level the quantile over them; `None` without any.
fn lent(lenders: &[&Profile]) -> Option<Spread> {
    let mut found = [0.0; SPREAD_LEVELS.len()];
    for (level, spread) in found.iter_mut().enumerate() {
        let mut spreads: Vec<f32> =
            lenders.iter().map(|profile| profile.spread[level] as f32).collect();
        *spread = quantile(&mut spreads, LENT_QUANTILE)?;
    }
    Some(found)
}

/// Whom a spread is borrowed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lender {
    /// Older resources of the same Auto Scaling group.
    Group,
    /// Older resources with the same value of the tag that makes groups.
    Tag,
    /// Older resources whose days look alike.
    Class,
}

/// The older resources that are nearest to a young one, apart from how they look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Peers<'a> {
    /// Of its Auto Scaling group.
    pub group: &'a [&'a Profile],
    /// With its value of the tag that makes groups.
    pub tag: &'a [&'a Profile],
}

/// What a young resource borrows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Borrowed {
    /// From whom.
    pub lender: Lender,
    /// From how many.
    pub lenders: usize,
    /// The lenders' spread.
    pub spread: Spread,
    /// How much of it counts, 0–1: all on the first day, nothing at [`YOUNG_DAYS`].
    pub weight: f64,
}

/// What a young resource borrows: from its group, else its tag, else its class; `None` for one that is not young, and where
/// nobody is old enough to lend.
///
/// Peers that are young themselves, and the resource itself, lend nothing.
#[must_use]
pub fn borrow(young: &Profile, peers: &Peers<'_>, classes: &Classes) -> Option<Borrowed> {
    if !young.is_young() {
        return None;
    }
    let weight = 1.0 - young.days / YOUNG_DAYS;
    let of_peers = |lender: Lender, peers: &[&Profile]| {
        let old = peers.iter().filter(|peer| !peer.is_young() && peer.arn != young.arn);
        let old: Vec<&Profile> = old.copied().collect();
        let spread = lent(&old).filter(|_| old.len() >= PEERS_MIN)?;
        Some(Borrowed { lender, lenders: old.len(), spread, weight })
    };
    let of_class = || {
        let class = classes.of(young)?;
        let lenders = class.members.len();
        Some(Borrowed { lender: Lender::Class, lenders, spread: class.spread, weight })
    };
    of_peers(Lender::Group, peers.group)
        .or_else(|| of_peers(Lender::Tag, peers.tag))
        .or_else(of_class)
}

impl Borrowed {
    /// The demand at quantile `q` (0–1) of a resource with this mean, of which `seen` was seen itself; never below `seen`.
    ///
    /// Between the levels of a spread it is straight, below the first and beyond the last it is theirs.
    #[must_use]
    pub fn demand(&self, q: f64, mean: f64, seen: f64) -> f64 {
        let above = SPREAD_LEVELS.partition_point(|level| *level < q);
        let ratio = match (above.checked_sub(1), SPREAD_LEVELS.get(above)) {
            (Some(below), Some(level)) => {
                let way = (q - SPREAD_LEVELS[below]) / (level - SPREAD_LEVELS[below]);
                self.spread[below] + way * (self.spread[above] - self.spread[below])
            }
            (Some(last), None) => self.spread[last],
            (None, _) => self.spread[0],
        };
        (seen + self.weight * (ratio * mean - seen)).max(seen)
    }
}

/// The hour of the day of a time, 0–23 (UTC).
fn hour_of_day(time_s: i64) -> usize {
    usize::try_from(time_s.div_euclid(HOUR_S).rem_euclid(24)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
