//! Holds every call that Trimtab makes to the table of calls: what is not in it has no right in any policy.
//!
//! Trimtab's calls are known by the name that its clients send. Not here: the calls that set a test's scene.

use axum::http::HeaderMap;
use trimtab_policies::calls::{Caller, TABLE};

/// What the agent's own principal may always do; STS asks for no right of the role.
const OWN: [&str; 2] = ["sts:AssumeRole", "sts:GetCallerIdentity"];

/// How the SDK sends the name of an application.
const NAME: &str = "app/trimtab-";

/// Whether Trimtab makes the call.
pub(super) fn is_by_trimtab(headers: &HeaderMap) -> bool {
    ["user-agent", "x-amz-user-agent"].iter().any(|name| {
        let value = headers.get(*name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains(NAME))
    })
}

/// Whether the table lets Trimtab make the call itself.
pub(crate) fn is_known(service: &str, operation: &str) -> bool {
    let action = format!("{service}:{operation}");
    let row =
        |row: &trimtab_policies::calls::Call| row.action == action && row.caller == Caller::Trimtab;
    OWN.contains(&action.as_str()) || TABLE.iter().any(row)
}

#[test]
fn a_call_that_is_not_in_the_table_is_seen() {
    let cases = [
        ("ec2", "StopInstances", true),
        ("cloudwatch", "GetMetricData", true),
        ("sts", "AssumeRole", true),
        ("ec2", "TerminateInstances", false),
        ("lambda", "GetFunction", false),
        // AWS makes it in the name of the apply role.
        ("ec2", "RunInstances", false),
    ];
    for (service, operation, known) in cases {
        assert_eq!(is_known(service, operation), known, "{service}:{operation}");
    }
}
