//! The P99.5 rule with 20 % room on recorded CPU of real machines (folder `TRIMTAB_DATA`), or on seeded CPU of the same
//! shapes where that folder is not given.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::fleet::{instance, measure, one, plain_instance, series, settings, size, steady};
use crate::{
    forecast::forecast,
    metric::{Metric, Statistic},
    spec::Spec,
};

/// Points of the look-back: 14 days.
const POINTS: usize = 4_032;

/// The folder of the recorded machines, where there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "where recorded series lie is the test's own environment"
)]
pub(super) fn folder() -> Option<PathBuf> {
    env::var_os("TRIMTAB_DATA").map(|folder| Path::new(&folder).join("bitbrains_rnd"))
}

/// CPU in percent over the look-back, one machine after the other; NaN where a sample is missing.
fn machines() -> Vec<Vec<f32>> {
    folder().map_or_else(seeded, |folder| recorded(&folder, POINTS))
}

/// The first points of all recorded machines, in percent of their cores.
pub(super) fn recorded(folder: &Path, points: usize) -> Vec<Vec<f32>> {
    let text = fs::read_to_string(folder.join("cpu_pct_2013-08.csv"))
        .expect("TRIMTAB_DATA holds the recorded machines");
    let mut lines = text.lines();
    let columns = lines.next().expect("the file has a header").split(',').count() - 1;
    let mut machines = vec![Vec::with_capacity(points); columns];
    for line in lines.take(points) {
        for (machine, cell) in machines.iter_mut().zip(line.split(',').skip(1)) {
            machine.push(cell.parse().unwrap_or(f32::NAN));
        }
    }
    machines
}

/// Calm, daily, bursting and saturated machines.
fn seeded() -> Vec<Vec<f32>> {
    let mut state = 11_u64;
    let mut noise = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u32 << 24) as f32
    };
    let mut machine = |index: usize| {
        let scale = (index / 4) as f32;
        let mut value = |slot: usize| match index % 4 {
            0 => scale * (0.5 + noise()),
            1 => {
                let turn = std::f32::consts::TAU * slot as f32 / 288.0;
                2.0 * scale * (1.2 + turn.sin()) + noise()
            }
            2 if noise() > 0.99 => 4.0 * scale,
            2 => noise(),
            _ => (60.0 + 4.0 * scale * noise()).min(100.0),
        };
        (0..POINTS).map(&mut value).collect()
    };
    (0..60).map(&mut machine).collect()
}

/// What an m5.2xlarge should become within its family, from a plain sort.
fn expected(machine: &[f32]) -> Option<&'static str> {
    let mut sorted: Vec<f32> = machine.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f32::total_cmp);
    let flat = sorted.iter().all(|value| *value == 0.0);
    if sorted.len() < 288 || flat {
        return None;
    }
    let full = sorted.iter().filter(|value| **value >= 99.0).count();
    let exact = 0.995 * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[exact.floor() as usize], sorted[exact.ceil() as usize]);
    let p99_5 = f64::from(low) + f64::from(high - low) * exact.fract();
    if full as f64 >= 0.01 * sorted.len() as f64 && full > 0 {
        return Some("m5.4xlarge");
    }
    (p99_5 / 0.8 <= 50.0).then_some("m5.xlarge")
}

#[test]
fn decisions_follow_the_rule() {
    let mut settings = settings();
    settings.instance.across_families = false;
    let cpu = measure(Metric::InstanceCpu, Statistic::Average);
    let memory = measure(Metric::InstanceMemory, Statistic::Maximum);
    let resource = instance(plain_instance("m5.2xlarge"));
    let mut counts = std::collections::BTreeMap::<Option<String>, usize>::new();
    for (index, machine) in machines().into_iter().enumerate() {
        let expect = expected(&machine);
        let series = [(cpu, series(machine)), (memory, steady(20.0, 30.0))];
        let found = one(size(&resource, &series, &settings)).ok().map(|found| {
            let Spec::Instance { instance_type, .. } = found.desired else {
                panic!("{:?} is no instance", found.desired);
            };
            instance_type
        });
        assert_eq!(found.as_deref(), expect, "machine {index}");
        *counts.entry(found).or_default() += 1;
    }
    assert!(counts.len() == 3, "smaller, larger and neither are all among them: {counts:?}");
}

#[test]
fn forecasts_of_recorded_machines_are_whole() {
    for (index, machine) in machines().into_iter().enumerate() {
        let whole = machine.iter().filter(|value| !value.is_nan()).count() >= POINTS / 2;
        let found = forecast(&series(machine));
        assert!(found.is_some() || !whole, "machine {index} has points");
        for step in found.iter().flat_map(|found| &found.steps) {
            let values = step.array();
            assert!(values.iter().all(|value| value.is_finite()), "machine {index}");
            let ascends = values.windows(2).all(|pair| pair[0] <= pair[1] + 1e-3);
            assert!(ascends, "machine {index}: {values:?}");
        }
    }
}
