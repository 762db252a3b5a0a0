//! AWS over its SDK: the ports for a real account. The only part of Trimtab that names the SDK.
//!
//! One file per service; what they share stands here. Not here: decisions, and any repetition of a write.

mod alarms;
mod alias_writes;
mod connection;
mod credentials;
mod error;
mod functions;
mod group_writes;
mod groups;
mod identity;
mod instance_types;
mod instances;
mod memory;
mod metrics;
mod pages;
mod permission;
mod quotas;
mod rate;
mod runs;
mod sessions;
mod targets;
mod template;
mod versions;
mod volumes;
mod writes;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::config::SharedCredentialsProvider;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::primitives::DateTime;
use jiff::Timestamp;
use tokio::sync::{Mutex, OnceCell};
use trimtab_models::catalog::{Catalog, InstanceType, VcpuQuota};
use trimtab_models::resource::{Arn, Kind, Registration, Resource, ResourceRef};
use trimtab_policies::facts::{Alarm, InstanceStatus, Permission, Runs, Target};
use trimtab_policies::operations::{Failure, FailureKind, Operation, Receipt};
use trimtab_policies::session::Session;
use trimtab_policies::steps::Step;

use crate::ports::{
    Act, Clock, FetchedSeries, Made, MadeThing, Observe, Place, Protection, RunsQuery, SeriesQuery,
};
use credentials::Purpose;
use error::Identity;
use pages::pages;
use rate::{Api, InFlight, Pacer, Watch};
use sessions::Held;

/// What the AWS side needs to know from the settings.
#[derive(Debug, Clone, PartialEq)]
pub struct AwsSettings {
    /// Another address than AWS's own for every service: an emulator, in tests.
    pub endpoint_url: Option<String>,
    /// The accounts that may be read; a place outside them is refused.
    pub accounts: Vec<AccountAccess>,
    /// The share of each API's documented rate that may be used, 0–1 (0.2 by default in the settings).
    pub max_rate_ratio: f64,
}

/// How one account is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountAccess {
    /// The 12-digit id.
    pub id: String,
    /// The role for reads; absent, the agent's own credentials are used.
    pub role_arn: Option<String>,
    /// The role for writes; absent, the credentials for reads are used.
    pub apply_role_arn: Option<String>,
    /// Sent with each AssumeRole, so that nobody can make the agent read a stranger's account.
    pub external_id: Option<String>,
    /// The regions that may be read.
    pub regions: Vec<String>,
}

/// The connection to AWS: clients per account and region, made when they are first needed.
#[derive(Debug, Clone)]
pub struct Aws(Arc<Shared>);

impl Aws {
    /// Makes nothing but memory: the first call looks for credentials, in the SDK's usual places, and connects.
    #[must_use]
    pub fn new(settings: AwsSettings, clock: Arc<dyn Clock>) -> Self {
        Self::shared(settings, clock, None)
    }

    /// The same with these credentials as the agent's own, for an agent that does not get them from its environment.
    #[must_use]
    pub fn with_credentials(
        settings: AwsSettings,
        clock: Arc<dyn Clock>,
        own: SharedCredentialsProvider,
    ) -> Self {
        Self::shared(settings, clock, Some(own))
    }

    fn shared(
        settings: AwsSettings,
        clock: Arc<dyn Clock>,
        own: Option<SharedCredentialsProvider>,
    ) -> Self {
        Self(Arc::new(Shared {
            settings,
            clock,
            own,
            catalog: Arc::new(Catalog::embedded()),
            in_flight: InFlight::default(),
            base: OnceCell::new(),
            providers: Mutex::default(),
            pacers: Mutex::default(),
            clients: Mutex::default(),
            sessions: Mutex::default(),
        }))
    }

    /// The port for reads.
    #[must_use]
    pub fn observe(&self) -> Arc<dyn Observe> {
        Arc::new(Reads(Arc::clone(&self.0)))
    }

