//! What AWS sells and what it costs: instance types, and the prices of instances, volumes and functions.
//!
//! [`Catalog::embedded`] is the fallback that is always there; [`Catalog::replace_types`] lays the live types over
//! it and [`Catalog::with_prices`] the price list or the user's own file. An unknown price is `None`, never
//! zero and never a guess. Not here: reading anything from AWS, and what a customer pays after commitments.
//!
//! # Origin of the embedded data
//! Facts and figures only, compiled on 2026-11-20:
//! - **1,395 instance types**: the output of EC2's DescribeInstanceTypes as shipped with moto 5.2.5 of
//!   2026-10-27 (Apache-2.0). CPU credits and baselines of T2, T3, T3a and T4g: Amazon EC2 User Guide (2023);
//!   T8i's were not found. The baseline of flex types (40 %): AWS's own description of them. CoreMark: measured between
//!   2025-12-10 and 2026-07-01, published by vantage-sh/ec2instances.info (MIT, (c) 2013 Garret Heaton).
//! - **Prices of 1,367 types in us-east-1** (Linux, on-demand, shared tenancy): AWS's price list of 2026-07-20 as
//!   generated into aws/karpenter-provider-aws (Apache-2.0). They are `List`.
//! - **Prices of 15 more regions**: AWS's price list of 2025-03-02 as shipped with apache-libcloud 3.9.1
//!   (Apache-2.0) where it agrees with itself, else the price in us-east-1 x the ratio of the family, or of the nearest
//!   older family of its kind. Only prices that the last two cannot have produced are `List` (768 of 13,440); the
//!   others are `Estimated`. Accelerator families are priced in us-east-1 only.
//! - **Volumes, functions, metric queries**: see `services`.
//!
//! 55 of the types have no price: they are newer than the list or not sold as plain Linux on-demand; 27 priced
//! types are retired and have no facts.

mod attributes;
mod compact;
mod instance_type;
mod prices;
mod services;
mod vcpu_quota;

pub use attributes::{
    ApiWord, Architecture, AttachmentLimit, BootMode, EbsOptimization, Hypervisor,
    PlacementStrategy, RootDevice, StoreMedia, Support, UsageClass, Virtualization,
};
pub use instance_type::{
    Accelerator, EbsLimits, EbsRate, Gpu, InstanceStore, InstanceType, Network,
};
pub use prices::{
    PRICE_FILE_HEADER, Price, PriceFileError, PriceLineError, PriceRow, parse_price_file,
};
pub use services::{FunctionPrice, FunctionUse, GP3_IOPS_INCLUDED, GP3_MIBPS_INCLUDED};
pub use vcpu_quota::VcpuQuota;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use compact::TableError;

use crate::money::{PicoDollars, Usd};
use crate::recommendation::PriceBasis;
use crate::spec::VolumeSpec;

/// The platform whose prices the catalogue has, as EC2's `PlatformDetails` spells it.
pub const LINUX_PLATFORM: &str = "Linux/UNIX";

/// The region whose service prices are listed.
const SERVICES_REGION: &str = "us-east-1";

const TYPES: &str = include_str!("data/types.tsv");
const PRICES: &str = include_str!("data/prices.tsv");

/// Instance types and prices; a value like any other, so that tests and simulations can have their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    types: BTreeMap<String, InstanceType>,
    /// By region, then by type.
    prices: BTreeMap<String, BTreeMap<String, Price>>,
    /// Regions where service prices are known or estimated.
    service_regions: Vec<String>,
}

impl Catalog {
    /// The data that the program carries, read anew at each call (a few milliseconds).
    pub fn embedded() -> Self {
        Self::read(TYPES, PRICES)
            .expect("the embedded tables are read by every test of this module")
    }

    fn read(types: &str, prices: &str) -> Result<Self, TableError> {
        let types =
            compact::read_types(types)?.into_iter().map(|one| (one.name.clone(), one)).collect();
        let table = compact::read_prices(prices)?;
        Ok(Self { types, prices: price_maps(&table), service_regions: table.regions })
    }

    /// The type of this name, if there is one.
    pub fn instance_type(&self, name: &str) -> Option<&InstanceType> {
        self.types.get(name)
    }

    /// All types, by name.
    pub fn instance_types(&self) -> impl ExactSizeIterator<Item = &InstanceType> {
        self.types.values()
    }

    /// Regions with instance prices, by name.
    pub fn priced_regions(&self) -> impl ExactSizeIterator<Item = &str> {
        self.prices.keys().map(String::as_str)
    }

    /// How many pairs of type and region have a price.
    pub fn price_count(&self) -> usize {
        self.prices.values().map(BTreeMap::len).sum()
    }

    /// What an hour costs on demand with shared tenancy, before commitments.
    ///
    /// `platform` is EC2's `PlatformDetails`. Only [`LINUX_PLATFORM`] is priced: Windows, Red Hat, SUSE and the
    /// others add licences that are not known here, so they have no price at all. Dedicated tenancy and
    /// hosts have other prices: the caller must not ask for them.
    pub fn instance_price(
        &self,
        instance_type: &str,
        region: &str,
        platform: &str,
    ) -> Option<Price> {
        (platform == LINUX_PLATFORM)
            .then(|| self.prices.get(region)?.get(instance_type).copied())?
    }

