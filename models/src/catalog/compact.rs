//! Reads the two embedded tables.
//!
//! Both are plain text, so that a change of the data shows in a diff, and small, because neighbours share
//! nearly everything. Not here: what the numbers mean (`instance_type`, `prices`), and writing the tables
//! from their originals, which only the tests can do (`originals`).
//!
//! **Types**: tab-separated, the first line names the columns. A field is empty when it equals the field
//! above it, `~` when the value is unknown; trailing tabs are left out.
//!
//! **Prices**: the first line names the regions. `@family` opens a family with its ratios to the first
//! region, in 10^-5, comma-separated, `e` after those that are borrowed from an older family. Each size
//! follows with its price in the first region, in 10^-5 dollars, and one token a region: `-` not offered,
//! `.` the price is the rounded product of ratio and first price, `a`..`z` 1 to 26 units above it, `A`..`Z`
//! below, `[n]` further off.

use thiserror::Error;

use super::attributes::ApiWord;
use super::instance_type::{
    Accelerator, EbsLimits, EbsRate, Gpu, InstanceStore, InstanceType, Network,
};
use crate::money::PicoDollars;
use crate::recommendation::PriceBasis;

/// Columns of the types' table, in order; the reader takes the fields one after another.
pub(crate) const COLUMNS: [&str; 48] = [
    "type",
    "vcpu",
    "cores",
    "threads_per_core",
    "mem_mib",
    "arch",
    "cpu_maker",
    "clock_ghz",
    "hypervisor",
    "bare_metal",
    "current_gen",
    "burstable",
    "credits_per_hour",
    "baseline_pct_per_vcpu",
    "net_base_gbps",
    "net_peak_gbps",
    "net_cards",
    "max_enis",
    "ipv4_per_eni",
    "ena",
    "ena_express",
    "efa",
    "ebs_nvme",
    "ebs_optimized",
    "ebs_base_iops",
    "ebs_base_mb_s",
    "ebs_max_iops",
    "ebs_max_mb_s",
    "ebs_max_attach",
    "ebs_attach_kind",
    "store_gb",
    "store_disks",
    "store_kind",
    "store_nvme",
    "gpus",
    "gpu_model",
    "gpu_mem_mib",
    "accels",
    "virt",
    "root_dev",
    "boot",
    "usage",
    "hibernation",
    "auto_recovery",
    "dedicated_hosts",
    "placement",
    "enclaves",
    "coremark",
];

/// How an unknown value is written in the types' table.
pub(crate) const UNKNOWN: &str = "~";

/// Pico-dollars in the unit of the price table, 10^-5 dollars: the finest that its origins print.
const PICO_PER_UNIT: i64 = 10_000_000;

/// Units of a ratio: 10^-5.
pub(crate) const RATIO_ONE: i64 = 100_000;

/// A table that cannot be read; the embedded ones are read by every test.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line} of the catalogue's {table} table: {reason}")]
pub(crate) struct TableError {
    /// `types` or `prices`.
    pub(crate) table: &'static str,
    /// Counted from 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) reason: String,
}

/// Fills in what each line leaves out; every row has as many fields as the first.
pub(crate) fn expand_rows(text: &str) -> Vec<Vec<&str>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let mut above = vec![UNKNOWN; header.len()];
    let mut rows = vec![header];
    for line in lines {
        let written = line.split('\t').chain(std::iter::repeat(""));
        for (field, new) in above.iter_mut().zip(written) {
            if !new.is_empty() {
                *field = new;
            }
        }
        rows.push(above.clone());
    }
    rows
}

/// Reads the table of instance types.
///
/// # Errors
/// [`TableError`] with the first line whose fields are not what their column holds.
pub(crate) fn read_types(text: &str) -> Result<Vec<InstanceType>, TableError> {
    let failed = |line: usize, reason: String| TableError { table: "types", line, reason };
    let rows = expand_rows(text);
    let (header, rows) = rows.split_first().expect("a header is always there, if empty");
    if header != &COLUMNS {
        return Err(failed(1, "the columns are not the expected ones".to_owned()));
    }
    let numbered = rows.iter().enumerate();
    numbered
        .map(|(index, row)| read_type(row).map_err(|reason| failed(index + 2, reason)))
        .collect()
}

