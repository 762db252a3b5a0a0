//! The three modes, and which rule decides the mode of a resource.
//!
//! Not here: what a mode lets through (`plan`).

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use trimtab_models::{
    recommendation::{Action, Recommendation},
    resource::{Kind, ResourceRef},
};

use crate::{
    action::{durability_given_up, row_of},
    scope::{self, Target},
};

/// The tag by which whoever may tag can make a resource more conservative, never less.
pub const MODE_TAG: &str = "trimtab:mode";

/// The tag whose presence excludes a resource.
pub const EXCLUDE_TAG: &str = "trimtab:exclude";

/// Auto Scaling's own tag on its members; keys that begin with `aws:` cannot be set by customers.
pub(crate) const SCALING_GROUP_TAG: &str = "aws:autoscaling:groupName";

/// How far Trimtab may go by itself. The order is from the most to the least conservative.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Recommends only.
    Datapilot,
    /// Applies what an approver approved.
    Copilot,
    /// Applies what passes every check.
    Autopilot,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Datapilot => "datapilot",
            Self::Copilot => "copilot",
            Self::Autopilot => "autopilot",
        })
    }
}

/// What a rule matches; every given key must match, and each tag counts as one key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Matcher {
    /// An account's 12-digit id (configuration resolves names to ids).
    pub account: Option<String>,
    /// A region.
    pub region: Option<String>,
    /// A kind.
    pub kind: Option<Kind>,
    /// An exact ARN.
    pub arn: Option<String>,
    /// Tags, key and exact value.
    pub tags: BTreeMap<String, String>,
    /// A group as the glossary defines it.
    pub group: Option<String>,
    /// An action.
    pub action: Option<Action>,
}

/// A rule: resources and actions that match run in this mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What it matches. A matcher without keys matches nothing.
    pub matcher: Matcher,
    /// The mode.
    pub mode: Mode,
}

/// How much service a change takes away while it is carried out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Disruption {
    /// Nothing is noticed.
    None,
    /// Environments recycle.
    Brief,
    /// A machine goes down and comes back.
    Restart,
    /// Members are replaced one after another.
    Rolling,
    /// Something is gone afterwards.
    Destructive,
}

impl Disruption {
    /// The disruption of an action, per the design's table of actions.
    #[must_use]
    pub const fn of(action: Action) -> Self {
        match action {
            Action::ResizeInstance | Action::StopIdleInstance => Self::Restart,
            Action::MigrateVolumeType | Action::TuneVolume | Action::ScheduleGroup => Self::None,
            Action::DeleteUnattachedVolume => Self::Destructive,
            Action::TuneFunctionMemory => Self::Brief,
            Action::TuneGroupCapacity | Action::ResizeGroupInstances => Self::Rolling,
        }
    }
}

impl fmt::Display for Disruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Brief => "brief",
            Self::Restart => "restart",
            Self::Rolling => "rolling",
            Self::Destructive => "destructive",
        })
    }
}

/// What autopilot may do without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Autopilot {
    /// The most disruption it may cause by itself.
    pub max_disruption: Disruption,
    /// Whether it may lower a performance dimension by itself.
    pub allow_decrease: bool,
}

/// The modes section of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modes {
    /// Where no rule matches.
    pub default: Mode,
    /// The rules, in the file's order.
    pub rules: Vec<Rule>,
    /// Tag keys that may raise a mode, because who may set them is controlled elsewhere.
    pub trusted_tag_keys: Vec<String>,
    /// The highest mode possible in an account, by id: datapilot where no apply role exists. An account that is not listed is datapilot.
    pub ceilings: BTreeMap<String, Mode>,
    /// Where an account's role can no longer change a kind, by account and kind, each with why: datapilot there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reduced: BTreeMap<String, BTreeMap<Kind, String>>,
    /// The caps of autopilot.
    pub autopilot: Autopilot,
}

/// The mode of one resource and action, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeDecision {
    /// The mode.
    pub mode: Mode,
    /// The rule that decided, by its place in the file (from 0); `None` where the default did.
    pub rule: Option<usize>,
    /// Which rule decided and what lowered it since, in words.
    pub reason: String,
}

impl ModeDecision {
    /// Lowers it to `mode` at most, and says why.
    pub fn lower_to(&mut self, mode: Mode, why: &str) {
        if self.mode > mode {
            self.mode = mode;
            self.reason = format!("{}; {mode}, because {why}", self.reason);
        }
    }
}

