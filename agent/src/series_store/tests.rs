//! Tests of the series files: against a map as oracle, with cuts, flipped bits, full disks and real series.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::RwLock;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::journal::tests::TinyDisk;

const STEP_S: u32 = 300;
const STEP: i64 = STEP_S as i64;

/// Monday 2026-11-02T00:00Z.
const MONDAY: i64 = 1_793_577_600;

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn open(dir: &Path) -> SeriesStore {
    SeriesStore::open(dir).expect("the folder opens")
}

/// A noisy day and night with a few gaps, unlike for every seed.
fn wave(seed: u64, points: usize, gap_ratio: f64) -> Vec<f32> {
    let mut random = rand_pcg::Pcg64::seed_from_u64(seed);
    let level: f32 = random.random_range(2.0..40.0);
    let point = |slot: usize| {
        let phase = slot as f32 / 288.0 * std::f32::consts::TAU;
        let noise: f32 = random.random_range(-1.0..1.0);
        let value = (level * (1.0 + 0.5 * phase.sin()) + noise).max(0.0);
        if random.random_bool(gap_ratio) { f32::NAN } else { value }
    };
    (0..points).map(point).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|value| round12(*value)).collect()
}

fn read(store: &SeriesStore, key: &str, start: i64, slots: usize) -> Vec<f32> {
    let grid = store.read(key, start, start + slots as i64 * STEP).expect("the files are whole");
    grid.expect("the key is known").values
}

#[test]
fn weeks_begin_on_monday() {
    assert_eq!(segment::week_start(segment::week_of(MONDAY)), MONDAY);
    assert_eq!(segment::week_of(MONDAY - 1) + 1, segment::week_of(MONDAY));
    for unix_s in [0, MONDAY - 1, MONDAY, UNIX_S_MAX] {
        let week = segment::week_of(unix_s);
        assert!((segment::week_start(week)..segment::week_start(week + 1)).contains(&unix_s));
        assert_eq!(segment::week_of_name(&segment::file_name(week)), Some(week));
    }
    assert_eq!(segment::file_name(segment::week_of(MONDAY)), "2026-11-02.seg");
    assert_eq!(segment::week_of_name("2026-11-03.seg"), None, "a Tuesday begins no week");
}

#[test]
fn points_survive_flush_and_reopening_in_tail_and_chunks() {
    let dir = temp();
    let (small, large) = (wave(1, 40, 0.1), wave(2, 3_000, 0.05));
    let mut store = open(dir.path());
    store.append("small", STEP_S, MONDAY, &small).expect("there is room");
    store.append("large", STEP_S, MONDAY, &large).expect("there is room");
    for round in 0..3 {
        assert_eq!(bits(&read(&store, "small", MONDAY, 40)), bits(&rounded(&small)), "{round}");
        assert_eq!(bits(&read(&store, "large", MONDAY, 3_000)), bits(&rounded(&large)), "{round}");
        store.flush().expect("there is room");
        drop(store);
        store = open(dir.path());
        assert_eq!(store.damage(), []);
    }
    assert_eq!(store.keys().collect::<Vec<_>>(), ["large", "small"]);
    assert_eq!(store.read("other", 0, MONDAY).expect("nothing is damaged"), None);
    assert!(
        store.series.values().any(|series| series.chunks.len() == 2 && series.tail.runs.is_empty())
    );
}

#[test]
fn a_gap_is_a_gap_and_never_erases_a_value() {
    let dir = temp();
    let mut store = open(dir.path());
    store.append("k", STEP_S, MONDAY, &[1.0, f32::NAN, 3.0]).expect("there is room");
    store.append("k", STEP_S, MONDAY, &[f32::NAN, f32::INFINITY, 4.0]).expect("there is room");
    let values = read(&store, "k", MONDAY - STEP, 5);
    assert_eq!(bits(&values), bits(&[f32::NAN, 1.0, f32::NAN, 4.0, f32::NAN]));
    store.append("silent", STEP_S, MONDAY, &[f32::NAN]).expect("there is room");
    assert_eq!(bits(&read(&store, "silent", MONDAY, 1)), bits(&[f32::NAN]));
    assert_eq!((store.last("k"), store.last("silent")), (Some(MONDAY + 2 * STEP), None));
    assert_eq!(store.stats().points, 2);
}

