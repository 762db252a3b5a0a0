//! How long a whole fleet takes to fit: resources x 3 metrics of 14 days, generated and fitted in chunks on two threads.
//!
//! `cargo bench -p trimtab-models --bench fleet -- 100000` fits 300,000 series; without a number it takes 1,000 resources.
//! Not here: reading the series from the store, and one series by itself (`fit`).
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::time::Instant;

use rayon::prelude::*;
use trimtab_models::{forecast::forecast, series::Series};

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Resources without an argument: seconds, not minutes.
const RESOURCES: usize = 1_000;
/// Metrics of a resource.
const METRICS: usize = 3;
/// Series that are in memory at a time: 16 MiB of points.
const CHUNK: usize = 1_000;
/// Threads that fit.
const THREADS: usize = 2;
/// 14 days of 5-minute slots.
const SLOTS: usize = 4_032;
/// A Tuesday at midnight, UTC.
const START_S: i64 = 1_790_640_000;

/// One of four shapes by index: calm, daily, weekly with bursts, and a walk.
fn series(index: usize) -> Series {
    let mut state = index as u64 + 1;
    let mut noise = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u32 << 24) as f32
    };
    // One sine for all slots of a day: the generator must not be what is measured.
    let day: Vec<f32> = (0..288_u16)
        .map(|slot| 20.0 + 15.0 * (std::f32::consts::TAU * f32::from(slot) / 288.0).sin())
        .collect();
    let mut level = 30.0;
    let mut value = |slot: usize| match index % 4 {
        0 => 2.0 + noise(),
        1 => day[slot % 288] + 5.0 * noise(),
        2 if noise() > 0.99 => 90.0,
        2 if slot / 288 % 7 < 5 => day[slot % 288] + 5.0 * noise(),
        2 => 5.0 + noise(),
        _ => {
            level = (level + noise() - 0.5_f32).clamp(1.0, 100.0);
            level
        }
    };
    Series { start_s: START_S, step_s: 300, values: (0..SLOTS).map(&mut value).collect() }
}

/// The most memory that this process held, as Linux states it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |line| line.trim().to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn main() {
    let asked = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let count = asked.unwrap_or(RESOURCES) * METRICS;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build();
    let pool = pool.expect("two threads can be started");
    let (mut generated_s, mut fitted_s, mut forecasts) = (0.0, 0.0, 0);
    for from in (0..count).step_by(CHUNK) {
        let begin = Instant::now();
        let chunk = pool.install(|| {
            (from..count.min(from + CHUNK)).into_par_iter().map(series).collect::<Vec<Series>>()
        });
        generated_s += begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        forecasts += pool.install(|| chunk.par_iter().filter_map(forecast).count());
        fitted_s += begin.elapsed().as_secs_f64();
    }
    println!(
        "{forecasts} of {count} series fitted in {fitted_s:.1} s on {THREADS} threads ({:.0} µs a series and thread), \
         generated in {generated_s:.1} s; peak memory {}",
        fitted_s * 1e6 * THREADS as f64 / count as f64,
        peak_memory(),
    );
}
