//! What sizes cost, and how often what came later exceeded them.
//!
//! The oracle knows the days that are judged and takes the smallest size that at most 1 % of their rows exceed. Machines
//! that were saturated while they were learnt from are judged apart: their demand was cut off, and the only right answer
//! is more than they have. Not here: the policies (`rules`, `crate::sizing`).

use serde::Serialize;

use super::{
    bootstrap::{self, Interval},
    quantile::{quantile_sorted, sorted},
    rules::{PublishedRule, Training},
    windows::Split,
};

/// Share of a machine's judged rows that may exceed its size, and the quantile that says the same of demand.
const VIOLATION_RATIO_MAX: f64 = 0.01;
const DEMAND_QUANTILE: f64 = 0.99;
/// Use from which a machine counts as saturated when it is its 99th percentile, percent of its cores.
const SATURATED_PERCENT: f64 = 99.0;
/// What rounding may add to a demand that a size exactly meets: absolute when a size is chosen, relative when it is judged.
const ROUNDING: f64 = 1e-9;

/// A machine's recorded use, as policies are judged by it.
#[derive(Debug, Clone)]
pub struct RecordedMachine {
    /// Its cores, vCPU.
    pub cores: f64,
    /// Whether it was saturated in the days learnt from.
    pub saturated: bool,
    /// What the oracle takes, vCPU.
    pub oracle_vcpu: f64,
    /// What each of [`PublishedRule::ALL`] takes, vCPU.
    pub published_vcpu: Vec<f64>,
    /// The use in the days judged, vCPU, ascending.
    judged_vcpu: Vec<f64>,
}

/// What machines are recorded on.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The rows learnt from and judged.
    pub split: &'a Split,
    /// Rows of a day.
    pub rows_per_day: usize,
    /// The sizes that there are, vCPU, ascending.
    pub ladder_vcpu: &'a [f64],
}

impl RecordedMachine {
    /// Looks at the use of one machine, percent of its `cores`, one value a row without gaps.
    ///
    /// `None` when the split or the ladder is empty.
    #[must_use]
    pub fn new(use_percent: &[f64], cores: f64, terms: Terms<'_>) -> Option<Self> {
        let train_percent = use_percent.get(terms.split.train.clone())?;
        let vcpu = |percent: &f64| percent / 100.0 * cores;
        let judged_vcpu =
            sorted(use_percent.get(terms.split.test.clone())?.iter().map(vcpu).collect());
        let training = Training::new(train_percent.iter().map(vcpu).collect(), terms.rows_per_day);
        let on_ladder = |need| step_of(terms.ladder_vcpu, need);
        Some(Self {
            cores,
            saturated: quantile_sorted(&sorted(train_percent.to_vec()), DEMAND_QUANTILE)?
                >= SATURATED_PERCENT,
            oracle_vcpu: on_ladder(quantile_sorted(&judged_vcpu, DEMAND_QUANTILE)?)?,
            published_vcpu: PublishedRule::ALL
                .into_iter()
                .map(|rule| on_ladder(rule.need(&training)?))
                .collect::<Option<_>>()?,
            judged_vcpu,
        })
    }

    /// Share of the judged rows whose use exceeds a size.
    #[must_use]
    pub fn violation_ratio(&self, vcpu: f64) -> f64 {
        let limit = vcpu * (1.0 + ROUNDING);
        let within = self.judged_vcpu.partition_point(|used| *used <= limit);
        (self.judged_vcpu.len() - within) as f64 / self.judged_vcpu.len() as f64
    }
}

/// The smallest step of a ladder that meets a need, or its largest; `None` without steps.
#[must_use]
pub fn step_of(ladder_vcpu: &[f64], need_vcpu: f64) -> Option<f64> {
    ladder_vcpu
        .iter()
        .copied()
        .find(|step| *step >= need_vcpu - ROUNDING)
        .or(ladder_vcpu.last().copied())
}

/// How the sizes of one policy did. Ratios are of the machines that were not saturated, unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SizesScore {
    /// Their vCPU ÷ the oracle's.
    pub cost_to_oracle: Interval,
    /// Share of machines that exceeded their size in more than 1 % of the rows.
    pub violating_ratio: f64,
    /// Mean share of rows that exceeded the size.
    pub violation_ratio: f64,
    /// Share of machines with the oracle's size.
    pub exact_ratio: f64,
    /// Share of machines with less than the oracle's size.
    pub undersized_ratio: f64,
    /// What is saved of the vCPU that the machines have; negative when more is spent.
    pub saving_ratio: f64,
    /// Share of the saturated machines with more than their cores; `None` when none was saturated.
    pub saturated_upsized_ratio: Option<f64>,
}

/// Scores the size of each machine; `None` when every machine was saturated, or there is none.
#[must_use]
pub fn score(sized: &[(&RecordedMachine, f64)]) -> Option<SizesScore> {
    let (saturated, open): (Vec<_>, Vec<_>) =
        sized.iter().copied().partition(|(machine, _)| machine.saturated);
    let costs: Vec<(f64, f64)> =
        open.iter().map(|(machine, vcpu)| (*vcpu, machine.oracle_vcpu)).collect();
    let violations: Vec<f64> =
        open.iter().map(|(machine, vcpu)| machine.violation_ratio(*vcpu)).collect();
    let spent: f64 = open.iter().map(|(_, vcpu)| vcpu).sum();
    let cores: f64 = open.iter().map(|(machine, _)| machine.cores).sum();
    Some(SizesScore {
        cost_to_oracle: bootstrap::ratio(&costs)?,
        violating_ratio: share(&violations, |ratio| *ratio > VIOLATION_RATIO_MAX)?,
        violation_ratio: violations.iter().sum::<f64>() / violations.len() as f64,
        exact_ratio: share(&costs, |(vcpu, oracle)| vcpu.total_cmp(oracle).is_eq())?,
        undersized_ratio: share(&costs, |(vcpu, oracle)| vcpu < oracle)?,
        saving_ratio: 1.0 - spent / cores,
        saturated_upsized_ratio: share(&saturated, |(machine, vcpu)| *vcpu > machine.cores),
    })
}

/// The share of what holds; `None` of nothing.
fn share<T>(all: &[T], holds: impl Fn(&T) -> bool) -> Option<f64> {
    let held = all.iter().filter(|one| holds(one)).count();
    (!all.is_empty()).then(|| held as f64 / all.len() as f64)
}