/// The fields of one row, taken in the order of [`COLUMNS`].
struct Fields<'a> {
    row: &'a [&'a str],
    next: usize,
}

impl<'a> Fields<'a> {
    /// The next field; `None` when the value is unknown.
    fn text(&mut self) -> Option<&'a str> {
        let field = self.row[self.next];
        self.next += 1;
        (field != UNKNOWN).then_some(field)
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<Option<T>, String> {
        let Some(text) = self.text() else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| self.reason(text))
    }

    fn required<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        self.number()?.ok_or_else(|| self.reason(UNKNOWN))
    }

    fn flag(&mut self) -> Result<bool, String> {
        match self.text() {
            Some("1") => Ok(true),
            Some("0") => Ok(false),
            other => Err(self.reason(other.unwrap_or(UNKNOWN))),
        }
    }

    fn word<T: ApiWord>(&mut self) -> Result<Option<T>, String> {
        let Some(text) = self.text() else {
            return Ok(None);
        };
        T::from_api(text).map(Some).ok_or_else(|| self.reason(text))
    }

    fn required_word<T: ApiWord>(&mut self) -> Result<T, String> {
        self.word()?.ok_or_else(|| self.reason(UNKNOWN))
    }

    fn words<T: ApiWord>(&mut self) -> Result<Vec<T>, String> {
        let text = self.text().unwrap_or_default();
        text.split('|').map(|word| T::from_api(word).ok_or_else(|| self.reason(text))).collect()
    }

    /// Why the field taken last is refused.
    fn reason(&self, text: &str) -> String {
        format!("column `{}` cannot hold `{text}`", COLUMNS[self.next - 1])
    }
}

fn read_type(row: &[&str]) -> Result<InstanceType, String> {
    let mut fields = Fields { row, next: 0 };
    let name: String = fields.required()?;
    let family = name.split('.').next().unwrap_or_default().to_owned();
    // A struct expression evaluates its fields in the order written, which is the order of `COLUMNS`.
    Ok(InstanceType {
        flex: family.ends_with("-flex"),
        name,
        family,
        vcpu: fields.required()?,
        cores: fields.required()?,
        threads_per_core: fields.required()?,
        memory_mib: fields.required()?,
        architectures: fields.words()?,
        processor_maker: fields.required()?,
        clock_ghz: fields.number()?,
        hypervisor: fields.word()?,
        bare_metal: fields.flag()?,
        current_generation: fields.flag()?,
        burstable: fields.flag()?,
        credits_per_hour: fields.number()?,
        baseline_ratio: fields.number::<f64>()?.map(|percent| percent / 100.0),
        network: read_network(&mut fields)?,
        ebs: read_ebs(&mut fields)?,
        instance_store: read_store(&mut fields)?,
        gpu: read_gpu(&mut fields)?,
        accelerator: read_accelerator(&mut fields)?,
        virtualization: fields.words()?,
        root_devices: fields.words()?,
        boot_modes: fields.words()?,
        usage_classes: fields.words()?,
        hibernation: fields.flag()?,
        auto_recovery: fields.flag()?,
        dedicated_hosts: fields.flag()?,
        placement_strategies: fields.words()?,
        enclaves: fields.flag()?,
        coremark: fields.number()?,
    })
}

fn read_network(fields: &mut Fields<'_>) -> Result<Network, String> {
    Ok(Network {
        base_gbps: fields.number()?,
        peak_gbps: fields.number()?,
        cards: fields.required()?,
        max_enis: fields.required()?,
        ipv4_per_eni: fields.required()?,
        ena: fields.required_word()?,
        ena_express: fields.flag()?,
        efa: fields.flag()?,
    })
}

