//! The saga matrix: every action, each of its steps forward and back, with everything that can befall a step. Generated
//! from the actions and the steps that they truly take, so that a new step has its cells without being asked.
//!
//! `cargo test -p trimtab --no-default-features --test swarm saga -- --nocapture` prints the cells.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use trimtab::{
    faulty::{Deaths, Meddle},
    ports::{Act, Observe, Place, RunsQuery},
};
use trimtab_policies::{
    change::State,
    facts::{InstanceStatus, Runs},
    operations::{Failure, FailureKind, Operation, Receipt},
    record::{Entry, Event, Record},
    session::Session,
};
use trimtab_simulations::fault::{Fault, Reached, Rule};

use crate::{
    bench::{Bench, Case},
    tell,
};

const SEED: u64 = 7;

/// What befalls a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    /// Its call is refused, or what it waits for goes wrong.
    Fail,
    /// Its call is lost twice, so that it is sent three times.
    RepeatTwice,
    /// Everything is taken back after it, and each call of that has its effect and no answer.
    RepeatUndo,
    /// The process dies before the step's intent is durable.
    CrashBeforeIntent,
    /// It dies with the intent durable and the call not made.
    CrashAfterIntent,
    /// It dies with the effect there and no record of it.
    CrashAfterEffect,
    /// It dies when the effect is recorded.
    CrashAfterRecord,
}

const CELLS: [Cell; 7] = [
    Cell::Fail,
    Cell::RepeatTwice,
    Cell::RepeatUndo,
    Cell::CrashBeforeIntent,
    Cell::CrashAfterIntent,
    Cell::CrashAfterEffect,
    Cell::CrashAfterRecord,
];

/// A step as a quiet run takes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Taken {
    back: bool,
    step: String,
    /// The call; `None` for a step that only waits.
    call: Option<&'static str>,
    /// The first and the second journal record of the step, counted from 0.
    records: (u64, u64),
}

/// What is done to the calls of one name.
#[derive(Debug, Clone, Copy)]
enum How {
    Refuse,
    LoseBefore,
    LoseAfter,
}

/// Does it so many times, once it is armed.
#[derive(Debug)]
struct AtStep {
    /// The call; `None` for the status checks, or the runs of a canary.
    call: Option<&'static str>,
    /// Every write, whatever its call.
    every: bool,
    how: How,
    left: AtomicU32,
}

impl AtStep {
    fn new(call: Option<&'static str>, every: bool, how: How) -> Arc<Self> {
        Arc::new(Self { call, every, how, left: AtomicU32::new(0) })
    }

    fn takes(&self) -> bool {
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok()
    }
}

fn failure(kind: FailureKind, call: &str) -> Failure {
    Failure { kind, call: call.to_owned(), target: "x".to_owned(), message: "by order".to_owned() }
}

#[async_trait]
impl Meddle for AtStep {
    async fn perform(
        &self,
        act: &dyn Act,
        (place, session): (&Place, &Session),
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        let call = operation.iam_action();
        if !(self.every || self.call == Some(call)) || !self.takes() {
            return act.perform(place, session, operation).await;
        }
        match self.how {
            How::Refuse => Err(failure(FailureKind::Rejected, call)),
            How::LoseBefore => Err(failure(FailureKind::Uncertain, call)),
            How::LoseAfter => {
                act.perform(place, session, operation).await?;
                Err(failure(FailureKind::Uncertain, call))
            }
        }
    }

    async fn instance_status(
        &self,
        observe: &dyn Observe,
        place: &Place,
        instance_id: &str,
    ) -> Result<Option<InstanceStatus>, Failure> {
        let status = observe.instance_status(place, instance_id).await?;
        if self.call.is_some() || self.every || !self.takes() {
            return Ok(status);
        }
        match self.how {
            How::Refuse => {
                Ok(status
                    .map(|status| InstanceStatus { instance: "impaired".to_owned(), ..status }))
            }
            How::LoseBefore | How::LoseAfter => {
                Err(failure(FailureKind::Uncertain, "ec2:DescribeInstanceStatus"))
            }
        }
    }

    async fn runs(
        &self,
        observe: &dyn Observe,
        place: &Place,
        query: &RunsQuery,
    ) -> Result<BTreeMap<String, Runs>, Failure> {
        let runs = observe.runs(place, query).await?;
        if self.call.is_some() || self.every || !self.takes() {
            return Ok(runs);
        }
        match self.how {
            How::Refuse => Ok(failing(runs)),
            How::LoseBefore | How::LoseAfter => {
                Err(failure(FailureKind::Uncertain, "cloudwatch:GetMetricData"))
            }
        }
    }
}

/// Every run of the new version fails.
fn failing(mut runs: BTreeMap<String, Runs>) -> BTreeMap<String, Runs> {
    if let Some(new) = runs.values_mut().next_back() {
        *new = Runs { runs: 100.0, failed: 100.0, total_ms: 10_000.0 };
    }
    runs
}

/// The steps that a quiet way there and back takes.
async fn steps_of(case: Case) -> Vec<Taken> {
    let mut bench = Bench::open(case, SEED, Deaths::at([]), SignedDuration::ZERO).await;
    assert_eq!(bench.carry_on(|_, _| {}).await, State::Watching, "{case}");
    bench.undo();
    assert_eq!(bench.carry_on(|_, _| {}).await, State::Undone, "{case}");
    let mut taken: BTreeMap<(bool, String), Taken> = BTreeMap::new();
    let mut back = false;
    for (index, Record { entry, .. }) in (0_u64..).zip(bench.journal()) {
        let Entry::Change { event, .. } = entry else { continue };
        back |= matches!(event, Event::UndoBegun { .. });
        let (step, call) = if let Event::Attempted { step, operation } = event {
            (step, Some(operation.iam_action()))
        } else if let Event::Done { step, .. } = event {
            (step, None)
        } else {
            continue;
        };
        taken.entry((back, step.clone())).or_insert_with(|| Taken {
            back,
            step: step.clone(),
            call,
            records: (index, index + 1),
        });
    }
    taken.into_values().collect()
}

