//! Instance types as EC2 describes them, and where they are offered.
//!
//! Not here: prices, credits and benchmarks, which this API does not have.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    EbsInfo, EbsOptimizedInfo, Filter, GpuInfo, InstanceStorageInfo, InstanceTypeInfo,
    LocationType, NetworkInfo,
};
use trimtab_models::catalog::{
    Accelerator, ApiWord, EbsLimits, EbsOptimization, EbsRate, Gpu, InstanceStore, InstanceType,
    Network, StoreMedia, Support,
};
use trimtab_policies::operations::Failure;

use super::{Clients, count, pages, rate};

/// The largest page of DescribeInstanceTypes.
const TYPES_PAGE_MAX: i32 = 100;

/// The largest page of DescribeInstanceTypeOfferings.
const OFFERINGS_PAGE_MAX: i32 = 1_000;

/// Filter values that EC2 takes in one request.
const FILTER_VALUES_MAX: usize = 200;

/// Every type that the region knows. A type that lacks what sizing cannot do without is left out.
pub(super) async fn instance_types(clients: &Clients) -> Result<Vec<InstanceType>, Failure> {
    let api = &rate::DESCRIBE_INSTANCE_TYPES;
    let fetch = async |token: Option<String>| {
        let call = clients.ec2.describe_instance_types();
        let call = call.max_results(TYPES_PAGE_MAX).set_next_token(token);
        let page =
            clients.call(api, &clients.target, |watch| call.customize().interceptor(watch).send());
        let page = page.await?;
        Ok((page.instance_types.unwrap_or_default(), page.next_token))
    };
    let types = pages((api, &clients.target), fetch).await?;
    Ok(types.iter().filter_map(instance_type).collect())
}

/// Whether each type is offered in the zone.
pub(super) async fn offered(
    clients: &Clients,
    zone: &str,
    types: &[String],
) -> Result<BTreeMap<String, bool>, Failure> {
    let mut offered: BTreeMap<String, bool> =
        types.iter().map(|name| (name.clone(), false)).collect();
    let filter = |name: &str, values: &[String]| {
        Filter::builder().name(name).set_values(Some(values.to_vec())).build()
    };
    let zones = filter("location", &[zone.to_owned()]);
    let api = &rate::DESCRIBE_OFFERINGS;
    for some in types.chunks(FILTER_VALUES_MAX) {
        let named = filter("instance-type", some);
        let fetch = async |token: Option<String>| {
            let call = clients.ec2.describe_instance_type_offerings();
            let call = call.location_type(LocationType::AvailabilityZone);
            let call = call.filters(zones.clone()).filters(named.clone());
            let call = call.max_results(OFFERINGS_PAGE_MAX).set_next_token(token);
            let page = clients.call(api, zone, |watch| call.customize().interceptor(watch).send());
            let page = page.await?;
            Ok((page.instance_type_offerings.unwrap_or_default(), page.next_token))
        };
        for offer in pages((api, zone), fetch).await? {
            let name = offer.instance_type().map_or("", |it| it.as_str());
            // An endpoint that ignores a filter must not make a type look offered here.
            if offer.location() == Some(zone) {
                offered.entry(name.to_owned()).and_modify(|it| *it = true);
            }
        }
    }
    Ok(offered)
}

/// The values of a closed list, without those that are newer than the list.
fn words<T: ApiWord>(from: impl Iterator<Item = impl AsRef<str>>) -> Vec<T> {
    from.filter_map(|word| T::from_api(word.as_ref())).collect()
}

/// A driver whose need is not known counts as needed: the types it is compared with must then have it.
fn support(word: Option<&str>) -> Support {
    word.map_or(Support::Unsupported, |word| Support::from_api(word).unwrap_or(Support::Required))
}

fn instance_type(from: &InstanceTypeInfo) -> Option<InstanceType> {
    let name = from.instance_type()?.as_str().to_owned();
    let family = name.split('.').next()?.to_owned();
    let cpus = from.v_cpu_info()?;
    let processor = from.processor_info()?;
    let vcpu = count(cpus.default_v_cpus()?);
    let enclaves = from.nitro_enclaves_support().map(|it| it.as_str());
    Some(InstanceType {
        vcpu,
        cores: cpus.default_cores().map_or(vcpu, count),
        threads_per_core: cpus.default_threads_per_core().map_or(1, count),
        memory_mib: u64::try_from(from.memory_info()?.size_in_mib()?).ok()?,
        architectures: words(processor.supported_architectures().iter().map(|it| it.as_str())),
        processor_maker: processor.manufacturer().unwrap_or_default().to_owned(),
        clock_ghz: processor.sustained_clock_speed_in_ghz(),
        hypervisor: from.hypervisor().and_then(|it| ApiWord::from_api(it.as_str())),
        bare_metal: from.bare_metal().unwrap_or(false),
        current_generation: from.current_generation().unwrap_or(false),
        burstable: from.burstable_performance_supported().unwrap_or(false),
        credits_per_hour: None,
        baseline_ratio: None,
        flex: family.ends_with("-flex"),
        network: network(from.network_info()?),
        ebs: ebs(from.ebs_info()?),
        instance_store: from.instance_storage_info().and_then(instance_store),
        gpu: from.gpu_info().and_then(gpu),
        accelerator: accelerator(from),
        virtualization: words(from.supported_virtualization_types().iter().map(|it| it.as_str())),
        root_devices: words(from.supported_root_device_types().iter().map(|it| it.as_str())),
        boot_modes: words(from.supported_boot_modes().iter().map(|it| it.as_str())),
        usage_classes: words(from.supported_usage_classes().iter().map(|it| it.as_str())),
        hibernation: from.hibernation_supported().unwrap_or(false),
        auto_recovery: from.auto_recovery_supported().unwrap_or(false),
        dedicated_hosts: from.dedicated_hosts_supported().unwrap_or(false),
        placement_strategies: words(
            from.placement_group_info()
                .into_iter()
                .flat_map(|it| it.supported_strategies())
                .map(|it| it.as_str()),
        ),
        enclaves: enclaves == Some("supported"),
        coremark: None,
        name,
        family,
    })
}

