//! The catalogue against published facts, typed in here by hand, and its rules for what is not known.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn embedded() -> Catalog {
    Catalog::embedded()
}

fn usd(text: &str) -> PicoDollars {
    PicoDollars::parse(text).expect("a plain price in the test's table")
}

#[test]
fn everything_is_there() {
    let catalog = embedded();
    assert_eq!(catalog.instance_types().len(), 1_395);
    assert_eq!(catalog.priced_regions().len(), 16);
    assert_eq!(catalog.price_count(), 14_807);
    assert_eq!(catalog.prices["us-east-1"].len(), 1_367);
    let mut bases = BTreeMap::new();
    for (region, prices) in &catalog.prices {
        for price in prices.values() {
            *bases.entry((region == "us-east-1", price.basis)).or_insert(0) += 1;
        }
    }
    let expect = [
        ((true, PriceBasis::List), 1_367),
        ((false, PriceBasis::List), 768),
        ((false, PriceBasis::Estimated), 12_672),
    ];
    assert_eq!(bases, BTreeMap::from(expect));
    let names: Vec<&str> = catalog.instance_types().map(|one| one.name.as_str()).collect();
    assert!(names.is_sorted());
    assert_eq!(
        catalog
            .instance_types()
            .filter(|one| !catalog.prices["us-east-1"].contains_key(&one.name))
            .count(),
        55
    );
}

#[test]
fn the_tables_stay_small() {
    assert!(TYPES.len() + PRICES.len() <= 200_000, "{} + {} bytes", TYPES.len(), PRICES.len());
}

/// Type, vCPUs, MiB, first architecture, network interfaces, addresses on each, CPU credits an hour, us-east-1.
type Published = (&'static str, u32, u64, Architecture, u32, u32, Option<f64>, &'static str);

const PUBLISHED: [Published; 24] = [
    ("t2.micro", 1, 1_024, Architecture::I386, 2, 2, Some(6.0), "0.0116"),
    ("t3.micro", 2, 1_024, Architecture::X86_64, 2, 2, Some(12.0), "0.0104"),
    ("t3.medium", 2, 4_096, Architecture::X86_64, 3, 6, Some(24.0), "0.0416"),
    ("t3.large", 2, 8_192, Architecture::X86_64, 3, 12, Some(36.0), "0.0832"),
    ("t4g.small", 2, 2_048, Architecture::Arm64, 3, 4, Some(24.0), "0.0168"),
    ("m4.large", 2, 8_192, Architecture::X86_64, 2, 10, None, "0.10"),
    ("m5.large", 2, 8_192, Architecture::X86_64, 3, 10, None, "0.096"),
    ("m5.24xlarge", 96, 393_216, Architecture::X86_64, 15, 50, None, "4.608"),
    ("m6i.2xlarge", 8, 32_768, Architecture::X86_64, 4, 15, None, "0.384"),
    ("m6g.large", 2, 8_192, Architecture::Arm64, 3, 10, None, "0.077"),
    ("m7g.large", 2, 8_192, Architecture::Arm64, 3, 10, None, "0.0816"),
    ("m7i-flex.large", 2, 8_192, Architecture::X86_64, 3, 10, None, "0.09576"),
    ("m8g.large", 2, 8_192, Architecture::Arm64, 3, 10, None, "0.08976"),
    ("c5.large", 2, 4_096, Architecture::X86_64, 3, 10, None, "0.085"),
    ("c5n.18xlarge", 72, 196_608, Architecture::X86_64, 15, 50, None, "3.888"),
    ("c6g.medium", 1, 2_048, Architecture::Arm64, 2, 4, None, "0.034"),
    ("c7g.xlarge", 4, 8_192, Architecture::Arm64, 4, 15, None, "0.145"),
    ("r5.large", 2, 16_384, Architecture::X86_64, 3, 10, None, "0.126"),
    ("r6g.4xlarge", 16, 131_072, Architecture::Arm64, 8, 30, None, "0.8064"),
    ("x1e.32xlarge", 128, 3_997_696, Architecture::X86_64, 8, 30, None, "26.688"),
    ("i3.large", 2, 15_616, Architecture::X86_64, 3, 10, None, "0.156"),
    ("g4dn.xlarge", 4, 16_384, Architecture::X86_64, 3, 10, None, "0.526"),
    ("p5.48xlarge", 192, 2_097_152, Architecture::X86_64, 64, 50, None, "55.04"),
    ("a1.metal", 16, 32_768, Architecture::Arm64, 8, 30, None, "0.408"),
];

