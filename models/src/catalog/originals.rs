//! Writes the embedded tables from their originals, and compares the two row by row.
//!
//! `TRIMTAB_CATALOG=<folder> cargo test -p trimtab-models originals` compares every row of `ec2.csv`,
//! `ec2_prices_wide.csv` and `other_prices.json` in that folder with what the catalogue answers; with
//! `TRIMTAB_BLESS=1` it writes the tables first. Without the folder only the forms are tested: the embedded tables,
//! read and written again, must come out byte for byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::attributes::ApiWord;
use super::compact::{
    COLUMNS, FamilyPrices, PriceTable, Ratio, SizePrices, UNKNOWN, expand_rows, read_prices,
};
use super::*;

/// A CSV file without quotes: one map from column to field for each row.
struct Csv {
    columns: Vec<String>,
    rows: Vec<BTreeMap<String, String>>,
}

fn read_csv(path: &Path) -> Csv {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    assert!(
        !text.contains('"'),
        "{} has quoted fields, which this reader does not know",
        path.display()
    );
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let columns: Vec<String> = lines.next().expect("a header").collect();
    let rows = lines.map(|fields| columns.iter().cloned().zip(fields).collect()).collect();
    Csv { columns, rows }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only this test asks where the originals are; the crate itself reads no environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A decimal with at most 5 places in units of 10^-5.
fn units(text: &str) -> i64 {
    let pico = PicoDollars::parse(text).expect("a plain decimal").pico();
    assert_eq!(pico % 10_000_000, 0, "{text} has more than 5 decimals");
    pico / 10_000_000
}

/// The inverse of `expand_rows`.
fn write_rows<'a>(rows: &[Vec<&'a str>]) -> String {
    let mut text = String::new();
    let mut above: Vec<&'a str> = vec![UNKNOWN; rows[0].len()];
    for (index, row) in rows.iter().enumerate() {
        let fields: Vec<&str> =
            row.iter().zip(&above).map(|(new, old)| if new == old { "" } else { new }).collect();
        text.push_str(fields.join("\t").trim_end_matches('\t'));
        text.push('\n');
        if index > 0 {
            above.clone_from(row);
        }
    }
    text
}

fn write_types(original: &Csv) -> String {
    let mut rows = vec![COLUMNS.to_vec()];
    for row in &original.rows {
        let field = |column: &&str| match row[*column].as_str() {
            "" => UNKNOWN,
            text => text,
        };
        rows.push(COLUMNS.iter().map(field).collect());
    }
    write_rows(&rows)
}

/// The inverse of `read_prices`.
fn write_prices(table: &PriceTable) -> String {
    let mut text = table.regions.join("\t") + "\n";
    for family in &table.families {
        let ratio = |ratio: &Option<Ratio>| match ratio {
            Some(Ratio { value, borrowed }) => {
                format!("{value}{}", if *borrowed { "e" } else { "" })
            }
            None => String::new(),
        };
        let ratios: Vec<String> = family.ratios.iter().map(ratio).collect();
        text.push_str(&format!("@{}\t{}\n", family.family, ratios.join(",")));
        for size in &family.sizes {
            let tokens: String = size
                .others
                .iter()
                .zip(&family.ratios)
                .map(|pair| token(size.first, pair))
                .collect();
            text.push_str(&format!("{}\t{}\t{tokens}\n", size.size, size.first));
        }
    }
    text
}

fn token(first: i64, pair: (&Option<i64>, &Option<Ratio>)) -> String {
    let (Some(price), ratio) = pair else {
        return "-".to_owned();
    };
    let delta = price - ratio.expect("a priced region has a ratio").product(first);
    let letter = |from: u8| {
        char::from(from + u8::try_from(delta.abs() - 1).expect("at most 26")).to_string()
    };
    match delta {
        0 => ".".to_owned(),
        1..=26 => letter(b'a'),
        -26..=-1 => letter(b'A'),
        _ => format!("[{delta}]"),
    }
}

fn table_of_originals(folder: &Path) -> PriceTable {
    let wide = read_csv(&folder.join("ec2_prices_wide.csv"));
    let ratios = read_ratios(folder);
    let regions: Vec<String> = wide.columns[1..].to_vec();
    let mut families: Vec<FamilyPrices> = Vec::new();
    for row in &wide.rows {
        let (family, size) = row["type"].split_once('.').expect("family and size");
        if families.last().is_none_or(|last| last.family != family) {
            let of_region =
                |region: &String| ratios.get(&(family.to_owned(), region.clone())).copied();
            let ratios = regions[1..].iter().map(of_region).collect();
            families.push(FamilyPrices { family: family.to_owned(), ratios, sizes: Vec::new() });
        }
        let price =
            |region: &String| Some(row[region].as_str()).filter(|text| !text.is_empty()).map(units);
        let others = regions[1..].iter().map(price).collect();
        let first = price(&regions[0]).expect("every row is priced in the first region");
        let size = SizePrices { size: size.to_owned(), first, others };
        families.last_mut().expect("pushed above when there was none").sizes.push(size);
    }
    PriceTable { regions, families }
}