    /// The port for writes; ask for it only where something may be written.
    #[must_use]
    pub fn act(&self) -> Arc<dyn Act> {
        Arc::new(Writes(Arc::clone(&self.0)))
    }
}

/// What reads and writes share.
#[derive(Debug)]
struct Shared {
    settings: AwsSettings,
    clock: Arc<dyn Clock>,
    /// The agent's own credentials; `None` for the SDK's usual places.
    own: Option<SharedCredentialsProvider>,
    catalog: Arc<Catalog>,
    in_flight: InFlight,
    base: OnceCell<SdkConfig>,
    /// By account: an assumed role is good for every region.
    providers: Mutex<BTreeMap<(String, Purpose), Option<SharedCredentialsProvider>>>,
    pacers: Mutex<BTreeMap<Place, Arc<Pacer>>>,
    clients: Mutex<BTreeMap<(Place, Purpose), Arc<Clients>>>,
    /// By change.
    sessions: Mutex<BTreeMap<String, Held>>,
}

impl Shared {
    /// The clients of a place; a failure when the settings do not name it.
    async fn clients(&self, place: &Place, purpose: Purpose) -> Result<Arc<Clients>, Failure> {
        let access = self.access(place)?;
        let key = (place.clone(), purpose);
        let mut clients = self.clients.lock().await;
        if let Some(found) = clients.get(&key) {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(self.connect(place, access, purpose).await);
        clients.insert(key, Arc::clone(&made));
        Ok(made)
    }

    /// The account's access, if account and region are configured: an unknown place is never read by accident.
    fn access(&self, place: &Place) -> Result<&AccountAccess, Failure> {
        let accounts = &self.settings.accounts;
        let access = accounts.iter().find(|access| access.id == place.account);
        access.filter(|access| access.regions.contains(&place.region)).ok_or_else(|| {
            let message = "no `[[account]]` of the settings has this id and region".to_owned();
            error::new(FailureKind::Rejected, "connect", &target(place), message)
        })
    }

    /// The settings that every client shares, with the agent's own credentials.
    async fn base(&self, place: &Place) -> &SdkConfig {
        let endpoint = self.settings.endpoint_url.as_deref();
        let own = self.own.clone();
        self.base.get_or_init(|| credentials::base(endpoint, &place.region, own)).await
    }

    async fn connect(&self, place: &Place, access: &AccountAccess, purpose: Purpose) -> Clients {
        let base = self.base(place).await;
        let provider = self.provider(base, access, purpose).await;
        self.connect_with(place, access, purpose, provider).await
    }

    /// The clients of a place with these credentials; without any, with the agent's own.
    async fn connect_with(
        &self,
        place: &Place,
        access: &AccountAccess,
        purpose: Purpose,
        provider: Option<SharedCredentialsProvider>,
    ) -> Clients {
        let endpoint = self.settings.endpoint_url.as_deref();
        let config = credentials::config(self.base(place).await, &place.region, purpose, provider);
        Clients {
            place: place.clone(),
            target: target(place),
            identity: credentials::identity(access, purpose, endpoint),
            ec2: aws_sdk_ec2::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            autoscaling: aws_sdk_autoscaling::Client::new(&config),
            balancing: aws_sdk_elasticloadbalancingv2::Client::new(&config),
            quotas: aws_sdk_servicequotas::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            pacer: self.pacer(place).await,
            catalog: Arc::clone(&self.catalog),
            listed: Mutex::default(),
            alarms: Mutex::default(),
        }
    }

    async fn provider(
        &self,
        base: &SdkConfig,
        access: &AccountAccess,
        purpose: Purpose,
    ) -> Option<SharedCredentialsProvider> {
        let key = (access.id.clone(), purpose);
        let mut providers = self.providers.lock().await;
        if let Some(found) = providers.get(&key) {
            return found.clone();
        }
        let made = credentials::provider(base, access, purpose).await;
        providers.insert(key, made.clone());
        made
    }

    async fn pacer(&self, place: &Place) -> Arc<Pacer> {
        let fresh = || Pacer::new(self.settings.max_rate_ratio, self.in_flight.clone());
        let mut pacers = self.pacers.lock().await;
        let pacer = pacers.entry(place.clone());
        Arc::clone(pacer.or_insert_with(|| Arc::new(fresh())))
    }
}

/// The clients of one account and region for one purpose.
#[derive(Debug)]
struct Clients {
    place: Place,
    /// The place in words, for errors about no resource in particular.
    target: String,
    identity: Identity,
    ec2: aws_sdk_ec2::Client,
    lambda: aws_sdk_lambda::Client,
    autoscaling: aws_sdk_autoscaling::Client,
    balancing: aws_sdk_elasticloadbalancingv2::Client,
    quotas: aws_sdk_servicequotas::Client,
    cloudwatch: aws_sdk_cloudwatch::Client,
    sts: aws_sdk_sts::Client,
    pacer: Arc<Pacer>,
    catalog: Arc<Catalog>,
    listed: Mutex<Option<memory::Listed>>,
    alarms: Mutex<Option<alarms::Page>>,
}

impl Clients {
    /// Makes one call at the pace of its budget; `send` hands the watch on as an interceptor.
    async fn call<T, E, F>(
        &self,
        api: &Api,
        target: &str,
        send: impl FnOnce(Watch) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = self.pacer.call(api, send).await;
        answer.map_err(|error| self.identity.failure(api.call, target, &error))
    }