#[test]
fn wrong_calls_are_refused_by_name() {
    let dir = temp();
    let mut store = open(dir.path());
    store.append("known", STEP_S, MONDAY, &[1.0]).expect("there is room");
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    type Wanted = fn(&SeriesError) -> bool;
    let calls: [(&str, u32, i64, Wanted); 7] = [
        ("known", 60, MONDAY, |error| {
            matches!(error, SeriesError::Step { known_s: 300, given_s: 60, .. })
        }),
        ("new", 0, MONDAY, |error| matches!(error, SeriesError::Step { .. })),
        ("new", STEP_S, MONDAY + 1, |error| matches!(error, SeriesError::Misaligned { .. })),
        ("new", STEP_S, -STEP, |error| matches!(error, SeriesError::Time { .. })),
        ("new", STEP_S, i64::MAX / STEP * STEP, |error| matches!(error, SeriesError::Time { .. })),
        ("", STEP_S, MONDAY, |error| matches!(error, SeriesError::Key { .. })),
        (&long, STEP_S, MONDAY, |error| matches!(error, SeriesError::Key { .. })),
    ];
    for (key, step_s, start, wanted) in calls {
        let error = store.append(key, step_s, start, &[2.0]).expect_err("the call is wrong");
        assert!(wanted(&error), "{error:?}");
    }
    assert_eq!(store.keys().collect::<Vec<_>>(), ["known"], "a refused call leaves nothing behind");
    let error = store.read("known", i64::MIN, i64::MAX).expect_err("that is too much at once");
    assert!(matches!(error, SeriesError::Range { .. }), "{error:?}");
    assert!(read(&store, "known", MONDAY + STEP, 0).is_empty());
    let unaligned = store
        .read("known", MONDAY - 1, MONDAY + 1)
        .expect("nothing is damaged")
        .expect("the key is known");
    assert_eq!((unaligned.start_unix_s, bits(&unaligned.values)), (MONDAY, bits(&[1.0])));
}

#[test]
fn a_second_opener_is_refused_by_name() {
    let dir = temp();
    let store = open(dir.path());
    let error = SeriesStore::open(dir.path()).expect_err("the folder is in use");
    assert!(
        matches!(&error, SeriesError::Locked { dir: locked } if locked == dir.path()),
        "{error:?}"
    );
    drop(store);
    open(dir.path());
}

#[test]
fn readers_run_side_by_side() {
    fn shareable<T: Send + Sync>() {}
    shareable::<SeriesStore>();
    let dir = temp();
    let values = wave(3, 2_016, 0.0);
    let mut store = open(dir.path());
    store.append("k", STEP_S, MONDAY, &values).expect("there is room");
    let store = RwLock::new(store);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = store.read().expect("no writer panicked");
                assert_eq!(bits(&read(&store, "k", MONDAY, 2_016)), bits(&rounded(&values)));
            });
        }
    });
}

#[derive(Debug, Clone)]
enum Step {
    Append { key: usize, slot: i64, points: usize, seed: u64 },
    Flush,
    Reopen,
    Retain { slot: i64 },
    Drop { key: usize },
}

const KEYS: [&str; 3] = ["a|cpu|avg|300", "b|cpu|max|300", "c"];
const SLOTS: i64 = 3 * 2_016;

fn step() -> impl Strategy<Value = Step> {
    let append = |points| {
        (0..KEYS.len(), 0..SLOTS, points, any::<u64>())
            .prop_map(|(key, slot, points, seed)| Step::Append { key, slot, points, seed })
    };
    // The newest slots again and again, as collections do.
    let hourly = (0..KEYS.len(), 0i64..40, any::<u64>()).prop_map(|(key, hour, seed)| {
        Step::Append { key, slot: 1_900 + hour * 12, points: 15, seed }
    });
    prop_oneof![
        6 => append(1usize..30),
        6 => hourly,
        3 => append(100usize..288),
        3 => append(288usize..2_500),
        3 => Just(Step::Flush),
        2 => Just(Step::Reopen),
        1 => (0..SLOTS).prop_map(|slot| Step::Retain { slot }),
        1 => (0..KEYS.len()).prop_map(|key| Step::Drop { key }),
    ]
}

type Oracle = BTreeMap<usize, BTreeMap<i64, f32>>;

