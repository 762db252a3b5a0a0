//! What an error of the SDK means for what comes next, in Trimtab's words, with what to do about it.
//!
//! Not here: whether a call is repeated. Nothing is guessed from prose except where AWS gives no code.

use std::error::Error;

use aws_sdk_ec2::error::{ConnectorError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use jiff::Timestamp;
use trimtab_policies::operations::{Failure, FailureKind};

/// The codes by which AWS's services say "too many calls".
pub(super) const THROTTLING_CODES: [&str; 11] = [
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "PriorRequestNotComplete",
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
];

const CAPACITY_CODES: [&str; 5] = [
    "InsufficientInstanceCapacity",
    "InsufficientHostCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientVolumeCapacity",
    "InsufficientCapacityOnHost",
];

const LIMIT_CODES: [&str; 9] = [
    "InstanceLimitExceeded",
    "VcpuLimitExceeded",
    "VolumeLimitExceeded",
    "SnapshotLimitExceeded",
    "MaxIOPSLimitExceeded",
    "VolumeIOPSLimit",
    "VolumeModificationRateExceeded",
    "ConcurrentSnapshotLimitExceeded",
    "LimitExceeded",
];

const CONFLICT_CODES: [&str; 14] = [
    "IncorrectState",
    "IncorrectModificationState",
    "VolumeInUse",
    "ResourceConflictException",
    "PreconditionFailedException",
    "ScalingActivityInProgress",
    "ScalingActivityInProgressFault",
    "ResourceContention",
    "ResourceContentionFault",
    "ResourceInUse",
    "ConcurrentModification",
    "InstanceRefreshInProgress",
    "InstanceRefreshInProgressFault",
    // It has ended since it was seen to run: what it has come to is looked at again.
    "ActiveInstanceRefreshNotFound",
];

const DENIED_CODES: [&str; 19] = [
    "UnauthorizedOperation",
    "UnauthorizedException",
    "AccessDenied",
    "AccessDeniedException",
    "Blocked",
    "PendingVerification",
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "AuthFailure",
    "SignatureDoesNotMatch",
    "MissingAuthenticationToken",
    "IncompleteSignature",
    "OptInRequired",
    "RegionDisabledException",
    "InvalidSignatureException",
    "RequestTimeTooSkewed",
];

/// What AWS says where the caller's clock is more than five minutes off, beside codes that say other things as well (AWS
/// General Reference, "Signing AWS API requests", troubleshooting).
const SKEW_WORDS: [&str; 3] = ["Signature expired", "Signature not yet current", "TimeTooSkewed"];

/// How AWS words a refusal by an organization's service control policy.
const ORGANIZATION_WORDS: &str = "service control policy";

/// Under which account, role and endpoint a call is made: what an error message names.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// The account's 12-digit id.
    pub(super) account: String,
    /// The role that is assumed; `None` for the agent's own credentials.
    pub(super) role: Option<String>,
    /// The key of the settings that names the role.
    pub(super) role_key: &'static str,
    /// The endpoint that the settings name, if any.
    pub(super) endpoint: Option<String>,
}

impl Identity {
    fn name(&self) -> String {
        match &self.role {
            Some(role) => format!("role `{role}`"),
            None => format!("the agent's own credentials in account {}", self.account),
        }
    }