    /// Names a resource of this place.
    fn reference(&self, kind: Kind, arn: String, tags: BTreeMap<String, String>) -> ResourceRef {
        ResourceRef {
            arn: Arn(arn),
            kind,
            account: self.place.account.clone(),
            region: self.place.region.clone(),
            tags,
        }
    }

    /// The ARN of something that EC2 names by id only.
    fn ec2_arn(&self, what: &str, id: &str) -> String {
        let Place { account, region } = &self.place;
        format!("arn:{}:ec2:{region}:{account}:{what}/{id}", partition(region))
    }
}

/// The partition of a region, which every ARN in it names.
fn partition(region: &str) -> &'static str {
    const PREFIXES: [(&str, &str); 6] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
    ];
    let found = PREFIXES.iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("aws", |(_, partition)| partition)
}

fn target(place: &Place) -> String {
    format!("account {} in {}", place.account, place.region)
}

/// A time of the SDK's as one of ours; `None` outside the years 0–9999.
fn timestamp(time: &DateTime) -> Option<Timestamp> {
    let nanos = i32::try_from(time.subsec_nanos()).ok()?;
    Timestamp::new(time.secs(), nanos).ok()
}

/// A size or count: AWS's are never negative.
fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// Reads.
#[derive(Debug)]
struct Reads(Arc<Shared>);

impl Reads {
    async fn clients(&self, place: &Place) -> Result<Arc<Clients>, Failure> {
        self.0.clients(place, Purpose::Read).await
    }
}

#[async_trait]
impl Observe for Reads {
    async fn discover(&self, place: &Place, kind: Kind) -> Result<Vec<Resource>, Failure> {
        let clients = self.clients(place).await?;
        let now = self.0.clock.now();
        match kind {
            Kind::Instance => instances::discover(&clients, now).await,
            Kind::Volume => volumes::discover(&clients, now).await,
            Kind::Function => functions::discover(&clients, now).await,
            Kind::Group => groups::discover(&clients, now).await,
        }
    }

    async fn describe(&self, resource: &ResourceRef, id: &str) -> Result<Resource, Failure> {
        let clients = self.clients(&place_of(resource)).await?;
        let now = self.0.clock.now();
        match resource.kind {
            Kind::Instance => instances::describe(&clients, id, now).await,
            Kind::Volume => volumes::describe(&clients, id, now).await,
            Kind::Function => functions::describe(&clients, id, now).await,
            Kind::Group => groups::describe(&clients, id, now).await,
        }
    }

