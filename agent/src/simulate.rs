//! Rehearsing: the real flow on a simulated account in virtual time, with checkers that watch every move.
//!
//! The same seed gives the same bytes. Not here: the account and the checkers (`trimtab_simulations`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, mpsc::Receiver},
};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use trimtab_config::{Account, Settings, Trust};
use trimtab_models::{catalog::Catalog, money::Usd, recommendation::Action, spec::Spec};
use trimtab_policies::{
    authority::LOCAL_NAME,
    change::{Change, State},
    mode::Mode,
    plan::Disposition,
    record::Record,
};
use trimtab_simulations::{
    checker::Checker,
    scenario::{Approver, Scenario},
    world::{Breaches, World},
};

use crate::{
    agent::Agent,
    begin::begin_approved,
    clock::ManualClock,
    cycle::{Begin, run_cycle},
    decide::{Approval, Rejection, approve, reject},
    execute::{Advance, advance},
    ports::Clock,
    schedule::{Schedules, next_time, schedules},
    simulated::Simulated,
    stage::Stage,
    verify::verify_all,
    view::{PlanView, RecommendationState},
};

/// How a scenario is rehearsed.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal {
    /// The seed of everything random.
    pub seed: u64,
    /// Virtual days.
    pub days: u32,
    /// A mode for everything, instead of the scenario's.
    pub mode: Option<Mode>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RehearsalReport {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Virtual days.
    pub days: u32,
    /// Resources at the start.
    pub resources: u64,
    /// Distinct recommendations.
    pub recommendations: u64,
    /// Changes whose steps were all done.
    pub changes_applied: u64,
    /// Changes that were applied and taken back.
    pub changes_undone: u64,
    /// Changes by where they stood at the end.
    pub changes_by_state: BTreeMap<String, u64>,
    /// How changes ended that did not end well, in words.
    pub troubles: Vec<String>,
    /// The changes that stay, by ARN.
    pub changes: Vec<RehearsedChange>,
    /// Distinct recommendations that were ever withheld.
    pub withheld: u64,
    /// Cost a month at the start.
    pub cost_usd_monthly: Usd,
    /// Saving a month that the applied changes truly bring at the end, at list prices.
    pub saving_usd_monthly: Usd,
    /// Breaching ÷ observed intervals of changed resources after their changes.
    pub breach_ratio: f64,
    /// Writes that the account accepted.
    pub writes: u64,
    /// What the checkers found.
    pub invariant_violations: Vec<String>,
}

/// The account of a simulation, as settings name it.
#[must_use]
pub fn account_of(id: &str, regions: &[String]) -> Account {
    Account {
        name: "simulated".to_owned(),
        id: id.to_owned(),
        role_arn: None,
        apply_role_arn: None,
        external_id: None,
        trust: Trust::ExternalId,
        regions: regions.to_vec(),
    }
}

/// A change of a rehearsal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RehearsedChange {
    /// The resource.
    pub arn: String,
    /// What was done.
    pub action: Action,
    /// The configuration before.
    pub from: Spec,
    /// The configuration asked for.
    pub to: Spec,
    /// Where it stands.
    pub state: State,
    /// What was promised.
    pub predicted_saving_usd_monthly: Option<Usd>,
}

/// Settings of a scenario, for a state folder.
///
/// # Errors
/// When the scenario's settings are wrong.
pub fn scenario_settings(
    scenario: &Scenario,
    state_dir: &Path,
    mode: Option<Mode>,
) -> anyhow::Result<Settings> {
    let settings = trimtab_config::from_scenario(scenario.settings.clone(), &scenario.name)?;
    let mut settings = settings.with_simulated_accounts(std::slice::from_ref(&scenario.account));
    if settings.accounts.is_empty() {
        settings.accounts.push(account_of(&scenario.account, &scenario.regions));
    }
    state_dir.clone_into(&mut settings.agent.state_dir);
    settings.api.token_file = state_dir.join("operator.token");
    if let Some(mode) = mode {
        settings.policy.modes.default = mode;
        settings.policy.modes.rules.clear();
    }
    Ok(settings)
}