/// The cards' bandwidth together; unknown where one card's is.
fn network(from: &NetworkInfo) -> Network {
    let cards = from.network_cards();
    let sum = |each: fn(&aws_sdk_ec2::types::NetworkCardInfo) -> Option<f64>| {
        let known = cards.iter().map(each).collect::<Option<Vec<f64>>>();
        known.filter(|known| !known.is_empty()).map(|known| known.iter().sum())
    };
    Network {
        base_gbps: sum(|card| card.baseline_bandwidth_in_gbps()),
        peak_gbps: sum(|card| card.peak_bandwidth_in_gbps()),
        cards: from.maximum_network_cards().map_or(1, count),
        max_enis: from.maximum_network_interfaces().map_or(0, count),
        ipv4_per_eni: from.ipv4_addresses_per_interface().map_or(0, count),
        ena: support(from.ena_support().map(|it| it.as_str())),
        ena_express: from.ena_srd_supported().unwrap_or(false),
        efa: from.efa_supported().unwrap_or(false),
    }
}

fn ebs(from: &EbsInfo) -> EbsLimits {
    let limit = from.attachment_limit_type().map(|it| it.as_str());
    let optimized = from.ebs_optimized_support().map(|it| it.as_str());
    EbsLimits {
        nvme: support(from.nvme_support().map(|it| it.as_str())),
        optimized: optimized.and_then(ApiWord::from_api).unwrap_or(EbsOptimization::Unsupported),
        base: from.ebs_optimized_info().and_then(base_rate),
        peak: from.ebs_optimized_info().and_then(peak_rate),
        max_attachments: from.maximum_ebs_attachments().map_or(0, count),
        attachment_limit: limit
            .and_then(ApiWord::from_api)
            .unwrap_or(trimtab_models::catalog::AttachmentLimit::Shared),
    }
}

fn base_rate(from: &EbsOptimizedInfo) -> Option<EbsRate> {
    Some(EbsRate {
        iops: count(from.baseline_iops()?),
        throughput_mb_s: from.baseline_throughput_in_m_bps()?,
    })
}

fn peak_rate(from: &EbsOptimizedInfo) -> Option<EbsRate> {
    Some(EbsRate {
        iops: count(from.maximum_iops()?),
        throughput_mb_s: from.maximum_throughput_in_m_bps()?,
    })
}

fn instance_store(from: &InstanceStorageInfo) -> Option<InstanceStore> {
    let disk = from.disks().first();
    let media = disk.and_then(|disk| disk.r#type()).map(|it| it.as_str());
    Some(InstanceStore {
        total_gb: u64::try_from(from.total_size_in_gb()?).ok()?,
        disks: from.disks().iter().filter_map(|disk| disk.count()).map(count).sum(),
        media: media.and_then(ApiWord::from_api).unwrap_or(StoreMedia::Ssd),
        nvme: support(from.nvme_support().map(|it| it.as_str())),
    })
}

fn gpu(from: &GpuInfo) -> Option<Gpu> {
    let first = from.gpus().first()?;
    let maker = first.manufacturer().unwrap_or_default();
    let model = format!("{maker} {}", first.name().unwrap_or_default());
    Some(Gpu {
        count: from.gpus().iter().filter_map(|gpu| gpu.count()).map(count).sum(),
        model: model.trim().to_owned(),
        memory_mib: u64::try_from(from.total_gpu_memory_in_mib()?).ok()?,
    })
}

/// The first accelerator that is no graphics processor.
fn accelerator(from: &InstanceTypeInfo) -> Option<Accelerator> {
    let make = |(number, name): (Option<i32>, Option<&str>)| Accelerator {
        count: number.map_or(0, count),
        model: name.unwrap_or_default().to_owned(),
    };
    let inference = from.inference_accelerator_info().map(|it| it.accelerators());
    let neuron = from.neuron_info().map(|it| it.neuron_devices());
    let logic = from.fpga_info().map(|it| it.fpgas());
    let media = from.media_accelerator_info().map(|it| it.accelerators());
    let inference = inference.unwrap_or_default().iter().map(|it| (it.count(), it.name()));
    let neuron = neuron.unwrap_or_default().iter().map(|it| (it.count(), it.name()));
    let logic = logic.unwrap_or_default().iter().map(|it| (it.count(), it.name()));
    let media = media.unwrap_or_default().iter().map(|it| (it.count(), it.name()));
    inference.chain(neuron).chain(logic).chain(media).next().map(make)
}