fn apply(store: &mut SeriesStore, oracle: &mut Oracle, step: &Step) {
    match step {
        Step::Append { key, slot, points, seed } => {
            let values = wave(*seed, *points, 0.2);
            let start = MONDAY + slot * STEP;
            store.append(KEYS[*key], STEP_S, start, &values).expect("there is room");
            let known = oracle.entry(*key).or_default();
            for (slot, value) in (*slot..).zip(&values).filter(|(_, value)| !value.is_nan()) {
                known.insert(slot, round12(*value));
            }
        }
        Step::Flush => store.flush().expect("there is room"),
        Step::Reopen => {}
        Step::Retain { slot } => {
            store.retain_from(MONDAY + slot * STEP).expect("there is room");
            let first = slot / 2_016 * 2_016;
            oracle.values_mut().for_each(|known| known.retain(|slot, _| *slot >= first));
            oracle.retain(|_, known| !known.is_empty());
        }
        Step::Drop { key } => {
            let known = oracle.remove(key).is_some();
            assert_eq!(store.drop_series(KEYS[*key]).expect("there is room"), known);
        }
    }
}

fn compare(store: &SeriesStore, oracle: &Oracle) {
    let known: Vec<&str> = oracle.keys().map(|key| KEYS[*key]).collect();
    assert_eq!(store.keys().collect::<Vec<_>>(), known);
    for (key, points) in oracle {
        let slots = SLOTS + 2_500;
        let expected: Vec<f32> =
            (0..slots).map(|slot| points.get(&slot).copied().unwrap_or(f32::NAN)).collect();
        let found =
            read(store, KEYS[*key], MONDAY, usize::try_from(slots).expect("it is positive"));
        let differs = bits(&found).iter().zip(bits(&expected)).position(|(a, b)| *a != b);
        assert_eq!(differs, None, "slot of {}", KEYS[*key]);
        assert_eq!(store.last(KEYS[*key]), points.keys().last().map(|slot| MONDAY + slot * STEP));
    }
    for series in store.series.values() {
        let ordered = series.chunks.is_sorted_by(|a, b| a.end(STEP) <= b.start);
        assert!(ordered, "chunks overlap: {:?}", series.chunks);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_store_is_a_map_of_slots(steps in prop::collection::vec(step(), 1..40)) {
        let dir = temp();
        let mut store = open(dir.path());
        let mut oracle = Oracle::new();
        for step in &steps {
            apply(&mut store, &mut oracle, step);
            if matches!(step, Step::Reopen) {
                drop(store);
                store = open(dir.path());
                prop_assert_eq!(store.damage(), &[]);
            }
            compare(&store, &oracle);
        }
        drop(store);
        compare(&open(dir.path()), &oracle);
    }

    #[test]
    fn rounding_is_to_the_nearest_and_small(value in any::<f32>().prop_filter("normal numbers", |value| value.is_normal())) {
        let error = (f64::from(round12(value)) - f64::from(value)).abs() / f64::from(value).abs();
        prop_assert!(error <= 2f64.powi(-13), "{value} becomes {}: {error}", round12(value));
        prop_assert_eq!(round12(value).to_bits() & 0x7ff, 0);
        prop_assert_eq!(round12(round12(value)).to_bits(), round12(value).to_bits());
        prop_assert_eq!(round12(-value).to_bits(), (-round12(value)).to_bits());
    }
}

#[test]
fn rounding_of_special_values() {
    for (value, expected) in [
        (0.0, 0.0),
        (-0.0, -0.0),
        (1.0, 1.0),
        (f32::NAN, f32::NAN),
        (f32::INFINITY, f32::NAN),
        (f32::NEG_INFINITY, f32::NAN),
        (1.0 + 2f32.powi(-13), 1.0),
        (1.0 + 3.0 * 2f32.powi(-13), 1.0 + 2f32.powi(-11)),
        (f32::MAX, f32::from_bits(0x7f7f_f800)),
    ] {
        assert_eq!(round12(value).to_bits(), expected.to_bits(), "{value}");
    }
}

/// A folder with the given files of `from`, one of them with other bytes.
fn copy_with(from: &Path, changed: &str, bytes: &[u8]) -> tempfile::TempDir {
    let dir = temp();
    for entry in fs::read_dir(from).expect("the folder exists") {
        let path = entry.expect("the folder can be listed").path();
        fs::copy(&path, dir.path().join(path.file_name().expect("files have names")))
            .expect("there is room");
    }
    fs::write(dir.path().join(changed), bytes).expect("there is room");
    dir
}

#[test]
fn every_cut_of_the_tail_keeps_the_frames_before_it() {
    let dir = temp();
    let mut store = open(dir.path());
    let mut ends = vec![0];
    for append in 0..4 {
        store
            .append("k", STEP_S, MONDAY + append * 5 * STEP, &wave(9, 5, 0.0))
            .expect("there is room");
        ends.push(usize::try_from(store.tail.bytes()).expect("it is small"));
    }
    drop(store);
    let whole = fs::read(dir.path().join("tail.log")).expect("it was just written");
    for cut in 0..=whole.len() {
        let dir = copy_with(dir.path(), "tail.log", &whole[..cut]);
        let store = open(dir.path());
        let frames = ends.iter().filter(|end| **end <= cut).count() - 1;
        let values = read(&store, "k", MONDAY, 20);
        let expected: Vec<f32> = (0..20)
            .map(
                |slot| {
                    if slot < frames * 5 { round12(wave(9, 5, 0.0)[slot % 5]) } else { f32::NAN }
                },
            )
            .collect();
        assert_eq!(bits(&values), bits(&expected), "cut at {cut}");
        assert_eq!(store.damage().is_empty(), ends.contains(&cut), "cut at {cut}");
        assert!(store.damage().iter().all(|damage| damage.torn));
    }
}

#[test]
fn a_damaged_frame_costs_only_itself_and_is_told() {
    let dir = temp();
    let mut store = open(dir.path());
    for append in 0..3 {
        store.append("k", STEP_S, MONDAY + append * STEP, &[1.0]).expect("there is room");
        store.append(&format!("other {append}"), STEP_S, MONDAY, &[1.0]).expect("there is room");
    }
    drop(store);
    let mut tail = fs::read(dir.path().join("tail.log")).expect("it was just written");
    let frame = tail.len() / 6;
    tail[2 * frame + 20] ^= 1;
    let damaged = copy_with(dir.path(), "tail.log", &tail);
    let store = open(damaged.path());
    assert_eq!(bits(&read(&store, "k", MONDAY, 3)), bits(&[1.0, f32::NAN, 1.0]));
    let [damage] = store.damage() else { panic!("{:?}", store.damage()) };
    assert_eq!((damage.offset, damage.bytes, damage.torn), (2 * frame as u64, frame as u64, false));

    let mut keys = fs::read(dir.path().join("keys.log")).expect("it was just written");
    keys[5] ^= 1;
    let damaged = copy_with(dir.path(), "keys.log", &keys);
    let mut store = open(damaged.path());
    assert_eq!(store.keys().collect::<Vec<_>>(), ["other 0", "other 1", "other 2"]);
    assert_eq!(store.damage().len(), 1);
    store.append("new", STEP_S, MONDAY, &[f32::NAN]).expect("there is room");
    assert_eq!(store.last("new"), None, "a lost key's points never become another's");
}

/// A store of two full chunks, the first of `k`; returns the bytes of its only segment and where the second begins.
fn sealed(dir: &Path) -> (String, Vec<u8>, usize) {
    let mut store = open(dir);
    store.append("k", STEP_S, MONDAY, &wave(1, 300, 0.01)).expect("there is room");
    store.append("other", STEP_S, MONDAY, &wave(2, 300, 0.01)).expect("there is room");
    let second =
        store.series.values().map(|series| series.chunks[0].offset).max().expect("there are two");
    drop(store);
    let name = "2026-11-02.seg".to_owned();
    let bytes = fs::read(dir.join(&name)).expect("it was just written");
    (name, bytes, usize::try_from(second).expect("it is small"))
}

#[test]
fn every_flipped_bit_of_a_chunk_is_an_error_naming_file_and_offset() {
    let dir = temp();
    let (name, whole, second) = sealed(dir.path());
    let store = open(dir.path());
    let path = dir.path().join(&name);
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).expect("there is room");
        let (hit, spared) = if bit / 8 < second { ("k", "other") } else { ("other", "k") };
        let offset = if hit == "k" { 0 } else { second as u64 };
        match store.read(hit, MONDAY, MONDAY + 300 * STEP) {
            Err(SeriesError::Damaged { key, file, offset: at, .. }) => {
                assert_eq!((key.as_str(), &file, at), (hit, &path, offset), "bit {bit}");
            }
            other => panic!("bit {bit} went undetected: {other:?}"),
        }
        assert_eq!(read(&store, spared, MONDAY, 300).len(), 300);
    }
}

