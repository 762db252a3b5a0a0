//! How many people must say yes, and why more than one.
//!
//! Not here: who of them counts (`approval`) and who may (`authority`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{money::Usd, recommendation::Recommendation, resource::ResourceRef};

use crate::{
    authority::{Approver, Right},
    exception::Proposed,
    mode::Disruption,
    settings::Approvals,
};

/// Four eyes: what cannot be taken back is seen by two people wherever there are two.
const FOUR_EYES: u32 = 2;

/// When one yes is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QuorumRules {
    /// How many different people it takes where a rule applies.
    pub count: u32,
    /// The rule applies to savings a month above this.
    pub above_saving: Option<Usd>,
    /// The rule applies to risks above this, 0–1, and to a risk that is not known.
    pub above_risk: Option<f64>,
}

impl Default for QuorumRules {
    /// As before there were rules: one yes is enough.
    fn default() -> Self {
        Self { count: 1, above_saving: None, above_risk: None }
    }
}

/// How many people must say yes to one recommendation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// How many.
    pub count: u32,
    /// The rule of the settings that applies, whatever the count.
    pub rule: Option<String>,
}

/// How many people may approve a proposal now, whose scope holds its resource with the tags of wherever it was seen.
#[must_use]
pub fn able(approvals: &Approvals, proposed: &Proposed<'_>) -> usize {
    count(approvals, |one| proposed.seen().all(|it| one.scope.reason_outside(it).is_none()))
}

/// How many could, were the resource's tags these.
fn able_at(approvals: &Approvals, resource: &ResourceRef) -> usize {
    count(approvals, |one| one.scope.reason_outside(resource).is_none())
}

/// How many approvers are meant; where nobody is configured, whoever holds the local token is one person.
fn count(approvals: &Approvals, is_meant: impl Fn(&Approver) -> bool) -> usize {
    if approvals.approvers.is_empty() {
        return 1;
    }
    let people = approvals.approvers.values();
    people.filter(|one| one.role.holds(Right::Decide) && is_meant(one)).count()
}

/// How many people must say yes: more than one where it destroys and two could, and where the settings' rule applies.
///
/// Two could where it was seen with tags that say so, anywhere: whoever may set tags must not make one enough.
#[must_use]
pub fn needed(approvals: &Approvals, proposed: &Proposed<'_>) -> Needed {
    let (rules, recommendation) = (&approvals.quorum, proposed.recommendation);
    let two_could = || proposed.seen().any(|it| able_at(approvals, it) >= FOUR_EYES as usize);
    let destroys = Disruption::of(recommendation.action) == Disruption::Destructive && two_could();
    let rule = reason_above(rules, recommendation);
    let count = match (destroys, rule.is_some()) {
        (true, _) => rules.count.max(FOUR_EYES),
        (false, true) => rules.count.max(1),
        (false, false) => 1,
    };
    let destroys = destroys.then(|| "it is destructive".to_owned());
    Needed { count, rule: rule.or(destroys) }
}

/// The configured bound that a recommendation is above, if it is above one.
#[must_use]
pub fn reason_above(rules: &QuorumRules, recommendation: &Recommendation) -> Option<String> {
    let saving = rules.above_saving.and_then(|bound| match recommendation.saving {
        Some(saving) if saving <= bound => None,
        Some(saving) => Some(format!("its saving of {saving} a month is above {bound}")),
        None => Some(format!("its saving is not known to be at most {bound} a month")),
    });
    let risk = rules.above_risk.and_then(|bound| match recommendation.risk {
        Some(risk) if risk <= bound => None,
        Some(risk) => Some(format!("its risk of {risk:.3} is above {bound}")),
        None => Some(format!("its risk is not known to be at most {bound}")),
    });
    let reasons: Vec<String> = saving.into_iter().chain(risk).collect();
    (!reasons.is_empty()).then(|| reasons.join(", and "))
}

/// Where a recommendation that takes more than one person stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quorum {
    /// How many different people must say yes.
    pub needed: u32,
    /// Who has, and counts now.
    pub approved_by: Vec<String>,
    /// Why one is not enough.
    pub why: String,
    /// Why it cannot come about, where fewer people may approve it than it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_reach: Option<String>,
}

impl Quorum {
    /// How many are missing.
    #[must_use]
    pub fn missing(&self) -> u32 {
        let given = u32::try_from(self.approved_by.len()).unwrap_or(u32::MAX);
        self.needed.saturating_sub(given)
    }

    /// In words, such as `approved by ada, needs one more: it is destructive`.
    #[must_use]
    pub fn words(&self) -> String {
        let given = match self.approved_by.as_slice() {
            [] => String::new(),
            names => format!("approved by {}, ", names.join(" and ")),
        };
        let needs = match (self.missing(), self.approved_by.is_empty()) {
            (0, _) => format!("as many as it needs ({})", self.needed),
            (missing, true) => format!("needs the yes of {missing} people"),
            (1, false) => "needs one more".to_owned(),
            (missing, false) => format!("needs {missing} more"),
        };
        let reach = self.out_of_reach.as_ref().map_or_else(String::new, |why| format!("; {why}"));
        format!("{given}{needs}: {}{reach}", self.why)
    }
}

#[cfg(test)]
mod tests;
