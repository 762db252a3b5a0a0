//! The newest points of a series, before they are worth compressing: in memory as runs, in `tail.log` as frames.
//!
//! ```text
//! u32 CRC32C of the rest | u32 bytes after this field | u32 series | u8 kind | runs: (i64 start | u32 count | 3 bytes a point)
//! ```

use super::round;

/// Runs closer than this many slots are joined, with gaps between them: a day at five minutes.
const JOIN_SLOTS: i64 = 288;

/// Longest frame that is believed when its checksum is tried, in bytes: 16 MiB.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

const HEADER_BYTES: usize = 4 + 4 + 4 + 1;
const RUN_HEADER_BYTES: usize = 8 + 4;

/// Consecutive slots; NaN is a gap. First and last slot hold a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) start: i64,
    pub(super) values: Vec<f32>,
}

impl Run {
    pub(super) fn end(&self, step: i64) -> i64 {
        self.start + self.values.len() as i64 * step
    }
}

/// Runs of one series in order of time, more than [`JOIN_SLOTS`] apart.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) runs: Vec<Run>,
}

impl Tail {
    /// Lays values over the tail; a gap never erases a value.
    pub(super) fn overlay(&mut self, step: i64, start: i64, values: &[f32]) {
        let Some((start, values)) = trim(step, start, values) else {
            return;
        };
        let end = start + values.len() as i64 * step;
        let reach = JOIN_SLOTS * step;
        let first = self.runs.partition_point(|run| run.end(step) + reach < start);
        let after = self.runs.partition_point(|run| run.start <= end + reach);
        if first == after {
            self.runs.insert(first, Run { start, values: values.to_vec() });
            return;
        }
        let others: Vec<Run> = self.runs.drain(first + 1..after).collect();
        let run = &mut self.runs[first];
        let most = others.last().map_or(end, |other| other.end(step).max(end));
        cover(run, step, start, most);
        for other in others {
            lay(&mut run.values, run.start, step, other.start, &other.values);
        }
        lay(&mut run.values, run.start, step, start, values);
    }

    pub(super) fn slots(&self) -> usize {
        self.runs.iter().map(|run| run.values.len()).sum()
    }

    pub(super) fn points(&self) -> u64 {
        let values = self.runs.iter().flat_map(|run| &run.values);
        values.filter(|value| !value.is_nan()).count() as u64
    }

    /// Forgets everything before `from`; tells whether anything was.
    pub(super) fn forget_before(&mut self, step: i64, from: i64) -> bool {
        let slots = self.slots();
        for run in std::mem::take(&mut self.runs) {
            let skip = slots_before(run.start, from, step).min(run.values.len());
            self.overlay(step, run.start + skip as i64 * step, &run.values[skip..]);
        }
        self.slots() != slots
    }
}

/// Slots of a grid from `start` that lie before `time`.
pub(super) fn slots_before(start: i64, time: i64, step: i64) -> usize {
    usize::try_from(ceil_div((time - start).max(0), step)).unwrap_or(usize::MAX)
}

/// `span / step`, rounded up, for a span that is not negative.
pub(super) fn ceil_div(span: i64, step: i64) -> i64 {
    (span + step - 1) / step
}

/// Lays `values` over `grid`, which begins at `grid_start`, where they overlap; gaps leave what is there.
pub(super) fn lay(grid: &mut [f32], grid_start: i64, step: i64, start: i64, values: &[f32]) {
    let skip = slots_before(start, grid_start, step);
    let into = slots_before(grid_start, start, step);
    let (Some(values), Some(grid)) = (values.get(skip..), grid.get_mut(into..)) else {
        return;
    };
    for (slot, value) in grid.iter_mut().zip(values) {
        if !value.is_nan() {
            *slot = *value;
        }
    }
}

/// The values without gaps at both ends; `None` when all are gaps.
pub(super) fn trim(step: i64, start: i64, values: &[f32]) -> Option<(i64, &[f32])> {
    let first = values.iter().position(|value| !value.is_nan())?;
    let last = values.iter().rposition(|value| !value.is_nan())?;
    Some((start + first as i64 * step, &values[first..=last]))
}

/// Widens a run with gaps to reach from `start` to `end`.
fn cover(run: &mut Run, step: i64, start: i64, end: i64) {
    if end > run.end(step) {
        let slots = slots_before(run.start, end, step);
        run.values.reserve_exact(slots - run.values.len());
        run.values.resize(slots, f32::NAN);
    }
    if start < run.start {
        let before = slots_before(start, run.start, step);
        run.values.splice(0..0, std::iter::repeat_n(f32::NAN, before));
        run.start = start;
    }
}

/// One frame of `tail.log`.
#[derive(Debug, PartialEq)]
pub(super) struct TailFrame {
    pub(super) id: u32,
    /// All earlier frames of the series are void: their points were sealed, or dropped.
    pub(super) reset: bool,
    pub(super) runs: Vec<Run>,
}

/// The bytes of a frame.
pub(super) fn encode<'a>(
    id: u32,
    reset: bool,
    runs: impl Iterator<Item = (i64, &'a [f32])>,
) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    bytes.extend(id.to_le_bytes());
    bytes.push(u8::from(reset));
    for (start, values) in runs {
        let count =
            u32::try_from(values.len()).expect("a tail is far shorter than four billion points");
        bytes.extend(start.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(values.iter().flat_map(|value| round::to_bytes(*value)));
    }
    let length = u32::try_from(bytes.len() - 8).expect("a tail is far smaller than four gibibytes");
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[4..]);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The frame at the start of `bytes` and its length.
pub(super) fn parse(bytes: &[u8]) -> Option<(TailFrame, usize)> {
    let header = bytes.first_chunk::<HEADER_BYTES>()?;
    let u32_at = |at: usize| {
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let end = 8 + u32_at(4) as usize;
    if !(HEADER_BYTES..=FRAME_BYTES_MAX).contains(&end) {
        return None;
    }
    let frame = bytes.get(..end)?;
    if crc32c::crc32c(&frame[4..]) != u32_at(0) {
        return None;
    }
    let runs = parse_runs(&frame[HEADER_BYTES..])?;
    Some((TailFrame { id: u32_at(8), reset: header[12] != 0, runs }, end))
}

fn parse_runs(mut bytes: &[u8]) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    while !bytes.is_empty() {
        let header = bytes.first_chunk::<RUN_HEADER_BYTES>()?;
        let (start, count) = header.split_at(8);
        let start = i64::from_le_bytes(start.try_into().expect("eight bytes were split off"));
        let count = u32::from_le_bytes(count.try_into().expect("four bytes remain")) as usize;
        let end = RUN_HEADER_BYTES + 3 * count;
        let points = bytes.get(RUN_HEADER_BYTES..end)?;
        let (points, _) = points.as_chunks::<3>();
        runs.push(Run {
            start,
            values: points.iter().map(|point| round::from_bytes(*point)).collect(),
        });
        bytes = &bytes[end..];
    }
    Some(runs)
}
