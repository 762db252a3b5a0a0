//! What outcomes of changes teach about the next ones: how likely one is to fail, and how much of what was promised it saves.
//!
//! Outcomes are counted by scope: action, kind, family and workload class. Not here: which changes count as failed, and
//! what follows (`trimtab-policies`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    recommendation::{Action, Recommendation},
    replay::upper_bound,
    resource::Kind,
    saving::student,
    spec::Spec,
};

/// How many outcomes the prior of a failure counts as: Beta(1, 9), as if one of ten had failed.
const PRIOR_OUTCOMES: u64 = 10;

/// Outcomes below which they can raise a stated risk, not lower it: without any failure among so few the upper bound of its
/// probability is still a tenth.
pub const OUTCOMES_TO_LOWER: u64 = 20;

/// The prior of saved ÷ promised: normal-inverse-gamma around 1, worth one outcome, its variance 0.3² expected by a gamma
/// of shape 2.
const RATIO_PRIOR_COUNT: f64 = 1.0;
const RATIO_PRIOR_SHAPE: f64 = 2.0;
const RATIO_PRIOR_RATE: f64 = 0.09;

/// Which rhythm a workload has, by the longest season found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadClass {
    /// A week.
    Weekly,
    /// A day, or a part of one.
    Daily,
    /// None.
    Steady,
}

/// What is counted together. As text `trust/ACTION/KIND/FAMILY/CLASS`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// The action.
    pub action: Action,
    /// The kind of resource.
    pub kind: Kind,
    /// The family of the type that it has, the type of a volume, or the kind's own name.
    pub family: String,
    /// The rhythm of its use.
    pub class: WorkloadClass,
}

/// What the outcomes of a scope add up to.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Trust {
    /// Outcomes that are known.
    pub outcomes: u64,
    /// Those that failed.
    pub failures: u64,
    /// Outcomes whose saving was measured against a promise.
    pub measured: u64,
    ratio_sum: f64,
    ratio_squares: f64,
}

impl WorkloadClass {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Weekly, Self::Daily, Self::Steady];

    /// The class of a recommendation's resource.
    #[must_use]
    pub fn of(recommendation: &Recommendation) -> Self {
        let seasons = &recommendation.evidence.seasons;
        let longest = seasons.iter().map(|season| season.period_h).filter(|hours| *hours <= 168);
        match longest.max() {
            Some(168) => Self::Weekly,
            Some(_) => Self::Daily,
            None => Self::Steady,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Weekly => "weekly",
            Self::Daily => "daily",
            Self::Steady => "steady",
        }
    }
}

impl Scope {
    /// The scope of a recommendation.
    #[must_use]
    pub fn of(recommendation: &Recommendation) -> Self {
        Self {
            action: recommendation.action,
            kind: recommendation.resource.kind,
            family: family(&recommendation.expected),
            class: WorkloadClass::of(recommendation),
        }
    }
}

/// The family of a configuration: what is alike in how it is sized.
#[must_use]
pub fn family(spec: &Spec) -> String {
    match spec {
        Spec::Instance { instance_type, .. } => {
            instance_type.split('.').next().unwrap_or(instance_type).to_owned()
        }
        Spec::Volume(volume) => volume.volume_type.clone(),
        Spec::Function { .. } => "function".to_owned(),
        Spec::Group { .. } | Spec::Schedule { .. } => "group".to_owned(),
        Spec::Members { member_type } => {
            member_type.split('.').next().unwrap_or(member_type).to_owned()
        }
        Spec::Gone { .. } => "gone".to_owned(),
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, kind, family, class } = self;
        f.pad(&format!("trust/{action}/{kind}/{family}/{}", class.as_str()))
    }
}

impl FromStr for Scope {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["trust", action, kind, family, class] = parts.as_slice() else { return Err(()) };
        let find_action = Action::ALL.into_iter().find(|one| one.as_str() == *action);
        let find_kind = Kind::ALL.into_iter().find(|one| one.as_str() == *kind);
        let find_class = WorkloadClass::ALL.into_iter().find(|one| one.as_str() == *class);
        match (find_action, find_kind, find_class) {
            (Some(action), Some(kind), Some(class)) if !family.is_empty() => {
                Ok(Self { action, kind, family: (*family).to_owned(), class })
            }
            _ => Err(()),
        }
    }
}

impl Trust {
    /// Counts one outcome; `ratio` is what it saved ÷ what was promised, where both are known.
    pub fn add(&mut self, failed: bool, ratio: Option<f64>) {
        self.outcomes += 1;
        self.failures += u64::from(failed);
        if let Some(ratio) = ratio.filter(|ratio| ratio.is_finite()) {
            self.measured += 1;
            self.ratio_sum += ratio;
            self.ratio_squares += ratio * ratio;
        }
    }

    /// The mean of the probability that the next change fails: of Beta(1 + failures, 9 + successes).
    #[must_use]
    pub fn failure_mean(&self) -> f64 {
        (1 + self.failures) as f64 / (PRIOR_OUTCOMES + self.outcomes) as f64
    }

