//! Independent checkers: invariants of what an agent did, from the account's own log and the agent's journal.
//!
//! They share no code with the gate or the engine: they look at effects only. One rule a file, each looked at after every
//! record, every write and every tick. Not here: judging whether a change was wise.

mod approval;
mod balancer;
mod budget;
mod circuit;
mod cooldown;
mod exception;
mod foreign;
mod intent;
mod left_off;
mod mode;
mod once;
mod opt_out;
mod quorum;
mod replan;
mod shared;
mod stop;
mod story;
mod target;
mod telemetry;
#[cfg(test)]
mod tests;
mod time;
mod undo;
mod whole;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::{SignedDuration, Timestamp};
use trimtab_models::resource::Kind;
use trimtab_policies::{
    authority::LOCAL_NAME,
    change::{Change, State},
    mode::Mode,
    plan::PlanEntry,
    record::{Entry, Record},
};

use crate::{fault::Distortion, world::World};

pub use story::{Done, Story, Told, Yes};

/// What the checkers hold the agent to. The default is the shipped budgets, and nothing that a scenario's settings add.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// Disruptive changes begun in any hour of one account and region.
    pub disruptive_per_hour: usize,
    /// Other changes begun in any hour of one account and region.
    pub other_per_hour: usize,
    /// Disruptive changes in flight in the account.
    pub disruptive_in_flight: usize,
    /// Days between the end of a change and the next one to the same resource (volumes aside).
    pub cooldown_days: i64,
    /// Days for which an approval is good.
    pub approval_days: f64,
    /// How many different people it takes where one is not enough.
    pub quorum: usize,
    /// Saving a month, dollars, above which one is not enough.
    pub quorum_above_saving: Option<f64>,
    /// Risk above which one is not enough.
    pub quorum_above_risk: Option<f64>,
    /// Whose yes counts, in lower case. Empty: that of whoever holds the local token alone.
    pub people: BTreeSet<String>,
    /// The most that is done with resources of each kind; a kind that is not named is not judged.
    pub modes: BTreeMap<Kind, Mode>,
    /// The hours of every day, UTC, in which changes may begin: from, and until (exclusive; at or before `from`, of the
    /// next day).
    pub window: Option<(i8, i8)>,
    /// When no change may begin.
    pub freeze: Option<(Timestamp, Timestamp)>,
    /// Ids of resources whose metrics are wrong all the time.
    pub blind: BTreeMap<String, Distortion>,
    /// How wrong the agent's clock may be, because a rule says so.
    pub clock_error: SignedDuration,
}

impl Bounds {
    /// Whether somebody's yes counts.
    pub(crate) fn may_approve(&self, name: &str) -> bool {
        let name = name.trim().to_lowercase();
        if self.people.is_empty() { name == LOCAL_NAME } else { self.people.contains(&name) }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            disruptive_per_hour: 4,
            other_per_hour: 20,
            disruptive_in_flight: 3,
            cooldown_days: 7,
            approval_days: 7.0,
            quorum: 2,
            quorum_above_saving: None,
            quorum_above_risk: None,
            people: BTreeSet::new(),
            modes: BTreeMap::new(),
            window: None,
            freeze: None,
            blind: BTreeMap::new(),
            clock_error: SignedDuration::ZERO,
        }
    }
}

/// What a rule looks at, beside what just happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) story: &'a Story,
    pub(crate) bounds: &'a Bounds,
    pub(crate) world: &'a World,
    /// The true time.
    pub(crate) now: Timestamp,
}

/// One rule. What it returns are violations, in words.
pub(crate) trait Invariant: fmt::Debug + Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// A record was journalled; the story does not hold it yet.
    fn record(&mut self, _: &Record, _: View<'_>) -> Vec<String> {
        Vec::new()
    }

    /// The account accepted a write of this agent; the story does not hold it yet.
    fn write(&mut self, _: &Done, _: View<'_>) -> Vec<String> {
        Vec::new()
    }

    /// Time has passed.
    fn tick(&mut self, _: View<'_>) -> Vec<String> {
        Vec::new()
    }

    /// A cycle made a plan.
    fn plan(&mut self, _: &[PlanEntry], _: View<'_>) -> Vec<String> {
        Vec::new()
    }
}

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The rule's name.
    pub invariant: &'static str,
    /// What happened.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.text)
    }
}

