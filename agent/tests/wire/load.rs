//! Series for the emulated CloudWatch: real ones where `TRIMTAB_DATA` names a folder that holds them, seeded ones of
//! the same shapes elsewhere.
//!
//! Every series ends at a given time, so that thirty days of history lie before the test's present. Not here: which
//! metrics Trimtab reads; what is loaded is what AWS publishes by itself, and memory where an agent is asked for.

use std::f64::consts::TAU;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::proxy::{MetricId, Point, Proxy};

/// Seconds between points: EC2's basic monitoring, and the step of the recorded series.
pub(crate) const STEP: i64 = 300;
/// Points of thirty days.
pub(crate) const POINTS: usize = 30 * 288;

/// One interval of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// Start of the interval, seconds since 1970, a multiple of `STEP`.
    pub(crate) start: i64,
    pub(crate) average: f64,
    pub(crate) maximum: f64,
}

/// The shapes that the recorded series have, for seeded ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Up by day, down by night, between 15 and 55 %.
    Daily,
    /// Low, with an hour near 70 % every night.
    Bursts,
    /// Below 2 % at all times.
    Idle,
    /// Above 90 % most of the time.
    Saturated,
    /// Between 4 and 12 %: far too large a machine.
    Oversized,
}

impl Shape {
    /// All of them, in the order that `cpu_series` walks through.
    pub(crate) const ALL: [Self; 5] =
        [Self::Daily, Self::Bursts, Self::Idle, Self::Saturated, Self::Oversized];

    /// The level in percent at a time of day (0 to 1), without noise.
    fn level(self, day: f64) -> f64 {
        let wave = (1.0 - (TAU * day).cos()) / 2.0;
        match self {
            Self::Daily => 15.0 + 38.0 * wave,
            Self::Bursts => 5.0 + if (0.08..0.122).contains(&day) { 65.0 } else { 0.0 },
            Self::Idle => 0.8,
            Self::Saturated => 91.0 + 7.0 * wave,
            Self::Oversized => 4.5 + 6.0 * wave,
        }
    }
}

/// Thirty days of CPU in percent that end before `end`: of a real virtual machine, or seeded. Any index is good.
pub(crate) fn cpu_series(index: usize, end: i64) -> Vec<Sample> {
    match recorded_column("bitbrains_rnd/cpu_pct_2013-08.csv", &BITBRAINS_CPU, index) {
        // Readings above 100 are a matter of clock boost; CloudWatch never publishes them.
        Some(values) => {
            samples(values.into_iter().map(|value| value.map(|cpu| cpu.min(100.0))).collect(), end)
        }
        None => shaped_series(Shape::ALL[index % Shape::ALL.len()], index as u64, end),
    }
}

/// Thirty days of memory in use, in percent, of the same machine as the CPU series of that index.
pub(crate) fn memory_series(index: usize, end: i64) -> Vec<Sample> {
    let used = recorded_column("bitbrains_rnd/mem_used_mib_2013-08.csv", &BITBRAINS_MEMORY, index);
    match used {
        Some(values) => {
            // A tenth above the most ever used stands for what was provisioned.
            let size = values.iter().flatten().copied().fold(1.0, f64::max) * 1.1;
            samples(
                values.into_iter().map(|value| value.map(|used| 100.0 * used / size)).collect(),
                end,
            )
        }
        None => seeded(
            index as u64 ^ 0x6d65_6d00,
            end,
            |day| 35.0 + 10.0 * (TAU * day).sin().abs(),
            0.02,
        ),
    }
}

/// Thirty days of the CPU of a real EC2 instance (two weeks, repeated), or seeded.
pub(crate) fn ec2_cpu_series(index: usize, end: i64) -> Vec<Sample> {
    const FILES: [&str; 7] = ["24ae8d", "53ea38", "5f5533", "77c1ca", "ac20cd", "c6585a", "fe7f93"];
    let name = FILES[index % FILES.len()];
    let Some(text) =
        recorded(&format!("nab_cloudwatch/realAWSCloudwatch/ec2_cpu_utilization_{name}.csv"))
    else {
        return shaped_series(Shape::ALL[index % Shape::ALL.len()], index as u64 ^ 0xec2, end);
    };
    let values: Vec<Option<f64>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).and_then(|value| value.parse().ok()))
        .collect();
    samples(values.into_iter().cycle().take(POINTS).collect(), end)
}