/// The mode of a resource and action.
///
/// The most specific rule decides; then the resource's own tag, the account's ceiling and the caps of autopilot can each lower
/// it. `lowers_performance` is what the evidence says; for a question without a recommendation ask with both values.
#[must_use]
pub fn mode_of(
    modes: &Modes,
    reference: &ResourceRef,
    group: &str,
    action: Action,
    lowers_performance: bool,
) -> ModeDecision {
    let target = Target { reference, group, action };
    let mut decision = by_rules(modes, &target);
    if let Some(value) = reference.tags.get(MODE_TAG) {
        let (mode, why) = mode_of_tag(value);
        decision.lower_to(mode, &why);
    }
    match modes.ceilings.get(&reference.account) {
        Some(ceiling) => {
            let why = format!("account {} allows no more", reference.account);
            decision.lower_to(*ceiling, &why);
        }
        None => {
            let why = format!("account {} is not configured", reference.account);
            decision.lower_to(Mode::Datapilot, &why);
        }
    }
    let reduced = modes.reduced.get(&reference.account);
    if let Some(why) = reduced.and_then(|kinds| kinds.get(&reference.kind)) {
        decision.lower_to(Mode::Datapilot, why);
    }
    for why in caps(modes.autopilot, action, lowers_performance) {
        decision.lower_to(Mode::Copilot, &why);
    }
    decision
}

/// What the rules alone say: from the least to the most specific, each level replaces what the one before said.
///
/// A rule that rests on tags which anybody may set can only lower what the levels up to its own say.
fn by_rules(modes: &Modes, target: &Target<'_>) -> ModeDecision {
    let mut levels: BTreeMap<(bool, usize), Vec<usize>> = BTreeMap::new();
    for (index, rule) in modes.rules.iter().enumerate() {
        if scope::matches(&rule.matcher, target) {
            let level = (rule.matcher.arn.is_some(), scope::key_count(&rule.matcher));
            levels.entry(level).or_default().push(index);
        }
    }
    let mut decided = (modes.default, None);
    for indices in levels.values() {
        let (trusted, untrusted): (Vec<usize>, Vec<usize>) = indices
            .iter()
            .copied()
            .partition(|index| may_raise(modes, &modes.rules[*index].matcher, target));
        let lowest = |indices: &[usize]| {
            indices.iter().map(|index| (modes.rules[*index].mode, Some(*index))).min()
        };
        decided = lowest(&trusted).unwrap_or(decided);
        decided = match lowest(&untrusted) {
            Some(lowering) if lowering.0 < decided.0 => lowering,
            Some(_) | None => decided,
        };
    }
    let (mode, rule) = decided;
    let reason = match rule {
        Some(index) => format!(
            "rule {} ({}) says {mode}",
            index + 1,
            scope::describe(&modes.rules[index].matcher)
        ),
        None => format!("no rule decides, the default is {mode}"),
    };
    ModeDecision { mode, rule, reason }
}

/// Whether a rule may raise the mode: nothing that it matches can be changed by whoever may tag the resource.
///
/// A group is a tag in disguise where its name comes from one: then the same trust is asked for.
fn may_raise(modes: &Modes, matcher: &Matcher, target: &Target<'_>) -> bool {
    let trusted = |key: &String| modes.trusted_tag_keys.contains(key);
    let tags = &target.reference.tags;
    let group_is_given = matcher.group.is_none()
        || target.reference.kind == Kind::Group
        || tags.get(SCALING_GROUP_TAG).is_some_and(|name| name == target.group)
        || !tags.iter().any(|(key, value)| value == target.group && !trusted(key));
    group_is_given && matcher.tags.keys().all(trusted)
}

fn mode_of_tag(value: &str) -> (Mode, String) {
    let known = [Mode::Datapilot, Mode::Copilot, Mode::Autopilot]
        .into_iter()
        .find(|mode| mode.to_string() == value);
    match known {
        Some(mode) => (mode, format!("its tag {MODE_TAG} says so")),
        None => (Mode::Datapilot, format!("its tag {MODE_TAG} holds `{value}`, which is no mode")),
    }
}

/// Why autopilot leaves an action to a person.
fn caps(autopilot: Autopilot, action: Action, lowers_performance: bool) -> Vec<String> {
    let row = row_of(action);
    let mut reasons = Vec::new();
    if row.always_approval {
        reasons.push(format!("{action} always needs an approval"));
    }
    if row.disruption > autopilot.max_disruption {
        reasons.push(format!(
            "{action} disrupts ({}) more than autopilot.max_disruption ({})",
            row.disruption, autopilot.max_disruption
        ));
    }
    if lowers_performance && !autopilot.allow_decrease {
        reasons.push("it lowers performance and autopilot.allow_decrease is off".to_owned());
    }
    reasons
}

/// What one review makes of the mode: as [`mode_of`], and a person also decides where durability is given up.
pub(crate) fn mode_of_recommendation(
    modes: &Modes,
    recommendation: &Recommendation,
    reference: &ResourceRef,
    group: &str,
) -> ModeDecision {
    let mut decision = mode_of(
        modes,
        reference,
        group,
        recommendation.action,
        recommendation.evidence.lowers_performance,
    );
    if let Some(loss) = durability_given_up(recommendation) {
        decision.lower_to(Mode::Copilot, &loss);
    }
    decision
}

#[cfg(test)]
mod tests;
