//! Rounds points to 12 mantissa bits, which makes them cheap to store and keeps the error far below a metric's noise.

/// Mantissa bits of an f32 that rounding clears: 23 - 12.
pub(super) const CLEARED_BITS: u32 = 11;

/// Rounds to the nearest value with 12 mantissa bits, ties to even: a relative error of at most 2^-13.
///
/// NaN stays NaN, and an infinity becomes NaN: it is no measurement, and a gap says so. Values too large to be
/// rounded up become the largest that fit. Below the smallest normal number (1.2e-38) the error is absolute.
#[must_use]
pub fn round12(value: f32) -> f32 {
    if !value.is_finite() {
        return f32::NAN;
    }
    let bits = value.to_bits();
    let half = (1 << (CLEARED_BITS - 1)) - 1 + ((bits >> CLEARED_BITS) & 1);
    let rounded = f32::from_bits((bits + half) & clear_mask());
    if rounded.is_finite() { rounded } else { f32::from_bits(bits & clear_mask()) }
}

const fn clear_mask() -> u32 {
    !((1 << CLEARED_BITS) - 1)
}

/// The three upper bytes of a rounded value; the lowest is always zero.
pub(super) fn to_bytes(value: f32) -> [u8; 3] {
    let [_, a, b, c] = value.to_bits().to_le_bytes();
    [a, b, c]
}

/// The value of which [`to_bytes`] gave the bytes.
pub(super) fn from_bytes([a, b, c]: [u8; 3]) -> f32 {
    f32::from_bits(u32::from_le_bytes([0, a, b, c]))
}
