//! Asks AWS what an account's roles are worth: taken with the right external id, without one and with a wrong one, then one
//! harmless call after the other.
//!
//! Only `trimtab connect verify` does this: the tries of a stranger page security teams. Not here: what the answers come to
//! (`crate::connection`).

use std::future::Future;

use aws_sdk_cloudwatch::types::{Metric, MetricDataQuery, MetricStat};
use aws_sdk_ec2::primitives::{Blob, DateTime};
use aws_sdk_ec2::types::SecureBlobAttributeValue;
use trimtab_policies::calls::Access;
use trimtab_policies::facts::Permission;
use trimtab_policies::mark::Mark;
use trimtab_policies::mode::EXCLUDE_TAG;
use trimtab_policies::operations::{Failure, FailureKind, Operation};

use super::credentials::Purpose;
use super::permission::{DRY_MARK, judged};
use super::rate::{self, Api, Watch};
use super::{AccountAccess, Aws, Clients, Shared, error, identity, volumes, writes};
use crate::connection::{Answers, CallAnswer, RoleAnswers};
use crate::ports::Place;

/// How long a session of a try lasts, seconds: the shortest that STS gives.
const SESSION_S: i32 = 900;
/// What a stranger would send: of the form of an external id, and nobody's.
const WRONG_ID: &str = "00000000000000000000000000000000";
/// The fewest results that EC2 can be asked for in a page.
const PAGE_MIN: i32 = 5;
/// Running On-Demand vCPUs of standard types: a quota that every account has.
const QUOTA: (&str, &str) = ("ec2", "L-1216C47A");

impl Aws {
    /// Everything that `trimtab connect verify` asks about an account. With `strangers`, the roles are also tried as somebody
    /// would who does not have the external id.
    ///
    /// # Errors
    /// When the settings name no such account or no region of it.
    pub async fn connection(&self, account: &str, strangers: bool) -> Result<Answers, Failure> {
        let shared = &self.0;
        let access = shared.settings.accounts.iter().find(|access| access.id == account);
        let unknown = || {
            let message = "no `[[account]]` of the settings has this id and a region".to_owned();
            error::new(FailureKind::Rejected, "connect", account, message)
        };
        let access = access.filter(|access| !access.regions.is_empty()).ok_or_else(unknown)?;
        let places: Vec<Place> = access
            .regions
            .iter()
            .map(|region| Place { account: account.to_owned(), region: region.clone() })
            .collect();
        let roles = shared.try_roles(&places[0], access, strangers).await;
        let reads = shared.clients(&places[0], Purpose::Read).await?;
        let mut answers = Answers {
            caller: identity::caller(&reads).await,
            roles,
            calls: Vec::new(),
            user_data: None,
        };
        let is_closed = |for_access: Access| {
            let of_access = |role: &&RoleAnswers| role.access == for_access;
            let role = answers.roles.iter().find(of_access);
            role.is_some_and(|role| role.as_configured.is_err())
        };
        if is_closed(Access::Read) || answers.caller.is_err() {
            return Ok(answers);
        }
        // A role that reads, without one that applies: nothing is ever written with it.
        let applies = access.apply_role_arn.is_some() || access.role_arn.is_none();
        let applies = applies && !is_closed(Access::Apply);
        for place in &places {
            let found = Probe::of(shared, place, Access::Read, Purpose::Read).await?;
            let (calls, sample) = found.reads().await;
            answers.calls.extend(calls);
            if applies {
                let probe = Probe::of(shared, place, Access::Apply, Purpose::Write).await?;
                let (calls, user_data) = probe.writes(&sample).await;
                answers.calls.extend(calls);
                answers.user_data = answers.user_data.or(user_data);
            }
        }
        Ok(answers)
    }
}

impl Shared {
    async fn try_roles(
        &self,
        place: &Place,
        access: &AccountAccess,
        strangers: bool,
    ) -> Vec<RoleAnswers> {
        let mut all = Vec::new();
        let roles = [
            (Access::Read, Purpose::Read, &access.role_arn),
            (Access::Apply, Purpose::Write, &access.apply_role_arn),
        ];
        for (for_access, purpose, role) in roles {
            let Some(role) = role else { continue };
            let own = self.connect_with(place, access, purpose, None).await;
            let configured = access.external_id.as_deref();
            let as_configured = assume(&own, role, configured).await;
            let mut tried = Vec::new();
            if strangers {
                let ways = [
                    ("without an external id", None),
                    ("with a wrong external id", Some(WRONG_ID)),
                ];
                for (how, id) in ways {
                    tried.push((how.to_owned(), assume(&own, role, id).await));
                }
            }
            let (access, arn) = (for_access, role.clone());
            all.push(RoleAnswers { access, arn, as_configured, strangers: tried });
        }
        all
    }
}