    /// What the volume costs a month.
    ///
    /// `List` in us-east-1; the same price as `Estimated` in the other regions of the catalogue, `None` outside them.
    /// `None` also for unknown volume types and for io1 and io2 without operations; io2 above 32,000
    /// operations and `standard` (the part for storage only) are `Estimated` everywhere.
    pub fn volume_price_monthly(
        &self,
        region: &str,
        spec: &VolumeSpec,
    ) -> Option<(Usd, PriceBasis)> {
        let regional = self.service_basis(region)?;
        let (amount, basis) = services::volume_price(spec)?;
        Some((amount, services::weaker(basis, regional)))
    }

    /// What functions of this architecture cost.
    ///
    /// `List` in us-east-1; the same price as `Estimated` in the other regions of the catalogue, `None` outside them.
    pub fn function_price(
        &self,
        region: &str,
        architecture: Architecture,
    ) -> Option<FunctionPrice> {
        let regional = self.service_basis(region)?;
        let price = services::function_price(architecture)?;
        Some(FunctionPrice { basis: services::weaker(price.basis, regional), ..price })
    }

    /// What a function costs a month, before the free tier; `None` as for [`Catalog::function_price`] and
    /// [`FunctionPrice::monthly`].
    pub fn function_cost_monthly(
        &self,
        region: &str,
        architecture: Architecture,
        usage: &FunctionUse,
    ) -> Option<(Usd, PriceBasis)> {
        let price = self.function_price(region, architecture)?;
        Some((price.monthly(usage)?, price.basis))
    }

    /// What CloudWatch's GetMetricData costs for each metric asked for; `None` outside the catalogue's regions.
    pub fn metric_request_price(&self, region: &str) -> Option<(PicoDollars, PriceBasis)> {
        Some((services::METRIC_REQUEST, self.service_basis(region)?))
    }

    /// Lays live types over the present ones.
    ///
    /// Types that are not among `types` stay: the call that brought them may have asked for some only. Credits,
    /// baseline and CoreMark stay where the new row has none, because the API does not give them.
    pub fn replace_types(&mut self, types: Vec<InstanceType>) {
        for mut new in types {
            if let Some(old) = self.types.get(&new.name) {
                new.credits_per_hour = new.credits_per_hour.or(old.credits_per_hour);
                new.baseline_ratio = new.baseline_ratio.or(old.baseline_ratio);
                new.coremark = new.coremark.or(old.coremark);
            }
            self.types.insert(new.name.clone(), new);
        }
    }

    /// The catalogue with these prices in place of its own, as `List`; the last of equal pairs wins.
    #[must_use]
    pub fn with_prices(mut self, rows: impl IntoIterator<Item = PriceRow>) -> Self {
        for PriceRow { instance_type, region, per_hour } in rows {
            let price = Price { per_hour, basis: PriceBasis::List };
            self.prices.entry(region).or_default().insert(instance_type, price);
        }
        self
    }

    /// Whether a type has a price in a region.
    #[must_use]
    pub fn is_priced(&self, instance_type: &str, region: &str) -> bool {
        self.prices.get(region).is_some_and(|prices| prices.contains_key(instance_type))
    }

    /// What a decision in one region can look at: the types that `keeps` names, and their prices there.
    #[must_use]
    pub fn narrowed(&self, region: &str, keeps: impl Fn(&str) -> bool) -> Self {
        let kept = |name: &String| keeps(name);
        let types = self.types.iter().filter(|(name, _)| kept(name));
        let prices = self.prices.get(region).map(|prices| {
            let prices = prices.iter().filter(|(name, _)| kept(name));
            (region.to_owned(), prices.map(|(name, price)| (name.clone(), *price)).collect())
        });
        Self {
            types: types.map(|(name, one)| (name.clone(), one.clone())).collect(),
            prices: prices.into_iter().collect(),
            service_regions: self
                .service_regions
                .iter()
                .filter(|name| *name == region)
                .cloned()
                .collect(),
        }
    }

    /// How far the prices of services can be trusted in a region; `None` where nothing is known.
    fn service_basis(&self, region: &str) -> Option<PriceBasis> {
        let known = self.service_regions.iter().any(|name| name == region);
        let basis =
            if region == SERVICES_REGION { PriceBasis::List } else { PriceBasis::Estimated };
        known.then_some(basis)
    }
}

fn price_maps(table: &compact::PriceTable) -> BTreeMap<String, BTreeMap<String, Price>> {
    let name = |family: &compact::FamilyPrices, size: &compact::SizePrices| {
        format!("{}.{}", family.family, size.size)
    };
    let mut maps = BTreeMap::new();
    for (index, region) in table.regions.iter().enumerate() {
        let mut prices = BTreeMap::new();
        for family in &table.families {
            if let Some(other) = index.checked_sub(1) {
                let others = family.others(other);
                prices.extend(others.map(|(size, per_hour, basis)| {
                    (name(family, size), Price { per_hour, basis })
                }));
            } else {
                let listed =
                    |units| Price { per_hour: compact::to_pico(units), basis: PriceBasis::List };
                prices.extend(
                    family.sizes.iter().map(|size| (name(family, size), listed(size.first))),
                );
            }
        }
        maps.insert(region.clone(), prices);
    }
    maps
}

#[cfg(test)]
mod originals;
#[cfg(test)]
mod tests;
