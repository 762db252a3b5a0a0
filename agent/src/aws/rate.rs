//! How fast AWS is asked: at most a share of each API's documented rate, halved when AWS throttles, because the
//! customer's own automation draws on the same quota.
//!
//! Not here: retries (the SDK's, for reads only) and what an error means (`error`).

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_ec2::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::{BoxError, SdkError};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::error::THROTTLING_CODES;

/// One AWS call, with the quota that it draws on in each account and region.
#[derive(Debug, Clone, Copy)]
pub(super) struct Api {
    /// The IAM action, such as `ec2:DescribeInstances`.
    pub(super) call: &'static str,
    /// What the quota is counted over: the call itself, or a name for calls that share one.
    budget: &'static str,
    /// The documented rate, calls a second.
    documented_per_s: f64,
}

const fn api(call: &'static str, documented_per_s: f64) -> Api {
    Api { call, budget: call, documented_per_s }
}

/// EC2's non-mutating actions refill 20 tokens a second when they are filtered or paginated, as all of ours are
/// (Amazon EC2 Developer Guide, "Request throttling for the Amazon EC2 API", token bucket sizes and refill rates).
const fn ec2_read(call: &'static str) -> Api {
    api(call, 20.0)
}

/// EC2's mutating actions refill 5 tokens a second (same table).
const fn ec2_write(call: &'static str) -> Api {
    api(call, 5.0)
}

/// All of Lambda's control plane together answers 15 requests a second (AWS Lambda Developer Guide, "Lambda quotas",
/// API requests), so its calls share one budget.
const fn lambda(call: &'static str) -> Api {
    Api { call, budget: "lambda control plane", documented_per_s: 15.0 }
}

/// Auto Scaling publishes no rate. 10 a second is what its describe calls are commonly seen to bear; with the share on
/// top, and the halving, a wrong guess stays harmless.
const fn autoscaling(call: &'static str) -> Api {
    api(call, 10.0)
}

/// Elastic Load Balancing publishes no rate either: the same guess, under the same halving.
const fn balancing(call: &'static str) -> Api {
    api(call, 10.0)
}

pub(super) const DESCRIBE_TARGET_GROUPS: Api =
    balancing("elasticloadbalancing:DescribeTargetGroups");
pub(super) const DESCRIBE_TARGET_GROUP_ATTRIBUTES: Api =
    balancing("elasticloadbalancing:DescribeTargetGroupAttributes");
pub(super) const DESCRIBE_TARGET_HEALTH: Api =
    balancing("elasticloadbalancing:DescribeTargetHealth");
pub(super) const DEREGISTER_TARGETS: Api = balancing("elasticloadbalancing:DeregisterTargets");
pub(super) const REGISTER_TARGETS: Api = balancing("elasticloadbalancing:RegisterTargets");
/// Service Quotas publishes no rate either.
pub(super) const GET_QUOTA: Api = api("servicequotas:GetServiceQuota", 10.0);
pub(super) const DESCRIBE_INSTANCES: Api = ec2_read("ec2:DescribeInstances");
pub(super) const DESCRIBE_INSTANCE_STATUS: Api = ec2_read("ec2:DescribeInstanceStatus");
pub(super) const DESCRIBE_INSTANCE_ATTRIBUTE: Api = ec2_read("ec2:DescribeInstanceAttribute");
pub(super) const DESCRIBE_INSTANCE_TYPES: Api = ec2_read("ec2:DescribeInstanceTypes");
pub(super) const DESCRIBE_OFFERINGS: Api = ec2_read("ec2:DescribeInstanceTypeOfferings");
pub(super) const DESCRIBE_VOLUMES: Api = ec2_read("ec2:DescribeVolumes");
pub(super) const DESCRIBE_MODIFICATIONS: Api = ec2_read("ec2:DescribeVolumesModifications");
pub(super) const DESCRIBE_TEMPLATE_VERSIONS: Api = ec2_read("ec2:DescribeLaunchTemplateVersions");
pub(super) const DESCRIBE_SNAPSHOTS: Api = ec2_read("ec2:DescribeSnapshots");

