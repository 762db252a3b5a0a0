//! How long it takes to sort a large account's resources into workload classes.
//!
//! Not here: whether the classes are any good, which the tests judge.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use trimtab_models::{
    class::{Peers, Profile, borrow, classes},
    resource::Arn,
    series::Series,
};

/// Resources of a large account.
const RESOURCES: usize = 10_000;
/// 14 days of hours.
const SLOTS: usize = 336;

/// Machines with days of a dozen shapes: the busy hours begin at any hour and last from 2 to 12.
fn machines() -> Vec<Profile> {
    let mut state = 7_u64;
    let mut noise = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1_u32 << 24)
    };
    let machine = |index: usize| {
        let (from, length) = (index % 24, 2 + index % 11);
        let value = |slot: usize| {
            let busy = (slot + 24 - from) % 24 < length;
            let lively = 1.0 + (index % 7) as f64 * noise();
            (lively * if busy { 30.0 } else { 5.0 }) as f32
        };
        let series = Series { start_s: 0, step_s: 3_600, values: (0..SLOTS).map(value).collect() };
        let arn = Arn(format!("arn:aws:ec2:us-east-1:123456789012:instance/i-{index:05}"));
        Profile::of(&arn, &series).expect("it has a day")
    };
    (0..RESOURCES).map(machine).collect()
}

fn class(criterion: &mut Criterion) {
    let profiles = machines();
    let mut group = criterion.benchmark_group("classes");
    group.sample_size(10);
    group.bench_function("10,000 profiles", |bench| bench.iter(|| classes(black_box(&profiles))));
    group.finish();
    let found = classes(&profiles);
    let young = Profile { days: 3.0, ..profiles[0].clone() };
    criterion.bench_function("borrow", |bench| {
        bench.iter(|| borrow(black_box(&young), &Peers::default(), &found));
    });
}

criterion_group!(benches, class);
criterion_main!(benches);
