//! What a seed of the swarm stands for: a small fleet, its settings, its people, and everything that goes wrong.
//!
//! Pure: the same seed gives the same plan. Not here: running it (`trimtab`).

mod draw;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use trimtab_models::{catalog::Catalog, resource::Kind};
use trimtab_policies::mode::Mode;

use crate::{
    checker::Bounds,
    fault::{Fault, Rule},
    scenario::Scenario,
    world::World,
};

/// One run of the swarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The seed of everything random.
    pub seed: u64,
    /// Virtual days.
    pub days: u32,
    /// The fleet, the settings and the approver.
    pub scenario: Scenario,
    /// What the checkers hold the agent to.
    pub bounds: Bounds,
    /// What goes wrong.
    pub rules: Vec<Rule>,
    /// How long the process is away after each death.
    pub downtime: SignedDuration,
}

impl Plan {
    /// The plan of a seed: fleet, settings, people and faults are all drawn.
    #[must_use]
    pub fn of(seed: u64, catalog: &Catalog) -> Self {
        draw::plan(seed, catalog)
    }

    /// The plan of a seed for a given scenario: only faults are drawn.
    #[must_use]
    pub fn for_scenario(scenario: &Scenario, seed: u64, days: u32, catalog: &Catalog) -> Self {
        let world = World::new(scenario, seed, catalog.clone());
        let mut random = draw::random(seed);
        let rules = draw::rules(&mut random, &world, scenario.start, days);
        let mut plan = Self {
            seed,
            days,
            scenario: scenario.clone(),
            bounds: Bounds::default(),
            rules: Vec::new(),
            downtime: draw::downtime(&mut random),
        };
        plan.set_rules(rules);
        plan
    }

    /// The end of the run.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        let length = SignedDuration::from_hours(24 * i64::from(self.days));
        self.scenario.start.saturating_add(length).unwrap_or(self.scenario.start)
    }

    /// Replaces the rules, and what the checkers make of them.
    #[expect(clippy::wildcard_enum_match_arm, reason = "two kinds of faults matter here")]
    pub fn set_rules(&mut self, rules: Vec<Rule>) {
        let always = |rule: &&Rule| rule.from <= self.scenario.start && rule.until >= self.end();
        self.bounds.blind = rules
            .iter()
            .filter(always)
            .filter_map(|rule| match &rule.fault {
                Fault::Metrics { id: Some(id), measure: None, how } => Some((id.clone(), *how)),
                _ => None,
            })
            .collect();
        let wrong = rules.iter().map(|rule| match rule.fault {
            Fault::ClockOff(seconds) => SignedDuration::from_secs(seconds.abs()),
            _ => SignedDuration::ZERO,
        });
        self.bounds.clock_error = wrong.sum();
        self.rules = rules;
    }

    /// The mode of a kind, by the plan.
    #[must_use]
    pub fn modes(default: Mode, rule: Option<(Kind, Mode)>) -> BTreeMap<Kind, Mode> {
        let mode = |kind| match rule {
            Some((of, mode)) if of == kind => mode,
            _ => default,
        };
        Kind::ALL.into_iter().map(|kind| (kind, mode(kind))).collect()
    }
}