/// Starts refill 2 tokens a second (same table as `ec2_read`).
pub(super) const START_INSTANCES: Api = api("ec2:StartInstances", 2.0);
pub(super) const STOP_INSTANCES: Api = ec2_write("ec2:StopInstances");
pub(super) const MODIFY_INSTANCE: Api = ec2_write("ec2:ModifyInstanceAttribute");
pub(super) const MODIFY_VOLUME: Api = ec2_write("ec2:ModifyVolume");
pub(super) const CREATE_SNAPSHOT: Api = ec2_write("ec2:CreateSnapshot");
pub(super) const CREATE_TAGS: Api = ec2_write("ec2:CreateTags");
pub(super) const DELETE_TAGS: Api = ec2_write("ec2:DeleteTags");
pub(super) const CREATE_VOLUME: Api = ec2_write("ec2:CreateVolume");
pub(super) const DELETE_VOLUME: Api = ec2_write("ec2:DeleteVolume");
pub(super) const CREATE_TEMPLATE_VERSION: Api = ec2_write("ec2:CreateLaunchTemplateVersion");

pub(super) const LIST_FUNCTIONS: Api = lambda("lambda:ListFunctions");
pub(super) const LIST_TAGS: Api = lambda("lambda:ListTags");
pub(super) const LIST_ALIASES: Api = lambda("lambda:ListAliases");
pub(super) const LIST_VERSIONS: Api = lambda("lambda:ListVersionsByFunction");
pub(super) const GET_FUNCTION: Api = lambda("lambda:GetFunctionConfiguration");
pub(super) const LIST_PROVISIONED: Api = lambda("lambda:ListProvisionedConcurrencyConfigs");
pub(super) const PUBLISH_VERSION: Api = lambda("lambda:PublishVersion");
pub(super) const UPDATE_ALIAS: Api = lambda("lambda:UpdateAlias");
pub(super) const UPDATE_FUNCTION: Api = lambda("lambda:UpdateFunctionConfiguration");

pub(super) const DESCRIBE_GROUPS: Api = autoscaling("autoscaling:DescribeAutoScalingGroups");
pub(super) const DESCRIBE_POLICIES: Api = autoscaling("autoscaling:DescribePolicies");
pub(super) const DESCRIBE_SCHEDULES: Api = autoscaling("autoscaling:DescribeScheduledActions");
pub(super) const DESCRIBE_ACTIVITIES: Api = autoscaling("autoscaling:DescribeScalingActivities");
pub(super) const DESCRIBE_REFRESHES: Api = autoscaling("autoscaling:DescribeInstanceRefreshes");
pub(super) const UPDATE_GROUP: Api = autoscaling("autoscaling:UpdateAutoScalingGroup");
pub(super) const PUT_SCHEDULE: Api = autoscaling("autoscaling:PutScheduledUpdateGroupAction");
pub(super) const START_REFRESH: Api = autoscaling("autoscaling:StartInstanceRefresh");
pub(super) const ROLLBACK_REFRESH: Api = autoscaling("autoscaling:RollbackInstanceRefresh");
pub(super) const DELETE_SCHEDULE: Api = autoscaling("autoscaling:DeleteScheduledAction");

/// CloudWatch's rates stand in the Amazon CloudWatch User Guide, "CloudWatch service quotas".
pub(super) const GET_METRIC_DATA: Api = api("cloudwatch:GetMetricData", 50.0);
pub(super) const LIST_METRICS: Api = api("cloudwatch:ListMetrics", 25.0);
pub(super) const DESCRIBE_ALARMS: Api = api("cloudwatch:DescribeAlarms", 9.0);
/// Data points a second that GetMetricData gives when the window begins in the last three hours (same page).
pub(super) const RECENT_POINTS: Api =
    Api { call: "cloudwatch:GetMetricData", budget: "recent points", documented_per_s: 180_000.0 };
/// Data points a second that GetMetricData gives for older windows (same page).
pub(super) const OLDER_POINTS: Api =
    Api { call: "cloudwatch:GetMetricData", budget: "older points", documented_per_s: 396_000.0 };

/// STS answers 600 requests a second in an account and region (IAM User Guide, "IAM and AWS STS quotas").
pub(super) const GET_CALLER: Api = api("sts:GetCallerIdentity", 600.0);
pub(super) const ASSUME_ROLE: Api = api("sts:AssumeRole", 600.0);

/// How many calls are in flight at most, over all accounts and regions: enough to hide the latency of dozens of
/// regions, few enough for the sockets and the memory of a small machine.
const IN_FLIGHT_MAX: usize = 32;

