//! Prices of EBS volumes, Lambda functions and metric queries in us-east-1, and how their bills add up.
//!
//! The numbers are AWS price list values as quoted in Infracost's published example outputs (Apache-2.0, state
//! of 2026-08-21) unless a constant says otherwise. Prices of other regions were not collected: the
//! [`Catalog`](super::Catalog) gives these there as estimates.
//! Not here: snapshots, data transfer and the free tier, which is one for the whole account.

use serde::{Deserialize, Serialize};

use super::attributes::Architecture;
use crate::money::{PicoDollars, Usd};
use crate::recommendation::PriceBasis;
use crate::spec::VolumeSpec;

/// What a function costs: time x memory, and each call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionPrice {
    /// A second of 1,024 MB in the first tier of the month.
    pub per_gb_second: PicoDollars,
    /// One request.
    pub per_request: PicoDollars,
    /// How far both can be trusted.
    pub basis: PriceBasis,
}

/// How a function is used over a month.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionUse {
    /// Configured memory in MB (of 2^20 bytes, as Lambda counts).
    pub memory_mb: u32,
    /// Mean billed duration in milliseconds.
    pub mean_duration_ms: f64,
    /// Invocations a month.
    pub invocations_monthly: u64,
}

/// Short for the table below.
const fn pico(value: i64) -> PicoDollars {
    PicoDollars::from_pico(value)
}

/// gp2: $0.10 a GiB-month.
pub(crate) const GP2_GIB: PicoDollars = pico(100_000_000_000);
/// gp3: $0.08 a GiB-month.
pub(crate) const GP3_GIB: PicoDollars = pico(80_000_000_000);
/// gp3: $0.005 a month for each operation a second above the included ones.
pub(crate) const GP3_IOPS: PicoDollars = pico(5_000_000_000);
/// gp3: $0.04 a month for each MiB/s above the included ones.
pub(crate) const GP3_MIBPS: PicoDollars = pico(40_000_000_000);
/// io1 and io2: $0.125 a GiB-month.
pub(crate) const IO_GIB: PicoDollars = pico(125_000_000_000);
/// io1, and io2 up to 32,000: $0.065 a month for each operation a second.
pub(crate) const IO_IOPS: PicoDollars = pico(65_000_000_000);
/// io2 above 32,000 to 64,000: $0.0455. From general knowledge, not seen in a list: estimated.
pub(crate) const IO2_IOPS_MIDDLE: PicoDollars = pico(45_500_000_000);
/// io2 above 64,000: $0.03185. From general knowledge, not seen in a list: estimated.
pub(crate) const IO2_IOPS_HIGH: PicoDollars = pico(31_850_000_000);
/// st1: $0.045 a GiB-month.
pub(crate) const ST1_GIB: PicoDollars = pico(45_000_000_000);
/// sc1: $0.015 a GiB-month.
pub(crate) const SC1_GIB: PicoDollars = pico(15_000_000_000);
/// standard: $0.05 a GiB-month, beside $0.05 a million operations.
pub(crate) const STANDARD_GIB: PicoDollars = pico(50_000_000_000);

/// Operations a second that every gp3 volume includes.
pub const GP3_IOPS_INCLUDED: u32 = 3_000;
/// MiB/s that every gp3 volume includes.
pub const GP3_MIBPS_INCLUDED: u32 = 125;
/// Where io2's second tier begins.
const IO2_TIER_MIDDLE: u64 = 32_000;
/// Where io2's third tier begins.
const IO2_TIER_HIGH: u64 = 64_000;

/// Lambda on x86: $0.0000166667 a GB-second, the first 6,000,000,000 of the account's month.
pub(crate) const LAMBDA_X86_GB_SECOND: PicoDollars = pico(16_666_700);
/// Lambda on Arm: $0.0000133334 a GB-second, the first 7,500,000,000 of the account's month.
pub(crate) const LAMBDA_ARM_GB_SECOND: PicoDollars = pico(13_333_400);
/// Lambda: $0.20 a million requests.
pub(crate) const LAMBDA_REQUEST: PicoDollars = pico(200_000);

/// GetMetricData: $0.01 a thousand metrics (a public page that quotes AWS); no free tier covers it.
pub(crate) const METRIC_REQUEST: PicoDollars = pico(10_000_000);