    /// Turns an error of the SDK into a failure of `call` on `target`.
    pub(super) fn failure<E>(&self, call: &str, target: &str, error: &SdkError<E>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let (kind, message) = match error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                self.answer(call, status, service.err().code(), service.err().message())
            }
            SdkError::TimeoutError(_) => {
                (FailureKind::Uncertain, format!("no answer in time from {}", self.endpoint()))
            }
            SdkError::ResponseError(response) => {
                let status = response.raw().status().as_u16();
                let text = DisplayErrorContext(error);
                let text = format!("the answer (status {status}) could not be read: {text}");
                (FailureKind::Uncertain, text)
            }
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => self.not_sent(error),
            // The SDK reserves the right to more variants; of those nothing is known.
            _ => (FailureKind::Uncertain, DisplayErrorContext(error).to_string()),
        };
        new(kind, call, target, message)
    }

    /// An answer that is an error: the code decides, then the status.
    fn answer(
        &self,
        call: &str,
        status: u16,
        code: Option<&str>,
        words: Option<&str>,
    ) -> (FailureKind, String) {
        let code = code.unwrap_or_default();
        let words = words.unwrap_or("no further words");
        let kind = kind_of(code, status, words);
        let name = if code.is_empty() { format!("status {status}") } else { code.to_owned() };
        let advice = match kind {
            FailureKind::Denied => self.advice(call, code, words),
            FailureKind::Uncertain
            | FailureKind::Throttled
            | FailureKind::Capacity
            | FailureKind::Conflict
            | FailureKind::Limit { .. }
            | FailureKind::NotFound
            | FailureKind::Rejected => String::new(),
        };
        (kind, format!("{name}: {words}{advice}"))
    }

    /// What a person does about a refusal.
    fn advice(&self, call: &str, code: &str, words: &str) -> String {
        let name = self.name();
        if SKEW_WORDS.iter().any(|skew| words.contains(skew) || code.contains(skew)) {
            return "; this machine's clock is more than five minutes off: set it (NTP)".to_owned();
        }
        if words.contains(ORGANIZATION_WORDS) {
            return format!(
                "; a service control policy of the organization denies `{call}`: whoever manages it must allow it, \
                 nothing in account {} can",
                self.account
            );
        }
        if call == "sts:AssumeRole" && code == "AccessDenied" {
            return format!(
                "; {name} does not exist, or its trust policy does not name the agent's principal and the account's \
                 `external_id`"
            );
        }
        match code {
            "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
                format!("; renew the credentials behind {name}, and check this machine's clock")
            }
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "AuthFailure"
            | "SignatureDoesNotMatch"
            | "MissingAuthenticationToken"
            | "IncompleteSignature" => {
                format!(
                    "; AWS does not know {name}: check the access key, and that the region is enabled"
                )
            }
            "OptInRequired" | "RegionDisabledException" | "PendingVerification" | "Blocked" => {
                format!("; enable the service and the region in account {}", self.account)
            }
            _ => format!("; allow `{call}` to {name}"),
        }
    }

    /// An error before any answer: no credentials, or no connection.
    fn not_sent<E>(&self, error: &SdkError<E>) -> (FailureKind, String)
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let text = DisplayErrorContext(error).to_string();
        let words = innermost(error);
        if SKEW_WORDS.iter().any(|skew| text.contains(skew)) {
            let message = format!("{words}{}", self.advice("", "", SKEW_WORDS[0]));
            return (FailureKind::Denied, message);
        }
        if unreachable(error) {
            let endpoint = self.endpoint();
            return (
                FailureKind::Uncertain,
                format!(
                    "no answer from {endpoint}: {words}; check that it can be reached from here"
                ),
            );
        }
        if THROTTLING_CODES.iter().any(|code| text.contains(code)) {
            return (FailureKind::Throttled, words);
        }
        if !(text.contains("redential") || text.contains("identity")) {
            return (FailureKind::Uncertain, words);
        }
        (FailureKind::Denied, self.no_credentials(&text, &words))
    }

    fn no_credentials(&self, text: &str, words: &str) -> String {
        let Self { account, role_key, .. } = self;
        let refused = ["AccessDenied", "not authorized to perform: sts:AssumeRole"];
        match &self.role {
            Some(role) if refused.iter().any(|word| text.contains(word)) => format!(
                "account {account}: `{role}` refuses to be assumed ({words}); check that it exists, its trust policy, and \
                 that `external_id` is the one that the policy names"
            ),
            Some(role) => format!(
                "no credentials to assume `{role}` of account {account} ({words}); give the agent AWS credentials \
                 (instance profile, AWS_ACCESS_KEY_ID, AWS_PROFILE), or correct `{role_key}`"
            ),
            None => format!(
                "no credentials for account {account} ({words}); give the agent AWS credentials (instance profile, \
                 AWS_ACCESS_KEY_ID, AWS_PROFILE), or set `{role_key}` and `external_id` of the account"
            ),
        }
    }

    fn endpoint(&self) -> String {
        match &self.endpoint {
            Some(url) => format!("`{url}` (`cloud.endpoint_url`)"),
            None => "AWS".to_owned(),
        }
    }
}

/// A failure in Trimtab's words.
pub(super) fn new(kind: FailureKind, call: &str, target: &str, message: String) -> Failure {
    Failure { kind, call: call.to_owned(), target: target.to_owned(), message }
}

/// A resource that a call did not find although AWS gave no error.
pub(super) fn not_found(call: &str, target: &str) -> Failure {
    let message = "there is no such resource (any more)".to_owned();
    new(FailureKind::NotFound, call, target, message)
}

/// An answer that lacks what AWS promises.
pub(super) fn incomplete(call: &str, target: &str, what: &str) -> Failure {
    let message = format!("the answer has no {what}");
    new(FailureKind::Uncertain, call, target, message)
}

fn kind_of(code: &str, status: u16, words: &str) -> FailureKind {
    let is = |codes: &[&str]| codes.contains(&code);
    if status == 429 || is(&THROTTLING_CODES) {
        FailureKind::Throttled
    } else if is(&CAPACITY_CODES) {
        FailureKind::Capacity
    } else if is(&LIMIT_CODES) {
        FailureKind::Limit { until: time_in(words) }
    } else if is(&CONFLICT_CODES) || (code.starts_with("Incorrect") && code.ends_with("State")) {
        FailureKind::Conflict
    } else if is(&DENIED_CODES) || status == 401 || status == 403 {
        FailureKind::Denied
    } else if code.contains("NotFound") || is_missing_group(code, words) {
        FailureKind::NotFound
    } else if status >= 500 {
        FailureKind::Uncertain
    } else {
        FailureKind::Rejected
    }
}

