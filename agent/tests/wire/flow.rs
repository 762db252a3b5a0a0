//! An agent on the emulated account: settings from a file's text, the ports over the SDK, a state folder of its own.
//!
//! Not here: what a test then expects, and the daemon's schedules.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use tempfile::TempDir;
use trimtab::agent::Agent;
use trimtab::aws::{AccountAccess, Aws, AwsSettings};
use trimtab::clock::RealClock;
use trimtab::cycle::{Begin, run_cycle};
use trimtab::ports::{Clock, Ports};
use trimtab::view::{PlanView, RecommendationView};
use trimtab_config::{Cloud, Settings};
use trimtab_models::catalog::Catalog;
use trimtab_models::resource::Resource;
use trimtab_policies::plan::{CheckName, CheckVerdict, PlanEntry};

use crate::load::{self, Place, Sample, Shape};
use crate::proxy::{BASE_ACCOUNT, MetricId};
use crate::scene::{Clients, Scene, ZONE_SUFFIX};

pub(crate) const REGION: &str = "us-east-1";
pub(crate) const OTHER_REGION: &str = "eu-west-1";
pub(crate) const OTHER_ACCOUNT: &str = "210987654321";

/// The base account by the agent's own credentials, in one region.
pub(crate) const OWN_ACCOUNT: &str = "
[[account]]
name = \"main\"
id = \"123456789012\"
regions = [\"us-east-1\"]
";

/// An agent that is open on a state folder, which ends with it.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) agent: Agent,
    _state: TempDir,
}

impl Flow {
    /// Opens an agent on the system's clock; `accounts` are `[[account]]` sections and whatever else the file needs.
    pub(crate) fn open(endpoint: &str, mode: &str, accounts: &str) -> Self {
        Self::at(Arc::new(RealClock), endpoint, mode, accounts)
    }

    /// The same on another clock.
    pub(crate) fn at(clock: Arc<dyn Clock>, endpoint: &str, mode: &str, accounts: &str) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = state.path().join("state");
        // The whole rate: what is measured here is not the patience that other users of an account deserve.
        let text = format!(
            "[agent]\nstate_dir = \"{}\"\n[modes]\ndefault = \"{mode}\"\n[cloud]\nprovider = \"aws\"\n\
             endpoint_url = \"{endpoint}\"\n[collect]\nmax_rate_ratio = 1.0\n{accounts}",
            folder.display()
        );
        let settings = trimtab_config::parse(&text, "wire.toml");
        let settings = settings.unwrap_or_else(|error| panic!("{error}\n{text}"));
        let keys = Credentials::new("AKIATRIMTABWIRETESTS", "secret", None, None, "wire");
        let keys = SharedCredentialsProvider::new(keys);
        let aws = Aws::with_credentials(reached(&settings), Arc::clone(&clock), keys);
        // Writes are at hand in every mode: what keeps the agent from them must be its own decision.
        let ports = Ports { observe: aws.observe(), act: Some(aws.act()), clock };
        let now = ports.clock.now();
        let agent = Agent::open(settings, ports, Catalog::embedded()).expect("the folder is new");
        // The emulator takes seconds to list every instance type; the daemon's own tests let it.
        *agent.catalog_refreshed_at() = Some(now);
        Self { agent, _state: state }
    }

    /// One turn, which may begin what its plan says.
    pub(crate) async fn cycle(&self) -> PlanView {
        run_cycle(&self.agent, Begin::Allowed).await.expect("the state folder can be written")
    }

    /// The recommendation for a resource, as the store keeps it.
    pub(crate) fn kept(&self, id: &str) -> RecommendationView {
        let all = self.agent.store().recommendations().expect("the store can be read");
        let mut all = all.into_values();
        let found = all.find(|view| view.entry.recommendation.resource_id == id);
        found.unwrap_or_else(|| panic!("nothing is recommended for {id}"))
    }

    /// A resource of the inventory by its id in AWS.
    pub(crate) fn resource(&self, id: &str) -> Resource {
        let inventory = self.agent.inventory();
        let found = inventory.values().find(|resource| resource.id == id);
        found.unwrap_or_else(|| panic!("{id} was not found")).clone()
    }

    /// Ids in AWS of everything in the inventory.
    pub(crate) fn found(&self) -> BTreeSet<String> {
        self.agent.inventory().values().map(|resource| resource.id.clone()).collect()
    }
}