fn read_ebs(fields: &mut Fields<'_>) -> Result<EbsLimits, String> {
    Ok(EbsLimits {
        nvme: fields.required_word()?,
        optimized: fields.required_word()?,
        base: read_rate(fields)?,
        peak: read_rate(fields)?,
        max_attachments: fields.required()?,
        attachment_limit: fields.required_word()?,
    })
}

fn read_rate(fields: &mut Fields<'_>) -> Result<Option<EbsRate>, String> {
    let (iops, throughput) = (fields.number()?, fields.number()?);
    Ok(iops.zip(throughput).map(|(iops, throughput_mb_s)| EbsRate { iops, throughput_mb_s }))
}

fn read_store(fields: &mut Fields<'_>) -> Result<Option<InstanceStore>, String> {
    let (total_gb, disks) = (fields.number()?, fields.number()?);
    let (media, nvme) = (fields.word()?, fields.word()?);
    let parts = total_gb.zip(disks).zip(media.zip(nvme));
    Ok(parts.map(|((total_gb, disks), (media, nvme))| InstanceStore {
        total_gb,
        disks,
        media,
        nvme,
    }))
}

fn read_gpu(fields: &mut Fields<'_>) -> Result<Option<Gpu>, String> {
    let (count, model, memory) = (fields.number()?, fields.text(), fields.number()?);
    let parts = count.zip(model).zip(memory);
    Ok(parts.map(|((count, model), memory_mib)| Gpu { count, model: model.to_owned(), memory_mib }))
}

/// Reads `16xTrainium`.
fn read_accelerator(fields: &mut Fields<'_>) -> Result<Option<Accelerator>, String> {
    let Some(text) = fields.text() else {
        return Ok(None);
    };
    let parts = text
        .split_once('x')
        .and_then(|(count, model)| Some((count.parse().ok()?, model.to_owned())));
    let (count, model) = parts.ok_or_else(|| fields.reason(text))?;
    Ok(Some(Accelerator { count, model }))
}

/// The price table, still in its own units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PriceTable {
    /// The first is the one that the ratios refer to.
    pub(crate) regions: Vec<String>,
    pub(crate) families: Vec<FamilyPrices>,
}

/// One family of the price table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FamilyPrices {
    pub(crate) family: String,
    /// One for each region after the first.
    pub(crate) ratios: Vec<Option<Ratio>>,
    pub(crate) sizes: Vec<SizePrices>,
}

/// A family's price in a region as a share of its price in the first region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ratio {
    /// In 10^-5.
    pub(crate) value: i64,
    /// Whether it is borrowed from an older family of the same kind.
    pub(crate) borrowed: bool,
}

/// One type of the price table, in 10^-5 dollars an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SizePrices {
    pub(crate) size: String,
    pub(crate) first: i64,
    /// One for each region after the first; `None` where it is not offered or not priced.
    pub(crate) others: Vec<Option<i64>>,
}

impl Ratio {
    /// The product of ratio and first price, rounded half up.
    pub(crate) fn product(self, first: i64) -> i64 {
        (first * self.value + RATIO_ONE / 2) / RATIO_ONE
    }

    /// How far a price can be trusted that stands beside this ratio.
    ///
    /// The table's makers replaced prices that they did not find in a list by first price x ratio. A price
    /// further from that product than both roundings explain (half a unit of the price, half a unit of
    /// the ratio) can only come from a list; one that agrees may come from either and counts as estimated.
    fn basis(self, first: i64, price: i64) -> PriceBasis {
        let off = (price * RATIO_ONE - first * self.value).abs();
        if self.borrowed || 2 * off <= first + RATIO_ONE {
            PriceBasis::Estimated
        } else {
            PriceBasis::List
        }
    }
}

impl FamilyPrices {
    /// Price and basis of each size in the region after the first with this index.
    pub(crate) fn others(
        &self,
        index: usize,
    ) -> impl Iterator<Item = (&SizePrices, PicoDollars, PriceBasis)> {
        self.sizes.iter().filter_map(move |size| {
            let (price, ratio) = (size.others[index]?, self.ratios[index]?);
            Some((size, to_pico(price), ratio.basis(size.first, price)))
        })
    }
}