/// Auto Scaling has no code of its own for a group that is gone.
fn is_missing_group(code: &str, words: &str) -> bool {
    code == "ValidationError" && words.contains("not found") && words.contains("AutoScalingGroup")
}

/// The first time that stands in a message: AWS says so when a limit opens again.
fn time_in(words: &str) -> Option<Timestamp> {
    words
        .split(|c: char| c.is_whitespace() || "()[],;'\"".contains(c))
        .find_map(|word| word.trim_end_matches('.').parse().ok())
}

/// Whether a connection failed anywhere below, be it AWS's own or the one that fetches credentials.
fn unreachable(error: &(dyn Error + 'static)) -> bool {
    chain(error).into_iter().any(|inner| {
        let connector = inner.downcast_ref::<ConnectorError>();
        connector.is_some_and(|error| error.is_io() || error.is_timeout())
    })
}

/// The words of the innermost error, which say most; of a list of attempts only what came of it.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let chain = chain(error);
    let words = chain.last().map(ToString::to_string).unwrap_or_default();
    let first = words.lines().next().unwrap_or_default();
    first.trim_end_matches(" Attempted:").trim_end_matches('.').to_owned()
}

/// The error and its sources, outermost first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut all = vec![error];
    let mut next = error.source();
    while let Some(source) = next {
        all.push(source);
        next = source.source();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_codes() {
        let limit = |text: Option<&str>| FailureKind::Limit {
            until: text.map(|text| text.parse().expect("a time")),
        };
        let again = "try again after 2026-11-21T10:00:00Z.";
        let cases = [
            ("RequestLimitExceeded", 503, "", FailureKind::Throttled),
            ("TooManyRequestsException", 429, "", FailureKind::Throttled),
            ("", 429, "", FailureKind::Throttled),
            ("InsufficientInstanceCapacity", 500, "", FailureKind::Capacity),
            ("VcpuLimitExceeded", 400, "", limit(None)),
            ("VolumeModificationRateExceeded", 400, again, limit(Some("2026-11-21T10:00:00Z"))),
            ("IncorrectInstanceState", 400, "", FailureKind::Conflict),
            ("IncorrectModificationState", 400, "", FailureKind::Conflict),
            ("PreconditionFailedException", 412, "", FailureKind::Conflict),
            ("ScalingActivityInProgress", 400, "", FailureKind::Conflict),
            ("UnauthorizedOperation", 403, "", FailureKind::Denied),
            ("ExpiredToken", 400, "", FailureKind::Denied),
            ("SomethingNew", 403, "", FailureKind::Denied),
            ("InvalidInstanceID.NotFound", 400, "", FailureKind::NotFound),
            ("ResourceNotFoundException", 404, "", FailureKind::NotFound),
            ("ValidationError", 400, "AutoScalingGroup name not found - x", FailureKind::NotFound),
            ("ValidationError", 400, "max below min", FailureKind::Rejected),
            ("InvalidInstanceAttributeValue", 400, "", FailureKind::Rejected),
            ("InternalError", 500, "", FailureKind::Uncertain),
            ("Unavailable", 503, "", FailureKind::Uncertain),
        ];
        for (code, status, words, expect) in cases {
            assert_eq!(kind_of(code, status, words), expect, "{code} {status}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do_about_its_cause() {
        let identity = Identity {
            account: "210987654321".to_owned(),
            role: Some("arn:aws:iam::210987654321:role/TrimtabRead".to_owned()),
            role_key: "role_arn",
            endpoint: None,
        };
        let scp = "User is not authorized to perform: ec2:DescribeInstances with an explicit deny in a service \
                   control policy";
        let skew = "Signature expired: 20261120T100000Z is now earlier than 20261120T101500Z";
        let cases = [
            (
                "ec2:DescribeInstances",
                "UnauthorizedOperation",
                scp,
                "service control policy of the organization",
            ),
            (
                "ec2:DescribeInstances",
                "RequestExpired",
                "Request has expired.",
                "this machine's clock",
            ),
            (
                "sts:GetCallerIdentity",
                "SignatureDoesNotMatch",
                skew,
                "clock is more than five minutes off",
            ),
            (
                "lambda:ListFunctions",
                "InvalidSignatureException",
                skew,
                "clock is more than five minutes off",
            ),
            (
                "sts:AssumeRole",
                "AccessDenied",
                "not authorized",
                "does not exist, or its trust policy",
            ),
            (
                "sts:AssumeRole",
                "RegionDisabledException",
                "STS is not activated",
                "enable the service and the region",
            ),
            (
                "ec2:DescribeInstances",
                "AuthFailure",
                "not able to validate",
                "that the region is enabled",
            ),
            (
                "ec2:DescribeVolumes",
                "UnauthorizedOperation",
                "You are not authorized",
                "allow `ec2:DescribeVolumes`",
            ),
        ];
        for (call, code, words, advice) in cases {
            let (kind, message) = identity.answer(call, 400, Some(code), Some(words));
            assert_eq!(kind, FailureKind::Denied, "{code}");
            assert!(message.contains(advice), "{message}");
        }
    }
}
