//! The presets' decisions on recorded CPU (folder `TRIMTAB_DATA`) against the days that followed: cost, failures, and
//! whether the stated risk came true. Where that folder is not given, the same on seeded machines that do not change.

use std::fs;

use super::recorded::{folder, recorded};
use crate::{
    demand::at_quantile,
    series::Series,
    sizing::{
        ladder::{LadderChoice, choose},
        settings::Preset,
    },
};

pub(super) const LADDER: [f64; 8] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
/// Points of a day.
const DAY: usize = 288;
/// The days that are left out, learnt from and judged by.
pub(super) const DAYS: [usize; 3] = [7, 14, 9];

/// What was recorded of a machine: its cores, and its CPU in percent of them.
type Recorded = (f64, Vec<f32>);

fn recordings() -> Vec<Recorded> {
    let Some(folder) = folder() else { return seeded() };
    let table = fs::read_to_string(folder.join("meta_2013-08.csv")).expect("the table is there");
    let cores = table.lines().skip(1).map(|line| {
        let cell = line.split(',').nth(1).expect("cores are the second column");
        cell.parse::<f64>().expect("cores are a number")
    });
    cores.zip(recorded(&folder, DAYS.iter().sum::<usize>() * DAY)).collect()
}

/// Machines with a base, a daily swing and bursts, the same on all days.
fn seeded() -> Vec<Recorded> {
    let mut state = 17_u64;
    let mut noise = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u32 << 24) as f32
    };
    let mut machine = |index: usize| {
        let (base, burst) = (2.0 + 80.0 * noise() * noise(), 40.0 * noise());
        let rate = 0.03 * noise();
        let mut value = |slot: usize| {
            let turn = std::f32::consts::TAU * (slot % DAY) as f32 / DAY as f32;
            let swing = base * (1.0 + 0.3 * turn.sin() + 0.2 * noise());
            (swing + if noise() < rate { burst } else { 0.0 }).min(98.0)
        };
        let points = DAYS.iter().sum::<usize>() * DAY;
        ([1.0, 2.0, 4.0, 8.0][index % 4], (0..points).map(&mut value).collect())
    };
    (0..200).map(&mut machine).collect()
}

/// A machine: what a size is chosen from, and what it is judged by.
pub(super) struct Machine {
    pub(super) cores: f64,
    /// CPU of the days that are learnt from, percent.
    pub(super) usage: Series,
    /// CPU of the days that follow, vCPU, without gaps.
    later: Vec<f64>,
    /// Whether its demand was cut off at what it had.
    pub(super) saturated: bool,
    /// The smallest step that the days that follow need.
    pub(super) oracle: f64,
}

impl Machine {
    fn new((cores, percent): &Recorded, skipped_days: usize) -> Self {
        let learnt = skipped_days * DAY..(skipped_days + DAYS[1]) * DAY;
        let judged = learnt.end..learnt.end + DAYS[2] * DAY;
        let series = |values: &[f32]| Series { start_s: 0, step_s: 300, values: values.to_vec() };
        let usage = series(&percent[learnt]);
        let later = series(&percent[judged]);
        let need = at_quantile(&later, 0.99).expect("there are points") / 100.0 * cores;
        Self {
            cores: *cores,
            saturated: at_quantile(&usage, 0.99).expect("there are points") >= 99.0,
            oracle: LADDER.into_iter().find(|step| *step + 1e-9 >= need).unwrap_or(32.0),
            later: later.present().map(|(_, value)| f64::from(value) / 100.0 * cores).collect(),
            usage,
        }
    }

    /// Whether more than 1 % of the points that follow ask for more.
    pub(super) fn fails(&self, vcpu: f64) -> bool {
        let breaching = self.later.iter().filter(|value| **value > vcpu * (1.0 + 1e-9)).count();
        breaching as f64 > 0.01 * self.later.len() as f64
    }
}

/// Every machine, learnt from after so many days.
pub(super) fn machines(skipped_days: usize) -> Vec<Machine> {
    recordings().iter().map(|recorded| Machine::new(recorded, skipped_days)).collect()
}

/// What came of decisions.
#[derive(Debug, Default)]
struct Verdict {
    cost: f64,
    oracle: f64,
    machines: f64,
    failed: f64,
    stated: f64,
    saturated: usize,
    relieved: usize,
}

impl Verdict {
    fn add(&mut self, machine: &Machine, preset: Preset) {
        let LadderChoice { vcpu, risk, .. } =
            choose(&machine.usage, machine.cores, &LADDER, preset);
        if machine.saturated {
            self.saturated += 1;
            self.relieved += usize::from(vcpu > machine.cores);
            return;
        }
        self.oracle += machine.oracle;
        self.cost += vcpu;
        self.machines += 1.0;
        self.failed += f64::from(u8::from(machine.fails(vcpu)));
        self.stated += risk;
    }
}

fn judge(preset: Preset) -> Verdict {
    let mut verdict = Verdict::default();
    machines(DAYS[0]).iter().for_each(|machine| verdict.add(machine, preset));
    verdict
}

#[test]
fn presets_keep_what_they_promise() {
    for (preset, cost_max, failed_max) in [
        (Preset::Frugal, 0.92, 0.05),
        (Preset::Balanced, 1.06, 0.014),
        (Preset::Cautious, 1.15, 0.009),
    ] {
        let verdict = judge(preset);
        let (cost, failed) = (verdict.cost / verdict.oracle, verdict.failed / verdict.machines);
        assert_eq!(verdict.relieved, verdict.saturated, "{}", preset.as_str());
        if folder().is_some() {
            assert!(cost <= cost_max && failed <= failed_max, "{}: {verdict:?}", preset.as_str());
        } else {
            let allowed = preset.risk_rule().expect("it has one");
            let allowed = allowed.bargain.map_or(allowed.risk_max, |bargain| bargain.risk_max);
            assert!(failed <= allowed, "{}: {verdict:?}", preset.as_str());
        }
    }
}

#[test]
fn the_stated_risk_comes_true() {
    let verdict = judge(Preset::Balanced);
    let ratio = verdict.failed / verdict.stated;
    if folder().is_some() {
        assert!((1.0 / 1.5..=1.5).contains(&ratio), "{ratio}: {verdict:?}");
    } else {
        // Machines that never change fail less often than what is learnt from machines that do.
        assert!(ratio <= 1.5, "{ratio}: {verdict:?}");
    }
}

#[test]
fn balanced_beats_the_published_default_on_cost() {
    let (balanced, published) = (judge(Preset::Balanced), judge(Preset::CoP99_5_20));
    assert!(balanced.cost < published.cost, "{balanced:?} and {published:?}");
}