/// The rule by which the process dies in a cell.
fn death(taken: &Taken, cell: Cell) -> Option<Rule> {
    let (intent, effect) = taken.records;
    let (record, reached) = match (cell, taken.call) {
        (Cell::CrashBeforeIntent, _) => (intent, Reached::Nothing),
        // A step that waits has one record: it is torn, then kept without a sync, then durable.
        (Cell::CrashAfterIntent, None) => (intent, Reached::Torn),
        (Cell::CrashAfterEffect, None) => (intent, Reached::Unsynced),
        (Cell::CrashAfterRecord, None) => (intent, Reached::Synced),
        (Cell::CrashAfterIntent, Some(_)) => (intent, Reached::Synced),
        (Cell::CrashAfterEffect, Some(_)) => (effect, Reached::Nothing),
        (Cell::CrashAfterRecord, Some(_)) => (effect, Reached::Synced),
        (Cell::Fail | Cell::RepeatTwice | Cell::RepeatUndo, _) => return None,
    };
    let fault = Fault::DiesAtRecord { record, reached };
    Some(Rule { fault, from: Timestamp::MIN, until: Timestamp::MAX })
}

/// What is in the way in a cell, and how often.
fn meddle(taken: &Taken, cell: Cell) -> (Arc<AtStep>, u32) {
    match cell {
        // More often than a step is tried; what must not be given up goes through in the end.
        Cell::Fail if taken.call.is_none() => (AtStep::new(None, false, How::Refuse), 1),
        Cell::Fail => (AtStep::new(taken.call, false, How::Refuse), 4),
        Cell::RepeatTwice => (AtStep::new(taken.call, false, How::LoseBefore), 2),
        Cell::RepeatUndo => (AtStep::new(None, true, How::LoseAfter), 6),
        Cell::CrashBeforeIntent
        | Cell::CrashAfterIntent
        | Cell::CrashAfterEffect
        | Cell::CrashAfterRecord => (AtStep::new(None, false, How::LoseBefore), 0),
    }
}

/// Runs one cell; what must hold holds.
async fn try_out(case: Case, taken: &Taken, cell: Cell) {
    let told =
        format!("{case}: {} {}, {cell:?}", if taken.back { "back" } else { "forward" }, taken.step);
    let (at_step, times) = meddle(taken, cell);
    let rules: Vec<Rule> = death(taken, cell).into_iter().collect();
    let away = SignedDuration::from_mins(10);
    let mut bench =
        Bench::open_with(case, SEED, away, rules, Some(Arc::clone(&at_step) as _)).await;
    let arm = |is: bool| at_step.left.store(if is { times } else { 0 }, Ordering::SeqCst);
    arm(!taken.back && cell != Cell::RepeatUndo);
    let mut state = bench.carry_on(|_, _| {}).await;
    let cut_short = state == State::Undone;
    assert!(cut_short || state == State::Watching, "{told}: {state} {:#?}", bench.change());
    if cut_short {
        // Only what failed or had not begun is taken back by itself.
        let may = cell == Cell::Fail || bench.change().is_unwritten();
        assert!(may && !taken.back, "{told}: {:#?}", bench.change());
    } else {
        arm(taken.back || cell == Cell::RepeatUndo);
        bench.undo();
        state = bench.carry_on(|_, _| {}).await;
    }
    let failed = cell == Cell::Fail && taken.back;
    assert!(
        state == State::Undone || failed && state == State::Stuck,
        "{told}: {state} {:#?}",
        bench.change()
    );
    if state == State::Undone {
        let live = match bench.live() {
            None => bench.restored(),
            live => live,
        };
        assert_eq!(live, Some(bench.recommendation.expected.clone()), "{told}");
    }
    once(&bench, &told);
    assert_eq!(bench.checker.violations(), Vec::<String>::new(), "{told}");
}

/// Nothing that cannot be repeated had its effect twice in one direction.
fn once(bench: &Bench, told: &str) {
    let effects = bench.effects();
    for (call, count) in &effects {
        let most = if ["ec2:CreateSnapshot", "ec2:CreateVolume", "ec2:DeleteVolume"].contains(call)
        {
            1
        } else if *call == "lambda:UpdateAlias" {
            // The canary, every call, and the way back.
            3
        } else {
            2
        };
        let is_repeatable = [
            "ec2:StopInstances",
            "ec2:StartInstances",
            "ec2:ModifyInstanceAttribute",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ]
        .contains(call);
        assert!(is_repeatable || *count <= most, "{told}: {effects:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_of_the_saga_matrix_holds() {
    let mut table = String::new();
    let (mut cells, mut steps) = (0, 0);
    for case in Case::all() {
        let all = steps_of(case).await;
        assert!(all.iter().any(|taken| taken.back), "{case} has a way back");
        for taken in all {
            let mut row = format!(
                "{:<28} {:<8} {:<16}",
                case.to_string(),
                if taken.back { "back" } else { "forward" },
                taken.step
            );
            for cell in CELLS {
                try_out(case, &taken, cell).await;
                row.push_str(&format!(" {cell:?}"));
                cells += 1;
            }
            steps += 1;
            table.push_str(&row);
            table.push('\n');
        }
    }
    tell(&format!(
        "{table}saga matrix: {} cases, {steps} steps, {cells} of {} cells hold",
        Case::all().len(),
        steps * CELLS.len()
    ));
    assert_eq!(cells, steps * CELLS.len());
}