fn read_ratios(folder: &Path) -> BTreeMap<(String, String), Ratio> {
    let file = read_csv(&folder.join("ec2_region_ratio.csv"));
    let ratio = |row: &BTreeMap<String, String>| {
        let borrowed = match row["basis"].as_str() {
            "e" => true,
            "r" => false,
            other => panic!("unknown basis {other}"),
        };
        Ratio { value: units(&row["ratio_to_us_east_1"]), borrowed }
    };
    file.rows
        .iter()
        .map(|row| ((row["family"].clone(), row["region"].clone()), ratio(row)))
        .collect()
}

fn write_table(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/catalog/data").join(name);
    std::fs::write(&path, text)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// The tables as they are: embedded, or just written from the originals.
fn catalog_of(folder: &Path) -> Catalog {
    let types = write_types(&read_csv(&folder.join("ec2.csv")));
    let prices = write_prices(&table_of_originals(folder));
    if environment("TRIMTAB_BLESS").is_some() {
        write_table("types.tsv", &types);
        write_table("prices.tsv", &prices);
    } else {
        assert!(types == TYPES, "data/types.tsv is not what the originals give: bless it");
        assert!(prices == PRICES, "data/prices.tsv is not what the originals give: bless it");
    }
    Catalog::read(&types, &prices).expect("tables that were just written")
}

#[test]
fn both_tables_come_out_as_they_went_in() {
    assert!(
        write_rows(&expand_rows(TYPES)) == TYPES,
        "the types' table changes when read and written"
    );
    let table = read_prices(PRICES).expect("the embedded prices");
    assert!(write_prices(&table) == PRICES, "the price table changes when read and written");
}

#[test]
fn originals_agree_with_the_catalogue() {
    let Some(folder) = environment("TRIMTAB_CATALOG").map(PathBuf::from) else {
        return;
    };
    let catalog = catalog_of(&folder);
    compare_types(&catalog, &read_csv(&folder.join("ec2.csv")));
    compare_prices(&catalog, &folder);
    compare_services(&folder.join("other_prices.json"));
}

fn compare_types(catalog: &Catalog, original: &Csv) {
    assert_eq!(catalog.instance_types().len(), original.rows.len());
    for row in &original.rows {
        let name = &row["type"];
        let found = catalog.instance_type(name).unwrap_or_else(|| panic!("{name} is missing"));
        for (column, expect) in row {
            if let Some(text) = original_field(found, column) {
                assert_eq!(&text, expect, "{name}, column {column}");
            }
        }
    }
    let compared =
        original.columns.iter().filter(|column| COLUMNS.contains(&column.as_str())).count();
    assert_eq!(compared, COLUMNS.len(), "a column is embedded that the originals do not have");
}

fn flag(value: bool) -> String {
    u8::from(value).to_string()
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn words<T: ApiWord>(values: &[T]) -> String {
    values.iter().map(|value| value.as_str()).collect::<Vec<_>>().join("|")
}

/// What the original prints in this column for such a type; `None` for the columns that are not embedded.
fn original_field(one: &InstanceType, column: &str) -> Option<String> {
    let text = match column {
        "type" => one.name.clone(),
        "family" => one.family.clone(),
        "vcpu" => one.vcpu.to_string(),
        "cores" => one.cores.to_string(),
        "threads_per_core" => one.threads_per_core.to_string(),
        "mem_mib" => one.memory_mib.to_string(),
        "arch" => words(&one.architectures),
        "cpu_maker" => one.processor_maker.clone(),
        "clock_ghz" => optional(one.clock_ghz),
        "hypervisor" => optional(one.hypervisor.map(ApiWord::as_str)),
        "bare_metal" => flag(one.bare_metal),
        "current_gen" => flag(one.current_generation),
        "burstable" => flag(one.burstable),
        "credits_per_hour" => optional(one.credits_per_hour),
        "baseline_pct_per_vcpu" => {
            optional(one.baseline_ratio.map(|ratio| (ratio * 1e6).round() / 1e4))
        }
        "virt" => words(&one.virtualization),
        "root_dev" => words(&one.root_devices),
        "boot" => words(&one.boot_modes),
        "usage" => words(&one.usage_classes),
        "hibernation" => flag(one.hibernation),
        "auto_recovery" => flag(one.auto_recovery),
        "dedicated_hosts" => flag(one.dedicated_hosts),
        "placement" => words(&one.placement_strategies),
        "enclaves" => flag(one.enclaves),
        "coremark" => optional(one.coremark),
        "net_label" | "free_tier" | "ebs_base_mbps" | "ebs_max_mbps" => return None,
        _ => return Some(original_part(one, column)),
    };
    Some(text)
}

/// The columns that describe a part of the type.
fn original_part(one: &InstanceType, column: &str) -> String {
    let (network, ebs) = (&one.network, &one.ebs);
    let store = one.instance_store.as_ref();
    let gpu = one.gpu.as_ref();
    match column {
        "net_base_gbps" => optional(network.base_gbps),
        "net_peak_gbps" => optional(network.peak_gbps),
        "net_cards" => network.cards.to_string(),
        "max_enis" => network.max_enis.to_string(),
        "ipv4_per_eni" => network.ipv4_per_eni.to_string(),
        "ena" => network.ena.as_str().to_owned(),
        "ena_express" => flag(network.ena_express),
        "efa" => flag(network.efa),
        "ebs_nvme" => ebs.nvme.as_str().to_owned(),
        "ebs_optimized" => ebs.optimized.as_str().to_owned(),
        "ebs_base_iops" => optional(ebs.base.map(|rate| rate.iops)),
        "ebs_base_mb_s" => optional(ebs.base.map(|rate| rate.throughput_mb_s)),
        "ebs_max_iops" => optional(ebs.peak.map(|rate| rate.iops)),
        "ebs_max_mb_s" => optional(ebs.peak.map(|rate| rate.throughput_mb_s)),
        "ebs_max_attach" => ebs.max_attachments.to_string(),
        "ebs_attach_kind" => ebs.attachment_limit.as_str().to_owned(),
        "store_gb" => optional(store.map(|store| store.total_gb)),
        "store_disks" => optional(store.map(|store| store.disks)),
        "store_kind" => optional(store.map(|store| store.media.as_str())),
        "store_nvme" => optional(store.map(|store| store.nvme.as_str())),
        "gpus" => optional(gpu.map(|gpu| gpu.count)),
        "gpu_model" => optional(gpu.map(|gpu| gpu.model.clone())),
        "gpu_mem_mib" => optional(gpu.map(|gpu| gpu.memory_mib)),
        "accels" => {
            optional(one.accelerator.as_ref().map(|some| format!("{}x{}", some.count, some.model)))
        }
        other => panic!("column {other} is new in the originals"),
    }
}

/// Every pair, also those that must have no price; the bases by floats, unlike the catalogue's integers.
fn compare_prices(catalog: &Catalog, folder: &Path) {
    let wide = read_csv(&folder.join("ec2_prices_wide.csv"));
    let ratios = read_ratios(folder);
    let mut priced = 0;
    for row in &wide.rows {
        let name = &row["type"];
        let family = name.split('.').next().expect("split gives at least one part");
        for region in &wide.columns[1..] {
            let found = catalog.instance_price(name, region, LINUX_PLATFORM);
            let text = &row[region];
            priced += usize::from(!text.is_empty());
            assert_eq!(
                optional(found.map(|price| price.per_hour.dollars())),
                *text,
                "{name} in {region}"
            );
            let Some(found) = found else { continue };
            let listed = ratios.get(&(family.to_owned(), region.clone())).is_none_or(|ratio| {
                let (first, price): (f64, f64) =
                    (row["us-east-1"].parse().expect("a price"), text.parse().expect("a price"));
                let off = (price - first * (ratio.value as f64) / 1e5).abs();
                !ratio.borrowed && off > first * 0.5e-5 + 0.5e-5 + 1e-10
            });
            assert_eq!(found.basis == PriceBasis::List, listed, "basis of {name} in {region}");
        }
    }
    assert_eq!(catalog.price_count(), priced);
}

fn compare_services(path: &Path) {
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let expect = [
        ("/ebs/gp2_gb_month/v", services::GP2_GIB, 1.0),
        ("/ebs/gp3/gb_month", services::GP3_GIB, 1.0),
        ("/ebs/gp3/iops_month_above_3000", services::GP3_IOPS, 1.0),
        ("/ebs/gp3/mbps_month_above_125", services::GP3_MIBPS, 1.0),
        ("/ebs/io1/gb_month", services::IO_GIB, 1.0),
        ("/ebs/io1/iops_month", services::IO_IOPS, 1.0),
        ("/ebs/io2/gb_month", services::IO_GIB, 1.0),
        ("/ebs/io2/iops_month_tiers/0/1", services::IO_IOPS, 1.0),
        ("/ebs/io2/iops_month_tiers/1/1", services::IO2_IOPS_MIDDLE, 1.0),
        ("/ebs/io2/iops_month_tiers/2/1", services::IO2_IOPS_HIGH, 1.0),
        ("/ebs/st1_gb_month/v", services::ST1_GIB, 1.0),
        ("/ebs/sc1_gb_month/v", services::SC1_GIB, 1.0),
        ("/ebs/standard/gb_month", services::STANDARD_GIB, 1.0),
        ("/lambda/x86_gb_second/tiers_gb_s_per_month/0/1", services::LAMBDA_X86_GB_SECOND, 1.0),
        ("/lambda/arm_gb_second/tiers_gb_s_per_month/0/1", services::LAMBDA_ARM_GB_SECOND, 1.0),
        ("/lambda/requests_per_million/v", services::LAMBDA_REQUEST, 1e6),
        ("/cloudwatch/get_metric_data_per_1000_metrics/v", services::METRIC_REQUEST, 1e3),
    ];
    for (pointer, price, per) in expect {
        let original = file.pointer(pointer).and_then(serde_json::Value::as_f64);
        let original = original.unwrap_or_else(|| panic!("{pointer} is missing"));
        assert!((price.dollars() * per - original).abs() < original * 1e-9, "{pointer}: {price}");
    }
}
