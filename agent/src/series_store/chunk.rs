//! A sealed piece of one series: a checked header, where its gaps are, and the values compressed by pco.
//!
//! ```text
//! u32 CRC32C of the header's rest | u32 CRC32C of the payload | u32 series | u32 step in seconds | i64 start
//! | u32 slots | u32 values | u32 payload length | payload: gap list, pco
//! ```
//! The gap list holds LEB128 numbers: how many pairs, then pairs of (values before the gap, slots of the gap).

use pco::standalone::{simple_compress, simple_decompress};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use super::round::CLEARED_BITS;

/// Bytes of a chunk before its payload.
pub(super) const HEADER_BYTES: usize = 36;

/// What a chunk holds; the payload follows it in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u32,
    pub(super) step_s: u32,
    pub(super) start: i64,
    /// Slots, gaps included.
    pub(super) count: u32,
    /// Slots that hold a value.
    pub(super) present: u32,
    pub(super) payload_bytes: u32,
    payload_crc: u32,
}

impl Header {
    /// The header at the start of `bytes`, if its checksum is right.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>()?;
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if u32_at(0) != crc32c::crc32c(&bytes[4..]) {
            return None;
        }
        Some(Self {
            payload_crc: u32_at(4),
            id: u32_at(8),
            step_s: u32_at(12),
            start: i64::from(u32_at(16)) | (i64::from(u32_at(20)) << 32),
            count: u32_at(24),
            present: u32_at(28),
            payload_bytes: u32_at(32),
        })
    }

    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields = [self.payload_crc, self.id, self.step_s];
        let counts = [self.count, self.present, self.payload_bytes];
        for (slot, field) in bytes[4..16].as_chunks_mut::<4>().0.iter_mut().zip(fields) {
            *slot = field.to_le_bytes();
        }
        bytes[16..24].copy_from_slice(&self.start.to_le_bytes());
        for (slot, field) in bytes[24..].as_chunks_mut::<4>().0.iter_mut().zip(counts) {
            *slot = field.to_le_bytes();
        }
        let checksum = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// Compresses a run of slots, at least one of which holds a value; returns header and payload in one piece.
pub(super) fn encode(id: u32, step_s: u32, start: i64, values: &[f32]) -> (Header, Vec<u8>) {
    let mut bytes = vec![0; HEADER_BYTES];
    push_gaps(&mut bytes, values);
    let present: Vec<f32> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    // Every value has these low bits zero, so the mode is known. Differences of neighbours pack no better than the
    // values themselves on recorded CPU and memory, and trying them takes two to four times as long.
    let config = ChunkConfig::default()
        .with_mode_spec(ModeSpec::TryFloatQuant(CLEARED_BITS))
        .with_delta_spec(DeltaSpec::NoOp);
    bytes.extend(
        simple_compress(&present, &config)
            .expect("the settings are valid and memory takes every write"),
    );
    let header = Header {
        id,
        step_s,
        start,
        count: count(values.len()),
        present: count(present.len()),
        payload_bytes: count(bytes.len() - HEADER_BYTES),
        payload_crc: crc32c::crc32c(&bytes[HEADER_BYTES..]),
    };
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    (header, bytes)
}

/// Reads a whole chunk; the error says what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<(Header, Vec<f32>), &'static str> {
    let header = Header::parse(bytes).ok_or("the header's checksum does not match")?;
    let payload = &bytes[HEADER_BYTES..];
    if payload.len() != header.payload_bytes as usize
        || crc32c::crc32c(payload) != header.payload_crc
    {
        return Err("the checksum of the points does not match");
    }
    let values = decode_payload(&header, payload)
        .ok_or("the points do not unpack to what the header says")?;
    Ok((header, values))
}

fn decode_payload(header: &Header, mut payload: &[u8]) -> Option<Vec<f32>> {
    let pairs = take_varint(&mut payload)?;
    let gaps = (0..pairs)
        .map(|_| Some((take_varint(&mut payload)?, take_varint(&mut payload)?)))
        .collect::<Option<Vec<_>>>()?;
    let present: Vec<f32> = simple_decompress(payload).ok()?;
    if pairs == 0 {
        return (present.len() == header.count as usize).then_some(present);
    }
    let mut values = Vec::with_capacity(header.count as usize);
    let mut rest = present.as_slice();
    for (before, gap) in gaps {
        let (some, others) = rest.split_at_checked(before)?;
        values.extend_from_slice(some);
        values.resize(values.len() + gap, f32::NAN);
        rest = others;
    }
    values.extend_from_slice(rest);
    (values.len() == header.count as usize).then_some(values)
}

fn push_gaps(bytes: &mut Vec<u8>, values: &[f32]) {
    let runs: Vec<&[f32]> = values.chunk_by(|a, b| a.is_nan() == b.is_nan()).collect();
    let starts_with_gap = values.first().is_some_and(|value| value.is_nan());
    let mut lengths: Vec<usize> = runs.iter().map(|run| run.len()).collect();
    if starts_with_gap {
        lengths.insert(0, 0);
    }
    let (pairs, _) = lengths.as_chunks::<2>();
    push_varint(bytes, pairs.len());
    for [before, gap] in pairs {
        push_varint(bytes, *before);
        push_varint(bytes, *gap);
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in (0..32).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("a week holds fewer than four billion slots")
}