/// Runs a scenario as fast as it can. `tick` is told the virtual day, for a progress bar.
///
/// # Errors
/// When the scenario's settings are wrong, or the temporary state cannot be written.
pub async fn rehearse(
    scenario: &Scenario,
    rehearsal: Rehearsal,
    mut tick: impl FnMut(u32),
) -> anyhow::Result<RehearsalReport> {
    let state = scratch().context("no temporary folder can be made")?;
    let settings = scenario_settings(scenario, state.path(), rehearsal.mode)?;
    let clock = ManualClock::new(scenario.start);
    let world = World::new(scenario, rehearsal.seed, Catalog::embedded());
    let simulated = Simulated::new(world, Arc::new(clock.clone()));
    let cost = simulated.world().cost_monthly(scenario.start);
    let agent = Agent::open(settings, simulated.ports(), Catalog::embedded())?;
    let records = agent.ledger().follow();
    let schedules = schedules(&agent);
    let mut run = Run {
        agent,
        simulated,
        records,
        journal: Vec::new(),
        checker: Checker::new(),
        wakes: BTreeMap::new(),
        seen: Seen::default(),
    };
    let end = scenario.start + SignedDuration::from_hours(24 * i64::from(rehearsal.days));
    let mut due = first_due(&schedules, scenario.start)?;
    let people: Vec<&Approver> = scenario.people().collect();
    while let Some(at) = run.next_time(&due).filter(|at| *at <= end) {
        clock.set(at);
        let now = clock.now();
        for (expression, stage) in &schedules {
            if due.get(stage).is_some_and(|due| *due <= now) {
                run.stage(*stage, &people).await?;
                due.insert(*stage, next_time(expression, now)?);
            }
        }
        run.carry_on(now).await?;
        run.check(now);
        tick(u32::try_from((now.as_second() - scenario.start.as_second()) / 86_400).unwrap_or(0));
    }
    clock.set(end);
    Ok(run.report(scenario, rehearsal, cost, end))
}

/// A folder in memory where the system has one: what a rehearsal writes is thrown away, and syncing it would only take time.
pub(crate) fn scratch() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

fn first_due(
    schedules: &Schedules,
    start: Timestamp,
) -> anyhow::Result<BTreeMap<Stage, Timestamp>> {
    schedules
        .iter()
        .map(|(expression, stage)| {
            // The first cycle runs at the start, as the daemon's does.
            let at = if *stage == Stage::Cycle { start } else { next_time(expression, start)? };
            Ok((*stage, at))
        })
        .collect()
}

#[derive(Debug, Default)]
struct Seen {
    recommendations: BTreeSet<String>,
    withheld: BTreeSet<String>,
    resources: u64,
}

impl Seen {
    fn note(&mut self, plan: &PlanView) {
        if self.resources == 0 {
            self.resources = plan.cycle.resources.values().sum();
        }
        for entry in &plan.recommendations {
            self.recommendations.insert(entry.id.clone());
            if entry.decision == Disposition::Withheld {
                self.withheld.insert(entry.id.clone());
            }
        }
    }
}

/// One run, between its events.
struct Run {
    agent: Agent,
    simulated: Simulated,
    records: Receiver<Record>,
    journal: Vec<Record>,
    checker: Checker,
    wakes: BTreeMap<String, Timestamp>,
    seen: Seen,
}

impl Run {
    fn next_time(&self, due: &BTreeMap<Stage, Timestamp>) -> Option<Timestamp> {
        due.values().chain(self.wakes.values()).min().copied()
    }

    async fn stage(&mut self, stage: Stage, people: &[&Approver]) -> anyhow::Result<()> {
        match stage {
            Stage::Verify => {
                verify_all(&self.agent).await?;
            }
            Stage::Begin => {
                begin_approved(&self.agent).await?;
            }
            Stage::Cycle => {
                let plan = run_cycle(&self.agent, Begin::Allowed).await?;
                self.seen.note(&plan);
                for person in people {
                    answer(&self.agent, person).await?;
                }
            }
        }
        Ok(())
    }

    /// Moves every open change whose time has come.
    async fn carry_on(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let open: Vec<String> = {
            let ledger = self.agent.ledger();
            let changes = ledger.book().changes().values();
            changes.filter(|change| change.has_work()).map(|change| change.id.clone()).collect()
        };
        for change_id in open {
            if self.wakes.get(&change_id).is_some_and(|at| *at > now) {
                continue;
            }
            match advance(
                &self.agent.ports(),
                &self.agent.ledger,
                &self.agent.stop_switch(),
                &change_id,
            )
            .await?
            {
                Advance::WakeAt(at) => self.wakes.insert(change_id, at),
                Advance::Resting(_) => self.wakes.remove(&change_id),
            };
        }
        Ok(())
    }

    fn check(&mut self, now: Timestamp) {
        self.journal.extend(self.records.try_iter());
        self.checker.observe(&self.simulated.world(), &self.journal, now);
    }