/// Follows a run of one agent and collects violations.
#[derive(Debug)]
pub struct Checker {
    bounds: Bounds,
    story: Story,
    rules: Vec<Box<dyn Invariant>>,
    records_seen: usize,
    writes_seen: usize,
    violations: BTreeSet<Violation>,
}

impl Default for Checker {
    fn default() -> Self {
        Self::with(Bounds::default(), 0)
    }
}

impl Checker {
    /// A checker with the shipped budgets, of the only agent.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A checker of one of several agents.
    #[must_use]
    pub fn with(bounds: Bounds, agent: u32) -> Self {
        Self {
            bounds,
            story: Story::of(agent),
            rules: rules(),
            records_seen: 0,
            writes_seen: 0,
            violations: BTreeSet::new(),
        }
    }

    /// The names of all rules.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        rules().iter().map(|rule| rule.name()).collect()
    }

    /// Every violation so far.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.violations.iter().map(ToString::to_string).collect()
    }

    /// The names of the rules that were violated.
    #[must_use]
    pub fn broken(&self) -> BTreeSet<&'static str> {
        self.violations.iter().map(|violation| violation.invariant).collect()
    }

    /// Looks at everything that is new: records first, then what the account's log gained. Call it before and after every
    /// write, so that a record that came too late is seen to.
    pub fn observe(&mut self, world: &World, records: &[Record], now: Timestamp) {
        for record in &records[self.records_seen.min(records.len())..] {
            self.ask(world, now, |rule, view| rule.record(record, view));
            self.story.fold(record, now);
        }
        self.records_seen = records.len();
        for write in &world.log()[self.writes_seen..] {
            if write.by != self.story.agent {
                continue;
            }
            let done = self.story.explain(write);
            self.ask(world, now, |rule, view| rule.write(&done, view));
            self.story.fold_write(done);
        }
        self.writes_seen = world.log().len();
        self.ask(world, now, |rule, view| rule.tick(view));
    }

    /// Somebody set the stop switch at a true time, or released it, whether or not the agent knows.
    pub fn switch(&mut self, since: Option<Timestamp>) {
        self.story.stopped = since;
    }

    /// Looks at a plan, before anything of it has begun.
    pub fn plan(&mut self, world: &World, entries: &[PlanEntry], now: Timestamp) {
        self.ask(world, now, |rule, view| rule.plan(entries, view));
    }

    fn ask(
        &mut self,
        world: &World,
        now: Timestamp,
        mut question: impl FnMut(&mut dyn Invariant, View<'_>) -> Vec<String>,
    ) {
        let view = View { story: &self.story, bounds: &self.bounds, world, now };
        for rule in &mut self.rules {
            let invariant = rule.name();
            let texts = question(rule.as_mut(), view);
            self.violations.extend(texts.into_iter().map(|text| Violation { invariant, text }));
        }
    }
}

/// Every rule, by name.
fn rules() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(approval::Approval),
        Box::new(balancer::Balancer::default()),
        Box::new(budget::Budget),
        Box::new(circuit::CircuitOpen),
        Box::new(cooldown::Cooldown),
        Box::new(exception::Excepted),
        Box::new(foreign::Foreign::default()),
        Box::new(intent::Intent),
        Box::new(left_off::LeftOff::default()),
        Box::new(mode::Modes),
        Box::new(once::Once::default()),
        Box::new(opt_out::OptOut),
        Box::new(quorum::Quorum),
        Box::new(replan::Replan),
        Box::new(shared::Shared::default()),
        Box::new(stop::Stop),
        Box::new(target::Target),
        Box::new(telemetry::Telemetry),
        Box::new(time::Time),
        Box::new(undo::Undo),
        Box::new(whole::Whole),
    ]
}

/// A change that a record opens.
pub(crate) fn opened(record: &Record) -> Option<&Change> {
    let Entry::Opened { change } = &record.entry else { return None };
    // An adopted change is the way back of a lost agent's, which a person asked for and no check gates.
    Some(change).filter(|change| change.state != State::Undoing).map(AsRef::as_ref)
}