    /// Its upper 95 % bound by the same distribution.
    ///
    /// The 0.95 quantile of Beta(1 + f, 9 + n - f) is Clopper and Pearson's bound of f in n + 9 trials.
    #[must_use]
    pub fn failure_upper(&self) -> f64 {
        upper_bound(self.failures, self.outcomes + PRIOR_OUTCOMES - 1)
    }

    /// A stated risk, sharpened by outcomes: (10 x stated + failures) ÷ (10 + outcomes), the mean of a Beta that begins at the
    /// stated risk; below 20 outcomes never less than stated.
    #[must_use]
    pub fn sharpened(&self, stated: f64) -> f64 {
        let prior = PRIOR_OUTCOMES as f64;
        let learned = (prior * stated + self.failures as f64) / (prior + self.outcomes as f64);
        if self.outcomes >= OUTCOMES_TO_LOWER { learned } else { learned.max(stated) }
    }

    /// What share of the promised saving the next change brings: the mean with its 95 % interval; `None` while nothing was
    /// measured.
    ///
    /// The marginal of a normal-inverse-gamma's mean is Student's (Murphy, "Conjugate Bayesian analysis of the Gaussian
    /// distribution", 2007).
    #[must_use]
    pub fn saving_ratio(&self) -> Option<(f64, f64, f64)> {
        if self.measured == 0 {
            return None;
        }
        let count = self.measured as f64;
        let mean = self.ratio_sum / count;
        let squares = (self.ratio_squares - count * mean * mean).max(0.0);
        let weight = RATIO_PRIOR_COUNT + count;
        let centre = (RATIO_PRIOR_COUNT + self.ratio_sum) / weight;
        let shape = RATIO_PRIOR_SHAPE + count / 2.0;
        let pull = RATIO_PRIOR_COUNT * count * (mean - 1.0).powi(2) / (2.0 * weight);
        let rate = RATIO_PRIOR_RATE + squares / 2.0 + pull;
        let off = student((2.0 * shape) as usize) * (rate / (shape * weight)).sqrt();
        Some((centre, centre - off, centre + off))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trust(successes: u64, failures: u64) -> Trust {
        let mut trust = Trust::default();
        (0..successes).for_each(|_| trust.add(false, None));
        (0..failures).for_each(|_| trust.add(true, None));
        trust
    }

    fn near(one: f64, other: f64) {
        assert!((one - other).abs() < 1e-4, "{one} is not {other}");
    }

    #[test]
    fn failures_by_hand() {
        near(trust(0, 0).failure_mean(), 0.1);
        near(trust(20, 0).failure_mean(), 1.0 / 30.0);
        near(trust(8, 2).failure_mean(), 3.0 / 20.0);
        // Without failures 1 - 0.05^(1 / (n + 9)).
        near(trust(0, 0).failure_upper(), 1.0 - 0.05_f64.powf(1.0 / 9.0));
        near(trust(20, 0).failure_upper(), 1.0 - 0.05_f64.powf(1.0 / 29.0));
        assert!(trust(20, 2).failure_upper() > trust(20, 1).failure_upper());
    }

    #[test]
    fn few_outcomes_never_lower_a_risk() {
        near(trust(19, 0).sharpened(0.09), 0.09);
        near(trust(20, 0).sharpened(0.09), 0.03);
        near(trust(0, 2).sharpened(0.09), 2.9 / 12.0);
        near(Trust::default().sharpened(0.3), 0.3);
    }

    #[test]
    fn savings_by_hand() {
        let mut trust = Trust::default();
        assert_eq!(trust.saving_ratio(), None);
        trust.add(false, Some(f64::NAN));
        assert_eq!(trust.saving_ratio(), None);
        [0.8, 0.8, 0.8].iter().for_each(|ratio| trust.add(false, Some(*ratio)));
        // (1 + 2.4) / 4; shape 3.5, rate 0.09 + 3 x 0.04 / 8, 7 degrees of freedom.
        let (mid, low, high) = trust.saving_ratio().expect("three were measured");
        near(mid, 0.85);
        let off = 2.365 * (0.105_f64 / (3.5 * 4.0)).sqrt();
        near(high - mid, off);
        near(mid - low, off);
    }

    #[test]
    fn a_scope_reads_back() {
        let scope = Scope {
            action: Action::ResizeInstance,
            kind: Kind::Instance,
            family: "m5".to_owned(),
            class: WorkloadClass::Daily,
        };
        assert_eq!(scope.to_string().parse(), Ok(scope.clone()));
        let bad = ["", "trust", "trust/resize-instance/x/m5/daily", "trust/a/b/c/d/e"];
        assert!(bad.iter().all(|text| text.parse::<Scope>().is_err()));
    }

    proptest! {
        #[test]
        fn trust_is_ordered(good in 0_u64..200, bad in 0_u64..50, stated in 0.0_f64..1.0) {
            let (one, worse) = (trust(good, bad), trust(good, bad + 1));
            prop_assert!(one.failure_mean() < worse.failure_mean());
            prop_assert!(one.failure_upper() < worse.failure_upper() + 1e-12);
            prop_assert!(one.sharpened(stated) <= worse.sharpened(stated).max(stated) + 1e-12);
            prop_assert!((0.0..=1.0).contains(&one.sharpened(stated)));
            prop_assert!(one.failure_mean() <= one.failure_upper());
        }
    }
}
