//! Rules of AWS that moto does not enforce, each with a switch.
//!
//! Not here: what moto merely leaves out of its answers (`gaps`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::answer::Answer;
use super::call::Call;
use super::upstream::{Forward, Upstream};
use super::xml;

/// EBS allows this many modifications of a volume in 24 hours, each after the one before is completed.
const MODIFICATIONS_MAX: usize = 4;
const MODIFICATIONS_WINDOW: SignedDuration = SignedDuration::from_hours(24);

/// Versions of the APIs in which the rules ask moto.
const EC2: &str = "2016-11-15";
const AUTO_SCALING: &str = "2011-01-01";

/// The memory that a function may have, in MB.
const FUNCTION_MEMORY: std::ops::RangeInclusive<u32> = 128..=10_240;

/// The switches. All rules are on at first, except that no external id is checked until one is set.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// An instance changes its type only while it is stopped, and only to a type that exists.
    pub(crate) stop_before_resize: bool,
    /// A volume never shrinks and is modified at most four times a day, one after the other.
    pub(crate) volume_limits: bool,
    /// Volume modifications stay in `optimizing` for as long as this is set.
    pub(crate) volumes_busy: bool,
    /// The trust of each role: the external id it asks for, `None` where it asks for none. Once there is any entry,
    /// roles without one trust nobody.
    pub(crate) external_ids: BTreeMap<String, Option<String>>,
    /// Actions that nobody may do, such as `ec2:StopInstances`.
    pub(crate) denied: Vec<&'static str>,
    /// Whether the user data of a machine may be replaced, as no role of ours may.
    pub(crate) user_data: bool,
    /// Functions have a revision, and a write that names another one is refused.
    pub(crate) revisions: bool,
    /// A function's memory is between 128 and 10,240 MB, and a group's minimum is not above its maximum.
    pub(crate) ranges: bool,
    /// Moto's answers are completed with what AWS always sends, and reads that it lacks are answered as empty.
    pub(crate) fill_gaps: bool,
    /// Instances, volumes, groups and functions come in pages of this many, whatever was asked for.
    pub(crate) items_per_page: Option<usize>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            stop_before_resize: true,
            volume_limits: true,
            volumes_busy: false,
            external_ids: BTreeMap::new(),
            denied: Vec::new(),
            user_data: false,
            revisions: true,
            ranges: true,
            fill_gaps: true,
            items_per_page: None,
        }
    }
}

/// What the rules remember of the calls that took effect.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The account behind each access key that AssumeRole gave out.
    pub(crate) accounts: BTreeMap<String, String>,
    /// When each volume was modified.
    pub(crate) modifications: BTreeMap<String, Vec<Timestamp>>,
    /// How often each function (account, region, name) was written.
    revisions: BTreeMap<(String, String, String), u64>,
}

impl Memory {
    /// The modifications of a volume that count against its limit.
    fn recent_modifications(&self, volume: &str) -> Vec<Timestamp> {
        let since = clock() - MODIFICATIONS_WINDOW;
        let all = self.modifications.get(volume).into_iter().flatten();
        all.copied().filter(|at| *at > since).collect()
    }

    /// The revision of the function that `configuration` describes: another one after every write.
    pub(crate) fn revision(&self, call: &Call, configuration: &serde_json::Value) -> String {
        let text = |member: &str| configuration[member].to_string();
        let name = configuration["FunctionName"].as_str().unwrap_or_default().to_owned();
        let key = (call.account.clone(), call.region.clone(), name);
        let writes = self.revisions.get(&key).copied().unwrap_or_default();
        let identity = format!("{key:?} {writes} {} {}", text("Version"), text("MemorySize"));
        let hex: String =
            Sha256::digest(identity).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }

    /// The revision of an alias, by function and name: another one after every write.
    pub(crate) fn alias_revision(&self, call: &Call, alias: &str) -> String {
        let key = (call.account.clone(), call.region.clone(), alias.to_owned());
        let writes = self.revisions.get(&key).copied().unwrap_or_default();
        format!("alias-{alias}-{writes}")
    }

    /// Notes what a call that succeeded has changed.
    pub(crate) fn note(&mut self, call: &Call, answer: &Answer) {
        match (call.service.as_str(), call.operation.as_str()) {
            ("sts", "AssumeRole") => {
                let account = call.parameter("RoleArn").and_then(|role| role.split(':').nth(4));
                if let (Some(key), Some(account)) =
                    (xml::text(answer.text(), "AccessKeyId"), account)
                {
                    self.accounts.insert(key.to_owned(), account.to_owned());
                }
            }
            ("ec2", "ModifyVolume") if !call.is_dry_run() => {
                let volume = call.parameter("VolumeId").unwrap_or_default().to_owned();
                self.modifications.entry(volume).or_default().push(clock());
            }
            ("lambda", "UpdateFunctionConfiguration" | "UpdateFunctionCode") => {
                let body: serde_json::Value =
                    serde_json::from_slice(&answer.body).unwrap_or_default();
                let name = body["FunctionName"].as_str().unwrap_or_default().to_owned();
                *self
                    .revisions
                    .entry((call.account.clone(), call.region.clone(), name))
                    .or_default() += 1;
            }
            ("lambda", "UpdateAlias") => {
                let body: serde_json::Value =
                    serde_json::from_slice(&answer.body).unwrap_or_default();
                let alias = alias_of(&body);
                let key = (call.account.clone(), call.region.clone(), alias);
                *self.revisions.entry(key).or_default() += 1;
            }
            (_, _) => {}
        }
    }
}