/// What the volume costs a month in us-east-1.
///
/// gp3 without operations or throughput has the included ones. `None` for a type without a price, and for io1
/// and io2 without operations. `Estimated` for io2 above 32,000 operations, whose tiers were not seen in a
/// list, and for `standard`, whose operations are billed by use: it is the part for storage, hence the
/// least that it costs.
pub(crate) fn volume_price(spec: &VolumeSpec) -> Option<(Usd, PriceBasis)> {
    let storage = |price: PicoDollars| price.times(u64::from(spec.size_gib));
    let listed = |amount: Usd| Some((amount, PriceBasis::List));
    match spec.volume_type.as_str() {
        "gp2" => listed(storage(GP2_GIB)),
        "gp3" => listed(storage(GP3_GIB).saturating_add(gp3_extras_price(spec))),
        "io1" => listed(storage(IO_GIB).saturating_add(IO_IOPS.times(u64::from(spec.iops?)))),
        "io2" => {
            let iops = u64::from(spec.iops?);
            let known = iops <= IO2_TIER_MIDDLE;
            let basis = if known { PriceBasis::List } else { PriceBasis::Estimated };
            Some((storage(IO_GIB).saturating_add(io2_iops_price(iops)), basis))
        }
        "st1" => listed(storage(ST1_GIB)),
        "sc1" => listed(storage(SC1_GIB)),
        "standard" => Some((storage(STANDARD_GIB), PriceBasis::Estimated)),
        _ => None,
    }
}

/// What a gp3 volume costs a month beyond its size.
fn gp3_extras_price(spec: &VolumeSpec) -> Usd {
    let iops = spec.iops.unwrap_or_default().saturating_sub(GP3_IOPS_INCLUDED);
    let mibps = spec.throughput_mibps.unwrap_or_default().saturating_sub(GP3_MIBPS_INCLUDED);
    GP3_IOPS.times(u64::from(iops)).saturating_add(GP3_MIBPS.times(u64::from(mibps)))
}

/// What the operations of an io2 volume cost a month, tier by tier.
fn io2_iops_price(iops: u64) -> Usd {
    let low = iops.min(IO2_TIER_MIDDLE);
    let middle = iops.clamp(IO2_TIER_MIDDLE, IO2_TIER_HIGH) - IO2_TIER_MIDDLE;
    let high = iops.saturating_sub(IO2_TIER_HIGH);
    let tiers = [IO_IOPS.times(low), IO2_IOPS_MIDDLE.times(middle), IO2_IOPS_HIGH.times(high)];
    tiers.into_iter().sum()
}

/// The basis of a figure that rests on both: a figure is as good as its worst part.
pub(crate) fn weaker(one: PriceBasis, other: PriceBasis) -> PriceBasis {
    match (one, other) {
        (PriceBasis::List, PriceBasis::List) => PriceBasis::List,
        (PriceBasis::Estimated, _) | (_, PriceBasis::Estimated) => PriceBasis::Estimated,
    }
}

/// The price of functions in us-east-1; `None` for an architecture that Lambda does not have.
pub(crate) fn function_price(architecture: Architecture) -> Option<FunctionPrice> {
    let per_gb_second = match architecture {
        Architecture::X86_64 => LAMBDA_X86_GB_SECOND,
        Architecture::Arm64 => LAMBDA_ARM_GB_SECOND,
        Architecture::I386 | Architecture::X86_64Mac | Architecture::Arm64Mac => return None,
    };
    Some(FunctionPrice { per_gb_second, per_request: LAMBDA_REQUEST, basis: PriceBasis::List })
}

impl FunctionPrice {
    /// What the use costs a month, before the free tier and in the first tier of the price.
    ///
    /// The mean duration is rounded to the microsecond, and everything after it is exact. `None` when the
    /// duration is negative, not a number or longer than 10^9 ms (Lambda ends an invocation after
    /// 900,000 ms), or the amount leaves 128 bits.
    pub fn monthly(&self, usage: &FunctionUse) -> Option<Usd> {
        let plausible = (0.0..=1e9).contains(&usage.mean_duration_ms);
        let mean_us = plausible.then(|| (usage.mean_duration_ms * 1_000.0).round() as u128)?;
        let mb_us = mean_us.checked_mul(u128::from(usage.memory_mb))?;
        let total = mb_us.checked_mul(u128::from(usage.invocations_monthly))?;
        // 1,024 MB to a GB and 10^6 microseconds to a second.
        let time = self.per_gb_second.times_fraction(total, 1_024 * 1_000_000)?;
        time.checked_add(self.per_request.times(usage.invocations_monthly))
    }
}