/// Thirty days of a known shape in percent; the same seed gives the same series.
pub(crate) fn shaped_series(shape: Shape, seed: u64, end: i64) -> Vec<Sample> {
    seeded(seed, end, |day| shape.level(day), 0.05)
}

static BITBRAINS_CPU: OnceLock<Option<String>> = OnceLock::new();
static BITBRAINS_MEMORY: OnceLock<Option<String>> = OnceLock::new();

/// The text of a recorded file; `None` where no recordings are at hand. A folder that lacks the file is an error.
#[expect(
    clippy::disallowed_methods,
    reason = "where recorded series lie is the test's own environment"
)]
fn recorded(file: &str) -> Option<String> {
    let path = PathBuf::from(std::env::var_os("TRIMTAB_DATA")?).join(file);
    let text = fs::read_to_string(&path);
    Some(text.unwrap_or_else(|error| {
        panic!("TRIMTAB_DATA names a folder without `{}`: {error}", path.display())
    }))
}

/// One machine's column of a recorded table; an empty cell is a missing sample.
fn recorded_column(
    file: &str,
    cache: &OnceLock<Option<String>>,
    index: usize,
) -> Option<Vec<Option<f64>>> {
    let text = cache.get_or_init(|| recorded(file)).as_ref()?;
    let machines = text.lines().next().map_or(1, |head| head.split(',').count() - 1);
    let column = 1 + index % machines;
    Some(
        text.lines()
            .skip(1)
            .map(|line| line.split(',').nth(column).and_then(|cell| cell.parse().ok()))
            .collect(),
    )
}

/// Puts values on the grid before `end`. The recordings hold averages only: the maximum of an interval is taken as the
/// highest of its own value and its neighbours', since a rise that began inside it shows up next door.
fn samples(values: Vec<Option<f64>>, end: i64) -> Vec<Sample> {
    let first = aligned(end) - STEP * values.len() as i64;
    let near = |at: usize| values[at.saturating_sub(1)..values.len().min(at + 2)].iter().flatten();
    let sample = |(at, value): (usize, &Option<f64>)| {
        let average = (*value)?;
        let maximum = near(at).copied().fold(average, f64::max);
        Some(Sample { start: first + STEP * at as i64, average, maximum })
    };
    values.iter().enumerate().filter_map(sample).collect()
}

/// Values of a level with noise of that share of it.
fn seeded(seed: u64, end: i64, level: impl Fn(f64) -> f64, noise: f64) -> Vec<Sample> {
    let mut state = seed;
    let first = aligned(end) - STEP * POINTS as i64;
    let sample = |at: usize| {
        let start = first + STEP * at as i64;
        let day = start.rem_euclid(86_400) as f64 / 86_400.0;
        let level = level(day) * (1.0 + noise * (2.0 * uniform(&mut state) - 1.0));
        let maximum = level * (1.0 + noise * uniform(&mut state));
        Sample { start, average: level.min(100.0), maximum: maximum.min(100.0) }
    };
    (0..POINTS).map(sample).collect()
}

/// The next number in 0..1 of the SplitMix64 sequence.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The start of the interval that holds `time`.
pub(crate) fn aligned(time: i64) -> i64 {
    time - time.rem_euclid(STEP)
}

/// Where series are loaded: the emulated CloudWatch of one account and region.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) proxy: &'a Proxy,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
}

