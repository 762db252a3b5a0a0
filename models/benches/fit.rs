//! How long a series takes to forecast, beside the MSTL of augurs on the same points, and an instance to size: the dearest
//! parts of a cycle.
//!
//! Not here: a whole fleet (`fleet`), and whether the forecasts are any good, which the tests and the back-test judge.

use std::{collections::BTreeMap, hint::black_box};

use augurs::{
    Fit, Predict,
    ets::{AutoETS, trend::AutoETSTrendModel},
    mstl::MSTLModel,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use trimtab_models::{
    catalog::{Catalog, LINUX_PLATFORM},
    forecast::{Incremental, forecast},
    metric::{Measure, Metric, Statistic},
    resource::{Arn, Detail, Instance, InstanceState, Kind, Resource, ResourceRef},
    season::{Hours, seasons},
    series::Series,
    sizing::{
        SizingInput, recommend,
        settings::{
            FunctionObjective, FunctionSettings, GroupSettings, InstanceSettings, SizingSettings,
        },
    },
};

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 14 days of 5-minute slots.
const SLOTS: usize = 4_032;
/// A Tuesday at midnight, UTC.
const START_S: i64 = 1_790_640_000;

/// A series with a day, a week and noise: every member of the bank has work with it.
fn series(scale: f64) -> Series {
    let mut state = 7_u64;
    let value = |slot: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (state >> 40) as f64 / f64::from(1_u32 << 24);
        let hour = slot as f64 / 12.0;
        let day = (std::f64::consts::TAU * hour / 24.0).sin();
        let weekend = if (slot / 288) % 7 >= 4 { 0.3 } else { 1.0 };
        (scale * (10.0 + 5.0 * day * weekend + 4.0 * noise)) as f32
    };
    Series { start_s: START_S, step_s: 300, values: (0..SLOTS).map(value).collect() }
}

/// The day ahead by augurs, with its 95 % band.
fn mstl(points: &[f64]) -> Vec<f64> {
    let trend = AutoETSTrendModel::from(AutoETS::non_seasonal());
    let fitted = MSTLModel::new(vec![288], trend).fit(points).expect("14 days hold the season");
    fitted.predict(288, 0.95).expect("a fitted model predicts").point
}

fn settings() -> SizingSettings {
    SizingSettings {
        lookback_days: 30,
        risk: None,
        quantile: 0.995,
        headroom_ratio: 0.2,
        memory_headroom_ratio: 0.2,
        io_headroom_ratio: 0.2,
        instance: InstanceSettings {
            include_types: Vec::new(),
            exclude_types: vec!["*.metal*".to_owned()],
            across_families: true,
            allow_burstable: false,
            allow_previous_generation: false,
            alternates: 2,
            idle_cpu_percent: 1.0,
            idle_network_bytes_per_hour: 1e6,
            saturated_ratio: 0.01,
        },
        function: FunctionSettings {
            memory_headroom_ratio: 0.2,
            min_memory_mb: 128,
            objective: FunctionObjective::Cost,
            max_latency_increase_ratio: 1.5,
            explore: true,
        },
        group: GroupSettings { target_cpu_ratio: 0.6, min_size: 1 },
        discount_ratio: 0.0,
        required_metrics: Vec::new(),
    }
}

fn instance(now: Timestamp) -> Resource {
    let detail = Instance {
        instance_type: "m5.2xlarge".to_owned(),
        state: InstanceState::Running,
        platform: LINUX_PLATFORM.to_owned(),
        architecture: "x86_64".to_owned(),
        virtualization: "hvm".to_owned(),
        ena_support: true,
        boot_mode: None,
        ebs_root: true,
        lifecycle: None,
        tenancy: "default".to_owned(),
        placement_group: None,
        hibernation: false,
        enclave: false,
        custom_cpu_options: false,
        registrations: None,
        licenses: 0,
        network_interfaces: 1,
        addresses_per_interface: 1,
        special_network: false,
        public_ip: None,
        elastic_ip: false,
        volumes: vec!["vol-1".to_owned()],
        operator_managed: false,
        group: None,
        state_reason: None,
        launched_at: None,
    };
    Resource {
        reference: ResourceRef {
            arn: Arn("arn:aws:ec2:us-east-1:123456789012:instance/i-1".to_owned()),
            kind: Kind::Instance,
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            tags: BTreeMap::new(),
        },
        id: "i-1".to_owned(),
        zone: None,
        created_at: None,
        observed_at: now,
        detail: Detail::Instance(Box::new(detail)),
    }
}

fn fit(criterion: &mut Criterion) {
    let one = series(1.0);
    criterion.bench_function("forecast, 4032 points", |bench| {
        bench.iter(|| forecast(black_box(&one)));
    });
    let found = forecast(&one).expect("14 days are enough");
    let hour = &one.values[..12];
    criterion.bench_function("incremental hour and the steps after it", |bench| {
        bench.iter_batched_ref(
            || Incremental::of(&found),
            |state| {
                state.update(black_box(hour));
                state.steps()
            },
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("augurs MSTL(288) with AutoETS, 4032 points", |bench| {
        let points: Vec<f64> = one.values.iter().map(|value| f64::from(*value)).collect();
        bench.iter(|| mstl(black_box(&points)));
    });
    criterion.bench_function("seasons, 4032 points", |bench| {
        bench.iter(|| Hours::of(black_box(&one)).map(|hours| seasons(&hours)));
    });
    let (catalog, settings) = (Catalog::embedded(), settings());
    let at = |time_s| Timestamp::from_second(time_s).expect("the year is 2026");
    let until = at(one.end_s());
    let resource = instance(until);
    let measures = Measure::of(Kind::Instance).map(|measure| {
        let bytes = measure.statistic == Statistic::Sum;
        let percent = measure.metric == Metric::InstanceMemory;
        (
            measure,
            series(if bytes {
                1e6
            } else if percent {
                2.0
            } else {
                1.0
            }),
        )
    });
    let all: BTreeMap<Measure, Series> = measures.collect();
    let (inventory, running) = (BTreeMap::new(), []);
    let input = SizingInput {
        resource: &resource,
        series: &all,
        now: until,
        from: at(START_S),
        until,
        sizes: &[],
        borrowed: None,
        running: &running,
        inventory: &inventory,
    };
    criterion.bench_function("recommend, an instance with 7 series", |bench| {
        bench.iter(|| recommend(black_box(&input), &settings, &catalog));
    });
}

criterion_group!(benches, fit);
criterion_main!(benches);
