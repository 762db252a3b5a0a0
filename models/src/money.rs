//! Money: integer pico-dollars for unit prices, integer micro-dollars for amounts.
//!
//! Floats appear only at the edges (JSON, ratios) and are rounded once, half to even.
//! Not here: where a price comes from and how far it can be trusted (`catalog`), and currencies other
//! than the US dollar, in which AWS quotes its lists.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Hours that AWS bills for an average month (365 days x 24 / 12).
pub const HOURS_PER_MONTH: u64 = 730;

const PICO_PER_DOLLAR: i64 = 1_000_000_000_000;
const PICO_PER_MICRO: i128 = 1_000_000;
const MICRO_PER_DOLLAR: f64 = 1_000_000.0;
const MICRO_PER_CENT: i128 = 10_000;
/// Decimals of a dollar that a pico-dollar can hold.
const PICO_DECIMALS: usize = 12;

/// Largest amount, in micro-dollars (about 563 million dollars), that survives a float.
///
/// Below 2^49 a division, a parser that may miss the last bit, and a multiplication move the value by at most a quarter
/// of a micro-dollar, so JSON gives back exactly what was written.
const MICRO_EXACT_MAX: i64 = 1 << 49;

/// A price per unit (hour, GiB-month, request, GB-second) in 10^-12 US dollars.
///
/// Pico-dollars, because Lambda's GB-second costs 0.0000133334 dollars; 64 bits reach 9.2 million dollars a
/// unit, 25,000 times the dearest instance hour.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct PicoDollars(i64);

/// An amount in 10^-6 US dollars. As JSON it is a number of dollars, as text `$1,234.56`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(i64);

/// A text that is not a price.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// Something other than digits with at most one point.
    #[error("`{text}` is not a price: write plain dollars such as 0.0416")]
    Malformed {
        /// The text as given.
        text: String,
    },
    /// More decimals than a pico-dollar holds.
    #[error("`{text}` has more than 12 decimals: round it")]
    TooFine {
        /// The text as given.
        text: String,
    },
    /// More dollars than 64 bits of pico-dollars hold.
    #[error("`{text}` dollars is too large: the highest price is 9223372 dollars")]
    TooLarge {
        /// The text as given.
        text: String,
    },
}

impl PicoDollars {
    /// Nothing at all; an unknown price is `None`, never this.
    pub const ZERO: Self = Self(0);

    /// A price of `pico` x 10^-12 dollars.
    pub const fn from_pico(pico: i64) -> Self {
        Self(pico)
    }

    /// The price in 10^-12 dollars.
    pub const fn pico(self) -> i64 {
        self.0
    }

    /// Reads plain decimal dollars (`0.0416`) exactly, without a float in between.
    ///
    /// # Errors
    /// [`MoneyError`] for signs, exponents, separators, more than 12 decimals, or more than 64 bits hold.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let dangling = text.ends_with('.') || whole.is_empty();
        if dangling || !all_digits(whole) || !all_digits(decimals) {
            return Err(MoneyError::Malformed { text: text.to_owned() });
        }
        if decimals.len() > PICO_DECIMALS {
            return Err(MoneyError::TooFine { text: text.to_owned() });
        }
        let too_large = || MoneyError::TooLarge { text: text.to_owned() };
        let dollars: i64 = whole.parse().map_err(|_| too_large())?;
        let pico: i64 = format!("{decimals:0<PICO_DECIMALS$}").parse().map_err(|_| too_large())?;
        dollars
            .checked_mul(PICO_PER_DOLLAR)
            .and_then(|value| value.checked_add(pico))
            .map(Self)
            .ok_or_else(too_large)
    }

    /// The price in dollars, for charts and ratios only: sums are made of [`Usd`].
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PICO_PER_DOLLAR as f64
    }

    /// What 730 hours at this hourly price cost.
    pub fn monthly(self) -> Usd {
        self.times(HOURS_PER_MONTH)
    }

    /// What `quantity` units cost, rounded half to even, saturating.
    pub fn times(self, quantity: u64) -> Usd {
        saturate(div_half_even(i128::from(self.0) * i128::from(quantity), PICO_PER_MICRO))
    }

    /// What `numerator / denominator` units cost, rounded once, half to even.
    ///
    /// `None` when the denominator is 0 or a product leaves 128 bits.
    pub fn times_fraction(self, numerator: u128, denominator: u64) -> Option<Usd> {
        let numerator = i128::try_from(numerator).ok()?;
        let product = i128::from(self.0).checked_mul(numerator)?;
        let divisor = i128::from(denominator).checked_mul(PICO_PER_MICRO)?;
        (divisor > 0).then(|| saturate(div_half_even(product, divisor)))
    }
}