#[test]
fn a_damaged_chunk_is_refused_after_reopening_and_can_be_dropped_and_fetched_again() {
    let dir = temp();
    let (name, whole, _) = sealed(dir.path());
    let mut bytes = whole.clone();
    bytes[chunk::HEADER_BYTES + 10] ^= 4;
    fs::write(dir.path().join(&name), &bytes).expect("there is room");
    let mut store = open(dir.path());
    assert!(matches!(
        store.read("k", MONDAY, MONDAY + STEP),
        Err(SeriesError::Damaged { offset: 0, .. })
    ));
    let overlapping = store.append("k", STEP_S, MONDAY, &wave(1, 300, 0.0));
    assert!(matches!(overlapping, Err(SeriesError::Damaged { .. })), "{overlapping:?}");
    store.flush().expect("one damaged series does not stop the others");
    assert!(store.drop_series("k").expect("there is room"));
    assert_eq!(store.read("k", MONDAY, MONDAY + STEP).expect("it is gone"), None);
    store.append("k", STEP_S, MONDAY, &wave(5, 300, 0.0)).expect("there is room");
    drop(store);
    let store = open(dir.path());
    assert_eq!(bits(&read(&store, "k", MONDAY, 300)), bits(&rounded(&wave(5, 300, 0.0))));
}

