//! Randomness that can be read at any place: a hash of seed, stream and slot instead of a sequence.
//!
//! A metric can so be computed for any time without the times before it. Not here: what is random.

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection that passes statistical tests on counters.
#[must_use]
pub const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// A number in [0, 1) for one slot of a stream.
#[must_use]
pub const fn unit(stream: u64, slot: u64) -> f64 {
    // 53 bits fill a double's mantissa.
    (mix(stream ^ mix(slot)) >> 11) as f64 / 9_007_199_254_740_992.0
}

/// A number around 0 with standard deviation 1: the sum of three uniforms, scaled (its tails end at ±3).
#[must_use]
pub const fn bell(stream: u64, slot: u64) -> f64 {
    let sum = unit(stream, slot) + unit(stream ^ 0xA5A5, slot) + unit(stream ^ 0x5A5A_0000, slot);
    (sum - 1.5) * 2.0
}

/// The stream that a text names.
#[must_use]
pub fn stream(seed: u64, text: &str) -> u64 {
    text.bytes().fold(mix(seed), |hash, byte| mix(hash ^ u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_spread_evenly_and_independently() {
        let stream = stream(7, "cpu");
        let mean: f64 = (0..10_000).map(|slot| unit(stream, slot)).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        let variance: f64 =
            (0..10_000).map(|slot| bell(stream, slot).powi(2)).sum::<f64>() / 10_000.0;
        assert!((variance - 1.0).abs() < 0.1, "{variance}");
        let product: f64 =
            (0..10_000).map(|slot| bell(stream, slot) * bell(stream, slot + 1)).sum::<f64>()
                / 10_000.0;
        assert!(product.abs() < 0.05, "{product}");
    }
}
