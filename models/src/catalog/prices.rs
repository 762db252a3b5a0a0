//! Unit prices with the basis on which they rest, and the file in which a user states their own.
//!
//! Not here: the embedded numbers (`compact`, `services`) and the live price list, which the agent reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::money::{MoneyError, PicoDollars};
use crate::recommendation::PriceBasis;

/// The header that a price file begins with.
pub const PRICE_FILE_HEADER: &str = "type,region,usd_per_hour";

/// What an hour of an instance costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// On-demand, shared tenancy, before any commitment or discount.
    pub per_hour: PicoDollars,
    /// How far it can be trusted.
    pub basis: PriceBasis,
}

/// One price of AWS's price list or of a user's file; such prices count as listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRow {
    /// Such as `m7g.large`.
    pub instance_type: String,
    /// Such as `eu-west-1`.
    pub region: String,
    /// Linux, on-demand, shared tenancy.
    pub per_hour: PicoDollars,
}

/// A line of a price file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line} of the price file cannot be used")]
pub struct PriceFileError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it and what to do.
    #[source]
    pub reason: PriceLineError,
}

/// Why a line of a price file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PriceLineError {
    /// The file does not begin with [`PRICE_FILE_HEADER`].
    #[error("`{found}` is not the header, begin the file with `{PRICE_FILE_HEADER}`")]
    Header {
        /// The line found in its place.
        found: String,
    },
    /// Not three fields.
    #[error("`{line}` has {count} fields, write three: `{PRICE_FILE_HEADER}`")]
    Fields {
        /// The line.
        line: String,
        /// How many fields it has.
        count: usize,
    },
    /// The type has no size after a point.
    #[error("`{name}` is not an instance type, write it like `m7g.large`")]
    InstanceType {
        /// The field.
        name: String,
    },
    /// The region is not written as AWS writes regions.
    #[error("`{name}` is not a region, write it like `eu-west-1`")]
    Region {
        /// The field.
        name: String,
    },
    /// The price is not a decimal number.
    #[error("the price cannot be read")]
    Price(#[source] MoneyError),
    /// The price is zero.
    #[error(
        "`{instance_type}` in `{region}` costs 0, leave the line out if its price is not known"
    )]
    Zero {
        /// The type.
        instance_type: String,
        /// The region.
        region: String,
    },
    /// The pair has a price already.
    #[error(
        "`{instance_type}` in `{region}` is priced on line {first} already, keep one of the two"
    )]
    Repeated {
        /// The type.
        instance_type: String,
        /// The region.
        region: String,
        /// The line that has it first.
        first: usize,
    },
}

/// Reads a user's prices: the header, then `m7g.large,eu-west-1,0.0911` a line.
///
/// Empty lines and lines that begin with `#` are skipped; spaces around fields do not count. A type or a
/// region that the catalogue does not know is taken: both can be newer than it.
///
/// # Errors
/// The first line that is wrong; nothing of such a file is used.
pub fn parse_price_file(text: &str) -> Result<Vec<PriceRow>, PriceFileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut lines = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let (line, header) = lines.next().unwrap_or((1, ""));
    if header.split(',').map(str::trim).ne(PRICE_FILE_HEADER.split(',')) {
        return Err(PriceFileError {
            line,
            reason: PriceLineError::Header { found: header.to_owned() },
        });
    }
    let mut rows = Vec::new();
    let mut seen = BTreeMap::new();
    for (line, text) in lines {
        let row = parse_line(text).map_err(|reason| PriceFileError { line, reason })?;
        let PriceRow { instance_type, region, .. } = row.clone();
        if let Some(first) = seen.insert((instance_type.clone(), region.clone()), line) {
            let reason = PriceLineError::Repeated { instance_type, region, first };
            return Err(PriceFileError { line, reason });
        }
        rows.push(row);
    }
    Ok(rows)
}

fn parse_line(line: &str) -> Result<PriceRow, PriceLineError> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [instance_type, region, price] = fields[..] else {
        return Err(PriceLineError::Fields { line: line.to_owned(), count: fields.len() });
    };
    if !is_instance_type(instance_type) {
        return Err(PriceLineError::InstanceType { name: instance_type.to_owned() });
    }
    if !is_region(region) {
        return Err(PriceLineError::Region { name: region.to_owned() });
    }
    let (instance_type, region) = (instance_type.to_owned(), region.to_owned());
    let per_hour = PicoDollars::parse(price).map_err(PriceLineError::Price)?;
    if per_hour == PicoDollars::ZERO {
        return Err(PriceLineError::Zero { instance_type, region });
    }
    Ok(PriceRow { instance_type, region, per_hour })
}

/// Lower-case letters, digits and hyphens with one point inside.
fn is_instance_type(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_name_byte);
    name.split_once('.').is_some_and(|(family, size)| is_part(family) && is_part(size))
}

/// At least three parts joined by hyphens, the last a number: `eu-west-1`, `us-gov-east-1`.
fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let ends_in_number =
        parts.last().is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    parts.len() >= 3
        && ends_in_number
        && parts.iter().all(|part| !part.is_empty())
        && name.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}