#[test]
fn published_facts_and_prices_hold() {
    let catalog = embedded();
    for (name, vcpu, memory_mib, architecture, enis, addresses, credits, price) in PUBLISHED {
        let one = catalog.instance_type(name).unwrap_or_else(|| panic!("{name} is missing"));
        let network = &one.network;
        let found = (
            one.vcpu,
            one.memory_mib,
            one.architectures[0],
            network.max_enis,
            network.ipv4_per_eni,
            one.credits_per_hour,
        );
        assert_eq!(found, (vcpu, memory_mib, architecture, enis, addresses, credits), "{name}");
        let found = catalog.instance_price(name, "us-east-1", LINUX_PLATFORM);
        assert_eq!(found, Some(Price { per_hour: usd(price), basis: PriceBasis::List }), "{name}");
    }
}

#[test]
fn other_regions_carry_their_basis() {
    let catalog = embedded();
    let check = |name: &str, region: &str, expect: Option<(&str, PriceBasis)>| {
        let found = catalog
            .instance_price(name, region, LINUX_PLATFORM)
            .map(|price| (price.per_hour, price.basis));
        assert_eq!(found, expect.map(|(price, basis)| (usd(price), basis)), "{name} in {region}");
    };
    check("t3.medium", "eu-west-1", Some(("0.0456", PriceBasis::Estimated)));
    check("m5.large", "eu-central-1", Some(("0.115", PriceBasis::Estimated)));
    check("m8g.large", "eu-west-1", Some(("0.10006", PriceBasis::Estimated)));
    // 0.13 x 1.26058 would be 0.16388: only a list says 0.164.
    check("c1.medium", "ap-southeast-1", Some(("0.164", PriceBasis::List)));
    check("p5.48xlarge", "eu-west-1", None);
    check("m5.large", "eu-south-1", None);
    check("m5.huge", "us-east-1", None);
    check("p3.2xlarge", "us-east-1", Some(("3.06", PriceBasis::List)));
    assert_eq!(catalog.instance_type("p3.2xlarge"), None);
    for platform in ["Windows", "Red Hat Enterprise Linux", "SUSE Linux", "linux/unix", ""] {
        assert_eq!(catalog.instance_price("m5.large", "us-east-1", platform), None, "{platform}");
    }
}