    fn report(
        mut self,
        scenario: &Scenario,
        rehearsal: Rehearsal,
        cost: Usd,
        end: Timestamp,
    ) -> RehearsalReport {
        self.check(end);
        let world = self.simulated.world();
        let ledger = self.agent.ledger();
        let (mut saving, mut breaches) = (Usd::ZERO, Breaches::default());
        let (mut applied, mut undone) = (0, 0);
        let (mut by_state, mut first_opened) = (BTreeMap::new(), BTreeMap::new());
        let (mut troubles, mut changes) = (Vec::new(), Vec::new());
        for change in ledger.book().changes().values() {
            *by_state.entry(change.state.to_string()).or_insert(0) += 1;
            troubles.extend(trouble(change));
            let Some(applied_at) = change.applied_at else { continue };
            applied += 1;
            if change.state == State::Undone {
                undone += 1;
                continue;
            }
            let recommendation = &change.recommendation;
            let arn = &recommendation.resource.arn.0;
            breaches += world.breaches(arn, applied_at, end);
            // A resource that was changed twice has saved since the first time.
            let first = first_opened.entry(arn.clone()).or_insert(change.opened_at);
            *first = change.opened_at.min(*first);
            changes.push(RehearsedChange {
                arn: arn.clone(),
                action: recommendation.action,
                from: recommendation.expected.clone(),
                to: recommendation.desired.clone(),
                state: change.state,
                predicted_saving_usd_monthly: recommendation.saving,
            });
        }
        for (arn, opened_at) in &first_opened {
            // Virtual time stands still during a move: what was before is what was a second ago.
            let before = *opened_at - SignedDuration::from_secs(1);
            let since = world.saving_since(arn, before, end).unwrap_or(Usd::ZERO);
            saving = saving.saturating_add(since);
        }
        changes.sort_by(|left, right| left.arn.cmp(&right.arn));
        RehearsalReport {
            scenario: scenario.name.clone(),
            seed: rehearsal.seed,
            days: rehearsal.days,
            resources: self.seen.resources,
            recommendations: self.seen.recommendations.len() as u64,
            changes_applied: applied,
            changes_undone: undone,
            changes_by_state: by_state,
            troubles,
            changes,
            withheld: self.seen.withheld.len() as u64,
            cost_usd_monthly: cost,
            saving_usd_monthly: saving,
            breach_ratio: breaches.breaching as f64 / (breaches.observed.max(1)) as f64,
            writes: world.log().len() as u64,
            invariant_violations: self.checker.violations(),
        }
    }
}

/// One of the scenario's people looks at what awaits an approval, and says no where they reject, else yes where they approve.
///
/// Where nobody is configured they come with the local token, under the name of whoever holds it.
pub(crate) async fn answer(agent: &Agent, approver: &Approver) -> anyhow::Result<()> {
    let now = agent.ports().clock.now();
    let is_local = agent.settings().policy.approvals.approvers.is_empty();
    let by = if is_local { LOCAL_NAME } else { approver.name.as_str() };
    let pause = SignedDuration::from_hours(i64::from(approver.after_hours));
    let waiting = agent.store().recommendations()?.into_values().filter(|view| {
        view.state == RecommendationState::AwaitingApproval
            && now.duration_since(view.first_seen_at) >= pause
    });
    for view in waiting.collect::<Vec<_>>() {
        let action = &view.entry.recommendation.action;
        let answered = if approver.rejects.contains(action) {
            let hours = approver.rejects_for_hours.map(i64::from).map(SignedDuration::from_hours);
            let until = hours.and_then(|hours| now.checked_add(hours).ok());
            let reason = "not this one".to_owned();
            reject(agent, &view.entry.id, by, Rejection { reason, until, tag: None })
        } else if approver.approves.contains(action) {
            let approval = Approval {
                digest: Some(view.entry.digest.clone()),
                now: approver.now,
                ..Approval::default()
            };
            approve(agent, &view.entry.id, by, approval).await
        } else {
            continue;
        };
        if let Err(refused) = answered {
            tracing::debug!(%refused, "the answer was refused");
        }
    }
    Ok(())
}

fn trouble(change: &Change) -> Option<String> {
    let outcome = change.outcome.as_ref().filter(|outcome| outcome.state != State::Kept)?;
    let arn = &change.recommendation.resource.arn;
    Some(format!(
        "{} {} of {arn}: {}: {}",
        change.id, change.recommendation.action, outcome.state, outcome.reason
    ))
}