impl Place<'_> {
    /// Loads a metric whose average and maximum matter, from one value a minute.
    pub(crate) fn gauge(&self, metric: MetricId, samples: &[Sample]) {
        let point =
            |sample: &Sample| Point::spread(sample.start, sample.average, sample.maximum, 5.0);
        self.put(metric, samples.iter().map(point).collect());
    }

    /// Loads a metric whose sum matters: each sample's average is the interval's total.
    pub(crate) fn counter(&self, metric: MetricId, samples: &[Sample]) {
        self.put(
            metric,
            samples.iter().map(|sample| Point::value(sample.start, sample.average)).collect(),
        );
    }

    fn put(&self, metric: MetricId, points: Vec<Point>) {
        self.proxy.cloudwatch().put(self.account, self.region, metric, points);
    }

    /// Loads what EC2 publishes of an instance with that CPU series.
    pub(crate) fn instance(&self, id: &str, cpu: &[Sample]) {
        let metric = |name| MetricId::new("AWS/EC2", name, &[("InstanceId", id)]);
        self.gauge(metric("CPUUtilization"), cpu);
        // A megabyte for each percent: traffic follows work.
        self.counter(metric("NetworkIn"), &scaled(cpu, 1e6));
        self.counter(metric("NetworkOut"), &scaled(cpu, 2e6));
        self.gauge(metric("StatusCheckFailed"), &scaled(cpu, 0.0));
    }

    /// Loads what the CloudWatch agent publishes of an instance's memory, in percent.
    pub(crate) fn memory(&self, (id, instance_type, image): (&str, &str, &str), memory: &[Sample]) {
        let dimensions = [("InstanceId", id), ("InstanceType", instance_type), ("ImageId", image)];
        self.gauge(MetricId::new("CWAgent", "mem_used_percent", &dimensions), memory);
    }

    /// Loads what EBS publishes of a volume: `operations` a second of `kib` KiB each, one half reads.
    pub(crate) fn volume(&self, id: &str, operations: &[Sample], kib: f64) {
        let metric = |name| MetricId::new("AWS/EBS", name, &[("VolumeId", id)]);
        let halves = scaled(operations, STEP as f64 / 2.0);
        for (count, bytes) in
            [("VolumeReadOps", "VolumeReadBytes"), ("VolumeWriteOps", "VolumeWriteBytes")]
        {
            self.counter(metric(count), &halves);
            self.counter(metric(bytes), &scaled(&halves, kib * 1024.0));
        }
    }

    /// Loads what Lambda and Lambda Insights publish of a function: invocations in each interval, milliseconds each
    /// takes, and the most memory one used, in MB.
    pub(crate) fn function(
        &self,
        name: &str,
        invocations: &[Sample],
        (duration_ms, used_mb): (f64, f64),
    ) {
        let metric = |metric| MetricId::new("AWS/Lambda", metric, &[("FunctionName", name)]);
        self.counter(metric("Invocations"), invocations);
        self.counter(metric("Errors"), &scaled(invocations, 0.0));
        self.counter(metric("Throttles"), &scaled(invocations, 0.0));
        let constant = |value: f64| -> Vec<Sample> {
            invocations.iter().map(|at| Sample { average: value, maximum: value, ..*at }).collect()
        };
        self.gauge(metric("Duration"), &constant(duration_ms));
        self.gauge(
            MetricId::new("LambdaInsights", "used_memory_max", &[("function_name", name)]),
            &constant(used_mb),
        );
    }

    /// Loads what EC2 and Auto Scaling publish of a group.
    pub(crate) fn group(&self, name: &str, cpu: &[Sample], in_service: f64) {
        let group = [("AutoScalingGroupName", name)];
        self.gauge(MetricId::new("AWS/EC2", "CPUUtilization", &group), cpu);
        let size: Vec<Sample> = cpu
            .iter()
            .map(|at| Sample { average: in_service, maximum: in_service, ..*at })
            .collect();
        self.gauge(MetricId::new("AWS/AutoScaling", "GroupInServiceInstances", &group), &size);
    }
}

/// The same series, times a factor.
pub(crate) fn scaled(samples: &[Sample], factor: f64) -> Vec<Sample> {
    let scale = |at: &Sample| Sample {
        start: at.start,
        average: at.average * factor,
        maximum: at.maximum * factor,
    };
    samples.iter().map(scale).collect()
}
