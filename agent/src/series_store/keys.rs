//! The frames of `keys.log`: which number stands for which series.
//!
//! ```text
//! u32 CRC32C of the rest | u8 kind | u32 id | u32 step in seconds | u16 length of the key | key
//! ```

/// Longest key in bytes: an ARN of at most 2,048 characters with metric, statistic and step.
pub(super) const KEY_BYTES_MAX: usize = 4096;

const HEADER_BYTES: usize = 4 + 1 + 4 + 4 + 2;

/// One line of the register.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyFrame {
    /// From here on `id` means this series.
    Add { id: u32, step_s: u32, key: String },
    /// The series is gone; its number is never given again.
    Drop { id: u32 },
    /// Numbers below `id` may have been given, whether or not they are still listed.
    Used { id: u32 },
}

impl KeyFrame {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (kind, id, step_s, key) = match self {
            Self::Add { id, step_s, key } => (0, *id, *step_s, key.as_str()),
            Self::Drop { id } => (1, *id, 0, ""),
            Self::Used { id } => (2, *id, 0, ""),
        };
        let length = u16::try_from(key.len()).expect("the caller limits keys to 4,096 bytes");
        let mut bytes = vec![0; 4];
        bytes.push(kind);
        bytes.extend(id.to_le_bytes());
        bytes.extend(step_s.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(key.as_bytes());
        let checksum = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The frame at the start of `bytes` and its length.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        let u32_at = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let end = HEADER_BYTES + usize::from(u16::from_le_bytes([header[13], header[14]]));
        let frame = bytes.get(..end).filter(|_| end <= HEADER_BYTES + KEY_BYTES_MAX)?;
        if crc32c::crc32c(&frame[4..]) != u32_at(0) {
            return None;
        }
        let id = u32_at(5);
        let parsed = match header[4] {
            0 => Self::Add {
                id,
                step_s: u32_at(9),
                key: str::from_utf8(&frame[HEADER_BYTES..]).ok()?.to_owned(),
            },
            1 => Self::Drop { id },
            2 => Self::Used { id },
            _ => return None,
        };
        Some((parsed, end))
    }
}