    async fn series(
        &self,
        place: &Place,
        queries: &[SeriesQuery],
    ) -> Result<FetchedSeries, Failure> {
        let clients = self.clients(place).await?;
        metrics::series(&clients, queries, self.0.clock.now()).await
    }

    async fn instance_status(
        &self,
        place: &Place,
        instance_id: &str,
    ) -> Result<Option<InstanceStatus>, Failure> {
        instances::status(&*self.clients(place).await?, instance_id).await
    }

    async fn protection(&self, place: &Place, instance_id: &str) -> Result<Protection, Failure> {
        instances::protection(&*self.clients(place).await?, instance_id).await
    }

    async fn alarms(
        &self,
        resource: &ResourceRef,
        id: &str,
        names: &[String],
    ) -> Result<Vec<Alarm>, Failure> {
        let clients = self.clients(&place_of(resource)).await?;
        alarms::alarms(&clients, resource.kind, id, names).await
    }

    async fn offered(
        &self,
        place: &Place,
        zone: &str,
        types: &[String],
    ) -> Result<BTreeMap<String, bool>, Failure> {
        instance_types::offered(&*self.clients(place).await?, zone, types).await
    }

    async fn vcpu_limit(&self, place: &Place, quota: VcpuQuota) -> Result<u32, Failure> {
        quotas::vcpu_limit(&*self.clients(place).await?, quota).await
    }

    async fn modifications(
        &self,
        place: &Place,
        volume_id: &str,
    ) -> Result<Vec<Timestamp>, Failure> {
        volumes::modifications(&*self.clients(place).await?, volume_id).await
    }

    async fn marked(
        &self,
        place: &Place,
        made: Made,
        mark: &str,
    ) -> Result<Option<MadeThing>, Failure> {
        let clients = &*self.clients(place).await?;
        match made {
            Made::TemplateVersion { template_id } => {
                template::marked(clients, &template_id, mark).await
            }
            Made::Snapshot | Made::Volume => volumes::marked(clients, made, mark).await,
        }
    }

    async fn instance_types(&self, place: &Place) -> Result<Vec<InstanceType>, Failure> {
        instance_types::instance_types(&*self.clients(place).await?).await
    }

    async fn registrations(
        &self,
        place: &Place,
    ) -> Result<BTreeMap<String, Vec<Registration>>, Failure> {
        targets::registrations(&*self.clients(place).await?).await
    }

    async fn targets(&self, place: &Place, group_arn: &str) -> Result<Vec<Target>, Failure> {
        targets::targets(&*self.clients(place).await?, group_arn).await
    }

    async fn runs(
        &self,
        place: &Place,
        query: &RunsQuery,
    ) -> Result<BTreeMap<String, Runs>, Failure> {
        runs::runs(&*self.clients(place).await?, query, self.0.clock.now()).await
    }

    async fn caller(&self, place: &Place) -> Result<String, Failure> {
        identity::caller(&*self.clients(place).await?).await
    }
}

fn place_of(resource: &ResourceRef) -> Place {
    Place { account: resource.account.clone(), region: resource.region.clone() }
}

/// Writes.
#[derive(Debug)]
struct Writes(Arc<Shared>);

#[async_trait]
impl Act for Writes {
    async fn perform(
        &self,
        place: &Place,
        session: &Session,
        operation: &Operation,
    ) -> Result<Receipt, Failure> {
        let clients = self.0.session(place, session).await?;
        let answer = writes::perform(&clients, operation).await;
        if matches!(&answer, Err(failure) if failure.kind == FailureKind::Denied) {
            // It may have been ended from outside: the next try is made with one that is taken anew.
            self.0.sessions.lock().await.remove(&session.name);
        }
        answer
    }

    async fn permission(&self, place: &Place, steps: &[Step]) -> Result<Permission, Failure> {
        let reads = self.0.clients(place, Purpose::Read).await?;
        let writes = self.0.clients(place, Purpose::Write).await?;
        permission::permission(&reads, &writes, steps).await
    }
}
