//! The bytes of one journal record: how it is framed, checked and chained.
//!
//! ```text
//! u32 payload length | u32 CRC32C | 32 bytes SHA-256 of the previous record | u64 sequence | payload
//! ```
//! Integers are little-endian. The checksum covers all other bytes of the frame, the length included. The hash of a
//! record is SHA-256 over (hash of the previous record, sequence, payload). Not here: files and their order (`chain`).

use sha2::{Digest, Sha256};

/// SHA-256 of a record; 32 zero bytes stand before the first one.
pub type RecordHash = [u8; 32];

/// Largest payload in bytes: 1 MiB.
///
/// Far above any record of the agent, and small enough that a damaged length is nearly always recognized as such.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a frame before its payload.
pub(super) const HEADER_BYTES: usize = 4 + 4 + 32 + 8;

/// One frame as found in a file.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub(super) previous: RecordHash,
    pub(super) seq: u64,
    pub(super) payload: &'a [u8],
}

/// What stands at one place of a file.
#[derive(Debug)]
pub(super) enum Parsed<'a> {
    /// A frame whose checksum is right.
    Whole(Frame<'a>),
    /// Fewer bytes than a frame needs: cut off at the end of the file, or a damaged length.
    Incomplete,
    /// A length above [`PAYLOAD_BYTES_MAX`].
    TooLong(u32),
    /// All bytes are there, and they are not the ones that were written; with the frame's length in bytes.
    Damaged(usize),
}

impl Frame<'_> {
    pub(super) fn bytes(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    pub(super) fn hash(&self) -> RecordHash {
        record_hash(&self.previous, self.seq, self.payload)
    }
}

/// SHA-256 over (hash of the previous record, sequence, payload).
pub(super) fn record_hash(previous: &RecordHash, seq: u64, payload: &[u8]) -> RecordHash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(seq.to_le_bytes());
    hasher.update(payload);
    hasher.finalize().into()
}

/// The bytes of a frame; `payload` is at most [`PAYLOAD_BYTES_MAX`] long.
pub(super) fn encode(previous: &RecordHash, seq: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("the caller limits payloads to one mebibyte");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(previous);
    bytes.extend_from_slice(&seq.to_le_bytes());
    bytes.extend_from_slice(payload);
    let checksum = checksum(&bytes);
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads the frame at the start of `bytes`; `None` when there is nothing left to read.
pub(super) fn parse(bytes: &[u8]) -> Option<Parsed<'_>> {
    if bytes.is_empty() {
        return None;
    }
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Some(Parsed::Incomplete);
    };
    let length = u32_at(header, 0);
    if length as usize > PAYLOAD_BYTES_MAX {
        return Some(Parsed::TooLong(length));
    }
    let end = HEADER_BYTES + length as usize;
    let Some(frame) = bytes.get(..end) else {
        return Some(Parsed::Incomplete);
    };
    if checksum(frame) != u32_at(header, 4) {
        return Some(Parsed::Damaged(end));
    }
    Some(Parsed::Whole(Frame {
        previous: header[8..40].try_into().expect("the range is 32 bytes long"),
        seq: seq_of(header),
        payload: &frame[HEADER_BYTES..],
    }))
}

/// Whether a whole frame with a sequence above `seq` begins anywhere in `bytes`.
///
/// It tells a torn tail, after which nothing follows, from a damaged record in the middle, whose wrong length may
/// reach beyond the end of the file. The sequence is looked at before the checksum: it rules out nearly every place.
pub(super) fn holds_later_frame(bytes: &[u8], seq: u64) -> bool {
    let most = seq.saturating_add((bytes.len() / HEADER_BYTES) as u64 + 1);
    (0..bytes.len().saturating_sub(HEADER_BYTES - 1)).any(|start| {
        let rest = &bytes[start..];
        let header =
            rest.first_chunk::<HEADER_BYTES>().expect("the loop ends a header before the end");
        let found = seq_of(header);
        found > seq && found <= most && matches!(parse(rest), Some(Parsed::Whole(_)))
    })
}

fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &frame[8..])
}

fn u32_at(header: &[u8; HEADER_BYTES], offset: usize) -> u32 {
    u32::from_le_bytes(header[offset..offset + 4].try_into().expect("the range is four bytes long"))
}

fn seq_of(header: &[u8; HEADER_BYTES]) -> u64 {
    u64::from_le_bytes(header[40..48].try_into().expect("the range is eight bytes long"))
}
