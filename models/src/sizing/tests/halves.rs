//! Whether the presets' risk was fitted to the machines that judge it: chosen on half of the machines and judged on the
//! other half, and held as it is against other stretches of the same recording.
//!
//! Not here: the presets on all machines of one stretch (`judged`).

use super::{
    judged::{DAYS, LADDER, Machine, machines},
    recorded::folder,
};
use crate::{
    demand::at_quantile,
    sizing::{
        ladder::{choose, choose_by_risk},
        settings::{Preset, RiskRule},
    },
};

/// Divisions of the machines into halves; each gives two judgements.
const DIVISIONS: usize = 500;
/// What a machine that fails is worth, in what the machines cost by hindsight, when a risk is chosen: between the 4 and the 18
/// that lie between the goals of the three presets, which are older than any of their figures.
const FAILURE_COST: f64 = 8.0;

/// What a rule gives a machine: the size, and whether it fails.
type Sized = (f64, bool);

/// What came of the machines that were judged.
#[derive(Debug, Default, Clone, Copy)]
struct Outcome {
    cost: f64,
    oracle: f64,
    failed: f64,
    machines: f64,
}

impl Outcome {
    fn add(&mut self, machine: &Machine, (vcpu, fails): Sized) {
        if !machine.saturated {
            self.cost += vcpu;
            self.oracle += machine.oracle;
            self.failed += f64::from(u8::from(fails));
            self.machines += 1.0;
        }
    }

    /// What the machines cost, in what they cost by hindsight.
    fn cost_ratio(&self) -> f64 {
        self.cost / self.oracle
    }

    /// The share of machines that fail.
    fn failed_ratio(&self) -> f64 {
        self.failed / self.machines
    }
}

/// What came of the machines of which `takes` is true.
fn outcome(machines: &[Machine], table: &[Sized], takes: impl Fn(usize) -> bool) -> Outcome {
    let mut outcome = Outcome::default();
    for (index, (machine, sized)) in machines.iter().zip(table).enumerate() {
        if takes(index) {
            outcome.add(machine, *sized);
        }
    }
    outcome
}

fn sized(machines: &[Machine], size: impl Fn(&Machine) -> f64) -> Vec<Sized> {
    let one = |machine: &Machine| {
        let vcpu = size(machine);
        (vcpu, machine.fails(vcpu))
    };
    machines.iter().map(one).collect()
}

/// In which half each machine is, drawn anew for each division.
fn halves(count: usize) -> impl Iterator<Item = Vec<bool>> {
    let mut state = 29_u64;
    let mut draw = move |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    (0..DIVISIONS).map(move |_| {
        let mut half: Vec<bool> = (0..count).map(|index| index % 2 == 0).collect();
        (1..count).rev().for_each(|index| half.swap(index, draw(index + 1)));
        half
    })
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
fn a_risk_chosen_on_half_of_the_machines_serves_the_other_half() {
    let machines = machines(DAYS[0]);
    let risks: Vec<f64> = (6..=60).map(|step| f64::from(step) * 0.005).collect();
    let by_risk = |risk_max: f64| {
        let rule = RiskRule { risk_max, bargain: None };
        sized(&machines, |one| choose_by_risk(&one.usage, one.cores, &LADDER, rule).vcpu)
    };
    let tables: Vec<Vec<Sized>> = risks.iter().map(|risk| by_risk(*risk)).collect();
    let outcomes: Vec<Outcome> = halves(machines.len())
        .map(|half| {
            let mut both = Outcome::default();
            for chooses in [true, false] {
                let table = best(&machines, &tables, |index| half[index] == chooses);
                let judged = (0..machines.len()).filter(|index| half[*index] != chooses);
                judged.for_each(|index| both.add(&machines[index], table[index]));
            }
            both
        })
        .collect();
    let mean = |of: fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / DIVISIONS as f64;
    let (cost, failed) = (mean(Outcome::cost_ratio), mean(Outcome::failed_ratio));
    let within = |one: &&Outcome| one.cost_ratio() <= 1.06 && one.failed_ratio() <= 0.014;
    let within = outcomes.iter().filter(within).count();
    println!("cost {cost:.3}, failing {failed:.4}, both goals in {within} of {DIVISIONS}");
    if folder().is_some() {
        // The best static rule in hindsight leaves 2.2 % too small at 1.057.
        assert!(cost <= 1.057 && failed <= 0.02, "{cost} {failed}");
        assert!(within * 2 >= DIVISIONS, "{within}");
    } else {
        assert!(failed <= 0.135, "machines that do not change: {cost} {failed}");
    }
}

/// The sizes of the risk that is worth most on some machines.
fn best<'a>(
    machines: &[Machine],
    tables: &'a [Vec<Sized>],
    chooses: impl Fn(usize) -> bool,
) -> &'a [Sized] {
    let worth = |table: &Vec<Sized>| {
        let found = outcome(machines, table, &chooses);
        found.cost_ratio() + FAILURE_COST * found.failed_ratio()
    };
    tables
        .iter()
        .min_by(|one, other| worth(one).total_cmp(&worth(other)))
        .expect("there are risks to choose from")
}

/// The least cost ÷ oracle of a quantile times a margin that leaves no more than `failed` too small: the best static rule,
/// known afterwards.
fn hindsight(machines: &[Machine], failed: f64) -> f64 {
    let quantiles = [0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 1.0];
    let margins = [0.8, 0.9, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.5, 1.7, 2.0, 2.5];
    let rules = quantiles.into_iter().flat_map(|q| {
        let demands: Vec<f64> = machines
            .iter()
            .map(|one| at_quantile(&one.usage, q).expect("there are points") / 100.0 * one.cores)
            .collect();
        margins.map(|margin| {
            let fits = |demand: &f64| {
                LADDER.into_iter().find(|step| *step + 1e-9 >= demand * margin).unwrap_or(32.0)
            };
            let table: Vec<Sized> = machines
                .iter()
                .zip(&demands)
                .map(|(one, demand)| (fits(demand), one.fails(fits(demand))))
                .collect();
            outcome(machines, &table, |_| true)
        })
    });
    let within = rules.filter(|rule| rule.failed_ratio() <= failed + 1e-9);
    within.map(|rule| rule.cost_ratio()).fold(f64::INFINITY, f64::min)
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
fn the_default_holds_on_other_stretches_too() {
    for skipped_days in 0..=DAYS[0] {
        let machines = machines(skipped_days);
        let default =
            sized(&machines, |one| choose(&one.usage, one.cores, &LADDER, Preset::Balanced).vcpu);
        let found = outcome(&machines, &default, |_| true);
        let (cost, failed) = (found.cost_ratio(), found.failed_ratio());
        let best = hindsight(&machines, failed);
        println!(
            "from day {skipped_days}: cost {cost:.3}, failing {failed:.4}, static in hindsight {best:.3}"
        );
        if folder().is_some() {
            // Within 1 % of a rule that was chosen with the answers known.
            assert!(cost <= best * 1.01, "from day {skipped_days}: {cost} against {best}");
        }
    }
}