async fn assume(own: &Clients, role: &str, external_id: Option<&str>) -> Result<(), Failure> {
    let call = own.sts.assume_role().role_arn(role).role_session_name("trimtab-verify");
    let call = call.set_external_id(external_id.map(str::to_owned)).duration_seconds(SESSION_S);
    let send = |watch| call.customize().interceptor(watch).send();
    own.call(&rate::ASSUME_ROLE, role, send).await.map(|_| ())
}

/// What the dry runs are about: found by the reads, and not kept from Trimtab.
#[derive(Debug, Default)]
struct Sample {
    /// An instance and its type.
    instance: Option<(String, String)>,
    /// A volume.
    volume: Option<aws_sdk_ec2::types::Volume>,
}

/// The clients of one place and purpose, and what they are asked for.
struct Probe {
    clients: std::sync::Arc<Clients>,
    access: Access,
}

impl Probe {
    async fn of(
        shared: &Shared,
        place: &Place,
        access: Access,
        purpose: Purpose,
    ) -> Result<Self, Failure> {
        Ok(Self { clients: shared.clients(place, purpose).await?, access })
    }

    fn answer(&self, action: &str, answer: Result<(), Failure>) -> CallAnswer {
        let region = self.clients.place.region.clone();
        CallAnswer { access: self.access, region, action: action.to_owned(), answer }
    }