#[test]
fn parts_of_a_type_are_kept() {
    let catalog = embedded();
    let one =
        |name: &str| catalog.instance_type(name).unwrap_or_else(|| panic!("{name} is missing"));
    let metal = one("a1.metal");
    assert!(metal.bare_metal && metal.hypervisor.is_none() && metal.boot_modes == [BootMode::Uefi]);
    let flex = one("m7i-flex.large");
    assert!(
        flex.flex
            && !flex.burstable
            && !flex.placement_strategies.contains(&PlacementStrategy::Cluster)
    );
    assert_eq!(flex.sustained_vcpu(), Some(0.8));
    assert_eq!(one("t3.medium").sustained_vcpu(), Some(0.4));
    assert_eq!(one("m5.large").sustained_vcpu(), Some(2.0));
    assert_eq!(one("m5.large").coremark_per_vcpu(), Some(14_235.0));
    let i3 = one("i3.large");
    let store =
        InstanceStore { total_gb: 475, disks: 1, media: StoreMedia::Ssd, nvme: Support::Required };
    assert_eq!(i3.instance_store, Some(store));
    assert_eq!(
        (i3.hypervisor, i3.network.ena, i3.ebs.nvme),
        (Some(Hypervisor::Xen), Support::Supported, Support::Supported)
    );
    let gpu = one("p5.48xlarge").gpu.clone().expect("a GPU type");
    assert_eq!((gpu.count, gpu.model.as_str()), (8, "NVIDIA H100"));
    assert_eq!(
        one("inf2.48xlarge").accelerator,
        Some(Accelerator { count: 12, model: "Inferentia2".to_owned() })
    );
    let m1 = one("m1.small");
    assert!(
        m1.supports(Architecture::I386)
            && m1.supports(Architecture::X86_64)
            && !m1.supports(Architecture::Arm64)
    );
    assert!(
        m1.virtualization.contains(&Virtualization::Paravirtual)
            && m1.root_devices.contains(&RootDevice::InstanceStore)
    );
    let a1 = one("a1.medium");
    assert_eq!(a1.ebs.base, Some(EbsRate { iops: 2_500, throughput_mb_s: 37.5 }));
    assert_eq!(a1.ebs.peak, Some(EbsRate { iops: 20_000, throughput_mb_s: 437.5 }));
    assert_eq!((a1.ebs.max_attachments, a1.ebs.attachment_limit), (27, AttachmentLimit::Shared));
}

#[test]
fn a_t_type_without_a_baseline_is_no_full_type() {
    let catalog = embedded();
    let unknown = catalog.instance_types().filter(|one| one.sustained_vcpu().is_none());
    let names: Vec<&str> = unknown.map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["t1.micro", "t8i.medium", "t8i.micro", "t8i.nano", "t8i.small"]);
    assert!(catalog.instance_type("trn1.2xlarge").expect("embedded").sustained_vcpu().is_some());
}

#[test]
fn types_survive_json() {
    for one in embedded().instance_types() {
        let text = serde_json::to_string(one).expect("plain data");
        let read: InstanceType = serde_json::from_str(&text).expect("just written");
        assert_eq!(&read, one);
        assert!(
            text.contains(&format!("\"architectures\":[\"{}\"", one.architectures[0].as_str())),
            "{text}"
        );
    }
}

fn volume(
    volume_type: &str,
    size_gib: u32,
    iops: Option<u32>,
    throughput_mibps: Option<u32>,
) -> VolumeSpec {
    VolumeSpec { volume_type: volume_type.to_owned(), size_gib, iops, throughput_mibps }
}

#[test]
fn volumes_are_billed_by_size_operations_and_throughput() {
    let catalog = embedded();
    let check = |spec: VolumeSpec, expect: Option<(i64, PriceBasis)>| {
        let found = catalog
            .volume_price_monthly("us-east-1", &spec)
            .map(|(amount, basis)| (amount.micros(), basis));
        assert_eq!(found, expect, "{spec:?}");
    };
    use PriceBasis::{Estimated, List};
    check(volume("gp2", 100, Some(300), None), Some((10_000_000, List)));
    check(volume("gp3", 100, None, None), Some((8_000_000, List)));
    check(volume("gp3", 100, Some(3_000), Some(125)), Some((8_000_000, List)));
    check(volume("gp3", 100, Some(4_000), Some(250)), Some((18_000_000, List)));
    check(volume("io1", 100, Some(1_000), None), Some((77_500_000, List)));
    check(volume("io1", 100, None, None), None);
    check(volume("io2", 100, Some(32_000), None), Some((2_092_500_000, List)));
    check(volume("io2", 100, Some(32_001), None), Some((2_092_545_500, Estimated)));
    check(
        volume("io2", 1, Some(100_000), None),
        Some((125_000 + 2_080_000_000 + 1_456_000_000 + 1_146_600_000, Estimated)),
    );
    check(volume("st1", 500, None, None), Some((22_500_000, List)));
    check(volume("sc1", 500, None, None), Some((7_500_000, List)));
    check(volume("standard", 10, None, None), Some((500_000, Estimated)));
    check(volume("gp9", 10, None, None), None);
    check(volume("gp3", u32::MAX, None, None), Some((343_597_383_600_000, List)));
}