/// A rate never falls below this share of what it was meant to be, so that it can be seen to recover.
const FLOOR_RATIO: f64 = 1.0 / 16.0;

/// Time in which a rate grows from nothing back to what it was meant to be.
const RECOVERY: Duration = Duration::from_secs(600);

/// Throttles within this time of a halving belong to the same event: the calls were already on their way.
const SAME_EVENT: Duration = Duration::from_secs(5);

/// The limit on calls in flight, shared by all places.
#[derive(Debug, Clone)]
pub(super) struct InFlight(Arc<Semaphore>);

impl Default for InFlight {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(IN_FLIGHT_MAX)))
    }
}

/// The rates of one account and region, shared by its reads and writes.
#[derive(Debug)]
pub(super) struct Pacer {
    /// The share of the documented rate that may be used, 0–1.
    ratio: f64,
    in_flight: InFlight,
    buckets: Mutex<BTreeMap<&'static str, Arc<Bucket>>>,
}

impl Pacer {
    pub(super) fn new(ratio: f64, in_flight: InFlight) -> Self {
        Self { ratio, in_flight, buckets: Mutex::default() }
    }

    /// Makes a call once its budget allows it. `send` must hand the watch to the call as an interceptor, so that a
    /// throttle is noticed at the first attempt and not after the SDK's retries.
    pub(super) async fn call<T, E, F>(
        &self,
        api: &Api,
        send: impl FnOnce(Watch) -> F,
    ) -> Result<T, SdkError<E>>
    where
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let bucket = self.bucket(api);
        bucket.take(1.0).await;
        let permit = self.in_flight.0.acquire().await;
        let _permit = permit.expect("the semaphore is never closed");
        send(Watch(bucket)).await
    }

    /// Waits until `amount` of the budget may be used.
    pub(super) async fn take(&self, api: &Api, amount: f64) {
        self.bucket(api).take(amount).await;
    }

    fn bucket(&self, api: &Api) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Bucket::new(api.documented_per_s * self.ratio));
        Arc::clone(buckets.entry(api.budget).or_insert_with(fresh))
    }
}

/// A token bucket that holds what one second refills, and at least one token.
#[derive(Debug)]
struct Bucket {
    limit_per_s: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Below zero while somebody waits for tokens that are already spoken for: who comes later waits longer.
    tokens: f64,
    per_s: f64,
    at: Instant,
    halved_at: Option<Instant>,
}

impl Bucket {
    fn new(limit_per_s: f64) -> Self {
        let state = State {
            tokens: limit_per_s.max(1.0),
            per_s: limit_per_s,
            at: Instant::now(),
            halved_at: None,
        };
        Self { limit_per_s, state: Mutex::new(state) }
    }

    async fn take(&self, amount: f64) {
        let wait = {
            let mut state = self.refilled();
            state.tokens -= amount;
            Duration::from_secs_f64((-state.tokens / state.per_s).max(0.0))
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn throttled(&self) {
        let mut state = self.refilled();
        let now = state.at;
        let same_event = |at: Instant| now.duration_since(at) < SAME_EVENT;
        if state.halved_at.is_some_and(same_event) {
            return;
        }
        state.per_s = (state.per_s / 2.0).max(self.limit_per_s * FLOOR_RATIO);
        state.tokens = state.tokens.min(0.0);
        state.halved_at = Some(now);
    }

    fn refilled(&self) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let seconds = now.duration_since(state.at).as_secs_f64();
        state.tokens = (state.tokens + seconds * state.per_s).min(self.limit_per_s.max(1.0));
        let regained = self.limit_per_s * seconds / RECOVERY.as_secs_f64();
        state.per_s = (state.per_s + regained).min(self.limit_per_s);
        state.at = now;
        state
    }
}

/// Sees every attempt of a call, and slows its budget down when AWS throttles one.
#[derive(Debug)]
pub(super) struct Watch(Arc<Bucket>);

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "TrimtabWatch"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(response) = context.response() {
            let header = response.headers().get("x-amzn-errortype");
            let body = response.body().bytes().unwrap_or_default();
            if is_throttle(response.status().as_u16(), header.unwrap_or_default(), body) {
                self.0.throttled();
            }
        }
        Ok(())
    }
}

