//! Trimtab's AWS side on the wire: what the ports promise, seen through moto and the proxy.
//!
//! Not here: the daemon that uses the ports.

mod discovery;
mod failures;
mod groups;
mod series;
mod writes;

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use jiff::Timestamp;
use trimtab::aws::{AccountAccess, Aws, AwsSettings};
use trimtab::ports::{Clock, Place};
use trimtab_models::resource::{Arn, Kind, ResourceRef};
use trimtab_policies::operations::Operation;
use trimtab_policies::session::{Right, Session};

use crate::proxy::BASE_ACCOUNT;
use crate::scene::Scene;

/// A present on the grid of the series; any would do.
const NOW: i64 = 1_790_000_100;
const REGION: &str = "us-east-1";

/// A clock that stands still.
#[derive(Debug)]
struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW).expect("the present is a time")
    }

    async fn sleep_until(&self, _: Timestamp) {}
}

fn place() -> Place {
    Place { account: BASE_ACCOUNT.to_owned(), region: REGION.to_owned() }
}

/// The base account, read with the agent's own credentials.
fn own_account() -> AccountAccess {
    AccountAccess {
        id: BASE_ACCOUNT.to_owned(),
        role_arn: None,
        apply_role_arn: None,
        external_id: None,
        regions: vec![REGION.to_owned()],
    }
}

fn settings(endpoint: &str, account: AccountAccess) -> AwsSettings {
    AwsSettings {
        endpoint_url: Some(endpoint.to_owned()),
        accounts: vec![account],
        max_rate_ratio: 1.0,
    }
}

/// The AWS side with keys that moto takes for the base account's.
fn connect(endpoint: &str, account: AccountAccess) -> Aws {
    let keys = Credentials::new("AKIATRIMTABWIRETESTS", "secret", None, None, "wire");
    let keys = SharedCredentialsProvider::new(keys);
    Aws::with_credentials(settings(endpoint, account), Arc::new(Still), keys)
}

fn aws(scene: &Scene) -> Aws {
    connect(scene.proxy.url(), own_account())
}

/// The session of a change that is nothing but this call.
fn session(operation: &Operation) -> Session {
    let right = Right {
        actions: vec![operation.iam_action().to_owned()],
        resources: vec!["*".to_owned()],
        conditions: std::collections::BTreeMap::new(),
    };
    Session {
        name: "chg-0123456789ab".to_owned(),
        rights: vec![right],
        outlives_s: 120,
        is_later_undo: false,
    }
}

/// A resource of the base account, as far as the ports look at it.
fn reference(kind: Kind) -> ResourceRef {
    ResourceRef {
        arn: Arn(String::new()),
        kind,
        account: BASE_ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        tags: std::collections::BTreeMap::new(),
    }
}
