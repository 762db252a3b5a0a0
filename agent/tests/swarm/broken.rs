//! Proof that the checkers can fail: each invariant is broken on purpose in a full run, by a decorator over a port or by a
//! hand that reaches past the gate, and the checker names it.
//!
//! Not here: the checkers' own tables (`trimtab_simulations`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use trimtab::{
    agent::Agent,
    decide,
    except::except,
    faulty::{Meddle, meddled},
    ledger::SELF,
    ports::{Act, Clock, Observe, Place, Ports},
    swarm::Tampering,
};
use trimtab_models::{
    recommendation::{Action, Recommendation},
    resource::{Detail, InstanceState, Resource, ResourceRef},
    spec::Spec,
};
use trimtab_policies::{
    approval::{Decision, Verdict},
    change::{Change, State},
    exception::About,
    mode::Mode,
    operations::{Failure, Operation, Receipt},
    plan::Disposition,
    record::{Entry, Event},
    session::Session,
};
use trimtab_simulations::{
    checker::Checker,
    fault::{Distortion, Fault},
    swarm::Plan,
    world::ForeignChange,
};

use crate::{
    bench::{change_of, recommend},
    quiet::{plan, ran, rule},
};

/// Runs a plan that somebody meddles with; the named rule is broken, and without the meddling none is.
async fn breaks(plan: &Plan, tampering: Tampering, invariant: &str) {
    let clean = ran(plan, &Tampering::default()).await;
    assert_eq!(clean.violations, Vec::<String>::new(), "{invariant}: nobody meddled yet");
    let broken = ran(plan, &tampering).await;
    let named = broken.violations.iter().any(|text| text.starts_with(&format!("{invariant}: ")));
    assert!(named, "`{invariant}` is not in {:#?}\n{:#?}", broken.violations, broken.trace);
}

fn between(meddle: impl Meddle + 'static) -> Tampering {
    let meddle: Arc<dyn Meddle> = Arc::new(meddle);
    Tampering { ports: Arc::new(move |ports| meddled(ports, &meddle)), ..Tampering::default() }
}

/// Whoever opens a change directly, past the gate, after the first cycle.
fn past_the_gate(opens: impl Fn(&Agent, Timestamp) + Send + Sync + 'static) -> Tampering {
    let done = Mutex::new(false);
    let after_cycle = move |agent: &Agent| {
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *done, true) {
            opens(agent, agent.ports().clock.now());
        }
    };
    Tampering { after_cycle: Arc::new(after_cycle), ..Tampering::default() }
}

/// Every resource that the agent knows and `action` can be done to.
fn known(agent: &Agent, is: impl Fn(&Resource) -> bool) -> Vec<Resource> {
    agent.inventory().values().filter(|resource| is(resource)).cloned().collect()
}

/// Opens a change as the gate never would.
fn force(agent: &Agent, action: Action, resource: &Resource, mode: Mode, at: Timestamp) -> Change {
    let recommendation = recommend(action, resource);
    force_as(agent, &recommendation, resource, mode, at)
}

fn force_as(
    agent: &Agent,
    recommendation: &Recommendation,
    resource: &Resource,
    mode: Mode,
    at: Timestamp,
) -> Change {
    let mut change = change_of(recommendation, resource, at);
    change.mode = mode;
    let entry = Entry::Opened { change: Box::new(change.clone()) };
    agent.ledger().record(at, SELF, entry).expect("a journal that is written");
    change
}

fn is_function(resource: &Resource) -> bool {
    resource.function().is_some()
}

fn force_functions(agent: &Agent, mode: Mode, at: Timestamp) {
    for function in known(agent, is_function) {
        force(agent, Action::TuneFunctionMemory, &function, mode, at);
    }
}

/// Performs every write twice.
#[derive(Debug)]
struct Twice;

