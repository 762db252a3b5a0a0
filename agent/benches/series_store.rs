//! How fast series are stored, read and reopened, and how many bytes a point takes.
//!
//! Real CPU series where `TRIMTAB_DATA` names the data folder, else seeded ones of the same shape.

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use trimtab::series_store::SeriesStore;

const STEP_S: u32 = 300;

/// Monday 2026-11-02T00:00Z.
const MONDAY: i64 = 1_793_577_600;

/// Two weeks at five minutes.
const POINTS: usize = 4_032;

/// Series in the store that is reopened: a tenth of a large account.
const SERIES: usize = 4_000;

#[expect(
    clippy::disallowed_methods,
    reason = "where recorded series lie is the bench's own environment"
)]
fn series() -> Vec<Vec<f32>> {
    let recorded = std::env::var_os("TRIMTAB_DATA").map(|folder| recorded(Path::new(&folder)));
    recorded.unwrap_or_else(|| (0..50).map(seeded).collect())
}

fn recorded(folder: &Path) -> Vec<Vec<f32>> {
    let text = std::fs::read_to_string(folder.join("bitbrains_rnd/cpu_pct_2013-08.csv"));
    let text = text.expect("the data folder holds the series");
    let mut lines = text.lines();
    let columns = lines.next().expect("there is a header").split(',').count() - 1;
    let mut series = vec![Vec::new(); columns];
    for line in lines.take(POINTS) {
        for (series, cell) in series.iter_mut().zip(line.split(',').skip(1)) {
            series.push(cell.parse().unwrap_or(f32::NAN));
        }
    }
    series
}

fn seeded(seed: u64) -> Vec<f32> {
    let mut random = rand_pcg::Pcg64::seed_from_u64(seed);
    let level: f32 = random.random_range(2.0..40.0);
    let point = |slot: usize| {
        let phase = slot as f32 / 288.0 * std::f32::consts::TAU;
        level * (1.0 + 0.5 * phase.sin()) + random.random_range(0.0..1.0)
    };
    (0..POINTS).map(point).collect()
}

fn key(number: usize) -> String {
    format!(
        "arn:aws:ec2:eu-west-1:123456789012:instance/i-{number:017x}|CPUUtilization|avg|{STEP_S}"
    )
}

fn empty() -> (tempfile::TempDir, SeriesStore) {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let store = SeriesStore::open(dir.path()).expect("an empty folder opens");
    (dir, store)
}

fn append(criterion: &mut Criterion) {
    let series = series();
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements((series.len() * 2_016) as u64));
    group.bench_function("back-fill of 2,016 points a series", |bench| {
        let fill = |(dir, mut store): (tempfile::TempDir, SeriesStore)| {
            for (number, values) in series.iter().enumerate() {
                store
                    .append(&key(number), STEP_S, MONDAY, &values[..2_016])
                    .expect("there is room");
            }
            (dir, store)
        };
        bench.iter_batched(empty, fill, BatchSize::PerIteration);
    });
    group.throughput(Throughput::Elements(15 * SERIES as u64));
    group.bench_function("hourly increment of 15 points a series, flushed", |bench| {
        let keys: Vec<String> = (0..SERIES).map(key).collect();
        let collect = |(dir, mut store): (tempfile::TempDir, SeriesStore)| {
            for (key, values) in keys.iter().zip(series.iter().cycle()) {
                store.append(key, STEP_S, MONDAY, &values[..15]).expect("there is room");
            }
            store.flush().expect("there is room");
            (dir, store)
        };
        bench.iter_batched(empty, collect, BatchSize::PerIteration);
    });
    group.finish();
}

fn read_and_open(criterion: &mut Criterion) {
    let (dir, mut store) = empty();
    let series = series();
    for (number, values) in (0..SERIES).zip(series.iter().cycle()) {
        store.append(&key(number), STEP_S, MONDAY, values).expect("there is room");
    }
    store.flush().expect("there is room");
    let stats = store.stats();
    let mut group =
        criterion.benchmark_group(format!("{} points in {} bytes", stats.points, stats.bytes));
    group.throughput(Throughput::Elements(POINTS as u64));
    let mut number = 0;
    group.bench_function("read 4,032 points", |bench| {
        bench.iter(|| {
            number = (number + 1) % SERIES;
            black_box(
                store
                    .read(&key(number), MONDAY, MONDAY + POINTS as i64 * 300)
                    .expect("the files are whole"),
            )
        });
    });
    drop(store);
    group.throughput(Throughput::Elements(SERIES as u64));
    group.sample_size(10);
    group.bench_function("open 4,000 series", |bench| {
        bench.iter_with_large_drop(|| {
            SeriesStore::open(dir.path()).map(|store| store.stats()).expect("it opens")
        });
    });
    group.finish();
}

criterion_group!(benches, append, read_and_open);
criterion_main!(benches);