/// Plain dollars with as many decimals as the price has, at least two: `$0.0416`.
impl fmt::Display for PicoDollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let unit = PICO_PER_DOLLAR.unsigned_abs();
        let decimals = format!("{:012}", magnitude % unit);
        let decimals = format!("{:0<2}", decimals.trim_end_matches('0'));
        write!(f, "{sign}${}.{decimals}", magnitude / unit)
    }
}

impl Usd {
    /// No money. An unknown amount is `None`, never this.
    pub const ZERO: Self = Self(0);

    /// An amount of `micros` x 10^-6 dollars.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The amount in 10^-6 dollars.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads a float of dollars, rounded half to even to the micro-dollar.
    ///
    /// `None` for NaN, infinities and amounts beyond 2^49 micro-dollars, which a float cannot hold exactly.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        let micros = (dollars * MICRO_PER_DOLLAR).round_ties_even();
        let exact = micros.abs() <= MICRO_EXACT_MAX as f64;
        exact.then_some(Self(micros as i64))
    }

    /// The amount as a float of dollars; exact to the micro-dollar up to 2^49 micro-dollars.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / MICRO_PER_DOLLAR
    }

    /// Whether the amount is above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// The sum, or `None` beyond 64 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` beyond 64 bits.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `count` times the amount, or `None` beyond 64 bits.
    pub fn checked_mul(self, count: i64) -> Option<Self> {
        self.0.checked_mul(count).map(Self)
    }

    /// The sum, held at the ends of 64 bits.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, held at the ends of 64 bits.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `count` times the amount, held at the ends of 64 bits.
    #[must_use]
    pub const fn saturating_mul(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// The amount times `ratio` (a discount, a share of the month), rounded half to even.
    ///
    /// `None` when the ratio is not finite or the result is beyond 2^49 micro-dollars.
    pub fn scaled(self, ratio: f64) -> Option<Self> {
        let micros = (self.0 as f64 * ratio).round_ties_even();
        (micros.abs() <= MICRO_EXACT_MAX as f64).then_some(Self(micros as i64))
    }
}

/// Sums saturate: a total in a report must never wrap around.
impl std::iter::Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// Cents, rounded half to even, with separators: `$1,234.56`, `-$0.50`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cents = div_half_even(i128::from(self.0), MICRO_PER_CENT);
        let sign = if cents < 0 { "-" } else { "" };
        let (dollars, cents) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
        write!(f, "{sign}${}.{cents:02}", grouped(dollars))
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_usd::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_usd::deserialize(deserializer)
    }
}

impl JsonSchema for Usd {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Usd".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "description": "An amount in US dollars, with at most six decimals."
        })
    }
}

/// The one form of an amount in JSON: a number of dollars with at most 6 decimals.
///
/// Use it by name (`#[serde(with = "serde_usd")]`) where the field's type alone would not say so.
pub mod serde_usd {
    use super::Usd;
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes dollars; exact to the micro-dollar up to 2^49 micro-dollars, the nearest float beyond.
    ///
    /// # Errors
    /// Only those of the serializer.
    pub fn serialize<S: Serializer>(amount: &Usd, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(amount.dollars())
    }

    /// Reads dollars and rounds them half to even to the micro-dollar.
    ///
    /// # Errors
    /// When it is not a number, or one beyond 2^49 micro-dollars.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usd, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        Usd::from_dollars(dollars).ok_or_else(|| {
            de::Error::custom(format!("{dollars} dollars is outside ±562949953 dollars"))
        })
    }
}

/// `numerator / denominator` to the nearest integer, ties to the even one; `denominator` is positive.
fn div_half_even(numerator: i128, denominator: i128) -> i128 {
    let floor = numerator.div_euclid(denominator);
    let rest = numerator.rem_euclid(denominator);
    // `rest` against what is left above it, so that doubling cannot overflow.
    match rest.cmp(&(denominator - rest)) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + floor.rem_euclid(2),
    }
}

fn saturate(micros: i128) -> Usd {
    let held = micros.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Usd(i64::try_from(held).expect("clamped to 64 bits on the line above"))
}

fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