/// How the settings reach AWS.
fn reached(settings: &Settings) -> AwsSettings {
    let Cloud::Aws { endpoint_url } = &settings.cloud else {
        panic!("the file names another provider")
    };
    let access = |account: &trimtab_config::Account| AccountAccess {
        id: account.id.clone(),
        role_arn: account.role_arn.clone(),
        apply_role_arn: account.apply_role_arn.clone(),
        external_id: account.external_id.clone(),
        regions: account.regions.clone(),
    };
    AwsSettings {
        endpoint_url: endpoint_url.clone(),
        accounts: settings.accounts.iter().map(access).collect(),
        max_rate_ratio: settings.collect.max_rate_ratio,
    }
}

/// The time, seconds since 1970: these agents run on the system's clock.
pub(crate) fn now() -> i64 {
    RealClock.now().as_second()
}

/// The entry of a plan for a resource.
pub(crate) fn entry<'a>(plan: &'a PlanView, id: &str) -> &'a PlanEntry {
    let mut entries = plan.recommendations.iter();
    let found = entries.find(|entry| entry.recommendation.resource_id == id);
    found.unwrap_or_else(|| panic!("nothing is recommended for {id}: {:?}", plan.cycle.not_sized))
}

/// What a check says about an entry, in words, unless it passes.
pub(crate) fn held(entry: &PlanEntry, name: CheckName) -> Option<&str> {
    let mut checks = entry.checks.iter();
    let check = checks.find(|check| check.check == name && check.verdict != CheckVerdict::Pass);
    check.map(|check| check.reason.as_str())
}

/// Where series of an account and region are loaded.
pub(crate) fn at<'a>(scene: &'a Scene, account: &'a str, region: &'a str) -> Place<'a> {
    Place { proxy: &scene.proxy, account, region }
}

/// Starts an instance with the CPU and memory of its life so far.
pub(crate) async fn machine(
    clients: &Clients,
    place: Place<'_>,
    instance_type: &str,
    (cpu, memory): (&[Sample], &[Sample]),
) -> String {
    let id = clients.run_instance(instance_type, &[]).await;
    place.instance(&id, cpu);
    if !memory.is_empty() {
        place.memory((&id, instance_type, crate::scene::IMAGE), memory);
    }
    id
}

/// An instance four times as large as its use, in CPU and memory, in the base account.
pub(crate) async fn oversized(scene: &Scene, region: &str) -> String {
    let cpu = load::shaped_series(Shape::Oversized, 1, now());
    let memory = load::scaled(&load::shaped_series(Shape::Oversized, 2, now()), 2.0);
    let place = at(scene, BASE_ACCOUNT, region);
    machine(&scene.clients(region), place, "m5.2xlarge", (&cpu, &memory)).await
}

/// Makes a volume of the type, attached to the instance, with so many operations of 16 KiB a second by day.
pub(crate) async fn busy_volume(
    clients: &Clients,
    place: Place<'_>,
    instance: &str,
    (size_gib, volume_type, iops, throughput): (i32, &str, Option<i32>, Option<i32>),
) -> String {
    let create = clients.ec2.create_volume().size(size_gib).volume_type(volume_type.into());
    let create = create.availability_zone(format!("{}{ZONE_SUFFIX}", place.region));
    let create = create.set_iops(iops).set_throughput(throughput);
    let made = create.send().await.expect("moto makes any volume");
    let id = made.volume_id.expect("a volume has an id");
    let attach = clients.ec2.attach_volume().volume_id(&id).instance_id(instance);
    attach.device("/dev/sdf").send().await.expect("the instance has room");
    place.volume(&id, &load::shaped_series(Shape::Daily, 3, now()), 16.0);
    id
}

/// A group of six that nobody scales and two could carry.
pub(crate) async fn quiet_group(clients: &Clients, place: Place<'_>, name: &str) {
    clients.create_group(name, "m5.large", (2, 8, 6)).await;
    place.group(name, &load::shaped_series(Shape::Oversized, 4, now()), 6.0);
}

/// A function with that memory, which uses `used_mb` of it in runs of half a second.
pub(crate) async fn function(
    clients: &Clients,
    place: Place<'_>,
    (name, memory_mb, used_mb): (&str, i32, f64),
) {
    clients.create_function(name, memory_mb).await;
    let calls = load::scaled(&load::shaped_series(Shape::Daily, 5, now()), 10.0);
    place.function(name, &calls, (500.0, used_mb));
}

/// Replaces the network of an instance by a few bytes an interval, as an idle machine has.
pub(crate) fn silence(place: Place<'_>, id: &str, cpu: &[Sample]) {
    for name in ["NetworkIn", "NetworkOut"] {
        let metric = MetricId::new("AWS/EC2", name, &[("InstanceId", id)]);
        place.counter(metric, &load::scaled(cpu, 100.0));
    }
}