#[test]
fn services_elsewhere_are_estimated_and_unknown_regions_have_no_price() {
    let catalog = embedded();
    let spec = volume("gp3", 100, None, None);
    let regions: Vec<String> = catalog.priced_regions().map(str::to_owned).collect();
    for region in &regions {
        let basis = if region == "us-east-1" { PriceBasis::List } else { PriceBasis::Estimated };
        assert_eq!(
            catalog.volume_price_monthly(region, &spec),
            Some((Usd::from_micros(8_000_000), basis)),
            "{region}"
        );
        assert_eq!(
            catalog.function_price(region, Architecture::Arm64).map(|price| price.basis),
            Some(basis),
            "{region}"
        );
        assert_eq!(catalog.metric_request_price(region), Some((usd("0.00001"), basis)), "{region}");
    }
    for region in ["eu-south-1", "", "us-gov-west-1"] {
        assert_eq!(catalog.volume_price_monthly(region, &spec), None);
        assert_eq!(catalog.function_price(region, Architecture::X86_64), None);
        assert_eq!(catalog.metric_request_price(region), None);
    }
    // An instance price of a further region says nothing about the services there.
    let row = PriceRow {
        instance_type: "m5.large".to_owned(),
        region: "eu-south-1".to_owned(),
        per_hour: usd("0.112"),
    };
    assert_eq!(catalog.with_prices([row]).volume_price_monthly("eu-south-1", &spec), None);
}

#[test]
fn functions_are_billed_by_time_memory_and_requests() {
    let catalog = embedded();
    let cost = |architecture, memory_mb, mean_duration_ms, invocations_monthly| {
        let usage = FunctionUse { memory_mb, mean_duration_ms, invocations_monthly };
        let found = catalog.function_cost_monthly("us-east-1", architecture, &usage);
        found.map(|(amount, _)| amount.micros())
    };
    // 1,000,000 GB-seconds and 1,000,000 requests.
    assert_eq!(cost(Architecture::X86_64, 1_024, 1_000.0, 1_000_000), Some(16_666_700 + 200_000));
    assert_eq!(cost(Architecture::Arm64, 1_024, 1_000.0, 1_000_000), Some(13_333_400 + 200_000));
    assert_eq!(cost(Architecture::X86_64, 128, 12.5, 3_000_000), Some(78_125 + 600_000));
    assert_eq!(cost(Architecture::X86_64, 1_024, 1_000.0, 0), Some(0));
    assert_eq!(cost(Architecture::I386, 1_024, 1_000.0, 1), None);
    for duration in [f64::NAN, f64::INFINITY, -1.0, 1e10] {
        assert_eq!(cost(Architecture::X86_64, 1_024, duration, 1), None, "{duration}");
    }
    assert_eq!(cost(Architecture::X86_64, u32::MAX, 1e9, u64::MAX), None);
}

#[test]
fn live_types_keep_what_the_api_does_not_give() {
    let mut catalog = embedded();
    let known = catalog.instance_type("t3.medium").cloned().expect("embedded");
    let live = InstanceType {
        credits_per_hour: None,
        baseline_ratio: None,
        coremark: None,
        ..known.clone()
    };
    let new = InstanceType { name: "t9.medium".to_owned(), ..live.clone() };
    catalog.replace_types(vec![InstanceType { vcpu: 3, ..live }, new.clone()]);
    assert_eq!(catalog.instance_type("t3.medium"), Some(&InstanceType { vcpu: 3, ..known }));
    assert_eq!(catalog.instance_type("t9.medium"), Some(&new));
    assert_eq!(catalog.instance_types().len(), 1_396);
    assert_eq!(catalog.instance_price("t9.medium", "us-east-1", LINUX_PLATFORM), None);
}