    /// Makes one call and keeps what it gave.
    async fn ask<T, E, F>(
        &self,
        api: &Api,
        calls: &mut Vec<CallAnswer>,
        send: impl FnOnce(Watch) -> F,
    ) -> Option<T>
    where
        F: Future<Output = Result<T, aws_sdk_ec2::error::SdkError<E>>>,
        E: aws_sdk_ec2::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        match self.clients.call(api, &self.clients.target, send).await {
            Ok(given) => {
                calls.push(self.answer(api.call, Ok(())));
                Some(given)
            }
            Err(failure) => {
                calls.push(self.answer(api.call, Err(failure)));
                None
            }
        }
    }

    async fn reads(&self) -> (Vec<CallAnswer>, Sample) {
        let mut calls = Vec::new();
        let sample = self.machines(&mut calls).await;
        self.types_and_quotas(&mut calls).await;
        self.metrics(&mut calls).await;
        self.balancers_and_functions(&mut calls).await;
        self.groups(&mut calls).await;
        (calls, sample)
    }

    async fn machines(&self, calls: &mut Vec<CallAnswer>) -> Sample {
        let ec2 = &self.clients.ec2;
        let ask = ec2.describe_instances().max_results(PAGE_MIN);
        let send = |watch| ask.customize().interceptor(watch).send();
        let machines = self.ask(&rate::DESCRIBE_INSTANCES, calls, send).await;
        let ask = ec2.describe_instance_status().max_results(PAGE_MIN);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_INSTANCE_STATUS, calls, send).await;
        let ask = ec2.describe_volumes().max_results(PAGE_MIN);
        let send = |watch| ask.customize().interceptor(watch).send();
        let volumes = self.ask(&rate::DESCRIBE_VOLUMES, calls, send).await;
        let ask = ec2.describe_volumes_modifications().max_results(PAGE_MIN);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_MODIFICATIONS, calls, send).await;
        let ask = ec2.describe_snapshots().owner_ids("self").max_results(PAGE_MIN);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_SNAPSHOTS, calls, send).await;
        let excluded = |tags: &[aws_sdk_ec2::types::Tag]| {
            tags.iter().any(|tag| tag.key() == Some(EXCLUDE_TAG))
        };
        let machines = machines.and_then(|answer| answer.reservations).unwrap_or_default();
        let machines = machines.into_iter().flat_map(|one| one.instances.unwrap_or_default());
        let instance = machines
            .filter(|one| !excluded(one.tags()))
            .find_map(|one| Some((one.instance_id?, one.instance_type?.as_str().to_owned())));
        let volumes = volumes.and_then(|answer| answer.volumes).unwrap_or_default();
        Sample { instance, volume: volumes.into_iter().find(|one| !excluded(one.tags())) }
    }

    async fn types_and_quotas(&self, calls: &mut Vec<CallAnswer>) {
        let Clients { ec2, quotas, .. } = &*self.clients;
        let ask = ec2.describe_instance_types().instance_types("t3.micro".into());
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_INSTANCE_TYPES, calls, send).await;
        let ask = ec2.describe_instance_type_offerings().max_results(PAGE_MIN);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_OFFERINGS, calls, send).await;
        let (service, code) = QUOTA;
        let ask = quotas.get_service_quota().service_code(service).quota_code(code);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::GET_QUOTA, calls, send).await;
    }

    async fn metrics(&self, calls: &mut Vec<CallAnswer>) {
        let cloudwatch = &self.clients.cloudwatch;
        let ask = cloudwatch.list_metrics().namespace("CWAgent");
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::LIST_METRICS, calls, send).await;
        let ask = cloudwatch.describe_alarms().max_records(1);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_ALARMS, calls, send).await;
        // One metric that is nobody's, of one minute: AWS bills a hundred-thousandth of a dollar for it.
        let metric = Metric::builder().namespace("AWS/EC2").metric_name("CPUUtilization").build();
        let stat = MetricStat::builder().metric(metric).period(60).stat("Average").build();
        let query = MetricDataQuery::builder().id("verify").metric_stat(stat).build();
        let ask = cloudwatch.get_metric_data().metric_data_queries(query);
        let ask = ask.start_time(DateTime::from_secs(0)).end_time(DateTime::from_secs(60));
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::GET_METRIC_DATA, calls, send).await;
    }

    async fn balancers_and_functions(&self, calls: &mut Vec<CallAnswer>) {
        let Clients { balancing, lambda, .. } = &*self.clients;
        let ask = balancing.describe_target_groups().page_size(1);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_TARGET_GROUPS, calls, send).await;
        let ask = lambda.list_functions().max_items(1);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::LIST_FUNCTIONS, calls, send).await;
    }

    async fn groups(&self, calls: &mut Vec<CallAnswer>) {
        let autoscaling = &self.clients.autoscaling;
        let ask = autoscaling.describe_auto_scaling_groups().max_records(1);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_GROUPS, calls, send).await;
        let ask = autoscaling.describe_policies().max_records(1);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_POLICIES, calls, send).await;
        let ask = autoscaling.describe_scheduled_actions().max_records(1);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_SCHEDULES, calls, send).await;
        let ask = autoscaling.describe_scaling_activities().max_records(1);
        let send = |watch| ask.customize().interceptor(watch).send();
        self.ask(&rate::DESCRIBE_ACTIVITIES, calls, send).await;
    }

    /// EC2's dry runs on what was found, and whether user data could be replaced.
    async fn writes(&self, sample: &Sample) -> (Vec<CallAnswer>, Option<bool>) {
        let mut calls = Vec::new();
        let mut user_data = None;
        for operation in questions(sample) {
            let action = operation.iam_action();
            let answer = writes::send(&self.clients, &operation, Some(true)).await;
            calls.push(self.answer(action, allowed(action, judged(action, answer))));
        }
        if let Some((id, _)) = &sample.instance {
            let answer = allowed("ec2:ModifyInstanceAttribute", self.replace_user_data(id).await);
            user_data = match answer {
                Ok(()) => Some(true),
                Err(failure) if failure.kind == FailureKind::Denied => Some(false),
                Err(_) => None,
            };
        }
        (calls, user_data)
    }

    async fn replace_user_data(&self, id: &str) -> Result<Permission, Failure> {
        let value = SecureBlobAttributeValue::builder().value(Blob::new(*b"dry run")).build();
        let call = self.clients.ec2.modify_instance_attribute().instance_id(id).user_data(value);
        let call = call.dry_run(true);
        let api = &rate::MODIFY_INSTANCE;
        let send = |watch| call.customize().interceptor(watch).send();
        let answer = self.clients.call(api, id, send).await;
        judged(api.call, answer.map(|_| trimtab_policies::operations::Receipt::default()))
    }
}

/// What a person reads of a dry run.
fn allowed(action: &str, answer: Result<Permission, Failure>) -> Result<(), Failure> {
    match answer? {
        Permission::Allowed => Ok(()),
        Permission::Denied { message, .. } => {
            Err(error::new(FailureKind::Denied, action, DRY_MARK, message))
        }
    }
}

/// The writes that EC2 can be asked about without making them.
fn questions(sample: &Sample) -> Vec<Operation> {
    let mut all = Vec::new();
    if let Some((id, instance_type)) = &sample.instance {
        let (id, dry) = (|| id.clone(), || DRY_MARK.to_owned());
        let mark = || Mark { agent_id: dry(), change_id: dry(), was: instance_type.clone() };
        all.extend([
            Operation::StopInstance { instance_id: id() },
            Operation::StartInstance { instance_id: id() },
            Operation::SetInstanceType { instance_id: id(), instance_type: instance_type.clone() },
            Operation::TagResource { resource_id: id(), mark: mark() },
            Operation::UntagResource { resource_id: id(), mark: mark() },
        ]);
    }
    let volume = sample.volume.as_ref();
    if let Some((volume_id, spec)) =
        volume.and_then(|one| Some((one.volume_id.clone()?, volumes::spec(one)?)))
    {
        all.push(Operation::ModifyVolume { volume_id, spec });
    }
    all
}