#[async_trait]
impl Meddle for Twice {
    async fn perform(
        &self,
        act: &dyn Act,
        (place, session): (&Place, &Session),
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        act.perform(place, session, operation).await?;
        act.perform(place, session, operation).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_performs_twice_has_no_intent_for_the_second() {
    breaks(&plan("group-fixed-over = 1", ""), between(Twice), "intent").await;
}

/// Describes a resource as it was first seen, for ever.
#[derive(Debug, Default)]
struct Yesterday(Mutex<BTreeMap<String, Resource>>);

#[async_trait]
impl Meddle for Yesterday {
    async fn describe(
        &self,
        observe: &dyn Observe,
        resource: &ResourceRef,
        id: &str,
    ) -> Result<Resource, Failure> {
        let fresh = observe.describe(resource, id).await?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(known.entry(id.to_owned()).or_insert(fresh).clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_describe_that_never_catches_up_makes_a_second_effect() {
    let plan = plan("group-fixed-over = 1", "");
    breaks(&plan, between(Yesterday::default()), "once").await;
}

/// Swallows some writes, says that they were done, and describes the resource as if they were.
#[derive(Debug)]
struct Swallow {
    call: &'static str,
    /// How many of them go through first.
    first: u32,
    seen: Mutex<(u32, BTreeMap<String, Operation>)>,
}

impl Swallow {
    fn after(first: u32, call: &'static str) -> Self {
        Self { call, first, seen: Mutex::default() }
    }
}

#[async_trait]
impl Meddle for Swallow {
    async fn perform(
        &self,
        act: &dyn Act,
        (place, session): (&Place, &Session),
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        if operation.iam_action() == self.call {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.0 += 1;
            if seen.0 > self.first {
                let (_, id) = trimtab_simulations::world::World::name(operation);
                seen.1.insert(id, operation.clone());
                return Ok(Receipt::default());
            }
        }
        act.perform(place, session, operation).await
    }

    async fn describe(
        &self,
        observe: &dyn Observe,
        resource: &ResourceRef,
        id: &str,
    ) -> Result<Resource, Failure> {
        let mut fresh = observe.describe(resource, id).await?;
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match (&mut fresh.detail, seen.1.get(id)) {
            (Detail::Instance(instance), Some(Operation::StartInstance { .. })) => {
                instance.state = InstanceState::Running;
                instance.state_reason = None;
            }
            (Detail::Function(function), Some(Operation::SetFunctionMemory { memory_mb, .. })) => {
                function.memory_mb = *memory_mb;
            }
            (Detail::Function(function), Some(Operation::SetAlias { version, .. })) => {
                let route = function.aliases.iter_mut().next().expect("it was moved");
                route.version.clone_from(version);
                route.weights.clear();
                function.served.clone_from(&function.newest);
            }
            _ => {}
        }
        Ok(fresh)
    }

    async fn instance_status(
        &self,
        observe: &dyn Observe,
        place: &Place,
        instance_id: &str,
    ) -> Result<Option<trimtab_policies::facts::InstanceStatus>, Failure> {
        let status = observe.instance_status(place, instance_id).await?;
        let ok = || "ok".to_owned();
        let fine = || trimtab_policies::facts::InstanceStatus {
            system: ok(),
            instance: ok(),
            events: Vec::new(),
        };
        Ok(Some(status.unwrap_or_else(fine)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_nobody_drained_is_stopped_in_service() {
    let mut plan = plan("web-oversized = 1", "");
    plan.scenario.balanced = true;
    let opens = |agent: &Agent, at: Timestamp| {
        for mut machine in known(agent, |resource| resource.instance().is_some()) {
            let Detail::Instance(instance) = &mut machine.detail else { continue };
            instance.registrations = None;
            force(agent, Action::ResizeInstance, &machine, Mode::Autopilot, at);
        }
    };
    breaks(&plan, past_the_gate(opens), "balancer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_never_happened_leaves_a_machine_off() {
    let meddle = Swallow::after(0, "ec2:StartInstances");
    breaks(&plan("web-oversized = 1", ""), between(meddle), "left-off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_never_happened_is_not_applied() {
    let meddle = Swallow::after(0, "lambda:UpdateFunctionConfiguration");
    breaks(&plan("function-oversized = 1", ""), between(meddle), "whole").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_keeps_its_share_is_seen() {
    let meddle = Swallow::after(1, "lambda:UpdateAlias");
    breaks(&plan("function-aliased = 1", ""), between(meddle), "shared").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_never_happened_restores_nothing() {
    let mut plan = plan("function-oversized = 1", "");
    plan.set_rules(vec![rule(40_000, 50_000, Fault::Undo)]);
    let meddle = Swallow::after(1, "lambda:UpdateFunctionConfiguration");
    breaks(&plan, between(meddle), "undo").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_over_somebody_elses_is_seen() {
    let mut plan = plan("function-oversized = 1", "");
    let foreign = ForeignChange {
        at: crate::quiet::start() + SignedDuration::from_hours(5),
        id: "resize-1".to_owned(),
        spec: Some(Spec::Function { memory_mb: 2_000 }),
    };
    plan.set_rules(vec![
        rule(18_000, 80_000, Fault::Foreign(foreign)),
        rule(40_000, 50_000, Fault::Undo),
    ]);
    breaks(&plan, between(Pretend), "foreign").await;
}

/// Describes a function as Trimtab left it, whatever somebody else made of it, and drops the condition on its revision.
#[derive(Debug)]
struct Pretend;

#[async_trait]
impl Meddle for Pretend {
    async fn describe(
        &self,
        observe: &dyn Observe,
        resource: &ResourceRef,
        id: &str,
    ) -> Result<Resource, Failure> {
        let mut fresh = observe.describe(resource, id).await?;
        if let Detail::Function(function) = &mut fresh.detail
            && function.memory_mb == 2_000
        {
            function.memory_mb = 1_536;
        }
        Ok(fresh)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_writes_to_a_neighbour_is_seen() {
    let opens = |agent: &Agent, at| {
        let groups = known(agent, |resource| resource.group().is_some());
        let [own, neighbour] = &groups[..] else { panic!("two groups") };
        let mut change = change_of(&recommend(Action::TuneGroupCapacity, own), own, at);
        let foreign = change_of(&recommend(Action::TuneGroupCapacity, neighbour), neighbour, at);
        change.steps = foreign.steps;
        let entry = Entry::Opened { change: Box::new(change) };
        agent.ledger().record(at, SELF, entry).expect("a journal that is written");
    };
    breaks(&closed("group-fixed-over = 2"), past_the_gate(opens), "target").await;
}

/// A fleet that nothing is done to: whatever happens was forced.
fn closed(fleet: &str) -> Plan {
    plan(fleet, "[settings.limits]\ndisruptive_per_hour = 0\nother_per_hour = 0\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nobody_approved_is_seen() {
    let opens = |agent: &Agent, at| force_functions(agent, Mode::Copilot, at);
    breaks(&closed("function-oversized = 1"), past_the_gate(opens), "approval").await;
}

/// A plan whose every change takes the yes of two people.
fn of_two(fleet: &str) -> Plan {
    let people = "[settings.approvals]\nquorum = 2\nquorum_above_risk = 0.0\n\
                  [[settings.approver]]\nname = 'ada'\nrole = 'approver'\n\
                  [[settings.approver]]\nname = 'bob'\nrole = 'approver'\n";
    let closed = "[settings.limits]\ndisruptive_per_hour = 0\nother_per_hour = 0\n";
    let mut plan = plan(fleet, &format!("{closed}{people}"));
    plan.bounds.people = ["ada", "bob"].map(str::to_owned).into();
    plan.bounds.quorum_above_risk = Some(0.0);
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_one_person_approved_twice_is_seen() {
    let opens = |agent: &Agent, at| {
        for function in known(agent, is_function) {
            let recommendation = recommend(Action::TuneFunctionMemory, &function);
            let change = change_of(&recommendation, &function, at);
            for by in ["ada", "Ada"] {
                let decision = yes(&change, by, at);
                let entry = Entry::Decided {
                    recommendation_id: change.recommendation_id.clone(),
                    arn: recommendation.resource.arn.0.clone(),
                    action: recommendation.action,
                    decision,
                    record: None,
                    exception: None,
                };
                agent.ledger().record(at, by, entry).expect("a journal that is written");
            }
            force(agent, Action::TuneFunctionMemory, &function, Mode::Copilot, at);
        }
    };
    breaks(&of_two("function-oversized = 1"), past_the_gate(opens), "quorum").await;
}

fn yes(change: &Change, by: &str, at: Timestamp) -> Decision {
    Decision {
        digest: change.digest.clone(),
        by: by.to_owned(),
        at,
        verdict: Verdict::Approved,
        reason: None,
        until: None,
        now: true,
        begin_at: None,
        auto_undo: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_spite_of_an_exception_is_seen() {
    let opens = |agent: &Agent, at| {
        for function in known(agent, is_function) {
            let arn = function.reference.arn.clone();
            let about = About::Resource { arn, action: None };
            except(agent, "ada", about, None, "month end").expect("a journal that is written");
        }
        force_functions(agent, Mode::Autopilot, at);
    };
    breaks(&closed("function-oversized = 1"), past_the_gate(opens), "exception").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_change_too_many_is_seen() {
    let opens = |agent: &Agent, at| force_functions(agent, Mode::Autopilot, at);
    breaks(&closed("function-oversized = 5"), past_the_gate(opens), "budget").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_above_the_mode_is_seen() {
    let mut plan = plan("function-oversized = 1", "");
    plan.scenario.settings.remove("modes");
    plan.bounds.modes = Plan::modes(Mode::Datapilot, None);
    let opens = |agent: &Agent, at| force_functions(agent, Mode::Autopilot, at);
    breaks(&plan, past_the_gate(opens), "mode").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_to_what_opted_out_is_seen() {
    let opens = |agent: &Agent, at| {
        for resource in known(agent, |resource| resource.instance().is_some()) {
            force(agent, Action::StopIdleInstance, &resource, Mode::Autopilot, at);
        }
    };
    breaks(&closed("opted-out = 1"), past_the_gate(opens), "opt-out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_change_too_soon_is_seen() {
    let opens = |agent: &Agent, at| {
        force_functions(agent, Mode::Autopilot, at);
        force_functions(agent, Mode::Autopilot, at + SignedDuration::from_secs(1));
    };
    breaks(&closed("function-oversized = 1"), past_the_gate(opens), "cooldown").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_spite_of_the_stop_switch_is_seen() {
    let opens = |agent: &Agent, at| {
        decide::stop(agent, "ada", "enough").expect("a folder that is written");
        force_functions(agent, Mode::Autopilot, at);
    };
    breaks(&closed("function-oversized = 1"), past_the_gate(opens), "stop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_missing_telemetry_is_seen() {
    let mut plan = plan("function-oversized = 1", "");
    let missing =
        Fault::Metrics { id: Some("resize-1".to_owned()), measure: None, how: Distortion::Missing };
    plan.set_rules(vec![rule(0, 86_400, missing)]);
    let opens = |agent: &Agent, at| force_functions(agent, Mode::Autopilot, at);
    breaks(&plan, past_the_gate(opens), "telemetry").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_through_an_open_circuit_is_seen() {
    let opens = |agent: &Agent, at| {
        let functions = known(agent, is_function);
        for function in &functions[..2] {
            let change = force(agent, Action::TuneFunctionMemory, function, Mode::Autopilot, at);
            let begun = Event::UndoBegun { reason: "worse".to_owned(), steps: Vec::new() };
            let ended = Event::Finished {
                state: State::Undone,
                reason: "worse".to_owned(),
                provisional: false,
            };
            let mut ledger = agent.ledger();
            ledger.event(at, &change.id, begun).expect("a journal that is written");
            ledger.event(at, &change.id, ended).expect("a journal that is written");
        }
        force(agent, Action::TuneFunctionMemory, &functions[2], Mode::Autopilot, at);
    };
    breaks(&closed("function-oversized = 3"), past_the_gate(opens), "circuit").await;
}

/// A clock that is two hours behind, and nobody said so. Any more, and the points would be in the future.
#[derive(Debug)]
struct Liar(Arc<dyn Clock>);

#[async_trait]
impl Clock for Liar {
    fn now(&self) -> Timestamp {
        self.0.now() - SignedDuration::from_hours(2)
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.0.sleep_until(at + SignedDuration::from_hours(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_lies_opens_a_closed_window() {
    let window = "[[settings.window]]\nname = 'w'\ntime_zone = 'UTC'\nfrom = '22:00'\nuntil = '00:00'\n\
                  days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']\n";
    let mut plan = plan("volume-gp2 = 1", window);
    plan.bounds.window = Some((22, 0));
    let lies = |ports: Ports| Ports { clock: Arc::new(Liar(Arc::clone(&ports.clock))), ..ports };
    let tampering = Tampering { agent_ports: Arc::new(lies), ..Tampering::default() };
    breaks(&plan, tampering, "time").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_repeats_what_was_applied_is_seen() {
    let first: Mutex<Option<trimtab::view::PlanView>> = Mutex::new(None);
    let repeats = move |plan: &mut trimtab::view::PlanView| {
        let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
        let has_any = plan.recommendations.iter().any(|entry| entry.decision == Disposition::Apply);
        match &*first {
            Some(first) => plan.recommendations.clone_from(&first.recommendations),
            None if has_any => *first = Some(plan.clone()),
            None => {}
        }
    };
    let tampering = Tampering { plan: Arc::new(repeats), ..Tampering::default() };
    breaks(&plan("volume-gp2 = 1", ""), tampering, "replan").await;
}

#[test]
fn every_invariant_is_broken_by_a_test_of_this_file() {
    let text = include_str!("broken.rs");
    let named: BTreeSet<&str> = Checker::names()
        .into_iter()
        .filter(|name| text.contains(&format!(", \"{name}\").await;")))
        .collect();
    assert_eq!(named, Checker::names().into_iter().collect());
}