#[test]
fn a_damaged_header_is_told_and_reads_as_a_gap() {
    let dir = temp();
    let (name, whole, second) = sealed(dir.path());
    for byte in 0..chunk::HEADER_BYTES {
        let mut bytes = whole.clone();
        bytes[byte] ^= 0x10;
        let dir = copy_with(dir.path(), &name, &bytes);
        let store = open(dir.path());
        assert!(read(&store, "k", MONDAY, 300).iter().all(|value| value.is_nan()), "byte {byte}");
        assert_eq!(bits(&read(&store, "other", MONDAY, 300)), bits(&rounded(&wave(2, 300, 0.01))));
        let [damage] = store.damage() else { panic!("byte {byte}: {:?}", store.damage()) };
        assert_eq!((damage.offset, damage.bytes, damage.torn), (0, second as u64, false));
    }
}

#[test]
fn every_cut_of_a_segment_keeps_the_chunks_before_it() {
    let dir = temp();
    let (name, whole, second) = sealed(dir.path());
    for cut in (0..=whole.len()).step_by(7).chain([second, whole.len()]) {
        let dir = copy_with(dir.path(), &name, &whole[..cut]);
        let store = open(dir.path());
        for (key, seed, end) in [("k", 1, second), ("other", 2, whole.len())] {
            let expected =
                if cut >= end { rounded(&wave(seed, 300, 0.01)) } else { vec![f32::NAN; 300] };
            assert_eq!(
                bits(&read(&store, key, MONDAY, 300)),
                bits(&expected),
                "{key} cut at {cut}"
            );
        }
        assert_eq!(
            store.damage().is_empty(),
            [0, second, whole.len()].contains(&cut),
            "cut at {cut}"
        );
    }
}

#[test]
fn hourly_collections_settle_into_one_chunk_a_week() {
    let dir = temp();
    let values = wave(11, 3 * 2_016, 0.0);
    let keys: Vec<String> = (0..5).map(|number| format!("series {number}")).collect();
    let mut store = open(dir.path());
    for hour in 0..3 * 168 {
        let first = (hour * 12usize).saturating_sub(3);
        for key in &keys {
            let points = &values[first..(hour + 1) * 12];
            store.append(key, STEP_S, MONDAY + first as i64 * STEP, points).expect("there is room");
        }
        if hour % 6 == 5 {
            store.flush().expect("there is room");
        }
    }
    let week = segment::week_of(MONDAY);
    for key in &keys {
        assert_eq!(bits(&read(&store, key, MONDAY, values.len())), bits(&rounded(&values)));
    }
    for series in store.series.values() {
        let first = series.chunks.iter().filter(|chunk| chunk.week == week).count();
        assert_eq!(first, 1, "{:?}", series.chunks);
        assert!(
            series.chunks.iter().all(|chunk| chunk.count as usize >= SEAL_SLOTS),
            "{:?}",
            series.chunks
        );
    }
    drop(store);
    let mut store = open(dir.path());
    assert_eq!(store.damage(), []);
    assert_eq!(bits(&read(&store, &keys[4], MONDAY, values.len())), bits(&rounded(&values)));
    store.retain_from(MONDAY + 2_016 * STEP).expect("there is room");
    assert!(
        !dir.path().join("2026-11-02.seg").exists() && dir.path().join("2026-11-09.seg").exists()
    );
    store.retain_from(MONDAY + 4 * 2_016 * STEP).expect("there is room");
    assert_eq!((store.keys().count(), store.stats().points), (0, 0));
}