/// A price of the table as a unit price.
pub(crate) fn to_pico(units: i64) -> PicoDollars {
    PicoDollars::from_pico(units * PICO_PER_UNIT)
}

/// Reads the table of prices.
///
/// # Errors
/// [`TableError`] with the first line that does not follow the form.
pub(crate) fn read_prices(text: &str) -> Result<PriceTable, TableError> {
    let failed =
        |line: usize, reason: String| TableError { table: "prices", line: line + 1, reason };
    let mut lines = text.lines().enumerate();
    let (_, header) = lines.next().ok_or_else(|| failed(0, "it is empty".to_owned()))?;
    let mut table = PriceTable {
        regions: header.split('\t').map(str::to_owned).collect(),
        families: Vec::new(),
    };
    let others = table.regions.len() - 1;
    for (index, line) in lines {
        if let Some(line) = line.strip_prefix('@') {
            let family = read_family(line, others).map_err(|reason| failed(index, reason))?;
            table.families.push(family);
        } else {
            let family = table
                .families
                .last_mut()
                .ok_or_else(|| failed(index, "a size without a family".to_owned()))?;
            let size = read_size(line, &family.ratios).map_err(|reason| failed(index, reason))?;
            family.sizes.push(size);
        }
    }
    Ok(table)
}

fn read_family(line: &str, others: usize) -> Result<FamilyPrices, String> {
    let (family, ratios) = line.split_once('\t').ok_or("a family without ratios")?;
    let ratios: Vec<_> = ratios.split(',').map(read_ratio).collect::<Result<_, _>>()?;
    if ratios.len() != others {
        return Err(format!("{} ratios for {others} regions", ratios.len()));
    }
    Ok(FamilyPrices { family: family.to_owned(), ratios, sizes: Vec::new() })
}

fn read_ratio(text: &str) -> Result<Option<Ratio>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.strip_suffix('e');
    let value = digits.unwrap_or(text).parse().map_err(|_| format!("`{text}` is not a ratio"))?;
    Ok(Some(Ratio { value, borrowed: digits.is_some() }))
}

fn read_size(line: &str, ratios: &[Option<Ratio>]) -> Result<SizePrices, String> {
    let mut parts = line.split('\t');
    let (size, first, tokens) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let size = size.unwrap_or_default().to_owned();
    let first: i64 = first.and_then(|text| text.parse().ok()).ok_or("a size without a price")?;
    let mut rest = tokens;
    let mut others = Vec::with_capacity(ratios.len());
    for ratio in ratios {
        let (delta, after) = read_token(rest)
            .ok_or_else(|| format!("`{tokens}` does not have a token for each region"))?;
        rest = after;
        let price = match (delta, ratio) {
            (None, _) => None,
            (Some(delta), Some(ratio)) => Some(ratio.product(first) + delta),
            (Some(_), None) => return Err(format!("`{tokens}` prices a region without a ratio")),
        };
        others.push(price);
    }
    if rest.is_empty() {
        Ok(SizePrices { size, first, others })
    } else {
        Err(format!("`{rest}` is left over"))
    }
}

/// Takes one token: `None` inside for a price that is absent, else its distance from the product.
fn read_token(text: &str) -> Option<(Option<i64>, &str)> {
    let (token, rest) = text.split_at_checked(1)?;
    let letter = i64::from(token.as_bytes()[0]);
    match token.as_bytes()[0] {
        b'-' => Some((None, rest)),
        b'.' => Some((Some(0), rest)),
        b'a'..=b'z' => Some((Some(letter - i64::from(b'a') + 1), rest)),
        b'A'..=b'Z' => Some((Some(i64::from(b'A') - letter - 1), rest)),
        b'[' => {
            let (number, rest) = rest.split_once(']')?;
            Some((Some(number.parse().ok()?), rest))
        }
        _ => None,
    }
}