/// Function and name of an alias, as its ARN ends.
pub(crate) fn alias_of(alias: &serde_json::Value) -> String {
    let arn = alias["AliasArn"].as_str().unwrap_or_default();
    arn.split(':').skip(6).collect::<Vec<_>>().join(":")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the emulated cloud has a clock of its own: the wall's"
)]
fn clock() -> Timestamp {
    Timestamp::now()
}

/// An error's status, code and message.
type Refusal = (u16, &'static str, String);

/// The answer of the first rule that forbids the call, if one does.
pub(crate) async fn refuse(
    (rules, memory): (&Rules, &std::sync::Mutex<Memory>),
    (call, request): (&Call, &Forward),
    upstream: &Upstream,
) -> Option<Answer> {
    let refusal = reason_no_right(rules, call);
    if let Some((status, code, message)) = refusal {
        return Some(Answer::error(call, status, code, &message));
    }
    if call.is_dry_run() {
        return None;
    }
    let refusal = match (call.service.as_str(), call.operation.as_str()) {
        ("sts", "AssumeRole") => reason_not_trusted(rules, call),
        ("ec2", "ModifyInstanceAttribute") if rules.stop_before_resize => {
            reason_not_resizable(call, request, upstream).await
        }
        ("ec2", "ModifyVolume") if rules.volume_limits => {
            let volume = call.parameter("VolumeId").unwrap_or_default();
            let recent = memory
                .lock()
                .expect("no test panics while it holds the lock")
                .recent_modifications(volume);
            match reason_volume_rests(volume, &recent, rules.volumes_busy) {
                Some(refusal) => Some(refusal),
                None => reason_volume_shrinks(call, request, upstream).await,
            }
        }
        ("autoscaling", "UpdateAutoScalingGroup") if rules.ranges => {
            reason_bounds_cross(call, request, upstream).await
        }
        ("lambda", "PublishVersion") if rules.revisions => {
            match reason_other_code((call, request), upstream).await {
                None => reason_other_revision(memory, (call, request), upstream).await,
                refusal => refusal,
            }
        }
        ("lambda", "UpdateAlias") if rules.revisions => reason_alias_moved(memory, call, request),
        ("lambda", "UpdateFunctionConfiguration" | "UpdateFunctionCode") => {
            match reason_memory_out_of_range(call).filter(|_| rules.ranges) {
                None if rules.revisions => {
                    reason_other_revision(memory, (call, request), upstream).await
                }
                refusal => refusal,
            }
        }
        (_, _) => None,
    };
    refusal.map(|(status, code, message)| Answer::error(call, status, code, &message))
}

/// Nobody in these tests may replace the user data of a machine, or do what is denied.
fn reason_no_right(rules: &Rules, call: &Call) -> Option<Refusal> {
    let action = format!("{}:{}", call.service, call.operation);
    let is_denied = rules.denied.iter().any(|denied| *denied == action)
        || (call.parameter("UserData.Value").is_some() && !rules.user_data);
    let message = format!("You are not authorized to perform: {action}");
    is_denied.then_some((403, "UnauthorizedOperation", message))
}

fn reason_not_trusted(rules: &Rules, call: &Call) -> Option<Refusal> {
    let role = call.parameter("RoleArn").unwrap_or_default();
    let trusted = rules.external_ids.is_empty()
        || match rules.external_ids.get(role) {
            None => false,
            Some(None) => true,
            Some(Some(wanted)) => call.parameter("ExternalId") == Some(wanted),
        };
    let message =
        format!("The caller is not authorized to perform: sts:AssumeRole on resource: {role}");
    (!trusted).then_some((403, "AccessDenied", message))
}

async fn reason_not_resizable(
    call: &Call,
    request: &Forward,
    upstream: &Upstream,
) -> Option<Refusal> {
    let kind = call.parameter("InstanceType.Value")?;
    let id = call.parameter("InstanceId")?;
    let found =
        upstream.ask(request, EC2, &format!("Action=DescribeInstances&InstanceId.1={id}")).await;
    let state = xml::text(found.text(), "instanceState").and_then(|state| xml::text(state, "name"));
    if found.is_success() && state != Some("stopped") {
        let message = format!("The instance '{id}' is not in the 'stopped' state.");
        return Some((400, "IncorrectInstanceState", message));
    }
    let known = upstream
        .ask(request, EC2, &format!("Action=DescribeInstanceTypes&InstanceType.1={kind}"))
        .await;
    let message = format!("The instance type '{kind}' does not exist.");
    (!known.is_success()).then_some((400, "InvalidInstanceAttributeValue", message))
}

fn reason_volume_rests(volume: &str, recent: &[Timestamp], busy: bool) -> Option<Refusal> {
    if busy && !recent.is_empty() {
        let message = format!("The volume '{volume}' has a modification that is not completed.");
        return Some((400, "IncorrectModificationState", message));
    }
    let oldest = recent.len().checked_sub(MODIFICATIONS_MAX).and_then(|index| recent.get(index))?;
    let message = format!(
        "The volume '{volume}' was modified {MODIFICATIONS_MAX} times in 24 hours. Wait until {}.",
        *oldest + MODIFICATIONS_WINDOW
    );
    Some((400, "VolumeModificationRateExceeded", message))
}

async fn reason_volume_shrinks(
    call: &Call,
    request: &Forward,
    upstream: &Upstream,
) -> Option<Refusal> {
    let id = call.parameter("VolumeId")?;
    let wanted: u64 = call.parameter("Size")?.parse().ok()?;
    let found =
        upstream.ask(request, EC2, &format!("Action=DescribeVolumes&VolumeId.1={id}")).await;
    let size: u64 = xml::text(found.text(), "size")?.parse().ok()?;
    let message = format!("New size {wanted} cannot be smaller than existing size {size}.");
    (wanted < size).then_some((400, "InvalidParameterValue", message))
}

/// Whether the alias was written since the caller read it.
fn reason_alias_moved(
    memory: &std::sync::Mutex<Memory>,
    call: &Call,
    request: &Forward,
) -> Option<Refusal> {
    let named = call.parameter("RevisionId")?;
    let (function, alias) = request.path_and_query.split_once("/aliases/")?;
    let (_, function) = function.rsplit_once('/')?;
    let memory = memory.lock().expect("no test panics while it holds the lock");
    let message = "The RevisionId provided does not match the latest RevisionId.".to_owned();
    (named != memory.alias_revision(call, &format!("{function}:{alias}"))).then_some((
        412,
        "PreconditionFailedException",
        message,
    ))
}

/// The configuration of the function that a call to one of its parts is about.
async fn configuration_of(request: &Forward, upstream: &Upstream) -> Option<serde_json::Value> {
    let (function, _) = request.path_and_query.rsplit_once('/')?;
    let question = Forward {
        method: axum::http::Method::GET,
        path_and_query: format!("{function}/configuration"),
        body: axum::body::Bytes::new(),
        ..request.clone()
    };
    let found = upstream.send(question).await;
    serde_json::from_slice(&found.body).ok().filter(|_| found.is_success())
}

/// Whether the code is not the one that the caller means to publish.
async fn reason_other_code(
    (call, request): (&Call, &Forward),
    upstream: &Upstream,
) -> Option<Refusal> {
    let named = call.parameter("CodeSha256")?;
    let configuration = configuration_of(request, upstream).await?;
    let message = format!("CodeSHA256 ({named}) is different from current CodeSHA256 in $LATEST.");
    let is_same = configuration["CodeSha256"].as_str() == Some(named);
    (!is_same).then_some((400, "InvalidParameterValueException", message))
}

async fn reason_other_revision(
    memory: &std::sync::Mutex<Memory>,
    (call, request): (&Call, &Forward),
    upstream: &Upstream,
) -> Option<Refusal> {
    let named = call.parameter("RevisionId")?;
    let configuration = configuration_of(request, upstream).await?;
    let current = memory
        .lock()
        .expect("no test panics while it holds the lock")
        .revision(call, &configuration);
    let message = "The RevisionId provided does not match the latest RevisionId.".to_owned();
    (named != current).then_some((412, "PreconditionFailedException", message))
}

fn reason_memory_out_of_range(call: &Call) -> Option<Refusal> {
    let memory: u32 = call.parameter("MemorySize")?.parse().ok()?;
    let message = format!(
        "'MemorySize' value failed to satisfy constraint: {memory} is not in {FUNCTION_MEMORY:?}"
    );
    (!FUNCTION_MEMORY.contains(&memory)).then_some((400, "InvalidParameterValueException", message))
}

async fn reason_bounds_cross(
    call: &Call,
    request: &Forward,
    upstream: &Upstream,
) -> Option<Refusal> {
    let name = call.parameter("AutoScalingGroupName")?;
    let question =
        format!("Action=DescribeAutoScalingGroups&AutoScalingGroupNames.member.1={name}");
    let found = upstream.ask(request, AUTO_SCALING, &question).await;
    let bound = |name| -> Option<i64> {
        let live = || xml::text(found.text(), name);
        call.parameter(name).or_else(live)?.parse().ok()
    };
    let (minimum, maximum) = (bound("MinSize")?, bound("MaxSize")?);
    let message =
        format!("Max bound, {maximum}, must be greater than or equal to min bound, {minimum}");
    (minimum > maximum).then_some((400, "ValidationError", message))
}