#[test]
fn a_users_prices_replace_the_embedded_ones() {
    let text = "\u{feff}# ours\n\ntype, region,usd_per_hour\r\nm5.large, eu-west-1 ,0.0911\r\nu-3tb1.56xlarge,us-gov-east-1,27.3\n";
    let rows = parse_price_file(text).expect("a good file");
    let catalog = embedded().with_prices(rows);
    let listed = |price| Some(Price { per_hour: usd(price), basis: PriceBasis::List });
    assert_eq!(catalog.instance_price("m5.large", "eu-west-1", LINUX_PLATFORM), listed("0.0911"));
    assert_eq!(
        catalog.instance_price("u-3tb1.56xlarge", "us-gov-east-1", LINUX_PLATFORM),
        listed("27.3")
    );
    assert_eq!(catalog.instance_price("m5.large", "us-east-1", LINUX_PLATFORM), listed("0.096"));
    assert_eq!(catalog.price_count(), 14_808);
}

#[test]
fn a_bad_price_file_names_its_line() {
    let check = |body: &str, expect: &str| {
        let error = parse_price_file(body).expect_err("a bad file");
        let mut chain = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            chain = format!("{chain}: {inner}");
            source = inner.source();
        }
        assert_eq!(chain, expect, "{body:?}");
    };
    let header = "type,region,usd_per_hour\n";
    let with = |line: &str| format!("{header}# note\n{line}\n");
    check(
        "",
        "line 1 of the price file cannot be used: `` is not the header, begin the file with `type,region,usd_per_hour`",
    );
    check(
        "m5.large,us-east-1,0.1",
        "line 1 of the price file cannot be used: `m5.large,us-east-1,0.1` is not the header, begin the file with `type,region,usd_per_hour`",
    );
    check(
        &with("m5.large,us-east-1"),
        "line 3 of the price file cannot be used: `m5.large,us-east-1` has 2 fields, write three: `type,region,usd_per_hour`",
    );
    check(
        &with("m5,us-east-1,1"),
        "line 3 of the price file cannot be used: `m5` is not an instance type, write it like `m7g.large`",
    );
    check(
        &with("m5.large,Ireland,1"),
        "line 3 of the price file cannot be used: `Ireland` is not a region, write it like `eu-west-1`",
    );
    check(
        &with("m5.large,us-east,1"),
        "line 3 of the price file cannot be used: `us-east` is not a region, write it like `eu-west-1`",
    );
    check(
        &with("m5.large,us-east-1,$0.1"),
        "line 3 of the price file cannot be used: the price cannot be read: `$0.1` is not a price: write plain dollars such as 0.0416",
    );
    check(
        &with("m5.large,us-east-1,0.000"),
        "line 3 of the price file cannot be used: `m5.large` in `us-east-1` costs 0, leave the line out if its price is not known",
    );
    check(
        &with("m5.large,us-east-1,1\nm5.large,us-east-1,2"),
        "line 4 of the price file cannot be used: `m5.large` in `us-east-1` is priced on line 3 already, keep one of the two",
    );
}

#[test]
fn a_damaged_table_names_its_line() {
    let prices_error = |text: &str| Catalog::read(TYPES, text).expect_err("damaged").to_string();
    let start = "us-east-1\tus-east-2\n";
    let check = |body: &str, expect: &str| {
        assert_eq!(prices_error(&format!("{start}{body}")), format!("line {expect}"), "{body:?}");
    };
    check("large\t1\t.", "2 of the catalogue's prices table: a size without a family");
    check("@m5\t1,2", "2 of the catalogue's prices table: 2 ratios for 1 regions");
    check("@m5\tx", "2 of the catalogue's prices table: `x` is not a ratio");
    check(
        "@m5\t100000\nlarge\t9600\t",
        "3 of the catalogue's prices table: `` does not have a token for each region",
    );
    check("@m5\t100000\nlarge\t9600\t..", "3 of the catalogue's prices table: `.` is left over");
    check(
        "@m5\t\nlarge\t9600\t.",
        "3 of the catalogue's prices table: `.` prices a region without a ratio",
    );
    let types = TYPES.replacen("\tarm64\t", "\tarm65\t", 1);
    let error = Catalog::read(&types, PRICES).expect_err("damaged").to_string();
    assert_eq!(error, "line 2 of the catalogue's types table: column `arch` cannot hold `arm65`");
}