/// Whether an answer is a throttle. The code stands in a header or in a small body, depending on the protocol.
fn is_throttle(status: u16, header: &str, body: &[u8]) -> bool {
    let told = |text: &str| THROTTLING_CODES.iter().any(|code| text.contains(code));
    status == 429 || (status >= 400 && (told(header) || told(&String::from_utf8_lossy(body))))
}

#[cfg(test)]
mod tests {
    /// Whatever is called has its rate here, and whatever has a rate must be in the table from which policies are made.
    #[test]
    fn every_call_is_in_the_table_of_calls() {
        let own_principal = ["sts:AssumeRole", "sts:GetCallerIdentity"];
        let source = include_str!("rate.rs");
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let is_call = |text: &&str| {
            let parts = text.split_once(':').filter(|(service, _)| !service.contains(' '));
            parts.is_some_and(|(_, verb)| verb.starts_with(|letter: char| letter.is_uppercase()))
        };
        let quoted = code.split('"').skip(1).step_by(2);
        let calls: std::collections::BTreeSet<&str> = quoted.filter(is_call).collect();
        assert!(calls.len() > 30, "{calls:?}");
        for call in calls.iter().filter(|call| !own_principal.contains(call)) {
            let known = trimtab_policies::calls::TABLE.iter().any(|row| row.action == *call);
            assert!(known, "{call} has no row in policies/src/calls.rs");
        }
        let own = |row: &&trimtab_policies::calls::Call| {
            row.caller == trimtab_policies::calls::Caller::Trimtab
        };
        for row in trimtab_policies::calls::TABLE.iter().filter(own) {
            assert!(calls.contains(&row.action), "{} is never called", row.action);
        }
    }

    use super::*;

    async fn elapsed(bucket: &Bucket, amounts: &[f64]) -> f64 {
        let start = Instant::now();
        for amount in amounts {
            bucket.take(*amount).await;
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_one_second_at_once_and_then_its_rate() {
        let bucket = Bucket::new(4.0);
        assert!(elapsed(&bucket, &[1.0; 4]).await < 0.01);
        let later = elapsed(&bucket, &[1.0; 8]).await;
        assert!((1.9..2.1).contains(&later), "{later}");
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_a_bucket_holds_is_waited_for() {
        let bucket = Bucket::new(100.0);
        let waited = elapsed(&bucket, &[1_000.0, 100.0]).await;
        assert!((9.9..10.2).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_halves_once_and_is_forgotten_slowly() {
        let bucket = Bucket::new(10.0);
        bucket.throttled();
        bucket.throttled();
        let waited = elapsed(&bucket, &[1.0; 10]).await;
        assert!((1.9..2.1).contains(&waited), "half the rate: {waited}");
        tokio::time::sleep(RECOVERY).await;
        bucket.take(10.0).await;
        let recovered = elapsed(&bucket, &[1.0; 10]).await;
        assert!((0.9..1.1).contains(&recovered), "{recovered}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_never_falls_to_nothing() {
        let bucket = Bucket::new(16.0);
        for _ in 0..20 {
            bucket.throttled();
            tokio::time::sleep(SAME_EVENT).await;
        }
        assert!(bucket.refilled().per_s >= 1.0);
    }

    #[tokio::test(start_paused = true)]
    async fn budgets_are_apart_unless_the_quota_is_shared() {
        let pacer = Pacer::new(0.2, InFlight::default());
        let names = [LIST_TAGS, LIST_ALIASES, DESCRIBE_VOLUMES].map(|api| pacer.bucket(&api));
        assert!(Arc::ptr_eq(&names[0], &names[1]));
        assert!(!Arc::ptr_eq(&names[0], &names[2]));
        assert!((names[2].limit_per_s - 4.0).abs() < 1e-9);
    }

    #[test]
    fn throttles_are_told_in_every_protocol() {
        let cases: [(u16, &str, &[u8], bool); 6] = [
            (200, "", b"<Code>RequestLimitExceeded</Code>", false),
            (503, "", b"<Code>RequestLimitExceeded</Code>", true),
            (400, "", b"\xa2f__typejThrottling", true),
            (400, "", b"{\"__type\":\"Throttling\"}", true),
            (429, "TooManyRequestsException:", b"", true),
            (500, "", b"<Code>InternalError</Code>", false),
        ];
        for (status, header, body, expect) in cases {
            assert_eq!(is_throttle(status, header, body), expect, "{status} {header}");
        }
    }
}