#[test]
fn the_tail_log_is_rewritten_before_it_grows_without_bound() {
    let dir = temp();
    let mut store = open(dir.path());
    for _ in 0..30_000 {
        for key in ["a", "b"] {
            store.append(key, STEP_S, MONDAY, &wave(1, 20, 0.0)).expect("there is room");
        }
    }
    assert!(store.tail.bytes() > seal::TAIL_SLACK_BYTES);
    store.flush().expect("there is room");
    assert!(store.tail.bytes() < 500, "{}", store.tail.bytes());
    drop(store);
    let store = open(dir.path());
    assert_eq!(bits(&read(&store, "b", MONDAY, 20)), bits(&rounded(&wave(1, 20, 0.0))));
}

#[test]
fn a_full_disk_is_an_error_and_loses_nothing_that_was_durable() {
    let Some(disk) = TinyDisk::mount() else {
        return;
    };
    let dir = disk.path().join("series");
    let mut store = open(&dir);
    store.append("kept", STEP_S, MONDAY, &wave(1, 300, 0.0)).expect("there is room");
    store.flush().expect("there is room");
    let random: Vec<f32> =
        wave(2, 2_016, 0.0).iter().zip(wave(3, 2_016, 0.0)).map(|(a, b)| a * b).collect();
    let fill = |store: &mut SeriesStore| -> Result<(), SeriesError> {
        for week in 0..40 {
            store.append("large", STEP_S, MONDAY + week * 2_016 * STEP, &random)?;
        }
        Ok(())
    };
    let error = fill(&mut store).expect_err("64 KiB cannot hold 80,000 points");
    assert!(matches!(error, SeriesError::Io { .. }), "{error:?}");
    assert_eq!(bits(&read(&store, "kept", MONDAY, 300)), bits(&rounded(&wave(1, 300, 0.0))));
    disk.grow();
    fill(&mut store).expect("with room again the same call works");
    store.flush().expect("there is room");
    drop(store);
    let store = open(&dir);
    assert_eq!(bits(&read(&store, "kept", MONDAY, 300)), bits(&rounded(&wave(1, 300, 0.0))));
    assert_eq!(
        bits(&read(&store, "large", MONDAY + 39 * 2_016 * STEP, 2_016)),
        bits(&rounded(&random))
    );
}

/// Real CPU series where the data folder is given, else as many seeded ones: a tail may hold 4 MiB of dead frames.
#[expect(
    clippy::disallowed_methods,
    reason = "where recorded series lie is the test's own environment"
)]
fn cpu_series() -> Vec<Vec<f32>> {
    let Some(folder) = std::env::var_os("TRIMTAB_DATA") else {
        return (0..250).map(|seed| wave(seed, 4_032, 0.01)).collect();
    };
    let path = Path::new(&folder).join("bitbrains_rnd/cpu_pct_2013-08.csv");
    let text = fs::read_to_string(&path).expect("the data folder holds the series");
    let mut lines = text.lines();
    let columns = lines.next().expect("there is a header").split(',').count() - 1;
    let mut series = vec![Vec::new(); columns];
    for line in lines {
        for (series, cell) in series.iter_mut().zip(line.split(',').skip(1)) {
            series.push(cell.parse().unwrap_or(f32::NAN));
        }
    }
    series
}

#[test]
fn two_bytes_a_point_suffice() {
    let series = cpu_series();
    let check = |name: &str, hours: usize| {
        let dir = temp();
        let mut store = open(dir.path());
        let points = hours * 12;
        for first in (0..4_032).step_by(points) {
            for (number, values) in series.iter().enumerate() {
                let key = format!(
                    "arn:aws:ec2:eu-west-1:123456789012:instance/i-{number:017x}|CPUUtilization|avg|300"
                );
                let start = MONDAY + first as i64 * STEP;
                store
                    .append(&key, STEP_S, start, &values[first..first + points])
                    .expect("there is room");
            }
        }
        store.flush().expect("there is room");
        let stats = store.stats();
        assert!(stats.points > 0 && stats.bytes <= 2 * stats.points, "{name}: {stats:?}");
    };
    check("a back-fill at once", 336);
    check("a day at a time", 24);
    check("an hour at a time", 1);
}