#[test]
fn a_borrowed_ratio_never_makes_a_listed_price() {
    let basis = |ratio: &str, delta: &str| {
        let prices = format!("us-east-1\tus-east-2\n@m5\t{ratio}\nlarge\t9600\t{delta}\n");
        let catalog = Catalog::read(TYPES, &prices).expect("a good table");
        let price = catalog.instance_price("m5.large", "us-east-2", LINUX_PLATFORM);
        price.map(|price| (price.per_hour.to_string(), price.basis))
    };
    let expect = |price: &str, basis| Some((price.to_owned(), basis));
    assert_eq!(basis("110000", "."), expect("$0.1056", PriceBasis::Estimated));
    assert_eq!(basis("110000", "b"), expect("$0.10562", PriceBasis::List));
    assert_eq!(basis("110000", "[-60]"), expect("$0.105", PriceBasis::List));
    assert_eq!(basis("110000e", "[-60]"), expect("$0.105", PriceBasis::Estimated));
    assert_eq!(basis("110000", "-"), None);
}

#[test]
fn words_of_the_api_are_told_apart() {
    fn check<T: ApiWord + std::fmt::Debug>() {
        for value in T::ALL {
            assert_eq!(T::from_api(value.as_str()), Some(*value));
        }
        assert_eq!(T::from_api("newer-than-this"), None);
    }
    check::<Architecture>();
    check::<Hypervisor>();
    check::<Support>();
    check::<EbsOptimization>();
    check::<AttachmentLimit>();
    check::<StoreMedia>();
    check::<Virtualization>();
    check::<RootDevice>();
    check::<BootMode>();
    check::<UsageClass>();
    check::<PlacementStrategy>();
}

proptest! {
    /// The oracle adds up gp3's bill in micro-dollars, in which all its prices are whole.
    #[test]
    fn a_gp3_bill_is_the_sum_of_its_parts(size in 1_u32..65_536, iops in 3_000_u32..80_000, mibps in 125_u32..2_000) {
        let (gib, extra_iops, extra_mibps) = (i64::from(size), i64::from(iops) - 3_000, i64::from(mibps) - 125);
        let bill = 80_000 * gib + 5_000 * extra_iops + 40_000 * extra_mibps;
        let found = services::volume_price(&volume("gp3", size, Some(iops), Some(mibps)));
        let expect = Usd::from_micros(bill);
        prop_assert_eq!(found, Some((expect, PriceBasis::List)));
    }

    /// More memory at the same duration never costs less, and twice the calls cost twice within a micro-dollar.
    #[test]
    fn a_functions_bill_grows_with_its_use(memory in 128_u32..10_240, duration in 1.0_f64..900_000.0, calls in 1_u64..1_000_000_000) {
        let price = services::function_price(Architecture::Arm64).expect("an architecture of Lambda");
        let bill = |memory_mb, invocations_monthly| {
            let usage = FunctionUse { memory_mb, mean_duration_ms: duration, invocations_monthly };
            price.monthly(&usage).expect("a plausible use").micros()
        };
        prop_assert!(bill(memory + 1, calls) >= bill(memory, calls));
        prop_assert!((bill(memory, 2 * calls) - 2 * bill(memory, calls)).abs() <= 2);
        let float = f64::from(memory) / 1024.0 * duration / 1000.0 * calls as f64 * 13.3334 + calls as f64 * 0.2;
        prop_assert!((bill(memory, calls) as f64 - float).abs() <= 1.0 + float * 1e-3);
    }

    #[test]
    fn no_text_makes_the_price_reader_panic(text in "\\PC{0,200}") {
        let _ = parse_price_file(&text);
        let _ = parse_price_file(&format!("{PRICE_FILE_HEADER}\n{text}"));
        let _ = compact::read_prices(&text);
        let _ = compact::read_types(&text);
    }
}
